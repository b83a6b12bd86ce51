/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "custody_bench.h"

/* A deed is accepted only once all it names is here and it is on disk itself. */
static void test_accepts_what_is_on_disk(void **state)
{
    (void)state;
    struct bench *b = new_bench();
    message(b, 2, appoint(1, 5, 20));
    assert_null(sent(b, 2, COVEY_CUSTODY_ACCEPT));
    held(b, 20);
    assert_null(sent(b, 2, COVEY_CUSTODY_ACCEPT));
    persisted(b);
    const struct covey_custody_message *accept = sent(b, 2, COVEY_CUSTODY_ACCEPT);
    assert_non_null(accept);
    assert_true(accept->agreed && accept->deed.version == 5);
    message(b, 2, appoint(1, 6, 24));
    assert_int_equal(b->keeps, 1);
    assert_int_equal(stored(b, 24, COVEY_OK), COVEY_OK);
    assert_null(sent(b, 2, COVEY_CUSTODY_ACCEPT));
    persisted(b);
    accept = sent(b, 2, COVEY_CUSTODY_ACCEPT);
    assert_true(accept != NULL && accept->deed.version == 6);
    assert_int_equal(accept->deed.checkpoint.step, 24);
    free(b);
}

/* One who cannot have what the job names says so, and forgets the session. */
static void test_refuses_what_cannot_be_had(void **state)
{
    (void)state;
    struct bench *b = new_bench();
    struct covey_event e = {.type = COVEY_EVENT_CUSTODY_HELD, .err = COVEY_ERR_NOT_FOUND};
    message(b, 2, appoint(1, 5, 20));
    assert_int_equal(event(b, &e), COVEY_OK);
    const struct covey_custody_message *accept = sent(b, 2, COVEY_CUSTODY_ACCEPT);
    assert_true(accept != NULL && !accept->agreed);
    assert_true(b->over && covey__custody_idle(&b->machine));
    free(b);
}

/* A vote leaves once it is on disk, not before; nobody else gets one in that epoch, also after a
 * restart. */
static void test_one_vote_an_epoch(void **state)
{
    (void)state;
    struct bench *b = custodian(), *again = new_bench();
    pass(b, COVEY__PROMISE_MS);
    message(b, 3, canvass(2, true, 1, 5));
    assert_null(sent(b, 3, COVEY_CUSTODY_VOTE));
    struct covey_event stale = {.type = COVEY_EVENT_PERSISTED, .index = b->write + 1};
    uint32_t write = b->write;
    assert_int_equal(event(b, &stale), COVEY_OK);
    assert_null(sent(b, 3, COVEY_CUSTODY_VOTE));
    b->write = write;
    persisted(b);
    const struct covey_custody_message *vote = sent(b, 3, COVEY_CUSTODY_VOTE);
    assert_true(vote != NULL && vote->agreed && vote->binding && vote->epoch == 2);
    message(b, 2, canvass(2, true, 1, 5));
    vote = sent(b, 2, COVEY_CUSTODY_VOTE);
    assert_true(vote != NULL && !vote->agreed);

    struct covey_event restart = {.type = COVEY_EVENT_CUSTODY_STATE,
                                  .bytes = covey_bytes_of(b->state, b->state_len)};
    assert_int_equal(event(again, &restart), COVEY_OK);
    pass(again, COVEY__PROMISE_MS);
    message(again, 2, canvass(2, true, 1, 5));
    vote = sent(again, 2, COVEY_CUSTODY_VOTE);
    assert_true(vote != NULL && !vote->agreed);
    free(again);
    free(b);
}

/* Within a promise nobody gets a vote, not even by way of a question; each lease renews it, and so
 * does a restart, after which nobody knows how long it held. */
