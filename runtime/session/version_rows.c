/* SPDX-License-Identifier: MIT */
#include "version_rows.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "covey/check.h"
#include "covey/spatial.h"

static bool bit(const uint64_t *bits, unsigned index)
{
    return (bits[index / 64] >> (index % 64) & 1) != 0;
}

static const float *floats_of(const struct covey_body *body)
{
    return (const float *)(const void *)body->data;
}

static size_t answer_floats(const struct covey_layer *shape)
{
    return shape->units * covey_layer_answer_floats(shape);
}

/* ---- what each slot is computed from ---- */

covey_err covey__version_blocks(const struct covey_version *v, size_t layer, const float *input,
                                struct covey_body *out[static COVEY_PLAN_DEVICES_MAX])
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    const struct covey_layer *l = covey_model_layer(v->file->model, layer);
    const struct covey_layer *shape = &v->layer[layer].shape;
    size_t floats = covey_layer_input_floats(shape);
    const float *block[COVEY_GROUP_UNITS_MAX];
    covey_err err = COVEY_OK;
    for (unsigned s = 0; s < pl->slots && err == COVEY_OK; s++) {
        struct covey_body **body = &out[pl->holder[s]];
        err = covey_body_new(floats * sizeof(float), body);
        if (err != COVEY_OK) {
            break;
        }
        float *to = (float *)(void *)(*body)->data;
        if (s < pl->units) {
            covey_spatial_cut(l, shape, s, input, to);
            block[s] = to;
        } else {
            err = covey_split_encode(s - pl->units, pl->units, block, floats, to);
        }
    }
    return err;
}

/* ---- at the owner: its own slot, and those that nobody else will answer ---- */

static covey_err run(const struct covey_product *product, const struct covey_version_work *work,
                     const struct covey_body *block, struct covey_scratch *scratch, float *answer)
{
    float *room = covey__scratch_get(scratch, covey_product_scratch(product) / sizeof(float) + 1);
    if (room == NULL) {
        return COVEY_ERR_NOMEM;
    }
    return covey_product_run_wanted(product, floats_of(block), room, answer, &work->wanted);
}

/* One unit after the other, of which only one is in memory besides; all blocks with each. */
static covey_err run_units(const struct covey_version *v, const struct covey_version_work *work,
                           struct covey_scratch *scratch, float *answer)
{
    const struct covey_plan_layer *pl = &v->plan.layer[work->layer];
    const struct covey_layer *shape = &v->layer[work->layer].shape;
    size_t bytes = covey_layer_unit_floats(shape) * sizeof(float);
    size_t floats = covey_layer_answer_floats(shape);
    float *room = aligned_alloc(64, (bytes + 64) / 64 * 64);
    covey_err err = room != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    for (unsigned u = 0; u < shape->units && err == COVEY_OK; u++) {
        const float *weights = NULL;
        struct covey_product *product = NULL;
        float *to = answer + u * floats;
        err = covey__model_file_unit(v->file, work->layer, u, room, &weights);
        if (err == COVEY_OK) {
            err = covey_product_new(shape, weights, 1, &product);
        }
        for (unsigned s = 0; s < pl->slots && err == COVEY_OK; s++) {
            if (bit(work->slots, s)) {
                err = run(product, work, work->block[pl->holder[s]], scratch, to);
                to += answer_floats(shape);
            }
        }
        covey_product_free(product);
    }
    free(room);
    return err;
}

