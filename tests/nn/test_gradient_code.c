/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "builder.h"
#include "covey/gradient_code.h"

enum { TASKS = COVEY_GRADIENT_TASKS_MAX };

/* The largest of: weights, and what a part's weight in the sum is off by. */
struct worst {
    double weight, off;
};

static void check(const struct covey_gradient_code *code, const bool *answered, struct worst *w)
{
    float weight[TASKS];
    double sum[TASKS] = {0};
    if (!covey_gradient_weights(code, answered, weight)) {
        fail_msg("%u tasks, %u spare: not decoded", code->tasks, code->spare);
    }
    for (uint32_t t = 0; t < code->tasks; t++) {
        assert_true(answered[t] || weight[t] == 0.0f);
        w->weight = fmax(w->weight, fabs((double)weight[t]));
        for (uint32_t i = 0; i <= code->spare; i++) {
            sum[covey_gradient_part(code, t, i)] +=
                (double)weight[t] * (double)code->coefficient[t][i];
        }
    }
    for (uint32_t p = 0; p < code->tasks; p++) {
        w->off = fmax(w->off, fabs(sum[p] - 1.0));
    }
}

static void lose(bool *answered, uint32_t tasks, const uint32_t *lost, uint32_t count)
{
    for (uint32_t t = 0; t < tasks; t++) {
        answered[t] = true;
    }
    for (uint32_t i = 0; i < count; i++) {
        answered[lost[i]] = false;
    }
}

static struct covey_gradient_code code_of(uint32_t tasks, uint32_t spare)
{
    struct covey_gradient_code code;
    assert_int_equal(covey_gradient_code_init(&code, tasks, spare), COVEY_OK);
    assert_int_equal(code.kind == COVEY_GRADIENT_FRACTIONAL, tasks % (spare + 1) == 0);
    return code;
}

/* With any s answers missing the rest sum to every part once, for codes of at most 12 tasks; no
 * answer is taken more than 20 times. */
static void test_every_loss(void **state)
{
    struct worst all = {0, 0};
    (void)state;
    for (uint32_t s = 0; s <= 3; s++) {
        for (uint32_t n = s + 1; n <= 12; n++) {
            const struct covey_gradient_code code = code_of(n, s);
            for (uint32_t set = 0; set < 1u << n; set++) {
                uint32_t lost[4], count = 0;
                bool answered[TASKS];
                for (uint32_t t = 0; t < n; t++) {
                    if ((set >> t & 1) != 0 && count++ < s) {
                        lost[count - 1] = t;
                    }
                }
                if (count <= s) {
                    lose(answered, n, lost, count);
                    check(&code, answered, &all);
                }
            }
        }
    }
    print_message("up to 12 tasks: weights to %.3g, sums off by %.1g\n", all.weight, all.off);
    assert_true(all.weight < 20.0 && all.off < 2e-6);
}

/* The same for larger ones, with losses drawn and, the worst, side by side. */
static void check_drawn(uint32_t first, uint32_t last, uint32_t spare, struct worst *all)
{
    uint64_t seed = 1;
    for (uint32_t n = first; n <= last; n++) {
        const struct covey_gradient_code code = code_of(n, spare);
        for (unsigned i = 0; i < 200; i++) {
            uint32_t lost[COVEY_GRADIENT_SPARE_MAX];
            bool answered[TASKS];
            for (uint32_t k = 0; k < spare; k++) {
                lost[k] = i < n ? (i + k) % n : random_below(&seed, n);
            }
            lose(answered, n, lost, spare);
            check(&code, answered, all);
        }
    }
}

static void test_drawn_losses(void **state)
{
    struct worst all = {0, 0}, most = {0, 0};
    (void)state;
    for (uint32_t s = 1; s <= 3; s++) {
        check_drawn(13, 32, s, &all);
    }
    print_message("up to 32 tasks: weights to %.3g, sums off by %.1g\n", all.weight, all.off);
    assert_true(all.weight < 150.0 && all.off < 1e-5);
    check_drawn(60, 64, 4, &most);
    print_message("64 tasks, 4 spare: weights to %.3g, sums off by %.1g\n", most.weight, most.off);
    assert_true(most.off < 1e-3);
}

/* One answer less than the code needs is not enough for the cyclic one, whichever it is; a group
 * without an answer not for the other, which may do with fewer than n - s. */
static void test_too_few(void **state)
{
    const struct covey_gradient_code cyclic = code_of(7, 2), fractional = code_of(6, 1);
    float weight[TASKS];
    bool answered[TASKS];
    (void)state;
    for (uint32_t t = 0; t < 7; t++) {
        lose(answered, 7, (const uint32_t[3]){t, (t + 1) % 7, (t + 3) % 7}, 3);
        assert_false(covey_gradient_weights(&cyclic, answered, weight));
    }
    lose(answered, 6, (const uint32_t[3]){0, 3, 5}, 3);
    assert_true(covey_gradient_weights(&fractional, answered, weight));
    lose(answered, 6, (const uint32_t[2]){2, 3}, 2);
    assert_false(covey_gradient_weights(&fractional, answered, weight));
}

/* Every task has s + 1 different parts, and every part is in s + 1 tasks. */
static void test_parts(void **state)
{
    (void)state;
    for (uint32_t n = 3; n <= 12; n++) {
        const struct covey_gradient_code code = code_of(n, 2);
        uint32_t times[TASKS] = {0};
        for (uint32_t t = 0; t < n; t++) {
            uint32_t a = covey_gradient_part(&code, t, 0), b = covey_gradient_part(&code, t, 1);
            uint32_t c = covey_gradient_part(&code, t, 2);
            assert_true(a != b && b != c && a != c && a < n && b < n && c < n);
            times[a]++;
            times[b]++;
            times[c]++;
        }
        for (uint32_t p = 0; p < n; p++) {
            assert_int_equal(times[p], 3);
        }
    }
}

/* No tasks, more spare than may be, or as many spare as tasks are refused. */
static void test_refused(void **state)
{
    struct covey_gradient_code code;
    (void)state;
    assert_int_equal(covey_gradient_code_init(&code, 0, 0), COVEY_ERR_RANGE);
    assert_int_equal(covey_gradient_code_init(&code, 3, 3), COVEY_ERR_RANGE);
    assert_int_equal(covey_gradient_code_init(&code, 20, COVEY_GRADIENT_SPARE_MAX + 1),
                     COVEY_ERR_RANGE);
    assert_int_equal(covey_gradient_code_init(&code, COVEY_GRADIENT_TASKS_MAX + 1, 1),
                     COVEY_ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_loss), cmocka_unit_test(test_drawn_losses),
        cmocka_unit_test(test_too_few),    cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
