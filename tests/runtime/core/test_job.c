/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "job.h"
#include "plan_codec.h"

/* A scripted world around one owner, device 0: it carries out what the machine wants, by itself
 * only where a test does not care. */
enum { DEVICES = 8, ANSWER_BYTES = 4, BODIES = 4096, PENDING = 256, INPUT = 1 << 20 };

static const struct covey_fence session = {{{42}}, 1, 0};

struct pending {
    enum { DO_PREPARED, DO_READY, DO_UP } what;
    unsigned device;
    struct covey_fence fence;
};

struct world {
    struct covey_job *job;
    struct covey_update *out;
    struct covey_job_view view;
    struct covey_plan_request costs;
    bool closing;
    bool unreachable[DEVICES], never_ready[DEVICES];
    covey_handle bodies; /* the last made */
    bool alive[BODIES];
    struct pending pending[PENDING];
    size_t pendings;
    /* what was seen */
    struct covey_plan plan; /* of the last PREPARE */
    uint32_t prepared, active, forgotten, retired[DEVICES];
    unsigned dials[DEVICES], assigns[DEVICES], places, cancels[DEVICES], sends[DEVICES];
    uint32_t place_version;
    bool asked[DEVICES];
    struct covey_work_execute execute[DEVICES];
    unsigned locals;
    struct covey_action local[8];
    unsigned done;
    struct covey_layer_done layer_done;
    struct covey_fence units_fence;
    unsigned units;
};

static struct covey_node_id id_of(unsigned device)
{
    struct covey_node_id id = {{0}};
    id.bytes[0] = (uint8_t)(device + 1);
    return id;
}

static unsigned device_of(const struct covey_node_id *id)
{
    assert_in_range(id->bytes[0], 1, DEVICES);
    return id->bytes[0] - 1U;
}

static covey_handle new_body(struct world *w)
{
    assert_true(++w->bodies < BODIES);
    w->alive[w->bodies] = true;
    return w->bodies;
}

static void drop_body(struct world *w, covey_handle body)
{
    if (body != 0) {
        assert_true(w->alive[body]);
        w->alive[body] = false;
    }
}

static void assert_no_bodies(const struct world *w)
{
    for (unsigned i = 0; i < BODIES; i++) {
        assert_false(w->alive[i]);
    }
}

static void later(struct world *w, struct pending p)
{
    assert_true(w->pendings < PENDING);
    w->pending[w->pendings++] = p;
}

static void on_send(struct world *w, const struct covey_action *action)
{
    struct covey_work_message m;
    unsigned d = device_of(&action->peer);
    assert_int_equal(covey_work_decode(action->bytes, &m), COVEY_OK);
    w->sends[d]++;
    if (m.type == COVEY_WORK_EXECUTE) {
        assert_int_equal(action->body, INPUT);
        w->asked[d] = true;
        w->execute[d] = m.execute;
    } else if (m.type == COVEY_WORK_CANCEL) {
        if (m.cancel.request == w->execute[d].request) {
            assert_int_equal(m.cancel.work, w->execute[d].work);
        }
        w->cancels[d]++;
    } else if (m.type == COVEY_WORK_RETIRE) {
        w->retired[d] = m.fence.version;
    } else {
        struct covey_plan_request costs;
        assert_int_equal(m.type, COVEY_WORK_PLACE);
        assert_int_equal(covey__plan_request_decode(m.place.payload, &costs), COVEY_OK);
        assert_int_equal(costs.layers, w->costs.layers);
        w->places++;
        w->place_version = m.place.version;
    }
}

static void on_layer_done(struct world *w, const struct covey_action *action)
{
    w->done++;
    w->layer_done = *action->done;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        drop_body(w, action->done->answer[d]);
    }
    drop_body(w, action->done->local);
}

