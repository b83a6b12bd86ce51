/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "runtime/core/puller.h"
#include "runtime/core/taskpool.h"

enum { BODIES = 8192, PEERS = 80, OP_BYTES = 4, TIGHT = 4 };

enum op {
    OP_PULL,
    OP_RESULT,
    OP_LEAVE,
    OP_PEER,
    OP_ROUND_BEGIN,
    OP_ROUND_TASK,
    OP_ROUND_END,
    OP_LIED,
    OP_OPEN,
    OP_CLOSE,
    OP_TICK,
    OP_ENLIST,
    OP_ROUND,
    OP_TASK,
    OP_OVER,
    OP_DISMISS,
    OP_CHECKED,
    OP_DONE,
    OP_DOWN,
    OPS,
};

/* Both machines, as if the same device were owner and worker of different sessions. */
struct world {
    struct covey_taskpool *pool;
    struct covey_puller *puller;
    struct covey_update out;
    uint64_t now_ms;
    covey_handle bodies;
    bool alive[BODIES];
    bool computing;
    struct covey_node_id owner;
    uint32_t work;
};

static covey_handle body_new(struct world *w)
{
    if (w->bodies + 1 == BODIES) {
        return 0;
    }
    w->alive[++w->bodies] = true;
    return w->bodies;
}

static void body_drop(struct world *w, covey_handle body)
{
    if (body != 0) {
        COVEY_ASSERT(body < BODIES && w->alive[body]); /* given back twice, or never given */
        w->alive[body] = false;
    }
}

static void look(struct world *w)
{
    for (size_t i = 0; i < w->out.count; i++) {
        const struct covey_action *action = &w->out.actions[i];
        struct covey_train_message message;
        COVEY_ASSERT(action->shared == 0 || w->alive[action->shared]);
        if (action->type == COVEY_ACTION_SEND) {
            covey_err err = covey_train_decode(action->bytes, &message);
            COVEY_ASSERT(err == COVEY_OK);
            COVEY_ASSERT(action->body == 0 || w->alive[action->body]);
        } else if (action->type == COVEY_ACTION_TASK) {
            COVEY_ASSERT(!w->computing); /* one at a time */
            w->computing = true;
            w->owner = action->peer;
            w->work = action->work;
            body_drop(w, action->body);
        } else {
            body_drop(w, action->body);
        }
    }
    w->out.count = 0;
    w->out.arena_len = 0;
}

static void settle(struct world *w)
{
    do {
        look(w);
        w->out.more = false;
        covey_err err = covey__taskpool_tick(w->pool, w->now_ms, &w->out);
        COVEY_ASSERT(err == COVEY_OK);
        err = covey__puller_tick(w->puller, &w->out);
        COVEY_ASSERT(err == COVEY_OK);
    } while (w->out.more);
    look(w);
}

static struct covey_node_id id_of(uint8_t i)
{
    struct covey_node_id id = {{(uint8_t)(i % PEERS + 1)}};
    return id;
}

static void message(struct world *w, enum covey_train_type type, const uint8_t *op)
{
    static const uint8_t spec[8] = {1, 2, 3};
    struct covey_node_id id = id_of(op[1]);
    struct covey_train_message m = {.type = type,
                                    .fence = {{{(uint8_t)(op[1] % 2)}}, 1U + op[3] / 128, 0},
                                    .round = op[2] % 64,
                                    .task = (op[3] + 31U) %
                                            32, /* as the pool numbers its first works */
                                    .work = op[3],
                                    .credit = op[2] % (COVEY_WORKER_TASKS_MAX + 1),
                                    .status = op[2] / 128,
                                    .spec = covey_bytes_of(spec, sizeof(spec))};
    bool worker = type == COVEY_TRAIN_PULL || type == COVEY_TRAIN_RESULT ||
                  (type == COVEY_TRAIN_DISMISS && op[0] % OPS == OP_LEAVE);
    bool with = type == COVEY_TRAIN_RESULT || type == COVEY_TRAIN_ROUND || type == COVEY_TRAIN_TASK;
    covey_handle body = with && op[3] % 8 != 0 ? body_new(w) : 0;
    covey_err err = worker ? covey__taskpool_message(w->pool, &id, &m, body, &w->out)
                           : covey__puller_message(w->puller, &id, &m, body, &w->out);
    COVEY_ASSERT(err == COVEY_OK);
}

static void pool_event(struct world *w, enum covey_event_type type, const uint8_t *op)
{
    static const uint8_t spec[COVEY_TASK_SPEC_MAX + 1] = {0};
    struct covey_event e = {.type = type,
                            .now_ms = w->now_ms,
                            .peer = id_of(op[3]),
                            .fence = {{{(uint8_t)(op[1] % 2)}}, 1, 0},
                            .request = op[2] % 64,
                            .index = op[3],
                            .work = op[2] % 8,
                            .bytes = covey_bytes_of(spec, (size_t)op[3] * 5)};
    bool with = type == COVEY_EVENT_ROUND_BEGIN || type == COVEY_EVENT_ROUND_TASK;
    e.body = with ? body_new(w) : 0;
    covey_err refused = covey__taskpool_event(w->pool, &e, &w->out);
    (void)refused; /* it may be nonsense */
}

