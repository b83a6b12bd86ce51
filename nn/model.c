/* SPDX-License-Identifier: MIT */
#include "covey/model.h"

#include <stdlib.h>

#include "memory_plan.h"
#include "model_private.h"

enum { NO_LAYER = 0xffff };

struct covey_model {
    const struct covey_graph *g;
    struct covey__plan plan;
    uint16_t *node_layer; /* of each node: its split layer, or NO_LAYER */
    struct covey_layer layers[COVEY_LAYERS_MAX];
    uint16_t layer_node[COVEY_LAYERS_MAX];
    size_t layer_count;
    size_t work_floats; /* an operator's scratch, or a layer's product: never both at once */
};

enum run_state { RUN_IDLE, RUN_READY, RUN_STOPPED, RUN_DONE };

/* node is the next to run; in STOPPED it is a split layer. */
struct covey_run {
    const struct covey_model *m;
    float *arena, *work;
    size_t node;
    enum run_state state;
};

static void need_work(struct covey_model *m, size_t floats)
{
    m->work_floats = floats > m->work_floats ? floats : m->work_floats;
}

static covey_err add_layer(struct covey_model *m, size_t node, const struct covey__op_call *call)
{
    struct covey_layer layer;
    if (m->layer_count == COVEY_LAYERS_MAX) {
        return COVEY_ERR_LIMIT;
    }
    covey__layer_of(call, m->g->nodes[node].op, &layer);
    covey_err err = covey_layer_check(&layer);
    if (err != COVEY_OK) {
        return err;
    }
    need_work(m, layer.units * covey_layer_answer_floats(&layer));
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
        struct covey__op_call call;
        covey__graph_call(m->g, node, &call);
        m->node_layer[i] = NO_LAYER;
        if (op->scratch != NULL) {
            need_work(m, op->scratch(&call));
        }
        if (covey__graph_splits(m->g, node)) {
            covey_err err = add_layer(m, i, &call);
            if (err != COVEY_OK) {
                return covey__nn_fail(out_why, err, "%s: cannot be split within the limits",
                                      node->name[0] != '\0' ? node->name : op->name);
            }
        }
    }
    return COVEY_OK;
}

