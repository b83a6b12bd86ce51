/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "probe_tally.h"

static const struct covey_rates usual = {16384, 1448, 38, 128, 45, 861};

static bool add(struct covey_probe_tally *t, struct covey_rates seen)
{
    covey__probe_tally_begin(t);
    return covey__probe_tally_add(t, &seen);
}

/* Of each thing the best round counts, in whichever it was; what was not measured says nothing. */
static void test_tally_keeps_the_best(void **state)
{
    (void)state;
    struct covey_probe_tally t = {.rates = {11585, 1448, 0, 0, 0, 0}};
    assert_true(add(&t, (struct covey_rates){9742, 0, 8, 256, 32, 1024}));
    assert_true(add(&t, (struct covey_rates){16384, 0, 4, 304, 0, 1218}));
    assert_true(add(&t, (struct covey_rates){.round_us = 861}));
    assert_true(add(&t, (struct covey_rates){11585, 0, 4, 304, 45, 0}));
    assert_true(add(&t, (struct covey_rates){11585, 0, 38, 304, 27, 0}));
    assert_true(add(&t, (struct covey_rates){11585, 0, 27, 128, 38, 0}));
    assert_false(add(&t, (struct covey_rates){11585, 0, 27, 152, 38, 0}));
    assert_false(add(&t, usual));
    assert_memory_equal(&t.rates, &usual, sizeof(usual));
}

/* Memory is what it was in half of the rounds, the start's among them: one that had it alone, or
 * one beside much else, does not matter. */
static void test_tally_takes_the_median_of_memory(void **state)
{
    (void)state;
    static const uint32_t seen[][2] = {{1722, 1722}, {1448, 1448}, {0, 1448},
                                       {2048, 1722}, {861, 1448},  {1448, 1448},
                                       {1448, 1448}, {2048, 1448}, {861, 1448}};
    struct covey_probe_tally t = {.rates = {16384, 1024, 38, 128, 45, 0}};
    for (unsigned i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        uint32_t before = t.rates.stream_mbytes;
        assert_int_equal(add(&t, (struct covey_rates){.stream_mbytes = seen[i][0]}),
                         seen[i][1] != before);
        assert_int_equal(t.rates.stream_mbytes, seen[i][1]);
    }
    for (unsigned i = 0; i < 3 * COVEY__PROBE_TALLY_ROUNDS_MAX; i++) {
        assert_false(add(&t, (struct covey_rates){.stream_mbytes = 1448}));
    }
}

/* Where nothing new is told five rounds do; each that tells something is followed by three more, up
 * to twelve in all. */
static void test_tally_goes_on_while_it_helps(void **state)
{
    (void)state;
    static const struct {
        unsigned better_until; /* in each round up to it */
        unsigned rounds;
    } cases[] = {{0, 5}, {1, 5}, {2, 5}, {3, 6}, {6, 9}, {12, 12}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct covey_probe_tally t = {.rates = {1, 1, 1, 1000}};
        while (!covey__probe_tally_settled(&t)) {
            covey__probe_tally_begin(&t);
            bool better = t.rounds <= cases[i].better_until;
            struct covey_rates seen = {.link_mbytes = better ? 1 + t.rounds : 1};
            assert_int_equal(covey__probe_tally_add(&t, &seen), better);
        }
        assert_int_equal(t.rounds, cases[i].rounds);
    }
}

static void cut_short(struct covey_probe_tally *t, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        assert_false(covey__probe_tally_settled(t));
        covey__probe_tally_begin(t);
        covey__probe_tally_cut_short(t);
    }
    assert_false(covey__probe_tally_settled(t));
}

/* Rounds that requests cut short are no sign that nothing new will come, but they end some day; not
 * before three were whole, however long requests follow one another: what the only one of a device
 * told need not be true. */
static void test_tally_waits_for_whole_rounds(void **state)
{
    (void)state;
    static const unsigned before[] = {8, 12, 120};
    for (unsigned i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        struct covey_probe_tally t = {.rates = usual};
        cut_short(&t, before[i]);
        assert_false(add(&t, usual));
        cut_short(&t, 1);
        assert_false(add(&t, usual));
        cut_short(&t, before[i]);
        assert_false(add(&t, usual));
        assert_true(covey__probe_tally_settled(&t));
    }
    struct covey_probe_tally t = {.rates = {0}};
    for (uint32_t i = 1; i <= 3; i++) {
        assert_true(add(&t, (struct covey_rates){.link_mbytes = i}));
    }
    cut_short(&t, COVEY__PROBE_TALLY_ROUNDS_MAX - 4);
    covey__probe_tally_begin(&t);
    covey__probe_tally_cut_short(&t);
    assert_true(covey__probe_tally_settled(&t)); /* three were whole, and there were twelve */
}

