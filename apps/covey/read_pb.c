/* SPDX-License-Identifier: MIT */
#include "read_typed.h"

#include <stdlib.h>

#include "onnx.pb-c.h"
#include "onnx_walk.h"
#include "read_file.h"
#include "read_input.h"
#include "read_why.h"

/* The field of a TensorProto that holds elements of a type where raw_data does not. */
enum field { FIELD_FLOAT, FIELD_INT32, FIELD_INT64, FIELD_DOUBLE, FIELD_UINT64 };

struct type {
    int32_t onnx;
    enum covey_type type;
    enum field field;
    int64_t low, high; /* of INT32 and UINT64, which also hold smaller types */
};

/* onnx.proto, TensorProto: which field stands for which type. */
static const struct type types[] = {
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
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT64, COVEY_TYPE_U64, FIELD_UINT64, 0, INT64_MAX},
};

static const struct type *find_type(int32_t onnx)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].onnx == onnx) {
            return &types[i];
        }
    }
    return NULL;
}

static covey_err find_shape(const Onnx__TensorProto *t, struct covey_shape *out, size_t *out_count,
                            struct covey_nn_error *why)
{
    struct covey_shape shape = {0};
    if (t->n_dims > COVEY_RANK_MAX) {
        return covey__why(COVEY_ERR_LIMIT, why, "it has %zu dimensions, at most %d", t->n_dims,
                          COVEY_RANK_MAX);
    }
    shape.rank = (uint8_t)t->n_dims;
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 0 || t->dims[i] > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__why(COVEY_ERR_RANGE, why, "it has dimension %lld", (long long)t->dims[i]);
        }
        shape.dims[i] = (uint32_t)t->dims[i];
    }
    if (covey_shape_count(&shape, out_count)) {
        return covey__why(COVEY_ERR_LIMIT, why, "it has more than %d elements",
                          COVEY_TENSOR_ELEMENTS_MAX);
    }
    *out = shape;
    return COVEY_OK;
}

/* The walk put into raw_data where it is in the file. */
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

/* Integers of a wider field in the bytes of their type; false: one does not fit. */
static bool narrow(const Onnx__TensorProto *t, const struct type *type, size_t count, uint8_t *out)
{
    size_t bytes = covey_type_size(type->type);
    for (size_t i = 0; i < count; i++) {
        uint64_t value =
            type->field == FIELD_INT32 ? (uint64_t)(int64_t)t->int32_data[i] : t->uint64_data[i];
        bool wide = type->type == COVEY_TYPE_U64;
        if (!wide && ((int64_t)value < type->low || (int64_t)value > type->high)) {
            return false;
        }
        memcpy(out + i * bytes, &value, bytes); /* little-endian: the low bytes come first */
    }
    return true;
}

static bool copy_field(const Onnx__TensorProto *t, const struct type *type, size_t count, void *out)
{
    size_t len = count * covey_type_size(type->type);
    const void *from = type->field == FIELD_FLOAT    ? (const void *)t->float_data
                       : type->field == FIELD_DOUBLE ? (const void *)t->double_data
                                                     : (const void *)t->int64_data;
    if (type->field == FIELD_INT32 || type->field == FIELD_UINT64) {
        return narrow(t, type, count, out);
    }
    if (len > 0) {
        memcpy(out, from, len);
    }
    return true;
}

static covey_err convert(struct covey_bytes file, const Onnx__TensorProto *t,
                         struct covey_tensor *out, struct covey_nn_error *why)
{
    struct covey_bytes raw = {0};
    struct covey_tensor made = {0};
    size_t count = 0;
    const struct type *type = find_type(t->data_type);
    if (!type) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why, "its element type %d is not supported",
                          (int)t->data_type);
    }
    if (t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why, "its elements are in another file");
    }
    covey_err err = find_shape(t, &made.shape, &count, why);
    if (err) {
        return err;
    }
    size_t bytes = covey_type_size(type->type);
    bool is_raw = find_raw(file, t, &raw);
    size_t have = is_raw ? raw.len : field_count(t, type->field);
    size_t want = is_raw ? count * bytes : count;
    if (have != want) {
        return covey__why(COVEY_ERR_MALFORMED, why, "it has %zu %s, its shape needs %zu", have,
                          is_raw ? "bytes" : "elements", want);
    }
    uint8_t *data = malloc(count * bytes + 1);
    if (!data) {
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    if (is_raw && raw.len > 0) {
        memcpy(data, raw.ptr, raw.len);
    } else if (!is_raw && !copy_field(t, type, count, data)) {
        free(data);
        return covey__why(COVEY_ERR_RANGE, why, "an element is outside its type");
    }
    for (size_t i = 0; type->type == COVEY_TYPE_BOOL && i < count; i++) {
        data[i] = data[i] != 0;
    }
    made.type = type->type;
    made.data = data;
    *out = made;
    return COVEY_OK;
}

covey_err covey__decode_pb(struct covey_bytes in, struct covey_tensor *out,
                           struct covey_nn_error *why)
{
    struct covey_buf slim = {0};
    covey_err err = covey_onnx_walk(in, COVEY_WALK_TENSOR, &slim, why);
    if (err) {
        return err;
    }
    Onnx__TensorProto *t = onnx__tensor_proto__unpack(NULL, slim.len, slim.ptr);
    if (t) {
        err = convert(in, t, out, why);
        onnx__tensor_proto__free_unpacked(t, NULL);
    } else {
        err = covey__why(COVEY_ERR_MALFORMED, why, "it is not a TensorProto");
    }
    free(slim.ptr);
    return err;
}

static void pack_shape(const struct covey_shape *shape, int64_t *dims, Onnx__TensorProto *t)
{
    onnx__tensor_proto__init(t);
    for (size_t i = 0; i < shape->rank; i++) {
        dims[i] = shape->dims[i];
    }
    t->n_dims = shape->rank;
    t->dims = dims;
    t->has_data_type = 1;
    t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
}

covey_err covey_output_pb(const char *path, const struct covey_shape *shape, const float *data,
                          struct covey_nn_error *out_why)
{
    struct covey_file_writer w;
    Onnx__TensorProto t;
    int64_t dims[COVEY_RANK_MAX] = {0};
    size_t count = 0;
    covey_err err = covey_shape_count(shape, &count);
    if (err) {
        return covey__why(err, out_why, "%.120s: the tensor is too large", path);
    }
    pack_shape(shape, dims, &t);
    t.has_raw_data = 1;
    t.raw_data.len = count * sizeof *data;
    t.raw_data.data = (uint8_t *)(uintptr_t)data; /* only read */
    size_t len = onnx__tensor_proto__get_packed_size(&t);
    uint8_t *packed = malloc(len);
    if (!packed) {
        return covey__why(COVEY_ERR_NOMEM, out_why, "%.120s: out of memory", path);
    }
    onnx__tensor_proto__pack(&t, packed);
    err = covey__file_create(path, &w, out_why);
    if (!err) {
        covey__file_write(&w, packed, len);
        err = covey__file_commit(&w, path, out_why);
    }
    free(packed);
    return err;
}
