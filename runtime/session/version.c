/* SPDX-License-Identifier: MIT */
#include "version.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "covey/check.h"
#include "covey/exact.h"
#include "covey/spatial.h"
#include "light.h"
#include "version_rows.h"

struct covey_version *covey__version_new(const struct covey_fence *fence,
                                         const struct covey_plan *plan,
                                         const struct covey_model_file *file,
                                         struct covey_coded *coded)
{
    struct covey_version *v = calloc(1, sizeof(*v));
    if (v != NULL) {
        covey__account_table(file->account, sizeof(*v));
        atomic_init(&v->refs, 1);
        v->fence = *fence;
        v->plan = *plan;
        v->file = file;
        v->coded = coded;
        v->self = COVEY_PLAN_DEVICES_MAX;
    }
    return v;
}

struct covey_version *covey__version_ref(struct covey_version *v)
{
    atomic_fetch_add(&v->refs, 1);
    return v;
}

static void drop_layers(struct covey_version *v)
{
    for (size_t i = 0; i < COVEY_LAYERS_MAX; i++) {
        struct covey_version_layer *l = &v->layer[i];
        for (unsigned d = 0; l->secret != NULL && d < v->plan.devices; d++) {
            covey__secret_unref(l->secret[d]);
        }
        for (size_t p = 0; p < l->owns; p++) {
            covey__own_unref(l->own[p]);
        }
        free(l->own);
        free(l->secret);
        free(l->digest);
        *l = (struct covey_version_layer){0};
    }
}

void covey__version_unref(struct covey_version *v)
{
    if (v == NULL || atomic_fetch_sub(&v->refs, 1) != 1) {
        return;
    }
    drop_layers(v);
    covey__coded_tidy(v->coded);
    covey__account_table_give(v->file->account, sizeof(*v));
    free(v);
}

static bool bit(const uint64_t *bits, unsigned index)
{
    return (bits[index / 64] >> (index % 64) & 1) != 0;
}

/* ---- slots ---- */

/* Group of a slot; *out_place counts within it: below group->count a unit, else a parity. */
static void slot_group(const struct covey_version *v, size_t layer, unsigned slot,
                       struct covey_coded_group *out_group, unsigned *out_place)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    for (unsigned g = 0; g < pl->groups; g++) {
        unsigned first_unit, first_slot;
        unsigned count = covey_plan_group(pl, v->plan.parity, g, &first_unit, &first_slot);
        if (slot < first_slot + count + v->plan.parity) {
            *out_group =
                (struct covey_coded_group){(uint16_t)layer, (uint16_t)first_unit, (uint16_t)count};
            *out_place = slot - first_slot;
            return;
        }
    }
    COVEY_ASSERT(!"slot outside of the layer");
}

/* Chosen slots of a layer. */
struct chosen {
    const struct covey_version *version;
    size_t layer;
    unsigned slot[COVEY_LAYER_SLOTS_MAX];
    struct covey_digest digest[COVEY_LAYER_SLOTS_MAX];
    size_t count, first; /* first: of those that are asked for */
};

static void choose(struct chosen *c, unsigned slot)
{
    c->digest[c->count] = c->version->layer[c->layer].digest[slot];
    c->slot[c->count++] = slot;
}

static covey_err chosen_weights(const void *user, size_t index, float *room, const float **out)
{
    const struct chosen *c = user;
    const struct covey_model_file *f = c->version->file;
    index += c->first;
    if (c->version->plan.layer[c->layer].by_rows) {
        return covey__model_file_unit(f, c->layer, c->slot[index], room, out);
    }
    struct covey_coded_group group;
    unsigned place;
    slot_group(c->version, c->layer, c->slot[index], &group, &place);
    if (place < group.count) {
        return covey__model_file_unit(f, c->layer, (size_t)group.first + place, room, out);
    }
    *out = room;
    if (f->sparse) { /* it was put into the store when its digest was made */
        size_t bytes = covey_layer_unit_floats(covey_model_layer(f->model, c->layer));
        const struct covey_digest *digest = &c->version->layer[c->layer].digest[c->slot[index]];
        covey_err err = covey__store_get(f->store, digest, room, bytes * sizeof(float));
        if (err == COVEY_OK) {
            return COVEY_OK;
        }
    }
    return covey__coded_encode(f, &group, place - group.count, room);
}

