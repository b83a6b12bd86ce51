/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "custody_bench.h"

static struct covey_custody_message stop(uint32_t epoch, uint64_t version, uint64_t step)
{
    struct covey_custody_message m = appoint(epoch, version, step);
    m.deed.stopped = true;
    return m;
}

/* Device 1 keeps the session of device 2, which has stopped it: deed (1, 6), step 20. */
static struct bench *resting(void)
{
    struct bench *b = custodian();
    message(b, 2, stop(1, 6, 20));
    persisted(b);
    const struct covey_custody_message *accept = sent(b, 2, COVEY_CUSTODY_ACCEPT);
    assert_true(accept != NULL && accept->agreed && accept->deed.version == 6);
    return b;
}

static struct bench *restarted(const struct bench *before)
{
    struct bench *b = new_bench();
    struct covey_event restart = {.type = COVEY_EVENT_CUSTODY_STATE,
                                  .bytes = covey_bytes_of(before->state, before->state_len)};
    b->view.now_ms = before->view.now_ms;
    assert_int_equal(event(b, &restart), COVEY_OK);
    return b;
}

static covey_err resume(struct bench *b)
{
    struct covey_event e = {.type = COVEY_EVENT_CUSTODY_RESUME};
    return event(b, &e);
}

/* Until the time has come for its next doing, and then that. */
static void next(struct bench *b)
{
    uint64_t at_ms = covey__custody_deadline_ms(&b->machine);
    pass(b, at_ms > b->view.now_ms ? at_ms - b->view.now_ms : 0);
}

static void expect_rest(struct bench *b)
{
    for (unsigned i = 0; i < 10; i++) {
        next(b);
        assert_false(b->leads || b->leased || b->over);
        assert_int_equal(b->write, 0);
        const struct covey_custody_message *ask = sent(b, 3, COVEY_CUSTODY_CANVASS);
        assert_true(ask == NULL || !ask->binding);
    }
}

/* Nobody goes on by itself with what was stopped, not after a restart either; whether it is kept at
 * all is asked now and then, which binds nobody. */
static void test_rests_until_told(void **state)
{
    (void)state;
    struct bench *b = resting(), *again = restarted(b);
    assert_true(b->stopped);
    uint64_t from_ms = b->view.now_ms;
    expect_rest(b);
    assert_true(b->view.now_ms >= from_ms + 9 * COVEY__REST_ASK_MS);
    assert_true(again->stopped);
    expect_rest(again);
    free(again);
    free(b);
}

/* It asks, stands, and wins; both rounds of asking are for the next epoch. */
static void win_by_hand(struct bench *b)
{
    struct covey_custody_message vote = {.type = COVEY_CUSTODY_VOTE, .epoch = 2, .agreed = true};
    assert_int_equal(resume(b), COVEY_OK);
    if (sent(b, 3, COVEY_CUSTODY_CANVASS) == NULL) {
        next(b);
    }
    const struct covey_custody_message *ask = sent(b, 3, COVEY_CUSTODY_CANVASS);
    assert_true(ask != NULL && !ask->binding && ask->epoch == 2);
    message(b, 3, vote);
    persisted(b);
    ask = sent(b, 3, COVEY_CUSTODY_CANVASS);
    assert_true(ask != NULL && ask->binding && ask->epoch == 2);
    vote.binding = true;
    message(b, 3, vote);
    assert_true(b->leads);
}

/* By hand it goes on in the next epoch with the votes of a majority, from the step of the stop; it
 * trains only once a majority knows that it goes on: else nobody would take over from it. */
static void test_goes_on_by_votes(void **state)
{
    (void)state;
    struct bench *b = resting();
    win_by_hand(b);
    assert_int_equal(b->led.step, 20);
    const struct covey_custody_message *deed = sent(b, 3, COVEY_CUSTODY_APPOINT);
    assert_true(deed != NULL && deed->epoch == 2 && !deed->deed.stopped);
    struct covey_custody_message grant = {.type = COVEY_CUSTODY_GRANT, .epoch = 2};
    grant.sequence = sent(b, 3, COVEY_CUSTODY_LEASE)->sequence;
    persisted(b);
    message(b, 3, grant);
    assert_false(b->leased);
    message(b, 3, acceptance(2, 1, 20));
    assert_true(b->leased && b->lease_ms != 0);
    assert_int_equal(resume(b), COVEY_ERR_EXISTS);
    free(b);
}

