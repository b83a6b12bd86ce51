/* SPDX-License-Identifier: MIT
 *
 * onnx_export.h - a graph as an ONNX model, opset 17.
 *
 * Writes what the builders make and training keeps: layers, normalisation, activations, pooling,
 * element-wise and shape operators in float32. The first dimension of inputs and outputs is the
 * symbol "batch".
 */
#ifndef COVEY_ONNX_EXPORT_H
#define COVEY_ONNX_EXPORT_H

#include "covey/graph.h"

/* The model's bytes, heap, the caller's with free(). UNSUPPORTED names the operator that has no
 * form here. The graph is checked and not optimised. */
covey_err covey_onnx_encode(const struct covey_graph *g, const char *name, uint8_t **out,
                            size_t *out_len, struct covey_nn_error *out_why) COVEY_CHECK;

#endif /* COVEY_ONNX_EXPORT_H */
