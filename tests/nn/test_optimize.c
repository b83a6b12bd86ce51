/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <stdlib.h>

static size_t count_ops(const struct covey_graph *g, enum covey_op op)
{
    size_t count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        count += g->nodes[i].op == op;
    }
    return count;
}

/* Runs g, optimises it, runs it again: the results must agree. */
static void check_equal(struct covey_graph *g, uint64_t seed)
{
    struct covey_nn_error why = {""};
    size_t before, after;
    float *input = random_floats(&seed, floats_of(&g->values[g->input[0]].shape));
    float *expected = run_graph(g, 0, input, &before);
    expect_ok(covey_graph_optimize(g, &why), &why);
    float *got = run_graph(g, 0, input, &after);
    assert_int_equal(before, after);
    assert_true(relative_error(got, expected, after) < 1e-5);
    free(input);
    free(expected);
    free(got);
}

/* Batch norm, activations, identities go away in a residual network; its answers stay. */
static void test_optimize_keeps_the_answer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 6; seed++) {
        struct covey_graph *g = small_network(seed);
        check_equal(g, seed);
        assert_int_equal(count_ops(g, COVEY_OP_BATCHNORM), 0);
        assert_int_equal(count_ops(g, COVEY_OP_RELU), 0);
        assert_int_equal(count_ops(g, COVEY_OP_TANH), 0);
        assert_int_equal(count_ops(g, COVEY_OP_IDENTITY), 0);
        assert_int_equal(count_ops(g, COVEY_OP_ADD), 0);
        assert_int_equal(g->node_count, 7);
        covey_graph_free(g);
    }
}

/* Batch norm is folded into a convolution and a dense layer, with and without a bias. */
static void test_optimize_folds_batchnorm(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        uint64_t seed = 20 + round;
        bool conv = round % 2;
        struct covey_graph *g =
            graph_with_input(conv ? shape_of(4, 2, 3, 6, 6) : shape_of(2, 2, 9, 0, 0));
        uint16_t x = conv ? add_conv(g, g->input[0], (const uint32_t[]){3, 5, 3, 0}, &seed)
                          : add_dense(g, g->input[0], 9, 5, &seed);
        g->nodes[0].inputs = round < 2 ? 3 : 2;
        add_batchnorm(g, x, 5, &seed);
        check_equal(g, seed);
        assert_int_equal(g->node_count, 1);
        assert_int_equal(g->nodes[0].inputs, 3);
        covey_graph_free(g);
    }
}

/* A product followed by the addition of one number a row is one layer with a bias. */
static void test_optimize_folds_added_bias(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        uint64_t seed = 30 + round;
        bool conv = round % 2;
        struct covey_graph *g =
            graph_with_input(conv ? shape_of(4, 1, 3, 6, 6) : shape_of(2, 1, 9, 0, 0));
        uint16_t x = conv ? add_conv(g, g->input[0], (const uint32_t[]){3, 5, 3, 0}, &seed)
                          : add_dense(g, g->input[0], 9, 5, &seed);
        struct covey_shape s = conv ? shape_of(3, 5, 1, 1, 0) : shape_of(2, 1, 5, 0, 0);
        uint16_t b = add_random(g, s, &seed);
        x = add_op(g, COVEY_OP_ADD, NULL,
                   round < 2 ? (const uint16_t[]){x, b} : (const uint16_t[]){b, x}, 2);
        add_unary(g, COVEY_OP_RELU, x);
        check_equal(g, seed);
        assert_int_equal(g->node_count, 1);
        assert_int_equal(g->nodes[0].attrs.act, COVEY_ACT_RELU);
        covey_graph_free(g);
    }
}

/* A constant that differs by pixel, or a layer that others use too, is no bias. */
static void test_optimize_leaves_what_is_no_bias(void **state)
{
    (void)state;
    uint64_t seed = 40;
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 3, 5, 5));
    uint16_t x = add_conv(g, g->input[0], (const uint32_t[]){3, 5, 3, 1}, &seed);
    uint16_t b = add_random(g, shape_of(1, 5, 0, 0, 0), &seed);
    x = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[]){x, b}, 2);
    uint16_t y = add_batchnorm(g, x, 5, &seed);
    uint16_t z = add_conv(g, y, (const uint32_t[]){5, 5, 3, 1}, &seed);
    uint16_t r = add_unary(g, COVEY_OP_RELU, z);
    add_op(g, COVEY_OP_MUL, NULL, (const uint16_t[]){z, r}, 2);
    check_equal(g, seed);
    assert_int_equal(count_ops(g, COVEY_OP_ADD), 1);
    assert_int_equal(count_ops(g, COVEY_OP_BATCHNORM), 1);
    assert_int_equal(count_ops(g, COVEY_OP_RELU), 1);
    covey_graph_free(g);
}

