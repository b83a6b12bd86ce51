/* SPDX-License-Identifier: MIT */
#include "version.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "covey/message_work.h"
#include "layers_codec.h"

enum { SLOT_ENTRY_BYTES = 36, LAYER_BYTES = 128, ASSIGN_EXTRA = 256 };

struct covey_version *covey__version_new(const struct covey_fence *fence,
                                         const struct covey_plan *plan,
                                         const struct covey_model_file *file)
{
    struct covey_version *v = calloc(1, sizeof(*v));
    if (v != NULL) {
        atomic_init(&v->refs, 1);
        v->fence = *fence;
        v->plan = *plan;
        v->file = file;
    }
    return v;
}

struct covey_version *covey__version_ref(struct covey_version *v)
{
    atomic_fetch_add(&v->refs, 1);
    return v;
}

void covey__version_unref(struct covey_version *v)
{
    if (v == NULL || atomic_fetch_sub(&v->refs, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < v->plan.layers; i++) {
        struct covey_version_layer *l = &v->layer[i];
        for (unsigned g = 0; l->parity != NULL && g < v->plan.layer[i].groups; g++) {
            covey_body_unref(l->parity[g]);
        }
        free(l->parity);
        free(l->digest);
        free(l->own);
    }
    free(v);
}

static bool bit(const uint64_t *bits, unsigned index)
{
    return (bits[index / 64] >> (index % 64) & 1) != 0;
}

/* Group and place of a slot in a plan's layer. */
static unsigned slot_group(const struct covey_version *v, size_t layer, unsigned slot,
                           unsigned *out_unit, bool *out_parity)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    for (unsigned g = 0; g < pl->groups; g++) {
        unsigned first_unit, first_slot;
        unsigned count = covey_plan_group(pl, v->plan.parity, g, &first_unit, &first_slot);
        if (slot < first_slot + count + v->plan.parity) {
            *out_parity = slot >= first_slot + count;
            *out_unit = first_unit + (slot - first_slot);
            return g;
        }
    }
    COVEY_ASSERT(!"slot outside of the layer");
    return 0;
}

const float *covey__version_slot(const struct covey_version *v, size_t layer, unsigned slot)
{
    unsigned unit;
    bool parity;
    unsigned group = slot_group(v, layer, slot, &unit, &parity);
    if (parity) {
        return (const float *)(const void *)v->layer[layer].parity[group]->data;
    }
    return covey__model_file_unit(v->file, layer, unit);
}

static covey_err make_group(struct covey_version *v, size_t layer, unsigned group)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    struct covey_version_layer *vl = &v->layer[layer];
    unsigned first_unit, first_slot;
    unsigned count = covey_plan_group(pl, v->plan.parity, group, &first_unit, &first_slot);
    const float *units[COVEY_GROUP_UNITS_MAX];
    COVEY_ASSERT(count <= COVEY_GROUP_UNITS_MAX);
    for (unsigned j = 0; j < count; j++) {
        units[j] = covey__model_file_unit(v->file, layer, first_unit + j);
        vl->digest[first_slot + j] = *covey_manifest_unit(v->file->manifest, layer, first_unit + j);
    }
    if (v->plan.parity == 0) {
        return COVEY_OK;
    }
    size_t floats = covey_layer_unit_floats(covey_model_layer(v->file->model, layer));
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(floats * sizeof(float), &body);
    if (err != COVEY_OK) {
        return err;
    }
    vl->parity[group] = body;
    err = covey_split_encode(0, count, units, floats, (float *)(void *)body->data);
    struct covey_bytes parity = covey_bytes_of(body->data, body->len);
    covey_hash(&vl->digest[first_slot + count], parity);
    if (err == COVEY_OK && v->store != NULL) {
        err = covey__store_put(v->store, &vl->digest[first_slot + count], parity);
    }
    return err;
}

