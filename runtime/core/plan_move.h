/* SPDX-License-Identifier: MIT
 *
 * plan_move.h - from one plan of a session to the next: whether it gains, and what it takes.
 */
#ifndef COVEY_CORE_PLAN_MOVE_H
#define COVEY_CORE_PLAN_MOVE_H

#include "covey/message_work.h"
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

/* What one device of a plan gets, and who may be asked for it. */
struct covey__holders_of {
    const struct covey_plan *plan;
    unsigned device;
    const struct covey_plan_held *held;
    uint32_t may; /* bit d: device d of held; never this device */
};
/* The holders of an ASSIGN (covey/message_work.h): who had its units and parities before. Of a
 * layer by rows nobody: all of the plan have all of that. Bytes; 0: nobody. */
size_t covey__plan_holders(const struct covey__holders_of *of,
                           uint8_t out[static COVEY_WORK_HOLDERS_BYTES_MAX]);

#endif /* COVEY_CORE_PLAN_MOVE_H */
