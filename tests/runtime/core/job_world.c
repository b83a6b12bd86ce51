/* SPDX-License-Identifier: MIT */
#include "job_world.h"

#include <stdlib.h>

const struct covey_fence session = {{{42}}, 1, 0};

struct covey_node_id id_of(unsigned device)
{
    struct covey_node_id id = {{0}};
    id.bytes[0] = (uint8_t)(device + 1);
    return id;
}

/* The one that the device is part of. */
static const struct covey_tile_layout *layout_of(const struct world *w, unsigned device)
{
    struct covey_rows second = covey_tile_made(&w->twin, 0, device);
    return second.begin < second.end ? &w->twin : &w->layout;
}

static unsigned device_of(const struct covey_node_id *id)
{
    assert_in_range(id->bytes[0], 1, DEVICES);
    return id->bytes[0] - 1U;
}

covey_handle new_body(struct world *w)
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

void assert_no_bodies(const struct world *w)
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
        assert_int_equal(action->body, w->by_rows ? INPUT + 1 + d : INPUT);
        w->asked[d] = true;
        w->execute[d] = m.execute;
        assert_int_equal(action->part_len, 0);
    } else if (m.type == COVEY_WORK_RELAY || m.type == COVEY_WORK_PIECE) {
        on_relay(w, d, &m, action);
    } else if (m.type == COVEY_WORK_CANCEL) {
        if (m.cancel.request == w->execute[d].request) {
            assert_int_equal(m.cancel.work, w->execute[d].work);
        }
        w->cancels[d]++;
    } else if (m.type == COVEY_WORK_RETIRE) {
        w->retired[d] = m.fence.version;
    } else if (m.type == COVEY_WORK_START) {
        struct covey_rows rows =
            covey_tile_piece(&w->plan.run[0], layout_of(w, d), 0, COVEY_TILE_OWNER, d);
        assert_int_equal(action->body != 0, rows.begin < rows.end);
        w->started |= 1U << d;
        w->start[d] = m.tile;
    } else if (m.type == COVEY_WORK_DROP) {
        w->dropped |= 1U << d;
    } else if (m.type == COVEY_WORK_ASK) {
        assert_int_equal(m.tile.request, w->start[d].request);
        assert_int_equal(m.tile.attempt, w->start[d].attempt);
        w->asked_at[d]++;
        struct pending p = {DO_STALLED, d, m.tile.fence};
        if ((w->silent >> d & 1) == 0) {
            later(w, p);
        }
    } else {
        struct covey_plan_request costs;
        static struct covey_plan_held held;
        assert_int_equal(m.type, COVEY_WORK_PLACE);
        assert_int_equal(covey__plan_request_decode(m.place.payload, &held, &costs), COVEY_OK);
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

static void on_tiles_done(struct world *w, const struct covey_action *action)
{
    w->tiles_done++;
    w->computed_here += action->layout == NULL;
    w->layer_done = *action->done;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        drop_body(w, action->done->answer[d]);
    }
}

