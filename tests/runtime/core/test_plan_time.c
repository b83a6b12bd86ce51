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
static struct covey_plan plan, other;
static uint8_t bytes[2][COVEY__PLAN_MAX];

static void make(void)
{
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_OK);
}

/* How many times sooner than alone. */
static double gain(void)
{
    make();
    return (double)plan.local_us / plan.predicted_us;
}

static struct net_device with_link(uint32_t link_mbytes)
{
    struct net_device device = net_tenth;
    device.link_mbytes = link_mbytes;
    return device;
}

static unsigned slots_of(unsigned layer, unsigned device)
{
    unsigned count = 0;
    for (unsigned s = 0; s < plan.layer[layer].slots; s++) {
        count += plan.layer[layer].holder[s] == device;
    }
    return count;
}

/* ---- the networks of the issue, on devices as they were measured ---- */

/* VGG-19 over 8 devices: a tile run of its front, its large dense layers coded. */
static void test_plan_vgg19(void **state)
{
    (void)state;
    const struct net_device slow = with_link(12);
    net_vgg19(&request);
    net_equal(&request, &net_tenth, 8);
    assert_true(gain() > 4);
    assert_int_equal(plan.runs, 1);
    assert_int_equal(plan.run[0].first_cell, 0);
    assert_int_equal(plan.run[0].cells, 21);
    assert_true(plan.layer[16].slots > 0 && plan.layer[17].slots > 0);
    net_equal(&request, &slow, 8);
    assert_true(gain() > 2.5);
}

/* The front's strips feed the dense layer behind it where that is sooner than sending its input to
 * one holder after another, and not where rows are halved or compared; a plan that says so of
 * another layer is refused. */
static void test_plan_feeds(void **state)
{
    (void)state;
    const struct net_device slow = with_link(12);
    net_vgg19(&request);
    net_equal(&request, &slow, 8);
    make();
    uint32_t asked_us = plan.predicted_us, layer_us = plan.layer[16].predicted_us;
    assert_int_equal(plan.run[0].feeds, 0);
    assert_true(plan.layer[16].relayed);
    request.cost[16].back = 1;
    make();
    assert_int_equal(plan.run[0].feeds, 17);
    assert_false(plan.layer[16].relayed);
    assert_true(plan.predicted_us + 5000 < asked_us);
    assert_true(plan.layer[16].predicted_us < layer_us);
    other = plan;
    other.run[0].feeds = 18;
    assert_int_equal(covey_plan_check(&other, &request), COVEY_ERR_RANGE);
    request.cost[16].back = 0;
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_ERR_RANGE);
    request.cost[16].back = 1;
    request.half = true;
    make();
    assert_int_equal(plan.run[0].feeds, 0);
    request.half = false;
    request.check_all = true;
    make();
    for (unsigned i = 0; i < plan.runs; i++) {
        assert_int_equal(plan.run[i].feeds, 0);
    }
}

static void set_bodies(uint32_t mbytes)
{
    for (unsigned i = 0; i < request.devices; i++) {
        request.device[i].body_mbytes = mbytes;
    }
}

/* Halos go both ways over a link at once, where the processor has them one after the other: behind
 * a slow link, which of the two it is that is slow makes a plan sooner done, and never one whose
 * link is not. That is nothing to what goes one way only; bodies that without the link would be
 * slower than with it are none. */
static void test_plan_links_go_both_ways(void **state)
{
    (void)state;
    const struct net_device slow = with_link(12);
    net_vgg19(&request);
    net_equal(&request, &slow, 8);
    make();
    other = plan;
    set_bodies(12);
    make();
    assert_memory_equal(&plan, &other, sizeof(plan));
    set_bodies(3);
    make();
    assert_memory_equal(&plan, &other, sizeof(plan));
    set_bodies(38);
    make();
    assert_true(plan.predicted_us * 20ULL < other.predicted_us * 19ULL);
    uint32_t both_us = plan.predicted_us;
    net_equal(&request, &net_tenth, 8);
    make();
    assert_true(plan.predicted_us < both_us);

    net_mlp(&request, 4096);
    request.coded_all = true;
    net_equal(&request, &slow, 8);
    make();
    uint32_t coded_us = plan.predicted_us;
    set_bodies(38);
    make();
    assert_int_equal(plan.predicted_us, coded_us);
}

