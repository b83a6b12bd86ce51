/* SPDX-License-Identifier: MIT
 *
 * test_owner.c - when an owner's requests begin: with a plan, once there is one; without, when they
 * have waited for it long enough.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "owner_world.h"

/* The first request of a session gives its first plan some time, then goes on without; not before
 * that time, and not at the next tick after it either. */
static void test_the_first_waits_a_moment(void **state)
{
    owner_begin(state);
    uint32_t first = owner_open_session();
    owner_pass(WAIT_MS - 1);
    assert_false(owner_is_running());
    owner_pass(1);
    owner_compute_for(200);
    owner_assert_alone(first);
    assert_int_equal(owner_world.begun, 0);
    owner_end();
}

/* As long as computing takes here, by the rate that this device has measured. */
static void assert_first_waits(uint32_t mflops, uint64_t ms)
{
    owner_world.mflops = mflops;
    uint32_t first = owner_open_session();
    owner_pass(ms - 1);
    assert_false(owner_is_running());
    owner_pass(1);
    owner_compute_for(ms);
    owner_assert_alone(first);
    owner_end();
}

static void test_the_first_waits_no_longer_than_computing_takes(void **state)
{
    const struct covey_plan_request *costs = NULL;
    struct covey_plan_device device = {.mflops = 1};
    uint64_t us = 0;
    owner_begin(state);
    owner_open_session();
    costs = &owner_world.owner->session[0].costs;
    for (unsigned i = 0; i < costs->cells; i++) {
        us += covey_plan_work_us(&device, &costs->cell[i].whole);
    }
    owner_pass(WAIT_MS);
    owner_compute_for(1);
    owner_end();
    assert_in_range(us / 1000, WAIT_MIN_MS + 1, WAIT_MS - 1);
    owner_begin(state);
    assert_first_waits(1, us / 1000);
    owner_begin(state);
    assert_first_waits(1000000, WAIT_MIN_MS);
    owner_begin(state);
    owner_world.coded_all = true; /* the mesh is what was asked for */
    assert_first_waits(1000000, WAIT_MS);
}

/* What a trace says of a stage is the time until its result was there, not what a processor was
 * busy with it: on a paced device that is ten times as much. */
static void test_a_trace_tells_when_results_came(void **state)
{
    owner_begin(state);
    uint32_t first = owner_open_session();
    owner_pass(WAIT_MS);
    owner_compute_for(200);
    owner_assert_alone(first);
    assert_in_range(owner_world.asked[first].traced_us[0], 200 * 1000, 201 * 1000);
    assert_int_equal(owner_world.asked[first].traced_us[1], 0);
    owner_end();
}

/* Whoever asks when a session has long been open without a plan does not wait at all, nor does the
 * next one after a pause as long as that request took. */
static void test_later_ones_do_not_wait(void **state)
{
    owner_begin(state);
    uint32_t first = owner_open_session();
    owner_pass(WAIT_MS);
    owner_compute_for(200);
    for (unsigned i = 0; i < 3; i++) {
        owner_pass(200);
        uint32_t next = owner_ask(0);
        owner_compute_for(200);
        owner_assert_alone(next);
        assert_int_equal(owner_world.asked[next].end_ms,
                         owner_world.asked[first].end_ms + (i + 1) * 400);
    }
    owner_end();
}

/* Of requests one after the other each waits as long as the one before took: half of the time is
 * for what the plan waits for, whether requests become slower or faster. */
static void test_in_a_stream_each_waits_as_long_as_the_last_took(void **state)
{
    static const uint64_t takes_ms[] = {400, 100, 100, 900, 50, 10};
    owner_begin(state);
    uint32_t last = owner_open_session();
    owner_pass(WAIT_MS);
    owner_compute_for(700);
    uint64_t before_ms = 700;
    for (unsigned i = 0; i < sizeof(takes_ms) / sizeof(takes_ms[0]); i++) {
        owner_assert_alone(last);
        last = owner_ask(0);
        owner_pass(before_ms - 1);
        assert_false(owner_is_running());
        owner_pass(1);
        owner_compute_for(takes_ms[i]);
        before_ms = takes_ms[i];
    }
    owner_assert_alone(last);
    owner_end();
}

/* Some that wait begin together once their time has come; those that ask while they compute as
 * well. The next one waits for as long as the one that ended last took. */