static struct covey_coded_slots slots_of(const struct chosen *c)
{
    return (struct covey_coded_slots){c->layer,  c->count,       &c->version->layer[c->layer].shape,
                                      c->digest, chosen_weights, c};
}

/* ---- making ---- */

/* A unit of integers is no part of the model as it is stored: it is made as the parity of a group
 * of its own, by a factor of one. */
static covey_err unit_digest(const struct covey_version *v, const struct covey_coded_group *group,
                             unsigned place, struct covey_digest *out)
{
    const struct covey_model_file *f = v->file;
    size_t unit = (size_t)group->first + place;
    if (covey_model_layer(f->model, group->layer)->exact == 0) {
        *out = *covey_manifest_unit(f->manifest, group->layer, unit);
        return COVEY_OK;
    }
    struct covey_coded_group alone = {group->layer, (uint16_t)unit, 1};
    return covey__coded_parity(v->coded, &alone, 0, out);
}

static covey_err make_digests(struct covey_version *v, size_t layer)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    struct covey_digest *digest = v->layer[layer].digest;
    for (unsigned u = 0; pl->by_rows && u < v->layer[layer].shape.units; u++) {
        digest[u] = *covey_manifest_unit(v->file->manifest, layer, u);
    }
    for (unsigned s = 0; s < pl->slots && !pl->by_rows; s++) {
        struct covey_coded_group group;
        unsigned place;
        slot_group(v, layer, s, &group, &place);
        covey_err err = place < group.count ? unit_digest(v, &group, place, &digest[s])
                                            : covey__coded_parity(v->coded, &group,
                                                                  place - group.count, &digest[s]);
        if (err != COVEY_OK) {
            return err;
        }
    }
    return COVEY_OK;
}

static covey_err make_own(struct covey_version *v, struct chosen *c)
{
    struct covey_version_layer *vl = &v->layer[c->layer];
    bool apart = v->file->sparse && vl->shape.kind == COVEY_LAYER_DENSE;
    struct covey_coded_slots slots = slots_of(c);
    slots.count = apart ? 1 : c->count;
    size_t parts = c->count / slots.count;
    covey_err err = COVEY_OK;
    vl->own = calloc(parts, sizeof(*vl->own));
    if (vl->own == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t p = 0; p < parts && err == COVEY_OK; p++) {
        c->first = p * slots.count;
        slots.digests = c->digest + c->first;
        err = covey__coded_own(v->coded, &slots, &vl->own[p]);
        vl->owns += err == COVEY_OK;
    }
    c->first = 0;
    return err;
}

static covey_err make_device(struct covey_version *v, struct chosen *c, uint8_t device)
{
    const struct covey_plan_layer *pl = &v->plan.layer[c->layer];
    struct covey_version_layer *vl = &v->layer[c->layer];
    uint64_t held[COVEY_LAYER_SLOTS_MAX / 64] = {0};
    c->count = 0;
    for (unsigned s = 0; s < pl->slots; s++) {
        if (pl->holder[s] != device) {
            continue;
        }
        held[s / 64] |= UINT64_C(1) << (s % 64);
        for (unsigned u = 0; pl->by_rows && u < vl->shape.units; u++) {
            choose(c, u);
        }
        if (!pl->by_rows) {
            choose(c, s);
        }
    }
    if (c->count == 0) {
        return COVEY_OK;
    }
    if (device != v->self) {
        struct covey_coded_slots slots = slots_of(c);
        return covey__coded_secret(v->coded, &v->plan.device[device], &slots, &vl->secret[device]);
    }
    memcpy(vl->own_slots, held, sizeof(held));
    return make_own(v, c);
}

