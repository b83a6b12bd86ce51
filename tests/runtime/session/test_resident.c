/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "resident.h"

enum { LOOK_TICKS = 20, PUT_OFF_LOOKS = 15 };

/* One look, after which r->trimmed_bytes says whether anything was given back. */
static bool gives_back(struct covey_resident *r, bool busy)
{
    r->trimmed_bytes = 0;
    for (unsigned i = 0; i < LOOK_TICKS; i++) {
        assert_int_equal(r->trimmed_bytes, 0);
        covey__resident_tick(r, busy);
    }
    return r->trimmed_bytes > 0;
}

/* Beside requests free memory stays for half a minute; without any it goes back at the next look.
 */
static void test_resident_waits_for_requests(void **state)
{
    (void)state;
    struct covey_resident r = {0};
    assert_true(covey__resident_bytes() > 0);
    assert_true(gives_back(&r, false));
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < PUT_OFF_LOOKS; i++) {
            assert_false(gives_back(&r, true));
        }
        assert_true(gives_back(&r, true));
    }
    assert_false(gives_back(&r, true));
    assert_true(gives_back(&r, false));
}

/* A node whose memory is bounded keeps to it at any price. */
static void test_resident_keeps_its_bound(void **state)
{
    (void)state;
    struct covey_resident r = {.bounded = true};
    for (unsigned i = 0; i < 3; i++) {
        assert_true(gives_back(&r, true));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resident_waits_for_requests),
        cmocka_unit_test(test_resident_keeps_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
