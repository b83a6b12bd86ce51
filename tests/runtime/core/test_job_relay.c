/* SPDX-License-Identifier: MIT */
#include "job_world_relay.h"

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
    assert_int_equal(asked_mask(w), HOLDERS);
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
    assert_int_equal(asked_mask(w), 0);
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
    assert_int_equal(next_relay(w, REQUEST + 1), 0);
    assert_int_equal(asked_mask(w), 1U << 1);
    finish(w, REQUEST + 1);
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
    assert_int_equal(asked_mask(w), HOLDERS);
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(w->layer_done.fed, 0);
    end(w, REQUEST);
    assert_int_equal(begin(w, REQUEST + 1), COVEY_OK);
    start_layer(w, REQUEST + 1, 0);
    assert_int_equal(w->relayed, 0);
    assert_int_equal(asked_mask(w), HOLDERS);
    finish(w, REQUEST + 1);
}

/* The request begins again with a layer that was not relayed the first time: nothing is, now. */
static void test_nothing_is_relayed_the_second_time(void **state)
{
    (void)state;
    struct world *w = world_with(DEVICES_ALL, 2);
    size_t len = w->input_len;
    w->input_len = 64; /* almost only zeros */
    start_layer(w, REQUEST, 0);
    assert_int_equal(w->relayed, 0);
    answer_from(w, 0, DEVICES_ALL);
    w->input_len = len;
    start_layer(w, REQUEST, 1);
    assert_int_equal(w->relayed, HOLDERS);
    answer_from(w, 0, DEVICES_ALL);
    start_layer(w, REQUEST, 0);
    assert_int_equal(w->relayed, 0);
    answer_from(w, 0, DEVICES_ALL);
    start_layer(w, REQUEST, 1);
    assert_int_equal(w->relayed, 0);
    finish(w, REQUEST);
}

/* Who owes an answer would hold all others up: it gets the whole input, and no piece. */
static void test_who_is_doubted_has_no_piece(void **state)
{
    (void)state;
    struct world *w = begun();
    answer_local(w, 0);
    for (unsigned d = 1; d < DEVICES_ALL - 1; d++) {
        answer(w, d);
    }
    assert_int_equal(w->done, 1);
    pass(w, 500);
    assert_int_equal(next_relay(w, REQUEST + 1), HOLDERS & ~(1U << 4));
    assert_int_equal(asked_mask(w), 1U << 4);
    finish(w, REQUEST + 1);
}

/* Pieces have a length that a holder keeps before its RELAY. */
static void test_pieces_are_bounded(void **state)
{
    (void)state;
    struct world *w = relay_world(DEVICES_ALL);
    w->input_len = (size_t)4 * COVEY_RELAY_PIECE_MAX + 1;
    start_layer(w, REQUEST, 0);
    assert_int_equal(w->relayed, 0);
    assert_int_equal(asked_mask(w), HOLDERS);
    answer_from(w, 0, DEVICES_ALL);
    w->input_len--;
    assert_int_equal(next_relay(w, REQUEST + 1), HOLDERS);
    finish(w, REQUEST + 1);
}

/* What was given in one layer says nothing of the next. */
static void test_each_layer_has_pieces_of_its_own(void **state)
{
    (void)state;
    struct world *w = world_with(DEVICES_ALL, 2);
    for (unsigned layer = 0; layer < 2; layer++) {
        struct covey_work_tile before = w->relay[2];
        start_layer(w, REQUEST, layer);
        assert_int_equal(w->relayed, HOLDERS);
        answer(w, 1);
        if (layer > 0) {
            struct covey_work_tile now = w->relay[2];
            w->relay[2] = before;
            say_stalled(w, 2, 1U << 1);
            w->relay[2] = now;
            assert_int_equal(w->pieces, 0);
        }
        say_stalled(w, 2, 1U << 1);
        assert_int_equal(w->given[2], 1U << 1);
        assert_int_equal(w->pieces, 1);
        answer_from(w, 0, DEVICES_ALL);
    }
    finish(w, REQUEST);
}

/* Pieces are waited for as long as that layer usually takes, and a little; at first for long. */
static void test_pieces_are_waited_for_as_usual(void **state)
{
    (void)state;
    static const unsigned took_ms[] = {100, 70000};
    for (unsigned how = 0; how < 2; how++) {
        struct world *w = world_with(DEVICES_ALL, 2);
        uint64_t request = REQUEST;
        start_layer(w, request, 0);
        assert_int_equal(w->relay[1].stall_ms, 250 + 20);
        for (; request < REQUEST + 8; request++) {
            pass(w, took_ms[how]);
            answer_from(w, 0, DEVICES_ALL);
            assert_int_equal(next_relay(w, request + 1), HOLDERS);
        }
        assert_int_equal(w->relay[1].stall_ms, how == 0 ? 100 + 25 + 20 : UINT16_MAX);
        answer_from(w, 0, DEVICES_ALL);
        start_layer(w, request, 1);
        assert_int_equal(w->relay[1].stall_ms, 250 + 20);
        finish(w, request);
    }
}

/* One layer after the other is, as long as nothing is wrong. */
static void test_layer_after_layer_is_relayed(void **state)
{
    (void)state;
    struct world *w = world_with(DEVICES_ALL, 3);
    for (unsigned layer = 0; layer < 3; layer++) {
        start_layer(w, REQUEST, layer);
        assert_int_equal(w->relayed, HOLDERS);
        answer_from(w, 0, DEVICES_ALL);
    }
    assert_int_equal(w->done, 3);
    finish(w, REQUEST);
}

/* The same layer, exact, is asked again at once. */
static void test_the_same_layer_again(void **state)
{
    (void)state;
    struct world *w = begun();
    answer_from(w, 0, DEVICES_ALL);
    start_layer(w, REQUEST, 0);
    assert_int_equal(w->relayed, 0);
    assert_int_equal(asked_mask(w), HOLDERS);
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
    struct world *w = slow_world(DEVICES_ALL, &(struct links){1, 0, 12});
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
        struct world *w = slow_world(DEVICES_ALL, &(struct links){1, 0, cases[i].link_mbytes});
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
        cmocka_unit_test(test_a_wrong_answer_ends_the_relaying),
        cmocka_unit_test(test_nothing_is_relayed_the_second_time),
        cmocka_unit_test(test_pieces_are_waited_for_as_usual),
        cmocka_unit_test(test_layer_after_layer_is_relayed),
        cmocka_unit_test(test_who_is_doubted_has_no_piece),
        cmocka_unit_test(test_pieces_are_bounded),
        cmocka_unit_test(test_each_layer_has_pieces_of_its_own),
        cmocka_unit_test(test_the_same_layer_again),
        cmocka_unit_test(test_what_is_relayed_no_more_has_its_time),
        cmocka_unit_test(test_what_is_relayed_no_more_is_learned),
        cmocka_unit_test(test_slow_links_are_waited_for_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
