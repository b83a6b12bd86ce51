/* SPDX-License-Identifier: MIT */
#include "optest.h"

#include <math.h>
#include <string.h>

static double at(const struct held *h, size_t i)
{
    return covey_tensor_element(&h->t, i);
}

/* Within rounding of the type; frees got. */
static void expect_near(struct held *got, struct covey_shape shape, const double *expected)
{
    double tolerance = got->t.type == COVEY_TYPE_F16 ? 2e-3 : 1e-5;
    expect_reals(got, got->t.type, shape, expected, tolerance);
}

/* One to three spatial dimensions, on two images of two channels. */
struct pool {
    unsigned spatial;
    uint32_t size[3], kernel[3], stride[3], dilation[3], pads[3], end[3];
    bool ceil_mode, count;
};

static const struct pool pools[] = {
    {1, {9}, {3}, {1}, {1}, {0}, {0}, false, false},
    {1, {10}, {3}, {2}, {2}, {2}, {1}, true, true},
    {2, {5, 6}, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false, false},
    {2, {5, 6}, {2, 3}, {2, 2}, {1, 1}, {0, 1}, {0, 1}, true, false},
    {2, {4, 4}, {3, 3}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, true, true},
    {2, {7, 7}, {3, 3}, {1, 1}, {1, 1}, {2, 2}, {2, 2}, false, true},
    {2, {7, 8}, {2, 3}, {3, 1}, {2, 2}, {1, 2}, {0, 1}, true, false},
    {3, {4, 5, 6}, {2, 3, 2}, {2, 1, 2}, {1, 1, 1}, {0, 1, 1}, {1, 0, 0}, false, true},
    {3, {3, 4, 5}, {2, 2, 2}, {2, 2, 2}, {1, 2, 1}, {0, 1, 0}, {0, 1, 0}, true, false},
};
enum { POOLS = sizeof(pools) / sizeof(pools[0]) };

static struct covey_op_attrs attrs_of(const struct pool *p)
{
    struct covey_op_attrs a = attrs_default();
    for (unsigned i = 0; i < p->spatial; i++) {
        a.kernel[i] = p->kernel[i];
        a.stride[i] = p->stride[i];
        a.dilation[i] = p->dilation[i];
        a.pads[i] = p->pads[i];
        a.pads_end[i] = p->end[i];
    }
    a.ceil_mode = p->ceil_mode;
    a.count_include_pad = p->count;
    return a;
}

/* What a window holds, each tap on its own. */
struct taken {
    double best, sum, powers;
    size_t inside, padded, best_at, column_at;
};

static void take(const struct pool *p, const struct held *x, size_t plane, const int64_t *from,
                 struct taken *t)
{
    size_t at_row = 0, at_column = 0, step = 1;
    bool inside = true, padded = true;
    for (unsigned i = 0; i < p->spatial; i++) {
        inside = inside && from[i] >= 0 && from[i] < p->size[i];
        padded = padded && from[i] < (int64_t)p->size[i] + p->end[i];
        at_row = at_row * p->size[i] + (size_t)from[i];
        at_column += (size_t)from[i] * step;
        step *= p->size[i];
    }
    t->padded += padded;
    if (inside) {
        double v = at(x, plane + at_row);
        if (t->inside == 0 || v > t->best) {
            t->best = v;
            t->best_at = plane + at_row;
            t->column_at = plane + at_column;
        }
        t->inside++;
        t->sum += v;
        t->powers += fabs(v) * v * v;
    }
}

/* Window number `to` of the output y. */
static struct taken window(const struct pool *p, const struct held *x, const struct covey_shape *y,
                           size_t to)
{
    struct taken t = {0};
    size_t plane = 1, taps = 1, planes = to / covey__shape_range(y, 2, y->rank);
    for (unsigned i = 0; i < p->spatial; i++) {
        plane *= p->size[i];
        taps *= p->kernel[i];
    }
    for (size_t tap = 0; tap < taps; tap++) {
        int64_t from[3];
        size_t rest_to = to, rest = tap;
        for (unsigned i = p->spatial; i-- > 0;) {
            from[i] = (int64_t)(rest_to % y->dims[2 + i] * p->stride[i] +
                                rest % p->kernel[i] * p->dilation[i]) -
                      p->pads[i];
            rest_to /= y->dims[2 + i];
            rest /= p->kernel[i];
        }
        take(p, x, planes * plane, from, &t);
    }
    return t;
}

