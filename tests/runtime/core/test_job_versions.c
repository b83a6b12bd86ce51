/* SPDX-License-Identifier: MIT */
#include "job_world.h"
#include "plan_move.h"

/* Five devices, of which the last is lost; what is made for the four others waits for device 1. */
static struct world *world_moving(void)
{
    struct world *w = ready_world(5, 1);
    w->never_ready[1] = true;
    set_peer(w, 4, COVEY_PEER_GONE);
    set_devices(w, 0x0f);
    plan_anew(w);
    assert_int_equal(w->prepared, 2);
    assert_int_equal(w->active, 1);
    return w;
}

/* Who was lost and comes back before the others have got its share ends that move: the placement
 * is the old one, under a number with which the holders forget what they were being given. */
static void test_return_ends_the_move(void **state)
{
    (void)state;
    struct world *w = world_moving();
    w->never_ready[1] = false;
    set_peer(w, 4, COVEY_PEER_UP);
    set_devices(w, 0x1f);
    plan_anew(w);
    pass(w, 160);
    assert_int_equal(w->prepared, 3);
    assert_int_equal(w->active, 3);
    assert_int_equal(w->plan.devices, 5);
    end(w, 7);
    assert_int_equal(w->retired[1], 2);
    pass(w, 60000);
    assert_int_equal(w->active, 3);
    world_free(w);
}

/* Nor does it move to another plan that would be as good. */
static void test_return_moves_nothing_else(void **state)
{
    (void)state;
    static struct covey_plan before;
    struct world *w = world_moving();
    before = w->plan_of[1];
    w->never_ready[1] = false;
    set_peer(w, 4, COVEY_PEER_UP);
    set_devices(w, 0x1f);
    for (unsigned d = 0; d < 5; d++) {
        w->view.device[d].mflops += 10 * d;
    }
    plan_anew(w);
    pass(w, 160);
    assert_int_equal(w->active, 3);
    assert_true(covey__plan_is_same(&before, &w->plan));
    end(w, 7);
    assert_int_equal(w->retired[1], 2);
    world_free(w);
}

/* Another loss does not end it: a plan for fewer devices now is worth more than none. */
static void test_loss_does_not_end_the_move(void **state)
{
    (void)state;
    struct world *w = world_moving();
    set_peer(w, 3, COVEY_PEER_GONE);
    set_devices(w, 0x07);
    plan_anew(w);
    assert_int_equal(w->prepared, 2);
    assert_int_equal(w->forgotten, 0);
    finish(w, 7);
}

/* One layer of request 7 for four devices, done without device `slowest`, which answers nothing. */
static void one_layer(struct world *w, unsigned layer, unsigned slowest)
{
    start_layer(w, 7, layer);
    pass(w, 2);
    answer_but(w, 4, slowest);
    pass(w, 2);
}

/* Each device is the slowest now and then, and what it did not end is cancelled: none of them is
 * behind, also after a while without requests. */
static void test_the_slowest_are_not_behind(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    for (unsigned i = 0; i < 60; i++) {
        one_layer(w, i % 3, 1 + i % 3);
    }
    pass(w, 500);
    start_layer(w, 7, 0);
    assert_true(w->asked[1] && w->asked[2] && w->asked[3]);
    finish(w, 7);
}

/* A device that fell behind, and whose work was cancelled, is tried again after a second. */
static void test_a_device_behind_is_tried_again(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    for (unsigned i = 0; i < 10; i++) {
        one_layer(w, i % 3, 3);
    }
    assert_false(w->asked[3]);
    pass(w, 1000);
    for (unsigned i = 0; i < 5; i++) {
        start_layer(w, 7, i % 3);
        assert_true(w->asked[3]);
        answer(w, 0);
        answer(w, 2);
        answer(w, 3);
        pass(w, 2);
    }
    finish(w, 7);
}

static bool redundant(const struct world *w)
{
    return covey__job_is_redundant(w->job, &w->view, &session);
}

/* Another loss may come when all devices of the plan have what it gives them: not at the loss, not
 * while another plan is made, not while a device that is there has not got its share. */
