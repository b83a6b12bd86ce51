/* SPDX-License-Identifier: MIT
 *
 * blas.h - which of its kernels OpenBLAS runs, and which it should.
 *
 * OpenBLAS reads the environment variable OPENBLAS_CORETYPE once, when it is loaded. A processor
 * that it does not know gets the kernels of an older one, at half the speed: a program that wants
 * the better ones sets the variable and starts itself again.
 */
#ifndef COVEY_BLAS_H
#define COVEY_BLAS_H

#include <stddef.h>

/* A constant string: OpenBLAS's name of the processor whose kernels run. */
const char *covey_blas_core(void);
/* What OPENBLAS_CORETYPE should be, a constant string, or NULL: as good as it gets. */
const char *covey_blas_better_core(void);

/* C [m x n] = A [m x k] B [k x n], row-major, by OpenBLAS alone on this thread: what measurements
 * compare with. */
struct covey_blas_product {
    size_t m, n, k;
    const float *a, *b;
    float *c;
};
void covey_blas_multiply(const struct covey_blas_product *p);

#endif /* COVEY_BLAS_H */
