/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

static covey_err fold_one(struct covey_onnx_build *b, int64_t x, int64_t y, int64_t *out)
{
    const char *op = b->node->op_type;
    bool bad = false;
    if (strcmp(op, "Add") == 0) {
        bad = __builtin_add_overflow(x, y, out);
    } else if (strcmp(op, "Sub") == 0) {
        bad = __builtin_sub_overflow(x, y, out);
    } else if (strcmp(op, "Mul") == 0) {
        bad = __builtin_mul_overflow(x, y, out);
    } else {
        bad = y == 0 || (y == -1 && x == INT64_MIN);
        *out = bad ? 0 : x / y;
    }
    return bad ? covey__onnx_fail(b, COVEY_ERR_RANGE, "integers out of range") : COVEY_OK;
}

covey_err covey__onnx_fold_binary(struct covey_onnx_build *b, const struct covey_onnx_value *x,
                                  const struct covey_onnx_value *y)
{
    int64_t out[COVEY_ONNX_INTS_MAX] = {0};
    size_t count = x->count == 1 ? y->count : x->count;
    if (x->count != count && x->count != 1) {
        count = 0;
    }
    if (count == 0 || (y->count != count && y->count != 1)) {
        return covey__onnx_fail(b, COVEY_ERR_MALFORMED, "integer lists of different lengths");
    }
    for (size_t i = 0; i < count; i++) {
        covey_err err =
            fold_one(b, x->ints[x->count == 1 ? 0 : i], y->ints[y->count == 1 ? 0 : i], &out[i]);
        if (err) {
            return err;
        }
    }
    uint8_t rank = x->shape.rank > y->shape.rank ? x->shape.rank : y->shape.rank;
    return covey__onnx_define_ints(b, out, count, rank);
}

covey_err covey__onnx_fold_concat(struct covey_onnx_build *b)
{
    int64_t out[COVEY_ONNX_INTS_MAX] = {0};
    size_t count = 0;
    for (size_t i = 0; i < b->node->n_input; i++) {
        struct covey_onnx_value *v = NULL;
        covey_err err = covey__onnx_integers(b, i, true, &v);
        if (err) {
            return err;
        }
        if (v->count > COVEY_ONNX_INTS_MAX - count) {
            return covey__onnx_fail(b, COVEY_ERR_LIMIT, "a list of more than %d integers",
                                    COVEY_ONNX_INTS_MAX);
        }
        memcpy(out + count, v->ints, v->count * sizeof *out);
        count += v->count;
    }
    return covey__onnx_define_ints(b, out, count, 1);
}

covey_err covey__onnx_shape_node(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_shape shape = {0};
    int64_t out[COVEY_RANK_MAX] = {0};
    int64_t start = 0;
    int64_t end = 0;
    covey_err err = covey__onnx_input(b, 0, true, &x);
    if (err) {
        return err;
    }
    if (x->kind == COVEY_ONNX_FLOATS) {
        err = covey__onnx_shape(b, x->index, &shape);
    } else {
        shape = x->shape;
    }
    if (!err) {
        err = covey__onnx_int(b, "start", 0, &start);
    }
    if (!err) {
        err = covey__onnx_int(b, "end", shape.rank, &end);
    }
    if (err) {
        return err;
    }
    int64_t rank = shape.rank;
    start = start < -rank ? 0 : start < 0 ? start + rank : start;
    end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
    size_t count = 0;
    for (int64_t i = start; i < end; i++) {
        out[count++] = shape.dims[i];
    }
    return covey__onnx_define_ints(b, out, count, 1);
}

covey_err covey__onnx_gather(struct covey_onnx_build *b)
{
    struct covey_onnx_value *list = NULL;
    struct covey_onnx_value *at = NULL;
    int64_t out[COVEY_ONNX_INTS_MAX] = {0};
    int64_t axis = 0;
    covey_err err = covey__onnx_integers(b, 0, true, &list);
    if (!err) {
        err = covey__onnx_integers(b, 1, true, &at);
    }
    if (!err) {
        err = covey__onnx_int(b, "axis", 0, &axis);
    }
    if (!err && axis != 0 && axis != -1) {
        err = covey__onnx_fail(b, COVEY_ERR_RANGE, "axis %lld of a list", (long long)axis);
    }
    for (size_t i = 0; !err && i < at->count; i++) {
        uint8_t from = 0;
        err = covey__onnx_axis(b, at->ints[i], list->count, &from);
        out[i] = err ? 0 : list->ints[from];
    }
    return err ? err : covey__onnx_define_ints(b, out, at->count, at->shape.rank);
}

/* One number of a slice: from the attribute before opset 10, from input i since. */
static covey_err slice_number(struct covey_onnx_build *b, const char *name, size_t i,
                              int64_t fallback, int64_t *out)
{
    size_t count = 0;
    struct covey_onnx_value *v = NULL;
    *out = fallback;
    if (b->opset < 10) {
        return covey__onnx_ints(b, name, out, 1, &count);
    }
    covey_err err = covey__onnx_integers(b, i, false, &v);
    if (!err && v && v->count != 1) {
        err = covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "%s of more than one axis", name);
    }
    if (!err && v) {
        *out = v->ints[0];
    }
    return err;
}

static int64_t clamp(int64_t x, int64_t count)
{
    x = x < -count ? 0 : x < 0 ? x + count : x;
    return x > count ? count : x;
}

