/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

#include <float.h>

static bool op_is(const struct covey_onnx_build *b, const char *name)
{
    return strcmp(b->node->op_type, name) == 0;
}

covey_err covey__onnx_batchnorm(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    int64_t training = 0;
    int64_t spatial = 1;
    covey__onnx_emit_init(&e, COVEY_OP_BATCHNORM, 0);
    for (size_t i = 0; i < 5; i++) {
        struct covey_onnx_value *v = NULL;
        covey_err err = covey__onnx_floats(b, i, true, &v);
        if (err) {
            return err;
        }
        if (i > 0 && !covey__onnx_constant(b, v)) {
            return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "its statistics are not constant");
        }
        e.input[i] = v->index;
    }
    e.inputs = 5;
    covey__onnx_ignore(b, "momentum");
    covey_err err = covey__onnx_float(b, "epsilon", 1e-5f, &e.attrs.epsilon);
    if (!err) {
        err = covey__onnx_int(b, "training_mode", 0, &training);
    }
    if (!err) {
        err = covey__onnx_int(b, "spatial", 1, &spatial);
    }
    if (!err && (training != 0 || spatial != 1)) {
        err = covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "training_mode 1 or spatial 0");
    }
    return err ? err : covey__onnx_finish(b, &e);
}

covey_err covey__onnx_lrn(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_onnx_emit e;
    int64_t size = 0;
    covey_err err = covey__onnx_floats(b, 0, true, &x);
    if (err) {
        return err;
    }
    covey__onnx_emit_init(&e, COVEY_OP_LRN, x->index);
    err = covey__onnx_float(b, "alpha", 1e-4f, &e.attrs.alpha);
    if (!err) {
        err = covey__onnx_float(b, "beta", 0.75f, &e.attrs.beta);
    }
    if (!err) {
        err = covey__onnx_float(b, "bias", 1.0f, &e.attrs.bias);
    }
    if (!err) {
        err = covey__onnx_int(b, "size", 0, &size);
    }
    if (!err && (size < 1 || size > COVEY_GRAPH_NODES_MAX)) {
        err = covey__onnx_fail(b, COVEY_ERR_RANGE, "size %lld", (long long)size);
    }
    if (err) {
        return err;
    }
    e.attrs.size = (uint32_t)size;
    return covey__onnx_finish(b, &e);
}

covey_err covey__onnx_unary(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_onnx_emit e;
    covey_err err = covey__onnx_floats(b, 0, true, &x);
    if (err) {
        return err;
    }
    enum covey_op op = op_is(b, "Relu")      ? COVEY_OP_RELU
                       : op_is(b, "Sigmoid") ? COVEY_OP_SIGMOID
                                             : COVEY_OP_TANH;
    covey__onnx_emit_init(&e, op, x->index);
    return covey__onnx_finish(b, &e);
}

covey_err covey__onnx_leaky(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_onnx_emit e;
    covey_err err = covey__onnx_floats(b, 0, true, &x);
    if (err) {
        return err;
    }
    covey__onnx_emit_init(&e, COVEY_OP_LEAKYRELU, x->index);
    err = covey__onnx_float(b, "alpha", 0.01f, &e.attrs.alpha);
    return err ? err : covey__onnx_finish(b, &e);
}

covey_err covey__onnx_clip(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_onnx_emit e;
    covey_err err = covey__onnx_floats(b, 0, true, &x);
    if (err) {
        return err;
    }
    covey__onnx_emit_init(&e, COVEY_OP_CLIP, x->index);
    if (b->opset < 11) {
        err = covey__onnx_float(b, "min", -FLT_MAX, &e.attrs.low);
        if (!err) {
            err = covey__onnx_float(b, "max", FLT_MAX, &e.attrs.high);
        }
    } else {
        err = covey__onnx_scalar(b, 1, -FLT_MAX, &e.attrs.low);
        if (!err) {
            err = covey__onnx_scalar(b, 2, FLT_MAX, &e.attrs.high);
        }
    }
    return err ? err : covey__onnx_finish(b, &e);
}

