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
        if (request->cost[i].units == 0 || request->cost[i].units > COVEY_LAYER_UNITS_MAX) {
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

static covey_err check_layer(const struct covey_plan *plan, const struct covey_plan_layer *layer,
                             const struct covey_plan_cost *cost)
{
    struct covey_plan_layer shape = {0};
    if (layer->slots == 0) {
        return layer->units == 0 && layer->groups == 0 && layer->group_units == 0 ? COVEY_OK
                                                                                  : COVEY_ERR_RANGE;
    }
    if (layer->units != cost->units || layer->group_units == 0 ||
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

static covey_err check_memory(const struct covey_plan *plan,
                              const struct covey_plan_request *request)
{
    uint64_t used[COVEY_PLAN_DEVICES_MAX] = {0};
    for (unsigned i = 0; i < plan->layers; i++) {
        for (unsigned s = 0; s < plan->layer[i].slots; s++) {
            used[plan->layer[i].holder[s]] += request->cost[i].unit_bytes;
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
    if (plan->parity != request->parity || plan->half != request->half) {
        return COVEY_ERR_RANGE;
    }
    if (covey_plan_is_local(plan)) {
        return COVEY_OK;
    }
    if (plan->layers != 0 && plan->layers != request->layers) {
        return COVEY_ERR_RANGE;
    }
    err = check_devices(plan, request);
    for (unsigned i = 0; i < plan->layers && err == COVEY_OK; i++) {
        err = check_layer(plan, &plan->layer[i], &request->cost[i]);
    }
    return err != COVEY_OK ? err : check_memory(plan, request);
}
