/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "plan_nets.h"

static struct covey_plan_request request;
static struct covey_plan plan;

static void make(void)
{
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_OK);
}

static void set_rounds(uint32_t round_us)
{
    for (unsigned d = 0; d < request.devices; d++) {
        request.device[d].round_us = round_us;
    }
}

/* A layer over three devices, each half of it or the parity; rounds as they tell them. */
static uint32_t with_rounds(uint32_t owner_us, uint32_t second_us, uint32_t third_us)
{
    const struct net_device device = {20000, 3000, 100, 100};
    memset(&request, 0, sizeof(request));
    net_equal(&request, &device, 3);
    request.parity = 1;
    net_halves(&request);
    request.device[0].round_us = owner_us;
    request.device[1].round_us = second_us;
    request.device[2].round_us = third_us;
    make();
    assert_int_equal(plan.layers, 1);
    return plan.layer[0].predicted_us;
}

/* Whoever is asked gets a message and sends one. Where links are alike each has half of what was
 * measured; where only the asker's is long all of it is the asker's; a far device that is not
 * needed costs nothing; who told nothing is as near as the nearest. */
static void test_plan_counts_links(void **state)
{
    (void)state;
    const uint32_t near_us = with_rounds(0, 0, 0);
    assert_int_equal(with_rounds(1000, 1000, 1000), near_us + 1000);
    assert_int_equal(with_rounds(1000, 0, 1000), near_us + 1000);
    assert_in_range(with_rounds(4000, 1, 1), near_us + 4000, near_us + 4002);
    assert_in_range(with_rounds(1, 1, 6000), near_us, near_us + 2);
    assert_in_range(with_rounds(1, 1, 0), near_us, near_us + 2);
    assert_in_range(with_rounds(5000, 3000, 3000), near_us + 5000, near_us + 5002);
}

/* Nothing is shared out where that would take longer than computing here, and strips that exchange
 * rows wait for links each time. */
static void test_plan_stays_where_links_are_long(void **state)
{
    (void)state;
    void (*net[])(struct covey_plan_request *) = {net_vgg19, net_alexnet};
    for (unsigned i = 0; i < 2; i++) {
        net[i](&request);
        net_equal(&request, &net_tenth, 8);
        make();
        const uint32_t near_us = plan.predicted_us;
        assert_true(near_us < plan.local_us);
        for (uint32_t round_us = 2000; round_us < 4000000; round_us *= 2) {
            set_rounds(round_us);
            make();
            assert_true(plan.predicted_us <= plan.local_us);
            assert_true(plan.predicted_us >= near_us + round_us || plan.layers + plan.runs == 0);
        }
        assert_int_equal(plan.layers + plan.runs, 0);
    }
}

/* Of two strips that exchange rows both links count, also where the asker's is not among them. */
static void test_plan_counts_links_of_exchanges(void **state)
{
    (void)state;
    net_vgg19(&request);
    net_equal(&request, &net_tenth, 8);
    set_rounds(1);
    make();
    const uint32_t near_us = plan.predicted_us;
    const unsigned exchanges = plan.run[0].segments - 1;
    assert_true(exchanges > 2);
    set_rounds(1000);
    make();
    assert_true(plan.run[0].segments >= 3);
    assert_true(plan.predicted_us > near_us + 3 * 500);
    assert_true(plan.predicted_us < near_us + 3 * (exchanges + 1) * 500);
}

/* A device on a bad link is left out rather than waited for. */
static void test_plan_leaves_out_bad_links(void **state)
{
    (void)state;
    void (*net[2])(struct covey_plan_request *) = {net_vgg19, net_alexnet};
    for (unsigned i = 0; i < 2; i++) {
        net[i](&request);
        net_equal(&request, &net_tenth, 7);
        make();
        double without_us = plan.predicted_us;
        net_equal(&request, &net_tenth, 8);
        set_rounds(1);
        request.device[3].link_mbytes = 1;
        request.device[3].round_us = 40000;
        request.device[3].mflops *= 2;
        make();
        assert_true(plan.predicted_us <= without_us * 1.05);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_counts_links),
        cmocka_unit_test(test_plan_stays_where_links_are_long),
        cmocka_unit_test(test_plan_counts_links_of_exchanges),
        cmocka_unit_test(test_plan_leaves_out_bad_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
