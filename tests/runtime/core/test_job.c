/* SPDX-License-Identifier: MIT */
#include "job_world.h"

#include <stdlib.h>

/* Whichever one device is silent, the layer is done when the last of the others has answered, in no
 * time; what the silent one sends later is given back, and if it never does it is told at the end.
 */
static void test_any_one_silent_device_costs_no_waiting(void **state)
{
    (void)state;
    for (unsigned devices = 2; devices <= DEVICES; devices++) {
        for (unsigned silent = 0; silent < devices; silent++) {
            struct world *w = ready_world(devices, 1);
            for (unsigned layer = 0; layer < 3; layer++) {
                start_layer(w, 7, layer);
                for (unsigned d = 0; d < devices; d++) {
                    assert_int_equal(w->asked[d], d != 0);
                }
                answer_but(w, devices, silent);
                assert_int_equal(w->done, layer + 1);
                assert_int_equal(w->layer_done.answer[silent], 0);
                assert_int_equal(w->layer_done.recovered_late, rebuilt(w, layer));
                assert_int_equal(w->layer_done.recovered_dead, 0);
                assert_int_equal(w->locals, 1);
                if (layer < 2) {
                    answer(w, silent);
                }
            }
            assert_int_equal(w->cancels[silent], 0);
            end(w, 7);
            assert_int_equal(w->cancels[silent], silent != 0);
            assert_no_bodies(w);
            world_free(w);
        }
    }
}

/* Whichever one device dies with a layer in flight, the same; and it is counted as dead. */
static void test_any_one_dead_device_costs_no_waiting(void **state)
{
    (void)state;
    for (unsigned devices = 2; devices <= DEVICES; devices++) {
        for (unsigned dead = 1; dead < devices; dead++) {
            struct world *w = ready_world(devices, 1);
            start_layer(w, 7, 0);
            w->unreachable[dead] = true;
            set_peer(w, dead, dead % 2 != 0 ? COVEY_PEER_GONE : COVEY_PEER_NO_CHANNEL);
            answer_but(w, devices, dead);
            assert_int_equal(w->done, 1);
            assert_int_equal(w->layer_done.recovered_dead, slots_of(w, 0, dead, true));
            assert_int_equal(w->layer_done.recovered_late,
                             rebuilt(w, 0) - slots_of(w, 0, dead, true));
            assert_int_equal(w->cancels[dead], 0);
            assert_no_bodies(w);
            world_free(w);
        }
    }
}

/* Two losses are more than one parity mends: the owner computes just the missing units, at once. */
static void test_two_dead_devices_are_computed_here(void **state)
{
    (void)state;
    for (unsigned devices = 3; devices <= DEVICES; devices++) {
        struct world *w = ready_world(devices, 1);
        start_layer(w, 7, 1);
        set_peer(w, 1, COVEY_PEER_GONE);
        assert_int_equal(w->locals, 1);
        set_peer(w, 2, COVEY_PEER_GONE);
        assert_int_equal(w->locals, 2);
        unsigned lost = slots_of(w, 1, 1, true) + slots_of(w, 1, 2, true);
        assert_in_range(bits(w->local[1].slots), 1, lost);
        answer_from(w, 3, devices);
        answer(w, 0);
        assert_int_equal(w->done, 0);
        answer_local(w, 1);
        assert_int_equal(w->done, 1);
        assert_int_not_equal(w->layer_done.local, 0);
        assert_memory_equal(w->layer_done.local_slots, w->local[1].slots, 16);
        assert_int_equal(w->layer_done.recovered_dead, lost);
        assert_no_bodies(w);
        world_free(w);
    }
}

/* Without redundancy, what is overdue is computed here after a time that adapts, not a fixed one.
 */
static void test_overdue_units_are_computed_here(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 0);
    start_layer(w, 7, 0);
    answer_from(w, 0, 3);
    computed_here_after(w, w->plan.layer[0].predicted_us * 2 / 1000);
    assert_int_equal(bits(w->local[1].slots), slots_of(w, 0, 3, true));
    answer_local(w, 1);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->layer_done.recovered_late, slots_of(w, 0, 3, true));
    answer(w, 3);
    make_usual(w, 4);
    start_layer(w, 7, 0);
    computed_here_after(w, 200);
    finish(w, 7);
}

