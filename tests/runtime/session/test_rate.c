/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "covey/pace.h"
#include "rate.h"

/* Rounding is at most a tenth off, never goes down as the value goes up, and rounding twice is
 * rounding once. */
static void test_rate_is_rounded_closely(void **state)
{
    (void)state;
    uint32_t before = 0;
    assert_int_equal(covey__rate_round(0), 1);
    for (uint64_t value = 1; value < UINT32_MAX / 2; value += 1 + value / 37) {
        uint32_t rounded = covey__rate_round(value);
        double off = (double)rounded / (double)value;
        assert_true(rounded >= before);
        assert_true(value < 16 || (off > 0.9 && off < 1.1));
        assert_true(value < 1000 || covey__rate_round(rounded) == rounded);
        before = rounded;
    }
    assert_true(covey__rate_round(UINT64_MAX) >= before);
}

/* A value and one a tenth above it are at most one step apart, and a step is less than a quarter.
 */
static void test_rate_steps_are_small(void **state)
{
    (void)state;
    for (uint64_t value = 1000; value < 10000000; value += value / 19) {
        double step = (double)covey__rate_round(value * 11 / 10) / (double)covey__rate_round(value);
        assert_true(step >= 1.0 && step < 1.25);
    }
}

/* Both rates are measured, and a paced device tells slower ones: a hundredth here. */
static void test_rates_follow_the_pace(void **state)
{
    (void)state;
    struct covey_rates full = {.link_mbytes = 7, .message_us = 9}, paced = {0};
    covey__measure_rates(&full);
    assert_true(full.mflops > 1 && full.stream_mbytes > 1);
    assert_true(full.link_mbytes == 7 && full.message_us == 9);
    covey_pace_set(1);
    covey__measure_rates(&paced);
    covey_pace_set(100);
    assert_true(paced.mflops >= 1 && paced.mflops < full.mflops / 4);
    assert_true(paced.stream_mbytes >= 1 && paced.stream_mbytes < full.stream_mbytes / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_is_rounded_closely),
        cmocka_unit_test(test_rate_steps_are_small),
        cmocka_unit_test(test_rates_follow_the_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
