/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

enum { AXES_MAX = COVEY_SPATIAL_MAX, WINDOW_MAX = 1 << 16, GROUPS_MAX = 1 << 24 };
enum automatic { NOTSET, VALID, SAME_UPPER, SAME_LOWER };

/* Geometry of a window as ONNX gives it. */
struct window {
    size_t axes;
    int64_t kernel[AXES_MAX], stride[AXES_MAX], dilation[AXES_MAX], pads[2 * AXES_MAX];
    enum automatic automatic;
};

static void read_list(struct covey_onnx_build *b, const char *name, size_t count, int64_t fallback,
                      int64_t *out)
{
    int64_t list[2 * AXES_MAX] = {0};
    size_t got = covey__onnx_ints(b, name, list, 2 * AXES_MAX);
    if (got != 0 && got != count) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "%s has %zu numbers, not %zu", name, got, count);
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = got ? list[i] : fallback;
        if (out[i] < 0 || out[i] > WINDOW_MAX) {
            covey__onnx_fail(b, COVEY_ERR_RANGE, "%s has the number %lld", name, (long long)out[i]);
            out[i] = 1;
        }
    }
}

/* All of a window over input x. */
static void read_window(struct covey_onnx_build *b, const struct covey_shape *x, struct window *w)
{
    static const char *const words[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER", NULL};
    *w = (struct window){0};
    if (!b->err && (x->rank < 3 || x->rank > 2 + AXES_MAX)) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED,
                         "its input has %u dimensions, 3 to %d are supported", (unsigned)x->rank,
                         2 + AXES_MAX);
    }
    if (b->err) {
        return;
    }
    w->axes = x->rank - 2U;
    read_list(b, "kernel_shape", w->axes, 0, w->kernel);
    read_list(b, "strides", w->axes, 1, w->stride);
    read_list(b, "dilations", w->axes, 1, w->dilation);
    read_list(b, "pads", 2 * w->axes, 0, w->pads);
    w->automatic = (enum automatic)covey__onnx_choice(b, "auto_pad", words);
    for (size_t i = 0; i < w->axes; i++) {
        if (w->stride[i] == 0 || w->dilation[i] == 0) {
            covey__onnx_fail(b, COVEY_ERR_RANGE, "a stride or dilation is 0");
        }
    }
}

/* The weights' spatial dimensions, which kernel_shape may repeat. */
static void read_kernel(struct covey_onnx_build *b, uint16_t weights, struct window *w)
{
    struct covey_shape s = covey__onnx_shape(b, weights);
    if (!b->err && s.rank != 2 + w->axes) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its weights have %u dimensions, its input %zu",
                         (unsigned)s.rank, 2 + w->axes);
    }
    for (size_t i = 0; !b->err && i < w->axes; i++) {
        int64_t size = s.dims[2 + i];
        if ((w->kernel[i] != 0 && w->kernel[i] != size) || size > WINDOW_MAX) {
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "kernel_shape %lld, but its weights have %lld",
                             (long long)w->kernel[i], (long long)size);
        }
        w->kernel[i] = size;
    }
}

/* Puts total pads around axis i; the odd one goes where the name says. */
static void split_pads(struct window *w, size_t i, int64_t total, bool upper)
{
    int64_t less = total / 2;
    w->pads[i] = upper ? less : total - less;
    w->pads[w->axes + i] = upper ? total - less : less;
}

/* SAME: out = ceil(in / stride), padded by what is missing. */
static void pad_automatic(struct covey_onnx_build *b, const struct covey_shape *in,
                          struct window *w)
{
    if (w->automatic == VALID) {
        memset(w->pads, 0, sizeof w->pads);
    }
    if (w->automatic == NOTSET || w->automatic == VALID || b->err) {
        return;
    }
    for (size_t i = 0; i < w->axes; i++) {
        int64_t size = in->dims[2 + i];
        int64_t out = (size + w->stride[i] - 1) / w->stride[i];
        int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
        int64_t total = (out - 1) * w->stride[i] + reach - size;
        total = total > 0 ? total : 0;
        if (total > WINDOW_MAX) {
            covey__onnx_fail(b, COVEY_ERR_RANGE, "padding of %lld", (long long)total);
            return;
        }
        split_pads(w, i, total, w->automatic == SAME_UPPER);
    }
}

static void window_attrs(const struct window *w, struct covey_op_attrs *attrs)
{
    for (size_t i = 0; i < w->axes; i++) {
        attrs->kernel[i] = (uint32_t)w->kernel[i];
        attrs->stride[i] = (uint32_t)w->stride[i];
        attrs->dilation[i] = (uint32_t)w->dilation[i];
        attrs->pads[i] = (uint32_t)w->pads[i];
        attrs->pads_end[i] = (uint32_t)w->pads[w->axes + i];
    }
}

static uint32_t read_groups(struct covey_onnx_build *b)
{
    return (uint32_t)covey__onnx_int_in(b, "group", 1, (const int64_t[]){1, GROUPS_MAX});
}