static covey_err make_layer(struct covey_version *v, size_t layer)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    struct covey_version_layer *vl = &v->layer[layer];
    const struct covey_layer *l = covey_model_layer(v->file->model, layer);
    covey_err err = COVEY_OK;
    vl->shape = *l;
    if (pl->by_rows) {
        err = covey_spatial_block(l, pl->units, &vl->shape);
    }
    vl->digest = calloc(pl->slots > l->units ? pl->slots : l->units, sizeof(*vl->digest));
    vl->secret = calloc(COVEY_PLAN_DEVICES_MAX, sizeof(*vl->secret));
    struct chosen *c = calloc(1, sizeof(*c));
    if (vl->digest == NULL || vl->secret == NULL || c == NULL) {
        err = COVEY_ERR_NOMEM;
    }
    if (err == COVEY_OK) {
        c->version = v;
        c->layer = layer;
        err = make_digests(v, layer);
    }
    for (uint8_t d = 0; d < v->plan.devices && err == COVEY_OK; d++) {
        err = make_device(v, c, d);
    }
    free(c);
    return err;
}

covey_err covey__version_make(struct covey_version *v, const struct covey_node_id *self)
{
    if (v->plan.layers != 0 && v->plan.layers != covey_model_layers(v->file->model)) {
        return COVEY_ERR_UNSUPPORTED;
    }
    for (uint8_t d = 0; d < v->plan.devices; d++) {
        if (covey_node_id_equal(&v->plan.device[d], self)) {
            v->self = d;
        }
    }
    covey_err err = covey__version_stages(v);
    if (err == COVEY_OK) {
        covey__light_stages(v);
    }
    covey__coded_lock(v->coded);
    for (size_t i = 0; i < v->plan.layers && err == COVEY_OK; i++) {
        if (v->plan.layer[i].slots > 0) {
            err = make_layer(v, i);
        }
    }
    if (err != COVEY_OK) { /* another may want the memory before this one goes */
        drop_layers(v);
        v->stages = 0;
    }
    covey__coded_unlock(v->coded);
    return err;
}

/* ---- mathematics of one layer ---- */

static size_t choose_slots(const struct covey_version *v, size_t layer, const uint64_t *slots,
                           struct chosen *c)
{
    size_t count = 0;
    c->version = v;
    c->layer = layer;
    for (unsigned s = 0; s < v->plan.layer[layer].slots; s++) {
        if (bit(slots, s)) {
            c->slot[count++] = s;
        }
    }
    return count;
}

static bool is_wanted(const struct covey_wanted *w)
{
    return atomic_load_explicit(w->current, memory_order_relaxed) == w->mine;
}

static covey_err product_of(const struct covey_version *v, const struct covey_version_work *work,
                            float **out_weights, struct covey_product **out_product,
                            size_t *out_count)
{
    const struct covey_layer *l = covey_model_layer(v->file->model, work->layer);
    size_t floats = covey_layer_unit_floats(l), count = 0, at = 0;
    struct chosen *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return COVEY_ERR_NOMEM;
    }
    count = choose_slots(v, work->layer, work->slots, c);
    float *weights = aligned_alloc(64, (count * floats * sizeof(float) + 64) / 64 * 64);
    covey_err err = weights != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    for (; at < count && err == COVEY_OK; at++) {
        const float *from = NULL;
        err = is_wanted(&work->wanted) ? chosen_weights(c, at, weights + at * floats, &from)
                                       : COVEY_ERR_CANCELLED;
        if (err == COVEY_OK && from != weights + at * floats) {
            memcpy(weights + at * floats, from, floats * sizeof(float));
        }
    }
    if (err == COVEY_OK) {
        err = covey_product_new(l, weights, count, out_product);
    }
    free(c);
    *out_weights = weights;
    *out_count = count;
    return err;
}

