/* SPDX-License-Identifier: MIT */
#include "plan_move.h"

#include "plan_private.h"

/* What a plan takes that is there already, and whether another is worth moving to. */

double covey__alone_us(const struct covey_plan_request *request, const struct covey__team *team,
                       double local_us[static COVEY_LAYERS_MAX],
                       double rest_us[static COVEY_CELLS_MAX])
{
    double alone = covey__asked_us(team, request);
    for (unsigned i = 0; i < request->layers; i++) {
        const struct covey_plan_cost *cost = &request->cost[i];
        local_us[i] = covey__work_us(&team->asker, &cost->unit) * cost->units;
        alone += request->cells == 0 ? local_us[i] : 0;
    }
    for (unsigned c = 0; c < request->cells; c++) {
        const struct covey_plan_cell *cell = &request->cell[c];
        double whole = covey__work_us(&team->asker, &cell->whole);
        double split = 0;
        for (unsigned i = 0; i < cell->layers; i++) {
            split += local_us[cell->first_layer + i];
        }
        /* A layer's last unit may be padded, so the parts may be more than the whole. */
        for (unsigned i = 0; i < cell->layers && split > whole; i++) {
            local_us[cell->first_layer + i] *= whole / split;
        }
        rest_us[c] = split < whole ? whole - split : 0;
        alone += whole;
    }
    return alone;
}

uint64_t covey__layer_bytes(const struct covey_plan_cost *cost)
{
    return (uint64_t)cost->unit_bytes * cost->units;
}

uint64_t covey__bytes_at_owner(const struct covey_plan_request *request,
                               const struct covey_plan *plan)
{
    uint64_t sum = 0;
    unsigned run = 0;
    for (unsigned c = 0; c < request->cells; c++) {
        const struct covey_plan_cell *cell = &request->cell[c];
        while (run < plan->runs &&
               c >= plan->run[run].first_cell + (unsigned)plan->run[run].cells) {
            run++;
        }
        if (run < plan->runs && c >= plan->run[run].first_cell) {
            continue;
        }
        uint64_t bytes = cell->weight_bytes;
        for (unsigned i = 0; i < cell->layers && plan->layers > 0; i++) {
            uint64_t coded = covey__layer_bytes(&request->cost[cell->first_layer + i]);
            bool away = plan->layer[cell->first_layer + i].slots > 0;
            bytes -= !away ? 0 : coded < bytes ? coded : bytes;
        }
        sum = bytes > UINT64_MAX - sum ? UINT64_MAX : sum + bytes;
    }
    return sum;
}

/* ---- two plans ---- */

static bool is_same_run(const struct covey_plan_run *a, const struct covey_plan_run *b,
                        unsigned devices)
{
    bool same = a->first_cell == b->first_cell && a->cells == b->cells &&
                a->segments == b->segments && a->twice == b->twice &&
                (!a->twice || memcmp(a->twin, b->twin, (devices + 1) * sizeof(a->twin[0])) == 0);
    for (unsigned s = 0; same && s < a->segments; s++) {
        same = a->segment[s].first_cell == b->segment[s].first_cell &&
               a->segment[s].cells == b->segment[s].cells &&
               memcmp(a->segment[s].rows, b->segment[s].rows,
                      (devices + 1) * sizeof(a->segment[s].rows[0])) == 0;
    }
    return same;
}

/* Of the same devices, and as safe: all that differs is who does what. */
static bool is_alike(const struct covey_plan *a, const struct covey_plan *b)
{
    return a->devices == b->devices && a->parity == b->parity && a->half == b->half &&
           memcmp(a->device, b->device, a->devices * sizeof(a->device[0])) == 0;
}

