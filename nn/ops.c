/* SPDX-License-Identifier: MIT */
#include "ops.h"

#include <stdarg.h>
#include <stdio.h>

enum { WINDOW_MAX = 4096 }; /* kernels, strides, dilations and pads: far beyond any real network */

#define ANY COVEY_NODE_INPUTS_MAX

/* {name, inputs, alias, in place, fuses, shape, forward, scratch} */
static const struct covey__op op_table[COVEY_OP_COUNT] = {
    [COVEY_OP_CONV] = {"Conv", 2, 3, false, false, true, covey__shape_conv, covey__op_conv,
                       covey__scratch_conv},
    [COVEY_OP_DENSE] = {"Dense", 2, 3, false, false, true, covey__shape_dense, covey__op_dense, 0},
    [COVEY_OP_MATMUL] = {"MatMul", 2, 2, false, false, false, covey__shape_matmul, covey__op_matmul,
                         0},
    [COVEY_OP_BATCHNORM] = {"BatchNormalization", 5, 5, false, true, false, covey__shape_batchnorm,
                            covey__op_batchnorm, 0},
    [COVEY_OP_MAXPOOL] = {"MaxPool", 1, 1, false, false, false, covey__shape_pool,
                          covey__op_maxpool, 0},
    [COVEY_OP_AVGPOOL] = {"AveragePool", 1, 1, false, false, false, covey__shape_pool,
                          covey__op_avgpool, 0},
    [COVEY_OP_GLOBALAVGPOOL] = {"GlobalAveragePool", 1, 1, false, false, false,
                                covey__shape_globalavgpool, covey__op_globalavgpool, 0},
    [COVEY_OP_RELU] = {"Relu", 1, 1, false, true, false, covey__shape_same, covey__op_relu, 0},
    [COVEY_OP_LEAKYRELU] = {"LeakyRelu", 1, 1, false, true, false, covey__shape_same,
                            covey__op_leakyrelu, 0},
    [COVEY_OP_SIGMOID] = {"Sigmoid", 1, 1, false, true, false, covey__shape_same, covey__op_sigmoid,
                          0},
    [COVEY_OP_TANH] = {"Tanh", 1, 1, false, true, false, covey__shape_same, covey__op_tanh, 0},
    [COVEY_OP_CLIP] = {"Clip", 1, 1, false, true, false, covey__shape_same, covey__op_clip, 0},
    [COVEY_OP_SOFTMAX] = {"Softmax", 1, 1, false, true, false, covey__shape_softmax,
                          covey__op_softmax, 0},
    [COVEY_OP_LOGSOFTMAX] = {"LogSoftmax", 1, 1, false, true, false, covey__shape_softmax,
                             covey__op_logsoftmax, 0},
    [COVEY_OP_ADD] = {"Add", 2, 2, false, true, true, covey__shape_broadcast, covey__op_add, 0},
    [COVEY_OP_SUB] = {"Sub", 2, 2, false, true, false, covey__shape_broadcast, covey__op_sub, 0},
    [COVEY_OP_MUL] = {"Mul", 2, 2, false, true, false, covey__shape_broadcast, covey__op_mul, 0},
    [COVEY_OP_DIV] = {"Div", 2, 2, false, true, false, covey__shape_broadcast, covey__op_div, 0},
    [COVEY_OP_CONCAT] = {"Concat", 1, ANY, false, false, false, covey__shape_concat,
                         covey__op_concat, 0},
    [COVEY_OP_RESHAPE] = {"Reshape", 1, 1, true, true, false, covey__shape_reshape, covey__op_copy,
                          0},
    [COVEY_OP_FLATTEN] = {"Flatten", 1, 1, true, true, false, covey__shape_flatten, covey__op_copy,
                          0},
    [COVEY_OP_TRANSPOSE] = {"Transpose", 1, 1, false, false, false, covey__shape_transpose,
                            covey__op_transpose, 0},
    [COVEY_OP_PAD] = {"Pad", 1, 1, false, false, false, covey__shape_pad, covey__op_pad, 0},
    [COVEY_OP_REDUCEMEAN] = {"ReduceMean", 1, 1, false, false, false, covey__shape_reduce,
                             covey__op_reducemean, 0},
    [COVEY_OP_IDENTITY] = {"Identity", 1, 1, true, true, false, covey__shape_same, covey__op_copy,
                           0},
    [COVEY_OP_LRN] = {"LRN", 1, 1, false, false, false, covey__shape_lrn, covey__op_lrn, 0},
};

const struct covey__op *covey__op_find(enum covey_op op)
{
    unsigned row = (unsigned)op;
    return row < COVEY_OP_COUNT && op_table[row].name != NULL ? &op_table[row] : NULL;
}

const char *covey_op_name(enum covey_op op)
{
    const struct covey__op *row = covey__op_find(op);
    return row != NULL ? row->name : "unknown";
}

covey_err covey__nn_fail(struct covey_nn_error *out_why, covey_err err, const char *format, ...)
{
    if (out_why != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(out_why->text, sizeof(out_why->text), format, args);
        va_end(args);
    }
    return err;
}

covey_err covey__window_size(const struct covey_op_attrs *a, unsigned axis, uint32_t in,
                             uint32_t *out_size, struct covey_nn_error *out_why)
{
    uint64_t kernel = a->kernel[axis], stride = a->stride[axis], dilation = a->dilation[axis];
    uint64_t before = a->pads[axis], after = a->pads[axis + 2];
    if (kernel == 0 || stride == 0 || dilation == 0 || kernel > WINDOW_MAX || stride > WINDOW_MAX ||
        dilation > WINDOW_MAX || before > WINDOW_MAX || after > WINDOW_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "window attributes out of range");
    }
    uint64_t extent = (kernel - 1) * dilation + 1;
    uint64_t padded = (uint64_t)in + before + after;
    if (padded < extent) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "window is larger than its padded input");
    }
    uint64_t room = padded - extent;
    uint64_t size = room / stride + 1;
    if (a->ceil_mode && room % stride != 0 && size * stride < in + before) {
        size++; /* ONNX: a window that would start in the padding behind is left out */
    }
    *out_size = (uint32_t)size;
    return COVEY_OK;
}

covey_err covey__axis(int32_t axis, unsigned rank, unsigned *out_axis,
                      struct covey_nn_error *out_why)
{
    int64_t at = axis < 0 ? (int64_t)axis + rank : axis;
    if (at < 0 || at >= (int64_t)rank) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "axis %d of a tensor of rank %u", (int)axis,
                              rank);
    }
    *out_axis = (unsigned)at;
    return COVEY_OK;
}

size_t covey__shape_range(const struct covey_shape *s, unsigned first, unsigned last)
{
    size_t count = 1;
    for (unsigned i = first; i < last; i++) {
        count *= s->dims[i];
    }
    return count;
}

size_t covey__shape_floats(const struct covey_shape *s)
{
    return covey__shape_range(s, 0, s->rank);
}
