/* SPDX-License-Identifier: MIT
 *
 * What holders' tiles take of a device's memory, and when: before requests, within its bounds, and
 * once for all versions of a plan.
 */
#include "tiles_world.h"

/* Weights beyond what this device gives to others are refused, before any is fetched. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct world w;
    tiles_world_init(&w, tiles_vgg(8), 2, 1);
    assert_int_equal(tiles_open_holder(&w, 0, 1000), COVEY_ERR_LIMIT);
    assert_int_equal(tiles_network(&w, 0)->weight_bytes, 0);
    tiles_world_done(&w);
}

/* Of what is used, all but the models themselves, which are small. */
static uint64_t values(const struct world *w)
{
    uint64_t bytes = w->used_bytes;
    for (unsigned d = 0; d < HOLDERS; d++) {
        for (unsigned i = 0; i < STRIP_MODELS; i++) {
            bytes -= w->networks[d].first->model[i].table_bytes;
        }
    }
    return bytes;
}

/* A new version of the plan with other rows fetches nothing again and holds no weights twice, and a
 * room is there before a request; it computes the same when the older one is gone. */
static void test_versions_share_weights(void **state)
{
    (void)state;
    struct world w;
    struct covey_tile_layout layout;
    tiles_world_init(&w, tiles_vgg(10), 2, 1);
    tiles_open_holders(&w);
    uint64_t bytes = values(&w), constants = 0;
    for (size_t i = 0; i < w.blobs; i++) {
        constants += w.blob[i].len;
    }
    size_t fetched = w.fetched;
    for (unsigned s = 0; s < w.plan.run[0].segments; s++) {
        w.plan.run[0].segment[s].rows[1]--;
    }
    for (unsigned d = 0; d < HOLDERS; d++) {
        struct covey_assignment *next = NULL;
        assert_int_equal(tiles_open(&w, d, 2, MEMORY, &next), COVEY_OK);
        covey__assignment_unref(w.holder[d].assignment);
        w.holder[d].assignment = next;
    }
    assert_int_equal(w.fetched, fetched);
    assert_true(values(&w) - bytes < constants / 4 && w.networks[0].first->room_count == 1);
    covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
    assert_true(tiles_run(&w, 0, &layout) < 1e-5);
    tiles_world_done(&w);
}

/* A version with more of the model's cells fetches only what is new. */
static void test_versions_fetch_what_is_new(void **state)
{
    (void)state;
    struct world w;
    struct covey_tile_layout layout;
    struct covey_assignment *first = NULL;
    tiles_world_init(&w, tiles_vgg(11), 1, 1);
    struct covey_plan whole = w.plan;
    w.plan.run[0].segments = 2;
    w.plan.run[0].cells = 2;
    size_t before = w.fetched;
    assert_int_equal(tiles_open(&w, 0, 1, MEMORY, &first), COVEY_OK);
    size_t some = w.fetched - before;
    w.plan = whole;
    tiles_open_holders(&w);
    size_t three = w.fetched - before;
    assert_true(three > HOLDERS * some);
    assert_int_equal(three % HOLDERS, 0); /* as much at the one as at each that has it all anew */
    covey__assignment_unref(first);
    covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
    assert_true(tiles_run(&w, 0, &layout) < 1e-5);
    tiles_world_done(&w);
}

/* Whoever is left out, the others' strips are higher than the plan's, and run in the room that was
 * there before. */
static void test_higher_strips_find_room(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < HOLDERS; lost++) {
        struct world w;
        struct covey_tile_layout layout;
        const struct strip_room *room[HOLDERS];
        static const uint32_t rate[COVEY_PLAN_DEVICES_MAX] = {2, 1, 1};
        tiles_world_init(&w, tiles_vgg(13), 1, 1);
        tiles_open_holders(&w);
        for (unsigned d = 0; d < HOLDERS; d++) {
            room[d] = tiles_network(&w, d)->rooms;
            assert_non_null(room[d]);
        }
        struct covey_plan_run shared = w.plan.run[0];
        assert_true(covey_plan_share(&shared, HOLDERS, 7U & ~(1U << lost), rate));
        covey_tile_layout_of(&shared, HOLDERS, &layout);
        assert_true(tiles_run(&w, 0, &layout) < 1e-5);
        for (unsigned d = 0; d < HOLDERS; d++) {
            assert_ptr_equal(tiles_network(&w, d)->rooms, room[d]);
            assert_int_equal(tiles_network(&w, d)->room_bytes, room[d]->bytes);
        }
        tiles_world_done(&w);
    }
}

/* What may come takes at most half of what is left of the memory that this device gives, and is had
 * only where that is there still. */
static void test_room_for_what_may_come_is_bounded(void **state)
{
    (void)state;
    struct world w;
    tiles_world_init(&w, tiles_vgg(14), 1, 1);
    tiles_open_holders(&w);
    struct covey_network *n = tiles_network(&w, 0);
    const struct strip_model all = {.cells = 2,
                                    .in = {0, (uint16_t)w.cell[0].in_rows},
                                    .out = {0, (uint16_t)w.cell[1].out_rows}};
    covey__network_reserve(n, &all);
    size_t high = n->room_bytes;
    n = tiles_network(&w, 1);
    size_t own = n->room_bytes;
    n->limit = w.used_bytes - own + 2 * high - 1;
    covey__network_reserve(n, &all);
    assert_true(n->room_bytes == own && n->room_count == 1 && own < high);
    n->limit++;
    covey__network_reserve(n, &all);
    assert_true(n->room_bytes == high && n->room_count == 0);
    n->limit = w.used_bytes + high - 1;
    covey__network_warm(n);
    assert_int_equal(n->room_count, 0);
    n->limit++;
    covey__network_warm(n);
    assert_true(n->room_count == 1 && w.used_bytes == n->limit);
    tiles_world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_versions_share_weights),
        cmocka_unit_test(test_versions_fetch_what_is_new),
        cmocka_unit_test(test_higher_strips_find_room),
        cmocka_unit_test(test_room_for_what_may_come_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
