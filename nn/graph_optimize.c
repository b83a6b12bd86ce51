/* SPDX-License-Identifier: MIT */
#include "covey/graph.h"

#include <stdlib.h>

#include "graph_optimize.h"

/* Bytes that evaluation may make: as much as one largest tensor. */
#define FOLDED_MAX ((size_t)COVEY_TENSOR_ELEMENTS_MAX * sizeof(float))
/* What is quickly made anew need not be stored. */
enum { FILL_MAX = 1 << 16 };

static void done(struct covey__optimizer *o)
{
    free(o->uses);
    free(o->producer);
    free(o->replaced);
    free(o->live);
}

static covey_err init(struct covey__optimizer *o, struct covey_graph *g)
{
    size_t room = g->value_count + 2 * g->node_count + 1;
    *o = (struct covey__optimizer){.g = g};
    o->uses = calloc(room, sizeof(*o->uses));
    o->producer = calloc(room, sizeof(*o->producer));
    o->replaced = calloc(room, sizeof(*o->replaced));
    o->live = calloc(g->node_count + 1, sizeof(*o->live));
    if (o->uses == NULL || o->producer == NULL || o->replaced == NULL || o->live == NULL) {
        done(o);
        return COVEY_ERR_NOMEM;
    }
    for (size_t v = 0; v < room; v++) {
        o->producer[v] = COVEY__NO_NODE;
        o->replaced[v] = (uint16_t)v;
    }
    for (size_t i = 0; i < g->node_count; i++) {
        o->live[i] = true;
    }
    return COVEY_OK;
}

static bool is_used(const struct covey__optimizer *o, const struct covey_graph_node *node)
{
    for (unsigned i = 0; i < node->outputs; i++) {
        if (node->output[i] != COVEY_VALUE_NONE && o->uses[node->output[i]] > 0) {
            return true;
        }
    }
    return false;
}

/* From the outputs backwards: a node lives when a living one, or the caller, uses what it makes. */
static void find_live(struct covey__optimizer *o)
{
    struct covey_graph *g = o->g;
    memset(o->uses, 0, g->value_count * sizeof(*o->uses));
    for (unsigned i = 0; i < g->outputs; i++) {
        o->uses[g->output[i]]++;
    }
    for (size_t i = g->node_count; i-- > 0;) {
        const struct covey_graph_node *node = &g->nodes[i];
        o->live[i] = o->live[i] && is_used(o, node);
        for (unsigned j = 0; j < node->inputs && o->live[i]; j++) {
            if (node->input[j] != COVEY_VALUE_NONE) {
                o->uses[node->input[j]]++;
            }
        }
    }
}

bool covey__opt_has_data(const struct covey_graph *g, uint16_t value)
{
    const struct covey_graph_value *v = &g->values[value];
    size_t count = 0;
    return v->constant && v->data != NULL && v->type == COVEY_TYPE_F32 &&
           covey_shape_count(&v->shape, &count) == COVEY_OK && count > 0;
}

/* Values that have their data in this buffer. */
static size_t users_of(const struct covey_graph *g, const void *data, size_t bytes)
{
    uintptr_t first = (uintptr_t)data;
    size_t users = 0;
    for (size_t v = 0; v < g->value_count; v++) {
        uintptr_t at = (uintptr_t)g->values[v].data;
        users += g->values[v].constant && at >= first && at - first < bytes;
    }
    return users;
}

float *covey__opt_own_data(const struct covey__optimizer *o, uint16_t value)
{
    const struct covey_graph_value *v = &o->g->values[value];
    union { /* constants are written here alone */
        const void *in;
        void *out;
    } bridge = {.in = v->data};
    bool own = v->writable || covey__graph_owned(o->g, v->data) > 0;
    bool alone = o->uses[value] == 1 && users_of(o->g, v->data, covey__graph_bytes(v)) == 1;
    return own && alone ? bridge.out : NULL;
}

void covey__opt_drop_use(struct covey__optimizer *o, uint16_t value)
{
    struct covey_graph_value *v = &o->g->values[value];
    if (--o->uses[value] > 0 || !v->constant || v->data == NULL) {
        return;
    }
    const void *data = v->data;
    v->data = NULL;
    size_t bytes = covey__graph_owned(o->g, data);
    if (bytes > 0 && users_of(o->g, data, bytes) == 0) {
        covey_graph_release(o->g, data);
    }
}

struct covey_graph_node *covey__opt_producer(const struct covey__optimizer *o, uint16_t value,
                                             bool shared)
{
    uint16_t p = o->producer[value];
    return p != COVEY__NO_NODE && (shared || o->uses[value] == 1) ? &o->g->nodes[p] : NULL;
}

/* Runs a node of constants now. */
static covey_err evaluate(struct covey__optimizer *o, size_t i, bool *out_gone)
{
    struct covey_graph *g = o->g;
    const struct covey_graph_node *node = &g->nodes[i];
    if (!covey__graph_all_constant(g, node)) {
        return COVEY_OK;
    }
    size_t room = FOLDED_MAX - o->folded;
    if (node->op == COVEY_OP_FILL && room > FILL_MAX) {
        room = FILL_MAX;
    }
    covey_err err = covey__graph_evaluate(g, node, room);
    if (err != COVEY_OK) {
        return err == COVEY_ERR_STATE ? COVEY_OK : err;
    }
    for (unsigned j = 0; j < node->outputs; j++) {
        if (node->output[j] != COVEY_VALUE_NONE) {
            o->folded += covey__graph_bytes(&g->values[node->output[j]]);
        }
    }
    for (unsigned j = 0; j < node->inputs; j++) {
        if (node->input[j] != COVEY_VALUE_NONE) {
            covey__opt_drop_use(o, node->input[j]);
        }
    }
    o->live[i] = false;
    *out_gone = true;
    return COVEY_OK;
}

