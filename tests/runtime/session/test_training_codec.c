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

/* The digests of so many pieces; heap. */
static uint8_t *make_pieces(uint64_t bytes, struct covey_checkpoint_pieces *out)
{
    *out = (struct covey_checkpoint_pieces){.bytes = bytes};
    assert_int_equal(covey__checkpoint_count(bytes, &out->count), COVEY_OK);
    uint8_t *digests = malloc(out->count * sizeof(struct covey_digest));
    assert_non_null(digests);
    for (size_t i = 0; i < out->count * sizeof(struct covey_digest); i++) {
        digests[i] = (uint8_t)(i / sizeof(struct covey_digest));
    }
    out->digests = digests;
    return digests;
}

/* A checkpoint's parts come back as they were; of any that is cut, or of more epochs than the
 * session has, none does. */
static void test_checkpoint(void **state)
{
    (void)state;
    struct covey_training_record r, back = {.epoch = 0};
    struct covey_bytes record;
    struct covey_checkpoint_pieces pieces, read;
    uint8_t *paper = NULL, *digests = make_pieces(2 * COVEY_CHECKPOINT_PIECE + 9, &pieces);
    size_t len = 0;
    make_record(&r, 3, 28);
    assert_int_equal(covey__training_checkpoint_encode(&r, &pieces, &paper, &len), COVEY_OK);
    assert_int_equal(covey__training_checkpoint_decode(covey_bytes_of(paper, len), &record, &read),
                     COVEY_OK);
    assert_true(read.bytes == pieces.bytes && read.count == 3);
    assert_memory_equal(read.digests, digests, 3 * sizeof(struct covey_digest));
    assert_int_equal(covey__checkpoint_piece_bytes(&read, 1), COVEY_CHECKPOINT_PIECE);
    assert_int_equal(covey__checkpoint_piece_bytes(&read, 2), 9);
    assert_int_equal(covey__checkpoint_piece(&read, 2).bytes[31], 2);
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
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(
            covey__training_checkpoint_decode(covey_bytes_of(paper, i), &record, &read),
            COVEY_ERR_MALFORMED);
    }
    free(paper);
    free(digests);
    covey__training_record_done(&r);
}

static covey_err decode_of(uint8_t *paper, size_t len, uint64_t bytes, size_t digests)
{
    struct covey_bytes record;
    struct covey_checkpoint_pieces read;
    covey_store64(paper + len - digests * sizeof(struct covey_digest) - sizeof(bytes), bytes);
    return covey__training_checkpoint_decode(covey_bytes_of(paper, len), &record, &read);
}

/* A paper names as many pieces as its state takes, at least one and no more than there may be; the
 * largest fits a body. */
static void test_checkpoint_bounds(void **state)
{
    (void)state;
    const uint64_t piece = COVEY_CHECKPOINT_PIECE, most = piece * COVEY_CHECKPOINT_PIECES_MAX;
    struct covey_training_record r;
    struct covey_checkpoint_pieces pieces;
    size_t len = 0, count = 0;
    uint8_t *paper = NULL;
    assert_int_equal(covey__checkpoint_count(0, &count), COVEY_ERR_RANGE);
    assert_int_equal(covey__checkpoint_count(most + 1, &count), COVEY_ERR_LIMIT);
    assert_int_equal(covey__checkpoint_count(UINT64_MAX, &count), COVEY_ERR_LIMIT);
    make_record(&r, 1, 2);
    uint8_t *digests = make_pieces(most, &pieces);
    assert_int_equal(covey__training_checkpoint_encode(&r, &pieces, &paper, &len), COVEY_OK);
    assert_true(len < COVEY_BODY_MAX);
    const size_t all = COVEY_CHECKPOINT_PIECES_MAX;
    assert_int_equal(decode_of(paper, len, most, all), COVEY_OK);
    assert_int_equal(decode_of(paper, len, most - piece + 1, all), COVEY_OK);
    assert_int_equal(decode_of(paper, len, most - piece, all), COVEY_ERR_MALFORMED);
    assert_int_equal(decode_of(paper, len, most + 1, all), COVEY_ERR_LIMIT);
    assert_int_equal(decode_of(paper, len, UINT64_MAX, all), COVEY_ERR_LIMIT);
    assert_int_equal(decode_of(paper, len, 0, all), COVEY_ERR_RANGE);
    paper[0] ^= 1;
    assert_int_equal(decode_of(paper, len, most, all), COVEY_ERR_MALFORMED);
    free(paper);
    free(digests);
    covey__training_record_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job),        cmocka_unit_test(test_job_bounds),
        cmocka_unit_test(test_progress),   cmocka_unit_test(test_curve),
        cmocka_unit_test(test_checkpoint), cmocka_unit_test(test_checkpoint_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