static struct covey_shape pool_shape(const struct pool *p)
{
    uint32_t d[5] = {2, 2};
    memcpy(d + 2, p->size, sizeof(p->size));
    return dims(2 + p->spatial, d);
}

/* The maximum of every window and where it is, in both orders of counting. */
static void test_maxpool(void **state)
{
    (void)state;
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16,
                                            COVEY_TYPE_I8, COVEY_TYPE_U8};
    for (unsigned i = 0; i < POOLS * 5 * 3; i++) {
        const struct pool *p = &pools[i / 15];
        struct optest t = optest_of(1);
        struct held *out[2] = {NULL};
        t.attrs = attrs_of(p);
        t.attrs.mode = i % 3 == 2;
        t.outputs = i % 3 == 0 ? 1 : 2;
        t.threads = 1 + i % 2;
        t.in[0] = hold_random(types[i / 3 % 5], pool_shape(p), 0, 100);
        expect_ok(optest_try(COVEY_OP_MAXPOOL, &t, out), NULL);
        for (size_t j = 0; j < covey__shape_elements(&out[0]->t.shape); j++) {
            struct taken w = window(p, t.in[0], &out[0]->t.shape, j);
            if (w.inside == 0) {
                continue;
            }
            assert_true(fabs(at(out[0], j) - w.best) < 1e-9);
            if (t.outputs > 1) {
                assert_int_equal(covey__load_int(&out[1]->t, j),
                                 t.attrs.mode == 1 ? w.column_at : w.best_at);
            }
        }
        free(out[0]);
        free(out[1]);
        optest_done(&t);
    }
}

/* Means over what lies inside, or also over the padding, and third roots of sums of cubes. */
static void test_avgpool_and_lppool(void **state)
{
    (void)state;
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16};
    for (unsigned i = 0; i < POOLS * 3 * 2; i++) {
        const struct pool *p = &pools[i / 6];
        struct optest t = optest_of(1);
        bool lp = i % 2;
        static double expected[OPTEST_MAX];
        t.attrs = attrs_of(p);
        t.attrs.alpha = 3.0f;
        t.threads = 1 + i / 2 % 2;
        t.in[0] = hold_random(types[i / 2 % 3], pool_shape(p), -9, 19);
        struct held *out = NULL;
        expect_ok(optest_try(lp ? COVEY_OP_LPPOOL : COVEY_OP_AVGPOOL, &t, &out), NULL);
        for (size_t j = 0; j < covey__shape_elements(&out->t.shape); j++) {
            struct taken w = window(p, t.in[0], &out->t.shape, j);
            size_t count = p->count ? w.padded : w.inside;
            expected[j] = lp ? cbrt(w.powers) : count > 0 ? w.sum / (double)count : 0.0;
        }
        optest_done(&t);
        expect_near(out, out->t.shape, expected);
    }
}

/* ONNX: a window that would start in the padding behind is left out. */
static void test_ceil_mode_sizes(void **state)
{
    (void)state;
    struct optest t = optest_of(1);
    t.attrs.kernel[0] = 1, t.attrs.stride[0] = 2, t.attrs.ceil_mode = true;
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(1, 1, 4), 1, 2, 3, 4);
    EXPECT(optest_run(COVEY_OP_MAXPOOL, &t), COVEY_TYPE_F32, DIMS(1, 1, 2), 1, 3);
    t = optest_of(1);
    t.attrs.kernel[0] = 3, t.attrs.stride[0] = 2, t.attrs.ceil_mode = true;
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(1, 1, 4), 1, 2, 3, 4);
    EXPECT(optest_run(COVEY_OP_AVGPOOL, &t), COVEY_TYPE_F32, DIMS(1, 1, 2), 2, 3.5);
}

