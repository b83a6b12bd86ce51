/* SPDX-License-Identifier: MIT */
#include "job_state.h"

#define NEVER UINT64_MAX

struct covey__session *covey__session_find(struct covey_job *job, const struct covey_fence *fence)
{
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey__session *session = &job->session[i];
        if (session->used && !session->closing && session->epoch == fence->epoch &&
            covey_session_id_equal(&session->id, &fence->session)) {
            return session;
        }
    }
    return NULL;
}

struct covey__version *covey__version_find(struct covey_job *job, const struct covey_fence *fence)
{
    struct covey__session *session = covey__session_find(job, fence);
    for (unsigned i = 0; session != NULL && i < COVEY__JOB_VERSIONS; i++) {
        struct covey__version *version = &session->version[i];
        if (version->state != COVEY__VERSION_FREE && version->number == fence->version) {
            return version;
        }
    }
    return NULL;
}

struct covey__version *covey__version_active(struct covey__session *session)
{
    for (unsigned i = 0; i < COVEY__JOB_VERSIONS; i++) {
        if (session->version[i].state == COVEY__VERSION_ACTIVE) {
            return &session->version[i];
        }
    }
    return NULL;
}

static struct covey__version *version_in_making(struct covey__session *session)
{
    for (unsigned i = 0; i < COVEY__JOB_VERSIONS; i++) {
        enum covey__version_state state = session->version[i].state;
        if (state == COVEY__VERSION_PLACING || state == COVEY__VERSION_PREPARING ||
            state == COVEY__VERSION_ASSIGNING) {
            return &session->version[i];
        }
    }
    return NULL;
}

uint8_t covey__version_device(const struct covey_job *job, const struct covey__version *version,
                              const struct covey_node_id *id)
{
    uint16_t peer = covey__peer_find(job, id);
    for (uint8_t d = 0; peer != COVEY__JOB_NO_PEER && d < version->plan.devices; d++) {
        if (version->peer[d] == peer) {
            return d;
        }
    }
    return COVEY__JOB_NO_DEVICE;
}

/* Plans */

/* What the members are now, without those that could not be made ready lately; true: all of them.
 */
static bool fill_devices(const struct covey__turn *turn, struct covey__session *session)
{
    struct covey_plan_request *costs = &session->costs;
    bool all = true;
    costs->devices = 0;
    for (unsigned i = 0; i < turn->view->devices; i++) {
        uint16_t peer = covey__peer_find(turn->job, &turn->view->device[i].id);
        if (peer != COVEY__JOB_NO_PEER && turn->job->peer[peer].avoid_ms > turn->now_ms) {
            all = false;
            continue;
        }
        costs->device[costs->devices++] = turn->view->device[i];
    }
    return all;
}

static void plan_alone(struct covey_plan *plan, uint8_t parity)
{
    memset(plan, 0, sizeof(*plan));
    plan->parity = parity;
}

static bool is_same_placement(const struct covey_plan *a, const struct covey_plan *b)
{
    if (a->layers != b->layers || a->devices != b->devices || a->parity != b->parity ||
        memcmp(a->device, b->device, a->devices * sizeof(a->device[0])) != 0) {
        return false;
    }
    for (unsigned i = 0; i < a->layers; i++) {
        if (a->layer[i].units != b->layer[i].units || a->layer[i].slots != b->layer[i].slots ||
            memcmp(a->layer[i].holder, b->layer[i].holder, a->layer[i].slots) != 0) {
            return false;
        }
    }
    return true;
}

