/* SPDX-License-Identifier: MIT */
#include "covey/graph.h"

#include <math.h>
#include <stdlib.h>

#include "graph_private.h"

enum { NO_NODE = 0xffff };

/* Bytes that evaluation may make: as much as one largest tensor. */
#define FOLDED_MAX ((size_t)COVEY_TENSOR_ELEMENTS_MAX * sizeof(float))

/* Arrays by value have room for the values that folding adds (two for each node at most). */
struct optimizer {
    struct covey_graph *g;
    uint32_t *uses;     /* of each value, by live nodes and as the graph's output */
    uint16_t *producer; /* of each value: the node that makes it, or NO_NODE */
    uint16_t *replaced; /* of each value: what stands for it now, itself at first */
    bool *live;         /* of each node */
    size_t folded;      /* bytes made by evaluation: bounded */
};

static void done(struct optimizer *o)
{
    free(o->uses);
    free(o->producer);
    free(o->replaced);
    free(o->live);
}

static covey_err init(struct optimizer *o, struct covey_graph *g)
{
    size_t room = g->value_count + 2 * g->node_count + 1;
    *o = (struct optimizer){.g = g};
    o->uses = calloc(room, sizeof(*o->uses));
    o->producer = calloc(room, sizeof(*o->producer));
    o->replaced = calloc(room, sizeof(*o->replaced));
    o->live = calloc(g->node_count + 1, sizeof(*o->live));
    if (o->uses == NULL || o->producer == NULL || o->replaced == NULL || o->live == NULL) {
        done(o);
        return COVEY_ERR_NOMEM;
    }
    for (size_t v = 0; v < room; v++) {
        o->producer[v] = NO_NODE;
        o->replaced[v] = (uint16_t)v;
    }
    for (size_t i = 0; i < g->node_count; i++) {
        o->live[i] = true;
    }
    return COVEY_OK;
}

static bool is_used(const struct optimizer *o, const struct covey_graph_node *node)
{
    for (unsigned i = 0; i < node->outputs; i++) {
        if (node->output[i] != COVEY_VALUE_NONE && o->uses[node->output[i]] > 0) {
            return true;
        }
    }
    return false;
}

/* From the outputs backwards: a node lives when a living one, or the caller, uses what it makes. */
static void find_live(struct optimizer *o)
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

/* A constant of floats. */
static bool has_data(const struct covey_graph *g, uint16_t value)
{
    const struct covey_graph_value *v = &g->values[value];
    size_t count = 0;
    return v->constant && v->data != NULL && v->type == COVEY_TYPE_F32 &&
           covey_shape_count(&v->shape, &count) == COVEY_OK && count > 0;
}

