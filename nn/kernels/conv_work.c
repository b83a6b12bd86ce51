/* SPDX-License-Identifier: MIT */
#include "conv_private.h"
#include "winograd.h"
#include "winograd_live.h"

/* What takes as long as so many floating-point operations of a large product (measured with
 * AVX-512, where 16 operations take 0.1 ns; what is not a product follows the vectors' width much
 * as products do). */
enum {
    READ = 24,        /* an element of the input that a product reads once */
    PREPARE = 48,     /* an element copied with padding or by phases */
    UNROLL = 32,      /* an element of the unrolled input */
    WRITE = 24,       /* an element made, or added as a residual */
    WRITE_FAR = 56,   /* the same where the second cache does not hold them */
    LIVE_FILTER = 10, /* two elements of filters transformed on the way */
    LIVE_TILE = 5,    /* their use in one tile */
    LIVE_HIDDEN = 2,  /* one part of so many of the time to read weights counts */
    DIRECT = 32,      /* an element made from 9 taps */
    CHANNEL = 11200,  /* a channel of a depthwise convolution */
    PLANE = 3500,     /* a channel that is prepared */
    LONE = 2,         /* part of the product that strips of one vector take longer */
    NEAR_FLOATS = 1 << 19,
    ROWS_FILTERS = 32, /* rows of more filters are written far apart */
    STREAMED = 3,      /* quarters of the time to read weights that computing does not hide */
    ONCE = 2,          /* the same of fewer weights */
    ALL = 4,
};

/* Of transforming tiles. Lines and channels are what small maps cost besides: least squares over
 * 169 shapes that are transformed beforehand and 119 on the way, of 16 to 512 channels with 7 to
 * 112 rows, differ 6 and 7 % from what was measured; far is from VGG-19's first layers. With
 * other vectors small maps were not looked at but by AVX2, where most were within a quarter. */
struct transform {
    uint64_t element; /* of a tile, in or out */
    uint64_t line;    /* a vector of pixels in a row of a tile, taken apart or put together */
    uint64_t channel;
    uint64_t far; /* a pixel, in or out, that the second cache does not hold, besides writing it */
};

static uint64_t in_floats(const struct covey__conv_shape *s)
{
    return (uint64_t)s->batch * s->in_channels * s->height * s->width;
}

static uint64_t out_floats(const struct covey__conv_shape *s)
{
    return (uint64_t)s->batch * s->out_channels * covey__pixels(s);
}

/* What a cache has room for is read from memory once, and further ahead of what is computed: since
 * the last request the cache was for others, or all of a network's weights were too many. */
static uint64_t stream(uint64_t weights, uint64_t times)
{
    uint64_t bytes = weights * sizeof(float);
    return weights >= COVEY__WARM_FLOATS ? bytes * times * STREAMED / ALL : bytes * ONCE / ALL;
}

static uint64_t far_floats(uint64_t floats)
{
    return floats > NEAR_FLOATS ? floats : 0;
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
    uint64_t cost =
        prep->copies ? prepared * PREPARE + (uint64_t)s->batch * s->in_channels * PLANE : 0;
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
    bool lone = rows && s->out_width <= kernels->lanes;
    uint64_t product = 2 * s->batch * weights * columns;
    out->flops = product + (lone ? product / LONE : 0) + read_cost(s, &prep, !rows) +
                 (far ? write_cost(written) : written * WRITE);
    out->bytes = stream(weights, at_once ? 1 : s->batch);
}

/* A tile of 6 x 6 does not fit into 16 registers. */
static struct transform transform_of(enum covey__isa isa)
{
    switch (isa) {
    case COVEY__ISA_AVX512:
        return (struct transform){.element = 13, .line = 1500, .channel = 8000, .far = 30};
    case COVEY__ISA_NEON:
        return (struct transform){.element = 45};
    case COVEY__ISA_AVX2:
    case COVEY__ISA_PORTABLE:
        break;
    }
    return (struct transform){.element = 180};
}

static void winograd_work(const struct covey__conv_plan *plan, struct covey__conv_work *out)
{
    const struct covey__conv_shape *s = &plan->shape;
    const struct transform transform = transform_of(plan->isa);
    size_t outputs = plan->algorithm == COVEY__CONV_WINOGRAD4 ? 4 : 2, edge = outputs + 2;
    size_t positions = edge * edge, lanes = covey__kernels_of(plan->isa)->lanes;
    size_t tiles, columns, blocks;
    covey__winograd_tiles(plan, &tiles, &columns, &blocks);
    uint64_t channels = (uint64_t)s->in_channels + s->out_channels;
    uint64_t weights = (uint64_t)positions * s->in_channels * s->out_channels;
    uint64_t rows = (uint64_t)s->batch * covey__ceil_div(s->out_height, outputs);
    uint64_t vectors = rows * covey__ceil_div(covey__ceil_div(s->out_width, outputs), lanes);
    uint64_t lines = vectors * (s->in_channels * edge + s->out_channels * outputs);
    uint64_t far = far_floats(in_floats(s)) + far_floats(out_floats(s));
    out->flops = 2 * weights * columns + positions * columns * channels * transform.element +
                 lines * transform.line + channels * transform.channel + far * transform.far +
                 write_cost(in_floats(s)) + write_cost(out_floats(s));
    out->bytes = stream(weights, blocks);
}

static struct transform live_transform_of(enum covey__isa isa)
{
    return isa == COVEY__ISA_AVX512 ? (struct transform){.element = 50, .channel = 16000}
                                    : (struct transform){.element = 96};
}

/* Filters are transformed while the next ones come from memory. */
static void live_work(const struct covey__conv_plan *plan, struct covey__conv_work *out)
{
    const struct covey__conv_shape *s = &plan->shape;
    const struct transform transform = live_transform_of(plan->isa);
    struct covey__live_size size;
    covey__live_size(s, &size);
    size_t lanes = covey__kernels_of(plan->isa)->lanes;
    uint64_t filters = (uint64_t)covey__round_up(s->out_channels, lanes) * s->in_channels;
    uint64_t channels = (uint64_t)s->in_channels + s->out_channels;
    out->flops =
        filters * size.positions * (LIVE_FILTER * size.blocks + LIVE_TILE * size.tiles) / 2 +
        size.positions * size.tiles * channels * transform.element + channels * transform.channel +
        write_cost(in_floats(s)) + write_cost(out_floats(s));
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
