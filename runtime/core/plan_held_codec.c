/* SPDX-License-Identifier: MIT */
#include "plan_codec.h"

#include "covey/cbor.h"
#include "plan_private.h"

enum { HELD_ITEMS = 3, LAYER_ITEMS = 3, MASK_BYTES = 4 };

static unsigned slots_of(const struct covey_plan_held_layer *layer, unsigned parity)
{
    struct covey_plan_layer shape = {0};
    covey__layer_shape(layer->units, layer->group_units, parity, &shape);
    return shape.slots;
}

static void put_layer(struct covey_cbor_writer *w, unsigned parity,
                      const struct covey_plan_held_layer *layer)
{
    uint8_t mask[COVEY_LAYER_SLOTS_MAX * MASK_BYTES];
    if (layer->units == 0) {
        covey_cbor_put_array(w, 0);
        return;
    }
    unsigned slots = slots_of(layer, parity);
    for (unsigned s = 0; s < slots; s++) {
        covey_store32(mask + (size_t)s * MASK_BYTES, layer->slot[s]);
    }
    covey_cbor_put_array(w, LAYER_ITEMS);
    covey_cbor_put_uint(w, layer->units);
    covey_cbor_put_uint(w, layer->group_units);
    covey_cbor_put_bytes(w, covey_bytes_of(mask, (size_t)slots * MASK_BYTES));
}

void covey__plan_held_put(struct covey_cbor_writer *w, const struct covey_plan_held *held)
{
    covey_cbor_put_array(w, HELD_ITEMS);
    covey_cbor_put_uint(w, held->parity);
    covey_cbor_put_array(w, held->devices);
    for (unsigned d = 0; d < held->devices; d++) {
        covey_cbor_put_bytes(w,
                             covey_bytes_of(held->device[d].bytes, sizeof(held->device[d].bytes)));
    }
    covey_cbor_put_array(w, held->layers);
    for (unsigned i = 0; i < held->layers; i++) {
        put_layer(w, held->parity, &held->layer[i]);
    }
}

static void fail(struct covey_cbor_reader *r, covey_err err)
{
    r->err = r->err == COVEY_OK ? err : r->err;
}

static void get_layer(struct covey_cbor_reader *r, unsigned parity,
                      struct covey_plan_held_layer *layer)
{
    size_t items = covey_cbor_enter_array(r, LAYER_ITEMS);
    if (items == 0) {
        covey_cbor_leave(r);
        return;
    }
    uint64_t units = covey_cbor_get_uint(r, COVEY_LAYER_UNITS_MAX);
    uint64_t group_units = covey_cbor_get_uint(r, COVEY_GROUP_UNITS_MAX);
    struct covey_bytes mask = covey_cbor_get_bytes(r, sizeof(layer->slot));
    covey_cbor_leave(r);
    if (r->err != COVEY_OK) {
        return;
    }
    if (units == 0 || group_units == 0) {
        fail(r, COVEY_ERR_RANGE);
        return;
    }
    layer->units = (uint16_t)units;
    layer->group_units = (uint8_t)group_units;
    unsigned slots = slots_of(layer, parity);
    if (slots > COVEY_LAYER_SLOTS_MAX || mask.len != (size_t)slots * MASK_BYTES) {
        fail(r, COVEY_ERR_MALFORMED);
        return;
    }
    for (unsigned s = 0; s < slots; s++) {
        layer->slot[s] = covey_load32(mask.ptr + (size_t)s * MASK_BYTES);
    }
}

void covey__plan_held_get(struct covey_cbor_reader *r, struct covey_plan_held *out)
{
    memset(out, 0, sizeof(*out));
    size_t items = covey_cbor_enter_array(r, HELD_ITEMS);
    out->parity = (uint8_t)covey_cbor_get_uint(r, COVEY_PARITY_MAX);
    out->devices = (uint8_t)covey_cbor_enter_array(r, COVEY_PLAN_DEVICES_MAX);
    for (unsigned d = 0; d < out->devices && r->err == COVEY_OK; d++) {
        covey_cbor_get_fixed(r, out->device[d].bytes, sizeof(out->device[d].bytes));
    }
    covey_cbor_leave(r);
    out->layers = (uint16_t)covey_cbor_enter_array(r, COVEY_LAYERS_MAX);
    for (unsigned i = 0; i < out->layers && r->err == COVEY_OK; i++) {
        get_layer(r, out->parity, &out->layer[i]);
    }
    covey_cbor_leave(r);
    covey_cbor_leave(r);
    if (items != HELD_ITEMS) {
        fail(r, COVEY_ERR_MALFORMED);
    }
}
