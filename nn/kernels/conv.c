/* SPDX-License-Identifier: MIT */
#include "conv.h"

#include <math.h>

#include "conv_private.h"
#include "winograd.h"
#include "winograd_live.h"

enum {
    DEPTHWISE_TAPS_MAX = 128,
    ACT_PART = 1 << 14,
    /* F(4x4, 3x3) makes weights four times as large: where they are most of the model, as behind
     * the last poolings, F(2x2, 3x3) with 1.8 times has to do. */
    FEW_PIXELS = 196,
    MANY_WEIGHTS = 1 << 17,
};

static bool depthwise_fits(const struct covey__conv_shape *s)
{
    return s->groups == s->in_channels && s->groups == s->out_channels &&
           covey__taps(s) <= DEPTHWISE_TAPS_MAX;
}

bool covey__conv_fits(const struct covey__conv_shape *shape, enum covey__conv_algorithm algorithm)
{
    switch (algorithm) {
    case COVEY__CONV_IM2COL:
    case COVEY__CONV_PACKED:
        return true;
    case COVEY__CONV_WINOGRAD2:
    case COVEY__CONV_WINOGRAD4:
    case COVEY__CONV_WINOGRAD_LIVE:
        return covey__winograd_fits(shape);
    case COVEY__CONV_DEPTHWISE:
        return depthwise_fits(shape);
    }
    return false;
}

/* Estimated cycles, as measured with AVX-512: two products of 16 lanes in each, while weights come
 * from memory at 3.5 bytes in each. */
static double product_cycles(double weights, size_t columns)
{
    double compute = weights * (double)columns / 32.0, stream = weights * 4.0 / 3.5;
    return compute > stream ? compute : stream;
}

/* Unrolling and the blocks of a long k cost about a quarter. */
static double packed_cycles(const struct covey__conv_shape *s)
{
    double weights = (double)s->out_channels * s->in_channels * (double)covey__taps(s);
    size_t columns = covey__round_up(covey__pixels(s), COVEY__LANES_MAX);
    return 1.25 * product_cycles(weights, columns) * s->batch;
}

/* Reading each transformed weight, as far as multiplying does not hide it. */
#define WINOGRAD_WEIGHT 0.86

static double winograd_cycles(const struct covey__conv_shape *s, size_t outputs)
{
    size_t positions = (outputs + 2) * (outputs + 2);
    size_t tiles =
        covey__ceil_div(s->out_height, outputs) * covey__ceil_div(s->out_width, outputs) * s->batch;
    bool strip = tiles == COVEY__STRIP_COLS + 1; /* 49: one strip takes them */
    size_t columns = strip ? tiles : covey__round_up(tiles, COVEY__LANES_MAX);
    double weights = (double)positions * s->out_channels * s->in_channels;
    double transform = (double)positions * (double)(s->in_channels + s->out_channels);
    double product = weights * (double)columns / 32.0 + WINOGRAD_WEIGHT * weights;
    return product + 0.5 * transform * (double)columns;
}

/* Filters, 16 in each vector: every position is made in 1.5 cycles and multiplied in 0.78 a tile.
 */
static double live_cycles(const struct covey__conv_shape *s)
{
    struct covey__live_size size;
    covey__live_size(s, &size);
    double vectors = (double)s->in_channels * (double)covey__ceil_div(s->out_channels, 16);
    double tiles = (double)size.tiles, blocks = (double)size.blocks;
    double compute = vectors * (double)size.positions * (1.5 * blocks + 0.78 * tiles);
    double stream = vectors * 16.0 * 9.0 * 4.0 / 4.0 * blocks;
    double transform = (double)size.positions * tiles * ((double)s->in_channels + s->out_channels);
    return (compute > stream ? compute : stream) + 2.0 * transform;
}

double covey__conv_cycles(const struct covey__conv_shape *shape,
                          enum covey__conv_algorithm algorithm)
{
    bool winograd = algorithm == COVEY__CONV_WINOGRAD2 || algorithm == COVEY__CONV_WINOGRAD4;
    if (algorithm == COVEY__CONV_WINOGRAD_LIVE) {
        return live_cycles(shape);
    }
    return winograd ? winograd_cycles(shape, algorithm == COVEY__CONV_WINOGRAD4 ? 4 : 2)
                    : packed_cycles(shape);
}

