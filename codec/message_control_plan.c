/* SPDX-License-Identifier: MIT
 *
 * message_control_plan.c - the plan that is shown: what `covey plan` prints.
 */
#include "message_control_private.h"

enum {
    PLAN_FIELDS = 10,
    PLAN_DEVICE_FIELDS = 4,
    PLAN_LAYER_FIELDS = 11,
    PLAN_SEGMENT_FIELDS = 6,
};

/* ---- writing ---- */

static void put_id(struct covey_cbor_writer *w, const struct covey_node_id *id)
{
    covey_cbor_put_bytes(w, covey_bytes_of(id->bytes, sizeof(id->bytes)));
}

static void put_device(struct covey_cbor_writer *w, const struct covey_control_plan_device *d)
{
    covey_cbor_put_array(w, PLAN_DEVICE_FIELDS);
    put_id(w, &d->id);
    covey_cbor_put_uint(w, d->weights_bytes);
    covey_cbor_put_uint(w, d->received_bytes);
    covey_cbor_put_uint(w, d->sent_bytes);
}

static void put_layer(struct covey_cbor_writer *w, const struct covey_control_plan_layer *l)
{
    COVEY_ASSERT(l->holder.len == l->slots);
    covey_cbor_put_array(w, PLAN_LAYER_FIELDS);
    covey_cbor_put_text(w, l->name);
    covey_cbor_put_uint(w, l->mode);
    covey_cbor_put_uint(w, l->cell);
    covey_cbor_put_uint(w, l->units);
    covey_cbor_put_uint(w, l->groups);
    covey_cbor_put_uint(w, l->unit_rows);
    covey_cbor_put_uint(w, l->unit_bytes);
    covey_cbor_put_uint(w, l->input_bytes);
    covey_cbor_put_uint(w, l->answer_bytes);
    covey_cbor_put_uint(w, l->predicted_us);
    covey_cbor_put_bytes(w, l->holder);
}

static void put_segment(struct covey_cbor_writer *w, unsigned devices,
                        const struct covey_control_plan_segment *s)
{
    covey_cbor_put_array(w, PLAN_SEGMENT_FIELDS);
    covey_cbor_put_uint(w, s->run);
    covey_cbor_put_uint(w, s->first_cell);
    covey_cbor_put_uint(w, s->cells);
    covey_cbor_put_uint(w, s->moved_bytes);
    covey_cbor_put_uint(w, s->predicted_us);
    covey_cbor_put_array(w, devices);
    for (unsigned d = 0; d < devices; d++) {
        covey_cbor_put_uint(w, s->rows[d + 1]);
    }
}

void covey__control_put_plan(struct covey_cbor_writer *w, const struct covey_control_plan *plan)
{
    COVEY_ASSERT(plan->devices <= COVEY_PLAN_DEVICES_MAX);
    COVEY_ASSERT(plan->layer_count <= COVEY_LAYERS_MAX);
    COVEY_ASSERT(plan->runs <= COVEY_TILE_RUNS_MAX);
    COVEY_ASSERT(plan->segment_count <= COVEY_CONTROL_SEGMENTS_MAX);
    covey_cbor_put_array(w, PLAN_FIELDS);
    covey_cbor_put_uint(w, plan->term);
    if (plan->has_coordinator) {
        put_id(w, &plan->coordinator);
    } else {
        covey_cbor_put_null(w);
    }
    covey_cbor_put_uint(w, plan->parity);
    covey_cbor_put_bool(w, plan->half);
    covey_cbor_put_uint(w, plan->predicted_us);
    covey_cbor_put_uint(w, plan->local_us);
    covey_cbor_put_array(w, plan->devices);
    for (size_t i = 0; i < plan->devices; i++) {
        put_device(w, &plan->device[i]);
    }
    covey_cbor_put_array(w, plan->layer_count);
    for (size_t i = 0; i < plan->layer_count; i++) {
        put_layer(w, &plan->layer[i]);
    }
    covey_cbor_put_array(w, plan->runs);
    for (size_t i = 0; i < plan->runs; i++) {
        covey_cbor_put_uint(w, plan->run_us[i]);
    }
    covey_cbor_put_array(w, plan->segment_count);
    for (size_t i = 0; i < plan->segment_count; i++) {
        put_segment(w, plan->devices, &plan->segment[i]);
    }
}

/* ---- reading ---- */

static uint16_t get_u16(struct covey_cbor_reader *r)
{
    return (uint16_t)covey_cbor_get_uint(r, UINT16_MAX);
}

