/* SPDX-License-Identifier: MIT */
#include "code_scene.h"

#include "builder.h"
#include "covey/private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Blocks and the sizes of the products; tasks at most. */
enum { N = 4, ROWS = 11, K = 9, COLS = 5, TASKS = 24, MASKS_MAX = 3, BLOCK_ROWS = 3 };
enum { A_FLOATS = ROWS * K, B_FLOATS = K * COLS, MOST = 100 };

struct scene {
    struct covey_code code;
    float a[A_FLOATS], b[B_FLOATS], c[ROWS * COLS];
    float a_masks[MASKS_MAX * BLOCK_ROWS * K], b_masks[MASKS_MAX * B_FLOATS];
    float e[TASKS][BLOCK_ROWS * K], f[TASKS][B_FLOATS], answer[TASKS][BLOCK_ROWS * COLS];
};

/* Stands for the secret generator, which this layer does not have. */
static void draw_masks(uint64_t *seed, unsigned prime, float *out, size_t count)
{
    size_t made = 0;
    while (made < count) {
        uint8_t bytes[48];
        for (unsigned i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (uint8_t)random_below(seed, 256);
        }
        made += covey_private_mask(bytes, sizeof(bytes), prime, out + made, count - made);
    }
}

static struct covey_code private_code(enum covey_code_kind kind, uint32_t masks)
{
    struct covey_code code = code_of(kind, N, TASKS, ROWS);
    code.a.inner = K;
    code.c.inner = COLS;
    code.masks = masks;
    return code;
}

static struct covey_field_product task_product(struct scene *s, uint32_t t)
{
    return (struct covey_field_product){.m = BLOCK_ROWS,
                                        .n = COLS,
                                        .k = K,
                                        .a = s->e[t],
                                        .b = s->f[t],
                                        .prime = s->code.prime,
                                        .c = s->answer[t]};
}

static void encode(struct scene *s, uint64_t *seed)
{
    float *e[TASKS], *f[TASKS];
    size_t masks = covey_private_mask_floats(&s->code);
    assert_true(masks <= sizeof(s->a_masks) / sizeof(float));
    draw_masks(seed, s->code.prime, s->a_masks, masks);
    draw_masks(seed, s->code.prime, s->b_masks, s->code.masks * B_FLOATS);
    for (uint32_t t = 0; t < TASKS; t++) {
        e[t] = s->e[t];
        f[t] = s->f[t];
        memcpy(f[t], s->b, sizeof(s->b));
    }
    const struct covey_private_factor a = {.at = s->a, .masks = s->a_masks};
    const struct covey_private_factor b = {s->b, s->b_masks, B_FLOATS};
    covey_private_encode(&s->code, 0, TASKS, &a, e);
    if (s->code.kind == COVEY_CODE_PRIVATE) {
        covey_private_encode_b(&s->code, 0, TASKS, &b, f);
    }
}

static void open_scene(struct scene *s, const struct covey_code *code, uint64_t seed)
{
    double scratch[8192];
    *s = (struct scene){.code = *code};
    assert_int_equal(covey_code_check(code), COVEY_OK);
    for (unsigned i = 0; i < A_FLOATS; i++) {
        s->a[i] = rintf(MOST * random_float(&seed));
    }
    for (unsigned i = 0; i < B_FLOATS; i++) {
        s->b[i] = rintf(MOST * random_float(&seed));
    }
    encode(s, &seed);
    assert_true(covey_field_scratch(BLOCK_ROWS, COLS, K) <= 8192);
    for (uint32_t t = 0; t < TASKS; t++) {
        struct covey_field_product p = task_product(s, t);
        p.scratch = scratch;
        covey_field_multiply(&p);
    }
}

static const enum covey_code_kind kinds[] = {COVEY_CODE_PRIVATE, COVEY_CODE_PRIVATE_INPUTS};

/* Any 2 (n + T - 1) + 1 answers decode when both factors are masked, any n + T when A is, and
 * no fewer; the product is exact. */
static void test_decodes(void **state)
{
    uint64_t order = 5;
    uint32_t tasks[TASKS];
    (void)state;
    for (unsigned i = 0; i < 2 * MASKS_MAX * 2; i++) {
        struct covey_code code = private_code(kinds[i % 2], 1 + i / 2 % MASKS_MAX);
        struct covey_decoder *d = NULL;
        static struct scene s;
        code.prime = i / 2 / MASKS_MAX;
        uint32_t needed = covey_code_needed(&code);
        assert_int_equal(needed, i % 2 == 0 ? 2 * (N + code.masks - 1) + 1 : N + code.masks);
        open_scene(&s, &code, i);
        assert_int_equal(covey_decoder_new(&code, &d), COVEY_OK);
        for (unsigned round = 0; round < 20; round++) {
            enum covey_answer_use use;
            memset(s.c, 0xff, sizeof(s.c));
            covey_decoder_start(d, s.c, 0);
            shuffle_tasks(&order, TASKS, tasks);
            for (uint32_t t = 0; t < needed; t++) {
                assert_int_equal(covey_decoder_state(d), COVEY_DECODER_SHORT);
                assert_null(covey_decoder_place(d, tasks[t]));
                assert_int_equal(covey_decoder_add(d, tasks[t], s.answer[tasks[t]], &use),
                                 COVEY_OK);
                assert_int_equal(use, COVEY_ANSWER_KEPT);
            }
            assert_int_equal(covey_decoder_state(d), COVEY_DECODER_READY);
            assert_int_equal(covey_decoder_finish(d), COVEY_OK);
            for (unsigned at = 0; at < ROWS * COLS; at++) {
                double sum = 0;
                for (unsigned l = 0; l < K; l++) {
                    sum += (double)s.a[at / COLS * K + l] * (double)s.b[l * COLS + at % COLS];
                }
                assert_true((double)s.c[at] == sum);
            }
        }
        covey_decoder_free(d);
    }
}

