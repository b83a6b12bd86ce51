/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "job_world.h"

/* All devices get START once, the owner among them; the run is done when all rows are here, not
 * before. */
static void test_all_rows_make_the_result(void **state)
{
    (void)state;
    struct world *w = tiles_world(4);
    start_tiles(w, 7);
    assert_int_equal(w->cuts, 1);
    assert_int_equal(w->started, 15);
    for (unsigned d = 0; d < 4; d++) {
        assert_int_equal(w->tiles_done, 0);
        give_piece(w, d);
    }
    assert_int_equal(w->tiles_done, 1);
    assert_int_equal(w->computed_here, 0);
    start_tiles(w, 7);
    assert_int_equal(w->start[1].attempt, 1);
    give_all(w);
    assert_int_equal(w->tiles_done, 2);
    assert_int_equal(w->dropped, 0);
    finish(w, 7);
}

/* Bit d: device d. */
static void lose(struct world *w, unsigned mask)
{
    for (unsigned d = 1; d < DEVICES; d++) {
        if ((mask >> d & 1) != 0) {
            set_peer(w, d, COVEY_PEER_GONE);
        }
    }
}

/* Whichever devices are lost at whatever moment, the others get all rows and make the result. */
static void test_losses_are_shared_out(void **state)
{
    (void)state;
    for (unsigned lost = 2; lost < 16; lost += 2) {
        for (unsigned before = 0; before < 4; before++) {
            struct world *w = tiles_world(4);
            start_tiles(w, 7);
            for (unsigned d = 0; d < before; d++) {
                if ((lost >> d & 1) == 0) {
                    give_piece(w, d);
                }
            }
            lose(w, lost);
            assert_int_equal(w->tiles_done, 0);
            assert_int_equal(w->started, 15 & ~lost);
            assert_int_equal(w->layout.rows[0][w->layout.devices], ROWS);
            give_all(w);
            assert_int_equal(w->tiles_done, 1);
            assert_int_equal(w->computed_here, 0);
            finish(w, 7);
        }
    }
}

/* A loss while the input is being cut waits for that, and the old pieces are given back. */
static void test_loss_while_cutting(void **state)
{
    (void)state;
    struct world *w = tiles_world(3);
    w->no_cut = true;
    start_tiles(w, 7);
    set_peer(w, 1, COVEY_PEER_GONE);
    assert_int_equal(w->cuts, 1);
    answer_cut(w);
    assert_int_equal(w->cuts, 2);
    assert_int_equal(w->started, 0);
    answer_cut(w);
    assert_int_equal(w->started, 5);
    give_all(w);
    assert_int_equal(w->tiles_done, 1);
    finish(w, 7);
}

/* Of those that holders wait for, whoever does not answer is left out, when its rows are as late as
 * the others that wait were given. */
static void test_the_root_of_a_stall_is_left_out(void **state)
{
    (void)state;
    struct world *w = tiles_world(5);
    w->silent = 1U << 1;
    start_tiles(w, 7);
    stall(w, 3, 1U << 2);
    pass(w, 3);
    stall(w, 2, 1U << 1);
    pass(w, w->start[3].stall_ms - 4U);
    assert_int_equal(w->cuts, 1);
    pass(w, 1);
    assert_int_equal(w->cuts, 2);
    assert_int_equal(w->started, 31 & ~2);
    assert_int_equal(w->dropped, 2);
    give_all(w);
    assert_int_equal(w->tiles_done, 1);
    /* For a while it gets no rows, then again. */
    start_tiles(w, 7);
    assert_int_equal(w->started, 31 & ~2);
    give_all(w);
    w->view.now_ms += 3000;
    start_tiles(w, 7);
    assert_int_equal(w->started, 31);
    give_all(w);
    finish(w, 7);
}

/* A holder complains of missing rows in the first attempt too, but not before a quarter of what a
 * run usually takes has gone by; what is usual four runs tell, and no fewer. */
static void test_holders_may_wait_a_quarter_of_a_run(void **state)
{
    (void)state;
    struct world *w = tiles_world(4);
    start_tiles(w, 7);
    uint16_t first_ms = w->start[1].stall_ms;
    assert_true(first_ms > 0);
    give_all(w);
    for (unsigned i = 0; i < 6; i++) {
        start_tiles(w, 7);
        assert_int_equal(w->start[1].stall_ms == first_ms, i < 3);
        pass(w, 2000);
        give_all(w);
    }
    start_tiles(w, 7);
    assert_true(w->start[1].stall_ms >= 500);
    assert_true(w->start[1].stall_ms < 2000);
    give_all(w);
    assert_int_equal(w->tiles_done, 8);
    finish(w, 7);
}