static covey_err make_own(struct covey_version *v, size_t layer, const struct covey_node_id *self)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    struct covey_version_layer *vl = &v->layer[layer];
    for (unsigned s = 0; s < pl->slots; s++) {
        if (covey_node_id_equal(&v->plan.device[pl->holder[s]], self)) {
            vl->own_slots[s / 64] |= 1ull << (s % 64);
            vl->own_count++;
        }
    }
    if (vl->own_count == 0) {
        return COVEY_OK;
    }
    size_t floats = covey_layer_unit_floats(covey_model_layer(v->file->model, layer));
    size_t bytes = (vl->own_count * floats * sizeof(float) + 63) / 64 * 64;
    vl->own = aligned_alloc(64, bytes);
    if (vl->own == NULL) {
        return COVEY_ERR_NOMEM;
    }
    float *to = vl->own;
    for (unsigned s = 0; s < pl->slots; s++) {
        if (bit(vl->own_slots, s)) {
            memcpy(to, covey__version_slot(v, layer, s), floats * sizeof(float));
            to += floats;
        }
    }
    return COVEY_OK;
}

covey_err covey__version_make(struct covey_version *v, const struct covey_node_id *self)
{
    if (v->plan.parity > 1 ||
        (v->plan.layers != 0 && v->plan.layers != covey_model_layers(v->file->model))) {
        return COVEY_ERR_UNSUPPORTED;
    }
    for (size_t i = 0; i < v->plan.layers; i++) {
        const struct covey_plan_layer *pl = &v->plan.layer[i];
        struct covey_version_layer *vl = &v->layer[i];
        vl->digest = calloc(pl->slots, sizeof(*vl->digest));
        vl->parity = calloc(pl->groups, sizeof(struct covey_body *));
        if (vl->digest == NULL || vl->parity == NULL) {
            return COVEY_ERR_NOMEM;
        }
        for (unsigned g = 0; g < pl->groups; g++) {
            covey_err err = make_group(v, i, g);
            if (err != COVEY_OK) {
                return err;
            }
        }
        covey_err err = make_own(v, i, self);
        if (err != COVEY_OK) {
            return err;
        }
    }
    return COVEY_OK;
}

/* ---- assignment messages ---- */

static size_t pack_slots(const struct covey_version *v, uint8_t device, uint8_t *out, bool *which)
{
    size_t len = 0;
    for (size_t i = 0; i < v->plan.layers; i++) {
        const struct covey_plan_layer *pl = &v->plan.layer[i];
        for (unsigned s = 0; s < pl->slots; s++) {
            if (pl->holder[s] != device) {
                continue;
            }
            if (out != NULL) {
                covey_store16(out + len, (uint16_t)i);
                covey_store16(out + len + 2, (uint16_t)s);
                memcpy(out + len + 4, v->layer[i].digest[s].bytes, sizeof(struct covey_digest));
            }
            which[i] = true;
            len += SLOT_ENTRY_BYTES;
        }
    }
    return len;
}

covey_err covey__version_assign(const struct covey_version *v, uint8_t device, uint8_t **out,
                                size_t *out_len)
{
    bool which[COVEY_LAYERS_MAX] = {false};
    size_t slots_len = pack_slots(v, device, NULL, which);
    size_t layers_cap = (size_t)v->plan.layers * LAYER_BYTES + 16;
    size_t cap = slots_len + layers_cap + ASSIGN_EXTRA;
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
    err = covey__layers_encode(v->file->model, which, v->plan.layers, room, &layers_len);
    if (err != COVEY_OK) {
        goto out;
    }
    struct covey_work_message m = {.type = COVEY_WORK_ASSIGN,
                                   .assign = {.fence = v->fence,
                                              .layers = covey_bytes_of(layers, layers_len),
                                              .slots = covey_bytes_of(slots, slots_len)}};
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

bool covey__version_entry(const struct covey_version *v, uint8_t device, uint32_t index,
                          size_t *out_layer, unsigned *out_slot)
{
    for (size_t i = 0; i < v->plan.layers; i++) {
        const struct covey_plan_layer *pl = &v->plan.layer[i];
        for (unsigned s = 0; s < pl->slots; s++) {
            if (pl->holder[s] == device && index-- == 0) {
                *out_layer = i;
                *out_slot = s;
                return true;
            }
        }
    }
    return false;
}

/* ---- mathematics of one layer ---- */

static covey_err gather(const struct covey_version *v, size_t layer, const uint64_t *slots,
                        float **out, size_t *out_count)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    size_t floats = covey_layer_unit_floats(covey_model_layer(v->file->model, layer));
    size_t count = 0;
    for (unsigned s = 0; s < pl->slots; s++) {
        count += bit(slots, s);
    }
    float *weights = aligned_alloc(64, (count * floats * sizeof(float) + 64) / 64 * 64);
    if (weights == NULL) {
        return COVEY_ERR_NOMEM;
    }
    size_t at = 0;
    for (unsigned s = 0; s < pl->slots; s++) {
        if (bit(slots, s)) {
            memcpy(weights + at++ * floats, covey__version_slot(v, layer, s),
                   floats * sizeof(float));
        }
    }
    *out = weights;
    *out_count = count;
    return COVEY_OK;
}

