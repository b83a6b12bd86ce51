/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "covey/crypto.h"
#include "covey/limits.h"
#include "data_blob.h"

enum { BLOBS_MAX = 64, HEADER_MAX = 4096 };

/* A content store in memory. */
struct shelf {
    struct covey_digest digest[BLOBS_MAX];
    uint8_t *data[BLOBS_MAX];
    size_t len[BLOBS_MAX];
    size_t count;
};

static covey_err put(void *user, struct covey_bytes blob, struct covey_digest *out)
{
    struct shelf *s = user;
    assert_true(s->count < BLOBS_MAX);
    covey_hash(&s->digest[s->count], blob);
    s->data[s->count] = malloc(blob.len);
    assert_non_null(s->data[s->count]);
    memcpy(s->data[s->count], blob.ptr, blob.len);
    s->len[s->count] = blob.len;
    *out = s->digest[s->count++];
    return COVEY_OK;
}

static covey_err get(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    struct shelf *s = user;
    for (size_t i = 0; i < s->count; i++) {
        if (covey_digest_equal(&s->digest[i], digest)) {
            assert_int_equal(len, s->len[i]);
            memcpy(data, s->data[i], len);
            return COVEY_OK;
        }
    }
    return COVEY_ERR_NOT_FOUND;
}

static void clear(struct shelf *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->data[i]);
    }
    s->count = 0;
}

static struct covey_bytes last(const struct shelf *s)
{
    return covey_bytes_of(s->data[s->count - 1], s->len[s->count - 1]);
}

/* Pictures whose values and labels follow from their places. */
static struct covey_samples make(size_t count, uint32_t side, bool floats)
{
    struct covey_samples s = {
        .count = count, .channels = 3, .height = side, .width = side, .classes = 7};
    size_t values = count * covey_samples_values(&s);
    uint16_t *labels = calloc(count, sizeof(*labels));
    uint8_t *bytes = floats ? NULL : calloc(values, 1);
    float *numbers = floats ? calloc(values, sizeof(*numbers)) : NULL;
    assert_non_null(labels);
    assert_true(bytes != NULL || numbers != NULL);
    for (size_t i = 0; i < count; i++) {
        labels[i] = (uint16_t)(i * 5 % 7);
    }
    for (size_t i = 0; i < values; i++) {
        if (floats) {
            numbers[i] = (float)i * 0.25f - 3.0f;
        } else {
            bytes[i] = (uint8_t)(i * 31 % 251);
        }
    }
    s.labels = labels;
    s.bytes = bytes;
    s.floats = numbers;
    return s;
}

static void check_trip(size_t count, uint32_t side, bool floats, size_t blobs)
{
    struct covey_samples in = make(count, side, floats), out;
    struct covey_data_header h;
    struct covey_digest name;
    struct shelf s = {.count = 0};
    assert_int_equal(covey__data_encode(&in, put, &s, &name), COVEY_OK);
    assert_int_equal(s.count, blobs);
    assert_true(covey_digest_equal(&name, &s.digest[s.count - 1]));
    assert_int_equal(covey__data_header_decode(last(&s), &h), COVEY_OK);
    assert_int_equal(h.chunks, blobs - 1);
    for (uint32_t i = 0; i < h.chunks; i++) {
        assert_int_equal(covey__data_chunk_bytes(&h, i), s.len[i]);
        assert_true(s.len[i] <= COVEY_DATA_CHUNK_BYTES);
    }
    assert_int_equal(covey__data_load(&h, get, &s, &out), COVEY_OK);
    assert_int_equal(out.count, count);
    assert_int_equal(out.classes, 7);
    assert_int_equal(covey_samples_values(&out), 3 * side * side);
    assert_memory_equal(out.labels, in.labels, count * sizeof(*in.labels));
    size_t values = count * covey_samples_values(&in);
    if (floats) {
        assert_memory_equal(out.floats, in.floats, values * sizeof(float));
    } else {
        assert_memory_equal(out.bytes, in.bytes, values);
    }
    covey__data_done(&out);
    covey__data_done(&in);
    clear(&s);
}

/* What was cut into chunks comes back as it was: one chunk, several with a rest, floats. */
static void test_round_trip(void **state)
{
    (void)state;
    check_trip(1, 1, false, 2);
    check_trip(100, 8, false, 2);
    check_trip(4000, 32, false, 4);
    check_trip(900, 32, true, 4);
}

/* The same samples have the same name, others another. */
static void test_name(void **state)
{
    struct covey_samples a = make(50, 4, false);
    struct covey_digest name[3];
    struct shelf s = {.count = 0};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        a.classes = i == 2 ? 8 : 7;
        assert_int_equal(covey__data_encode(&a, put, &s, &name[i]), COVEY_OK);
    }
    assert_true(covey_digest_equal(&name[0], &name[1]));
    assert_false(covey_digest_equal(&name[0], &name[2]));
    covey__data_done(&a);
    clear(&s);
}

