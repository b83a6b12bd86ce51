/* SPDX-License-Identifier: MIT */
#include "conv_private.h"

#include <math.h>
#include <string.h>

#include <math.h>

#include "gemm_pack.h"

/* Up to here the strips of columns run across the images of a batch: fewer lanes are wasted. */
enum { CROSS_PIXELS_MAX = 512 };

struct job {
    const struct covey__conv_call *call;
    const struct covey__conv_shape *s;
    const struct covey__kernels *kernels;
    struct covey__prep prep;
    const float *in; /* prepared or as it is */
    float *scratch;  /* [threads][thread_floats] */
    float *out;
    const float *residual;
    size_t m, k, groups;         /* of one group */
    size_t images, image_stride; /* of in */
    size_t pixels, columns, vecs, strips;
    size_t chunks, chunk_rows; /* rows of A are shared out too where strips are few */
    float low, high;
};

/* One strip of columns and some rows of one group. */
struct piece {
    size_t group, row, rows, col, cols, vecs;
    bool crosses; /* from one image to the next */
    float *b;     /* [depth][strip columns] */
    float *c;     /* [m][strip columns], of a strip that crosses */
};

static bool crosses(const struct covey__conv_shape *s)
{
    return s->batch > 1 && covey__pixels(s) <= CROSS_PIXELS_MAX;
}

static size_t thread_floats(const struct covey__conv_shape *s)
{
    size_t rows = COVEY__DEPTH_MAX + (crosses(s) ? s->out_channels / s->groups : 0);
    return rows * COVEY__STRIP_COLS;
}

static size_t prep_floats(const struct covey__conv_shape *s)
{
    struct covey__prep prep;
    covey__prep_init(&prep, s);
    size_t images = crosses(s) ? s->batch : 1;
    return prep.copies ? covey__round_up(prep.plane * s->in_channels * images, 16) : 0;
}

void covey__packed_plan(struct covey__conv_plan *plan)
{
    const struct covey__conv_shape *s = &plan->shape;
    size_t k = s->in_channels / s->groups * covey__taps(s);
    size_t mr = covey__kernels_of(plan->isa)->mr;
    plan->packed_floats = s->groups * covey__gemm_packed_floats(s->out_channels / s->groups, k, mr);
    plan->scratch_floats = prep_floats(s) + plan->threads * thread_floats(s);
}

void covey__packed_pack(const struct covey__conv_plan *plan, const float *weights, float *packed)
{
    const struct covey__conv_shape *s = &plan->shape;
    struct covey__gemm_pack p = {
        .a = weights,
        .m = s->out_channels / s->groups,
        .k = s->in_channels / s->groups * covey__taps(s),
        .mr = covey__kernels_of(plan->isa)->mr,
        .out = packed,
    };
    for (size_t g = 0; g < s->groups; g++) {
        covey__gemm_pack(&p);
        p.a += p.m * p.k;
        p.out += covey__gemm_packed_floats(p.m, p.k, p.mr);
    }
}

/* Where each pixel of the strip lies in the input, as runs of neighbours. */
static void find_runs(const struct job *j, const struct piece *p, struct covey__unroll *u)
{
    size_t lanes = j->kernels->lanes, width = j->s->out_width;
    u->runs = 0;
    u->vecs = p->vecs;
    for (size_t i = 0; i < p->cols;) {
        size_t image = (p->col + i) / j->pixels, pixel = (p->col + i) % j->pixels;
        size_t y = pixel / width, x = pixel % width;
        size_t count = j->prep.linear ? j->pixels - pixel : width - x;
        count = covey__min(covey__min(count, p->cols - i), lanes - i % lanes);
        u->run[u->runs++] = (struct covey__run){
            .src = image * j->image_stride + y * j->prep.row_pitch + x,
            .vector = (uint16_t)(i / lanes),
            .lane = (uint16_t)(i % lanes),
            .count = (uint16_t)count,
        };
        i += count;
    }
}

