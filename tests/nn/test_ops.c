/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <math.h>
#include <stdlib.h>

/* One node over the graph's input; the result must be `expected`. */
static void check_node(enum covey_op op, const struct covey_op_attrs *a, struct covey_shape in,
                       const float *input, struct covey_tensor expected)
{
    struct covey_graph *g = graph_with_input(in);
    size_t count;
    add_op(g, op, a, &g->input[0], 1);
    float *got = run_graph(g, 0, input, &count);
    assert_true(covey_shape_equal(&g->values[g->output[0]].shape, &expected.shape));
    assert_true(relative_error(got, expected.data, count) < 1e-6);
    free(got);
    covey_graph_free(g);
}

struct unary {
    enum covey_op op;
    float expected[5];
};

/* Activations follow their formulas at, below and above their bends. */
static void test_activations(void **state)
{
    (void)state;
    const float x[5] = {-3.0f, -0.5f, 0.0f, 0.5f, 20.0f};
    const struct unary table[] = {
        {COVEY_OP_RELU, {0, 0, 0, 0.5f, 20}},
        {COVEY_OP_LEAKYRELU, {-0.3f, -0.05f, 0, 0.5f, 20}},
        {COVEY_OP_CLIP, {-1, -0.5f, 0, 0.5f, 6}},
        {COVEY_OP_SIGMOID, {0.047425873f, 0.37754068f, 0.5f, 0.62245935f, 1}},
        {COVEY_OP_TANH, {-0.99505478f, -0.46211717f, 0, 0.46211717f, 1}},
        {COVEY_OP_IDENTITY, {-3, -0.5f, 0, 0.5f, 20}},
    };
    struct covey_op_attrs a = attrs_default();
    a.alpha = 0.1f;
    a.low = -1;
    a.high = 6;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        float expected[5];
        memcpy(expected, table[i].expected, sizeof(expected));
        struct covey_shape s = shape_of(2, 1, 5, 0, 0);
        check_node(table[i].op, &a, s, x, (struct covey_tensor){COVEY_TYPE_F32, s, expected});
    }
}

/* Softmax along any axis sums to one, and stays finite for large numbers. */
static void test_softmax_axes(void **state)
{
    (void)state;
    const float x[6] = {1000, 1001, 1, 2, -1000, 5};
    float e = expf(1.0f), rows[6], columns[6] = {1, 1, 0, 0, 0, 1};
    rows[0] = 1 / (1 + e), rows[1] = e / (1 + e), rows[2] = rows[0], rows[3] = rows[1];
    rows[4] = 0, rows[5] = 1;
    struct covey_shape s = shape_of(2, 3, 2, 0, 0);
    struct covey_op_attrs a = attrs_default();
    a.axis = -1;
    check_node(COVEY_OP_SOFTMAX, &a, s, x, (struct covey_tensor){COVEY_TYPE_F32, s, rows});
    float column[6];
    memcpy(column, columns, sizeof(column));
    column[1] = 1, column[3] = 0, column[5] = 0;
    a.axis = 0;
    check_node(COVEY_OP_SOFTMAX, &a, s, x, (struct covey_tensor){COVEY_TYPE_F32, s, column});
    for (size_t i = 0; i < 4; i++) {
        rows[i] = logf(rows[i]);
    }
    rows[4] = -1005, rows[5] = 0;
    a.axis = 1;
    check_node(COVEY_OP_LOGSOFTMAX, &a, s, x, (struct covey_tensor){COVEY_TYPE_F32, s, rows});
}

