/* SPDX-License-Identifier: MIT */
#include "job_world.h"

/* What is overdue is waited for as long as computing it here takes, beyond the layer's usual time:
 * one late device's share soon, several devices' share later, and never later than twice the layer.
 * Each answer that comes meanwhile makes it sooner. */
static void test_what_is_soon_made_up_for_is_not_waited_for(void **state)
{
    (void)state;
    for (unsigned late = 1; late <= 3; late++) {
        struct world *w = ready_world(4, 0);
        w->view.device[0].mflops = 160 * 1000; /* a unit takes 5 ms here */
        make_usual(w, 4);
        start_layer(w, 7, 0);
        unsigned lacking = 0;
        for (unsigned d = 0; d < 4; d++) {
            if (d < 4 - late) {
                answer(w, d);
            } else {
                lacking += slots_of(w, 0, d, true);
            }
        }
        unsigned ms = 125 + 5 * lacking + 3;
        assert_true(ms < 200);
        pass(w, late == 3 ? ms - 4 : ms - 1);
        assert_int_equal(w->locals, 1);
        if (late == 3) { /* one of them comes: it is past the others' time */
            answer(w, 1);
            assert_int_equal(w->locals, 1);
            pass(w, 1);
            assert_int_equal(w->locals, 2);
            assert_int_equal(bits(w->local[1].slots), lacking - slots_of(w, 0, 1, true));
        } else {
            pass(w, 1);
            assert_int_equal(w->locals, 2);
            assert_int_equal(bits(w->local[1].slots), lacking);
        }
        finish(w, 7);
    }
}

/* After a loss that the parity covers, a late device is the second that is missing: only what the
 * parity does not give is computed here, as soon as the others' usual time and its own are over. */
static void test_a_late_device_beside_a_lost_one_is_soon_made_up_for(void **state)
{
    (void)state;
    struct world *w = ready_world(6, 1);
    w->view.device[0].mflops = 160 * 1000;
    make_usual(w, 6);
    start_layer(w, 7, 0);
    set_peer(w, 5, COVEY_PEER_NO_CHANNEL);
    answer_from(w, 0, 4);
    assert_int_equal(w->done, 8);
    pass(w, 127);
    assert_int_equal(w->locals, 1);
    pass(w, 1 + 5 * slots_of(w, 0, 4, false));
    assert_int_equal(w->locals, 2);
    assert_in_range(bits(w->local[1].slots), 1, slots_of(w, 0, 4, false));
    answer_local(w, 1);
    assert_int_equal(w->done, 9);
    finish(w, 7);
}

/* Deadlines count from when the asking has left, and so do the times they are made of: a device
 * that is held up itself takes nobody for late. */
static void test_deadlines_count_from_when_the_asking_has_left(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 0);
    w->view.device[0].mflops = 160 * 1000;
    make_usual(w, 4);
    start_layer(w, 7, 0);
    pass(w, 60);
    covey__job_sent(w->job, w->view.now_ms);
    answer_from(w, 0, 3);
    unsigned ms = 125 + 5 * slots_of(w, 0, 3, false) + 3;
    computed_here_after(w, ms);
    finish(w, 7);
}

/* An owner that slept over a deadline reads what has come before it takes anybody for late, but not
 * for ever. */
static void test_what_has_come_is_read_before_the_deadline_counts(void **state)
{
    (void)state;
    for (unsigned comes = 0; comes < 2; comes++) {
        struct world *w = ready_world(4, 0);
        make_usual(w, 4);
        start_layer(w, 7, 0);
        answer_from(w, 0, 3);
        for (unsigned i = 0; i < 3; i++) {
            w->view.now_ms += 500;
            pass(w, 0);
            assert_int_equal(w->locals, 1);
        }
        if (comes == 1) {
            answer(w, 3);
            assert_int_equal(w->done, 9);
        } else {
            w->view.now_ms += 500;
            pass(w, 0);
            assert_int_equal(w->locals, 2);
        }
        finish(w, 7);
    }
}

/* Whoever owes an answer of the layer before is asked, but not counted on: with nobody else lost
 * the parity covers it; with one lost its share is computed here at once, and its answer is taken
 * if it comes first. */
