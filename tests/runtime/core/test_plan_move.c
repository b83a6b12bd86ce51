/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "plan_move.h"
#include "plan_nets.h"
#include "plan_private.h"

static struct covey_plan_request request;
static struct covey_plan_held held;
static struct covey_plan plan, next;

/* Eight devices, of which all that takes part in an MLP is known, and a plan that they have. */
static void begin(void)
{
    memset(&held, 0, sizeof(held));
    net_mlp(&request, 4096);
    net_equal(&request, &net_tenth, 8);
    request.parity = 1;
    for (unsigned i = 0; i < request.layers; i++) {
        request.cost[i].apart = true;
    }
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    assert_int_equal(plan.devices, 8);
    assert_true(plan.layers > 0);
    covey_plan_hold(&held, &request, &plan, UINT32_MAX);
    request.held = &held;
}

static bool gains(void)
{
    assert_int_equal(covey_plan_make(&request, &next), COVEY_OK);
    return covey__plan_gains(&request, &plan, &next);
}

/* Rates that were measured a little better move nothing, even where the best plan is another one;
 * those of devices that are much slower do. */
static void test_moves_only_for_gain(void **state)
{
    (void)state;
    begin();
    assert_false(gains());
    request.device[3].link_mbytes += request.device[3].link_mbytes / 5;
    request.device[5].message_us -= request.device[5].message_us / 5;
    assert_false(gains());
    /* Two slots change hands. */
    next = plan;
    struct covey_plan_layer *layer = &next.layer[0];
    unsigned first_unit, slot;
    unsigned count = covey_plan_group(layer, 1, 0, &first_unit, &slot);
    uint8_t moved = layer->holder[slot];
    layer->holder[slot] = layer->holder[slot + count];
    layer->holder[slot + count] = moved;
    assert_false(covey__plan_is_same(&plan, &next));
    assert_false(covey__plan_gains(&request, &plan, &next));
    for (unsigned d = 3; d < 6; d++) { /* one alone would not be waited for */
        request.device[d].mflops /= 8;
        request.device[d].stream_mbytes /= 8;
    }
    assert_true(gains());
}

/* Who comes or goes, and memory that is not there any more, are reason enough. */
static void test_moves_when_it_must(void **state)
{
    (void)state;
    begin();
    request.devices--;
    assert_true(gains());
    request.devices++;
    request.device[2].memory_bytes = 1 << 20;
    assert_true(gains());
}

/* A plan of fewer parities, as is made where memory does not do, replaces none of more. */
static void test_keeps_parities(void **state)
{
    (void)state;
    begin();
    request.owner_bytes = UINT64_MAX;
    struct covey_plan_request without = request;
    without.parity = 0;
    assert_int_equal(covey_plan_make(&without, &next), COVEY_OK);
    assert_int_equal(next.parity, 0);
    assert_false(covey__plan_gains(&request, &plan, &next));
    assert_true(covey__plan_gains(&request, &next, &plan));
}

/* What the owner has no memory for it reads in each request, however soon that was to end. */
static void test_owner_shall_not_read(void **state)
{
    (void)state;
    begin();
    request.owner_bytes = 40 << 20;
    memset(&next, 0, sizeof(next));
    next.parity = 1;
    assert_false(covey__plan_gains(&request, &plan, &next));
}

/* The owner alone, where a plan is hardly worth making any more, takes over only where that ends
 * sooner: a plan at the edge would come and go. */
static void test_alone_must_gain_too(void **state)
{
    (void)state;
    bool kept = false, left = false;
    begin();
    for (unsigned i = 0; i < 400 && !left; i++) {
        request.device[0].mflops += request.device[0].mflops / 100;
        request.device[0].stream_mbytes += request.device[0].stream_mbytes / 100;
        left = gains();
        if (covey_plan_is_local(&next)) {
            kept = kept || !left;
            continue;
        }
        plan = next;
        left = false;
    }
    assert_true(kept);
    assert_true(left);
}

/* Runs are timed as they were planned, whatever the network and the devices. */
static void test_times_of_runs(void **state)
{
    (void)state;
    void (*const nets[])(struct covey_plan_request *) = {net_vgg19, net_alexnet, net_resnet50};
    const unsigned rates[][8] = {{10, 10, 10, 10, 10, 10, 10, 10}, {10, 4, 20, 10, 40, 10, 7, 30}};
    unsigned runs = 0;
    for (unsigned i = 0; i < 12; i++) {
        memset(&request, 0, sizeof(request));
        nets[i % 3](&request);
        net_devices(&request, &net_tenth, rates[i / 3 % 2], 8);
        request.parity = 1;
        request.check_all = i >= 6;
        assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
        struct covey__team team;
        covey__team_choose(&request, &team);
        for (unsigned r = 0; r < plan.runs; r++, runs++) {
            double us = covey__run_us(&request, &team, &plan.run[r]);
            assert_float_equal(us, plan.run[r].predicted_us, 1);
        }
    }
    assert_true(runs >= 6);
}

/* Other strips move nothing either where they gain little, nor does a plan without any. */
static void test_moves_strips_only_for_gain(void **state)
{
    (void)state;
    memset(&request, 0, sizeof(request));
    net_vgg19(&request);
    net_equal(&request, &net_tenth, 8);
    request.parity = 1;
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    assert_true(plan.runs > 0);
    assert_false(gains());
    request.device[3].mflops += request.device[3].mflops / 2;
    assert_false(gains());
    assert_true(next.runs > 0);
    assert_false(covey__plan_is_same(&plan, &next));
    for (unsigned d = 3; d < 6; d++) {
        request.device[d].mflops *= 4;
    }
    assert_true(gains());
    assert_true(next.runs > 0);
    /* All layers by themselves, as others would ask for it, take longer. */
    struct covey_plan_request other = request;
    other.coded_all = true;
    assert_int_equal(covey_plan_make(&other, &next), COVEY_OK);
    assert_int_equal(next.runs, 0);
    assert_false(covey__plan_gains(&request, &plan, &next));
    plan = next;
    assert_true(gains());
}