static void test_some_at_once_begin_together(void **state)
{
    owner_begin(state);
    uint32_t one = owner_open_session(), two = owner_ask(0);
    owner_pass(WAIT_MS);
    assert_true(owner_is_running());
    uint32_t three = owner_ask(0);
    owner_pass(100);
    assert_true(owner_run_next(&owner_world.compute));
    assert_true(owner_run_next(&owner_world.compute));
    owner_pass(200);
    assert_true(owner_run_next(&owner_world.compute));
    assert_false(owner_is_running());
    owner_assert_alone(one);
    owner_assert_alone(two);
    owner_assert_alone(three);
    uint32_t next = owner_ask(0);
    owner_pass(299);
    assert_false(owner_is_running());
    owner_pass(1);
    owner_compute_for(1);
    owner_assert_alone(next);
    owner_end();
}

/* A plan that gets ready while requests wait is used by all of them at once, and by all that
 * follow. What has begun alone ends alone. */
static void test_a_plan_that_gets_ready_is_used(void **state)
{
    owner_begin(state);
    uint32_t first = owner_open_session();
    owner_pass(WAIT_MS);
    owner_compute_for(400);
    owner_assert_alone(first);
    uint32_t next = owner_ask(0), more = owner_ask(0);
    owner_pass(100);
    assert_false(owner_is_running());
    owner_plan_ready(3, true);
    assert_int_equal(owner_world.begun, 2);
    assert_int_equal(owner_world.begun_version, 3);
    owner_compute_for(30);
    owner_compute_for(0);
    assert_int_equal(owner_world.ended, 2);
    assert_int_equal(owner_world.asked[next].version, 3);
    assert_int_equal(owner_world.asked[more].version, 3);
    assert_int_equal(owner_world.asked[next].devices, 2);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t later = owner_ask(0);
        owner_compute_for(30);
        assert_int_equal(owner_world.asked[later].version, 3);
    }
    owner_end();
    owner_begin(state);
    first = owner_open_session();
    owner_pass(WAIT_MS);
    owner_plan_ready(1, true);
    owner_compute_for(10);
    owner_assert_alone(first);
    assert_int_equal(owner_world.begun, 0);
    owner_end();
}

/* The first request of a new session does not wait for longer than its plan takes. */
static void test_the_first_waits_no_longer_than_for_the_plan(void **state)
{
    owner_begin(state);
    uint32_t first = owner_open_session();
    owner_pass(20);
    owner_plan_ready(1, true);
    owner_compute_for(30);
    assert_int_equal(owner_world.asked[first].version, 1);
    assert_int_equal(owner_world.asked[first].end_ms, OPENED_MS + 50);
    owner_end();
}

/* Without peers there is a plan at once, for this device alone: nothing waits, and the job machine
 * hears of no request. */
static void test_without_peers_nothing_waits(void **state)
{
    owner_begin(state);
    uint32_t first = owner_open_session();
    owner_plan_ready(1, false);
    owner_compute_for(5);
    assert_true(owner_world.asked[first].done);
    assert_int_equal(owner_world.asked[first].version, 1);
    assert_int_equal(owner_world.asked[first].devices, 1);
    assert_int_equal(owner_world.asked[first].end_ms, OPENED_MS + 5);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t next = owner_ask(0);
        owner_compute_for(5);
        assert_int_equal(owner_world.asked[next].version, 1);
        assert_int_equal(owner_world.asked[next].end_ms, OPENED_MS + 5 * (i + 2));
    }
    assert_int_equal(owner_world.begun + owner_world.ended, 0);
    owner_pass(WAIT_MS); /* the timer rings in vain */
    assert_int_equal(owner_world.timer_ms, UINT64_MAX);
    assert_false(owner_is_running());
    owner_end();
}

/* When the plan is gone and there is no other, requests wait for one anew, from then on. */
static void test_a_lost_plan_is_waited_for_anew(void **state)
{
    owner_begin(state);
    owner_open_session();
    owner_plan_ready(1, true);
    owner_compute_for(5);
    owner_pass(60000);
    owner_plan_gone(1);
    owner_pass(500);
    uint32_t next = owner_ask(0);
    owner_pass(WAIT_MS - 501);
    assert_false(owner_is_running());
    owner_pass(1);
    owner_compute_for(5);
    owner_assert_alone(next);
    owner_end();
}