/* Half and double precision are computed in single. */
static void finish_as_float(struct covey_onnx_build *b, struct covey_onnx_emit *e)
{
    enum covey_type type = covey__onnx_type_of(b, e->input[0]);
    struct covey_onnx_emit cast;
    if (type != COVEY_TYPE_F16 && type != COVEY_TYPE_F64) {
        covey__onnx_finish(b, e);
        return;
    }
    for (unsigned i = 0; !b->err && i < e->inputs; i++) {
        covey__onnx_emit_init(&cast, COVEY_OP_CAST);
        covey__onnx_emit_add(b, &cast, e->input[i]);
        cast.attrs.to = COVEY_TYPE_F32;
        if (e->input[i] != COVEY_VALUE_NONE) {
            e->input[i] = covey__onnx_emit(b, &cast);
        }
    }
    covey__onnx_emit_init(&cast, COVEY_OP_CAST);
    covey__onnx_emit_add(b, &cast, covey__onnx_emit(b, e));
    cast.attrs.to = type;
    covey__onnx_finish(b, &cast);
}

/* Any convolution whose weights are input w of e. */
static void finish_conv(struct covey_onnx_build *b, struct covey_onnx_emit *e, size_t weights)
{
    struct window w;
    struct covey_shape in = covey__onnx_shape(b, e->input[0]);
    read_window(b, &in, &w);
    if (!b->err) {
        read_kernel(b, e->input[weights], &w);
    }
    e->attrs.groups = read_groups(b);
    pad_automatic(b, &in, &w);
    window_attrs(&w, &e->attrs);
    if (e->op == COVEY_OP_CONV) {
        finish_as_float(b, e);
    } else {
        covey__onnx_finish(b, e);
    }
}

void covey__onnx_conv(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 2, 3);
    finish_conv(b, &e, 1);
}

void covey__onnx_conv_integer(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 2, 4);
    finish_conv(b, &e, 1);
}

void covey__onnx_qlinear_conv(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 8, 9);
    finish_conv(b, &e, 3);
}

/* output_shape or SAME: the pads are what is too much of
 * stride (in - 1) + output_padding + (kernel - 1) dilation + 1. */
static void transpose_pads(struct covey_onnx_build *b, const struct covey_shape *in,
                           struct window *w, int64_t *out_pads)
{
    int64_t shape[COVEY_RANK_MAX] = {0};
    size_t got = covey__onnx_ints(b, "output_shape", shape, COVEY_RANK_MAX);
    bool same = w->automatic == SAME_UPPER || w->automatic == SAME_LOWER;
    /* Until opset 22 the text and the official case have SAME_LOWER the other way round. */
    bool upper = w->automatic == SAME_UPPER || (w->automatic == SAME_LOWER && b->opset < 22);
    size_t skip = got == w->axes + 2 ? 2 : 0;
    if (got != 0 && got - skip != w->axes) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "output_shape has %zu numbers", got);
    }
    for (size_t i = 0; !b->err && (got != 0 || same) && i < w->axes; i++) {
        int64_t size = in->dims[2 + i];
        int64_t want = got != 0 ? shape[skip + i] : size * w->stride[i];
        int64_t full = w->stride[i] * (size - 1) + (w->kernel[i] - 1) * w->dilation[i] + 1;
        int64_t total = full + out_pads[i] - want;
        if (want < 1 || total > WINDOW_MAX || total < -WINDOW_MAX) {
            covey__onnx_fail(b, COVEY_ERR_RANGE, "output_shape %lld", (long long)want);
            return;
        }
        if (total < 0) {
            out_pads[i] -= total;
        }
        split_pads(w, i, total > 0 ? total : 0, upper);
    }
    if (w->automatic == VALID) {
        memset(w->pads, 0, sizeof w->pads);
    }
}

void covey__onnx_conv_transpose(struct covey_onnx_build *b)
{
    struct window w;
    struct covey_onnx_emit e;
    int64_t out_pads[2 * AXES_MAX] = {0};
    covey__onnx_begin(b, &e, 2, 3);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    read_window(b, &in, &w);
    if (!b->err) {
        read_kernel(b, e.input[1], &w);
    }
    e.attrs.groups = read_groups(b);
    read_list(b, "output_padding", w.axes, 0, out_pads);
    transpose_pads(b, &in, &w, out_pads);
    window_attrs(&w, &e.attrs);
    for (size_t i = 0; i < w.axes; i++) {
        e.attrs.out_pads[i] = (uint32_t)out_pads[i];
    }
    covey__onnx_finish(b, &e);
}

void covey__onnx_pool(struct covey_onnx_build *b)
{
    struct window w;
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    read_window(b, &in, &w);
    e.attrs.ceil_mode = covey__onnx_flag(b, "ceil_mode", false);
    if (b->op == COVEY_OP_MAXPOOL) {
        e.attrs.mode = covey__onnx_flag(b, "storage_order", false);
    } else if (b->op == COVEY_OP_AVGPOOL) {
        e.attrs.count_include_pad = covey__onnx_flag(b, "count_include_pad", false);
    } else {
        e.attrs.alpha = (float)covey__onnx_int(b, "p", 2);
    }
    for (size_t i = 0; i < w.axes; i++) {
        if (w.kernel[i] == 0) {
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "kernel_shape is missing or 0");
        }
    }
    pad_automatic(b, &in, &w);
    window_attrs(&w, &e.attrs);
    covey__onnx_finish(b, &e);
}
