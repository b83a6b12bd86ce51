/* SPDX-License-Identifier: MIT */
#include "covey/trainer.h"

#include <math.h>
#include <stdlib.h>

#include "covey/large.h"
#include "graph_private.h"
#include "kernels/update.h"
#include "train/loss.h"
#include "train/plan.h"

/* Arena bytes of one trainer: 16 GiB, or half of what a pointer reaches. */
#define ARENA_MAX ((uint64_t)(SIZE_MAX / 2 < 0x400000000u ? SIZE_MAX / 2 : 0x400000000u))

struct covey_trainer {
    struct covey_graph *g;
    struct covey_train_options options;
    struct covey__train_plan plan;
    struct covey_threads *threads;
    uint8_t *arena;
    /* [parameters] each: values, gradient, velocity or first moment, second moment; then the
     * running statistics. */
    float *vectors;
    struct covey_tensor *tensors; /* of each value */
    struct covey__op_call *calls; /* of each node */
    void **states;                /* of each node: weights laid out for its kernel, or NULL */
    uint32_t classes;
    uint64_t steps;
};

enum { VALUES, GRADIENT, FIRST_MOMENT, SECOND_MOMENT, VECTORS };

void covey_train_options_init(struct covey_train_options *o)
{
    *o = (struct covey_train_options){.batch = 50,
                                      .lr = 0.01f,
                                      .momentum = 0.9f,
                                      .beta2 = 0.999f,
                                      .epsilon = 1e-8f,
                                      .step_factor = 0.1f};
}

static float *vector(const struct covey_trainer *t, unsigned which)
{
    return t->vectors + which * t->plan.parameters;
}

static float *statistics(const struct covey_trainer *t)
{
    return vector(t, VECTORS);
}

