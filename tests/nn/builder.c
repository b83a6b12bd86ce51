/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <math.h>
#include <stdlib.h>

uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % bound;
}

float random_float(uint64_t *seed)
{
    return (float)random_below(seed, 1 << 20) / (float)(1 << 19) - 1.0f;
}

float *random_floats(uint64_t *seed, size_t count)
{
    float *data = malloc((count + 1) * sizeof(*data));
    assert_non_null(data);
    for (size_t i = 0; i < count; i++) {
        data[i] = random_float(seed);
    }
    return data;
}

struct covey_shape shape_of(unsigned rank, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    struct covey_shape s = {(uint8_t)rank, {a, b, c, d}};
    return s;
}

size_t floats_of(const struct covey_shape *s)
{
    size_t count = 0;
    assert_int_equal(covey_shape_count(s, &count), COVEY_OK);
    return count;
}

void expect_ok(covey_err err, const struct covey_nn_error *why)
{
    if (err != COVEY_OK) {
        fail_msg("%s: %s", covey_strerror(err), why != NULL ? why->text : "");
    }
}

static uint16_t add_value(struct covey_graph *g, struct covey_graph_value value)
{
    uint16_t index = 0;
    expect_ok(covey_graph_add_value(g, &value, &index), NULL);
    return index;
}

struct covey_graph *graph_with_input(struct covey_shape shape)
{
    struct covey_graph *g = NULL;
    expect_ok(covey_graph_new(&g), NULL);
    uint16_t input = add_value(g, (struct covey_graph_value){.shape = shape});
    expect_ok(covey_graph_add_input(g, input), NULL);
    return g;
}

uint16_t add_constant(struct covey_graph *g, struct covey_shape shape, const float *data)
{
    void *copy = NULL;
    size_t bytes = floats_of(&shape) * sizeof(float);
    expect_ok(covey_graph_alloc(g, bytes, &copy), NULL);
    memcpy(copy, data, bytes);
    return add_value(g, (struct covey_graph_value){.shape = shape, .constant = true, .data = copy});
}

uint16_t add_random(struct covey_graph *g, struct covey_shape shape, uint64_t *seed)
{
    float *data = random_floats(seed, floats_of(&shape));
    uint16_t index = add_constant(g, shape, data);
    free(data);
    return index;
}

struct covey_op_attrs attrs_default(void)
{
    struct covey_op_attrs a;
    covey_op_attrs_init(&a);
    return a;
}

uint16_t add_op(struct covey_graph *g, enum covey_op op, const struct covey_op_attrs *a,
                const uint16_t *inputs, unsigned count)
{
    struct covey_graph_node node = {
        .op = op, .inputs = (uint8_t)count, .outputs = 1, .attrs = attrs_default()};
    if (a != NULL) {
        node.attrs = *a;
    }
    memcpy(node.input, inputs, count * sizeof(*inputs));
    node.output[0] = add_value(g, (struct covey_graph_value){.constant = false});
    g->output[0] = node.output[0];
    g->outputs = 1;
    expect_ok(covey_graph_add_node(g, &node), NULL);
    return node.output[0];
}

uint16_t add_unary(struct covey_graph *g, enum covey_op op, uint16_t input)
{
    return add_op(g, op, NULL, &input, 1);
}

uint16_t add_conv(struct covey_graph *g, uint16_t input, const uint32_t c_m_k_p[4], uint64_t *seed)
{
    struct covey_op_attrs a = attrs_default();
    uint32_t m = c_m_k_p[1], k = c_m_k_p[2];
    a.kernel[0] = a.kernel[1] = k;
    for (unsigned i = 0; i < 2; i++) {
        a.pads[i] = a.pads_end[i] = c_m_k_p[3];
    }
    uint16_t in[3] = {input, add_random(g, shape_of(4, m, c_m_k_p[0], k, k), seed),
                      add_random(g, shape_of(1, m, 0, 0, 0), seed)};
    return add_op(g, COVEY_OP_CONV, &a, in, 3);
}

uint16_t add_dense(struct covey_graph *g, uint16_t input, uint32_t k, uint32_t m, uint64_t *seed)
{
    uint16_t in[3] = {input, add_random(g, shape_of(2, m, k, 0, 0), seed),
                      add_random(g, shape_of(1, m, 0, 0, 0), seed)};
    return add_op(g, COVEY_OP_DENSE, NULL, in, 3);
}

uint16_t add_batchnorm(struct covey_graph *g, uint16_t input, uint32_t channels, uint64_t *seed)
{
    uint16_t in[5] = {input};
    struct covey_shape row = shape_of(1, channels, 0, 0, 0);
    for (unsigned i = 1; i < 4; i++) {
        in[i] = add_random(g, row, seed);
    }
    float *var = random_floats(seed, channels);
    for (uint32_t i = 0; i < channels; i++) {
        var[i] = var[i] * var[i] + 0.1f;
    }
    in[4] = add_constant(g, row, var);
    free(var);
    return add_op(g, COVEY_OP_BATCHNORM, NULL, in, 5);
}

