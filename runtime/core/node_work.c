/* SPDX-License-Identifier: MIT */
#include "node_state.h"

enum {
    /* For each change of a device plans are made anew, by all owners: it has so many at once, then
     * one in a while. */
    CHANGES_BURST = 32,
    CHANGE_EVERY_MS = 2000,
};

static void release(struct covey_node *node, covey_handle body)
{
    if (body != 0) {
        struct covey_action *action = covey__update_add(node->out, COVEY_ACTION_RELEASE);
        if (action != NULL) {
            action->body = body;
        }
    }
}

/* Alive, not suspect, and trusted with a share of the work. */
static bool is_device(const struct covey_node *node, uint16_t index)
{
    return covey__member_is(&node->members, index, COVEY_MEMBER_ALIVE) &&
           node->members.cold[index].cert.trust == COVEY_TRUST_FULL;
}

/* Sorted by id; the list is short. */
static void insert_device(struct covey_plan_device *list, uint8_t *count,
                          const struct covey_plan_device *device)
{
    unsigned at = (*count)++;
    for (; at > 0 && covey_node_id_compare(&list[at - 1].id, &device->id) > 0; at--) {
        memcpy(&list[at], &list[at - 1], sizeof(list[at]));
    }
    memcpy(&list[at], device, sizeof(list[at]));
}

uint64_t covey__node_slices_bytes(const struct covey_node *node, uint16_t index, bool owner)
{
    const struct covey_record_body *record = &node->members.cold[index].record;
    bool small = record->store_bytes != 0 && record->store_bytes < record->memory_bytes;
    return small && !owner ? record->store_bytes : record->memory_bytes;
}

/* As plans know it; NULL: they do not. */
static const struct covey_plan_device *viewed(const struct covey_job_view *view,
                                              const struct covey_node_id *id)
{
    for (unsigned i = 0; i < view->devices; i++) {
        if (covey_node_id_equal(&view->device[i].id, id)) {
            return &view->device[i];
        }
    }
    return NULL;
}

/* One that comes, goes and changes without end must not have all others plan without end. That it
 * is gone counts at once; what else it says, when its time has come. */
static bool may_change(struct covey_node *node, uint16_t index)
{
    uint64_t *changed_ms = &node->members.cold[index].changed_ms;
    uint64_t since_ms = *changed_ms > node->now_ms ? *changed_ms : node->now_ms;
    uint64_t burst_ms = (uint64_t)CHANGES_BURST * CHANGE_EVERY_MS;
    if (index != COVEY_SELF && since_ms - node->now_ms > burst_ms) {
        uint64_t again_ms = since_ms - burst_ms;
        node->view_ms = again_ms < node->view_ms ? again_ms : node->view_ms;
        return false;
    }
    *changed_ms = since_ms + CHANGE_EVERY_MS;
    return true;
}

/* Compared as a whole: what lies between its fields is zero. */
static void describe(const struct covey_node *node, uint16_t index, struct covey_plan_device *out)
{
    const struct covey_rates *rates = &node->members.cold[index].record.rates;
    memset(out, 0, sizeof(*out));
    out->id = node->members.hot[index].id;
    out->mflops = rates->mflops;
    out->stream_mbytes = rates->stream_mbytes;
    out->link_mbytes = rates->link_mbytes;
    out->message_us = rates->message_us;
    out->body_mbytes = rates->body_mbytes;
    out->round_us = rates->round_us;
    out->owner = index == COVEY_SELF;
    out->memory_bytes = covey__node_slices_bytes(node, index, out->owner);
}

static uint8_t devices_of(struct covey_node *node, struct covey_plan_device *list)
{
    uint8_t count = 0;
    for (uint16_t i = 0; i < node->members.used && count < COVEY_PLAN_DEVICES_MAX; i++) {
        struct covey_plan_device device;
        if (i != COVEY_SELF && !is_device(node, i)) {
            continue;
        }
        describe(node, i, &device);
        const struct covey_plan_device *before = viewed(&node->view, &device.id);
        bool same = before != NULL && memcmp(before, &device, sizeof(device)) == 0;
        if (!same && !may_change(node, i)) {
            if (before == NULL) {
                continue;
            }
            memcpy(&device, before, sizeof(device));
        }
        insert_device(list, &count, &device);
    }
    return count;
}

void covey__node_view(struct covey_node *node)
{
    struct covey_job_view *view = &node->view;
    view->now_ms = node->now_ms;
    view->self = node->members.hot[COVEY_SELF].id;
    view->has_coordinator = node->election.has;
    view->coordinator = node->election.coordinator;
    view->term = node->election.term;
    if (!node->view_stale && node->now_ms < node->view_ms) {
        return;
    }
    node->view_ms = UINT64_MAX;
    struct covey_plan_device list[COVEY_PLAN_DEVICES_MAX];
    memset(list, 0, sizeof(list));
    uint8_t count = devices_of(node, list);
    node->view_stale = false;
    bool same = count == view->devices;
    for (unsigned i = 0; same && i < count; i++) {
        same = memcmp(&list[i], &view->device[i], sizeof(list[i])) == 0;
    }
    if (!same) {
        memcpy(view->device, list, sizeof(list));
        view->devices = count;
        view->device_generation++;
    }
}

