/* SPDX-License-Identifier: MIT
 *
 * gemm.h - the one door to BLAS: C [m x n] = A [m x k] * B [k x n], row-major float32.
 */
#ifndef COVEY_NN_GEMM_H
#define COVEY_NN_GEMM_H

#include "covey/threads.h"

#include <stdbool.h>
#include <stddef.h>

/* Every size and leading dimension is at most COVEY_TENSOR_ELEMENTS_MAX. */
struct covey__gemm {
    size_t m, n, k;
    const float *a;
    size_t lda;
    const float *b; /* trans_b: B is stored [n x k] */
    size_t ldb;
    bool trans_b;
    float *c; /* without accumulate overwritten, never read */
    size_t ldc;
    bool trans_a;    /* A is stored [k x m] */
    bool accumulate; /* C += A B */
};

/* One thread; may run on many threads at once. */
void covey__gemm(const struct covey__gemm *p);

/* The same shared out: in blocks that depend only on the sizes, so that the result is the same
 * for every number of threads (not always that of covey__gemm). */
void covey__gemm_threads(const struct covey__gemm *p, struct covey_threads *threads);

/* C [m x n] = or += A [m x k] B [k x n] in double precision, packed, one thread. */
struct covey__gemm_double {
    size_t m, n, k;
    const double *a, *b;
    double *c;
    bool accumulate;
};
void covey__gemm_double(const struct covey__gemm_double *p);

#endif /* COVEY_NN_GEMM_H */
