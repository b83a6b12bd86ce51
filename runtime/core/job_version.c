/* SPDX-License-Identifier: MIT */
#include "job_state.h"
#include "plan_move.h"

static void keep_peers(struct covey_job *job, struct covey__version *version)
{
    const struct covey_plan *plan = &version->plan;
    version->self = COVEY__JOB_NO_DEVICE;
    version->kept = true;
    for (unsigned d = 0; d < plan->devices; d++) {
        version->holder[d] = COVEY__HOLDER_NONE;
        version->retry_ms[d] = 0;
        version->refusals[d] = 0;
        version->peer[d] = covey__peer_keep(job, &plan->device[d]);
        if (version->peer[d] != COVEY__JOB_NO_PEER) {
            job->peer[version->peer[d]].plans++;
        }
        if (version->peer[d] == 0) {
            version->self = (uint8_t)d;
        }
    }
    for (unsigned i = 0; i < plan->layers; i++) {
        for (unsigned s = 0; s < plan->layer[i].slots; s++) {
            version->holder[plan->layer[i].holder[s]] = COVEY__HOLDER_IDLE;
        }
    }
    /* Its own units need no assignment; its strips are a holder's like any other's. */
    if (version->self != COVEY__JOB_NO_DEVICE &&
        version->holder[version->self] == COVEY__HOLDER_IDLE) {
        version->holder[version->self] = COVEY__HOLDER_READY;
    }
    for (unsigned i = 0; i < plan->runs; i++) {
        uint32_t holders = covey__job_tiles_holders(plan, i);
        for (unsigned d = 0; d < plan->devices; d++) {
            if ((holders >> d & 1) != 0) {
                version->holder[d] = COVEY__HOLDER_IDLE;
            }
        }
    }
}

void covey__version_adopt(struct covey__turn *turn, struct covey__session *session,
                          struct covey__version *version)
{
    bool worth = covey__move_is_worth(session, &version->plan);
    if (!worth && !session->stray) {
        version->plan.devices = 0; /* No peer is kept for it yet. */
        version->state = COVEY__VERSION_FREE;
        return;
    }
    /* No weights move, and holders forget what they were given in between. */
    if (!worth) {
        version->plan = covey__version_active(session)->plan;
    }
    keep_peers(turn->job, version);
    version->ask = false;
    version->tell = true;
    version->state = COVEY__VERSION_PREPARING;
    version->deadline_ms = UINT64_MAX;
}

void covey__version_start(struct covey__turn *turn, struct covey__session *session)
{
    struct covey__version *version = NULL;
    for (unsigned i = 0; i < COVEY__JOB_VERSIONS; i++) {
        if (session->version[i].state == COVEY__VERSION_FREE) {
            version = &session->version[i];
        }
    }
    if (version == NULL) {
        session->replan_ms = turn->now_ms + COVEY__JOB_DEBOUNCE_MS;
        return;
    }
    const struct covey_job_view *view = turn->view;
    bool all = covey__session_devices(turn, session, &session->replan_ms);
    version->number = ++session->versions;
    version->requests = 0;
    version->tell = version->told = version->kept = false;
    version->plan.devices = 0;
    version->state = COVEY__VERSION_PLACING;
    version->deadline_ms = turn->now_ms + COVEY__JOB_PLACE_MS;
    version->ask = all && !session->alone && !session->distrust && session->costs.devices > 1 &&
                   view->has_coordinator && !covey_node_id_equal(&view->coordinator, &view->self);
    session->distrust = false;
    version->asked = COVEY__JOB_NO_PEER;
    if (version->ask) {
        version->asked = covey__peer_keep(turn->job, &view->coordinator);
    }
    if (covey__peer_state(turn->job, version->asked) == COVEY_PEER_GONE) {
        covey__version_plan(turn, session, version);
    }
}

void covey__version_retire(struct covey__version *version)
{
    version->state = COVEY__VERSION_RETIRING;
    version->tell = false;
}

void covey__version_give_up(struct covey__session *session, struct covey__version *version)
{
    session->stray = session->stray || version->state == COVEY__VERSION_ASSIGNING;
    covey__version_retire(version);
}

static bool pump_preparing(struct covey__turn *turn, struct covey__session *session,
                           struct covey__version *version)
{
    if (!version->tell) {
        return true;
    }
    struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_PREPARE);
    if (action == NULL) {
        return false;
    }
    action->fence = covey__job_fence(session, version);
    action->plan = &version->plan;
    version->tell = false;
    version->told = true;
    return true;
}

