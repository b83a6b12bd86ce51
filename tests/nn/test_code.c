/* SPDX-License-Identifier: MIT */
#include "code_scene.h"

#include "builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS_MAX = 64 };
/* A product's own rounding at this depth, with room. */
#define PLAIN 1e-6

/* What is wanted of MDS (12, 10). */
#define WANTED 2e-5

/* Every n of the m answers decode: MDS (12,10) within 2e-5, whole and block by block, and (16,12),
 * where that is not to be had, where it does not wait for a better pattern. */
static void test_any_answers_decode(void **state)
{
    static const struct {
        uint32_t m, n;
        double whole, block;
    } sizes[] = {{12, 10, WANTED, WANTED}, {4, 3, PLAIN, PLAIN}, {16, 12, 1e-4, 3e-4}};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t m = sizes[i].m, n = sizes[i].n, tasks[TASKS_MAX], patterns = 0;
        struct covey_code code = code_of(COVEY_CODE_MDS, n, m, 4 * n);
        struct code_scene s;
        double worst = 0, worst_block = 0;
        code.bound = 1e9f; /* none is awaited */
        code_scene_open(&s, &code, 3 + i);
        choice_first(n, tasks);
        do {
            assert_int_equal(code_scene_decode(&s, tasks, n), COVEY_DECODER_READY);
            worst = fmax(worst, code_scene_error(&s));
            worst_block = fmax(worst_block, code_scene_block_error(&s));
            patterns++;
        } while (choice_next(n, m, tasks));
        code_scene_close(&s);
        print_message("(%u,%u): %u patterns, worst error %.1e, of a block %.1e\n", m, n, patterns,
                      worst, worst_block);
        assert_true(worst <= sizes[i].whole);
        assert_true(worst_block <= sizes[i].block);
    }
}

/* The published code loses its digits where it is used: that is why it is not the default. */
static void test_vandermonde_fails(void **state)
{
    uint32_t tasks[TASKS_MAX];
    struct covey_code code = code_of(COVEY_CODE_VANDERMONDE, 10, 12, 40);
    struct code_scene s;
    (void)state;
    code_scene_open(&s, &code, 5);
    choice_first(10, tasks);
    double least = HUGE_VAL;
    do {
        assert_int_equal(code_scene_decode(&s, tasks, 10), COVEY_DECODER_READY);
        least = fmin(least, code_scene_error(&s));
    } while (choice_next(10, 12, tasks));
    print_message("vandermonde (12,10): least error %.1e\n", least);
    assert_true(least > 1);
    code_scene_close(&s);
    code = code_of(COVEY_CODE_VANDERMONDE, 4, 6, 16);
    code_scene_open(&s, &code, 5);
    choice_first(4, tasks);
    do {
        assert_int_equal(code_scene_decode(&s, tasks, 4), COVEY_DECODER_READY);
        assert_true(code_scene_error(&s) < 1e-3);
    } while (choice_next(4, 6, tasks));
    code_scene_close(&s);
}

/* Where a pattern is bad one more answer is awaited, and then the error is within the bound. */
static void test_one_more_answer(void **state)
{
    enum { N = 10, M = 20, ROUNDS = 2000 };
    uint32_t tasks[M];
    uint64_t seed = 9;
    unsigned more = 0;
    double worst = 0, worst_block = 0;
    struct covey_code code = code_of(COVEY_CODE_MDS, N, M, 2 * N);
    struct code_scene s;
    (void)state;
    code.a.inner = 32;
    code.c.inner = 3;
    code_scene_open(&s, &code, 7);
    for (unsigned i = 0; i < ROUNDS; i++) {
        shuffle_tasks(&seed, M, tasks);
        assert_int_equal(code_scene_decode(&s, tasks, M), COVEY_DECODER_READY);
        worst = fmax(worst, code_scene_error(&s));
        worst_block = fmax(worst_block, code_scene_block_error(&s));
        more += covey_decoder_answers(s.decoder) - N;
        assert_true(covey_decoder_growth(s.decoder) <= (double)COVEY_CODE_BOUND);
    }
    print_message("(20,10): %.3f more answers, worst error %.1e, of a block %.1e\n",
                  (double)more / ROUNDS, worst, worst_block);
    assert_true(more > 0 && more < ROUNDS / 10);
    assert_true(worst < WANTED);
    assert_true(worst_block < 3 * WANTED); /* 1.3e-5 to 2.8e-5, by the kernel of the products */
    code_scene_close(&s);
}

