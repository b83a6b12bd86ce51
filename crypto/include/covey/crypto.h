/* SPDX-License-Identifier: MIT
 *
 * crypto.h - hashing, signing and randomness as the layers above need them.
 *
 * libsodium stays behind these names.
 */
#ifndef COVEY_CRYPTO_H
#define COVEY_CRYPTO_H

#include "covey/bytes.h"
#include "covey/ids.h"

enum {
    COVEY_KEY_BYTES = 32,
    COVEY_SIGN_PUBLIC_BYTES = 32,
    COVEY_SIGN_SECRET_BYTES = 64,
    COVEY_SIGNATURE_BYTES = 64,
    COVEY_MAC_BYTES = 16,
    COVEY_NONCE_BYTES = 16, /* boot nonce */
};

/* Once per process, before anything else; safe to call again. Also turns core dumps off. */
covey_err covey_crypto_init(void) COVEY_CHECK;

void covey_random(void *out, size_t len);
void covey_wipe(void *p, size_t len);
bool covey_equal_ct(const void *a, const void *b, size_t len); /* constant time */

/* BLAKE2b-256. */
void covey_hash(struct covey_digest *out, struct covey_bytes in);
struct covey_hasher {
    _Alignas(64) uint8_t opaque[384];
};
void covey_hasher_init(struct covey_hasher *h);
void covey_hasher_update(struct covey_hasher *h, struct covey_bytes in);
void covey_hasher_final(struct covey_hasher *h, struct covey_digest *out);

/* Keyed BLAKE2b, 16 bytes: the gate in front of signatures and X25519. label separates uses. */
void covey_mac(uint8_t out[static COVEY_MAC_BYTES], const uint8_t key[static COVEY_KEY_BYTES],
               const char *label, struct covey_bytes in);
bool covey_mac_verify(const uint8_t mac[static COVEY_MAC_BYTES],
                      const uint8_t key[static COVEY_KEY_BYTES], const char *label,
                      struct covey_bytes in);

void covey_node_id_of(struct covey_node_id *out, const uint8_t pub[static COVEY_SIGN_PUBLIC_BYTES]);

#endif /* COVEY_CRYPTO_H */
