/* SPDX-License-Identifier: MIT */
#include "fake_state.h"

/* A model of FAKE_LAYERS convolutions over FAKE_HIGH rows of one number, each of FAKE_FILTERS
 * filters of three rows: split by rows of the output, everybody has all filters, and each device
 * gets its own block of the input, or the sum of all blocks. Modulo 2^32, so that what is rebuilt
 * is what was lost. */

enum { TAPS = 3 };

static uint32_t mix(uint32_t v)
{
    v = (v ^ (v >> 16)) * 0x7feb352dU;
    v = (v ^ (v >> 15)) * 0x846ca68bU;
    return v ^ (v >> 16);
}

static void filter(unsigned layer, unsigned unit, uint32_t *out)
{
    for (unsigned i = 0; i < TAPS; i++) {
        out[i] = mix((layer << 16) + (unit << 8) + i + 0x70000001U);
    }
}

void fake_rows_costs(struct covey_plan_request *costs, unsigned parity)
{
    costs->layers = costs->cells = FAKE_LAYERS;
    costs->coded_all = true;
    costs->parity = (uint8_t)parity;
    for (unsigned i = 0; i < FAKE_LAYERS; i++) {
        costs->cost[i] = (struct covey_plan_cost){
            .cell = (uint16_t)i,
            .units = FAKE_FILTERS,
            .unit_bytes = TAPS * sizeof(uint32_t),
            .input_bytes = FAKE_HIGH * sizeof(uint32_t),
            .answer_bytes = FAKE_HIGH * sizeof(uint32_t),
            .unit.flops = 10000000, /* so that filters are never sooner */
            .by_rows = {FAKE_HIGH, FAKE_HIGH, 1, TAPS, {.flops = 5000}, {.flops = 5000}},
        };
        costs->cell[i] = (struct covey_plan_cell){
            .first_layer = (uint16_t)i, .layers = 1, .whole.flops = 10000000 * FAKE_FILTERS};
    }
}

static unsigned height(const struct covey_plan_layer *layer)
{
    return (FAKE_HIGH + layer->units - 1U) / layer->units;
}

/* high + 2 rows of the input; outside of it are zeros. A parity has the sum of all blocks. */
static void block(const struct covey_plan_layer *layer, unsigned slot, const uint32_t *input,
                  uint32_t *out)
{
    unsigned high = height(layer);
    memset(out, 0, (high + TAPS - 1) * sizeof(*out));
    for (unsigned b = 0; b < layer->units; b++) {
        for (unsigned i = 0; (b == slot || slot >= layer->units) && i < high + TAPS - 1; i++) {
            unsigned row = b * high + i; /* one more than it is */
            out[i] += row > 0 && row <= FAKE_HIGH ? input[row - 1] : 0;
        }
    }
}

/* All filters, one after the other. */
static void convolve(unsigned layer, const uint32_t *in, unsigned high, uint32_t *out)
{
    for (unsigned u = 0; u < FAKE_FILTERS; u++) {
        uint32_t w[TAPS];
        filter(layer, u, w);
        for (unsigned r = 0; r < high; r++) {
            out[u * high + r] = w[0] * in[r] + w[1] * in[r + 1] + w[2] * in[r + 2];
        }
    }
}

static void activate(const uint32_t *out, unsigned high, unsigned row, uint32_t *next)
{
    uint32_t sum = 0;
    for (unsigned u = 0; u < FAKE_FILTERS; u++) {
        sum = sum * 31 + out[u * high + row % high];
    }
    next[row] = mix(sum);
}

/* As one device would. */
static void expect(const uint32_t *input, uint32_t *rows)
{
    memcpy(rows, input, FAKE_HIGH * sizeof(*rows));
    for (unsigned layer = 0; layer < FAKE_LAYERS; layer++) {
        uint32_t in[FAKE_HIGH + TAPS - 1] = {0}, out[FAKE_FILTERS * FAKE_HIGH];
        memcpy(in + 1, rows, FAKE_HIGH * sizeof(*rows));
        convolve(layer, in, FAKE_HIGH, out);
        for (unsigned r = 0; r < FAKE_HIGH; r++) {
            activate(out, FAKE_HIGH, r, rows);
        }
    }
}

/* Owner */

