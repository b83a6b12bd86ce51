/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "fake_state.h"

const struct covey_plan *fake_plan_of(const struct fake_node *n, uint32_t version)
{
    for (unsigned i = 0; i < FAKE_VERSIONS; i++) {
        if (n->version[i].number == version && version != 0) {
            return n->version[i].plan;
        }
    }
    return NULL;
}

/* Requests */

static void ask_layer(struct fake *fake, unsigned node, struct fake_stream *s)
{
    struct covey_event event = {.type = COVEY_EVENT_LAYER,
                                .request = s->request,
                                .layer = (uint16_t)s->layer,
                                .body = s->input};
    cluster_inject(fake->c, node, &event);
}

static void begin(void *user, unsigned node, uint64_t index);

/* After REQUEST_BEGIN was stepped: an error was told by now. */
static void begun(void *user, unsigned node, uint64_t index)
{
    struct fake *fake = user;
    struct fake_node *n = &fake->node[node];
    struct fake_stream *s = &n->stream[index];
    s->starting = false;
    if (s->refused) {
        n->counts.refused += n->active != 0;
        cluster_call_after(fake->c, node, 5000, begin, fake, index);
        return;
    }
    if (n->tiles) {
        s->under_way = true;
        n->counts.begun++;
        fake_tiles_begin(fake, node, s);
        return;
    }
    if (n->rows) {
        s->under_way = true;
        n->counts.begun++;
        fake_rows_begin(fake, node, s);
        return;
    }
    uint32_t input[FAKE_INPUT_MAX];
    for (unsigned i = 0; i < fake_model_inputs(0); i++) {
        input[i] = (uint32_t)cluster_random(fake->c);
    }
    fake_model_expect(input, FAKE_LAYERS, s->expected);
    s->under_way = true;
    s->layer = 0;
    s->input = cluster_body_new(fake->c, input, fake_model_inputs(0) * sizeof(*input));
    n->counts.begun++;
    const struct covey_plan *plan = fake_plan_of(n, n->active);
    if (plan != NULL && covey_plan_is_local(plan)) {
        fake_fail(fake, node, "a request began with nobody to share it");
    }
    ask_layer(fake, node, s);
}

static void begin(void *user, unsigned node, uint64_t index)
{
    struct fake *fake = user;
    struct fake_node *n = &fake->node[node];
    struct fake_stream *s = &n->stream[index];
    if (!n->open || !n->running || s->under_way || s->starting) {
        return;
    }
    s->starting = true;
    s->refused = false;
    s->request = ++fake->requests;
    s->began_us = cluster_now_us(fake->c);
    struct covey_event event = {
        .type = COVEY_EVENT_REQUEST_BEGIN, .fence = n->fence, .request = s->request};
    cluster_inject(fake->c, node, &event);
    cluster_call_after(fake->c, node, 0, begun, fake, index);
}

struct fake_stream *fake_stream_of(struct fake_node *n, uint64_t request)
{
    for (unsigned i = 0; i < FAKE_STREAMS; i++) {
        if (n->stream[i].under_way && n->stream[i].request == request) {
            return &n->stream[i];
        }
    }
    return NULL;
}

void fake_end_request(struct fake *fake, unsigned node, struct fake_stream *s, bool right)
{
    struct fake_node *n = &fake->node[node];
    struct covey_event event = {.type = COVEY_EVENT_REQUEST_END, .request = s->request};
    uint64_t us = cluster_now_us(fake->c) - s->began_us;
    n->counts.wrong += !right;
    n->counts.ended++;
    n->counts.total_us += us;
    n->counts.slowest_us = us > n->counts.slowest_us ? us : n->counts.slowest_us;
    s->under_way = false;
    cluster_inject(fake->c, node, &event);
    cluster_call_after(fake->c, node, 300, begin, fake, (uint64_t)(s - n->stream));
}

static void end_request(struct fake *fake, unsigned node, struct fake_stream *s,
                        const uint32_t *values)
{
    size_t len = fake_model_units(FAKE_LAYERS - 1) * FAKE_ROWS * sizeof(*values);
    fake_end_request(fake, node, s, memcmp(values, s->expected, len) == 0);
}

