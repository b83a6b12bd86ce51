/* SPDX-License-Identifier: MIT */
#include "plan_private.h"

enum { NO_DEVICE = COVEY_PLAN_DEVICES_MAX };

static unsigned find(const struct covey_node_id *device, unsigned devices,
                     const struct covey_node_id *id)
{
    for (unsigned d = 0; d < devices; d++) {
        if (covey_node_id_equal(&device[d], id)) {
            return d;
        }
    }
    return NO_DEVICE;
}

/* ---- noting ---- */

static bool is_in(const struct covey_plan *plan, const struct covey_node_id *id)
{
    return find(plan->device, plan->devices, id) < plan->devices;
}

static void forget_device(struct covey_plan_held *held, unsigned device)
{
    for (unsigned i = 0; i < held->layers; i++) {
        for (unsigned s = 0; s < COVEY_LAYER_SLOTS_MAX; s++) {
            held->layer[i].slot[s] &= ~(UINT32_C(1) << device);
        }
    }
}

/* Its place among those that are known; where there are too many, instead of one that the plan has
 * no part for. */
static unsigned place_of(struct covey_plan_held *held, const struct covey_plan *plan,
                         const struct covey_node_id *id)
{
    unsigned at = find(held->device, held->devices, id);
    if (at < held->devices) {
        return at;
    }
    at = held->devices;
    for (unsigned d = 0; at == COVEY_PLAN_DEVICES_MAX && d < COVEY_PLAN_DEVICES_MAX; d++) {
        at = is_in(plan, &held->device[d]) ? at : d;
    }
    if (at == held->devices) {
        held->devices++;
    } else {
        forget_device(held, at);
    }
    held->device[at] = *id;
    return at;
}

/* By unit, of groups of any size. */
static void units_of(const struct covey_plan_held_layer *held, unsigned parity, uint32_t *out)
{
    struct covey_plan_layer shape = {0};
    covey__layer_shape(held->units, held->group_units, parity, &shape);
    for (unsigned g = 0; g < shape.groups; g++) {
        unsigned unit, slot;
        unsigned count = covey_plan_group(&shape, parity, g, &unit, &slot);
        memcpy(out + unit, held->slot + slot, count * sizeof(*out));
    }
}

/* The slots numbered as in the plan. */
static void shape_layer(struct covey_plan_held_layer *held, unsigned old_parity,
                        const struct covey_plan_layer *layer, unsigned parity)
{
    uint32_t units[COVEY_LAYER_UNITS_MAX] = {0};
    if (held->units == layer->units && held->group_units == layer->group_units &&
        old_parity == parity) {
        return;
    }
    if (held->units == layer->units) {
        units_of(held, old_parity, units);
    }
    memset(held, 0, sizeof(*held));
    held->units = layer->units;
    held->group_units = layer->group_units;
    for (unsigned g = 0; g < layer->groups; g++) {
        unsigned unit, slot;
        unsigned count = covey_plan_group(layer, parity, g, &unit, &slot);
        memcpy(held->slot + slot, units + unit, count * sizeof(units[0]));
    }
}

/* Where the plan has no groups of units, those that were known remain, or any. */
static void shape_units(struct covey_plan_held_layer *held, unsigned old_parity, unsigned units,
                        unsigned parity)
{
    struct covey_plan_layer shape = {0};
    unsigned most = units < COVEY_GROUP_UNITS_MAX ? units : COVEY_GROUP_UNITS_MAX;
    covey__layer_shape(units, held->units == units ? held->group_units : most, parity, &shape);
    if (shape.slots > COVEY_LAYER_SLOTS_MAX) {
        covey__layer_shape(units, most, parity, &shape);
    }
    shape_layer(held, old_parity, &shape, parity);
}

static bool is_coded(const struct covey_plan *plan, unsigned layer)
{
    return layer < plan->layers && plan->layer[layer].slots > 0;
}

/* Strips bring the units of their layers as the model has them. Those of integers are others, made
 * for holders; they are not split by rows either. */