static void on_action(struct world *w, const struct covey_action *action)
{
    unsigned d = action->has_peer ? device_of(&action->peer) : 0;
    struct pending p = {DO_UP, d, action->fence};
    if (action->type == COVEY_ACTION_SEND) {
        on_send(w, action);
    } else if (action->type == COVEY_ACTION_DIAL) {
        w->dials[d]++;
        if (!w->unreachable[d]) {
            later(w, p);
        }
    } else if (action->type == COVEY_ACTION_RELEASE) {
        drop_body(w, action->body);
    } else if (action->type == COVEY_ACTION_PREPARE) {
        w->prepared = action->fence.version;
        w->plan = *action->plan;
        p.what = DO_PREPARED;
        later(w, p);
    } else if (action->type == COVEY_ACTION_ASSIGN) {
        w->assigns[d]++;
        p.what = DO_READY;
        if (!w->never_ready[d]) {
            later(w, p);
        }
    } else if (action->type == COVEY_ACTION_SEND_UNITS) {
        w->units++;
        w->units_fence = action->fence;
    } else if (action->type == COVEY_ACTION_ACTIVE) {
        w->active = action->fence.version;
    } else if (action->type == COVEY_ACTION_FORGET) {
        assert_true(w->closing || w->active != action->fence.version);
        w->forgotten = action->fence.version;
    } else if (action->type == COVEY_ACTION_COMPUTE_LOCAL) {
        assert_true(w->locals < 8);
        w->local[w->locals++] = *action;
    } else {
        assert_int_equal(action->type, COVEY_ACTION_LAYER_DONE);
        on_layer_done(w, action);
    }
}

static void clear(struct world *w)
{
    w->out->count = w->out->done_count = w->out->arena_len = 0;
    w->out->more = false;
}

static void carry_out(struct world *w);

static covey_err give(struct world *w, struct covey_event *event)
{
    event->now_ms = w->view.now_ms;
    clear(w);
    covey_err err = covey__job_event(w->job, &w->view, event, w->out);
    carry_out(w);
    return err;
}

static void tell(struct world *w, unsigned device, const struct covey_work_message *m,
                 covey_handle body, size_t len)
{
    struct covey_incoming in = {id_of(device), m, {NULL, 0}, body, len};
    clear(w);
    assert_int_equal(covey__job_message(w->job, &w->view, &in, w->out), COVEY_OK);
    carry_out(w);
}

static void set_peer(struct world *w, unsigned device, enum covey_peer_state state)
{
    struct covey_node_id id = id_of(device);
    clear(w);
    assert_int_equal(covey__job_peer(w->job, &w->view, &id, state, w->out), COVEY_OK);
    carry_out(w);
}

static void carry_out(struct world *w)
{
    for (size_t i = 0; i < w->out->count; i++) {
        on_action(w, &w->out->actions[i]);
    }
    while (w->out->more) {
        clear(w);
        assert_int_equal(covey__job_tick(w->job, &w->view, w->out), COVEY_OK);
        for (size_t i = 0; i < w->out->count; i++) {
            on_action(w, &w->out->actions[i]);
        }
    }
    while (w->pendings > 0) {
        struct pending p = w->pending[--w->pendings];
        struct covey_event event = {.type = COVEY_EVENT_PREPARED, .fence = p.fence};
        struct covey_work_message ready = {.type = COVEY_WORK_READY, .fence = p.fence};
        if (p.what == DO_PREPARED) {
            assert_int_equal(give(w, &event), COVEY_OK);
        } else if (p.what == DO_READY) {
            tell(w, p.device, &ready, 0, 0);
        } else {
            set_peer(w, p.device, COVEY_PEER_UP);
        }
    }
}

/* Lets time pass as the loop would: a step at each deadline. */
static void pass(struct world *w, uint64_t ms)
{
    uint64_t end = w->view.now_ms + ms;
    for (unsigned guard = 0; guard < 10000; guard++) {
        uint64_t next = covey__job_deadline_ms(w->job);
        w->view.now_ms = next < end ? (next > w->view.now_ms ? next : w->view.now_ms) : end;
        clear(w);
        assert_int_equal(covey__job_tick(w->job, &w->view, w->out), COVEY_OK);
        carry_out(w);
        if (w->view.now_ms == end && covey__job_deadline_ms(w->job) > end) {
            return;
        }
    }
    fail_msg("the deadline stands still");
}