/* A device that answers nothing is left alone after four layers, and asked again when it answers.
 */
static void test_a_device_behind_is_skipped(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    for (unsigned i = 0; i < 10; i++) {
        start_layer(w, 7, i % 3);
        assert_int_equal(w->asked[3], i < 4);
        pass(w, 2);
        answer_from(w, 0, 3);
        assert_int_equal(w->done, i + 1);
        pass(w, 2);
    }
    answer(w, 3);
    start_layer(w, 7, 0);
    assert_true(w->asked[3]);
    finish(w, 7);
}

/* An answer of the wrong length, fence, layer or status is a loss, not a result; one that comes
 * from another device, for other work, or twice, changes nothing. None of their bodies is kept. Who
 * gave it gets its part anew, half a second later. */
static void test_wrong_answers_are_not_used(void **state)
{
    (void)state;
    for (unsigned wrong = 0; wrong < 7; wrong++) {
        struct world *w = ready_world(4, 1);
        start_layer(w, 7, 0);
        struct covey_work_message m = answer_of(w, 1);
        size_t len = (size_t)slots_of(w, 0, 1, false) * ANSWER_BYTES;
        m.answer.fence.version += wrong == 0;
        m.answer.fence.epoch += wrong == 1;
        m.answer.layer = wrong == 2 ? 1 : 0;
        m.answer.status = wrong == 3 ? COVEY_WORK_STATUS_REFUSED : COVEY_WORK_STATUS_DONE;
        len += wrong == 4;
        tell(w, 1, &m, wrong == 5 ? 0 : new_body(w), wrong == 6 ? 0 : len);
        answer(w, 1); /* refused: what comes after is not used either */
        answer(w, 2);
        answer(w, 0);
        assert_int_equal(w->done, 0);
        answer(w, 3);
        assert_int_equal(w->done, 1);
        assert_int_equal(w->layer_done.answer[1], 0);
        pass(w, 499);
        assert_int_equal(w->assigns[1], 1);
        pass(w, 1);
        assert_int_equal(w->assigns[1], 2);
        assert_no_bodies(w);
        world_free(w);
    }
}

/* Nobody answers for another device, nor for work that it was not given. */
static void test_answers_of_others_are_not_used(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    start_layer(w, 7, 0);
    struct covey_work_message m = answer_of(w, 1);
    size_t len = (size_t)slots_of(w, 0, 2, false) * ANSWER_BYTES;
    m.answer.work = w->execute[2].work + 1;
    tell(w, 2, &m, new_body(w), len);
    m.answer.request = 8;
    tell(w, 2, &m, new_body(w), len);
    answer(w, 1);
    answer(w, 1);
    answer(w, 0);
    assert_int_equal(w->done, 0);
    answer(w, 2);
    assert_int_equal(w->done, 1);
    assert_no_bodies(w);
    world_free(w);
}

/* Four devices, of which device 2 is the coordinator; the session is being opened. */
static struct world *world_with_coordinator(void)
{
    struct world *w = world_new(4, 1);
    w->view.has_coordinator = true;
    w->view.coordinator = id_of(2);
    open_session(w);
    return w;
}

/* A coordinator that does not answer within 200 ms is not waited for. */
static void test_placing_times_out(void **state)
{
    (void)state;
    struct world *w = world_with_coordinator();
    assert_int_equal(w->dials[2], 1);
    assert_int_equal(w->places, 1);
    pass(w, 199);
    assert_int_equal(w->prepared, 0);
    assert_int_equal(begin(w, 1), COVEY_ERR_STATE);
    pass(w, 1);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.term, 0);
    assert_int_equal(begin(w, 1), COVEY_OK);
    world_free(w);
}

static void placement(struct world *w, unsigned from, const struct covey_plan *plan)
{
    static uint8_t bytes[COVEY__PLAN_MAX];
    struct covey_work_message m = {.type = COVEY_WORK_PLACEMENT};
    m.place.session = session.session;
    m.place.version = w->place_version;
    assert_int_equal(
        covey__plan_encode(plan, (struct covey_buf){bytes, sizeof(bytes)}, &m.place.payload.len),
        COVEY_OK);
    m.place.payload.ptr = bytes;
    tell(w, from, &m, 0, 0);
}

