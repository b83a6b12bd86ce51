/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tiles_world.h"

#include "job.h"
#include "plan_codec.h"

unsigned below(struct world *w, unsigned n)
{
    w->random = w->random * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(w->random >> 33) % n;
}

struct covey_node_id id_of(unsigned holder)
{
    return (struct covey_node_id){{(uint8_t)(holder + 1)}};
}

struct covey_node_id owner_id(void)
{
    return id_of(OWNER);
}

uint32_t work_of(uint64_t request, uint8_t attempt)
{
    return (uint32_t)request * 256 + attempt + 1;
}

static unsigned holder_of(const struct covey_node_id *id)
{
    return (unsigned)(id->bytes[0] - 1);
}

covey_handle new_body(struct world *w, const struct body *like)
{
    assert_true(++w->bodies < BODIES);
    w->body[w->bodies] = *like;
    w->body[w->bodies].references = 1;
    return w->bodies;
}

void drop_body(struct world *w, covey_handle body)
{
    assert_true(body != 0 && w->body[body].references > 0);
    w->body[body].references--;
}

void assert_no_bodies(const struct world *w)
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

/* What session answers later. */
static struct flight *fly_computed(struct world *w, unsigned at, const struct covey_action *action)
{
    struct flight *f = fly(w, at, at);
    w->holder[at].tiles++;
    w->holder[at].running++;
    assert_true(w->holder[at].running <= 2);
    f->is_event = true;
    f->event.type = COVEY_EVENT_TILE_COMPUTED;
    f->event.peer = action->peer;
    f->event.work = action->work;
    f->event.err = w->fail_compute ? COVEY_ERR_NOMEM : COVEY_OK;
    f->event.index = w->fail_compute ? w->fail_because : 0;
    return f;
}

/* Session joins the pieces and multiplies: all must be there, each from whom it is. */
static void compute_relayed(struct world *w, unsigned at, const struct covey_action *action)
{
    const struct covey_tile_task *task = action->tile;
    assert_int_equal(task->layer, RELAYED_LAYER);
    assert_int_equal(task->device, at);
    for (unsigned d = 0; d <= COVEY_TILE_OWNER; d++) {
        size_t len = covey_relay_piece(RELAYED_BYTES, task->fed, d).len;
        assert_int_equal(task->piece[d] != 0, len > 0);
        if (len > 0) {
            const struct body *body = &w->body[task->piece[d]];
            assert_int_equal(body->len, len);
            assert_int_equal(body->source, d);
            assert_int_equal(body->request, action->request);
            assert_int_equal(body->attempt, task->attempt);
            drop_body(w, task->piece[d]);
        }
    }
    struct flight *f = fly_computed(w, at, action);
    struct body body = {.len = 4, .request = action->request};
    f->pieces[COVEY_TILE_OWNER] = w->fail_compute ? 0 : new_body(w, &body);
}