static void test_no_vote_in_a_promise(void **state)
{
    (void)state;
    struct bench *b = custodian(), *again = new_bench();
    struct covey_custody_message lease = {.type = COVEY_CUSTODY_LEASE, .epoch = 1, .sequence = 77};
    pass(b, COVEY__PROMISE_MS - 1000);
    message(b, 2, lease);
    const struct covey_custody_message *grant = sent(b, 2, COVEY_CUSTODY_GRANT);
    assert_true(grant != NULL && grant->sequence == 77);
    for (unsigned binding = 0; binding < 2; binding++) {
        b->view.now_ms += COVEY__PROMISE_MS / 2 - 1;
        message(b, 3, canvass(2, binding == 1, 1, 9));
        const struct covey_custody_message *vote = sent(b, 3, COVEY_CUSTODY_VOTE);
        assert_true(vote != NULL && !vote->agreed && vote->epoch == 1);
    }
    struct covey_event restart = {.type = COVEY_EVENT_CUSTODY_STATE,
                                  .bytes = covey_bytes_of(b->state, b->state_len)};
    assert_int_equal(event(again, &restart), COVEY_OK);
    again->view.now_ms += COVEY__PROMISE_MS - 1;
    message(again, 3, canvass(2, false, 1, 9));
    assert_false(sent(again, 3, COVEY_CUSTODY_VOTE)->agreed);
    again->view.now_ms += 1;
    message(again, 3, canvass(2, false, 1, 9));
    assert_true(sent(again, 3, COVEY_CUSTODY_VOTE)->agreed);
    free(again);
    free(b);
}

/* A custodian that says an epoch far ahead of the known one, to have all votes for good, gets none,
 * and raises nobody's epoch, whatever it says it in. */
static void test_wild_epochs_are_refused(void **state)
{
    (void)state;
    const uint32_t wild[] = {1 + COVEY__EPOCH_JUMP_MAX + 1, UINT32_MAX - 1, UINT32_MAX};
    for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        struct bench *b = custodian();
        b->view.now_ms += COVEY__PROMISE_MS;
        message(b, 3, canvass(wild[i], false, 1, 9));
        assert_int_equal(b->sends, 0);
        message(b, 3, canvass(wild[i], true, 1, 9));
        assert_int_equal(b->sends, 0);
        const struct covey_custody_message others[] = {
            {.type = COVEY_CUSTODY_LEASE, .epoch = wild[i], .sequence = 7},
            {.type = COVEY_CUSTODY_VOTE, .epoch = wild[i]},
            {.type = COVEY_CUSTODY_ABSENT, .epoch = wild[i]},
            appoint(wild[i], 9, 30)};
        for (unsigned k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
            message(b, 3, others[k]);
            assert_null(sent(b, 3, COVEY_CUSTODY_GRANT));
            assert_null(sent(b, 3, COVEY_CUSTODY_ACCEPT));
        }
        message(b, 3, canvass(2, false, 0, 99)); /* refused, and told the epoch */
        const struct covey_custody_message *vote = sent(b, 3, COVEY_CUSTODY_VOTE);
        assert_true(vote != NULL && !vote->agreed && vote->epoch == 1);
        message(b, 3, canvass(2, false, 1, 9));
        vote = sent(b, 3, COVEY_CUSTODY_VOTE);
        assert_true(vote != NULL && vote->agreed);
        free(b);
    }
}

/* No vote for an older deed, by epoch and then version, nor for one who is in no set. */
static void test_no_vote_for_less(void **state)
{
    (void)state;
    struct bench *b = custodian();
    b->view.now_ms += COVEY__PROMISE_MS;
    message(b, 3, canvass(2, false, 1, 4));
    assert_false(sent(b, 3, COVEY_CUSTODY_VOTE)->agreed);
    message(b, 3, canvass(2, false, 0, 99));
    assert_false(sent(b, 3, COVEY_CUSTODY_VOTE)->agreed);
    message(b, 4, canvass(2, false, 1, 5));
    assert_false(sent(b, 4, COVEY_CUSTODY_VOTE)->agreed);
    message(b, 4, canvass(2, false, 1, 6)); /* it may know of a newer set */
    assert_true(sent(b, 4, COVEY_CUSTODY_VOTE)->agreed);
    message(b, 3, canvass(2, false, 1, 5));
    assert_true(sent(b, 3, COVEY_CUSTODY_VOTE)->agreed);
    free(b);
}