covey_err covey_model_new(const struct covey_graph *g, struct covey_model **out,
                          struct covey_nn_error *out_why)
{
    struct covey_model *m = calloc(1, sizeof(*m));
    covey_err err = COVEY_ERR_NOMEM;
    if (m == NULL) {
        goto out;
    }
    m->g = g;
    m->node_layer = calloc(g->node_count + 1, sizeof(*m->node_layer));
    if (m->node_layer == NULL) {
        goto out;
    }
    err = find_layers(m, out_why);
    if (err != COVEY_OK) {
        goto out;
    }
    err = covey__plan_init(&m->plan, g);
    if (err == COVEY_OK && (uint64_t)m->plan.floats + m->work_floats > COVEY__MEMORY_FLOATS_MAX) {
        err = COVEY_ERR_LIMIT;
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
    return m->g->nodes[m->layer_node[layer]].input[1];
}

const struct covey_shape *covey_model_input(const struct covey_model *m)
{
    return &m->g->values[m->g->input].shape;
}

const struct covey_shape *covey_model_output(const struct covey_model *m)
{
    return &m->g->values[m->g->output].shape;
}

static size_t run_floats(const struct covey_model *m)
{
    size_t work = (m->work_floats + COVEY__ALIGN_FLOATS - 1) / COVEY__ALIGN_FLOATS;
    return m->plan.floats + work * COVEY__ALIGN_FLOATS;
}

size_t covey_model_memory(const struct covey_model *m)
{
    return sizeof(struct covey_run) + run_floats(m) * sizeof(float);
}

covey_err covey_run_new(const struct covey_model *m, struct covey_run **out)
{
    size_t bytes = run_floats(m) * sizeof(float);
    struct covey_run *r = calloc(1, sizeof(*r));
    float *memory = aligned_alloc(COVEY__ALIGN_FLOATS * sizeof(float), bytes);
    if (r == NULL || memory == NULL) {
        free(r);
        free(memory);
        return COVEY_ERR_NOMEM;
    }
    r->m = m;
    r->arena = memory;
    r->work = memory + m->plan.floats;
    *out = r;
    return COVEY_OK;
}

void covey_run_free(struct covey_run *r)
{
    if (r != NULL) {
        free(r->arena);
        free(r);
    }
}

static const float *value_data(const struct covey_run *r, uint16_t value)
{
    const struct covey_graph_value *v = &r->m->g->values[value];
    return v->constant ? v->data : r->arena + r->m->plan.offset[value];
}

static void prepare(struct covey_run *r, struct covey__op_call *out)
{
    const struct covey_graph_node *node = &r->m->g->nodes[r->node];
    covey__graph_call(r->m->g, node, out);
    for (unsigned i = 0; i < node->inputs; i++) {
        if (node->input[i] != COVEY_VALUE_NONE) {
            out->data[i] = value_data(r, node->input[i]);
        }
    }
    out->out = r->arena + r->m->plan.offset[node->output];
    out->scratch = r->work;
}

static void run_node(struct covey_run *r)
{
    struct covey__op_call call;
    const struct covey__op *op = covey__op_find(r->m->g->nodes[r->node].op);
    prepare(r, &call);
    if (!op->alias || call.out != call.data[0]) {
        op->forward(&call);
    }
    r->node++;
}

void covey_run_start(struct covey_run *r, const float *input)
{
    const struct covey_graph *g = r->m->g;
    memcpy(r->arena + r->m->plan.offset[g->input], input,
           covey__shape_floats(&g->values[g->input].shape) * sizeof(float));
    r->node = 0;
    r->state = RUN_READY;
}

bool covey_run_next(struct covey_run *r, size_t *out_layer, const float **out_input)
{
    COVEY_ASSERT(r->state == RUN_READY);
    for (; r->node < r->m->g->node_count; run_node(r)) {
        if (r->m->node_layer[r->node] != NO_LAYER) {
            r->state = RUN_STOPPED;
            *out_layer = r->m->node_layer[r->node];
            *out_input = value_data(r, r->m->g->nodes[r->node].input[0]);
            return true;
        }
    }
    r->state = RUN_DONE;
    return false;
}

float *covey_run_answer(struct covey_run *r)
{
    COVEY_ASSERT(r->state == RUN_STOPPED);
    return r->work;
}

void covey_run_resume(struct covey_run *r)
{
    COVEY_ASSERT(r->state == RUN_STOPPED);
    const struct covey_layer *l = &r->m->layers[r->m->node_layer[r->node]];
    struct covey__op_call call;
    prepare(r, &call);
    struct covey__finish f = {.attrs = call.attrs,
                              .product = r->work,
                              .bias = call.inputs > 2 ? call.data[2] : NULL,
                              .batch = l->batch,
                              .rows = l->m,
                              .pixels = (size_t)l->out_height * l->out_width,
                              .out = call.out};
    covey__finish(&f);
    r->node++;
    r->state = RUN_READY;
}

void covey_run_local(struct covey_run *r)
{
    COVEY_ASSERT(r->state == RUN_STOPPED);
    run_node(r);
    r->state = RUN_READY;
}

const float *covey_run_result(const struct covey_run *r)
{
    COVEY_ASSERT(r->state == RUN_DONE);
    return value_data(r, r->m->g->output);
}

void covey_run_all(struct covey_run *r, const float *input, float *output)
{
    size_t layer;
    const float *raw;
    covey_run_start(r, input);
    while (covey_run_next(r, &layer, &raw)) {
        covey_run_local(r);
    }
    memcpy(output, covey_run_result(r),
           covey__shape_floats(covey_model_output(r->m)) * sizeof(float));
}
