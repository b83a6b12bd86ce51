/* SPDX-License-Identifier: MIT
 *
 * cost.h - how much a graph computes and holds.
 */
#ifndef COVEY_COST_H
#define COVEY_COST_H

#include "covey/graph.h"

/* Floating-point operations of a node, a multiplication and an addition being two; products
 * (convolutions, dense layers, matrices) exactly, every other operator one for each element made,
 * 0 for those that only move elements. For a checked graph. */
uint64_t covey_graph_flops(const struct covey_graph *g, size_t node);
/* Of all nodes. */
uint64_t covey_graph_total_flops(const struct covey_graph *g);
/* Elements of all constants that nodes of products and normalisations take: weights, biases,
 * scales; running statistics are left out. */
uint64_t covey_graph_parameters(const struct covey_graph *g);
/* The same of one node. */
uint64_t covey_graph_node_parameters(const struct covey_graph *g, size_t node);
/* Bytes of a value's elements, by its shape and type. */
uint64_t covey_graph_value_bytes(const struct covey_graph *g, size_t value);
/* Bytes of all constants. */
uint64_t covey_graph_constant_bytes(const struct covey_graph *g);

#endif /* COVEY_COST_H */
