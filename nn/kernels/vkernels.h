/* SPDX-License-Identifier: MIT
 *
 * vkernels.h - the innermost loops, compiled once for each set of vector instructions.
 *
 * vkernels_<isa>.c compiles all *.inc of this folder; the functions that callers see pick the best
 * table that the processor runs. Results of different tables differ in rounding.
 */
#ifndef COVEY_NN_VKERNELS_H
#define COVEY_NN_VKERNELS_H

#include "cpu.h"
#include "elementwise.h"
#include "pool.h"
#include "skinny.h"
#include "softmax.h"

struct covey__vkernels {
    void (*unary[COVEY__UNARY_COUNT])(struct covey__unary f, const float *in, float *out,
                                      size_t count);
    /* [0]: both arrays; [1]: b is one number; [2]: a is one number */
    void (*binary[COVEY__BINARY_COUNT][3])(const float *a, const float *b, float *out,
                                           size_t count);
    void (*affine_row)(const float *in, const float *scale, const float *shift, float *out,
                       size_t count);
    void (*skinny_rows)(const struct covey__skinny *s, size_t first, size_t last);
    void (*pool_plane)(const struct covey__pool_shape *s, bool average, const float *in,
                       float *out);
    void (*pool_index_plane)(const struct covey__pool_shape *s, const float *in, float *out,
                             uint32_t *index);
    void (*softmax_block)(const struct covey__softmax_call *c, const float *in, float *out);
    /* Of contiguous elements; squares: sum of (x - mean)^2. */
    float (*sum)(const float *in, size_t count);
    float (*squares)(const float *in, float mean, size_t count);
    float (*dot)(const float *a, const float *b, size_t count);
    float (*max)(const float *in, size_t count);
};

const struct covey__vkernels *covey__vkernels(void);
/* NULL: not compiled in, or not run by this processor. */
const struct covey__vkernels *covey__vkernels_of(enum covey__isa isa);

#endif /* COVEY_NN_VKERNELS_H */
