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

/* Before there are times: over slow links and by slow devices it is long. */
static uint64_t first_ms(const struct covey_plan_layer *layer)
{
    uint64_t ms = (uint64_t)layer->predicted_us * 2 / 1000;
    ms = ms < COVEY__JOB_OVERDUE_MAX_MS ? ms : COVEY__JOB_OVERDUE_MAX_MS;
    return ms > COVEY__JOB_OVERDUE_MS ? ms : COVEY__JOB_OVERDUE_MS;
}

/* Losses within the parity are nothing to wait for. With more, what is missing is computed here
 * once it is late: see overdue_ms(). At most it costs this device about what the layer takes. What
 * is asked beside others waits for them at every device. */
static void set_patience(const struct covey__turn *turn, struct covey__request *request)
{
    struct covey__session *session = covey__request_session(turn->job, request);
    const struct covey__version *version = covey__request_version(turn->job, request);
    unsigned factor;
    const struct covey__times *times = covey__known_times(session, version, request, &factor);
    uint64_t ms = covey__times_patience(times);
    uint64_t twice = 2 * (uint64_t)covey__times_median(times);
    ms = ms > twice ? ms : twice;
    ms = ms != 0 ? ms : first_ms(&version->plan.layer[request->layer]);
    factor *= request->beside;
    request->latest_ms = ms * factor;
    uint64_t usual_ms = (uint64_t)covey__times_usual(times) * factor;
    request->usual_ms = usual_ms != 0 ? usual_ms : request->latest_ms;
    request->unit_us = UINT64_MAX / COVEY_LAYER_SLOTS_MAX;
    struct covey_plan_cost cost;
    bool fits = covey_plan_slot_cost(&session->costs.cost[request->layer],
                                     &version->plan.layer[request->layer], &cost);
    for (unsigned i = 0; fits && i < turn->view->devices; i++) {
        const struct covey_plan_device *device = &turn->view->device[i];
        if (device->owner) {
            request->unit_us = covey_plan_work_us(device, &cost.unit);
        }
    }
}

/* Asking a device that answers nothing any more only fills buffers. The slowest of many healthy
 * devices is late again and again too, but it answers something in each layer's time. */
static bool is_behind(const struct covey__turn *turn, const struct covey__session *session,
                      unsigned layer, uint16_t peer)
{
    const struct covey__job_peer_entry *entry = &turn->job->peer[peer];
    uint32_t layer_ms = covey__layer_median_ms(session, layer);
    return entry->late >= COVEY__JOB_BEHIND &&
           turn->now_ms > entry->heard_ms + (layer_ms > 1 ? layer_ms : 1) &&
           turn->now_ms < entry->asked_ms + COVEY__JOB_BEHIND_MS;
}

static void count_late(struct covey__turn *turn, const struct covey__request *request,
                       unsigned device)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey__job_peer_entry *entry = &turn->job->peer[version->peer[device]];
    if (entry->late++ == 0) {
        entry->heard_ms = turn->now_ms;
    }
    if (!request->out[device].doubted) {
        uint64_t ms = COVEY__JOB_DOUBT * request->usual_ms;
        entry->doubt_ms = turn->now_ms + (ms > COVEY__JOB_DOUBT_MS ? ms : COVEY__JOB_DOUBT_MS);
    }
}

bool covey__request_may_ask(const struct covey__turn *turn, const struct covey__request *request,
                            unsigned device)
{
    const struct covey__session *session = covey__request_session(turn->job, request);
    const struct covey__version *version = covey__request_version(turn->job, request);
    uint16_t peer = version->peer[device];
    bool is_ready = device == version->self || version->holder[device] == COVEY__HOLDER_READY;
    return is_ready && covey__peer_state(turn->job, peer) == COVEY_PEER_UP &&
           !turn->job->peer[peer].lied && !is_behind(turn, session, request->layer, peer);
}

/* It owes its answer to a layer before, for longer than that takes: nobody can say when this one's
 * comes. Not for ever: where its share is soon made here it would never be in time again, and what
 * is done without it is cancelled, and not answered. Of one that is suspected nothing is hoped. */
static bool is_doubted(const struct covey__turn *turn, const struct covey__request *request,
                       unsigned device)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    const struct covey__job_peer_entry *peer = &turn->job->peer[version->peer[device]];
    if (device == version->self || peer->late == 0 ||
        (turn->now_ms >= peer->doubt_ms && covey__peer_is_there(turn, version->peer[device]))) {
        return false;
    }
    bool twice = peer->late > 1 && request->beside == 1;
    return twice || turn->now_ms > peer->due_ms;
}

