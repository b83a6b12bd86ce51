/* SPDX-License-Identifier: MIT
 *
 * test_owner.c - when an owner's requests begin, by a clock of the test's: with a plan, once there
 * is one; without, when they have waited for it long enough.
 *
 * The owner is the real one. Its loop's clock and timer, its pools and the job machine are played
 * here: work waits until the test lets it run, and takes as long as it says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../nn/builder.h"
#include "covey/crypto.h"
#include "owner_state.h"
#include "scratch.h"
#include "stored.h"

enum {
    OPENED_MS = 100000,
    WAIT_MS = 1500,   /* owner.c's WAIT_FOR_PLAN_MS */
    WAIT_MIN_MS = 50, /* and its WAIT_FOR_PLAN_MIN_MS */
    ASKED_MAX = 64,
    LOOK_US = 20,
};

struct asked {
    bool done;
    covey_err err;
    unsigned devices;
    uint32_t version;      /* of the plan; 0: alone */
    uint32_t traced_us[2]; /* the first layers of its trace */
    uint64_t end_ms;
};

static struct world {
    char dir[SCRATCH_PATH];
    struct covey_services services;
    struct covey_owner *owner;
    struct covey_digest model;
    uint64_t now_ms;
    uint64_t read_us; /* each look at the clock takes a moment */
    uint64_t timer_ms;
    covey_loop_fn timer_fn;
    void *timer_user;
    struct covey_task_list compute, background;
    struct covey_fence session; /* of the last SESSION_OPEN */
    unsigned opened, closed, prepared, begun, ended;
    uint32_t begun_version; /* of the last REQUEST_BEGIN */
    struct asked asked[ASKED_MAX];
    uint32_t requests;
    uint32_t mflops; /* of this device; 0: not measured yet */
    bool coded_all;
    uint8_t devices;
} w;

/* ---- what the owner lives in ---- */

uint64_t __wrap_covey_clock_ns(void);
uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop);
covey_err __wrap_covey_timer_new(struct covey_loop *loop, covey_loop_fn fn, void *user,
                                 struct covey_timer **out);
void __wrap_covey_timer_free(struct covey_timer *timer);
void __wrap_covey_timer_set(struct covey_timer *timer, uint64_t deadline_ms);
void __wrap_covey__pool_submit(struct covey_pool *pool, struct covey_task *task);

uint64_t __wrap_covey_clock_ns(void)
{
    w.read_us += LOOK_US;
    return (w.now_ms * 1000 + w.read_us) * 1000;
}

uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop)
{
    (void)loop;
    return w.now_ms;
}

covey_err __wrap_covey_timer_new(struct covey_loop *loop, covey_loop_fn fn, void *user,
                                 struct covey_timer **out)
{
    (void)loop;
    w.timer_fn = fn;
    w.timer_user = user;
    *out = (struct covey_timer *)(void *)&w.timer_ms;
    return COVEY_OK;
}

void __wrap_covey_timer_free(struct covey_timer *timer)
{
    assert_ptr_equal(timer, &w.timer_ms);
}

void __wrap_covey_timer_set(struct covey_timer *timer, uint64_t deadline_ms)
{
    assert_ptr_equal(timer, &w.timer_ms);
    w.timer_ms = deadline_ms;
}

void __wrap_covey__pool_submit(struct covey_pool *pool, struct covey_task *task)
{
    bool compute = pool == w.services.compute;
    assert_true(compute || pool == w.services.background);
    covey__task_list_push(compute ? &w.compute : &w.background, task);
}

static void on_event(void *user, const struct covey_event *event)
{
    (void)user;
    if (event->type == COVEY_EVENT_SESSION_OPEN) {
        w.opened++;
        w.session = event->fence;
    } else if (event->type == COVEY_EVENT_SESSION_CLOSE) {
        w.closed++;
    } else if (event->type == COVEY_EVENT_REQUEST_BEGIN) {
        w.begun++;
        w.begun_version = event->fence.version;
    } else if (event->type == COVEY_EVENT_REQUEST_END) {
        w.ended++;
    } else {
        assert_int_equal(event->type, COVEY_EVENT_PREPARED);
        assert_int_equal(event->err, COVEY_OK);
        w.prepared++;
    }
}

