/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

static int32_t read_axis(struct covey_onnx_build *b, int64_t fallback, const struct covey_shape *in)
{
    int64_t axis = covey__onnx_int(b, "axis", fallback);
    return in->rank == 0 && (axis == 0 || axis == -1) ? 0 : covey__onnx_axis(b, axis, in->rank);
}

void covey__onnx_batchnorm(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 5, 5);
    covey__onnx_ignore(b, "momentum");
    e.attrs.epsilon = covey__onnx_float(b, "epsilon", 1e-5f);
    if (covey__onnx_flag(b, "training_mode", false) || !covey__onnx_flag(b, "spatial", true)) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "training_mode 1 or spatial 0");
    }
    /* The other outputs are only of training. */
    uint16_t y = covey__onnx_emit(b, &e);
    covey__onnx_define(b, 0, y);
}

/* LRN, InstanceNormalization, LpNormalization, GlobalLpPool: a few numbers. */
void covey__onnx_norm(struct covey_onnx_build *b)
{
    static const int64_t sizes[] = {1, 1 << 20};
    struct covey_onnx_emit e;
    bool instance = b->op == COVEY_OP_INSTANCENORM;
    covey__onnx_begin(b, &e, instance ? 3 : 1, instance ? 3 : 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    if (b->op == COVEY_OP_LRN) {
        e.attrs.alpha = covey__onnx_float(b, "alpha", 1e-4f);
        e.attrs.beta = covey__onnx_float(b, "beta", 0.75f);
        e.attrs.bias = covey__onnx_float(b, "bias", 1.0f);
        e.attrs.size = (uint32_t)covey__onnx_int_in(b, "size", 0, sizes);
    } else if (instance) {
        e.attrs.epsilon = covey__onnx_float(b, "epsilon", 1e-5f);
    } else if (b->op == COVEY_OP_LPNORM) {
        e.attrs.axis = read_axis(b, -1, &in);
        e.attrs.size = (uint32_t)covey__onnx_int_in(b, "p", 2, sizes);
    } else {
        e.attrs.alpha = (float)covey__onnx_int_in(b, "p", 2, sizes);
    }
    covey__onnx_finish(b, &e);
}

void covey__onnx_layernorm(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 2, 3);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    e.attrs.axis = read_axis(b, -1, &in);
    e.attrs.epsilon = covey__onnx_float(b, "epsilon", 1e-5f);
    covey__onnx_ignore(b, "stash_type"); /* in which precision it is computed */
    covey__onnx_finish(b, &e);
}

/* One number of each group [g] as one of each channel [g c/g]. */
static uint16_t spread(struct covey_onnx_build *b, uint16_t v, uint32_t groups, uint32_t channels)
{
    struct covey_onnx_emit e;
    uint16_t column = covey__onnx_reshape(b, v, (const int64_t[]){groups, 1}, 2);
    covey__onnx_emit_init(&e, COVEY_OP_EXPAND);
    covey__onnx_emit_add(b, &e, column);
    e.attrs.shape_rank = 2;
    e.attrs.shape[0] = groups;
    e.attrs.shape[1] = channels / groups;
    column = covey__onnx_emit(b, &e);
    return covey__onnx_reshape(b, column, (const int64_t[]){channels}, 1);
}

void covey__onnx_groupnorm(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 3, 3);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    uint32_t groups =
        (uint32_t)covey__onnx_int_in(b, "num_groups", 0, (const int64_t[]){1, 1 << 24});
    e.attrs.epsilon = covey__onnx_float(b, "epsilon", 1e-5f);
    e.attrs.groups = groups;
    covey__onnx_ignore(b, "stash_type");
    uint32_t channels = in.rank > 1 ? in.dims[1] : 0;
    if (!b->err && (channels == 0 || channels % groups != 0)) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "%u channels in %u groups", channels, groups);
    }
    /* Since opset 21 scale and bias are of channels, before of groups. */
    for (size_t i = 1; !b->err && b->opset < 21 && i < 3; i++) {
        if (covey__onnx_count(b, e.input[i]) == groups && groups != channels) {
            e.input[i] = spread(b, e.input[i], groups, channels);
        }
    }
    covey__onnx_finish(b, &e);
}

/* Axes as bits. */
static uint32_t axes_bits(struct covey_onnx_build *b, const int64_t *axes, size_t count,
                          size_t rank)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < count && !b->err; i++) {
        bits |= 1U << covey__onnx_axis(b, axes[i], rank);
    }
    return bits;
}

