/* SPDX-License-Identifier: MIT */
#include "conv_private.h"
#include "winograd.h"
#include "winograd_live.h"

/* What takes as long as so many floating-point operations of a large product (measured with
 * AVX-512, where 16 operations take 0.1 ns; what is not a product follows the vectors' width much
 * as products do). */
enum {
    READ = 24,      /* an element of the input that a product reads once */
    PREPARE = 48,   /* an element copied with padding or by phases */
    UNROLL = 32,    /* an element of the unrolled input */
    WRITE = 24,     /* an element made, or added as a residual */
    WRITE_FAR = 56, /* the same where the second cache does not hold them */
    TRANSFORM = 45, /* an element of a transformed tile, in or out */
    TRANSFORM_FEW_REGISTERS = 180,
    LIVE_FILTER = 10,    /* two elements of filters transformed on the way */
    LIVE_TILE = 5,       /* their use in one tile */
    LIVE_TRANSFORM = 96, /* an element of a tile then */
    LIVE_HIDDEN = 2,     /* one part of so many of the time to read weights counts */
    DIRECT = 32,         /* an element made from 9 taps */
    CHANNEL = 11200,     /* a channel of a depthwise convolution */
    NEAR_FLOATS = 1 << 19,
    ROWS_FILTERS = 32, /* rows of more filters are written far apart */
    STREAMED = 3,      /* quarters of the time to read weights that computing does not hide */
    ALL = 4,
};

static uint64_t in_floats(const struct covey__conv_shape *s)
{
    return (uint64_t)s->batch * s->in_channels * s->height * s->width;
}

static uint64_t out_floats(const struct covey__conv_shape *s)
{
    return (uint64_t)s->batch * s->out_channels * covey__pixels(s);
}

/* Weights that a cache keeps from run to run cost nothing. */
static uint64_t stream(uint64_t weights, uint64_t times)
{
    return weights >= COVEY__WARM_FLOATS ? weights * times * sizeof(float) * STREAMED / ALL : 0;
}

static uint64_t write_cost(uint64_t floats)
{
    return floats * (floats > NEAR_FLOATS ? WRITE_FAR : WRITE);
}

static uint64_t read_cost(const struct covey__conv_shape *s, const struct covey__prep *prep,
                          bool unrolls)
{
    uint64_t taps = covey__taps(s);
    uint64_t unrolled =
        (uint64_t)s->batch * (s->in_channels / s->groups * taps) * s->groups * covey__pixels(s);
    uint64_t prepared = (uint64_t)s->batch * s->in_channels * prep->plane;
    uint64_t cost = prep->copies ? prepared * PREPARE : 0;
    return taps == 1 ? cost + unrolled * READ : cost + (unrolls ? unrolled * UNROLL : 0);
}

static void packed_work(const struct covey__conv_plan *plan, struct covey__conv_work *out)
{
    const struct covey__conv_shape *s = &plan->shape;
    const struct covey__kernels *kernels = covey__kernels_of(plan->isa);
    uint64_t k = (uint64_t)s->in_channels / s->groups * covey__taps(s);
    uint64_t weights = covey__round_up(s->out_channels / s->groups, kernels->mr) * s->groups * k;
    size_t pixels = covey__pixels(s), whole = COVEY__STRIP_VECS * kernels->lanes;
    bool rows = covey__rows_fit(plan), at_once = s->batch > 1 && pixels <= 512;
    uint64_t columns = rows      ? s->out_height * covey__round_up(s->out_width, kernels->lanes)
                       : at_once ? covey__round_up(s->batch * pixels, kernels->lanes) / s->batch
                       : pixels == whole + kernels->extra ? pixels
                                                          : covey__round_up(pixels, kernels->lanes);
    struct covey__prep prep;
    covey__prep_init(&prep, s);
    uint64_t written = out_floats(s);
    bool far = rows && s->out_channels / s->groups > ROWS_FILTERS;
    out->flops = 2 * s->batch * weights * columns + read_cost(s, &prep, !rows) +
                 (far ? write_cost(written) : written * WRITE);
    out->bytes = stream(weights, at_once ? 1 : s->batch);
}

