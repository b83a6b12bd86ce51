/* SPDX-License-Identifier: MIT */
#include "job_state.h"

static bool has_bit(const uint64_t *bits, unsigned index)
{
    return (bits[index / 64] >> (index % 64) & 1) != 0;
}

static void set_bit(uint64_t *bits, unsigned index)
{
    bits[index / 64] |= UINT64_C(1) << (index % 64);
}

struct covey__session *covey__request_session(struct covey_job *job,
                                              const struct covey__request *request)
{
    return &job->session[request->session];
}

struct covey__version *covey__request_version(struct covey_job *job,
                                              const struct covey__request *request)
{
    return &job->session[request->session].version[request->version];
}

/* Losses within the parity are nothing to wait for. With more, what is missing costs this device
 * about what the layer takes: as long it may wait for whom it counted on. What is asked beside
 * others waits for them at every device. */
static uint64_t patience_ms(const struct covey__session *session,
                            const struct covey__request *request)
{
    uint64_t ms = covey__times_patience(&session->layer_times[request->layer]);
    uint64_t twice = 2 * (uint64_t)covey__times_median(&session->layer_times[request->layer]);
    ms = ms > twice ? ms : twice;
    return (ms != 0 ? ms : COVEY__JOB_OVERDUE_MS) * request->beside;
}

/* Asking a device that answers nothing any more only fills buffers. The slowest of many healthy
 * devices is late again and again too, but it answers something in each layer's time. */
static bool is_behind(const struct covey__turn *turn, const struct covey__session *session,
                      unsigned layer, uint16_t peer)
{
    const struct covey__job_peer_entry *entry = &turn->job->peer[peer];
    uint32_t layer_ms = covey__times_median(&session->layer_times[layer]);
    return entry->late >= COVEY__JOB_BEHIND &&
           turn->now_ms > entry->heard_ms + (layer_ms > 1 ? layer_ms : 1) &&
           turn->now_ms < entry->asked_ms + COVEY__JOB_BEHIND_MS;
}

static void count_late(struct covey__turn *turn, uint16_t peer)
{
    struct covey__job_peer_entry *entry = &turn->job->peer[peer];
    if (entry->late++ == 0) {
        entry->heard_ms = turn->now_ms;
    }
}

static bool may_ask(const struct covey__turn *turn, const struct covey__request *request,
                    unsigned device)
{
    const struct covey__session *session = covey__request_session(turn->job, request);
    const struct covey__version *version = covey__request_version(turn->job, request);
    uint16_t peer = version->peer[device];
    bool is_ready = device == version->self || version->holder[device] == COVEY__HOLDER_READY;
    return is_ready && covey__peer_state(turn->job, peer) == COVEY_PEER_UP &&
           !turn->job->peer[peer].lied && !is_behind(turn, session, request->layer, peer);
}

covey_err covey__request_layer(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey__request *request = covey__request_find(turn->job, event->request);
    if (request == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    struct covey__session *session = covey__request_session(turn->job, request);
    const struct covey__version *version = covey__request_version(turn->job, request);
    if (request->running || request->tiles.state != COVEY__TILES_NONE) {
        return COVEY_ERR_STATE;
    }
    if (event->layer >= version->plan.layers || version->plan.layer[event->layer].slots == 0) {
        return COVEY_ERR_RANGE;
    }
    request->running = true;
    request->beside = 0;
    (void)covey__request_beside(turn->job, request);
    request->complete = request->overdue = request->rescued = false;
    request->layer = event->layer;
    request->input = event->body;
    request->began_ms = turn->now_ms;
    request->overdue_ms = turn->now_ms + patience_ms(session, request);
    request->local = COVEY__LOCAL_NONE;
    memset(request->local_slots, 0, sizeof(request->local_slots));
    memset(request->out, 0, sizeof(request->out));
    const struct covey_plan_layer *layer = &version->plan.layer[event->layer];
    for (unsigned slot = 0; slot < layer->slots; slot++) {
        unsigned d = layer->holder[slot];
        request->out[d].state = may_ask(turn, request, d) ? COVEY__OUT_TO_ASK : COVEY__OUT_FAILED;
        request->out[d].dead = covey__peer_state(turn->job, version->peer[d]) != COVEY_PEER_UP;
    }
    return COVEY_OK;
}

void covey__layer_slots(const struct covey_plan_layer *layer, unsigned device,
                        uint64_t out[static COVEY_LAYER_SLOTS_MAX / 64])
{
    memset(out, 0, COVEY_LAYER_SLOTS_MAX / 8);
    for (unsigned slot = 0; slot < layer->slots; slot++) {
        if (layer->holder[slot] == device) {
            set_bit(out, slot);
        }
    }
}

static bool ask_self(struct covey__turn *turn, struct covey__request *request, unsigned device)
{
    struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_COMPUTE_LOCAL);
    if (action == NULL) {
        return false;
    }
    const struct covey__version *version = covey__request_version(turn->job, request);
    action->fence = covey__job_fence(covey__request_session(turn->job, request), version);
    action->request = request->id;
    action->layer = request->layer;
    covey__layer_slots(&version->plan.layer[request->layer], device, action->slots);
    return true;
}

