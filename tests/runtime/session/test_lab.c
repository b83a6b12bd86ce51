/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static covey_err set(struct covey_lab *lab, uint32_t delay_ms, uint8_t lie_percent)
{
    struct covey_control_lab told = {.delay_ms = delay_ms, .lie_percent = lie_percent};
    return covey__lab_set(lab, &told);
}

/* Only a node that was started for a lab obeys. */
static void test_lab_must_be_allowed(void **state)
{
    (void)state;
    struct covey_lab lab;
    struct covey_loop *loop = NULL;
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    covey__lab_init(&lab, loop, false);
    assert_int_equal(set(&lab, DELAY_MS, 100), COVEY_ERR_DENIED);
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
    assert_int_equal(set(&lab, DELAY_MS, 0), COVEY_OK);
    struct late late = {.task.done = on_done, .lab = &lab, .loop = loop};
    uint64_t start_ms = covey_loop_now_ms(loop);
    on_done(&late.task);
    assert_int_equal(late.given, 0);
    covey_loop_run(loop);
    assert_int_equal(late.given, 1);
    assert_int_equal(late.calls, 2);
    assert_true(covey_loop_now_ms(loop) >= start_ms + DELAY_MS);
    assert_int_equal(set(&lab, 0, 0), COVEY_OK);
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
    assert_int_equal(set(&lab, 600000, 0), COVEY_OK);
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
        assert_int_equal(set(&lab, 0, 0), COVEY_OK);
        covey__lab_lie(&lab, body);
        size_t changed = 0;
        for (size_t i = 0; i < body->len; i++) {
            changed += body->data[i] != 0x3f;
        }
        assert_int_equal(changed, 0);
        assert_int_equal(set(&lab, 0, 100), COVEY_OK);
        covey__lab_lie(&lab, body);
        for (size_t i = 0; i < body->len; i++) {
            changed += body->data[i] != 0x3f;
        }
        assert_true(floats == 0 ? changed == 0 : changed > 0 && changed <= floats / 8 + 1);
        covey_body_unref(body);
    }
    covey__lab_lie(&lab, NULL);
}

/* Who lies in one answer of a hundred lies sometimes, and seldom: 3000 answers hold 30 lies on
 * average, none with a chance of 8e-14, 120 or more with one below 1e-20. */
static void test_lab_lies_sometimes(void **state)
{
    (void)state;
    struct covey_lab lab;
    struct covey_body *body = NULL;
    unsigned lies = 0;
    covey__lab_init(&lab, NULL, true);
    assert_int_equal(covey_body_new(sizeof(float), &body), COVEY_OK);
    assert_int_equal(set(&lab, 0, 1), COVEY_OK);
    for (unsigned i = 0; i < 3000; i++) {
        memset(body->data, 0, body->len);
        covey__lab_lie(&lab, body);
        lies += body->data[3] != 0;
    }
    assert_in_range(lies, 1, 119);
    covey_body_unref(body);
}

/* A task's sleep is the same for every task of a round and every strategy, another one in another
 * round; the delay of all answers comes on top. */
static void test_lab_tasks_sleep(void **state)
{
    (void)state;
    struct covey_lab lab;
    covey__lab_init(&lab, NULL, true);
    assert_int_equal(covey__lab_task_delay(&lab, 1), 0);
    struct covey_control_lab told = {
        .latency = {.kind = COVEY_LATENCY_UNIFORM, .a_us = 1000000, .b_us = 90000000}};
    assert_int_equal(covey__lab_set(&lab, &told), COVEY_OK);
    uint64_t first = covey__lab_task_delay(&lab, 1), second = covey__lab_task_delay(&lab, 2);
    assert_in_range(first, 1000, 90000);
    assert_in_range(second, 1000, 90000);
    assert_int_not_equal(first, second);
    assert_int_equal(covey__lab_task_delay(&lab, 1), first);
    lab.told.delay_ms = 7;
    assert_int_equal(covey__lab_task_delay(&lab, 1), first + 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lab_must_be_allowed),
        cmocka_unit_test(test_lab_delays),
        cmocka_unit_test(test_lab_ends),
        cmocka_unit_test(test_lab_lies),
        cmocka_unit_test(test_lab_lies_sometimes),
        cmocka_unit_test(test_lab_tasks_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
