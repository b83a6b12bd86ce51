/* SPDX-License-Identifier: MIT */
#include "gradient_work.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "covey/cost.h"
#include "covey/gradient_code.h"
#include "covey/manifest.h"
#include "covey/pace.h"
#include "covey/trainer.h"
#include "model_file.h"

struct covey_gradient_work {
    struct covey_account *account;
    uint64_t counted_bytes;          /* there */
    struct covey_manifest *manifest; /* the graph is its */
    struct covey_trainer *trainer;   /* a batch is a part */
    uint32_t part;                   /* samples */
    struct gradient_run *run;        /* that is computed */
};

/* One task: what it is given, and where its answer is written. */
struct gradient_run {
    struct covey_gradient_work *w;
    const struct covey__gradient_task *task;
    size_t parameters, statistics, values; /* floats; values: of one sample */
    const float *shared, *input;
    const uint8_t *labels; /* u32 */
    uint32_t *label;       /* [part] */
    struct covey_body *answer;
    uint8_t index; /* the part of it that is computed */
    bool headed;   /* what is known before its gradient is in the answer */
    size_t made;   /* floats of its gradient that are */
    bool grew;
};

/* What there is at a time: the next task waits, and an answer leaves while the next one is made.
 * Parameters of a round and answers are as long as the model. */
enum { MODELS = 1, ROUNDS = 1, TASKS = 2, ANSWERS = 2 };
/* What is less is sent with what comes next. */
enum { GROWN_BYTES = 64 * 1024 };

static covey_err fetch(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    return covey__store_get(user, digest, data, len);
}

/* Nothing is computed elsewhere; a part that is worth nothing any more ends at its next layer. */
static covey_err look_up(void *user, struct covey_product_call *calls, unsigned count)
{
    const struct covey_gradient_work *w = user;
    (void)calls;
    (void)count;
    return *w->run->task->stop ? COVEY_ERR_CLOSED : COVEY_OK;
}

static float *sums_of(const struct gradient_run *r)
{
    return (float *)(void *)(r->answer->data +
                             covey__gradient_answer_bytes(0, r->task->spec->count));
}

static void put_head(const struct gradient_run *r, const struct covey_train_result *result)
{
    const struct covey_task_spec *spec = r->task->spec;
    uint8_t *head = r->answer->data + covey__gradient_answer_bytes(0, r->index);
    memcpy(head, &result->loss, sizeof(result->loss));
    covey_store32(head + sizeof(result->loss), result->correct);
    covey_gradient_add(sums_of(r), covey_trainer_statistics_values(r->w->trainer), r->statistics,
                       spec->coefficient[r->index], r->index == 0);
}

/* Of the last part's gradient: what is in the answer now stays as it is. */
static void hand_on(struct gradient_run *r)
{
    size_t ready = (size_t)((uint8_t *)(sums_of(r) + r->statistics + r->made) - r->answer->data);
    size_t before = r->grew ? atomic_load_explicit(&r->answer->ready, memory_order_relaxed) : 0;
    if (ready - before >= GROWN_BYTES && r->made < r->parameters) {
        covey_pace_hand_on();
        covey_body_make_ready(r->answer, ready);
        r->grew = true;
        r->task->grew(r->task->user);
    }
}

/* Backward has made the gradient from rest on. */
static void made(void *user, size_t rest, const struct covey_train_result *result)
{
    struct covey_gradient_work *w = user;
    struct gradient_run *r = w->run;
    const struct covey_task_spec *spec = r->task->spec;
    size_t count = r->parameters - r->made - rest;
    if (!r->headed) {
        put_head(r, result);
        r->headed = true;
    }
    covey_gradient_add_back(sums_of(r) + r->statistics + r->made,
                            covey_trainer_gradient(w->trainer) + rest, count,
                            spec->coefficient[r->index], r->index == 0);
    r->made += count;
    if (r->task->grew != NULL && r->index + 1 == spec->count) {
        hand_on(r);
    }
}

