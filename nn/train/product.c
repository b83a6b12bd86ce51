/* SPDX-License-Identifier: MIT */
#include "covey/train_product.h"

#include "covey/limits.h"
#include "ops.h"
#include "train/product.h"

/* Tiles of F(2x2, 3x3) round by at most 4.2e-7: decoding that magnifies it no more than so stays
 * below a relative error of 2e-5. */
#define BOUND 48.0f
/* Words of a product in bytes; the last of them is zero. */
enum { WORDS = COVEY_TRAIN_PRODUCT_BYTES / 4 };

/* Whether a b c d, none of them 0, are elements that a tensor may have. */
static bool is_count_valid(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const uint64_t factors[4] = {a, b, c, d};
    uint64_t count = 1;
    for (unsigned i = 0; i < 4; i++) {
        if (factors[i] == 0 || factors[i] > COVEY_TENSOR_ELEMENTS_MAX / count) {
            return false;
        }
        count *= factors[i];
    }
    return true;
}

static bool is_window_valid(const struct covey_train_product *p)
{
    const uint32_t in[2] = {p->height, p->width}, out[2] = {p->out_height, p->out_width};
    struct covey_op_attrs a = {.groups = 1};
    for (unsigned i = 0; i < 2; i++) {
        a.kernel[i] = p->kernel[i];
        a.stride[i] = p->stride[i];
        a.dilation[i] = p->dilation[i];
        a.pads[i] = p->pads[i];
        a.pads_end[i] = p->pads_end[i];
    }
    for (unsigned i = 0; i < 2; i++) {
        uint32_t size;
        if (covey__window_size(&a, i, in[i], &size, NULL) != COVEY_OK || size != out[i]) {
            return false;
        }
    }
    return true;
}

/* One number of each sample and feature. */
static bool is_dense_valid(const struct covey_train_product *p)
{
    bool plain = p->height == 1 && p->width == 1 && p->out_height == 1 && p->out_width == 1;
    for (unsigned i = 0; i < 2; i++) {
        plain = plain && p->kernel[i] == 1 && p->stride[i] == 1 && p->dilation[i] == 1 &&
                p->pads[i] == 0 && p->pads_end[i] == 0;
    }
    return plain;
}

/* The sizes of what kernels lay out: padded planes of all channels, and one unrolled image. */
static bool is_room_valid(const struct covey_train_product *p)
{
    uint64_t high = (uint64_t)p->height + p->pads[0] + p->pads_end[0];
    uint64_t wide = (uint64_t)p->width + p->pads[1] + p->pads_end[1];
    uint64_t taps = (uint64_t)p->kernel[0] * p->kernel[1];
    uint64_t pixels = (uint64_t)p->out_height * p->out_width;
    return is_count_valid(p->batch, p->in_channels, high, wide) &&
           is_count_valid(p->batch, p->out_channels, high, wide) &&
           is_count_valid(p->in_channels, taps, pixels, 1);
}

covey_err covey_train_product_check(const struct covey_train_product *p)
{
    if ((unsigned)p->kind >= COVEY_TRAIN_PRODUCT_KINDS ||
        !is_count_valid(p->batch, p->in_channels, p->height, p->width) ||
        !is_count_valid(p->batch, p->out_channels, p->out_height, p->out_width) ||
        !is_window_valid(p) || (p->dense && !is_dense_valid(p)) ||
        !is_count_valid(p->out_channels, p->in_channels, p->kernel[0], p->kernel[1]) ||
        !is_room_valid(p)) {
        return COVEY_ERR_RANGE;
    }
    /* Padded by more than a filter there is no input gradient, nor a check of the others. */
    for (unsigned i = 0; i < 2; i++) {
        uint32_t extent = (p->kernel[i] - 1) * p->dilation[i];
        if (p->pads[i] > extent || p->pads_end[i] > extent) {
            return COVEY_ERR_RANGE;
        }
    }
    return COVEY_OK;
}

void covey_train_product_encode(const struct covey_train_product *p,
                                uint8_t out[static COVEY_TRAIN_PRODUCT_BYTES])
{
    const uint32_t words[WORDS] = {
        (uint32_t)p->kind, p->dense,     p->batch,       p->in_channels, p->out_channels,
        p->height,         p->width,     p->out_height,  p->out_width,   p->kernel[0],
        p->kernel[1],      p->stride[0], p->stride[1],   p->dilation[0], p->dilation[1],
        p->pads[0],        p->pads[1],   p->pads_end[0], p->pads_end[1], 0};
    for (size_t i = 0; i < WORDS; i++) {
        covey_store32(out + 4 * i, words[i]);
    }
}

