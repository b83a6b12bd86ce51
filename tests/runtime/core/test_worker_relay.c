/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tiles_world.h"

static void give(struct world *w, unsigned from, unsigned to, unsigned source, size_t len)
{
    struct covey_work_message m = {.type = COVEY_WORK_PIECE};
    m.tile.fence = w->fence;
    m.tile.request = 1;
    m.tile.run = COVEY_WORK_NO_RUN;
    m.tile.source = (uint8_t)source;
    struct body body = {.len = len, .source = (uint8_t)source, .request = 1};
    tell(w, from, to, &m, new_body(w, &body));
}

/* In whichever order RELAYs and pieces of several requests arrive, each holder has all of the
 * input, computes once and answers once, and every body is given back. */
static void test_all_answer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct world *w = world_new(seed);
        for (uint64_t request = 0; request < 4; request++) {
            queue_relay(w, request, 0);
        }
        deliver_all(w);
        for (uint64_t request = 0; request < 4; request++) {
            assert_int_equal(w->answered[request], MEMBERS);
        }
        assert_int_equal(w->stalled_count, 0);
        assert_no_bodies(w);
        world_free(w);
    }
}

/* Whoever misses a piece says whose just when the time is over, once; with that piece from the
 * owner it goes on. */
static void test_the_owner_gives_what_is_missing(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    w->cut[1][3] = true;
    queue_relay(w, 1, 0);
    deliver_all(w);
    assert_int_equal(w->answered[1], MEMBERS & ~(1U << 3));
    pass(w, STALL_MS - 1);
    assert_int_equal(w->stalled_count, 0);
    pass(w, 1);
    assert_int_equal(w->stalled_count, 1);
    assert_int_equal(w->stalled_by, 1U << 3);
    assert_int_equal(w->stalled_missing, 1U << 1);
    assert_int_equal(w->stalled.run, COVEY_WORK_NO_RUN);
    assert_int_equal(w->stalled.segment, 0);
    assert_int_equal(w->stalled.attempt, 0);
    pass(w, STALL_MS);
    assert_int_equal(w->stalled_count, 1);
    give(w, OWNER, 3, 1, 256);
    deliver_all(w);
    assert_int_equal(w->answered[1], MEMBERS);
    assert_no_bodies(w);
    world_free(w);
}

/* Pieces from others than their givers and the owner, of another size, for another segment, twice
 * the same, or of a request that is over are given back at once. */
static void test_hostile_pieces_are_refused(void **state)
{
    (void)state;
    struct world *w = world_new(2);
    for (unsigned d = 0; d < HOLDERS; d++) {
        w->cut[3][d] = true;
    }
    queue_relay(w, 1, 0);
    deliver_all(w);
    unsigned bodies = w->bodies;
    give(w, 2, 1, 3, 232);            /* holder 2 is not device 3 */
    give(w, 3, 1, 3, 231);            /* a byte less */
    give(w, 3, 1, 3, 256);            /* more */
    give(w, 2, 1, 2, 256);            /* again */
    give(w, 3, 3, 3, 232);            /* its own */
    give(w, 3, 1, 3, COVEY_BODY_MAX); /* more than any piece */
    struct covey_work_message m = {.type = COVEY_WORK_PIECE};
    m.tile = (struct covey_work_tile){
        .fence = w->fence, .request = 1, .run = COVEY_WORK_NO_RUN, .segment = 1, .source = 3};
    struct body body = {.len = 232, .source = 3, .request = 1};
    tell(w, 3, 1, &m, new_body(w, &body));
    for (unsigned i = bodies + 1; i <= w->bodies; i++) {
        assert_int_equal(w->body[i].references, 0);
    }
    assert_int_equal(w->answered[1], 1U << 3);
    give(w, 3, 1, 3, 232);
    give(w, 2, 1, 2, 256); /* while it computes */
    assert_int_equal(w->body[w->bodies].references, 0);
    deliver_all(w);
    assert_int_equal(w->answered[1], 1U << 3 | 1U << 1);
    world_free(w);
}

enum { MANY = 12, LARGEST = COVEY_RELAY_PIECE_MAX };

