/* SPDX-License-Identifier: MIT
 *
 * Resize, as ONNX's documentation and its reference implementation say. Weights and coordinates are
 * doubles: which element is nearest must not depend on rounding.
 */
#include "op_resize.h"

#include <math.h>

#include "ops_move.h"

struct covey__resize_axis covey__resize_axis(const struct covey_op_attrs *a, unsigned axis,
                                             uint32_t in, uint32_t out)
{
    struct covey__resize_axis r = {.attrs = a, .in = in, .out = out, .roi_end = 1.0};
    /* A scale that was made from sizes is the exact ratio again. */
    double ratio = in > 0 ? (double)out / in : 1.0;
    bool exact = (float)ratio == a->scale[axis];
    r.scale = exact ? ratio : (double)a->scale[axis];
    r.width = exact ? (double)out : (double)(a->scale[axis] * (float)in);
    if (a->coordinates == COVEY_COORD_TF_CROP_AND_RESIZE) {
        r.roi_start = (double)a->roi[axis];
        r.roi_end = (double)a->roi[a->shape_rank + axis];
    }
    bool whole = fpclassify(r.roi_start) == FP_ZERO && fpclassify(r.roi_end - 1.0) == FP_ZERO;
    r.same = in == out && exact && whole;
    return r;
}

/* The formulas of coordinate_transformation_mode; x_resized is x, length_resized width. */
static double transform(const struct covey__resize_axis *r, double x)
{
    double last = (double)r->in - 1.0, steps = r->width - 1.0;
    bool one = fpclassify(steps) == FP_ZERO;
    double half_pixel = (x + 0.5) / r->scale - 0.5;
    switch (r->attrs->coordinates) {
    case COVEY_COORD_ASYMMETRIC:
        return x / r->scale;
    case COVEY_COORD_ALIGN_CORNERS:
        return one ? 0.0 : x * last / steps;
    case COVEY_COORD_PYTORCH_HALF_PIXEL:
        return one ? -0.5 : half_pixel;
    case COVEY_COORD_TF_CROP_AND_RESIZE: {
        double range = r->roi_end - r->roi_start;
        return (one ? range * last / 2.0 : x * range * last / steps) + r->roi_start * last;
    }
    case COVEY_COORD_HALF_PIXEL_SYMMETRIC:
        return (double)r->in / 2.0 * (1.0 - (double)r->out / r->width) + half_pixel;
    case COVEY_COORD_HALF_PIXEL:
    case COVEY_COORD_COUNT:
        break;
    }
    return half_pixel;
}

bool covey__resize_origin(const struct covey__resize_axis *r, uint32_t x, double *out_at)
{
    double at = transform(r, (double)x), far = 2.0 * (double)r->in + 4.0;
    if (r->attrs->coordinates == COVEY_COORD_TF_CROP_AND_RESIZE &&
        (at < 0.0 || at > (double)r->in - 1.0)) {
        return false;
    }
    /* Far outside all is edge; NaN goes there too. */
    *out_at = !(at > -far) ? -far : at > far ? far : at;
    return true;
}

bool covey__resize_nearest(const struct covey__resize_axis *r, uint32_t x, uint32_t *out_at)
{
    double at;
    if (!covey__resize_origin(r, x, &at)) {
        return false;
    }
    double floor_at = floor(at), ratio = at - floor_at;
    bool up = false;
    switch (r->attrs->nearest) {
    case COVEY_NEAREST_ROUND_PREFER_CEIL:
        up = ratio >= 0.5;
        break;
    case COVEY_NEAREST_FLOOR:
        break;
    case COVEY_NEAREST_CEIL:
        up = ratio > 0.0;
        break;
    case COVEY_NEAREST_ROUND_PREFER_FLOOR:
    case COVEY_NEAREST_COUNT:
        up = ratio > 0.5;
        break;
    }
    *out_at = covey__resize_clamp((int64_t)floor_at + up, r->in);
    return true;
}

/* Antialiasing stretches the filter by 1 / scale when shrinking. */
static double stretch(const struct covey__resize_axis *r)
{
    return r->attrs->antialias && r->scale < 1.0 ? r->scale : 1.0;
}

uint64_t covey__resize_taps(const struct covey__resize_axis *r)
{
    /* Radius of the filter: 1 linear, 2 cubic. */
    double radius = r->attrs->mode == COVEY_RESIZE_CUBIC ? 2.0 : 1.0;
    double start = floor(-radius / stretch(r)) + 1.0;
    return start < -1e9 ? UINT64_MAX : (uint64_t)(2.0 - 2.0 * start);
}

/* Linear: 1 - |x|. Cubic with coefficient a (Keys 1981): (a+2)|x|^3 - (a+3)|x|^2 + 1 up to 1,
 * a|x|^3 - 5a|x|^2 + 8a|x| - 4a up to 2. */
