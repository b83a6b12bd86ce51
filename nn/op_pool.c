/* SPDX-License-Identifier: MIT */
#include "ops_window.h"

#include <math.h>

covey_err covey__infer_pool(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    const struct covey_op_attrs *a = c->attrs;
    if (x->rank != 4) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "only 2-D pooling");
    }
    struct covey_shape s = {4, {x->dims[0], x->dims[1]}};
    for (unsigned i = 0; i < 2; i++) {
        covey_err err = covey__window_size(a, i, x->dims[2 + i], &s.dims[2 + i], out_why);
        if (err != COVEY_OK) {
            return err;
        }
        uint32_t extent = (a->kernel[i] - 1) * a->dilation[i] + 1;
        if (a->pads[i] >= extent || a->pads_end[i] >= extent) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "padding as large as the window");
        }
    }
    out->shape = s;
    return COVEY_OK;
}

/* The taps of one window along one axis. */
struct span {
    int64_t start;
    uint32_t first, last; /* taps inside the input: [first, last) */
    uint32_t padded;      /* taps inside the input and its padding */
};

static struct span span_of(const struct covey_op_attrs *a, unsigned axis, uint32_t in, size_t at)
{
    struct span s = {.start = (int64_t)at * a->stride[axis] - a->pads[axis]};
    int64_t step = a->dilation[axis], kernel = a->kernel[axis];
    int64_t first = s.start < 0 ? (-s.start + step - 1) / step : 0;
    int64_t last = s.start < (int64_t)in ? ((int64_t)in - s.start + step - 1) / step : 0;
    int64_t padded = ((int64_t)in + a->pads_end[axis] - s.start + step - 1) / step;
    s.last = (uint32_t)(last < kernel ? last : kernel);
    s.first = (uint32_t)(first < s.last ? first : s.last);
    s.padded = (uint32_t)(padded < kernel ? padded : kernel);
    return s;
}

static float window_max(const float *plane, size_t width, const struct covey_op_attrs *a,
                        const struct span s[2])
{
    float best = -INFINITY;
    for (uint32_t i = s[0].first; i < s[0].last; i++) {
        const float *row = plane + (size_t)(s[0].start + (int64_t)i * a->dilation[0]) * width;
        for (uint32_t j = s[1].first; j < s[1].last; j++) {
            float v = row[s[1].start + (int64_t)j * a->dilation[1]];
            best = v > best ? v : best;
        }
    }
    return best;
}

static float window_mean(const float *plane, size_t width, const struct covey_op_attrs *a,
                         const struct span s[2])
{
    float sum = 0.0f;
    for (uint32_t i = s[0].first; i < s[0].last; i++) {
        const float *row = plane + (size_t)(s[0].start + (int64_t)i * a->dilation[0]) * width;
        for (uint32_t j = s[1].first; j < s[1].last; j++) {
            sum += row[s[1].start + (int64_t)j * a->dilation[1]];
        }
    }
    size_t count = a->count_include_pad
                       ? (size_t)s[0].padded * s[1].padded
                       : (size_t)(s[0].last - s[0].first) * (s[1].last - s[1].first);
    return count > 0 ? sum / (float)count : 0.0f;
}

typedef float (*window_fn)(const float *plane, size_t width, const struct covey_op_attrs *a,
                           const struct span s[2]);

static void pool(const struct covey__op_call *c, window_fn window)
{
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    size_t planes = (size_t)x->dims[0] * x->dims[1];
    float *out = covey__out(c);
    for (size_t p = 0; p < planes; p++) {
        const float *plane = covey__in(c, 0) + p * x->dims[2] * x->dims[3];
        for (size_t oy = 0; oy < y->dims[2]; oy++) {
            struct span s[2] = {span_of(c->attrs, 0, x->dims[2], oy)};
            for (size_t ox = 0; ox < y->dims[3]; ox++) {
                s[1] = span_of(c->attrs, 1, x->dims[3], ox);
                *out++ = window(plane, x->dims[3], c->attrs, s);
            }
        }
    }
}

void covey__op_maxpool(const struct covey__op_call *c)
{
    pool(c, window_max);
}

void covey__op_avgpool(const struct covey__op_call *c)
{
    pool(c, window_mean);
}

covey_err covey__infer_globalavgpool(const struct covey__op_call *c, struct covey_tensor *out,
                                     struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    if (x->rank < 3) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "global pooling needs rank 3 or more");
    }
    struct covey_shape s = *x;
    for (unsigned i = 2; i < s.rank; i++) {
        s.dims[i] = 1;
    }
    out->shape = s;
    return COVEY_OK;
}

void covey__op_globalavgpool(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    size_t planes = covey__shape_range(x, 0, 2), pixels = covey__shape_range(x, 2, x->rank);
    for (size_t p = 0; p < planes; p++) {
        double sum = 0.0;
        for (size_t i = 0; i < pixels; i++) {
            sum += covey__in(c, 0)[p * pixels + i];
        }
        covey__out(c)[p] = (float)(sum / (double)pixels);
    }
}
