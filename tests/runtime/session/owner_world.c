/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "owner_world.h"
#include "../../nn/builder.h"
#include "covey/crypto.h"
#include "stored.h"

struct world owner_world;

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
    owner_world.read_us += LOOK_US;
    return (owner_world.now_ms * 1000 + owner_world.read_us) * 1000;
}

uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop)
{
    (void)loop;
    return owner_world.now_ms;
}

covey_err __wrap_covey_timer_new(struct covey_loop *loop, covey_loop_fn fn, void *user,
                                 struct covey_timer **out)
{
    (void)loop;
    owner_world.timer_fn = fn;
    owner_world.timer_user = user;
    *out = (struct covey_timer *)(void *)&owner_world.timer_ms;
    return COVEY_OK;
}

void __wrap_covey_timer_free(struct covey_timer *timer)
{
    assert_ptr_equal(timer, &owner_world.timer_ms);
}

void __wrap_covey_timer_set(struct covey_timer *timer, uint64_t deadline_ms)
{
    assert_ptr_equal(timer, &owner_world.timer_ms);
    owner_world.timer_ms = deadline_ms;
}

void __wrap_covey__pool_submit(struct covey_pool *pool, struct covey_task *task)
{
    bool compute = pool == owner_world.services.compute;
    assert_true(compute || pool == owner_world.services.background);
    covey__task_list_push(compute ? &owner_world.compute : &owner_world.background, task);
}

static void on_event(void *user, const struct covey_event *event)
{
    (void)user;
    if (event->type == COVEY_EVENT_SESSION_OPEN) {
        owner_world.opened++;
        owner_world.session = event->fence;
    } else if (event->type == COVEY_EVENT_SESSION_CLOSE) {
        owner_world.closed++;
    } else if (event->type == COVEY_EVENT_REQUEST_BEGIN) {
        owner_world.begun++;
        owner_world.begun_version = event->fence.version;
    } else if (event->type == COVEY_EVENT_REQUEST_END) {
        owner_world.ended++;
    } else {
        assert_int_equal(event->type, COVEY_EVENT_PREPARED);
        owner_world.prepared_err = event->err;
        owner_world.room_bytes = event->room_bytes;
        owner_world.prepared++;
    }
}

static bool on_member(void *user, const struct covey_node_id *device, struct covey_member_info *out)
{
    (void)user;
    assert_null(device);
    *out = (struct covey_member_info){.rates = {.mflops = owner_world.mflops}};
    return true;
}

static void on_line(void *user, const char *line)
{
    (void)user;
    fail_msg("%s", line);
}

static void on_done(void *user, uint32_t tag, const struct covey_infer_end *end)
{
    assert_ptr_equal(user, &owner_world);
    struct asked *a = &owner_world.asked[tag];
    assert_false(a->done);
    *a = (struct asked){.done = true, .err = end->err, .end_ms = owner_world.now_ms};
    snprintf(a->why, sizeof(a->why), "%s", end->why);
    if (end->err == COVEY_OK) {
        a->devices = end->result->devices;
        a->version = end->result->plan_version;
        for (unsigned i = 0; i < 2 && i < end->result->layer_count; i++) {
            a->traced_us[i] = end->result->layer[i].us;
        }
    }
}

bool owner_run_next(struct covey_task_list *list)
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

void owner_pass(uint64_t ms)
{
    uint64_t end = owner_world.now_ms + ms;
    while (owner_world.now_ms < end) {
        uint64_t tick = owner_world.now_ms / 1000 * 1000 + 1000, next = tick < end ? tick : end;
        owner_world.now_ms = owner_world.timer_ms < next ? owner_world.timer_ms : next;
        if (owner_world.timer_ms <= owner_world.now_ms) {
            owner_world.timer_ms = UINT64_MAX;
            owner_world.timer_fn(owner_world.timer_user);
        }
        if (owner_world.now_ms == tick) {
            covey__owner_tick(owner_world.owner);
        }
    }
}