/* Rows [first, first + count) of the unrolled input into p->b: row c * taps + tap. */
static void unroll(const struct job *j, const struct piece *p, struct covey__unroll *u,
                   const size_t range[2])
{
    size_t taps = covey__taps(j->s), ldb = COVEY__STRIP_VECS * j->kernels->lanes;
    size_t channels = j->s->in_channels / j->groups;
    const float *in = j->in + p->group * channels * j->prep.plane;
    u->plane = j->prep.plane;
    for (size_t tap = 0; tap < taps; tap++) {
        size_t c = range[0] > tap ? covey__ceil_div(range[0] - tap, taps) : 0;
        size_t end = range[1] > tap ? covey__ceil_div(range[1] - tap, taps) : 0;
        if (c >= end) {
            continue;
        }
        u->in = in + c * j->prep.plane;
        u->tap_offset = covey__prep_tap(&j->prep, j->s, tap);
        j->kernels->unroll(u, end - c, taps * ldb, p->b + (c * taps + tap - range[0]) * ldb);
    }
}

/* Copies the strip's pixels between an image's layout and p->c. */
static void copy_crossing(const struct job *j, const struct piece *p, const float *from, float *to)
{
    size_t ldc = COVEY__STRIP_COLS;
    for (size_t i = 0; i < p->cols;) {
        size_t image = (p->col + i) / j->pixels, pixel = (p->col + i) % j->pixels;
        size_t count = covey__min(p->cols - i, j->pixels - pixel);
        size_t row = image * j->s->out_channels + p->group * j->m + p->row;
        for (size_t r = 0; r < p->rows; r++) {
            size_t at = (row + r) * j->pixels + pixel, tile = r * ldc + i;
            const float *src = from == p->c ? from + tile : from + at;
            float *dst = from == p->c ? to + at : to + tile;
            memcpy(dst, src, count * sizeof *dst);
        }
        i += count;
    }
}

static void fill_strip(const struct job *j, const struct piece *p, struct covey__strip *s)
{
    size_t first = p->group * j->m + p->row;
    size_t mr = j->kernels->mr, group = covey__gemm_packed_floats(j->m, j->k, mr);
    size_t image = p->col / j->pixels;
    size_t at = (image * j->s->out_channels + first) * j->pixels + p->col % j->pixels;
    s->a = j->call->weights + p->group * group + p->row * j->k;
    s->a_stride = mr * j->k;
    s->m = p->rows;
    s->cols = p->cols;
    s->bias = j->call->bias != NULL ? j->call->bias + first : NULL;
    s->c = p->crosses ? p->c : j->out + at;
    s->ldc = p->crosses ? COVEY__STRIP_COLS : j->pixels;
    s->init = j->residual == NULL ? NULL : p->crosses ? p->c : j->residual + at;
    if (j->prep.linear && !p->crosses) {
        s->b = j->in + p->group * (j->s->in_channels / j->groups) * j->prep.plane +
               image * j->image_stride + p->col % j->pixels;
        s->ldb = j->prep.plane;
    } else {
        s->b = p->b;
        s->ldb = COVEY__STRIP_VECS * j->kernels->lanes;
    }
}

static void run_piece(const struct job *j, const struct piece *p)
{
    struct covey__unroll u;
    struct covey__strip s;
    fill_strip(j, p, &s);
    bool in_place = s.b != p->b;
    const float *a = s.a, *b = s.b;
    if (!in_place) {
        find_runs(j, p, &u);
    }
    if (p->crosses && j->residual != NULL) {
        copy_crossing(j, p, j->residual, p->c);
    }
    size_t blocks = covey__ceil_div(j->k, COVEY__DEPTH_MAX);
    for (size_t i = 0; i < blocks; i++) {
        const size_t range[2] = {j->k * i / blocks, j->k * (i + 1) / blocks};
        if (!in_place) {
            unroll(j, p, &u, range);
        }
        s.a = a + range[0] * j->kernels->mr;
        s.b = in_place ? b + range[0] * s.ldb : b;
        s.k = range[1] - range[0];
        s.first = i == 0;
        s.low = i + 1 == blocks ? j->low : -INFINITY;
        s.high = i + 1 == blocks ? j->high : INFINITY;
        j->kernels->strip(&s);
    }
    if (p->crosses) {
        copy_crossing(j, p, p->c, j->out);
    }
}

