/* SPDX-License-Identifier: MIT
 *
 * test_custody_hostile.c - what a fully trusted member that keeps nothing of a session can do to
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "custody_bench.h"

enum { OWNER = 2, CUSTODIAN = 3, STRANGER = 4 };

static struct covey_custody_message word(enum covey_custody_type type, uint32_t epoch)
{
    return (struct covey_custody_message){.type = type, .epoch = epoch, .sequence = 9};
}

/* All by which a session is ended, taken over, or brought into a later epoch. */
static void claims_of(uint32_t epoch, struct covey_custody_message out[static 5])
{
    out[0] = word(COVEY_CUSTODY_LEASE, epoch);
    out[1] = appoint(epoch, 9, 30);
    out[1].deed.set.id[1] = id_of(STRANGER);
    out[2] = word(COVEY_CUSTODY_CLOSE, epoch);
    out[3] = word(COVEY_CUSTODY_ABSENT, epoch);
    out[4] = word(COVEY_CUSTODY_VOTE, epoch);
}

/* Nobody hears of the stranger, in no epoch, and the owner is followed as before. */
static void expect_followed(struct bench *b, unsigned from)
{
    const struct covey__custody_session *s = &b->machine.session[0];
    for (uint32_t epoch = 1; epoch < 4; epoch++) {
        struct covey_custody_message m[5];
        claims_of(epoch, m);
        for (unsigned i = 0; i < 5; i++) {
            message(b, from, m[i]);
            assert_false(b->over);
            assert_null(sent(b, from, COVEY_CUSTODY_GRANT));
            assert_null(sent(b, from, COVEY_CUSTODY_ACCEPT));
            assert_int_equal(b->appointed + b->keeps, 0);
            assert_int_equal(s->epoch, 1);
        }
    }
    message(b, OWNER, word(COVEY_CUSTODY_LEASE, 1));
    assert_non_null(sent(b, OWNER, COVEY_CUSTODY_GRANT));
}

/* While its owner is heard a session cannot be ended, taken over, or brought into a later epoch by
 * a member that is none of its custodians. */
static void test_strangers_take_nothing_that_runs(void **state)
{
    (void)state;
    struct bench *b = custodian(); /* of devices 1 to 3, for device 2 */
    expect_followed(b, STRANGER);
    free(b);
}

/* When it is not heard any more, strangers end nothing either, raise no epoch, and their votes do
 * not count. */
static void test_strangers_end_nothing(void **state)
{
    (void)state;
    struct bench *b = custodian();
    pass(b, COVEY__PROMISE_MS + COVEY__CANVASS_MS);
    assert_non_null(sent(b, CUSTODIAN, COVEY_CUSTODY_CANVASS));
    for (uint32_t epoch = 1; epoch < 4; epoch++) {
        struct covey_custody_message m[5];
        claims_of(epoch, m);
        for (unsigned i = 2; i < 5; i++) {
            m[i].agreed = false;
            message(b, STRANGER, m[i]);
            m[i].agreed = true;
            message(b, STRANGER + i, m[i]);
            assert_false(b->over);
            assert_int_equal(b->write, 0);
            assert_int_equal(b->machine.session[0].epoch, 1);
        }
    }
    assert_int_equal(b->machine.session[0].yes_count, 1); /* its own */
    struct covey_custody_message vote = word(COVEY_CUSTODY_VOTE, 2);
    vote.agreed = true;
    message(b, CUSTODIAN, vote);
    assert_int_equal(b->machine.session[0].epoch, 2);
    free(b);
}

/* An owner that acts under a lease goes on, whoever says what of a later epoch: none can have been
 * granted. */
static void test_a_leased_owner_is_not_displaced(void **state)
{
    (void)state;
    struct bench *b = new_bench();
    struct covey_event open = {.type = COVEY_EVENT_CUSTODY_OPEN, .fence.epoch = 1};
    assert_int_equal(event(b, &open), COVEY_OK);
    persisted(b);
    assert_int_equal(b->lease_ms, COVEY__LEASE_FOREVER);
    for (uint32_t epoch = 2; epoch < 4; epoch++) {
        struct covey_custody_message m[5];
        claims_of(epoch, m);
        for (unsigned i = 0; i < 5; i++) {
            message(b, STRANGER, m[i]);
            assert_true(!b->over && !b->leased);
            assert_int_equal(b->machine.session[0].role, COVEY__CUSTODY_OWNER);
        }
    }
    free(b);
}

/* A custodian ends no session whose owner is heard; the owner does. */
static void test_custodians_end_nothing_that_runs(void **state)
{
    (void)state;
    struct bench *b = custodian();
    message(b, CUSTODIAN, word(COVEY_CUSTODY_CLOSE, 1));
    assert_false(b->over);
    message(b, CUSTODIAN, word(COVEY_CUSTODY_CLOSE, 2));
    assert_false(b->over);
    message(b, OWNER, word(COVEY_CUSTODY_CLOSE, 1));
    assert_true(b->over);
    free(b);
}

/* Who has sessions kept without end leaves places for others. */
static void test_one_owner_leaves_places(void **state)
{
    (void)state;
    struct bench *b = new_bench();
    unsigned taken = 0, denied = 0;
    for (unsigned i = 0; i < 2 * COVEY_TRAININGS_MAX; i++) {
        struct covey_node_id owner = id_of(OWNER);
        struct covey_custody_message m = appoint(1, 5, 20), said;
        m.session.bytes[0] = (uint8_t)(100 + i);
        b->update.count = b->update.arena_len = 0;
        assert_int_equal(covey__custody_message(&b->machine, &b->view, &owner, &m, &b->update),
                         COVEY_OK);
        for (size_t k = 0; k < b->update.count; k++) {
            const struct covey_action *action = &b->update.actions[k];
            taken += action->type == COVEY_ACTION_CUSTODY_APPOINTED;
            denied += action->type == COVEY_ACTION_SEND &&
                      covey_custody_decode(action->bytes, &said) == COVEY_OK &&
                      said.type == COVEY_CUSTODY_ACCEPT && !said.agreed;
        }
    }
    assert_int_equal(taken, COVEY__OWNER_SESSIONS_MAX);
    assert_int_equal(denied, 2 * COVEY_TRAININGS_MAX - COVEY__OWNER_SESSIONS_MAX);
    message(b, CUSTODIAN, appoint(1, 5, 20));
    assert_int_equal(b->appointed, 1);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strangers_take_nothing_that_runs),
        cmocka_unit_test(test_strangers_end_nothing),
        cmocka_unit_test(test_a_leased_owner_is_not_displaced),
        cmocka_unit_test(test_custodians_end_nothing_that_runs),
        cmocka_unit_test(test_one_owner_leaves_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