/* Device 1 asks, stands, and wins; its own vote is on disk before it asks for others. */
static void win(struct bench *b)
{
    struct covey_custody_message vote = {.type = COVEY_CUSTODY_VOTE, .epoch = 2, .agreed = true};
    pass(b, COVEY__PROMISE_MS + COVEY__CANVASS_MS);
    const struct covey_custody_message *ask = sent(b, 3, COVEY_CUSTODY_CANVASS);
    assert_true(ask != NULL && !ask->binding && ask->epoch == 2);
    message(b, 3, vote);
    assert_null(sent(b, 3, COVEY_CUSTODY_CANVASS));
    persisted(b);
    ask = sent(b, 3, COVEY_CUSTODY_CANVASS);
    assert_true(ask != NULL && ask->binding && ask->epoch == 2);
    assert_false(b->leads);
    vote.binding = true;
    message(b, 3, vote);
    assert_true(b->leads);
    assert_false(b->leased);
}

/* A new owner goes on from its own deed, written again as the first of its epoch: an older one
 * counts for nothing however many have it (Ongaro and Ousterhout 2014, figure 8). */
static void test_new_owner_writes_its_own_deed(void **state)
{
    (void)state;
    struct bench *b = custodian();
    win(b);
    assert_int_equal(b->led.step, 20);
    const struct covey_custody_message *deed = sent(b, 3, COVEY_CUSTODY_APPOINT);
    assert_true(deed != NULL && deed->epoch == 2 && deed->deed.version == 1);
    assert_int_equal(deed->deed.checkpoint.step, 20);
    b->kept.step = 0;
    uint32_t write = b->write;
    message(b, 3, acceptance(1, 5, 20));
    assert_int_equal(b->kept.step, 0);
    b->write = write;
    persisted(b);
    message(b, 3, acceptance(2, 1, 20));
    assert_int_equal(b->kept.step, 20);
    free(b);
}

/* The lease counts from when it was asked for, needs a majority, and ends by this clock. */
static void test_lease(void **state)
{
    (void)state;
    struct bench *b = custodian();
    win(b);
    const struct covey_custody_message *lease = sent(b, 3, COVEY_CUSTODY_LEASE);
    assert_non_null(lease);
    struct covey_custody_message grant = {
        .type = COVEY_CUSTODY_GRANT, .epoch = 2, .sequence = lease->sequence};
    uint64_t asked_ms = b->view.now_ms;
    b->view.now_ms += 400;
    grant.sequence = lease->sequence + 1; /* of an asking that never was */
    message(b, 3, grant);
    assert_false(b->leased);
    grant.sequence--;
    message(b, 3, grant);
    assert_true(b->leased);
    assert_int_equal(b->lease_ms, asked_ms + COVEY__LEASE_MS);
    b->view.now_ms = asked_ms + COVEY__LEASE_MS - 1;
    pass(b, 0);
    assert_false(b->leased);
    assert_true(covey__custody_deadline_ms(&b->machine) <= asked_ms + COVEY__LEASE_MS);
    pass(b, 1);
    assert_true(b->leased && b->lease_ms == 0);
    free(b);
}

