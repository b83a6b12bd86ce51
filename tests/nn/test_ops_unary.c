/* SPDX-License-Identifier: MIT */
#include "optest.h"

#include <math.h>

static struct optest single(struct held *a)
{
    struct optest t = optest_of(1);
    t.in[0] = a;
    return t;
}

struct unary {
    enum covey_op op;
    double (*function)(double x);
};

#define FUNCTION(name, formula)                                                                    \
    static double name(double x)                                                                   \
    {                                                                                              \
        return formula;                                                                            \
    }
FUNCTION(neg, -x)
FUNCTION(reciprocal, 1.0 / x)
FUNCTION(sigmoid, 1.0 / (1.0 + exp(-x)))
FUNCTION(sign, x > 0 ? 1 : x < 0 ? -1 : x)
FUNCTION(relu, x < 0 ? 0 : x)
FUNCTION(leakyrelu, x < 0 ? 0.25 * x : x)
FUNCTION(elu, x < 0 ? 0.25 * (exp(x) - 1.0) : x)
FUNCTION(selu, 0.5 * elu(x))
FUNCTION(celu, x < 0 ? 0.25 * (exp(x / 0.25) - 1.0) : x)
FUNCTION(unit, x<0 ? 0 : x> 1 ? 1 : x)
FUNCTION(hardsigmoid, !isnan(x) ? unit(0.25 * x + 0.5) : x)
FUNCTION(hardswish, !isnan(x) ? x * unit(x / 6.0 + 0.5) : x)
FUNCTION(softplus, x > 30 ? x : log(1.0 + exp(x)))
FUNCTION(softsign, x / (1.0 + fabs(x)))
FUNCTION(thresholded, x > 0.25 ? x : x <= 0.25 ? 0 : x)
FUNCTION(gelu, 0.5 * x * (1.0 + erf(x / sqrt(2.0))))
FUNCTION(mish, x *tanh(softplus(x)))
FUNCTION(shrink, x<-0.25 ? x + 0.75 : x> 0.25 ? x - 0.75 : x >= -0.25 ? 0 : x)
FUNCTION(silu, x *sigmoid(x))
FUNCTION(clip, x<-1 ? -1 : x> 1.5 ? 1.5 : x)
FUNCTION(identity, x)

static const struct unary unaries[] = {
    {COVEY_OP_RELU, relu},
    {COVEY_OP_LEAKYRELU, leakyrelu},
    {COVEY_OP_SIGMOID, sigmoid},
    {COVEY_OP_TANH, tanh},
    {COVEY_OP_CLIP, clip},
    {COVEY_OP_IDENTITY, identity},
    {COVEY_OP_ABS, fabs},
    {COVEY_OP_NEG, neg},
    {COVEY_OP_EXP, exp},
    {COVEY_OP_LOG, log},
    {COVEY_OP_SQRT, sqrt},
    {COVEY_OP_RECIPROCAL, reciprocal},
    {COVEY_OP_FLOOR, floor},
    {COVEY_OP_CEIL, ceil},
    {COVEY_OP_ROUND, rint},
    {COVEY_OP_SIGN, sign},
    {COVEY_OP_ERF, erf},
    {COVEY_OP_SIN, sin},
    {COVEY_OP_COS, cos},
    {COVEY_OP_TAN, tan},
    {COVEY_OP_ASIN, asin},
    {COVEY_OP_ACOS, acos},
    {COVEY_OP_ATAN, atan},
    {COVEY_OP_SINH, sinh},
    {COVEY_OP_COSH, cosh},
    {COVEY_OP_ASINH, asinh},
    {COVEY_OP_ACOSH, acosh},
    {COVEY_OP_ATANH, atanh},
    {COVEY_OP_ELU, elu},
    {COVEY_OP_SELU, selu},
    {COVEY_OP_CELU, celu},
    {COVEY_OP_HARDSIGMOID, hardsigmoid},
    {COVEY_OP_HARDSWISH, hardswish},
    {COVEY_OP_SOFTPLUS, softplus},
    {COVEY_OP_SOFTSIGN, softsign},
    {COVEY_OP_THRESHOLDEDRELU, thresholded},
    {COVEY_OP_GELU, gelu},
    {COVEY_OP_MISH, mish},
    {COVEY_OP_SHRINK, shrink},
    {COVEY_OP_SILU, silu},
};

/* Every function of one number follows its formula, in every floating-point type, below, at and
 * above its bends, and keeps a NaN. */
