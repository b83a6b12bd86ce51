/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <stdlib.h>

#include "covey/exact.h"
#include "covey/large.h"
#include "graph_private.h"
#include "model_private.h"
#include "op_integer.h"

enum run_state { RUN_IDLE, RUN_READY, RUN_STOPPED, RUN_DONE };

/* node is the next to run; in STOPPED it is the first of a stage. tensors, calls and memory are
 * made once: running allocates nothing. */
struct covey_run {
    const struct covey_model *m;
    const struct covey_graph *g;
    struct covey_threads *threads;
    uint8_t *arena, *work;        /* one room, the run's own or the caller's */
    void *own;                    /* to be freed, or NULL */
    struct covey_tensor *tensors; /* of each value */
    struct covey__op_call *calls; /* of each node */
    const struct covey__op **ops; /* of each node */
    uint32_t *layer_node;         /* of each split layer */
    struct covey_stage *layers;   /* the stages at first: every split layer */
    const struct covey_stage *stages;
    size_t stage_count, stage; /* stage: the next one, or the one it stopped at */
    covey_clock_fn clock;      /* of the profile */
    uint64_t *node_ns;         /* the caller's, or NULL */
    struct covey_wanted wanted;
    size_t node;
    enum run_state state;
};

size_t covey_model_memory(const struct covey_model *m)
{
    const struct covey_graph *g = covey__model_graph(m);
    return sizeof(struct covey_run) + covey__model_arena(m) + covey__model_work(m) +
           g->value_count * sizeof(struct covey_tensor) +
           g->node_count * (sizeof(struct covey__op_call) + sizeof(struct covey__op *)) +
           covey_model_layers(m) * (sizeof(uint32_t) + sizeof(struct covey_stage));
}

size_t covey_model_room(const struct covey_model *m)
{
    return covey__model_arena(m) + covey__model_work(m);
}

static void bind_values(struct covey_run *r)
{
    for (size_t v = 0; v < r->g->value_count; v++) {
        const struct covey_graph_value *value = &r->g->values[v];
        union { /* kernels read inputs only; one field serves both directions */
            const void *in;
            void *data;
        } bridge = {.in = value->data};
        if (!value->constant) {
            bridge.data =
                r->arena != NULL ? r->arena + covey__model_offset(r->m, (uint16_t)v) : NULL;
        }
        r->tensors[v] = (struct covey_tensor){value->type, value->shape, bridge.data};
    }
}

static void bind_node(struct covey_run *r, size_t i)
{
    const struct covey_graph_node *node = &r->g->nodes[i];
    struct covey__op_call *c = &r->calls[i];
    *c = (struct covey__op_call){.attrs = &node->attrs,
                                 .inputs = node->inputs,
                                 .outputs = node->outputs,
                                 .batch = covey__graph_batch(r->g),
                                 .scratch = r->work,
                                 .threads = r->threads};
    for (unsigned j = 0; j < node->inputs; j++) {
        c->in[j] = node->input[j] != COVEY_VALUE_NONE ? &r->tensors[node->input[j]] : NULL;
    }
    for (unsigned j = 0; j < node->outputs; j++) {
        c->out[j] = node->output[j] != COVEY_VALUE_NONE ? &r->tensors[node->output[j]] : NULL;
    }
    covey__model_call(r->m, i, c);
    r->ops[i] = covey__op_find(node->op);
}

/* Every split layer is a stage. */
static void bind_stages(struct covey_run *r)
{
    for (size_t i = 0; i < r->g->node_count; i++) {
        size_t layer;
        if (covey__model_node_layer(r->m, i, &layer) != NULL) {
            r->layer_node[layer] = (uint32_t)i;
            r->layers[layer] = (struct covey_stage){.layer = (uint16_t)layer};
        }
    }
    covey_run_stages(r, r->layers, covey_model_layers(r->m));
}

static covey_err alloc_run(struct covey_run *r)
{
    size_t layers = covey_model_layers(r->m);
    r->tensors = calloc(r->g->value_count + 1, sizeof(*r->tensors));
    r->calls = calloc(r->g->node_count + 1, sizeof(*r->calls));
    r->ops = calloc(r->g->node_count + 1, sizeof(struct covey__op *));
    r->layer_node = calloc(layers + 1, sizeof(*r->layer_node));
    r->layers = calloc(layers + 1, sizeof(*r->layers));
    return r->tensors != NULL && r->calls != NULL && r->ops != NULL && r->layer_node != NULL &&
                   r->layers != NULL
               ? COVEY_OK
               : COVEY_ERR_NOMEM;
}

