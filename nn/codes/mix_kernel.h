/* SPDX-License-Identifier: MIT
 *
 * mix_kernel.h - the loops of mix.h and of the field, once for each set of vector instructions.
 */
#ifndef COVEY_NN_MIX_KERNEL_H
#define COVEY_NN_MIX_KERNEL_H

#include "../kernels/cpu.h"

#include <stddef.h>

enum { COVEY__MIX_WIDTH = 4 };

struct covey__mix_kernel {
    /* sum += (or, if first, =) f_0 x_0 + .. + f_3 x_3 */
    void (*add)(const float *f, const float *const *x, float *sum, size_t count);
    void (*set)(const float *f, const float *const *x, float *sum, size_t count);
    /* The same of integers, exact below 2^53. */
    void (*add_exact)(const float *f, const float *const *x, double *sum, size_t count);
    /* sum of a_i b_i, integers, to within p. */
    double (*dot_exact)(double p, const float *a, const float *b, size_t count);
    /* To within (p + 1) / 2; |v| < 2^52. */
    void (*reduce)(double p, double *v, size_t count);
    /* To within (p - 1) / 2, as floats. */
    void (*store)(double p, const double *v, float *out, size_t count);
    /* How many are no integers of at most most. */
    size_t (*count_strange)(float most, const float *v, size_t count);
    /* Magnitude; NaN is the largest of all. */
    float (*largest)(const float *v, size_t count);
};
const struct covey__mix_kernel *covey__mix_kernel(void);
/* NULL: not compiled in, or not run by this processor. */
const struct covey__mix_kernel *covey__mix_kernel_of(enum covey__isa isa);

#endif /* COVEY_NN_MIX_KERNEL_H */
