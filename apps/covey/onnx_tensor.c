/* SPDX-License-Identifier: MIT */
#include "onnx_build.h"

#include "onnx_walk.h"

/* Weights are used where they lie in the file. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX's raw data is little-endian");

static const char *tensor_name(const Onnx__TensorProto *t)
{
    return t->name && t->name[0] ? t->name : "(unnamed)";
}

covey_err covey__onnx_tensor_shape(const Onnx__TensorProto *t, struct covey_shape *out,
                                   size_t *out_count, struct covey_nn_error *why)
{
    struct covey_shape shape = {0};
    if (t->n_dims > COVEY_RANK_MAX) {
        return covey__why(COVEY_ERR_LIMIT, why, "tensor '%.60s' has %zu dimensions, at most %d",
                          tensor_name(t), t->n_dims, COVEY_RANK_MAX);
    }
    shape.rank = (uint8_t)t->n_dims;
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 0 || t->dims[i] > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__why(COVEY_ERR_RANGE, why, "tensor '%.60s' has dimension %lld",
                              tensor_name(t), (long long)t->dims[i]);
        }
        shape.dims[i] = (uint32_t)t->dims[i];
    }
    covey_err err = covey_shape_count(&shape, out_count);
    if (err) {
        return covey__why(err, why, "tensor '%.60s' has more than %d elements", tensor_name(t),
                          COVEY_TENSOR_ELEMENTS_MAX);
    }
    *out = shape;
    return COVEY_OK;
}

covey_err covey__onnx_tensor_raw(struct covey_bytes file, const Onnx__TensorProto *t,
                                 struct covey_bytes *out)
{
    if (!t->has_raw_data || t->raw_data.len != COVEY_WALK_RAW_BYTES) {
        return COVEY_ERR_NOT_FOUND;
    }
    uint64_t at = covey_load64(t->raw_data.data);
    uint64_t len = covey_load64(t->raw_data.data + 8);
    COVEY_ASSERT(at <= file.len && len <= file.len - at);
    *out = covey_bytes_of(file.ptr + at, (size_t)len);
    return COVEY_OK;
}

static size_t element_bytes(int32_t type)
{
    switch (type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
        return 4;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        return 8;
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT8:
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
        return 1;
    default:
        return 0;
    }
}

/* Elements in the typed field that belongs to the type. */
static size_t typed_count(const Onnx__TensorProto *t)
{
    switch (t->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        return t->n_float_data;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        return t->n_int64_data;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        return t->n_double_data;
    default:
        return t->n_int32_data;
    }
}

/* Checks that the data is there and has exactly count elements; *out_raw.ptr NULL: typed. */
static covey_err data_find(struct covey_bytes file, const Onnx__TensorProto *t, size_t count,
                           struct covey_bytes *out_raw, struct covey_nn_error *why)
{
    struct covey_bytes raw = {0};
    size_t bytes = element_bytes(t->data_type);
    if (bytes == 0) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why, "tensor '%.60s' has element type %d",
                          tensor_name(t), (int)t->data_type);
    }
    if (t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why, "tensor '%.60s' is in another file",
                          tensor_name(t));
    }
    if (covey__onnx_tensor_raw(file, t, &raw) == COVEY_OK) {
        if (raw.len != count * bytes) {
            return covey__why(COVEY_ERR_MALFORMED, why,
                              "tensor '%.60s' has %zu bytes, its shape needs %zu", tensor_name(t),
                              raw.len, count * bytes);
        }
    } else if (typed_count(t) != count) {
        return covey__why(COVEY_ERR_MALFORMED, why,
                          "tensor '%.60s' has %zu elements, its shape needs %zu", tensor_name(t),
                          typed_count(t), count);
    }
    *out_raw = raw;
    return COVEY_OK;
}

covey_err covey__onnx_tensor_measure(struct covey_bytes file, const Onnx__TensorProto *t,
                                     size_t count, struct covey_nn_error *why)
{
    struct covey_bytes raw = {0};
    return data_find(file, t, count, &raw, why);
}

static double typed_element(const Onnx__TensorProto *t, size_t i)
{
    switch (t->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        return (double)t->float_data[i];
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        return (double)t->int64_data[i];
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        return t->double_data[i];
    default:
        return (double)t->int32_data[i];
    }
}

