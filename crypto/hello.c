/* SPDX-License-Identifier: MIT */
#include "covey/datagram.h"

#include "covey/cbor.h"
#include "covey/limits.h"

/* Wire form: CBOR map || Ed25519 signature of the map || MAC of both under the mesh key. */
enum {
    HELLO_TAIL = COVEY_SIGNATURE_BYTES + COVEY_MAC_BYTES,
    HELLO_BODY = COVEY_HELLO_BYTES - HELLO_TAIL,
    HELLO_KEYS_MAX = 24,
    PAD_HEAD = 2, /* its key, and the head of up to 23 bytes */
};

enum {
    KEY_VERSION_MIN = 1,
    KEY_VERSION_MAX,
    KEY_NODE,
    KEY_CERT,
    KEY_GOSSIP_PORT,
    KEY_CHANNEL_PORT,
    KEY_BOOT_COUNTER,
    KEY_SEQUENCE,
    KEY_REPLY,
    KEY_COUNT = KEY_REPLY,
    KEY_PAD, /* not asked for */
};

static const char label[] = "covey hello 1";

static void put_number(struct covey_cbor_writer *w, uint64_t key, uint64_t value)
{
    covey_cbor_put_uint(w, key);
    covey_cbor_put_uint(w, value);
}

/* As many bytes as shorter numbers save. */
static void put_pad(struct covey_cbor_writer *w)
{
    const uint8_t zeros[23] = {0};
    size_t gap = w->pos + PAD_HEAD < HELLO_BODY ? HELLO_BODY - w->pos - PAD_HEAD : 0;
    covey_cbor_put_uint(w, KEY_PAD);
    covey_cbor_put_bytes(w, covey_bytes_of(zeros, gap < sizeof(zeros) ? gap : sizeof(zeros)));
}

static void put_body(struct covey_cbor_writer *w, const struct covey_hello *hello)
{
    covey_cbor_put_map(w, KEY_PAD);
    put_number(w, KEY_VERSION_MIN, hello->version_min);
    put_number(w, KEY_VERSION_MAX, hello->version_max);
    covey_cbor_put_uint(w, KEY_NODE);
    covey_cbor_put_bytes(w, covey_bytes_of(hello->node.bytes, sizeof(hello->node.bytes)));
    covey_cbor_put_uint(w, KEY_CERT);
    covey_cbor_put_bytes(w, covey_bytes_of(hello->cert.bytes, sizeof(hello->cert.bytes)));
    put_number(w, KEY_GOSSIP_PORT, hello->gossip_port);
    put_number(w, KEY_CHANNEL_PORT, hello->channel_port);
    put_number(w, KEY_BOOT_COUNTER, hello->boot_counter);
    put_number(w, KEY_SEQUENCE, hello->sequence);
    covey_cbor_put_uint(w, KEY_REPLY);
    covey_cbor_put_bool(w, hello->reply);
    put_pad(w);
}

covey_err covey_hello_seal(const struct covey_hello *hello, const struct covey_identity *identity,
                           struct covey_buf out, size_t *out_len)
{
    if (hello->version_min > hello->version_max) {
        return COVEY_ERR_RANGE;
    }
    if (out.len < HELLO_TAIL) {
        return COVEY_ERR_SPACE;
    }
    size_t cap = out.len < COVEY_HELLO_BYTES ? out.len : COVEY_HELLO_BYTES;
    struct covey_cbor_writer w;
    size_t len;
    covey_cbor_writer_init(&w, (struct covey_buf){out.ptr, cap - HELLO_TAIL});
    put_body(&w, hello);
    covey_err err = covey_cbor_writer_done(&w, &len);
    if (err != COVEY_OK) {
        return err;
    }
    covey_statement_sign(out.ptr + len, label, &identity->cert.mesh, covey_bytes_of(out.ptr, len),
                         identity->sign_secret);
    len += COVEY_SIGNATURE_BYTES;
    covey_mac(out.ptr + len, identity->mesh_key, label, covey_bytes_of(out.ptr, len));
    *out_len = len + COVEY_MAC_BYTES;
    return COVEY_OK;
}

