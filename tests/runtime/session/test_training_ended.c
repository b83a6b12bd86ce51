/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "training_ended.h"

enum { PATH_LEN = 700, EPOCHS = 3, STEPS = 28 };

/* One that ended after all its steps; freed with done(). */
static struct covey_training_ended sample(uint8_t number)
{
    struct covey_training_ended e = {
        .fence = {.epoch = 2},
        .job = {.name = "first", .model_name = "lenet5", .epochs = EPOCHS},
        .progress = {.state = COVEY_TRAINING_DONE,
                     .epoch = EPOCHS,
                     .epochs = EPOCHS,
                     .steps = STEPS,
                     .total_steps = EPOCHS * STEPS,
                     .test_accuracy = 0.75,
                     .why = "computed here"},
    };
    covey_train_options_init(&e.job.train);
    memset(e.fence.session.bytes, number, sizeof(e.fence.session.bytes));
    memset(e.result.bytes, 7, sizeof(e.result.bytes));
    assert_int_equal(covey__training_record_init(&e.record, EPOCHS), COVEY_OK);
    for (unsigned epoch = 0; epoch < EPOCHS; epoch++) {
        for (unsigned i = 0; i < STEPS; i++) {
            covey__training_record_step(&e.record, 2.0f, 3, 0.5);
        }
        covey__training_record_epoch(&e.record, 17, 1.5);
    }
    return e;
}

static covey_err code(struct covey_training_ended *e, struct covey_training_ended *out)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    assert_int_equal(covey__training_ended_encode(e, &bytes, &len), COVEY_OK);
    for (size_t i = 0; i < len; i++) {
        struct covey_training_ended cut;
        assert_int_not_equal(covey__training_ended_decode(covey_bytes_of(bytes, i), &cut),
                             COVEY_OK);
    }
    covey_err err = covey__training_ended_decode(covey_bytes_of(bytes, len), out);
    free(bytes);
    return err;
}

/* It comes back as it was, and never when it is cut. */
static void test_comes_back(void **state)
{
    (void)state;
    struct covey_training_ended e = sample(1), back;
    assert_int_equal(code(&e, &back), COVEY_OK);
    assert_memory_equal(&back.fence.session, &e.fence.session, sizeof(e.fence.session));
    assert_int_equal(back.fence.epoch, 2);
    assert_memory_equal(&back.result, &e.result, sizeof(e.result));
    assert_string_equal(back.job.name, "first");
    assert_memory_equal(&back.progress, &e.progress, sizeof(e.progress));
    assert_int_equal(back.record.epoch, EPOCHS);
    assert_true(back.record.history[2].loss == 2.0 && back.record.history[2].test_correct == 17);
    covey__training_ended_done(&back);
    covey__training_ended_done(&e);
}

/* One that is not done, that tells of more epochs than its job has, or that a later version wrote
 * is refused. */
static void test_refused(void **state)
{
    (void)state;
    struct covey_training_ended e = sample(1), back;
    uint8_t *bytes = NULL;
    size_t len = 0;
    e.progress.state = COVEY_TRAINING_STOPPED;
    assert_int_equal(code(&e, &back), COVEY_ERR_RANGE);
    e.progress.state = COVEY_TRAINING_DONE;
    e.job.epochs = EPOCHS - 1;
    assert_int_equal(code(&e, &back), COVEY_ERR_RANGE);
    e.job.epochs = EPOCHS;
    assert_int_equal(covey__training_ended_encode(&e, &bytes, &len), COVEY_OK);
    assert_int_equal(bytes[1], 1); /* behind the head of the array */
    bytes[1] = 2;
    assert_int_equal(covey__training_ended_decode(covey_bytes_of(bytes, len), &back),
                     COVEY_ERR_UNSUPPORTED);
    free(bytes);
    covey__training_ended_done(&e);
}

/* ---- files ---- */

static void path_of(const struct covey_store *store, uint8_t number, const char *tail,
                    char out[static PATH_LEN])
{
    int n = snprintf(out, PATH_LEN, "%s/trained/", store->dir);
    for (unsigned i = 0; i < sizeof(struct covey_session_id); i++) {
        n += snprintf(out + n, PATH_LEN - (size_t)n, "%02x", number);
    }
    snprintf(out + n, PATH_LEN - (size_t)n, "%s", tail);
}

