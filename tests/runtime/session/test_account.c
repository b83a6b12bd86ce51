/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "account.h"
#include "covey/graph.h"

/* Nothing is taken beyond the bound, however large it is; what is added is. */
static void test_bound(void **state)
{
    (void)state;
    struct covey_account a = {.limit_bytes = 100};
    assert_true(covey__account_take(&a, 60));
    assert_false(covey__account_take(&a, 41));
    assert_false(covey__account_take(&a, UINT64_MAX));
    assert_int_equal(atomic_load(&a.used_bytes), 60);
    assert_true(covey__account_take(&a, 40));
    covey__account_add(&a, 10);
    assert_false(covey__account_take(&a, 0));
    covey__account_give(&a, 110);
    assert_int_equal(atomic_load(&a.used_bytes), 0);
    assert_int_equal(atomic_load(&a.own_bytes), 0);
}

/* Others' slices are in the sum, but not among what is the node's own. */
static void test_others_share_the_bound(void **state)
{
    (void)state;
    struct covey_account a = {.limit_bytes = 100};
    atomic_fetch_add(&a.used_bytes, 70);
    assert_false(covey__account_take(&a, 31));
    assert_true(covey__account_take(&a, 30));
    assert_int_equal(atomic_load(&a.own_bytes), 30);
}

/* The first megabyte of tables is the node's own; what goes back does so in any order. */
static void test_tables(void **state)
{
    (void)state;
    struct covey_account a = {.limit_bytes = UINT64_MAX};
    covey__account_table(&a, 1 << 20);
    assert_int_equal(atomic_load(&a.used_bytes), 0);
    covey__account_table(&a, 5);
    covey__account_table(&a, 1000);
    assert_int_equal(atomic_load(&a.used_bytes), 1005);
    covey__account_table_give(&a, 1 << 20);
    assert_int_equal(atomic_load(&a.used_bytes), 0);
    covey__account_table_give(&a, 1005);
    assert_int_equal(atomic_load(&a.table_bytes), 0);
    assert_int_equal(atomic_load(&a.used_bytes), 0);
}

/* Who is refused is told what for, and how much there is. */
static void test_refusal_says_why(void **state)
{
    (void)state;
    struct covey_account a = {.limit_bytes = 100};
    struct covey_nn_error why = {""};
    assert_true(covey__account_take_for(&a, "this", 70, &why));
    assert_int_equal(why.text[0], 0);
    assert_false(covey__account_take_for(&a, "that", 31, &why));
    assert_string_equal(why.text, "no memory for that: 31 bytes are needed, 70 of 100 are taken "
                                  "(coveyd --memory)");
    assert_int_equal(atomic_load(&a.used_bytes), 70);
}

static void test_nothing_is_counted(void **state)
{
    (void)state;
    assert_true(covey__account_take(NULL, UINT64_MAX));
    assert_true(covey__account_take_for(NULL, "nothing", UINT64_MAX, NULL));
    covey__account_add(NULL, 1);
    covey__account_give(NULL, 1);
    covey__account_table(NULL, 1);
    covey__account_table_give(NULL, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_others_share_the_bound),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_refusal_says_why),
        cmocka_unit_test(test_nothing_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
