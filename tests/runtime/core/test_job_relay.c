/* SPDX-License-Identifier: MIT */
#include "job_world.h"

enum { REQUEST = 7, HOLDERS = 0x1e, DEVICES_ALL = 5 };

static unsigned asked(const struct world *w)
{
    unsigned mask = 0;
    for (unsigned d = 0; d < DEVICES; d++) {
        mask |= (unsigned)w->asked[d] << d;
    }
    return mask;
}

static void say_stalled(struct world *w, unsigned device, uint32_t missing)
{
    uint8_t bytes[4];
    covey_store32(bytes, missing);
    struct covey_work_message m = {.type = COVEY_WORK_STALLED, .tile = w->relay[device]};
    m.tile.run = COVEY_WORK_NO_RUN;
    m.tile.missing = covey_bytes_of(bytes, sizeof(bytes));
    tell(w, device, &m, 0, 0);
}

/* Layer 0's holders give one another its input: all links are slow. */
static struct world *slow_world(unsigned devices, unsigned parity, uint32_t link_mbytes)
{
    struct world *w = world_new(devices, parity);
    w->input_len = 262144;
    w->costs.cost[0].input_bytes = (uint32_t)w->input_len;
    w->costs.cost[0].unit.flops = 8000000;
    for (unsigned i = 0; i < w->view.devices; i++) {
        w->view.device[i].link_mbytes = link_mbytes;
    }
    open_session(w);
    assert_int_equal(w->active, 1);
    assert_true(w->plan.layer[0].relayed);
    assert_false(w->plan.layer[1].relayed);
    assert_int_equal(begin(w, 7), COVEY_OK);
    return w;
}

static struct world *relay_world(unsigned devices)
{
    return slow_world(devices, 1, 12);
}

static struct world *begun(void)
{
    struct world *w = relay_world(DEVICES_ALL);
    start_layer(w, REQUEST, 0);
    assert_int_equal(w->relayed, HOLDERS);
    assert_int_equal(asked(w), 0);
    return w;
}

/* Each holder gets its piece and who has the others; their answers end the layer as ever, and say
 * that the input came from others. */
static void test_each_holder_gets_a_piece(void **state)
{
    (void)state;
    struct world *w = begun();
    for (unsigned d = 1; d < DEVICES_ALL; d++) {
        assert_int_equal(w->relay[d].fed, HOLDERS);
        assert_int_equal(w->relay[d].bytes, w->input_len);
        assert_int_equal(w->relay[d].layer, 0);
        assert_true(w->relay[d].stall_ms > 0);
    }
    answer_local(w, 0);
    answer(w, 1);
    assert_int_equal(w->done, 0);
    answer(w, 2);
    answer(w, 3); /* with one parity four of five do */
    assert_int_equal(w->done, 1);
    assert_int_equal(w->layer_done.fed, HOLDERS);
    assert_int_equal(w->pieces, 0);
    answer(w, 4);
    start_layer(w, REQUEST, 1); /* a short input */
    assert_int_equal(asked(w), HOLDERS);
    assert_int_equal(w->relayed, 0);
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(w->layer_done.fed, 0);
    finish(w, REQUEST);
}

/* What a lost device has not given its owner gives, at once and once, to those who still compute;
 * its units are rebuilt. */
static void test_the_lost_ones_piece_comes_from_the_owner(void **state)
{
    (void)state;
    struct world *w = begun();
    answer_local(w, 0);
    answer(w, 3);
    set_peer(w, 1, COVEY_PEER_GONE);
    assert_int_equal(w->given[2], 1U << 1);
    assert_int_equal(w->given[3], 0);
    assert_int_equal(w->given[4], 1U << 1);
    assert_int_equal(w->pieces, 2);
    answer(w, 2);
    answer(w, 4);
    assert_int_equal(w->done, 1);
    assert_int_equal(asked(w), 0);
    assert_true(w->layer_done.recovered_dead > 0);
    finish(w, REQUEST);
}

/* Who is lost before the layer has no piece: the others share all of it. One is too few. */
static void test_the_others_share_the_input(void **state)
{
    (void)state;
    struct world *w = relay_world(DEVICES_ALL + 1);
    set_peer(w, DEVICES_ALL, COVEY_PEER_GONE);
    start_layer(w, REQUEST, 0);
    assert_int_equal(w->relayed, HOLDERS);
    assert_int_equal(w->relay[1].fed, HOLDERS);
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(w->done, 1);
    for (unsigned d = 2; d < DEVICES_ALL; d++) {
        set_peer(w, d, COVEY_PEER_GONE);
    }
    start_layer(w, REQUEST, 0);
    assert_int_equal(w->relayed, 0);
    assert_int_equal(asked(w), 1U << 1);
    finish(w, REQUEST);
}

