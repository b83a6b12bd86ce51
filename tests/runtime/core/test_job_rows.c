/* SPDX-License-Identifier: MIT */
#include "job_world.h"

/* Each device is sent its own part of the input, and any as many answers as there are blocks end
 * the layer: whichever of five devices stays silent. */
static void test_any_blocks_end_the_layer(void **state)
{
    (void)state;
    for (unsigned silent = 0; silent < 5; silent++) {
        struct world *w = rows_world(5, 1);
        assert_int_equal(w->plan.layer[0].units, 4);
        assert_int_equal(w->plan.layer[0].slots, 5);
        start_layer(w, 7, 0);
        for (unsigned d = 1; d < 5; d++) {
            assert_true(w->asked[d]);
        }
        assert_int_equal(w->locals, 1);
        answer_but(w, 5, silent);
        assert_int_equal(w->done, 1);
        assert_int_equal(w->layer_done.local, 0);
        assert_int_equal(w->layer_done.recovered_late, rebuilt(w, 0));
        world_free(w);
    }
}

/* With more losses than parities the owner computes the missing blocks; an answer of another size
 * than a block's is none. */
static void test_missing_blocks_are_computed_here(void **state)
{
    (void)state;
    struct world *w = rows_world(5, 1);
    start_layer(w, 7, 0);
    set_peer(w, 1, COVEY_PEER_GONE);
    struct covey_work_message m = answer_of(w, 2);
    tell(w, 2, &m, new_body(w), BLOCK_BYTES - 4);
    answer(w, 0);
    answer_from(w, 3, 5);
    assert_int_equal(w->done, 0);
    assert_int_equal(w->locals, 2);
    assert_true(bits(w->local[1].slots) >= 1);
    answer_local(w, 1);
    assert_int_equal(w->done, 1);
    assert_int_not_equal(w->layer_done.local, 0);
    world_free(w);
}

/* Without each device's part there is nothing to ask with. */
static void test_rows_need_parts(void **state)
{
    (void)state;
    struct world *w = rows_world(5, 1);
    struct covey_event event = {.type = COVEY_EVENT_LAYER, .request = 7, .body = INPUT};
    assert_int_equal(give(w, &event), COVEY_ERR_RANGE);
    world_free(w);
}

/* Every holder is told who else has all the weights. Of layers by filters, where each has its own,
 * nobody is. */
static void test_holders_know_of_one_another(void **state)
{
    (void)state;
    struct world *w = rows_world(5, 1), *filters = ready_world(5, 1);
    for (unsigned d = 1; d < 5; d++) {
        assert_int_equal(w->assigns[d], 1);
        assert_int_equal(w->planned[d], 1);
        assert_int_equal(filters->assigns[d], 1);
        assert_int_equal(filters->planned[d], 0);
    }
    world_free(w);
    world_free(filters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_blocks_end_the_layer),
        cmocka_unit_test(test_missing_blocks_are_computed_here),
        cmocka_unit_test(test_rows_need_parts),
        cmocka_unit_test(test_holders_know_of_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