static covey_err run_product(const struct covey_product *product,
                             const struct covey_version_work *work, struct covey_scratch *scratch,
                             float *answer)
{
    float *room = covey__scratch_get(scratch, covey_product_scratch(product) / sizeof(float) + 1);
    if (room == NULL) {
        return COVEY_ERR_NOMEM;
    }
    const float *input = (const float *)(const void *)work->input->data;
    return covey_product_run_wanted(product, input, room, answer, &work->wanted);
}

static covey_err unit_of(const struct covey_layer *l, const float *weights,
                         const struct covey_version_work *work, struct covey_scratch *scratch,
                         float *answer)
{
    struct covey_product *p = NULL;
    covey_err err = covey_product_new(l, weights, 1, &p);
    if (err == COVEY_OK) {
        err = run_product(p, work, scratch, answer);
    }
    covey_product_free(p);
    return err;
}

/* Convolutions are laid out for all slots at once; a dense layer reads its weights where they lie:
 * copying them takes longer than the product. */
static bool is_by_slot(const struct covey_version *v, size_t layer)
{
    const struct covey_layer *l = covey_model_layer(v->file->model, layer);
    return v->file->sparse || (l->kind == COVEY_LAYER_DENSE && l->exact == 0);
}

/* With at most one slot's weights in memory besides. */
static covey_err compute_by_slot(const struct covey_version *v,
                                 const struct covey_version_work *work,
                                 struct covey_scratch *scratch, struct covey_body **out)
{
    const struct covey_layer *l = covey_model_layer(v->file->model, work->layer);
    struct chosen *c = calloc(1, sizeof(*c));
    float *unit = aligned_alloc(64, (covey_layer_unit_floats(l) * sizeof(float) + 64) / 64 * 64);
    struct covey_body *body = NULL;
    size_t count = 0, floats = covey_layer_answer_floats(l);
    covey_err err = c != NULL && unit != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        count = choose_slots(v, work->layer, work->slots, c);
        err = covey_body_new(count * floats * sizeof(float), &body);
    }
    for (size_t i = 0; i < count && err == COVEY_OK; i++) {
        const float *weights = NULL;
        err = chosen_weights(c, i, unit, &weights);
        if (err == COVEY_OK) {
            err = unit_of(l, weights, work, scratch, (float *)(void *)body->data + i * floats);
        }
    }
    if (err == COVEY_OK) {
        *out = body;
        body = NULL;
    }
    covey_body_unref(body);
    free(unit);
    free(c);
    return err;
}

/* Parts of one layer. */
struct parts {
    const struct covey_own *const *part;
    size_t count;
    size_t floats; /* of one slot's answer */
};

static covey_err compute_parts(const struct parts *of, const struct covey_version_work *work,
                               struct covey_scratch *scratch, struct covey_body **out)
{
    size_t count = 0;
    for (size_t p = 0; p < of->count; p++) {
        count += of->part[p]->slots;
    }
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(count * of->floats * sizeof(float), &body);
    float *answer = err == COVEY_OK ? (float *)(void *)body->data : NULL;
    for (size_t p = 0; p < of->count && err == COVEY_OK; p++) {
        err = run_product(of->part[p]->product, work, scratch, answer);
        answer += of->part[p]->slots * of->floats;
    }
    if (err == COVEY_OK) {
        *out = body;
        body = NULL;
    }
    covey_body_unref(body);
    return err;
}

covey_err covey__version_compute(const struct covey_version *v,
                                 const struct covey_version_work *work,
                                 struct covey_scratch *scratch, struct covey_body **out)
{
    const struct covey_version_layer *vl = &v->layer[work->layer];
    const struct covey_layer *l = covey_model_layer(v->file->model, work->layer);
    struct covey_own once = {0};
    const struct covey_own *made = &once;
    struct parts parts = {vl->own, vl->owns, covey_layer_answer_floats(l)};
    float *weights = NULL;
    if (v->plan.layer[work->layer].by_rows) {
        return covey__rows_compute(v, work, scratch, out);
    }
    if (vl->owns > 0 && memcmp(work->slots, vl->own_slots, sizeof(work->slots)) == 0) {
        return compute_parts(&parts, work, scratch, out);
    }
    if (is_by_slot(v, work->layer)) {
        return compute_by_slot(v, work, scratch, out);
    }
    covey_err err = product_of(v, work, &weights, &once.product, &once.slots);
    if (err == COVEY_OK) {
        parts = (struct parts){&made, 1, parts.floats};
        err = compute_parts(&parts, work, scratch, out);
    }
    covey_product_free(once.product);
    free(weights);
    return err;
}

