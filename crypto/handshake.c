/* SPDX-License-Identifier: MIT */
#include "covey/channel.h"

#include "covey/limits.h"

enum {
    CHALLENGE = 16,
    HEAD = 4 + 1 + 1, /* magic, version, epoch */
    MESSAGE_1 = HEAD + COVEY_MAC_BYTES,
    PREAMBLE = MESSAGE_1 + COVEY_NOISE_OVERHEAD_1,
    LENGTH = 2,
    EPOCH = 0, /* of the mesh key; it is not rotated yet */
};

_Static_assert(LENGTH + COVEY_NOISE_OVERHEAD_2 + COVEY_CERT_MAX <= COVEY_HANDSHAKE_MAX,
               "the longest message fits");

static const uint8_t head[HEAD] = {'C', 'V', 'Y', '1', COVEY_CHANNEL_VERSION, EPOCH};
static const char mac_label[] = "covey preamble 1";

/* One call of step: bytes still to take, bytes written so far. */
struct io {
    struct covey_bytes in;
    struct covey_buf out;
};

void covey_handshake_init(struct covey_handshake *h, bool initiator,
                          const struct covey_identity *identity,
                          const struct covey_node_id *expected)
{
    memset(h, 0, sizeof(*h));
    h->identity = identity;
    h->initiator = initiator;
    if (expected != NULL) {
        h->expected = *expected;
        h->has_expected = true;
    }
    if (!initiator) {
        covey_random(h->challenge, sizeof(h->challenge));
    }
}

static bool gather(struct covey_handshake *h, struct io *io, size_t want)
{
    size_t missing = h->in_len < want ? want - h->in_len : 0;
    size_t take = io->in.len < missing ? io->in.len : missing;
    if (take > 0) {
        memcpy(h->in + h->in_len, io->in.ptr, take);
        h->in_len += take;
        io->in.ptr += take;
        io->in.len -= take;
    }
    return h->in_len >= want;
}

static void emit(struct io *io, const void *ptr, size_t len)
{
    memcpy(io->out.ptr, ptr, len);
    io->out.ptr += len;
    io->out.len -= len;
}

static void noise_start(struct covey_handshake *h)
{
    uint8_t prologue[CHALLENGE + HEAD];
    memcpy(prologue, h->challenge, CHALLENGE);
    memcpy(prologue + CHALLENGE, head, HEAD);
    covey_noise_init(&h->noise, h->initiator, covey_bytes_of(prologue, sizeof(prologue)),
                     h->identity->noise_secret, h->identity->mesh_key, NULL);
}

/* What the MAC covers: challenge || head || message 1. */
static struct covey_bytes mac_input(const struct covey_handshake *h, const uint8_t *message_1,
                                    uint8_t space[static CHALLENGE + PREAMBLE])
{
    memcpy(space, h->challenge, CHALLENGE);
    memcpy(space + CHALLENGE, head, HEAD);
    memcpy(space + CHALLENGE + HEAD, message_1, COVEY_NOISE_OVERHEAD_1);
    return covey_bytes_of(space, CHALLENGE + HEAD + COVEY_NOISE_OVERHEAD_1);
}

/* Dialler: the challenge came, the preamble goes. */
static covey_err send_preamble(struct covey_handshake *h, struct io *io)
{
    uint8_t preamble[PREAMBLE], space[CHALLENGE + PREAMBLE];
    struct covey_buf message = {preamble + MESSAGE_1, COVEY_NOISE_OVERHEAD_1};
    size_t len;
    memcpy(h->challenge, h->in, CHALLENGE);
    noise_start(h);
    covey_err err = covey_noise_write(&h->noise, covey_bytes_of(NULL, 0), message, &len);
    if (err != COVEY_OK) {
        return err;
    }
    memcpy(preamble, head, HEAD);
    covey_mac(preamble + HEAD, h->identity->mesh_key, mac_label, mac_input(h, message.ptr, space));
    emit(io, preamble, sizeof(preamble));
    return COVEY_OK;
}

static covey_err send_message(struct covey_handshake *h, struct io *io)
{
    struct covey_buf message = {io->out.ptr + LENGTH, io->out.len - LENGTH};
    size_t len;
    covey_err err = covey_noise_write(
        &h->noise, covey_bytes_of(h->identity->cert_wire, h->identity->cert_len), message, &len);
    if (err != COVEY_OK) {
        return err;
    }
    covey_store16(io->out.ptr, (uint16_t)len);
    io->out.ptr += LENGTH + len;
    io->out.len -= LENGTH + len;
    return COVEY_OK;
}

/* Acceptor: the gate, one keyed hash before any X25519. */
static covey_err read_preamble(struct covey_handshake *h, struct io *io)
{
    uint8_t space[CHALLENGE + PREAMBLE], none;
    size_t len;
    if (memcmp(h->in, head, HEAD) != 0) {
        return COVEY_ERR_MALFORMED;
    }
    if (!covey_mac_verify(h->in + HEAD, h->identity->mesh_key, mac_label,
                          mac_input(h, h->in + MESSAGE_1, space))) {
        return COVEY_ERR_AUTH;
    }
    noise_start(h);
    covey_err err =
        covey_noise_read(&h->noise, covey_bytes_of(h->in + MESSAGE_1, COVEY_NOISE_OVERHEAD_1),
                         (struct covey_buf){&none, 0}, &len);
    return err == COVEY_OK ? send_message(h, io) : err;
}