static bool on_member(void *user, const struct covey_node_id *device, struct covey_member_info *out)
{
    (void)user;
    assert_null(device);
    *out = (struct covey_member_info){.rates = {.mflops = w.mflops}};
    return true;
}

static void on_line(void *user, const char *line)
{
    (void)user;
    fail_msg("%s", line);
}

static void on_done(void *user, uint32_t tag, const struct covey_infer_end *end)
{
    assert_ptr_equal(user, &w);
    struct asked *a = &w.asked[tag];
    assert_false(a->done);
    *a = (struct asked){.done = true, .err = end->err, .end_ms = w.now_ms};
    if (end->err == COVEY_OK) {
        a->devices = end->result->devices;
        a->version = end->result->plan_version;
        for (unsigned i = 0; i < 2 && i < end->result->layer_count; i++) {
            a->traced_us[i] = end->result->layer[i].us;
        }
    }
}

static bool run_next(struct covey_task_list *list)
{
    struct covey_scratch scratch = {0};
    struct covey_task *task = covey__task_list_pop(list);
    if (task != NULL) {
        task->work(task, &scratch);
        task->done(task);
    }
    free(scratch.data);
    return task != NULL;
}

/* ---- what happens ---- */

/* Time goes on; the timer rings when it is due, the tick each second, as in the daemon. */
static void pass(uint64_t ms)
{
    uint64_t end = w.now_ms + ms;
    while (w.now_ms < end) {
        uint64_t tick = w.now_ms / 1000 * 1000 + 1000, next = tick < end ? tick : end;
        w.now_ms = w.timer_ms < next ? w.timer_ms : next;
        if (w.timer_ms <= w.now_ms) {
            w.timer_ms = UINT64_MAX;
            w.timer_fn(w.timer_user);
        }
        if (w.now_ms == tick) {
            covey__owner_tick(w.owner);
        }
    }
}

static uint32_t ask(uint32_t timeout_ms)
{
    struct covey_infer infer = {.model = w.model, .user = &w, .tag = w.requests, .done = on_done};
    struct covey_body *input = NULL;
    infer.options.timeout_ms = timeout_ms;
    infer.options.trace = true;
    infer.options.coded_all = w.coded_all;
    infer.options.devices = w.devices;
    assert_true(w.requests < ASKED_MAX);
    assert_int_equal(covey_body_new(4 * 3 * 12 * 12 * sizeof(float), &input), COVEY_OK);
    memset(input->data, 0, input->len);
    assert_int_equal(covey__owner_infer(w.owner, &infer, input), COVEY_OK);
    return w.requests++;
}

static bool is_running(void)
{
    return w.compute.head != NULL;
}

/* The request that computes takes so long. */
static void compute_for(uint64_t ms)
{
    assert_true(is_running());
    pass(ms);
    assert_true(run_next(&w.compute));
}

static void assert_alone(uint32_t request)
{
    assert_true(w.asked[request].done);
    assert_int_equal(w.asked[request].err, COVEY_OK);
    assert_int_equal(w.asked[request].devices, 1);
    assert_int_equal(w.asked[request].version, 0);
}

/* The job machine has a plan, and it is ready: over two devices that have no layer of it yet, or,
 * where nobody else is there, for this one alone. */
static void plan_ready(uint32_t version, bool peers)
{
    struct covey_plan *plan = calloc(1, sizeof(*plan));
    assert_non_null(plan);
    if (peers) {
        plan->devices = 2;
        plan->device[0].bytes[0] = 1;
        plan->device[1].bytes[0] = 2;
        plan->layers = (uint16_t)covey_model_layers(w.owner->session[0].file->model);
    }
    struct covey_action action = {.type = COVEY_ACTION_PREPARE, .fence = w.session, .plan = plan};
    action.fence.version = version;
    unsigned prepared = w.prepared;
    covey__owner_prepare(w.owner, &action);
    assert_true(run_next(&w.background));
    assert_int_equal(w.prepared, prepared + 1);
    action.type = COVEY_ACTION_ACTIVE;
    covey__owner_active(w.owner, &action);
    free(plan);
}

