/* SPDX-License-Identifier: MIT
 *
 * plan_report.h - a plan as it is shown to people.
 */
#ifndef COVEY_SESSION_PLAN_REPORT_H
#define COVEY_SESSION_PLAN_REPORT_H

#include "covey/message_control.h"
#include "covey/model.h"
#include "covey/plan.h"

/* Holders in the result are the plan's own. plan->coordinator is the owner. out is zeroed. */
void covey__plan_report(const struct covey_model *model, const struct covey_plan *plan,
                        const struct covey_plan_request *costs, struct covey_control_plan *out);

#endif /* COVEY_SESSION_PLAN_REPORT_H */
