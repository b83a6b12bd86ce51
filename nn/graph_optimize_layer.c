/* SPDX-License-Identifier: MIT */
#include "graph_optimize.h"

#include <math.h>
#include <stdlib.h>

/* y = scale x + shift, by channel. */
struct affine {
    size_t channels;
    double *scale, *shift;
};

static bool is_one_per_channel(const struct covey_graph *g, uint16_t value, uint32_t m)
{
    const struct covey_shape *s = &g->values[value].shape;
    return covey__opt_has_data(g, value) && s->rank == 1 && s->dims[0] == m;
}

static bool left_out(const struct covey_graph_node *node, unsigned i)
{
    return node->inputs <= i || node->input[i] == COVEY_VALUE_NONE;
}

/* The convolution or dense layer with constant weights and bias that makes value for this consumer
 * alone, with nothing behind its bias yet; or NULL. */
static struct covey_graph_node *sole_layer(const struct covey__optimizer *o, uint16_t value)
{
    const struct covey_graph *g = o->g;
    struct covey_graph_node *p = covey__opt_producer(o, value, false);
    if (p == NULL || (p->op != COVEY_OP_CONV && p->op != COVEY_OP_DENSE) ||
        p->attrs.act != COVEY_ACT_NONE || !covey__opt_has_data(g, p->input[1]) ||
        g->values[p->input[1]].shape.rank < 2 || !left_out(p, 3)) {
        return NULL;
    }
    uint32_t m = g->values[p->input[1]].shape.dims[0];
    return left_out(p, 2) || is_one_per_channel(g, p->input[2], m) ? p : NULL;
}

/* Whether a constant of this shape meets the layer's output as one number for each channel (the
 * same for all: a single one). */
static bool meets_channels(const struct covey_shape *s, unsigned layer_rank, uint32_t m)
{
    const unsigned channel = 1;
    size_t count = covey__shape_elements(s);
    if (s->rank > layer_rank || (count != m && count != 1)) {
        return false;
    }
    unsigned missing = layer_rank - s->rank;
    return count == 1 || (missing <= channel && s->dims[channel - missing] == m);
}

/* s = scale / sqrt(var + epsilon), shift = bias - mean s */
static bool batchnorm_of(const struct covey_graph *g, const struct covey_graph_node *node,
                         struct affine *a)
{
    const float *p[5] = {NULL};
    for (unsigned j = 1; j < 5; j++) {
        if (!is_one_per_channel(g, node->input[j], (uint32_t)a->channels)) {
            return false;
        }
        p[j] = g->values[node->input[j]].data;
    }
    for (size_t j = 0; j < a->channels; j++) {
        a->scale[j] = (double)p[1][j] / sqrt((double)p[4][j] + (double)node->attrs.epsilon);
        a->shift[j] = (double)p[2][j] - (double)p[3][j] * a->scale[j];
    }
    return true;
}

/* What x op v, or v op x where v comes first, does to x. */
static void arithmetic_of(enum covey_op op, bool first, double v, double out[2])
{
    out[0] = 1.0;
    out[1] = 0.0;
    if (op == COVEY_OP_ADD) {
        out[1] = v;
    } else if (op == COVEY_OP_SUB) {
        out[0] = first ? -1.0 : 1.0;
        out[1] = first ? v : -v;
    } else {
        out[0] = op == COVEY_OP_MUL ? v : 1.0 / v;
    }
}

static bool constants_of(const struct covey_graph *g, const struct covey_graph_node *node,
                         unsigned at, struct affine *a)
{
    const struct covey_graph_value *v = &g->values[node->input[at]];
    bool single = covey__shape_elements(&v->shape) == 1;
    for (size_t j = 0; j < a->channels; j++) {
        double number = (double)((const float *)v->data)[single ? 0 : j], both[2];
        if (node->op == COVEY_OP_DIV && (at == 0 || number == 0.0)) {
            return false;
        }
        arithmetic_of(node->op, at == 0, number, both);
        a->scale[j] = both[0];
        a->shift[j] = both[1];
    }
    return true;
}

/* A new constant in place of input `at` of a layer; *out_data is to be filled. What was there loses
 * this use by the caller's hand, who may still read it. */
static covey_err new_constant(struct covey__optimizer *o, struct covey_graph_node *layer,
                              unsigned at, const struct covey_shape *shape, float **out_data)
{
    struct covey_graph_value value = {.shape = *shape, .constant = true};
    void *data = NULL;
    covey_err err = covey_graph_alloc(o->g, covey__shape_elements(shape) * sizeof(float), &data);
    if (err != COVEY_OK) {
        return err;
    }
    value.data = data;
    err = covey_graph_add_value(o->g, &value, &layer->input[at]);
    if (err == COVEY_OK) {
        *out_data = data;
        o->uses[layer->input[at]] = 1;
        layer->inputs = layer->inputs <= at ? (uint8_t)(at + 1) : layer->inputs;
    }
    return err;
}

