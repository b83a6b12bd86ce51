/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <stdlib.h>

#include "light.h"
#include "owner_state.h"

static struct covey_owner *owner_of(const struct covey_request *r)
{
    return r->session->owner;
}

static _Atomic uint32_t *stage_of(const struct covey_request *r)
{
    struct covey_owner *o = owner_of(r);
    return &o->stage[r - o->request];
}

struct covey_request *covey__request_of(struct covey_owner *o, uint64_t id)
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

/* ---- the inputs of a layer by rows ---- */

static void take_parts(struct covey_request *r)
{
    struct covey_handles *handles = &owner_of(r)->services->handles;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        covey_body_unref(covey__handles_take(handles, r->part_handle[d]));
        r->part_handle[d] = 0;
    }
}

void covey__parts_drop(struct covey_request *r)
{
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        covey_body_unref(r->part_wire[d]);
        r->part_wire[d] = NULL;
    }
}

static bool put_parts(struct covey_request *r)
{
    struct covey_handles *handles = &owner_of(r)->services->handles;
    bool any = false;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        any = any || r->answers.block[d] != NULL;
        if (r->part_wire[d] != NULL) {
            r->part_handle[d] = covey__handles_put(handles, covey_body_ref(r->part_wire[d]));
        }
    }
    return any;
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
    atomic_fetch_add(stage_of(r), 1);
    tell(r, err, why);
    bool begun = r->version != NULL && !covey_plan_is_local(&r->version->plan);
    bool is_over = err == COVEY_OK; /* else the run stands in the middle */
    uint64_t id = r->id, alone_ms = r->alone_ms;
    covey_body_unref(covey__handles_take(&s->owner->services->handles, r->layer_handle));
    take_parts(r);
    covey__parts_drop(r);
    covey__answers_drop(&r->answers);
    covey__version_unref(r->version);
    covey__request_give_run(r, is_over);
    covey_body_unref(r->input);
    covey_body_unref(r->layer_input);
    covey_body_unref(r->layer_wire);
    covey__check_free(r->check);
    free(r->result);
    *r = (struct covey_request){0};
    s->requests--;
    s->used_ms = covey_loop_now_ms(s->owner->services->loop);
    if (alone_ms != 0) { /* as long again is for what the plan is waiting for */
        s->alone_ms = 2 * s->used_ms - alone_ms;
    }
    if (s->owner->scarce) { /* others begin with what it leaves, but not from in here */
        s->owner->scarce = false;
        covey_timer_set(s->owner->alone, s->used_ms);
    }
    if (begun) {
        struct covey_event event = {.type = COVEY_EVENT_REQUEST_END, .request = id};
        covey__owner_feed(s->owner, &event);
    }
}

void covey__infer_late(struct covey_request *r)
{
    const char *why =
        r->version != NULL ? "not answered in time: ask again, or give it longer (--timeout)"
        : r->session->active != NULL ? "no memory was free in time: ask for fewer at once"
                                     : "no plan was ready in time: ask again, or give it longer";
    if (!r->running) {
        covey__infer_end(r, COVEY_ERR_TIMEOUT, why);
        return;
    }
    atomic_store(covey__request_late(r), 1);
    tell(r, COVEY_ERR_TIMEOUT, why);
    r->infer.user = NULL;
}

/* ---- one step on the pool, and what it stopped at ---- */

static void step_work(struct covey_task *task, struct covey_scratch *scratch)
{
    struct covey_request *r = (struct covey_request *)task;
    r->err = covey__request_advance(r, scratch);
}

static void ask_layer(struct covey_request *r)
{
    struct covey_handles *handles = &owner_of(r)->services->handles;
    struct covey_event event = {.type = COVEY_EVENT_LAYER,
                                .request = r->id,
                                .fence = r->version->fence,
                                .layer = r->at.index};
    if (put_parts(r)) {
        event.pieces = r->part_handle;
    } else {
        r->layer_handle = covey__handles_put(handles, covey_body_ref(r->layer_wire));
        event.body = r->layer_handle;
        event.body_len = r->layer_wire->len;
    }
    covey__owner_feed(owner_of(r), &event);
}

static void ask_tiles(struct covey_request *r)
{
    struct covey_event event = {.type = COVEY_EVENT_TILES,
                                .request = r->id,
                                .fence = r->version->fence,
                                .run = (uint8_t)r->at.index};
    covey__owner_feed(owner_of(r), &event);
}

/* They answered wrong numbers. */
static void accuse(struct covey_request *r, uint32_t wrong)
{
    struct covey_owner *o = owner_of(r);
    for (unsigned d = 0; d < r->version->plan.devices; d++) {
        if ((wrong >> d & 1) == 0) {
            continue;
        }
        const struct covey_node_id *liar = &r->version->plan.device[d];
        if (r->result->liar_count < COVEY_CONTROL_LIARS_MAX) {
            r->result->liar[r->result->liar_count++] = *liar;
        }
        if (o->services->tell != NULL) {
            o->services->tell(o->services->user, liar, "returned wrong numbers");
        }
        struct covey_event event = {
            .type = COVEY_EVENT_LIED, .request = r->id, .layer = r->at.index, .peer = *liar};
        covey__owner_feed(o, &event);
    }
}