/* Version 2 of the plan, for holder 1, with more devices, which have no rows. */
static struct world *larger_world(bool relayed)
{
    struct world *w = world_new(7);
    w->fence.version = 2;
    w->plan.devices = MANY;
    w->plan.layer[RELAYED_LAYER].relayed = relayed;
    for (unsigned d = HOLDERS; d < MANY; d++) {
        w->plan.device[d] = id_of(d);
        for (unsigned s = 0; s < SEGMENTS; s++) {
            uint16_t *rows = w->plan.run[0].segment[s].rows;
            rows[d + 1] = rows[HOLDERS];
        }
    }
    assign(w, 1);
    return w;
}

static size_t kept_bytes(const struct world *w)
{
    size_t bytes = 0;
    for (unsigned i = 1; i <= w->bodies; i++) {
        bytes += w->body[i].references * w->body[i].len;
    }
    return bytes;
}

static void give_largest(struct world *w, unsigned from, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        w->now_ms++;
        give(w, from, 1, from, LARGEST);
    }
}

/* What comes for a RELAY that never does is kept for some seconds, its newest; of each giver so
 * many bytes, and so many of all: then the oldest goes of whoever sent most. */
static void test_what_is_early_is_bounded(void **state)
{
    (void)state;
    struct world *w = larger_world(true);
    unsigned first = w->bodies + 1;
    give(w, 2, 1, 2, 256);
    give_largest(w, 3, 5);
    assert_int_equal(kept_bytes(w), 256 + 2 * LARGEST);
    assert_int_equal(w->body[w->bodies].references, 1);
    assert_int_equal(w->body[w->bodies - 2].references, 0);
    for (unsigned d = 4; d < MANY; d++) {
        give_largest(w, d, 3);
        assert_true(kept_bytes(w) <= 8 * LARGEST);
    }
    assert_true(kept_bytes(w) > 7 * LARGEST);
    assert_int_equal(w->body[first].references, 1); /* whatever the others send */
    pass(w, 10000);
    assert_no_bodies(w);
    world_free(w);
}

/* The same of short ones, of which there is room for so many. */
static void test_few_are_not_driven_out_by_many(void **state)
{
    (void)state;
    struct world *w = larger_world(true);
    unsigned first = w->bodies + 1;
    give(w, 2, 1, 2, 256);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned d = 3; d < MANY; d++) {
            w->now_ms++;
            give(w, d, 1, d, 256);
        }
    }
    assert_int_equal(kept_bytes(w), 64 * 256);
    assert_int_equal(w->body[first].references, 1);
    world_free(w);
}

/* Nothing is kept that no RELAY can be for. */
static void test_what_nothing_relays_is_not_kept(void **state)
{
    (void)state;
    struct world *w = larger_world(false);
    give(w, 2, 1, 2, 256);
    assert_int_equal(kept_bytes(w), 0);
    give(w, OWNER, 1, 2, 256);
    assert_int_equal(kept_bytes(w), 0);
    world_free(w);
    w = larger_world(true);
    give(w, 2, 1, 2, LARGEST + 1);
    give(w, 2, 1, 3, 256);
    assert_int_equal(kept_bytes(w), 0);
    struct covey_work_message m = {.type = COVEY_WORK_PIECE};
    m.tile = (struct covey_work_tile){
        .fence = w->fence, .request = 1, .run = COVEY_WORK_NO_RUN, .segment = 1, .source = 2};
    struct body body = {.len = 256, .source = 2, .request = 1};
    tell(w, 2, 1, &m, new_body(w, &body));
    assert_int_equal(kept_bytes(w), 0);
    give(w, OWNER, 1, MANY, 256);
    assert_int_equal(kept_bytes(w), 0);
    give(w, OWNER, 1, 2, 256);
    assert_int_equal(kept_bytes(w), 256);
    world_free(w);
}

/* Before a holder has its units it takes nothing. */
static void test_who_is_not_ready_takes_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(9);
    w->fence.version = 2;
    assign_unready(w, 1);
    give(w, 2, 1, 2, 256);
    assert_no_bodies(w);
    struct covey_work_message m = relay_of(w, 1, 0);
    struct body body = {.len = 256, .source = 1, .request = 1};
    tell(w, OWNER, 1, &m, new_body(w, &body));
    assert_int_equal(w->stalled_missing, 1U << 1);
    assert_no_bodies(w);
    world_free(w);
}

