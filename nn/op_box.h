/* SPDX-License-Identifier: MIT
 *
 * op_box.h - copying a box of elements between two places with any steps.
 *
 * What nearly every operator that moves elements comes down to. Checks nothing.
 */
#ifndef COVEY_NN_OP_BOX_H
#define COVEY_NN_OP_BOX_H

#include "ops.h"

/* Tiling needs two dimensions for each of the tensor's. */
enum { COVEY__BOX_RANK = 2 * COVEY_RANK_MAX };

/* Steps in bytes, of any sign; of the destination they are such that no element is written twice.
 * Source and destination do not overlap. */
struct covey__box {
    unsigned rank;
    size_t size; /* bytes of an element */
    const uint8_t *src;
    uint8_t *dst;
    size_t dims[COVEY__BOX_RANK];
    ptrdiff_t src_step[COVEY__BOX_RANK], dst_step[COVEY__BOX_RANK];
};

/* threads may be NULL. */
void covey__box_copy(const struct covey__box *b, struct covey_threads *threads);
/* A box over all of the output, whose source steps are still to be filled in. */
struct covey__box covey__box_over(const struct covey_tensor *src, struct covey_tensor *dst);
/* Row-major steps of a shape, in bytes. */
void covey__box_steps(const struct covey_shape *s, size_t size, ptrdiff_t *out_step);

#endif /* COVEY_NN_OP_BOX_H */
