/* SPDX-License-Identifier: MIT */
#include "manifest_private.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

_Static_assert(sizeof(enum covey_act) == sizeof(uint32_t) &&
                   sizeof(enum covey_type) == sizeof(uint32_t),
               "enums are written as 32 bits");

enum kind { KIND_U32, KIND_I32, KIND_I64, KIND_FLOAT, KIND_DOUBLE, KIND_BOOL, KIND_ENUM };

/* One row an attribute; its key is its row number + 1. Rows are append-only. */
struct field {
    enum kind kind;
    uint8_t count; /* 1: a plain item; more: an array of at most that many, trailing defaults cut */
    uint8_t limit; /* ENUM: values are below it */
    size_t offset;
};

#define FIELD(kind, count, name)                                                                   \
    {                                                                                              \
        kind, count, 0, offsetof(struct covey_op_attrs, name)                                      \
    }
#define FIELD_ENUM(name, limit)                                                                    \
    {                                                                                              \
        KIND_ENUM, 1, limit, offsetof(struct covey_op_attrs, name)                                 \
    }
static const struct field fields[] = {
    FIELD(KIND_U32, COVEY_SPATIAL_MAX, kernel),
    FIELD(KIND_U32, COVEY_SPATIAL_MAX, stride),
    FIELD(KIND_U32, COVEY_SPATIAL_MAX, dilation),
    FIELD(KIND_U32, COVEY_SPATIAL_MAX, pads),
    FIELD(KIND_U32, COVEY_SPATIAL_MAX, pads_end),
    FIELD(KIND_U32, COVEY_SPATIAL_MAX, out_pads),
    FIELD(KIND_U32, 1, groups),
    FIELD(KIND_BOOL, 1, ceil_mode),
    FIELD(KIND_BOOL, 1, count_include_pad),
    FIELD(KIND_BOOL, 1, keepdims),
    FIELD(KIND_BOOL, 1, exclude_outside),
    FIELD(KIND_BOOL, 1, antialias),
    FIELD(KIND_I32, 1, axis),
    FIELD(KIND_U32, 1, axes),
    FIELD(KIND_FLOAT, 1, epsilon),
    FIELD(KIND_FLOAT, 1, alpha),
    FIELD(KIND_FLOAT, 1, beta),
    FIELD(KIND_FLOAT, 1, bias),
    FIELD(KIND_FLOAT, 1, low),
    FIELD(KIND_FLOAT, 1, high),
    FIELD(KIND_DOUBLE, 1, value),
    FIELD(KIND_U32, 1, size),
    FIELD(KIND_U32, 1, mode),
    FIELD_ENUM(to, COVEY_TYPE_COUNT),
    FIELD_ENUM(coordinates, COVEY_COORD_COUNT),
    FIELD_ENUM(nearest, COVEY_NEAREST_COUNT),
    FIELD_ENUM(act, COVEY_ACT_COUNT),
    {KIND_U32, 0, 0, offsetof(struct covey_op_attrs, shape_rank)}, /* see put_rank() */
    FIELD(KIND_I64, COVEY_RANK_MAX, shape),
    FIELD(KIND_I64, COVEY_RANK_MAX, start),
    FIELD(KIND_I64, COVEY_RANK_MAX, step),
    FIELD(KIND_I32, 2 * COVEY_RANK_MAX, pad),
    FIELD(KIND_FLOAT, COVEY_RANK_MAX, scale),
    FIELD(KIND_FLOAT, 2 * COVEY_RANK_MAX, roi),
    FIELD(KIND_U32, COVEY_NODE_OUTPUTS_MAX, sizes),
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

/* shape_rank is a byte: the one field of its kind. */
static bool is_rank(const struct field *f)
{
    return f->count == 0;
}

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
    case KIND_DOUBLE:
        return sizeof(double);
    case KIND_ENUM:
        return sizeof(enum covey_act);
    }
    return 0;
}

/* Items in front of the trailing ones that have their default. */
static size_t items_of(const struct covey_op_attrs *a, const struct field *f)
{
    struct covey_op_attrs init;
    size_t size = kind_size(f->kind), count = f->count;
    if (is_rank(f)) {
        return a->shape_rank != 0;
    }
    covey_op_attrs_init(&init);
    const uint8_t *have = (const uint8_t *)a + f->offset;
    const uint8_t *other = (const uint8_t *)&init + f->offset;
    while (count > 0 && memcmp(have + (count - 1) * size, other + (count - 1) * size, size) == 0) {
        count--;
    }
    return count;
}

static bool is_default(const struct covey_op_attrs *a, const struct field *f)
{
    return items_of(a, f) == 0;
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
    double real;
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
    case KIND_DOUBLE:
        memcpy(&real, at, sizeof(real));
        covey_cbor_put_float(w, real);
        break;
    case KIND_ENUM: /* all enums of the attributes have the size of an unsigned */
        memcpy(&u32, at, sizeof(u32));
        covey_cbor_put_uint(w, u32);
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
        size_t count = f->count == 1 ? 1 : items_of(a, f);
        covey_cbor_put_uint(w, i + 1);
        if (is_rank(f)) {
            covey_cbor_put_uint(w, a->shape_rank);
            continue;
        }
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

static uint32_t get_u32(struct covey_cbor_reader *r, const struct field *f)
{
    uint64_t max = f->kind == KIND_ENUM ? f->limit - 1u : UINT32_MAX;
    return (uint32_t)covey_cbor_get_uint(r, max);
}

static int32_t get_i32(struct covey_cbor_reader *r)
{
    int64_t v = covey_cbor_get_int(r);
    if (v < INT32_MIN || v > INT32_MAX) {
        r->err = r->err == COVEY_OK ? COVEY_ERR_RANGE : r->err;
        v = 0;
    }
    return (int32_t)v;
}

static void get_item(struct covey_cbor_reader *r, const struct field *f, uint8_t *at)
{
    union {
        uint32_t u32;
        int32_t i32;
        int64_t i64;
        float number;
        double real;
        bool flag;
    } v = {0};
    switch (f->kind) {
    case KIND_U32:
    case KIND_ENUM:
        v.u32 = get_u32(r, f);
        break;
    case KIND_I32:
        v.i32 = get_i32(r);
        break;
    case KIND_I64:
        v.i64 = covey_cbor_get_int(r);
        break;
    case KIND_FLOAT:
        v.number = get_float(r);
        break;
    case KIND_DOUBLE:
        v.real = covey_cbor_get_float(r);
        break;
    case KIND_BOOL:
        v.flag = covey_cbor_get_bool(r);
        break;
    }
    memcpy(at, &v, kind_size(f->kind));
}

static void get_field(struct covey_cbor_reader *r, const struct field *f,
                      struct covey_op_attrs *out)
{
    size_t count = 1;
    if (is_rank(f)) {
        out->shape_rank = (uint8_t)covey_cbor_get_uint(r, COVEY_RANK_MAX);
        return;
    }
    if (f->count != 1) {
        count = covey_cbor_enter_array(r, f->count);
    }
    for (size_t j = 0; j < count && r->err == COVEY_OK; j++) {
        get_item(r, f, (uint8_t *)out + f->offset + j * kind_size(f->kind));
    }
    if (r->err == COVEY_OK && is_default(out, f)) {
        r->err = COVEY_ERR_MALFORMED; /* what is not needed is not written: one form only */
    }
    if (r->err == COVEY_OK && f->count != 1 && items_of(out, f) != count) {
        r->err = COVEY_ERR_MALFORMED;
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
