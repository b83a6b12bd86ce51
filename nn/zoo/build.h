/* SPDX-License-Identifier: MIT
 *
 * build.h - a graph grown layer by layer from its last value.
 *
 * The first error sticks: later calls do nothing, covey_build() reports it.
 */
#ifndef COVEY_NN_BUILD_H
#define COVEY_NN_BUILD_H

#include "covey/builder.h"

struct covey__build {
    struct covey_graph *g;
    const struct covey_build_options *options;
    uint64_t random; /* state of the generator */
    uint16_t x;      /* the value that the next layer takes */
    unsigned layers; /* named so far */
    covey_err err;
    struct covey_nn_error *why;
};

/* Shape of x; its channels, and the smaller of its height and width (1 for rank 2). */
const struct covey_shape *covey__build_shape(const struct covey__build *b);
uint32_t covey__build_channels(const struct covey__build *b);
uint32_t covey__build_side(const struct covey__build *b);

struct covey__build_conv {
    uint32_t filters, kernel, stride, pad, groups; /* 0 stride and groups: 1 */
    bool no_bias;
};
/* Kaiming's uniform weights: bound sqrt(6 / fan-in); biases within 1 / sqrt(fan-in). */
void covey__build_conv(struct covey__build *b, struct covey__build_conv conv);
void covey__build_dense(struct covey__build *b, uint32_t units);
void covey__build_batchnorm(struct covey__build *b);
void covey__build_relu(struct covey__build *b);
void covey__build_relu6(struct covey__build *b);
void covey__build_dropout(struct covey__build *b, float ratio);
void covey__build_flatten(struct covey__build *b);
struct covey__build_pool {
    uint32_t kernel, stride, pad;
    bool ceil_mode;
};
/* Left out where the image is smaller than the window. */
void covey__build_maxpool(struct covey__build *b, struct covey__build_pool pool);
void covey__build_global_pool(struct covey__build *b);
/* x = x + other; x = [other, x] along the channels. */
void covey__build_add(struct covey__build *b, uint16_t other);
void covey__build_concat(struct covey__build *b, uint16_t other);
/* Convolution without bias, batch-norm. */
void covey__build_conv_bn(struct covey__build *b, struct covey__build_conv conv);

/* networks.c, residual.c, mobile.c */
void covey__build_mlp(struct covey__build *b);
void covey__build_lenet5(struct covey__build *b);
void covey__build_vgg8(struct covey__build *b);
void covey__build_vgg11(struct covey__build *b);
void covey__build_vgg16(struct covey__build *b);
void covey__build_vgg19(struct covey__build *b);
void covey__build_alexnet(struct covey__build *b);
void covey__build_squeezenet(struct covey__build *b);
void covey__build_resnet20(struct covey__build *b);
void covey__build_resnet34(struct covey__build *b);
void covey__build_resnet50(struct covey__build *b);
void covey__build_wrn(struct covey__build *b);
void covey__build_mobilenet(struct covey__build *b);
void covey__build_mobilenet_v2(struct covey__build *b);

#endif /* COVEY_NN_BUILD_H */
