/* SPDX-License-Identifier: MIT */
#include "onnx_build.h"

/* Elements that an operator with more than linear work may read and write at import. */
enum { HEAVY_MAX = 1 << 18 };

void covey__onnx_emit_init(struct covey_onnx_emit *e, enum covey_op op)
{
    *e = (struct covey_onnx_emit){.op = op, .outputs = 1, .node = -1};
    for (size_t i = 0; i < COVEY_NODE_INPUTS_MAX; i++) {
        e->input[i] = COVEY_VALUE_NONE;
    }
    for (size_t i = 0; i < COVEY_NODE_OUTPUTS_MAX; i++) {
        e->output[i] = COVEY_VALUE_NONE;
    }
    covey_op_attrs_init(&e->attrs);
}

void covey__onnx_emit_add(struct covey_onnx_build *b, struct covey_onnx_emit *e, uint16_t input)
{
    if (e->inputs == COVEY_NODE_INPUTS_MAX) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "more than %d inputs", COVEY_NODE_INPUTS_MAX);
        return;
    }
    e->input[e->inputs++] = input;
}

void covey__onnx_begin(struct covey_onnx_build *b, struct covey_onnx_emit *e, size_t least,
                       size_t most)
{
    covey__onnx_emit_init(e, b->op);
    size_t last = b->node->n_input < most ? b->node->n_input : most;
    while (last > least && !covey__onnx_has(b, last - 1)) {
        last--;
    }
    for (size_t i = 0; !b->err && (i < last || i < least); i++) {
        uint16_t v = i < least ? covey__onnx_need(b, i) : covey__onnx_input(b, i);
        covey__onnx_emit_add(b, e, v);
    }
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

/* Bytes of results up to which the last node is computed now. What only moves or converts weights
 * may be as large as they are: it would run each time else. */
static size_t fold_limit(const struct covey_onnx_build *b, const struct covey_onnx_emit *e)
{
    size_t left = COVEY_ONNX_MADE_MAX - b->made;
    unsigned family = (unsigned)e->op / COVEY_OP_FAMILY;
    if (e->op == COVEY_OP_TRANSPOSE || e->op == COVEY_OP_CAST || e->op == COVEY_OP_DEQUANTIZE) {
        return left;
    }
    size_t limit = COVEY_ONNX_FOLD_MAX < left ? COVEY_ONNX_FOLD_MAX : left;
    if (family != 0 && family != 3 && family != 5) {
        return limit;
    }
    for (unsigned i = 0; i < e->inputs; i++) {
        if (e->input[i] != COVEY_VALUE_NONE && covey__onnx_count(b, e->input[i]) > HEAVY_MAX) {
            return 0;
        }
    }
    return limit < HEAVY_MAX ? limit : HEAVY_MAX;
}

static void fold(struct covey_onnx_build *b, struct covey_onnx_emit *e)
{
    bool folded = false;
    covey_err err = covey_graph_fold_last(b->graph, fold_limit(b, e), &folded);
    if (err) {
        covey__onnx_fail(b, err, "computing it: %s", covey_strerror(err));
        return;
    }
    e->node = folded ? -1 : (int32_t)b->graph->node_count - 1;
    for (unsigned i = 0; folded && i < e->outputs; i++) {
        if (e->output[i] != COVEY_VALUE_NONE) {
            b->made += covey__onnx_count(b, e->output[i]) *
                       covey_type_size(b->graph->values[e->output[i]].type);
        }
    }
}

/* The reason without the node's name, which covey__onnx_fail() writes itself. */
static void refuse(struct covey_onnx_build *b, covey_err err, const char *name,
                   const struct covey_nn_error *inner)
{
    const char *text = inner->text;
    size_t len = strlen(name);
    if (strncmp(text, name, len) == 0 && text[len] == ':' && text[len + 1] == ' ') {
        text += len + 2;
    }
    covey__onnx_fail(b, err, "%s", text[0] ? text : covey_strerror(err));
}

uint16_t covey__onnx_emit(struct covey_onnx_build *b, struct covey_onnx_emit *e)
{
    struct covey_nn_error inner = {""};
    struct covey_graph_node node = {
        .op = e->op, .inputs = e->inputs, .outputs = e->outputs, .attrs = e->attrs};
    if (!b->err && strcmp(covey_op_name(e->op), "unknown") == 0) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "this operator is not supported");
    }
    if (b->err) {
        return 0;
    }
    covey_err err = COVEY_OK;
    memcpy(node.input, e->input, sizeof node.input);
    for (unsigned i = 0; i < COVEY_NODE_OUTPUTS_MAX; i++) {
        struct covey_graph_value value = {.data = NULL};
        bool wanted = i == 0 || (i < e->outputs && e->output[i] != COVEY_VALUE_NONE);
        node.output[i] = COVEY_VALUE_NONE;
        if (wanted && !err) {
            err = covey_graph_add_value(b->graph, &value, &node.output[i]);
        }
    }
    node_name(b->node, node.name, sizeof node.name);
    if (!err) {
        err = covey_graph_add_node(b->graph, &node);
    }
    if (!err) {
        err = covey_graph_infer_last(b->graph, &inner);
    }
    if (err) {
        refuse(b, err, node.name, &inner);
        return 0;
    }
    memcpy(e->output, node.output, sizeof e->output);
    fold(b, e);
    return b->err ? 0 : e->output[0];
}