static enum covey_peer_state peer_state(const struct covey_node *node, uint16_t index)
{
    if (node->members.hot[index].channel) {
        return COVEY_PEER_UP;
    }
    return covey__member_present(&node->members, index) ? COVEY_PEER_NO_CHANNEL : COVEY_PEER_GONE;
}

void covey__node_job_peer(struct covey_node *node, uint16_t index)
{
    enum covey_peer_state state = peer_state(node, index);
    const struct covey__member *hot = &node->members.hot[index];
    node->view_stale = true;
    covey__node_view(node);
    covey__fetch_peer(node->fetch, &hot->id, state);
    covey__catalogue_peer(node->catalogue, index, &hot->id, state == COVEY_PEER_UP);
    covey__node_train_peer(node, index, state);
    covey_err err = covey__job_peer(node->job, &node->view, &hot->id, state, node->out);
    node->dropped += err != COVEY_OK; /* no room in this update: `more` is set */
    covey__node_custody_peer(node, &hot->id, state);
}

/* Session measures: what it sent is back. */
static covey_err probe_answered(struct covey_node *node, const struct covey_incoming *in)
{
    struct covey_action *action = covey__update_add(node->out, COVEY_ACTION_PROBED);
    if (action != NULL) {
        action->peer = in->peer;
        action->has_peer = true;
        action->work = in->message->probe;
    }
    release(node, in->body);
    return COVEY_OK;
}

/* The job takes the pieces of its own sessions' results; all others are a holder's. */
static covey_err piece(struct covey_node *node, const struct covey_incoming *in)
{
    covey__node_view(node);
    return covey__job_owns(node->job, &in->message->tile)
               ? covey__job_message(node->job, &node->view, in, node->out)
               : covey__worker_message(node->worker, in, node->out);
}

static covey_err probed(struct covey_node *node, const struct covey_incoming *in)
{
    struct covey_work_message answer = {.type = COVEY_WORK_PROBED};
    answer.probe = in->message->probe;
    return covey__update_send(node->out, &in->peer, &answer, 0);
}

static bool is_of_requests(enum covey_work_type type)
{
    return type == COVEY_WORK_EXECUTE || type == COVEY_WORK_ANSWER || type == COVEY_WORK_CANCEL ||
           type == COVEY_WORK_START || type == COVEY_WORK_PIECE || type == COVEY_WORK_RELAY;
}

static covey_err route(struct covey_node *node, uint16_t from, const struct covey_incoming *in)
{
    bool owner_allowed = node->members.cold[from].cert.trust == COVEY_TRUST_FULL;
    node->of_requests = is_of_requests(in->message->type);
    switch (in->message->type) {
    case COVEY_WORK_PLACE:
        release(node, in->body);
        return owner_allowed ? covey__node_place(node, from, &in->message->place) : COVEY_OK;
    case COVEY_WORK_PLACEMENT:
    case COVEY_WORK_READY:
    case COVEY_WORK_REFUSE:
    case COVEY_WORK_ANSWER:
    case COVEY_WORK_STALLED:
        covey__node_view(node);
        return covey__job_message(node->job, &node->view, in, node->out);
    case COVEY_WORK_ASSIGN:
    case COVEY_WORK_EXECUTE:
    case COVEY_WORK_CANCEL:
    case COVEY_WORK_RETIRE:
    case COVEY_WORK_START:
    case COVEY_WORK_RELAY:
    case COVEY_WORK_DROP:
    case COVEY_WORK_ASK:
        if (owner_allowed) {
            return covey__worker_message(node->worker, in, node->out);
        }
        break;
    case COVEY_WORK_PIECE:
        return piece(node, in);
    case COVEY_WORK_WANT:
    case COVEY_WORK_GIVE:
    case COVEY_WORK_LACK:
        if (owner_allowed) {
            return covey__fetch_message(node->fetch, in, node->now_ms, node->out);
        }
        break;
    case COVEY_WORK_PROBE: /* beside requests it would hold them up, and tell nothing */
        release(node, in->body);
        return covey__job_has_requests(node->job) ? COVEY_OK : probed(node, in);
    case COVEY_WORK_PROBED:
        return probe_answered(node, in);
    case COVEY_WORK_NONE:
        break;
    }
    node->dropped++;
    release(node, in->body);
    return COVEY_OK;
}

static bool is_catalogue(struct covey_node *node, uint16_t from, struct covey_bytes bytes)
{
    struct covey_catalogue_message message;
    if (covey_catalogue_decode(bytes, &message) != COVEY_OK) {
        return false;
    }
    if (covey__node_may_cost(node, from, 1 + (unsigned)message.count)) {
        node->dropped += covey__catalogue_message(node->catalogue, bytes, node->wall_s);
    }
    return true;
}

