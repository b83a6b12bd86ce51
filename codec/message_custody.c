/* SPDX-License-Identifier: MIT */
#include "covey/message_custody.h"

#include "covey/cbor.h"

enum {
    KEY_TYPE,
    KEY_SESSION,
    KEY_EPOCH,
    KEY_SEQUENCE,
    KEY_NUMBER,
    KEY_SET,
    KEY_JOB,
    KEY_CHECKPOINT_EPOCH,
    KEY_STEP,
    KEY_DIGEST,
    KEY_LENGTH,
    KEY_AGREED,
    KEY_NEXT,
    KEY_DEED_EPOCH,
    KEY_VERSION,
    KEY_BINDING,
    KEY_VOTED,
    KEY_COUNT,
};

enum {
    ID_BYTES = sizeof(struct covey_node_id),
    KEYS_MAX = 32,     /* those of later versions included */
    MESSAGE_MAX = 1024 /* bytes: a deed with two full sets takes 400 */
};

#define BIT(key) (1U << (key))
#define HEAD (BIT(KEY_SESSION) | BIT(KEY_EPOCH))
#define CHECKPOINT (BIT(KEY_CHECKPOINT_EPOCH) | BIT(KEY_STEP) | BIT(KEY_DIGEST) | BIT(KEY_LENGTH))
#define DEED                                                                                       \
    (CHECKPOINT | BIT(KEY_NUMBER) | BIT(KEY_SET) | BIT(KEY_JOB) | BIT(KEY_NEXT) | BIT(KEY_VERSION))

static unsigned keys_of(enum covey_custody_type type)
{
    switch (type) {
    case COVEY_CUSTODY_APPOINT:
        return HEAD | DEED;
    case COVEY_CUSTODY_ACCEPT:
        return HEAD | CHECKPOINT | BIT(KEY_VERSION) | BIT(KEY_AGREED);
    case COVEY_CUSTODY_LEASE:
    case COVEY_CUSTODY_GRANT:
        return HEAD | BIT(KEY_SEQUENCE);
    case COVEY_CUSTODY_CANVASS:
        return HEAD | BIT(KEY_DEED_EPOCH) | BIT(KEY_VERSION) | BIT(KEY_BINDING);
    case COVEY_CUSTODY_VOTE:
        return HEAD | BIT(KEY_AGREED) | BIT(KEY_BINDING);
    case COVEY_CUSTODY_CLOSE:
    case COVEY_CUSTODY_ABSENT:
        return HEAD;
    case COVEY_CUSTODY_STATE:
        return HEAD | DEED | BIT(KEY_DEED_EPOCH) | BIT(KEY_VOTED);
    case COVEY_CUSTODY_NONE:
        break;
    }
    return 0;
}

/* Whole ids, ascending: each device once. */
static void get_ids(struct covey_cbor_reader *r, size_t least, struct covey_custodians *out)
{
    struct covey_bytes ids = covey_cbor_get_bytes(r, (size_t)COVEY_CUSTODIANS_MAX * ID_BYTES);
    size_t count = ids.len / ID_BYTES;
    if (r->err != COVEY_OK) {
        return;
    }
    bool good = ids.len % ID_BYTES == 0 && count >= least;
    for (size_t i = 0; good && i < count; i++) {
        memcpy(out->id[i].bytes, ids.ptr + i * ID_BYTES, ID_BYTES);
        good = i == 0 || covey_node_id_compare(&out->id[i - 1], &out->id[i]) < 0;
    }
    out->count = good ? (uint8_t)count : 0;
    r->err = good ? COVEY_OK : COVEY_ERR_MALFORMED;
}

static void get_checkpoint(struct covey_cbor_reader *r, uint64_t key,
                           struct covey_checkpoint_ref *ref)
{
    switch (key) {
    case KEY_CHECKPOINT_EPOCH:
        ref->epoch = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_STEP:
        ref->step = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case KEY_DIGEST:
        covey_cbor_get_fixed(r, ref->digest.bytes, sizeof(ref->digest.bytes));
        break;
    default:
        ref->len = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    }
}

static void get_field(struct covey_cbor_reader *r, uint64_t key, struct covey_custody_message *m)
{
    switch (key) {
    case KEY_SESSION:
        covey_cbor_get_fixed(r, m->session.bytes, sizeof(m->session.bytes));
        break;
    case KEY_EPOCH:
        m->epoch = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_SEQUENCE:
        m->sequence = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case KEY_NUMBER:
        m->deed.set.number = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX - 1);
        break;
    case KEY_SET:
        get_ids(r, 1, &m->deed.set);
        break;
    case KEY_JOB:
        covey_cbor_get_fixed(r, m->deed.job.bytes, sizeof(m->deed.job.bytes));
        break;
    case KEY_AGREED:
        m->agreed = covey_cbor_get_bool(r);
        break;
    case KEY_NEXT:
        get_ids(r, 0, &m->deed.next);
        break;
    case KEY_DEED_EPOCH:
        m->deed.epoch = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_VERSION:
        m->deed.version = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case KEY_BINDING:
        m->binding = covey_cbor_get_bool(r);
        break;
    case KEY_VOTED:
        covey_cbor_get_fixed(r, m->voted.bytes, sizeof(m->voted.bytes));
        break;
    default:
        get_checkpoint(r, key, &m->deed.checkpoint);
        break;
    }
}

