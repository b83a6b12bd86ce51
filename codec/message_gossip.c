/* SPDX-License-Identifier: MIT */
#include "covey/message_gossip.h"

#include "covey/cbor.h"

/* Unknown keys are skipped: room for later ones. */
enum { MAP_MAX = 32 };

/* Keys of a message. */
enum { KEY_TYPE, KEY_SEQ, KEY_NODE, KEY_CERT, KEY_DIGESTS, KEY_STATEMENTS };

/* Keys of the bodies. */
enum {
    RECORD_NODE = 1,
    RECORD_INCARNATION,
    RECORD_CERT,
    RECORD_GOSSIP_PORT,
    RECORD_CHANNEL_PORT,
    RECORD_MFLOPS,
    RECORD_MEMORY,
    RECORD_ADDRS,
    RECORD_STREAM,
    RECORD_LINK,
    RECORD_MESSAGE,
    RECORD_KEYS = RECORD_MESSAGE,
};
enum {
    ACCUSE_ACCUSER = 1,
    ACCUSE_SUBJECT,
    ACCUSE_INCARNATION,
    ACCUSE_CHANNEL_LOST,
    ACCUSE_KEYS = 4
};
enum { CLAIM_COORDINATOR = 1, CLAIM_TERM, CLAIM_BEAT, CLAIM_KEYS = 3 };

static void put_id(struct covey_cbor_writer *w, uint64_t key, const struct covey_node_id *id)
{
    covey_cbor_put_uint(w, key);
    covey_cbor_put_bytes(w, covey_bytes_of(id->bytes, sizeof(id->bytes)));
}

static void put_number(struct covey_cbor_writer *w, uint64_t key, uint64_t value)
{
    covey_cbor_put_uint(w, key);
    covey_cbor_put_uint(w, value);
}

static void get_id(struct covey_cbor_reader *r, struct covey_node_id *id)
{
    covey_cbor_get_fixed(r, id->bytes, sizeof(id->bytes));
}

/* Which keys a type must have, as a set of bits. */
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

static void get_statements(struct covey_cbor_reader *r, struct covey_gossip_message *m)
{
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

static void get_digests(struct covey_cbor_reader *r, struct covey_gossip_message *m)
{
    size_t count = covey_cbor_enter_array(r, COVEY_GOSSIP_DIGESTS_MAX);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        covey_cbor_get_fixed(r, m->digest[i].bytes, sizeof(m->digest[i].bytes));
    }
    m->digests = count;
    covey_cbor_leave(r);
}

static void get_field(struct covey_cbor_reader *r, uint64_t key, struct covey_gossip_message *m)
{
    switch (key) {
    case KEY_TYPE:
        m->type = (enum covey_gossip_type)covey_cbor_get_uint(r, UINT16_MAX);
        break;
    case KEY_SEQ:
        m->seq = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_NODE:
        get_id(r, &m->node);
        break;
    case KEY_CERT:
        m->cert = covey_cbor_get_bytes(r, COVEY_CERT_MAX);
        break;
    case KEY_DIGESTS:
        get_digests(r, m);
        break;
    case KEY_STATEMENTS:
        get_statements(r, m);
        break;
    default:
        covey_cbor_skip(r);
        break;
    }
}

covey_err covey_gossip_decode(struct covey_bytes in, struct covey_gossip_message *out)
{
    struct covey_gossip_message m = {0};
    struct covey_cbor_reader r;
    unsigned seen = 0;
    uint64_t key = 0;
    covey_cbor_reader_init(&r, in);
    covey_cbor_enter_map(&r, MAP_MAX);
    while (covey_cbor_next_key(&r, &key)) {
        get_field(&r, key, &m);
        seen |= key <= KEY_STATEMENTS ? 1U << key : 0;
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err != COVEY_OK) {
        return err;
    }
    if (m.type < COVEY_GOSSIP_PING || m.type > COVEY_GOSSIP_CERT) {
        return COVEY_ERR_UNSUPPORTED;
    }
    unsigned needed = keys_of(m.type);
    if ((seen & needed) != needed) {
        return COVEY_ERR_MALFORMED;
    }
    *out = m;
    return COVEY_OK;
}