covey_err covey__version_compute(const struct covey_version *v, size_t layer,
                                 const uint64_t slots[static COVEY_LAYER_SLOTS_MAX / 64],
                                 const struct covey_body *input, struct covey_scratch *scratch,
                                 struct covey_body **out)
{
    const struct covey_layer *l = covey_model_layer(v->file->model, layer);
    const struct covey_version_layer *vl = &v->layer[layer];
    const float *weights = vl->own;
    size_t count = vl->own_count;
    float *gathered = NULL;
    if (memcmp(slots, vl->own_slots, sizeof(vl->own_slots)) != 0) {
        covey_err err = gather(v, layer, slots, &gathered, &count);
        if (err != COVEY_OK) {
            return err;
        }
        weights = gathered;
    }
    struct covey_body *body = NULL;
    float *room = covey__scratch_get(scratch, covey_layer_scratch_floats(l));
    covey_err err = room != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        err = covey_body_new(count * covey_layer_answer_floats(l) * sizeof(float), &body);
    }
    if (err == COVEY_OK) {
        covey_layer_compute(l, weights, count, (const float *)(const void *)input->data, room,
                            (float *)(void *)body->data);
        *out = body;
    }
    free(gathered);
    return err;
}

/* Where each slot's answer is, NULL where there is none. */
static void find_answers(const struct covey_version *v, size_t layer, size_t floats,
                         const struct covey_answers *answers, const float **by_slot)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    size_t position[COVEY_PLAN_DEVICES_MAX] = {0};
    size_t local_position = 0;
    for (unsigned s = 0; s < pl->slots; s++) {
        const struct covey_body *body = answers->device[pl->holder[s]];
        size_t at = position[pl->holder[s]]++ * floats;
        by_slot[s] = NULL;
        if (body != NULL) {
            COVEY_ASSERT((at + floats) * sizeof(float) <= body->len);
            by_slot[s] = (const float *)(const void *)body->data + at;
        }
        if (answers->local != NULL && bit(answers->local_slots, s)) {
            size_t local_at = local_position++ * floats;
            COVEY_ASSERT((local_at + floats) * sizeof(float) <= answers->local->len);
            by_slot[s] = (const float *)(const void *)answers->local->data + local_at;
        }
    }
}

void covey__version_combine(const struct covey_version *v, size_t layer,
                            const struct covey_answers *answers, float *product)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    size_t floats = covey_layer_answer_floats(covey_model_layer(v->file->model, layer));
    const float *by_slot[COVEY_LAYER_SLOTS_MAX];
    find_answers(v, layer, floats, answers, by_slot);
    for (unsigned g = 0; g < pl->groups; g++) {
        unsigned first_unit, first_slot;
        unsigned count = covey_plan_group(pl, v->plan.parity, g, &first_unit, &first_slot);
        float *units[COVEY_GROUP_UNITS_MAX];
        unsigned missing = count;
        for (unsigned j = 0; j < count; j++) {
            units[j] = product + (first_unit + j) * floats;
            if (by_slot[first_slot + j] != NULL) {
                memcpy(units[j], by_slot[first_slot + j], floats * sizeof(float));
            } else {
                COVEY_ASSERT(missing == count); /* the job waits for N of N + r */
                missing = j;
            }
        }
        if (missing < count) {
            COVEY_ASSERT(v->plan.parity > 0 && by_slot[first_slot + count] != NULL);
            covey_split_recover(count, units, missing, by_slot[first_slot + count], floats);
        }
    }
}
