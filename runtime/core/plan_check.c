/* SPDX-License-Identifier: MIT */
#include "covey/tiles.h"
#include "plan_private.h"

static const struct covey_plan_device *find_device(const struct covey_plan_request *request,
                                                   const struct covey_node_id *id)
{
    for (unsigned i = 0; i < request->devices; i++) {
        if (covey_node_id_equal(&request->device[i].id, id)) {
            return &request->device[i];
        }
    }
    return NULL;
}

/* Layers in the order of their cells, and each in one. */
static bool cells_hold(const struct covey_plan_request *request)
{
    unsigned layer = 0;
    for (unsigned c = 0; c < request->cells; c++) {
        const struct covey_plan_cell *cell = &request->cell[c];
        if (cell->layers > 0 && cell->first_layer != layer) {
            return false;
        }
        if (cell->layers > request->layers - layer) {
            return false;
        }
        for (unsigned i = 0; i < cell->layers; i++) {
            if (request->cost[layer++].cell != c) {
                return false;
            }
        }
        if (cell->map.out_rows > 0 && (cell->map.in_rows == 0 || cell->map.stride == 0)) {
            return false;
        }
    }
    return request->cells == 0 || layer == request->layers;
}

covey_err covey__plan_request_check(const struct covey_plan_request *request)
{
    unsigned owners = 0;
    if (request->layers > COVEY_LAYERS_MAX || request->cells > COVEY_CELLS_MAX ||
        request->devices > COVEY_PLAN_DEVICES_MAX || request->parity > COVEY_PARITY_MAX) {
        return COVEY_ERR_RANGE;
    }
    for (unsigned i = 0; i < request->layers; i++) {
        if (request->cost[i].units == 0 || request->cost[i].units > COVEY_LAYER_UNITS_MAX ||
            request->cost[i].back > request->cost[i].cell + 1U ||
            (request->cost[i].by_rows.rows > 0 &&
             (request->cost[i].by_rows.in_rows == 0 || request->cost[i].by_rows.stride == 0 ||
              request->cost[i].by_rows.span == 0))) {
            return COVEY_ERR_RANGE;
        }
    }
    for (unsigned i = 0; i < request->devices; i++) {
        owners += request->device[i].owner;
        for (unsigned j = 0; j < i; j++) {
            if (covey_node_id_equal(&request->device[i].id, &request->device[j].id)) {
                return COVEY_ERR_RANGE;
            }
        }
    }
    return owners <= 1 && cells_hold(request) ? COVEY_OK : COVEY_ERR_RANGE;
}

static covey_err check_devices(const struct covey_plan *plan,
                               const struct covey_plan_request *request)
{
    if (plan->devices > COVEY_PLAN_DEVICES_MAX || plan->devices == 0 ||
        (request->devices_max != 0 && plan->devices > request->devices_max)) {
        return COVEY_ERR_RANGE;
    }
    for (unsigned i = 0; i < plan->devices; i++) {
        if (find_device(request, &plan->device[i]) == NULL) {
            return COVEY_ERR_DENIED;
        }
        for (unsigned j = 0; j < i; j++) {
            if (covey_node_id_equal(&plan->device[i], &plan->device[j])) {
                return COVEY_ERR_RANGE;
            }
        }
    }
    return COVEY_OK;
}

static covey_err check_holders(const struct covey_plan *plan, const struct covey_plan_layer *layer)
{
    for (unsigned g = 0; g < layer->groups; g++) {
        uint32_t holders = 0;
        unsigned unit, slot;
        unsigned count = covey_plan_group(layer, plan->parity, g, &unit, &slot) + plan->parity;
        for (unsigned i = 0; i < count; i++) {
            unsigned d = layer->holder[slot + i];
            if (d >= plan->devices || (holders & (UINT32_C(1) << d)) != 0) {
                return COVEY_ERR_RANGE;
            }
            holders |= UINT32_C(1) << d;
        }
    }
    return COVEY_OK;
}

