/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "ops.h"

bool covey_type_is_float(enum covey_type type)
{
    return type == COVEY_TYPE_F32 || type == COVEY_TYPE_F64 || type == COVEY_TYPE_F16;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
float covey__half_to_float(uint16_t bits)
{
    unsigned exponent = bits >> 10 & 31u, fraction = bits & 1023u;
    float v;
    if (exponent == 31) {
        v = fraction != 0 ? NAN : INFINITY;
    } else if (exponent == 0) {
        v = ldexpf((float)fraction, -24);
    } else {
        v = ldexpf((float)(fraction | 1024u), (int)exponent - 25);
    }
    return bits >> 15 != 0 ? -v : v;
}

uint16_t covey__float_to_half(float v)
{
    uint16_t sign = signbit(v) ? 0x8000u : 0;
    float a = fabsf(v);
    int exponent;
    if (isnan(v)) {
        return (uint16_t)(sign | 0x7e00u);
    }
    if (a >= 65520.0f) { /* what rounds to 65536 and above */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (a < 6.103515625e-5f) { /* 2^-14: the fraction counts units of 2^-24 */
        return (uint16_t)(sign | (uint16_t)lrintf(ldexpf(a, 24)));
    }
    float m = frexpf(a, &exponent); /* in [0.5, 1) */
    unsigned fraction =
        (unsigned)lrintf(ldexpf(m, 11)); /* 1024..2048; a carry moves the exponent */
    return (uint16_t)(sign | (((unsigned)(exponent + 14) << 10) + (fraction - 1024u)));
}

double covey_tensor_element(const struct covey_tensor *t, size_t i)
{
    switch (t->type) {
    case COVEY_TYPE_F32:
        return (double)((const float *)t->data)[i];
    case COVEY_TYPE_F64:
        return ((const double *)t->data)[i];
    case COVEY_TYPE_F16:
        return (double)covey__half_to_float(((const uint16_t *)t->data)[i]);
    case COVEY_TYPE_U64:
        return (double)((const uint64_t *)t->data)[i];
    case COVEY_TYPE_U8:
    case COVEY_TYPE_I8:
    case COVEY_TYPE_U16:
    case COVEY_TYPE_I16:
    case COVEY_TYPE_U32:
    case COVEY_TYPE_I32:
    case COVEY_TYPE_I64:
    case COVEY_TYPE_BOOL:
    case COVEY_TYPE_COUNT:
        return (double)covey__load_int(t, i);
    }
    return 0.0;
}

/* To [low, high], NaN to 0. */
static int64_t saturate(double v)
{
    if (isnan(v)) {
        return 0;
    }
    return v >= 9223372036854775808.0    ? INT64_MAX
           : v <= -9223372036854775808.0 ? INT64_MIN
                                         : (int64_t)v;
}

int64_t covey__load_int(const struct covey_tensor *t, size_t i)
{
    switch (t->type) {
    case COVEY_TYPE_F32:
    case COVEY_TYPE_F64:
    case COVEY_TYPE_F16:
        return saturate(covey_tensor_element(t, i));
    case COVEY_TYPE_U8:
    case COVEY_TYPE_BOOL:
        return ((const uint8_t *)t->data)[i];
    case COVEY_TYPE_I8:
        return ((const int8_t *)t->data)[i];
    case COVEY_TYPE_U16:
        return ((const uint16_t *)t->data)[i];
    case COVEY_TYPE_I16:
        return ((const int16_t *)t->data)[i];
    case COVEY_TYPE_U32:
        return ((const uint32_t *)t->data)[i];
    case COVEY_TYPE_I32:
        return ((const int32_t *)t->data)[i];
    case COVEY_TYPE_U64:
    case COVEY_TYPE_I64:
        return ((const int64_t *)t->data)[i];
    case COVEY_TYPE_COUNT:
        break;
    }
    return 0;
}

void covey__store_real(struct covey_tensor *t, size_t i, double v)
{
    if (t->type == COVEY_TYPE_F32) {
        ((float *)t->data)[i] = (float)v;
    } else if (t->type == COVEY_TYPE_F64) {
        ((double *)t->data)[i] = v;
    } else if (t->type == COVEY_TYPE_F16) {
        ((uint16_t *)t->data)[i] = covey__float_to_half((float)v);
    } else if (t->type == COVEY_TYPE_BOOL) {
        ((uint8_t *)t->data)[i] = v != 0.0;
    } else if (t->type == COVEY_TYPE_U64 && v >= 9223372036854775808.0) {
        ((uint64_t *)t->data)[i] = v >= 18446744073709551616.0 ? UINT64_MAX : (uint64_t)v;
    } else {
        covey__store_int(t, i, saturate(v));
    }
}

static int64_t bound(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

void covey__store_int(struct covey_tensor *t, size_t i, int64_t v)
{
    switch (t->type) {
    case COVEY_TYPE_F32:
    case COVEY_TYPE_F64:
    case COVEY_TYPE_F16:
        covey__store_real(t, i, (double)v);
        break;
    case COVEY_TYPE_U8:
        ((uint8_t *)t->data)[i] = (uint8_t)bound(v, 0, UINT8_MAX);
        break;
    case COVEY_TYPE_BOOL:
        ((uint8_t *)t->data)[i] = v != 0;
        break;
    case COVEY_TYPE_I8:
        ((int8_t *)t->data)[i] = (int8_t)bound(v, INT8_MIN, INT8_MAX);
        break;
    case COVEY_TYPE_U16:
        ((uint16_t *)t->data)[i] = (uint16_t)bound(v, 0, UINT16_MAX);
        break;
    case COVEY_TYPE_I16:
        ((int16_t *)t->data)[i] = (int16_t)bound(v, INT16_MIN, INT16_MAX);
        break;
    case COVEY_TYPE_U32:
        ((uint32_t *)t->data)[i] = (uint32_t)bound(v, 0, UINT32_MAX);
        break;
    case COVEY_TYPE_I32:
        ((int32_t *)t->data)[i] = (int32_t)bound(v, INT32_MIN, INT32_MAX);
        break;
    case COVEY_TYPE_U64:
    case COVEY_TYPE_I64:
        ((int64_t *)t->data)[i] = v;
        break;
    case COVEY_TYPE_COUNT:
        break;
    }
}
