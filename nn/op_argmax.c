/* SPDX-License-Identifier: MIT */
#include "op_rows.h"

#include "ops_window.h"

covey_err covey__infer_argmax(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    unsigned axis = 0;
    covey_err err = covey__axis(c->attrs->axis, x->rank, &axis, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_shape s = {0, {0}};
    for (unsigned i = 0; i < x->rank; i++) {
        if (i != axis || c->attrs->keepdims) {
            s.dims[s.rank++] = i == axis ? 1 : x->dims[i];
        }
    }
    *out = (struct covey_tensor){.type = COVEY_TYPE_I64, .shape = s};
    return COVEY_OK;
}

/* A NaN wins in both directions, as in numpy. */
static size_t best_of(const struct covey__op_call *c, size_t first, struct covey__lines l,
                      bool least)
{
    uint64_t best = 0;
    size_t best_at = 0;
    for (size_t i = 0; i < l.count; i++) {
        uint64_t key = covey__order_key(c->in[0], first + i * l.inner);
        if (least && !(covey_type_is_float(c->in[0]->type) && key == UINT64_MAX)) {
            key = ~key;
        }
        if (i == 0 || key > best || (key == best && c->attrs->mode == 1)) {
            best = key;
            best_at = i;
        }
    }
    return best_at;
}

static void run(const struct covey__op_call *c, bool least)
{
    struct covey__lines l = covey__lines_of(&c->in[0]->shape, c->attrs->axis);
    for (size_t line = 0; line < l.outer * l.inner; line++) {
        size_t first = line / l.inner * l.count * l.inner + line % l.inner;
        ((int64_t *)c->out[0]->data)[line] = (int64_t)best_of(c, first, l, least);
    }
}

void covey__op_argmax(const struct covey__op_call *c)
{
    run(c, false);
}

void covey__op_argmin(const struct covey__op_call *c)
{
    run(c, true);
}

enum { EXCLUSIVE = 1, REVERSE = 2 };

covey_err covey__infer_cumsum(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    unsigned axis = 0;
    out->shape = c->in[0]->shape;
    if (c->attrs->mode > (EXCLUSIVE | REVERSE)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "unknown mode");
    }
    return covey__axis(c->attrs->axis, c->in[0]->shape.rank, &axis, out_why);
}

static void sum_line(const struct covey__op_call *c, size_t first, struct covey__lines l)
{
    bool whole = !covey_type_is_float(c->in[0]->type);
    double real = 0.0;
    uint64_t sum = 0;
    for (size_t i = 0; i < l.count; i++) {
        size_t at = first + ((c->attrs->mode & REVERSE) != 0 ? l.count - 1 - i : i) * l.inner;
        double v = whole ? 0.0 : covey_tensor_element(c->in[0], at);
        uint64_t n = whole ? (uint64_t)covey__load_int(c->in[0], at) : 0;
        double shown = (c->attrs->mode & EXCLUSIVE) != 0 ? real : real + v;
        uint64_t shown_n = (c->attrs->mode & EXCLUSIVE) != 0 ? sum : sum + n;
        if (whole) {
            covey__store_int(c->out[0], at, (int64_t)shown_n);
        } else {
            covey__store_real(c->out[0], at, shown);
        }
        real += v;
        sum += n;
    }
}

void covey__op_cumsum(const struct covey__op_call *c)
{
    struct covey__lines l = covey__lines_of(&c->in[0]->shape, c->attrs->axis);
    for (size_t line = 0; line < l.outer * l.inner; line++) {
        sum_line(c, line / l.inner * l.count * l.inner + line % l.inner, l);
    }
}