/* Global pooling makes one number of every plane, of any rank. */
static void test_global_pooling(void **state)
{
    (void)state;
    const struct covey_shape shapes[] = {DIMS(2, 3, 7), DIMS(2, 3, 5, 4), DIMS(2, 3, 2, 3, 4)};
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16};
    static const enum covey_op ops[] = {COVEY_OP_GLOBALAVGPOOL, COVEY_OP_GLOBALMAXPOOL,
                                        COVEY_OP_GLOBALLPPOOL};
    for (unsigned i = 0; i < 27; i++) {
        struct covey_shape s = shapes[i / 9], y = s;
        struct optest t = optest_of(1);
        double expected[6];
        size_t pixels = covey__shape_range(&s, 2, s.rank);
        for (unsigned j = 2; j < s.rank; j++) {
            y.dims[j] = 1;
        }
        t.attrs.alpha = 2.0f;
        t.in[0] = hold_random(types[i % 3], s, -9, 19);
        for (size_t j = 0; j < 6; j++) {
            double sum = 0.0, best = -100.0, squares = 0.0;
            for (size_t k = j * pixels; k < (j + 1) * pixels; k++) {
                sum += at(t.in[0], k);
                squares += at(t.in[0], k) * at(t.in[0], k);
                best = fmax(best, at(t.in[0], k));
            }
            expected[j] = i / 3 % 3 == 0   ? sum / (double)pixels
                          : i / 3 % 3 == 1 ? best
                                           : sqrt(squares);
        }
        expect_near(optest_run(ops[i / 3 % 3], &t), y, expected);
    }
}

/* x / (bias + alpha / size * sum of squares around it) ^ beta, for every kind of exponent. */
static void test_lrn(void **state)
{
    (void)state;
    static const float betas[] = {0.5f, 0.75f, 0.6f};
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16};
    for (unsigned i = 0; i < 3 * 3 * 6; i++) {
        struct optest t = optest_of(1);
        struct covey_shape s = i % 2 ? DIMS(2, 5, 17, 18) : DIMS(3, 5);
        size_t pixels = i % 2 ? 17 * 18 : 1, count = covey__shape_elements(&s);
        static double expected[OPTEST_MAX];
        t.attrs.size = 1 + i % 6;
        t.attrs.alpha = 0.3f, t.attrs.beta = betas[i / 6 % 3], t.attrs.bias = 2.0f;
        t.threads = 1 + i % 2;
        t.in[0] = hold_random(types[i / 18], s, -9, 19);
        for (size_t j = 0; j < count; j++) {
            int64_t ch = (int64_t)(j / pixels % 5), size = t.attrs.size;
            double sum = 0.0;
            for (int64_t k = ch - (size - 1) / 2; k <= ch + size / 2; k++) {
                if (k >= 0 && k < 5) {
                    double v = at(t.in[0], (size_t)((int64_t)j + (k - ch) * (int64_t)pixels));
                    sum += v * v;
                }
            }
            double scale = 2.0 + (double)0.3f / (double)size * sum;
            expected[j] = at(t.in[0], j) / pow(scale, (double)t.attrs.beta);
        }
        expect_near(optest_run(COVEY_OP_LRN, &t), s, expected);
    }
}

/* (x - mean) / sqrt(var + epsilon) of elements first + k step. */
static double unit(const struct held *x, const size_t first_count[2], size_t which, double epsilon)
{
    double mean = 0.0, var = 0.0, n = (double)first_count[1];
    for (size_t k = 0; k < first_count[1]; k++) {
        mean += at(x, first_count[0] + k) / n;
    }
    for (size_t k = 0; k < first_count[1]; k++) {
        double d = at(x, first_count[0] + k) - mean;
        var += d * d / n;
    }
    return (at(x, which) - mean) / sqrt(var + epsilon);
}

/* Instances and groups of channels have mean 0 and variance 1, then scale and bias by channel. */
static void test_instancenorm_and_groupnorm(void **state)
{
    (void)state;
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16};
    for (unsigned i = 0; i < 24; i++) {
        struct covey_shape s = i & 1 ? DIMS(2, 6, 20, 15) : DIMS(2, 6, 7);
        bool group = i & 2;
        size_t pixels = covey__shape_range(&s, 2, s.rank), groups = group ? 2 : 6;
        size_t row = 6 / groups * pixels;
        struct optest t = optest_of(3);
        static double expected[OPTEST_MAX];
        t.attrs.groups = 2;
        t.attrs.epsilon = 0.01f;
        t.threads = 1 + (i & 1);
        t.in[0] = hold_random(types[i / 4 % 3], s, -9, 19);
        t.in[1] = hold_random(types[i / 4 % 3], DIMS(6), -4, 9);
        t.in[2] = hold_random(types[i / 4 % 3], DIMS(6), -4, 9);
        for (size_t j = 0; j < covey__shape_elements(&s); j++) {
            const size_t range[2] = {j / row * row, row};
            size_t ch = j / pixels % 6;
            expected[j] =
                unit(t.in[0], range, j, (double)0.01f) * at(t.in[1], ch) + at(t.in[2], ch);
        }
        enum covey_op op = group ? COVEY_OP_GROUPNORM : COVEY_OP_INSTANCENORM;
        expect_near(optest_run(op, &t), s, expected);
    }
}

