/* SPDX-License-Identifier: MIT */
#include "covey/plan.h"

#include "plan_private.h"

static const double worth = COVEY__PLAN_WORTH;

/* A plan in the making. */
struct making {
    const struct covey_plan_request *request;
    struct covey__team team;
    struct covey__deal deal;
    double local_us[COVEY_LAYERS_MAX]; /* of each split layer, at the owner */
    double coded_us[COVEY_LAYERS_MAX]; /* at best; not less than local_us: not worth it */
    double fed_us[COVEY_LAYERS_MAX];   /* the same, of a layer that a run of all devices feeds */
    double rest_us[COVEY_CELLS_MAX];   /* of each cell, without its split layers */
    double alone_us;
    double byte_price_us; /* what each byte of weights at the owner counts as, if it has too few */
};

static void begin(const struct making *m, struct covey_plan *out)
{
    memset(out, 0, sizeof(*out));
    out->parity = (uint8_t)m->team.parity;
    out->half = m->request->half;
    out->local_us = out->predicted_us = covey__round_us(m->alone_us);
}

static void set_devices(const struct making *m, struct covey_plan *out)
{
    out->devices = (uint8_t)m->team.devices;
    memcpy(out->device, m->team.id, m->team.devices * sizeof(out->device[0]));
}

/* ---- what each cell costs outside of runs ---- */

/* What holding the layer at the owner costs beside its time. */
static double price_us(const struct making *m, unsigned layer)
{
    return m->byte_price_us * (double)covey__layer_bytes(&m->request->cost[layer]);
}

static double limit_us(const struct making *m, unsigned layer)
{
    return m->local_us[layer] * worth + price_us(m, layer);
}

static bool same_cost(const struct covey_plan_cost *a, const struct covey_plan_cost *b)
{
    return a->units == b->units && a->unit_bytes == b->unit_bytes &&
           a->input_bytes == b->input_bytes && a->answer_bytes == b->answer_bytes &&
           a->unit.flops == b->unit.flops && a->unit.bytes == b->unit.bytes &&
           memcmp(&a->by_rows, &b->by_rows, sizeof(a->by_rows)) == 0;
}

static void weigh_fed(struct making *m, unsigned layer)
{
    const struct covey_plan_cost *cost = &m->request->cost[layer];
    struct covey__hand hand;
    double us = 0;
    m->deal.fed = (uint32_t)((UINT64_C(1) << m->team.devices) - 1);
    m->fed_us[layer] = m->coded_us[layer];
    if (cost->back > 0 && covey__coded_choose(&m->deal, cost, m->coded_us[layer], &hand, &us)) {
        m->fed_us[layer] = us;
    }
    m->deal.fed = 0;
}

static void weigh_coded(struct making *m)
{
    for (unsigned i = 0; i < m->request->layers; i++) {
        const struct covey_plan_cost *cost = &m->request->cost[i];
        struct covey__hand hand;
        if (i > 0 && same_cost(cost, &cost[-1])) {
            m->coded_us[i] = m->coded_us[i - 1];
            continue;
        }
        if (!covey__layer_choose(&m->deal, cost, limit_us(m, i), &hand, &m->coded_us[i])) {
            m->coded_us[i] = m->local_us[i] + price_us(m, i);
        }
    }
    for (unsigned i = 0; i < m->request->layers; i++) {
        weigh_fed(m, i);
    }
}

/* ---- putting it together ---- */

/* The run whose result is the layer's input. */
static struct covey_plan_run *feeding_run(const struct making *m, unsigned layer,
                                          struct covey_plan *plan)
{
    for (unsigned i = 0; i < plan->runs; i++) {
        struct covey_plan_run *run = &plan->run[i];
        if (covey__fed_layer(m->request, run->first_cell + (unsigned)run->cells) == layer) {
            return run;
        }
    }
    return NULL;
}

/* The layer as it was dealt. */
static double take_hand(struct making *m, unsigned layer, struct covey__hand *hand,
                        struct covey_plan *out)
{
    struct covey_plan_cost cost;
    bool fits = covey_plan_slot_cost(&m->request->cost[layer], &hand->layer, &cost);
    COVEY_ASSERT(fits); /* it was dealt by it */
    if (hand->layer.by_rows) {
        covey__rows_keep(&m->deal, layer, &m->request->cost[layer], hand);
    } else {
        covey__coded_keep(&m->deal, layer, &cost, hand);
    }
    double us = covey__relay_try(&m->team, &cost, hand);
    covey__deal_take(&m->deal, &cost, hand);
    out->layer[layer] = hand->layer;
    out->layer[layer].predicted_us = covey__round_us(us);
    return us;
}

