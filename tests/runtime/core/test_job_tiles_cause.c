/* SPDX-License-Identifier: MIT
 *
 * test_job_tiles_cause.c - a run is late: who is the cause, by what holders said and when, and how
 * long those that are left may take.
 */
#include <stdlib.h>

#include "job_world_late.h"

/* A device that waited for one whose rows of the result are here has got all from it since: it is
 * late itself, not that one. */
static void test_who_has_given_all_is_no_cause(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    complain(w, 3, 1U << 2);
    for (unsigned d = 0; d < 3; d++) {
        give_piece(w, d);
    }
    pass(w, 2 * USUAL_MS - 1);
    assert_int_equal(w->cuts, 7);
    pass(w, 1);
    end_without(w, 8);
}

/* The run is overdue while a device owes its answer to a question, and what it said before would
 * make another one the cause: its silence is. */
static void test_who_was_asked_last_is_heard_before_another_is_the_cause(void **state)
{
    (void)state;
    for (unsigned silent = 0; silent < 2; silent++) {
        struct world *w = usual_world(4);
        give_piece(w, 0);
        unsigned stall_ms = w->start[1].stall_ms;
        pass(w, 2U * USUAL_MS - 3U * stall_ms - stall_ms / 4);
        w->waits_for[3] = 1U << 2;
        complain(w, 1, 1U << 2);
        pass(w, 3U * stall_ms - 1U);
        assert_int_equal(w->asked_at[3], 3);
        w->silent = silent << 3;
        w->waits_for[3] = 0; /* it has been given its rows, and says so */
        w->waits_for[2] = 1U << 3;
        pass(w, 1);
        assert_int_equal(w->asked_at[3], 4);
        pass(w, stall_ms / 4 - 1U);
        assert_int_equal(w->cuts, 7);
        pass(w, 1);
        assert_int_equal(w->cuts, 8 - silent);
        pass(w, silent * stall_ms);
        end_without(w, 8);
    }
}

/* Whether the device has rows of the result. */
static bool finishes(const struct world *w, unsigned device)
{
    unsigned last = w->plan.run[0].segments - 1U;
    struct covey_rows rows = covey_tile_made(&w->layout, last, device);
    return rows.begin < rows.end;
}

/* Two of four devices, neither of them the owner, one with rows of the result, one without. */
static void choose_two(const struct world *w, unsigned *out_with, unsigned *out_without)
{
    assert_int_equal(w->plan.run[0].segments, 4);
    *out_with = *out_without = 0;
    for (unsigned d = 1; d < 4; d++) {
        *(finishes(w, d) ? out_with : out_without) = d;
    }
    assert_true(*out_with != 0 && *out_without != 0);
}

/* Who has no rows of the result is asked like any other, and left out in the same time where it is
 * silent and somebody waits for it: not that one, and not when the run is overdue. */
static void test_who_has_none_of_the_result_is_asked_too(void **state)
{
    (void)state;
    struct world *w = usual(narrow_world(4));
    unsigned with, without;
    choose_two(w, &with, &without);
    w->silent = 1U << without;
    complain(w, with, 1U << without);
    assert_int_equal(w->asked_at[without], 1);
    pass(w, w->start[with].stall_ms - 1U);
    assert_int_equal(w->cuts, 7);
    pass(w, 1);
    end_without(w, 1U << without);
}

/* It says when it is done, and then nobody asks it or leaves it out: what it gave is on its way. */
static void test_who_is_done_without_a_result_is_left_alone(void **state)
{
    (void)state;
    struct world *w = usual(narrow_world(4));
    unsigned with, without;
    choose_two(w, &with, &without);
    w->at[without] = w->plan.run[0].segments;
    complain(w, with, 1U << without);
    assert_int_equal(w->asked_at[without], 1);
    w->silent = 1U << without;
    pass(w, LATE_MS + 2U * w->start[with].stall_ms);
    assert_int_equal(w->asked_at[without], 1);
    assert_int_equal(w->cuts, 7);
    give_all(w);
    assert_int_equal(w->tiles_done, 7);
    finish(w, 7);
}

