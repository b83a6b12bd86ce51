/* SPDX-License-Identifier: MIT */
#include "plan_private.h"

/* A layer's slots were dealt to end soonest. Here they are dealt once more, for each device not
 * more than it has time and room for, so that as few as possible must travel: an assignment of
 * least cost, found slot by slot along shortest augmenting paths (Kuhn 1955; Edmonds and Karp
 * 1972). A node of the network is a slot, a device, or a device's one place in a group. */

enum {
    NONE = 255,
    FAR = INT16_MAX / 2,
    /* Costs: who holds it has it; the owner has all weights; everyone else must be sent it. */
    AT_OWNER = 1,
    ELSEWHERE = 2,
};

/* What a device may be slower than the slowest of the first deal. */
static const double slack = 1.02;

struct flow {
    const struct covey__team *team;
    const struct covey__seats *seats;
    unsigned slots, groups;
    uint8_t group[COVEY_LAYER_SLOTS_MAX];
    uint32_t holds[COVEY_LAYER_SLOTS_MAX]; /* bit d: device d has it already */
    unsigned room[COVEY_PLAN_DEVICES_MAX]; /* slots */
    unsigned used[COVEY_PLAN_DEVICES_MAX];
    uint8_t holder[COVEY_LAYER_SLOTS_MAX];
    uint8_t at[COVEY_LAYER_UNITS_MAX][COVEY_PLAN_DEVICES_MAX]; /* the slot, or NONE */
    /* of one search */
    int16_t to_slot[COVEY_LAYER_SLOTS_MAX];
    int16_t to_place[COVEY_LAYER_UNITS_MAX][COVEY_PLAN_DEVICES_MAX];
    int16_t to_device[COVEY_PLAN_DEVICES_MAX];
    uint8_t place_from[COVEY_LAYER_UNITS_MAX][COVEY_PLAN_DEVICES_MAX]; /* slot; NONE: its device */
    uint8_t device_from[COVEY_PLAN_DEVICES_MAX];                       /* group */
};

static int16_t cost_of(const struct flow *f, unsigned slot, unsigned device)
{
    return (f->holds[slot] >> device & 1) != 0 ? 0
           : device == f->team->owner          ? AT_OWNER
                                               : ELSEWHERE;
}

static bool is_seated(const struct flow *f, unsigned device)
{
    return (f->seats->mask >> device & 1) != 0;
}

static void put(struct flow *f, unsigned slot, unsigned device)
{
    f->holder[slot] = (uint8_t)device;
    f->at[f->group[slot]][device] = (uint8_t)slot;
}

static double done_us(const struct flow *f, unsigned d)
{
    return f->seats->base_us[d] + (f->used[d] + 1) * f->seats->unit_us[d];
}

/* No dearer than any device is for it, so no exchange can do better. False: there is none. */
static bool put_at_once(struct flow *f, unsigned slot)
{
    int16_t least = FAR, cost = FAR;
    unsigned best = NONE;
    for (unsigned d = 0; d < f->team->devices; d++) {
        int16_t here = is_seated(f, d) ? cost_of(f, slot, d) : FAR;
        least = here < least ? here : least;
        if (here == FAR || f->used[d] == f->room[d] || f->at[f->group[slot]][d] != NONE) {
            continue;
        }
        if (here < cost || (here == cost && done_us(f, d) < done_us(f, best))) {
            best = d;
            cost = here;
        }
    }
    if (best == NONE || cost > least) {
        return false;
    }
    put(f, slot, best);
    f->used[best]++;
    return true;
}

static bool relax(int16_t *inout, int there)
{
    bool nearer = there < *inout;
    *inout = nearer ? (int16_t)there : *inout;
    return nearer;
}

