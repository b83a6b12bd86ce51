/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <math.h>
#include <stdlib.h>

struct window {
    struct covey_op_attrs a;
    struct covey_shape x, w, y;
};

/* The definition, in double precision, one output at a time. */
static double conv_at(const struct window *c, const float *x, const float *w, const uint32_t at[4])
{
    double sum = 0.0;
    uint32_t group = at[1] / (c->w.dims[0] / c->a.groups);
    for (uint32_t ch = 0; ch < c->w.dims[1]; ch++) {
        for (uint32_t i = 0; i < c->w.dims[2]; i++) {
            for (uint32_t j = 0; j < c->w.dims[3]; j++) {
                int64_t py = (int64_t)at[2] * c->a.stride[0] + i * c->a.dilation[0] - c->a.pads[0];
                int64_t px = (int64_t)at[3] * c->a.stride[1] + j * c->a.dilation[1] - c->a.pads[1];
                if (py < 0 || px < 0 || py >= c->x.dims[2] || px >= c->x.dims[3]) {
                    continue;
                }
                size_t from = (size_t)at[0] * c->x.dims[1] + group * c->w.dims[1] + ch;
                from = (from * c->x.dims[2] + (size_t)py) * c->x.dims[3] + (size_t)px;
                size_t tap = (size_t)at[1] * c->w.dims[1] + ch;
                tap = (tap * c->w.dims[2] + i) * c->w.dims[3] + j;
                sum += (double)x[from] * (double)w[tap];
            }
        }
    }
    return sum;
}

static double pool_at(const struct window *c, bool max, const float *x, const uint32_t at[4])
{
    double best = -INFINITY, sum = 0.0;
    unsigned inside = 0, padded = 0;
    const float *plane = x + ((size_t)at[0] * c->x.dims[1] + at[1]) * c->x.dims[2] * c->x.dims[3];
    for (uint32_t i = 0; i < c->a.kernel[0]; i++) {
        for (uint32_t j = 0; j < c->a.kernel[1]; j++) {
            int64_t py = (int64_t)at[2] * c->a.stride[0] + i * c->a.dilation[0] - c->a.pads[0];
            int64_t px = (int64_t)at[3] * c->a.stride[1] + j * c->a.dilation[1] - c->a.pads[1];
            padded += py < (int64_t)c->x.dims[2] + c->a.pads_end[0] &&
                      px < (int64_t)c->x.dims[3] + c->a.pads_end[1];
            if (py >= 0 && px >= 0 && py < c->x.dims[2] && px < c->x.dims[3]) {
                double v = (double)plane[py * c->x.dims[3] + px];
                best = v > best ? v : best;
                sum += v;
                inside++;
            }
        }
    }
    unsigned count = c->a.count_include_pad ? padded : inside;
    return max ? best : (count > 0 ? sum / count : 0.0);
}

static void next_index(const struct covey_shape *s, uint32_t at[4])
{
    for (unsigned i = 4; i-- > 0;) {
        if (++at[i] < s->dims[i]) {
            return;
        }
        at[i] = 0;
    }
}

static void random_window(struct window *c, uint64_t *seed, bool pads_below_kernel)
{
    c->a = attrs_default();
    for (unsigned i = 0; i < 2; i++) {
        c->a.kernel[i] = 1 + random_below(seed, 4);
        c->a.stride[i] = 1 + random_below(seed, 3);
        c->a.dilation[i] = 1 + random_below(seed, 2);
        uint32_t bound = pads_below_kernel ? c->a.kernel[i] : 4;
        c->a.pads[i] = random_below(seed, bound);
        c->a.pads_end[i] = random_below(seed, bound);
    }
}

/* im2col with GEMM is the convolution: every mix of stride, padding, dilation, groups and batch. */
static void test_conv_is_the_definition(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 150; round++) {
        struct window c;
        random_window(&c, &seed, false);
        c.a.groups = 1 + random_below(&seed, 3);
        uint32_t per_group = 1 + random_below(&seed, 3);
        uint32_t m = c.a.groups * (1 + random_below(&seed, 4)), batch = 1 + random_below(&seed, 3);
        c.x = shape_of(4, 1, c.a.groups * per_group, 7 + random_below(&seed, 9),
                       7 + random_below(&seed, 9));
        c.w = shape_of(4, m, per_group, c.a.kernel[0], c.a.kernel[1]);
        struct covey_graph *g = graph_with_input(c.x);
        uint16_t in[3] = {g->input[0], add_random(g, c.w, &seed),
                          add_random(g, shape_of(1, m, 0, 0, 0), &seed)};
        uint16_t w = in[1], b = in[2];
        add_op(g, COVEY_OP_CONV, &c.a, in, 2 + round % 2);
        c.x.dims[0] = batch;
        float *x = random_floats(&seed, floats_of(&c.x));
        size_t count;
        float *got = run_graph(g, batch, x, &count);
        c.y = g->values[g->output[0]].shape;
        float *expected = random_floats(&seed, count);
        uint32_t at[4] = {0};
        for (size_t i = 0; i < count; i++, next_index(&c.y, at)) {
            double bias = round % 2 ? (double)((const float *)g->values[b].data)[at[1]] : 0.0;
            expected[i] = (float)(conv_at(&c, x, g->values[w].data, at) + bias);
        }
        assert_true(relative_error(got, expected, count) < 1e-5);
        free(got);
        free(expected);
        free(x);
        covey_graph_free(g);
    }
}

