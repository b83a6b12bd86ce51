/* SPDX-License-Identifier: MIT
 *
 * train_product.h - the three products of a layer in training, as coded products
 * (coded-computing.md section 2).
 *
 *   forward           Y = X (*) W        rows of A are samples of X, B is W
 *   input gradient    dX = dY (*)' W     rows of A are samples of dY, B is W
 *   weight gradient   dW = X' (*) dY     rows of A are the channels of X, B is dY
 *
 * (*) is a convolution of one group, or the product of a dense layer (then height, width and kernel
 * are 1). All three are linear in A, row by row, so that codes apply as they are; pictures are
 * encoded, and whoever computes unrolls them: k x k times fewer bytes. Biases are the caller's.
 */
#ifndef COVEY_TRAIN_PRODUCT_H
#define COVEY_TRAIN_PRODUCT_H

#include "covey/code.h"
#include "covey/code_check.h"
#include "covey/bytes.h"

enum covey_train_product_kind {
    COVEY_TRAIN_PRODUCT_FORWARD,
    COVEY_TRAIN_PRODUCT_INPUT_GRADIENT,
    COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT,
    COVEY_TRAIN_PRODUCT_KINDS
};

/* X [batch in_channels height width], W [out_channels in_channels kernel], Y [batch out_channels
 * out_height out_width]. */
struct covey_train_product {
    enum covey_train_product_kind kind;
    bool dense;
    uint32_t batch, in_channels, out_channels;
    uint32_t height, width, out_height, out_width;
    uint32_t kernel[2], stride[2], dilation[2], pads[2], pads_end[2];
};
/* Every product that came from outside: RANGE. The other functions assert it. */
covey_err covey_train_product_check(const struct covey_train_product *p) COVEY_CHECK;

enum { COVEY_TRAIN_PRODUCT_BYTES = 80 };
/* Fixed width, little-endian. */
void covey_train_product_encode(const struct covey_train_product *p,
                                uint8_t out[static COVEY_TRAIN_PRODUCT_BYTES]);
covey_err covey_train_product_decode(struct covey_bytes in,
                                     struct covey_train_product *out) COVEY_CHECK;

uint32_t covey_train_product_rows(const struct covey_train_product *p); /* of A */
size_t covey_train_product_a_floats(const struct covey_train_product *p);
size_t covey_train_product_b_floats(const struct covey_train_product *p);
size_t covey_train_product_c_floats(const struct covey_train_product *p);
double covey_train_product_flops(const struct covey_train_product *p);
/* Sets rows and the shapes of A and C in a code whose kind, n, m and so on are chosen; and a bound
 * that is 0, where the product's own rounding asks for a lower one than COVEY_CODE_BOUND. */
void covey_train_product_shape(const struct covey_train_product *p, struct covey_code *inout_code);

/* A worker: the product of `rows` rows of A (coded or not), the same layout with fewer rows.
 * prime < COVEY_FIELD_PRIMES: of integers of that field, exactly; COVEY_FIELD_PRIMES: of floats.
 * scratch: covey_train_product_scratch() bytes (of so many rows and threads, or more), 64-byte
 * aligned.
 * Deterministic, whatever the threads: but not the same bits for other numbers of rows, nor on
 * processors with other vector instructions, unless of a field. */
struct covey_train_product_run {
    const struct covey_train_product *product;
    uint32_t rows;
    unsigned prime;
    const float *a, *b;
    float *c;
    void *scratch;
    struct covey_threads *threads; /* may be NULL */
};
size_t covey_train_product_scratch(const struct covey_train_product *p, uint32_t rows,
                                   unsigned prime, unsigned threads);
void covey_train_product_compute(const struct covey_train_product_run *run);

/* After covey_code_check_start(), which returned s: what the check of answers needs to know of A
 * and B. Costs as much as one row of the product for each vector. Codes of floats and of the field.
 */
covey_err covey_train_product_check_start(const struct covey_train_product *p, const float *a,
                                          const float *b, struct covey_code_check *check,
                                          const float *s) COVEY_CHECK;

/* The scales with which A and B, as they are, just stay within a field's prime, or both together:
 * covey_field_scales() of the matrix product that it is. RANGE: not finite, or too few bits. */
covey_err covey_train_product_scales(const struct covey_train_product *p, const float *a,
                                     const float *b, unsigned prime, double *out_a,
                                     double *out_b) COVEY_CHECK;

#endif /* COVEY_TRAIN_PRODUCT_H */
