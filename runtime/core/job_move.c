/* SPDX-License-Identifier: MIT */
#include "job_state.h"
#include "plan_move.h"

/* Devices of little memory cannot hold their parts of two plans at once. Such a device gives up the
 * old one first; until the new plan takes over, its part of a request is the parities', or computed
 * here. That is worth it for a plan that gains, and for no other. */

bool covey__move_is_worth(struct covey__session *session, const struct covey_plan *plan)
{
    const struct covey__version *active = covey__version_active(session);
    if (active == NULL) {
        return true;
    }
    if (covey__version_is_whole(active)) {
        return covey__plan_gains(&session->costs, &active->plan, plan);
    }
    return !covey__plan_is_same(&active->plan, plan);
}

static uint64_t memory_of(const struct covey__session *session, const struct covey_node_id *id)
{
    const struct covey_plan_request *costs = &session->costs;
    for (unsigned i = 0; i < costs->devices; i++) {
        if (covey_node_id_equal(&costs->device[i].id, id)) {
            return costs->device[i].memory_bytes;
        }
    }
    return UINT64_MAX;
}

/* It may have a part of a version that was given up, which nobody has counted. That goes if there
 * is nothing else to lose with it, or once it was in the way. */
static bool holds_stray(const struct covey__session *session, const struct covey__version *version,
                        unsigned device, bool had)
{
    uint16_t peer = version->peer[device];
    bool touched = (session->touched[peer / 64] >> (peer % 64) & 1) != 0;
    return session->stray && touched && (!had || version->refusals[device] > 0);
}

bool covey__move_make_room(struct covey__turn *turn, struct covey__session *session,
                           const struct covey__version *version, unsigned device)
{
    struct covey__version *active = covey__version_active(session);
    const struct covey_node_id *id = &version->plan.device[device];
    if (active == NULL || active == version || device == version->self) {
        return true;
    }
    uint8_t at = covey__version_device(turn->job, active, id);
    bool had = at != COVEY__JOB_NO_DEVICE && active->holder[at] != COVEY__HOLDER_NONE &&
               active->holder[at] != COVEY__HOLDER_MOVED &&
               active->holder[at] != COVEY__HOLDER_REFUSED;
    bool fits = !had || covey__plan_both_bytes(&session->costs, &active->plan, &version->plan,
                                               device) <= memory_of(session, id);
    if (fits && !holds_stray(session, version, device, had)) {
        return true;
    }
    struct covey_work_message message = {.type = COVEY_WORK_RETIRE};
    message.fence = covey__job_fence(session, version);
    message.fence.version--;
    if (covey__update_send(turn->out, id, &message, 0) != COVEY_OK) {
        return false;
    }
    if (had) {
        active->holder[at] = COVEY__HOLDER_MOVED;
    }
    return true;
}

void covey__move_take_back(const struct covey__turn *turn, struct covey__session *session,
                           struct covey__version *active)
{
    /* At a move's deadline the next plan is due now. */
    if (covey__version_in_making(session) != NULL || turn->now_ms >= session->replan_ms) {
        return;
    }
    for (unsigned d = 0; d < active->plan.devices; d++) {
        if (active->holder[d] == COVEY__HOLDER_MOVED) {
            active->holder[d] = COVEY__HOLDER_IDLE;
        }
    }
}
