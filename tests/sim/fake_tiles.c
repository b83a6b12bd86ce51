/* SPDX-License-Identifier: MIT */
#include "fake_state.h"

/* A model of FAKE_CELLS cells over FAKE_ROWS_MAX rows of one number: each row of a cell's output is
 * a mixture of three rows of its input, so that every row of the result depends on where it was
 * made and on all halos. */

static uint32_t mix(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t v = a * 0x9e3779b1U + b * 0x85ebca6bU + c * 0xc2b2ae35U + 1;
    return v ^ (v >> 15);
}

static void cells(uint32_t *rows, unsigned count, unsigned begin, unsigned end)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t before[FAKE_ROWS_MAX];
        memcpy(before, rows, sizeof(before));
        for (unsigned r = begin; r < end; r++) {
            rows[r] = mix(r > 0 ? before[r - 1] : 0, before[r],
                          r + 1 < FAKE_ROWS_MAX ? before[r + 1] : 0);
        }
    }
}

void fake_tiles_costs(struct covey_plan_request *costs)
{
    costs->cells = FAKE_CELLS;
    for (unsigned i = 0; i < FAKE_CELLS; i++) {
        costs->cell[i] = (struct covey_plan_cell){
            .weight_bytes = 100,
            .whole.flops = UINT64_C(1000) * FAKE_ROW_US * FAKE_ROWS_MAX,
            .row.flops = UINT64_C(1000) * FAKE_ROW_US,
            .map = {FAKE_ROWS_MAX, FAKE_ROWS_MAX, 1, 1, 1, sizeof(uint32_t), sizeof(uint32_t)},
        };
    }
}

static void run_here(void *user, unsigned node, uint64_t request)
{
    struct fake *fake = user;
    struct fake_stream *s = fake_stream_of(&fake->node[node], request);
    if (s != NULL) {
        fake_end_request(fake, node, s, true);
    }
}

static void compute_here(struct fake *fake, unsigned node, const struct fake_stream *s)
{
    fake->node[node].counts.computed_here++;
    cluster_call_after(fake->c, node, (uint64_t)FAKE_CELLS * FAKE_ROWS_MAX * FAKE_ROW_US, run_here,
                       fake, s->request);
}

void fake_tiles_begin(struct fake *fake, unsigned node, struct fake_stream *s)
{
    const struct covey_plan *plan = fake_plan_of(&fake->node[node], fake->node[node].active);
    for (unsigned r = 0; r < FAKE_ROWS_MAX; r++) {
        s->rows[r] = (uint32_t)cluster_random(fake->c);
    }
    if (plan == NULL || plan->runs != 1 || plan->run[0].cells != FAKE_CELLS) {
        compute_here(fake, node, s);
        return;
    }
    struct covey_event event = {.type = COVEY_EVENT_TILES, .request = s->request};
    cluster_inject(fake->c, node, &event);
}

static covey_handle body_of(struct fake *fake, const uint32_t *rows, struct covey_rows r)
{
    return r.begin >= r.end ? 0
                            : cluster_body_new(fake->c, rows + r.begin,
                                               (size_t)(r.end - r.begin) * sizeof(*rows));
}

static void take(struct fake *fake, unsigned node, covey_handle body, struct covey_rows r,
                 uint32_t *rows)
{
    size_t len = 0;
    const uint8_t *data = body != 0 ? cluster_body_data(fake->c, body, &len) : NULL;
    if (len != (size_t)(r.end - r.begin) * sizeof(*rows)) {
        fake_fail(fake, node, "a piece has another size");
    }
    if (len != 0) {
        memcpy(rows + r.begin, data, len);
        cluster_body_unref(fake->c, body);
    }
}

/* Owner */

static void cut(struct fake *fake, unsigned node, const struct covey_action *action)
{
    const struct covey_plan *plan = fake_plan_of(&fake->node[node], action->fence.version);
    struct fake_stream *s = fake_stream_of(&fake->node[node], action->request);
    if (plan == NULL || s == NULL) {
        fake_fail(fake, node, "a run is to be cut that nobody asked for");
        return;
    }
    covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1] = {0};
    for (unsigned d = 0; d < plan->devices; d++) {
        pieces[d] = body_of(
            fake, s->rows, covey_tile_piece(&plan->run[0], action->layout, 0, COVEY_TILE_OWNER, d));
    }
    struct covey_event event = {.type = COVEY_EVENT_TILES_CUT,
                                .request = action->request,
                                .run = action->run,
                                .attempt = action->attempt,
                                .pieces = pieces};
    cluster_inject_after(fake->c, node, 30, &event);
}

