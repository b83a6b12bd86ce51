/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "covey/large.h"
#include "graph_private.h"
#include "kernels/update.h"
#include "train/hook.h"
#include "train/loss.h"
#include "train/trainer_private.h"

/* Arena bytes of one trainer: 16 GiB, or half of what a pointer reaches. */
#define ARENA_MAX ((uint64_t)(SIZE_MAX / 2 < 0x400000000u ? SIZE_MAX / 2 : 0x400000000u))

void covey_train_options_init(struct covey_train_options *o)
{
    *o = (struct covey_train_options){.batch = 50,
                                      .lr = 0.01f,
                                      .momentum = 0.9f,
                                      .beta2 = 0.999f,
                                      .epsilon = 1e-8f,
                                      .step_factor = 0.1f};
}

static covey_err check_options(const struct covey_train_options *o, struct covey_nn_error *why)
{
    bool rates = o->lr > 0.0f && o->lr <= 1e3f && o->momentum >= 0.0f && o->momentum < 1.0f &&
                 o->weight_decay >= 0.0f && o->weight_decay < 1.0f && o->label_smoothing >= 0.0f &&
                 o->label_smoothing < 1.0f;
    bool adam = o->optimizer != COVEY_OPTIMIZER_ADAM ||
                (o->beta2 >= 0.0f && o->beta2 < 1.0f && o->epsilon > 0.0f);
    bool schedule = (o->schedule != COVEY_SCHEDULE_STEP || o->step_every > 0) &&
                    (o->schedule != COVEY_SCHEDULE_COSINE || o->total_steps > 0);
    if (o->batch == 0 || o->batch > COVEY_TENSOR_ELEMENTS_MAX || o->threads > COVEY_THREADS_MAX ||
        !rates || !adam || !schedule) {
        return covey__nn_fail(why, COVEY_ERR_RANGE, "an option of training is out of range");
    }
    return COVEY_OK;
}

static covey_err check_ends(struct covey_trainer *t, struct covey_nn_error *why)
{
    const struct covey_graph *g = t->g;
    if (g->inputs != 1 || g->outputs != 1 || g->values[g->input[0]].type != COVEY_TYPE_F32) {
        return covey__nn_fail(why, COVEY_ERR_UNSUPPORTED,
                              "training needs one float input and one output");
    }
    const struct covey_shape *s = &g->values[g->output[0]].shape;
    size_t count = covey__shape_elements(s);
    if (s->rank < 2 || s->dims[0] != t->options.batch || s->dims[1] < 2 ||
        count != (size_t)s->dims[0] * s->dims[1]) {
        return covey__nn_fail(why, COVEY_ERR_UNSUPPORTED,
                              "the output is not one number for each class of a sample");
    }
    t->classes = s->dims[1];
    return COVEY_OK;
}

/* Of a value as the graph has it: what is not constant has no data there. */
static void *graph_data(const struct covey_trainer *t, size_t v)
{
    union {
        const void *in;
        void *data;
    } bridge = {.in = t->g->values[v].data};
    return bridge.data;
}

/* Memory of value v: a parameter or statistic, the graph's own constant, or the arena. */
static void *value_data(const struct covey_trainer *t, size_t v)
{
    const struct covey__train_place *place = &t->plan.place[v];
    if (place->parameter) {
        return covey__trainer_vector(t, COVEY__VALUES) + place->at;
    }
    if (place->statistic) {
        return covey__trainer_running(t) + place->at;
    }
    return t->g->values[v].constant ? graph_data(t, v) : t->arena + t->plan.value[v];
}

/* Calls as they will be made, but for their memory. */
static void frame(struct covey_trainer *t)
{
    for (size_t v = 0; v < t->g->value_count; v++) {
        const struct covey_graph_value *value = &t->g->values[v];
        t->tensors[v] = (struct covey_tensor){value->type, value->shape, graph_data(t, v)};
    }
    for (size_t i = 0; i < t->plan.last; i++) {
        const struct covey_graph_node *node = &t->g->nodes[i];
        struct covey__op_call *c = &t->calls[i];
        *c = (struct covey__op_call){.attrs = &node->attrs,
                                     .inputs = node->inputs,
                                     .outputs = node->outputs,
                                     .batch = t->options.batch,
                                     .thread_count = t->options.threads};
        for (unsigned j = 0; j < node->inputs; j++) {
            c->in[j] = node->input[j] != COVEY_VALUE_NONE ? &t->tensors[node->input[j]] : NULL;
        }
        for (unsigned j = 0; j < node->outputs; j++) {
            c->out[j] = node->output[j] != COVEY_VALUE_NONE ? &t->tensors[node->output[j]] : NULL;
        }
    }
}

