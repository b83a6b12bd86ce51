/* SPDX-License-Identifier: MIT */
#include "optest.h"

#include <math.h>
#include <string.h>

static double at(const struct held *h, size_t i)
{
    return covey_tensor_element(&h->t, i);
}

/* Within rounding of the type; frees got. */
static void expect_near(struct held *got, const double *expected)
{
    double tolerance = got->t.type == COVEY_TYPE_F16 ? 2e-3 : 1e-5;
    expect_reals(got, got->t.type, got->t.shape, expected, tolerance);
}

/* Two spatial dimensions; a height of 0 means there is but one. */
struct window {
    uint32_t batch, in, out, groups, size[2], kernel[2], stride[2], dilation[2], pads[2], end[2];
};

static const struct window windows[] = {
    {1, 1, 1, 1, {0, 7}, {0, 3}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {2, 4, 6, 2, {0, 11}, {0, 3}, {1, 2}, {1, 2}, {0, 2}, {0, 1}},
    {2, 3, 5, 1, {6, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {1, 4, 4, 4, {7, 8}, {3, 2}, {2, 1}, {1, 1}, {1, 0}, {0, 1}},
    {2, 6, 4, 2, {5, 9}, {2, 3}, {2, 3}, {2, 1}, {1, 2}, {0, 1}},
    {1, 8, 8, 1, {4, 4}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {1, 16, 16, 1, {9, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
};
enum { WINDOWS = sizeof(windows) / sizeof(windows[0]) };

static struct covey_op_attrs attrs_of(const struct window *w)
{
    struct covey_op_attrs a = attrs_default();
    unsigned first = w->size[0] == 0;
    a.groups = w->groups;
    for (unsigned i = first; i < 2; i++) {
        a.kernel[i - first] = w->kernel[i];
        a.stride[i - first] = w->stride[i];
        a.dilation[i - first] = w->dilation[i];
        a.pads[i - first] = w->pads[i];
        a.pads_end[i - first] = w->end[i];
    }
    return a;
}

static struct covey_shape shape_with(const struct window *w, uint32_t n, uint32_t c,
                                     const uint32_t size[2])
{
    return w->size[0] == 0 ? DIMS(n, c, size[1]) : DIMS(n, c, size[0], size[1]);
}

static size_t side(uint32_t v)
{
    return v == 0 ? 1 : v;
}

/* The input position that tap k of output position o reads, or -1. */
static int64_t read_at(const struct window *w, unsigned axis, size_t o, size_t k)
{
    int64_t p = (int64_t)(o * w->stride[axis] + k * w->dilation[axis]) - w->pads[axis];
    return p < 0 || p >= (int64_t)side(w->size[axis]) ? -1 : p;
}

/* sum over taps, from its formula; y has room for all outputs. */
static void naive_conv(const struct window *w, const struct optest *t, const uint32_t out[2],
                       double *y)
{
    size_t per = w->in / w->groups, rows = side(out[0]), cols = out[1];
    size_t kernel[2] = {side(w->kernel[0]), w->kernel[1]};
    for (size_t i = 0; i < w->batch * w->out * rows * cols; i++) {
        size_t oc = i / cols / rows % w->out, image = i / cols / rows / w->out;
        size_t base = image * w->in + oc / (w->out / w->groups) * per;
        y[i] = t->in[2] != NULL ? at(t->in[2], oc) : 0.0;
        for (size_t tap = 0; tap < per * kernel[0] * kernel[1]; tap++) {
            size_t ic = tap / kernel[1] / kernel[0];
            int64_t row = read_at(w, 0, i / cols % rows, tap / kernel[1] % kernel[0]);
            int64_t col = read_at(w, 1, i % cols, tap % kernel[1]);
            if (row >= 0 && col >= 0) {
                size_t x = ((base + ic) * side(w->size[0]) + (size_t)row) * w->size[1];
                y[i] += at(t->in[0], x + (size_t)col) *
                        at(t->in[1], oc * per * kernel[0] * kernel[1] + tap);
            }
        }
    }
}

static void out_size(const struct window *w, uint32_t out[2])
{
    for (unsigned i = 0; i < 2; i++) {
        uint32_t extent = (w->kernel[i] - 1) * w->dilation[i] + 1;
        out[i] =
            w->size[i] == 0 ? 0 : (w->size[i] + w->pads[i] + w->end[i] - extent) / w->stride[i] + 1;
    }
}

static struct optest conv_test(const struct window *w, enum covey_type type, bool bias)
{
    struct optest t = optest_of(bias ? 3 : 2);
    t.attrs = attrs_of(w);
    t.in[0] = hold_random(type, shape_with(w, w->batch, w->in, w->size), -4, 9);
    t.in[1] = hold_random(type, shape_with(w, w->out, w->in / w->groups, w->kernel), -3, 7);
    t.in[2] = bias ? hold_random(type, DIMS(w->out), -9, 19) : NULL;
    return t;
}

/* Convolutions of one and two dimensions are the sums of their formula, plus what is added, through
 * the activation, whatever the number of threads. */
static void test_conv(void **state)
{
    (void)state;
    for (unsigned round = 0; round < WINDOWS * 4; round++) {
        const struct window *w = &windows[round / 4];
        struct optest t = conv_test(w, COVEY_TYPE_F32, round & 1);
        uint32_t out[2];
        static double expected[OPTEST_MAX];
        out_size(w, out);
        naive_conv(w, &t, out, expected);
        if (round & 2) {
            t.inputs = 4;
            t.threads = 2;
            t.attrs.act = COVEY_ACT_RELU;
            t.in[3] = hold_random(COVEY_TYPE_F32, shape_with(w, w->batch, w->out, out), -20, 41);
            for (size_t i = 0; i < covey__shape_elements(&t.in[3]->t.shape); i++) {
                double v = expected[i] + at(t.in[3], i);
                expected[i] = v > 0.0 ? v : 0.0;
            }
        }
        expect_near(optest_run(COVEY_OP_CONV, &t), expected);
    }
}

/* Constant weights are laid out once and not read again; the result stays. */
static void test_conv_with_weights_laid_out(void **state)
{
    (void)state;
    for (unsigned round = 0; round < WINDOWS; round++) {
        const struct window *w = &windows[round];
        struct optest t = conv_test(w, COVEY_TYPE_F32, true);
        static double expected[OPTEST_MAX];
        uint32_t out[2];
        size_t count;
        out_size(w, out);
        naive_conv(w, &t, out, expected);
        struct covey_graph *g = graph_with_input(t.in[0]->t.shape);
        uint16_t weights = add_constant(g, t.in[1]->t.shape, t.in[1]->t.data);
        uint16_t bias = add_constant(g, t.in[2]->t.shape, t.in[2]->t.data);
        add_op(g, COVEY_OP_CONV, &t.attrs, (const uint16_t[]){g->input[0], weights, bias}, 3);
        float *got = run_graph(g, 0, t.in[0]->t.data, &count);
        for (size_t i = 0; i < count; i++) {
            assert_true(fabs((double)got[i] - expected[i]) < 1e-3);
        }
        struct covey_model *m = NULL;
        expect_ok(covey_model_new(g, NULL, &m, NULL), NULL);
        assert_true(covey_model_kernel(m, 0)[0] != '\0');
        assert_int_equal(covey_model_reads(m, weights), covey_model_state(m) == 0);
        covey_model_free(m);
        free(got);
        optest_done(&t);
        covey_graph_free(g);
    }
}

/* Each input pixel times each tap lands where a convolution with the same window would read it. */
static void naive_transpose(const struct window *w, const struct optest *t, const uint32_t in[2],
                            double *y)
{
    size_t per = w->out / w->groups, taps = side(w->kernel[0]) * w->kernel[1];
    size_t plane = side(w->size[0]) * w->size[1], pixels = side(in[0]) * in[1];
    for (size_t i = 0; i < w->batch * w->in * plane; i++) {
        y[i] = t->in[2] != NULL ? at(t->in[2], i / plane % w->in) : 0.0;
    }
    for (size_t i = 0; i < w->batch * w->out * pixels; i++) {
        size_t ic = i / pixels % w->out, image = i / pixels / w->out, group = ic / per;
        size_t width = w->in / w->groups;
        for (size_t j = 0; j < width * taps; j++) {
            int64_t row = read_at(w, 0, i % pixels / in[1], j % taps / w->kernel[1]);
            int64_t col = read_at(w, 1, i % in[1], j % w->kernel[1]);
            if (row >= 0 && col >= 0) {
                size_t channel = image * w->in + group * width + j / taps;
                y[channel * plane + (size_t)row * w->size[1] + (size_t)col] +=
                    at(t->in[0], i) * at(t->in[1], ic * width * taps + j);
            }
        }
    }
}

/* A transposed convolution is the adjoint of the convolution with the same window. */
static void test_convtranspose(void **state)
{
    (void)state;
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F32, COVEY_TYPE_F64,
                                            COVEY_TYPE_F16};
    for (unsigned round = 0; round < WINDOWS * 4; round++) {
        const struct window *w = &windows[round / 4];
        enum covey_type type = types[round % 4];
        struct optest t = optest_of(round & 1 ? 3 : 2);
        static double expected[OPTEST_MAX];
        uint32_t in[2];
        out_size(w, in);
        t.threads = 1 + (round & 1);
        t.attrs = attrs_of(w);
        unsigned first = w->size[0] == 0;
        for (unsigned i = first; i < 2; i++) {
            uint32_t extent = (w->kernel[i] - 1) * w->dilation[i] + 1 + (in[i] - 1) * w->stride[i];
            t.attrs.out_pads[i - first] = w->size[i] + w->pads[i] + w->end[i] - extent;
        }
        t.in[0] = hold_random(type, shape_with(w, w->batch, w->out, in), -4, 9);
        t.in[1] = hold_random(type, shape_with(w, w->out, w->in / w->groups, w->kernel), -1, 3);
        t.in[2] = round & 1 ? hold_random(type, DIMS(w->in), -9, 19) : NULL;
        naive_transpose(w, &t, in, expected);
        struct held *y = optest_run(COVEY_OP_CONVTRANSPOSE, &t);
        struct covey_shape s = shape_with(w, w->batch, w->in, w->size);
        assert_true(covey_shape_equal(&y->t.shape, &s));
        expect_near(y, expected);
    }
}

struct pair {
    struct covey_shape a, b, y;
};

/* Which matrix of an operand meets matrix i of the result. */
static size_t matrix_of(const struct covey_shape *s, const struct covey_shape *lead, size_t i)
{
    size_t index = 0, step = 1;
    for (unsigned axis = lead->rank; axis-- > 0;) {
        unsigned behind = lead->rank - axis + 2;
        if (s->rank >= behind) {
            uint32_t dim = s->dims[s->rank - behind];
            index += dim == 1 ? 0 : i % lead->dims[axis] * step;
            step *= dim;
        }
        i /= lead->dims[axis];
    }
    return index;
}

static void naive_matmul(const struct pair *p, const struct optest *t, double *y)
{
    size_t m = p->a.rank > 1 ? p->a.dims[p->a.rank - 2] : 1, k = p->a.dims[p->a.rank - 1];
    size_t n = p->b.rank > 1 ? p->b.dims[p->b.rank - 1] : 1;
    struct covey_shape lead = p->y;
    lead.rank = (uint8_t)(lead.rank - (p->a.rank > 1) - (p->b.rank > 1));
    for (size_t i = 0; i < covey__shape_elements(&p->y); i++) {
        size_t a = matrix_of(&p->a, &lead, i / n / m) * m * k + i / n % m * k;
        size_t b = matrix_of(&p->b, &lead, i / n / m) * k * n + i % n;
        y[i] = 0.0;
        for (size_t j = 0; j < k; j++) {
            y[i] += at(t->in[0], a + j) * at(t->in[1], b + j * n);
        }
    }
}

/* Products follow numpy: vectors, matrices, and stacks of them that repeat. */
static void test_matmul(void **state)
{
    (void)state;
    const struct pair table[] = {
        {DIMS(3), DIMS(3), SCALAR},
        {DIMS(3), DIMS(3, 4), DIMS(4)},
        {DIMS(2, 3), DIMS(3), DIMS(2)},
        {DIMS(2, 3), DIMS(3, 4), DIMS(2, 4)},
        {DIMS(5, 2, 3), DIMS(3, 4), DIMS(5, 2, 4)},
        {DIMS(2, 3), DIMS(5, 3, 4), DIMS(5, 2, 4)},
        {DIMS(5, 1, 2, 3), DIMS(1, 6, 3, 4), DIMS(5, 6, 2, 4)},
        {DIMS(2, 5, 2, 3), DIMS(2, 1, 3, 4), DIMS(2, 5, 2, 4)},
        {DIMS(2, 1, 1, 3), DIMS(2, 3, 4), DIMS(2, 2, 1, 4)},
        {DIMS(3), DIMS(5, 3, 4), DIMS(5, 4)},
        {DIMS(5, 2, 3), DIMS(3), DIMS(5, 2)},
        {DIMS(2, 0), DIMS(0, 3), DIMS(2, 3)},
        {DIMS(0, 2), DIMS(2, 3), DIMS(0, 3)},
    };
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16,
                                            COVEY_TYPE_I32, COVEY_TYPE_I64, COVEY_TYPE_U32};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]) * 6; i++) {
        const struct pair *p = &table[i / 6];
        struct optest t = optest_of(2);
        double expected[512];
        t.threads = 1 + i % 2;
        t.in[0] = hold_random(types[i % 6], p->a, 0, 9);
        t.in[1] = hold_random(types[i % 6], p->b, 0, 9);
        naive_matmul(p, &t, expected);
        struct held *y = optest_run(COVEY_OP_MATMUL, &t);
        assert_true(covey_shape_equal(&y->t.shape, &p->y));
        expect_near(y, expected);
    }
}

/* alpha op(A) op(B) + beta C, with C repeated from every shape that fits. */
static void test_gemm(void **state)
{
    (void)state;
    const struct covey_shape addends[] = {SCALAR,     DIMS(1),    DIMS(4),   DIMS(1, 4),
                                          DIMS(3, 1), DIMS(3, 4), DIMS(1, 1)};
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_I32};
    for (unsigned i = 0; i < 4 * 3 * 8 * 2; i++) {
        struct optest t = optest_of(i / 24 % 8 < 7 ? 3 : 2);
        struct covey_shape s = addends[i / 24 % 8 % 7];
        enum covey_type type = types[i / 4 % 3];
        bool plain = i / 192 == 1;
        double expected[12];
        t.attrs.mode = i % 4;
        t.attrs.alpha = plain ? 1.0f : 0.5f;
        t.attrs.beta = plain ? 1.0f : 2.0f;
        t.in[0] = hold_random(type, i & 1 ? DIMS(5, 3) : DIMS(3, 5), -4, 9);
        t.in[1] = hold_random(type, i & 2 ? DIMS(4, 5) : DIMS(5, 4), -4, 9);
        t.in[2] = t.inputs > 2 ? hold_random(type, s, -9, 19) : NULL;
        for (size_t j = 0; j < 12; j++) {
            size_t row = j / 4, col = j % 4;
            double sum = 0.0;
            for (size_t k = 0; k < 5; k++) {
                sum += at(t.in[0], i & 1 ? k * 3 + row : row * 5 + k) *
                       at(t.in[1], i & 2 ? col * 5 + k : k * 4 + col);
            }
            bool rows = s.rank == 2 && s.dims[0] == 3;
            bool cols = s.rank > 0 && s.dims[s.rank - 1] == 4;
            size_t c = (rows ? row * (cols ? 4 : 1) : 0) + (cols ? col : 0);
            double v = (double)t.attrs.alpha * sum +
                       (t.inputs > 2 ? (double)t.attrs.beta * at(t.in[2], c) : 0.0);
            expected[j] = type == COVEY_TYPE_I32 ? trunc(v) : v;
        }
        expect_near(optest_run(COVEY_OP_GEMM, &t), expected);
    }
}

