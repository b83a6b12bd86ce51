/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench_measure.h"

/* The median and other percentiles lie between neighbours, the ends at the extremes. */
static void test_percentiles(void **state)
{
    double values[] = {4, 1, 3, 2};
    (void)state;
    assert_true(covey__percentile(values, 4, 0) == 1);
    assert_true(covey__percentile(values, 4, 0.5) == 2.5);
    assert_true(covey__percentile(values, 4, 1) == 4);
    assert_true(covey__percentile(values, 1, 0.9) == 1);
    assert_true(covey__percentile(values, 0, 0.5) == 0);
}

/* A product and its peak can be measured with several threads, and memory be told. */
static void test_machine_is_measured(void **state)
{
    struct covey__gemm_speed s = {.m = 16, .n = 16, .k = 16};
    double reading = 0;
    (void)state;
    assert_int_equal(covey__measure_gemm(&s, 2), COVEY_OK);
    assert_true(s.ms > 0 && s.gflops > 0);
    assert_int_equal(covey__measure_reading(1 << 16, &reading), COVEY_OK);
    assert_true(reading > 0);
    struct covey__memory memory = covey__memory_now();
    assert_true(memory.resident > 0 && memory.peak >= memory.resident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_machine_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
