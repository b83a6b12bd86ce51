/* SPDX-License-Identifier: MIT */
#include "onnx_build.h"

#include "onnx_elements.h"

enum covey_type covey__onnx_type(int64_t onnx)
{
    const struct covey__onnx_elements *type = covey__onnx_elements(onnx);
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
                                    const struct covey__onnx_elements *type, struct covey_bytes raw)
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
                        const struct covey__onnx_elements *type, const struct covey_shape *shape,
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
    const struct covey__onnx_elements *type = covey__onnx_elements(t->data_type);
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
    bool is_raw = external || covey__onnx_find_raw(b->file, t, &raw);
    size_t have = is_raw ? raw.len : covey__onnx_field_count(t, type->field);
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
    if (copy && count > 0 && !covey__onnx_field_copy(t, type, count, copy)) {
        refuse(b, COVEY_ERR_RANGE, t, "an element is outside its type");
    }
    return index;
}
