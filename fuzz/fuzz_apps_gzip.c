/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "fuzz.h"
#include "read_decode.h"

enum { ROOM = 1 << 17 };

/* A gzip stream of any bytes comes out with at most the bytes allowed or is refused with a reason;
 * one byte more or less allowed than it has decides. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_nn_error why = {""};
    struct covey_buf out = {NULL, 0};
    struct covey_buf again = {NULL, 0};
    struct covey_bytes in = covey_bytes_of(data, size);
    covey_err err = covey__gunzip(in, ROOM, &out, &why);
    COVEY_ASSERT((err == COVEY_OK) == (out.ptr != NULL) && out.len <= ROOM);
    COVEY_ASSERT(err == COVEY_OK || why.text[0] != '\0');
    if (err == COVEY_OK && out.len > 0) {
        err = covey__gunzip(in, out.len - 1, &again, &why);
        COVEY_ASSERT(err == COVEY_ERR_LIMIT && again.ptr == NULL);
        err = covey__gunzip(in, out.len, &again, &why);
        COVEY_ASSERT(err == COVEY_OK && again.len == out.len);
    }
    free(out.ptr);
    free(again.ptr);
    return 0;
}