static uint64_t bytes_of(const struct covey_plan *p, unsigned device)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < p->layers; i++) {
        for (unsigned s = 0; s < p->layer[i].slots; s++) {
            bytes += p->layer[i].holder[s] == device ? request.cost[i].unit_bytes : 0;
        }
    }
    return bytes;
}

/* Slots that are held one by one and are in both plans count once; where they are laid out
 * together, only if all are the same. */
static void test_both_bytes(void **state)
{
    (void)state;
    begin();
    uint64_t had = bytes_of(&plan, 4);
    assert_true(had > 0);
    assert_int_equal(covey__plan_both_bytes(&request, &plan, &plan, 4), had);
    next = plan;
    struct covey_plan_layer *layer = &next.layer[0];
    unsigned slot = 0;
    while (layer->holder[slot] == 4) {
        slot++;
    }
    layer->holder[slot] = 4;
    uint64_t unit = request.cost[0].unit_bytes;
    assert_int_equal(covey__plan_both_bytes(&request, &plan, &next, 4), had + unit);
    assert_int_equal(covey__plan_both_bytes(&request, &next, &plan, 4), had + unit);
    unsigned slots = 0;
    for (unsigned s = 0; s < plan.layer[0].slots; s++) {
        slots += plan.layer[0].holder[s] == 4;
    }
    request.cost[0].apart = false;
    assert_int_equal(covey__plan_both_bytes(&request, &plan, &plan, 4), had);
    assert_int_equal(covey__plan_both_bytes(&request, &plan, &next, 4), had + (slots + 1) * unit);
    next = plan;
    next.device[4].bytes[7] ^= 1; /* somebody else, who had nothing */
    assert_int_equal(covey__plan_both_bytes(&request, &plan, &next, 4), had);
}

/* Sums are the same only of the same units. */
static void test_both_bytes_of_other_groups(void **state)
{
    (void)state;
    begin();
    memset(&held, 0, sizeof(held));
    struct covey_plan_request fewer = request;
    fewer.devices = 5;
    assert_int_equal(covey_plan_make(&fewer, &next), COVEY_OK);
    assert_int_equal(next.devices, 5);
    for (unsigned d = 0; d < next.devices; d++) {
        unsigned before = 0;
        while (!covey_node_id_equal(&plan.device[before], &next.device[d])) {
            before++;
        }
        uint64_t both = covey__plan_both_bytes(&request, &plan, &next, d);
        uint64_t had = bytes_of(&plan, before), gets = bytes_of(&next, d);
        assert_true(both >= had && both >= gets && both <= had + gets);
    }
}

/* Of many who have a unit a few are named, others for another unit, and only such as may be. */
static void test_few_holders_are_named(void **state)
{
    (void)state;
    static uint8_t bytes[COVEY_WORK_HOLDERS_BYTES_MAX];
    struct covey_work_holders holders;
    uint32_t all = 0;
    begin();
    for (unsigned i = 0; i < held.layers; i++) {
        for (unsigned s = 0; s < COVEY_LAYER_SLOTS_MAX; s++) {
            held.layer[i].slot[s] = UINT32_MAX;
        }
    }
    struct covey__holders_of of = {&plan, 2, &held, 0xfb & ~UINT32_C(1)};
    size_t len = covey__plan_holders(&of, bytes);
    assert_int_equal(covey_work_holders_read(covey_bytes_of(bytes, len), &holders), COVEY_OK);
    assert_int_equal(holders.devices, 6);
    size_t slots = 0;
    for (unsigned i = 0; i < plan.layers; i++) {
        for (unsigned s = 0; s < plan.layer[i].slots; s++) {
            slots += plan.layer[i].holder[s] == 2;
        }
    }
    assert_int_equal(covey_work_holders_count(&holders), slots);
    for (size_t i = 0; i < slots; i++) {
        struct covey_work_had had = covey_work_holders_get(&holders, i);
        assert_int_equal(plan.layer[had.layer].holder[had.slot], 2);
        assert_int_equal(__builtin_popcount(had.devices), COVEY_WORK_HOLDERS_MAX);
        all |= had.devices;
    }
    assert_int_equal(all, 0x3f);
    for (unsigned d = 0; d < 6; d++) {
        struct covey_node_id id = covey_work_holders_id(&holders, d);
        unsigned at = d + 1 + (d + 1 >= 2);
        assert_memory_equal(&id, &held.device[at], sizeof(id));
    }
    of.may = 0;
    assert_int_equal(covey__plan_holders(&of, bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_only_for_gain),
        cmocka_unit_test(test_moves_when_it_must),
        cmocka_unit_test(test_keeps_parities),
        cmocka_unit_test(test_owner_shall_not_read),
        cmocka_unit_test(test_alone_must_gain_too),
        cmocka_unit_test(test_times_of_runs),
        cmocka_unit_test(test_moves_strips_only_for_gain),
        cmocka_unit_test(test_both_bytes),
        cmocka_unit_test(test_few_holders_are_named),
        cmocka_unit_test(test_both_bytes_of_other_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