/* A request that may wait less than that ends at the first tick after its time, and says why. */
static void test_short_patience_ends_a_request(void **state)
{
    owner_begin(state);
    owner_open_session();
    uint32_t hasty = owner_ask(600);
    owner_pass(999);
    assert_false(owner_world.asked[hasty].done);
    owner_pass(1);
    assert_true(owner_world.asked[hasty].done);
    assert_int_equal(owner_world.asked[hasty].err, COVEY_ERR_TIMEOUT);
    owner_end();
}

static unsigned requests_left(void)
{
    return owner_world.owner->session[0].requests;
}

/* A run that came to its end is kept for the next request, one that was given up is not. */
static bool run_was_kept(void)
{
    return owner_world.owner->session[0].free_run != NULL;
}

/* A request that computes here ends when its time is over, although what computes for it comes to
 * that later, and then stops. Others take as long as they take. */
static void test_what_computes_is_given_up_in_time(void **state)
{
    owner_begin(state);
    uint32_t first = owner_open_session();
    owner_pass(WAIT_MS);
    uint32_t hasty = owner_ask(600), other = owner_ask(0);
    assert_true(owner_is_running());
    owner_pass(1499);
    assert_false(owner_world.asked[hasty].done);
    owner_pass(1);
    assert_true(owner_world.asked[hasty].done);
    assert_int_equal(owner_world.asked[hasty].err, COVEY_ERR_TIMEOUT);
    assert_int_equal(requests_left(), 3);
    owner_compute_for(1);
    owner_compute_for(1);
    owner_compute_for(1);
    owner_assert_alone(first);
    owner_assert_alone(other);
    assert_int_equal(requests_left(), 0);
    owner_end();
}

static void test_what_is_late_stops(void **state)
{
    owner_begin(state);
    owner_open_session();
    owner_pass(30000);
    assert_int_equal(owner_world.asked[0].err, COVEY_ERR_TIMEOUT);
    owner_compute_for(1);
    assert_int_equal(requests_left(), 0);
    assert_false(run_was_kept());
    owner_ask(0);
    owner_pass(29000); /* as long again for a plan */
    owner_compute_for(1);
    assert_true(run_was_kept());
    owner_end();
}

/* Nobody waits for it. */
static void test_what_is_forgotten_stops(void **state)
{
    owner_begin(state);
    owner_open_session();
    owner_pass(WAIT_MS);
    covey__owner_forget(owner_world.owner, &owner_world);
    owner_compute_for(1000);
    assert_false(owner_world.asked[0].done);
    assert_int_equal(requests_left(), 0);
    assert_false(run_was_kept());
    owner_end();
}

/* A request whose layer is with others ends too, and the job machine is told. */
static void test_what_waits_for_others_ends_in_time(void **state)
{
    owner_begin(state);
    owner_open_session();
    owner_plan_ready(1, true);
    assert_int_equal(owner_world.begun, 1);
    owner_pass(31000);
    assert_true(owner_world.asked[0].done);
    assert_int_equal(owner_world.asked[0].err, COVEY_ERR_TIMEOUT);
    while (owner_run_next(&owner_world.compute)) {
    }
    assert_int_equal(owner_world.ended, 1);
    assert_int_equal(requests_left(), 0);
    owner_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_waits_a_moment),
        cmocka_unit_test(test_the_first_waits_no_longer_than_computing_takes),
        cmocka_unit_test(test_a_trace_tells_when_results_came),
        cmocka_unit_test(test_later_ones_do_not_wait),
        cmocka_unit_test(test_in_a_stream_each_waits_as_long_as_the_last_took),
        cmocka_unit_test(test_some_at_once_begin_together),
        cmocka_unit_test(test_a_plan_that_gets_ready_is_used),
        cmocka_unit_test(test_the_first_waits_no_longer_than_for_the_plan),
        cmocka_unit_test(test_without_peers_nothing_waits),
        cmocka_unit_test(test_a_lost_plan_is_waited_for_anew),
        cmocka_unit_test(test_short_patience_ends_a_request),
        cmocka_unit_test(test_what_computes_is_given_up_in_time),
        cmocka_unit_test(test_what_is_late_stops),
        cmocka_unit_test(test_what_is_forgotten_stops),
        cmocka_unit_test(test_what_waits_for_others_ends_in_time),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
