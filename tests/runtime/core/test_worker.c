/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "job.h"
#include "plan_codec.h"
#include "worker.h"

enum { BODIES = 4096 };

struct world {
    struct covey_worker *worker;
    struct covey_update *out;
    covey_handle bodies;
    bool alive[BODIES];
    /* what was seen since clear() */
    unsigned answers[3], readies, refusals, assigned, computes, retired;
    struct covey_work_refuse refuse;
    bool planned;
    struct covey_plan plan; /* of the last assignment that came with one */
    uint8_t device;
    struct covey_work_answer answer;
    covey_handle answer_body;
    struct covey_action compute[8];
    struct covey_fence last_retired;
};

static struct covey_node_id owner_of(unsigned i)
{
    struct covey_node_id id = {{(uint8_t)(i + 1)}};
    return id;
}

static struct covey_fence fence_of(unsigned session, uint32_t version)
{
    struct covey_fence fence = {{{(uint8_t)session}}, 1, version};
    return fence;
}

static void drop_body(struct world *w, covey_handle body)
{
    assert_true(body != 0 && w->alive[body]);
    w->alive[body] = false;
}

static covey_handle new_body(struct world *w)
{
    assert_true(++w->bodies < BODIES);
    w->alive[w->bodies] = true;
    return w->bodies;
}

static void assert_no_bodies(const struct world *w)
{
    for (unsigned i = 0; i < BODIES; i++) {
        assert_false(w->alive[i]);
    }
}

static void on_send(struct world *w, const struct covey_action *action)
{
    struct covey_work_message m;
    assert_int_equal(covey_work_decode(action->bytes, &m), COVEY_OK);
    w->readies += m.type == COVEY_WORK_READY;
    w->refusals += m.type == COVEY_WORK_REFUSE;
    w->refuse = m.type == COVEY_WORK_REFUSE ? m.refuse : w->refuse;
    if (m.type == COVEY_WORK_ANSWER) {
        w->answers[m.answer.status]++;
        w->answer = m.answer;
        w->answer_body = action->body;
        assert_true(action->body == 0 || w->alive[action->body]);
    }
}

static void on_action(struct world *w, const struct covey_action *action)
{
    if (action->type == COVEY_ACTION_SEND) {
        on_send(w, action);
    } else if (action->type == COVEY_ACTION_RELEASE) {
        drop_body(w, action->body);
    } else if (action->type == COVEY_ACTION_ASSIGNED) {
        w->assigned++;
        w->planned = action->plan != NULL;
        if (w->planned) {
            w->plan = *action->plan;
            w->device = action->device;
        }
    } else if (action->type == COVEY_ACTION_COMPUTE) {
        assert_true(w->computes < 8);
        w->compute[w->computes++] = *action;
        drop_body(w, action->body);
    } else {
        assert_int_equal(action->type, COVEY_ACTION_RETIRED);
        w->retired++;
        w->last_retired = action->fence;
    }
}

static void carry_out(struct world *w)
{
    memset(w->answers, 0, sizeof(w->answers));
    w->readies = w->refusals = w->assigned = w->computes = w->retired = 0;
    for (;;) {
        for (size_t i = 0; i < w->out->count; i++) {
            on_action(w, &w->out->actions[i]);
        }
        if (!w->out->more) {
            break;
        }
        w->out->count = w->out->arena_len = 0;
        w->out->more = false;
        assert_int_equal(covey__worker_tick(w->worker, 0, w->out), COVEY_OK);
    }
    w->out->count = w->out->arena_len = 0;
}

static void tell(struct world *w, unsigned owner, const struct covey_work_message *m,
                 covey_handle body)
{
    struct covey_incoming in = {owner_of(owner), m, {NULL, 0}, body, 4};
    assert_int_equal(covey__worker_message(w->worker, &in, w->out), COVEY_OK);
    carry_out(w);
}

static void assign(struct world *w, unsigned owner, struct covey_fence fence)
{
    struct covey_work_message m = {.type = COVEY_WORK_ASSIGN};
    m.assign.fence = fence;
    tell(w, owner, &m, 0);
}