/* What session makes of a tile: checked against the plan, and cut for those who need it. */
static void compute(struct world *w, unsigned at, const struct covey_action *action)
{
    const struct covey_tile_task *tile = action->tile;
    const struct covey_plan_run *run = &tile->plan->run[tile->run];
    struct holder *holder = &w->holder[at];
    const unsigned me = tile->device;
    assert_int_equal(me, at);
    for (unsigned d = 0; d <= COVEY_TILE_OWNER; d++) {
        struct covey_rows want = d == me
                                     ? (struct covey_rows){0, 0}
                                     : covey_tile_piece(run, tile->layout, tile->segment, d, me);
        if (tile->segment == run->segments) {
            want = covey_tile_made(tile->layout, run->segments - 1U, d);
        }
        assert_int_equal(tile->piece[d] != 0, want.begin < want.end);
        if (tile->piece[d] != 0) {
            const struct body *body = &w->body[tile->piece[d]];
            assert_true(body->references == 1 || tile->segment == run->segments);
            assert_memory_equal(&body->rows, &want, sizeof(want));
            assert_int_equal(body->request, action->request);
            assert_int_equal(body->attempt, tile->attempt);
            assert_int_equal(body->source, d);
            assert_int_equal(body->segment, tile->segment);
            drop_body(w, tile->piece[d]);
        }
    }
    if (tile->segment > 0) {
        struct covey_rows own = covey_tile_piece(run, tile->layout, tile->segment, me, me);
        assert_true(own.begin == own.end || holder->kept[action->request] == tile->attempt);
    }
    holder->kept[action->request] = tile->segment + 1 < run->segments ? tile->attempt : -1;
    struct flight *f = fly_computed(w, at, action);
    for (unsigned d = 0; d <= COVEY_TILE_OWNER && !w->fail_compute; d++) {
        struct body body = {.segment = (uint8_t)(tile->segment + 1),
                            .source = (uint8_t)me,
                            .attempt = tile->attempt,
                            .request = action->request};
        body.rows = covey_tile_piece(run, tile->layout, body.segment, me, d);
        body.len = covey_tile_piece_bytes(run, body.segment, body.rows, tile->plan->half);
        if (tile->segment == run->segments && d == COVEY_TILE_OWNER) {
            assert_int_equal(tile->layer, FED_LAYER);
            f->pieces[d] = new_body(w, &body);
        }
        if (d != me && body.rows.begin < body.rows.end) {
            f->pieces[d] = new_body(w, &body);
        }
    }
}

static void at_owner(struct world *w, unsigned from, const struct covey_work_message *m,
                     covey_handle handle)
{
    w->readies += m->type == COVEY_WORK_READY;
    if (m->type == COVEY_WORK_STALLED) {
        w->stalled_count++;
        w->stalled_by |= 1U << from;
        w->stalled_missing |= covey_load32(m->tile.missing.ptr);
        w->stalled = m->tile;
        w->stalled.missing = w->stalled.layout = (struct covey_bytes){NULL, 0};
    }
    if (m->type == COVEY_WORK_ANSWER) {
        const struct covey_work_answer *a = &m->answer;
        uint32_t *all[] = {w->answered, w->cancelled, w->refused};
        assert_true(a->layer == FED_LAYER || a->layer == RELAYED_LAYER);
        assert_int_equal(handle != 0, a->status == COVEY_WORK_STATUS_DONE);
        assert_int_equal(a->work >> 8, a->request);
        if (a->work != work_of(a->request, w->attempt[a->request])) {
            return;
        }
        assert_false(all[a->status][a->request] >> from & 1);
        all[a->status][a->request] |= 1U << from;
    }
    if (m->type == COVEY_WORK_PIECE) {
        const struct body *body = &w->body[handle];
        assert_int_equal(m->tile.segment, SEGMENTS);
        assert_int_equal(m->tile.attempt, body->attempt);
        for (unsigned r = body->rows.begin; r < body->rows.end; r++) {
            assert_false(w->rows[m->tile.request][m->tile.attempt] >> r & 1);
            w->rows[m->tile.request][m->tile.attempt] |= UINT64_C(1) << r;
        }
    }
}

static void on_send(struct world *w, unsigned at, const struct covey_action *action)
{
    struct covey_work_message m;
    assert_int_equal(covey_work_decode(action->bytes, &m), COVEY_OK);
    unsigned to = holder_of(&action->peer);
    bool result = m.type == COVEY_WORK_PIECE && m.tile.segment == SEGMENTS && to == OWNER;
    if (m.type != COVEY_WORK_PIECE || result) {
        assert_int_equal(to, OWNER);
        at_owner(w, at, &m, action->body);
        return;
    }
    bool relayed = m.tile.run == COVEY_WORK_NO_RUN;
    assert_true(relayed || m.tile.segment < SEGMENTS || (w->fed >> to & 1) != 0);
    assert_int_equal(m.tile.source, at);
    if (w->holder[to].dead || ((relayed || m.tile.segment == SEGMENTS) && w->cut[at][to])) {
        return;
    }
    struct flight *f = fly(w, at, to);
    assert_true(action->bytes.len <= WIRE);
    memcpy(f->wire, action->bytes.ptr, action->bytes.len);
    f->len = action->bytes.len;
    f->body = action->body;
    w->body[action->body].references++;
}

