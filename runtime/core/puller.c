/* SPDX-License-Identifier: MIT */
#include "puller.h"

#include "puller_state.h"

size_t covey__puller_size(void)
{
    return sizeof(struct covey_puller);
}

void covey__puller_init(struct covey_puller *puller)
{
    memset(puller, 0, sizeof(*puller));
}

bool covey__pull_same(const struct covey_fence *a, const struct covey_fence *b)
{
    return a->epoch == b->epoch && covey_session_id_equal(&a->session, &b->session);
}

static bool is_live(const struct covey__pull_session *session)
{
    return session->state == COVEY__PULL_NEW || session->state == COVEY__PULL_CHECKING ||
           session->state == COVEY__PULL_READY;
}

struct covey__pull_session *covey__pull_find(struct covey_puller *puller,
                                             const struct covey_node_id *owner,
                                             const struct covey_fence *fence)
{
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        struct covey__pull_session *session = &puller->session[i];
        if (is_live(session) && covey_node_id_equal(&session->owner, owner) &&
            covey__pull_same(&session->fence, fence)) {
            return session;
        }
    }
    return NULL;
}

struct covey__pull_round *covey__pull_round_find(struct covey__pull_session *session,
                                                 uint64_t number)
{
    for (unsigned i = 0; i < COVEY__PULLER_ROUNDS; i++) {
        struct covey__pull_round *round = &session->round[i];
        if (round->used && !round->over && round->number == number) {
            return round;
        }
    }
    return NULL;
}

/* Nothing of it goes to its owner any more, but for DISMISS where it does not know yet. */
static void drop_session(struct covey_puller *puller, struct covey__pull_session *session,
                         bool leave)
{
    struct covey__pull_run *run = &puller->run;
    if (covey_node_id_equal(&run->owner, &session->owner) &&
        covey__pull_same(&run->fence, &session->fence)) {
        run->orphan = true;
        run->state = run->state == COVEY__PULL_ANSWERING ? COVEY__PULL_RELEASING : run->state;
    }
    session->state = COVEY__PULL_DROPPED;
    session->leave = leave;
    session->credit = 0;
}

/* ---- messages ---- */

static void keep_spec(struct covey__pull_spec *spec, struct covey_bytes bytes)
{
    spec->len = (uint16_t)bytes.len;
    if (bytes.len > 0) {
        memcpy(spec->bytes, bytes.ptr, bytes.len);
    }
}

/* Whoever owns it in the highest epoch is believed: the others' work is over. */
static bool is_newest(struct covey_puller *puller, const struct covey_node_id *peer,
                      const struct covey_fence *fence)
{
    bool newest = true;
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        struct covey__pull_session *session = &puller->session[i];
        if (!is_live(session) ||
            !covey_session_id_equal(&session->fence.session, &fence->session)) {
            continue;
        }
        bool same = covey_node_id_equal(&session->owner, peer);
        if (session->fence.epoch < fence->epoch || (same && session->fence.epoch == fence->epoch)) {
            drop_session(puller, session, !same); /* its owner asks anew: it knows of nothing */
        } else {
            newest = false;
        }
    }
    return newest;
}

/* Whether one more of this owner's may take a place. */
static bool has_place(const struct covey_puller *puller, const struct covey_node_id *owner)
{
    unsigned of_owner = 0;
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        of_owner += puller->session[i].state != COVEY__PULL_FREE &&
                    covey_node_id_equal(&puller->session[i].owner, owner);
    }
    return of_owner < COVEY__PULLER_OWNER_SESSIONS;
}

static bool take_enlist(struct covey_puller *puller, const struct covey_node_id *peer,
                        const struct covey_train_message *message, struct covey_update *out)
{
    struct covey__pull_session *session = NULL;
    if (is_newest(puller, peer, &message->fence)) {
        covey__pull_pump(puller, out); /* what it takes the place of goes first */
        bool place = has_place(puller, peer);
        for (unsigned i = 0; place && session == NULL && i < COVEY_TRAININGS_MAX; i++) {
            bool vacant = puller->session[i].state == COVEY__PULL_FREE;
            session = vacant ? &puller->session[i] : NULL;
        }
    }
    if (session == NULL) {
        struct covey_train_message denied = {.type = COVEY_TRAIN_PULL, .fence = message->fence};
        return covey__update_send_train(out, peer, &denied, 0) == COVEY_OK;
    }
    memset(session, 0, sizeof(*session));
    session->state = COVEY__PULL_NEW;
    session->owner = *peer;
    session->fence = message->fence;
    keep_spec(&session->spec, message->spec);
    return true;
}

static bool was_over(const struct covey__pull_session *session, uint64_t number)
{
    for (unsigned i = 0; i < session->overs; i++) {
        if (session->over[i] == number) {
            return true;
        }
    }
    return false;
}

static bool take_round(struct covey_puller *puller, struct covey__pull_session *session,
                       const struct covey_train_message *message, covey_handle body)
{
    struct covey__pull_round *vacant = NULL;
    if (was_over(session, message->round) ||
        covey__pull_round_find(session, message->round) != NULL) {
        return false;
    }
    for (unsigned i = 0; vacant == NULL && i < COVEY__PULLER_ROUNDS; i++) {
        vacant = session->round[i].used ? NULL : &session->round[i];
    }
    if (vacant == NULL) {
        /* No owner has so many: what this one counts on cannot be guessed. */
        drop_session(puller, session, true);
        return false;
    }
    vacant->used = true;
    vacant->over = false;
    vacant->begun = false;
    vacant->number = message->round;
    vacant->shared = body;
    keep_spec(&vacant->spec, message->spec);
    return true;
}

