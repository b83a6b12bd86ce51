/* SPDX-License-Identifier: MIT */
#include "task_work.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "covey/field.h"
#include "task_enlist.h"

/* One at a time: the node hands out the next one when this one's TASK_DONE came. */
struct piece {
    struct covey_task task;
    struct covey_task_work *owner;
    struct covey_node_id peer;
    struct covey_fence fence;
    uint64_t round;
    uint32_t work;
    struct covey_round_spec spec;
    struct covey_task_spec what;
    struct covey_body *shared, *body, *out;
    struct covey__enlisted *enlisted; /* of a gradient: what it takes is counted there */
    uint64_t counted_bytes;           /* of the account, of a product */
    uint64_t start_ns;                /* its thread's processor time */
    uint32_t spent_us;                /* until it was answered */
    bool streams;                     /* its answer may leave while it is made */
    _Atomic bool grew;                /* and has begun to be there */
    bool begun;                       /* it was given away */
    _Atomic bool stop;                /* worth nothing any more */
};

struct covey_task_work {
    struct covey_services *services;
    struct covey_threads *threads;    /* of one task at a time; NULL: the pool's thread alone */
    struct covey_timer *timer;        /* of a lab's delay */
    struct piece *computing;          /* on a thread of the pool; or NULL */
    struct piece *next;               /* when that has made all of an answer that left; or NULL */
    struct piece *late;               /* computed, and answered when the delay is over; or NULL */
    struct covey__enlisted *enlisted; /* sessions of gradients */
    _Atomic bool posted;              /* the loop comes to on_grew() */
    struct covey_seldom no_room;
};

covey_err covey__task_work_new(struct covey_services *services, struct covey_task_work **out)
{
    struct covey_task_work *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return COVEY_ERR_NOMEM;
    }
    w->services = services;
    unsigned threads = covey__pool_threads(services->compute);
    covey_err err = threads > 1 ? covey_threads_new(threads, &w->threads) : COVEY_OK;
    if (err != COVEY_OK) {
        free(w);
        return err;
    }
    *out = w;
    return COVEY_OK;
}

static void piece_free(struct piece *p)
{
    covey_body_unref(p->shared);
    covey_body_unref(p->body);
    covey_body_unref(p->out);
    covey__enlist_unref(p->enlisted);
    covey__account_give(&p->owner->services->memory, p->counted_bytes);
    free(p);
}

void covey__task_work_free(struct covey_task_work *w)
{
    if (w == NULL) {
        return;
    }
    if (w->late != NULL) {
        piece_free(w->late);
    }
    if (w->next != NULL) {
        piece_free(w->next);
    }
    while (w->enlisted != NULL) {
        struct covey__enlisted *e = w->enlisted;
        w->enlisted = e->next;
        e->refs -= e->fetching;
        covey__enlist_unref(e);
    }
    covey_timer_free(w->timer);
    covey_threads_free(w->threads);
    covey_loop_unpost(w->services->loop, w);
    free(w);
}

static void tell_done(struct covey_task_work *w, const struct covey_node_id *peer, uint32_t work,
                      uint32_t spent_us, struct covey_body *take_out)
{
    struct covey_services *s = w->services;
    size_t len = take_out != NULL ? take_out->len : 0;
    const struct covey_event event = {.type = COVEY_EVENT_TASK_DONE,
                                      .peer = *peer,
                                      .work = work,
                                      .spent_us = spent_us,
                                      .body = covey__handles_put(&s->handles, take_out),
                                      .body_len = len};
    s->feed(s->user, &event);
}

/* ---- the product, on a compute thread ---- */

/* Whether what came is as long as the specs say, and of the field if it should be. */
static bool is_whole(const struct piece *p, size_t e, size_t b)
{
    const struct covey_round_spec *spec = &p->spec;
    size_t own = spec->own_b ? b : 0;
    bool whole = p->body != NULL && p->body->len == (e + own) * sizeof(float) &&
                 (spec->own_b || (p->shared != NULL && p->shared->len == b * sizeof(float)));
    if (!whole || spec->prime == COVEY_FIELD_PRIMES) {
        return whole;
    }
    return covey_field_holds((const float *)(const void *)p->body->data, e + own, spec->prime) &&
           (spec->own_b ||
            covey_field_holds((const float *)(const void *)p->shared->data, b, spec->prime));
}

