/* SPDX-License-Identifier: MIT */
#include "covey/message_gossip.h"

#include "message_fields.h"

/* Keys of a message, which are the places of its fields too. */
enum {
    KEY_TYPE,
    KEY_SEQ,
    KEY_NODE,
    KEY_CERT,
    KEY_DIGESTS,
    KEY_STATEMENTS,
    KEY_CHALLENGE,
    KEY_ORIGIN,
    KEY_PROOF,
};

/* Which keys a type must have besides the first, as a set of bits. */
static unsigned keys_of(enum covey_gossip_type type)
{
    switch (type) {
    case COVEY_GOSSIP_PING:
    case COVEY_GOSSIP_PING_REQ:
        return 1U << KEY_SEQ | 1U << KEY_NODE;
    case COVEY_GOSSIP_ACK:
        return 1U << KEY_SEQ;
    case COVEY_GOSSIP_CERT_ASK:
        return 1U << KEY_DIGESTS;
    case COVEY_GOSSIP_CERT:
        return 1U << KEY_CERT;
    case COVEY_GOSSIP_NONE:
    case COVEY_GOSSIP_NEWS:
    case COVEY_GOSSIP_RESYNC:
        break;
    }
    return 0;
}

/* Which keys it has that its type may have. */
static unsigned more_keys(const struct covey_gossip_message *m)
{
    unsigned keys = m->statements > 0 ? 1U << KEY_STATEMENTS : 0;
    bool challenged = m->challenge.len > 0;
    if (m->type == COVEY_GOSSIP_PING && challenged) {
        keys |= 1U << KEY_CHALLENGE | 1U << KEY_ORIGIN;
    } else if (m->type == COVEY_GOSSIP_PING_REQ && challenged) {
        keys |= 1U << KEY_CHALLENGE;
    } else if (m->type == COVEY_GOSSIP_ACK && m->proof.len > 0) {
        keys |= 1U << KEY_PROOF;
    }
    return keys;
}

/* A challenge and a proof are whole, and a ping says whose challenge it brings. */
static bool is_whole(const struct covey_gossip_message *m, unsigned seen)
{
    bool challenged = (seen & 1U << KEY_CHALLENGE) != 0, named = (seen & 1U << KEY_ORIGIN) != 0;
    bool proven = (seen & 1U << KEY_PROOF) != 0;
    return (!challenged || m->challenge.len == COVEY_CHALLENGE_BYTES) &&
           (!proven || m->proof.len == COVEY_CHALLENGE_BYTES) &&
           (m->type != COVEY_GOSSIP_PING || challenged == named);
}

static void get_statements(struct covey_cbor_reader *r, void *whole)
{
    struct covey_gossip_message *m = whole;
    size_t count = covey_cbor_enter_array(r, COVEY_GOSSIP_STATEMENTS_MAX);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        if (covey_cbor_enter_array(r, 3) != 3 && r->err == COVEY_OK) {
            r->err = COVEY_ERR_MALFORMED;
        }
        uint64_t kind = covey_cbor_get_uint(r, UINT32_MAX);
        struct covey_bytes body = covey_cbor_get_bytes(r, COVEY_STATEMENT_MAX);
        struct covey_bytes signature = covey_cbor_get_bytes(r, COVEY_STATEMENT_SIGNATURE);
        covey_cbor_leave(r);
        if (r->err == COVEY_OK && signature.len != COVEY_STATEMENT_SIGNATURE) {
            r->err = COVEY_ERR_MALFORMED;
        }
        if (r->err == COVEY_OK && kind >= COVEY_STATEMENT_RECORD && kind <= COVEY_STATEMENT_CLAIM) {
            m->statement[m->statements++] =
                (struct covey_statement){(enum covey_statement_kind)kind, body, signature};
        }
    }
    covey_cbor_leave(r);
}

static void put_statements(struct covey_cbor_writer *w, const void *whole)
{
    const struct covey_gossip_message *m = whole;
    covey_cbor_put_array(w, m->statements);
    for (size_t i = 0; i < m->statements; i++) {
        covey_cbor_put_array(w, 3);
        covey_cbor_put_uint(w, m->statement[i].kind);
        covey_cbor_put_bytes(w, m->statement[i].body);
        covey_cbor_put_bytes(w, m->statement[i].signature);
    }
}

static const struct covey__field digest = {.kind = COVEY__FIELD_FIXED,
                                           .size = sizeof(struct covey_digest)};
static const struct covey__field message_fields[] = {
    COVEY__UINT(KEY_TYPE, struct covey_gossip_message, type, UINT16_MAX),
    COVEY__NUMBER(KEY_SEQ, struct covey_gossip_message, seq),
    COVEY__FIXED(KEY_NODE, struct covey_gossip_message, node.bytes),
    COVEY__BYTES(KEY_CERT, struct covey_gossip_message, cert, COVEY_CERT_MAX),
    COVEY__LIST(KEY_DIGESTS, struct covey_gossip_message, digests, digest, &digest),
    COVEY__OWN(KEY_STATEMENTS, get_statements, put_statements),
    COVEY__BYTES(KEY_CHALLENGE, struct covey_gossip_message, challenge, COVEY_CHALLENGE_BYTES),
    COVEY__FIXED(KEY_ORIGIN, struct covey_gossip_message, origin.bytes),
    COVEY__BYTES(KEY_PROOF, struct covey_gossip_message, proof, COVEY_CHALLENGE_BYTES),
};
static const struct covey__fields messages = COVEY__FIELDS(message_fields);

