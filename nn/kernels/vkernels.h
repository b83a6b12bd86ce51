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
#include "norm.h"
#include "pool.h"
#include "skinny.h"
#include "softmax.h"
#include "update.h"

/* out[c] = sum over rows of (in - mean)^2 or (in - mean) factor, column by column. */
struct covey__norm_columns {
    const float *in, *factor; /* factor NULL: 1 */
    const float *mean;        /* NULL: 0 */
    bool squares;
    size_t rows, stride;
    float *out;
};

/* y = a dy + b (x - mean) + c */
struct covey__norm_mix {
    float a, b, c, mean;
};

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
    /* Of contiguous elements: sum of x, of (x - mean)^2, of a (b - mean); maximum. */
    float (*sum)(const float *in, size_t count);
    float (*squares)(const float *in, float mean, size_t count);
    float (*dot)(const float *a, const float *b, float mean, size_t count);
    float (*max)(const float *in, size_t count);
    void (*norm_columns)(const struct covey__norm_columns *c, size_t first, size_t last);
    void (*norm_back)(const struct covey__norm_mix *m, const float *x, const float *dy, float *out,
                      size_t count);
    void (*update_axpy)(float a, const float *x, float *y, size_t count);
    void (*update_sgd)(const struct covey__update_sgd *u, size_t first, size_t last);
    void (*update_adam)(const struct covey__update_adam *u, const float corrections[2],
                        size_t first, size_t last);
    void (*half_from_floats)(const float *in, uint16_t *out, size_t count);
    void (*half_to_floats)(const uint16_t *in, float *out, size_t count);
    size_t (*sparse_put)(const float *in, size_t count, float *out);
    size_t (*sparse_take)(const float *in, size_t size, float *out, size_t count);
};

const struct covey__vkernels *covey__vkernels(void);
/* NULL: not compiled in, or not run by this processor. */
const struct covey__vkernels *covey__vkernels_of(enum covey__isa isa);

#endif /* COVEY_NN_VKERNELS_H */
