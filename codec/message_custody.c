/* SPDX-License-Identifier: MIT */
#include "covey/message_custody.h"

#include "message_fields.h"

enum {
    ID_BYTES = sizeof(struct covey_node_id),
    MESSAGE_MAX = 1024 /* bytes: a deed with two full sets takes 400 */
};

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

static void put_ids(struct covey_cbor_writer *w, const struct covey_custodians *set)
{
    covey_cbor_put_bytes(w, covey_bytes_of(set->id, (size_t)set->count * ID_BYTES));
}

static void get_set(struct covey_cbor_reader *r, void *whole)
{
    get_ids(r, 1, &((struct covey_custody_message *)whole)->deed.set);
}

static void put_set(struct covey_cbor_writer *w, const void *whole)
{
    put_ids(w, &((const struct covey_custody_message *)whole)->deed.set);
}

static void get_next(struct covey_cbor_reader *r, void *whole)
{
    get_ids(r, 0, &((struct covey_custody_message *)whole)->deed.next);
}

static void put_next(struct covey_cbor_writer *w, const void *whole)
{
    put_ids(w, &((const struct covey_custody_message *)whole)->deed.next);
}

#define NUMBER(key, member) COVEY__NUMBER(key, struct covey_custody_message, member)
#define BOOL(key, member) COVEY__BOOL(key, struct covey_custody_message, member)
#define FIXED(key, member) COVEY__FIXED(key, struct covey_custody_message, member)

#define HEAD FIXED(1, session.bytes), NUMBER(2, epoch)
#define SEQUENCE NUMBER(3, sequence)
/* The set that may follow is numbered one more. */
#define SET                                                                                        \
    COVEY__UINT(4, struct covey_custody_message, deed.set.number, UINT32_MAX - 1),                 \
        COVEY__OWN(5, get_set, put_set)
#define JOB FIXED(6, deed.job.bytes)
#define CHECKPOINT                                                                                 \
    NUMBER(7, deed.checkpoint.epoch), NUMBER(8, deed.checkpoint.step),                             \
        FIXED(9, deed.checkpoint.digest.bytes), NUMBER(10, deed.checkpoint.len)
#define AGREED BOOL(11, agreed)
#define NEXT COVEY__OWN(12, get_next, put_next)
#define DEED_EPOCH NUMBER(13, deed.epoch)
#define VERSION NUMBER(14, deed.version)
#define BINDING BOOL(15, binding)
#define VOTED FIXED(16, voted.bytes)

static const struct covey__field appoint[] = {HEAD, SET, JOB, CHECKPOINT, NEXT, VERSION};
static const struct covey__field accept_[] = {HEAD, CHECKPOINT, AGREED, VERSION};
static const struct covey__field lease[] = {HEAD, SEQUENCE};
static const struct covey__field canvass[] = {HEAD, DEED_EPOCH, VERSION, BINDING};
static const struct covey__field vote[] = {HEAD, AGREED, BINDING};
static const struct covey__field head[] = {HEAD};
static const struct covey__field state[] = {HEAD, SET,        JOB,     CHECKPOINT,
                                            NEXT, DEED_EPOCH, VERSION, VOTED};

static const struct covey__message all[] = {
    {COVEY_CUSTODY_APPOINT, COVEY__FIELDS(appoint)},
    {COVEY_CUSTODY_ACCEPT, COVEY__FIELDS(accept_)},
    {COVEY_CUSTODY_LEASE, COVEY__FIELDS(lease)},
    {COVEY_CUSTODY_GRANT, COVEY__FIELDS(lease)},
    {COVEY_CUSTODY_CANVASS, COVEY__FIELDS(canvass)},
    {COVEY_CUSTODY_VOTE, COVEY__FIELDS(vote)},
    {COVEY_CUSTODY_CLOSE, COVEY__FIELDS(head)},
    {COVEY_CUSTODY_ABSENT, COVEY__FIELDS(head)},
    {COVEY_CUSTODY_STATE, COVEY__FIELDS(state)},
    {COVEY_CUSTODY_APPOINT_STOPPED, COVEY__FIELDS(appoint)},
    {COVEY_CUSTODY_STATE_STOPPED, COVEY__FIELDS(state)},
};
static const struct covey__messages messages = {all, COVEY__COUNT(all), MESSAGE_MAX};

covey_err covey_custody_decode(struct covey_bytes in, struct covey_custody_message *out)
{
    struct covey_custody_message m = {.type = COVEY_CUSTODY_NONE};
    unsigned type = 0;
    covey_err err = covey__message_decode(&messages, in, &m, &type);
    if (err != COVEY_OK) {
        return err;
    }
    m.deed.stopped = type == COVEY_CUSTODY_APPOINT_STOPPED || type == COVEY_CUSTODY_STATE_STOPPED;
    m.type = type == COVEY_CUSTODY_APPOINT_STOPPED ? COVEY_CUSTODY_APPOINT
             : type == COVEY_CUSTODY_STATE_STOPPED ? COVEY_CUSTODY_STATE
                                                   : (enum covey_custody_type)type;
    if (m.type == COVEY_CUSTODY_APPOINT) {
        m.deed.epoch = m.epoch;
    }
    if (m.deed.next.count > 0) {
        m.deed.next.number = m.deed.set.number + 1;
    }
    *out = m;
    return COVEY_OK;
}

covey_err covey_custody_encode(const struct covey_custody_message *message, struct covey_buf out,
                               size_t *out_len)
{
    unsigned type = (unsigned)message->type;
    if (message->deed.stopped) {
        type = type == COVEY_CUSTODY_APPOINT ? COVEY_CUSTODY_APPOINT_STOPPED
               : type == COVEY_CUSTODY_STATE ? COVEY_CUSTODY_STATE_STOPPED
                                             : type;
    }
    return covey__message_encode(&messages, type, message, out, out_len);
}
