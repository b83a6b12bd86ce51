/* SPDX-License-Identifier: MIT */
#include "conv_private.h"

/* Input pixels along one axis that the outputs reach, padding included. */
static size_t reach(const struct covey__conv_shape *s, int axis)
{
    size_t outputs = axis == 0 ? s->out_height : s->out_width;
    return (outputs - 1) * s->stride[axis] + (size_t)(s->kernel[axis] - 1) * s->dilation[axis] + 1;
}

void covey__prep_init(struct covey__prep *out, const struct covey__conv_shape *s)
{
    size_t tall = reach(s, 0), wide = reach(s, 1);
    out->copies =
        s->pads[0] > 0 || s->pads[1] > 0 || s->stride[1] > 1 || tall > s->height || wide > s->width;
    if (!out->copies) {
        out->row_step = 1;
        out->phases = 1;
        out->rows = s->height;
        out->pitch = s->width;
    } else {
        out->row_step = s->kernel[0] == 1 ? s->stride[0] : 1;
        out->rows = s->kernel[0] == 1 ? s->out_height : tall;
        out->phases = s->kernel[1] == 1 ? 1 : s->stride[1];
        out->pitch = covey__ceil_div(wide, s->stride[1]);
    }
    out->plane = out->rows * out->phases * out->pitch;
    out->row_pitch = s->stride[0] / out->row_step * out->phases * out->pitch;
    out->linear = covey__taps(s) == 1 && (out->row_pitch == s->out_width || s->out_height == 1);
}

uint64_t covey__prep_floats(const struct covey__prep *p, uint64_t planes)
{
    uint64_t plane = (uint64_t)p->rows * p->phases * p->pitch;
    return p->copies ? covey__whole_vectors(plane * planes) : 0;
}

size_t covey__prep_tap(const struct covey__prep *p, const struct covey__conv_shape *s, size_t tap)
{
    size_t y = tap / s->kernel[1] * s->dilation[0], x = tap % s->kernel[1] * s->dilation[1];
    return (y * p->phases + x % p->phases) * p->pitch + x / p->phases;
}

void covey__prep_plane(const struct covey__prep *p, const struct covey__conv_shape *s,
                       const struct covey__kernels *kernels, const float *in, float *out)
{
    const struct covey__split split = {
        .in = in,
        .size = {s->height, s->width},
        .first = {-(int64_t)s->pads[0], -(int64_t)s->pads[1]},
        .rows = p->rows,
        .step = p->row_step,
        .stride = s->stride[1],
        .phases = p->phases,
        .count = p->pitch,
        .out = out,
        .row_pitch = p->phases * p->pitch,
        .pitch = p->pitch,
    };
    kernels->split(&split);
}

struct planes {
    const struct covey__conv_shape *shape;
    const struct covey__prep *prep;
    const struct covey__kernels *kernels;
    const float *in;
    float *out;
};

static void plane_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct planes *p = ctx;
    size_t pixels = (size_t)p->shape->height * p->shape->width;
    covey__prep_plane(p->prep, p->shape, p->kernels, p->in + part * pixels,
                      p->out + part * p->prep->plane);
}

void covey__prep_planes(const struct covey__conv_call *call, const struct covey__prep *p,
                        size_t first, size_t planes, float *out)
{
    const struct covey__conv_shape *s = &call->plan->shape;
    struct planes ctx = {
        .shape = s,
        .prep = p,
        .kernels = covey__kernels_of(call->plan->isa),
        .in = call->in + first * s->height * s->width,
        .out = out,
    };
    covey_threads_run(call->threads, planes, plane_part, &ctx);
}
