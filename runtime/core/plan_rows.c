/* SPDX-License-Identifier: MIT */
#include "plan_private.h"

/* Convolutions split by rows of their output (nn's spatial.h): k blocks and r sums of blocks, one a
 * device. Each is sent its part of the input instead of all of it, and reads all filters. */

bool covey_plan_slot_cost(const struct covey_plan_cost *cost, const struct covey_plan_layer *layer,
                          struct covey_plan_cost *out)
{
    const struct covey_plan_rows *by = &cost->by_rows;
    unsigned blocks = layer->units;
    if (!layer->by_rows) {
        *out = *cost;
        return true;
    }
    if (by->rows == 0 || by->in_rows == 0 || blocks == 0 || blocks > COVEY_GROUP_UNITS_MAX) {
        return false;
    }
    unsigned rows = (by->rows + blocks - 1) / blocks;
    uint64_t in_rows = (uint64_t)(rows - 1) * by->stride + by->span;
    uint64_t input = cost->input_bytes / by->in_rows * in_rows;
    uint64_t answer = (uint64_t)(cost->answer_bytes / by->rows) * rows * cost->units;
    uint64_t weights = (uint64_t)cost->unit_bytes * cost->units;
    if (rows * (blocks - 1) >= by->rows || input > COVEY_BODY_MAX || answer > COVEY_BODY_MAX ||
        weights > UINT32_MAX) {
        return false;
    }
    *out = (struct covey_plan_cost){
        .cell = cost->cell,
        .units = layer->units,
        .unit_bytes = (uint32_t)weights,
        .input_bytes = (uint32_t)input,
        .answer_bytes = (uint32_t)answer,
        .unit = {by->block.flops + rows * by->row.flops, by->block.bytes + rows * by->row.bytes},
        .here = cost->here,
    };
    return true;
}

double covey__rows_cut_us(const struct covey__team *team, const struct covey_plan_cost *block,
                          const struct covey_plan_layer *layer)
{
    double all = (double)block->input_bytes * layer->units;
    return (1 + team->parity) * all * team->asker.byte_us;
}

/* Over the devices in mask, as many blocks as that gives. */
static bool try_mask(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                     uint32_t mask, struct covey__hand *out, double *inout_us)
{
    const struct covey__team *team = deal->team;
    unsigned devices = covey__count_of(mask);
    const struct covey_plan_layer shape = {
        .units = (uint16_t)covey__group_units_max(devices, team->parity, COVEY_GROUP_UNITS_MAX),
        .by_rows = true};
    struct covey_plan_cost block;
    struct covey__seats seats = {.mask = mask, .group_units = shape.units};
    struct covey__hand hand;
    if (!covey_plan_slot_cost(cost, &shape, &block)) {
        return false;
    }
    uint32_t owner = team->owner < team->devices ? UINT32_C(1) << team->owner : 0;
    unsigned holders = covey__count_of(mask & ~owner);
    double each = covey__input_us(team, &block, 0, 0, &team->asker);
    covey__seats_set(team, &block, &seats);
    covey__seats_base(team, &block, holders, holders * each, &seats);
    if (!covey__deal_layer(deal, &block, &seats, &hand)) {
        return false;
    }
    hand.layer.by_rows = true;
    hand.fed = 0;
    double us = covey__coded_us(team, &block, &hand);
    if (us >= *inout_us) {
        return false;
    }
    *inout_us = us;
    *out = hand;
    return true;
}

/* ---- keeping what devices hold ---- */

/* Everybody has all filters, so it does not matter who has which block, only who has one. Instead
 * of one device whichever lacks less, the least; of those that lack the same, the best. */
static uint32_t swap_one(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                         const unsigned *lacks, uint32_t mask, unsigned device)
{
    unsigned sorted[COVEY_PLAN_DEVICES_MAX];
    struct covey__seats seats = {0};
    unsigned best = device;
    covey__seats_set(deal->team, cost, &seats);
    unsigned count = covey__holders_sort(deal->team, cost, &seats, sorted);
    for (unsigned i = 0; i < count; i++) {
        bool other = (mask >> sorted[i] & 1) == 0;
        best = other && lacks[sorted[i]] < lacks[best] ? sorted[i] : best;
    }
    return (mask & ~(UINT32_C(1) << device)) | UINT32_C(1) << best;
}

void covey__rows_keep(const struct covey__deal *deal, unsigned layer,
                      const struct covey_plan_cost *cost, struct covey__hand *inout)
{
    const struct covey__team *team = deal->team;
    struct covey__keep keep;
    struct covey_plan_cost block;
    unsigned lacks[COVEY_PLAN_DEVICES_MAX];
    if (!covey__keep_of(deal->held, team, layer, cost->units, &keep) ||
        !covey_plan_slot_cost(cost, &inout->layer, &block)) {
        return;
    }
    for (unsigned d = 0; d < team->devices; d++) {
        lacks[d] = covey__keep_lacks(&keep, cost->units, d);
    }
    double limit_us = covey__coded_us(team, &block, inout) * (100 + COVEY__KEEP_WORSE) / 100;
    for (unsigned d = 0; d < team->devices; d++) {
        struct covey__hand hand;
        double us = limit_us;
        uint32_t mask = inout->seats.mask;
        if (d != team->owner && (mask >> d & 1) != 0) {
            mask = swap_one(deal, cost, lacks, mask, d);
        }
        if (mask != inout->seats.mask && try_mask(deal, cost, mask, &hand, &us) &&
            covey__keep_missing(team, &keep, &hand.layer, cost->units) <
                covey__keep_missing(team, &keep, &inout->layer, cost->units)) {
            *inout = hand;
        }
    }
}

/* ---- choosing ---- */

static bool may_split(const struct covey__team *team, const struct covey_plan_cost *cost)
{
    return !cost->here && cost->by_rows.rows > 0 && !team->half;
}

bool covey__rows_choose(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                        double limit_us, struct covey__hand *out, double *out_us)
{
    const struct covey__team *team = deal->team;
    unsigned holder[COVEY_PLAN_DEVICES_MAX];
    struct covey__seats seats = {0};
    uint32_t owner = team->owner < team->devices ? UINT32_C(1) << team->owner : 0;
    uint32_t mask = 0;
    double us = limit_us;
    bool found = false;
    if (!may_split(team, cost)) {
        return false;
    }
    covey__seats_set(team, cost, &seats);
    unsigned count = covey__holders_sort(team, cost, &seats, holder);
    for (unsigned k = 0; k < count; k++) {
        mask |= UINT32_C(1) << holder[k];
        found = try_mask(deal, cost, mask, out, &us) || found;
        found = (owner != 0 && try_mask(deal, cost, mask | owner, out, &us)) || found;
    }
    if (found) {
        *out_us = us;
    }
    return found;
}

bool covey__rows_all(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                     double limit_us, struct covey__hand *out, double *out_us)
{
    uint32_t all = (uint32_t)((UINT64_C(1) << deal->team->devices) - 1);
    double us = limit_us;
    if (!may_split(deal->team, cost)) {
        return false;
    }
    /* A height that does not suit all devices may suit all but some. */
    unsigned least = deal->team->devices - deal->team->devices / 4;
    bool found = false;
    for (uint32_t mask = all; !found && covey__count_of(mask) >= least; mask &= mask - 1) {
        found = try_mask(deal, cost, mask, out, &us);
    }
    if (found) {
        *out_us = us;
    }
    return found;
}
