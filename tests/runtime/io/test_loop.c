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

struct poster {
    struct covey_loop *loop;
    struct poster *leaves; /* is not posted for from here on */
    unsigned called;
    bool last;
};

static void count(void *user)
{
    struct poster *p = user;
    p->called++;
    if (p->leaves != NULL) {
        covey_loop_unpost(p->loop, p->leaves);
    }
    if (p->last) {
        covey_loop_stop(p->loop);
    }
}

static void post_all(struct poster *const *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(covey_loop_post(p[i]->loop, count, p[i]), COVEY_OK);
    }
}

/* What was posted for who is gone is not called: not what waits, nor what the loop is about to
 * call, nor at the loop's end; and nothing else is lost. */
static void test_unposted(void **state)
{
    (void)state;
    struct covey_loop *loop = NULL;
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    struct poster gone = {.loop = loop}, other = {.loop = loop}, end = {.loop = loop, .last = true};
    struct poster leaver = {.loop = loop, .leaves = &gone};
    post_all((struct poster *[]){&gone, &other, &gone}, 3);
    covey_loop_unpost(loop, &gone);
    post_all((struct poster *[]){&other, &leaver, &gone, &other, &gone, &end}, 6);
    covey_loop_run(loop);
    assert_int_equal(gone.called, 0);
    assert_int_equal(other.called, 3);
    assert_int_equal(leaver.called, 1);
    assert_int_equal(end.called, 1);
    post_all((struct poster *[]){&gone, &other, &gone}, 3);
    covey_loop_unpost(loop, &gone);
    covey_loop_free(loop);
    assert_int_equal(gone.called, 0);
    assert_int_equal(other.called, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_past_deadlines),
                                       cmocka_unit_test(test_unposted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
