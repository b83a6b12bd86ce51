/* SPDX-License-Identifier: MIT */
#include "covey/datagram.h"

#include <sodium.h>

#include "covey/limits.h"

enum {
    VERSION = 1,
    AT_SENDER = 1,
    AT_SENDER_BOOT = AT_SENDER + 16,
    AT_RECEIVER_BOOT = AT_SENDER_BOOT + COVEY_NONCE_BYTES,
    AT_COUNTER = AT_RECEIVER_BOOT + COVEY_NONCE_BYTES,
    TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    SESSION_SHIFT = 40, /* a session may send 2^40 datagrams; a boot may make 2^24 of one peer */
};

_Static_assert(AT_COUNTER + 8 == COVEY_DATAGRAM_HEADER, "the header is laid out as documented");
_Static_assert(COVEY_NONCE_BYTES + 8 == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
               "boot nonce and counter fill the nonce");

bool covey_replay_accept(struct covey_replay *r, uint64_t counter)
{
    if (counter == UINT64_MAX) { /* top would wrap */
        return false;
    }
    if (counter >= r->top) {
        if (counter - r->top >= COVEY_REPLAY_WINDOW) {
            memset(r->bits, 0, sizeof(r->bits));
        } else {
            for (uint64_t i = r->top; i <= counter; i++) { /* forget those that fall out */
                r->bits[i / 64 % (COVEY_REPLAY_WINDOW / 64)] &= ~(UINT64_C(1) << (i % 64));
            }
        }
        r->top = counter + 1;
    } else if (r->top - counter > COVEY_REPLAY_WINDOW) {
        return false;
    }
    uint64_t *word = &r->bits[counter / 64 % (COVEY_REPLAY_WINDOW / 64)];
    uint64_t bit = UINT64_C(1) << (counter % 64);
    bool fresh = (*word & bit) == 0;
    *word |= bit;
    return fresh;
}

covey_err covey_gossip_session_init(struct covey_gossip_session *s,
                                    const struct covey_identity *identity,
                                    const struct covey_cert *peer)
{
    uint8_t shared[COVEY_KEY_BYTES];
    if (covey_node_id_equal(&identity->cert.node, &peer->node)) {
        return COVEY_ERR_DENIED;
    }
    if (crypto_scalarmult(shared, identity->gossip_secret, peer->gossip_public) != 0) {
        return COVEY_ERR_AUTH;
    }
    /* Were a counter ever used twice under one pair of boots, the XOR of two payloads would show.
     */
    uint64_t number = __atomic_fetch_add(identity->gossip_sessions, 1, __ATOMIC_RELAXED);
    if (number >> (64 - SESSION_SHIFT) != 0) {
        return COVEY_ERR_STATE;
    }
    memset(s, 0, sizeof(*s));
    memcpy(s->shared, shared, sizeof(s->shared));
    s->self = identity->cert.node;
    s->peer = peer->node;
    s->send_counter = number << SESSION_SHIFT;
    sodium_memzero(shared, sizeof(shared));
    return COVEY_OK;
}

void covey_gossip_session_done(struct covey_gossip_session *s)
{
    sodium_memzero(s, sizeof(*s));
}

void covey_gossip_proof(uint8_t out[static COVEY_MAC_BYTES], const struct covey_gossip_session *s,
                        bool own, const uint8_t challenge[static COVEY_NONCE_BYTES])
{
    struct {
        struct covey_node_id asked, asker;
        uint8_t challenge[COVEY_NONCE_BYTES];
    } said = {own ? s->self : s->peer, own ? s->peer : s->self, {0}};
    memcpy(said.challenge, challenge, sizeof(said.challenge));
    covey_mac(out, s->shared, "covey proof 1", covey_bytes_of(&said, sizeof(said)));
}

