/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "training_checkpoint.h"
#include "training_job.h"
#include "training_progress.h"

static struct covey_training_job sample_job(void)
{
    struct covey_training_job job = {
        .name = "first",
        .model_name = "lenet5",
        .epochs = 3,
        .every = 100,
        .mode = COVEY_TRAINING_PRODUCTS,
        .augment = {.flip = true, .shift = 2, .crop = 1, .warp = 0.25f},
        .strategy = {.kind = COVEY_CODE_MDS,
                     .blocks = 4,
                     .tasks = 6,
                     .spare = 1,
                     .all = true,
                     .any_trust = true,
                     .devices = 5},
    };
    covey_train_options_init(&job.train);
    job.train.total_steps = 84;
    memset(job.model.bytes, 1, sizeof(job.model.bytes));
    memset(job.data.bytes, 2, sizeof(job.data.bytes));
    memset(job.test.bytes, 3, sizeof(job.test.bytes));
    return job;
}

static covey_err code_job(const struct covey_training_job *job, struct covey_training_job *out)
{
    uint8_t bytes[COVEY_TRAINING_JOB_MAX];
    size_t len = 0;
    assert_int_equal(
        covey__training_job_encode(job, (struct covey_buf){bytes, sizeof(bytes)}, &len), COVEY_OK);
    for (size_t i = 0; i < len; i++) {
        struct covey_training_job cut;
        assert_int_not_equal(covey__training_job_decode(covey_bytes_of(bytes, i), &cut), COVEY_OK);
    }
    return covey__training_job_decode(covey_bytes_of(bytes, len), out);
}

/* A job comes back as it was, with and without test samples, and never when it is cut. */
static void test_job(void **state)
{
    (void)state;
    struct covey_training_job job = sample_job(), back;
    assert_int_equal(code_job(&job, &back), COVEY_OK);
    assert_string_equal(back.name, job.name);
    assert_string_equal(back.model_name, job.model_name);
    assert_memory_equal(&back.model, &job.model, sizeof(job.model));
    assert_memory_equal(&back.test, &job.test, sizeof(job.test));
    assert_int_equal(back.train.batch, job.train.batch);
    assert_true(back.train.lr == job.train.lr && back.train.beta2 == job.train.beta2 &&
                back.train.epsilon == job.train.epsilon);
    assert_int_equal(back.train.total_steps, 84);
    assert_true(back.augment.flip && back.augment.shift == 2 && back.augment.warp == 0.25f);
    assert_memory_equal(&back.strategy, &job.strategy, sizeof(job.strategy));
    memset(&job.test, 0, sizeof(job.test));
    assert_int_equal(code_job(&job, &back), COVEY_OK);
    assert_memory_equal(&back.test, &job.test, sizeof(job.test));
}

/* Numbers beyond their bounds are refused, and so is what would give private samples away. */
static void test_job_bounds(void **state)
{
    (void)state;
    struct covey_training_job job = sample_job(), back;
    job.train.lr = NAN;
    assert_int_equal(code_job(&job, &back), COVEY_ERR_RANGE);
    job = sample_job();
    job.train.batch = 0;
    assert_int_equal(code_job(&job, &back), COVEY_ERR_RANGE);
    job = sample_job();
    job.epochs = COVEY_TRAINING_EPOCHS_MAX + 1;
    assert_int_equal(code_job(&job, &back), COVEY_ERR_RANGE);
    job = sample_job();
    job.strategy.tasks = COVEY_ROUND_TASKS_MAX + 1;
    assert_int_equal(code_job(&job, &back), COVEY_ERR_RANGE);
    job = sample_job();
    job.strategy.masks = 1; /* of a code that masks nothing */
    assert_int_equal(code_job(&job, &back), COVEY_ERR_RANGE);
    job.strategy.kind = COVEY_CODE_PRIVATE;
    assert_int_equal(code_job(&job, &back), COVEY_OK);
    job.mode = COVEY_TRAINING_DATA;
    assert_int_equal(code_job(&job, &back), COVEY_ERR_RANGE);
}

