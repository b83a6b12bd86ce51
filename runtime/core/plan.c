/* SPDX-License-Identifier: MIT */
#include "covey/plan.h"

enum { PARITY_MAX_HERE = 1 };

/* A deal in progress. Devices are sorted by id, so that any order of the request gives one plan. */
struct deal {
    unsigned devices;
    unsigned parity;
    struct covey_plan_device device[COVEY_PLAN_DEVICES_MAX];
    uint32_t slots[COVEY_PLAN_DEVICES_MAX];    /* dealt so far, over all layers */
    uint32_t parities[COVEY_PLAN_DEVICES_MAX]; /* of these: parities */
    uint64_t used_bytes[COVEY_PLAN_DEVICES_MAX];
};

/* One layer dealt in one way. */
struct hand {
    struct covey_plan_layer layer;
    uint32_t slots[COVEY_PLAN_DEVICES_MAX];
    uint32_t parities[COVEY_PLAN_DEVICES_MAX];
};

static uint64_t rate_of(const struct covey_plan_device *device)
{
    return device->mflops == 0 ? 1 : device->mflops;
}

unsigned covey_plan_group(const struct covey_plan_layer *layer, unsigned parity, unsigned group,
                          unsigned *out_first_unit, unsigned *out_first_slot)
{
    unsigned base = layer->units / layer->groups;
    unsigned extra = layer->units % layer->groups;
    unsigned first = group * base + (group < extra ? group : extra);
    *out_first_unit = first;
    *out_first_slot = first + group * parity;
    return base + (group < extra ? 1 : 0);
}

static void shape_layer(unsigned units, unsigned group_units, unsigned parity,
                        struct covey_plan_layer *out)
{
    unsigned groups = (units + group_units - 1) / group_units;
    out->units = (uint16_t)units;
    out->groups = (uint16_t)groups;
    out->slots = (uint16_t)(units + groups * parity);
    out->group_units = (uint8_t)((units + groups - 1) / groups);
}

/* Whether a would be done with one slot more before b. Ties: who has less over all layers. */
static bool is_sooner(const struct deal *deal, const struct hand *hand, unsigned a, unsigned b)
{
    uint64_t rate_a = rate_of(&deal->device[a]);
    uint64_t rate_b = rate_of(&deal->device[b]);
    uint64_t time_a = (hand->slots[a] + 1) * rate_b;
    uint64_t time_b = (hand->slots[b] + 1) * rate_a;
    if (time_a != time_b) {
        return time_a < time_b;
    }
    return (deal->slots[a] + hand->slots[a]) * rate_b < (deal->slots[b] + hand->slots[b]) * rate_a;
}

static bool has_room(const struct deal *deal, const struct hand *hand, unsigned device,
                     uint32_t unit_bytes)
{
    uint64_t bytes = (uint64_t)(hand->slots[device] + 1) * unit_bytes;
    return bytes <= deal->device[device].memory_bytes - deal->used_bytes[device];
}

/* Marks count devices for one group: those that would be done soonest. */
static bool pick_devices(const struct deal *deal, const struct hand *hand, uint32_t unit_bytes,
                         unsigned count, bool picked[static COVEY_PLAN_DEVICES_MAX])
{
    for (unsigned i = 0; i < count; i++) {
        unsigned best = deal->devices;
        for (unsigned d = 0; d < deal->devices; d++) {
            if (picked[d] || !has_room(deal, hand, d, unit_bytes)) {
                continue;
            }
            if (best == deal->devices || is_sooner(deal, hand, d, best)) {
                best = d;
            }
        }
        if (best == deal->devices) {
            return false;
        }
        picked[best] = true;
    }
    return true;
}

/* As in RAID-5: the parity goes to whoever of the group holds the fewest. */
static unsigned pick_parity(const struct deal *deal, const struct hand *hand, const bool *picked,
                            unsigned start)
{
    unsigned best = deal->devices;
    for (unsigned i = 0; i < deal->devices; i++) {
        unsigned d = (start + i) % deal->devices;
        if (picked[d] &&
            (best == deal->devices ||
             deal->parities[d] + hand->parities[d] < deal->parities[best] + hand->parities[best])) {
            best = d;
        }
    }
    return best;
}

static void deal_group(const struct deal *deal, struct hand *hand, unsigned group, bool *picked)
{
    unsigned first_unit, slot;
    unsigned count = covey_plan_group(&hand->layer, deal->parity, group, &first_unit, &slot);
    for (unsigned p = 0; p < deal->parity; p++) {
        unsigned d = pick_parity(deal, hand, picked, group);
        hand->layer.holder[slot + count + p] = (uint8_t)d;
        hand->slots[d]++;
        hand->parities[d]++;
        picked[d] = false;
    }
    for (unsigned d = 0; d < deal->devices; d++) {
        if (picked[d]) {
            hand->layer.holder[slot++] = (uint8_t)d;
            hand->slots[d]++;
        }
    }
}

