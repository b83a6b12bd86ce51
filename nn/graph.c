/* SPDX-License-Identifier: MIT */
#include "covey/graph.h"

#include <float.h>
#include <stdlib.h>

#include "graph_private.h"

/* In front of every buffer that a graph owns; as long as the alignment of what follows. */
struct owned {
    struct owned *next;
    size_t bytes;
};

enum { ALIGNMENT = 64, ROOM_MIN = 16 };

covey_err covey_graph_new(struct covey_graph **out)
{
    struct covey_graph *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        return COVEY_ERR_NOMEM;
    }
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

covey_err covey_graph_alloc(struct covey_graph *g, size_t bytes, void **out)
{
    if (bytes > COVEY_TENSOR_ELEMENTS_MAX * sizeof(double)) {
        return COVEY_ERR_LIMIT;
    }
    size_t room = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + ALIGNMENT;
    struct owned *o = aligned_alloc(ALIGNMENT, room);
    if (o == NULL) {
        return COVEY_ERR_NOMEM;
    }
    o->next = g->owned;
    o->bytes = room - ALIGNMENT;
    g->owned = o;
    *out = (uint8_t *)o + ALIGNMENT;
    return COVEY_OK;
}

size_t covey__graph_owned(const struct covey_graph *g, const void *data)
{
    for (const struct owned *o = g->owned; o != NULL; o = o->next) {
        if ((const uint8_t *)o + ALIGNMENT == data) {
            return o->bytes;
        }
    }
    return 0;
}

void covey_graph_release(struct covey_graph *g, const void *data)
{
    struct owned *before = NULL;
    for (struct owned *o = g->owned; o != NULL; before = o, o = o->next) {
        if ((const uint8_t *)o + ALIGNMENT != data) {
            continue;
        }
        if (before != NULL) {
            before->next = o->next;
        } else {
            g->owned = o->next;
        }
        free(o);
        return;
    }
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

static covey_err add_end(uint16_t *ends, uint8_t *count, uint16_t value)
{
    if (*count >= COVEY_GRAPH_IO_MAX) {
        return COVEY_ERR_LIMIT;
    }
    ends[(*count)++] = value;
    return COVEY_OK;
}

covey_err covey_graph_add_input(struct covey_graph *g, uint16_t value)
{
    return add_end(g->input, &g->inputs, value);
}

covey_err covey_graph_add_output(struct covey_graph *g, uint16_t value)
{
    return add_end(g->output, &g->outputs, value);
}

covey_err covey_graph_add_node(struct covey_graph *g, const struct covey_graph_node *node)
{
    if (g->node_count >= COVEY_GRAPH_NODES_MAX || node->inputs > COVEY_NODE_INPUTS_MAX ||
        node->outputs == 0 || node->outputs > COVEY_NODE_OUTPUTS_MAX ||
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
    *attrs = (struct covey_op_attrs){.kernel = {1, 1, 1},
                                     .stride = {1, 1, 1},
                                     .dilation = {1, 1, 1},
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

uint32_t covey__graph_batch(const struct covey_graph *g)
{
    bool has =
        g->inputs > 0 && g->input[0] < g->value_count && g->values[g->input[0]].shape.rank > 0;
    return has ? g->values[g->input[0]].shape.dims[0] : 1;
}

size_t covey__graph_bytes(const struct covey_graph_value *v)
{
    return covey__shape_elements(&v->shape) * covey_type_size(v->type);
}

const char *covey__node_name(const struct covey_graph_node *node)
{
    return node->name[0] != '\0' ? node->name : covey_op_name(node->op);
}

static void frame_value(const struct covey_graph *g, uint16_t value, struct covey_tensor *out)
{
    const struct covey_graph_value *v = &g->values[value];
    /* Kernels read inputs only; one field serves both directions. */
    union {
        const void *in;
        void *data;
    } bridge = {.in = v->data};
    *out = (struct covey_tensor){v->type, v->shape, bridge.data};
}

void covey__graph_frame(const struct covey_graph *g, const struct covey_graph_node *node,
                        struct covey__graph_frame *out)
{
    struct covey__op_call *c = &out->call;
    *c = (struct covey__op_call){.attrs = &node->attrs,
                                 .inputs = node->inputs,
                                 .outputs = node->outputs,
                                 .batch = covey__graph_batch(g),
                                 .thread_count = 1};
    for (unsigned i = 0; i < node->inputs; i++) {
        if (node->input[i] != COVEY_VALUE_NONE) {
            frame_value(g, node->input[i], &out->tensor[i]);
            c->in[i] = &out->tensor[i];
        }
    }
    for (unsigned i = 0; i < node->outputs; i++) {
        if (node->output[i] != COVEY_VALUE_NONE) {
            frame_value(g, node->output[i], &out->tensor[COVEY_NODE_INPUTS_MAX + i]);
            c->out[i] = &out->tensor[COVEY_NODE_INPUTS_MAX + i];
        }
    }
}

unsigned covey__op_weights(enum covey_op op)
{
    const struct covey__op_exact *exact = covey__op_find(op)->exact;
    return exact != NULL ? exact->weights : 1;
}

static const struct covey_graph_value *value_of(const struct covey_graph *g,
                                                const struct covey_graph_node *node, unsigned input)
{
    bool given = input < node->inputs && node->input[input] != COVEY_VALUE_NONE;
    return given ? &g->values[node->input[input]] : NULL;
}

/* One zero point of all of the input, whatever the batch, and constant ones of the weights. */
static bool splits_exactly(const struct covey_graph *g, const struct covey_graph_node *node,
                           const struct covey__op_exact *exact)
{
    const struct covey_graph_value *w = value_of(g, node, exact->weights);
    const struct covey_graph_value *w_zero = value_of(g, node, exact->weights_zero);
    const struct covey_graph_value *x_zero = value_of(g, node, exact->input_zero);
    bool one_zero = x_zero == NULL || x_zero->shape.rank == 0 ||
                    (x_zero->constant && covey__shape_elements(&x_zero->shape) == 1);
    return one_zero && w->constant && !g->values[node->input[0]].constant &&
           (w_zero == NULL || w_zero->constant) && node->attrs.groups == 1 &&
           w->shape.rank == exact->rank && w->shape.dims[exact->outputs] >= 2 &&
           covey__shape_elements(&w->shape) > 0;
}

bool covey__graph_splits(const struct covey_graph *g, const struct covey_graph_node *node)
{
    const struct covey__op_exact *exact = covey__op_find(node->op)->exact;
    if (exact != NULL) {
        return splits_exactly(g, node, exact);
    }
    bool conv = node->op == COVEY_OP_CONV && node->attrs.groups == 1 &&
                g->values[node->input[1]].shape.rank == 4;
    if (!conv && node->op != COVEY_OP_DENSE) {
        return false;
    }
    const struct covey_graph_value *x = &g->values[node->input[0]];
    const struct covey_graph_value *w = &g->values[node->input[1]];
    bool bias = node->inputs > 2 && node->input[2] != COVEY_VALUE_NONE;
    return w->constant && !x->constant && w->shape.dims[0] >= 2 &&
           (!bias || g->values[node->input[2]].constant);
}
