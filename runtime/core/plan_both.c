/* SPDX-License-Identifier: MIT */
#include "plan_move.h"

#include "plan_private.h"

/* What a device takes while it has its part of two plans. */

/* What is in a slot: of `count` units from `first` on the sum t - 1, or, t 0, the unit itself. By
 * rows all slots of a layer are the same, t and first 0. */
struct part {
    uint16_t first, count, t;
};

/* Of the device's slots, and how many they are. */
static unsigned parts_of(const struct covey_plan *plan, unsigned index, unsigned device,
                         struct part out[static COVEY_LAYER_SLOTS_MAX])
{
    const struct covey_plan_layer *layer = &plan->layer[index];
    unsigned count = 0;
    for (unsigned g = 0; index < plan->layers && g < layer->groups; g++) {
        unsigned first, slot;
        unsigned units = covey_plan_group(layer, plan->parity, g, &first, &slot);
        for (unsigned i = 0; i < units + plan->parity; i++) {
            bool sum = i >= units && !layer->by_rows;
            struct part part = {(uint16_t)(sum ? first : first + i), (uint16_t)(sum ? units : 1),
                                (uint16_t)(sum ? i - units + 1 : 0)};
            if (layer->by_rows) {
                part = (struct part){0, layer->units, 0};
            }
            if (layer->holder[slot + i] == device) {
                out[count++] = part;
            }
        }
    }
    return count;
}

static bool is_in(const struct part *part, unsigned count, const struct part *what)
{
    for (unsigned i = 0; i < count; i++) {
        if (part[i].first == what->first && part[i].count == what->count && part[i].t == what->t) {
            return true;
        }
    }
    return false;
}

static uint64_t slot_bytes(const struct covey_plan_request *request, const struct covey_plan *plan,
                           unsigned index)
{
    struct covey_plan_cost cost;
    bool some = index < plan->layers && plan->layer[index].slots > 0 &&
                covey_plan_slot_cost(&request->cost[index], &plan->layer[index], &cost);
    return some ? cost.unit_bytes : 0;
}

static unsigned place_of(const struct covey_plan *plan, const struct covey_node_id *id)
{
    unsigned d = 0;
    while (d < plan->devices && !covey_node_id_equal(&plan->device[d], id)) {
        d++;
    }
    return d;
}

/* Slots held one by one are kept as they are; others are laid out together, so that only all of
 * them are. */
static uint64_t layer_both(const struct covey_plan_request *request, const struct covey_plan *from,
                           const struct covey_plan *to, unsigned index, unsigned device)
{
    struct part had[COVEY_LAYER_SLOTS_MAX], gets[COVEY_LAYER_SLOTS_MAX];
    unsigned before = parts_of(from, index, place_of(from, &to->device[device]), had);
    unsigned after = parts_of(to, index, device, gets), kept = 0;
    for (unsigned i = 0; i < after; i++) {
        kept += is_in(had, before, &gets[i]);
    }
    if (!request->cost[index].apart && (kept < after || before != after)) {
        kept = 0;
    }
    return before * slot_bytes(request, from, index) +
           (after - kept) * slot_bytes(request, to, index);
}

static uint64_t runs_bytes(const struct covey_plan_request *request, const struct covey_plan *plan,
                           unsigned device)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < plan->runs; i++) {
        uint32_t holders = covey__run_holders(&plan->run[i], plan->devices);
        bool has = device < plan->devices && (holders >> device & 1) != 0;
        bytes += has ? covey__run_bytes(request, &plan->run[i]) : 0;
    }
    return bytes;
}

uint64_t covey__plan_both_bytes(const struct covey_plan_request *request,
                                const struct covey_plan *from, const struct covey_plan *to,
                                unsigned device)
{
    /* Runs of a model share their weights. */
    uint64_t had = runs_bytes(request, from, place_of(from, &to->device[device]));
    uint64_t gets = runs_bytes(request, to, device);
    uint64_t bytes = had > gets ? had : gets;
    for (unsigned i = 0; i < request->layers; i++) {
        bytes += layer_both(request, from, to, i, device);
    }
    return bytes;
}
