/* SPDX-License-Identifier: MIT */
#include "covey/message_work.h"

#include "covey/cbor.h"

enum {
    KEY_TYPE,
    KEY_SESSION,
    KEY_EPOCH,
    KEY_VERSION,
    KEY_REQUEST,
    KEY_LAYER,
    KEY_WORK,
    KEY_STATUS,
    KEY_PAYLOAD, /* of a placement; the layers of an assignment */
    KEY_SLOTS,
    KEY_MISSING,
    KEY_WAS_INDEX, /* of a message that is no more */
    KEY_PLAN,
    KEY_MODEL,
    KEY_ATTEMPT,
    KEY_RUN,
    KEY_SEGMENT,
    KEY_SOURCE,
    KEY_LAYOUT,
    KEY_SPENT,
    KEY_DIGESTS,
    KEY_DIGEST,
    KEY_STALL,
    KEY_BATCH,
    KEY_COUNT,
};

#define BIT(key) (1U << (key))
#define FENCE (BIT(KEY_SESSION) | BIT(KEY_EPOCH) | BIT(KEY_VERSION))
#define WORK (FENCE | BIT(KEY_REQUEST) | BIT(KEY_LAYER) | BIT(KEY_WORK))
#define TILE (FENCE | BIT(KEY_REQUEST) | BIT(KEY_ATTEMPT) | BIT(KEY_RUN))

/* All fields of all types: a message is the subset that keys_of() names. */
struct fields {
    struct covey_fence fence;
    uint64_t request;
    uint16_t layer;
    uint32_t work;
    enum covey_work_status status;
    struct covey_bytes payload, slots, missing, plan, layout, digests;
    struct covey_digest model, digest;
    uint8_t attempt, run, segment, source;
    uint16_t stall_ms, batch;
    uint32_t spent_us;
};

static unsigned keys_of(enum covey_work_type type)
{
    switch (type) {
    case COVEY_WORK_PLACE:
    case COVEY_WORK_PLACEMENT:
        return BIT(KEY_SESSION) | BIT(KEY_VERSION) | BIT(KEY_PAYLOAD);
    case COVEY_WORK_ASSIGN:
        return FENCE | BIT(KEY_PAYLOAD) | BIT(KEY_SLOTS) | BIT(KEY_PLAN) | BIT(KEY_MODEL) |
               BIT(KEY_BATCH);
    case COVEY_WORK_READY:
    case COVEY_WORK_RETIRE:
        return FENCE;
    case COVEY_WORK_EXECUTE:
    case COVEY_WORK_CANCEL:
        return WORK;
    case COVEY_WORK_ANSWER:
        return WORK | BIT(KEY_STATUS) | BIT(KEY_SPENT);
    case COVEY_WORK_START:
        return TILE | BIT(KEY_LAYOUT) | BIT(KEY_STALL);
    case COVEY_WORK_PIECE:
        return TILE | BIT(KEY_SEGMENT) | BIT(KEY_SOURCE);
    case COVEY_WORK_STALLED:
        return TILE | BIT(KEY_SEGMENT) | BIT(KEY_MISSING);
    case COVEY_WORK_DROP:
        return FENCE | BIT(KEY_REQUEST);
    case COVEY_WORK_WANT:
    case COVEY_WORK_LACK:
        return BIT(KEY_DIGESTS);
    case COVEY_WORK_GIVE:
        return BIT(KEY_DIGEST);
    case COVEY_WORK_PROBE:
    case COVEY_WORK_PROBED:
        return BIT(KEY_WORK);
    case COVEY_WORK_NONE:
        break;
    }
    return 0;
}