static void test_redundant_when_all_are_ready(void **state)
{
    (void)state;
    struct world *w = ready_world(5, 1);
    assert_true(redundant(w));
    set_peer(w, 4, COVEY_PEER_GONE);
    assert_false(redundant(w));
    set_devices(w, 0x0f);
    assert_false(redundant(w));
    pass(w, 0);
    assert_false(redundant(w));
    pass(w, 160);
    assert_int_equal(w->active, 2);
    assert_true(redundant(w));
    finish(w, 7);
    w = world_moving();
    assert_false(redundant(w));
    finish(w, 7);
}

/* A device that is there but answers nothing covers no loss: not while it is left out for that. */
static void test_a_silent_device_is_no_redundancy(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    for (unsigned i = 0; i < 60; i++) {
        one_layer(w, i % 3, 1 + i % 3);
        assert_true(redundant(w));
    }
    for (unsigned i = 0; i < 10; i++) {
        one_layer(w, i % 3, 3);
    }
    assert_false(w->asked[3]);
    assert_false(redundant(w));
    start_layer(w, 7, 0);
    for (unsigned d = 0; d < 4; d++) {
        answer(w, d);
    }
    pass(w, 2000);
    assert_true(redundant(w)); /* it would be asked again */
    end(w, 7);
    world_free(w);
}

/* The plan after a loss gives the others what they have already, and what was lost. */
static void test_others_keep_what_they_hold(void **state)
{
    (void)state;
    static struct covey_plan_held held;
    struct world *w = ready_world(6, 1);
    unsigned slots = 0;
    memset(&held, 0, sizeof(held));
    covey_plan_hold(&held, &w->costs, &w->plan, UINT32_MAX);
    set_peer(w, 4, COVEY_PEER_GONE);
    set_devices(w, 0x2f);
    plan_anew(w);
    assert_int_equal(w->active, 2);
    struct covey_plan_request costs = w->costs;
    costs.held = &held;
    costs.devices = w->view.devices;
    memcpy(costs.device, w->view.device, sizeof(costs.device));
    for (unsigned i = 0; i < w->plan.layers; i++) {
        slots += w->plan.layer[i].slots;
    }
    uint64_t moved = covey_plan_missing(&costs, &w->plan) / costs.cost[0].unit_bytes;
    assert_true(moved > 0 && moved * 5 < slots * 2);
    finish(w, 7);
}

/* Who has the unit by a plan; 0, the owner: nobody. */
static unsigned holder_of(const struct covey_plan *plan, unsigned layer, unsigned unit)
{
    const struct covey_plan_layer *l = &plan->layer[layer];
    for (unsigned g = 0; g < l->groups; g++) {
        unsigned first, slot;
        unsigned count = covey_plan_group(l, plan->parity, g, &first, &slot);
        if (unit >= first && unit < first + count) {
            return plan->device[l->holder[slot + unit - first]].bytes[0] - 1U;
        }
    }
    return 0;
}

/* Whom a device was told of for a slot: a bit for each; 0: nobody. */
static unsigned told_of(const struct world *w, unsigned device, unsigned layer, unsigned slot)
{
    struct covey_work_holders holders = {0};
    struct covey_bytes bytes = covey_bytes_of(w->holders[device], w->holders_len[device]);
    unsigned told = 0;
    if (bytes.len > 0) {
        assert_int_equal(covey_work_holders_read(bytes, &holders), COVEY_OK);
    }
    for (size_t i = 0; i < covey_work_holders_count(&holders); i++) {
        struct covey_work_had had = covey_work_holders_get(&holders, i);
        for (unsigned d = 0; had.layer == layer && had.slot == slot && d < holders.devices; d++) {
            unsigned who = covey_work_holders_id(&holders, d).bytes[0] - 1U;
            told |= (had.devices >> d & 1) != 0 ? 1U << who : 0;
        }
    }
    return told;
}

/* The units that move from one device to another: each new holder is told who had the
 * unit, and of nobody else; not of who is gone, and not of the owner, who has all. */