static double filter(const struct covey_op_attrs *attrs, double x)
{
    double a = (double)attrs->alpha;
    x = fabs(x);
    if (attrs->mode == COVEY_RESIZE_LINEAR) {
        return x < 1.0 ? 1.0 - x : 0.0;
    }
    if (x <= 1.0) {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    }
    return x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a : 0.0;
}

bool covey__resize_weights(const struct covey__resize_axis *r, uint32_t x, double *weights,
                           int64_t *out_first)
{
    double at, sum = 0.0, narrow = stretch(r);
    if (!covey__resize_origin(r, x, &at)) {
        return false;
    }
    /* Between two elements the left one is meant: the ratio is in (0, 1]. */
    double left = ceil(at) - 1.0, ratio = at - left;
    int64_t taps = (int64_t)covey__resize_taps(r);
    int64_t first = (int64_t)left - taps / 2 + 1;
    for (int64_t i = 0; i < taps; i++) {
        bool outside = first + i < 0 || first + i >= (int64_t)r->in;
        double offset = (double)(i - taps / 2 + 1) - ratio;
        weights[i] = filter(r->attrs, narrow * offset);
        weights[i] = r->attrs->exclude_outside && outside ? 0.0 : weights[i];
        sum += weights[i];
    }
    bool whole = !r->attrs->antialias && !r->attrs->exclude_outside;
    for (int64_t i = 0; i < taps && !whole && fpclassify(sum) != FP_ZERO; i++) {
        weights[i] /= sum;
    }
    *out_first = first;
    return true;
}

/* What is asked for, with the batch rule of Reshape. */
static int64_t target(const struct covey__op_call *c, unsigned axis, uint32_t in)
{
    int64_t dim = c->attrs->shape[axis];
    bool batch = axis == 0 && dim == 1 && c->batch > 1 && in == c->batch;
    return batch && fpclassify(c->attrs->scale[0] - 1.0f) == FP_ZERO ? in : dim;
}

static covey_err check_axis(const struct covey_op_attrs *a, unsigned axis, uint32_t in, int64_t dim)
{
    float scale = a->scale[axis];
    bool crop = a->coordinates == COVEY_COORD_TF_CROP_AND_RESIZE;
    if (dim < 0 || dim > COVEY_TENSOR_ELEMENTS_MAX || (in == 0 && dim > 0) || !isfinite(scale) ||
        !(scale > 0.0f)) {
        return COVEY_ERR_RANGE;
    }
    if (crop && (!isfinite(a->roi[axis]) || !isfinite(a->roi[a->shape_rank + axis]))) {
        return COVEY_ERR_RANGE;
    }
    struct covey__resize_axis r = covey__resize_axis(a, axis, in, (uint32_t)dim);
    /* All taps together are a few times what is read and written, or the scale is another's. */
    uint64_t room = 8 * ((uint64_t)in + (uint64_t)dim) + 64;
    bool filters = !r.same && a->mode != COVEY_RESIZE_NEAREST && dim > 0;
    return filters && covey__resize_taps(&r) > room / (uint64_t)dim ? COVEY_ERR_LIMIT : COVEY_OK;
}

covey_err covey__infer_resize(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    const struct covey_op_attrs *a = c->attrs;
    struct covey_shape s = c->in[0]->shape;
    if (a->mode > COVEY_RESIZE_CUBIC || (unsigned)a->coordinates >= COVEY_COORD_COUNT ||
        (unsigned)a->nearest >= COVEY_NEAREST_COUNT || a->shape_rank != s.rank) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "unknown mode or wrong rank");
    }
    if (a->mode != COVEY_RESIZE_NEAREST) {
        covey_err err = covey__type_among(c->in[0], COVEY__TYPES_NUMBER, out_why);
        if (err != COVEY_OK) {
            return err;
        }
    }
    for (unsigned i = 0; i < s.rank; i++) {
        int64_t dim = target(c, i, s.dims[i]);
        covey_err err = check_axis(a, i, s.dims[i], dim);
        if (err != COVEY_OK) {
            return covey__nn_fail(out_why, err, "size or scale of dimension %u", i);
        }
        s.dims[i] = (uint32_t)dim;
    }
    out->shape = s;
    return COVEY_OK;
}

size_t covey__scratch_resize(const struct covey__op_call *c)
{
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return 0;
    }
    return c->attrs->mode == COVEY_RESIZE_NEAREST ? covey__nearest_scratch(c)
           : covey__bilinear_does(c)              ? covey__bilinear_scratch(c)
                                                  : covey__filter_scratch(c);
}

void covey__op_resize(const struct covey__op_call *c)
{
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return;
    }
    if (c->attrs->mode == COVEY_RESIZE_NEAREST) {
        covey__nearest(c);
    } else if (covey__bilinear_does(c)) {
        covey__bilinear(c);
    } else {
        covey__filter(c);
    }
}
