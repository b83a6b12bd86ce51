/* SPDX-License-Identifier: MIT */
#include "owner.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "owner_state.h"

enum {
    /* What was prepared lasts: a large model's weights take minutes to get to others. */
    SESSION_IDLE_MS = 600 * 1000,
    /* Weights that are still on their way would all have to be sent again. */
    SESSION_PREPARED_MS = 900 * 1000,
    /* The first weights of a large model take long to get to others: then requests are computed
     * here meanwhile, and only the first ones wait in vain. */
    WAIT_FOR_PLAN_MS = 1500,
    WAIT_FOR_PLAN_MIN_MS = 50, /* a plan that moves no weights is there by then */
    /* Who asks for one input after the other has asked for the next one by then. */
    SESSION_REMOVED_MS = 100,
};

/* As long as computing here would take: where the plan is not there by then, the answer takes twice
 * as long as it could have at most. */
static uint32_t wait_for_plan_ms(const struct covey_session *s)
{
    struct covey_member_info self;
    const struct covey_plan_request *c = &s->costs;
    if (c->coded_all || c->cells == 0 || s->file->sparse ||
        !s->owner->services->member(s->owner->services->user, NULL, &self) ||
        self.rates.mflops == 0) {
        return WAIT_FOR_PLAN_MS;
    }
    const struct covey_plan_device own = {.mflops = self.rates.mflops,
                                          .stream_mbytes = self.rates.stream_mbytes};
    uint64_t us = 0;
    for (unsigned i = 0; i < c->cells; i++) {
        us += covey_plan_work_us(&own, &c->cell[i].whole);
    }
    return us / 1000 > WAIT_FOR_PLAN_MS       ? WAIT_FOR_PLAN_MS
           : us / 1000 > WAIT_FOR_PLAN_MIN_MS ? (uint32_t)(us / 1000)
                                              : WAIT_FOR_PLAN_MIN_MS;
}

/* From when on requests are computed here although the plan is not ready. */
static uint64_t alone_from_ms(const struct covey_session *s)
{
    uint64_t from_ms = s->planless_ms + s->patience_ms;
    return from_ms > s->alone_ms ? from_ms : s->alone_ms;
}

/* Begins those that have waited for a plan long enough, and those that there is memory for now. */
static void begin_alone(void *user)
{
    struct covey_owner *o = user;
    uint64_t now_ms = covey_loop_now_ms(o->services->loop), next_ms = UINT64_MAX;
    for (size_t i = 0; i < COVEY_REQUESTS_MAX; i++) {
        struct covey_request *r = &o->request[i];
        if (!r->used || r->running || r->version != NULL ||
            r->session->state != COVEY_SESSION_OPEN) {
            continue;
        }
        if (r->session->active != NULL) {
            covey__session_start_waiting(r->session);
            continue;
        }
        uint64_t from_ms = alone_from_ms(r->session);
        if (from_ms <= now_ms) {
            covey__infer_alone(r);
        } else {
            next_ms = from_ms < next_ms ? from_ms : next_ms;
        }
    }
    if (next_ms != UINT64_MAX) {
        covey_timer_set(o->alone, next_ms);
    }
}

covey_err covey__owner_new(struct covey_services *services, const struct covey_node_id *self,
                           struct covey_owner **out)
{
    struct covey_owner *o = calloc(1, sizeof(*o));
    if (o == NULL || covey__model_table_init(&o->models, &services->store) != COVEY_OK) {
        free(o);
        return COVEY_ERR_NOMEM;
    }
    if (covey_timer_new(services->loop, begin_alone, o, &o->alone) != COVEY_OK) {
        covey__model_table_done(&o->models);
        free(o);
        return COVEY_ERR_NOMEM;
    }
    o->services = services;
    services->models = &o->models;
    o->self = *self;
    covey_random(&o->epoch, sizeof(o->epoch));
    *out = o;
    return COVEY_OK;
}

