/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tiles_world.h"

#include "plan_codec.h"
#include "worker_tiles.h"

/* Whatever the order in which STARTs, pieces and results come, each request's rows come to the
 * owner once, all of them, and every body is given back. */
static void test_any_order_ends_with_the_result(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct world *w = world_new(seed);
        assert_eight_end_well(w);
        world_free(w);
    }
}

/* A newer attempt takes over at any moment; nothing of the older one is taken for it, and session
 * is told to forget what it kept. */
static void test_newer_attempts_replace_older_ones(void **state)
{
    (void)state;
    unsigned dropped = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct world *w = world_new(seed);
        queue_start(w, 3, 0, 0);
        deliver_some(w, 40);
        queue_start(w, 3, 1, 1U << 2);
        deliver_all(w);
        assert_result(w, 3, 1);
        for (unsigned d = 0; d < HOLDERS; d++) {
            dropped += w->holder[d].dropped;
        }
        world_free(w);
    }
    assert_true(dropped > 0);
}

/* A holder that is gone is complained of by those who wait for it, once each, after the time that
 * START gave; the next attempt without it has a result. */
static void test_lost_holders_are_complained_of(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct world *w = world_new(seed);
        w->holder[2].dead = true;
        queue_start(w, 1, 0, 0);
        deliver_all(w);
        assert_int_equal(w->stalled_count, 0);
        assert_int_equal(covey__worker_deadline_ms(w->holder[3].worker), w->now_ms + STALL_MS);
        for (unsigned round = 0; round < 3; round++) {
            pass(w, STALL_MS);
        }
        assert_int_equal(w->stalled_count, 2);
        assert_int_equal(w->stalled_missing, 1U << 2);
        assert_int_equal(w->stalled_by, 1U << 1 | 1U << 3); /* its neighbours */
        queue_start(w, 1, 1, 1U << 2);
        deliver_all(w);
        assert_result(w, 1, 1);
        world_free(w);
    }
}

/* DROP, the loss of the owner's channel and silence end a job wherever it is. */
static void test_jobs_end_when_nobody_wants_them(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct world *w = world_new(seed);
        queue_start(w, 1, 0, 0);
        deliver_some(w, 20);
        for (unsigned d = 0; d < HOLDERS; d++) {
            struct covey_work_message m = {.type = COVEY_WORK_DROP};
            m.tile.fence = w->fence;
            m.tile.request = 1;
            if (seed % 3 == 0) {
                tell(w, OWNER, d, &m, 0);
            } else if (seed % 3 == 1) {
                lose_owner(w, d);
            }
        }
        deliver_all(w);
        for (unsigned d = 0; d < HOLDERS; d++) {
            w->now_ms += 100000;
            carry_out(w, d);
            assert_int_equal(w->holder[d].running, 0);
        }
        assert_no_bodies(w);
        world_free(w);
    }
}

static void piece(struct world *w, unsigned from, unsigned to, struct covey_work_tile tile,
                  size_t len)
{
    struct covey_work_message m = {.type = COVEY_WORK_PIECE, .tile = tile};
    struct body body = {.len = len, .segment = 1, .source = tile.source, .request = 1};
    body.rows = (struct covey_rows){5, 6}; /* all that device 1 needs of device 0 */
    m.tile.fence = w->fence;
    m.tile.request = 1;
    covey_handle handle = new_body(w, &body);
    tell(w, from, to, &m, handle);
}

/* Pieces from others than the source, of other sizes, of segments that have none, and twice the
 * same are given back at once: the job goes on as if they had never come. */
static void test_hostile_pieces_are_refused(void **state)
{
    (void)state;
    struct world *w = world_new(5);
    static const struct {
        unsigned from;
        struct covey_work_tile tile;
        size_t len;
    } rows[] = {
        {3, {.segment = 1, .source = 0}, 12}, /* holder 3 is not device 0 */
        {0, {.segment = 1, .source = 3}, 12}, /* and the owner is not device 3 */
        {0, {.segment = 1, .source = 0}, 24}, /* two rows, where one is needed */
        {0, {.segment = 1, .source = 0}, 16}, /* more than one row */
        {0, {.segment = 0, .source = 0}, 12}, /* of the run's input, which the owner gives */
        {0, {.segment = 3, .source = 0}, 12}, /* of the result, which is the owner's */
        {1, {.segment = 1, .source = 1}, 12}, /* from oneself */
        {3, {.segment = 1, .source = 3}, 12}, /* not a neighbour */
        {0, {.segment = 1, .source = 0, .run = 1}, 12}, {0, {.segment = 1, .source = 31}, 12},
    };
    queue_start(w, 1, 0, 0);
    while (w->queue[w->queued - 1].to != 1) {
        w->queued--;
        drop_body(w, w->queue[w->queued].body);
    }
    deliver(w, w->queued - 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        piece(w, rows[i].from, 1, rows[i].tile, rows[i].len);
        assert_int_equal(w->body[w->bodies].references, 0);
    }
    struct covey_work_tile good = {.segment = 1, .source = 0};
    piece(w, 0, 1, good, 12);
    assert_int_equal(w->body[w->bodies].references, 1);
    piece(w, 0, 1, good, 12);
    assert_int_equal(w->body[w->bodies].references, 0);
    while (w->queued > 0) {
        struct flight *f = &w->queue[w->queued - 1];
        if (f->is_event) {
            deliver(w, w->queued - 1);
        } else {
            drop_body(w, f->body);
            w->queued--;
        }
    }
    world_free(w);
}

