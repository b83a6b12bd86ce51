/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "covey/tiles.h"
#include "plan_codec.h"
#include "plan_nets.h"

static struct covey_plan_request request;
static struct covey_plan_held known;
static struct covey_plan plan, other;
static uint8_t bytes[2][COVEY__PLAN_MAX];

static void make(void)
{
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_OK);
}

/* ---- any request ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static unsigned below(uint64_t *state, unsigned n)
{
    return (unsigned)(next_random(state) % n);
}

static void random_net(uint64_t *seed)
{
    struct net_shape s = {1 + below(seed, 64), 8 + below(seed, 120), 8 + below(seed, 120)};
    unsigned cells = 1 + below(seed, 20);
    memset(&request, 0, sizeof(request));
    for (unsigned i = 0; i < cells; i++) {
        unsigned kind = below(seed, 8);
        if (kind < 4 && s.height > 6 && s.width > 6) {
            unsigned kernel = 1 + 2 * below(seed, 3);
            net_conv(&request, &s, 1 + below(seed, 256),
                     (struct net_window){kernel, 1 + below(seed, 2), kernel / 2});
        } else if (kind < 6 && s.height > 3 && s.width > 3) {
            net_pool(&request, &s, (struct net_window){2, 2, 0});
        } else if (kind == 7) {
            s.channels = s.channels > 4096 ? 4096 : s.channels;
            s.height = s.width = 1;
            net_dense(&request, &s, 1 + below(seed, 4096));
        }
    }
}

static void random_devices(uint64_t *seed)
{
    unsigned percent[COVEY_PLAN_DEVICES_MAX];
    unsigned count = 1 + below(seed, below(seed, 4) == 0 ? COVEY_PLAN_DEVICES_MAX : 9);
    for (unsigned d = 0; d < count; d++) {
        percent[d] = below(seed, 2) == 0 ? 10 : 1 + below(seed, 100);
    }
    net_devices(&request, &net_tenth, percent, count);
    for (unsigned d = 0; d < count; d++) {
        struct covey_plan_device *device = &request.device[d];
        device->memory_bytes =
            below(seed, 2) == 0 ? UINT64_MAX : next_random(seed) % (1 + below(seed, 64 << 20));
        device->round_us = below(seed, 3) == 0 ? below(seed, 10000) : 1;
        device->link_mbytes = below(seed, 3) == 0 ? below(seed, 200) : device->link_mbytes;
        device->mflops = below(seed, 20) == 0 ? 0 : device->mflops;
        device->owner = false;
    }
    if (below(seed, 8) != 0) {
        request.device[below(seed, count)].owner = true;
    }
    request.parity = (uint8_t)below(seed, COVEY_PARITY_MAX + 1);
    request.devices_max = (uint8_t)(below(seed, 3) == 0 ? below(seed, 12) : 0);
    request.half = below(seed, 2) == 0;
    request.coded_all = below(seed, 6) == 0;
    request.check_all = below(seed, 3) == 0;
    request.owner_bytes = below(seed, 4) == 0 ? 1 + below(seed, 64 << 20) : 0;
    request.asked_bytes = below(seed, 4) == 0 ? 0 : below(seed, 1 << 20);
}

/* Counted here again: units of coded layers, and weights of runs in which a device has rows. */
static void check_memory(void)
{
    uint64_t used[COVEY_PLAN_DEVICES_MAX] = {0};
    for (unsigned i = 0; i < plan.layers; i++) {
        for (unsigned s = 0; s < plan.layer[i].slots; s++) {
            unsigned units = plan.layer[i].by_rows ? request.cost[i].units : 1;
            used[plan.layer[i].holder[s]] += (uint64_t)units * request.cost[i].unit_bytes;
        }
    }
    for (unsigned i = 0; i < plan.runs; i++) {
        const struct covey_plan_run *run = &plan.run[i];
        uint64_t weights = 0;
        for (unsigned c = 0; c < run->cells; c++) {
            weights += request.cell[run->first_cell + c].weight_bytes;
        }
        for (unsigned d = 0; d < plan.devices; d++) {
            bool has = false;
            for (unsigned s = 0; s < run->segments; s++) {
                has = has || run->segment[s].rows[d + 1] > run->segment[s].rows[d];
            }
            has = has || (run->twice && run->twin[d + 1] > run->twin[d]);
            used[d] += has ? weights + weights / 5 : 0;
        }
    }
    for (unsigned d = 0; d < plan.devices; d++) {
        for (unsigned i = 0; i < request.devices; i++) {
            if (covey_node_id_equal(&plan.device[d], &request.device[i].id)) {
                assert_true(used[d] <= request.device[i].memory_bytes);
            }
        }
    }
}

static size_t encode(const struct covey_plan *p, uint8_t *out)
{
    size_t len = 0;
    assert_int_equal(covey__plan_encode(p, (struct covey_buf){out, COVEY__PLAN_MAX}, &len),
                     COVEY_OK);
    return len;
}

