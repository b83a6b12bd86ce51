/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <math.h>

#include "onnx_import.h"

#define DIMS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / 8
#define FLOATS(...) (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / 4
#define EXPECT(model, input, ...) expect_run(model, input, FLOATS(__VA_ARGS__))

static const float four[] = {1, 2, 3, 4};
static const float six[] = {1, -2, 3, -4, 5, -6};

/* A graph x -> y around nodes that the caller adds. */
static void graph_begin(struct wire *g, const int64_t *dims, size_t rank)
{
    g->len = 0;
    onnx_value(g, false, "x", dims, rank);
    onnx_value(g, true, "y", dims, rank);
}

/* conv + bias, relu, pool, reshape of activations and of weights, matmul + bias: as the zoo's MNIST
 * network has them. */
static void small_network(struct wire *out)
{
    static struct wire g;
    struct wire conv = {.len = 0};
    struct wire pool = {.len = 0};
    graph_begin(&g, DIMS(1, 1, 2, 2));
    onnx_floats(&g, "k", DIMS(1, 1, 2, 2), FLOATS(1, 1, 1, 1));
    onnx_floats(&g, "kb", DIMS(1, 1, 1), FLOATS(1));
    onnx_floats(&g, "w", DIMS(1, 1, 1, 2), FLOATS(2, -1));
    onnx_floats(&g, "wb", DIMS(1, 2), FLOATS(0.5f, 0.25f));
    onnx_ints(&g, "wshape", DIMS(1, 2));
    onnx_ints(&g, "flat", DIMS(1, 1));
    onnx_attr_text(&conv, "auto_pad", "SAME_UPPER");
    onnx_attr_ints(&conv, "kernel_shape", DIMS(2, 2));
    onnx_attr_ints(&pool, "kernel_shape", DIMS(2, 2));
    onnx_attr_ints(&pool, "strides", DIMS(2, 2));
    onnx_node(&g, "Reshape", "w wshape", "w2", NULL);
    onnx_node(&g, "Conv", "x k", "c", &conv);
    onnx_node(&g, "Add", "c kb", "cb", NULL);
    onnx_node(&g, "Relu", "cb", "r", NULL);
    onnx_node(&g, "MaxPool", "r", "p", &pool);
    onnx_node(&g, "Reshape", "p flat", "f", NULL);
    onnx_node(&g, "MatMul", "f w2", "m", NULL);
    onnx_node(&g, "Add", "m wb", "y", NULL);
    onnx_model(&g, 8, out);
}

/* A network written by hand gives the numbers that a person computes. */
static void test_small_network(void **state)
{
    (void)state;
    struct wire model;
    small_network(&model);
    EXPECT(&model, four, 22.5f, -10.75f);
}

/* Additions of constants behind layers become their bias: fewer nodes. */
static void test_bias_is_fused(void **state)
{
    (void)state;
    struct wire model;
    struct covey_nn_error why = {""};
    struct covey_onnx onnx = {0};
    small_network(&model);
    expect_ok(covey_onnx_decode(covey_bytes_of(model.bytes, model.len), NULL, &onnx, &why), &why);
    for (size_t i = 0; i < onnx.graph->node_count; i++) {
        assert_int_not_equal(onnx.graph->nodes[i].op, COVEY_OP_ADD);
    }
    covey_onnx_free(&onnx);
}

/* Aligned weights are used where they lie in the file. */
static void test_weights_in_place(void **state)
{
    (void)state;
    static _Alignas(8) uint8_t file[16384];
    struct wire model;
    struct covey_nn_error why = {""};
    small_network(&model);
    unsigned inside = 0;
    for (size_t shift = 0; shift < 4; shift++) {
        struct covey_onnx onnx = {0};
        memcpy(file + shift, model.bytes, model.len);
        expect_ok(covey_onnx_decode(covey_bytes_of(file + shift, model.len), NULL, &onnx, &why),
                  &why);
        for (size_t i = 0; i < onnx.graph->value_count; i++) {
            const uint8_t *data = onnx.graph->values[i].data;
            inside += data >= file && data < file + sizeof file;
        }
        covey_onnx_free(&onnx);
    }
    assert_true(inside >= 4);
}

/* SAME_LOWER pads before, SAME_UPPER behind. */
static void test_auto_pad(void **state)
{
    (void)state;
    for (int upper = 0; upper < 2; upper++) {
        static struct wire g;
        struct wire conv = {.len = 0};
        struct wire model;
        graph_begin(&g, DIMS(1, 1, 2, 2));
        onnx_floats(&g, "k", DIMS(1, 1, 2, 2), FLOATS(1, 1, 1, 1));
        onnx_attr_text(&conv, "auto_pad", upper ? "SAME_UPPER" : "SAME_LOWER");
        onnx_node(&g, "Conv", "x k", "y", &conv);
        onnx_model(&g, 11, &model);
        if (upper) {
            EXPECT(&model, four, 10, 6, 7, 4);
        } else {
            EXPECT(&model, four, 1, 3, 4, 10);
        }
    }
}