/* Whoever misses pieces gets those; who kept them back is in no relay for a while, but gets the
 * input from the owner and is counted on. */
static void test_missing_pieces_are_given(void **state)
{
    (void)state;
    struct world *w = begun();
    say_stalled(w, 2, 1U << 1);
    assert_int_equal(w->given[2], 1U << 1);
    assert_int_equal(w->pieces, 1);
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(w->done, 1);
    start_layer(w, REQUEST, 1);
    answer_from(w, 0, DEVICES_ALL);
    end(w, REQUEST);
    assert_int_equal(begin(w, REQUEST + 1), COVEY_OK);
    start_layer(w, REQUEST + 1, 0);
    assert_int_equal(w->relayed, HOLDERS & ~2U);
    assert_int_equal(asked(w), 1U << 1);
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(w->done, 3);
    assert_int_equal(w->layer_done.fed, HOLDERS & ~2U);
    end(w, REQUEST + 1);
    pass(w, 3000);
    assert_int_equal(begin(w, REQUEST + 2), COVEY_OK);
    start_layer(w, REQUEST + 2, 0);
    assert_int_equal(w->relayed, HOLDERS);
    finish(w, REQUEST + 2);
}

/* Who misses most of the pieces was held up itself: it is left out, not the others. */
static void test_who_misses_most_is_left_out(void **state)
{
    (void)state;
    struct world *w = begun();
    say_stalled(w, 2, HOLDERS & ~(1U << 2));
    assert_int_equal(w->given[2], HOLDERS & ~(1U << 2));
    answer_from(w, 0, DEVICES_ALL);
    end(w, REQUEST);
    assert_int_equal(begin(w, REQUEST + 1), COVEY_OK);
    start_layer(w, REQUEST + 1, 0);
    assert_int_equal(w->relayed, HOLDERS & ~(1U << 2));
    finish(w, REQUEST + 1);
}

/* A holder that cannot take part says so, or refuses: it is asked with the whole input. */
static void test_who_cannot_is_asked(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        struct world *w = begun();
        struct covey_work_message refusal = answer_of(w, 2);
        refusal.answer.status = COVEY_WORK_STATUS_REFUSED;
        if (how == 2) {
            tell(w, 2, &refusal, 0, 0);
        } else {
            say_stalled(w, 2, how == 0 ? 0 : 1U << 2);
            assert_int_equal(w->given[1], 1U << 2); /* it gave it to nobody */
            assert_int_equal(w->given[3], 1U << 2);
        }
        assert_int_equal(asked(w), 1U << 2);
        answer_from(w, 0, DEVICES_ALL);
        assert_int_equal(w->done, 1);
        assert_int_equal(w->layer_done.fed, HOLDERS & ~(1U << 2));
        finish(w, REQUEST);
    }
}

/* Complaints of an attempt before, of no holder, or of devices that have no piece change nothing.
 */
static void test_other_complaints_are_not_heard(void **state)
{
    (void)state;
    struct world *w = begun();
    w->relay[2].attempt++;
    say_stalled(w, 2, 1U << 1);
    w->relay[2].attempt--;
    answer(w, 3);
    say_stalled(w, 3, 1U << 1);
    set_peer(w, 7, COVEY_PEER_UP);
    w->relay[7] = w->relay[2];
    say_stalled(w, 7, 1U << 1);
    assert_int_equal(w->pieces, 0);
    assert_int_equal(asked(w), 0);
    finish(w, REQUEST);
}

/* Asked again, after a wrong answer to what others gave: all get the whole input from the owner,
 * who then knows whose fault it is, and so do they in every layer of that plan. */
static void test_a_wrong_answer_ends_the_relaying(void **state)
{
    (void)state;
    struct world *w = begun();
    answer_from(w, 0, DEVICES_ALL);
    start_layer(w, REQUEST, 1);
    answer_from(w, 0, DEVICES_ALL);
    start_layer(w, REQUEST, 0);
    assert_int_equal(w->relayed, 0);
    assert_int_equal(asked(w), HOLDERS);
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(w->layer_done.fed, 0);
    end(w, REQUEST);
    assert_int_equal(begin(w, REQUEST + 1), COVEY_OK);
    start_layer(w, REQUEST + 1, 0);
    assert_int_equal(w->relayed, 0);
    assert_int_equal(asked(w), HOLDERS);
    finish(w, REQUEST + 1);
}