static void plan_gone(uint32_t version)
{
    struct covey_action action = {.type = COVEY_ACTION_FORGET, .fence = w.session};
    action.fence.version = version;
    covey__owner_forget_version(w.owner, &action);
}

static void begin(void **state)
{
    struct covey_node_id self = {{1}};
    memset(&w, 0, sizeof(w));
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    scratch_folder(state, w.dir);
    assert_int_equal(covey__store_open(&w.services.store, w.dir), COVEY_OK);
    stored_network(&w.services.store, small_network(7), &w.model);
    assert_int_equal(covey__handles_init(&w.services.handles), COVEY_OK);
    w.now_ms = OPENED_MS;
    w.timer_ms = UINT64_MAX;
    w.services.memory_bytes = UINT64_MAX;
    w.services.compute = (struct covey_pool *)(void *)&w.compute;
    w.services.background = (struct covey_pool *)(void *)&w.background;
    w.services.feed = on_event;
    w.services.log = on_line;
    w.services.member = on_member;
    assert_int_equal(covey__owner_new(&w.services, &self, &w.owner), COVEY_OK);
}

static void end(void)
{
    covey__owner_free(w.owner);
    covey__handles_done(&w.services.handles);
    covey__store_close(&w.services.store);
}

/* A session that is open since OPENED_MS, and a first request. */
static uint32_t open_session(void)
{
    uint32_t first = ask(0);
    assert_int_equal(w.opened, 0);
    assert_true(run_next(&w.background));
    assert_int_equal(w.opened, 1);
    assert_false(is_running());
    return first;
}

/* ---- tests ---- */

/* The first request of a session gives its first plan some time, then goes on without; not before
 * that time, and not at the next tick after it either. */
static void test_the_first_waits_a_moment(void **state)
{
    begin(state);
    uint32_t first = open_session();
    pass(WAIT_MS - 1);
    assert_false(is_running());
    pass(1);
    compute_for(200);
    assert_alone(first);
    assert_int_equal(w.begun, 0);
    end();
}

/* As long as computing takes here, by the rate that this device has measured. */
static void assert_first_waits(uint32_t mflops, uint64_t ms)
{
    w.mflops = mflops;
    uint32_t first = open_session();
    pass(ms - 1);
    assert_false(is_running());
    pass(1);
    compute_for(ms);
    assert_alone(first);
    end();
}

static void test_the_first_waits_no_longer_than_computing_takes(void **state)
{
    const struct covey_plan_request *costs = NULL;
    struct covey_plan_device device = {.mflops = 1};
    uint64_t us = 0;
    begin(state);
    open_session();
    costs = &w.owner->session[0].costs;
    for (unsigned i = 0; i < costs->cells; i++) {
        us += covey_plan_work_us(&device, &costs->cell[i].whole);
    }
    pass(WAIT_MS);
    compute_for(1);
    end();
    assert_in_range(us / 1000, WAIT_MIN_MS + 1, WAIT_MS - 1);
    begin(state);
    assert_first_waits(1, us / 1000);
    begin(state);
    assert_first_waits(1000000, WAIT_MIN_MS);
    begin(state);
    w.coded_all = true; /* the mesh is what was asked for */
    assert_first_waits(1000000, WAIT_MS);
}

/* What a trace says of a stage is the time until its result was there, not what a processor was
 * busy with it: on a paced device that is ten times as much. */
static void test_a_trace_tells_when_results_came(void **state)
{
    begin(state);
    uint32_t first = open_session();
    pass(WAIT_MS);
    compute_for(200);
    assert_alone(first);
    assert_in_range(w.asked[first].traced_us[0], 200 * 1000, 201 * 1000);
    assert_int_equal(w.asked[first].traced_us[1], 0);
    end();
}

