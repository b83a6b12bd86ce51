/* SPDX-License-Identifier: MIT */
#include "manifest_private.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

enum kind { KIND_U32, KIND_I32, KIND_I64, KIND_FLOAT, KIND_BOOL, KIND_ACT };

/* One row an attribute; its key is its row number + 1. Rows are append-only. */
struct field {
    enum kind kind;
    uint8_t count; /* 1: a plain item; more: an array of that many */
    size_t offset;
};

#define FIELD(kind, count, name)                                                                   \
    {                                                                                              \
        kind, count, offsetof(struct covey_op_attrs, name)                                         \
    }
static const struct field fields[] = {
    FIELD(KIND_U32, 2, kernel),
    FIELD(KIND_U32, 2, stride),
    FIELD(KIND_U32, 2, dilation),
    FIELD(KIND_U32, 4, pads),
    FIELD(KIND_U32, 1, groups),
    FIELD(KIND_BOOL, 1, ceil_mode),
    FIELD(KIND_BOOL, 1, count_include_pad),
    FIELD(KIND_BOOL, 1, keepdims),
    FIELD(KIND_I32, 1, axis),
    FIELD(KIND_U32, 1, axes),
    FIELD(KIND_FLOAT, 1, epsilon),
    FIELD(KIND_FLOAT, 1, alpha),
    FIELD(KIND_FLOAT, 1, beta),
    FIELD(KIND_FLOAT, 1, bias),
    FIELD(KIND_FLOAT, 1, low),
    FIELD(KIND_FLOAT, 1, high),
    FIELD(KIND_FLOAT, 1, value),
    FIELD(KIND_U32, 1, size),
    {KIND_I64, 0, offsetof(struct covey_op_attrs, shape)}, /* shape_rank entries */
    FIELD(KIND_U32, 2 * COVEY_RANK_MAX, pad),
    FIELD(KIND_ACT, 1, act),
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static size_t kind_size(enum kind kind)
{
    switch (kind) {
    case KIND_U32:
        return sizeof(uint32_t);
    case KIND_I32:
        return sizeof(int32_t);
    case KIND_I64:
        return sizeof(int64_t);
    case KIND_FLOAT:
        return sizeof(float);
    case KIND_BOOL:
        return sizeof(bool);
    case KIND_ACT:
        return sizeof(enum covey_act);
    }
    return 0;
}

static bool is_default(const struct covey_op_attrs *a, const struct field *f)
{
    struct covey_op_attrs init;
    if (f->kind == KIND_I64) {
        return a->shape_rank == 0;
    }
    covey_op_attrs_init(&init);
    return memcmp((const uint8_t *)a + f->offset, (const uint8_t *)&init + f->offset,
                  f->count * kind_size(f->kind)) == 0;
}

size_t covey__attrs_count(const struct covey_op_attrs *a)
{
    size_t count = 0;
    for (size_t i = 0; i < FIELDS; i++) {
        count += !is_default(a, &fields[i]);
    }
    return count;
}

static void put_item(struct covey_cbor_writer *w, enum kind kind, const uint8_t *at)
{
    uint32_t u32;
    int32_t i32;
    int64_t i64;
    float number;
    switch (kind) {
    case KIND_U32:
        memcpy(&u32, at, sizeof(u32));
        covey_cbor_put_uint(w, u32);
        break;
    case KIND_I32:
        memcpy(&i32, at, sizeof(i32));
        covey_cbor_put_int(w, i32);
        break;
    case KIND_I64:
        memcpy(&i64, at, sizeof(i64));
        covey_cbor_put_int(w, i64);
        break;
    case KIND_FLOAT:
        memcpy(&number, at, sizeof(number));
        covey_cbor_put_float(w, (double)number);
        break;
    case KIND_BOOL:
        covey_cbor_put_bool(w, *(const bool *)at);
        break;
    case KIND_ACT:
        covey_cbor_put_uint(w, (uint64_t) * (const enum covey_act *)(const void *)at);
        break;
    }
}

void covey__attrs_put(struct covey_cbor_writer *w, const struct covey_op_attrs *a)
{
    covey_cbor_put_map(w, covey__attrs_count(a));
    for (size_t i = 0; i < FIELDS; i++) {
        const struct field *f = &fields[i];
        if (is_default(a, f)) {
            continue;
        }
        size_t count = f->kind == KIND_I64 ? a->shape_rank : f->count;
        covey_cbor_put_uint(w, i + 1);
        if (f->count != 1) {
            covey_cbor_put_array(w, count);
        }
        for (size_t j = 0; j < count; j++) {
            put_item(w, f->kind, (const uint8_t *)a + f->offset + j * kind_size(f->kind));
        }
    }
}

/* Only what a float holds exactly: anything else would not be written back the same. */
static float get_float(struct covey_cbor_reader *r)
{
    double v = covey_cbor_get_float(r);
    bool fits = isinf(v) || (fabs(v) <= (double)FLT_MAX && (double)(float)v == v);
    if (r->err == COVEY_OK && !fits) {
        r->err = COVEY_ERR_RANGE;
    }
    return r->err == COVEY_OK ? (float)v : 0.0f;
}

static void get_item(struct covey_cbor_reader *r, enum kind kind, uint8_t *at)
{
    uint32_t u32;
    int64_t i64;
    int32_t i32;
    float number;
    switch (kind) {
    case KIND_U32:
        u32 = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        memcpy(at, &u32, sizeof(u32));
        break;
    case KIND_I32:
        i64 = covey_cbor_get_int(r);
        if (i64 < INT32_MIN || i64 > INT32_MAX) {
            r->err = COVEY_ERR_RANGE;
            i64 = 0;
        }
        i32 = (int32_t)i64;
        memcpy(at, &i32, sizeof(i32));
        break;
    case KIND_I64:
        i64 = covey_cbor_get_int(r);
        memcpy(at, &i64, sizeof(i64));
        break;
    case KIND_FLOAT:
        number = get_float(r);
        memcpy(at, &number, sizeof(number));
        break;
    case KIND_BOOL:
        *(bool *)at = covey_cbor_get_bool(r);
        break;
    case KIND_ACT:
        *(enum covey_act *)(void *)at = (enum covey_act)covey_cbor_get_uint(r, COVEY_ACT_TANH);
        break;
    }
}

static void get_field(struct covey_cbor_reader *r, const struct field *f,
                      struct covey_op_attrs *out)
{
    size_t count = 1;
    if (f->count != 1) {
        count = covey_cbor_enter_array(r, f->kind == KIND_I64 ? COVEY_RANK_MAX : f->count);
        if (r->err == COVEY_OK && (f->kind == KIND_I64 ? count == 0 : count != f->count)) {
            r->err = COVEY_ERR_MALFORMED;
        }
    }
    for (size_t j = 0; j < count && r->err == COVEY_OK; j++) {
        get_item(r, f->kind, (uint8_t *)out + f->offset + j * kind_size(f->kind));
    }
    if (f->kind == KIND_I64 && r->err == COVEY_OK) {
        out->shape_rank = (uint8_t)count;
    }
    if (f->count != 1) {
        covey_cbor_leave(r);
    }
}

void covey__attrs_get(struct covey_cbor_reader *r, struct covey_op_attrs *out)
{
    uint64_t key = 0;
    covey_cbor_enter_map(r, FIELDS);
    while (covey_cbor_next_key(r, &key)) {
        if (key == 0 || key > FIELDS) {
            r->err = COVEY_ERR_UNSUPPORTED; /* an attribute that is not known changes the result */
            return;
        }
        get_field(r, &fields[key - 1], out);
    }
}