static bool send_work(struct covey__turn *turn, const struct covey__request *request,
                      unsigned device, enum covey_work_type type)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey_work_message message = {.type = type};
    message.execute.fence = covey__job_fence(covey__request_session(turn->job, request), version);
    message.execute.request = request->id;
    message.execute.layer = request->layer;
    message.execute.work = request->out[device].work;
    return covey__update_send(turn->out, &version->plan.device[device], &message,
                              type == COVEY_WORK_EXECUTE ? request->input : 0) == COVEY_OK;
}

static bool ask(struct covey__turn *turn, struct covey__request *request, unsigned device)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey__out *out = &request->out[device];
    if (device == version->self) {
        if (!ask_self(turn, request, device)) {
            return false;
        }
    } else {
        struct covey__job_peer_entry *peer = &turn->job->peer[version->peer[device]];
        out->work = peer->work + 1;
        if (!send_work(turn, request, device, COVEY_WORK_EXECUTE)) {
            return false;
        }
        peer->work++;
        peer->asked_ms = turn->now_ms;
        request->stale[device] = 0;
    }
    out->state = COVEY__OUT_ASKED;
    return true;
}

/* What one group has, may still get, and lacks. */
struct group {
    unsigned units, first_slot;
    unsigned have, coming;
};

static bool slot_is_here(const struct covey__request *request, const struct covey_plan_layer *layer,
                         unsigned slot)
{
    return request->out[layer->holder[slot]].state == COVEY__OUT_ANSWERED ||
           (request->local == COVEY__LOCAL_DONE && has_bit(request->local_slots, slot));
}

/* What is overdue is not counted on any more; what this node computes itself always is. */
static bool slot_is_coming(const struct covey__request *request,
                           const struct covey__version *version, unsigned slot)
{
    unsigned d = version->plan.layer[request->layer].holder[slot];
    enum covey__out_state state = request->out[d].state;
    bool asked = state == COVEY__OUT_TO_ASK || state == COVEY__OUT_ASKED;
    if (asked && (d == version->self || !request->overdue)) {
        return true;
    }
    return (request->local == COVEY__LOCAL_WANTED || request->local == COVEY__LOCAL_ASKED) &&
           has_bit(request->local_slots, slot);
}

static void look_at_group(const struct covey__request *request,
                          const struct covey__version *version, unsigned index, struct group *out)
{
    const struct covey_plan_layer *layer = &version->plan.layer[request->layer];
    unsigned first_unit;
    memset(out, 0, sizeof(*out));
    out->units =
        covey_plan_group(layer, version->plan.parity, index, &first_unit, &out->first_slot);
    for (unsigned i = 0; i < out->units + version->plan.parity; i++) {
        if (slot_is_here(request, layer, out->first_slot + i)) {
            out->have++;
        } else if (slot_is_coming(request, version, out->first_slot + i)) {
            out->coming++;
        }
    }
}

/* Adds the units that this node must compute for the group to be completed. */
static bool add_missing(const struct covey__request *request, const struct covey__version *version,
                        const struct group *group, uint64_t *inout_slots)
{
    const struct covey_plan_layer *layer = &version->plan.layer[request->layer];
    unsigned count = 0;
    for (unsigned i = 0; i < group->units && group->have + group->coming + count < group->units;
         i++) {
        unsigned slot = group->first_slot + i;
        if (!slot_is_here(request, layer, slot) && !slot_is_coming(request, version, slot)) {
            set_bit(inout_slots, slot);
            count++;
        }
    }
    return count > 0;
}

static void look_at_layer(struct covey__turn *turn, struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    const struct covey_plan_layer *layer = &version->plan.layer[request->layer];
    uint64_t slots[COVEY_LAYER_SLOTS_MAX / 64];
    bool complete = true;
    bool missing = false;
    memcpy(slots, request->local_slots, sizeof(slots));
    for (unsigned g = 0; g < layer->groups; g++) {
        struct group group;
        look_at_group(request, version, g, &group);
        if (group.have < group.units) {
            complete = false;
            missing = add_missing(request, version, &group, slots) || missing;
        }
    }
    request->complete = complete;
    if (missing) {
        /* Session answers one set of slots with one body: a set that grew is computed as a whole,
         * and what came for the smaller one is given back. */
        if (request->local == COVEY__LOCAL_DONE) {
            request->dropped = request->local_body;
            request->local_body = 0;
        }
        memcpy(request->local_slots, slots, sizeof(slots));
        request->local = COVEY__LOCAL_WANTED;
        request->rescued = true;
    }
}

static bool release_dropped(struct covey__turn *turn, struct covey__request *request)
{
    if (!covey__job_release(turn, request->dropped)) {
        return false;
    }
    request->dropped = 0;
    return true;
}