static void test_plan_alexnet(void **state)
{
    (void)state;
    const struct net_device slow = with_link(12);
    net_alexnet(&request);
    net_equal(&request, &net_tenth, 8);
    assert_true(gain() > 2.2);
    net_equal(&request, &slow, 8);
    assert_true(gain() > 1.3);
}

/* Where strips are checked each row of each run is made by two devices, nothing goes between
 * neighbours, and it is still sooner than alone. */
static void test_plan_checked(void **state)
{
    (void)state;
    net_vgg19(&request);
    request.check_all = true;
    net_equal(&request, &net_tenth, 8);

    assert_true(gain() > 2);
    assert_true(plan.runs > 0);
    for (unsigned i = 0; i < plan.runs; i++) {
        const struct covey_plan_run *run = &plan.run[i];
        const uint16_t *rows = run->segment[0].rows;
        assert_true(run->twice && run->segments == 1);
        assert_int_equal(rows[plan.devices], run->segment[0].map.out_rows);
        assert_int_equal(run->twin[plan.devices], run->segment[0].map.out_rows);
        for (unsigned d = 0; d < plan.devices; d++) {
            assert_true(rows[d] == rows[d + 1] || run->twin[d] == run->twin[d + 1]);
        }
    }
    net_alexnet(&request);
    request.check_all = true;
    net_equal(&request, &net_tenth, 8);

    assert_true(gain() > 1.5);
    net_equal(&request, &net_tenth, 2);
    assert_true(gain() >= 1);
}

/* A plan that checks less than was asked for, or whose second making has holes or devices of the
 * first, is refused. */
static void test_plan_checked_is_checked(void **state)
{
    (void)state;
    net_vgg19(&request);
    request.check_all = true;
    net_equal(&request, &net_tenth, 8);
    make();
    other = plan;
    struct covey_plan_run *run = &other.run[0];
    run->twice = false;
    assert_int_equal(covey_plan_check(&other, &request), COVEY_ERR_RANGE);
    other = plan;
    memcpy(run->twin, run->segment[0].rows, sizeof(run->twin));
    assert_int_equal(covey_plan_check(&other, &request), COVEY_ERR_RANGE);
    other = plan;
    run->twin[other.devices]--;
    assert_int_equal(covey_plan_check(&other, &request), COVEY_ERR_RANGE);
    size_t len = 0;
    assert_int_equal(
        covey__plan_encode(&other, (struct covey_buf){bytes[0], COVEY__PLAN_MAX}, &len), COVEY_OK);
    assert_int_equal(covey__plan_decode(covey_bytes_of(bytes[0], len), &plan), COVEY_ERR_RANGE);
    request.check_all = false;
    make();
    request.check_all = true;
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_ERR_RANGE);
}

/* Shared out anew among those that are left each row is still made by two; one alone is too few. */
static void test_plan_checked_share(void **state)
{
    (void)state;
    uint32_t rate[COVEY_PLAN_DEVICES_MAX] = {3, 1, 1, 1, 9};
    struct covey_plan_run run = {.segments = 1, .twice = true};
    run.segment[0].map.out_rows = 12;
    assert_true(covey_plan_share(&run, 5, 0xf, rate));
    const uint16_t rows[] = {0, 12, 12, 12, 12, 12}, twin[] = {0, 0, 4, 8, 12, 12};
    assert_memory_equal(run.segment[0].rows, rows, sizeof(rows));
    assert_memory_equal(run.twin, twin, sizeof(twin));
    assert_true(covey_plan_share(&run, 5, 0x3, rate));
    assert_false(covey_plan_share(&run, 5, 0x4, rate));
}

