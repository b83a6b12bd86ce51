/* SPDX-License-Identifier: MIT
 *
 * update.h - one step of an optimizer on flat vectors of parameters.
 *
 * g is the gradient, w the weights; threads may be NULL and do not change the result.
 */
#ifndef COVEY_NN_UPDATE_H
#define COVEY_NN_UPDATE_H

#include "covey/threads.h"

#include <stdbool.h>
#include <stdint.h>

/* y += a x */
void covey__update_axpy(float a, const float *x, float *y, size_t count,
                        struct covey_threads *threads);

/* d = g + decay w;  m = momentum m + d;  w -= rate (nesterov ? d + momentum m : m) */
struct covey__update_sgd {
    float rate, momentum, decay;
    bool nesterov;
    const float *gradient;
    float *weights, *velocity; /* velocity: zero before the first step */
    size_t count;
    struct covey_threads *threads;
};
void covey__update_sgd(const struct covey__update_sgd *u);

/* d = g + decay w (decoupled: d = g, and w -= rate decay w)
 * m = beta1 m + (1 - beta1) d;  v = beta2 v + (1 - beta2) d^2
 * w -= rate (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + epsilon)
 * Kingma and Ba 2015, algorithm 1; decoupled: Loshchilov and Hutter 2019. */
struct covey__update_adam {
    float rate, beta[2], epsilon, decay;
    bool decoupled;
    uint64_t step; /* from 1 */
    const float *gradient;
    float *weights, *first, *second; /* first, second: zero before the first step */
    size_t count;
    struct covey_threads *threads;
};
void covey__update_adam(const struct covey__update_adam *u);

#endif /* COVEY_NN_UPDATE_H */
