/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "network.h"

enum { MEMORY = 1 << 20 };

/* What is laid out for one batch is not another's; no batch is refused. */
static void test_batches_are_told_apart(void **state)
{
    (void)state;
    struct covey_network_table table;
    _Atomic uint64_t used_bytes = 0;
    const struct covey_budget budget = {&used_bytes, MEMORY};
    struct covey_network_id id = {{{9}}, 0};
    struct covey_network *one = NULL, *four = NULL, *again = NULL;
    assert_int_equal(covey__network_table_init(&table), COVEY_OK);
    assert_int_equal(covey__network_get(&table, &id, &budget, &one), COVEY_ERR_RANGE);
    id.batch = COVEY_BATCH_MAX + 1;
    assert_int_equal(covey__network_get(&table, &id, &budget, &one), COVEY_ERR_RANGE);
    id.batch = 1;
    assert_int_equal(covey__network_get(&table, &id, &budget, &one), COVEY_OK);
    id.batch = 4;
    assert_int_equal(covey__network_get(&table, &id, &budget, &four), COVEY_OK);
    assert_int_equal(covey__network_get(&table, &id, &budget, &again), COVEY_OK);
    assert_ptr_not_equal(one, four);
    assert_ptr_equal(four, again);
    covey__network_unref(one);
    covey__network_unref(four);
    covey__network_unref(again);
    covey__network_table_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
