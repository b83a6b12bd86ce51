/* SPDX-License-Identifier: MIT */
#include "read_typed.h"

#include <stdlib.h>

#include "onnx_elements.h"
#include "onnx_walk.h"
#include "read_file.h"
#include "read_input.h"
#include "read_why.h"

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

static covey_err convert(struct covey_bytes file, const Onnx__TensorProto *t,
                         struct covey_tensor *out, struct covey_nn_error *why)
{
    struct covey_bytes raw = {0};
    struct covey_tensor made = {0};
    size_t count = 0;
    const struct covey__onnx_elements *type = covey__onnx_elements(t->data_type);
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
    bool is_raw = covey__onnx_find_raw(file, t, &raw);
    size_t have = is_raw ? raw.len : covey__onnx_field_count(t, type->field);
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
    } else if (!is_raw && !covey__onnx_field_copy(t, type, count, data)) {
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
