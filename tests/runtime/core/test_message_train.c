/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "covey/cbor.h"
#include "covey/message_train.h"

enum { BYTES = COVEY_TASK_SPEC_MAX + 256 };

static const uint8_t long_spec[COVEY_TASK_SPEC_MAX] = {9, 8, 7};

/* With every field set, those too that its type does not have. */
static struct covey_train_message sample(enum covey_train_type type)
{
    struct covey_train_message m = {.type = type,
                                    .fence = {{{1, 2, 3}}, 7, 0},
                                    .round = UINT64_MAX,
                                    .task = 70000,
                                    .work = UINT32_MAX,
                                    .credit = COVEY_WORKER_TASKS_MAX,
                                    .status = COVEY_TRAIN_REFUSED,
                                    .spent_us = 900,
                                    .spec = covey_bytes_of(long_spec, sizeof(long_spec))};
    return m;
}

static size_t encode(const struct covey_train_message *m, uint8_t out[static BYTES])
{
    size_t len = 0;
    assert_int_equal(covey_train_encode(m, (struct covey_buf){out, BYTES}, &len), COVEY_OK);
    return len;
}

/* Every type comes back as it was: what is decoded encodes to the same bytes. */
static void test_train_messages_round_trip(void **state)
{
    (void)state;
    for (unsigned type = COVEY_TRAIN_ENLIST; type <= COVEY_TRAIN_DISMISS; type++) {
        uint8_t first[BYTES], second[BYTES];
        struct covey_train_message in = sample((enum covey_train_type)type), out;
        size_t len = encode(&in, first);
        assert_int_equal(covey_train_decode(covey_bytes_of(first, len), &out), COVEY_OK);
        assert_int_equal(out.type, type);
        assert_memory_equal(&out.fence, &in.fence, sizeof(in.fence));
        assert_int_equal(encode(&out, second), len);
        assert_memory_equal(first, second, len);
    }
}

/* The fields land where they belong, and what a type does not have stays zero. */
static void test_train_fields_come_back(void **state)
{
    (void)state;
    uint8_t bytes[BYTES];
    struct covey_train_message in = sample(COVEY_TRAIN_RESULT), out;
    size_t len = encode(&in, bytes);
    assert_int_equal(covey_train_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_true(out.round == UINT64_MAX && out.task == 70000 && out.work == UINT32_MAX);
    assert_int_equal(out.status, COVEY_TRAIN_REFUSED);
    assert_int_equal(out.spent_us, 900);
    assert_int_equal(out.credit, 0);
    assert_int_equal(out.spec.len, 0);
    in = sample(COVEY_TRAIN_TASK);
    len = encode(&in, bytes);
    assert_int_equal(covey_train_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_int_equal(out.spec.len, sizeof(long_spec));
    assert_memory_equal(out.spec.ptr, long_spec, sizeof(long_spec));
    in = sample(COVEY_TRAIN_PULL);
    len = encode(&in, bytes);
    assert_int_equal(covey_train_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_int_equal(out.credit, COVEY_WORKER_TASKS_MAX);
    assert_true(out.round == 0);
}

/* A message cut anywhere, or with a byte behind it, is refused. */
static void test_train_message_cut(void **state)
{
    (void)state;
    for (unsigned type = COVEY_TRAIN_ENLIST; type <= COVEY_TRAIN_DISMISS; type++) {
        uint8_t bytes[BYTES];
        struct covey_train_message in = sample((enum covey_train_type)type), out;
        size_t len = encode(&in, bytes);
        for (size_t cut = 0; cut < len; cut++) {
            assert_int_not_equal(covey_train_decode(covey_bytes_of(bytes, cut), &out), COVEY_OK);
        }
        bytes[len] = 0;
        assert_int_not_equal(covey_train_decode(covey_bytes_of(bytes, len + 1), &out), COVEY_OK);
    }
}

/* OVER as written by hand: map of pairs, type, session, epoch, round, then `extra`. */
static size_t write_over(uint8_t out[static BYTES], uint64_t type, bool round, bool extra)
{
    static const uint8_t session[16] = {1};
    struct covey_cbor_writer w;
    size_t len = 0;
    covey_cbor_writer_init(&w, (struct covey_buf){out, BYTES});
    covey_cbor_put_map(&w, 3U + round + extra);
    covey_cbor_put_uint(&w, 0);
    covey_cbor_put_uint(&w, type);
    covey_cbor_put_uint(&w, 1);
    covey_cbor_put_bytes(&w, covey_bytes_of(session, sizeof(session)));
    covey_cbor_put_uint(&w, 2);
    covey_cbor_put_uint(&w, 5);
    if (round) {
        covey_cbor_put_uint(&w, 3);
        covey_cbor_put_uint(&w, 9);
    }
    if (extra) {
        covey_cbor_put_uint(&w, 99);
        covey_cbor_put_uint(&w, 1);
    }
    assert_int_equal(covey_cbor_writer_done(&w, &len), COVEY_OK);
    return len;
}

/* Unknown keys are skipped, a key that is missing is an error, unknown types are unsupported. */
static void test_train_message_keys(void **state)
{
    (void)state;
    uint8_t bytes[BYTES];
    struct covey_train_message out;
    size_t len = write_over(bytes, COVEY_TRAIN_OVER, true, true);
    assert_int_equal(covey_train_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_true(out.type == COVEY_TRAIN_OVER && out.round == 9 && out.fence.epoch == 5);
    len = write_over(bytes, COVEY_TRAIN_OVER, false, true);
    assert_int_equal(covey_train_decode(covey_bytes_of(bytes, len), &out), COVEY_ERR_MALFORMED);
    len = write_over(bytes, COVEY_TRAIN_DISMISS + 1, true, false);
    assert_int_equal(covey_train_decode(covey_bytes_of(bytes, len), &out), COVEY_ERR_UNSUPPORTED);
    len = write_over(bytes, COVEY_TRAIN_ENLIST - 1, true, false);
    assert_int_equal(covey_train_decode(covey_bytes_of(bytes, len), &out), COVEY_ERR_UNSUPPORTED);
}

/* What is above its limit is neither written nor taken. */
static void test_train_message_limits(void **state)
{
    (void)state;
    static const uint8_t longer[COVEY_TASK_SPEC_MAX + 1] = {0};
    uint8_t bytes[BYTES];
    size_t len = 0;
    struct covey_train_message in = sample(COVEY_TRAIN_PULL), out;
    in.credit++;
    assert_int_equal(covey_train_encode(&in, (struct covey_buf){bytes, BYTES}, &len),
                     COVEY_ERR_LIMIT);
    in = sample(COVEY_TRAIN_ENLIST);
    in.spec = covey_bytes_of(longer, sizeof(longer));
    assert_int_equal(covey_train_encode(&in, (struct covey_buf){bytes, BYTES}, &len),
                     COVEY_ERR_LIMIT);
    in = sample(COVEY_TRAIN_PULL);
    in.credit = 1;
    len = encode(&in, bytes);
    assert_int_equal(bytes[len - 1], 1); /* the credit is last */
    bytes[len - 1] = COVEY_WORKER_TASKS_MAX + 1;
    assert_int_not_equal(covey_train_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
    assert_int_equal(covey_train_encode(&in, (struct covey_buf){bytes, 8}, &len), COVEY_ERR_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train_messages_round_trip),
        cmocka_unit_test(test_train_fields_come_back),
        cmocka_unit_test(test_train_message_cut),
        cmocka_unit_test(test_train_message_keys),
        cmocka_unit_test(test_train_message_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