/* Whoever asks when a session has long been open without a plan does not wait at all, nor does the
 * next one after a pause as long as that request took. */
static void test_later_ones_do_not_wait(void **state)
{
    begin(state);
    uint32_t first = open_session();
    pass(WAIT_MS);
    compute_for(200);
    for (unsigned i = 0; i < 3; i++) {
        pass(200);
        uint32_t next = ask(0);
        compute_for(200);
        assert_alone(next);
        assert_int_equal(w.asked[next].end_ms, w.asked[first].end_ms + (i + 1) * 400);
    }
    end();
}

/* Of requests one after the other each waits as long as the one before took: half of the time is
 * for what the plan waits for, whether requests become slower or faster. */
static void test_in_a_stream_each_waits_as_long_as_the_last_took(void **state)
{
    static const uint64_t takes_ms[] = {400, 100, 100, 900, 50, 10};
    begin(state);
    uint32_t last = open_session();
    pass(WAIT_MS);
    compute_for(700);
    uint64_t before_ms = 700;
    for (unsigned i = 0; i < sizeof(takes_ms) / sizeof(takes_ms[0]); i++) {
        assert_alone(last);
        last = ask(0);
        pass(before_ms - 1);
        assert_false(is_running());
        pass(1);
        compute_for(takes_ms[i]);
        before_ms = takes_ms[i];
    }
    assert_alone(last);
    end();
}

/* Some that wait begin together once their time has come; those that ask while they compute as
 * well. The next one waits for as long as the one that ended last took. */
static void test_some_at_once_begin_together(void **state)
{
    begin(state);
    uint32_t one = open_session(), two = ask(0);
    pass(WAIT_MS);
    assert_true(is_running());
    uint32_t three = ask(0);
    pass(100);
    assert_true(run_next(&w.compute));
    assert_true(run_next(&w.compute));
    pass(200);
    assert_true(run_next(&w.compute));
    assert_false(is_running());
    assert_alone(one);
    assert_alone(two);
    assert_alone(three);
    uint32_t next = ask(0);
    pass(299);
    assert_false(is_running());
    pass(1);
    compute_for(1);
    assert_alone(next);
    end();
}

/* A plan that gets ready while requests wait is used by all of them at once, and by all that
 * follow. What has begun alone ends alone. */
static void test_a_plan_that_gets_ready_is_used(void **state)
{
    begin(state);
    uint32_t first = open_session();
    pass(WAIT_MS);
    compute_for(400);
    assert_alone(first);
    uint32_t next = ask(0), more = ask(0);
    pass(100);
    assert_false(is_running());
    plan_ready(3, true);
    assert_int_equal(w.begun, 2);
    assert_int_equal(w.begun_version, 3);
    compute_for(30);
    compute_for(0);
    assert_int_equal(w.ended, 2);
    assert_int_equal(w.asked[next].version, 3);
    assert_int_equal(w.asked[more].version, 3);
    assert_int_equal(w.asked[next].devices, 2);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t later = ask(0);
        compute_for(30);
        assert_int_equal(w.asked[later].version, 3);
    }
    end();
    begin(state);
    first = open_session();
    pass(WAIT_MS);
    plan_ready(1, true);
    compute_for(10);
    assert_alone(first);
    assert_int_equal(w.begun, 0);
    end();
}

/* The first request of a new session does not wait for longer than its plan takes. */
static void test_the_first_waits_no_longer_than_for_the_plan(void **state)
{
    begin(state);
    uint32_t first = open_session();
    pass(20);
    plan_ready(1, true);
    compute_for(30);
    assert_int_equal(w.asked[first].version, 1);
    assert_int_equal(w.asked[first].end_ms, OPENED_MS + 50);
    end();
}

/* Without peers there is a plan at once, for this device alone: nothing waits, and the job machine
 * hears of no request. */