/* Runs a node of constants now. */
static covey_err evaluate(struct optimizer *o, size_t i, bool *out_done)
{
    struct covey_graph *g = o->g;
    const struct covey_graph_node *node = &g->nodes[i];
    *out_done = false;
    if (!covey__graph_all_constant(g, node)) {
        return COVEY_OK;
    }
    covey_err err = covey__graph_evaluate(g, node, FOLDED_MAX - o->folded);
    if (err != COVEY_OK) {
        return err == COVEY_ERR_STATE ? COVEY_OK : err;
    }
    for (unsigned j = 0; j < node->outputs; j++) {
        if (node->output[j] != COVEY_VALUE_NONE) {
            o->folded += covey__graph_bytes(&g->values[node->output[j]]);
        }
    }
    o->live[i] = false;
    *out_done = true;
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

/* An identity's output is its input; one that joins input and output directly stays. */
static bool remove_identity(struct optimizer *o, size_t i)
{
    struct covey_graph *g = o->g;
    const struct covey_graph_node *node = &g->nodes[i];
    bool nothing = node->op == COVEY_OP_IDENTITY || node->op == COVEY_OP_DROPOUT;
    if (!nothing || node->outputs != 1) {
        return false;
    }
    uint16_t in = node->input[0], out = node->output[0];
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

/* The node that makes value for this consumer alone and applies no activation yet, or NULL. */
static struct covey_graph_node *sole_producer(struct optimizer *o, uint16_t value)
{
    uint16_t p = o->producer[value];
    if (p == NO_NODE || o->uses[value] != 1 || o->g->nodes[p].attrs.act != COVEY_ACT_NONE) {
        return NULL;
    }
    return &o->g->nodes[p];
}

/* The same, a convolution or dense layer with constant weights and bias. */
static struct covey_graph_node *sole_layer(struct optimizer *o, uint16_t value)
{
    struct covey_graph_node *p = sole_producer(o, value);
    if (p == NULL || (p->op != COVEY_OP_CONV && p->op != COVEY_OP_DENSE) ||
        !has_data(o->g, p->input[1]) || o->g->values[p->input[1]].shape.rank < 2 ||
        (p->inputs > 3 && p->input[3] != COVEY_VALUE_NONE)) {
        return NULL;
    }
    if (p->inputs > 2 && p->input[2] != COVEY_VALUE_NONE) {
        const struct covey_shape *b = &o->g->values[p->input[2]].shape;
        uint32_t m = o->g->values[p->input[1]].shape.dims[0];
        return has_data(o->g, p->input[2]) && b->rank == 1 && b->dims[0] == m ? p : NULL;
    }
    return p;
}

/* The producer makes node i's output from now on. */
static void absorb(struct optimizer *o, struct covey_graph_node *producer, size_t i)
{
    producer->output[0] = o->g->nodes[i].output[0];
    o->producer[producer->output[0]] = (uint16_t)(producer - o->g->nodes);
    o->live[i] = false;
}

/* A new constant in place of input `at` of a layer; *out_data is to be filled. */
static covey_err new_constant(struct optimizer *o, struct covey_graph_node *layer, unsigned at,
                              const struct covey_shape *shape, float **out_data)
{
    size_t count = 0;
    struct covey_graph_value value = {COVEY_TYPE_F32, *shape, true, NULL};
    void *data = NULL;
    covey_err err = covey_shape_count(shape, &count);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey_graph_alloc(o->g, count * sizeof(float), &data);
    if (err != COVEY_OK) {
        return err;
    }
    value.data = data;
    *out_data = data;
    err = covey_graph_add_value(o->g, &value, &layer->input[at]);
    if (err == COVEY_OK && layer->inputs <= at) {
        layer->inputs = (uint8_t)(at + 1);
    }
    return err;
}

static const float *layer_bias(const struct optimizer *o, const struct covey_graph_node *layer)
{
    bool has = layer->inputs > 2 && layer->input[2] != COVEY_VALUE_NONE;
    return has ? o->g->values[layer->input[2]].data : NULL;
}

/* s = scale / sqrt(var + epsilon): W' = s W by row, b' = (b - mean) s + bias */
static covey_err fold_batchnorm(struct optimizer *o, size_t i, bool *out_done)
{
    struct covey_graph *g = o->g;
    const struct covey_graph_node *node = &g->nodes[i];
    struct covey_graph_node *layer =
        node->op == COVEY_OP_BATCHNORM ? sole_layer(o, node->input[0]) : NULL;
    const float *p[5] = {NULL};
    float *weights = NULL, *bias = NULL;
    *out_done = false;
    if (layer == NULL) {
        return COVEY_OK;
    }
    struct covey_shape shape = g->values[layer->input[1]].shape;
    struct covey_shape row = {1, {shape.dims[0]}};
    for (unsigned j = 1; j < 5; j++) {
        const struct covey_graph_value *v = &g->values[node->input[j]];
        if (!has_data(g, node->input[j]) || !covey_shape_equal(&v->shape, &row)) {
            return COVEY_OK;
        }
        p[j] = v->data;
    }
    const float *old = g->values[layer->input[1]].data, *old_bias = layer_bias(o, layer);
    covey_err err = new_constant(o, layer, 1, &shape, &weights);
    if (err == COVEY_OK) {
        err = new_constant(o, layer, 2, &row, &bias);
    }
    if (err != COVEY_OK) {
        return err;
    }
    size_t k = covey__shape_range(&shape, 1, shape.rank);
    for (size_t j = 0; j < shape.dims[0]; j++) {
        double s = p[1][j] / sqrt((double)p[4][j] + (double)g->nodes[i].attrs.epsilon);
        double b = old_bias != NULL ? (double)old_bias[j] : 0.0;
        bias[j] = (float)((b - (double)p[3][j]) * s + (double)p[2][j]);
        for (size_t q = j * k; q < (j + 1) * k; q++) {
            weights[q] = (float)((double)old[q] * s);
        }
    }
    absorb(o, layer, i);
    *out_done = true;
    return COVEY_OK;
}

/* Whether a constant of this shape, added to the layer's output, is one number for each row. */
static bool is_bias(const struct covey_shape *s, unsigned layer_rank, uint32_t m)
{
    const unsigned channel = 1;
    if (s->rank > layer_rank || covey__shape_elements(s) != m) {
        return false;
    }
    unsigned missing = layer_rank - s->rank;
    return m == 1 || (missing <= channel && s->dims[channel - missing] == m);
}

/* Layer + constant: b' = b + constant */
static covey_err fold_bias(struct optimizer *o, size_t i, bool *out_done)
{
    struct covey_graph *g = o->g;
    const struct covey_graph_node *node = &g->nodes[i];
    float *bias = NULL;
    *out_done = false;
    if (node->op != COVEY_OP_ADD) {
        return COVEY_OK;
    }
    unsigned at = has_data(g, node->input[1]) ? 1 : 0;
    struct covey_graph_node *layer = sole_layer(o, node->input[1 - at]);
    if (layer == NULL || !has_data(g, node->input[at])) {
        return COVEY_OK;
    }
    struct covey_shape row = {1, {g->values[layer->input[1]].shape.dims[0]}};
    if (!is_bias(&g->values[node->input[at]].shape, g->values[layer->input[1]].shape.rank,
                 row.dims[0])) {
        return COVEY_OK;
    }
    const float *add = g->values[node->input[at]].data, *old = layer_bias(o, layer);
    covey_err err = new_constant(o, layer, 2, &row, &bias);
    if (err != COVEY_OK) {
        return err;
    }
    for (size_t j = 0; j < row.dims[0]; j++) {
        bias[j] = add[j] + (old != NULL ? old[j] : 0.0f);
    }
    layer->attrs.act = node->attrs.act;
    layer->attrs.low = node->attrs.low;
    layer->attrs.high = node->attrs.high;
    absorb(o, layer, i);
    *out_done = true;
    return COVEY_OK;
}

static enum covey_act act_of(enum covey_op op)
{
    return op == COVEY_OP_RELU      ? COVEY_ACT_RELU
           : op == COVEY_OP_CLIP    ? COVEY_ACT_CLIP
           : op == COVEY_OP_SIGMOID ? COVEY_ACT_SIGMOID
           : op == COVEY_OP_TANH    ? COVEY_ACT_TANH
                                    : COVEY_ACT_NONE;
}

static bool fuse_activation(struct optimizer *o, size_t i)
{
    const struct covey_graph_node *node = &o->g->nodes[i];
    enum covey_act act = act_of(node->op);
    struct covey_graph_node *p = act != COVEY_ACT_NONE ? sole_producer(o, node->input[0]) : NULL;
    if (p == NULL || !covey__op_find(p->op)->fuses) {
        return false;
    }
    p->attrs.act = act;
    p->attrs.low = node->attrs.low;
    p->attrs.high = node->attrs.high;
    absorb(o, p, i);
    return true;
}

static covey_err visit(struct optimizer *o, size_t i)
{
    struct covey_graph_node *node = &o->g->nodes[i];
    bool gone = false;
    for (unsigned j = 0; j < node->inputs; j++) {
        if (node->input[j] != COVEY_VALUE_NONE) {
            node->input[j] = o->replaced[node->input[j]];
        }
    }
    covey_err err = evaluate(o, i, &gone);
    if (err != COVEY_OK || gone || remove_identity(o, i)) {
        return err;
    }
    err = fold_batchnorm(o, i, &gone);
    if (err != COVEY_OK || gone) {
        return err;
    }
    err = fold_bias(o, i, &gone);
    if (err != COVEY_OK || gone || fuse_activation(o, i)) {
        return err;
    }
    for (unsigned j = 0; j < node->outputs; j++) {
        if (node->output[j] != COVEY_VALUE_NONE) {
            o->producer[node->output[j]] = (uint16_t)i;
        }
    }
    return COVEY_OK;
}

/* Keeps living nodes and the values they use, both in their old order. */
static void compact(struct optimizer *o)
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
    struct optimizer o;
    covey_err err = covey__graph_structure(g, out_why);
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
