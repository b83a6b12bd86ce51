/* SPDX-License-Identifier: MIT
 *
 * layers.h - layers whose products the tests share out.
 */
#ifndef COVEY_TESTS_LAYERS_H
#define COVEY_TESTS_LAYERS_H

#include "covey/split.h"

/* Y [m batch] = W [m k] X; not yet cut into units. */
static inline struct covey_layer layer_dense(uint32_t m, uint32_t k, uint32_t batch)
{
    return (struct covey_layer){.kind = COVEY_LAYER_DENSE,
                                .m = m,
                                .k = k,
                                .channels = k,
                                .height = 1,
                                .width = 1,
                                .kernel = {1, 1},
                                .stride = {1, 1},
                                .dilation = {1, 1},
                                .out_height = 1,
                                .out_width = 1,
                                .batch = batch};
}

/* Nothing about it is square: 5 channels of 9 x 8, strides 2 and 1, padded on three sides. */
static inline struct covey_layer layer_uneven_conv(uint32_t m, uint32_t batch)
{
    return (struct covey_layer){.kind = COVEY_LAYER_CONV,
                                .m = m,
                                .k = 5 * 3 * 3,
                                .channels = 5,
                                .height = 9,
                                .width = 8,
                                .kernel = {3, 3},
                                .stride = {2, 1},
                                .dilation = {1, 1},
                                .pads = {1, 1, 0, 1},
                                .out_height = 4,
                                .out_width = 8,
                                .batch = batch};
}

#endif /* COVEY_TESTS_LAYERS_H */
