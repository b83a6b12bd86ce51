/* SPDX-License-Identifier: MIT */
#include "taskpool_state.h"

struct covey__pool_round *covey__pool_round_find(struct covey__pool_session *session,
                                                 uint64_t number)
{
    for (unsigned i = 0; i < COVEY_ROUNDS_MAX; i++) {
        struct covey__pool_round *round = &session->round[i];
        if (round->state == COVEY__POOL_ROUND_OPEN && round->number == number) {
            return round;
        }
    }
    return NULL;
}

covey_err covey__pool_round_begin(struct covey_taskpool *pool, struct covey__pool_session *session,
                                  const struct covey_event *event)
{
    struct covey__pool_round *round = NULL;
    if (event->bytes.len > COVEY_TASK_SPEC_MAX) {
        return COVEY_ERR_LIMIT;
    }
    if (session->begun && event->request <= session->last_round) {
        return COVEY_ERR_RANGE; /* workers know the others by their number */
    }
    for (unsigned i = 0; round == NULL && i < COVEY_ROUNDS_MAX; i++) {
        bool vacant = session->round[i].state == COVEY__POOL_ROUND_FREE;
        round = vacant ? &session->round[i] : NULL;
    }
    if (round == NULL) {
        return COVEY_ERR_LIMIT;
    }
    session->begun = true;
    session->last_round = event->request;
    memset(round->told, 0, sizeof(round->told));
    memset(round->had, 0, sizeof(round->had));
    round->state = COVEY__POOL_ROUND_OPEN;
    round->number = event->request;
    round->fed_ms = pool->now_ms;
    round->hungry = 0;
    round->first = round->last = COVEY__POOL_NO_TASK;
    round->tasks = 0;
    round->tell_from = 0;
    round->specs = 0;
    round->shared = event->body;
    round->spec_len = (uint16_t)event->bytes.len;
    if (event->bytes.len > 0) {
        memcpy(round->spec, event->bytes.ptr, event->bytes.len);
    }
    return COVEY_OK;
}

covey_err covey__pool_round_task(struct covey_taskpool *pool, struct covey__pool_session *session,
                                 const struct covey_event *event)
{
    struct covey__pool_round *round = covey__pool_round_find(session, event->request);
    if (round == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    if (round->tasks == COVEY_ROUND_TASKS_MAX || event->bytes.len > COVEY_TASK_SPEC_MAX ||
        event->bytes.len > COVEY__POOL_SPECS - round->specs) {
        return COVEY_ERR_LIMIT;
    }
    uint16_t index = round->tasks++;
    struct covey__pool_task *task = &round->task[index];
    *task = (struct covey__pool_task){.state = COVEY__POOL_WAITING,
                                      .next = COVEY__POOL_NO_TASK,
                                      .peer = COVEY__POOL_NO_PEER,
                                      .avoid = COVEY__POOL_NO_PEER,
                                      .spec_len = (uint16_t)event->bytes.len,
                                      .spec_at = round->specs,
                                      .index = event->index,
                                      .same = event->work,
                                      .body = event->body};
    if (event->bytes.len > 0) {
        memcpy(round->task_specs + round->specs, event->bytes.ptr, event->bytes.len);
    }
    round->specs += (uint32_t)event->bytes.len;
    round->fed_ms = pool->now_ms;
    round->hungry = 0;
    if (round->last == COVEY__POOL_NO_TASK) {
        round->first = index;
    } else {
        round->task[round->last].next = index;
    }
    round->last = index;
    return COVEY_OK;
}

void covey__pool_task_again(struct covey__pool_round *round, uint16_t index)
{
    struct covey__pool_task *task = &round->task[index];
    task->state = COVEY__POOL_WAITING;
    task->next = round->first;
    round->first = index;
    if (round->last == COVEY__POOL_NO_TASK) {
        round->last = index;
    }
}

void covey__pool_task_take(struct covey__pool_round *round, uint16_t index)
{
    uint16_t before = COVEY__POOL_NO_TASK;
    for (uint16_t i = round->first; i != index; i = round->task[i].next) {
        before = i;
    }
    uint16_t next = round->task[index].next;
    if (before == COVEY__POOL_NO_TASK) {
        round->first = next;
    } else {
        round->task[before].next = next;
    }
    if (next == COVEY__POOL_NO_TASK) {
        round->last = before;
    }
    round->task[index].next = COVEY__POOL_NO_TASK;
}

void covey__pool_round_again(struct covey__pool_round *round, uint16_t peer)
{
    for (uint16_t i = round->tasks; i > 0; i--) {
        struct covey__pool_task *task = &round->task[i - 1];
        /* What is not told yet session may still judge by itself. */
        if (task->state == COVEY__POOL_DONE && task->peer == peer && !task->tell) {
            covey__pool_task_again(round, (uint16_t)(i - 1));
        }
    }
}

void covey__pool_round_end(struct covey__pool_session *session, struct covey__pool_round *round)
{
    uint8_t index = (uint8_t)(round - session->round);
    for (unsigned w = 0; w < COVEY_WORKERS_MAX; w++) {
        struct covey__pool_worker *worker = &session->worker[w];
        for (unsigned i = 0; i < COVEY_WORKER_TASKS_MAX; i++) {
            if (worker->out[i].used && worker->out[i].round == index) {
                worker->out[i].used = false;
                worker->owed++;
            }
        }
    }
    round->state = COVEY__POOL_ROUND_ENDING;
}

/* The task that it holds by this number; NULL: that round is over, or it never had it. */
static struct covey__pool_out *find_out(struct covey__pool_session *session,
                                        struct covey__pool_worker *worker,
                                        const struct covey_train_message *message)
{
    for (unsigned i = 0; i < COVEY_WORKER_TASKS_MAX; i++) {
        struct covey__pool_out *o = &worker->out[i];
        if (!o->used || o->work != message->work) {
            continue;
        }
        const struct covey__pool_round *round = &session->round[o->round];
        bool same = round->number == message->round && round->task[o->task].index == message->task;
        return same ? o : NULL;
    }
    return NULL;
}

bool covey__pool_result(struct covey_taskpool *pool, struct covey__pool_session *session,
                        struct covey__pool_worker *worker,
                        const struct covey_train_message *message, covey_handle body)
{
    struct covey__pool_out *o = find_out(session, worker, message);
    if (o == NULL) {
        if (worker->owed > 0) { /* it crossed OVER */
            worker->owed--;
            worker->credit++;
            worker->since = ++pool->ticket;
        }
        return false;
    }
    struct covey__pool_round *round = &session->round[o->round];
    struct covey__pool_task *task = &round->task[o->task];
    uint16_t index = o->task;
    bool done = message->status == COVEY_TRAIN_DONE && body != 0;
    o->used = false;
    worker->credit++;
    worker->since = ++pool->ticket;
    worker->refusals = done ? 0 : (uint8_t)(worker->refusals + 1);
    task->tell = true;
    task->refused = !done;
    task->spent_us = message->spent_us;
    round->tell_from = index < round->tell_from ? index : round->tell_from;
    if (done) {
        task->state = COVEY__POOL_DONE;
        task->answer = body;
        return true;
    }
    task->avoid = worker->peer;
    covey__pool_task_again(round, index);
    if (worker->refusals >= COVEY__POOL_REFUSALS) {
        covey__pool_worker_gone(session, worker, COVEY_ERR_UNSUPPORTED);
        worker->dismiss = true;
    }
    return false;
}