/* Who the peer is, from the certificate in its message. */
static covey_err check_peer(struct covey_handshake *h, struct covey_bytes wire, uint64_t wall_s)
{
    struct covey_cert peer;
    covey_err err = covey_cert_verify(wire, h->identity->authority_public, wall_s, &peer);
    if (err != COVEY_OK) {
        return err;
    }
    if (!covey_equal_ct(peer.noise_public, h->noise.rs, sizeof(h->noise.rs))) {
        return COVEY_ERR_AUTH; /* someone else's certificate */
    }
    if (covey_node_id_equal(&peer.node, &h->identity->cert.node)) {
        return COVEY_ERR_AUTH; /* myself, or a copy of my state directory */
    }
    if (h->has_expected && !covey_node_id_equal(&peer.node, &h->expected)) {
        return COVEY_ERR_AUTH;
    }
    h->peer = peer;
    memcpy(h->peer_wire, wire.ptr, wire.len);
    h->peer_len = wire.len;
    return COVEY_OK;
}

/* A length and a message with a certificate. *out_whole: false while it is not all there. */
static covey_err read_message(struct covey_handshake *h, struct io *io, uint64_t wall_s,
                              bool *out_whole)
{
    size_t overhead = h->initiator ? COVEY_NOISE_OVERHEAD_2 : COVEY_NOISE_OVERHEAD_3;
    uint8_t payload[COVEY_CERT_MAX];
    size_t payload_len;
    *out_whole = false;
    if (!gather(h, io, LENGTH)) {
        return COVEY_OK;
    }
    size_t len = covey_load16(h->in);
    if (len <= overhead || len > overhead + COVEY_CERT_MAX) {
        return COVEY_ERR_MALFORMED;
    }
    if (!gather(h, io, LENGTH + len)) {
        return COVEY_OK;
    }
    covey_err err = covey_noise_read(&h->noise, covey_bytes_of(h->in + LENGTH, len),
                                     (struct covey_buf){payload, sizeof(payload)}, &payload_len);
    if (err != COVEY_OK) {
        return err;
    }
    *out_whole = true;
    return check_peer(h, covey_bytes_of(payload, payload_len), wall_s);
}

static covey_err step_dialler(struct covey_handshake *h, struct io *io, uint64_t wall_s)
{
    covey_err err = COVEY_OK;
    bool whole = false;
    if (h->step == 0) {
        if (!gather(h, io, CHALLENGE)) {
            return COVEY_OK;
        }
        err = send_preamble(h, io);
        h->in_len = 0;
        h->step = 1;
    }
    if (err == COVEY_OK) {
        err = read_message(h, io, wall_s, &whole);
    }
    if (err == COVEY_OK && whole) {
        err = send_message(h, io); /* only to a peer that was verified */
    }
    if (err == COVEY_OK && whole) {
        h->state = COVEY_HANDSHAKE_DONE;
    }
    return err;
}

static covey_err step_acceptor(struct covey_handshake *h, struct io *io, uint64_t wall_s)
{
    covey_err err = COVEY_OK;
    bool whole = false;
    if (h->step == 0) {
        emit(io, h->challenge, CHALLENGE);
        h->step = 1;
    }
    if (h->step == 1) {
        if (!gather(h, io, PREAMBLE)) {
            return COVEY_OK;
        }
        err = read_preamble(h, io);
        h->in_len = 0;
        h->step = 2;
    }
    if (err == COVEY_OK) {
        err = read_message(h, io, wall_s, &whole);
    }
    if (err == COVEY_OK && whole) {
        h->state = COVEY_HANDSHAKE_DONE;
    }
    return err;
}

static void fail(struct covey_handshake *h)
{
    covey_noise_done(&h->noise);
    covey_wipe(&h->peer, sizeof(h->peer));
    covey_wipe(h->peer_wire, sizeof(h->peer_wire));
    h->peer_len = 0;
    h->state = COVEY_HANDSHAKE_FAILED;
}

covey_err covey_handshake_step(struct covey_handshake *h, struct covey_bytes in, uint64_t wall_s,
                               struct covey_buf out, size_t *out_len, size_t *out_used)
{
    /* Also set on failure: the caller sends what is in out whatever the result. */
    *out_len = 0;
    *out_used = 0;
    if (h->state != COVEY_HANDSHAKE_RUNNING) {
        return COVEY_ERR_STATE;
    }
    if (out.len < COVEY_HANDSHAKE_MAX + LENGTH) {
        return COVEY_ERR_SPACE;
    }
    struct io io = {in, out};
    covey_err err = h->initiator ? step_dialler(h, &io, wall_s) : step_acceptor(h, &io, wall_s);
    if (err != COVEY_OK) {
        fail(h);
    }
    *out_len = out.len - io.out.len;
    *out_used = in.len - io.in.len;
    return err;
}

covey_err covey_handshake_finish(struct covey_handshake *h, struct covey_sealer *out_send,
                                 struct covey_sealer *out_receive)
{
    if (h->state != COVEY_HANDSHAKE_DONE) {
        return COVEY_ERR_STATE;
    }
    uint8_t hash[32];
    struct covey_noise_cipher send, receive;
    covey_err err = covey_noise_split(&h->noise, &send, &receive, hash);
    if (err == COVEY_OK) {
        *out_send = (struct covey_sealer){.cipher = send};
        *out_receive = (struct covey_sealer){.cipher = receive};
    }
    covey_wipe(&send, sizeof(send));
    covey_wipe(&receive, sizeof(receive));
    return err;
}

void covey_handshake_done(struct covey_handshake *h)
{
    covey_wipe(h, sizeof(*h));
    h->state = COVEY_HANDSHAKE_FAILED;
}
