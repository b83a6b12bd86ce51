/* SPDX-License-Identifier: MIT */
#include "job_state.h"

struct covey__session *covey__session_find(struct covey_job *job, const struct covey_fence *fence)
{
    for (unsigned i = 0; i < job->session_end; i++) {
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

struct covey__version *covey__version_in_making(struct covey__session *session)
{
    for (unsigned i = 0; i < COVEY__JOB_VERSIONS; i++) {
        enum covey__version_state state = session->version[i].state;
        if (state == COVEY__VERSION_PLACING || state == COVEY__VERSION_PLANNING ||
            state == COVEY__VERSION_PREPARING || state == COVEY__VERSION_ASSIGNING) {
            return &session->version[i];
        }
    }
    return NULL;
}

uint8_t covey__version_device(const struct covey_job *job, const struct covey__version *version,
                              const struct covey_node_id *id)
{
    uint16_t peer = covey__job_peer_find(job, id);
    for (uint8_t d = 0; peer != COVEY__JOB_NO_PEER && d < version->plan.devices; d++) {
        if (version->peer[d] == peer) {
            return d;
        }
    }
    return COVEY__JOB_NO_DEVICE;
}

covey_err covey__session_open(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey_job *job = turn->job;
    struct covey__session *session = NULL;
    if (event->costs == NULL || event->costs->layers > COVEY_LAYERS_MAX) {
        return COVEY_ERR_RANGE;
    }
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        if (!job->session[i].used) {
            session = session == NULL ? &job->session[i] : session;
        } else if (covey_session_id_equal(&job->session[i].id, &event->fence.session)) {
            return COVEY_ERR_EXISTS;
        }
    }
    if (session == NULL) {
        return COVEY_ERR_LIMIT;
    }
    session->used = true;
    unsigned end = (unsigned)(session - job->session) + 1;
    job->session_end = end > job->session_end ? end : job->session_end;
    session->closing = session->alone = session->distrust = session->stray = false;
    session->id = event->fence.session;
    session->epoch = event->fence.epoch;
    session->versions = session->retired_version = session->fed_wrong = 0;
    session->generation = turn->view->device_generation;
    session->costs = *event->costs;
    session->costs.held = &session->held;
    session->held.devices = 0;
    session->held.layers = 0;
    session->bounds = 0;
    memset(session->layer_times, 0, sizeof(session->layer_times));
    memset(session->relay_times, 0, sizeof(session->relay_times));
    memset(session->fed_times, 0, sizeof(session->fed_times));
    memset(session->run_times, 0, sizeof(session->run_times));
    memset(&session->answer_times, 0, sizeof(session->answer_times));
    memset(session->touched, 0, sizeof(session->touched));
    memset(session->retire, 0, sizeof(session->retire));
    for (unsigned i = 0; i < COVEY__JOB_VERSIONS; i++) {
        session->version[i].state = COVEY__VERSION_FREE;
    }
    covey__version_start(turn, session);
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
            covey__version_retire(&session->version[i]);
        }
    }
    session->closing = true;
    session->retired_version = UINT32_MAX;
    memcpy(session->retire, session->touched, sizeof(session->retire));
    covey__refuse_try_again(turn);
    return COVEY_OK;
}

covey_err covey__session_planned(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey__session *session = covey__session_find(turn->job, &event->fence);
    struct covey__version *version = covey__version_find(turn->job, &event->fence);
    /* Its session may have been closed meanwhile. */
    if (version != NULL && version->state == COVEY__VERSION_PLANNING && !version->ask) {
        covey__version_planned(turn, session, version, event->err == COVEY_OK ? event->plan : NULL);
    }
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
    if (event->err == COVEY_ERR_LIMIT &&
        covey__refuse_own(turn, session, version, event->room_bytes)) {
        covey__version_retire(version);
        return COVEY_OK;
    }
    if (event->err != COVEY_OK) {
        bool later = covey_plan_is_local(&version->plan) || covey__version_active(session) != NULL;
        covey__version_retire(version);
        session->alone = covey__version_active(session) == NULL;
        session->replan_ms = turn->now_ms + (later ? COVEY__JOB_REPLAN_MS : 0);
        return COVEY_OK;
    }
    version->state = COVEY__VERSION_ASSIGNING;
    const struct covey__version *active = covey__version_active(session);
    version->deadline_ms = turn->now_ms + covey__assign_ms(session, &version->plan,
                                                           active != NULL ? &active->plan : NULL);
    return COVEY_OK;
}

/* A coordinator that does not know of someone yet (it was away itself) leaves them out, perhaps
 * this owner; and nothing would make the owner plan again. */
static bool leaves_out(const struct covey_plan *plan, const struct covey_plan_request *costs)
{
    unsigned count = 0;
    for (unsigned i = 0; i < costs->devices; i++) {
        count += costs->device[i].memory_bytes != 0;
    }
    if (costs->devices_max != 0 && count > costs->devices_max) {
        count = costs->devices_max;
    }
    return plan->devices < count;
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
        struct covey__version *version = covey__version_in_making(session);
        if (version == NULL || version->state != COVEY__VERSION_PLACING || version->ask ||
            version->number != place->version ||
            version->asked != covey__job_peer_find(turn->job, &in->peer)) {
            continue;
        }
        uint64_t again_ms;
        bool all = covey__session_devices(turn, session, &again_ms);
        covey_err err = covey__plan_decode(place->payload, &version->plan);
        if (err == COVEY_OK && all) {
            err = covey_plan_check(&version->plan, &session->costs);
        }
        /* The owner trusts nobody's plan: one that does not hold is made here instead. */
        if (err != COVEY_OK || !all) {
            covey__version_plan(turn, session, version);
            continue;
        }
        if (leaves_out(&version->plan, &session->costs)) {
            session->distrust = true;
            session->replan_ms = turn->now_ms + COVEY__JOB_REPLAN_MS;
        }
        version->plan.coordinator = in->peer;
        covey__version_adopt(turn, session, version);
    }
}

