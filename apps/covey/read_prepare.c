/* SPDX-License-Identifier: MIT */
#include "read_input.h"

#include <math.h>

#include "read_why.h"

void covey_prepare_init(struct covey_prepare *p)
{
    *p = (struct covey_prepare){.scale = 1.0f, .std = {1.0f, 1.0f, 1.0f}};
}

covey_err covey_prepare_check(const struct covey_prepare *p, struct covey_nn_error *out_why)
{
    bool ok = isfinite(p->scale) && p->layout <= COVEY_LAYOUT_GRAY;
    for (size_t i = 0; i < 3; i++) {
        ok = ok && isfinite(p->mean[i]) && isfinite(p->std[i]) && p->std[i] != 0.0f;
    }
    return ok ? COVEY_OK
              : covey__why(COVEY_ERR_RANGE, out_why, "scale, mean or std is out of range");
}

/* A picture seen as the channels that the model wants; weights of the source's channels. */
struct view {
    const float *data;
    size_t channels, height, width;
    float weights[3][3]; /* [wanted channel][source channel] */
};

/* ITU-R BT.601 luma, as image libraries turn colour into grey. */
static const float luma[3] = {0.299f, 0.587f, 0.114f};

static void view_weights(struct view *v, size_t wanted, enum covey_layout layout)
{
    bool gray = wanted == 1 || layout == COVEY_LAYOUT_GRAY;
    memset(v->weights, 0, sizeof v->weights);
    for (size_t c = 0; c < wanted; c++) {
        if (v->channels == 1) {
            v->weights[c][0] = 1.0f;
        } else if (gray) {
            memcpy(v->weights[c], luma, sizeof luma);
        } else {
            v->weights[c][layout == COVEY_LAYOUT_BGR ? 2 - c : c] = 1.0f;
        }
    }
}

static float view_at(const struct view *v, size_t channel, size_t y, size_t x)
{
    float sum = 0.0f;
    for (size_t s = 0; s < v->channels; s++) {
        if (v->weights[channel][s] != 0.0f) {
            sum += v->weights[channel][s] * v->data[(s * v->height + y) * v->width + x];
        }
    }
    return sum;
}

/* Position i of n in a row of size `from`: between first and first + 1 (or at the end). */
static size_t locate(size_t i, size_t n, size_t from, size_t *out_next, float *out_part)
{
    float at = ((float)i + 0.5f) * ((float)from / (float)n) - 0.5f;
    at = at < 0.0f ? 0.0f : at;
    size_t first = (size_t)at;
    first = first > from - 1 ? from - 1 : first;
    *out_next = first + 1 < from ? first + 1 : first;
    *out_part = at - (float)first;
    return first;
}

static float bilinear(const struct view *v, size_t channel, const size_t at[2], const size_t to[2])
{
    size_t y1 = 0;
    size_t x1 = 0;
    float dy = 0.0f;
    float dx = 0.0f;
    size_t y0 = locate(at[0], to[0], v->height, &y1, &dy);
    size_t x0 = locate(at[1], to[1], v->width, &x1, &dx);
    float top = view_at(v, channel, y0, x0) * (1 - dx) + view_at(v, channel, y0, x1) * dx;
    float bottom = view_at(v, channel, y1, x0) * (1 - dx) + view_at(v, channel, y1, x1) * dx;
    return top * (1 - dy) + bottom * dy;
}

static void fill(const struct covey_prepare *p, const struct view *v, const size_t size[3],
                 float *out)
{
    bool exact = size[1] == v->height && size[2] == v->width;
    for (size_t c = 0; c < size[0]; c++) {
        for (size_t y = 0; y < size[1]; y++) {
            for (size_t x = 0; x < size[2]; x++) {
                const size_t at[2] = {y, x};
                float value = exact ? view_at(v, c, y, x) : bilinear(v, c, at, size + 1);
                *out++ = (value * p->scale - p->mean[c]) / p->std[c];
            }
        }
    }
}

/* Channels, height, width that the model wants of a picture. */
static covey_err wanted_size(const struct covey_item *item, const struct covey_shape *model,
                             size_t count, size_t out[3], struct covey_nn_error *why)
{
    size_t pixels = (size_t)item->shape.dims[1] * item->shape.dims[2];
    if (model->rank == 4 && (model->dims[1] == 1 || model->dims[1] == 3)) {
        for (size_t i = 0; i < 3; i++) {
            out[i] = model->dims[i + 1];
        }
        return COVEY_OK;
    }
    out[1] = item->shape.dims[1];
    out[2] = item->shape.dims[2];
    /* A flat input takes a picture of exactly its size, or the grey or colour form of it. */
    out[0] = count == pixels ? 1 : 3;
    if (model->rank != 4 && count == out[0] * pixels) {
        return COVEY_OK;
    }
    return covey__why(COVEY_ERR_RANGE, why,
                      "the model takes %zu values, the picture has %u x %u pixels", count,
                      item->shape.dims[1], item->shape.dims[2]);
}

covey_err covey_prepare_item(const struct covey_prepare *p, const struct covey_item *item,
                             const struct covey_shape *model_input, float *out,
                             struct covey_nn_error *out_why)
{
    struct covey_shape one = *model_input;
    size_t count = 0;
    size_t have = 0;
    size_t size[3] = {0};
    if (one.rank > 0) {
        one.dims[0] = 1;
    }
    covey_err err = covey_shape_count(&one, &count);
    if (!err) {
        err = covey_shape_count(&item->shape, &have);
    }
    if (err) {
        return covey__why(err, out_why, "the input is too large");
    }
    if (item->kind == COVEY_ITEM_TENSOR) {
        if (have != count) {
            return covey__why(COVEY_ERR_RANGE, out_why,
                              "the model takes %zu values, the tensor has %zu", count, have);
        }
        memcpy(out, item->data, count * sizeof *out);
        return COVEY_OK;
    }
    err = covey_prepare_check(p, out_why);
    if (!err) {
        err = wanted_size(item, model_input, count, size, out_why);
    }
    if (err) {
        return err;
    }
    struct view v = {.data = item->data,
                     .channels = item->shape.dims[0],
                     .height = item->shape.dims[1],
                     .width = item->shape.dims[2]};
    view_weights(&v, size[0], p->layout);
    fill(p, &v, size, out);
    return COVEY_OK;
}
