/* SPDX-License-Identifier: MIT */
#include "covey/noise.h"

#include <sodium.h>

enum { NOISE_DEAD = 4, TAG = crypto_aead_chacha20poly1305_ietf_ABYTES };

static const char protocol_name[] = "Noise_XXpsk3_25519_ChaChaPoly_SHA256";

/* CipherState */

static void nonce_bytes(uint8_t out[static 12], uint64_t nonce)
{
    memset(out, 0, 4);
    covey_store64(out + 4, nonce);
}

covey_err covey_noise_seal(struct covey_noise_cipher *c, struct covey_bytes ad,
                           struct covey_bytes in, uint8_t *out)
{
    uint8_t nonce[12];
    if (c->nonce == UINT64_MAX) { /* kept for Rekey() */
        return COVEY_ERR_STATE;
    }
    nonce_bytes(nonce, c->nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in.ptr, in.len, ad.ptr, ad.len, NULL,
                                              nonce, c->key);
    c->nonce++;
    return COVEY_OK;
}

covey_err covey_noise_open(struct covey_noise_cipher *c, struct covey_bytes ad,
                           struct covey_bytes in, uint8_t *out)
{
    uint8_t nonce[12];
    if (c->nonce == UINT64_MAX) {
        return COVEY_ERR_STATE;
    }
    if (in.len < TAG) {
        return COVEY_ERR_MALFORMED;
    }
    nonce_bytes(nonce, c->nonce);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in.ptr, in.len, ad.ptr, ad.len,
                                                  nonce, c->key) != 0) {
        return COVEY_ERR_AUTH;
    }
    c->nonce++;
    return COVEY_OK;
}

void covey_noise_rekey(struct covey_noise_cipher *c)
{
    const uint8_t zeros[32] = {0};
    uint8_t nonce[12], sealed[32 + TAG];
    nonce_bytes(nonce, UINT64_MAX);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, zeros, sizeof(zeros), NULL, 0, NULL,
                                              nonce, c->key);
    memcpy(c->key, sealed, sizeof(c->key));
    sodium_memzero(sealed, sizeof(sealed));
}

/* SymmetricState */

static void mix_hash(struct covey_noise *n, const uint8_t *ptr, size_t len)
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, n->h, sizeof(n->h));
    crypto_hash_sha256_update(&state, ptr, len);
    crypto_hash_sha256_final(&state, n->h);
}

static void hmac(uint8_t out[static 32], const uint8_t key[static 32], const uint8_t *ptr,
                 size_t len)
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, 32);
    crypto_auth_hmacsha256_update(&state, ptr, len);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof(state));
}

/* HKDF(ck, input, count) of the specification, section 4.3. */
static void hkdf(const uint8_t ck[static 32], struct covey_bytes input, uint8_t out[][32],
                 unsigned count)
{
    uint8_t temp[32], block[33];
    hmac(temp, ck, input.ptr, input.len);
    for (unsigned i = 0; i < count; i++) {
        size_t have = i == 0 ? 0 : 32;
        if (i > 0) {
            memcpy(block, out[i - 1], 32);
        }
        block[have] = (uint8_t)(i + 1);
        hmac(out[i], temp, block, have + 1);
    }
    sodium_memzero(temp, sizeof(temp));
    sodium_memzero(block, sizeof(block));
}

static void set_key(struct covey_noise *n, const uint8_t key[static 32])
{
    memcpy(n->cipher.key, key, sizeof(n->cipher.key));
    n->cipher.nonce = 0;
    n->has_key = true;
}

static void mix_key(struct covey_noise *n, const uint8_t input[static 32])
{
    uint8_t out[2][32];
    hkdf(n->ck, covey_bytes_of(input, 32), out, 2);
    memcpy(n->ck, out[0], sizeof(n->ck));
    set_key(n, out[1]);
    sodium_memzero(out, sizeof(out));
}

static void mix_key_and_hash(struct covey_noise *n, const uint8_t input[static 32])
{
    uint8_t out[3][32];
    hkdf(n->ck, covey_bytes_of(input, 32), out, 3);
    memcpy(n->ck, out[0], sizeof(n->ck));
    mix_hash(n, out[1], 32);
    set_key(n, out[2]);
    sodium_memzero(out, sizeof(out));
}