void covey__session_message(struct covey__turn *turn, const struct covey_incoming *in)
{
    if (in->message->type == COVEY_WORK_PLACEMENT) {
        take_placement(turn, in);
        return;
    }
    if (in->message->type == COVEY_WORK_REFUSE) {
        covey__refuse_take(turn, in);
        return;
    }
    if (in->message->type != COVEY_WORK_READY) {
        return;
    }
    struct covey__session *session = covey__session_find(turn->job, &in->message->fence);
    struct covey__version *version = covey__version_find(turn->job, &in->message->fence);
    if (version == NULL) {
        return;
    }
    uint8_t d = covey__version_device(turn->job, version, &in->peer);
    if (d == COVEY__JOB_NO_DEVICE) {
        return;
    }
    if (version->holder[d] == COVEY__HOLDER_ASSIGNED) {
        version->holder[d] = COVEY__HOLDER_READY;
        covey_plan_hold(&session->held, &session->costs, &version->plan, UINT32_C(1) << d);
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
                if (version->peer[d] == peer && version->holder[d] != COVEY__HOLDER_NONE &&
                    version->holder[d] != COVEY__HOLDER_MOVED) {
                    version->holder[d] = COVEY__HOLDER_IDLE;
                    version->retry_ms[d] = 0;
                }
            }
        }
    }
}

/* A device that was away and came back is not the one that could not be made ready. */
static void forgive_absent(struct covey__turn *turn)
{
    for (uint16_t peer = 1; peer < COVEY__JOB_PEERS; peer++) {
        struct covey__job_peer_entry *entry = &turn->job->peer[peer];
        bool there = false;
        for (unsigned i = 0; entry->avoid_ms != 0 && i < turn->view->devices; i++) {
            there = there || covey_node_id_equal(&entry->id, &turn->view->device[i].id);
        }
        entry->avoid_ms = there ? entry->avoid_ms : 0;
    }
}

/* Whoever was lost is back and has what it held: the weights need not move after all. */
static struct covey__version *drop_needless(struct covey__turn *turn,
                                            struct covey__session *session,
                                            struct covey__version *making)
{
    const struct covey__version *active = covey__version_active(session);
    if (making == NULL || active == NULL || !covey__version_is_needless(turn, making, active)) {
        return making;
    }
    covey__version_give_up(session, making);
    return NULL;
}

static void watch_devices(struct covey__turn *turn, struct covey__session *session)
{
    if (turn->view->device_generation != session->generation) {
        session->generation = turn->view->device_generation;
        session->alone = false;
        forgive_absent(turn);
        if (session->replan_ms > turn->now_ms + COVEY__JOB_DEBOUNCE_MS) {
            session->replan_ms = turn->now_ms + COVEY__JOB_DEBOUNCE_MS;
        }
    }
    covey__refuse_watch(turn, session);
    if (turn->now_ms < session->replan_ms) {
        covey__job_wake(turn->job, session->replan_ms);
        return;
    }
    struct covey__version *making = drop_needless(turn, session, covey__version_in_making(session));
    /* What is being planned comes, and is looked at then: it would only be planned behind that. */
    if (making != NULL && making->state == COVEY__VERSION_PLANNING) {
        return;
    }
    /* One that can still be carried out takes over first: a plan for fewer devices now is worth
     * more than one for all of them that never comes while they come and go. */
    bool refused = making != NULL && covey__refuse_holds(making);
    if (making != NULL && making->state != COVEY__VERSION_PLACING && !refused &&
        covey__version_has_enough(turn, making, true)) {
        session->replan_ms = turn->now_ms + COVEY__JOB_DEBOUNCE_MS;
        covey__job_wake(turn->job, session->replan_ms);
        return;
    }
    if (making != NULL) {
        covey__version_give_up(session, making);
    }
    covey__version_start(turn, session);
    covey__job_wake(turn->job, session->replan_ms);
}

/* Some device of the plan answers nothing, and is not asked for now. The slowest of many is often
 * late too, but answers something in each layer's time. */
static bool has_silent(const struct covey_job *job, const struct covey__session *session,
                       const struct covey__version *version, uint64_t now_ms)
{
    uint32_t layer_ms = 1;
    for (unsigned l = 0; l < version->plan.layers; l++) {
        uint32_t ms = covey__layer_median_ms(session, l);
        layer_ms = ms > layer_ms ? ms : layer_ms;
    }
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if (d == version->self || version->peer[d] == COVEY__JOB_NO_PEER) {
            continue;
        }
        const struct covey__job_peer_entry *entry = &job->peer[version->peer[d]];
        if (entry->late >= COVEY__JOB_BEHIND && entry->asked_ms > entry->heard_ms + layer_ms &&
            now_ms < entry->asked_ms + COVEY__JOB_BEHIND_MS) {
            return true;
        }
    }
    return false;
}

bool covey__job_is_redundant(struct covey_job *job, const struct covey_job_view *view,
                             const struct covey_fence *fence)
{
    struct covey__session *session = covey__session_find(job, fence);
    const struct covey__version *active = session != NULL ? covey__version_active(session) : NULL;
    return active != NULL && covey__version_is_whole(active) &&
           covey__version_in_making(session) == NULL && session->replan_ms == UINT64_MAX &&
           session->generation == view->device_generation &&
           !has_silent(job, session, active, view->now_ms);
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
        if (!covey__version_pump(turn, session, &session->version[i % COVEY__JOB_VERSIONS])) {
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
