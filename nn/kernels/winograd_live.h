/* SPDX-License-Identifier: MIT
 *
 * winograd_live.h - 3 x 3 convolutions of stride 1 by Winograd's method, filters transformed on the
 * way.
 *
 * Transformed filters are 16 or 36 values instead of 9. Where few tiles use them, as on a strip of
 * few rows, reading them from memory takes longer than transforming them anew, part by part in the
 * first cache. What is laid out is as large as the weights and serves all sizes of tiles.
 */
#ifndef COVEY_NN_WINOGRAD_LIVE_H
#define COVEY_NN_WINOGRAD_LIVE_H

#include "conv.h"

/* Where covey__winograd_fits. Fills packed_floats and scratch_floats. */
void covey__live_plan(struct covey__conv_plan *plan);
void covey__live_pack(const struct covey__conv_plan *plan, const float *weights, float *packed);
void covey__live_run(const struct covey__conv_call *call);

/* The size of tiles for a shape: positions of a tile, tiles, and how often weights are read. */
struct covey__live_size {
    size_t positions, tiles, blocks;
};
void covey__live_size(const struct covey__conv_shape *s, struct covey__live_size *out);

#endif /* COVEY_NN_WINOGRAD_LIVE_H */
