/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cbor_walk.h"

/* Bytes from a string literal, which may hold zeros. */
#define BYTES(literal) covey_bytes_of(literal, sizeof(literal) - 1)

static struct covey_cbor_reader reader_of(struct covey_bytes in)
{
    struct covey_cbor_reader r;
    covey_cbor_reader_init(&r, in);
    return r;
}

struct uint_row {
    struct covey_bytes in;
    uint64_t value;
    covey_err err;
};

/* Each unsigned integer has one encoding that is taken, the shortest, and it is the one written. */
static void test_uint_is_shortest_only(void **state)
{
    (void)state;
    const struct uint_row rows[] = {
        {BYTES("\x00"), 0, COVEY_OK},
        {BYTES("\x17"), 23, COVEY_OK},
        {BYTES("\x18\x18"), 24, COVEY_OK},
        {BYTES("\x18\xff"), 255, COVEY_OK},
        {BYTES("\x19\x01\x00"), 256, COVEY_OK},
        {BYTES("\x19\xff\xff"), 65535, COVEY_OK},
        {BYTES("\x1a\x00\x01\x00\x00"), 65536, COVEY_OK},
        {BYTES("\x1a\xff\xff\xff\xff"), UINT32_MAX, COVEY_OK},
        {BYTES("\x1b\x00\x00\x00\x01\x00\x00\x00\x00"), 1ULL << 32, COVEY_OK},
        {BYTES("\x1b\xff\xff\xff\xff\xff\xff\xff\xff"), UINT64_MAX, COVEY_OK},
        {BYTES("\x18\x17"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\x19\x00\xff"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\x1a\x00\x00\xff\xff"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\x1b\x00\x00\x00\x00\xff\xff\xff\xff"), 0, COVEY_ERR_MALFORMED},
        {BYTES(""), 0, COVEY_ERR_SHORT},
        {BYTES("\x19\x01"), 0, COVEY_ERR_SHORT},
        {BYTES("\x20"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\x40"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\x1c"), 0, COVEY_ERR_MALFORMED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct covey_cbor_reader r = reader_of(rows[i].in);
        assert_true(covey_cbor_get_uint(&r, UINT64_MAX) == rows[i].value);
        assert_int_equal(covey_cbor_reader_done(&r), rows[i].err);
        if (rows[i].err == COVEY_OK) {
            uint8_t out[16];
            size_t len = 0;
            struct covey_cbor_writer w;
            covey_cbor_writer_init(&w, (struct covey_buf){out, sizeof(out)});
            covey_cbor_put_uint(&w, rows[i].value);
            assert_int_equal(covey_cbor_writer_done(&w, &len), COVEY_OK);
            assert_true(covey_bytes_equal(covey_bytes_of(out, len), rows[i].in));
        }
    }
}

/* A value above the caller's bound is an error of range, one at the bound is not. */
static void test_uint_respects_max(void **state)
{
    (void)state;
    struct covey_cbor_reader r = reader_of(BYTES("\x18\x64\x18\x65"));
    assert_int_equal(covey_cbor_get_uint(&r, 100), 100);
    assert_int_equal(covey_cbor_get_uint(&r, 100), 0);
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_ERR_RANGE);
}

/* Signed integers cover int64_t exactly; beyond it, on either side, is an error of range. */
static void test_int_covers_int64(void **state)
{
    (void)state;
    const int64_t values[] = {0,   1,    -1,        -24,       -25,       23,       -256,
                              256, -257, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        uint8_t out[16];
        size_t len = 0;
        struct covey_cbor_writer w;
        covey_cbor_writer_init(&w, (struct covey_buf){out, sizeof(out)});
        covey_cbor_put_int(&w, values[i]);
        assert_int_equal(covey_cbor_writer_done(&w, &len), COVEY_OK);
        struct covey_cbor_reader r = reader_of(covey_bytes_of(out, len));
        assert_true(covey_cbor_get_int(&r) == values[i]);
        assert_int_equal(covey_cbor_reader_done(&r), COVEY_OK);
    }
    struct covey_cbor_reader low = reader_of(BYTES("\x3b\x80\x00\x00\x00\x00\x00\x00\x00"));
    assert_true(covey_cbor_get_int(&low) == 0);
    assert_int_equal(low.err, COVEY_ERR_RANGE);
    struct covey_cbor_reader high = reader_of(BYTES("\x1b\x80\x00\x00\x00\x00\x00\x00\x00"));
    assert_true(covey_cbor_get_int(&high) == 0);
    assert_int_equal(high.err, COVEY_ERR_RANGE);
    struct covey_cbor_reader wide = reader_of(BYTES("\x38\x17"));
    assert_true(covey_cbor_get_int(&wide) == 0);
    assert_int_equal(wide.err, COVEY_ERR_MALFORMED);
}

/* A length is compared with the bytes left before anything is done with it, up to the largest
 * that can be written down, and nothing is handed out. */
static void test_lengths_beyond_the_input_are_refused(void **state)
{
    (void)state;
    const struct covey_bytes rows[] = {
        BYTES("\x41"),
        BYTES("\x58\x20only"),
        BYTES("\x5a\xff\xff\xff\xff"
              "aaaa"),
        BYTES("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"
              "aaaa"),
        BYTES("\x5b\x00\x00\x00\x01\x00\x00\x00\x01"
              "aaaa"),
        BYTES("\x7b\x7f\xff\xff\xff\xff\xff\xff\xff"
              "aaaa"),
        BYTES("\x82\x00"),
        BYTES("\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00"),
        BYTES("\x9b\x00\x00\x00\x01\x00\x00\x00\x01\x00"),
        BYTES("\xa1\x00"),
        BYTES("\xbb\x80\x00\x00\x00\x00\x00\x00\x00\x00"),
        BYTES("\xbb\x80\x00\x00\x00\x00\x00\x00\x01\x00\x00"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct covey_cbor_reader r = reader_of(rows[i]);
        assert_int_equal(covey_cbor_get_bytes(&r, SIZE_MAX).len, 0);
        assert_int_equal(r.err, COVEY_ERR_SHORT);
        r = reader_of(rows[i]);
        assert_int_equal(covey_cbor_enter_array(&r, SIZE_MAX), 0);
        assert_int_equal(r.err, COVEY_ERR_SHORT);
        r = reader_of(rows[i]);
        covey_cbor_skip(&r);
        assert_int_equal(r.err, COVEY_ERR_SHORT);
        assert_false(covey_cbor_well_formed(rows[i]));
    }
}

/* Strings and containers longer than the caller allows are refused, at the bound they are taken. */
static void test_caller_limits_hold(void **state)
{
    (void)state;
    struct covey_cbor_reader r = reader_of(BYTES("\x43"
                                                 "abc"));
    assert_int_equal(covey_cbor_get_bytes(&r, 2).len, 0);
    assert_int_equal(r.err, COVEY_ERR_LIMIT);
    r = reader_of(BYTES("\x43"
                        "abc"));
    assert_true(covey_bytes_equal(covey_cbor_get_bytes(&r, 3), BYTES("abc")));
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_OK);
    r = reader_of(BYTES("\x83\x01\x02\x03"));
    assert_int_equal(covey_cbor_enter_array(&r, 2), 0);
    assert_int_equal(r.err, COVEY_ERR_LIMIT);
    r = reader_of(BYTES("\xa2\x01\x02\x03\x04"));
    assert_int_equal(covey_cbor_enter_map(&r, 1), 0);
    assert_int_equal(r.err, COVEY_ERR_LIMIT);
}

/* A fixed field is copied only if it has the exact size; otherwise the target keeps its bytes. */
static void test_fixed_wants_the_exact_size(void **state)
{
    (void)state;
    uint8_t out[3] = {9, 9, 9};
    struct covey_cbor_reader r = reader_of(BYTES("\x42"
                                                 "ab"));
    covey_cbor_get_fixed(&r, out, 3);
    assert_int_equal(r.err, COVEY_ERR_MALFORMED);
    assert_memory_equal(out, "\x09\x09\x09", 3);
    r = reader_of(BYTES("\x43"
                        "abc"));
    covey_cbor_get_fixed(&r, out, 3);
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_OK);
    assert_memory_equal(out, "abc", 3);
}

struct text_row {
    struct covey_bytes in;
    bool ok;
};

/* Text is UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF or cut
 * off. The check of well-formedness does not look at it. */
static void test_text_must_be_utf8(void **state)
{
    (void)state;
    const struct text_row rows[] = {
        {BYTES("\x60"), true},
        {BYTES("\x61\x00"), true},
        {BYTES("\x62\xc3\xbc"), true},
        {BYTES("\x63\xe0\xa0\x80"), true},
        {BYTES("\x63\xed\x9f\xbf"), true},
        {BYTES("\x63\xef\xbf\xbf"), true},
        {BYTES("\x64\xf0\x90\x80\x80"), true},
        {BYTES("\x64\xf4\x8f\xbf\xbf"), true},
        {BYTES("\x61\x80"), false},
        {BYTES("\x62\xc1\xbf"), false},
        {BYTES("\x61\xc3"), false},
        {BYTES("\x62\xc3\x41"), false},
        {BYTES("\x63\xe0\x9f\xbf"), false},
        {BYTES("\x63\xed\xa0\x80"), false},
        {BYTES("\x62\xe6\xb0"), false},
        {BYTES("\x64\xf0\x8f\xbf\xbf"), false},
        {BYTES("\x64\xf4\x90\x80\x80"), false},
        {BYTES("\x64\xf5\x80\x80\x80"), false},
        {BYTES("\x61\xff"), false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct covey_cbor_reader r = reader_of(rows[i].in);
        covey_cbor_get_text(&r, SIZE_MAX);
        assert_int_equal(covey_cbor_reader_done(&r), rows[i].ok ? COVEY_OK : COVEY_ERR_MALFORMED);
        assert_true(covey_cbor_well_formed(rows[i].in));
        struct covey_cbor_writer w;
        size_t len = 0;
        covey_cbor_writer_init(&w, (struct covey_buf){NULL, 0});
        covey_cbor_put_text_bytes(&w, covey_bytes_of(rows[i].in.ptr + 1, rows[i].in.len - 1));
        assert_int_equal(covey_cbor_writer_done(&w, &len),
                         rows[i].ok ? COVEY_OK : COVEY_ERR_MALFORMED);
    }
}

/* A name fits with its final zero, is not empty, and cannot steer a terminal. */
static void test_string_is_a_printable_name(void **state)
{
    (void)state;
    const struct {
        struct covey_bytes in;
        covey_err err;
    } rows[] = {
        {BYTES("\x64"
               "abcd"),
         COVEY_OK},
        {BYTES("\x64\xc2\xa0\xc3\x84"), COVEY_OK},
        {BYTES("\x65"
               "abcde"),
         COVEY_ERR_LIMIT},
        {BYTES("\x60"), COVEY_ERR_MALFORMED},
        {BYTES("\x62"
               "a\x00"),
         COVEY_ERR_MALFORMED},
        {BYTES("\x62"
               "a\n"),
         COVEY_ERR_MALFORMED},
        {BYTES("\x61\x7f"), COVEY_ERR_MALFORMED},
        {BYTES("\x62\xc2\x9b"), COVEY_ERR_MALFORMED},
        {BYTES("\x44"
               "abcd"),
         COVEY_ERR_MALFORMED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char name[5] = "keep";
        struct covey_cbor_reader r = reader_of(rows[i].in);
        covey_cbor_get_string(&r, name, sizeof(name));
        assert_int_equal(covey_cbor_reader_done(&r), rows[i].err);
        if (rows[i].err == COVEY_OK) {
            assert_memory_equal(name, rows[i].in.ptr + 1, 4);
            assert_int_equal(name[4], 0);
        } else {
            assert_string_equal(name, "keep");
        }
    }
}

/* peek names the type without taking the item, and is NONE at the end of what is open. */
static void test_peek_names_each_type(void **state)
{
    (void)state;
    struct covey_cbor_reader r =
        reader_of(BYTES("\x8b\x01\x20\x40\x60\x80\xa0\xf4\xf6\xf9\x3c\x00\xc1\x01\xf7"));
    const enum covey_cbor_type types[] = {
        COVEY_CBOR_UINT,  COVEY_CBOR_NINT,  COVEY_CBOR_BYTES, COVEY_CBOR_TEXT,
        COVEY_CBOR_ARRAY, COVEY_CBOR_MAP,   COVEY_CBOR_BOOL,  COVEY_CBOR_NULL,
        COVEY_CBOR_FLOAT, COVEY_CBOR_OTHER, COVEY_CBOR_OTHER,
    };
    assert_int_equal(covey_cbor_enter_array(&r, 11), 11);
    for (size_t i = 0; i < 11; i++) {
        assert_int_equal(covey_cbor_peek(&r), types[i]);
        assert_int_equal(covey_cbor_peek(&r), types[i]);
        covey_cbor_skip(&r);
    }
    assert_int_equal(covey_cbor_peek(&r), COVEY_CBOR_NONE);
    assert_int_equal(r.err, COVEY_OK);
    covey_cbor_leave(&r);
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_OK);
}

/* Reading one item more than the array holds fails, though bytes follow it. */
static void test_array_ends_where_its_count_says(void **state)
{
    (void)state;
    struct covey_cbor_reader r = reader_of(BYTES("\x82\x81\x01\x02"));
    assert_int_equal(covey_cbor_enter_array(&r, 2), 2);
    assert_int_equal(covey_cbor_enter_array(&r, 2), 1);
    assert_int_equal(covey_cbor_get_uint(&r, 9), 1);
    assert_int_equal(covey_cbor_get_uint(&r, 9), 0);
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_ERR_MALFORMED);
}

/* Leaving a container with items unread, ending with one open, or with bytes left over, fails. */
static void test_nothing_may_be_left_unread(void **state)
{
    (void)state;
    struct covey_cbor_reader r = reader_of(BYTES("\x82\x01\x02"));
    covey_cbor_enter_array(&r, 2);
    covey_cbor_get_uint(&r, 9);
    covey_cbor_leave(&r);
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_ERR_MALFORMED);
    r = reader_of(BYTES("\x81\x01"));
    covey_cbor_enter_array(&r, 2);
    covey_cbor_get_uint(&r, 9);
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_ERR_MALFORMED);
    r = reader_of(BYTES("\x01\x01"));
    covey_cbor_get_uint(&r, 9);
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_ERR_MALFORMED);
}

