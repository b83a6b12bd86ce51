/* SPDX-License-Identifier: MIT */
#include "holder.h"

#include <stdio.h>
#include <stdlib.h>

#include "assignment.h"
#include "covey/message_work.h"
#include "covey/seldom.h"
#include "light.h"

enum { FILL_TRIES = 3 };

struct covey_holder {
    struct covey_services *services;
    struct covey_assignment *assignments; /* loop's thread only */
    struct covey_held_table held;
    struct covey_network_table networks;
    struct covey_seldom no_room, no_use; /* why something was refused */
};

/* One piece of work on one assignment; holds a reference to it. */
struct holder_task {
    struct covey_task task;
    struct covey_holder *holder;
    struct covey_assignment *assignment;
    struct covey_bytes message; /* ASSIGN, then what it lacks; heap */
    struct covey_body *body;    /* COMPUTE: the input */
    struct covey_body *out;     /* COMPUTE: the answer */
    uint32_t work, spent_us;
    uint16_t layer;
    bool own;  /* ASSIGN: of a session of this device */
    bool full; /* the store is */
    unsigned tries;
    uint64_t room_bytes; /* err LIMIT: for the assignment's session */
    covey_err err;
};

covey_err covey__holder_new(struct covey_services *services, struct covey_holder **out)
{
    struct covey_holder *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        return COVEY_ERR_NOMEM;
    }
    h->services = services;
    covey_err err = covey__held_table_init(&h->held);
    if (err != COVEY_OK) {
        free(h);
        return err;
    }
    err = covey__network_table_init(&h->networks);
    if (err != COVEY_OK) {
        covey__held_table_done(&h->held);
        free(h);
        return err;
    }
    *out = h;
    return COVEY_OK;
}

void covey__holder_free(struct covey_holder *h)
{
    if (h == NULL) {
        return;
    }
    while (h->assignments != NULL) {
        struct covey_assignment *a = h->assignments;
        h->assignments = a->next;
        covey__assignment_unref(a);
    }
    covey__held_table_done(&h->held);
    covey__network_table_done(&h->networks);
    free(h);
}

static struct covey_assignment *find(const struct covey_holder *h,
                                     const struct covey_node_id *owner,
                                     const struct covey_fence *fence)
{
    for (struct covey_assignment *a = h->assignments; a != NULL; a = a->next) {
        if (covey_node_id_equal(&a->owner, owner) && a->fence.epoch == fence->epoch &&
            a->fence.version == fence->version &&
            covey_session_id_equal(&a->fence.session, &fence->session)) {
            return a;
        }
    }
    return NULL;
}

struct covey_assignment *covey__holder_find(const struct covey_holder *h,
                                            const struct covey_node_id *owner,
                                            const struct covey_fence *fence)
{
    struct covey_assignment *a = find(h, owner, fence);
    return a != NULL && a->ready ? a : NULL;
}

struct covey_assignment *covey__holder_ready(const struct covey_holder *h,
                                             const struct covey_node_id *owner,
                                             const struct covey_fence *fence)
{
    struct covey_assignment *a = find(h, owner, fence);
    return a != NULL && a->ready ? a : NULL;
}

static struct holder_task *task_new(struct covey_holder *h, struct covey_assignment *a)
{
    struct holder_task *t = calloc(1, sizeof(*t));
    if (t != NULL) {
        t->holder = h;
        t->assignment = covey__assignment_ref(a);
    }
    return t;
}

static void task_free(struct holder_task *t)
{
    covey__assignment_unref(t->assignment);
    covey_body_unref(t->body);
    covey_body_unref(t->out);
    free((void *)(uintptr_t)t->message.ptr);
    free(t);
}

static void feed(struct covey_holder *h, const struct covey_event *event)
{
    h->services->feed(h->services->user, event);
}

static void drop(struct covey_holder *h, const struct covey_node_id *owner,
                 const struct covey_fence *fence, bool same_version_only)
{
    struct covey_assignment **link = &h->assignments;
    while (*link != NULL) {
        struct covey_assignment *a = *link;
        bool match = covey_node_id_equal(&a->owner, owner) &&
                     covey_session_id_equal(&a->fence.session, &fence->session) &&
                     (same_version_only ? a->fence.version == fence->version
                                        : a->fence.version <= fence->version);
        if (match) {
            *link = a->next;
            a->retired = true;
            covey__assignment_unref(a);
        } else {
            link = &a->next;
        }
    }
}

/* ---- ASSIGNED: parse, load what is on disk, tell what is missing, lay out ---- */

static void submit_look(struct holder_task *t);

