/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "covey/body.h"
#include "covey/files.h"
#include "covey/loop.h"

static int setup(void **state)
{
    static const char name[] = "/tmp/covey-test-XXXXXX";
    char *folder = malloc(sizeof(name));
    assert_non_null(folder);
    memcpy(folder, name, sizeof(name));
    assert_non_null(mkdtemp(folder));
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    int rc = rmdir(*state); /* fails if a test left a temporary file */
    free(*state);
    return rc;
}

/* What was written is read back, replaces the old whole, has the mode asked for, leaves nothing. */
static void test_file_write_and_read(void **state)
{
    char path[128];
    uint8_t *content = NULL;
    size_t len = 0;
    struct stat st;
    snprintf(path, sizeof(path), "%s/f", (const char *)*state);
    assert_false(covey_file_exists(path));
    assert_int_equal(covey_file_read(path, 10, &content, &len), COVEY_ERR_NOT_FOUND);
    assert_int_equal(covey_file_write(path, covey_bytes_of("first one", 9), 0640), COVEY_OK);
    assert_int_equal(covey_file_write(path, covey_bytes_of("second", 6), 0600), COVEY_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(covey_file_exists(path));
    assert_int_equal(covey_file_read(path, 5, &content, &len), COVEY_ERR_LIMIT);
    assert_int_equal(covey_file_read(path, 6, &content, &len), COVEY_OK);
    assert_int_equal(len, 6);
    assert_memory_equal(content, "second", 6);
    free(content);
    assert_int_equal(covey_file_write(path, covey_bytes_of("", 0), 0600), COVEY_OK);
    assert_int_equal(covey_file_read(path, 0, &content, &len), COVEY_OK);
    assert_int_equal(len, 0);
    free(content);
    assert_int_equal(unlink(path), 0);
}

/* A pipe is written to and stays one. */
static void test_file_write_to_a_pipe(void **state)
{
    char path[128], back[8] = "";
    struct stat st;
    snprintf(path, sizeof(path), "%s/pipe", (const char *)*state);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_true(covey_file_is_stream(path));
    assert_false(covey_file_is_stream(*state));
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(covey_file_write(path, covey_bytes_of("through", 7), 0600), COVEY_OK);
    assert_int_equal(read(fd, back, sizeof(back)), 7);
    assert_memory_equal(back, "through", 7);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    close(fd);
    assert_int_equal(unlink(path), 0);
}

/* Folders, pipes and missing folders are refused, without waiting. */
static void test_file_refuses(void **state)
{
    char path[128];
    uint8_t *content = NULL;
    size_t len = 0;
    snprintf(path, sizeof(path), "%s/pipe", (const char *)*state);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(covey_file_read(path, 10, &content, &len), COVEY_ERR_IO);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(covey_file_read(*state, 10, &content, &len), COVEY_ERR_IO);
    snprintf(path, sizeof(path), "%s/none/f", (const char *)*state);
    assert_int_equal(covey_file_write(path, covey_bytes_of("x", 1), 0600), COVEY_ERR_NOT_FOUND);
    assert_int_equal(covey_file_write(*state, covey_bytes_of("x", 1), 0600), COVEY_ERR_IO);
    assert_null(content);
}

/* A body keeps its bytes and alignment while it grows, and never beyond its limit. */
static void test_body_grows(void **state)
{
    (void)state;
    enum { STEP = 1000, STEPS = 200 };
    struct covey_body *b = NULL;
    uint8_t piece[STEP];
    assert_int_equal(covey_body_new((size_t)COVEY_BODY_MAX + 1, &b), COVEY_ERR_LIMIT);
    assert_int_equal(covey_body_new(0, &b), COVEY_OK);
    for (size_t i = 0; i < STEPS; i++) {
        memset(piece, (int)i, sizeof(piece));
        assert_int_equal(covey_body_append(b, covey_bytes_of(piece, sizeof(piece))), COVEY_OK);
        assert_int_equal((uintptr_t)b->data % 64, 0);
        assert_true(b->capacity <= 2 * b->len + 64);
    }
    assert_int_equal(b->len, STEP * STEPS);
    for (size_t i = 0; i < b->len; i++) {
        assert_int_equal(b->data[i], (uint8_t)(i / STEP));
    }
    assert_int_equal(covey_body_append(b, covey_bytes_of(piece, (size_t)COVEY_BODY_MAX)),
                     COVEY_ERR_LIMIT);
    covey_body_unref(covey_body_ref(b));
    covey_body_unref(b);
    covey_body_unref(NULL);
}

struct order {
    struct covey_loop *loop;
    struct covey_timer *timer;
    unsigned steps[4];
    unsigned count;
    bool worked;
};

static void step(struct order *o, unsigned number)
{
    o->steps[o->count++] = number;
}

static void posted_first(void *user)
{
    step(user, 1);
}

static void worked(void *user)
{
    struct order *o = user;
    o->worked = true;
}

static void work_done(void *user)
{
    struct order *o = user;
    step(o, 3);
    covey_timer_set(o->timer, covey_loop_now_ms(o->loop) + 1);
}

static void posted_second(void *user)
{
    struct order *o = user;
    step(o, 2);
    covey_err err = covey_loop_work(o->loop, worked, work_done, o);
    assert_int_equal(err, COVEY_OK);
}

static void timed(void *user)
{
    struct order *o = user;
    step(o, 4);
    covey_loop_stop(o->loop);
}

/* Posts run in order, work before its done, a timer at its deadline; a post never run is freed. */
static void test_loop_order(void **state)
{
    (void)state;
    struct order o = {0};
    assert_int_equal(covey_loop_new(&o.loop), COVEY_OK);
    assert_int_equal(covey_timer_new(o.loop, timed, &o, &o.timer), COVEY_OK);
    assert_int_equal(covey_loop_post(o.loop, posted_first, &o), COVEY_OK);
    assert_int_equal(covey_loop_post(o.loop, posted_second, &o), COVEY_OK);
    covey_loop_run(o.loop);
    assert_int_equal(o.count, 4);
    assert_true(o.worked);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(o.steps[i], i + 1);
    }
    assert_true(covey_wall_s() > 1600000000);
    uint64_t before = covey_clock_ns();
    assert_true(covey_clock_ns() >= before);
    covey_timer_set(o.timer, UINT64_MAX);
    covey_timer_free(o.timer);
    covey_loop_free(o.loop);
}

/* Writing to a pipe that nobody reads is an error in a process with a loop, not its end. */
static void test_loop_survives_broken_pipe(void **state)
{
    (void)state;
    struct covey_loop *loop = NULL;
    int ends[2];
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1);
    close(ends[1]);
    covey_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_file_write_and_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_write_to_a_pipe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_refuses, setup, teardown),
        cmocka_unit_test(test_body_grows),
        cmocka_unit_test(test_loop_order),
        cmocka_unit_test(test_loop_survives_broken_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
