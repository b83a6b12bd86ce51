/* SPDX-License-Identifier: MIT */
#include "op_box.h"
#include "ops_move.h"

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

void covey__op_transpose(const struct covey__op_call *c)
{
    struct covey__box b = covey__box_over(c->in[0], c->out[0]);
    ptrdiff_t step[COVEY_RANK_MAX] = {0};
    covey__box_steps(&c->in[0]->shape, b.size, step);
    for (unsigned i = 0; i < b.rank; i++) {
        b.src_step[i] = step[c->attrs->shape[i]];
    }
    covey__box_copy(&b, c->threads);
}

covey_err covey__infer_reverse(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why)
{
    if (c->attrs->axes >> c->in[0]->shape.rank != 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "axes beyond the rank");
    }
    out->shape = c->in[0]->shape;
    return COVEY_OK;
}

void covey__op_reverse(const struct covey__op_call *c)
{
    struct covey__box b = covey__box_over(c->in[0], c->out[0]);
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return;
    }
    covey__box_steps(&c->in[0]->shape, b.size, b.src_step);
    for (unsigned i = 0; i < b.rank; i++) {
        if ((c->attrs->axes >> i & 1) != 0) {
            b.src += b.src_step[i] * (ptrdiff_t)(b.dims[i] - 1);
            b.src_step[i] = -b.src_step[i];
        }
    }
    covey__box_copy(&b, c->threads);
}
