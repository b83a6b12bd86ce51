/* SPDX-License-Identifier: MIT
 *
 * noise.h - Noise_XXpsk3_25519_ChaChaPoly_SHA256 (Noise revision 34) as a pure state machine.
 *
 * Three messages: initiator e; responder e, ee, s, es; initiator s, se, psk. Payloads of messages
 * 2 and 3 carry certificates; that they match the static keys is the caller's check (channel.h).
 */
#ifndef COVEY_NOISE_H
#define COVEY_NOISE_H

#include "covey/crypto.h"

enum {
    COVEY_NOISE_OVERHEAD_1 = 32 + 16,      /* e, payload tag: a psk pattern mixes e into the key */
    COVEY_NOISE_OVERHEAD_2 = 32 + 48 + 16, /* e, s, payload tag */
    COVEY_NOISE_OVERHEAD_3 = 48 + 16,
};

struct covey_noise_cipher {
    uint8_t key[32];
    uint64_t nonce;
};

/* Fixed size; do not touch the fields. Wipe with covey_noise_done(). */
struct covey_noise {
    uint8_t s_secret[32], s_public[32], e_secret[32], e_public[32], rs[32], re[32], psk[32];
    uint8_t ck[32], h[32];
    struct covey_noise_cipher cipher;
    bool has_key, initiator;
    unsigned next; /* index of the next message, 0..3; 4: dead */
};

/* fixed_ephemeral: NULL except in tests with published vectors. */
void covey_noise_init(struct covey_noise *n, bool initiator, struct covey_bytes prologue,
                      const uint8_t static_secret[static 32], const uint8_t psk[static 32],
                      const uint8_t *fixed_ephemeral);
covey_err covey_noise_write(struct covey_noise *n, struct covey_bytes payload, struct covey_buf out,
                            size_t *out_len) COVEY_CHECK;
/* Payload is decrypted into out. On failure the handshake is dead (STATE ever after). */
covey_err covey_noise_read(struct covey_noise *n, struct covey_bytes message, struct covey_buf out,
                           size_t *out_len) COVEY_CHECK;
/* After message 3: the two ciphers, send and receive as seen from this side, and the handshake
 * hash. */
covey_err covey_noise_split(struct covey_noise *n, struct covey_noise_cipher *send,
                            struct covey_noise_cipher *receive,
                            uint8_t hash[static 32]) COVEY_CHECK;
void covey_noise_done(struct covey_noise *n);

/* ChaChaPoly with the Noise nonce (4 zero bytes, counter little-endian). Seal appends 16 bytes;
 * in and out may be the same memory. open leaves the nonce as it was on failure. STATE when the
 * nonce is used up. */
covey_err covey_noise_seal(struct covey_noise_cipher *c, struct covey_bytes ad,
                           struct covey_bytes in, uint8_t *out) COVEY_CHECK;
covey_err covey_noise_open(struct covey_noise_cipher *c, struct covey_bytes ad,
                           struct covey_bytes in, uint8_t *out) COVEY_CHECK;
/* Noise REKEY(): the key becomes the first 32 bytes of ENCRYPT(k, 2^64-1, "", zeros). */
void covey_noise_rekey(struct covey_noise_cipher *c);

#endif /* COVEY_NOISE_H */