/* Whether a holder must know the others: with tile runs what each makes, of a layer by rows who has
 * all its weights too, and of one that is relayed who has the other pieces. */
static bool tells_plan(const struct covey_plan *plan)
{
    bool tells = plan->runs > 0;
    for (unsigned i = 0; i < plan->layers; i++) {
        const struct covey_plan_layer *layer = &plan->layer[i];
        tells = tells || (layer->slots > 0 && (layer->by_rows || layer->relayed));
    }
    return tells;
}

/* Who is there beside the owner and the device. */
static uint32_t may_be_asked(const struct covey__turn *turn, const struct covey_plan_held *held,
                             const struct covey_node_id *device)
{
    uint32_t may = 0;
    for (unsigned d = 0; d < held->devices; d++) {
        uint16_t peer = covey__job_peer_find(turn->job, &held->device[d]);
        bool there = peer != 0 && covey__peer_is_there(turn, peer) &&
                     !covey_node_id_equal(&held->device[d], device);
        may |= there ? UINT32_C(1) << d : 0;
    }
    return may;
}

/* Units move between devices, which keep what they had on their disks: the device is told whom else
 * to ask. In the update's arena, which has room for it. */
static struct covey_bytes put_holders(struct covey__turn *turn,
                                      const struct covey__session *session,
                                      const struct covey__version *version, unsigned device)
{
    struct covey_update *out = turn->out;
    uint8_t *to = out->arena + out->arena_len;
    const struct covey__holders_of of = {
        .plan = &version->plan,
        .device = device,
        .held = &session->held,
        .may = may_be_asked(turn, &session->held, &version->plan.device[device])};
    size_t len = of.may != 0 ? covey__plan_holders(&of, to) : 0;
    out->arena_len += len;
    return covey_bytes_of(to, len);
}

/* False: no room in the update. */
static bool put_plan(struct covey_update *out, const struct covey_plan *plan,
                     struct covey_bytes *out_bytes)
{
    struct covey_buf space = {out->arena + out->arena_len, sizeof(out->arena) - out->arena_len};
    size_t len = 0;
    if (tells_plan(plan) && covey__plan_encode(plan, space, &len) != COVEY_OK) {
        return false;
    }
    out->arena_len += len;
    *out_bytes = covey_bytes_of(space.ptr, len);
    return true;
}

static bool assign(struct covey__turn *turn, struct covey__session *session,
                   struct covey__version *version, unsigned device)
{
    struct covey_update *out = turn->out;
    struct covey_bytes plan;
    if (out->count == COVEY_UPDATE_ACTIONS_MAX ||
        sizeof(out->arena) - out->arena_len < COVEY__PLAN_MAX + COVEY_WORK_HOLDERS_BYTES_MAX ||
        !put_plan(out, &version->plan, &plan)) {
        out->more = true;
        return false;
    }
    struct covey_bytes holders = put_holders(turn, session, version, device);
    struct covey_action *action = covey__update_add(out, COVEY_ACTION_ASSIGN);
    COVEY_ASSERT(action != NULL);
    action->bytes = plan;
    action->holders = holders;
    uint16_t peer = version->peer[device];
    action->peer = version->plan.device[device];
    action->has_peer = true;
    action->fence = covey__job_fence(session, version);
    action->device = (uint8_t)device;
    version->holder[device] = COVEY__HOLDER_ASSIGNED;
    version->due_ms[device] =
        turn->now_ms + covey__assign_again_ms(session, &version->plan, device);
    session->touched[peer / 64] |= UINT64_C(1) << (peer % 64);
    return true;
}

/* Whoever is reachable and has no assignment gets one; after a lost channel or a refusal again. */
static bool pump_holders(struct covey__turn *turn, struct covey__session *session,
                         struct covey__version *version)
{
    for (unsigned d = 0; d < version->plan.devices; d++) {
        enum covey_peer_state state = covey__peer_state(turn->job, version->peer[d]);
        if (version->holder[d] != COVEY__HOLDER_IDLE || state == COVEY_PEER_GONE) {
            continue;
        }
        if (state == COVEY_PEER_NO_CHANNEL) {
            if (!covey__peer_dial(turn, version->peer[d])) {
                return false;
            }
        } else if (turn->now_ms < version->retry_ms[d]) {
            covey__job_wake(turn->job, version->retry_ms[d]);
        } else if (!covey__move_make_room(turn, session, version, d) ||
                   !assign(turn, session, version, d)) {
            return false;
        }
    }
    return true;
}

