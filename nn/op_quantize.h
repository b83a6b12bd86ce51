/* SPDX-License-Identifier: MIT
 *
 * op_quantize.h - what quantised operators share: scales, zero points, rounding.
 */
#ifndef COVEY_NN_OP_QUANTIZE_H
#define COVEY_NN_OP_QUANTIZE_H

#include "ops.h"

enum {
    COVEY__TYPES_BYTE = COVEY__TYPE_BIT(U8) | COVEY__TYPE_BIT(I8),
    COVEY__TYPES_QUANTIZED =
        COVEY__TYPES_BYTE | COVEY__TYPE_BIT(U16) | COVEY__TYPE_BIT(I16) | COVEY__TYPE_BIT(I32),
};

/* The least and the greatest number of an integer type of at most 32 bits. */
struct covey__range {
    double low, high;
};
struct covey__range covey__range_of(enum covey_type type);

/* v to the nearest integer, ties to even; v is within 2^22. */
static inline float covey__round_even(float v)
{
    return (v + 12582912.0f) - 12582912.0f;
}

/* round(v) + zero within [low, high], all integers within 2^21; NaN gives low. */
static inline int32_t covey__requantize(float v, float zero, float low, float high)
{
    float least = low - zero, most = high - zero;
    float x = v > least ? v : least;
    x = x < most ? x : most;
    return (int32_t)(covey__round_even(x) + zero);
}

/* out[i] = requantize((sums[i] + add) factor) as bytes of either sign; sums wrap around. */
struct covey__requantize {
    uint32_t add;
    float factor, zero, low, high;
};
void covey__requantize_row(const struct covey__requantize *r, const int32_t *sums, uint8_t *out,
                           size_t count);

#endif /* COVEY_NN_OP_QUANTIZE_H */