/* Pieces of another attempt, of another device's rows or of a wrong size are not used. */
static void test_wrong_pieces_are_not_used(void **state)
{
    (void)state;
    struct world *w = tiles_world(3);
    start_tiles(w, 7);
    struct covey_work_message m = {.type = COVEY_WORK_PIECE, .tile = w->start[1]};
    m.tile.segment = w->plan.run[0].segments;
    m.tile.source = 1;
    struct covey_rows rows = covey_tile_made(&w->layout, w->plan.run[0].segments - 1U, 1);
    size_t bytes = covey_tile_piece_bytes(&w->plan.run[0], m.tile.segment, rows, false);
    m.tile.attempt++;
    tell(w, 1, &m, new_body(w), bytes);
    m.tile.attempt--;
    tell(w, 2, &m, new_body(w), bytes);
    m.tile.fence.version++;
    assert_false(covey__job_owns(w->job, &m.tile));
    m.tile.fence.version--;
    assert_int_equal(w->cuts, 1);
    tell(w, 1, &m, new_body(w), bytes - 4);
    assert_int_equal(w->cuts, 2);
    assert_int_equal(w->started, 5);
    give_all(w);
    assert_int_equal(w->tiles_done, 1);
    finish(w, 7);
}

/* With nobody left, and after too many attempts, the run is computed here. */
static void test_the_owner_is_the_last_resort(void **state)
{
    (void)state;
    struct world *w = tiles_world(8);
    start_tiles(w, 7);
    unsigned attempts = 1;
    for (; w->tiles_done == 0; attempts++) {
        assert_true(attempts < 10);
        unsigned d = attempts % 7 + 1;
        if ((w->started >> d & 1) != 0) {
            stall(w, d, 1U << d);
            pass(w, 10);
        }
    }
    assert_int_equal(w->computed_here, 1);
    finish(w, 7);
    w = tiles_world(2);
    start_tiles(w, 7);
    stall(w, 0, 3);
    stall(w, 1, 3);
    pass(w, 10);
    assert_int_equal(w->tiles_done, 1);
    assert_int_equal(w->computed_here, 1);
    finish(w, 7);
}

/* The end of a request drops its tiles everywhere and gives everything back. */
static void test_the_end_drops_tiles(void **state)
{
    (void)state;
    struct world *w = tiles_world(4);
    start_tiles(w, 7);
    give_piece(w, 2);
    end(w, 7);
    assert_int_equal(w->dropped, 15);
    assert_no_bodies(w);
    assert_int_equal(begin(w, 8), COVEY_OK);
    w->no_cut = true;
    start_tiles(w, 8);
    end(w, 8);
    answer_cut(w);
    assert_no_bodies(w);
    world_free(w);
}

/* Ten devices lost one after another, while they are replaced: no request is lost. */
static void test_one_loss_after_another(void **state)
{
    (void)state;
    struct world *w = tiles_world(6);
    for (unsigned i = 0; i < 10; i++) {
        unsigned d = i % 5 + 1;
        start_tiles(w, 7);
        set_devices(w, 63 & ~(1U << d));
        set_peer(w, d, COVEY_PEER_GONE);
        give_all(w);
        assert_int_equal(w->tiles_done, i + 1);
        pass(w, 400);
        set_devices(w, 63);
        set_peer(w, d, COVEY_PEER_NO_CHANNEL);
        pass(w, 400);
        end(w, 7);
        assert_int_equal(begin(w, 7), COVEY_OK);
    }
    finish(w, 7);
}

/* The devices of a layout. */
static unsigned makers(const struct covey_tile_layout *layout)
{
    unsigned mask = 0;
    for (unsigned d = 0; d < layout->devices; d++) {
        mask |= (unsigned)(layout->rows[0][d] < layout->rows[0][d + 1]) << d;
    }
    return mask;
}

static void assert_made_twice(const struct world *w, unsigned devices)
{
    assert_int_equal(w->layout.segments, 1);
    assert_int_equal(w->twin.segments, 1);
    assert_int_equal(w->layout.rows[0][w->layout.devices], ROWS);
    assert_int_equal(w->twin.rows[0][w->twin.devices], ROWS);
    assert_int_equal(makers(&w->layout) & makers(&w->twin), 0);
    assert_int_equal(makers(&w->layout) | makers(&w->twin), devices);
}

/* Where strips are checked every row is made by two devices, and the result is only told of when
 * both makings are here. */
static void test_rows_are_made_twice(void **state)
{
    (void)state;
    struct world *w = twins_world(4);
    start_tiles(w, 7);
    assert_int_equal(w->started, 15);
    assert_made_twice(w, 15);
    for (unsigned d = 0; d < 4; d++) {
        assert_int_equal(w->tiles_done, 0);
        give_piece(w, d);
    }
    assert_int_equal(w->tiles_done, 1);
    assert_int_equal(w->computed_here, 0);
    finish(w, 7);
}

/* Whoever is lost: all rows are again made twice by those that are left, and here when only one is.
 */
static void test_losses_are_made_twice_again(void **state)
{
    (void)state;
    for (unsigned lost = 2; lost < 16; lost += 2) {
        struct world *w = twins_world(4);
        start_tiles(w, 7);
        lose(w, lost);
        if (lost < 14) {
            assert_int_equal(w->tiles_done, 0);
            assert_made_twice(w, 15 & ~lost);
            give_all(w);
        }
        assert_int_equal(w->tiles_done, 1);
        assert_int_equal(w->computed_here, lost == 14);
        finish(w, 7);
    }
}

