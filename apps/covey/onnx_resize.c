/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

#include <math.h>

enum policy { STRETCH, NOT_LARGER, NOT_SMALLER };

/* Numbers of input i, which must be known now; 0: left out or empty. */
static size_t read_numbers(struct covey_onnx_build *b, size_t i, double *out, size_t max)
{
    int64_t ints[COVEY_ONNX_INTS_MAX] = {0};
    uint16_t v = covey__onnx_input(b, i);
    if (v == COVEY_VALUE_NONE || (!b->err && covey__onnx_count(b, v) == 0)) {
        return 0;
    }
    size_t count = covey__onnx_known(b, i, ints, max);
    for (size_t j = 0; !b->err && j < count; j++) {
        out[j] = covey__onnx_element(b, v, j);
    }
    return b->err ? 0 : count;
}

/* One axis: its output size and scale. Resize-19: output = floor(input x scale). */
static void resize_axis(struct covey_onnx_build *b, struct covey_onnx_emit *e, size_t axis,
                        double size, double scale)
{
    uint32_t in = covey__onnx_shape(b, e->input[0]).dims[axis];
    size = size >= 0 ? size : floor((double)in * scale);
    if (!(size >= 1 && size <= COVEY_TENSOR_ELEMENTS_MAX && scale > 0 && isfinite(scale))) {
        covey__onnx_fail(b, COVEY_ERR_RANGE, "dimension %zu of %u resized to %g by %g", axis,
                         (unsigned)in, size, scale);
        return;
    }
    e->attrs.shape[axis] = (int64_t)size;
    e->attrs.scale[axis] = (float)scale;
}

/* Resize-18, keep_aspect_ratio_policy: one scale for all axes, sizes rounded to the nearest. */
static void resize_to(struct covey_onnx_build *b, struct covey_onnx_emit *e, const uint8_t *axes,
                      const double *sizes, size_t count, enum policy policy)
{
    struct covey_shape in = covey__onnx_shape(b, e->input[0]);
    double one = 0;
    for (size_t i = 0; i < count; i++) {
        double scale = sizes[i] / in.dims[axes[i]];
        one = i == 0 || (policy == NOT_LARGER ? scale < one : scale > one) ? scale : one;
    }
    for (size_t i = 0; i < count && !b->err; i++) {
        uint32_t dim = in.dims[axes[i]];
        double size = policy == STRETCH ? sizes[i] : floor(one * dim + 0.5);
        resize_axis(b, e, axes[i], size, policy == STRETCH ? size / dim : one);
    }
}

static void resize_init(struct covey_onnx_build *b, struct covey_onnx_emit *e)
{
    covey__onnx_begin(b, e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e->input[0]);
    e->op = COVEY_OP_RESIZE;
    e->attrs.shape_rank = in.rank;
    for (size_t i = 0; i < in.rank; i++) {
        e->attrs.shape[i] = in.dims[i];
        e->attrs.scale[i] = 1.0f;
        e->attrs.roi[in.rank + i] = 1.0f;
        if (in.dims[i] == 0) {
            covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "its input is empty");
        }
    }
    e->attrs.alpha = -0.75f;
    e->attrs.value = 0;
}

/* The axes that scales, sizes and roi are about. */
static size_t read_axes(struct covey_onnx_build *b, size_t rank, uint8_t out[COVEY_RANK_MAX])
{
    int64_t axes[COVEY_RANK_MAX] = {0};
    size_t count = b->opset >= 18 ? covey__onnx_ints(b, "axes", axes, COVEY_RANK_MAX) : 0;
    for (uint8_t i = 0; i < COVEY_RANK_MAX && count == 0; i++) {
        out[i] = i;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = covey__onnx_axis(b, axes[i], rank);
    }
    return count ? count : rank;
}

static void read_modes(struct covey_onnx_build *b, struct covey_op_attrs *a)
{
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const coordinates[] = {"half_pixel",
                                              "asymmetric",
                                              "align_corners",
                                              "pytorch_half_pixel",
                                              "tf_crop_and_resize",
                                              "half_pixel_symmetric",
                                              NULL};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil", NULL};
    a->mode = covey__onnx_choice(b, "mode", modes);
    a->coordinates = (enum covey_coordinates)covey__onnx_choice(b, "coordinate_transformation_mode",
                                                                coordinates);
    a->nearest = (enum covey_nearest)covey__onnx_choice(b, "nearest_mode", nearest);
    a->alpha = covey__onnx_float(b, "cubic_coeff_a", -0.75f);
    a->value = (double)covey__onnx_float(b, "extrapolation_value", 0.0f);
    a->exclude_outside = covey__onnx_flag(b, "exclude_outside", false);
    a->antialias = covey__onnx_flag(b, "antialias", false);
}

