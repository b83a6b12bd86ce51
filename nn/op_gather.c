/* SPDX-License-Identifier: MIT */
#include "op_index.h"
#include "ops_move.h"

covey_err covey__index_types(const struct covey__op_call *c, struct covey_nn_error *out_why)
{
    return covey__type_among(c->in[1], COVEY__TYPES_INDEX, out_why);
}

unsigned covey__index_axis(const struct covey__op_call *c)
{
    int32_t axis = c->attrs->axis;
    return (unsigned)(axis < 0 ? axis + c->in[0]->shape.rank : axis);
}

covey_err covey__infer_gather(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *indices = &c->in[1]->shape;
    struct covey_shape s = {0, {0}};
    unsigned axis = 0;
    covey_err err = covey__index_types(c, out_why);
    if (err == COVEY_OK) {
        err = covey__axis(c->attrs->axis, x->rank, &axis, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    if (x->rank + indices->rank - 1 > COVEY_RANK_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "rank above %d", COVEY_RANK_MAX);
    }
    for (unsigned i = 0; i < axis; i++) {
        s.dims[s.rank++] = x->dims[i];
    }
    for (unsigned i = 0; i < indices->rank; i++) {
        s.dims[s.rank++] = indices->dims[i];
    }
    for (unsigned i = axis + 1; i < x->rank; i++) {
        s.dims[s.rank++] = x->dims[i];
    }
    out->shape = s;
    return COVEY_OK;
}

void covey__op_gather(const struct covey__op_call *c)
{
    const struct covey_tensor *x = c->in[0], *indices = c->in[1];
    unsigned axis = covey__index_axis(c);
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return;
    }
    size_t count = covey__shape_elements(&indices->shape), dim = x->shape.dims[axis];
    size_t outer = covey__shape_range(&x->shape, 0, axis);
    size_t run = covey__shape_range(&x->shape, axis + 1, x->shape.rank) * covey_type_size(x->type);
    const uint8_t *from = x->data;
    uint8_t *to = c->out[0]->data;
    for (size_t i = 0; i < outer; i++, from += dim * run) {
        for (size_t j = 0; j < count; j++, to += run) {
            size_t at;
            if (covey__index_at(indices, j, dim, &at)) {
                memcpy(to, from + at * run, run);
            } else {
                memset(to, 0, run);
            }
        }
    }
}

covey_err covey__index_beside(const struct covey__op_call *c, struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *indices = &c->in[1]->shape;
    unsigned axis = 0;
    covey_err err = covey__index_types(c, out_why);
    if (err == COVEY_OK) {
        err = covey__axis(c->attrs->axis, x->rank, &axis, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    bool fits = indices->rank == x->rank;
    for (unsigned i = 0; i < x->rank && fits; i++) {
        fits = i == axis || indices->dims[i] <= x->dims[i];
    }
    return fits ? COVEY_OK
                : covey__nn_fail(out_why, COVEY_ERR_RANGE, "indices reach beyond the data");
}

void covey__index_walk(const struct covey_shape *over, const struct covey_shape *data,
                       unsigned axis, struct covey__index_walk *out)
{
    *out = (struct covey__index_walk){.shape = over};
    for (unsigned i = 0; i < over->rank; i++) {
        out->step[i] = covey__shape_range(data, i + 1, data->rank);
    }
    out->axis_step = out->step[axis];
    out->step[axis] = 0;
}

void covey__index_next(struct covey__index_walk *w)
{
    for (unsigned i = w->shape->rank; i-- > 0;) {
        w->offset += w->step[i];
        if (++w->at[i] < w->shape->dims[i]) {
            return;
        }
        w->offset -= w->step[i] * w->at[i];
        w->at[i] = 0;
    }
}

covey_err covey__infer_gather_elements(const struct covey__op_call *c, struct covey_tensor *out,
                                       struct covey_nn_error *out_why)
{
    out->shape = c->in[1]->shape;
    return covey__index_beside(c, out_why);
}

/* y[i][j] = x[index[i][j]][j] for axis 0, and so on. */
void covey__op_gather_elements(const struct covey__op_call *c)
{
    const struct covey_tensor *x = c->in[0], *indices = c->in[1];
    size_t count = covey__shape_elements(&indices->shape), size = covey_type_size(x->type);
    unsigned axis = covey__index_axis(c);
    struct covey__index_walk w;
    const uint8_t *from = x->data;
    uint8_t *to = c->out[0]->data;
    covey__index_walk(&indices->shape, &x->shape, axis, &w);
    for (size_t i = 0; i < count; i++, covey__index_next(&w)) {
        size_t at;
        if (covey__index_at(indices, i, x->shape.dims[axis], &at)) {
            memcpy(to + i * size, from + (w.offset + at * w.axis_step) * size, size);
        } else {
            memset(to + i * size, 0, size);
        }
    }
}

covey_err covey__infer_gather_nd(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *indices = &c->in[1]->shape;
    struct covey_shape s = {0, {0}};
    uint64_t batch = c->attrs->size;
    covey_err err = covey__index_types(c, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    if (indices->rank < 1 || batch >= indices->rank || batch >= x->rank) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "too few dimensions");
    }
    uint64_t depth = indices->dims[indices->rank - 1];
    if (depth < 1 || batch + depth > x->rank ||
        indices->rank + x->rank > COVEY_RANK_MAX + 1 + batch + depth) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "indices of %u numbers", (unsigned)depth);
    }
    for (unsigned i = 0; i + 1u < indices->rank; i++) {
        if (i < batch && indices->dims[i] != x->dims[i]) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "batch dimensions differ");
        }
        s.dims[s.rank++] = indices->dims[i];
    }
    for (unsigned i = (unsigned)(batch + depth); i < x->rank; i++) {
        s.dims[s.rank++] = x->dims[i];
    }
    out->shape = s;
    return COVEY_OK;
}

