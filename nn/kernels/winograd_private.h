/* SPDX-License-Identifier: MIT
 *
 * winograd_private.h - an image's tiles as rows of neighbours, and their pixels.
 */
#ifndef COVEY_NN_WINOGRAD_PRIVATE_H
#define COVEY_NN_WINOGRAD_PRIVATE_H

#include "conv_private.h"

/* Tiles [first, first + count) of the batch. */
struct covey__wino_grid {
    const struct covey__conv_call *call;
    size_t outputs[2]; /* of a tile: down, across */
    size_t rows, cols; /* tiles of an image */
    size_t first, count;
    size_t pitch; /* of what is gathered */
};

/* count tiles side by side, or the part of such a row that is in the grid. */
struct covey__wino_segment {
    size_t image, row, col, count;
};

/* The segment that starts at tile at of the grid. */
struct covey__wino_segment covey__wino_segment_at(const struct covey__wino_grid *g, size_t at);
/* The raw pixels of one channel's tiles to tiles [edge][edge][pitch]. */
void covey__wino_gather(const struct covey__wino_grid *g, size_t channel, float *tiles);

#endif /* COVEY_NN_WINOGRAD_PRIVATE_H */
