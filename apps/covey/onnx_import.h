/* SPDX-License-Identifier: MIT
 *
 * onnx_import.h - reads an ONNX file into a graph.
 *
 * Runs in the person's process, never in the daemon. Opsets 7 to 24, static shapes. An operator it
 * does not know is one clear error.
 */
#ifndef COVEY_ONNX_IMPORT_H
#define COVEY_ONNX_IMPORT_H

#include <stdio.h>

#include "covey/model.h"

enum { COVEY_ONNX_EXTERNAL_MAX = 64 };

/* A loaded model. Weights are read where they lie in the files' bytes: the graph is valid until
 * covey_onnx_free(). The bytes are a private copy, so a file that changes meanwhile does no harm.
 */
struct covey_onnx {
    struct covey_graph *graph;
    char **input_names, **output_names; /* in the graph's order */
    struct covey_buf file;
    struct covey_onnx_external {
        char *name;
        struct covey_buf file;
    } * external;
    size_t external_count;
};

/* What is known of an input beyond the file: its shape and, when data is not NULL, its numbers,
 * which are copied: it is no input any more. */
struct covey_onnx_given {
    const char *name; /* NULL: the input that stands at this place of the list */
    struct covey_tensor tensor;
};

struct covey_onnx_options {
    uint32_t batch; /* first dimension where it is open, and where input 0 has 1; 0: 1 where open */
    const struct covey_onnx_given *given;
    size_t given_count;
};

/* Reads path and imports it. The graph has passed covey_graph_check(). options NULL: all zero. On
 * failure out_why names the file and what is wrong. A value that must be known at import and is not
 * is UNSUPPORTED: "its input 'NAME' must be known before the run". */
covey_err covey_onnx_load(const char *path, const struct covey_onnx_options *options,
                          struct covey_onnx *out, struct covey_nn_error *out_why) COVEY_CHECK;
/* Imports bytes, which the graph borrows; external data is refused. */
covey_err covey_onnx_decode(struct covey_bytes file, const struct covey_onnx_options *options,
                            struct covey_onnx *out, struct covey_nn_error *out_why) COVEY_CHECK;
/* Safe on a zeroed struct. */
void covey_onnx_free(struct covey_onnx *onnx);

/* Gives back the memory of all that no run of the model reads. The graph's other constants have no
 * data from now on: it can not be checked again. */
void covey_onnx_trim(struct covey_onnx *onnx, const struct covey_model *model);

/* One line for each operator: name, first opset. */
void covey_onnx_operators(FILE *to);

#endif /* COVEY_ONNX_IMPORT_H */
