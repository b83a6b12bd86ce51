/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tiles_world.h"

enum {
    FED = 0xe,             /* all but the owner */
    FED_MS = 2 * STALL_MS, /* how long they wait for the rest of a result */
};

static struct world *fed_world(uint64_t seed)
{
    struct world *w = world_new(seed);
    w->fed = FED;
    return w;
}

/* In whichever order all comes, each fed holder has all rows once, computes with them once and
 * answers once, the owner has the rows too, and every body is given back. */
static void test_all_fed_holders_answer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct world *w = fed_world(seed);
        assert_eight_end_well(w);
        for (uint64_t request = 0; request < 8; request++) {
            assert_int_equal(w->answered[request], FED);
        }
        world_free(w);
    }
}

/* A holder without rows of its own is fed like any other. */
static void test_without_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct world *w = fed_world(seed);
        queue_start(w, 1, 0, 1U << 2);
        deliver_all(w);
        assert_result(w, 1, 0);
        assert_int_equal(w->answered[1], FED);
        world_free(w);
    }
}

/* All that is on its way arrives, a millisecond after the other, but before anybody has waited for
 * STALL_MS. Gives when this holder had computed for the last time. */
static uint64_t deliver_by_and_by(struct world *w, unsigned holder)
{
    uint64_t until_ms = w->now_ms + STALL_MS - 1, computed_ms = 0;
    while (w->queued > 0) {
        unsigned which = below(w, w->queued);
        if (w->queue[which].is_event && w->queue[which].to == holder) {
            computed_ms = w->now_ms;
        }
        deliver(w, which);
        if (w->now_ms < until_ms) {
            pass(w, 1);
        }
    }
    return computed_ms;
}

/* Whose rows do not come is complained of, once and to the owner alone, by whoever waits for them,
 * just when twice the time that START gave is over: it begins where it has computed its own. */
static void test_missing_rows_are_complained_of(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct world *w = fed_world(seed);
        w->cut[1][3] = true;
        queue_start(w, 1, 0, 0);
        uint64_t waits_ms = deliver_by_and_by(w, 3);
        assert_true(waits_ms > 0 && w->now_ms < waits_ms + STALL_MS);
        assert_result(w, 1, 0);
        assert_int_equal(w->answered[1], FED & ~(1U << 3));
        assert_int_equal(covey__worker_deadline_ms(w->holder[3].worker), waits_ms + FED_MS);
        pass(w, waits_ms + FED_MS - 1 - w->now_ms);
        assert_int_equal(w->stalled_count, 0);
        pass(w, 1);
        assert_int_equal(w->stalled_count, 1);
        assert_int_equal(w->stalled_by, 1U << 3);
        assert_int_equal(w->stalled_missing, 1U << 1);
        assert_int_equal(w->stalled.request, 1);
        assert_int_equal(w->stalled.attempt, 0);
        assert_int_equal(w->stalled.run, 0);
        assert_int_equal(w->stalled.segment, SEGMENTS);
        pass(w, FED_MS);
        assert_int_equal(w->stalled_count, 1);
        struct covey_work_message m = {.type = COVEY_WORK_EXECUTE};
        m.execute = (struct covey_work_execute){w->fence, 1, FED_LAYER, work_of(1, 0) + 1};
        tell(w, OWNER, 3, &m, 0); /* refused for want of a body, which is none of this test */
        m.type = COVEY_WORK_CANCEL;
        m.cancel.work = work_of(1, 0);
        tell(w, OWNER, 3, &m, 0);
        assert_int_equal(w->cancelled[1], 1U << 3);
        assert_int_equal(w->stalled_count, 1);
        assert_no_bodies(w);
        world_free(w);
    }
}

/* A fed holder without rows of its own complains of nobody while the others may still be computing,
 * however long that takes; from the first rows of the result on it waits for the rest, twice as
 * long as for rows of a segment. */
static void test_waiting_begins_with_the_first_rows(void **state)
{
    (void)state;
    struct world *w = fed_world(1);
    w->cut[3][2] = true;
    queue_start(w, 1, 0, 1U << 2);
    unsigned at = 0;
    while (w->queue[at].to != 2) {
        at++;
    }
    deliver(w, at);
    pass(w, STALL_MS);
    pass(w, STALL_MS);
    assert_int_equal(w->stalled_count, 0);
    deliver_all(w);
    pass(w, FED_MS - 1);
    assert_int_equal(w->stalled_count, 0);
    pass(w, 1);
    assert_int_equal(w->stalled_count, 1);
    assert_int_equal(w->stalled_by, 1U << 2);
    assert_int_equal(w->stalled_missing, 1U << 3);
    world_free(w);
}

/* Its last strip, and so its rows of the result, is computed next. */
static bool is_result_of(const struct world *w, const struct flight *f, unsigned holder)
{
    covey_handle rows = f->pieces[COVEY_TILE_OWNER];
    return f->is_event && f->to == holder && rows != 0 && w->body[rows].segment == SEGMENTS;
}

/* All but holder 1's result arrives. */
static void deliver_but_its_result(struct world *w)
{
    for (unsigned at = 0; at < w->queued;) {
        if (is_result_of(w, &w->queue[at], 1)) {
            at++;
        } else {
            deliver(w, at);
            at = 0;
        }
    }
    assert_int_equal(w->queued, 1);
}

/* Wherever an update is full among the rows of a result: they go to nobody twice, and who waits for
 * others' complains no later than without. */
