/* SPDX-License-Identifier: MIT
 *
 * lab.h - a node of a lab that is told to answer late or wrongly, for trying what others do then.
 *
 * Nothing here happens unless the node was started with --lab and was told so over its own control
 * socket. Holders call both functions in a task's done(), in front of giving its answer away.
 */
#ifndef COVEY_SESSION_LAB_H
#define COVEY_SESSION_LAB_H

#include "covey/body.h"
#include "covey/latency.h"
#include "pool.h"

struct covey_lab {
    bool allowed;
    struct covey_control_lab told;
    struct covey_loop *loop;
    struct covey_timer *timer;
    struct covey_task_list late; /* in order of due_ms, but for changes of the delay */
};

void covey__lab_init(struct covey_lab *lab, struct covey_loop *loop, bool allowed);
/* Runs what is late. */
void covey__lab_done(struct covey_lab *lab);
/* DENIED: the node was not started for a lab. */
covey_err covey__lab_set(struct covey_lab *lab, const struct covey_control_lab *told) COVEY_CHECK;

/* Nothing was told: answers leave as they are, when they are there. */
bool covey__lab_idle(const struct covey_lab *lab);
/* True: the task's done() is called again later, and there is nothing to do now. */
bool covey__lab_late(struct covey_lab *lab, struct covey_task *task);
/* Coded training: milliseconds that each task of this round is slept over; rounds of a session are
 * numbered from 1. The delay of all answers is in it: such an answer is not late() besides. */
uint64_t covey__lab_task_delay(const struct covey_lab *lab, uint64_t round);
/* Makes some of an answer's numbers wrong, of as many answers as was told, taken at random; NULL is
 * left alone. */
void covey__lab_lie(struct covey_lab *lab, struct covey_body *answer);

#endif /* COVEY_SESSION_LAB_H */
