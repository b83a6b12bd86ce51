/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

#include <math.h>

#include "read_typed.h"

static void copy_list(struct covey_onnx_build *b, enum covey_type type, const void *from,
                      size_t count, bool scalar)
{
    struct covey_shape shape = {scalar ? 0 : 1, {(uint32_t)count}};
    uint16_t index = 0;
    if (count > COVEY_TENSOR_ELEMENTS_MAX) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "a list of %zu numbers", count);
    }
    void *data = covey__onnx_make(b, type, &shape, &index);
    if (data && count > 0) {
        memcpy(data, from, count * covey_type_size(type));
    }
    covey__onnx_define(b, 0, index);
}

void covey__onnx_constant_node(struct covey_onnx_build *b)
{
    const Onnx__AttributeProto *a = covey__onnx_attribute(b, "value");
    if (a && a->t) {
        covey__onnx_define(b, 0, covey__onnx_tensor(b, a->t));
    } else if ((a = covey__onnx_attribute(b, "value_int"))) {
        copy_list(b, COVEY_TYPE_I64, &a->i, 1, true);
    } else if ((a = covey__onnx_attribute(b, "value_ints"))) {
        copy_list(b, COVEY_TYPE_I64, a->ints, a->n_ints, false);
    } else if ((a = covey__onnx_attribute(b, "value_float"))) {
        copy_list(b, COVEY_TYPE_F32, &a->f, 1, true);
    } else if ((a = covey__onnx_attribute(b, "value_floats"))) {
        copy_list(b, COVEY_TYPE_F32, a->floats, a->n_floats, false);
    } else {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a constant without numbers");
    }
}

/* ConstantOfShape: one element everywhere. */
void covey__onnx_fill(struct covey_onnx_build *b)
{
    int64_t dims[COVEY_RANK_MAX] = {0};
    struct covey_shape shape = {0};
    enum covey_type type = COVEY_TYPE_F32;
    uint64_t element = 0;
    uint16_t index = 0;
    size_t rank = covey__onnx_known(b, 0, dims, COVEY_RANK_MAX);
    const Onnx__AttributeProto *a = covey__onnx_attribute(b, "value");
    if (a && a->t && !b->err) {
        uint16_t v = covey__onnx_tensor(b, a->t);
        const void *one = covey__onnx_constant(b, v);
        type = covey__onnx_type_of(b, v);
        if (!one || covey__onnx_count(b, v) != 1) {
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its value is not one number");
            return;
        }
        memcpy(&element, one, covey_type_size(type));
    }
    for (size_t i = 0; !b->err && rank != SIZE_MAX && i < rank; i++) {
        if (dims[i] < 0 || dims[i] > COVEY_TENSOR_ELEMENTS_MAX) {
            covey__onnx_fail(b, COVEY_ERR_RANGE, "a dimension of %lld", (long long)dims[i]);
        }
        shape.dims[shape.rank++] = (uint32_t)dims[i];
    }
    uint8_t *data = covey__onnx_make(b, type, &shape, &index);
    size_t count = covey__onnx_count(b, index);
    size_t bytes = covey_type_size(type);
    for (size_t i = 0; data && i < count; i++) {
        memcpy(data + i * bytes, &element, bytes);
    }
    covey__onnx_define(b, 0, index);
}

/* Shape-15: start and end count from the end when negative and are clamped. */
void covey__onnx_shape_node(struct covey_onnx_build *b)
{
    int64_t out[COVEY_RANK_MAX] = {0};
    size_t count = 0;
    struct covey_shape shape = covey__onnx_shape(b, covey__onnx_need(b, 0));
    int64_t rank = shape.rank;
    int64_t start = covey__onnx_int(b, "start", 0);
    int64_t end = covey__onnx_int(b, "end", rank);
    start = start < -rank ? 0 : start < 0 ? start + rank : start;
    end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
    for (int64_t i = start; i < end; i++) {
        out[count++] = shape.dims[i];
    }
    copy_list(b, COVEY_TYPE_I64, out, count, false);
}

