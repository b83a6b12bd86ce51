/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "training_forecast.h"
#include "training_trial.h"

/* Makes steps of which one over the mesh takes mesh_ns and one here takes here_ns; how many of them
 * went over the mesh. */
static uint32_t run(struct covey__trial *t, uint32_t steps, uint64_t mesh_ns, uint64_t here_ns)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < steps; i++) {
        bool mesh = covey__trial_next(t);
        count += mesh;
        (void)covey__trial_took(t, mesh ? mesh_ns : here_ns);
    }
    return count;
}

/* The faster way is found within some steps and kept; trying the other costs a few in a hundred. */
static void test_faster(void **state)
{
    (void)state;
    struct covey__trial t = {.settled = false}, u = {.settled = false};
    (void)run(&t, 8, 10, 30);
    assert_true(t.settled && t.mesh);
    assert_true(run(&t, 2000, 10, 30) >= 1970);
    (void)run(&u, 8, 30, 10);
    assert_true(u.settled && !u.mesh);
    assert_true(run(&u, 2000, 30, 10) <= 30);
}

/* When what was faster becomes slower, or devices come, the other way is taken. */
static void test_changes(void **state)
{
    (void)state;
    struct covey__trial t = {.settled = false};
    (void)run(&t, 8, 10, 30);
    assert_true(t.mesh);
    (void)run(&t, 1000, 100, 30);
    assert_true(t.settled && !t.mesh);
    covey__trial_again(&t);
    (void)run(&t, 4, 10, 30);
    assert_true(t.settled && t.mesh);
}

/* A difference as small as times vary does not change anything. */
static void test_steady(void **state)
{
    (void)state;
    struct covey__trial t = {.settled = false};
    (void)run(&t, 8, 1000, 2000);
    assert_true(t.mesh);
    assert_true(run(&t, 4000, 1000, 980) >= 3940);
}

/* Parts divide the batch, are as many as keep all workers busy, and leave room for those to spare.
 */
static void test_parts(void **state)
{
    (void)state;
    assert_int_equal(covey__training_parts(256, 8, 0), 8);
    assert_int_equal(covey__training_parts(256, 8, 1), 8);
    assert_int_equal(covey__training_parts(50, 2, 0), 2);
    assert_int_equal(covey__training_parts(7, 1, 0), 1);
    assert_int_equal(covey__training_parts(1, 4, 1), 0);
    for (uint32_t workers = 1; workers <= 64; workers++) {
        uint32_t p = covey__training_parts(48, workers, 2);
        assert_true(p > 2 && 48 % p == 0 && p <= COVEY_GRADIENT_TASKS_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faster),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
