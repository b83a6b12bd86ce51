/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "covey/loop.h"

enum { FIRED_MOST = 1000000 };

struct world {
    struct covey_loop *loop;
    struct covey_timer *timer;
    unsigned fired;
    bool posted;
};

static void stop(void *user)
{
    struct world *w = user;
    w->posted = true;
    covey_loop_stop(w->loop);
}

static void set_again(void *user)
{
    struct world *w = user;
    if (++w->fired == 1) {
        assert_int_equal(covey_loop_post(w->loop, stop, w), COVEY_OK);
    }
    if (w->fired == FIRED_MOST) { /* and nothing else was done */
        covey_loop_stop(w->loop);
        return;
    }
    covey_timer_set(w->timer, 0);
}

/* A deadline that stays in the past does not keep the loop from anything else. */
static void test_past_deadlines(void **state)
{
    (void)state;
    struct world w = {0};
    assert_int_equal(covey_loop_new(&w.loop), COVEY_OK);
    assert_int_equal(covey_timer_new(w.loop, set_again, &w, &w.timer), COVEY_OK);
    covey_timer_set(w.timer, 0);
    covey_loop_run(w.loop);
    assert_true(w.posted);
    assert_in_range(w.fired, 1, FIRED_MOST - 1);
    covey_timer_free(w.timer);
    covey_loop_free(w.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_past_deadlines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
