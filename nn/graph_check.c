/* SPDX-License-Identifier: MIT */
#include "covey/graph.h"

#include <math.h>
#include <stdlib.h>

#include "graph_private.h"

static const char *node_name(const struct covey_graph_node *node)
{
    return node->name[0] != '\0' ? node->name : covey_op_name(node->op);
}

static bool attrs_finite(const struct covey_op_attrs *a)
{
    /* Bounds of a clip may be infinite, nothing may be NaN. */
    return isfinite(a->epsilon) && isfinite(a->alpha) && isfinite(a->beta) && isfinite(a->bias) &&
           !isnan(a->low) && !isnan(a->high) && !isnan(a->value);
}

static covey_err check_node(const struct covey_graph *g, const struct covey_graph_node *node,
                            uint8_t *defined, struct covey_nn_error *out_why)
{
    const struct covey__op *op = covey__op_find(node->op);
    if (op == NULL) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "unknown operator %u",
                              (unsigned)node->op);
    }
    const char *name = node_name(node);
    if (node->inputs < op->inputs_min || node->inputs > op->inputs_max) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: %u inputs", name,
                              (unsigned)node->inputs);
    }
    for (unsigned i = 0; i < node->inputs; i++) {
        uint16_t v = node->input[i];
        if (v == COVEY_VALUE_NONE && i >= op->inputs_min && node->op != COVEY_OP_CONCAT) {
            continue;
        }
        if (v >= g->value_count || !defined[v]) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: input %u is not made before it",
                                  name, i);
        }
    }
    if (node->output >= g->value_count || defined[node->output]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: its output is defined already", name);
    }
    unsigned act = (unsigned)node->attrs.act;
    if (act > COVEY_ACT_TANH || (act != COVEY_ACT_NONE && !op->fuses)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: bad fused activation", name);
    }
    if (!attrs_finite(&node->attrs)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: an attribute is not a number", name);
    }
    defined[node->output] = 1;
    return COVEY_OK;
}

covey_err covey__graph_structure(const struct covey_graph *g, struct covey_nn_error *out_why)
{
    covey_err err = COVEY_OK;
    uint8_t *defined = NULL;
    if (g->value_count > COVEY_GRAPH_VALUES_MAX || g->node_count > COVEY_GRAPH_NODES_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "too many nodes or values");
    }
    if (g->input >= g->value_count || g->output >= g->value_count || g->values[g->input].constant) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "the graph has no input or no output");
    }
    defined = calloc(g->value_count, 1);
    if (defined == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0; i < g->value_count; i++) {
        defined[i] = g->values[i].constant;
    }
    defined[g->input] = 1;
    for (size_t i = 0; i < g->node_count && err == COVEY_OK; i++) {
        err = check_node(g, &g->nodes[i], defined, out_why);
    }
    if (err == COVEY_OK && !defined[g->output]) {
        err = covey__nn_fail(out_why, COVEY_ERR_RANGE, "no node makes the output");
    }
    free(defined);
    return err;
}

static covey_err check_shape(const struct covey_shape *s, const char *what,
                             struct covey_nn_error *out_why)
{
    size_t count = 0;
    covey_err err = covey_shape_count(s, &count);
    if (err != COVEY_OK) {
        return covey__nn_fail(out_why, err, "%s: too many elements", what);
    }
    return count > 0 ? COVEY_OK
                     : covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: an empty dimension", what);
}

static covey_err infer(struct covey_graph *g, const struct covey_graph_node *node,
                       struct covey_nn_error *out_why)
{
    struct covey__op_call call;
    struct covey_shape shape = {0, {0}};
    struct covey_nn_error inner = {""};
    covey__graph_call(g, node, &call);
    covey_err err = covey__op_find(node->op)->shape(&call, &shape, &inner);
    if (err != COVEY_OK) {
        return covey__nn_fail(out_why, err, "%s: %s", node_name(node), inner.text);
    }
    err = check_shape(&shape, node_name(node), out_why);
    if (err == COVEY_OK) {
        g->values[node->output].shape = shape;
    }
    return err;
}

covey_err covey__graph_shapes(struct covey_graph *g, uint32_t batch, struct covey_nn_error *out_why)
{
    covey_err err = covey__graph_structure(g, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_shape *input = &g->values[g->input].shape;
    if (input->rank < 1) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "the input has no batch dimension");
    }
    if (batch != 0) {
        input->dims[0] = batch;
    }
    err = check_shape(input, "input", out_why);
    for (size_t i = 0; i < g->value_count && err == COVEY_OK; i++) {
        if (g->values[i].constant) {
            err = check_shape(&g->values[i].shape, "constant", out_why);
        }
    }
    for (size_t i = 0; i < g->node_count && err == COVEY_OK; i++) {
        err = infer(g, &g->nodes[i], out_why);
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
