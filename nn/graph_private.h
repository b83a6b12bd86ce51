/* SPDX-License-Identifier: MIT
 *
 * graph_private.h - what the files of the graph share.
 */
#ifndef COVEY_NN_GRAPH_PRIVATE_H
#define COVEY_NN_GRAPH_PRIVATE_H

#include "covey/graph.h"
#include "ops.h"

/* Indices, single definition, running order, known operators; nothing about shapes. */
covey_err covey__graph_structure(const struct covey_graph *g, struct covey_nn_error *out_why);
/* As covey_graph_check(), but constants need no data yet. */
covey_err covey__graph_shapes(struct covey_graph *g, uint32_t batch,
                              struct covey_nn_error *out_why);
/* The call of a node but its output and scratch; data as far as constants have it. */
void covey__graph_call(const struct covey_graph *g, const struct covey_graph_node *node,
                       struct covey__op_call *out);
/* Whether a node can be split, in a graph whose shapes are checked. */
bool covey__graph_splits(const struct covey_graph *g, const struct covey_graph_node *node);

#endif /* COVEY_NN_GRAPH_PRIVATE_H */
