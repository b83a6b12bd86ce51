/* SPDX-License-Identifier: MIT
 *
 * test_blas_core.c - a program starts itself again once, for OpenBLAS, and stays itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blas_core.h"
#include "covey/blas.h"

static const char variable[] = "OPENBLAS_CORETYPE", first_pid[] = "COVEY_TEST_FIRST_PID";
static const char *better = "Better";
static char **arguments;

/* In place of OpenBLAS's answer; it stays the same, as if the variable had no effect. */
const char *covey_blas_better_core(void)
{
    return better;
}

/* The program runs again with the variable set, as the same process with the same arguments, and
 * does not start itself a second time although that would not be refused. */
static void test_starts_again_once(void **state)
{
    (void)state;
    char pid[16];
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    assert_non_null(getenv(first_pid));
    assert_string_equal(getenv(first_pid), pid);
    assert_non_null(getenv(variable));
    assert_string_equal(getenv(variable), "Better");
    assert_non_null(arguments[0]);
    assert_null(arguments[1]);
}

/* What a person has set stays. */
static void test_set_variable_stays(void **state)
{
    (void)state;
    assert_int_equal(setenv(variable, "Mine", 1), 0);
    covey__blas_core_correct(arguments);
    assert_string_equal(getenv(variable), "Mine");
}

/* Where nothing is better, nothing is set and nothing starts. */
static void test_nothing_better(void **state)
{
    (void)state;
    better = NULL;
    assert_int_equal(unsetenv(variable), 0);
    covey__blas_core_correct(arguments);
    assert_null(getenv(variable));
}

int main(int argc, char **argv)
{
    (void)argc;
    arguments = argv;
    if (getenv(first_pid) == NULL) {
        char pid[16];
        snprintf(pid, sizeof(pid), "%ld", (long)getpid());
        setenv(first_pid, pid, 1);
        unsetenv(variable);
    }
    covey__blas_core_correct(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_again_once),
        cmocka_unit_test(test_set_variable_stays),
        cmocka_unit_test(test_nothing_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