static covey_err take(struct covey_gradient_work *w, uint64_t bytes, struct covey_nn_error *why)
{
    if (!covey__account_take_for(w->account, "gradients of a training", bytes, why)) {
        return COVEY_ERR_BUSY;
    }
    w->counted_bytes += bytes;
    return COVEY_OK;
}

static covey_err take_model(struct covey_gradient_work *w, const struct covey_manifest *manifest,
                            struct covey_nn_error *why)
{
    return take(w, (MODELS + ROUNDS + ANSWERS) * covey__weight_bytes(manifest), why);
}

covey_err covey__gradient_work_room(struct covey_services *services,
                                    const struct covey_manifest *manifest,
                                    struct covey_nn_error *out_why)
{
    struct covey_gradient_work w = {.account = &services->memory};
    covey_err err = take_model(&w, manifest, out_why);
    covey__account_give(w.account, w.counted_bytes);
    return err;
}

static covey_err open_trainer(struct covey_gradient_work *w, struct covey_graph *g,
                              const struct covey_train_options *options, struct covey_nn_error *why)
{
    size_t bytes = 0;
    covey_err err = covey_trainer_needs(g, options, &bytes, why);
    if (err == COVEY_OK) {
        uint64_t samples = covey_graph_value_bytes(g, g->input[0]);
        err = take(w, bytes + TASKS * (samples + w->part * sizeof(uint32_t)), why);
    }
    return err == COVEY_OK ? covey_trainer_new(g, options, &w->trainer, why) : err;
}

