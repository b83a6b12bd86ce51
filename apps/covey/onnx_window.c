/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

enum { AXES_MAX = 2, WINDOW_MAX = 1 << 16 };

/* Geometry of a window as ONNX gives it, for one or two spatial axes. One axis is read as two of
 * which the first has size 1. */
struct window {
    size_t axes;
    int64_t kernel[AXES_MAX], stride[AXES_MAX], dilation[AXES_MAX], pads[2 * AXES_MAX];
    char automatic[16];
};

static covey_err read_list(struct covey_onnx_build *b, const char *name, size_t count,
                           int64_t fallback, int64_t *out)
{
    size_t got = 0;
    int64_t list[2 * AXES_MAX] = {0};
    covey_err err = covey__onnx_ints(b, name, list, 2 * AXES_MAX, &got);
    if (err) {
        return err;
    }
    if (got != 0 && got != count) {
        return covey__onnx_fail(b, COVEY_ERR_MALFORMED, "%s has %zu numbers, not %zu", name, got,
                                count);
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = got ? list[i] : fallback;
        if (out[i] < 0 || out[i] > WINDOW_MAX) {
            return covey__onnx_fail(b, COVEY_ERR_RANGE, "%s has the number %lld", name,
                                    (long long)out[i]);
        }
    }
    return COVEY_OK;
}

static covey_err read_window(struct covey_onnx_build *b, size_t axes, struct window *w)
{
    w->axes = axes;
    covey_err err = read_list(b, "kernel_shape", axes, 0, w->kernel);
    if (!err) {
        err = read_list(b, "strides", axes, 1, w->stride);
    }
    if (!err) {
        err = read_list(b, "dilations", axes, 1, w->dilation);
    }
    if (!err) {
        err = read_list(b, "pads", 2 * axes, 0, w->pads);
    }
    if (!err) {
        err = covey__onnx_text(b, "auto_pad", w->automatic, sizeof w->automatic);
    }
    for (size_t i = 0; !err && i < axes; i++) {
        if (w->stride[i] == 0 || w->dilation[i] == 0) {
            err = covey__onnx_fail(b, COVEY_ERR_RANGE, "a stride or dilation is 0");
        }
    }
    return err;
}

/* SAME: out = ceil(in / stride), padded by what is missing; the odd one goes where the name says.
 */
static covey_err pad_same(struct covey_onnx_build *b, const struct covey_shape *in,
                          struct window *w, bool upper)
{
    for (size_t i = 0; i < w->axes; i++) {
        int64_t size = in->dims[2 + i];
        int64_t out = (size + w->stride[i] - 1) / w->stride[i];
        int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
        int64_t total = (out - 1) * w->stride[i] + reach - size;
        total = total > 0 ? total : 0;
        int64_t less = total / 2;
        if (total > WINDOW_MAX) {
            return covey__onnx_fail(b, COVEY_ERR_RANGE, "padding of %lld", (long long)total);
        }
        w->pads[i] = upper ? less : total - less;
        w->pads[w->axes + i] = upper ? total - less : less;
    }
    return COVEY_OK;
}

static covey_err pad_automatic(struct covey_onnx_build *b, const struct covey_shape *in,
                               struct window *w)
{
    if (w->automatic[0] == '\0' || strcmp(w->automatic, "NOTSET") == 0) {
        return COVEY_OK;
    }
    if (strcmp(w->automatic, "VALID") == 0) {
        memset(w->pads, 0, sizeof w->pads);
        return COVEY_OK;
    }
    bool upper = strcmp(w->automatic, "SAME_UPPER") == 0;
    if (!upper && strcmp(w->automatic, "SAME_LOWER") != 0) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "auto_pad %s", w->automatic);
    }
    return pad_same(b, in, w, upper);
}

static void window_attrs(const struct window *w, struct covey_op_attrs *attrs)
{
    size_t skip = AXES_MAX - w->axes;
    for (size_t i = 0; i < AXES_MAX; i++) {
        bool given = i >= skip;
        attrs->kernel[i] = given ? (uint32_t)w->kernel[i - skip] : 1;
        attrs->stride[i] = given ? (uint32_t)w->stride[i - skip] : 1;
        attrs->dilation[i] = given ? (uint32_t)w->dilation[i - skip] : 1;
        attrs->pads[i] = given ? (uint32_t)w->pads[i - skip] : 0;
        attrs->pads_end[i] = given ? (uint32_t)w->pads[w->axes + i - skip] : 0;
    }
}

/* The input and its number of spatial axes, 1 or 2. */
static covey_err spatial(struct covey_onnx_build *b, struct covey_onnx_value **out_x,
                         struct covey_shape *out_shape)
{
    covey_err err = covey__onnx_floats(b, 0, true, out_x);
    if (!err) {
        err = covey__onnx_shape(b, (*out_x)->index, out_shape);
    }
    if (!err && out_shape->rank != 3 && out_shape->rank != 4) {
        err =
            covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED,
                             "its input has %u dimensions, 3 or 4 are supported", out_shape->rank);
    }
    return err;
}

