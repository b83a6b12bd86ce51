/* SPDX-License-Identifier: MIT */
#include "conv_private.h"

#include "gemm.h"

/* 4 MiB of floats: a strip is unrolled and used while it is warm, and memory stays small. */
enum { STRIP_FLOATS = 1 << 20 };

struct job {
    const struct covey__conv_call *call;
    const struct covey__conv_shape *s;
    const struct covey__kernels *kernels;
    struct covey__prep prep;
    const float *in;
    float *scratch;
    size_t m, k, pixels, strip, strips; /* of one group; strip: columns in one */
    size_t image;
    float low, high;
};

static size_t strip_columns(const struct covey__conv_shape *s)
{
    size_t rows = s->in_channels / s->groups * covey__taps(s) + s->out_channels / s->groups;
    size_t columns = rows < STRIP_FLOATS ? STRIP_FLOATS / rows : 1;
    columns = covey__min(columns, covey__pixels(s));
    return covey__round_up(columns, COVEY__STRIP_COLS);
}

static uint64_t thread_floats(const struct covey__conv_shape *s)
{
    size_t rows = s->in_channels / s->groups * covey__taps(s) + s->out_channels / s->groups;
    return (uint64_t)rows * strip_columns(s);
}

static uint64_t prep_floats(const struct covey__conv_shape *s)
{
    struct covey__prep prep;
    covey__prep_init(&prep, s);
    return covey__prep_floats(&prep, s->in_channels);
}

void covey__conv_im2col_plan(struct covey__conv_plan *plan)
{
    plan->packed_floats = 0;
    plan->scratch_floats = prep_floats(&plan->shape) + plan->threads * thread_floats(&plan->shape);
}

/* Where each pixel of columns [range[0], range[0] + range[1]) lies; returns the count. */
static size_t find_runs(const struct job *j, const size_t range[2], struct covey__run *runs)
{
    size_t lanes = j->kernels->lanes, width = j->s->out_width, count = 0;
    for (size_t i = 0; i < range[1];) {
        size_t y = (range[0] + i) / width, x = (range[0] + i) % width;
        size_t n = covey__min(covey__min(width - x, range[1] - i), lanes - i % lanes);
        runs[count++] = (struct covey__run){
            .src = y * j->prep.row_pitch + x, .dst = (uint32_t)i, .count = (uint32_t)n};
        i += n;
    }
    return count;
}

/* out [k x strip], columns [range[0], range[0] + range[1]) of the unrolled input. */
static void unroll(const struct job *j, const float *in, const size_t range[2], float *out)
{
    size_t taps = covey__taps(j->s), channels = j->k / taps;
    struct covey__run runs[COVEY__STRIP_COLS];
    struct covey__unroll u = {.plane = j->prep.plane, .run = runs};
    for (size_t i = 0; i < range[1]; i += COVEY__STRIP_COLS) {
        const size_t part[2] = {range[0] + i, covey__min(COVEY__STRIP_COLS, range[1] - i)};
        u.runs = find_runs(j, part, runs);
        for (size_t tap = 0; tap < taps; tap++) {
            u.in = in + covey__prep_tap(&j->prep, j->s, tap);
            j->kernels->unroll(&u, channels, taps * j->strip, out + tap * j->strip + i);
        }
    }
}

/* One row of the result gets bias, residual and bounds. */
static void finish_row(const struct job *j, const float *from, const size_t at[2], size_t cols)
{
    const float *residual = j->call->residual;
    float bias = j->call->bias != NULL ? j->call->bias[at[0]] : 0.0f;
    size_t to = (j->image * j->s->out_channels + at[0]) * j->pixels + at[1];
    for (size_t i = 0; i < cols; i++) {
        float a = from[i] + bias + (residual != NULL ? residual[to + i] : 0.0f);
        a = a < j->low ? j->low : a;
        j->call->out[to + i] = a > j->high ? j->high : a;
    }
}

static void run_part(void *ctx, size_t part, unsigned thread)
{
    const struct job *j = ctx;
    size_t group = part / j->strips, col = part % j->strips * j->strip;
    size_t cols = covey__min(j->strip, j->pixels - col);
    float *b = j->scratch + thread * thread_floats(j->s), *c = b + j->k * j->strip;
    const float *in = j->in + group * (j->s->in_channels / j->s->groups) * j->prep.plane;
    struct covey__gemm p = {
        .m = j->m,
        .n = cols,
        .k = j->k,
        .a = j->call->weights + group * j->m * j->k,
        .lda = j->k,
        .b = b,
        .ldb = j->strip,
        .c = c,
        .ldc = j->strip,
    };
    if (j->prep.linear) {
        p.b = in + col;
        p.ldb = j->prep.plane;
    } else {
        const size_t range[2] = {col, cols};
        unroll(j, in, range, b);
    }
    covey__gemm(&p);
    for (size_t row = 0; row < j->m; row++) {
        const size_t at[2] = {group * j->m + row, col};
        finish_row(j, c + row * j->strip, at, cols);
    }
}

void covey__conv_im2col_run(const struct covey__conv_call *call)
{
    const struct covey__conv_shape *s = &call->plan->shape;
    struct job j = {
        .call = call,
        .s = s,
        .kernels = covey__kernels_of(call->plan->isa),
        .scratch = call->scratch + prep_floats(s),
        .m = s->out_channels / s->groups,
        .k = s->in_channels / s->groups * covey__taps(s),
        .pixels = covey__pixels(s),
        .strip = strip_columns(s),
    };
    covey__prep_init(&j.prep, s);
    covey__act_bounds(&call->act, &j.low, &j.high);
    j.strips = covey__ceil_div(j.pixels, j.strip);
    for (; j.image < s->batch; j.image++) {
        size_t first = j.image * s->in_channels;
        j.in = call->in + first * s->height * s->width;
        if (j.prep.copies) {
            covey__prep_planes(call, &j.prep, first, s->in_channels, call->scratch);
            j.in = call->scratch;
        }
        covey_threads_run(call->threads, s->groups * j.strips, run_part, &j);
    }
}