/* Without a majority it is refused after a while, and votes that come later change nothing; it may
 * be tried again. */
static void test_no_majority(void **state)
{
    (void)state;
    struct bench *b = resting();
    struct covey_custody_message vote = {.type = COVEY_CUSTODY_VOTE, .epoch = 2, .agreed = true};
    uint64_t from_ms = b->view.now_ms;
    assert_int_equal(resume(b), COVEY_OK);
    while (!b->refused) {
        next(b);
        assert_false(b->leads);
    }
    assert_int_equal(b->refused_err, COVEY_ERR_TIMEOUT);
    assert_int_equal(b->view.now_ms, from_ms + COVEY__RESUME_MS);
    message(b, 3, vote);
    assert_int_equal(b->write, 0);
    expect_rest(b);
    win_by_hand(b);
    free(b);
}

/* A vote that comes after the refusal elects nobody, though it was asked for in time. */
static void test_late_vote(void **state)
{
    (void)state;
    struct bench *b = resting();
    struct covey_custody_message vote = {.type = COVEY_CUSTODY_VOTE, .epoch = 2, .agreed = true};
    assert_int_equal(resume(b), COVEY_OK);
    next(b);
    message(b, 3, vote);
    persisted(b);
    while (!b->refused) {
        next(b);
        if (b->write != 0) {
            persisted(b);
        }
    }
    vote.binding = true;
    message(b, 3, vote);
    assert_false(b->leads);
    free(b);
}

/* Another one was faster: it is followed, and named. */
static void test_gives_way(void **state)
{
    (void)state;
    struct bench *b = resting();
    struct covey_custody_message lease = {.type = COVEY_CUSTODY_LEASE, .epoch = 2, .sequence = 3};
    assert_int_equal(resume(b), COVEY_OK);
    message(b, 3, lease);
    assert_true(b->refused && b->refused_err == COVEY_ERR_EXISTS);
    persisted(b);
    assert_non_null(sent(b, 3, COVEY_CUSTODY_GRANT));
    expect_rest(b); /* until it is told the deed, which says that it goes on */
    message(b, 3, appoint(2, 1, 20));
    persisted(b);
    assert_false(b->stopped);
    free(b);
}

/* Two who missed the stop: one gets no vote from who has it, in no epoch, so that two of three
 * cannot own it in the epoch in which a third one goes on by hand. */
static void test_those_who_missed_the_stop(void **state)
{
    (void)state;
    struct bench *b = resting();
    b->view.now_ms += COVEY__PROMISE_MS;
    for (unsigned binding = 0; binding < 2; binding++) {
        for (uint32_t epoch = 2; epoch < 5; epoch++) {
            message(b, 3, canvass(epoch, binding == 1, 1, 5));
            const struct covey_custody_message *vote = sent(b, 3, COVEY_CUSTODY_VOTE);
            assert_true(vote != NULL && !vote->agreed);
        }
    }
    message(b, 3, canvass(2, false, 1, 6));
    assert_true(sent(b, 3, COVEY_CUSTODY_VOTE)->agreed);
    free(b);
}

/* While it goes on in epoch 2, nothing of epoch 1 counts, nor of another owner of epoch 2: no
 * lease, no deed, no end, no answer; who says so is told of the later epoch. */
