/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rest.h"

/* Without requests a piece may follow a piece, and several be under way. */
static void test_alone_there_is_no_rest(void **state)
{
    (void)state;
    struct covey_rest r = {0};
    assert_int_equal(covey__rest_next_ms(&r, 100), 100);
    covey__rest_begin(&r, 100);
    assert_int_equal(covey__rest_next_ms(&r, 101), 101);
    covey__rest_end(&r, 500, 400000);
    assert_int_equal(covey__rest_next_ms(&r, 500), 500);
}

/* While there are requests pieces take a quarter of the time, one at a time, whatever they take,
 * and a long one does not put the next off for ever. */
static void test_requests_leave_a_quarter(void **state)
{
    (void)state;
    struct covey_rest r = {0};
    uint64_t now = 1, spent = 0, last = 0;
    for (unsigned i = 0; i < 1000; i++) {
        covey__rest_request(&r, now);
        uint64_t next = covey__rest_next_ms(&r, now);
        if (next > now) {
            assert_true(next - now <= 2000);
            now = next;
            continue;
        }
        uint64_t took = 1 + i % 300;
        covey__rest_begin(&r, now);
        covey__rest_request(&r, now + took);
        assert_int_equal(covey__rest_next_ms(&r, now + took), UINT64_MAX);
        now += took;
        spent += took;
        covey__rest_end(&r, now, took * 1000);
        last = now;
    }
    assert_true(spent > 0 && last > 0);
    assert_in_range(spent * 100 / last, 24, 27);
    covey__rest_begin(&r, now);
    covey__rest_request(&r, now + 100000);
    covey__rest_end(&r, now + 100000, 100000000);
    assert_in_range(covey__rest_next_ms(&r, now + 100000), now + 100001, now + 102000);
}

/* A while after the last request there is no rest any more. */
static void test_requests_end(void **state)
{
    (void)state;
    struct covey_rest r = {0};
    covey__rest_request(&r, 5000);
    covey__rest_begin(&r, 5000);
    assert_true(covey__rest_has_requests(&r, 5900));
    assert_int_equal(covey__rest_next_ms(&r, 5900), UINT64_MAX);
    assert_false(covey__rest_has_requests(&r, 6000));
    assert_int_equal(covey__rest_next_ms(&r, 6000), 6000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_there_is_no_rest),
        cmocka_unit_test(test_requests_leave_a_quarter),
        cmocka_unit_test(test_requests_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
