/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "cbor_walk.h"

/* Bytes from a string literal, which may hold zeros. */
#define BYTES(literal) covey_bytes_of(literal, sizeof(literal) - 1)

static struct covey_cbor_reader reader_of(struct covey_bytes in)
{
    struct covey_cbor_reader r;
    covey_cbor_reader_init(&r, in);
    return r;
}

/* Every value that half precision holds is written in three bytes and read back as it was; the
 * neighbours that it does not hold take five bytes. */
static void test_float_uses_the_shortest_exact_form(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= UINT16_MAX; bits++) {
        uint8_t in[3] = {0xf9, (uint8_t)(bits >> 8), (uint8_t)bits};
        uint8_t out[16];
        size_t len = 0;
        covey_err err =
            cbor_walk(covey_bytes_of(in, 3), (struct covey_buf){out, sizeof(out)}, &len);
        bool is_nan = (bits & 0x7c00) == 0x7c00 && (bits & 0x03ff) != 0;
        if (is_nan && bits != 0x7e00) {
            assert_int_equal(err, COVEY_ERR_MALFORMED);
            continue;
        }
        assert_int_equal(err, COVEY_OK);
        assert_int_equal(len, 3);
        assert_memory_equal(in, out, 3);
    }
    const struct {
        double value;
        size_t len;
    } rows[] = {
        {65504.0, 3},        {65505.0, 5},   {65536.0, 5},       {-131072.0, 5},
        {ldexp(1, -24), 3},  {1.1, 9},       {ldexp(1, -25), 5}, {ldexp(3, -25), 5},
        {0x1p49, 5},         {0x1p-149, 5},  {0x1p-150, 9},      {1e300, 9},
        {-1e300, 9},         {INFINITY, 3},  {-INFINITY, 3},     {(double)0x1.fffffep127F, 5},
        {0x1.ffffffp127, 9}, {0x1p-1074, 9},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t out[16];
        size_t len = 0;
        struct covey_cbor_writer w;
        covey_cbor_writer_init(&w, (struct covey_buf){out, sizeof(out)});
        covey_cbor_put_float(&w, rows[i].value);
        assert_int_equal(covey_cbor_writer_done(&w, &len), COVEY_OK);
        assert_int_equal(len, rows[i].len);
        struct covey_cbor_reader r = reader_of(covey_bytes_of(out, len));
        assert_true(covey_cbor_get_float(&r) == rows[i].value);
        assert_int_equal(covey_cbor_reader_done(&r), COVEY_OK);
    }
}

/* A float in a wider form than it needs is refused: a value has one encoding. */
static void test_float_in_a_wide_form_is_refused(void **state)
{
    (void)state;
    const struct covey_bytes rows[] = {
        BYTES("\xfa\x3f\x80\x00\x00"),
        BYTES("\xfa\x7f\xc0\x00\x00"),
        BYTES("\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct covey_cbor_reader r = reader_of(rows[i]);
        assert_true(covey_cbor_get_float(&r) == 0.0);
        assert_int_equal(r.err, COVEY_ERR_MALFORMED);
        assert_true(covey_cbor_well_formed(rows[i]));
    }
}

/* Everything the writer can write, in one message. */
static void put_all(struct covey_cbor_writer *w)
{
    covey_cbor_put_map(w, 3);
    covey_cbor_put_uint(w, 0);
    covey_cbor_put_array(w, 4);
    covey_cbor_put_int(w, -500);
    covey_cbor_put_bool(w, true);
    covey_cbor_put_null(w);
    covey_cbor_put_float(w, 1.1);
    covey_cbor_put_uint(w, 1);
    covey_cbor_put_text(w, "covey");
    covey_cbor_put_uint(w, 2);
    covey_cbor_put_bytes(w, BYTES("0123456789abcdef01234567"));
}

enum { ALL_LEN = 51 };

/* The length counted beforehand is the length written; every smaller space fails with SPACE, is
 * not written past, and leaves the length of the caller alone. */
static void test_writer_counts_and_never_overruns(void **state)
{
    (void)state;
    struct covey_cbor_writer w;
    size_t counted = 0;
    covey_cbor_writer_init(&w, (struct covey_buf){NULL, 0});
    put_all(&w);
    assert_int_equal(covey_cbor_writer_done(&w, &counted), COVEY_OK);
    assert_int_equal(counted, ALL_LEN);
    for (size_t cap = 0; cap <= counted; cap++) {
        uint8_t *out = malloc(cap > 0 ? cap : 1);
        assert_non_null(out);
        size_t len = 999;
        covey_cbor_writer_init(&w, (struct covey_buf){out, cap});
        put_all(&w);
        bool fits = cap == counted;
        assert_int_equal(covey_cbor_writer_done(&w, &len), fits ? COVEY_OK : COVEY_ERR_SPACE);
        assert_int_equal(len, fits ? counted : 999);
        if (fits) {
            uint8_t again[ALL_LEN];
            size_t again_len = 0;
            assert_true(covey_cbor_well_formed(covey_bytes_of(out, len)));
            assert_int_equal(cbor_walk(covey_bytes_of(out, len),
                                       (struct covey_buf){again, sizeof(again)}, &again_len),
                             COVEY_OK);
            assert_int_equal(again_len, len);
            assert_memory_equal(again, out, len);
        }
        free(out);
    }
}

/* A message cut at any byte is refused by all three, never read past its end. */
static void test_truncated_input_is_refused(void **state)
{
    (void)state;
    uint8_t whole[ALL_LEN];
    size_t len = 0;
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, (struct covey_buf){whole, sizeof(whole)});
    put_all(&w);
    assert_int_equal(covey_cbor_writer_done(&w, &len), COVEY_OK);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *part = malloc(cut > 0 ? cut : 1);
        assert_non_null(part);
        memcpy(part, whole, cut);
        uint8_t out[ALL_LEN];
        size_t out_len = 0;
        struct covey_bytes in = covey_bytes_of(part, cut);
        struct covey_cbor_reader r = reader_of(in);
        covey_cbor_skip(&r);
        assert_int_equal(covey_cbor_reader_done(&r), COVEY_ERR_SHORT);
        assert_int_equal(cbor_walk(in, (struct covey_buf){out, sizeof(out)}, &out_len),
                         COVEY_ERR_SHORT);
        assert_false(covey_cbor_well_formed(in));
        free(part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float_uses_the_shortest_exact_form),
        cmocka_unit_test(test_float_in_a_wide_form_is_refused),
        cmocka_unit_test(test_writer_counts_and_never_overruns),
        cmocka_unit_test(test_truncated_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