static void checked(struct world *w, unsigned owner, struct covey_fence fence, size_t missing,
                    covey_err err)
{
    static const uint8_t bitmap[1] = {1};
    struct covey_event event = {.type = COVEY_EVENT_ASSIGN_CHECKED,
                                .peer = owner_of(owner),
                                .fence = fence,
                                .bytes = covey_bytes_of(bitmap, missing),
                                .room_bytes = 77,
                                .err = err};
    assert_int_equal(covey__worker_event(w->worker, &event, w->out), COVEY_OK);
    carry_out(w);
}

static void execute(struct world *w, unsigned owner, struct covey_fence fence, uint32_t work)
{
    struct covey_work_message m = {.type = COVEY_WORK_EXECUTE};
    m.execute =
        (struct covey_work_execute){fence, work, 1, work}; /* each of a request of its own */
    tell(w, owner, &m, new_body(w));
}

static void cancel(struct world *w, unsigned owner, struct covey_fence fence, uint32_t work)
{
    struct covey_work_message m = {.type = COVEY_WORK_CANCEL};
    m.cancel = (struct covey_work_execute){fence, work, 1, work};
    tell(w, owner, &m, 0);
}

static void computed(struct world *w, const struct covey_action *compute, bool good)
{
    struct covey_event event = {.type = COVEY_EVENT_COMPUTED,
                                .peer = compute->peer,
                                .work = compute->work,
                                .body = good ? new_body(w) : 0};
    assert_int_equal(covey__worker_event(w->worker, &event, w->out), COVEY_OK);
    carry_out(w);
}

static void retire(struct world *w, unsigned owner, struct covey_fence fence)
{
    struct covey_work_message m = {.type = COVEY_WORK_RETIRE, .fence = fence};
    tell(w, owner, &m, 0);
}

static void peer_down(struct world *w, unsigned owner)
{
    struct covey_node_id id = owner_of(owner);
    assert_int_equal(covey__worker_peer_down(w->worker, &id, w->out), COVEY_OK);
    carry_out(w);
}

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->worker = malloc(covey__worker_size());
    w->out = calloc(1, sizeof(*w->out));
    assert_true(w->worker != NULL && w->out != NULL);
    const struct covey_node_id self = {{99}};
    covey__worker_init(w->worker, &self);
    return w;
}

static void world_free(struct world *w)
{
    assert_no_bodies(w);
    free(w->worker);
    free(w->out);
    free(w);
}

static struct world *ready_world(struct covey_fence fence)
{
    struct world *w = world_new();
    assign(w, 0, fence);
    assert_int_equal(w->assigned, 1);
    checked(w, 0, fence, 0, COVEY_OK);
    assert_int_equal(w->readies, 1);
    return w;
}

/* An assignment that lacks blobs is not ready until it was checked again and lacks none; only then
 * work is taken. */
static void test_assignment_becomes_ready(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct covey_fence fence = fence_of(1, 1);
    assign(w, 0, fence);
    checked(w, 0, fence, 1, COVEY_OK);
    assert_int_equal(w->readies, 0);
    execute(w, 0, fence, 1);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_REFUSED], 1);
    checked(w, 0, fence, 0, COVEY_OK);
    assert_int_equal(w->readies, 1);
    checked(w, 0, fence, 0, COVEY_OK);
    assert_int_equal(w->readies, 0);
    execute(w, 0, fence, 2);
    assert_int_equal(w->computes, 1);
    world_free(w);
}

/* An assignment that cannot be taken is forgotten, and its owner is told at once: with the room
 * that its session has, where it is for want of that. */
static void test_bad_assignment_is_refused(void **state)
{
    (void)state;
    static const covey_err errs[] = {COVEY_ERR_MALFORMED, COVEY_ERR_LIMIT, COVEY_ERR_NOT_FOUND};
    struct world *w = world_new();
    for (unsigned i = 0; i < 3; i++) {
        const struct covey_fence fence = fence_of(1, i + 1);
        assign(w, 0, fence);
        assert_int_equal(w->refusals, 0);
        checked(w, 0, fence, 0, errs[i]);
        assert_int_equal(w->readies, 0);
        assert_int_equal(w->refusals, 1);
        assert_memory_equal(&w->refuse.fence, &fence, sizeof(fence));
        assert_true(w->refuse.room_bytes == (errs[i] == COVEY_ERR_LIMIT ? 77 : UINT64_MAX));
        execute(w, 0, fence, 2);
        assert_int_equal(w->answers[COVEY_WORK_STATUS_REFUSED], 1);
    }
    world_free(w);
}

