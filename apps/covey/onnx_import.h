/* SPDX-License-Identifier: MIT
 *
 * onnx_import.h - reads an ONNX file into a graph.
 *
 * Runs in the person's process, never in the daemon. float32 weights, one input, one output,
 * opsets 7 to 24. An operator it does not know is one clear error.
 */
#ifndef COVEY_ONNX_IMPORT_H
#define COVEY_ONNX_IMPORT_H

#include "covey/graph.h"

/* A loaded model. Weights are read where they lie in the file's bytes: the graph is valid until
 * covey_onnx_free(). The bytes are a private copy, so a file that changes meanwhile does no harm.
 */
struct covey_onnx {
    struct covey_graph *graph;
    struct covey_buf file;
};

/* Reads path and imports it. The graph has passed covey_graph_check() for its declared batch (1
 * when dynamic), with shapes that hold for other batches too where the model allows it. On failure
 * out_why names the file and what is wrong. */
covey_err covey_onnx_load(const char *path, struct covey_onnx *out,
                          struct covey_nn_error *out_why) COVEY_CHECK;
/* Safe on a zeroed struct. */
void covey_onnx_free(struct covey_onnx *onnx);

/* Imports bytes, which the graph borrows. */
covey_err covey_onnx_decode(struct covey_bytes file, struct covey_graph **out,
                            struct covey_nn_error *out_why) COVEY_CHECK;

#endif /* COVEY_ONNX_IMPORT_H */
