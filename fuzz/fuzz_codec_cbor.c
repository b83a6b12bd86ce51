/* SPDX-License-Identifier: MIT */
#include "covey/cbor.h"
#include "fuzz.h"
#include "tests/codec/cbor_walk.h"

enum { OUT_MAX = 8192 };

/* What the reader takes is in deterministic form, so writing it again gives the same bytes; and
 * whatever the reader takes or skips is well-formed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t out[OUT_MAX];
    size_t len = 0;
    struct covey_bytes in = covey_bytes_of(data, size);
    if (size > sizeof(out)) {
        return 0;
    }
    bool well_formed = covey_cbor_well_formed(in);
    struct covey_cbor_reader r;
    covey_cbor_reader_init(&r, in);
    covey_cbor_skip(&r);
    if (covey_cbor_reader_done(&r) == COVEY_OK) {
        COVEY_ASSERT(well_formed);
    }
    if (cbor_walk(in, (struct covey_buf){out, sizeof(out)}, &len) == COVEY_OK) {
        COVEY_ASSERT(well_formed);
        COVEY_ASSERT(covey_bytes_equal(in, covey_bytes_of(out, len)));
        uint8_t again[OUT_MAX];
        size_t again_len = 0;
        covey_err err = cbor_walk(covey_bytes_of(out, len),
                                  (struct covey_buf){again, sizeof(again)}, &again_len);
        COVEY_ASSERT(err == COVEY_OK);
        COVEY_ASSERT(covey_bytes_equal(in, covey_bytes_of(again, again_len)));
    }
    return 0;
}
