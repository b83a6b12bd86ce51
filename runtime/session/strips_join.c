/* SPDX-License-Identifier: MIT */
#include "strips_state.h"

static covey_err check(const struct covey_strips *s, const struct covey_strip_task *task)
{
    if (task->run >= s->plan.runs || task->segment != s->plan.run[task->run].segments) {
        return COVEY_ERR_RANGE;
    }
    const struct covey_plan_run *run = &s->plan.run[task->run];
    covey_err err = covey_tile_layout_check(task->layout, run, s->plan.devices);
    for (unsigned d = 0; d < s->plan.devices && err == COVEY_OK; d++) {
        struct covey_rows rows = covey_tile_made(task->layout, run->segments - 1U, d);
        size_t bytes = covey_tile_piece_bytes(run, run->segments, rows, s->plan.half);
        size_t len = task->piece[d] != NULL ? task->piece[d]->len : 0;
        err = len == bytes ? COVEY_OK : COVEY_ERR_RANGE;
    }
    return err;
}

covey_err covey__strips_join(const struct covey_strips *s, const struct covey_strip_task *task,
                             struct covey_body **out)
{
    covey_err err = check(s, task);
    if (err != COVEY_OK) {
        return err;
    }
    const struct covey_plan_run *run = &s->plan.run[task->run];
    const struct covey_plan_segment *last = &run->segment[run->segments - 1U];
    const struct covey_cell *cell = &s->network->cell[last->first_cell + last->cells - 1U];
    struct covey_plane_rows part = {
        .planes = cell->out_planes, .rows = cell->out_rows, .width = cell->out_width};
    size_t bytes = (size_t)last->map.out_rows * last->map.out_row_bytes;
    struct covey_body *body = NULL;
    err = covey_body_new(bytes, &body);
    if (err != COVEY_OK) {
        return err;
    }
    for (unsigned d = 0; d < s->plan.devices; d++) {
        struct covey_rows rows = covey_tile_made(task->layout, run->segments - 1U, d);
        part.begin = rows.begin;
        part.end = rows.end;
        float *whole = (float *)(void *)body->data;
        if (rows.begin < rows.end && s->plan.half) {
            covey_rows_join_half(&part, (const uint16_t *)(const void *)task->piece[d]->data,
                                 whole);
        } else if (rows.begin < rows.end) {
            covey_rows_join(&part, (const float *)(const void *)task->piece[d]->data, whole);
        }
    }
    *out = body;
    return COVEY_OK;
}