/* Before opset 13 the input counts as the matrix [axes before axis, axes from axis on]. */
static covey_err softmax_flat(struct covey_onnx_build *b, struct covey_onnx_emit *e, uint8_t axis,
                              const struct covey_shape *in)
{
    struct covey_onnx_emit flat;
    int64_t back[COVEY_RANK_MAX] = {-1};
    uint16_t index = 0;
    covey__onnx_emit_init(&flat, COVEY_OP_FLATTEN, e->input[0]);
    flat.attrs.axis = axis;
    for (size_t i = 1; i < in->rank; i++) {
        back[i] = in->dims[i];
    }
    covey_err err = covey__onnx_emit(b, &flat, &e->input[0]);
    e->attrs.axis = 1;
    if (!err) {
        err = covey__onnx_emit(b, e, &index);
    }
    if (!err) {
        err = covey__onnx_emit_reshape(b, index, back, in->rank, &index);
    }
    return err ? err : covey__onnx_define(b, index, -1);
}

covey_err covey__onnx_softmax(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_shape in = {0};
    struct covey_onnx_emit e;
    int64_t given = 0;
    uint8_t axis = 0;
    covey_err err = covey__onnx_floats(b, 0, true, &x);
    if (!err) {
        err = covey__onnx_shape(b, x->index, &in);
    }
    if (!err) {
        err = covey__onnx_int(b, "axis", b->opset < 13 ? 1 : -1, &given);
    }
    if (!err) {
        err = covey__onnx_axis(b, given, in.rank, &axis);
    }
    if (err) {
        return err;
    }
    covey__onnx_emit_init(&e, op_is(b, "Softmax") ? COVEY_OP_SOFTMAX : COVEY_OP_LOGSOFTMAX,
                          x->index);
    e.attrs.axis = axis;
    if (b->opset < 13 && axis + 1U != in.rank) {
        return softmax_flat(b, &e, axis, &in);
    }
    return covey__onnx_finish(b, &e);
}

static enum covey_op binary_op(const struct covey_onnx_build *b)
{
    return op_is(b, "Add")   ? COVEY_OP_ADD
           : op_is(b, "Sub") ? COVEY_OP_SUB
           : op_is(b, "Mul") ? COVEY_OP_MUL
                             : COVEY_OP_DIV;
}

covey_err covey__onnx_binary(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_onnx_value *y = NULL;
    struct covey_onnx_emit e;
    covey_err err = covey__onnx_input(b, 0, true, &x);
    if (!err) {
        err = covey__onnx_input(b, 1, true, &y);
    }
    if (err) {
        return err;
    }
    if (x->kind == COVEY_ONNX_INTEGERS && y->kind == COVEY_ONNX_INTEGERS) {
        return covey__onnx_fold_binary(b, x, y);
    }
    err = covey__onnx_floats(b, 0, true, &x);
    if (!err) {
        err = covey__onnx_floats(b, 1, true, &y);
    }
    if (err) {
        return err;
    }
    enum covey_op op = binary_op(b);
    if (op == COVEY_OP_ADD && covey__onnx_fuse_bias(b, x, y)) {
        return covey__onnx_define(b, x->index, -1);
    }
    if (op == COVEY_OP_ADD && covey__onnx_fuse_bias(b, y, x)) {
        return covey__onnx_define(b, y->index, -1);
    }
    covey__onnx_emit_init(&e, op, x->index);
    e.input[1] = y->index;
    e.inputs = 2;
    return covey__onnx_finish(b, &e);
}

covey_err covey__onnx_sum(struct covey_onnx_build *b)
{
    struct covey_onnx_value *v = NULL;
    covey_err err = covey__onnx_floats(b, 0, true, &v);
    if (err) {
        return err;
    }
    uint16_t index = v->index;
    for (size_t i = 1; i < b->node->n_input; i++) {
        struct covey_onnx_emit e;
        err = covey__onnx_floats(b, i, true, &v);
        if (err) {
            return err;
        }
        covey__onnx_emit_init(&e, COVEY_OP_ADD, index);
        e.input[1] = v->index;
        e.inputs = 2;
        err = covey__onnx_emit(b, &e, &index);
        if (err) {
            return err;
        }
    }
    return covey__onnx_define(b, index, -1);
}