/* Nodes over constants are evaluated once, dead nodes and values leave. */
static void test_optimize_evaluates_constants(void **state)
{
    (void)state;
    uint64_t seed = 50;
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 6, 0, 0));
    struct covey_op_attrs a = attrs_default();
    uint16_t w = add_random(g, shape_of(4, 2, 3, 1, 4), &seed);
    a.shape_rank = 2;
    a.shape[0] = 6;
    a.shape[1] = -1;
    w = add_op(g, COVEY_OP_RESHAPE, &a, &w, 1);
    a.shape[0] = 1;
    a.shape[1] = 0;
    w = add_op(g, COVEY_OP_TRANSPOSE, &a, &w, 1);
    add_unary(g, COVEY_OP_SIGMOID, add_random(g, shape_of(1, 7, 0, 0, 0), &seed)); /* dead */
    add_op(g, COVEY_OP_DENSE, NULL, (const uint16_t[]){g->input[0], w}, 2);
    check_equal(g, seed);
    assert_int_equal(g->node_count, 1);
    assert_int_equal(g->value_count, 3);
    covey_graph_free(g);
}

/* Identities at the very ends leave too, but a graph of nothing else keeps one. */
static void test_optimize_identities_at_the_ends(void **state)
{
    (void)state;
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 6, 0, 0));
    uint16_t x = add_unary(g, COVEY_OP_IDENTITY, g->input[0]);
    x = add_unary(g, COVEY_OP_SIGMOID, x);
    add_unary(g, COVEY_OP_IDENTITY, x);
    check_equal(g, 1);
    assert_int_equal(g->node_count, 1);
    covey_graph_free(g);
    g = graph_with_input(shape_of(2, 1, 6, 0, 0));
    add_unary(g, COVEY_OP_IDENTITY, add_unary(g, COVEY_OP_IDENTITY, g->input[0]));
    check_equal(g, 1);
    covey_graph_free(g);
}

/* One node of a pattern over x. */
typedef uint16_t (*pattern_fn)(struct covey_graph *g, uint16_t x, uint64_t *seed);

static uint16_t conv_times_channel(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    x = add_conv(g, x, (const uint32_t[]){3, 5, 3, 1}, seed);
    uint16_t c = add_random(g, shape_of(3, 5, 1, 1, 0), seed);
    x = add_op(g, COVEY_OP_MUL, NULL, (const uint16_t[]){c, x}, 2);
    uint16_t d = add_constant(g, shape_of(4, 1, 5, 1, 1), (const float[]){1, 2, 3, -4, 5});
    x = add_op(g, COVEY_OP_DIV, NULL, (const uint16_t[]){x, d}, 2);
    uint16_t e = add_random(g, shape_of(0, 0, 0, 0, 0), seed);
    x = add_op(g, COVEY_OP_SUB, NULL, (const uint16_t[]){e, x}, 2);
    return add_batchnorm(g, x, 5, seed);
}

static uint16_t conv_divides(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    x = add_conv(g, x, (const uint32_t[]){3, 5, 3, 1}, seed);
    uint16_t c = add_random(g, shape_of(3, 5, 1, 1, 0), seed);
    return add_op(g, COVEY_OP_DIV, NULL, (const uint16_t[]){c, x}, 2);
}

/* x + conv(relu(conv(x))), then relu */
static uint16_t residual_block(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    uint16_t y = add_unary(g, COVEY_OP_RELU, add_conv(g, x, (const uint32_t[]){3, 4, 3, 1}, seed));
    y = add_conv(g, y, (const uint32_t[]){4, 3, 3, 1}, seed);
    x = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[]){x, y}, 2);
    return add_unary(g, COVEY_OP_RELU, x);
}

/* The branch that is added comes after the convolution it is added to. */
static uint16_t late_branch(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    uint16_t y = add_conv(g, x, (const uint32_t[]){3, 4, 3, 1}, seed);
    uint16_t z = add_unary(g, COVEY_OP_RELU, add_conv(g, x, (const uint32_t[]){3, 4, 1, 0}, seed));
    x = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[]){y, z}, 2);
    return add_unary(g, COVEY_OP_RELU, x);
}

