/* SPDX-License-Identifier: MIT */
#include "node_state.h"

enum {
    WEIGHT_PER_MS = 5, /* by layers times devices squared: more than it takes */
    WEIGHT_MAX = 20000,
    BURST_MS = 4000, /* an owner of many sessions plans them all when a device is lost */
    ANSWER_MS = 200, /* then the owner has begun to plan itself */
    OWNER_PLACES_MAX = COVEY__NODE_PLACES / 2, /* of one owner: others ask too */
};

/* A plan takes its time by the layers and by the devices squared, and plans are made one after the
 * other: each owner is given a share of that, and none a plan beside which no other would be made
 * for seconds. Who gets no answer plans itself, as where the answer is late. */
static bool may_place(struct covey_node *node, uint16_t from,
                      const struct covey_plan_request *request)
{
    uint64_t weight = (uint64_t)request->layers * request->devices * request->devices;
    uint64_t *paid_ms = &node->members.cold[from].placed_ms;
    uint64_t since_ms = *paid_ms > node->now_ms ? *paid_ms : node->now_ms;
    if (from == COVEY_SELF) {
        return true;
    }
    if (weight > WEIGHT_MAX || since_ms - node->now_ms > BURST_MS) {
        return false;
    }
    *paid_ms = since_ms + weight / WEIGHT_PER_MS + 1; /* the least of them takes some, too */
    return true;
}

/* Who it is for, and what each may be given: as the owner would see it. */
static void set_devices(const struct covey_node *node, const struct covey_node_id *owner,
                        struct covey_plan_request *out)
{
    out->devices = node->view.devices;
    memcpy(out->device, node->view.device, sizeof(out->device));
    for (unsigned i = 0; i < out->devices; i++) {
        struct covey_plan_device *device = &out->device[i];
        uint16_t index = covey__member_find(&node->members, &device->id);
        device->owner = covey_node_id_equal(&device->id, owner);
        if (index != COVEY_NOBODY) {
            device->memory_bytes = covey__node_slices_bytes(node, index, device->owner);
        }
    }
}

static struct covey__node_place *find(struct covey_node *node, uint32_t work)
{
    for (unsigned i = 0; i < COVEY__NODE_PLACES; i++) {
        if (node->place[i].work == work) {
            return &node->place[i];
        }
    }
    return NULL;
}

/* A free place; NULL: there is none for this owner. */
static struct covey__node_place *vacant(struct covey_node *node, const struct covey_node_id *owner)
{
    unsigned of_owner = 0;
    for (unsigned i = 0; i < COVEY__NODE_PLACES; i++) {
        of_owner += node->place[i].work != 0 && covey_node_id_equal(&node->place[i].owner, owner);
    }
    return of_owner < OWNER_PLACES_MAX ? find(node, 0) : NULL;
}

covey_err covey__node_place(struct covey_node *node, uint16_t from,
                            const struct covey_work_place *asked)
{
    struct covey_plan_request *request = &node->place_request;
    const struct covey_node_id *owner = &node->members.hot[from].id;
    struct covey__node_place *place = vacant(node, owner);
    if (!covey__election_leads(&node->election) || place == NULL ||
        covey__plan_request_decode(asked->payload, &node->place_held, request) != COVEY_OK) {
        node->dropped++;
        return COVEY_OK; /* the owner plans itself when no answer comes */
    }
    covey__node_view(node);
    set_devices(node, owner, request);
    struct covey_action *action =
        may_place(node, from, request) ? covey__update_add(node->out, COVEY_ACTION_PLAN) : NULL;
    if (action == NULL) {
        node->dropped++;
        return COVEY_OK;
    }
    node->place_work = node->place_work == UINT32_MAX ? 1 : node->place_work + 1;
    *place = (struct covey__node_place){node->place_work, *owner, asked->session, asked->version};
    action->work = place->work;
    action->peer = *owner;
    action->has_peer = true;
    action->request = node->now_ms + ANSWER_MS;
    action->costs = request;
    return COVEY_OK;
}

covey_err covey__node_placed(struct covey_node *node, const struct covey_event *event)
{
    struct covey__node_place *place = event->work != 0 ? find(node, event->work) : NULL;
    if (place == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    place->work = 0;
    /* Another leads meanwhile; or nothing came of it. Then the owner plans itself. */
    if (!covey__election_leads(&node->election) || event->err != COVEY_OK) {
        return COVEY_OK;
    }
    struct covey_plan *plan = &node->place_plan;
    *plan = *event->plan;
    plan->term = node->election.term;
    plan->coordinator = node->election.self;
    size_t len = 0;
    covey_err err = covey__plan_encode(
        plan, (struct covey_buf){node->place_payload, sizeof(node->place_payload)}, &len);
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_work_message answer = {.type = COVEY_WORK_PLACEMENT};
    answer.place.session = place->session;
    answer.place.version = place->version;
    answer.place.payload = covey_bytes_of(node->place_payload, len);
    return covey__update_send(node->out, &place->owner, &answer, 0);
}
