/* SPDX-License-Identifier: MIT */
#include "covey/crypto.h"

#include <sodium.h>
#include <sys/resource.h>

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(((struct covey_hasher *)0)->opaque),
               "covey_hasher holds the state of BLAKE2b");
_Static_assert(_Alignof(crypto_generichash_state) <= _Alignof(struct covey_hasher),
               "covey_hasher is aligned for BLAKE2b");

static void core_dumps_off(void)
{
    /* One byte, not zero: Linux ignores a limit of zero when core_pattern is a pipe, and writes
     * nothing for a limit below a page otherwise. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) != 0) {
        return;
    }
    rlim_t one = limit.rlim_max == 0 ? 0 : 1;
    limit.rlim_cur = one;
    limit.rlim_max = one;
    int ignored = setrlimit(RLIMIT_CORE, &limit); /* keys are in MADV_DONTDUMP memory besides */
    (void)ignored;
}

covey_err covey_crypto_init(void)
{
    if (sodium_init() < 0) {
        return COVEY_ERR_IO; /* no source of randomness */
    }
    core_dumps_off();
    return COVEY_OK;
}

void covey_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}

void covey_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}

bool covey_equal_ct(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void covey_hash(struct covey_digest *out, struct covey_bytes in)
{
    crypto_generichash(out->bytes, sizeof(out->bytes), in.ptr, in.len, NULL, 0);
}

static crypto_generichash_state *hasher_state(struct covey_hasher *h)
{
    return (crypto_generichash_state *)(void *)h->opaque;
}

void covey_hasher_init(struct covey_hasher *h)
{
    crypto_generichash_init(hasher_state(h), NULL, 0, sizeof(struct covey_digest));
}

void covey_hasher_update(struct covey_hasher *h, struct covey_bytes in)
{
    crypto_generichash_update(hasher_state(h), in.ptr, in.len);
}

void covey_hasher_final(struct covey_hasher *h, struct covey_digest *out)
{
    crypto_generichash_final(hasher_state(h), out->bytes, sizeof(out->bytes));
}

void covey_mac(uint8_t out[static COVEY_MAC_BYTES], const uint8_t key[static COVEY_KEY_BYTES],
               const char *label, struct covey_bytes in)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, key, COVEY_KEY_BYTES, COVEY_MAC_BYTES);
    /* The label's final zero is part of it: no label is the beginning of another. */
    crypto_generichash_update(&state, (const uint8_t *)label, strlen(label) + 1);
    crypto_generichash_update(&state, in.ptr, in.len);
    crypto_generichash_final(&state, out, COVEY_MAC_BYTES);
    sodium_memzero(&state, sizeof(state));
}

bool covey_mac_verify(const uint8_t mac[static COVEY_MAC_BYTES],
                      const uint8_t key[static COVEY_KEY_BYTES], const char *label,
                      struct covey_bytes in)
{
    uint8_t expected[COVEY_MAC_BYTES];
    covey_mac(expected, key, label, in);
    bool equal = sodium_memcmp(mac, expected, sizeof(expected)) == 0;
    sodium_memzero(expected, sizeof(expected));
    return equal;
}

void covey_node_id_of(struct covey_node_id *out, const uint8_t pub[static COVEY_SIGN_PUBLIC_BYTES])
{
    struct covey_digest digest;
    covey_hash(&digest, covey_bytes_of(pub, COVEY_SIGN_PUBLIC_BYTES));
    memcpy(out->bytes, digest.bytes, sizeof(out->bytes));
}