unsigned fake_rows_slots(struct fake *fake, unsigned node, unsigned layer, uint8_t *out)
{
    for (unsigned u = 0; u < FAKE_FILTERS; u++) {
        uint32_t weights[TAPS];
        struct covey_digest digest;
        uint8_t *p = out + (size_t)u * COVEY_WORK_SLOT_BYTES;
        filter(layer, u, weights);
        fake_model_digest(weights, TAPS, &digest);
        fake_keep(fake, node, weights, TAPS);
        covey_store16(p, (uint16_t)layer);
        covey_store16(p + 2, (uint16_t)u);
        memcpy(p + 4, digest.bytes, sizeof(digest.bytes));
    }
    return FAKE_FILTERS;
}

void fake_rows_drop(struct fake *fake, struct fake_stream *s)
{
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        cluster_body_unref(fake->c, s->part[d]);
        s->part[d] = 0;
    }
}

static const struct covey_plan *plan_of(const struct fake *fake, unsigned node,
                                        const struct fake_stream *s)
{
    const struct covey_plan *plan = fake_plan_of(&fake->node[node], s->version);
    if (plan == NULL || plan->layers != FAKE_LAYERS || !plan->layer[s->layer].by_rows) {
        fake_fail(fake, node, "a layer by rows is not planned so");
    }
    return plan;
}

static void ask(struct fake *fake, unsigned node, struct fake_stream *s)
{
    const struct covey_plan *plan = plan_of(fake, node, s);
    const struct covey_plan_layer *layer = &plan->layer[s->layer];
    fake_rows_drop(fake, s);
    for (unsigned slot = 0; slot < layer->slots; slot++) {
        uint32_t in[FAKE_HIGH + TAPS - 1];
        block(layer, slot, s->rows, in);
        s->part[layer->holder[slot]] =
            cluster_body_new(fake->c, in, (height(layer) + TAPS - 1) * sizeof(*in));
    }
    struct covey_event event = {.type = COVEY_EVENT_LAYER,
                                .request = s->request,
                                .layer = (uint16_t)s->layer,
                                .pieces = s->part};
    cluster_inject(fake->c, node, &event);
}

void fake_rows_begin(struct fake *fake, unsigned node, struct fake_stream *s)
{
    for (unsigned r = 0; r < FAKE_HIGH; r++) {
        s->first[r] = s->rows[r] = (uint32_t)cluster_random(fake->c);
    }
    expect(s->rows, s->expected);
    s->layer = 0;
    s->version = fake->node[node].active;
    ask(fake, node, s);
}

/* What the slot's answer must be. */
static void right_answer(const struct covey_plan_layer *layer, const struct fake_stream *s,
                         unsigned slot, uint32_t *out)
{
    uint32_t in[FAKE_HIGH + TAPS - 1];
    block(layer, slot, s->rows, in);
    convolve(s->layer, in, height(layer), out);
}

void fake_rows_local(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_stream *s = fake_stream_of(&fake->node[node], action->request);
    if (s == NULL || s->layer != action->layer) {
        fake_fail(fake, node, "a layer is to be computed that is over");
        return;
    }
    const struct covey_plan_layer *layer = &plan_of(fake, node, s)->layer[s->layer];
    size_t each = FAKE_FILTERS * (size_t)height(layer);
    uint32_t out[COVEY_PLAN_DEVICES_MAX * FAKE_FILTERS * FAKE_HIGH];
    unsigned count = 0;
    for (unsigned slot = 0; slot < layer->slots; slot++) {
        if (fake_has_slot(action->slots, slot)) {
            right_answer(layer, s, slot, out + count++ * each);
        }
    }
    fake_layer_tell_local(fake, node, action,
                          covey_bytes_of((const uint8_t *)out, count * each * sizeof(*out)), count);
}