/* Numbers that are no masks, or too many, are refused. */
static void test_hostile(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct covey_code code = private_code(kinds[i], 0);
        assert_int_equal(covey_code_check(&code), COVEY_ERR_RANGE);
        code.masks = COVEY_CODE_BLOCKS_MAX - N + 1;
        assert_int_equal(covey_code_check(&code), COVEY_ERR_RANGE);
        code.masks = UINT32_MAX;
        assert_int_equal(covey_code_check(&code), COVEY_ERR_RANGE);
        code.masks = i == 0 ? 10 : 21; /* more answers would be needed than there are tasks */
        assert_int_equal(covey_code_check(&code), COVEY_ERR_RANGE);
        code.masks = 1;
        code.prime = COVEY_FIELD_PRIMES;
        assert_int_equal(covey_code_check(&code), COVEY_ERR_RANGE);
    }
}

/* Each task's answer is checked by itself: honest ones are right, any other number is wrong. */
static void test_check(void **state)
{
    struct covey_code code = private_code(COVEY_CODE_PRIVATE, 2);
    static struct scene s;
    uint64_t seed = 4;
    (void)state;
    open_scene(&s, &code, 9);
    for (unsigned round = 0; round < 500; round++) {
        float secret[COLS], spare[K + BLOCK_ROWS];
        uint32_t t = round % TASKS, at = random_below(&seed, BLOCK_ROWS * COLS);
        struct covey_field_product p = task_product(&s, t);
        draw_masks(&seed, 0, secret, COLS);
        assert_true(covey_private_check(&p, secret, spare));
        float kept = s.answer[t][at];
        s.answer[t][at] = kept > 0 ? kept - 1 : kept + 1;
        assert_false(covey_private_check(&p, secret, spare));
        s.answer[t][at] = NAN;
        assert_false(covey_private_check(&p, secret, spare));
        s.answer[t][at] = kept;
    }
}

/* What workers see, over many rounds, with one of two inputs. */
enum { ROUNDS = 4000, CELLS = 6, VIEWERS_MAX = 2 };

struct views {
    enum covey_code_kind kind;
    uint32_t masks, viewers;
    bool of_b;
    double seen[2][ROUNDS][VIEWERS_MAX]; /* by input */
};

/* Pictures of two kinds: bright on the left, or all dark; and noise of their own. */
static void draw_picture(uint64_t *seed, unsigned kind, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool bright = kind == 1 && i % 3 == 0;
        out[i] = (bright ? 70.0f : 0.0f) + (float)random_below(seed, 30);
    }
}

/* The published scheme's view: the sums of its Vandermonde code, unmasked, of real numbers. */
static double published_view(const struct scene *s, uint32_t t)
{
    double sum = 0;
    for (uint32_t j = 0; j < N; j++) {
        uint32_t first;
        (void)covey_code_block(&s->code, j, &first);
        sum += pow((double)t + 1, j) * (double)s->a[first * K];
    }
    return sum;
}

static void look(struct views *v)
{
    static struct scene s;
    uint64_t seed = 12;
    bool published = v->kind == COVEY_CODE_VANDERMONDE;
    s.code = private_code(published ? COVEY_CODE_PRIVATE : v->kind, published ? 1 : v->masks);
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        draw_picture(&seed, i % 2, s.a, A_FLOATS);
        draw_picture(&seed, i % 2, s.b, B_FLOATS);
        encode(&s, &seed);
        for (uint32_t w = 0; w < v->viewers; w++) {
            double masked = (double)(v->of_b ? s.f[w][0] : s.e[w][0]);
            v->seen[i % 2][i / 2][w] = published ? published_view(&s, w) : masked;
        }
    }
}

static void find_range(const struct views *v, uint32_t w, double *out_low, double *out_high)
{
    *out_low = HUGE_VAL;
    *out_high = -HUGE_VAL;
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        *out_low = fmin(*out_low, v->seen[i % 2][i / 2][w]);
        *out_high = fmax(*out_high, v->seen[i % 2][i / 2][w]);
    }
}

/* Two-sample chi-square of the viewers' joint views, in cells of equal width, less its expectation
 * in standard deviations: about normal when views do not depend on the input. */