/* The boots as they stand in the header; the ids tell the direction. */
static void datagram_key(uint8_t key[static COVEY_KEY_BYTES], const struct covey_gossip_session *s,
                         bool sending, const uint8_t header[static COVEY_DATAGRAM_HEADER])
{
    static const uint8_t context[] = "covey gossip 1";
    const struct covey_node_id *sender = sending ? &s->self : &s->peer;
    const struct covey_node_id *receiver = sending ? &s->peer : &s->self;
    crypto_generichash_state state;
    crypto_generichash_init(&state, s->shared, sizeof(s->shared), COVEY_KEY_BYTES);
    crypto_generichash_update(&state, context, sizeof(context) - 1);
    crypto_generichash_update(&state, sender->bytes, sizeof(sender->bytes));
    crypto_generichash_update(&state, receiver->bytes, sizeof(receiver->bytes));
    crypto_generichash_update(&state, header + AT_SENDER_BOOT, AT_COUNTER - AT_SENDER_BOOT);
    crypto_generichash_final(&state, key, COVEY_KEY_BYTES);
    sodium_memzero(&state, sizeof(state));
}

static void datagram_nonce(uint8_t nonce[static 24],
                           const uint8_t header[static COVEY_DATAGRAM_HEADER])
{
    memcpy(nonce, header + AT_SENDER_BOOT, COVEY_NONCE_BYTES);
    memcpy(nonce + COVEY_NONCE_BYTES, header + AT_COUNTER, 8);
}

static covey_err seal_to(struct covey_gossip_session *s, const uint8_t *to_boot,
                         const struct covey_identity *identity, struct covey_bytes payload,
                         struct covey_buf out)
{
    if (payload.len > COVEY_GOSSIP_MAX) {
        return COVEY_ERR_LIMIT;
    }
    if (out.len < payload.len + COVEY_DATAGRAM_OVERHEAD) {
        return COVEY_ERR_SPACE;
    }
    /* The next session's counters begin there. */
    if ((s->send_counter & ((UINT64_C(1) << SESSION_SHIFT) - 1)) ==
        (UINT64_C(1) << SESSION_SHIFT) - 1) {
        return COVEY_ERR_STATE;
    }
    uint8_t header[COVEY_DATAGRAM_HEADER], key[COVEY_KEY_BYTES], nonce[24];
    header[0] = VERSION;
    memcpy(header + AT_SENDER, s->self.bytes, sizeof(s->self.bytes));
    memcpy(header + AT_SENDER_BOOT, identity->boot_nonce, COVEY_NONCE_BYTES);
    memcpy(header + AT_RECEIVER_BOOT, to_boot, COVEY_NONCE_BYTES);
    covey_store64(header + AT_COUNTER, s->send_counter);
    s->send_counter++;
    datagram_key(key, s, true, header);
    datagram_nonce(nonce, header);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out.ptr + COVEY_DATAGRAM_HEADER, NULL, payload.ptr,
                                               payload.len, header, sizeof(header), NULL, nonce,
                                               key);
    memcpy(out.ptr, header, sizeof(header));
    sodium_memzero(key, sizeof(key));
    return COVEY_OK;
}

covey_err covey_datagram_seal(struct covey_gossip_session *s, const struct covey_identity *identity,
                              struct covey_bytes payload, struct covey_buf out, size_t *out_len)
{
    static const uint8_t unknown[COVEY_NONCE_BYTES] = {0};
    const uint8_t *boot = s->peer_boot_known ? s->peer_boot
                          : s->hint_known    ? s->hint_boot
                                             : unknown;
    covey_err err = seal_to(s, boot, identity, payload, out);
    if (err == COVEY_OK) {
        *out_len = payload.len + COVEY_DATAGRAM_OVERHEAD;
    }
    return err;
}

covey_err covey_datagram_reply(struct covey_gossip_session *s,
                               const struct covey_identity *identity, struct covey_bytes payload,
                               struct covey_buf out, size_t *out_len)
{
    if (!s->hint_known) {
        return COVEY_ERR_STATE;
    }
    covey_err err = seal_to(s, s->hint_boot, identity, payload, out);
    if (err == COVEY_OK) {
        *out_len = payload.len + COVEY_DATAGRAM_OVERHEAD;
    }
    return err;
}