static uint32_t get_u32(struct covey_cbor_reader *r)
{
    return (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
}

static void get_id(struct covey_cbor_reader *r, struct covey_node_id *out)
{
    covey_cbor_get_fixed(r, out->bytes, sizeof(out->bytes));
}

static void get_devices(struct covey_cbor_reader *r, struct covey_control_plan *out)
{
    size_t count = covey_cbor_enter_array(r, COVEY_PLAN_DEVICES_MAX);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        struct covey_control_plan_device *d = &out->device[i];
        covey__control_enter(r, PLAN_DEVICE_FIELDS);
        get_id(r, &d->id);
        d->weights_bytes = covey_cbor_get_uint(r, UINT64_MAX);
        d->received_bytes = covey_cbor_get_uint(r, UINT64_MAX);
        d->sent_bytes = covey_cbor_get_uint(r, UINT64_MAX);
        covey_cbor_leave(r);
    }
    out->devices = (uint8_t)count;
    covey_cbor_leave(r);
}

/* Who reads a plan looks devices up by these bytes: each must name one. */
static void check_holders(struct covey_cbor_reader *r, struct covey_bytes holder, unsigned devices)
{
    for (size_t i = 0; i < holder.len && r->err == COVEY_OK; i++) {
        if (holder.ptr[i] >= devices) {
            r->err = COVEY_ERR_RANGE;
        }
    }
}

static void get_layer(struct covey_cbor_reader *r, unsigned devices,
                      struct covey_control_plan_layer *out)
{
    covey__control_enter(r, PLAN_LAYER_FIELDS);
    covey__control_get_line(r, out->name, sizeof(out->name));
    out->mode = (uint8_t)covey_cbor_get_uint(r, COVEY_CONTROL_EXACT);
    out->cell = (uint16_t)covey_cbor_get_uint(r, COVEY_CELLS_MAX - 1);
    out->units = get_u16(r);
    out->groups = get_u16(r);
    out->unit_rows = get_u32(r);
    out->unit_bytes = get_u32(r);
    out->input_bytes = get_u32(r);
    out->answer_bytes = get_u32(r);
    out->predicted_us = get_u32(r);
    out->holder = covey_cbor_get_bytes(r, COVEY_LAYER_SLOTS_MAX);
    check_holders(r, out->holder, devices);
    out->slots = (uint16_t)out->holder.len;
    covey_cbor_leave(r);
}

static void get_segment(struct covey_cbor_reader *r, const struct covey_control_plan *plan,
                        struct covey_control_plan_segment *out)
{
    covey__control_enter(r, PLAN_SEGMENT_FIELDS);
    out->run = (uint8_t)covey_cbor_get_uint(r, COVEY_TILE_RUNS_MAX - 1);
    out->first_cell = (uint16_t)covey_cbor_get_uint(r, COVEY_CELLS_MAX - 1);
    out->cells = (uint16_t)covey_cbor_get_uint(r, COVEY_CELLS_MAX);
    out->moved_bytes = covey_cbor_get_uint(r, UINT64_MAX);
    out->predicted_us = get_u32(r);
    covey__control_enter(r, plan->devices);
    out->rows[0] = 0;
    for (unsigned d = 0; d < plan->devices && r->err == COVEY_OK; d++) {
        out->rows[d + 1] = get_u16(r);
        if (r->err == COVEY_OK && out->rows[d + 1] < out->rows[d]) {
            r->err = COVEY_ERR_RANGE;
        }
    }
    covey_cbor_leave(r);
    covey_cbor_leave(r);
    if (r->err == COVEY_OK && out->run >= plan->runs) {
        r->err = COVEY_ERR_RANGE;
    }
}

static void get_runs(struct covey_cbor_reader *r, struct covey_control_plan *out)
{
    out->runs = (uint8_t)covey_cbor_enter_array(r, COVEY_TILE_RUNS_MAX);
    for (size_t i = 0; i < out->runs && r->err == COVEY_OK; i++) {
        out->run_us[i] = get_u32(r);
    }
    covey_cbor_leave(r);
    out->segment_count = (uint16_t)covey_cbor_enter_array(r, COVEY_CONTROL_SEGMENTS_MAX);
    for (size_t i = 0; i < out->segment_count && r->err == COVEY_OK; i++) {
        get_segment(r, out, &out->segment[i]);
    }
    covey_cbor_leave(r);
}

void covey__control_get_plan(struct covey_cbor_reader *r, struct covey_control_plan *out)
{
    covey__control_enter(r, PLAN_FIELDS);
    out->term = covey_cbor_get_uint(r, UINT64_MAX);
    out->has_coordinator = covey_cbor_peek(r) != COVEY_CBOR_NULL;
    if (out->has_coordinator) {
        get_id(r, &out->coordinator);
    } else {
        covey_cbor_get_null(r);
    }
    out->parity = (uint8_t)covey_cbor_get_uint(r, COVEY_PARITY_MAX);
    out->half = covey_cbor_get_bool(r);
    out->predicted_us = get_u32(r);
    out->local_us = get_u32(r);
    get_devices(r, out);
    out->layer_count = (uint16_t)covey_cbor_enter_array(r, COVEY_LAYERS_MAX);
    for (size_t i = 0; i < out->layer_count && r->err == COVEY_OK; i++) {
        get_layer(r, out->devices, &out->layer[i]);
    }
    covey_cbor_leave(r);
    get_runs(r, out);
    covey_cbor_leave(r);
}