static void session_free(struct covey_session *s)
{
    while (s->versions != NULL) {
        struct covey_version *v = s->versions;
        s->versions = v->next;
        covey__version_unref(v);
    }
    while (s->costs_waiters != NULL) {
        struct covey_costs_waiter *w = s->costs_waiters;
        s->costs_waiters = w->next;
        free(w);
    }
    covey__session_give(s);
    covey__model_share_unref(s->share);
    *s = (struct covey_session){0};
}

void covey__owner_free(struct covey_owner *o)
{
    if (o == NULL) {
        return;
    }
    for (size_t i = 0; i < COVEY_REQUESTS_MAX; i++) {
        struct covey_request *r = &o->request[i];
        if (r->used) {
            covey__version_unref(r->version);
            covey_run_free(r->run);
            covey_body_unref(r->input);
            covey_body_unref(r->layer_input);
            covey_body_unref(r->layer_wire);
            covey__parts_drop(r);
            covey__answers_drop(&r->answers);
            covey__check_free(r->check);
            free(r->result);
        }
    }
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        if (o->session[i].used) {
            session_free(&o->session[i]);
        }
    }
    covey__model_table_done(&o->models);
    covey_timer_free(o->alone);
    free(o);
}

struct covey_session *covey__owner_session(struct covey_owner *o, const struct covey_fence *f)
{
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey_session *s = &o->session[i];
        if (s->used && s->state == COVEY_SESSION_OPEN && s->fence.epoch == f->epoch &&
            covey_session_id_equal(&s->fence.session, &f->session)) {
            return s;
        }
    }
    return NULL;
}

struct covey_version *covey__session_version(struct covey_session *s, const struct covey_fence *f)
{
    for (struct covey_version *v = s != NULL ? s->versions : NULL; v != NULL; v = v->next) {
        if (v->fence.version == f->version) {
            return v;
        }
    }
    return NULL;
}

/* ---- opening ---- */

static void load_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct covey_session *s =
        (struct covey_session *)(void *)((char *)task - offsetof(struct covey_session, load));
    struct covey_account *account = &s->owner->services->memory;
    const struct covey_model_want want = {.id = s->model,
                                          .bytes = account->limit_bytes,
                                          .batch = covey_control_batch(&s->options),
                                          .account = account,
                                          .apart = s->apart};
    s->load_err = covey__model_share_get(&s->owner->models, &want, &s->share, &s->why);
    if (s->load_err == COVEY_OK) {
        s->file = s->share->file;
        s->coded = s->share->coded;
        s->load_err = covey__session_take(s);
    }
    if (s->load_err == COVEY_OK) {
        s->load_err = covey__session_costs(s);
    } else {
        covey__model_share_unref(s->share);
        s->share = NULL;
    }
}

static void tell_costs(struct covey_session *s)
{
    while (s->costs_waiters != NULL) {
        struct covey_costs_waiter *w = s->costs_waiters;
        s->costs_waiters = w->next;
        if (w->user != NULL) {
            const struct covey_owner_costs costs = {&s->fence, s->share, &s->costs};
            w->fn(w->user, w->tag, s->load_err, s->why.text, &costs);
        }
        free(w);
    }
}

static void load_done(struct covey_task *task)
{
    struct covey_session *s =
        (struct covey_session *)(void *)((char *)task - offsetof(struct covey_session, load));
    if (s->load_err == COVEY_ERR_BUSY && covey__session_load_again(s)) {
        return;
    }
    s->tasks--;
    if (s->load_err != COVEY_OK) {
        s->state = COVEY_SESSION_FAILED;
        tell_costs(s);
        while (s->waiting != NULL) {
            covey__infer_end(s->waiting, s->load_err, s->why.text);
        }
        session_free(s);
        return;
    }
    s->state = COVEY_SESSION_OPEN;
    s->planless_ms = covey_loop_now_ms(s->owner->services->loop);
    s->patience_ms = wait_for_plan_ms(s);
    tell_costs(s);
    struct covey_event event = {
        .type = COVEY_EVENT_SESSION_OPEN, .fence = s->fence, .costs = &s->costs};
    covey__owner_feed(s->owner, &event);
    begin_alone(s->owner);
}