void covey__onnx_finish(struct covey_onnx_build *b, struct covey_onnx_emit *e)
{
    size_t count = b->node->n_output;
    if (count > COVEY_NODE_OUTPUTS_MAX) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "more than %d outputs", COVEY_NODE_OUTPUTS_MAX);
    }
    for (size_t i = 1; !b->err && i < count; i++) {
        bool wanted = b->node->output[i][0] != '\0';
        e->output[i] = wanted ? 0 : COVEY_VALUE_NONE;
        e->outputs = wanted ? (uint8_t)(i + 1) : e->outputs;
    }
    uint16_t first = covey__onnx_emit(b, e);
    covey__onnx_define(b, 0, first);
    for (size_t i = 1; !b->err && i < e->outputs; i++) {
        covey__onnx_define(b, i, e->output[i]);
    }
    if (!b->err && e->node >= 0) {
        covey__onnx_find(b, b->node->output[0])->node = e->node;
    }
}

/* Replaces 0 (keep) and one -1 (what is left) in target; false: the numbers do not fit. */
static bool resolve(const struct covey_shape *in, const int64_t *target, size_t rank,
                    struct covey_shape *out)
{
    struct covey_shape shape = {.rank = (uint8_t)rank};
    size_t total = 0;
    size_t known = 1;
    size_t open = COVEY_RANK_MAX;
    bool bad = rank > COVEY_RANK_MAX || covey_shape_count(in, &total) != COVEY_OK;
    for (size_t i = 0; !bad && i < rank; i++) {
        int64_t dim = target[i];
        if (dim == -1 && open == COVEY_RANK_MAX) {
            open = i;
            continue;
        }
        bad = dim < 0 || dim > COVEY_TENSOR_ELEMENTS_MAX ||
              covey_size_mul(known, (size_t)dim, &known) != COVEY_OK;
        shape.dims[i] = (uint32_t)(bad ? 0 : dim);
    }
    if (!bad && open < COVEY_RANK_MAX) {
        bad = known == 0 || total % known != 0;
        shape.dims[open] = bad ? 0 : (uint32_t)(total / known);
        known = total;
    }
    *out = shape;
    return !bad && known == total;
}

/* A constant keeps its data. */
static uint16_t reshape_constant(struct covey_onnx_build *b, uint16_t input,
                                 const struct covey_shape *shape)
{
    struct covey_graph_value v = b->graph->values[input];
    uint16_t index = 0;
    v.shape = *shape;
    covey_err err = covey_graph_add_value(b->graph, &v, &index);
    if (err) {
        covey__onnx_fail(b, err, "%s", covey_strerror(err));
    }
    return index;
}

/* The attributes for a target that fits the input and is out. */
static void reshape_attrs(struct covey_op_attrs *a, const struct covey_shape *in,
                          const struct covey_shape *out)
{
    bool empty = false;
    for (size_t i = 0; i < out->rank; i++) {
        empty |= out->dims[i] == 0;
    }
    if (empty) {
        a->mode = COVEY_RESHAPE_ZERO;
        for (size_t i = 0; i < out->rank; i++) {
            a->shape[i] = out->dims[i];
        }
    } else if (out->rank > 0 && in->rank > 0 && out->dims[0] == in->dims[0]) {
        a->shape[0] = 0; /* whatever the batch is */
    } else if (out->rank > 0 && out->dims[0] == 1) {
        for (size_t i = 1; i < out->rank; i++) {
            a->shape[i] = out->dims[i];
        }
        a->shape[0] = -1; /* a 1 that does not stand for the batch */
    }
}

uint16_t covey__onnx_reshape(struct covey_onnx_build *b, uint16_t input, const int64_t *target,
                             size_t rank)
{
    struct covey_shape in = covey__onnx_shape(b, input);
    struct covey_shape out = {0};
    struct covey_onnx_emit e;
    if (b->err) {
        return 0;
    }
    bool fits = resolve(&in, target, rank, &out);
    bool constant = b->graph->values[input].constant;
    /* A 1 in front may stand for the batch: the operator knows. */
    bool batch = !constant && in.rank > 0 && rank > 0 && rank <= COVEY_RANK_MAX && target[0] == 1;
    if (!fits && !batch) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its input does not take the shape");
        return 0;
    }
    if (constant) {
        return reshape_constant(b, input, &out);
    }
    covey__onnx_emit_init(&e, COVEY_OP_RESHAPE);
    covey__onnx_emit_add(b, &e, input);
    e.attrs.shape_rank = (uint8_t)rank;
    memcpy(e.attrs.shape, target, rank * sizeof *target);
    if (fits) {
        reshape_attrs(&e.attrs, &in, &out);
    }
    return covey__onnx_emit(b, &e);
}

uint16_t covey__onnx_pair(struct covey_onnx_build *b, enum covey_op op, uint16_t x, uint16_t y)
{
    struct covey_onnx_emit e;
    covey__onnx_emit_init(&e, op);
    covey__onnx_emit_add(b, &e, x);
    covey__onnx_emit_add(b, &e, y);
    return covey__onnx_emit(b, &e);
}