/* False: the layer was called done with too little. */
static bool rebuild(const struct covey_plan *plan, const struct covey_plan_layer *layer,
                    struct fake_came *came, uint32_t *out)
{
    for (unsigned g = 0; g < layer->groups; g++) {
        unsigned unit, first;
        unsigned count = covey_plan_group(layer, plan->parity, g, &unit, &first);
        for (unsigned u = 0; u < count; u++) {
            if (came->here[first + u]) {
                continue;
            }
            if (plan->parity == 0 || !came->here[first + count]) {
                return false;
            }
            memcpy(came->value[first + u], came->value[first + count], sizeof(came->value[0]));
            for (unsigned other = 0; other < count; other++) {
                if (other != u && !came->here[first + other]) {
                    return false;
                }
                for (unsigned row = 0; other != u && row < FAKE_ROWS; row++) {
                    came->value[first + u][row] -= came->value[first + other][row];
                }
            }
            came->here[first + u] = true;
        }
        for (unsigned u = 0; u < count; u++) {
            memcpy(out + (size_t)(unit + u) * FAKE_ROWS, came->value[first + u],
                   FAKE_ROWS * sizeof(*out));
        }
    }
    return true;
}

static void layer_done(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_node *n = &fake->node[node];
    const struct covey_plan *plan = fake_plan_of(n, action->fence.version);
    struct fake_stream *s = fake_stream_of(n, action->request);
    uint32_t answers[FAKE_INPUT_MAX], values[FAKE_INPUT_MAX];
    static struct fake_came came;
    if (plan == NULL || s == NULL || s->layer != action->layer) {
        fake_fail(fake, node, "a layer is done that nobody asked for");
        return;
    }
    const struct covey_plan_layer *layer = &plan->layer[action->layer];
    came.numbers = FAKE_ROWS;
    fake_layer_take(fake, node, layer, action->done, &came);
    if (!rebuild(plan, layer, &came, answers)) {
        fake_fail(fake, node, "a layer is done with too few answers");
    }
    fake_model_activate(action->layer, answers, values);
    cluster_body_unref(fake->c, s->input);
    s->input = 0;
    if (++s->layer == FAKE_LAYERS) {
        end_request(fake, node, s, values);
        return;
    }
    s->input = cluster_body_new(fake->c, values, fake_model_inputs(s->layer) * sizeof(*values));
    ask_layer(fake, node, s);
}

static void compute_local(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_node *n = &fake->node[node];
    const struct covey_plan *plan = fake_plan_of(n, action->fence.version);
    struct fake_stream *s = fake_stream_of(n, action->request);
    uint32_t out[COVEY_LAYER_SLOTS_MAX * FAKE_ROWS], input[FAKE_INPUT_MAX];
    unsigned count = 0;
    size_t len;
    if (plan == NULL || s == NULL || s->layer != action->layer) {
        fake_fail(fake, node, "a layer is to be computed that is over");
        return;
    }
    memcpy(input, cluster_body_data(fake->c, s->input, &len),
           fake_model_inputs(action->layer) * sizeof(*input));
    for (unsigned slot = 0; slot < plan->layer[action->layer].slots; slot++) {
        uint32_t weights[FAKE_WEIGHTS_MAX];
        if (fake_has_slot(action->slots, slot)) {
            fake_model_slot(plan, action->layer, slot, weights);
            fake_model_product(action->layer, weights, input, out + (size_t)count++ * FAKE_ROWS);
        }
    }
    fake_layer_tell_local(fake, node, action,
                          covey_bytes_of((const uint8_t *)out, count * FAKE_ROWS * sizeof(*out)),
                          count);
}

/* Plans */

/* For this node or, where it is the coordinator, another. */
static void plan(struct fake *fake, unsigned node, const struct covey_action *action)
{
    static struct covey_plan made;
    struct covey_event event = {.type = COVEY_EVENT_PLANNED,
                                .fence = action->fence,
                                .work = action->work,
                                .err = covey_plan_make(action->costs, &made),
                                .plan = &made};
    cluster_inject_after(fake->c, node, FAKE_PLAN_US, &event);
}

static void prepare(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_node *n = &fake->node[node];
    struct covey_event event = {.type = COVEY_EVENT_PREPARED, .fence = action->fence};
    for (unsigned i = 0; i < FAKE_VERSIONS; i++) {
        if (n->version[i].number == 0) {
            n->version[i] = (struct fake_version){action->fence.version, action->plan};
            cluster_inject_after(fake->c, node, 500, &event);
            return;
        }
    }
    fake_fail(fake, node, "more versions than can be");
}

