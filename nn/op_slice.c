/* SPDX-License-Identifier: MIT */
#include "op_box.h"
#include "ops_move.h"

/* count elements from start by step: all of them inside dim. */
static bool inside(int64_t start, int64_t step, int64_t count, int64_t dim)
{
    if (count < 0 || count > dim) {
        return false;
    }
    if (count == 0) {
        return true;
    }
    if (start < 0 || start >= dim) {
        return false;
    }
    if (count == 1) {
        return true;
    }
    /* Steps that leave at once are refused before they are multiplied. */
    if (step >= dim || step <= -dim) {
        return false;
    }
    int64_t last = start + (count - 1) * step;
    return last >= 0 && last < dim;
}

covey_err covey__infer_slice(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why)
{
    const struct covey_op_attrs *a = c->attrs;
    struct covey_shape s = c->in[0]->shape;
    if (a->shape_rank != s.rank) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "one start and step for each dimension");
    }
    for (unsigned i = 0; i < s.rank; i++) {
        /* -1: the whole dimension, whatever the batch is. */
        bool whole = a->shape[i] == -1 && a->start[i] == 0 && a->step[i] == 1;
        int64_t count = whole ? (int64_t)s.dims[i] : a->shape[i];
        if (a->step[i] == 0 || !inside(a->start[i], a->step[i], count, s.dims[i])) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "slice leaves dimension %u", i);
        }
        s.dims[i] = (uint32_t)count;
    }
    out->shape = s;
    return COVEY_OK;
}

void covey__op_slice(const struct covey__op_call *c)
{
    struct covey__box b = covey__box_over(c->in[0], c->out[0]);
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return;
    }
    covey__box_steps(&c->in[0]->shape, b.size, b.src_step);
    for (unsigned i = 0; i < b.rank; i++) {
        b.src += b.src_step[i] * (ptrdiff_t)c->attrs->start[i];
        b.src_step[i] = b.dims[i] > 1 ? b.src_step[i] * (ptrdiff_t)c->attrs->step[i] : 0;
    }
    covey__box_copy(&b, c->threads);
}