covey_err covey__request_layer(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey__request *request = covey__request_find(turn->job, event->request);
    if (request == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    const struct covey__version *version = covey__request_version(turn->job, request);
    if (request->running || request->tiles.state != COVEY__TILES_NONE) {
        return COVEY_ERR_STATE;
    }
    if (event->layer >= version->plan.layers || version->plan.layer[event->layer].slots == 0) {
        return COVEY_ERR_RANGE;
    }
    bool by_rows = version->plan.layer[event->layer].by_rows;
    if (by_rows && event->pieces == NULL) {
        return COVEY_ERR_RANGE;
    }
    bool fed = covey__feed_layer(turn, request, event->layer);
    request->running = true;
    request->beside = 0;
    (void)covey__request_beside(turn->job, request);
    request->complete = request->overdue = request->rescued = false;
    request->layer = event->layer;
    request->input = by_rows ? 0 : event->body;
    memset(request->part, 0, sizeof(request->part));
    if (by_rows) {
        memcpy(request->part, event->pieces, sizeof(request->part));
    }
    request->leaving = false;
    request->began_ms = turn->now_ms;
    request->look_ms = 0;
    request->looks = 0;
    request->local = COVEY__LOCAL_NONE;
    memset(request->local_slots, 0, sizeof(request->local_slots));
    if (!fed) {
        memset(request->out, 0, sizeof(request->out));
    }
    const struct covey_plan_layer *layer = &version->plan.layer[event->layer];
    for (unsigned slot = 0; slot < layer->slots; slot++) {
        unsigned d = layer->holder[slot];
        if (request->out[d].state != COVEY__OUT_NONE) {
            continue; /* asked before, or another slot's holder too */
        }
        bool asked = covey__request_may_ask(turn, request, d);
        request->out[d].state = asked ? COVEY__OUT_TO_ASK : COVEY__OUT_FAILED;
        request->out[d].doubted = asked && is_doubted(turn, request, d);
        request->out[d].dead = covey__peer_state(turn->job, version->peer[d]) != COVEY_PEER_UP;
    }
    covey__relay_begin(turn, request, event->body_len);
    set_patience(turn, request);
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
    covey_handle part = request->part[device];
    covey_handle body = type != COVEY_WORK_EXECUTE ? 0 : part != 0 ? part : request->input;
    return covey__update_send(turn->out, &version->plan.device[device], &message, body) == COVEY_OK;
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
        bool relayed = (request->relay.members & request->fed & covey__run_bit(device)) != 0;
        if (relayed ? !covey__relay_ask(turn, request, device)
                    : !send_work(turn, request, device, COVEY_WORK_EXECUTE)) {
            return false;
        }
        peer->work++;
        peer->asked_ms = turn->now_ms;
        peer->due_ms = turn->now_ms + request->usual_ms;
        request->stale[device] = 0;
        request->leaving = true;
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

static bool is_asked(const struct covey__request *request, unsigned device)
{
    enum covey__out_state state = request->out[device].state;
    return state == COVEY__OUT_TO_ASK || state == COVEY__OUT_ASKED;
}

/* What this node computes itself. */
static bool slot_is_own(const struct covey__request *request, const struct covey__version *version,
                        unsigned slot)
{
    unsigned d = version->plan.layer[request->layer].holder[slot];
    if (d == version->self && is_asked(request, d)) {
        return true;
    }
    return (request->local == COVEY__LOCAL_WANTED || request->local == COVEY__LOCAL_ASKED) &&
           has_bit(request->local_slots, slot);
}

/* What is overdue is not counted on any more; what this node computes itself always is. */
static bool slot_is_coming(const struct covey__request *request,
                           const struct covey__version *version, unsigned slot)
{
    unsigned d = version->plan.layer[request->layer].holder[slot];
    bool counted = !request->overdue && !request->out[d].doubted;
    return (is_asked(request, d) && counted) || slot_is_own(request, version, slot);
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

/* Units that would have to be computed here if nothing came any more. */
static unsigned count_lacking(const struct covey__request *request,
                              const struct covey__version *version)
{
    const struct covey_plan_layer *layer = &version->plan.layer[request->layer];
    unsigned lacking = 0;
    for (unsigned g = 0; g < layer->groups; g++) {
        unsigned unit, first_slot, sure = 0;
        unsigned units = covey_plan_group(layer, version->plan.parity, g, &unit, &first_slot);
        for (unsigned slot = first_slot; slot < first_slot + units + version->plan.parity; slot++) {
            sure += slot_is_here(request, layer, slot) || slot_is_own(request, version, slot);
        }
        lacking += units > sure ? units - sure : 0;
    }
    return lacking;
}

/* Once the layer should be over, it waits no longer than computing what it lacks would take: then
 * waiting was at most as long again as not to have waited (as when to buy skis that are rented by
 * the day). So the last answer of many is soon made up for, and many that are missing are given
 * time: those devices are slow, or this one is. */
static uint64_t overdue_ms(const struct covey__turn *turn, const struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    uint64_t here_us = request->unit_us * count_lacking(request, version);
    uint64_t ms = request->usual_ms + (here_us / 1000 + COVEY__JOB_RESCUE_MS) * request->beside;
    return request->began_ms + (ms < request->latest_ms ? ms : request->latest_ms);
}

/* What came while this device was busy is read before anybody is taken for late: there must be a
 * look at the deadline, and soon after it another one. */
static bool looks_again(const struct covey__turn *turn, struct covey__request *request)
{
    uint64_t before_ms = request->look_ms;
    if (turn->now_ms == before_ms) {
        return true;
    }
    bool held_up = turn->now_ms > before_ms + COVEY__JOB_HELD_UP_MS;
    if (!held_up || request->looks == COVEY__JOB_LOOKS_MAX) {
        return false;
    }
    request->look_ms = turn->now_ms;
    request->looks++;
    return true;
}

static void watch_layer(struct covey__turn *turn, struct covey__request *request)
{
    if (request->overdue) {
        return;
    }
    uint64_t at_ms = overdue_ms(turn, request);
    if (turn->now_ms >= at_ms && covey__request_beside(turn->job, request)) {
        set_patience(turn, request);
        at_ms = overdue_ms(turn, request);
    }
    if (turn->now_ms + 1 < at_ms) {
        covey__job_wake(turn->job, at_ms - 1);
    } else if (looks_again(turn, request) || turn->now_ms < at_ms) {
        covey__job_wake(turn->job, turn->now_ms < at_ms ? at_ms : turn->now_ms + 1);
    } else {
        request->overdue = true;
    }
}

void covey__job_sent(struct covey_job *job, uint64_t now_ms)
{
    for (unsigned i = 0; i < job->request_end; i++) {
        struct covey__request *request = &job->request[i];
        if (request->used && request->leaving) {
            request->leaving = false;
            request->began_ms = now_ms;
            request->look_ms = 0;
            request->looks = 0;
        }
    }
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

static bool pump_layer(struct covey__turn *turn, struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if (request->out[d].state == COVEY__OUT_TO_ASK && !ask(turn, request, d)) {
            return false;
        }
    }
    if (!covey__relay_pump(turn, request)) {
        return false;
    }
    watch_layer(turn, request);
    look_at_layer(turn, request);
    if (!covey__update_release(turn->out, &request->dropped)) {
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

/* The driver's clock may be a little ahead of that of the events. */
static uint64_t since_ms(const struct covey__turn *turn, uint64_t at_ms)
{
    return turn->now_ms > at_ms ? turn->now_ms - at_ms : 0;
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
            count_late(turn, request, d);
        }
    }
    /* A rescue that was not needed after all means that the deadline was too short. */
    if (!request->ending && (!request->rescued || request->local != COVEY__LOCAL_DONE)) {
        covey__times_add_beside(covey__request_times(session, request),
                                since_ms(turn, request->began_ms), request->beside);
    }
    request->local_body = 0;
    request->local = COVEY__LOCAL_NONE;
    request->running = request->complete = request->feeding = request->leaving = false;
    request->input = 0;
    memset(request->part, 0, sizeof(request->part));
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
    done->fed = request->fed;
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
        if (!covey__update_release(turn->out, &request->out[d].answer)) {
            return false;
        }
    }
    if (!covey__update_release(turn->out, &request->local_body)) {
        return false;
    }
    if (request->running || request->feeding) {
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
    if (!covey__update_release(turn->out, &request->dropped)) {
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
