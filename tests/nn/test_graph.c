/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <math.h>
#include <stdlib.h>

/* Values: 0 input [1 4 8 8], 1 filters [6 4 3 3], 2 bias [6], 3 product, 4 pooled, 5 flat. */
enum { CONV, POOL, FLAT };

static struct covey_graph *base_graph(void)
{
    uint64_t seed = 1;
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 4, 8, 8));
    struct covey_op_attrs a = attrs_default();
    uint16_t x = add_conv(g, g->input[0], (const uint32_t[]){4, 6, 3, 1}, &seed);
    a.kernel[0] = a.kernel[1] = 2;
    x = add_op(g, COVEY_OP_AVGPOOL, &a, &x, 1);
    add_unary(g, COVEY_OP_FLATTEN, x);
    return g;
}

static void bad_input_index(struct covey_graph *g)
{
    g->nodes[POOL].input[0] = 600;
}

static void bad_output_index(struct covey_graph *g)
{
    g->nodes[POOL].output[0] = 6;
}

static void bad_none_input(struct covey_graph *g)
{
    g->nodes[CONV].input[1] = COVEY_VALUE_NONE;
}

static void bad_order(struct covey_graph *g)
{
    g->nodes[CONV].input[0] = g->nodes[POOL].output[0];
}

static void bad_self(struct covey_graph *g)
{
    g->nodes[FLAT].input[0] = g->nodes[FLAT].output[0];
}

static void bad_twice(struct covey_graph *g)
{
    g->nodes[FLAT].output[0] = g->nodes[POOL].output[0];
}

static void bad_constant_made(struct covey_graph *g)
{
    g->nodes[FLAT].output[0] = 2;
}

static void bad_input_made(struct covey_graph *g)
{
    g->nodes[FLAT].output[0] = g->input[0];
}

static void bad_op(struct covey_graph *g)
{
    g->nodes[FLAT].op = (enum covey_op)COVEY_OP_COUNT;
}

static void bad_op_none(struct covey_graph *g)
{
    g->nodes[FLAT].op = COVEY_OP_NONE;
}

static void bad_inputs_few(struct covey_graph *g)
{
    g->nodes[CONV].inputs = 1;
}

static void bad_inputs_many(struct covey_graph *g)
{
    g->nodes[FLAT].inputs = 2;
}

static void bad_graph_output(struct covey_graph *g)
{
    g->output[0] = COVEY_VALUE_NONE;
}

static void bad_graph_input(struct covey_graph *g)
{
    g->input[0] = 1;
}

static void bad_rank(struct covey_graph *g)
{
    g->values[g->input[0]].shape.rank = COVEY_RANK_MAX + 1;
}

static void bad_scalar_input(struct covey_graph *g)
{
    g->values[g->input[0]].shape.rank = 0;
}

static void bad_empty(struct covey_graph *g)
{
    g->values[g->input[0]].shape.dims[2] = 0;
}

static void bad_large(struct covey_graph *g)
{
    g->values[g->input[0]].shape.dims[2] = 1u << 31;
}

static void bad_large_product(struct covey_graph *g)
{
    g->values[g->input[0]].shape.dims[2] = 1 << 14;
    g->values[g->input[0]].shape.dims[3] = 1 << 13;
}

static void bad_constant_large(struct covey_graph *g)
{
    g->values[1].shape.dims[0] = UINT32_MAX;
}

static void bad_constant_data(struct covey_graph *g)
{
    g->values[1].data = NULL;
}

static void bad_channels(struct covey_graph *g)
{
    g->values[g->input[0]].shape.dims[1] = 5;
}

static void bad_groups_zero(struct covey_graph *g)
{
    g->nodes[CONV].attrs.groups = 0;
}

static void bad_groups(struct covey_graph *g)
{
    g->nodes[CONV].attrs.groups = 2;
}

static void bad_kernel(struct covey_graph *g)
{
    g->nodes[CONV].attrs.kernel[0] = 4;
}

static void bad_bias(struct covey_graph *g)
{
    g->values[2].shape.dims[0] = 5;
}

static void bad_stride(struct covey_graph *g)
{
    g->nodes[CONV].attrs.stride[1] = 0;
}

static void bad_dilation(struct covey_graph *g)
{
    g->nodes[CONV].attrs.dilation[0] = 0;
}

static void bad_dilation_large(struct covey_graph *g)
{
    g->nodes[CONV].attrs.dilation[0] = UINT32_MAX;
}

static void bad_pads(struct covey_graph *g)
{
    g->nodes[CONV].attrs.pads[0] = UINT32_MAX;
}

