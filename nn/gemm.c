/* SPDX-License-Identifier: MIT */
#include "gemm.h"

#include "covey/blas.h"
#include "kernels/cpu.h"
#include "kernels/skinny.h"

#include <pthread.h>
#include <string.h>

#include <cblas.h>

/* Columns are turned into rows on the stack up to here. */
enum { TURNED_MAX = 16384 };

static pthread_once_t blas_once = PTHREAD_ONCE_INIT;

/* The compute pool is ours: BLAS's own threads would fight it for the cores. */
static void blas_init(void)
{
    openblas_set_num_threads(1);
}

const char *covey_blas_core(void)
{
    return openblas_get_corename();
}

static bool among(const char *core, const char *const *names)
{
    while (*names != NULL && strcmp(core, *names) != 0) {
        names++;
    }
    return *names != NULL;
}

const char *covey_blas_better_core(void)
{
    /* Names of kernels that do without what the processor has; newer names are left alone. */
    static const char *const no_avx2[] = {"Prescott",  "Core2",       "Penryn", "Dunnington",
                                          "Nehalem",   "Sandybridge", "Atom",   "Opteron",
                                          "Barcelona", "Bobcat",      NULL};
    static const char *const no_avx512[] = {"Haswell", "Zen", NULL};
    const char *core = covey_blas_core();
    enum covey__isa isa = covey__cpu_isa();
    if (isa == COVEY__ISA_AVX512 && (among(core, no_avx512) || among(core, no_avx2))) {
        return "SkylakeX";
    }
    return isa == COVEY__ISA_AVX2 && among(core, no_avx2) ? "Haswell" : NULL;
}

/* A matrix times a vector, y = op(M) x; M is stored [rows x cols]. */
struct gemv {
    CBLAS_TRANSPOSE trans;
    size_t rows, cols;
    const float *matrix;
    size_t ld;
    const float *x;
    size_t incx;
    float *y;
    size_t incy;
};

/* y is cleared first, so that what was in it (NaN included) cannot matter. */
static void gemv(const struct gemv *v, bool accumulate)
{
    size_t count = v->trans == CblasNoTrans ? v->rows : v->cols;
    for (size_t i = 0; i < count && !accumulate; i++) {
        v->y[i * v->incy] = 0.0f;
    }
    cblas_sgemv(CblasRowMajor, v->trans, (blasint)v->rows, (blasint)v->cols, 1.0f, v->matrix,
                (blasint)v->ld, v->x, (blasint)v->incx, 1.0f, v->y, (blasint)v->incy);
}

static void gemv_column(const struct covey__gemm *p)
{
    struct gemv v = {.trans = p->trans_a ? CblasTrans : CblasNoTrans,
                     .rows = p->trans_a ? p->k : p->m,
                     .cols = p->trans_a ? p->m : p->k,
                     .matrix = p->a,
                     .ld = p->lda,
                     .x = p->b,
                     .incx = p->trans_b ? 1 : p->ldb,
                     .y = p->c,
                     .incy = p->ldc};
    gemv(&v, p->accumulate);
}

static void gemv_row(const struct covey__gemm *p)
{
    struct gemv v = {.trans = p->trans_b ? CblasNoTrans : CblasTrans,
                     .rows = p->trans_b ? p->n : p->k,
                     .cols = p->trans_b ? p->k : p->n,
                     .matrix = p->b,
                     .ld = p->ldb,
                     .x = p->a,
                     .incx = p->trans_a ? p->lda : 1,
                     .y = p->c,
                     .incy = 1};
    gemv(&v, p->accumulate);
}

/* A vector whose elements lie next to each other is stored both ways. */
static bool by_columns(bool trans, size_t count, size_t ld)
{
    return trans || (count == 1 && ld == 1);
}

/* Few columns (n small) of weights A, or few rows (m small) against weights B that are stored
 * [n x k], as dense layers have them: the same with C turned around. */
static bool skinny_of(const struct covey__gemm *p, struct covey__skinny *out)
{
    if (p->n <= COVEY__SKINNY_COLUMNS_MAX && !p->trans_a && p->m >= p->n &&
        (by_columns(p->trans_b, p->n, p->ldb) || p->k * p->n <= TURNED_MAX)) {
        *out = (struct covey__skinny){.rows = p->m,
                                      .columns = p->n,
                                      .matrix = p->a,
                                      .matrix_stride = p->lda,
                                      .vectors = p->b,
                                      .vector_stride = p->ldb,
                                      .row_stride = p->ldc,
                                      .column_stride = 1};
    } else if (p->m <= COVEY__SKINNY_COLUMNS_MAX && p->trans_b &&
               (by_columns(!p->trans_a, p->m, p->lda) || p->k * p->m <= TURNED_MAX)) {
        *out = (struct covey__skinny){.rows = p->n,
                                      .columns = p->m,
                                      .matrix = p->b,
                                      .matrix_stride = p->ldb,
                                      .vectors = p->a,
                                      .vector_stride = p->lda,
                                      .row_stride = 1,
                                      .column_stride = p->ldc};
    } else {
        return false;
    }
    out->k = p->k;
    out->out = p->c;
    out->accumulate = p->accumulate;
    return true;
}

