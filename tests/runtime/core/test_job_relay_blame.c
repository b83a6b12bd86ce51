/* SPDX-License-Identifier: MIT */
#include "job_world_relay.h"

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
    assert_int_equal(asked_mask(w), 1U << 1);
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(w->done, 3);
    assert_int_equal(w->layer_done.fed, HOLDERS & ~2U);
    pass(w, 2999);
    assert_int_equal(next_relay(w, REQUEST + 2), HOLDERS & ~2U);
    answer_from(w, 0, DEVICES_ALL);
    pass(w, 1);
    assert_int_equal(next_relay(w, REQUEST + 3), HOLDERS);
    finish(w, REQUEST + 3);
}

/* Who has no piece leaves none behind when it is lost. */
static void test_others_leave_no_piece_behind(void **state)
{
    (void)state;
    struct world *w = begun();
    say_stalled(w, 2, 1U << 1);
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(next_relay(w, REQUEST + 1), HOLDERS & ~2U);
    set_peer(w, 1, COVEY_PEER_GONE);
    assert_int_equal(w->pieces, 0);
    finish(w, REQUEST + 1);
}

/* Who is complained of once is left out for three seconds, not for as long as that is repeated. */
static void test_repeated_complaints_change_nothing(void **state)
{
    (void)state;
    struct world *w = begun();
    say_stalled(w, 2, 1U << 1);
    pass(w, 2000);
    say_stalled(w, 2, 1U << 1);
    answer_from(w, 0, DEVICES_ALL);
    pass(w, 1000);
    assert_int_equal(next_relay(w, REQUEST + 1), HOLDERS);
    finish(w, REQUEST + 1);
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

/* Whoever says again that pieces do not come, of whomever, is given each once; and it is the one
 * that is left out when those are most of all. */
static void test_each_piece_is_given_once(void **state)
{
    (void)state;
    struct world *w = begun();
    for (unsigned i = 0; i < 5; i++) {
        say_stalled(w, 2, 1U << 1 | 1U << 0 | 1U << 7); /* the owner has none, 7 is nobody */
        assert_int_equal(w->pieces, 1);
    }
    set_peer(w, 1, COVEY_PEER_GONE);
    assert_int_equal(w->pieces, 3); /* to 3 and 4 */
    say_stalled(w, 2, HOLDERS & ~(1U << 2));
    assert_int_equal(w->pieces, 5);
    say_stalled(w, 3, 1U << 1);
    assert_int_equal(w->pieces, 5);
    answer_from(w, 0, DEVICES_ALL);
    finish(w, REQUEST);
}

static void test_complaints_of_all_by_turns_leave_out_who_complains(void **state)
{
    (void)state;
    struct world *w = relay_world(DEVICES_ALL + 1);
    start_layer(w, REQUEST, 0);
    say_stalled(w, 2, 1U << 1 | 1U << 3);
    say_stalled(w, 2, 1U << 4);
    answer_from(w, 0, DEVICES_ALL + 1);
    assert_int_equal(next_relay(w, REQUEST + 1), 1U << 4 | 1U << 5);
    finish(w, REQUEST + 1);
}

/* Who has answered has given its piece, which may be late; if it is late again, in what began after
 * that was known, it is left out, for a while. */
static void test_who_is_late_again_is_left_out(void **state)
{
    (void)state;
    struct world *w = begun();
    answer(w, 1);
    pass(w, 10);
    say_stalled(w, 2, 1U << 1);
    say_stalled(w, 3, 1U << 1);
    assert_int_equal(w->pieces, 2);
    answer_from(w, 0, DEVICES_ALL);
    pass(w, 10);
    assert_int_equal(next_relay(w, REQUEST + 1), HOLDERS);
    answer(w, 1);
    pass(w, 10);
    say_stalled(w, 2, 1U << 1);
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(next_relay(w, REQUEST + 2), HOLDERS & ~(1U << 1));
    answer_from(w, 0, DEVICES_ALL);
    pass(w, 3001);
    assert_int_equal(next_relay(w, REQUEST + 3), HOLDERS);
    answer(w, 1);
    say_stalled(w, 2, 1U << 1);
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(next_relay(w, REQUEST + 4), HOLDERS); /* long ago */
    finish(w, REQUEST + 4);
}

/* A holder that cannot take part says so, or refuses: it is asked with the whole input, and in no
 * relay for a while, since what it was given may be what is wrong. */
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
        assert_int_equal(asked_mask(w), 1U << 2);
        answer_from(w, 0, DEVICES_ALL);
        assert_int_equal(w->done, 1);
        assert_int_equal(w->layer_done.fed, HOLDERS & ~(1U << 2));
        assert_int_equal(next_relay(w, REQUEST + 1), HOLDERS & ~(1U << 2));
        finish(w, REQUEST + 1);
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
    uint8_t bytes[8] = {1U << 1};
    struct covey_work_message m = {.type = COVEY_WORK_STALLED, .tile = w->relay[2]};
    m.tile.run = COVEY_WORK_NO_RUN;
    m.tile.missing = covey_bytes_of(bytes, sizeof(bytes));
    tell(w, 2, &m, 0, 0); /* of more devices than there are */
    w->relay[2].fence.version++;
    say_stalled(w, 2, 1U << 1);
    assert_int_equal(w->pieces, 0);
    assert_int_equal(asked_mask(w), 0);
    say_stalled(w, 4, 1U << 4);
    assert_int_equal(asked_mask(w), 1U << 4);
    say_stalled(w, 4, 1U << 1); /* it has the whole input now */
    answer_from(w, 0, DEVICES_ALL);
    assert_int_equal(next_relay(w, REQUEST + 1), HOLDERS & ~(1U << 4));
    finish(w, REQUEST + 1);
}

/* Pieces that the owner gave since whoever had them was lost are no complaints of who got them. */
static void test_losses_are_no_complaints(void **state)
{
    (void)state;
    struct world *w = relay_world(DEVICES_ALL + 1);
    start_layer(w, REQUEST, 0);
    set_peer(w, 1, COVEY_PEER_GONE);
    set_peer(w, 3, COVEY_PEER_GONE);
    assert_int_equal(w->given[2], 1U << 1 | 1U << 3);
    say_stalled(w, 2, 1U << 1 | 1U << 3 | 1U << 4);
    assert_int_equal(w->given[2], 1U << 1 | 1U << 3 | 1U << 4);
    for (unsigned d = 0; d <= DEVICES_ALL; d++) {
        if (d != 1 && d != 3) {
            answer(w, d);
        }
    }
    answer_local(w, 1);
    assert_int_equal(w->done, 1);
    assert_int_equal(next_relay(w, REQUEST + 1), 1U << 2 | 1U << 5);
    finish(w, REQUEST + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_pieces_are_given),
        cmocka_unit_test(test_others_leave_no_piece_behind),
        cmocka_unit_test(test_repeated_complaints_change_nothing),
        cmocka_unit_test(test_who_misses_most_is_left_out),
        cmocka_unit_test(test_each_piece_is_given_once),
        cmocka_unit_test(test_complaints_of_all_by_turns_leave_out_who_complains),
        cmocka_unit_test(test_who_is_late_again_is_left_out),
        cmocka_unit_test(test_who_cannot_is_asked),
        cmocka_unit_test(test_other_complaints_are_not_heard),
        cmocka_unit_test(test_losses_are_no_complaints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
