/* SPDX-License-Identifier: MIT
 *
 * test_gemm.c - products of matrices against plain loops in double precision.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "covey/blas.h"
#include "covey/threads.h"
#include "../../nn/gemm.h"
#include "../../nn/kernels/vkernels.h"

enum { GAP = 3 }; /* leading dimensions are larger than rows */

static uint32_t seed = 1;

static float next_value(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(int32_t)(seed >> 8) / 8388608.0f - 1.0f;
}

static float *filled(size_t count)
{
    float *data = malloc((count > 0 ? count : 1) * sizeof(*data));
    assert_non_null(data);
    for (size_t i = 0; i < count; i++) {
        data[i] = next_value();
    }
    return data;
}

static double element(const float *data, size_t ld, bool trans, size_t row, size_t column)
{
    return data[trans ? column * ld + row : row * ld + column];
}

/* before: what C held. */
static void check_product(const struct covey__gemm *p, const float *before)
{
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->n; j++) {
            double sum = p->accumulate ? before[i * p->ldc + j] : 0.0;
            for (size_t k = 0; k < p->k; k++) {
                sum += element(p->a, p->lda, p->trans_a, i, k) *
                       element(p->b, p->ldb, p->trans_b, k, j);
            }
            double tolerance = 2e-7 * (double)(p->k + 4);
            assert_true(fabs(p->c[i * p->ldc + j] - sum) <= tolerance);
        }
        for (size_t j = p->n; j < p->ldc; j++) {
            assert_true(p->c[i * p->ldc + j] == before[i * p->ldc + j]);
        }
    }
}

/* One shape in the given form, with and without threads. */
static void try_shape(const size_t shape[3], unsigned form, struct covey_threads *threads)
{
    struct covey__gemm p = {.m = shape[0],
                            .n = shape[1],
                            .k = shape[2],
                            .trans_a = (form & 1) != 0,
                            .trans_b = (form & 2) != 0,
                            .accumulate = (form & 4) != 0};
    p.lda = (p.trans_a ? p.m : p.k) + GAP;
    p.ldb = (p.trans_b ? p.k : p.n) + GAP;
    p.ldc = p.n + GAP;
    float *a = filled(p.lda * (p.trans_a ? p.k : p.m));
    float *b = filled(p.ldb * (p.trans_b ? p.n : p.k));
    size_t count = p.ldc * p.m;
    float *before = filled(count), *c = malloc(count * sizeof(*c)), *d = malloc(count * sizeof(*d));
    assert_true(c != NULL && d != NULL);
    p.a = a;
    p.b = b;
    if (!p.accumulate) {
        before[0] = NAN; /* never read */
    }
    memcpy(c, before, count * sizeof(*c));
    memcpy(d, before, count * sizeof(*d));
    p.c = c;
    covey__gemm(&p);
    check_product(&p, before);
    memcpy(c, before, count * sizeof(*c));
    covey__gemm_threads(&p, NULL);
    check_product(&p, before);
    p.c = d;
    covey__gemm_threads(&p, threads);
    assert_memory_equal(c, d, count * sizeof(*c));
    free(a);
    free(b);
    free(before);
    free(c);
    free(d);
}

/* Every combination of transposed inputs and accumulation gives the product, for vectors, a few
 * columns, a few rows and squares; three threads give the bits of one. */
static void test_products(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {
        {1, 1, 1},     {1, 40, 9001}, {40, 1, 20000}, {300, 1, 77},   {1, 300, 77},
        {1, 7, 33},    {7, 1, 33},    {2, 2, 2},      {3, 200, 70},   {200, 3, 70},
        {16, 97, 600}, {97, 16, 600}, {17, 17, 17},   {130, 5, 1030}, {65, 300, 20},
        {300, 65, 20}, {8, 193, 513}, {2, 40, 9001},  {40, 2, 9001},  {5, 6, 7},
    };
    struct covey_threads *threads = NULL;
    assert_int_equal(covey_threads_new(3, &threads), COVEY_OK);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        for (unsigned form = 0; form < 8; form++) {
            try_shape(shapes[i], form, threads);
        }
    }
    covey_threads_free(threads);
}

static void try_skinny(const struct covey__vkernels *v, size_t rows, size_t columns, size_t k)
{
    float *w = filled(rows * k), *x = filled(columns * k);
    float *y = malloc(rows * columns * sizeof(*y));
    assert_non_null(y);
    struct covey__skinny s = {.rows = rows,
                              .columns = columns,
                              .k = k,
                              .matrix = w,
                              .matrix_stride = k,
                              .vectors = x,
                              .vector_stride = k,
                              .out = y,
                              .row_stride = columns,
                              .column_stride = 1};
    v->skinny_rows(&s, 0, rows);
    for (size_t i = 0; i < rows * columns; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < k; j++) {
            sum += (double)w[i / columns * k + j] * x[i % columns * k + j];
        }
        assert_true(fabs(y[i] - sum) <= 2e-7 * (double)(k + 4));
    }
    /* A row's result does not depend on which rows go with it. */
    float *one = malloc(rows * columns * sizeof(*one));
    assert_non_null(one);
    s.out = one;
    for (size_t i = 0; i < rows; i++) {
        v->skinny_rows(&s, i, i + 1);
    }
    assert_memory_equal(one, y, rows * columns * sizeof(*y));
    free(one);
    free(w);
    free(x);
    free(y);
}

/* Each variant that this processor runs multiplies 1 to 16 columns right. */
static void test_skinny_variants(void **state)
{
    (void)state;
    static const enum covey__isa isas[] = {COVEY__ISA_PORTABLE, COVEY__ISA_NEON, COVEY__ISA_AVX2,
                                           COVEY__ISA_AVX512};
    static const size_t ks[] = {1, 15, 16, 17, 33, 511, 512, 513, 1100};
    for (size_t i = 0; i < sizeof(isas) / sizeof(isas[0]); i++) {
        const struct covey__vkernels *v = covey__vkernels_of(isas[i]);
        for (size_t n = 1; v != NULL && n <= COVEY__SKINNY_COLUMNS_MAX; n++) {
            for (size_t j = 0; j < sizeof(ks) / sizeof(ks[0]); j++) {
                try_skinny(v, 1 + (n * 7 + j) % 20, n, ks[j]);
            }
        }
    }
}

/* OpenBLAS says what it runs, and what is better is never the same. */
static void test_core(void **state)
{
    (void)state;
    const char *core = covey_blas_core(), *better = covey_blas_better_core();
    assert_non_null(core);
    assert_true(better == NULL || strcmp(core, better) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_skinny_variants),
        cmocka_unit_test(test_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