/* Sums the keys and small values of a map, skipping what is not a number. */
static covey_err sum_map(struct covey_bytes in, uint64_t *out_sum)
{
    struct covey_cbor_reader r = reader_of(in);
    uint64_t sum = 0;
    uint64_t key = 12345;
    covey_cbor_enter_map(&r, 100);
    while (covey_cbor_next_key(&r, &key)) {
        if (covey_cbor_peek(&r) == COVEY_CBOR_UINT) {
            sum += key + covey_cbor_get_uint(&r, 100);
        } else {
            covey_cbor_skip(&r);
        }
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK) {
        *out_sum = sum;
    }
    return err;
}

/* Keys ascend and do not repeat; unknown values of any type are skipped with all they hold. */
static void test_next_key_wants_ascending_keys(void **state)
{
    (void)state;
    const struct {
        struct covey_bytes in;
        uint64_t sum;
        covey_err err;
    } rows[] = {
        {BYTES("\xa0"), 0, COVEY_OK},
        {BYTES("\xa1\x00\x05"), 5, COVEY_OK},
        {BYTES("\xa3\x00\x01\x17\x02\x18\x18\x03"), 53, COVEY_OK},
        {BYTES("\xa2\x01\x82\x01\xa1\x61x\xc2\x40\x02\x03"), 5, COVEY_OK},
        {BYTES("\xa2\x01\x01\x01\x01"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\xa2\x00\x01\x00\x01"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\xa2\x02\x01\x01\x01"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\xa1\x18\x01\x01"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\xa1\x61x\x01"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\xa1\x20\x01"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\xa1\x01\xff"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\xbf\x01\x01\xff"), 0, COVEY_ERR_MALFORMED},
        {BYTES("\xa2\x01\x01\x02"), 0, COVEY_ERR_SHORT},
        {BYTES("\xa1\x01\x18\x65"), 0, COVEY_ERR_RANGE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t sum = 0;
        assert_int_equal(sum_map(rows[i].in, &sum), rows[i].err);
        assert_true(sum == rows[i].sum);
    }
}

/* A map inside a map keeps its own order of keys, and the outer one goes on after it. */
static void test_next_key_nests(void **state)
{
    (void)state;
    struct covey_cbor_reader r = reader_of(BYTES("\xa2\x05\xa2\x01\x02\x03\x04\x06\x07"));
    uint64_t key = 0;
    uint64_t seen[4] = {0};
    size_t count = 0;
    covey_cbor_enter_map(&r, 2);
    while (covey_cbor_next_key(&r, &key)) {
        seen[count++] = key;
        if (key == 5) {
            covey_cbor_enter_map(&r, 2);
            while (covey_cbor_next_key(&r, &key)) {
                seen[count++] = key;
                covey_cbor_skip(&r);
            }
        } else {
            assert_int_equal(covey_cbor_get_uint(&r, 7), 7);
        }
    }
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_OK);
    assert_int_equal(count, 4);
    const uint64_t expected[4] = {5, 1, 3, 6};
    assert_memory_equal(seen, expected, sizeof(expected));
}

/* A loop that forgets to read a value ends with an error, rather than take values for keys. */
static void test_next_key_notices_an_unread_value(void **state)
{
    (void)state;
    struct covey_cbor_reader r = reader_of(BYTES("\xa2\x01\x02\x03\x04"));
    uint64_t key = 0;
    covey_cbor_enter_map(&r, 2);
    assert_true(covey_cbor_next_key(&r, &key));
    assert_false(covey_cbor_next_key(&r, &key));
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_ERR_MALFORMED);
}

/* depth arrays, one inside the other. */
static struct covey_bytes nested(uint8_t *space, size_t depth, uint8_t head)
{
    memset(space, head, depth);
    space[depth - 1] = 0x80;
    return covey_bytes_of(space, depth);
}

/* Nesting ends at COVEY_CBOR_DEPTH_MAX for the gets, a skip and the check alike; what is open
 * already counts for a skip; tags do not nest, however many. */
static void test_depth_is_bounded(void **state)
{
    (void)state;
    uint8_t space[512];
    uint8_t out[512];
    size_t len = 0;
    const struct covey_buf buf = {out, sizeof(out)};
    for (size_t depth = 1; depth <= 100; depth++) {
        struct covey_bytes in = nested(space, depth, 0x81);
        bool ok = depth <= COVEY_CBOR_DEPTH_MAX;
        struct covey_cbor_reader r = reader_of(in);
        covey_cbor_skip(&r);
        assert_int_equal(covey_cbor_reader_done(&r), ok ? COVEY_OK : COVEY_ERR_LIMIT);
        assert_int_equal(cbor_walk(in, buf, &len), ok ? COVEY_OK : COVEY_ERR_LIMIT);
        assert_true(covey_cbor_well_formed(in) == ok);
        r = reader_of(in);
        covey_cbor_enter_array(&r, 1);
        covey_cbor_skip(&r);
        assert_int_equal(r.err, ok ? depth == 1 ? COVEY_ERR_MALFORMED : COVEY_OK : COVEY_ERR_LIMIT);
    }
    struct covey_bytes tags = nested(space, sizeof(space), 0xc6);
    struct covey_cbor_reader r = reader_of(tags);
    covey_cbor_skip(&r);
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_OK);
    assert_true(covey_cbor_well_formed(tags));
}

