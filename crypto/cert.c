/* SPDX-License-Identifier: MIT */
#include "covey/cert.h"

#include <sodium.h>

#include "covey/cbor.h"

enum { DAY_S = 24 * 60 * 60, CERT_KEYS_MAX = 32 };

/* Keys of the certificate's map; append-only, as old certificates stay valid for years. */
enum {
    KEY_MESH = 1,
    KEY_NODE,
    KEY_SIGN,
    KEY_NOISE,
    KEY_GOSSIP,
    KEY_NAME,
    KEY_TIER,
    KEY_TRUST,
    KEY_NOT_BEFORE,
    KEY_NOT_AFTER,
    KEY_SERIAL,
    KEY_COUNT = KEY_SERIAL,
};

/* Ed25519ph (RFC 8032): takes its message in pieces, so bodies need no copy behind the label. */
static void statement_feed(crypto_sign_state *state, const char *label,
                           const struct covey_mesh_id *mesh, struct covey_bytes body)
{
    crypto_sign_init(state);
    crypto_sign_update(state, (const uint8_t *)label, strlen(label) + 1);
    crypto_sign_update(state, mesh->bytes, sizeof(mesh->bytes));
    crypto_sign_update(state, body.ptr, body.len);
}

void covey_statement_sign(uint8_t out[static COVEY_SIGNATURE_BYTES], const char *label,
                          const struct covey_mesh_id *mesh, struct covey_bytes body,
                          const uint8_t secret[static COVEY_SIGN_SECRET_BYTES])
{
    crypto_sign_state state;
    statement_feed(&state, label, mesh, body);
    crypto_sign_final_create(&state, out, NULL, secret);
}

bool covey_statement_verify(const uint8_t signature[static COVEY_SIGNATURE_BYTES],
                            const char *label, const struct covey_mesh_id *mesh,
                            struct covey_bytes body,
                            const uint8_t pub[static COVEY_SIGN_PUBLIC_BYTES])
{
    crypto_sign_state state;
    statement_feed(&state, label, mesh, body);
    return crypto_sign_final_verify(&state, signature, pub) == 0;
}

void covey_mesh_id_of(struct covey_mesh_id *out,
                      const uint8_t authority_public[static COVEY_SIGN_PUBLIC_BYTES])
{
    struct covey_digest digest;
    covey_hash(&digest, covey_bytes_of(authority_public, COVEY_SIGN_PUBLIC_BYTES));
    memcpy(out->bytes, digest.bytes, sizeof(out->bytes));
}

bool covey_name_valid(const char *name)
{
    bool only_dots = true; /* "." and ".." are folders to whoever makes a path of a name */
    size_t len = 0;
    for (; name[len] != '\0' && len <= COVEY_NAME_MAX; len++) {
        char c = name[len];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-') {
            return false;
        }
        only_dots = only_dots && c == '.';
    }
    return len >= 1 && len <= COVEY_NAME_MAX && !only_dots;
}

static void put_field(struct covey_cbor_writer *w, uint64_t key, const void *ptr, size_t len)
{
    covey_cbor_put_uint(w, key);
    covey_cbor_put_bytes(w, covey_bytes_of(ptr, len));
}

static void put_number(struct covey_cbor_writer *w, uint64_t key, uint64_t value)
{
    covey_cbor_put_uint(w, key);
    covey_cbor_put_uint(w, value);
}

static void put_body(struct covey_cbor_writer *w, const struct covey_cert *cert)
{
    covey_cbor_put_map(w, KEY_COUNT);
    put_field(w, KEY_MESH, cert->mesh.bytes, sizeof(cert->mesh.bytes));
    put_field(w, KEY_NODE, cert->node.bytes, sizeof(cert->node.bytes));
    put_field(w, KEY_SIGN, cert->sign_public, sizeof(cert->sign_public));
    put_field(w, KEY_NOISE, cert->noise_public, sizeof(cert->noise_public));
    put_field(w, KEY_GOSSIP, cert->gossip_public, sizeof(cert->gossip_public));
    covey_cbor_put_uint(w, KEY_NAME);
    covey_cbor_put_text(w, cert->name);
    put_number(w, KEY_TIER, (uint64_t)cert->tier);
    put_number(w, KEY_TRUST, (uint64_t)cert->trust);
    put_number(w, KEY_NOT_BEFORE, cert->not_before_s);
    put_number(w, KEY_NOT_AFTER, cert->not_after_s);
    put_number(w, KEY_SERIAL, cert->serial);
}

static bool fields_valid(const struct covey_cert *cert)
{
    return covey_name_valid(cert->name) && (unsigned)cert->tier <= COVEY_TIER_CLOUD &&
           (unsigned)cert->trust <= COVEY_TRUST_FULL && cert->not_before_s <= cert->not_after_s;
}