/* Rows behind the axis have mean 0 and variance 1; mean and 1 / std come out too, if wanted. */
static void test_layernorm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct covey_shape s = DIMS(2, 3, 4, 5);
        unsigned axis = i % 3 + 1;
        struct optest t = optest_of(i & 1 ? 3 : 2);
        struct held *out[3] = {NULL};
        double expected[120];
        size_t row = covey__shape_range(&s, axis, 4);
        t.attrs.axis = i % 2 ? (int32_t)axis : (int32_t)axis - 4;
        t.outputs = i < 6 ? 1 : 3;
        t.in[0] = hold_random(COVEY_TYPE_F32, s, -9, 19);
        struct covey_shape scale = s;
        scale.rank = (uint8_t)(4 - axis);
        memmove(scale.dims, s.dims + axis, scale.rank * sizeof(scale.dims[0]));
        t.in[1] = hold_random(COVEY_TYPE_F32, scale, -4, 9);
        t.in[2] = i & 1 ? hold_random(COVEY_TYPE_F32, DIMS(4, 1), -4, 9) : NULL;
        for (size_t j = 0; j < 120; j++) {
            const size_t range[2] = {j / row * row, row};
            expected[j] = unit(t.in[0], range, j, 1e-5) * at(t.in[1], j % row) +
                          (i & 1 ? at(t.in[2], j / 5 % 4) : 0.0);
        }
        expect_ok(optest_try(COVEY_OP_LAYERNORM, &t, out), NULL);
        expect_near(out[0], s, expected);
        for (size_t j = 0; j < 120 / row && t.outputs > 1; j++) {
            double mean = 0.0;
            for (size_t k = 0; k < row; k++) {
                mean += at(t.in[0], j * row + k) / (double)row;
            }
            const size_t range[2] = {j * row, row};
            double deviation = at(t.in[0], j * row) - mean;
            assert_true(fabs(at(out[1], j) - mean) < 1e-5);
            assert_true(fabs(at(out[2], j) * deviation - unit(t.in[0], range, j * row, 1e-5)) <
                        1e-4);
        }
        free(out[1]);
        free(out[2]);
        optest_done(&t);
    }
}

/* Element k of the line along an axis that element j lies on. */
static size_t along(struct covey_shape s, unsigned axis, size_t j, size_t k)
{
    size_t inner = covey__shape_range(&s, axis + 1, s.rank);
    return j / (inner * s.dims[axis]) * inner * s.dims[axis] + j % inner + k * inner;
}

/* Norms, softmax and its relatives, along every axis of every type. */
static void test_lines(void **state)
{
    (void)state;
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16};
    static const enum covey_op ops[] = {COVEY_OP_LPNORM, COVEY_OP_LPNORM, COVEY_OP_SOFTMAX,
                                        COVEY_OP_LOGSOFTMAX, COVEY_OP_HARDMAX};
    for (unsigned i = 0; i < 3 * 3 * 5; i++) {
        struct covey_shape s = DIMS(3, 4, 5);
        struct optest t = optest_of(1);
        unsigned axis = i / 15, kind = i % 5;
        double expected[60];
        t.attrs.axis = (int32_t)axis - (i % 2 ? 3 : 0);
        t.attrs.size = kind == 0 ? 1 : 2;
        t.threads = 1 + i % 2;
        t.in[0] = hold_random(types[i / 5 % 3], s, -4, 9);
        for (size_t j = 0; j < 60; j++) {
            double absolute = 0.0, squares = 0.0, sum = 0.0, v = at(t.in[0], j);
            bool first_top = true;
            for (size_t k = 0; k < s.dims[axis]; k++) {
                size_t other = along(s, axis, j, k);
                double w = at(t.in[0], other);
                absolute += fabs(w);
                squares += w * w;
                sum += exp(w);
                first_top = first_top && (w < v || (other >= j && w <= v));
            }
            double norm = kind == 0 ? absolute : sqrt(squares);
            expected[j] = kind < 2    ? (norm > 0.0 ? v / norm : 0.0)
                          : kind == 2 ? exp(v) / sum
                          : kind == 3 ? v - log(sum)
                                      : first_top;
        }
        expect_near(optest_run(ops[kind], &t), s, expected);
    }
}

