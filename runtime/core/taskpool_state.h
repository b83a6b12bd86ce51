/* SPDX-License-Identifier: MIT
 *
 * taskpool_state.h - what the files of the task pool share.
 *
 * Events and messages only change the state below; whatever that makes due is put into the update
 * by the pump, which goes on where a full update stopped it. A handle stays in its entry until the
 * action that passes it on, or RELEASE, is out.
 */
#ifndef COVEY_CORE_TASKPOOL_STATE_H
#define COVEY_CORE_TASKPOOL_STATE_H

#include "taskpool.h"

enum {
    COVEY__POOL_PEERS = COVEY_MEMBERS_MAX, /* 0: this node */
    COVEY__POOL_NO_PEER = UINT16_MAX,
    COVEY__POOL_NO_TASK = UINT16_MAX,
    COVEY__POOL_NOBODY = UINT8_MAX,
    COVEY__POOL_REFUSALS = 3,       /* in a row; then it is dismissed */
    COVEY__POOL_HUNGRY_MS = 2,      /* tasks of a round are given one by one */
    COVEY__POOL_SPECS = 128 * 1024, /* bytes of all specs of a round's tasks */
};

/* Stays while its channel is up, while an open round knows it, and if it lied. */
struct covey__pool_peer {
    bool used, trusted;
    bool lied;
    enum covey_peer_state state;
    struct covey_node_id id;
};

enum covey__pool_task_state {
    COVEY__POOL_WAITING, /* in its round's list */
    COVEY__POOL_OUT,
    COVEY__POOL_DONE,
};

/* Its body is kept to the end of the round: it may have to be done again. */
struct covey__pool_task {
    enum covey__pool_task_state state;
    bool tell, refused; /* ROUND_RESULT is due: with `answer`, or refused */
    uint16_t next;      /* WAITING */
    uint16_t peer;      /* OUT, DONE: whose; of what is told */
    uint16_t avoid;     /* refused it last; NO_PEER: nobody did */
    uint16_t spec_len;
    uint32_t spec_at;
    uint32_t index; /* as session names it */
    uint32_t same;  /* of tasks that ask the same; 0: no other does */
    uint32_t spent_us;
    covey_handle body, answer;
};

enum covey__pool_round_state {
    COVEY__POOL_ROUND_FREE,
    COVEY__POOL_ROUND_OPEN,
    COVEY__POOL_ROUND_ENDING, /* OVER to its workers, then gives back its bodies */
};

struct covey__pool_round {
    enum covey__pool_round_state state;
    uint64_t number;
    uint64_t fed_ms;                              /* its last task was given */
    uint64_t told[(COVEY_WORKERS_MAX + 63) / 64]; /* workers that have ROUND, and get OVER */
    uint64_t had[COVEY__POOL_PEERS / 64];         /* devices that had a task of it */
    uint32_t hungry;                              /* credit that was told of */
    uint16_t first, last;                         /* waiting tasks */
    uint16_t tasks;
    uint16_t tell_from; /* no ROUND_RESULT is due for tasks before it */
    uint16_t spec_len;
    uint32_t specs;
    covey_handle shared;
    uint8_t spec[COVEY_TASK_SPEC_MAX];
    struct covey__pool_task task[COVEY_ROUND_TASKS_MAX];
    uint8_t task_specs[COVEY__POOL_SPECS];
};

enum covey__pool_worker_state {
    COVEY__POOL_WORKER_FREE,
    COVEY__POOL_WORKER_NEW, /* ENLIST is due */
    COVEY__POOL_WORKER_ASKED,
    COVEY__POOL_WORKER_PULLS,
    COVEY__POOL_WORKER_REFUSED, /* not asked again before its channel comes up anew */
};

/* One task that a worker holds. */
struct covey__pool_out {
    bool used;
    uint8_t round;
    uint16_t task;
    uint32_t work;
};

/* credit, tasks out and owed together are what it was given credit for. */
struct covey__pool_worker {
    enum covey__pool_worker_state state;
    bool tell;     /* TRAIN_WORKER is due */
    bool dismiss;  /* DISMISS is due */
    bool gone;     /* its channel is: the entry goes once all is told */
    covey_err why; /* of the one that is due */
    uint16_t peer;
    uint8_t credit;
    uint8_t owed;     /* tasks of rounds that are over: an answer or their credit still comes */
    uint8_t refusals; /* in a row */
    uint32_t since;   /* ticket of its last credit: who waited longest */
    struct covey__pool_out out[COVEY_WORKER_TASKS_MAX];
};

struct covey__pool_session {
    bool used, closing;
    bool self, any_trust, one_each;
    bool look; /* there may be somebody to enlist */
    struct covey_fence fence;
    uint32_t limit;      /* workers at most */
    uint64_t last_round; /* number of the newest; rounds rise */
    bool begun;          /* there was one */
    uint16_t spec_len;
    uint8_t spec[COVEY_TASK_SPEC_MAX];
    struct covey__pool_worker worker[COVEY_WORKERS_MAX];
    struct covey__pool_round round[COVEY_ROUNDS_MAX];
};

struct covey_taskpool {
    uint64_t deadline_ms, now_ms;
    uint32_t work, ticket; /* the last ones given */
    struct covey__pool_peer peer[COVEY__POOL_PEERS];
    struct covey__pool_session session[COVEY_TRAININGS_MAX];
};

/* taskpool.c */
void covey__pool_wake(struct covey_taskpool *pool, uint64_t at_ms);
uint16_t covey__pool_peer_find(const struct covey_taskpool *pool, const struct covey_node_id *id);
/* It does no more for this session: its tasks go to others. */
void covey__pool_worker_gone(struct covey__pool_session *session, struct covey__pool_worker *worker,
                             covey_err why);
unsigned covey__pool_workers(const struct covey__pool_session *session);

/* taskpool_round.c: rounds, their tasks and what comes back */
struct covey__pool_round *covey__pool_round_find(struct covey__pool_session *session,
                                                 uint64_t number);
covey_err covey__pool_round_begin(struct covey_taskpool *pool, struct covey__pool_session *session,
                                  const struct covey_event *event) COVEY_CHECK;
covey_err covey__pool_round_task(struct covey_taskpool *pool, struct covey__pool_session *session,
                                 const struct covey_event *event) COVEY_CHECK;
/* Before it is handed out again to others, the device is gone from all sessions. */
void covey__pool_round_again(struct covey__pool_round *round, uint16_t peer);
void covey__pool_round_end(struct covey__pool_session *session, struct covey__pool_round *round);
/* In front of those that wait. */
void covey__pool_task_again(struct covey__pool_round *round, uint16_t task);
void covey__pool_task_take(struct covey__pool_round *round, uint16_t task);
/* True: it keeps the body. */
bool covey__pool_result(struct covey_taskpool *pool, struct covey__pool_session *session,
                        struct covey__pool_worker *worker,
                        const struct covey_train_message *message, covey_handle body);

/* taskpool_pump.c. False: the update is full. */
bool covey__pool_pump(struct covey_taskpool *pool, struct covey__pool_session *session,
                      struct covey_update *out);

#endif /* COVEY_CORE_TASKPOOL_STATE_H */
