/* SPDX-License-Identifier: MIT */
#include "covey/model.h"

#include <stdlib.h>

#include "covey/large.h"
#include "covey/layouts.h"
#include "memory_plan.h"
#include "model_private.h"

enum { NO_LAYER = 0xffff };

struct covey_model {
    const struct covey_graph *g;
    struct covey_model_options options;
    struct covey__plan plan;
    uint8_t *states; /* of all nodes */
    void **state;    /* of each node, in there, or NULL */
    uint64_t state_bytes;
    uint16_t *node_layer; /* of each node: its split layer, or NO_LAYER */
    struct covey_layer layers[COVEY_LAYERS_MAX];
    uint16_t layer_node[COVEY_LAYERS_MAX];
    size_t layer_count;
    size_t work_bytes; /* an operator's scratch, or a layer's product: never both at once */
};

static uint64_t align(uint64_t bytes)
{
    return (bytes + COVEY__ALIGN - 1) / COVEY__ALIGN * COVEY__ALIGN;
}

static void need_work(struct covey_model *m, size_t bytes)
{
    m->work_bytes = bytes > m->work_bytes ? bytes : m->work_bytes;
}

/* A node's call as a run will make it, but for data and state. */
static void model_frame(const struct covey_model *m, size_t node, struct covey__graph_frame *out)
{
    covey__graph_frame(m->g, &m->g->nodes[node], out);
    covey__model_call(m, node, &out->call);
    out->call.state = NULL;
}

size_t covey__model_layer_work(const struct covey_layer *l)
{
    size_t product = (size_t)align(l->units * covey_layer_answer_floats(l) * sizeof(float));
    return product + (l->exact != 0 ? covey_layer_input_floats(l) * sizeof(float) : 0);
}

static covey_err add_layer(struct covey_model *m, size_t node, const struct covey__op_call *call)
{
    struct covey_layer layer;
    if (m->layer_count == COVEY_LAYERS_MAX) {
        return COVEY_ERR_LIMIT;
    }
    const struct covey__op_exact *exact = covey__op_find(m->g->nodes[node].op)->exact;
    if (exact != NULL) {
        exact->layer(call, &layer);
    } else {
        covey__layer_of(call, m->g->nodes[node].op, &layer);
    }
    covey_err err = covey_layer_check(&layer);
    if (err != COVEY_OK) {
        return err;
    }
    need_work(m, covey__model_layer_work(&layer));
    m->node_layer[node] = (uint16_t)m->layer_count;
    m->layer_node[m->layer_count] = (uint16_t)node;
    m->layers[m->layer_count++] = layer;
    return COVEY_OK;
}

static covey_err find_layers(struct covey_model *m, struct covey_nn_error *out_why)
{
    for (size_t i = 0; i < m->g->node_count; i++) {
        const struct covey_graph_node *node = &m->g->nodes[i];
        const struct covey__op *op = covey__op_find(node->op);
        struct covey__graph_frame frame;
        model_frame(m, i, &frame);
        m->node_layer[i] = NO_LAYER;
        if (op->scratch != NULL) {
            need_work(m, op->scratch(&frame.call));
        }
        if (covey__graph_splits(m->g, node)) {
            covey_err err = add_layer(m, i, &frame.call);
            if (err != COVEY_OK) {
                return covey__nn_fail(out_why, err, "%s: cannot be split within the limits",
                                      covey__node_name(node));
            }
        }
    }
    return COVEY_OK;
}

/* Whether a constant that the node's state replaces is not there. */
static bool lacks(const struct covey_model *m, size_t node, const struct covey__op *op)
{
    const struct covey_graph_node *n = &m->g->nodes[node];
    bool lacks = false;
    for (unsigned i = 0; i < n->inputs && m->options.absent != NULL; i++) {
        bool replaced = i < 32 && (op->replaces >> i & 1) != 0 && n->input[i] != COVEY_VALUE_NONE;
        lacks = lacks || (replaced && m->options.absent[n->input[i]]);
    }
    return lacks;
}