/* Progress comes back as it was, liars and all; a line with control characters is refused. */
static void test_progress(void **state)
{
    (void)state;
    uint8_t bytes[COVEY_TRAINING_PROGRESS_MAX];
    size_t len = 0;
    struct covey_training_progress back, p = {.state = COVEY_TRAINING_RUNNING,
                                              .epoch = 1,
                                              .step = 7,
                                              .epochs = 3,
                                              .steps = 28,
                                              .total_steps = 35,
                                              .loss = 0.5,
                                              .accuracy = 0.75,
                                              .test_accuracy = -1,
                                              .steps_s = 12.5,
                                              .checkpoint_step = 30,
                                              .custodians = 2,
                                              .custodians_wanted = 3,
                                              .why = "products: 2 layers"};
    p.rounds.rounds = UINT64_MAX;
    p.rounds.workers = 4;
    p.rounds.liars = 2;
    memset(p.rounds.liar, 9, 2 * sizeof(p.rounds.liar[0]));
    struct covey_buf room = {bytes, sizeof(bytes)};
    assert_int_equal(covey__training_progress_encode(&p, room, &len), COVEY_OK);
    assert_int_equal(covey__training_progress_decode(covey_bytes_of(bytes, len), &back), COVEY_OK);
    assert_memory_equal(&back, &p, sizeof(p));
    for (size_t i = 0; i < len; i++) {
        assert_int_not_equal(covey__training_progress_decode(covey_bytes_of(bytes, i), &back),
                             COVEY_OK);
    }
    p.why[0] = '\n';
    assert_int_equal(covey__training_progress_encode(&p, room, &len), COVEY_OK);
    assert_int_equal(covey__training_progress_decode(covey_bytes_of(bytes, len), &back),
                     COVEY_ERR_MALFORMED);
}

static void make_record(struct covey_training_record *r, uint32_t epochs, uint32_t steps)
{
    assert_int_equal(covey__training_record_init(r, epochs), COVEY_OK);
    for (uint32_t e = 0; e < epochs; e++) {
        for (uint32_t i = 0; i < steps; i++) {
            covey__training_record_step(r, 2.0f, 3, 0.5);
        }
        covey__training_record_epoch(r, 17, 1.5);
    }
    covey__training_record_step(r, 2.0f, 1, 0.25);
}

/* However many steps there were, the curve has at most its points, each of them the mean of as many
 * steps, and none is left out. */
static void test_curve(void **state)
{
    (void)state;
    struct covey_training_record r;
    assert_int_equal(covey__training_record_init(&r, 1), COVEY_OK);
    for (uint32_t i = 0; i < 5000; i++) {
        covey__training_record_step(&r, (float)(i % 2), 0, 0);
        assert_true(r.points <= COVEY_TRAINING_POINTS);
    }
    assert_int_equal(r.stride, 16);
    assert_int_equal((uint64_t)r.points * r.stride + r.since, 5000);
    for (uint32_t i = 0; i < r.points; i++) {
        assert_true(r.curve[i] == 0.5f);
    }
    covey__training_record_done(&r);
}

/* A checkpoint's parts come back as they were; of any that is cut or of more epochs than the
 * session has, none does. */
static void test_checkpoint(void **state)
{
    (void)state;
    struct covey_training_record r, back = {.epoch = 0};
    struct covey_bytes record, rest;
    size_t at = 0, len = 0;
    make_record(&r, 3, 28);
    assert_int_equal(covey__training_checkpoint_size(&r, 100, &at, &len), COVEY_OK);
    assert_int_equal(len, at + 100);
    uint8_t *blob = malloc(len);
    assert_non_null(blob);
    memset(blob, 0x55, len);
    assert_int_equal(covey__training_checkpoint_begin(&r, blob, at), COVEY_OK);
    assert_int_equal(covey__training_checkpoint_open(covey_bytes_of(blob, len), &record, &rest),
                     COVEY_OK);
    assert_ptr_equal(rest.ptr, blob + at);
    assert_int_equal(rest.len, 100);
    assert_int_equal(covey__training_record_decode(record, 3, &back), COVEY_OK);
    assert_int_equal(back.epoch, 3);
    assert_int_equal(back.step, 1);
    assert_true(back.history[2].loss == 2.0 && back.history[2].correct == 84 &&
                back.history[2].test_correct == 17);
    assert_int_equal(back.points, r.points);
    assert_memory_equal(back.curve, r.curve, r.points * sizeof(r.curve[0]));
    covey__training_record_done(&back);
    assert_int_not_equal(covey__training_record_decode(record, 2, &back), COVEY_OK);
    covey__training_record_done(&back);
    for (size_t i = 0; i < record.len; i++) {
        assert_int_not_equal(covey__training_record_decode(covey_bytes_of(record.ptr, i), 3, &back),
                             COVEY_OK);
        covey__training_record_done(&back);
    }
    assert_int_equal(covey__training_checkpoint_open(covey_bytes_of(blob, at - 1), &record, &rest),
                     COVEY_ERR_MALFORMED);
    free(blob);
    covey__training_record_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job),        cmocka_unit_test(test_job_bounds),
        cmocka_unit_test(test_progress),   cmocka_unit_test(test_curve),
        cmocka_unit_test(test_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
