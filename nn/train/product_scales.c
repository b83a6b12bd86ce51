/* SPDX-License-Identifier: MIT */
#include "codes/field_sizes.h"
#include "codes/mix_kernel.h"
#include "train/product.h"

#include <math.h>
#include <stdlib.h>

/* NaN stays. */
static double larger(double most, double v)
{
    return most >= v || isnan(most) ? most : v;
}

/* Four sums at a time. In double precision: gradients are small, and their squares must not vanish.
 */
static double squares(const float *v, size_t count)
{
    double sums[4] = {0}, rest = 0;
    size_t whole = count - count % 4;
    for (size_t i = 0; i < whole; i += 4) {
        for (size_t j = 0; j < 4; j++) {
            sums[j] += (double)v[i + j] * (double)v[i + j];
        }
    }
    for (size_t i = whole; i < count; i++) {
        rest += (double)v[i] * (double)v[i];
    }
    return sums[0] + sums[1] + sums[2] + sums[3] + rest;
}

/* The longest of count vectors, which lie as [outer][count][inner]. */
static double longest(const float *v, size_t outer, size_t count, size_t inner)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t o = 0; o < outer; o++) {
            sum += squares(v + (o * count + i) * inner, inner);
        }
        most = larger(most, sum);
    }
    return sqrt(most);
}

/* The squares of an image's channels, added up: [pixels]. */
static void add_channels(const float *image, size_t channels, size_t pixels, double *out)
{
    for (size_t i = 0; i < pixels; i++) {
        out[i] = 0;
    }
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < pixels; i++) {
            out[i] += (double)image[c * pixels + i] * (double)image[c * pixels + i];
        }
    }
}

/* What each output sees of the input, added to it; back: what each input gets from the outputs. */
static void add_window(const struct covey_train_product *p, bool back, const double *in,
                       double *out)
{
    size_t pixels = (size_t)p->out_height * p->out_width;
    for (size_t tap = 0; tap < (size_t)p->kernel[0] * p->kernel[1]; tap++) {
        int64_t top = (int64_t)(tap / p->kernel[1] * p->dilation[0]) - p->pads[0];
        int64_t left = (int64_t)(tap % p->kernel[1] * p->dilation[1]) - p->pads[1];
        for (size_t i = 0; i < pixels; i++) {
            int64_t y = top + (int64_t)(i / p->out_width * p->stride[0]);
            int64_t x = left + (int64_t)(i % p->out_width * p->stride[1]);
            if (y >= 0 && y < (int64_t)p->height && x >= 0 && x < (int64_t)p->width) {
                size_t seen = (size_t)y * p->width + (size_t)x;
                out[back ? seen : i] += in[back ? i : seen];
            }
        }
    }
}

/* The longest part of A that any number of the result sees, of all images. */
static covey_err longest_window(const struct covey_train_product *p, const float *a, double *out)
{
    bool back = p->kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT;
    size_t input = (size_t)p->height * p->width, output = (size_t)p->out_height * p->out_width;
    size_t from = back ? output : input, to = back ? input : output;
    size_t channels = back ? p->out_channels : p->in_channels;
    double most = 0, *sums = calloc(from + to, sizeof(double));
    if (sums == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t image = 0; image < p->batch; image++) {
        add_channels(a + image * channels * from, channels, from, sums);
        for (size_t i = 0; i < to; i++) {
            sums[from + i] = 0;
        }
        add_window(p, back, sums, sums + from);
        for (size_t i = 0; i < to; i++) {
            most = larger(most, sums[from + i]);
        }
    }
    free(sums);
    *out = sqrt(most);
    return COVEY_OK;
}

covey_err covey_train_product_scales(const struct covey_train_product *p, const float *a,
                                     const float *b, unsigned prime, double *out_a, double *out_b)
{
    const struct covey__mix_kernel *kernel = covey__mix_kernel();
    size_t taps = (size_t)p->kernel[0] * p->kernel[1];
    size_t input = (size_t)p->height * p->width, output = (size_t)p->out_height * p->out_width;
    struct covey__field_sizes s = {
        .largest_a = (double)kernel->largest(a, covey_train_product_a_floats(p)),
        .largest_b = (double)kernel->largest(b, covey_train_product_b_floats(p))};
    covey_err err = COVEY_OK;
    switch (p->kind) {
    case COVEY_TRAIN_PRODUCT_FORWARD: /* a window of X, a filter */
        s.k = p->in_channels * taps;
        s.longest_b = longest(b, 1, p->out_channels, s.k);
        err = longest_window(p, a, &s.longest_a);
        break;
    case COVEY_TRAIN_PRODUCT_INPUT_GRADIENT: /* a window of dY, all filters' channel */
        s.k = p->out_channels * taps;
        s.longest_b = longest(b, p->out_channels, p->in_channels, taps);
        err = longest_window(p, a, &s.longest_a);
        break;
    case COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT: /* a channel of X, a channel of dY */
    case COVEY_TRAIN_PRODUCT_KINDS:
        s.k = p->batch * output;
        s.longest_a = longest(a, p->batch, p->in_channels, input);
        s.longest_b = longest(b, p->batch, p->out_channels, output);
        break;
    }
    return err == COVEY_OK ? covey__field_scales(&s, prime, out_a, out_b) : err;
}