static unsigned moved_units(const struct world *w, const struct covey_plan *before, unsigned gone)
{
    unsigned moved = 0;
    for (unsigned i = 0; i < w->plan.layers; i++) {
        const struct covey_plan_layer *l = &w->plan.layer[i];
        for (unsigned g = 0; g < l->groups; g++) {
            unsigned unit, slot;
            unsigned count = covey_plan_group(l, w->plan.parity, g, &unit, &slot);
            for (unsigned u = 0; u < count; u++) {
                unsigned to = w->plan.device[l->holder[slot + u]].bytes[0] - 1U;
                unsigned from = holder_of(before, i, unit + u);
                bool asks = to != 0 && from != to && from != 0 && from != gone;
                moved += asks;
                assert_int_equal(to == 0 ? 0 : told_of(w, to, i, slot + u), asks ? 1U << from : 0);
            }
        }
    }
    return moved;
}

/* A first plan names nobody; the next one, when devices join, those who had what these get. Of one
 * that is gone nobody is told. */
static void test_new_holders_know_who_had_units(void **state)
{
    (void)state;
    static struct covey_plan before;
    for (unsigned lost = 0; lost < 2; lost++) {
        struct world *w = world_new(7, 1);
        set_devices(w, 0x07);
        open_session(w);
        assert_int_equal(w->active, 1);
        assert_int_equal(begin(w, 7), COVEY_OK);
        for (unsigned d = 0; d < 3; d++) {
            assert_int_equal(w->holders_len[d], 0);
        }
        before = w->plan;
        if (lost == 1) {
            set_peer(w, 2, COVEY_PEER_GONE);
        }
        set_devices(w, lost == 1 ? 0x7b : 0x7f);
        plan_anew(w);
        assert_int_equal(w->active, 2);
        unsigned moved = moved_units(w, &before, lost == 1 ? 2 : DEVICES);
        assert_true(lost == 1 || moved > 0);
        finish(w, 7);
    }
}

static void ready(struct world *w, unsigned device, uint32_t version)
{
    struct covey_work_message m = {.type = COVEY_WORK_READY, .fence = session};
    m.fence.version = version;
    tell(w, device, &m, 0, 0);
}

/* Five devices with room for one plan, of which the last is lost; nobody gets ready for the next.
 */
static struct world *world_without_room(void)
{
    struct world *w = world_new(5, 1);
    w->costs.coded_all = true;
    for (unsigned d = 0; d < 5; d++) {
        w->view.device[d].memory_bytes = 96;
    }
    open_session(w);
    assert_int_equal(w->active, 1);
    assert_int_equal(begin(w, 7), COVEY_OK);
    for (unsigned d = 1; d < 4; d++) {
        assert_int_equal(w->assigns[d], 1);
        w->never_ready[d] = true;
    }
    set_peer(w, 4, COVEY_PEER_GONE);
    set_devices(w, 0x0f);
    for (unsigned d = 0; d < 4; d++) {
        w->view.device[d].memory_bytes = 96;
    }
    plan_anew(w);
    assert_int_equal(w->prepared, 2);
    assert_int_equal(w->active, 1);
    return w;
}

/* A device that has no room for its parts of two plans gives up the old one before it gets the new
 * one. It is not asked meanwhile: what it had is computed here. */
static void test_old_part_makes_room(void **state)
{
    (void)state;
    struct world *w = world_without_room();
    for (unsigned d = 1; d < 4; d++) {
        assert_int_equal(w->retired[d], 1);
        assert_int_equal(w->assigns[d], 2);
    }
    assert_false(redundant(w));
    start_layer(w, 7, 0);
    pass(w, 300);
    assert_false(w->asked[1] || w->asked[2] || w->asked[3]);
    assert_true(w->locals > 0);
    for (unsigned d = 1; d < 4; d++) {
        ready(w, d, 2);
    }
    assert_int_equal(w->active, 2);
    assert_true(redundant(w));
    finish(w, 7);
}

/* Who was lost is back, and what was made for the others comes to nothing: they get their parts of
 * the old plan again, under a new number, and first give up those that they got instead. */