static void bad_ceil_conv(struct covey_graph *g)
{
    g->nodes[CONV].attrs.ceil_mode = true;
}

static void bad_window(struct covey_graph *g)
{
    g->nodes[POOL].attrs.kernel[1] = 9;
}

static void bad_window_zero(struct covey_graph *g)
{
    g->nodes[POOL].attrs.kernel[1] = 0;
}

static void bad_pool_pads(struct covey_graph *g)
{
    g->nodes[POOL].attrs.pads_end[1] = 2;
}

static void bad_axis(struct covey_graph *g)
{
    g->nodes[FLAT].attrs.axis = 5;
}

static void bad_axis_low(struct covey_graph *g)
{
    g->nodes[FLAT].attrs.axis = INT32_MIN;
}

static void bad_act(struct covey_graph *g)
{
    g->nodes[CONV].attrs.act = COVEY_ACT_COUNT;
}

static void bad_act_place(struct covey_graph *g)
{
    g->nodes[POOL].attrs.act = COVEY_ACT_RELU;
}

static void bad_nan(struct covey_graph *g)
{
    g->nodes[POOL].attrs.low = NAN;
}

/* The last node becomes another operator with these attributes. */
static struct covey_op_attrs *last(struct covey_graph *g, enum covey_op op)
{
    g->nodes[FLAT].op = op;
    return &g->nodes[FLAT].attrs;
}

static void bad_reshape(struct covey_graph *g)
{
    struct covey_op_attrs *a = last(g, COVEY_OP_RESHAPE);
    a->shape_rank = 2;
    a->shape[0] = a->shape[1] = -1;
}

static void bad_reshape_rank(struct covey_graph *g)
{
    last(g, COVEY_OP_RESHAPE)->shape_rank = 200;
}

static void bad_reshape_huge(struct covey_graph *g)
{
    struct covey_op_attrs *a = last(g, COVEY_OP_RESHAPE);
    a->shape_rank = 8;
    for (unsigned i = 0; i < 8; i++) {
        a->shape[i] = 1 << 28;
    }
}

static void bad_reshape_count(struct covey_graph *g)
{
    struct covey_op_attrs *a = last(g, COVEY_OP_RESHAPE);
    a->shape_rank = 2;
    a->shape[0] = 5;
    a->shape[1] = -1;
}

static void bad_perm(struct covey_graph *g)
{
    struct covey_op_attrs *a = last(g, COVEY_OP_TRANSPOSE);
    a->shape_rank = 4;
    a->shape[0] = a->shape[1] = 1;
}

static void bad_perm_index(struct covey_graph *g)
{
    struct covey_op_attrs *a = last(g, COVEY_OP_TRANSPOSE);
    a->shape_rank = 4;
    a->shape[2] = INT64_MIN;
}

static void bad_pad(struct covey_graph *g)
{
    last(g, COVEY_OP_PAD)->pad[3] = INT32_MAX;
}

static void bad_axes(struct covey_graph *g)
{
    last(g, COVEY_OP_REDUCEMEAN)->axes = 16;
}

static void bad_lrn(struct covey_graph *g)
{
    last(g, COVEY_OP_LRN)->size = 0;
}

static void bad_softmax(struct covey_graph *g)
{
    last(g, COVEY_OP_SOFTMAX)->axis = 4;
}

static void bad_broadcast(struct covey_graph *g)
{
    last(g, COVEY_OP_ADD);
    g->nodes[FLAT].inputs = 2;
    g->nodes[FLAT].input[1] = 2;
}

static void bad_dense(struct covey_graph *g)
{
    last(g, COVEY_OP_DENSE);
    g->nodes[FLAT].inputs = 2;
    g->nodes[FLAT].input[1] = 1;
}

static void bad_concat(struct covey_graph *g)
{
    last(g, COVEY_OP_CONCAT);
    g->nodes[FLAT].inputs = 2;
    g->nodes[FLAT].input[1] = 2;
}

typedef void (*spoil_fn)(struct covey_graph *g);

