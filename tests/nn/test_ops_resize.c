/* SPDX-License-Identifier: MIT */
#include "movetest.h"

#include <math.h>

enum { NEAREST = COVEY_RESIZE_NEAREST, LINEAR = COVEY_RESIZE_LINEAR, CUBIC = COVEY_RESIZE_CUBIC };

/* A resize of the last two axes of 1, 2, 3 ... as ONNX documents it. Scale 0: sizes were given. */
struct row {
    uint32_t in[2], out[2];
    float scale[2];
    unsigned mode;
    enum covey_coordinates coordinates;
    enum covey_nearest nearest;
    bool exclude, antialias;
    float alpha, roi[4];
    double value;
    const float *expected;
};

static struct covey_op_attrs attrs_of(const struct row *r)
{
    struct covey_op_attrs a = attrs_default();
    a.mode = r->mode;
    a.coordinates = r->coordinates;
    a.nearest = r->nearest;
    a.exclude_outside = r->exclude;
    a.antialias = r->antialias;
    a.alpha = r->alpha < 0.0f ? r->alpha : -0.75f;
    a.value = r->value;
    a.shape_rank = 4;
    for (unsigned i = 0; i < 4; i++) {
        a.shape[i] = i < 2 ? 1 : r->out[i - 2];
        a.scale[i] = 1.0f;
        a.roi[4 + i] = 1.0f;
    }
    for (unsigned i = 0; i < 2; i++) {
        a.scale[2 + i] = r->scale[i] > 0.0f ? r->scale[i] : (float)r->out[i] / (float)r->in[i];
        a.roi[2 + i] = r->roi[i];
        a.roi[6 + i] = r->roi[2 + i];
    }
    return a;
}

static void check_row(const struct row *r)
{
    float x[16];
    for (unsigned i = 0; i < 16; i++) {
        x[i] = (float)(i + 1);
    }
    struct covey_op_attrs a = attrs_of(r);
    struct covey_tensor t = floats_tensor(shape_of(4, 1, 1, r->in[0], r->in[1]), x);
    struct covey_tensor y = alone_one(&(struct alone){COVEY_OP_RESIZE, &a, {t}, 1, 1, 1, 1, 0});
    struct covey_shape expected = shape_of(4, 1, 1, r->out[0], r->out[1]);
    assert_true(covey_shape_equal(&y.shape, &expected));
    for (size_t i = 0; i < covey__shape_elements(&expected); i++) {
        double difference = fabs((double)((float *)y.data)[i] - (double)r->expected[i]);
        assert_true(difference < 2e-6 * fabs((double)r->expected[i]));
    }
    free(t.data);
    free(y.data);
}

#define F(...) ((const float[]){__VA_ARGS__})

/* Nearest: the numbers of ONNX's documentation. */
static void test_nearest_documented(void **state)
{
    (void)state;
    const struct row table[] = {
        {.in = {2, 2},
         .out = {4, 6},
         .scale = {2, 3},
         .expected = F(1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4)},
        {.in = {2, 4}, .out = {1, 2}, .scale = {0.6f, 0.6f}, .expected = F(1, 3)},
        {.in = {2, 2},
         .out = {3, 8},
         .expected = F(1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4)},
        {.in = {2, 4}, .out = {1, 3}, .expected = F(1, 2, 4)},
        {.in = {2, 4}, .out = {1, 2}, .scale = {0.5f, 0.5f}, .expected = F(1, 3)},
        {.in = {2, 4}, .out = {2, 3}, .scale = {0.75f, 0.75f}, .expected = F(1, 2, 4, 5, 6, 8)},
        {.in = {1, 4},
         .out = {1, 8},
         .coordinates = COVEY_COORD_ALIGN_CORNERS,
         .nearest = COVEY_NEAREST_FLOOR,
         .expected = F(1, 1, 1, 2, 2, 3, 3, 4)},
        {.in = {1, 4},
         .out = {1, 8},
         .coordinates = COVEY_COORD_ASYMMETRIC,
         .nearest = COVEY_NEAREST_ROUND_PREFER_CEIL,
         .expected = F(1, 2, 2, 3, 3, 4, 4, 4)},
        {.in = {1, 4},
         .out = {1, 8},
         .nearest = COVEY_NEAREST_CEIL,
         .expected = F(1, 2, 2, 3, 3, 4, 4, 4)},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        check_row(&table[i]);
    }
}

