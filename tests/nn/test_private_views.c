/* SPDX-License-Identifier: MIT
 *
 * What workers see of private products, against what they see of others, by one and the same test:
 * pictures of two kinds are coded many times, and the views of each kind are compared (two-sample
 * Kolmogorov and Smirnov), alone and as sums of several workers' views modulo the prime.
 */
#include "code_scene.h"

#include "builder.h"
#include "covey/private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Blocks, and sizes of a product of pictures; T at most. */
enum { N = 4, ROWS = 8, K = 5, COLS = 3, TASKS = 14, MASKS_MAX = 3, ROUNDS = 3000 };
enum { A_FLOATS = ROWS * K, B_FLOATS = K * COLS, BLOCK_FLOATS = ROWS / N * K, BINS = 64 };

/* Of the two-sample statistic D: exceeded with a chance of 1e-7 when views are distributed alike,
 * sqrt(ln(2e7) / 2) sqrt(2 / ROUNDS). */
#define D_CRITICAL (2.9 * sqrt(2.0 / ROUNDS))

/* One number of each task's parts of A and of B, by kind of picture. */
struct views {
    struct covey_code code;
    double a[2][ROUNDS][TASKS], b[2][ROUNDS][TASKS];
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

/* A dark picture or a bright one; the same each time, so that a view which follows from the picture
 * is as plain as can be. */
static void draw_picture(unsigned kind, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (kind == 1 ? 70.0f : 0.0f) + (float)(7 * i % 30);
    }
}

static struct covey_code code_for(enum covey_code_kind kind, uint32_t masks)
{
    struct covey_code code = code_of(kind, N, TASKS, ROWS);
    code.a.inner = K;
    code.c.inner = COLS;
    code.masks = masks;
    assert_int_equal(covey_code_check(&code), COVEY_OK);
    return code;
}

static bool is_private(const struct covey_code *code)
{
    return code->kind == COVEY_CODE_PRIVATE || code->kind == COVEY_CODE_PRIVATE_INPUTS;
}

/* All tasks' parts of A and B; of B itself where it is not masked. */
static void encode(const struct covey_code *code, const float *a, const float *b,
                   const float *masks, double *out_a, double *out_b)
{
    static float e[TASKS][BLOCK_FLOATS], f[TASKS][B_FLOATS];
    float *to_e[TASKS], *to_f[TASKS];
    for (unsigned t = 0; t < TASKS; t++) {
        to_e[t] = e[t];
        to_f[t] = f[t];
        memcpy(f[t], b, sizeof(f[t]));
    }
    const struct covey_private_factor of_a = {.at = a, .masks = masks};
    const struct covey_private_factor of_b = {b, masks + MASKS_MAX * BLOCK_FLOATS, B_FLOATS};
    if (is_private(code)) {
        covey_private_encode(code, 0, TASKS, &of_a, to_e);
    } else {
        covey_code_encode(code, 0, TASKS, a, to_e);
    }
    if (code->kind == COVEY_CODE_PRIVATE) {
        covey_private_encode_b(code, 0, TASKS, &of_b, to_f);
    }
    for (unsigned t = 0; t < TASKS; t++) {
        out_a[t] = (double)e[t][0];
        out_b[t] = (double)f[t][0];
    }
}

enum { ALL_MASKS = MASKS_MAX * (BLOCK_FLOATS + B_FLOATS) };

static void look(struct views *v, enum covey_code_kind kind, uint32_t masks)
{
    uint64_t seed = 31;
    float a[A_FLOATS], b[B_FLOATS], mask[ALL_MASKS];
    v->code = code_for(kind, masks);
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        draw_picture(i % 2, a, A_FLOATS);
        draw_picture(i % 2, b, B_FLOATS);
        draw_masks(&seed, 0, mask, ALL_MASKS);
        encode(&v->code, a, b, mask, v->a[i % 2][i / 2], v->b[i % 2][i / 2]);
    }
}

