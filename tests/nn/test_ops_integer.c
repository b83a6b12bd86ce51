/* SPDX-License-Identifier: MIT */
#include "optest.h"

#include <math.h>

/* The convolution of ONNX's test_basic_convinteger: zero points of the input alone. */
static void test_convinteger_example(void **state)
{
    (void)state;
    struct optest t = optest_of(3);
    t.attrs.kernel[0] = t.attrs.kernel[1] = 2;
    t.in[0] = REALS(COVEY_TYPE_U8, DIMS(1, 1, 3, 3), 2, 3, 4, 5, 6, 7, 8, 9, 10);
    t.in[1] = REALS(COVEY_TYPE_U8, DIMS(1, 1, 2, 2), 1, 1, 1, 1);
    t.in[2] = REALS(COVEY_TYPE_U8, SCALAR, 1);
    EXPECT(optest_run(COVEY_OP_CONVINTEGER, &t), COVEY_TYPE_I32, DIMS(1, 1, 2, 2), 12, 16, 24, 28);
    t = optest_of(3);
    t.attrs.kernel[0] = t.attrs.kernel[1] = 2;
    t.attrs.pads[0] = t.attrs.pads[1] = t.attrs.pads_end[0] = t.attrs.pads_end[1] = 1;
    t.in[0] = REALS(COVEY_TYPE_U8, DIMS(1, 1, 3, 3), 2, 3, 4, 5, 6, 7, 8, 9, 10);
    t.in[1] = REALS(COVEY_TYPE_U8, DIMS(1, 1, 2, 2), 1, 1, 1, 1);
    t.in[2] = REALS(COVEY_TYPE_U8, SCALAR, 1);
    EXPECT(optest_run(COVEY_OP_CONVINTEGER, &t), COVEY_TYPE_I32, DIMS(1, 1, 4, 4), 1, 3, 5, 3, 5,
           12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9);
}

/* The product of ONNX's test_matmulinteger. */
static void test_matmulinteger_example(void **state)
{
    (void)state;
    struct optest t = optest_of(4);
    t.in[0] = REALS(COVEY_TYPE_U8, DIMS(4, 3), 11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0);
    t.in[1] = REALS(COVEY_TYPE_U8, DIMS(3, 2), 1, 4, 2, 5, 3, 6);
    t.in[2] = REALS(COVEY_TYPE_U8, DIMS(1), 12);
    t.in[3] = REALS(COVEY_TYPE_U8, DIMS(1), 0);
    EXPECT(optest_run(COVEY_OP_MATMULINTEGER, &t), COVEY_TYPE_I32, DIMS(4, 2), -38, -83, -44, -98,
           -50, -113, -56, -128);
}

/* The convolution of ONNX's test_qlinearconv: uint8, a filter scale of one channel. */
static void test_qlinearconv_example(void **state)
{
    (void)state;
    struct optest t = optest_of(8);
    t.in[0] = REALS(COVEY_TYPE_U8, DIMS(1, 1, 7, 7), 255, 174, 162, 25, 203, 168, 58, 15, 59, 237,
                    95, 129, 0, 64, 56, 242, 153, 221, 168, 12, 166, 232, 178, 186, 195, 237, 162,
                    237, 188, 39, 124, 77, 80, 102, 43, 127, 230, 21, 83, 41, 40, 134, 255, 154, 92,
                    141, 42, 148, 247);
    t.in[1] = REALS(COVEY_TYPE_F32, SCALAR, 0.00369204697);
    t.in[2] = REALS(COVEY_TYPE_U8, SCALAR, 132);
    t.in[3] = REALS(COVEY_TYPE_U8, DIMS(1, 1, 1, 1), 0);
    t.in[4] = REALS(COVEY_TYPE_F32, DIMS(1), 0.00172794575);
    t.in[5] = REALS(COVEY_TYPE_U8, DIMS(1), 255);
    t.in[6] = REALS(COVEY_TYPE_F32, SCALAR, 0.00162681262);
    t.in[7] = REALS(COVEY_TYPE_U8, SCALAR, 123);
    EXPECT(optest_run(COVEY_OP_QLINEARCONV, &t), COVEY_TYPE_U8, DIMS(1, 1, 7, 7), 0, 81, 93, 230,
           52, 87, 197, 240, 196, 18, 160, 126, 255, 191, 199, 13, 102, 34, 87, 243, 89, 23, 77, 69,
           60, 18, 93, 18, 67, 216, 131, 178, 175, 153, 212, 128, 25, 234, 172, 214, 215, 121, 0,
           101, 163, 114, 213, 107, 8);
}

