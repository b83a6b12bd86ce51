/* SPDX-License-Identifier: MIT
 *
 * norm.h - sums over all but the channels, and batch normalisation in training.
 *
 * Arrays are [batch, channels, pixels], parameters [channels]. Rows times columns are pixels 1
 * (sums of columns) or batch 1 (sums of rows). threads may be NULL; channels are shared out, so
 * results do not depend on them.
 */
#ifndef COVEY_NN_NORM_H
#define COVEY_NN_NORM_H

#include "covey/threads.h"

struct covey__norm_shape {
    size_t batch, channels, pixels;
};

/* out[c] = sum of in over batch and pixels: the gradient of a bias. */
void covey__norm_sums(const struct covey__norm_shape *s, const float *in, float *out,
                      struct covey_threads *threads);

/* mean[c]; variance[c] = sum (x - mean)^2 / (batch pixels). In two passes. */
struct covey__norm_statistics_call {
    const struct covey__norm_shape *shape;
    const float *in;
    float *mean, *variance;
    struct covey_threads *threads;
};
void covey__norm_statistics(const struct covey__norm_statistics_call *call);

/* Of y = scale x^ + shift with x^ = (x - mean) inverse, inverse = 1 / sqrt(variance + epsilon),
 * and M = batch pixels:
 *   dshift = sum dy
 *   dscale = sum dy x^
 *   dx = scale inverse (dy - dshift / M - x^ dscale / M) */
struct covey__norm_back_call {
    const struct covey__norm_shape *shape;
    const float *x, *dy;
    const float *mean, *inverse, *scale;
    float *dx; /* may be dy */
    float *dscale, *dshift;
    struct covey_threads *threads;
};
void covey__norm_back(const struct covey__norm_back_call *call);

#endif /* COVEY_NN_NORM_H */