static unsigned pack_slots(struct fake *fake, unsigned node, const struct covey_plan *plan,
                           unsigned device, uint8_t *out)
{
    unsigned count = 0;
    for (unsigned layer = 0; layer < plan->layers; layer++) {
        for (unsigned slot = 0; slot < plan->layer[layer].slots; slot++) {
            uint32_t weights[FAKE_WEIGHTS_MAX];
            struct covey_digest digest;
            uint8_t *p = out + (size_t)count * COVEY_WORK_SLOT_BYTES;
            if (plan->layer[layer].holder[slot] != device) {
                continue;
            }
            if (plan->layer[layer].by_rows) {
                count += fake_rows_slots(fake, node, layer, p);
                continue;
            }
            COVEY_ASSERT(count < FAKE_ENTRIES);
            fake_model_slot(plan, layer, slot, weights);
            fake_model_digest(weights, (size_t)FAKE_ROWS * fake_model_inputs(layer), &digest);
            fake_keep(fake, node, weights, (size_t)FAKE_ROWS * fake_model_inputs(layer));
            covey_store16(p, (uint16_t)layer);
            covey_store16(p + 2, (uint16_t)slot);
            memcpy(p + 4, digest.bytes, sizeof(digest.bytes));
            count++;
        }
    }
    return count;
}

static void assign(struct fake *fake, unsigned node, const struct covey_action *action)
{
    const struct covey_plan *plan = fake_plan_of(&fake->node[node], action->fence.version);
    uint8_t slots[FAKE_ENTRIES * COVEY_WORK_SLOT_BYTES];
    struct covey_work_message m = {.type = COVEY_WORK_ASSIGN};
    if (plan == NULL) {
        fake_fail(fake, node, "a forgotten plan is assigned");
        return;
    }
    m.assign.fence = action->fence;
    m.assign.plan = action->bytes;
    m.assign.holders = action->holders;
    m.assign.slots.ptr = slots;
    m.assign.slots.len =
        pack_slots(fake, node, plan, action->device, slots) * (size_t)COVEY_WORK_SLOT_BYTES;
    fake_send(fake, node, &action->peer, &m, 0);
}

static void forget(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_node *n = &fake->node[node];
    if (n->open && action->fence.version == n->active) {
        fake_fail(fake, node, "the active plan is forgotten");
    }
    for (unsigned i = 0; i < FAKE_VERSIONS; i++) {
        if (n->version[i].number == action->fence.version) {
            n->version[i].number = 0;
        }
    }
}

void fake_owner_action(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_node *n = &fake->node[node];
    if (action->type == COVEY_ACTION_PLAN) {
        plan(fake, node, action);
    } else if (action->type == COVEY_ACTION_PREPARE) {
        prepare(fake, node, action);
    } else if (action->type == COVEY_ACTION_ASSIGN) {
        assign(fake, node, action);
    } else if (action->type == COVEY_ACTION_ACTIVE) {
        n->active = action->fence.version;
    } else if (action->type == COVEY_ACTION_FORGET) {
        forget(fake, node, action);
    } else if (action->type == COVEY_ACTION_REFUSED) {
        return;
    } else if (fake_tiles_action(fake, node, action)) {
        return;
    } else if (n->rows && action->type == COVEY_ACTION_COMPUTE_LOCAL) {
        fake_rows_local(fake, node, action);
    } else if (n->rows) {
        fake_rows_done(fake, node, action);
    } else if (action->type == COVEY_ACTION_COMPUTE_LOCAL) {
        compute_local(fake, node, action);
    } else {
        layer_done(fake, node, action);
    }
}

void fake_owner_error(struct fake *fake, unsigned node, const struct covey_event *event,
                      covey_err err)
{
    struct fake_node *n = &fake->node[node];
    for (unsigned i = 0; event->type == COVEY_EVENT_REQUEST_BEGIN && i < FAKE_STREAMS; i++) {
        if (n->stream[i].starting && n->stream[i].request == event->request &&
            err == COVEY_ERR_STATE) {
            n->stream[i].refused = true;
            return;
        }
    }
    fake_fail(fake, node, covey_strerror(err));
}

