/* SPDX-License-Identifier: MIT */
#include "ops_move.h"

covey_err covey__infer_concat(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    struct covey_shape s = c->in[0]->shape;
    unsigned axis = 0;
    covey_err err = covey__axis(c->attrs->axis, s.rank, &axis, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    uint64_t total = s.dims[axis];
    for (unsigned i = 1; i < c->inputs; i++) {
        struct covey_shape other = c->in[i]->shape;
        if (other.rank == s.rank) {
            total += other.dims[axis];
            other.dims[axis] = s.dims[axis];
        }
        if (!covey_shape_equal(&s, &other)) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "inputs differ beside the axis");
        }
    }
    if (total > COVEY_TENSOR_ELEMENTS_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "result is too large");
    }
    s.dims[axis] = (uint32_t)total;
    out->shape = s;
    return COVEY_OK;
}

void covey__op_concat(const struct covey__op_call *c)
{
    const struct covey_shape *y = &c->out[0]->shape;
    int32_t given = c->attrs->axis;
    unsigned axis = (unsigned)(given < 0 ? given + y->rank : given);
    size_t outer = covey__shape_range(y, 0, axis), done = 0;
    size_t row = covey__shape_range(y, axis, y->rank);
    for (unsigned i = 0; i < c->inputs; i++) {
        size_t part = covey__shape_range(&c->in[i]->shape, axis, y->rank);
        for (size_t j = 0; j < outer; j++) {
            memcpy(covey__out(c) + j * row + done, covey__in(c, i) + j * part,
                   part * sizeof(float));
        }
        done += part;
    }
}

/* Replaces 0 (keep) by the input's dimension and -1 by what is left of count. */
static covey_err resolve(const struct covey__op_call *c, size_t count, struct covey_shape *s,
                         struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    int open = -1;
    uint64_t rest = 1;
    for (unsigned i = 0; i < s->rank; i++) {
        int64_t dim = c->attrs->shape[i];
        if (dim == 0 && i < x->rank) {
            dim = x->dims[i];
        }
        /* A batch of 1 written into the model stands for whatever batch is run. */
        if (i == 0 && dim == 1 && c->batch > 1 && x->rank > 0 && x->dims[0] == c->batch) {
            dim = c->batch;
        }
        if (dim == -1 && open < 0) {
            open = (int)i;
            continue;
        }
        if (dim < 1 || dim > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "bad target shape");
        }
        s->dims[i] = (uint32_t)dim;
        rest *= (uint64_t)dim;
        if (rest > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "target shape is too large");
        }
    }
    if (open >= 0) {
        s->dims[open] = (uint32_t)(count / rest);
        rest *= s->dims[open];
    }
    return rest == count ? COVEY_OK
                         : covey__nn_fail(out_why, COVEY_ERR_RANGE,
                                          "target shape has another number of elements");
}

covey_err covey__infer_reshape(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why)
{
    struct covey_shape s = {.rank = c->attrs->shape_rank};
    if (s.rank > COVEY_RANK_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "rank above %d", COVEY_RANK_MAX);
    }
    covey_err err = resolve(c, covey__shape_elements(&c->in[0]->shape), &s, out_why);
    if (err == COVEY_OK) {
        out->shape = s;
    }
    return err;
}

covey_err covey__infer_flatten(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    unsigned axis = x->rank; /* ONNX: axis may be the rank itself */
    if (c->attrs->axis != (int32_t)x->rank) {
        covey_err err = covey__axis(c->attrs->axis, x->rank, &axis, out_why);
        if (err != COVEY_OK) {
            return err;
        }
    }
    out->shape = (struct covey_shape){
        2,
        {(uint32_t)covey__shape_range(x, 0, axis), (uint32_t)covey__shape_range(x, axis, x->rank)}};
    return COVEY_OK;
}

void covey__op_copy(const struct covey__op_call *c)
{
    memmove(c->out[0]->data, c->in[0]->data,
            covey__shape_elements(&c->out[0]->shape) * covey_type_size(c->out[0]->type));
}

covey_err covey__infer_transpose(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    struct covey_shape s = {.rank = x->rank};
    unsigned seen = 0;
    for (unsigned i = 0; i < x->rank && c->attrs->shape_rank == x->rank; i++) {
        int64_t from = c->attrs->shape[i];
        if (from < 0 || from >= x->rank) {
            break;
        }
        seen |= 1u << from;
        s.dims[i] = x->dims[from];
    }
    if (c->attrs->shape_rank != x->rank || seen != (1u << x->rank) - 1) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "perm is not a permutation of the axes");
    }
    out->shape = s;
    return COVEY_OK;
}

/* Walks the output in order; at: the output's indices, from: the input's offset beside them. */
void covey__op_transpose(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    size_t step[COVEY_RANK_MAX] = {0}, from = 0, count = covey__shape_elements(y);
    uint32_t at[COVEY_RANK_MAX] = {0};
    for (unsigned i = 0; i < y->rank; i++) {
        step[i] = covey__shape_range(x, (unsigned)c->attrs->shape[i] + 1, x->rank);
    }
    for (size_t i = 0; i < count; i++) {
        covey__out(c)[i] = covey__in(c, 0)[from];
        for (unsigned axis = y->rank; axis-- > 0;) {
            from += step[axis];
            if (++at[axis] < y->dims[axis]) {
                break;
            }
            from -= step[axis] * at[axis];
            at[axis] = 0;
        }
    }
}

covey_err covey__infer_pad(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why)
{
    struct covey_shape s = c->in[0]->shape;
    for (unsigned i = 0; i < s.rank; i++) {
        int64_t dim = (int64_t)s.dims[i] + c->attrs->pad[i] + c->attrs->pad[s.rank + i];
        if (dim > COVEY_TENSOR_ELEMENTS_MAX || c->attrs->pad[i] < 0 ||
            c->attrs->pad[s.rank + i] < 0) {
            return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "padding is too large");
        }
        s.dims[i] = (uint32_t)dim;
    }
    out->shape = s;
    return COVEY_OK;
}

void covey__op_pad(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    size_t count = covey__shape_elements(y);
    for (size_t i = 0; i < count; i++) {
        covey__out(c)[i] = (float)c->attrs->value;
    }
    if (x->rank == 0) {
        covey__out(c)[0] = covey__in(c, 0)[0];
        return;
    }
    size_t columns = x->dims[x->rank - 1], rows = covey__shape_elements(x) / columns;
    for (size_t row = 0; row < rows; row++) {
        size_t left = row, step = y->dims[y->rank - 1], to = (size_t)c->attrs->pad[x->rank - 1];
        for (unsigned axis = x->rank - 1u; axis-- > 0;) {
            to += (left % x->dims[axis] + (size_t)c->attrs->pad[axis]) * step;
            left /= x->dims[axis];
            step *= y->dims[axis];
        }
        memcpy(covey__out(c) + to, covey__in(c, 0) + row * columns, columns * sizeof(float));
    }
}