void covey_run_place(struct covey_run *r, void *room)
{
    r->arena = room;
    r->work = r->arena + covey__model_arena(r->m);
    bind_values(r);
    for (size_t i = 0; i < r->g->node_count; i++) {
        r->calls[i].scratch = r->work;
    }
}

covey_err covey_run_new_bare(const struct covey_model *m, struct covey_run **out)
{
    struct covey_run *r = calloc(1, sizeof(*r));
    covey_err err = COVEY_ERR_NOMEM;
    if (r == NULL) {
        goto out;
    }
    r->m = m;
    r->g = covey__model_graph(m);
    err = alloc_run(r);
    if (err != COVEY_OK) {
        goto out;
    }
    if (covey__model_threads(m) > 1) {
        err = covey_threads_new(covey__model_threads(m), &r->threads);
        if (err != COVEY_OK) {
            goto out;
        }
    }
    bind_values(r);
    for (size_t i = 0; i < r->g->node_count; i++) {
        bind_node(r, i);
    }
    bind_stages(r);
    *out = r;
    r = NULL;
    err = COVEY_OK;
out:
    covey_run_free(r);
    return err;
}

covey_err covey_run_new(const struct covey_model *m, struct covey_run **out)
{
    struct covey_run *r = NULL;
    covey_err err = covey_run_new_bare(m, &r);
    if (err != COVEY_OK) {
        return err;
    }
    r->own = covey_large_new(covey_model_room(m));
    if (r->own == NULL) {
        covey_run_free(r);
        return COVEY_ERR_NOMEM;
    }
    covey_run_place(r, r->own);
    *out = r;
    return COVEY_OK;
}

void covey_run_free(struct covey_run *r)
{
    if (r != NULL) {
        covey_threads_free(r->threads);
        free(r->own);
        free(r->tensors);
        free(r->calls);
        free(r->ops);
        free(r->layer_node);
        free(r->layers);
        free(r);
    }
}

void covey_run_profile(struct covey_run *r, covey_clock_fn clock, uint64_t *node_ns)
{
    r->clock = clock;
    r->node_ns = node_ns;
}

void covey_run_wanted(struct covey_run *r, const struct covey_wanted *wanted)
{
    r->wanted = *wanted;
}

static void run_node(struct covey_run *r)
{
    const struct covey__op_call *c = &r->calls[r->node];
    uint64_t start = r->node_ns != NULL ? r->clock() : 0;
    if (!r->ops[r->node]->alias || c->out[0]->data != c->in[0]->data) {
        r->ops[r->node]->forward(c);
    }
    if (r->node_ns != NULL) {
        r->node_ns[r->node] += r->clock() - start;
    }
    r->node++;
}

/* Up to node `end`; false: given up before it. */
static bool run_to(struct covey_run *r, size_t end)
{
    COVEY_ASSERT(r->node <= end && end <= r->g->node_count);
    const struct covey_wanted *w = &r->wanted;
    while (r->node < end && (w->current == NULL || atomic_load(w->current) == w->mine)) {
        run_node(r);
    }
    return r->node == end;
}

void covey_run_stages(struct covey_run *r, const struct covey_stage *stages, size_t count)
{
    r->state = r->state == RUN_DONE ? RUN_DONE : RUN_IDLE; /* what was given up is over */
    r->stages = stages;
    r->stage_count = count;
}

void *covey_run_input(struct covey_run *r, unsigned i)
{
    COVEY_ASSERT(i < r->g->inputs);
    return r->tensors[r->g->input[i]].data;
}

void covey_run_start(struct covey_run *r, const void *const *inputs)
{
    for (unsigned i = 0; i < r->g->inputs; i++) {
        uint16_t v = r->g->input[i];
        size_t bytes = covey__graph_bytes(&r->g->values[v]);
        if (bytes > 0 && inputs[i] != NULL) {
            memcpy(r->tensors[v].data, inputs[i], bytes);
        }
    }
    r->node = 0;
    r->stage = 0;
    r->state = RUN_READY;
}

/* The nodes of the stage it stopped at or comes to next: [first, last). */
static size_t stage_first(const struct covey_run *r)
{
    const struct covey_stage *s = &r->stages[r->stage];
    COVEY_ASSERT(s->nodes || s->layer < covey_model_layers(r->m));
    return s->nodes ? s->first_node : r->layer_node[s->layer];
}

