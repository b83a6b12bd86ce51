/* SPDX-License-Identifier: MIT
 *
 * test_vkernels.c - element-wise kernels of every instruction set against double precision.
 */
#include "vtest.h"

static double gelu(double x)
{
    return x * 0.5 * (1.0 + erf(x * sqrt(0.5)));
}

static double softplus(double x)
{
    return (x > 0.0 ? x : 0.0) + log1p(exp(-fabs(x)));
}

static double unit_clip(double x)
{
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* f.a and f.b as the header has them. */
static double reference(struct covey__unary f, double x)
{
    double a = f.a, b = f.b;
    switch (f.kind) {
    case COVEY__UNARY_RELU:
        return x < 0.0 ? 0.0 : x;
    case COVEY__UNARY_CLIP:
        return x < a ? a : x > b ? b : x;
    case COVEY__UNARY_LEAKYRELU:
        return x < 0.0 ? a * x : x;
    case COVEY__UNARY_THRESHOLDED:
        return x > a || isnan(x) ? x : 0.0;
    case COVEY__UNARY_SIGMOID:
        return 1.0 / (1.0 + exp(-x));
    case COVEY__UNARY_TANH:
        return tanh(x);
    case COVEY__UNARY_HARDSIGMOID:
        return unit_clip(a * x + b);
    case COVEY__UNARY_HARDSWISH:
        return x * unit_clip(x / 6.0 + 0.5);
    case COVEY__UNARY_SILU:
        return x / (1.0 + exp(-x));
    case COVEY__UNARY_MISH:
        return x * tanh(softplus(x));
    case COVEY__UNARY_GELU:
        return gelu(x);
    case COVEY__UNARY_GELU_TANH:
        return 0.5 * x *
               (1.0 + tanh(sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case COVEY__UNARY_ELU:
        return x < 0.0 ? a * expm1(x) : x;
    case COVEY__UNARY_SELU:
        return b * (x < 0.0 ? a * expm1(x) : x);
    case COVEY__UNARY_CELU:
        return x < 0.0 ? a * expm1(x / a) : x;
    case COVEY__UNARY_SOFTPLUS:
        return softplus(x);
    case COVEY__UNARY_SOFTSIGN:
        return x / (1.0 + fabs(x));
    case COVEY__UNARY_EXP:
        return exp(x);
    case COVEY__UNARY_LOG:
        return log(x);
    case COVEY__UNARY_SQRT:
        return sqrt(x);
    case COVEY__UNARY_ERF:
        return erf(x);
    case COVEY__UNARY_ABS:
        return fabs(x);
    case COVEY__UNARY_NEG:
        return -x;
    case COVEY__UNARY_RECIPROCAL:
        return 1.0 / x;
    case COVEY__UNARY_SQUARE:
        return x * x;
    case COVEY__UNARY_SIGN:
        return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x;
    case COVEY__UNARY_FLOOR:
        return floor(x);
    case COVEY__UNARY_CEIL:
        return ceil(x);
    case COVEY__UNARY_ROUND:
        return rint(x);
    case COVEY__UNARY_LINEAR:
        return a * x + b;
    case COVEY__UNARY_COUNT:
        break;
    }
    return NAN;
}

static struct covey__unary with_parameters(unsigned kind)
{
    struct covey__unary f = {(enum covey__unary_kind)kind, 0.2f, 0.5f};
    if (f.kind == COVEY__UNARY_CLIP) {
        f.a = -1.5f;
        f.b = 6.0f;
    } else if (f.kind == COVEY__UNARY_SELU) {
        f.a = 1.67326319f;
        f.b = 1.05070102f;
    } else if (f.kind == COVEY__UNARY_CELU) {
        f.a = 2.0f;
    }
    return f;
}

/* Where the result comes from a difference of larger numbers, it is exact relative to those. */
static double absolute_error(enum covey__unary_kind kind)
{
    switch ((unsigned)kind) {
    case COVEY__UNARY_GELU:
    case COVEY__UNARY_GELU_TANH:
    case COVEY__UNARY_LINEAR:
    case COVEY__UNARY_HARDSIGMOID:
    case COVEY__UNARY_HARDSWISH:
        return 3e-7;
    default:
        return 1e-36; /* below the normal range results may be rounded to few digits */
    }
}

static void check_unary(struct covey__unary f, float x, float y)
{
    double expected = reference(f, x);
    if (isnan(expected)) {
        assert_true(isnan(y));
        return;
    }
    if (isinf((float)expected)) {
        assert_true(y == (float)expected);
        return;
    }
    double tolerance = fabs(expected) * 1e-6 + absolute_error(f.kind);
    if (!(fabs(y - expected) <= tolerance)) {
        fail_msg("function %d of %.9g: %.9g, not %.9g", (int)f.kind, x, y, expected);
    }
}

/* Each function is right to 1e-6, from below the normal range to above the largest exponent. */
static void test_unary_values(void **state)
{
    (void)state;
    enum { COUNT = 20011 };
    float *in = filled(COUNT), *out = filled(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        float scales[] = {1e-40f, 1e-6f, 0.1f, 1.0f, 5.0f, 30.0f, 120.0f, 1e8f};
        in[i] *= scales[i % 8];
    }
    for (enum covey__isa isa = COVEY__ISA_PORTABLE; isa <= COVEY__ISA_AVX512; isa++) {
        const struct covey__vkernels *v = covey__vkernels_of(isa);
        for (unsigned kind = 0; v != NULL && kind < COVEY__UNARY_COUNT; kind++) {
            struct covey__unary f = with_parameters(kind);
            v->unary[kind](f, in, out, COUNT);
            for (size_t i = 0; i < COUNT; i++) {
                check_unary(f, in[i], out[i]);
            }
        }
    }
    free(in);
    free(out);
}

/* NaN stays NaN, infinities and zeros give what the C functions give. */
static void test_unary_special(void **state)
{
    (void)state;
    static const float in[] = {NAN,    INFINITY, -INFINITY, 0.0f,       88.7f,    88.8f,
                               -87.4f, -103.9f,  1e-45f,    3.4e38f,    -3.4e38f, 0.5f,
                               1.5f,   2.5f,     -0.5f,     8388609.0f, -2.0f};
    enum { COUNT = sizeof(in) / sizeof(in[0]) };
    for (enum covey__isa isa = COVEY__ISA_PORTABLE; isa <= COVEY__ISA_AVX512; isa++) {
        const struct covey__vkernels *v = covey__vkernels_of(isa);
        for (unsigned kind = 0; v != NULL && kind < COVEY__UNARY_COUNT; kind++) {
            float out[COUNT];
            struct covey__unary f = with_parameters(kind);
            v->unary[kind](f, in, out, COUNT);
            assert_true(isnan(out[0]));
            for (size_t i = 1; i < COUNT; i++) {
                /* x^3 and |x| tanh(inf) leave the range of float on the way: nothing is promised.
                 */
                bool far = fabsf(in[i]) > 1e12f;
                if (!(far && (kind == COVEY__UNARY_GELU_TANH || isinf(in[i])))) {
                    check_unary(f, in[i], out[i]);
                } else if (kind == COVEY__UNARY_EXP || kind == COVEY__UNARY_LOG ||
                           kind == COVEY__UNARY_TANH || kind == COVEY__UNARY_ERF ||
                           kind == COVEY__UNARY_SIGMOID || kind == COVEY__UNARY_RELU) {
                    check_unary(f, in[i], out[i]);
                }
            }
        }
    }
}

/* Any number of elements, in place too, gives each the bits that it has anywhere else; nothing is
 * written behind the end. */
static void test_unary_lengths(void **state)
{
    (void)state;
    float *in = filled(100), *all = filled(100), *out = filled(100);
    for (enum covey__isa isa = COVEY__ISA_PORTABLE; isa <= COVEY__ISA_AVX512; isa++) {
        const struct covey__vkernels *v = covey__vkernels_of(isa);
        for (unsigned kind = 0; v != NULL && kind < COVEY__UNARY_COUNT; kind++) {
            struct covey__unary f = with_parameters(kind);
            v->unary[kind](f, in, all, 100);
            for (size_t count = 0; count < 70; count++) {
                size_t at = count % 5;
                memcpy(out, in, 100 * sizeof(*out));
                v->unary[kind](f, out + at, out + at, count);
                assert_memory_equal(out + at, all + at, count * sizeof(*out));
                assert_memory_equal(out + at + count, in + at + count,
                                    (100 - at - count) * sizeof(*out));
            }
        }
    }
    free(in);
    free(all);
    free(out);
}

static double binary_reference(unsigned kind, double a, double b)
{
    switch (kind) {
    case COVEY__BINARY_ADD:
        return a + b;
    case COVEY__BINARY_SUB:
        return a - b;
    case COVEY__BINARY_MUL:
        return a * b;
    case COVEY__BINARY_DIV:
        return a / b;
    case COVEY__BINARY_MIN:
        return a < b ? a : b;
    case COVEY__BINARY_MAX:
        return a > b ? a : b;
    case COVEY__BINARY_PRELU:
        return a < 0.0 ? a * b : a;
    case COVEY__BINARY_RELU_BACK:
        return b > 0.0 ? a : 0.0;
    case COVEY__BINARY_SIGMOID_BACK:
        return a * b * (1.0 - b);
    case COVEY__BINARY_TANH_BACK:
        return a * (1.0 - b * b);
    default:
        return NAN;
    }
}

/* All forms of all kinds: two arrays, one number on either side. */
static void test_binary_forms(void **state)
{
    (void)state;
    enum { COUNT = 37 };
    float *a = filled(COUNT), *b = filled(COUNT), *out = filled(COUNT);
    for (enum covey__isa isa = COVEY__ISA_PORTABLE; isa <= COVEY__ISA_AVX512; isa++) {
        const struct covey__vkernels *v = covey__vkernels_of(isa);
        for (unsigned i = 0; v != NULL && i < COVEY__BINARY_COUNT * 3; i++) {
            unsigned kind = i / 3, form = i % 3;
            v->binary[kind][form](a, b, out, COUNT);
            for (size_t j = 0; j < COUNT; j++) {
                double e = binary_reference(kind, a[form == 2 ? 0 : j], b[form == 1 ? 0 : j]);
                assert_true(fabs(out[j] - e) <= fabs(e) * 2e-7 + 1e-7);
            }
        }
    }
    free(a);
    free(b);
    free(out);
}

/* Minimum and maximum of NaN and a number are NaN, whichever side it is on. */
static void test_minimum_of_nan(void **state)
{
    (void)state;
    const float a[] = {NAN, 1.0f}, b[] = {1.0f, NAN};
    for (enum covey__isa isa = COVEY__ISA_PORTABLE; isa <= COVEY__ISA_AVX512; isa++) {
        const struct covey__vkernels *v = covey__vkernels_of(isa);
        float out[2] = {0};
        for (unsigned kind = COVEY__BINARY_MIN; v != NULL && kind <= COVEY__BINARY_MAX; kind++) {
            v->binary[kind][0](a, b, out, 2);
            assert_true(isnan(out[0]) && isnan(out[1]));
        }
    }
}

static size_t offset_of(const struct covey_shape *s, const struct covey_shape *whole, size_t index)
{
    size_t offset = 0, stride = 1;
    for (unsigned i = 0; i < whole->rank; i++) {
        uint32_t dim = whole->dims[whole->rank - 1 - i];
        size_t at = index % dim;
        index /= dim;
        if (i < s->rank) {
            uint32_t own = s->dims[s->rank - 1 - i];
            offset += own == 1 ? 0 : at * stride;
            stride *= own;
        }
    }
    return offset;
}

static size_t elements(const struct covey_shape *s)
{
    size_t count = 0;
    assert_int_equal(covey_shape_count(s, &count), COVEY_OK);
    return count;
}

static void try_broadcast(const struct covey_shape *a, const struct covey_shape *b,
                          struct covey_threads *threads)
{
    struct covey__broadcast shape;
    struct covey_shape whole;
    assert_int_equal(covey__broadcast_init(&shape, a, b, &whole), COVEY_OK);
    size_t count = elements(&whole);
    float *x = filled(elements(a)), *y = filled(elements(b)), *one = filled(count),
          *three = filled(count);
    struct covey__binary_call call = {COVEY__BINARY_SUB,      &shape, x, y, one,
                                      {COVEY_ACT_RELU, 0, 0}, NULL};
    covey__binary_run(&call);
    for (size_t i = 0; i < count; i++) {
        float e = x[offset_of(a, &whole, i)] - y[offset_of(b, &whole, i)];
        assert_true(one[i] == (e < 0.0f ? 0.0f : e));
    }
    call.out = three;
    call.threads = threads;
    covey__binary_run(&call);
    assert_memory_equal(one, three, count * sizeof(*one));
    free(x);
    free(y);
    free(one);
    free(three);
}

/* Shapes are broadcast as ONNX does, for all classes; three threads give the bits of one. */
static void test_broadcast(void **state)
{
    (void)state;
    static const struct covey_shape pairs[][2] = {
        {{4, {2, 3, 5, 7}}, {4, {2, 3, 5, 7}}},
        {{4, {2, 3, 5, 7}}, {4, {1, 3, 1, 1}}},
        {{4, {2, 3, 1, 1}}, {4, {2, 3, 5, 7}}},
        {{2, {9, 33}}, {1, {33}}},
        {{2, {9, 33}}, {2, {9, 1}}},
        {{0, {0}}, {3, {3, 40, 500}}},
        {{4, {3, 1, 5, 1}}, {4, {1, 4, 1, 6}}},
        {{2, {3, 40000}}, {2, {3, 1}}},
        {{2, {1, 40000}}, {2, {3, 1}}},
        {{0, {0}}, {0, {0}}},
        {{3, {100, 40, 17}}, {2, {1, 17}}},
        {{1, {1}}, {4, {1, 1, 1, 1}}},
    };
    struct covey_threads *threads = NULL;
    assert_int_equal(covey_threads_new(3, &threads), COVEY_OK);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        try_broadcast(&pairs[i][0], &pairs[i][1], threads);
    }
    covey_threads_free(threads);
    struct covey__broadcast shape;
    struct covey_shape whole, a = {2, {3, 4}}, b = {1, {3}};
    assert_int_equal(covey__broadcast_init(&shape, &a, &b, &whole), COVEY_ERR_RANGE);
}

/* y = scale[c] x + shift[c] over planes and over rows of channels, with threads and in place. */
static void test_affine(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{6, 3, 49}, {33, 33, 1}, {660, 33, 1}, {4, 2, 20000}};
    struct covey_threads *threads = NULL;
    assert_int_equal(covey_threads_new(3, &threads), COVEY_OK);
    for (size_t i = 0; i < 4; i++) {
        size_t channels = shapes[i][1], pixels = shapes[i][2], count = shapes[i][0] * pixels;
        float *in = filled(count), *out = filled(count), *scale = filled(channels),
              *shift = filled(channels);
        struct covey__affine_call c = {
            in,  scale, shift, out, shapes[i][0], channels, pixels, {COVEY_ACT_CLIP, -0.5f, 0.5f},
            NULL};
        covey__affine_run(&c);
        for (size_t j = 0; j < count; j++) {
            size_t channel = j / pixels % channels;
            double e = (double)in[j] * scale[channel] + shift[channel];
            assert_true(fabs(out[j] - (e < -0.5 ? -0.5 : e > 0.5 ? 0.5 : e)) < 3e-7);
        }
        c.out = in;
        c.threads = threads;
        covey__affine_run(&c);
        assert_memory_equal(in, out, count * sizeof(*in));
        free(in);
        free(out);
        free(scale);
        free(shift);
    }
    covey_threads_free(threads);
}

/* Functions over long arrays give the same bits for one thread and three. */
static void test_unary_threads(void **state)
{
    (void)state;
    enum { COUNT = 100003 };
    float *in = filled(COUNT), *one = filled(COUNT), *three = filled(COUNT);
    struct covey_threads *threads = NULL;
    assert_int_equal(covey_threads_new(3, &threads), COVEY_OK);
    struct covey__unary f = {.kind = COVEY__UNARY_TANH};
    covey__unary_run(f, in, one, COUNT, NULL);
    covey__unary_run(f, in, three, COUNT, threads);
    assert_memory_equal(one, three, COUNT * sizeof(*one));
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(fabs(one[i] - tanh(in[i])) < 2e-7);
    }
    covey_threads_free(threads);
    free(in);
    free(one);
    free(three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary_values),   cmocka_unit_test(test_unary_special),
        cmocka_unit_test(test_unary_lengths),  cmocka_unit_test(test_binary_forms),
        cmocka_unit_test(test_minimum_of_nan), cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_affine),         cmocka_unit_test(test_unary_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
