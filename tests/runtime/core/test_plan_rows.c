/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "plan_codec.h"
#include "plan_nets.h"

static struct covey_plan_request request;
static struct covey_plan plan, other;
static struct covey_plan_request decoded;
static struct covey_plan_held held, known;
static uint8_t wire[COVEY__PLAN_REQUEST_MAX];
static uint8_t bytes[COVEY__PLAN_MAX];

/* One convolution of 3 x 3 with padding, over equal devices; the owner is one of them. */
static void one_conv(struct net_shape in, unsigned filters, unsigned devices, unsigned parity)
{
    memset(&request, 0, sizeof(request));
    net_conv(&request, &in, filters, (struct net_window){3, 1, 1});
    net_equal(&request, &net_tenth, devices);
    request.parity = (uint8_t)parity;
    request.coded_all = true;
}

static void make(void)
{
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_OK);
}

/* What travels of a layer over this plan, to its holders and back, without the owner's. */
static uint64_t moved(const struct covey_plan *p, unsigned layer)
{
    struct covey_plan_cost cost;
    uint64_t sum = 0;
    unsigned owner = 0;
    while (owner < p->devices && !covey_node_id_equal(&p->device[owner], &request.device[0].id)) {
        owner++;
    }
    assert_true(covey_plan_slot_cost(&request.cost[layer], &p->layer[layer], &cost));
    for (unsigned d = 0; d < p->devices; d++) {
        unsigned slots = 0;
        for (unsigned s = 0; s < p->layer[layer].slots; s++) {
            slots += p->layer[layer].holder[s] == d;
        }
        sum += d != owner && slots > 0 ? cost.input_bytes + (uint64_t)slots * cost.answer_bytes : 0;
    }
    return sum;
}

/* Large pictures and few weights: blocks of rows and their sums, one a device, which move a
 * fraction of what filters would; the same layer forbidden to be cut is split by its filters. */
static void test_rows_where_they_move_less(void **state)
{
    (void)state;
    for (unsigned parity = 0; parity <= 2; parity++) {
        one_conv((struct net_shape){64, 112, 112}, 64, 8, parity);
        make();
        const struct covey_plan_layer *layer = &plan.layer[0];
        assert_true(layer->by_rows);
        assert_int_equal(layer->units, 8 - parity);
        assert_int_equal(layer->groups, 1);
        assert_int_equal(layer->slots, 8);
        uint32_t holders = 0;
        for (unsigned s = 0; s < layer->slots; s++) {
            holders |= UINT32_C(1) << layer->holder[s];
        }
        assert_int_equal(holders, 0xff);
        uint64_t by_rows = moved(&plan, 0);
        uint32_t rows_us = plan.predicted_us;
        request.cost[0].by_rows.rows = 0;
        make();
        assert_false(plan.layer[0].by_rows);
        assert_true(by_rows * 2 < moved(&plan, 0));
        assert_true(rows_us < plan.predicted_us);
    }
}

/* Small pictures and many weights, which all would have to read: by filters. */
static void test_filters_where_weights_are_all(void **state)
{
    (void)state;
    one_conv((struct net_shape){1024, 4, 4}, 1024, 8, 1);
    make();
    assert_true(plan.layer[0].slots > 0);
    assert_false(plan.layer[0].by_rows);
}

/* The weights of all filters count for each holder: without the memory for them, by filters. */
static void test_rows_need_all_weights(void **state)
{
    (void)state;
    one_conv((struct net_shape){64, 112, 112}, 64, 8, 1);
    uint64_t weights = request.cell[0].weight_bytes;
    for (unsigned d = 0; d < request.devices; d++) {
        request.device[d].memory_bytes = weights;
    }
    make();
    assert_true(plan.layer[0].by_rows);
    for (unsigned d = 0; d < request.devices; d++) {
        request.device[d].memory_bytes = weights - 1;
    }
    make();
    assert_int_equal(plan.layers, 1);
    assert_false(plan.layer[0].by_rows);
}

