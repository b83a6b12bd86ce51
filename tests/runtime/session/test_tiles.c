/* SPDX-License-Identifier: MIT
 *
 * Holders' tiles, driven as core drives them, against the whole model: whatever the rows, the
 * attempt and the width of numbers on the way, the rows put together are those of one device.
 */
#include "tiles_world.h"

/* The plan's own rows, then a second attempt without device 1, by segments of one, two and three
 * cells, for batches of 1 to 5. */
static void test_holders_compute_the_whole(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct world w;
        struct covey_tile_layout layout;
        static const uint32_t rate[COVEY_PLAN_DEVICES_MAX] = {3, 2, 1};
        tiles_world_init(&w, i % 2 == 0 ? tiles_vgg(4) : small_network(4), 1 + i / 2,
                         i % 3 == 0 ? 1 : i);
        tiles_open_holders(&w);
        covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
        assert_true(tiles_run(&w, 0, &layout) < 1e-5);
        struct covey_plan_run shared = w.plan.run[0];
        assert_true(covey_plan_share(&shared, HOLDERS, 5, rate));
        covey_tile_layout_of(&shared, HOLDERS, &layout);
        assert_true(tiles_run(&w, 1, &layout) < 1e-5);
        tiles_world_done(&w);
    }
}

/* Rows that travel as halves are within what a half can say. */
static void test_halves_on_the_way(void **state)
{
    (void)state;
    struct world w;
    struct covey_tile_layout layout;
    tiles_world_init(&w, tiles_vgg(6), 2, 1);
    w.plan.half = true;
    tiles_open_holders(&w);
    covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
    double error = tiles_run(&w, 0, &layout);
    assert_true(error > 1e-6 && error < 5e-3);
    tiles_world_done(&w);
}

/* What was dropped, and pieces that are not the layout's, fail; nothing is left of them. */
static void test_what_is_missing_fails(void **state)
{
    (void)state;
    struct world w;
    struct covey_tile_layout layout;
    struct covey_tile_task task;
    tiles_world_init(&w, tiles_vgg(7), 1, 1);
    tiles_open_holders(&w);
    const struct covey_cell *first = &w.cell[0];
    covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
    struct covey_rows rows = covey_tile_need(&w.plan.run[0], &layout, 0, 0);
    struct covey_plane_rows part = {first->in_planes, first->in_rows, first->in_width, rows.begin,
                                    rows.end};
    tiles_begin(&w, 0, 0, &layout, &task);
    task.piece[COVEY_TILE_OWNER] = tiles_put(&w, w.input, part);
    tiles_compute(&w, 0, &task);
    assert_int_equal(w.err, COVEY_OK);
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
        covey_body_unref(covey__handles_take(&w.services.handles, w.pieces[d]));
    }
    struct covey_action drop = {.type = COVEY_ACTION_TILES_DROPPED,
                                .peer = w.holder[0].assignment->owner,
                                .fence = w.holder[0].assignment->fence,
                                .request = 9};
    covey__tiling_dropped(w.holder[0].tiling, &drop);
    tiles_begin(&w, 0, 0, &layout, &task);
    task.segment = 1;
    tiles_compute(&w, 0, &task); /* no rows of its own, none of its neighbours */
    assert_int_equal(w.err, COVEY_ERR_RANGE);
    tiles_begin(&w, 0, 0, &layout, &task);
    part.end--;
    task.piece[COVEY_TILE_OWNER] = tiles_put(&w, w.input, part);
    tiles_compute(&w, 0, &task);
    assert_int_equal(w.err, COVEY_ERR_MALFORMED);
    tiles_begin(&w, 1, 0, &layout, &task);
    task.device = 0; /* another's rows */
    tiles_compute(&w, 1, &task);
    assert_int_equal(w.err, COVEY_ERR_RANGE);
    tiles_world_done(&w);
}

/* Keeps a thread of the pool busy until the test lets it go. */
struct busy {
    struct covey_task task;
    pthread_mutex_t *gate;
};

static void busy_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct busy *b = (struct busy *)task;
    pthread_mutex_lock(b->gate);
    pthread_mutex_unlock(b->gate);
}

static void busy_done(struct covey_task *task)
{
    (void)task;
}

/* A tile that was dropped while it waited for a thread is not computed any more. */
static void test_dropped_tiles_are_not_computed(void **state)
{
    (void)state;
    struct world w;
    struct covey_tile_layout layout;
    struct covey_tile_task task;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct busy busy[2] = {{{.work = busy_work, .done = busy_done}, &gate},
                           {{.work = busy_work, .done = busy_done}, &gate}};
    tiles_world_init(&w, tiles_vgg(12), 1, 1);
    tiles_open_holders(&w);
    const struct covey_cell *c = &w.cell[0];
    covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
    struct covey_rows rows = covey_tile_need(&w.plan.run[0], &layout, 0, 0);
    tiles_begin(&w, 0, 0, &layout, &task);
    struct covey_plane_rows part = {c->in_planes, c->in_rows, c->in_width, rows.begin, rows.end};
    task.piece[COVEY_TILE_OWNER] = tiles_put(&w, w.input, part);
    struct covey_action action = tiles_action(&w, 0, &task);
    pthread_mutex_lock(&gate);
    covey__pool_submit(w.services.compute, &busy[0].task);
    covey__pool_submit(w.services.compute, &busy[1].task);
    covey__tiling_compute(w.holder[0].tiling, w.holder[0].assignment, &action);
    covey__tiling_dropped(w.holder[0].tiling, &action);
    pthread_mutex_unlock(&gate);
    covey_loop_run(w.services.loop);
    assert_int_equal(w.err, COVEY_ERR_CANCELLED);
    tiles_world_done(&w);
}

/* A plan whose rows are another model's is not taken for this one. */
static void test_plans_of_other_models_are_refused(void **state)
{
    (void)state;
    struct world w;
    struct covey_strips *strips = NULL;
    struct covey_node_id self = tiles_id(1), stranger = tiles_id(7);
    tiles_world_init(&w, tiles_vgg(9), 2, 1);
    assert_int_equal(tiles_open_holder(&w, 0, MEMORY), COVEY_OK);
    struct covey_network *n = w.holder[0].assignment->network;
    struct covey_plan_segment *s = &w.plan.run[0].segment[1];
    assert_int_equal(covey__strips_new(n, &w.plan, &stranger, &strips), COVEY_ERR_RANGE);
    s->map.in_row_bytes += 4;
    assert_int_equal(covey__strips_new(n, &w.plan, &self, &strips), COVEY_ERR_RANGE);
    s->map.in_row_bytes -= 4;
    s->first_cell++;
    assert_int_equal(covey__strips_new(n, &w.plan, &self, &strips), COVEY_ERR_RANGE);
    s->first_cell--;
    w.plan.run[0].segment[w.plan.run[0].segments - 1].cells += 9;
    assert_int_equal(covey__strips_new(n, &w.plan, &self, &strips), COVEY_ERR_RANGE);
    tiles_world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holders_compute_the_whole),
        cmocka_unit_test(test_halves_on_the_way),
        cmocka_unit_test(test_what_is_missing_fails),
        cmocka_unit_test(test_dropped_tiles_are_not_computed),
        cmocka_unit_test(test_plans_of_other_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
