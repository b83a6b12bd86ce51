/* SPDX-License-Identifier: MIT */
#include "covey/channel.h"
#include "fuzz.h"
#include "tests/crypto/fuzz_pair.h"

enum { NOW_S = 1000, OUT_MAX = COVEY_HANDSHAKE_MAX + 2, TURNS = 4096 };

/* A handshake with the input laid over all bytes on the way (XOR) and handed over in pieces of its
 * first byte: it opens exactly when nothing was altered. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_identity *const *id = fuzz_pair(NOW_S);
    struct covey_handshake h[2];        /* 1: the dialler */
    static uint8_t way[2][4 * OUT_MAX]; /* to whom */
    size_t len[2] = {0, 0}, piece = size > 0 && data[0] > 0 ? data[0] : OUT_MAX, at = 1, n, used;
    bool altered = false, failed = false;
    covey_handshake_init(&h[0], false, id[0], NULL);
    covey_handshake_init(&h[1], true, id[1], &id[0]->cert.node);
    for (int turn = 0; turn < TURNS && !failed; turn++) {
        int me = turn % 2, you = 1 - me;
        uint8_t *out = way[you] + len[you];
        size_t give = len[me] < piece ? len[me] : piece;
        if (h[me].state != COVEY_HANDSHAKE_RUNNING) {
            continue;
        }
        failed = covey_handshake_step(&h[me], covey_bytes_of(way[me], give), NOW_S,
                                      (struct covey_buf){out, OUT_MAX}, &n, &used) != COVEY_OK;
        memmove(way[me], way[me] + used, len[me] - used);
        len[me] -= used;
        for (size_t i = 0; i < n && at < size; i++, at++) {
            out[i] ^= data[at];
            altered = altered || data[at] != 0;
        }
        len[you] += n;
    }
    COVEY_ASSERT(altered == (h[0].state != COVEY_HANDSHAKE_DONE));
    COVEY_ASSERT(h[0].state == COVEY_HANDSHAKE_DONE || h[0].peer_len == 0);
    return 0;
}
