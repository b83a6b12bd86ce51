/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "covey/tiles.h"
#include "plan_codec.h"
#include "plan_move.h"
#include "plan_nets.h"

static struct covey_plan_request request;
static struct covey_plan plan, other;
static uint8_t bytes[COVEY__PLAN_MAX];

/* A perceptron of four dense layers of `width`, so many inputs at once, over eight devices with a
 * tenth of a core. */
static void make(unsigned width, unsigned batch, uint32_t link_mbytes, uint32_t body_mbytes)
{
    struct net_device device = net_tenth;
    device.link_mbytes = link_mbytes;
    net_mlp(&request, width);
    net_equal(&request, &device, 8);
    request.parity = 1;
    for (unsigned i = 0; i < request.layers; i++) {
        request.cost[i].input_bytes *= batch;
        request.cost[i].answer_bytes *= batch;
        request.cost[i].unit.flops = batch > 1 ? request.cost[i].unit_bytes / 2 * batch : 0;
    }
    for (unsigned i = 0; i < request.cells; i++) {
        request.cell[i].whole.flops = batch > 1 ? request.cell[i].weight_bytes / 2 * batch : 0;
    }
    for (unsigned d = 0; d < request.devices; d++) {
        request.device[d].body_mbytes = body_mbytes;
    }
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_OK);
}

static unsigned count_relayed(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < plan.layers; i++) {
        count += plan.layer[i].relayed;
    }
    return count;
}

/* Long inputs over slow links are relayed, and what is predicted ends sooner than alone. */
static void test_long_inputs_are_relayed(void **state)
{
    (void)state;
    make(4096, 16, 22, 60);
    assert_true(count_relayed() > 0);
    assert_true(plan.predicted_us < plan.local_us);
    for (unsigned i = 0; i < plan.layers; i++) {
        assert_false(plan.layer[i].relayed && plan.layer[i].by_rows);
    }
}

/* 16 kB are sooner sent by the owner, whatever the link: messages cost more than they save. */
static void test_short_inputs_are_not(void **state)
{
    (void)state;
    static const uint32_t links[] = {11, 30, 60};
    for (unsigned i = 0; i < 3; i++) {
        make(4096, 1, links[i], 60);
        assert_int_equal(count_relayed(), 0);
    }
    request.coded_all = true;
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    assert_int_equal(plan.layers, request.layers);
    assert_int_equal(count_relayed(), 0);
}

/* With one holder there is nobody to give it to. */
static void test_two_devices_relay_nothing(void **state)
{
    (void)state;
    make(4096, 16, 22, 60);
    request.devices = 2;
    request.parity = 0;
    request.coded_all = true;
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    assert_int_equal(plan.layers, request.layers);
    assert_int_equal(count_relayed(), 0);
}

/* The same plan without it ends so much later that a session moves to the one with it. */
static void test_relaying_is_predicted_to_be_sooner(void **state)
{
    (void)state;
    make(4096, 16, 22, 60);
    other = plan;
    for (unsigned i = 0; i < other.layers; i++) {
        other.layer[i].relayed = false;
    }
    assert_int_equal(covey_plan_check(&other, &request), COVEY_OK);
    assert_false(covey__plan_is_same(&plan, &other));
    assert_true(covey__plan_gains(&request, &other, &plan));
    assert_false(covey__plan_gains(&request, &plan, &other));
}

/* It comes back from its bytes as it was; a layer that is relayed is coded, not by rows, and not
 * fed by a run. */
static void test_codec_and_check(void **state)
{
    (void)state;
    size_t len = 0;
    make(4096, 16, 22, 60);
    struct covey_buf space = {bytes, sizeof(bytes)};
    assert_int_equal(covey__plan_encode(&plan, space, &len), COVEY_OK);
    memset(&other, 0xa5, sizeof(other));
    assert_int_equal(covey__plan_decode(covey_bytes_of(bytes, len), &other), COVEY_OK);
    assert_true(covey__plan_is_same(&plan, &other));
    assert_int_equal(covey_plan_check(&other, &request), COVEY_OK);
    unsigned at = 0;
    while (!other.layer[at].relayed) {
        at++;
    }
    other.layer[at].by_rows = true;
    assert_int_equal(covey_plan_check(&other, &request), COVEY_ERR_RANGE);
    memset(&other.layer[at], 0, sizeof(other.layer[at]));
    other.layer[at].relayed = true;
    assert_int_equal(covey_plan_check(&other, &request), COVEY_ERR_RANGE);
    other.layer[at].relayed = false;
    assert_int_equal(covey_plan_check(&other, &request), COVEY_OK);
}

/* The fuzzer's seed of such a plan is one as it is today. */
static void test_seed(void **state)
{
    (void)state;
    FILE *file = fopen(COVEY_SOURCE_DIR "/fuzz/seeds/runtime_plan/relayed-plan", "rb");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    assert_true(len > 1 && bytes[0] >= 128); /* says that a plan follows */
    assert_int_equal(covey__plan_decode(covey_bytes_of(bytes + 1, len - 1), &plan), COVEY_OK);
    assert_true(count_relayed() > 0);
}

/* The pieces are all of the body, in the devices' order, and only the last is not of whole 64s. */
static void test_pieces_are_all_of_it(void **state)
{
    (void)state;
    static const uint32_t lens[] = {1, 64, 65, 1000, 262144, COVEY_BODY_MAX};
    static const uint32_t masks[] = {1, 3, 0xfe, 0x80000001, UINT32_MAX};
    for (unsigned l = 0; l < 6; l++) {
        for (unsigned m = 0; m < 5; m++) {
            uint32_t at = 0;
            for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
                struct covey_relay_piece piece = covey_relay_piece(lens[l], masks[m], d);
                bool in = d < COVEY_PLAN_DEVICES_MAX && (masks[m] >> d & 1) != 0;
                assert_true(in || piece.len == 0);
                assert_true(piece.len == 0 || piece.from == at);
                assert_true(piece.from % 64 == 0 || piece.len == 0);
                at += piece.len;
            }
            assert_int_equal(at, lens[l]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_inputs_are_relayed),
        cmocka_unit_test(test_short_inputs_are_not),
        cmocka_unit_test(test_two_devices_relay_nothing),
        cmocka_unit_test(test_relaying_is_predicted_to_be_sooner),
        cmocka_unit_test(test_codec_and_check),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_pieces_are_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
