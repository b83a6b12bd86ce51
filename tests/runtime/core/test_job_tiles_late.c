/* SPDX-License-Identifier: MIT
 *
 * test_job_tiles_late.c - rows that are late: who lives is waited for, for a while.
 */
#include <stdlib.h>

#include "job_world_late.h"

/* What all four devices do in `ms` takes three of them, in whole parts of a thousand. */
static uint64_t of_three(uint64_t ms)
{
    return ms + ms * 333 / 1000;
}

/* Nothing was begun again, and all rows come. */
static void end_undisturbed(struct world *w)
{
    assert_int_equal(w->cuts, 7);
    give_all(w);
    assert_int_equal(w->tiles_done, 7);
    finish(w, 7);
}

/* A device that answers is waited for, however often others complain of it: its rows come 1 ms
 * before they are late for as long again as a run takes, and nothing was begun again. */
static void test_a_late_device_that_answers_is_waited_for(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    pass(w, w->start[1].stall_ms);
    complain(w, 1, 1U << 2);
    complain(w, 3, 1U << 2);
    assert_int_equal(w->asked_at[2], 1);
    assert_int_equal(w->cuts, 7);
    pass(w, 2 * USUAL_MS - 1 - w->start[1].stall_ms);
    assert_in_range(w->asked_at[2], 6, 8);
    assert_int_equal(w->cuts, 7);
    give_all(w);
    assert_int_equal(w->tiles_done, 7);
    start_tiles(w, 7);
    assert_int_equal(w->started, 15);
    give_all(w);
    finish(w, 7);
}

/* A device that does not answer is left out half a run after others began to wait for it. */
static void test_a_silent_device_is_left_out_after_half_a_run(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->silent = 1U << 2;
    pass(w, w->start[1].stall_ms);
    complain(w, 1, 1U << 2);
    pass(w, w->start[1].stall_ms - 1U);
    assert_in_range(2 * w->start[1].stall_ms, USUAL_MS / 2, USUAL_MS / 2 + 20);
    assert_int_equal(w->cuts, 7);
    pass(w, 1);
    end_without(w, 4);
}

/* All but the owner answer, 3 last of them; 1 still waits for 2. */
static void answer_within(struct world *w, unsigned ms)
{
    pass(w, ms / 2);
    stall(w, 1, 1U << 2);
    stall(w, 2, 0);
    pass(w, ms - ms / 2);
    stall(w, 3, 0);
}

/* Sooner where answers took less than that: after half of a holder's wait, or the longest time that
 * one took lately and half of that. */
static void test_silence_is_as_long_as_answers_take(void **state)
{
    (void)state;
    for (unsigned tenths = 0; tenths <= 8; tenths += 2) {
        struct world *w = usual_world(4);
        unsigned stall_ms = w->start[1].stall_ms, took_ms = stall_ms * tenths / 10;
        unsigned least_ms = stall_ms / 2, until_ms = took_ms * 3 / 2;
        until_ms = until_ms > least_ms ? until_ms : least_ms;
        until_ms = until_ms < stall_ms ? until_ms : stall_ms;
        w->silent = 2 | 4 | 8;
        complain(w, 1, 1U << 2);
        for (unsigned asked = 1; asked <= 2; asked++) {
            assert_int_equal(w->asked_at[2], asked);
            answer_within(w, took_ms);
            w->silent = asked == 2 ? 4 : w->silent;
            pass(w, stall_ms - took_ms);
        }
        assert_int_equal(w->asked_at[2], 3);
        pass(w, until_ms - 1);
        assert_int_equal(w->cuts, 7);
        pass(w, 1);
        end_without(w, 4);
    }
}

/* So is one that answered once and then no more. */
static void test_who_has_answered_is_asked_again(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    complain(w, 1, 1U << 2);
    w->silent = 1U << 2;
    pass(w, 2U * w->start[1].stall_ms - 1U);
    assert_int_equal(w->cuts, 7);
    pass(w, 1);
    end_without(w, 4);
}

/* Whose rows only the owner waits for is asked by it when the run's usual time is over; of the next
 * attempt, which has one device less, twice that time. */