/* W' = scale W by row */
static covey_err scale_weights(struct covey__optimizer *o, struct covey_graph_node *layer,
                               const struct affine *a)
{
    uint16_t old = layer->input[1];
    struct covey_shape shape = o->g->values[old].shape;
    size_t k = covey__shape_range(&shape, 1, shape.rank), same = 0;
    float *weights = covey__opt_own_data(o, old);
    bool in_place = weights != NULL;
    while (same < a->channels && a->scale[same] == 1.0) {
        same++;
    }
    if (same == a->channels) {
        return COVEY_OK;
    }
    covey_err err = in_place ? COVEY_OK : new_constant(o, layer, 1, &shape, &weights);
    if (err != COVEY_OK) {
        return err;
    }
    const float *from = o->g->values[old].data;
    for (size_t i = 0; i < a->channels * k; i++) {
        weights[i] = (float)((double)from[i] * a->scale[i / k]);
    }
    if (!in_place) {
        covey__opt_drop_use(o, old);
    }
    return COVEY_OK;
}

/* b' = scale b + shift */
static covey_err move_bias(struct covey__optimizer *o, struct covey_graph_node *layer,
                           const struct affine *a)
{
    struct covey_shape row = {1, {(uint32_t)a->channels}};
    uint16_t old = left_out(layer, 2) ? COVEY_VALUE_NONE : layer->input[2];
    float *bias = NULL;
    covey_err err = new_constant(o, layer, 2, &row, &bias);
    if (err != COVEY_OK) {
        return err;
    }
    const float *from = old != COVEY_VALUE_NONE ? o->g->values[old].data : NULL;
    for (size_t i = 0; i < a->channels; i++) {
        double b = from != NULL ? (double)from[i] : 0.0;
        bias[i] = (float)(b * a->scale[i] + a->shift[i]);
    }
    if (old != COVEY_VALUE_NONE) {
        covey__opt_drop_use(o, old);
    }
    return COVEY_OK;
}

/* Every node that makes y from a layer's x by channel, and from constants: input `at` is x. */
static bool is_affine(const struct covey_graph *g, const struct covey_graph_node *node,
                      unsigned *out_at)
{
    *out_at = 0;
    if (node->op == COVEY_OP_BATCHNORM) {
        return true;
    }
    if (node->op != COVEY_OP_ADD && node->op != COVEY_OP_SUB && node->op != COVEY_OP_MUL &&
        node->op != COVEY_OP_DIV) {
        return false;
    }
    *out_at = covey__opt_has_data(g, node->input[1]) ? 0 : 1;
    return covey__opt_has_data(g, node->input[1 - *out_at]);
}

static void take_activation(struct covey_graph_node *to, const struct covey_op_attrs *from)
{
    to->attrs.act = from->act;
    to->attrs.low = from->low;
    to->attrs.high = from->high;
}

/* The producer makes node i's output from now on. */
static void absorb(struct covey__optimizer *o, struct covey_graph_node *producer, size_t i)
{
    producer->output[0] = o->g->nodes[i].output[0];
    o->producer[producer->output[0]] = (uint16_t)(producer - o->g->nodes);
    o->live[i] = false;
}

static bool affine_fill(const struct covey_graph *g, const struct covey_graph_node *node,
                        unsigned at, struct affine *a)
{
    return node->op == COVEY_OP_BATCHNORM ? batchnorm_of(g, node, a)
                                          : constants_of(g, node, 1 - at, a);
}

covey_err covey__opt_fold_affine(struct covey__optimizer *o, size_t i, bool *out_gone)
{
    const struct covey_graph *g = o->g;
    const struct covey_graph_node *node = &g->nodes[i];
    unsigned at = 0;
    struct covey_graph_node *layer =
        is_affine(g, node, &at) ? sole_layer(o, node->input[at]) : NULL;
    if (layer == NULL) {
        return COVEY_OK;
    }
    const struct covey_shape *w = &g->values[layer->input[1]].shape;
    struct affine a = {.channels = w->dims[0]};
    if (node->op != COVEY_OP_BATCHNORM &&
        !meets_channels(&g->values[node->input[1 - at]].shape, w->rank, w->dims[0])) {
        return COVEY_OK;
    }
    a.scale = calloc(2 * a.channels, sizeof(*a.scale));
    if (a.scale == NULL) {
        return COVEY_ERR_NOMEM;
    }
    a.shift = a.scale + a.channels;
    covey_err err = COVEY_OK;
    if (affine_fill(g, node, at, &a)) {
        err = scale_weights(o, layer, &a);
        err = err == COVEY_OK ? move_bias(o, layer, &a) : err;
        if (err == COVEY_OK) {
            take_activation(layer, &node->attrs);
            absorb(o, layer, i);
            *out_gone = true;
        }
    }
    free(a.scale);
    return err;
}

