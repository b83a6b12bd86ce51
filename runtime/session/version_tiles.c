/* SPDX-License-Identifier: MIT */
#include "covey/tile.h"
#include "version.h"

static struct covey_plane_rows one_row(size_t floats)
{
    return (struct covey_plane_rows){1, 1, (uint32_t)floats, 0, 1};
}

covey_err covey__body_halve(const float *values, size_t floats, struct covey_body **out)
{
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(floats * sizeof(uint16_t), &body);
    if (err == COVEY_OK) {
        struct covey_plane_rows all = one_row(floats);
        covey_rows_cut_half(&all, values, (uint16_t *)(void *)body->data);
        *out = body;
    }
    return err;
}

covey_err covey__body_widen(const struct covey_body *half, struct covey_body **out)
{
    size_t floats = half->len / sizeof(uint16_t);
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(floats * sizeof(float), &body);
    if (err == COVEY_OK) {
        struct covey_plane_rows all = one_row(floats);
        covey_rows_join_half(&all, (const uint16_t *)(const void *)half->data,
                             (float *)(void *)body->data);
        *out = body;
    }
    return err;
}

covey_err covey__version_cut(const struct covey_version *v, unsigned run,
                             const struct covey_tile_layout *layout, const float *input,
                             struct covey_body *out[static COVEY_PLAN_DEVICES_MAX])
{
    const struct covey_plan_run *r = &v->plan.run[run];
    const struct covey_cell *cell = &v->file->cell[r->first_cell];
    struct covey_plane_rows rows = {cell->in_planes, cell->in_rows, cell->in_width, 0, 0};
    memset(out, 0, COVEY_PLAN_DEVICES_MAX * sizeof(struct covey_body *));
    for (unsigned d = 0; d < layout->devices; d++) {
        struct covey_rows piece = covey_tile_piece(r, layout, 0, COVEY_TILE_OWNER, d);
        if (piece.begin >= piece.end) {
            continue;
        }
        size_t bytes = covey_tile_piece_bytes(r, 0, piece, v->plan.half);
        covey_err err = covey_body_new(bytes, &out[d]);
        if (err != COVEY_OK) {
            return err;
        }
        rows.begin = piece.begin;
        rows.end = piece.end;
        if (v->plan.half) {
            covey_rows_cut_half(&rows, input, (uint16_t *)(void *)out[d]->data);
        } else {
            covey_rows_cut(&rows, input, (float *)(void *)out[d]->data);
        }
    }
    return COVEY_OK;
}

void covey__version_join(const struct covey_version *v, unsigned run,
                         const struct covey_tile_layout *layout,
                         struct covey_body *const pieces[static COVEY_PLAN_DEVICES_MAX],
                         float *output)
{
    const struct covey_plan_run *r = &v->plan.run[run];
    const struct covey_cell *cell = &v->file->cell[r->first_cell + r->cells - 1u];
    struct covey_plane_rows rows = {cell->out_planes, cell->out_rows, cell->out_width, 0, 0};
    for (unsigned d = 0; d < layout->devices; d++) {
        struct covey_rows made = covey_tile_made(layout, r->segments - 1u, d);
        if (made.begin >= made.end) {
            continue;
        }
        /* The job takes pieces of the right size only, and all of them. */
        COVEY_ASSERT(pieces[d] != NULL &&
                     pieces[d]->len == covey_tile_piece_bytes(r, r->segments, made, v->plan.half));
        rows.begin = made.begin;
        rows.end = made.end;
        if (v->plan.half) {
            covey_rows_join_half(&rows, (const uint16_t *)(const void *)pieces[d]->data, output);
        } else {
            covey_rows_join(&rows, (const float *)(const void *)pieces[d]->data, output);
        }
    }
}