static void set_devices(struct world *w, unsigned mask)
{
    w->view.devices = 0;
    for (unsigned d = 0; d < DEVICES; d++) {
        if ((mask >> d & 1) != 0) {
            struct covey_plan_device device = {id_of(d), 1000, UINT64_MAX};
            w->view.device[w->view.devices++] = device;
        }
    }
    w->view.device_generation++;
}

static struct world *world_new(unsigned devices, unsigned parity)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->job = malloc(covey__job_size());
    w->out = calloc(1, sizeof(*w->out));
    assert_true(w->job != NULL && w->out != NULL);
    memset(w->job, 0xa5, covey__job_size());
    w->view.self = id_of(0);
    w->view.now_ms = 1000;
    w->costs.layers = 3;
    w->costs.parity = (uint8_t)parity;
    for (unsigned i = 0; i < 3; i++) {
        w->costs.cost[i] = (struct covey_plan_cost){(uint16_t)(9 + i), 8, 8, ANSWER_BYTES, 8};
    }
    set_devices(w, (1U << devices) - 1);
    covey__job_init(w->job, &w->view.self, 1);
    return w;
}

static void world_free(struct world *w)
{
    free(w->job);
    free(w->out);
    free(w);
}

static void open_session(struct world *w)
{
    struct covey_event event = {
        .type = COVEY_EVENT_SESSION_OPEN, .fence = session, .costs = &w->costs};
    assert_int_equal(give(w, &event), COVEY_OK);
}

static covey_err begin(struct world *w, uint64_t request)
{
    struct covey_event event = {
        .type = COVEY_EVENT_REQUEST_BEGIN, .fence = session, .request = request};
    return give(w, &event);
}

static void end(struct world *w, uint64_t request)
{
    struct covey_event event = {.type = COVEY_EVENT_REQUEST_END, .request = request};
    assert_int_equal(give(w, &event), COVEY_OK);
}

/* Session keeps the input until LAYER_DONE; here all layers share one. */
static void start_layer(struct world *w, uint64_t request, unsigned layer)
{
    struct covey_event event = {
        .type = COVEY_EVENT_LAYER, .request = request, .layer = (uint16_t)layer, .body = INPUT};
    memset(w->asked, 0, sizeof(w->asked));
    w->locals = 0;
    assert_int_equal(give(w, &event), COVEY_OK);
}

static struct world *ready_world(unsigned devices, unsigned parity)
{
    struct world *w = world_new(devices, parity);
    open_session(w);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.layers, 3);
    assert_int_equal(begin(w, 7), COVEY_OK);
    return w;
}

static unsigned slots_of(const struct world *w, unsigned layer, unsigned device, bool units_only)
{
    const struct covey_plan_layer *l = &w->plan.layer[layer];
    unsigned slots = 0;
    for (unsigned g = 0; g < l->groups; g++) {
        unsigned unit, slot;
        unsigned count = covey_plan_group(l, w->plan.parity, g, &unit, &slot);
        for (unsigned s = 0; s < count + (units_only ? 0U : w->plan.parity); s++) {
            slots += l->holder[slot + s] == device;
        }
    }
    return slots;
}

static struct covey_work_message answer_of(const struct world *w, unsigned device)
{
    const struct covey_work_execute *e = &w->execute[device];
    struct covey_work_message m = {.type = COVEY_WORK_ANSWER};
    m.answer =
        (struct covey_work_answer){e->fence, e->request, e->layer, e->work, COVEY_WORK_STATUS_DONE};
    return m;
}

static void answer_local(struct world *w, unsigned index)
{
    struct covey_event event = {.type = COVEY_EVENT_COMPUTED_LOCAL,
                                .request = w->local[index].request,
                                .layer = w->local[index].layer,
                                .body = new_body(w)};
    memcpy(event.slots, w->local[index].slots, sizeof(event.slots));
    assert_int_equal(give(w, &event), COVEY_OK);
}

static void answer(struct world *w, unsigned device)
{
    if (device == 0) {
        answer_local(w, 0);
        return;
    }
    struct covey_work_message m = answer_of(w, device);
    size_t len = (size_t)slots_of(w, w->execute[device].layer, device, false) * ANSWER_BYTES;
    tell(w, device, &m, new_body(w), len);
}