static bool is_in_strips(const struct covey_plan_request *request, const struct covey_plan_run *run,
                         unsigned layer)
{
    const struct covey_plan_cost *cost = &request->cost[layer];
    return cost->by_rows.rows > 0 && cost->cell >= run->first_cell &&
           cost->cell < run->first_cell + (unsigned)run->cells;
}

static bool is_in_runs(const struct covey_plan_request *request, const struct covey_plan *plan,
                       unsigned layer)
{
    bool in = false;
    for (unsigned i = 0; i < plan->runs; i++) {
        in = in || is_in_strips(request, &plan->run[i], layer);
    }
    return in;
}

static void shape_all(struct covey_plan_held *held, const struct covey_plan_request *request,
                      const struct covey_plan *plan)
{
    if (held->layers != request->layers) {
        memset(held, 0, sizeof(*held));
        held->layers = request->layers;
        held->parity = plan->parity;
    }
    unsigned parity = plan->layers > 0 ? plan->parity : held->parity;
    for (unsigned i = 0; i < request->layers; i++) {
        struct covey_plan_held_layer *layer = &held->layer[i];
        if (is_coded(plan, i) && !plan->layer[i].by_rows) {
            shape_layer(layer, held->parity, &plan->layer[i], parity);
        } else if (is_coded(plan, i) || is_in_runs(request, plan, i)) {
            shape_units(layer, held->parity, request->cost[i].units, parity);
        } else if (layer->units > 0) {
            shape_units(layer, held->parity, layer->units, parity);
        }
    }
    held->parity = (uint8_t)parity;
}

static void hold_units(struct covey_plan_held_layer *held, unsigned parity, uint32_t mask)
{
    struct covey_plan_layer shape = {0};
    covey__layer_shape(held->units, held->group_units, parity, &shape);
    for (unsigned g = 0; g < shape.groups; g++) {
        unsigned unit, slot;
        unsigned count = covey_plan_group(&shape, parity, g, &unit, &slot);
        for (unsigned s = slot; s < slot + count; s++) {
            held->slot[s] |= mask;
        }
    }
}

static uint32_t bit_of(unsigned place)
{
    return place < COVEY_PLAN_DEVICES_MAX ? UINT32_C(1) << place : 0;
}

static void hold_run(struct covey_plan_held *held, const struct covey_plan_request *request,
                     const struct covey_plan_run *run, uint32_t mask)
{
    for (unsigned i = 0; i < request->layers; i++) {
        if (is_in_strips(request, run, i)) {
            hold_units(&held->layer[i], held->parity, mask);
        }
    }
}

void covey_plan_hold(struct covey_plan_held *held, const struct covey_plan_request *request,
                     const struct covey_plan *plan, uint32_t mask)
{
    unsigned place[COVEY_PLAN_DEVICES_MAX];
    if (covey_plan_is_local(plan)) {
        return;
    }
    shape_all(held, request, plan);
    for (unsigned d = 0; d < plan->devices; d++) {
        place[d] = (mask >> d & 1) != 0 ? place_of(held, plan, &plan->device[d]) : NO_DEVICE;
    }
    for (unsigned i = 0; i < plan->layers; i++) {
        for (unsigned s = 0; s < plan->layer[i].slots; s++) {
            uint32_t bit = bit_of(place[plan->layer[i].holder[s]]);
            if (plan->layer[i].by_rows) {
                hold_units(&held->layer[i], plan->parity, bit);
            } else {
                held->layer[i].slot[s] |= bit;
            }
        }
    }
    for (unsigned i = 0; i < plan->runs; i++) {
        uint32_t holders = covey__run_holders(&plan->run[i], plan->devices);
        uint32_t places = 0;
        for (unsigned d = 0; d < plan->devices; d++) {
            places |= (holders >> d & 1) != 0 ? bit_of(place[d]) : 0;
        }
        hold_run(held, request, &plan->run[i], places);
    }
}

/* ---- looking up ---- */