void covey__owner_close(struct covey_session *s)
{
    if (s->state == COVEY_SESSION_OPEN) {
        struct covey_event event = {.type = COVEY_EVENT_SESSION_CLOSE, .fence = s->fence};
        covey__owner_feed(s->owner, &event);
    }
    session_free(s);
}

static struct covey_session *session_slot(struct covey_owner *o)
{
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        if (!o->session[i].used) {
            return &o->session[i];
        }
    }
    return covey__owner_make_room(o, 0);
}

static bool is_same_way(const struct covey_control_infer *a, const struct covey_control_infer *b)
{
    return a->devices == b->devices && a->parity == b->parity && a->coded_all == b->coded_all &&
           a->check_all == b->check_all && a->half == b->half && a->exact == b->exact &&
           covey_control_batch(a) == covey_control_batch(b);
}

/* The session for this model and these options; opened when there is none. */
static struct covey_session *session_for(struct covey_owner *o, const struct covey_infer *infer)
{
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey_session *s = &o->session[i];
        if (s->used && !s->stopped && s->state != COVEY_SESSION_FAILED &&
            covey_digest_equal(&s->model, &infer->model) &&
            is_same_way(&s->options, &infer->options)) {
            s->used_ms = covey_loop_now_ms(o->services->loop);
            return s;
        }
    }
    struct covey_session *s = session_slot(o);
    if (s == NULL) {
        return NULL;
    }
    *s = (struct covey_session){
        .used = true,
        .owner = o,
        .model = infer->model,
        .options = infer->options,
        .load = {.work = load_work, .done = load_done},
        .tasks = 1,
        .used_ms = covey_loop_now_ms(o->services->loop),
    };
    covey_random(s->fence.session.bytes, sizeof(s->fence.session.bytes));
    covey_session_id_own(&s->fence.session, &o->self);
    s->fence.epoch = o->epoch;
    covey__pool_submit(o->services->background, &s->load);
    return s;
}

covey_err covey__owner_infer(struct covey_owner *o, const struct covey_infer *infer,
                             struct covey_body *take_input)
{
    struct covey_request *r = NULL;
    for (size_t i = 0; i < COVEY_REQUESTS_MAX && r == NULL; i++) {
        r = o->request[i].used ? NULL : &o->request[i];
    }
    struct covey_session *s = r != NULL ? session_for(o, infer) : NULL;
    struct covey_control_result *result = s != NULL ? calloc(1, sizeof(*result)) : NULL;
    if (result == NULL) {
        return COVEY_ERR_BUSY;
    }
    uint32_t timeout_ms = infer->options.timeout_ms != 0 ? infer->options.timeout_ms : 30000;
    *r = (struct covey_request){
        .used = true,
        .id = ++o->next_request,
        .infer = *infer,
        .session = s,
        .input = take_input,
        .start_ns = covey_clock_ns(),
        .deadline_ms = covey_loop_now_ms(o->services->loop) + timeout_ms,
        .result = result,
    };
    atomic_store(covey__request_late(r), 0);
    s->requests++;
    struct covey_request **link = &s->waiting;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = r;
    if (s->active != NULL) {
        covey__session_start_waiting(s);
    } else {
        begin_alone(o);
    }
    return COVEY_OK;
}

covey_err covey__owner_costs(struct covey_owner *o, const struct covey_infer *infer,
                             covey_costs_fn fn)
{
    struct covey_session *s = session_for(o, infer);
    struct covey_costs_waiter *w = s != NULL ? calloc(1, sizeof(*w)) : NULL;
    if (w == NULL) {
        return COVEY_ERR_BUSY;
    }
    *w = (struct covey_costs_waiter){fn, infer->user, infer->tag, s->costs_waiters};
    s->costs_waiters = w;
    if (s->state == COVEY_SESSION_OPEN) {
        tell_costs(s);
    }
    return COVEY_OK;
}