/* One holder can have only so many bodies kept for requests that never start, and not for long. */
static void test_early_pieces_are_bounded(void **state)
{
    (void)state;
    struct world *w = world_new(6);
    unsigned held = 0;
    for (unsigned i = 0; i < 200; i++) {
        struct covey_work_tile tile = {.segment = 1, .source = 0, .attempt = (uint8_t)i};
        w->now_ms++;
        piece(w, 0, 1, tile, 12);
    }
    struct covey_work_tile large = {.segment = 1, .source = 2};
    piece(w, 2, 1, large, (size_t)(ROWS + 1) * 12);
    for (unsigned i = 1; i <= w->bodies; i++) {
        held += w->body[i].references;
    }
    assert_in_range(held, 1, 16);
    assert_int_equal(w->body[200].references, 1);
    assert_int_equal(w->body[1].references, 0);
    w->now_ms += 10000;
    carry_out(w, 1);
    assert_no_bodies(w);
    world_free(w);
}

static unsigned find_start(const struct world *w, unsigned to)
{
    unsigned at = 0;
    while (at < w->queued && (w->queue[at].is_event || w->queue[at].to != to)) {
        at++;
    }
    return at;
}

/* A session is of the owner that its name names: one who took the name before loses it to that one,
 * and does not get it again. A name that names neither is of whom had it first. */
static void test_a_session_is_of_whom_it_names(void **state)
{
    (void)state;
    static uint8_t bytes[COVEY__PLAN_MAX];
    struct world *w = world_new(1);
    struct covey_node_id self = id_of(1), owner = id_of(2), usurper = id_of(3);
    struct covey_tiles *tiles = malloc(covey__tiles_size());
    struct covey__given_plan given;
    size_t len = 0;
    assert_non_null(tiles);
    assert_int_equal(covey__plan_encode(&w->plan, (struct covey_buf){bytes, sizeof(bytes)}, &len),
                     COVEY_OK);
    struct covey_bytes plan = covey_bytes_of(bytes, len);
    for (unsigned named = 0; named < 2; named++) {
        struct covey_fence fence = {{{9}}, 1, 1}, later = {{{9}}, 1, 2};
        if (named == 1) {
            covey_session_id_own(&fence.session, &owner);
            covey_session_id_own(&later.session, &owner);
        }
        covey__tiles_init(tiles, &self);
        assert_int_equal(covey__tiles_assign(tiles, &usurper, &fence, plan, &given), COVEY_OK);
        assert_int_equal(covey__tiles_assign(tiles, &usurper, &later, plan, &given), COVEY_OK);
        assert_int_equal(covey__tiles_assign(tiles, &owner, &fence, plan, &given),
                         named == 1 ? COVEY_OK : COVEY_ERR_DENIED);
        assert_int_equal(covey__tiles_assign(tiles, &usurper, &fence, plan, &given),
                         named == 1 ? COVEY_ERR_DENIED : COVEY_OK);
        assert_int_equal(covey__tiles_assign(tiles, &usurper, &later, plan, &given),
                         named == 1 ? COVEY_ERR_DENIED : COVEY_OK);
    }
    free(tiles);
    world_free(w);
}

/* One owner can have so many jobs at once; more are told that they cannot begin. */
static void test_jobs_of_an_owner_are_bounded(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    for (uint64_t request = 0; request < 56; request++) {
        queue_start(w, request, 0, 0);
    }
    for (unsigned at = find_start(w, 1); at < w->queued; at = find_start(w, 1)) {
        deliver(w, at);
    }
    assert_int_equal(w->stalled_count, 56 - 48);
    assert_int_equal(w->stalled_by, 1U << 1);
    assert_int_equal(w->stalled_missing, 1U << 1);
    world_free(w);
}

