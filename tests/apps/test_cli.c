/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli.h"

/* People expect node10 behind node9. */
static void test_names_are_in_the_order_of_their_numbers(void **state)
{
    static const char *const ordered[] = {"",
                                          "attic",
                                          "cellar-2-10",
                                          "cellar-10-9",
                                          "node",
                                          "node2",
                                          "node2.a",
                                          "node10",
                                          "node99999999999999999999",
                                          "nodes",
                                          "zero"};
    const int count = sizeof(ordered) / sizeof(ordered[0]);
    (void)state;
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            int found = covey__compare_names(ordered[i], ordered[j]);
            assert_int_equal((found > 0) - (found < 0), (i > j) - (i < j));
        }
    }
}

/* What is kept and shown as a name has a length, is UTF-8, and tells no terminal anything. */
static void test_names(void **state)
{
    char most[COVEY_NAME_MAX + 2] = "";
    (void)state;
    memset(most, 'x', COVEY_NAME_MAX);
    assert_true(covey__cli_is_name("first") && covey__cli_is_name("na\xc3\xafve one"));
    assert_true(covey__cli_is_name(most));
    most[COVEY_NAME_MAX] = 'x';
    assert_false(covey__cli_is_name(most));
    assert_false(covey__cli_is_name("") || covey__cli_is_name("two\nlines"));
    assert_false(covey__cli_is_name("\x1b[31m") || covey__cli_is_name("\x7f"));
    assert_false(covey__cli_is_name("\xc2\x9b") || covey__cli_is_name("\x9b") ||
                 covey__cli_is_name("\xc3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_in_the_order_of_their_numbers),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
