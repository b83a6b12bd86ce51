/* SPDX-License-Identifier: MIT */
#include "op_rows.h"

#include <math.h>

#include "ops_window.h"

/* y = (x - mean) / sqrt(var + epsilon) scale + bias over rows of neighbouring elements. */
struct job {
    const struct covey__op_call *c;
    size_t count;            /* elements of a row */
    size_t channels, pixels; /* where scale and bias go by channel; else channels is 0 */
    size_t row_channels;     /* channels in one row */
};

/* Mean and variance in two passes, so that nothing cancels. */
static void moments(const struct covey_tensor *x, size_t first, size_t count, double out[2])
{
    double row[COVEY__ROW], sum[2] = {0.0, 0.0}, mean = 0.0;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t at = 0; at < count; at += COVEY__ROW) {
            size_t some = count - at < COVEY__ROW ? count - at : COVEY__ROW;
            covey_tensor_elements(x, first + at, some, row);
            for (size_t i = 0; i < some; i++) {
                sum[pass] += pass == 0 ? row[i] : (row[i] - mean) * (row[i] - mean);
            }
        }
        mean = sum[0] / (double)count;
    }
    out[0] = mean;
    out[1] = sum[1] / (double)count;
}

/* out = x a[0] + a[1] */
static void affine_row(const struct covey__op_call *c, size_t first, size_t count,
                       const double a[2])
{
    double row[COVEY__ROW];
    for (size_t at = 0; at < count; at += COVEY__ROW) {
        size_t some = count - at < COVEY__ROW ? count - at : COVEY__ROW;
        covey_tensor_elements(c->in[0], first + at, some, row);
        for (size_t i = 0; i < some; i++) {
            row[i] = row[i] * a[0] + a[1];
        }
        covey__store_reals(c->out[0], first + at, some, row);
    }
}

/* One instance or group: some channels of one image. */
static void channel_row(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *j = ctx;
    const struct covey__op_call *c = j->c;
    double m[2], a[2];
    moments(c->in[0], part * j->count, j->count, m);
    double inverse = 1.0 / sqrt(m[1] + (double)c->attrs->epsilon);
    for (size_t i = 0; i < j->row_channels; i++) {
        size_t channel = (part * j->row_channels + i) % j->channels;
        a[0] = covey_tensor_element(c->in[1], channel) * inverse;
        a[1] = covey_tensor_element(c->in[2], channel) - m[0] * a[0];
        affine_row(c, part * j->count + i * j->pixels, j->pixels, a);
    }
}

covey_err covey__infer_groupnorm(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    if (x->rank < 2 || c->attrs->groups == 0 || x->dims[1] % c->attrs->groups != 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "groups do not divide the channels");
    }
    for (unsigned i = 1; i < 3; i++) {
        if (c->in[i]->shape.rank != 1 || c->in[i]->shape.dims[0] != x->dims[1]) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "parameters do not fit the channels");
        }
    }
    out->shape = *x;
    return COVEY_OK;
}

static void channel_norm(const struct covey__op_call *c, size_t groups)
{
    const struct covey_shape *x = &c->in[0]->shape;
    struct job j = {.c = c, .channels = x->dims[1], .pixels = covey__shape_range(x, 2, x->rank)};
    j.row_channels = j.channels / groups;
    j.count = j.row_channels * j.pixels;
    covey_threads_run(c->threads, x->dims[0] * groups, channel_row, &j);
}

covey_err covey__infer_instancenorm(const struct covey__op_call *c, struct covey_tensor *out,
                                    struct covey_nn_error *out_why)
{
    struct covey__op_call single = *c;
    struct covey_op_attrs a = *c->attrs;
    a.groups = 1; /* has no meaning here */
    single.attrs = &a;
    return covey__infer_groupnorm(&single, out, out_why);
}

void covey__op_instancenorm(const struct covey__op_call *c)
{
    channel_norm(c, c->in[0]->shape.dims[1]);
}

void covey__op_groupnorm(const struct covey__op_call *c)
{
    channel_norm(c, c->attrs->groups);
}

/* Scale and bias are repeated to X's shape. */
static bool repeats(const struct covey_shape *s, const struct covey_shape *x)
{
    for (unsigned i = 0; i < s->rank && s->rank <= x->rank; i++) {
        if (s->dims[i] != 1 && s->dims[i] != x->dims[x->rank - s->rank + i]) {
            return false;
        }
    }
    return s->rank <= x->rank;
}

covey_err covey__infer_layernorm(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    unsigned axis = 0;
    covey_err err = covey__axis(c->attrs->axis, x->rank, &axis, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    for (unsigned i = 1; i < c->inputs; i++) {
        if (c->in[i] != NULL && !repeats(&c->in[i]->shape, x)) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "scale or bias do not fit");
        }
    }
    out[0].shape = *x;
    for (unsigned i = 1; i < c->outputs; i++) {
        out[i] = (struct covey_tensor){.type = COVEY_TYPE_F32, .shape = *x};
        for (unsigned j = axis; j < x->rank; j++) {
            out[i].shape.dims[j] = 1;
        }
    }
    return COVEY_OK;
}

