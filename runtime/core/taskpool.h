/* SPDX-License-Identifier: MIT
 *
 * taskpool.h - the owner's half of coded training as a pure machine: who works for a session, which
 * tasks wait, which were handed out (seed 000, section 3.2: task pool and result pool).
 *
 * Workers pull: each may hold as many tasks as it has given credit for, so that a fast device takes
 * more; but a round's last tasks are for who is idle first. A round's shared body goes once to a
 * worker, with its first task. Tasks of a device that is gone are handed out again at once, in
 * front of the others; those of one that lied too. Whether answers suffice is the session's
 * business: it ends the round, and what is still out is cancelled. Bodies of tasks are kept until
 * then. Several rounds go on beside one another, the older first.
 */
#ifndef COVEY_CORE_TASKPOOL_H
#define COVEY_CORE_TASKPOOL_H

#include "covey/node.h"
#include "incoming.h"
#include "job.h"

struct covey_taskpool;

size_t covey__taskpool_size(void);
void covey__taskpool_init(struct covey_taskpool *pool, const struct covey_node_id *self);
/* TRAIN_OPEN, TRAIN_CLOSE, ROUND_*. */
covey_err covey__taskpool_event(struct covey_taskpool *pool, const struct covey_event *event,
                                struct covey_update *out) COVEY_CHECK;
/* PULL, RESULT, DISMISS. A body it does not keep is RELEASEd. */
covey_err covey__taskpool_message(struct covey_taskpool *pool, const struct covey_node_id *peer,
                                  const struct covey_train_message *message, covey_handle body,
                                  struct covey_update *out) COVEY_CHECK;
/* As covey__job_peer(); trusted: its certificate's trust is full. */
covey_err covey__taskpool_peer(struct covey_taskpool *pool, const struct covey_node_id *peer,
                               bool trusted, enum covey_peer_state state,
                               struct covey_update *out) COVEY_CHECK;
/* It lied, to whichever session: all let it go, for good. */
void covey__taskpool_distrust(struct covey_taskpool *pool, const struct covey_node_id *peer,
                              struct covey_update *out);
/* Goes on where an update was full: node.c calls it after each event. */
covey_err covey__taskpool_tick(struct covey_taskpool *pool, uint64_t now_ms,
                               struct covey_update *out) COVEY_CHECK;
uint64_t covey__taskpool_deadline_ms(const struct covey_taskpool *pool);

#endif /* COVEY_CORE_TASKPOOL_H */
