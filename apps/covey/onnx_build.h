/* SPDX-License-Identifier: MIT
 *
 * onnx_build.h - what the parts of the ONNX importer share: named values, attributes, node
 * building.
 *
 * Private to the importer. The error is sticky, as in the codec's cursors: after the first failure
 * every function does nothing and returns zeros, and the importer stops behind the node. A number
 * that steers a loop or an index is bounded by the function that reads it.
 */
#ifndef COVEY_ONNX_BUILD_H
#define COVEY_ONNX_BUILD_H

#include "covey/graph.h"
#include "onnx.pb-c.h"
#include "onnx_import.h"
#include "read_why.h"

enum covey_onnx_limits {
    COVEY_ONNX_OPSET_MIN = 1,
    COVEY_ONNX_OPSET_MAX = 24,
    /* Elements of a list read at import: pads of the largest rank, sizes of the most outputs. */
    COVEY_ONNX_INTS_MAX = 16,
    /* Bytes that the import computes: of one node's results, and of all constants it makes. */
    COVEY_ONNX_FOLD_MAX = 16 << 20,
    COVEY_ONNX_MADE_MAX = 1 << 30,
};

/* A name of the ONNX graph and the value of ours that it stands for. */
struct covey_onnx_value {
    const char *name;
    uint32_t uses;  /* by nodes and as an output */
    uint16_t index; /* COVEY_VALUE_NONE: no node that was reached makes it */
    int32_t node;   /* graph node that makes it, or -1 */
};

struct covey_onnx_build {
    struct covey_bytes file;
    uint8_t *movable;        /* file, when its bytes may be moved; NULL: they may not */
    struct covey_onnx *onnx; /* what is being made: graph, names, external files */
    const struct covey_onnx_options *options;
    const char *folder; /* of external data; NULL: none */
    struct covey_graph *graph;
    int64_t opset;
    struct covey_onnx_value *values; /* sorted by name */
    size_t value_count;
    size_t made; /* bytes of constants made so far */
    struct covey_nn_error *why;
    covey_err err;               /* sticky */
    const Onnx__NodeProto *node; /* the one being read */
    enum covey_op op;            /* what the table says of it */
    uint64_t attributes_seen;    /* bit i: attribute i of node was read */
};

