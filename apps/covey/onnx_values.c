/* SPDX-License-Identifier: MIT */
#include "onnx_build.h"

#include <stdlib.h>

struct covey_onnx_value *covey__onnx_find(const struct covey_onnx_build *b, const char *name)
{
    size_t low = 0;
    size_t high = b->value_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, b->values[middle].name);
        if (order == 0) {
            return &b->values[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

covey_err covey__onnx_input(struct covey_onnx_build *b, size_t i, bool present,
                            struct covey_onnx_value **out)
{
    const Onnx__NodeProto *node = b->node;
    const char *name = i < node->n_input ? node->input[i] : "";
    if (name[0] == '\0') {
        *out = NULL;
        return present ? covey__onnx_fail(b, COVEY_ERR_MALFORMED, "input %zu is missing", i)
                       : COVEY_OK;
    }
    struct covey_onnx_value *v = covey__onnx_find(b, name);
    if (!v) {
        return covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its input '%.60s' does not exist", name);
    }
    if (v->kind == COVEY_ONNX_UNDEFINED) {
        return covey__onnx_fail(b, COVEY_ERR_MALFORMED,
                                "its input '%.60s' is not made by any earlier node", name);
    }
    *out = v;
    return COVEY_OK;
}

covey_err covey__onnx_floats(struct covey_onnx_build *b, size_t i, bool present,
                             struct covey_onnx_value **out)
{
    struct covey_onnx_value *v = NULL;
    covey_err err = covey__onnx_input(b, i, present, &v);
    if (err) {
        return err;
    }
    if (v && v->kind != COVEY_ONNX_FLOATS) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "its input '%.60s' is not float32",
                                v->name);
    }
    *out = v;
    return COVEY_OK;
}

covey_err covey__onnx_integers(struct covey_onnx_build *b, size_t i, bool present,
                               struct covey_onnx_value **out)
{
    struct covey_onnx_value *v = NULL;
    covey_err err = covey__onnx_input(b, i, present, &v);
    if (err) {
        return err;
    }
    if (v && v->kind != COVEY_ONNX_INTEGERS) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED,
                                "its input '%.60s' is not a short list of constant integers",
                                v->name);
    }
    *out = v;
    return COVEY_OK;
}

const float *covey__onnx_constant(const struct covey_onnx_build *b,
                                  const struct covey_onnx_value *v)
{
    return v->kind == COVEY_ONNX_FLOATS ? b->graph->values[v->index].data : NULL;
}

covey_err covey__onnx_scalar(struct covey_onnx_build *b, size_t i, float fallback, float *out)
{
    struct covey_onnx_value *v = NULL;
    size_t count = 0;
    covey_err err = covey__onnx_floats(b, i, false, &v);
    if (err) {
        return err;
    }
    if (!v) {
        *out = fallback;
        return COVEY_OK;
    }
    const float *data = covey__onnx_constant(b, v);
    if (!data || covey_shape_count(&b->graph->values[v->index].shape, &count) || count != 1) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "its input '%.60s' is not one constant",
                                v->name);
    }
    *out = data[0];
    return COVEY_OK;
}

covey_err covey__onnx_shape(struct covey_onnx_build *b, uint16_t index, struct covey_shape *out)
{
    const struct covey_graph_value *v = &b->graph->values[index];
    /* A value of the graph has at least one dimension, unless nobody has inferred it yet. */
    if (!v->constant && v->shape.rank == 0) {
        b->graph->output[0] = index;
        b->graph->outputs = 1;
        struct covey_nn_error why = {""};
        covey_err err = covey_graph_check(b->graph, 0, &why);
        if (err) {
            return covey__why(err, b->why, "%s", why.text);
        }
    }
    *out = b->graph->values[index].shape;
    return COVEY_OK;
}

covey_err covey__onnx_make(struct covey_onnx_build *b, const struct covey_shape *shape,
                           float **out_data, uint16_t *out_index)
{
    struct covey_graph_value v = {.shape = *shape, .constant = true};
    void *data = NULL;
    size_t count = 0;
    covey_err err = covey_shape_count(shape, &count);
    if (!err && (count == 0 || count > COVEY_ONNX_MADE_MAX - b->made)) {
        err = COVEY_ERR_LIMIT;
    }
    if (!err) {
        err = covey_graph_alloc(b->graph, count * sizeof(float), &data);
    }
    if (!err) {
        v.data = data;
        err = covey_graph_add_value(b->graph, &v, out_index);
    }
    if (err) {
        return covey__onnx_fail(b, err, "a constant of %zu elements: %s", count,
                                covey_strerror(err));
    }
    b->made += count;
    *out_data = data;
    return COVEY_OK;
}

