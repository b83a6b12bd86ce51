/* SPDX-License-Identifier: MIT */
#include "op_index.h"
#include "ops_move.h"

static covey_err check(const struct covey__op_call *c, struct covey_nn_error *out_why)
{
    covey_err err = covey__index_types(c, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    if (c->in[2]->type != c->in[0]->type) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "updates are %s, data is %s",
                              covey_type_name(c->in[2]->type), covey_type_name(c->in[0]->type));
    }
    if (c->attrs->mode > COVEY_SCATTER_MIN) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "unknown reduction");
    }
    return COVEY_OK;
}

covey_err covey__infer_scatter_elements(const struct covey__op_call *c, struct covey_tensor *out,
                                        struct covey_nn_error *out_why)
{
    covey_err err = check(c, out_why);
    if (err == COVEY_OK) {
        err = covey__index_beside(c, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    if (!covey_shape_equal(&c->in[1]->shape, &c->in[2]->shape)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "indices and updates differ in shape");
    }
    out->shape = c->in[0]->shape;
    return COVEY_OK;
}

covey_err covey__infer_scatter_nd(const struct covey__op_call *c, struct covey_tensor *out,
                                  struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *indices = &c->in[1]->shape;
    struct covey_shape s = {0, {0}};
    covey_err err = check(c, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    uint32_t depth = indices->rank > 0 ? indices->dims[indices->rank - 1] : 0;
    if (depth < 1 || depth > x->rank || indices->rank - 1u + x->rank - depth > COVEY_RANK_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "indices of %u numbers", (unsigned)depth);
    }
    for (unsigned i = 0; i + 1u < indices->rank; i++) {
        s.dims[s.rank++] = indices->dims[i];
    }
    for (unsigned i = depth; i < x->rank; i++) {
        s.dims[s.rank++] = x->dims[i];
    }
    if (!covey_shape_equal(&s, &c->in[2]->shape)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "updates have another shape");
    }
    out->shape = *x;
    return COVEY_OK;
}

static double combine_real(unsigned mode, double a, double b)
{
    switch (mode) {
    case COVEY_SCATTER_ADD:
        return a + b;
    case COVEY_SCATTER_MUL:
        return a * b;
    case COVEY_SCATTER_MAX:
        return a > b ? a : b;
    case COVEY_SCATTER_MIN:
        return a < b ? a : b;
    default:
        return b;
    }
}

/* Sums and products wrap around, as in numpy: the low bits are right for any integer type. */
static uint64_t combine_int(unsigned mode, int64_t a, int64_t b, bool is_unsigned)
{
    bool less = is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
    switch (mode) {
    case COVEY_SCATTER_ADD:
        return (uint64_t)a + (uint64_t)b;
    case COVEY_SCATTER_MUL:
        return (uint64_t)a * (uint64_t)b;
    case COVEY_SCATTER_MAX:
        return (uint64_t)(less ? b : a);
    case COVEY_SCATTER_MIN:
        return (uint64_t)(less ? a : b);
    default:
        return (uint64_t)b;
    }
}

/* y[at] = y[at] (mode) u[i] */
static void combine(unsigned mode, struct covey_tensor *y, size_t at, const struct covey_tensor *u,
                    size_t i)
{
    size_t size = covey_type_size(y->type);
    uint8_t *to = (uint8_t *)y->data + at * size;
    if (mode == COVEY_SCATTER_SET) {
        memcpy(to, (const uint8_t *)u->data + i * size, size);
    } else if (covey_type_is_float(y->type)) {
        covey__store_real(
            y, at, combine_real(mode, covey_tensor_element(y, at), covey_tensor_element(u, i)));
    } else {
        uint64_t v = combine_int(mode, covey__load_int(y, at), covey__load_int(u, i),
                                 y->type == COVEY_TYPE_U64);
        v = y->type == COVEY_TYPE_BOOL ? v != 0 : v;
        memcpy(to, &v, size); /* little-endian: the low bytes */
    }
}

void covey__op_scatter_elements(const struct covey__op_call *c)
{
    const struct covey_tensor *x = c->in[0], *indices = c->in[1];
    size_t count = covey__shape_elements(&indices->shape);
    unsigned axis = covey__index_axis(c);
    struct covey__index_walk w;
    covey__op_copy(c);
    covey__index_walk(&indices->shape, &x->shape, axis, &w);
    for (size_t i = 0; i < count; i++, covey__index_next(&w)) {
        size_t at;
        if (covey__index_at(indices, i, x->shape.dims[axis], &at)) {
            combine(c->attrs->mode, c->out[0], w.offset + at * w.axis_step, c->in[2], i);
        }
    }
}

void covey__op_scatter_nd(const struct covey__op_call *c)
{
    const struct covey_tensor *x = c->in[0], *indices = c->in[1];
    const struct covey_shape *s = &indices->shape;
    covey__op_copy(c);
    if (covey__shape_elements(&c->in[2]->shape) == 0 || covey__shape_elements(&x->shape) == 0) {
        return;
    }
    size_t rows = covey__shape_range(s, 0, s->rank - 1u), size = covey_type_size(x->type);
    size_t run = covey__shape_range(&x->shape, s->dims[s->rank - 1], x->shape.rank);
    for (size_t i = 0; i < rows; i++) {
        size_t at;
        if (!covey__index_tuple(indices, i, x->shape.dims, &at)) {
            continue;
        }
        if (c->attrs->mode == COVEY_SCATTER_SET) {
            memcpy((uint8_t *)c->out[0]->data + at * run * size,
                   (const uint8_t *)c->in[2]->data + i * run * size, run * size);
            continue;
        }
        for (size_t j = 0; j < run; j++) {
            combine(c->attrs->mode, c->out[0], at * run + j, c->in[2], i * run + j);
        }
    }
}