static void on_action(struct world *w, unsigned at, const struct covey_action *action)
{
    switch ((int)action->type) {
    case COVEY_ACTION_SEND:
        on_send(w, at, action);
        break;
    case COVEY_ACTION_RELEASE:
        drop_body(w, action->body);
        break;
    case COVEY_ACTION_TILE:
        if (action->tile->run == COVEY_WORK_NO_RUN) {
            compute_relayed(w, at, action);
        } else {
            compute(w, at, action);
        }
        break;
    case COVEY_ACTION_TILES_DROPPED:
        w->holder[at].dropped++;
        w->holder[at].kept[action->request] = -1;
        break;
    default:
        assert_true(action->type == COVEY_ACTION_RETIRED || action->type == COVEY_ACTION_ASSIGNED);
        break;
    }
}

/* As node.c does after each event, until the update was not full. */
void carry_out(struct world *w, unsigned at)
{
    do {
        covey_err err = covey__worker_tick(w->holder[at].worker, w->now_ms, w->update);
        assert_int_equal(err, COVEY_OK);
        w->update->more = false;
        for (size_t i = 0; i < w->update->count; i++) {
            on_action(w, at, &w->update->actions[i]);
        }
        bool again = w->update->count == COVEY_UPDATE_ACTIONS_MAX;
        w->update->count = w->update->arena_len = 0;
        if (!again) {
            return;
        }
    } while (true);
}

void tell(struct world *w, unsigned from, unsigned to, const struct covey_work_message *m,
          covey_handle body)
{
    struct covey_incoming in = {id_of(from), m, {NULL, 0}, body, body ? w->body[body].len : 0};
    if (w->holder[to].dead) {
        if (body != 0) {
            drop_body(w, body);
        }
        return;
    }
    assert_int_equal(covey__worker_message(w->holder[to].worker, &in, w->update), COVEY_OK);
    carry_out(w, to);
}

static void event(struct world *w, unsigned at, const struct covey_event *e)
{
    assert_int_equal(covey__worker_event(w->holder[at].worker, e, w->update), COVEY_OK);
    carry_out(w, at);
}

/* One of those on their way arrives, whichever. */
void deliver(struct world *w, unsigned which)
{
    struct flight f = w->queue[which];
    w->queue[which] = w->queue[--w->queued];
    if (f.is_event) {
        bool any = f.event.err == COVEY_OK;
        f.event.pieces = any ? f.pieces : NULL;
        w->holder[f.to].running--;
        event(w, f.to, &f.event);
        return;
    }
    struct covey_work_message m;
    assert_int_equal(covey_work_decode(covey_bytes_of(f.wire, f.len), &m), COVEY_OK);
    tell(w, f.from, f.to, &m, f.body);
}

void deliver_all(struct world *w)
{
    while (w->queued > 0) {
        deliver(w, below(w, w->queued));
    }
}

void deliver_some(struct world *w, unsigned most)
{
    for (unsigned steps = below(w, most); steps > 0 && w->queued > 0; steps--) {
        deliver(w, below(w, w->queued));
    }
}

void pass(struct world *w, uint64_t ms)
{
    w->now_ms += ms;
    for (unsigned d = 0; d < HOLDERS; d++) {
        if (!w->holder[d].dead) {
            carry_out(w, d);
        }
    }
}

void lose_owner(struct world *w, unsigned at)
{
    struct covey_node_id owner = owner_id();
    assert_int_equal(covey__worker_peer_down(w->holder[at].worker, &owner, w->update), COVEY_OK);
    carry_out(w, at);
}

