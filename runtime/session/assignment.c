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
    if (a->used_bytes != NULL) {
        atomic_fetch_sub(a->used_bytes, a->bytes);
    }
    for (size_t i = 0; i < COVEY_LAYERS_MAX; i++) {
        free(a->weights[i]);
    }
    free(a->slots);
    free(a->missing);
    free(a);
}

static covey_err parse_slots(struct covey_assignment *a, struct covey_bytes in)
{
    size_t count = in.len / SLOT_ENTRY_BYTES;
    if ((count == 0 && a->plan == NULL) || in.len % SLOT_ENTRY_BYTES != 0) {
        return COVEY_ERR_MALFORMED;
    }
    a->slots = calloc(count + 1, sizeof(*a->slots));
    a->missing = malloc(count / 8 + 1);
    if (a->slots == NULL || a->missing == NULL) {
        return COVEY_ERR_NOMEM;
    }
    memset(a->missing, 0xff, (count + 7) / 8);
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
    a->count = a->missing_count = count;
    return COVEY_OK;
}

static size_t unit_bytes(const struct covey_layer *layer)
{
    return covey_layer_unit_floats(layer) * sizeof(float);
}

/* Every length is bounded: covey_layer_check limits a unit, parse_slots the number of slots. */
static covey_err account(struct covey_assignment *a, _Atomic uint64_t *used_bytes, uint64_t limit)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < COVEY_LAYERS_MAX; i++) {
        if (a->held[i] > 0) {
            bytes += (uint64_t)a->held[i] * unit_bytes(&a->layer[i]);
        }
    }
    uint64_t before = atomic_fetch_add(used_bytes, bytes);
    if (before + bytes > limit) {
        atomic_fetch_sub(used_bytes, bytes);
        return COVEY_ERR_LIMIT;
    }
    a->bytes = bytes;
    a->used_bytes = used_bytes;
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
    if (err == COVEY_OK) {
        err = account(a, used_bytes, limit);
    }
    for (size_t i = 0; i < COVEY_LAYERS_MAX && err == COVEY_OK; i++) {
        if (a->held[i] == 0) {
            continue;
        }
        size_t bytes = (a->held[i] * unit_bytes(&a->layer[i]) + 63) / 64 * 64;
        a->weights[i] = aligned_alloc(64, bytes);
        if (a->weights[i] == NULL) {
            err = COVEY_ERR_NOMEM;
        }
    }
    if (err != COVEY_OK) {
        a->count = 0; /* so that no unit can be stored */
    }
    return err;
}

static float *entry_weights(const struct covey_assignment *a, size_t index)
{
    uint16_t layer = a->slots[index].layer;
    return a->weights[layer] +
           (index - a->first[layer]) * covey_layer_unit_floats(&a->layer[layer]);
}

static bool is_missing(const struct covey_assignment *a, size_t i)
{
    return (a->missing[i / 8] >> (i % 8) & 1) != 0;
}

void covey__assignment_load(struct covey_assignment *a, const struct covey_store *store)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct covey_work_slot *s = &a->slots[i];
        if (is_missing(a, i) && covey__store_get(store, &s->digest, entry_weights(a, i),
                                                 unit_bytes(&a->layer[s->layer])) == COVEY_OK) {
            a->missing[i / 8] &= (uint8_t) ~(1u << (i % 8));
            a->missing_count--;
        }
    }
}

covey_err covey__assignment_products(struct covey_assignment *a)
{
    for (size_t i = 0; i < COVEY_LAYERS_MAX; i++) {
        if (a->held[i] == 0 || a->product[i] != NULL) {
            continue;
        }
        covey_err err = covey_product_new(&a->layer[i], a->weights[i], a->held[i], &a->product[i]);
        if (err != COVEY_OK) {
            return err;
        }
        if (!covey_product_reads(a->product[i])) {
            free(a->weights[i]);
            a->weights[i] = NULL;
        }
    }
    return COVEY_OK;
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
    const struct covey_product *p = a->product[layer];
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
