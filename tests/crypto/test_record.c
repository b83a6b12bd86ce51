/* SPDX-License-Identifier: MIT */
#include "fixture.h"

enum { WIRE_MAX = COVEY_RECORD_MAX + COVEY_RECORD_OVERHEAD };

struct way {
    struct covey_sealer send, receive;
    uint8_t wire[WIRE_MAX], plain[COVEY_RECORD_MAX];
    size_t len;
};

static void way_init(struct way *w)
{
    memset(w, 0, sizeof(*w));
    covey_random(w->send.cipher.key, sizeof(w->send.cipher.key));
    w->receive = w->send;
}

static void seal(struct way *w, enum covey_record_kind kind, uint16_t stream, struct covey_bytes in)
{
    assert_int_equal(covey_record_seal(&w->send, kind, stream, in,
                                       (struct covey_buf){w->wire, sizeof(w->wire)}, &w->len),
                     COVEY_OK);
    assert_int_equal(w->len, in.len + COVEY_RECORD_OVERHEAD);
}

static covey_err open_bytes(struct way *w, size_t len, struct covey_record *out)
{
    return covey_record_open(&w->receive, covey_bytes_of(w->wire, len),
                             (struct covey_buf){w->plain, sizeof(w->plain)}, out);
}

/* Records of every size come back with their kind and stream. */
static void test_record_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 1000, COVEY_RECORD_MAX};
    static uint8_t in[COVEY_RECORD_MAX];
    struct way w;
    struct covey_record record;
    way_init(&w);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        covey_random(in, sizes[i]);
        seal(&w, COVEY_RECORD_BODY, (uint16_t)(65535 - i), covey_bytes_of(in, sizes[i]));
        assert_int_equal(open_bytes(&w, w.len, &record), COVEY_OK);
        assert_int_equal(record.kind, COVEY_RECORD_BODY);
        assert_int_equal(record.stream, 65535 - i);
        assert_int_equal(record.len, sizes[i]);
        assert_int_equal(record.used, w.len);
        assert_memory_equal(w.plain, in, sizes[i]);
    }
}

/* A record is opened only once all of it is there, and only it is consumed. */
static void test_record_waits_for_all_bytes(void **state)
{
    (void)state;
    struct way w;
    struct covey_record record;
    way_init(&w);
    seal(&w, COVEY_RECORD_CONTROL, 1, covey_bytes_of("abc", 3));
    for (size_t len = 0; len < w.len; len++) {
        assert_int_equal(open_bytes(&w, len, &record), COVEY_ERR_SHORT);
    }
    assert_int_equal(open_bytes(&w, w.len + 9, &record), COVEY_OK);
    assert_int_equal(record.used, w.len);
    assert_memory_equal(w.plain, "abc", 3);
}

/* Each flipped bit is refused; in the length, it may at most make the reader wait for bytes that
 * then do not open either. */