/* Convolution and pooling along one axis give what the same along two axes gives. */
static void test_one_axis(void **state)
{
    (void)state;
    static struct wire g;
    struct wire conv = {.len = 0};
    struct wire pool = {.len = 0};
    struct wire model;
    graph_begin(&g, DIMS(1, 1, 6));
    onnx_floats(&g, "k", DIMS(1, 1, 2), FLOATS(1, 2));
    onnx_attr_ints(&conv, "pads", DIMS(1, 0));
    onnx_attr_ints(&pool, "kernel_shape", DIMS(2));
    onnx_attr_ints(&pool, "strides", DIMS(2));
    onnx_node(&g, "Conv", "x k", "c", &conv);
    onnx_node(&g, "AveragePool", "c", "y", &pool);
    onnx_model(&g, 11, &model);
    /* c = 2, -3, 4, -5, 6, -7 */
    EXPECT(&model, six, -0.5f, -0.5f, -0.5f);
}

/* Shape, Gather, Unsqueeze and Concat in front of a Reshape are computed at import. */
static void test_shape_chain(void **state)
{
    (void)state;
    static struct wire g;
    struct wire axes = {.len = 0};
    struct wire concat = {.len = 0};
    struct wire model;
    struct covey_nn_error why = {""};
    struct covey_onnx onnx = {0};
    graph_begin(&g, DIMS(0, 2, 3));
    onnx_ints(&g, "zero", DIMS(0));
    onnx_ints(&g, "rest", DIMS(-1));
    onnx_attr_ints(&axes, "axes", DIMS(0));
    onnx_attr_int(&concat, "axis", 0);
    onnx_node(&g, "Shape", "x", "s", NULL);
    onnx_node(&g, "Gather", "s zero", "n", NULL);
    onnx_node(&g, "Squeeze", "n", "n0", NULL);
    onnx_node(&g, "Unsqueeze", "n0", "n1", &axes);
    onnx_node(&g, "Concat", "n1 rest", "to", &concat);
    onnx_node(&g, "Reshape", "x to", "y", NULL);
    onnx_model(&g, 11, &model);
    EXPECT(&model, six, 1, -2, 3, -4, 5, -6);
    /* The batch that was open stays open. */
    expect_ok(covey_onnx_decode(covey_bytes_of(model.bytes, model.len), NULL, &onnx, &why), &why);
    struct covey_graph *graph = onnx.graph;
    expect_ok(covey_graph_check(graph, 5, &why), &why);
    const struct covey_shape *s = &graph->values[graph->output[0]].shape;
    assert_int_equal(s->rank, 2);
    assert_int_equal(s->dims[0], 5);
    assert_int_equal(s->dims[1], 6);
    covey_onnx_free(&onnx);
}

/* Softmax counts all axes from `axis` on as one before opset 13, and only one axis since. */
static void test_softmax_opsets(void **state)
{
    (void)state;
    static const float same[6] = {0};
    for (int64_t opset = 11; opset <= 13; opset += 2) {
        static struct wire g;
        struct wire model;
        graph_begin(&g, DIMS(1, 2, 3));
        onnx_node(&g, "Softmax", "x", "y", NULL);
        onnx_model(&g, opset, &model);
        float p = opset < 13 ? 1.0f / 6 : 1.0f / 3;
        EXPECT(&model, same, p, p, p, p, p, p);
    }
}

/* alpha and beta of Gemm go into its constants; transB in either form gives the same. */
static void test_gemm_forms(void **state)
{
    (void)state;
    for (int64_t transposed = 0; transposed < 2; transposed++) {
        static struct wire g;
        struct wire gemm = {.len = 0};
        struct wire model;
        graph_begin(&g, DIMS(1, 4));
        if (transposed) {
            onnx_floats(&g, "w", DIMS(2, 4), FLOATS(1, 0, 0, 1, 0, 1, 1, 0));
        } else {
            onnx_floats(&g, "w", DIMS(4, 2), FLOATS(1, 0, 0, 1, 0, 1, 1, 0));
        }
        onnx_floats(&g, "b", DIMS(1, 2), FLOATS(1, 3));
        onnx_attr_int(&gemm, "transB", transposed);
        onnx_attr_float(&gemm, "alpha", 0.5f);
        onnx_attr_float(&gemm, "beta", 2.0f);
        onnx_node(&g, "Gemm", "x w b", "y", &gemm);
        onnx_model(&g, 13, &model);
        EXPECT(&model, four, 4.5f, 8.5f);
    }
}

