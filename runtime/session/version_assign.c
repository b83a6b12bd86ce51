/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "covey/message_work.h"
#include "layers_codec.h"
#include "version.h"

enum { SLOT_ENTRY_BYTES = 36, LAYER_BYTES = 128, ASSIGN_EXTRA = 512 };

static size_t put_slot(const struct covey_version *v, size_t layer, unsigned slot, uint8_t *out)
{
    if (out != NULL) {
        covey_store16(out, (uint16_t)layer);
        covey_store16(out + 2, (uint16_t)slot);
        memcpy(out + 4, v->layer[layer].digest[slot].bytes, sizeof(struct covey_digest));
    }
    return SLOT_ENTRY_BYTES;
}

static size_t pack_slots(const struct covey_version *v, uint8_t device, uint8_t *out,
                         const struct covey_layer **which)
{
    size_t len = 0;
    for (size_t i = 0; i < v->plan.layers && device != v->self; i++) {
        const struct covey_plan_layer *pl = &v->plan.layer[i];
        for (unsigned s = 0; s < pl->slots; s++) {
            if (pl->holder[s] != device) {
                continue;
            }
            which[i] = &v->layer[i].shape;
            /* By rows it has all filters, as a holder of all units has. */
            unsigned first = pl->by_rows ? 0 : s;
            unsigned count = pl->by_rows ? v->layer[i].shape.units : 1;
            for (unsigned k = first; k < first + count; k++) {
                len += put_slot(v, i, k, out != NULL ? out + len : NULL);
            }
        }
    }
    return len;
}

covey_err covey__version_assign(const struct covey_version *v, const struct covey_action *action,
                                uint8_t **out, size_t *out_len)
{
    uint8_t device = action->device;
    struct covey_bytes plan = action->bytes;
    const struct covey_layer *which[COVEY_LAYERS_MAX] = {NULL};
    size_t slots_len = pack_slots(v, device, NULL, which);
    size_t layers_cap = (size_t)v->plan.layers * LAYER_BYTES + 16;
    size_t cap = slots_len + layers_cap + plan.len + action->holders.len + ASSIGN_EXTRA;
    uint8_t *slots = malloc(slots_len + 1);
    uint8_t *layers = malloc(layers_cap);
    uint8_t *message = malloc(cap);
    covey_err err = COVEY_ERR_NOMEM;
    if (slots == NULL || layers == NULL || message == NULL) {
        goto out;
    }
    pack_slots(v, device, slots, which);
    size_t layers_len = 0;
    struct covey_buf room = {layers, layers_cap};
    err = covey__layers_encode(which, v->plan.layers, room, &layers_len);
    if (err != COVEY_OK) {
        goto out;
    }
    struct covey_work_message m = {.type = COVEY_WORK_ASSIGN,
                                   .assign = {.fence = v->fence,
                                              .layers = covey_bytes_of(layers, layers_len),
                                              .slots = covey_bytes_of(slots, slots_len),
                                              .holders = action->holders,
                                              .plan = plan,
                                              .batch = (uint16_t)v->file->batch}};
    if (plan.len > 0) {
        m.assign.model = v->file->id;
    }
    struct covey_buf space = {message, cap};
    err = covey_work_encode(&m, space, out_len);
    if (err == COVEY_OK) {
        *out = message;
        message = NULL;
    }
out:
    free(slots);
    free(layers);
    free(message);
    return err;
}