static void test_the_owner_asks_when_a_run_is_late(void **state)
{
    (void)state;
    for (unsigned silent = 0; silent < 2; silent++) {
        struct world *w = usual_world(4);
        w->silent = silent << 2;
        give_piece(w, 0);
        give_piece(w, 1);
        give_piece(w, 3);
        pass(w, LATE_MS - 1);
        assert_int_equal(w->asked_at[2], 0);
        pass(w, 1);
        assert_int_equal(w->asked_at[2], 1);
        assert_int_equal(w->asked_at[1], 0);
        pass(w, w->start[2].stall_ms);
        assert_int_equal(w->cuts, 7 + silent);
        assert_int_equal(w->started, silent == 1 ? 15 & ~4 : 15);
        if (silent == 1) {
            pass(w, 2 * of_three(LATE_MS) - 1);
            assert_int_equal(w->asked_at[1], 0);
            pass(w, 1);
            assert_int_equal(w->asked_at[1], 1);
        }
        give_piece(w, 2 - silent);
        if (silent == 1) {
            give_piece(w, 0);
            give_piece(w, 3);
        }
        assert_int_equal(w->tiles_done, 7);
        finish(w, 7);
    }
}

/* What came while the owner was busy is read before anybody is taken for silent. */
static void test_answers_are_read_before_silence_counts(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->silent = 1U << 2;
    complain(w, 1, 1U << 2);
    w->view.now_ms += w->start[1].stall_ms + 10U;
    pass(w, 0);
    assert_int_equal(w->cuts, 7);
    stall(w, 2, 0);
    w->silent = 0;
    pass(w, 20);
    end_undisturbed(w);
}

/* Who does not answer is not left out before anybody waits for its rows. */
static void test_nobody_needs_who_is_not_waited_for(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->silent = 1U << 3;
    complain(w, 1, 1U << 2);
    pass(w, 3U * w->start[1].stall_ms);
    assert_int_equal(w->cuts, 7);
    complain(w, 2, 1U << 3);
    pass(w, w->start[1].stall_ms);
    end_without(w, 8);
}

/* Nor when whoever waited for them has them since: its own rows are here. */
static void test_who_is_done_waits_for_nobody(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->silent = 1U << 2;
    complain(w, 1, 1U << 2);
    give_piece(w, 1);
    pass(w, 3U * w->start[1].stall_ms);
    assert_int_equal(w->cuts, 7);
    give_piece(w, 0);
    give_piece(w, 2);
    give_piece(w, 3);
    assert_int_equal(w->tiles_done, 7);
    finish(w, 7);
}

/* A holder that could not use what another gave cannot go on: the other is left out. */
static void test_who_gave_up_names_its_cause(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    stall(w, 3, 1U << 1 | 1U << 3);
    pass(w, 4);
    stall(w, 2, 1U << 1 | 1U << 2); /* the time is the first one's */
    assert_int_equal(w->cuts, 7);
    pass(w, 1);
    assert_int_equal(w->cuts, 8);
    assert_int_equal(w->started, 15 & ~2);
    stall(w, 3, UINT32_MAX); /* it knows no plan */
    pass(w, 5);
    assert_int_equal(w->cuts, 9);
    assert_int_equal(w->started, 15 & ~2 & ~8);
    give_all(w);
    finish(w, 7);
}

/* Rows that one device owes for as long again as a run takes are made by others, though it answers:
 * to the millisecond, whether the owner alone lacks them or others wait for it, who are not the
 * cause. */
static void test_overdue_rows(void **state)
{
    (void)state;
    for (unsigned others = 0; others < 2; others++) {
        struct world *w = usual_world(4);
        w->at[2] = 2; /* of four segments */
        if (others == 1) {
            complain(w, 1, 1U << 2);
            complain(w, 3, 1U << 2);
            complain(w, 0, 1U << 1);
        } else {
            give_piece(w, 0);
            give_piece(w, 1);
            give_piece(w, 3);
        }
        pass(w, 2 * USUAL_MS - 1);
        assert_int_equal(w->cuts, 7);
        pass(w, 1);
        end_without(w, 4);
    }
}

/* Who is in the last segment, and a mesh of which most are late, get half of that time more, once
 * in each attempt, of which the next has twice the time. In what both took the owner would have
 * computed all of it twice: then it does. */
static void test_who_is_nearly_done_gets_more_time(void **state)
{
    (void)state;
    for (unsigned most = 0; most < 2; most++) {
        struct world *w = usual_world(4);
        w->at[2] = most == 0 ? 3 : 0;
        for (unsigned d = 0; most == 0 && d < 4; d++) {
            if (d != 2) {
                give_piece(w, d);
            }
        }
        pass(w, 3 * USUAL_MS - 1);
        assert_int_equal(w->cuts, 7);
        pass(w, 1);
        assert_int_equal(w->cuts, 8);
        assert_int_equal(w->started, most == 0 ? 15 & ~4 : 1);
        if (most == 0) {
            w->at[1] = 3;
            give_piece(w, 0);
            give_piece(w, 3);
            pass(w, 3 * of_three(2 * USUAL_MS) - 1);
            assert_int_equal(w->tiles_done, 6);
            pass(w, 1);
            assert_int_equal(w->computed_here, 1);
        }
        give_all(w);
        finish(w, 7);
    }
}