covey_err covey__version_check(const struct covey_version *v, size_t layer,
                               const struct covey_body *input, const struct covey_answers *answers,
                               struct covey_scratch *scratch, uint32_t *out_wrong)
{
    const struct covey_layer *l = covey_model_layer(v->file->model, layer);
    if (v->plan.layer[layer].by_rows) {
        return covey__rows_check(v, layer, answers, scratch, out_wrong);
    }
    struct covey_check_answer check[COVEY_PLAN_DEVICES_MAX];
    uint8_t device[COVEY_PLAN_DEVICES_MAX];
    size_t count = 0;
    for (uint8_t d = 0; d < v->plan.devices; d++) {
        const struct covey_secret *secret = v->layer[layer].secret[d];
        if (secret != NULL && answers->device[d] != NULL) {
            const float *answer = (const float *)(const void *)answers->device[d]->data;
            check[count] = (struct covey_check_answer){.s = secret->s,
                                                       .c = secret->c,
                                                       .answer = answer,
                                                       .slots = secret->slots,
                                                       .rounding = v->plan.half ? 0x1p-11f : 0};
            device[count++] = d;
        }
    }
    *out_wrong = 0;
    if (count == 0) {
        return COVEY_OK;
    }
    void *room = covey__scratch_get(scratch, covey_check_scratch(l, count) / sizeof(float) + 1);
    if (room == NULL) {
        return COVEY_ERR_NOMEM;
    }
    if (!covey_check_answers(l, (const float *)(const void *)input->data, check, count, room)) {
        for (size_t i = 0; i < count; i++) {
            *out_wrong |= check[i].wrong ? UINT32_C(1) << device[i] : 0;
        }
    }
    return COVEY_OK;
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

/* The same of int32. */
static covey_err rebuild_exactly(unsigned count, unsigned parity, const float *const *answers,
                                 float *const *out, size_t integers)
{
    const int32_t *answer[COVEY_GROUP_UNITS_MAX + 1] = {NULL};
    int32_t *unit[COVEY_GROUP_UNITS_MAX];
    for (unsigned j = 0; j < count; j++) {
        unit[j] = (int32_t *)(void *)out[j];
    }
    for (unsigned j = 0; j < count + parity; j++) {
        answer[j] = (const int32_t *)(const void *)answers[j];
    }
    return covey_exact_rebuild(count, answer, unit, integers);
}

covey_err covey__version_combine(const struct covey_version *v, size_t layer,
                                 const struct covey_answers *answers, float *product)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    const struct covey_layer *l = covey_model_layer(v->file->model, layer);
    size_t floats = covey_layer_answer_floats(l);
    const float *by_slot[COVEY_LAYER_SLOTS_MAX];
    covey_err err = COVEY_OK;
    if (pl->by_rows) {
        return covey__rows_combine(v, layer, answers, product);
    }
    find_answers(v, layer, floats, answers, by_slot);
    for (unsigned g = 0; g < pl->groups && err == COVEY_OK; g++) {
        unsigned first_unit, first_slot;
        unsigned count = covey_plan_group(pl, v->plan.parity, g, &first_unit, &first_slot);
        float *units[COVEY_GROUP_UNITS_MAX];
        for (unsigned j = 0; j < count; j++) {
            units[j] = product + (first_unit + j) * floats;
        }
        err = l->exact != 0
                  ? rebuild_exactly(count, v->plan.parity, by_slot + first_slot, units, floats)
                  : covey_split_rebuild(count, v->plan.parity, by_slot + first_slot, units, floats);
    }
    return err;
}