/* Dense layers of one, a few and many rows are X W' + B through the activation. */
static void test_dense(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        uint32_t n = (const uint32_t[]){1, 5, 16, 20}[i % 4];
        struct optest t = optest_of(i / 4 == 0 ? 2 : 3);
        double expected[20 * 33];
        t.threads = 1 + i % 2;
        t.attrs.act = i / 4 == 2 ? COVEY_ACT_RELU : COVEY_ACT_NONE;
        t.in[0] = hold_random(COVEY_TYPE_F32, DIMS(n, 70), -4, 9);
        t.in[1] = hold_random(COVEY_TYPE_F32, DIMS(33, 70), -4, 9);
        t.in[2] = t.inputs > 2 ? hold_random(COVEY_TYPE_F32, DIMS(33), -9, 19) : NULL;
        for (size_t j = 0; j < n * 33; j++) {
            double v = t.inputs > 2 ? at(t.in[2], j % 33) : 0.0;
            for (size_t k = 0; k < 70; k++) {
                v += at(t.in[0], j / 33 * 70 + k) * at(t.in[1], j % 33 * 70 + k);
            }
            expected[j] = t.attrs.act == COVEY_ACT_RELU && v < 0.0 ? 0.0 : v;
        }
        expect_near(optest_run(COVEY_OP_DENSE, &t), expected);
    }
}