static void keep_peers(struct covey_job *job, struct covey__version *version)
{
    const struct covey_plan *plan = &version->plan;
    version->self = COVEY__JOB_NO_DEVICE;
    version->kept = true;
    for (unsigned d = 0; d < plan->devices; d++) {
        version->holder[d] = COVEY__HOLDER_NONE;
        version->retry_ms[d] = 0;
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
    if (version->self != COVEY__JOB_NO_DEVICE &&
        version->holder[version->self] == COVEY__HOLDER_IDLE) {
        version->holder[version->self] = COVEY__HOLDER_READY;
    }
}

/* version->plan is what it is going to be. */
static void adopt(struct covey__turn *turn, struct covey__session *session,
                  struct covey__version *version)
{
    struct covey__version *active = covey__version_active(session);
    if (active != NULL && is_same_placement(&active->plan, &version->plan)) {
        version->plan.devices = 0; /* No peer is kept for it yet. */
        version->state = COVEY__VERSION_FREE;
        return;
    }
    keep_peers(turn->job, version);
    version->ask = false;
    version->tell = true;
    version->state = COVEY__VERSION_PREPARING;
    version->deadline_ms = NEVER;
}

static void plan_here(struct covey__turn *turn, struct covey__session *session,
                      struct covey__version *version)
{
    bool all = fill_devices(turn, session);
    (void)all; /* Whoever is missing is planned with again when its time has come. */
    covey_err err = covey_plan_make(&session->costs, &version->plan);
    if (err != COVEY_OK || session->alone) {
        plan_alone(&version->plan, session->costs.parity);
    }
    version->plan.coordinator = turn->view->self;
    adopt(turn, session, version);
}

static void start_version(struct covey__turn *turn, struct covey__session *session)
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
    bool all = fill_devices(turn, session);
    session->replan_ms = NEVER;
    version->number = ++session->versions;
    version->requests = 0;
    version->tell = version->told = version->kept = false;
    version->plan.devices = 0;
    version->state = COVEY__VERSION_PLACING;
    version->deadline_ms = turn->now_ms + COVEY__JOB_PLACE_MS;
    version->ask = all && !session->alone && session->costs.devices > 1 && view->has_coordinator &&
                   !covey_node_id_equal(&view->coordinator, &view->self);
    version->asked = COVEY__JOB_NO_PEER;
    if (version->ask) {
        version->asked = covey__peer_keep(turn->job, &view->coordinator);
    }
    if (covey__peer_state(turn->job, version->asked) == COVEY_PEER_GONE) {
        plan_here(turn, session, version);
    }
}

/* FORGET follows, and the holders are told, when no request uses it. */
static void retire(struct covey__version *version)
{
    version->state = COVEY__VERSION_RETIRING;
    version->tell = false;
}

/* Sessions */

covey_err covey__session_open(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey_job *job = turn->job;
    struct covey__session *session = NULL;
    if (event->costs == NULL || event->costs->layers > COVEY_LAYERS_MAX) {
        return COVEY_ERR_RANGE;
    }
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        if (!job->session[i].used) {
            session = &job->session[i];
        } else if (covey_session_id_equal(&job->session[i].id, &event->fence.session)) {
            return COVEY_ERR_EXISTS;
        }
    }
    if (session == NULL) {
        return COVEY_ERR_LIMIT;
    }
    session->used = true;
    session->closing = session->alone = false;
    session->id = event->fence.session;
    session->epoch = event->fence.epoch;
    session->versions = session->times = session->retired_version = 0;
    session->generation = turn->view->device_generation;
    session->costs = *event->costs;
    memset(session->touched, 0, sizeof(session->touched));
    memset(session->retire, 0, sizeof(session->retire));
    for (unsigned i = 0; i < COVEY__JOB_VERSIONS; i++) {
        session->version[i].state = COVEY__VERSION_FREE;
    }
    start_version(turn, session);
    return COVEY_OK;
}

