/* SPDX-License-Identifier: MIT */
#include "optest.h"

static struct optest single(struct held *a)
{
    struct optest t = optest_of(1);
    t.in[0] = a;
    return t;
}

/* QuantizeLinear as ONNX's examples have it: one scale, one for each channel, and blocks. */
static void test_quantize(void **state)
{
    (void)state;
    struct optest t = optest_of(3);
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(6), 0, 2, 3, 1000, -254, -1000);
    t.in[1] = REALS(COVEY_TYPE_F32, SCALAR, 2);
    t.in[2] = REALS(COVEY_TYPE_U8, SCALAR, 128);
    EXPECT(optest_run(COVEY_OP_QUANTIZE, &t), COVEY_TYPE_U8, DIMS(6), 128, 129, 130, 255, 1, 0);
    t = optest_of(3);
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(1, 3, 3, 2), -162, 10, -100, 232, -20, -50, -76, 0, 0, 252,
                    32, -44, 245, -485, -960, -270, -375, -470);
    t.in[1] = REALS(COVEY_TYPE_F32, DIMS(3), 2, 4, 5);
    t.in[2] = REALS(COVEY_TYPE_U8, DIMS(3), 84, 24, 196);
    EXPECT(optest_run(COVEY_OP_QUANTIZE, &t), COVEY_TYPE_U8, DIMS(1, 3, 3, 2), 3, 89, 34, 200, 74,
           59, 5, 24, 24, 87, 32, 13, 245, 99, 4, 142, 121, 102);
    const enum covey_type types[] = {COVEY_TYPE_I8, COVEY_TYPE_I16, COVEY_TYPE_U16, COVEY_TYPE_I32};
    const double lows[] = {-128, -32768, 0, -2147483648.0};
    const double highs[] = {127, 32767, 65535, 2147483647.0};
    for (size_t i = 0; i < 4; i++) {
        t = optest_of(2);
        t.attrs.to = types[i];
        t.in[0] = REALS(COVEY_TYPE_F32, DIMS(5), -1e12, 1e12, 0.5, 1.5, 2.5);
        t.in[1] = REALS(COVEY_TYPE_F32, DIMS(1), 1);
        EXPECT(optest_run(COVEY_OP_QUANTIZE, &t), types[i], DIMS(5), lows[i], highs[i], 0, 2, 2);
    }
    t = optest_of(2);
    t.attrs.axis = 1, t.attrs.size = 2, t.attrs.to = COVEY_TYPE_I8;
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(2, 3), 2, 4, 6, 8, 10, 12);
    t.in[1] = REALS(COVEY_TYPE_F32, DIMS(2, 2), 1, 2, 4, 0.5);
    EXPECT(optest_run(COVEY_OP_QUANTIZE, &t), COVEY_TYPE_I8, DIMS(2, 3), 2, 4, 3, 2, 2, 24);
    t = optest_of(2);
    t.attrs.axis = 0, t.attrs.size = 2, t.attrs.to = COVEY_TYPE_I8;
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(3, 2), 2, 4, 6, 8, 10, 12);
    t.in[1] = REALS(COVEY_TYPE_F32, DIMS(2, 2), 1, 2, 5, 4);
    EXPECT(optest_run(COVEY_OP_QUANTIZE, &t), COVEY_TYPE_I8, DIMS(3, 2), 2, 2, 6, 4, 2, 3);
    t = optest_of(2); /* bounds narrower than the type's */
    t.attrs.to = COVEY_TYPE_I8, t.attrs.low = -8, t.attrs.high = 7;
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(3), -20, 3, 20);
    t.in[1] = REALS(COVEY_TYPE_F32, SCALAR, 1);
    EXPECT(optest_run(COVEY_OP_QUANTIZE, &t), COVEY_TYPE_I8, DIMS(3), -8, 3, 7);
}

/* DequantizeLinear is the way back, from every type, to the scale's type. */
static void test_dequantize(void **state)
{
    (void)state;
    const enum covey_type types[] = {COVEY_TYPE_U8, COVEY_TYPE_I8, COVEY_TYPE_U16, COVEY_TYPE_I16,
                                     COVEY_TYPE_I32};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct optest t = optest_of(3);
        t.attrs.axis = -1;
        t.in[0] = REALS(types[i], DIMS(2, 2), 1, 2, 3, 100);
        t.in[1] = REALS(i == 1 ? COVEY_TYPE_F16 : COVEY_TYPE_F32, DIMS(2), 0.5, 2);
        t.in[2] = REALS(types[i], DIMS(2), 3, 1);
        EXPECT(optest_run(COVEY_OP_DEQUANTIZE, &t), i == 1 ? COVEY_TYPE_F16 : COVEY_TYPE_F32,
               DIMS(2, 2), -1, 2, 0, 198);
    }
    for (unsigned type = COVEY_TYPE_U8; type <= COVEY_TYPE_I8; type++) { /* one scale */
        struct optest t = optest_of(3);
        t.in[0] = REALS((enum covey_type)type, DIMS(3), 0, 2, 127);
        t.in[1] = REALS(COVEY_TYPE_F32, SCALAR, 0.5);
        t.in[2] = REALS((enum covey_type)type, SCALAR, 3);
        EXPECT(optest_run(COVEY_OP_DEQUANTIZE, &t), COVEY_TYPE_F32, DIMS(3), -1.5, -0.5, 62);
    }
    struct optest t = optest_of(2);
    t.attrs.axis = 0;
    t.in[0] = REALS(COVEY_TYPE_I32, DIMS(2, 2), 1, 2, 3, 100);
    t.in[1] = REALS(COVEY_TYPE_F32, DIMS(2), 0.5, 2);
    EXPECT(optest_run(COVEY_OP_DEQUANTIZE, &t), COVEY_TYPE_F32, DIMS(2, 2), 0.5, 1, 6, 200);
}

/* DynamicQuantizeLinear's examples; nothing but zeros; outputs left out. */
static void test_dynamic_quantize(void **state)
{
    (void)state;
    struct optest t = single(REALS(COVEY_TYPE_F32, DIMS(6), 0, 2, -3, -2.5, 1.34, 0.5));
    struct held *got[3] = {NULL};
    t.outputs = 3;
    assert_int_equal(optest_try(COVEY_OP_DYNAMICQUANTIZE, &t, got), COVEY_OK);
    EXPECT(got[0], COVEY_TYPE_U8, DIMS(6), 153, 255, 0, 26, 221, 179);
    expect_reals(got[1], COVEY_TYPE_F32, SCALAR, (const double[]){0.0196078438}, 1e-9);
    EXPECT(got[2], COVEY_TYPE_U8, SCALAR, 153);
    optest_done(&t);
    t = single(REALS(COVEY_TYPE_F32, DIMS(6), -1, -2.1, -1.3, -2.5, -3.34, -4));
    EXPECT(optest_run(COVEY_OP_DYNAMICQUANTIZE, &t), COVEY_TYPE_U8, DIMS(6), 191, 121, 172, 96, 42,
           0);
    t = single(REALS(COVEY_TYPE_F32, DIMS(2), 0, 0));
    EXPECT(optest_run(COVEY_OP_DYNAMICQUANTIZE, &t), COVEY_TYPE_U8, DIMS(2), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantize),
        cmocka_unit_test(test_dequantize),
        cmocka_unit_test(test_dynamic_quantize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