/* From slots to places: those of its group that it does not have. */
static bool relax_slots(struct flow *f)
{
    bool changed = false;
    for (unsigned s = 0; s < f->slots; s++) {
        unsigned g = f->group[s];
        for (unsigned d = 0; f->to_slot[s] < FAR && d < f->team->devices; d++) {
            if (is_seated(f, d) && f->holder[s] != d &&
                relax(&f->to_place[g][d], f->to_slot[s] + cost_of(f, s, d))) {
                f->place_from[g][d] = (uint8_t)s;
                changed = true;
            }
        }
    }
    return changed;
}

/* From a place on: whoever has it must leave it; a free one is a part of its device. And from a
 * device to places that it has given, one of which it takes back. */
static bool relax_places(struct flow *f, unsigned device)
{
    bool changed = false;
    for (unsigned g = 0; g < f->groups; g++) {
        unsigned there = f->at[g][device];
        int16_t far = f->to_place[g][device];
        if (there == NONE && relax(&f->to_device[device], far)) {
            f->device_from[device] = (uint8_t)g;
            changed = true;
        } else if (there != NONE && far < FAR &&
                   relax(&f->to_slot[there], far - cost_of(f, there, device))) {
            changed = true;
        }
    }
    for (unsigned g = 0; g < f->groups; g++) {
        if (f->at[g][device] != NONE && relax(&f->to_place[g][device], f->to_device[device])) {
            f->place_from[g][device] = NONE;
            changed = true;
        }
    }
    return changed;
}

/* The device with room that is nearest, or NONE. */
static unsigned search(struct flow *f, unsigned slot)
{
    unsigned best = NONE;
    bool changed = true;
    for (unsigned s = 0; s < f->slots; s++) {
        f->to_slot[s] = FAR;
    }
    for (unsigned d = 0; d < f->team->devices; d++) {
        f->to_device[d] = FAR;
        for (unsigned g = 0; g < f->groups; g++) {
            f->to_place[g][d] = FAR;
        }
    }
    f->to_slot[slot] = 0;
    while (changed) {
        changed = relax_slots(f);
        for (unsigned d = 0; d < f->team->devices; d++) {
            changed = (is_seated(f, d) && relax_places(f, d)) || changed;
        }
    }
    for (unsigned d = 0; d < f->team->devices; d++) {
        bool open = f->to_device[d] < FAR && f->used[d] < f->room[d];
        best = open && (best == NONE || f->to_device[d] < f->to_device[best]) ? d : best;
    }
    return best;
}

/* Along the path back: each slot on it takes the place that the one after it has left. */
static bool put_by_exchange(struct flow *f, unsigned slot)
{
    unsigned device = search(f, slot);
    if (device == NONE) {
        return false;
    }
    f->used[device]++;
    unsigned group = f->device_from[device];
    for (;;) {
        unsigned from = f->place_from[group][device];
        if (from == NONE) {
            group = f->device_from[device];
            continue;
        }
        unsigned before = f->holder[from];
        put(f, from, device);
        if (from == slot) {
            return true;
        }
        f->at[group][before] = NONE;
        device = before;
    }
}

/* ---- of a layer ---- */

static void set_slots(struct flow *f, const struct covey__keep *keep,
                      const struct covey_plan_layer *layer)
{
    f->slots = layer->slots;
    f->groups = layer->groups;
    memset(f->holder, NONE, sizeof(f->holder));
    memset(f->at, NONE, sizeof(f->at));
    for (unsigned g = 0; g < layer->groups; g++) {
        unsigned unit, slot;
        unsigned count =
            covey_plan_group(layer, f->team->parity, g, &unit, &slot) + f->team->parity;
        for (unsigned s = slot; s < slot + count; s++) {
            f->group[s] = (uint8_t)g;
            f->holds[s] = covey__keep_mask(keep, layer, f->team->parity, s) & f->seats->mask;
        }
    }
}

