/* SPDX-License-Identifier: MIT */
#include "code_scene.h"

#include "builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 10, TASKS = 60 };
/* Sums of up to ten blocks, solved from sums of sums. */
#define WANTED 2e-5

/* With every seed the answers of a few more tasks than there are blocks decode, in any order. */
static void test_seeds_decode(void **state)
{
    enum { SEEDS = 300 };
    struct covey_code code = code_of(COVEY_CODE_LT, N, TASKS, 3 * N + 1);
    uint32_t tasks[TASKS];
    uint64_t order = 77;
    double needed = 0, worst = 0;
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct code_scene s;
        code.seed = seed;
        code_scene_open(&s, &code, seed + 1);
        shuffle_tasks(&order, TASKS, tasks);
        assert_int_equal(code_scene_decode(&s, tasks, TASKS), COVEY_DECODER_READY);
        worst = fmax(worst, code_scene_block_error(&s));
        needed += (double)s.fed / SEEDS;
        code_scene_close(&s);
    }
    print_message("lt: %.1f answers for %d blocks, worst error of a block %.1e\n", needed, N,
                  worst);
    assert_true(worst < WANTED);
    assert_true(needed < 1.3 * N);
}

/* Sums and differences of distinct blocks; another seed draws others, the same seed the same. */
static void test_draws(void **state)
{
    struct covey_code code = code_of(COVEY_CODE_LT, N, COVEY_CODE_TASKS_MAX, N);
    float row[N], again[N];
    unsigned degrees[N + 1] = {0}, minus = 0, plus = 0, changed = 0;
    (void)state;
    for (uint32_t t = 0; t < code.m; t++) {
        unsigned degree = 0;
        covey_code_coefficients(&code, t, row);
        for (unsigned j = 0; j < N; j++) {
            assert_true(row[j] == 0 || row[j] == 1 || row[j] == -1);
            degree += row[j] != 0;
            plus += row[j] > 0;
            minus += row[j] < 0;
        }
        assert_in_range(degree, 1, N);
        degrees[degree]++;
        covey_code_coefficients(&code, t, again);
        assert_memory_equal(row, again, sizeof(row));
        code.seed++;
        covey_code_coefficients(&code, t, again);
        changed += memcmp(row, again, sizeof(row)) != 0;
        code.seed--;
    }
    assert_true(degrees[2] > degrees[3] && degrees[3] > degrees[4] && degrees[1] > code.m / 20);
    assert_true(plus > minus * 9 / 10 && minus > plus * 9 / 10);
    assert_true(changed > code.m * 9 / 10);
}

/* What brings nothing new is told before it is computed, and dropped. */
static void test_useless_sums(void **state)
{
    struct covey_code code = code_of(COVEY_CODE_LT, 3, 200, 3);
    struct code_scene s;
    unsigned useless = 0;
    (void)state;
    code_scene_open(&s, &code, 3);
    covey_decoder_start(s.decoder, s.c, code.seed);
    for (uint32_t t = 0; t < code.m && covey_decoder_state(s.decoder) != COVEY_DECODER_READY; t++) {
        enum covey_answer_use use;
        bool wanted = covey_decoder_wants(s.decoder, t);
        assert_int_equal(covey_decoder_add(s.decoder, t, s.answer[t], &use), COVEY_OK);
        assert_int_equal(wanted, use != COVEY_ANSWER_USELESS);
        useless += !wanted;
    }
    assert_int_equal(covey_decoder_state(s.decoder), COVEY_DECODER_READY);
    assert_true(covey_decoder_answers(s.decoder) >= 3);
    print_message("lt: %u useless of 3 blocks\n", useless);
    code_scene_close(&s);
}

struct rates {
    double peeled, solved;
};

