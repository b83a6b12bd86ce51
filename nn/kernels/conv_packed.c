/* SPDX-License-Identifier: MIT */
#include "conv_private.h"

#include <math.h>
#include <string.h>

#include "gemm_pack.h"

enum {
    CROSS_PIXELS_MAX = 512, /* up to here strips run across images: fewer lanes are wasted */
    BLOCK_STRIPS = 8,       /* strips unrolled together: long rows are read, A is read once */
    EXTRA_COLS = 64,        /* room for a strip and its extra columns */
    BLOCK_COLS = BLOCK_STRIPS * COVEY__STRIP_COLS,
    IN_PLACE_ROWS = 32,     /* copying would not pay for so few */
    SHALLOW = 64,           /* with k up to this, writing is what takes time: */
    OUT_FLOATS = 1 << 18,   /* what the second cache does not hold is written */
    OUT_ROWS = 16,          /* so many rows at a time, in longer runs */
    CHUNK_FLOATS = 1 << 16, /* of A: stays in the second cache while all strips use it */
};

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
    size_t pixels, columns, vecs, blocks;
    size_t parts, part_rows; /* rows of A are shared out too where blocks are few */
    float low, high;
};

/* A block of columns and some rows of one group. */
struct piece {
    size_t group, row, rows, col, cols, strips;
    size_t ldb;                    /* floats from one row of b to the next */
    size_t edge[BLOCK_STRIPS + 1]; /* first column of each strip, and the end */
    float *b;                      /* [strips][depth][strip columns] */
    float *c; /* [m][strip columns], of a strip that crosses from one image to the next */
};

static bool crosses(const struct covey__conv_shape *s)
{
    return s->batch > 1 && covey__pixels(s) <= CROSS_PIXELS_MAX;
}

static uint64_t thread_floats(const struct covey__conv_shape *s)
{
    size_t rows = crosses(s) ? s->out_channels / s->groups : 0;
    return (BLOCK_STRIPS * (uint64_t)COVEY__DEPTH_MAX + rows) * COVEY__STRIP_COLS;
}