/* ---- the test ---- */

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* The greatest difference of two distribution functions (Smirnov 1939). Sorts. */
static double difference(double *x, double *y)
{
    unsigned i = 0, j = 0;
    double most = 0;
    qsort(x, ROUNDS, sizeof(*x), by_value);
    qsort(y, ROUNDS, sizeof(*y), by_value);
    while (i < ROUNDS && j < ROUNDS) {
        double at = fmin(x[i], y[j]);
        while (i < ROUNDS && x[i] <= at) {
            i++;
        }
        while (j < ROUNDS && y[j] <= at) {
            j++;
        }
        most = fmax(most, fabs((double)i - (double)j) / ROUNDS);
    }
    return most;
}

/* Of numbers modulo the first prime: chi-square over bins of it, less its expectation, in standard
 * deviations. */
static double unevenness(const double *x)
{
    double count[BINS] = {0}, sum = 0, each = (double)ROUNDS / BINS;
    double prime = covey_field_prime(0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double part = x[i] / prime;
        count[(unsigned)((part - floor(part)) * BINS)]++;
    }
    for (unsigned i = 0; i < BINS; i++) {
        sum += (count[i] - each) * (count[i] - each) / each;
    }
    return (sum - (BINS - 1)) / sqrt(2 * (BINS - 1));
}

static int64_t modulo(int64_t v)
{
    int64_t p = covey_field_prime(0), r = v % p;
    return r > p / 2 ? r - p : r < -(p / 2) ? r + p : r;
}

/* Some tasks' views as one number: sum_i factor_i view_i modulo the prime. */
struct sum {
    unsigned count;
    uint32_t task[MASKS_MAX + 1];
    int64_t factor[MASKS_MAX + 1];
};

static void add_up(const struct sum *s, double (*views)[TASKS], double *out)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t sum = 0;
        for (unsigned j = 0; j < s->count; j++) {
            sum = modulo(sum + modulo(s->factor[j] * (int64_t)views[i][s->task[j]]));
        }
        out[i] = (double)sum;
    }
}

static double difference_of(const struct sum *s, double (*views)[ROUNDS][TASKS])
{
    static double x[ROUNDS], y[ROUNDS];
    add_up(s, views[0], x);
    add_up(s, views[1], y);
    return difference(x, y);
}

/* Steps to the next choice of count tasks; false: it was the last one. */
static bool next_choice(struct sum *s)
{
    for (unsigned i = s->count; i-- > 0;) {
        if (s->task[i] < TASKS - s->count + i) {
            s->task[i]++;
            for (unsigned j = i + 1; j < s->count; j++) {
                s->task[j] = s->task[j - 1] + 1;
            }
            return true;
        }
    }
    return false;
}

/* Every choice of `count` workers, a random sum of their views: the greatest difference between the
 * two kinds of picture, and the greatest unevenness. */
static void look_at_all(double (*views)[ROUNDS][TASKS], unsigned count, double *out_difference,
                        double *out_unevenness)
{
    static double x[ROUNDS];
    uint64_t seed = 77;
    struct sum s = {.count = count, .task = {0, 1, 2, 3}};
    *out_difference = *out_unevenness = 0;
    do {
        for (unsigned i = 0; i < count; i++) {
            s.factor[i] = 1 + random_below(&seed, covey_field_prime(0) - 1);
        }
        *out_difference = fmax(*out_difference, difference_of(&s, views));
        for (unsigned kind = 0; kind < 2; kind++) {
            add_up(&s, views[kind], x);
            *out_unevenness = fmax(*out_unevenness, unevenness(x));
        }
    } while (next_choice(&s));
}

/* ---- private products ---- */

/* Whichever T workers put their views together, of A or of B: these are distributed alike for
 * pictures that could not differ more, and uniformly. */