/* Units whose device has no answer in what the layer was done with. */
static unsigned rebuilt(const struct world *w, unsigned layer)
{
    unsigned count = 0;
    for (unsigned d = 0; d < w->plan.devices; d++) {
        count += w->layer_done.answer[d] == 0 ? slots_of(w, layer, d, true) : 0;
    }
    return count;
}

static unsigned bits(const uint64_t *slots)
{
    unsigned count = 0;
    for (unsigned i = 0; i < COVEY_LAYER_SLOTS_MAX; i++) {
        count += (slots[i / 64] >> (i % 64) & 1) != 0;
    }
    return count;
}

/* Whichever one device is silent, the layer is done when the last of the others has answered, in no
 * time; the silent one is told, and what it sends later is given back. */
static void test_any_one_silent_device_costs_no_waiting(void **state)
{
    (void)state;
    for (unsigned devices = 2; devices <= DEVICES; devices++) {
        for (unsigned silent = 0; silent < devices; silent++) {
            struct world *w = ready_world(devices, 1);
            for (unsigned layer = 0; layer < 3; layer++) {
                start_layer(w, 7, layer);
                unsigned cancels = w->cancels[silent];
                for (unsigned d = 0; d < devices; d++) {
                    assert_int_equal(w->asked[d], d != 0);
                    if (d != silent) {
                        answer(w, d);
                    }
                }
                assert_int_equal(w->done, layer + 1);
                assert_int_equal(w->layer_done.answer[silent], 0);
                assert_int_equal(w->layer_done.recovered_late, rebuilt(w, layer));
                assert_int_equal(w->layer_done.recovered_dead, 0);
                assert_int_equal(w->cancels[silent], cancels + (silent != 0));
                assert_int_equal(w->locals, 1);
                answer(w, silent);
            }
            end(w, 7);
            assert_no_bodies(w);
            world_free(w);
        }
    }
}

/* Whichever one device dies with a layer in flight, the same; and it is counted as dead. */
static void test_any_one_dead_device_costs_no_waiting(void **state)
{
    (void)state;
    for (unsigned devices = 2; devices <= DEVICES; devices++) {
        for (unsigned dead = 1; dead < devices; dead++) {
            struct world *w = ready_world(devices, 1);
            start_layer(w, 7, 0);
            w->unreachable[dead] = true;
            set_peer(w, dead, dead % 2 != 0 ? COVEY_PEER_GONE : COVEY_PEER_NO_CHANNEL);
            for (unsigned d = 0; d < devices; d++) {
                if (d != dead) {
                    answer(w, d);
                }
            }
            assert_int_equal(w->done, 1);
            assert_int_equal(w->layer_done.recovered_dead, slots_of(w, 0, dead, true));
            assert_int_equal(w->layer_done.recovered_late,
                             rebuilt(w, 0) - slots_of(w, 0, dead, true));
            assert_int_equal(w->cancels[dead], 0);
            assert_no_bodies(w);
            world_free(w);
        }
    }
}

/* Two losses are more than one parity mends: the owner computes just the missing units, at once. */
static void test_two_dead_devices_are_computed_here(void **state)
{
    (void)state;
    for (unsigned devices = 3; devices <= DEVICES; devices++) {
        struct world *w = ready_world(devices, 1);
        start_layer(w, 7, 1);
        set_peer(w, 1, COVEY_PEER_GONE);
        assert_int_equal(w->locals, 1);
        set_peer(w, 2, COVEY_PEER_GONE);
        assert_int_equal(w->locals, 2);
        unsigned lost = slots_of(w, 1, 1, true) + slots_of(w, 1, 2, true);
        assert_in_range(bits(w->local[1].slots), 1, lost);
        for (unsigned d = 3; d < devices; d++) {
            answer(w, d);
        }
        answer(w, 0);
        assert_int_equal(w->done, 0);
        answer_local(w, 1);
        assert_int_equal(w->done, 1);
        assert_int_not_equal(w->layer_done.local, 0);
        assert_memory_equal(w->layer_done.local_slots, w->local[1].slots, 16);
        assert_int_equal(w->layer_done.recovered_dead, lost);
        assert_no_bodies(w);
        world_free(w);
    }
}

