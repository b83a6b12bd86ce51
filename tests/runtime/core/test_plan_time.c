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

static void test_plan_alexnet(void **state)
{
    (void)state;
    const struct net_device slow = with_link(12);
    net_alexnet(&request);
    net_equal(&request, &net_tenth, 8);
    assert_true(gain() > 2.5);
    net_equal(&request, &slow, 8);
    assert_true(gain() > 1.3);
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
    assert_true(gain() > 2);
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

/* Two devices, of which the first asks. A message costs 100 us, a kilobyte 10 us, the way 50 us. */
static void set_pair(void)
{
    const struct net_device device = {20000, 3000, 100, 100};
    memset(&request, 0, sizeof(request));
    net_equal(&request, &device, 2);
    request.device[0].delay_us = request.device[1].delay_us = 50;
}

/* Counted by hand: the owner sends (140), the other takes it (50 + 140) and works (1000) while the
 * owner does, answers (100 + 50), and the owner takes that (100). */
static void test_plan_counts_a_coded_layer(void **state)
{
    (void)state;
    set_pair();
    request.layers = request.cells = request.cell[0].layers = 1;
    request.cost[0] = (struct covey_plan_cost){.units = 2,
                                               .unit_bytes = 3000000,
                                               .input_bytes = 4000,
                                               .answer_bytes = 4,
                                               .unit.bytes = 3000000};
    request.cell[0].whole.bytes = request.cell[0].weight_bytes = 6000000;
    make();
    assert_int_equal(plan.local_us, 2000);
    assert_int_equal(plan.layer[0].predicted_us, 140 + 190 + 1000 + 150 + 100);
    assert_int_equal(plan.predicted_us, plan.layer[0].predicted_us);
}

/* Counted by hand: 6 of 10 rows to the other (160), which takes them (50 + 160) and makes 5 (5000),
 * sends them (100 + 50 + 50), and the owner takes them (100 + 50). */
static void test_plan_counts_a_tile_run(void **state)
{
    (void)state;
    set_pair();
    request.cells = 1;
    request.cell[0] = (struct covey_plan_cell){
        .whole.flops = 200000000,
        .row.flops = 20000000,
        .map = {10, 10, 1, 1, 1, 1000, 1000},
    };
    make();
    assert_int_equal(plan.local_us, 10000);
    assert_int_equal(plan.runs, 1);
    assert_int_equal(plan.run[0].segment[0].predicted_us, 160 + 210 + 5000);
    assert_int_equal(plan.predicted_us, 160 + 210 + 5000 + 200 + 150);
    /* As halves of the bytes, which is all that changes. */
    request.half = true;
    make();
    assert_int_equal(plan.predicted_us, 130 + 180 + 5000 + 175 + 125);
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
    for (unsigned i = 0; i < 3; i++) {
        unsigned most = 0;
        for (unsigned d = 1; d < 9; d++) {
            most = slots_of(i, d) > most ? slots_of(i, d) : most;
        }
        assert_true(slots_of(i, 0) < most);
    }
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
        request.device[3].link_mbytes = 1;
        request.device[3].delay_us = 20000;
        request.device[3].mflops *= 2;
        make();
        assert_true(plan.predicted_us <= without_us * 1.05);
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
    /* Where nobody has room for the rest either, there is nothing to plan. */
    for (unsigned d = 0; d < 8; d++) {
        request.device[d].memory_bytes = 1 << 20;
    }
    make();
    assert_true(covey_plan_is_local(&plan));
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
        device->delay_us = below(seed, 3) == 0 ? below(seed, 5000) : 0;
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
    request.owner_bytes = below(seed, 4) == 0 ? 1 + below(seed, 64 << 20) : 0;
}

/* Counted here again: units of coded layers, and weights of runs in which a device has rows. */
static void check_memory(void)
{
    uint64_t used[COVEY_PLAN_DEVICES_MAX] = {0};
    for (unsigned i = 0; i < plan.layers; i++) {
        for (unsigned s = 0; s < plan.layer[i].slots; s++) {
            used[plan.layer[i].holder[s]] += request.cost[i].unit_bytes;
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

/* Thousands of networks and meshes: the plan holds, no device is given more than its memory, it is
 * not slower than alone, does not depend on the order of devices, and survives its bytes. */
static void test_plan_any_request(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252;
    unsigned with_runs = 0, coded = 0;
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
        coded += plan.layers > 0;
    }
    assert_true(with_runs > 500 && coded > 500);
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
    size_t len = 0;
    make();
    assert_int_equal(
        covey__plan_request_encode(&request, (struct covey_buf){packed, sizeof(packed)}, &len),
        COVEY_OK);
    assert_int_equal(covey__plan_request_decode(covey_bytes_of(packed, len), &back), COVEY_OK);
    assert_int_equal(back.owner_bytes, request.owner_bytes);
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
    plan.devices = COVEY_PLAN_DEVICES_MAX;
    plan.layers = COVEY_LAYERS_MAX;
    plan.runs = COVEY_TILE_RUNS_MAX;
    plan.half = true;
    for (unsigned i = 0; i < plan.layers; i++) {
        plan.layer[i].slots = COVEY_LAYER_SLOTS_MAX;
    }
    for (unsigned i = 0; i < plan.runs; i++) {
        plan.run[i].segments = COVEY_TILE_SEGMENTS_MAX;
    }
    assert_true(encode(&plan, bytes[0]) <= COVEY__PLAN_MAX);
    memset(&request, 0xff, sizeof(request));
    request.layers = COVEY_LAYERS_MAX;
    request.cells = COVEY_CELLS_MAX;
    request.half = request.coded_all = true;
    assert_int_equal(
        covey__plan_request_encode(&request, (struct covey_buf){packed, sizeof(packed)}, &len),
        COVEY_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_vgg19),
        cmocka_unit_test(test_plan_alexnet),
        cmocka_unit_test(test_plan_mlps),
        cmocka_unit_test(test_plan_resnet50),
        cmocka_unit_test(test_plan_uneven_devices),
        cmocka_unit_test(test_plan_any_devices),
        cmocka_unit_test(test_plan_stays_local),
        cmocka_unit_test(test_plan_half),
        cmocka_unit_test(test_plan_counts_a_coded_layer),
        cmocka_unit_test(test_plan_counts_a_tile_run),
        cmocka_unit_test(test_plan_shares_follow_rates),
        cmocka_unit_test(test_plan_spares_the_owner),
        cmocka_unit_test(test_plan_leaves_out_bad_links),
        cmocka_unit_test(test_plan_share_without_some),
        cmocka_unit_test(test_plan_runs_keep_within_memory),
        cmocka_unit_test(test_plan_owner_bytes),
        cmocka_unit_test(test_plan_any_request),
        cmocka_unit_test(test_plan_check_finds_wrong_runs),
        cmocka_unit_test(test_plan_refuses_bad_cells),
        cmocka_unit_test(test_plan_request_round_trip),
        cmocka_unit_test(test_plan_runs_survive_changed_bytes),
        cmocka_unit_test(test_plan_largest_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
