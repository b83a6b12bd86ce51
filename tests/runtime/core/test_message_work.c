/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "covey/cbor.h"
#include "covey/message_work.h"

static const struct covey_fence fence = {{{1, 2, 3}}, 7, 9};

static void sample_tile(struct covey_work_tile *tile, const uint8_t *blob)
{
    *tile = (struct covey_work_tile){
        .fence = fence,
        .request = UINT64_MAX,
        .attempt = UINT8_MAX,
        .run = COVEY_WORK_NO_RUN,
        .fed = UINT32_MAX,
        .bytes = COVEY_BODY_MAX,
        .segment = COVEY_TILE_SEGMENTS_MAX,
        .source = COVEY_PLAN_DEVICES_MAX - 1,
        .stall_ms = UINT16_MAX,
        .layout = covey_bytes_of(blob, 6),
        .missing = covey_bytes_of(blob, 4),
    };
}

static uint8_t holders[33 + 2 * COVEY_WORK_HAD_BYTES];

/* Two devices: both may have the first of two slots, the second one of them the other. */
static struct covey_bytes sample_holders(void)
{
    memset(holders, 0, sizeof(holders));
    holders[0] = 2;
    holders[1] = 7;
    holders[17] = 8;
    covey_work_had_put(holders + 33, &(struct covey_work_had){0, 3, 3});
    covey_work_had_put(holders + 33 + COVEY_WORK_HAD_BYTES, &(struct covey_work_had){2, 1, 2});
    return covey_bytes_of(holders, sizeof(holders));
}

static void sample(enum covey_work_type type, struct covey_work_message *m)
{
    static const uint8_t blob[72] = {5, 6, 7, 8, 9, 10};
    memset(m, 0, sizeof(*m));
    m->type = type;
    switch (type) {
    case COVEY_WORK_PLACE:
    case COVEY_WORK_PLACEMENT:
        m->place.session = fence.session;
        m->place.version = UINT32_MAX;
        m->place.payload = covey_bytes_of(blob, 5);
        break;
    case COVEY_WORK_ASSIGN:
        m->assign.fence = fence;
        m->assign.layers = covey_bytes_of(blob, 3);
        m->assign.slots = covey_bytes_of(blob, 72);
        m->assign.plan = covey_bytes_of(blob, 5);
        memset(&m->assign.model, 3, sizeof(m->assign.model));
        m->assign.batch = COVEY_BATCH_MAX;
        m->assign.holders = sample_holders();
        break;
    case COVEY_WORK_READY:
    case COVEY_WORK_RETIRE:
        m->fence = fence;
        break;
    case COVEY_WORK_REFUSE:
        m->refuse = (struct covey_work_refuse){fence, UINT64_MAX};
        break;
    case COVEY_WORK_EXECUTE:
    case COVEY_WORK_CANCEL:
        m->execute = (struct covey_work_execute){fence, UINT64_MAX, COVEY_LAYERS_MAX - 1, 70000};
        break;
    case COVEY_WORK_ANSWER:
        m->answer = (struct covey_work_answer){fence, 12, 3, 4, COVEY_WORK_STATUS_REFUSED, 900};
        break;
    case COVEY_WORK_START:
    case COVEY_WORK_RELAY:
    case COVEY_WORK_PIECE:
    case COVEY_WORK_STALLED:
    case COVEY_WORK_DROP:
    case COVEY_WORK_ASK:
        sample_tile(&m->tile, blob);
        break;
    case COVEY_WORK_WANT:
    case COVEY_WORK_LACK:
        m->blobs.digests = covey_bytes_of(blob, 64);
        m->blobs.at_once = type == COVEY_WORK_WANT;
        break;
    case COVEY_WORK_GIVE:
        memset(&m->give, 6, sizeof(m->give));
        break;
    case COVEY_WORK_PROBE:
    case COVEY_WORK_PROBED:
        m->probe = 70000;
        break;
    case COVEY_WORK_NONE:
        break;
    }
}

static size_t encode(const struct covey_work_message *m, uint8_t *out, size_t cap)
{
    size_t len = 0;
    assert_int_equal(covey_work_encode(m, (struct covey_buf){out, cap}, &len), COVEY_OK);
    return len;
}