static uint16_t swish(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    x = add_conv(g, x, (const uint32_t[]){3, 4, 3, 1}, seed);
    uint16_t y = add_unary(g, COVEY_OP_SIGMOID, x);
    return add_op(g, COVEY_OP_MUL, NULL, (const uint16_t[]){y, x}, 2);
}

static uint16_t hard_swish(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    struct covey_op_attrs a = attrs_default();
    a.alpha = 1.0f / 6.0f;
    a.beta = 0.5f;
    x = add_conv(g, x, (const uint32_t[]){3, 4, 3, 1}, seed);
    uint16_t y = add_op(g, COVEY_OP_HARDSIGMOID, &a, &x, 1);
    return add_op(g, COVEY_OP_MUL, NULL, (const uint16_t[]){x, y}, 2);
}

static uint16_t nothings(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    struct covey_op_attrs a = attrs_default();
    (void)seed;
    x = add_op(g, COVEY_OP_CONCAT, NULL, &x, 1);
    x = add_op(g, COVEY_OP_PAD, &a, &x, 1);
    x = add_op(g, COVEY_OP_CAST, &a, &x, 1);
    x = add_op(g, COVEY_OP_SUM, &a, &x, 1);
    x = add_unary(g, COVEY_OP_DROPOUT, x);
    a.shape_rank = 4;
    for (unsigned i = 0; i < 4; i++) {
        a.shape[i] = i;
    }
    x = add_op(g, COVEY_OP_TRANSPOSE, &a, &x, 1);
    a.shape[0] = 0, a.shape[1] = 3, a.shape[2] = 6, a.shape[3] = -1;
    x = add_op(g, COVEY_OP_RESHAPE, &a, &x, 1);
    return add_unary(g, COVEY_OP_EXP, x);
}

static uint16_t turns(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    struct covey_op_attrs a = attrs_default();
    (void)seed;
    a.shape_rank = 4;
    a.shape[0] = 0, a.shape[1] = 2, a.shape[2] = 3, a.shape[3] = 1;
    x = add_op(g, COVEY_OP_TRANSPOSE, &a, &x, 1);
    a.shape[0] = 1, a.shape[1] = 3, a.shape[2] = 0, a.shape[3] = 2;
    x = add_op(g, COVEY_OP_TRANSPOSE, &a, &x, 1);
    a.shape[0] = 0, a.shape[1] = -1, a.shape[2] = 2, a.shape[3] = 3;
    x = add_op(g, COVEY_OP_RESHAPE, &a, &x, 1);
    a.axis = 1;
    return add_op(g, COVEY_OP_FLATTEN, &a, &x, 1);
}

static uint16_t there_and_back(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    struct covey_op_attrs a = attrs_default();
    (void)seed;
    a.shape_rank = 4;
    a.shape[0] = 0, a.shape[1] = 2, a.shape[2] = 3, a.shape[3] = 1;
    x = add_op(g, COVEY_OP_TRANSPOSE, &a, &x, 1);
    a.shape[1] = 3, a.shape[2] = 1, a.shape[3] = 2;
    x = add_op(g, COVEY_OP_TRANSPOSE, &a, &x, 1);
    return add_unary(g, COVEY_OP_EXP, x);
}

static uint16_t pads(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    struct covey_op_attrs a = attrs_default();
    a.pad[2] = 1, a.pad[3] = 2, a.pad[6] = 0, a.pad[7] = 1;
    x = add_op(g, COVEY_OP_PAD, &a, &x, 1);
    x = add_conv(g, x, (const uint32_t[]){3, 3, 3, 1}, seed);
    x = add_op(g, COVEY_OP_PAD, &a, &x, 1);
    a.kernel[0] = a.kernel[1] = 3;
    return add_op(g, COVEY_OP_AVGPOOL, &a, &x, 1);
}

static uint16_t mean(struct covey_graph *g, uint16_t x, uint64_t *seed)
{
    struct covey_op_attrs a = attrs_default();
    (void)seed;
    a.axes = 1u << 2 | 1u << 3;
    return add_op(g, COVEY_OP_REDUCEMEAN, &a, &x, 1);
}

struct pattern {
    pattern_fn make;
    size_t nodes;
    enum covey_op op; /* of the last node */
    enum covey_act act;
};

