/* SPDX-License-Identifier: MIT */
#include "op_unary.h"
#include "ops_unary.h"

#include <float.h>
#include <math.h>

#define REAL(name, expression)                                                                     \
    static double name(double x, const struct covey_op_attrs *a)                                   \
    {                                                                                              \
        (void)a;                                                                                   \
        return expression;                                                                         \
    }

#define WHOLE(name, expression)                                                                    \
    static int64_t name(int64_t x, bool is_u64, const struct covey_op_attrs *a)                    \
    {                                                                                              \
        (void)a;                                                                                   \
        (void)is_u64;                                                                              \
        return expression;                                                                         \
    }

/* log(1 + e^x) without overflow; log1p(NaN) stays one. */
static double softplus(double x)
{
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

static double unit_clip(double x)
{
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* Halves to even: rint in the default rounding mode. */
REAL(real_round, rint(x))
REAL(real_relu, x < 0.0 ? 0.0 : x)
REAL(real_leakyrelu, x < 0.0 ? (double)a->alpha * x : x)
REAL(real_sigmoid, 1.0 / (1.0 + exp(-x)))
REAL(real_tanh, tanh(x))
REAL(real_abs, fabs(x))
REAL(real_neg, -x)
REAL(real_exp, exp(x))
REAL(real_log, log(x))
REAL(real_sqrt, sqrt(x))
REAL(real_reciprocal, 1.0 / x)
REAL(real_floor, floor(x))
REAL(real_ceil, ceil(x))
REAL(real_sign, x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x)
REAL(real_erf, erf(x))
REAL(real_sin, sin(x))
REAL(real_cos, cos(x))
REAL(real_tan, tan(x))
REAL(real_asin, asin(x))
REAL(real_acos, acos(x))
REAL(real_atan, atan(x))
REAL(real_sinh, sinh(x))
REAL(real_cosh, cosh(x))
REAL(real_asinh, asinh(x))
REAL(real_acosh, acosh(x))
REAL(real_atanh, atanh(x))
/* x < 0: alpha (e^x - 1); else x */
REAL(real_elu, x < 0.0 ? (double)a->alpha * expm1(x) : x)
/* gamma elu(x) */
REAL(real_selu, (double)a->beta *(x < 0.0 ? (double)a->alpha * expm1(x) : x))
/* x < 0: alpha (e^(x / alpha) - 1); else x */
REAL(real_celu, x < 0.0 ? (double)a->alpha * expm1(x / (double)a->alpha) : x)
REAL(real_hardsigmoid, unit_clip((double)a->alpha *x + (double)a->beta))
REAL(real_hardswish, x *unit_clip(x / 6.0 + 0.5))
REAL(real_softplus, isnan(x) ? x : softplus(x))
REAL(real_softsign, x / (1.0 + fabs(x)))
REAL(real_thresholdedrelu, x > (double)a->alpha ? x : isnan(x) ? x : 0.0)
/* x (1 + erf(x / sqrt 2)) / 2 */
REAL(real_gelu, 0.5 * x * (1.0 + erf(x * 0.70710678118654752440)))
/* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
REAL(real_gelu_tanh, 0.5 * x * (1.0 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))))
REAL(real_mish, isnan(x) ? x : x *tanh(softplus(x)))
/* x < -lambd: x + bias; x > lambd: x - bias; else 0 */
REAL(real_shrink, x<-(double)a->alpha ? x + (double)a->bias : x>(double) a->alpha
                      ? x - (double)a->bias
                  : isnan(x) ? x
                             : 0.0)
REAL(real_not, x == 0.0 ? 1.0 : 0.0)
REAL(real_isnan, isnan(x) ? 1.0 : 0.0)
REAL(real_isinf, isinf(x) && (a->mode >> (x > 0.0 ? 1 : 0) & 1u) != 0 ? 1.0 : 0.0)
REAL(real_silu, x / (1.0 + exp(-x)))

WHOLE(whole_relu, !is_u64 && x < 0 ? 0 : x)
WHOLE(whole_abs, !is_u64 && x < 0 ? (int64_t)(0 - (uint64_t)x) : x)
WHOLE(whole_neg, (int64_t)(0 - (uint64_t)x))
WHOLE(whole_sign, x == 0 ? 0 : !is_u64 && x < 0 ? -1 : 1)
WHOLE(whole_not, x == 0)
WHOLE(whole_bitnot, ~x)

/* min(high, max(low, x)), a NaN stays one. The ends of float32 stand for no bound: float64 goes
 * beyond them. */
static double real_clip(double x, const struct covey_op_attrs *a)
{
    double v = x < (double)a->low && a->low > -FLT_MAX ? (double)a->low : x;
    return v > (double)a->high && a->high < FLT_MAX ? (double)a->high : v;
}

/* A bound of integers: what lies beyond their range does not bind. */
static int64_t bound(float v)
{
    return v >= 9223372036854775808.0f    ? INT64_MAX
           : v <= -9223372036854775808.0f ? INT64_MIN
                                          : (int64_t)v;
}

static uint64_t bound_u64(float v)
{
    return v >= 18446744073709551616.0f ? UINT64_MAX : v <= 0.0f ? 0 : (uint64_t)v;
}

static int64_t whole_clip(int64_t x, bool is_u64, const struct covey_op_attrs *a)
{
    if (is_u64) {
        uint64_t low = bound_u64(a->low), high = bound_u64(a->high), v = (uint64_t)x;
        v = v < low ? low : v;
        return (int64_t)(v > high ? high : v);
    }
    int64_t low = bound(ceilf(a->low)), high = bound(floorf(a->high));
    int64_t v = x < low ? low : x;
    return v > high ? high : v;
}

#define FAST(name) (int)COVEY__UNARY_##name
#define OPERATOR(name, fast_kind, whole_function)                                                  \
    void covey__op_##name(const struct covey__op_call *c)                                          \
    {                                                                                              \
        static const struct covey__unary_rule rule = {fast_kind, real_##name, whole_function};     \
        covey__unary_apply(c, &rule, c->in[0], c->out[0]);                                         \
    }

OPERATOR(relu, FAST(RELU), whole_relu)
OPERATOR(leakyrelu, FAST(LEAKYRELU), NULL)
OPERATOR(sigmoid, FAST(SIGMOID), NULL)
OPERATOR(tanh, FAST(TANH), NULL)
OPERATOR(clip, FAST(CLIP), whole_clip)
OPERATOR(abs, FAST(ABS), whole_abs)
OPERATOR(neg, FAST(NEG), whole_neg)
OPERATOR(exp, FAST(EXP), NULL)
OPERATOR(log, FAST(LOG), NULL)
OPERATOR(sqrt, FAST(SQRT), NULL)
OPERATOR(reciprocal, FAST(RECIPROCAL), NULL)
OPERATOR(floor, FAST(FLOOR), NULL)
OPERATOR(ceil, FAST(CEIL), NULL)
OPERATOR(round, FAST(ROUND), NULL)
OPERATOR(sign, FAST(SIGN), whole_sign)
OPERATOR(erf, FAST(ERF), NULL)
OPERATOR(sin, COVEY__NOT_FAST, NULL)
OPERATOR(cos, COVEY__NOT_FAST, NULL)
OPERATOR(tan, COVEY__NOT_FAST, NULL)
OPERATOR(asin, COVEY__NOT_FAST, NULL)
OPERATOR(acos, COVEY__NOT_FAST, NULL)
OPERATOR(atan, COVEY__NOT_FAST, NULL)
OPERATOR(sinh, COVEY__NOT_FAST, NULL)
OPERATOR(cosh, COVEY__NOT_FAST, NULL)
OPERATOR(asinh, COVEY__NOT_FAST, NULL)
OPERATOR(acosh, COVEY__NOT_FAST, NULL)
OPERATOR(atanh, COVEY__NOT_FAST, NULL)
OPERATOR(elu, FAST(ELU), NULL)
OPERATOR(selu, FAST(SELU), NULL)
OPERATOR(celu, FAST(CELU), NULL)
OPERATOR(hardsigmoid, FAST(HARDSIGMOID), NULL)
OPERATOR(hardswish, FAST(HARDSWISH), NULL)
OPERATOR(softplus, FAST(SOFTPLUS), NULL)
OPERATOR(softsign, FAST(SOFTSIGN), NULL)
OPERATOR(thresholdedrelu, FAST(THRESHOLDED), NULL)
OPERATOR(mish, FAST(MISH), NULL)
OPERATOR(shrink, COVEY__NOT_FAST, NULL)
OPERATOR(not, COVEY__NOT_FAST, whole_not)
OPERATOR(isnan, COVEY__NOT_FAST, NULL)
OPERATOR(isinf, COVEY__NOT_FAST, NULL)
OPERATOR(silu, FAST(SILU), NULL)

void covey__op_bitnot(const struct covey__op_call *c)
{
    static const struct covey__unary_rule rule = {COVEY__NOT_FAST, real_not, whole_bitnot};
    covey__unary_apply(c, &rule, c->in[0], c->out[0]);
}

void covey__op_gelu(const struct covey__op_call *c)
{
    static const struct covey__unary_rule rules[2] = {{FAST(GELU), real_gelu, NULL},
                                                      {FAST(GELU_TANH), real_gelu_tanh, NULL}};
    covey__unary_apply(c, &rules[c->attrs->mode & 1u], c->in[0], c->out[0]);
}

void covey__unary_act(const struct covey__op_call *c)
{
    static const struct covey__unary_rule rules[COVEY_ACT_COUNT] = {
        [COVEY_ACT_RELU] = {FAST(RELU), real_relu, whole_relu},
        [COVEY_ACT_CLIP] = {FAST(CLIP), real_clip, whole_clip},
        [COVEY_ACT_SIGMOID] = {FAST(SIGMOID), real_sigmoid, NULL},
        [COVEY_ACT_TANH] = {FAST(TANH), real_tanh, NULL},
        [COVEY_ACT_SILU] = {FAST(SILU), real_silu, NULL},
        [COVEY_ACT_HARDSWISH] = {FAST(HARDSWISH), real_hardswish, NULL},
    };
    if (c->attrs->act != COVEY_ACT_NONE) {
        covey__unary_apply(c, &rules[c->attrs->act], c->out[0], c->out[0]);
    }
}