/* As many blocks as devices where the height allows it, else fewer; never an empty block. With
 * float16 the sums of inputs would be rounded: by filters. */
static void test_rows_of_any_height(void **state)
{
    (void)state;
    for (unsigned height = 3; height <= 40; height++) {
        for (unsigned devices = 2; devices <= 20; devices += 3) {
            one_conv((struct net_shape){256, height, 400}, 32, devices, 1);
            make();
            const struct covey_plan_layer *layer = &plan.layer[0];
            if (layer->by_rows) {
                unsigned rows = (height + layer->units - 1) / layer->units;
                assert_true(rows * (layer->units - 1U) < height);
                assert_true(layer->units < devices);
            }
            request.half = true;
            make();
            assert_false(plan.layer[0].by_rows);
        }
    }
}

/* It comes back from its bytes; and whoever made it, a plan is checked: two slots of a device, more
 * blocks than rows, one slot too few, a layer that cannot be cut so. */
static void test_rows_in_plans_of_others(void **state)
{
    (void)state;
    size_t len = 0;
    one_conv((struct net_shape){64, 13, 112}, 64, 8, 1);
    make();
    assert_true(plan.layer[0].by_rows);
    assert_int_equal(covey__plan_encode(&plan, (struct covey_buf){bytes, sizeof(bytes)}, &len),
                     COVEY_OK);
    assert_int_equal(covey__plan_decode(covey_bytes_of(bytes, len), &other), COVEY_OK);
    assert_memory_equal(&plan, &other, sizeof(plan));
    for (size_t at = 0; at < len; at++) {
        uint8_t kept = bytes[at];
        for (unsigned value = 0; value < 256; value++) {
            bytes[at] = (uint8_t)value;
            if (covey__plan_decode(covey_bytes_of(bytes, len), &other) == COVEY_OK) {
                covey_err err = covey_plan_check(&other, &request);
                assert_true(err == COVEY_OK || err == COVEY_ERR_RANGE || err == COVEY_ERR_DENIED);
            }
        }
        bytes[at] = kept;
    }
    other = plan;
    other.layer[0].holder[0] = other.layer[0].holder[1];
    assert_int_equal(covey_plan_check(&other, &request), COVEY_ERR_RANGE);
    other = plan;
    other.layer[0].units = other.layer[0].group_units = 8;
    other.layer[0].slots = 9;
    assert_int_equal(covey_plan_check(&other, &request), COVEY_ERR_RANGE);
    other = plan;
    other.layer[0].slots--;
    assert_int_equal(covey_plan_check(&other, &request), COVEY_ERR_RANGE);
    request.cost[0].by_rows.rows = 0;
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_ERR_RANGE);
}

/* Unless all is coded: whatever is chosen for a layer of a real network is no later than without
 * blocks, and where there are no strips some are of blocks. */
static void test_rows_only_where_sooner(void **state)
{
    (void)state;
    unsigned by_rows = 0;
    for (unsigned coded_all = 0; coded_all < 2; coded_all++) {
        net_vgg19(&request);
        net_equal(&request, &net_tenth, 8);
        request.parity = 1;
        request.coded_all = coded_all == 1;
        make();
        for (unsigned i = 0; i < plan.layers; i++) {
            by_rows += plan.layer[i].by_rows;
        }
        for (unsigned i = 0; i < request.layers; i++) {
            request.cost[i].by_rows.rows = 0;
        }
        assert_int_equal(covey_plan_make(&request, &other), COVEY_OK);
        assert_true(plan.predicted_us <= other.predicted_us);
    }
    assert_true(by_rows > 0);
}

static uint64_t all_weights(void)
{
    return (uint64_t)request.cost[0].units * request.cost[0].unit_bytes;
}

/* One bit each device with a slot of the layer, by its place in the request. */
static uint32_t holders(void)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < request.devices; i++) {
        for (unsigned s = 0; s < plan.layer[0].slots; s++) {
            const struct covey_node_id *id = &plan.device[plan.layer[0].holder[s]];
            bool is = covey_node_id_equal(id, &request.device[i].id);
            mask |= is ? UINT32_C(1) << i : 0;
        }
    }
    return mask;
}

