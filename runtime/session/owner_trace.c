/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "owner_state.h"

/* NULL: not traced, or no room. */
static struct covey_control_layer *entry(struct covey_request *r)
{
    struct covey_control_result *result = r->result;
    if (!r->infer.options.trace || result->layer_count >= COVEY_LAYERS_MAX) {
        return NULL;
    }
    return &result->layer[result->layer_count++];
}

static uint32_t since_us(uint64_t begin_ns)
{
    return (uint32_t)((covey_clock_ns() - begin_ns) / 1000);
}

static void add_recovered(struct covey_request *r, const struct covey_layer_done *done)
{
    struct covey_control_result *result = r->result;
    result->recovered_dead = (uint16_t)(result->recovered_dead + done->recovered_dead);
    result->recovered_late = (uint16_t)(result->recovered_late + done->recovered_late);
}

void covey__trace_local(struct covey_request *r)
{
    /* Bookkeeping between two stages is no part of the network. */
    struct covey_control_layer *l = r->local_us >= 10 ? entry(r) : NULL;
    if (l != NULL) {
        *l = (struct covey_control_layer){.mode = COVEY_CONTROL_LOCAL, .us = since_us(r->stage_ns)};
        snprintf(l->name, sizeof(l->name), "%s", "here");
    }
}

void covey__trace_layer(struct covey_request *r, const struct covey_layer_done *done)
{
    add_recovered(r, done);
    struct covey_control_layer *l = entry(r);
    if (l == NULL) {
        return;
    }
    const struct covey_plan_layer *pl = &r->version->plan.layer[r->at.index];
    const struct covey_model *model = r->session->file->model;
    bool exact = covey_model_layer(model, r->at.index)->exact != 0;
    *l = (struct covey_control_layer){
        .mode = exact         ? COVEY_CONTROL_EXACT
                : pl->by_rows ? COVEY_CONTROL_ROWS
                              : COVEY_CONTROL_CODED,
        .units = pl->units,
        .parity_units = (uint16_t)(pl->slots - pl->units),
        .recovered_dead = done->recovered_dead,
        .recovered_late = done->recovered_late,
        .us = since_us(r->stage_ns),
        .predicted_us = pl->predicted_us,
    };
    for (uint32_t fed = done->fed; fed != 0; fed &= fed - 1) {
        l->fed++;
    }
    snprintf(l->name, sizeof(l->name), "%s", covey_model_layer_name(model, r->at.index));
}

static const char *layer_name(const struct covey_model_file *file, size_t layer)
{
    return layer < covey_model_layers(file->model) ? covey_model_layer_name(file->model, layer)
                                                   : "";
}

void covey__trace_tiles(struct covey_request *r, const struct covey_layer_done *done)
{
    add_recovered(r, done);
    struct covey_control_layer *l = entry(r);
    if (l == NULL) {
        return;
    }
    const struct covey_model_file *file = r->session->file;
    const struct covey_plan_run *run = &r->version->plan.run[r->at.index];
    const struct covey_cell *first = &file->cell[run->first_cell];
    const struct covey_cell *last = first + run->cells - 1;
    *l = (struct covey_control_layer){
        .mode = COVEY_CONTROL_TILES,
        .recovered_dead = done->recovered_dead,
        .recovered_late = done->recovered_late,
        .us = since_us(r->stage_ns),
        .predicted_us = run->predicted_us,
    };
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        l->units = (uint16_t)(l->units + (done->answer[d] != 0));
    }
    size_t last_layer = (size_t)last->first_layer + last->layers;
    snprintf(l->name, sizeof(l->name), "%.28s .. %.28s", layer_name(file, first->first_layer),
             last_layer > 0 ? layer_name(file, last_layer - 1) : "");
}
