/* SPDX-License-Identifier: MIT */
#include "covey/split.h"

#include "../im2col.h"
#include "../layers.h"

/* Units aimed at: below COVEY_LAYER_UNITS_MAX, and divisible by most numbers of devices. */
enum { UNITS_AIM = 60 };

void covey_layer_cut(uint32_t m, uint32_t *out_unit_rows, uint32_t *out_units)
{
    uint32_t rows = m / UNITS_AIM + (m % UNITS_AIM != 0);
    rows = rows == 0 ? 1 : rows;
    *out_unit_rows = rows;
    *out_units = m / rows + (m % rows != 0);
}

static covey_err check_count(size_t a, size_t b, size_t c, size_t d)
{
    struct covey_shape s = {4, {(uint32_t)a, (uint32_t)b, (uint32_t)c, (uint32_t)d}};
    size_t count = 0;
    covey_err err = covey_shape_count(&s, &count);
    return err == COVEY_OK && count == 0 ? COVEY_ERR_RANGE : err;
}

static covey_err check_dense(const struct covey_layer *l)
{
    bool ok = l->channels == l->k && l->height == 1 && l->width == 1 && l->dilation[0] == 1 &&
              l->dilation[1] == 1 && l->kernel[0] == 1 && l->kernel[1] == 1 &&
              covey__conv_pointwise(l) && l->out_height == 1 && l->out_width == 1;
    return ok ? COVEY_OK : COVEY_ERR_RANGE;
}

static covey_err check_conv(const struct covey_layer *l)
{
    const uint32_t in[2] = {l->height, l->width}, out[2] = {l->out_height, l->out_width};
    struct covey_op_attrs a = {.groups = 1};
    for (unsigned i = 0; i < 2; i++) {
        a.kernel[i] = l->kernel[i];
        a.stride[i] = l->stride[i];
        a.dilation[i] = l->dilation[i];
        a.pads[i] = l->pads[i];
        a.pads_end[i] = l->pads[i + 2];
    }
    for (unsigned i = 0; i < 2; i++) {
        uint32_t size = 0;
        covey_err err = covey__window_size(&a, i, in[i], &size, NULL);
        if (err != COVEY_OK) {
            return err;
        }
        if (size != out[i]) {
            return COVEY_ERR_RANGE;
        }
    }
    uint64_t k = (uint64_t)l->kernel[0] * l->kernel[1]; /* at most 2^24 by the check above */
    return l->channels <= COVEY_TENSOR_ELEMENTS_MAX && k * l->channels == l->k ? COVEY_OK
                                                                               : COVEY_ERR_RANGE;
}

covey_err covey_layer_check(const struct covey_layer *l)
{
    if (l->units == 0 || l->units > COVEY_LAYER_UNITS_MAX || l->unit_rows == 0 || l->m == 0 ||
        l->m > COVEY_TENSOR_ELEMENTS_MAX ||
        l->units != l->m / l->unit_rows + (l->m % l->unit_rows != 0) || l->exact > 1) {
        return COVEY_ERR_RANGE;
    }
    covey_err err = check_count(l->units, l->unit_rows, l->k, 1);
    if (err == COVEY_OK) {
        err = check_count(l->batch, l->channels, l->height, l->width);
    }
    if (err == COVEY_OK) {
        err = check_count(l->batch, l->out_height, l->out_width, 1);
    }
    if (err == COVEY_OK) {
        size_t n = covey_layer_columns(l);
        err = check_count(l->units, l->unit_rows, n, 1);
    }
    if (err != COVEY_OK) {
        return err;
    }
    switch (l->kind) {
    case COVEY_LAYER_DENSE:
        return check_dense(l);
    case COVEY_LAYER_CONV:
        return check_conv(l);
    }
    return COVEY_ERR_RANGE;
}

size_t covey_layer_columns(const struct covey_layer *l)
{
    return (size_t)l->batch * l->out_height * l->out_width;
}

size_t covey_layer_input_floats(const struct covey_layer *l)
{
    return (size_t)l->batch * l->channels * l->height * l->width;
}

size_t covey_layer_unit_floats(const struct covey_layer *l)
{
    return (size_t)l->unit_rows * l->k;
}

size_t covey_layer_answer_floats(const struct covey_layer *l)
{
    return (size_t)l->unit_rows * covey_layer_columns(l);
}