/* False: the devices' memory does not allow groups of this size. */
static bool deal_layer(const struct deal *deal, const struct covey_plan_cost *cost,
                       unsigned group_units, struct hand *out)
{
    struct hand hand = {0};
    shape_layer(cost->units, group_units, deal->parity, &hand.layer);
    for (unsigned g = 0; g < hand.layer.groups; g++) {
        bool picked[COVEY_PLAN_DEVICES_MAX] = {false};
        unsigned first_unit, first_slot;
        unsigned count = covey_plan_group(&hand.layer, deal->parity, g, &first_unit, &first_slot);
        if (!pick_devices(deal, &hand, cost->unit_bytes, count + deal->parity, picked)) {
            return false;
        }
        deal_group(deal, &hand, g, picked);
    }
    *out = hand;
    return true;
}

/* Whether the slowest device of a is done before the slowest of b. */
static bool ends_sooner(const struct deal *deal, const struct hand *a, const struct hand *b)
{
    const struct hand *hands[2] = {a, b};
    uint64_t slots[2] = {0, 0};
    uint64_t rate[2] = {1, 1};
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned d = 0; d < deal->devices; d++) {
            uint64_t r = rate_of(&deal->device[d]);
            if (hands[i]->slots[d] * rate[i] > slots[i] * r) {
                slots[i] = hands[i]->slots[d];
                rate[i] = r;
            }
        }
    }
    return slots[0] * rate[1] < slots[1] * rate[0];
}

static bool is_even(const struct deal *deal)
{
    for (unsigned d = 1; d < deal->devices; d++) {
        if (rate_of(&deal->device[d]) != rate_of(&deal->device[0])) {
            return false;
        }
    }
    return true;
}

static unsigned group_units_max(unsigned devices, unsigned parity, unsigned units)
{
    unsigned n = devices - parity;
    n = n < COVEY_GROUP_UNITS_MAX ? n : COVEY_GROUP_UNITS_MAX;
    return n < units ? n : units;
}

/* The largest groups cost least, but give all devices of a group equal shares: smaller ones are
 * tried where devices differ, or where memory is short. */
static bool best_hand(const struct deal *deal, const struct covey_plan_cost *cost, struct hand *out)
{
    bool even = is_even(deal);
    bool found = false;
    for (unsigned n = group_units_max(deal->devices, deal->parity, cost->units); n > 0; n--) {
        struct hand hand;
        if (!deal_layer(deal, cost, n, &hand)) {
            continue;
        }
        if (!found || ends_sooner(deal, &hand, out)) {
            *out = hand;
            found = true;
        }
        if (even) {
            break;
        }
    }
    return found;
}

static bool add_layer(struct deal *deal, const struct covey_plan_cost *cost,
                      struct covey_plan_layer *out)
{
    struct hand hand;
    if (!best_hand(deal, cost, &hand)) {
        return false;
    }
    for (unsigned d = 0; d < deal->devices; d++) {
        deal->slots[d] += hand.slots[d];
        deal->parities[d] += hand.parities[d];
        deal->used_bytes[d] += (uint64_t)hand.slots[d] * cost->unit_bytes;
    }
    *out = hand.layer;
    return true;
}

/* Faster first; ties by id. */
static bool is_preferred(const struct covey_plan_device *a, const struct covey_plan_device *b)
{
    if (rate_of(a) != rate_of(b)) {
        return rate_of(a) > rate_of(b);
    }
    return covey_node_id_compare(&a->id, &b->id) < 0;
}

static bool is_lower(const struct covey_plan_device *a, const struct covey_plan_device *b)
{
    return covey_node_id_compare(&a->id, &b->id) < 0;
}

static void sort_devices(struct covey_plan_device *device, unsigned count,
                         bool (*before)(const struct covey_plan_device *,
                                        const struct covey_plan_device *))
{
    for (unsigned i = 1; i < count; i++) {
        struct covey_plan_device moved = device[i];
        unsigned j = i;
        for (; j > 0 && before(&moved, &device[j - 1]); j--) {
            device[j] = device[j - 1];
        }
        device[j] = moved;
    }
}

static void choose_devices(const struct covey_plan_request *request, struct deal *deal)
{
    deal->parity = request->parity;
    for (unsigned i = 0; i < request->devices; i++) {
        if (request->device[i].memory_bytes != 0) {
            deal->device[deal->devices++] = request->device[i];
        }
    }
    sort_devices(deal->device, deal->devices, is_preferred);
    if (request->devices_max != 0 && deal->devices > request->devices_max) {
        deal->devices = request->devices_max;
    }
    sort_devices(deal->device, deal->devices, is_lower);
}

static covey_err check_request(const struct covey_plan_request *request)
{
    if (request->layers > COVEY_LAYERS_MAX || request->devices > COVEY_PLAN_DEVICES_MAX ||
        request->parity > PARITY_MAX_HERE) {
        return COVEY_ERR_RANGE;
    }
    for (unsigned i = 0; i < request->layers; i++) {
        if (request->cost[i].units == 0 || request->cost[i].units > COVEY_LAYER_UNITS_MAX) {
            return COVEY_ERR_RANGE;
        }
    }
    for (unsigned i = 0; i < request->devices; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (covey_node_id_equal(&request->device[i].id, &request->device[j].id)) {
                return COVEY_ERR_RANGE;
            }
        }
    }
    return COVEY_OK;
}