/* The dense networks of the issue, with one parity over 8 + 1: no tiles, coded layers, and not one
 * slot more than a parity of each group. */
static void test_plan_mlps(void **state)
{
    (void)state;
    for (unsigned parity = 0; parity <= 2; parity++) {
        net_mlp(&request, 4096);
        request.parity = (uint8_t)parity;
        net_equal(&request, &net_tenth, 8 + parity);
        assert_true(gain() > 2.5);
        assert_int_equal(plan.runs, 0);
        assert_true(plan.layer[1].slots == plan.layer[1].units + parity * plan.layer[1].groups);
        net_mlp(&request, 8192);
        request.parity = (uint8_t)parity;
        net_equal(&request, &net_tenth, 8 + parity);
        assert_true(gain() > 3.5);
    }
}

/* Blocks with a way past them are cells, too. */
static void test_plan_resnet50(void **state)
{
    (void)state;
    net_resnet50(&request);
    net_equal(&request, &net_tenth, 8);
    assert_true(gain() > 1.8);
    assert_true(plan.runs > 0);
}

/* Devices of 20, 10, 10 and five times 5 percent do at least 0.8 of what equal ones of the same
 * sum do, whoever of them asks. */
static void test_plan_uneven_devices(void **state)
{
    (void)state;
    static const unsigned percent[8] = {20, 10, 10, 5, 5, 5, 5, 5};
    const struct net_device mean = {net_tenth.mflops * 65 / 80, net_tenth.stream_mbytes * 65 / 80,
                                    net_tenth.link_mbytes * 65 / 80,
                                    net_tenth.message_us * 80 / 65};
    void (*net[3])(struct covey_plan_request *) = {net_vgg19, net_alexnet, net_resnet50};
    for (unsigned i = 0; i < 3; i++) {
        net[i](&request);
        net_equal(&request, &mean, 8);
        make();
        double equal_us = plan.predicted_us;
        for (unsigned owner = 0; owner < 2; owner++) {
            net_devices(&request, &net_tenth, percent, 8);
            request.device[0].owner = owner == 0;
            request.device[1].owner = owner == 1;
            make();
            assert_true(plan.predicted_us * 0.8 <= equal_us);
        }
    }
}

/* Any number of devices, any mix of them, any redundancy: a plan that holds, and never one that is
 * slower than alone. */
static void test_plan_any_devices(void **state)
{
    (void)state;
    static const unsigned mix[5] = {10, 20, 5, 40, 1};
    void (*net[3])(struct covey_plan_request *) = {net_vgg19, net_alexnet, net_resnet50};
    for (unsigned n = 1; n <= COVEY_PLAN_DEVICES_MAX; n++) {
        unsigned percent[COVEY_PLAN_DEVICES_MAX];
        for (unsigned d = 0; d < n; d++) {
            percent[d] = mix[d * n % 5];
        }
        net[n % 3](&request);
        request.parity = (uint8_t)(n % (COVEY_PARITY_MAX + 1));
        net_devices(&request, &net_tenth, percent, n);
        make();
        assert_true(plan.predicted_us <= plan.local_us);
        assert_true(n > 1 || covey_plan_is_local(&plan));
    }
}

/* Where messages cost more than there is to compute, everything stays where it is. */
static void test_plan_stays_local(void **state)
{
    (void)state;
    const struct net_device far = {20000, 3000, 1, 50000};
    net_alexnet(&request);
    net_equal(&request, &far, 8);
    make();
    assert_true(covey_plan_is_local(&plan));
    assert_int_equal(plan.predicted_us, plan.local_us);
    net_mlp(&request, 64);
    net_equal(&request, &net_tenth, 8);
    make();
    assert_true(covey_plan_is_local(&plan));
}

