/* SPDX-License-Identifier: MIT */
#include "plan_report.h"

#include <stdio.h>

#include "covey/tiles.h"

struct report {
    const struct covey_plan *plan;
    const struct covey_plan_request *costs;
    unsigned owner; /* its place in the plan, or COVEY_TILE_OWNER: it is not in it */
    struct covey_control_plan *out;
};

/* To and from the owner's own place in the plan nothing is sent. */
static void count_sent(struct report *r, unsigned from, unsigned to, uint64_t bytes)
{
    from = from == COVEY_TILE_OWNER ? r->owner : from;
    to = to == COVEY_TILE_OWNER ? r->owner : to;
    if (from == to) {
        return;
    }
    if (from < r->out->devices) {
        r->out->device[from].sent_bytes += bytes;
    }
    if (to < r->out->devices) {
        r->out->device[to].received_bytes += bytes;
    }
}

static uint64_t on_wire(const struct report *r, uint64_t bytes)
{
    return r->plan->half ? bytes / 2 : bytes;
}

static bool in_run(const struct covey_plan *plan, unsigned cell)
{
    for (unsigned i = 0; i < plan->runs; i++) {
        if (cell >= plan->run[i].first_cell &&
            cell < plan->run[i].first_cell + (unsigned)plan->run[i].cells) {
            return true;
        }
    }
    return false;
}

static const struct covey_plan_run *feeding_run(const struct covey_plan *plan, unsigned layer)
{
    for (unsigned i = 0; i < plan->runs; i++) {
        if (plan->run[i].feeds == layer + 1U) {
            return &plan->run[i];
        }
    }
    return NULL;
}

static bool has_rows(const struct covey_plan_run *run, unsigned device)
{
    bool has = false;
    for (unsigned s = 0; s < run->segments; s++) {
        has = has || run->segment[s].rows[device + 1] > run->segment[s].rows[device];
    }
    return has;
}

/* From the owner, or, to a device of the run that feeds the layer, from whoever made each row. */
static void count_input(struct report *r, const struct covey_plan_run *run,
                        const struct covey_plan_cost *cost, unsigned device)
{
    if (run == NULL || !has_rows(run, device)) {
        count_sent(r, COVEY_TILE_OWNER, device, on_wire(r, cost->input_bytes));
        return;
    }
    struct covey_tile_layout layout;
    covey_tile_layout_of(run, r->plan->devices, &layout);
    for (unsigned from = 0; from < r->plan->devices && device != r->owner; from++) {
        struct covey_rows rows = covey_tile_made(&layout, run->segments - 1U, from);
        count_sent(r, from, device,
                   covey_tile_piece_bytes(run, run->segments, rows, r->plan->half));
    }
}

/* A piece from the owner, and one from each of the others. */
static void count_relayed(struct report *r, const uint32_t *slots, uint32_t input_bytes)
{
    uint32_t holders = 0, bytes = (uint32_t)on_wire(r, input_bytes);
    for (unsigned d = 0; d < r->plan->devices; d++) {
        holders |= d != r->owner && slots[d] > 0 ? UINT32_C(1) << d : 0;
    }
    for (unsigned from = 0; from < r->plan->devices; from++) {
        uint32_t len = covey_relay_piece(bytes, holders, from).len;
        count_sent(r, COVEY_TILE_OWNER, from, len);
        for (unsigned to = 0; to < r->plan->devices; to++) {
            count_sent(r, from, to, to != from && (holders >> to & 1) != 0 ? len : 0);
        }
    }
}

static void report_layer(struct report *r, const struct covey_model *model, unsigned index)
{
    const struct covey_plan_cost *cost = &r->costs->cost[index];
    const struct covey_plan_layer *pl = &r->plan->layer[index];
    struct covey_control_plan_layer *l = &r->out->layer[index];
    *l = (struct covey_control_plan_layer){
        .mode = COVEY_CONTROL_LOCAL,
        .cell = cost->cell,
        .unit_rows = covey_model_layer(model, index)->unit_rows,
        .unit_bytes = cost->unit_bytes,
        .input_bytes = cost->input_bytes,
        .answer_bytes = cost->answer_bytes,
    };
    snprintf(l->name, sizeof(l->name), "%s", covey_model_layer_name(model, index));
    if (in_run(r->plan, cost->cell)) {
        l->mode = COVEY_CONTROL_TILES;
    }
    if (r->plan->layers == 0) {
        return;
    }
    l->predicted_us = pl->predicted_us;
    if (pl->slots == 0) {
        return;
    }
    uint32_t slots[COVEY_PLAN_DEVICES_MAX] = {0};
    bool exact = covey_model_layer(model, index)->exact != 0;
    struct covey_plan_cost slot = *cost;
    if (pl->by_rows && covey_plan_slot_cost(cost, pl, &slot)) {
        l->unit_bytes = slot.unit_bytes;
        l->input_bytes = slot.input_bytes;
        l->answer_bytes = slot.answer_bytes;
    }
    l->mode = exact ? COVEY_CONTROL_EXACT : pl->by_rows ? COVEY_CONTROL_ROWS : COVEY_CONTROL_CODED;
    l->units = pl->units;
    l->groups = pl->groups;
    l->slots = pl->slots;
    l->holder = covey_bytes_of(pl->holder, pl->slots);
    for (unsigned s = 0; s < pl->slots; s++) {
        slots[pl->holder[s]]++;
    }
    const struct covey_plan_run *run = feeding_run(r->plan, index);
    l->fed = run != NULL || pl->relayed;
    if (pl->relayed) {
        count_relayed(r, slots, slot.input_bytes);
    }
    for (unsigned d = 0; d < r->plan->devices; d++) {
        if (slots[d] > 0) {
            r->out->device[d].weights_bytes += (uint64_t)slots[d] * slot.unit_bytes;
            if (!pl->relayed) {
                count_input(r, run, &slot, d);
            }
            count_sent(r, d, COVEY_TILE_OWNER, on_wire(r, (uint64_t)slots[d] * slot.answer_bytes));
        }
    }
}