/* Without redundancy, what is overdue is computed here after a time that adapts, not a fixed one.
 */
static void test_overdue_units_are_computed_here(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 0);
    start_layer(w, 7, 0);
    answer(w, 0);
    answer(w, 1);
    answer(w, 2);
    pass(w, 249);
    assert_int_equal(w->locals, 1);
    pass(w, 1);
    assert_int_equal(w->locals, 2);
    assert_int_equal(bits(w->local[1].slots), slots_of(w, 0, 3, true));
    answer_local(w, 1);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->layer_done.recovered_late, slots_of(w, 0, 3, true));
    answer(w, 3);
    for (unsigned i = 0; i < 8; i++) {
        start_layer(w, 7, i % 3);
        pass(w, 5);
        for (unsigned d = 0; d < 4; d++) {
            answer(w, d);
        }
    }
    start_layer(w, 7, 0);
    pass(w, 39);
    assert_int_equal(w->locals, 1);
    pass(w, 1);
    assert_int_equal(w->locals, 2);
    end(w, 7);
    assert_no_bodies(w);
    world_free(w);
}

/* A device that answers nothing is left alone after four layers, and asked again when it answers.
 */
static void test_a_device_behind_is_skipped(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    for (unsigned i = 0; i < 10; i++) {
        start_layer(w, 7, i % 3);
        assert_int_equal(w->asked[3], i < 4);
        pass(w, 2);
        for (unsigned d = 0; d < 3; d++) {
            answer(w, d);
        }
        assert_int_equal(w->done, i + 1);
        pass(w, 2);
    }
    answer(w, 3);
    start_layer(w, 7, 0);
    assert_true(w->asked[3]);
    end(w, 7);
    assert_no_bodies(w);
    world_free(w);
}

/* An answer of the wrong length, fence, layer or status is a loss, not a result; one that comes
 * from another device, for other work, or twice, changes nothing. None of their bodies is kept. */
static void test_wrong_answers_are_not_used(void **state)
{
    (void)state;
    for (unsigned wrong = 0; wrong < 7; wrong++) {
        struct world *w = ready_world(4, 1);
        start_layer(w, 7, 0);
        struct covey_work_message m = answer_of(w, 1);
        size_t len = (size_t)slots_of(w, 0, 1, false) * ANSWER_BYTES;
        m.answer.fence.version += wrong == 0;
        m.answer.fence.epoch += wrong == 1;
        m.answer.layer = wrong == 2 ? 1 : 0;
        m.answer.status = wrong == 3 ? COVEY_WORK_STATUS_REFUSED : COVEY_WORK_STATUS_DONE;
        len += wrong == 4;
        tell(w, 1, &m, wrong == 5 ? 0 : new_body(w), wrong == 6 ? 0 : len);
        answer(w, 1); /* refused: what comes after is not used either */
        answer(w, 2);
        answer(w, 0);
        assert_int_equal(w->done, 0);
        answer(w, 3);
        assert_int_equal(w->done, 1);
        assert_int_equal(w->layer_done.answer[1], 0);
        assert_no_bodies(w);
        world_free(w);
    }
}

/* Nobody answers for another device, nor for work that it was not given. */
static void test_answers_of_others_are_not_used(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    start_layer(w, 7, 0);
    struct covey_work_message m = answer_of(w, 1);
    size_t len = (size_t)slots_of(w, 0, 2, false) * ANSWER_BYTES;
    m.answer.work = w->execute[2].work + 1;
    tell(w, 2, &m, new_body(w), len);
    m.answer.request = 8;
    tell(w, 2, &m, new_body(w), len);
    answer(w, 1);
    answer(w, 1);
    answer(w, 0);
    assert_int_equal(w->done, 0);
    answer(w, 2);
    assert_int_equal(w->done, 1);
    assert_no_bodies(w);
    world_free(w);
}