/* Element i of X meets which element of s. */
static size_t repeated_at(const struct covey_shape *s, const struct covey_shape *x, size_t i)
{
    size_t at = 0, step = 1;
    for (unsigned axis = s->rank; axis-- > 0;) {
        size_t dim = x->dims[x->rank - s->rank + axis];
        at += s->dims[axis] == 1 ? 0 : i % dim * step;
        step *= s->dims[axis];
        i /= dim;
    }
    return at;
}

/* row [count] times (or, added: plus) what input `which` holds for elements first and on. */
static void combine(const struct job *j, unsigned which, const size_t range[2], double *row)
{
    const struct covey_tensor *t = which < j->c->inputs ? j->c->in[which] : NULL;
    const struct covey_shape *x = &j->c->in[0]->shape;
    double other[COVEY__ROW];
    if (t == NULL) {
        return;
    }
    if (covey__shape_elements(&t->shape) == j->count &&
        covey__shape_range(x, x->rank - t->shape.rank, x->rank) == j->count) {
        covey_tensor_elements(t, range[0] % j->count, range[1], other);
    } else {
        for (size_t i = 0; i < range[1]; i++) {
            other[i] = covey_tensor_element(t, repeated_at(&t->shape, x, range[0] + i));
        }
    }
    for (size_t i = 0; i < range[1]; i++) {
        row[i] = which == 1 ? row[i] * other[i] : row[i] + other[i];
    }
}

static void layer_row(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *j = ctx;
    const struct covey__op_call *c = j->c;
    double m[2], row[COVEY__ROW];
    moments(c->in[0], part * j->count, j->count, m);
    double inverse = 1.0 / sqrt(m[1] + (double)c->attrs->epsilon);
    for (size_t at = 0; at < j->count; at += COVEY__ROW) {
        size_t some = j->count - at < COVEY__ROW ? j->count - at : COVEY__ROW;
        const size_t range[2] = {part * j->count + at, some};
        covey_tensor_elements(c->in[0], range[0], some, row);
        for (size_t i = 0; i < some; i++) {
            row[i] = (row[i] - m[0]) * inverse;
        }
        combine(j, 1, range, row);
        combine(j, 2, range, row);
        covey__store_reals(c->out[0], range[0], some, row);
    }
    for (unsigned i = 1; i < c->outputs; i++) {
        if (c->out[i] != NULL) {
            covey__store_real(c->out[i], part, i == 1 ? m[0] : inverse);
        }
    }
}

void covey__op_layernorm(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    struct covey__lines l = covey__lines_of(x, c->attrs->axis);
    struct job j = {.c = c, .count = l.count * l.inner};
    covey_threads_run(c->threads, l.outer, layer_row, &j);
}

covey_err covey__infer_lpnorm(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    unsigned axis = 0;
    if (c->attrs->size != 1 && c->attrs->size != 2) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "norm %u", (unsigned)c->attrs->size);
    }
    out->shape = c->in[0]->shape;
    return covey__axis(c->attrs->axis, c->in[0]->shape.rank, &axis, out_why);
}

/* y = x / norm along the axis; a norm of 0 leaves 0. */
void covey__op_lpnorm(const struct covey__op_call *c)
{
    struct covey__lines l = covey__lines_of(&c->in[0]->shape, c->attrs->axis);
    for (size_t line = 0; line < l.outer * l.inner; line++) {
        size_t first = line / l.inner * l.count * l.inner + line % l.inner;
        double norm = 0.0;
        for (size_t i = 0; i < l.count; i++) {
            double v = covey_tensor_element(c->in[0], first + i * l.inner);
            norm += c->attrs->size == 1 ? fabs(v) : v * v;
        }
        norm = c->attrs->size == 1 ? norm : sqrt(norm);
        for (size_t i = 0; i < l.count; i++) {
            double v = covey_tensor_element(c->in[0], first + i * l.inner);
            covey__store_real(c->out[0], first + i * l.inner, norm == 0.0 ? 0.0 : v / norm);
        }
    }
}

covey_err covey__infer_mvn(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why)
{
    if (c->attrs->axes >> c->in[0]->shape.rank != 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "axes beyond the rank");
    }
    out->shape = c->in[0]->shape;
    return COVEY_OK;
}

/* y = (x - mean) / (std + 1e-9) over the axes */
void covey__op_mvn(const struct covey__op_call *c)
{
    struct covey__groups g;
    covey__groups_init(&g, &c->in[0]->shape, c->attrs->axes);
    for (size_t kept = 0; kept < g.kept.count; kept++) {
        size_t first = covey__dims_offset(&g.kept, kept);
        double mean = 0.0, var = 0.0, count = (double)g.folded.count;
        for (size_t i = 0; i < g.folded.count; i++) {
            mean +=
                covey_tensor_element(c->in[0], first + covey__dims_offset(&g.folded, i)) / count;
        }
        for (size_t i = 0; i < g.folded.count; i++) {
            double d =
                covey_tensor_element(c->in[0], first + covey__dims_offset(&g.folded, i)) - mean;
            var += d * d / count;
        }
        double divisor = sqrt(var) + 1e-9;
        for (size_t i = 0; i < g.folded.count; i++) {
            size_t at = first + covey__dims_offset(&g.folded, i);
            covey__store_real(c->out[0], at, (covey_tensor_element(c->in[0], at) - mean) / divisor);
        }
    }
}