covey_err covey_plan_make(const struct covey_plan_request *request, struct covey_plan *out)
{
    struct deal deal = {0};
    covey_err err = check_request(request);
    if (err != COVEY_OK) {
        return err;
    }
    choose_devices(request, &deal);
    memset(out, 0, sizeof(*out));
    out->parity = request->parity;
    /* A single device gains nothing from units and parities of its own. */
    if (deal.devices < 2 || deal.devices < request->parity + 1U) {
        return COVEY_OK;
    }
    for (unsigned i = 0; i < request->layers; i++) {
        if (!add_layer(&deal, &request->cost[i], &out->layer[i])) {
            memset(out, 0, sizeof(*out));
            out->parity = request->parity;
            return COVEY_OK;
        }
    }
    out->layers = request->layers;
    out->devices = (uint8_t)deal.devices;
    for (unsigned d = 0; d < deal.devices; d++) {
        out->device[d] = deal.device[d].id;
    }
    return COVEY_OK;
}

static const struct covey_plan_device *find_device(const struct covey_plan_request *request,
                                                   const struct covey_node_id *id)
{
    for (unsigned i = 0; i < request->devices; i++) {
        if (covey_node_id_equal(&request->device[i].id, id)) {
            return &request->device[i];
        }
    }
    return NULL;
}

static covey_err check_devices(const struct covey_plan *plan,
                               const struct covey_plan_request *request)
{
    if (plan->devices > COVEY_PLAN_DEVICES_MAX || plan->devices < plan->parity + 1U ||
        (request->devices_max != 0 && plan->devices > request->devices_max)) {
        return COVEY_ERR_RANGE;
    }
    for (unsigned i = 0; i < plan->devices; i++) {
        if (find_device(request, &plan->device[i]) == NULL) {
            return COVEY_ERR_DENIED;
        }
        for (unsigned j = 0; j < i; j++) {
            if (covey_node_id_equal(&plan->device[i], &plan->device[j])) {
                return COVEY_ERR_RANGE;
            }
        }
    }
    return COVEY_OK;
}

static covey_err check_holders(const struct covey_plan *plan, const struct covey_plan_layer *layer)
{
    for (unsigned g = 0; g < layer->groups; g++) {
        uint32_t holders = 0;
        unsigned unit, slot;
        unsigned count = covey_plan_group(layer, plan->parity, g, &unit, &slot) + plan->parity;
        for (unsigned i = 0; i < count; i++) {
            unsigned d = layer->holder[slot + i];
            if (d >= plan->devices || (holders & (UINT32_C(1) << d)) != 0) {
                return COVEY_ERR_RANGE;
            }
            holders |= UINT32_C(1) << d;
        }
    }
    return COVEY_OK;
}

static covey_err check_layer(const struct covey_plan *plan, const struct covey_plan_layer *layer,
                             const struct covey_plan_cost *cost)
{
    struct covey_plan_layer shape = {0};
    if (layer->units != cost->units || layer->group_units == 0 ||
        layer->group_units > group_units_max(plan->devices, plan->parity, cost->units)) {
        return COVEY_ERR_RANGE;
    }
    shape_layer(cost->units, layer->group_units, plan->parity, &shape);
    if (layer->groups != shape.groups || layer->slots != shape.slots ||
        layer->group_units != shape.group_units || layer->slots > COVEY_LAYER_SLOTS_MAX) {
        return COVEY_ERR_RANGE;
    }
    return check_holders(plan, layer);
}

static covey_err check_memory(const struct covey_plan *plan,
                              const struct covey_plan_request *request)
{
    uint64_t used[COVEY_PLAN_DEVICES_MAX] = {0};
    for (unsigned i = 0; i < plan->layers; i++) {
        for (unsigned s = 0; s < plan->layer[i].slots; s++) {
            used[plan->layer[i].holder[s]] += request->cost[i].unit_bytes;
        }
    }
    for (unsigned d = 0; d < plan->devices; d++) {
        if (used[d] > find_device(request, &plan->device[d])->memory_bytes) {
            return COVEY_ERR_RANGE;
        }
    }
    return COVEY_OK;
}

covey_err covey_plan_check(const struct covey_plan *plan, const struct covey_plan_request *request)
{
    covey_err err = check_request(request);
    if (err != COVEY_OK) {
        return err;
    }
    if (plan->parity != request->parity) {
        return COVEY_ERR_RANGE;
    }
    if (plan->layers == 0) {
        return COVEY_OK;
    }
    if (plan->layers != request->layers) {
        return COVEY_ERR_RANGE;
    }
    err = check_devices(plan, request);
    for (unsigned i = 0; i < plan->layers && err == COVEY_OK; i++) {
        err = check_layer(plan, &plan->layer[i], &request->cost[i]);
    }
    return err != COVEY_OK ? err : check_memory(plan, request);
}