static void note_room(struct holder_task *t)
{
    t->room_bytes = t->err == COVEY_ERR_LIMIT ? covey__assignment_room(t->assignment) : 0;
}

/* What is missing is told; when nothing is, the weights are laid out behind the requests. */
static void look(struct holder_task *t)
{
    t->err = covey__assignment_wants(t->assignment, &t->holder->services->store, &t->message);
    note_room(t);
}

static void look_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    look((struct holder_task *)task);
}

/* Those of others must fit the store too, beside which this node has its own sessions: nothing is
 * fetched that it would refuse. */
static uint64_t slices_most(const struct holder_task *t)
{
    const struct covey_services *s = t->holder->services;
    uint64_t own = atomic_load(&s->memory.own_bytes), most = s->memory.limit_bytes;
    bool small = !t->own && own < most && s->store_bytes < most - own;
    return small ? s->store_bytes + own : most;
}

static void check_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct holder_task *t = (struct holder_task *)task;
    struct covey_work_message message;
    t->err = covey_work_decode(t->message, &message);
    if (t->err == COVEY_OK) {
        t->err = covey__assignment_parse(t->assignment, &message.assign,
                                         &t->holder->services->memory.used_bytes, slices_most(t));
    }
    free((void *)(uintptr_t)t->message.ptr);
    t->message = covey_bytes_of(NULL, 0);
    note_room(t);
    if (t->err == COVEY_OK) {
        look(t);
    }
}

static void fill_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct holder_task *t = (struct holder_task *)task;
    t->err = covey__assignment_fill(t->assignment, &t->holder->services->store);
    note_room(t);
}

/* The store is full: what came so far is what it can have. */
static void full_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct holder_task *t = (struct holder_task *)task;
    t->room_bytes = covey__assignment_stored(t->assignment);
}

/* Of a store that is full content.c says so. */
static void log_refused(struct holder_task *t)
{
    struct covey_services *s = t->holder->services;
    uint64_t now_ms = covey_loop_now_ms(s->loop);
    char line[128];
    if (t->err != COVEY_ERR_LIMIT && covey_seldom_due(&t->holder->no_use, now_ms)) {
        snprintf(line, sizeof(line), "an assignment is refused: %s", covey_strerror(t->err));
        s->log(s->user, line);
    } else if (t->err == COVEY_ERR_LIMIT && !t->full &&
               covey_seldom_due(&t->holder->no_room, now_ms)) {
        snprintf(line, sizeof(line),
                 "asks for more than has room here: its session can have %llu bytes "
                 "(coveyd --memory, --store)",
                 (unsigned long long)t->room_bytes);
        s->tell(s->user, &t->assignment->owner, line);
    }
}

/* The assignment's state goes to core. */
static void tell_look(struct holder_task *t)
{
    struct covey_assignment *a = t->assignment;
    if (!a->retired) {
        a->ready = t->err == COVEY_OK && t->message.len == 0;
        struct covey_event event = {.type = COVEY_EVENT_ASSIGN_CHECKED,
                                    .peer = a->owner,
                                    .fence = a->fence,
                                    .bytes = t->message,
                                    .room_bytes = t->room_bytes,
                                    .err = t->err};
        if (t->err != COVEY_OK) { /* core has forgotten it then: it shall take no memory */
            log_refused(t);
            drop(t->holder, &a->owner, &a->fence, true);
        }
        feed(t->holder, &event);
    }
    task_free(t);
}

static void fill_done(struct covey_task *task)
{
    struct holder_task *t = (struct holder_task *)task;
    bool torn = t->err == COVEY_ERR_NOT_FOUND || t->err == COVEY_ERR_MALFORMED;
    if (torn && t->tries++ < FILL_TRIES && !t->assignment->retired) {
        submit_look(t); /* the store noticed a bad blob, and dropped it */
        return;
    }
    tell_look(t);
}

static void full_done(struct covey_task *task)
{
    tell_look((struct holder_task *)task);
}

static void look_done(struct covey_task *task)
{
    struct holder_task *t = (struct holder_task *)task;
    if (t->err != COVEY_OK || t->message.len > 0 || t->assignment->retired) {
        tell_look(t);
        return;
    }
    t->task.work = fill_work;
    t->task.done = fill_done;
    covey__pool_submit(t->holder->services->background, &t->task);
}

static void submit_look(struct holder_task *t)
{
    t->task.work = look_work;
    t->task.done = look_done;
    covey__pool_submit(t->holder->services->storage, &t->task);
}

static void tell_checked(struct covey_holder *h, const struct covey_action *action, covey_err err)
{
    struct covey_event event = {.type = COVEY_EVENT_ASSIGN_CHECKED,
                                .peer = action->peer,
                                .fence = action->fence,
                                .err = err};
    feed(h, &event);
}