bool covey__plan_is_same(const struct covey_plan *a, const struct covey_plan *b)
{
    bool same = is_alike(a, b) && a->layers == b->layers && a->runs == b->runs;
    for (unsigned i = 0; same && i < a->runs; i++) {
        same = is_same_run(&a->run[i], &b->run[i], a->devices);
    }
    for (unsigned i = 0; same && i < a->layers; i++) {
        same = a->layer[i].units == b->layer[i].units && a->layer[i].slots == b->layer[i].slots &&
               a->layer[i].by_rows == b->layer[i].by_rows &&
               a->layer[i].relayed == b->layer[i].relayed &&
               memcmp(a->layer[i].holder, b->layer[i].holder, a->layer[i].slots) == 0;
    }
    return same;
}

/* A coded layer, with the devices as they are now. */
static double slots_us(const struct covey_plan_request *request, const struct covey__team *team,
                       const struct covey_plan *plan, unsigned index)
{
    struct covey_plan_cost cost;
    struct covey__hand hand = {.layer = plan->layer[index]};
    bool fits = covey_plan_slot_cost(&request->cost[index], &hand.layer, &cost);
    COVEY_ASSERT(fits); /* the plan was checked */
    for (unsigned s = 0; s < hand.layer.slots; s++) {
        hand.slots[hand.layer.holder[s]]++;
    }
    for (unsigned i = 0; i < plan->runs; i++) {
        bool feeds = plan->run[i].feeds == index + 1;
        hand.fed = feeds ? covey__run_holders(&plan->run[i], team->devices) : hand.fed;
    }
    return covey__coded_us(team, &cost, &hand);
}

static bool is_in_run(const struct covey_plan *plan, unsigned cell)
{
    for (unsigned i = 0; i < plan->runs; i++) {
        const struct covey_plan_run *run = &plan->run[i];
        if (cell >= run->first_cell && cell < run->first_cell + (unsigned)run->cells) {
            return true;
        }
    }
    return false;
}

/* All of it, with the devices as they are now. */
static double plan_us(const struct covey_plan_request *request, const struct covey__team *team,
                      const struct covey_plan *plan)
{
    double local_us[COVEY_LAYERS_MAX], rest_us[COVEY_CELLS_MAX];
    double us = covey__asked_us(team, request);
    (void)covey__alone_us(request, team, local_us, rest_us);
    for (unsigned i = 0; i < plan->runs; i++) {
        us += covey__run_us(request, team, &plan->run[i]);
    }
    for (unsigned c = 0; c < request->cells; c++) {
        us += is_in_run(plan, c) ? 0 : rest_us[c];
    }
    for (unsigned i = 0; i < request->layers; i++) {
        if (i < plan->layers && plan->layer[i].slots > 0) {
            us += slots_us(request, team, plan, i);
        } else if (!is_in_run(plan, request->cost[i].cell)) {
            us += local_us[i];
        }
    }
    return us;
}

/* What the owner has no memory for it reads in each request, and no predicted time says so. */
static uint64_t read_bytes(const struct covey_plan_request *request, const struct covey_plan *plan)
{
    uint64_t left = request->owner_bytes != 0 ? covey__bytes_at_owner(request, plan) : 0;
    return left > request->owner_bytes ? left : 0;
}

bool covey__plan_gains(const struct covey_plan_request *request, const struct covey_plan *from,
                       const struct covey_plan *to)
{
    struct covey__team team;
    covey__team_choose(request, &team);
    if (team.devices != from->devices ||
        memcmp(team.id, from->device, from->devices * sizeof(team.id[0])) != 0 ||
        covey_plan_check(from, request) != COVEY_OK) {
        return true;
    }
    uint64_t read = read_bytes(request, from), read_then = read_bytes(request, to);
    if (read != read_then) {
        return read > read_then;
    }
    if (from->parity != to->parity) {
        return from->parity < to->parity;
    }
    /* The owner alone is as safe as any. */
    bool alike = covey_plan_is_local(to) || is_alike(from, to);
    if (!alike || covey_plan_check(to, request) != COVEY_OK) {
        return true;
    }
    team.parity = to->parity;
    return plan_us(request, &team, to) < plan_us(request, &team, from) * COVEY__PLAN_WORTH;
}
