/* SPDX-License-Identifier: MIT */
#include "train_run.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

/* Small, and of few steps. */
#define SMALL "--model mlp --depth 1 --units 24 --batch 200 --data " TRAIN_DIGITS " "

static double number_of(const char *document, const char *name)
{
    cJSON *json = cJSON_Parse(document);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!cJSON_IsNumber(item)) {
        fail_msg("no number '%s' in %s", name, document);
    }
    double value = item->valuedouble;
    cJSON_Delete(json);
    return value;
}

static double accuracy_of(void **state, const char *model)
{
    static struct said s;
    struct child c;
    char line[1024];
    (void)snprintf(line, sizeof line, "infer @%s " TRAIN_DIGITS ",test --local --json", model);
    child_start_covey(state, &c, line);
    child_end(state, &c, &s);
    assert_int_equal(s.code, 0);
    return number_of(s.out, "accuracy");
}

/* A network by name learns the digits, and the file written answers as well as the report says. */
static void test_learns(void **state)
{
    static struct said s;
    train(state,
          "--model lenet5 --augment none --epochs 6 --data " TRAIN_DIGITS
          " --out @a.onnx --report @a.md --json",
          &s);
    assert_int_equal(s.code, 0);
    double accuracy = number_of(s.out, "last_accuracy");
    assert_true(accuracy >= 0.9);
    assert_true(number_of(s.out, "best_accuracy") >= accuracy);
    assert_true(number_of(s.out, "steps") == 6 * (1437 / 50));
    assert_true(fabs(accuracy_of(state, "a.onnx") - accuracy) < 1e-6);
    size_t len = 0;
    uint8_t *report = scratch_read(state, "a.md", &len);
    report[len] = 0;
    assert_non_null(strstr((char *)report, "| 6 | "));
    free(report);
}

/* A file goes on being trained, and takes the same values as before. */
static void test_file(void **state)
{
    static struct said s;
    train(state, SMALL "--epochs 12 --augment none --out @a.onnx --json", &s);
    assert_int_equal(s.code, 0);
    double before = number_of(s.out, "last_accuracy");
    train(state,
          "--model @a.onnx --epochs 1 --lr 0.0001 --augment none --data " TRAIN_DIGITS
          " --out @b.onnx --json",
          &s);
    assert_int_equal(s.code, 0);
    assert_true(fabs(number_of(s.out, "last_accuracy") - before) < 0.02);
    assert_true(fabs(accuracy_of(state, "b.onnx") - number_of(s.out, "last_accuracy")) < 1e-6);
    assert_false(scratch_same(state, "a.onnx", "b.onnx"));
}

/* The same seed gives the same file, with any number of threads; another seed another. */
static void test_seed(void **state)
{
    static struct said s;
    const char *const lines[] = {SMALL "--epochs 2 --seed 7 --out @a.onnx",
                                 SMALL "--epochs 2 --seed 7 --out @b.onnx",
                                 SMALL "--epochs 2 --seed 7 --threads 2 --out @c.onnx",
                                 SMALL "--epochs 2 --seed 8 --out @d.onnx"};
    for (size_t i = 0; i < 4; i++) {
        train(state, lines[i], &s);
        assert_int_equal(s.code, 0);
    }
    assert_true(scratch_same(state, "a.onnx", "b.onnx"));
    assert_true(scratch_same(state, "a.onnx", "c.onnx"));
    assert_false(scratch_same(state, "a.onnx", "d.onnx"));
}

#define LONG SMALL "--epochs 100 --augment flip,shift=1,crop=1,warp=10 "

/* Stopped twice anywhere and resumed, training ends with the very file of an undisturbed run. */
static void resume_with(void **state, const char *options)
{
    static struct said s;
    struct child c;
    char line[1024];
    (void)snprintf(line, sizeof line, LONG "%s --out @whole.onnx", options);
    train(state, line, &s);
    assert_int_equal(s.code, 0);
    (void)snprintf(line, sizeof line, LONG "%s --out @parts.onnx --checkpoint @ck", options);
    child_start(state, &c, line);
    child_wait_line(&c, "epoch 2/100");
    kill(c.pid, SIGINT);
    child_end(state, &c, &s);
    expect_said(&s, 128 + SIGINT, "--resume");
    assert_false(scratch_has(state, "parts.onnx"));
    child_start(state, &c, "--resume @ck --every 3");
    child_wait_line(&c, "epoch 20/100");
    kill(c.pid, SIGTERM);
    child_end(state, &c, &s);
    expect_said(&s, 128 + SIGTERM, "--resume");
    train(state, "--resume @ck --threads 2", &s);
    assert_int_equal(s.code, 0);
    assert_non_null(strstr(s.out, "epoch 100/100"));
    assert_true(scratch_same(state, "whole.onnx", "parts.onnx"));
}

static void test_resume_sgd(void **state)
{
    resume_with(state, "--nesterov --weight-decay 0.001 --warmup 10 --label-smoothing 0.1");
}

static void test_resume_adam(void **state)
{
    resume_with(state, "--optimizer adam --schedule step --step-epochs 30");
}

