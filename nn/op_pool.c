/* SPDX-License-Identifier: MIT */
#include "op_rows.h"

#include <math.h>

#include "kernels/pool.h"
#include "op_reduce.h"
#include "ops_window.h"

/* Windows over three dimensions; fewer are the last of them. */
struct geometry {
    size_t planes, in[3], out[3];
    int64_t kernel[3], stride[3], dilation[3], pads[3], pads_end[3];
    unsigned spatial;
};

enum kind { POOL_MAX, POOL_AVERAGE, POOL_LP };

static covey_err infer_windows(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    const struct covey_op_attrs *a = c->attrs;
    if (x->rank < 3 || x->rank > 2 + COVEY_SPATIAL_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "only 1-D to 3-D pooling");
    }
    struct covey_shape s = *x;
    for (unsigned i = 0; i + 2 < x->rank; i++) {
        covey_err err = covey__window_size(a, i, x->dims[2 + i], &s.dims[2 + i], out_why);
        if (err != COVEY_OK) {
            return err;
        }
        uint32_t extent = (a->kernel[i] - 1) * a->dilation[i] + 1;
        if (a->pads[i] >= extent || a->pads_end[i] >= extent) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "padding as large as the window");
        }
    }
    out[0].shape = s;
    return COVEY_OK;
}

covey_err covey__infer_pool(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    covey_err err = infer_windows(c, out, out_why);
    if (err == COVEY_OK && c->outputs > 1) {
        out[1] = (struct covey_tensor){.type = COVEY_TYPE_I64, .shape = out[0].shape};
    }
    return err;
}

covey_err covey__infer_lppool(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    if (!(c->attrs->alpha >= 1.0f)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "a norm below 1");
    }
    return infer_windows(c, out, out_why);
}

static struct geometry geometry_of(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    const struct covey_op_attrs *a = c->attrs;
    struct geometry g = {.planes = covey__shape_range(x, 0, 2),
                         .in = {1, 1, 1},
                         .out = {1, 1, 1},
                         .kernel = {1, 1, 1},
                         .stride = {1, 1, 1},
                         .dilation = {1, 1, 1},
                         .spatial = x->rank - 2u};
    for (unsigned i = 0; i < g.spatial; i++) {
        unsigned to = 3 - g.spatial + i;
        g.in[to] = x->dims[2 + i];
        g.out[to] = c->out[0]->shape.dims[2 + i];
        g.kernel[to] = a->kernel[i];
        g.stride[to] = a->stride[i];
        g.dilation[to] = a->dilation[i];
        g.pads[to] = a->pads[i];
        g.pads_end[to] = a->pads_end[i];
    }
    return g;
}

/* The taps of one window along one axis. */
struct span {
    int64_t start, first, last; /* taps inside the input: [first, last) */
    int64_t padded;             /* taps inside the input and its padding */
};

static struct span span_of(const struct geometry *g, unsigned axis, size_t at)
{
    struct span s = {.start = (int64_t)at * g->stride[axis] - g->pads[axis]};
    int64_t step = g->dilation[axis], kernel = g->kernel[axis], in = (int64_t)g->in[axis];
    int64_t first = s.start < 0 ? (-s.start + step - 1) / step : 0;
    int64_t last = s.start < in ? (in - s.start + step - 1) / step : 0;
    int64_t padded = (in + g->pads_end[axis] - s.start + step - 1) / step;
    s.last = last < kernel ? last : kernel;
    s.first = first < s.last ? first : s.last;
    s.padded = padded < kernel ? padded : kernel;
    return s;
}

struct job {
    const struct covey__op_call *c;
    struct geometry g;
    enum kind kind;
};

/* What a window comes to: the largest and where it is in its plane, or a sum. */
struct found {
    double value;
    size_t at;
    bool any;
};

/* One row of a window: width elements from at on, step apart. */
static void take_row(const struct job *j, size_t plane, const size_t row[2], struct found *f)
{
    size_t step = (size_t)j->g.dilation[2];
    for (size_t i = 0; i < row[1]; i++) {
        size_t at = row[0] + i * step;
        double v = covey_tensor_element(j->c->in[0], plane + at);
        if (j->kind == POOL_AVERAGE) {
            f->value += v;
        } else if (j->kind == POOL_LP) {
            f->value += pow(fabs(v), (double)j->c->attrs->alpha);
        } else if (!f->any || v > f->value) {
            f->value = v;
            f->at = at;
        }
        f->any = true;
    }
}

static struct found window(const struct job *j, size_t plane, const struct span s[3])
{
    struct found f = {.value = j->kind == POOL_MAX ? -INFINITY : 0.0};
    const struct geometry *g = &j->g;
    int64_t step = g->dilation[2];
    for (int64_t z = s[0].first; z < s[0].last; z++) {
        for (int64_t y = s[1].first; y < s[1].last; y++) {
            size_t slice = (size_t)(s[0].start + z * g->dilation[0]);
            size_t line = slice * g->in[1] + (size_t)(s[1].start + y * g->dilation[1]);
            const size_t row[2] = {line * g->in[2] + (size_t)(s[2].start + s[2].first * step),
                                   (size_t)(s[2].last - s[2].first)};
            if (row[1] > 0) {
                take_row(j, plane, row, &f);
            }
        }
    }
    return f;
}