/* A device whose rows were wrong gets none of the next run. */
static void test_liars_get_no_rows(void **state)
{
    (void)state;
    struct world *w = twins_world(4);
    start_tiles(w, 7);
    give_all(w);
    assert_int_equal(w->tiles_done, 1);
    struct covey_plan *plan = malloc(sizeof(*plan));
    assert_non_null(plan);
    *plan = w->plan;
    struct covey_event event = {.type = COVEY_EVENT_LIED, .request = 7, .peer = w->plan.device[2]};
    assert_int_equal(give(w, &event), COVEY_OK);
    w->plan = *plan; /* the request goes on with its own, whatever the next ones get */
    start_tiles(w, 7);
    assert_made_twice(w, 15 & ~4U);
    give_all(w);
    assert_int_equal(w->tiles_done, 2);
    free(plan);
    finish(w, 7);
}

/* Rows that are here need nobody: whoever made them may go. Rows that come twice, or where none are
 * due, are given back. */
static void test_rows_that_are_here_stay(void **state)
{
    (void)state;
    struct world *w = tiles_world(4);
    start_tiles(w, 7);
    give_piece(w, 2);
    give_piece(w, 2);
    set_peer(w, 2, COVEY_PEER_NO_CHANNEL);
    assert_int_equal(w->cuts, 1);
    for (unsigned d = 0; d < 4; d++) {
        if (d != 2) {
            give_piece(w, d);
        }
    }
    assert_int_equal(w->tiles_done, 1);
    finish(w, 7);
}

/* Where memory is too short for the pieces the run is computed here. */
static void test_a_failed_cut_is_not_tried_again(void **state)
{
    (void)state;
    struct world *w = tiles_world(4);
    w->no_cut = true;
    start_tiles(w, 7);
    struct covey_event event = {.type = COVEY_EVENT_TILES_CUT,
                                .request = w->cut.request,
                                .run = w->cut.run,
                                .attempt = w->cut.attempt,
                                .err = COVEY_ERR_NOMEM};
    assert_int_equal(give(w, &event), COVEY_OK);
    assert_int_equal(w->cuts, 1);
    assert_int_equal(w->started, 0);
    assert_int_equal(w->computed_here, 1);
    finish(w, 7);
}

/* A device that is there again gets rows when it has the weights again. */
static void test_who_has_no_weights_gets_no_rows(void **state)
{
    (void)state;
    struct world *w = tiles_world(4);
    w->never_ready[2] = true;
    set_peer(w, 2, COVEY_PEER_NO_CHANNEL);
    pass(w, 1000);
    assert_int_equal(w->assigns[2], 2);
    start_tiles(w, 7);
    assert_int_equal(w->started, 15 & ~4);
    struct covey_work_message ready = {.type = COVEY_WORK_READY, .fence = w->start[1].fence};
    tell(w, 2, &ready, 0, 0);
    give_all(w);
    start_tiles(w, 7);
    assert_int_equal(w->started, 15);
    give_all(w);
    finish(w, 7);
}

/* Device 2 holds others up, and gets no rows for so long. */
static void leave_out_for(struct world *w, uint64_t ms)
{
    start_tiles(w, 7);
    assert_int_equal(w->started, 15);
    stall(w, 2, 1U << 2);
    pass(w, 5);
    assert_int_equal(w->started, 15 & ~4);
    give_all(w);
    pass(w, ms - 1);
    start_tiles(w, 7);
    assert_int_equal(w->started, 15 & ~4);
    give_all(w);
    pass(w, 1);
}

/* Who holds others up again and again gets no rows for twice as long each time, up to 48 s, until
 * it makes rows. */
static void test_who_holds_others_up_again_is_left_out_longer(void **state)
{
    (void)state;
    struct world *w = tiles_world(4);
    for (unsigned i = 0; i < 7; i++) {
        leave_out_for(w, UINT64_C(3000) << (i < 4 ? i : 4));
    }
    start_tiles(w, 7);
    assert_int_equal(w->started, 15);
    give_all(w);
    leave_out_for(w, 3000);
    start_tiles(w, 7);
    assert_int_equal(w->started, 15);
    give_all(w);
    finish(w, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_rows_make_the_result),
        cmocka_unit_test(test_losses_are_shared_out),
        cmocka_unit_test(test_loss_while_cutting),
        cmocka_unit_test(test_the_root_of_a_stall_is_left_out),
        cmocka_unit_test(test_holders_may_wait_a_quarter_of_a_run),
        cmocka_unit_test(test_wrong_pieces_are_not_used),
        cmocka_unit_test(test_the_owner_is_the_last_resort),
        cmocka_unit_test(test_the_end_drops_tiles),
        cmocka_unit_test(test_one_loss_after_another),
        cmocka_unit_test(test_rows_are_made_twice),
        cmocka_unit_test(test_losses_are_made_twice_again),
        cmocka_unit_test(test_liars_get_no_rows),
        cmocka_unit_test(test_rows_that_are_here_stay),
        cmocka_unit_test(test_a_failed_cut_is_not_tried_again),
        cmocka_unit_test(test_who_has_no_weights_gets_no_rows),
        cmocka_unit_test(test_who_holds_others_up_again_is_left_out_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