static void test_unary_functions(void **state)
{
    (void)state;
    const double x[] = {-20,  -3,  -2.5, -1,  -0.5, -0.25, -0.125, 0,
                        0.25, 0.5, 1,    1.5, 2.5,  3,     9,      NAN};
    enum { COUNT = sizeof(x) / sizeof(x[0]) };
    const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16};
    const double tolerance[] = {2e-6, 1e-12, 1.5e-3};
    for (size_t i = 0; i < sizeof(unaries) / sizeof(unaries[0]); i++) {
        for (size_t j = 0; j < 3; j++) {
            struct optest t = single(hold_reals(types[j], DIMS(COUNT), x));
            double expected[COUNT];
            t.attrs.alpha = 0.25f, t.attrs.beta = 0.5f, t.attrs.bias = 0.75f;
            t.attrs.low = -1, t.attrs.high = 1.5f;
            for (size_t k = 0; k < COUNT; k++) {
                expected[k] = unaries[i].function(x[k]);
            }
            if (types[j] == COVEY_TYPE_F16) { /* what it cannot hold */
                for (size_t k = 0; k < COUNT; k++) {
                    expected[k] =
                        fabs(expected[k]) > 65504 ? copysign(INFINITY, expected[k]) : expected[k];
                }
            }
            expect_reals(optest_run(unaries[i].op, &t), types[j], DIMS(COUNT), expected,
                         tolerance[j]);
        }
    }
}

/* Infinities end where the limits of the functions are. */
static void test_unary_at_infinity(void **state)
{
    (void)state;
    const struct {
        enum covey_op op;
        double low, high;
    } table[] = {
        {COVEY_OP_SIGMOID, 0, 1},
        {COVEY_OP_TANH, -1, 1},
        {COVEY_OP_EXP, 0, INFINITY},
        {COVEY_OP_RELU, 0, INFINITY},
        {COVEY_OP_SQRT, NAN, INFINITY},
        {COVEY_OP_ERF, -1, 1},
        {COVEY_OP_SIGN, -1, 1},
        {COVEY_OP_SOFTPLUS, 0, INFINITY},
        {COVEY_OP_ROUND, -INFINITY, INFINITY},
        {COVEY_OP_RECIPROCAL, 0, 0},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (unsigned type = COVEY_TYPE_F32; type <= COVEY_TYPE_F16; type++) {
            struct optest t = single(REALS((enum covey_type)type, DIMS(2), -INFINITY, INFINITY));
            EXPECT(optest_run(table[i].op, &t), (enum covey_type)type, DIMS(2), table[i].low,
                   table[i].high);
        }
    }
}

/* Rounding takes halves to the even neighbour; GELU's tanh form; which infinities are looked for.
 */
static void test_unary_modes(void **state)
{
    (void)state;
    struct optest t = single(REALS(COVEY_TYPE_F32, DIMS(6), 0.5, 1.5, 2.5, -0.5, -1.5, 8388609));
    EXPECT(optest_run(COVEY_OP_ROUND, &t), COVEY_TYPE_F32, DIMS(6), 0, 2, 2, 0, -2, 8388609);
    for (unsigned type = 0; type < 2; type++) {
        t = single(REALS((enum covey_type)type, DIMS(2), 1, -2));
        t.attrs.mode = 1;
        expect_reals(optest_run(COVEY_OP_GELU, &t), (enum covey_type)type, DIMS(2),
                     (const double[]){0.84119199, -0.04540231}, 1e-6);
    }
    for (unsigned mode = 0; mode < 4; mode++) {
        t = single(REALS(COVEY_TYPE_F32, DIMS(4), -INFINITY, INFINITY, 1, NAN));
        t.attrs.mode = mode;
        EXPECT(optest_run(COVEY_OP_ISINF, &t), COVEY_TYPE_BOOL, DIMS(4), mode & 1, mode >> 1, 0, 0);
    }
    t = single(REALS(COVEY_TYPE_F16, DIMS(3), NAN, 1, INFINITY));
    EXPECT(optest_run(COVEY_OP_ISNAN, &t), COVEY_TYPE_BOOL, DIMS(3), 1, 0, 0);
    t = single(REALS(COVEY_TYPE_BOOL, DIMS(2), 1, 0));
    EXPECT(optest_run(COVEY_OP_NOT, &t), COVEY_TYPE_BOOL, DIMS(2), 0, 1);
}

