/* SPDX-License-Identifier: MIT */
#include "job_world.h"

enum { REQUEST = 7, FED = 0xe }; /* all but the owner, of four */

/* As a holder does that was fed. */
static void answer_fed(struct world *w, unsigned device)
{
    const struct covey_work_tile *start = &w->start[device];
    w->execute[device] = (struct covey_work_execute){.fence = start->fence,
                                                     .request = start->request,
                                                     .layer = start->layer,
                                                     .work = start->work};
    answer(w, device);
}

static void stall_fed(struct world *w, unsigned device, uint32_t missing)
{
    w->at[device] = w->plan.run[0].segments;
    stall(w, device, missing);
}

static unsigned asked(const struct world *w)
{
    unsigned mask = 0;
    for (unsigned d = 0; d < DEVICES; d++) {
        mask |= (unsigned)w->asked[d] << d;
    }
    return mask;
}

static struct world *fed_world(void)
{
    struct world *w = feed_world(4);
    assert_int_equal(w->plan.run[0].feeds, 1);
    start_tiles(w, REQUEST);
    assert_int_equal(w->started, 15);
    for (unsigned d = 0; d < 4; d++) {
        assert_int_equal(w->start[d].fed, FED);
        assert_int_equal(w->start[d].work != 0, d != 0);
        assert_int_equal(w->start[d].layer, 0);
    }
    return w;
}

/* Holders that are fed are not asked: their answers come by what START said, and the layer is done
 * with them and the owner's own. */
static void test_the_fed_are_not_asked(void **state)
{
    (void)state;
    struct world *w = fed_world();
    give_all(w);
    assert_int_equal(w->tiles_done, 1);
    assert_int_equal(w->layer_done.fed, FED);
    start_layer(w, REQUEST, 0);
    assert_int_equal(asked(w), 0);
    assert_int_equal(w->locals, 1);
    answer_local(w, 0);
    answer_fed(w, 1);
    assert_int_equal(w->done, 0);
    answer_fed(w, 2); /* with one parity three of four do */
    assert_int_equal(w->done, 1);
    assert_int_equal(w->layer_done.fed, FED);
    assert_int_equal(w->layer_done.recovered_dead, 0);
    answer_fed(w, 3);
    finish(w, REQUEST);
}

/* They may answer before the owner has all rows, and before it reaches the layer. */
static void test_answers_before_the_layer_are_kept(void **state)
{
    (void)state;
    struct world *w = fed_world();
    answer_fed(w, 1);
    give_all(w);
    answer_fed(w, 2);
    answer_fed(w, 3);
    start_layer(w, REQUEST, 0);
    answer_local(w, 0);
    assert_int_equal(w->done, 1);
    assert_int_equal(asked(w), 0);
    finish(w, REQUEST);
}

/* Whoever misses rows that the owner has is sent the whole input, whether it says so before or
 * within the layer; what it may still answer to START is not taken. */
static void test_who_misses_rows_is_asked(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct world *w = fed_world();
        give_all(w);
        if (late == 0) {
            stall_fed(w, 2, 1U << 1);
        }
        start_layer(w, REQUEST, 0);
        if (late == 1) {
            assert_int_equal(asked(w), 0);
            stall_fed(w, 2, 1U << 1);
        }
        assert_int_equal(asked(w), 1U << 2);
        struct covey_work_execute direct = w->execute[2];
        assert_int_not_equal(direct.work, w->start[2].work);
        answer_local(w, 0);
        answer_fed(w, 1);
        answer_fed(w, 2);
        assert_int_equal(w->done, 0);
        w->execute[2] = direct;
        answer(w, 2);
        answer_fed(w, 3);
        assert_int_equal(w->done, 1);
        assert_int_equal(w->layer_done.fed, FED & ~(1U << 2));
        assert_int_equal(w->cuts, 1);
        finish(w, REQUEST);
    }
}

/* That a holder has made its own rows, and waits for those of others, is no complaint: it was
 * asked. Nor is what arrives behind its answer. */
static void test_an_answer_is_no_complaint(void **state)
{
    (void)state;
    struct world *w = fed_world();
    stall_fed(w, 2, 0);
    give_all(w);
    start_layer(w, REQUEST, 0);
    assert_int_equal(asked(w), 0);
    stall_fed(w, 2, 0);
    assert_int_equal(asked(w), 0);
    answer_local(w, 0);
    answer_fed(w, 1);
    answer_fed(w, 2);
    assert_int_equal(w->layer_done.fed, FED);
    answer_fed(w, 3);
    finish(w, REQUEST);
    w = fed_world();
    give_all(w);
    answer_fed(w, 2);
    stall_fed(w, 2, 1U << 1);
    start_layer(w, REQUEST, 0);
    assert_int_equal(asked(w), 0);
    finish(w, REQUEST);
}

/* Rows that the owner misses too are the run's trouble: it is tried again among the others, and
 * then nobody is fed. Who was asked and has not answered is told; the next request feeds again. */