/* Bit d: device d of the plan; of the request's devices only those in mask. */
static uint32_t in_plan(uint32_t mask)
{
    uint32_t out = 0;
    for (unsigned i = 0; i < request.devices; i++) {
        for (unsigned d = 0; d < plan.devices; d++) {
            bool is = covey_node_id_equal(&plan.device[d], &request.device[i].id);
            out |= is && (mask >> i & 1) != 0 ? UINT32_C(1) << d : 0;
        }
    }
    return out;
}

/* What is missing of a layer by rows is what its holders have not: all weights at first, none once
 * they are ready, and none with another number of blocks or parities, since everybody has all. Of
 * the same layer by filters only parities are, and the other way round what each lacks of all. */
static void test_what_devices_have_is_not_missing(void **state)
{
    (void)state;
    one_conv((struct net_shape){64, 112, 112}, 64, 8, 1);
    memset(&held, 0, sizeof(held));
    request.held = &held;
    make();
    assert_true(plan.layer[0].by_rows);
    assert_int_equal(covey_plan_missing(&request, &plan), 7 * all_weights());
    covey_plan_hold(&held, &request, &plan, in_plan(0xe7)); /* 3 and 4 not yet */
    assert_int_equal(covey_plan_missing(&request, &plan), 2 * all_weights());
    covey_plan_hold(&held, &request, &plan, in_plan(0xff));
    assert_int_equal(covey_plan_missing(&request, &plan), 0);
    for (unsigned parity = 0; parity <= 4; parity++) {
        request.parity = (uint8_t)parity;
        make();
        assert_true(plan.layer[0].by_rows);
        assert_int_equal(covey_plan_missing(&request, &plan), 0);
        covey_plan_hold(&held, &request, &plan, in_plan(0xff));
    }
    request.parity = 1;
    struct covey_plan_rows by_rows = request.cost[0].by_rows;
    request.cost[0].by_rows.rows = 0;
    make();
    assert_false(plan.layer[0].by_rows);
    unsigned parities = 0;
    for (unsigned g = 0; g < plan.layer[0].groups; g++) {
        unsigned unit, slot;
        unsigned count = covey_plan_group(&plan.layer[0], 1, g, &unit, &slot);
        bool own = (in_plan(1) >> plan.layer[0].holder[slot + count] & 1) != 0;
        parities += !own;
    }
    assert_int_equal(covey_plan_missing(&request, &plan), parities * request.cost[0].unit_bytes);
    memset(&held, 0, sizeof(held));
    covey_plan_hold(&held, &request, &plan, in_plan(0xff));
    unsigned units = 0;
    for (unsigned s = 0; s < plan.layer[0].slots; s++) {
        units += (in_plan(0xfe) >> plan.layer[0].holder[s] & 1) != 0;
    }
    request.cost[0].by_rows = by_rows;
    make();
    assert_true(plan.layer[0].by_rows);
    assert_int_equal(covey_plan_missing(&request, &plan),
                     7 * all_weights() - (units - parities) * request.cost[0].unit_bytes);
}

/* Who has the weights keeps them: equal devices that join, whatever their ids, change nothing; when
 * one goes another gets what it had, and when it is back it is as at first or as then, but nothing
 * travels. What the others know comes back from its bytes. */
