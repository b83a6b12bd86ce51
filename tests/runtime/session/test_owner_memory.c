/* SPDX-License-Identifier: MIT
 *
 * test_owner_memory.c - an owner's sessions within the node's memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../nn/builder.h"
#include "owner_world.h"
#include "stored.h"

static struct covey_account *memory(void)
{
    return &owner_world.services.memory;
}

static uint64_t used(void)
{
    return atomic_load(&memory()->used_bytes);
}

static const struct covey_session *first(void)
{
    return &owner_world.owner->session[0];
}

/* What comes from here on finds so much. */
static void leave(uint64_t bytes)
{
    memory()->limit_bytes = used() + bytes;
}

static void open_planned(void **state)
{
    owner_begin(state);
    owner_open_session();
    owner_plan_ready(1, false);
    owner_compute_for(5);
}

/* Another model is asked for: what the session of it costs is returned. */
static uint32_t ask_other(uint64_t seed)
{
    stored_network(&owner_world.services.store, small_network(seed), &owner_world.model);
    return owner_ask(0);
}

static void load(void)
{
    while (owner_run_next(&owner_world.background)) {
    }
}

/* All that a session took is given back with it, and two of one model have its weights once. */
static void test_sessions_are_counted(void **state)
{
    owner_begin(state);
    assert_int_equal(used(), 0);
    owner_open_session();
    uint64_t one = used();
    assert_true(one > first()->run_bytes && first()->run_bytes > 0);
    owner_plan_ready(1, false);
    owner_compute_for(5);
    owner_world.devices = 1;
    owner_ask(0);
    load();
    assert_int_equal(owner_world.opened, 2);
    assert_int_equal(used(), one + first()->run_bytes);
    owner_plan_ready(1, false);
    owner_compute_for(5);
    assert_int_equal(used(), one + first()->run_bytes);
    owner_pass(601 * 1000);
    assert_int_equal(owner_world.closed, 2);
    assert_int_equal(used(), 0);
    owner_end();
}

/* Requests at once have a run each while there is memory for them, and are computed one after the
 * other where there is none. */
static void test_requests_wait_for_memory(void **state)
{
    open_planned(state);
    leave(first()->run_bytes);
    uint32_t request[3];
    for (unsigned i = 0; i < 3; i++) {
        request[i] = owner_ask(0);
    }
    assert_int_equal(first()->running, 2);
    assert_int_equal(used(), memory()->limit_bytes);
    owner_compute_for(5);
    assert_true(owner_world.asked[request[0]].done);
    owner_pass(1);
    assert_int_equal(first()->running, 2);
    owner_compute_for(5);
    owner_compute_for(5);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(owner_world.asked[request[i]].err, COVEY_OK);
    }
    assert_int_equal(used(), memory()->limit_bytes - first()->run_bytes);
    owner_end();
}

/* One that waits in vain is told for what. */
static void test_waiting_for_memory_has_an_end(void **state)
{
    open_planned(state);
    leave(0);
    owner_ask(0);
    uint32_t late = owner_ask(2000);
    owner_pass(4000);
    assert_true(owner_world.asked[late].done);
    assert_int_equal(owner_world.asked[late].err, COVEY_ERR_TIMEOUT);
    assert_non_null(strstr(owner_world.asked[late].why, "memory"));
    owner_compute_for(0);
    owner_end();
}

/* What nobody asks any more makes room for another model. */
static void test_idle_sessions_make_room(void **state)
{
    open_planned(state);
    leave(0);
    owner_pass(11 * 1000);
    uint32_t other = ask_other(8);
    load();
    assert_int_equal(owner_world.closed, 1);
    assert_int_equal(owner_world.opened, 2);
    assert_false(owner_world.owner->session[1].file->sparse);
    owner_pass(WAIT_MS);
    owner_compute_for(5);
    owner_assert_alone(other);
    assert_true(used() <= memory()->limit_bytes);
    owner_end();
}

/* What is in use stays: then the other model's layers are read when they are needed. */
static void test_where_none_is_idle_a_model_stays_apart(void **state)
{
    open_planned(state);
    uint64_t run = first()->run_bytes;
    leave(run + 60000); /* not the 87 kB of weights */
    uint32_t other = ask_other(8);
    load();
    assert_int_equal(owner_world.closed, 0);
    assert_int_equal(owner_world.opened, 2);
    assert_true(owner_world.owner->session[1].file->sparse);
    owner_pass(WAIT_MS);
    owner_compute_for(5);
    owner_assert_alone(other);
    assert_true(used() <= memory()->limit_bytes);
    owner_end();
}

