/* SPDX-License-Identifier: MIT */
#include "plan_codec.h"

#include "covey/cbor.h"

enum { REQUEST_PARITY = 1, REQUEST_DEVICES_MAX, REQUEST_COSTS, REQUEST_KEYS = 3 };
enum { PLAN_TERM = 1, PLAN_COORDINATOR, PLAN_PARITY, PLAN_DEVICES, PLAN_LAYERS, PLAN_KEYS = 5 };
enum { COST_ITEMS = 5, LAYER_ITEMS = 3, KEYS_MAX = 16 };

covey_err covey__plan_request_encode(const struct covey_plan_request *request, struct covey_buf out,
                                     size_t *out_len)
{
    struct covey_cbor_writer w;
    if (request->layers > COVEY_LAYERS_MAX) {
        return COVEY_ERR_RANGE;
    }
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, REQUEST_KEYS);
    covey_cbor_put_uint(&w, REQUEST_PARITY);
    covey_cbor_put_uint(&w, request->parity);
    covey_cbor_put_uint(&w, REQUEST_DEVICES_MAX);
    covey_cbor_put_uint(&w, request->devices_max);
    covey_cbor_put_uint(&w, REQUEST_COSTS);
    covey_cbor_put_array(&w, request->layers);
    for (unsigned i = 0; i < request->layers; i++) {
        const struct covey_plan_cost *cost = &request->cost[i];
        covey_cbor_put_array(&w, COST_ITEMS);
        covey_cbor_put_uint(&w, cost->units);
        covey_cbor_put_uint(&w, cost->unit_bytes);
        covey_cbor_put_uint(&w, cost->input_bytes);
        covey_cbor_put_uint(&w, cost->answer_bytes);
        covey_cbor_put_uint(&w, cost->unit.flops);
    }
    return covey_cbor_writer_done(&w, out_len);
}

static void enter_exact(struct covey_cbor_reader *r, size_t items)
{
    size_t count = covey_cbor_enter_array(r, items);
    if (r->err == COVEY_OK && count != items) {
        r->err = COVEY_ERR_MALFORMED;
    }
}

static uint64_t get_range(struct covey_cbor_reader *r, uint64_t min, uint64_t max)
{
    uint64_t v = covey_cbor_get_uint(r, max);
    if (r->err == COVEY_OK && v < min) {
        r->err = COVEY_ERR_RANGE;
    }
    return v;
}

static void get_costs(struct covey_cbor_reader *r, struct covey_plan_request *request)
{
    request->layers = (uint16_t)covey_cbor_enter_array(r, COVEY_LAYERS_MAX);
    for (unsigned i = 0; i < request->layers && r->err == COVEY_OK; i++) {
        struct covey_plan_cost *cost = &request->cost[i];
        enter_exact(r, COST_ITEMS);
        cost->units = (uint16_t)get_range(r, 1, COVEY_LAYER_UNITS_MAX);
        cost->unit_bytes = (uint32_t)covey_cbor_get_uint(r, COVEY_BODY_MAX);
        cost->input_bytes = (uint32_t)covey_cbor_get_uint(r, COVEY_BODY_MAX);
        cost->answer_bytes = (uint32_t)covey_cbor_get_uint(r, COVEY_BODY_MAX);
        cost->unit.flops = covey_cbor_get_uint(r, UINT64_MAX);
        covey_cbor_leave(r);
    }
    covey_cbor_leave(r);
}

covey_err covey__plan_request_decode(struct covey_bytes in, struct covey_plan_request *out)
{
    struct covey_cbor_reader r;
    struct covey_plan_request request;
    uint64_t key = 0;
    unsigned seen = 0;
    memset(&request, 0, sizeof(request));
    covey_cbor_reader_init(&r, in);
    (void)covey_cbor_enter_map(&r, KEYS_MAX);
    while (covey_cbor_next_key(&r, &key)) {
        seen += key >= REQUEST_PARITY && key <= REQUEST_COSTS;
        switch (key) {
        case REQUEST_PARITY:
            request.parity = (uint8_t)covey_cbor_get_uint(&r, COVEY_PARITY_MAX);
            break;
        case REQUEST_DEVICES_MAX:
            request.devices_max = (uint8_t)covey_cbor_get_uint(&r, UINT8_MAX);
            break;
        case REQUEST_COSTS:
            get_costs(&r, &request);
            break;
        default:
            covey_cbor_skip(&r);
            break;
        }
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err != COVEY_OK) {
        return err;
    }
    if (seen != REQUEST_KEYS) {
        return COVEY_ERR_MALFORMED;
    }
    *out = request;
    return COVEY_OK;
}

static void put_id(struct covey_cbor_writer *w, const struct covey_node_id *id)
{
    covey_cbor_put_bytes(w, covey_bytes_of(id->bytes, sizeof(id->bytes)));
}

static bool fits(const struct covey_plan *plan)
{
    bool ok = plan->layers <= COVEY_LAYERS_MAX && plan->devices <= COVEY_PLAN_DEVICES_MAX;
    for (unsigned i = 0; ok && i < plan->layers; i++) {
        ok = plan->layer[i].slots <= COVEY_LAYER_SLOTS_MAX;
    }
    return ok;
}