static void bind(struct covey_trainer *t)
{
    for (size_t v = 0; v < t->g->value_count; v++) {
        const struct covey_graph_value *value = &t->g->values[v];
        t->tensors[v].data = value_data(t, v);
        if (t->plan.place[v].parameter || t->plan.place[v].statistic) {
            memcpy(t->tensors[v].data, value->data, covey__graph_bytes(value));
        }
    }
    for (size_t i = 0; i < t->plan.last; i++) {
        t->calls[i].scratch = t->arena + t->plan.scratch;
        t->calls[i].threads = t->threads;
    }
}

/* 0: the node has none. */
static size_t state_bytes(const struct covey_trainer *t, size_t node)
{
    const struct covey__op *op = covey__op_find(t->g->nodes[node].op);
    return op->state != NULL ? op->state(&t->calls[node]) : 0;
}

static covey_err allocate_states(struct covey_trainer *t)
{
    for (size_t i = 0; i < t->plan.last; i++) {
        size_t bytes = state_bytes(t, i);
        if (bytes == 0) {
            continue;
        }
        t->states[i] = covey_large_new(bytes);
        if (t->states[i] == NULL) {
            return COVEY_ERR_NOMEM;
        }
        t->calls[i].state = t->states[i];
    }
    return COVEY_OK;
}

/* All but what is large. */
static covey_err allocate_tables(struct covey_trainer *t)
{
    const struct covey_graph *g = t->g;
    if (t->plan.arena_bytes > ARENA_MAX) {
        return COVEY_ERR_LIMIT;
    }
    t->tensors = calloc(g->value_count + 1, sizeof(*t->tensors));
    t->calls = calloc(g->node_count + 1, sizeof(*t->calls));
    t->states = calloc(g->node_count + 1, sizeof(*t->states));
    if (t->tensors == NULL || t->calls == NULL || t->states == NULL) {
        return COVEY_ERR_NOMEM;
    }
    frame(t);
    for (size_t i = 0; i < t->plan.last; i++) {
        t->state_bytes += state_bytes(t, i);
    }
    return COVEY_OK;
}

static covey_err allocate(struct covey_trainer *t)
{
    uint64_t bytes = covey__trainer_floats(t) * sizeof(float);
    t->arena = covey_large_new(t->plan.arena_bytes);
    t->vectors = covey_large_new(bytes);
    t->kept = calloc(t->plan.statistics + 1, sizeof(*t->kept));
    if (t->arena == NULL || t->vectors == NULL || t->kept == NULL) {
        return COVEY_ERR_NOMEM;
    }
    memset(t->vectors, 0, (size_t)bytes);
    if (t->options.threads > 1) {
        covey_err err = covey_threads_new(t->options.threads, &t->threads);
        if (err != COVEY_OK) {
            return err;
        }
    }
    bind(t);
    return allocate_states(t);
}

static covey_err fail_memory(struct covey_nn_error *out_why, covey_err err)
{
    return covey__nn_fail(out_why, err, "training needs too much memory: %s", covey_strerror(err));
}