/* Labels that are no class are refused, on the way in and when they come from outside. */
static void test_labels(void **state)
{
    struct covey_samples a = make(10, 2, false), out;
    struct covey_data_header h;
    struct covey_digest name;
    struct shelf s = {.count = 0};
    (void)state;
    a.classes = 4;
    assert_int_equal(covey__data_encode(&a, put, &s, &name), COVEY_ERR_RANGE);
    assert_int_equal(s.count, 0);
    a.classes = 7;
    assert_int_equal(covey__data_encode(&a, put, &s, &name), COVEY_OK);
    assert_int_equal(covey__data_header_decode(last(&s), &h), COVEY_OK);
    s.data[0][6] = 9;
    assert_int_equal(covey__data_load(&h, get, &s, &out), COVEY_ERR_RANGE);
    covey__data_done(&a);
    clear(&s);
}

/* Each failure of the store is what loading and making say. */
static void test_store_fails(void **state)
{
    struct covey_samples a = make(10, 2, false), out;
    struct covey_data_header h;
    struct covey_digest name;
    struct shelf s = {.count = 0};
    (void)state;
    assert_int_equal(covey__data_encode(&a, put, &s, &name), COVEY_OK);
    assert_int_equal(covey__data_header_decode(last(&s), &h), COVEY_OK);
    s.digest[0].bytes[0] ^= 1;
    assert_int_equal(covey__data_load(&h, get, &s, &out), COVEY_ERR_NOT_FOUND);
    covey__data_done(&a);
    clear(&s);
}

/* No header that was cut short is taken, and none with another number of digests, a chunk of
 * nothing, or more samples than may be. */
static void test_hostile_headers(void **state)
{
    struct covey_samples a = make(10, 2, false);
    struct covey_data_header h;
    struct covey_digest name;
    struct shelf s = {.count = 0};
    uint8_t bytes[HEADER_MAX];
    (void)state;
    assert_int_equal(covey__data_encode(&a, put, &s, &name), COVEY_OK);
    struct covey_bytes whole = last(&s);
    assert_true(whole.len <= sizeof(bytes));
    for (size_t len = 0; len < whole.len; len++) {
        assert_int_not_equal(covey__data_header_decode(covey_bytes_of(whole.ptr, len), &h),
                             COVEY_OK);
    }
    /* {1: 1, 2: 10, 3: [3, 2, 2], 4: 7, 5: 0, 6: chunk as u32, 7: bytes}: count is at 4. */
    memcpy(bytes, whole.ptr, whole.len);
    assert_int_equal(bytes[4], 10);
    bytes[4] = 0;
    assert_int_equal(covey__data_header_decode(covey_bytes_of(bytes, whole.len), &h),
                     COVEY_ERR_RANGE);
    bytes[4] = 10;
    assert_int_equal(bytes[7], 3);
    bytes[7] = 0;
    assert_int_equal(covey__data_header_decode(covey_bytes_of(bytes, whole.len), &h),
                     COVEY_ERR_RANGE);
    bytes[7] = 3;
    assert_int_equal(bytes[13], 0);
    bytes[13] = 2;
    assert_int_not_equal(covey__data_header_decode(covey_bytes_of(bytes, whole.len), &h), COVEY_OK);
    covey__data_done(&a);
    clear(&s);
}

/* Headers that name far more than may be loaded are refused before any memory is taken. */
static void test_limits(void **state)
{
    static const uint8_t labels[2];
    struct covey_samples a = {.count = 1, .channels = 1, .height = 1, .width = 1, .classes = 1};
    struct covey_digest name;
    (void)state;
    a.labels = (const uint16_t *)(const void *)labels;
    a.bytes = labels;
    a.height = COVEY_BODY_MAX;
    assert_int_equal(covey__data_encode(&a, put, NULL, &name), COVEY_ERR_LIMIT);
    a.width = UINT32_MAX;
    assert_int_equal(covey__data_encode(&a, put, NULL, &name), COVEY_ERR_LIMIT);
    a.height = 1024;
    a.width = 1024;
    a.count = UINT32_MAX;
    assert_int_equal(covey__data_encode(&a, put, NULL, &name), COVEY_ERR_LIMIT);
    a.count = 0;
    assert_int_equal(covey__data_encode(&a, put, NULL, &name), COVEY_ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_name),
        cmocka_unit_test(test_labels),          cmocka_unit_test(test_store_fails),
        cmocka_unit_test(test_hostile_headers), cmocka_unit_test(test_limits),
    };
    if (covey_crypto_init() != COVEY_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