/* Half the bytes on the links are never slower. */
static void test_plan_half(void **state)
{
    (void)state;
    const struct net_device slow = with_link(6);
    net_vgg19(&request);
    net_equal(&request, &slow, 8);
    make();
    double whole_us = plan.predicted_us;
    request.half = true;
    make();
    assert_true(plan.half);
    assert_true(plan.predicted_us < whole_us);
}

/* Two devices, of which the first asks. A message costs 100 us, to be woken for work 1100 us, a
 * kilobyte 10 us, the way 50 us. */
static void set_pair(void)
{
    const struct net_device device = {20000, 3000, 100, 100};
    memset(&request, 0, sizeof(request));
    net_equal(&request, &device, 2);
    request.device[0].round_us = request.device[1].round_us = 100;
}

/* Counted by hand: the owner sends (140), the other takes it (50 + 140), wakes up (1100) and works
 * (10000) while the owner does, answers (100 + 50), and the owner takes that (100) and goes on
 * without another thread (300). */
static void test_plan_counts_a_coded_layer(void **state)
{
    (void)state;
    set_pair();
    net_halves(&request);
    make();
    assert_int_equal(plan.local_us, 20000);
    assert_int_equal(plan.layer[0].predicted_us, 140 + 190 + 1100 + 10000 + 150 + 400);
    assert_int_equal(plan.predicted_us, plan.layer[0].predicted_us);
}

/* Counted by hand: the second of two is asked behind the first, for half a message (90), and takes
 * as long as that one (190 + 1100 + 10000 + 150). Its answer comes while the owner takes the
 * other's, since 100 after which there is another half of a message to do. */
static void test_plan_counts_messages_of_one_turn(void **state)
{
    (void)state;
    const struct net_device device = {20000, 3000, 100, 100};
    set_pair();
    net_equal(&request, &device, 3);
    for (unsigned d = 0; d < 3; d++) {
        request.device[d].round_us = 100;
    }
    net_halves(&request);
    request.cost[0].units = 3;
    request.cell[0].whole.bytes = request.cell[0].weight_bytes = 90000000;
    make();
    assert_int_equal(plan.layer[0].slots, 3);
    assert_int_equal(plan.layer[0].predicted_us, 140 + 190 + 11250 + 100 + 50 + 300);
}

/* Counted by hand: 6 of 10 rows to the other (160), which takes them (50 + 160), wakes up (1100)
 * and makes 5 (50000, in pieces 52500), sends them (100 + 50 + 50), and the owner takes them (100 +
 * 50 + 300). */
static void test_plan_counts_a_tile_run(void **state)
{
    (void)state;
    set_pair();
    request.cells = 1;
    request.cell[0] = (struct covey_plan_cell){
        .whole.flops = 2000000000,
        .row.flops = 200000000,
        .map = {10, 10, 1, 1, 1, 1000, 1000},
    };
    make();
    assert_int_equal(plan.local_us, 100000);
    assert_int_equal(plan.runs, 1);
    assert_int_equal(plan.run[0].segment[0].predicted_us, 160 + 210 + 53600);
    assert_int_equal(plan.predicted_us, 160 + 210 + 53600 + 200 + 450);
    /* As halves of the bytes; widening them is left to another thread. */
    request.half = true;
    make();
    assert_int_equal(plan.predicted_us, 130 + 180 + 53600 + 175 + 1225);
}

/* That a request comes (200) with its input, 3 MB read three times (3000), takes as long whoever
 * computes; where that is most of it, nobody else does. */
static void test_plan_counts_being_asked(void **state)
{
    (void)state;
    set_pair();
    net_halves(&request);
    make();
    uint32_t alone_us = plan.local_us, shared_us = plan.predicted_us;
    request.asked_bytes = 3000000;
    make();
    assert_true(plan.layer[0].slots > 0);
    assert_int_equal(plan.local_us, alone_us + 3200);
    assert_int_equal(plan.predicted_us, shared_us + 3200);
    request.asked_bytes = 300000000;
    make();
    assert_true(covey_plan_is_local(&plan));
    assert_int_equal(plan.predicted_us, alone_us + 300200);
}