/* The product of ONNX's test_qlinearmatmul_2D, and the same in three dimensions, broadcast. */
static void test_qlinearmatmul_example(void **state)
{
    (void)state;
    for (unsigned deep = 0; deep < 2; deep++) {
        struct optest t = optest_of(8);
        t.in[0] = REALS(COVEY_TYPE_U8, deep ? DIMS(2, 2, 4) : DIMS(2, 4), 208, 236, 0, 238, 3, 214,
                        255, 29, 208, 236, 0, 238, 3, 214, 255, 29);
        t.in[1] = REALS(COVEY_TYPE_F32, DIMS(1), 0.0066);
        t.in[2] = REALS(COVEY_TYPE_U8, DIMS(1), 113);
        t.in[3] =
            REALS(COVEY_TYPE_U8, DIMS(4, 3), 152, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247);
        t.in[4] = REALS(COVEY_TYPE_F32, DIMS(1), 0.00705);
        t.in[5] = REALS(COVEY_TYPE_U8, DIMS(1), 114);
        t.in[6] = REALS(COVEY_TYPE_F32, DIMS(1), 0.0107);
        t.in[7] = REALS(COVEY_TYPE_U8, DIMS(1), 118);
        EXPECT(optest_run(COVEY_OP_QLINEARMATMUL, &t), COVEY_TYPE_U8,
               deep ? DIMS(2, 2, 3) : DIMS(2, 3), 168, 115, 255, 1, 66, 151, 168, 115, 255, 1, 66,
               151);
    }
}

/* One random convolution; a field of 1 or 0 where nothing is special. */
struct shape_case {
    unsigned images, groups, channels, rows, height, width, kernel, stride, dilation, pad;
};

static int64_t element(const struct held *h, size_t i)
{
    return covey__load_int(&h->t, i);
}

/* Sum over channels and taps of one output, by the definition. */
static int64_t conv_at(const struct shape_case *s, const struct held *const *in, const size_t *at)
{
    int64_t sum = 0;
    size_t group = at[1] / s->rows, x_channels = s->groups * s->channels;
    for (size_t i = 0; i < s->channels * s->kernel * s->kernel; i++) {
        size_t kx = i % s->kernel, ky = i / s->kernel % s->kernel, c = i / s->kernel / s->kernel;
        int64_t y = (int64_t)(at[2] * s->stride + ky * s->dilation) - s->pad;
        int64_t x = (int64_t)(at[3] * s->stride + kx * s->dilation) - s->pad;
        if (y >= 0 && y < s->height && x >= 0 && x < s->width) {
            size_t channel = at[0] * x_channels + group * s->channels + c;
            int64_t pixel =
                element(in[0], (channel * s->height + (size_t)y) * s->width + (size_t)x);
            int64_t weight = element(in[1], at[1] * s->channels * s->kernel * s->kernel + i);
            sum += (pixel - element(in[2], 0)) * (weight - element(in[3], at[1]));
        }
    }
    return sum;
}

static void check_conv(const struct shape_case *s, enum covey_type x, enum covey_type w,
                       unsigned threads)
{
    struct optest t = optest_of(4);
    t.threads = threads;
    t.attrs.groups = s->groups;
    for (unsigned i = 0; i < 2; i++) {
        t.attrs.kernel[i] = s->kernel;
        t.attrs.stride[i] = s->stride;
        t.attrs.dilation[i] = s->dilation;
        t.attrs.pads[i] = t.attrs.pads_end[i] = s->pad;
    }
    uint32_t filters = s->groups * s->rows;
    int x_low = x == COVEY_TYPE_I8 ? -128 : 0, w_low = w == COVEY_TYPE_I8 ? -128 : 0;
    t.in[0] =
        hold_random(x, DIMS(s->images, s->groups * s->channels, s->height, s->width), x_low, 256);
    t.in[1] = hold_random(w, DIMS(filters, s->channels, s->kernel, s->kernel), w_low, 256);
    t.in[2] = hold_random(x, SCALAR, x_low, 256);
    t.in[3] = hold_random(w, DIMS(filters), w_low, 256);
    struct held *got = NULL;
    assert_int_equal(optest_try(COVEY_OP_CONVINTEGER, &t, &got), COVEY_OK);
    const uint32_t *d = got->t.shape.dims;
    const struct held *in[4] = {t.in[0], t.in[1], t.in[2], t.in[3]};
    for (size_t i = 0; i < covey__shape_elements(&got->t.shape); i++) {
        const size_t at[4] = {i / d[3] / d[2] / d[1], i / d[3] / d[2] % d[1], i / d[3] % d[2],
                              i % d[3]};
        assert_int_equal(element(got, i), conv_at(s, in, at));
    }
    optest_done(&t);
    free(got);
}