static void test_full_updates_change_nothing(void **state)
{
    (void)state;
    for (unsigned room = 0; room <= HOLDERS; room++) {
        struct world *w = fed_world(1);
        w->cut[2][1] = true;
        queue_start(w, 1, 0, 0);
        deliver_but_its_result(w);
        w->update->count = COVEY_UPDATE_ACTIONS_MAX - room;
        for (size_t i = 0; i < w->update->count; i++) {
            w->update->actions[i] = (struct covey_action){.type = COVEY_ACTION_RETIRED};
        }
        deliver(w, 0);
        assert_int_equal(w->queued, HOLDERS - 2); /* to the other fed ones */
        deliver_all(w);
        assert_result(w, 1, 0);
        assert_int_equal(w->answered[1], FED & ~(1U << 1));
        pass(w, FED_MS);
        assert_int_equal(w->stalled_by, 1U << 1);
        assert_int_equal(w->stalled_missing, 1U << 2);
        world_free(w);
    }
}

/* A newer attempt, CANCEL and the loss of the owner end the waiting and the computing at any
 * moment, and nothing is left. */
static void test_ends_at_any_moment(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct world *w = fed_world(seed);
        queue_start(w, 1, 0, 0);
        deliver_some(w, 50);
        if (seed % 3 == 0) {
            w->fed = 0;
            queue_start(w, 1, 1, 1U << 2);
            w->fed = FED; /* what is on its way still comes */
            deliver_all(w);
            assert_result(w, 1, 1);
        }
        for (unsigned d = 1; d < HOLDERS; d++) {
            struct covey_work_message m = {.type = COVEY_WORK_CANCEL};
            m.cancel = (struct covey_work_execute){w->fence, 1, FED_LAYER, work_of(1, 0)};
            if (seed % 3 == 1) {
                tell(w, OWNER, d, &m, 0);
            } else if (seed % 3 == 2) {
                lose_owner(w, d);
            }
        }
        deliver_all(w);
        assert_int_equal(w->answered[1] & w->cancelled[1], 0);
        for (unsigned step = 0; step < 3; step++) {
            pass(w, 100000);
        }
        assert_no_bodies(w);
        world_free(w);
    }
}

/* What cannot be computed is refused, and the run goes on for the others. */
static void test_failures_are_refused(void **state)
{
    (void)state;
    struct world *w = fed_world(3);
    queue_start(w, 1, 0, 0);
    while (w->answered[1] == 0 && w->queued > 0) {
        deliver(w, below(w, w->queued));
    }
    assert_int_equal(w->refused[1], 0);
    w->fail_compute = true;
    deliver_all(w);
    assert_result(w, 1, 0);
    assert_int_equal(w->answered[1] | w->refused[1], FED);
    assert_int_equal(w->answered[1] & w->refused[1], 0);
    assert_int_equal(w->stalled_count, 0);
    assert_no_bodies(w);
    world_free(w);
}

/* Asked, who waits for the rest of a result names nobody: its own part of the run is done. */
static void test_who_waits_for_a_result_names_nobody(void **state)
{
    (void)state;
    struct world *w = fed_world(6);
    w->cut[3][1] = true;
    queue_start(w, 1, 0, 0);
    deliver_all(w);
    assert_int_equal(w->answered[1], FED & ~(1U << 1));
    struct covey_work_message m = {.type = COVEY_WORK_ASK};
    m.tile.fence = w->fence;
    m.tile.request = 1;
    tell(w, OWNER, 1, &m, 0);
    assert_int_equal(w->stalled_count, 1);
    assert_int_equal(w->stalled.segment, SEGMENTS);
    assert_int_equal(w->stalled_missing, 0);
    world_free(w);
}

static void result_piece(struct world *w, unsigned from, unsigned to, unsigned source, size_t len)
{
    struct covey_work_message m = {.type = COVEY_WORK_PIECE};
    struct body body = {.len = len};
    m.tile.fence = w->fence;
    m.tile.request = 1;
    m.tile.segment = SEGMENTS;
    m.tile.source = (uint8_t)source;
    tell(w, from, to, &m, new_body(w, &body));
}

/* Rows of the result from others than their maker, of another size, for who is not fed, and twice
 * the same are given back at once. */
static void test_hostile_rows_are_refused(void **state)
{
    (void)state;
    struct world *w = fed_world(5);
    w->fed = 1U << 1;
    for (unsigned d = 0; d < HOLDERS; d++) {
        for (unsigned e = 0; e < HOLDERS; e++) {
            w->cut[d][e] = d == 3; /* its rows never come */
        }
    }
    queue_start(w, 1, 0, 0);
    deliver_all(w);
    unsigned bodies = w->bodies;
    result_piece(w, 2, 1, 3, 12);      /* holder 2 is not device 3 */
    result_piece(w, 3, 1, 3, 8);       /* two rows, where three are made */
    result_piece(w, 2, 1, 2, 12);      /* not the one that was started with */
    result_piece(w, 3, 2, 3, 12);      /* is not fed */
    result_piece(w, 3, 1, 3, 1 << 20); /* more than all */
    unsigned left = 0;
    for (unsigned i = bodies + 1; i <= w->bodies; i++) {
        left += w->body[i].references;
    }
    assert_int_equal(left, 0);
    assert_int_equal(w->answered[1], 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fed_holders_answer),
        cmocka_unit_test(test_without_rows),
        cmocka_unit_test(test_missing_rows_are_complained_of),
        cmocka_unit_test(test_waiting_begins_with_the_first_rows),
        cmocka_unit_test(test_full_updates_change_nothing),
        cmocka_unit_test(test_ends_at_any_moment),
        cmocka_unit_test(test_failures_are_refused),
        cmocka_unit_test(test_who_waits_for_a_result_names_nobody),
        cmocka_unit_test(test_hostile_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