/* After the first failure every call gives zero values and the first error stays. */
static void test_first_error_sticks(void **state)
{
    (void)state;
    struct covey_cbor_reader r = reader_of(BYTES("\x18\x65\x01\x41x\x61x\x81\x01\xf5\xf9\x3c\x00"));
    covey_cbor_get_uint(&r, 100);
    assert_int_equal(r.err, COVEY_ERR_RANGE);
    uint64_t key = 7;
    uint8_t fixed[1] = {7};
    char name[4] = "abc";
    assert_int_equal(covey_cbor_get_uint(&r, 100), 0);
    assert_true(covey_cbor_get_int(&r) == 0);
    assert_int_equal(covey_cbor_get_bytes(&r, 9).len, 0);
    assert_int_equal(covey_cbor_get_text(&r, 9).len, 0);
    assert_int_equal(covey_cbor_enter_array(&r, 9), 0);
    assert_int_equal(covey_cbor_enter_map(&r, 9), 0);
    assert_false(covey_cbor_get_bool(&r));
    assert_true(covey_cbor_get_float(&r) == 0.0);
    assert_int_equal(covey_cbor_peek(&r), COVEY_CBOR_NONE);
    assert_false(covey_cbor_next_key(&r, &key));
    covey_cbor_get_null(&r);
    covey_cbor_get_fixed(&r, fixed, 1);
    covey_cbor_get_string(&r, name, sizeof(name));
    covey_cbor_skip(&r);
    covey_cbor_leave(&r);
    assert_int_equal(key, 7);
    assert_int_equal(fixed[0], 7);
    assert_string_equal(name, "abc");
    assert_int_equal(covey_cbor_reader_done(&r), COVEY_ERR_RANGE);
}