static covey_err mix_dh(struct covey_noise *n, const uint8_t secret[static 32],
                        const uint8_t pub[static 32])
{
    uint8_t shared[32];
    /* Fails for a public key of small order: all zeros shared with everyone. */
    if (crypto_scalarmult(shared, secret, pub) != 0) {
        return COVEY_ERR_AUTH;
    }
    mix_key(n, shared);
    sodium_memzero(shared, sizeof(shared));
    return COVEY_OK;
}

/* Cursors over one message: what is left to read, or to write. */

static covey_err put_sealed(struct covey_noise *n, struct covey_bytes in, struct covey_buf *out)
{
    COVEY_ASSERT(n->has_key && out->len >= in.len + TAG);
    covey_err err = covey_noise_seal(&n->cipher, covey_bytes_of(n->h, sizeof(n->h)), in, out->ptr);
    if (err != COVEY_OK) {
        return err;
    }
    mix_hash(n, out->ptr, in.len + TAG);
    out->ptr += in.len + TAG;
    out->len -= in.len + TAG;
    return COVEY_OK;
}

static covey_err get_sealed(struct covey_noise *n, struct covey_bytes *in, size_t len, uint8_t *out)
{
    uint8_t h[32];
    if (in->len < len) {
        return COVEY_ERR_MALFORMED;
    }
    memcpy(h, n->h, sizeof(h));
    mix_hash(n, in->ptr, len); /* before opening: out may be the same memory */
    covey_err err = covey_noise_open(&n->cipher, covey_bytes_of(h, sizeof(h)),
                                     covey_bytes_of(in->ptr, len), out);
    in->ptr += len;
    in->len -= len;
    return err;
}

static void put_e(struct covey_noise *n, struct covey_buf *out)
{
    COVEY_ASSERT(out->len >= 32);
    memcpy(out->ptr, n->e_public, 32);
    out->ptr += 32;
    out->len -= 32;
    mix_hash(n, n->e_public, 32);
    mix_key(n, n->e_public); /* section 9.2: psk patterns mix e into the key as well */
}

static covey_err get_e(struct covey_noise *n, struct covey_bytes *in)
{
    if (in->len < 32) {
        return COVEY_ERR_MALFORMED;
    }
    memcpy(n->re, in->ptr, 32);
    in->ptr += 32;
    in->len -= 32;
    mix_hash(n, n->re, 32);
    mix_key(n, n->re);
    return COVEY_OK;
}

/* The pattern, one function per message and side. */

static covey_err write_2(struct covey_noise *n, struct covey_buf *out)
{
    put_e(n, out);                                 /* e */
    covey_err err = mix_dh(n, n->e_secret, n->re); /* ee */
    if (err == COVEY_OK) {                         /* s */
        err = put_sealed(n, covey_bytes_of(n->s_public, 32), out);
    }
    if (err == COVEY_OK) {
        err = mix_dh(n, n->s_secret, n->re); /* es */
    }
    return err;
}

static covey_err read_2(struct covey_noise *n, struct covey_bytes *in)
{
    covey_err err = get_e(n, in); /* e */
    if (err == COVEY_OK) {
        err = mix_dh(n, n->e_secret, n->re); /* ee */
    }
    if (err == COVEY_OK) {
        err = get_sealed(n, in, 32 + TAG, n->rs); /* s */
    }
    if (err == COVEY_OK) {
        err = mix_dh(n, n->e_secret, n->rs); /* es */
    }
    return err;
}

static covey_err write_3(struct covey_noise *n, struct covey_buf *out)
{
    covey_err err = put_sealed(n, covey_bytes_of(n->s_public, 32), out); /* s */
    if (err == COVEY_OK) {
        err = mix_dh(n, n->s_secret, n->re); /* se */
    }
    if (err == COVEY_OK) {
        mix_key_and_hash(n, n->psk); /* psk */
    }
    return err;
}

static covey_err read_3(struct covey_noise *n, struct covey_bytes *in)
{
    covey_err err = get_sealed(n, in, 32 + TAG, n->rs); /* s */
    if (err == COVEY_OK) {
        err = mix_dh(n, n->e_secret, n->rs); /* se */
    }
    if (err == COVEY_OK) {
        mix_key_and_hash(n, n->psk); /* psk */
    }
    return err;
}

static bool my_turn(const struct covey_noise *n, bool writing)
{
    /* The initiator writes messages 0 and 2, the responder message 1. */
    return n->next < 3 && writing == ((n->next % 2 == 0) == n->initiator);
}

