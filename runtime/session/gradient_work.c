/* SPDX-License-Identifier: MIT */
#include "gradient_work.h"

#include <math.h>
#include <stdlib.h>

#include "covey/manifest.h"
#include "covey/trainer.h"

struct covey_gradient_work {
    struct covey_manifest *manifest; /* the graph is its */
    struct covey_trainer *trainer;   /* a batch is a part */
    uint32_t part;                   /* samples */
    const _Atomic bool *stop;        /* of the task that is computed */
};

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
    return *w->stop ? COVEY_ERR_CLOSED : COVEY_OK;
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
    err = covey_trainer_new(g, &options, &w->trainer, why);
    if (err == COVEY_OK) {
        covey_trainer_set_hook(w->trainer, &(struct covey_trainer_hook){look_up, w});
    }
    return err;
}

covey_err covey__gradient_work_new(const struct covey_services *services,
                                   const struct covey_enlist_spec *spec,
                                   struct covey_gradient_work **out)
{
    struct covey_nn_error why = {""};
    struct covey_gradient_work *w = NULL;
    if (spec->mode != COVEY_TRAIN_DATA || spec->part == 0) {
        return COVEY_ERR_RANGE;
    }
    w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return COVEY_ERR_NOMEM;
    }
    w->part = spec->part;
    covey_err err = load(w, services, spec, &why);
    if (err != COVEY_OK) {
        covey__gradient_work_free(w);
        return err;
    }
    *out = w;
    return COVEY_OK;
}

void covey__gradient_work_free(struct covey_gradient_work *w)
{
    if (w == NULL) {
        return;
    }
    covey_trainer_free(w->trainer);
    covey_manifest_free(w->manifest);
    free(w);
}

/* One task: what it is given, and where its answer is written. */
struct gradient_task {
    struct covey_gradient_work *w;
    uint64_t step;
    const struct covey_task_spec *spec;
    size_t parameters, statistics, values; /* floats; values: of one sample */
    const float *shared, *input;
    const uint8_t *labels; /* u32 */
    uint32_t *label;       /* [part] */
    float *answer;
};

static covey_err check(const struct gradient_task *t, const struct covey_body *shared,
                       const struct covey_body *body)
{
    size_t count = 0, bytes = 0;
    if (t->spec->count == 0 || t->spec->count > COVEY_GRADIENT_SPARE_MAX + 1 || shared == NULL ||
        body == NULL || shared->len != (t->parameters + t->statistics) * sizeof(float)) {
        return COVEY_ERR_RANGE;
    }
    covey_err err = covey_size_mul(t->spec->count, t->w->part, &count);
    if (err == COVEY_OK) {
        err = covey_size_mul(count, t->values * sizeof(float) + sizeof(uint32_t), &bytes);
    }
    return err == COVEY_OK && bytes == body->len ? COVEY_OK : COVEY_ERR_RANGE;
}

static covey_err read_labels(const struct gradient_task *t, uint8_t index)
{
    const uint32_t classes = covey_trainer_classes(t->w->trainer);
    for (uint32_t i = 0; i < t->w->part; i++) {
        t->label[i] = covey_load32(t->labels + sizeof(uint32_t) * ((size_t)index * t->w->part + i));
        if (t->label[i] >= classes) {
            return COVEY_ERR_RANGE;
        }
    }
    return COVEY_OK;
}

/* A loss that is no number any more is an answer: the owner ends the session with it. */
static covey_err compute_part(const struct gradient_task *t, uint8_t index)
{
    struct covey_trainer *trainer = t->w->trainer;
    struct covey_train_result result = {.loss = NAN};
    float coefficient = t->spec->coefficient[index];
    size_t parameters = t->parameters, statistics = t->statistics;
    uint8_t *tail = (uint8_t *)(t->answer + parameters + statistics) + (size_t)index * 8;
    covey_err err = read_labels(t, index);
    if (err != COVEY_OK) {
        return err;
    }
    memcpy(covey_trainer_values(trainer), t->shared, parameters * sizeof(float));
    memcpy(covey_trainer_statistics_values(trainer), t->shared + parameters,
           statistics * sizeof(float));
    err = covey_trainer_part(trainer, t->input + (size_t)index * t->w->part * t->values, t->label,
                             t->step, t->spec->part[index], &result);
    if (err != COVEY_OK && err != COVEY_ERR_RANGE) {
        return err;
    }
    covey_gradient_add(t->answer, covey_trainer_gradient(trainer), parameters, coefficient,
                       index == 0);
    covey_gradient_add(t->answer + parameters, covey_trainer_statistics_values(trainer), statistics,
                       coefficient, index == 0);
    memcpy(tail, &result.loss, sizeof(result.loss));
    covey_store32(tail + sizeof(result.loss), result.correct);
    return COVEY_OK;
}

static covey_err compute(const struct gradient_task *t, const _Atomic bool *stop)
{
    covey_err err = COVEY_OK;
    t->w->stop = stop;
    for (uint8_t i = 0; i < t->spec->count && err == COVEY_OK; i++) {
        err = *stop ? COVEY_ERR_CLOSED : compute_part(t, i);
    }
    return err;
}

covey_err covey__gradient_work_compute(struct covey_gradient_work *w,
                                       const struct covey_round_spec *round,
                                       const struct covey_task_spec *task,
                                       const struct covey_body *shared,
                                       const struct covey_body *body, const _Atomic bool *stop,
                                       struct covey_body **out)
{
    struct gradient_task t = {.w = w,
                              .step = round->step,
                              .spec = task,
                              .parameters = covey_trainer_parameters(w->trainer),
                              .statistics = covey_trainer_statistics(w->trainer),
                              .values = covey_trainer_input_floats(w->trainer)};
    struct covey_body *answer = NULL;
    if (round->mode != COVEY_TRAIN_DATA) {
        return COVEY_ERR_RANGE;
    }
    covey_err err = check(&t, shared, body);
    if (err == COVEY_OK) {
        err = covey_body_new((t.parameters + t.statistics) * sizeof(float) +
                                 task->count * (sizeof(float) + sizeof(uint32_t)),
                             &answer);
    }
    if (err != COVEY_OK) {
        return err;
    }
    t.shared = (const float *)(const void *)shared->data;
    t.input = (const float *)(const void *)body->data;
    t.labels = body->data + (size_t)task->count * w->part * t.values * sizeof(float);
    t.answer = (float *)(void *)answer->data;
    t.label = calloc(w->part, sizeof(*t.label));
    err = t.label != NULL ? compute(&t, stop) : COVEY_ERR_NOMEM;
    free(t.label);
    if (err != COVEY_OK) {
        covey_body_unref(answer);
        return err;
    }
    *out = answer;
    return COVEY_OK;
}