covey_err covey__session_close(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey_job *job = turn->job;
    struct covey__session *session = covey__session_find(job, &event->fence);
    if (session == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    for (unsigned i = 0; i < COVEY_REQUESTS_MAX; i++) {
        struct covey__request *request = &job->request[i];
        if (request->used && &job->session[request->session] == session) {
            request->ending = true;
        }
    }
    for (unsigned i = 0; i < COVEY__JOB_VERSIONS; i++) {
        if (session->version[i].state != COVEY__VERSION_FREE) {
            retire(&session->version[i]);
        }
    }
    session->closing = true;
    session->retired_version = UINT32_MAX;
    memcpy(session->retire, session->touched, sizeof(session->retire));
    return COVEY_OK;
}

covey_err covey__session_prepared(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey__session *session = covey__session_find(turn->job, &event->fence);
    struct covey__version *version = covey__version_find(turn->job, &event->fence);
    /* It may have been given up meanwhile. */
    if (version == NULL || version->state != COVEY__VERSION_PREPARING || version->tell) {
        return COVEY_OK;
    }
    if (event->err != COVEY_OK) {
        bool later = version->plan.layers == 0 || covey__version_active(session) != NULL;
        retire(version);
        session->alone = covey__version_active(session) == NULL;
        session->replan_ms = turn->now_ms + (later ? 2 * COVEY__JOB_RETRY_MS : 0);
        return COVEY_OK;
    }
    version->state = COVEY__VERSION_ASSIGNING;
    version->deadline_ms =
        turn->now_ms + (covey__version_active(session) != NULL ? COVEY__JOB_ASSIGN_NEXT_MS
                                                               : COVEY__JOB_ASSIGN_FIRST_MS);
    return COVEY_OK;
}

static void take_placement(struct covey__turn *turn, const struct covey_incoming *in)
{
    const struct covey_work_place *place = &in->message->place;
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey__session *session = &turn->job->session[i];
        if (!session->used || session->closing ||
            !covey_session_id_equal(&session->id, &place->session)) {
            continue;
        }
        struct covey__version *version = version_in_making(session);
        if (version == NULL || version->state != COVEY__VERSION_PLACING || version->ask ||
            version->number != place->version ||
            version->asked != covey__peer_find(turn->job, &in->peer)) {
            continue;
        }
        bool all = fill_devices(turn, session);
        covey_err err = covey__plan_decode(place->payload, &version->plan);
        if (err == COVEY_OK && all) {
            err = covey_plan_check(&version->plan, &session->costs);
        }
        /* The owner trusts nobody's plan: one that does not hold is made here instead. */
        if (err != COVEY_OK || !all) {
            plan_here(turn, session, version);
            continue;
        }
        version->plan.coordinator = in->peer;
        adopt(turn, session, version);
    }
}

static void take_need(struct covey__turn *turn, const struct covey_incoming *in,
                      struct covey__version *version, uint8_t device)
{
    /* Once an assignment: nobody makes the owner send the same units again and again. */
    if (version->holder[device] != COVEY__HOLDER_ASSIGNED) {
        return;
    }
    struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_SEND_UNITS);
    if (action == NULL) {
        return;
    }
    action->peer = in->peer;
    action->has_peer = true;
    action->fence = in->message->need.fence;
    action->device = device;
    action->bytes = in->message->need.missing;
    version->holder[device] = COVEY__HOLDER_NEEDED;
}

void covey__session_message(struct covey__turn *turn, const struct covey_incoming *in)
{
    bool is_need = in->message->type == COVEY_WORK_NEED;
    if (in->message->type == COVEY_WORK_PLACEMENT) {
        take_placement(turn, in);
        return;
    }
    if (!is_need && in->message->type != COVEY_WORK_READY) {
        return;
    }
    const struct covey_fence *fence = is_need ? &in->message->need.fence : &in->message->fence;
    struct covey__version *version = covey__version_find(turn->job, fence);
    if (version == NULL) {
        return;
    }
    uint8_t d = covey__version_device(turn->job, version, &in->peer);
    if (d == COVEY__JOB_NO_DEVICE || d == version->self) {
        return;
    }
    if (is_need) {
        take_need(turn, in, version, d);
    } else if (version->holder[d] == COVEY__HOLDER_ASSIGNED ||
               version->holder[d] == COVEY__HOLDER_NEEDED) {
        version->holder[d] = COVEY__HOLDER_READY;
    }
}