static size_t stage_last(const struct covey_run *r)
{
    const struct covey_stage *s = &r->stages[r->stage];
    return s->nodes ? s->last_node : r->layer_node[s->layer] + 1u;
}

/* What the layer's holders multiply: of integers less their zero point, behind the product. */
static const float *layer_input(struct covey_run *r)
{
    size_t layer;
    const struct covey_layer *l = covey__model_node_layer(r->m, r->node, &layer);
    const struct covey__op_call *c = &r->calls[r->node];
    if (l->exact == 0) {
        return c->in[0]->data;
    }
    size_t bytes = covey_layer_input_floats(l) * sizeof(float);
    float *input = (float *)(void *)(r->work + (covey__model_layer_work(l) - bytes));
    const struct covey_tensor *zero = covey__optional(c, r->ops[r->node]->exact->input_zero);
    covey_err err = covey_exact_convert(c->in[0], covey__zero_at(zero, 0), input);
    COVEY_ASSERT(err == COVEY_OK); /* inference found bytes */
    return input;
}

bool covey_run_next(struct covey_run *r, size_t *out_stage, const float **out_input)
{
    COVEY_ASSERT(r->state == RUN_READY);
    size_t end = r->stage < r->stage_count ? stage_first(r) : r->g->node_count;
    bool there = run_to(r, end);
    if (!there || r->stage == r->stage_count) {
        r->state = there ? RUN_DONE : RUN_IDLE;
        return false;
    }
    const struct covey_stage *s = &r->stages[r->stage];
    r->state = RUN_STOPPED;
    *out_stage = r->stage;
    *out_input = s->nodes ? r->tensors[s->in].data : layer_input(r);
    return true;
}

/* Of nodes the value's own place: no value but `in` lives while the run stands there, and none
 * but `out` behind the stage, so that whatever else shares these bytes is dead. */
float *covey_run_answer(struct covey_run *r)
{
    COVEY_ASSERT(r->state == RUN_STOPPED);
    const struct covey_stage *s = &r->stages[r->stage];
    return s->nodes ? (float *)r->tensors[s->out].data : (float *)(void *)r->work;
}

static void finish_layer(struct covey_run *r)
{
    size_t layer;
    const struct covey_layer *l = covey__model_node_layer(r->m, r->node, &layer);
    const struct covey__op_call *c = &r->calls[r->node];
    if (l->exact != 0) {
        r->ops[r->node]->exact->finish(c, (const int32_t *)(const void *)r->work);
        return;
    }
    struct covey__finish f = {.attrs = c->attrs,
                              .product = (const float *)(const void *)r->work,
                              .bias = covey__in(c, 2),
                              .residual = covey__in(c, 3),
                              .batch = l->batch,
                              .rows = l->m,
                              .pixels = (size_t)l->out_height * l->out_width,
                              .out = covey__out(c)};
    covey__finish(&f);
}

static void pass_stage(struct covey_run *r)
{
    r->node = stage_last(r);
    r->stage++;
    r->state = RUN_READY;
}

void covey_run_resume(struct covey_run *r)
{
    COVEY_ASSERT(r->state == RUN_STOPPED);
    if (!r->stages[r->stage].nodes) {
        finish_layer(r);
    }
    pass_stage(r);
}

void covey_run_local(struct covey_run *r)
{
    COVEY_ASSERT(r->state == RUN_STOPPED);
    bool there = run_to(r, stage_last(r));
    pass_stage(r);
    r->state = there ? RUN_READY : RUN_IDLE;
}

const void *covey_run_result(const struct covey_run *r, unsigned i)
{
    COVEY_ASSERT(r->state == RUN_DONE && i < r->g->outputs);
    return r->tensors[r->g->output[i]].data;
}

void covey_run_inputs(struct covey_run *r, const void *const *inputs)
{
    covey_run_start(r, inputs);
    r->state = run_to(r, r->g->node_count) ? RUN_DONE : RUN_IDLE;
}

void covey_run_all(struct covey_run *r, const void *input, void *output)
{
    COVEY_ASSERT(r->g->inputs == 1);
    covey_run_inputs(r, &input);
    memcpy(output, covey_run_result(r, 0), covey__graph_bytes(&r->g->values[r->g->output[0]]));
}
