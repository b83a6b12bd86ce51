/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fetch_world.h"

/* All get all, whatever the order of messages, and most of it from one another. */
static void test_all_get_all_from_one_another(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fetch_world *w = fetch_world_new(seed);
        for (unsigned n = 1; n < NODES; n++) {
            fetch_want(w, n, BLOBS, COVEY_WANTS_ALL, 1);
        }
        fetch_world_end(w);
        for (unsigned n = 1; n < NODES; n++) {
            fetch_assert_complete(w, n);
            assert_true(w->node[n].given > 0);
        }
        /* Once each, its own share of primaries to all, and some help. */
        assert_true(w->node[0].given < BLOBS * 3);
        fetch_world_free(w);
    }
}

/* A device that was assigned nothing, one that is silent, and one that gives wrong bytes delay the
 * others but keep nothing from them; wrong bytes are never kept. */
static void test_bad_sources_are_passed_over(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 9; seed++) {
        struct fetch_world *w = fetch_world_new(seed);
        w->node[1].silent = seed % 3 == 0;
        w->node[1].lies = seed % 3 == 1;
        for (unsigned n = 2; n < NODES; n++) {
            fetch_want(w, n, BLOBS, COVEY_WANTS_ALL, 1);
        }
        fetch_world_end(w);
        for (unsigned n = 2; n < NODES; n++) {
            fetch_assert_complete(w, n);
        }
        fetch_world_free(w);
    }
}

/* A device whose disk is slow asks for no more than it can soon keep. */
static void test_slow_disks_are_not_flooded(void **state)
{
    (void)state;
    struct fetch_world *w = fetch_world_new(3);
    w->node[1].keep_ms = 200;
    fetch_want(w, 1, BLOBS, 0, 1);
    fetch_world_end(w);
    fetch_assert_complete(w, 1);
    assert_true(w->node[1].keeping_most * BLOB_LEN <=
                COVEY__FETCH_STORING_MAX + COVEY__FETCH_WINDOW_MAX + BLOB_LEN);
    fetch_world_free(w);
}

/* A device of little memory has no more under way than it was told, but for one blob. */
static void test_little_memory_is_not_flooded(void **state)
{
    (void)state;
    static const uint64_t limit[] = {1, 3 * BLOB_LEN + BLOB_LEN / 2};
    static const unsigned most[] = {1, 3};
    for (unsigned i = 0; i < 2; i++) {
        struct fetch_world *w = fetch_world_new(3);
        covey__fetch_limit(w->node[1].fetch, limit[i]);
        w->node[1].keep_ms = 200;
        fetch_want(w, 1, BLOBS / 3, i == 1, 1);
        fetch_world_end(w);
        assert_int_equal(w->node[1].fetched, 1);
        assert_int_equal(w->node[1].keeping_most, most[i]);
        fetch_world_free(w);
    }
}

static void set_away(struct fetch_world *w, unsigned who, bool away)
{
    struct covey_node_id id = fetch_id(who);
    w->node[who].away = away;
    for (unsigned n = 0; n < NODES; n++) {
        if (n != who) {
            struct covey_node_id other = fetch_id(n);
            enum covey_peer_state state = away ? COVEY_PEER_NO_CHANNEL : COVEY_PEER_UP;
            covey__fetch_peer(w->node[n].fetch, &id, state);
            covey__fetch_peer(w->node[who].fetch, &other, state);
            fetch_carry_out(w, n);
        }
    }
    fetch_carry_out(w, who);
}

/* Devices, and the owner itself, whose channels go in the middle and come back: all is got. */
static void test_lost_channels_are_survived(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct fetch_world *w = fetch_world_new(seed);
        for (unsigned n = 1; n < NODES; n++) {
            fetch_want(w, n, BLOBS, COVEY_WANTS_ALL, 1);
        }
        for (unsigned i = 0; i < 3; i++) {
            unsigned who = (unsigned)fetch_draw(w, NODES);
            for (uint64_t steps = fetch_draw(w, 400); steps > 0 && fetch_go_on(w); steps--) {
            }
            set_away(w, who, true);
            for (uint64_t steps = fetch_draw(w, 200); steps > 0 && fetch_go_on(w); steps--) {
            }
            set_away(w, who, false);
        }
        fetch_world_end(w);
        for (unsigned n = 1; n < NODES; n++) {
            fetch_assert_complete(w, n);
        }
        fetch_world_free(w);
    }
}

