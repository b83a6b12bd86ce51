/* SPDX-License-Identifier: MIT */
#include "covey/graph.h"

#include <math.h>
#include <stdlib.h>

#include "graph_private.h"

static bool attrs_finite(const struct covey_op_attrs *a)
{
    /* Bounds of a clip may be infinite, nothing may be NaN. */
    return isfinite(a->epsilon) && isfinite(a->alpha) && isfinite(a->beta) && isfinite(a->bias) &&
           !isnan(a->low) && !isnan(a->high);
}

static covey_err define_outputs(const struct covey_graph *g, const struct covey_graph_node *node,
                                uint8_t *defined, struct covey_nn_error *out_why)
{
    const char *name = covey__node_name(node);
    if (node->outputs == 0 || node->outputs > covey__op_find(node->op)->outputs_max) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: %u outputs", name,
                              (unsigned)node->outputs);
    }
    for (unsigned i = 0; i < node->outputs; i++) {
        uint16_t v = node->output[i];
        if (v == COVEY_VALUE_NONE && i > 0) {
            continue;
        }
        if (v >= g->value_count || defined[v]) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: its output is defined already",
                                  name);
        }
        defined[v] = 1;
    }
    return COVEY_OK;
}

static covey_err check_node(const struct covey_graph *g, const struct covey_graph_node *node,
                            uint8_t *defined, struct covey_nn_error *out_why)
{
    const struct covey__op *op = covey__op_find(node->op);
    if (op == NULL) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "unknown operator %u",
                              (unsigned)node->op);
    }
    const char *name = covey__node_name(node);
    if (node->inputs < op->inputs_min || node->inputs > op->inputs_max) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: %u inputs", name,
                              (unsigned)node->inputs);
    }
    for (unsigned i = 0; i < node->inputs; i++) {
        uint16_t v = node->input[i];
        if (v == COVEY_VALUE_NONE && i >= op->inputs_min) {
            continue;
        }
        if (v >= g->value_count || !defined[v]) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: input %u is not made before it",
                                  name, i);
        }
    }
    unsigned act = (unsigned)node->attrs.act;
    if (act >= COVEY_ACT_COUNT || (act != COVEY_ACT_NONE && !op->fuses)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: bad fused activation", name);
    }
    if (!attrs_finite(&node->attrs)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: an attribute is not a number", name);
    }
    return define_outputs(g, node, defined, out_why);
}

covey_err covey__graph_structure(const struct covey_graph *g, struct covey_nn_error *out_why)
{
    covey_err err = COVEY_OK;
    uint8_t *defined = NULL;
    if (g->value_count > COVEY_GRAPH_VALUES_MAX || g->node_count > COVEY_GRAPH_NODES_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "too many nodes or values");
    }
    if (g->outputs == 0 || g->outputs > COVEY_GRAPH_IO_MAX || g->inputs > COVEY_GRAPH_IO_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "the graph has no output");
    }
    defined = calloc(g->value_count, 1);
    if (defined == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0; i < g->value_count; i++) {
        defined[i] = g->values[i].constant;
    }
    for (unsigned i = 0; i < g->inputs && err == COVEY_OK; i++) {
        if (g->input[i] >= g->value_count || defined[g->input[i]]) {
            err = covey__nn_fail(out_why, COVEY_ERR_RANGE, "input %u is not one", i);
        } else {
            defined[g->input[i]] = 1;
        }
    }
    for (size_t i = 0; i < g->node_count && err == COVEY_OK; i++) {
        err = check_node(g, &g->nodes[i], defined, out_why);
    }
    for (unsigned i = 0; i < g->outputs && err == COVEY_OK; i++) {
        if (g->output[i] >= g->value_count || !defined[g->output[i]]) {
            err = covey__nn_fail(out_why, COVEY_ERR_RANGE, "no node makes output %u", i);
        }
    }
    free(defined);
    return err;
}

static covey_err check_tensor(enum covey_type type, const struct covey_shape *s, const char *what,
                              struct covey_nn_error *out_why)
{
    size_t count = 0;
    if (covey_type_size(type) == 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: unknown type", what);
    }
    covey_err err = covey_shape_count(s, &count);
    return err == COVEY_OK ? COVEY_OK : covey__nn_fail(out_why, err, "%s: too many elements", what);
}

