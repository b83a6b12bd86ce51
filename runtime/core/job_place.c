/* SPDX-License-Identifier: MIT */
#include "job_state.h"

/* Until when the device is left out. */
static uint64_t left_out_ms(const struct covey_job *job, const struct covey_plan_device *device)
{
    uint16_t peer = covey__job_peer_find(job, &device->id);
    if (peer == COVEY__JOB_NO_PEER) {
        return 0;
    }
    return job->peer[peer].lied ? UINT64_MAX : job->peer[peer].avoid_ms;
}

bool covey__session_devices(const struct covey__turn *turn, struct covey__session *session,
                            uint64_t *out_again_ms)
{
    struct covey_plan_request *costs = &session->costs;
    bool all = true;
    costs->devices = 0;
    *out_again_ms = UINT64_MAX;
    for (unsigned i = 0; i < turn->view->devices; i++) {
        uint64_t again_ms = left_out_ms(turn->job, &turn->view->device[i]);
        if (again_ms > turn->now_ms) {
            *out_again_ms = again_ms < *out_again_ms ? again_ms : *out_again_ms;
            all = false;
            continue;
        }
        struct covey_plan_device *device = &costs->device[costs->devices++];
        *device = turn->view->device[i];
        device->memory_bytes = covey__refuse_bound(session, &turn->view->device[i]);
        all = all && device->memory_bytes == turn->view->device[i].memory_bytes;
    }
    return all;
}

void covey__job_devices(struct covey_job *job, const struct covey_job_view *view,
                        const struct covey_fence *fence, struct covey_plan_request *out)
{
    struct covey__session *session = covey__session_find(job, fence);
    out->devices = 0;
    for (unsigned i = 0; i < view->devices; i++) {
        if (left_out_ms(job, &view->device[i]) > view->now_ms) {
            continue;
        }
        struct covey_plan_device *device = &out->device[out->devices++];
        *device = view->device[i];
        if (session != NULL) {
            device->memory_bytes = covey__refuse_bound(session, &view->device[i]);
        }
    }
}

static void plan_alone(struct covey_plan *plan, uint8_t parity)
{
    memset(plan, 0, sizeof(*plan));
    plan->parity = parity;
}

void covey__version_plan(struct covey__turn *turn, struct covey__session *session,
                         struct covey__version *version)
{
    uint64_t again_ms;
    bool all = covey__session_devices(turn, session, &again_ms);
    (void)all; /* Whoever is missing is planned with again when its time has come. */
    plan_alone(&version->plan, session->costs.parity);
    if (session->alone) {
        version->plan.coordinator = turn->view->self;
        covey__version_adopt(turn, session, version);
        return;
    }
    version->state = COVEY__VERSION_PLANNING;
    version->ask = true;
    version->deadline_ms = UINT64_MAX;
}

/* Fills costs.device anew; true: they are not those that it was planned with. */
static bool devices_changed(const struct covey__turn *turn, struct covey__session *session)
{
    struct covey_plan_device before[COVEY_PLAN_DEVICES_MAX];
    const struct covey_plan_request *costs = &session->costs;
    unsigned count = costs->devices;
    uint64_t again_ms;
    memcpy(before, costs->device, count * sizeof(before[0]));
    bool all = covey__session_devices(turn, session, &again_ms);
    (void)all;
    bool same = costs->devices == count;
    for (unsigned d = 0; same && d < count; d++) {
        same = covey_node_id_equal(&costs->device[d].id, &before[d].id) &&
               costs->device[d].memory_bytes == before[d].memory_bytes;
    }
    return !same;
}

void covey__version_planned(struct covey__turn *turn, struct covey__session *session,
                            struct covey__version *version, const struct covey_plan *plan)
{
    /* Those that came meanwhile are planned with next; those that went may be needed. */
    if (devices_changed(turn, session) && plan != NULL &&
        covey_plan_check(plan, &session->costs) != COVEY_OK) {
        version->ask = true;
        return;
    }
    if (plan == NULL) { /* It is tried again; the active plan, if there is one, does meanwhile. */
        uint64_t again_ms = turn->now_ms + COVEY__JOB_REPLAN_MS;
        session->replan_ms = again_ms < session->replan_ms ? again_ms : session->replan_ms;
        if (covey__version_active(session) != NULL) {
            covey__version_retire(version);
            return;
        }
    } else {
        version->plan = *plan;
    }
    version->plan.coordinator = turn->view->self;
    covey__version_adopt(turn, session, version);
}

bool covey__version_pump_placing(struct covey__turn *turn, struct covey__session *session,
                                 struct covey__version *version)
{
    enum covey_peer_state state = covey__peer_state(turn->job, version->asked);
    if (turn->now_ms >= version->deadline_ms || state == COVEY_PEER_GONE) {
        covey__version_plan(turn, session, version);
        return true;
    }
    covey__job_wake(turn->job, version->deadline_ms);
    if (!version->ask) {
        return true;
    }
    if (state == COVEY_PEER_NO_CHANNEL) {
        return covey__peer_dial(turn, version->asked);
    }
    struct covey_buf space = {turn->job->scratch, sizeof(turn->job->scratch)};
    struct covey_work_message message = {.type = COVEY_WORK_PLACE};
    size_t len = 0;
    if (covey__plan_request_encode(&session->costs, space, &len) != COVEY_OK) {
        version->ask = false; /* The deadline lets the owner plan. */
        return true;
    }
    message.place.session = session->id;
    message.place.version = version->number;
    message.place.payload = covey_bytes_of(space.ptr, len);
    if (covey__update_send(turn->out, &turn->job->peer[version->asked].id, &message, 0) !=
        COVEY_OK) {
        return false;
    }
    version->ask = false;
    return true;
}

bool covey__version_pump_planning(struct covey__turn *turn, const struct covey__session *session,
                                  struct covey__version *version)
{
    if (!version->ask) {
        return true;
    }
    struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_PLAN);
    if (action == NULL) {
        return false;
    }
    action->fence = covey__job_fence(session, version);
    action->costs = &session->costs;
    version->ask = false;
    return true;
}