/* What goes from one to another before segment `segment`, for the last one to the owner. */
static uint64_t report_moves(struct report *r, const struct covey_plan_run *run, unsigned segment,
                             bool second)
{
    struct covey_tile_layout layout;
    uint64_t moved = 0;
    if (second) {
        covey_tile_layout_twin(run, r->plan->devices, &layout);
    } else {
        covey_tile_layout_of(run, r->plan->devices, &layout);
    }
    for (unsigned from = 0; from <= COVEY_TILE_OWNER; from++) {
        for (unsigned to = 0; to <= COVEY_TILE_OWNER; to++) {
            struct covey_rows rows = covey_tile_piece(run, &layout, segment, from, to);
            unsigned source = from == COVEY_TILE_OWNER ? r->owner : from;
            unsigned target = to == COVEY_TILE_OWNER ? r->owner : to;
            uint64_t bytes = covey_tile_piece_bytes(run, segment, rows, r->plan->half);
            moved += source == target ? 0 : bytes;
            count_sent(r, from, to, bytes);
        }
    }
    return moved;
}

/* Rows that are made twice are two segments here, of the same cells. */
static void report_segment(struct report *r, unsigned index, unsigned segment, bool second)
{
    const struct covey_plan_run *run = &r->plan->run[index];
    const struct covey_plan_segment *s = &run->segment[segment];
    struct covey_control_plan_segment *shown = &r->out->segment[r->out->segment_count++];
    *shown = (struct covey_control_plan_segment){.run = (uint8_t)index,
                                                 .first_cell = s->first_cell,
                                                 .cells = s->cells,
                                                 .predicted_us = s->predicted_us};
    memcpy(shown->rows, second ? run->twin : s->rows, sizeof(shown->rows));
    shown->moved_bytes = report_moves(r, run, segment, second);
}

static void report_run(struct report *r, unsigned index)
{
    const struct covey_plan_run *run = &r->plan->run[index];
    uint64_t weights = 0;
    for (unsigned c = 0; c < run->cells; c++) {
        weights += r->costs->cell[run->first_cell + c].weight_bytes;
    }
    for (unsigned s = 0; s < run->segments; s++) {
        report_segment(r, index, s, false);
    }
    (void)report_moves(r, run, run->segments, false); /* the result: counted for the devices only */
    if (run->twice) {
        report_segment(r, index, 0, true);
        (void)report_moves(r, run, run->segments, true);
    }
    for (unsigned d = 0; d < r->plan->devices; d++) {
        bool holds = has_rows(run, d) || (run->twice && run->twin[d + 1] > run->twin[d]);
        r->out->device[d].weights_bytes += holds ? weights : 0;
    }
    r->out->run_us[index] = run->predicted_us;
}

void covey__plan_report(const struct covey_model *model, const struct covey_plan *plan,
                        const struct covey_plan_request *costs, struct covey_control_plan *out)
{
    struct report r = {.plan = plan, .costs = costs, .owner = COVEY_TILE_OWNER, .out = out};
    memset(out, 0, sizeof(*out));
    out->parity = plan->parity;
    out->half = plan->half;
    out->predicted_us = plan->predicted_us;
    out->local_us = plan->local_us;
    out->devices = plan->devices;
    for (unsigned d = 0; d < plan->devices; d++) {
        out->device[d].id = plan->device[d];
        r.owner = covey_node_id_equal(&plan->device[d], &plan->coordinator) ? d : r.owner;
    }
    out->layer_count = costs->layers;
    for (unsigned i = 0; i < costs->layers; i++) {
        report_layer(&r, model, i);
    }
    out->runs = plan->runs;
    for (unsigned i = 0; i < plan->runs; i++) {
        report_run(&r, i);
    }
}
