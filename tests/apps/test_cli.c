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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_in_the_order_of_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
