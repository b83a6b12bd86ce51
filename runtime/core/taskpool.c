/* SPDX-License-Identifier: MIT */
#include "taskpool.h"

#include "taskpool_state.h"

size_t covey__taskpool_size(void)
{
    return sizeof(struct covey_taskpool);
}

void covey__taskpool_init(struct covey_taskpool *pool, const struct covey_node_id *self)
{
    /* The tables are megabytes that a node without sessions never touches: only marks are set. */
    pool->deadline_ms = UINT64_MAX;
    pool->now_ms = 0;
    pool->work = 0;
    pool->ticket = 0;
    memset(pool->peer, 0, sizeof(pool->peer));
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        pool->session[i].used = false;
    }
    pool->peer[0].used = true;
    pool->peer[0].trusted = true;
    pool->peer[0].id = *self;
    pool->peer[0].state = COVEY_PEER_UP;
}

uint64_t covey__taskpool_deadline_ms(const struct covey_taskpool *pool)
{
    return pool->deadline_ms;
}

void covey__pool_wake(struct covey_taskpool *pool, uint64_t at_ms)
{
    if (at_ms < pool->deadline_ms) {
        pool->deadline_ms = at_ms;
    }
}

static void pump(struct covey_taskpool *pool, struct covey_update *out)
{
    pool->deadline_ms = UINT64_MAX;
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        if (pool->session[i].used && !covey__pool_pump(pool, &pool->session[i], out)) {
            covey__pool_wake(pool, pool->now_ms);
        }
    }
}

static struct covey__pool_session *find_session(struct covey_taskpool *pool,
                                                const struct covey_fence *fence)
{
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        struct covey__pool_session *session = &pool->session[i];
        if (session->used && !session->closing && session->fence.epoch == fence->epoch &&
            covey_session_id_equal(&session->fence.session, &fence->session)) {
            return session;
        }
    }
    return NULL;
}

/* ---- peers ---- */

uint16_t covey__pool_peer_find(const struct covey_taskpool *pool, const struct covey_node_id *id)
{
    for (uint16_t i = 0; i < COVEY__POOL_PEERS; i++) {
        if (pool->peer[i].used && covey_node_id_equal(&pool->peer[i].id, id)) {
            return i;
        }
    }
    return COVEY__POOL_NO_PEER;
}

/* Whether some session still means it by its place in the table. */
static bool is_known(const struct covey_taskpool *pool, uint16_t peer)
{
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        const struct covey__pool_session *session = &pool->session[i];
        for (unsigned w = 0; session->used && w < COVEY_WORKERS_MAX; w++) {
            if (session->worker[w].state != COVEY__POOL_WORKER_FREE &&
                session->worker[w].peer == peer) {
                return true;
            }
        }
        for (unsigned r = 0; session->used && r < COVEY_ROUNDS_MAX; r++) {
            const struct covey__pool_round *round = &session->round[r];
            if (round->state != COVEY__POOL_ROUND_FREE &&
                (round->had[peer / 64] >> peer % 64 & 1) != 0) {
                return true;
            }
        }
    }
    return false;
}

static uint16_t keep_peer(struct covey_taskpool *pool, const struct covey_node_id *id)
{
    uint16_t found = covey__pool_peer_find(pool, id);
    for (uint16_t i = 1; found == COVEY__POOL_NO_PEER && i < COVEY__POOL_PEERS; i++) {
        if (!pool->peer[i].used) {
            found = i;
        }
    }
    for (uint16_t i = 1; found == COVEY__POOL_NO_PEER && i < COVEY__POOL_PEERS; i++) {
        const struct covey__pool_peer *peer = &pool->peer[i];
        if (peer->state != COVEY_PEER_UP && !peer->lied && !is_known(pool, i)) {
            found = i;
            pool->peer[i].used = false;
        }
    }
    if (found != COVEY__POOL_NO_PEER && !pool->peer[found].used) {
        pool->peer[found] =
            (struct covey__pool_peer){.used = true, .state = COVEY_PEER_NO_CHANNEL, .id = *id};
    }
    return found;
}

void covey__pool_worker_gone(struct covey__pool_session *session, struct covey__pool_worker *worker,
                             covey_err why)
{
    unsigned index = (unsigned)(worker - session->worker);
    if (worker->state != COVEY__POOL_WORKER_REFUSED) {
        worker->tell = true;
        worker->why = why;
    }
    /* From the last one, so that they come to stand in front as they were handed out. */
    for (unsigned i = COVEY_WORKER_TASKS_MAX; i > 0; i--) {
        struct covey__pool_out *o = &worker->out[i - 1];
        if (o->used) {
            covey__pool_task_again(&session->round[o->round], o->task);
            o->used = false;
        }
    }
    for (unsigned r = 0; r < COVEY_ROUNDS_MAX; r++) {
        session->round[r].told[index / 64] &= ~(UINT64_C(1) << index % 64);
    }
    worker->state = COVEY__POOL_WORKER_REFUSED;
    worker->credit = 0;
    worker->owed = 0;
    session->look = true; /* somebody else may take its place */
}

