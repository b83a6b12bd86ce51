/* SPDX-License-Identifier: MIT
 *
 * op_index.h - indices that come as data: checked whenever they are used.
 */
#ifndef COVEY_NN_OP_INDEX_H
#define COVEY_NN_OP_INDEX_H

#include "ops.h"

/* Index i of the tensor, negative counting from the end; false: not in [-dim, dim). */
static inline bool covey__index_at(const struct covey_tensor *indices, size_t i, size_t dim,
                                   size_t *out_at)
{
    int64_t v = indices->type == COVEY_TYPE_I64   ? ((const int64_t *)indices->data)[i]
                : indices->type == COVEY_TYPE_I32 ? ((const int32_t *)indices->data)[i]
                                                  : covey__load_int(indices, i);
    v = v < 0 && v >= -(int64_t)dim ? v + (int64_t)dim : v;
    *out_at = (size_t)v;
    return v >= 0 && v < (int64_t)dim;
}

/* Row `row` of the indices [..., depth] as one index over dims [depth]; false: out of range. */
bool covey__index_tuple(const struct covey_tensor *indices, size_t row, const uint32_t *dims,
                        size_t *out_at);

/* Walks a shape in order beside a larger tensor: offset is the same place in data, without its part
 * along the axis, where one index is axis_step elements. */
struct covey__index_walk {
    const struct covey_shape *shape;
    size_t offset, axis_step;
    size_t step[COVEY_RANK_MAX];
    uint32_t at[COVEY_RANK_MAX];
};
void covey__index_walk(const struct covey_shape *over, const struct covey_shape *data,
                       unsigned axis, struct covey__index_walk *out);
void covey__index_next(struct covey__index_walk *w);

/* Input 1 is i32 or i64. */
covey_err covey__index_types(const struct covey__op_call *c, struct covey_nn_error *out_why);
/* And of input 0's rank, nowhere longer but along the axis. */
covey_err covey__index_beside(const struct covey__op_call *c, struct covey_nn_error *out_why);
/* attrs.axis of input 0, counted from the front. */
unsigned covey__index_axis(const struct covey__op_call *c);

#endif /* COVEY_NN_OP_INDEX_H */