/* Transposing, padding, reducing and flattening move every element where ONNX says. */
static void test_shape_operators(void **state)
{
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    struct covey_op_attrs a = attrs_default();
    a.shape_rank = 3;
    a.shape[0] = 2, a.shape[1] = 0, a.shape[2] = 1;
    check_node(COVEY_OP_TRANSPOSE, &a, shape_of(3, 1, 2, 3, 0), x,
               (struct covey_tensor){COVEY_TYPE_F32, shape_of(3, 3, 1, 2, 0),
                                     (float[]){1, 4, 2, 5, 3, 6}});
    a = attrs_default();
    a.pad[1] = 1, a.pad[2] = 1, a.value = 9;
    check_node(COVEY_OP_PAD, &a, shape_of(2, 2, 3, 0, 0), x,
               (struct covey_tensor){COVEY_TYPE_F32, shape_of(2, 3, 4, 0, 0),
                                     (float[]){9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9}});
    a = attrs_default();
    a.axes = 1;
    a.keepdims = false;
    check_node(COVEY_OP_REDUCEMEAN, &a, shape_of(2, 2, 3, 0, 0), x,
               (struct covey_tensor){COVEY_TYPE_F32, shape_of(1, 3, 0, 0, 0),
                                     (float[]){2.5f, 3.5f, 4.5f}});
    a.axes = 0;
    a.keepdims = true;
    check_node(COVEY_OP_REDUCEMEAN, &a, shape_of(2, 2, 3, 0, 0), x,
               (struct covey_tensor){COVEY_TYPE_F32, shape_of(2, 1, 1, 0, 0), (float[]){3.5f}});
    check_node(COVEY_OP_GLOBALAVGPOOL, &a, shape_of(4, 1, 2, 3, 1), x,
               (struct covey_tensor){COVEY_TYPE_F32, shape_of(4, 1, 2, 1, 1), (float[]){2, 5}});
    float same[6];
    memcpy(same, x, sizeof(same));
    a.axis = 2;
    check_node(COVEY_OP_FLATTEN, &a, shape_of(2, 2, 3, 0, 0), x,
               (struct covey_tensor){COVEY_TYPE_F32, shape_of(2, 6, 1, 0, 0), same});
    a.axis = -1;
    check_node(COVEY_OP_FLATTEN, &a, shape_of(3, 1, 2, 3, 0), x,
               (struct covey_tensor){COVEY_TYPE_F32, shape_of(2, 2, 3, 0, 0), same});
    a.shape_rank = 3;
    a.shape[0] = 0, a.shape[1] = -1, a.shape[2] = 1;
    check_node(COVEY_OP_RESHAPE, &a, shape_of(2, 2, 3, 0, 0), x,
               (struct covey_tensor){COVEY_TYPE_F32, shape_of(3, 2, 3, 1, 0), same});
}

/* A target shape with the batch of 1 written into it follows the batch that is run. */
static void test_reshape_follows_the_batch(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const float x[12] = {0};
        struct covey_graph *g = graph_with_input(shape_of(3, 1, 2, 3, 0));
        struct covey_op_attrs a = attrs_default();
        size_t count;
        a.shape_rank = 2;
        a.shape[0] = 1;
        a.shape[1] = i == 0 ? 6 : -1;
        add_op(g, COVEY_OP_RESHAPE, &a, &g->input[0], 1);
        free(run_graph(g, 2, x, &count));
        struct covey_shape expected = shape_of(2, 2, 6, 0, 0);
        assert_true(covey_shape_equal(&g->values[g->output[0]].shape, &expected));
        covey_graph_free(g);
    }
}

/* y_c = x_c / (bias + alpha / size * sum of squares around c) ^ beta, clipped at the ends. */
static void test_lrn(void **state)
{
    (void)state;
    const float x[5] = {1, 2, 3, 4, 5};
    struct covey_op_attrs a = attrs_default();
    a.size = 3;
    a.alpha = 0.3f;
    a.beta = 0.5f;
    a.bias = 2;
    const float sums[5] = {5, 14, 29, 50, 41};
    float y[5];
    for (size_t i = 0; i < 5; i++) {
        y[i] = x[i] / sqrtf(2 + 0.1f * sums[i]);
    }
    struct covey_shape s = shape_of(4, 1, 5, 1, 1);
    check_node(COVEY_OP_LRN, &a, s, x, (struct covey_tensor){COVEY_TYPE_F32, s, y});
}

