/* SPDX-License-Identifier: MIT */
#include "onnx_import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "onnx_ops.h"
#include "onnx_walk.h"
#include "read_file.h"

static const struct {
    const char *name;
    covey_onnx_reader read;
} operators[] = {
    {"Add", covey__onnx_binary},
    {"AveragePool", covey__onnx_pool},
    {"BatchNormalization", covey__onnx_batchnorm},
    {"Cast", covey__onnx_cast},
    {"Clip", covey__onnx_clip},
    {"Concat", covey__onnx_concat},
    {"Constant", covey__onnx_constant_node},
    {"ConstantOfShape", covey__onnx_fill},
    {"Conv", covey__onnx_conv},
    {"Div", covey__onnx_binary},
    {"Dropout", covey__onnx_identity},
    {"Flatten", covey__onnx_flatten},
    {"Gather", covey__onnx_gather},
    {"Gemm", covey__onnx_gemm},
    {"GlobalAveragePool", covey__onnx_global_pool},
    {"Identity", covey__onnx_identity},
    {"LRN", covey__onnx_lrn},
    {"LeakyRelu", covey__onnx_leaky},
    {"LogSoftmax", covey__onnx_softmax},
    {"MatMul", covey__onnx_matmul},
    {"MaxPool", covey__onnx_pool},
    {"Mul", covey__onnx_binary},
    {"Pad", covey__onnx_pad},
    {"ReduceMean", covey__onnx_reduce_mean},
    {"Relu", covey__onnx_unary},
    {"Reshape", covey__onnx_reshape},
    {"Shape", covey__onnx_shape_node},
    {"Sigmoid", covey__onnx_unary},
    {"Slice", covey__onnx_slice},
    {"Softmax", covey__onnx_softmax},
    {"Squeeze", covey__onnx_squeeze},
    {"Sub", covey__onnx_binary},
    {"Sum", covey__onnx_sum},
    {"Tanh", covey__onnx_unary},
    {"Transpose", covey__onnx_transpose},
    {"Unsqueeze", covey__onnx_unsqueeze},
};

covey_err covey__onnx_fail(struct covey_onnx_build *b, covey_err err, const char *format, ...)
{
    char what[160];
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const Onnx__NodeProto *n = b->node;
    const char *name = n->name && n->name[0] ? n->name : n->n_output > 0 ? n->output[0] : "";
    return covey__why(err, b->why, "node '%.40s' (%.24s): %s", name, n->op_type ? n->op_type : "",
                      wrote < 0 ? "" : what);
}

static int by_name(const void *x, const void *y)
{
    const struct covey_onnx_value *a = x;
    const struct covey_onnx_value *b = y;
    return strcmp(a->name, b->name);
}

static void add_name(struct covey_onnx_build *b, const char *name)
{
    if (name && name[0]) {
        b->values[b->value_count++] = (struct covey_onnx_value){.name = name, .node = -1};
    }
}

/* All names that are defined anywhere, sorted; each once, but an initializer may stand among the
 * inputs too. */
static covey_err collect_names(struct covey_onnx_build *b, const Onnx__GraphProto *g)
{
    size_t count = g->n_input + g->n_initializer;
    for (size_t i = 0; i < g->n_node; i++) {
        count += g->node[i]->n_output;
    }
    if (count > COVEY_GRAPH_VALUES_MAX || g->n_node > COVEY_GRAPH_NODES_MAX) {
        return covey__why(COVEY_ERR_LIMIT, b->why, "%zu nodes, at most %d; %zu values, at most %d",
                          g->n_node, COVEY_GRAPH_NODES_MAX, count, COVEY_GRAPH_VALUES_MAX);
    }
    b->values = calloc(count + 1, sizeof *b->values);
    if (!b->values) {
        return covey__why(COVEY_ERR_NOMEM, b->why, "out of memory");
    }
    for (size_t i = 0; i < g->n_input; i++) {
        add_name(b, g->input[i]->name);
    }
    for (size_t i = 0; i < g->n_initializer; i++) {
        add_name(b, g->initializer[i]->name);
    }
    for (size_t i = 0; i < g->n_node; i++) {
        for (size_t j = 0; j < g->node[i]->n_output; j++) {
            add_name(b, g->node[i]->output[j]);
        }
    }
    qsort(b->values, b->value_count, sizeof *b->values, by_name);
    size_t kept = 0;
    for (size_t i = 0; i < b->value_count; i++) {
        if (kept == 0 || strcmp(b->values[kept - 1].name, b->values[i].name) != 0) {
            b->values[kept++] = b->values[i];
        }
    }
    b->value_count = kept;
    return COVEY_OK;
}

