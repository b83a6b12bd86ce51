/* SPDX-License-Identifier: MIT
 *
 * op_rows.h - rows of any floating type as doubles, and tensors seen as lines or as what a
 * reduction keeps and folds.
 */
#ifndef COVEY_NN_OP_ROWS_H
#define COVEY_NN_OP_ROWS_H

#include "ops.h"

/* Elements worked on at once: a few rows of doubles stay in the first cache. */
enum { COVEY__ROW = 256 };

/* out [count] = elements [first, first + count) of t, and back (saturating). */
void covey_tensor_elements(const struct covey_tensor *t, size_t first, size_t count, double *out);
void covey__store_reals(struct covey_tensor *t, size_t first, size_t count, const double *in);

/* A tensor seen along one axis: element i of line (o, j) is at (o count + i) inner + j. */
struct covey__lines {
    size_t outer, count, inner;
};
/* axis is checked, and may be negative. */
struct covey__lines covey__lines_of(const struct covey_shape *s, int32_t axis);

/* A tensor seen as a set of groups [kept], each of [folded] elements; neighbouring dimensions of
 * one sort are joined. */
struct covey__dims {
    unsigned rank;
    size_t dim[COVEY_RANK_MAX], step[COVEY_RANK_MAX], count;
};
struct covey__groups {
    struct covey__dims kept, folded;
    size_t run; /* that many kept (or, if inner_folded, folded) elements lie next to each other */
    bool inner_folded;
};
/* axes: the bits of those that are folded. */
void covey__groups_init(struct covey__groups *out, const struct covey_shape *s, uint32_t axes);
/* Where element index of these dimensions is. */
size_t covey__dims_offset(const struct covey__dims *d, size_t index);

/* Any element as a number that orders as it does: NaN is UINT64_MAX. */
uint64_t covey__order_key(const struct covey_tensor *t, size_t i);

#endif /* COVEY_NN_OP_ROWS_H */