static enum covey_act act_of(enum covey_op op)
{
    return op == COVEY_OP_RELU        ? COVEY_ACT_RELU
           : op == COVEY_OP_CLIP      ? COVEY_ACT_CLIP
           : op == COVEY_OP_SIGMOID   ? COVEY_ACT_SIGMOID
           : op == COVEY_OP_TANH      ? COVEY_ACT_TANH
           : op == COVEY_OP_SILU      ? COVEY_ACT_SILU
           : op == COVEY_OP_HARDSWISH ? COVEY_ACT_HARDSWISH
                                      : COVEY_ACT_NONE;
}

bool covey__opt_fuse_activation(struct covey__optimizer *o, size_t i)
{
    const struct covey_graph_node *node = &o->g->nodes[i];
    enum covey_act act = act_of(node->op);
    if (act == COVEY_ACT_NONE || o->g->values[node->input[0]].type != COVEY_TYPE_F32) {
        return false;
    }
    struct covey_graph_node *p = covey__opt_producer(o, node->input[0], false);
    if (p == NULL || p->attrs.act != COVEY_ACT_NONE || !covey__op_find(p->op)->fuses) {
        return false;
    }
    take_activation(p, &node->attrs);
    p->attrs.act = act;
    absorb(o, p, i);
    return true;
}

/* What x times this node's result is, if its input is x. */
static enum covey_op gated(const struct covey_graph_node *gate)
{
    if (gate->op == COVEY_OP_SIGMOID) {
        return COVEY_OP_SILU;
    }
    /* max(0, min(1, x / 6 + 1 / 2)) */
    bool hard = gate->op == COVEY_OP_HARDSIGMOID && gate->attrs.beta == 0.5f &&
                fabsf(gate->attrs.alpha - 1.0f / 6.0f) < 1e-6f;
    return hard ? COVEY_OP_HARDSWISH : COVEY_OP_NONE;
}

void covey__opt_gate(struct covey__optimizer *o, size_t i)
{
    struct covey_graph_node *node = &o->g->nodes[i];
    if (node->op != COVEY_OP_MUL || node->attrs.act != COVEY_ACT_NONE ||
        o->g->values[node->output[0]].type != COVEY_TYPE_F32) {
        return;
    }
    for (unsigned j = 0; j < 2; j++) {
        uint16_t x = node->input[j];
        struct covey_graph_node *gate = covey__opt_producer(o, node->input[1 - j], false);
        if (gate == NULL || gate->input[0] != x || gated(gate) == COVEY_OP_NONE) {
            continue;
        }
        o->live[gate - o->g->nodes] = false;
        o->uses[x]--;
        node->op = gated(gate);
        node->inputs = 1;
        node->input[0] = x;
        return;
    }
}

/* The convolution that makes value for this consumer alone and can add something to it. */
static struct covey_graph_node *open_conv(const struct covey__optimizer *o, uint16_t value)
{
    struct covey_graph_node *p = covey__opt_producer(o, value, false);
    bool open = p != NULL && p->op == COVEY_OP_CONV && p->attrs.act == COVEY_ACT_NONE &&
                left_out(p, 3) && p->outputs == 1;
    return open ? p : NULL;
}

/* The convolution moves to where the sum is: by then the other operand is there as well. */
void covey__opt_residual(struct covey__optimizer *o, size_t i)
{
    struct covey_graph_node *node = &o->g->nodes[i], *conv = NULL;
    const struct covey_graph_value *values = o->g->values;
    uint16_t other = COVEY_VALUE_NONE;
    if (node->op != COVEY_OP_ADD || values[node->input[0]].constant ||
        values[node->input[1]].constant ||
        !covey_shape_equal(&values[node->input[0]].shape, &values[node->input[1]].shape)) {
        return;
    }
    for (unsigned j = 0; j < 2; j++) {
        struct covey_graph_node *p = open_conv(o, node->input[j]);
        if (p != NULL && (conv == NULL || p > conv)) {
            conv = p;
            other = node->input[1 - j];
        }
    }
    if (conv == NULL) {
        return;
    }
    struct covey_graph_node sum = *conv;
    for (unsigned j = sum.inputs; j < 3; j++) {
        sum.input[j] = COVEY_VALUE_NONE;
    }
    sum.input[3] = other;
    sum.inputs = 4;
    sum.output[0] = node->output[0];
    take_activation(&sum, &node->attrs);
    o->live[conv - o->g->nodes] = false;
    *node = sum;
}