/* What only the owner has is asked of nobody else; what is here already is not asked for again. */
static void test_units_come_from_the_owner(void **state)
{
    (void)state;
    struct fetch_world *w = fetch_world_new(3);
    for (unsigned b = 0; b < BLOBS / 2; b++) {
        w->node[2].has[b] = true;
    }
    fetch_want(w, 2, BLOBS, 0, 1);
    fetch_world_end(w);
    fetch_assert_complete(w, 2);
    assert_int_equal(w->node[2].asked, BLOBS - BLOBS / 2);
    assert_int_equal(w->node[0].given, BLOBS - BLOBS / 2);
    for (unsigned n = 1; n < NODES; n++) {
        assert_int_equal(w->node[n].given, 0);
    }
    fetch_world_free(w);
}

/* What some of the devices have comes from all of these and the owner, and nobody else is asked;
 * from these alone when the owner has it no more. */
static void test_only_holders_are_asked(void **state)
{
    (void)state;
    for (unsigned owner_has = 0; owner_has < 2; owner_has++) {
        struct fetch_world *w = fetch_world_new(7 + owner_has);
        memset(w->node[0].has, owner_has == 1, sizeof(w->node[0].has));
        memset(w->node[2].has, true, sizeof(w->node[2].has));
        memset(w->node[3].has, true, sizeof(w->node[3].has));
        fetch_want(w, 5, BLOBS, 1U << 2 | 1U << 3 | 1U << 5, 1);
        fetch_world_end(w);
        fetch_assert_complete(w, 5);
        assert_int_equal(w->node[1].given + w->node[4].given, 0);
        assert_true(w->node[2].given >= BLOBS / 4 && w->node[3].given >= BLOBS / 4);
        assert_true((w->node[0].given > 0) == (owner_has == 1));
        assert_int_equal(w->node[0].given + w->node[2].given + w->node[3].given, BLOBS);
        fetch_world_free(w);
    }
}

/* Units that moved here come from who had them, and the owner is asked for none; it is for what
 * that device lacks by now, which it says at once, for wrong bytes, and for all that is still out
 * when it says nothing: sooner than a device is waited for that may be getting them itself. */
static void test_moved_units_come_from_who_had_them(void **state)
{
    (void)state;
    enum { MOVED = COVEY__FETCH_WINDOW_MIN / BLOB_LEN, HAD = 4 };
    for (unsigned i = 0; i < 4; i++) {
        struct fetch_world *w = fetch_world_new(21 + i);
        uint64_t from_ms = w->now_ms;
        unsigned had = i == 0 ? MOVED : HAD;
        memset(w->node[3].has, true, had);
        w->node[3].silent = i == 2;
        w->node[3].lies = i == 3;
        fetch_want(w, 2, MOVED, 1U << 3, 1);
        while (w->node[2].fetched == 0) {
            assert_true(fetch_go_on(w));
        }
        assert_int_equal(w->node[2].err, COVEY_OK);
        unsigned of_owner = i == 0 ? 0 : i == 1 ? MOVED - HAD : MOVED;
        assert_int_equal(w->node[0].given, of_owner);
        assert_true(i != 1 || w->now_ms < from_ms + COVEY__FETCH_PARK_SOON_MS);
        assert_true(i != 2 || w->now_ms < from_ms + COVEY__FETCH_SILENCE_MS / 2);
        struct covey_fetched fetched = covey__fetch_fetched(w->node[2].fetch);
        assert_int_equal(fetched.owner_bytes, of_owner * BLOB_LEN);
        assert_int_equal(fetched.others_bytes, (MOVED - of_owner) * BLOB_LEN);
        fetch_world_end(w);
        fetch_world_free(w);
    }
}

