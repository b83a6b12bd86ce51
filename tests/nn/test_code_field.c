/* SPDX-License-Identifier: MIT */
#include "code_scene.h"

#include "builder.h"
#include "covey/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS_MAX = 40 };

static int64_t modulo(int64_t v, int64_t p)
{
    int64_t r = ((v % p) + p) % p;
    return r > p / 2 ? r - p : r;
}

static float draw(uint64_t *seed, double most)
{
    return (float)rint((double)random_float(seed) * most);
}

/* A product by the field's rules, one number at a time. */
static int64_t slowly(const struct covey_field_product *p, size_t i, size_t j)
{
    int64_t sum = 0, prime = covey_field_prime(p->prime);
    for (size_t l = 0; l < p->k; l++) {
        float a = p->trans_a ? p->a[l * p->m + i] : p->a[i * p->k + l];
        float b = p->trans_b ? p->b[j * p->k + l] : p->b[l * p->n + j];
        sum = modulo(sum + (int64_t)a * (int64_t)b, prime);
    }
    return sum;
}

static void check_product(size_t m, size_t n, size_t k, unsigned variant, double most)
{
    uint64_t seed = m + n + k + variant;
    float *a = malloc(m * k * sizeof(float)), *b = malloc(k * n * sizeof(float));
    float *c = malloc(m * n * sizeof(float));
    struct covey_field_product p = {.m = m,
                                    .n = n,
                                    .k = k,
                                    .a = a,
                                    .b = b,
                                    .c = c,
                                    .trans_a = (variant & 1) != 0,
                                    .trans_b = (variant & 2) != 0,
                                    .prime = variant >> 2 & 1};
    p.scratch = malloc(covey_field_scratch(m, n, k) * sizeof(double));
    for (size_t i = 0; i < m * k; i++) {
        a[i] = i % 7 == 0 ? (float)-most : draw(&seed, most);
    }
    for (size_t i = 0; i < k * n; i++) {
        b[i] = i % 5 == 0 ? (float)most : draw(&seed, most);
    }
    covey_field_multiply(&p);
    for (size_t i = 0; i < m * n; i++) {
        assert_int_equal((int64_t)c[i], slowly(&p, i / n, i % n));
    }
    free(a);
    free(b);
    free(c);
    free(p.scratch);
}

/* Products of the largest numbers of the field, of either sign, are exact at any depth. */
static void test_products_are_exact(void **state)
{
    static const size_t sizes[][3] = {{1, 1, 1},     {3, 2, 700},    {17, 5, 129}, {5, 600, 40},
                                      {300, 3, 260}, {270, 1, 1100}, {3, 1, 5}};
    (void)state;
    for (unsigned variant = 0; variant < 8; variant++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            double most = covey_field_most(variant >> 2);
            check_product(sizes[i][0], sizes[i][1], sizes[i][2], variant, most);
            check_product(sizes[i][0], sizes[i][1], sizes[i][2], variant, 100);
        }
    }
}

/* What any n answers decode to is A B exactly, negative numbers included. */
static void test_decodes_exactly(void **state)
{
    static const uint32_t sizes[][2] = {{10, 12}, {10, 20}, {3, 40}, {1, 5}};
    uint64_t seed = 11;
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        uint32_t n = sizes[i % 4][0], m = sizes[i % 4][1], tasks[TASKS_MAX];
        struct covey_code code = code_of(COVEY_CODE_FIELD, n, m, 2 * n + 1);
        struct code_scene s;
        code.prime = (unsigned)i / 4;
        code_scene_open(&s, &code, i);
        for (unsigned round = 0; round < 50; round++) {
            shuffle_tasks(&seed, m, tasks);
            assert_int_equal(code_scene_decode(&s, tasks, n - 1), COVEY_DECODER_SHORT);
            assert_int_equal(code_scene_decode(&s, tasks, n), COVEY_DECODER_READY);
            for (size_t j = 0; j < (size_t)code.rows * s.cols; j++) {
                assert_true((double)s.c[j] == s.exact[j]);
            }
        }
        code_scene_close(&s);
    }
}

/* Every loss pattern of (12,10) decodes to the same bits. */
static void test_every_pattern(void **state)
{
    uint32_t tasks[TASKS_MAX];
    struct covey_code code = code_of(COVEY_CODE_FIELD, 10, 12, 20);
    struct code_scene s;
    (void)state;
    code_scene_open(&s, &code, 4);
    choice_first(10, tasks);
    do {
        assert_int_equal(code_scene_decode(&s, tasks, 10), COVEY_DECODER_READY);
        assert_true(code_scene_block_error(&s) == 0);
    } while (choice_next(10, 12, tasks));
    code_scene_close(&s);
}

