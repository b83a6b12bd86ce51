/* SPDX-License-Identifier: MIT */
#include "pool_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct covey_fence pool_fence(void)
{
    return train_fence(1, 5);
}

struct pool_world *pool_world_new(void)
{
    struct pool_world *w = calloc(1, sizeof(*w));
    struct covey_node_id self = train_id(SELF);
    assert_non_null(w);
    w->seen = train_world_new();
    w->pool = malloc(covey__taskpool_size());
    assert_non_null(w->pool);
    covey__taskpool_init(w->pool, &self);
    w->now_ms = 1000;
    return w;
}

void pool_tick(struct pool_world *w, uint64_t ms)
{
    w->now_ms += ms;
    do {
        train_drain(w->seen);
        assert_int_equal(covey__taskpool_tick(w->pool, w->now_ms, w->seen->out), COVEY_OK);
    } while (w->seen->out->more);
    train_drain(w->seen);
}

covey_err pool_event(struct pool_world *w, struct covey_event e)
{
    e.now_ms = w->now_ms;
    covey_err err = covey__taskpool_event(w->pool, &e, w->seen->out);
    pool_tick(w, 0);
    return err;
}

void pool_world_free(struct pool_world *w)
{
    covey_err closed =
        pool_event(w, (struct covey_event){.type = COVEY_EVENT_TRAIN_CLOSE, .fence = pool_fence()});
    (void)closed; /* the test may have done so */
    assert_int_equal(train_alive(w->seen), 0);
    train_world_free(w->seen);
    free(w->pool);
    free(w);
}

void pool_peer_is(struct pool_world *w, unsigned i, bool trusted, enum covey_peer_state state)
{
    struct covey_node_id id = train_id(i);
    assert_int_equal(covey__taskpool_peer(w->pool, &id, trusted, state, w->seen->out), COVEY_OK);
    pool_tick(w, 0);
}

void pool_up(struct pool_world *w, unsigned i)
{
    pool_peer_is(w, i, true, COVEY_PEER_UP);
}

void pool_open(struct pool_world *w, uint32_t flags, uint32_t limit)
{
    static const uint8_t spec[2] = {42, 1};
    struct covey_event e = {.type = COVEY_EVENT_TRAIN_OPEN,
                            .fence = pool_fence(),
                            .bytes = covey_bytes_of(spec, sizeof(spec)),
                            .work = flags,
                            .index = limit};
    assert_int_equal(pool_event(w, e), COVEY_OK);
}

void pool_say(struct pool_world *w, unsigned from, struct covey_train_message m, covey_handle body)
{
    struct covey_node_id id = train_id(from);
    m.fence = m.fence.epoch == 0 ? pool_fence() : m.fence;
    assert_int_equal(covey__taskpool_message(w->pool, &id, &m, body, w->seen->out), COVEY_OK);
    pool_tick(w, 0);
}

void pool_pull(struct pool_world *w, unsigned from, uint8_t credit)
{
    pool_say(w, from, (struct covey_train_message){.type = COVEY_TRAIN_PULL, .credit = credit}, 0);
}

void pool_begin(struct pool_world *w, uint64_t round)
{
    static const uint8_t spec[1] = {7};
    struct covey_event e = {.type = COVEY_EVENT_ROUND_BEGIN,
                            .fence = pool_fence(),
                            .request = round,
                            .bytes = covey_bytes_of(spec, sizeof(spec)),
                            .body = train_body(w->seen)};
    assert_int_equal(pool_event(w, e), COVEY_OK);
}

void pool_give(struct pool_world *w, uint64_t round, uint32_t task)
{
    pool_give_same(w, round, task, 0);
}

void pool_give_same(struct pool_world *w, uint64_t round, uint32_t task, uint32_t same)
{
    uint8_t spec[1] = {(uint8_t)(100 + task)};
    struct covey_event e = {.type = COVEY_EVENT_ROUND_TASK,
                            .fence = pool_fence(),
                            .request = round,
                            .index = task,
                            .work = same,
                            .bytes = covey_bytes_of(spec, sizeof(spec)),
                            .body = train_body(w->seen)};
    assert_int_equal(pool_event(w, e), COVEY_OK);
}

void pool_end(struct pool_world *w, uint64_t round)
{
    struct covey_event e = {.type = COVEY_EVENT_ROUND_END, .fence = pool_fence(), .request = round};
    assert_int_equal(pool_event(w, e), COVEY_OK);
}

void pool_answer(struct pool_world *w, unsigned from, const struct train_seen *task, bool done)
{
    struct covey_train_message m = {.type = COVEY_TRAIN_RESULT,
                                    .round = task->message.round,
                                    .task = task->message.task,
                                    .work = task->message.work,
                                    .status = done ? COVEY_TRAIN_DONE : COVEY_TRAIN_REFUSED,
                                    .spent_us = 11};
    pool_say(w, from, m, done ? train_body(w->seen) : 0);
}

struct pool_world *pool_world_with(unsigned workers)
{
    struct pool_world *w = pool_world_new();
    for (unsigned i = 1; i <= workers; i++) {
        pool_up(w, i);
    }
    pool_open(w, 0, 0);
    for (unsigned i = 1; i <= workers; i++) {
        pool_pull(w, i, 2);
    }
    train_clear(w->seen);
    return w;
}

struct train_seen pool_task_to(const struct pool_world *w, unsigned to, unsigned nth)
{
    struct covey_node_id id = train_id(to);
    for (unsigned i = 0; i < w->seen->seen_count; i++) {
        const struct train_seen *seen = &w->seen->seen[i];
        if (seen->sent && seen->message.type == COVEY_TRAIN_TASK &&
            covey_node_id_equal(&seen->peer, &id) && nth-- == 0) {
            return *seen;
        }
    }
    fail_msg("no such task went to worker %u", to);
    return w->seen->seen[0];
}

unsigned pool_tasks_to(const struct pool_world *w, unsigned to)
{
    struct covey_node_id id = train_id(to);
    unsigned count = 0;
    for (unsigned i = 0; i < w->seen->seen_count; i++) {
        const struct train_seen *seen = &w->seen->seen[i];
        count += seen->sent && seen->message.type == COVEY_TRAIN_TASK &&
                 covey_node_id_equal(&seen->peer, &id);
    }
    return count;
}

void pool_drop_results(struct pool_world *w)
{
    for (unsigned i = 0; i < train_acted(w->seen, COVEY_ACTION_ROUND_RESULT); i++) {
        covey_handle body = train_action(w->seen, COVEY_ACTION_ROUND_RESULT, i)->body;
        if (body != 0) {
            train_drop(w->seen, body);
        }
    }
    train_clear(w->seen);
}