static size_t overhead(unsigned message)
{
    static const size_t bytes[] = {COVEY_NOISE_OVERHEAD_1, COVEY_NOISE_OVERHEAD_2,
                                   COVEY_NOISE_OVERHEAD_3};
    return bytes[message];
}

static void die(struct covey_noise *n)
{
    sodium_memzero(n, sizeof(*n));
    n->next = NOISE_DEAD;
}

void covey_noise_init(struct covey_noise *n, bool initiator, struct covey_bytes prologue,
                      const uint8_t static_secret[static 32], const uint8_t psk[static 32],
                      const uint8_t *fixed_ephemeral)
{
    memset(n, 0, sizeof(*n));
    n->initiator = initiator;
    memcpy(n->s_secret, static_secret, 32);
    memcpy(n->psk, psk, 32);
    if (fixed_ephemeral != NULL) {
        memcpy(n->e_secret, fixed_ephemeral, 32);
    } else {
        randombytes_buf(n->e_secret, 32);
    }
    crypto_scalarmult_base(n->s_public, n->s_secret);
    crypto_scalarmult_base(n->e_public, n->e_secret);
    /* The name is longer than a hash, so it is hashed. */
    crypto_hash_sha256(n->h, (const uint8_t *)protocol_name, sizeof(protocol_name) - 1);
    memcpy(n->ck, n->h, sizeof(n->ck));
    mix_hash(n, prologue.ptr, prologue.len);
}

covey_err covey_noise_write(struct covey_noise *n, struct covey_bytes payload, struct covey_buf out,
                            size_t *out_len)
{
    if (!my_turn(n, true)) {
        return COVEY_ERR_STATE;
    }
    size_t need;
    if (covey_size_add(payload.len, overhead(n->next), &need) != COVEY_OK || out.len < need) {
        return COVEY_ERR_SPACE;
    }
    struct covey_noise local = *n;
    covey_err err = COVEY_OK;
    if (n->next == 0) {
        put_e(&local, &out); /* e */
    } else {
        err = n->next == 1 ? write_2(&local, &out) : write_3(&local, &out);
    }
    if (err == COVEY_OK) {
        err = put_sealed(&local, payload, &out);
    }
    if (err == COVEY_OK) {
        local.next++;
        *n = local;
        *out_len = need;
    } else {
        die(n);
    }
    sodium_memzero(&local, sizeof(local));
    return err;
}

covey_err covey_noise_read(struct covey_noise *n, struct covey_bytes message, struct covey_buf out,
                           size_t *out_len)
{
    if (!my_turn(n, false)) {
        return COVEY_ERR_STATE;
    }
    struct covey_noise local = *n;
    covey_err err = COVEY_ERR_MALFORMED;
    if (message.len < overhead(n->next)) {
        goto out;
    }
    size_t len = message.len - overhead(n->next);
    if (out.len < len) {
        err = COVEY_ERR_SPACE;
        goto out;
    }
    if (n->next == 0) {
        err = get_e(&local, &message); /* e */
    } else {
        err = n->next == 1 ? read_2(&local, &message) : read_3(&local, &message);
    }
    if (err == COVEY_OK) {
        err = get_sealed(&local, &message, message.len, out.ptr);
    }
    if (err == COVEY_OK) {
        local.next++;
        *n = local;
        *out_len = len;
    }
out:
    if (err != COVEY_OK) {
        die(n);
    }
    sodium_memzero(&local, sizeof(local));
    return err;
}

covey_err covey_noise_split(struct covey_noise *n, struct covey_noise_cipher *send,
                            struct covey_noise_cipher *receive, uint8_t hash[static 32])
{
    if (n->next != 3) {
        return COVEY_ERR_STATE;
    }
    uint8_t keys[2][32];
    hkdf(n->ck, covey_bytes_of(NULL, 0), keys, 2);
    memcpy(send->key, keys[n->initiator ? 0 : 1], 32);
    memcpy(receive->key, keys[n->initiator ? 1 : 0], 32);
    send->nonce = 0;
    receive->nonce = 0;
    memcpy(hash, n->h, 32);
    sodium_memzero(keys, sizeof(keys));
    die(n);
    return COVEY_OK;
}

void covey_noise_done(struct covey_noise *n)
{
    die(n);
}
