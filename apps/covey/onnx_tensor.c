/* SPDX-License-Identifier: MIT */
#include "onnx_build.h"

#include "onnx_walk.h"

/* Weights are used where they lie in the file. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX's raw data is little-endian");

/* The field of a TensorProto that holds elements of a type where raw_data does not. */
enum field { FIELD_FLOAT, FIELD_INT32, FIELD_INT64, FIELD_DOUBLE, FIELD_UINT64 };

static const struct type {
    int32_t onnx;
    enum covey_type type;
    enum field field;
    int64_t low, high; /* of INT32 and UINT64, which also hold smaller types */
} types[] = {
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, COVEY_TYPE_F32, FIELD_FLOAT, 0, 0},
    {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, COVEY_TYPE_F64, FIELD_DOUBLE, 0, 0},
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, COVEY_TYPE_F16, FIELD_INT32, 0, UINT16_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, COVEY_TYPE_U8, FIELD_INT32, 0, UINT8_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT8, COVEY_TYPE_I8, FIELD_INT32, INT8_MIN, INT8_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT16, COVEY_TYPE_U16, FIELD_INT32, 0, UINT16_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT16, COVEY_TYPE_I16, FIELD_INT32, INT16_MIN, INT16_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, COVEY_TYPE_I32, FIELD_INT32, INT32_MIN, INT32_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, COVEY_TYPE_BOOL, FIELD_INT32, 0, 1},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, COVEY_TYPE_I64, FIELD_INT64, 0, 0},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT32, COVEY_TYPE_U32, FIELD_UINT64, 0, UINT32_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT64, COVEY_TYPE_U64, FIELD_UINT64, INT64_MIN, INT64_MAX},
};

static const struct type *find_type(int64_t onnx)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].onnx == onnx) {
            return &types[i];
        }
    }
    return NULL;
}

enum covey_type covey__onnx_type(int64_t onnx)
{
    const struct type *type = find_type(onnx);
    return type ? type->type : COVEY_TYPE_COUNT;
}

static const char *tensor_name(const Onnx__TensorProto *t)
{
    return t->name && t->name[0] ? t->name : "(unnamed)";
}

static void refuse(struct covey_onnx_build *b, covey_err err, const Onnx__TensorProto *t,
                   const char *what)
{
    covey__onnx_fail(b, err, "tensor '%.60s': %s", tensor_name(t), what);
}

/* Shape with all bounds checked. */
static struct covey_shape tensor_shape(struct covey_onnx_build *b, const Onnx__TensorProto *t,
                                       size_t *out_count)
{
    struct covey_shape shape = {0};
    *out_count = 0;
    if (t->n_dims > COVEY_RANK_MAX) {
        refuse(b, COVEY_ERR_LIMIT, t, "more than 8 dimensions");
        return shape;
    }
    shape.rank = (uint8_t)t->n_dims;
    for (size_t i = 0; i < t->n_dims; i++) {
        bool bad = t->dims[i] < 0 || t->dims[i] > COVEY_TENSOR_ELEMENTS_MAX;
        if (bad) {
            refuse(b, COVEY_ERR_RANGE, t, "a dimension is out of range");
        }
        shape.dims[i] = bad ? 0 : (uint32_t)t->dims[i];
    }
    if (!b->err && covey_shape_count(&shape, out_count)) {
        refuse(b, COVEY_ERR_LIMIT, t, "too many elements");
    }
    return shape;
}

/* Where raw_data lies in the file, from the reference the walk left. */
static bool find_raw(struct covey_bytes file, const Onnx__TensorProto *t, struct covey_bytes *out)
{
    if (!t->has_raw_data || t->raw_data.len != COVEY_WALK_RAW_BYTES) {
        return false;
    }
    uint64_t at = covey_load64(t->raw_data.data);
    uint64_t len = covey_load64(t->raw_data.data + 8);
    COVEY_ASSERT(at <= file.len && len <= file.len - at);
    *out = covey_bytes_of(file.ptr + at, (size_t)len);
    return true;
}

static size_t field_count(const Onnx__TensorProto *t, enum field field)
{
    switch (field) {
    case FIELD_FLOAT:
        return t->n_float_data;
    case FIELD_INT32:
        return t->n_int32_data;
    case FIELD_INT64:
        return t->n_int64_data;
    case FIELD_DOUBLE:
        return t->n_double_data;
    case FIELD_UINT64:
        return t->n_uint64_data;
    }
    return 0;
}