static bool is_there(const struct covey_store *store, uint8_t number, const char *tail)
{
    char path[PATH_LEN];
    path_of(store, number, tail, path);
    return access(path, F_OK) == 0;
}

/* Written so many seconds after the first. */
static void write_one(const struct covey_store *store, uint8_t number, long second)
{
    char path[PATH_LEN];
    struct timespec times[2] = {{.tv_sec = 1000000 + second}, {.tv_sec = 1000000 + second}};
    struct covey_training_ended e = sample(number);
    assert_int_equal(covey__training_ended_write(store, &e), COVEY_OK);
    covey__training_ended_done(&e);
    path_of(store, number, "", path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

struct seen {
    uint8_t number[COVEY__TRAINING_ENDED_MAX];
    unsigned count, wrong;
};

static void see(void *user, covey_err err, const char *name, struct covey_training_ended *e)
{
    struct seen *seen = user;
    assert_non_null(name);
    assert_true(seen->count + seen->wrong < COVEY__TRAINING_ENDED_MAX);
    if (err == COVEY_OK) {
        seen->number[seen->count++] = e->fence.session.bytes[0];
    } else {
        seen->wrong++;
    }
}

static void open_store(void **state, struct covey_store *store)
{
    char dir[SCRATCH_PATH];
    scratch_folder(state, dir);
    assert_int_equal(covey__store_open(store, dir), COVEY_OK);
}

/* The newest ones are told, the oldest of them first; those before them are removed. */
static void test_the_newest_are_read(void **state)
{
    struct covey_store store;
    struct seen seen = {.count = 0}, none = {.count = 0};
    open_store(state, &store);
    covey__training_ended_read(&store, see, &none);
    assert_int_equal(none.count + none.wrong, 0);
    const uint8_t all = COVEY__TRAINING_ENDED_MAX + 4;
    for (uint8_t i = 0; i < all; i++) {
        write_one(&store, i, (i * 7) % all); /* not in the order of their names */
    }
    covey__training_ended_read(&store, see, &seen);
    assert_int_equal(seen.count, COVEY__TRAINING_ENDED_MAX);
    for (uint8_t i = 0; i < COVEY__TRAINING_ENDED_MAX; i++) {
        assert_int_equal((seen.number[i] * 7) % all, i + 4);
    }
    for (uint8_t i = 0; i < all; i++) {
        assert_int_equal(is_there(&store, i, ""), (i * 7) % all >= 4);
    }
    struct covey_session_id gone;
    memset(gone.bytes, seen.number[0], sizeof(gone.bytes));
    covey__training_ended_remove(&store, &gone);
    assert_false(is_there(&store, seen.number[0], ""));
}

static void put_bytes(const struct covey_store *store, uint8_t number, const char *tail,
                      const char *text)
{
    char path[PATH_LEN];
    path_of(store, number, tail, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* A damaged file is told as an error and left; one of another session's is an error; one that was
 * left half-written goes; what has no such name is no file of these. */
static void test_what_is_damaged_is_told(void **state)
{
    char from[PATH_LEN], to[PATH_LEN];
    struct covey_store store;
    struct seen seen = {.count = 0};
    open_store(state, &store);
    write_one(&store, 1, 1);
    write_one(&store, 2, 2);
    put_bytes(&store, 3, "", "no such thing");
    put_bytes(&store, 4, ".abcdef", "half");
    path_of(&store, 2, "", from);
    path_of(&store, 5, "", to);
    assert_int_equal(rename(from, to), 0);
    snprintf(to, sizeof(to), "%s/trained/notes", store.dir);
    assert_int_equal(mkdir(to, 0700), 0);
    covey__training_ended_read(&store, see, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.number[0], 1);
    assert_int_equal(seen.wrong, 2);
    assert_true(is_there(&store, 3, "") && is_there(&store, 5, ""));
    assert_false(is_there(&store, 4, ".abcdef"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_the_newest_are_read),
        cmocka_unit_test(test_what_is_damaged_is_told),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
