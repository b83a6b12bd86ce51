/* SPDX-License-Identifier: MIT */
#include "winograd_live.h"

#include <string.h>

#include "winograd_private.h"

enum {
    TAPS = 9,
    GROUPS = 2,         /* at a time */
    DEPTH_FLOATS = 256, /* channels x lanes of filters that the first cache holds, transformed */
    CACHE_FLOATS = 1 << 19, /* the second cache for transformed tiles */
    TILES_MIN = 28,         /* of a block: fewer would read the weights too often */
    POSITION_COST = 2,      /* tiles that a product could have had instead of a filter's position */
    TILE_COST = 5,          /* positions transformed, in or out, for one tile in a product, x 16 */
};

static const size_t outputs_of[COVEY__LIVE_TILES][2] = {{2, 2}, {2, 4}, {4, 4}};

struct geometry {
    enum covey__live_tile tile;
    size_t outputs[2], positions;
    size_t rows, cols, total;     /* tiles: down, across, in the batch */
    size_t block, pitch;          /* tiles in one block; the same in whole vectors */
    size_t lanes, groups, depths; /* of filters and of channels */
    uint64_t thread_floats;
};

struct job {
    const struct covey__conv_call *call;
    const struct covey__conv_shape *s;
    const struct covey__kernels *kernels;
    struct geometry g;
    struct covey__wino_grid grid;
    float *in;      /* [depths][positions][channels][count] */
    float *out;     /* [groups][positions][count][lanes] */
    float *scratch; /* [threads][thread_floats] */
    size_t parts;
    float low, high;
};

static size_t tiles_of(const struct covey__conv_shape *s, enum covey__live_tile tile)
{
    return s->batch * covey__ceil_div(s->out_height, outputs_of[tile][0]) *
           covey__ceil_div(s->out_width, outputs_of[tile][1]);
}

static size_t positions_of(enum covey__live_tile tile)
{
    return (outputs_of[tile][0] + 2) * (outputs_of[tile][1] + 2);
}

/* A position of a filter is transformed once, then multiplied by all tiles. */
static enum covey__live_tile choose_tile(const struct covey__conv_shape *s)
{
    enum covey__live_tile best = COVEY__LIVE_2X2;
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < COVEY__LIVE_TILES; i++) {
        enum covey__live_tile tile = (enum covey__live_tile)i;
        uint64_t tiles = tiles_of(s, tile), positions = positions_of(tile);
        uint64_t filters = (uint64_t)s->in_channels * s->out_channels;
        uint64_t cost =
            filters * positions * (tiles + POSITION_COST) +
            positions * tiles * TILE_COST * ((uint64_t)s->in_channels + s->out_channels);
        if (cost < least) {
            least = cost;
            best = tile;
        }
    }
    return best;
}

static void sizes_init(struct geometry *g, const struct covey__conv_shape *s)
{
    g->tile = choose_tile(s);
    g->outputs[0] = outputs_of[g->tile][0];
    g->outputs[1] = outputs_of[g->tile][1];
    g->positions = positions_of(g->tile);
    g->rows = covey__ceil_div(s->out_height, g->outputs[0]);
    g->cols = covey__ceil_div(s->out_width, g->outputs[1]);
    g->total = g->rows * g->cols * s->batch;
    size_t fit = CACHE_FLOATS / (g->positions * ((size_t)s->in_channels + s->out_channels));
    fit = fit < TILES_MIN ? TILES_MIN : fit;
    g->block = covey__ceil_div(g->total, covey__ceil_div(g->total, fit));
}

static void geometry_init(struct geometry *g, const struct covey__conv_plan *plan)
{
    const struct covey__conv_shape *s = &plan->shape;
    sizes_init(g, s);
    g->pitch = covey__round_up(g->block, COVEY__LANES_MAX);
    g->lanes = covey__kernels_of(plan->isa)->lanes;
    g->groups = covey__ceil_div(s->out_channels, g->lanes);
    g->depths = covey__ceil_div(s->in_channels, DEPTH_FLOATS / g->lanes);
    size_t buffer = COVEY__TILE_EDGE_MAX * (size_t)GROUPS * DEPTH_FLOATS;
    size_t gathered = g->positions * g->pitch + COVEY__LANES_MAX;
    uint64_t made = (uint64_t)g->outputs[0] * g->outputs[1] * g->cols * g->lanes;
    uint64_t floats = gathered > made ? gathered : made;
    g->thread_floats = covey__whole_vectors(floats > buffer ? floats : buffer);
}

static uint64_t in_floats(const struct covey__conv_shape *s, const struct geometry *g)
{
    return covey__whole_vectors((uint64_t)g->positions * s->in_channels * g->block);
}

void covey__live_size(const struct covey__conv_shape *s, struct covey__live_size *out)
{
    struct geometry g;
    sizes_init(&g, s);
    out->positions = g.positions;
    out->tiles = g.total;
    out->blocks = covey__ceil_div(g.total, g.block);
}

void covey__live_plan(struct covey__conv_plan *plan)
{
    const struct covey__conv_shape *s = &plan->shape;
    struct geometry g;
    geometry_init(&g, plan);
    uint64_t filters = (uint64_t)g.groups * g.lanes;
    plan->packed_floats = TAPS * filters * s->in_channels;
    plan->scratch_floats =
        in_floats(s, &g) + filters * g.positions * g.block + plan->threads * g.thread_floats;
}

