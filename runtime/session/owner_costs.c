/* SPDX-License-Identifier: MIT */
#include "owner_state.h"

#include <stdio.h>

static struct covey_plan_work work_of(const struct covey_work *w)
{
    return (struct covey_plan_work){w->flops, w->bytes};
}

/* All zero, out_rows among it, when a dimension is too large: it cannot be cut then. */
static struct covey_row_map map_of(const struct covey_cell *cell)
{
    uint64_t in_bytes = (uint64_t)cell->in_planes * cell->in_width * sizeof(float);
    uint64_t out_bytes = (uint64_t)cell->out_planes * cell->out_width * sizeof(float);
    if (!cell->tiles || cell->in_rows > UINT16_MAX || cell->out_rows > UINT16_MAX ||
        cell->stride > UINT16_MAX || cell->before > UINT16_MAX || cell->after > UINT16_MAX ||
        in_bytes * cell->in_rows > COVEY_BODY_MAX || out_bytes * cell->out_rows > COVEY_BODY_MAX) {
        return (struct covey_row_map){0};
    }
    return (struct covey_row_map){
        .in_rows = (uint16_t)cell->in_rows,
        .out_rows = (uint16_t)cell->out_rows,
        .stride = (uint16_t)cell->stride,
        .before = (uint16_t)cell->before,
        .after = (uint16_t)cell->after,
        .in_row_bytes = (uint32_t)in_bytes,
        .out_row_bytes = (uint32_t)out_bytes,
    };
}

static void fill_cell(const struct covey_cell *cell, struct covey_plan_cell *out)
{
    *out = (struct covey_plan_cell){
        .first_layer = cell->first_layer,
        .layers = cell->layers,
        .weight_bytes = cell->weight_bytes,
        .whole = work_of(&cell->whole),
        .row = work_of(&cell->row),
        .strip = work_of(&cell->strip),
        .map = map_of(cell),
    };
}

static struct covey_plan_work layer_work(const struct covey_model_file *file, size_t layer)
{
    struct covey_work work = {0};
    size_t node = covey__model_file_node(file, layer);
    if (node < file->graph->node_count) {
        covey_model_node_work(file->model, node, &work);
    }
    return work_of(&work);
}

static bool passes_on(const struct covey_model_file *file, const struct covey_cell *cell)
{
    const struct covey_graph_node *node = &file->graph->nodes[cell->first_node];
    bool same = node->op == COVEY_OP_RESHAPE || node->op == COVEY_OP_FLATTEN ||
                node->op == COVEY_OP_IDENTITY || node->op == COVEY_OP_DROPOUT;
    return same && cell->last_node == cell->first_node + 1 && node->input[0] == cell->in;
}

/* From how far before the layer its input comes as it is. One picture is the same bytes however it
 * is shaped; of several a layer may want others. */
static uint16_t input_back(const struct covey_model_file *file, size_t layer, uint16_t cell)
{
    const struct covey_cell *c = &file->cell[cell];
    const struct covey_graph_node *node = &file->graph->nodes[c->first_node];
    bool direct = file->batch == 1 && covey_model_layer(file->model, layer)->exact == 0 &&
                  node->inputs > 1 && node->input[0] == c->in &&
                  node->input[1] == covey_model_layer_weights(file->model, layer);
    uint16_t back = direct ? 1 : 0;
    while (back > 0 && back <= cell && passes_on(file, &file->cell[cell - back])) {
        back++;
    }
    return back;
}

/* A convolution of floats. The work is that of strips of its cell, if these are nothing else; else
 * rows share it evenly. */
static void fill_rows(const struct covey_model_file *file, size_t layer, uint16_t cell,
                      struct covey_plan_cost *out)
{
    const struct covey_layer *l = covey_model_layer(file->model, layer);
    const struct covey_cell *c = &file->cell[cell];
    uint64_t span = (uint64_t)(l->kernel[0] - 1) * l->dilation[0] + 1;
    if (l->kind != COVEY_LAYER_CONV || l->exact != 0 || l->height > UINT16_MAX ||
        l->out_height > UINT16_MAX || l->stride[0] > UINT16_MAX || span > UINT16_MAX) {
        return;
    }
    struct covey_plan_rows *by = &out->by_rows;
    by->rows = (uint16_t)l->out_height;
    by->in_rows = (uint16_t)l->height;
    by->stride = (uint16_t)l->stride[0];
    by->span = (uint16_t)span;
    if (c->tiles && c->layers == 1 && c->out_rows == l->out_height) {
        by->row = work_of(&c->row);
        by->block = work_of(&c->strip);
    } else {
        by->row.flops = out->unit.flops * out->units / l->out_height;
        by->block.bytes = out->unit.bytes * out->units;
    }
}