/* Rows that do not divide evenly, as few as there are blocks, and one block only. */
static void test_ragged_blocks(void **state)
{
    static const enum covey_code_kind kinds[] = {COVEY_CODE_MDS, COVEY_CODE_REPLICATION,
                                                 COVEY_CODE_UNCODED, COVEY_CODE_LT,
                                                 COVEY_CODE_FIELD};
    static const uint32_t sizes[][2] = {{5, 5}, {5, 6}, {5, 9}, {5, 23}, {1, 1}, {1, 3}, {3, 100}};
    uint64_t seed = 4;
    (void)state;
    for (size_t i = 0; i < 5 * 7; i++) {
        enum covey_code_kind kind = kinds[i / 7];
        uint32_t n = sizes[i % 7][0], rows = sizes[i % 7][1], tasks[TASKS_MAX];
        uint32_t m = kind == COVEY_CODE_UNCODED ? n : kind == COVEY_CODE_LT ? 8 * n : 2 * n;
        struct covey_code code = code_of(kind, n, m, rows);
        struct code_scene s;
        code_scene_open(&s, &code, i);
        for (unsigned round = 0; round < 10; round++) {
            shuffle_tasks(&seed, m, tasks);
            assert_int_equal(code_scene_decode(&s, tasks, m), COVEY_DECODER_READY);
            double most = kind == COVEY_CODE_FIELD ? 0 : WANTED;
            assert_true(code_scene_block_error(&s) <= most);
        }
        code_scene_close(&s);
    }
}

/* Replication is done when each block came once; a second copy is useless, and so is a duplicate.
 */
static void test_replication(void **state)
{
    struct covey_code code = code_of(COVEY_CODE_REPLICATION, 3, 9, 9);
    struct code_scene s;
    enum covey_answer_use use;
    (void)state;
    code_scene_open(&s, &code, 2);
    covey_decoder_start(s.decoder, s.c, 1);
    const uint32_t order[] = {4, 7, 1, 4, 3, 0, 8};
    const enum covey_answer_use uses[] = {
        COVEY_ANSWER_TAKEN, COVEY_ANSWER_USELESS, COVEY_ANSWER_USELESS, COVEY_ANSWER_USELESS,
        COVEY_ANSWER_TAKEN, COVEY_ANSWER_USELESS, COVEY_ANSWER_TAKEN};
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(covey_decoder_state(s.decoder), COVEY_DECODER_SHORT);
        assert_int_equal(covey_decoder_finish(s.decoder), COVEY_ERR_STATE);
        assert_int_equal(covey_decoder_wants(s.decoder, order[i]), uses[i] == COVEY_ANSWER_TAKEN);
        assert_int_equal(covey_decoder_add(s.decoder, order[i], s.answer[order[i]], &use),
                         COVEY_OK);
        assert_int_equal(use, uses[i]);
    }
    assert_int_equal(covey_decoder_state(s.decoder), COVEY_DECODER_READY);
    assert_int_equal(covey_decoder_answers(s.decoder), 3);
    assert_false(covey_decoder_wants(s.decoder, 2));
    assert_int_equal(covey_decoder_finish(s.decoder), COVEY_OK);
    assert_true(code_scene_block_error(&s) < PLAIN);
    code_scene_close(&s);
}

