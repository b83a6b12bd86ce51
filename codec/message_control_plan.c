/* SPDX-License-Identifier: MIT
 *
 * message_control_plan.c - the plan that is shown: what `covey plan` prints.
 */
#include "message_control_private.h"

/* ---- devices ---- */

static const struct covey__field device[] = {
    CONTROL_FIXED(plan_device, id),
    CONTROL_NUMBER(plan_device, weights_bytes),
    CONTROL_NUMBER(plan_device, received_bytes),
    CONTROL_NUMBER(plan_device, sent_bytes),
};
static const struct covey__field device_item = COVEY__ITEM(device);

/* ---- layers ---- */

static const struct covey__field layer[] = {
    CONTROL_LINE(plan_layer, name),
    CONTROL_UINT(plan_layer, mode, COVEY_CONTROL_ROWS),
    CONTROL_UINT(plan_layer, cell, COVEY_CELLS_MAX - 1),
    CONTROL_NUMBER(plan_layer, units),
    CONTROL_NUMBER(plan_layer, groups),
    CONTROL_NUMBER(plan_layer, unit_rows),
    CONTROL_NUMBER(plan_layer, unit_bytes),
    CONTROL_NUMBER(plan_layer, input_bytes),
    CONTROL_NUMBER(plan_layer, answer_bytes),
    CONTROL_NUMBER(plan_layer, predicted_us),
    CONTROL_BOOL(plan_layer, fed),
    COVEY__BYTES(0, struct covey_control_plan_layer, holder, COVEY_LAYER_SLOTS_MAX),
};
static const struct covey__field layer_item = COVEY__ITEM(layer);

static void put_layers(struct covey_cbor_writer *w, const void *whole)
{
    const struct covey_control_plan *plan = whole;
    COVEY_ASSERT(plan->layer_count <= COVEY_LAYERS_MAX);
    covey_cbor_put_array(w, plan->layer_count);
    for (size_t i = 0; i < plan->layer_count; i++) {
        COVEY_ASSERT(plan->layer[i].holder.len == plan->layer[i].slots);
        covey__field_put(w, &layer_item, &plan->layer[i]);
    }
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

static void get_layers(struct covey_cbor_reader *r, void *whole)
{
    struct covey_control_plan *plan = whole;
    plan->layer_count = (uint16_t)covey_cbor_enter_array(r, COVEY_LAYERS_MAX);
    for (size_t i = 0; i < plan->layer_count && r->err == COVEY_OK; i++) {
        struct covey_control_plan_layer *l = &plan->layer[i];
        covey__field_get(r, &layer_item, l);
        check_holders(r, l->holder, plan->devices);
        l->slots = (uint16_t)l->holder.len;
    }
    covey_cbor_leave(r);
}

/* ---- segments of tile runs ---- */

/* Its rows follow, in the same record. */
static const struct covey__field segment[] = {
    CONTROL_UINT(plan_segment, run, COVEY_TILE_RUNS_MAX - 1),
    CONTROL_UINT(plan_segment, first_cell, COVEY_CELLS_MAX - 1),
    CONTROL_UINT(plan_segment, cells, COVEY_CELLS_MAX),
    CONTROL_NUMBER(plan_segment, moved_bytes),
    CONTROL_NUMBER(plan_segment, predicted_us),
};
enum { SEGMENT_NUMBERS = COVEY__COUNT(segment) };

static void put_segments(struct covey_cbor_writer *w, const void *whole)
{
    const struct covey_control_plan *plan = whole;
    COVEY_ASSERT(plan->segment_count <= COVEY_CONTROL_SEGMENTS_MAX);
    covey_cbor_put_array(w, plan->segment_count);
    for (size_t i = 0; i < plan->segment_count; i++) {
        const struct covey_control_plan_segment *s = &plan->segment[i];
        covey_cbor_put_array(w, SEGMENT_NUMBERS + 1);
        for (unsigned k = 0; k < SEGMENT_NUMBERS; k++) {
            covey__field_put(w, &segment[k], s);
        }
        covey_cbor_put_array(w, plan->devices);
        for (unsigned d = 0; d < plan->devices; d++) {
            covey_cbor_put_uint(w, s->rows[d + 1]);
        }
    }
}

static void get_rows(struct covey_cbor_reader *r, unsigned devices,
                     struct covey_control_plan_segment *out)
{
    covey__record_enter(r, devices);
    out->rows[0] = 0;
    for (unsigned d = 0; d < devices && r->err == COVEY_OK; d++) {
        out->rows[d + 1] = (uint16_t)covey_cbor_get_uint(r, UINT16_MAX);
        if (r->err == COVEY_OK && out->rows[d + 1] < out->rows[d]) {
            r->err = COVEY_ERR_RANGE;
        }
    }
    covey_cbor_leave(r);
}

static void get_segments(struct covey_cbor_reader *r, void *whole)
{
    struct covey_control_plan *plan = whole;
    plan->segment_count = (uint16_t)covey_cbor_enter_array(r, COVEY_CONTROL_SEGMENTS_MAX);
    for (size_t i = 0; i < plan->segment_count && r->err == COVEY_OK; i++) {
        struct covey_control_plan_segment *s = &plan->segment[i];
        covey__record_enter(r, SEGMENT_NUMBERS + 1);
        for (unsigned k = 0; k < SEGMENT_NUMBERS; k++) {
            covey__field_get(r, &segment[k], s);
        }
        get_rows(r, plan->devices, s);
        covey_cbor_leave(r);
        if (r->err == COVEY_OK && s->run >= plan->runs) {
            r->err = COVEY_ERR_RANGE;
        }
    }
    covey_cbor_leave(r);
}

static const struct covey__field plan_fields[] = {
    CONTROL_NUMBER(plan, term),
    CONTROL_OPTIONAL(plan, has_coordinator, coordinator, &covey__item_id),
    CONTROL_UINT(plan, parity, COVEY_PARITY_MAX),
    CONTROL_BOOL(plan, half),
    CONTROL_NUMBER(plan, predicted_us),
    CONTROL_NUMBER(plan, local_us),
    CONTROL_LIST(plan, devices, device, &device_item),
    COVEY__OWN(0, get_layers, put_layers),
    CONTROL_LIST(plan, runs, run_us, &covey__item_u32),
    COVEY__OWN(0, get_segments, put_segments),
};

const struct covey__field covey__part_plan = COVEY__ITEM(plan_fields);