/* A coordinator that does not answer within 200 ms is not waited for. */
static void test_placing_times_out(void **state)
{
    (void)state;
    struct world *w = world_new(4, 1);
    w->view.has_coordinator = true;
    w->view.coordinator = id_of(2);
    open_session(w);
    assert_int_equal(w->dials[2], 1);
    assert_int_equal(w->places, 1);
    pass(w, 199);
    assert_int_equal(w->prepared, 0);
    assert_int_equal(begin(w, 1), COVEY_ERR_STATE);
    pass(w, 1);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.term, 0);
    assert_int_equal(begin(w, 1), COVEY_OK);
    world_free(w);
}

static void placement(struct world *w, unsigned from, const struct covey_plan *plan)
{
    static uint8_t bytes[COVEY__PLAN_MAX];
    struct covey_work_message m = {.type = COVEY_WORK_PLACEMENT};
    m.place.session = session.session;
    m.place.version = w->place_version;
    assert_int_equal(
        covey__plan_encode(plan, (struct covey_buf){bytes, sizeof(bytes)}, &m.place.payload.len),
        COVEY_OK);
    m.place.payload.ptr = bytes;
    tell(w, from, &m, 0, 0);
}

/* The coordinator's plan is used when it holds, only from the coordinator; else the owner's own. */
static void test_placement_is_checked(void **state)
{
    (void)state;
    for (unsigned bad = 0; bad < 2; bad++) {
        static struct covey_plan plan;
        struct world *w = world_new(4, 1);
        w->view.has_coordinator = true;
        w->view.coordinator = id_of(2);
        open_session(w);
        w->costs.devices = w->view.devices;
        memcpy(w->costs.device, w->view.device, sizeof(w->costs.device));
        assert_int_equal(covey_plan_make(&w->costs, &plan), COVEY_OK);
        plan.term = 5;
        plan.device[3].bytes[0] = bad ? 99 : plan.device[3].bytes[0];
        placement(w, 1, &plan);
        assert_int_equal(w->prepared, 0);
        placement(w, 2, &plan);
        assert_int_equal(w->active, 1);
        assert_int_equal(w->plan.term, bad ? 0 : 5);
        world_free(w);
    }
}

/* A coordinator that leaves a device out is used for now, and corrected by the owner soon after. */
static void test_placement_that_leaves_out_is_corrected(void **state)
{
    (void)state;
    static struct covey_plan plan;
    struct world *w = world_new(4, 1);
    w->view.has_coordinator = true;
    w->view.coordinator = id_of(2);
    open_session(w);
    w->costs.devices = 3;
    memcpy(w->costs.device, w->view.device + 1, 3 * sizeof(w->costs.device[0]));
    assert_int_equal(covey_plan_make(&w->costs, &plan), COVEY_OK);
    plan.term = 5;
    placement(w, 2, &plan);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.devices, 3);
    pass(w, 1000);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 4);
    assert_int_equal(w->places, 1);
    pass(w, 10000);
    assert_int_equal(w->active, 2);
    world_free(w);
}

/* A device alone plans nothing and is active at once. */
static void test_alone_is_active_at_once(void **state)
{
    (void)state;
    struct world *w = world_new(1, 1);
    open_session(w);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.layers, 0);
    assert_int_equal(begin(w, 1), COVEY_OK);
    set_devices(w, 3);
    pass(w, 0);
    pass(w, 149);
    assert_int_equal(w->active, 1);
    pass(w, 1);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.layers, 3);
    assert_int_equal(w->forgotten, 0);
    end(w, 1);
    assert_int_equal(w->forgotten, 1);
    world_free(w);
}

/* After a death the shards are placed again on the devices left: the next loss costs no waiting
 * either. A request under way ends with the plan it began with, which is then forgotten. */
static void test_redundancy_is_restored(void **state)
{
    (void)state;
    struct world *w = ready_world(5, 1);
    start_layer(w, 7, 0);
    set_peer(w, 4, COVEY_PEER_GONE);
    set_devices(w, 0x0f);
    pass(w, 0);
    pass(w, 160);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 4);
    assert_int_equal(w->forgotten, 0);
    assert_int_equal(begin(w, 8), COVEY_OK);
    end(w, 7);
    assert_int_equal(w->forgotten, 1);
    assert_int_equal(w->retired[1], 1);
    assert_int_equal(w->retired[4], 0);
    start_layer(w, 8, 0);
    assert_int_equal(w->execute[1].fence.version, 2);
    answer(w, 0);
    answer(w, 2);
    answer(w, 3);
    assert_int_equal(w->done, 1);
    end(w, 8);
    assert_no_bodies(w);
    world_free(w);
}