/* The same answer twice counts once, of every code; tasks that are none are refused. */
static void test_same_answer_twice(void **state)
{
    (void)state;
    for (unsigned kind = COVEY_CODE_MDS; kind < COVEY_CODE_PRIVATE; kind++) {
        struct covey_code code = code_of((enum covey_code_kind)kind, 5, 9, 10);
        struct code_scene s;
        enum covey_answer_use use, again;
        code_scene_open(&s, &code, 1);
        covey_decoder_start(s.decoder, s.c, 1);
        for (uint32_t t = 9; t-- > 0;) {
            uint32_t before = covey_decoder_answers(s.decoder);
            assert_int_equal(covey_decoder_add(s.decoder, t, s.answer[t], &use), COVEY_OK);
            assert_int_equal(covey_decoder_answers(s.decoder),
                             before + (use != COVEY_ANSWER_USELESS));
            assert_int_equal(covey_decoder_add(s.decoder, t, s.answer[t], &again), COVEY_OK);
            assert_int_equal(again, COVEY_ANSWER_USELESS);
        }
        assert_int_equal(covey_decoder_add(s.decoder, 9, s.answer[0], &use), COVEY_ERR_RANGE);
        assert_int_equal(covey_decoder_add(s.decoder, UINT32_MAX, s.answer[0], &use),
                         COVEY_ERR_RANGE);
        code_scene_close(&s);
    }
}

/* Sizes that make no sense, or too much of it, are all refused as out of range. */
static void test_hostile_codes(void **state)
{
    const struct covey_code good = code_of(COVEY_CODE_MDS, 10, 12, 100);
    struct covey_code bad[16];
    unsigned count = 0;
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        bad[i] = good;
    }
    bad[count++].kind = COVEY_CODE_KINDS;
    bad[count++].n = 0;
    bad[count++].n = COVEY_CODE_BLOCKS_MAX + 1;
    bad[count++].m = 9;
    bad[count++].m = COVEY_CODE_TASKS_MAX + 1;
    bad[count++].m = UINT32_MAX;
    bad[count++].rows = 9;
    bad[count++].rows = UINT32_MAX;
    bad[count++].a.inner = 0;
    bad[count++].a.outer = SIZE_MAX;
    bad[count++].c.inner = SIZE_MAX / 2;
    bad[count++].c.outer = 0;
    bad[count++].bound = NAN;
    bad[count++].kind = COVEY_CODE_UNCODED;     /* m is not n */
    bad[count++].kind = COVEY_CODE_REPLICATION; /* m is no multiple of n */
    bad[count].kind = COVEY_CODE_FIELD;
    bad[count++].prime = 2;
    for (unsigned i = 0; i < count; i++) {
        struct covey_decoder *d = NULL;
        assert_int_equal(covey_code_check(&bad[i]), COVEY_ERR_RANGE);
        assert_int_equal(covey_decoder_new(&bad[i], &d), COVEY_ERR_RANGE);
        assert_null(d);
    }
    struct covey_code large = code_of(COVEY_CODE_VANDERMONDE, 200, 256, 1000);
    assert_int_equal(covey_code_check(&large), COVEY_ERR_RANGE); /* 256^199 is no float */
}

/* One of the numbers that are most likely to hurt, or a small one. */
static uint32_t draw_number(uint64_t *seed)
{
    static const uint32_t awkward[] = {0,   1,   2,    3,    16,    17,        32,
                                       256, 257, 4096, 4097, 65536, UINT32_MAX};
    uint32_t count = sizeof(awkward) / sizeof(awkward[0]);
    uint32_t i = random_below(seed, 2 * count);
    return i < count ? awkward[i] : random_below(seed, 40);
}

/* Whatever a code says, it is refused or can be decoded with: every task has coefficients and a
 * size, tasks in any order lead to a state, and all of them decode (but LT, if
 * there are too few, and large Vandermonde matrices, which double precision does not solve). */
