/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lab.h"

enum { DELAY_MS = 20 };

struct late {
    struct covey_task task;
    struct covey_lab *lab;
    struct covey_loop *loop;
    unsigned calls, given; /* done() was called; the answer was given away */
};

static void on_done(struct covey_task *task)
{
    struct late *late = (struct late *)task;
    late->calls++;
    if (covey__lab_late(late->lab, task)) {
        return;
    }
    late->given++;
    covey_loop_stop(late->loop);
}

/* Only a node that was started for a lab obeys. */
static void test_lab_must_be_allowed(void **state)
{
    (void)state;
    struct covey_lab lab;
    struct covey_loop *loop = NULL;
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    covey__lab_init(&lab, loop, false);
    assert_int_equal(covey__lab_set(&lab, DELAY_MS, true), COVEY_ERR_DENIED);
    struct late late = {.task.done = on_done, .lab = &lab, .loop = loop};
    on_done(&late.task);
    assert_int_equal(late.given, 1);
    covey__lab_done(&lab);
    covey_loop_free(loop);
}

/* An answer is given once, no earlier than told; and at once when told no longer. */
static void test_lab_delays(void **state)
{
    (void)state;
    struct covey_lab lab;
    struct covey_loop *loop = NULL;
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    covey__lab_init(&lab, loop, true);
    assert_int_equal(covey__lab_set(&lab, DELAY_MS, false), COVEY_OK);
    struct late late = {.task.done = on_done, .lab = &lab, .loop = loop};
    uint64_t start_ms = covey_loop_now_ms(loop);
    on_done(&late.task);
    assert_int_equal(late.given, 0);
    covey_loop_run(loop);
    assert_int_equal(late.given, 1);
    assert_int_equal(late.calls, 2);
    assert_true(covey_loop_now_ms(loop) >= start_ms + DELAY_MS);
    assert_int_equal(covey__lab_set(&lab, 0, false), COVEY_OK);
    on_done(&late.task);
    assert_int_equal(late.given, 2);
    covey__lab_done(&lab);
    covey_loop_free(loop);
}

/* What is late when the node ends is done then. */
static void test_lab_ends(void **state)
{
    (void)state;
    struct covey_lab lab;
    struct covey_loop *loop = NULL;
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    covey__lab_init(&lab, loop, true);
    assert_int_equal(covey__lab_set(&lab, 600000, false), COVEY_OK);
    struct late late[2] = {{.task.done = on_done, .lab = &lab, .loop = loop},
                           {.task.done = on_done, .lab = &lab, .loop = loop}};
    on_done(&late[0].task);
    on_done(&late[1].task);
    covey__lab_done(&lab);
    assert_int_equal(late[0].given, 1);
    assert_int_equal(late[1].given, 1);
    covey_loop_free(loop);
}

/* A liar changes some of an answer's numbers, an honest node none; answers of any length. */
static void test_lab_lies(void **state)
{
    (void)state;
    struct covey_lab lab;
    covey__lab_init(&lab, NULL, true);
    for (size_t floats = 0; floats < 40; floats++) {
        struct covey_body *body = NULL;
        assert_int_equal(covey_body_new(floats * sizeof(float), &body), COVEY_OK);
        for (size_t i = 0; i < body->len; i++) {
            body->data[i] = 0x3f;
        }
        assert_int_equal(covey__lab_set(&lab, 0, false), COVEY_OK);
        covey__lab_lie(&lab, body);
        size_t changed = 0;
        for (size_t i = 0; i < body->len; i++) {
            changed += body->data[i] != 0x3f;
        }
        assert_int_equal(changed, 0);
        assert_int_equal(covey__lab_set(&lab, 0, true), COVEY_OK);
        covey__lab_lie(&lab, body);
        for (size_t i = 0; i < body->len; i++) {
            changed += body->data[i] != 0x3f;
        }
        assert_true(floats == 0 ? changed == 0 : changed > 0 && changed <= floats / 8 + 1);
        covey_body_unref(body);
    }
    covey__lab_lie(&lab, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lab_must_be_allowed),
        cmocka_unit_test(test_lab_delays),
        cmocka_unit_test(test_lab_ends),
        cmocka_unit_test(test_lab_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
