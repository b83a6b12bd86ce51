/* SPDX-License-Identifier: MIT */
#include "puller_state.h"

/* Each function below answers whether the update had room. */

static struct covey_bytes spec_of(const struct covey__pull_spec *spec)
{
    return covey_bytes_of(spec->bytes, spec->len);
}

static struct covey_action *add(struct covey_update *out, enum covey_action_type type,
                                const struct covey__pull_session *session)
{
    struct covey_action *action = covey__update_add(out, type);
    if (action != NULL) {
        action->peer = session->owner;
        action->has_peer = true;
        action->fence = session->fence;
    }
    return action;
}

static bool send(struct covey_update *out, const struct covey__pull_session *session,
                 enum covey_train_type type, uint8_t credit)
{
    struct covey_train_message message = {.type = type, .fence = session->fence, .credit = credit};
    return covey__update_send_train(out, &session->owner, &message, 0) == COVEY_OK;
}

/* ---- the task that was computed ---- */

static bool pump_run(struct covey_puller *puller, struct covey_update *out)
{
    struct covey__pull_run *run = &puller->run;
    if (run->state == COVEY__PULL_ANSWERING) {
        struct covey_train_message result = {.type = COVEY_TRAIN_RESULT,
                                             .fence = run->fence,
                                             .round = run->round,
                                             .task = run->task,
                                             .work = run->work,
                                             .status = run->status,
                                             .spent_us = run->spent_us};
        covey_handle body = run->status == COVEY_TRAIN_DONE ? run->body : 0;
        if (covey__update_send_train(out, &run->owner, &result, body) != COVEY_OK) {
            return false;
        }
        run->state = COVEY__PULL_RELEASING;
    }
    if (run->state == COVEY__PULL_RELEASING) {
        if (!covey__update_release(out, &run->body)) {
            return false;
        }
        memset(run, 0, sizeof(*run));
    }
    return true;
}

/* ---- sessions ---- */

static bool release_round(struct covey__pull_session *session, struct covey__pull_round *round,
                          struct covey_update *out)
{
    if (round->begun && session->state != COVEY__PULL_DROPPED) {
        struct covey_action *action = add(out, COVEY_ACTION_ROUND_OVER, session);
        if (action == NULL) {
            return false;
        }
        action->request = round->number;
        round->begun = false;
    }
    if (!covey__update_release(out, &round->shared)) {
        return false;
    }
    round->used = false;
    return true;
}

/* What is over, or all of it once it was dropped. */
static bool release_session(struct covey__pull_session *session, struct covey_update *out)
{
    bool all = session->state == COVEY__PULL_DROPPED;
    for (unsigned i = 0; i < COVEY_WORKER_TASKS_MAX; i++) {
        struct covey__pull_task *task = &session->task[i];
        if (task->state == COVEY__PULL_TASK_DROPPED ||
            (all && task->state != COVEY__PULL_TASK_FREE)) {
            if (!covey__update_release(out, &task->body)) {
                return false;
            }
            task->state = COVEY__PULL_TASK_FREE;
        }
    }
    for (unsigned i = 0; i < COVEY__PULLER_ROUNDS; i++) {
        struct covey__pull_round *round = &session->round[i];
        if (round->used && (round->over || all) && !release_round(session, round, out)) {
            return false;
        }
    }
    return true;
}

static bool pump_dropped(struct covey__pull_session *session, struct covey_update *out)
{
    if (session->leave && !send(out, session, COVEY_TRAIN_DISMISS, 0)) {
        return false;
    }
    session->leave = false;
    if (session->told && add(out, COVEY_ACTION_DISMISSED, session) == NULL) {
        return false;
    }
    session->state = COVEY__PULL_FREE;
    return true;
}

static bool pump_new(struct covey__pull_session *session, struct covey_update *out)
{
    struct covey_bytes spec;
    if (out->count == COVEY_UPDATE_ACTIONS_MAX ||
        !covey__update_bytes(out, spec_of(&session->spec), &spec)) {
        out->more = true;
        return false;
    }
    add(out, COVEY_ACTION_ENLISTED, session)->bytes = spec;
    session->told = true;
    session->state = COVEY__PULL_CHECKING;
    return true;
}

