/* SPDX-License-Identifier: MIT */
#include "ops_move.h"

/* One dimension of the target shape: 0 keeps the input's (unless the mode says it is 0), and a
 * batch of 1 written into the model stands for whatever batch is run. */
static int64_t target_dim(const struct covey__op_call *c, unsigned i)
{
    const struct covey_shape *x = &c->in[0]->shape;
    int64_t dim = c->attrs->shape[i];
    if (dim == 0 && (c->attrs->mode & COVEY_RESHAPE_ZERO) == 0) {
        dim = i < x->rank ? (int64_t)x->dims[i] : -2;
    }
    if (i == 0 && dim == 1 && c->batch > 1 && x->rank > 0 && x->dims[0] == c->batch) {
        dim = c->batch;
    }
    return dim;
}

/* One -1 becomes what is left of count. */
static covey_err resolve(const struct covey__op_call *c, size_t count, struct covey_shape *s,
                         struct covey_nn_error *out_why)
{
    int open = -1;
    uint64_t rest = 1;
    for (unsigned i = 0; i < s->rank; i++) {
        int64_t dim = target_dim(c, i);
        if (dim == -1 && open < 0) {
            open = (int)i;
            continue;
        }
        if (dim < 0 || dim > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "bad target shape");
        }
        s->dims[i] = (uint32_t)dim;
        rest *= (uint64_t)dim;
        if (rest > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "target shape is too large");
        }
    }
    if (open >= 0) {
        /* Anything fits beside a 0: nothing is inferred from it but nothing. */
        s->dims[open] = rest > 0 ? (uint32_t)(count / rest) : 0;
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

/* Saturating: at most the first product that is too large for a tensor. */
static uint64_t product(const struct covey_shape *s, unsigned first, unsigned last)
{
    uint64_t count = 1;
    for (unsigned i = first; i < last && count <= COVEY_TENSOR_ELEMENTS_MAX; i++) {
        count *= s->dims[i];
    }
    return count;
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
    /* Beside a dimension of 0 the others may multiply to anything. */
    uint64_t outer = product(x, 0, axis), inner = product(x, axis, x->rank);
    if (outer > COVEY_TENSOR_ELEMENTS_MAX || inner > COVEY_TENSOR_ELEMENTS_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "result is too large");
    }
    out->shape = (struct covey_shape){2, {(uint32_t)outer, (uint32_t)inner}};
    return COVEY_OK;
}

void covey__op_copy(const struct covey__op_call *c)
{
    size_t bytes = covey__shape_elements(&c->out[0]->shape) * covey_type_size(c->out[0]->type);
    if (bytes > 0) {
        memmove(c->out[0]->data, c->in[0]->data, bytes);
    }
}

covey_err covey__infer_trilu(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why)
{
    if (c->in[0]->shape.rank < 2) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "needs rank 2 or more");
    }
    out->shape = c->in[0]->shape;
    return COVEY_OK;
}

/* Upper keeps column - row >= k, lower column - row <= k. */
void covey__op_trilu(const struct covey__op_call *c)
{
    const struct covey_shape *y = &c->out[0]->shape;
    size_t size = covey_type_size(c->out[0]->type), count = covey__shape_elements(y);
    covey__op_copy(c);
    if (count == 0) {
        return;
    }
    int64_t rows = y->dims[y->rank - 2], columns = y->dims[y->rank - 1];
    bool upper = c->attrs->mode == 1;
    uint8_t *data = c->out[0]->data;
    for (size_t i = 0; i < count / (size_t)columns; i++, data += (size_t)columns * size) {
        int64_t bend = (int64_t)(i % (size_t)rows) + c->attrs->axis + (upper ? 0 : 1);
        bend = bend < 0 ? 0 : bend > columns ? columns : bend;
        if (upper) {
            memset(data, 0, (size_t)bend * size);
        } else {
            memset(data + (size_t)bend * size, 0, (size_t)(columns - bend) * size);
        }
    }
}