void answer_cut(struct world *w)
{
    covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1] = {0};
    for (unsigned d = 0; d < w->plan.devices; d++) {
        struct covey_rows rows =
            covey_tile_piece(&w->plan.run[0], layout_of(w, d), 0, COVEY_TILE_OWNER, d);
        pieces[d] = rows.begin < rows.end ? new_body(w) : 0;
    }
    struct covey_event event = {.type = COVEY_EVENT_TILES_CUT,
                                .request = w->cut.request,
                                .run = w->cut.run,
                                .attempt = w->cut.attempt,
                                .pieces = pieces};
    assert_int_equal(give(w, &event), COVEY_OK);
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
    } else if (action->type == COVEY_ACTION_PLAN) {
        p.what = DO_PLANNED;
        if (on_plan(w, action)) {
            later(w, p);
        }
    } else if (action->type == COVEY_ACTION_PREPARE) {
        w->prepared = action->fence.version;
        w->plan = w->plan_of[w->prepared % VERSIONS] = *action->plan;
        p.what = DO_PREPARED;
        later(w, p);
    } else if (action->type == COVEY_ACTION_ASSIGN) {
        w->assigns[d]++;
        w->planned[d] += action->bytes.len > 0;
        w->holders_len[d] = action->holders.len;
        assert_true(action->holders.len <= sizeof(w->holders[d]));
        if (action->holders.len > 0) {
            memcpy(w->holders[d], action->holders.ptr, action->holders.len);
        }
        p.what = DO_READY;
        if (!w->never_ready[d]) {
            later(w, p);
        }
    } else if (action->type == COVEY_ACTION_REFUSED) {
        w->told_refused++;
        w->told_room[d] = action->room_bytes;
    } else if (action->type == COVEY_ACTION_ACTIVE) {
        w->active = action->fence.version;
        w->actives++;
    } else if (action->type == COVEY_ACTION_FORGET) {
        assert_true(w->closing || w->active != action->fence.version);
        w->forgotten = action->fence.version;
    } else if (action->type == COVEY_ACTION_COMPUTE_LOCAL) {
        assert_true(w->locals < 8);
        w->local[w->locals++] = *action;
    } else if (action->type == COVEY_ACTION_TILES_CUT) {
        w->cuts++;
        w->cut = *action;
        w->layout = *action->layout;
        w->twin.segments = 0;
        if (action->twin != NULL) {
            w->twin = *action->twin;
        }
        w->started = 0;
        p.what = DO_CUT;
        if (!w->no_cut) {
            later(w, p);
        }
    } else if (action->type == COVEY_ACTION_TILES_DONE) {
        on_tiles_done(w, action);
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

covey_err give(struct world *w, struct covey_event *event)
{
    event->now_ms = w->view.now_ms;
    clear(w);
    covey_err err = covey__job_event(w->job, &w->view, event, w->out);
    carry_out(w);
    return err;
}

void tell(struct world *w, unsigned device, const struct covey_work_message *m, covey_handle body,
          size_t len)
{
    struct covey_incoming in = {id_of(device), m, {NULL, 0}, body, len};
    clear(w);
    assert_int_equal(covey__job_message(w->job, &w->view, &in, w->out), COVEY_OK);
    carry_out(w);
}

void set_peer(struct world *w, unsigned device, enum covey_peer_state state)
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
        if (p.what == DO_PLANNED) {
            event.type = COVEY_EVENT_PLANNED;
            event.plan = &w->made;
            assert_int_equal(give(w, &event), COVEY_OK);
        } else if (p.what == DO_PREPARED) {
            bool fits = !w->own_bounded || given_bytes(w, 0) <= w->own_room;
            event.err = fits ? COVEY_OK : COVEY_ERR_LIMIT;
            event.room_bytes = w->own_room;
            assert_int_equal(give(w, &event), COVEY_OK);
        } else if (p.what == DO_CUT) {
            answer_cut(w);
        } else if (p.what == DO_STALLED) {
            stall(w, p.device, w->waits_for[p.device]);
        } else if (p.what == DO_READY) {
            answer_assign(w, p.device, &p.fence);
        } else {
            set_peer(w, p.device, COVEY_PEER_UP);
        }
    }
}

/* Lets time pass as the loop would: a step at each deadline. */
void pass(struct world *w, uint64_t ms)
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

void set_devices(struct world *w, unsigned mask)
{
    w->view.devices = 0;
    for (unsigned d = 0; d < DEVICES; d++) {
        if ((mask >> d & 1) != 0) {
            struct covey_plan_device device = {
                .id = id_of(d), .mflops = 1000, .memory_bytes = UINT64_MAX, .owner = d == 0};
            w->view.device[w->view.devices++] = device;
        }
    }
    w->view.device_generation++;
}

struct world *world_new(unsigned devices, unsigned parity)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->job = malloc(covey__job_size());
    w->out = calloc(1, sizeof(*w->out));
    assert_true(w->job != NULL && w->out != NULL);
    memset(w->job, 0xa5, covey__job_size());
    w->view.self = id_of(0);
    w->view.now_ms = 1000;
    w->costs.layers = w->costs.cells = 3;
    w->costs.coded_all = true;
    w->costs.parity = (uint8_t)parity;
    for (unsigned i = 0; i < 3; i++) {
        w->costs.cost[i] = (struct covey_plan_cost){.cell = (uint16_t)i,
                                                    .units = (uint16_t)(9 + i),
                                                    .unit_bytes = 8,
                                                    .input_bytes = 8,
                                                    .answer_bytes = ANSWER_BYTES,
                                                    .unit.flops = 800000000};
        w->costs.cell[i] = (struct covey_plan_cell){
            .first_layer = (uint16_t)i, .layers = 1, .whole.flops = 8U * (9 + i)};
    }
    set_devices(w, (1U << devices) - 1);
    covey__job_init(w->job, &w->view.self, 1);
    return w;
}

void world_free(struct world *w)
{
    free(w->job);
    free(w->out);
    free(w);
}

