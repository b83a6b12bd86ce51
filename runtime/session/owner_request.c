/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "owner_state.h"

static struct covey_owner *owner_of(const struct covey_request *r)
{
    return r->session->owner;
}

static struct covey_request *find(struct covey_owner *o, uint64_t id)
{
    for (size_t i = 0; i < COVEY_REQUESTS_MAX; i++) {
        if (o->request[i].used && o->request[i].id == id) {
            return &o->request[i];
        }
    }
    return NULL;
}

static void unlink_waiting(struct covey_request *r)
{
    struct covey_request **link = &r->session->waiting;
    while (*link != NULL && *link != r) {
        link = &(*link)->next;
    }
    if (*link == r) {
        *link = r->next;
    }
}

/* ---- the end ---- */

static void tell(struct covey_request *r, covey_err err, const char *why)
{
    if (r->infer.user == NULL) {
        return;
    }
    struct covey_infer_end end = {.err = err, .why = why};
    if (err == COVEY_OK) {
        const struct covey_shape *shape = covey_model_output(r->session->file->model);
        r->result->elapsed_us = (uint32_t)((covey_clock_ns() - r->start_ns) / 1000);
        r->result->output_rank = shape->rank;
        memcpy(r->result->output, shape->dims, sizeof(r->result->output));
        end.result = r->result;
        end.output = covey_run_result(r->run, 0);
        err = covey_shape_count(shape, &end.output_floats);
        COVEY_ASSERT(err == COVEY_OK);
    }
    r->infer.done(r->infer.user, r->infer.tag, &end);
}

void covey__infer_end(struct covey_request *r, covey_err err, const char *why)
{
    struct covey_session *s = r->session;
    unlink_waiting(r);
    tell(r, err, why);
    bool begun = r->version != NULL && r->version->plan.layers > 0;
    uint64_t id = r->id;
    covey_body_unref(covey__handles_take(&s->owner->services->handles, r->layer_handle));
    covey__version_unref(r->version);
    if (r->run != NULL && s->free_run == NULL) {
        s->free_run = r->run;
    } else {
        covey_run_free(r->run);
    }
    covey_body_unref(r->input);
    covey_body_unref(r->layer_input);
    free(r->result);
    *r = (struct covey_request){0};
    s->requests--;
    s->used_ms = covey_loop_now_ms(s->owner->services->loop);
    if (begun) {
        struct covey_event event = {.type = COVEY_EVENT_REQUEST_END, .request = id};
        covey__owner_feed(s->owner, &event);
    }
}

/* ---- one step on the pool: put the last layer together, run to the next ---- */

static covey_err step(struct covey_request *r)
{
    if (!r->started) {
        if (r->run == NULL) {
            covey_err err = covey_run_new(r->session->file->model, &r->run);
            if (err != COVEY_OK) {
                return err;
            }
        }
        covey_run_start(r->run, (const void *const[]){r->input->data});
        r->started = true;
    }
    if (r->combine) {
        covey__version_combine(r->version, r->layer, &r->answers, covey_run_answer(r->run));
        covey_run_resume(r->run);
        r->combine = false;
    }
    const float *input = NULL;
    while (covey_run_next(r->run, &r->layer, &input)) {
        if (r->version == NULL || r->version->plan.layers == 0) {
            covey_run_local(r->run);
            continue;
        }
        const struct covey_layer *l = covey_model_layer(r->session->file->model, r->layer);
        size_t bytes = covey_layer_input_floats(l) * sizeof(float);
        covey_err err = covey_body_new(bytes, &r->layer_input);
        if (err == COVEY_OK) {
            memcpy(r->layer_input->data, input, bytes);
            r->stopped = true;
        }
        return err;
    }
    r->stopped = false;
    return COVEY_OK;
}

static void drop_answers(struct covey_request *r)
{
    for (size_t i = 0; i < COVEY_PLAN_DEVICES_MAX; i++) {
        covey_body_unref(r->answers.device[i]);
    }
    covey_body_unref(r->answers.local);
    r->answers = (struct covey_answers){0};
}

static void step_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct covey_request *r = (struct covey_request *)task;
    r->err = step(r);
    drop_answers(r);
}

static void step_done(struct covey_task *task)
{
    struct covey_request *r = (struct covey_request *)task;
    r->running = false;
    if (r->err != COVEY_OK || !r->stopped) {
        covey__infer_end(r, r->err, r->err != COVEY_OK ? covey_strerror(r->err) : "");
        return;
    }
    struct covey_handles *handles = &owner_of(r)->services->handles;
    r->layer_handle = covey__handles_put(handles, covey_body_ref(r->layer_input));
    r->layer_ns = covey_clock_ns();
    struct covey_event event = {.type = COVEY_EVENT_LAYER,
                                .request = r->id,
                                .fence = r->version->fence,
                                .layer = (uint16_t)r->layer,
                                .body = r->layer_handle,
                                .body_len = r->layer_input->len};
    covey__owner_feed(owner_of(r), &event);
}

static void run_step(struct covey_request *r)
{
    r->running = true;
    r->task.work = step_work;
    r->task.done = step_done;
    covey__pool_submit(owner_of(r)->services->compute, &r->task);
}

