/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdlib.h>

#include "onnx_import.h"
#include "onnx_walk.h"

#define DIMS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / 8

static const float weights[16] = {1, 2, 3, 4};

/* x [1 4] -> y around what the caller adds. */
static void graph_begin(struct wire *g)
{
    g->len = 0;
    onnx_value(g, false, "x", DIMS(1, 4));
    onnx_value(g, true, "y", DIMS(1, 4));
}

static void good_model(struct wire *out)
{
    static struct wire g;
    struct wire gemm = {.len = 0};
    graph_begin(&g);
    onnx_floats(&g, "w", DIMS(4, 4), weights, 16);
    onnx_attr_int(&gemm, "transB", 1);
    onnx_node(&g, "Gemm", "x w", "h", &gemm);
    onnx_node(&g, "Relu", "h", "y", NULL);
    onnx_model(&g, 13, out);
}

/* Loads bytes as a file; true when it was taken. What is refused has one line with its name. */
static bool loads(void **state, const void *bytes, size_t len)
{
    char path[FIXTURE_PATH];
    struct covey_onnx onnx = {0};
    struct covey_nn_error why = {""};
    scratch_write(state, "model.onnx", bytes, len, path);
    covey_err err = covey_onnx_load(path, NULL, &onnx, &why);
    if (err) {
        expect_line(err, &why);
        assert_non_null(strstr(why.text, "model.onnx"));
        assert_null(onnx.graph);
    }
    covey_onnx_free(&onnx);
    return err == COVEY_OK;
}

/* Cut off anywhere, a model is refused. */
static void test_truncated(void **state)
{
    struct wire model;
    good_model(&model);
    assert_true(loads(state, model.bytes, model.len));
    for (size_t len = 0; len < model.len; len++) {
        assert_false(loads(state, model.bytes, len));
    }
}

/* The same with a real model, at many places. */
static void test_truncated_real(void **state)
{
    char path[FIXTURE_PATH];
    data_path(path, "models/lenet5-FYH620/lenet.onnx");
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    size_t len = fread(bytes, 1, 1 << 20, file);
    (void)fclose(file);
    assert_true(loads(state, bytes, len));
    for (size_t cut = 1; cut < len; cut += 1 + cut / 16) {
        assert_false(loads(state, bytes, len - cut));
        assert_false(loads(state, bytes, cut));
    }
    free(bytes);
}

/* Whatever byte is changed, the import ends with a graph or a line. */
static void test_changed_bytes(void **state)
{
    (void)state;
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct wire model;
    good_model(&model);
    for (size_t at = 0; at < model.len; at++) {
        uint8_t old = model.bytes[at];
        for (size_t i = 0; i < sizeof values; i++) {
            struct covey_onnx onnx = {0};
            struct covey_nn_error why = {""};
            model.bytes[at] = values[i];
            covey_err err =
                covey_onnx_decode(covey_bytes_of(model.bytes, model.len), NULL, &onnx, &why);
            if (err) {
                expect_line(err, &why);
            }
            covey_onnx_free(&onnx);
        }
        model.bytes[at] = old;
    }
}

/* Graphs in attributes of nodes in graphs, thousands deep, as they overrun protobuf-c's stack. */
static void test_nested_bomb(void **state)
{
    enum { LEVELS = 3000, ROOM = 64 * 1024 };
    /* From the innermost outwards: graph in attribute in node in graph ... in the model. */
    static const uint8_t tags[] = {0x32, 0x2a, 0x0a};
    uint8_t *bytes = malloc(ROOM);
    assert_non_null(bytes);
    size_t at = ROOM;
    for (size_t level = 0; level <= 3 * LEVELS; level++) {
        size_t len = ROOM - at;
        uint8_t head[4] = {level == 3 * LEVELS ? 0x3a : tags[level % 3]};
        size_t used = 1;
        for (; len > 0x7f; len >>= 7) {
            head[used++] = (uint8_t)((len & 0x7f) | 0x80);
        }
        head[used++] = (uint8_t)len;
        at -= used;
        memcpy(bytes + at, head, used);
    }
    assert_false(loads(state, bytes + at, ROOM - at));
    struct covey_nn_error why = {""};
    struct covey_buf slim = {0};
    assert_int_equal(
        covey_onnx_walk(covey_bytes_of(bytes + at, ROOM - at), COVEY_WALK_MODEL, &slim, &why),
        COVEY_ERR_LIMIT);
    assert_non_null(strstr(why.text, "nested"));
    free(bytes);
}

