/* SPDX-License-Identifier: MIT */
#include "covey/limits.h"
#include "fuzz.h"
#include "runtime/session/data_blob.h"

enum { LOADED_BYTES_MAX = 1 << 20 };

/* Chunks of zeros and, in every second, of labels that may be no class. */
static covey_err get(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    (void)user;
    memset(data, digest->bytes[0] & 1, len);
    return digest->bytes[1] == 255 ? COVEY_ERR_NOT_FOUND : COVEY_OK;
}

/* A header of any bytes is refused or within its bounds; what is within them can be loaded. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_data_header h;
    struct covey_samples s;
    size_t sum = 0;
    if (covey__data_header_decode(covey_bytes_of(data, size), &h) != COVEY_OK) {
        return 0;
    }
    for (uint32_t i = 0; i < h.chunks; i++) {
        size_t bytes = covey__data_chunk_bytes(&h, i);
        COVEY_ASSERT(bytes > 0 && bytes <= COVEY_BODY_MAX);
        sum += bytes;
    }
    COVEY_ASSERT(sum <= COVEY_DATA_BYTES_MAX);
    if (sum <= LOADED_BYTES_MAX && covey__data_load(&h, get, NULL, &s) == COVEY_OK) {
        COVEY_ASSERT(s.count == h.samples.count && (s.bytes == NULL) == h.floats);
        covey__data_done(&s);
    }
    return 0;
}