static covey_err compute_product(struct piece *p, struct covey_scratch *scratch,
                                 struct covey_body **out)
{
    const struct covey_train_product *sizes = &p->spec.product;
    uint32_t all = covey_train_product_rows(sizes), rows = p->what.rows;
    if (rows == 0 || rows > all) {
        return COVEY_ERR_RANGE;
    }
    size_t e = covey_train_product_a_floats(sizes) / all * rows;
    size_t b = covey_train_product_b_floats(sizes);
    size_t c = covey_train_product_c_floats(sizes) / all * rows;
    struct covey_threads *threads = p->owner->threads;
    size_t room =
        covey_train_product_scratch(sizes, rows, p->spec.prime, covey_threads_count(threads));
    if (!is_whole(p, e, b)) {
        return COVEY_ERR_RANGE;
    }
    uint64_t bytes = ((uint64_t)e + b + c) * sizeof(float);
    if (!covey__account_take(&p->owner->services->memory, bytes)) {
        return COVEY_ERR_BUSY;
    }
    p->counted_bytes = bytes;
    float *space = covey__scratch_get(scratch, room / sizeof(float) + 1);
    struct covey_body *answer = NULL;
    covey_err err = space != NULL ? covey_body_new(c * sizeof(float), &answer) : COVEY_ERR_NOMEM;
    if (err != COVEY_OK) {
        return err;
    }
    const float *data = (const float *)(const void *)p->body->data;
    covey_train_product_compute(&(struct covey_train_product_run){
        .product = sizes,
        .rows = rows,
        .prime = p->spec.prime,
        .a = data,
        .b = p->spec.own_b ? data + e : (const float *)(const void *)p->shared->data,
        .c = (float *)(void *)answer->data,
        .scratch = space,
        .threads = threads});
    *out = answer;
    return COVEY_OK;
}

static void note_spent(struct piece *p)
{
    p->spent_us = (uint32_t)((covey_thread_cpu_ns() - p->start_ns) / 1000);
}

static void on_grew(void *user);

/* The loop may come later or, without memory, not at all: the end of the work does the same. */
static void gradient_grew(void *user)
{
    struct piece *p = user;
    struct covey_task_work *w = p->owner;
    if (!p->grew) {
        note_spent(p);
        p->grew = true;
    }
    if (!atomic_exchange(&w->posted, true) &&
        covey_loop_post(w->services->loop, on_grew, w) != COVEY_OK) {
        w->posted = false;
    }
}

static covey_err compute_gradient(struct piece *p)
{
    const struct covey__gradient_task task = {.round = &p->spec,
                                              .spec = &p->what,
                                              .shared = p->shared,
                                              .body = p->body,
                                              .stop = &p->stop,
                                              .grew = p->streams ? gradient_grew : NULL,
                                              .user = p};
    return covey__gradient_work_compute(p->enlisted->work, &task, &p->out);
}

static void work_on(struct covey_task *task, struct covey_scratch *scratch)
{
    struct piece *p = (struct piece *)task;
    p->start_ns = covey_thread_cpu_ns();
    if (p->stop) {
        return;
    }
    covey_err err =
        p->enlisted == NULL ? compute_product(p, scratch, &p->out) : compute_gradient(p);
    if (err != COVEY_OK && !p->grew) {
        p->out = NULL; /* refused */
    }
    if (!p->grew) {
        note_spent(p);
    }
}

/* ---- on the loop ---- */

static void give(struct piece *p)
{
    struct covey_body *out = p->stop && !p->grew ? NULL : p->out;
    p->begun = true;
    if (out != NULL) {
        covey_body_ref(out);
    }
    covey__lab_lie(&p->owner->services->lab, p->streams ? NULL : out);
    tell_done(p->owner, &p->peer, p->work, p->spent_us, out);
}

static void on_grew(void *user)
{
    struct covey_task_work *w = user;
    w->posted = false;
    if (w->computing != NULL && w->computing->grew && !w->computing->begun) {
        give(w->computing);
    }
    covey_channels_wake(w->services->channels);
}

static void answer(struct piece *p)
{
    if (!p->begun) {
        give(p);
    }
    piece_free(p);
}

static void on_due(void *user)
{
    struct covey_task_work *w = user;
    struct piece *p = w->late;
    w->late = NULL;
    if (p != NULL) {
        answer(p);
    }
}

static void start(struct covey_task_work *w, struct piece *p)
{
    w->computing = p;
    covey__pool_submit(w->services->compute, &p->task);
}

