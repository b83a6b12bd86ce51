/* SPDX-License-Identifier: MIT */
#include "winograd.h"

#include <math.h>
#include <string.h>

#include "gemm_pack.h"
#include "winograd_private.h"

enum {
    TILES_MAX = 144,        /* of one block */
    CACHE_FLOATS = 1 << 18, /* the part of the second cache for the transforms */
    CHUNK_FLOATS = 1 << 15, /* weights that serve all strips of a block while they are warm */
    STAGGER = 16,           /* keeps the positions of a tile off the same cache sets */
};

struct geometry {
    size_t outputs, edge, positions; /* of a tile */
    size_t rows, cols, total;        /* tiles: down, across, in the batch */
    size_t block, pitch;             /* tiles in one block; the same in whole vectors */
    size_t in_stride, out_stride;    /* floats from one position to the next */
    size_t chunk;                    /* rows of the product in one piece */
    size_t thread_floats;
};

struct job {
    const struct covey__conv_call *call;
    const struct covey__conv_shape *s;
    const struct covey__kernels *kernels;
    struct geometry g;
    float *in, *out;     /* [positions][channels][pitch], transformed */
    float *scratch;      /* [threads][thread_floats] */
    size_t first, count; /* tiles of this block */
    float low, high;
};

bool covey__winograd_fits(const struct covey__conv_shape *s)
{
    return s->groups == 1 && s->kernel[0] == 3 && s->kernel[1] == 3 && s->stride[0] == 1 &&
           s->stride[1] == 1 && s->dilation[0] == 1 && s->dilation[1] == 1;
}

/* As many tiles as the second cache holds, both transforms of them; where it holds only a few,
 * many, so that the weights are read the less often. */
static size_t choose_block(const struct covey__conv_shape *s, const struct geometry *g)
{
    size_t tile = g->positions * (s->in_channels + s->out_channels);
    size_t fit = CACHE_FLOATS / tile / COVEY__LANES_MAX * COVEY__LANES_MAX;
    fit = fit < COVEY__STRIP_COLS ? TILES_MAX : covey__min(fit, TILES_MAX);
    size_t blocks = covey__ceil_div(g->total, fit);
    size_t even = covey__round_up(covey__ceil_div(g->total, blocks), COVEY__LANES_MAX);
    return covey__min(even, g->total);
}

static void geometry_init(struct geometry *g, const struct covey__conv_plan *plan)
{
    const struct covey__conv_shape *s = &plan->shape;
    g->outputs = plan->algorithm == COVEY__CONV_WINOGRAD4 ? 4 : 2;
    g->edge = g->outputs + 2;
    g->positions = g->edge * g->edge;
    g->rows = covey__ceil_div(s->out_height, g->outputs);
    g->cols = covey__ceil_div(s->out_width, g->outputs);
    g->total = g->rows * g->cols * s->batch;
    g->block = choose_block(s, g);
    g->pitch = covey__round_up(g->block, COVEY__LANES_MAX);
    g->in_stride = s->in_channels * g->pitch + STAGGER;
    g->out_stride = s->out_channels * g->pitch + STAGGER;
    size_t chunk = CHUNK_FLOATS / s->in_channels / COVEY__MR_MAX * COVEY__MR_MAX;
    g->chunk = chunk < COVEY__MR_MAX ? COVEY__MR_MAX : chunk;
    g->thread_floats = g->positions * g->pitch + COVEY__LANES_MAX;
}

void covey__winograd_plan(struct covey__conv_plan *plan)
{
    const struct covey__conv_shape *s = &plan->shape;
    struct geometry g;
    geometry_init(&g, plan);
    size_t mr = covey__kernels_of(plan->isa)->mr;
    plan->packed_floats =
        g.positions * covey__gemm_packed_floats(s->out_channels, s->in_channels, mr);
    uint64_t strides = ((uint64_t)s->in_channels + s->out_channels) * g.pitch + 2 * STAGGER;
    plan->scratch_floats = g.positions * strides + plan->threads * g.thread_floats;
}

void covey__winograd_tiles(const struct covey__conv_plan *plan, size_t *out_tiles,
                           size_t *out_columns, size_t *out_blocks)
{
    struct geometry g;
    const struct covey__kernels *kernels = covey__kernels_of(plan->isa);
    size_t columns = 0;
    geometry_init(&g, plan);
    for (size_t first = 0; first < g.total; first += g.block) {
        size_t count = covey__min(g.block, g.total - first);
        bool one = covey__strips(kernels, count) == 1;
        columns += one && count > COVEY__STRIP_VECS * kernels->lanes
                       ? count
                       : covey__round_up(count, kernels->lanes);
    }
    *out_tiles = g.total;
    *out_columns = columns;
    *out_blocks = covey__ceil_div(g.total, g.block);
}

