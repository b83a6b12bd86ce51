/* SPDX-License-Identifier: MIT */
#include "code_scene.h"

#include "builder.h"
#include "covey/code_check.h"
#include "covey/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Answers judged of each code: in all 10^5 honest ones and 10^4 of each kind of lie. */
enum { SCENES = 100, SECRETS = 10 };

static const struct {
    enum covey_code_kind kind;
    uint32_t n, m, rows, k, cols;
    float shift; /* of A and B: all of one sign from 1 on */
} cases[] = {
    {COVEY_CODE_MDS, 10, 20, 20, 64, 12, 0},      {COVEY_CODE_MDS, 10, 20, 13, 300, 1, 1},
    {COVEY_CODE_LT, 10, 20, 30, 17, 40, 0},       {COVEY_CODE_UNCODED, 20, 20, 20, 33, 33, 2},
    {COVEY_CODE_VANDERMONDE, 4, 20, 9, 50, 3, 0}, {COVEY_CODE_FIELD, 10, 20, 21, 40, 7, 0},
    {COVEY_CODE_MDS, 2, 20, 4, 4000, 5, 1},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]), TASKS = 20 };

struct judge {
    struct code_scene scene;
    struct covey_code_check *check;
    float *lie;
    uint64_t seed;
    bool exact;
};

static void open_judge(struct judge *j, unsigned i, uint64_t seed)
{
    struct covey_code code = code_of(cases[i].kind, cases[i].n, cases[i].m, cases[i].rows);
    code.a.inner = cases[i].k;
    code.c.inner = cases[i].cols;
    *j = (struct judge){.seed = seed, .exact = cases[i].kind == COVEY_CODE_FIELD};
    code_scene_open_shifted(&j->scene, &code, seed, cases[i].shift);
    assert_int_equal(covey_code_check_new(&code, &j->check), COVEY_OK);
    size_t floats = (size_t)(code.rows / code.n + 1) * code.c.inner;
    j->lie = malloc(floats * sizeof(float));
    assert_non_null(j->lie);
}

static void close_judge(struct judge *j)
{
    free(j->lie);
    covey_code_check_free(j->check);
    code_scene_close(&j->scene);
}

static void start(struct judge *j)
{
    (void)covey_code_check_start(j->check, ++j->seed, j->scene.code.seed);
    covey_code_check_product(j->check, j->scene.a, j->scene.b);
}

/* No honest answer is ever called wrong, of any code, with inputs of both signs or of one. */
static void test_no_false_alarm(void **state)
{
    unsigned judged = 0;
    (void)state;
    for (unsigned i = 0; i < CASES * SCENES; i++) {
        struct judge j;
        open_judge(&j, i % CASES, 1000 * i);
        for (unsigned s = 0; s < SECRETS; s++) {
            start(&j);
            for (uint32_t t = 0; t < TASKS; t++, judged++) {
                assert_true(covey_code_check_answer(j.check, t, j.scene.answer[t], 0));
            }
        }
        close_judge(&j);
    }
    assert_true(judged >= 100000);
}

enum lie { LIE_ONE, LIE_PAIR, LIE_ROW, LIE_ALL, LIE_OTHER, LIE_NAN, LIES };
/* Of one number, and of several that may cancel, by |e| |B|, where |e| is at most the sum of |g_j|
 * |a_j|: what a row of the answer might be at most. */
#define SIZE 5e-6
#define SPREAD 2e-3

static double norm_of(const float *v, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)v[i] * (double)v[i];
    }
    return sqrt(sum);
}

/* |e| |B| of row i of task t. */
static double size_of(const struct code_scene *s, uint32_t t, uint32_t i)
{
    float g[COVEY_CODE_BLOCKS_MAX];
    double sum = 0;
    covey_code_coefficients(&s->code, t, g);
    for (uint32_t j = 0; j < s->code.n; j++) {
        uint32_t first, rows = covey_code_block(&s->code, j, &first);
        const float *row = s->a + (size_t)(first + i) * s->k;
        sum += i < rows ? fabs((double)g[j]) * norm_of(row, s->k) : 0;
    }
    return sum * norm_of(s->b, (size_t)s->k * s->cols);
}

static float field_lie(const struct judge *j, float v)
{
    float most = (float)covey_field_most(j->scene.code.prime);
    return v >= most ? v - 1 : v + 1;
}