/* A RELAY that does not fit is not begun: the owner hears of it, and sends the whole input. */
static void test_bad_relays_are_refused(void **state)
{
    (void)state;
    enum { BAD = 7 };
    for (unsigned how = 0; how < BAD; how++) {
        struct world *w = world_new(3);
        struct covey_work_message m = relay_of(w, 1, 0);
        size_t len = 256;
        m.tile.layer = how == 0 ? FED_LAYER : RELAYED_LAYER; /* not relayed */
        m.tile.fed = how == 1 ? MEMBERS & ~1U : how == 2 ? 0x1f : MEMBERS;
        m.tile.bytes = how == 3 ? 0 : RELAYED_BYTES;
        m.tile.fence.version = how == 4 ? 9 : 1;
        len -= how == 5;
        if (how == 6) { /* longer than anybody keeps before its RELAY */
            m.tile.bytes = 4 * (LARGEST + 64);
            len = LARGEST + 64;
        }
        struct body body = {.len = len, .request = 1};
        tell(w, OWNER, 0, &m, new_body(w, &body));
        assert_int_equal(w->stalled_count, 1);
        assert_int_equal(w->stalled_missing, how == 4 ? UINT32_MAX : 1);
        assert_int_equal(w->stalled.run, COVEY_WORK_NO_RUN);
        assert_no_bodies(w);
        world_free(w);
    }
}

/* CANCEL, the request's next layer, however it is asked for, and the loss of the owner end the
 * waiting and the computing at any moment, and nothing is left. */
static void test_ends_at_any_moment(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct world *w = world_new(seed);
        queue_relay(w, 1, 0);
        deliver_some(w, 30);
        for (unsigned d = 0; d < HOLDERS; d++) {
            struct covey_work_message m = {.type = COVEY_WORK_CANCEL};
            m.cancel = (struct covey_work_execute){w->fence, 1, RELAYED_LAYER, work_of(1, 0)};
            if (seed % 3 == 0) {
                tell(w, OWNER, d, &m, 0);
            } else if (seed % 3 == 1) {
                lose_owner(w, d);
            }
        }
        if (seed % 3 == 2) {
            w->attempt[1] = 1;
            memset(w->answered, 0, sizeof(w->answered));
            memset(w->cancelled, 0, sizeof(w->cancelled));
            queue_relay(w, 1, 1);
        }
        deliver_all(w);
        if (seed % 3 == 2) {
            assert_int_equal(w->answered[1], MEMBERS);
        }
        for (unsigned step = 0; step < 3; step++) {
            pass(w, 100000);
        }
        assert_no_bodies(w);
        world_free(w);
    }
}

/* Only the owner ends what it has asked for. */
static void test_others_cancel_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(5);
    struct covey_work_message cancel = {.type = COVEY_WORK_CANCEL};
    cancel.cancel = (struct covey_work_execute){w->fence, 1, RELAYED_LAYER, work_of(1, 0)};
    struct covey_work_message drop = {.type = COVEY_WORK_DROP};
    drop.tile.fence = w->fence;
    drop.tile.request = 1;
    queue_relay(w, 1, 0);
    while (w->queued > 0) {
        deliver(w, below(w, w->queued));
        for (unsigned d = 0; d < HOLDERS; d++) {
            tell(w, 2, d, &cancel, 0);
            tell(w, 2, d, &drop, 0);
        }
    }
    assert_int_equal(w->answered[1], MEMBERS);
    assert_int_equal(w->cancelled[1], 0);
    world_free(w);
}

/* What cannot be computed is refused. */
static void test_failures_are_refused(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    w->fail_compute = true;
    queue_relay(w, 1, 0);
    deliver_all(w);
    assert_int_equal(w->refused[1], MEMBERS);
    assert_no_bodies(w);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_answer),
        cmocka_unit_test(test_the_owner_gives_what_is_missing),
        cmocka_unit_test(test_hostile_pieces_are_refused),
        cmocka_unit_test(test_what_is_early_is_bounded),
        cmocka_unit_test(test_few_are_not_driven_out_by_many),
        cmocka_unit_test(test_what_nothing_relays_is_not_kept),
        cmocka_unit_test(test_who_is_not_ready_takes_nothing),
        cmocka_unit_test(test_bad_relays_are_refused),
        cmocka_unit_test(test_ends_at_any_moment),
        cmocka_unit_test(test_others_cancel_nothing),
        cmocka_unit_test(test_failures_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