static void work_done(struct covey_task *task)
{
    struct piece *p = (struct piece *)task;
    struct covey_task_work *w = p->owner;
    uint64_t delay_ms = covey__lab_task_delay(&w->services->lab, p->round);
    w->computing = NULL;
    if (p->grew) {
        answer(p);
        covey_channels_wake(w->services->channels);
        p = w->next;
        w->next = NULL;
        if (p != NULL) {
            start(w, p);
        }
        return;
    }
    bool slept =
        delay_ms > 0 && !p->stop &&
        (w->timer != NULL || covey_timer_new(w->services->loop, on_due, w, &w->timer) == COVEY_OK);
    if (!slept) {
        answer(p);
        return;
    }
    w->late = p;
    covey_timer_set(w->timer, covey_loop_now_ms(w->services->loop) + delay_ms);
}

/* What it sends itself is never on its way. */
static bool is_own(const struct covey_services *s, const struct covey_node_id *peer)
{
    struct covey_member_info own;
    return s->member(s->user, NULL, &own) && covey_node_id_equal(&own.id, peer);
}

static void on_task(struct covey_task_work *w, const struct covey_action *action)
{
    struct covey_services *s = w->services;
    struct covey_body *body = covey__handles_take(&s->handles, action->body);
    struct covey_body *shared = covey__handles_get(&s->handles, action->shared);
    struct piece *p = calloc(1, sizeof(*p));
    bool fits = p != NULL && body != NULL &&
                covey__round_spec_decode(action->bytes, &p->spec) == COVEY_OK &&
                covey__task_spec_decode(action->task_spec, &p->what) == COVEY_OK;
    bool gradient = fits && p->spec.mode == COVEY_TRAIN_DATA;
    struct covey__enlisted *enlisted =
        gradient ? covey__enlist_find(w->enlisted, &action->peer, &action->fence) : NULL;
    if (!fits || gradient != (p->what.count > 0) || gradient != (enlisted != NULL)) {
        free(p);
        covey_body_unref(body);
        tell_done(w, &action->peer, action->work, 0, NULL);
        return;
    }
    COVEY_ASSERT((w->computing == NULL || w->computing->begun) && w->next == NULL &&
                 w->late == NULL);
    p->owner = w;
    p->enlisted = gradient ? covey__enlist_ref(enlisted) : NULL;
    p->peer = action->peer;
    p->fence = action->fence;
    p->round = action->request;
    p->work = action->work;
    p->body = body;
    p->shared = shared != NULL ? covey_body_ref(shared) : NULL;
    p->task.work = work_on;
    p->task.done = work_done;
    p->streams = gradient && covey__lab_idle(&s->lab) && !is_own(s, &action->peer);
    if (w->computing != NULL) {
        w->next = p;
        return;
    }
    start(w, p);
}

static bool is_of(const struct piece *p, const struct covey_action *action)
{
    bool round = action->type == COVEY_ACTION_DISMISSED || p->round == action->request;
    return round && covey_node_id_equal(&p->peer, &action->peer) &&
           p->fence.epoch == action->fence.epoch &&
           covey_session_id_equal(&p->fence.session, &action->fence.session);
}

/* What is computed for it is worth nothing: a delay ends at once, a product when it is done. */
static void on_over(struct covey_task_work *w, const struct covey_action *action)
{
    if (w->computing != NULL && is_of(w->computing, action)) {
        w->computing->stop = true;
    }
    if (w->next != NULL && is_of(w->next, action)) {
        w->next->stop = true;
    }
    if (w->late != NULL && is_of(w->late, action)) {
        w->late->stop = true;
        covey_timer_set(w->timer, UINT64_MAX);
        on_due(w);
    }
}

void covey__task_work_action(struct covey_task_work *w, const struct covey_action *action)
{
    switch ((int)action->type) {
    case COVEY_ACTION_ENLISTED:
        covey__enlist_begin(&w->enlisted, w->services, &w->no_room, action);
        break;
    case COVEY_ACTION_TASK:
        on_task(w, action);
        break;
    case COVEY_ACTION_ROUND_OVER:
        on_over(w, action);
        break;
    case COVEY_ACTION_DISMISSED:
        on_over(w, action);
        covey__enlist_end(&w->enlisted, action);
        break;
    default:
        COVEY_ASSERT(!"no action of a worker's");
    }
}

bool covey__task_work_fetched(struct covey_task_work *w, const struct covey_action *action)
{
    return covey__enlist_fetched(w->enlisted, action);
}
