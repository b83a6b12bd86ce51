/* SPDX-License-Identifier: MIT */
#include "covey/message_work.h"

#include "message_fields.h"

/* Of the part of a message that its type names. */
#define NUMBER(key, member) COVEY__NUMBER(key, struct covey_work_message, member)
#define AT_MOST(key, member, max) COVEY__UINT(key, struct covey_work_message, member, max)
#define BYTES(key, member, max) COVEY__BYTES(key, struct covey_work_message, member, max)
#define FIXED(key, member) COVEY__FIXED(key, struct covey_work_message, member)

#define FENCE(fence) FIXED(1, fence.session.bytes), NUMBER(2, fence.epoch), NUMBER(3, fence.version)
#define WORK(part)                                                                                 \
    FENCE(part.fence), NUMBER(4, part.request), AT_MOST(5, part.layer, COVEY_LAYERS_MAX - 1),      \
        NUMBER(6, part.work)
#define REQUEST FENCE(tile.fence), NUMBER(4, tile.request)
#define ATTEMPT NUMBER(14, tile.attempt), AT_MOST(15, tile.run, COVEY_WORK_NO_RUN)
#define SEGMENT AT_MOST(16, tile.segment, COVEY_TILE_SEGMENTS_MAX)

static const struct covey__field place[] = {
    FIXED(1, place.session.bytes),
    NUMBER(3, place.version),
    BYTES(8, place.payload, COVEY_CONTROL_MAX),
};
static const struct covey__field assign[] = {
    FENCE(assign.fence),
    BYTES(8, assign.layers, COVEY_CONTROL_MAX),
    BYTES(9, assign.slots, (size_t)COVEY_WORK_SLOTS_MAX *COVEY_WORK_SLOT_BYTES),
    BYTES(12, assign.plan, COVEY_CONTROL_MAX),
    FIXED(13, assign.model.bytes),
    AT_MOST(23, assign.batch, COVEY_BATCH_MAX),
    BYTES(25, assign.holders, COVEY_WORK_HOLDERS_BYTES_MAX),
};
static const struct covey__field fence[] = {FENCE(fence)};
static const struct covey__field refuse[] = {FENCE(refuse.fence), NUMBER(28, refuse.room_bytes)};
static const struct covey__field execute[] = {WORK(execute)};
static const struct covey__field answer[] = {
    WORK(answer),
    AT_MOST(7, answer.status, COVEY_WORK_STATUS_REFUSED),
    NUMBER(19, answer.spent_us),
};
static const struct covey__field start[] = {
    REQUEST,
    AT_MOST(5, tile.layer, COVEY_LAYERS_MAX - 1),
    NUMBER(6, tile.work),
    ATTEMPT,
    BYTES(18, tile.layout, COVEY_WORK_LAYOUT_MAX),
    NUMBER(22, tile.stall_ms),
    NUMBER(24, tile.fed),
};
static const struct covey__field relay[] = {
    REQUEST,
    AT_MOST(5, tile.layer, COVEY_LAYERS_MAX - 1),
    NUMBER(6, tile.work),
    NUMBER(14, tile.attempt),
    NUMBER(22, tile.stall_ms),
    NUMBER(24, tile.fed),
    AT_MOST(27, tile.bytes, COVEY_BODY_MAX),
};
static const struct covey__field piece[] = {
    REQUEST,
    ATTEMPT,
    SEGMENT,
    AT_MOST(17, tile.source, COVEY_PLAN_DEVICES_MAX - 1),
};
static const struct covey__field stalled[] = {
    REQUEST,
    BYTES(10, tile.missing, (COVEY_WORK_SLOTS_MAX + 7) / 8),
    ATTEMPT,
    SEGMENT,
};
static const struct covey__field drop[] = {REQUEST};
static const struct covey__field ask[] = {REQUEST, ATTEMPT};
#define DIGESTS BYTES(20, blobs.digests, COVEY_WORK_WANT_MAX * sizeof(struct covey_digest))
static const struct covey__field want[] = {
    DIGESTS,
    COVEY__BOOL(26, struct covey_work_message, blobs.at_once),
};
static const struct covey__field lack[] = {DIGESTS};
static const struct covey__field give[] = {FIXED(21, give.bytes)};
static const struct covey__field probe[] = {NUMBER(6, probe)};