static void test_a_device_that_owes_an_answer_is_not_counted_on(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 2; lost++) {
        struct world *w = ready_world(6, 1);
        make_usual(w, 6);
        start_layer(w, 7, 0);
        pass(w, 100);
        answer_from(w, 0, 5);
        assert_int_equal(w->done, 9);
        pass(w, 30);
        if (lost == 1) {
            set_peer(w, 4, COVEY_PEER_GONE);
        }
        start_layer(w, 7, 0);
        assert_true(w->asked[5]);
        assert_int_equal(w->locals, 1 + lost);
        answer_from(w, 0, 4 + 1 - lost);
        assert_int_equal(w->done, 10 - lost);
        if (lost == 1) {
            answer(w, 5);
            assert_int_equal(w->done, 10);
        }
        finish(w, 7);
    }
}

/* It owes it for longer than that layer takes, whatever the next one does. */
static void test_what_is_owed_is_due_when_its_layer_is_over(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct world *w = ready_world(6, 1);
        make_usual(w, 6);
        for (unsigned i = 0; i < 8 && late == 0; i++) {
            start_layer(w, 7, 1);
            pass(w, 10);
            answer_from(w, 0, 6);
        }
        start_layer(w, 7, 0);
        pass(w, 100);
        answer_from(w, 0, 5);
        set_peer(w, 4, COVEY_PEER_GONE);
        pass(w, late == 0 ? 25 : 26);
        start_layer(w, 7, 1); /* a shorter one, or one that is predicted to be longer */
        assert_true(w->asked[5]);
        assert_int_equal(w->locals, 1 + late);
        finish(w, 7);
    }
}

/* A lost channel is not dialled in the middle of the requests that it hit, but soon after. */
static void test_a_lost_channel_is_dialled_after_a_while(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    start_layer(w, 7, 0);
    unsigned dials = w->dials[3];
    w->unreachable[3] = true;
    set_peer(w, 3, COVEY_PEER_NO_CHANNEL);
    pass(w, 99);
    assert_int_equal(w->dials[3], dials);
    pass(w, 1);
    assert_int_equal(w->dials[3], dials + 1);
    finish(w, 7);
}

/* Four devices without parities; all but the last answer, and what it owes is computed here. */
static struct world *world_that_makes_up(unsigned *out_ms)
{
    struct world *w = ready_world(4, 0);
    w->view.device[0].mflops = 160 * 1000;
    make_usual(w, 4);
    *out_ms = 125 + 5 * slots_of(w, 0, 3, false) + 3;
    return w;
}

static void make_up(struct world *w, unsigned ms)
{
    start_layer(w, 7, 0);
    answer_from(w, 0, 3);
    computed_here_after(w, ms);
}

/* How long a layer took of which units were computed here says nothing of its devices. */
static void test_what_was_made_up_for_changes_no_deadline(void **state)
{
    (void)state;
    unsigned ms;
    struct world *w = world_that_makes_up(&ms);
    for (unsigned i = 0; i < 10; i++) {
        make_up(w, ms);
        answer_local(w, 1);
        assert_int_equal(w->done, 9 + i);
        answer(w, 3); /* it owes nothing in the next layer */
    }
    finish(w, 7);
}

/* Where the answer was there first the deadline was too short: in time it is that much longer. */
static void test_what_was_made_up_for_in_vain_gives_time(void **state)
{
    (void)state;
    unsigned ms;
    struct world *w = world_that_makes_up(&ms);
    for (unsigned i = 0; i < 8; i++) {
        make_up(w, ms);
        answer(w, 3);
        assert_int_equal(w->done, 9 + i);
    }
    start_layer(w, 7, 0);
    answer_from(w, 0, 3);
    pass(w, ms + 5);
    assert_int_equal(w->locals, 1);
    finish(w, 7);
}

/* Units that were computed here are computed again, with more of them, after another loss: the
 * first answer is given back. */
static void test_what_was_made_for_fewer_is_given_back(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 0);
    start_layer(w, 7, 0);
    set_peer(w, 3, COVEY_PEER_NO_CHANNEL);
    assert_int_equal(w->locals, 2);
    answer_local(w, 1);
    set_peer(w, 2, COVEY_PEER_NO_CHANNEL);
    assert_int_equal(w->locals, 3);
    assert_int_equal(bits(w->local[2].slots), bits(w->local[1].slots) + slots_of(w, 0, 2, false));
    answer_local(w, 2);
    answer_from(w, 0, 2);
    assert_int_equal(w->done, 1);
    finish(w, 7);
}

