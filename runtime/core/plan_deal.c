/* SPDX-License-Identifier: MIT */
#include "plan_private.h"

unsigned covey_plan_group(const struct covey_plan_layer *layer, unsigned parity, unsigned group,
                          unsigned *out_first_unit, unsigned *out_first_slot)
{
    COVEY_ASSERT(layer->groups > 0);
    unsigned base = layer->units / layer->groups;
    unsigned extra = layer->units % layer->groups;
    unsigned first = group * base + (group < extra ? group : extra);
    *out_first_unit = first;
    *out_first_slot = first + group * parity;
    return base + (group < extra ? 1 : 0);
}

void covey__layer_shape(unsigned units, unsigned group_units, unsigned parity,
                        struct covey_plan_layer *out)
{
    unsigned groups = (units + group_units - 1) / group_units;
    out->units = (uint16_t)units;
    out->groups = (uint16_t)groups;
    out->slots = (uint16_t)(units + groups * parity);
    out->group_units = (uint8_t)((units + groups - 1) / groups);
}

unsigned covey__group_units_max(unsigned devices, unsigned parity, unsigned units)
{
    if (devices <= parity) {
        return 0;
    }
    unsigned n = devices - parity;
    n = n < COVEY_GROUP_UNITS_MAX ? n : COVEY_GROUP_UNITS_MAX;
    return n < units ? n : units;
}

static double done_us(const struct covey__seats *seats, const struct covey__hand *hand, unsigned d)
{
    return seats->base_us[d] + (hand->slots[d] + 1) * seats->unit_us[d];
}

/* Whether a would be done with one slot more before b. Ties: who has less over all layers. */
static bool is_sooner(const struct covey__deal *deal, const struct covey__seats *seats,
                      const struct covey__hand *hand, const unsigned pair[static 2])
{
    unsigned a = pair[0], b = pair[1];
    double time_a = done_us(seats, hand, a);
    double time_b = done_us(seats, hand, b);
    if (time_a < time_b || time_b < time_a) {
        return time_a < time_b;
    }
    return (deal->slots[a] + hand->slots[a]) * seats->unit_us[a] <
           (deal->slots[b] + hand->slots[b]) * seats->unit_us[b];
}

static bool has_room(const struct covey__deal *deal, const struct covey__hand *hand,
                     unsigned device, uint32_t unit_bytes)
{
    uint64_t bytes = (uint64_t)(hand->slots[device] + 1) * unit_bytes;
    return bytes <= deal->team->memory[device] - deal->used_bytes[device];
}

static uint32_t with_room(const struct covey__deal *deal, const struct covey__hand *hand,
                          const struct covey__seats *seats, uint32_t unit_bytes)
{
    uint32_t open = 0;
    for (unsigned d = 0; d < deal->team->devices; d++) {
        bool may = (seats->mask >> d & 1) != 0 && has_room(deal, hand, d, unit_bytes);
        open |= (uint32_t)may << d;
    }
    return open;
}

/* Count devices of `open` for one group: those that would be done soonest; 0: there are fewer. */
static uint32_t pick_devices(const struct covey__deal *deal, const struct covey__hand *hand,
                             const struct covey__seats *seats, uint32_t open, unsigned count)
{
    uint32_t picked = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned best = deal->team->devices;
        for (unsigned d = 0; d < deal->team->devices; d++) {
            const unsigned pair[2] = {d, best};
            if ((open >> d & 1) != 0 &&
                (best == deal->team->devices || is_sooner(deal, seats, hand, pair))) {
                best = d;
            }
        }
        if (best == deal->team->devices) {
            return 0;
        }
        picked |= UINT32_C(1) << best;
        open &= ~(UINT32_C(1) << best);
    }
    return picked;
}

/* As in RAID-5: the parity goes to whoever of the group holds the fewest. */
static unsigned pick_parity(const struct covey__deal *deal, const struct covey__hand *hand,
                            uint32_t picked, unsigned start)
{
    unsigned devices = deal->team->devices;
    unsigned best = devices;
    for (unsigned i = 0; i < devices; i++) {
        unsigned d = (start + i) % devices;
        if ((picked >> d & 1) != 0 &&
            (best == devices ||
             deal->parities[d] + hand->parities[d] < deal->parities[best] + hand->parities[best])) {
            best = d;
        }
    }
    return best;
}

static void deal_group(const struct covey__deal *deal, struct covey__hand *hand, unsigned group,
                       uint32_t picked)
{
    unsigned first_unit, slot;
    unsigned parity = deal->team->parity;
    unsigned count = covey_plan_group(&hand->layer, parity, group, &first_unit, &slot);
    for (unsigned p = 0; p < parity; p++) {
        unsigned d = pick_parity(deal, hand, picked, group);
        hand->layer.holder[slot + count + p] = (uint8_t)d;
        hand->slots[d]++;
        hand->parities[d]++;
        picked &= ~(UINT32_C(1) << d);
    }
    for (unsigned d = 0; d < deal->team->devices; d++) {
        if ((picked >> d & 1) != 0) {
            hand->layer.holder[slot++] = (uint8_t)d;
            hand->slots[d]++;
        }
    }
}

bool covey__deal_layer(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                       const struct covey__seats *seats, struct covey__hand *out)
{
    unsigned parity = deal->team->parity;
    memset(out, 0, sizeof(*out));
    out->fed = deal->fed;
    out->seats = *seats;
    covey__layer_shape(cost->units, seats->group_units, parity, &out->layer);
    if (out->layer.slots > COVEY_LAYER_SLOTS_MAX) {
        return false;
    }
    for (unsigned g = 0; g < out->layer.groups; g++) {
        unsigned first_unit, first_slot;
        unsigned count = covey_plan_group(&out->layer, parity, g, &first_unit, &first_slot);
        uint32_t open = with_room(deal, out, seats, cost->unit_bytes);
        uint32_t picked = pick_devices(deal, out, seats, open, count + parity);
        if (picked == 0) {
            return false;
        }
        deal_group(deal, out, g, picked);
    }
    return true;
}

void covey__deal_take(struct covey__deal *deal, const struct covey_plan_cost *cost,
                      const struct covey__hand *hand)
{
    for (unsigned d = 0; d < deal->team->devices; d++) {
        deal->slots[d] += hand->slots[d];
        deal->parities[d] += hand->parities[d];
        deal->used_bytes[d] += (uint64_t)hand->slots[d] * cost->unit_bytes;
    }
}
