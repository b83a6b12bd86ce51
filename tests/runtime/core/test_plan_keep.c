/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "plan_codec.h"
#include "plan_nets.h"

static struct covey_plan_request request, all;
static struct covey_plan_held held, back;
static struct covey_plan plan, fresh;
static uint8_t bytes[COVEY__PLAN_REQUEST_MAX];

static void make(void)
{
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_OK);
}

/* Of these devices of `all`, bit by bit; the first is the owner and always there. */
static void set_present(uint32_t mask)
{
    request.devices = 0;
    for (unsigned d = 0; d < all.devices; d++) {
        if ((mask >> d & 1) != 0) {
            request.device[request.devices++] = all.device[d];
        }
    }
}

static uint64_t bytes_of(const struct covey_plan *p)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < p->layers; i++) {
        sum += (uint64_t)p->layer[i].slots * request.cost[i].unit_bytes;
    }
    return sum;
}

/* Plans for these devices, and they all get what it gives them. What moved, of all that is held by
 * the devices together. As soon done as one that had not to mind who holds what, or nearly. */
static double go_on(uint32_t mask)
{
    set_present(mask);
    request.held = NULL;
    assert_int_equal(covey_plan_make(&request, &fresh), COVEY_OK);
    request.held = &held;
    make();
    assert_true(plan.predicted_us <= fresh.predicted_us + fresh.predicted_us / 20);
    double moved = (double)covey_plan_missing(&request, &plan) / (double)bytes_of(&plan);
    covey_plan_hold(&held, &request, &plan, UINT32_MAX);
    assert_int_equal(covey_plan_missing(&request, &plan), 0);
    return moved;
}

static void begin(unsigned devices, unsigned parity, bool coded_all)
{
    memset(&held, 0, sizeof(held));
    net_equal(&request, &net_tenth, devices);
    request.parity = (uint8_t)parity;
    request.coded_all = coded_all;
    all = request;
}

/* A device goes, comes back, and another one comes: what moves is no more than the share of one
 * device and, where groups had to become smaller or larger, their parities. */
static void test_plan_moves_little(void **state)
{
    (void)state;
    for (unsigned parity = 1; parity <= 2; parity++) {
        net_mlp(&request, 4096);
        begin(9, parity, true);
        go_on(0xff);
        double less = go_on(0xf7), again = go_on(0xff), more = go_on(0x1ff);
        assert_true(less <= (1.0 + parity) / 8);
        assert_true(again <= 0.04);
        assert_true(more <= (1.0 + parity) / 9);
    }
}

/* Whoever comes and goes, and however many after one another. */
static void test_plan_moves_little_again_and_again(void **state)
{
    (void)state;
    net_mlp(&request, 1024);
    begin(12, 1, true);
    uint32_t there = 0xfff;
    go_on(there);
    for (unsigned lost = 1; lost < 11; lost++) {
        there &= ~(UINT32_C(1) << (lost * 5 % 11 + 1));
        double moved = go_on(there);
        assert_true(moved <= 3.0 / (12 - lost + 1));
    }
    assert_true(go_on(0xfff) <= 0.2);
}

/* The same devices once more: the same plan, though rates were measured anew. */
static void test_plan_stays(void **state)
{
    (void)state;
    uint64_t seed = 7;
    net_vgg19(&request);
    begin(8, 1, false);
    go_on(0xff);
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned d = 0; d < all.devices; d++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            all.device[d].mflops = net_tenth.mflops + (uint32_t)(seed >> 52);
        }
        assert_true(go_on(0xff) <= 0);
    }
}