static void done(struct fake *fake, unsigned node, const struct covey_action *action)
{
    const struct covey_plan *plan = fake_plan_of(&fake->node[node], action->fence.version);
    struct fake_stream *s = fake_stream_of(&fake->node[node], action->request);
    uint32_t rows[FAKE_ROWS_MAX], expected[FAKE_ROWS_MAX];
    if (plan == NULL || s == NULL) {
        fake_fail(fake, node, "a run is done that nobody asked for");
        return;
    }
    fake->node[node].counts.recovered_dead += action->done->recovered_dead;
    if (action->layout == NULL) {
        compute_here(fake, node, s);
        return;
    }
    for (unsigned d = 0; d < plan->devices; d++) {
        take(fake, node, action->done->answer[d],
             covey_tile_made(action->layout, plan->run[0].segments - 1U, d), rows);
    }
    memcpy(expected, s->rows, sizeof(expected));
    cells(expected, FAKE_CELLS, 0, FAKE_ROWS_MAX);
    fake_end_request(fake, node, s, memcmp(rows, expected, sizeof(rows)) == 0);
}

/* Holder */

static struct fake_made *find_made(struct fake_node *n, const struct covey_action *action)
{
    for (unsigned i = 0; i < FAKE_MADE; i++) {
        struct fake_made *m = &n->made[i];
        if (m->used && covey_node_id_equal(&m->owner, &action->peer) &&
            m->request == action->request) {
            return m;
        }
    }
    return NULL;
}

static void tile(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_node *n = &fake->node[node];
    const struct covey_tile_task *t = action->tile;
    const struct covey_plan_run *run = &t->plan->run[t->run];
    uint32_t rows[FAKE_ROWS_MAX] = {0};
    struct fake_made *m = find_made(n, action);
    if (m != NULL && t->segment > 0 && m->attempt == t->attempt && m->segment + 1 == t->segment) {
        memcpy(rows, m->rows, sizeof(rows));
    }
    for (unsigned from = 0; from <= COVEY_TILE_OWNER; from++) {
        if (from != t->device && t->piece[from] != 0) {
            take(fake, node, t->piece[from],
                 covey_tile_piece(run, t->layout, t->segment, from, t->device), rows);
        }
    }
    struct covey_rows made = covey_tile_made(t->layout, t->segment, t->device);
    struct covey_rows need = covey_tile_need(run, t->layout, t->segment, t->device);
    unsigned count = run->segment[t->segment].cells;
    cells(rows, count, need.begin, need.end);
    m = m != NULL ? m : &n->made[n->next_made++ % FAKE_MADE];
    *m = (struct fake_made){true, action->peer, action->request, t->attempt, t->segment, {0}};
    memcpy(m->rows, rows, sizeof(rows));
    covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1] = {0};
    for (unsigned to = 0; to <= COVEY_TILE_OWNER; to++) {
        if (to != t->device && (to == COVEY_TILE_OWNER || to < t->plan->devices)) {
            pieces[to] = body_of(fake, rows,
                                 covey_tile_piece(run, t->layout, t->segment + 1U, t->device, to));
        }
    }
    uint64_t now = cluster_now_us(fake->c);
    n->busy_us = (n->busy_us > now ? n->busy_us : now) +
                 (uint64_t)(made.end - made.begin) * count * FAKE_ROW_US;
    struct covey_event event = {.type = COVEY_EVENT_TILE_COMPUTED,
                                .peer = action->peer,
                                .work = action->work,
                                .pieces = pieces};
    cluster_inject_after(fake->c, node, n->busy_us - now, &event);
}

bool fake_tiles_action(struct fake *fake, unsigned node, const struct covey_action *action)
{
    if (action->type == COVEY_ACTION_TILES_CUT) {
        cut(fake, node, action);
    } else if (action->type == COVEY_ACTION_TILES_DONE) {
        done(fake, node, action);
    } else if (action->type == COVEY_ACTION_TILE) {
        tile(fake, node, action);
    } else if (action->type == COVEY_ACTION_TILES_DROPPED) {
        struct fake_made *m = find_made(&fake->node[node], action);
        if (m != NULL) {
            m->used = false;
        }
    } else {
        return false;
    }
    return true;
}