/* A trainer that lacks its memory. */
static covey_err plan_trainer(struct covey_graph *g, const struct covey_train_options *options,
                              struct covey_trainer **out, struct covey_nn_error *out_why)
{
    struct covey_trainer *t = NULL;
    covey_err err = check_options(options, out_why);
    if (err == COVEY_OK) {
        err = covey_graph_check(g, options->batch, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return covey__nn_fail(out_why, COVEY_ERR_NOMEM, "out of memory");
    }
    t->g = g;
    t->options = *options;
    t->options.threads = options->threads == 0 ? 1 : options->threads;
    err = check_ends(t, out_why);
    if (err == COVEY_OK) {
        err = covey__train_plan_init(&t->plan, g, t->options.threads, out_why);
    }
    if (err == COVEY_OK) {
        err = allocate_tables(t);
        err = err == COVEY_OK ? err : fail_memory(out_why, err);
    }
    if (err != COVEY_OK) {
        covey_trainer_free(t);
        return err;
    }
    *out = t;
    return COVEY_OK;
}

covey_err covey_trainer_needs(struct covey_graph *g, const struct covey_train_options *options,
                              size_t *out_bytes, struct covey_nn_error *out_why)
{
    struct covey_trainer *t = NULL;
    covey_err err = plan_trainer(g, options, &t, out_why);
    if (err == COVEY_OK) {
        *out_bytes = covey_trainer_memory(t);
        covey_trainer_free(t);
    }
    return err;
}

covey_err covey_trainer_new(struct covey_graph *g, const struct covey_train_options *options,
                            struct covey_trainer **out, struct covey_nn_error *out_why)
{
    struct covey_trainer *t = NULL;
    covey_err err = plan_trainer(g, options, &t, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    err = allocate(t);
    if (err != COVEY_OK) {
        covey_trainer_free(t);
        return fail_memory(out_why, err);
    }
    *out = t;
    return COVEY_OK;
}

void covey_trainer_free(struct covey_trainer *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; t->states != NULL && i < t->plan.last; i++) {
        free(t->states[i]);
    }
    covey__train_plan_done(&t->plan);
    covey_threads_free(t->threads);
    free(t->arena);
    free(t->vectors);
    free(t->kept);
    free(t->tensors);
    free(t->calls);
    free(t->states);
    free(t);
}

size_t covey_trainer_input_floats(const struct covey_trainer *t)
{
    return covey__shape_elements(&t->g->values[t->g->input[0]].shape) / t->options.batch;
}

uint32_t covey_trainer_classes(const struct covey_trainer *t)
{
    return t->classes;
}

size_t covey_trainer_memory(const struct covey_trainer *t)
{
    uint64_t floats = covey__trainer_floats(t) + t->plan.statistics;
    return covey_size_of(t->plan.arena_bytes + floats * sizeof(float) + t->state_bytes);
}

uint64_t covey_trainer_steps(const struct covey_trainer *t)
{
    return t->steps;
}

/* Another number for each node of each step; the parts of a batch draw as the whole would. */
static uint64_t node_seed(const struct covey_trainer *t, size_t node)
{
    uint64_t z = t->options.seed + (t->draw_step * 0x10000u + node + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static struct covey__grad_call grad_call(const struct covey_trainer *t, size_t node)
{
    const struct covey_shape *y = &t->calls[node].out[0]->shape;
    return (struct covey__grad_call){.op = &t->calls[node],
                                     .scratch = t->arena + t->plan.scratch,
                                     .saved = t->arena + t->plan.saved[node],
                                     .seed = node_seed(t, node),
                                     .first = (uint64_t)t->draw_part * covey__shape_elements(y)};
}

static covey_err forward_node(const struct covey_trainer *t, size_t i, bool training)
{
    const struct covey__op *op = covey__op_find(t->g->nodes[i].op);
    const struct covey__grad *row = covey__grad_find(t->g->nodes[i].op);
    const struct covey__op_call *c = &t->calls[i];
    if (training && row != NULL && row->forward != NULL) {
        struct covey__grad_call call = grad_call(t, i);
        row->forward(&call);
        return COVEY_OK;
    }
    if (training && t->hook.products != NULL) {
        bool done = false;
        covey_err err = covey__hook_forward(&t->hook, (uint32_t)i, c, row, &done);
        if (err != COVEY_OK || done) {
            return err;
        }
    }
    if (t->states[i] != NULL) {
        op->prepare(c, t->states[i]); /* the weights have changed since */
    }
    if (!op->alias || c->out[0]->data != c->in[0]->data) {
        op->forward(c);
    }
    return COVEY_OK;
}

static covey_err forward(const struct covey_trainer *t, const float *input, bool training)
{
    const struct covey_tensor *in = &t->tensors[t->g->input[0]];
    memcpy(in->data, input, covey__shape_elements(&in->shape) * sizeof(float));
    covey_err err = COVEY_OK;
    for (size_t i = 0; i < t->plan.last && err == COVEY_OK; i++) {
        err = forward_node(t, i, training);
    }
    return err;
}

static float *want_data(const struct covey_trainer *t, const struct covey__train_want *w)
{
    return w->parameter ? covey__trainer_vector(t, COVEY__GRADIENT) + w->at
                        : (float *)(void *)(t->arena + w->at);
}

/* Those gradients that are asked for in call->dx, as products elsewhere as far as they are. */
static covey_err backward_call(const struct covey_trainer *t, uint32_t node,
                               struct covey__grad_call *call)
{
    const struct covey__grad *row = covey__grad_find(t->g->nodes[node].op);
    if (t->hook.products != NULL) {
        covey_err err = covey__hook_backward(&t->hook, node, row, call);
        if (err != COVEY_OK) {
            return err;
        }
    }
    bool any = false;
    for (unsigned i = 0; i < call->op->inputs; i++) {
        any = any || call->dx[i] != NULL;
    }
    if (any) {
        row->backward(call);
    }
    return COVEY_OK;
}

/* Gradients that are added are made in the spare place, one after the other. */
static covey_err add_gradients(const struct covey_trainer *t, const struct covey__train_back *b,
                               struct covey__grad_call *call, bool again)
{
    float *spare = (float *)(void *)(t->arena + t->plan.spare);
    covey_err err = COVEY_OK;
    for (uint32_t i = 0; i < b->count && err == COVEY_OK; i++) {
        const struct covey__train_want *w = &t->plan.wants[b->first + i];
        if (w->add && w->again == again) {
            call->dx[w->input] = spare;
            err = backward_call(t, b->node, call);
            call->dx[w->input] = NULL;
            covey__update_axpy(1.0f, spare, want_data(t, w), w->count, t->threads);
        }
    }
    return err;
}

/* What is added to earlier nodes' gradients comes first, while dy is whole; then those made where
 * they stay; then what a node adds to its own. */
static covey_err backward_node(const struct covey_trainer *t, const struct covey__train_back *b)
{
    struct covey__grad_call call = grad_call(t, b->node);
    call.dy = (const float *)(void *)(t->arena + b->dy);
    covey_err err = add_gradients(t, b, &call, false);
    if (err != COVEY_OK) {
        return err;
    }
    for (uint32_t i = 0; i < b->count; i++) {
        const struct covey__train_want *w = &t->plan.wants[b->first + i];
        if (!w->add) {
            call.dx[w->input] = want_data(t, w);
        }
    }
    err = backward_call(t, b->node, &call);
    memset(call.dx, 0, sizeof(call.dx));
    return err == COVEY_OK ? add_gradients(t, b, &call, true) : err;
}

static float loss_of(const struct covey_trainer *t, const uint32_t *labels, uint32_t count,
                     float *gradient, uint32_t *out_correct)
{
    for (uint32_t i = 0; i < count; i++) {
        COVEY_ASSERT(labels[i] < t->classes || labels[i] == COVEY_LABEL_NONE);
    }
    struct covey__loss_call call = {.logits = t->tensors[t->plan.logits].data,
                                    .labels = labels,
                                    .count = count,
                                    .classes = t->classes,
                                    .smoothing = gradient != NULL ? t->options.label_smoothing : 0,
                                    .gradient = gradient};
    return covey__loss_run(&call, out_correct);
}

covey_err covey_trainer_part(struct covey_trainer *t, const float *input, const uint32_t *labels,
                             uint64_t step, uint32_t part, struct covey_train_result *out)
{
    struct covey_train_result result = {.lr = 0.0f};
    size_t running = t->plan.statistics * sizeof(float);
    t->draw_step = step;
    t->draw_part = part;
    memcpy(t->kept, covey__trainer_running(t), running);
    covey_err err = forward(t, input, true);
    if (err == COVEY_OK) {
        result.loss = loss_of(t, labels, t->options.batch,
                              (float *)(void *)(t->arena + t->plan.dlogits), &result.correct);
        err = isfinite(result.loss) ? COVEY_OK : COVEY_ERR_RANGE;
    }
    for (size_t i = 0; i < t->plan.back_count && err == COVEY_OK; i++) {
        err = backward_node(t, &t->plan.backs[i]);
        if (err == COVEY_OK && t->hook.made != NULL) {
            t->hook.made(t->hook.user, t->plan.backs[i].rest, &result);
        }
    }
    if (err != COVEY_OK) { /* nothing was updated */
        memcpy(covey__trainer_running(t), t->kept, running);
        return err;
    }
    *out = result;
    return COVEY_OK;
}

covey_err covey_trainer_step(struct covey_trainer *t, const float *input, const uint32_t *labels,
                             struct covey_train_result *out)
{
    covey_err err = covey_trainer_part(t, input, labels, t->steps, 0, out);
    if (err == COVEY_OK) {
        covey_trainer_apply(t, covey_trainer_gradient(t), out);
    }
    return err;
}

void covey_trainer_evaluate(struct covey_trainer *t, const float *input, const uint32_t *labels,
                            uint32_t count, struct covey_train_result *out)
{
    struct covey_train_result result = {.lr = 0.0f};
    COVEY_ASSERT(count > 0 && count <= t->options.batch);
    covey_err err = forward(t, input, false);
    COVEY_ASSERT(err == COVEY_OK); /* nothing is computed elsewhere */
    result.loss = loss_of(t, labels, count, NULL, &result.correct);
    *out = result;
}

size_t covey_trainer_parameters(const struct covey_trainer *t)
{
    return t->plan.parameters;
}

float *covey_trainer_values(struct covey_trainer *t)
{
    return covey__trainer_vector(t, COVEY__VALUES);
}

const float *covey_trainer_gradient(const struct covey_trainer *t)
{
    return covey__trainer_vector(t, COVEY__GRADIENT);
}