covey_err covey__onnx_slice(struct covey_onnx_build *b)
{
    struct covey_onnx_value *list = NULL;
    int64_t start = 0;
    int64_t end = 0;
    int64_t axis = 0;
    int64_t step = 1;
    covey_err err = covey__onnx_integers(b, 0, true, &list);
    if (!err) {
        err = slice_number(b, "starts", 1, 0, &start);
    }
    if (!err) {
        err = slice_number(b, "ends", 2, 0, &end);
    }
    if (!err) {
        err = slice_number(b, "axes", 3, 0, &axis);
    }
    if (!err) {
        err = slice_number(b, "steps", 4, 1, &step);
    }
    if (err) {
        return err;
    }
    if ((axis != 0 && axis != -1) || step != 1) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a slice with this axis or step");
    }
    int64_t first = clamp(start, (int64_t)list->count);
    int64_t last = clamp(end, (int64_t)list->count);
    size_t count = last > first ? (size_t)(last - first) : 0;
    return covey__onnx_define_ints(b, list->ints + first, count, 1);
}

covey_err covey__onnx_cast(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    int64_t to = 0;
    covey_err err = covey__onnx_input(b, 0, true, &x);
    if (!err) {
        err = covey__onnx_int(b, "to", 0, &to);
    }
    if (err) {
        return err;
    }
    bool floats = to == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    bool integers =
        to == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 || to == ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
    if (x->kind == COVEY_ONNX_FLOATS && floats) {
        return covey__onnx_define(b, x->index, -1);
    }
    if (x->kind == COVEY_ONNX_INTEGERS && integers) {
        return covey__onnx_define_ints(b, x->ints, x->count, x->shape.rank);
    }
    if (x->kind != COVEY_ONNX_INTEGERS || !floats || x->count == 0) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a cast to element type %lld",
                                (long long)to);
    }
    float *data = NULL;
    uint16_t index = 0;
    err = covey__onnx_make(b, &x->shape, &data, &index);
    if (err) {
        return err;
    }
    for (size_t i = 0; i < x->count; i++) {
        data[i] = (float)x->ints[i];
    }
    return covey__onnx_define(b, index, -1);
}

static covey_err constant_numbers(struct covey_onnx_build *b, const Onnx__AttributeProto *a)
{
    struct covey_shape shape = {1, {(uint32_t)a->n_floats}};
    float *data = NULL;
    uint16_t index = 0;
    if (a->has_i) {
        return covey__onnx_define_ints(b, &a->i, 1, 0);
    }
    if (a->n_ints > 0) {
        return covey__onnx_define_ints(b, a->ints, a->n_ints, 1);
    }
    if (a->has_f) {
        shape = (struct covey_shape){0};
    } else if (a->n_floats == 0 || a->n_floats > COVEY_TENSOR_ELEMENTS_MAX) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a constant without numbers");
    }
    covey_err err = covey__onnx_make(b, &shape, &data, &index);
    if (err) {
        return err;
    }
    if (a->has_f) {
        data[0] = a->f;
    } else {
        memcpy(data, a->floats, a->n_floats * sizeof *data);
    }
    return covey__onnx_define(b, index, -1);
}

covey_err covey__onnx_constant_node(struct covey_onnx_build *b)
{
    static const char *const names[] = {"value_float", "value_floats", "value_int", "value_ints"};
    const Onnx__AttributeProto *a = covey__onnx_attribute(b, "value");
    if (a && a->t) {
        const char *name = b->node->n_output > 0 ? b->node->output[0] : "";
        struct covey_onnx_value *v = name[0] ? covey__onnx_find(b, name) : NULL;
        if (!v || v->kind != COVEY_ONNX_UNDEFINED) {
            return covey__onnx_fail(b, COVEY_ERR_MALFORMED, "it has no output of its own");
        }
        return covey__onnx_tensor_define(b, a->t, v);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        a = covey__onnx_attribute(b, names[i]);
        if (a) {
            return constant_numbers(b, a);
        }
    }
    return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a constant without numbers");
}

covey_err covey__onnx_fill(struct covey_onnx_build *b)
{
    struct covey_onnx_value *dims = NULL;
    struct covey_shape shape = {0};
    float *data = NULL;
    float fill = 0.0f;
    uint16_t index = 0;
    size_t count = 0;
    covey_err err = covey__onnx_integers(b, 0, true, &dims);
    if (err) {
        return err;
    }
    const Onnx__AttributeProto *a = covey__onnx_attribute(b, "value");
    if (a && (!a->t || a->t->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a fill that is not float32");
    }
    if (a && covey__onnx_tensor_convert(b->file, a->t, 1, &fill, b->why)) {
        return COVEY_ERR_MALFORMED;
    }
    for (size_t i = 0; i < dims->count; i++) {
        if (dims->count > COVEY_RANK_MAX || dims->ints[i] < 1 ||
            dims->ints[i] > COVEY_TENSOR_ELEMENTS_MAX) {
            return covey__onnx_fail(b, COVEY_ERR_RANGE, "a fill of a shape out of range");
        }
        shape.dims[shape.rank++] = (uint32_t)dims->ints[i];
    }
    err = covey__onnx_make(b, &shape, &data, &index);
    if (err || covey_shape_count(&shape, &count)) {
        return err ? err : COVEY_ERR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        data[i] = fill;
    }
    return covey__onnx_define(b, index, -1);
}