/* The coordinator's plan is used when it holds, only from the coordinator; else the owner's own. */
static void test_placement_is_checked(void **state)
{
    (void)state;
    for (unsigned bad = 0; bad < 2; bad++) {
        static struct covey_plan plan;
        struct world *w = world_with_coordinator();
        w->costs.devices = w->view.devices;
        memcpy(w->costs.device, w->view.device, sizeof(w->costs.device));
        assert_int_equal(covey_plan_make(&w->costs, &plan), COVEY_OK);
        plan.term = 5;
        plan.device[3].bytes[0] = bad ? 99 : plan.device[3].bytes[0];
        placement(w, 1, &plan);
        w->place_version++;
        placement(w, 2, &plan); /* it was asked for another version */
        w->place_version--;
        assert_int_equal(w->prepared, 0);
        placement(w, 2, &plan);
        assert_int_equal(w->active, 1);
        assert_int_equal(w->plan.term, bad ? 0 : 5);
        world_free(w);
    }
}

/* A coordinator that leaves a device out is used for now, and corrected by the owner soon after. */
static void test_placement_that_leaves_out_is_corrected(void **state)
{
    (void)state;
    static struct covey_plan plan;
    struct world *w = world_with_coordinator();
    w->costs.devices = 3;
    memcpy(w->costs.device, w->view.device + 1, 3 * sizeof(w->costs.device[0]));
    assert_int_equal(covey_plan_make(&w->costs, &plan), COVEY_OK);
    plan.term = 5;
    placement(w, 2, &plan);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.devices, 3);
    pass(w, 1000);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 4);
    assert_int_equal(w->places, 1);
    pass(w, 10000);
    assert_int_equal(w->active, 2);
    world_free(w);
}

/* A device alone plans nothing and is active at once. */
static void test_alone_is_active_at_once(void **state)
{
    (void)state;
    struct world *w = world_new(1, 1);
    open_session(w);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.layers, 0);
    assert_int_equal(begin(w, 1), COVEY_OK);
    set_devices(w, 3);
    pass(w, 0);
    pass(w, 149);
    assert_int_equal(w->active, 1);
    pass(w, 1);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.layers, 3);
    assert_int_equal(w->forgotten, 0);
    end(w, 1);
    assert_int_equal(w->forgotten, 1);
    world_free(w);
}

/* After a death the shards are placed again on the devices left: the next loss costs no waiting
 * either. A request under way ends with the plan it began with, which is then forgotten. */
static void test_redundancy_is_restored(void **state)
{
    (void)state;
    struct world *w = ready_world(5, 1);
    start_layer(w, 7, 0);
    set_peer(w, 4, COVEY_PEER_GONE);
    set_devices(w, 0x0f);
    plan_anew(w);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 4);
    assert_int_equal(w->forgotten, 0);
    assert_int_equal(begin(w, 8), COVEY_OK);
    end(w, 7);
    assert_int_equal(w->forgotten, 1);
    assert_int_equal(w->retired[1], 1);
    assert_int_equal(w->retired[4], 0);
    start_layer(w, 8, 0);
    assert_int_equal(w->execute[1].fence.version, 2);
    answer(w, 0);
    answer(w, 2);
    answer(w, 3);
    assert_int_equal(w->done, 1);
    finish(w, 8);
}

/* A change that leaves the placement as it is makes no new version. */
static void test_same_placement_is_kept(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    w->view.device_generation++;
    pass(w, 1000);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->prepared, 1);
    world_free(w);
}

/* A holder that never gets ready holds the session up for five seconds at most, and is then left
 * out, so that all redundancy is there again. */
static void test_unready_holder_is_left_out(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        struct world *w = world_new(5, 1);
        w->unreachable[3] = way == 0;
        w->never_ready[3] = way == 1;
        open_session(w);
        pass(w, 4999);
        assert_int_equal(w->active, 0);
        pass(w, 1);
        assert_true(w->active >= 1);
        pass(w, 1000);
        assert_int_equal(w->active, 2);
        assert_int_equal(w->plan.devices, 4);
        world_free(w);
    }
}

/* Two unready holders leave groups incomplete: the next plan does without them. They are tried
 * again later, and what the others got for that in vain they forget. */
