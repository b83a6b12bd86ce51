/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

/* out [columns rows] = scale * in [rows columns] transposed. */
static void transpose(const float *in, size_t rows, size_t columns, float scale, float *out)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            out[j * rows + i] = scale * in[i * columns + j];
        }
    }
}

/* The weights of Y = scale X W as [m k]; ONNX has them as [k m], or [m k] when transposed. */
static covey_err dense_weights(struct covey_onnx_build *b, const struct covey_onnx_value *w,
                               bool transposed, float scale, uint16_t *out_index)
{
    const struct covey_graph_value v = b->graph->values[w->index];
    struct covey_shape shape = {2, {v.shape.dims[1], v.shape.dims[0]}};
    float *data = NULL;
    if (transposed && scale == 1.0f) {
        *out_index = w->index;
        return COVEY_OK;
    }
    if (transposed) {
        shape = v.shape;
    }
    covey_err err = covey__onnx_make(b, &shape, &data, out_index);
    if (err) {
        return err;
    }
    if (transposed) {
        size_t count = (size_t)shape.dims[0] * shape.dims[1];
        for (size_t i = 0; i < count; i++) {
            data[i] = scale * ((const float *)v.data)[i];
        }
    } else {
        transpose(v.data, v.shape.dims[0], v.shape.dims[1], scale, data);
    }
    return COVEY_OK;
}

/* A constant that broadcasts over rows: [m], [1 m], [1] or a scalar. */
static bool is_row(const struct covey_graph_value *v, size_t m)
{
    size_t count = 0;
    if (!v->constant || covey_shape_count(&v->shape, &count)) {
        return false;
    }
    size_t last = v->shape.rank > 0 ? v->shape.dims[v->shape.rank - 1] : 1;
    return v->shape.rank <= 2 && count == last && (count == m || count == 1);
}

/* As a bias [m], scaled. */
static covey_err dense_bias(struct covey_onnx_build *b, uint16_t index, size_t m, float scale,
                            uint16_t *out_index)
{
    const struct covey_graph_value v = b->graph->values[index];
    struct covey_shape shape = {1, {(uint32_t)m}};
    float *data = NULL;
    if (scale == 1.0f && v.shape.rank == 1 && v.shape.dims[0] == m) {
        *out_index = index;
        return COVEY_OK;
    }
    covey_err err = covey__onnx_make(b, &shape, &data, out_index);
    if (err) {
        return err;
    }
    size_t step = v.shape.rank == 0 || v.shape.dims[v.shape.rank - 1] == 1 ? 0 : 1;
    for (size_t i = 0; i < m; i++) {
        data[i] = scale * ((const float *)v.data)[i * step];
    }
    return COVEY_OK;
}

/* C of Gemm: into the dense layer's bias when it is one, else added behind it. */
static covey_err gemm_finish(struct covey_onnx_build *b, struct covey_onnx_emit *e, size_t m,
                             const struct covey_onnx_value *c, float beta)
{
    uint16_t index = 0;
    if (c && beta != 0.0f && is_row(&b->graph->values[c->index], m)) {
        covey_err err = dense_bias(b, c->index, m, beta, &e->input[2]);
        e->inputs = 3;
        return err ? err : covey__onnx_finish(b, e);
    }
    if (!c || beta == 0.0f) {
        return covey__onnx_finish(b, e);
    }
    if (beta != 1.0f) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "beta with a C that is not constant");
    }
    covey_err err = covey__onnx_emit(b, e, &index);
    if (err) {
        return err;
    }
    covey__onnx_emit_init(e, COVEY_OP_ADD, index);
    e->input[1] = c->index;
    e->inputs = 2;
    return covey__onnx_finish(b, e);
}

/* Input i, which must be a constant matrix. */
static covey_err matrix(struct covey_onnx_build *b, size_t i, struct covey_onnx_value **out)
{
    covey_err err = covey__onnx_floats(b, i, true, out);
    if (err) {
        return err;
    }
    if (!covey__onnx_constant(b, *out) || b->graph->values[(*out)->index].shape.rank != 2) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED,
                                "its weights '%.60s' are not a constant matrix", (*out)->name);
    }
    return COVEY_OK;
}

