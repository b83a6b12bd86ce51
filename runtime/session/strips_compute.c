/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "strips_state.h"
#include "version.h"

/* Where rows lie: [planes x rows.end - rows.begin x width]. */
struct area {
    uint32_t planes, width;
    struct covey_rows rows;
};

/* Rows of one's own for the next segment, [planes x rows x width]. */
struct covey_kept {
    unsigned run, segment;
    struct covey_rows rows;
    float data[];
};

void covey__kept_free(struct covey_kept *k)
{
    free(k);
}

static struct covey_plane_rows part_of(const struct area *area, struct covey_rows rows)
{
    return (struct covey_plane_rows){.planes = area->planes,
                                     .rows = (uint32_t)(area->rows.end - area->rows.begin),
                                     .width = area->width,
                                     .begin = (uint32_t)(rows.begin - area->rows.begin),
                                     .end = (uint32_t)(rows.end - area->rows.begin)};
}

static const struct covey_plan_run *run_of(const struct covey_strips *s,
                                           const struct covey_strip_task *task)
{
    return &s->plan.run[task->run];
}

static bool is_kept(const struct covey_strip_task *task, struct covey_rows rows)
{
    const struct covey_kept *k = task->kept;
    return k != NULL && k->run == task->run && k->segment + 1 == task->segment &&
           k->rows.begin == rows.begin && k->rows.end == rows.end;
}

/* What has fewer bytes than its rows came without zeros. */
static covey_err join(const struct covey_body *piece, size_t bytes,
                      const struct covey_plane_rows *r, float *input)
{
    const float *strip = (const float *)(const void *)piece->data;
    if (piece->len == bytes) {
        covey_rows_join(r, strip, input);
        return COVEY_OK;
    }
    return covey_rows_join_sparse(r, strip, piece->len, input) ? COVEY_OK : COVEY_ERR_MALFORMED;
}

/* The strip's input: pieces, and what was kept. Every row of it comes from exactly one. from: whose
 * is not what it has to be. */
static covey_err gather(const struct covey_strips *s, const struct covey_strip_task *task,
                        const struct area *area, float *input, unsigned *out_from)
{
    const struct covey_plan_run *run = run_of(s, task);
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
        const struct covey_body *piece = task->piece[d];
        struct covey_rows rows =
            covey_tile_piece(run, task->layout, task->segment, d, task->device);
        if (rows.begin >= rows.end) {
            continue;
        }
        if (d == task->device) {
            if (!is_kept(task, rows)) {
                return COVEY_ERR_RANGE;
            }
            struct covey_plane_rows own = part_of(area, rows);
            covey_rows_join(&own, task->kept->data, input);
            continue;
        }
        size_t bytes = covey_tile_piece_bytes(run, task->segment, rows, s->plan.half);
        if (piece == NULL || piece->len > bytes || (s->plan.half && piece->len != bytes)) {
            return COVEY_ERR_RANGE;
        }
        struct covey_plane_rows part = part_of(area, rows);
        if (s->plan.half) {
            covey_rows_join_half(&part, (const uint16_t *)(const void *)piece->data, input);
        } else if (join(piece, bytes, &part, input) != COVEY_OK) {
            *out_from = d;
            return COVEY_ERR_MALFORMED;
        }
    }
    return COVEY_OK;
}

/* What the next segment needs of one's own output, apart from the room it was made in: the next
 * one that computes takes that. */
static covey_err keep(const struct covey_strips *s, const struct covey_strip_task *task,
                      const struct area *area, const float *output, struct covey_kept **out)
{
    struct covey_rows rows = covey_tile_piece(run_of(s, task), task->layout, task->segment + 1,
                                              task->device, task->device);
    if (rows.begin >= rows.end) {
        return COVEY_OK;
    }
    size_t floats = (size_t)area->planes * (rows.end - rows.begin) * area->width;
    struct covey_kept *k = malloc(sizeof(*k) + floats * sizeof(float));
    if (k == NULL) {
        return COVEY_ERR_NOMEM;
    }
    k->run = task->run;
    k->segment = task->segment;
    k->rows = rows;
    struct covey_plane_rows part = part_of(area, rows);
    covey_rows_cut(&part, output, k->data);
    *out = k;
    return COVEY_OK;
}

