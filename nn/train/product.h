/* SPDX-License-Identifier: MIT
 *
 * product.h - what the parts of train_product.h share: the convolution that a product is, and that
 * as a product of matrices, some images at a time.
 */
#ifndef COVEY_NN_TRAIN_PRODUCT_H
#define COVEY_NN_TRAIN_PRODUCT_H

#include "covey/split.h"
#include "covey/train_product.h"
#include "kernels/conv.h"

/* The layer's convolution with as many samples, or input channels, as there are rows of A. */
void covey__train_product_conv(const struct covey_train_product *p, uint32_t rows,
                               struct covey__conv_shape *out);

/* Filters [m x k], unrolled images U [k x columns], outputs [m x columns]. */
struct covey__unrolled {
    struct covey_layer layer;
    size_t m, k, pixels, plane; /* pixels: of the output; plane: of the input */
    size_t batch, images;       /* images: in one piece */
};
/* Pieces of about so many columns, at least an image. */
void covey__unrolled_init(struct covey__unrolled *out, const struct covey__conv_shape *s,
                          size_t columns);
/* Of X: U [channels taps x images pixels] of some images, and of some of their channels. */
struct covey__unrolled_part {
    const float *x; /* all of it */
    size_t image, images, channel, channels;
};
void covey__unrolled_fill(const struct covey__unrolled *u, const struct covey__unrolled_part *part,
                          float *out);
/* From [image][m][pixels] to [m][image][pixels], in room unless it is so already; and back. */
const float *covey__unrolled_gather(const struct covey__unrolled *u, const float *from,
                                    size_t count, float *room);
void covey__unrolled_scatter(const struct covey__unrolled *u, const float *from, size_t count,
                             float *to);

/* The weight gradient of a convolution, in floats; s as covey__train_product_conv() gives it. */
/* floats */
uint64_t covey__product_weights_scratch(const struct covey__conv_shape *s, unsigned threads);
void covey__product_weights_run(const struct covey_train_product_run *run,
                                const struct covey__conv_shape *s);

/* Of integers of a field: bytes, and the product. */
size_t covey__train_product_field_scratch(const struct covey_train_product *p, uint32_t rows);
void covey__train_product_field(const struct covey_train_product_run *run);

#endif /* COVEY_NN_TRAIN_PRODUCT_H */
