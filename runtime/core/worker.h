/* SPDX-License-Identifier: MIT
 *
 * worker.h - the holder's half as a pure machine: which assignments are known and ready, what is
 * queued, what was cancelled. Fenced by (owner, session, epoch, version).
 */
#ifndef COVEY_CORE_WORKER_H
#define COVEY_CORE_WORKER_H

#include "covey/node.h"
#include "incoming.h"

struct covey_worker;

size_t covey__worker_size(void);
/* self: this device, as plans name it. */
void covey__worker_init(struct covey_worker *worker, const struct covey_node_id *self);
/* ASSIGN, EXECUTE, CANCEL, RETIRE, START, DROP from an owner whose certificate has full
 * trust; PIECE from anyone: taken when it comes from the device that the assignment's plan names.
 * The owner may be this node itself: it assigns itself tiles, never slots. A body it does not keep
 * is RELEASEd. */
covey_err covey__worker_message(struct covey_worker *worker, const struct covey_incoming *in,
                                struct covey_update *out) COVEY_CHECK;
/* ASSIGN_CHECKED, COMPUTED. */
covey_err covey__worker_event(struct covey_worker *worker, const struct covey_event *event,
                              struct covey_update *out) COVEY_CHECK;
/* The owner's channel went down: its queued work and assignments are dropped (RETIRED). */
covey_err covey__worker_peer_down(struct covey_worker *worker, const struct covey_node_id *peer,
                                  struct covey_update *out) COVEY_CHECK;

/* Goes on where an update was full, and complains of what waits too long: node.c calls it after
 * each event. */
covey_err covey__worker_tick(struct covey_worker *worker, uint64_t now_ms,
                             struct covey_update *out) COVEY_CHECK;
uint64_t covey__worker_deadline_ms(const struct covey_worker *worker);

#endif /* COVEY_CORE_WORKER_H */