/* Functions of integers stay integers, wrap around, and know what has no sign. */
static void test_unary_integers(void **state)
{
    (void)state;
    struct optest t = single(REALS(COVEY_TYPE_I8, DIMS(3), -128, -5, 7));
    EXPECT(optest_run(COVEY_OP_ABS, &t), COVEY_TYPE_I8, DIMS(3), -128, 5, 7);
    t = single(REALS(COVEY_TYPE_I8, DIMS(3), -128, -5, 7));
    EXPECT(optest_run(COVEY_OP_NEG, &t), COVEY_TYPE_I8, DIMS(3), -128, 5, -7);
    t = single(REALS(COVEY_TYPE_U64, DIMS(2), 18446744073709549568.0, 0));
    EXPECT(optest_run(COVEY_OP_SIGN, &t), COVEY_TYPE_U64, DIMS(2), 1, 0);
    t = single(REALS(COVEY_TYPE_U64, DIMS(2), 18446744073709549568.0, 3));
    EXPECT(optest_run(COVEY_OP_RELU, &t), COVEY_TYPE_U64, DIMS(2), 18446744073709549568.0, 3);
    t = single(REALS(COVEY_TYPE_I32, DIMS(3), -7, 0, 7));
    EXPECT(optest_run(COVEY_OP_RELU, &t), COVEY_TYPE_I32, DIMS(3), 0, 0, 7);
    t = single(REALS(COVEY_TYPE_U8, DIMS(2), 0, 5));
    EXPECT(optest_run(COVEY_OP_BITNOT, &t), COVEY_TYPE_U8, DIMS(2), 255, 250);
    for (unsigned type = COVEY_TYPE_U8; type <= COVEY_TYPE_I64; type++) {
        t = single(REALS((enum covey_type)type, DIMS(4), 1, 5, 9, 100));
        t.attrs.low = 5, t.attrs.high = 9.5f;
        EXPECT(optest_run(COVEY_OP_CLIP, &t), (enum covey_type)type, DIMS(4), 5, 5, 9, 9);
    }
    t = single(REALS(COVEY_TYPE_F64, DIMS(2), -1e300, 1e300)); /* unbounded by default */
    EXPECT(optest_run(COVEY_OP_CLIP, &t), COVEY_TYPE_F64, DIMS(2), -1e300, 1e300);
    t = single(hold(COVEY_TYPE_I64, DIMS(2)));
    ((int64_t *)t.in[0]->t.data)[0] = INT64_MIN;
    ((int64_t *)t.in[0]->t.data)[1] = INT64_MAX;
    struct held *got = optest_run(COVEY_OP_CLIP, &t);
    assert_true(covey__load_int(&got->t, 0) == INT64_MIN);
    assert_true(covey__load_int(&got->t, 1) == INT64_MAX);
    free(got);
}

/* Every type to every type: small numbers stay, fractions go towards zero, integers wrap, halves
 * round to even. */
static void test_cast(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COVEY_TYPE_COUNT; i++) {
        for (unsigned j = 0; j < COVEY_TYPE_COUNT; j++) {
            struct optest t = single(REALS((enum covey_type)i, DIMS(3), 0, 1, 100));
            bool flag = i == COVEY_TYPE_BOOL || j == COVEY_TYPE_BOOL;
            t.attrs.to = (enum covey_type)j;
            EXPECT(optest_run(COVEY_OP_CAST, &t), (enum covey_type)j, DIMS(3), 0, 1,
                   flag ? 1 : 100);
        }
    }
    struct optest t = single(REALS(COVEY_TYPE_F32, DIMS(4), -1.9, 2.9, 3e9, NAN));
    t.attrs.to = COVEY_TYPE_I32;
    EXPECT(optest_run(COVEY_OP_CAST, &t), COVEY_TYPE_I32, DIMS(4), -1, 2, INT32_MAX, 0);
    t = single(REALS(COVEY_TYPE_I32, DIMS(3), 257, -1, 128));
    t.attrs.to = COVEY_TYPE_U8;
    EXPECT(optest_run(COVEY_OP_CAST, &t), COVEY_TYPE_U8, DIMS(3), 1, 255, 128);
    t = single(REALS(COVEY_TYPE_F32, DIMS(4), 2049, 2051, 65520, 0.1));
    t.attrs.to = COVEY_TYPE_F16;
    EXPECT(optest_run(COVEY_OP_CAST, &t), COVEY_TYPE_F16, DIMS(4), 2048, 2052, INFINITY,
           0.0999755859375);
    t = single(REALS(COVEY_TYPE_U64, DIMS(1), 18446744073709549568.0));
    t.attrs.to = COVEY_TYPE_F64;
    EXPECT(optest_run(COVEY_OP_CAST, &t), COVEY_TYPE_F64, DIMS(1), 18446744073709549568.0);
    t = single(REALS(COVEY_TYPE_F32, DIMS(3), 0.25, NAN, 0));
    t.attrs.to = COVEY_TYPE_BOOL;
    EXPECT(optest_run(COVEY_OP_CAST, &t), COVEY_TYPE_BOOL, DIMS(3), 1, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary_functions),
        cmocka_unit_test(test_unary_at_infinity),
        cmocka_unit_test(test_unary_modes),
        cmocka_unit_test(test_unary_integers),
        cmocka_unit_test(test_cast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