/* (x - mean) / (std + 1e-9) over any set of axes. */
static void test_mvn(void **state)
{
    (void)state;
    struct optest t = optest_of(1);
    t.attrs.axes = 1u << 0 | 1u << 2;
    t.in[0] = REALS(COVEY_TYPE_F64, DIMS(2, 2, 2), 1, 2, 5, 5, 3, 6, 5, 9);
    double a = sqrt(3.5), b = sqrt(3.0); /* means 3 and 6 */
    const double expected[8] = {-2 / a, -1 / a, -1 / b, -1 / b, 0, 3 / a, -1 / b, 3 / b};
    expect_reals(optest_run(COVEY_OP_MVN, &t), COVEY_TYPE_F64, DIMS(2, 2, 2), expected, 1e-8);
}

/* Attributes and shapes that do not fit each other are refused, never run. */
static void test_windows_refuse(void **state)
{
    (void)state;
    struct covey_op_attrs plain = attrs_default(), axis = plain, axes = plain, pad = plain;
    struct covey_op_attrs none = plain, big = plain, many = plain;
    axis.axis = 3;
    axes.axes = 1u << 8 | 1u << 3;
    pad.pads[0] = 1;
    none.stride[0] = 0;
    big.kernel[0] = 9;
    many.size = 6, many.groups = 4, many.mode = 8, many.alpha = 0.5f;
    struct covey_shape x = DIMS(1, 2, 5);
    const struct refusal table[] = {
        {COVEY_OP_MAXPOOL, {x}, 1, pad},
        {COVEY_OP_MAXPOOL, {x}, 1, none},
        {COVEY_OP_AVGPOOL, {x}, 1, big},
        {COVEY_OP_AVGPOOL, {DIMS(1, 2)}, 1, plain},
        {COVEY_OP_MAXPOOL, {DIMS(1, 1, 1, 1, 1, 1)}, 1, plain},
        {COVEY_OP_LPPOOL, {x}, 1, many},
        {COVEY_OP_GLOBALLPPOOL, {x}, 1, many},
        {COVEY_OP_GLOBALAVGPOOL, {DIMS(1, 2)}, 1, plain},
        {COVEY_OP_LRN, {x}, 1, plain},
        {COVEY_OP_LRN, {DIMS(4)}, 1, many},
        {COVEY_OP_INSTANCENORM, {x, DIMS(2), DIMS(3)}, 3, plain},
        {COVEY_OP_GROUPNORM, {x, DIMS(2), DIMS(2)}, 3, many},
        {COVEY_OP_LAYERNORM, {x, DIMS(2)}, 2, plain},
        {COVEY_OP_LAYERNORM, {x, DIMS(5)}, 2, axis},
        {COVEY_OP_LAYERNORM, {x, DIMS(1, 1, 2, 5)}, 2, plain},
        {COVEY_OP_LPNORM, {x}, 1, many},
        {COVEY_OP_LPNORM, {x}, 1, axis},
        {COVEY_OP_MVN, {x}, 1, axes},
        {COVEY_OP_SOFTMAX, {x}, 1, axis},
        {COVEY_OP_HARDMAX, {SCALAR}, 1, plain},
        {COVEY_OP_REDUCESUM, {x}, 1, axes},
        {COVEY_OP_ARGMAX, {x}, 1, axis},
        {COVEY_OP_CUMSUM, {x}, 1, axis},
        {COVEY_OP_CUMSUM, {x}, 1, many},
        {COVEY_OP_TOPK, {x}, 1, axis},
        {COVEY_OP_TOPK, {x}, 1, many},
    };
    expect_refused(table, sizeof(table) / sizeof(table[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maxpool),
        cmocka_unit_test(test_avgpool_and_lppool),
        cmocka_unit_test(test_ceil_mode_sizes),
        cmocka_unit_test(test_global_pooling),
        cmocka_unit_test(test_lrn),
        cmocka_unit_test(test_instancenorm_and_groupnorm),
        cmocka_unit_test(test_layernorm),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_mvn),
        cmocka_unit_test(test_windows_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