/* Bytes of a node's state; 0: it has none. */
static uint64_t state_bytes(const struct covey_model *m, size_t node)
{
    const struct covey__op *op = covey__op_find(m->g->nodes[node].op);
    struct covey__graph_frame frame;
    if (op->state == NULL || lacks(m, node, op)) {
        return 0;
    }
    model_frame(m, node, &frame);
    return align(op->state(&frame.call));
}

static covey_err prepare_node(struct covey_model *m, size_t node)
{
    const struct covey__op *op = covey__op_find(m->g->nodes[node].op);
    struct covey__graph_frame frame;
    model_frame(m, node, &frame);
    covey_err err = COVEY_OK;
    if (m->options.layouts != NULL) {
        err = op->share(&frame.call);
    }
    if (err == COVEY_OK) {
        op->prepare(&frame.call, m->state[node]);
    }
    return err;
}

static void sum_states(struct covey_model *m)
{
    for (size_t i = 0; i < m->g->node_count; i++) {
        m->state_bytes += state_bytes(m, i);
    }
}

static covey_err prepare_nodes(struct covey_model *m)
{
    covey_err err = COVEY_OK;
    m->states = covey_large_new(m->state_bytes);
    if (m->states == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0, at = 0; i < m->g->node_count && err == COVEY_OK; i++) {
        uint64_t bytes = state_bytes(m, i);
        if (bytes != 0) {
            m->state[i] = m->states + at;
            at += (size_t)bytes;
            err = prepare_node(m, i);
        }
    }
    return err;
}

covey_err covey_model_new(const struct covey_graph *g, const struct covey_model_options *options,
                          struct covey_model **out, struct covey_nn_error *out_why)
{
    struct covey_model *m = calloc(1, sizeof(*m));
    covey_err err = COVEY_ERR_NOMEM;
    if (m == NULL) {
        goto out;
    }
    m->g = g;
    m->options = options != NULL ? *options : (struct covey_model_options){0};
    m->options.threads = m->options.threads == 0 ? 1 : m->options.threads;
    m->node_layer = calloc(g->node_count + 1, sizeof(*m->node_layer));
    m->state = calloc(g->node_count + 1, sizeof(*m->state));
    if (m->node_layer == NULL || m->state == NULL) {
        goto out;
    }
    if (m->options.threads > COVEY_THREADS_MAX) {
        err = covey__nn_fail(out_why, COVEY_ERR_RANGE, "at most %d threads", COVEY_THREADS_MAX);
        goto out;
    }
    if (m->options.layouts != NULL && !m->options.small && !m->options.plan_only) {
        err = covey_layouts_choose(m->options.layouts, g);
        if (err != COVEY_OK) {
            goto out;
        }
    }
    err = find_layers(m, out_why);
    if (err != COVEY_OK) {
        goto out;
    }
    err = covey__plan_init(&m->plan, g);
    if (err == COVEY_OK && (uint64_t)m->plan.bytes + m->work_bytes > COVEY__MEMORY_MAX) {
        err = COVEY_ERR_LIMIT;
    }
    if (err == COVEY_OK && (m->options.layouts == NULL || !m->options.plan_only)) {
        sum_states(m);
    }
    if (err == COVEY_OK && !m->options.plan_only) {
        err = prepare_nodes(m);
        m->options.absent = NULL; /* the caller's, and done with */
    }
    if (err != COVEY_OK) {
        covey__nn_fail(out_why, err, "needs too much memory to run");
        goto out;
    }
    *out = m;
    m = NULL;
out:
    covey_model_free(m);
    return err;
}

void covey_model_free(struct covey_model *m)
{
    if (m == NULL) {
        return;
    }
    covey__plan_done(&m->plan);
    free(m->states);
    free(m->state);
    free(m->node_layer);
    free(m);
}

size_t covey_model_layers(const struct covey_model *m)
{
    return m->layer_count;
}

const struct covey_layer *covey_model_layer(const struct covey_model *m, size_t layer)
{
    COVEY_ASSERT(layer < m->layer_count);
    return &m->layers[layer];
}

