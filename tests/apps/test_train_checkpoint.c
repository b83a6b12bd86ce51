/* SPDX-License-Identifier: MIT */
#include "train_run.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "covey/crypto.h"
#include "train_checkpoint.h"

enum { EPOCHS = 3, DIGEST = 32 };

static struct covey_training_epoch history[EPOCHS] = {
    {2.5, 10, 11, 0.5, 0.25}, {1.25, 20, 21, 0.5, 0.25}, {0.1, 30, 31, 0.5, 1e-3}};

static void make(struct covey__train_checkpoint *out)
{
    static const uint8_t state[100] = {1, 2, 3};
    struct covey__train_checkpoint c = {
        .options = {.model = "mlp",
                    .data = "digits:x",
                    .out = "o.onnx",
                    .optimizer = "adam",
                    .schedule = "step",
                    .augment = "none",
                    .normalise = "auto",
                    .epochs = 5,
                    .batch = 7,
                    .seed = UINT32_MAX,
                    .threads = 1,
                    .lr = 0.1,
                    .nesterov = true},
        .data = {{1}},
        .model = {{2}},
        .progress = {EPOCHS, 4, 1.5, 0.75, 9, history},
        .state = covey_bytes_of(state, sizeof state),
    };
    *out = c;
}

static covey_err decode(const uint8_t *file, size_t len)
{
    struct covey__train_checkpoint c;
    covey_err err = covey__train_checkpoint_decode(covey_bytes_of(file, len), &c);
    if (err == COVEY_OK) {
        free(c.progress.history);
    }
    return err;
}

/* What is written is read again, all of it, and written again as the same bytes. */
static void test_round(void **state)
{
    struct covey__train_checkpoint c, got;
    uint8_t *file = NULL, *again = NULL;
    size_t len = 0, again_len = 0;
    (void)state;
    make(&c);
    assert_int_equal(covey__train_checkpoint_encode(&c, &file, &len), COVEY_OK);
    assert_int_equal(covey__train_checkpoint_decode(covey_bytes_of(file, len), &got), COVEY_OK);
    assert_string_equal(got.options.model, "mlp");
    assert_null(got.options.test);
    assert_int_equal(got.options.seed, UINT32_MAX);
    assert_true(got.options.lr == 0.1 && got.options.nesterov);
    assert_int_equal(got.progress.epoch, EPOCHS);
    assert_memory_equal(got.progress.history, history, sizeof history);
    assert_int_equal(got.state.len, c.state.len);
    assert_memory_equal(got.state.ptr, c.state.ptr, c.state.len);
    assert_int_equal(covey__train_checkpoint_encode(&got, &again, &again_len), COVEY_OK);
    assert_int_equal(again_len, len);
    assert_memory_equal(again, file, len);
    free(got.progress.history);
    free(file);
    free(again);
}

/* Cut anywhere, or with any bit turned, it is refused. */
static void test_damaged(void **state)
{
    struct covey__train_checkpoint c;
    uint8_t *file = NULL;
    size_t len = 0;
    (void)state;
    make(&c);
    assert_int_equal(covey__train_checkpoint_encode(&c, &file, &len), COVEY_OK);
    for (size_t i = 0; i < len; i++) {
        uint8_t *cut = malloc(i + 1);
        assert_non_null(cut);
        memcpy(cut, file, i);
        assert_int_equal(decode(cut, i), COVEY_ERR_MALFORMED);
        free(cut);
        file[i] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(decode(file, len), COVEY_ERR_MALFORMED);
        file[i] ^= (uint8_t)(1 << i % 8);
    }
    assert_int_equal(decode(file, len), COVEY_OK);
    free(file);
}

/* Bytes that someone chose, with a digest that is right, are read or refused, never believed. */
static void test_forged(void **state)
{
    static const uint8_t values[] = {0x00, 0x01, 0x1b, 0x3b, 0x5b, 0x80, 0x9b, 0xa0, 0xbb, 0xff};
    struct covey__train_checkpoint c;
    struct covey_digest digest;
    uint8_t *file = NULL;
    size_t len = 0;
    int refused = 0;
    (void)state;
    make(&c);
    assert_int_equal(covey__train_checkpoint_encode(&c, &file, &len), COVEY_OK);
    for (size_t i = 8; i < len - DIGEST - c.state.len; i++) {
        uint8_t kept = file[i];
        for (size_t k = 0; k < sizeof values; k++) {
            file[i] = values[k];
            covey_hash(&digest, covey_bytes_of(file, len - DIGEST));
            memcpy(file + len - DIGEST, digest.bytes, DIGEST);
            refused += decode(file, len) != COVEY_OK;
        }
        file[i] = kept;
    }
    assert_true(refused > 1000);
    free(file);
}

/* Waits for one of the events in the folder, of any file that belongs to the checkpoint. */
static void wait_event(int watch)
{
    _Alignas(struct inotify_event) char events[sizeof(struct inotify_event) + NAME_MAX + 1];
    for (;;) {
        ssize_t len = read(watch, events, sizeof events);
        assert_true(len >= (ssize_t)sizeof(struct inotify_event));
        const struct inotify_event *event = (const void *)events;
        if (event->len > 0 && strncmp(event->name, "ck", 2) == 0) {
            return;
        }
    }
}

/* Killed at any moment of writing, what is there is the last checkpoint or the one before. */
static void test_killed(void **state)
{
    static const uint32_t moments[] = {IN_CREATE, IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO};
    static struct said s;
    struct child c;
    train(state,
          "--model mlp --batch 100 --epochs 1 --data " TRAIN_DIGITS
          " --out @a.onnx --checkpoint @ck",
          &s);
    assert_int_equal(s.code, 0);
    for (unsigned i = 0; i < 20; i++) {
        size_t len = 0;
        int watch = inotify_init();
        assert_true(watch >= 0);
        assert_true(inotify_add_watch(watch, *state, moments[i % 4]) >= 0);
        child_start(state, &c,
                    "--model mlp --batch 100 --epochs 1000 --data " TRAIN_DIGITS
                    " --out @b.onnx --checkpoint @ck --every 1");
        for (unsigned k = 0; k <= i % 3; k++) {
            wait_event(watch);
        }
        kill(c.pid, SIGKILL);
        child_end(state, &c, &s);
        close(watch);
        assert_int_equal(s.code, 256 + SIGKILL);
        uint8_t *file = scratch_read(state, "ck", &len);
        assert_int_equal(decode(file, len), COVEY_OK);
        free(file);
    }
    assert_false(scratch_has(state, "b.onnx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_forged),
        cmocka_unit_test_setup_teardown(test_killed, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