/* Real numbers become integers and come back; what does not fit is refused, NaN included. */
static void test_fixed_point(void **state)
{
    const float in[] = {0, 1, -1, 0.3f, -0.7f, 100};
    float out[6];
    (void)state;
    assert_int_equal(covey_field_from_floats(in, 6, 1000, 100000, out), COVEY_OK);
    assert_true(out[2] == -1000 && out[3] == 300 && out[4] == -700 && out[5] == 100000);
    covey_field_to_floats(out, 6, 1000, out);
    for (unsigned i = 0; i < 6; i++) {
        assert_true(fabsf(out[i] - in[i]) < 1e-3f);
    }
    assert_int_equal(covey_field_from_floats(in, 6, 1000.01, 100000, out), COVEY_ERR_RANGE);
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(covey_field_holds(&in[i], 1, 0), i < 3 || i == 5);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(covey_field_from_floats(&bad[i], 1, 1, 1e6f, out), COVEY_ERR_RANGE);
        assert_false(covey_field_holds(&bad[i], 1, 0));
    }
}

/* Whether a product stays within the field is known before it is made, and scales are found with
 * which it just does; products that can not be represented are refused. */
static void test_overflow_is_known(void **state)
{
    enum { M = 6, N = 5, K = 400 };
    float a[M * K], b[K * N], small[K];
    uint64_t seed = 8;
    struct covey_field_product p = {.m = M, .n = N, .k = K, .a = a, .b = b};
    (void)state;
    for (unsigned i = 0; i < M * K; i++) {
        a[i] = 3 * random_float(&seed);
    }
    for (unsigned i = 0; i < K * N; i++) {
        b[i] = 0.01f * random_float(&seed);
    }
    for (unsigned index = 0; index <= COVEY_FIELD_BOTH; index++) {
        double scale_a, scale_b, most = covey_field_most(index);
        float qa[M * K], qb[K * N], field = (float)covey_field_most(1);
        struct covey_field_product q = {.m = M, .n = N, .k = K, .a = qa, .b = qb};
        assert_int_equal(covey_field_scales(&p, index, &scale_a, &scale_b), COVEY_OK);
        assert_int_equal(covey_field_from_floats(a, M * K, scale_a, field, qa), COVEY_OK);
        assert_int_equal(covey_field_from_floats(b, K * N, scale_b, field, qb), COVEY_OK);
        assert_true(covey_field_fits(&q, most));
        if (index < COVEY_FIELD_BOTH) {
            assert_int_equal(covey_field_from_floats(a, M * K, 2 * scale_a, field, qa), COVEY_OK);
            assert_false(covey_field_fits(&q, most));
        }
    }
    double scale_a, scale_b;
    memset(small, 0, sizeof(small));
    struct covey_field_product empty = {.m = 1, .n = 1, .k = K, .a = small, .b = small};
    assert_int_equal(covey_field_scales(&empty, 0, &scale_a, &scale_b), COVEY_OK);
    small[0] = NAN;
    assert_int_equal(covey_field_scales(&empty, 0, &scale_a, &scale_b), COVEY_ERR_RANGE);
    small[0] = INFINITY;
    assert_int_equal(covey_field_scales(&empty, 0, &scale_a, &scale_b), COVEY_ERR_RANGE);
}

/* Two primes together give products of 2^46, and real products to a float's last digits. */
static void test_two_primes(void **state)
{
    enum { M = 4, N = 3, K = 300 };
    float a[M * K], b[K * N], qa[M * K], qb[K * N], c[2][M * N], joined[M * N];
    double scale_a, scale_b, off = 0, all = 0;
    uint64_t seed = 5;
    struct covey_field_product p = {.m = M, .n = N, .k = K, .a = a, .b = b};
    (void)state;
    for (unsigned i = 0; i < M * K; i++) {
        a[i] = random_float(&seed);
        b[i % (K * N)] = random_float(&seed);
    }
    assert_int_equal(covey_field_scales(&p, COVEY_FIELD_BOTH, &scale_a, &scale_b), COVEY_OK);
    float most = (float)covey_field_most(1);
    assert_int_equal(covey_field_from_floats(a, M * K, scale_a, most, qa), COVEY_OK);
    assert_int_equal(covey_field_from_floats(b, K * N, scale_b, most, qb), COVEY_OK);
    double *scratch = malloc(covey_field_scratch(M, N, K) * sizeof(double));
    for (unsigned prime = 0; prime < 2; prime++) {
        covey_field_multiply(&(struct covey_field_product){.m = M,
                                                           .n = N,
                                                           .k = K,
                                                           .a = qa,
                                                           .b = qb,
                                                           .prime = prime,
                                                           .c = c[prime],
                                                           .scratch = scratch});
    }
    free(scratch);
    covey_field_join(c[0], c[1], M * N, scale_a * scale_b, joined);
    for (unsigned i = 0; i < M * N; i++) {
        double sum = 0;
        for (unsigned l = 0; l < K; l++) {
            sum += (double)a[i / N * K + l] * (double)b[l * N + i % N];
        }
        off += (sum - (double)joined[i]) * (sum - (double)joined[i]);
        all += sum * sum;
    }
    assert_true(sqrt(off / all) < 2e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_are_exact), cmocka_unit_test(test_decodes_exactly),
        cmocka_unit_test(test_every_pattern),      cmocka_unit_test(test_fixed_point),
        cmocka_unit_test(test_overflow_is_known),  cmocka_unit_test(test_two_primes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
