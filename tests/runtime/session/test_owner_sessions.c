/* SPDX-License-Identifier: MIT
 *
 * test_owner_sessions.c - when an owner's sessions close.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "owner_world.h"

/* Nobody asks: the session is closed, however often the mesh gives it another plan. */
static void test_plans_keep_no_session_open(void **state)
{
    owner_begin(state);
    owner_open_session();
    owner_plan_ready(1, true);
    owner_compute_for(5);
    owner_pass(500 * 1000);
    assert_int_equal(owner_world.closed, 0);
    owner_plan_ready(2, true);
    owner_pass(101 * 1000);
    assert_int_equal(owner_world.closed, 1);
    owner_end();
}

/* A model that is removed: its sessions that nobody asks close at once, no other's do. */
static void test_a_removed_models_sessions_close(void **state)
{
    owner_begin(state);
    owner_open_session();
    owner_plan_ready(1, true);
    owner_compute_for(5);
    owner_pass(5000);
    struct covey_digest other = owner_world.model;
    other.bytes[0] ^= 1;
    covey__owner_remove(owner_world.owner, &other);
    owner_pass(5000);
    assert_int_equal(owner_world.closed, 0);
    covey__owner_remove(owner_world.owner, &owner_world.model);
    assert_int_equal(owner_world.closed, 1);
    owner_end();
}

/* What was asked before the model was removed is answered, also what such work asks next; then the
 * session closes. */
static void test_a_removed_model_answers_what_was_asked(void **state)
{
    owner_begin(state);
    owner_open_session();
    owner_plan_ready(1, true);
    owner_compute_for(5);
    uint32_t before = owner_ask(0);
    covey__owner_remove(owner_world.owner, &owner_world.model);
    owner_compute_for(20 * 1000);
    assert_int_equal(owner_world.asked[before].err, COVEY_OK);
    owner_pass(50);
    uint32_t next = owner_ask(0);
    owner_compute_for(5);
    assert_true(owner_world.asked[next].done);
    assert_int_equal(owner_world.asked[next].version, 1);
    assert_int_equal(owner_world.opened, 1);
    assert_int_equal(owner_world.closed, 0);
    owner_pass(2000);
    assert_int_equal(owner_world.closed, 1);
    owner_end();
}

/* So does one that is stopped, but whoever asks meanwhile gets another. */
static void test_a_stopped_session_closes_behind_its_requests(void **state)
{
    owner_begin(state);
    owner_open_session();
    owner_plan_ready(1, true);
    owner_compute_for(5);
    struct covey_session_id id = owner_world.session.session;
    uint32_t before = owner_ask(0);
    assert_int_equal(covey__owner_stop(owner_world.owner, &id), COVEY_OK);
    uint32_t behind = owner_ask(0);
    assert_true(owner_run_next(&owner_world.background));
    assert_int_equal(owner_world.opened, 2);
    assert_false(covey_session_id_equal(&id, &owner_world.session.session));
    owner_pass(500);
    assert_int_equal(owner_world.closed, 0);
    owner_compute_for(0);
    assert_int_equal(owner_world.asked[before].version, 1);
    owner_pass(1000);
    assert_int_equal(owner_world.closed, 1);
    assert_int_equal(covey__owner_stop(owner_world.owner, &id), COVEY_ERR_NOT_FOUND);
    owner_pass(WAIT_MS);
    owner_compute_for(5);
    owner_assert_alone(behind);
    assert_int_equal(covey__owner_stop(owner_world.owner, &owner_world.session.session), COVEY_OK);
    assert_int_equal(owner_world.closed, 2); /* nobody asks it: at once */
    owner_end();
}

/* Of as many sessions as may be, all with a plan in the making, one makes room for a new one. */
static void test_sessions_make_room_while_plans_are_made(void **state)
{
    static const struct covey_plan alone;
    struct covey_fence session[COVEY_SESSIONS_MAX];
    owner_begin(state);
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        owner_world.devices++;
        owner_ask(0);
        assert_true(owner_run_next(&owner_world.background));
        owner_pass(WAIT_MS);
        owner_compute_for(5);
        session[i] = owner_world.session;
        assert_true(covey_session_id_is_of(&session[i].session, &owner_world.owner->self));
    }
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey_action action = {COVEY_ACTION_PREPARE, .fence = session[i], .plan = &alone};
        covey__owner_prepare(owner_world.owner, &action);
    }
    owner_world.devices++;
    owner_ask(0);
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        assert_true(owner_run_next(&owner_world.background));
    }
    assert_int_equal(owner_world.prepared,
                     COVEY_SESSIONS_MAX - 1); /* the first one's is nobody's */
    owner_end();
}

/* A plan that is given up while it is made goes away once it is made, not with its session. */
static void test_a_plan_given_up_in_the_making_goes_away(void **state)
{
    static const struct covey_plan alone;
    owner_begin(state);
    owner_open_session();
    struct covey_action action = {COVEY_ACTION_PREPARE, .fence = owner_world.session};
    action.fence.version = 1;
    action.plan = &alone;
    covey__owner_prepare(owner_world.owner, &action);
    owner_plan_gone(1);
    assert_true(owner_run_next(&owner_world.background));
    assert_null(owner_world.owner->session[0].versions);
    owner_plan_ready(2, true);
    assert_int_equal(owner_world.owner->session[0].versions->fence.version, 2);
    assert_null(owner_world.owner->session[0].versions->next);
    owner_plan_gone(2);
    assert_null(owner_world.owner->session[0].versions);
    owner_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_keep_no_session_open),
        cmocka_unit_test(test_a_removed_models_sessions_close),
        cmocka_unit_test(test_a_removed_model_answers_what_was_asked),
        cmocka_unit_test(test_a_stopped_session_closes_behind_its_requests),
        cmocka_unit_test(test_sessions_make_room_while_plans_are_made),
        cmocka_unit_test(test_a_plan_given_up_in_the_making_goes_away),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