/* The same layer, exact, is asked again at once. */
static void test_the_same_layer_again(void **state)
{
    (void)state;
    struct world *w = begun();
    answer_from(w, 0, DEVICES_ALL);
    start_layer(w, REQUEST, 0);
    assert_int_equal(w->relayed, 0);
    assert_int_equal(asked(w), HOLDERS);
    finish(w, REQUEST);
}

/* Request after request until this one, each answered by all after so long. */
static uint64_t begin_after(struct world *w, uint64_t request, unsigned requests, unsigned ms)
{
    for (unsigned i = 0; i < requests; i++) {
        start_layer(w, request, 0);
        pass(w, ms);
        answer_from(w, 0, DEVICES_ALL);
        end(w, request);
        assert_int_equal(begin(w, ++request), COVEY_OK);
    }
    return request;
}

enum { TIMES = 8, RESCUE_MS = 3, LAST = DEVICES_ALL - 1 };

/* After eight relayed requests of 100 ms the ninth had a wrong answer, and all but one have
 * answered it again. */
static struct world *asked_again(uint64_t *out_request)
{
    struct world *w = slow_world(DEVICES_ALL, 0, 12);
    w->view.device[0].mflops = UINT32_MAX; /* what is late is soon made up for */
    *out_request = begin_after(w, REQUEST, TIMES, 100);
    start_layer(w, *out_request, 0);
    assert_int_equal(w->relayed, HOLDERS);
    pass(w, 100);
    answer_from(w, 0, DEVICES_ALL);
    start_layer(w, *out_request, 0);
    assert_int_equal(w->relayed, 0);
    answer_from(w, 0, LAST);
    return w;
}

/* From the owner alone the input goes through its link once a holder: so much longer it is waited
 * for, or an answer would be late each time, and never be known to be wrong. */
static void test_what_is_relayed_no_more_has_its_time(void **state)
{
    (void)state;
    uint64_t request;
    struct world *w = asked_again(&request);
    computed_here_after(w, 4 * 125 + RESCUE_MS);
    finish(w, request);
}

/* Then it is known how long that takes, beside what relaying does. */
static void test_what_is_relayed_no_more_is_learned(void **state)
{
    (void)state;
    uint64_t request;
    struct world *w = asked_again(&request);
    pass(w, 300);
    answer(w, LAST);
    assert_int_equal(w->done, TIMES + 2);
    request = begin_after(w, request, TIMES, 300);
    start_layer(w, request, 0);
    assert_int_equal(w->relayed, 0);
    answer_from(w, 0, LAST);
    computed_here_after(w, 375 + RESCUE_MS);
    finish(w, request);
}

/* Before it is known how long a layer takes, it is what was predicted, where that is long. */
static void test_slow_links_are_waited_for_at_first(void **state)
{
    (void)state;
    static const struct {
        unsigned link_mbytes, least_ms;
        bool again;
    } cases[] = {{12, 250, false}, {12, 4 * 250, true}, {1, 500, false}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = slow_world(DEVICES_ALL, 0, cases[i].link_mbytes);
        w->view.device[0].mflops = UINT32_MAX;
        start_layer(w, REQUEST, 0);
        if (cases[i].again) {
            answer_from(w, 0, DEVICES_ALL);
            start_layer(w, REQUEST, 0);
        }
        answer_from(w, 0, DEVICES_ALL - 1);
        uint64_t predicted_ms = (uint64_t)w->plan.layer[0].predicted_us * 2 / 1000;
        bool known = predicted_ms > cases[i].least_ms;
        assert_int_equal(known, i == 2);
        computed_here_after(w, known ? predicted_ms : cases[i].least_ms);
        finish(w, REQUEST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_holder_gets_a_piece),
        cmocka_unit_test(test_the_lost_ones_piece_comes_from_the_owner),
        cmocka_unit_test(test_the_others_share_the_input),
        cmocka_unit_test(test_missing_pieces_are_given),
        cmocka_unit_test(test_who_misses_most_is_left_out),
        cmocka_unit_test(test_who_cannot_is_asked),
        cmocka_unit_test(test_other_complaints_are_not_heard),
        cmocka_unit_test(test_a_wrong_answer_ends_the_relaying),
        cmocka_unit_test(test_the_same_layer_again),
        cmocka_unit_test(test_what_is_relayed_no_more_has_its_time),
        cmocka_unit_test(test_what_is_relayed_no_more_is_learned),
        cmocka_unit_test(test_slow_links_are_waited_for_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