static void test_old_part_is_taken_back(void **state)
{
    (void)state;
    struct world *w = world_without_room();
    set_peer(w, 4, COVEY_PEER_UP);
    set_peer(w, 1, COVEY_PEER_GONE);
    set_peer(w, 2, COVEY_PEER_GONE);
    set_devices(w, 0x1f);
    for (unsigned d = 0; d < 5; d++) {
        w->view.device[d].memory_bytes = 96;
        w->never_ready[d] = d == 3;
    }
    pass(w, 0);
    pass(w, 160);
    set_peer(w, 1, COVEY_PEER_UP);
    set_peer(w, 2, COVEY_PEER_UP);
    pass(w, 160);
    assert_int_equal(w->prepared, 3);
    assert_int_equal(w->active, 1);
    assert_true(covey__plan_is_same(&w->plan_of[1], &w->plan));
    for (unsigned d = 1; d < 5; d++) {
        assert_int_equal(w->assigns[d], 3);
        assert_int_equal(w->retired[d], d < 4 ? 2 : 0);
    }
    ready(w, 3, 3);
    assert_int_equal(w->active, 3);
    assert_true(redundant(w));
    end(w, 7);
    assert_int_equal(begin(w, 8), COVEY_OK);
    start_layer(w, 8, 0);
    assert_true(w->asked[1] && w->asked[2] && w->asked[3] && w->asked[4]);
    end(w, 8);
    world_free(w);
}

/* At the deadline nobody is ready, and the owner computes alone: nobody gets the old part again,
 * which would be told to give it up at once. */
static void test_old_part_is_not_taken_back_in_vain(void **state)
{
    (void)state;
    struct world *w = world_without_room();
    for (unsigned ms = 0; w->prepared == 2 && ms < 60000; ms++) {
        pass(w, 1);
    }
    assert_int_equal(w->prepared, 3);
    assert_int_equal(w->active, 3);
    assert_int_equal(w->plan.devices, 0);
    for (unsigned d = 1; d < 4; d++) {
        assert_int_equal(w->assigns[d], 2);
    }
    start_layer(w, 7, 0);
    finish(w, 7);
}

/* With room for both it keeps what it has until the new plan takes over. */
static void test_old_part_stays_where_there_is_room(void **state)
{
    (void)state;
    struct world *w = world_moving();
    assert_int_equal(w->retired[1], 0);
    start_layer(w, 7, 0);
    assert_true(w->asked[1]);
    finish(w, 7);
}

/* Rates that were measured anew and change nothing that counts make no version. */
static void test_new_rates_move_nothing(void **state)
{
    (void)state;
    struct world *w = ready_world(5, 1);
    for (unsigned i = 0; i < 5; i++) {
        w->view.device[i].mflops += 10 * i;
        w->view.device_generation++;
        plan_anew(w);
        assert_int_equal(w->prepared, 1);
        assert_true(redundant(w));
    }
    for (unsigned d = 2; d < 4; d++) { /* one alone would not be waited for */
        w->view.device[d].mflops /= 10;
    }
    w->view.device_generation++;
    plan_anew(w);
    assert_true(w->active > 1);
    finish(w, 7);
}

/* Who could not be made ready in time is left out for a while, but not when it was away since, or
 * has a channel again. */
static void test_who_comes_back_is_made_ready(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 3; way++) {
        struct world *w = world_new(5, 1);
        w->unreachable[3] = true;
        open_session(w);
        pass(w, 6000);
        assert_int_equal(w->plan.devices, 4);
        w->unreachable[3] = false;
        if (way == 1) {
            set_peer(w, 3, COVEY_PEER_UP);
        } else if (way == 2) {
            set_devices(w, 31 & ~8);
            plan_anew(w);
        }
        set_devices(w, 31);
        plan_anew(w);
        assert_int_equal(w->plan.devices, way == 0 ? 4 : 5);
        world_free(w);
    }
}

/* A new plan waits a little for what changes with it, but not anew for each change. */
static void test_changes_do_not_put_a_plan_off(void **state)
{
    (void)state;
    struct world *w = ready_world(5, 1);
    set_devices(w, 15);
    pass(w, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(w->prepared, 1);
        pass(w, 50);
        set_devices(w, 15);
        pass(w, 0);
    }
    assert_int_equal(w->prepared, 2);
    finish(w, 7);
}

/* Answers that were due on a channel that is gone do not come: they are not waited for on the next
 * one. */