static void test_a_run_that_is_tried_again_feeds_nobody(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 2; how++) {
        struct world *w = fed_world();
        struct covey_work_tile first = w->start[2];
        give_piece(w, 2);
        answer_fed(w, 3);
        if (how == 0) {
            w->silent = 1U << 1;
            stall_fed(w, 2, 1U << 1);
            pass(w, w->start[2].stall_ms);
        } else {
            set_peer(w, 1, COVEY_PEER_GONE);
        }
        assert_int_equal(w->cuts, 2);
        assert_int_equal(w->started, 15 & ~2);
        assert_int_equal(w->start[2].fed, 0);
        give_all(w);
        assert_int_equal(w->tiles_done, 1);
        assert_int_equal(w->layer_done.fed, 0);
        if (how == 0) {
            w->execute[2] = (struct covey_work_execute){.request = REQUEST, .work = first.work};
            end(w, REQUEST);
            assert_int_equal(w->cancels[2], 1);
            assert_int_equal(w->cancels[3], 0);
            assert_int_equal(begin(w, REQUEST), COVEY_OK);
            start_tiles(w, REQUEST);
            assert_int_equal(w->start[2].fed, FED & ~2U);
            w->execute[2].request = w->execute[3].request = 0;
        } else {
            start_layer(w, REQUEST, 0);
            assert_int_equal(asked(w), FED & ~2U);
        }
        finish(w, REQUEST);
    }
}

/* A holder that is lost in between is one loss as any, and nothing is waited for. */
static void test_a_lost_holder_is_rebuilt(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct world *w = fed_world();
        give_all(w);
        if (late == 0) {
            set_peer(w, 3, COVEY_PEER_GONE);
        }
        start_layer(w, REQUEST, 0);
        answer_local(w, 0);
        answer_fed(w, 1);
        answer_fed(w, 2);
        if (late == 1) {
            set_peer(w, 3, COVEY_PEER_GONE);
        }
        assert_int_equal(w->done, 1);
        assert_int_equal(asked(w), 0);
        finish(w, REQUEST);
    }
}

/* A refusal, and an answer of another size, are followed by the whole input. */
static void test_a_refusal_is_followed_by_the_input(void **state)
{
    (void)state;
    struct world *w = fed_world();
    give_all(w);
    start_layer(w, REQUEST, 0);
    struct covey_work_message m = {.type = COVEY_WORK_ANSWER};
    m.answer = (struct covey_work_answer){.fence = w->start[1].fence,
                                          .request = REQUEST,
                                          .work = w->start[1].work,
                                          .status = COVEY_WORK_STATUS_REFUSED};
    tell(w, 1, &m, 0, 0);
    assert_int_equal(asked(w), 1U << 1);
    m.answer.work = w->start[2].work;
    m.answer.status = COVEY_WORK_STATUS_DONE;
    tell(w, 2, &m, new_body(w), 2);
    assert_int_equal(asked(w), 1U << 1 | 1U << 2);
    answer(w, 1);
    answer(w, 2);
    answer_fed(w, 3);
    answer_local(w, 0);
    assert_int_equal(w->done, 1);
    finish(w, REQUEST);
}

/* The end of a request, at whatever moment, cancels what holders were fed for and gives all
 * answers back. */
static void test_the_end_cancels(void **state)
{
    (void)state;
    for (unsigned when = 0; when < 3; when++) {
        struct world *w = fed_world();
        answer_fed(w, 1);
        if (when > 0) {
            give_all(w);
        }
        if (when > 1) {
            start_layer(w, REQUEST, 0);
        }
        for (unsigned d = 2; d < 4; d++) {
            w->execute[d] =
                (struct covey_work_execute){.request = REQUEST, .work = w->start[d].work};
        }
        end(w, REQUEST);
        assert_int_equal(w->cancels[1], 0);
        assert_int_equal(w->cancels[2], 1);
        assert_int_equal(w->cancels[3], 1);
        assert_int_equal(w->dropped, when == 0 ? 15 : 0);
        assert_no_bodies(w);
        world_free(w);
    }
}

/* After an answer that was wrong the layer is asked for again, or the request begins again, with
 * the owner's own input, which tells who lied, and no run of this plan feeds any more. */
static void feeding_ends(bool from_the_start)
{
    struct world *w = fed_world();
    give_all(w);
    start_layer(w, REQUEST, 0);
    answer_local(w, 0);
    for (unsigned d = 1; d < 4; d++) {
        answer_fed(w, d);
    }
    assert_int_equal(w->done, 1);
    if (from_the_start) {
        start_tiles(w, REQUEST);
        assert_int_equal(w->start[1].fed, 0);
        give_all(w);
    }
    start_layer(w, REQUEST, 0);
    assert_int_equal(asked(w), FED);
    answer_local(w, 0);
    answer_from(w, 1, 4);
    assert_int_equal(w->done, 2);
    assert_int_equal(w->layer_done.fed, 0);
    end(w, REQUEST);
    assert_int_equal(begin(w, 8), COVEY_OK);
    start_tiles(w, 8);
    assert_int_equal(w->start[1].fed, 0);
    finish(w, 8);
}

static void test_a_wrong_answer_ends_the_feeding(void **state)
{
    (void)state;
    feeding_ends(false);
    feeding_ends(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_fed_are_not_asked),
        cmocka_unit_test(test_answers_before_the_layer_are_kept),
        cmocka_unit_test(test_who_misses_rows_is_asked),
        cmocka_unit_test(test_an_answer_is_no_complaint),
        cmocka_unit_test(test_a_run_that_is_tried_again_feeds_nobody),
        cmocka_unit_test(test_a_lost_holder_is_rebuilt),
        cmocka_unit_test(test_a_refusal_is_followed_by_the_input),
        cmocka_unit_test(test_the_end_cancels),
        cmocka_unit_test(test_a_wrong_answer_ends_the_feeding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
