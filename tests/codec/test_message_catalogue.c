/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "covey/message_catalogue.h"

static struct covey_catalogue_model largest(void)
{
    struct covey_catalogue_model m = {.sequence = UINT64_MAX,
                                      .bytes = UINT64_MAX,
                                      .input_rank = COVEY_RANK_MAX,
                                      .output_rank = COVEY_RANK_MAX,
                                      .removed = true};
    memset(m.name, 'n', COVEY_NAME_MAX);
    memset(m.publisher.bytes, 0xff, sizeof(m.publisher.bytes));
    for (unsigned i = 0; i < COVEY_RANK_MAX; i++) {
        m.input[i] = m.output[i] = UINT32_MAX;
    }
    return m;
}

/* The largest entry fits its limit, and the largest message of such entries its own. */
static void test_largest_fit(void **state)
{
    (void)state;
    struct covey_catalogue_model in = largest(), out;
    uint8_t body[COVEY_CATALOGUE_BODY_MAX], signature[COVEY_CATALOGUE_SIGNATURE] = {1};
    static uint8_t cert[COVEY_CERT_MAX], full[COVEY_CATALOGUE_BODY_MAX];
    static uint8_t bytes[COVEY_CATALOGUE_MESSAGE_MAX];
    struct covey_catalogue_message m = {.cert = covey_bytes_of(cert, sizeof(cert)),
                                        .count = COVEY_CATALOGUE_ENTRIES_MAX},
                                   again;
    size_t len = 0;
    assert_int_equal(
        covey_catalogue_model_encode(&in, (struct covey_buf){body, sizeof(body)}, &len), COVEY_OK);
    assert_int_equal(covey_catalogue_model_decode(covey_bytes_of(body, len), &out), COVEY_OK);
    assert_memory_equal(&out.input, &in.input, sizeof(in.input));
    assert_string_equal(out.name, in.name);
    assert_true(out.removed && out.sequence == UINT64_MAX && out.bytes == UINT64_MAX);
    for (size_t i = 0; i < m.count; i++) {
        m.entry[i].body = covey_bytes_of(full, sizeof(full));
        m.entry[i].signature = covey_bytes_of(signature, sizeof(signature));
    }
    assert_int_equal(covey_catalogue_encode(&m, (struct covey_buf){bytes, sizeof(bytes)}, &len),
                     COVEY_OK);
    assert_int_equal(covey_catalogue_decode(covey_bytes_of(bytes, len), &again), COVEY_OK);
    assert_int_equal(again.count, m.count);
    assert_true(covey_bytes_equal(again.cert, m.cert));
    for (size_t i = 0; i < len; i++) {
        assert_int_not_equal(covey_catalogue_decode(covey_bytes_of(bytes, i), &again), COVEY_OK);
    }
}

/* A cut or altered entry is refused, or is another whole entry within its limits. */
static void test_bad_entries(void **state)
{
    (void)state;
    struct covey_catalogue_model in = largest(), out;
    uint8_t body[COVEY_CATALOGUE_BODY_MAX];
    size_t len = 0;
    assert_int_equal(
        covey_catalogue_model_encode(&in, (struct covey_buf){body, sizeof(body)}, &len), COVEY_OK);
    for (size_t i = 0; i < len; i++) {
        assert_int_not_equal(covey_catalogue_model_decode(covey_bytes_of(body, i), &out), COVEY_OK);
        for (unsigned bit = 0; bit < 8; bit++) {
            body[i] ^= (uint8_t)(1u << bit);
            if (covey_catalogue_model_decode(covey_bytes_of(body, len), &out) == COVEY_OK) {
                assert_true(out.input_rank <= COVEY_RANK_MAX && out.output_rank <= COVEY_RANK_MAX);
                assert_true(strlen(out.name) > 0 && strlen(out.name) <= COVEY_NAME_MAX);
            }
            body[i] ^= (uint8_t)(1u << bit);
        }
    }
}

/* Another family is told from a bad message; a message of no entry is bad. */
static void test_families(void **state)
{
    (void)state;
    static const uint8_t ping[] = {0xa1, 0x00, 0x01};
    static const uint8_t none[] = {0xa3, 0x00, 0x10, 0x01, 0x40, 0x02, 0x80};
    struct covey_catalogue_message m;
    assert_int_equal(covey_catalogue_decode(covey_bytes_of(ping, sizeof(ping)), &m),
                     COVEY_ERR_UNSUPPORTED);
    assert_int_equal(covey_catalogue_decode(covey_bytes_of(none, sizeof(none)), &m),
                     COVEY_ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_largest_fit),
        cmocka_unit_test(test_bad_entries),
        cmocka_unit_test(test_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
