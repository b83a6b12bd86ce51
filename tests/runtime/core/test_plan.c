/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "covey/plan.h"
#include "plan_codec.h"

static struct covey_plan_request request;
static struct covey_plan_held known;
static struct covey_plan plan, other;

static void set_request(unsigned devices, unsigned parity, unsigned units)
{
    memset(&request, 0, sizeof(request));
    request.layers = 5;
    request.parity = (uint8_t)parity;
    request.devices = (uint8_t)devices;
    for (unsigned i = 0; i < request.layers; i++) {
        request.cost[i] = (struct covey_plan_cost){.units = (uint16_t)units,
                                                   .unit_bytes = 100,
                                                   .input_bytes = 10,
                                                   .answer_bytes = 20,
                                                   .unit.flops = 1000000000};
    }
    for (unsigned d = 0; d < devices; d++) {
        request.device[d].id.bytes[0] = (uint8_t)(d * 37 + 1);
        request.device[d].mflops = 1000;
        request.device[d].memory_bytes = UINT64_MAX;
    }
}

static void make(struct covey_plan *out)
{
    assert_int_equal(covey_plan_make(&request, out), COVEY_OK);
    assert_int_equal(covey_plan_check(out, &request), COVEY_OK);
}

static unsigned slots_of(const struct covey_plan *p, unsigned device)
{
    unsigned count = 0;
    for (unsigned i = 0; i < p->layers; i++) {
        for (unsigned s = 0; s < p->layer[i].slots; s++) {
            count += p->layer[i].holder[s] == device;
        }
    }
    return count;
}

/* Losing any one device costs each group at most as many slots as it has parities. */
static void check_groups(const struct covey_plan *p)
{
    for (unsigned i = 0; i < p->layers; i++) {
        const struct covey_plan_layer *layer = &p->layer[i];
        unsigned next_unit = 0, next_slot = 0;
        for (unsigned g = 0; g < layer->groups; g++) {
            bool seen[COVEY_PLAN_DEVICES_MAX] = {false};
            unsigned unit, slot;
            unsigned count = covey_plan_group(layer, p->parity, g, &unit, &slot);
            assert_int_equal(unit, next_unit);
            assert_int_equal(slot, next_slot);
            assert_in_range(count, 1, layer->group_units);
            for (unsigned s = 0; s < count + p->parity; s++) {
                unsigned d = layer->holder[slot + s];
                assert_true(d < p->devices);
                assert_false(seen[d]);
                seen[d] = true;
            }
            next_unit += count;
            next_slot += count + p->parity;
        }
        assert_int_equal(next_unit, layer->units);
        assert_int_equal(next_slot, layer->slots);
    }
}

/* For each number of devices and units: every unit is held, no device twice in a group, groups as
 * large as the contract says, and shares of equal devices differ by at most one slot a layer. */
static void test_plan_places_everything(void **state)
{
    (void)state;
    for (unsigned devices = 1; devices <= 20; devices++) {
        for (unsigned units = 1; units <= COVEY_LAYER_UNITS_MAX; units++) {
            for (unsigned parity = 0; parity <= COVEY_PARITY_MAX; parity++) {
                set_request(devices, parity, units);
                make(&plan);
                unsigned n = devices > parity ? devices - parity : 0;
                n = n < COVEY_GROUP_UNITS_MAX ? n : COVEY_GROUP_UNITS_MAX;
                n = n < units ? n : units;
                bool fits = n > 0 && units + (units + n - 1) / n * parity <= COVEY_LAYER_SLOTS_MAX;
                assert_int_equal(plan.layers, devices < 2 || !fits ? 0 : request.layers);
                if (plan.layers == 0) {
                    continue;
                }
                check_groups(&plan);
                assert_int_equal(plan.layer[0].groups, (units + n - 1) / n);
                unsigned low = UINT32_MAX, high = 0;
                for (unsigned d = 0; d < devices; d++) {
                    unsigned slots = slots_of(&plan, d);
                    low = slots < low ? slots : low;
                    high = slots > high ? slots : high;
                }
                assert_true(high - low <= 1);
            }
        }
    }
}

/* Parities are spread as in RAID-5: with equal devices no one holds many more than another. */
static void test_plan_spreads_parities(void **state)
{
    (void)state;
    for (unsigned devices = 2; devices <= 17; devices++) {
        unsigned held[COVEY_PLAN_DEVICES_MAX] = {0};
        set_request(devices, 1, 64);
        make(&plan);
        for (unsigned i = 0; i < plan.layers; i++) {
            for (unsigned g = 0; g < plan.layer[i].groups; g++) {
                unsigned unit, slot;
                unsigned count = covey_plan_group(&plan.layer[i], 1, g, &unit, &slot);
                held[plan.layer[i].holder[slot + count]]++;
            }
        }
        for (unsigned d = 1; d < devices; d++) {
            assert_true(held[d] + 2 >= held[0] && held[0] + 2 >= held[d]);
        }
    }
}

