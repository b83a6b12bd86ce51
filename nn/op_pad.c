/* SPDX-License-Identifier: MIT */
#include "op_box.h"
#include "ops_move.h"

/* Along one axis: `count` of the input's elements from `first` lie at `before` in the output; in
 * front of them and behind them is padding. Negative pads crop first. */
struct span {
    int64_t first, count, before, after;
};

static struct span span_of(const struct covey_op_attrs *a, const struct covey_shape *x,
                           unsigned axis)
{
    int64_t begin = a->pad[axis], end = a->pad[x->rank + axis], dim = x->dims[axis];
    struct span s = {.first = begin < 0 ? -begin : 0,
                     .before = begin > 0 ? begin : 0,
                     .after = end > 0 ? end : 0};
    s.count = dim - s.first + (end < 0 ? end : 0);
    return s;
}

covey_err covey__infer_pad(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why)
{
    struct covey_shape s = c->in[0]->shape;
    const struct covey_shape x = s;
    if (c->attrs->mode > COVEY_PAD_WRAP) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "unknown mode");
    }
    for (unsigned i = 0; i < s.rank; i++) {
        struct span p = span_of(c->attrs, &x, i);
        int64_t dim = p.before + p.count + p.after;
        if (p.count < 0 || dim > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "padding is too large");
        }
        if (c->attrs->mode != COVEY_PAD_CONSTANT && p.count == 0 && dim > 0) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "no elements to pad with");
        }
        s.dims[i] = (uint32_t)dim;
    }
    out->shape = s;
    return COVEY_OK;
}

/* Where an element at `at` (outside [0, n)) comes from. numpy: reflecting goes on back and forth
 * with a period of 2 (n - 1). */
static int64_t origin(unsigned mode, int64_t at, int64_t n)
{
    if (mode == COVEY_PAD_EDGE) {
        return at < 0 ? 0 : n - 1;
    }
    if (mode == COVEY_PAD_WRAP) {
        return ((at % n) + n) % n;
    }
    if (n == 1) {
        return 0;
    }
    int64_t period = 2 * (n - 1), m = ((at % period) + period) % period;
    return m < n ? m : period - m;
}

/* The box of all padding positions' slabs of one axis: the axes behind it are full, of those in
 * front only what came from the input is there yet. dst is where the input's first slab lies. */
static struct covey__box slab(const struct covey__op_call *c, const struct covey__box *interior,
                              unsigned axis)
{
    struct covey__box b = *interior;
    for (unsigned i = axis; i < b.rank; i++) {
        if (i > axis) {
            b.dst -= span_of(c->attrs, &c->in[0]->shape, i).before * b.dst_step[i];
        }
        b.dims[i] = i > axis ? c->out[0]->shape.dims[i] : 1;
    }
    return b;
}

static void pad_copies(const struct covey__op_call *c, const struct covey__box *interior,
                       unsigned axis)
{
    struct span p = span_of(c->attrs, &c->in[0]->shape, axis);
    struct covey__box b = slab(c, interior, axis);
    ptrdiff_t step = b.dst_step[axis];
    uint8_t *base = b.dst;
    memcpy(b.src_step, b.dst_step, sizeof b.src_step);
    for (int64_t i = 0; i < p.before + p.after; i++) {
        int64_t at = i < p.before ? i - p.before : i - p.before + p.count;
        b.src = base + origin(c->attrs->mode, at, p.count) * step;
        b.dst = base + at * step;
        covey__box_copy(&b, NULL);
    }
}

static void pad_constant(const struct covey__op_call *c, const struct covey__box *interior,
                         unsigned axis)
{
    struct span p = span_of(c->attrs, &c->in[0]->shape, axis);
    struct covey__box b = slab(c, interior, axis);
    uint8_t *base = b.dst;
    uint64_t one = 0;
    covey__store_real(&(struct covey_tensor){.type = c->out[0]->type, .data = &one}, 0,
                      c->attrs->value);
    b.src = (const uint8_t *)&one;
    memset(b.src_step, 0, sizeof b.src_step);
    b.dims[axis] = (size_t)p.before;
    b.dst = base - p.before * b.dst_step[axis];
    covey__box_copy(&b, c->threads);
    b.dims[axis] = (size_t)p.after;
    b.dst = base + p.count * b.dst_step[axis];
    covey__box_copy(&b, c->threads);
}

void covey__op_pad(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    struct covey__box b = covey__box_over(c->in[0], c->out[0]);
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return;
    }
    covey__box_steps(x, b.size, b.src_step);
    bool empty = covey__shape_elements(x) == 0;
    for (unsigned i = 0; i < b.rank; i++) {
        struct span p = span_of(c->attrs, x, i);
        b.dims[i] = (size_t)p.count;
        b.src += empty ? 0 : p.first * b.src_step[i];
        b.dst += p.before * b.dst_step[i];
    }
    covey__box_copy(&b, c->threads);
    for (unsigned axis = b.rank; axis-- > 0;) {
        if (c->attrs->mode == COVEY_PAD_CONSTANT) {
            pad_constant(c, &b, axis);
        } else {
            pad_copies(c, &b, axis);
        }
    }
}