/* An owner that hears of a later epoch stops, and says so before anything else leaves. */
static void test_owner_steps_down(void **state)
{
    (void)state;
    struct bench *b = custodian();
    win(b);
    struct covey_custody_message m = {.type = COVEY_CUSTODY_GRANT, .epoch = 2};
    m.sequence = sent(b, 3, COVEY_CUSTODY_LEASE)->sequence;
    persisted(b);
    message(b, 3, m);
    assert_true(b->leased && b->lease_ms != 0);
    m = (struct covey_custody_message){.type = COVEY_CUSTODY_LEASE, .epoch = 3, .sequence = 9};
    message(b, 2, m);
    assert_true(b->leased && b->lease_ms == 0);
    assert_true(b->over && b->over_err == COVEY_ERR_STATE);
    assert_int_equal(b->update.actions[0].type, COVEY_ACTION_CUSTODY_LEASE);
    assert_null(sent(b, 2, COVEY_CUSTODY_GRANT)); /* the epoch is not on disk yet */
    persisted(b);
    assert_non_null(sent(b, 2, COVEY_CUSTODY_GRANT));
    free(b);
}

/* Owner alone, with devices 2 and 3 holding everything and granting leases: the set is to change.
 */
static struct bench *owner_with_learners(void)
{
    struct bench *b = new_bench();
    struct covey_event open = {
        .type = COVEY_EVENT_CUSTODY_OPEN, .fence.epoch = 1, .checkpoint = checkpoint_of(4)};
    assert_int_equal(event(b, &open), COVEY_OK);
    assert_false(b->leased); /* not before it would know of it after a restart */
    const struct covey_custody_message *lease = sent(b, 2, COVEY_CUSTODY_LEASE);
    assert_non_null(sent(b, 3, COVEY_CUSTODY_APPOINT));
    assert_null(sent(b, 4, COVEY_CUSTODY_APPOINT));
    struct covey_custody_message grant = {
        .type = COVEY_CUSTODY_GRANT, .epoch = 1, .sequence = lease->sequence};
    persisted(b);
    assert_true(b->leased && b->lease_ms == COVEY__LEASE_FOREVER);
    message(b, 2, acceptance(1, 1, 4));
    message(b, 3, acceptance(1, 1, 4));
    assert_false(b->leased);
    message(b, 2, grant);
    assert_true(b->leased && b->lease_ms < COVEY__LEASE_FOREVER);
    const struct covey_custody_message *deed = sent(b, 3, COVEY_CUSTODY_APPOINT);
    assert_true(deed != NULL && deed->deed.set.count == 1 && deed->deed.next.count == 3);
    return b;
}

/* While the set changes both sets decide; the next takes over once majorities of both have it. */
static void test_set_changes_through_both(void **state)
{
    (void)state;
    struct bench *b = owner_with_learners();
    uint32_t write = b->write;
    message(b, 3,
            acceptance(1, 2, 4)); /* two of the next set with the owner, whose disk is behind */
    assert_null(sent(b, 3, COVEY_CUSTODY_APPOINT));
    b->write = write;
    persisted(b);
    const struct covey_custody_message *deed = sent(b, 3, COVEY_CUSTODY_APPOINT);
    assert_true(deed != NULL && deed->deed.set.count == 3 && deed->deed.next.count == 0);
    assert_int_equal(deed->deed.version, 3);
    free(b);
}

/* After a restart in the middle of a change the owner alone wins nothing: it needs the next set. */
static void test_restart_within_a_change(void **state)
{
    (void)state;
    struct bench *b = owner_with_learners(), *again = new_bench();
    persisted(b);
    struct covey_event restart = {.type = COVEY_EVENT_CUSTODY_STATE,
                                  .bytes = covey_bytes_of(b->state, b->state_len)};
    again->view.count = 0;
    assert_int_equal(event(again, &restart), COVEY_OK);
    for (unsigned i = 0; i < 100; i++) {
        pass(again, 200);
        assert_false(again->leads);
        assert_int_equal(again->write, 0); /* and its epoch is not raised for nothing */
    }
    free(again);
    free(b);
}