/* The order in which devices are named changes nothing. */
static void test_plan_ignores_order(void **state)
{
    (void)state;
    for (unsigned devices = 2; devices <= 12; devices++) {
        set_request(devices, 1, 23);
        for (unsigned d = 0; d < devices; d++) {
            request.device[d].mflops = 500 + d % 3 * 250;
        }
        make(&plan);
        for (unsigned d = 0; d < devices / 2; d++) {
            struct covey_plan_device moved = request.device[d];
            request.device[d] = request.device[devices - 1 - d];
            request.device[devices - 1 - d] = moved;
        }
        make(&other);
        assert_memory_equal(&plan, &other, sizeof(plan));
    }
}

/* A device that is ten times slower gets much less, whatever it is called. */
static void test_plan_gives_slow_devices_less(void **state)
{
    (void)state;
    for (unsigned slow = 0; slow < 6; slow++) {
        set_request(6, 1, 60);
        request.device[slow].mflops = 100;
        make(&plan);
        check_groups(&plan);
        unsigned least = 0;
        for (unsigned d = 0; d < 6; d++) {
            if (!covey_node_id_equal(&plan.device[d], &request.device[slow].id)) {
                continue;
            }
            least = slots_of(&plan, d);
        }
        for (unsigned d = 0; d < 6; d++) {
            if (!covey_node_id_equal(&plan.device[d], &request.device[slow].id)) {
                assert_true(slots_of(&plan, d) >= 3 * least);
            }
        }
    }
}

/* Shares keep within each device's memory; where that cannot be, the owner works alone. */
static void test_plan_keeps_within_memory(void **state)
{
    (void)state;
    set_request(5, 1, 20);
    request.device[2].memory_bytes = 300;
    request.device[4].memory_bytes = 0;
    make(&plan);
    assert_int_equal(plan.layers, 5);
    check_groups(&plan);
    for (unsigned d = 0; d < plan.devices; d++) {
        assert_false(covey_node_id_equal(&plan.device[d], &request.device[4].id));
        if (covey_node_id_equal(&plan.device[d], &request.device[2].id)) {
            assert_true(slots_of(&plan, d) <= 3);
        }
    }
    for (unsigned d = 0; d < 5; d++) {
        request.device[d].memory_bytes = 900;
    }
    make(&plan);
    assert_int_equal(plan.layers, 0);
}

/* devices_max keeps the fastest. */
static void test_plan_keeps_the_fastest(void **state)
{
    (void)state;
    set_request(8, 1, 20);
    request.devices_max = 3;
    request.device[1].mflops = request.device[4].mflops = request.device[7].mflops = 2000;
    make(&plan);
    assert_int_equal(plan.devices, 3);
    for (unsigned d = 0; d < 8; d++) {
        bool kept = false;
        for (unsigned i = 0; i < 3; i++) {
            kept = kept || covey_node_id_equal(&plan.device[i], &request.device[d].id);
        }
        assert_int_equal(kept, request.device[d].mflops == 2000);
    }
}

/* The largest request stays within every table. */
static void test_plan_largest(void **state)
{
    (void)state;
    set_request(COVEY_PLAN_DEVICES_MAX, 1, COVEY_LAYER_UNITS_MAX);
    request.layers = COVEY_LAYERS_MAX;
    for (unsigned i = 0; i < COVEY_LAYERS_MAX; i++) {
        request.cost[i] = request.cost[0];
    }
    make(&plan);
    check_groups(&plan);
    assert_int_equal(plan.layers, COVEY_LAYERS_MAX);
}

/* A request that no plan can be made for is refused, not guessed at. */
static void test_plan_refuses_bad_requests(void **state)
{
    (void)state;
    set_request(4, COVEY_PARITY_MAX + 1, 8);
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_ERR_RANGE);
    set_request(4, 1, 0);
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_ERR_RANGE);
    set_request(4, 1, COVEY_LAYER_UNITS_MAX + 1);
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_ERR_RANGE);
    set_request(4, 1, 8);
    request.device[3].id = request.device[0].id;
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_ERR_RANGE);
}

static void assert_bad(void)
{
    assert_int_not_equal(covey_plan_check(&plan, &request), COVEY_OK);
}

/* Whoever made the plan, the owner sees when it names strangers, doubles a device in a group, or
 * does not add up. */
