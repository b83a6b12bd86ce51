/* SPDX-License-Identifier: MIT
 *
 * A batch answers each of its inputs as if it were alone, or it is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "covey/builder.h"

enum { BATCH = 5 };

/* Allowed, and each of the batch's answers is that of its input alone. */
static void expect_rows_apart(struct covey_graph *g)
{
    struct covey_nn_error why = {""};
    uint64_t seed = 3;
    size_t all = 0, one = 0, inputs = floats_of(&g->values[g->input[0]].shape);
    float *x = random_floats(&seed, BATCH * inputs);
    expect_ok(covey_graph_check(g, 1, &why), &why);
    expect_ok(covey_graph_batch(g, BATCH, &why), &why);
    float *together = run_graph(g, BATCH, x, &all);
    for (size_t i = 0; i < BATCH; i++) {
        float *alone = run_graph(g, 1, x + i * inputs, &one);
        assert_int_equal(all, BATCH * one);
        double error = relative_error(together + i * one, alone, one);
        if (!(error < 1e-5)) {
            fail_msg("input %zu of the batch: relative error %g", i, error);
        }
        free(alone);
    }
    free(together);
    free(x);
    covey_graph_free(g);
}

/* Convolutions, additions, poolings, dense layers and a softmax. */
static void test_networks_answer_rows_apart(void **state)
{
    (void)state;
    expect_rows_apart(small_network(5));
    static const char *const names[] = {"mlp", "lenet5", "resnet20", "mobilenet_v2", "squeezenet"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct covey_build_options options = {.classes = 10, .seed = 1};
        struct covey_graph *g = NULL;
        struct covey_nn_error why = {""};
        bool grey = i < 2;
        options.channels = grey ? 1 : 3;
        options.height = options.width = grey ? 28 : 32;
        expect_ok(covey_build(names[i], &options, &g, &why), &why);
        expect_rows_apart(g);
    }
}

/* One operator on [1 6 4], or on the named other rank. */
struct one_op {
    enum covey_op op;
    int32_t axis;
    uint32_t axes;
    bool apart;
};

static struct covey_graph *graph_of(const struct one_op *c)
{
    struct covey_graph *g = graph_with_input(shape_of(3, 1, 6, 4, 0));
    struct covey_op_attrs a = attrs_default();
    a.axis = c->axis;
    a.axes = c->axes;
    add_op(g, c->op, &a, &g->input[0], 1);
    return g;
}