/* ---- of integers ---- */

static uint16_t add_bytes(struct covey_graph *g, enum covey_type type, struct covey_shape shape,
                          uint64_t *seed)
{
    void *data = NULL;
    size_t count = floats_of(&shape);
    expect_ok(covey_graph_alloc(g, count, &data), NULL);
    for (size_t i = 0; i < count; i++) {
        ((uint8_t *)data)[i] = (uint8_t)random_below(seed, 256);
    }
    return add_value(g, (struct covey_graph_value){
                            .type = type, .shape = shape, .constant = true, .data = data});
}

static uint16_t add_byte(struct covey_graph *g, enum covey_type type, uint8_t byte)
{
    void *data = NULL;
    expect_ok(covey_graph_alloc(g, 1, &data), NULL);
    memcpy(data, &byte, 1);
    return add_value(g, (struct covey_graph_value){.type = type, .constant = true, .data = data});
}

static uint16_t add_biases(struct covey_graph *g, uint32_t count, uint64_t *seed)
{
    void *data = NULL;
    expect_ok(covey_graph_alloc(g, count * sizeof(int32_t), &data), NULL);
    for (size_t i = 0; i < count; i++) {
        ((int32_t *)data)[i] = (int32_t)random_below(seed, 2000) - 1000;
    }
    return add_value(g, (struct covey_graph_value){.type = COVEY_TYPE_I32,
                                                   .shape = shape_of(1, count, 0, 0, 0),
                                                   .constant = true,
                                                   .data = data});
}

static uint16_t add_number(struct covey_graph *g, float number)
{
    return add_constant(g, shape_of(0, 0, 0, 0, 0), &number);
}

/* Scales of filters, in [0.01, 0.03). */
static uint16_t add_scales(struct covey_graph *g, uint32_t count, uint64_t *seed)
{
    float *data = random_floats(seed, count);
    for (uint32_t i = 0; i < count; i++) {
        data[i] = 0.02f + 0.01f * data[i];
    }
    uint16_t index = add_constant(g, shape_of(1, count, 0, 0, 0), data);
    free(data);
    return index;
}

static struct covey_op_attrs window(uint32_t kernel, uint32_t stride, uint32_t pad)
{
    struct covey_op_attrs a = attrs_default();
    for (unsigned i = 0; i < 2; i++) {
        a.kernel[i] = kernel;
        a.stride[i] = stride;
        a.pads[i] = a.pads_end[i] = pad;
    }
    return a;
}

/* The bytes, their scale and their zero point, all found while running. */
static void add_dynamic(struct covey_graph *g, uint16_t input, uint16_t out[3])
{
    struct covey_graph_node node = {.op = COVEY_OP_DYNAMICQUANTIZE,
                                    .inputs = 1,
                                    .outputs = 3,
                                    .input = {input},
                                    .attrs = attrs_default()};
    for (unsigned i = 0; i < 3; i++) {
        node.output[i] = out[i] = add_value(g, (struct covey_graph_value){.constant = false});
    }
    expect_ok(covey_graph_add_node(g, &node), NULL);
}

static uint16_t add_cast(struct covey_graph *g, uint16_t input, float times)
{
    struct covey_op_attrs a = attrs_default();
    a.to = COVEY_TYPE_F32;
    uint16_t x = add_op(g, COVEY_OP_CAST, &a, &input, 1);
    return add_op(g, COVEY_OP_MUL, NULL, (const uint16_t[]){x, add_number(g, times)}, 2);
}

static uint16_t add_quantize(struct covey_graph *g, uint16_t input, float scale, uint8_t zero)
{
    struct covey_op_attrs a = attrs_default();
    a.to = COVEY_TYPE_U8;
    uint16_t in[3] = {input, add_number(g, scale), add_byte(g, COVEY_TYPE_U8, zero)};
    return add_op(g, COVEY_OP_QUANTIZE, &a, in, 3);
}

static uint16_t add_dequantize(struct covey_graph *g, uint16_t input, float scale, uint8_t zero)
{
    uint16_t in[3] = {input, add_number(g, scale), add_byte(g, COVEY_TYPE_U8, zero)};
    return add_op(g, COVEY_OP_DEQUANTIZE, NULL, in, 3);
}