bool covey__index_tuple(const struct covey_tensor *indices, size_t row, const uint32_t *dims,
                        size_t *out_at)
{
    size_t depth = indices->shape.dims[indices->shape.rank - 1], at = 0, one;
    for (size_t i = 0; i < depth; i++) {
        if (!covey__index_at(indices, row * depth + i, dims[i], &one)) {
            return false;
        }
        at = at * dims[i] + one;
    }
    *out_at = at;
    return true;
}

void covey__op_gather_nd(const struct covey__op_call *c)
{
    const struct covey_tensor *x = c->in[0], *indices = c->in[1];
    const struct covey_shape *s = &indices->shape;
    unsigned batch = c->attrs->size, depth = s->dims[s->rank - 1];
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return;
    }
    size_t rows = covey__shape_range(s, 0, s->rank - 1u);
    size_t per_batch = rows / covey__shape_range(s, 0, batch);
    size_t size = covey_type_size(x->type);
    size_t run = covey__shape_range(&x->shape, batch + depth, x->shape.rank) * size;
    size_t stride = covey__shape_range(&x->shape, batch, x->shape.rank) * size;
    const uint8_t *from = x->data;
    uint8_t *to = c->out[0]->data;
    for (size_t i = 0; i < rows; i++, to += run) {
        size_t at;
        if (covey__index_tuple(indices, i, x->shape.dims + batch, &at)) {
            memcpy(to, from + i / per_batch * stride + at * run, run);
        } else {
            memset(to, 0, run);
        }
    }
}

covey_err covey__infer_onehot(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    const struct covey_shape *indices = &c->in[0]->shape;
    struct covey_shape s = {.rank = (uint8_t)(indices->rank + 1)};
    unsigned axis = 0;
    if (s.rank > COVEY_RANK_MAX || c->attrs->size > COVEY_TENSOR_ELEMENTS_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "result is too large");
    }
    covey_err err = covey__axis(c->attrs->axis, s.rank, &axis, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    if (covey__shape_elements(&c->in[1]->shape) != 2) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "needs two values");
    }
    for (unsigned i = 0; i < s.rank; i++) {
        s.dims[i] = i == axis ? c->attrs->size : indices->dims[i < axis ? i : i - 1];
    }
    out->type = c->in[1]->type;
    out->shape = s;
    return COVEY_OK;
}

void covey__op_onehot(const struct covey__op_call *c)
{
    const struct covey_tensor *indices = c->in[0];
    struct covey_tensor *y = c->out[0];
    size_t total = covey__shape_elements(&y->shape), size = covey_type_size(y->type);
    int32_t given = c->attrs->axis;
    unsigned axis = (unsigned)(given < 0 ? given + y->shape.rank : given);
    const uint8_t *values = c->in[1]->data;
    uint8_t *to = y->data;
    for (size_t i = 0; i < total; i++) {
        memcpy(to + i * size, values, size);
    }
    if (total == 0) {
        return;
    }
    size_t inner = covey__shape_range(&indices->shape, axis, indices->shape.rank);
    size_t depth = c->attrs->size, count = covey__shape_elements(&indices->shape), at;
    for (size_t i = 0; i < count; i++) {
        if (covey__index_at(indices, i, depth, &at)) {
            memcpy(to + ((i / inner * depth + at) * inner + i % inner) * size, values + size, size);
        }
    }
}
