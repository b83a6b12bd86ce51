/* SPDX-License-Identifier: MIT
 *
 * im2col.h - a convolution as a product, unrolled one strip of columns at a time.
 */
#ifndef COVEY_NN_IM2COL_H
#define COVEY_NN_IM2COL_H

#include "covey/split.h"

/* Columns [first, first + count) of the unrolled input into out [k x count]. image_stride: floats
 * from one image to the next in the input. */
void covey__im2col(const struct covey_layer *l, size_t image_stride, const float *in, size_t first,
                   size_t count, float *out);

/* Kernel 1 x 1, stride 1, no padding: the input is its own unrolled form. */
bool covey__conv_pointwise(const struct covey_layer *l);

#endif /* COVEY_NN_IM2COL_H */