/* Linear, in every coordinate mode and antialiased: the numbers of ONNX's documentation. */
static void test_linear_documented(void **state)
{
    (void)state;
    const struct row table[] = {
        {.in = {2, 2},
         .out = {4, 4},
         .scale = {2, 2},
         .mode = LINEAR,
         .expected = F(1, 1.25f, 1.75f, 2, 1.5f, 1.75f, 2.25f, 2.5f, 2.5f, 2.75f, 3.25f, 3.5f, 3,
                       3.25f, 3.75f, 4)},
        {.in = {2, 2},
         .out = {4, 4},
         .scale = {2, 2},
         .mode = LINEAR,
         .coordinates = COVEY_COORD_ALIGN_CORNERS,
         .expected = F(1, 1.33333333f, 1.66666667f, 2, 1.66666667f, 2, 2.33333333f, 2.66666667f,
                       2.33333333f, 2.66666667f, 3, 3.33333333f, 3, 3.33333333f, 3.66666667f, 4)},
        {.in = {2, 4},
         .out = {1, 2},
         .scale = {0.6f, 0.6f},
         .mode = LINEAR,
         .expected = F(2.6666665f, 4.3333331f)},
        {.in = {2, 4},
         .out = {1, 2},
         .scale = {0.6f, 0.6f},
         .mode = LINEAR,
         .coordinates = COVEY_COORD_ALIGN_CORNERS,
         .expected = F(1, 3.142857f)},
        {.in = {4, 4},
         .out = {3, 3},
         .mode = LINEAR,
         .coordinates = COVEY_COORD_TF_CROP_AND_RESIZE,
         .roi = {0.4f, 0.6f, 0.6f, 0.8f},
         .expected = F(7.6f, 7.9f, 8.2f, 8.8f, 9.1f, 9.4f, 10, 10.3f, 10.6f)},
        {.in = {4, 4},
         .out = {3, 3},
         .mode = LINEAR,
         .coordinates = COVEY_COORD_TF_CROP_AND_RESIZE,
         .roi = {0.4f, 0.6f, 1.2f, 1.7f},
         .value = 10,
         .expected = F(7.6f, 10, 10, 12.4f, 10, 10, 10, 10, 10)},
        {.in = {4, 4},
         .out = {3, 1},
         .mode = LINEAR,
         .coordinates = COVEY_COORD_PYTORCH_HALF_PIXEL,
         .expected = F(1.6666667f, 7, 12.333333f)},
        {.in = {1, 4},
         .out = {1, 2},
         .scale = {1, 0.6f},
         .mode = LINEAR,
         .coordinates = COVEY_COORD_HALF_PIXEL_SYMMETRIC,
         .expected = F(1.6666667f, 3.3333333f)},
        {.in = {2, 2},
         .out = {4, 5},
         .scale = {2.3f, 2.94f},
         .mode = LINEAR,
         .coordinates = COVEY_COORD_HALF_PIXEL_SYMMETRIC,
         .expected = F(1, 1.15986395f, 1.5f, 1.84013605f, 2, 1.56521738f, 1.72508133f, 2.06521738f,
                       2.40535343f, 2.56521738f, 2.43478262f, 2.59464657f, 2.93478262f, 3.27491867f,
                       3.43478262f, 3, 3.15986395f, 3.5f, 3.84013605f, 4)},
        {.in = {4, 4},
         .out = {2, 2},
         .scale = {0.6f, 0.6f},
         .mode = LINEAR,
         .antialias = true,
         .expected = F(2.875f, 4.5f, 9.375f, 11)},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        check_row(&table[i]);
    }
}

/* Cubic, with other coefficients, without what is outside and antialiased: the numbers of ONNX's
 * documentation. */