static void step_done(struct covey_task *task)
{
    struct covey_request *r = (struct covey_request *)task;
    r->running = false;
    if (r->err != COVEY_OK) {
        covey__infer_end(r, r->err, covey_strerror(r->err));
        return;
    }
    /* What others gave may have been wrong: with this node's own input it shows. */
    accuse(r, (r->wrong & ~r->unsure) | r->lied);
    if (r->again) {
        covey__request_step(r, COVEY_STEP_START);
        return;
    }
    if (r->wrong != 0) {
        ask_layer(r); /* again, of the others */
        return;
    }
    covey__trace_local(r);
    if (!r->stopped) {
        covey__infer_end(r, COVEY_OK, "");
        return;
    }
    r->stage_ns = covey_clock_ns();
    if (r->at.tiles) {
        ask_tiles(r);
    } else {
        ask_layer(r);
    }
    covey__check_later(r);
}

/* A run's memory is had on the pool. */
static bool is_light(const struct covey_request *r)
{
    if (r->alone || r->run == NULL) {
        return false;
    }
    return r->step == COVEY_STEP_START ? r->version->light_start : r->at.light;
}

static void begin_step(struct covey_request *r)
{
    covey__pool_give(owner_of(r)->services->compute, &r->task, is_light(r));
}

void covey__request_step(struct covey_request *r, enum covey_request_step step)
{
    COVEY_ASSERT(!r->running);
    r->running = true;
    r->step = step;
    r->task.work = step_work;
    r->task.done = step_done;
    r->stage_ns = covey_clock_ns();
    covey__check_later(r);
    r->held = r->checking;
    if (!r->held) {
        begin_step(r);
    }
}

void covey__request_checked(struct covey_request *r)
{
    if (r->held) {
        r->held = false;
        begin_step(r);
    }
}

/* Layers always are, strips where others make the same. */
static bool is_checked(const struct covey_plan *plan)
{
    for (unsigned i = 0; i < plan->runs; i++) {
        if (!plan->run[i].twice) {
            return false;
        }
    }
    return true;
}

static void begin(struct covey_request *r, struct covey_version *take_version)
{
    struct covey_session *s = r->session;
    unlink_waiting(r);
    r->version = take_version;
    r->result->devices = r->version->plan.devices;
    r->result->plan_version = r->version->fence.version;
    r->result->predicted_us = r->version->plan.predicted_us;
    if (!covey_plan_is_local(&r->version->plan)) {
        r->result->checked = is_checked(&r->version->plan);
        struct covey_event event = {
            .type = COVEY_EVENT_REQUEST_BEGIN, .fence = r->version->fence, .request = r->id};
        covey__owner_feed(s->owner, &event);
    } else {
        r->result->devices = 1;
    }
    covey__request_step(r, COVEY_STEP_START);
}

bool covey__infer_begin(struct covey_request *r)
{
    bool may = covey__request_take_run(r);
    if (may) {
        begin(r, covey__version_ref(r->session->active));
    }
    return may;
}

void covey__infer_alone(struct covey_request *r)
{
    if (!covey__request_take_run(r)) {
        return;
    }
    struct covey_plan *plan = calloc(1, sizeof(*plan));
    struct covey_version *v = NULL;
    if (plan != NULL) {
        v = covey__version_new(&r->session->fence, plan, r->session->file, r->session->coded);
    }
    free(plan);
    r->alone = true;
    r->alone_ms = covey_loop_now_ms(r->session->owner->services->loop);
    if (v == NULL) {
        covey__infer_end(r, COVEY_ERR_NOMEM, "out of memory");
        return;
    }
    begin(r, v);
}

void covey__session_start_waiting(struct covey_session *s)
{
    while (s->waiting != NULL && covey__infer_begin(s->waiting)) {
    }
}

/* ---- a layer's own share, and what nobody else will answer ---- */

static struct covey_wanted wanted(const struct covey_request *r)
{
    return (struct covey_wanted){stage_of(r), atomic_load(stage_of(r))};
}

struct local_task {
    struct covey_task task;
    struct covey_owner *owner;
    struct covey_session *session;
    struct covey_version *version;
    struct covey_body *input, *out;
    uint64_t request;
    struct covey_version_work work;
    covey_err err;
};

static void local_work(struct covey_task *task, struct covey_scratch *scratch)
{
    struct local_task *t = (struct local_task *)task;
    t->err = covey__version_compute(t->version, &t->work, scratch, &t->out);
}

static void local_done(struct covey_task *task)
{
    struct local_task *t = (struct local_task *)task;
    struct covey_event event = {.type = COVEY_EVENT_COMPUTED_LOCAL,
                                .request = t->request,
                                .layer = (uint16_t)t->work.layer,
                                .err = t->err,
                                .body_len = t->out != NULL ? t->out->len : 0,
                                .body = covey__handles_put(&t->owner->services->handles, t->out)};
    memcpy(event.slots, t->work.slots, sizeof(event.slots));
    t->session->tasks--;
    struct covey_request *r = covey__request_of(t->owner, t->request);
    if (t->err != COVEY_OK && t->err != COVEY_ERR_CANCELLED && r != NULL && !r->running) {
        covey__infer_end(r, t->err, "a layer could not be computed here");
    } else {
        covey__owner_feed(t->owner, &event);
    }
    covey__version_unref(t->version);
    covey_body_unref(t->input);
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        covey_body_unref(t->work.block[d]);
    }
    free(t);
}

