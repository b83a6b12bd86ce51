/* SPDX-License-Identifier: MIT
 *
 * onnx_write.h - the protobuf messages of an ONNX model, built node by node.
 *
 * Private to the exporter. Running out of memory sticks and is reported by covey__write_done().
 */
#ifndef COVEY_ONNX_WRITE_H
#define COVEY_ONNX_WRITE_H

#include "covey/graph.h"

struct covey_onnx_writer;

/* Inputs, outputs and constants of g, which outlives it. Floats only. */
covey_err covey__write_new(const struct covey_graph *g, const char *name,
                           struct covey_onnx_writer **out) COVEY_CHECK;
void covey__write_free(struct covey_onnx_writer *w);
/* The bytes of all of it, heap, the caller's. */
covey_err covey__write_done(struct covey_onnx_writer *w, int64_t opset, int64_t ir_version,
                            uint8_t **out, size_t *out_len) COVEY_CHECK;

unsigned covey__write_rank(const struct covey_onnx_writer *w, uint16_t value);

/* Begins a node; what follows goes to it. */
void covey__write_node(struct covey_onnx_writer *w, const struct covey_graph_node *node,
                       const char *op_type);
void covey__write_int(struct covey_onnx_writer *w, const char *name, int64_t v);
void covey__write_float(struct covey_onnx_writer *w, const char *name, float v);
void covey__write_ints(struct covey_onnx_writer *w, const char *name, const int64_t *v,
                       size_t count);
/* One more input: a scalar, or a list, as a constant of its own. */
void covey__write_input_float(struct covey_onnx_writer *w, float v);
void covey__write_input_ints(struct covey_onnx_writer *w, const int64_t *v, size_t count);

#endif /* COVEY_ONNX_WRITE_H */
