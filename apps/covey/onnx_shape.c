/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

void covey__onnx_reshape_node(struct covey_onnx_build *b)
{
    int64_t target[COVEY_ONNX_INTS_MAX] = {0};
    uint16_t x = covey__onnx_need(b, 0);
    struct covey_shape in = covey__onnx_shape(b, x);
    size_t rank = covey__onnx_known(b, 1, target, COVEY_RANK_MAX);
    bool zero = covey__onnx_flag(b, "allowzero", false);
    if (rank == SIZE_MAX) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its shape is missing");
    }
    for (size_t i = 0; !b->err && i < rank; i++) {
        if (target[i] == 0 && !zero) {
            target[i] = i < in.rank ? (int64_t)in.dims[i] : -2;
        }
    }
    uint16_t y = b->err ? 0 : covey__onnx_reshape(b, x, target, rank);
    covey__onnx_define(b, 0, y);
}

void covey__onnx_flatten(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    int64_t given = covey__onnx_int(b, "axis", 1);
    uint8_t axis = given == in.rank ? in.rank : covey__onnx_axis(b, given, in.rank);
    if (covey__onnx_constant(b, e.input[0])) {
        int64_t flat[2] = {1, 1};
        for (uint8_t i = 0; i < in.rank; i++) {
            flat[i >= axis] *= in.dims[i];
        }
        covey__onnx_define(b, 0, covey__onnx_reshape(b, e.input[0], flat, 2));
        return;
    }
    e.attrs.axis = axis;
    covey__onnx_finish(b, &e);
}

/* The axes of Squeeze and Unsqueeze as bits; false: none are given. */
static bool read_axes(struct covey_onnx_build *b, size_t rank, uint32_t *out_bits)
{
    int64_t axes[COVEY_ONNX_INTS_MAX] = {0};
    size_t count = covey__onnx_list(b, "axes", 1, 13, axes);
    *out_bits = 0;
    if (count == SIZE_MAX) {
        return false;
    }
    /* Unsqueeze counts its axes among those of the result. */
    rank += strcmp(b->node->op_type, "Unsqueeze") == 0 ? count : 0;
    for (size_t i = 0; !b->err && i < count; i++) {
        uint32_t bit = 1U << covey__onnx_axis(b, axes[i], rank);
        if (*out_bits & bit) {
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "an axis is given twice");
        }
        *out_bits |= bit;
    }
    return true;
}

void covey__onnx_squeeze(struct covey_onnx_build *b)
{
    int64_t target[COVEY_RANK_MAX] = {0};
    uint32_t bits = 0;
    size_t rank = 0;
    uint16_t x = covey__onnx_need(b, 0);
    struct covey_shape in = covey__onnx_shape(b, x);
    bool given = read_axes(b, in.rank, &bits);
    for (size_t i = 0; i < in.rank; i++) {
        bool gone = given ? bits >> i & 1 : in.dims[i] == 1;
        if (gone && in.dims[i] != 1) {
            covey__onnx_fail(b, COVEY_ERR_RANGE, "dimension %zu is %u, not 1", i,
                             (unsigned)in.dims[i]);
        }
        if (!gone) {
            target[rank++] = in.dims[i];
        }
    }
    uint16_t y = covey__onnx_reshape(b, x, target, rank);
    covey__onnx_define(b, 0, y);
}

void covey__onnx_unsqueeze(struct covey_onnx_build *b)
{
    int64_t target[COVEY_RANK_MAX] = {0};
    uint32_t bits = 0;
    uint16_t x = covey__onnx_need(b, 0);
    struct covey_shape in = covey__onnx_shape(b, x);
    if (!read_axes(b, in.rank, &bits)) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its axes are missing");
    }
    size_t rank = in.rank + (size_t)__builtin_popcount(bits);
    if (rank > COVEY_RANK_MAX) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "more than %d dimensions", COVEY_RANK_MAX);
        return;
    }
    for (size_t i = 0, from = 0; i < rank; i++) {
        target[i] = bits >> i & 1 ? 1 : in.dims[from++];
    }
    uint16_t y = covey__onnx_reshape(b, x, target, rank);
    covey__onnx_define(b, 0, y);
}

void covey__onnx_transpose(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    size_t count = covey__onnx_ints(b, "perm", e.attrs.shape, COVEY_RANK_MAX);
    if (count != 0 && count != in.rank) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "perm has %zu numbers, not %u", count,
                         (unsigned)in.rank);
    }
    for (int64_t i = 0; count == 0 && i < in.rank; i++) {
        e.attrs.shape[i] = in.rank - 1 - i;
    }
    e.attrs.shape_rank = in.rank;
    covey__onnx_finish(b, &e);
}

void covey__onnx_expand(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 1);
    size_t rank = covey__onnx_known(b, 1, e.attrs.shape, COVEY_RANK_MAX);
    if (rank == SIZE_MAX) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its shape is missing");
        return;
    }
    e.attrs.shape_rank = (uint8_t)rank;
    covey__onnx_finish(b, &e);
}

void covey__onnx_tile(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    size_t rank = covey__onnx_known(b, 1, e.attrs.shape, COVEY_RANK_MAX);
    if (rank != in.rank) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its repeats are missing or too few");
        return;
    }
    e.attrs.shape_rank = (uint8_t)rank;
    covey__onnx_finish(b, &e);
}

/* Pads of all dimensions from those of the given axes (opset 18). */
static void pads_of_axes(struct covey_onnx_build *b, const struct covey_shape *in, int64_t *pads,
                         size_t count)
{
    int64_t axes[COVEY_RANK_MAX] = {0};
    int64_t all[2 * COVEY_RANK_MAX] = {0};
    size_t named = b->opset >= 18 ? covey__onnx_known(b, 3, axes, COVEY_RANK_MAX) : SIZE_MAX;
    size_t expected = named == SIZE_MAX ? in->rank : named;
    if (count != 2 * expected) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "%zu pads for %zu dimensions", count, expected);
    }
    for (size_t i = 0; !b->err && i < expected; i++) {
        size_t axis = named == SIZE_MAX ? i : covey__onnx_axis(b, axes[i], in->rank);
        all[axis] = pads[i];
        all[in->rank + axis] = pads[expected + i];
    }
    memcpy(pads, all, sizeof all);
}

void covey__onnx_pad(struct covey_onnx_build *b)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap", NULL};
    struct covey_onnx_emit e;
    int64_t pads[COVEY_ONNX_INTS_MAX] = {0};
    bool any = false;
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    e.attrs.mode = covey__onnx_choice(b, "mode", modes);
    size_t count = covey__onnx_list(b, "pads", 1, 11, pads);
    e.attrs.value =
        b->opset < 11 ? (double)covey__onnx_float(b, "value", 0.0f) : covey__onnx_scalar(b, 2, 0.0);
    pads_of_axes(b, &in, pads, count);
    for (size_t i = 0; !b->err && i < 2U * in.rank; i++) {
        if (pads[i] < -COVEY_TENSOR_ELEMENTS_MAX || pads[i] > COVEY_TENSOR_ELEMENTS_MAX) {
            covey__onnx_fail(b, COVEY_ERR_RANGE, "a pad of %lld", (long long)pads[i]);
        }
        any |= pads[i] != 0;
        e.attrs.pad[i] = (int32_t)pads[i];
    }
    e.attrs.shape_rank = in.rank;
    if (!any) {
        covey__onnx_define(b, 0, e.input[0]);
        return;
    }
    covey__onnx_finish(b, &e);
}