static covey_err load(struct covey_gradient_work *w, const struct covey_services *services,
                      const struct covey_enlist_spec *spec, struct covey_nn_error *why)
{
    const struct covey_store *store = &services->store;
    struct covey_train_options options;
    struct covey_graph *g = NULL;
    struct covey_body *bytes = NULL;
    covey_err err = covey__store_body(store, &spec->model, &bytes);
    if (err == COVEY_OK) {
        err = covey_manifest_decode(covey_bytes_of(bytes->data, bytes->len), &w->manifest, why);
    }
    covey_body_unref(bytes);
    if (err == COVEY_OK) {
        err = take_model(w, w->manifest, why);
    }
    if (err == COVEY_OK) {
        err =
            covey_manifest_bind(w->manifest, spec->part, fetch, (void *)(uintptr_t)store, &g, why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    covey_train_options_init(&options);
    options.batch = spec->part;
    options.threads = covey__pool_threads(services->compute);
    options.seed = spec->seed;
    options.label_smoothing = spec->label_smoothing;
    err = open_trainer(w, g, &options, why);
    if (err == COVEY_OK) {
        covey_trainer_set_hook(w->trainer, &(struct covey_trainer_hook){look_up, made, w});
    }
    return err;
}

covey_err covey__gradient_work_new(struct covey_services *services,
                                   const struct covey_enlist_spec *spec,
                                   struct covey_gradient_work **out, struct covey_nn_error *out_why)
{
    struct covey_gradient_work *w = NULL;
    out_why->text[0] = 0;
    if (spec->mode != COVEY_TRAIN_DATA || spec->part == 0) {
        return COVEY_ERR_RANGE;
    }
    w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return COVEY_ERR_NOMEM;
    }
    w->part = spec->part;
    w->account = &services->memory;
    covey_err err = load(w, services, spec, out_why);
    if (err != COVEY_OK) {
        covey__gradient_work_free(w);
        return err;
    }
    *out = w;
    return COVEY_OK;
}

const struct covey_trainer *covey__gradient_work_trainer(const struct covey_gradient_work *w)
{
    return w->trainer;
}

void covey__gradient_work_free(struct covey_gradient_work *w)
{
    if (w == NULL) {
        return;
    }
    covey_trainer_free(w->trainer);
    covey_manifest_free(w->manifest);
    covey__account_give(w->account, w->counted_bytes);
    free(w);
}

static covey_err check(const struct gradient_run *r)
{
    const struct covey__gradient_task *t = r->task;
    size_t count = 0, bytes = 0;
    if (t->round->mode != COVEY_TRAIN_DATA || t->spec->count == 0 ||
        t->spec->count > COVEY_GRADIENT_SPARE_MAX + 1 || t->shared == NULL || t->body == NULL ||
        t->shared->len != (r->parameters + r->statistics) * sizeof(float)) {
        return COVEY_ERR_RANGE;
    }
    covey_err err = covey_size_mul(t->spec->count, r->w->part, &count);
    if (err == COVEY_OK) {
        err = covey_size_mul(count, r->values * sizeof(float) + sizeof(uint32_t), &bytes);
    }
    return err == COVEY_OK && bytes == t->body->len ? COVEY_OK : COVEY_ERR_RANGE;
}

static covey_err read_labels(const struct gradient_run *r)
{
    const uint32_t classes = covey_trainer_classes(r->w->trainer), part = r->w->part;
    for (uint32_t i = 0; i < part; i++) {
        r->label[i] = covey_load32(r->labels + sizeof(uint32_t) * ((size_t)r->index * part + i));
        if (r->label[i] >= classes && r->label[i] != COVEY_LABEL_NONE) {
            return COVEY_ERR_RANGE;
        }
    }
    return COVEY_OK;
}

/* A loss that is no number any more is an answer: the owner ends the session with it. */
static void answer_runaway(struct gradient_run *r)
{
    const struct covey_train_result none = {.loss = NAN};
    if (r->index == 0) {
        memset(sums_of(r), 0, (r->statistics + r->parameters) * sizeof(float));
    }
    put_head(r, &none);
}

static covey_err compute_part(struct gradient_run *r)
{
    struct covey_trainer *trainer = r->w->trainer;
    const struct covey__gradient_task *t = r->task;
    struct covey_train_result result;
    covey_err err = read_labels(r);
    if (err != COVEY_OK) {
        return err;
    }
    memcpy(covey_trainer_values(trainer), r->shared, r->parameters * sizeof(float));
    memcpy(covey_trainer_statistics_values(trainer), r->shared + r->parameters,
           r->statistics * sizeof(float));
    r->made = 0;
    r->headed = false;
    err = covey_trainer_part(trainer, r->input + (size_t)r->index * r->w->part * r->values,
                             r->label, t->round->step, t->spec->part[r->index], &result);
    if (err == COVEY_ERR_RANGE) {
        answer_runaway(r);
        err = COVEY_OK;
    }
    return err;
}

static covey_err compute(struct gradient_run *r)
{
    covey_err err = COVEY_OK;
    for (r->index = 0; r->index < r->task->spec->count && err == COVEY_OK; r->index++) {
        err = *r->task->stop ? COVEY_ERR_CLOSED : compute_part(r);
    }
    return err;
}

covey_err covey__gradient_work_compute(struct covey_gradient_work *w,
                                       const struct covey__gradient_task *task,
                                       struct covey_body **out)
{
    struct gradient_run r = {.w = w,
                             .task = task,
                             .parameters = covey_trainer_parameters(w->trainer),
                             .statistics = covey_trainer_statistics(w->trainer),
                             .values = covey_trainer_input_floats(w->trainer)};
    covey_err err = check(&r);
    if (err == COVEY_OK) {
        err = covey_body_new(
            covey__gradient_answer_bytes(r.parameters + r.statistics, task->spec->count),
            &r.answer);
    }
    if (err != COVEY_OK) {
        return err;
    }
    r.shared = (const float *)(const void *)task->shared->data;
    r.input = (const float *)(const void *)task->body->data;
    r.labels = task->body->data + (size_t)task->spec->count * w->part * r.values * sizeof(float);
    r.label = calloc(w->part, sizeof(*r.label));
    w->run = &r;
    *out = r.answer;
    err = r.label != NULL ? compute(&r) : COVEY_ERR_NOMEM;
    w->run = NULL;
    free(r.label);
    if (r.grew) {
        covey_body_make_ready(r.answer, err == COVEY_OK ? COVEY_BODY_WHOLE : COVEY_BODY_GIVEN_UP);
    } else if (err != COVEY_OK) {
        *out = NULL;
        covey_body_unref(r.answer);
    }
    return err;
}
