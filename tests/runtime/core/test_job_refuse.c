/* SPDX-License-Identifier: MIT */
#include "job_world.h"

/* Longer than until refusals are planned with, and much shorter than any assignment's time. */
enum { SOON_MS = 200, ROOM = 16 };

static bool redundant(const struct world *w)
{
    return covey__job_is_redundant(w->job, &w->view, &session);
}

/* Four devices, of which the third has little room for the session. */
static struct world *bounded_world(void)
{
    struct world *w = world_new(4, 1);
    w->bounded[2] = true;
    w->room[2] = ROOM;
    open_session(w);
    pass(w, SOON_MS);
    return w;
}

/* Who has no room for its part says so, and the next plan gives it what it has room for, at once:
 * then nothing is missing any more. */
static void test_a_refusal_bounds_the_next_plan(void **state)
{
    (void)state;
    struct world *w = bounded_world();
    assert_int_equal(w->refused[2], 1);
    assert_int_equal(w->assigns[2], 2);
    assert_int_equal(w->active, w->prepared);
    assert_in_range(given_bytes(w, 2), 1, ROOM);
    assert_true(redundant(w));
    assert_int_equal(w->told_refused, 1);
    assert_int_equal(w->told_room[2], ROOM);
    assert_int_equal(begin(w, 7), COVEY_OK);
    finish(w, 7);
}

/* Who asks for a plan is shown what the session would be planned with, and a session that nobody
 * knows has nothing to say of any device. */
static void test_what_it_is_planned_with_can_be_seen(void **state)
{
    (void)state;
    struct world *w = bounded_world();
    struct covey_plan_request seen = w->costs;
    covey__job_devices(w->job, &w->view, &session, &seen);
    assert_int_equal(seen.devices, 4);
    for (unsigned d = 0; d < 4; d++) {
        assert_true(seen.device[d].memory_bytes == (d == 2 ? ROOM : UINT64_MAX));
    }
    struct covey_fence other = {{{43}}, 1, 0};
    covey__job_devices(w->job, &w->view, &other, &seen);
    assert_true(seen.device[2].memory_bytes == UINT64_MAX);
    struct covey_node_id liar = id_of(1);
    covey__job_distrust(w->job, &liar);
    covey__job_devices(w->job, &w->view, &session, &seen);
    assert_int_equal(seen.devices, 3);
    world_free(w);
}

/* Where it takes longer than the first answer may, the plan is begun with as far as it goes. */
static void test_what_is_enough_is_begun_with(void **state)
{
    (void)state;
    struct world *w = world_new(4, 1);
    w->bounded[2] = true;
    w->room[2] = ROOM;
    open_session(w);
    assert_int_equal(w->active, 1);
    assert_false(redundant(w));
    world_free(w);
}

/* Without parities it is not: the plan is dropped, and no time is waited for. */
static void test_what_is_not_enough_is_dropped(void **state)
{
    (void)state;
    struct world *w = world_new(4, 0);
    w->bounded[2] = true;
    w->room[2] = ROOM;
    open_session(w);
    assert_int_equal(w->active, 0);
    pass(w, SOON_MS);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->actives, 1);
    assert_true(redundant(w));
    world_free(w);
}

/* A whole plan is not left for one that a device refused; what comes after it may take over. */
static void test_a_refused_plan_replaces_no_whole_one(void **state)
{
    (void)state;
    struct world *w = world_new(6, 1);
    set_devices(w, 0x0f);
    open_session(w);
    assert_int_equal(w->active, 1);
    w->bounded[4] = true;
    set_devices(w, 0x3f);
    plan_anew(w);
    assert_int_equal(w->refused[4], 1);
    pass(w, SOON_MS);
    assert_int_equal(w->active, 3);
    assert_int_equal(w->actives, 2);
    assert_int_equal(given_bytes(w, 4), 0);
    assert_true(given_bytes(w, 5) > 0);
    assert_true(redundant(w));
    world_free(w);
}

/* What is left of a plan that was given up is in the way of the next one where memory is scarce: a
 * device that refuses, for no other reason that is known, gives it up first. */
static void test_what_strayed_makes_room(void **state)
{
    (void)state;
    struct world *w = world_new(6, 1);
    set_devices(w, 0x0f);
    open_session(w);
    w->bounded[4] = true;
    set_devices(w, 0x3f);
    w->never_ready[5] = true;
    plan_anew(w);
    assert_int_equal(w->prepared, 2);
    w->to_refuse[2] = 1;
    w->room[2] = 1000000;
    pass(w, SOON_MS);
    assert_int_equal(w->prepared, 3);
    assert_int_equal(w->assigns[2], 3);
    assert_int_equal(w->retired[2], 0);
    pass(w, 500);
    assert_int_equal(w->assigns[2], 4);
    assert_int_equal(w->retired[2], 2);
    assert_int_equal(w->retired[3], 0);
    world_free(w);
}