/* Every type comes back as it was: what is decoded encodes to the same bytes. */
static void test_work_messages_round_trip(void **state)
{
    (void)state;
    for (unsigned type = COVEY_WORK_PLACE; type <= COVEY_WORK_REFUSE; type++) {
        if (type > COVEY_WORK_ASSIGN && type < COVEY_WORK_READY) {
            continue; /* numbers of messages that are no more */
        }
        struct covey_work_message in, out;
        uint8_t first[256], second[256];
        sample((enum covey_work_type)type, &in);
        size_t len = encode(&in, first, sizeof(first));
        assert_int_equal(covey_work_decode(covey_bytes_of(first, len), &out), COVEY_OK);
        assert_int_equal(out.type, type);
        assert_int_equal(encode(&out, second, sizeof(second)), len);
        assert_memory_equal(first, second, len);
    }
}

/* The fields land where they belong. */
static void test_answer_fields_come_back(void **state)
{
    (void)state;
    struct covey_work_message in, out;
    uint8_t bytes[256];
    sample(COVEY_WORK_ANSWER, &in);
    size_t len = encode(&in, bytes, sizeof(bytes));
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_memory_equal(&out.answer.fence, &fence, sizeof(fence));
    assert_int_equal(out.answer.request, 12);
    assert_int_equal(out.answer.layer, 3);
    assert_int_equal(out.answer.work, 4);
    assert_int_equal(out.answer.status, COVEY_WORK_STATUS_REFUSED);
    assert_int_equal(out.answer.spent_us, 900);
}

/* A RELAY brings what belongs to it; no body is longer than the longest. */
static void test_relays_come_back(void **state)
{
    (void)state;
    struct covey_work_message in, out;
    uint8_t bytes[256];
    sample(COVEY_WORK_RELAY, &in);
    size_t len = encode(&in, bytes, sizeof(bytes));
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_memory_equal(&out.tile.fence, &fence, sizeof(fence));
    assert_int_equal(out.tile.request, UINT64_MAX);
    assert_int_equal(out.tile.attempt, UINT8_MAX);
    assert_int_equal(out.tile.stall_ms, UINT16_MAX);
    assert_int_equal(out.tile.fed, UINT32_MAX);
    assert_int_equal(out.tile.bytes, COVEY_BODY_MAX);
    assert_int_equal(out.tile.layout.len, 0);
    in.tile.bytes++;
    len = encode(&in, bytes, sizeof(bytes));
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_ERR_RANGE);
}

/* A START and a STALLED bring what belongs to them and nothing else. */
static void test_tile_fields_come_back(void **state)
{
    (void)state;
    struct covey_work_message in, out;
    uint8_t bytes[256];
    sample(COVEY_WORK_START, &in);
    size_t len = encode(&in, bytes, sizeof(bytes));
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_memory_equal(&out.tile.fence, &fence, sizeof(fence));
    assert_int_equal(out.tile.request, UINT64_MAX);
    assert_int_equal(out.tile.attempt, UINT8_MAX);
    assert_int_equal(out.tile.run, COVEY_WORK_NO_RUN);
    assert_int_equal(out.tile.stall_ms, UINT16_MAX);
    assert_true(covey_bytes_equal(out.tile.layout, in.tile.layout));
    assert_int_equal(out.tile.segment, 0);
    assert_int_equal(out.tile.missing.len, 0);
    sample(COVEY_WORK_STALLED, &in);
    len = encode(&in, bytes, sizeof(bytes));
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_int_equal(out.tile.segment, COVEY_TILE_SEGMENTS_MAX);
    assert_true(covey_bytes_equal(out.tile.missing, in.tile.missing));
    assert_int_equal(out.tile.layout.len, 0);
}