/* Where each waits for another and rows were lost somewhere, one that others wait for is left out.
 */
static void test_where_all_wait_one_is_left_out(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    complain(w, 0, 1U << 1);
    complain(w, 1, 1U << 2);
    complain(w, 2, 1U << 3);
    complain(w, 3, 1U << 0); /* the owner itself */
    pass(w, 2 * USUAL_MS - 1);
    assert_int_equal(w->cuts, 7);
    pass(w, 1);
    end_without(w, 2);
}

/* Two that live and wait for one another do not reach one another: nothing is waited for. In the
 * next attempt that one is left out which was in both. */
static void test_who_is_parted_from_others_is_left_out(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->waits_for[3] = 1U << 1;
    complain(w, 1, 1U << 3);
    pass(w, 4);
    assert_int_equal(w->cuts, 7);
    pass(w, 2);
    assert_int_equal(w->cuts, 8);
    assert_int_equal(w->started, 15 & ~2);
    w->waits_for[3] = 1U << 2;
    complain(w, 2, 1U << 3);
    pass(w, 6);
    assert_int_equal(w->cuts, 9);
    assert_int_equal(w->started, 15 & ~2 & ~8);
    give_all(w);
    finish(w, 7);
}

/* Whoever waits for one that is further on waits for rows that are under way. */
static void test_rows_under_way_part_nobody(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->waits_for[2] = 1U << 1;
    w->at[2] = 2;
    complain(w, 1, 1U << 2);
    pass(w, w->start[1].stall_ms);
    end_undisturbed(w);
}

/* An answer is no complaint however late it comes: not behind the question after, either. */
static void test_late_answers_are_no_complaints(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->silent = 1U << 3;
    complain(w, 1, 1U << 2);
    w->waits_for[0] = 1U << 3;
    pass(w, w->start[1].stall_ms);
    assert_int_equal(w->asked_at[3], 2);
    w->silent = 0;
    complain(w, 3, 1U);
    complain(w, 3, 1U);
    pass(w, w->start[1].stall_ms);
    end_undisturbed(w);
}

/* Who complained in one segment waits in the next for rows that are under way. */
static void test_a_complaint_is_of_its_segment(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    complain(w, 1, 1U << 2);
    w->at[1] = w->at[3] = 1;
    w->waits_for[1] = 1U << 3;
    w->waits_for[3] = 1U << 1;
    pass(w, w->start[1].stall_ms);
    assert_int_equal(w->asked_at[1], 2);
    pass(w, w->start[1].stall_ms - 1U);
    assert_int_equal(w->cuts, 7);
    stall(w, 1, 1U << 3);
    pass(w, 6); /* asked once more after 1 ms, 3 waits still */
    end_without(w, 2);
}

/* Whom a device waited for when the run was begun again is nobody that anybody waits for now. */
static void test_who_waits_is_forgotten_with_the_attempt(void **state)
{
    (void)state;
    struct world *w = usual_world(5);
    complain(w, 2, 1U << 3);
    set_peer(w, 4, COVEY_PEER_NO_CHANNEL);
    assert_int_equal(w->cuts, 8);
    assert_int_equal(w->started, 15);
    w->silent = 1U << 2 | 1U << 3;
    complain(w, 0, 1U << 1);
    pass(w, w->start[1].stall_ms);
    assert_int_equal(w->asked_at[3], 3);
    end_without(w, 0);
}

/* The owner itself is parted from one: it goes on without that one. */
static void test_the_owner_is_not_left_out(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->waits_for[3] = 1U << 0;
    complain(w, 0, 1U << 3);
    pass(w, 6);
    end_without(w, 8);
}

/* Rows that come when somebody was about to be taken for parted part nobody. */
static void test_rows_that_come_at_last_part_nobody(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->waits_for[2] = 1U << 1;
    complain(w, 1, 1U << 2);
    pass(w, 4);
    w->waits_for[1] = 0;
    stall(w, 1, 0);
    pass(w, 6);
    end_undisturbed(w);
}

/* However busy the owner is: each time it asks, it looks three times more, and then decides. */
static void test_a_busy_owner_decides_at_last(void **state)
{
    (void)state;
    enum { LOOKS = 3, BUSY_MS = 10 };
    struct world *w = usual_world(4);
    w->silent = 1U << 3;
    complain(w, 1, 1U << 2);
    for (unsigned asked = 1; asked < 3; asked++) {
        w->view.now_ms += w->start[1].stall_ms;
        for (unsigned look = 0; look < LOOKS; look++) {
            w->view.now_ms += BUSY_MS;
            pass(w, 0);
            assert_int_equal(w->asked_at[2], asked);
        }
        w->view.now_ms += BUSY_MS;
        pass(w, 0);
        assert_int_equal(w->asked_at[2], asked + 1);
    }
    end_undisturbed(w);
}