void covey__owner_forget(struct covey_owner *o, const void *user)
{
    for (size_t i = 0; i < COVEY_REQUESTS_MAX; i++) {
        if (o->request[i].used && o->request[i].infer.user == user) {
            o->request[i].infer.user = NULL;
            o->request[i].deadline_ms = 0; /* what runs for it stops at the next tick */
        }
    }
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        for (struct covey_costs_waiter *w = o->session[i].costs_waiters; w != NULL; w = w->next) {
            w->user = w->user == user ? NULL : w->user;
        }
    }
}

/* ---- plans ---- */

/* Its session may be closed meanwhile, or the plan given up: one that is made for nobody keeps no
 * session open, and goes away once it is made. */
struct prepare_task {
    struct covey_task task;
    struct covey_owner *owner;
    struct covey_model_share *share; /* the version's model */
    struct covey_version *version;
    covey_err err;
};

static void prepare_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct prepare_task *t = (struct prepare_task *)task;
    t->err = covey__version_make(t->version, &t->owner->self);
}

static void prepared(struct covey_owner *o, const struct covey_fence *fence, covey_err err,
                     uint64_t room_bytes)
{
    struct covey_event event = {
        .type = COVEY_EVENT_PREPARED, .fence = *fence, .err = err, .room_bytes = room_bytes};
    covey__owner_feed(o, &event);
}

static void prepare_done(struct covey_task *task)
{
    struct prepare_task *t = (struct prepare_task *)task;
    struct covey_fence fence = t->version->fence;
    bool wanted = covey__owner_session(t->owner, &fence) != NULL;
    if (t->err == COVEY_ERR_LIMIT && wanted &&
        covey__owner_make_room(t->owner, COVEY_SESSION_RECENT_MS) != NULL) {
        wanted = covey__owner_session(t->owner, &fence) != NULL; /* it may have been its own */
        if (wanted) {
            covey__pool_submit(t->owner->services->background, &t->task);
            return;
        }
    }
    uint64_t room_bytes = covey__session_room(t->owner, t->share->coded);
    covey__version_unref(t->version);
    covey__model_share_unref(t->share);
    if (wanted) {
        prepared(t->owner, &fence, t->err, room_bytes);
    }
    free(t);
}

void covey__owner_prepare(struct covey_owner *o, const struct covey_action *action)
{
    struct covey_session *s = covey__owner_session(o, &action->fence);
    struct prepare_task *t = s != NULL ? calloc(1, sizeof(*t)) : NULL;
    struct covey_version *v =
        t != NULL ? covey__version_new(&action->fence, action->plan, s->file, s->coded) : NULL;
    if (v == NULL) {
        free(t);
        prepared(o, &action->fence, COVEY_ERR_NOMEM, 0);
        return;
    }
    *t = (struct prepare_task){.task = {.work = prepare_work, .done = prepare_done},
                               .owner = o,
                               .share = covey__model_share_ref(s->share),
                               .version = covey__version_ref(v)};
    v->next = s->versions; /* until FORGET, which may come first */
    s->versions = v;
    covey__pool_submit(o->services->background, &t->task);
}

void covey__owner_assign(struct covey_owner *o, const struct covey_action *action)
{
    struct covey_version *v =
        covey__session_version(covey__owner_session(o, &action->fence), &action->fence);
    uint8_t *message = NULL;
    size_t len = 0;
    if (v == NULL || covey__version_assign(v, action, &message, &len) != COVEY_OK) {
        o->services->log(o->services->user, "an assignment could not be made");
        return;
    }
    covey_err err = COVEY_OK;
    if (action->device == v->self) {
        struct covey_event event = {
            .type = COVEY_EVENT_MESSAGE, .peer = o->self, .bytes = covey_bytes_of(message, len)};
        covey__owner_feed(o, &event);
    } else {
        err = covey_channels_send(o->services->channels, &action->peer,
                                  covey_bytes_of(message, len), NULL);
    }
    if (err != COVEY_OK) {
        o->services->log(o->services->user, "an assignment could not be sent");
    }
    free(message);
}