void covey__onnx_mvn(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    int64_t axes[COVEY_ONNX_INTS_MAX] = {0, 2, 3};
    covey__onnx_begin(b, &e, 1, 1);
    size_t count = covey__onnx_ints(b, "axes", axes, COVEY_ONNX_INTS_MAX);
    e.attrs.axes = axes_bits(b, axes, count ? count : 3, covey__onnx_shape(b, e.input[0]).rank);
    covey__onnx_finish(b, &e);
}

/* Before opset 13 the input counts as the matrix [axes before axis, axes from axis on]. */
static void softmax_flat(struct covey_onnx_build *b, struct covey_onnx_emit *e,
                         const struct covey_shape *in)
{
    struct covey_onnx_emit flat;
    int64_t back[COVEY_RANK_MAX] = {0};
    bool whole = e->attrs.axis == 1; /* rows are what the first dimension counts */
    covey__onnx_emit_init(&flat, COVEY_OP_FLATTEN);
    covey__onnx_emit_add(b, &flat, e->input[0]);
    flat.attrs.axis = e->attrs.axis;
    e->input[0] = covey__onnx_emit(b, &flat);
    e->attrs.axis = 1;
    uint16_t y = covey__onnx_emit(b, e);
    for (size_t i = 0; i < in->rank; i++) {
        back[i] = i == 0 && whole ? -1 : (int64_t)in->dims[i];
    }
    y = covey__onnx_reshape(b, y, back, in->rank);
    covey__onnx_define(b, 0, y);
}

void covey__onnx_softmax(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    e.attrs.axis = read_axis(b, b->opset < 13 ? 1 : -1, &in);
    if (b->opset < 13 && e.attrs.axis + 1 != (int32_t)in.rank) {
        softmax_flat(b, &e, &in);
        return;
    }
    covey__onnx_finish(b, &e);
}

void covey__onnx_reduce(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    int64_t axes[COVEY_ONNX_INTS_MAX] = {0};
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    size_t count = covey__onnx_list(b, "axes", 1, b->op == COVEY_OP_REDUCESUM ? 13 : 18, axes);
    bool noop = covey__onnx_flag(b, "noop_with_empty_axes", false);
    e.attrs.keepdims = covey__onnx_flag(b, "keepdims", true);
    count = count == SIZE_MAX ? 0 : count;
    if (count == 0 && noop) {
        covey__onnx_define(b, 0, e.input[0]);
        return;
    }
    e.attrs.axes = count ? axes_bits(b, axes, count, in.rank) : (1U << in.rank) - 1;
    covey__onnx_finish(b, &e);
}

void covey__onnx_arg(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    e.attrs.axis = read_axis(b, 0, &in);
    e.attrs.keepdims = covey__onnx_flag(b, "keepdims", true);
    e.attrs.mode = covey__onnx_flag(b, "select_last_index", false);
    covey__onnx_finish(b, &e);
}

void covey__onnx_cumsum(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    int64_t axis = 0;
    covey__onnx_begin(b, &e, 1, 1);
    if (covey__onnx_known(b, 1, &axis, 1) != 1) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its axis is missing");
    }
    e.attrs.axis = covey__onnx_axis(b, axis, covey__onnx_shape(b, e.input[0]).rank);
    e.attrs.mode = (covey__onnx_flag(b, "exclusive", false) ? 1U : 0U) |
                   (covey__onnx_flag(b, "reverse", false) ? 2U : 0U);
    covey__onnx_finish(b, &e);
}

void covey__onnx_topk(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    int64_t k[COVEY_ONNX_INTS_MAX] = {0};
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    if (b->opset < 10) {
        k[0] = covey__onnx_int(b, "k", -1);
    } else if (covey__onnx_known(b, 1, k, 1) != 1) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "k is missing");
    }
    if (k[0] < 0 || k[0] > COVEY_TENSOR_ELEMENTS_MAX) {
        covey__onnx_fail(b, COVEY_ERR_RANGE, "k is %lld", (long long)k[0]);
    }
    e.attrs.size = (uint32_t)k[0];
    e.attrs.axis = read_axis(b, -1, &in);
    e.attrs.mode = (covey__onnx_flag(b, "largest", true) ? 1U : 0U) |
                   (covey__onnx_flag(b, "sorted", true) ? 2U : 0U);
    covey__onnx_finish(b, &e);
}