covey_err covey__onnx_gemm(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_onnx_value *w = NULL;
    struct covey_onnx_value *c = NULL;
    int64_t trans_a = 0;
    int64_t trans_b = 0;
    float alpha = 1.0f;
    float beta = 1.0f;
    struct covey_onnx_emit e;
    covey_err err = covey__onnx_floats(b, 0, true, &x);
    if (!err) {
        err = matrix(b, 1, &w);
    }
    if (!err) {
        err = covey__onnx_floats(b, 2, false, &c);
    }
    if (!err) {
        err = covey__onnx_int(b, "transA", 0, &trans_a);
    }
    if (!err) {
        err = covey__onnx_int(b, "transB", 0, &trans_b);
    }
    if (!err) {
        err = covey__onnx_float(b, "alpha", 1.0f, &alpha);
    }
    if (!err) {
        err = covey__onnx_float(b, "beta", 1.0f, &beta);
    }
    if (!err && trans_a != 0) {
        err = covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "transA");
    }
    if (err) {
        return err;
    }
    covey__onnx_emit_init(&e, COVEY_OP_DENSE, x->index);
    e.inputs = 2;
    err = dense_weights(b, w, trans_b != 0, alpha, &e.input[1]);
    if (err) {
        return err;
    }
    return gemm_finish(b, &e, b->graph->values[e.input[1]].shape.dims[0], c, beta);
}

/* X of rank above 2 by a constant matrix: all leading axes are rows. */
static covey_err matmul_rows(struct covey_onnx_build *b, struct covey_onnx_emit *e,
                             const struct covey_shape *in)
{
    const struct covey_shape weights = b->graph->values[e->input[1]].shape;
    int64_t rows[2] = {-1, in->dims[in->rank - 1]};
    int64_t back[COVEY_RANK_MAX] = {0};
    uint16_t index = 0;
    for (size_t i = 1; i + 1U < in->rank; i++) {
        back[i] = in->dims[i];
    }
    back[0] = -1; /* the batch */
    back[in->rank - 1] = weights.dims[0];
    covey_err err = covey__onnx_emit_reshape(b, e->input[0], rows, 2, &e->input[0]);
    if (!err) {
        err = covey__onnx_emit(b, e, &index);
    }
    if (!err) {
        err = covey__onnx_emit_reshape(b, index, back, in->rank, &index);
    }
    return err ? err : covey__onnx_define(b, index, -1);
}

covey_err covey__onnx_matmul(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_onnx_value *y = NULL;
    struct covey_shape in = {0};
    struct covey_onnx_emit e;
    covey_err err = covey__onnx_floats(b, 0, true, &x);
    if (!err) {
        err = covey__onnx_floats(b, 1, true, &y);
    }
    if (!err) {
        err = covey__onnx_shape(b, x->index, &in);
    }
    if (err) {
        return err;
    }
    covey__onnx_emit_init(&e, COVEY_OP_MATMUL, x->index);
    e.inputs = 2;
    e.input[1] = y->index;
    if (!covey__onnx_constant(b, y)) {
        return covey__onnx_finish(b, &e);
    }
    if (b->graph->values[y->index].shape.rank != 2 || in.rank < 2) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "its weights are not a matrix");
    }
    e.op = COVEY_OP_DENSE;
    err = dense_weights(b, y, false, 1.0f, &e.input[1]);
    if (err) {
        return err;
    }
    return in.rank == 2 ? covey__onnx_finish(b, &e) : matmul_rows(b, &e, &in);
}

/* The bias that a constant is when it is added to a layer's output: one number per row of W. */
static bool is_layer_bias(const struct covey_graph_value *v, enum covey_op op, size_t m)
{
    size_t count = 0;
    if (!v->constant || covey_shape_count(&v->shape, &count) || count != m) {
        return false;
    }
    /* Axis of the rows, counted from the last: the channels of [n m h w], the columns of [n m]. */
    size_t behind = op == COVEY_OP_CONV ? 2 : 0;
    return v->shape.rank > behind && v->shape.rank <= behind + 2 &&
           v->shape.dims[v->shape.rank - 1 - behind] == m;
}

/* x + constant where x is made by a layer without bias and used only here. */
bool covey__onnx_fuse_bias(struct covey_onnx_build *b, const struct covey_onnx_value *x,
                           const struct covey_onnx_value *y)
{
    if (x->node < 0 || x->uses != 1) {
        return false;
    }
    struct covey_graph_node *node = &b->graph->nodes[x->node];
    if ((node->op != COVEY_OP_CONV && node->op != COVEY_OP_DENSE) ||
        (node->inputs > 2 && node->input[2] != COVEY_VALUE_NONE)) {
        return false;
    }
    struct covey_graph_value bias = b->graph->values[y->index];
    size_t m = b->graph->values[node->input[1]].shape.dims[0];
    uint16_t index = 0;
    if (!is_layer_bias(&bias, node->op, m)) {
        return false;
    }
    bias.shape = (struct covey_shape){1, {(uint32_t)m}};
    if (covey_graph_add_value(b->graph, &bias, &index)) {
        return false;
    }
    node->input[2] = index;
    node->inputs = 3;
    return true;
}
