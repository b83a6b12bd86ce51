/* SPDX-License-Identifier: MIT */
#include "gemm.h"

#include <pthread.h>

#include <cblas.h>

static pthread_once_t blas_once = PTHREAD_ONCE_INIT;

/* The compute pool is ours: BLAS's own threads would fight it for the cores. */
static void blas_init(void)
{
    openblas_set_num_threads(1);
}

/* y = op(A) x. y is cleared first, so that what was in it (NaN included) cannot matter. */
static void gemv(CBLAS_TRANSPOSE trans, const struct covey__gemm *p, size_t incx, size_t incy)
{
    bool column = p->n == 1;
    const float *matrix = column ? p->a : p->b;
    size_t ld = column ? p->lda : p->ldb;
    size_t rows = column ? p->m : (p->trans_b ? p->n : p->k);
    size_t cols = column ? p->k : (p->trans_b ? p->k : p->n);
    size_t count = column ? p->m : p->n;
    for (size_t i = 0; i < count; i++) {
        p->c[i * incy] = 0.0f;
    }
    cblas_sgemv(CblasRowMajor, trans, (blasint)rows, (blasint)cols, 1.0f, matrix, (blasint)ld,
                column ? p->b : p->a, (blasint)incx, 1.0f, p->c, (blasint)incy);
}

void covey__gemm(const struct covey__gemm *p)
{
    pthread_once(&blas_once, blas_init);
    if (p->n == 1) {
        gemv(CblasNoTrans, p, p->trans_b ? 1 : p->ldb, p->ldc);
    } else if (p->m == 1) {
        gemv(p->trans_b ? CblasNoTrans : CblasTrans, p, 1, 1);
    } else {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, p->trans_b ? CblasTrans : CblasNoTrans,
                    (blasint)p->m, (blasint)p->n, (blasint)p->k, 1.0f, p->a, (blasint)p->lda, p->b,
                    (blasint)p->ldb, 0.0f, p->c, (blasint)p->ldc);
    }
}