/* What comes back from the bytes holds and has the same bytes. */
static void check_codec(void)
{
    size_t len = encode(&plan, bytes[0]);
    assert_int_equal(covey__plan_decode(covey_bytes_of(bytes[0], len), &other), COVEY_OK);
    assert_int_equal(covey_plan_check(&other, &request), COVEY_OK);
    assert_int_equal(encode(&other, bytes[1]), len);
    assert_memory_equal(bytes[0], bytes[1], len);
}

static void check_order(uint64_t *seed)
{
    size_t len = encode(&plan, bytes[0]);
    for (unsigned d = request.devices; d > 1; d--) {
        unsigned with = below(seed, d);
        struct covey_plan_device moved = request.device[d - 1];
        request.device[d - 1] = request.device[with];
        request.device[with] = moved;
    }
    assert_int_equal(covey_plan_make(&request, &other), COVEY_OK);
    assert_int_equal(encode(&other, bytes[1]), len);
    assert_memory_equal(bytes[0], bytes[1], len);
}

/* Some of them got what it gives them, and some are gone, or have become slower: it holds again. */
static void check_again(uint64_t *seed)
{
    memset(&known, 0, sizeof(known));
    for (unsigned i = 0; i < 2; i++) {
        covey_plan_hold(&known, &request, &plan, (uint32_t)next_random(seed));
        request.held = &known;
        if (request.devices > 1 && below(seed, 3) != 0) {
            request.devices--;
        }
        request.device[below(seed, request.devices)].mflops /= 1 + below(seed, 3);
        make();
        check_memory();
        check_codec();
        check_order(seed);
    }
}

/* Thousands of networks and meshes: the plan holds, no device is given more than its memory, it is
 * not slower than alone, does not depend on the order of devices, and survives its bytes. */
static void test_plan_any_request(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252, later = seed;
    unsigned with_runs = 0, coded = 0, twice = 0;
    for (unsigned i = 0; i < 4000; i++) {
        random_net(&seed);
        random_devices(&seed);
        make();
        check_memory();
        if (!request.coded_all && request.owner_bytes == 0) {
            assert_true(plan.predicted_us <= plan.local_us);
        }
        check_codec();
        check_order(&seed);
        with_runs += plan.runs > 0;
        twice += plan.runs > 0 && request.check_all;
        coded += plan.layers > 0;
        if (i % 8 == 0) {
            check_again(&later);
        }
    }
    assert_true(with_runs > 500 && coded > 500 && twice > 100);
}

/* ---- what a plan from outside may have wrong ---- */

static void assert_bad(void)
{
    assert_int_not_equal(covey_plan_check(&plan, &request), COVEY_OK);
    make();
}

static void test_plan_check_finds_wrong_runs(void **state)
{
    (void)state;
    net_vgg19(&request);
    net_equal(&request, &net_tenth, 8);
    make();
    struct covey_plan_run *run = &plan.run[0];
    run->segment[1].rows[3] = (uint16_t)(run->segment[1].rows[4] + 1);
    assert_bad();
    run->segment[1].rows[8]--;
    assert_bad();
    run->segment[1].rows[0]++;
    assert_bad();
    run->segment[2].map.before++;
    assert_bad();
    run->segment[2].map.out_row_bytes += 4;
    assert_bad();
    run->segment[0].row.flops++;
    assert_bad();
    run->segment[0].cells++;
    assert_bad();
    run->segment[0].cells = 0;
    assert_bad();
    run->segments = 0;
    assert_bad();
    run->segments--;
    assert_bad();
    run->segments = COVEY_TILE_SEGMENTS_MAX + 1;
    assert_bad();
    run->cells++;
    assert_bad();
    run->first_cell++;
    assert_bad();
    plan.run[1] = plan.run[0];
    plan.runs = 2;
    assert_bad();
    plan.runs = COVEY_TILE_RUNS_MAX + 1;
    assert_bad();
    plan.layer[3] = plan.layer[16]; /* inside the run */
    plan.layer[3].units = request.cost[3].units;
    assert_bad();
    plan.half = true;
    assert_bad();
    request.device[4].memory_bytes = 1 << 20;
    assert_int_not_equal(covey_plan_check(&plan, &request), COVEY_OK);
    request.device[4].memory_bytes = UINT64_MAX;
    request.coded_all = true;
    assert_int_not_equal(covey_plan_check(&plan, &request), COVEY_OK);
}

/* Cells and layers that do not belong together are refused. */
static void test_plan_refuses_bad_cells(void **state)
{
    (void)state;
    net_vgg19(&request);
    net_equal(&request, &net_tenth, 8);
    request.cost[4].cell++;
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_ERR_RANGE);
    net_vgg19(&request);
    request.cell[3].layers++;
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_ERR_RANGE);
    net_vgg19(&request);
    request.cell[2].map.stride = 0;
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_ERR_RANGE);
    net_vgg19(&request);
    request.cells = COVEY_CELLS_MAX + 1;
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_ERR_RANGE);
    net_vgg19(&request);
    net_equal(&request, &net_tenth, 8);
    request.device[5].owner = true;
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_ERR_RANGE);
}