static bool pump_session(struct covey__pull_session *session, struct covey_update *out)
{
    if (session->state == COVEY__PULL_DENYING) {
        if (!send(out, session, COVEY_TRAIN_PULL, 0)) {
            return false;
        }
        session->state = COVEY__PULL_DROPPED;
    }
    if (!release_session(session, out)) {
        return false;
    }
    if (session->state == COVEY__PULL_DROPPED) {
        return pump_dropped(session, out);
    }
    if (session->state == COVEY__PULL_NEW) {
        return pump_new(session, out);
    }
    if (session->state == COVEY__PULL_READY && session->credit > 0) {
        uint8_t max = COVEY_WORKER_TASKS_MAX;
        if (!send(out, session, COVEY_TRAIN_PULL, session->credit < max ? session->credit : max)) {
            return false;
        }
        session->credit = 0;
    }
    return true;
}

/* ---- the next task ---- */

/* Its oldest task whose round is here. */
static struct covey__pull_task *next_of(struct covey__pull_session *session)
{
    struct covey__pull_task *next = NULL;
    for (unsigned i = 0; i < COVEY_WORKER_TASKS_MAX; i++) {
        struct covey__pull_task *task = &session->task[i];
        /* The difference, not the numbers: tickets wrap around. */
        if (task->state == COVEY__PULL_TASK_QUEUED &&
            (next == NULL || (int32_t)(task->ticket - next->ticket) < 0) &&
            covey__pull_round_find(session, task->round) != NULL) {
            next = task;
        }
    }
    return next;
}

static bool start(struct covey_puller *puller, struct covey__pull_session *session,
                  struct covey__pull_task *task, struct covey_update *out)
{
    struct covey__pull_round *round = covey__pull_round_find(session, task->round);
    struct covey_bytes round_spec, task_spec;
    if (out->count == COVEY_UPDATE_ACTIONS_MAX ||
        !covey__update_bytes(out, spec_of(&round->spec), &round_spec) ||
        !covey__update_bytes(out, spec_of(&task->spec), &task_spec)) {
        out->more = true;
        return false;
    }
    struct covey_action *action = add(out, COVEY_ACTION_TASK, session);
    action->request = task->round;
    action->index = task->task;
    action->work = task->work;
    action->bytes = round_spec;
    action->task_spec = task_spec;
    action->shared = round->shared;
    action->body = task->body;
    puller->run = (struct covey__pull_run){.state = COVEY__PULL_COMPUTING,
                                           .owner = session->owner,
                                           .fence = session->fence,
                                           .round = task->round,
                                           .task = task->task,
                                           .work = task->work};
    round->begun = true;
    task->body = 0;
    task->state = COVEY__PULL_TASK_FREE;
    return true;
}

/* Owners take turns. */
static bool pump_next(struct covey_puller *puller, struct covey_update *out)
{
    for (unsigned i = 1; i <= COVEY_TRAININGS_MAX; i++) {
        unsigned index = (puller->last + i) % COVEY_TRAININGS_MAX;
        struct covey__pull_session *session = &puller->session[index];
        struct covey__pull_task *task =
            session->state == COVEY__PULL_READY ? next_of(session) : NULL;
        if (task != NULL) {
            puller->last = index;
            return start(puller, session, task, out);
        }
    }
    return true;
}

void covey__pull_pump(struct covey_puller *puller, struct covey_update *out)
{
    if (!pump_run(puller, out)) {
        return;
    }
    /* DISMISSED comes before ENLISTED of the same session. */
    for (unsigned i = 0; i < 2 * COVEY_TRAININGS_MAX; i++) {
        struct covey__pull_session *session = &puller->session[i % COVEY_TRAININGS_MAX];
        bool later = i < COVEY_TRAININGS_MAX && session->state == COVEY__PULL_NEW;
        if (session->state != COVEY__PULL_FREE && !later && !pump_session(session, out)) {
            return;
        }
    }
    if (puller->run.state == COVEY__PULL_IDLE) {
        bool room = pump_next(puller, out);
        (void)room; /* `more` is set where there was none */
    }
}