const char *covey_model_layer_name(const struct covey_model *m, size_t layer)
{
    COVEY_ASSERT(layer < m->layer_count);
    return m->g->nodes[m->layer_node[layer]].name;
}

uint16_t covey_model_layer_weights(const struct covey_model *m, size_t layer)
{
    COVEY_ASSERT(layer < m->layer_count);
    const struct covey_graph_node *node = &m->g->nodes[m->layer_node[layer]];
    return node->input[covey__op_weights(node->op)];
}

void covey_model_layer_unit(const struct covey_model *m, size_t layer, size_t unit, float *out)
{
    const struct covey_layer *l = covey_model_layer(m, layer);
    struct covey__graph_frame frame;
    COVEY_ASSERT(l->exact != 0 && unit < l->units);
    model_frame(m, m->layer_node[layer], &frame);
    size_t first = unit * l->unit_rows, rows = l->m - first;
    rows = rows < l->unit_rows ? rows : l->unit_rows;
    memset(out, 0, covey_layer_unit_floats(l) * sizeof(*out));
    covey__op_find(m->g->nodes[m->layer_node[layer]].op)
        ->exact->rows(&frame.call, first, rows, out);
}

const struct covey_shape *covey_model_input(const struct covey_model *m)
{
    COVEY_ASSERT(m->g->inputs > 0);
    return &m->g->values[m->g->input[0]].shape;
}

const struct covey_shape *covey_model_output(const struct covey_model *m)
{
    return &m->g->values[m->g->output[0]].shape;
}

size_t covey_model_table(const struct covey_model *m)
{
    const struct covey_graph *g = m->g;
    size_t node = sizeof(*g->nodes) + sizeof(*m->state) + sizeof(*m->node_layer);
    size_t value = sizeof(*g->values) + sizeof(*m->plan.offset);
    return sizeof(*m) + sizeof(*g) + g->node_count * node + g->value_count * value;
}

size_t covey_model_state(const struct covey_model *m)
{
    return covey_size_of(m->state_bytes);
}

bool covey_model_reads(const struct covey_model *m, uint16_t value)
{
    const struct covey_graph *g = m->g;
    for (unsigned i = 0; i < g->outputs; i++) {
        if (g->output[i] == value) {
            return true;
        }
    }
    for (size_t i = 0; i < g->node_count; i++) {
        uint32_t replaces = m->state[i] != NULL ? covey__op_find(g->nodes[i].op)->replaces : 0;
        for (unsigned j = 0; j < g->nodes[i].inputs; j++) {
            if (g->nodes[i].input[j] == value && (j >= 32 || (replaces >> j & 1) == 0)) {
                return true;
            }
        }
    }
    return false;
}

const char *covey_model_kernel(const struct covey_model *m, size_t node)
{
    const struct covey__op *op = covey__op_find(m->g->nodes[node].op);
    struct covey__graph_frame frame;
    if (op->kernel == NULL) {
        return "";
    }
    model_frame(m, node, &frame);
    frame.call.state = m->state[node];
    return op->kernel(&frame.call);
}

size_t covey__model_arena(const struct covey_model *m)
{
    return (size_t)align(m->plan.bytes);
}

size_t covey__model_work(const struct covey_model *m)
{
    return (size_t)align(m->work_bytes);
}

const struct covey_graph *covey__model_graph(const struct covey_model *m)
{
    return m->g;
}

unsigned covey__model_threads(const struct covey_model *m)
{
    return m->options.threads;
}

const struct covey_layer *covey__model_node_layer(const struct covey_model *m, size_t node,
                                                  size_t *out_layer)
{
    if (m->node_layer[node] == NO_LAYER) {
        return NULL;
    }
    *out_layer = m->node_layer[node];
    return &m->layers[m->node_layer[node]];
}

size_t covey__model_offset(const struct covey_model *m, uint16_t value)
{
    return m->plan.offset[value];
}

void covey__model_call(const struct covey_model *m, size_t node, struct covey__op_call *call)
{
    call->state = m->state[node];
    call->small = m->options.small;
    call->thread_count = m->options.threads;
    call->layouts = m->options.layouts;
}