static void test_cubic_documented(void **state)
{
    (void)state;
    const struct row table[] = {
        {.in = {1, 4},
         .out = {1, 8},
         .scale = {1, 2},
         .mode = CUBIC,
         .coordinates = COVEY_COORD_ASYMMETRIC,
         .expected = F(1, 1.40625f, 2, 2.5f, 3, 3.59375f, 4, 4.09375f)},
        {.in = {4, 4},
         .out = {3, 3},
         .scale = {0.8f, 0.8f},
         .mode = CUBIC,
         .expected = F(1.47119141f, 2.78125f, 4.08251953f, 6.71142578f, 8.02148438f, 9.32275391f,
                       11.91650391f, 13.2265625f, 14.52783203f)},
        {.in = {4, 4},
         .out = {3, 3},
         .scale = {0.8f, 0.8f},
         .mode = CUBIC,
         .coordinates = COVEY_COORD_ALIGN_CORNERS,
         .expected = F(1, 2.39519159f, 3.79038317f, 6.58076634f, 7.97595793f, 9.37114951f,
                       12.16153268f, 13.55672427f, 14.95191585f)},
        {.in = {4, 4},
         .out = {3, 3},
         .mode = CUBIC,
         .expected = F(1.63078704f, 3.00462963f, 4.37847222f, 7.12615741f, 8.5f, 9.87384259f,
                       12.62152778f, 13.99537037f, 15.36921296f)},
        {.in = {4, 4},
         .out = {3, 3},
         .scale = {0.8f, 0.8f},
         .mode = CUBIC,
         .alpha = -0.5f,
         .exclude = true,
         .expected = F(1.36812675f, 2.6695014f, 4.0133367f, 6.57362535f, 7.875f, 9.2188353f,
                       11.94896657f, 13.25034122f, 14.59417652f)},
        {.in = {4, 4},
         .out = {2, 2},
         .scale = {0.6f, 0.6f},
         .mode = CUBIC,
         .antialias = true,
         .expected = F(2.5180721f, 4.2858863f, 9.589329f, 11.357142f)},
        {.in = {4, 4},
         .out = {3, 3},
         .mode = CUBIC,
         .antialias = true,
         .expected = F(1.7750092f, 3.1200073f, 4.4650054f, 7.1550016f, 8.5f, 9.844998f, 12.534994f,
                       13.8799925f, 15.224991f)},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        check_row(&table[i]);
    }
}

/* The documentation's formulas once more, for one axis; false: outside. */
static bool naive_origin(const struct covey_op_attrs *a, unsigned axis, const int64_t size[3],
                         double *out)
{
    int64_t in = size[0], wide = size[1], x = size[2];
    double scale = (double)wide / (double)in, last = (double)in - 1;
    double start = (double)a->roi[axis], end = (double)a->roi[a->shape_rank + axis];
    *out = ((double)x + 0.5) / scale - 0.5;
    if (a->coordinates == COVEY_COORD_ASYMMETRIC) {
        *out = (double)x / scale;
    } else if (a->coordinates == COVEY_COORD_ALIGN_CORNERS) {
        *out = wide == 1 ? 0 : (double)x * last / ((double)wide - 1);
    } else if (a->coordinates == COVEY_COORD_PYTORCH_HALF_PIXEL && wide == 1) {
        *out = -0.5;
    } else if (a->coordinates == COVEY_COORD_TF_CROP_AND_RESIZE) {
        *out = wide == 1 ? 0.5 * (start + end) * last
                         : start * last + (double)x * (end - start) * last / ((double)wide - 1);
        return *out >= 0 && *out <= last;
    }
    return true;
}

static double naive_filter(const struct covey_op_attrs *a, double x)
{
    double k = (double)a->alpha;
    x = fabs(x);
    if (a->mode == LINEAR) {
        return x < 1 ? 1 - x : 0;
    }
    return x < 1   ? (k + 2) * x * x * x - (k + 3) * x * x + 1
           : x < 2 ? k * (x * x * x - 5 * x * x + 8 * x - 4)
                   : 0;
}

/* One element of y, axis after axis from the outermost: a weighted sum over the whole axis. */
static double naive(const struct covey_op_attrs *a, const struct covey_tensor *x, const int64_t *to,
                    int64_t *from, unsigned axis)
{
    if (axis == x->shape.rank) {
        return covey_tensor_element(x, flat_of(&x->shape, from));
    }
    int64_t in = x->shape.dims[axis], out = a->shape[axis];
    double at, sum = 0, weights = 0,
               narrow = a->antialias && out < in ? (double)out / (double)in : 1;
    if (!naive_origin(a, axis, (const int64_t[3]){in, out, to[axis]}, &at)) {
        return a->value;
    }
    if (a->mode == NEAREST) {
        double f = floor(at), r = at - f;
        bool up = a->nearest == COVEY_NEAREST_CEIL                ? r > 0
                  : a->nearest == COVEY_NEAREST_ROUND_PREFER_CEIL ? r >= 0.5
                  : a->nearest == COVEY_NEAREST_FLOOR             ? false
                                                                  : r > 0.5;
        f += up;
        from[axis] = f < 0 ? 0 : f >= (double)in ? in - 1 : (int64_t)f;
        return naive(a, x, to, from, axis + 1);
    }
    for (int64_t i = -in - 40; i < 2 * in + 40; i++) {
        double w = naive_filter(a, ((double)i - at) * narrow);
        if (fabs(w) > 0 && (!a->exclude_outside || (i >= 0 && i < in))) {
            from[axis] = i < 0 ? 0 : i >= in ? in - 1 : i;
            sum += w * naive(a, x, to, from, axis + 1);
            weights += w;
        }
    }
    return sum / weights;
}