/* A message that ends early, or goes on after its end, is refused and not half believed. */
static void test_cut_messages_are_refused(void **state)
{
    (void)state;
    for (unsigned type = COVEY_WORK_PLACE; type <= COVEY_WORK_REFUSE; type++) {
        if (type > COVEY_WORK_ASSIGN && type < COVEY_WORK_READY) {
            continue; /* numbers of messages that are no more */
        }
        struct covey_work_message in, out;
        uint8_t bytes[256];
        sample((enum covey_work_type)type, &in);
        size_t len = encode(&in, bytes, sizeof(bytes));
        for (size_t cut = 0; cut < len; cut++) {
            assert_int_not_equal(covey_work_decode(covey_bytes_of(bytes, cut), &out), COVEY_OK);
        }
        bytes[len] = 0;
        assert_int_not_equal(covey_work_decode(covey_bytes_of(bytes, len + 1), &out), COVEY_OK);
        assert_int_equal(covey_work_encode(&in, (struct covey_buf){bytes, len - 1}, &len),
                         COVEY_ERR_SPACE);
    }
}

/* READY with its type, then pairs more pairs: key and unsigned value. */
static size_t craft(uint8_t *out, size_t cap, uint64_t type, const uint64_t (*more)[2],
                    size_t pairs)
{
    struct covey_cbor_writer w;
    size_t len = 0;
    covey_cbor_writer_init(&w, (struct covey_buf){out, cap});
    covey_cbor_put_map(&w, 4 + pairs);
    covey_cbor_put_uint(&w, 0);
    covey_cbor_put_uint(&w, type);
    covey_cbor_put_uint(&w, 1);
    covey_cbor_put_bytes(&w, covey_bytes_of(fence.session.bytes, 16));
    covey_cbor_put_uint(&w, 2);
    covey_cbor_put_uint(&w, 7);
    covey_cbor_put_uint(&w, 3);
    covey_cbor_put_uint(&w, 9);
    for (size_t i = 0; i < pairs; i++) {
        covey_cbor_put_uint(&w, more[i][0]);
        covey_cbor_put_uint(&w, more[i][1]);
    }
    assert_int_equal(covey_cbor_writer_done(&w, &len), COVEY_OK);
    return len;
}

/* A REFUSE brings how much its sender has room for, and must. */
static void test_refusals_come_back(void **state)
{
    (void)state;
    static const uint64_t room[][2] = {{28, UINT64_C(5000000000)}};
    struct covey_work_message out;
    uint8_t b[128];
    size_t len = craft(b, sizeof(b), COVEY_WORK_REFUSE, room, 1);
    assert_int_equal(covey_work_decode(covey_bytes_of(b, len), &out), COVEY_OK);
    assert_int_equal(out.type, COVEY_WORK_REFUSE);
    assert_memory_equal(&out.refuse.fence, &fence, sizeof(fence));
    assert_int_equal(out.refuse.room_bytes, UINT64_C(5000000000));
    len = craft(b, sizeof(b), COVEY_WORK_REFUSE, NULL, 0);
    assert_int_equal(covey_work_decode(covey_bytes_of(b, len), &out), COVEY_ERR_MALFORMED);
}

/* Keys of later versions are skipped; types of later versions are named as such. */
static void test_unknown_keys_and_types(void **state)
{
    (void)state;
    static const uint64_t later[][2] = {{50, 1}};
    struct covey_work_message out;
    uint8_t bytes[128];
    size_t len = craft(bytes, sizeof(bytes), COVEY_WORK_READY, later, 1);
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_memory_equal(&out.fence, &fence, sizeof(fence));
    static const uint64_t types[] = {0, 31, 35, 36, 54, UINT64_MAX};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        len = craft(bytes, sizeof(bytes), types[i], NULL, 0);
        assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out),
                         COVEY_ERR_UNSUPPORTED);
    }
}

