/* SPDX-License-Identifier: MIT */
#include "onnx_import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "onnx_ops.h"
#include "onnx_walk.h"
#include "read_file.h"

void covey__onnx_fail(struct covey_onnx_build *b, covey_err err, const char *format, ...)
{
    char what[200];
    va_list args;
    if (b->err) {
        return;
    }
    va_start(args, format);
    int wrote = vsnprintf(what, sizeof what, format, args);
    va_end(args);
    b->err = err;
    const Onnx__NodeProto *n = b->node;
    if (!n) {
        (void)covey__why(err, b->why, "%s", wrote < 0 ? "" : what);
        return;
    }
    const char *name = n->name && n->name[0] ? n->name : n->n_output > 0 ? n->output[0] : "";
    (void)covey__why(err, b->why, "node '%.40s' (%.24s): %s", name, n->op_type ? n->op_type : "",
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
        b->values[b->value_count++] =
            (struct covey_onnx_value){.name = name, .index = COVEY_VALUE_NONE, .node = -1};
    }
}

/* All names that are defined anywhere, sorted; each once, but an initializer may stand among the
 * inputs too. */
static void collect_names(struct covey_onnx_build *b, const Onnx__GraphProto *g)
{
    size_t count = g->n_input + g->n_initializer;
    for (size_t i = 0; i < g->n_node; i++) {
        count += g->node[i]->n_output;
    }
    if (count > COVEY_GRAPH_VALUES_MAX || g->n_node > COVEY_GRAPH_NODES_MAX) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "%zu nodes, at most %d; %zu values, at most %d",
                         g->n_node, COVEY_GRAPH_NODES_MAX, count, COVEY_GRAPH_VALUES_MAX);
        return;
    }
    b->values = calloc(count + 1, sizeof *b->values);
    if (!b->values) {
        covey__onnx_fail(b, COVEY_ERR_NOMEM, "out of memory");
        return;
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
}

static void count_use(struct covey_onnx_build *b, const char *name)
{
    struct covey_onnx_value *v = name && name[0] ? covey__onnx_find(b, name) : NULL;
    if (v) {
        v->uses++;
    }
}

static void count_uses(struct covey_onnx_build *b, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_node; i++) {
        for (size_t j = 0; j < g->node[i]->n_input; j++) {
            count_use(b, g->node[i]->input[j]);
        }
    }
    for (size_t i = 0; i < g->n_output; i++) {
        count_use(b, g->output[i]->name);
    }
}

static void define_initializers(struct covey_onnx_build *b, const Onnx__GraphProto *g)
{
    if (g->n_sparse_initializer > 0) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "sparse initializers are not supported");
    }
    for (size_t i = 0; !b->err && i < g->n_initializer; i++) {
        const char *name = g->initializer[i]->name;
        struct covey_onnx_value *v = name && name[0] ? covey__onnx_find(b, name) : NULL;
        if (!v || v->index != COVEY_VALUE_NONE) {
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "initializer '%.60s' has no name of its own",
                             name ? name : "");
            return;
        }
        uint16_t index = covey__onnx_tensor(b, g->initializer[i]);
        v->index = index;
    }
}

static void read_node(struct covey_onnx_build *b, const Onnx__NodeProto *node)
{
    const char *op = node->op_type ? node->op_type : "";
    const char *domain = node->domain ? node->domain : "";
    const struct covey_onnx_row *row =
        covey__onnx_row(strcmp(domain, "ai.onnx") == 0 ? "" : domain, op);
    b->node = node;
    b->attributes_seen = 0;
    if (!row && domain[0]) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "operators of '%.40s' are not supported",
                         domain);
    } else if (!row) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "this operator is not supported");
    } else {
        b->op = row->op;
        if (!covey__onnx_legacy(b, row)) {
            row->read(b);
        }
        covey__onnx_attributes_done(b);
    }
    b->node = NULL;
}

/* An output that only passes on an input is made by a node of its own. */
static uint16_t pass_on(struct covey_onnx_build *b, uint16_t index)
{
    Onnx__NodeProto pass = ONNX__NODE_PROTO__INIT;
    struct covey_onnx_emit e;
    bool is_input = false;
    for (unsigned i = 0; i < b->graph->inputs; i++) {
        is_input |= b->graph->input[i] == index;
    }
    if (!is_input) {
        return index;
    }
    covey__onnx_emit_init(&e, COVEY_OP_IDENTITY);
    covey__onnx_emit_add(b, &e, index);
    b->node = &pass;
    index = covey__onnx_emit(b, &e);
    b->node = NULL;
    return index;
}

static void define_outputs(struct covey_onnx_build *b, const Onnx__GraphProto *g)
{
    if (g->n_output == 0 || g->n_output > COVEY_GRAPH_IO_MAX) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "%zu outputs; 1 to %d are supported",
                         g->n_output, COVEY_GRAPH_IO_MAX);
    }
    b->onnx->output_names = b->err ? NULL : calloc(g->n_output + 1, sizeof(char *));
    for (size_t i = 0; !b->err && i < g->n_output; i++) {
        const char *name = g->output[i]->name ? g->output[i]->name : "";
        const struct covey_onnx_value *v = name[0] ? covey__onnx_find(b, name) : NULL;
        if (!v || v->index == COVEY_VALUE_NONE) {
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "no node makes the output '%.60s'", name);
            return;
        }
        uint16_t index = pass_on(b, v->index);
        bool named = b->onnx->output_names && (b->onnx->output_names[i] = strdup(name));
        if (!b->err && (!named || covey_graph_add_output(b->graph, index))) {
            covey__onnx_fail(b, COVEY_ERR_NOMEM, "out of memory");
        }
    }
}