static void puller_event(struct world *w, enum covey_event_type type, const uint8_t *op)
{
    struct covey_event e = {.type = type,
                            .peer = id_of(op[1]),
                            .fence = {{{(uint8_t)(op[1] % 2)}}, 1U + op[3] / 128, 0},
                            .err = op[2] % 8 == 0 ? COVEY_ERR_NOMEM : COVEY_OK};
    if (type == COVEY_EVENT_TASK_DONE) {
        if (!w->computing) {
            return;
        }
        w->computing = false;
        e.peer = w->owner;
        e.work = w->work;
        e.body = op[2] % 4 != 0 ? body_new(w) : 0;
    }
    covey_err err = covey__puller_event(w->puller, &e, &w->out);
    COVEY_ASSERT(err == COVEY_OK);
}

static void peer(struct world *w, const uint8_t *op)
{
    struct covey_node_id id = id_of(op[1]);
    enum covey_peer_state state = (enum covey_peer_state)(op[2] % 3);
    covey_err err = covey__taskpool_peer(w->pool, &id, op[3] % 4 != 0, state, &w->out);
    COVEY_ASSERT(err == COVEY_OK);
}

static void down(struct world *w, uint8_t i)
{
    struct covey_node_id id = id_of(i);
    covey_err err = covey__puller_peer_down(w->puller, &id, &w->out);
    COVEY_ASSERT(err == COVEY_OK);
}

static void owner_op(struct world *w, const uint8_t *op)
{
    static const enum covey_event_type events[OPS] = {
        [OP_ROUND_BEGIN] = COVEY_EVENT_ROUND_BEGIN, [OP_ROUND_TASK] = COVEY_EVENT_ROUND_TASK,
        [OP_ROUND_END] = COVEY_EVENT_ROUND_END,     [OP_LIED] = COVEY_EVENT_ROUND_LIED,
        [OP_OPEN] = COVEY_EVENT_TRAIN_OPEN,         [OP_CLOSE] = COVEY_EVENT_TRAIN_CLOSE};
    enum op what = (enum op)(op[0] % OPS);
    if (what == OP_PULL || what == OP_RESULT || what == OP_LEAVE) {
        message(w,
                what == OP_PULL     ? COVEY_TRAIN_PULL
                : what == OP_RESULT ? COVEY_TRAIN_RESULT
                                    : COVEY_TRAIN_DISMISS,
                op);
    } else if (what == OP_PEER) {
        peer(w, op);
    } else if (what == OP_TICK) {
        w->now_ms += op[1];
    } else {
        pool_event(w, events[what], op);
    }
}

static void worker_op(struct world *w, const uint8_t *op)
{
    static const enum covey_train_type types[OPS] = {[OP_ENLIST] = COVEY_TRAIN_ENLIST,
                                                     [OP_ROUND] = COVEY_TRAIN_ROUND,
                                                     [OP_TASK] = COVEY_TRAIN_TASK,
                                                     [OP_OVER] = COVEY_TRAIN_OVER,
                                                     [OP_DISMISS] = COVEY_TRAIN_DISMISS};
    enum op what = (enum op)(op[0] % OPS);
    if (what == OP_CHECKED) {
        puller_event(w, COVEY_EVENT_ENLIST_CHECKED, op);
    } else if (what == OP_DONE) {
        puller_event(w, COVEY_EVENT_TASK_DONE, op);
    } else if (what == OP_DOWN) {
        down(w, op[1]);
    } else {
        message(w, types[what], op);
    }
}

/* All goes: then nothing is left. */
static void end(struct world *w)
{
    const uint8_t close[2][OP_BYTES] = {{OP_CLOSE, 0}, {OP_CLOSE, 1}}, done[OP_BYTES] = {OP_DONE};
    for (unsigned i = 0; i < 2; i++) {
        owner_op(w, close[i]);
        settle(w);
    }
    for (uint8_t i = 0; i < PEERS; i++) {
        down(w, i);
        settle(w);
    }
    worker_op(w, done);
    settle(w);
    for (unsigned i = 0; i < BODIES; i++) {
        COVEY_ASSERT(!w->alive[i]);
    }
}

/* Operations of four bytes on both machines: what, and three arguments; from 128 on into an update
 * with hardly any room. No handle is lost or given back twice, and one task is computed at a time.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *w;
    const struct covey_node_id self = {{200}};
    if (w == NULL) {
        w = calloc(1, sizeof(*w));
        COVEY_ASSERT(w != NULL);
        w->pool = malloc(covey__taskpool_size());
        w->puller = malloc(covey__puller_size());
        COVEY_ASSERT(w->pool != NULL && w->puller != NULL);
    }
    covey__taskpool_init(w->pool, &self);
    covey__puller_init(w->puller);
    w->bodies = 0;
    w->computing = false;
    for (; size >= OP_BYTES; size -= OP_BYTES, data += OP_BYTES) {
        size_t tight = data[0] >= 128 ? COVEY_UPDATE_ACTIONS_MAX - TIGHT : 0;
        memset(w->out.actions, 0, tight * sizeof(w->out.actions[0]));
        w->out.count = tight;
        if (data[0] % OPS < OP_ENLIST) {
            owner_op(w, data);
        } else {
            worker_op(w, data);
        }
        settle(w);
    }
    end(w);
    return 0;
}