/* As many as it was dealt; more, if it is done before the slowest is and has the memory. */
static void set_room(struct flow *f, const struct covey__deal *deal, uint32_t unit_bytes,
                     const struct covey__hand *hand)
{
    double last = 0;
    for (unsigned d = 0; d < f->team->devices; d++) {
        double us = f->seats->base_us[d] + hand->slots[d] * f->seats->unit_us[d];
        last = hand->slots[d] > 0 && us > last ? us : last;
    }
    for (unsigned d = 0; d < f->team->devices; d++) {
        uint64_t bytes = f->team->memory[d] - deal->used_bytes[d];
        unsigned room = hand->slots[d];
        while (is_seated(f, d) && room < f->slots && (uint64_t)(room + 1) * unit_bytes <= bytes &&
               f->seats->base_us[d] + (room + 1) * f->seats->unit_us[d] <= last * slack) {
            room++;
        }
        f->room[d] = room;
    }
}

static bool assign(struct flow *f)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned s = 0; s < f->slots; s++) {
            bool now = f->holder[s] == NONE && (f->holds[s] != 0) == (pass == 0);
            if (now && !put_at_once(f, s) && !put_by_exchange(f, s)) {
                return false;
            }
        }
    }
    return true;
}

static void take(const struct flow *f, struct covey__hand *hand)
{
    memset(hand->slots, 0, sizeof(hand->slots));
    memset(hand->parities, 0, sizeof(hand->parities));
    memcpy(hand->layer.holder, f->holder, hand->layer.slots);
    for (unsigned g = 0; g < f->groups; g++) {
        unsigned unit, slot;
        unsigned count = covey_plan_group(&hand->layer, f->team->parity, g, &unit, &slot);
        for (unsigned i = 0; i < count + f->team->parity; i++) {
            hand->slots[f->holder[slot + i]]++;
            hand->parities[f->holder[slot + i]] += i >= count;
        }
    }
}

static unsigned missing(const struct covey__team *team, const struct covey__keep *keep,
                        const struct covey__hand *hand)
{
    return covey__keep_missing(team, keep, &hand->layer, hand->layer.units);
}

/* A layer to be dealt again, and the time it may take. */
struct again {
    const struct covey__deal *deal;
    const struct covey_plan_cost *cost;
    const struct covey__keep *keep;
    double limit_us;
};

/* Instead of *inout if that is within the time and fewer of `dealt` have to travel. */
static void try_keep(const struct again *again, const struct covey__hand *dealt,
                     struct covey__hand *inout)
{
    struct flow f = {.team = again->deal->team, .seats = &dealt->seats};
    struct covey__hand hand = *dealt;
    set_slots(&f, again->keep, &dealt->layer);
    set_room(&f, again->deal, again->cost->unit_bytes, dealt);
    if (!assign(&f)) {
        return;
    }
    take(&f, &hand);
    if (covey__hand_us(f.team, again->cost, &hand) <= again->limit_us &&
        missing(f.team, again->keep, &hand) < missing(f.team, again->keep, inout)) {
        *inout = hand;
    }
}

void covey__coded_keep(const struct covey__deal *deal, unsigned layer,
                       const struct covey_plan_cost *cost, struct covey__hand *inout)
{
    struct covey__keep keep;
    if (!covey__keep_of(deal->held, deal->team, layer, cost->units, &keep)) {
        return;
    }
    const struct covey__hand first = *inout;
    const struct again again = {deal, cost, &keep,
                                covey__hand_us(deal->team, cost, &first) *
                                    (100 + COVEY__KEEP_WORSE) / 100};
    try_keep(&again, &first, inout);
    /* Of the same groups the parities may stay as well. */
    struct covey__seats seats = first.seats;
    struct covey__hand hand;
    unsigned devices = 0;
    for (uint32_t left = seats.mask; left != 0; left &= left - 1) {
        devices++;
    }
    seats.group_units = keep.group_units;
    if (seats.group_units != 0 && seats.group_units != first.layer.group_units &&
        seats.group_units <= covey__group_units_max(devices, deal->team->parity, cost->units) &&
        covey__deal_layer(deal, cost, &seats, &hand)) {
        try_keep(&again, &hand, inout);
    }
}