/* False: no way to hold the layer in what memory is left is worth it. */
static bool code_layer(struct making *m, unsigned layer, struct covey_plan *out)
{
    const struct covey_plan_cost *cost = &m->request->cost[layer];
    struct covey__hand hand, fed;
    double us = 0, fed_us = 0;
    bool is_good = covey__layer_choose(&m->deal, cost, limit_us(m, layer), &hand, &us);
    struct covey_plan_run *run = feeding_run(m, layer, out);
    if (run != NULL) {
        m->deal.fed = covey__run_holders(run, m->team.devices);
        double limit = is_good ? us : limit_us(m, layer);
        if (covey__coded_choose(&m->deal, cost, limit, &fed, &fed_us)) {
            hand = fed;
            us = fed_us;
            run->feeds = (uint16_t)(layer + 1);
            is_good = true;
        }
    }
    m->deal.fed = is_good ? hand.fed : 0;
    if (!is_good) {
        return false;
    }
    (void)take_hand(m, layer, &hand, out);
    m->deal.fed = 0;
    out->layers = m->request->layers;
    return true;
}

static void take_run_memory(struct making *m, const struct covey_plan_run *run)
{
    uint32_t mask = covey__run_holders(run, m->team.devices);
    uint64_t bytes = covey__run_bytes(m->request, run);
    for (unsigned d = 0; d < m->team.devices; d++) {
        if ((mask >> d & 1) != 0) {
            m->deal.used_bytes[d] += bytes;
        }
    }
}

/* From the last boundary to the first; runs come out in running order. in_run: cells. */
static void place_runs(struct making *m, struct covey__table *t, struct covey_plan *out,
                       bool *in_run)
{
    unsigned index = t->best[m->request->cells].runs;
    out->runs = (uint8_t)index;
    for (unsigned at = m->request->cells; at > 0;) {
        if (t->best[at].crew == COVEY__NO_CREW) {
            in_run[--at] = false;
            continue;
        }
        struct covey_plan_run *run = &out->run[--index];
        unsigned first = covey__table_run(t, at, run);
        take_run_memory(m, run);
        while (at > first) {
            in_run[--at] = true;
        }
    }
}

static double place_layers(struct making *m, const bool *in_run, struct covey_plan *out)
{
    double us = 0;
    for (unsigned c = 0; c < m->request->cells; c++) {
        const struct covey_plan_cell *cell = &m->request->cell[c];
        if (in_run[c]) {
            continue;
        }
        us += m->rest_us[c];
        for (unsigned i = cell->first_layer; i < cell->first_layer + (unsigned)cell->layers; i++) {
            if (!code_layer(m, i, out)) {
                out->layer[i].predicted_us = covey__round_us(m->local_us[i]);
            }
            us += out->layer[i].predicted_us;
        }
    }
    return us;
}

/* Runs and layers as they end soonest at this price. */
static void make_priced(struct making *m, struct covey_plan *out)
{
    struct covey__table table;
    bool in_run[COVEY_CELLS_MAX] = {false};
    table.request = m->request;
    table.team = &m->team;
    m->deal = (struct covey__deal){.team = &m->team, .held = m->request->held};
    begin(m, out);
    weigh_coded(m);
    for (unsigned c = 0; c < m->request->cells; c++) {
        const struct covey_plan_cell *cell = &m->request->cell[c];
        table.cell_us[c] = m->rest_us[c];
        for (unsigned i = 0; i < cell->layers; i++) {
            table.cell_us[c] += m->coded_us[cell->first_layer + i];
        }
    }
    for (unsigned end = 0; end <= m->request->cells; end++) {
        unsigned fed = covey__fed_layer(m->request, end);
        bool some = fed < m->request->layers;
        table.saved_us[end] = some ? m->coded_us[fed] - m->fed_us[fed] : 0;
    }
    covey__table_fill(&table);
    set_devices(m, out);
    place_runs(m, &table, out, in_run);
    double us = covey__asked_us(&m->team, m->request) + place_layers(m, in_run, out);
    for (unsigned i = 0; i < out->runs; i++) {
        us += out->run[i].predicted_us;
    }
    out->predicted_us = covey__round_us(us);
}