/* ---- shares ---- */

/* Rows and slots go by rates; noise of a few percent in the rates changes neither. */
static void test_plan_shares_follow_rates(void **state)
{
    (void)state;
    static const unsigned percent[4] = {40, 20, 10, 10};
    net_vgg19(&request);
    net_devices(&request, &net_tenth, percent, 4);
    make();
    const struct covey_plan_segment *first = &plan.run[0].segment[0];
    unsigned rows = first->map.out_rows;
    for (unsigned d = 0; d < 4; d++) {
        unsigned has = (unsigned)first->rows[d + 1] - first->rows[d];
        assert_in_range(has, rows * percent[d] / 80, rows * percent[d] / 80 + 1);
    }
    size_t len[2];
    assert_int_equal(
        covey__plan_encode(&plan, (struct covey_buf){bytes[0], sizeof(bytes[0])}, &len[0]),
        COVEY_OK);
    net_equal(&request, &net_tenth, 8);
    make();
    for (unsigned d = 0; d < 8; d++) {
        request.device[d].mflops += request.device[d].mflops / 100 * (d * 5 % 11);
        request.device[d].link_mbytes += d % 4;
        request.device[d].message_us -= d % 3 * 10;
    }
    assert_int_equal(covey_plan_make(&request, &other), COVEY_OK);
    assert_int_equal(other.runs, plan.runs);
    for (unsigned s = 0; s < plan.run[0].segments && s < other.run[0].segments; s++) {
        if (plan.run[0].segment[s].map.out_rows == other.run[0].segment[s].map.out_rows) {
            assert_memory_equal(plan.run[0].segment[s].rows, other.run[0].segment[s].rows,
                                sizeof(plan.run[0].segment[s].rows));
        }
    }
}

/* The owner has messages to handle and gets no more than anyone else. */
static void test_plan_spares_the_owner(void **state)
{
    (void)state;
    net_mlp(&request, 8192);
    request.parity = 1;
    net_equal(&request, &net_tenth, 9);
    make();
    for (unsigned i = 1; i < 3; i++) {
        unsigned most = 0;
        for (unsigned d = 1; d < 9; d++) {
            most = slots_of(i, d) > most ? slots_of(i, d) : most;
        }
        assert_true(slots_of(i, 0) <= most);
    }
}

/* When some are gone, the others take all rows, by their rates; nobody else gets any. */
static void test_plan_share_without_some(void **state)
{
    (void)state;
    uint32_t rate[COVEY_PLAN_DEVICES_MAX] = {0};
    net_vgg19(&request);
    net_equal(&request, &net_tenth, 8);
    make();
    struct covey_plan_run *run = &plan.run[0];
    for (unsigned d = 0; d < 8; d++) {
        rate[d] = d == 5 ? 2000 : 1000;
    }
    const uint32_t mask = 0xb5; /* without 1, 3 and 6 */
    assert_true(covey_plan_share(run, 8, mask, rate));
    for (unsigned s = 0; s < run->segments; s++) {
        const struct covey_plan_segment *segment = &run->segment[s];
        assert_int_equal(segment->rows[0], 0);
        assert_int_equal(segment->rows[8], segment->map.out_rows);
        for (unsigned d = 0; d < 8; d++) {
            unsigned has = (unsigned)segment->rows[d + 1] - segment->rows[d];
            unsigned part = segment->map.out_rows * (mask >> d & 1) * rate[d] / 6000;
            assert_in_range(has, part, part + (mask >> d & 1));
        }
    }
    assert_int_equal(covey_plan_check(&plan, &request), COVEY_OK);
    assert_false(covey_plan_share(run, 8, 0, rate));
    assert_true(covey_plan_share(run, 8, 2, rate));
    assert_int_equal(run->segment[0].rows[1], 0);
    assert_int_equal(run->segment[0].rows[2], run->segment[0].map.out_rows);
}

