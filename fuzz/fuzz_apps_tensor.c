/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "fuzz.h"
#include "read_typed.h"

/* A TensorProto of any bytes is taken with all its elements or refused with a reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_nn_error why = {""};
    struct covey_tensor out = {.data = NULL};
    size_t count = 0;
    covey_err err = covey__decode_pb(covey_bytes_of(data, size), &out, &why);
    COVEY_ASSERT((err == COVEY_OK) == (out.data != NULL));
    COVEY_ASSERT(err == COVEY_OK || why.text[0] != '\0');
    if (err == COVEY_OK) {
        COVEY_ASSERT(covey_shape_count(&out.shape, &count) == COVEY_OK && count <= size);
        for (size_t i = 0; i < count; i++) {
            double v = covey_tensor_element(&out, i);
            COVEY_ASSERT(out.type != COVEY_TYPE_BOOL || v == 0 || v == 1);
        }
    }
    free(out.data);
    return 0;
}
