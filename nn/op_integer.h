/* SPDX-License-Identifier: MIT
 *
 * op_integer.h - exact products of matrices of bytes, and the scales and zero points around them.
 *
 * Bytes less their zero points are integers in [-255, 255]. Floats add 256 products of two of them
 * without rounding (256 * 255^2 < 2^24), so the fast float product is exact in blocks of that
 * depth; the blocks are added in int32.
 */
#ifndef COVEY_NN_OP_INTEGER_H
#define COVEY_NN_OP_INTEGER_H

#include "ops.h"

/* Part of matrix number job. */
struct covey__block {
    size_t job, row, rows, col, cols;
};

/* For every job C [m x n] = A [m x k] B [k x n]. */
struct covey__exact {
    size_t jobs, m, n, k;
    const void *ctx;
    /* A block as floats, row by row: integers in [-255, 255]. */
    void (*load_a)(const void *ctx, const struct covey__block *b, float *out);
    void (*load_b)(const void *ctx, const struct covey__block *b, float *out);
    /* Takes a block of C; wraps around as int32 does. */
    void (*store)(const void *ctx, const struct covey__block *b, const int32_t *sums);
    struct covey_threads *threads;
    void *scratch; /* covey__exact_scratch() bytes */
};
/* Of e only the sizes are read. */
size_t covey__exact_scratch(const struct covey__exact *e, unsigned threads);
void covey__exact_run(const struct covey__exact *e);

/* Bytes of either sign: (byte ^ flip) is unsigned, and zeros are shifted by bias. */
struct covey__bytes {
    const uint8_t *data;
    uint8_t flip;
    int32_t bias;
};
struct covey__bytes covey__bytes_of(const struct covey_tensor *t);
/* out[i] = in[first + i step] - zero, zero as stored */
void covey__bytes_load(const struct covey__bytes *in, size_t first, size_t step, int32_t zero,
                       float *out, size_t count);

/* Input i, NULL where it is left out; its only or its index-th number. */
const struct covey_tensor *covey__optional(const struct covey__op_call *c, unsigned i);
int32_t covey__zero_at(const struct covey_tensor *zero, size_t index);
float covey__scale_at(const struct covey_tensor *scale, size_t index);

/* One element of the types; it may be left out if optional. */
struct covey__scalar_rule {
    unsigned input;
    unsigned types;
    bool optional;
};
covey_err covey__check_scalar(const struct covey__op_call *c, struct covey__scalar_rule rule,
                              struct covey_nn_error *out_why);

#endif /* COVEY_NN_OP_INTEGER_H */
