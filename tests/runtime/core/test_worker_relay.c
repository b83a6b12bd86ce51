/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "covey/tiles.h"
#include "job.h"
#include "plan_codec.h"
#include "worker.h"

/* Holders of one layer whose input they give one another, and an owner that is none of them. What
 * is on its way arrives in any order; bodies are counted. */
enum {
    HOLDERS = 4,
    OWNER = HOLDERS,
    LAYER = 2,
    BYTES = 1000, /* pieces of 256, 256, 256 and 232 */
    BODIES = 4096,
    QUEUE = 512,
    WIRE = 256,
    STALL_MS = 50,
    MEMBERS = 15,
    REQUESTS = 8,
};

struct body {
    unsigned references;
    size_t len;
    unsigned source;
    uint64_t request;
};

struct flight {
    bool is_event;
    unsigned to, from;
    struct covey_event event;
    covey_handle body;
    size_t len;
    uint8_t wire[WIRE];
};

struct world {
    uint64_t random, now_ms;
    struct covey_fence fence;
    struct covey_plan plan;
    struct covey_worker *worker[HOLDERS];
    struct covey_update *update;
    struct body body[BODIES];
    unsigned bodies;
    struct flight queue[QUEUE];
    unsigned queued;
    bool cut[HOLDERS][HOLDERS], fail_compute;
    unsigned computed[HOLDERS];
    /* at the owner */
    uint32_t answered[REQUESTS], cancelled[REQUESTS], refused[REQUESTS]; /* of the last attempt */
    uint8_t attempt[REQUESTS];
    unsigned complaints;
    uint32_t stalled_by, missing;
    struct covey_work_tile stalled;
};

static unsigned below(struct world *w, unsigned n)
{
    w->random = w->random * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(w->random >> 33) % n;
}

static struct covey_node_id id_of(unsigned n)
{
    return (struct covey_node_id){{(uint8_t)(n + 1)}};
}

static uint32_t work_of(uint64_t request, uint8_t attempt)
{
    return (uint32_t)request * 2 + attempt + 1;
}

static covey_handle new_body(struct world *w, uint64_t request, unsigned source, size_t len)
{
    assert_true(++w->bodies < BODIES);
    w->body[w->bodies] = (struct body){1, len, source, request};
    return w->bodies;
}

static void drop_body(struct world *w, covey_handle body)
{
    assert_true(body != 0 && w->body[body].references > 0);
    w->body[body].references--;
}

static void assert_no_bodies(const struct world *w)
{
    for (unsigned i = 0; i <= w->bodies; i++) {
        assert_int_equal(w->body[i].references, 0);
    }
}

static struct flight *fly(struct world *w, unsigned from, unsigned to)
{
    assert_true(w->queued < QUEUE);
    struct flight *f = &w->queue[w->queued++];
    memset(f, 0, offsetof(struct flight, wire));
    f->from = from;
    f->to = to;
    return f;
}

/* Session joins the pieces and multiplies: all must be there, each from whom it is. */
static void compute(struct world *w, unsigned at, const struct covey_action *action)
{
    const struct covey_tile_task *task = action->tile;
    assert_int_equal(task->run, COVEY_WORK_NO_RUN);
    assert_int_equal(task->layer, LAYER);
    assert_int_equal(task->device, at);
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
        size_t len = covey_relay_piece(BYTES, task->fed, d).len;
        assert_int_equal(task->piece[d] != 0, len > 0);
        if (len > 0) {
            const struct body *body = &w->body[task->piece[d]];
            assert_int_equal(body->len, len);
            assert_int_equal(body->source, d);
            assert_int_equal(body->request, action->request);
            drop_body(w, task->piece[d]);
        }
    }
    w->computed[at]++;
    struct flight *f = fly(w, at, at);
    f->is_event = true;
    f->event = (struct covey_event){.type = COVEY_EVENT_TILE_COMPUTED,
                                    .peer = action->peer,
                                    .work = action->work,
                                    .err = w->fail_compute ? COVEY_ERR_NOMEM : COVEY_OK};
    f->body = w->fail_compute ? 0 : new_body(w, action->request, at, 4);
}

static void at_owner(struct world *w, unsigned from, const struct covey_work_message *m,
                     covey_handle body)
{
    if (m->type == COVEY_WORK_STALLED) {
        w->complaints++;
        w->stalled_by |= 1U << from;
        w->missing = covey_load32(m->tile.missing.ptr);
        w->stalled = m->tile;
    } else if (m->type == COVEY_WORK_ANSWER) {
        uint32_t *all[] = {w->answered, w->cancelled, w->refused};
        assert_int_equal(m->answer.layer, LAYER);
        assert_int_equal(body != 0, m->answer.status == COVEY_WORK_STATUS_DONE);
        if (m->answer.work != work_of(m->answer.request, w->attempt[m->answer.request])) {
            return;
        }
        assert_int_equal(all[m->answer.status][m->answer.request] >> from & 1, 0);
        all[m->answer.status][m->answer.request] |= 1U << from;
    } else {
        assert_int_equal(m->type, COVEY_WORK_READY);
    }
}