/* The first output's name, which must be new. */
static covey_err output_value(struct covey_onnx_build *b, struct covey_onnx_value **out)
{
    const char *name = b->node->n_output > 0 ? b->node->output[0] : "";
    struct covey_onnx_value *v = name[0] ? covey__onnx_find(b, name) : NULL;
    if (!v || v->kind != COVEY_ONNX_UNDEFINED) {
        return covey__onnx_fail(b, COVEY_ERR_MALFORMED, "it has no output of its own");
    }
    *out = v;
    return COVEY_OK;
}

covey_err covey__onnx_define(struct covey_onnx_build *b, uint16_t index, int32_t node)
{
    struct covey_onnx_value *v = NULL;
    covey_err err = output_value(b, &v);
    if (err) {
        return err;
    }
    v->kind = COVEY_ONNX_FLOATS;
    v->index = index;
    v->node = node;
    return COVEY_OK;
}

covey_err covey__onnx_define_ints(struct covey_onnx_build *b, const int64_t *ints, size_t count,
                                  uint8_t rank)
{
    struct covey_onnx_value *v = NULL;
    covey_err err = output_value(b, &v);
    if (err) {
        return err;
    }
    if (count > COVEY_ONNX_INTS_MAX) {
        return covey__onnx_fail(b, COVEY_ERR_LIMIT, "a list of more than %d integers",
                                COVEY_ONNX_INTS_MAX);
    }
    v->kind = COVEY_ONNX_INTEGERS;
    v->shape = (struct covey_shape){.rank = rank};
    v->shape.dims[0] = (uint32_t)count;
    v->count = count;
    memcpy(v->ints, ints, count * sizeof *ints);
    return COVEY_OK;
}

void covey__onnx_emit_init(struct covey_onnx_emit *e, enum covey_op op, uint16_t input)
{
    *e = (struct covey_onnx_emit){.op = op, .inputs = 1, .input = {input}};
    for (size_t i = 1; i < COVEY_NODE_INPUTS_MAX; i++) {
        e->input[i] = COVEY_VALUE_NONE;
    }
    covey_op_attrs_init(&e->attrs);
}

/* The node's name, or its output's, as far as it fits, printable. */
static void node_name(const Onnx__NodeProto *node, char *out, size_t room)
{
    const char *name = node->name && node->name[0] ? node->name
                       : node->n_output > 0        ? node->output[0]
                                                   : "";
    size_t len = 0;
    for (; name[len] && len + 1 < room; len++) {
        out[len] = name[len] >= 0x20 && name[len] < 0x7f ? name[len] : '?';
    }
    out[len] = '\0';
}

covey_err covey__onnx_emit(struct covey_onnx_build *b, const struct covey_onnx_emit *e,
                           uint16_t *out_index)
{
    struct covey_graph_value value = {.data = NULL};
    struct covey_graph_node node = {
        .op = e->op, .inputs = e->inputs, .outputs = 1, .attrs = e->attrs};
    memcpy(node.input, e->input, sizeof node.input);
    node_name(b->node, node.name, sizeof node.name);
    covey_err err = covey_graph_add_value(b->graph, &value, &node.output[0]);
    if (!err) {
        err = covey_graph_add_node(b->graph, &node);
    }
    if (err) {
        return covey__onnx_fail(b, err, "%s", covey_strerror(err));
    }
    *out_index = node.output[0];
    return COVEY_OK;
}

covey_err covey__onnx_finish(struct covey_onnx_build *b, const struct covey_onnx_emit *e)
{
    uint16_t index = 0;
    covey_err err = covey__onnx_emit(b, e, &index);
    if (err) {
        return err;
    }
    return covey__onnx_define(b, index, (int32_t)b->graph->node_count - 1);
}

covey_err covey__onnx_emit_reshape(struct covey_onnx_build *b, uint16_t input,
                                   const int64_t *target, size_t rank, uint16_t *out_index)
{
    struct covey_onnx_emit e;
    covey__onnx_emit_init(&e, COVEY_OP_RESHAPE, input);
    if (rank == 0 || rank > COVEY_RANK_MAX) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a shape of %zu dimensions", rank);
    }
    e.attrs.shape_rank = (uint8_t)rank;
    memcpy(e.attrs.shape, target, rank * sizeof *target);
    return covey__onnx_emit(b, &e, out_index);
}

covey_err covey__onnx_axis(struct covey_onnx_build *b, int64_t axis, size_t rank, uint8_t *out)
{
    int64_t r = (int64_t)rank;
    if (axis < -r || axis >= r) {
        return covey__onnx_fail(b, COVEY_ERR_RANGE, "axis %lld of %zu dimensions", (long long)axis,
                                rank);
    }
    *out = (uint8_t)(axis < 0 ? axis + r : axis);
    return COVEY_OK;
}