/* An overdue run is begun again without the one that others wait for, though the owner waits only
 * for those others. */
static void test_who_has_none_of_the_result_is_a_cause(void **state)
{
    (void)state;
    struct world *w = usual(narrow_world(4));
    unsigned with, without;
    choose_two(w, &with, &without);
    complain(w, with, 1U << without);
    pass(w, 2 * USUAL_MS - 1);
    assert_int_equal(w->cuts, 7);
    pass(w, 1);
    end_without(w, 1U << without);
}

/* What a device said before another complained of it may be true no more: it may have gone on, or
 * be stopped. Only who says it since is parted from that one. */
static void test_old_words_part_nobody(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->waits_for[2] = 1U << 1;
    complain(w, 3, 1U << 2);
    assert_int_equal(w->asked_at[2], 1);
    w->silent = 1U << 2;
    pass(w, 10);
    complain(w, 1, 1U << 2);
    pass(w, 10);
    assert_int_equal(w->cuts, 7);
    pass(w, 2U * w->start[1].stall_ms);
    end_without(w, 4);
}

/* Of several that wait for nobody that one is left out which is furthest behind: the others have
 * only just got what it held up. */
static void test_who_is_furthest_behind_is_the_cause(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->at[1] = 1;
    w->at[2] = 2;
    give_piece(w, 0);
    w->at[3] = 2;
    w->waits_for[3] = 1U << 2;
    pass(w, 2 * USUAL_MS - 1);
    assert_int_equal(w->cuts, 7);
    pass(w, 1);
    end_without(w, 2);
}

/* Two of four take twice as long as all: so they are asked when twice the time has passed. What
 * they take changes nothing in what all four are thought to take. */
static void test_fewer_devices_have_more_time(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    uint16_t stall_ms = w->start[0].stall_ms;
    give_all(w);
    w->unreachable[2] = w->unreachable[3] = true;
    set_peer(w, 2, COVEY_PEER_NO_CHANNEL);
    set_peer(w, 3, COVEY_PEER_NO_CHANNEL);
    for (unsigned i = 0; i < 20; i++) {
        start_tiles(w, 7);
        assert_int_equal(w->started, 3);
        assert_in_range(w->start[0].stall_ms, 2 * stall_ms - 20, 2 * stall_ms);
        pass(w, 2 * USUAL_MS);
        assert_int_equal(w->asked_at[0], 0);
        give_all(w);
    }
    start_tiles(w, 7);
    pass(w, 2 * LATE_MS - 1);
    assert_int_equal(w->asked_at[0], 0);
    pass(w, 1);
    assert_int_equal(w->asked_at[0], 1);
    give_all(w);
    finish(w, 7);
}

/* But no longer than this device takes alone: it computes all of it then. */
static void test_nobody_has_more_time_than_the_owner_alone(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    give_all(w);
    for (unsigned d = 1; d < 4; d++) {
        w->unreachable[d] = true;
        set_peer(w, d, COVEY_PEER_NO_CHANNEL);
    }
    const uint64_t alone_ms = w->plan.local_us / 1000;
    assert_in_range(alone_ms, 2 * USUAL_MS + 1, 8 * USUAL_MS - 1);
    start_tiles(w, 7);
    assert_int_equal(w->started, 1);
    pass(w, alone_ms - 1);
    assert_int_equal(w->computed_here, 0);
    pass(w, 1);
    assert_int_equal(w->computed_here, 1);
    finish(w, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_has_given_all_is_no_cause),
        cmocka_unit_test(test_who_was_asked_last_is_heard_before_another_is_the_cause),
        cmocka_unit_test(test_who_has_none_of_the_result_is_asked_too),
        cmocka_unit_test(test_who_is_done_without_a_result_is_left_alone),
        cmocka_unit_test(test_who_has_none_of_the_result_is_a_cause),
        cmocka_unit_test(test_old_words_part_nobody),
        cmocka_unit_test(test_who_is_furthest_behind_is_the_cause),
        cmocka_unit_test(test_fewer_devices_have_more_time),
        cmocka_unit_test(test_nobody_has_more_time_than_the_owner_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