/* It is not asked for more before it may have more: minutes later, or when its record says another
 * number, when its channel is new, or another session of this owner has ended. */
static void test_more_is_asked_for_when_there_may_be_more(void **state)
{
    (void)state;
    struct covey_fence other = {{{43}}, 1, 0};
    struct world *w = bounded_world();
    pass(w, 240000);
    assert_int_equal(w->refused[2], 1);
    pass(w, 60000 + SOON_MS);
    assert_int_equal(w->refused[2], 2);
    assert_in_range(given_bytes(w, 2), 1, ROOM);
    assert_true(redundant(w));
    w->view.device[2].memory_bytes = 1000000;
    w->view.device_generation++;
    plan_anew(w);
    pass(w, SOON_MS);
    assert_int_equal(w->refused[2], 3);
    set_peer(w, 2, COVEY_PEER_NO_CHANNEL);
    pass(w, SOON_MS);
    assert_int_equal(w->refused[2], 4);
    pass(w, SOON_MS);
    assert_true(redundant(w));
    struct covey_event open = {
        .type = COVEY_EVENT_SESSION_OPEN, .fence = other, .costs = &w->costs};
    w->bounded[2] = false;
    assert_int_equal(give(w, &open), COVEY_OK);
    pass(w, SOON_MS);
    assert_in_range(given_bytes(w, 2), ROOM + 1, UINT64_MAX); /* the other session's */
    w->bounded[2] = w->closing = true;
    struct covey_event close = {.type = COVEY_EVENT_SESSION_CLOSE, .fence = other};
    assert_int_equal(give(w, &close), COVEY_OK);
    pass(w, 2 * SOON_MS);
    assert_int_equal(w->refused[2], 5);
    assert_true(redundant(w));
    world_free(w);
}

/* Who refuses for another reason is left out for a while, from now on and not from the time on at
 * which its assignment is late. */
static void test_other_reasons_leave_it_out(void **state)
{
    (void)state;
    struct world *w = world_new(4, 1);
    w->to_refuse[2] = 1;
    w->room[2] = UINT64_MAX;
    open_session(w);
    pass(w, SOON_MS);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 3);
    assert_int_equal(w->told_refused, 0);
    pass(w, 30000);
    assert_int_equal(w->active, 3);
    assert_int_equal(w->plan.devices, 4);
    assert_true(redundant(w));
    world_free(w);
}

/* What it has room for it is asked for again: the part of an older plan was not gone yet. */
static void test_what_has_room_is_asked_for_again(void **state)
{
    (void)state;
    struct world *w = world_new(4, 1);
    w->to_refuse[2] = 2;
    w->room[2] = 1000000;
    open_session(w);
    pass(w, 1100);
    assert_int_equal(w->assigns[2], 3);
    assert_int_equal(w->prepared, 1);
    assert_int_equal(w->active, 1);
    assert_true(redundant(w));
    world_free(w);
}

/* One that says so and never takes it is given less each time, and nothing in the end. */
static void test_who_takes_nothing_is_left_alone(void **state)
{
    (void)state;
    struct world *w = world_new(4, 1);
    w->to_refuse[2] = UINT32_MAX;
    w->room[2] = 1000000;
    open_session(w);
    uint64_t last = given_bytes(w, 2), first = last;
    for (unsigned i = 0; i < 60 && last > 0; i++) {
        pass(w, 1000);
        assert_true(given_bytes(w, 2) <= last);
        last = given_bytes(w, 2);
    }
    assert_true(first > 0);
    assert_int_equal(last, 0);
    pass(w, SOON_MS);
    assert_true(redundant(w));
    assert_in_range(w->refused[2], 5, 100);
    world_free(w);
}

/* A device that comes back with less room than it had is given less; it is not waited for. */
static void test_who_comes_back_with_less_room(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    assert_true(given_bytes(w, 2) > ROOM);
    w->bounded[2] = true;
    w->room[2] = ROOM;
    set_peer(w, 2, COVEY_PEER_NO_CHANNEL);
    pass(w, 2 * SOON_MS);
    assert_int_equal(w->refused[2], 1);
    assert_in_range(given_bytes(w, 2), 1, ROOM);
    assert_true(redundant(w));
    finish(w, 7);
}

/* Saying the same again makes no plan. */
static void test_the_same_again_is_nothing(void **state)
{
    (void)state;
    struct world *w = bounded_world();
    uint32_t prepared = w->prepared;
    struct covey_work_message m = {.type = COVEY_WORK_REFUSE};
    m.refuse = (struct covey_work_refuse){session, ROOM};
    for (unsigned i = 0; i < 10; i++) {
        m.refuse.fence.version = i;
        tell(w, 2, &m, 0, 0);
        pass(w, SOON_MS);
    }
    assert_int_equal(w->prepared, prepared);
    assert_true(redundant(w));
    m.refuse.room_bytes = 0;
    tell(w, 2, &m, 0, 0);
    pass(w, SOON_MS);
    assert_int_equal(w->prepared, prepared + 1);
    assert_int_equal(given_bytes(w, 2), 0);
    assert_true(redundant(w));
    world_free(w);
}