static void test_nothing_of_an_older_epoch(void **state)
{
    (void)state;
    struct bench *b = resting();
    win_by_hand(b);
    persisted(b);
    b->kept.step = 0;
    message(b, 3, acceptance(1, 7, 20));
    assert_int_equal(b->kept.step, 0);
    for (uint32_t epoch = 1; epoch < 3; epoch++) {
        struct covey_custody_message m = {.type = COVEY_CUSTODY_LEASE, .epoch = epoch};
        m.sequence = 1;
        message(b, 2, m);
        assert_null(sent(b, 2, COVEY_CUSTODY_GRANT));
        message(b, 2, appoint(epoch, 9, 24));
        assert_null(sent(b, 2, COVEY_CUSTODY_ACCEPT));
        m.type = COVEY_CUSTODY_CLOSE;
        message(b, 2, m);
        const struct covey_custody_message *absent = sent(b, 2, COVEY_CUSTODY_ABSENT);
        assert_true(absent != NULL && absent->epoch == 2);
        message(b, 2, canvass(epoch, true, 9, 9));
        const struct covey_custody_message *vote = sent(b, 2, COVEY_CUSTODY_VOTE);
        assert_true(vote != NULL && !vote->agreed);
        assert_false(b->over);
    }
    struct bench *again = restarted(b);
    again->view.now_ms += COVEY__PROMISE_MS;
    message(again, 2, canvass(2, true, 9, 9)); /* it is on disk whom it voted for: itself */
    assert_false(sent(again, 2, COVEY_CUSTODY_VOTE)->agreed);
    free(again);
    free(b);
}

/* One that asked by itself, and is told of the stop meanwhile, does not stand on the votes that it
 * gets then. */
static void test_stop_while_it_asks(void **state)
{
    (void)state;
    struct bench *b = custodian();
    struct covey_custody_message vote = {.type = COVEY_CUSTODY_VOTE, .epoch = 2, .agreed = true};
    pass(b, COVEY__PROMISE_MS + COVEY__CANVASS_MS);
    assert_non_null(sent(b, 3, COVEY_CUSTODY_CANVASS));
    struct covey_custody_message newer = stop(1, 6, 24);
    message(b, 2, newer);
    next(b); /* it asks again, while it fetches the checkpoint */
    assert_int_equal(stored(b, 24, COVEY_OK), COVEY_OK);
    persisted(b);
    assert_true(b->stopped);
    message(b, 3, vote);
    assert_int_equal(b->write, 0);
    expect_rest(b);
    free(b);
}

/* An owner that stops asks for no more leases and tells the stop until all have it; then it is one
 * of those who keep it, and votes at once for whoever goes on by hand. */
static void test_owner_stops(void **state)
{
    (void)state;
    struct bench *b = resting();
    struct covey_event e = {.type = COVEY_EVENT_CUSTODY_STOP, .fence.epoch = 2};
    win_by_hand(b);
    persisted(b);
    message(b, 3, acceptance(2, 1, 20));
    b->settled = false;
    assert_int_equal(event(b, &e), COVEY_OK);
    const struct covey_custody_message *deed = sent(b, 3, COVEY_CUSTODY_APPOINT);
    assert_true(deed != NULL && deed->deed.stopped && deed->deed.version == 2);
    persisted(b);
    for (unsigned i = 0; i < 20; i++) {
        next(b);
        assert_null(sent(b, 3, COVEY_CUSTODY_LEASE));
        assert_false(b->leased);
    }
    assert_false(b->settled);
    message(b, 3, acceptance(2, 2, 20));
    assert_true(b->settled && b->stopped);
    assert_non_null(covey__custody_find(&b->machine, &(struct covey_session_id){{7}}));
    message(b, 2, acceptance(2, 2, 20));
    expect_rest(b);
    message(b, 3, canvass(3, false, 2, 2));
    assert_true(sent(b, 3, COVEY_CUSTODY_VOTE)->agreed);
    message(b, 3, canvass(3, false, 2, 1)); /* who lacks the stop gets none */
    assert_false(sent(b, 3, COVEY_CUSTODY_VOTE)->agreed);
    e.fence.epoch = 1;
    assert_int_equal(event(b, &e), COVEY_ERR_STATE);
    free(b);
}

/* Alone it stops and goes on with nobody's help, also after a restart; a set it is not in votes for
 * nobody here. */
