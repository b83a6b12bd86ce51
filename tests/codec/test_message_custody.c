/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "covey/cbor.h"
#include "covey/message_custody.h"

enum { MESSAGE_MAX = 512 }; /* bytes: what a device writes to its disk must fit */

static struct covey_custody_message fullest(enum covey_custody_type type)
{
    struct covey_custody_message m = {
        .type = type, .epoch = UINT32_MAX, .sequence = UINT64_MAX, .agreed = true, .binding = true};
    memset(m.session.bytes, 0xff, sizeof(m.session.bytes));
    memset(m.voted.bytes, 0xfe, sizeof(m.voted.bytes));
    memset(m.deed.job.bytes, 0xfd, sizeof(m.deed.job.bytes));
    memset(m.deed.checkpoint.digest.bytes, 0xfc, sizeof(m.deed.checkpoint.digest.bytes));
    m.deed.checkpoint.epoch = m.deed.epoch = UINT32_MAX;
    m.deed.checkpoint.step = m.deed.checkpoint.len = m.deed.version = UINT64_MAX;
    m.deed.set.number = UINT32_MAX - 1;
    m.deed.next.number = UINT32_MAX;
    m.deed.set.count = m.deed.next.count = COVEY_CUSTODIANS_MAX;
    for (unsigned i = 0; i < COVEY_CUSTODIANS_MAX; i++) {
        m.deed.set.id[i].bytes[0] = (uint8_t)(i + 1);
        m.deed.next.id[i].bytes[0] = (uint8_t)(i + 100);
    }
    return m;
}

/* Every type comes back as it was, in at most as many bytes as a state may have; a prefix of it is
 * refused. */
static void test_all_types(void **state)
{
    (void)state;
    for (unsigned type = COVEY_CUSTODY_APPOINT; type <= COVEY_CUSTODY_STATE_STOPPED; type++) {
        struct covey_custody_message in = fullest((enum covey_custody_type)type), out;
        uint8_t bytes[MESSAGE_MAX], again[MESSAGE_MAX];
        size_t len = 0, again_len = 0;
        covey_err err = covey_custody_encode(&in, (struct covey_buf){bytes, sizeof(bytes)}, &len);
        if (type == 84 || type == 85) { /* had a meaning once */
            assert_int_equal(err, COVEY_ERR_UNSUPPORTED);
            continue;
        }
        assert_int_equal(err, COVEY_OK);
        assert_int_equal(covey_custody_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
        bool stopped = type > COVEY_CUSTODY_STATE; /* the deed says so, not the type */
        assert_int_equal(out.deed.stopped, stopped);
        assert_int_equal(out.type, type == COVEY_CUSTODY_APPOINT_STOPPED ? COVEY_CUSTODY_APPOINT
                                   : type == COVEY_CUSTODY_STATE_STOPPED ? COVEY_CUSTODY_STATE
                                                                         : type);
        assert_true(covey_session_id_equal(&out.session, &in.session));
        assert_int_equal(out.epoch, in.epoch);
        assert_int_equal(
            covey_custody_encode(&out, (struct covey_buf){again, sizeof(again)}, &again_len),
            COVEY_OK);
        assert_int_equal(again_len, len);
        assert_memory_equal(again, bytes, len);
        for (size_t i = 0; i < len; i++) {
            assert_int_not_equal(covey_custody_decode(covey_bytes_of(bytes, i), &out), COVEY_OK);
        }
    }
}

/* What a custodian writes to its disk it reads back whole. */
static void test_state(void **state)
{
    (void)state;
    struct covey_custody_message in = fullest(COVEY_CUSTODY_STATE), out;
    uint8_t bytes[MESSAGE_MAX];
    size_t len = 0;
    in.deed.epoch = 7;
    in.deed.next.count = 0;
    assert_int_equal(covey_custody_encode(&in, (struct covey_buf){bytes, sizeof(bytes)}, &len),
                     COVEY_OK);
    assert_int_equal(covey_custody_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_int_equal(out.deed.epoch, 7);
    assert_int_equal(out.deed.version, in.deed.version);
    assert_true(covey_node_id_equal(&out.voted, &in.voted));
    assert_int_equal(out.deed.set.number, in.deed.set.number);
    assert_int_equal(out.deed.set.count, COVEY_CUSTODIANS_MAX);
    assert_memory_equal(out.deed.set.id, in.deed.set.id, sizeof(in.deed.set.id));
    assert_int_equal(out.deed.next.count, 0);
    assert_true(covey_digest_equal(&out.deed.job, &in.deed.job));
    assert_true(covey_digest_equal(&out.deed.checkpoint.digest, &in.deed.checkpoint.digest));
    assert_int_equal(out.deed.checkpoint.step, in.deed.checkpoint.step);
}

/* A set with the same device twice, out of order, empty, cut or too long is none. */
static void test_bad_sets(void **state)
{
    (void)state;
    struct covey_custody_message m = fullest(COVEY_CUSTODY_APPOINT), out;
    uint8_t bytes[MESSAGE_MAX];
    size_t len = 0;
    m.deed.set.id[1] = m.deed.set.id[0];
    assert_int_equal(covey_custody_encode(&m, (struct covey_buf){bytes, sizeof(bytes)}, &len),
                     COVEY_OK);
    assert_int_equal(covey_custody_decode(covey_bytes_of(bytes, len), &out), COVEY_ERR_MALFORMED);
    m = fullest(COVEY_CUSTODY_APPOINT);
    m.deed.next.id[4].bytes[0] = 1;
    assert_int_equal(covey_custody_encode(&m, (struct covey_buf){bytes, sizeof(bytes)}, &len),
                     COVEY_OK);
    assert_int_equal(covey_custody_decode(covey_bytes_of(bytes, len), &out), COVEY_ERR_MALFORMED);
    m = fullest(COVEY_CUSTODY_APPOINT);
    m.deed.set.count = 0;
    assert_int_equal(covey_custody_encode(&m, (struct covey_buf){bytes, sizeof(bytes)}, &len),
                     COVEY_OK);
    assert_int_equal(covey_custody_decode(covey_bytes_of(bytes, len), &out), COVEY_ERR_MALFORMED);
}

/* A message without one of its keys, and a type that is none, are refused. */
static void test_missing_keys(void **state)
{
    (void)state;
    struct covey_custody_message out;
    struct covey_cbor_writer w;
    uint8_t bytes[64];
    size_t len = 0;
    for (unsigned type = 79; type <= 93; type++) {
        covey_cbor_writer_init(&w, (struct covey_buf){bytes, sizeof(bytes)});
        covey_cbor_put_map(&w, 2);
        covey_cbor_put_uint(&w, 0);
        covey_cbor_put_uint(&w, type);
        covey_cbor_put_uint(&w, 2);
        covey_cbor_put_uint(&w, 1);
        assert_int_equal(covey_cbor_writer_done(&w, &len), COVEY_OK);
        bool ours = type >= 80 && type <= 92 && type != 84 && type != 85;
        assert_int_equal(covey_custody_decode(covey_bytes_of(bytes, len), &out),
                         ours ? COVEY_ERR_MALFORMED : COVEY_ERR_UNSUPPORTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_types),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_bad_sets),
        cmocka_unit_test(test_missing_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