/* Each answer is looked at, as the owner's secrets do: whoever lies is told of. */
static bool accuse(struct fake *fake, unsigned node, const struct fake_stream *s,
                   const struct fake_came *came)
{
    const struct covey_plan *plan = plan_of(fake, node, s);
    const struct covey_plan_layer *layer = &plan->layer[s->layer];
    bool any = false;
    for (unsigned slot = 0; slot < layer->slots; slot++) {
        uint32_t right[FAKE_FILTERS * FAKE_HIGH];
        right_answer(layer, s, slot, right);
        size_t bytes = FAKE_FILTERS * height(layer) * sizeof(*right);
        if (!came->here[slot] || memcmp(came->value[slot], right, bytes) == 0) {
            continue;
        }
        const struct covey_node_id *liar = &plan->device[layer->holder[slot]];
        if (!fake->node[cluster_index(fake->c, liar)].lies) {
            fake_fail(fake, node, "an honest answer is wrong");
        }
        struct covey_event event = {.type = COVEY_EVENT_LIED,
                                    .request = s->request,
                                    .layer = (uint16_t)s->layer,
                                    .peer = *liar};
        cluster_inject(fake->c, node, &event);
        fake->node[node].counts.lies++;
        any = true;
    }
    return any;
}

/* False: the layer was called done with too little. */
static bool rebuild(const struct covey_plan_layer *layer, struct fake_came *came)
{
    unsigned lost = layer->units;
    for (unsigned b = 0; b < layer->units; b++) {
        if (!came->here[b] && lost < layer->units) {
            return false;
        }
        lost = came->here[b] ? lost : b;
    }
    if (lost == layer->units) {
        return true;
    }
    if (layer->slots == layer->units || !came->here[layer->units]) {
        return false;
    }
    for (unsigned i = 0; i < FAKE_FILTERS * height(layer); i++) {
        uint32_t sum = came->value[layer->units][i];
        for (unsigned b = 0; b < layer->units; b++) {
            sum -= b != lost ? came->value[b][i] : 0;
        }
        came->value[lost][i] = sum;
    }
    came->here[lost] = true;
    return true;
}

void fake_rows_done(struct fake *fake, unsigned node, const struct covey_action *action)
{
    static struct fake_came came;
    struct fake_node *n = &fake->node[node];
    struct fake_stream *s = fake_stream_of(n, action->request);
    if (s == NULL || s->layer != action->layer || s->version != action->fence.version) {
        fake_fail(fake, node, "a layer is done that nobody asked for");
        return;
    }
    const struct covey_plan_layer *layer = &plan_of(fake, node, s)->layer[s->layer];
    came.numbers = FAKE_FILTERS * (size_t)height(layer);
    fake_layer_take(fake, node, layer, action->done, &came);
    if (accuse(fake, node, s, &came)) {
        if (cluster_random(fake->c) % 2 == 0) { /* it was noticed late: all of it again */
            s->layer = 0;
            memcpy(s->rows, s->first, sizeof(s->first));
        }
        ask(fake, node, s);
        return;
    }
    if (!rebuild(layer, &came)) {
        fake_fail(fake, node, "a layer is done with too few answers");
    }
    for (unsigned r = 0; r < FAKE_HIGH; r++) {
        activate(came.value[r / height(layer)], height(layer), r, s->rows);
    }
    if (++s->layer < FAKE_LAYERS) {
        ask(fake, node, s);
        return;
    }
    fake_rows_drop(fake, s);
    fake_end_request(fake, node, s,
                     memcmp(s->rows, s->expected, FAKE_HIGH * sizeof(s->rows[0])) == 0);
}

/* Holder */

size_t fake_rows_answer(const struct fake_node *n, const struct fake_assignment *a, unsigned layer,
                        struct covey_bytes input, uint32_t *out)
{
    unsigned units = 0, high = (unsigned)(input.len / sizeof(uint32_t)) - (TAPS - 1);
    uint32_t in[FAKE_HIGH + TAPS - 1];
    if (input.len < TAPS * sizeof(*in) || input.len > sizeof(in)) {
        return 0;
    }
    memcpy(in, input.ptr, input.len);
    for (unsigned i = 0; i < a->count; i++) {
        if (a->entry[i].layer != layer) {
            continue;
        }
        const uint32_t *w = n->cache[a->entry[i].cached - 1].weights;
        for (unsigned r = 0; r < high; r++) {
            out[units * high + r] = w[0] * in[r] + w[1] * in[r + 1] + w[2] * in[r + 2];
        }
        units++;
    }
    if (n->lies && units > 0) {
        out[in[0] % (units * high)] ^= 1U << in[1] % 32;
    }
    return units * (size_t)high * sizeof(*out);
}
