/* SPDX-License-Identifier: MIT */
#include "plan_codec.h"

#include "covey/cbor.h"
#include "plan_private.h"

enum {
    REQUEST_PARITY = 1,
    REQUEST_DEVICES_MAX,
    REQUEST_COSTS,
    REQUEST_CELLS,
    REQUEST_CODED_ALL,
    REQUEST_HALF,
    REQUEST_OWNER_BYTES,
    REQUEST_CHECK_ALL,
    REQUEST_HELD,        /* may be missing */
    REQUEST_ASKED_BYTES, /* the same, where they are 0 */
    REQUEST_KEYS = 8,
};
enum {
    PLAN_TERM = 1,
    PLAN_COORDINATOR,
    PLAN_PARITY,
    PLAN_DEVICES,
    PLAN_LAYERS,
    PLAN_RUNS,
    PLAN_PREDICTED,
    PLAN_LOCAL,
    PLAN_HALF,
    PLAN_KEYS = 9,
};
enum {
    COST_ITEMS = 9,
    COST_ROWS_ITEMS = 17,
    CELL_ITEMS = 5,
    CELL_TILE_ITEMS = 16,
    MAP_ITEMS = 7,
    KEYS_MAX = 24
};
enum {
    LAYER_LOCAL_ITEMS = 1,
    LAYER_ITEMS = 4,
    LAYER_ROWS_ITEMS = 5,
    LAYER_RELAYED_ITEMS = 6,
    RUN_ITEMS = 5,
    SEGMENT_ITEMS = 14
};

static void put_map(struct covey_cbor_writer *w, const struct covey_row_map *map)
{
    const uint32_t item[MAP_ITEMS] = {map->in_rows,      map->out_rows, map->stride,
                                      map->before,       map->after,    map->in_row_bytes,
                                      map->out_row_bytes};
    for (unsigned i = 0; i < MAP_ITEMS; i++) {
        covey_cbor_put_uint(w, item[i]);
    }
}

/* A cell that cannot be cut has nothing more to say. */
static void put_cells(struct covey_cbor_writer *w, const struct covey_plan_request *request)
{
    covey_cbor_put_array(w, request->cells);
    for (unsigned i = 0; i < request->cells; i++) {
        const struct covey_plan_cell *cell = &request->cell[i];
        bool tiles = cell->map.out_rows > 0;
        covey_cbor_put_array(w, tiles ? CELL_TILE_ITEMS : CELL_ITEMS);
        covey_cbor_put_uint(w, cell->first_layer);
        covey_cbor_put_uint(w, cell->layers);
        covey_cbor_put_uint(w, cell->weight_bytes);
        covey__plan_put_work(w, &cell->whole);
        if (tiles) {
            covey__plan_put_work(w, &cell->row);
            covey__plan_put_work(w, &cell->strip);
            put_map(w, &cell->map);
        }
    }
}

