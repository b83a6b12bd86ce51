/* SPDX-License-Identifier: MIT
 *
 * onnx_build.h - what the parts of the ONNX importer share: named values, attributes, node
 * building.
 *
 * Private to the importer. Every function that fails has written the reason.
 */
#ifndef COVEY_ONNX_BUILD_H
#define COVEY_ONNX_BUILD_H

#include "covey/graph.h"
#include "onnx.pb-c.h"
#include "read_why.h"

enum covey_onnx_limits {
    /* Elements of an integer tensor that is followed at import: shapes, axes, pads of rank 8. */
    COVEY_ONNX_INTS_MAX = 16,
    COVEY_ONNX_OPSET_MIN = 7,
    COVEY_ONNX_OPSET_MAX = 24,
    /* Floats that the import makes itself (fills, transposes): one largest tensor. */
    COVEY_ONNX_MADE_MAX = COVEY_TENSOR_ELEMENTS_MAX,
};

enum covey_onnx_kind {
    COVEY_ONNX_UNDEFINED, /* declared by a node that has not been reached */
    COVEY_ONNX_FLOATS,    /* a value of the graph; constant or not */
    COVEY_ONNX_INTEGERS,  /* known at import, never in the graph */
    COVEY_ONNX_OTHER,     /* a tensor of another kind; an error where it is used */
};

/* A name of the ONNX graph and what it stands for. */
struct covey_onnx_value {
    const char *name;
    enum covey_onnx_kind kind;
    uint32_t uses;            /* by nodes and as the graph's output */
    uint16_t index;           /* FLOATS: in the graph */
    int32_t node;             /* FLOATS: graph node that makes it, or -1 */
    struct covey_shape shape; /* INTEGERS: rank 0 or 1 */
    int64_t ints[COVEY_ONNX_INTS_MAX];
    size_t count;
};

struct covey_onnx_build {
    struct covey_bytes file;
    struct covey_graph *graph;
    int64_t opset;
    struct covey_onnx_value *values; /* sorted by name */
    size_t value_count;
    size_t made; /* floats made so far */
    struct covey_nn_error *why;
    const Onnx__NodeProto *node; /* the one being read */
    uint64_t attributes_seen;    /* bit i: attribute i of node was read */
};