static void on_send(struct world *w, unsigned at, const struct covey_action *action)
{
    struct covey_work_message m;
    unsigned to = (unsigned)(action->peer.bytes[0] - 1);
    assert_int_equal(covey_work_decode(action->bytes, &m), COVEY_OK);
    assert_int_equal(action->part_len, 0);
    if (to == OWNER) {
        assert_int_not_equal(m.type, COVEY_WORK_PIECE); /* it has the input */
        at_owner(w, at, &m, action->body);
        return;
    }
    assert_int_equal(m.type, COVEY_WORK_PIECE);
    assert_int_equal(m.tile.run, COVEY_WORK_NO_RUN);
    assert_int_equal(m.tile.source, at);
    if (!w->cut[at][to]) {
        struct flight *f = fly(w, at, to);
        memcpy(f->wire, action->bytes.ptr, action->bytes.len);
        f->len = action->bytes.len;
        f->body = action->body;
        w->body[action->body].references++;
    }
}

static void carry_out(struct world *w, unsigned at)
{
    do {
        assert_int_equal(covey__worker_tick(w->worker[at], w->now_ms, w->update), COVEY_OK);
        w->update->more = false;
        bool again = w->update->count == COVEY_UPDATE_ACTIONS_MAX;
        for (size_t i = 0; i < w->update->count; i++) {
            const struct covey_action *action = &w->update->actions[i];
            if (action->type == COVEY_ACTION_SEND) {
                on_send(w, at, action);
            } else if (action->type == COVEY_ACTION_RELEASE) {
                drop_body(w, action->body);
            } else if (action->type == COVEY_ACTION_TILE) {
                compute(w, at, action);
            }
        }
        w->update->count = w->update->arena_len = 0;
        if (!again) {
            return;
        }
    } while (true);
}

static void tell(struct world *w, unsigned from, unsigned to, const struct covey_work_message *m,
                 covey_handle body)
{
    struct covey_incoming in = {id_of(from), m, {NULL, 0}, body, body ? w->body[body].len : 0};
    assert_int_equal(covey__worker_message(w->worker[to], &in, w->update), COVEY_OK);
    carry_out(w, to);
}

static void deliver(struct world *w, unsigned which)
{
    struct flight f = w->queue[which];
    w->queue[which] = w->queue[--w->queued];
    if (f.is_event) {
        covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1] = {0};
        pieces[COVEY_TILE_OWNER] = f.body;
        f.event.pieces = f.body != 0 ? pieces : NULL;
        assert_int_equal(covey__worker_event(w->worker[f.to], &f.event, w->update), COVEY_OK);
        carry_out(w, f.to);
        return;
    }
    struct covey_work_message m;
    assert_int_equal(covey_work_decode(covey_bytes_of(f.wire, f.len), &m), COVEY_OK);
    tell(w, f.from, f.to, &m, f.body);
}

static void deliver_all(struct world *w)
{
    while (w->queued > 0) {
        deliver(w, below(w, w->queued));
    }
}

static void pass(struct world *w, uint64_t ms)
{
    w->now_ms += ms;
    for (unsigned d = 0; d < HOLDERS; d++) {
        carry_out(w, d);
    }
}

static void assign(struct world *w, unsigned at)
{
    static uint8_t bytes[COVEY__PLAN_MAX];
    struct covey_work_message m = {.type = COVEY_WORK_ASSIGN};
    struct covey_buf space = {bytes, sizeof(bytes)};
    size_t len = 0;
    assert_int_equal(covey__plan_encode(&w->plan, space, &len), COVEY_OK);
    m.assign.fence = w->fence;
    m.assign.plan = covey_bytes_of(bytes, len);
    tell(w, OWNER, at, &m, 0);
    struct covey_event e = {.type = COVEY_EVENT_ASSIGN_CHECKED, .fence = w->fence};
    e.peer = id_of(OWNER);
    assert_int_equal(covey__worker_event(w->worker[at], &e, w->update), COVEY_OK);
    carry_out(w, at);
}

