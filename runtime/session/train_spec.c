/* SPDX-License-Identifier: MIT */
#include "train_spec.h"

#include <math.h>
#include <string.h>

#include "covey/field.h"

/* Samples of one part: no more than a tensor has elements. */
enum { PART_MAX = COVEY_TENSOR_ELEMENTS_MAX, PARTS = COVEY_GRADIENT_SPARE_MAX + 1 };

static void store_float(uint8_t *p, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    covey_store32(p, bits);
}

static float load_float(const uint8_t *p)
{
    uint32_t bits = covey_load32(p);
    float v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

static bool is_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) {
        any |= p[i];
    }
    return any == 0;
}

/* ---- ENLIST: mode, model, part, smoothing, seed ---- */

void covey__enlist_spec_encode(const struct covey_enlist_spec *s,
                               uint8_t out[static COVEY_ENLIST_SPEC_BYTES])
{
    out[0] = (uint8_t)s->mode;
    memcpy(out + 1, s->model.bytes, 32);
    covey_store32(out + 33, s->part);
    store_float(out + 37, s->label_smoothing);
    covey_store64(out + 41, s->seed);
}

covey_err covey__enlist_spec_decode(struct covey_bytes in, struct covey_enlist_spec *out)
{
    if (in.len != COVEY_ENLIST_SPEC_BYTES) {
        return COVEY_ERR_MALFORMED;
    }
    struct covey_enlist_spec s = {.mode = (enum covey_train_mode)in.ptr[0],
                                  .part = covey_load32(in.ptr + 33),
                                  .label_smoothing = load_float(in.ptr + 37),
                                  .seed = covey_load64(in.ptr + 41)};
    memcpy(s.model.bytes, in.ptr + 1, sizeof(s.model.bytes));
    bool products = s.mode == COVEY_TRAIN_PRODUCTS && is_zero(in.ptr + 1, in.len - 1);
    bool data = s.mode == COVEY_TRAIN_DATA && s.part >= 1 && s.part <= PART_MAX &&
                s.label_smoothing >= 0 && s.label_smoothing < 1 && !signbit(s.label_smoothing);
    if (!products && !data) {
        return COVEY_ERR_RANGE;
    }
    *out = s;
    return COVEY_OK;
}

/* ---- ROUND: mode, product, prime, own B, step ---- */

enum { ROUND_PRIME = 1 + COVEY_TRAIN_PRODUCT_BYTES };

void covey__round_spec_encode(const struct covey_round_spec *s,
                              uint8_t out[static COVEY_ROUND_SPEC_BYTES])
{
    memset(out, 0, COVEY_ROUND_SPEC_BYTES);
    out[0] = (uint8_t)s->mode;
    if (s->mode == COVEY_TRAIN_PRODUCTS) {
        covey_train_product_encode(&s->product, out + 1);
        out[ROUND_PRIME] = s->prime;
        out[ROUND_PRIME + 1] = s->own_b;
    }
    covey_store64(out + ROUND_PRIME + 2, s->step);
}

covey_err covey__round_spec_decode(struct covey_bytes in, struct covey_round_spec *out)
{
    if (in.len != COVEY_ROUND_SPEC_BYTES) {
        return COVEY_ERR_MALFORMED;
    }
    struct covey_round_spec s = {.mode = (enum covey_train_mode)in.ptr[0],
                                 .prime = in.ptr[ROUND_PRIME],
                                 .own_b = in.ptr[ROUND_PRIME + 1] != 0,
                                 .step = covey_load64(in.ptr + ROUND_PRIME + 2)};
    if (s.mode == COVEY_TRAIN_DATA) {
        if (!is_zero(in.ptr + 1, ROUND_PRIME + 1)) {
            return COVEY_ERR_RANGE;
        }
        *out = s;
        return COVEY_OK;
    }
    if (s.mode != COVEY_TRAIN_PRODUCTS || s.prime > COVEY_FIELD_PRIMES ||
        in.ptr[ROUND_PRIME + 1] > 1) {
        return COVEY_ERR_RANGE;
    }
    covey_err err = covey_train_product_decode(
        covey_bytes_of(in.ptr + 1, COVEY_TRAIN_PRODUCT_BYTES), &s.product);
    if (err == COVEY_OK) {
        *out = s;
    }
    return err;
}

/* ---- TASK: rows, count, parts, coefficients ---- */

void covey__task_spec_encode(const struct covey_task_spec *s,
                             uint8_t out[static COVEY_TASK_SPEC_BYTES])
{
    memset(out, 0, COVEY_TASK_SPEC_BYTES);
    covey_store32(out, s->rows);
    out[4] = s->count;
    for (size_t i = 0; i < s->count; i++) {
        covey_store32(out + 5 + 4 * i, s->part[i]);
        store_float(out + 5 + 4 * (PARTS + i), s->coefficient[i]);
    }
}

covey_err covey__task_spec_decode(struct covey_bytes in, struct covey_task_spec *out)
{
    if (in.len != COVEY_TASK_SPEC_BYTES) {
        return COVEY_ERR_MALFORMED;
    }
    struct covey_task_spec s = {.rows = covey_load32(in.ptr), .count = in.ptr[4]};
    if (s.count > PARTS || (s.count == 0) != (s.rows != 0)) {
        return COVEY_ERR_RANGE;
    }
    for (size_t i = 0; i < s.count; i++) {
        s.part[i] = covey_load32(in.ptr + 5 + 4 * i);
        s.coefficient[i] = load_float(in.ptr + 5 + 4 * (PARTS + i));
        if (!isfinite(s.coefficient[i])) {
            return COVEY_ERR_RANGE;
        }
    }
    size_t unused = 4u * (PARTS - s.count);
    if (!is_zero(in.ptr + 5 + 4u * s.count, unused) ||
        !is_zero(in.ptr + 5 + 4u * (PARTS + s.count), unused)) {
        return COVEY_ERR_RANGE;
    }
    *out = s;
    return COVEY_OK;
}
