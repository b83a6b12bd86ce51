/* SPDX-License-Identifier: MIT
 *
 * datagram.h - sealed gossip datagrams and signed hellos (protocol.md, Gossip and Discovery).
 *
 * Header: version u8 || sender id[16] || sender's boot nonce[16] || receiver's boot nonce[16] (zero
 * if unknown) || counter u64. XChaCha20-Poly1305, header as associated data.
 * key = BLAKE2b-256(X25519(gossip keys); "covey gossip 1" || sender id || receiver id ||
 * sender boot || receiver boot), nonce = sender boot nonce || counter.
 */
#ifndef COVEY_DATAGRAM_H
#define COVEY_DATAGRAM_H

#include "covey/identity.h"

enum {
    COVEY_DATAGRAM_HEADER = 1 + 16 + 16 + 16 + 8,
    COVEY_DATAGRAM_OVERHEAD = COVEY_DATAGRAM_HEADER + 16,
    COVEY_REPLAY_WINDOW = 2048, /* counters behind the newest that are still told apart */
    COVEY_RETIRED_BOOTS = 16,   /* former boots of a peer whose datagrams are still known as old */
};

struct covey_replay {
    uint64_t top; /* greatest counter seen + 1 */
    uint64_t bits[COVEY_REPLAY_WINDOW / 64];
};
/* Whether counter is new; moves the window. Call after authentication only. */
bool covey_replay_accept(struct covey_replay *r, uint64_t counter);

/* What one node keeps of each peer for datagrams. Zeroed, then session_init. Keep it while this
 * boot lasts, even when the peer is away: a new one forgets which counters were seen. (It never
 * repeats a counter of its own: each starts at its number in this boot << 40.) */
struct covey_gossip_session {
    uint8_t shared[COVEY_KEY_BYTES]; /* X25519 of the gossip keys */
    uint8_t peer_boot[COVEY_NONCE_BYTES];
    bool peer_boot_known;
    uint64_t send_counter;
    struct covey_replay replay; /* of peer_boot */
    struct covey_node_id self, peer;
    uint8_t hint_boot[COVEY_NONCE_BYTES]; /* sender's boot in the last datagram not current */
    bool hint_known;
    unsigned retired_count;
    uint8_t retired[COVEY_RETIRED_BOOTS][COVEY_NONCE_BYTES]; /* a ring */
};

covey_err covey_gossip_session_init(struct covey_gossip_session *s,
                                    const struct covey_identity *identity,
                                    const struct covey_cert *peer) COVEY_CHECK;

/* payload up to COVEY_GOSSIP_MAX; writes payload.len + COVEY_DATAGRAM_OVERHEAD. Addressed to the
 * peer's boot as learned; until one is, to the one in its last datagram that was not current. */
covey_err covey_datagram_seal(struct covey_gossip_session *s, const struct covey_identity *identity,
                              struct covey_bytes payload, struct covey_buf out,
                              size_t *out_len) COVEY_CHECK;

/* The one rate-limited reply to a datagram that was opened and not current: addressed to the boot
 * that sent it, so that it is current there. STATE when there was none. */
covey_err covey_datagram_reply(struct covey_gossip_session *s,
                               const struct covey_identity *identity, struct covey_bytes payload,
                               struct covey_buf out, size_t *out_len) COVEY_CHECK;

/* Sender of a datagram as claimed, before authentication: to find the session. SHORT, MALFORMED. */
covey_err covey_datagram_sender(struct covey_bytes in, struct covey_node_id *out) COVEY_CHECK;

struct covey_datagram {
    bool current;  /* it carried my current boot nonce: may change state */
    bool new_boot; /* a boot of the peer not seen before (learned only when current) */
    size_t len;    /* of the payload */
};
/* Authenticates, checks replay, learns the peer's boot nonce (only when current). When not current
 * the payload is opened, but the caller must act on it in no way but one rate-limited reply.
 * AUTH, REPLAY (a counter seen, or a former boot of the peer), MALFORMED, SHORT, SPACE. */
covey_err covey_datagram_open(struct covey_gossip_session *s, const struct covey_identity *identity,
                              struct covey_bytes in, struct covey_buf out,
                              struct covey_datagram *out_datagram) COVEY_CHECK;
/* Shows who of the two was asked this by the other (own: this node was asked by the peer), to the
 * other alone: a MAC under what only they share. */
void covey_gossip_proof(uint8_t out[static COVEY_MAC_BYTES], const struct covey_gossip_session *s,
                        bool own, const uint8_t challenge[static COVEY_NONCE_BYTES]);
void covey_gossip_session_done(struct covey_gossip_session *s); /* wipes */

struct covey_hello {
    uint8_t version_min, version_max;
    struct covey_node_id node;
    struct covey_digest cert;
    uint16_t gossip_port, channel_port;
    uint64_t boot_counter;
    uint64_t sequence;
    bool reply; /* answers a hello: is not answered again */
};

/* MAC under the mesh key over all, Ed25519 signature inside; always COVEY_HELLO_BYTES. */
covey_err covey_hello_seal(const struct covey_hello *hello, const struct covey_identity *identity,
                           struct covey_buf out, size_t *out_len) COVEY_CHECK;
/* MAC checked first (AUTH), then decoded. The signature is checked by hello_verify once the
 * certificate is known. */
covey_err covey_hello_open(struct covey_bytes in, const struct covey_identity *identity,
                           struct covey_hello *out) COVEY_CHECK;
bool covey_hello_verify(struct covey_bytes in, const struct covey_identity *identity,
                        const uint8_t sign_public[static COVEY_SIGN_PUBLIC_BYTES]);

#endif /* COVEY_DATAGRAM_H */
