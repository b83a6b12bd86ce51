/* SPDX-License-Identifier: MIT */
#include "onnx_elements.h"

#include "onnx_walk.h"

/* Weights are used where they lie in the file. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX's raw data is little-endian");

/* onnx.proto, TensorProto: which field stands for which type. */
static const struct covey__onnx_elements types[] = {
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, COVEY_TYPE_F32, COVEY__ONNX_FLOAT, 0, 0},
    {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, COVEY_TYPE_F64, COVEY__ONNX_DOUBLE, 0, 0},
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, COVEY_TYPE_F16, COVEY__ONNX_INT32, 0, UINT16_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, COVEY_TYPE_U8, COVEY__ONNX_INT32, 0, UINT8_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT8, COVEY_TYPE_I8, COVEY__ONNX_INT32, INT8_MIN, INT8_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT16, COVEY_TYPE_U16, COVEY__ONNX_INT32, 0, UINT16_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT16, COVEY_TYPE_I16, COVEY__ONNX_INT32, INT16_MIN, INT16_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, COVEY_TYPE_I32, COVEY__ONNX_INT32, INT32_MIN, INT32_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, COVEY_TYPE_BOOL, COVEY__ONNX_INT32, 0, 1},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, COVEY_TYPE_I64, COVEY__ONNX_INT64, 0, 0},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT32, COVEY_TYPE_U32, COVEY__ONNX_UINT64, 0, UINT32_MAX},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT64, COVEY_TYPE_U64, COVEY__ONNX_UINT64, INT64_MIN,
     INT64_MAX},
};

const struct covey__onnx_elements *covey__onnx_elements(int64_t onnx)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].onnx == onnx) {
            return &types[i];
        }
    }
    return NULL;
}

bool covey__onnx_find_raw(struct covey_bytes file, const Onnx__TensorProto *t,
                          struct covey_bytes *out)
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

size_t covey__onnx_field_count(const Onnx__TensorProto *t, enum covey__onnx_field field)
{
    switch (field) {
    case COVEY__ONNX_FLOAT:
        return t->n_float_data;
    case COVEY__ONNX_INT32:
        return t->n_int32_data;
    case COVEY__ONNX_INT64:
        return t->n_int64_data;
    case COVEY__ONNX_DOUBLE:
        return t->n_double_data;
    case COVEY__ONNX_UINT64:
        return t->n_uint64_data;
    }
    return 0;
}

bool covey__onnx_field_copy(const Onnx__TensorProto *t, const struct covey__onnx_elements *type,
                            size_t count, uint8_t *out)
{
    size_t bytes = covey_type_size(type->type);
    const void *same = type->field == COVEY__ONNX_FLOAT    ? (const void *)t->float_data
                       : type->field == COVEY__ONNX_DOUBLE ? (const void *)t->double_data
                       : type->field == COVEY__ONNX_INT64  ? (const void *)t->int64_data
                                                           : NULL;
    if (same) {
        memcpy(out, same, count * bytes);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t v =
            type->field == COVEY__ONNX_INT32 ? t->int32_data[i] : (int64_t)t->uint64_data[i];
        if (v < type->low || v > type->high) {
            return false;
        }
        memcpy(out + i * bytes, &v, bytes); /* little-endian: the low bytes come first */
    }
    return true;
}