covey_err covey_custody_decode(struct covey_bytes in, struct covey_custody_message *out)
{
    struct covey_cbor_reader r;
    struct covey_custody_message m = {.type = COVEY_CUSTODY_NONE};
    uint64_t key = 0;
    unsigned seen = 0;
    if (in.len > MESSAGE_MAX) {
        return COVEY_ERR_LIMIT;
    }
    covey_cbor_reader_init(&r, in);
    (void)covey_cbor_enter_map(&r, KEYS_MAX);
    if (covey_cbor_next_key(&r, &key) && key == KEY_TYPE) {
        m.type = (enum covey_custody_type)covey_cbor_get_uint(&r, UINT8_MAX);
    }
    unsigned wanted = keys_of(m.type);
    if (wanted == 0) {
        return r.err != COVEY_OK ? r.err : COVEY_ERR_UNSUPPORTED;
    }
    while (covey_cbor_next_key(&r, &key)) {
        if (key < KEY_COUNT && (wanted & BIT(key)) != 0) {
            get_field(&r, key, &m);
            seen |= BIT(key);
        } else {
            covey_cbor_skip(&r);
        }
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK && seen != wanted) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err != COVEY_OK) {
        return err;
    }
    if (m.type == COVEY_CUSTODY_APPOINT) {
        m.deed.epoch = m.epoch;
    }
    if (m.deed.next.count > 0) {
        m.deed.next.number = m.deed.set.number + 1;
    }
    *out = m;
    return COVEY_OK;
}

static void put_digest(struct covey_cbor_writer *w, const struct covey_digest *digest)
{
    covey_cbor_put_bytes(w, covey_bytes_of(digest->bytes, sizeof(digest->bytes)));
}

static void put_ids(struct covey_cbor_writer *w, const struct covey_custodians *set)
{
    covey_cbor_put_bytes(w, covey_bytes_of(set->id, (size_t)set->count * ID_BYTES));
}

static void put_checkpoint(struct covey_cbor_writer *w, unsigned key,
                           const struct covey_checkpoint_ref *ref)
{
    switch (key) {
    case KEY_CHECKPOINT_EPOCH:
        covey_cbor_put_uint(w, ref->epoch);
        break;
    case KEY_STEP:
        covey_cbor_put_uint(w, ref->step);
        break;
    case KEY_DIGEST:
        put_digest(w, &ref->digest);
        break;
    default:
        covey_cbor_put_uint(w, ref->len);
        break;
    }
}

static void put_field(struct covey_cbor_writer *w, unsigned key,
                      const struct covey_custody_message *m)
{
    covey_cbor_put_uint(w, key);
    switch (key) {
    case KEY_SESSION:
        covey_cbor_put_bytes(w, covey_bytes_of(m->session.bytes, sizeof(m->session.bytes)));
        break;
    case KEY_EPOCH:
        covey_cbor_put_uint(w, m->epoch);
        break;
    case KEY_SEQUENCE:
        covey_cbor_put_uint(w, m->sequence);
        break;
    case KEY_NUMBER:
        covey_cbor_put_uint(w, m->deed.set.number);
        break;
    case KEY_SET:
        put_ids(w, &m->deed.set);
        break;
    case KEY_JOB:
        put_digest(w, &m->deed.job);
        break;
    case KEY_AGREED:
        covey_cbor_put_bool(w, m->agreed);
        break;
    case KEY_NEXT:
        put_ids(w, &m->deed.next);
        break;
    case KEY_DEED_EPOCH:
        covey_cbor_put_uint(w, m->deed.epoch);
        break;
    case KEY_VERSION:
        covey_cbor_put_uint(w, m->deed.version);
        break;
    case KEY_BINDING:
        covey_cbor_put_bool(w, m->binding);
        break;
    case KEY_VOTED:
        covey_cbor_put_bytes(w, covey_bytes_of(m->voted.bytes, ID_BYTES));
        break;
    default:
        put_checkpoint(w, key, &m->deed.checkpoint);
        break;
    }
}

covey_err covey_custody_encode(const struct covey_custody_message *message, struct covey_buf out,
                               size_t *out_len)
{
    struct covey_cbor_writer w;
    unsigned wanted = keys_of(message->type);
    size_t pairs = 1;
    if (wanted == 0) {
        return COVEY_ERR_UNSUPPORTED;
    }
    for (unsigned key = KEY_SESSION; key < KEY_COUNT; key++) {
        pairs += (wanted & BIT(key)) != 0;
    }
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, pairs);
    covey_cbor_put_uint(&w, KEY_TYPE);
    covey_cbor_put_uint(&w, (uint64_t)message->type);
    for (unsigned key = KEY_SESSION; key < KEY_COUNT; key++) {
        if ((wanted & BIT(key)) != 0) {
            put_field(&w, key, message);
        }
    }
    return covey_cbor_writer_done(&w, out_len);
}