/* A change that leaves the placement as it is makes no new version. */
static void test_same_placement_is_kept(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    w->view.device_generation++;
    pass(w, 1000);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->prepared, 1);
    world_free(w);
}

/* A holder that never gets ready holds the session up for five seconds at most, and is then left
 * out, so that all redundancy is there again. */
static void test_unready_holder_is_left_out(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        struct world *w = world_new(5, 1);
        w->unreachable[3] = way == 0;
        w->never_ready[3] = way == 1;
        open_session(w);
        pass(w, 4999);
        assert_int_equal(w->active, 0);
        pass(w, 1);
        assert_true(w->active >= 1);
        pass(w, 1000);
        assert_int_equal(w->active, 2);
        assert_int_equal(w->plan.devices, 4);
        world_free(w);
    }
}

/* Two unready holders leave groups incomplete: the next plan does without them. */
static void test_two_unready_holders_are_left_out(void **state)
{
    (void)state;
    struct world *w = world_new(5, 1);
    w->unreachable[3] = w->never_ready[1] = true;
    open_session(w);
    pass(w, 6000);
    assert_int_equal(w->active, 2);
    assert_int_equal(w->plan.devices, 3);
    pass(w, 60000);
    assert_int_equal(w->plan.devices, 5);
    assert_int_equal(w->active, 2);
    world_free(w);
}

/* A channel that was lost is dialled again, and the holder gets its assignment anew; meanwhile it
 * is not asked. */
static void test_lost_channel_is_assigned_again(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    w->unreachable[2] = true;
    set_peer(w, 2, COVEY_PEER_NO_CHANNEL);
    start_layer(w, 7, 0);
    assert_false(w->asked[2]);
    answer(w, 0);
    answer(w, 1);
    answer(w, 3);
    assert_int_equal(w->done, 1);
    w->unreachable[2] = false;
    pass(w, 600);
    assert_int_equal(w->assigns[2], 2);
    start_layer(w, 7, 1);
    assert_true(w->asked[2]);
    end(w, 7);
    assert_no_bodies(w);
    world_free(w);
}

/* NEED is answered with units once an assignment, however often it is said. */
static void test_need_sends_units_once(void **state)
{
    (void)state;
    static const uint8_t missing[2] = {3, 0};
    struct world *w = world_new(3, 1);
    w->never_ready[1] = true;
    open_session(w);
    struct covey_work_message m = {.type = COVEY_WORK_NEED};
    m.need.fence = session;
    m.need.fence.version = 1;
    m.need.missing = covey_bytes_of(missing, 2);
    tell(w, 1, &m, 0, 0);
    tell(w, 1, &m, 0, 0);
    assert_int_equal(w->units, 1);
    assert_int_equal(w->units_fence.version, 1);
    assert_int_equal(w->active, 0);
    m = (struct covey_work_message){.type = COVEY_WORK_READY, .fence = m.need.fence};
    tell(w, 1, &m, 0, 0);
    assert_int_equal(w->active, 1);
    world_free(w);
}

/* Closing in the middle of a layer gives everything back and tells the holders. */
static void test_close_gives_everything_back(void **state)
{
    (void)state;
    struct world *w = ready_world(4, 1);
    start_layer(w, 7, 0);
    answer(w, 1);
    struct covey_event event = {.type = COVEY_EVENT_SESSION_CLOSE, .fence = session};
    w->closing = true;
    assert_int_equal(give(w, &event), COVEY_OK);
    assert_int_equal(w->retired[1], UINT32_MAX);
    assert_int_equal(w->retired[3], UINT32_MAX);
    assert_int_equal(w->cancels[2], 1);
    assert_int_equal(w->forgotten, 1);
    answer(w, 2);
    assert_no_bodies(w);
    assert_true(covey__job_deadline_ms(w->job) == UINT64_MAX);
    open_session(w);
    assert_int_equal(begin(w, 9), COVEY_OK);
    world_free(w);
}