/* Shares of seeds for which so many answers suffice. */
static struct rates rates_of(uint32_t answers)
{
    enum { SEEDS = 3000 };
    struct covey_code code = code_of(COVEY_CODE_LT, N, TASKS, N);
    struct covey_decoder *d = NULL;
    struct rates r = {0, 0};
    code.bound = 1e-6f; /* goes on peeling what is solved already */
    assert_int_equal(covey_decoder_new(&code, &d), COVEY_OK);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        covey_decoder_start(d, NULL, seed);
        for (uint32_t t = 0; t < answers; t++) {
            enum covey_answer_use use;
            assert_int_equal(covey_decoder_add(d, t, NULL, &use), COVEY_OK);
        }
        r.peeled += covey_decoder_peeled(d) == N ? 1.0 / SEEDS : 0;
        r.solved += covey_decoder_state(d) != COVEY_DECODER_SHORT ? 1.0 / SEEDS : 0;
    }
    covey_decoder_free(d);
    return r;
}

/* Solving what peeling leaves decodes nearly always with 1.5 times as many answers as blocks. */
static void test_solving_helps(void **state)
{
    struct rates few = rates_of(15), many = rates_of(25);
    (void)state;
    print_message("lt: 15 answers %.3f by peeling, %.3f by solving; 25: %.3f, %.3f\n", few.peeled,
                  few.solved, many.peeled, many.solved);
    assert_true(few.solved > 0.9);
    assert_true(many.solved > 0.995);
}

/* Sums as they would be handed out, each at most once and in order; returns how many there are. */
static uint32_t hand_out(struct covey_decoder *d, uint32_t m, uint32_t count, uint32_t *out)
{
    uint32_t from = 0, given = 0;
    while (given < count && (from = covey_decoder_next(d, from)) < m) {
        out[given++] = from++;
    }
    return given;
}

/* The first n sums that are handed out decode with every seed, although those of an LT code as they
 * are drawn do not; and of twice as many nearly any n do. */
static void test_what_is_handed_out_brings_something(void **state)
{
    enum { SEEDS = 1000, M = 16 * N };
    struct covey_code code = code_of(COVEY_CODE_LT, N, M, N);
    struct covey_decoder *d = NULL;
    uint64_t order = 5;
    double needed = 0;
    (void)state;
    code.bound = 1e9f;
    assert_int_equal(covey_decoder_new(&code, &d), COVEY_OK);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint32_t task[2 * N], place[2 * N], fed = 0;
        enum covey_answer_use use;
        covey_decoder_start(d, NULL, seed);
        assert_int_equal(hand_out(d, M, N, task), N);
        for (uint32_t i = 0; i < N; i++) {
            assert_int_equal(covey_decoder_add(d, task[i], NULL, &use), COVEY_OK);
            assert_int_not_equal(use, COVEY_ANSWER_USELESS);
        }
        assert_int_equal(covey_decoder_state(d), COVEY_DECODER_READY);
        assert_int_equal(covey_decoder_next(d, 0), M); /* nothing more is worth it */
        covey_decoder_start(d, NULL, seed);
        assert_int_equal(hand_out(d, M, 2 * N, task), 2 * N);
        shuffle_tasks(&order, 2 * N, place);
        while (covey_decoder_state(d) != COVEY_DECODER_READY) {
            assert_true(fed < 2 * N);
            assert_int_equal(covey_decoder_add(d, task[place[fed++]], NULL, &use), COVEY_OK);
        }
        needed += (double)fed / SEEDS;
    }
    covey_decoder_free(d);
    print_message("lt: any %.2f of %d that were handed out\n", needed, 2 * N);
    assert_true(needed < 1.06 * N);
}

/* Of a code whose every task counts none is left out. */
static void test_other_codes_leave_nothing_out(void **state)
{
    const struct covey_code code = code_of(COVEY_CODE_MDS, N, 2 * N, N);
    struct covey_decoder *d = NULL;
    (void)state;
    assert_int_equal(covey_decoder_new(&code, &d), COVEY_OK);
    for (uint32_t t = 0; t < 2 * N; t++) {
        assert_int_equal(covey_decoder_next(d, t), t);
    }
    assert_int_equal(covey_decoder_next(d, 2 * N), 2 * N);
    covey_decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_decode),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_useless_sums),
        cmocka_unit_test(test_solving_helps),
        cmocka_unit_test(test_what_is_handed_out_brings_something),
        cmocka_unit_test(test_other_codes_leave_nothing_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