/* With its units and its share of runs. */
static bool fits_owner(const struct making *m, const struct covey_plan *plan)
{
    uint64_t most = m->request->owner_bytes;
    uint64_t held = covey__bytes_at_owner(m->request, plan);
    uint64_t used = m->team.owner < m->team.devices ? m->deal.used_bytes[m->team.owner] : 0;
    return most == 0 || (held <= most && used <= most - held);
}

/* What is no split layer's stays at the owner, and its units may have what that leaves. */
static void limit_owner(struct making *m)
{
    uint64_t most = m->request->owner_bytes;
    if (most == 0 || m->team.owner >= m->team.devices) {
        return;
    }
    for (unsigned c = 0; c < m->request->cells; c++) {
        const struct covey_plan_cell *cell = &m->request->cell[c];
        uint64_t bytes = cell->weight_bytes;
        for (unsigned i = 0; i < cell->layers; i++) {
            uint64_t split = covey__layer_bytes(&m->request->cost[cell->first_layer + i]);
            bytes -= split < bytes ? split : bytes;
        }
        most -= bytes < most ? bytes : most;
    }
    uint64_t *memory = &m->team.memory[m->team.owner];
    *memory = *memory < most ? *memory : most;
}

/* The lowest price of a byte at the owner at which it can hold what is left there. False: it
 * cannot at any; then the plan is for reading the rest in each request. */
static bool make_small(struct making *m, struct covey_plan *out)
{
    enum { PRICES = 5, DEARER = 16 };
    double price = m->team.asker.byte_us; /* about what reading it costs */
    m->byte_price_us = 1e6;
    make_priced(m, out);
    if (!fits_owner(m, out)) {
        m->byte_price_us = price;
        make_priced(m, out);
        return false;
    }
    for (unsigned i = 0; i < PRICES; i++) {
        m->byte_price_us = price;
        make_priced(m, out);
        if (fits_owner(m, out)) {
            return true;
        }
        price *= DEARER;
    }
    m->byte_price_us = 1e6;
    make_priced(m, out);
    return true;
}

/* What ends soonest; never slower than alone, if the owner can hold it all. What is too large for
 * all devices together may spill: others hold what they can, the owner reads the rest as it goes.
 */
static void make_fast(struct making *m, bool spill, struct covey_plan *out)
{
    limit_owner(m);
    begin(m, out);
    bool may_stay = fits_owner(m, out);
    make_priced(m, out);
    bool good = fits_owner(m, out) || make_small(m, out) || spill;
    bool slow = may_stay && out->predicted_us > m->alone_us * worth;
    if (!good || slow || covey_plan_is_local(out)) {
        begin(m, out);
    }
}

/* Every layer that may be, over all devices. */
static void make_coded(struct making *m, struct covey_plan *out)
{
    double us = m->alone_us;
    set_devices(m, out);
    for (unsigned i = 0; i < m->request->layers; i++) {
        struct covey__hand hand;
        double coded = 0;
        if (m->request->cost[i].here) {
            continue;
        }
        if (!covey__layer_all(&m->deal, &m->request->cost[i], &hand, &coded)) {
            begin(m, out);
            return;
        }
        us += take_hand(m, i, &hand, out) - m->local_us[i];
    }
    out->layers = m->request->layers;
    out->predicted_us = covey__round_us(us);
    if (covey_plan_is_local(out)) {
        begin(m, out);
    }
}

static void make_with(const struct covey_plan_request *request, unsigned parity, bool spill,
                      struct covey_plan *out)
{
    struct making m = {.request = request};
    covey__team_choose(request, &m.team);
    m.team.parity = parity;
    m.deal = (struct covey__deal){.team = &m.team, .held = request->held};
    m.alone_us = covey__alone_us(request, &m.team, m.local_us, m.rest_us);
    begin(&m, out);
    /* A single device gains nothing from units and parities of its own. */
    if (m.team.devices < 2) {
        return;
    }
    if (request->coded_all || request->cells == 0) {
        make_coded(&m, out);
    } else {
        make_fast(&m, spill, out);
    }
}

covey_err covey_plan_make(const struct covey_plan_request *request, struct covey_plan *out)
{
    covey_err err = covey__plan_request_check(request);
    if (err != COVEY_OK) {
        return err;
    }
    unsigned parity = request->parity;
    make_with(request, parity, false, out);
    /* What the owner cannot hold goes to others, if need be with less to lose. */
    while (covey_plan_is_local(out) && request->owner_bytes != 0 && parity > 0) {
        make_with(request, --parity, false, out);
    }
    if (covey_plan_is_local(out) && request->owner_bytes != 0) {
        make_with(request, request->parity, true, out);
    }
    return COVEY_OK;
}
