/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "covey/message_control.h"
#include "fuzz.h"

enum { OUT_MAX = 256 * 1024 };

struct work {
    struct covey_control first, second;
    uint8_t out[2][OUT_MAX];
};

/* What was decoded can be encoded, and what was encoded decodes to what encodes the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t len[2] = {0};
    struct work *w = calloc(1, sizeof(*w));
    if (w == NULL || size > OUT_MAX / 2 ||
        covey_control_decode(covey_bytes_of(data, size), &w->first) != COVEY_OK) {
        free(w);
        return 0;
    }
    covey_err err =
        covey_control_encode(&w->first, (struct covey_buf){w->out[0], OUT_MAX}, &len[0]);
    COVEY_ASSERT(err == COVEY_OK);
    err = covey_control_decode(covey_bytes_of(w->out[0], len[0]), &w->second);
    COVEY_ASSERT(err == COVEY_OK);
    err = covey_control_encode(&w->second, (struct covey_buf){w->out[1], OUT_MAX}, &len[1]);
    COVEY_ASSERT(err == COVEY_OK);
    COVEY_ASSERT(len[0] == len[1] && memcmp(w->out[0], w->out[1], len[0]) == 0);
    free(w);
    return 0;
}
