/* SPDX-License-Identifier: MIT */
#include "job_world.h"

#include <stdlib.h>

/* A session whose first plan is being made. */
static struct world *planning_world(unsigned devices)
{
    struct world *w = world_new(devices, 1);
    w->no_plan = true;
    open_session(w);
    assert_int_equal(w->plans, 1);
    assert_int_equal(w->made_version, 1);
    return w;
}

/* The owner makes no plan itself: it wants one made, once, and goes on when it is there. */
static void test_plans_are_made_elsewhere(void **state)
{
    (void)state;
    struct world *w = planning_world(4);
    pass(w, 10000);
    assert_int_equal(w->plans, 1);
    assert_int_equal(w->prepared, 0);
    assert_int_equal(begin(w, 7), COVEY_ERR_STATE);
    give_plan(w, 1, COVEY_OK);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.devices, 4);
    assert_int_equal(w->plan.coordinator.bytes[0], id_of(0).bytes[0]);
    assert_int_equal(begin(w, 7), COVEY_OK);
    /* That it comes once more, or for a version that never was, changes nothing. */
    give_plan(w, 1, COVEY_OK);
    give_plan(w, 2, COVEY_OK);
    pass(w, 10000);
    assert_int_equal(w->prepared, 1);
    assert_int_equal(w->actives, 1);
    finish(w, 7);
}

/* Where none could be made the owner goes on alone, or with the plan that it has, and has one made
 * soon after. */
static void test_no_plan_could_be_made(void **state)
{
    (void)state;
    struct world *w = planning_world(4);
    give_plan(w, 1, COVEY_ERR_NOMEM);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.layers, 0);
    assert_int_equal(begin(w, 7), COVEY_OK);
    pass(w, 1000);
    assert_int_equal(w->plans, 2);
    give_plan(w, 2, COVEY_OK);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 4);
    set_devices(w, 0x1f);
    plan_anew(w);
    give_plan(w, 3, COVEY_ERR_NOMEM);
    assert_int_equal(w->actives, 2);
    pass(w, 1000);
    assert_int_equal(w->plans, 4);
    give_plan(w, 4, COVEY_OK);
    assert_int_equal(w->active, 4);
    assert_int_equal(w->plan.devices, 5);
    finish(w, 7);
}

/* What comes for a session that was closed is of no use, and not the next one's. */
static void test_a_plan_of_a_closed_session(void **state)
{
    (void)state;
    struct world *w = planning_world(4);
    struct covey_event close = {.type = COVEY_EVENT_SESSION_CLOSE, .fence = session};
    struct covey_event other = {
        .type = COVEY_EVENT_SESSION_OPEN, .fence = session, .costs = &w->costs};
    w->closing = true;
    assert_int_equal(give(w, &close), COVEY_OK);
    give_plan(w, 1, COVEY_OK);
    other.fence.session.bytes[0]++;
    assert_int_equal(give(w, &other), COVEY_OK);
    assert_int_equal(w->plans, 2);
    give_plan(w, 1, COVEY_OK);
    assert_int_equal(w->prepared, 0);
    world_free(w);
}

/* One that gives work to who went meanwhile is made again; whatever came and went, one is made at a
 * time. */
static void test_devices_go_meanwhile(void **state)
{
    (void)state;
    struct world *w = planning_world(5);
    for (unsigned i = 0; i < 5; i++) {
        set_devices(w, 0x0f);
        pass(w, 1000);
        set_devices(w, 0x1f);
        pass(w, 1000);
    }
    set_devices(w, 0x0f);
    pass(w, 1000);
    assert_int_equal(w->plans, 1);
    give_plan(w, 1, COVEY_OK);
    assert_int_equal(w->prepared, 0);
    assert_int_equal(w->plans, 2);
    assert_int_equal(w->made_version, 1);
    give_plan(w, 1, COVEY_OK);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.devices, 4);
    pass(w, 1000);
    world_free(w);
}

/* One without those that came is used, and the next one is made for all. */
static void test_devices_come_meanwhile(void **state)
{
    (void)state;
    struct world *w = planning_world(4);
    set_devices(w, 0x1f);
    pass(w, 1000);
    assert_int_equal(w->plans, 1);
    give_plan(w, 1, COVEY_OK);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.devices, 4);
    plan_anew(w);
    assert_int_equal(w->plans, 2);
    give_plan(w, 2, COVEY_OK);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 5);
    world_free(w);
}

/* A device is lost: requests go on with the plan that there is, however long the next one takes. */
static void test_requests_go_on_meanwhile(void **state)
{
    (void)state;
    struct world *w = ready_world(5, 1);
    w->no_plan = true;
    start_layer(w, 7, 0);
    set_peer(w, 4, COVEY_PEER_GONE);
    set_devices(w, 0x0f);
    plan_anew(w);
    assert_int_equal(w->plans, 2);
    answer_from(w, 0, 4);
    assert_int_equal(w->done, 1);
    assert_int_equal(begin(w, 8), COVEY_OK);
    give_plan(w, 2, COVEY_OK);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 4);
    assert_int_equal(w->forgotten, 0);
    end(w, 8);
    finish(w, 7);
}

/* Who lies meanwhile gets nothing by a plan that was begun before. */
static void test_a_liar_is_left_out(void **state)
{
    (void)state;
    struct world *w = ready_world(5, 1);
    w->no_plan = true;
    set_devices(w, 0x3f);
    plan_anew(w);
    assert_int_equal(w->plans, 2);
    struct covey_node_id liar = id_of(3);
    covey__job_distrust(w->job, &liar);
    give_plan(w, 2, COVEY_OK);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plans, 3);
    give_plan(w, 2, COVEY_OK);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 5);
    finish(w, 7);
}

/* The coordinator's plan is late: the owner has begun its own, and stays with that. */
static void test_a_late_placement(void **state)
{
    (void)state;
    static uint8_t bytes[COVEY__PLAN_MAX];
    struct covey_work_message m = {.type = COVEY_WORK_PLACEMENT};
    struct world *w = world_new(4, 1);
    w->view.has_coordinator = true;
    w->view.coordinator = id_of(2);
    w->no_plan = true;
    open_session(w);
    assert_int_equal(w->places, 1);
    pass(w, 199);
    assert_int_equal(w->plans, 0);
    pass(w, 1);
    assert_int_equal(w->plans, 1);
    struct covey_plan *plan = malloc(sizeof(*plan));
    assert_non_null(plan);
    *plan = w->made;
    plan->term = 5;
    assert_int_equal(
        covey__plan_encode(plan, (struct covey_buf){bytes, sizeof(bytes)}, &m.place.payload.len),
        COVEY_OK);
    free(plan);
    m.place.session = session.session;
    m.place.version = w->place_version;
    m.place.payload.ptr = bytes;
    tell(w, 2, &m, 0, 0);
    assert_int_equal(w->prepared, 0);
    give_plan(w, 1, COVEY_OK);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.term, 0);
    pass(w, 10000);
    assert_int_equal(w->plans, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_are_made_elsewhere),
        cmocka_unit_test(test_no_plan_could_be_made),
        cmocka_unit_test(test_a_plan_of_a_closed_session),
        cmocka_unit_test(test_devices_go_meanwhile),
        cmocka_unit_test(test_devices_come_meanwhile),
        cmocka_unit_test(test_requests_go_on_meanwhile),
        cmocka_unit_test(test_a_liar_is_left_out),
        cmocka_unit_test(test_a_late_placement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