/* The order in which devices are named, in the request and in what is held, does not matter. */
static void test_plan_keep_is_deterministic(void **state)
{
    (void)state;
    static struct covey_plan other;
    net_mlp(&request, 4096);
    begin(9, 1, true);
    go_on(0xff);
    set_present(0x1ef);
    make();
    for (unsigned d = 0; d < request.devices / 2u; d++) {
        struct covey_plan_device moved = request.device[d];
        request.device[d] = request.device[request.devices - 1 - d];
        request.device[request.devices - 1 - d] = moved;
    }
    back = held;
    for (unsigned d = 0; d < held.devices; d++) {
        back.device[d] = held.device[held.devices - 1 - d];
    }
    for (unsigned i = 0; i < held.layers; i++) {
        for (unsigned s = 0; s < COVEY_LAYER_SLOTS_MAX; s++) {
            back.layer[i].slot[s] = 0;
            for (unsigned d = 0; d < held.devices; d++) {
                uint32_t has = held.layer[i].slot[s] >> d & 1;
                back.layer[i].slot[s] |= has << (held.devices - 1 - d);
            }
        }
    }
    request.held = &back;
    assert_int_equal(covey_plan_make(&request, &other), COVEY_OK);
    for (unsigned i = 0; i < plan.layers; i++) {
        assert_memory_equal(&plan.layer[i], &other.layer[i], sizeof(plan.layer[i]));
    }
}

/* However much a device held once, it is given no more than it has room for now. */
static void test_plan_keep_minds_memory(void **state)
{
    (void)state;
    net_mlp(&request, 4096);
    begin(8, 1, true);
    go_on(0xff);
    uint64_t each = bytes_of(&plan) / 7;
    for (unsigned d = 0; d < 8; d++) {
        all.device[d].memory_bytes = each;
    }
    all.device[5].memory_bytes = each / 2;
    set_present(0xff);
    make(); /* which checks the memory */
    assert_true(plan.layers > 0);
}

/* Of other parities the units are known still. */
static void test_plan_keeps_units_of_other_parities(void **state)
{
    (void)state;
    net_mlp(&request, 4096);
    begin(8, 1, true);
    go_on(0xff);
    request.parity = 2;
    make();
    assert_true(covey_plan_missing(&request, &plan) * 3 < bytes_of(&plan));
}

/* The plan of a coordinator that was sent who holds what is the owner's own. */
static void test_plan_held_round_trip(void **state)
{
    (void)state;
    static struct covey_plan_request got;
    static struct covey_plan other;
    net_mlp(&request, 4096);
    begin(8, 1, true);
    go_on(0xff);
    set_present(0xfb);
    make();
    size_t len = 0;
    assert_int_equal(
        covey__plan_request_encode(&request, (struct covey_buf){bytes, sizeof(bytes)}, &len),
        COVEY_OK);
    assert_int_equal(covey__plan_request_decode(covey_bytes_of(bytes, len), &back, &got), COVEY_OK);
    assert_ptr_equal(got.held, &back);
    assert_memory_equal(back.layer, held.layer, held.layers * sizeof(held.layer[0]));
    got.devices = request.devices;
    memcpy(got.device, request.device, sizeof(got.device));
    assert_int_equal(covey_plan_make(&got, &other), COVEY_OK);
    assert_memory_equal(&plan, &other, sizeof(plan));
    for (size_t cut = 0; cut < len; cut += 7) {
        assert_int_not_equal(covey__plan_request_decode(covey_bytes_of(bytes, cut), &back, &got),
                             COVEY_OK);
    }
}

/* More devices than are remembered: those that are there now are. */
static void test_plan_held_forgets_the_absent(void **state)
{
    (void)state;
    net_mlp(&request, 1024);
    begin(8, 1, true);
    for (unsigned i = 0; i < 40; i++) {
        all.device[i % 7 + 1].id.bytes[5]++;
        go_on(0xff);
        set_present(0xff);
        assert_int_equal(covey_plan_missing(&request, &plan), 0);
    }
    assert_int_equal(held.devices, COVEY_PLAN_DEVICES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_moves_little),
        cmocka_unit_test(test_plan_moves_little_again_and_again),
        cmocka_unit_test(test_plan_stays),
        cmocka_unit_test(test_plan_keep_is_deterministic),
        cmocka_unit_test(test_plan_keep_minds_memory),
        cmocka_unit_test(test_plan_keeps_units_of_other_parities),
        cmocka_unit_test(test_plan_held_round_trip),
        cmocka_unit_test(test_plan_held_forgets_the_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