/* So is one for which there is no place, and one whose plan is none. */
static void test_assignments_beyond_all_places_are_refused(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct covey_work_message m = {.type = COVEY_WORK_ASSIGN};
    for (unsigned i = 0; i < 32; i++) {
        assign(w, 0, fence_of(i, 1));
        assert_int_equal(w->assigned, 1);
    }
    assign(w, 0, fence_of(32, 1));
    assert_int_equal(w->assigned, 0);
    assert_int_equal(w->refusals, 1);
    assert_true(w->refuse.room_bytes == 0);
    m.assign.fence = fence_of(1, 1);
    m.assign.plan = covey_bytes_of("no plan", 7);
    tell(w, 1, &m, 0);
    assert_int_equal(w->assigned, 0);
    assert_int_equal(w->refusals, 1);
    assert_true(w->refuse.room_bytes == UINT64_MAX);
    world_free(w);
}

/* What was computed goes back as the answer to the work that was asked, with its body. */
static void test_computed_is_answered(void **state)
{
    (void)state;
    struct covey_fence fence = fence_of(1, 1);
    struct world *w = ready_world(fence);
    execute(w, 0, fence, 77);
    struct covey_action compute = w->compute[0];
    assert_int_equal(compute.layer, 1);
    computed(w, &compute, true);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_DONE], 1);
    assert_int_equal(w->answer.work, 77);
    assert_int_equal(w->answer.request, 77);
    assert_int_not_equal(w->answer_body, 0);
    execute(w, 0, fence, 78);
    compute = w->compute[0];
    computed(w, &compute, false);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_REFUSED], 1);
    computed(w, &compute, true);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_DONE], 0);
    world_free(w);
}

/* A request that has come to its next layer does not want the one before any more: what waits is
 * answered as cancelled, what runs when it ends; other requests are not touched. */
static void test_next_layer_cancels_the_one_before(void **state)
{
    (void)state;
    struct covey_fence fence = fence_of(1, 1);
    struct world *w = ready_world(fence);
    execute(w, 0, fence, 1);
    struct covey_action first = w->compute[0];
    execute(w, 0, fence, 2);
    struct covey_action second = w->compute[0];
    execute(w, 0, fence, 3);
    struct covey_work_message m = {.type = COVEY_WORK_EXECUTE};
    m.execute = (struct covey_work_execute){fence, 3, 2, 30};
    tell(w, 0, &m, new_body(w));
    assert_int_equal(w->answers[COVEY_WORK_STATUS_CANCELLED], 1);
    assert_int_equal(w->answer.work, 3);
    m.execute = (struct covey_work_execute){fence, 1, 2, 10};
    tell(w, 0, &m, new_body(w));
    assert_int_equal(w->answers[COVEY_WORK_STATUS_CANCELLED], 0);
    computed(w, &first, true);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_CANCELLED], 1);
    struct covey_action third = w->compute[0];
    computed(w, &second, true);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_DONE], 1);
    struct covey_action fourth = w->compute[0];
    computed(w, &third, true);
    assert_int_equal(w->answer.work, 30);
    computed(w, &fourth, true);
    assert_int_equal(w->answer.work, 10);
    world_free(w);
}

/* At most two tasks are out of reach of CANCEL; one that had not started never does. */
static void test_cancel_takes_effect(void **state)
{
    (void)state;
    struct covey_fence fence = fence_of(1, 1);
    struct world *w = ready_world(fence);
    struct covey_action compute[2];
    execute(w, 0, fence, 1);
    compute[0] = w->compute[0];
    execute(w, 0, fence, 2);
    compute[1] = w->compute[0];
    assert_int_equal(w->computes, 1);
    execute(w, 0, fence, 3);
    assert_int_equal(w->computes, 0);
    execute(w, 0, fence, 4);
    cancel(w, 1, fence, 3);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_CANCELLED], 0);
    cancel(w, 0, fence, 3);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_CANCELLED], 1);
    assert_int_equal(w->answer.work, 3);
    cancel(w, 0, fence, 1);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_CANCELLED], 0);
    computed(w, &compute[0], true);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_CANCELLED], 1);
    assert_int_equal(w->answer_body, 0);
    assert_int_equal(w->computes, 1);
    struct covey_action last = w->compute[0];
    computed(w, &compute[1], true);
    computed(w, &last, true);
    assert_int_equal(w->answer.work, 4);
    world_free(w);
}

