/* SPDX-License-Identifier: MIT */
#include "covey/graph.h"

#include <float.h>
#include <stdlib.h>

#include "graph_private.h"

/* In front of every buffer that a graph owns; as long as the alignment of what follows. */
struct owned {
    struct owned *next;
};

enum { ALIGNMENT = 64, ROOM_MIN = 16 };

covey_err covey_graph_new(struct covey_graph **out)
{
    struct covey_graph *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        return COVEY_ERR_NOMEM;
    }
    g->input = COVEY_VALUE_NONE;
    g->output = COVEY_VALUE_NONE;
    *out = g;
    return COVEY_OK;
}

void covey_graph_free(struct covey_graph *g)
{
    if (g == NULL) {
        return;
    }
    for (struct owned *o = g->owned; o != NULL;) {
        struct owned *next = o->next;
        free(o);
        o = next;
    }
    free(g->nodes);
    free(g->values);
    free(g);
}

covey_err covey_graph_alloc(struct covey_graph *g, size_t count, float **out)
{
    if (count > COVEY_TENSOR_ELEMENTS_MAX) {
        return COVEY_ERR_LIMIT;
    }
    size_t bytes = (count * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + ALIGNMENT;
    struct owned *o = aligned_alloc(ALIGNMENT, bytes);
    if (o == NULL) {
        return COVEY_ERR_NOMEM;
    }
    o->next = g->owned;
    g->owned = o;
    *out = (float *)(void *)((uint8_t *)o + ALIGNMENT);
    return COVEY_OK;
}

/* Makes room for one item more. Room is a function of the count: the next power of two. */
static covey_err grow(void **items, size_t count, size_t item_size)
{
    if (count != 0 && (count < ROOM_MIN || (count & (count - 1)) != 0)) {
        return COVEY_OK;
    }
    size_t room = count == 0 ? ROOM_MIN : 2 * count;
    void *bigger = realloc(*items, room * item_size);
    if (bigger == NULL) {
        return COVEY_ERR_NOMEM;
    }
    *items = bigger;
    return COVEY_OK;
}

covey_err covey_graph_add_value(struct covey_graph *g, const struct covey_graph_value *value,
                                uint16_t *out_index)
{
    if (g->value_count >= COVEY_GRAPH_VALUES_MAX || value->shape.rank > COVEY_RANK_MAX) {
        return COVEY_ERR_LIMIT;
    }
    void *items = g->values;
    covey_err err = grow(&items, g->value_count, sizeof(*g->values));
    if (err != COVEY_OK) {
        return err;
    }
    g->values = items;
    *out_index = (uint16_t)g->value_count;
    g->values[g->value_count++] = *value;
    return COVEY_OK;
}

covey_err covey_graph_add_node(struct covey_graph *g, const struct covey_graph_node *node)
{
    if (g->node_count >= COVEY_GRAPH_NODES_MAX || node->inputs > COVEY_NODE_INPUTS_MAX ||
        memchr(node->name, 0, sizeof(node->name)) == NULL) {
        return COVEY_ERR_LIMIT;
    }
    void *items = g->nodes;
    covey_err err = grow(&items, g->node_count, sizeof(*g->nodes));
    if (err != COVEY_OK) {
        return err;
    }
    g->nodes = items;
    g->nodes[g->node_count++] = *node;
    return COVEY_OK;
}

void covey_op_attrs_init(struct covey_op_attrs *attrs)
{
    *attrs = (struct covey_op_attrs){.kernel = {1, 1},
                                     .stride = {1, 1},
                                     .dilation = {1, 1},
                                     .groups = 1,
                                     .keepdims = true,
                                     .axis = 1,
                                     .epsilon = 1e-5f,
                                     .alpha = 0.01f,
                                     .beta = 0.75f,
                                     .bias = 1.0f,
                                     .low = -FLT_MAX,
                                     .high = FLT_MAX};
}

void covey__graph_call(const struct covey_graph *g, const struct covey_graph_node *node,
                       struct covey__op_call *out)
{
    *out = (struct covey__op_call){.attrs = &node->attrs, .inputs = node->inputs};
    if (g->input < g->value_count && g->values[g->input].shape.rank > 0) {
        out->batch = g->values[g->input].shape.dims[0];
    }
    for (unsigned i = 0; i < node->inputs; i++) {
        if (node->input[i] != COVEY_VALUE_NONE) {
            out->shape[i] = &g->values[node->input[i]].shape;
            out->data[i] = g->values[node->input[i]].data;
        }
    }
    out->out_shape = &g->values[node->output].shape;
}

bool covey__graph_splits(const struct covey_graph *g, const struct covey_graph_node *node)
{
    bool conv = node->op == COVEY_OP_CONV && node->attrs.groups == 1;
    if (!conv && node->op != COVEY_OP_DENSE) {
        return false;
    }
    const struct covey_graph_value *x = &g->values[node->input[0]];
    const struct covey_graph_value *w = &g->values[node->input[1]];
    bool bias = node->inputs > 2 && node->input[2] != COVEY_VALUE_NONE;
    return w->constant && !x->constant && w->shape.dims[0] >= 2 &&
           (!bias || g->values[node->input[2]].constant);
}
