/* SPDX-License-Identifier: MIT
 *
 * act.h - an activation with its parameters, as kernels fuse it.
 */
#ifndef COVEY_NN_ACT_H
#define COVEY_NN_ACT_H

#include "covey/graph.h"

/* NONE, RELU and CLIP are applied while the result is in registers, the others afterwards. */
struct covey__act {
    enum covey_act kind;
    float low, high; /* CLIP */
};

/* data[i] = act(data[i]). */
void covey__act_run(struct covey__act act, float *data, size_t count);

#endif /* COVEY_NN_ACT_H */