static void count_uses(struct covey_onnx_build *b, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_node; i++) {
        for (size_t j = 0; j < g->node[i]->n_input; j++) {
            struct covey_onnx_value *v = covey__onnx_find(b, g->node[i]->input[j]);
            if (v) {
                v->uses++;
            }
        }
    }
    for (size_t i = 0; i < g->n_output; i++) {
        struct covey_onnx_value *v =
            covey__onnx_find(b, g->output[i]->name ? g->output[i]->name : "");
        if (v) {
            v->uses++;
        }
    }
}

static covey_err define_initializers(struct covey_onnx_build *b, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_initializer; i++) {
        const char *name = g->initializer[i]->name;
        struct covey_onnx_value *v = name && name[0] ? covey__onnx_find(b, name) : NULL;
        if (!v || v->kind != COVEY_ONNX_UNDEFINED) {
            return covey__why(COVEY_ERR_MALFORMED, b->why,
                              "initializer '%.60s' has no name of its own", name ? name : "");
        }
        covey_err err = covey__onnx_tensor_define(b, g->initializer[i], v);
        if (err) {
            return err;
        }
    }
    return COVEY_OK;
}

/* The declared shape; a first axis that is open is a batch of 1. */
static covey_err input_shape(struct covey_onnx_build *b, const Onnx__ValueInfoProto *info,
                             struct covey_shape *out)
{
    const char *name = info->name;
    const Onnx__TypeProto__Tensor *t =
        info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
            ? info->type->tensor_type
            : NULL;
    if (!t || t->elem_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
        return covey__why(COVEY_ERR_UNSUPPORTED, b->why, "input '%.60s' is not float32", name);
    }
    if (!t->shape || t->shape->n_dim == 0 || t->shape->n_dim > COVEY_RANK_MAX) {
        return covey__why(COVEY_ERR_UNSUPPORTED, b->why, "input '%.60s' has no shape", name);
    }
    struct covey_shape shape = {.rank = (uint8_t)t->shape->n_dim};
    size_t count = 0;
    for (size_t i = 0; i < t->shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
        bool known = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        int64_t dim = known ? d->dim_value : 0;
        if (i == 0 && (dim == 0 || dim == -1)) {
            dim = 1;
        }
        if (dim < 1 || dim > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__why(COVEY_ERR_UNSUPPORTED, b->why,
                              "input '%.60s': dimension %zu is open or out of range", name, i);
        }
        shape.dims[i] = (uint32_t)dim;
    }
    covey_err err = covey_shape_count(&shape, &count);
    if (err) {
        return covey__why(err, b->why, "input '%.60s' has more than %d elements", name,
                          COVEY_TENSOR_ELEMENTS_MAX);
    }
    *out = shape;
    return COVEY_OK;
}

static covey_err define_input(struct covey_onnx_build *b, const Onnx__GraphProto *g)
{
    bool found = false;
    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = g->input[i]->name;
        struct covey_onnx_value *v = name && name[0] ? covey__onnx_find(b, name) : NULL;
        struct covey_graph_value value = {.data = NULL};
        if (!v) {
            return covey__why(COVEY_ERR_MALFORMED, b->why, "an input has no name");
        }
        if (v->kind != COVEY_ONNX_UNDEFINED) {
            continue; /* an initializer, as before IR version 4 */
        }
        if (found) {
            return covey__why(COVEY_ERR_UNSUPPORTED, b->why,
                              "'%.60s' is a second input; one is supported", name);
        }
        covey_err err = input_shape(b, g->input[i], &value.shape);
        if (!err && covey_graph_add_value(b->graph, &value, &v->index)) {
            err = covey__why(COVEY_ERR_NOMEM, b->why, "out of memory");
        }
        if (err) {
            return err;
        }
        v->kind = COVEY_ONNX_FLOATS;
        b->graph->input[0] = v->index;
        b->graph->inputs = 1;
        found = true;
    }
    return found ? COVEY_OK : covey__why(COVEY_ERR_MALFORMED, b->why, "the graph has no input");
}

static covey_err read_node(struct covey_onnx_build *b, const Onnx__NodeProto *node)
{
    const char *op = node->op_type ? node->op_type : "";
    const char *domain = node->domain ? node->domain : "";
    b->node = node;
    b->attributes_seen = 0;
    if (domain[0] && strcmp(domain, "ai.onnx") != 0) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "operators of '%.40s' are not supported",
                                domain);
    }
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (strcmp(operators[i].name, op) == 0) {
            covey_err err = operators[i].read(b);
            return err ? err : covey__onnx_attributes_done(b);
        }
    }
    return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "this operator is not supported");
}

