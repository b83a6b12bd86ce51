/* SPDX-License-Identifier: MIT */
#include "graph_optimize.h"

static bool is_in_order(const struct covey_op_attrs *a)
{
    for (unsigned i = 0; i < a->shape_rank; i++) {
        if (a->shape[i] != i) {
            return false;
        }
    }
    return true;
}

static bool is_all_ones(const struct covey_op_attrs *a)
{
    for (unsigned i = 0; i < a->shape_rank; i++) {
        if (a->shape[i] != 1) {
            return false;
        }
    }
    return true;
}

static bool pads_nothing(const struct covey_op_attrs *a, unsigned rank)
{
    for (unsigned i = 0; i < 2 * rank; i++) {
        if (a->pad[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Whether the node's result is its first input, for every batch. */
static bool does_nothing(const struct covey_graph *g, const struct covey_graph_node *node)
{
    if (node->inputs == 0 || node->outputs != 1 || node->attrs.act != COVEY_ACT_NONE) {
        return false;
    }
    const struct covey_graph_value *x = &g->values[node->input[0]];
    const struct covey_graph_value *y = &g->values[node->output[0]];
    bool same = covey_shape_equal(&x->shape, &y->shape);
    switch ((unsigned)node->op) {
    case COVEY_OP_IDENTITY:
    case COVEY_OP_DROPOUT:
        return true;
    case COVEY_OP_CAST:
        return node->attrs.to == x->type;
    case COVEY_OP_CONCAT:
    case COVEY_OP_SUM:
    case COVEY_OP_MEAN:
    case COVEY_OP_MAX:
    case COVEY_OP_MIN:
        return node->inputs == 1;
    case COVEY_OP_RESHAPE:
    case COVEY_OP_FLATTEN:
    case COVEY_OP_EXPAND:
        return same;
    case COVEY_OP_TRANSPOSE:
        return is_in_order(&node->attrs);
    case COVEY_OP_TILE:
        return same && is_all_ones(&node->attrs);
    case COVEY_OP_PAD:
        return pads_nothing(&node->attrs, x->shape.rank);
    default:
        return false;
    }
}

bool covey__opt_remove_nothing(struct covey__optimizer *o, size_t i)
{
    const struct covey_graph_node *node = &o->g->nodes[i];
    return does_nothing(o->g, node) && covey__opt_bypass(o, i, node->input[0]);
}

/* Node i reads what p reads, instead of p's result. */
static void read_through(struct covey__optimizer *o, size_t i, const struct covey_graph_node *p)
{
    struct covey_graph_node *node = &o->g->nodes[i];
    uint16_t between = node->input[0];
    node->input[0] = p->input[0];
    o->uses[p->input[0]]++;
    if (--o->uses[between] == 0) {
        o->live[p - o->g->nodes] = false;
        o->uses[p->input[0]]--;
    }
}

/* Axis i of the result is axis inner[outer[i]] of the input. */
static void merge_transposes(struct covey__optimizer *o, size_t i)
{
    struct covey_graph_node *node = &o->g->nodes[i];
    const struct covey_graph_node *p = covey__opt_producer(o, node->input[0], true);
    if (p == NULL || p->op != COVEY_OP_TRANSPOSE || p->attrs.shape_rank != node->attrs.shape_rank) {
        return;
    }
    for (unsigned j = 0; j < node->attrs.shape_rank; j++) {
        node->attrs.shape[j] = p->attrs.shape[node->attrs.shape[j]];
    }
    read_through(o, i, p);
}

/* Whether the result of a reshape does not depend on its input's shape but for the batch. */
static bool is_free(const struct covey_graph_node *node)
{
    if (node->op == COVEY_OP_FLATTEN) {
        return node->attrs.axis == 1;
    }
    for (unsigned i = 1; i < node->attrs.shape_rank; i++) {
        if (node->attrs.shape[i] == 0) {
            return false;
        }
    }
    return node->attrs.shape_rank > 0;
}

/* The first dimension stays that of the input, whatever the batch. */
static void merge_reshapes(struct covey__optimizer *o, size_t i)
{
    struct covey_graph_node *node = &o->g->nodes[i];
    const struct covey_graph_node *p = covey__opt_producer(o, node->input[0], true);
    if (p == NULL || (p->op != COVEY_OP_RESHAPE && p->op != COVEY_OP_FLATTEN) || !is_free(node)) {
        return;
    }
    const struct covey_shape *x = &o->g->values[p->input[0]].shape;
    const struct covey_shape *between = &o->g->values[node->input[0]].shape;
    if (x->rank > 0 && between->rank > 0 && x->dims[0] == between->dims[0]) {
        read_through(o, i, p);
    }
}

void covey__opt_merge_moves(struct covey__optimizer *o, size_t i)
{
    enum covey_op op = o->g->nodes[i].op;
    if (op == COVEY_OP_TRANSPOSE) {
        merge_transposes(o, i);
    } else if (op == COVEY_OP_RESHAPE || op == COVEY_OP_FLATTEN) {
        merge_reshapes(o, i);
    }
}

/* The padding node in front of windows, when it writes zeros around them only; or NULL. */
static const struct covey_graph_node *zero_pad(const struct covey__optimizer *o, uint16_t value)
{
    const struct covey_graph_node *p = covey__opt_producer(o, value, false);
    if (p == NULL || p->op != COVEY_OP_PAD || p->attrs.mode != COVEY_PAD_CONSTANT ||
        p->attrs.value != 0.0) {
        return NULL;
    }
    unsigned rank = o->g->values[value].shape.rank;
    for (unsigned i = 0; i < 2 * rank; i++) {
        if (p->attrs.pad[i] < 0 || (i % rank < 2 && p->attrs.pad[i] != 0)) {
            return NULL;
        }
    }
    return p;
}

/* A mean counts padding only if it is told to: the node's own then must not exist, or count. */
static bool takes_zeros(const struct covey_graph_node *node)
{
    if (node->op == COVEY_OP_CONV) {
        return true;
    }
    bool own = false;
    for (unsigned i = 0; i < COVEY_SPATIAL_MAX; i++) {
        own = own || node->attrs.pads[i] != 0 || node->attrs.pads_end[i] != 0;
    }
    return node->op == COVEY_OP_AVGPOOL && !node->attrs.ceil_mode &&
           (!own || node->attrs.count_include_pad);
}

void covey__opt_merge_pad(struct covey__optimizer *o, size_t i)
{
    struct covey_graph_node *node = &o->g->nodes[i];
    const struct covey_graph_node *p =
        node->inputs > 0 && takes_zeros(node) ? zero_pad(o, node->input[0]) : NULL;
    unsigned rank = p != NULL ? o->g->values[node->input[0]].shape.rank : 0;
    struct covey_op_attrs a = node->attrs;
    if (rank < 3 || rank > 2 + COVEY_SPATIAL_MAX) {
        return;
    }
    for (unsigned j = 0; j + 2 < rank; j++) {
        a.pads[j] += (uint32_t)p->attrs.pad[2 + j];
        a.pads_end[j] += (uint32_t)p->attrs.pad[rank + 2 + j];
    }
    a.count_include_pad = a.count_include_pad || node->op == COVEY_OP_AVGPOOL;
    struct covey_graph_node merged = *node;
    struct covey_tensor out[COVEY_NODE_OUTPUTS_MAX];
    merged.attrs = a;
    merged.input[0] = p->input[0];
    if (covey__graph_infer(o->g, &merged, out, NULL) != COVEY_OK ||
        !covey_shape_equal(&out[0].shape, &o->g->values[node->output[0]].shape)) {
        return; /* more padding than windows may have */
    }
    read_through(o, i, p);
    node->attrs = a;
}

/* A mean over all spatial dimensions that stay is the global pooling. */
void covey__opt_mean(struct covey__optimizer *o, size_t i)
{
    struct covey_graph_node *node = &o->g->nodes[i];
    unsigned rank = node->inputs > 0 ? o->g->values[node->input[0]].shape.rank : 0;
    if (node->op == COVEY_OP_REDUCEMEAN && node->attrs.keepdims && rank > 2 &&
        node->attrs.axes == ((1u << rank) - 1 - 3u) &&
        covey__shape_elements(&o->g->values[node->input[0]].shape) > 0 &&
        o->g->values[node->input[0]].type == COVEY_TYPE_F32) {
        node->op = COVEY_OP_GLOBALAVGPOOL;
    }
}

/* Results beside the first that nobody wants are left out. */
void covey__opt_trim_outputs(struct covey__optimizer *o, size_t i)
{
    struct covey_graph_node *node = &o->g->nodes[i];
    unsigned family = (unsigned)node->op / COVEY_OP_FAMILY;
    if (family != 0 && family != COVEY_OP_MAXPOOL / COVEY_OP_FAMILY) {
        return;
    }
    for (unsigned j = 1; j < node->outputs; j++) {
        if (node->output[j] != COVEY_VALUE_NONE && o->uses[node->output[j]] == 0) {
            node->output[j] = COVEY_VALUE_NONE;
        }
    }
    while (node->outputs > 1 && node->output[node->outputs - 1] == COVEY_VALUE_NONE) {
        node->outputs--;
    }
}
