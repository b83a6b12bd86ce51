/* SPDX-License-Identifier: MIT
 *
 * spatial.h - one convolution split by rows of its output, coded on the input
 * (coded-computing.md section 5).
 *
 * The output is cut into blocks of equal height; each needs some rows of the input, those of its
 * neighbours' edges among them. Every holder has all filters and convolves one block, or a parity:
 * a weighted sum of input blocks (covey_split_encode() on blocks), whose answer is the same sum of
 * the blocks' answers. Any N of N + r answers give the output (covey_split_rebuild()).
 */
#ifndef COVEY_SPATIAL_H
#define COVEY_SPATIAL_H

#include "covey/split.h"

/* The layer that a holder computes: one of `blocks` blocks of a convolution, without padding above
 * or below. RANGE: not a convolution, no blocks, or more than COVEY_GROUP_UNITS_MAX or than the
 * output's height gives without empty ones. */
covey_err covey_spatial_block(const struct covey_layer *layer, unsigned blocks,
                              struct covey_layer *out) COVEY_CHECK;

/* The input of block i: block [covey_layer_input_floats()], zero where the layer pads. */
void covey_spatial_cut(const struct covey_layer *layer, const struct covey_layer *block, unsigned i,
                       const float *input, float *out);

/* Rows of block i's answer into the layer's; what is below the output is left out. Answers are
 * [units x unit_rows x n], as of covey_product_run() with all units. */
void covey_spatial_join(const struct covey_layer *layer, const struct covey_layer *block,
                        unsigned i, const float *answer, float *out);

#endif /* COVEY_SPATIAL_H */
