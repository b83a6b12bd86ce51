/* SPDX-License-Identifier: MIT
 *
 * winograd.h - 3 x 3 convolutions of stride 1 by F(2x2, 3x3) and F(4x4, 3x3).
 */
#ifndef COVEY_NN_WINOGRAD_H
#define COVEY_NN_WINOGRAD_H

#include "conv.h"

/* F(4, 3) at 0, +-a, +-b and infinity. a b = 1 keeps the transforms' rounding smaller than with
 * the usual 1 and 2. */
#define COVEY__WINO_AA 0.5f
#define COVEY__WINO_BB 2.0f
#define COVEY__WINO_A 0.70710678118654752f
#define COVEY__WINO_B 1.41421356237309505f

bool covey__winograd_fits(const struct covey__conv_shape *s);
/* Fills packed_floats and scratch_floats. */
void covey__winograd_plan(struct covey__conv_plan *plan);
void covey__winograd_pack(const struct covey__conv_plan *plan, const float *weights, float *packed);
/* Tiles; columns that the products compute for them; how often the weights are read. */
void covey__winograd_tiles(const struct covey__conv_plan *plan, size_t *out_tiles,
                           size_t *out_columns, size_t *out_blocks);
void covey__winograd_run(const struct covey__conv_call *call);

#endif /* COVEY_NN_WINOGRAD_H */