static void test_a_new_channel_owes_nothing(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    for (unsigned i = 0; i < 5; i++) {
        one_layer(w, 0, 3);
        assert_int_equal(w->asked[3], i < 4);
    }
    set_peer(w, 3, COVEY_PEER_NO_CHANNEL);
    pass(w, 150);
    assert_int_equal(w->assigns[3], 2);
    start_layer(w, 7, 0);
    assert_true(w->asked[3]);
    finish(w, 7);
}

/* A plan of which more is missing than parities make up for is not begun with when its time is
 * over, also where there is none before it: the next one leaves out who could not be made ready. */
static void test_a_plan_without_enough_is_not_begun_with(void **state)
{
    (void)state;
    struct world *w = world_new(4, 0);
    w->never_ready[2] = true;
    open_session(w);
    assert_int_equal(w->prepared, 1);
    for (unsigned i = 0; i < 200 && w->active == 0; i++) {
        pass(w, 100);
    }
    assert_int_equal(w->active, 2);
    assert_int_equal(w->actives, 1);
    assert_int_equal(w->plan.devices, 3);
    world_free(w);
}

/* A device whose channel is new and that never takes its part again, or says that it will not, is
 * left out of the next plan, and tried again later. */
static void test_who_never_takes_its_part_again_is_left_out(void **state)
{
    (void)state;
    struct world *w = ready_world(5, 1);
    w->never_ready[3] = true;
    set_peer(w, 3, COVEY_PEER_NO_CHANNEL);
    pass(w, 4900);
    assert_int_equal(w->assigns[3], 2);
    assert_int_equal(w->active, 1);
    assert_false(covey__job_is_redundant(w->job, &w->view, &session));
    pass(w, 500);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 4);
    end(w, 7);
    w->never_ready[3] = false;
    pass(w, 60000);
    assert_int_equal(w->plan.devices, 5);
    assert_true(covey__job_is_redundant(w->job, &w->view, &session));
    world_free(w);
}

/* Nor does one that is enough but not whole replace one that is. */
static void test_a_whole_plan_is_not_left_for_one_that_is_not(void **state)
{
    (void)state;
    struct world *w = world_new(6, 1);
    set_devices(w, 0x0f);
    open_session(w);
    assert_int_equal(w->active, 1);
    w->never_ready[4] = true;
    set_devices(w, 0x3f);
    plan_anew(w);
    assert_int_equal(w->prepared, 2);
    for (unsigned i = 0; i < 200 && w->prepared == 2; i++) {
        pass(w, 100);
    }
    assert_int_equal(w->prepared, 3);
    pass(w, 200);
    assert_int_equal(w->active, 3);
    assert_int_equal(w->actives, 2);
    assert_int_equal(w->plan.devices, 5);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_return_ends_the_move),
        cmocka_unit_test(test_return_moves_nothing_else),
        cmocka_unit_test(test_loss_does_not_end_the_move),
        cmocka_unit_test(test_the_slowest_are_not_behind),
        cmocka_unit_test(test_who_never_takes_its_part_again_is_left_out),
        cmocka_unit_test(test_a_device_behind_is_tried_again),
        cmocka_unit_test(test_redundant_when_all_are_ready),
        cmocka_unit_test(test_a_silent_device_is_no_redundancy),
        cmocka_unit_test(test_others_keep_what_they_hold),
        cmocka_unit_test(test_new_holders_know_who_had_units),
        cmocka_unit_test(test_old_part_makes_room),
        cmocka_unit_test(test_old_part_is_taken_back),
        cmocka_unit_test(test_old_part_is_not_taken_back_in_vain),
        cmocka_unit_test(test_old_part_stays_where_there_is_room),
        cmocka_unit_test(test_new_rates_move_nothing),
        cmocka_unit_test(test_who_comes_back_is_made_ready),
        cmocka_unit_test(test_changes_do_not_put_a_plan_off),
        cmocka_unit_test(test_a_new_channel_owes_nothing),
        cmocka_unit_test(test_a_plan_without_enough_is_not_begun_with),
        cmocka_unit_test(test_a_whole_plan_is_not_left_for_one_that_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