static bool is_input(const struct covey_graph *g, uint16_t value)
{
    for (unsigned i = 0; i < g->inputs; i++) {
        if (g->input[i] == value) {
            return true;
        }
    }
    return false;
}

/* A node that joins input and output of the graph directly stays. */
bool covey__opt_bypass(struct covey__optimizer *o, size_t i, uint16_t in)
{
    struct covey_graph *g = o->g;
    uint16_t out = g->nodes[i].output[0];
    for (unsigned j = 0; j < g->outputs; j++) {
        if (g->output[j] == out && (g->values[in].constant || is_input(g, in))) {
            return false; /* an output is made by a node */
        }
    }
    o->replaced[out] = in;
    o->uses[in] += o->uses[out] - 1;
    for (unsigned j = 0; j < g->outputs; j++) {
        g->output[j] = g->output[j] == out ? in : g->output[j];
    }
    o->live[i] = false;
    return true;
}

/* Rules that make the node go, the cheap ones first. */
static covey_err remove_node(struct covey__optimizer *o, size_t i, bool *out_gone)
{
    covey_err err = evaluate(o, i, out_gone);
    if (err != COVEY_OK || *out_gone) {
        return err;
    }
    covey__opt_merge_moves(o, i);
    *out_gone = covey__opt_remove_nothing(o, i);
    if (*out_gone) {
        return COVEY_OK;
    }
    covey__opt_gate(o, i);
    err = covey__opt_fold_affine(o, i, out_gone);
    if (err == COVEY_OK && !*out_gone) {
        *out_gone = covey__opt_fuse_activation(o, i);
    }
    return err;
}

static covey_err visit(struct covey__optimizer *o, size_t i)
{
    struct covey_graph_node *node = &o->g->nodes[i];
    bool gone = false;
    for (unsigned j = 0; j < node->inputs; j++) {
        if (node->input[j] != COVEY_VALUE_NONE) {
            node->input[j] = o->replaced[node->input[j]];
        }
    }
    covey__opt_trim_outputs(o, i);
    covey_err err = remove_node(o, i, &gone);
    if (err != COVEY_OK || gone) {
        return err;
    }
    covey__opt_residual(o, i);
    covey__opt_merge_pad(o, i);
    covey__opt_mean(o, i);
    for (unsigned j = 0; j < node->outputs; j++) {
        if (node->output[j] != COVEY_VALUE_NONE) {
            o->producer[node->output[j]] = (uint16_t)i;
        }
    }
    return COVEY_OK;
}

/* Keeps living nodes and the values they use, both in their old order. */
static void compact(struct covey__optimizer *o)
{
    struct covey_graph *g = o->g;
    size_t nodes = 0, values = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        if (o->live[i]) {
            for (unsigned j = 0; j < g->nodes[i].outputs; j++) {
                if (g->nodes[i].output[j] != COVEY_VALUE_NONE) {
                    o->uses[g->nodes[i].output[j]]++; /* defined counts as used */
                }
            }
            g->nodes[nodes++] = g->nodes[i];
        }
    }
    for (unsigned i = 0; i < g->inputs; i++) {
        o->uses[g->input[i]]++;
    }
    for (size_t v = 0; v < g->value_count; v++) {
        if (o->uses[v] > 0) {
            o->replaced[v] = (uint16_t)values;
            g->values[values++] = g->values[v];
        }
    }
    for (size_t i = 0; i < nodes; i++) {
        struct covey_graph_node *node = &g->nodes[i];
        for (unsigned j = 0; j < node->inputs; j++) {
            if (node->input[j] != COVEY_VALUE_NONE) {
                node->input[j] = o->replaced[node->input[j]];
            }
        }
        for (unsigned j = 0; j < node->outputs; j++) {
            if (node->output[j] != COVEY_VALUE_NONE) {
                node->output[j] = o->replaced[node->output[j]];
            }
        }
    }
    for (unsigned i = 0; i < g->inputs; i++) {
        g->input[i] = o->replaced[g->input[i]];
    }
    for (unsigned i = 0; i < g->outputs; i++) {
        g->output[i] = o->replaced[g->output[i]];
    }
    g->node_count = nodes;
    g->value_count = values;
}

covey_err covey_graph_optimize(struct covey_graph *g, struct covey_nn_error *out_why)
{
    struct covey__optimizer o;
    covey_err err = covey__graph_shapes(g, 0, out_why); /* the rules go by shapes */
    if (err != COVEY_OK) {
        return err;
    }
    err = init(&o, g);
    if (err != COVEY_OK) {
        return covey__nn_fail(out_why, err, "%s", covey_strerror(err));
    }
    find_live(&o);
    for (size_t i = 0; i < g->node_count && err == COVEY_OK; i++) {
        err = o.live[i] ? visit(&o, i) : COVEY_OK;
    }
    if (err == COVEY_OK) {
        find_live(&o);
        compact(&o);
    } else {
        err = covey__nn_fail(out_why, err, "%s", covey_strerror(err));
    }
    done(&o);
    return err;
}
