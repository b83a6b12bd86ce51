/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "network.h"

enum { MEMORY = 1 << 20, ROOM = 4 << 20 };

/* What is laid out for one batch is not another's; no batch is refused. */
static void test_batches_are_told_apart(void **state)
{
    (void)state;
    struct covey_network_table table;
    _Atomic uint64_t used_bytes = 0;
    const struct covey_budget budget = {&used_bytes, MEMORY, {{1}}};
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

static bool is_resident(const void *data, size_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)data + bytes;
    unsigned char there = 0;
    for (uintptr_t at = (uintptr_t)data / page * page; at < end; at += page) {
        if (mincore((void *)at, page, &there) != 0 || (there & 1) == 0) {
            return false;
        }
    }
    return true;
}

/* Where strips will run there is memory before the first request, pages and all: one room, made
 * once, and none beyond what this device gives. */
static void test_rooms_are_there_before_requests(void **state)
{
    (void)state;
    _Atomic uint64_t used_bytes = 1;
    const struct covey_network_id id = {{{9}}, 1};
    const struct covey_budget budget = {&used_bytes, ROOM, {{1}}};
    struct covey_network *n = NULL;
    assert_int_equal(covey__network_get(NULL, &id, &budget, &n), COVEY_OK);
    covey__network_warm(n);
    n->room_bytes = ROOM; /* as the largest strip needs */
    covey__network_warm(n);
    assert_int_equal(n->room_count, 0);
    used_bytes = 0;
    covey__network_warm(n);
    const struct strip_room *room = n->rooms;
    assert_true(n->room_count == 1 && room->bytes == ROOM && used_bytes == ROOM);
    assert_true(is_resident(room->data, room->bytes));
    covey__network_warm(n);
    assert_true(n->room_count == 1 && n->rooms == room && used_bytes == ROOM);
    covey__network_unref(n);
    assert_int_equal(used_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_are_told_apart),
        cmocka_unit_test(test_rooms_are_there_before_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