static void run_part(void *ctx, size_t part, unsigned thread)
{
    const struct job *j = ctx;
    size_t chunk = part % j->chunks, strip = part / j->chunks % j->strips;
    size_t lanes = j->kernels->lanes;
    size_t first = strip * j->vecs / j->strips, end = (strip + 1) * j->vecs / j->strips;
    struct piece p = {
        .group = part / j->chunks / j->strips,
        .row = chunk * j->chunk_rows,
        .col = first * lanes,
        .vecs = end - first,
        .b = j->scratch + thread * thread_floats(j->s),
    };
    p.rows = covey__min(j->chunk_rows, j->m - p.row);
    p.cols = covey__min(p.vecs * lanes, j->columns - p.col);
    p.crosses = p.col / j->pixels != (p.col + p.cols - 1) / j->pixels;
    p.c = p.b + (size_t)COVEY__DEPTH_MAX * COVEY__STRIP_COLS;
    run_piece(j, &p);
}

/* Rows are cut only as far as all threads get something to do. */
static void choose_chunks(struct job *j)
{
    size_t threads = covey_threads_count(j->call->threads), mr = j->kernels->mr;
    size_t panels = covey__ceil_div(j->m, mr), parts = j->groups * j->strips;
    size_t wanted = threads == 1 || parts >= 4 * threads ? 1 : covey__ceil_div(4 * threads, parts);
    size_t rows = covey__ceil_div(panels, covey__min(wanted, panels)) * mr;
    j->chunk_rows = rows;
    j->chunks = covey__ceil_div(j->m, rows);
}

static void run_images(struct job *j, size_t first)
{
    const struct covey__conv_shape *s = j->s;
    size_t out_stride = s->out_channels * j->pixels;
    size_t in_planes = first * s->in_channels, pixels = (size_t)s->height * s->width;
    if (j->prep.copies) {
        covey__prep_planes(j->call, &j->prep, in_planes, j->images * s->in_channels,
                           j->call->scratch);
        j->in = j->call->scratch;
    } else {
        j->in = j->call->in + in_planes * pixels;
    }
    j->out = j->call->out + first * out_stride;
    j->residual = j->call->residual != NULL ? j->call->residual + first * out_stride : NULL;
    covey_threads_run(j->call->threads, j->groups * j->strips * j->chunks, run_part, j);
}

void covey__packed_run(const struct covey__conv_call *call)
{
    const struct covey__conv_shape *s = &call->plan->shape;
    struct job j = {
        .call = call,
        .s = s,
        .kernels = covey__kernels_of(call->plan->isa),
        .scratch = call->scratch + prep_floats(s),
        .m = s->out_channels / s->groups,
        .k = s->in_channels / s->groups * covey__taps(s),
        .groups = s->groups,
        .images = crosses(s) ? s->batch : 1,
        .pixels = covey__pixels(s),
    };
    covey__prep_init(&j.prep, s);
    covey__act_bounds(&call->act, &j.low, &j.high);
    j.image_stride = j.prep.plane * s->in_channels;
    j.columns = j.pixels * j.images;
    j.vecs = covey__ceil_div(j.columns, j.kernels->lanes);
    j.strips = covey__ceil_div(j.vecs, COVEY__STRIP_VECS);
    choose_chunks(&j);
    for (size_t image = 0; image < s->batch; image += j.images) {
        run_images(&j, image);
    }
}