static void get_tile_field(struct covey_cbor_reader *r, uint64_t key, struct fields *f)
{
    switch (key) {
    case KEY_PLAN:
        f->plan = covey_cbor_get_bytes(r, COVEY_CONTROL_MAX);
        break;
    case KEY_MODEL:
        covey_cbor_get_fixed(r, f->model.bytes, sizeof(f->model.bytes));
        break;
    case KEY_ATTEMPT:
        f->attempt = (uint8_t)covey_cbor_get_uint(r, UINT8_MAX);
        break;
    case KEY_RUN:
        f->run = (uint8_t)covey_cbor_get_uint(r, COVEY_TILE_RUNS_MAX - 1);
        break;
    case KEY_SEGMENT:
        f->segment = (uint8_t)covey_cbor_get_uint(r, COVEY_TILE_SEGMENTS_MAX);
        break;
    case KEY_SOURCE:
        f->source = (uint8_t)covey_cbor_get_uint(r, COVEY_PLAN_DEVICES_MAX - 1);
        break;
    case KEY_LAYOUT:
        f->layout = covey_cbor_get_bytes(r, COVEY_WORK_LAYOUT_MAX);
        break;
    case KEY_SPENT:
        f->spent_us = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_DIGESTS:
        f->digests = covey_cbor_get_bytes(r, COVEY_WORK_WANT_MAX * sizeof(struct covey_digest));
        break;
    case KEY_DIGEST:
        covey_cbor_get_fixed(r, f->digest.bytes, sizeof(f->digest.bytes));
        break;
    case KEY_STALL:
        f->stall_ms = (uint16_t)covey_cbor_get_uint(r, UINT16_MAX);
        break;
    case KEY_BATCH:
        f->batch = (uint16_t)covey_cbor_get_uint(r, COVEY_BATCH_MAX);
        break;
    default:
        covey_cbor_skip(r);
        break;
    }
}

static void get_field(struct covey_cbor_reader *r, uint64_t key, struct fields *f)
{
    switch (key) {
    case KEY_SESSION:
        covey_cbor_get_fixed(r, f->fence.session.bytes, sizeof(f->fence.session.bytes));
        break;
    case KEY_EPOCH:
        f->fence.epoch = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_VERSION:
        f->fence.version = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_REQUEST:
        f->request = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case KEY_LAYER:
        f->layer = (uint16_t)covey_cbor_get_uint(r, COVEY_LAYERS_MAX - 1);
        break;
    case KEY_WORK:
        f->work = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_STATUS:
        f->status = (enum covey_work_status)covey_cbor_get_uint(r, COVEY_WORK_STATUS_REFUSED);
        break;
    case KEY_PAYLOAD:
        f->payload = covey_cbor_get_bytes(r, COVEY_CONTROL_MAX);
        break;
    case KEY_SLOTS:
        f->slots = covey_cbor_get_bytes(r, (size_t)COVEY_WORK_SLOTS_MAX * COVEY_WORK_SLOT_BYTES);
        break;
    case KEY_MISSING:
        f->missing = covey_cbor_get_bytes(r, (COVEY_WORK_SLOTS_MAX + 7) / 8);
        break;
    default:
        get_tile_field(r, key, f);
        break;
    }
}

static void from_fields(const struct fields *f, struct covey_work_message *m)
{
    switch (m->type) {
    case COVEY_WORK_PLACE:
    case COVEY_WORK_PLACEMENT:
        m->place.session = f->fence.session;
        m->place.version = f->fence.version;
        m->place.payload = f->payload;
        break;
    case COVEY_WORK_ASSIGN:
        m->assign.fence = f->fence;
        m->assign.layers = f->payload;
        m->assign.slots = f->slots;
        m->assign.plan = f->plan;
        m->assign.model = f->model;
        m->assign.batch = f->batch;
        break;
    case COVEY_WORK_READY:
    case COVEY_WORK_RETIRE:
        m->fence = f->fence;
        break;
    case COVEY_WORK_EXECUTE:
    case COVEY_WORK_CANCEL:
        m->execute = (struct covey_work_execute){f->fence, f->request, f->layer, f->work};
        break;
    case COVEY_WORK_ANSWER:
        m->answer = (struct covey_work_answer){f->fence, f->request, f->layer,
                                               f->work,  f->status,  f->spent_us};
        break;
    case COVEY_WORK_START:
    case COVEY_WORK_PIECE:
    case COVEY_WORK_STALLED:
    case COVEY_WORK_DROP:
        m->tile = (struct covey_work_tile){.fence = f->fence,
                                           .request = f->request,
                                           .attempt = f->attempt,
                                           .run = f->run,
                                           .segment = f->segment,
                                           .source = f->source,
                                           .stall_ms = f->stall_ms,
                                           .layout = f->layout,
                                           .missing = f->missing};
        break;
    case COVEY_WORK_WANT:
    case COVEY_WORK_LACK:
        m->blobs.digests = f->digests;
        break;
    case COVEY_WORK_GIVE:
        m->give = f->digest;
        break;
    case COVEY_WORK_PROBE:
    case COVEY_WORK_PROBED:
        m->probe = f->work;
        break;
    case COVEY_WORK_NONE:
        break;
    }
}