/* An error about the node being read: "node 'x' (Conv): ...". */
covey_err covey__onnx_fail(struct covey_onnx_build *b, covey_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* onnx_attributes.c: each writes the default when the attribute is absent. ints: up to max. */
covey_err covey__onnx_int(struct covey_onnx_build *b, const char *name, int64_t fallback,
                          int64_t *out) COVEY_CHECK;
covey_err covey__onnx_float(struct covey_onnx_build *b, const char *name, float fallback,
                            float *out) COVEY_CHECK;
/* out_count is 0 when absent. */
covey_err covey__onnx_ints(struct covey_onnx_build *b, const char *name, int64_t *out, size_t max,
                           size_t *out_count) COVEY_CHECK;
/* out_text is "" when absent; longer than the room is an error. */
covey_err covey__onnx_text(struct covey_onnx_build *b, const char *name, char *out,
                           size_t room) COVEY_CHECK;
/* NULL when absent. */
const Onnx__AttributeProto *covey__onnx_attribute(struct covey_onnx_build *b, const char *name);
/* Marks an attribute that has no meaning at inference. */
void covey__onnx_ignore(struct covey_onnx_build *b, const char *name);
/* An attribute that nobody asked for would be lost silently: UNSUPPORTED. */
covey_err covey__onnx_attributes_done(struct covey_onnx_build *b) COVEY_CHECK;

/* onnx_tensor.c */
/* Shape with all bounds checked. */
covey_err covey__onnx_tensor_shape(const Onnx__TensorProto *t, struct covey_shape *out,
                                   size_t *out_count, struct covey_nn_error *why) COVEY_CHECK;
/* Where raw_data lies in the file, from the reference the walk left. */
covey_err covey__onnx_tensor_raw(struct covey_bytes file, const Onnx__TensorProto *t,
                                 struct covey_bytes *out) COVEY_CHECK;
/* Whether t's data has exactly count elements of a known type. */
covey_err covey__onnx_tensor_measure(struct covey_bytes file, const Onnx__TensorProto *t,
                                     size_t count, struct covey_nn_error *why) COVEY_CHECK;
/* Converts any numeric tensor's count elements. */
covey_err covey__onnx_tensor_convert(struct covey_bytes file, const Onnx__TensorProto *t,
                                     size_t count, float *out,
                                     struct covey_nn_error *why) COVEY_CHECK;
/* Defines value from a tensor: floats as a constant, small integers as integers, else OTHER. */
covey_err covey__onnx_tensor_define(struct covey_onnx_build *b, const Onnx__TensorProto *t,
                                    struct covey_onnx_value *value) COVEY_CHECK;

/* onnx_values.c */
struct covey_onnx_value *covey__onnx_find(const struct covey_onnx_build *b, const char *name);
/* Input of the node; present: must be there. *out NULL when left out. */
covey_err covey__onnx_input(struct covey_onnx_build *b, size_t i, bool present,
                            struct covey_onnx_value **out) COVEY_CHECK;
/* The same, and it must be floats. */
covey_err covey__onnx_floats(struct covey_onnx_build *b, size_t i, bool present,
                             struct covey_onnx_value **out) COVEY_CHECK;
/* The same, and it must be integers known now. */
covey_err covey__onnx_integers(struct covey_onnx_build *b, size_t i, bool present,
                               struct covey_onnx_value **out) COVEY_CHECK;
/* One constant float. */
covey_err covey__onnx_scalar(struct covey_onnx_build *b, size_t i, float fallback,
                             float *out) COVEY_CHECK;
const float *covey__onnx_constant(const struct covey_onnx_build *b,
                                  const struct covey_onnx_value *v); /* NULL: none */
/* Shape of a float value; infers what is in front of it if need be. */
covey_err covey__onnx_shape(struct covey_onnx_build *b, uint16_t index,
                            struct covey_shape *out) COVEY_CHECK;
/* Room for a constant of that shape and its value in the graph. */
covey_err covey__onnx_make(struct covey_onnx_build *b, const struct covey_shape *shape,
                           float **out_data, uint16_t *out_index) COVEY_CHECK;
/* The node's first output is the value index of the graph. */
covey_err covey__onnx_define(struct covey_onnx_build *b, uint16_t index, int32_t node) COVEY_CHECK;
covey_err covey__onnx_define_ints(struct covey_onnx_build *b, const int64_t *ints, size_t count,
                                  uint8_t rank) COVEY_CHECK;
/* A graph node with these inputs; its output value is made. */
struct covey_onnx_emit {
    enum covey_op op;
    uint8_t inputs;
    uint16_t input[COVEY_NODE_INPUTS_MAX];
    struct covey_op_attrs attrs;
};
void covey__onnx_emit_init(struct covey_onnx_emit *e, enum covey_op op, uint16_t input);
covey_err covey__onnx_emit(struct covey_onnx_build *b, const struct covey_onnx_emit *e,
                           uint16_t *out_index) COVEY_CHECK;
/* emit and define. */
covey_err covey__onnx_finish(struct covey_onnx_build *b,
                             const struct covey_onnx_emit *e) COVEY_CHECK;
/* Reshape of input to a target with 0 (keep) and -1. */
covey_err covey__onnx_emit_reshape(struct covey_onnx_build *b, uint16_t input,
                                   const int64_t *target, size_t rank,
                                   uint16_t *out_index) COVEY_CHECK;
/* axis of [-rank, rank) as [0, rank). */
covey_err covey__onnx_axis(struct covey_onnx_build *b, int64_t axis, size_t rank,
                           uint8_t *out) COVEY_CHECK;

#endif /* COVEY_ONNX_BUILD_H */