/* Convolutions of 3 rows, then one of stride 2, then of 5 rows: each strip needs its neighbours. */
static void make_plan(struct world *w)
{
    static const struct covey_row_map maps[SEGMENTS] = {{ROWS, ROWS, 1, 1, 1, 8, 12},
                                                        {ROWS, ROWS / 2, 2, 1, 1, 12, 8},
                                                        {ROWS / 2, ROWS / 2, 1, 2, 2, 8, 4}};
    struct covey_plan_run *run = &w->plan.run[0];
    w->plan.devices = HOLDERS;
    w->plan.runs = 1;
    w->plan.layers = RELAYED_LAYER + 1;
    w->plan.layer[RELAYED_LAYER] = (struct covey_plan_layer){
        .units = HOLDERS, .groups = 1, .slots = HOLDERS, .group_units = HOLDERS, .relayed = true};
    run->cells = SEGMENTS;
    run->segments = SEGMENTS;
    run->feeds = FED_LAYER + 1;
    for (unsigned d = 0; d < HOLDERS; d++) {
        w->plan.device[d] = id_of(d);
        w->plan.layer[RELAYED_LAYER].holder[d] = (uint8_t)d;
    }
    for (unsigned s = 0; s < SEGMENTS; s++) {
        run->segment[s].first_cell = (uint16_t)s;
        run->segment[s].cells = 1;
        run->segment[s].map = maps[s];
        for (unsigned d = 0; d <= HOLDERS; d++) {
            run->segment[s].rows[d] = (uint16_t)(d * maps[s].out_rows / HOLDERS);
        }
    }
}

void assign_unready(struct world *w, unsigned at)
{
    static uint8_t bytes[COVEY__PLAN_MAX];
    struct covey_work_message m = {.type = COVEY_WORK_ASSIGN};
    size_t len = 0;
    struct covey_buf space = {bytes, sizeof(bytes)};
    assert_int_equal(covey__plan_encode(&w->plan, space, &len), COVEY_OK);
    m.assign.fence = w->fence;
    m.assign.plan = covey_bytes_of(bytes, len);
    tell(w, OWNER, at, &m, 0);
}

void assign(struct world *w, unsigned at)
{
    assign_unready(w, at);
    struct covey_event e = {.type = COVEY_EVENT_ASSIGN_CHECKED, .fence = w->fence};
    e.peer = owner_id();
    event(w, at, &e);
}

struct world *world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->random = seed;
    w->now_ms = 1000;
    w->fence = (struct covey_fence){{{7}}, 1, 1};
    w->queue = calloc(QUEUE, sizeof(*w->queue));
    w->update = calloc(1, sizeof(*w->update));
    assert_true(w->queue != NULL && w->update != NULL);
    make_plan(w);
    for (unsigned d = 0; d < HOLDERS; d++) {
        struct covey_node_id self = id_of(d);
        w->holder[d].worker = malloc(covey__worker_size());
        assert_non_null(w->holder[d].worker);
        covey__worker_init(w->holder[d].worker, &self);
        memset(w->holder[d].kept, -1, sizeof(w->holder[d].kept));
        assign(w, d);
    }
    assert_int_equal(w->readies, HOLDERS);
    return w;
}

/* Nothing is left behind once the session is over. */
void world_free(struct world *w)
{
    struct covey_work_message m = {.type = COVEY_WORK_RETIRE};
    m.fence = w->fence;
    m.fence.version = UINT32_MAX;
    for (unsigned d = 0; d < HOLDERS; d++) {
        tell(w, OWNER, d, &m, 0);
    }
    deliver_all(w);
    for (unsigned d = 0; d < HOLDERS; d++) {
        for (unsigned r = 0; r < REQUESTS && !w->holder[d].dead; r++) {
            assert_int_equal(w->holder[d].kept[r], -1);
        }
        free(w->holder[d].worker);
    }
    assert_no_bodies(w);
    free(w->queue);
    free(w->update);
    free(w);
}