covey_err covey_gossip_decode(struct covey_bytes in, struct covey_gossip_message *out)
{
    struct covey_gossip_message m = {0};
    unsigned seen = 0;
    covey_err err = covey__map_read(in, messages, &m, &seen);
    if (err != COVEY_OK) {
        return err;
    }
    if (m.type < COVEY_GOSSIP_PING || m.type > COVEY_GOSSIP_CERT) {
        return COVEY_ERR_UNSUPPORTED;
    }
    unsigned needed = keys_of(m.type);
    if ((seen & needed) != needed || !is_whole(&m, seen)) {
        return COVEY_ERR_MALFORMED;
    }
    *out = m;
    return COVEY_OK;
}

covey_err covey_gossip_encode(const struct covey_gossip_message *m, struct covey_buf out,
                              size_t *out_len)
{
    if (m->digests > COVEY_GOSSIP_DIGESTS_MAX || m->statements > COVEY_GOSSIP_STATEMENTS_MAX) {
        return COVEY_ERR_LIMIT;
    }
    unsigned wanted = 1U << KEY_TYPE | keys_of(m->type) | more_keys(m);
    return covey__map_encode(messages, wanted, m, out, out_len);
}

size_t covey_statement_size(size_t body_len)
{
    /* Array head, kind, two byte-string heads of at most three bytes, the signature. */
    return 1 + 1 + 3 + body_len + 3 + COVEY_STATEMENT_SIGNATURE;
}

#define RECORD(key, member) COVEY__NUMBER(key, struct covey_record_body, member)

static const struct covey__field address = {.kind = COVEY__FIELD_FIXED,
                                            .size = COVEY__SIZE(struct covey_record_body, addr[0])};
static const struct covey__field record_fields[] = {
    COVEY__FIXED(1, struct covey_record_body, node.bytes),
    RECORD(2, incarnation),
    COVEY__FIXED(3, struct covey_record_body, cert.bytes),
    RECORD(4, gossip_port),
    RECORD(5, channel_port),
    RECORD(6, rates.mflops),
    RECORD(7, memory_bytes),
    COVEY__LIST(8, struct covey_record_body, addrs, addr, &address),
    RECORD(9, rates.stream_mbytes),
    RECORD(10, rates.link_mbytes),
    RECORD(11, rates.message_us),
    RECORD(12, rates.body_mbytes), /* this and what follows older nodes do not tell */
    RECORD(13, rates.round_us),
    RECORD(14, store_bytes),
};
enum { RECORD_NEWER = 3 };
static const struct covey__field accusation_fields[] = {
    COVEY__FIXED(1, struct covey_accusation, accuser.bytes),
    COVEY__FIXED(2, struct covey_accusation, subject.bytes),
    COVEY__NUMBER(3, struct covey_accusation, incarnation),
    COVEY__BOOL(4, struct covey_accusation, channel_lost),
};
static const struct covey__field claim_fields[] = {
    COVEY__FIXED(1, struct covey_claim, coordinator.bytes),
    COVEY__NUMBER(2, struct covey_claim, term),
    COVEY__NUMBER(3, struct covey_claim, beat),
};
static const struct covey__fields records = COVEY__FIELDS(record_fields);
static const struct covey__fields accusations = COVEY__FIELDS(accusation_fields);
static const struct covey__fields claims = COVEY__FIELDS(claim_fields);

covey_err covey_record_decode(struct covey_bytes in, struct covey_record_body *out)
{
    struct covey_record_body record = {0};
    unsigned seen = 0;
    unsigned newer = ((1U << RECORD_NEWER) - 1) << (records.count - RECORD_NEWER);
    covey_err err = covey__map_read(in, records, &record, &seen);
    if (err == COVEY_OK && (seen | newer) != covey__fields_all(records)) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_OK) {
        *out = record;
    }
    return err;
}

covey_err covey_record_encode(const struct covey_record_body *record, struct covey_buf out,
                              size_t *out_len)
{
    if (record->addrs > COVEY_RECORD_ADDRS_MAX) {
        return COVEY_ERR_LIMIT;
    }
    return covey__map_encode(records, covey__fields_all(records), record, out, out_len);
}

covey_err covey_accusation_decode(struct covey_bytes in, struct covey_accusation *out)
{
    struct covey_accusation a = {0};
    covey_err err = covey__map_decode(in, accusations, &a);
    if (err == COVEY_OK) {
        *out = a;
    }
    return err;
}

covey_err covey_accusation_encode(const struct covey_accusation *a, struct covey_buf out,
                                  size_t *out_len)
{
    return covey__map_encode(accusations, covey__fields_all(accusations), a, out, out_len);
}

covey_err covey_claim_decode(struct covey_bytes in, struct covey_claim *out)
{
    struct covey_claim claim = {0};
    covey_err err = covey__map_decode(in, claims, &claim);
    if (err == COVEY_OK) {
        *out = claim;
    }
    return err;
}

covey_err covey_claim_encode(const struct covey_claim *claim, struct covey_buf out, size_t *out_len)
{
    return covey__map_encode(claims, covey__fields_all(claims), claim, out, out_len);
}