static void test_two_unready_holders_are_left_out(void **state)
{
    (void)state;
    struct world *w = world_new(5, 1);
    w->unreachable[3] = w->never_ready[1] = true;
    open_session(w);
    pass(w, 6000);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 3);
    pass(w, 60000);
    assert_int_equal(w->plan_of[3].devices, 5);
    assert_int_equal(w->active, 4);
    assert_int_equal(w->plan.devices, 3);
    assert_int_equal(w->retired[2], 3);
    world_free(w);
}

/* A channel that was lost is dialled again, and the holder gets its assignment anew; meanwhile it
 * is not asked. */
static void test_lost_channel_is_assigned_again(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    w->unreachable[2] = true;
    set_peer(w, 2, COVEY_PEER_NO_CHANNEL);
    start_layer(w, 7, 0);
    assert_false(w->asked[2]);
    answer(w, 0);
    answer(w, 1);
    answer(w, 3);
    assert_int_equal(w->done, 1);
    w->unreachable[2] = false;
    pass(w, 600);
    assert_int_equal(w->assigns[2], 2);
    start_layer(w, 7, 1);
    assert_true(w->asked[2]);
    finish(w, 7);
}

/* Closing in the middle of a layer gives everything back and tells the holders. */
static void test_close_gives_everything_back(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    start_layer(w, 7, 0);
    answer(w, 1);
    struct covey_event event = {.type = COVEY_EVENT_SESSION_CLOSE, .fence = session};
    w->closing = true;
    assert_int_equal(give(w, &event), COVEY_OK);
    assert_int_equal(w->retired[1], UINT32_MAX);
    assert_int_equal(w->retired[3], UINT32_MAX);
    assert_int_equal(w->cancels[2], 1);
    assert_int_equal(w->forgotten, 1);
    answer(w, 2);
    assert_no_bodies(w);
    assert_true(covey__job_deadline_ms(w->job) == UINT64_MAX);
    open_session(w);
    assert_int_equal(begin(w, 9), COVEY_OK);
    world_free(w);
}

/* Limits and misuse come back as errors and change nothing. */
static void test_misuse_is_refused(void **state)
{
    (void)state;
    struct world *w = ready_world(3, 1);
    struct covey_event open = {
        .type = COVEY_EVENT_SESSION_OPEN, .fence = session, .costs = &w->costs};
    struct covey_event layer = {.type = COVEY_EVENT_LAYER, .request = 7, .layer = 3};
    assert_int_equal(give(w, &open), COVEY_ERR_EXISTS);
    assert_int_equal(begin(w, 7), COVEY_ERR_EXISTS);
    assert_int_equal(give(w, &layer), COVEY_ERR_RANGE);
    layer.request = 5;
    assert_int_equal(give(w, &layer), COVEY_ERR_NOT_FOUND);
    start_layer(w, 7, 0);
    layer.request = 7;
    layer.layer = 1;
    assert_int_equal(give(w, &layer), COVEY_ERR_STATE);
    for (unsigned i = 1; i < COVEY_REQUESTS_MAX; i++) {
        assert_int_equal(begin(w, 100 + i), COVEY_OK);
    }
    assert_int_equal(begin(w, 1000), COVEY_ERR_LIMIT);
    world_free(w);
}

/* A full update loses nothing: all requests of all tables end when everyone answers at once. */
static void test_full_updates_go_on(void **state)
{
    (void)state;
    struct world *w = ready_world(8, 1);
    end(w, 7);
    for (unsigned i = 0; i < COVEY_REQUESTS_MAX; i++) {
        assert_int_equal(begin(w, 100 + i), COVEY_OK);
        start_layer(w, 100 + i, 0);
    }
    w->locals = 0;
    for (unsigned d = 2; d < 8; d++) {
        w->locals = 0;
        memset(w->local, 0, sizeof(w->local));
        for (unsigned i = 0; i < COVEY_REQUESTS_MAX; i++) {
            struct covey_work_message m = answer_of(w, d);
            m.answer.request = 100 + i;
            m.answer.work = w->execute[d].work - COVEY_REQUESTS_MAX + 1 + i;
            tell(w, d, &m, new_body(w), (size_t)slots_of(w, 0, d, false) * ANSWER_BYTES);
        }
    }
    assert_int_equal(w->done, 0);
    for (unsigned i = 0; i < COVEY_REQUESTS_MAX; i++) {
        struct covey_event event = {
            .type = COVEY_EVENT_COMPUTED_LOCAL, .request = 100 + i, .body = new_body(w)};
        for (unsigned s = 0; s < w->plan.layer[0].slots; s++) {
            if (w->plan.layer[0].holder[s] == 0) {
                event.slots[s / 64] |= UINT64_C(1) << (s % 64);
            }
        }
        assert_int_equal(give(w, &event), COVEY_OK);
    }
    assert_int_equal(w->done, COVEY_REQUESTS_MAX);
    assert_no_bodies(w);
    world_free(w);
}