covey_err covey__node_message(struct covey_node *node, const struct covey_event *event)
{
    struct covey_work_message message;
    struct covey_train_message train;
    uint16_t from = covey__member_find(&node->members, &event->peer);
    if (from == COVEY_NOBODY) {
        node->dropped++;
        release(node, event->body);
        return COVEY_OK;
    }
    if (covey_work_decode(event->bytes, &message) == COVEY_OK) {
        struct covey_incoming in = {event->peer, &message, event->bytes, event->body,
                                    event->body_len};
        return route(node, from, &in);
    }
    if (covey_train_decode(event->bytes, &train) == COVEY_OK) {
        return covey__node_train_message(node, from, &train, event->body);
    }
    release(node, event->body);
    struct covey_custody_message custody;
    if (covey_custody_decode(event->bytes, &custody) == COVEY_OK) {
        return covey__node_custody_message(node, from, &custody);
    }
    if (from != COVEY_SELF && !is_catalogue(node, from, event->bytes)) {
        covey__node_gossip_message(node, from, true, event->bytes);
    }
    return COVEY_OK;
}

static void fetch_peer(struct covey_node *node, const struct covey_node_id *id)
{
    uint16_t index = covey__member_find(&node->members, id);
    if (index != COVEY_NOBODY && index != COVEY_SELF) {
        covey__fetch_peer(node->fetch, id, peer_state(node, index));
    }
}

static void fetch_add(struct covey_node *node, const struct covey_event *event)
{
    if (event->err != COVEY_OK || event->bytes.len == 0) {
        return;
    }
    covey__fetch_add(node->fetch, event);
    fetch_peer(node, &event->peer);
    for (unsigned i = 0; i < event->bytes.ptr[0]; i++) {
        struct covey_node_id id = covey_wants_source(event->bytes, i);
        fetch_peer(node, &id);
    }
}

/* Nothing is fetched for an assignment that is over. */
void covey__node_fetch_tick(struct covey_node *node)
{
    for (size_t i = 0; i < node->out->count; i++) {
        const struct covey_action *action = &node->out->actions[i];
        if (action->type == COVEY_ACTION_RETIRED) {
            covey__fetch_retired(node->fetch, &action->peer, &action->fence);
        }
    }
    covey__fetch_tick(node->fetch, node->now_ms, node->out);
}

static covey_err publish(struct covey_node *node, const struct covey_event *event)
{
    struct covey_catalogue_model model;
    covey_err err = covey_catalogue_model_decode(event->bytes, &model);
    return err == COVEY_OK ? covey__catalogue_publish(node->catalogue, &model) : err;
}

covey_err covey__node_work_event(struct covey_node *node, const struct covey_event *event)
{
    switch ((int)event->type) {
    case COVEY_EVENT_ASSIGN_CHECKED:
        fetch_add(node, event);
        return covey__worker_event(node->worker, event, node->out);
    case COVEY_EVENT_COMPUTED:
    case COVEY_EVENT_TILE_COMPUTED:
        node->of_requests = true;
        return covey__worker_event(node->worker, event, node->out);
    case COVEY_EVENT_SESSION_OPEN:
    case COVEY_EVENT_SESSION_CLOSE:
    case COVEY_EVENT_PREPARED:
        covey__node_view(node);
        return covey__job_event(node->job, &node->view, event, node->out);
    case COVEY_EVENT_PLANNED:
        covey__node_view(node);
        return event->work != 0 ? covey__node_placed(node, event)
                                : covey__job_event(node->job, &node->view, event, node->out);
    case COVEY_EVENT_REQUEST_BEGIN:
    case COVEY_EVENT_LAYER:
    case COVEY_EVENT_COMPUTED_LOCAL:
    case COVEY_EVENT_REQUEST_END:
    case COVEY_EVENT_TILES:
    case COVEY_EVENT_TILES_CUT:
        node->of_requests = true;
        covey__node_view(node);
        return covey__job_event(node->job, &node->view, event, node->out);
    case COVEY_EVENT_LIED:
        covey__node_view(node);
        covey__taskpool_distrust(node->pool, &event->peer, node->out);
        return covey__job_event(node->job, &node->view, event, node->out);
    case COVEY_EVENT_STORED:
    case COVEY_EVENT_LACKED:
        covey__fetch_event(node->fetch, event, node->out);
        return COVEY_OK;
    case COVEY_EVENT_PUBLISH:
        return publish(node, event);
    case COVEY_EVENT_CATALOGUE:
        node->dropped += covey__catalogue_message(node->catalogue, event->bytes, node->wall_s);
        return COVEY_OK;
    case COVEY_EVENT_FETCH:
        fetch_add(node, event);
        return COVEY_OK;
    case COVEY_EVENT_GROWING:
        covey__fetch_growing(node->fetch, &event->peer, node->now_ms);
        return COVEY_OK;
    default: /* not of work: node.c has all of them */
        return COVEY_ERR_STATE;
    }
}