static uint32_t moved_mask(uint32_t mask, unsigned devices, const unsigned *place)
{
    uint32_t out = 0;
    for (unsigned d = 0; d < devices; d++) {
        bool has = (mask >> d & 1) != 0 && place[d] < COVEY_PLAN_DEVICES_MAX;
        out |= has ? UINT32_C(1) << place[d] : 0;
    }
    return out;
}

bool covey__keep_of(const struct covey_plan_held *held, const struct covey__team *team,
                    unsigned layer, unsigned units, struct covey__keep *out)
{
    unsigned place[COVEY_PLAN_DEVICES_MAX];
    if (units == 0 || held == NULL || layer >= held->layers || held->layer[layer].units != units) {
        return false;
    }
    const struct covey_plan_held_layer *from = &held->layer[layer];
    memset(out, 0, sizeof(*out));
    for (unsigned d = 0; d < held->devices; d++) {
        place[d] = find(team->id, team->devices, &held->device[d]);
    }
    units_of(from, held->parity, out->unit);
    for (unsigned u = 0; u < from->units; u++) {
        out->unit[u] = moved_mask(out->unit[u], held->devices, place);
    }
    out->group_units = held->parity == team->parity ? from->group_units : 0;
    for (unsigned s = 0; s < COVEY_LAYER_SLOTS_MAX && out->group_units != 0; s++) {
        out->parity[s] = moved_mask(from->slot[s], held->devices, place);
    }
    return true;
}

uint32_t covey__keep_mask(const struct covey__keep *keep, const struct covey_plan_layer *layer,
                          unsigned parity, unsigned slot)
{
    for (unsigned g = 0; g < layer->groups; g++) {
        unsigned unit, first;
        unsigned count = covey_plan_group(layer, parity, g, &unit, &first);
        if (slot < first + count) {
            return keep->unit[unit + slot - first];
        }
        if (slot < first + count + parity) {
            break;
        }
    }
    return keep->group_units == layer->group_units ? keep->parity[slot] : 0;
}

unsigned covey__keep_lacks(const struct covey__keep *keep, unsigned units, unsigned device)
{
    unsigned count = 0;
    for (unsigned u = 0; u < units; u++) {
        count += (keep->unit[u] >> device & 1) == 0;
    }
    return count;
}

unsigned covey__keep_missing(const struct covey__team *team, const struct covey__keep *keep,
                             const struct covey_plan_layer *layer, unsigned units)
{
    unsigned count = 0;
    for (unsigned s = 0; s < layer->slots; s++) {
        unsigned d = layer->holder[s];
        if (d == team->owner) {
            continue;
        }
        if (layer->by_rows) {
            count += covey__keep_lacks(keep, units, d);
        } else {
            count += (covey__keep_mask(keep, layer, team->parity, s) >> d & 1) == 0;
        }
    }
    return count;
}

uint64_t covey_plan_missing(const struct covey_plan_request *request, const struct covey_plan *plan)
{
    struct covey__team team = {
        .devices = plan->devices, .parity = plan->parity, .owner = plan->devices};
    uint64_t bytes = 0;
    memcpy(team.id, plan->device, plan->devices * sizeof(team.id[0]));
    for (unsigned i = 0; i < request->devices; i++) {
        const struct covey_plan_device *device = &request->device[i];
        unsigned at = device->owner ? find(team.id, team.devices, &device->id) : NO_DEVICE;
        team.owner = at < team.devices ? at : team.owner;
    }
    for (unsigned i = 0; i < plan->layers; i++) {
        const struct covey_plan_cost *cost = &request->cost[i];
        struct covey__keep keep;
        if (!covey__keep_of(request->held, &team, i, cost->units, &keep)) {
            memset(&keep, 0, sizeof(keep));
        }
        unsigned lacks = covey__keep_missing(&team, &keep, &plan->layer[i], cost->units);
        bytes += (uint64_t)lacks * cost->unit_bytes;
    }
    return bytes;
}
