/* SPDX-License-Identifier: MIT
 *
 * tile_node.h - which operators work on windows of rows, and which rows they need.
 */
#ifndef COVEY_NN_TILE_NODE_H
#define COVEY_NN_TILE_NODE_H

#include "graph_private.h"

struct covey__tile_rows {
    uint32_t begin, end; /* [begin, end); equal: none */
};

/* What a node asks for of input 0: output row y takes rows y * stride - pads ... + extent - 1. Of
 * all other inputs that are no constants, and where nothing is a window, it takes row y. */
struct covey__tile_rule {
    bool window;
    uint32_t stride, pads, pads_end, extent;
    uint32_t rows, out_rows; /* of input 0 and of the outputs, in the whole graph */
    /* The last window reaches beyond the padding, which a mean may not count: it is only made
     * together with the one before it. */
    bool last_with_previous;
};

/* False: the node can not be cut into strips of rows. For a checked graph. */
bool covey__tile_rule(const struct covey_graph *g, const struct covey_graph_node *node,
                      struct covey__tile_rule *out);
/* The rows of its outputs that a node makes when these are needed. */
struct covey__tile_rows covey__tile_makes(const struct covey__tile_rule *rule,
                                          struct covey__tile_rows needed);
/* The rows of input 0 that it takes to make these. */
struct covey__tile_rows covey__tile_takes(const struct covey__tile_rule *rule,
                                          struct covey__tile_rows made);
/* Padding of the strip that makes these rows: before and after. */
void covey__tile_pads(const struct covey__tile_rule *rule, struct covey__tile_rows made,
                      uint32_t out_pads[2]);
/* Rows of values: 4-D with rows as dimension 2. */
bool covey__tile_picture(const struct covey_graph_value *v);

#endif /* COVEY_NN_TILE_NODE_H */
