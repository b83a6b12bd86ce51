/* SPDX-License-Identifier: MIT */
#include "job_state.h"
#include "plan_move.h"

enum {
    /* Of one device, for all sessions, at once; then one in a while. */
    ANEW_BURST = 64,
    ANEW_EVERY_MS = 2000,
};

/* A holder that refuses its part says how much of the session it has room for. The session plans
 * anew with that, and not with more before something may have changed: the device's record, its
 * channel, this owner's other sessions, or simply time. */

/* From when on there may be one more new plan for this device's sake: refusals that name less each
 * time, or channels that come and go, must not keep an owner planning. */
static uint64_t anew_ms(struct covey__turn *turn, uint16_t peer)
{
    uint64_t *paid_ms = &turn->job->peer[peer].anew_ms;
    uint64_t since_ms = *paid_ms > turn->now_ms ? *paid_ms : turn->now_ms;
    uint64_t burst_ms = (uint64_t)ANEW_BURST * ANEW_EVERY_MS;
    if (since_ms - turn->now_ms > burst_ms) {
        return since_ms - burst_ms;
    }
    *paid_ms = since_ms + ANEW_EVERY_MS;
    return turn->now_ms;
}

static struct covey__bound *find(struct covey__session *session, const struct covey_node_id *id)
{
    for (unsigned i = 0; i < session->bounds; i++) {
        if (covey_node_id_equal(&session->bound[i].device, id)) {
            return &session->bound[i];
        }
    }
    return NULL;
}

/* Where all places are taken, that of whoever said so first. */
static struct covey__bound *add(struct covey__session *session)
{
    struct covey__bound *oldest = &session->bound[0];
    if (session->bounds < COVEY_PLAN_DEVICES_MAX) {
        return &session->bound[session->bounds++];
    }
    for (unsigned i = 1; i < session->bounds; i++) {
        oldest = session->bound[i].until_ms < oldest->until_ms ? &session->bound[i] : oldest;
    }
    return oldest;
}

static void drop(struct covey__session *session, struct covey__bound *bound)
{
    *bound = session->bound[--session->bounds];
}

/* What its record says. */
static uint64_t offered(const struct covey__turn *turn, const struct covey_node_id *id)
{
    for (unsigned i = 0; i < turn->view->devices; i++) {
        if (covey_node_id_equal(&turn->view->device[i].id, id)) {
            return turn->view->device[i].memory_bytes;
        }
    }
    return 0;
}

/* It is planned with no more than that. False: nor was it before. */
static bool note(struct covey__turn *turn, struct covey__session *session,
                 const struct covey_node_id *device, uint64_t bytes)
{
    struct covey__bound *bound = find(session, device);
    bool less = bound == NULL || bytes < bound->bytes;
    bytes = less ? bytes : bound->bytes;
    struct covey_action *action =
        bound == NULL ? covey__update_add(turn->out, COVEY_ACTION_REFUSED) : NULL;
    if (action != NULL) {
        action->peer = *device;
        action->has_peer = true;
        action->room_bytes = bytes;
    }
    bound = bound != NULL ? bound : add(session);
    *bound = (struct covey__bound){*device, bytes, offered(turn, device),
                                   turn->now_ms + COVEY__JOB_BOUND_MS};
    return less;
}

/* Of what the version gives the device, and it has not got. True: it is asked for that again. */
static bool refused(struct covey__turn *turn, struct covey__session *session,
                    struct covey__version *version, unsigned device, uint64_t *inout_bytes)
{
    static const struct covey_plan nothing;
    uint64_t given = covey__plan_both_bytes(&session->costs, &nothing, &version->plan, device);
    if (*inout_bytes != UINT64_MAX && *inout_bytes >= given) {
        /* What it had of an older version is perhaps just going. Else it counts otherwise than
         * plans do, and gets less each time, until it takes it. */
        if (version->refusals[device]++ < COVEY__JOB_REFUSALS) {
            version->holder[device] = COVEY__HOLDER_IDLE;
            version->retry_ms[device] = turn->now_ms + COVEY__JOB_RETRY_MS;
            return true;
        }
        *inout_bytes = given - given / 4 - (given > 0);
    }
    version->holder[device] = COVEY__HOLDER_REFUSED;
    return false;
}