covey_err covey__rows_compute(const struct covey_version *v, const struct covey_version_work *work,
                              struct covey_scratch *scratch, struct covey_body **out)
{
    const struct covey_plan_layer *pl = &v->plan.layer[work->layer];
    const struct covey_version_layer *vl = &v->layer[work->layer];
    size_t count = 0;
    for (unsigned s = 0; s < pl->slots; s++) {
        count += bit(work->slots, s);
        if (bit(work->slots, s) && work->block[pl->holder[s]] == NULL) {
            return COVEY_ERR_STATE;
        }
    }
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(count * answer_floats(&vl->shape) * sizeof(float), &body);
    if (err != COVEY_OK) {
        return err;
    }
    float *to = (float *)(void *)body->data;
    if (vl->owns == 0) {
        err = run_units(v, work, scratch, to);
    }
    for (unsigned s = 0; s < pl->slots && vl->owns > 0 && err == COVEY_OK; s++) {
        if (bit(work->slots, s)) {
            err = run(vl->own[0]->product, work, work->block[pl->holder[s]], scratch, to);
            to += answer_floats(&vl->shape);
        }
    }
    if (err == COVEY_OK) {
        *out = body;
        body = NULL;
    }
    covey_body_unref(body);
    return err;
}

/* ---- what came ---- */

covey_err covey__rows_check(const struct covey_version *v, size_t layer,
                            const struct covey_answers *answers, struct covey_scratch *scratch,
                            uint32_t *out_wrong)
{
    const struct covey_version_layer *vl = &v->layer[layer];
    *out_wrong = 0;
    void *room =
        covey__scratch_get(scratch, covey_check_scratch(&vl->shape, 1) / sizeof(float) + 1);
    if (room == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (unsigned d = 0; d < v->plan.devices; d++) {
        const struct covey_secret *secret = vl->secret[d];
        if (secret == NULL || answers->device[d] == NULL) {
            continue;
        }
        struct covey_check_answer check = {.s = secret->s,
                                           .c = secret->c,
                                           .answer = floats_of(answers->device[d]),
                                           .slots = secret->slots};
        COVEY_ASSERT(answers->block[d] != NULL);
        if (!covey_check_answers(&vl->shape, floats_of(answers->block[d]), &check, 1, room)) {
            *out_wrong |= check.wrong ? UINT32_C(1) << d : 0;
        }
    }
    return COVEY_OK;
}

/* Where each slot's answer is, NULL where there is none. */
static void find(const struct covey_version *v, size_t layer, const struct covey_answers *answers,
                 const float **by_slot)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    size_t floats = answer_floats(&v->layer[layer].shape), local = 0;
    for (unsigned s = 0; s < pl->slots; s++) {
        const struct covey_body *body = answers->device[pl->holder[s]];
        by_slot[s] = body != NULL ? floats_of(body) : NULL;
        COVEY_ASSERT(body == NULL || body->len == floats * sizeof(float));
        if (answers->local != NULL && bit(answers->local_slots, s)) {
            COVEY_ASSERT((local + floats) * sizeof(float) <= answers->local->len);
            by_slot[s] = floats_of(answers->local) + local;
            local += floats;
        }
    }
}

covey_err covey__rows_combine(const struct covey_version *v, size_t layer,
                              const struct covey_answers *answers, float *product)
{
    const struct covey_plan_layer *pl = &v->plan.layer[layer];
    const struct covey_layer *l = covey_model_layer(v->file->model, layer);
    const struct covey_layer *shape = &v->layer[layer].shape;
    const float *by_slot[COVEY_LAYER_SLOTS_MAX];
    float *block[COVEY_GROUP_UNITS_MAX] = {NULL}, *made[COVEY_GROUP_UNITS_MAX] = {NULL};
    size_t floats = answer_floats(shape);
    covey_err err = COVEY_OK;
    find(v, layer, answers, by_slot);
    for (unsigned i = 0; i < pl->units; i++) {
        if (by_slot[i] == NULL) {
            made[i] = malloc(floats * sizeof(float));
            err = made[i] == NULL ? COVEY_ERR_NOMEM : err;
        }
        /* What came is only read: it is where it shall be. */
        block[i] = made[i] != NULL ? made[i] : (float *)(uintptr_t)by_slot[i];
    }
    if (err == COVEY_OK) {
        err = covey_split_rebuild(pl->units, v->plan.parity, by_slot, block, floats);
    }
    for (unsigned i = 0; i < pl->units; i++) {
        if (err == COVEY_OK) {
            covey_spatial_join(l, shape, i, block[i], product);
        }
        free(made[i]);
    }
    return err;
}
