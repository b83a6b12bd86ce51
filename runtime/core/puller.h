/* SPDX-License-Identifier: MIT
 *
 * puller.h - the worker's half of coded training as a pure machine: for which owners it works,
 * rounds it has the shared body of, tasks it holds. Computes one task at a time.
 */
#ifndef COVEY_CORE_PULLER_H
#define COVEY_CORE_PULLER_H

#include "covey/node.h"
#include "incoming.h"

struct covey_puller;

size_t covey__puller_size(void);
void covey__puller_init(struct covey_puller *puller);
/* ENLIST, ROUND, TASK, OVER, DISMISS, of an owner whose certificate has full trust. */
covey_err covey__puller_message(struct covey_puller *puller, const struct covey_node_id *peer,
                                const struct covey_train_message *message, covey_handle body,
                                struct covey_update *out) COVEY_CHECK;
/* ENLIST_CHECKED, TASK_DONE. */
covey_err covey__puller_event(struct covey_puller *puller, const struct covey_event *event,
                              struct covey_update *out) COVEY_CHECK;
/* The owner's channel went down: DISMISSED. */
covey_err covey__puller_peer_down(struct covey_puller *puller, const struct covey_node_id *peer,
                                  struct covey_update *out) COVEY_CHECK;
covey_err covey__puller_tick(struct covey_puller *puller, struct covey_update *out) COVEY_CHECK;

#endif /* COVEY_CORE_PULLER_H */
