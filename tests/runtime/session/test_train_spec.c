/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "covey/field.h"
#include "covey/product_bench.h"
#include "train_spec.h"

static const struct covey_train_product conv = {.kind = COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT,
                                                .batch = 5,
                                                .in_channels = 3,
                                                .out_channels = 7,
                                                .height = 8,
                                                .width = 9,
                                                .out_height = 8,
                                                .out_width = 9,
                                                .kernel = {3, 3},
                                                .stride = {1, 1},
                                                .dilation = {1, 1},
                                                .pads = {1, 1},
                                                .pads_end = {1, 1}};

/* What is written is read again, of both modes. */
static void test_specs_come_back(void **state)
{
    (void)state;
    uint8_t bytes[COVEY_ROUND_SPEC_BYTES];
    struct covey_enlist_spec enlist = {
        .mode = COVEY_TRAIN_DATA, .part = 16, .label_smoothing = 0.1f, .seed = 1ull << 40};
    enlist.model.bytes[31] = 9;
    struct covey_enlist_spec enlist_back;
    covey__enlist_spec_encode(&enlist, bytes);
    assert_int_equal(
        covey__enlist_spec_decode(covey_bytes_of(bytes, COVEY_ENLIST_SPEC_BYTES), &enlist_back),
        COVEY_OK);
    assert_true(covey_digest_equal(&enlist.model, &enlist_back.model));
    assert_int_equal(enlist_back.part, 16);
    assert_true(enlist_back.label_smoothing == 0.1f && enlist_back.seed == 1ull << 40);

    const struct covey_round_spec product = {
        .mode = COVEY_TRAIN_PRODUCTS, .product = conv, .prime = 1, .own_b = true};
    struct covey_round_spec round;
    covey__round_spec_encode(&product, bytes);
    assert_int_equal(
        covey__round_spec_decode(covey_bytes_of(bytes, COVEY_ROUND_SPEC_BYTES), &round), COVEY_OK);
    assert_int_equal(round.product.kind, conv.kind);
    assert_int_equal(round.product.out_channels, 7);
    assert_true(round.own_b && round.prime == 1);
    const struct covey_round_spec gradient = {.mode = COVEY_TRAIN_DATA, .step = 77};
    covey__round_spec_encode(&gradient, bytes);
    assert_int_equal(
        covey__round_spec_decode(covey_bytes_of(bytes, COVEY_ROUND_SPEC_BYTES), &round), COVEY_OK);
    assert_true(round.step == 77);

    const struct covey_task_spec parts = {.count = 2, .part = {3, 4}, .coefficient = {1, -0.5f}};
    struct covey_task_spec task;
    covey__task_spec_encode(&parts, bytes);
    assert_int_equal(covey__task_spec_decode(covey_bytes_of(bytes, COVEY_TASK_SPEC_BYTES), &task),
                     COVEY_OK);
    assert_true(task.count == 2 && task.part[1] == 4 && task.coefficient[1] == -0.5f);
}

/* Nothing that no owner says is believed: other lengths, modes, primes, parts, numbers. */
static void test_specs_refuse_the_rest(void **state)
{
    (void)state;
    uint8_t bytes[COVEY_ROUND_SPEC_BYTES];
    struct covey_round_spec round;
    struct covey_task_spec task;
    struct covey_enlist_spec enlist;
    const struct covey_round_spec product = {
        .mode = COVEY_TRAIN_PRODUCTS, .product = conv, .prime = COVEY_FIELD_PRIMES};
    covey__round_spec_encode(&product, bytes);
    const struct covey_bytes whole = covey_bytes_of(bytes, COVEY_ROUND_SPEC_BYTES);
    for (size_t len = 0; len < COVEY_ROUND_SPEC_BYTES; len++) {
        assert_int_not_equal(covey__round_spec_decode(covey_bytes_of(bytes, len), &round),
                             COVEY_OK);
    }
    assert_int_equal(covey__round_spec_decode(whole, &round), COVEY_OK);
    const struct {
        size_t at;
        uint8_t to;
    } bad[] = {{0, 0}, {0, 3}, {81, COVEY_FIELD_PRIMES + 1}, {82, 2}, {1, 0xff}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t was = bytes[bad[i].at];
        bytes[bad[i].at] = bad[i].to;
        assert_int_not_equal(covey__round_spec_decode(whole, &round), COVEY_OK);
        bytes[bad[i].at] = was;
    }
    const struct covey_task_spec neither = {.rows = 0, .count = 0}, both = {.rows = 1, .count = 1},
                                 wild = {.count = 1, .coefficient = {NAN}};
    const struct covey_task_spec *const tasks[] = {&neither, &both, &wild};
    for (size_t i = 0; i < 3; i++) {
        covey__task_spec_encode(tasks[i], bytes);
        assert_int_not_equal(
            covey__task_spec_decode(covey_bytes_of(bytes, COVEY_TASK_SPEC_BYTES), &task), COVEY_OK);
    }
    const struct covey_enlist_spec none = {.mode = COVEY_TRAIN_DATA, .part = 0};
    covey__enlist_spec_encode(&none, bytes);
    assert_int_not_equal(
        covey__enlist_spec_decode(covey_bytes_of(bytes, COVEY_ENLIST_SPEC_BYTES), &enlist),
        COVEY_OK);
}

/* A bench's request and its result come back; a result of another length does not. */
static void test_bench_comes_back(void **state)
{
    (void)state;
    uint8_t bytes[COVEY_PRODUCT_BENCH_BYTES], more[512];
    const struct covey_product_bench bench = {.product = conv,
                                              .kind = COVEY_CODE_LT,
                                              .blocks = 3,
                                              .tasks = 9,
                                              .rounds = 2,
                                              .await = 4,
                                              .own_work = true};
    struct covey_product_bench back;
    covey_product_bench_encode(&bench, bytes);
    assert_int_equal(covey_product_bench_decode(covey_bytes_of(bytes, sizeof(bytes)), &back),
                     COVEY_OK);
    assert_true(back.kind == COVEY_CODE_LT && back.tasks == 9 && back.await == 4);
    assert_true(back.own_work && !back.check_all && !back.model);
    const float ms[2] = {1.5f, 2.5f};
    const struct covey_product_bench_result result = {.rounds = 2,
                                                      .answers = 6,
                                                      .error = 1e-6,
                                                      .exact = true,
                                                      .liars = 1,
                                                      .liar = {{.bytes = {7}}},
                                                      .ms = (const uint8_t *)ms};
    struct covey_product_bench_result result_back;
    size_t len = covey_product_bench_result_bytes(&result);
    assert_true(len < sizeof(more));
    covey_product_bench_result_encode(&result, more);
    assert_int_equal(covey_product_bench_result_decode(covey_bytes_of(more, len), &result_back),
                     COVEY_OK);
    assert_true(result_back.answers == 6 && result_back.exact && result_back.error == 1e-6);
    assert_int_equal(result_back.liar[0].bytes[0], 7);
    assert_memory_equal(result_back.ms, ms, sizeof(ms));
    assert_int_not_equal(
        covey_product_bench_result_decode(covey_bytes_of(more, len - 1), &result_back), COVEY_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specs_come_back),
        cmocka_unit_test(test_specs_refuse_the_rest),
        cmocka_unit_test(test_bench_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