/* What it held was dropped with the channel. */
void covey__session_peer(struct covey_job *job, uint16_t peer)
{
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey__session *session = &job->session[i];
        for (unsigned v = 0; session->used && v < COVEY__JOB_VERSIONS; v++) {
            struct covey__version *version = &session->version[v];
            if (version->state == COVEY__VERSION_FREE) {
                continue;
            }
            for (unsigned d = 0; d < version->plan.devices; d++) {
                if (version->peer[d] == peer && version->holder[d] != COVEY__HOLDER_NONE) {
                    version->holder[d] = COVEY__HOLDER_IDLE;
                    version->retry_ms[d] = 0;
                }
            }
        }
    }
}

/* Pumps */

static bool pump_placing(struct covey__turn *turn, struct covey__session *session,
                         struct covey__version *version)
{
    enum covey_peer_state state = covey__peer_state(turn->job, version->asked);
    if (turn->now_ms >= version->deadline_ms || state == COVEY_PEER_GONE) {
        plan_here(turn, session, version);
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

static bool assign(struct covey__turn *turn, struct covey__session *session,
                   struct covey__version *version, unsigned device)
{
    struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_ASSIGN);
    if (action == NULL) {
        return false;
    }
    uint16_t peer = version->peer[device];
    action->peer = version->plan.device[device];
    action->has_peer = true;
    action->fence = covey__job_fence(session, version);
    action->device = (uint8_t)device;
    version->holder[device] = COVEY__HOLDER_ASSIGNED;
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
        } else if (!assign(turn, session, version, d)) {
            return false;
        }
    }
    return true;
}

/* Whether each group has N holders that are ready, or (hoping) that may become so. */
static bool has_enough(const struct covey_job *job, const struct covey__version *version, bool hope)
{
    for (unsigned i = 0; i < version->plan.layers; i++) {
        const struct covey_plan_layer *layer = &version->plan.layer[i];
        for (unsigned g = 0; g < layer->groups; g++) {
            unsigned unit, slot;
            unsigned have = 0;
            unsigned count = covey_plan_group(layer, version->plan.parity, g, &unit, &slot);
            for (unsigned s = 0; s < count + version->plan.parity; s++) {
                unsigned d = layer->holder[slot + s];
                have += version->holder[d] == COVEY__HOLDER_READY ||
                        (hope && covey__peer_state(job, version->peer[d]) != COVEY_PEER_GONE);
            }
            if (have < count) {
                return false;
            }
        }
    }
    return true;
}

static bool all_ready(const struct covey_job *job, const struct covey__version *version)
{
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if (version->holder[d] != COVEY__HOLDER_NONE && version->holder[d] != COVEY__HOLDER_READY &&
            covey__peer_state(job, version->peer[d]) != COVEY_PEER_GONE) {
            return false;
        }
    }
    return true;
}

/* Whether nothing of its redundancy is lost. */
static bool is_whole(const struct covey__version *version)
{
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if (version->holder[d] != COVEY__HOLDER_NONE && version->holder[d] != COVEY__HOLDER_READY) {
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
        enum covey__holder_state state = version->holder[d];
        if (version->peer[d] != COVEY__JOB_NO_PEER && state != COVEY__HOLDER_NONE &&
            state != COVEY__HOLDER_READY) {
            turn->job->peer[version->peer[d]].avoid_ms = turn->now_ms + COVEY__JOB_AVOID_MS;
        }
    }
}

static void activate(struct covey__turn *turn, struct covey__session *session,
                     struct covey__version *version)
{
    struct covey__version *active = covey__version_active(session);
    if (active != NULL) {
        retire(active);
    }
    version->state = COVEY__VERSION_ACTIVE;
    version->tell = true;
    if (!fill_devices(turn, session) && session->replan_ms == NEVER) {
        session->replan_ms = turn->now_ms + COVEY__JOB_AVOID_MS;
    }
}