/* Limits and misuse come back as errors and change nothing. */
static void test_misuse_is_refused(void **state)
{
    (void)state;
    struct world *w = ready_world(3, 1);
    struct covey_event open = {
        .type = COVEY_EVENT_SESSION_OPEN, .fence = session, .costs = &w->costs};
    struct covey_event layer = {.type = COVEY_EVENT_LAYER, .request = 7, .layer = 3};
    assert_int_equal(give(w, &open), COVEY_ERR_EXISTS);
    assert_int_equal(begin(w, 7), COVEY_ERR_EXISTS);
    assert_int_equal(give(w, &layer), COVEY_ERR_RANGE);
    layer.request = 5;
    assert_int_equal(give(w, &layer), COVEY_ERR_NOT_FOUND);
    start_layer(w, 7, 0);
    layer.request = 7;
    layer.layer = 1;
    assert_int_equal(give(w, &layer), COVEY_ERR_STATE);
    for (unsigned i = 1; i < COVEY_REQUESTS_MAX; i++) {
        assert_int_equal(begin(w, 100 + i), COVEY_OK);
    }
    assert_int_equal(begin(w, 1000), COVEY_ERR_LIMIT);
    world_free(w);
}

/* A full update loses nothing: all requests of all tables end when everyone answers at once. */
static void test_full_updates_go_on(void **state)
{
    (void)state;
    struct world *w = ready_world(8, 1);
    end(w, 7);
    for (unsigned i = 0; i < COVEY_REQUESTS_MAX; i++) {
        assert_int_equal(begin(w, 100 + i), COVEY_OK);
        start_layer(w, 100 + i, 0);
    }
    w->locals = 0;
    for (unsigned d = 2; d < 8; d++) {
        w->locals = 0;
        memset(w->local, 0, sizeof(w->local));
        for (unsigned i = 0; i < COVEY_REQUESTS_MAX; i++) {
            struct covey_work_message m = answer_of(w, d);
            m.answer.request = 100 + i;
            m.answer.work = w->execute[d].work - COVEY_REQUESTS_MAX + 1 + i;
            tell(w, d, &m, new_body(w), (size_t)slots_of(w, 0, d, false) * ANSWER_BYTES);
        }
    }
    assert_int_equal(w->done, 0);
    for (unsigned i = 0; i < COVEY_REQUESTS_MAX; i++) {
        struct covey_event event = {
            .type = COVEY_EVENT_COMPUTED_LOCAL, .request = 100 + i, .body = new_body(w)};
        for (unsigned s = 0; s < w->plan.layer[0].slots; s++) {
            if (w->plan.layer[0].holder[s] == 0) {
                event.slots[s / 64] |= UINT64_C(1) << (s % 64);
            }
        }
        assert_int_equal(give(w, &event), COVEY_OK);
    }
    assert_int_equal(w->done, COVEY_REQUESTS_MAX);
    assert_no_bodies(w);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_one_silent_device_costs_no_waiting),
        cmocka_unit_test(test_any_one_dead_device_costs_no_waiting),
        cmocka_unit_test(test_two_dead_devices_are_computed_here),
        cmocka_unit_test(test_overdue_units_are_computed_here),
        cmocka_unit_test(test_a_device_behind_is_skipped),
        cmocka_unit_test(test_wrong_answers_are_not_used),
        cmocka_unit_test(test_answers_of_others_are_not_used),
        cmocka_unit_test(test_placing_times_out),
        cmocka_unit_test(test_placement_is_checked),
        cmocka_unit_test(test_placement_that_leaves_out_is_corrected),
        cmocka_unit_test(test_alone_is_active_at_once),
        cmocka_unit_test(test_redundancy_is_restored),
        cmocka_unit_test(test_same_placement_is_kept),
        cmocka_unit_test(test_unready_holder_is_left_out),
        cmocka_unit_test(test_two_unready_holders_are_left_out),
        cmocka_unit_test(test_lost_channel_is_assigned_again),
        cmocka_unit_test(test_need_sends_units_once),
        cmocka_unit_test(test_close_gives_everything_back),
        cmocka_unit_test(test_misuse_is_refused),
        cmocka_unit_test(test_full_updates_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
