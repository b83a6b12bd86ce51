/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "cbor_walk.h"
#include "vectors.h"

enum { VECTOR_BYTES_MAX = 256 };

/* The file keeps simple(24) as RFC 7049 had it; RFC 8949 3.3 makes it not well-formed, and the
 * other file lists it so. */
static const char simple_24_hex[] = "f818";

static cJSON *load_json(const char *path)
{
    size_t len = 0;
    char *text = vectors_load(path, &len);
    if (text == NULL) {
        skip();
    }
    cJSON *root = cJSON_ParseWithLength(text, len);
    free(text);
    assert_non_null(root);
    return root;
}

/* The bytes end where the heap block ends, so that reading on is seen. */
static struct covey_bytes vector_bytes(const cJSON *vector)
{
    uint8_t bytes[VECTOR_BYTES_MAX];
    const char *hex = cJSON_GetStringValue(cJSON_GetObjectItem(vector, "hex"));
    assert_non_null(hex);
    long len = vectors_from_hex(hex, bytes, sizeof(bytes));
    assert_true(len > 0);
    uint8_t *copy = malloc((size_t)len);
    assert_non_null(copy);
    memcpy(copy, bytes, (size_t)len);
    return covey_bytes_of(copy, (size_t)len);
}

static bool is_simple_24(const cJSON *vector)
{
    return strcmp(cJSON_GetObjectItem(vector, "hex")->valuestring, simple_24_hex) == 0;
}

/* The reader's types: all but tags, simple values without a name of ours, and integers below
 * int64_t. Tags hold the only bignums. */
static bool is_ours(const cJSON *vector, struct covey_bytes in)
{
    unsigned major = in.ptr[0] >> 5;
    bool simple = in.ptr[0] == 0xf7 || in.ptr[0] == 0xf0 || in.ptr[0] == 0xf8;
    bool below_int64 = in.ptr[0] == 0x3b && in.ptr[1] >= 0x80;
    return cJSON_IsTrue(cJSON_GetObjectItem(vector, "roundtrip")) && major != 6 && !simple &&
           !below_int64;
}

static covey_err skip_all(struct covey_bytes in)
{
    struct covey_cbor_reader r;
    covey_cbor_reader_init(&r, in);
    covey_cbor_skip(&r);
    return covey_cbor_reader_done(&r);
}

/* Every example of RFC 8949 appendix A is well-formed, whatever its type. */
static void test_well_formed_accepts_appendix_a(void **state)
{
    (void)state;
    cJSON *root = load_json("vectors/cbor/appendix_a.json");
    const cJSON *vector = NULL;
    int count = 0;
    cJSON_ArrayForEach(vector, root)
    {
        struct covey_bytes in = vector_bytes(vector);
        bool expected = !is_simple_24(vector);
        if (covey_cbor_well_formed(in) != expected) {
            fail_msg("%s", cJSON_GetObjectItem(vector, "hex")->valuestring);
        }
        count++;
        free((void *)(uintptr_t)in.ptr);
    }
    assert_int_equal(count, 82);
    cJSON_Delete(root);
}

/* The examples in deterministic form, of the types we have, are written again as the same bytes;
 * all others are refused by the gets. */
static void test_reader_and_writer_round_trip_appendix_a(void **state)
{
    (void)state;
    cJSON *root = load_json("vectors/cbor/appendix_a.json");
    const cJSON *vector = NULL;
    int count = 0;
    cJSON_ArrayForEach(vector, root)
    {
        struct covey_bytes in = vector_bytes(vector);
        uint8_t out[VECTOR_BYTES_MAX];
        size_t len = 0;
        bool same = cbor_walk(in, (struct covey_buf){out, sizeof(out)}, &len) == COVEY_OK &&
                    covey_bytes_equal(in, covey_bytes_of(out, len));
        if (same != is_ours(vector, in)) {
            fail_msg("%s", cJSON_GetObjectItem(vector, "hex")->valuestring);
        }
        count += same ? 1 : 0;
        free((void *)(uintptr_t)in.ptr);
    }
    assert_int_equal(count, 52);
    cJSON_Delete(root);
}

/* A skip takes every example with definite lengths and refuses every one without. */
static void test_skip_takes_definite_items_of_appendix_a(void **state)
{
    (void)state;
    cJSON *root = load_json("vectors/cbor/appendix_a.json");
    const cJSON *vector = NULL;
    int refused = 0;
    cJSON_ArrayForEach(vector, root)
    {
        struct covey_bytes in = vector_bytes(vector);
        /* What has no round trip in this file is of indefinite length, or a float too wide. */
        const char *hex = cJSON_GetObjectItem(vector, "hex")->valuestring;
        bool indefinite =
            !cJSON_IsTrue(cJSON_GetObjectItem(vector, "roundtrip")) && in.ptr[0] >> 5 != 7;
        bool taken = skip_all(in) == COVEY_OK;
        if (taken == (indefinite || is_simple_24(vector))) {
            fail_msg("%s", hex);
        }
        refused += taken ? 0 : 1;
        free((void *)(uintptr_t)in.ptr);
    }
    assert_int_equal(refused, 12);
    cJSON_Delete(root);
}

/* Nothing that is not well-formed is taken: not by the check, the gets, or a skip. */
static void test_not_well_formed_is_refused_by_all(void **state)
{
    (void)state;
    cJSON *root = load_json("vectors/cbor/not_well_formed.json");
    const cJSON *vector = NULL;
    int count = 0;
    cJSON_ArrayForEach(vector, root)
    {
        struct covey_bytes in = vector_bytes(vector);
        uint8_t out[VECTOR_BYTES_MAX];
        size_t len = 0;
        if (covey_cbor_well_formed(in) || skip_all(in) == COVEY_OK ||
            cbor_walk(in, (struct covey_buf){out, sizeof(out)}, &len) == COVEY_OK) {
            fail_msg("%s: %s", cJSON_GetObjectItem(vector, "hex")->valuestring,
                     cJSON_GetObjectItem(vector, "why")->valuestring);
        }
        count++;
        free((void *)(uintptr_t)in.ptr);
    }
    assert_int_equal(count, 122);
    cJSON_Delete(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_well_formed_accepts_appendix_a),
        cmocka_unit_test(test_reader_and_writer_round_trip_appendix_a),
        cmocka_unit_test(test_skip_takes_definite_items_of_appendix_a),
        cmocka_unit_test(test_not_well_formed_is_refused_by_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