/* Nor is an owner kept planning by one that has less room each time, or whose channel is new each
 * time: some plans at once, then one in a while, and in the end it is planned with what it said. */
static void test_refusals_do_not_plan_without_end(void **state)
{
    enum { TIMES = 400, MOST = 64 + TIMES * SOON_MS / 2000 + 4 };
    (void)state;
    for (unsigned flaps = 0; flaps < 2; flaps++) {
        struct world *w = world_new(4, 1);
        struct covey_work_message m = {.type = COVEY_WORK_REFUSE};
        open_session(w);
        unsigned before = w->plans + w->places;
        for (unsigned i = 1; i <= TIMES; i++) {
            m.refuse = (struct covey_work_refuse){session, flaps == 1 ? 0 : 1000000 - i};
            tell(w, 2, &m, 0, 0);
            if (flaps == 1) {
                set_peer(w, 2, COVEY_PEER_NO_CHANNEL);
                set_peer(w, 2, COVEY_PEER_UP);
            }
            pass(w, SOON_MS);
        }
        assert_in_range(w->plans + w->places - before, 32, MOST);
        m.refuse.room_bytes = 0;
        tell(w, 2, &m, 0, 0);
        pass(w, 5000);
        assert_int_equal(given_bytes(w, 2), 0);
        world_free(w);
    }
}

/* Only who was asked for something can refuse it, and none can for another. */
static void test_refusals_of_others_are_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(6, 1);
    set_devices(w, 0x0f);
    open_session(w);
    struct covey_work_message m = {.type = COVEY_WORK_REFUSE};
    m.refuse = (struct covey_work_refuse){session, 0};
    m.refuse.fence.version = w->active;
    set_peer(w, 5, COVEY_PEER_UP);
    tell(w, 5, &m, 0, 0);
    m.refuse.room_bytes = UINT64_MAX; /* of what it has already */
    tell(w, 2, &m, 0, 0);
    m.refuse.fence.session.bytes[0]++;
    tell(w, 3, &m, 0, 0);
    pass(w, SOON_MS);
    assert_int_equal(w->prepared, 1);
    assert_int_equal(w->told_refused, 0);
    assert_true(redundant(w));
    world_free(w);
}

/* An owner that has no room for its own units of a plan is planned with what it has room for. */
static void test_the_owner_has_room_for_less(void **state)
{
    (void)state;
    struct world *w = world_new(4, 1);
    w->own_bounded = true;
    w->own_room = ROOM;
    open_session(w);
    assert_int_equal(w->active, 0);
    pass(w, SOON_MS);
    assert_int_equal(w->active, 2);
    assert_in_range(given_bytes(w, 0), 1, ROOM);
    assert_int_equal(w->told_refused, 1);
    assert_int_equal(w->told_room[0], ROOM);
    assert_true(redundant(w));
    assert_int_equal(begin(w, 7), COVEY_OK);
    finish(w, 7);
}

/* One that has none computes nothing of coded layers itself: the others do. */
static void test_the_owner_has_room_for_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(4, 1);
    w->own_bounded = true;
    open_session(w);
    pass(w, SOON_MS);
    assert_int_equal(given_bytes(w, 0), 0);
    assert_true(given_bytes(w, 1) > 0);
    assert_int_equal(w->active, w->prepared);
    assert_true(redundant(w));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refusal_bounds_the_next_plan),
        cmocka_unit_test(test_what_it_is_planned_with_can_be_seen),
        cmocka_unit_test(test_what_is_enough_is_begun_with),
        cmocka_unit_test(test_what_is_not_enough_is_dropped),
        cmocka_unit_test(test_a_refused_plan_replaces_no_whole_one),
        cmocka_unit_test(test_what_strayed_makes_room),
        cmocka_unit_test(test_more_is_asked_for_when_there_may_be_more),
        cmocka_unit_test(test_other_reasons_leave_it_out),
        cmocka_unit_test(test_what_has_room_is_asked_for_again),
        cmocka_unit_test(test_who_takes_nothing_is_left_alone),
        cmocka_unit_test(test_who_comes_back_with_less_room),
        cmocka_unit_test(test_the_same_again_is_nothing),
        cmocka_unit_test(test_refusals_do_not_plan_without_end),
        cmocka_unit_test(test_refusals_of_others_are_nothing),
        cmocka_unit_test(test_the_owner_has_room_for_less),
        cmocka_unit_test(test_the_owner_has_room_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