static double distance(const struct views *v)
{
    double count[2][CELLS * CELLS] = {{0}}, sum = 0, freedom = -1;
    double low[VIEWERS_MAX] = {0}, high[VIEWERS_MAX] = {0};
    for (uint32_t w = 0; w < v->viewers; w++) {
        find_range(v, w, &low[w], &high[w]);
    }
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        unsigned cell = 0;
        for (uint32_t w = 0; w < v->viewers; w++) {
            double part = (v->seen[i % 2][i / 2][w] - low[w]) / (high[w] - low[w] + 1e-9);
            cell = cell * CELLS + (unsigned)(part * CELLS);
        }
        count[i % 2][cell]++;
    }
    for (unsigned cell = 0; cell < CELLS * CELLS; cell++) {
        double all = count[0][cell] + count[1][cell], off = count[0][cell] - count[1][cell];
        sum += all > 0 ? off * off / all : 0;
        freedom += all > 0;
    }
    return (sum - freedom) / sqrt(2 * freedom);
}

/* T workers' views, of A and of B, are distributed alike for two inputs that could not differ more;
 * the same test tells the published scheme's views apart at once. */
static void test_views_carry_nothing(void **state)
{
    static struct views v;
    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        v = (struct views){.kind = kinds[i % 2],
                           .masks = 1 + i / 2 % 2,
                           .viewers = 1 + i / 2 % 2,
                           .of_b = i / 4 == 1 && i % 2 == 0};
        look(&v);
        print_message("%s, T = %u, %u views of %s: %.1f\n", covey_code_kind_name(v.kind), v.masks,
                      v.viewers, v.of_b ? "B" : "A", distance(&v));
        assert_true(fabs(distance(&v)) < 5);
    }
    v = (struct views){.kind = COVEY_CODE_VANDERMONDE, .viewers = 1};
    look(&v);
    print_message("vandermonde, unmasked, 1 view of A: %.1f\n", distance(&v));
    assert_true(distance(&v) > 100);
    v.viewers = 2;
    look(&v);
    assert_true(distance(&v) > 100);
}

static int64_t modulo(int64_t v)
{
    int64_t p = covey_field_prime(0), r = ((v % p) + p) % p;
    return r > p / 2 ? r - p : r;
}

/* What masks count in each task: seen of a mask of ones and nothing else. */
static void find_mask_factors(struct scene *s, float factors[][TASKS])
{
    size_t one = covey_private_mask_floats(&s->code) / s->code.masks;
    memset(s->a, 0, sizeof(s->a));
    for (uint32_t i = 0; i < s->code.masks; i++) {
        memset(s->a_masks, 0, sizeof(s->a_masks));
        for (size_t j = 0; j < one; j++) {
            s->a_masks[i * one + j] = 1;
        }
        for (uint32_t t = 0; t < TASKS; t++) {
            const struct covey_private_factor a = {.at = s->a, .masks = s->a_masks};
            float *e = s->e[t];
            covey_private_encode(&s->code, t, 1, &a, &e);
            factors[i][t] = s->e[t][0];
        }
    }
}

/* The masks of any T tasks are independent sums of the T masks, so uniform whatever is added to
 * them: no square part of their coefficients is singular. */
static void test_masks_are_independent(void **state)
{
    static struct scene s;
    float factors[2][TASKS];
    (void)state;
    for (unsigned prime = 0; prime < COVEY_FIELD_PRIMES; prime++) {
        s.code = private_code(COVEY_CODE_PRIVATE, 2);
        s.code.prime = prime;
        find_mask_factors(&s, factors);
        for (uint32_t t = 0; t < TASKS; t++) {
            assert_true(factors[0][t] != 0 && factors[1][t] != 0);
            for (uint32_t u = 0; u < t; u++) {
                int64_t det = (int64_t)factors[0][t] * (int64_t)factors[1][u] -
                              (int64_t)factors[0][u] * (int64_t)factors[1][t];
                assert_true(det % covey_field_prime(prime) != 0);
            }
        }
    }
}

/* T + 1 workers do learn: without the mask, which they can take out, views differ. So T is exactly
 * what is promised, and the test above can fail. */
static void test_one_more_view_carries(void **state)
{
    static struct scene s;
    static struct views v;
    uint64_t seed = 3;
    float mask[1][TASKS];
    (void)state;
    v = (struct views){.viewers = 1};
    s.code = private_code(COVEY_CODE_PRIVATE, 1);
    find_mask_factors(&s, mask);
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        memset(s.a, 0, sizeof(s.a));
        s.a[0] = i % 2 == 0 ? 3 : 50; /* all that there is */
        encode(&s, &seed);
        int64_t left = modulo((int64_t)s.e[0][0] * (int64_t)mask[0][1]);
        v.seen[i % 2][i / 2][0] = (double)modulo(left - (int64_t)s.e[1][0] * (int64_t)mask[0][0]);
    }
    assert_true(distance(&v) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_views_carry_nothing),
        cmocka_unit_test(test_masks_are_independent),
        cmocka_unit_test(test_one_more_view_carries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