static void test_plan_check_finds_what_is_wrong(void **state)
{
    (void)state;
    set_request(4, 1, 8);
    make(&plan);
    plan.device[1].bytes[5] = 9;
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_ERR_DENIED);
    make(&plan);
    plan.device[1] = plan.device[0];
    assert_bad();
    make(&plan);
    plan.layer[2].holder[0] = plan.layer[2].holder[1];
    assert_bad();
    make(&plan);
    plan.layer[2].holder[0] = plan.devices;
    assert_bad();
    make(&plan);
    plan.layer[0].units--;
    assert_bad();
    make(&plan);
    plan.layer[0].slots++;
    assert_bad();
    make(&plan);
    plan.layer[0].groups = 0;
    assert_bad();
    make(&plan);
    plan.layer[0].group_units = 0;
    assert_bad();
    make(&plan);
    plan.parity = 0;
    assert_bad();
    make(&plan);
    plan.layers--;
    assert_bad();
    make(&plan);
    request.devices_max = 3;
    assert_bad();
    request.devices_max = 0;
    request.device[0].memory_bytes = 100;
    assert_bad();
}

/* A plan comes back from its bytes as it was, and so do costs; no cut form is believed. */
static void test_plan_codec_round_trip(void **state)
{
    (void)state;
    static uint8_t bytes[COVEY__PLAN_MAX];
    static struct covey_plan_request back;
    size_t len = 0;
    set_request(COVEY_PLAN_DEVICES_MAX, 1, COVEY_LAYER_UNITS_MAX);
    request.devices_max = 31;
    request.cost[3] = (struct covey_plan_cost){0,    3, COVEY_BODY_MAX,
                                               7,    8, {UINT64_MAX, UINT64_MAX},
                                               true, 1, {9, 8, 7, 6, {5, 4}, {3, 2}},
                                               false};
    make(&plan);
    plan.term = UINT64_MAX;
    plan.coordinator.bytes[15] = 200;
    assert_int_equal(covey__plan_encode(&plan, (struct covey_buf){bytes, sizeof(bytes)}, &len),
                     COVEY_OK);
    assert_int_equal(covey__plan_decode(covey_bytes_of(bytes, len), &other), COVEY_OK);
    assert_memory_equal(&plan, &other, sizeof(plan));
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_not_equal(covey__plan_decode(covey_bytes_of(bytes, cut), &other), COVEY_OK);
    }
    assert_int_equal(
        covey__plan_request_encode(&request, (struct covey_buf){bytes, sizeof(bytes)}, &len),
        COVEY_OK);
    assert_int_equal(covey__plan_request_decode(covey_bytes_of(bytes, len), &known, &back),
                     COVEY_OK);
    assert_int_equal(back.layers, request.layers);
    assert_int_equal(back.devices, 0);
    assert_int_equal(back.devices_max, 31);
    assert_memory_equal(back.cost, request.cost, sizeof(back.cost));
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_not_equal(covey__plan_request_decode(covey_bytes_of(bytes, cut), &known, &back),
                             COVEY_OK);
    }
}

/* Any one byte changed gives either an error or numbers within their arrays: the sanitizer and the
 * check afterwards see to it. */
static void test_plan_codec_survives_changed_bytes(void **state)
{
    (void)state;
    static uint8_t bytes[COVEY__PLAN_MAX];
    size_t len = 0;
    set_request(6, 1, 9);
    make(&plan);
    assert_int_equal(covey__plan_encode(&plan, (struct covey_buf){bytes, sizeof(bytes)}, &len),
                     COVEY_OK);
    for (size_t at = 0; at < len; at++) {
        uint8_t kept = bytes[at];
        for (unsigned value = 0; value < 256; value++) {
            bytes[at] = (uint8_t)value;
            if (covey__plan_decode(covey_bytes_of(bytes, len), &other) == COVEY_OK &&
                covey_plan_check(&other, &request) == COVEY_OK) {
                check_groups(&other);
            }
        }
        bytes[at] = kept;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_places_everything),
        cmocka_unit_test(test_plan_spreads_parities),
        cmocka_unit_test(test_plan_ignores_order),
        cmocka_unit_test(test_plan_gives_slow_devices_less),
        cmocka_unit_test(test_plan_keeps_within_memory),
        cmocka_unit_test(test_plan_keeps_the_fastest),
        cmocka_unit_test(test_plan_largest),
        cmocka_unit_test(test_plan_refuses_bad_requests),
        cmocka_unit_test(test_plan_check_finds_what_is_wrong),
        cmocka_unit_test(test_plan_codec_round_trip),
        cmocka_unit_test(test_plan_codec_survives_changed_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