/* (x - mean) scale / sqrt(var + epsilon) + bias by channel, for every rank from 2 and float type.
 */
static void test_batchnorm(void **state)
{
    (void)state;
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16};
    const struct covey_shape shapes[] = {DIMS(3, 4), DIMS(2, 4, 5), DIMS(2, 4, 3, 2),
                                         DIMS(1, 4, 2, 2, 2)};
    for (unsigned i = 0; i < 12; i++) {
        struct optest t = optest_of(5);
        struct covey_shape s = shapes[i / 3];
        double expected[64];
        t.in[0] = hold_random(types[i % 3], s, -9, 19);
        for (unsigned j = 1; j < 5; j++) {
            t.in[j] = hold_random(types[i % 3], DIMS(4), j == 4 ? 1 : -4, 9);
        }
        t.attrs.epsilon = 0.01f;
        for (size_t j = 0; j < covey__shape_elements(&s); j++) {
            size_t ch = j / covey__shape_range(&s, 2, s.rank) % 4;
            double unit =
                (at(t.in[0], j) - at(t.in[3], ch)) / sqrt(at(t.in[4], ch) + (double)0.01f);
            expected[j] = unit * at(t.in[1], ch) + at(t.in[2], ch);
        }
        expect_near(optest_run(COVEY_OP_BATCHNORM, &t), expected);
    }
}