/* The only round so far was beside much else: the next whole one counts, however late it comes. */
static void test_tally_mends_a_disturbed_round(void **state)
{
    (void)state;
    struct covey_rates disturbed = usual;
    disturbed.link_mbytes = 4;
    struct covey_probe_tally t = {.rates = {0}};
    assert_true(add(&t, disturbed));
    cut_short(&t, 3 * COVEY__PROBE_TALLY_ROUNDS_MAX);
    assert_true(add(&t, usual));
    assert_int_equal(t.rates.link_mbytes, usual.link_mbytes);
}

/* Waits grow, by draw between a half and three halves of what is usual, and all rounds together
 * take minutes, not hours. */
static void test_tally_waits_differ(void **state)
{
    (void)state;
    struct covey_probe_tally t = {.rates = usual};
    uint64_t all_ms = 0, before = 0;
    assert_int_equal(covey__probe_tally_wait_ms(&t, 0), 1000);
    assert_int_equal(covey__probe_tally_wait_ms(&t, 2000), 3000);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(add(&t, usual));
    }
    t.same = 0;
    for (t.rounds = 1; !covey__probe_tally_settled(&t); t.rounds++) {
        uint64_t least = covey__probe_tally_wait_ms(&t, 0), most = 0;
        for (uint64_t random = 0; random < 100000; random += 7) {
            uint64_t wait = covey__probe_tally_wait_ms(&t, random);
            assert_true(wait >= least && wait <= 3 * least);
            most = wait > most ? wait : most;
        }
        assert_true(most > 2 * least);
        assert_true(covey__probe_tally_wait_ms(&t, UINT64_MAX) <= 3 * least);
        assert_true(least >= before);
        before = least;
        all_ms += 3 * least;
    }
    assert_true(all_ms < 6 * 60 * 1000);
    t.rounds = 1000; /* nor do they get shorter where none is ever whole */
    assert_int_equal(covey__probe_tally_wait_ms(&t, 0), before);
}

/* Neither one message that cost nearly nothing nor those that others held up move the quartile. */
static void test_tally_quartile_is_steady(void **state)
{
    (void)state;
    uint64_t calm[16], odd[16];
    for (unsigned i = 0; i < 16; i++) {
        calm[i] = 34000 - 500 * i;
        odd[i] = i == 3 ? 15000 : i % 2 == 0 ? calm[i] : 150000;
    }
    uint64_t at = covey__probe_tally_quartile(calm, 16);
    assert_int_equal(at, 34000 - 500 * 11);
    for (unsigned i = 1; i < 16; i++) {
        assert_true(calm[i - 1] <= calm[i]);
    }
    uint64_t other = covey__probe_tally_quartile(odd, 16);
    assert_true(other > at - at / 8 && other < at + at / 8);
    assert_int_equal(covey__probe_tally_quartile(&(uint64_t){7}, 1), 7);
}

/* A link is not taken for fast because messages were held up in the round: what a body took beyond
 * them counts where it is most of it, or where they took as long in a round before, as over a long
 * link they always do. */
static void test_tally_doubts_slow_messages(void **state)
{
    (void)state;
    static const uint64_t ms = 1000000;
    struct covey_probe_tally t = {.rates = {.link_mbytes = 11}};
    assert_int_equal(covey__probe_tally_moved_ns(&t, 43 * ms, ms), 42 * ms);
    assert_int_equal(covey__probe_tally_moved_ns(&t, 50 * ms, 24 * ms), 26 * ms);
    assert_int_equal(covey__probe_tally_moved_ns(&t, 50 * ms, 28 * ms), 0);
    assert_int_equal(covey__probe_tally_moved_ns(&t, 50 * ms, 50 * ms), 0);
    assert_int_equal(covey__probe_tally_moved_ns(&t, 50 * ms, 60 * ms), 0);
    t.rates.message_us = 181;
    assert_int_equal(covey__probe_tally_moved_ns(&t, 50 * ms, 28 * ms), 0);
    t.rates.round_us = 38;
    assert_int_equal(covey__probe_tally_moved_ns(&t, 50 * ms, 28 * ms), 0);
    t.rates.round_us = 27554;
    assert_int_equal(covey__probe_tally_moved_ns(&t, 50 * ms, 28 * ms), 22 * ms);
    assert_int_equal(covey__probe_tally_moved_ns(&t, 50 * ms, 41 * ms), 9 * ms);
    assert_int_equal(covey__probe_tally_moved_ns(&t, 50 * ms, 43 * ms), 0);
    assert_int_equal(covey__probe_tally_moved_ns(&t, 28 * ms, 28 * ms), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tally_keeps_the_best),
        cmocka_unit_test(test_tally_takes_the_median_of_memory),
        cmocka_unit_test(test_tally_goes_on_while_it_helps),
        cmocka_unit_test(test_tally_waits_for_whole_rounds),
        cmocka_unit_test(test_tally_mends_a_disturbed_round),
        cmocka_unit_test(test_tally_waits_differ),
        cmocka_unit_test(test_tally_quartile_is_steady),
        cmocka_unit_test(test_tally_doubts_slow_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
