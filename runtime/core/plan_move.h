/* SPDX-License-Identifier: MIT
 *
 * plan_move.h - from one plan of a session to the next: whether it gains, and what it takes.
 */
#ifndef COVEY_CORE_PLAN_MOVE_H
#define COVEY_CORE_PLAN_MOVE_H

#include "covey/plan.h"

/* Whether all devices have the same in both. */
bool covey__plan_is_same(const struct covey_plan *a, const struct covey_plan *b);
/* Whether a session that has `from` is to move to `to`: `from` is no plan for the request as it is
 * now; or `to` loses less, or lets the owner read less in each request; or it ends sooner by more
 * than what was measured may be wrong by. */
bool covey__plan_gains(const struct covey_plan_request *request, const struct covey_plan *from,
                       const struct covey_plan *to);
/* What device `device` of `to` takes while it still has what `from` gave it. */
uint64_t covey__plan_both_bytes(const struct covey_plan_request *request,
                                const struct covey_plan *from, const struct covey_plan *to,
                                unsigned device);

#endif /* COVEY_CORE_PLAN_MOVE_H */
