/* SPDX-License-Identifier: MIT
 *
 * transpose.h - an array with its dimensions in another order.
 */
#ifndef COVEY_NN_TRANSPOSE_H
#define COVEY_NN_TRANSPOSE_H

#include "covey/tensor.h"
#include "covey/threads.h"

struct covey__transpose_call {
    unsigned rank;
    const uint32_t *dims;   /* of in */
    const unsigned *perm;   /* dimension i of out is dimension perm[i] of in */
    unsigned element_bytes; /* 1, 2, 4 or 8 */
    const void *in;
    void *out; /* not in */
    struct covey_threads *threads;
};
/* out[i_perm(0), i_perm(1), ...] = in[i_0, i_1, ...] */
void covey__transpose_run(const struct covey__transpose_call *call);

#endif /* COVEY_NN_TRANSPOSE_H */