/* It looks as often again at a layer whose asking has left since. */
static void test_looks_are_counted_from_when_the_asking_has_left(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 0);
    make_usual(w, 4);
    start_layer(w, 7, 0);
    answer_from(w, 0, 3);
    for (unsigned i = 0; i < 6; i++) {
        w->view.now_ms += 500;
        pass(w, 0);
        assert_int_equal(w->locals, 1);
        if (i == 2) {
            covey__job_sent(w->job, w->view.now_ms);
        }
    }
    w->view.now_ms += 500;
    pass(w, 0);
    assert_int_equal(w->locals, 2);
    finish(w, 7);
}

/* Who lied is asked no more, in the same request. */
static void test_a_liar_is_asked_no_more(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    struct covey_event event = {.type = COVEY_EVENT_LIED, .request = 7, .peer = id_of(2)};
    start_layer(w, 7, 0);
    answer_from(w, 0, 4);
    assert_int_equal(give(w, &event), COVEY_OK);
    start_layer(w, 7, 1);
    assert_false(w->asked[2]);
    assert_true(w->asked[3]);
    finish(w, 7);
}

/* Beside another request all of it takes twice as long: what is usual, and computing it here. */
static void test_what_is_made_up_for_beside_others_has_their_time(void **state)
{
    (void)state;
    unsigned ms;
    struct world *w = world_that_makes_up(&ms);
    assert_int_equal(begin(w, 8), COVEY_OK);
    make_up(w, 2 * ms);
    end(w, 7);
    finish(w, 8);
}

/* Of what took longer than two requests explain, half at least is the layer's own time. */
static void test_half_of_two_is_its_own(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 0);
    make_usual(w, 4);
    assert_int_equal(begin(w, 8), COVEY_OK);
    for (unsigned i = 0; i < 15; i++) {
        start_layer(w, 7, 0);
        pass(w, 300);
        answer_from(w, 0, 4);
        assert_int_equal(w->locals, 1);
    }
    end(w, 8);
    make_up(w, 300);
    finish(w, 7);
}

/* A layer that is over after so many ms, for all but device 5. */
static void layer_without_one(struct world *w, uint64_t ms)
{
    start_layer(w, 7, 0);
    pass(w, ms);
    answer_from(w, 0, 5);
    pass(w, 0);
}

/* Who owes answers is asked on as long as it answers something in each layer's time: what counts is
 * when it fell behind or was heard last, not before. */
static void test_who_answers_something_is_asked_on(void **state)
{
    (void)state;
    struct world *w = ready_world(6, 1);
    make_usual(w, 6);
    pass(w, 500);
    for (unsigned i = 0; i < 5; i++) {
        layer_without_one(w, 10);
        assert_true(w->asked[5]);
    }
    pass(w, 150);
    layer_without_one(w, 10);
    assert_false(w->asked[5]);
    answer(w, 5); /* to the last that it was asked */
    layer_without_one(w, 10);
    assert_true(w->asked[5]);
    pass(w, 150);
    layer_without_one(w, 10);
    assert_false(w->asked[5]); /* it owes the others still */
    finish(w, 7);
}

/* Who owes two answers is not counted on; beside another request that is nothing strange. */
static void test_who_owes_two_answers_is_not_counted_on(void **state)
{
    (void)state;
    for (unsigned beside = 0; beside < 2; beside++) {
        struct world *w = ready_world(6, 1);
        make_usual(w, 6);
        assert_true(beside == 0 || begin(w, 8) == COVEY_OK);
        layer_without_one(w, 10);
        layer_without_one(w, 10);
        set_peer(w, 4, COVEY_PEER_GONE);
        start_layer(w, 7, 0);
        assert_true(w->asked[5]);
        assert_int_equal(w->locals, 2 - beside);
        answer_from(w, 0, 4);
        answer(w, 5);
        if (beside == 1) {
            end(w, 8);
        }
        finish(w, 7);
    }
}

/* The last of four devices without parities does not answer; its share is computed here, and at
 * once where it is not counted on. */
static void layer_without_the_last(struct world *w, bool counted)
{
    start_layer(w, 7, 0);
    assert_int_equal(w->locals, counted ? 1 : 2);
    answer_from(w, 0, 3);
    for (unsigned i = 0; i < 1000 && w->locals == 1; i++) {
        pass(w, 1);
    }
    answer_local(w, 1);
}

/* Each answered by all after so many ms. */
static void layers_of(struct world *w, unsigned count, unsigned ms)
{
    for (unsigned i = 0; i < count; i++) {
        start_layer(w, 7, 0);
        assert_int_equal(w->locals, 1);
        pass(w, ms);
        answer_from(w, 0, 4);
    }
}

