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

static struct covey_training session_of(uint32_t batch, uint32_t spare)
{
    struct covey_training t = {.values_floats = 1000000, .products_flops = 1e10};
    t.job.train.batch = batch;
    t.job.strategy.spare = spare;
    t.data = (struct covey_samples){.channels = 1, .height = 28, .width = 28};
    return t;
}

/* Parts keep all devices busy, are not many more than those, leave room for those to spare, and
 * divide the batch where a normalisation sees it. */
static void test_parts(void **state)
{
    (void)state;
    struct covey__round_team team = {.count = 8, .own = {.mflops = 1000, .link_mbytes = 1000}};
    double us = 0;
    for (uint32_t w = 0; w < COVEY_WORKERS_MAX; w++) {
        team.worker[w].rates = (struct covey_rates){.mflops = 1000, .link_mbytes = 1000};
    }
    struct covey_training t = session_of(256, 0);
    assert_int_equal(covey__training_parts(&t, &team, &us), 8);
    t = session_of(256, 1);
    assert_int_equal(covey__training_parts(&t, &team, &us), 8);
    team.count = 7;
    assert_int_equal(covey__training_parts(&t, &team, &us), 7);
    t = session_of(256, 0);
    assert_int_equal(covey__training_parts(&t, &team, &us), 7);
    t.statistics_floats = 10;
    assert_true(256 % covey__training_parts(&t, &team, &us) == 0);
    team.count = 8;
    t = session_of(50, 0);
    t.products_flops = 1e6; /* nothing to compute: as few answers as can be */
    assert_true(covey__training_parts(&t, &team, &us) <= 4);
    t = session_of(1, 1);
    assert_int_equal(covey__training_parts(&t, &team, &us), 0);
    for (team.count = 0; team.count <= COVEY_WORKERS_MAX; team.count++) {
        t = session_of(48, 2);
        uint32_t p = covey__training_parts(&t, &team, &us);
        assert_true(p > 2 && p <= COVEY_GRADIENT_TASKS_MAX);
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