/* Group wire types, which protobuf-c does not know, a field number of 0, a number of 11 bytes. */
static void test_wire_format(void **state)
{
    (void)state;
    static const uint8_t group[] = {0x3b, 0x3c};
    static const uint8_t zero[] = {0x00, 0x00};
    static const uint8_t wide[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    static const uint8_t twice[] = {0x3a, 0x00, 0x3a, 0x00};
    static const uint8_t beyond[] = {0x3a, 0x7f, 0x0a};
    static const struct covey_bytes bad[] = {{group, sizeof group},
                                             {zero, sizeof zero},
                                             {wide, sizeof wide},
                                             {twice, sizeof twice},
                                             {beyond, sizeof beyond}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct covey_nn_error why = {""};
        struct covey_buf slim = {0};
        covey_err err = covey_onnx_walk(bad[i], COVEY_WALK_MODEL, &slim, &why);
        expect_line(err, &why);
        assert_null(slim.ptr);
    }
}

/* Messages without end are refused before memory is spent on them. */
static void test_many_messages(void **state)
{
    (void)state;
    enum { COUNT = COVEY_WALK_MESSAGES_MAX + 10, HEAD = 5 };
    uint8_t *bytes = calloc(1, HEAD + 2 * (size_t)COUNT);
    assert_non_null(bytes);
    uint32_t len = 2 * COUNT;
    bytes[0] = 0x3a;
    for (size_t i = 0; i < 4; i++) {
        bytes[1 + i] = (uint8_t)(((len >> (7 * i)) & 0x7f) | (i < 3 ? 0x80 : 0));
    }
    for (size_t i = 0; i < COUNT; i++) {
        bytes[HEAD + 2 * i] = 0x0a;
    }
    struct covey_nn_error why = {""};
    struct covey_onnx onnx = {0};
    assert_int_equal(covey_onnx_decode(covey_bytes_of(bytes, HEAD + len), NULL, &onnx, &why),
                     COVEY_ERR_LIMIT);
    free(bytes);
}

/* A weight tensor with these dimensions and this many bytes of data. */
static void tensor_model(struct wire *out, const int64_t *dims, size_t rank, size_t count)
{
    static struct wire g;
    graph_begin(&g);
    onnx_floats(&g, "w", dims, rank, weights, count);
    onnx_node(&g, "MatMul", "x w", "y", NULL);
    onnx_model(&g, 13, out);
}

/* Dimensions and data that do not fit one another are refused by name. */
static void test_tensors(void **state)
{
    (void)state;
    struct wire model;
    tensor_model(&model, DIMS(1 << 28, 1 << 28), 4);
    expect_refused(&model, "'w'");
    tensor_model(&model, DIMS(INT64_MAX, 4), 4);
    expect_refused(&model, "'w'");
    tensor_model(&model, DIMS(-1, 4), 4);
    expect_refused(&model, "'w'");
    tensor_model(&model, DIMS(4, 4), 15);
    expect_refused(&model, "'w' has 60 bytes, its shape needs 64");
    tensor_model(&model, DIMS(0, 4), 0);
    expect_refused(&model, "node 'y' (MatMul)");
    tensor_model(&model, DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1), 1);
    expect_refused(&model, "'w': more than 8 dimensions");
    tensor_model(&model, DIMS(2, 8), 16);
    expect_refused(&model, "y");
}

/* One node x -> y of an operator, with attributes, in an opset. */
static void node_model(struct wire *out, const char *op, const char *inputs,
                       const struct wire *attrs, int64_t opset)
{
    static struct wire g;
    graph_begin(&g);
    onnx_node(&g, op, inputs, "y", attrs);
    onnx_model(&g, opset, out);
}

/* What is not supported is named: node, operator, and what is missing. */
static void test_unsupported(void **state)
{
    (void)state;
    struct wire model;
    struct wire attrs = {.len = 0};
    node_model(&model, "Frobnicate", "x", NULL, 13);
    expect_refused(&model, "node 'y' (Frobnicate): this operator is not supported");
    onnx_attr_int(&attrs, "sideways", 1);
    node_model(&model, "Relu", "x", &attrs, 13);
    expect_refused(&model, "node 'y' (Relu): attribute 'sideways' is not supported");
    attrs.len = 0;
    onnx_attr_text(&attrs, "axis", "one");
    node_model(&model, "Softmax", "x", &attrs, 13);
    expect_refused(&model, "attribute axis has the wrong type");
    attrs.len = 0;
    onnx_attr_int(&attrs, "axis", 7);
    node_model(&model, "Softmax", "x", &attrs, 13);
    expect_refused(&model, "axis 7");
    node_model(&model, "Relu", "x", NULL, 0);
    expect_refused(&model, "opset 0");
    node_model(&model, "Cosh", "x", NULL, 6);
    expect_refused(&model, "its form of opset 6 is not supported");
    node_model(&model, "Relu", "x", NULL, 1000);
    expect_refused(&model, "opset 1000");
}