/* The vectors' elements lie next to each other instead of the vectors. */
static bool skinny_turned(const struct covey__gemm *p, const struct covey__skinny *s)
{
    return s->vectors == p->b ? !by_columns(p->trans_b, p->n, p->ldb)
                              : !by_columns(!p->trans_a, p->m, p->lda);
}

static void skinny_turn(struct covey__skinny s, size_t first, size_t last)
{
    float turned[TURNED_MAX];
    for (size_t i = 0; i < s.k; i++) {
        for (size_t j = 0; j < s.columns; j++) {
            turned[j * s.k + i] = s.vectors[i * s.vector_stride + j];
        }
    }
    s.vectors = turned;
    s.vector_stride = s.k;
    covey__skinny_rows(&s, first, last);
}

static void skinny_run(const struct covey__gemm *p, const struct covey__skinny *s, size_t first,
                       size_t last)
{
    if (skinny_turned(p, s)) {
        skinny_turn(*s, first, last);
    } else {
        covey__skinny_rows(s, first, last);
    }
}

void covey__gemm(const struct covey__gemm *p)
{
    pthread_once(&blas_once, blas_init);
    struct covey__skinny s;
    if (skinny_of(p, &s)) {
        skinny_run(p, &s, 0, s.rows);
    } else if (p->n == 1) {
        gemv_column(p);
    } else if (p->m == 1) {
        gemv_row(p);
    } else {
        cblas_sgemm(CblasRowMajor, p->trans_a ? CblasTrans : CblasNoTrans,
                    p->trans_b ? CblasTrans : CblasNoTrans, (blasint)p->m, (blasint)p->n,
                    (blasint)p->k, 1.0f, p->a, (blasint)p->lda, p->b, (blasint)p->ldb,
                    p->accumulate ? 1.0f : 0.0f, p->c, (blasint)p->ldc);
    }
}

void covey_blas_multiply(const struct covey_blas_product *p)
{
    pthread_once(&blas_once, blas_init);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)p->m, (blasint)p->n,
                (blasint)p->k, 1.0f, p->a, (blasint)p->k, p->b, (blasint)p->n, 0.0f, p->c,
                (blasint)p->n);
}

void covey__gemm_double(const struct covey__gemm_double *p)
{
    pthread_once(&blas_once, blas_init);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)p->m, (blasint)p->n,
                (blasint)p->k, 1.0, p->a, (blasint)p->k, p->b, (blasint)p->n,
                p->accumulate ? 1.0 : 0.0, p->c, (blasint)p->n);
}

/* A product cut along its longer side. */
struct shared_gemm {
    const struct covey__gemm *whole;
    bool by_rows;
    size_t block;
    struct covey__skinny skinny; /* columns 0: not used */
};

static void run_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct shared_gemm *g = ctx;
    size_t total = g->skinny.columns > 0 ? g->skinny.rows : g->by_rows ? g->whole->m : g->whole->n;
    size_t first = part * g->block;
    size_t last = total - first < g->block ? total : first + g->block;
    if (g->skinny.columns > 0) {
        skinny_run(g->whole, &g->skinny, first, last);
        return;
    }
    struct covey__gemm p = *g->whole;
    if (g->by_rows) {
        p.a += first * (p.trans_a ? 1 : p.lda);
        p.c += first * p.ldc;
        p.m = last - first;
    } else {
        p.b += first * (p.trans_b ? p.ldb : 1);
        p.c += first;
        p.n = last - first;
    }
    covey__gemm(&p);
}

/* At most 8 blocks of at least 64: each packs the shorter side's matrix again. */
static size_t block_of(size_t length)
{
    size_t block = (length / 8 + 63) / 64 * 64;
    return block > 0 ? block : 64;
}

void covey__gemm_threads(const struct covey__gemm *p, struct covey_threads *threads)
{
    struct shared_gemm g = {.whole = p, .by_rows = p->m >= p->n};
    size_t length = g.by_rows ? p->m : p->n;
    if (skinny_of(p, &g.skinny)) {
        length = g.skinny.rows;
        g.block = COVEY__SKINNY_PART_ROWS;
    } else {
        g.skinny.columns = 0;
        g.block = block_of(length);
    }
    covey_threads_run(threads, (length + g.block - 1) / g.block, run_part, &g);
}