static covey_err cut(const struct covey_strips *s, const struct covey_strip_task *task,
                     const struct area *area, const float *output, unsigned to,
                     struct covey_body **out)
{
    const struct covey_plan_run *run = run_of(s, task);
    struct covey_rows rows =
        covey_tile_piece(run, task->layout, task->segment + 1, task->device, to);
    if (rows.begin >= rows.end) {
        return COVEY_OK;
    }
    struct covey_body *body = NULL;
    struct covey_plane_rows part = part_of(area, rows);
    if (!task->whole && to != COVEY_TILE_OWNER && !s->plan.half) {
        return covey__body_sparse(&part, output, out);
    }
    size_t bytes = covey_tile_piece_bytes(run, task->segment + 1, rows, s->plan.half);
    covey_err err = covey_body_new(bytes, &body);
    if (err != COVEY_OK) {
        return err;
    }
    if (s->plan.half) {
        covey_rows_cut_half(&part, output, (uint16_t *)(void *)body->data);
    } else {
        covey_rows_cut(&part, output, (float *)(void *)body->data);
    }
    *out = body;
    return COVEY_OK;
}

static covey_err scatter(const struct covey_strips *s, const struct covey_strip_task *task,
                         const struct area *area, const float *output,
                         struct covey_strip_result *result)
{
    covey_err err = COVEY_OK;
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX && err == COVEY_OK; d++) {
        if (d != task->device) {
            err = cut(s, task, area, output, d, &result->piece[d]);
        }
    }
    return err;
}

static covey_err check(const struct covey_strips *s, const struct covey_strip_task *task)
{
    if (task->run >= s->plan.runs || task->device != s->device || s->network->layouts == NULL ||
        task->segment >= run_of(s, task)->segments) {
        return COVEY_ERR_RANGE;
    }
    return covey_tile_layout_check(task->layout, run_of(s, task), s->plan.devices);
}

static covey_err run_strip(struct covey_strips *s, const struct covey_strip_task *task,
                           struct strip_run *own, struct covey_strip_result *result)
{
    const struct covey_plan_segment *segment = &run_of(s, task)->segment[task->segment];
    const struct covey_cell *first = &s->network->cell[segment->first_cell];
    const struct covey_cell *last = first + segment->cells - 1;
    const struct area in = {first->in_planes, first->in_width, own->model->in};
    const struct area out = {last->out_planes, last->out_width, own->model->out};
    const void *const inputs[1] = {NULL}; /* it lies there already */
    unsigned from = COVEY_TILE_OWNER;
    covey_err err = gather(s, task, &in, covey_run_input(own->run, 0), &from);
    if (err != COVEY_OK) {
        result->wrong = from < COVEY_PLAN_DEVICES_MAX ? UINT32_C(1) << from : 0;
        return err;
    }
    covey_run_inputs(own->run, inputs);
    const float *output = covey_run_result(own->run, 0);
    err = scatter(s, task, &out, output, result);
    return err == COVEY_OK ? keep(s, task, &out, output, &result->kept) : err;
}

covey_err covey__strips_compute(struct covey_strips *s, const struct covey_strip_task *task,
                                struct covey_strip_result *out)
{
    struct covey_strip_result result = {.wrong = 0};
    struct strip_run *own = NULL;
    covey_err err = check(s, task);
    out->wrong = 0;
    if (err != COVEY_OK) {
        return err;
    }
    const struct covey_plan_run *run = run_of(s, task);
    struct strip_model like;
    covey__strips_like(s, task->run, task->segment, &like);
    like.in = covey_tile_need(run, task->layout, task->segment, task->device);
    like.out = covey_tile_made(task->layout, task->segment, task->device);
    if (like.in.begin >= like.in.end) {
        return COVEY_ERR_RANGE;
    }
    err = covey__network_take(s->network, &like, &own);
    if (err != COVEY_OK) {
        return err;
    }
    err = run_strip(s, task, own, &result);
    covey__network_give_back(s->network, own);
    if (err != COVEY_OK) {
        for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
            covey_body_unref(result.piece[d]);
        }
        covey__kept_free(result.kept);
        out->wrong = result.wrong;
        return err;
    }
    *out = result;
    return COVEY_OK;
}