/* One group, and nothing rounded on its way: the parities are of the inputs. */
static covey_err check_rows(const struct covey_plan *plan, const struct covey_plan_layer *layer,
                            const struct covey_plan_cost *cost)
{
    struct covey_plan_cost block;
    bool holds = !cost->here && !plan->half && covey_plan_slot_cost(cost, layer, &block) &&
                 layer->groups == 1 && layer->group_units == layer->units &&
                 layer->slots == layer->units + plan->parity;
    return holds ? check_holders(plan, layer) : COVEY_ERR_RANGE;
}

static covey_err check_layer(const struct covey_plan *plan, const struct covey_plan_layer *layer,
                             const struct covey_plan_cost *cost)
{
    struct covey_plan_layer shape = {0};
    if (layer->relayed && (layer->slots == 0 || layer->by_rows)) {
        return COVEY_ERR_RANGE;
    }
    if (layer->slots == 0) {
        return layer->units == 0 && layer->groups == 0 && layer->group_units == 0 ? COVEY_OK
                                                                                  : COVEY_ERR_RANGE;
    }
    if (layer->by_rows) {
        return check_rows(plan, layer, cost);
    }
    if (cost->here || layer->units != cost->units || layer->group_units == 0 ||
        layer->group_units > covey__group_units_max(plan->devices, plan->parity, cost->units)) {
        return COVEY_ERR_RANGE;
    }
    covey__layer_shape(cost->units, layer->group_units, plan->parity, &shape);
    if (layer->groups != shape.groups || layer->slots != shape.slots ||
        layer->group_units != shape.group_units || layer->slots > COVEY_LAYER_SLOTS_MAX) {
        return COVEY_ERR_RANGE;
    }
    return check_holders(plan, layer);
}

static bool same_map(const struct covey_row_map *a, const struct covey_row_map *b)
{
    return a->in_rows == b->in_rows && a->out_rows == b->out_rows && a->stride == b->stride &&
           a->before == b->before && a->after == b->after && a->in_row_bytes == b->in_row_bytes &&
           a->out_row_bytes == b->out_row_bytes;
}

static bool same_work(const struct covey_plan_work *a, const struct covey_plan_work *b)
{
    return a->flops == b->flops && a->bytes == b->bytes;
}

/* Cells that can be cut and follow one another, joined as they are here, all rows made once. */
static bool segment_holds(const struct covey_plan *plan, const struct covey_plan_request *request,
                          const struct covey_plan_segment *segment)
{
    unsigned first = segment->first_cell, cells = segment->cells;
    if (cells == 0 || first >= request->cells || cells > request->cells - first) {
        return false;
    }
    struct covey_row_map map = request->cell[first + cells - 1].map;
    for (unsigned c = first + cells - 1; c-- > first;) {
        if (!covey__map_joins(&request->cell[c].map, &map)) {
            return false;
        }
        map = covey_row_map_join(&request->cell[c].map, &map);
    }
    struct covey_plan_segment joined = {.first_cell = segment->first_cell, .cells = segment->cells};
    covey__segment_join(request, &joined);
    bool holds = map.out_rows > 0 && same_map(&joined.map, &segment->map) &&
                 same_work(&joined.row, &segment->row) &&
                 same_work(&joined.strip, &segment->strip) && segment->rows[0] == 0 &&
                 segment->rows[plan->devices] == map.out_rows;
    for (unsigned d = 0; d < plan->devices && holds; d++) {
        holds = segment->rows[d] <= segment->rows[d + 1];
    }
    return holds;
}

static bool run_holds(const struct covey_plan *plan, const struct covey_plan_request *request,
                      const struct covey_plan_run *run)
{
    unsigned cell = run->first_cell;
    if (run->segments == 0 || run->segments > COVEY_TILE_SEGMENTS_MAX ||
        run->twice != request->check_all ||
        (run->twice && !covey__twins_hold(run, plan->devices))) {
        return false;
    }
    for (unsigned s = 0; s < run->segments; s++) {
        const struct covey_plan_segment *segment = &run->segment[s];
        if (segment->first_cell != cell || !segment_holds(plan, request, segment)) {
            return false;
        }
        if (s > 0 && (segment->map.in_rows != segment[-1].map.out_rows ||
                      segment->map.in_row_bytes != segment[-1].map.out_row_bytes)) {
            return false;
        }
        cell += segment->cells;
    }
    return cell == run->first_cell + (unsigned)run->cells;
}

