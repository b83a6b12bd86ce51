/* SPDX-License-Identifier: MIT */
#include "ops_binary.h"

/* Dimension i of s seen as a tensor of a larger rank: missing ones in front are 1. */
static uint32_t dim_at(const struct covey_shape *s, unsigned rank, unsigned i)
{
    unsigned missing = rank - s->rank;
    return i < missing ? 1 : s->dims[i - missing];
}

covey_err covey__infer_broadcast(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why)
{
    const struct covey_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    struct covey_shape s = {a->rank > b->rank ? a->rank : b->rank, {0}};
    for (unsigned i = 0; i < s.rank; i++) {
        uint32_t da = dim_at(a, s.rank, i), db = dim_at(b, s.rank, i);
        if (da != db && da != 1 && db != 1) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "shapes cannot be broadcast together");
        }
        s.dims[i] = da > db ? da : db;
    }
    out->shape = s;
    return COVEY_OK;
}

/* An operand along one row of the output: step is 0 where it repeats. */
struct operand {
    const float *at;
    size_t step;
};

typedef void (*row_fn)(struct operand a, struct operand b, float *out, size_t count);

/* Steps of 0 and 1 are told apart outside the loops, so that these vectorise. */
#define COVEY_ROW(name, operator)                                                                  \
    static void name(struct operand a, struct operand b, float *out, size_t count)                 \
    {                                                                                              \
        if (a.step == 1 && b.step == 1) {                                                          \
            for (size_t i = 0; i < count; i++) {                                                   \
                out[i] = a.at[i] operator b.at[i];                                                 \
            }                                                                                      \
        } else if (a.step == 1) {                                                                  \
            float v = b.at[0];                                                                     \
            for (size_t i = 0; i < count; i++) {                                                   \
                out[i] = a.at[i] operator v;                                                       \
            }                                                                                      \
        } else {                                                                                   \
            float v = a.at[0];                                                                     \
            for (size_t i = 0; i < count; i++) {                                                   \
                out[i] = v operator b.at[i * b.step];                                              \
            }                                                                                      \
        }                                                                                          \
    }

COVEY_ROW(row_add, +)
COVEY_ROW(row_sub, -)
COVEY_ROW(row_mul, *)
COVEY_ROW(row_div, /)
#undef COVEY_ROW

/* Offset of the operand's element for the output row with number row (last axis left out). */
static size_t row_offset(const struct covey_shape *s, const struct covey_shape *out, size_t row)
{
    size_t offset = 0, step = dim_at(s, out->rank, out->rank - 1u);
    for (unsigned i = out->rank - 1u; i-- > 0;) {
        uint32_t dim = dim_at(s, out->rank, i);
        size_t at = row % out->dims[i];
        row /= out->dims[i];
        offset += dim == 1 ? 0 : at * step;
        step *= dim;
    }
    return offset;
}

static void broadcast(const struct covey__op_call *c, row_fn fn)
{
    const struct covey_shape *y = &c->out[0]->shape;
    struct operand in[2] = {{covey__in(c, 0), 1}, {covey__in(c, 1), 1}};
    size_t count = covey__shape_elements(y);
    if (y->rank == 0 ||
        (covey_shape_equal(&c->in[0]->shape, y) && covey_shape_equal(&c->in[1]->shape, y))) {
        fn(in[0], in[1], covey__out(c), count);
        return;
    }
    size_t columns = y->dims[y->rank - 1];
    for (unsigned i = 0; i < 2; i++) {
        in[i].step = dim_at(&c->in[i]->shape, y->rank, y->rank - 1u) == 1 ? 0 : 1;
    }
    for (size_t row = 0; row < count / columns; row++) {
        for (unsigned i = 0; i < 2; i++) {
            in[i].at = covey__in(c, i) + row_offset(&c->in[i]->shape, y, row);
        }
        fn(in[0], in[1], covey__out(c) + row * columns, columns);
    }
}

void covey__op_add(const struct covey__op_call *c)
{
    broadcast(c, row_add);
    covey__act_apply(c->attrs, covey__out(c), covey__shape_elements(&c->out[0]->shape));
}

void covey__op_sub(const struct covey__op_call *c)
{
    broadcast(c, row_sub);
}

void covey__op_mul(const struct covey__op_call *c)
{
    broadcast(c, row_mul);
}

void covey__op_div(const struct covey__op_call *c)
{
    broadcast(c, row_div);
}