/* It goes away in the middle: the owner gives the rest at once. */
static void test_who_had_moved_units_may_go(void **state)
{
    (void)state;
    struct fetch_world *w = fetch_world_new(31);
    memset(w->node[3].has, true, sizeof(w->node[3].has));
    fetch_want(w, 2, BLOBS, 1U << 3, 1);
    while (w->node[3].given < 5) {
        assert_true(fetch_go_on(w));
    }
    uint64_t gone_ms = w->now_ms;
    set_away(w, 3, true);
    fetch_world_end(w);
    fetch_assert_complete(w, 2);
    assert_true(w->node[0].given >= BLOBS - w->node[3].given);
    assert_true(w->now_ms < gone_ms + COVEY__FETCH_SILENCE_MS);
    fetch_world_free(w);
}

/* Whom a later version of the plan names as holders is asked for what an earlier one lacks in vain,
 * and stays known when the later one is over first. */
static void test_sources_of_all_versions_count(void **state)
{
    (void)state;
    for (unsigned retired = 0; retired < 2; retired++) {
        struct fetch_world *w = fetch_world_new(11 + retired);
        struct covey_node_id owner = fetch_id(0);
        struct covey_fence both = fetch_fence(2);
        memset(w->node[0].has, false, sizeof(w->node[0].has));
        memset(w->node[2].has, true, sizeof(w->node[2].has));
        fetch_want(w, 1, BLOBS, 0, 1);
        for (unsigned i = 0; i < 20; i++) {
            assert_true(fetch_go_on(w));
        }
        fetch_want(w, 1, BLOBS, 1U << 1 | 1U << 2, 2);
        if (retired == 1) {
            fetch_want(w, 1, 1, 0, 2); /* the same version again: its list before is forgotten */
        }
        fetch_world_end(w);
        for (unsigned b = 0; b < BLOBS; b++) {
            assert_true(w->node[1].has[b]);
        }
        assert_int_equal(w->node[1].err, COVEY_OK);
        covey__fetch_retired(w->node[1].fetch, &owner, &both);
        fetch_world_free(w);
    }
}

/* A blob that nobody has ends in an error, once, after all others have come. */
static void test_what_nobody_has_is_told(void **state)
{
    (void)state;
    struct fetch_world *w = fetch_world_new(4);
    fetch_want(w, 1, BLOBS + 1, COVEY_WANTS_ALL, 1);
    fetch_want(w, 2, BLOBS, COVEY_WANTS_ALL, 1);
    fetch_world_end(w);
    assert_int_equal(w->node[1].fetched, 1);
    assert_int_equal(w->node[1].err, COVEY_ERR_NOT_FOUND);
    fetch_assert_complete(w, 2);
    for (unsigned b = 0; b < BLOBS; b++) {
        assert_true(w->node[1].has[b]);
    }
    fetch_world_free(w);
}

/* What a device wants for itself it asks of each source once, where it asks again itself: it hears
 * soon that nobody gives it, and gets what somebody has. */
static void test_asked_once(void **state)
{
    (void)state;
    for (unsigned once = 0; once < 2; once++) {
        struct fetch_world *w = fetch_world_new(5);
        uint64_t from_ms = w->now_ms;
        w->own = true;
        w->once = once == 1;
        fetch_want(w, 1, BLOBS + 1, COVEY_WANTS_ALL, 1);
        fetch_world_end(w);
        assert_int_equal(w->node[1].fetched, 1);
        assert_int_equal(w->node[1].err, COVEY_ERR_NOT_FOUND);
        for (unsigned b = 0; b < BLOBS; b++) {
            assert_true(w->node[1].has[b]);
        }
        assert_true((w->now_ms < from_ms + COVEY__FETCH_ROUNDS * COVEY__FETCH_ROUND_MS) ==
                    (once == 1));
        fetch_world_free(w);
    }
}

/* A source whose bodies grow is no silent one, however slow; but not for longer than all that it
 * was asked for may take. */
