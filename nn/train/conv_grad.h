/* SPDX-License-Identifier: MIT
 *
 * conv_grad.h - gradients of 2-D convolutions, as products and as convolutions.
 */
#ifndef COVEY_NN_CONV_GRAD_H
#define COVEY_NN_CONV_GRAD_H

#include "kernels/conv.h"

/* dX of a convolution of shape s is a convolution of dY, taken apart by the stride, with the
 * filters turned round and channels exchanged. */
struct covey__conv_input_grad {
    struct covey__conv_shape forward; /* the layer's */
    struct covey__conv_plan plan;     /* of the convolution that gives dX */
    bool spread;                      /* dY gets zeros between its elements first */
};
/* False: the padding is larger than the filter, no such convolution exists. */
bool covey__conv_input_grad_init(struct covey__conv_input_grad *out,
                                 const struct covey__conv_shape *s, unsigned threads);
uint64_t covey__conv_input_grad_scratch(const struct covey__conv_input_grad *p); /* floats */

struct covey__conv_grad_call {
    const float *x, *dy, *weights;
    float *dx, *dweights;
    float *scratch;
    struct covey_threads *threads;
};
void covey__conv_input_grad_run(const struct covey__conv_input_grad *p,
                                const struct covey__conv_grad_call *call);

/* dW: products of dY with the input, tap by tap over padded copies that stay in cache, or with the
 * unrolled input where there are few channels; depthwise directly. */
uint64_t covey__conv_weight_grad_scratch(const struct covey__conv_shape *s); /* floats */
void covey__conv_weight_grad_run(const struct covey__conv_shape *s,
                                 const struct covey__conv_grad_call *call);

#endif /* COVEY_NN_CONV_GRAD_H */