/* In running order, one after the other, and without layers that are coded. */
static covey_err check_runs(const struct covey_plan *plan, const struct covey_plan_request *request)
{
    unsigned free_from = 0;
    for (unsigned i = 0; i < plan->runs; i++) {
        const struct covey_plan_run *run = &plan->run[i];
        if (run->first_cell < free_from || !run_holds(plan, request, run)) {
            return COVEY_ERR_RANGE;
        }
        free_from = run->first_cell + (unsigned)run->cells;
        if (run->feeds != 0 &&
            (run->feeds > plan->layers || run->twice || plan->layer[run->feeds - 1].slots == 0 ||
             plan->layer[run->feeds - 1].by_rows || plan->layer[run->feeds - 1].relayed ||
             covey__fed_layer(request, free_from) != run->feeds - 1U)) {
            return COVEY_ERR_RANGE;
        }
        for (unsigned k = 0; k < plan->layers; k++) {
            unsigned cell = request->cost[k].cell;
            if (plan->layer[k].slots > 0 && cell >= run->first_cell && cell < free_from) {
                return COVEY_ERR_RANGE;
            }
        }
    }
    return COVEY_OK;
}

static void add_bytes(uint64_t *sum, uint64_t bytes)
{
    *sum = bytes > UINT64_MAX - *sum ? UINT64_MAX : *sum + bytes;
}

static covey_err check_memory(const struct covey_plan *plan,
                              const struct covey_plan_request *request)
{
    uint64_t used[COVEY_PLAN_DEVICES_MAX] = {0};
    for (unsigned i = 0; i < plan->layers; i++) {
        struct covey_plan_cost cost;
        bool fits = covey_plan_slot_cost(&request->cost[i], &plan->layer[i], &cost);
        for (unsigned s = 0; fits && s < plan->layer[i].slots; s++) {
            add_bytes(&used[plan->layer[i].holder[s]], cost.unit_bytes);
        }
    }
    for (unsigned i = 0; i < plan->runs; i++) {
        uint32_t mask = covey__run_holders(&plan->run[i], plan->devices);
        uint64_t bytes = covey__run_bytes(request, &plan->run[i]);
        for (unsigned d = 0; d < plan->devices; d++) {
            add_bytes(&used[d], (mask >> d & 1) != 0 ? bytes : 0);
        }
    }
    for (unsigned d = 0; d < plan->devices; d++) {
        if (used[d] > find_device(request, &plan->device[d])->memory_bytes) {
            return COVEY_ERR_RANGE;
        }
    }
    return COVEY_OK;
}

covey_err covey_plan_check(const struct covey_plan *plan, const struct covey_plan_request *request)
{
    covey_err err = covey__plan_request_check(request);
    if (err != COVEY_OK) {
        return err;
    }
    bool fewer = request->owner_bytes != 0 && plan->parity < request->parity;
    if ((plan->parity != request->parity && !fewer) || plan->half != request->half) {
        return COVEY_ERR_RANGE;
    }
    if (covey_plan_is_local(plan)) {
        return COVEY_OK;
    }
    if ((plan->layers != 0 && plan->layers != request->layers) ||
        plan->runs > (request->coded_all ? 0 : COVEY_TILE_RUNS_MAX)) {
        return COVEY_ERR_RANGE;
    }
    err = check_devices(plan, request);
    for (unsigned i = 0; i < plan->layers && err == COVEY_OK; i++) {
        err = check_layer(plan, &plan->layer[i], &request->cost[i]);
    }
    if (err == COVEY_OK) {
        err = check_runs(plan, request);
    }
    return err != COVEY_OK ? err : check_memory(plan, request);
}