static void test_without_peers_nothing_waits(void **state)
{
    begin(state);
    uint32_t first = open_session();
    plan_ready(1, false);
    compute_for(5);
    assert_true(w.asked[first].done);
    assert_int_equal(w.asked[first].version, 1);
    assert_int_equal(w.asked[first].devices, 1);
    assert_int_equal(w.asked[first].end_ms, OPENED_MS + 5);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t next = ask(0);
        compute_for(5);
        assert_int_equal(w.asked[next].version, 1);
        assert_int_equal(w.asked[next].end_ms, OPENED_MS + 5 * (i + 2));
    }
    assert_int_equal(w.begun + w.ended, 0);
    pass(WAIT_MS); /* the timer rings in vain */
    assert_int_equal(w.timer_ms, UINT64_MAX);
    assert_false(is_running());
    end();
}

/* When the plan is gone and there is no other, requests wait for one anew, from then on. */
static void test_a_lost_plan_is_waited_for_anew(void **state)
{
    begin(state);
    open_session();
    plan_ready(1, true);
    compute_for(5);
    pass(60000);
    plan_gone(1);
    pass(500);
    uint32_t next = ask(0);
    pass(WAIT_MS - 501);
    assert_false(is_running());
    pass(1);
    compute_for(5);
    assert_alone(next);
    end();
}

/* A request that may wait less than that ends at the first tick after its time, and says why. */
static void test_short_patience_ends_a_request(void **state)
{
    begin(state);
    open_session();
    uint32_t hasty = ask(600);
    pass(999);
    assert_false(w.asked[hasty].done);
    pass(1);
    assert_true(w.asked[hasty].done);
    assert_int_equal(w.asked[hasty].err, COVEY_ERR_TIMEOUT);
    end();
}

/* Nobody asks: the session is closed, however often the mesh gives it another plan. */
static void test_plans_keep_no_session_open(void **state)
{
    begin(state);
    open_session();
    plan_ready(1, true);
    compute_for(5);
    pass(500 * 1000);
    assert_int_equal(w.closed, 0);
    plan_ready(2, true);
    pass(101 * 1000);
    assert_int_equal(w.closed, 1);
    end();
}

/* Of as many sessions as may be, all with a plan in the making, one makes room for a new one. */
static void test_sessions_make_room_while_plans_are_made(void **state)
{
    static const struct covey_plan alone;
    struct covey_fence session[COVEY_SESSIONS_MAX];
    begin(state);
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        w.devices++;
        ask(0);
        assert_true(run_next(&w.background));
        pass(WAIT_MS);
        compute_for(5);
        session[i] = w.session;
    }
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey_action action = {COVEY_ACTION_PREPARE, .fence = session[i], .plan = &alone};
        covey__owner_prepare(w.owner, &action);
    }
    w.devices++;
    ask(0);
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        assert_true(run_next(&w.background));
    }
    assert_int_equal(w.prepared, COVEY_SESSIONS_MAX - 1); /* the first one's is nobody's */
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_waits_a_moment),
        cmocka_unit_test(test_a_trace_tells_when_results_came),
        cmocka_unit_test(test_the_first_waits_no_longer_than_computing_takes),
        cmocka_unit_test(test_later_ones_do_not_wait),
        cmocka_unit_test(test_in_a_stream_each_waits_as_long_as_the_last_took),
        cmocka_unit_test(test_some_at_once_begin_together),
        cmocka_unit_test(test_a_plan_that_gets_ready_is_used),
        cmocka_unit_test(test_the_first_waits_no_longer_than_for_the_plan),
        cmocka_unit_test(test_without_peers_nothing_waits),
        cmocka_unit_test(test_a_lost_plan_is_waited_for_anew),
        cmocka_unit_test(test_short_patience_ends_a_request),
        cmocka_unit_test(test_plans_keep_no_session_open),
        cmocka_unit_test(test_sessions_make_room_while_plans_are_made),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