void covey__infer_begin(struct covey_request *r)
{
    struct covey_session *s = r->session;
    unlink_waiting(r);
    r->run = s->free_run;
    s->free_run = NULL;
    r->version = covey__version_ref(s->active);
    r->result->devices = r->version->plan.devices;
    r->result->plan_version = r->version->fence.version;
    if (r->version->plan.layers > 0) {
        struct covey_event event = {
            .type = COVEY_EVENT_REQUEST_BEGIN, .fence = r->version->fence, .request = r->id};
        covey__owner_feed(s->owner, &event);
    } else {
        r->result->devices = 1;
    }
    run_step(r);
}

void covey__session_start_waiting(struct covey_session *s)
{
    while (s->waiting != NULL) {
        covey__infer_begin(s->waiting);
    }
}

/* ---- a layer's own share, and what nobody else will answer ---- */

struct local_task {
    struct covey_task task;
    struct covey_owner *owner;
    struct covey_session *session;
    struct covey_version *version;
    struct covey_body *input, *out;
    uint64_t request;
    uint16_t layer;
    uint64_t slots[COVEY_LAYER_SLOTS_MAX / 64];
    covey_err err;
};

static void local_work(struct covey_task *task, struct covey_scratch *scratch)
{
    struct local_task *t = (struct local_task *)task;
    t->err = covey__version_compute(t->version, t->layer, t->slots, t->input, scratch, &t->out);
}

static void local_done(struct covey_task *task)
{
    struct local_task *t = (struct local_task *)task;
    struct covey_event event = {.type = COVEY_EVENT_COMPUTED_LOCAL,
                                .request = t->request,
                                .layer = t->layer,
                                .err = t->err,
                                .body_len = t->out != NULL ? t->out->len : 0,
                                .body = covey__handles_put(&t->owner->services->handles, t->out)};
    memcpy(event.slots, t->slots, sizeof(event.slots));
    t->session->tasks--;
    struct covey_request *r = find(t->owner, t->request);
    if (t->err != COVEY_OK && r != NULL && !r->running) {
        covey__infer_end(r, t->err, "a layer could not be computed here");
    } else {
        covey__owner_feed(t->owner, &event);
    }
    covey__version_unref(t->version);
    covey_body_unref(t->input);
    free(t);
}

void covey__owner_compute_local(struct covey_owner *o, const struct covey_action *action)
{
    struct covey_request *r = find(o, action->request);
    if (r == NULL || r->version == NULL || r->layer_input == NULL || r->running) {
        return;
    }
    struct local_task *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        covey__infer_end(r, COVEY_ERR_NOMEM, "out of memory");
        return;
    }
    t->task = (struct covey_task){.work = local_work, .done = local_done};
    t->owner = o;
    t->session = r->session;
    t->version = covey__version_ref(r->version);
    t->input = covey_body_ref(r->layer_input);
    t->request = r->id;
    t->layer = action->layer;
    memcpy(t->slots, action->slots, sizeof(t->slots));
    r->session->tasks++;
    covey__pool_submit(o->services->compute, &t->task);
}

/* ---- a layer is done ---- */

static void account_layer(struct covey_request *r, const struct covey_layer_done *done)
{
    struct covey_control_result *result = r->result;
    result->recovered_dead = (uint16_t)(result->recovered_dead + done->recovered_dead);
    result->recovered_late = (uint16_t)(result->recovered_late + done->recovered_late);
    if (!r->infer.options.trace || result->layer_count >= COVEY_LAYERS_MAX) {
        return;
    }
    const struct covey_plan_layer *pl = &r->version->plan.layer[r->layer];
    struct covey_control_layer *l = &result->layer[result->layer_count++];
    *l = (struct covey_control_layer){
        .mode = COVEY_CONTROL_CODED,
        .units = pl->units,
        .parity_units = (uint16_t)(pl->slots - pl->units),
        .recovered_dead = done->recovered_dead,
        .recovered_late = done->recovered_late,
        .us = (uint32_t)((covey_clock_ns() - r->layer_ns) / 1000),
    };
    const char *name = covey_model_layer_name(r->session->file->model, r->layer);
    size_t len = strnlen(name, sizeof(l->name) - 1);
    memcpy(l->name, name, len);
}

void covey__owner_layer_done(struct covey_owner *o, const struct covey_action *action)
{
    struct covey_handles *handles = &o->services->handles;
    struct covey_answers answers = {0};
    for (size_t i = 0; i < COVEY_PLAN_DEVICES_MAX; i++) {
        answers.device[i] = covey__handles_take(handles, action->done->answer[i]);
    }
    answers.local = covey__handles_take(handles, action->done->local);
    memcpy(answers.local_slots, action->done->local_slots, sizeof(answers.local_slots));
    struct covey_request *r = find(o, action->request);
    COVEY_ASSERT(r != NULL && !r->running && r->layer == action->layer);
    r->answers = answers;
    account_layer(r, action->done);
    covey_body_unref(covey__handles_take(handles, r->layer_handle));
    r->layer_handle = 0;
    covey_body_unref(r->layer_input);
    r->layer_input = NULL;
    r->combine = true;
    run_step(r);
}