static void test_random_codes(void **state)
{
    enum { ROUNDS = 20000, TASKS_LOOKED_AT = 40 };
    uint64_t seed = 1;
    unsigned valid = 0;
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct covey_code code = {.kind = (enum covey_code_kind)random_below(&seed, 9),
                                  .n = draw_number(&seed),
                                  .m = draw_number(&seed),
                                  .rows = draw_number(&seed),
                                  .a = {draw_number(&seed), draw_number(&seed)},
                                  .c = {draw_number(&seed), draw_number(&seed)},
                                  .seed = i,
                                  .prime = random_below(&seed, 3),
                                  .masks = draw_number(&seed)};
        struct covey_decoder *d = NULL;
        enum covey_answer_use use;
        covey_err err = covey_decoder_new(&code, &d);
        assert_true(err == COVEY_OK || err == COVEY_ERR_RANGE);
        for (uint32_t t = 0; err == COVEY_OK && t < code.m && t < TASKS_LOOKED_AT; t++) {
            float row[COVEY_CODE_BLOCKS_MAX];
            uint32_t task = random_below(&seed, code.m);
            covey_code_coefficients(&code, task, row);
            assert_true(isfinite(row[0]) && isfinite(row[code.n - 1]));
            assert_in_range(covey_code_task_rows(&code, task), 1, code.rows);
            assert_int_equal(covey_decoder_add(d, task, NULL, &use), COVEY_OK);
        }
        for (uint32_t t = 0; err == COVEY_OK && code.m < 300 && t < code.m; t++) {
            assert_int_equal(covey_decoder_add(d, t, NULL, &use), COVEY_OK);
        }
        bool all = err == COVEY_OK && code.m < 300;
        all = all && code.kind != COVEY_CODE_LT && code.kind != COVEY_CODE_VANDERMONDE;
        assert_true(!all || covey_decoder_state(d) == COVEY_DECODER_READY);
        valid += err == COVEY_OK;
        covey_decoder_free(d);
    }
    print_message("%u of %d codes are valid\n", valid, ROUNDS);
    assert_true(valid > ROUNDS / 100);
}

/* The answers to a set of tasks suffice, or not, by the bound that is asked for. */
static void test_suffices(void **state)
{
    struct covey_code code = code_of(COVEY_CODE_MDS, 10, 12, 100);
    uint32_t tasks[] = {0, 1, 2, 3, 4, 5, 6, 7, 10, 11};
    bool enough;
    (void)state;
    assert_int_equal(covey_code_suffices(&code, tasks, 10, 100, &enough), COVEY_OK);
    assert_true(enough);
    assert_int_equal(covey_code_suffices(&code, tasks, 10, 2, &enough), COVEY_OK);
    assert_false(enough);
    assert_int_equal(covey_code_suffices(&code, tasks, 9, 1e9, &enough), COVEY_OK);
    assert_false(enough);
    tasks[3] = 12;
    assert_int_equal(covey_code_suffices(&code, tasks, 10, 100, &enough), COVEY_ERR_RANGE);
}

/* The transposed and images are cut along their own rows, on both sides, like plain rows. */
static void test_shapes(void **state)
{
    enum { N = 4, M = 6, ROWS = 10, OUTER = 3, INNER = 5, FLOATS = ROWS * OUTER * INNER };
    float a[FLOATS], c[FLOATS], room[M][FLOATS];
    float *encoded[M];
    struct covey_code code = code_of(COVEY_CODE_MDS, N, M, ROWS);
    struct covey_decoder *d = NULL;
    uint64_t seed = 3;
    (void)state;
    code.a = code.c = (struct covey_code_shape){OUTER, INNER};
    for (unsigned i = 0; i < FLOATS; i++) {
        a[i] = random_float(&seed);
    }
    for (unsigned i = 0; i < M; i++) {
        encoded[i] = room[i];
        assert_null(covey_code_plain(&code, i, a));
    }
    covey_code_encode(&code, 0, M, a, encoded);
    assert_int_equal(covey_decoder_new(&code, &d), COVEY_OK);
    covey_decoder_start(d, c, 0);
    memset(c, 0xff, sizeof(c));
    for (unsigned t = M; t-- > M - N;) { /* B is one: what is encoded is the answer */
        enum covey_answer_use use;
        assert_null(covey_decoder_place(d, t));
        assert_int_equal(covey_decoder_add(d, t, encoded[t], &use), COVEY_OK);
    }
    assert_int_equal(covey_decoder_finish(d), COVEY_OK);
    for (unsigned i = 0; i < FLOATS; i++) {
        assert_true(fabsf(c[i] - a[i]) < 1e-4f);
    }
    covey_decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_answers_decode), cmocka_unit_test(test_vandermonde_fails),
        cmocka_unit_test(test_one_more_answer),    cmocka_unit_test(test_ragged_blocks),
        cmocka_unit_test(test_replication),        cmocka_unit_test(test_same_answer_twice),
        cmocka_unit_test(test_hostile_codes),      cmocka_unit_test(test_random_codes),
        cmocka_unit_test(test_suffices),           cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