void fake_owner_stop(struct fake *fake, unsigned node)
{
    struct fake_node *n = &fake->node[node];
    for (unsigned i = 0; i < FAKE_STREAMS; i++) {
        cluster_body_unref(fake->c, n->stream[i].input);
        fake_rows_drop(fake, &n->stream[i]);
    }
    n->open = n->running = false;
    n->active = 0;
    memset(n->version, 0, sizeof(n->version));
    memset(n->stream, 0, sizeof(n->stream));
}

/* Public */

static struct covey_plan_request *open_session(struct fake *fake, unsigned owner)
{
    struct fake_node *n = &fake->node[owner];
    memset(&n->fence, 0, sizeof(n->fence));
    memset(&n->costs, 0, sizeof(n->costs));
    covey_store64(n->fence.session.bytes, ++fake->sessions);
    n->fence.epoch = 1;
    n->active = 0;
    n->open = true;
    n->tiles = n->rows = false;
    return &n->costs;
}

static void tell_open(struct fake *fake, unsigned owner)
{
    struct fake_node *n = &fake->node[owner];
    struct covey_event event = {
        .type = COVEY_EVENT_SESSION_OPEN, .fence = n->fence, .costs = &n->costs};
    cluster_inject(fake->c, owner, &event);
}

void fake_open_tiles(struct fake *fake, unsigned owner)
{
    fake_tiles_costs(open_session(fake, owner));
    fake->node[owner].tiles = true;
    tell_open(fake, owner);
}

void fake_open_rows(struct fake *fake, unsigned owner, unsigned parity)
{
    fake_rows_costs(open_session(fake, owner), parity);
    fake->node[owner].rows = true;
    tell_open(fake, owner);
}

void fake_open(struct fake *fake, unsigned owner, unsigned parity)
{
    struct fake_node *n = &fake->node[owner];
    open_session(fake, owner);
    n->costs.layers = n->costs.cells = FAKE_LAYERS;
    n->costs.coded_all = true;
    n->costs.parity = (uint8_t)parity;
    for (unsigned i = 0; i < FAKE_LAYERS; i++) {
        uint32_t inputs = fake_model_inputs(i);
        n->costs.cost[i] = (struct covey_plan_cost){.cell = (uint16_t)i,
                                                    .units = (uint16_t)fake_model_units(i),
                                                    .unit_bytes = FAKE_ROWS * inputs * 4,
                                                    .input_bytes = inputs * 4,
                                                    .answer_bytes = FAKE_ROWS * 4,
                                                    .unit.flops = UINT64_C(2) * FAKE_ROWS * inputs};
        n->costs.cell[i] = (struct covey_plan_cell){.first_layer = (uint16_t)i,
                                                    .layers = 1,
                                                    .whole.flops = fake_model_units(i) *
                                                                   n->costs.cost[i].unit.flops};
    }
    tell_open(fake, owner);
}

void fake_close(struct fake *fake, unsigned owner)
{
    struct fake_node *n = &fake->node[owner];
    struct covey_event event = {.type = COVEY_EVENT_SESSION_CLOSE, .fence = n->fence};
    n->open = n->running = false;
    cluster_inject(fake->c, owner, &event);
}

void fake_run(struct fake *fake, unsigned owner, bool on)
{
    fake->node[owner].running = on;
    for (unsigned i = 0; on && i < FAKE_STREAMS; i++) {
        begin(fake, owner, i);
    }
}

const struct fake_counts *fake_counts(const struct fake *fake, unsigned owner)
{
    return &fake->node[owner].counts;
}

void fake_count_anew(struct fake *fake, unsigned owner)
{
    memset(&fake->node[owner].counts, 0, sizeof(fake->node[owner].counts));
}

unsigned fake_under_way(const struct fake *fake, unsigned owner)
{
    unsigned count = 0;
    for (unsigned i = 0; i < FAKE_STREAMS; i++) {
        count += fake->node[owner].stream[i].under_way;
    }
    return count;
}

uint64_t fake_oldest_us(const struct fake *fake, unsigned owner)
{
    uint64_t oldest = 0;
    for (unsigned i = 0; i < FAKE_STREAMS; i++) {
        const struct fake_stream *s = &fake->node[owner].stream[i];
        uint64_t us = s->under_way ? cluster_now_us(fake->c) - s->began_us : 0;
        oldest = us > oldest ? us : oldest;
    }
    return oldest;
}

const struct covey_plan *fake_plan(const struct fake *fake, unsigned owner)
{
    const struct fake_node *n = &fake->node[owner];
    return fake_plan_of(n, n->active);
}