covey_err covey_cert_sign(const struct covey_cert *cert,
                          const uint8_t authority_secret[static COVEY_SIGN_SECRET_BYTES],
                          uint8_t out[static COVEY_CERT_MAX], size_t *out_len)
{
    if (!fields_valid(cert)) {
        return COVEY_ERR_RANGE;
    }
    struct covey_buf space = {out, COVEY_CERT_MAX - COVEY_SIGNATURE_BYTES};
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, space);
    put_body(&w, cert);
    size_t len;
    covey_err err = covey_cbor_writer_done(&w, &len);
    if (err != COVEY_OK) {
        return err;
    }
    covey_statement_sign(out + len, COVEY_CERT_LABEL, &cert->mesh, covey_bytes_of(out, len),
                         authority_secret);
    *out_len = len + COVEY_SIGNATURE_BYTES;
    return COVEY_OK;
}

static void get_field(struct covey_cbor_reader *r, uint64_t key, struct covey_cert *cert)
{
    switch (key) {
    case KEY_MESH:
        covey_cbor_get_fixed(r, cert->mesh.bytes, sizeof(cert->mesh.bytes));
        break;
    case KEY_NODE:
        covey_cbor_get_fixed(r, cert->node.bytes, sizeof(cert->node.bytes));
        break;
    case KEY_SIGN:
        covey_cbor_get_fixed(r, cert->sign_public, sizeof(cert->sign_public));
        break;
    case KEY_NOISE:
        covey_cbor_get_fixed(r, cert->noise_public, sizeof(cert->noise_public));
        break;
    case KEY_GOSSIP:
        covey_cbor_get_fixed(r, cert->gossip_public, sizeof(cert->gossip_public));
        break;
    case KEY_NAME:
        covey_cbor_get_string(r, cert->name, sizeof(cert->name));
        break;
    case KEY_TIER:
        cert->tier = (enum covey_tier)covey_cbor_get_uint(r, COVEY_TIER_CLOUD);
        break;
    case KEY_TRUST:
        cert->trust = (enum covey_trust)covey_cbor_get_uint(r, COVEY_TRUST_FULL);
        break;
    case KEY_NOT_BEFORE:
        cert->not_before_s = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case KEY_NOT_AFTER:
        cert->not_after_s = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case KEY_SERIAL:
        cert->serial = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    default:
        covey_cbor_skip(r);
        break;
    }
}

static covey_err decode_body(struct covey_bytes body, struct covey_cert *cert)
{
    struct covey_cbor_reader r;
    uint64_t key = 0;
    unsigned seen = 0;
    covey_cbor_reader_init(&r, body);
    covey_cbor_enter_map(&r, CERT_KEYS_MAX);
    while (covey_cbor_next_key(&r, &key)) {
        get_field(&r, key, cert);
        if (key >= 1 && key <= KEY_COUNT) {
            seen |= 1u << key;
        }
    }
    if (covey_cbor_reader_done(&r) != COVEY_OK || seen != (1u << (KEY_COUNT + 1)) - 2 ||
        !fields_valid(cert)) {
        return COVEY_ERR_MALFORMED;
    }
    return COVEY_OK;
}

static bool valid_at(const struct covey_cert *cert, uint64_t wall_s)
{
    /* The authority's clock may run ahead of ours: a day of grace, without overflow. */
    bool early = cert->not_before_s > wall_s && cert->not_before_s - wall_s > DAY_S;
    return !early && wall_s <= cert->not_after_s;
}

covey_err covey_cert_verify(struct covey_bytes wire,
                            const uint8_t authority_public[static COVEY_SIGN_PUBLIC_BYTES],
                            uint64_t wall_s, struct covey_cert *out)
{
    if (wire.len <= COVEY_SIGNATURE_BYTES || wire.len > COVEY_CERT_MAX) {
        return COVEY_ERR_MALFORMED;
    }
    struct covey_bytes body = {wire.ptr, wire.len - COVEY_SIGNATURE_BYTES};
    struct covey_mesh_id mesh;
    covey_mesh_id_of(&mesh, authority_public);
    if (!covey_statement_verify(wire.ptr + body.len, COVEY_CERT_LABEL, &mesh, body,
                                authority_public)) {
        return COVEY_ERR_AUTH;
    }
    struct covey_cert cert = {0};
    covey_err err = decode_body(body, &cert);
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_node_id node;
    covey_node_id_of(&node, cert.sign_public);
    if (memcmp(cert.mesh.bytes, mesh.bytes, sizeof(mesh.bytes)) != 0 ||
        !covey_node_id_equal(&cert.node, &node)) {
        return COVEY_ERR_AUTH;
    }
    if (!valid_at(&cert, wall_s)) {
        return COVEY_ERR_EXPIRED;
    }
    *out = cert;
    return COVEY_OK;
}

void covey_cert_digest(struct covey_digest *out, struct covey_bytes wire)
{
    covey_hash(out, wire);
}