/* All that say nothing are left out when one of them is: the next attempt would wait for them. */
static void test_all_silent_ones_are_left_out_together(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    w->silent = 1U << 2 | 1U << 3;
    complain(w, 1, 1U << 2);
    pass(w, w->start[1].stall_ms);
    end_without(w, 4 | 8);
}

/* Where more requests are in flight than when it began, it may take that much longer. */
static void test_requests_beside_give_time(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    give_piece(w, 0);
    give_piece(w, 1);
    give_piece(w, 3);
    assert_int_equal(begin(w, 8), COVEY_OK);
    pass(w, 2 * 2 * USUAL_MS - 1);
    assert_int_equal(w->cuts, 7);
    pass(w, 1);
    assert_int_equal(w->cuts, 8);
    end(w, 8);
    end_without(w, 4);
}

/* A message of before, or of devices that have no part, changes nothing for anybody else. */
static void test_words_that_do_not_count(void **state)
{
    (void)state;
    struct world *w = usual_world(4);
    struct covey_work_tile now = w->start[1];
    for (unsigned i = 0; i < 4; i++) {
        w->start[1].attempt = (uint8_t)(now.attempt - (i == 0));
        w->start[1].fence.version = now.fence.version + (i == 1);
        w->start[1].run = (uint8_t)(now.run + (i == 2));
        stall(w, 1, i == 3 ? UINT32_C(1) << 6 : 1U << 1 | 1U << 2);
    }
    w->start[1] = now;
    pass(w, 10);
    assert_int_equal(w->cuts, 7);
    assert_int_equal(w->asked_at[2], 0);
    stall(w, 3, 1U << 3 | UINT32_C(1) << 6); /* it can blame nobody but itself */
    pass(w, 5);
    end_without(w, 8);
}

/* Nobody is blamed in the next attempt for what was said in the one before. */
static void test_blame_ends_with_the_attempt(void **state)
{
    (void)state;
    struct world *w = usual_world(5);
    stall(w, 3, 1U << 1 | 1U << 3);
    complain(w, 2, 1U << 1);
    set_peer(w, 4, COVEY_PEER_NO_CHANNEL);
    assert_int_equal(w->cuts, 8);
    assert_int_equal(w->started, 15);
    w->waits_for[1] = 1U << 2;
    complain(w, 0, 1U << 1); /* so all are asked, and 1 and 2 wait for one another */
    pass(w, 10);
    assert_int_equal(w->cuts, 8);
    stall(w, 3, 1U << 3);
    pass(w, 5);
    assert_int_equal(w->cuts, 9);
    assert_int_equal(w->started, 7);
    give_all(w);
    finish(w, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_late_device_that_answers_is_waited_for),
        cmocka_unit_test(test_a_silent_device_is_left_out_after_half_a_run),
        cmocka_unit_test(test_silence_is_as_long_as_answers_take),
        cmocka_unit_test(test_who_has_answered_is_asked_again),
        cmocka_unit_test(test_the_owner_asks_when_a_run_is_late),
        cmocka_unit_test(test_answers_are_read_before_silence_counts),
        cmocka_unit_test(test_nobody_needs_who_is_not_waited_for),
        cmocka_unit_test(test_who_is_done_waits_for_nobody),
        cmocka_unit_test(test_who_gave_up_names_its_cause),
        cmocka_unit_test(test_overdue_rows),
        cmocka_unit_test(test_who_is_nearly_done_gets_more_time),
        cmocka_unit_test(test_where_all_wait_one_is_left_out),
        cmocka_unit_test(test_who_is_parted_from_others_is_left_out),
        cmocka_unit_test(test_rows_under_way_part_nobody),
        cmocka_unit_test(test_late_answers_are_no_complaints),
        cmocka_unit_test(test_a_complaint_is_of_its_segment),
        cmocka_unit_test(test_who_waits_is_forgotten_with_the_attempt),
        cmocka_unit_test(test_the_owner_is_not_left_out),
        cmocka_unit_test(test_rows_that_come_at_last_part_nobody),
        cmocka_unit_test(test_a_busy_owner_decides_at_last),
        cmocka_unit_test(test_all_silent_ones_are_left_out_together),
        cmocka_unit_test(test_requests_beside_give_time),
        cmocka_unit_test(test_words_that_do_not_count),
        cmocka_unit_test(test_blame_ends_with_the_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