covey_err covey_train_product_decode(struct covey_bytes in, struct covey_train_product *out)
{
    uint32_t w[WORDS];
    if (in.len != COVEY_TRAIN_PRODUCT_BYTES) {
        return COVEY_ERR_MALFORMED;
    }
    for (size_t i = 0; i < WORDS; i++) {
        w[i] = covey_load32(in.ptr + 4 * i);
    }
    if (w[0] >= COVEY_TRAIN_PRODUCT_KINDS || w[1] > 1 || w[WORDS - 1] != 0) {
        return COVEY_ERR_RANGE;
    }
    struct covey_train_product p = {.kind = (enum covey_train_product_kind)w[0],
                                    .dense = w[1] == 1,
                                    .batch = w[2],
                                    .in_channels = w[3],
                                    .out_channels = w[4],
                                    .height = w[5],
                                    .width = w[6],
                                    .out_height = w[7],
                                    .out_width = w[8],
                                    .kernel = {w[9], w[10]},
                                    .stride = {w[11], w[12]},
                                    .dilation = {w[13], w[14]},
                                    .pads = {w[15], w[16]},
                                    .pads_end = {w[17], w[18]}};
    covey_err err = covey_train_product_check(&p);
    if (err == COVEY_OK) {
        *out = p;
    }
    return err;
}

static size_t input_pixels(const struct covey_train_product *p)
{
    return (size_t)p->height * p->width;
}

static size_t output_pixels(const struct covey_train_product *p)
{
    return (size_t)p->out_height * p->out_width;
}

static size_t input_floats(const struct covey_train_product *p)
{
    return p->batch * (p->in_channels * input_pixels(p));
}

static size_t output_floats(const struct covey_train_product *p)
{
    return p->batch * (p->out_channels * output_pixels(p));
}

static size_t weight_floats(const struct covey_train_product *p)
{
    return (size_t)p->out_channels * p->in_channels * p->kernel[0] * p->kernel[1];
}

uint32_t covey_train_product_rows(const struct covey_train_product *p)
{
    return p->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT ? p->in_channels : p->batch;
}

size_t covey_train_product_a_floats(const struct covey_train_product *p)
{
    return p->kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT ? output_floats(p) : input_floats(p);
}

size_t covey_train_product_b_floats(const struct covey_train_product *p)
{
    return p->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT ? output_floats(p) : weight_floats(p);
}

size_t covey_train_product_c_floats(const struct covey_train_product *p)
{
    return p->kind == COVEY_TRAIN_PRODUCT_FORWARD          ? output_floats(p)
           : p->kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT ? input_floats(p)
                                                           : weight_floats(p);
}

double covey_train_product_flops(const struct covey_train_product *p)
{
    return 2.0 * (double)weight_floats(p) * (double)p->batch * (double)output_pixels(p);
}

void covey_train_product_shape(const struct covey_train_product *p, struct covey_code *inout_code)
{
    struct covey_code_shape input = {1, p->in_channels * input_pixels(p)};
    struct covey_code_shape output = {1, p->out_channels * output_pixels(p)};
    struct covey_code_shape channels = {p->batch, input_pixels(p)};
    struct covey_code_shape filters = {p->out_channels, (size_t)p->kernel[0] * p->kernel[1]};
    inout_code->rows = covey_train_product_rows(p);
    if (inout_code->bound == 0 && !p->dense) {
        inout_code->bound = BOUND;
    }
    switch (p->kind) {
    case COVEY_TRAIN_PRODUCT_FORWARD:
        inout_code->a = input;
        inout_code->c = output;
        return;
    case COVEY_TRAIN_PRODUCT_INPUT_GRADIENT:
        inout_code->a = output;
        inout_code->c = input;
        return;
    case COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT:
        inout_code->a = channels;
        inout_code->c = filters;
        return;
    case COVEY_TRAIN_PRODUCT_KINDS:
        break;
    }
    COVEY_ASSERT(false);
}

void covey__train_product_conv(const struct covey_train_product *p, uint32_t rows,
                               struct covey__conv_shape *out)
{
    bool channels = p->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT;
    *out = (struct covey__conv_shape){.batch = channels ? p->batch : rows,
                                      .in_channels = channels ? rows : p->in_channels,
                                      .out_channels = p->out_channels,
                                      .groups = 1,
                                      .height = p->height,
                                      .width = p->width,
                                      .out_height = p->out_height,
                                      .out_width = p->out_width,
                                      .kernel = {p->kernel[0], p->kernel[1]},
                                      .stride = {p->stride[0], p->stride[1]},
                                      .dilation = {p->dilation[0], p->dilation[1]},
                                      .pads = {p->pads[0], p->pads[1]},
                                      .pads_end = {p->pads_end[0], p->pads_end[1]}};
}