void covey__holder_assigned(struct covey_holder *h, const struct covey_action *action)
{
    drop(h, &action->peer, &action->fence, true);
    struct covey_assignment *a = covey__assignment_new(&action->peer, &action->fence);
    bool planned =
        a != NULL && (action->plan == NULL ||
                      covey__assignment_plan(a, action->plan, action->device) == COVEY_OK);
    struct holder_task *t = planned ? task_new(h, a) : NULL;
    uint8_t *copy = malloc(action->bytes.len + 1);
    if (t == NULL || copy == NULL) {
        free(copy);
        if (t != NULL) {
            task_free(t);
        }
        covey__assignment_unref(a);
        tell_checked(h, action, COVEY_ERR_NOMEM);
        return;
    }
    memcpy(copy, action->bytes.ptr, action->bytes.len);
    t->message = covey_bytes_of(copy, action->bytes.len);
    struct covey_member_info self;
    t->own = h->services->member(h->services->user, NULL, &self) &&
             covey_node_id_equal(&self.id, &action->peer);
    a->table = &h->held;
    a->memory = &h->services->memory;
    a->networks = &h->networks;
    t->task.work = check_work;
    t->task.done = look_done;
    a->next = h->assignments;
    h->assignments = a;
    covey__pool_submit(h->services->storage, &t->task);
}

/* ---- FETCHED: what was missing is in the store now ---- */

void covey__holder_fetched(struct covey_holder *h, const struct covey_action *action)
{
    struct covey_assignment *a = find(h, &action->peer, &action->fence);
    if (a == NULL || a->ready) {
        return;
    }
    struct holder_task *t = task_new(h, a);
    if (t == NULL) {
        drop(h, &action->peer, &action->fence, true);
        tell_checked(h, action, COVEY_ERR_NOMEM);
        return;
    }
    t->err = action->err;
    t->full = t->err == COVEY_ERR_LIMIT;
    if (t->full) {
        t->task.work = full_work;
        t->task.done = full_done;
        covey__pool_submit(h->services->storage, &t->task);
    } else if (t->err != COVEY_OK) {
        tell_look(t);
    } else {
        submit_look(t);
    }
}

/* ---- COMPUTE ---- */

static void compute_work(struct covey_task *task, struct covey_scratch *scratch)
{
    struct holder_task *t = (struct holder_task *)task;
    uint64_t start = covey_thread_cpu_ns();
    t->err = covey__assignment_compute(t->assignment, t->layer, t->body, scratch, &t->out);
    t->spent_us = (uint32_t)((covey_thread_cpu_ns() - start) / 1000);
}

static void tell_computed(struct covey_holder *h, const struct covey_node_id *owner, uint32_t work,
                          uint32_t spent_us, struct covey_body *take_out)
{
    size_t len = take_out != NULL ? take_out->len : 0;
    struct covey_event event = {.type = COVEY_EVENT_COMPUTED,
                                .peer = *owner,
                                .work = work,
                                .spent_us = spent_us,
                                .body = covey__handles_put(&h->services->handles, take_out),
                                .body_len = len};
    feed(h, &event);
}

static void compute_done(struct covey_task *task)
{
    struct holder_task *t = (struct holder_task *)task;
    if (covey__lab_late(&t->holder->services->lab, task)) {
        return;
    }
    struct covey_body *out = t->out;
    t->out = NULL;
    covey__lab_lie(&t->holder->services->lab, out);
    tell_computed(t->holder, &t->assignment->owner, t->work, t->spent_us, out);
    task_free(t);
}

void covey__holder_compute(struct covey_holder *h, const struct covey_action *action)
{
    struct covey_body *body = covey__handles_take(&h->services->handles, action->body);
    struct covey_assignment *a = find(h, &action->peer, &action->fence);
    bool fits = a != NULL && a->ready && body != NULL &&
                covey__assignment_accepts(a, action->layer, body->len);
    struct holder_task *t = fits ? task_new(h, a) : NULL;
    if (t == NULL) {
        covey_body_unref(body);
        tell_computed(h, &action->peer, action->work, 0, NULL);
        return;
    }
    t->body = body;
    t->layer = action->layer;
    t->work = action->work;
    t->task.work = compute_work;
    t->task.done = compute_done;
    bool light = covey__light_product(&a->layer[t->layer], a->held[t->layer]);
    covey__pool_give(h->services->compute, &t->task, light);
}

void covey__holder_retired(struct covey_holder *h, const struct covey_action *action)
{
    drop(h, &action->peer, &action->fence, false);
}
