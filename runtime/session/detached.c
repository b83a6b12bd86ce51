/* SPDX-License-Identifier: MIT */
#include "detached.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"

enum { AT_ONCE = 4, AGAIN_MS = 20 };

struct work {
    struct covey_detached *detached;
    char name[COVEY_NAME_MAX + 1], model_name[COVEY_NAME_MAX + 1];
    struct covey_digest model, inputs_digest;
    struct covey_control_infer options;
    struct covey_shape output;
    size_t input_floats, output_floats;
    struct covey_body *inputs;
    float *outputs;
    uint32_t *us; /* of those answered, in their order */
    uint32_t total, next, answered, lost;
    unsigned running;
    uint64_t ended_ms; /* 0: not yet */
    struct work *link;
};

struct covey_detached {
    struct covey_services *services;
    struct covey_owner *owner;
    struct covey_timer *timer;
    struct work *works;
    unsigned count;
    size_t bytes;
};

static void work_free(struct work *w)
{
    covey_body_unref(w->inputs);
    free(w->outputs);
    free(w->us);
    free(w);
}

static size_t bytes_of(const struct work *w)
{
    return w->total * ((w->input_floats + w->output_floats) * sizeof(float) + sizeof(*w->us));
}

static void drop(struct covey_detached *d, struct work *w)
{
    struct work **link = &d->works;
    while (*link != w) {
        link = &(*link)->link;
    }
    *link = w->link;
    d->count--;
    d->bytes -= bytes_of(w);
    covey__owner_forget(d->owner, w);
    work_free(w);
}

static void answered(void *user, uint32_t tag, const struct covey_infer_end *end)
{
    struct work *w = user;
    w->running--;
    if (end->err == COVEY_OK && end->output_floats == w->output_floats) {
        memcpy(w->outputs + tag * w->output_floats, end->output, w->output_floats * sizeof(float));
        w->us[w->answered++] = end->result->elapsed_us;
    } else {
        w->lost++;
    }
    /* Not here: the request that ends is still in the owner's hands. */
    covey_timer_set(w->detached->timer, covey_loop_now_ms(w->detached->services->loop));
}

static covey_err ask_next(struct work *w)
{
    struct covey_body *input = NULL;
    size_t bytes = w->input_floats * sizeof(float);
    covey_err err = covey_body_new(bytes, &input);
    if (err != COVEY_OK) {
        return err;
    }
    memcpy(input->data, w->inputs->data + w->next * bytes, bytes);
    struct covey_infer infer = {
        .model = w->model, .options = w->options, .user = w, .tag = w->next, .done = answered};
    err = covey__owner_infer(w->detached->owner, &infer, input);
    if (err != COVEY_OK) {
        covey_body_unref(input);
        return err;
    }
    w->next++;
    w->running++;
    return COVEY_OK;
}

/* Goes on as far as it can; true: again soon, the owner was full. */
static bool go_on(struct work *w, uint64_t now_ms)
{
    while (w->next < w->total && w->running < AT_ONCE) {
        covey_err err = ask_next(w);
        if (err == COVEY_ERR_BUSY || err == COVEY_ERR_NOMEM) {
            return true;
        }
        if (err != COVEY_OK) {
            w->next++;
            w->lost++;
        }
    }
    if (w->ended_ms == 0 && w->next == w->total && w->running == 0) {
        w->ended_ms = now_ms > 0 ? now_ms : 1;
    }
    return false;
}

static void on_timer(void *user)
{
    struct covey_detached *d = user;
    uint64_t now_ms = covey_loop_now_ms(d->services->loop), at = UINT64_MAX;
    for (struct work *w = d->works, *next; w != NULL; w = next) {
        next = w->link;
        bool again = go_on(w, now_ms);
        uint64_t end = w->ended_ms + COVEY__DETACHED_KEPT_MS;
        if (w->ended_ms != 0 && now_ms >= end) {
            drop(d, w);
            continue;
        }
        at = again && now_ms + AGAIN_MS < at ? now_ms + AGAIN_MS : at;
        at = w->ended_ms != 0 && end < at ? end : at;
    }
    if (at != UINT64_MAX) {
        covey_timer_set(d->timer, at);
    }
}

static struct work *find(const struct covey_detached *d, const char *name)
{
    struct work *w = d->works;
    while (w != NULL && strcmp(w->name, name) != 0) {
        w = w->link;
    }
    return w;
}

/* The one that ended first makes room. */
static void make_room(struct covey_detached *d)
{
    struct work *oldest = NULL;
    for (struct work *w = d->works; w != NULL; w = w->link) {
        if (w->ended_ms != 0 && (oldest == NULL || w->ended_ms < oldest->ended_ms)) {
            oldest = w;
        }
    }
    if (d->count >= COVEY__DETACHED_MAX && oldest != NULL) {
        drop(d, oldest);
    }
}

