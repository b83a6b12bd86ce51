/* SPDX-License-Identifier: MIT */
#include "assignment.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "layers_codec.h"

enum { SLOT_ENTRY_BYTES = 36 };

struct covey_assignment *covey__assignment_new(const struct covey_node_id *owner,
                                               const struct covey_fence *fence)
{
    struct covey_assignment *a = calloc(1, sizeof(*a));
    if (a != NULL) {
        a->owner = *owner;
        a->fence = *fence;
        atomic_init(&a->refs, 1);
    }
    return a;
}

struct covey_assignment *covey__assignment_ref(struct covey_assignment *a)
{
    atomic_fetch_add(&a->refs, 1);
    return a;
}

void covey__assignment_unref(struct covey_assignment *a)
{
    if (a == NULL || atomic_fetch_sub(&a->refs, 1) != 1) {
        return;
    }
    covey__strips_free(a->strips);
    covey_manifest_free(a->manifest);
    free(a->plan);
    for (size_t i = 0; i < COVEY_LAYERS_MAX; i++) {
        covey__held_unref(a->weights[i]);
    }
    for (size_t i = 0; i < a->pinned_count; i++) {
        covey__store_unpin(a->store, &a->pinned[i]);
    }
    free(a->pinned);
    free(a->slots);
    free(a);
}

static covey_err parse_slots(struct covey_assignment *a, struct covey_bytes in)
{
    size_t count = in.len / SLOT_ENTRY_BYTES;
    if ((count == 0 && a->plan == NULL) || in.len % SLOT_ENTRY_BYTES != 0) {
        return COVEY_ERR_MALFORMED;
    }
    a->slots = calloc(count + 1, sizeof(*a->slots));
    if (a->slots == NULL) {
        return COVEY_ERR_NOMEM;
    }
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *p = in.ptr + i * SLOT_ENTRY_BYTES;
        struct covey_work_slot *s = &a->slots[i];
        s->layer = covey_load16(p);
        s->slot = covey_load16(p + 2);
        memcpy(s->digest.bytes, p + 4, sizeof(s->digest.bytes));
        uint32_t order = ((uint32_t)s->layer << 16 | s->slot) + 1;
        if (s->layer >= COVEY_LAYERS_MAX || s->slot >= COVEY_LAYER_SLOTS_MAX || order <= last ||
            !a->present[s->layer]) {
            return COVEY_ERR_MALFORMED;
        }
        last = order;
        if (a->held[s->layer]++ == 0) {
            a->first[s->layer] = i;
        }
    }
    a->count = count;
    return COVEY_OK;
}

covey_err covey__assignment_plan(struct covey_assignment *a, const struct covey_plan *plan,
                                 uint8_t device)
{
    a->plan = malloc(sizeof(*a->plan));
    if (a->plan == NULL) {
        return COVEY_ERR_NOMEM;
    }
    *a->plan = *plan;
    a->device = device;
    return COVEY_OK;
}

covey_err covey__assignment_parse(struct covey_assignment *a,
                                  const struct covey_work_assign *assign,
                                  _Atomic uint64_t *used_bytes, uint64_t limit)
{
    a->model = assign->model;
    a->account = used_bytes;
    a->limit = limit;
    covey_err err = covey__layers_decode(assign->layers, a->layer, a->present, COVEY_LAYERS_MAX);
    if (err == COVEY_OK) {
        err = parse_slots(a, assign->slots);
    }
    for (size_t i = 0; i < COVEY_LAYERS_MAX && err == COVEY_OK; i++) {
        if (a->held[i] > 0) {
            struct covey_held_slots slots = {&a->layer[i], a->slots + a->first[i], a->held[i]};
            err = covey__held_get(a->table, &slots, used_bytes, limit, &a->weights[i]);
        }
    }
    return err;
}

covey_err covey__assignment_pin(struct covey_assignment *a, const struct covey_store *store,
                                const struct covey_digest *digest)
{
    if (a->pinned_count == a->pinned_room) {
        size_t room = a->pinned_room * 2 + 64;
        struct covey_digest *more = realloc(a->pinned, room * sizeof(*more));
        if (more == NULL) {
            return COVEY_ERR_NOMEM;
        }
        a->pinned = more;
        a->pinned_room = room;
    }
    covey_err err = covey__store_pin(store, digest);
    if (err == COVEY_OK) {
        a->store = store;
        a->pinned[a->pinned_count++] = *digest;
    }
    return err;
}

bool covey__assignment_accepts(const struct covey_assignment *a, uint16_t layer, size_t input_bytes)
{
    return layer < COVEY_LAYERS_MAX && a->held[layer] > 0 &&
           input_bytes == covey_layer_input_floats(&a->layer[layer]) * sizeof(float);
}

covey_err covey__assignment_compute(const struct covey_assignment *a, uint16_t layer,
                                    const struct covey_body *input, struct covey_scratch *scratch,
                                    struct covey_body **out)
{
    const struct covey_layer *l = &a->layer[layer];
    const struct covey_product *p = a->weights[layer]->product;
    float *room = covey__scratch_get(scratch, covey_product_scratch(p) / sizeof(float) + 1);
    if (room == NULL) {
        return COVEY_ERR_NOMEM;
    }
    size_t floats = a->held[layer] * covey_layer_answer_floats(l);
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(floats * sizeof(float), &body);
    if (err != COVEY_OK) {
        return err;
    }
    covey_product_run(p, (const float *)(const void *)input->data, room,
                      (float *)(void *)body->data);
    *out = body;
    return COVEY_OK;
}
