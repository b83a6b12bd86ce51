/* SPDX-License-Identifier: MIT
 *
 * graph_optimize.h - what the optimiser's rules share. Nodes are visited in running order, each
 * with its inputs as they are by then; a rule that applies rewrites the graph and says so.
 */
#ifndef COVEY_NN_GRAPH_OPTIMIZE_H
#define COVEY_NN_GRAPH_OPTIMIZE_H

#include "graph_private.h"

enum { COVEY__NO_NODE = 0xffff };

/* Arrays by value have room for the values that folding adds (two for each node at most). */
struct covey__optimizer {
    struct covey_graph *g;
    uint32_t *uses;     /* of each value, by live nodes and as the graph's output */
    uint16_t *producer; /* of each value: the node that makes it, or COVEY__NO_NODE */
    uint16_t *replaced; /* of each value: what stands for it now, itself at first */
    bool *live;         /* of each node */
    size_t folded;      /* bytes made by evaluation: bounded */
};

/* A constant of floats. */
bool covey__opt_has_data(const struct covey_graph *g, uint16_t value);
/* One use less; a constant that nobody uses any more gives its buffer back if the graph owns it. */
void covey__opt_drop_use(struct covey__optimizer *o, uint16_t value);
/* The data of a constant that one node alone uses and that the graph may change; NULL: it may not.
 */
float *covey__opt_own_data(const struct covey__optimizer *o, uint16_t value);
/* The node that makes value, for this consumer alone unless shared; or NULL. */
struct covey_graph_node *covey__opt_producer(const struct covey__optimizer *o, uint16_t value,
                                             bool shared);
/* Node i goes; its only output is value `in` from now on. False where that cannot be. */
bool covey__opt_bypass(struct covey__optimizer *o, size_t i, uint16_t in);

/* Rules about layers: all say whether node i is gone. */
covey_err covey__opt_fold_affine(struct covey__optimizer *o, size_t i, bool *out_gone);
bool covey__opt_fuse_activation(struct covey__optimizer *o, size_t i);
/* Rules that rewrite node i, which stays. */
void covey__opt_gate(struct covey__optimizer *o, size_t i);     /* x sigmoid(x) and its like */
void covey__opt_residual(struct covey__optimizer *o, size_t i); /* convolution + value */

/* Rules about moving elements. */
bool covey__opt_remove_nothing(struct covey__optimizer *o, size_t i);
void covey__opt_merge_moves(struct covey__optimizer *o, size_t i); /* into the node before */
void covey__opt_merge_pad(struct covey__optimizer *o, size_t i);
void covey__opt_mean(struct covey__optimizer *o, size_t i);
void covey__opt_trim_outputs(struct covey__optimizer *o, size_t i);

#endif /* COVEY_NN_GRAPH_OPTIMIZE_H */
