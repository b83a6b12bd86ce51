/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election.h"

static struct covey_claim claim_of(uint8_t id, uint64_t term, uint64_t beat)
{
    struct covey_claim claim = {.coordinator = {{id}}, .term = term, .beat = beat};
    return claim;
}

/* Runs to the deadline again and again until the machine leads or end_ms is reached. */
static uint64_t run(struct covey__election *e, uint64_t end_ms, struct covey__election_out *out)
{
    uint64_t now_ms = e->last_ms;
    while (!covey__election_leads(e) && covey__election_deadline_ms(e) <= end_ms) {
        now_ms = covey__election_deadline_ms(e);
        covey__election_tick(e, now_ms, out);
    }
    return now_ms;
}

static void start(struct covey__election *e, bool may_claim)
{
    struct covey_node_id self = {{5}};
    covey__election_init(e, &self, may_claim, 1, 1000);
}

/* Silence of 1 to 1.5 s ends in a claim, sooner for a lower rank. */
static void test_claims_after_silence(void **state)
{
    (void)state;
    for (unsigned rank = 0; rank < 7; rank++) {
        struct covey__election e;
        struct covey__election_out out = {0};
        start(&e, true);
        e.rank = rank;
        uint64_t at_ms = run(&e, 10000, &out);
        assert_true(covey__election_leads(&e) && out.beat && out.changed);
        assert_in_range(at_ms, 2000 + (rank < 4 ? rank : 4) * 100, 2500);
        assert_int_equal(e.term, 1);
    }
}

/* A node of trust none never claims, however long the silence. */
static void test_untrusted_never_claims(void **state)
{
    (void)state;
    struct covey__election e;
    struct covey__election_out out = {0};
    start(&e, false);
    run(&e, 100000, &out);
    covey__election_tick(&e, 1500, &out);
    covey__election_tick(&e, 3400, &out);
    assert_false(covey__election_leads(&e));
    assert_false(out.beat);
}

/* Beats keep the claim away; the same beat twice does not. */
static void test_only_new_beats_count(void **state)
{
    (void)state;
    struct covey__election e;
    struct covey__election_out out = {0};
    struct covey_claim first = claim_of(9, 4, 1);
    start(&e, true);
    assert_int_equal(covey__election_judge(&e, &first, 1000), COVEY_CLAIM_TAKES_OVER);
    covey__election_claim(&e, &first, 1000, &out);
    assert_int_equal(covey__election_judge(&e, &first, 1300), COVEY_CLAIM_IGNORED);
    struct covey_claim second = claim_of(9, 4, 2);
    assert_int_equal(covey__election_judge(&e, &second, 1900), COVEY_CLAIM_REFRESHES);
    covey__election_claim(&e, &second, 1900, &out);
    uint64_t at_ms = run(&e, 10000, &out);
    assert_true(covey__election_leads(&e));
    assert_true(out.ask); /* it was asked for a word before */
    assert_in_range(at_ms, 2900, 3400);
    assert_int_equal(e.term, 5);
}

/* Of two, the higher (term, id) stays; a wild jump of the term is refused. */
static void test_order_and_jumps(void **state)
{
    (void)state;
    struct covey__election e;
    struct covey__election_out out = {0};
    struct covey_claim base = claim_of(3, 10, 1), lower = claim_of(2, 10, 9),
                       older = claim_of(9, 9, 9), higher = claim_of(4, 10, 1),
                       wild = claim_of(9, 10 + COVEY_TERM_JUMP_MAX + 1, 1),
                       none = claim_of(9, 0, 1);
    start(&e, true);
    covey__election_claim(&e, &base, 1000, &out);
    assert_int_equal(covey__election_judge(&e, &lower, 1100), COVEY_CLAIM_YIELDS);
    assert_int_equal(covey__election_judge(&e, &older, 1100), COVEY_CLAIM_YIELDS);
    assert_int_equal(covey__election_judge(&e, &higher, 1100), COVEY_CLAIM_TAKES_OVER);
    assert_int_equal(covey__election_judge(&e, &wild, 1100), COVEY_CLAIM_IGNORED);
    assert_int_equal(covey__election_judge(&e, &none, 1100), COVEY_CLAIM_IGNORED);
}

/* Who claims the last term there is, and goes, leaves a group that has a coordinator again: begun
 * from the first term, and believed by those who cannot claim. */
static void test_the_last_term(void **state)
{
    (void)state;
    struct covey__election e, other;
    struct covey__election_out out = {0};
    struct covey_claim last = claim_of(9, COVEY_TERM_MAX, 1);
    struct covey_node_id others = {{6}};
    start(&e, true);
    covey__election_init(&other, &others, false, 1, 1000);
    assert_int_equal(covey__election_judge(&e, &last, 1000), COVEY_CLAIM_TAKES_OVER);
    covey__election_claim(&e, &last, 1000, &out);
    covey__election_claim(&other, &last, 1000, &out);
    run(&other, 5000, &out);
    run(&e, 5000, &out);
    assert_true(covey__election_leads(&e));
    struct covey_claim claim = claim_of(5, e.term, e.beat);
    assert_int_equal(covey__election_judge(&other, &claim, 9000), COVEY_CLAIM_TAKES_OVER);
}

/* A leader that stood still steps down, and claims again only after a new silence. */
static void test_gap_steps_down(void **state)
{
    (void)state;
    struct covey__election e;
    struct covey__election_out out = {0};
    start(&e, true);
    uint64_t at_ms = run(&e, 10000, &out);
    memset(&out, 0, sizeof(out));
    covey__election_tick(&e, at_ms + 2500, &out);
    assert_true(out.changed && !out.beat);
    assert_false(covey__election_leads(&e));
    assert_true(covey__election_deadline_ms(&e) >= at_ms + 3500);
}

/* The death of the coordinator starts the claim at once; that of another does not. */
static void test_lost_coordinator(void **state)
{
    (void)state;
    struct covey__election e;
    struct covey__election_out out = {0};
    struct covey_claim claim = claim_of(9, 4, 1);
    struct covey_node_id other = {{7}};
    start(&e, true);
    covey__election_claim(&e, &claim, 2000, &out);
    covey__election_lost(&e, &other, 2100, &out);
    assert_true(e.has);
    covey__election_lost(&e, &claim.coordinator, 2100, &out);
    assert_false(e.has);
    assert_in_range(covey__election_deadline_ms(&e), 2100, 2200);
    assert_int_equal(covey__election_judge(&e, &claim, 2150), COVEY_CLAIM_IGNORED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims_after_silence), cmocka_unit_test(test_untrusted_never_claims),
        cmocka_unit_test(test_only_new_beats_count), cmocka_unit_test(test_order_and_jumps),
        cmocka_unit_test(test_only_new_beats_count), cmocka_unit_test(test_the_last_term),
        cmocka_unit_test(test_gap_steps_down),       cmocka_unit_test(test_lost_coordinator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
