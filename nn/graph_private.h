/* SPDX-License-Identifier: MIT
 *
 * graph_private.h - what the files of the graph share.
 */
#ifndef COVEY_NN_GRAPH_PRIVATE_H
#define COVEY_NN_GRAPH_PRIVATE_H

#include "layers.h"

/* Indices, single definition, running order, known operators; nothing about shapes. */
covey_err covey__graph_structure(const struct covey_graph *g, struct covey_nn_error *out_why);
/* As covey_graph_check(), but constants need no data yet. */
covey_err covey__graph_shapes(struct covey_graph *g, uint32_t batch,
                              struct covey_nn_error *out_why);
/* Types and shapes of a node's outputs, in out [node->outputs], from those of its inputs. */
covey_err covey__graph_infer(const struct covey_graph *g, const struct covey_graph_node *node,
                             struct covey_tensor *out, struct covey_nn_error *out_why);
/* Runs a node whose inputs are constants into new buffers of the graph. STATE: its outputs do not
 * fit in max_bytes. */
covey_err covey__graph_evaluate(struct covey_graph *g, const struct covey_graph_node *node,
                                size_t max_bytes);
/* Whether all inputs are constants with data. */
bool covey__graph_all_constant(const struct covey_graph *g, const struct covey_graph_node *node);

/* A node's call over tensors of its own; data as far as constants have it. */
struct covey__graph_frame {
    struct covey__op_call call;
    struct covey_tensor tensor[COVEY_NODE_INPUTS_MAX + COVEY_NODE_OUTPUTS_MAX];
};
void covey__graph_frame(const struct covey_graph *g, const struct covey_graph_node *node,
                        struct covey__graph_frame *out);
/* Bytes of the buffer of covey_graph_alloc() that starts here; 0: it is none. */
size_t covey__graph_owned(const struct covey_graph *g, const void *data);
/* The graph's batch: the first dimension of its first input, or 1. */
uint32_t covey__graph_batch(const struct covey_graph *g);
/* Bytes of a checked tensor. */
size_t covey__graph_bytes(const struct covey_graph_value *v);
/* The node's name, or its operator's. */
const char *covey__node_name(const struct covey_graph_node *node);

/* Whether a node can be split, in a graph whose shapes are checked. */
bool covey__graph_splits(const struct covey_graph *g, const struct covey_graph_node *node);
/* Which input the weights of a node that can be split are. */
unsigned covey__op_weights(enum covey_op op);

#endif /* COVEY_NN_GRAPH_PRIVATE_H */