/* Bounds of Clip are attributes before opset 11 and inputs since. */
static void test_clip_forms(void **state)
{
    (void)state;
    static struct wire g;
    struct wire clip = {.len = 0};
    struct wire model;
    graph_begin(&g, DIMS(1, 6));
    onnx_attr_float(&clip, "min", -3);
    onnx_attr_float(&clip, "max", 2);
    onnx_node(&g, "Clip", "x", "y", &clip);
    onnx_model(&g, 10, &model);
    EXPECT(&model, six, 1, -2, 2, -3, 2, -3);

    graph_begin(&g, DIMS(1, 6));
    onnx_floats(&g, "high", NULL, 0, FLOATS(2));
    onnx_node(&g, "Clip", "x - high", "y", NULL);
    onnx_model(&g, 13, &model);
    EXPECT(&model, six, 1, -2, 2, -4, 2, -6);
}

/* Axes and pads are attributes in old opsets and inputs in new ones. */
static void test_axes_and_pads_forms(void **state)
{
    (void)state;
    for (int fresh = 0; fresh < 2; fresh++) {
        static struct wire g;
        struct wire pads = {.len = 0};
        struct wire axes = {.len = 0};
        struct wire model;
        graph_begin(&g, DIMS(1, 2, 2));
        if (fresh) {
            onnx_ints(&g, "p", DIMS(0, 0, 1, 0, 0, 0));
            onnx_floats(&g, "v", NULL, 0, FLOATS(6));
            onnx_ints(&g, "a", DIMS(-1));
        } else {
            onnx_attr_ints(&pads, "pads", DIMS(0, 0, 1, 0, 0, 0));
            onnx_attr_float(&pads, "value", 6);
            onnx_attr_ints(&axes, "axes", DIMS(-1));
        }
        onnx_node(&g, "Pad", fresh ? "x p v" : "x", "padded", &pads);
        onnx_node(&g, "ReduceMean", fresh ? "padded a" : "padded", "y", &axes);
        onnx_model(&g, fresh ? 18 : 10, &model);
        EXPECT(&model, four, 3, 13.0f / 3);
    }
}

/* Element-wise operators, also with a constant on the left, and a sum of three. */
static void test_elementwise(void **state)
{
    (void)state;
    static struct wire g;
    struct wire model;
    graph_begin(&g, DIMS(1, 4));
    onnx_floats(&g, "twelve", DIMS(1), FLOATS(12));
    onnx_node(&g, "Div", "twelve x", "d", NULL);
    onnx_node(&g, "Sub", "d x", "s", NULL);
    onnx_node(&g, "Mul", "s x", "m", NULL);
    onnx_node(&g, "Sum", "m x x", "y", NULL);
    onnx_model(&g, 14, &model);
    EXPECT(&model, four, 13, 12, 9, 4);
}

/* Batch-norm with statistics, then transposes that undo one another. */
static void test_norm_and_transpose(void **state)
{
    (void)state;
    static struct wire g;
    struct wire norm = {.len = 0};
    struct wire perm = {.len = 0};
    struct wire model;
    graph_begin(&g, DIMS(1, 2, 2));
    onnx_floats(&g, "scale", DIMS(2), FLOATS(2, 3));
    onnx_floats(&g, "bias", DIMS(2), FLOATS(1, 0));
    onnx_floats(&g, "mean", DIMS(2), FLOATS(1, 3));
    onnx_floats(&g, "var", DIMS(2), FLOATS(4, 9));
    onnx_attr_float(&norm, "epsilon", 0);
    onnx_attr_float(&norm, "momentum", 0.9f);
    onnx_attr_ints(&perm, "perm", DIMS(0, 2, 1));
    onnx_node(&g, "BatchNormalization", "x scale bias mean var", "n", &norm);
    onnx_node(&g, "Transpose", "n", "y", &perm);
    onnx_model(&g, 15, &model);
    EXPECT(&model, four, 1, 0, 2, 1);
}

/* Dropout, Identity and a Cast to float pass on what they get, also straight to the output. */
static void test_pass_through(void **state)
{
    (void)state;
    static struct wire g;
    struct wire cast = {.len = 0};
    struct wire model;
    graph_begin(&g, DIMS(1, 4));
    onnx_attr_int(&cast, "to", 1);
    onnx_node(&g, "Dropout", "x", "a", NULL);
    onnx_node(&g, "Cast", "a", "b", &cast);
    onnx_node(&g, "Identity", "b", "y", NULL);
    onnx_model(&g, 13, &model);
    EXPECT(&model, four, 1, 2, 3, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_network),    cmocka_unit_test(test_bias_is_fused),
        cmocka_unit_test(test_weights_in_place), cmocka_unit_test(test_auto_pad),
        cmocka_unit_test(test_one_axis),         cmocka_unit_test(test_shape_chain),
        cmocka_unit_test(test_softmax_opsets),   cmocka_unit_test(test_gemm_forms),
        cmocka_unit_test(test_clip_forms),       cmocka_unit_test(test_axes_and_pads_forms),
        cmocka_unit_test(test_elementwise),      cmocka_unit_test(test_norm_and_transpose),
        cmocka_unit_test(test_pass_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
