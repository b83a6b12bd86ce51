/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "owner_state.h"
#include "planner.h"

enum { BOUND_S = 60, TOLD_MAX = 80, TICKS = 3 };

/* A planner on a real loop. What it makes is played, and takes until the test lets it end. */
static struct {
    struct covey_services services;
    struct covey_owner *owner;
    struct covey_planner *planner;
    struct covey_timer *timer;
    unsigned ticks;
    struct covey_event told[TOLD_MAX];
    struct covey_plan plan; /* of the last that was told */
    unsigned tells, stop_at;
    /* the planner's thread */
    sem_t go;
    pthread_t loop_thread;
    unsigned made;
    bool on_loop, held_up;
    uint16_t seen_units;
} p;

covey_err __wrap_covey_plan_make(const struct covey_plan_request *request, struct covey_plan *out);

covey_err __wrap_covey_plan_make(const struct covey_plan_request *request, struct covey_plan *out)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += BOUND_S;
    p.on_loop = p.on_loop || pthread_equal(pthread_self(), p.loop_thread);
    p.held_up = p.held_up || sem_timedwait(&p.go, &until) != 0;
    p.made++;
    p.seen_units = request->held != NULL ? request->held->layer[0].units : 0;
    memset(out, 0, sizeof(*out));
    out->layers = request->layers;
    return COVEY_OK;
}

static void on_event(void *user, const struct covey_event *event)
{
    (void)user;
    assert_int_equal(event->type, COVEY_EVENT_PLANNED);
    assert_true(p.tells < TOLD_MAX);
    p.told[p.tells++] = *event;
    if (event->err == COVEY_OK) {
        p.plan = *event->plan;
    }
    if (p.tells == p.stop_at) {
        covey_loop_stop(p.services.loop);
    }
}

static void on_timer(void *user)
{
    (void)user;
    if (++p.ticks < TICKS) {
        covey_timer_set(p.timer, covey_loop_now_ms(p.services.loop) + 1);
        return;
    }
    for (unsigned i = 0; i < TOLD_MAX; i++) {
        sem_post(&p.go);
    }
}

static int setup(void **state)
{
    const struct covey_node_id self = {{1}};
    (void)state;
    memset(&p, 0, sizeof(p));
    p.loop_thread = pthread_self();
    p.services.feed = on_event;
    sem_init(&p.go, 0, 0);
    assert_int_equal(covey_loop_new(&p.services.loop), COVEY_OK);
    assert_int_equal(covey_timer_new(p.services.loop, on_timer, NULL, &p.timer), COVEY_OK);
    assert_int_equal(covey__owner_new(&p.services, &self, &p.owner), COVEY_OK);
    assert_int_equal(covey__planner_new(&p.services, p.owner, &p.planner), COVEY_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    covey__planner_free(p.planner);
    assert_int_equal(p.services.memory.table_bytes, 0);
    covey__owner_free(p.owner);
    covey_timer_free(p.timer);
    covey_loop_free(p.services.loop);
    sem_destroy(&p.go);
    return 0;
}

static uint64_t now_ms(void)
{
    return covey_loop_now_ms(p.services.loop);
}

static void plan_for_another(uint32_t work, const struct covey_plan_request *costs,
                             uint64_t until_ms)
{
    struct covey_action action = {
        .type = COVEY_ACTION_PLAN, .work = work, .request = until_ms, .costs = costs};
    covey__planner_plan(p.planner, &action);
}

/* Until so many were told of. The loop ticks meanwhile; then what is to be made may end. */
static void run_until(unsigned tells)
{
    p.stop_at = tells;
    covey_timer_set(p.timer, now_ms() + 1);
    covey_loop_run(p.services.loop);
    assert_int_equal(p.tells, tells);
}

/* However long a plan takes, the loop goes on. */
static void test_the_loop_goes_on(void **state)
{
    static struct covey_plan_request costs = {.layers = 5};
    (void)state;
    plan_for_another(7, &costs, UINT64_MAX);
    assert_int_equal(p.tells, 0);
    run_until(1);
    assert_false(p.held_up);
    assert_false(p.on_loop);
    assert_int_equal(p.ticks, TICKS);
    assert_int_equal(p.told[0].work, 7);
    assert_int_equal(p.told[0].err, COVEY_OK);
    assert_int_equal(p.plan.layers, 5);
}

/* One after the other; what nobody waits for any more when its turn has come is not made. */
static void test_what_is_late_is_not_made(void **state)
{
    static struct covey_plan_request costs = {.layers = 5};
    (void)state;
    plan_for_another(1, &costs, now_ms() + 1);
    plan_for_another(2, &costs, now_ms() + 1);
    plan_for_another(3, &costs, UINT64_MAX);
    run_until(3);
    assert_int_equal(p.made, 2);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(p.told[i].work, i + 1);
        assert_int_equal(p.told[i].err, i == 1 ? COVEY_ERR_CANCELLED : COVEY_OK);
    }
    assert_false(p.on_loop);
}

/* The owner's own: made while the session is open. */
static void test_a_closed_session_gets_none(void **state)
{
    static struct covey_plan_request costs = {.layers = 5};
    struct covey_action action = {
        .type = COVEY_ACTION_PLAN, .fence = {{{3}}, 4, 5}, .costs = &costs};
    (void)state;
    covey__planner_plan(p.planner, &action);
    assert_int_equal(p.tells, 1);
    assert_int_equal(p.told[0].err, COVEY_ERR_CANCELLED);
    p.owner->session[0] =
        (struct covey_session){.used = true, .state = COVEY_SESSION_OPEN, .fence = {{{3}}, 4, 0}};
    covey__planner_plan(p.planner, &action);
    run_until(2);
    assert_int_equal(p.made, 1);
    assert_int_equal(p.told[1].err, COVEY_OK);
    assert_int_equal(p.told[1].work, 0);
    assert_memory_equal(&p.told[1].fence, &action.fence, sizeof(action.fence));
    p.owner->session[0].used = false;
}

/* Nothing is borrowed of the action once it was told. */
static void test_requests_are_copied(void **state)
{
    static struct covey_plan_held held;
    static struct covey_plan_request costs;
    (void)state;
    held.layer[0].units = 77;
    costs.layers = 6;
    costs.held = &held;
    plan_for_another(1, &costs, UINT64_MAX);
    memset(&held, 0xff, sizeof(held));
    memset(&costs, 0xff, sizeof(costs));
    run_until(1);
    assert_int_equal(p.seen_units, 77);
    assert_int_equal(p.plan.layers, 6);
}

/* The one that is being made is waited for; those that wait are told that they are not made. */
static void test_freed_meanwhile(void **state)
{
    static struct covey_plan_request costs = {.layers = 5};
    (void)state;
    for (uint32_t i = 1; !covey__planner_is_full(p.planner); i++) {
        assert_true(i < TOLD_MAX);
        plan_for_another(i, &costs, UINT64_MAX);
    }
    sem_post(&p.go);
    covey__planner_free(p.planner);
    p.planner = NULL;
    assert_int_equal(p.made, 1);
    assert_true(p.tells > 2);
    for (unsigned i = 0; i < p.tells; i++) {
        assert_int_equal(p.told[i].work, i + 1);
        assert_int_equal(p.told[i].err, i == 0 ? COVEY_OK : COVEY_ERR_CANCELLED);
    }
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_the_loop_goes_on),
        WITH(test_what_is_late_is_not_made),
        WITH(test_a_closed_session_gets_none),
        WITH(test_requests_are_copied),
        WITH(test_freed_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