/* The first error stays. With a node: "node 'x' (Conv): ...". */
void covey__onnx_fail(struct covey_onnx_build *b, covey_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* onnx_attributes.c: the fallback when the attribute is absent. */
const Onnx__AttributeProto *covey__onnx_attribute(struct covey_onnx_build *b, const char *name);
int64_t covey__onnx_int(struct covey_onnx_build *b, const char *name, int64_t fallback);
/* The same, an error outside [low, high]. */
int64_t covey__onnx_int_in(struct covey_onnx_build *b, const char *name, int64_t fallback,
                           const int64_t range[2]);
bool covey__onnx_flag(struct covey_onnx_build *b, const char *name, bool fallback);
float covey__onnx_float(struct covey_onnx_build *b, const char *name, float fallback);
/* How many of at most max numbers were written; 0 when absent. */
size_t covey__onnx_ints(struct covey_onnx_build *b, const char *name, int64_t *out, size_t max);
/* Index of the text among words (NULL at the end), 0 when absent; UNSUPPORTED: it is none. */
unsigned covey__onnx_choice(struct covey_onnx_build *b, const char *name, const char *const *words);
/* Marks an attribute that has no meaning at inference. */
void covey__onnx_ignore(struct covey_onnx_build *b, const char *name);
/* An attribute that nobody asked for would be lost silently: UNSUPPORTED. */
void covey__onnx_attributes_done(struct covey_onnx_build *b);

/* onnx_tensor.c */
/* COVEY_TYPE_COUNT: none of ours. */
enum covey_type covey__onnx_type(int64_t onnx);
/* The constant that a tensor is: where it lies in the file, or a copy. */
uint16_t covey__onnx_tensor(struct covey_onnx_build *b, const Onnx__TensorProto *t);
/* onnx_external.c: the bytes of a tensor in another file of the model's folder. */
struct covey_bytes covey__onnx_external(struct covey_onnx_build *b, const Onnx__TensorProto *t);

/* onnx_inputs.c: the graph's inputs, or constants where they are given. */
void covey__onnx_define_inputs(struct covey_onnx_build *b, const Onnx__GraphProto *g);

/* onnx_values.c */
struct covey_onnx_value *covey__onnx_find(const struct covey_onnx_build *b, const char *name);
bool covey__onnx_has(const struct covey_onnx_build *b, size_t i); /* input i is given */
/* Value of input i; COVEY_VALUE_NONE when left out. */
uint16_t covey__onnx_input(struct covey_onnx_build *b, size_t i);
/* An error when left out; 0 after an error. */
uint16_t covey__onnx_need(struct covey_onnx_build *b, size_t i);
struct covey_shape covey__onnx_shape(const struct covey_onnx_build *b, uint16_t index);
enum covey_type covey__onnx_type_of(const struct covey_onnx_build *b, uint16_t index);
size_t covey__onnx_count(const struct covey_onnx_build *b, uint16_t index);
/* Data of a constant with elements; NULL: it is none. */
const void *covey__onnx_constant(const struct covey_onnx_build *b, uint16_t index);
/* Element i of a constant. */
double covey__onnx_element(const struct covey_onnx_build *b, uint16_t index, size_t i);
int64_t covey__onnx_element_int(const struct covey_onnx_build *b, uint16_t index, size_t i);
/* Integers of input i, which must be known now; SIZE_MAX: left out (or an error). */
size_t covey__onnx_known(struct covey_onnx_build *b, size_t i, int64_t *out, size_t max);
/* The same as the attribute of that name before opset `since`. */
size_t covey__onnx_list(struct covey_onnx_build *b, const char *name, size_t i, int64_t since,
                        int64_t out[static COVEY_ONNX_INTS_MAX]);
/* One number of input i, which must be known now. */
double covey__onnx_scalar(struct covey_onnx_build *b, size_t i, double fallback);
/* axis of [-rank, rank) as [0, rank). */
uint8_t covey__onnx_axis(struct covey_onnx_build *b, int64_t axis, size_t rank);
/* Room for a constant. */
void *covey__onnx_make(struct covey_onnx_build *b, enum covey_type type,
                       const struct covey_shape *shape, uint16_t *out_index);
/* The node's output i is the value index. */
void covey__onnx_define(struct covey_onnx_build *b, size_t i, uint16_t index);

/* onnx_emit.c: nodes of our graph. */
struct covey_onnx_emit {
    enum covey_op op;
    uint8_t inputs, outputs;
    uint16_t input[COVEY_NODE_INPUTS_MAX];
    uint16_t output[COVEY_NODE_OUTPUTS_MAX]; /* after the emit; NONE before it: left out */
    struct covey_op_attrs attrs;
    int32_t node; /* after the emit: in the graph, -1 when it was computed */
};
/* One output. */
void covey__onnx_emit_init(struct covey_onnx_emit *e, enum covey_op op);
void covey__onnx_emit_add(struct covey_onnx_build *b, struct covey_onnx_emit *e, uint16_t input);
/* The table's operator with the node's first `least` inputs, and those up to `most` given. */
void covey__onnx_begin(struct covey_onnx_build *b, struct covey_onnx_emit *e, size_t least,
                       size_t most);
/* Adds the node, infers it, and computes it if all is known: its first output. */
uint16_t covey__onnx_emit(struct covey_onnx_build *b, struct covey_onnx_emit *e);
/* emit and define: all outputs that the node names. */
void covey__onnx_finish(struct covey_onnx_build *b, struct covey_onnx_emit *e);
/* The value under another shape (0: keep, -1: what is left); constants are not copied. */
uint16_t covey__onnx_reshape(struct covey_onnx_build *b, uint16_t input, const int64_t *target,
                             size_t rank);
/* op over two inputs. */
uint16_t covey__onnx_pair(struct covey_onnx_build *b, enum covey_op op, uint16_t x, uint16_t y);

#endif /* COVEY_ONNX_BUILD_H */