static void to_fields(const struct covey_work_message *m, struct fields *f)
{
    switch (m->type) {
    case COVEY_WORK_PLACE:
    case COVEY_WORK_PLACEMENT:
        f->fence.session = m->place.session;
        f->fence.version = m->place.version;
        f->payload = m->place.payload;
        break;
    case COVEY_WORK_ASSIGN:
        f->fence = m->assign.fence;
        f->payload = m->assign.layers;
        f->slots = m->assign.slots;
        f->plan = m->assign.plan;
        f->model = m->assign.model;
        f->batch = m->assign.batch;
        break;
    case COVEY_WORK_READY:
    case COVEY_WORK_RETIRE:
        f->fence = m->fence;
        break;
    case COVEY_WORK_EXECUTE:
    case COVEY_WORK_CANCEL:
        f->fence = m->execute.fence;
        f->request = m->execute.request;
        f->layer = m->execute.layer;
        f->work = m->execute.work;
        break;
    case COVEY_WORK_ANSWER:
        f->fence = m->answer.fence;
        f->request = m->answer.request;
        f->layer = m->answer.layer;
        f->work = m->answer.work;
        f->status = m->answer.status;
        f->spent_us = m->answer.spent_us;
        break;
    case COVEY_WORK_START:
    case COVEY_WORK_PIECE:
    case COVEY_WORK_STALLED:
    case COVEY_WORK_DROP:
        f->fence = m->tile.fence;
        f->request = m->tile.request;
        f->attempt = m->tile.attempt;
        f->run = m->tile.run;
        f->segment = m->tile.segment;
        f->source = m->tile.source;
        f->stall_ms = m->tile.stall_ms;
        f->layout = m->tile.layout;
        f->missing = m->tile.missing;
        break;
    case COVEY_WORK_WANT:
    case COVEY_WORK_LACK:
        f->digests = m->blobs.digests;
        break;
    case COVEY_WORK_GIVE:
        f->digest = m->give;
        break;
    case COVEY_WORK_PROBE:
    case COVEY_WORK_PROBED:
        f->work = m->probe;
        break;
    case COVEY_WORK_NONE:
        break;
    }
}

/* The type, which deterministic form puts first; NONE when it is not one of ours. */
static enum covey_work_type get_type(struct covey_cbor_reader *r, uint64_t *inout_key)
{
    if (!covey_cbor_next_key(r, inout_key) || *inout_key != KEY_TYPE) {
        return COVEY_WORK_NONE;
    }
    uint64_t type = covey_cbor_get_uint(r, UINT64_MAX);
    /* Some numbers in between had a meaning once. */
    if (type < COVEY_WORK_PLACE || type > COVEY_WORK_PROBED ||
        keys_of((enum covey_work_type)type) == 0) {
        return COVEY_WORK_NONE;
    }
    return (enum covey_work_type)type;
}

covey_err covey_work_decode(struct covey_bytes in, struct covey_work_message *out)
{
    struct covey_cbor_reader r;
    struct fields f = {0};
    struct covey_work_message m = {0};
    uint64_t key = 0;
    unsigned seen = 0;
    if (in.len > COVEY_CONTROL_MAX) {
        return COVEY_ERR_LIMIT;
    }
    covey_cbor_reader_init(&r, in);
    (void)covey_cbor_enter_map(&r, COVEY_WORK_KEYS_MAX);
    m.type = get_type(&r, &key);
    if (m.type == COVEY_WORK_NONE) {
        return r.err != COVEY_OK ? r.err : COVEY_ERR_UNSUPPORTED;
    }
    unsigned wanted = keys_of(m.type);
    while (covey_cbor_next_key(&r, &key)) {
        if (key < KEY_COUNT && (wanted & BIT(key)) != 0) {
            get_field(&r, key, &f);
            seen |= BIT(key);
        } else {
            covey_cbor_skip(&r);
        }
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err != COVEY_OK) {
        return err;
    }
    bool blobs = (wanted & BIT(KEY_DIGESTS)) != 0;
    if (seen != wanted || f.slots.len % COVEY_WORK_SLOT_BYTES != 0 ||
        f.digests.len % sizeof(struct covey_digest) != 0 || (blobs && f.digests.len == 0) ||
        (m.type == COVEY_WORK_STALLED && f.missing.len != 4)) {
        return COVEY_ERR_MALFORMED;
    }
    from_fields(&f, &m);
    *out = m;
    return COVEY_OK;
}