static void test_record_refuses_flipped_bits(void **state)
{
    (void)state;
    struct way w;
    struct covey_record record;
    way_init(&w);
    seal(&w, COVEY_RECORD_BODY, 0x1234, covey_bytes_of("sixteen bytes 16", 16));
    for (size_t bit = 0; bit < 8 * w.len; bit++) {
        w.wire[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        covey_err err = open_bytes(&w, w.len, &record);
        if (bit < 16 && err == COVEY_ERR_SHORT) {
            err = open_bytes(&w, sizeof(w.wire), &record);
        }
        assert_true(err == COVEY_ERR_AUTH || err == COVEY_ERR_MALFORMED);
        w.wire[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(open_bytes(&w, w.len, &record), COVEY_OK);
}

/* A record opens once, and only in its turn. */
static void test_record_refuses_replay_and_reorder(void **state)
{
    (void)state;
    struct way w;
    struct covey_record record;
    uint8_t first[64];
    way_init(&w);
    seal(&w, COVEY_RECORD_BODY, 1, covey_bytes_of("one", 3));
    size_t first_len = w.len;
    memcpy(first, w.wire, first_len);
    seal(&w, COVEY_RECORD_BODY, 1, covey_bytes_of("two", 3));
    assert_int_equal(open_bytes(&w, w.len, &record), COVEY_ERR_AUTH); /* the second first */
    struct covey_buf plain = {w.plain, sizeof(w.plain)};
    assert_int_equal(
        covey_record_open(&w.receive, covey_bytes_of(first, first_len), plain, &record), COVEY_OK);
    assert_int_equal(
        covey_record_open(&w.receive, covey_bytes_of(first, first_len), plain, &record),
        COVEY_ERR_AUTH);
    assert_int_equal(open_bytes(&w, w.len, &record), COVEY_OK);
}

/* Both ends change the key behind the same record, and what was sealed before is of no use after.
 */
static void test_record_rekeys_at_both_ends(void **state)
{
    (void)state;
    struct way w;
    struct covey_record record;
    way_init(&w);
    w.send.records = w.receive.records = COVEY_REKEY_RECORDS - 2;
    struct covey_sealer before = w.send;
    for (int i = 0; i < 5; i++) {
        seal(&w, COVEY_RECORD_BODY, 1, covey_bytes_of("abc", 3));
        assert_int_equal(open_bytes(&w, w.len, &record), COVEY_OK);
        bool same = memcmp(w.send.cipher.key, before.cipher.key, 32) == 0;
        assert_int_equal(same, i < 1);
        assert_memory_equal(w.send.cipher.key, w.receive.cipher.key, 32);
    }
    /* An end that missed it, with the right nonce all the same, opens nothing. */
    before.cipher.nonce = w.receive.cipher.nonce;
    seal(&w, COVEY_RECORD_BODY, 1, covey_bytes_of("abc", 3));
    w.receive = before;
    assert_int_equal(open_bytes(&w, w.len, &record), COVEY_ERR_AUTH);
}

/* What does not fit, in a record or in the space for it, is refused and nothing moves on. */
static void test_record_refuses_what_does_not_fit(void **state)
{
    (void)state;
    static uint8_t big[COVEY_RECORD_MAX + 1];
    struct way w;
    struct covey_record record;
    size_t len;
    way_init(&w);
    struct covey_buf out = {w.wire, sizeof(w.wire)}, small = {w.wire, COVEY_RECORD_OVERHEAD + 2};
    assert_int_equal(covey_record_seal(&w.send, COVEY_RECORD_BODY, 1,
                                       covey_bytes_of(big, sizeof(big)), out, &len),
                     COVEY_ERR_LIMIT);
    assert_int_equal(
        covey_record_seal(&w.send, COVEY_RECORD_BODY, 1, covey_bytes_of("abc", 3), small, &len),
        COVEY_ERR_SPACE);
    assert_int_equal(covey_record_seal(&w.send, (enum covey_record_kind)0, 1,
                                       covey_bytes_of("abc", 3), out, &len),
                     COVEY_ERR_RANGE);
    assert_int_equal(w.send.cipher.nonce, 0);
    seal(&w, COVEY_RECORD_BODY, 1, covey_bytes_of("abc", 3));
    assert_int_equal(covey_record_open(&w.receive, covey_bytes_of(w.wire, w.len),
                                       (struct covey_buf){w.plain, 2}, &record),
                     COVEY_ERR_SPACE);
    assert_int_equal(open_bytes(&w, w.len, &record), COVEY_OK);
}

/* A piece sealed by its own key is authenticated by the channel and comes out as it went in: opened
 * with the key, from any aligned offset, it is what it was. */
static void test_record_wraps_what_is_sealed(void **state)
{
    (void)state;
    static uint8_t in[1000], sealed[1000];
    struct covey_shared_key key;
    struct way w;
    struct covey_record record, peeked;
    way_init(&w);
    covey_random(in, sizeof(in));
    covey_random(&key, sizeof(key));
    covey_shared_xor(&key, 0, in, sizeof(in), sealed);
    assert_memory_not_equal(in, sealed, sizeof(in));
    struct covey_buf room = {w.wire, sizeof(w.wire)};
    assert_int_equal(covey_record_wrap(&w.send, 9, covey_bytes_of(sealed + 640, 360), room, &w.len),
                     COVEY_OK);
    assert_int_equal(w.len, 360 + COVEY_RECORD_OVERHEAD);
    assert_int_equal(covey_record_peek(covey_bytes_of(w.wire, w.len), &peeked), COVEY_OK);
    struct way flipped = w;
    flipped.wire[100] ^= 4;
    assert_int_equal(open_bytes(&flipped, w.len, &record), COVEY_ERR_AUTH);
    assert_int_equal(open_bytes(&w, w.len, &record), COVEY_OK);
    assert_int_equal(record.kind, COVEY_RECORD_SHARED);
    assert_int_equal(record.stream, 9);
    assert_memory_equal(&record, &peeked, sizeof(record));
    assert_memory_equal(w.plain, sealed + 640, 360);
    covey_shared_xor(&key, 640, w.plain, 360, w.plain);
    assert_memory_equal(w.plain, in + 640, 360);
    assert_int_equal(
        covey_record_seal(&w.send, COVEY_RECORD_SHARED, 9, covey_bytes_of(in, 1), room, &w.len),
        COVEY_ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_record_waits_for_all_bytes),
        cmocka_unit_test(test_record_refuses_flipped_bits),
        cmocka_unit_test(test_record_refuses_replay_and_reorder),
        cmocka_unit_test(test_record_rekeys_at_both_ends),
        cmocka_unit_test(test_record_refuses_what_does_not_fit),
        cmocka_unit_test(test_record_wraps_what_is_sealed),
    };
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