static struct world *world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->random = seed;
    w->now_ms = 1000;
    w->fence = (struct covey_fence){{{7}}, 1, 1};
    w->update = calloc(1, sizeof(*w->update));
    assert_non_null(w->update);
    w->plan.devices = HOLDERS;
    w->plan.layers = LAYER + 1;
    w->plan.layer[LAYER] = (struct covey_plan_layer){
        .units = HOLDERS, .groups = 1, .slots = HOLDERS, .group_units = HOLDERS, .relayed = true};
    for (unsigned d = 0; d < HOLDERS; d++) {
        w->plan.device[d] = id_of(d);
        w->plan.layer[LAYER].holder[d] = (uint8_t)d;
    }
    for (unsigned d = 0; d < HOLDERS; d++) {
        struct covey_node_id self = id_of(d);
        w->worker[d] = malloc(covey__worker_size());
        assert_non_null(w->worker[d]);
        covey__worker_init(w->worker[d], &self);
        assign(w, d);
    }
    return w;
}

static void world_free(struct world *w)
{
    struct covey_work_message m = {.type = COVEY_WORK_RETIRE};
    m.fence = w->fence;
    m.fence.version = UINT32_MAX;
    for (unsigned d = 0; d < HOLDERS; d++) {
        tell(w, OWNER, d, &m, 0);
    }
    deliver_all(w);
    assert_no_bodies(w);
    for (unsigned d = 0; d < HOLDERS; d++) {
        free(w->worker[d]);
    }
    free(w->update);
    free(w);
}

static struct covey_work_message relay_of(const struct world *w, uint64_t request, uint8_t attempt)
{
    struct covey_work_message m = {.type = COVEY_WORK_RELAY};
    m.tile.fence = w->fence;
    m.tile.request = request;
    m.tile.attempt = attempt;
    m.tile.layer = LAYER;
    m.tile.work = work_of(request, attempt);
    m.tile.stall_ms = STALL_MS;
    m.tile.fed = MEMBERS;
    m.tile.bytes = BYTES;
    return m;
}

static void queue_relay(struct world *w, uint64_t request, uint8_t attempt)
{
    struct covey_work_message m = relay_of(w, request, attempt);
    for (unsigned d = 0; d < HOLDERS; d++) {
        struct flight *f = fly(w, OWNER, d);
        struct covey_buf wire = {f->wire, sizeof(f->wire)};
        f->body = new_body(w, request, d, covey_relay_piece(BYTES, MEMBERS, d).len);
        assert_int_equal(covey_work_encode(&m, wire, &f->len), COVEY_OK);
    }
}

static void give(struct world *w, unsigned from, unsigned to, unsigned source, size_t len)
{
    struct covey_work_message m = {.type = COVEY_WORK_PIECE};
    m.tile.fence = w->fence;
    m.tile.request = 1;
    m.tile.run = COVEY_WORK_NO_RUN;
    m.tile.source = (uint8_t)source;
    tell(w, from, to, &m, new_body(w, 1, source, len));
}

/* In whichever order RELAYs and pieces of several requests arrive, each holder has all of the
 * input, computes once and answers once, and every body is given back. */
static void test_all_answer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct world *w = world_new(seed);
        for (uint64_t request = 0; request < 4; request++) {
            queue_relay(w, request, 0);
        }
        deliver_all(w);
        for (uint64_t request = 0; request < 4; request++) {
            assert_int_equal(w->answered[request], MEMBERS);
        }
        assert_int_equal(w->complaints, 0);
        assert_no_bodies(w);
        world_free(w);
    }
}

/* Whoever misses a piece says whose just when the time is over, once; with that piece from the
 * owner it goes on. */
static void test_the_owner_gives_what_is_missing(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    w->cut[1][3] = true;
    queue_relay(w, 1, 0);
    deliver_all(w);
    assert_int_equal(w->answered[1], MEMBERS & ~(1U << 3));
    pass(w, STALL_MS - 1);
    assert_int_equal(w->complaints, 0);
    pass(w, 1);
    assert_int_equal(w->complaints, 1);
    assert_int_equal(w->stalled_by, 1U << 3);
    assert_int_equal(w->missing, 1U << 1);
    assert_int_equal(w->stalled.run, COVEY_WORK_NO_RUN);
    assert_int_equal(w->stalled.segment, 0);
    assert_int_equal(w->stalled.attempt, 0);
    pass(w, STALL_MS);
    assert_int_equal(w->complaints, 1);
    give(w, OWNER, 3, 1, 256);
    deliver_all(w);
    assert_int_equal(w->answered[1], MEMBERS);
    assert_no_bodies(w);
    world_free(w);
}

/* Pieces from others than their givers and the owner, of another size, for another segment, twice
 * the same, or of a request that is over are given back at once. */