covey_err covey_datagram_sender(struct covey_bytes in, struct covey_node_id *out)
{
    if (in.len < COVEY_DATAGRAM_OVERHEAD) {
        return COVEY_ERR_SHORT;
    }
    if (in.ptr[0] != VERSION || in.len > COVEY_GOSSIP_MAX + COVEY_DATAGRAM_OVERHEAD) {
        return COVEY_ERR_MALFORMED;
    }
    memcpy(out->bytes, in.ptr + AT_SENDER, sizeof(out->bytes));
    return COVEY_OK;
}

static bool boot_retired(const struct covey_gossip_session *s, const uint8_t *boot)
{
    for (unsigned i = 0; i < COVEY_RETIRED_BOOTS && i < s->retired_count; i++) {
        if (memcmp(s->retired[i], boot, COVEY_NONCE_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* An authentic datagram that carried my boot. A boot not seen before is a restart of the peer; the
 * former one is remembered, or a replay of its datagrams would look like another restart. */
static covey_err accept_current(struct covey_gossip_session *s, const uint8_t *boot,
                                uint64_t counter, bool *out_new_boot)
{
    if (s->peer_boot_known && memcmp(s->peer_boot, boot, COVEY_NONCE_BYTES) == 0) {
        return covey_replay_accept(&s->replay, counter) ? COVEY_OK : COVEY_ERR_REPLAY;
    }
    if (boot_retired(s, boot)) {
        return COVEY_ERR_REPLAY;
    }
    struct covey_replay replay = {0};
    if (!covey_replay_accept(&replay, counter)) {
        return COVEY_ERR_REPLAY;
    }
    if (s->peer_boot_known) {
        memcpy(s->retired[s->retired_count % COVEY_RETIRED_BOOTS], s->peer_boot, COVEY_NONCE_BYTES);
        s->retired_count++;
    }
    memcpy(s->peer_boot, boot, COVEY_NONCE_BYTES);
    s->peer_boot_known = true;
    s->replay = replay;
    *out_new_boot = true;
    return COVEY_OK;
}

covey_err covey_datagram_open(struct covey_gossip_session *s, const struct covey_identity *identity,
                              struct covey_bytes in, struct covey_buf out,
                              struct covey_datagram *out_datagram)
{
    struct covey_node_id sender;
    covey_err err = covey_datagram_sender(in, &sender);
    if (err != COVEY_OK) {
        return err;
    }
    size_t len = in.len - COVEY_DATAGRAM_OVERHEAD;
    if (!covey_node_id_equal(&sender, &s->peer)) {
        return COVEY_ERR_AUTH;
    }
    if (out.len < len) {
        return COVEY_ERR_SPACE;
    }
    uint8_t key[COVEY_KEY_BYTES], nonce[24];
    datagram_key(key, s, false, in.ptr);
    datagram_nonce(nonce, in.ptr);
    int opened = crypto_aead_xchacha20poly1305_ietf_decrypt(
        out.ptr, NULL, NULL, in.ptr + COVEY_DATAGRAM_HEADER, len + TAG, in.ptr,
        COVEY_DATAGRAM_HEADER, nonce, key);
    sodium_memzero(key, sizeof(key));
    if (opened != 0) {
        return COVEY_ERR_AUTH;
    }
    struct covey_datagram datagram = {.len = len};
    const uint8_t *boot = in.ptr + AT_SENDER_BOOT;
    datagram.current =
        memcmp(in.ptr + AT_RECEIVER_BOOT, identity->boot_nonce, COVEY_NONCE_BYTES) == 0;
    if (datagram.current) {
        err = accept_current(s, boot, covey_load64(in.ptr + AT_COUNTER), &datagram.new_boot);
    } else {
        memcpy(s->hint_boot, boot, COVEY_NONCE_BYTES);
        s->hint_known = true;
    }
    if (err == COVEY_OK) {
        *out_datagram = datagram;
    } else if (len > 0) {
        sodium_memzero(out.ptr, len);
    }
    return err;
}