enum { BEFORE, IN_TIME, LATE_AGAIN, SUSPECTED };

/* Who is not counted on is never in time where its share is soon computed here: a second after it
 * was late, and where layers are long after eight, it is counted on again, unless it is suspected;
 * once, if it is late again. */
static void test_doubt_ends(void **state)
{
    (void)state;
    static const unsigned took_ms[] = {40, 200}, doubted_ms[] = {1000, 8 * 250};
    for (unsigned i = 0; i < 8; i++) {
        struct world *w = ready_world(4, 0);
        unsigned how = i / 2, ms = doubted_ms[i % 2];
        w->view.device[0].mflops = UINT32_MAX;
        layers_of(w, 8, took_ms[i % 2]);
        layer_without_the_last(w, true);
        pass(w, ms - 1);
        layer_without_the_last(w, false);
        if (how == SUSPECTED) {
            set_devices(w, 7);
        }
        pass(w, how != BEFORE);
        if (how == IN_TIME) {
            layers_of(w, 1, took_ms[i % 2]);
            pass(w, 500);
            layers_of(w, 1, took_ms[i % 2]);
        } else {
            layer_without_the_last(w, how == LATE_AGAIN);
        }
        if (how == LATE_AGAIN) {
            layer_without_the_last(w, false);
            pass(w, ms);
            layers_of(w, 1, took_ms[i % 2]);
        }
        finish(w, 7);
    }
}

/* Before it is known how long a layer takes it may take twice what was predicted, in bounds: over a
 * slow network, or by slow devices, the first answers are not all late. */
static void test_the_first_deadline_follows_the_prediction(void **state)
{
    (void)state;
    static const struct {
        uint64_t unit_flops;
        unsigned link_mbytes, bound_ms;
    } cases[] = {{1000000, 0, 250},      /* soon done */
                 {100000000, 0, 0},      /* slow devices */
                 {1000000, 1, 0},        /* slow links */
                 {2000000000, 0, 5000}}; /* no longer than that */
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = world_new(2, 0);
        w->costs.cost[0].unit.flops = cases[i].unit_flops;
        w->costs.cost[0].input_bytes = cases[i].link_mbytes != 0 ? 200000 : 8;
        for (unsigned d = 0; d < w->view.devices; d++) {
            w->view.device[d].link_mbytes = cases[i].link_mbytes;
        }
        open_session(w);
        assert_int_equal(begin(w, 7), COVEY_OK);
        assert_false(w->plan.layer[0].relayed);
        start_layer(w, 7, 0);
        answer(w, 0);
        unsigned predicted_ms = w->plan.layer[0].predicted_us * 2 / 1000;
        assert_int_equal(predicted_ms > 250 && predicted_ms < 5000, cases[i].bound_ms == 0);
        computed_here_after(w, cases[i].bound_ms != 0 ? cases[i].bound_ms : predicted_ms);
        finish(w, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_soon_made_up_for_is_not_waited_for),
        cmocka_unit_test(test_a_late_device_beside_a_lost_one_is_soon_made_up_for),
        cmocka_unit_test(test_deadlines_count_from_when_the_asking_has_left),
        cmocka_unit_test(test_what_has_come_is_read_before_the_deadline_counts),
        cmocka_unit_test(test_a_device_that_owes_an_answer_is_not_counted_on),
        cmocka_unit_test(test_what_is_owed_is_due_when_its_layer_is_over),
        cmocka_unit_test(test_a_lost_channel_is_dialled_after_a_while),
        cmocka_unit_test(test_what_was_made_up_for_changes_no_deadline),
        cmocka_unit_test(test_what_was_made_up_for_in_vain_gives_time),
        cmocka_unit_test(test_what_was_made_for_fewer_is_given_back),
        cmocka_unit_test(test_looks_are_counted_from_when_the_asking_has_left),
        cmocka_unit_test(test_a_liar_is_asked_no_more),
        cmocka_unit_test(test_what_is_made_up_for_beside_others_has_their_time),
        cmocka_unit_test(test_half_of_two_is_its_own),
        cmocka_unit_test(test_who_answers_something_is_asked_on),
        cmocka_unit_test(test_who_owes_two_answers_is_not_counted_on),
        cmocka_unit_test(test_doubt_ends),
        cmocka_unit_test(test_the_first_deadline_follows_the_prediction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