/* Each pattern becomes so many nodes, the last one this, with the same results for two images. */
static void test_optimize_patterns(void **state)
{
    (void)state;
    static const struct pattern table[] = {
        {conv_times_channel, 1, COVEY_OP_CONV, COVEY_ACT_NONE},
        {conv_divides, 2, COVEY_OP_DIV, COVEY_ACT_NONE},
        {residual_block, 2, COVEY_OP_CONV, COVEY_ACT_RELU},
        {late_branch, 2, COVEY_OP_CONV, COVEY_ACT_RELU},
        {swish, 1, COVEY_OP_CONV, COVEY_ACT_SILU},
        {hard_swish, 1, COVEY_OP_CONV, COVEY_ACT_HARDSWISH},
        {nothings, 1, COVEY_OP_EXP, COVEY_ACT_NONE},
        {turns, 2, COVEY_OP_FLATTEN, COVEY_ACT_NONE},
        {there_and_back, 1, COVEY_OP_EXP, COVEY_ACT_NONE},
        {pads, 2, COVEY_OP_AVGPOOL, COVEY_ACT_NONE},
        {mean, 1, COVEY_OP_GLOBALAVGPOOL, COVEY_ACT_NONE},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint64_t seed = 70 + i;
        struct covey_graph *g = graph_with_input(shape_of(4, 2, 3, 6, 6));
        table[i].make(g, g->input[0], &seed);
        check_equal(g, seed);
        const struct covey_graph_node *last = &g->nodes[g->node_count - 1];
        if (g->node_count != table[i].nodes || last->op != table[i].op ||
            last->attrs.act != table[i].act) {
            fail_msg("row %zu: %zu nodes, the last %s with activation %u", i, g->node_count,
                     covey_op_name(last->op), (unsigned)last->attrs.act);
        }
        covey_graph_free(g);
    }
}

/* What shares weights with another layer keeps them when one of the two is changed. */
static void test_optimize_keeps_shared_weights(void **state)
{
    (void)state;
    uint64_t seed = 90;
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 3, 6, 6));
    uint16_t x = add_conv(g, g->input[0], (const uint32_t[]){3, 3, 3, 1}, &seed);
    struct covey_graph_node twin = g->nodes[0];
    x = add_batchnorm(g, x, 3, &seed);
    twin.input[0] = x;
    twin.output[0] = add_op(g, COVEY_OP_CONV, &twin.attrs,
                            (const uint16_t[]){x, twin.input[1], twin.input[2]}, 3);
    check_equal(g, seed);
    assert_int_equal(g->node_count, 2);
    covey_graph_free(g);
}

/* Weights that one layer alone uses are scaled where they lie; those of two layers are copied, and
 * the other layer keeps what it had. */
static void test_norm_scales_weights_in_place(void **state)
{
    (void)state;
    for (unsigned layers = 1; layers <= 2; layers++) {
        uint64_t seed = 21;
        struct covey_graph *g = graph_with_input(shape_of(4, 1, 3, 5, 5));
        uint16_t w = add_random(g, shape_of(4, 3, 3, 1, 1), &seed);
        const void *data = g->values[w].data;
        size_t count = 0, same = 0;
        uint16_t x = add_op(g, COVEY_OP_CONV, NULL, (const uint16_t[2]){g->input[0], w}, 2);
        x = add_batchnorm(g, x, 3, &seed);
        if (layers == 2) {
            x = add_op(g, COVEY_OP_CONV, NULL, (const uint16_t[2]){x, w}, 2);
        }
        float *input = random_floats(&seed, 75);
        float *expected = run_graph(g, 1, input, &count);
        expect_ok(covey_graph_optimize(g, NULL), NULL);
        assert_int_equal(g->node_count, layers);
        float *got = run_graph(g, 1, input, &same);
        assert_int_equal(count, same);
        assert_true(relative_error(got, expected, count) < 1e-5);
        bool stays = g->values[g->nodes[0].input[1]].data == data;
        assert_int_equal(stays, layers == 1);
        free(input);
        free(expected);
        free(got);
        covey_graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm_scales_weights_in_place),
        cmocka_unit_test(test_optimize_keeps_the_answer),
        cmocka_unit_test(test_optimize_folds_batchnorm),
        cmocka_unit_test(test_optimize_folds_added_bias),
        cmocka_unit_test(test_optimize_leaves_what_is_no_bias),
        cmocka_unit_test(test_optimize_evaluates_constants),
        cmocka_unit_test(test_optimize_identities_at_the_ends),
        cmocka_unit_test(test_optimize_patterns),
        cmocka_unit_test(test_optimize_keeps_shared_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