static uint64_t prep_floats(const struct covey__conv_shape *s)
{
    struct covey__prep prep;
    covey__prep_init(&prep, s);
    uint64_t images = crosses(s) ? s->batch : 1;
    return covey__prep_floats(&prep, images * s->in_channels);
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

/* Strips are evenly wide, in whole vectors. */
static void find_edges(const struct job *j, struct piece *p)
{
    size_t lanes = j->kernels->lanes, vecs = covey__ceil_div(p->cols, lanes);
    p->strips = j->images > 1 ? covey__ceil_div(vecs, COVEY__STRIP_VECS)
                              : covey__strips(j->kernels, p->cols);
    p->ldb = p->cols > COVEY__STRIP_COLS && p->strips == 1 ? EXTRA_COLS : COVEY__STRIP_COLS;
    for (size_t i = 0; i <= p->strips; i++) {
        p->edge[i] = p->col + covey__min(i * vecs / p->strips * lanes, p->cols);
    }
}

static bool strip_crosses(const struct job *j, const struct piece *p, size_t strip)
{
    return j->images > 1 && p->edge[strip] / j->pixels != (p->edge[strip + 1] - 1) / j->pixels;
}

/* Where each pixel of the block lies in the input, as runs of neighbours; returns their count. */
static size_t find_runs(const struct job *j, const struct piece *p, struct covey__run *runs)
{
    size_t lanes = j->kernels->lanes, width = j->s->out_width, count = 0;
    for (size_t strip = 0; strip < p->strips; strip++) {
        size_t first = p->edge[strip], end = p->edge[strip + 1];
        for (size_t i = first; i < end;) {
            size_t image = i / j->pixels, pixel = i % j->pixels;
            size_t y = pixel / width, x = pixel % width;
            size_t n = j->prep.linear ? j->pixels - pixel : width - x;
            n = covey__min(covey__min(n, end - i), lanes - (i - first) % lanes);
            runs[count++] = (struct covey__run){
                .src = image * j->image_stride + y * j->prep.row_pitch + x,
                .dst = (uint32_t)(strip * COVEY__DEPTH_MAX * COVEY__STRIP_COLS + i - first),
                .count = (uint32_t)n,
            };
            i += n;
        }
    }
    return count;
}

/* Rows [range[0], range[1]) of the unrolled input into p->b: row c * taps + tap. */
static void unroll(const struct job *j, const struct piece *p, struct covey__unroll *u,
                   const size_t range[2])
{
    size_t taps = covey__taps(j->s), channels = j->s->in_channels / j->groups;
    const float *in = j->in + p->group * channels * j->prep.plane;
    for (size_t tap = 0; tap < taps; tap++) {
        size_t c = range[0] > tap ? covey__ceil_div(range[0] - tap, taps) : 0;
        size_t end = range[1] > tap ? covey__ceil_div(range[1] - tap, taps) : 0;
        if (c < end) {
            u->in = in + c * j->prep.plane + covey__prep_tap(&j->prep, j->s, tap);
            j->kernels->unroll(u, end - c, taps * p->ldb,
                               p->b + (c * taps + tap - range[0]) * p->ldb);
        }
    }
}

struct copy {
    size_t strip, row, rows;
    const float *from;
    float *to;
};

/* Copies rows of a strip's pixels between the images' layout and p->c. */
static void copy_crossing(const struct job *j, const struct piece *p, const struct copy *copy)
{
    size_t col = p->edge[copy->strip], cols = p->edge[copy->strip + 1] - col;
    for (size_t i = 0; i < cols;) {
        size_t image = (col + i) / j->pixels, pixel = (col + i) % j->pixels;
        size_t count = covey__min(cols - i, j->pixels - pixel);
        size_t row = image * j->s->out_channels + p->group * j->m + copy->row;
        for (size_t r = 0; r < copy->rows; r++) {
            size_t at = (row + r) * j->pixels + pixel, tile = r * COVEY__STRIP_COLS + i;
            bool back = copy->from == p->c;
            memcpy(copy->to + (back ? at : tile), copy->from + (back ? tile : at),
                   count * sizeof *copy->to);
        }
        i += count;
    }
}

/* Rows [row, row + rows) of one strip. s: the product; the rest is filled in here. */
static void run_strip(const struct job *j, const struct piece *p, const struct copy *at,
                      struct covey__strip s)
{
    size_t col = p->edge[at->strip];
    size_t image = col / j->pixels, first = p->group * j->m + at->row;
    size_t to = (image * j->s->out_channels + first) * j->pixels + col % j->pixels;
    bool crosses = strip_crosses(j, p, at->strip);
    struct copy copy = *at;
    s.m = at->rows;
    s.cols = p->edge[at->strip + 1] - col;
    s.bias = j->call->bias != NULL ? j->call->bias + first : NULL;
    s.c = crosses ? p->c : j->out + to;
    s.ldc = crosses ? COVEY__STRIP_COLS : j->pixels;
    s.init = j->residual == NULL ? NULL : crosses ? p->c : j->residual + to;
    if (crosses && (!s.first || j->residual != NULL)) {
        copy.from = s.first ? j->residual : j->out;
        copy.to = p->c;
        copy_crossing(j, p, &copy);
    }
    j->kernels->strip(&s);
    if (crosses) {
        copy.from = p->c;
        copy.to = j->out;
        copy_crossing(j, p, &copy);
    }
}

/* One block of k: the rows of A in chunks, each for all strips. */
static void run_depth(const struct job *j, const struct piece *p, const size_t range[2])
{
    size_t mr = j->kernels->mr;
    uint64_t group = covey__gemm_packed_floats(j->m, j->k, mr);
    size_t depth = range[1] - range[0], channels = j->s->in_channels / j->groups;
    bool streams = j->m * j->k > COVEY__WARM_FLOATS && p->strips > 1 && j->blocks == 1 &&
                   p->strips <= COVEY__STREAM_STRIPS;
    bool writes = depth <= SHALLOW && j->m * j->pixels > OUT_FLOATS;
    size_t chunk = streams ? mr : writes ? OUT_ROWS : covey__round_up(CHUNK_FLOATS / depth, mr);
    const float *a = j->call->weights + p->group * group + range[0] * mr;
    struct covey__strip s = {
        .a_stride = mr * j->k,
        .k = depth,
        .first = range[0] == 0,
        .low = range[1] == j->k ? j->low : -INFINITY,
        .high = range[1] == j->k ? j->high : INFINITY,
    };
    for (size_t row = 0; row < p->rows; row += chunk) {
        for (size_t strip = 0; strip < p->strips; strip++) {
            const struct copy at = {
                .strip = strip, .row = p->row + row, .rows = covey__min(chunk, p->rows - row)};
            s.a = a + (p->row + row) * j->k;
            if (streams) {
                covey__strip_ahead(&s, mr, strip, p->strips);
            }
            if (p->b != NULL) {
                s.b = p->b + strip * COVEY__DEPTH_MAX * COVEY__STRIP_COLS;
                s.ldb = p->ldb;
            } else {
                size_t col = p->edge[strip];
                s.b = j->in + (p->group * channels + range[0]) * j->prep.plane +
                      col / j->pixels * j->image_stride + col % j->pixels;
                s.ldb = j->prep.plane;
            }
            run_strip(j, p, &at, s);
        }
    }
}

static void run_part(void *ctx, size_t part, unsigned thread)
{
    const struct job *j = ctx;
    size_t lanes = j->kernels->lanes, block = part / j->parts % j->blocks;
    size_t first = block * j->vecs / j->blocks, end = (block + 1) * j->vecs / j->blocks;
    struct covey__run runs[BLOCK_COLS];
    struct piece p = {
        .group = part / j->parts / j->blocks,
        .row = part % j->parts * j->part_rows,
        .col = first * lanes,
        .b = j->scratch + thread * thread_floats(j->s),
    };
    p.rows = covey__min(j->part_rows, j->m - p.row);
    p.cols = covey__min((end - first) * lanes, j->columns - p.col);
    find_edges(j, &p);
    p.c = p.b + (size_t)BLOCK_STRIPS * COVEY__DEPTH_MAX * COVEY__STRIP_COLS;
    bool aligned = j->pixels % lanes == 0;
    if (j->prep.linear && j->images == 1 && (aligned || j->m <= IN_PLACE_ROWS)) {
        p.b = NULL; /* the input is read where it is */
    }
    struct covey__unroll u = {.plane = j->prep.plane, .run = runs, .runs = 0};
    if (p.b != NULL) {
        u.runs = find_runs(j, &p, runs);
    }
    size_t depths = covey__ceil_div(j->k, COVEY__DEPTH_MAX);
    for (size_t i = 0; i < depths; i++) {
        const size_t range[2] = {j->k * i / depths, j->k * (i + 1) / depths};
        if (p.b != NULL) {
            unroll(j, &p, &u, range);
        }
        run_depth(j, &p, range);
    }
}

/* Rows are cut only as far as all threads get something to do. */
static void choose_parts(struct job *j)
{
    size_t threads = covey_threads_count(j->call->threads), mr = j->kernels->mr;
    size_t panels = covey__ceil_div(j->m, mr), pieces = j->groups * j->blocks;
    size_t wanted = threads == 1 || pieces >= 4 * threads ? 1 : 4 * threads / pieces;
    j->part_rows = covey__ceil_div(panels, covey__min(wanted, panels)) * mr;
    j->parts = covey__ceil_div(j->m, j->part_rows);
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
    covey_threads_run(j->call->threads, j->groups * j->blocks * j->parts, run_part, j);
}

void covey__packed_run(const struct covey__conv_call *call)
{
    const struct covey__conv_shape *s = &call->plan->shape;
    if (covey__rows_fit(call->plan)) {
        covey__rows_run(call);
        return;
    }
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
    j.blocks = covey__ceil_div(j.vecs, BLOCK_STRIPS * COVEY__STRIP_VECS);
    choose_parts(&j);
    for (size_t image = 0; image < s->batch; image += j.images) {
        run_images(&j, image);
    }
}