/* Of all sessions. dismiss: it must hear of it. */
static void peer_gone(struct covey_taskpool *pool, uint16_t peer, bool dismiss, covey_err why)
{
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        struct covey__pool_session *session = &pool->session[i];
        for (unsigned w = 0; session->used && w < COVEY_WORKERS_MAX; w++) {
            struct covey__pool_worker *worker = &session->worker[w];
            if (worker->state != COVEY__POOL_WORKER_FREE && worker->peer == peer) {
                bool asked = worker->state != COVEY__POOL_WORKER_NEW &&
                             worker->state != COVEY__POOL_WORKER_REFUSED;
                covey__pool_worker_gone(session, worker, why);
                worker->dismiss = dismiss && asked;
                worker->gone = worker->gone || !dismiss;
            }
        }
    }
}

covey_err covey__taskpool_peer(struct covey_taskpool *pool, const struct covey_node_id *peer,
                               bool trusted, enum covey_peer_state state, struct covey_update *out)
{
    uint16_t index = keep_peer(pool, peer);
    if (index == 0 || index == COVEY__POOL_NO_PEER) {
        return index == 0 ? COVEY_OK : COVEY_ERR_LIMIT;
    }
    struct covey__pool_peer *entry = &pool->peer[index];
    bool was_up = entry->state == COVEY_PEER_UP;
    entry->trusted = trusted;
    entry->state = state;
    if (was_up && state != COVEY_PEER_UP) {
        peer_gone(pool, index, false, COVEY_ERR_CLOSED);
    }
    for (unsigned i = 0; !was_up && state == COVEY_PEER_UP && i < COVEY_TRAININGS_MAX; i++) {
        pool->session[i].look = true;
    }
    pump(pool, out);
    return COVEY_OK;
}

/* ---- the owner's events ---- */

static covey_err open_session(struct covey_taskpool *pool, const struct covey_event *event)
{
    struct covey__pool_session *session = NULL;
    if (event->bytes.len > COVEY_TASK_SPEC_MAX) {
        return COVEY_ERR_LIMIT;
    }
    if (find_session(pool, &event->fence) != NULL) {
        return COVEY_ERR_EXISTS;
    }
    for (unsigned i = 0; session == NULL && i < COVEY_TRAININGS_MAX; i++) {
        session = pool->session[i].used ? NULL : &pool->session[i];
    }
    if (session == NULL) {
        return COVEY_ERR_LIMIT;
    }
    session->used = true;
    session->closing = false;
    session->self = (event->work & COVEY_TRAIN_SELF) != 0;
    session->any_trust = (event->work & COVEY_TRAIN_ANY_TRUST) != 0;
    session->one_each = (event->work & COVEY_TRAIN_ONE_EACH) != 0;
    session->look = true;
    session->fence = event->fence;
    session->fence.version = 0;
    session->limit = event->index == 0 ? UINT32_MAX : event->index;
    session->begun = false;
    session->spec_len = (uint16_t)event->bytes.len;
    if (event->bytes.len > 0) {
        memcpy(session->spec, event->bytes.ptr, event->bytes.len);
    }
    memset(session->worker, 0, sizeof(session->worker));
    for (unsigned r = 0; r < COVEY_ROUNDS_MAX; r++) {
        session->round[r].state = COVEY__POOL_ROUND_FREE;
    }
    return COVEY_OK;
}

static void close_session(struct covey__pool_session *session)
{
    session->closing = true;
    for (unsigned w = 0; w < COVEY_WORKERS_MAX; w++) {
        struct covey__pool_worker *worker = &session->worker[w];
        worker->dismiss = worker->dismiss || worker->state == COVEY__POOL_WORKER_ASKED ||
                          worker->state == COVEY__POOL_WORKER_PULLS;
        worker->tell = false;
    }
    for (unsigned r = 0; r < COVEY_ROUNDS_MAX; r++) {
        if (session->round[r].state == COVEY__POOL_ROUND_OPEN) {
            covey__pool_round_end(session, &session->round[r]);
            memset(session->round[r].told, 0, sizeof(session->round[r].told));
        }
    }
}

static covey_err distrust(struct covey_taskpool *pool, uint16_t peer)
{
    if (peer == 0 || peer == COVEY__POOL_NO_PEER) {
        return COVEY_ERR_NOT_FOUND;
    }
    if (!pool->peer[peer].lied) {
        pool->peer[peer].lied = true;
        peer_gone(pool, peer, true, COVEY_ERR_DENIED);
    }
    return COVEY_OK;
}

void covey__taskpool_distrust(struct covey_taskpool *pool, const struct covey_node_id *peer,
                              struct covey_update *out)
{
    covey_err unknown = distrust(pool, covey__pool_peer_find(pool, peer));
    (void)unknown; /* then it works for nobody here */
    pump(pool, out);
}

