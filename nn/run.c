/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "arena.h"
#include "graph_private.h"
#include "model_private.h"

enum run_state { RUN_IDLE, RUN_READY, RUN_STOPPED, RUN_DONE };

/* node is the next to run; in STOPPED it is a split layer. tensors, calls and memory are made once:
 * running allocates nothing. */
struct covey_run {
    const struct covey_model *m;
    const struct covey_graph *g;
    struct covey_threads *threads;
    uint8_t *arena, *work;
    struct covey_tensor *tensors; /* of each value */
    struct covey__op_call *calls; /* of each node */
    const struct covey__op **ops; /* of each node */
    covey_clock_fn clock;         /* of the profile */
    uint64_t *node_ns;            /* the caller's, or NULL */
    size_t node;
    enum run_state state;
};

size_t covey_model_memory(const struct covey_model *m)
{
    const struct covey_graph *g = covey__model_graph(m);
    return sizeof(struct covey_run) + covey__model_arena(m) + covey__model_work(m) +
           g->value_count * sizeof(struct covey_tensor) +
           g->node_count * (sizeof(struct covey__op_call) + sizeof(struct covey__op *));
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
            bridge.data = r->arena + covey__model_offset(r->m, (uint16_t)v);
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

covey_err covey_run_new(const struct covey_model *m, struct covey_run **out)
{
    struct covey_run *r = calloc(1, sizeof(*r));
    covey_err err = COVEY_ERR_NOMEM;
    if (r == NULL) {
        goto out;
    }
    r->m = m;
    r->g = covey__model_graph(m);
    r->arena = covey__arena_new(covey__model_arena(m) + covey__model_work(m));
    r->tensors = calloc(r->g->value_count + 1, sizeof(*r->tensors));
    r->calls = calloc(r->g->node_count + 1, sizeof(*r->calls));
    r->ops = calloc(r->g->node_count + 1, sizeof(struct covey__op *));
    if (r->arena == NULL || r->tensors == NULL || r->calls == NULL || r->ops == NULL) {
        goto out;
    }
    r->work = r->arena + covey__model_arena(m);
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
    *out = r;
    r = NULL;
    err = COVEY_OK;
out:
    covey_run_free(r);
    return err;
}

void covey_run_free(struct covey_run *r)
{
    if (r != NULL) {
        covey_threads_free(r->threads);
        free(r->arena);
        free(r->tensors);
        free(r->calls);
        free(r->ops);
        free(r);
    }
}

void covey_run_profile(struct covey_run *r, covey_clock_fn clock, uint64_t *node_ns)
{
    r->clock = clock;
    r->node_ns = node_ns;
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

void covey_run_start(struct covey_run *r, const void *const *inputs)
{
    for (unsigned i = 0; i < r->g->inputs; i++) {
        uint16_t v = r->g->input[i];
        size_t bytes = covey__graph_bytes(&r->g->values[v]);
        if (bytes > 0) {
            memcpy(r->tensors[v].data, inputs[i], bytes);
        }
    }
    r->node = 0;
    r->state = RUN_READY;
}

bool covey_run_next(struct covey_run *r, size_t *out_layer, const float **out_input)
{
    COVEY_ASSERT(r->state == RUN_READY);
    for (; r->node < r->g->node_count; run_node(r)) {
        if (covey__model_node_layer(r->m, r->node, out_layer) != NULL) {
            r->state = RUN_STOPPED;
            *out_input = r->calls[r->node].in[0]->data;
            return true;
        }
    }
    r->state = RUN_DONE;
    return false;
}

float *covey_run_answer(struct covey_run *r)
{
    COVEY_ASSERT(r->state == RUN_STOPPED);
    return (float *)(void *)r->work;
}

void covey_run_resume(struct covey_run *r)
{
    COVEY_ASSERT(r->state == RUN_STOPPED);
    size_t layer;
    const struct covey_layer *l = covey__model_node_layer(r->m, r->node, &layer);
    const struct covey__op_call *c = &r->calls[r->node];
    struct covey__finish f = {.attrs = c->attrs,
                              .product = (const float *)(const void *)r->work,
                              .bias = covey__in(c, 2),
                              .residual = covey__in(c, 3),
                              .batch = l->batch,
                              .rows = l->m,
                              .pixels = (size_t)l->out_height * l->out_width,
                              .out = covey__out(c)};
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

const void *covey_run_result(const struct covey_run *r, unsigned i)
{
    COVEY_ASSERT(r->state == RUN_DONE && i < r->g->outputs);
    return r->tensors[r->g->output[i]].data;
}

void covey_run_inputs(struct covey_run *r, const void *const *inputs)
{
    covey_run_start(r, inputs);
    while (r->node < r->g->node_count) {
        run_node(r);
    }
    r->state = RUN_DONE;
}

void covey_run_all(struct covey_run *r, const void *input, void *output)
{
    COVEY_ASSERT(r->g->inputs == 1);
    covey_run_inputs(r, &input);
    memcpy(output, covey_run_result(r, 0), covey__graph_bytes(&r->g->values[r->g->output[0]]));
}