/* False: it does not fit a message. */
static bool fill_layer(const struct covey_model_file *file, size_t layer, uint16_t cell,
                       struct covey_plan_cost *out)
{
    const struct covey_layer *l = covey_model_layer(file->model, layer);
    uint64_t input = (uint64_t)covey_layer_input_floats(l) * sizeof(float);
    uint64_t answer = (uint64_t)covey_layer_answer_floats(l) * sizeof(float);
    uint64_t unit = (uint64_t)covey_layer_unit_floats(l) * sizeof(float);
    if (input > COVEY_BODY_MAX || answer * l->units > COVEY_BODY_MAX || unit > COVEY_BODY_MAX) {
        return false;
    }
    struct covey_plan_work work = layer_work(file, layer);
    *out = (struct covey_plan_cost){
        .cell = cell,
        .units = (uint16_t)l->units,
        .unit_bytes = (uint32_t)unit,
        .input_bytes = (uint32_t)input,
        .answer_bytes = (uint32_t)answer,
        .apart = l->kind == COVEY_LAYER_DENSE,
        .back = input_back(file, layer, cell),
        .unit = {work.flops / l->units, work.bytes / l->units},
    };
    fill_rows(file, layer, cell, out);
    return true;
}

/* Layers of integers have one parity, and answers that float16 has no room for. */
static bool has_exact(const struct covey_model *model)
{
    bool exact = false;
    for (size_t i = 0; i < covey_model_layers(model); i++) {
        exact = exact || covey_model_layer(model, i)->exact != 0;
    }
    return exact;
}

static void keep_runs(struct covey_plan_request *c)
{
    for (size_t i = 0; i < c->cells; i++) {
        c->cell[i].map = (struct covey_row_map){0};
    }
}

/* Where a loss is rounded, or strips would add in another order. */
static void keep_inexact(const struct covey_model *model, struct covey_plan_request *c)
{
    for (size_t i = 0; i < c->layers; i++) {
        c->cost[i].here = covey_model_layer(model, i)->exact == 0;
    }
    keep_runs(c);
}

static uint32_t input_bytes(const struct covey_model_file *file)
{
    size_t floats = 0;
    covey_err err = covey_shape_count(covey_model_input(file->model), &floats);
    uint64_t bytes = err == COVEY_OK ? (uint64_t)floats * sizeof(float) : UINT64_MAX;
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

covey_err covey__session_costs(struct covey_session *s)
{
    const struct covey_model_file *file = s->file;
    struct covey_plan_request *c = &s->costs;
    bool exact = has_exact(file->model);
    if (s->options.exact && !exact) {
        snprintf(s->why.text, sizeof(s->why.text),
                 "this model has no layers of integers that could be shared out exactly: without "
                 "--exact, or with --local");
        return COVEY_ERR_UNSUPPORTED;
    }
    c->parity = exact && s->options.parity > 1 ? 1 : s->options.parity;
    c->devices_max = s->options.devices;
    c->coded_all = s->options.coded_all;
    c->check_all = s->options.check_all;
    c->half = s->options.half && !exact;
    /* The rest is for other units that a new plan gives it, for check vectors, and what runs; where
     * that is too little a plan gives it less. */
    c->owner_bytes = file->sparse ? s->owner->services->memory.limit_bytes / 8 * 5 : 0;
    c->asked_bytes = input_bytes(file);
    c->layers = (uint16_t)covey_model_layers(file->model);
    c->cells = file->cells <= COVEY_CELLS_MAX ? (uint16_t)file->cells : 0;
    bool fits = true;
    for (size_t i = 0; i < c->cells; i++) {
        fill_cell(&file->cell[i], &c->cell[i]);
        for (size_t l = 0; l < c->cell[i].layers; l++) {
            size_t layer = c->cell[i].first_layer + l;
            fits = fits && fill_layer(file, layer, (uint16_t)i, &c->cost[layer]);
        }
    }
    if (s->options.exact) {
        keep_inexact(file->model, c);
    }
    /* Where two makings differ this node computes the run itself, to say which is right: without
     * its weights it cannot. */
    if (c->check_all && file->sparse) {
        keep_runs(c);
    }
    /* What cannot be placed is computed here: a plan without layers and runs. */
    if (!fits || c->cells == 0) {
        c->layers = 0;
        for (size_t i = 0; i < c->cells; i++) {
            c->cell[i].layers = 0;
        }
    }
    return COVEY_OK;
}