static covey_err lied(struct covey_taskpool *pool, struct covey__pool_session *session,
                      const struct covey_event *event)
{
    struct covey__pool_round *round = covey__pool_round_find(session, event->request);
    uint16_t peer = covey__pool_peer_find(pool, &event->peer);
    covey_err err = distrust(pool, peer);
    if (err != COVEY_OK) {
        return err;
    }
    if (round != NULL) {
        covey__pool_round_again(round, peer);
    }
    return COVEY_OK;
}

static covey_err end_round(struct covey__pool_session *session, const struct covey_event *event)
{
    struct covey__pool_round *round = covey__pool_round_find(session, event->request);
    if (round == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    covey__pool_round_end(session, round);
    return COVEY_OK;
}

static covey_err session_event(struct covey_taskpool *pool, struct covey__pool_session *session,
                               const struct covey_event *event)
{
    if (event->type == COVEY_EVENT_ROUND_BEGIN) {
        return covey__pool_round_begin(pool, session, event);
    }
    if (event->type == COVEY_EVENT_ROUND_TASK) {
        return covey__pool_round_task(pool, session, event);
    }
    if (event->type == COVEY_EVENT_ROUND_LIED) {
        return lied(pool, session, event);
    }
    if (event->type == COVEY_EVENT_ROUND_END) {
        return end_round(session, event);
    }
    if (event->type == COVEY_EVENT_TRAIN_CLOSE) {
        close_session(session);
        return COVEY_OK;
    }
    return COVEY_ERR_UNSUPPORTED;
}

covey_err covey__taskpool_event(struct covey_taskpool *pool, const struct covey_event *event,
                                struct covey_update *out)
{
    struct covey__pool_session *session = find_session(pool, &event->fence);
    covey_err err = COVEY_ERR_NOT_FOUND;
    pool->now_ms = event->now_ms > pool->now_ms ? event->now_ms : pool->now_ms;
    if (event->type == COVEY_EVENT_TRAIN_OPEN) {
        err = open_session(pool, event);
    } else if (session != NULL) {
        err = session_event(pool, session, event);
    }
    if (err != COVEY_OK) {
        covey_handle body = event->body;
        bool released = covey__update_release(out, &body);
        (void)released; /* node.c gives an empty update, so there is room. */
    }
    pump(pool, out);
    return err;
}

/* ---- messages of workers ---- */

static struct covey__pool_worker *find_worker(struct covey_taskpool *pool,
                                              struct covey__pool_session *session,
                                              const struct covey_node_id *id)
{
    uint16_t peer = covey__pool_peer_find(pool, id);
    for (unsigned w = 0; peer != COVEY__POOL_NO_PEER && w < COVEY_WORKERS_MAX; w++) {
        struct covey__pool_worker *worker = &session->worker[w];
        if (worker->peer == peer && (worker->state == COVEY__POOL_WORKER_ASKED ||
                                     worker->state == COVEY__POOL_WORKER_PULLS)) {
            return worker;
        }
    }
    return NULL;
}

static void take_pull(struct covey_taskpool *pool, struct covey__pool_session *session,
                      struct covey__pool_worker *worker, uint8_t credit)
{
    unsigned most = COVEY_WORKER_TASKS_MAX;
    if (credit == 0) {
        covey__pool_worker_gone(session, worker, COVEY_ERR_CANCELLED);
        return;
    }
    if (worker->state == COVEY__POOL_WORKER_ASKED) {
        worker->state = COVEY__POOL_WORKER_PULLS;
        worker->tell = true;
        worker->why = COVEY_OK;
    }
    worker->owed -= worker->owed < credit ? worker->owed : credit;
    for (unsigned i = 0; i < COVEY_WORKER_TASKS_MAX; i++) {
        most -= worker->out[i].used;
    }
    most -= worker->owed;
    credit = (uint8_t)(worker->credit + credit);
    worker->credit = credit < most ? credit : (uint8_t)most;
    worker->since = ++pool->ticket;
}

covey_err covey__taskpool_message(struct covey_taskpool *pool, const struct covey_node_id *peer,
                                  const struct covey_train_message *message, covey_handle body,
                                  struct covey_update *out)
{
    struct covey__pool_session *session = find_session(pool, &message->fence);
    struct covey__pool_worker *worker = session != NULL ? find_worker(pool, session, peer) : NULL;
    bool taken = false;
    if (worker != NULL && message->type == COVEY_TRAIN_PULL) {
        take_pull(pool, session, worker, message->credit);
    } else if (worker != NULL && message->type == COVEY_TRAIN_RESULT) {
        taken = covey__pool_result(pool, session, worker, message, body);
    } else if (worker != NULL && message->type == COVEY_TRAIN_DISMISS) {
        covey__pool_worker_gone(session, worker, COVEY_ERR_CANCELLED);
    }
    /* node.c gives an empty update, so there is room. */
    bool room = taken || covey__update_release(out, &body);
    pump(pool, out);
    return room ? COVEY_OK : COVEY_ERR_SPACE;
}

covey_err covey__taskpool_tick(struct covey_taskpool *pool, uint64_t now_ms,
                               struct covey_update *out)
{
    pool->now_ms = now_ms > pool->now_ms ? now_ms : pool->now_ms;
    pump(pool, out);
    return COVEY_OK;
}