/* Elements of a typed field in the bytes of their type; false: one does not fit. */
static bool copy_field(const Onnx__TensorProto *t, const struct type *type, size_t count,
                       uint8_t *out)
{
    size_t bytes = covey_type_size(type->type);
    const void *same = type->field == FIELD_FLOAT    ? (const void *)t->float_data
                       : type->field == FIELD_DOUBLE ? (const void *)t->double_data
                       : type->field == FIELD_INT64  ? (const void *)t->int64_data
                                                     : NULL;
    if (same) {
        memcpy(out, same, count * bytes);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t v = type->field == FIELD_INT32 ? t->int32_data[i] : (int64_t)t->uint64_data[i];
        if (v < type->low || v > type->high) {
            return false;
        }
        memcpy(out + i * bytes, &v, bytes); /* little-endian: the low bytes come first */
    }
    return true;
}

/* Bools that are neither 0 nor 1 would be other numbers to each operator. */
static bool all_bools(struct covey_bytes raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] > 1) {
            return false;
        }
    }
    return true;
}

/* Moves raw_data in our copy of the file to where its floats are aligned, over its tag and length,
 * which nobody reads any more: a copy would need the weights' memory twice. */
static struct covey_bytes align_raw(struct covey_onnx_build *b, const Onnx__TensorProto *t,
                                    const struct type *type, struct covey_bytes raw)
{
    enum { HEAD = 3 }; /* bytes of tag and length of 128 bytes and more */
    size_t off = (uintptr_t)raw.ptr % covey_type_size(type->type);
    bool inside = raw.ptr >= b->file.ptr && raw.ptr < b->file.ptr + b->file.len;
    if (!b->movable || !inside || off == 0 || off > HEAD || raw.len < 128) {
        return raw;
    }
    size_t at = (size_t)(raw.ptr - b->file.ptr) - off;
    memmove(b->movable + at, raw.ptr, raw.len);
    covey_store64(t->raw_data.data, at); /* where it is now */
    return covey_bytes_of(b->file.ptr + at, raw.len);
}

/* The elements at raw, borrowed where they are aligned. */
static uint16_t add_raw(struct covey_onnx_build *b, const Onnx__TensorProto *t,
                        const struct type *type, const struct covey_shape *shape,
                        struct covey_bytes raw)
{
    struct covey_graph_value v = {.type = type->type, .shape = *shape, .constant = true};
    uint16_t index = 0;
    if (type->type == COVEY_TYPE_BOOL && !all_bools(raw)) {
        refuse(b, COVEY_ERR_RANGE, t, "a bool is neither 0 nor 1");
        return 0;
    }
    if (raw.len == 0 || (uintptr_t)raw.ptr % covey_type_size(type->type) != 0) {
        void *copy = covey__onnx_make(b, type->type, shape, &index);
        if (copy && raw.len > 0) {
            memcpy(copy, raw.ptr, raw.len);
        }
        return index;
    }
    v.data = raw.ptr;
    v.writable = b->movable && raw.ptr >= b->file.ptr && raw.ptr < b->file.ptr + b->file.len;
    covey_err err = covey_graph_add_value(b->graph, &v, &index);
    if (err) {
        refuse(b, err, t, covey_strerror(err));
    }
    return index;
}

uint16_t covey__onnx_tensor(struct covey_onnx_build *b, const Onnx__TensorProto *t)
{
    struct covey_bytes raw = {0};
    uint16_t index = 0;
    size_t count = 0;
    const struct type *type = find_type(t->data_type);
    struct covey_shape shape = tensor_shape(b, t, &count);
    if (!type) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED,
                         "tensor '%.60s': element type %d is not supported", tensor_name(t),
                         (int)t->data_type);
    }
    if (b->err) {
        return 0;
    }
    bool external =
        t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    if (external) {
        raw = covey__onnx_external(b, t);
    }
    bool is_raw = external || find_raw(b->file, t, &raw);
    size_t have = is_raw ? raw.len : field_count(t, type->field);
    size_t want = is_raw ? count * covey_type_size(type->type) : count;
    if (have != want) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "tensor '%.60s' has %zu %s, its shape needs %zu",
                         tensor_name(t), have, is_raw ? "bytes" : "elements", want);
    }
    if (b->err) {
        return 0;
    }
    if (is_raw) {
        return add_raw(b, t, type, &shape, external ? raw : align_raw(b, t, type, raw));
    }
    uint8_t *copy = covey__onnx_make(b, type->type, &shape, &index);
    if (copy && count > 0 && !copy_field(t, type, count, copy)) {
        refuse(b, COVEY_ERR_RANGE, t, "an element is outside its type");
    }
    return index;
}