/* A request's cells come back from its bytes; so a plan made from them is the same. */
static void test_plan_request_round_trip(void **state)
{
    (void)state;
    static struct covey_plan_request back;
    static uint8_t packed[COVEY__PLAN_REQUEST_MAX];
    net_vgg19(&request);
    net_equal(&request, &net_tenth, 8);
    request.half = true;
    request.owner_bytes = UINT64_MAX - 1;
    request.asked_bytes = UINT32_MAX - 1;
    size_t len = 0;
    make();
    assert_int_equal(
        covey__plan_request_encode(&request, (struct covey_buf){packed, sizeof(packed)}, &len),
        COVEY_OK);
    assert_int_equal(covey__plan_request_decode(covey_bytes_of(packed, len), &known, &back),
                     COVEY_OK);
    assert_int_equal(back.owner_bytes, request.owner_bytes);
    assert_int_equal(back.asked_bytes, request.asked_bytes);
    back.devices = request.devices;
    memcpy(back.device, request.device, sizeof(back.device));
    assert_int_equal(covey_plan_make(&back, &other), COVEY_OK);
    size_t plan_len = encode(&plan, bytes[0]);
    assert_int_equal(encode(&other, bytes[1]), plan_len);
    assert_memory_equal(bytes[0], bytes[1], plan_len);
}

/* Any byte of a plan with runs changed: an error, or a plan whose rows a holder can follow. */
static void test_plan_runs_survive_changed_bytes(void **state)
{
    (void)state;
    net_alexnet(&request);
    net_equal(&request, &net_tenth, 5);
    make();
    assert_true(plan.runs > 0);
    size_t len = encode(&plan, bytes[0]);
    for (size_t at = 0; at < len; at++) {
        uint8_t kept = bytes[0][at];
        for (unsigned value = 0; value < 256; value++) {
            bytes[0][at] = (uint8_t)value;
            if (covey__plan_decode(covey_bytes_of(bytes[0], len), &other) != COVEY_OK) {
                continue;
            }
            for (unsigned i = 0; i < other.runs; i++) {
                struct covey_tile_layout layout;
                covey_tile_layout_of(&other.run[i], other.devices, &layout);
                assert_int_equal(covey_tile_layout_check(&layout, &other.run[i], other.devices),
                                 COVEY_OK);
            }
            covey_err err = covey_plan_check(&other, &request);
            assert_true(err == COVEY_OK || err == COVEY_ERR_RANGE || err == COVEY_ERR_DENIED);
        }
        bytes[0][at] = kept;
    }
}

/* As large as a plan and a request can be, both fit the room that is kept for them. */
static void test_plan_largest_encoding(void **state)
{
    (void)state;
    static uint8_t packed[COVEY__PLAN_REQUEST_MAX];
    size_t len = 0;
    memset(&plan, 0xff, sizeof(plan));
    for (unsigned i = 0; i < COVEY_TILE_RUNS_MAX; i++) {
        plan.run[i].twice = true;
    }
    plan.devices = COVEY_PLAN_DEVICES_MAX;
    plan.layers = COVEY_LAYERS_MAX;
    plan.runs = COVEY_TILE_RUNS_MAX;
    plan.half = true;
    for (unsigned i = 0; i < plan.layers; i++) {
        plan.layer[i].slots = COVEY_LAYER_SLOTS_MAX;
        plan.layer[i].by_rows = plan.layer[i].relayed = true; /* the longest, if no plan */
    }
    for (unsigned i = 0; i < plan.runs; i++) {
        plan.run[i].segments = COVEY_TILE_SEGMENTS_MAX;
    }
    assert_true(encode(&plan, bytes[0]) <= COVEY__PLAN_MAX);
    memset(&request, 0xff, sizeof(request));
    request.layers = COVEY_LAYERS_MAX;
    request.cells = COVEY_CELLS_MAX;
    request.half = request.coded_all = request.check_all = true;
    request.held = &known;
    memset(&known, 0xff, sizeof(known));
    known.devices = COVEY_PLAN_DEVICES_MAX;
    known.layers = COVEY_LAYERS_MAX;
    known.parity = COVEY_PARITY_MAX;
    for (unsigned i = 0; i < COVEY_LAYERS_MAX; i++) {
        known.layer[i].units = COVEY_LAYER_UNITS_MAX;
        known.layer[i].group_units = 4;
    }
    for (unsigned i = 0; i < request.layers; i++) {
        request.cost[i].here = true;
    }
    assert_int_equal(
        covey__plan_request_encode(&request, (struct covey_buf){packed, sizeof(packed)}, &len),
        COVEY_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_any_request),
        cmocka_unit_test(test_plan_check_finds_wrong_runs),
        cmocka_unit_test(test_plan_refuses_bad_cells),
        cmocka_unit_test(test_plan_request_round_trip),
        cmocka_unit_test(test_plan_runs_survive_changed_bytes),
        cmocka_unit_test(test_plan_largest_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