static void check_opset(struct covey_onnx_build *b, const Onnx__ModelProto *m)
{
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *o = m->opset_import[i];
        if (!o->domain || !o->domain[0] || strcmp(o->domain, "ai.onnx") == 0) {
            b->opset = o->version;
        }
    }
    if (b->opset < COVEY_ONNX_OPSET_MIN || b->opset > COVEY_ONNX_OPSET_MAX) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "opset %lld; %d to %d are supported",
                         (long long)b->opset, COVEY_ONNX_OPSET_MIN, COVEY_ONNX_OPSET_MAX);
    } else if (!m->graph || m->graph->n_node == 0) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "it holds no graph");
    }
}

static covey_err build_graph(struct covey_onnx_build *b, const Onnx__ModelProto *m)
{
    const Onnx__GraphProto *g = m->graph;
    check_opset(b, m);
    if (!b->err) {
        collect_names(b, g);
    }
    if (!b->err) {
        count_uses(b, g);
        define_initializers(b, g);
    }
    if (!b->err) {
        covey__onnx_define_inputs(b, g);
    }
    for (size_t i = 0; !b->err && i < g->n_node; i++) {
        read_node(b, g->node[i]);
    }
    if (!b->err) {
        define_outputs(b, g);
    }
    return b->err ? b->err : covey_graph_check(b->graph, 0, b->why);
}

/* Imports file into out, whose file and external data are the caller's to free on failure. */
static covey_err decode(struct covey_onnx_build *b, struct covey_onnx *out)
{
    struct covey_buf slim = {0};
    covey_err err = covey_onnx_walk(b->file, COVEY_WALK_MODEL, &slim, b->why);
    if (err) {
        return err;
    }
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, slim.len, slim.ptr);
    if (!model) {
        err = covey__why(COVEY_ERR_MALFORMED, b->why, "it is not an ONNX model");
        goto out;
    }
    err = covey_graph_new(&out->graph);
    if (err) {
        (void)covey__why(err, b->why, "out of memory");
        goto out;
    }
    b->onnx = out;
    b->graph = out->graph;
    err = build_graph(b, model);
out:
    free(b->values);
    if (model) {
        onnx__model_proto__free_unpacked(model, NULL);
    }
    free(slim.ptr);
    return err;
}

static const struct covey_onnx_options defaults;

covey_err covey_onnx_decode(struct covey_bytes file, const struct covey_onnx_options *options,
                            struct covey_onnx *out, struct covey_nn_error *out_why)
{
    struct covey_onnx onnx = {0};
    struct covey_nn_error why = {""};
    struct covey_onnx_build b = {
        .file = file, .why = &why, .options = options ? options : &defaults};
    covey_err err = decode(&b, &onnx);
    if (err) {
        covey_onnx_free(&onnx);
        return covey__why(err, out_why, "%s", why.text);
    }
    *out = onnx;
    return COVEY_OK;
}

covey_err covey_onnx_load(const char *path, const struct covey_onnx_options *options,
                          struct covey_onnx *out, struct covey_nn_error *out_why)
{
    struct covey_onnx onnx = {0};
    struct covey_nn_error why = {""};
    char folder[COVEY_READ_PATH];
    const char *slash = strrchr(path, '/');
    int wrote = slash ? snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1), path)
                      : snprintf(folder, sizeof folder, ".");
    covey_err err = covey__file_read(path, COVEY_FILE_MODEL_MAX, &onnx.file, out_why);
    if (err) {
        return err;
    }
    struct covey_onnx_build b = {
        .file = covey_bytes_of(onnx.file.ptr, onnx.file.len),
        .movable = onnx.file.ptr,
        .why = &why,
        .folder = wrote > 0 && (size_t)wrote < sizeof folder ? folder : NULL,
        .options = options ? options : &defaults,
    };
    err = decode(&b, &onnx);
    if (err) {
        covey_onnx_free(&onnx);
        return covey__why_file(err, out_why, path, &why);
    }
    *out = onnx;
    return COVEY_OK;
}

static void free_names(char **names)
{
    for (size_t i = 0; names && names[i]; i++) {
        free(names[i]);
    }
    free(names);
}

void covey_onnx_free(struct covey_onnx *onnx)
{
    covey_graph_free(onnx->graph);
    free_names(onnx->input_names);
    free_names(onnx->output_names);
    for (size_t i = 0; i < onnx->external_count; i++) {
        free(onnx->external[i].name);
        free(onnx->external[i].file.ptr);
    }
    free(onnx->external);
    free(onnx->file.ptr);
    *onnx = (struct covey_onnx){0};
}
