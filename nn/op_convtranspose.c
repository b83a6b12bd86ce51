/* SPDX-License-Identifier: MIT */
#include "gemm.h"
#include "ops_layer.h"

enum { STRIP_FLOATS = 1 << 20, ATTRIBUTE_MAX = 4096, AXES = COVEY_SPATIAL_MAX };

/* Fewer dimensions are three of which the first have size 1. */
struct geometry {
    size_t batch, groups, in_channels, out_channels; /* of one group */
    size_t in[AXES], out[AXES], kernel[AXES], stride[AXES], dilation[AXES], pads[AXES];
};

/* stride (in - 1) + out_pad + (kernel - 1) dilation + 1 - pads */
static covey_err size_of(const struct covey_op_attrs *a, unsigned axis, uint32_t in,
                         uint32_t *out_size, struct covey_nn_error *out_why)
{
    const uint32_t all[] = {a->kernel[axis], a->stride[axis],   a->dilation[axis],
                            a->pads[axis],   a->pads_end[axis], a->out_pads[axis]};
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] > ATTRIBUTE_MAX || (i < 3 && all[i] == 0)) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "window attributes out of range");
        }
    }
    int64_t size = (int64_t)a->stride[axis] * ((int64_t)in - 1) + a->out_pads[axis] +
                   ((int64_t)a->kernel[axis] - 1) * a->dilation[axis] + 1 - a->pads[axis] -
                   a->pads_end[axis];
    if (size < 1 || size > COVEY_TENSOR_ELEMENTS_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "result would have %lld elements in a row",
                              (long long)size);
    }
    *out_size = (uint32_t)size;
    return COVEY_OK;
}

covey_err covey__infer_convtranspose(const struct covey__op_call *c, struct covey_tensor *out,
                                     struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const struct covey_op_attrs *a = c->attrs;
    uint64_t channels = w->rank > 1 ? (uint64_t)w->dims[1] * a->groups : 0;
    if (a->groups == 0 || channels > COVEY_TENSOR_ELEMENTS_MAX || w->rank < 1 ||
        w->dims[0] % a->groups != 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "groups do not fit the filters");
    }
    covey_err err = covey__conv_fits_filters(c, w->dims[0], (uint32_t)channels, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_shape s = {x->rank, {x->dims[0], (uint32_t)channels}};
    for (unsigned i = 2; i < x->rank && err == COVEY_OK; i++) {
        err = size_of(a, i - 2, x->dims[i], &s.dims[i], out_why);
    }
    out->shape = s;
    return err;
}

static struct geometry geometry_of(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const struct covey_op_attrs *a = c->attrs;
    struct geometry g = {.batch = x->dims[0],
                         .groups = a->groups,
                         .in_channels = w->dims[0] / a->groups,
                         .out_channels = w->dims[1],
                         .in = {1, 1, 1},
                         .out = {1, 1, 1},
                         .kernel = {1, 1, 1},
                         .stride = {1, 1, 1},
                         .dilation = {1, 1, 1}};
    unsigned spatial = x->rank - 2u;
    for (unsigned i = 0; i < spatial; i++) {
        unsigned to = AXES - spatial + i;
        g.in[to] = x->dims[2 + i];
        g.out[to] = c->out[0]->shape.dims[2 + i];
        g.kernel[to] = a->kernel[i];
        g.stride[to] = a->stride[i];
        g.dilation[to] = a->dilation[i];
        g.pads[to] = a->pads[i];
    }
    return g;
}

static size_t product(const size_t sizes[AXES])
{
    return sizes[0] * sizes[1] * sizes[2];
}

/* Position number i of a box of these sizes, row by row. */
static void position(const size_t sizes[AXES], size_t i, size_t out[AXES])
{
    out[2] = i % sizes[2];
    out[1] = i / sizes[2] % sizes[1];
    out[0] = i / sizes[2] / sizes[1];
}

/* Rows of one group's unrolled result: every tap of every output channel. */
static size_t rows_of(const struct geometry *g)
{
    return g->out_channels * product(g->kernel);
}

static size_t strip_of(const struct geometry *g)
{
    size_t rows = rows_of(g), pixels = product(g->in);
    size_t strip = rows < STRIP_FLOATS ? STRIP_FLOATS / rows : 1;
    return strip < pixels ? strip : pixels;
}

size_t covey__scratch_convtranspose(const struct covey__op_call *c)
{
    struct geometry g = geometry_of(c);
    return c->in[0]->type == COVEY_TYPE_F32 ? rows_of(&g) * strip_of(&g) * sizeof(float) : 0;
}

struct strip {
    const float *data; /* [rows x count] */
    size_t first, count;
};