static void test_hostile_pieces_are_refused(void **state)
{
    (void)state;
    struct world *w = world_new(2);
    for (unsigned d = 0; d < HOLDERS; d++) {
        w->cut[3][d] = true;
    }
    queue_relay(w, 1, 0);
    deliver_all(w);
    unsigned bodies = w->bodies;
    give(w, 2, 1, 3, 232);            /* holder 2 is not device 3 */
    give(w, 3, 1, 3, 231);            /* a byte less */
    give(w, 3, 1, 3, 256);            /* more */
    give(w, 2, 1, 2, 256);            /* again */
    give(w, 3, 3, 3, 232);            /* its own */
    give(w, 3, 1, 3, COVEY_BODY_MAX); /* more than any piece */
    struct covey_work_message m = {.type = COVEY_WORK_PIECE};
    m.tile = (struct covey_work_tile){
        .fence = w->fence, .request = 1, .run = COVEY_WORK_NO_RUN, .segment = 1, .source = 3};
    tell(w, 3, 1, &m, new_body(w, 1, 3, 232));
    for (unsigned i = bodies + 1; i <= w->bodies; i++) {
        assert_int_equal(w->body[i].references, 0);
    }
    assert_int_equal(w->answered[1], 1U << 3);
    give(w, 3, 1, 3, 232);
    deliver_all(w);
    assert_int_equal(w->answered[1], 1U << 3 | 1U << 1);
    world_free(w);
}

/* A RELAY that does not fit is not begun: the owner hears of it, and sends the whole input. */
static void test_bad_relays_are_refused(void **state)
{
    (void)state;
    enum { BAD = 6 };
    for (unsigned how = 0; how < BAD; how++) {
        struct world *w = world_new(3);
        struct covey_work_message m = relay_of(w, 1, 0);
        size_t len = 256;
        m.tile.layer = how == 0 ? LAYER - 1 : LAYER; /* not relayed */
        m.tile.fed = how == 1 ? MEMBERS & ~1U : how == 2 ? 0x1f : MEMBERS;
        m.tile.bytes = how == 3 ? 0 : BYTES;
        m.tile.fence.version = how == 4 ? 9 : 1;
        len -= how == 5;
        tell(w, OWNER, 0, &m, new_body(w, 1, 0, len));
        assert_int_equal(w->complaints, 1);
        assert_int_equal(w->missing, how == 4 ? UINT32_MAX : 1);
        assert_int_equal(w->stalled.run, COVEY_WORK_NO_RUN);
        assert_no_bodies(w);
        world_free(w);
    }
}

/* CANCEL, the request's next layer, however it is asked for, and the loss of the owner end the
 * waiting and the computing at any moment, and nothing is left. */
static void test_ends_at_any_moment(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct world *w = world_new(seed);
        queue_relay(w, 1, 0);
        for (unsigned steps = below(w, 30); steps > 0 && w->queued > 0; steps--) {
            deliver(w, below(w, w->queued));
        }
        for (unsigned d = 0; d < HOLDERS; d++) {
            struct covey_work_message m = {.type = COVEY_WORK_CANCEL};
            struct covey_node_id owner = id_of(OWNER);
            m.cancel = (struct covey_work_execute){w->fence, 1, LAYER, work_of(1, 0)};
            if (seed % 3 == 0) {
                tell(w, OWNER, d, &m, 0);
            } else if (seed % 3 == 1) {
                assert_int_equal(covey__worker_peer_down(w->worker[d], &owner, w->update),
                                 COVEY_OK);
                carry_out(w, d);
            }
        }
        if (seed % 3 == 2) {
            w->attempt[1] = 1;
            memset(w->answered, 0, sizeof(w->answered));
            memset(w->cancelled, 0, sizeof(w->cancelled));
            queue_relay(w, 1, 1);
        }
        deliver_all(w);
        if (seed % 3 == 2) {
            assert_int_equal(w->answered[1], MEMBERS);
        }
        for (unsigned step = 0; step < 3; step++) {
            pass(w, 100000);
        }
        assert_no_bodies(w);
        world_free(w);
    }
}

/* What cannot be computed is refused. */
static void test_failures_are_refused(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    w->fail_compute = true;
    queue_relay(w, 1, 0);
    deliver_all(w);
    assert_int_equal(w->refused[1], MEMBERS);
    assert_no_bodies(w);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_answer),
        cmocka_unit_test(test_the_owner_gives_what_is_missing),
        cmocka_unit_test(test_hostile_pieces_are_refused),
        cmocka_unit_test(test_bad_relays_are_refused),
        cmocka_unit_test(test_ends_at_any_moment),
        cmocka_unit_test(test_failures_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