/* packed [depths][groups][channels of the depth][9][lanes] */
void covey__live_pack(const struct covey__conv_plan *plan, const float *weights, float *packed)
{
    const struct covey__conv_shape *s = &plan->shape;
    size_t channels = s->in_channels;
    struct geometry g;
    geometry_init(&g, plan);
    for (size_t i = 0; i < g.depths * g.groups; i++) {
        size_t depth = i / g.groups, first = i % g.groups * g.lanes;
        size_t from = channels * depth / g.depths, end = channels * (depth + 1) / g.depths;
        for (size_t at = from * TAPS; at < end * TAPS; at++) {
            for (size_t lane = 0; lane < g.lanes; lane++) {
                bool filter = first + lane < s->out_channels;
                *packed++ = filter ? weights[(first + lane) * channels * TAPS + at] : 0.0f;
            }
        }
    }
}

static void in_part(void *ctx, size_t channel, unsigned thread)
{
    const struct job *j = ctx;
    const struct geometry *g = &j->g;
    size_t channels = j->s->in_channels, depth = ((channel + 1) * g->depths - 1) / channels;
    size_t from = channels * depth / g->depths, end = channels * (depth + 1) / g->depths;
    float *tiles = j->scratch + thread * g->thread_floats;
    covey__wino_gather(&j->grid, channel, tiles);
    const struct covey__wino_in w = {
        .tiles = tiles,
        .out = j->in + (g->positions * from + (channel - from)) * j->grid.count,
        .pitch = g->pitch,
        .out_stride = (end - from) * j->grid.count,
        .count = j->grid.count,
    };
    j->kernels->live_in[g->tile](&w);
}

/* Some groups of filters: all their sums. */
static void multiply(const struct job *j, size_t first, size_t end, float *buffer)
{
    const struct geometry *g = &j->g;
    size_t channels = j->s->in_channels, count = j->grid.count;
    for (size_t depth = 0; depth < g->depths; depth++) {
        size_t from = channels * depth / g->depths;
        size_t depth_channels = channels * (depth + 1) / g->depths - from;
        const float *filters = j->call->weights + from * g->groups * TAPS * g->lanes;
        for (size_t group = first; group < end; group += GROUPS) {
            const struct covey__live w = {
                .groups = covey__min(GROUPS, end - group),
                .filters = filters + group * depth_channels * TAPS * g->lanes,
                .in = j->in + g->positions * from * count,
                .channels = depth_channels,
                .count = count,
                .buffer = buffer,
                .out = j->out + group * g->positions * count * g->lanes,
                .out_step = g->positions * count * g->lanes,
                .first = depth == 0,
            };
            j->kernels->live[g->tile](&w);
        }
    }
}

/* The results of one group to their places. */
static void finish(const struct job *j, size_t group, float *made)
{
    const struct covey__conv_shape *s = j->s;
    const struct geometry *g = &j->g;
    size_t channel = group * g->lanes, pixels = covey__pixels(s);
    size_t lanes = covey__min(g->lanes, s->out_channels - channel);
    struct covey__live_out out = {
        .in = j->out + group * g->positions * j->grid.count * g->lanes,
        .bias = j->call->bias != NULL ? j->call->bias + channel : NULL,
        .count = j->grid.count,
        .lanes = lanes,
        .out = made,
        .pitch = g->cols * g->outputs[1],
    };
    for (; out.first < j->grid.count; out.first = out.end) {
        struct covey__wino_segment seg = covey__wino_segment_at(&j->grid, out.first);
        size_t x = seg.col * g->outputs[1], y = seg.row * g->outputs[0];
        size_t to = (seg.image * s->out_channels + channel) * pixels + y * s->out_width + x;
        out.end = out.first + seg.count;
        j->kernels->live_out[g->tile](&out);
        const struct covey__live_store store = {
            .in = made,
            .rows = covey__min(g->outputs[0], s->out_height - y),
            .lanes = lanes,
            .pitch = out.pitch,
            .count = covey__min(seg.count * g->outputs[1], s->out_width - x),
            .residual = j->call->residual != NULL ? j->call->residual + to : NULL,
            .out = j->call->out + to,
            .plane = pixels,
            .out_pitch = s->out_width,
            .low = j->low,
            .high = j->high,
        };
        j->kernels->live_store(&store);
    }
}

static void out_part(void *ctx, size_t part, unsigned thread)
{
    const struct job *j = ctx;
    size_t pairs = covey__ceil_div(j->g.groups, GROUPS);
    size_t first = part * pairs / j->parts * GROUPS;
    size_t end = covey__min((part + 1) * pairs / j->parts * GROUPS, j->g.groups);
    float *scratch = j->scratch + thread * j->g.thread_floats;
    multiply(j, first, end, scratch);
    for (size_t group = first; group < end; group++) {
        finish(j, group, scratch);
    }
}

void covey__live_run(const struct covey__conv_call *call)
{
    const struct covey__conv_shape *s = &call->plan->shape;
    size_t threads = covey_threads_count(call->threads);
    struct job j = {
        .call = call,
        .s = s,
        .kernels = covey__kernels_of(call->plan->isa),
        .in = call->scratch,
    };
    geometry_init(&j.g, call->plan);
    covey__act_bounds(&call->act, &j.low, &j.high);
    j.out = j.in + in_floats(s, &j.g);
    j.scratch = j.out + j.g.groups * j.g.positions * j.g.block * j.g.lanes;
    j.parts = threads > 1 ? covey__min(covey__ceil_div(j.g.groups, GROUPS), 4 * threads) : 1;
    j.grid = (struct covey__wino_grid){
        .call = call,
        .outputs = {j.g.outputs[0], j.g.outputs[1]},
        .rows = j.g.rows,
        .cols = j.g.cols,
        .pitch = j.g.pitch,
    };
    for (; j.grid.first < j.g.total; j.grid.first += j.g.block) {
        j.grid.count = covey__min(j.g.block, j.g.total - j.grid.first);
        covey_threads_run(call->threads, s->in_channels, in_part, &j);
        covey_threads_run(call->threads, j.parts, out_part, &j);
    }
}