void open_session(struct world *w)
{
    struct covey_event event = {
        .type = COVEY_EVENT_SESSION_OPEN, .fence = session, .costs = &w->costs};
    assert_int_equal(give(w, &event), COVEY_OK);
}

covey_err begin(struct world *w, uint64_t request)
{
    struct covey_event event = {
        .type = COVEY_EVENT_REQUEST_BEGIN, .fence = session, .request = request};
    return give(w, &event);
}

void end(struct world *w, uint64_t request)
{
    struct covey_event event = {.type = COVEY_EVENT_REQUEST_END, .request = request};
    assert_int_equal(give(w, &event), COVEY_OK);
}

/* Session keeps the input until LAYER_DONE; here all layers share one. */
void finish(struct world *w, uint64_t request)
{
    end(w, request);
    assert_no_bodies(w);
    world_free(w);
}

void start_layer(struct world *w, uint64_t request, unsigned layer)
{
    struct covey_event event = {
        .type = COVEY_EVENT_LAYER, .request = request, .layer = (uint16_t)layer, .body = INPUT};
    covey_handle part[COVEY_PLAN_DEVICES_MAX + 1] = {0};
    for (unsigned d = 0; d < w->plan.devices; d++) {
        part[d] = INPUT + 1 + device_of(&w->plan.device[d]);
    }
    event.body = w->by_rows ? 0 : INPUT;
    event.body_len = w->input_len;
    event.pieces = w->by_rows ? part : NULL;
    memset(w->asked, 0, sizeof(w->asked));
    w->locals = w->relayed = w->pieces = 0;
    assert_int_equal(give(w, &event), COVEY_OK);
}

struct world *ready_world(unsigned devices, unsigned parity)
{
    struct world *w = world_new(devices, parity);
    open_session(w);
    assert_int_equal(w->active, 1);
    assert_int_equal(w->plan.layers, 3);
    assert_int_equal(begin(w, 7), COVEY_OK);
    return w;
}

struct world *rows_world(unsigned devices, unsigned parity)
{
    struct world *w = world_new(devices, parity);
    w->by_rows = true;
    w->costs.layers = w->costs.cells = 1;
    w->costs.cost[0] = (struct covey_plan_cost){
        .units = 10,
        .unit_bytes = 8,
        .input_bytes = 1000 * ROWS,
        .answer_bytes = BLOCK_ROW_BYTES / 10 * ROWS,
        .unit.flops = 800000000,
        .by_rows = {.rows = ROWS, .in_rows = ROWS, .stride = 1, .span = 3, .row.flops = 125000000}};
    w->costs.cell[0] = (struct covey_plan_cell){.layers = 1, .whole.flops = 8000000000};
    open_session(w);
    assert_int_equal(w->active, 1);
    assert_true(w->plan.layer[0].by_rows);
    assert_int_equal(begin(w, 7), COVEY_OK);
    return w;
}

static struct world *tiles_new(unsigned devices, bool check_all, bool feeds, uint16_t halo,
                               uint16_t last_rows)
{
    struct world *w = world_new(devices, 1);
    w->costs.check_all = check_all;
    w->costs.layers = 0;
    w->costs.cells = 4;
    w->costs.coded_all = false;
    /* What is small is sooner sent by the owner, and smaller still put together by its loop. */
    uint32_t row = feeds ? 16384 : 4096;
    for (unsigned i = 0; i < w->costs.cells; i++) {
        const uint16_t rows = i < 3 ? ROWS : last_rows, stride = (uint16_t)(ROWS / rows);
        w->costs.cell[i] = (struct covey_plan_cell){
            .weight_bytes = 1000,
            .whole.flops = ROWS * UINT64_C(100000000),
            .row.flops = stride * UINT64_C(100000000),
            .map = {ROWS, rows, stride, halo, halo, row, row},
        };
    }
    if (feeds) {
        w->costs.layers = 1;
        w->costs.cells = 5;
        w->costs.cost[0].cell = 4;
        w->costs.cost[0].back = 1;
        w->costs.cost[0].input_bytes = ROWS * row;
        w->costs.cell[4] = (struct covey_plan_cell){.layers = 1, .whole.flops = 7200000000};
    }
    open_session(w);
    assert_int_equal(w->active, 1);
    /* What is made twice begins and ends here: several runs cost less than their halos. */
    assert_true(check_all ? w->plan.runs > 0 : w->plan.runs == 1);
    assert_int_equal(begin(w, 7), COVEY_OK);
    return w;
}