/* ---- memory ---- */

/* A device without memory for a run's weights has no rows of it. */
static void test_plan_runs_keep_within_memory(void **state)
{
    (void)state;
    net_vgg19(&request);
    net_equal(&request, &net_tenth, 8);
    request.device[2].memory_bytes = 20 << 20;
    request.device[6].memory_bytes = 0;
    make();
    assert_int_equal(plan.devices, 7);
    assert_true(plan.runs > 0);
    assert_true(plan.local_us > 3 * plan.predicted_us);
}

/* An owner that cannot hold the model keeps only what it can, its units among it; the rest goes,
 * whatever it costs. */
static void test_plan_owner_bytes(void **state)
{
    (void)state;
    const struct net_device far = {20000, 3000, 12, 8000};
    net_mlp(&request, 8192);
    request.parity = 1;
    net_equal(&request, &far, 8);
    for (unsigned d = 0; d < 8; d++) {
        request.device[d].memory_bytes = 140 << 20;
    }
    request.owner_bytes = 140 << 20;
    make();
    uint64_t kept = 0;
    for (unsigned i = 0; i < request.layers; i++) {
        kept += plan.layers > 0 && plan.layer[i].slots > 0
                    ? 0
                    : (uint64_t)request.cost[i].unit_bytes * request.cost[i].units;
    }
    for (unsigned d = 0; d < plan.devices; d++) {
        for (unsigned i = 0; i < plan.layers; i++) {
            bool owner = covey_node_id_equal(&plan.device[d], &request.device[0].id);
            kept += owner ? (uint64_t)request.cost[i].unit_bytes * slots_of(i, d) : 0;
        }
    }
    assert_true(kept <= request.owner_bytes);
    assert_false(covey_plan_is_local(&plan));
    /* Without room for all of it one of the two large layers is spread, the other read. */
    net_equal(&request, &net_tenth, 8);
    for (unsigned d = 0; d < 8; d++) {
        request.device[d].memory_bytes = 60 << 20;
    }
    request.owner_bytes = 40 << 20;
    make();
    assert_int_equal(plan.parity, 1);
    assert_true((plan.layer[1].slots > 0) != (plan.layer[2].slots > 0));
    /* Where nobody has room for the rest either, there is nothing to plan. */
    for (unsigned d = 0; d < 8; d++) {
        request.device[d].memory_bytes = 1 << 20;
    }
    make();
    assert_true(covey_plan_is_local(&plan));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_vgg19),
        cmocka_unit_test(test_plan_feeds),
        cmocka_unit_test(test_plan_links_go_both_ways),
        cmocka_unit_test(test_plan_alexnet),
        cmocka_unit_test(test_plan_checked),
        cmocka_unit_test(test_plan_checked_is_checked),
        cmocka_unit_test(test_plan_checked_share),
        cmocka_unit_test(test_plan_mlps),
        cmocka_unit_test(test_plan_resnet50),
        cmocka_unit_test(test_plan_uneven_devices),
        cmocka_unit_test(test_plan_any_devices),
        cmocka_unit_test(test_plan_stays_local),
        cmocka_unit_test(test_plan_half),
        cmocka_unit_test(test_plan_counts_a_coded_layer),
        cmocka_unit_test(test_plan_counts_messages_of_one_turn),
        cmocka_unit_test(test_plan_counts_a_tile_run),
        cmocka_unit_test(test_plan_counts_being_asked),
        cmocka_unit_test(test_plan_shares_follow_rates),
        cmocka_unit_test(test_plan_spares_the_owner),
        cmocka_unit_test(test_plan_share_without_some),
        cmocka_unit_test(test_plan_runs_keep_within_memory),
        cmocka_unit_test(test_plan_owner_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