/* Convolutions of bytes are exact for every type, stride, group and padding, and for every number
 * of threads, also where a float product of the whole depth would round. */
static void test_conv_is_exact(void **state)
{
    (void)state;
    const struct shape_case cases[] = {
        {1, 1, 3, 4, 9, 11, 3, 1, 1, 1},  {2, 2, 4, 3, 8, 7, 3, 2, 1, 1},
        {1, 16, 1, 1, 6, 6, 3, 1, 2, 2},  {1, 1, 16, 8, 5, 5, 1, 1, 1, 0},
        {1, 1, 160, 2, 5, 5, 3, 1, 1, 1}, {2, 1, 2, 2, 20, 20, 5, 3, 1, 4},
        {1, 1, 1, 1, 4, 4, 2, 1, 3, 5},
    };
    const enum covey_type types[2] = {COVEY_TYPE_U8, COVEY_TYPE_I8};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned j = 0; j < 4; j++) {
            check_conv(&cases[i], types[j & 1], types[j >> 1], 1 + j % 2);
        }
    }
}

/* The deepest sums: all products are 255 * 255, in more than one block of the depth. */
static void test_matmul_of_extremes(void **state)
{
    (void)state;
    enum { K = 1500 };
    struct optest t = optest_of(3);
    t.in[0] = hold(COVEY_TYPE_U8, DIMS(2, K));
    t.in[1] = hold(COVEY_TYPE_U8, DIMS(K));
    memset(t.in[0]->bytes, 255, 2 * K);
    memset(t.in[1]->bytes, 255, K);
    t.in[0]->bytes[0] = 254;
    t.in[2] = REALS(COVEY_TYPE_U8, SCALAR, 0);
    EXPECT(optest_run(COVEY_OP_MATMULINTEGER, &t), COVEY_TYPE_I32, DIMS(2), K * 65025.0 - 255.0,
           K * 65025.0);
}

/* Zero points for each row of A and column of B; for each matrix too; leading dimensions
 * broadcast. */
static void test_matmul_zero_points(void **state)
{
    (void)state;
    for (unsigned form = 0; form < 3; form++) {
        struct optest t = optest_of(4);
        t.in[0] = hold_random(COVEY_TYPE_U8, DIMS(2, 1, 3, 5), 0, 256);
        t.in[1] = hold_random(COVEY_TYPE_I8, DIMS(4, 5, 6), -128, 256);
        t.in[2] = hold_random(COVEY_TYPE_U8,
                              form == 0   ? SCALAR
                              : form == 1 ? DIMS(3)
                                          : DIMS(2, 1, 3, 1),
                              0, 256);
        t.in[3] = hold_random(COVEY_TYPE_I8,
                              form == 0   ? SCALAR
                              : form == 1 ? DIMS(6)
                                          : DIMS(4, 1, 6),
                              -128, 256);
        struct held *got = NULL;
        assert_int_equal(optest_try(COVEY_OP_MATMULINTEGER, &t, &got), COVEY_OK);
        struct covey_shape s = DIMS(2, 4, 3, 6);
        assert_true(covey_shape_equal(&got->t.shape, &s));
        for (size_t i = 0; i < 144; i++) {
            size_t column = i % 6, row = i / 6 % 3, mb = i / 18 % 4, ma = i / 72;
            size_t za = form == 0 ? 0 : form == 1 ? row : ma * 3 + row;
            size_t zb = form == 0 ? 0 : form == 1 ? column : mb * 6 + column;
            int64_t sum = 0;
            for (size_t k = 0; k < 5; k++) {
                sum += (element(t.in[0], (ma * 3 + row) * 5 + k) - element(t.in[2], za)) *
                       (element(t.in[1], (mb * 5 + k) * 6 + column) - element(t.in[3], zb));
            }
            assert_int_equal(element(got, i), sum);
        }
        optest_done(&t);
        free(got);
    }
}

/* Requantising scales each filter by its own factor, adds the bias first, rounds halves to even and
 * saturates; in one dimension too. */