/* Where there is no room even so, what is idle goes at once. What is not is waited for: the request
 * that was asked for here is under way, and nothing has room beside it. */
static uint32_t fill(void **state)
{
    open_planned(state);
    leave(0);
    uint32_t other = ask_other(8);
    load();
    assert_int_equal(owner_world.closed, 1);
    owner_pass(WAIT_MS);
    assert_true(owner_is_running());
    leave(0);
    return other;
}

static void test_room_is_waited_for(void **state)
{
    uint32_t other = fill(state);
    uint32_t third = ask_other(9);
    load();
    owner_pass(5000);
    load();
    assert_false(owner_world.asked[third].done);
    owner_compute_for(0);
    owner_assert_alone(other);
    owner_pass(1000);
    load();
    owner_pass(WAIT_MS);
    owner_compute_for(5);
    owner_assert_alone(third);
    assert_int_equal(owner_world.closed, 2);
    owner_end();
}

/* Not for ever: then it ends with what it lacks, and leaves nothing behind. */
static void test_no_room_at_all(void **state)
{
    uint32_t other = fill(state);
    uint64_t before = used();
    uint32_t third = ask_other(9);
    load();
    for (unsigned i = 0; i < COVEY_SESSION_RECENT_MS / 1000; i++) {
        assert_false(owner_world.asked[third].done);
        owner_pass(1000);
        load();
    }
    assert_int_equal(owner_world.asked[third].err, COVEY_ERR_NOMEM);
    assert_non_null(strstr(owner_world.asked[third].why, "--memory"));
    assert_int_equal(used(), before);
    owner_compute_for(0);
    owner_assert_alone(other);
    owner_end();
}

/* A plan for this device alone, which has all units of the first layer. */
static struct covey_action prepare_own(uint32_t version)
{
    struct covey_plan *plan = calloc(1, sizeof(*plan));
    assert_non_null(plan);
    plan->devices = 1;
    plan->device[0].bytes[0] = 1;
    plan->layers = (uint16_t)covey_model_layers(first()->file->model);
    const struct covey_layer *l = covey_model_layer(first()->file->model, 0);
    plan->layer[0].groups = 1;
    plan->layer[0].units = plan->layer[0].slots = (uint16_t)l->units;
    struct covey_action action = {
        .type = COVEY_ACTION_PREPARE, .fence = owner_world.session, .plan = plan};
    action.fence.version = version;
    return action;
}

/* A session that nobody asks makes room for others, its own next plan included: that is not made
 * for nobody then. */
static void test_an_idle_session_makes_room_for_its_plan(void **state)
{
    open_planned(state);
    owner_pass(11 * 1000);
    struct covey_action action = prepare_own(2);
    leave(16);
    covey__owner_prepare(owner_world.owner, &action);
    assert_true(owner_run_next(&owner_world.background));
    assert_int_equal(owner_world.closed, 1);
    assert_null(owner_world.background.head);
    assert_int_equal(used(), 0);
    free((void *)(uintptr_t)action.plan);
    owner_end();
}

/* Own units that find no room are not prepared, and the job machine hears what there is. */
static void test_own_units_need_room(void **state)
{
    open_planned(state);
    struct covey_action action = prepare_own(2);
    leave(16);
    uint64_t before = used();
    covey__owner_prepare(owner_world.owner, &action);
    load();
    assert_int_equal(owner_world.prepared_err, COVEY_ERR_LIMIT);
    assert_int_equal(owner_world.room_bytes, 16);
    assert_int_equal(used(), before);
    owner_plan_gone(2);
    leave(1 << 20);
    action.fence.version = 3;
    covey__owner_prepare(owner_world.owner, &action);
    load();
    assert_int_equal(owner_world.prepared_err, COVEY_OK);
    assert_true(used() > before);
    owner_plan_gone(3);
    assert_int_equal(used(), before);
    free((void *)(uintptr_t)action.plan);
    owner_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions_are_counted),
        cmocka_unit_test(test_requests_wait_for_memory),
        cmocka_unit_test(test_waiting_for_memory_has_an_end),
        cmocka_unit_test(test_idle_sessions_make_room),
        cmocka_unit_test(test_where_none_is_idle_a_model_stays_apart),
        cmocka_unit_test(test_room_is_waited_for),
        cmocka_unit_test(test_no_room_at_all),
        cmocka_unit_test(test_an_idle_session_makes_room_for_its_plan),
        cmocka_unit_test(test_own_units_need_room),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