static double raw_element(int32_t type, const uint8_t *p)
{
    switch (type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT: {
        float v;
        memcpy(&v, p, sizeof v);
        return (double)v;
    }
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE: {
        double v;
        memcpy(&v, p, sizeof v);
        return v;
    }
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        return (double)(int64_t)covey_load64(p);
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
        return (double)(int32_t)covey_load32(p);
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
        return (double)(int8_t)*p;
    default:
        return (double)*p;
    }
}

covey_err covey__onnx_tensor_convert(struct covey_bytes file, const Onnx__TensorProto *t,
                                     size_t count, float *out, struct covey_nn_error *why)
{
    struct covey_bytes raw = {0};
    covey_err err = data_find(file, t, count, &raw, why);
    if (err) {
        return err;
    }
    size_t bytes = element_bytes(t->data_type);
    for (size_t i = 0; i < count; i++) {
        double v = raw.ptr ? raw_element(t->data_type, raw.ptr + i * bytes) : typed_element(t, i);
        /* A double beyond float's range becomes infinite, as numpy has it. */
        out[i] = v > 3.4028235677973366e38    ? __builtin_inff()
                 : v < -3.4028235677973366e38 ? -__builtin_inff()
                                              : (float)v;
    }
    return COVEY_OK;
}

static covey_err define_floats(struct covey_onnx_build *b, const Onnx__TensorProto *t,
                               const struct covey_shape *shape, size_t count,
                               struct covey_onnx_value *value)
{
    struct covey_bytes raw = {0};
    struct covey_graph_value made = {.shape = *shape, .constant = true};
    uint16_t index = 0;
    covey_err err = data_find(b->file, t, count, &raw, b->why);
    if (err) {
        return err;
    }
    if (count == 0) {
        return covey__why(COVEY_ERR_UNSUPPORTED, b->why, "tensor '%.60s' is empty", tensor_name(t));
    }
    if (raw.ptr && (uintptr_t)raw.ptr % _Alignof(float) == 0) {
        made.data = (const float *)(const void *)raw.ptr;
        err = covey_graph_add_value(b->graph, &made, &index);
    } else {
        void *copy = NULL;
        err = covey_graph_alloc(b->graph, count * sizeof(float), &copy);
        if (!err) {
            memcpy(copy, raw.ptr ? (const void *)raw.ptr : (const void *)t->float_data,
                   count * sizeof(float));
            made.data = copy;
            err = covey_graph_add_value(b->graph, &made, &index);
        }
    }
    if (err) {
        return covey__why(err, b->why, "tensor '%.60s': %s", tensor_name(t), covey_strerror(err));
    }
    value->kind = COVEY_ONNX_FLOATS;
    value->index = index;
    value->node = -1;
    value->shape = *shape;
    return COVEY_OK;
}

static bool is_integer(int32_t type)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
}

covey_err covey__onnx_tensor_define(struct covey_onnx_build *b, const Onnx__TensorProto *t,
                                    struct covey_onnx_value *value)
{
    struct covey_shape shape = {0};
    struct covey_bytes raw = {0};
    size_t count = 0;
    covey_err err = covey__onnx_tensor_shape(t, &shape, &count, b->why);
    if (err) {
        return err;
    }
    if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
        return define_floats(b, t, &shape, count, value);
    }
    value->shape = shape;
    value->count = count;
    value->kind = COVEY_ONNX_OTHER;
    if (!is_integer(t->data_type) || shape.rank > 1 || count > COVEY_ONNX_INTS_MAX) {
        return COVEY_OK;
    }
    err = data_find(b->file, t, count, &raw, b->why);
    if (err) {
        return err;
    }
    bool wide = t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    for (size_t i = 0; i < count; i++) {
        if (raw.ptr) {
            value->ints[i] = wide ? (int64_t)covey_load64(raw.ptr + 8 * i)
                                  : (int32_t)covey_load32(raw.ptr + 4 * i);
        } else {
            value->ints[i] = wide ? t->int64_data[i] : t->int32_data[i];
        }
    }
    value->kind = COVEY_ONNX_INTEGERS;
    return COVEY_OK;
}