struct world *tiles_world(unsigned devices)
{
    return tiles_new(devices, false, false, 1, ROWS);
}

struct world *segments_world(unsigned devices)
{
    struct world *w = tiles_new(devices, false, false, 8, ROWS);
    assert_int_equal(w->plan.run[0].segments, 4);
    return w;
}

struct world *narrow_world(unsigned devices)
{
    return tiles_new(devices, false, false, 8, 2);
}

struct world *feed_world(unsigned devices)
{
    return tiles_new(devices, false, true, 1, ROWS);
}

struct world *twins_world(unsigned devices)
{
    return tiles_new(devices, true, false, 1, ROWS);
}

void start_tiles(struct world *w, uint64_t request)
{
    struct covey_event event = {.type = COVEY_EVENT_TILES, .request = request};
    assert_int_equal(give(w, &event), COVEY_OK);
}

void give_piece(struct world *w, unsigned device)
{
    const struct covey_plan_run *run = &w->plan.run[0];
    struct covey_work_message m = {.type = COVEY_WORK_PIECE, .tile = w->start[device]};
    struct covey_rows rows = covey_tile_made(layout_of(w, device), run->segments - 1U, device);
    m.tile.source = (uint8_t)device;
    m.tile.segment = run->segments;
    assert_true(covey__job_owns(w->job, &m.tile));
    if (rows.begin >= rows.end) {
        return;
    }
    tell(w, device, &m, new_body(w), covey_tile_piece_bytes(run, run->segments, rows, false));
}

void give_all(struct world *w)
{
    for (unsigned d = 0; d < DEVICES; d++) {
        if ((w->started >> d & 1) != 0) {
            give_piece(w, d);
        }
    }
}

void stall(struct world *w, unsigned device, uint32_t missing)
{
    uint8_t bytes[4];
    covey_store32(bytes, missing);
    struct covey_work_message m = {.type = COVEY_WORK_STALLED, .tile = w->start[device]};
    m.tile.missing = covey_bytes_of(bytes, sizeof(bytes));
    m.tile.segment = w->at[device];
    tell(w, device, &m, 0, 0);
}

unsigned slots_of(const struct world *w, unsigned layer, unsigned device, bool units_only)
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

struct covey_work_message answer_of(const struct world *w, unsigned device)
{
    const struct covey_work_execute *e = &w->execute[device];
    struct covey_work_message m = {.type = COVEY_WORK_ANSWER};
    m.answer = (struct covey_work_answer){
        e->fence, e->request, e->layer, e->work, COVEY_WORK_STATUS_DONE, 0};
    return m;
}

void answer_local(struct world *w, unsigned index)
{
    struct covey_event event = {.type = COVEY_EVENT_COMPUTED_LOCAL,
                                .request = w->local[index].request,
                                .layer = w->local[index].layer,
                                .body = new_body(w)};
    memcpy(event.slots, w->local[index].slots, sizeof(event.slots));
    assert_int_equal(give(w, &event), COVEY_OK);
}

void answer(struct world *w, unsigned device)
{
    if (device == 0) {
        answer_local(w, 0);
        return;
    }
    struct covey_work_message m = answer_of(w, device);
    size_t slots = slots_of(w, w->execute[device].layer, device, false);
    tell(w, device, &m, new_body(w), slots * (w->by_rows ? BLOCK_BYTES : ANSWER_BYTES));
}

void answer_from(struct world *w, unsigned first, unsigned end)
{
    for (unsigned d = first; d < end; d++) {
        answer(w, d);
    }
}

void answer_but(struct world *w, unsigned devices, unsigned silent)
{
    answer_from(w, 0, silent);
    answer_from(w, silent + 1, devices);
}

void make_usual(struct world *w, unsigned devices)
{
    for (unsigned i = 0; i < 8; i++) {
        start_layer(w, 7, 0);
        pass(w, 100);
        answer_from(w, 0, devices);
    }
}

void computed_here_after(struct world *w, uint64_t ms)
{
    pass(w, ms - 1);
    assert_int_equal(w->locals, 1);
    pass(w, 1);
    assert_int_equal(w->locals, 2);
}

/* Units whose device has no answer in what the layer was done with. */
unsigned rebuilt(const struct world *w, unsigned layer)
{
    unsigned count = 0;
    for (unsigned d = 0; d < w->plan.devices; d++) {
        count += w->layer_done.answer[d] == 0 ? slots_of(w, layer, d, true) : 0;
    }
    return count;
}
