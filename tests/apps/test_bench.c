/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench_measure.h"
#include "bench_product.h"

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

/* Coded products are measured with every code: honest answers are right, and what is decoded is as
 * accurate as is promised, for every loss of MDS (12,10). */
static void test_products_are_measured(void **state)
{
    const struct covey__product_options o = {.rows = 43,
                                             .k = 60,
                                             .cols = 7,
                                             .blocks = 10,
                                             .tasks = 20,
                                             .rounds = 20,
                                             .threads = 2,
                                             .loss = 10,
                                             .seed = 3};
    struct covey__product_base base;
    (void)state;
    assert_int_equal(covey__product_base_measure(&o, &base), COVEY_OK);
    assert_true(base.product_ms > 0 && base.field_ms > 0 && base.copy_gbytes_s > 0);
    for (unsigned i = 0; i <= COVEY_CODE_FIELD; i++) {
        struct covey__product_result r;
        enum covey_code_kind kind = (enum covey_code_kind)i;
        assert_int_equal(covey__product_measure(&o, &base, kind, &r), COVEY_OK);
        assert_int_equal(r.rounds + r.failed, o.rounds);
        assert_int_equal(r.lies, 0);
        assert_true(kind == COVEY_CODE_VANDERMONDE || r.error_worst < 2e-5);
    }
    struct covey__product_accuracy a = {.kind = COVEY_CODE_MDS, .n = 10, .m = 12};
    assert_int_equal(covey__product_accuracy(&a), COVEY_OK);
    assert_int_equal(a.patterns, 66);
    assert_true(a.worst <= 2e-5 && a.block_worst <= 2e-5);
    a = (struct covey__product_accuracy){.kind = COVEY_CODE_FIELD, .n = 10, .m = 12};
    assert_int_equal(covey__product_accuracy(&a), COVEY_OK);
    assert_int_equal(a.exact, a.patterns);
    struct covey__product_lt lt = {.n = 10, .answers = 15};
    double more;
    assert_int_equal(covey__product_lt(&lt, 300), COVEY_OK);
    assert_true(lt.peeled > 0 && lt.solved > 0.9 && lt.solved >= lt.peeled);
    assert_int_equal(covey__product_awaited(10, 20, 300, &more), COVEY_OK);
    assert_true(more < 0.15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_machine_is_measured),
        cmocka_unit_test(test_products_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