static bool has_input(const struct covey_request *r)
{
    bool has = r->layer_input != NULL;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        has = has || r->answers.block[d] != NULL;
    }
    return has;
}

void covey__owner_compute_local(struct covey_owner *o, const struct covey_action *action)
{
    struct covey_request *r = covey__request_of(o, action->request);
    if (r == NULL || r->version == NULL || !has_input(r) || r->running) {
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
    t->input = r->layer_input != NULL ? covey_body_ref(r->layer_input) : NULL;
    t->request = r->id;
    t->work =
        (struct covey_version_work){.layer = action->layer, .input = t->input, .wanted = wanted(r)};
    memcpy(t->work.slots, action->slots, sizeof(t->work.slots));
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        struct covey_body *block = r->answers.block[d];
        t->work.block[d] = block != NULL ? covey_body_ref(block) : NULL;
    }
    r->session->tasks++;
    bool light = covey__light_slots(t->version, t->work.layer, t->work.slots);
    covey__pool_give(o->services->compute, &t->task, light);
}

/* ---- a layer or a tile run is done ---- */

static void take_answers(struct covey_owner *o, const struct covey_layer_done *done,
                         struct covey_answers *out)
{
    struct covey_handles *handles = &o->services->handles;
    for (size_t i = 0; i < COVEY_PLAN_DEVICES_MAX; i++) {
        out->device[i] = covey__handles_take(handles, done->answer[i]);
    }
    out->local = covey__handles_take(handles, done->local);
    memcpy(out->local_slots, done->local_slots, sizeof(out->local_slots));
}

void covey__owner_layer_done(struct covey_owner *o, const struct covey_action *action)
{
    struct covey_request *r = covey__request_of(o, action->request);
    COVEY_ASSERT(r != NULL && !r->running && !r->at.tiles && r->at.index == action->layer);
    atomic_fetch_add(stage_of(r), 1);
    take_answers(o, action->done, &r->answers);
    r->fed = action->done->fed;
    covey__trace_layer(r, action->done);
    covey_body_unref(covey__handles_take(&o->services->handles, r->layer_handle));
    r->layer_handle = 0;
    take_parts(r);
    covey__request_step(r, COVEY_STEP_COMBINE);
}

static void set_layouts(struct covey_request *r, const struct covey_action *action)
{
    r->layout = *action->layout;
    r->twin.segments = 0;
    if (action->twin != NULL) {
        r->twin = *action->twin;
    }
}

void covey__owner_tiles_done(struct covey_owner *o, const struct covey_action *action)
{
    struct covey_request *r = covey__request_of(o, action->request);
    COVEY_ASSERT(r != NULL && !r->running && r->at.tiles && r->at.index == action->run);
    take_answers(o, action->done, &r->answers);
    r->fed = action->done->fed;
    covey__trace_tiles(r, action->done);
    if (action->layout == NULL) {
        /* What is not in memory cannot be run as one piece: all layers are streamed. */
        r->alone = r->session->file->sparse;
        covey__request_step(r, r->alone ? COVEY_STEP_START : COVEY_STEP_LOCAL);
        return;
    }
    set_layouts(r, action);
    covey__request_step(r, COVEY_STEP_JOIN);
}

static void cut_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct covey_request *r = (struct covey_request *)task;
    r->err = covey__version_cut(r->version, r->at.index, &r->layout, r->tile_input, r->cut);
    if (r->err == COVEY_OK && r->twin.segments > 0) {
        r->err = covey__version_cut(r->version, r->at.index, &r->twin, r->tile_input, r->cut);
    }
}

static void cut_done(struct covey_task *task)
{
    struct covey_request *r = (struct covey_request *)task;
    struct covey_owner *o = owner_of(r);
    covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1] = {0};
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        pieces[d] = covey__handles_put(&o->services->handles, r->cut[d]);
        r->cut[d] = NULL;
    }
    r->running = false;
    struct covey_event event = {.type = COVEY_EVENT_TILES_CUT,
                                .request = r->id,
                                .run = (uint8_t)r->at.index,
                                .attempt = r->attempt,
                                .err = r->err,
                                .pieces = pieces};
    covey__owner_feed(o, &event);
}

void covey__owner_tiles_cut(struct covey_owner *o, const struct covey_action *action)
{
    struct covey_request *r = covey__request_of(o, action->request);
    COVEY_ASSERT(r != NULL && !r->running && r->at.tiles && r->at.index == action->run);
    r->running = true;
    set_layouts(r, action);
    r->attempt = action->attempt;
    r->task.work = cut_work;
    r->task.done = cut_done;
    covey__pool_give(o->services->compute, &r->task, r->at.light_cut);
}