/* A key that its type needs must be there, and every number is bounded. */
static void test_missing_keys_and_large_numbers(void **state)
{
    (void)state;
    static const uint64_t bad_layer[][2] = {{4, 1}, {5, COVEY_LAYERS_MAX}, {6, 1}};
    static const uint64_t good[][2] = {{4, 1}, {5, COVEY_LAYERS_MAX - 1}, {6, 1}};
    static const uint64_t bad_status[][2] = {{4, 1}, {5, 1}, {6, 1}, {7, 3}, {19, 1}};
    struct covey_work_message out;
    uint8_t b[128];
    size_t len = craft(b, sizeof(b), COVEY_WORK_EXECUTE, good, 3);
    assert_int_equal(covey_work_decode(covey_bytes_of(b, len), &out), COVEY_OK);
    len = craft(b, sizeof(b), COVEY_WORK_EXECUTE, good, 2);
    assert_int_equal(covey_work_decode(covey_bytes_of(b, len), &out), COVEY_ERR_MALFORMED);
    len = craft(b, sizeof(b), COVEY_WORK_EXECUTE, bad_layer, 3);
    assert_int_equal(covey_work_decode(covey_bytes_of(b, len), &out), COVEY_ERR_RANGE);
    len = craft(b, sizeof(b), COVEY_WORK_ANSWER, bad_status, 5);
    assert_int_equal(covey_work_decode(covey_bytes_of(b, len), &out), COVEY_ERR_RANGE);
}

/* Runs, segments and sources beyond a plan's arrays are refused, a byte beyond each. */
static void test_pieces_are_bounded(void **state)
{
    (void)state;
    enum { RUN = COVEY_WORK_NO_RUN + 1, SEGMENT = COVEY_TILE_SEGMENTS_MAX };
    enum { SOURCE = COVEY_PLAN_DEVICES_MAX };
    static const struct {
        uint64_t key[5][2];
        covey_err err;
    } rows[] = {
        {{{4, 1}, {14, 255}, {15, RUN - 1}, {16, SEGMENT}, {17, SOURCE - 1}}, COVEY_OK},
        {{{4, 1}, {14, 256}, {15, 0}, {16, 0}, {17, 0}}, COVEY_ERR_RANGE},
        {{{4, 1}, {14, 0}, {15, RUN}, {16, 0}, {17, 0}}, COVEY_ERR_RANGE},
        {{{4, 1}, {14, 0}, {15, 0}, {16, SEGMENT + 1}, {17, 0}}, COVEY_ERR_RANGE},
        {{{4, 1}, {14, 0}, {15, 0}, {16, 0}, {17, SOURCE}}, COVEY_ERR_RANGE},
    };
    struct covey_work_message out;
    uint8_t b[128];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = craft(b, sizeof(b), COVEY_WORK_PIECE, rows[i].key, 5);
        assert_int_equal(covey_work_decode(covey_bytes_of(b, len), &out), rows[i].err);
    }
}

static covey_err again(const struct covey_work_message *in)
{
    static uint8_t bytes[16 * 1024];
    struct covey_work_message out;
    size_t len = encode(in, bytes, sizeof(bytes));
    return covey_work_decode(covey_bytes_of(bytes, len), &out);
}

/* Digests are whole, one at least and no more than a WANT may ask; STALLED names 32 devices. */
static void test_lists_have_their_lengths(void **state)
{
    (void)state;
    static const uint8_t many[(COVEY_WORK_WANT_MAX + 1) * 32];
    struct covey_work_message in;
    sample(COVEY_WORK_WANT, &in);
    in.blobs.digests = covey_bytes_of(many, sizeof(many) - 32);
    assert_int_equal(again(&in), COVEY_OK);
    in.blobs.digests = covey_bytes_of(many, sizeof(many));
    assert_int_equal(again(&in), COVEY_ERR_LIMIT);
    in.blobs.digests.len = 33;
    assert_int_equal(again(&in), COVEY_ERR_MALFORMED);
    in.blobs.digests.len = 0;
    assert_int_equal(again(&in), COVEY_ERR_MALFORMED);
    sample(COVEY_WORK_STALLED, &in);
    in.tile.missing.len = 3;
    assert_int_equal(again(&in), COVEY_ERR_MALFORMED);
    sample(COVEY_WORK_START, &in);
    in.tile.layout = covey_bytes_of(many, COVEY_WORK_LAYOUT_MAX + 1);
    assert_int_equal(again(&in), COVEY_ERR_LIMIT);
}