/* A tile of 6 x 6 does not fit into 16 registers. */
static uint64_t transform_cost(enum covey__isa isa)
{
    return isa == COVEY__ISA_AVX512 || isa == COVEY__ISA_NEON ? TRANSFORM : TRANSFORM_FEW_REGISTERS;
}

static void winograd_work(const struct covey__conv_plan *plan, struct covey__conv_work *out)
{
    const struct covey__conv_shape *s = &plan->shape;
    size_t positions = plan->algorithm == COVEY__CONV_WINOGRAD4 ? 36 : 16, tiles, columns, blocks;
    covey__winograd_tiles(plan, &tiles, &columns, &blocks);
    uint64_t weights = (uint64_t)positions * s->in_channels * s->out_channels;
    uint64_t elements = (uint64_t)positions * tiles * ((uint64_t)s->in_channels + s->out_channels);
    out->flops = 2 * weights * columns + elements * transform_cost(plan->isa) +
                 write_cost(in_floats(s)) + write_cost(out_floats(s));
    out->bytes = stream(weights, blocks);
}

/* Filters are transformed while the next ones come from memory. */
static void live_work(const struct covey__conv_plan *plan, struct covey__conv_work *out)
{
    const struct covey__conv_shape *s = &plan->shape;
    struct covey__live_size size;
    covey__live_size(s, &size);
    size_t lanes = covey__kernels_of(plan->isa)->lanes;
    uint64_t filters = (uint64_t)covey__round_up(s->out_channels, lanes) * s->in_channels;
    uint64_t elements = size.positions * size.tiles * ((uint64_t)s->in_channels + s->out_channels);
    out->flops =
        filters * size.positions * (LIVE_FILTER * size.blocks + LIVE_TILE * size.tiles) / 2 +
        elements * LIVE_TRANSFORM + write_cost(in_floats(s)) + write_cost(out_floats(s));
    out->bytes = stream(9 * filters, size.blocks) / LIVE_HIDDEN;
}

static void depthwise_work(const struct covey__conv_plan *plan, struct covey__conv_work *out)
{
    const struct covey__conv_shape *s = &plan->shape;
    out->flops = in_floats(s) * PREPARE + out_floats(s) * DIRECT * covey__taps(s) / 9 +
                 (uint64_t)s->batch * s->out_channels * CHANNEL;
    out->bytes = 0;
}

/* OpenBLAS, on strips that are written out and finished afterwards. */
static void im2col_work(const struct covey__conv_plan *plan, struct covey__conv_work *out)
{
    const struct covey__conv_shape *s = &plan->shape;
    uint64_t k = (uint64_t)s->in_channels / s->groups * covey__taps(s);
    uint64_t weights = (uint64_t)s->out_channels * k;
    struct covey__prep prep;
    covey__prep_init(&prep, s);
    uint64_t product = 2 * s->batch * weights * covey__round_up(covey__pixels(s), 16);
    out->flops = product + product / 4 + read_cost(s, &prep, true) + 2 * write_cost(out_floats(s));
    out->bytes = stream(weights, s->batch);
}

void covey__conv_work(const struct covey__conv_plan *plan, bool residual,
                      struct covey__conv_work *out)
{
    switch (plan->algorithm) {
    case COVEY__CONV_IM2COL:
        im2col_work(plan, out);
        break;
    case COVEY__CONV_PACKED:
        packed_work(plan, out);
        break;
    case COVEY__CONV_WINOGRAD2:
    case COVEY__CONV_WINOGRAD4:
        winograd_work(plan, out);
        break;
    case COVEY__CONV_WINOGRAD_LIVE:
        live_work(plan, out);
        break;
    case COVEY__CONV_DEPTHWISE:
        depthwise_work(plan, out);
        break;
    }
    out->flops += residual ? out_floats(&plan->shape) * WRITE : 0;
}