/* All of a layer is answered, as it was asked when it was started. */
static void answer_all(struct world *w, const struct world *asked)
{
    memmove(w->execute, asked->execute, sizeof(w->execute));
    memmove(w->local, asked->local, sizeof(w->local));
    answer_from(w, 0, w->plan.devices);
}

/* Requests of one session are in flight together, each in its own layer: none waits for another's
 * end, and the later one may overtake. */
static void test_requests_of_a_session_overlap(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    struct world *first = malloc(sizeof(*first));
    assert_non_null(first);
    assert_int_equal(begin(w, 8), COVEY_OK);
    start_layer(w, 7, 0);
    *first = *w;
    for (unsigned layer = 0; layer < 3; layer++) {
        start_layer(w, 8, layer);
        for (unsigned d = 1; d < 4; d++) {
            assert_true(w->asked[d]);
            assert_int_equal(w->execute[d].request, 8);
        }
        assert_int_equal(w->locals, 1);
        answer_all(w, w);
        assert_int_equal(w->done, layer + 1);
        assert_int_equal(w->layer_done.recovered_late, rebuilt(w, layer));
    }
    end(w, 8);
    answer_all(w, first);
    assert_int_equal(w->done, 4);
    start_layer(w, 7, 1);
    answer_all(w, w);
    assert_int_equal(w->done, 5);
    end(w, 7);
    assert_no_bodies(w);
    free(first);
    world_free(w);
}

/* Work beside another request's is waited for twice as long, also if that came later, and its time
 * is not taken for what a layer needs alone. */
static void test_deadlines_are_shared(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 0);
    for (unsigned i = 0; i < 40; i++) {
        bool beside = i >= 8 && i < 36;
        assert_true(i != 8 || begin(w, 8) == COVEY_OK);
        start_layer(w, 7, 0);
        pass(w, beside ? 200 : 100);
        answer_all(w, w);
        if (i == 35) {
            end(w, 8);
        }
    }
    start_layer(w, 7, 0);
    pass(w, 100);
    assert_int_equal(begin(w, 9), COVEY_OK);
    computed_here_after(w, 300);
    end(w, 7);
    finish(w, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_one_silent_device_costs_no_waiting),
        cmocka_unit_test(test_any_one_dead_device_costs_no_waiting),
        cmocka_unit_test(test_two_dead_devices_are_computed_here),
        cmocka_unit_test(test_overdue_units_are_computed_here),
        cmocka_unit_test(test_a_device_behind_is_skipped),
        cmocka_unit_test(test_wrong_answers_are_not_used),
        cmocka_unit_test(test_answers_of_others_are_not_used),
        cmocka_unit_test(test_placing_times_out),
        cmocka_unit_test(test_placement_is_checked),
        cmocka_unit_test(test_placement_that_leaves_out_is_corrected),
        cmocka_unit_test(test_alone_is_active_at_once),
        cmocka_unit_test(test_redundancy_is_restored),
        cmocka_unit_test(test_same_placement_is_kept),
        cmocka_unit_test(test_unready_holder_is_left_out),
        cmocka_unit_test(test_two_unready_holders_are_left_out),
        cmocka_unit_test(test_lost_channel_is_assigned_again),
        cmocka_unit_test(test_close_gives_everything_back),
        cmocka_unit_test(test_misuse_is_refused),
        cmocka_unit_test(test_full_updates_go_on),
        cmocka_unit_test(test_requests_of_a_session_overlap),
        cmocka_unit_test(test_deadlines_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