static bool take_task(struct covey_puller *puller, struct covey__pull_session *session,
                      const struct covey_train_message *message, covey_handle body)
{
    struct covey__pull_task *vacant = NULL;
    if (was_over(session, message->round)) {
        session->credit++; /* its body came behind the end of its round */
        return false;
    }
    for (unsigned i = 0; vacant == NULL && i < COVEY_WORKER_TASKS_MAX; i++) {
        bool is_free = session->task[i].state == COVEY__PULL_TASK_FREE;
        vacant = is_free ? &session->task[i] : NULL;
    }
    if (vacant == NULL) {
        drop_session(puller, session, true); /* more than it was given credit for */
        return false;
    }
    vacant->state = COVEY__PULL_TASK_QUEUED;
    vacant->round = message->round;
    vacant->task = message->task;
    vacant->work = message->work;
    vacant->ticket = ++puller->ticket;
    vacant->body = body;
    keep_spec(&vacant->spec, message->spec);
    return true;
}

static void take_over(struct covey_puller *puller, struct covey__pull_session *session,
                      uint64_t number)
{
    struct covey__pull_round *round = covey__pull_round_find(session, number);
    struct covey__pull_run *run = &puller->run;
    if (was_over(session, number)) {
        return;
    }
    session->over[session->next_over] = number;
    session->next_over = (uint8_t)((session->next_over + 1) % COVEY__PULLER_OVERS);
    if (session->overs < COVEY__PULLER_OVERS) {
        session->overs++;
    }
    for (unsigned i = 0; i < COVEY_WORKER_TASKS_MAX; i++) {
        struct covey__pull_task *task = &session->task[i];
        if (task->state == COVEY__PULL_TASK_QUEUED && task->round == number) {
            task->state = COVEY__PULL_TASK_DROPPED;
            session->credit++;
        }
    }
    if (run->state == COVEY__PULL_COMPUTING && !run->orphan && run->round == number &&
        covey_node_id_equal(&run->owner, &session->owner) &&
        covey__pull_same(&run->fence, &session->fence)) {
        run->over = true;
    }
    if (round != NULL) {
        round->over = true;
    }
}

covey_err covey__puller_message(struct covey_puller *puller, const struct covey_node_id *peer,
                                const struct covey_train_message *message, covey_handle body,
                                struct covey_update *out)
{
    struct covey__pull_session *session = covey__pull_find(puller, peer, &message->fence);
    bool ready = session != NULL && session->state == COVEY__PULL_READY;
    bool taken = false;
    bool room = true;
    if (message->type == COVEY_TRAIN_ENLIST) {
        room = take_enlist(puller, peer, message, out);
    } else if (message->type == COVEY_TRAIN_ROUND && ready) {
        taken = take_round(puller, session, message, body);
    } else if (message->type == COVEY_TRAIN_TASK && ready) {
        taken = take_task(puller, session, message, body);
    } else if (message->type == COVEY_TRAIN_OVER && ready) {
        take_over(puller, session, message->round);
    } else if (message->type == COVEY_TRAIN_DISMISS && session != NULL) {
        drop_session(puller, session, false);
    }
    /* node.c gives an empty update, so there is room. */
    room = (taken || covey__update_release(out, &body)) && room;
    covey__pull_pump(puller, out);
    return room ? COVEY_OK : COVEY_ERR_SPACE;
}

/* ---- events ---- */

static void enlist_checked(struct covey_puller *puller, const struct covey_event *event)
{
    struct covey__pull_session *session = covey__pull_find(puller, &event->peer, &event->fence);
    if (session == NULL || session->state != COVEY__PULL_CHECKING) {
        return;
    }
    session->state = event->err == COVEY_OK ? COVEY__PULL_READY : COVEY__PULL_DENYING;
    session->credit = COVEY__PULLER_CREDIT;
}

static void task_done(struct covey_puller *puller, const struct covey_event *event,
                      struct covey_update *out)
{
    struct covey__pull_run *run = &puller->run;
    covey_handle body = event->body;
    if (run->state != COVEY__PULL_COMPUTING || run->work != event->work ||
        !covey_node_id_equal(&run->owner, &event->peer)) {
        bool released = covey__update_release(out, &body);
        (void)released; /* node.c gives an empty update, so there is room. */
        return;
    }
    run->body = body;
    run->spent_us = event->spent_us;
    run->status = body != 0 && event->err == COVEY_OK ? COVEY_TRAIN_DONE : COVEY_TRAIN_REFUSED;
    run->state = COVEY__PULL_ANSWERING;
    if (run->orphan || run->over) {
        struct covey__pull_session *session = covey__pull_find(puller, &run->owner, &run->fence);
        if (!run->orphan && session != NULL) {
            session->credit++;
        }
        run->state = COVEY__PULL_RELEASING;
    }
}

covey_err covey__puller_event(struct covey_puller *puller, const struct covey_event *event,
                              struct covey_update *out)
{
    if (event->type == COVEY_EVENT_ENLIST_CHECKED) {
        enlist_checked(puller, event);
    } else if (event->type == COVEY_EVENT_TASK_DONE) {
        task_done(puller, event, out);
    }
    covey__pull_pump(puller, out);
    return COVEY_OK;
}

covey_err covey__puller_peer_down(struct covey_puller *puller, const struct covey_node_id *peer,
                                  struct covey_update *out)
{
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        struct covey__pull_session *session = &puller->session[i];
        if (session->state != COVEY__PULL_FREE && covey_node_id_equal(&session->owner, peer)) {
            drop_session(puller, session, false);
        }
    }
    covey__pull_pump(puller, out);
    return COVEY_OK;
}

covey_err covey__puller_tick(struct covey_puller *puller, struct covey_update *out)
{
    covey__pull_pump(puller, out);
    return COVEY_OK;
}