static const struct covey__message all[] = {
    {COVEY_WORK_PLACE, COVEY__FIELDS(place)},     {COVEY_WORK_PLACEMENT, COVEY__FIELDS(place)},
    {COVEY_WORK_ASSIGN, COVEY__FIELDS(assign)},   {COVEY_WORK_READY, COVEY__FIELDS(fence)},
    {COVEY_WORK_EXECUTE, COVEY__FIELDS(execute)}, {COVEY_WORK_ANSWER, COVEY__FIELDS(answer)},
    {COVEY_WORK_CANCEL, COVEY__FIELDS(execute)},  {COVEY_WORK_RETIRE, COVEY__FIELDS(fence)},
    {COVEY_WORK_START, COVEY__FIELDS(start)},     {COVEY_WORK_PIECE, COVEY__FIELDS(piece)},
    {COVEY_WORK_STALLED, COVEY__FIELDS(stalled)}, {COVEY_WORK_DROP, COVEY__FIELDS(drop)},
    {COVEY_WORK_WANT, COVEY__FIELDS(want)},       {COVEY_WORK_GIVE, COVEY__FIELDS(give)},
    {COVEY_WORK_LACK, COVEY__FIELDS(lack)},       {COVEY_WORK_PROBE, COVEY__FIELDS(probe)},
    {COVEY_WORK_PROBED, COVEY__FIELDS(probe)},    {COVEY_WORK_ASK, COVEY__FIELDS(ask)},
    {COVEY_WORK_RELAY, COVEY__FIELDS(relay)},     {COVEY_WORK_REFUSE, COVEY__FIELDS(refuse)},
};
static const struct covey__messages messages = {all, COVEY__COUNT(all), COVEY_CONTROL_MAX};

/* ---- holders ---- */

struct covey_node_id covey_work_holders_id(const struct covey_work_holders *holders, size_t index)
{
    struct covey_node_id id;
    memcpy(id.bytes, holders->ids.ptr + index * sizeof(id), sizeof(id.bytes));
    return id;
}

size_t covey_work_holders_count(const struct covey_work_holders *holders)
{
    return holders->entries.len / COVEY_WORK_HAD_BYTES;
}

struct covey_work_had covey_work_holders_get(const struct covey_work_holders *holders, size_t index)
{
    const uint8_t *p = holders->entries.ptr + index * COVEY_WORK_HAD_BYTES;
    return (struct covey_work_had){covey_load16(p), covey_load16(p + 2), covey_load32(p + 4)};
}

void covey_work_had_put(uint8_t out[static COVEY_WORK_HAD_BYTES], const struct covey_work_had *had)
{
    covey_store16(out, had->layer);
    covey_store16(out + 2, had->slot);
    covey_store32(out + 4, had->devices);
}

static bool is_few(uint32_t devices)
{
    unsigned count = 0;
    for (uint32_t left = devices; left != 0; left &= left - 1) {
        count++;
    }
    return count > 0 && count <= COVEY_WORK_HOLDERS_MAX;
}

covey_err covey_work_holders_read(struct covey_bytes in, struct covey_work_holders *out)
{
    size_t devices = in.len > 0 ? in.ptr[0] : 0;
    size_t head = 1 + devices * sizeof(struct covey_node_id);
    if (devices == 0 || devices > COVEY_PLAN_DEVICES_MAX || in.len <= head ||
        (in.len - head) % COVEY_WORK_HAD_BYTES != 0) {
        return COVEY_ERR_MALFORMED;
    }
    struct covey_work_holders holders = {(uint8_t)devices, covey_bytes_of(in.ptr + 1, head - 1),
                                         covey_bytes_of(in.ptr + head, in.len - head)};
    uint32_t last = 0;
    for (size_t i = 0; i < covey_work_holders_count(&holders); i++) {
        struct covey_work_had had = covey_work_holders_get(&holders, i);
        uint32_t order = ((uint32_t)had.layer << 16 | had.slot) + 1;
        if (had.layer >= COVEY_LAYERS_MAX || had.slot >= COVEY_LAYER_SLOTS_MAX || order <= last ||
            (uint64_t)had.devices >> devices != 0 || !is_few(had.devices)) {
            return COVEY_ERR_MALFORMED;
        }
        last = order;
    }
    *out = holders;
    return COVEY_OK;
}

static bool are_holders(struct covey_bytes in)
{
    struct covey_work_holders holders;
    return in.len == 0 || covey_work_holders_read(in, &holders) == COVEY_OK;
}

/* ---- messages ---- */

/* What holds whole entries does, and as many as it must. */
static bool are_whole(const struct covey_work_message *m)
{
    if (m->type == COVEY_WORK_ASSIGN) {
        return m->assign.slots.len % COVEY_WORK_SLOT_BYTES == 0 && are_holders(m->assign.holders);
    }
    if (m->type == COVEY_WORK_WANT || m->type == COVEY_WORK_LACK) {
        size_t len = m->blobs.digests.len;
        return len > 0 && len % sizeof(struct covey_digest) == 0;
    }
    return m->type != COVEY_WORK_STALLED || m->tile.missing.len == 4;
}

covey_err covey_work_decode(struct covey_bytes in, struct covey_work_message *out)
{
    struct covey_work_message m;
    unsigned type = 0;
    memset(&m, 0, sizeof(m)); /* every part of the union */
    covey_err err = covey__message_decode(&messages, in, &m, &type);
    if (err != COVEY_OK) {
        return err;
    }
    m.type = (enum covey_work_type)type;
    if (!are_whole(&m)) {
        return COVEY_ERR_MALFORMED;
    }
    *out = m;
    return COVEY_OK;
}

covey_err covey_work_encode(const struct covey_work_message *message, struct covey_buf out,
                            size_t *out_len)
{
    return covey__message_encode(&messages, (unsigned)message->type, message, out, out_len);
}