/* What cannot begin, and what could not be computed, is told with one's own name. */
static void test_failures_name_oneself(void **state)
{
    (void)state;
    struct world *w = world_new(7);
    w->fail_compute = true;
    queue_start(w, 1, 0, 0);
    deliver_all(w);
    assert_int_equal(w->stalled_by, 15);
    assert_int_equal(w->stalled_missing, 15);
    assert_no_bodies(w);
    w->fail_compute = false;
    w->stalled_by = w->stalled_missing = 0;
    w->plan.run[0].segment[0].rows[1]++;
    w->plan.run[0].segment[2].rows[HOLDERS]--;
    queue_start(w, 2, 0, 0); /* of another run's rows */
    deliver_all(w);
    assert_int_equal(w->stalled_by, 15);
    assert_int_equal(w->stalled_missing, 15);
    assert_no_bodies(w);
    w->fence.version = 9;
    w->stalled_by = w->stalled_missing = 0;
    queue_start(w, 3, 0, 0); /* of a plan that was never assigned */
    deliver_all(w);
    assert_int_equal(w->stalled_by, 15);
    assert_int_equal(w->stalled_missing, UINT32_MAX);
    world_free(w);
}

static void end_task(struct world *w)
{
    unsigned at = 0;
    while (!w->queue[at].is_event) {
        at++;
    }
    deliver(w, at);
}

/* Who sent what could not be computed is named too. */
static void test_failures_name_their_cause(void **state)
{
    (void)state;
    struct world *w = world_new(9);
    w->fail_compute = true;
    w->fail_because = 1U << 2;
    queue_start(w, 1, 0, 0);
    deliver(w, find_start(w, 1));
    end_task(w);
    assert_int_equal(w->stalled_by, 1U << 1);
    assert_int_equal(w->stalled_missing, 1U << 1 | 1U << 2);
    deliver_all(w);
    assert_int_equal(w->stalled_by, 15);
    assert_no_bodies(w);
    world_free(w);
}

static void ask(struct world *w, unsigned from, unsigned to, uint8_t attempt)
{
    struct covey_work_message m = {.type = COVEY_WORK_ASK};
    m.tile.fence = w->fence;
    m.tile.request = 1;
    m.tile.attempt = attempt;
    tell(w, from, to, &m, 0);
}

static void assert_told(struct world *w, unsigned segment, uint32_t missing)
{
    assert_int_equal(w->stalled_count, 1);
    assert_int_equal(w->stalled_by, 1U << 1);
    assert_int_equal(w->stalled.segment, segment);
    assert_int_equal(w->stalled_missing, missing);
    w->stalled_count = w->stalled_by = w->stalled_missing = 0;
}

/* Whoever is asked answers at once, while it computes too, with the segment where it is and whose
 * rows it lacks of that; nobody else is answered. */
static void test_holders_tell_where_they_are(void **state)
{
    (void)state;
    struct world *w = world_new(11);
    ask(w, OWNER, 1, 0); /* before its START */
    assert_told(w, 0, 0);
    queue_start(w, 1, 0, 0);
    deliver(w, find_start(w, 1));
    assert_int_equal(w->holder[1].running, 1);
    ask(w, OWNER, 1, 0);
    assert_told(w, 0, 0);
    assert_int_equal(w->stalled.attempt, 0);
    end_task(w);
    ask(w, OWNER, 1, 0);
    assert_told(w, 1, 1U << 0); /* its strip of stride 2 needs a row of that neighbour only */
    ask(w, OWNER, 1, 1);
    assert_told(w, 0, 0);
    ask(w, 2, 1, 0); /* not the owner */
    w->fence.version++;
    ask(w, OWNER, 1, 0);
    w->fence.version--;
    assert_int_equal(w->stalled_count, 0);
    while (w->holder[1].running == 0) {
        deliver(w, 0);
    }
    ask(w, OWNER, 1, 0);
    assert_told(w, 1, 0); /* it has them all */
    deliver_all(w);
    assert_result(w, 1, 0);
    ask(w, OWNER, 1, 0);
    assert_told(w, SEGMENTS, 0);
    world_free(w);
}

/* Rows that came without zeros have fewer bytes. */
static void test_shorter_pieces_are_taken(void **state)
{
    (void)state;
    struct world *w = world_new(10);
    struct covey_work_tile tile = {.segment = 1, .source = 0};
    queue_start(w, 1, 0, 0);
    while (w->queue[w->queued - 1].to != 1) {
        w->queued--;
        drop_body(w, w->queue[w->queued].body);
    }
    deliver(w, w->queued - 1);
    piece(w, 0, 1, tile, 8);
    assert_int_equal(w->body[w->bodies].references, 1);
    deliver_all(w);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order_ends_with_the_result),
        cmocka_unit_test(test_newer_attempts_replace_older_ones),
        cmocka_unit_test(test_lost_holders_are_complained_of),
        cmocka_unit_test(test_jobs_end_when_nobody_wants_them),
        cmocka_unit_test(test_hostile_pieces_are_refused),
        cmocka_unit_test(test_early_pieces_are_bounded),
        cmocka_unit_test(test_a_session_is_of_whom_it_names),
        cmocka_unit_test(test_jobs_of_an_owner_are_bounded),
        cmocka_unit_test(test_failures_name_oneself),
        cmocka_unit_test(test_failures_name_their_cause),
        cmocka_unit_test(test_holders_tell_where_they_are),
        cmocka_unit_test(test_shorter_pieces_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
