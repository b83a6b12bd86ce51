/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "fuzz.h"
#include "read_typed.h"

/* A .npy file of any bytes is taken with all its elements or refused with a reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_nn_error why = {""};
    struct covey_tensor out = {.data = NULL};
    size_t count = 0;
    covey_err err = covey__decode_npy(covey_bytes_of(data, size), &out, &why);
    if (err == COVEY_OK) {
        COVEY_ASSERT(covey_shape_count(&out.shape, &count) == COVEY_OK && count <= size);
        volatile double last = count > 0 ? covey_tensor_element(&out, count - 1) : 0;
        (void)last;
    } else {
        COVEY_ASSERT(out.data == NULL && why.text[0] != '\0');
    }
    free(out.data);
    return 0;
}
