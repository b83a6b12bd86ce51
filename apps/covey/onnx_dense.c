/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

/* Whether the value is a constant float32 matrix. */
static bool is_matrix(const struct covey_onnx_build *b, uint16_t index)
{
    return covey__onnx_constant(b, index) && covey__onnx_shape(b, index).rank == 2 &&
           covey__onnx_type_of(b, index) == COVEY_TYPE_F32;
}

static uint16_t scaled(struct covey_onnx_build *b, uint16_t index, float scale)
{
    struct covey_shape shape = covey__onnx_shape(b, index);
    uint16_t made = index;
    size_t count = covey__onnx_count(b, index);
    if (scale == 1.0f || b->err) {
        return index;
    }
    float *data = covey__onnx_make(b, COVEY_TYPE_F32, &shape, &made);
    const float *from = b->graph->values[index].data;
    for (size_t i = 0; data && i < count; i++) {
        data[i] = scale * from[i];
    }
    return made;
}

/* The constant matrix [k m] as [m k]. */
static uint16_t transposed(struct covey_onnx_build *b, uint16_t index)
{
    struct covey_shape shape = covey__onnx_shape(b, index);
    size_t rows = shape.dims[0];
    size_t columns = shape.dims[1];
    uint16_t made = index;
    shape.dims[0] = (uint32_t)columns;
    shape.dims[1] = (uint32_t)rows;
    float *data = covey__onnx_make(b, COVEY_TYPE_F32, &shape, &made);
    const float *from = b->err ? NULL : b->graph->values[index].data;
    for (size_t i = 0; data && i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            data[j * rows + i] = from[i * columns + j];
        }
    }
    return made;
}

/* A bias [m] from C, scaled: constants that broadcast over rows, or any [m] as it is. */
static uint16_t dense_bias(struct covey_onnx_build *b, uint16_t c, size_t m, float scale)
{
    struct covey_shape s = covey__onnx_shape(b, c);
    size_t count = covey__onnx_count(b, c);
    size_t last = s.rank > 0 ? s.dims[s.rank - 1] : 1;
    bool row = s.rank <= 2 && count == last && (count == m || count == 1);
    if (b->err || !row || covey__onnx_type_of(b, c) != COVEY_TYPE_F32) {
        return COVEY_VALUE_NONE;
    }
    if (scale == 1.0f && s.rank == 1 && count == m) {
        return c;
    }
    const float *from = covey__onnx_constant(b, c);
    struct covey_shape shape = {1, {(uint32_t)m}};
    uint16_t made = COVEY_VALUE_NONE;
    float *data = from ? covey__onnx_make(b, COVEY_TYPE_F32, &shape, &made) : NULL;
    for (size_t i = 0; data && i < m; i++) {
        data[i] = scale * from[count == 1 ? 0 : i];
    }
    return data ? made : COVEY_VALUE_NONE;
}

/* Y = alpha A B' + beta C as a dense layer; false: it is none. */
static bool gemm_dense(struct covey_onnx_build *b, struct covey_onnx_emit *e)
{
    bool trans_b = e->attrs.mode & COVEY_GEMM_TRANS_B;
    uint16_t c = e->inputs > 2 ? e->input[2] : COVEY_VALUE_NONE;
    struct covey_shape w = covey__onnx_shape(b, e->input[1]);
    if (b->err || (e->attrs.mode & COVEY_GEMM_TRANS_A) || !is_matrix(b, e->input[1])) {
        return false;
    }
    struct covey_onnx_emit dense;
    covey__onnx_emit_init(&dense, COVEY_OP_DENSE);
    covey__onnx_emit_add(b, &dense, e->input[0]);
    uint16_t bias = COVEY_VALUE_NONE;
    if (c != COVEY_VALUE_NONE && e->attrs.beta != 0.0f) {
        bias = dense_bias(b, c, w.dims[trans_b ? 0 : 1], e->attrs.beta);
        if (bias == COVEY_VALUE_NONE) {
            return false;
        }
    }
    uint16_t weights = trans_b ? e->input[1] : transposed(b, e->input[1]);
    covey__onnx_emit_add(b, &dense, scaled(b, weights, e->attrs.alpha));
    if (bias != COVEY_VALUE_NONE) {
        covey__onnx_emit_add(b, &dense, bias);
    }
    covey__onnx_finish(b, &dense);
    return true;
}

void covey__onnx_gemm(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 2, 3);
    e.attrs.alpha = covey__onnx_float(b, "alpha", 1.0f);
    e.attrs.beta = covey__onnx_float(b, "beta", 1.0f);
    e.attrs.mode |= covey__onnx_flag(b, "transA", false) ? COVEY_GEMM_TRANS_A : 0U;
    e.attrs.mode |= covey__onnx_flag(b, "transB", false) ? COVEY_GEMM_TRANS_B : 0U;
    if (!gemm_dense(b, &e)) {
        covey__onnx_finish(b, &e);
    }
}

void covey__onnx_matmul(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 2, 2);
    if (!b->err && covey__onnx_shape(b, e.input[0]).rank == 2 && is_matrix(b, e.input[1]) &&
        !b->graph->values[e.input[0]].constant) {
        e.op = COVEY_OP_DENSE;
        e.input[1] = transposed(b, e.input[1]);
    }
    covey__onnx_finish(b, &e);
}

/* Whether v is one number for each of the m channels of x: added behind the layer that makes x, it
 * is that layer's bias. */
static bool is_layer_bias(const struct covey_onnx_build *b, uint16_t v, size_t behind, size_t m)
{
    struct covey_shape s = covey__onnx_shape(b, v);
    return covey__onnx_constant(b, v) && covey__onnx_type_of(b, v) == COVEY_TYPE_F32 &&
           covey__onnx_count(b, v) == m && s.rank > behind && s.rank <= behind + 2 &&
           s.dims[s.rank - 1 - behind] == m;
}

/* x + constant where x is made by a layer without bias and used only here. */
static bool fuse_bias(struct covey_onnx_build *b, size_t x_input, size_t y_input)
{
    const struct covey_onnx_value *x = covey__onnx_find(b, b->node->input[x_input]);
    uint16_t y = covey__onnx_input(b, y_input);
    uint16_t index = 0;
    if (b->err || !x || x->node < 0 || x->uses != 1) {
        return false;
    }
    struct covey_graph_node *node = &b->graph->nodes[x->node];
    if ((node->op != COVEY_OP_CONV && node->op != COVEY_OP_DENSE) || node->output[0] != x->index ||
        (node->inputs > 2 && node->input[2] != COVEY_VALUE_NONE)) {
        return false;
    }
    struct covey_shape out = covey__onnx_shape(b, x->index);
    size_t behind = node->op == COVEY_OP_CONV ? out.rank - 2U : 0;
    if (!is_layer_bias(b, y, behind, out.dims[1])) {
        return false;
    }
    struct covey_graph_value bias = b->graph->values[y];
    bias.shape = (struct covey_shape){1, {out.dims[1]}};
    if (covey_graph_add_value(b->graph, &bias, &index)) {
        return false;
    }
    node->input[2] = index;
    node->inputs = 3;
    covey__onnx_define(b, 0, x->index);
    return true;
}

void covey__onnx_add(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 2, 2);
    if (!b->err && !fuse_bias(b, 0, 1) && !fuse_bias(b, 1, 0)) {
        covey__onnx_finish(b, &e);
    }
}