static void tell(struct judge *j, enum lie lie, uint32_t t)
{
    const struct covey_code *c = &j->scene.code;
    uint32_t cols = (uint32_t)c->c.inner, rows = covey_code_task_rows(c, t);
    uint32_t chosen = random_below(&j->seed, rows), at = random_below(&j->seed, cols);
    float *row = j->lie + (size_t)chosen * cols;
    float sign = random_float(&j->seed) < 0 ? -1.0f : 1.0f;
    double size = size_of(&j->scene, t, chosen);
    float one = (float)(SIZE * size), more = (float)(SPREAD * size);
    memcpy(j->lie, j->scene.answer[t], (size_t)rows * cols * sizeof(float));
    if (j->exact) {
        row[at] = lie == LIE_NAN ? 0.5f : field_lie(j, row[at]);
        return;
    }
    if (lie == LIE_ONE) {
        row[at] += sign * one;
    } else if (lie == LIE_PAIR) {
        row[at] += sign * more;
        row[(at + 1) % cols] -= cols > 1 ? sign * more : 0;
    } else if (lie == LIE_NAN) {
        row[at] = sign > 0 ? NAN : INFINITY;
    }
    for (size_t i = 0; i < cols && lie == LIE_ROW; i++) {
        row[i] += more * (random_float(&j->seed) + sign);
    }
    for (size_t i = 0; i < (size_t)rows * cols && (lie == LIE_ALL || lie == LIE_OTHER); i++) {
        float kept = lie == LIE_ALL ? j->lie[i] : 0;
        j->lie[i] = kept + more * (random_float(&j->seed) + sign);
    }
}

/* No lie of the stated size is missed: one number, several that cancel, a row, all, NaN. */
static void test_no_lie_is_missed(void **state)
{
    unsigned told[LIES] = {0};
    (void)state;
    for (unsigned i = 0; i < CASES * SCENES; i++) {
        struct judge j;
        open_judge(&j, i % CASES, 77000 * i);
        start(&j);
        for (uint32_t t = 0; t < LIES * TASKS; t++) {
            enum lie lie = (enum lie)(t % LIES);
            tell(&j, lie, t % TASKS);
            told[lie]++;
            assert_false(covey_code_check_answer(j.check, t % TASKS, j.lie, 0));
        }
        close_judge(&j);
    }
    for (unsigned lie = 0; lie < LIES; lie++) {
        assert_true(told[lie] >= 10000);
    }
}

/* What was rounded to float16 on its way is no lie, and a lie of a hundredth still is one. */
static void test_rounded_on_the_way(void **state)
{
    struct judge j;
    (void)state;
    open_judge(&j, 0, 5);
    for (unsigned s = 0; s < 200; s++) {
        uint32_t t = s % TASKS;
        size_t floats = covey_code_answer_floats(&j.scene.code, t);
        start(&j);
        for (size_t i = 0; i < floats; i++) {
            j.lie[i] = j.scene.answer[t][i] * (1 + 0x1p-11f * random_float(&j.seed));
        }
        assert_true(covey_code_check_answer(j.check, t, j.lie, 0x1p-11f));
        j.lie[s % floats] += 0.1f * (float)norm_of(j.lie, floats);
        assert_false(covey_code_check_answer(j.check, t, j.lie, 0x1p-11f));
    }
    close_judge(&j);
}

/* The transposed, as a weight gradient has it, is checked as what it is: C = A' B. */
static void test_transposed(void **state)
{
    enum { N = 3, M = 5, ROWS = 7, K = 40, COLS = 6 };
    (void)state;
    for (unsigned exact = 0; exact < 2; exact++) {
        struct covey_code code = code_of(exact ? COVEY_CODE_FIELD : COVEY_CODE_MDS, N, M, ROWS);
        code.a.inner = K;
        code.c.inner = COLS;
        struct code_scene s;
        float turned[K * ROWS];
        struct covey_code_check *check = NULL;
        code_scene_open(&s, &code, 3);
        for (unsigned i = 0; i < ROWS * K; i++) {
            turned[i % K * ROWS + i / K] = s.a[i];
        }
        code.a = (struct covey_code_shape){K, 1};
        assert_int_equal(covey_code_check_new(&code, &check), COVEY_OK);
        (void)covey_code_check_start(check, 8, code.seed);
        covey_code_check_product(check, turned, s.b);
        for (uint32_t t = 0; t < M; t++) {
            assert_true(covey_code_check_answer(check, t, s.answer[t], 0));
            s.answer[t][t] += exact ? 1 : 0.1f;
            assert_false(covey_code_check_answer(check, t, s.answer[t], 0));
        }
        covey_code_check_free(check);
        code_scene_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_false_alarm),
        cmocka_unit_test(test_no_lie_is_missed),
        cmocka_unit_test(test_rounded_on_the_way),
        cmocka_unit_test(test_transposed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