static void put_lists(struct covey_cbor_writer *w, const struct covey_gossip_message *m,
                      unsigned keys)
{
    if (keys & 1U << KEY_DIGESTS) {
        covey_cbor_put_uint(w, KEY_DIGESTS);
        covey_cbor_put_array(w, m->digests);
        for (size_t i = 0; i < m->digests; i++) {
            covey_cbor_put_bytes(w, covey_bytes_of(m->digest[i].bytes, sizeof(m->digest[i].bytes)));
        }
    }
    if (m->statements > 0) {
        covey_cbor_put_uint(w, KEY_STATEMENTS);
        covey_cbor_put_array(w, m->statements);
        for (size_t i = 0; i < m->statements; i++) {
            covey_cbor_put_array(w, 3);
            covey_cbor_put_uint(w, m->statement[i].kind);
            covey_cbor_put_bytes(w, m->statement[i].body);
            covey_cbor_put_bytes(w, m->statement[i].signature);
        }
    }
}

covey_err covey_gossip_encode(const struct covey_gossip_message *m, struct covey_buf out,
                              size_t *out_len)
{
    if (m->digests > COVEY_GOSSIP_DIGESTS_MAX || m->statements > COVEY_GOSSIP_STATEMENTS_MAX) {
        return COVEY_ERR_LIMIT;
    }
    unsigned keys = keys_of(m->type);
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, 1U + (m->statements > 0) + (unsigned)__builtin_popcount(keys));
    put_number(&w, KEY_TYPE, m->type);
    if (keys & 1U << KEY_SEQ) {
        put_number(&w, KEY_SEQ, m->seq);
    }
    if (keys & 1U << KEY_NODE) {
        put_id(&w, KEY_NODE, &m->node);
    }
    if (keys & 1U << KEY_CERT) {
        covey_cbor_put_uint(&w, KEY_CERT);
        covey_cbor_put_bytes(&w, m->cert);
    }
    put_lists(&w, m, keys);
    return covey_cbor_writer_done(&w, out_len);
}

size_t covey_statement_size(size_t body_len)
{
    /* Array head, kind, two byte-string heads of at most three bytes, the signature. */
    return 1 + 1 + 3 + body_len + 3 + COVEY_STATEMENT_SIGNATURE;
}

static void get_addrs(struct covey_cbor_reader *r, struct covey_record_body *record)
{
    size_t count = covey_cbor_enter_array(r, COVEY_RECORD_ADDRS_MAX);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        covey_cbor_get_fixed(r, record->addr[i], sizeof(record->addr[i]));
    }
    record->addrs = (uint8_t)count;
    covey_cbor_leave(r);
}

static void get_record_field(struct covey_cbor_reader *r, uint64_t key,
                             struct covey_record_body *record)
{
    switch (key) {
    case RECORD_NODE:
        get_id(r, &record->node);
        break;
    case RECORD_INCARNATION:
        record->incarnation = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case RECORD_CERT:
        covey_cbor_get_fixed(r, record->cert.bytes, sizeof(record->cert.bytes));
        break;
    case RECORD_GOSSIP_PORT:
        record->gossip_port = (uint16_t)covey_cbor_get_uint(r, UINT16_MAX);
        break;
    case RECORD_CHANNEL_PORT:
        record->channel_port = (uint16_t)covey_cbor_get_uint(r, UINT16_MAX);
        break;
    case RECORD_MFLOPS:
        record->rates.mflops = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case RECORD_MEMORY:
        record->memory_bytes = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case RECORD_ADDRS:
        get_addrs(r, record);
        break;
    case RECORD_STREAM:
        record->rates.stream_mbytes = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case RECORD_LINK:
        record->rates.link_mbytes = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case RECORD_MESSAGE:
        record->rates.message_us = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    default:
        covey_cbor_skip(r);
        break;
    }
}

/* All of keys 1..count were there. */
static bool all_keys(unsigned seen, unsigned count)
{
    unsigned needed = ((1U << count) - 1) << 1;
    return (seen & needed) == needed;
}