/* Without --checkpoint a stop writes nothing and says so. */
static void test_stop(void **state)
{
    static struct said s;
    struct child c;
    child_start(state, &c, LONG "--out @a.onnx");
    child_wait_line(&c, "epoch 1/100");
    kill(c.pid, SIGINT);
    child_end(state, &c, &s);
    expect_said(&s, 128 + SIGINT, "nothing was written");
    assert_false(scratch_has(state, "a.onnx"));
}

/* A resumed run that asks for other numbers, or finds other data or no checkpoint, is refused. */
static void test_resume_refused(void **state)
{
    static struct said s;
    size_t len = 0;
    train(state, SMALL "--epochs 1 --out @a.onnx --checkpoint @ck", &s);
    assert_int_equal(s.code, 0);
    scratch_remove(state, "a.onnx");
    const struct {
        const char *line;
        int code;
        const char *words;
    } bad[] = {
        {"--resume @ck --model lenet5", 2, "--model"},
        {"--resume @ck --seed 2", 2, "--seed"},
        {"--resume @ck --lr 0.5", 2, "--lr"},
        {"--resume @ck --data " TRAIN_DIGITS ",test", 6, "other data"},
        {"--resume @missing", 6, "missing"},
        {"--resume @short", 6, "not a whole checkpoint"},
        {"--resume @text", 6, "not a whole checkpoint"},
    };
    uint8_t *whole = scratch_read(state, "ck", &len);
    char path[FIXTURE_PATH];
    scratch_write(state, "short", whole, len - 1, path);
    scratch_write(state, "text", "COVEYCKP and no more", 20, path);
    free(whole);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        train(state, bad[i].line, &s);
        expect_said(&s, bad[i].code, bad[i].words);
        assert_false(scratch_has(state, "a.onnx"));
    }
    train(state, "--resume @ck --seed 1 --epochs 1", &s);
    assert_int_equal(s.code, 0);
    assert_true(scratch_has(state, "a.onnx"));
}

/* A checkpoint goes with the file it was made from: a changed model is another. */
static void test_changed_model(void **state)
{
    static struct said s;
    train(state, SMALL "--epochs 1 --out @a.onnx", &s);
    assert_int_equal(s.code, 0);
    train(state,
          "--model @a.onnx --data " TRAIN_DIGITS " --epochs 1 --out @b.onnx --checkpoint @ck", &s);
    assert_int_equal(s.code, 0);
    train(state, SMALL "--epochs 1 --seed 5 --out @a.onnx", &s);
    train(state, "--resume @ck", &s);
    expect_said(&s, 6, "another model");
}

/* What cannot be done is one line and an exit code, and leaves no file. */
static void test_refused(void **state)
{
    static struct said s;
    struct child c;
    const struct {
        const char *line;
        int code;
        const char *words;
    } bad[] = {
        {"--model mlp --data " TRAIN_DIGITS, 2, "--out"},
        {SMALL "--out @a.onnx --epochs 0", 2, "--epochs"},
        {SMALL "--out @a.onnx --lr nan", 2, "--lr"},
        {SMALL "--out @a.onnx --lr 0", 2, "--lr"},
        {SMALL "--out @a.onnx --momentum 1", 2, "--momentum"},
        {SMALL "--out @a.onnx --optimizer lbfgs", 2, "--optimizer"},
        {SMALL "--out @a.onnx --optimizer adam --nesterov", 2, "--nesterov"},
        {SMALL "--out @a.onnx --schedule never", 2, "--schedule"},
        {SMALL "--out @a.onnx --augment flip,", 2, "--augment"},
        {SMALL "--out @a.onnx --augment shift=-1", 2, "--augment"},
        {SMALL "--out @a.onnx --augment warp=101", 2, "--augment"},
        {SMALL "--out @a.onnx --normalise maybe", 2, "--normalise"},
        {SMALL "--out @a.onnx --every 5", 2, "--checkpoint"},
        {SMALL "--out @a.onnx --batch 1438", 6, "--batch"},
        {SMALL "--out @a.onnx surplus", 2, "surplus"},
        {"--model mpl --out @a.onnx --data " TRAIN_DIGITS, 2, "mpl"},
        {"--model @no.onnx --out @a.onnx --data " TRAIN_DIGITS, 6, "no.onnx"},
        {"--model mlp --out @a.onnx --data digits:/nowhere", 6, "/nowhere"},
        {"--model mlp --out @a.onnx --data what:ever", 6, "what"},
        {SMALL "--test digits:/nowhere --out @a.onnx", 6, "/nowhere"},
        {SMALL "--out @none/a.onnx", 1, "none/a.onnx"},
        {"--model " COVEY_SOURCE_DIR
         "/apps/demo-data/README.onnx --out @a.onnx --data " TRAIN_DIGITS,
         6, "README.onnx"},
        {SMALL "--out @a.onnx --lr 1000 --momentum 0.99 --epochs 30", 1, "--lr"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        train(state, bad[i].line, &s);
        expect_said(&s, bad[i].code, bad[i].words);
        assert_false(scratch_has(state, "a.onnx"));
    }
    child_start_covey(state, &c, "train " SMALL "--out @a.onnx --state @nobody");
    child_end(state, &c, &s);
    expect_said(&s, 4, "--local");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_learns, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_file, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_seed, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_resume_sgd, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_resume_adam, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_stop, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_resume_refused, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_changed_model, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_refused, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