struct covey_graph *integer_network(uint64_t seed)
{
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 3, 12, 12));
    struct covey_op_attrs three = window(3, 1, 1), two = window(2, 2, 0);
    uint16_t dynamic[3], x = add_quantize(g, g->input[0], 0.01f, 120);
    uint16_t conv[9] = {x,
                        add_number(g, 0.01f),
                        add_byte(g, COVEY_TYPE_U8, 120),
                        add_bytes(g, COVEY_TYPE_I8, shape_of(4, 8, 3, 3, 3), &seed),
                        add_scales(g, 8, &seed),
                        add_bytes(g, COVEY_TYPE_I8, shape_of(1, 8, 0, 0, 0), &seed),
                        add_number(g, 0.5f),
                        add_byte(g, COVEY_TYPE_U8, 130),
                        add_biases(g, 8, &seed)};
    x = add_op(g, COVEY_OP_QLINEARCONV, &three, conv, 9);
    add_dynamic(g, add_dequantize(g, x, 0.5f, 130), dynamic);
    uint16_t filters[4] = {dynamic[0], add_bytes(g, COVEY_TYPE_U8, shape_of(4, 65, 8, 2, 2), &seed),
                           dynamic[2], add_byte(g, COVEY_TYPE_U8, 128)};
    x = add_cast(g, add_op(g, COVEY_OP_CONVINTEGER, &two, filters, 4), 1e-4f);
    add_dynamic(g, add_unary(g, COVEY_OP_FLATTEN, x), dynamic);
    uint16_t matrix[4] = {dynamic[0],
                          add_bytes(g, COVEY_TYPE_I8, shape_of(2, 65 * 36, 70, 0, 0), &seed),
                          dynamic[2], add_bytes(g, COVEY_TYPE_I8, shape_of(1, 70, 0, 0, 0), &seed)};
    x = add_cast(g, add_op(g, COVEY_OP_MATMULINTEGER, NULL, matrix, 4), 1e-5f);
    x = add_quantize(g, x, 0.2f, 128);
    uint16_t last[8] = {x,
                        add_number(g, 0.2f),
                        add_byte(g, COVEY_TYPE_U8, 128),
                        add_bytes(g, COVEY_TYPE_I8, shape_of(2, 70, 10, 0, 0), &seed),
                        add_number(g, 0.01f),
                        add_byte(g, COVEY_TYPE_I8, 0),
                        add_number(g, 2.0f),
                        add_byte(g, COVEY_TYPE_U8, 128)};
    x = add_op(g, COVEY_OP_QLINEARMATMUL, NULL, last, 8);
    add_dequantize(g, x, 2.0f, 128);
    return g;
}

struct covey_graph *small_network(uint64_t seed)
{
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 3, 12, 12));
    struct covey_op_attrs pool = attrs_default();
    uint16_t x = add_conv(g, g->input[0], (const uint32_t[]){3, 8, 3, 1}, &seed);
    x = add_unary(g, COVEY_OP_RELU, add_batchnorm(g, x, 8, &seed));
    uint16_t y = add_conv(g, x, (const uint32_t[]){8, 8, 3, 1}, &seed);
    y = add_batchnorm(g, y, 8, &seed);
    x = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[]){x, y}, 2);
    x = add_unary(g, COVEY_OP_RELU, x);
    pool.kernel[0] = pool.kernel[1] = pool.stride[0] = pool.stride[1] = 2;
    x = add_op(g, COVEY_OP_MAXPOOL, &pool, &x, 1);
    x = add_unary(g, COVEY_OP_IDENTITY, x);
    x = add_unary(g, COVEY_OP_FLATTEN, x);
    x = add_unary(g, COVEY_OP_TANH, add_dense(g, x, 8 * 6 * 6, 70, &seed));
    x = add_dense(g, x, 70, 10, &seed);
    add_unary(g, COVEY_OP_SOFTMAX, x);
    return g;
}

float *run_graph(struct covey_graph *g, uint32_t batch, const float *input, size_t *out_count)
{
    struct covey_nn_error why = {""};
    struct covey_model *m = NULL;
    struct covey_run *r = NULL;
    expect_ok(covey_graph_check(g, batch, &why), &why);
    expect_ok(covey_model_new(g, NULL, &m, &why), &why);
    expect_ok(covey_run_new(m, &r), NULL);
    *out_count = floats_of(covey_model_output(m));
    float *output = malloc(*out_count * sizeof(*output));
    assert_non_null(output);
    covey_run_all(r, input, output);
    covey_run_free(r);
    covey_model_free(m);
    return output;
}

double relative_error(const float *got, const float *expected, size_t count)
{
    double worst = 0.0, top = 1e-30;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)got[i] - (double)expected[i]);
        worst = d > worst || isnan(d) ? d : worst;
        top = fabs((double)expected[i]) > top ? fabs((double)expected[i]) : top;
    }
    return worst / top;
}
