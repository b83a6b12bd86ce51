/* SPDX-License-Identifier: MIT */
#include "read_decode.h"

#include <stdlib.h>

#include "onnx_build.h"
#include "onnx_walk.h"
#include "read_file.h"
#include "read_input.h"

covey_err covey__decode_pb(struct covey_bytes in, struct covey_decoded *out,
                           struct covey_nn_error *why)
{
    struct covey_buf slim = {0};
    struct covey_shape shape = {0};
    size_t count = 0;
    float *data = NULL;
    covey_err err = covey_onnx_walk(in, COVEY_WALK_TENSOR, &slim, why);
    if (err) {
        return err;
    }
    Onnx__TensorProto *t = onnx__tensor_proto__unpack(NULL, slim.len, slim.ptr);
    if (!t) {
        err = covey__why(COVEY_ERR_MALFORMED, why, "it is not a TensorProto");
        goto out;
    }
    err = covey__onnx_tensor_shape(t, &shape, &count, why);
    if (err) {
        goto out;
    }
    if (count == 0) {
        err = covey__why(COVEY_ERR_UNSUPPORTED, why, "it is empty");
        goto out;
    }
    /* The data is measured before memory for it is taken. */
    err = covey__onnx_tensor_measure(in, t, count, why);
    if (err) {
        goto out;
    }
    data = malloc(count * sizeof *data);
    err = data ? covey__onnx_tensor_convert(in, t, count, data, why)
               : covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    if (!err) {
        *out = (struct covey_decoded){shape, data};
        data = NULL;
    }
out:
    free(data);
    if (t) {
        onnx__tensor_proto__free_unpacked(t, NULL);
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