/* At inference dropout keeps everything, and its mask says so. */
static void test_dropout(void **state)
{
    (void)state;
    struct optest t = optest_of(1);
    struct held *out[2];
    t.outputs = 2;
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(3), 1, -2, 3);
    expect_ok(optest_try(COVEY_OP_DROPOUT, &t, out), NULL);
    optest_done(&t);
    EXPECT(out[0], COVEY_TYPE_F32, DIMS(3), 1, -2, 3);
    EXPECT(out[1], COVEY_TYPE_BOOL, DIMS(3), 1, 1, 1);
}

/* Attributes and shapes that do not fit each other are refused, never run. */
static void test_layers_refuse(void **state)
{
    (void)state;
    struct covey_op_attrs plain = attrs_default(), three = plain, none = plain, big = plain;
    three.kernel[0] = three.kernel[1] = 3;
    none = three, none.groups = 0;
    big = three, big.pads[0] = UINT32_MAX;
    struct covey_op_attrs cut = three, split = three, odd = plain;
    cut.pads[0] = cut.pads_end[0] = 9;
    split.groups = 3;
    odd.mode = 9;
    struct covey_shape x = DIMS(1, 2, 5, 5), w = DIMS(4, 2, 3, 3);
    const struct refusal table[] = {
        {COVEY_OP_CONV, {x, w}, 2, plain},
        {COVEY_OP_CONV, {x, w}, 2, none},
        {COVEY_OP_CONV, {x, w}, 2, big},
        {COVEY_OP_CONV, {x, w}, 2, split},
        {COVEY_OP_CONV, {DIMS(1, 3, 5, 5), w}, 2, three},
        {COVEY_OP_CONV, {DIMS(1, 2, 5), w}, 2, three},
        {COVEY_OP_CONV, {DIMS(1, 2, 5, 5, 5), DIMS(4, 2, 3, 3, 3)}, 2, three},
        {COVEY_OP_CONV, {DIMS(2), DIMS(2)}, 2, plain},
        {COVEY_OP_CONV, {x, w, DIMS(3)}, 3, three},
        {COVEY_OP_CONV, {x, w, DIMS(4), DIMS(1, 4, 3, 1)}, 4, three},
        {COVEY_OP_CONVTRANSPOSE, {DIMS(1, 4, 5, 5), w}, 2, plain},
        {COVEY_OP_CONVTRANSPOSE, {DIMS(1, 4, 5, 5), w}, 2, none},
        {COVEY_OP_CONVTRANSPOSE, {DIMS(1, 4, 5, 5), w}, 2, big},
        {COVEY_OP_CONVTRANSPOSE, {DIMS(1, 4, 5, 5), w}, 2, cut},
        {COVEY_OP_CONVTRANSPOSE, {DIMS(1, 4, 5, 5), w}, 2, split},
        {COVEY_OP_CONVTRANSPOSE, {x, w}, 2, three},
        {COVEY_OP_CONVTRANSPOSE, {DIMS(4), DIMS(4)}, 2, plain},
        {COVEY_OP_CONVTRANSPOSE, {SCALAR, SCALAR}, 2, plain},
        {COVEY_OP_DENSE, {DIMS(2, 3), DIMS(4, 5)}, 2, plain},
        {COVEY_OP_DENSE, {DIMS(3), DIMS(4, 3)}, 2, plain},
        {COVEY_OP_DENSE, {DIMS(2, 3), DIMS(4, 3), DIMS(3)}, 3, plain},
        {COVEY_OP_MATMUL, {DIMS(2, 3), DIMS(4, 5)}, 2, plain},
        {COVEY_OP_MATMUL, {SCALAR, DIMS(4, 5)}, 2, plain},
        {COVEY_OP_MATMUL, {DIMS(2, 2, 3), DIMS(3, 3, 5)}, 2, plain},
        {COVEY_OP_GEMM, {DIMS(2, 3), DIMS(4, 5)}, 2, plain},
        {COVEY_OP_GEMM, {DIMS(2, 3), DIMS(3, 5)}, 2, odd},
        {COVEY_OP_GEMM, {DIMS(2, 3), DIMS(3, 5), DIMS(2)}, 3, plain},
        {COVEY_OP_GEMM, {DIMS(2, 3), DIMS(3, 5), DIMS(1, 2, 5)}, 3, plain},
        {COVEY_OP_GEMM, {DIMS(3), DIMS(3, 5)}, 2, plain},
    };
    expect_refused(table, sizeof(table) / sizeof(table[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),          cmocka_unit_test(test_conv_with_weights_laid_out),
        cmocka_unit_test(test_convtranspose), cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_gemm),          cmocka_unit_test(test_dense),
        cmocka_unit_test(test_batchnorm),     cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_layers_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