static void test_any_t_workers_see_nothing(void **state)
{
    static struct views v;
    (void)state;
    for (uint32_t masks = 1; masks <= MASKS_MAX; masks++) {
        double d[2], off[2];
        look(&v, COVEY_CODE_PRIVATE, masks);
        for (unsigned count = 1; count <= masks; count++) {
            look_at_all(v.a, count, &d[0], &off[0]);
            look_at_all(v.b, count, &d[1], &off[1]);
            print_message("T = %u, any %u workers: D at most %.3f of A, %.3f of B (%.3f is too "
                          "much); chi-square off by %.1f, %.1f\n",
                          masks, count, d[0], d[1], D_CRITICAL, off[0], off[1]);
            assert_true(d[0] < D_CRITICAL && d[1] < D_CRITICAL);
            assert_true(off[0] < 7 && off[1] < 7);
        }
        look(&v, COVEY_CODE_PRIVATE_INPUTS, masks);
        look_at_all(v.a, masks, &d[0], &off[0]);
        assert_true(d[0] < D_CRITICAL && off[0] < 7);
    }
}

/* A's and B's parts together say no more: their sums are alike and uniform as well. */
static void test_both_factors_together(void **state)
{
    static struct views v;
    static double both[2][ROUNDS][TASKS];
    double d, off;
    (void)state;
    look(&v, COVEY_CODE_PRIVATE, 1);
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        for (unsigned t = 0; t < TASKS; t++) {
            both[i % 2][i / 2][t] =
                (double)modulo((int64_t)v.a[i % 2][i / 2][t] - 3 * (int64_t)v.b[i % 2][i / 2][t]);
        }
    }
    look_at_all(both, 1, &d, &off);
    assert_true(d < D_CRITICAL && off < 7);
}

/* ---- what the same test catches ---- */

/* What masks count in each task: seen of masks of ones and nothing else. */
static void find_mask_factors(const struct covey_code *code, double factor[][TASKS])
{
    float zero[A_FLOATS] = {0}, mask[ALL_MASKS];
    double ignored[TASKS];
    for (uint32_t i = 0; i < code->masks; i++) {
        memset(mask, 0, sizeof(mask));
        for (unsigned j = 0; j < BLOCK_FLOATS; j++) {
            mask[i * BLOCK_FLOATS + j] = 1;
        }
        encode(code, zero, zero, mask, factor[i], ignored);
    }
}

/* The sum of T + 1 workers' views in which the masks cancel. */
static void cancel(struct sum *s, double factor[][TASKS])
{
    int64_t f[2][3];
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 0; j < s->count; j++) {
            f[i][j] = (int64_t)factor[i][s->task[j]];
        }
    }
    if (s->count == 2) {
        s->factor[0] = f[0][1];
        s->factor[1] = -f[0][0];
        return;
    }
    for (unsigned j = 0; j < 3; j++) { /* of both rows the cross product */
        unsigned k = (j + 1) % 3, l = (j + 2) % 3;
        s->factor[j] = modulo(modulo(f[0][k] * f[1][l]) - modulo(f[0][l] * f[1][k]));
    }
}

/* T + 1 workers are too many: there is a sum of their views without masks, and it tells the kinds
 * of picture apart without fail. So the test would see it if T could do the same. */
static void test_one_worker_more_sees(void **state)
{
    static struct views v;
    double factor[2][TASKS] = {{0}};
    (void)state;
    for (uint32_t masks = 1; masks <= 2; masks++) {
        struct sum s = {.count = masks + 1, .task = {3, 8, 11}};
        look(&v, COVEY_CODE_PRIVATE, masks);
        find_mask_factors(&v.code, factor);
        cancel(&s, factor);
        double d = difference_of(&s, v.a);
        print_message("T = %u, %u workers: D = %.3f\n", masks, masks + 1, d);
        assert_true(d > 3 * D_CRITICAL);
    }
}