/* Wide inputs are unrolled in several strips: the seams must not show. */
static void test_conv_of_several_strips(void **state)
{
    (void)state;
    uint64_t seed = 2;
    struct window c = {.a = attrs_default()};
    c.x = shape_of(4, 1, 16, 100, 101);
    c.w = shape_of(4, 2, 16, 5, 5);
    c.a.kernel[0] = c.a.kernel[1] = 5;
    c.a.pads[0] = c.a.pads_end[1] = 2;
    struct covey_graph *g = graph_with_input(c.x);
    uint16_t in[2] = {g->input[0], add_random(g, c.w, &seed)};
    add_op(g, COVEY_OP_CONV, &c.a, in, 2);
    float *x = random_floats(&seed, floats_of(&c.x));
    size_t count;
    float *got = run_graph(g, 0, x, &count);
    c.y = g->values[g->output[0]].shape;
    float *expected = random_floats(&seed, count);
    uint32_t at[4] = {0};
    for (size_t i = 0; i < count; i++, next_index(&c.y, at)) {
        expected[i] = (float)conv_at(&c, x, g->values[in[1]].data, at);
    }
    assert_true(relative_error(got, expected, count) < 1e-5);
    free(got);
    free(expected);
    free(x);
    covey_graph_free(g);
}

static uint32_t pooled(const struct window *c, unsigned axis)
{
    int64_t in = c->x.dims[2 + axis], stride = c->a.stride[axis];
    int64_t room = in + c->a.pads[axis] + c->a.pads_end[axis] -
                   ((int64_t)c->a.kernel[axis] - 1) * c->a.dilation[axis] - 1;
    int64_t size = (c->a.ceil_mode ? room + stride - 1 : room) / stride + 1;
    return (uint32_t)(c->a.ceil_mode && (size - 1) * stride >= in + c->a.pads[axis] ? size - 1
                                                                                    : size);
}

/* Pooling follows ONNX for ceil_mode, count_include_pad, padding and dilation. */
static void test_pool_is_the_definition(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (unsigned round = 0; round < 300; round++) {
        struct window c;
        bool max = round % 2;
        random_window(&c, &seed, true);
        c.a.ceil_mode = round / 2 % 2;
        c.a.count_include_pad = round / 4 % 2;
        c.x = shape_of(4, 2, 3, 7 + random_below(&seed, 9), 7 + random_below(&seed, 9));
        struct covey_graph *g = graph_with_input(c.x);
        add_op(g, max ? COVEY_OP_MAXPOOL : COVEY_OP_AVGPOOL, &c.a, &g->input[0], 1);
        float *x = random_floats(&seed, floats_of(&c.x));
        size_t count;
        float *got = run_graph(g, 0, x, &count);
        c.y = g->values[g->output[0]].shape;
        assert_int_equal(c.y.dims[2], pooled(&c, 0));
        assert_int_equal(c.y.dims[3], pooled(&c, 1));
        float *expected = random_floats(&seed, count);
        uint32_t at[4] = {0};
        for (size_t i = 0; i < count; i++, next_index(&c.y, at)) {
            expected[i] = (float)pool_at(&c, max, x, at);
        }
        assert_true(relative_error(got, expected, count) < 1e-5);
        free(got);
        free(expected);
        free(x);
        covey_graph_free(g);
    }
}

/* Dense layers and matrix products of any size, one row and one column included. */
static void test_products_are_the_definition(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (unsigned round = 0; round < 200; round++) {
        bool dense = round % 2;
        uint32_t n = 1 + random_below(&seed, 5) * (round % 3), k = 1 + random_below(&seed, 40);
        uint32_t m = 1 + random_below(&seed, 40) * (round % 5 != 0);
        struct covey_graph *g = graph_with_input(shape_of(2, n, k, 0, 0));
        struct covey_shape ws = dense ? shape_of(2, m, k, 0, 0) : shape_of(2, k, m, 0, 0);
        uint16_t in[2] = {g->input[0], add_random(g, ws, &seed)};
        add_op(g, dense ? COVEY_OP_DENSE : COVEY_OP_MATMUL, NULL, in, 2);
        float *x = random_floats(&seed, (size_t)n * k);
        size_t count;
        float *got = run_graph(g, 0, x, &count);
        assert_int_equal(count, n * m);
        float *expected = random_floats(&seed, count);
        for (size_t i = 0; i < count; i++) {
            double sum = 0.0;
            for (size_t j = 0; j < k; j++) {
                size_t tap = dense ? i % m * k + j : j * m + i % m;
                sum +=
                    (double)x[i / m * k + j] * (double)((const float *)g->values[in[1]].data)[tap];
            }
            expected[i] = (float)sum;
        }
        assert_true(relative_error(got, expected, count) < 1e-5);
        free(got);
        free(expected);
        free(x);
        covey_graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_is_the_definition),
        cmocka_unit_test(test_conv_of_several_strips),
        cmocka_unit_test(test_pool_is_the_definition),
        cmocka_unit_test(test_products_are_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