/* One row of the strip, a tap of one channel, added where its pixels land in that channel. */
static void scatter_tap(const struct geometry *g, const struct strip *s, size_t row, float *plane)
{
    size_t tap[AXES], at[AXES], to[AXES];
    const float *from = s->data + row * s->count;
    position(g->kernel, row % product(g->kernel), tap);
    position(g->in, s->first, at);
    for (size_t i = 0; i < s->count; i++) {
        for (unsigned axis = 0; axis < AXES; axis++) {
            /* Below the padding the difference wraps and is too large as well. */
            to[axis] = at[axis] * g->stride[axis] + tap[axis] * g->dilation[axis] - g->pads[axis];
        }
        if (to[0] < g->out[0] && to[1] < g->out[1] && to[2] < g->out[2]) {
            plane[(to[0] * g->out[1] + to[1]) * g->out[2] + to[2]] += from[i];
        }
        for (unsigned axis = AXES; axis-- > 0 && ++at[axis] == g->in[axis];) {
            at[axis] = 0;
        }
    }
}

/* Unrolled = W' X, strip by strip, then every row is added where it belongs. */
static void run_group(const struct covey__op_call *c, const struct geometry *g, size_t index)
{
    size_t pixels = product(g->in), rows = rows_of(g), strip = strip_of(g);
    size_t taps = product(g->kernel), plane = product(g->out);
    float *out = covey__out(c) + index * g->out_channels * plane;
    float *unrolled = c->scratch;
    struct covey__gemm p = {.m = rows,
                            .k = g->in_channels,
                            .a = covey__in(c, 1) + index % g->groups * g->in_channels * rows,
                            .lda = rows,
                            .trans_a = true,
                            .ldb = pixels,
                            .c = unrolled};
    for (size_t first = 0; first < pixels; first += strip) {
        struct strip s = {unrolled, first, pixels - first < strip ? pixels - first : strip};
        p.n = p.ldc = s.count;
        p.b = covey__in(c, 0) + index * g->in_channels * pixels + first;
        covey__gemm_threads(&p, c->threads);
        for (size_t row = 0; row < rows; row++) {
            scatter_tap(g, &s, row, out + row / taps * plane);
        }
    }
}

static void run_floats(const struct covey__op_call *c, const struct geometry *g)
{
    const float *bias = covey__in(c, 2);
    size_t channels = g->groups * g->out_channels, plane = product(g->out);
    for (size_t i = 0; i < g->batch * channels * plane; i++) {
        covey__out(c)[i] = bias != NULL ? bias[i / plane % channels] : 0.0f;
    }
    for (size_t i = 0; i < g->batch * g->groups; i++) {
        run_group(c, g, i);
    }
}

/* The input position whose tap lands on output position at, or false. */
static bool source_of(const struct geometry *g, const size_t at[AXES], const size_t tap[AXES],
                      size_t out[AXES])
{
    for (unsigned axis = 0; axis < AXES; axis++) {
        size_t shifted = at[axis] + g->pads[axis], reach = tap[axis] * g->dilation[axis];
        if (shifted < reach || (shifted - reach) % g->stride[axis] != 0) {
            return false;
        }
        out[axis] = (shifted - reach) / g->stride[axis];
        if (out[axis] >= g->in[axis]) {
            return false;
        }
    }
    return true;
}

/* Any type, one output after the other. channel: of the image-major list of output channels. */
static double output_at(const struct covey__op_call *c, const struct geometry *g, size_t channel,
                        const size_t at[AXES])
{
    size_t image_group = channel / g->out_channels, oc = channel % g->out_channels;
    size_t group = image_group % g->groups, taps = product(g->kernel);
    double sum = 0.0;
    for (size_t tap = 0; tap < taps; tap++) {
        size_t from[AXES], tap_at[AXES];
        position(g->kernel, tap, tap_at);
        if (!source_of(g, at, tap_at, from)) {
            continue;
        }
        size_t pixel = (from[0] * g->in[1] + from[1]) * g->in[2] + from[2];
        for (size_t ic = 0; ic < g->in_channels; ic++) {
            size_t x = (image_group * g->in_channels + ic) * product(g->in) + pixel;
            size_t w = ((group * g->in_channels + ic) * g->out_channels + oc) * taps + tap;
            sum += covey_tensor_element(c->in[0], x) * covey_tensor_element(c->in[1], w);
        }
    }
    return sum;
}

void covey__op_convtranspose(const struct covey__op_call *c)
{
    struct geometry g = geometry_of(c);
    if (c->in[0]->type == COVEY_TYPE_F32) {
        run_floats(c, &g);
        return;
    }
    const struct covey_tensor *bias = c->inputs > 2 ? c->in[2] : NULL;
    size_t channels = g.groups * g.out_channels, plane = product(g.out);
    for (size_t i = 0; i < g.batch * channels * plane; i++) {
        size_t at[AXES];
        position(g.out, i % plane, at);
        double v = output_at(c, &g, i / plane, at);
        v += bias != NULL ? covey_tensor_element(bias, i / plane % channels) : 0.0;
        covey__store_real(c->out[0], i, v);
    }
}
