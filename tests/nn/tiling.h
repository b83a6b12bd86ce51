/* SPDX-License-Identifier: MIT
 *
 * tiling.h - cutting the cells of a graph into strips and comparing them with the whole, for the
 * tests of nn.
 */
#ifndef COVEY_TESTS_NN_TILING_H
#define COVEY_TESTS_NN_TILING_H

#include "builder.h"
#include "covey/tile.h"

/* A graph's cells and, from one whole run, the value in front of each. */
struct tiling {
    struct covey_graph *g; /* the tiling's own */
    struct covey_model *m;
    struct covey_cell *cells;
    size_t count;
    float **values; /* [count + 1] */
};

/* Takes the graph, which is checked here. */
void tiling_init(struct tiling *t, struct covey_graph *take_g);
void tiling_done(struct tiling *t);
/* Rows of the first cell's input for rows [begin, end) of the last one's output, by the maps. */
struct covey_strip tiling_strip(const struct covey_cell *cells, size_t count, uint32_t begin,
                                uint32_t end);
/* Cuts the output of cells [first, first + count) at every `rows` rows (0: unevenly, by seed),
 * computes each strip from the rows that it needs and `extra` more, and returns the largest
 * relative difference to the whole. */
double tiling_error(const struct tiling *t, size_t first, size_t count, uint32_t rows,
                    uint32_t extra);
/* Every cell that tiles and every run of them up to `longest` cells, in single rows and unevenly:
 * the largest difference. Fails when no cell tiles. */
double tiling_worst(const struct tiling *t, size_t longest);
/* Cells from `first` on that tile, one after another. */
size_t tiling_run(const struct tiling *t, size_t first);

#endif /* COVEY_TESTS_NN_TILING_H */
