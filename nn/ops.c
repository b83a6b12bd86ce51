/* SPDX-License-Identifier: MIT */
#include "ops.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { WINDOW_MAX = 4096 }; /* kernels, strides, dilations and pads: far beyond any real network */

const struct covey__op *covey__op_find(enum covey_op op)
{
    static const struct covey__op *const families[COVEY_OP_FAMILIES] = {
        covey__ops_layer,  covey__ops_unary, covey__ops_binary,
        covey__ops_window, covey__ops_move,  covey__ops_integer};
    unsigned number = (unsigned)op;
    if (number >= COVEY_OP_COUNT) {
        return NULL;
    }
    const struct covey__op *row = &families[number / COVEY_OP_FAMILY][number % COVEY_OP_FAMILY];
    return row->name != NULL ? row : NULL;
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
    uint64_t before = a->pads[axis], after = a->pads_end[axis];
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

size_t covey__shape_elements(const struct covey_shape *s)
{
    return covey__shape_range(s, 0, s->rank);
}

covey_err covey__broadcast(const struct covey_shape *const *shapes, size_t count,
                           struct covey_shape *out, struct covey_nn_error *out_why)
{
    struct covey_shape s = {0, {0}};
    for (size_t i = 0; i < count; i++) {
        s.rank = shapes[i]->rank > s.rank ? shapes[i]->rank : s.rank;
    }
    for (unsigned axis = 0; axis < s.rank; axis++) {
        s.dims[axis] = 1;
        for (size_t i = 0; i < count; i++) {
            unsigned missing = s.rank - (unsigned)shapes[i]->rank;
            uint32_t dim = axis < missing ? 1 : shapes[i]->dims[axis - missing];
            if (dim != 1 && s.dims[axis] != 1 && dim != s.dims[axis]) {
                return covey__nn_fail(out_why, COVEY_ERR_RANGE,
                                      "shapes cannot be broadcast together");
            }
            s.dims[axis] = dim != 1 ? dim : s.dims[axis];
        }
    }
    *out = s;
    return COVEY_OK;
}

covey_err covey__type_among(const struct covey_tensor *t, unsigned types,
                            struct covey_nn_error *out_why)
{
    return (types >> (unsigned)t->type & 1) != 0
               ? COVEY_OK
               : covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "%s is not supported here",
                                covey_type_name(t->type));
}