/* The graph's output is made by a node of its own, also when it only passes something on. */
static covey_err define_output(struct covey_onnx_build *b, const Onnx__GraphProto *g)
{
    if (g->n_output != 1) {
        return covey__why(COVEY_ERR_UNSUPPORTED, b->why, "%zu outputs; one is supported",
                          g->n_output);
    }
    const char *name = g->output[0]->name ? g->output[0]->name : "";
    const struct covey_onnx_value *v = name[0] ? covey__onnx_find(b, name) : NULL;
    if (!v || v->kind != COVEY_ONNX_FLOATS) {
        return covey__why(COVEY_ERR_MALFORMED, b->why, "no node makes the output '%.60s'", name);
    }
    b->graph->output[0] = v->index;
    b->graph->outputs = 1;
    if (v->index == b->graph->input[0] || b->graph->values[v->index].constant) {
        struct covey_onnx_emit e;
        covey__onnx_emit_init(&e, COVEY_OP_IDENTITY, v->index);
        return covey__onnx_emit(b, &e, &b->graph->output[0]);
    }
    return COVEY_OK;
}

static covey_err check_opset(struct covey_onnx_build *b, const Onnx__ModelProto *m)
{
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *o = m->opset_import[i];
        if (!o->domain || !o->domain[0] || strcmp(o->domain, "ai.onnx") == 0) {
            b->opset = o->version;
        }
    }
    if (b->opset < COVEY_ONNX_OPSET_MIN || b->opset > COVEY_ONNX_OPSET_MAX) {
        return covey__why(COVEY_ERR_UNSUPPORTED, b->why, "opset %lld; %d to %d are supported",
                          (long long)b->opset, COVEY_ONNX_OPSET_MIN, COVEY_ONNX_OPSET_MAX);
    }
    if (!m->graph || m->graph->n_node == 0) {
        return covey__why(COVEY_ERR_MALFORMED, b->why, "it holds no graph");
    }
    return COVEY_OK;
}

static covey_err build_graph(struct covey_onnx_build *b, const Onnx__ModelProto *m)
{
    covey_err err = check_opset(b, m);
    if (err) {
        return err;
    }
    const Onnx__GraphProto *g = m->graph;
    err = collect_names(b, g);
    if (!err) {
        count_uses(b, g);
        err = define_initializers(b, g);
    }
    if (!err) {
        err = define_input(b, g);
    }
    for (size_t i = 0; !err && i < g->n_node; i++) {
        err = read_node(b, g->node[i]);
    }
    if (!err) {
        err = define_output(b, g);
    }
    return err ? err : covey_graph_check(b->graph, 0, b->why);
}

covey_err covey_onnx_decode(struct covey_bytes file, struct covey_graph **out,
                            struct covey_nn_error *out_why)
{
    struct covey_onnx_build b = {.file = file, .why = out_why};
    struct covey_buf slim = {0};
    Onnx__ModelProto *model = NULL;
    covey_err err = covey_onnx_walk(file, COVEY_WALK_MODEL, &slim, out_why);
    if (err) {
        return err;
    }
    model = onnx__model_proto__unpack(NULL, slim.len, slim.ptr);
    if (!model) {
        err = covey__why(COVEY_ERR_MALFORMED, out_why, "it is not an ONNX model");
        goto out;
    }
    err = covey_graph_new(&b.graph);
    if (err) {
        (void)covey__why(err, out_why, "out of memory");
        goto out;
    }
    err = build_graph(&b, model);
    if (!err) {
        *out = b.graph;
        b.graph = NULL;
    }
out:
    covey_graph_free(b.graph);
    free(b.values);
    if (model) {
        onnx__model_proto__free_unpacked(model, NULL);
    }
    free(slim.ptr);
    return err;
}

covey_err covey_onnx_load(const char *path, struct covey_onnx *out, struct covey_nn_error *out_why)
{
    struct covey_onnx onnx = {0};
    struct covey_nn_error why = {""};
    covey_err err = covey__file_read(path, COVEY_FILE_MODEL_MAX, &onnx.file, out_why);
    if (err) {
        return err;
    }
    err = covey_onnx_decode(covey_bytes_of(onnx.file.ptr, onnx.file.len), &onnx.graph, &why);
    if (err) {
        covey_onnx_free(&onnx);
        return covey__why(err, out_why, "%.100s: %.150s", path, why.text);
    }
    *out = onnx;
    return COVEY_OK;
}

void covey_onnx_free(struct covey_onnx *onnx)
{
    covey_graph_free(onnx->graph);
    free(onnx->file.ptr);
    *onnx = (struct covey_onnx){0};
}