static void get_field(struct covey_cbor_reader *r, uint64_t key, struct covey_hello *hello)
{
    switch (key) {
    case KEY_VERSION_MIN:
        hello->version_min = (uint8_t)covey_cbor_get_uint(r, UINT8_MAX);
        break;
    case KEY_VERSION_MAX:
        hello->version_max = (uint8_t)covey_cbor_get_uint(r, UINT8_MAX);
        break;
    case KEY_NODE:
        covey_cbor_get_fixed(r, hello->node.bytes, sizeof(hello->node.bytes));
        break;
    case KEY_CERT:
        covey_cbor_get_fixed(r, hello->cert.bytes, sizeof(hello->cert.bytes));
        break;
    case KEY_GOSSIP_PORT:
        hello->gossip_port = (uint16_t)covey_cbor_get_uint(r, UINT16_MAX);
        break;
    case KEY_CHANNEL_PORT:
        hello->channel_port = (uint16_t)covey_cbor_get_uint(r, UINT16_MAX);
        break;
    case KEY_BOOT_COUNTER:
        hello->boot_counter = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case KEY_SEQUENCE:
        hello->sequence = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case KEY_REPLY:
        hello->reply = covey_cbor_get_bool(r);
        break;
    default: /* of a later version */
        covey_cbor_skip(r);
        break;
    }
}

static covey_err decode_body(struct covey_bytes body, struct covey_hello *hello)
{
    struct covey_cbor_reader r;
    uint64_t key = 0;
    unsigned seen = 0;
    covey_cbor_reader_init(&r, body);
    covey_cbor_enter_map(&r, HELLO_KEYS_MAX);
    while (covey_cbor_next_key(&r, &key)) {
        get_field(&r, key, hello);
        if (key >= 1 && key <= KEY_COUNT) {
            seen |= 1u << key;
        }
    }
    if (covey_cbor_reader_done(&r) != COVEY_OK || seen != (1u << (KEY_COUNT + 1)) - 2 ||
        hello->version_min > hello->version_max) {
        return COVEY_ERR_MALFORMED;
    }
    return COVEY_OK;
}

covey_err covey_hello_open(struct covey_bytes in, const struct covey_identity *identity,
                           struct covey_hello *out)
{
    if (in.len <= HELLO_TAIL || in.len > COVEY_HELLO_MAX) {
        return COVEY_ERR_MALFORMED;
    }
    size_t signed_len = in.len - COVEY_MAC_BYTES;
    if (!covey_mac_verify(in.ptr + signed_len, identity->mesh_key, label,
                          covey_bytes_of(in.ptr, signed_len))) {
        return COVEY_ERR_AUTH;
    }
    struct covey_hello hello = {0};
    covey_err err = decode_body(covey_bytes_of(in.ptr, in.len - HELLO_TAIL), &hello);
    if (err == COVEY_OK) {
        *out = hello;
    }
    return err;
}

bool covey_hello_verify(struct covey_bytes in, const struct covey_identity *identity,
                        const uint8_t sign_public[static COVEY_SIGN_PUBLIC_BYTES])
{
    struct covey_hello hello;
    struct covey_node_id node;
    if (covey_hello_open(in, identity, &hello) != COVEY_OK) {
        return false;
    }
    /* A member holds the mesh key: only this ties the id in the hello to the one who signed. */
    covey_node_id_of(&node, sign_public);
    size_t body_len = in.len - HELLO_TAIL;
    return covey_node_id_equal(&hello.node, &node) &&
           covey_statement_verify(in.ptr + body_len, label, &identity->cert.mesh,
                                  covey_bytes_of(in.ptr, body_len), sign_public);
}
