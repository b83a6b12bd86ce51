/* SPDX-License-Identifier: MIT
 *
 * puller_state.h - what the files of the puller share.
 *
 * As in the job machine, messages and events only change the state below; what that makes due is
 * put into the update by the pump, which goes on where a full update stopped it. So a handle stays
 * in its entry until the action that passes it on, or RELEASE, is out.
 */
#ifndef COVEY_CORE_PULLER_STATE_H
#define COVEY_CORE_PULLER_STATE_H

#include "job.h"
#include "puller.h"

enum {
    COVEY__PULLER_CREDIT = 2, /* one is computed while the next one travels */
    /* More than an owner has under way: bodies of rounds that are over may still come. */
    COVEY__PULLER_ROUNDS = 2 * COVEY_ROUNDS_MAX,
    COVEY__PULLER_OVERS = 32, /* rounds that were over last */
    /* Of one owner: others must find room too. */
    COVEY__PULLER_OWNER_SESSIONS = COVEY_TRAININGS_MAX - 2,
};

enum covey__pull_state {
    COVEY__PULL_FREE,
    COVEY__PULL_NEW, /* ENLISTED is due */
    COVEY__PULL_CHECKING,
    COVEY__PULL_READY,
    COVEY__PULL_DENYING, /* PULL of no credit is due */
    COVEY__PULL_DROPPED, /* gives back what it holds, then DISMISSED */
};

struct covey__pull_spec {
    uint16_t len;
    uint8_t bytes[COVEY_TASK_SPEC_MAX];
};

/* over: its tasks are gone, the shared body goes. */
struct covey__pull_round {
    bool used, over;
    bool begun; /* a task of it was computed: ROUND_OVER is due */
    uint64_t number;
    covey_handle shared;
    struct covey__pull_spec spec;
};

enum covey__pull_task_state {
    COVEY__PULL_TASK_FREE,
    COVEY__PULL_TASK_QUEUED, /* until its round is here, and its turn */
    COVEY__PULL_TASK_DROPPED,
};

struct covey__pull_task {
    enum covey__pull_task_state state;
    uint64_t round;
    uint32_t task, work, ticket;
    covey_handle body;
    struct covey__pull_spec spec;
};

/* Of one owner, in one epoch. Each task that it sent is answered once: with a result, or with its
 * credit when the round was over first. */
struct covey__pull_session {
    enum covey__pull_state state;
    bool told;  /* ENLISTED was: DISMISSED must follow */
    bool leave; /* the owner must hear of it: DISMISS is due */
    struct covey_node_id owner;
    struct covey_fence fence;
    uint8_t credit; /* PULL is due */
    uint8_t next_over;
    uint8_t overs;
    uint64_t over[COVEY__PULLER_OVERS];
    struct covey__pull_spec spec;
    struct covey__pull_round round[COVEY__PULLER_ROUNDS];
    struct covey__pull_task task[COVEY_WORKER_TASKS_MAX];
};

enum covey__pull_run_state {
    COVEY__PULL_IDLE,
    COVEY__PULL_COMPUTING,
    COVEY__PULL_ANSWERING, /* RESULT is due */
    COVEY__PULL_RELEASING,
};

/* The one task that is computed, or was. */
struct covey__pull_run {
    enum covey__pull_run_state state;
    bool orphan; /* its session is gone */
    bool over;   /* its round is: it is worth its credit only */
    struct covey_node_id owner;
    struct covey_fence fence;
    uint64_t round;
    uint32_t task, work;
    uint8_t status;
    uint32_t spent_us;
    covey_handle body;
};

struct covey_puller {
    uint32_t ticket;
    unsigned last; /* the session whose task was computed last */
    struct covey__pull_run run;
    struct covey__pull_session session[COVEY_TRAININGS_MAX];
};

/* puller.c */
bool covey__pull_same(const struct covey_fence *a, const struct covey_fence *b);
struct covey__pull_session *covey__pull_find(struct covey_puller *puller,
                                             const struct covey_node_id *owner,
                                             const struct covey_fence *fence);
struct covey__pull_round *covey__pull_round_find(struct covey__pull_session *session,
                                                 uint64_t number);

/* puller_pump.c */
void covey__pull_pump(struct covey_puller *puller, struct covey_update *out);

#endif /* COVEY_CORE_PULLER_STATE_H */