static void read_roi(struct covey_onnx_build *b, struct covey_op_attrs *a, const uint8_t *axes,
                     size_t count)
{
    double roi[2 * COVEY_RANK_MAX] = {0};
    if (a->coordinates != COVEY_COORD_TF_CROP_AND_RESIZE) {
        return; /* ONNX: only then it is looked at */
    }
    if (read_numbers(b, 1, roi, 2 * COVEY_RANK_MAX) != 2 * count) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its roi is missing");
    }
    for (size_t i = 0; !b->err && i < count; i++) {
        a->roi[axes[i]] = (float)roi[i];
        a->roi[a->shape_rank + axes[i]] = (float)roi[count + i];
    }
}

static void resize_by_scales(struct covey_onnx_build *b, struct covey_onnx_emit *e,
                             const uint8_t *axes, const double *scales, size_t count)
{
    for (size_t i = 0; i < count && !b->err; i++) {
        resize_axis(b, e, axes[i], -1, scales[i]);
    }
}

/* Before opset 11 coordinates are asymmetric. The nearest is the one below when it grows, and, as
 * the reference implementations have it, the one above when it shrinks. */
static void old_resize(struct covey_onnx_build *b, struct covey_onnx_emit *e, const double *scales,
                       size_t count)
{
    static const char *const modes[] = {"nearest", "linear", "bilinear", NULL};
    static const uint8_t axes[] = {0, 1, 2, 3, 4, 5, 6, 7};
    bool grows = false;
    bool shrinks = false;
    unsigned mode = covey__onnx_choice(b, "mode", modes);
    e->attrs.mode = mode ? COVEY_RESIZE_LINEAR : COVEY_RESIZE_NEAREST;
    e->attrs.coordinates = COVEY_COORD_ASYMMETRIC;
    for (size_t i = 0; i < count; i++) {
        grows |= scales[i] > 1;
        shrinks |= scales[i] < 1;
    }
    if (mode == 0 && grows && shrinks) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "it grows and shrinks to the nearest");
    }
    e->attrs.nearest = shrinks ? COVEY_NEAREST_CEIL : COVEY_NEAREST_FLOOR;
    if (!b->err && count != e->attrs.shape_rank) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "%zu scales for %u dimensions", count,
                         (unsigned)e->attrs.shape_rank);
    }
    resize_by_scales(b, e, axes, scales, count);
    covey__onnx_finish(b, e);
}

void covey__onnx_upsample(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    double scales[COVEY_RANK_MAX] = {0};
    size_t count = 0;
    resize_init(b, &e);
    if (b->opset >= 9) {
        count = read_numbers(b, 1, scales, COVEY_RANK_MAX);
    } else {
        const Onnx__AttributeProto *a = covey__onnx_attribute(b, "scales");
        count = a && a->n_floats <= COVEY_RANK_MAX ? a->n_floats : 0;
        for (size_t i = 0; i < count; i++) {
            scales[i] = (double)a->floats[i];
        }
    }
    old_resize(b, &e, scales, count);
}

void covey__onnx_resize(struct covey_onnx_build *b)
{
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
    struct covey_onnx_emit e;
    double scales[COVEY_RANK_MAX] = {0};
    double sizes[COVEY_RANK_MAX] = {0};
    uint8_t axes[COVEY_RANK_MAX] = {0};
    resize_init(b, &e);
    if (b->opset < 11) {
        old_resize(b, &e, scales, read_numbers(b, 1, scales, COVEY_RANK_MAX));
        return;
    }
    size_t count = read_axes(b, e.attrs.shape_rank, axes);
    size_t scaled = read_numbers(b, 2, scales, COVEY_RANK_MAX);
    size_t sized = read_numbers(b, 3, sizes, COVEY_RANK_MAX);
    enum policy policy = (enum policy)covey__onnx_choice(b, "keep_aspect_ratio_policy", policies);
    read_modes(b, &e.attrs);
    read_roi(b, &e.attrs, axes, count);
    if (!b->err && (sized ? sized : scaled) != count) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "%zu sizes or scales for %zu dimensions",
                         sized ? sized : scaled, count);
    }
    if (sized && !b->err) {
        resize_to(b, &e, axes, sizes, count, policy);
    } else {
        resize_by_scales(b, &e, axes, scales, count);
    }
    covey__onnx_finish(b, &e);
}