static void test_slow_progress_is_progress(void **state)
{
    enum { COUNT = 3, MOST_MS = COUNT * BLOB_LEN / COVEY__FETCH_SLOWEST, STEP_MS = 1000 };
    (void)state;
    struct fetch_world *w = fetch_world_new(51);
    struct covey_node_id owner = fetch_id(0);
    w->node[0].silent = true;
    fetch_want(w, 1, COUNT, 0, 1);
    uint64_t from_ms = w->now_ms;
    while (w->node[1].asked == COUNT) {
        w->now_ms += STEP_MS;
        covey__fetch_growing(w->node[1].fetch, &owner, w->now_ms);
        fetch_carry_out(w, 1);
    }
    uint64_t silent_ms = from_ms + MOST_MS + COVEY__FETCH_SILENCE_MS;
    assert_in_range(w->now_ms, silent_ms, silent_ms + COVEY__FETCH_ROUND_MS + 2 * STEP_MS);
    w->node[0].silent = false;
    fetch_world_end(w);
    assert_int_equal(w->node[1].fetched, 1);
    assert_int_equal(w->node[1].err, COVEY_OK);
    fetch_world_free(w);
}

/* Two versions that lack the same fetch it once; one that is retired in the middle ends quietly and
 * takes nothing from the other. */
static void test_versions_share_and_retire(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct fetch_world *w = fetch_world_new(seed);
        struct covey_node_id owner = fetch_id(0);
        struct covey_fence first = fetch_fence(1);
        fetch_want(w, 1, BLOBS, COVEY_WANTS_ALL, 1);
        fetch_want(w, 1, BLOBS, 0, 2);
        for (uint64_t steps = fetch_draw(w, 200); steps > 0 && fetch_go_on(w); steps--) {
        }
        assert_int_equal(w->node[1].fetched, 0);
        covey__fetch_retired(w->node[1].fetch, &owner, &first);
        fetch_world_end(w);
        fetch_assert_complete(w, 1);
        assert_true(w->node[1].asked < BLOBS * 2);
        fetch_world_free(w);
    }
}

/* What was asked of a silent device that only a retired version named is asked of others in time,
 * where another version waits for it: no deadline stays in the past. */
static void test_silence_ends_after_its_version(void **state)
{
    (void)state;
    struct fetch_world *w = fetch_world_new(41);
    struct covey_node_id owner = fetch_id(0);
    struct covey_fence first = fetch_fence(1);
    w->node[2].silent = true;
    fetch_want(w, 1, BLOBS, 1U << 1 | 1U << 2, 1);
    fetch_want(w, 1, BLOBS, 0, 2);
    covey__fetch_retired(w->node[1].fetch, &owner, &first);
    uint64_t from_ms = w->now_ms;
    fetch_world_end(w);
    fetch_assert_complete(w, 1);
    assert_true(w->now_ms < from_ms + 2 * COVEY__FETCH_SILENCE_MS);
    fetch_world_free(w);
}

/* More than fits at a time is bounded: what is left out is named again after FETCHED. */
static void test_lists_beyond_the_room_end(void **state)
{
    (void)state;
    struct fetch_world *w = fetch_world_new(5);
    for (uint32_t version = 1; version <= 3; version++) {
        fetch_want(w, 1, COVEY_WANTS_MAX, COVEY_WANTS_ALL, version);
    }
    fetch_world_end(w);
    assert_int_equal(w->node[1].fetched, 3);
    for (unsigned b = 0; b < BLOBS; b++) {
        assert_true(w->node[1].has[b]);
    }
    fetch_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_get_all_from_one_another),
        cmocka_unit_test(test_bad_sources_are_passed_over),
        cmocka_unit_test(test_slow_disks_are_not_flooded),
        cmocka_unit_test(test_little_memory_is_not_flooded),
        cmocka_unit_test(test_lost_channels_are_survived),
        cmocka_unit_test(test_units_come_from_the_owner),
        cmocka_unit_test(test_only_holders_are_asked),
        cmocka_unit_test(test_moved_units_come_from_who_had_them),
        cmocka_unit_test(test_who_had_moved_units_may_go),
        cmocka_unit_test(test_sources_of_all_versions_count),
        cmocka_unit_test(test_what_nobody_has_is_told),
        cmocka_unit_test(test_asked_once),
        cmocka_unit_test(test_slow_progress_is_progress),
        cmocka_unit_test(test_versions_share_and_retire),
        cmocka_unit_test(test_silence_ends_after_its_version),
        cmocka_unit_test(test_lists_beyond_the_room_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