/* A member that is suspected may keep an open channel: it is not waited for. */
static bool is_there(const struct covey__turn *turn, const struct covey__version *version,
                     unsigned device)
{
    return covey__peer_is_there(turn, version->peer[device]);
}

static bool counts(const struct covey__turn *turn, const struct covey__version *version,
                   unsigned device, bool hope)
{
    bool lied =
        version->peer[device] != COVEY__JOB_NO_PEER && turn->job->peer[version->peer[device]].lied;
    return (version->holder[device] == COVEY__HOLDER_READY && !lied) ||
           (hope && is_there(turn, version, device));
}

/* One holder is enough: rows are shared out among those that are there. */
static bool runs_have_enough(const struct covey__turn *turn, const struct covey__version *version,
                             bool hope)
{
    for (unsigned i = 0; i < version->plan.runs; i++) {
        uint32_t holders = covey__job_tiles_holders(&version->plan, i);
        bool has = false;
        for (unsigned d = 0; d < version->plan.devices; d++) {
            has = has || ((holders >> d & 1) != 0 && counts(turn, version, d, hope));
        }
        if (!has) {
            return false;
        }
    }
    return true;
}

bool covey__version_has_enough(const struct covey__turn *turn, const struct covey__version *version,
                               bool hope)
{
    for (unsigned i = 0; i < version->plan.layers; i++) {
        const struct covey_plan_layer *layer = &version->plan.layer[i];
        for (unsigned g = 0; g < layer->groups; g++) {
            unsigned unit, slot;
            unsigned have = 0;
            unsigned count = covey_plan_group(layer, version->plan.parity, g, &unit, &slot);
            for (unsigned s = 0; s < count + version->plan.parity; s++) {
                unsigned d = layer->holder[slot + s];
                have += d == version->self || counts(turn, version, d, hope);
            }
            if (have < count) {
                return false;
            }
        }
    }
    return runs_have_enough(turn, version, hope);
}

/* It has a part, is there, and has not said that it will not take it. */
static bool may_be_ready(const struct covey__turn *turn, const struct covey__version *version,
                         unsigned device)
{
    enum covey__holder_state state = version->holder[device];
    return state != COVEY__HOLDER_NONE && state != COVEY__HOLDER_REFUSED &&
           is_there(turn, version, device);
}

/* All that can be. */
static bool all_ready(const struct covey__turn *turn, const struct covey__version *version)
{
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if (version->holder[d] != COVEY__HOLDER_READY && may_be_ready(turn, version, d)) {
            return false;
        }
    }
    return true;
}

bool covey__version_is_whole(const struct covey__version *version)
{
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if (version->holder[d] != COVEY__HOLDER_NONE && version->holder[d] != COVEY__HOLDER_READY) {
            return false;
        }
    }
    return true;
}

bool covey__version_is_needless(const struct covey__turn *turn, const struct covey__version *making,
                                const struct covey__version *active)
{
    const struct covey_plan *plan = &active->plan;
    if (making->state == COVEY__VERSION_PLACING || making->state == COVEY__VERSION_PLANNING ||
        plan->devices == 0 || turn->view->devices != plan->devices ||
        !covey__version_is_whole(active) || covey__plan_is_same(plan, &making->plan)) {
        return false;
    }
    for (unsigned d = 0; d < plan->devices; d++) {
        if (!is_there(turn, active, d)) {
            return false;
        }
    }
    return true;
}

/* Those that were not made ready in time are left out for a while, so that the next plan can be
 * carried out, with all its redundancy, by the others. */
static void avoid_unready(struct covey__turn *turn, const struct covey__version *version)
{
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if (version->holder[d] != COVEY__HOLDER_READY && may_be_ready(turn, version, d)) {
            turn->job->peer[version->peer[d]].avoid_ms = turn->now_ms + COVEY__JOB_AVOID_MS;
        }
    }
}

static void activate(struct covey__session *session, struct covey__version *version)
{
    struct covey__version *active = covey__version_active(session);
    if (active != NULL) {
        covey__version_retire(active);
    }
    session->stray = false;
    version->state = COVEY__VERSION_ACTIVE;
    version->tell = true;
}

/* Who has not taken its part in time, again after its channel was new, say, is left out of the next
 * plan, as one that was not made ready before this one was begun with. */
