/* SPDX-License-Identifier: MIT */
#include "covey/tile.h"
#include "version.h"

#include <float.h>
#include <math.h>

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

covey_err covey__body_sparse(const struct covey_plane_rows *rows, const float *values,
                             struct covey_body **out)
{
    size_t bytes = (size_t)rows->planes * (rows->end - rows->begin) * rows->width * sizeof(float);
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(covey_rows_sparse_most(rows), &body);
    if (err != COVEY_OK) {
        return err;
    }
    body->len = covey_rows_cut_sparse(rows, values, (float *)(void *)body->data);
    if (body->len >= bytes || body->len == bytes / 2) { /* that many bytes are float16 */
        covey_rows_cut(rows, values, (float *)(void *)body->data);
        body->len = bytes;
    }
    *out = body;
    return COVEY_OK;
}

covey_err covey__version_cut(const struct covey_version *v, unsigned run,
                             const struct covey_tile_layout *layout, const float *input,
                             struct covey_body *out[static COVEY_PLAN_DEVICES_MAX])
{
    const struct covey_plan_run *r = &v->plan.run[run];
    const struct covey_cell *cell = &v->file->cell[r->first_cell];
    struct covey_plane_rows rows = {cell->in_planes, cell->in_rows, cell->in_width, 0, 0};
    for (unsigned d = 0; d < layout->devices; d++) {
        struct covey_rows piece = covey_tile_piece(r, layout, 0, COVEY_TILE_OWNER, d);
        if (piece.begin >= piece.end) {
            continue;
        }
        rows.begin = piece.begin;
        rows.end = piece.end;
        covey_err err;
        if (v->plan.half) {
            err = covey_body_new(covey_tile_piece_bytes(r, 0, piece, true), &out[d]);
        } else {
            err = covey__body_sparse(&rows, input, &out[d]);
        }
        if (err != COVEY_OK) {
            return err;
        }
        if (v->plan.half) {
            covey_rows_cut_half(&rows, input, (uint16_t *)(void *)out[d]->data);
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

/* ---- rows that were made twice ---- */

struct making {
    struct covey_rows rows; /* none: the device made none of these */
    const float *data;      /* [planes x rows x width] */
    struct covey_body *wide;
};

struct makings {
    size_t planes, width;
    double tolerance; /* of the largest magnitude */
    struct making of[COVEY_PLAN_DEVICES_MAX];
};

static void makings_done(struct makings *m)
{
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        covey_body_unref(m->of[d].wide);
        m->of[d].wide = NULL;
    }
}

/* Strips of other heights and other kernels add in another order: within a few roundings of the
 * largest number in each cell. float16 rounds once more. */
static covey_err makings_take(const struct covey_version *v, unsigned run,
                              const struct covey_version_pieces *p, struct makings *out)
{
    const struct covey_plan_run *r = &v->plan.run[run];
    const struct covey_cell *cell = &v->file->cell[r->first_cell + r->cells - 1u];
    memset(out, 0, sizeof(*out));
    out->planes = cell->out_planes;
    out->width = cell->out_width;
    out->tolerance = (64.0 + 16.0 * r->cells) * FLT_EPSILON / 2 + (v->plan.half ? 0x1p-10 : 0);
    covey_err err = COVEY_OK;
    for (unsigned d = 0; d < v->plan.devices && err == COVEY_OK; d++) {
        struct making *m = &out->of[d];
        m->rows = covey_tile_made(p->layout, 0, d);
        if (m->rows.begin >= m->rows.end) {
            m->rows = covey_tile_made(p->twin, 0, d);
        }
        if (m->rows.begin >= m->rows.end) {
            continue;
        }
        if (v->plan.half) {
            err = covey__body_widen(p->piece[d], &m->wide);
        }
        if (err == COVEY_OK) {
            const struct covey_body *body = v->plan.half ? m->wide : p->piece[d];
            m->data = (const float *)(const void *)body->data;
        }
    }
    if (err != COVEY_OK) {
        makings_done(out);
    }
    return err;
}

static double largest(const float *x, size_t count)
{
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        float m = fabsf(x[i]);
        most = m > most ? m : most;
    }
    return (double)most;
}

/* NaN is not within anything of anything. */
static bool close_to(const float *a, const float *b, size_t count, float within)
{
    unsigned apart = 0;
    for (size_t i = 0; i < count; i++) {
        apart |= !(fabsf(a[i] - b[i]) <= within);
    }
    return apart == 0;
}

/* The rows that both have, of every plane. */
static bool same(const struct makings *m, const struct making *a, const struct making *b,
                 float within)
{
    unsigned begin = a->rows.begin > b->rows.begin ? a->rows.begin : b->rows.begin;
    unsigned end = a->rows.end < b->rows.end ? a->rows.end : b->rows.end;
    if (begin >= end) {
        return true;
    }
    size_t a_rows = (size_t)a->rows.end - a->rows.begin,
           b_rows = (size_t)b->rows.end - b->rows.begin;
    for (size_t p = 0; p < m->planes; p++) {
        const float *x = a->data + (p * a_rows + begin - a->rows.begin) * m->width;
        const float *y = b->data + (p * b_rows + begin - b->rows.begin) * m->width;
        if (!close_to(x, y, (end - begin) * m->width, within)) {
            return false;
        }
    }
    return true;
}

static size_t floats_of(const struct makings *m, const struct making *a)
{
    return a->rows.begin < a->rows.end ? m->planes * (a->rows.end - a->rows.begin) * m->width : 0;
}

covey_err covey__version_agree(const struct covey_version *v, unsigned run,
                               const struct covey_version_pieces *pieces, bool *out_agree)
{
    struct makings m;
    covey_err err = makings_take(v, run, pieces, &m);
    if (err != COVEY_OK) {
        return err;
    }
    double most = 0;
    for (unsigned d = 0; d < v->plan.devices; d++) {
        double here = largest(m.of[d].data, floats_of(&m, &m.of[d]));
        most = here > most ? here : most;
    }
    /* Of infinite numbers nothing is told apart. */
    bool agree = isfinite(most) != 0;
    for (unsigned d = 0; d < v->plan.devices && agree; d++) {
        struct covey_rows first = covey_tile_made(pieces->layout, 0, d);
        for (unsigned e = 0; e < v->plan.devices && agree && first.begin < first.end; e++) {
            struct covey_rows second = covey_tile_made(pieces->twin, 0, e);
            agree = second.begin >= second.end ||
                    same(&m, &m.of[d], &m.of[e], (float)(m.tolerance * most));
        }
    }
    makings_done(&m);
    *out_agree = agree;
    return COVEY_OK;
}

covey_err covey__version_wrong(const struct covey_version *v, unsigned run,
                               const struct covey_version_pieces *pieces, const float *right,
                               uint32_t *out_wrong)
{
    struct makings m;
    covey_err err = makings_take(v, run, pieces, &m);
    if (err != COVEY_OK) {
        return err;
    }
    struct making all = {{0, v->plan.run[run].segment[0].map.out_rows}, right, NULL};
    double most = largest(right, floats_of(&m, &all));
    uint32_t wrong = 0;
    /* What cannot be finite is nobody's lie. */
    for (unsigned d = 0; d < v->plan.devices && isfinite(most); d++) {
        bool lies = d != v->self && !same(&m, &m.of[d], &all, (float)(m.tolerance * most));
        wrong |= (uint32_t)lies << d;
    }
    makings_done(&m);
    *out_wrong = wrong;
    return COVEY_OK;
}