/* What goes along the first dimension mixes the inputs of a batch. */
static void test_axes_decide(void **state)
{
    (void)state;
    static const struct one_op cases[] = {
        {COVEY_OP_SOFTMAX, 0, 0, false},   {COVEY_OP_SOFTMAX, -3, 0, false},
        {COVEY_OP_SOFTMAX, 1, 0, true},    {COVEY_OP_SOFTMAX, -1, 0, true},
        {COVEY_OP_LPNORM, 0, 0, false},    {COVEY_OP_REDUCEMEAN, 0, 1, false},
        {COVEY_OP_REDUCEMEAN, 0, 6, true}, {COVEY_OP_REDUCESUM, 0, 7, false},
        {COVEY_OP_MVN, 0, 1, false},       {COVEY_OP_MVN, 0, 2, true},
        {COVEY_OP_REVERSE, 0, 1, false},   {COVEY_OP_REVERSE, 0, 4, true},
        {COVEY_OP_FLATTEN, 0, 0, false},   {COVEY_OP_FLATTEN, 1, 0, true},
        {COVEY_OP_FLATTEN, 2, 0, false},   {COVEY_OP_RELU, 0, 0, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct covey_graph *g = graph_of(&cases[i]);
        struct covey_nn_error why = {""};
        g->nodes[0].attrs.size = 2; /* the norm's */
        if (cases[i].apart) {
            expect_rows_apart(g);
            continue;
        }
        expect_ok(covey_graph_check(g, 1, &why), &why);
        if (covey_graph_batch(g, BATCH, &why) != COVEY_ERR_UNSUPPORTED || why.text[0] == '\0') {
            fail_msg("case %zu: %s was not refused", i, covey_op_name(cases[i].op));
        }
        covey_graph_free(g);
    }
}

static void expect_refused(struct covey_graph *g)
{
    struct covey_nn_error why = {""};
    expect_ok(covey_graph_check(g, 1, &why), &why);
    assert_int_equal(covey_graph_batch(g, BATCH, &why), COVEY_ERR_UNSUPPORTED);
    assert_true(why.text[0] != '\0');
    covey_graph_free(g);
}

/* One of lower rank is laid along the other's second dimension, which is as large as the batch:
 * all shapes are right, and the numbers are not. */
static void test_broadcasting_across_the_batch_is_refused(void **state)
{
    (void)state;
    struct covey_graph *g = graph_with_input(shape_of(3, 1, BATCH, 4, 0));
    struct covey_op_attrs mean = attrs_default();
    mean.axes = 2;
    mean.keepdims = false;
    uint16_t pair[2] = {g->input[0], add_op(g, COVEY_OP_REDUCEMEAN, &mean, &g->input[0], 1)};
    struct covey_op_attrs add = attrs_default();
    add_op(g, COVEY_OP_ADD, &add, pair, 2);
    expect_refused(g);
}

/* One scale for all of a batch would round each input by the others. */
static void test_scales_of_the_whole_are_refused(void **state)
{
    (void)state;
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 6, 0, 0));
    struct covey_op_attrs a = attrs_default();
    struct covey_graph_node node = {.op = COVEY_OP_DYNAMICQUANTIZE,
                                    .inputs = 1,
                                    .outputs = 3,
                                    .input = {g->input[0]},
                                    .attrs = a};
    for (unsigned i = 0; i < 3; i++) {
        struct covey_graph_value v = {.type = i == 1 ? COVEY_TYPE_F32 : COVEY_TYPE_U8};
        assert_int_equal(covey_graph_add_value(g, &v, &node.output[i]), COVEY_OK);
    }
    assert_int_equal(covey_graph_add_node(g, &node), COVEY_OK);
    assert_int_equal(covey_graph_add_output(g, node.output[0]), COVEY_OK);
    expect_refused(g);
}

/* Rows of the first factor are apart; with the input as the second factor they are columns. */
static void test_products_keep_rows_only(void **state)
{
    (void)state;
    uint64_t seed = 9;
    struct covey_op_attrs a = attrs_default();
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 6, 0, 0));
    uint16_t pair[2] = {g->input[0], add_random(g, shape_of(2, 6, 3, 0, 0), &seed)};
    add_op(g, COVEY_OP_MATMUL, &a, pair, 2);
    expect_rows_apart(g);
    g = graph_with_input(shape_of(3, 1, 6, 4, 0));
    uint16_t turned[2] = {add_random(g, shape_of(2, 3, 6, 0, 0), &seed), g->input[0]};
    add_op(g, COVEY_OP_MATMUL, &a, turned, 2);
    expect_rows_apart(g);
    g = graph_with_input(shape_of(2, 1, 6, 0, 0));
    uint16_t outer[2] = {add_random(g, shape_of(2, 1, 1, 0, 0), &seed), g->input[0]};
    add_op(g, COVEY_OP_MATMUL, &a, outer, 2);
    expect_refused(g);
}

/* An output that does not depend on the input is no batch, and neither is a batch of none. */
static void test_what_is_no_batch_is_refused(void **state)
{
    (void)state;
    uint64_t seed = 2;
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 6, 0, 0));
    add_unary(g, COVEY_OP_RELU, add_random(g, shape_of(2, 1, 4, 0, 0), &seed));
    expect_refused(g);
    g = small_network(1);
    struct covey_nn_error why = {""};
    expect_ok(covey_graph_check(g, 1, &why), &why);
    assert_int_equal(covey_graph_batch(g, 0, &why), COVEY_ERR_UNSUPPORTED);
    covey_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks_answer_rows_apart),
        cmocka_unit_test(test_axes_decide),
        cmocka_unit_test(test_broadcasting_across_the_batch_is_refused),
        cmocka_unit_test(test_scales_of_the_whole_are_refused),
        cmocka_unit_test(test_products_keep_rows_only),
        cmocka_unit_test(test_what_is_no_batch_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