/* One wrong number anywhere in a graph from outside: refused with a reason, never run. */
static void test_check_refuses_hostile_graphs(void **state)
{
    (void)state;
    static const spoil_fn spoil[] = {
        bad_input_index,   bad_output_index,   bad_none_input,
        bad_order,         bad_self,           bad_twice,
        bad_constant_made, bad_input_made,     bad_op,
        bad_op_none,       bad_inputs_few,     bad_inputs_many,
        bad_graph_output,  bad_graph_input,    bad_rank,
        bad_scalar_input,  bad_empty,          bad_large,
        bad_large_product, bad_constant_large, bad_constant_data,
        bad_channels,      bad_groups_zero,    bad_groups,
        bad_kernel,        bad_bias,           bad_stride,
        bad_dilation,      bad_dilation_large, bad_pads,
        bad_ceil_conv,     bad_window,         bad_window_zero,
        bad_pool_pads,     bad_axis,           bad_axis_low,
        bad_act,           bad_act_place,      bad_nan,
        bad_reshape,       bad_reshape_rank,   bad_reshape_huge,
        bad_reshape_count, bad_perm,           bad_perm_index,
        bad_pad,           bad_axes,           bad_lrn,
        bad_softmax,       bad_broadcast,      bad_dense,
        bad_concat,
    };
    for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
        struct covey_graph *g = base_graph();
        struct covey_nn_error why = {""};
        spoil[i](g);
        if (covey_graph_check(g, 0, &why) == COVEY_OK) {
            fail_msg("row %zu is accepted", i);
        }
        assert_true(why.text[0] != '\0');
        covey_graph_free(g);
    }
}

/* The graph that the table spoils is itself fine, also for another batch, and optimises. */
static void test_check_accepts_the_base(void **state)
{
    (void)state;
    struct covey_graph *g = base_graph();
    struct covey_nn_error why = {""};
    expect_ok(covey_graph_check(g, 0, &why), &why);
    expect_ok(covey_graph_check(g, 5, &why), &why);
    struct covey_shape expected = shape_of(2, 5, 6 * 7 * 7, 0, 0);
    assert_true(covey_shape_equal(&g->values[g->output[0]].shape, &expected));
    assert_int_not_equal(covey_graph_check(g, UINT32_MAX, &why), COVEY_OK);
    covey_graph_free(g);
}

/* Optimising a spoilt graph ends without touching memory that is not its own. */
static void test_optimize_survives_hostile_graphs(void **state)
{
    (void)state;
    static const spoil_fn spoil[] = {
        bad_input_index,   bad_order, bad_twice,      bad_op,   bad_channels,     bad_groups,
        bad_constant_data, bad_bias,  bad_none_input, bad_rank, bad_reshape_rank, bad_perm_index};
    for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
        struct covey_graph *g = base_graph();
        struct covey_nn_error why = {""};
        spoil[i](g);
        covey_err err = covey_graph_optimize(g, &why);
        if (err == COVEY_OK) {
            err = covey_graph_check(g, 0, &why);
        }
        assert_int_not_equal(err, COVEY_OK);
        covey_graph_free(g);
    }
}

/* Building stops at the limits instead of growing without bound. */
static void test_graph_bounds_nodes_and_values(void **state)
{
    (void)state;
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 1, 0, 0));
    struct covey_graph_value value = {.constant = false};
    struct covey_graph_node node = {.op = COVEY_OP_RELU, .inputs = 1, .outputs = 1};
    covey_err err = COVEY_OK;
    uint16_t index;
    while (err == COVEY_OK) {
        err = covey_graph_add_value(g, &value, &index);
    }
    assert_int_equal(err, COVEY_ERR_LIMIT);
    assert_int_equal(g->value_count, COVEY_GRAPH_VALUES_MAX);
    for (err = COVEY_OK; err == COVEY_OK;) {
        err = covey_graph_add_node(g, &node);
    }
    assert_int_equal(err, COVEY_ERR_LIMIT);
    assert_int_equal(g->node_count, COVEY_GRAPH_NODES_MAX);
    covey_graph_free(g);
    covey_graph_free(NULL);
}

/* Operators are named without gaps from the first of each family, and nothing else is. */
static void test_operators_have_names(void **state)
{
    (void)state;
    for (unsigned family = 0; family < COVEY_OP_FAMILIES; family++) {
        bool ended = false;
        for (unsigned i = family == 0 ? 1 : 0; i < COVEY_OP_FAMILY; i++) {
            const char *name = covey_op_name((enum covey_op)(family * COVEY_OP_FAMILY + i));
            bool named = strcmp(name, "unknown") != 0;
            assert_false(named && ended);
            ended = !named;
        }
    }
    assert_string_equal(covey_op_name(COVEY_OP_CONV), "Conv");
    assert_string_equal(covey_op_name(COVEY_OP_NONE), "unknown");
    assert_string_equal(covey_op_name((enum covey_op)999), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_refuses_hostile_graphs),
        cmocka_unit_test(test_check_accepts_the_base),
        cmocka_unit_test(test_optimize_survives_hostile_graphs),
        cmocka_unit_test(test_graph_bounds_nodes_and_values),
        cmocka_unit_test(test_operators_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