static void test_holders_of_rows_stay(void **state)
{
    (void)state;
    one_conv((struct net_shape){256, 24, 28}, 512, 12, 1);
    request.coded_all = false;
    memset(&held, 0, sizeof(held));
    request.held = &held;
    const struct covey_plan_request whole = request;
    make();
    assert_true(plan.layer[0].by_rows);
    uint32_t first = holders() & ~1U;
    unsigned count = plan.layer[0].slots, others = 0;
    for (uint32_t left = first; left != 0; left &= left - 1) {
        others++;
    }
    assert_true(others < 8);
    uint32_t last = 0xfff & ~((UINT32_C(1) << (12 - others)) - 1);
    assert_true(first != last);
    /* Only the last devices, and the owner, are there at first. */
    request.devices = (uint8_t)(others + 1);
    memcpy(request.device + 1, whole.device + 12 - others, others * sizeof(request.device[0]));
    make();
    assert_true(plan.layer[0].by_rows && plan.layer[0].slots == count);
    uint32_t us = plan.predicted_us;
    covey_plan_hold(&held, &request, &plan, UINT32_MAX);
    request = whole;
    make();
    assert_int_equal(covey_plan_missing(&request, &plan), 0);
    assert_true(plan.layer[0].slots == count && plan.predicted_us <= us);
    assert_int_equal(holders() & ~1U, last);
    size_t len = 0;
    struct covey_plan_request *copy = &decoded;
    assert_int_equal(
        covey__plan_request_encode(&request, (struct covey_buf){wire, sizeof(wire)}, &len),
        COVEY_OK);
    assert_int_equal(covey__plan_request_decode(covey_bytes_of(wire, len), &known, copy), COVEY_OK);
    copy->devices = request.devices;
    memcpy(copy->device, request.device, sizeof(copy->device));
    assert_int_equal(covey_plan_make(copy, &other), COVEY_OK);
    assert_memory_equal(&plan, &other, sizeof(plan));
    request.devices--;
    make();
    assert_int_equal(covey_plan_missing(&request, &plan), all_weights());
    covey_plan_hold(&held, &request, &plan, UINT32_MAX);
    request = whole;
    make();
    assert_int_equal(covey_plan_missing(&request, &plan), 0);
}

/* Bytes of the convolutions of a run that the plan's devices have to get. */
static uint64_t missing_of_run(const struct covey_plan_run *run)
{
    decoded = request;
    for (unsigned i = 0; i < decoded.layers; i++) {
        struct covey_plan_cost *cost = &decoded.cost[i];
        bool in = cost->cell >= run->first_cell &&
                  cost->cell < run->first_cell + (unsigned)run->cells && cost->by_rows.rows > 0;
        cost->unit_bytes = in ? cost->unit_bytes : 0;
    }
    return covey_plan_missing(&decoded, &plan);
}

/* Whoever made strips of convolutions has all their weights, when they are split one by one. A
 * device that made none has to get what it is given. */
static void test_strips_bring_weights(void **state)
{
    (void)state;
    memset(&request, 0, sizeof(request));
    net_vgg19(&request);
    net_equal(&request, &net_tenth, 8);
    request.parity = 0;
    memset(&held, 0, sizeof(held));
    request.held = &held;
    make();
    assert_int_equal(plan.runs, 1);
    const struct covey_plan_run run = plan.run[0];
    covey_plan_hold(&held, &request, &plan, in_plan(0x7f)); /* 7 not yet */
    request.coded_all = true;
    make();
    assert_int_equal(plan.runs, 0);
    uint64_t first = missing_of_run(&run);
    covey_plan_hold(&held, &request, &plan, 0);
    assert_int_equal(missing_of_run(&run), first);
    request.held = NULL;
    uint64_t all = missing_of_run(&run);
    assert_true(first > 0 && first <= all / 6);
    request.held = &held;
    request.devices--;
    make();
    assert_int_equal(missing_of_run(&run), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_where_they_move_less),
        cmocka_unit_test(test_filters_where_weights_are_all),
        cmocka_unit_test(test_rows_need_all_weights),
        cmocka_unit_test(test_rows_of_any_height),
        cmocka_unit_test(test_rows_in_plans_of_others),
        cmocka_unit_test(test_rows_only_where_sooner),
        cmocka_unit_test(test_what_devices_have_is_not_missing),
        cmocka_unit_test(test_holders_of_rows_stay),
        cmocka_unit_test(test_strips_bring_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