covey_err covey_record_decode(struct covey_bytes in, struct covey_record_body *out)
{
    struct covey_record_body record = {0};
    struct covey_cbor_reader r;
    unsigned seen = 0;
    uint64_t key = 0;
    covey_cbor_reader_init(&r, in);
    covey_cbor_enter_map(&r, MAP_MAX);
    while (covey_cbor_next_key(&r, &key)) {
        get_record_field(&r, key, &record);
        seen |= key <= RECORD_KEYS ? 1U << key : 0;
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK && !all_keys(seen, RECORD_KEYS)) {
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
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, RECORD_KEYS);
    put_id(&w, RECORD_NODE, &record->node);
    put_number(&w, RECORD_INCARNATION, record->incarnation);
    covey_cbor_put_uint(&w, RECORD_CERT);
    covey_cbor_put_bytes(&w, covey_bytes_of(record->cert.bytes, sizeof(record->cert.bytes)));
    put_number(&w, RECORD_GOSSIP_PORT, record->gossip_port);
    put_number(&w, RECORD_CHANNEL_PORT, record->channel_port);
    put_number(&w, RECORD_MFLOPS, record->rates.mflops);
    put_number(&w, RECORD_MEMORY, record->memory_bytes);
    covey_cbor_put_uint(&w, RECORD_ADDRS);
    covey_cbor_put_array(&w, record->addrs);
    for (size_t i = 0; i < record->addrs; i++) {
        covey_cbor_put_bytes(&w, covey_bytes_of(record->addr[i], sizeof(record->addr[i])));
    }
    put_number(&w, RECORD_STREAM, record->rates.stream_mbytes);
    put_number(&w, RECORD_LINK, record->rates.link_mbytes);
    put_number(&w, RECORD_MESSAGE, record->rates.message_us);
    return covey_cbor_writer_done(&w, out_len);
}

covey_err covey_accusation_decode(struct covey_bytes in, struct covey_accusation *out)
{
    struct covey_accusation a = {0};
    struct covey_cbor_reader r;
    unsigned seen = 0;
    uint64_t key = 0;
    covey_cbor_reader_init(&r, in);
    covey_cbor_enter_map(&r, MAP_MAX);
    while (covey_cbor_next_key(&r, &key)) {
        if (key == ACCUSE_ACCUSER) {
            get_id(&r, &a.accuser);
        } else if (key == ACCUSE_SUBJECT) {
            get_id(&r, &a.subject);
        } else if (key == ACCUSE_INCARNATION) {
            a.incarnation = covey_cbor_get_uint(&r, UINT64_MAX);
        } else if (key == ACCUSE_CHANNEL_LOST) {
            a.channel_lost = covey_cbor_get_bool(&r);
        } else {
            covey_cbor_skip(&r);
        }
        seen |= key <= ACCUSE_KEYS ? 1U << key : 0;
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK && !all_keys(seen, ACCUSE_KEYS)) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_OK) {
        *out = a;
    }
    return err;
}

covey_err covey_accusation_encode(const struct covey_accusation *a, struct covey_buf out,
                                  size_t *out_len)
{
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, ACCUSE_KEYS);
    put_id(&w, ACCUSE_ACCUSER, &a->accuser);
    put_id(&w, ACCUSE_SUBJECT, &a->subject);
    put_number(&w, ACCUSE_INCARNATION, a->incarnation);
    covey_cbor_put_uint(&w, ACCUSE_CHANNEL_LOST);
    covey_cbor_put_bool(&w, a->channel_lost);
    return covey_cbor_writer_done(&w, out_len);
}

covey_err covey_claim_decode(struct covey_bytes in, struct covey_claim *out)
{
    struct covey_claim claim = {0};
    struct covey_cbor_reader r;
    unsigned seen = 0;
    uint64_t key = 0;
    covey_cbor_reader_init(&r, in);
    covey_cbor_enter_map(&r, MAP_MAX);
    while (covey_cbor_next_key(&r, &key)) {
        if (key == CLAIM_COORDINATOR) {
            get_id(&r, &claim.coordinator);
        } else if (key == CLAIM_TERM) {
            claim.term = covey_cbor_get_uint(&r, UINT64_MAX);
        } else if (key == CLAIM_BEAT) {
            claim.beat = covey_cbor_get_uint(&r, UINT64_MAX);
        } else {
            covey_cbor_skip(&r);
        }
        seen |= key <= CLAIM_KEYS ? 1U << key : 0;
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK && !all_keys(seen, CLAIM_KEYS)) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_OK) {
        *out = claim;
    }
    return err;
}

covey_err covey_claim_encode(const struct covey_claim *claim, struct covey_buf out, size_t *out_len)
{
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, CLAIM_KEYS);
    put_id(&w, CLAIM_COORDINATOR, &claim->coordinator);
    put_number(&w, CLAIM_TERM, claim->term);
    put_number(&w, CLAIM_BEAT, claim->beat);
    return covey_cbor_writer_done(&w, out_len);
}
