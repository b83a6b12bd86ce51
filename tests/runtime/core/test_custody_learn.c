/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "custody_bench.h"

/* Everything comes before the checkpoint, which is that of the newest deed by then. One that its
 * owner has replaced meanwhile is no reason to refuse: the deed is asked for again. */
static void test_fetches_the_checkpoint_last(void **state)
{
    (void)state;
    struct bench *b = new_bench();
    struct covey_event all = {.type = COVEY_EVENT_CUSTODY_HELD};
    message(b, 2, appoint(1, 5, 20));
    assert_true(b->appointed == 1 && b->keeps == 0);
    message(b, 2, appoint(1, 6, 24));
    assert_int_equal(event(b, &all), COVEY_OK);
    const struct covey_custody_message *ready = sent(b, 2, COVEY_CUSTODY_ACCEPT);
    assert_true(ready != NULL && ready->agreed && ready->deed.version == 0);
    assert_int_equal(b->keeps, 1);
    assert_int_equal(b->kept_ref.step, 24);
    assert_int_equal(stored(b, 24, COVEY_ERR_NOT_FOUND), COVEY_OK);
    ready = sent(b, 2, COVEY_CUSTODY_ACCEPT);
    assert_true(ready != NULL && ready->agreed && ready->deed.version == 0);
    message(b, 2, appoint(1, 7, 28));
    assert_int_equal(stored(b, 28, COVEY_OK), COVEY_OK);
    persisted(b);
    const struct covey_custody_message *accept = sent(b, 2, COVEY_CUSTODY_ACCEPT);
    assert_true(accept != NULL && accept->agreed && accept->deed.version == 7);
    free(b);
}

/* The owner's next checkpoint waits until one who lacks only the present one has it, or for some
 * time: nobody could ever join an owner that replaces them faster than they travel. */
static void test_settled(void **state)
{
    (void)state;
    struct bench *b = new_bench();
    struct covey_event open = {.type = COVEY_EVENT_CUSTODY_OPEN, .fence.epoch = 1};
    struct covey_event made = {.type = COVEY_EVENT_CUSTODY_CHECKPOINT, .fence.epoch = 1};
    assert_int_equal(event(b, &open), COVEY_OK);
    persisted(b);
    made.checkpoint = checkpoint_of(4);
    assert_int_equal(event(b, &made), COVEY_OK);
    persisted(b);
    assert_true(b->settled && b->kept.step == 4); /* nobody has come so far that it matters */
    message(b, 2, acceptance(1, 0, 0));
    b->settled = false;
    made.checkpoint = checkpoint_of(8);
    assert_int_equal(event(b, &made), COVEY_OK);
    persisted(b);
    assert_true(!b->settled && b->kept.step == 8);
    message(b, 2, acceptance(1, 3, 8));
    assert_true(b->settled && b->kept.step == 8);
    message(b, 3, acceptance(1, 0, 0));
    b->settled = false;
    made.checkpoint = checkpoint_of(12);
    assert_int_equal(event(b, &made), COVEY_OK);
    for (unsigned i = 0; i < 8 && b->write != 0; i++) {
        persisted(b);
    }
    message(b, 2, acceptance(1, b->machine.session[0].deed.version, 12));
    assert_false(b->settled);
    for (unsigned ms = 0; ms < COVEY__LEARN_MS; ms += 500) {
        pass(b, 500);
    }
    assert_true(b->settled && b->kept.step == 12); /* the one that never comes */
    free(b);
}

/* One that was replaced while it was away asks a custodian of the new set, since its owner died: it
 * is told to forget the session. Nobody who is in a set is told so, nor by one who has no owner. */
static void test_replaced_one_forgets(void **state)
{
    (void)state;
    struct bench *b = custodian(); /* of devices 1 to 3 */
    message(b, 3, canvass(2, false, 1, 4));
    assert_null(sent(b, 3, COVEY_CUSTODY_CLOSE));
    message(b, 4, canvass(2, false, 1, 6));
    assert_null(sent(b, 4, COVEY_CUSTODY_CLOSE)); /* it knows more than this device */
    message(b, 4, canvass(2, false, 1, 4));
    assert_non_null(sent(b, 4, COVEY_CUSTODY_CLOSE));
    pass(b, COVEY__PROMISE_MS);
    message(b, 4, canvass(2, false, 1, 4));
    assert_null(sent(b, 4, COVEY_CUSTODY_CLOSE));
    free(b);
    b = custodian();
    pass(b, COVEY__PROMISE_MS);
    message(b, 3, (struct covey_custody_message){.type = COVEY_CUSTODY_CLOSE, .epoch = 1});
    assert_true(b->over && b->over_err == COVEY_OK);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetches_the_checkpoint_last),
        cmocka_unit_test(test_settled),
        cmocka_unit_test(test_replaced_one_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