static bool pump_layer(struct covey__turn *turn, struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if (request->out[d].state == COVEY__OUT_TO_ASK && !ask(turn, request, d)) {
            return false;
        }
    }
    if (turn->now_ms >= request->overdue_ms && covey__request_beside(turn->job, request)) {
        const struct covey__session *session = covey__request_session(turn->job, request);
        request->overdue_ms = request->began_ms + patience_ms(session, request);
    }
    if (turn->now_ms >= request->overdue_ms) {
        request->overdue = true;
    } else {
        covey__job_wake(turn->job, request->overdue_ms);
    }
    look_at_layer(turn, request);
    if (!release_dropped(turn, request)) {
        return false;
    }
    if (request->local != COVEY__LOCAL_WANTED || request->complete) {
        return true;
    }
    struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_COMPUTE_LOCAL);
    if (action == NULL) {
        return false;
    }
    action->fence = covey__job_fence(covey__request_session(turn->job, request), version);
    action->request = request->id;
    action->layer = request->layer;
    memcpy(action->slots, request->local_slots, sizeof(action->slots));
    request->local = COVEY__LOCAL_ASKED;
    return true;
}

/* Only units count: a parity that did not come was not missed. */
static void count_recovered(const struct covey__request *request,
                            const struct covey__version *version, struct covey_layer_done *done)
{
    const struct covey_plan_layer *layer = &version->plan.layer[request->layer];
    for (unsigned g = 0; g < layer->groups; g++) {
        unsigned unit, slot;
        unsigned count = covey_plan_group(layer, version->plan.parity, g, &unit, &slot);
        for (unsigned i = 0; i < count; i++) {
            unsigned d = layer->holder[slot + i];
            if (request->out[d].state == COVEY__OUT_ANSWERED) {
                continue;
            }
            done->recovered_dead += request->out[d].dead;
            done->recovered_late += !request->out[d].dead;
        }
    }
}

static void close_layer(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__session *session = covey__request_session(turn->job, request);
    const struct covey__version *version = covey__request_version(turn->job, request);
    for (unsigned d = 0; d < version->plan.devices; d++) {
        struct covey__out *out = &request->out[d];
        bool asked = out->state == COVEY__OUT_ASKED;
        out->answer = 0;
        out->state = COVEY__OUT_NONE;
        if (asked) {
            request->stale[d] = d != version->self ? out->work : 0;
            count_late(turn, version->peer[d]);
        }
    }
    /* A rescue that was not needed after all means that the deadline was too short. */
    if (!request->ending && (!request->rescued || request->local != COVEY__LOCAL_DONE)) {
        covey__times_add_beside(&session->layer_times[request->layer],
                                turn->now_ms - request->began_ms, request->beside);
    }
    request->local_body = 0;
    request->local = COVEY__LOCAL_NONE;
    request->running = request->complete = false;
    request->input = 0;
}

static bool tell_done(struct covey__turn *turn, struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    if (turn->out->done_count == COVEY_UPDATE_DONE_MAX) {
        turn->out->more = true;
        return false;
    }
    struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_LAYER_DONE);
    if (action == NULL) {
        return false;
    }
    struct covey_layer_done *done = &turn->out->done[turn->out->done_count++];
    memset(done, 0, sizeof(*done));
    for (unsigned d = 0; d < version->plan.devices; d++) {
        done->answer[d] = request->out[d].answer;
    }
    if (request->local == COVEY__LOCAL_DONE) {
        done->local = request->local_body;
        memcpy(done->local_slots, request->local_slots, sizeof(done->local_slots));
    }
    count_recovered(request, version, done);
    action->fence = covey__job_fence(covey__request_session(turn->job, request), version);
    action->request = request->id;
    action->layer = request->layer;
    action->done = done;
    close_layer(turn, request);
    return true;
}

static bool cancel_stale(struct covey__turn *turn, struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if (request->stale[d] == 0) {
            continue;
        }
        request->out[d].work = request->stale[d];
        if (!send_work(turn, request, d, COVEY_WORK_CANCEL)) {
            return false;
        }
        request->stale[d] = 0;
    }
    return true;
}

/* Gives back what the request holds; it is free when all is told. */
static bool pump_end(struct covey__turn *turn, struct covey__request *request)
{
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        if (!covey__job_release(turn, request->out[d].answer)) {
            return false;
        }
        request->out[d].answer = 0;
    }
    if (!covey__job_release(turn, request->local_body)) {
        return false;
    }
    request->local_body = 0;
    if (request->running) {
        close_layer(turn, request);
    }
    if (!cancel_stale(turn, request) || !covey__job_tiles_end(turn, request)) {
        return false;
    }
    covey__request_version(turn->job, request)->requests--;
    request->used = false;
    return true;
}

bool covey__request_pump(struct covey__turn *turn, struct covey__request *request)
{
    if (!release_dropped(turn, request)) {
        return false;
    }
    if (request->ending) {
        return pump_end(turn, request);
    }
    if (!covey__job_tiles_pump(turn, request)) {
        return false;
    }
    if (request->running && !pump_layer(turn, request)) {
        return false;
    }
    return !request->complete || tell_done(turn, request);
}