/* Inputs that nobody makes, or that are made later: a cycle. */
static void test_inputs(void **state)
{
    (void)state;
    static struct wire g;
    struct wire model;
    node_model(&model, "Relu", "ghost", NULL, 13);
    expect_refused(&model, "input 'ghost' does not exist");
    node_model(&model, "Add", "x", NULL, 13);
    expect_refused(&model, "input 1 is missing");
    graph_begin(&g);
    onnx_node(&g, "Add", "x b", "a", NULL);
    onnx_node(&g, "Relu", "a", "b", NULL);
    onnx_node(&g, "Relu", "b", "y", NULL);
    onnx_model(&g, 13, &model);
    expect_refused(&model, "input 'b' is not made by any earlier node");
    graph_begin(&g);
    onnx_node(&g, "Relu", "x", "y", NULL);
    onnx_node(&g, "Relu", "x", "y", NULL);
    onnx_model(&g, 13, &model);
    expect_refused(&model, "no output of its own");
    graph_begin(&g);
    onnx_node(&g, "Relu", "x", "z", NULL);
    onnx_model(&g, 13, &model);
    expect_refused(&model, "no node makes the output 'y'");
    graph_begin(&g);
    onnx_value(&g, false, "x2", DIMS(1, 0));
    onnx_node(&g, "Add", "x x2", "y", NULL);
    onnx_model(&g, 13, &model);
    expect_refused(&model, "input 'x2': dimension 1 ('batch') is open");
    graph_begin(&g);
    onnx_value(&g, false, "to", DIMS(1));
    onnx_node(&g, "Reshape", "x to", "y", NULL);
    onnx_model(&g, 13, &model);
    expect_refused(&model, "node 'y' (Reshape): its input 'to' must be known before the run");
}

/* Geometry out of range: kernels larger than the input, strides of 0, negative pads. */
static void test_windows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t value;
    } bad[] = {{"strides", 0},         {"strides", -1},    {"pads", -1},
               {"pads", INT64_MAX},    {"dilations", 0},   {"strides", INT64_MIN},
               {"kernel_shape", 1000}, {"kernel_shape", 0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        static struct wire g;
        struct wire attrs = {.len = 0};
        struct wire model;
        int64_t list[4] = {bad[i].value, bad[i].value, bad[i].value, bad[i].value};
        bool kernel = strcmp(bad[i].name, "kernel_shape") == 0;
        g.len = 0;
        onnx_value(&g, false, "x", DIMS(1, 1, 4, 4));
        onnx_value(&g, true, "y", DIMS(1, 1, 4, 4));
        onnx_attr_ints(&attrs, bad[i].name, list, strcmp(bad[i].name, "pads") == 0 ? 4 : 2);
        if (!kernel) {
            onnx_attr_ints(&attrs, "kernel_shape", DIMS(2, 2));
        }
        onnx_node(&g, "MaxPool", "x", "y", &attrs);
        onnx_model(&g, 13, &model);
        expect_refused(&model, "");
    }
}

/* Names with control characters do not reach the terminal. */
static void test_names_are_cleaned(void **state)
{
    (void)state;
    struct wire model;
    node_model(&model, "Fr\033[31mob\n", "x", NULL, 13);
    expect_refused(&model, "Fr?[31mob?");
}

/* Things that are no model at all. */
static void test_not_a_model(void **state)
{
    char path[FIXTURE_PATH];
    struct covey_onnx onnx = {0};
    struct covey_nn_error why = {""};
    static const char text[] = "Dear reader,\nthis is no model.\n";
    assert_false(loads(state, text, sizeof text - 1));
    assert_false(loads(state, "", 0));
    scratch_path(state, "absent.onnx", path);
    expect_line(covey_onnx_load(path, NULL, &onnx, &why), &why);
    assert_non_null(strstr(why.text, "absent.onnx"));
    expect_line(covey_onnx_load(*state, NULL, &onnx, &why), &why);
    expect_line(covey_onnx_load("/dev/zero", NULL, &onnx, &why), &why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_truncated_real),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_nested_bomb),
        cmocka_unit_test(test_wire_format),
        cmocka_unit_test(test_many_messages),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_names_are_cleaned),
        cmocka_unit_test(test_not_a_model),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
