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
    for (size_t c = 0; c < wanted && c < 3; c++) {
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

/* What the model takes: channels, height, width, in this order or with the channels last. */
struct target {
    size_t size[3];
    bool channels_last;
};

static void fill(const struct covey_prepare *p, const struct view *v, const struct target *t,
                 float *out)
{
    const size_t *size = t->size;
    bool exact = size[1] == v->height && size[2] == v->width;
    for (size_t c = 0; c < size[0]; c++) {
        for (size_t i = 0; i < size[1] * size[2]; i++) {
            const size_t at[2] = {i / size[2], i % size[2]};
            float value = exact ? view_at(v, c, at[0], at[1]) : bilinear(v, c, at, size + 1);
            size_t to = t->channels_last ? i * size[0] + c : c * size[1] * size[2] + i;
            out[to] = (value * p->scale - p->mean[c]) / p->std[c];
        }
    }
}

static bool are_channels(uint32_t dim)
{
    return dim == 1 || dim == 3;
}

static covey_err find_target(const struct covey_item *item, const struct covey_shape *model,
                             size_t count, struct target *out, struct covey_nn_error *why)
{
    const uint32_t *d = model->dims;
    size_t height = item->shape.dims[1];
    size_t width = item->shape.dims[2];
    if (model->rank == 4 && are_channels(d[1])) {
        *out = (struct target){{d[1], d[2], d[3]}, false};
        return COVEY_OK;
    }
    if (model->rank == 4 && are_channels(d[3])) {
        *out = (struct target){{d[3], d[1], d[2]}, true};
        return COVEY_OK;
    }
    /* A flat input takes a picture of exactly its size, or the grey or colour form of it. */
    size_t channels = count == height * width ? 1 : 3;
    if (model->rank == 4 || count != channels * height * width) {
        return covey__why(COVEY_ERR_RANGE, why,
                          "the model takes %zu values, the picture has %zu x %zu pixels", count,
                          width, height);
    }
    *out = (struct target){{channels, height, width}, false};
    return COVEY_OK;
}

covey_err covey_prepare_item(const struct covey_prepare *p, const struct covey_item *item,
                             const struct covey_shape *model_input, float *out,
                             struct covey_nn_error *out_why)
{
    struct covey_shape one = *model_input;
    size_t count = 0;
    size_t have = 0;
    struct target target = {{0}, false};
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
        err = find_target(item, model_input, count, &target, out_why);
    }
    if (err) {
        return err;
    }
    struct view v = {.data = item->data,
                     .channels = item->shape.dims[0],
                     .height = item->shape.dims[1],
                     .width = item->shape.dims[2]};
    view_weights(&v, target.size[0], p->layout);
    fill(p, &v, &target, out);
    return COVEY_OK;
}
