/* SPDX-License-Identifier: MIT
 *
 * message_train.h - messages on channels of the task pool: rounds of tasks that workers pull
 * (coded-computing.md section 2; seed 000, section 3.2).
 *
 * A round has something that all its tasks share (weights, or a gradient), sent once to each
 * worker; a task brings the rest. What they mean is in `spec`, which runtime/session writes and
 * reads. Deterministic CBOR map, integer keys, key 0 is the type. Schema: docs/messages.cddl.
 */
#ifndef COVEY_MESSAGE_TRAIN_H
#define COVEY_MESSAGE_TRAIN_H

#include "covey/message_work.h"

enum covey_train_type {
    COVEY_TRAIN_NONE,
    COVEY_TRAIN_ENLIST = 64,  /* owner -> worker: work for this session? spec: what it will need */
    COVEY_TRAIN_PULL = 65,    /* worker -> owner: credit more tasks may be sent; the first one
                                 says that it has what it needs. credit 0: it will not work.
                                 Credit of a task comes back once: with its result, or with PULL
                                 when its round was over first */
    COVEY_TRAIN_ROUND = 66,   /* owner -> worker: spec; body: what its tasks share, or none */
    COVEY_TRAIN_TASK = 67,    /* owner -> worker: spec, body. May overtake its round's body */
    COVEY_TRAIN_RESULT = 68,  /* worker -> owner: body is the answer; returns its credit */
    COVEY_TRAIN_OVER = 69,    /* owner -> worker: drop this round and all its tasks; their credit
                                 is returned by PULL, nothing else is answered */
    COVEY_TRAIN_DISMISS = 70, /* either way: nothing more of this session */
};

enum covey_train_status {
    COVEY_TRAIN_DONE,
    COVEY_TRAIN_REFUSED, /* not as the session's spec says, or it could not be computed */
};

/* Fenced by (session, epoch); the fence's version is 0. */
struct covey_train_message {
    enum covey_train_type type;
    struct covey_fence fence;
    uint64_t round;    /* ROUND, TASK, RESULT, OVER: rises within an epoch */
    uint32_t task;     /* TASK, RESULT: of the code, or of the batch's parts */
    uint32_t work;     /* TASK, RESULT: unique within (owner, worker) */
    uint8_t credit;    /* PULL: at most COVEY_WORKER_TASKS_MAX */
    uint8_t status;    /* RESULT: enum covey_train_status */
    uint32_t spent_us; /* RESULT: of the worker's processor */
    struct covey_bytes
        spec; /* ENLIST, ROUND, TASK: at most COVEY_TASK_SPEC_MAX; borrowed from in */
};

/* Keys: 0 type, 1 session, 2 epoch, 3 round, 4 task, 5 work, 6 credit, 7 status, 8 spec, 9 spent. A
 * type has all of its keys. */
covey_err covey_train_decode(struct covey_bytes in, struct covey_train_message *out) COVEY_CHECK;
covey_err covey_train_encode(const struct covey_train_message *message, struct covey_buf out,
                             size_t *out_len) COVEY_CHECK;

#endif /* COVEY_MESSAGE_TRAIN_H */