uint32_t owner_ask(uint32_t timeout_ms)
{
    struct covey_infer infer = {.model = owner_world.model,
                                .user = &owner_world,
                                .tag = owner_world.requests,
                                .done = on_done};
    struct covey_body *input = NULL;
    infer.options.timeout_ms = timeout_ms;
    infer.options.trace = true;
    infer.options.coded_all = owner_world.coded_all;
    infer.options.devices = owner_world.devices;
    assert_true(owner_world.requests < ASKED_MAX);
    assert_int_equal(covey_body_new(4 * 3 * 12 * 12 * sizeof(float), &input), COVEY_OK);
    memset(input->data, 0, input->len);
    assert_int_equal(covey__owner_infer(owner_world.owner, &infer, input), COVEY_OK);
    return owner_world.requests++;
}

bool owner_is_running(void)
{
    return owner_world.compute.head != NULL;
}

void owner_compute_for(uint64_t ms)
{
    assert_true(owner_is_running());
    owner_pass(ms);
    assert_true(owner_run_next(&owner_world.compute));
}

void owner_assert_alone(uint32_t request)
{
    assert_true(owner_world.asked[request].done);
    assert_int_equal(owner_world.asked[request].err, COVEY_OK);
    assert_int_equal(owner_world.asked[request].devices, 1);
    assert_int_equal(owner_world.asked[request].version, 0);
}

void owner_plan_ready(uint32_t version, bool peers)
{
    struct covey_plan *plan = calloc(1, sizeof(*plan));
    assert_non_null(plan);
    if (peers) {
        plan->devices = 2;
        plan->device[0].bytes[0] = 1;
        plan->device[1].bytes[0] = 2;
        plan->layers = (uint16_t)covey_model_layers(owner_world.owner->session[0].file->model);
    }
    struct covey_action action = {
        .type = COVEY_ACTION_PREPARE, .fence = owner_world.session, .plan = plan};
    action.fence.version = version;
    unsigned prepared = owner_world.prepared;
    covey__owner_prepare(owner_world.owner, &action);
    assert_true(owner_run_next(&owner_world.background));
    assert_int_equal(owner_world.prepared, prepared + 1);
    assert_int_equal(owner_world.prepared_err, COVEY_OK);
    action.type = COVEY_ACTION_ACTIVE;
    covey__owner_active(owner_world.owner, &action);
    free(plan);
}

void owner_plan_gone(uint32_t version)
{
    struct covey_action action = {.type = COVEY_ACTION_FORGET, .fence = owner_world.session};
    action.fence.version = version;
    covey__owner_forget_version(owner_world.owner, &action);
}

void owner_begin(void **state)
{
    struct covey_node_id self = {{1}};
    memset(&owner_world, 0, sizeof(owner_world));
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    scratch_folder(state, owner_world.dir);
    assert_int_equal(covey__store_open(&owner_world.services.store, owner_world.dir), COVEY_OK);
    stored_network(&owner_world.services.store, small_network(7), &owner_world.model);
    assert_int_equal(covey__handles_init(&owner_world.services.handles), COVEY_OK);
    owner_world.now_ms = OPENED_MS;
    owner_world.timer_ms = UINT64_MAX;
    owner_world.services.memory.limit_bytes = UINT64_MAX;
    owner_world.services.compute = (struct covey_pool *)(void *)&owner_world.compute;
    owner_world.services.background = (struct covey_pool *)(void *)&owner_world.background;
    owner_world.services.feed = on_event;
    owner_world.services.log = on_line;
    owner_world.services.member = on_member;
    assert_int_equal(covey__owner_new(&owner_world.services, &self, &owner_world.owner), COVEY_OK);
}

void owner_end(void)
{
    covey__owner_free(owner_world.owner);
    covey__handles_done(&owner_world.services.handles);
    covey__store_close(&owner_world.services.store);
}

uint32_t owner_open_session(void)
{
    uint32_t first = owner_ask(0);
    assert_int_equal(owner_world.opened, 0);
    assert_true(owner_run_next(&owner_world.background));
    assert_int_equal(owner_world.opened, 1);
    assert_false(owner_is_running());
    return first;
}
