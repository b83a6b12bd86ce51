/* SPDX-License-Identifier: MIT */
#include "covey/datagram.h"
#include "fuzz.h"
#include "tests/crypto/fuzz_pair.h"

enum { WIRE_MAX = COVEY_GOSSIP_MAX + COVEY_DATAGRAM_OVERHEAD };

/* Any bytes as a datagram open nothing; a sealed one with the input laid over it (XOR), its length
 * given by the first byte, opens exactly when nothing was altered. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_identity *const *id = fuzz_pair(1);
    static struct covey_gossip_session session[2];
    static bool ready;
    for (int i = 0; i < 2 && !ready; i++) {
        COVEY_ASSERT(covey_gossip_session_init(&session[i], id[i], &id[1 - i]->cert) == COVEY_OK);
    }
    ready = true;
    static const uint8_t payload[COVEY_GOSSIP_MAX] = {1, 2, 3};
    uint8_t wire[WIRE_MAX], plain[COVEY_GOSSIP_MAX];
    struct covey_buf out = {wire, sizeof(wire)}, opened = {plain, sizeof(plain)};
    struct covey_bytes in = covey_bytes_of(payload, size == 0 ? 0 : data[0] * 4);
    struct covey_datagram d;
    size_t len;
    bool altered = false;
    COVEY_ASSERT(covey_datagram_open(&session[1], id[1], covey_bytes_of(data, size), opened, &d));
    COVEY_ASSERT(covey_datagram_seal(&session[0], id[0], in, out, &len) == COVEY_OK);
    for (size_t i = 0; i < len && i + 1 < size; i++) {
        wire[i] ^= data[i + 1];
        altered = altered || data[i + 1] != 0;
    }
    covey_err err = covey_datagram_open(&session[1], id[1], covey_bytes_of(wire, len), opened, &d);
    COVEY_ASSERT(altered == (err != COVEY_OK));
    return 0;
}
