/* SPDX-License-Identifier: MIT
 *
 * holder.h - what this device holds for others and computes for them: the mathematics and memory
 * behind core's worker machine. Calls are on the loop; work is on the pools, but for what is
 * light.
 */
#ifndef COVEY_SESSION_HOLDER_H
#define COVEY_SESSION_HOLDER_H

#include "assignment.h"
#include "services.h"

struct covey_holder;

covey_err covey__holder_new(struct covey_services *services, struct covey_holder **out) COVEY_CHECK;
/* After the pools have stopped. */
void covey__holder_free(struct covey_holder *h);

/* The assignment of exactly this fence, borrowed; NULL: not known, or not ready. */
struct covey_assignment *covey__holder_find(const struct covey_holder *h,
                                            const struct covey_node_id *owner,
                                            const struct covey_fence *fence);

/* Actions ASSIGNED, FETCHED, COMPUTE, RETIRED. */
void covey__holder_assigned(struct covey_holder *h, const struct covey_action *action);
void covey__holder_fetched(struct covey_holder *h, const struct covey_action *action);
void covey__holder_compute(struct covey_holder *h, const struct covey_action *action);
/* The assignment once it is ready, borrowed until RETIRED (take a reference); NULL: it is not. */
struct covey_assignment *covey__holder_ready(const struct covey_holder *h,
                                             const struct covey_node_id *owner,
                                             const struct covey_fence *fence);
void covey__holder_retired(struct covey_holder *h, const struct covey_action *action);

#endif /* COVEY_SESSION_HOLDER_H */
