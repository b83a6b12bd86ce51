/* SPDX-License-Identifier: MIT
 *
 * tile.h - a network as a chain of cells, and runs of cells cut into strips of rows with halos
 * (coded-computing.md section 5; DeepThings' fused tiles).
 *
 * Between two cells exactly one tensor goes on. Where all operators of a cell work on windows of
 * rows (convolutions, poolings, element by element, over channels), a strip of its output needs
 * only a strip of its input. A row is all images and channels: planes x width floats, one width
 * each plane.
 */
#ifndef COVEY_TILE_H
#define COVEY_TILE_H

#include "covey/model.h"

/* Seconds on a device: flops / its rate of large products + bytes / its rate of reading weights
 * that are read once. */
struct covey_work {
    uint64_t flops; /* of a large matrix product that takes as long */
    uint64_t bytes;
};
/* From the kernels that will run, not from counting: within a fifth of what is measured on the
 * zoo's networks (covey bench nn --work shows both). */
void covey_model_work(const struct covey_model *m, struct covey_work *out);
void covey_model_node_work(const struct covey_model *m, size_t node, struct covey_work *out);

struct covey_cell {
    uint32_t first_node, last_node; /* [first, last) */
    uint16_t in, out;               /* values */
    uint16_t first_layer, layers;   /* split layers within, as covey_model_layer numbers them */
    uint64_t weight_bytes;          /* of all constants */
    struct covey_work whole;
    bool tiles; /* can be cut into strips; the rest is only set if so */
    uint32_t in_rows, out_rows, in_planes, out_planes, in_width, out_width;
    /* Rows [a, b) of the output need rows [a * stride - before, (b - 1) * stride + after + 1) of
     * the input, clipped. */
    uint32_t stride, before, after;
    struct covey_work row, strip; /* of a strip of r rows: strip + r * row */
};
/* The chain; heap, freed by the caller. m: a model of g, plan_only will do. */
covey_err covey_cells_find(const struct covey_graph *g, const struct covey_model *m,
                           struct covey_cell **out, size_t *out_count,
                           struct covey_nn_error *out_why) COVEY_CHECK;

/* The graph of one strip: nodes [cells[0].first_node, cells[count - 1].last_node) of g for rows
 * [out_begin, out_end) of their output. Its input has rows [in_begin, in_end), at least those that
 * are needed. Constants are g's own (borrowed). Checked; covey_graph_free() it. */
struct covey_strip {
    uint32_t in_begin, in_end, out_begin, out_end;
};
covey_err covey_tile_graph(const struct covey_graph *g, const struct covey_cell *cells,
                           size_t count, const struct covey_strip *strip, struct covey_graph **out,
                           struct covey_nn_error *out_why) COVEY_CHECK;

/* Rows [begin, end) of a tensor [planes x rows x width] to and from a strip [planes x (end - begin)
 * x width]. */
struct covey_plane_rows {
    uint32_t planes, rows, width, begin, end;
};
void covey_rows_cut(const struct covey_plane_rows *r, const float *tensor, float *strip);
void covey_rows_join(const struct covey_plane_rows *r, const float *strip, float *tensor);
/* The same with the strip as float16, to nearest. */
void covey_rows_cut_half(const struct covey_plane_rows *r, const float *tensor, uint16_t *strip);
void covey_rows_join_half(const struct covey_plane_rows *r, const uint16_t *strip, float *tensor);
/* The same without zeros, bit by bit: of each plane a bit for each float, in whole words of 32,
 * then those that are not +0. Bytes that it takes at most; those that were written; what anybody
 * may have sent: false, and the rows are anything, where it is not what is written of so many rows.
 */
size_t covey_rows_sparse_most(const struct covey_plane_rows *r);
size_t covey_rows_cut_sparse(const struct covey_plane_rows *r, const float *tensor, float *strip);
bool covey_rows_join_sparse(const struct covey_plane_rows *r, const float *strip, size_t bytes,
                            float *tensor) COVEY_CHECK;

#endif /* COVEY_TILE_H */
