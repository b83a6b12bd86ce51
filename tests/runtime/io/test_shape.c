/* SPDX-License-Identifier: MIT */
#include "channel_fixture.h"

#include "shape.h"

enum { DELAY_MS = 30, BODIES = 20 };

static bool all_came(const struct fixture *f)
{
    return f->nodes[1].count >= BODIES;
}

/* What is sent over a long link comes whole, in order, and no earlier than the delay. */
static void test_shape_delays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(covey_loop_shape(f->loop, DELAY_MS, 0), COVEY_OK);
    fixture_connect(f);
    uint64_t start_ns = covey_clock_ns();
    for (unsigned i = 0; i < BODIES; i++) {
        assert_int_equal(fixture_send(f, 0, (uint8_t)i, 8, SIZE_MAX), COVEY_OK);
    }
    assert_true(fixture_run(f, all_came, FIXTURE_WAIT_MS));
    assert_true(covey_clock_ns() - start_ns >= (uint64_t)DELAY_MS * 1000000);
    for (unsigned i = 0; i < BODIES; i++) {
        assert_int_equal(f->nodes[1].messages[i].tag, i);
    }
}

/* Large bodies keep the link full while it delays. */
static void test_shape_bodies(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(covey_loop_shape(f->loop, DELAY_MS, 0), COVEY_OK);
    fixture_connect(f);
    for (unsigned i = 0; i < BODIES; i++) {
        assert_int_equal(fixture_send(f, 0, (uint8_t)i, 8, 300000 + i), COVEY_OK);
    }
    assert_true(fixture_run(f, all_came, FIXTURE_WAIT_MS));
    for (unsigned i = 0; i < BODIES; i++) {
        assert_true(f->nodes[1].messages[i].body_right);
    }
}

/* A loop that ends while writes wait frees them (the teardown, under a sanitizer). */
static void test_shape_ends_early(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(covey_loop_shape(f->loop, 60000, 0), COVEY_OK);
    fixture_dial(f, 0, 1);
    assert_false(fixture_run(f, all_came, 50));
}

/* Of all datagrams that are lost none is kept, and of a good link all are. */
static void test_shape_loses(void **state)
{
    (void)state;
    struct covey__shape all = {.delay_ns = 0}, none = {.delay_ns = 0};
    assert_int_equal(covey__shape_open(&all, NULL, 0, 100), COVEY_OK);
    assert_int_equal(covey__shape_open(&none, NULL, 0, 0), COVEY_OK);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(covey__shape_loses(&all));
        assert_false(covey__shape_loses(&none));
    }
}

struct item {
    struct covey__waiting waiting;
    unsigned dropped, left;
};

static void on_leave(struct covey__waiting *w, bool dropped)
{
    struct item *item = (struct item *)w;
    item->dropped += dropped;
    item->left += !dropped;
}

/* Forgetting an owner drops what it had waiting, and nothing else. */
static void test_shape_forgets(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct covey__shape shape = {.delay_ns = 0};
    struct item items[4] = {{.dropped = 0}};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(covey__shape_open(&shape, &loop, 1, 0), COVEY_OK);
    for (unsigned i = 0; i < 4; i++) {
        items[i].waiting = (struct covey__waiting){.owner = &items[i % 2], .leave = on_leave};
        covey__shape_wait(&shape, &items[i].waiting);
    }
    covey__shape_forget(&shape, &items[1]);
    while (items[0].left + items[2].left < 2) {
        uv_ref((uv_handle_t *)&shape.poll);
        uv_run(&loop, UV_RUN_ONCE);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(items[i].dropped, i % 2);
        assert_int_equal(items[i].left, 1 - i % 2);
    }
    covey__shape_close(&shape);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shape_delays, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_shape_bodies, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_shape_ends_early, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_shape_loses),
        cmocka_unit_test(test_shape_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
