/* SPDX-License-Identifier: MIT */
#include "job_world.h"

bool on_plan(struct world *w, const struct covey_action *action)
{
    assert_int_equal(action->work, 0);
    assert_int_equal(covey_plan_make(action->costs, &w->made), COVEY_OK);
    w->made_version = action->fence.version;
    w->plans++;
    return !w->no_plan;
}

void give_plan(struct world *w, uint32_t version, covey_err err)
{
    struct covey_event event = {
        .type = COVEY_EVENT_PLANNED, .fence = session, .err = err, .plan = &w->made};
    event.fence.version = version;
    assert_int_equal(give(w, &event), COVEY_OK);
}

void plan_anew(struct world *w)
{
    pass(w, 0);
    pass(w, 160);
}
