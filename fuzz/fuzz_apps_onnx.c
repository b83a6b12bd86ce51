/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "fuzz.h"
#include "onnx_import.h"

/* A model of any bytes is taken with a checked graph or refused with a reason; what was taken can
 * also be optimised. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_nn_error why = {""};
    struct covey_onnx onnx = {.graph = NULL};
    covey_err err = covey_onnx_decode(covey_bytes_of(data, size), NULL, &onnx, &why);
    struct covey_graph *g = onnx.graph;
    COVEY_ASSERT((err == COVEY_OK) == (g != NULL));
    COVEY_ASSERT(err == COVEY_OK || why.text[0] != '\0');
    size_t work = 0;
    for (size_t i = 0; g && i < g->value_count; i++) {
        size_t count = 0;
        COVEY_ASSERT(covey_shape_count(&g->values[i].shape, &count) == COVEY_OK);
        work += count;
    }
    /* Folding constants computes: not worth minutes here. */
    if (g && work < 1 << 16 && covey_graph_optimize(g, &why) == COVEY_OK) {
        err = covey_graph_check(g, 0, &why);
        COVEY_ASSERT(err == COVEY_OK);
    }
    covey_onnx_free(&onnx);
    return 0;
}
