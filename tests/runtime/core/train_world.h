/* SPDX-License-Identifier: MIT
 *
 * train_world.h - what the tests of the task pool and of the puller see of an update: each message
 * and action, and that every body is given back once.
 */
#ifndef COVEY_TESTS_TRAIN_WORLD_H
#define COVEY_TESTS_TRAIN_WORLD_H

#include "covey/node.h"

enum { TRAIN_BODIES = 16384, TRAIN_SEEN = 4096 };

/* Sent to a peer, or asked of session. */
struct train_seen {
    bool sent;
    struct covey_node_id peer;
    struct covey_train_message message; /* spec: only its length holds */
    struct covey_action action;         /* bytes and task_spec: only their lengths hold */
    uint8_t spec_first, task_spec_first;
};

struct train_world {
    covey_handle bodies;
    bool alive[TRAIN_BODIES];
    unsigned seen_count;
    struct train_seen seen[TRAIN_SEEN];
    struct covey_update *out;
};

struct train_world *train_world_new(void);
void train_world_free(struct train_world *w);
covey_handle train_body(struct train_world *w); /* a new one, the machine's */
void train_drop(struct train_world *w, covey_handle body);
unsigned train_alive(const struct train_world *w);
/* Notes what is in the update and empties it. ROUND_RESULT's and TASK's bodies stay alive. */
void train_drain(struct train_world *w);
void train_clear(struct train_world *w);
unsigned train_sent(const struct train_world *w, enum covey_train_type type);
unsigned train_acted(const struct train_world *w, enum covey_action_type type);
/* The nth of its kind since the last clear; fails the test when there is none. */
const struct train_seen *train_message(const struct train_world *w, enum covey_train_type type,
                                       unsigned nth);
const struct covey_action *train_action(const struct train_world *w, enum covey_action_type type,
                                        unsigned nth);
struct covey_node_id train_id(unsigned i);
struct covey_fence train_fence(unsigned session, uint32_t epoch);
/* An update with room for so many actions only. */
void train_fill(struct train_world *w, unsigned room);

#endif /* COVEY_TESTS_TRAIN_WORLD_H */
