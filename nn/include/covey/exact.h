/* SPDX-License-Identifier: MIT
 *
 * exact.h - coded layers of integer models, bit for bit (coded-computing.md section 1).
 *
 * Y = W X of bytes less their zero points, with sums modulo 2^32, as ConvInteger, MatMulInteger,
 * QLinearConv and QLinearMatMul have them before they scale. Weights and inputs are held as floats
 * that are integers: units, the parity of ones and inputs travel like those of other layers, and
 * covey_split_encode() is exact. Answers are int32 in the layout of covey_product_run().
 */
#ifndef COVEY_EXACT_H
#define COVEY_EXACT_H

#include "covey/split.h"

enum { COVEY_EXACT_INPUT_MAX = 255, COVEY_EXACT_WEIGHT_MAX = 255 * COVEY_GROUP_UNITS_MAX };

/* out[i] = byte i less the zero point: of weights, inputs. */
covey_err covey_exact_convert(const struct covey_tensor *bytes, int32_t zero,
                              float *out) COVEY_CHECK;

/* Holder: weights [slots x unit_rows x k], copied; RANGE when one is no integer of at most
 * COVEY_EXACT_WEIGHT_MAX. */
struct covey_exact;
covey_err covey_exact_new(const struct covey_layer *layer, const float *weights, size_t slots,
                          struct covey_exact **out) COVEY_CHECK;
void covey_exact_free(struct covey_exact *e);
size_t covey_exact_bytes(const struct covey_exact *e);   /* of its weights */
size_t covey_exact_scratch(const struct covey_exact *e); /* bytes */
/* out [slots x unit_rows x n]. RANGE when an input is no integer of at most COVEY_EXACT_INPUT_MAX.
 */
covey_err covey_exact_run(const struct covey_exact *e, const float *input, void *scratch,
                          int32_t *out) COVEY_CHECK;

/* covey_split_rebuild() for one parity, of ones, and integers: one loss is a subtraction modulo
 * 2^32. answers [count + 1]. */
covey_err covey_exact_rebuild(unsigned count, const int32_t *const *answers, int32_t *const *out,
                              size_t integers) COVEY_CHECK;

#endif /* COVEY_EXACT_H */