static float apply(enum covey_op op, float a, float b)
{
    return op == COVEY_OP_ADD   ? a + b
           : op == COVEY_OP_SUB ? a - b
           : op == COVEY_OP_MUL ? a * b
                                : a / b;
}

/* Broadcasting repeats every dimension of 1, on both sides and for tensors of lower rank. */
static void test_broadcasting(void **state)
{
    (void)state;
    static const struct covey_shape shapes[] = {
        {4, {2, 3, 4, 5}}, {3, {3, 1, 1}},    {1, {5}},          {1, {1}},
        {0, {0}},          {4, {2, 1, 4, 1}}, {4, {1, 3, 1, 5}}, {4, {2, 3, 4, 1}},
    };
    enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };
    uint64_t seed = 60;
    for (unsigned round = 0; round < SHAPES * 8; round++) {
        enum covey_op op = COVEY_OP_ADD + round / 2 % 4;
        struct covey_shape s = shapes[round / 8], in = shape_of(4, 2, 3, 4, 5);
        struct covey_graph *g = graph_with_input(in);
        uint16_t b = add_random(g, s, &seed);
        add_op(g, op, NULL, round % 2 ? (uint16_t[]){b, g->input[0]} : (uint16_t[]){g->input[0], b},
               2);
        float *x = random_floats(&seed, 120), expected[120];
        size_t count;
        float *got = run_graph(g, 0, x, &count);
        assert_int_equal(count, 120);
        for (uint32_t i = 0; i < 120; i++) {
            const uint32_t at[4] = {i / 60, i / 20 % 3, i / 5 % 4, i % 5};
            size_t from = 0;
            for (unsigned j = 0; j < s.rank; j++) {
                from = from * s.dims[j] + (s.dims[j] == 1 ? 0 : at[4 - s.rank + j]);
            }
            float v = ((const float *)g->values[b].data)[from];
            expected[i] = round % 2 ? apply(op, v, x[i]) : apply(op, x[i], v);
        }
        assert_true(relative_error(got, expected, count) < 1e-6);
        free(got);
        free(x);
        covey_graph_free(g);
    }
}

/* Inputs are laid side by side along the axis, also when one of them is used twice. */
static void test_concat(void **state)
{
    (void)state;
    struct covey_graph *g = graph_with_input(shape_of(3, 2, 1, 2, 0));
    struct covey_op_attrs a = attrs_default();
    const float more[8] = {10, 11, 12, 13, 20, 21, 22, 23}, x[4] = {1, 2, 3, 4};
    const float expected[16] = {1, 2, 10, 11, 12, 13, 1, 2, 3, 4, 20, 21, 22, 23, 3, 4};
    uint16_t b = add_constant(g, shape_of(3, 2, 2, 2, 0), more);
    a.axis = -2;
    add_op(g, COVEY_OP_CONCAT, &a, (const uint16_t[]){g->input[0], b, g->input[0]}, 3);
    size_t count;
    float *got = run_graph(g, 0, x, &count);
    assert_int_equal(count, 16);
    assert_memory_equal(got, expected, sizeof(expected));
    free(got);
    covey_graph_free(g);
}

/* A not-a-number in the input is not hidden by an activation. */
static void test_activations_keep_nan(void **state)
{
    (void)state;
    const float x[2] = {NAN, -1};
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 2, 0, 0));
    size_t count;
    add_unary(g, COVEY_OP_CLIP, add_unary(g, COVEY_OP_RELU, g->input[0]));
    float *got = run_graph(g, 0, x, &count);
    assert_true(isnan(got[0]) && got[1] == 0.0f);
    free(got);
    covey_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_softmax_axes),
        cmocka_unit_test(test_shape_operators),
        cmocka_unit_test(test_reshape_follows_the_batch),
        cmocka_unit_test(test_lrn),
        cmocka_unit_test(test_broadcasting),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_activations_keep_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