static enum covey__conv_algorithm choose(const struct covey__conv_shape *s)
{
    if (depthwise_fits(s)) {
        return COVEY__CONV_DEPTHWISE;
    }
    if (!covey__winograd_fits(s)) {
        return COVEY__CONV_PACKED;
    }
    double packed = packed_cycles(s);
    double two = winograd_cycles(s, 2), four = winograd_cycles(s, 4), live = live_cycles(s);
    bool bulky =
        covey__pixels(s) <= FEW_PIXELS && (size_t)s->in_channels * s->out_channels > MANY_WEIGHTS;
    if (packed <= two && packed <= four && packed <= live) {
        return COVEY__CONV_PACKED;
    }
    if (live <= two && (live <= four || bulky)) {
        return COVEY__CONV_WINOGRAD_LIVE;
    }
    return two < four || bulky ? COVEY__CONV_WINOGRAD2 : COVEY__CONV_WINOGRAD4;
}

void covey__conv_plan_init(struct covey__conv_plan *out, const struct covey__conv_shape *shape,
                           bool small, unsigned threads)
{
    enum covey__conv_algorithm algorithm = choose(shape);
    if (small && algorithm != COVEY__CONV_DEPTHWISE) {
        algorithm = COVEY__CONV_IM2COL;
    }
    covey__conv_plan_with(out, shape, algorithm, threads);
}

void covey__conv_plan_with(struct covey__conv_plan *out, const struct covey__conv_shape *shape,
                           enum covey__conv_algorithm algorithm, unsigned threads)
{
    *out = (struct covey__conv_plan){
        .shape = *shape,
        .algorithm = algorithm,
        .threads = threads,
        .isa = covey__cpu_isa(),
    };
    covey__conv_plan_isa(out, out->isa);
}

void covey__conv_plan_isa(struct covey__conv_plan *plan, enum covey__isa isa)
{
    plan->isa = isa;
    switch (plan->algorithm) {
    case COVEY__CONV_IM2COL:
        covey__conv_im2col_plan(plan);
        break;
    case COVEY__CONV_PACKED:
        covey__packed_plan(plan);
        break;
    case COVEY__CONV_WINOGRAD2:
    case COVEY__CONV_WINOGRAD4:
        covey__winograd_plan(plan);
        break;
    case COVEY__CONV_WINOGRAD_LIVE:
        covey__live_plan(plan);
        break;
    case COVEY__CONV_DEPTHWISE:
        covey__depthwise_plan(plan);
        break;
    }
}

void covey__conv_pack(const struct covey__conv_plan *plan, const float *weights, float *packed)
{
    switch (plan->algorithm) {
    case COVEY__CONV_IM2COL:
    case COVEY__CONV_DEPTHWISE:
        break;
    case COVEY__CONV_PACKED:
        covey__packed_pack(plan, weights, packed);
        break;
    case COVEY__CONV_WINOGRAD2:
    case COVEY__CONV_WINOGRAD4:
        covey__winograd_pack(plan, weights, packed);
        break;
    case COVEY__CONV_WINOGRAD_LIVE:
        covey__live_pack(plan, weights, packed);
        break;
    }
}

void covey__act_bounds(const struct covey__act *act, float *out_low, float *out_high)
{
    *out_low = act->kind == COVEY_ACT_RELU ? 0.0f : -INFINITY;
    *out_high = INFINITY;
    if (act->kind == COVEY_ACT_CLIP) {
        *out_low = act->low;
        *out_high = act->high;
    }
}

static bool clamps(enum covey_act kind)
{
    return kind == COVEY_ACT_NONE || kind == COVEY_ACT_RELU || kind == COVEY_ACT_CLIP;
}

static size_t outputs(const struct covey__conv_shape *s)
{
    return s->batch * (s->out_channels * covey__pixels(s));
}

static void act_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct covey__conv_call *call = ctx;
    size_t first = part * ACT_PART, count = outputs(&call->plan->shape) - first;
    covey__act_run(call->act, call->out + first, covey__min(count, ACT_PART));
}

void covey__conv_run(const struct covey__conv_call *call)
{
    switch (call->plan->algorithm) {
    case COVEY__CONV_IM2COL:
        covey__conv_im2col_run(call);
        break;
    case COVEY__CONV_PACKED:
        covey__packed_run(call);
        break;
    case COVEY__CONV_WINOGRAD2:
    case COVEY__CONV_WINOGRAD4:
        covey__winograd_run(call);
        break;
    case COVEY__CONV_WINOGRAD_LIVE:
        covey__live_run(call);
        break;
    case COVEY__CONV_DEPTHWISE:
        covey__depthwise_run(call);
        break;
    }
    if (!clamps(call->act.kind)) {
        size_t parts = covey__ceil_div(outputs(&call->plan->shape), ACT_PART);
        struct covey__conv_call ctx = *call;
        covey_threads_run(call->threads, parts, act_part, &ctx);
    }
}