/* Over all taps inside the input, or also its padding; none: 0. */
static double mean_of(const struct job *j, double sum, const struct span s[3])
{
    int64_t count = 1;
    for (unsigned i = 0; i < 3; i++) {
        count *= j->c->attrs->count_include_pad ? s[i].padded : s[i].last - s[i].first;
    }
    return count > 0 ? sum / (double)count : 0.0;
}

/* Flat in the whole input; column-major: the first spatial dimension runs fastest in a plane. */
static int64_t index_of(const struct job *j, size_t plane, size_t at)
{
    const struct geometry *g = &j->g;
    if (j->c->attrs->mode == 1) {
        size_t x = at % g->in[2], y = at / g->in[2] % g->in[1], z = at / g->in[2] / g->in[1];
        at = (x * g->in[1] + y) * g->in[0] + z;
    }
    return (int64_t)(plane + at);
}

static void put(const struct job *j, size_t to, const struct found *f, size_t plane)
{
    const struct covey__op_call *c = j->c;
    covey__store_real(c->out[0], to, f->value);
    if (c->outputs > 1 && c->out[1] != NULL) {
        ((int64_t *)c->out[1]->data)[to] = f->any ? index_of(j, plane, f->at) : -1;
    }
}

/* One plane of any type. */
static void run_plane(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *j = ctx;
    const struct geometry *g = &j->g;
    size_t pixels = g->out[0] * g->out[1] * g->out[2];
    size_t plane = part * g->in[0] * g->in[1] * g->in[2];
    for (size_t i = 0; i < pixels; i++) {
        const struct span s[3] = {span_of(g, 0, i / g->out[2] / g->out[1]),
                                  span_of(g, 1, i / g->out[2] % g->out[1]),
                                  span_of(g, 2, i % g->out[2])};
        struct found f = window(j, plane, s);
        if (j->kind == POOL_AVERAGE) {
            f.value = mean_of(j, f.value, s);
        } else if (j->kind == POOL_LP) {
            f.value = pow(f.value, 1.0 / (double)j->c->attrs->alpha);
        }
        put(j, part * pixels + i, &f, plane);
    }
}

/* Planes of floats have kernels of their own. */
static void run_floats(const struct job *j)
{
    const struct geometry *g = &j->g;
    struct covey__pool_shape s = {.planes = g->planes,
                                  .height = (uint32_t)g->in[1],
                                  .width = (uint32_t)g->in[2],
                                  .out_height = (uint32_t)g->out[1],
                                  .out_width = (uint32_t)g->out[2],
                                  .count_include_pad = j->c->attrs->count_include_pad};
    for (unsigned i = 0; i < 2; i++) {
        s.kernel[i] = (uint32_t)g->kernel[1 + i];
        s.stride[i] = (uint32_t)g->stride[1 + i];
        s.dilation[i] = (uint32_t)g->dilation[1 + i];
        s.pads[i] = (uint32_t)g->pads[1 + i];
        s.pads_end[i] = (uint32_t)g->pads_end[1 + i];
    }
    covey__pool_run(j->kind == POOL_MAX ? COVEY__POOL_MAX : COVEY__POOL_AVERAGE, &s,
                    covey__in(j->c, 0), covey__out(j->c), j->c->threads);
}

static void run(const struct covey__op_call *c, enum kind kind)
{
    struct job j = {c, geometry_of(c), kind};
    bool indexed = c->outputs > 1 && c->out[1] != NULL;
    if (c->in[0]->type == COVEY_TYPE_F32 && kind != POOL_LP && j.g.spatial < 3 && !indexed) {
        run_floats(&j);
    } else {
        covey_threads_run(c->threads, j.g.planes, run_plane, &j);
    }
}

void covey__op_maxpool(const struct covey__op_call *c)
{
    run(c, POOL_MAX);
}

void covey__op_avgpool(const struct covey__op_call *c)
{
    run(c, POOL_AVERAGE);
}

void covey__op_lppool(const struct covey__op_call *c)
{
    run(c, POOL_LP);
}

covey_err covey__infer_globalpool(const struct covey__op_call *c, struct covey_tensor *out,
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

covey_err covey__infer_globallppool(const struct covey__op_call *c, struct covey_tensor *out,
                                    struct covey_nn_error *out_why)
{
    if (!(c->attrs->alpha >= 1.0f)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "a norm below 1");
    }
    return covey__infer_globalpool(c, out, out_why);
}

static void global(const struct covey__op_call *c, enum covey__reduce_kind kind)
{
    const struct covey_shape *x = &c->in[0]->shape;
    uint32_t all = (1u << x->rank) - 1;
    if (c->in[0]->type == COVEY_TYPE_F32 && kind != COVEY__REDUCE_LP) {
        const size_t planes_pixels[2] = {covey__shape_range(x, 0, 2),
                                         covey__shape_range(x, 2, x->rank)};
        covey__pool_global(kind == COVEY__REDUCE_MAX ? COVEY__POOL_MAX : COVEY__POOL_AVERAGE,
                           covey__in(c, 0), covey__out(c), planes_pixels, c->threads);
        return;
    }
    covey__reduce(c, kind, all & ~3u, (double)c->attrs->alpha);
}

void covey__op_globalavgpool(const struct covey__op_call *c)
{
    global(c, COVEY__REDUCE_MEAN);
}

void covey__op_globalmaxpool(const struct covey__op_call *c)
{
    global(c, COVEY__REDUCE_MAX);
}

void covey__op_globallppool(const struct covey__op_call *c)
{
    global(c, COVEY__REDUCE_LP);
}