covey_err covey__plan_request_encode(const struct covey_plan_request *request, struct covey_buf out,
                                     size_t *out_len)
{
    struct covey_cbor_writer w;
    if (request->layers > COVEY_LAYERS_MAX || request->cells > COVEY_CELLS_MAX) {
        return COVEY_ERR_RANGE;
    }
    covey_cbor_writer_init(&w, out);
    bool held = request->held != NULL && request->held->devices > 0;
    bool asked = request->asked_bytes > 0;
    covey_cbor_put_map(&w, REQUEST_KEYS + (unsigned)held + (unsigned)asked);
    covey_cbor_put_uint(&w, REQUEST_PARITY);
    covey_cbor_put_uint(&w, request->parity);
    covey_cbor_put_uint(&w, REQUEST_DEVICES_MAX);
    covey_cbor_put_uint(&w, request->devices_max);
    covey_cbor_put_uint(&w, REQUEST_COSTS);
    covey__plan_costs_put(&w, request);
    covey_cbor_put_uint(&w, REQUEST_CELLS);
    put_cells(&w, request);
    covey_cbor_put_uint(&w, REQUEST_CODED_ALL);
    covey_cbor_put_bool(&w, request->coded_all);
    covey_cbor_put_uint(&w, REQUEST_HALF);
    covey_cbor_put_bool(&w, request->half);
    covey_cbor_put_uint(&w, REQUEST_OWNER_BYTES);
    covey_cbor_put_uint(&w, request->owner_bytes);
    covey_cbor_put_uint(&w, REQUEST_CHECK_ALL);
    covey_cbor_put_bool(&w, request->check_all);
    if (held) {
        covey_cbor_put_uint(&w, REQUEST_HELD);
        covey__plan_held_put(&w, request->held);
    }
    if (asked) {
        covey_cbor_put_uint(&w, REQUEST_ASKED_BYTES);
        covey_cbor_put_uint(&w, request->asked_bytes);
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

static uint16_t get_u16(struct covey_cbor_reader *r, uint16_t min)
{
    return (uint16_t)covey__plan_get_range(r, min, UINT16_MAX);
}

static void get_map(struct covey_cbor_reader *r, struct covey_row_map *map)
{
    map->in_rows = get_u16(r, 1);
    map->out_rows = get_u16(r, 1);
    map->stride = get_u16(r, 1);
    map->before = get_u16(r, 0);
    map->after = get_u16(r, 0);
    map->in_row_bytes = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
    map->out_row_bytes = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
}

static void get_cell(struct covey_cbor_reader *r, struct covey_plan_cell *cell)
{
    size_t items = covey__plan_enter(r, CELL_ITEMS, CELL_TILE_ITEMS);
    cell->first_layer = (uint16_t)covey_cbor_get_uint(r, COVEY_LAYERS_MAX);
    cell->layers = (uint16_t)covey_cbor_get_uint(r, COVEY_LAYERS_MAX);
    cell->weight_bytes = covey_cbor_get_uint(r, UINT64_MAX);
    covey__plan_get_work(r, &cell->whole);
    if (r->err == COVEY_OK && items == CELL_TILE_ITEMS) {
        covey__plan_get_work(r, &cell->row);
        covey__plan_get_work(r, &cell->strip);
        get_map(r, &cell->map);
    }
    covey_cbor_leave(r);
}

static void get_cells(struct covey_cbor_reader *r, struct covey_plan_request *request)
{
    request->cells = (uint16_t)covey_cbor_enter_array(r, COVEY_CELLS_MAX);
    for (unsigned i = 0; i < request->cells && r->err == COVEY_OK; i++) {
        get_cell(r, &request->cell[i]);
    }
    covey_cbor_leave(r);
}

static void get_request_field(struct covey_cbor_reader *r, uint64_t key,
                              struct covey_plan_request *request)
{
    switch (key) {
    case REQUEST_PARITY:
        request->parity = (uint8_t)covey_cbor_get_uint(r, COVEY_PARITY_MAX);
        break;
    case REQUEST_DEVICES_MAX:
        request->devices_max = (uint8_t)covey_cbor_get_uint(r, UINT8_MAX);
        break;
    case REQUEST_COSTS:
        covey__plan_costs_get(r, request);
        break;
    case REQUEST_CELLS:
        get_cells(r, request);
        break;
    case REQUEST_CODED_ALL:
        request->coded_all = covey_cbor_get_bool(r);
        break;
    case REQUEST_HALF:
        request->half = covey_cbor_get_bool(r);
        break;
    case REQUEST_OWNER_BYTES:
        request->owner_bytes = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case REQUEST_CHECK_ALL:
        request->check_all = covey_cbor_get_bool(r);
        break;
    case REQUEST_ASKED_BYTES:
        request->asked_bytes = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    default:
        covey_cbor_skip(r);
        break;
    }
}

covey_err covey__plan_request_decode(struct covey_bytes in, struct covey_plan_held *held,
                                     struct covey_plan_request *out)
{
    struct covey_cbor_reader r;
    uint64_t key = 0;
    unsigned seen = 0;
    memset(out, 0, sizeof(*out));
    covey_cbor_reader_init(&r, in);
    (void)covey_cbor_enter_map(&r, KEYS_MAX);
    while (covey_cbor_next_key(&r, &key)) {
        seen += key >= REQUEST_PARITY && key <= REQUEST_CHECK_ALL;
        if (key == REQUEST_HELD) {
            covey__plan_held_get(&r, held);
            out->held = held;
            continue;
        }
        get_request_field(&r, key, out);
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK && seen != REQUEST_KEYS) {
        err = COVEY_ERR_MALFORMED;
    }
    return err != COVEY_OK ? err : covey__plan_request_check(out);
}

static void put_id(struct covey_cbor_writer *w, const struct covey_node_id *id)
{
    covey_cbor_put_bytes(w, covey_bytes_of(id->bytes, sizeof(id->bytes)));
}

static bool fits(const struct covey_plan *plan)
{
    bool ok = plan->layers <= COVEY_LAYERS_MAX && plan->devices <= COVEY_PLAN_DEVICES_MAX &&
              plan->runs <= COVEY_TILE_RUNS_MAX;
    for (unsigned i = 0; ok && i < plan->layers; i++) {
        ok = plan->layer[i].slots <= COVEY_LAYER_SLOTS_MAX;
    }
    for (unsigned i = 0; ok && i < plan->runs; i++) {
        ok = plan->run[i].segments <= COVEY_TILE_SEGMENTS_MAX;
    }
    return ok;
}

static void put_layer(struct covey_cbor_writer *w, const struct covey_plan_layer *layer)
{
    size_t items = layer->relayed   ? LAYER_RELAYED_ITEMS
                   : layer->by_rows ? LAYER_ROWS_ITEMS
                                    : LAYER_ITEMS;
    covey_cbor_put_array(w, layer->slots == 0 ? LAYER_LOCAL_ITEMS : items);
    covey_cbor_put_uint(w, layer->predicted_us);
    if (layer->slots > 0) {
        covey_cbor_put_uint(w, layer->units);
        covey_cbor_put_uint(w, layer->group_units);
        covey_cbor_put_bytes(w, covey_bytes_of(layer->holder, layer->slots));
        if (items > LAYER_ITEMS) {
            covey_cbor_put_bool(w, layer->by_rows);
        }
        if (items > LAYER_ROWS_ITEMS) {
            covey_cbor_put_bool(w, layer->relayed);
        }
    }
}

static void put_rows(struct covey_cbor_writer *w, unsigned devices, const uint16_t *rows)
{
    covey_cbor_put_array(w, devices);
    for (unsigned d = 0; d < devices; d++) {
        covey_cbor_put_uint(w, rows[d + 1]);
    }
}

static void put_segment(struct covey_cbor_writer *w, unsigned devices,
                        const struct covey_plan_segment *segment)
{
    covey_cbor_put_array(w, SEGMENT_ITEMS);
    covey_cbor_put_uint(w, segment->cells);
    put_map(w, &segment->map);
    covey__plan_put_work(w, &segment->row);
    covey__plan_put_work(w, &segment->strip);
    covey_cbor_put_uint(w, segment->predicted_us);
    put_rows(w, devices, segment->rows);
}

static void put_runs(struct covey_cbor_writer *w, const struct covey_plan *plan)
{
    covey_cbor_put_array(w, plan->runs);
    for (unsigned i = 0; i < plan->runs; i++) {
        const struct covey_plan_run *run = &plan->run[i];
        covey_cbor_put_array(w, RUN_ITEMS);
        covey_cbor_put_uint(w, run->first_cell);
        covey_cbor_put_uint(w, run->predicted_us);
        covey_cbor_put_array(w, run->segments);
        for (unsigned k = 0; k < run->segments; k++) {
            put_segment(w, plan->devices, &run->segment[k]);
        }
        put_rows(w, run->twice ? plan->devices : 0, run->twin);
        covey_cbor_put_uint(w, run->feeds);
    }
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
        put_layer(&w, &plan->layer[i]);
    }
    covey_cbor_put_uint(&w, PLAN_RUNS);
    put_runs(&w, plan);
    covey_cbor_put_uint(&w, PLAN_PREDICTED);
    covey_cbor_put_uint(&w, plan->predicted_us);
    covey_cbor_put_uint(&w, PLAN_LOCAL);
    covey_cbor_put_uint(&w, plan->local_us);
    covey_cbor_put_uint(&w, PLAN_HALF);
    covey_cbor_put_bool(&w, plan->half);
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

static bool are_devices(struct covey_bytes holder, unsigned devices)
{
    for (size_t i = 0; i < holder.len; i++) {
        if (holder.ptr[i] >= devices) {
            return false;
        }
    }
    return true;
}

static void get_coded(struct covey_cbor_reader *r, const struct covey_plan *plan,
                      struct covey_plan_layer *layer)
{
    unsigned units = (unsigned)covey__plan_get_range(r, 1, COVEY_LAYER_UNITS_MAX);
    unsigned group_units = (unsigned)covey__plan_get_range(r, 1, COVEY_GROUP_UNITS_MAX);
    struct covey_bytes holder = covey_cbor_get_bytes(r, COVEY_LAYER_SLOTS_MAX);
    if (r->err != COVEY_OK) {
        return;
    }
    unsigned groups = (units + group_units - 1) / group_units;
    if (holder.len != units + groups * plan->parity || !are_devices(holder, plan->devices)) {
        r->err = COVEY_ERR_MALFORMED;
        return;
    }
    layer->units = (uint16_t)units;
    layer->groups = (uint16_t)groups;
    layer->slots = (uint16_t)holder.len;
    layer->group_units = (uint8_t)group_units;
    memcpy(layer->holder, holder.ptr, holder.len);
}

/* By rows, its blocks are one group; or relayed. */
static void get_way(struct covey_cbor_reader *r, size_t items, struct covey_plan_layer *layer)
{
    layer->by_rows = covey_cbor_get_bool(r);
    layer->relayed = items > LAYER_ROWS_ITEMS && covey_cbor_get_bool(r);
    if (r->err == COVEY_OK && (layer->by_rows ? layer->relayed || layer->groups != 1
                                              : items > LAYER_ROWS_ITEMS && !layer->relayed)) {
        r->err = COVEY_ERR_MALFORMED;
    }
}

static void get_layers(struct covey_cbor_reader *r, struct covey_plan *plan)
{
    plan->layers = (uint16_t)covey_cbor_enter_array(r, COVEY_LAYERS_MAX);
    for (unsigned i = 0; i < plan->layers && r->err == COVEY_OK; i++) {
        size_t items = covey_cbor_enter_array(r, LAYER_RELAYED_ITEMS);
        if (r->err == COVEY_OK && items != LAYER_LOCAL_ITEMS && items < LAYER_ITEMS) {
            r->err = COVEY_ERR_MALFORMED;
        }
        plan->layer[i].predicted_us = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        if (items >= LAYER_ITEMS) {
            get_coded(r, plan, &plan->layer[i]);
        }
        if (items > LAYER_ITEMS) {
            get_way(r, items, &plan->layer[i]);
        }
        covey_cbor_leave(r);
    }
    covey_cbor_leave(r);
}

/* Of an array that was entered. */
static void get_rows(struct covey_cbor_reader *r, unsigned devices, uint16_t *out)
{
    for (unsigned d = 0; d < devices && r->err == COVEY_OK; d++) {
        out[d + 1] = get_u16(r, out[d]);
    }
    covey_cbor_leave(r);
}

/* Empty: each row is made once. */
static void get_twin(struct covey_cbor_reader *r, unsigned devices, struct covey_plan_run *run)
{
    size_t count = covey_cbor_enter_array(r, COVEY_PLAN_DEVICES_MAX);
    if (r->err == COVEY_OK && count != 0 && count != devices) {
        r->err = COVEY_ERR_MALFORMED;
    }
    run->twice = count > 0;
    get_rows(r, (unsigned)count, run->twin);
    if (r->err == COVEY_OK && run->twice && !covey__twins_hold(run, devices)) {
        r->err = COVEY_ERR_RANGE;
    }
}

static void get_segment(struct covey_cbor_reader *r, unsigned devices,
                        struct covey_plan_segment *segment)
{
    enter_exact(r, SEGMENT_ITEMS);
    segment->cells = (uint16_t)covey__plan_get_range(r, 1, COVEY_CELLS_MAX);
    get_map(r, &segment->map);
    covey__plan_get_work(r, &segment->row);
    covey__plan_get_work(r, &segment->strip);
    segment->predicted_us = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
    enter_exact(r, devices);
    get_rows(r, devices, segment->rows);
    covey_cbor_leave(r);
    if (r->err == COVEY_OK && segment->rows[devices] != segment->map.out_rows) {
        r->err = COVEY_ERR_RANGE;
    }
}

/* Cells from `*inout_cell` on; a segment's input is the output of the one before. */
static void get_run(struct covey_cbor_reader *r, unsigned devices, unsigned *inout_cell,
                    struct covey_plan_run *run)
{
    enter_exact(r, RUN_ITEMS);
    unsigned cell = (unsigned)covey__plan_get_range(r, *inout_cell, COVEY_CELLS_MAX - 1);
    run->first_cell = (uint16_t)cell;
    run->predicted_us = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
    run->segments = (uint8_t)covey_cbor_enter_array(r, COVEY_TILE_SEGMENTS_MAX);
    if (r->err == COVEY_OK && run->segments == 0) {
        r->err = COVEY_ERR_RANGE;
    }
    for (unsigned k = 0; k < run->segments && r->err == COVEY_OK; k++) {
        struct covey_plan_segment *segment = &run->segment[k];
        get_segment(r, devices, segment);
        segment->first_cell = (uint16_t)cell;
        cell += segment->cells;
        bool follows = k == 0 || (segment->map.in_rows == segment[-1].map.out_rows &&
                                  segment->map.in_row_bytes == segment[-1].map.out_row_bytes);
        if (r->err == COVEY_OK && (!follows || cell > COVEY_CELLS_MAX)) {
            r->err = COVEY_ERR_RANGE;
        }
    }
    covey_cbor_leave(r);
    if (r->err == COVEY_OK) {
        get_twin(r, devices, run);
        run->feeds = (uint16_t)covey_cbor_get_uint(r, COVEY_LAYERS_MAX);
    }
    covey_cbor_leave(r);
    run->cells = (uint16_t)(cell - run->first_cell);
    *inout_cell = cell;
}

static void get_runs(struct covey_cbor_reader *r, struct covey_plan *plan)
{
    unsigned cell = 0;
    plan->runs = (uint8_t)covey_cbor_enter_array(r, COVEY_TILE_RUNS_MAX);
    for (unsigned i = 0; i < plan->runs && r->err == COVEY_OK; i++) {
        get_run(r, plan->devices, &cell, &plan->run[i]);
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
    case PLAN_RUNS:
        get_runs(r, plan);
        break;
    case PLAN_PREDICTED:
        plan->predicted_us = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case PLAN_LOCAL:
        plan->local_us = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case PLAN_HALF:
        plan->half = covey_cbor_get_bool(r);
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
    /* Keys ascend, so parity and devices are known before the layers and runs that they shape. */
    while (covey_cbor_next_key(&r, &key)) {
        seen += key >= PLAN_TERM && key <= PLAN_HALF;
        get_plan_field(&r, key, out);
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err != COVEY_OK) {
        return err;
    }
    return seen == PLAN_KEYS ? COVEY_OK : COVEY_ERR_MALFORMED;
}
