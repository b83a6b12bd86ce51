/* SPDX-License-Identifier: MIT
 *
 * pool_world.h - a task pool machine for tests: one session (pool_fence()), peers by number. Every
 * call goes on until nothing more is due.
 */
#ifndef COVEY_TESTS_POOL_WORLD_H
#define COVEY_TESTS_POOL_WORLD_H

#include "taskpool.h"
#include "train_world.h"

enum { SELF = 0, ONE = 1, TWO = 2, THREE = 3 };

struct pool_world {
    struct train_world *seen;
    struct covey_taskpool *pool;
    uint64_t now_ms;
};

struct covey_fence pool_fence(void);
struct pool_world *pool_world_new(void);
void pool_tick(struct pool_world *w, uint64_t ms);
covey_err pool_event(struct pool_world *w, struct covey_event e);
/* Closes what was open: then no body is left. */
void pool_world_free(struct pool_world *w);
void pool_peer_is(struct pool_world *w, unsigned i, bool trusted, enum covey_peer_state state);
void pool_up(struct pool_world *w, unsigned i);
void pool_open(struct pool_world *w, uint32_t flags, uint32_t limit);
void pool_say(struct pool_world *w, unsigned from, struct covey_train_message m, covey_handle body);
void pool_pull(struct pool_world *w, unsigned from, uint8_t credit);
void pool_begin(struct pool_world *w, uint64_t round);
void pool_give(struct pool_world *w, uint64_t round, uint32_t task);
void pool_give_same(struct pool_world *w, uint64_t round, uint32_t task, uint32_t same);
void pool_end(struct pool_world *w, uint64_t round);
/* Answers a TASK that was seen. */
void pool_answer(struct pool_world *w, unsigned from, const struct train_seen *task, bool done);
/* A session with so many workers (ONE, TWO, ...) of two credits each. */
struct pool_world *pool_world_with(unsigned workers);
struct train_seen pool_task_to(const struct pool_world *w, unsigned to, unsigned nth);
unsigned pool_tasks_to(const struct pool_world *w, unsigned to);
void pool_drop_results(struct pool_world *w);

#endif /* COVEY_TESTS_POOL_WORLD_H */