static void test_qlinearconv_per_filter(void **state)
{
    (void)state;
    struct optest t = optest_of(9);
    t.attrs.kernel[0] = 1;
    t.in[0] = REALS(COVEY_TYPE_I8, DIMS(1, 1, 4), 1, 3, -5, 100);
    t.in[1] = REALS(COVEY_TYPE_F32, SCALAR, 0.5);
    t.in[2] = REALS(COVEY_TYPE_I8, SCALAR, 0);
    t.in[3] = REALS(COVEY_TYPE_I8, DIMS(2, 1, 1), 1, 2);
    t.in[4] = REALS(COVEY_TYPE_F32, DIMS(2), 1, 4);
    t.in[5] = REALS(COVEY_TYPE_I8, DIMS(2), 0, 0);
    t.in[6] = REALS(COVEY_TYPE_F32, SCALAR, 1);
    t.in[7] = REALS(COVEY_TYPE_I8, SCALAR, 1);
    t.in[8] = REALS(COVEY_TYPE_I32, DIMS(2), 0, -3);
    EXPECT(optest_run(COVEY_OP_QLINEARCONV, &t), COVEY_TYPE_I8, DIMS(1, 2, 4), 1, 3, -1, 51, -1, 7,
           -25, 127);
}

/* Quantised addition broadcasts, saturates and needs no zero points. */
static void test_qlinearadd(void **state)
{
    (void)state;
    struct optest t = optest_of(8);
    t.in[0] = REALS(COVEY_TYPE_U8, DIMS(2, 2), 10, 20, 200, 255);
    t.in[1] = REALS(COVEY_TYPE_F32, SCALAR, 0.5);
    t.in[2] = REALS(COVEY_TYPE_U8, SCALAR, 10);
    t.in[3] = REALS(COVEY_TYPE_U8, DIMS(2), 0, 8);
    t.in[4] = REALS(COVEY_TYPE_F32, SCALAR, 2);
    t.in[6] = REALS(COVEY_TYPE_F32, SCALAR, 1);
    t.in[7] = REALS(COVEY_TYPE_U8, SCALAR, 128);
    EXPECT(optest_run(COVEY_OP_QLINEARADD, &t), COVEY_TYPE_U8, DIMS(2, 2), 128, 149, 223, 255);
}

/* What the kernels rely on is refused while inferring. */
static void test_bad_shapes(void **state)
{
    (void)state;
    for (unsigned form = 0; form < 5; form++) {
        struct optest t = optest_of(4);
        struct held *got = NULL;
        t.attrs.kernel[0] = t.attrs.kernel[1] = form == 0 ? 3 : 2;
        t.attrs.groups = form == 1 ? 3 : 1;
        t.in[0] = hold_random(COVEY_TYPE_U8, DIMS(1, 2, 4, 4), 0, 256);
        t.in[1] = hold_random(form == 2 ? COVEY_TYPE_I32 : COVEY_TYPE_U8, DIMS(4, 2, 2, 2), 0, 256);
        t.in[2] = hold_random(COVEY_TYPE_U8, form == 3 ? DIMS(2) : SCALAR, 0, 256);
        t.in[3] = hold_random(COVEY_TYPE_U8, form == 4 ? DIMS(3) : DIMS(4), 0, 256);
        assert_int_not_equal(optest_try(COVEY_OP_CONVINTEGER, &t, &got), COVEY_OK);
        optest_done(&t);
    }
    for (unsigned form = 0; form < 4; form++) {
        struct optest t = optest_of(4);
        struct held *got = NULL;
        t.in[0] = hold_random(COVEY_TYPE_U8, form == 0 ? SCALAR : DIMS(3, 4), 0, 256);
        t.in[1] = hold_random(COVEY_TYPE_U8, form == 1 ? DIMS(5, 2) : DIMS(4, 2), 0, 256);
        t.in[2] = hold_random(COVEY_TYPE_U8, form == 2 ? DIMS(4) : DIMS(3), 0, 256);
        t.in[3] = hold_random(COVEY_TYPE_U8, form == 3 ? DIMS(4) : DIMS(2), 0, 256);
        assert_int_not_equal(optest_try(COVEY_OP_MATMULINTEGER, &t, &got), COVEY_OK);
        optest_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convinteger_example), cmocka_unit_test(test_matmulinteger_example),
        cmocka_unit_test(test_qlinearconv_example), cmocka_unit_test(test_qlinearmatmul_example),
        cmocka_unit_test(test_conv_is_exact),       cmocka_unit_test(test_matmul_of_extremes),
        cmocka_unit_test(test_matmul_zero_points),  cmocka_unit_test(test_qlinearconv_per_filter),
        cmocka_unit_test(test_qlinearadd),          cmocka_unit_test(test_bad_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
