/* SPDX-License-Identifier: MIT
 *
 * graph.h - a network as a list of operators over values, in the order they run.
 *
 * What an importer fills and a manifest carries. Every shape is known: for another batch a graph is
 * checked again. Holds no buffers but the constants.
 */
#ifndef COVEY_GRAPH_H
#define COVEY_GRAPH_H

#include "covey/op.h"

enum { COVEY_VALUE_NONE = 0xffff, COVEY_GRAPH_IO_MAX = 32 };

struct covey_graph_node {
    enum covey_op op;
    uint8_t inputs, outputs;
    uint16_t input[COVEY_NODE_INPUTS_MAX];   /* value index, COVEY_VALUE_NONE: left out */
    uint16_t output[COVEY_NODE_OUTPUTS_MAX]; /* the first is there; others may be left out */
    struct covey_op_attrs attrs;
    char name[COVEY_NAME_MAX + 1]; /* for messages and traces; may be empty */
};

/* A value is an input of the graph, a constant, or an output of exactly one node. */
struct covey_graph_value {
    enum covey_type type;
    struct covey_shape shape;
    bool constant;
    bool writable;    /* borrowed data that is nobody else's: optimising may change it in place */
    const void *data; /* of constants: borrowed, or owned by the graph if it made it (folding) */
};

struct covey_graph {
    struct covey_graph_node *nodes;
    size_t node_count;
    struct covey_graph_value *values;
    size_t value_count;
    uint16_t input[COVEY_GRAPH_IO_MAX]; /* values; input[0] usually [n c h w] or [n k], n: batch */
    uint16_t output[COVEY_GRAPH_IO_MAX];
    uint8_t inputs, outputs; /* at least one output */
    void *owned;             /* list of buffers the graph owns; private */
};

/* What is wrong, for people: one line. */
struct covey_nn_error {
    char text[256];
};

/* Heap; covey_graph_free(NULL) is a no-op. */
covey_err covey_graph_new(struct covey_graph **out) COVEY_CHECK;
void covey_graph_free(struct covey_graph *g);
/* Room for bytes owned by the graph, 64-byte aligned. */
covey_err covey_graph_alloc(struct covey_graph *g, size_t bytes, void **out) COVEY_CHECK;
/* Gives back a buffer of covey_graph_alloc() before the graph ends. */
void covey_graph_release(struct covey_graph *g, const void *data);
covey_err covey_graph_add_value(struct covey_graph *g, const struct covey_graph_value *value,
                                uint16_t *out_index) COVEY_CHECK;
covey_err covey_graph_add_input(struct covey_graph *g, uint16_t value) COVEY_CHECK;
covey_err covey_graph_add_output(struct covey_graph *g, uint16_t value) COVEY_CHECK;
/* Checks bounds only. */
covey_err covey_graph_add_node(struct covey_graph *g,
                               const struct covey_graph_node *node) COVEY_CHECK;

/* Checks the last node and infers its outputs' types and shapes: for building with all shapes known
 * from the first node on. On failure the node stays and the graph is only good to be freed. */
covey_err covey_graph_infer_last(struct covey_graph *g, struct covey_nn_error *out_why) COVEY_CHECK;
/* When all inputs of the last node are constants and the results are at most max_bytes: runs it
 * now, makes its outputs constants and removes it. */
covey_err covey_graph_fold_last(struct covey_graph *g, size_t max_bytes,
                                bool *out_folded) COVEY_CHECK;

/* Checks every index, infers and checks every type and shape, with the first dimension of input 0
 * set to batch (0: as declared). After it all values have shapes. */
covey_err covey_graph_check(struct covey_graph *g, uint32_t batch,
                            struct covey_nn_error *out_why) COVEY_CHECK;

/* After a check for batch 1: checks for this batch, and that every input of it is answered as it
 * would be alone. UNSUPPORTED: not so, or not known to be; the graph is for some batch then. */
covey_err covey_graph_batch(struct covey_graph *g, uint32_t batch,
                            struct covey_nn_error *out_why) COVEY_CHECK;

/* Folds batch-norm into convolutions and dense layers, fuses activations and additions, removes
 * identities and dead nodes, evaluates nodes whose inputs are all constant. Results equal within
 * rounding. Value indices change (those of inputs and outputs are kept up to date); after an error
 * the graph is only good for covey_graph_free(). Needs covey_graph_check() before and after. */
covey_err covey_graph_optimize(struct covey_graph *g, struct covey_nn_error *out_why) COVEY_CHECK;

#endif /* COVEY_GRAPH_H */
