/* SPDX-License-Identifier: MIT
 *
 * Linear and cubic resizing of any rank, type and mode: one axis after the other, in doubles.
 */
#include "covey/large.h"
#include "op_resize.h"

#include <math.h>

/* Axes in the order they are done: those that shrink first, so that nothing between is larger than
 * both input and output. */
struct order {
    unsigned count, axis[COVEY_RANK_MAX];
};

static struct order order_of(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    struct order o = {0, {0}};
    for (unsigned grows = 0; grows < 2; grows++) {
        for (unsigned i = x->rank; i-- > 0;) {
            bool same = covey__resize_axis(c->attrs, i, x->dims[i], y->dims[i]).same;
            if (!same && (y->dims[i] >= x->dims[i]) == (grows == 1)) {
                o.axis[o.count++] = i;
            }
        }
    }
    return o;
}

/* Weights and first taps of all elements along the axis that needs most. */
static uint64_t table_of(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    uint64_t most = 0;
    for (unsigned i = 0; i < x->rank; i++) {
        struct covey__resize_axis r = covey__resize_axis(c->attrs, i, x->dims[i], y->dims[i]);
        uint64_t count = r.same ? 0 : (covey__resize_taps(&r) + 1) * r.out;
        most = count > most ? count : most;
    }
    return most;
}

static size_t larger(const struct covey__op_call *c)
{
    size_t in = covey__shape_elements(&c->in[0]->shape);
    size_t out = covey__shape_elements(&c->out[0]->shape);
    return in > out ? in : out;
}

size_t covey__filter_scratch(const struct covey__op_call *c)
{
    return covey_size_of((2 * (uint64_t)larger(c) + table_of(c)) * sizeof(double));
}

/* [outer in inner] to [outer out inner]. first: of each output element; OUTSIDE: the extrapolation
 * value. */
struct pass {
    struct covey__resize_axis axis;
    size_t outer, inner;
    const double *from;
    double *to, *weights;
    int64_t *first, taps;
};

#define OUTSIDE INT64_MIN

static void make_table(struct pass *p)
{
    for (uint32_t x = 0; x < p->axis.out; x++) {
        double *weights = p->weights + (int64_t)x * p->taps;
        if (!covey__resize_weights(&p->axis, x, weights, &p->first[x])) {
            p->first[x] = OUTSIDE;
        }
    }
}

/* One row [inner] of the output. */
static void add_rows(const struct pass *p, const double *from, double *restrict to, uint32_t x)
{
    const double *weights = p->weights + (int64_t)x * p->taps;
    for (size_t j = 0; j < p->inner; j++) {
        to[j] = 0.0;
    }
    for (int64_t t = 0; t < p->taps; t++) {
        const double *row = from + covey__resize_clamp(p->first[x] + t, p->axis.in) * p->inner;
        double w = weights[t];
        for (size_t j = 0; j < p->inner; j++) {
            to[j] += w * row[j];
        }
    }
}

/* The same where rows are one element. */
static double add_elements(const struct pass *p, const double *from, uint32_t x)
{
    const double *weights = p->weights + (int64_t)x * p->taps;
    int64_t first = p->first[x];
    double sum = 0.0;
    if (first >= 0 && first + p->taps <= (int64_t)p->axis.in) {
        for (int64_t t = 0; t < p->taps; t++) {
            sum += weights[t] * from[first + t];
        }
        return sum;
    }
    for (int64_t t = 0; t < p->taps; t++) {
        sum += weights[t] * from[covey__resize_clamp(first + t, p->axis.in)];
    }
    return sum;
}

static void run_outer(void *ctx, size_t outer, unsigned thread)
{
    const struct pass *p = ctx;
    const double *from = p->from + outer * p->axis.in * p->inner;
    (void)thread;
    for (uint32_t x = 0; x < p->axis.out; x++) {
        double *to = p->to + (outer * p->axis.out + x) * p->inner;
        if (p->first[x] == OUTSIDE) {
            for (size_t j = 0; j < p->inner; j++) {
                to[j] = p->axis.attrs->value;
            }
        } else if (p->inner == 1) {
            *to = add_elements(p, from, x);
        } else {
            add_rows(p, from, to, x);
        }
    }
}

/* Integers are cut off towards zero, as the reference does, but not for a rounding error of the
 * weights' sum. */
static void store(const struct covey__op_call *c, const double *from)
{
    struct covey_tensor *y = c->out[0];
    size_t count = covey__shape_elements(&y->shape);
    bool real = covey_type_is_float(y->type);
    for (size_t i = 0; i < count; i++) {
        double near = nearbyint(from[i]);
        bool snap = !real && fabs(from[i] - near) < 1e-9;
        covey__store_real(y, i, snap ? near : from[i]);
    }
}

void covey__filter(const struct covey__op_call *c)
{
    struct covey_shape s = c->in[0]->shape;
    const struct covey_shape *y = &c->out[0]->shape;
    struct order o = order_of(c);
    size_t room = larger(c), count = covey__shape_elements(&s);
    double *from = c->scratch, *to = from + room;
    struct pass p = {.weights = from + 2 * room};
    for (size_t i = 0; i < count; i++) {
        from[i] = covey_tensor_element(c->in[0], i);
    }
    for (unsigned i = 0; i < o.count; i++) {
        unsigned axis = o.axis[i];
        p.axis = covey__resize_axis(c->attrs, axis, s.dims[axis], y->dims[axis]);
        p.outer = covey__shape_range(&s, 0, axis);
        p.inner = covey__shape_range(&s, axis + 1, s.rank);
        p.from = from;
        p.to = to;
        p.taps = (int64_t)covey__resize_taps(&p.axis);
        p.first = (int64_t *)(void *)(p.weights + p.taps * (int64_t)p.axis.out);
        make_table(&p);
        covey_threads_run(c->threads, p.outer, run_outer, &p);
        s.dims[axis] = y->dims[axis];
        to = from;
        from = p.to;
    }
    store(c, from);
}
