/* SPDX-License-Identifier: MIT
 *
 * builder.h - well-known networks by name, with seeded random weights.
 *
 * For training from scratch and for measuring. The output is the logits: no softmax. Layers that
 * shrink an image too small for them are left out, so that each network takes 1 x 28 x 28,
 * 3 x 32 x 32 and 3 x 224 x 224.
 */
#ifndef COVEY_BUILDER_H
#define COVEY_BUILDER_H

#include "covey/graph.h"

/* Every length is bounded: RANGE, LIMIT with the reason. */
struct covey_build_options {
    uint32_t channels, height, width; /* of the input; batch is 1 */
    uint32_t classes;
    uint64_t seed;
    uint32_t depth; /* mlp: hidden layers (3); wrn: layers, 6 n + 4 (16); 0: the default */
    float scale;    /* mobilenet, mobilenet_v2, wrn: width multiplier (1, 1, 2); 0: the default */
    uint32_t units; /* mlp: hidden units (256); 0: the default */
};

/* Number of names, and each: mlp lenet5 vgg8 vgg11 vgg16 vgg19 alexnet mobilenet mobilenet_v2
 * squeezenet resnet20 resnet34 resnet50 wrn. */
size_t covey_build_count(void);
const char *covey_build_name(size_t i); /* NULL from the count on */

/* A checked graph for batch 1, the caller's. NOT_FOUND: no such name. */
covey_err covey_build(const char *name, const struct covey_build_options *options,
                      struct covey_graph **out, struct covey_nn_error *out_why) COVEY_CHECK;

#endif /* COVEY_BUILDER_H */
