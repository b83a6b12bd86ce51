/* SPDX-License-Identifier: MIT */
#include "taskpool_state.h"

/* Each function below that answers a bool, but for those named is_ or may_, answers whether the
 * update had room. */

struct turn {
    struct covey_taskpool *pool;
    struct covey__pool_session *session;
    struct covey_update *out;
};

static bool has_bit(const uint64_t *set, unsigned bit)
{
    return (set[bit / 64] >> bit % 64 & 1) != 0;
}

static void put_bit(uint64_t *set, unsigned bit)
{
    set[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool send(const struct turn *turn, uint16_t peer, struct covey_train_message *message,
                 covey_handle body)
{
    message->fence = turn->session->fence;
    return covey__update_send_train(turn->out, &turn->pool->peer[peer].id, message, body) ==
           COVEY_OK;
}

static struct covey_action *add(const struct turn *turn, enum covey_action_type type)
{
    struct covey_action *action = covey__update_add(turn->out, type);
    if (action != NULL) {
        action->fence = turn->session->fence;
    }
    return action;
}

/* ---- workers ---- */

unsigned covey__pool_workers(const struct covey__pool_session *session)
{
    unsigned count = 0;
    for (unsigned w = 0; w < COVEY_WORKERS_MAX; w++) {
        count += session->worker[w].state == COVEY__POOL_WORKER_PULLS;
    }
    return count;
}

static bool may_work(const struct turn *turn, uint16_t index)
{
    const struct covey__pool_peer *peer = &turn->pool->peer[index];
    if (!peer->used || peer->state != COVEY_PEER_UP || peer->lied ||
        (index == 0 && !turn->session->self) || (!peer->trusted && !turn->session->any_trust)) {
        return false;
    }
    for (unsigned w = 0; w < COVEY_WORKERS_MAX; w++) {
        const struct covey__pool_worker *worker = &turn->session->worker[w];
        if (worker->state != COVEY__POOL_WORKER_FREE && worker->peer == index) {
            return false;
        }
    }
    return true;
}

static void enlist(const struct turn *turn)
{
    struct covey__pool_session *session = turn->session;
    uint32_t working = 0;
    uint16_t peer = 0;
    for (unsigned w = 0; w < COVEY_WORKERS_MAX; w++) {
        working += session->worker[w].state != COVEY__POOL_WORKER_FREE &&
                   session->worker[w].state != COVEY__POOL_WORKER_REFUSED;
    }
    for (unsigned w = 0; w < COVEY_WORKERS_MAX && working < session->limit; w++) {
        struct covey__pool_worker *worker = &session->worker[w];
        if (worker->state != COVEY__POOL_WORKER_FREE) {
            continue;
        }
        while (peer < COVEY__POOL_PEERS && !may_work(turn, peer)) {
            peer++;
        }
        if (peer == COVEY__POOL_PEERS) {
            break;
        }
        memset(worker, 0, sizeof(*worker));
        worker->state = COVEY__POOL_WORKER_NEW;
        worker->peer = peer++;
        working++;
    }
    session->look = false;
}

static bool tell_worker(const struct turn *turn, struct covey__pool_worker *worker)
{
    struct covey_action *action = add(turn, COVEY_ACTION_TRAIN_WORKER);
    if (action == NULL) {
        return false;
    }
    action->peer = turn->pool->peer[worker->peer].id;
    action->has_peer = true;
    action->err = worker->why;
    action->index = covey__pool_workers(turn->session);
    worker->tell = false;
    return true;
}

static bool pump_worker(const struct turn *turn, struct covey__pool_worker *worker)
{
    struct covey__pool_session *session = turn->session;
    if (worker->tell && !tell_worker(turn, worker)) {
        return false;
    }
    if (worker->dismiss && !worker->gone) {
        struct covey_train_message dismiss = {.type = COVEY_TRAIN_DISMISS};
        if (!send(turn, worker->peer, &dismiss, 0)) {
            return false;
        }
    }
    worker->dismiss = false;
    if (worker->gone) {
        worker->state = COVEY__POOL_WORKER_FREE;
        session->look = true;
    } else if (worker->state == COVEY__POOL_WORKER_NEW) {
        struct covey_train_message ask = {.type = COVEY_TRAIN_ENLIST,
                                          .spec = covey_bytes_of(session->spec, session->spec_len)};
        if (!send(turn, worker->peer, &ask, 0)) {
            return false;
        }
        worker->state = COVEY__POOL_WORKER_ASKED;
    }
    return true;
}

static bool pump_workers(const struct turn *turn)
{
    struct covey__pool_session *session = turn->session;
    for (unsigned w = 0; w < COVEY_WORKERS_MAX; w++) {
        struct covey__pool_worker *worker = &session->worker[w];
        if (worker->state != COVEY__POOL_WORKER_FREE && !pump_worker(turn, worker)) {
            return false;
        }
    }
    if (!session->look || session->closing) {
        return true;
    }
    enlist(turn);
    for (unsigned w = 0; w < COVEY_WORKERS_MAX; w++) {
        struct covey__pool_worker *worker = &session->worker[w];
        if (worker->state == COVEY__POOL_WORKER_NEW && !pump_worker(turn, worker)) {
            return false;
        }
    }
    return true;
}

/* ---- rounds ---- */

static bool tell_results(const struct turn *turn, struct covey__pool_round *round)
{
    for (; round->tell_from < round->tasks; round->tell_from++) {
        struct covey__pool_task *task = &round->task[round->tell_from];
        if (!task->tell) {
            continue;
        }
        struct covey_action *action = add(turn, COVEY_ACTION_ROUND_RESULT);
        if (action == NULL) {
            return false;
        }
        action->peer = turn->pool->peer[task->peer].id;
        action->has_peer = true;
        action->request = round->number;
        action->index = task->index;
        action->spent_us = task->spent_us;
        action->body = task->answer;
        task->answer = 0;
        task->tell = false;
    }
    return true;
}

static bool end_round(const struct turn *turn, struct covey__pool_round *round)
{
    for (unsigned w = 0; w < COVEY_WORKERS_MAX; w++) {
        struct covey_train_message over = {.type = COVEY_TRAIN_OVER, .round = round->number};
        if (!has_bit(round->told, w)) {
            continue;
        }
        if (!send(turn, turn->session->worker[w].peer, &over, 0)) {
            return false;
        }
        round->told[w / 64] &= ~(UINT64_C(1) << w % 64);
    }
    for (; round->tasks > 0; round->tasks--) {
        struct covey__pool_task *task = &round->task[round->tasks - 1];
        if (!covey__update_release(turn->out, &task->answer) ||
            !covey__update_release(turn->out, &task->body)) {
            return false;
        }
    }
    if (!covey__update_release(turn->out, &round->shared)) {
        return false;
    }
    round->state = COVEY__POOL_ROUND_FREE;
    return true;
}

static uint32_t count_waiting(const struct covey__pool_round *round)
{
    uint32_t count = 0;
    for (uint16_t i = round->first; i != COVEY__POOL_NO_TASK; i = round->task[i].next) {
        count++;
    }
    return count;
}

static bool holds_one(const struct covey__pool_session *session,
                      const struct covey__pool_round *round,
                      const struct covey__pool_worker *worker)
{
    for (unsigned i = 0; i < COVEY_WORKER_TASKS_MAX; i++) {
        if (worker->out[i].used && worker->out[i].round == (uint8_t)(round - session->round)) {
            return true;
        }
    }
    return false;
}

/* Its answer to the same question would say nothing new. */
static bool has_answered(const struct covey__pool_round *round, const struct covey__pool_task *task,
                         uint16_t peer)
{
    for (uint16_t i = 0; task->same != 0 && i < round->tasks; i++) {
        const struct covey__pool_task *other = &round->task[i];
        if (other->same == task->same && other->state != COVEY__POOL_WAITING &&
            other->peer == peer) {
            return true;
        }
    }
    return false;
}

/* Who gets this task: of those with most credit the one that has waited longest. A round's last
 * tasks, one for each worker (scarce), are not handed out ahead: they are for whoever is idle
 * first, and would else wait behind what a slow device has already. */
static uint8_t choose(const struct turn *turn, const struct covey__pool_round *round,
                      const struct covey__pool_task *task, bool scarce)
{
    const struct covey__pool_session *session = turn->session;
    bool others = covey__pool_workers(session) > 1;
    uint8_t best = COVEY__POOL_NOBODY;
    for (uint8_t w = 0; w < COVEY_WORKERS_MAX; w++) {
        const struct covey__pool_worker *worker = &session->worker[w];
        bool had = session->one_each && worker->peer != 0 && has_bit(round->had, worker->peer);
        if (worker->state != COVEY__POOL_WORKER_PULLS || worker->credit == 0 || had ||
            (others && (task->avoid == worker->peer || has_answered(round, task, worker->peer) ||
                        (scarce && holds_one(session, round, worker))))) {
            continue;
        }
        const struct covey__pool_worker *than = &session->worker[best % COVEY_WORKERS_MAX];
        if (best == COVEY__POOL_NOBODY || worker->credit > than->credit ||
            (worker->credit == than->credit && (int32_t)(worker->since - than->since) < 0)) {
            best = w;
        }
    }
    return best;
}

/* What all tasks share goes first; it may be overtaken by what is smaller. */
static bool hand_out(const struct turn *turn, struct covey__pool_round *round, uint16_t index,
                     uint8_t w)
{
    struct covey__pool_worker *worker = &turn->session->worker[w];
    struct covey__pool_task *task = &round->task[index];
    struct covey__pool_out *o = worker->out;
    if (!has_bit(round->told, w)) {
        struct covey_train_message begin = {.type = COVEY_TRAIN_ROUND,
                                            .round = round->number,
                                            .spec = covey_bytes_of(round->spec, round->spec_len)};
        if (!send(turn, worker->peer, &begin, round->shared)) {
            return false;
        }
        put_bit(round->told, w);
    }
    struct covey_train_message message = {
        .type = COVEY_TRAIN_TASK,
        .round = round->number,
        .task = task->index,
        .work = turn->pool->work + 1,
        .spec = covey_bytes_of(round->task_specs + task->spec_at, task->spec_len)};
    if (!send(turn, worker->peer, &message, task->body)) {
        return false;
    }
    while (o->used) { /* it has credit, so it has room */
        o++;
    }
    *o = (struct covey__pool_out){.used = true,
                                  .round = (uint8_t)(round - turn->session->round),
                                  .task = index,
                                  .work = ++turn->pool->work};
    covey__pool_task_take(round, index);
    put_bit(round->had, worker->peer);
    task->state = COVEY__POOL_OUT;
    task->peer = worker->peer;
    worker->credit--;
    return true;
}

/* Credit for a task of this round, or of any (NULL). */
static uint32_t credit_for(const struct covey__pool_session *session,
                           const struct covey__pool_round *round)
{
    uint32_t credit = 0;
    for (unsigned w = 0; w < COVEY_WORKERS_MAX; w++) {
        const struct covey__pool_worker *worker = &session->worker[w];
        if (worker->state != COVEY__POOL_WORKER_PULLS || worker->credit == 0) {
            continue;
        }
        if (round != NULL && session->one_each && worker->peer != 0) {
            credit += !has_bit(round->had, worker->peer);
        } else {
            credit += worker->credit;
        }
    }
    return credit;
}

static bool hand_out_round(const struct turn *turn, struct covey__pool_round *round)
{
    uint16_t next = COVEY__POOL_NO_TASK;
    uint32_t waiting = count_waiting(round), workers = covey__pool_workers(turn->session);
    for (uint16_t i = round->first; i != COVEY__POOL_NO_TASK; i = next) {
        next = round->task[i].next;
        uint8_t w = choose(turn, round, &round->task[i], waiting <= workers);
        if (w != COVEY__POOL_NOBODY) {
            if (!hand_out(turn, round, i, w)) {
                return false;
            }
            waiting--;
        } else if (credit_for(turn->session, round) == 0) {
            break;
        }
    }
    return true;
}

/* The open round of the lowest number above; NULL: none. */
static struct covey__pool_round *next_round(struct covey__pool_session *session,
                                            const struct covey__pool_round *after)
{
    struct covey__pool_round *next = NULL;
    for (unsigned r = 0; r < COVEY_ROUNDS_MAX; r++) {
        struct covey__pool_round *round = &session->round[r];
        if (round->state == COVEY__POOL_ROUND_OPEN &&
            (after == NULL || round->number > after->number) &&
            (next == NULL || round->number < next->number)) {
            next = round;
        }
    }
    return next;
}

/* Once for each credit more, and only when session has not just given tasks: it gives them one by
 * one. */
static bool tell_hungry(const struct turn *turn, struct covey__pool_round *round)
{
    uint32_t credit = credit_for(turn->session, round);
    uint64_t at_ms = round->fed_ms + COVEY__POOL_HUNGRY_MS;
    if (credit <= round->hungry || round->tasks == 0) {
        round->hungry = credit < round->hungry ? credit : round->hungry;
        return true;
    }
    if (turn->pool->now_ms < at_ms) {
        covey__pool_wake(turn->pool, at_ms);
        return true;
    }
    struct covey_action *action = add(turn, COVEY_ACTION_ROUND_HUNGRY);
    if (action == NULL) {
        return false;
    }
    action->request = round->number;
    action->index = credit;
    round->hungry = credit;
    return true;
}

static bool pump_rounds(const struct turn *turn)
{
    struct covey__pool_session *session = turn->session;
    struct covey__pool_round *round = NULL;
    bool waiting = false;
    for (unsigned r = 0; r < COVEY_ROUNDS_MAX; r++) {
        if (session->round[r].state == COVEY__POOL_ROUND_OPEN &&
            !tell_results(turn, &session->round[r])) {
            return false;
        }
        if (session->round[r].state == COVEY__POOL_ROUND_ENDING &&
            !end_round(turn, &session->round[r])) {
            return false;
        }
    }
    while ((round = next_round(session, round)) != NULL) {
        if (!hand_out_round(turn, round)) {
            return false;
        }
        waiting = waiting || round->first != COVEY__POOL_NO_TASK;
    }
    while (!waiting && (round = next_round(session, round)) != NULL) {
        if (!tell_hungry(turn, round)) {
            return false;
        }
    }
    return true;
}

bool covey__pool_pump(struct covey_taskpool *pool, struct covey__pool_session *session,
                      struct covey_update *out)
{
    struct turn turn = {pool, session, out};
    if (!pump_workers(&turn) || !pump_rounds(&turn)) {
        return false;
    }
    session->used = !session->closing;
    return true;
}
