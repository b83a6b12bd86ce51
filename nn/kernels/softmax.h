/* SPDX-License-Identifier: MIT
 *
 * softmax.h - softmax along one axis of [outer, axis, inner].
 */
#ifndef COVEY_NN_SOFTMAX_H
#define COVEY_NN_SOFTMAX_H

#include "covey/threads.h"

#include <stdbool.h>

struct covey__softmax_call {
    const float *in;
    float *out; /* may be in */
    size_t outer, axis, inner;
    bool logarithm;
    struct covey_threads *threads; /* NULL: this one; does not change the result */
};
/* With m the maximum of x along the axis: y = e^(x - m) / sum e^(x - m), or with logarithm
 * y = x - m - log(sum e^(x - m)). */
void covey__softmax_run(const struct covey__softmax_call *call);

#endif /* COVEY_NN_SOFTMAX_H */
