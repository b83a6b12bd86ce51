/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tally.h"

static const float output[2] = {0, 1};

static void add(struct covey__tally *t, const struct covey_control_result *result)
{
    struct covey__answer answer = {.output = output, .elapsed_ms = 1, .result = result};
    assert_int_equal(covey__tally_add(t, &answer, 2, 1), COVEY_OK);
}

/* Many answers are checked where devices other than the asking one took part in some, and each of
 * those was; one that was believed is enough for no. */
static void test_tally_says_whether_all_was_checked(void **state)
{
    struct covey__tally t = {.count = 0};
    const struct covey_control_result here = {.devices = 1},
                                      checked = {.devices = 4, .checked = true},
                                      believed = {.devices = 4};
    (void)state;
    add(&t, NULL);
    add(&t, &here);
    assert_false(covey__tally_checked(&t));
    add(&t, &checked);
    add(&t, &here);
    assert_true(covey__tally_checked(&t));
    add(&t, &believed);
    add(&t, &checked);
    assert_false(covey__tally_checked(&t));
    covey__tally_done(&t);
}

/* A liar is named in the one answer that found it out: many answers name it once. */
static void test_tally_keeps_who_returned_wrong_numbers(void **state)
{
    struct covey__tally t = {.count = 0};
    const struct covey_control_result none = {.devices = 4, .checked = true};
    struct covey_control_result one = none, two = none;
    (void)state;
    one.liar_count = 1;
    one.liar[0].bytes[0] = 7;
    two.liar_count = 2;
    two.liar[0].bytes[0] = 9;
    two.liar[1].bytes[0] = 7;
    add(&t, &none);
    add(&t, &one);
    add(&t, &none);
    add(&t, &two);
    assert_int_equal(t.liars, 2);
    assert_int_equal(t.liar[0].bytes[0], 7);
    assert_int_equal(t.liar[1].bytes[0], 9);
    covey__tally_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tally_says_whether_all_was_checked),
        cmocka_unit_test(test_tally_keeps_who_returned_wrong_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
