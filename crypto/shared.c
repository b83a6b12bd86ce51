/* SPDX-License-Identifier: MIT */
#include <sodium.h>

#include "covey/channel.h"

void covey_shared_xor(const struct covey_shared_key *key, size_t offset, const uint8_t *data,
                      size_t len, uint8_t *out)
{
    /* The key is this body's alone: the nonce may be constant, the block counter is the offset. */
    static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = {0};
    COVEY_ASSERT(offset % COVEY_SHARED_ALIGN == 0);
    (void)crypto_stream_chacha20_ietf_xor_ic(out, data, len, nonce,
                                             (uint32_t)(offset / COVEY_SHARED_ALIGN), key->bytes);
}