bool covey__refuse_own(struct covey__turn *turn, struct covey__session *session,
                       const struct covey__version *version, uint64_t room_bytes)
{
    static const struct covey_plan nothing;
    uint64_t given = 0;
    if (version->self != COVEY__JOB_NO_DEVICE) {
        given = covey__plan_both_bytes(&session->costs, &nothing, &version->plan, version->self);
    }
    if (given == 0) {
        return false;
    }
    /* It lacks room for more than units: check vectors, say. */
    uint64_t less = given - given / 4 - 1;
    bool noted = note(turn, session, &turn->view->self, room_bytes < less ? room_bytes : less);
    uint64_t soon_ms = turn->now_ms + COVEY__JOB_DEBOUNCE_MS;
    session->replan_ms = soon_ms < session->replan_ms ? soon_ms : session->replan_ms;
    return noted;
}

void covey__refuse_take(struct covey__turn *turn, const struct covey_incoming *in)
{
    const struct covey_work_refuse *refuse = &in->message->refuse;
    struct covey__session *session = covey__session_find(turn->job, &refuse->fence);
    uint16_t peer = covey__job_peer_find(turn->job, &in->peer);
    if (session == NULL || peer == COVEY__JOB_NO_PEER ||
        (session->touched[peer / 64] >> (peer % 64) & 1) == 0) {
        return;
    }
    struct covey__version *version = covey__version_find(turn->job, &refuse->fence);
    uint8_t d = version != NULL ? covey__version_device(turn->job, version, &in->peer)
                                : COVEY__JOB_NO_DEVICE;
    bool asked = d != COVEY__JOB_NO_DEVICE && version->holder[d] == COVEY__HOLDER_ASSIGNED;
    uint64_t bytes = refuse->room_bytes;
    if (asked && refused(turn, session, version, d, &bytes)) {
        return;
    }
    bool less = bytes != UINT64_MAX && note(turn, session, &in->peer, bytes);
    if (!less && !asked) {
        return;
    }
    if (bytes == UINT64_MAX) {
        turn->job->peer[peer].avoid_ms = turn->now_ms + COVEY__JOB_AVOID_MS;
    }
    /* Others may be about to refuse theirs. */
    uint64_t soon_ms = anew_ms(turn, peer) + COVEY__JOB_DEBOUNCE_MS;
    session->replan_ms = soon_ms < session->replan_ms ? soon_ms : session->replan_ms;
}

uint64_t covey__refuse_bound(struct covey__session *session, const struct covey_plan_device *device)
{
    struct covey__bound *bound = find(session, &device->id);
    if (bound != NULL && bound->offered_bytes != device->memory_bytes) {
        drop(session, bound);
        bound = NULL;
    }
    return bound != NULL && bound->bytes < device->memory_bytes ? bound->bytes
                                                                : device->memory_bytes;
}

bool covey__refuse_holds(const struct covey__version *version)
{
    bool refused = false;
    for (unsigned d = 0; d < version->plan.devices; d++) {
        refused = refused || version->holder[d] == COVEY__HOLDER_REFUSED;
    }
    return refused;
}

void covey__refuse_watch(struct covey__turn *turn, struct covey__session *session)
{
    for (unsigned i = session->bounds; i-- > 0;) {
        if (turn->now_ms >= session->bound[i].until_ms) {
            drop(session, &session->bound[i]);
            session->replan_ms =
                turn->now_ms < session->replan_ms ? turn->now_ms : session->replan_ms;
        } else {
            covey__job_wake(turn->job, session->bound[i].until_ms);
        }
    }
}

void covey__refuse_forget(struct covey__turn *turn, uint16_t peer)
{
    const struct covey_node_id *device = &turn->job->peer[peer].id;
    for (unsigned i = 0; i < turn->job->session_end; i++) {
        struct covey__session *session = &turn->job->session[i];
        struct covey__bound *bound = session->used ? find(session, device) : NULL;
        uint64_t at_ms = bound != NULL ? anew_ms(turn, peer) : 0;
        if (bound != NULL && at_ms < bound->until_ms) {
            bound->until_ms = at_ms;
        }
    }
}

void covey__refuse_try_again(struct covey__turn *turn)
{
    uint64_t soon_ms = turn->now_ms + COVEY__JOB_DEBOUNCE_MS;
    for (unsigned i = 0; i < turn->job->session_end; i++) {
        struct covey__session *session = &turn->job->session[i];
        for (unsigned b = 0; session->used && b < session->bounds; b++) {
            struct covey__bound *bound = &session->bound[b];
            bound->until_ms = soon_ms < bound->until_ms ? soon_ms : bound->until_ms;
        }
    }
}
