/* SPDX-License-Identifier: MIT */
#include "op_box.h"
#include "ops_move.h"

/* attrs.shape as a shape. */
static covey_err given_shape(const struct covey_op_attrs *a, struct covey_shape *out,
                             struct covey_nn_error *out_why)
{
    struct covey_shape s = {.rank = a->shape_rank};
    if (a->shape_rank > COVEY_RANK_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "rank above %d", COVEY_RANK_MAX);
    }
    for (unsigned i = 0; i < s.rank; i++) {
        if (a->shape[i] < 0 || a->shape[i] > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "bad dimension %u", i);
        }
        s.dims[i] = (uint32_t)a->shape[i];
    }
    *out = s;
    return COVEY_OK;
}

covey_err covey__infer_expand(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    struct covey_shape target;
    covey_err err = given_shape(c->attrs, &target, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    const struct covey_shape *both[2] = {&c->in[0]->shape, &target};
    return covey__broadcast(both, 2, &out->shape, out_why);
}

void covey__op_expand(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    struct covey__box b = covey__box_over(c->in[0], c->out[0]);
    ptrdiff_t step[COVEY_RANK_MAX] = {0};
    unsigned missing = b.rank - (unsigned)x->rank;
    covey__box_steps(x, b.size, step);
    for (unsigned i = 0; i < x->rank; i++) {
        b.src_step[missing + i] = x->dims[i] == 1 ? 0 : step[i];
    }
    covey__box_copy(&b, c->threads);
}

covey_err covey__infer_tile(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    struct covey_shape s = c->in[0]->shape, repeats = {0, {0}};
    covey_err err = given_shape(c->attrs, &repeats, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    if (repeats.rank != s.rank) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "one repeat for each dimension");
    }
    for (unsigned i = 0; i < s.rank; i++) {
        uint64_t dim = (uint64_t)s.dims[i] * repeats.dims[i];
        if (dim > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "result is too large");
        }
        s.dims[i] = (uint32_t)dim;
    }
    out->shape = s;
    return COVEY_OK;
}

void covey__op_tile(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    struct covey__box over = covey__box_over(c->in[0], c->out[0]), b = over;
    ptrdiff_t step[COVEY_RANK_MAX] = {0};
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return;
    }
    covey__box_steps(x, b.size, step);
    b.rank = 2u * x->rank;
    for (unsigned i = 0; i < x->rank; i++) {
        size_t dim = x->dims[i];
        b.dims[2 * i] = (size_t)c->attrs->shape[i];
        b.dims[2 * i + 1] = dim;
        b.src_step[2 * i] = 0;
        b.src_step[2 * i + 1] = step[i];
        b.dst_step[2 * i] = over.dst_step[i] * (ptrdiff_t)dim;
        b.dst_step[2 * i + 1] = over.dst_step[i];
    }
    covey__box_copy(&b, c->threads);
}

covey_err covey__infer_fill(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    covey_err err = given_shape(c->attrs, &out->shape, out_why);
    out->type = c->attrs->to;
    return err;
}

void covey__op_fill(const struct covey__op_call *c)
{
    struct covey_tensor *y = c->out[0];
    if (covey__shape_elements(&y->shape) == 0) {
        return;
    }
    uint64_t one = 0;
    covey__store_real(&(struct covey_tensor){.type = y->type, .data = &one}, 0, c->attrs->value);
    struct covey__box b = covey__box_over(&(struct covey_tensor){.data = &one}, y);
    covey__box_copy(&b, c->threads);
}