void covey__owner_refused(struct covey_owner *o, const struct covey_action *action)
{
    char line[96];
    snprintf(line, sizeof(line), "refuses its part of a session: it has room for %llu bytes of it",
             (unsigned long long)action->room_bytes);
    o->services->tell(o->services->user, &action->peer, line);
}

void covey__owner_active(struct covey_owner *o, const struct covey_action *action)
{
    struct covey_session *s = covey__owner_session(o, &action->fence);
    struct covey_version *v = covey__session_version(s, &action->fence);
    if (v != NULL) {
        s->active = v;
        if (!s->planned) { /* later ones follow the mesh's changes, and are nobody's use */
            s->planned = true;
            s->used_ms = covey_loop_now_ms(o->services->loop);
        }
        covey__session_start_waiting(s);
    }
}

void covey__owner_forget_version(struct covey_owner *o, const struct covey_action *action)
{
    struct covey_session *s = covey__owner_session(o, &action->fence);
    if (s == NULL) {
        return;
    }
    for (struct covey_version **link = &s->versions; *link != NULL; link = &(*link)->next) {
        struct covey_version *v = *link;
        if (v->fence.version == action->fence.version) {
            *link = v->next;
            if (s->active == v) {
                s->active = NULL;
                s->planless_ms = covey_loop_now_ms(o->services->loop);
            }
            covey__version_unref(v);
            return;
        }
    }
}

void covey__owner_sessions(const struct covey_owner *o,
                           void (*fn)(void *user, const struct covey_owner_session *session),
                           void *user)
{
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        const struct covey_session *s = &o->session[i];
        if (s->used) {
            struct covey_owner_session one = {s->fence.session, s->model, s->requests,
                                              s->stopped || s->removed};
            fn(user, &one);
        }
    }
}

void covey__owner_visit(const struct covey_owner *o, covey_owner_visit_fn fn, void *user)
{
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        const struct covey_session *s = &o->session[i];
        if (s->used) {
            fn(user, &s->fence);
        }
    }
}

/* For how long it stays without requests. */
static uint64_t idle_most_ms(const struct covey_session *s)
{
    return s->stopped          ? 0
           : s->removed        ? SESSION_REMOVED_MS
           : s->active != NULL ? SESSION_IDLE_MS
                               : SESSION_PREPARED_MS;
}

static void close_idle(struct covey_owner *o)
{
    uint64_t now_ms = covey_loop_now_ms(o->services->loop);
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey_session *s = &o->session[i];
        if (covey__session_is_idle(s) && now_ms - s->used_ms >= idle_most_ms(s)) {
            covey__owner_close(s);
        }
    }
}

void covey__owner_tick(struct covey_owner *o)
{
    uint64_t now_ms = covey_loop_now_ms(o->services->loop);
    begin_alone(o);
    for (size_t i = 0; i < COVEY_REQUESTS_MAX; i++) {
        struct covey_request *r = &o->request[i];
        if (r->used && now_ms >= r->deadline_ms) {
            covey__infer_late(r);
        }
    }
    close_idle(o);
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        covey__session_load_awaited(&o->session[i]);
    }
}

void covey__owner_remove(struct covey_owner *o, const struct covey_digest *model)
{
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey_session *s = &o->session[i];
        s->removed = s->removed || (s->used && covey_digest_equal(&s->model, model));
    }
    close_idle(o);
}

covey_err covey__owner_stop(struct covey_owner *o, const struct covey_session_id *id)
{
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey_session *s = &o->session[i];
        if (s->used && covey_session_id_equal(&s->fence.session, id)) {
            s->stopped = true;
            close_idle(o);
            return COVEY_OK;
        }
    }
    return COVEY_ERR_NOT_FOUND;
}