covey_err covey__plan_encode(const struct covey_plan *plan, struct covey_buf out, size_t *out_len)
{
    struct covey_cbor_writer w;
    if (!fits(plan)) {
        return COVEY_ERR_RANGE;
    }
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, PLAN_KEYS);
    covey_cbor_put_uint(&w, PLAN_TERM);
    covey_cbor_put_uint(&w, plan->term);
    covey_cbor_put_uint(&w, PLAN_COORDINATOR);
    put_id(&w, &plan->coordinator);
    covey_cbor_put_uint(&w, PLAN_PARITY);
    covey_cbor_put_uint(&w, plan->parity);
    covey_cbor_put_uint(&w, PLAN_DEVICES);
    covey_cbor_put_array(&w, plan->devices);
    for (unsigned d = 0; d < plan->devices; d++) {
        put_id(&w, &plan->device[d]);
    }
    covey_cbor_put_uint(&w, PLAN_LAYERS);
    covey_cbor_put_array(&w, plan->layers);
    for (unsigned i = 0; i < plan->layers; i++) {
        const struct covey_plan_layer *layer = &plan->layer[i];
        covey_cbor_put_array(&w, LAYER_ITEMS);
        covey_cbor_put_uint(&w, layer->units);
        covey_cbor_put_uint(&w, layer->group_units);
        covey_cbor_put_bytes(&w, covey_bytes_of(layer->holder, layer->slots));
    }
    return covey_cbor_writer_done(&w, out_len);
}

static void get_devices(struct covey_cbor_reader *r, struct covey_plan *plan)
{
    plan->devices = (uint8_t)covey_cbor_enter_array(r, COVEY_PLAN_DEVICES_MAX);
    for (unsigned d = 0; d < plan->devices && r->err == COVEY_OK; d++) {
        covey_cbor_get_fixed(r, plan->device[d].bytes, sizeof(plan->device[d].bytes));
    }
    covey_cbor_leave(r);
}

static void get_layer(struct covey_cbor_reader *r, unsigned parity, struct covey_plan_layer *layer)
{
    enter_exact(r, LAYER_ITEMS);
    unsigned units = (unsigned)get_range(r, 1, COVEY_LAYER_UNITS_MAX);
    unsigned group_units = (unsigned)get_range(r, 1, COVEY_GROUP_UNITS_MAX);
    struct covey_bytes holder = covey_cbor_get_bytes(r, COVEY_LAYER_SLOTS_MAX);
    covey_cbor_leave(r);
    if (r->err != COVEY_OK) {
        return;
    }
    unsigned groups = (units + group_units - 1) / group_units;
    if (holder.len != units + groups * parity) {
        r->err = COVEY_ERR_MALFORMED;
        return;
    }
    layer->units = (uint16_t)units;
    layer->groups = (uint16_t)groups;
    layer->slots = (uint16_t)holder.len;
    layer->group_units = (uint8_t)group_units;
    memcpy(layer->holder, holder.ptr, holder.len);
}

static void get_layers(struct covey_cbor_reader *r, struct covey_plan *plan)
{
    plan->layers = (uint16_t)covey_cbor_enter_array(r, COVEY_LAYERS_MAX);
    for (unsigned i = 0; i < plan->layers && r->err == COVEY_OK; i++) {
        get_layer(r, plan->parity, &plan->layer[i]);
    }
    covey_cbor_leave(r);
}

static void get_plan_field(struct covey_cbor_reader *r, uint64_t key, struct covey_plan *plan)
{
    switch (key) {
    case PLAN_TERM:
        plan->term = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case PLAN_COORDINATOR:
        covey_cbor_get_fixed(r, plan->coordinator.bytes, sizeof(plan->coordinator.bytes));
        break;
    case PLAN_PARITY:
        plan->parity = (uint8_t)covey_cbor_get_uint(r, COVEY_PARITY_MAX);
        break;
    case PLAN_DEVICES:
        get_devices(r, plan);
        break;
    case PLAN_LAYERS:
        get_layers(r, plan);
        break;
    default:
        covey_cbor_skip(r);
        break;
    }
}

covey_err covey__plan_decode(struct covey_bytes in, struct covey_plan *out)
{
    struct covey_cbor_reader r;
    uint64_t key = 0;
    unsigned seen = 0;
    memset(out, 0, sizeof(*out));
    covey_cbor_reader_init(&r, in);
    (void)covey_cbor_enter_map(&r, KEYS_MAX);
    /* Keys ascend, so the parity is known before the layers that it shapes. */
    while (covey_cbor_next_key(&r, &key)) {
        seen += key >= PLAN_TERM && key <= PLAN_LAYERS;
        get_plan_field(&r, key, out);
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err != COVEY_OK) {
        return err;
    }
    return seen == PLAN_KEYS ? COVEY_OK : COVEY_ERR_MALFORMED;
}