/* One row of G for each point: its powers over the product of its distances to the others. */
static void filter_rows(size_t outputs, double rows[COVEY__TILE_EDGE_MAX][3])
{
    const double aa = (double)COVEY__WINO_AA, bb = (double)COVEY__WINO_BB;
    const double points[2][5] = {{0.0, 1.0, -1.0}, {0.0, sqrt(aa), -sqrt(aa), sqrt(bb), -sqrt(bb)}};
    size_t finite = outputs + 1;
    const double *p = points[outputs == 4];
    for (size_t i = 0; i < finite; i++) {
        double product = 1.0;
        for (size_t j = 0; j < finite; j++) {
            product *= j == i ? 1.0 : p[i] - p[j];
        }
        for (size_t power = 0; power < 3; power++) {
            rows[i][power] = (power == 0 ? 1.0 : power == 1 ? p[i] : p[i] * p[i]) / product;
        }
    }
    rows[finite][0] = rows[finite][1] = 0.0;
    rows[finite][2] = 1.0;
    if (outputs == 2) { /* B' has the signs of x - x^2 ... here */
        for (size_t power = 0; power < 3; power++) {
            rows[0][power] = -rows[0][power];
        }
    }
}

/* Filters side by side: those of one channel in neighbouring rows of the product. */
typedef float lanes[COVEY__MR_MAX];

/* out [edge][edge] = G g G' of each lane. */
static void transform_filters(size_t edge, double rows[COVEY__TILE_EDGE_MAX][3], lanes g[9],
                              lanes *out)
{
    for (size_t y = 0; y < edge; y++) {
        lanes half[3];
        const float r[3] = {(float)rows[y][0], (float)rows[y][1], (float)rows[y][2]};
        for (size_t j = 0; j < 3; j++) {
            for (size_t k = 0; k < COVEY__MR_MAX; k++) {
                half[j][k] = r[0] * g[j][k] + r[1] * g[3 + j][k] + r[2] * g[6 + j][k];
            }
        }
        for (size_t x = 0; x < edge; x++) {
            const float q[3] = {(float)rows[x][0], (float)rows[x][1], (float)rows[x][2]};
            for (size_t k = 0; k < COVEY__MR_MAX; k++) {
                out[y * edge + x][k] = q[0] * half[0][k] + q[1] * half[1][k] + q[2] * half[2][k];
            }
        }
    }
}

/* packed [positions][panels][channels][mr] */
void covey__winograd_pack(const struct covey__conv_plan *plan, const float *weights, float *packed)
{
    const struct covey__conv_shape *s = &plan->shape;
    struct geometry g;
    double rows[COVEY__TILE_EDGE_MAX][3];
    lanes filters[9], out[COVEY__TILE_EDGE_MAX * COVEY__TILE_EDGE_MAX];
    geometry_init(&g, plan);
    filter_rows(g.outputs, rows);
    size_t mr = covey__kernels_of(plan->isa)->mr, c = s->in_channels;
    uint64_t stride = covey__gemm_packed_floats(s->out_channels, c, mr);
    for (size_t at = 0; at < covey__round_up(s->out_channels, mr) * c; at += mr) {
        size_t row = at / (mr * c) * mr, channel = at / mr % c;
        memset(filters, 0, sizeof(filters));
        for (size_t k = 0; k < mr && row + k < s->out_channels; k++) {
            const float *from = weights + ((row + k) * c + channel) * 9;
            for (size_t tap = 0; tap < 9; tap++) {
                filters[tap][k] = from[tap];
            }
        }
        transform_filters(g.edge, rows, filters, out);
        for (size_t pos = 0; pos < g.positions; pos++) {
            memcpy(packed + pos * stride + at, out[pos], mr * sizeof(float));
        }
    }
}

static struct covey__wino_grid grid_of(const struct job *j)
{
    return (struct covey__wino_grid){
        .call = j->call,
        .outputs = {j->g.outputs, j->g.outputs},
        .rows = j->g.rows,
        .cols = j->g.cols,
        .first = j->first,
        .count = j->count,
        .pitch = j->g.pitch,
    };
}

static void in_part(void *ctx, size_t channel, unsigned thread)
{
    const struct job *j = ctx;
    float *tiles = j->scratch + thread * j->g.thread_floats;
    const struct covey__wino_grid grid = grid_of(j);
    covey__wino_gather(&grid, channel, tiles);
    const struct covey__wino_in w = {
        .tiles = tiles,
        .out = j->in + channel * j->g.pitch,
        .pitch = j->g.pitch,
        .out_stride = j->g.in_stride,
        .count = j->count,
    };
    j->kernels->wino_in[j->g.outputs / 4](&w);
}

/* A [rows x k] of one position times all its strips. */
struct product {
    const float *a;
    size_t pos, row, rows;
    bool streams;
};