/* A next set that is not there is given up, and the owner goes on alone. */
static void test_change_is_given_up(void **state)
{
    (void)state;
    struct bench *b = owner_with_learners();
    persisted(b);
    b->view.count = 0;
    bool stopped = false, alone = false;
    for (unsigned i = 0; i < 100 && !alone; i++) {
        pass(b, 200);
        stopped = stopped || (b->leased && b->lease_ms == 0);
        alone = b->leased && b->lease_ms == COVEY__LEASE_FOREVER;
    }
    assert_true(stopped && alone);
    free(b);
}

/* A session that nobody else of the set knows any more has ended: it is forgotten. One is not
 * enough to say so. */
static void test_forgets_what_has_ended(void **state)
{
    (void)state;
    struct bench *b = custodian();
    struct covey_custody_message absent = {.type = COVEY_CUSTODY_ABSENT};
    pass(b, COVEY__PROMISE_MS + COVEY__CANVASS_MS);
    message(b, 3, absent);
    assert_false(b->over);
    message(b, 2, absent);
    assert_true(b->over && b->over_err == COVEY_OK);
    assert_true(b->write != 0 && b->state_len == 0);
    assert_true(covey__custody_idle(&b->machine));
    free(b);
}

/* The owner's end is told until everyone has heard it; who owned it before may not end it. */
static void test_close(void **state)
{
    (void)state;
    struct bench *b = owner_with_learners(), *c = custodian();
    struct covey_event close = {.type = COVEY_EVENT_CUSTODY_CLOSE, .fence.epoch = 1};
    struct covey_custody_message absent = {.type = COVEY_CUSTODY_ABSENT};
    assert_int_equal(event(b, &close), COVEY_OK);
    assert_true(b->over && b->over_err == COVEY_OK && b->state_len == 0);
    assert_non_null(sent(b, 2, COVEY_CUSTODY_CLOSE));
    message(b, 2, absent);
    pass(b, COVEY__CLOSE_AGAIN_MS);
    assert_null(sent(b, 2, COVEY_CUSTODY_CLOSE));
    assert_non_null(sent(b, 3, COVEY_CUSTODY_CLOSE));
    message(b, 3, absent);
    assert_true(covey__custody_idle(&b->machine));

    struct covey_custody_message m = {.type = COVEY_CUSTODY_LEASE, .epoch = 2, .sequence = 3};
    message(c, 3, m);
    m = (struct covey_custody_message){.type = COVEY_CUSTODY_CLOSE, .epoch = 1};
    message(c, 2, m);
    assert_false(c->over);
    assert_true(sent(c, 2, COVEY_CUSTODY_ABSENT)->epoch == 2);
    m.epoch = 2;
    message(c, 3, m);
    assert_true(c->over && c->over_err == COVEY_OK);
    free(b);
    free(c);
}

/* A custodian may be told by hand to give a session up; an owner's other events are refused. */
static void test_given_up_by_hand(void **state)
{
    (void)state;
    struct bench *b = custodian();
    struct covey_event e = {.type = COVEY_EVENT_CUSTODY_CLOSE, .fence.epoch = 1};
    assert_int_equal(event(b, &e), COVEY_ERR_STATE);
    e.err = COVEY_ERR_CANCELLED;
    assert_int_equal(event(b, &e), COVEY_OK);
    assert_true(b->over && b->over_err == COVEY_OK && covey__custody_idle(&b->machine));
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_what_is_on_disk),
        cmocka_unit_test(test_refuses_what_cannot_be_had),
        cmocka_unit_test(test_one_vote_an_epoch),
        cmocka_unit_test(test_no_vote_in_a_promise),
        cmocka_unit_test(test_wild_epochs_are_refused),
        cmocka_unit_test(test_no_vote_for_less),
        cmocka_unit_test(test_new_owner_writes_its_own_deed),
        cmocka_unit_test(test_lease),
        cmocka_unit_test(test_owner_steps_down),
        cmocka_unit_test(test_set_changes_through_both),
        cmocka_unit_test(test_restart_within_a_change),
        cmocka_unit_test(test_change_is_given_up),
        cmocka_unit_test(test_forgets_what_has_ended),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_given_up_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