static bool pump_assigning(struct covey__turn *turn, struct covey__session *session,
                           struct covey__version *version)
{
    if (!pump_holders(turn, session, version)) {
        return false;
    }
    bool late = turn->now_ms >= version->deadline_ms;
    bool ready = all_ready(turn->job, version);
    if (!late && !(ready && has_enough(turn->job, version, false))) {
        covey__job_wake(turn->job, version->deadline_ms);
        return true;
    }
    if (late) {
        avoid_unready(turn, version);
    }
    const struct covey__version *active = covey__version_active(session);
    bool is_better = active == NULL || !is_whole(active) || ready;
    if (has_enough(turn->job, version, false) && is_better) {
        activate(turn, session, version);
    } else {
        retire(version);
    }
    if (!ready || version->state == COVEY__VERSION_RETIRING) {
        session->replan_ms = turn->now_ms;
        covey__job_wake(turn->job, session->replan_ms);
    }
    return true;
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
    return pump_holders(turn, session, version);
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
    if (version->requests != 0) {
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

static bool pump_version(struct covey__turn *turn, struct covey__session *session,
                         struct covey__version *version)
{
    switch (version->state) {
    case COVEY__VERSION_PLACING:
        return pump_placing(turn, session, version);
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

static void watch_devices(struct covey__turn *turn, struct covey__session *session)
{
    if (turn->view->device_generation != session->generation) {
        session->generation = turn->view->device_generation;
        session->alone = false;
        if (session->replan_ms > turn->now_ms + COVEY__JOB_DEBOUNCE_MS) {
            session->replan_ms = turn->now_ms + COVEY__JOB_DEBOUNCE_MS;
        }
    }
    if (turn->now_ms < session->replan_ms) {
        covey__job_wake(turn->job, session->replan_ms);
        return;
    }
    struct covey__version *making = version_in_making(session);
    /* One that can still be carried out takes over first: a plan for fewer devices now is worth
     * more than one for all of them that never comes while they come and go. */
    if (making != NULL && making->state != COVEY__VERSION_PLACING &&
        has_enough(turn->job, making, true)) {
        session->replan_ms = turn->now_ms + COVEY__JOB_DEBOUNCE_MS;
        covey__job_wake(turn->job, session->replan_ms);
        return;
    }
    if (making != NULL) {
        retire(making);
    }
    start_version(turn, session);
    covey__job_wake(turn->job, session->replan_ms);
}

static bool pump_retire_messages(struct covey__turn *turn, struct covey__session *session)
{
    struct covey_work_message message = {.type = COVEY_WORK_RETIRE};
    message.fence.session = session->id;
    message.fence.epoch = session->epoch;
    message.fence.version = session->retired_version;
    for (uint16_t peer = 0; peer < COVEY__JOB_PEERS; peer++) {
        uint64_t bit = UINT64_C(1) << (peer % 64);
        if ((session->retire[peer / 64] & bit) == 0) {
            continue;
        }
        if (covey__peer_state(turn->job, peer) == COVEY_PEER_UP &&
            covey__update_send(turn->out, &turn->job->peer[peer].id, &message, 0) != COVEY_OK) {
            return false;
        }
        session->retire[peer / 64] &= ~bit;
    }
    return true;
}

bool covey__session_pump(struct covey__turn *turn, struct covey__session *session)
{
    bool is_free = true;
    if (!session->closing) {
        watch_devices(turn, session);
    }
    /* Twice: what one version's step changes may be due in another, as a plan made in PLACING. */
    for (unsigned i = 0; i < 2 * COVEY__JOB_VERSIONS; i++) {
        if (!pump_version(turn, session, &session->version[i % COVEY__JOB_VERSIONS])) {
            return false;
        }
    }
    if (!pump_retire_messages(turn, session)) {
        return false;
    }
    for (unsigned i = 0; i < COVEY__JOB_VERSIONS; i++) {
        is_free = is_free && session->version[i].state == COVEY__VERSION_FREE;
    }
    session->used = !(session->closing && is_free);
    return true;
}