/* Slots are whole entries: 36 bytes each. */
static void test_partial_slots_are_refused(void **state)
{
    (void)state;
    struct covey_work_message in, out;
    uint8_t bytes[256];
    sample(COVEY_WORK_ASSIGN, &in);
    in.assign.slots.len = 71;
    size_t len = encode(&in, bytes, sizeof(bytes));
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_ERR_MALFORMED);
}

/* Who had which slot comes back. */
static void test_holders_come_back(void **state)
{
    (void)state;
    struct covey_work_message in, out;
    struct covey_work_holders read;
    uint8_t bytes[256];
    sample(COVEY_WORK_ASSIGN, &in);
    size_t len = encode(&in, bytes, sizeof(bytes));
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_int_equal(covey_work_holders_read(out.assign.holders, &read), COVEY_OK);
    assert_int_equal(read.devices, 2);
    assert_int_equal(covey_work_holders_id(&read, 0).bytes[0], 7);
    assert_int_equal(covey_work_holders_id(&read, 1).bytes[0], 8);
    assert_int_equal(covey_work_holders_count(&read), 2);
    struct covey_work_had had = covey_work_holders_get(&read, 1);
    assert_true(had.layer == 2 && had.slot == 1 && had.devices == 2);
    in.assign.holders.len = 0; /* nobody is known */
    len = encode(&in, bytes, sizeof(bytes));
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_int_equal(out.assign.holders.len, 0);
}

/* Devices that are not listed, nobody, more than a few, slots out of order or beyond all layers,
 * entries that are not whole, more devices than a plan has: an ASSIGN that says so is refused. */
static void test_bad_holders_are_refused(void **state)
{
    (void)state;
    static const struct covey_work_had bad[] = {{2, 1, 4},
                                                {2, 1, 0},
                                                {0, 3, 1},
                                                {0, 2, 1},
                                                {COVEY_LAYERS_MAX, 0, 1},
                                                {2, COVEY_LAYER_SLOTS_MAX, 1}};
    struct covey_work_message in, out;
    uint8_t bytes[256];
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        sample(COVEY_WORK_ASSIGN, &in);
        covey_work_had_put(holders + 33 + COVEY_WORK_HAD_BYTES, &bad[i]);
        size_t len = encode(&in, bytes, sizeof(bytes));
        assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_ERR_MALFORMED);
    }
    static const size_t cut[] = {1, 33, 34, 33 + COVEY_WORK_HAD_BYTES - 1};
    for (unsigned i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
        sample(COVEY_WORK_ASSIGN, &in);
        in.assign.holders.len = cut[i];
        size_t len = encode(&in, bytes, sizeof(bytes));
        assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &out), COVEY_ERR_MALFORMED);
    }
    static uint8_t many[1 + 33 * 16 + COVEY_WORK_HAD_BYTES];
    struct covey_work_holders read;
    for (unsigned devices = 31; devices <= 33; devices++) {
        size_t head = 1 + devices * sizeof(struct covey_node_id);
        many[0] = (uint8_t)devices;
        for (unsigned few = 0; few < 2; few++) {
            uint32_t mask = few == 1 ? 7 : 15;
            covey_work_had_put(many + head, &(struct covey_work_had){1, 1, mask});
            covey_err err =
                covey_work_holders_read(covey_bytes_of(many, head + COVEY_WORK_HAD_BYTES), &read);
            bool good = few == 1 && devices <= COVEY_PLAN_DEVICES_MAX;
            assert_int_equal(err, good ? COVEY_OK : COVEY_ERR_MALFORMED);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_messages_round_trip),
        cmocka_unit_test(test_answer_fields_come_back),
        cmocka_unit_test(test_tile_fields_come_back),
        cmocka_unit_test(test_relays_come_back),
        cmocka_unit_test(test_refusals_come_back),
        cmocka_unit_test(test_cut_messages_are_refused),
        cmocka_unit_test(test_unknown_keys_and_types),
        cmocka_unit_test(test_missing_keys_and_large_numbers),
        cmocka_unit_test(test_pieces_are_bounded),
        cmocka_unit_test(test_lists_have_their_lengths),
        cmocka_unit_test(test_partial_slots_are_refused),
        cmocka_unit_test(test_holders_come_back),
        cmocka_unit_test(test_bad_holders_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
