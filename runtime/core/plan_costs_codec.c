/* SPDX-License-Identifier: MIT */
#include "plan_codec.h"

enum { COST_ITEMS = 9, COST_ROWS_ITEMS = 17 };

void covey__plan_put_work(struct covey_cbor_writer *w, const struct covey_plan_work *work)
{
    covey_cbor_put_uint(w, work->flops);
    covey_cbor_put_uint(w, work->bytes);
}

void covey__plan_get_work(struct covey_cbor_reader *r, struct covey_plan_work *work)
{
    work->flops = covey_cbor_get_uint(r, UINT64_MAX);
    work->bytes = covey_cbor_get_uint(r, UINT64_MAX);
}

uint64_t covey__plan_get_range(struct covey_cbor_reader *r, uint64_t min, uint64_t max)
{
    uint64_t v = covey_cbor_get_uint(r, max);
    if (r->err == COVEY_OK && v < min) {
        r->err = COVEY_ERR_RANGE;
    }
    return v;
}

size_t covey__plan_enter(struct covey_cbor_reader *r, size_t less, size_t more)
{
    size_t items = covey_cbor_enter_array(r, more);
    if (r->err == COVEY_OK && items != less && items != more) {
        r->err = COVEY_ERR_MALFORMED;
    }
    return items;
}

static void put_by_rows(struct covey_cbor_writer *w, const struct covey_plan_rows *by)
{
    covey_cbor_put_uint(w, by->rows);
    covey_cbor_put_uint(w, by->in_rows);
    covey_cbor_put_uint(w, by->stride);
    covey_cbor_put_uint(w, by->span);
    covey__plan_put_work(w, &by->row);
    covey__plan_put_work(w, &by->block);
}

void covey__plan_costs_put(struct covey_cbor_writer *w, const struct covey_plan_request *request)
{
    covey_cbor_put_array(w, request->layers);
    for (unsigned i = 0; i < request->layers; i++) {
        const struct covey_plan_cost *cost = &request->cost[i];
        bool rows = cost->by_rows.rows > 0;
        covey_cbor_put_array(w, rows ? COST_ROWS_ITEMS : COST_ITEMS);
        covey_cbor_put_uint(w, cost->cell);
        covey_cbor_put_uint(w, cost->units);
        covey_cbor_put_uint(w, cost->unit_bytes);
        covey_cbor_put_uint(w, cost->input_bytes);
        covey_cbor_put_uint(w, cost->answer_bytes);
        covey__plan_put_work(w, &cost->unit);
        covey_cbor_put_bool(w, cost->here);
        covey_cbor_put_uint(w, cost->back);
        if (rows) {
            put_by_rows(w, &cost->by_rows);
        }
    }
}

static void get_by_rows(struct covey_cbor_reader *r, struct covey_plan_rows *by)
{
    by->rows = (uint16_t)covey__plan_get_range(r, 1, UINT16_MAX);
    by->in_rows = (uint16_t)covey__plan_get_range(r, 1, UINT16_MAX);
    by->stride = (uint16_t)covey__plan_get_range(r, 1, UINT16_MAX);
    by->span = (uint16_t)covey__plan_get_range(r, 1, UINT16_MAX);
    covey__plan_get_work(r, &by->row);
    covey__plan_get_work(r, &by->block);
}

void covey__plan_costs_get(struct covey_cbor_reader *r, struct covey_plan_request *request)
{
    request->layers = (uint16_t)covey_cbor_enter_array(r, COVEY_LAYERS_MAX);
    for (unsigned i = 0; i < request->layers && r->err == COVEY_OK; i++) {
        struct covey_plan_cost *cost = &request->cost[i];
        size_t items = covey__plan_enter(r, COST_ITEMS, COST_ROWS_ITEMS);
        cost->cell = (uint16_t)covey_cbor_get_uint(r, COVEY_CELLS_MAX - 1);
        cost->units = (uint16_t)covey__plan_get_range(r, 1, COVEY_LAYER_UNITS_MAX);
        cost->unit_bytes = (uint32_t)covey_cbor_get_uint(r, COVEY_BODY_MAX);
        cost->input_bytes = (uint32_t)covey_cbor_get_uint(r, COVEY_BODY_MAX);
        cost->answer_bytes = (uint32_t)covey_cbor_get_uint(r, COVEY_BODY_MAX);
        covey__plan_get_work(r, &cost->unit);
        cost->here = covey_cbor_get_bool(r);
        cost->back = (uint16_t)covey_cbor_get_uint(r, COVEY_CELLS_MAX);
        if (r->err == COVEY_OK && items == COST_ROWS_ITEMS) {
            get_by_rows(r, &cost->by_rows);
        }
        covey_cbor_leave(r);
    }
    covey_cbor_leave(r);
}