void covey__onnx_size(struct covey_onnx_build *b)
{
    int64_t count = (int64_t)covey__onnx_count(b, covey__onnx_need(b, 0));
    copy_list(b, COVEY_TYPE_I64, &count, 1, true);
}

/* Element i of a numeric tensor being made. */
static void store(void *data, enum covey_type type, size_t i, double value, int64_t whole)
{
    switch (type) {
    case COVEY_TYPE_F32:
        ((float *)data)[i] = (float)value;
        break;
    case COVEY_TYPE_F64:
        ((double *)data)[i] = value;
        break;
    case COVEY_TYPE_F16: /* of EyeLike: 0 or 1 */
        ((uint16_t *)data)[i] = value != 0 ? 0x3c00 : 0;
        break;
    case COVEY_TYPE_U8:
    case COVEY_TYPE_I8:
    case COVEY_TYPE_U16:
    case COVEY_TYPE_I16:
    case COVEY_TYPE_U32:
    case COVEY_TYPE_I32:
    case COVEY_TYPE_U64:
    case COVEY_TYPE_I64:
    case COVEY_TYPE_BOOL:
    case COVEY_TYPE_COUNT:
        /* Little-endian: the low bytes come first. */
        memcpy((uint8_t *)data + i * covey_type_size(type), &whole, covey_type_size(type));
        break;
    }
}

/* max(ceil((limit - start) / delta), 0) numbers from start on. */
void covey__onnx_range(struct covey_onnx_build *b)
{
    double by[3] = {0};
    int64_t whole[3] = {0};
    uint16_t index = 0;
    enum covey_type type = covey__onnx_type_of(b, covey__onnx_need(b, 0));
    for (size_t i = 0; i < 3; i++) {
        by[i] = covey__onnx_scalar(b, i, NAN);
        if (!b->err && covey__onnx_has(b, i)) {
            (void)covey__onnx_known(b, i, &whole[i], 1);
        }
    }
    double count = ceil((by[1] - by[0]) / by[2]);
    if (type == COVEY_TYPE_F16 || type == COVEY_TYPE_BOOL) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a range of this type");
    }
    if (!(count <= COVEY_TENSOR_ELEMENTS_MAX) || by[2] == 0) {
        covey__onnx_fail(b, COVEY_ERR_RANGE, "a range from %g to %g by %g", by[0], by[1], by[2]);
    }
    struct covey_shape shape = {1, {!b->err && count > 0 ? (uint32_t)count : 0}};
    void *data = covey__onnx_make(b, type, &shape, &index);
    for (size_t i = 0; data && i < shape.dims[0]; i++) {
        uint64_t at = (uint64_t)whole[0] + i * (uint64_t)whole[2];
        store(data, type, i, by[0] + (double)i * by[2], (int64_t)at);
    }
    covey__onnx_define(b, 0, index);
}

void covey__onnx_eye(struct covey_onnx_build *b)
{
    uint16_t x = covey__onnx_need(b, 0);
    uint16_t index = 0;
    struct covey_shape shape = covey__onnx_shape(b, x);
    int64_t k = covey__onnx_int(b, "k", 0);
    int64_t named = covey__onnx_int(b, "dtype", 0);
    enum covey_type type = named ? covey__onnx_type(named) : covey__onnx_type_of(b, x);
    if (type == COVEY_TYPE_COUNT || shape.rank != 2) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "this type or shape");
        return;
    }
    void *data = covey__onnx_make(b, type, &shape, &index);
    for (size_t i = 0; data && i < (size_t)shape.dims[0] * shape.dims[1]; i++) {
        bool one = (int64_t)(i % shape.dims[1]) - (int64_t)(i / shape.dims[1]) == k;
        store(data, type, i, one ? 1 : 0, one);
    }
    covey__onnx_define(b, 0, index);
}