/* Emits e; an input with one spatial axis is given a second before it and loses it behind. */
static covey_err finish_window(struct covey_onnx_build *b, size_t axes, struct covey_onnx_emit *e)
{
    static const int64_t widen[] = {0, 0, 1, -1};
    static const int64_t narrow[] = {0, 0, -1};
    uint16_t index = 0;
    if (axes == AXES_MAX) {
        return covey__onnx_finish(b, e);
    }
    covey_err err = covey__onnx_emit_reshape(b, e->input[0], widen, 4, &e->input[0]);
    if (!err) {
        err = covey__onnx_emit(b, e, &index);
    }
    if (!err) {
        err = covey__onnx_emit_reshape(b, index, narrow, 3, &index);
    }
    return err ? err : covey__onnx_define(b, index, -1);
}

/* Weights [m c k] as [m c 1 k]: the same numbers under another shape. */
static covey_err widen_weights(struct covey_onnx_build *b, uint16_t *index)
{
    struct covey_graph_value v = b->graph->values[*index];
    v.shape = (struct covey_shape){4, {v.shape.dims[0], v.shape.dims[1], 1, v.shape.dims[2]}};
    covey_err err = covey_graph_add_value(b->graph, &v, index);
    return err ? covey__onnx_fail(b, err, "%s", covey_strerror(err)) : COVEY_OK;
}

static covey_err conv_kernel(struct covey_onnx_build *b, const struct covey_shape *weights,
                             struct window *w)
{
    for (size_t i = 0; i < w->axes; i++) {
        int64_t size = weights->dims[2 + i];
        if (w->kernel[i] != 0 && w->kernel[i] != size) {
            return covey__onnx_fail(b, COVEY_ERR_MALFORMED,
                                    "kernel_shape %lld, but its weights have %lld",
                                    (long long)w->kernel[i], (long long)size);
        }
        w->kernel[i] = size;
    }
    return COVEY_OK;
}

covey_err covey__onnx_conv(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_onnx_value *weights = NULL;
    struct covey_onnx_value *bias = NULL;
    struct covey_shape in = {0};
    struct window w = {0};
    int64_t groups = 1;
    covey_err err = spatial(b, &x, &in);
    if (!err) {
        err = covey__onnx_floats(b, 1, true, &weights);
    }
    if (!err) {
        err = covey__onnx_floats(b, 2, false, &bias);
    }
    if (!err) {
        err = covey__onnx_int(b, "group", 1, &groups);
    }
    if (!err) {
        err = read_window(b, in.rank - 2U, &w);
    }
    if (err) {
        return err;
    }
    if (!covey__onnx_constant(b, weights) || (bias && !covey__onnx_constant(b, bias))) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "its weights are not constant");
    }
    const struct covey_shape *shape = &b->graph->values[weights->index].shape;
    if (shape->rank != in.rank || groups < 1 || groups > WINDOW_MAX) {
        return covey__onnx_fail(b, COVEY_ERR_MALFORMED,
                                "its weights have %u dimensions, its input %u", shape->rank,
                                in.rank);
    }
    struct covey_onnx_emit e;
    covey__onnx_emit_init(&e, COVEY_OP_CONV, x->index);
    e.input[1] = weights->index;
    e.input[2] = bias ? bias->index : COVEY_VALUE_NONE;
    e.inputs = 3;
    e.attrs.groups = (uint32_t)groups;
    err = conv_kernel(b, shape, &w);
    if (!err) {
        err = pad_automatic(b, &in, &w);
    }
    if (!err && w.axes == 1) {
        err = widen_weights(b, &e.input[1]);
    }
    if (err) {
        return err;
    }
    window_attrs(&w, &e.attrs);
    return finish_window(b, w.axes, &e);
}

covey_err covey__onnx_pool(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_shape in = {0};
    struct window w = {0};
    struct covey_onnx_emit e;
    int64_t ceil_mode = 0;
    int64_t include = 0;
    covey_err err = spatial(b, &x, &in);
    if (!err) {
        err = read_window(b, in.rank - 2U, &w);
    }
    if (!err) {
        err = covey__onnx_int(b, "ceil_mode", 0, &ceil_mode);
    }
    bool maximum = strcmp(b->node->op_type, "MaxPool") == 0;
    if (!err && !maximum) {
        err = covey__onnx_int(b, "count_include_pad", 0, &include);
    }
    if (!err) {
        err = pad_automatic(b, &in, &w);
    }
    if (err) {
        return err;
    }
    if (maximum) {
        /* Orders only the indices, which nobody may use. */
        covey__onnx_ignore(b, "storage_order");
    }
    if (w.kernel[0] == 0 || w.kernel[w.axes - 1] == 0) {
        return covey__onnx_fail(b, COVEY_ERR_MALFORMED, "kernel_shape is missing or 0");
    }
    covey__onnx_emit_init(&e, maximum ? COVEY_OP_MAXPOOL : COVEY_OP_AVGPOOL, x->index);
    window_attrs(&w, &e.attrs);
    e.attrs.ceil_mode = ceil_mode != 0;
    e.attrs.count_include_pad = include != 0;
    return finish_window(b, w.axes, &e);
}

covey_err covey__onnx_global_pool(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_shape in = {0};
    struct covey_onnx_emit e;
    covey_err err = spatial(b, &x, &in);
    if (err) {
        return err;
    }
    covey__onnx_emit_init(&e, COVEY_OP_GLOBALAVGPOOL, x->index);
    return finish_window(b, in.rank - 2U, &e);
}