/* Masks that are used twice cancel: one worker sees whether the picture changed. */
static void test_masks_used_twice_show(void **state)
{
    static double same[ROUNDS], changed[ROUNDS];
    struct covey_code code = code_for(COVEY_CODE_PRIVATE, 1);
    uint64_t seed = 8;
    (void)state;
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        float a[2][A_FLOATS], b[B_FLOATS] = {0}, mask[ALL_MASKS];
        double view[2][TASKS], ignored[TASKS];
        draw_masks(&seed, 0, mask, ALL_MASKS);
        draw_picture(0, a[0], A_FLOATS);
        draw_picture(i % 2, a[1], A_FLOATS);
        encode(&code, a[0], b, mask, view[0], ignored);
        encode(&code, a[1], b, mask, view[1], ignored);
        (i % 2 == 0 ? same : changed)[i / 2] =
            (double)modulo((int64_t)view[1][0] - (int64_t)view[0][0]);
    }
    assert_true(difference(same, changed) > 3 * D_CRITICAL);
}

/* Codes without masks hide nothing from anyone: the published Vandermonde code, the default MDS
 * code, and MDS modulo a prime, at each single worker. */
static void test_codes_without_masks_show(void **state)
{
    static const enum covey_code_kind kinds[] = {COVEY_CODE_VANDERMONDE, COVEY_CODE_MDS,
                                                 COVEY_CODE_FIELD};
    static struct views v;
    static double x[ROUNDS], y[ROUNDS];
    (void)state;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        double least = 1;
        look(&v, kinds[i], 0);
        for (unsigned t = 0; t < TASKS; t++) {
            for (unsigned r = 0; r < ROUNDS; r++) {
                x[r] = v.a[0][r][t];
                y[r] = v.a[1][r][t];
            }
            least = fmin(least, difference(x, y));
        }
        print_message("%s, any worker: D at least %.3f\n", covey_code_kind_name(kinds[i]), least);
        assert_true(least > 3 * D_CRITICAL);
    }
}

/* One worker of the published scheme has a picture in its hands: what it sees of the rows of a
 * block goes up and down with them (correlation above 0.8). Of a private product it does not. */
static void test_a_picture_is_seen(void **state)
{
    enum { WIDE = 4096 };
    static float a[N * WIDE], e[WIDE], mask[WIDE];
    struct covey_code code = code_of(COVEY_CODE_VANDERMONDE, N, TASKS, N);
    uint64_t seed = 5;
    (void)state;
    for (unsigned private = 0; private < 2; private ++) {
        double sum[5] = {0};
        float *out = e;
        code.a.inner = WIDE;
        code.kind = private == 0 ? COVEY_CODE_VANDERMONDE : COVEY_CODE_PRIVATE;
        code.masks = private;
        for (unsigned i = 0; i < N * WIDE; i++) {
            a[i] = (float)random_below(&seed, 256);
        }
        draw_masks(&seed, 0, mask, WIDE);
        const struct covey_private_factor of_a = {.at = a, .masks = mask};
        if (private == 0) {
            covey_code_encode(&code, 7, 1, a, &out);
        } else {
            covey_private_encode(&code, 7, 1, &of_a, &out);
        }
        for (unsigned i = 0; i < WIDE; i++) {
            double x = (double)a[(N - 1) * WIDE + i], y = (double)e[i];
            const double moment[5] = {x, y, x * x, y * y, x * y};
            for (unsigned j = 0; j < 5; j++) {
                sum[j] += moment[j] / WIDE;
            }
        }
        double correlation = (sum[4] - sum[0] * sum[1]) /
                             sqrt((sum[2] - sum[0] * sum[0]) * (sum[3] - sum[1] * sum[1]));
        print_message("%s: correlation of a view with a block %.3f\n",
                      covey_code_kind_name(code.kind), correlation);
        assert_true(private == 0 ? correlation > 0.8 : fabs(correlation) < 0.1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_t_workers_see_nothing),
        cmocka_unit_test(test_both_factors_together),
        cmocka_unit_test(test_one_worker_more_sees),
        cmocka_unit_test(test_masks_used_twice_show),
        cmocka_unit_test(test_codes_without_masks_show),
        cmocka_unit_test(test_a_picture_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