static void random_resize(unsigned rank, struct covey_shape *x, struct covey_op_attrs *a,
                          uint64_t *seed)
{
    x->rank = a->shape_rank = (uint8_t)rank;
    a->alpha = random_below(seed, 2) == 0 ? -0.75f : -0.5f;
    a->mode = random_below(seed, 3);
    a->coordinates = (enum covey_coordinates)random_below(seed, COVEY_COORD_COUNT);
    a->nearest = (enum covey_nearest)random_below(seed, COVEY_NEAREST_COUNT);
    a->antialias = random_below(seed, 3) == 0;
    a->exclude_outside = random_below(seed, 3) == 0;
    a->value = 5;
    for (unsigned i = 0; i < rank; i++) {
        bool changes = rank < 3 || i + 2 >= rank || random_below(seed, 5) == 0;
        x->dims[i] = random_below(seed, rank > 4 ? 2 : 6) + 1;
        a->shape[i] = changes ? (int64_t)random_below(seed, rank > 4 ? 3 : 12) + 1 : x->dims[i];
        a->scale[i] = (float)a->shape[i] / (float)x->dims[i];
        a->roi[i] = changes ? (float)random_below(seed, 5) / 8 : 0;
        a->roi[rank + i] = changes ? (float)random_below(seed, 8) / 5 : 1;
    }
}

/* Every combination of modes, in up to eight dimensions and several types, equals the naive sum
 * over all elements; two threads give the same. */
static void test_naive(void **state)
{
    (void)state;
    uint64_t seed = 11;
    const enum covey_type types[4] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F32,
                                      COVEY_TYPE_I16};
    for (unsigned round = 0; round < 1500; round++) {
        struct covey_op_attrs a = attrs_default();
        struct covey_shape s = {0, {0}};
        random_resize(round % 16 == 15 ? 8 : round % 5, &s, &a, &seed);
        struct covey_tensor x = random_tensor(types[round % 4], s, &seed);
        struct covey_tensor y =
            alone_one(&(struct alone){COVEY_OP_RESIZE, &a, {x}, 1, 1, 1, 1 + round / 4 % 2, 0});
        for (size_t i = 0; i < covey__shape_elements(&y.shape); i++) {
            int64_t to[COVEY_RANK_MAX], from[COVEY_RANK_MAX];
            place(&y.shape, i, to);
            double expected = naive(&a, &x, to, from, 0), got = covey_tensor_element(&y, i);
            double room = x.type == COVEY_TYPE_I16 ? 1.0 : 1e-4;
            if (fabs(got - expected) >= room) {
                fail_msg("round %u: element %zu is %f, not %f (mode %u coordinates %u)", round, i,
                         got, expected, a.mode, (unsigned)a.coordinates);
            }
        }
        free(x.data);
        free(y.data);
    }
}

/* Doubling an image by its nearest elements, of every size, repeats each in both directions. */
static void test_nearest_sizes(void **state)
{
    (void)state;
    uint64_t seed = 12;
    const enum covey_type types[4] = {COVEY_TYPE_BOOL, COVEY_TYPE_F16, COVEY_TYPE_F32,
                                      COVEY_TYPE_I64};
    for (unsigned round = 0; round < 8; round++) {
        struct row r = {.in = {5, 7}, .out = {10, 7 * (2 + round / 4)}};
        struct covey_op_attrs a = attrs_of(&r);
        a.shape[0] = 2, a.shape[1] = 3;
        struct covey_tensor x = random_tensor(types[round % 4], shape_of(4, 2, 3, 5, 7), &seed);
        struct covey_tensor y =
            alone_one(&(struct alone){COVEY_OP_RESIZE, &a, {x}, 1, 1, 1, 1 + round % 2, 0});
        for (size_t i = 0; i < covey__shape_elements(&y.shape); i++) {
            int64_t at[COVEY_RANK_MAX];
            place(&y.shape, i, at);
            at[2] /= 2, at[3] /= 2 + round / 4;
            assert_int_equal(covey__load_int(&y, i), covey__load_int(&x, flat_of(&x.shape, at)));
        }
        free(x.data);
        free(y.data);
    }
}