static void test_alone(void **state)
{
    (void)state;
    struct bench *b = new_bench();
    struct covey_event open = {
        .type = COVEY_EVENT_CUSTODY_OPEN, .fence.epoch = 1, .checkpoint = checkpoint_of(4)};
    struct covey_event e = {.type = COVEY_EVENT_CUSTODY_STOP, .fence.epoch = 1};
    b->view.count = 0;
    assert_int_equal(event(b, &open), COVEY_OK);
    persisted(b);
    assert_int_equal(event(b, &e), COVEY_OK);
    persisted(b);
    expect_rest(b);
    struct bench *again = restarted(b);
    assert_int_equal(resume(again), COVEY_OK);
    for (unsigned i = 0; i < 20 && !again->leads; i++) {
        next(again);
        if (again->write != 0) {
            persisted(again);
        }
    }
    assert_true(again->leads);
    assert_int_equal(again->led.step, 4);
    struct bench *learner = new_bench();
    struct covey_custody_message other = stop(1, 5, 20);
    other.deed.set = set_of(2, 1);
    message(learner, 2, other);
    held(learner, 20);
    assert_int_equal(resume(learner), COVEY_ERR_DENIED);
    free(learner);
    free(again);
    free(b);
}

/* Whoever keeps it may end it while it rests: all are told, one who asks for votes as well. Given
 * up it is forgotten here only. */
static void test_ends_by_hand(void **state)
{
    (void)state;
    struct bench *b = resting(), *other = resting();
    struct covey_event close = {.type = COVEY_EVENT_CUSTODY_CLOSE, .fence.epoch = 1};
    assert_int_equal(event(b, &close), COVEY_OK);
    assert_true(b->over && b->over_err == COVEY_OK);
    const struct covey_custody_message *told = sent(b, 2, COVEY_CUSTODY_CLOSE);
    assert_true(told != NULL && told->epoch == 1 && sent(b, 3, COVEY_CUSTODY_CLOSE) != NULL);
    message(b, 3, canvass(2, true, 1, 5));
    assert_non_null(sent(b, 3, COVEY_CUSTODY_CLOSE));
    close.err = COVEY_ERR_CANCELLED;
    assert_int_equal(event(other, &close), COVEY_OK);
    assert_true(other->over && other->sends == 0 && covey__custody_idle(&other->machine));
    free(other);
    free(b);
}

/* One who rests and hears from a majority that they know no such session forgets it. */
static void test_missed_the_end(void **state)
{
    (void)state;
    struct bench *b = resting();
    struct covey_custody_message absent = {.type = COVEY_CUSTODY_ABSENT};
    next(b);
    assert_non_null(sent(b, 3, COVEY_CUSTODY_CANVASS));
    message(b, 3, absent);
    assert_false(b->over);
    message(b, 2, absent);
    assert_true(b->over && covey__custody_idle(&b->machine));
    free(b);
}

/* Sessions that rest do not take the place of those that run: the oldest is forgotten here. */
static void test_makes_room(void **state)
{
    (void)state;
    struct bench *b = resting();
    for (uint8_t i = 0; i + 1 < COVEY_TRAININGS_MAX; i++) {
        struct covey_node_id owner = id_of(2 + i % 2U);
        struct covey_custody_message m = appoint(1, 5, 20);
        m.session.bytes[0] = (uint8_t)(100 + i);
        assert_non_null(covey__custody_find(&b->machine, &(struct covey_session_id){{7}}));
        b->update.count = b->update.arena_len = 0;
        b->view.now_ms++;
        assert_int_equal(covey__custody_message(&b->machine, &b->view, &owner, &m, &b->update),
                         COVEY_OK);
    }
    assert_null(covey__custody_find(&b->machine, &(struct covey_session_id){{7}}));
    bool over = false;
    for (size_t i = 0; i < b->update.count; i++) {
        over = over || (b->update.actions[i].type == COVEY_ACTION_CUSTODY_OVER &&
                        b->update.actions[i].err == COVEY_ERR_LIMIT);
    }
    assert_true(over);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rests_until_told),
        cmocka_unit_test(test_goes_on_by_votes),
        cmocka_unit_test(test_no_majority),
        cmocka_unit_test(test_late_vote),
        cmocka_unit_test(test_gives_way),
        cmocka_unit_test(test_those_who_missed_the_stop),
        cmocka_unit_test(test_nothing_of_an_older_epoch),
        cmocka_unit_test(test_stop_while_it_asks),
        cmocka_unit_test(test_owner_stops),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_ends_by_hand),
        cmocka_unit_test(test_missed_the_end),
        cmocka_unit_test(test_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