static covey_err work_new(struct covey_detached *d, const struct covey_detached_config *config,
                          const struct covey_body *inputs, struct work **out)
{
    size_t one = config->input_floats * sizeof(float);
    size_t total = one > 0 ? inputs->len / one : 0;
    if (total == 0 || total * one != inputs->len || total > COVEY__DETACHED_INPUTS) {
        return COVEY_ERR_RANGE;
    }
    struct work *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return COVEY_ERR_NOMEM;
    }
    w->detached = d;
    w->model = config->model;
    w->options = config->options;
    w->output = config->output;
    w->input_floats = config->input_floats;
    w->output_floats = config->output_floats;
    w->total = (uint32_t)total;
    snprintf(w->name, sizeof(w->name), "%s", config->name);
    snprintf(w->model_name, sizeof(w->model_name), "%s", config->model_name);
    size_t bytes = bytes_of(w);
    if (bytes > COVEY__DETACHED_BYTES - d->bytes) {
        work_free(w);
        return bytes > COVEY__DETACHED_BYTES ? COVEY_ERR_LIMIT : COVEY_ERR_BUSY;
    }
    w->outputs = malloc(total * w->output_floats * sizeof(float));
    w->us = calloc(total, sizeof(*w->us));
    if (w->outputs == NULL || w->us == NULL) {
        work_free(w);
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0; i < total * w->output_floats; i++) {
        w->outputs[i] = NAN;
    }
    *out = w;
    return COVEY_OK;
}

covey_err covey__detached_start(struct covey_detached *d,
                                const struct covey_detached_config *config,
                                struct covey_body *take_inputs)
{
    struct covey_digest digest;
    struct work *w = find(d, config->name);
    covey_hash(&digest, covey_bytes_of(take_inputs->data, take_inputs->len));
    if (w != NULL) {
        bool same = covey_digest_equal(&digest, &w->inputs_digest) &&
                    covey_digest_equal(&config->model, &w->model);
        covey_body_unref(take_inputs);
        return same ? COVEY_OK : COVEY_ERR_EXISTS;
    }
    make_room(d);
    covey_err err =
        d->count < COVEY__DETACHED_MAX ? work_new(d, config, take_inputs, &w) : COVEY_ERR_BUSY;
    if (err != COVEY_OK) {
        covey_body_unref(take_inputs);
        return err;
    }
    w->inputs = take_inputs;
    w->inputs_digest = digest;
    w->link = d->works;
    d->works = w;
    d->count++;
    d->bytes += bytes_of(w);
    covey_timer_set(d->timer, covey_loop_now_ms(d->services->loop));
    return COVEY_OK;
}

static int compare(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static uint32_t median_us(const struct work *w)
{
    uint32_t *copy = w->answered > 0 ? malloc(w->answered * sizeof(*copy)) : NULL;
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, w->us, w->answered * sizeof(*copy));
    qsort(copy, w->answered, sizeof(*copy), compare);
    uint32_t median = copy[w->answered / 2];
    free(copy);
    return median;
}

void covey__detached_list(const struct covey_detached *d, struct covey_control_sessions *out)
{
    for (const struct work *w = d->works; w != NULL && out->count < COVEY_CONTROL_SESSIONS_MAX;
         w = w->link) {
        struct covey_control_session *s = &out->session[out->count++];
        *s = (struct covey_control_session){.detached = true,
                                            .running = w->ended_ms == 0,
                                            .total = w->total,
                                            .answered = w->answered,
                                            .lost = w->lost,
                                            .median_us = median_us(w),
                                            .output_rank = w->output.rank};
        memcpy(s->name, w->name, sizeof(s->name));
        memcpy(s->model, w->model_name, sizeof(s->model));
        memcpy(s->output, w->output.dims, sizeof(s->output));
    }
}

covey_err covey__detached_get(const struct covey_detached *d, const char *name,
                              struct covey_bytes *out)
{
    const struct work *w = find(d, name);
    if (w == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    *out = covey_bytes_of(w->outputs, w->total * w->output_floats * sizeof(float));
    return COVEY_OK;
}

covey_err covey__detached_stop(struct covey_detached *d, const char *name)
{
    struct work *w = find(d, name);
    if (w == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    drop(d, w);
    return COVEY_OK;
}

covey_err covey__detached_new(struct covey_services *services, struct covey_owner *owner,
                              struct covey_detached **out)
{
    struct covey_detached *d = calloc(1, sizeof(*d));
    covey_err err =
        d != NULL ? covey_timer_new(services->loop, on_timer, d, &d->timer) : COVEY_ERR_NOMEM;
    if (err != COVEY_OK) {
        free(d);
        return err;
    }
    d->services = services;
    d->owner = owner;
    *out = d;
    return COVEY_OK;
}

void covey__detached_free(struct covey_detached *d)
{
    if (d == NULL) {
        return;
    }
    for (struct work *w = d->works, *next; w != NULL; w = next) {
        next = w->link;
        covey__owner_forget(d->owner, w);
        work_free(w);
    }
    covey_timer_free(d->timer);
    free(d);
}