/* Work of a fence that nobody assigned is refused. */
static void test_unknown_fences_are_refused(void **state)
{
    (void)state;
    struct covey_fence fence = fence_of(1, 1);
    struct world *w = ready_world(fence);
    struct covey_fence wrong[3] = {fence, fence, fence};
    wrong[0].version++;
    wrong[1].epoch++;
    wrong[2].session.bytes[3]++;
    for (unsigned i = 0; i < 3; i++) {
        execute(w, 0, wrong[i], 1);
        assert_int_equal(w->answers[COVEY_WORK_STATUS_REFUSED], 1);
        assert_int_equal(w->computes, 0);
    }
    execute(w, 1, fence, 1);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_REFUSED], 1);
    world_free(w);
}

/* Two versions live side by side; RETIRE ends those up to its own, and their queued work. */
static void test_retire_ends_versions(void **state)
{
    (void)state;
    struct world *w = ready_world(fence_of(1, 1));
    assign(w, 0, fence_of(1, 2));
    checked(w, 0, fence_of(1, 2), 0, COVEY_OK);
    execute(w, 0, fence_of(1, 1), 1);
    struct covey_action first = w->compute[0];
    execute(w, 0, fence_of(1, 2), 2);
    struct covey_action second = w->compute[0];
    execute(w, 0, fence_of(1, 1), 3);
    execute(w, 0, fence_of(1, 2), 4);
    retire(w, 1, fence_of(1, 9));
    assert_int_equal(w->retired, 0);
    retire(w, 0, fence_of(1, 1));
    assert_int_equal(w->retired, 1);
    assert_int_equal(w->last_retired.version, 1);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_CANCELLED], 1);
    assert_int_equal(w->answer.work, 3);
    computed(w, &first, true);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_CANCELLED], 1);
    struct covey_action fourth = w->compute[0];
    computed(w, &second, true);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_DONE], 1);
    computed(w, &fourth, true);
    execute(w, 0, fence_of(1, 1), 5);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_REFUSED], 1);
    retire(w, 0, fence_of(1, UINT32_MAX));
    execute(w, 0, fence_of(1, 2), 6);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_REFUSED], 1);
    world_free(w);
}

/* When its owner is gone its work is dropped: nothing queued starts, nobody is answered, and an
 * owner that comes back with the same numbers does not get the old results. */
static void test_work_of_a_lost_owner_is_dropped(void **state)
{
    (void)state;
    struct covey_fence fence = fence_of(1, 1);
    struct world *w = ready_world(fence);
    struct covey_action old[2];
    for (uint32_t i = 0; i < 4; i++) {
        execute(w, 0, fence, i);
        if (i < 2) {
            old[i] = w->compute[0];
        }
    }
    peer_down(w, 0);
    assert_int_equal(w->retired, 1);
    assign(w, 0, fence);
    checked(w, 0, fence, 0, COVEY_OK);
    execute(w, 0, fence, 0);
    assert_int_equal(w->computes, 0);
    computed(w, &old[0], true);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_DONE], 0);
    assert_int_equal(w->computes, 1);
    struct covey_action again = w->compute[0];
    computed(w, &old[1], true);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_DONE], 0);
    computed(w, &again, true);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_DONE], 1);
    world_free(w);
}

/* One owner can fill neither the queue nor the table of assignments for another. */
static void test_one_owner_leaves_room_for_others(void **state)
{
    (void)state;
    struct covey_fence fence = fence_of(1, 1);
    struct world *w = ready_world(fence);
    unsigned refused = 0;
    for (uint32_t i = 0; i < 300; i++) {
        execute(w, 0, fence, i);
        refused += w->answers[COVEY_WORK_STATUS_REFUSED];
    }
    assert_in_range(refused, 100, 250);
    for (unsigned i = 2; i < 100; i++) {
        assign(w, 0, fence_of(i, 1));
    }
    assert_int_equal(w->assigned, 0);
    assign(w, 1, fence);
    assert_int_equal(w->assigned, 1);
    checked(w, 1, fence, 0, COVEY_OK);
    execute(w, 1, fence, 0);
    assert_int_equal(w->answers[COVEY_WORK_STATUS_REFUSED], 0);
    peer_down(w, 0);
    peer_down(w, 1);
    world_free(w);
}