/* The rules that every operator shares: types, and inputs without elements. */
static covey_err check_inputs(const struct covey__op *op, const struct covey__op_call *c,
                              struct covey_nn_error *out_why)
{
    for (unsigned i = 0; i < c->inputs; i++) {
        if (c->in[i] == NULL) {
            continue;
        }
        if (!op->empties && covey__shape_elements(&c->in[i]->shape) == 0) {
            return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "input %u is empty", i);
        }
        if (i == 0 || !op->mixed) {
            covey_err err = covey__type_among(c->in[i], op->types, out_why);
            if (err != COVEY_OK) {
                return err;
            }
        }
        if (!op->mixed && c->in[i]->type != c->in[0]->type) {
            return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "input %u is %s, not %s", i,
                                  covey_type_name(c->in[i]->type), covey_type_name(c->in[0]->type));
        }
    }
    return COVEY_OK;
}

covey_err covey__graph_infer(const struct covey_graph *g, const struct covey_graph_node *node,
                             struct covey_tensor *out, struct covey_nn_error *out_why)
{
    struct covey__graph_frame frame;
    struct covey_nn_error inner = {""};
    const struct covey__op *op = covey__op_find(node->op);
    covey__graph_frame(g, node, &frame);
    covey_err err = check_inputs(op, &frame.call, &inner);
    if (err == COVEY_OK) {
        for (unsigned i = 0; i < node->outputs; i++) {
            out[i] = (struct covey_tensor){.type = node->inputs > 0 ? frame.call.in[0]->type
                                                                    : node->attrs.to};
        }
        err = op->infer(&frame.call, out, &inner);
    }
    for (unsigned i = 0; i < node->outputs && err == COVEY_OK; i++) {
        err = check_tensor(out[i].type, &out[i].shape, "its result", &inner);
    }
    return err == COVEY_OK
               ? COVEY_OK
               : covey__nn_fail(out_why, err, "%s: %.180s", covey__node_name(node), inner.text);
}

static covey_err infer_node(struct covey_graph *g, const struct covey_graph_node *node,
                            struct covey_nn_error *out_why)
{
    struct covey_tensor out[COVEY_NODE_OUTPUTS_MAX];
    covey_err err = covey__graph_infer(g, node, out, out_why);
    for (unsigned i = 0; i < node->outputs && err == COVEY_OK; i++) {
        if (node->output[i] != COVEY_VALUE_NONE) {
            g->values[node->output[i]].type = out[i].type;
            g->values[node->output[i]].shape = out[i].shape;
        }
    }
    return err;
}

covey_err covey__graph_shapes(struct covey_graph *g, uint32_t batch, struct covey_nn_error *out_why)
{
    covey_err err = covey__graph_structure(g, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    if (batch != 0) {
        if (g->inputs == 0 || g->values[g->input[0]].shape.rank < 1) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "the input has no batch dimension");
        }
        g->values[g->input[0]].shape.dims[0] = batch;
    }
    for (unsigned i = 0; i < g->inputs && err == COVEY_OK; i++) {
        const struct covey_graph_value *v = &g->values[g->input[i]];
        err = check_tensor(v->type, &v->shape, "input", out_why);
    }
    for (size_t i = 0; i < g->value_count && err == COVEY_OK; i++) {
        if (g->values[i].constant) {
            err = check_tensor(g->values[i].type, &g->values[i].shape, "constant", out_why);
        }
    }
    for (size_t i = 0; i < g->node_count && err == COVEY_OK; i++) {
        err = infer_node(g, &g->nodes[i], out_why);
    }
    return err;
}

covey_err covey_graph_check(struct covey_graph *g, uint32_t batch, struct covey_nn_error *out_why)
{
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i].constant && g->values[i].data == NULL) {
            return covey__nn_fail(out_why, COVEY_ERR_STATE, "constant %zu has no data", i);
        }
    }
    return covey__graph_shapes(g, batch, out_why);
}