/* Tags, undefined and simple values are skipped and refused by every get. */
static void test_other_types_are_refused_by_gets(void **state)
{
    (void)state;
    const struct covey_bytes rows[] = {BYTES("\xc1\x01"), BYTES("\xd8\x20\x60"), BYTES("\xf7"),
                                       BYTES("\xe0"),     BYTES("\xf8\xff"),     BYTES("\xd3\x01")};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct covey_cbor_reader r = reader_of(rows[i]);
        covey_cbor_get_uint(&r, UINT64_MAX);
        assert_int_equal(r.err, COVEY_ERR_MALFORMED);
        r = reader_of(rows[i]);
        covey_cbor_get_null(&r);
        assert_int_equal(r.err, COVEY_ERR_MALFORMED);
        r = reader_of(rows[i]);
        covey_cbor_get_bool(&r);
        assert_int_equal(r.err, COVEY_ERR_MALFORMED);
        r = reader_of(rows[i]);
        covey_cbor_skip(&r);
        assert_int_equal(covey_cbor_reader_done(&r), COVEY_OK);
    }
}

/* Breaks, chunks and tags where RFC 8949 allows them, and where it does not. */
static void test_well_formed_knows_indefinite_lengths(void **state)
{
    (void)state;
    const struct text_row rows[] = {
        {BYTES("\x5f\xff"), true},
        {BYTES("\x7f\x61x\x60\xff"), true},
        {BYTES("\x9f\xff"), true},
        {BYTES("\xbf\xff"), true},
        {BYTES("\xbf\x01\x9f\x02\xff\x03\xa0\xff"), true},
        {BYTES("\xc1\x9f\xff"), true},
        {BYTES("\x9f\xc1\xbf\xff\xff"), true},
        {BYTES("\x82\xc1\x80\xc2\x41\x01"), true},
        {BYTES("\x9f\x9f\x9f\x9f\x9f\x9f\x9f\x9f\xff\xff\xff\xff\xff\xff\xff\xff"), true},
        {BYTES("\x9f\x9f\x9f\x9f\x9f\x9f\x9f\x9f\x9f\xff\xff\xff\xff\xff\xff\xff\xff\xff"), false},
        {BYTES("\x9f\xc1\xff"), false},
        {BYTES("\xc1"), false},
        {BYTES("\xc1\xff"), false},
        {BYTES("\xbf\x01\xff"), false},
        {BYTES("\x81\xff"), false},
        {BYTES("\x5f\x5f\xff\xff"), false},
        {BYTES("\x5f\xc1\x40\xff"), false},
        {BYTES("\x9f"), false},
        {BYTES("\xff"), false},
        {BYTES(""), false},
        {BYTES("\x01\x01"), false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(covey_cbor_well_formed(rows[i].in) == rows[i].ok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uint_is_shortest_only),
        cmocka_unit_test(test_uint_respects_max),
        cmocka_unit_test(test_int_covers_int64),
        cmocka_unit_test(test_lengths_beyond_the_input_are_refused),
        cmocka_unit_test(test_caller_limits_hold),
        cmocka_unit_test(test_fixed_wants_the_exact_size),
        cmocka_unit_test(test_text_must_be_utf8),
        cmocka_unit_test(test_string_is_a_printable_name),
        cmocka_unit_test(test_peek_names_each_type),
        cmocka_unit_test(test_array_ends_where_its_count_says),
        cmocka_unit_test(test_nothing_may_be_left_unread),
        cmocka_unit_test(test_next_key_wants_ascending_keys),
        cmocka_unit_test(test_next_key_nests),
        cmocka_unit_test(test_next_key_notices_an_unread_value),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_first_error_sticks),
        cmocka_unit_test(test_other_types_are_refused_by_gets),
        cmocka_unit_test(test_well_formed_knows_indefinite_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