static void run_product(const struct job *j, const struct product *p)
{
    size_t k = j->s->in_channels, mr = j->kernels->mr;
    size_t vecs = covey__ceil_div(j->count, j->kernels->lanes);
    size_t strips = covey__strips(j->kernels, j->count);
    size_t blocks = covey__ceil_div(k, COVEY__DEPTH_MAX);
    struct covey__strip s = {
        .a_stride = mr * k,
        .ldb = j->g.pitch,
        .m = p->rows,
        .ldc = j->g.pitch,
        .low = -INFINITY,
        .high = INFINITY,
    };
    for (size_t i = 0; i < strips * blocks; i++) {
        size_t strip = i / blocks, block = i % blocks;
        size_t from = k * block / blocks, col = strip * vecs / strips * j->kernels->lanes;
        size_t end = (strip + 1) * vecs / strips * j->kernels->lanes;
        s.a = p->a + from * mr;
        s.b = j->in + p->pos * j->g.in_stride + from * j->g.pitch + col;
        s.c = j->out + p->pos * j->g.out_stride + p->row * j->g.pitch + col;
        s.k = k * (block + 1) / blocks - from;
        s.cols = covey__min(end, j->count) - col;
        s.first = block == 0;
        if (p->streams) {
            covey__strip_ahead(&s, mr, strip, strips);
        }
        j->kernels->strip(&s);
    }
}

/* Some rows of the product at one position. */
static void product_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *j = ctx;
    size_t k = j->s->in_channels, m = j->s->out_channels, mr = j->kernels->mr;
    size_t chunks = covey__ceil_div(m, j->g.chunk), weights = j->g.positions * m * k;
    struct product p = {
        .pos = part / chunks,
        .row = part % chunks * j->g.chunk,
        .streams = weights > COVEY__WARM_FLOATS && covey__strips(j->kernels, j->count) > 1 &&
                   j->count <= COVEY__STREAM_STRIPS * COVEY__STRIP_COLS,
    };
    const float *a = j->call->weights + p.pos * covey__gemm_packed_floats(m, k, mr);
    size_t end = covey__min(p.row + j->g.chunk, m), step = p.streams ? mr : end - p.row;
    for (; p.row < end; p.row += step) {
        p.a = a + p.row * k;
        p.rows = covey__min(step, end - p.row);
        run_product(j, &p);
    }
}

/* The outputs [outputs][outputs][pitch] of one channel's tiles to their places. */
static void scatter(const struct job *j, size_t channel, const float *tiles)
{
    const struct covey__conv_shape *s = j->s;
    const struct geometry *g = &j->g;
    const struct covey__wino_grid grid = grid_of(j);
    for (size_t at = 0; at < j->count;) {
        struct covey__wino_segment seg = covey__wino_segment_at(&grid, at);
        size_t rows = covey__min(g->outputs, s->out_height - seg.row * g->outputs);
        size_t x = seg.col * g->outputs;
        size_t y = seg.row * g->outputs, plane = seg.image * s->out_channels + channel;
        size_t to = (plane * s->out_height + y) * s->out_width + x;
        const struct covey__merge merge = {
            .in = tiles + at,
            .rows = rows,
            .phases = g->outputs,
            .pitch = g->pitch,
            .count = covey__min(seg.count * g->outputs, s->out_width - x),
            .residual = j->call->residual != NULL ? j->call->residual + to : NULL,
            .out = j->call->out + to,
            .out_pitch = s->out_width,
            .low = j->low,
            .high = j->high,
        };
        j->kernels->merge(&merge);
        at += seg.count;
    }
}

static void out_part(void *ctx, size_t channel, unsigned thread)
{
    const struct job *j = ctx;
    float *tiles = j->scratch + thread * j->g.thread_floats;
    const struct covey__wino_out w = {
        .in = j->out + channel * j->g.pitch,
        .out = tiles,
        .in_stride = j->g.out_stride,
        .pitch = j->g.pitch,
        .count = j->count,
        .bias = j->call->bias != NULL ? j->call->bias[channel] : 0.0f,
    };
    j->kernels->wino_out[j->g.outputs / 4](&w);
    scatter(j, channel, tiles);
}

void covey__winograd_run(const struct covey__conv_call *call)
{
    const struct covey__conv_shape *s = &call->plan->shape;
    struct job j = {
        .call = call,
        .s = s,
        .kernels = covey__kernels_of(call->plan->isa),
        .in = call->scratch,
    };
    geometry_init(&j.g, call->plan);
    covey__act_bounds(&call->act, &j.low, &j.high);
    j.out = j.in + j.g.positions * j.g.in_stride;
    j.scratch = j.out + j.g.positions * j.g.out_stride;
    size_t chunks = covey__ceil_div(s->out_channels, j.g.chunk);
    for (; j.first < j.g.total; j.first += j.g.block) {
        j.count = covey__min(j.g.block, j.g.total - j.first);
        covey_threads_run(call->threads, s->in_channels, in_part, &j);
        covey_threads_run(call->threads, j.g.positions * chunks, product_part, &j);
        covey_threads_run(call->threads, s->out_channels, out_part, &j);
    }
}
