/* SPDX-License-Identifier: MIT */
#include "train/conv_grad.h"

#include <string.h>

enum { ALIGN_FLOATS = 16 };

static uint64_t round_up(uint64_t floats)
{
    return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

bool covey__conv_input_grad_init(struct covey__conv_input_grad *out,
                                 const struct covey__conv_shape *s, unsigned threads)
{
    struct covey__conv_input_grad p = {.forward = *s};
    struct covey__conv_shape t = {.batch = s->batch,
                                  .in_channels = s->out_channels,
                                  .out_channels = s->in_channels,
                                  .groups = s->groups,
                                  .out_height = s->height,
                                  .out_width = s->width};
    const uint32_t in[2] = {s->height, s->width}, made[2] = {s->out_height, s->out_width};
    uint32_t spread[2];
    for (unsigned i = 0; i < 2; i++) {
        uint32_t extent = (s->kernel[i] - 1) * s->dilation[i];
        spread[i] = (made[i] - 1) * s->stride[i] + 1;
        /* Input rows behind the last window meet nothing but padding. */
        uint32_t before = extent - s->pads[i];
        uint32_t total = in[i] + extent;
        if (s->pads[i] > extent || total < spread[i] + before) {
            return false;
        }
        t.kernel[i] = s->kernel[i];
        t.stride[i] = 1;
        t.dilation[i] = s->dilation[i];
        t.pads[i] = before;
        t.pads_end[i] = total - spread[i] - before;
        p.spread = p.spread || s->stride[i] != 1;
    }
    t.height = spread[0];
    t.width = spread[1];
    covey__conv_plan_init(&p.plan, &t, false, threads);
    *out = p;
    return true;
}

static uint64_t weight_floats(const struct covey__conv_shape *s)
{
    return (uint64_t)s->out_channels * (s->in_channels / s->groups) * s->kernel[0] * s->kernel[1];
}

static uint64_t spread_floats(const struct covey__conv_input_grad *p)
{
    const struct covey__conv_shape *t = &p->plan.shape;
    return p->spread ? (uint64_t)t->batch * t->in_channels * t->height * t->width : 0;
}

uint64_t covey__conv_input_grad_scratch(const struct covey__conv_input_grad *p)
{
    return round_up(weight_floats(&p->forward)) + round_up(p->plan.packed_floats) +
           round_up(p->plan.scratch_floats) + round_up(spread_floats(p));
}

/* w'[g c' m' kh-1-i kw-1-j] = w[g m' c' i j] */
static void turn(const struct covey__conv_shape *s, const float *w, float *out)
{
    size_t filters = s->out_channels / s->groups, channels = s->in_channels / s->groups;
    size_t taps = (size_t)s->kernel[0] * s->kernel[1];
    for (size_t g = 0; g < s->groups; g++) {
        for (size_t m = 0; m < filters; m++) {
            for (size_t c = 0; c < channels; c++) {
                const float *from = w + ((g * filters + m) * channels + c) * taps;
                float *to = out + ((g * channels + c) * filters + m) * taps;
                for (size_t t = 0; t < taps; t++) {
                    to[taps - 1 - t] = from[t];
                }
            }
        }
    }
}

/* Zeros between the elements of each plane. */
static void spread_planes(const struct covey__conv_input_grad *p, const float *dy, float *out)
{
    const struct covey__conv_shape *s = &p->forward, *t = &p->plan.shape;
    size_t planes = (size_t)s->batch * s->out_channels;
    memset(out, 0, (size_t)spread_floats(p) * sizeof(float));
    for (size_t i = 0; i < planes; i++) {
        for (size_t y = 0; y < s->out_height; y++) {
            float *row = out + (i * t->height + y * s->stride[0]) * t->width;
            for (size_t x = 0; x < s->out_width; x++) {
                row[x * s->stride[1]] = *dy++;
            }
        }
    }
}

void covey__conv_input_grad_run(const struct covey__conv_input_grad *p,
                                const struct covey__conv_grad_call *call)
{
    float *weights = call->scratch;
    float *packed = weights + round_up(weight_floats(&p->forward));
    float *work = packed + round_up(p->plan.packed_floats);
    const float *dy = call->dy;
    turn(&p->forward, call->weights, weights);
    if (p->spread) {
        float *wide = work + round_up(p->plan.scratch_floats);
        spread_planes(p, dy, wide);
        dy = wide;
    }
    if (p->plan.packed_floats > 0) {
        covey__conv_pack(&p->plan, weights, packed);
    }
    struct covey__conv_call conv = {.plan = &p->plan,
                                    .weights = p->plan.packed_floats > 0 ? packed : weights,
                                    .in = dy,
                                    .scratch = work,
                                    .out = call->dx,
                                    .threads = call->threads};
    covey__conv_run(&conv);
}
