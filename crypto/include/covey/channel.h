/* SPDX-License-Identifier: MIT
 *
 * channel.h - an authenticated channel over any byte stream: challenge, preamble, handshake,
 * records. Bytes in, bytes out; no sockets, no clock.
 *
 * Stream form (protocol.md, Channels):
 *   acceptor: 16 bytes challenge
 *   dialler:  preamble = "CVY1" || version u8 || mesh-key epoch u8 || mac[16] || noise message 1,
 *             mac = keyed BLAKE2b(mesh key; challenge || the rest), checked before any X25519
 *   acceptor: length u16 || noise message 2 (payload: certificate)
 *   dialler:  length u16 || noise message 3 (payload: certificate)
 *   records:  length u16 (of the ciphertext) || kind u8 || stream u16 || ciphertext;
 *             kind and stream are associated data. Of a piece sealed once for many (kind SHARED)
 *             the ciphertext before the tag is the piece's own, and associated data too
 * The prologue is challenge || magic || version || epoch: the mac cannot be in it, as it covers
 * message 1, whose tag depends on the prologue. All integers little-endian.
 */
#ifndef COVEY_CHANNEL_H
#define COVEY_CHANNEL_H

#include "covey/identity.h"
#include "covey/noise.h"

enum covey_record_kind { COVEY_RECORD_CONTROL = 1, COVEY_RECORD_BODY, COVEY_RECORD_SHARED };

enum {
    COVEY_RECORD_HEADER = 5,
    COVEY_RECORD_OVERHEAD = COVEY_RECORD_HEADER + 16,
    COVEY_CHANNEL_VERSION = 1,
    COVEY_HANDSHAKE_MAX = 1024, /* bytes of one handshake message with its certificate */
    COVEY_REKEY_RECORDS = 1 << 20,
};

enum covey_handshake_state {
    COVEY_HANDSHAKE_RUNNING,
    COVEY_HANDSHAKE_DONE,
    COVEY_HANDSHAKE_FAILED,
};

/* Fixed size; do not touch the fields. */
struct covey_handshake {
    struct covey_noise noise;
    const struct covey_identity *identity;
    struct covey_node_id expected;
    bool has_expected, initiator;
    enum covey_handshake_state state;
    unsigned step;
    uint8_t challenge[16];
    uint8_t in[COVEY_HANDSHAKE_MAX];
    size_t in_len;
    struct covey_cert peer;
    uint8_t peer_wire[COVEY_CERT_MAX];
    size_t peer_len;
};

/* Starts. identity is borrowed until done. expected: the node dialled, NULL for any member
 * (--join) and for the acceptor. */
void covey_handshake_init(struct covey_handshake *h, bool initiator,
                          const struct covey_identity *identity,
                          const struct covey_node_id *expected);

/* Feeds bytes from the peer (may be none, to start) and appends bytes to send to out, at most
 * COVEY_HANDSHAKE_MAX + 2 (a smaller out: SPACE, nothing taken). *out_used: how many input bytes
 * were taken; what is left over belongs to the records. After AUTH, EXPIRED or MALFORMED: close
 * silently. Send what is in out whatever the result. Nothing of the peer is believed before state
 * is DONE. */
covey_err covey_handshake_step(struct covey_handshake *h, struct covey_bytes in, uint64_t wall_s,
                               struct covey_buf out, size_t *out_len, size_t *out_used) COVEY_CHECK;

struct covey_record {
    enum covey_record_kind kind;
    uint16_t stream;
    size_t len;  /* plaintext bytes in out */
    size_t used; /* bytes consumed of in */
};

/* One direction of an open channel. Each has exactly one owner thread at a time. */
struct covey_sealer {
    struct covey_noise_cipher cipher;
    uint64_t records;
};

/* After DONE: both directions, and the peer's verified certificate is in h->peer / h->peer_wire. */
covey_err covey_handshake_finish(struct covey_handshake *h, struct covey_sealer *out_send,
                                 struct covey_sealer *out_receive) COVEY_CHECK;
void covey_handshake_done(struct covey_handshake *h); /* wipes */

/* One record of 0..COVEY_RECORD_MAX bytes; writes in.len + COVEY_RECORD_OVERHEAD bytes. Rekeys
 * every COVEY_REKEY_RECORDS. */
covey_err covey_record_seal(struct covey_sealer *s, enum covey_record_kind kind, uint16_t stream,
                            struct covey_bytes in, struct covey_buf out,
                            size_t *out_len) COVEY_CHECK;

/* The same for a piece that covey_shared_xor() has sealed already: this channel authenticates it,
 * and does not encrypt it again. Kind SHARED. */
covey_err covey_record_wrap(struct covey_sealer *s, uint16_t stream, struct covey_bytes sealed,
                            struct covey_buf out, size_t *out_len) COVEY_CHECK;

/* A body sealed once for many receivers (docs/decisions/0005): ChaCha20 under a key of its own,
 * which is random, used for this one body, and told to each receiver inside its channel. */
struct covey_shared_key {
    uint8_t bytes[32];
};
enum { COVEY_SHARED_ALIGN = 64 }; /* offsets are multiples of it */
/* Seals, or opens what was sealed: len bytes from offset on of the body. data may be out. */
void covey_shared_xor(const struct covey_shared_key *key, size_t offset, const uint8_t *data,
                      size_t len, uint8_t *out);

/* What the front of in says it is, before anything is verified: for choosing where it shall go.
 * SHORT, MALFORMED as covey_record_open(). */
covey_err covey_record_peek(struct covey_bytes in, struct covey_record *out_record) COVEY_CHECK;

/* Takes one record from the front of in: SHORT when it is not all there yet (nothing consumed).
 * AUTH or MALFORMED ends the channel. Plaintext goes to out, of kind SHARED the piece as it was
 * sealed; SPACE when it does not fit (nothing consumed). */
covey_err covey_record_open(struct covey_sealer *s, struct covey_bytes in, struct covey_buf out,
                            struct covey_record *out_record) COVEY_CHECK;
void covey_sealer_done(struct covey_sealer *s); /* wipes */

#endif /* COVEY_CHANNEL_H */