static size_t vector_floats(const struct covey_trainer *t)
{
    return VECTORS * t->plan.parameters + t->plan.statistics;
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

/* Memory of value v: a parameter or statistic, the graph's own constant, or the arena. */
static void *value_data(const struct covey_trainer *t, size_t v)
{
    const struct covey__train_place *place = &t->plan.place[v];
    union {
        const void *in;
        void *data;
    } bridge = {.in = t->g->values[v].data};
    if (place->parameter) {
        return vector(t, VALUES) + place->at;
    }
    if (place->statistic) {
        return statistics(t) + place->at;
    }
    return t->g->values[v].constant ? bridge.data : t->arena + t->plan.value[v];
}

static void bind(struct covey_trainer *t)
{
    for (size_t v = 0; v < t->g->value_count; v++) {
        const struct covey_graph_value *value = &t->g->values[v];
        t->tensors[v] = (struct covey_tensor){value->type, value->shape, value_data(t, v)};
        if (t->plan.place[v].parameter || t->plan.place[v].statistic) {
            memcpy(t->tensors[v].data, value->data, covey__graph_bytes(value));
        }
    }
    for (size_t i = 0; i < t->plan.last; i++) {
        const struct covey_graph_node *node = &t->g->nodes[i];
        struct covey__op_call *c = &t->calls[i];
        *c = (struct covey__op_call){.attrs = &node->attrs,
                                     .inputs = node->inputs,
                                     .outputs = node->outputs,
                                     .batch = t->options.batch,
                                     .scratch = t->arena + t->plan.scratch,
                                     .threads = t->threads,
                                     .thread_count = t->options.threads};
        for (unsigned j = 0; j < node->inputs; j++) {
            c->in[j] = node->input[j] != COVEY_VALUE_NONE ? &t->tensors[node->input[j]] : NULL;
        }
        for (unsigned j = 0; j < node->outputs; j++) {
            c->out[j] = node->output[j] != COVEY_VALUE_NONE ? &t->tensors[node->output[j]] : NULL;
        }
    }
}

static covey_err allocate_states(struct covey_trainer *t)
{
    for (size_t i = 0; i < t->plan.last; i++) {
        const struct covey__op *op = covey__op_find(t->g->nodes[i].op);
        size_t bytes = op->state != NULL ? op->state(&t->calls[i]) : 0;
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

static covey_err allocate(struct covey_trainer *t)
{
    const struct covey_graph *g = t->g;
    if (t->plan.arena_bytes > ARENA_MAX) {
        return COVEY_ERR_LIMIT;
    }
    size_t bytes = vector_floats(t) * sizeof(float);
    t->arena = covey_large_new(t->plan.arena_bytes);
    t->vectors = covey_large_new(bytes);
    t->tensors = calloc(g->value_count + 1, sizeof(*t->tensors));
    t->calls = calloc(g->node_count + 1, sizeof(*t->calls));
    t->states = calloc(g->node_count + 1, sizeof(*t->states));
    if (t->arena == NULL || t->vectors == NULL || t->tensors == NULL || t->calls == NULL ||
        t->states == NULL) {
        return COVEY_ERR_NOMEM;
    }
    memset(t->vectors, 0, bytes);
    if (t->options.threads > 1) {
        covey_err err = covey_threads_new(t->options.threads, &t->threads);
        if (err != COVEY_OK) {
            return err;
        }
    }
    bind(t);
    return allocate_states(t);
}

covey_err covey_trainer_new(struct covey_graph *g, const struct covey_train_options *options,
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
    if (err != COVEY_OK) {
        goto out;
    }
    err = allocate(t);
    if (err != COVEY_OK) {
        covey__nn_fail(out_why, err, "training needs too much memory: %s", covey_strerror(err));
        goto out;
    }
    *out = t;
    t = NULL;
out:
    covey_trainer_free(t);
    return err;
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
    return t->plan.arena_bytes + vector_floats(t) * sizeof(float);
}

uint64_t covey_trainer_steps(const struct covey_trainer *t)
{
    return t->steps;
}

/* Another number for each node of each step. */
static uint64_t node_seed(const struct covey_trainer *t, size_t node)
{
    uint64_t z = t->options.seed + (t->steps * 0x10000u + node + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static struct covey__grad_call grad_call(const struct covey_trainer *t, size_t node)
{
    return (struct covey__grad_call){.op = &t->calls[node],
                                     .scratch = t->arena + t->plan.scratch,
                                     .saved = t->arena + t->plan.saved[node],
                                     .seed = node_seed(t, node)};
}

static void forward_node(const struct covey_trainer *t, size_t i, bool training)
{
    const struct covey__op *op = covey__op_find(t->g->nodes[i].op);
    const struct covey__grad *row = covey__grad_find(t->g->nodes[i].op);
    const struct covey__op_call *c = &t->calls[i];
    if (training && row != NULL && row->forward != NULL) {
        struct covey__grad_call call = grad_call(t, i);
        row->forward(&call);
        return;
    }
    if (t->states[i] != NULL) {
        op->prepare(c, t->states[i]); /* the weights have changed since */
    }
    if (!op->alias || c->out[0]->data != c->in[0]->data) {
        op->forward(c);
    }
}

static void forward(const struct covey_trainer *t, const float *input, bool training)
{
    const struct covey_tensor *in = &t->tensors[t->g->input[0]];
    memcpy(in->data, input, covey__shape_elements(&in->shape) * sizeof(float));
    for (size_t i = 0; i < t->plan.last; i++) {
        forward_node(t, i, training);
    }
}

static float *want_data(const struct covey_trainer *t, const struct covey__train_want *w)
{
    return w->parameter ? vector(t, GRADIENT) + w->at : (float *)(void *)(t->arena + w->at);
}

/* Gradients that are added are made in the spare place, one after the other. */
static void add_gradients(const struct covey_trainer *t, const struct covey__train_back *b,
                          struct covey__grad_call *call, bool again)
{
    const struct covey__grad *row = covey__grad_find(t->g->nodes[b->node].op);
    float *spare = (float *)(void *)(t->arena + t->plan.spare);
    for (uint32_t i = 0; i < b->count; i++) {
        const struct covey__train_want *w = &t->plan.wants[b->first + i];
        if (w->add && w->again == again) {
            call->dx[w->input] = spare;
            row->backward(call);
            call->dx[w->input] = NULL;
            covey__update_axpy(1.0f, spare, want_data(t, w), w->count, t->threads);
        }
    }
}

/* What is added to earlier nodes' gradients comes first, while dy is whole; then those made where
 * they stay; then what a node adds to its own. */
static void backward_node(const struct covey_trainer *t, const struct covey__train_back *b)
{
    struct covey__grad_call call = grad_call(t, b->node);
    bool any = false;
    call.dy = (const float *)(void *)(t->arena + b->dy);
    add_gradients(t, b, &call, false);
    for (uint32_t i = 0; i < b->count; i++) {
        const struct covey__train_want *w = &t->plan.wants[b->first + i];
        if (!w->add) {
            call.dx[w->input] = want_data(t, w);
            any = true;
        }
    }
    if (any) {
        covey__grad_find(t->g->nodes[b->node].op)->backward(&call);
    }
    memset(call.dx, 0, sizeof(call.dx));
    add_gradients(t, b, &call, true);
}

/* Linear warm-up, then the schedule (cosine: Loshchilov and Hutter 2017, without restarts). */
static float rate(const struct covey_trainer *t)
{
    const struct covey_train_options *o = &t->options;
    double at = (double)t->steps, lr = (double)o->lr;
    if (t->steps < o->warmup_steps) {
        return (float)(lr * (at + 1.0) / (double)o->warmup_steps);
    }
    switch (o->schedule) {
    case COVEY_SCHEDULE_CONSTANT:
        break;
    case COVEY_SCHEDULE_STEP:
        lr *= pow((double)o->step_factor, (double)(t->steps / o->step_every));
        break;
    case COVEY_SCHEDULE_COSINE: {
        double whole =
            (double)(o->total_steps > o->warmup_steps ? o->total_steps - o->warmup_steps : 1);
        double part = (at - (double)o->warmup_steps) / whole;
        lr *= part < 1.0 ? 0.5 * (1.0 + cos(acos(-1.0) * part)) : 0.0;
        break;
    }
    }
    return (float)lr;
}

/* One value's part of the vectors: those of rank 1 (biases, scales) do not decay. */
static void update_part(const struct covey_trainer *t, size_t v, float lr)
{
    const struct covey_train_options *o = &t->options;
    size_t at = t->plan.place[v].at, count = covey__shape_elements(&t->tensors[v].shape);
    float decay = t->tensors[v].shape.rank > 1 ? o->weight_decay : 0.0f;
    if (o->optimizer == COVEY_OPTIMIZER_SGD) {
        struct covey__update_sgd u = {.rate = lr,
                                      .momentum = o->momentum,
                                      .decay = decay,
                                      .nesterov = o->nesterov,
                                      .gradient = vector(t, GRADIENT) + at,
                                      .weights = vector(t, VALUES) + at,
                                      .velocity = vector(t, FIRST_MOMENT) + at,
                                      .count = count,
                                      .threads = t->threads};
        covey__update_sgd(&u);
        return;
    }
    struct covey__update_adam u = {.rate = lr,
                                   .beta = {o->momentum, o->beta2},
                                   .epsilon = o->epsilon,
                                   .decay = decay,
                                   .decoupled = true,
                                   .step = t->steps + 1,
                                   .gradient = vector(t, GRADIENT) + at,
                                   .weights = vector(t, VALUES) + at,
                                   .first = vector(t, FIRST_MOMENT) + at,
                                   .second = vector(t, SECOND_MOMENT) + at,
                                   .count = count,
                                   .threads = t->threads};
    covey__update_adam(&u);
}

static float loss_of(const struct covey_trainer *t, const uint32_t *labels, uint32_t count,
                     float *gradient, uint32_t *out_correct)
{
    for (uint32_t i = 0; i < count; i++) {
        COVEY_ASSERT(labels[i] < t->classes);
    }
    struct covey__loss_call call = {.logits = t->tensors[t->plan.logits].data,
                                    .labels = labels,
                                    .count = count,
                                    .classes = t->classes,
                                    .smoothing = gradient != NULL ? t->options.label_smoothing : 0,
                                    .gradient = gradient};
    return covey__loss_run(&call, out_correct);
}

covey_err covey_trainer_step(struct covey_trainer *t, const float *input, const uint32_t *labels,
                             struct covey_train_result *out)
{
    struct covey_train_result result = {.lr = rate(t)};
    forward(t, input, true);
    result.loss = loss_of(t, labels, t->options.batch,
                          (float *)(void *)(t->arena + t->plan.dlogits), &result.correct);
    if (!isfinite(result.loss)) {
        return COVEY_ERR_RANGE;
    }
    for (size_t i = 0; i < t->plan.back_count; i++) {
        backward_node(t, &t->plan.backs[i]);
    }
    for (size_t v = 0; v < t->g->value_count; v++) {
        if (t->plan.place[v].parameter) {
            update_part(t, v, result.lr);
        }
    }
    t->steps++;
    *out = result;
    return COVEY_OK;
}

void covey_trainer_evaluate(struct covey_trainer *t, const float *input, const uint32_t *labels,
                            uint32_t count, struct covey_train_result *out)
{
    struct covey_train_result result = {.lr = 0.0f};
    COVEY_ASSERT(count > 0 && count <= t->options.batch);
    forward(t, input, false);
    result.loss = loss_of(t, labels, count, NULL, &result.correct);
    *out = result;
}

size_t covey_trainer_parameters(const struct covey_trainer *t)
{
    return t->plan.parameters;
}

float *covey_trainer_values(struct covey_trainer *t)
{
    return vector(t, VALUES);
}

const float *covey_trainer_gradient(const struct covey_trainer *t)
{
    return vector(t, GRADIENT);
}

covey_err covey_trainer_store(struct covey_trainer *t)
{
    for (size_t v = 0; v < t->g->value_count; v++) {
        struct covey_graph_value *value = &t->g->values[v];
        void *data = NULL;
        if (!t->plan.place[v].parameter && !t->plan.place[v].statistic) {
            continue;
        }
        size_t bytes = covey__graph_bytes(value);
        covey_err err = covey_graph_alloc(t->g, bytes, &data);
        if (err != COVEY_OK) {
            return err;
        }
        memcpy(data, t->tensors[v].data, bytes);
        covey_graph_release(t->g, value->data);
        value->data = data;
    }
    return COVEY_OK;
}

/* steps, parameters, statistics and optimizer, then the vectors but the gradient. */
enum { HEADER_WORDS = 4 };

static void header(const struct covey_trainer *t, uint64_t out[HEADER_WORDS])
{
    out[0] = t->steps;
    out[1] = t->plan.parameters;
    out[2] = t->plan.statistics;
    out[3] = (uint64_t)t->options.optimizer;
}

size_t covey_trainer_state_bytes(const struct covey_trainer *t)
{
    return HEADER_WORDS * sizeof(uint64_t) +
           (vector_floats(t) - t->plan.parameters) * sizeof(float);
}

void covey_trainer_save(const struct covey_trainer *t, uint8_t *out)
{
    uint64_t words[HEADER_WORDS];
    size_t part = t->plan.parameters * sizeof(float);
    header(t, words);
    memcpy(out, words, sizeof(words));
    out += sizeof(words);
    memcpy(out, vector(t, VALUES), part);
    memcpy(out + part, vector(t, FIRST_MOMENT), part);
    memcpy(out + 2 * part, vector(t, SECOND_MOMENT), part);
    memcpy(out + 3 * part, statistics(t), t->plan.statistics * sizeof(float));
}

covey_err covey_trainer_load(struct covey_trainer *t, struct covey_bytes in)
{
    uint64_t have[HEADER_WORDS], mine[HEADER_WORDS];
    size_t part = t->plan.parameters * sizeof(float);
    if (in.len != covey_trainer_state_bytes(t)) {
        return COVEY_ERR_RANGE;
    }
    memcpy(have, in.ptr, sizeof(have));
    header(t, mine);
    if (memcmp(have + 1, mine + 1, sizeof(mine) - sizeof(mine[0])) != 0) {
        return COVEY_ERR_RANGE;
    }
    const uint8_t *at = in.ptr + sizeof(have);
    t->steps = have[0];
    memcpy(vector(t, VALUES), at, part);
    memcpy(vector(t, FIRST_MOMENT), at + part, part);
    memcpy(vector(t, SECOND_MOMENT), at + 2 * part, part);
    memcpy(statistics(t), at + 3 * part, t->plan.statistics * sizeof(float));
    return COVEY_OK;
}