static void put_digest(struct covey_cbor_writer *w, const struct covey_digest *digest)
{
    covey_cbor_put_bytes(w, covey_bytes_of(digest->bytes, sizeof(digest->bytes)));
}

static void put_tile_field(struct covey_cbor_writer *w, unsigned key, const struct fields *f)
{
    switch (key) {
    case KEY_PLAN:
        covey_cbor_put_bytes(w, f->plan);
        break;
    case KEY_MODEL:
        put_digest(w, &f->model);
        break;
    case KEY_ATTEMPT:
        covey_cbor_put_uint(w, f->attempt);
        break;
    case KEY_RUN:
        covey_cbor_put_uint(w, f->run);
        break;
    case KEY_SEGMENT:
        covey_cbor_put_uint(w, f->segment);
        break;
    case KEY_SOURCE:
        covey_cbor_put_uint(w, f->source);
        break;
    case KEY_LAYOUT:
        covey_cbor_put_bytes(w, f->layout);
        break;
    case KEY_SPENT:
        covey_cbor_put_uint(w, f->spent_us);
        break;
    case KEY_DIGESTS:
        covey_cbor_put_bytes(w, f->digests);
        break;
    case KEY_DIGEST:
        put_digest(w, &f->digest);
        break;
    case KEY_BATCH:
        covey_cbor_put_uint(w, f->batch);
        break;
    default:
        covey_cbor_put_uint(w, f->stall_ms);
        break;
    }
}

static void put_field(struct covey_cbor_writer *w, unsigned key, const struct fields *f)
{
    covey_cbor_put_uint(w, key);
    switch (key) {
    case KEY_SESSION:
        covey_cbor_put_bytes(
            w, covey_bytes_of(f->fence.session.bytes, sizeof(f->fence.session.bytes)));
        break;
    case KEY_EPOCH:
        covey_cbor_put_uint(w, f->fence.epoch);
        break;
    case KEY_VERSION:
        covey_cbor_put_uint(w, f->fence.version);
        break;
    case KEY_REQUEST:
        covey_cbor_put_uint(w, f->request);
        break;
    case KEY_LAYER:
        covey_cbor_put_uint(w, f->layer);
        break;
    case KEY_WORK:
        covey_cbor_put_uint(w, f->work);
        break;
    case KEY_STATUS:
        covey_cbor_put_uint(w, (uint64_t)f->status);
        break;
    case KEY_PAYLOAD:
        covey_cbor_put_bytes(w, f->payload);
        break;
    case KEY_SLOTS:
        covey_cbor_put_bytes(w, f->slots);
        break;
    case KEY_MISSING:
        covey_cbor_put_bytes(w, f->missing);
        break;
    default:
        put_tile_field(w, key, f);
        break;
    }
}

covey_err covey_work_encode(const struct covey_work_message *message, struct covey_buf out,
                            size_t *out_len)
{
    struct covey_cbor_writer w;
    struct fields f = {0};
    unsigned wanted = keys_of(message->type);
    size_t pairs = 1;
    if (wanted == 0) {
        return COVEY_ERR_UNSUPPORTED;
    }
    for (unsigned key = KEY_SESSION; key < KEY_COUNT; key++) {
        pairs += (wanted & BIT(key)) != 0;
    }
    to_fields(message, &f);
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, pairs);
    covey_cbor_put_uint(&w, KEY_TYPE);
    covey_cbor_put_uint(&w, (uint64_t)message->type);
    for (unsigned key = KEY_SESSION; key < KEY_COUNT; key++) {
        if ((wanted & BIT(key)) != 0) {
            put_field(&w, key, &f);
        }
    }
    return covey_cbor_writer_done(&w, out_len);
}
