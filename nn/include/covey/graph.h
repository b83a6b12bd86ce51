/* SPDX-License-Identifier: MIT
 *
 * graph.h - a network as a list of operators over values, in the order they run.
 *
 * What an importer fills and a manifest carries. Holds no buffers but the constants. Building it
 * checks only bounds; covey_graph_check() infers and checks all shapes.
 */
#ifndef COVEY_GRAPH_H
#define COVEY_GRAPH_H

#include "covey/tensor.h"

enum covey_op {
    COVEY_OP_NONE,
    COVEY_OP_CONV,      /* inputs X [n c h w], W [m c/groups kh kw], B [m] or none */
    COVEY_OP_DENSE,     /* inputs X [n k], W [m k], B [m] or none: Y = X W' + B */
    COVEY_OP_MATMUL,    /* inputs A, B of rank 2, neither a constant weight */
    COVEY_OP_BATCHNORM, /* inputs X, scale, bias, mean, var; attr epsilon */
    COVEY_OP_MAXPOOL,
    COVEY_OP_AVGPOOL,
    COVEY_OP_GLOBALAVGPOOL,
    COVEY_OP_RELU,
    COVEY_OP_LEAKYRELU, /* attr alpha */
    COVEY_OP_SIGMOID,
    COVEY_OP_TANH,
    COVEY_OP_CLIP,    /* attrs low, high */
    COVEY_OP_SOFTMAX, /* attr axis: along this one axis, as ONNX has it since opset 13 */
    COVEY_OP_LOGSOFTMAX,
    COVEY_OP_ADD, /* element-wise with broadcasting */
    COVEY_OP_SUB,
    COVEY_OP_MUL,
    COVEY_OP_DIV,
    COVEY_OP_CONCAT,     /* attr axis; 1..16 inputs */
    COVEY_OP_RESHAPE,    /* attr shape: target with 0 (keep) and one -1 already resolved or not; a
                          * leading 1 stands for the batch where the input leads with the batch */
    COVEY_OP_FLATTEN,    /* attr axis */
    COVEY_OP_TRANSPOSE,  /* attr perm */
    COVEY_OP_PAD,        /* attr pads (2 x rank), value: constant padding */
    COVEY_OP_REDUCEMEAN, /* attr axes as bits, keepdims */
    COVEY_OP_IDENTITY,   /* also Dropout at inference */
    COVEY_OP_LRN,        /* attrs size, alpha, beta, bias */
    COVEY_OP_COUNT,
};

/* Activation fused behind a convolution, dense layer or addition. */
enum covey_act {
    COVEY_ACT_NONE,
    COVEY_ACT_RELU,
    COVEY_ACT_CLIP,
    COVEY_ACT_SIGMOID,
    COVEY_ACT_TANH
};

enum { COVEY_NODE_INPUTS_MAX = 16, COVEY_VALUE_NONE = 0xffff };

struct covey_op_attrs {
    uint32_t kernel[2], stride[2], dilation[2], pads[4]; /* top left bottom right */
    uint32_t groups;
    bool ceil_mode, count_include_pad, keepdims;
    int32_t axis;
    uint32_t axes; /* bit i: axis i */
    float epsilon, alpha, beta, bias, low, high, value;
    uint32_t size;
    int64_t shape[COVEY_RANK_MAX]; /* RESHAPE: target; TRANSPOSE: perm */
    uint8_t shape_rank;
    uint32_t pad[2 * COVEY_RANK_MAX]; /* PAD: begins, then ends */
    enum covey_act act;               /* fused */
};

struct covey_graph_node {
    enum covey_op op;
    uint8_t inputs;
    uint16_t input[COVEY_NODE_INPUTS_MAX]; /* value index, COVEY_VALUE_NONE: left out */
    uint16_t output;
    struct covey_op_attrs attrs;
    char name[COVEY_NAME_MAX + 1]; /* for messages and traces; may be empty */
};

/* A value is the graph's input, a constant, or the output of exactly one node. */
struct covey_graph_value {
    struct covey_shape shape;
    bool constant;
    const float *data; /* of constants: borrowed, or owned by the graph if it made it (folding) */
};

struct covey_graph {
    struct covey_graph_node *nodes;
    size_t node_count;
    struct covey_graph_value *values;
    size_t value_count;
    uint16_t input;  /* one input: [n c h w] or [n k]; n is the batch, 1 when it was dynamic */
    uint16_t output; /* one output */
    void *owned;     /* list of buffers the graph owns; private */
};

/* Heap; covey_graph_free(NULL) is a no-op. */
covey_err covey_graph_new(struct covey_graph **out) COVEY_CHECK;
void covey_graph_free(struct covey_graph *g);
/* Room for count floats owned by the graph, 64-byte aligned. */
covey_err covey_graph_alloc(struct covey_graph *g, size_t count, float **out) COVEY_CHECK;
covey_err covey_graph_add_value(struct covey_graph *g, const struct covey_graph_value *value,
                                uint16_t *out_index) COVEY_CHECK;
covey_err covey_graph_add_node(struct covey_graph *g,
                               const struct covey_graph_node *node) COVEY_CHECK;
/* attrs with every default of ONNX (strides, dilations 1, groups 1, epsilon 1e-5, ...). */
void covey_op_attrs_init(struct covey_op_attrs *attrs);
const char *covey_op_name(enum covey_op op);

/* What is wrong, for people: one line. */
struct covey_nn_error {
    char text[256];
};

/* Checks every index, infers and checks every shape for the given batch (0: as declared). After it
 * all values have shapes. */
covey_err covey_graph_check(struct covey_graph *g, uint32_t batch,
                            struct covey_nn_error *out_why) COVEY_CHECK;

/* Folds batch-norm into convolutions and dense layers, fuses activations (into CONV, DENSE, ADD),
 * removes identities and dead nodes, evaluates nodes whose inputs are all constant. Call before
 * check(); results equal within rounding. Value indices change (those of input and output are kept
 * up to date); after an error the graph is only good for covey_graph_free(). */
covey_err covey_graph_optimize(struct covey_graph *g, struct covey_nn_error *out_why) COVEY_CHECK;

#endif /* COVEY_GRAPH_H */
