/* SPDX-License-Identifier: MIT */
#include "conv_private.h"

/* Offsets of one kernel's taps that fit on the stack; larger kernels use another algorithm. */
enum { TAPS_MAX = 128 };

struct job {
    const struct covey__conv_call *call;
    const struct covey__conv_shape *s;
    const struct covey__kernels *kernels;
    struct covey__prep prep;
    size_t offsets[TAPS_MAX];
    size_t three_step;
    float low, high;
};

/* A vector's load may run past the last row. */
static uint64_t thread_floats(const struct covey__conv_shape *s)
{
    struct covey__prep prep;
    covey__prep_init(&prep, s);
    uint64_t plane = (uint64_t)prep.rows * prep.phases * prep.pitch;
    return covey__whole_vectors(plane + COVEY__LANES_MAX);
}

void covey__depthwise_plan(struct covey__conv_plan *plan)
{
    plan->packed_floats = 0;
    plan->scratch_floats = plan->threads * thread_floats(&plan->shape);
}

/* One channel of one image. */
static void run_part(void *ctx, size_t part, unsigned thread)
{
    const struct job *j = ctx;
    const struct covey__conv_shape *s = j->s;
    const struct covey__conv_call *call = j->call;
    size_t channel = part % s->out_channels, taps = covey__taps(s), pixels = covey__pixels(s);
    float *plane = call->scratch + thread * thread_floats(s);
    covey__prep_plane(&j->prep, s, j->kernels, call->in + part * s->height * s->width, plane);
    const struct covey__depthwise d = {
        .in = plane,
        .weights = call->weights + channel * taps,
        .offsets = j->offsets,
        .taps = taps,
        .in_pitch = j->prep.row_pitch,
        .three_step = j->three_step,
        .rows = s->out_height,
        .cols = s->out_width,
        .bias = call->bias != NULL ? call->bias[channel] : 0.0f,
        .residual = call->residual != NULL ? call->residual + part * pixels : NULL,
        .out = call->out + part * pixels,
        .low = j->low,
        .high = j->high,
    };
    j->kernels->depthwise(&d);
}

void covey__depthwise_run(const struct covey__conv_call *call)
{
    const struct covey__conv_shape *s = &call->plan->shape;
    struct job j = {
        .call = call,
        .s = s,
        .kernels = covey__kernels_of(call->plan->isa),
    };
    covey__prep_init(&j.prep, s);
    covey__act_bounds(&call->act, &j.low, &j.high);
    if (s->kernel[0] == 3 && s->kernel[1] == 3 && s->dilation[0] == 1 && s->stride[0] <= 2) {
        j.three_step = s->stride[0];
    }
    for (size_t tap = 0; tap < covey__taps(s); tap++) {
        j.offsets[tap] = covey__prep_tap(&j.prep, s, tap);
    }
    covey_threads_run(call->threads, (size_t)s->batch * s->out_channels, run_part, &j);
}