/* A session has a few versions at once: the oldest makes room. A lower epoch gets no more work. */
static void test_versions_and_epochs_are_bounded(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (uint32_t version = 1; version <= 4; version++) {
        assign(w, 0, fence_of(1, version));
        assert_int_equal(w->retired, 0);
    }
    assign(w, 0, fence_of(1, 5));
    assert_int_equal(w->assigned, 1);
    assert_int_equal(w->retired, 1);
    assert_int_equal(w->last_retired.version, 1);
    struct covey_fence next = fence_of(1, 1);
    next.epoch = 2;
    assign(w, 0, next);
    assert_int_equal(w->assigned, 1);
    assert_int_equal(w->retired, 4);
    assign(w, 0, fence_of(1, 6));
    assert_int_equal(w->assigned, 0);
    world_free(w);
}

static void assign_plan(struct world *w, unsigned owner, struct covey_fence fence,
                        const struct covey_plan *plan)
{
    static uint8_t bytes[COVEY__PLAN_MAX];
    struct covey_work_message m = {.type = COVEY_WORK_ASSIGN};
    size_t len = 0;
    assert_int_equal(covey__plan_encode(plan, (struct covey_buf){bytes, sizeof(bytes)}, &len),
                     COVEY_OK);
    m.assign.fence = fence;
    m.assign.plan = covey_bytes_of(bytes, len);
    tell(w, owner, &m, 0);
}

/* A plan without tile runs says who else holds a layer by rows: it is passed on as it is, and not
 * kept, so that however many there are, none is refused for want of room. One that does not name
 * this device is. */
static void test_plans_without_runs_are_passed_on(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct covey_plan plan = {.devices = 3,
                              .device = {{{5}}, {{99}}, {{7}}},
                              .parity = 1,
                              .layers = 1,
                              .layer = {{.units = 2,
                                         .groups = 1,
                                         .slots = 3,
                                         .group_units = 2,
                                         .holder = {2, 0, 1},
                                         .by_rows = true}}};
    for (unsigned i = 1; i <= 20; i++) {
        plan.term = i;
        assign_plan(w, 0, fence_of(i, 1), &plan);
        assert_int_equal(w->assigned, 1);
        assert_true(w->planned);
        assert_int_equal(w->device, 1);
        assert_memory_equal(&w->plan, &plan, sizeof(plan));
        assign_plan(w, 0, fence_of(i, 1), &plan); /* again, as after a lost channel */
        assert_int_equal(w->assigned, 1);
        assert_int_equal(w->device, 1);
    }
    plan.device[1].bytes[0] = 98;
    assign_plan(w, 0, fence_of(21, 1), &plan);
    assert_int_equal(w->assigned, 0);
    world_free(w);
}

/* Plans whose pieces may come are kept, so many of one owner: another finds room too. */
static void test_plans_of_one_owner_are_bounded(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct covey_plan plan = {.devices = 2,
                              .device = {{{99}}, {{7}}},
                              .layers = 1,
                              .layer = {{.units = 2,
                                         .groups = 1,
                                         .slots = 2,
                                         .group_units = 2,
                                         .holder = {0, 1},
                                         .relayed = true}}};
    unsigned kept = 0;
    for (unsigned i = 1; i <= 20; i++) {
        assign_plan(w, 0, fence_of(i, 1), &plan);
        kept += w->assigned;
    }
    assert_in_range(kept, 8, 19);
    assign_plan(w, 1, fence_of(21, 1), &plan);
    assert_int_equal(w->assigned, 1);
    peer_down(w, 0);
    peer_down(w, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assignment_becomes_ready),
        cmocka_unit_test(test_bad_assignment_is_refused),
        cmocka_unit_test(test_assignments_beyond_all_places_are_refused),
        cmocka_unit_test(test_computed_is_answered),
        cmocka_unit_test(test_cancel_takes_effect),
        cmocka_unit_test(test_next_layer_cancels_the_one_before),
        cmocka_unit_test(test_unknown_fences_are_refused),
        cmocka_unit_test(test_retire_ends_versions),
        cmocka_unit_test(test_work_of_a_lost_owner_is_dropped),
        cmocka_unit_test(test_one_owner_leaves_room_for_others),
        cmocka_unit_test(test_versions_and_epochs_are_bounded),
        cmocka_unit_test(test_plans_without_runs_are_passed_on),
        cmocka_unit_test(test_plans_of_one_owner_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
