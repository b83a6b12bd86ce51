/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "covey/large.h"
#include "graph_private.h"

/* What check_node() asks, of one node in a graph whose earlier nodes are checked: here every value
 * with a known shape is defined, since values are only added with their makers. */
static covey_err check_last(const struct covey_graph *g, const struct covey_graph_node *node,
                            struct covey_nn_error *out_why)
{
    const struct covey__op *op = covey__op_find(node->op);
    const char *name = covey__node_name(node);
    if (op == NULL) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "unknown operator %u",
                              (unsigned)node->op);
    }
    if (node->inputs < op->inputs_min || node->inputs > op->inputs_max ||
        node->outputs > op->outputs_max) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: %u inputs, %u outputs", name,
                              (unsigned)node->inputs, (unsigned)node->outputs);
    }
    for (unsigned i = 0; i < node->inputs; i++) {
        bool none = node->input[i] == COVEY_VALUE_NONE;
        if (none ? i < op->inputs_min : node->input[i] >= g->value_count) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%s: input %u is missing", name, i);
        }
    }
    return COVEY_OK;
}

covey_err covey_graph_infer_last(struct covey_graph *g, struct covey_nn_error *out_why)
{
    const struct covey_graph_node *node = &g->nodes[g->node_count - 1];
    struct covey_tensor out[COVEY_NODE_OUTPUTS_MAX];
    covey_err err = check_last(g, node, out_why);
    if (err == COVEY_OK) {
        err = covey__graph_infer(g, node, out, out_why);
    }
    for (unsigned i = 0; i < node->outputs && err == COVEY_OK; i++) {
        if (node->output[i] < g->value_count) {
            g->values[node->output[i]].type = out[i].type;
            g->values[node->output[i]].shape = out[i].shape;
        }
    }
    return err;
}

bool covey__graph_all_constant(const struct covey_graph *g, const struct covey_graph_node *node)
{
    for (unsigned i = 0; i < node->inputs; i++) {
        uint16_t v = node->input[i];
        if (v != COVEY_VALUE_NONE && (!g->values[v].constant || g->values[v].data == NULL)) {
            return false;
        }
    }
    return true;
}

/* Buffers for the outputs that are not left out. */
static covey_err make_outputs(struct covey_graph *g, const struct covey_graph_node *node,
                              size_t max_bytes, struct covey__graph_frame *frame)
{
    size_t total = 0;
    for (unsigned i = 0; i < node->outputs; i++) {
        if (frame->call.out[i] == NULL) {
            continue;
        }
        struct covey_tensor *t = frame->call.out[i];
        size_t bytes = covey__shape_elements(&t->shape) * covey_type_size(t->type);
        total += bytes;
        if (total > max_bytes) {
            return COVEY_ERR_STATE;
        }
        covey_err err = covey_graph_alloc(g, bytes, &t->data);
        if (err != COVEY_OK) {
            return err;
        }
    }
    return COVEY_OK;
}

covey_err covey__graph_evaluate(struct covey_graph *g, const struct covey_graph_node *node,
                                size_t max_bytes)
{
    const struct covey__op *op = covey__op_find(node->op);
    struct covey__graph_frame frame;
    void *scratch = NULL;
    covey__graph_frame(g, node, &frame);
    frame.call.small = true;
    covey_err err = make_outputs(g, node, max_bytes, &frame);
    if (err == COVEY_OK && op->scratch != NULL) {
        scratch = covey_large_new(op->scratch(&frame.call));
        err = scratch != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    }
    if (err != COVEY_OK) {
        return err;
    }
    frame.call.scratch = scratch;
    op->forward(&frame.call);
    free(scratch);
    for (unsigned i = 0; i < node->outputs; i++) {
        if (frame.call.out[i] != NULL) {
            g->values[node->output[i]].constant = true;
            g->values[node->output[i]].data = frame.call.out[i]->data;
        }
    }
    return COVEY_OK;
}

covey_err covey_graph_fold_last(struct covey_graph *g, size_t max_bytes, bool *out_folded)
{
    const struct covey_graph_node *node = &g->nodes[g->node_count - 1];
    *out_folded = false;
    if (!covey__graph_all_constant(g, node)) {
        return COVEY_OK;
    }
    covey_err err = covey__graph_evaluate(g, node, max_bytes);
    if (err == COVEY_OK) {
        g->node_count--;
        *out_folded = true;
    }
    return err == COVEY_ERR_STATE ? COVEY_OK : err;
}