static void leave_silent(struct covey__turn *turn, struct covey__session *session,
                         struct covey__version *version)
{
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if (version->holder[d] != COVEY__HOLDER_ASSIGNED) {
            continue;
        }
        if (turn->now_ms < version->due_ms[d]) {
            covey__job_wake(turn->job, version->due_ms[d]);
            continue;
        }
        uint64_t *avoid_ms = &turn->job->peer[version->peer[d]].avoid_ms;
        if (*avoid_ms <= turn->now_ms) {
            *avoid_ms = turn->now_ms + COVEY__JOB_AVOID_MS;
            session->replan_ms = turn->now_ms;
            covey__job_wake(turn->job, session->replan_ms);
        }
        version->holder[d] = COVEY__HOLDER_IDLE;
        version->retry_ms[d] = *avoid_ms;
    }
}

static bool pump_active(struct covey__turn *turn, struct covey__session *session,
                        struct covey__version *version)
{
    if (version->tell) {
        struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_ACTIVE);
        if (action == NULL) {
            return false;
        }
        action->fence = covey__job_fence(session, version);
        version->tell = false;
    }
    covey__move_take_back(turn, session, version);
    leave_silent(turn, session, version);
    return pump_holders(turn, session, version);
}

static bool pump_assigning(struct covey__turn *turn, struct covey__session *session,
                           struct covey__version *version)
{
    if (!pump_holders(turn, session, version)) {
        return false;
    }
    bool late = turn->now_ms >= version->deadline_ms;
    bool ready = all_ready(turn, version);
    bool done = true;
    const struct covey__version *active = covey__version_active(session);
    bool is_better = active == NULL || !covey__version_is_whole(active) ||
                     (ready && !covey__refuse_holds(version));
    if (!late && !(ready && is_better && covey__version_has_enough(turn, version, false))) {
        covey__job_wake(turn->job, version->deadline_ms);
        return true;
    }
    if (late) {
        avoid_unready(turn, version);
    }
    if (covey__version_has_enough(turn, version, false) && is_better) {
        activate(session, version);
        done = pump_active(turn, session, version);
    } else {
        covey__version_give_up(session, version);
    }
    if (!ready || version->state == COVEY__VERSION_RETIRING) {
        session->replan_ms = turn->now_ms;
        covey__job_wake(turn->job, session->replan_ms);
    }
    return done;
}

/* RETIRE says "up to this version": the last one below all that live on. */
static void note_retired(struct covey__session *session)
{
    uint32_t lowest = session->versions + 1;
    for (unsigned i = 0; i < COVEY__JOB_VERSIONS; i++) {
        if (session->version[i].state != COVEY__VERSION_FREE &&
            session->version[i].number < lowest) {
            lowest = session->version[i].number;
        }
    }
    if (!session->closing && lowest - 1 > session->retired_version) {
        session->retired_version = lowest - 1;
        memcpy(session->retire, session->touched, sizeof(session->retire));
    }
}

static bool pump_retiring(struct covey__turn *turn, struct covey__session *session,
                          struct covey__version *version)
{
    const struct covey__version *active = covey__version_active(session);
    /* Session must know the next plan before it forgets this one. */
    if (version->requests != 0 || (active != NULL && active->tell)) {
        return true;
    }
    if (version->told) {
        struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_FORGET);
        if (action == NULL) {
            return false;
        }
        action->fence = covey__job_fence(session, version);
    }
    for (unsigned d = 0; version->kept && d < version->plan.devices; d++) {
        if (version->peer[d] != COVEY__JOB_NO_PEER) {
            turn->job->peer[version->peer[d]].plans--;
        }
    }
    version->told = version->kept = false;
    version->state = COVEY__VERSION_FREE;
    note_retired(session);
    return true;
}

bool covey__version_pump(struct covey__turn *turn, struct covey__session *session,
                         struct covey__version *version)
{
    switch (version->state) {
    case COVEY__VERSION_PLACING:
        return covey__version_pump_placing(turn, session, version);
    case COVEY__VERSION_PLANNING:
        return covey__version_pump_planning(turn, session, version);
    case COVEY__VERSION_PREPARING:
        return pump_preparing(turn, session, version);
    case COVEY__VERSION_ASSIGNING:
        return pump_assigning(turn, session, version);
    case COVEY__VERSION_ACTIVE:
        return pump_active(turn, session, version);
    case COVEY__VERSION_RETIRING:
        return pump_retiring(turn, session, version);
    case COVEY__VERSION_FREE:
        break;
    }
    return true;
}