static void layout_without(const struct world *w, uint32_t gone, struct covey_tile_layout *out)
{
    static const uint32_t rate[COVEY_PLAN_DEVICES_MAX] = {1, 1, 1, 1};
    struct covey_plan_run run = w->plan.run[0];
    if (gone != 0) {
        assert_true(covey_plan_share(&run, HOLDERS, 15U & ~gone, rate));
    }
    covey_tile_layout_of(&run, HOLDERS, out);
}

void queue_start(struct world *w, uint64_t request, uint8_t attempt, uint32_t gone)
{
    struct covey_tile_layout layout;
    uint8_t bytes[COVEY_WORK_LAYOUT_MAX];
    size_t len = 0;
    layout_without(w, gone, &layout);
    struct covey_buf space = {bytes, sizeof(bytes)};
    assert_int_equal(covey_tile_layout_encode(&layout, space, &len), COVEY_OK);
    for (unsigned d = 0; d < HOLDERS; d++) {
        struct covey_work_message m = {.type = COVEY_WORK_START};
        struct body body = {.source = COVEY_TILE_OWNER, .attempt = attempt, .request = request};
        m.tile.fence = w->fence;
        m.tile.request = request;
        m.tile.attempt = attempt;
        m.tile.stall_ms = STALL_MS;
        m.tile.layout = covey_bytes_of(bytes, len);
        m.tile.fed = w->fed;
        m.tile.layer = FED_LAYER;
        m.tile.work = work_of(request, attempt);
        body.rows = covey_tile_need(&w->plan.run[0], &layout, 0, d);
        body.len = covey_tile_piece_bytes(&w->plan.run[0], 0, body.rows, false);
        struct flight *f = fly(w, OWNER, d);
        f->body = body.len > 0 ? new_body(w, &body) : 0;
        struct covey_buf wire = {f->wire, sizeof(f->wire)};
        assert_int_equal(covey_work_encode(&m, wire, &f->len), COVEY_OK);
    }
}

struct covey_work_message relay_of(const struct world *w, uint64_t request, uint8_t attempt)
{
    struct covey_work_message m = {.type = COVEY_WORK_RELAY};
    m.tile.fence = w->fence;
    m.tile.request = request;
    m.tile.attempt = attempt;
    m.tile.layer = RELAYED_LAYER;
    m.tile.work = work_of(request, attempt);
    m.tile.stall_ms = STALL_MS;
    m.tile.fed = MEMBERS;
    m.tile.bytes = RELAYED_BYTES;
    return m;
}

void queue_relay(struct world *w, uint64_t request, uint8_t attempt)
{
    struct covey_work_message m = relay_of(w, request, attempt);
    for (unsigned d = 0; d < HOLDERS; d++) {
        struct body body = {.source = (uint8_t)d, .attempt = attempt, .request = request};
        body.len = covey_relay_piece(RELAYED_BYTES, MEMBERS, d).len;
        struct flight *f = fly(w, OWNER, d);
        f->body = new_body(w, &body);
        struct covey_buf wire = {f->wire, sizeof(f->wire)};
        assert_int_equal(covey_work_encode(&m, wire, &f->len), COVEY_OK);
    }
}

void assert_result(const struct world *w, uint64_t request, uint8_t attempt)
{
    assert_int_equal(w->rows[request][attempt], (UINT64_C(1) << (ROWS / 2)) - 1);
}

void assert_eight_end_well(struct world *w)
{
    for (uint64_t request = 0; request < 8; request++) {
        queue_start(w, request, 0, 0);
    }
    deliver_all(w);
    for (uint64_t request = 0; request < 8; request++) {
        assert_result(w, request, 0);
    }
    assert_int_equal(w->stalled_count, 0);
    assert_no_bodies(w);
}