/* Integers are cut off towards zero, but what is whole stays so. */
static void test_integers(void **state)
{
    (void)state;
    struct row r = {.in = {1, 2}, .out = {1, 7}, .mode = LINEAR};
    struct covey_op_attrs a = attrs_of(&r);
    uint8_t same[2] = {10, 10}, steps[2] = {0, 10};
    struct covey_tensor x = {COVEY_TYPE_U8, shape_of(4, 1, 1, 1, 2), same};
    struct alone run = {COVEY_OP_RESIZE, &a, {x}, 1, 1, 1, 1, 0};
    struct covey_tensor y = alone_one(&run);
    assert_memory_equal(y.data, ((const uint8_t[]){10, 10, 10, 10, 10, 10, 10}), 7);
    free(y.data);
    run.in[0].data = steps; /* (x + 0.5) / 3.5 - 0.5, times 10 */
    y = alone_one(&run);
    assert_memory_equal(y.data, ((const uint8_t[]){0, 0, 2, 5, 7, 10, 10}), 7);
    free(y.data);
}

/* A batch of 1 in the output's shape follows the batch that is run; nothing stays nothing. */
static void test_batch_and_empty(void **state)
{
    (void)state;
    struct row r = {.in = {2, 2}, .out = {4, 4}, .mode = LINEAR};
    struct covey_op_attrs a = attrs_of(&r);
    struct covey_tensor x = {COVEY_TYPE_F32, shape_of(4, 3, 1, 2, 2), NULL}, y;
    struct alone run = {COVEY_OP_RESIZE, &a, {x}, 1, 1, 3, 1, 0};
    assert_int_equal(alone_infer(&run, &y), COVEY_OK);
    assert_int_equal(y.shape.dims[0], 3);
    run.in[0].shape.dims[1] = 0;
    a.shape[1] = 0;
    y = alone_one(&run);
    assert_int_equal(covey__shape_elements(&y.shape), 0);
    free(y.data);
    a.shape[1] = 1;
    assert_int_equal(alone_infer(&run, &y), COVEY_ERR_RANGE);
}

static void spoil(struct covey_op_attrs *a, unsigned how)
{
    switch (how) {
    case 0:
        a->mode = 3;
        break;
    case 1:
        a->coordinates = COVEY_COORD_COUNT;
        break;
    case 2:
        a->nearest = COVEY_NEAREST_COUNT;
        break;
    case 3:
        a->shape_rank = 3;
        break;
    case 4:
        a->scale[3] = 0.0f;
        break;
    case 5:
        a->scale[3] = NAN;
        break;
    case 6:
        a->scale[3] = INFINITY;
        break;
    case 7:
        a->shape[3] = -1;
        break;
    case 8:
        a->shape[3] = INT64_MAX;
        break;
    case 9:
        a->coordinates = COVEY_COORD_TF_CROP_AND_RESIZE;
        a->roi[7] = NAN;
        break;
    default: /* more taps than any sensible memory */
        a->mode = CUBIC;
        a->antialias = true;
        a->scale[3] = how == 10 ? 1e-6f : 1e-42f;
    }
}

/* Attributes that no kernel can follow are refused; strange but finite scales stay inside. */
static void test_refused(void **state)
{
    (void)state;
    struct row r = {.in = {2, 2}, .out = {4, 4}, .mode = LINEAR};
    uint64_t seed = 13;
    struct covey_tensor x = random_tensor(COVEY_TYPE_F32, shape_of(4, 1, 1, 2, 2), &seed), y;
    for (unsigned how = 0; how < 12; how++) {
        struct covey_op_attrs a = attrs_of(&r);
        spoil(&a, how);
        struct alone run = {COVEY_OP_RESIZE, &a, {x}, 1, 1, 1, 1, 0};
        assert_int_not_equal(alone_infer(&run, &y), COVEY_OK);
    }
    const float scales[4] = {1e-42f, 1e-6f, 1e6f, 3e38f};
    for (unsigned i = 0; i < 4 * 3 * COVEY_COORD_COUNT; i++) {
        struct covey_op_attrs a = attrs_of(&r);
        a.scale[3] = a.scale[2] = scales[i % 4];
        a.mode = i / 4 % 3;
        a.coordinates = (enum covey_coordinates)(i / 12);
        y = alone_one(&(struct alone){COVEY_OP_RESIZE, &a, {x}, 1, 1, 1, 1, 0});
        free(y.data);
    }
    x.type = COVEY_TYPE_BOOL;
    struct covey_op_attrs a = attrs_of(&r);
    struct alone run = {COVEY_OP_RESIZE, &a, {x}, 1, 1, 1, 1, 0};
    assert_int_equal(alone_infer(&run, &y), COVEY_ERR_UNSUPPORTED);
    free(x.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_documented), cmocka_unit_test(test_linear_documented),
        cmocka_unit_test(test_cubic_documented),   cmocka_unit_test(test_naive),
        cmocka_unit_test(test_nearest_sizes),      cmocka_unit_test(test_integers),
        cmocka_unit_test(test_batch_and_empty),    cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
