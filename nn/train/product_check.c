/* SPDX-License-Identifier: MIT */
#include "covey/field.h"
#include "covey/large.h"
#include "gemm.h"
#include "kernels/vkernels.h"
#include "train/product.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN_FLOATS = 16 };

/* What one row of A becomes is linear in it; x is that map's adjoint applied to s, for some vectors
 * s. Of a forward product it is the input gradient at dY = s, of an input gradient the forward
 * product at X = s, each of as many images as there are vectors. Of a weight gradient,
 *   x [batch][pixel] = sum over filters and taps of s [filter][tap] dY [batch][filter][pixel - tap]
 * is an input gradient too, with s as the filters. */
struct adjoint {
    const struct covey_train_product *p;
    struct covey_train_product turned;
    unsigned vectors, prime;
    uint32_t rows;
    size_t in, out, pixels; /* of one vector x, of one vector s, of an output */
    float *x, *filters, *images, *columns;
    void *scratch;
};

static uint64_t round_up(uint64_t floats)
{
    return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static bool is_weights(const struct adjoint *j)
{
    return j->p->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT;
}

/* Floats of x and of what it is made with; j->x is where they begin, or NULL. */
static uint64_t lay_out(struct adjoint *j)
{
    struct covey_code code = {.bound = 1};
    covey_train_product_shape(j->p, &code);
    j->in = code.a.outer * code.a.inner;
    j->out = code.c.outer * code.c.inner;
    j->turned = *j->p;
    j->turned.kind = j->p->kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT
                         ? COVEY_TRAIN_PRODUCT_FORWARD
                         : COVEY_TRAIN_PRODUCT_INPUT_GRADIENT;
    if (is_weights(j)) {
        j->turned.in_channels = j->vectors;
    } else {
        j->turned.batch = j->vectors;
    }
    j->rows = j->turned.batch;
    size_t taps = (size_t)j->p->kernel[0] * j->p->kernel[1];
    j->pixels = (size_t)j->p->out_height * j->p->out_width;
    uint64_t columns = round_up(j->pixels > taps ? j->pixels : taps), unrolled = taps * j->pixels;
    uint64_t images = round_up(j->vectors * (j->in > unrolled ? j->in : unrolled));
    uint64_t vectors = round_up((uint64_t)j->vectors * j->in);
    uint64_t filters = round_up((uint64_t)j->vectors * j->out);
    if (j->x != NULL) {
        j->filters = j->x + vectors;
        j->images = j->filters + filters;
        j->columns = j->images + images;
        j->scratch = j->columns + columns;
    }
    return vectors + filters + images + columns +
           covey_train_product_scratch(&j->turned, j->rows, j->prime, 1) / sizeof(float) + 1;
}

static covey_err open_adjoint(struct adjoint *j)
{
    j->x = NULL;
    j->x = covey_large_new(lay_out(j) * sizeof(float));
    if (j->x == NULL) {
        return COVEY_ERR_NOMEM;
    }
    (void)lay_out(j);
    return COVEY_OK;
}

static void run(const struct adjoint *j, const float *a, const float *b, float *c)
{
    covey_train_product_compute(&(struct covey_train_product_run){.product = &j->turned,
                                                                  .rows = j->rows,
                                                                  .prime = j->prime,
                                                                  .a = a,
                                                                  .b = b,
                                                                  .c = c,
                                                                  .scratch = j->scratch});
}

/* Adds row `tap` of an unrolled image to the plane from which it came. */
static void roll(const struct covey_train_product *p, uint32_t tap, const float *unrolled,
                 float *plane)
{
    int64_t y = (int64_t)(tap / p->kernel[1]) * p->dilation[0] - p->pads[0];
    int64_t left = (int64_t)(tap % p->kernel[1]) * p->dilation[1] - p->pads[1];
    int64_t step = p->stride[1], width = p->width, count = p->out_width;
    int64_t first = left < 0 ? (-left + step - 1) / step : 0;
    int64_t last = left < width ? (width - left + step - 1) / step : 0;
    last = last < count ? last : count;
    for (uint32_t i = 0; i < p->out_height; i++, y += p->stride[0], unrolled += count) {
        for (int64_t x = first; x < last && y >= 0 && y < (int64_t)p->height; x++) {
            plane[y * width + left + x * step] += unrolled[x];
        }
    }
}

/* The same of a weight gradient in floats: there are too few channels for kernels of convolutions.
 * Of each image, [(vectors taps) x pixels] = S [(vectors taps) x filters] dY, rolled up. */
static void apply_weights(const struct adjoint *j, const float *dy, const float *s)
{
    const struct covey_train_product *p = j->p;
    size_t filters = p->out_channels, taps = j->out / filters, rows = j->vectors * taps;
    size_t plane = j->in / p->batch;
    for (size_t i = 0; i < rows * filters; i++) {
        size_t row = i / filters, filter = i % filters;
        j->filters[i] = s[(row / taps * filters + filter) * taps + row % taps];
    }
    memset(j->x, 0, j->vectors * j->in * sizeof(float));
    for (size_t image = 0; image < p->batch; image++) {
        struct covey__gemm g = {.m = rows, .n = j->pixels, .k = filters, .a = j->filters};
        g.lda = filters;
        g.b = dy + image * filters * j->pixels;
        g.ldb = g.ldc = j->pixels;
        g.c = j->images;
        covey__gemm(&g);
        for (size_t row = 0; row < rows; row++) {
            roll(p, (uint32_t)(row % taps), j->images + row * j->pixels,
                 j->x + row / taps * j->in + image * plane);
        }
    }
}

/* x [vectors][in] from s [vectors][out]. */
static void apply(const struct adjoint *j, const float *b, const float *s)
{
    size_t filters = j->p->out_channels, taps = j->out / filters;
    size_t batch = j->p->batch, plane = j->in / batch;
    if (!is_weights(j)) {
        run(j, s, b, j->x);
        return;
    }
    if (j->prime == COVEY_FIELD_PRIMES && !j->p->dense) {
        apply_weights(j, b, s);
        return;
    }
    for (size_t i = 0; i < filters * j->vectors; i++) {
        const float *from = s + i % j->vectors * j->out + i / j->vectors * taps;
        memcpy(j->filters + i * taps, from, taps * sizeof(float));
    }
    run(j, b, j->filters, j->images);
    for (size_t i = 0; i < batch * j->vectors; i++) {
        float *to = j->x + i % j->vectors * j->in + i / j->vectors * plane;
        memcpy(to, j->images + i * plane, plane * sizeof(float));
    }
}

/* Whether a tap sees the input at output position `at` along axis i. */
static bool sees(const struct covey_train_product *p, unsigned i, uint32_t at, uint32_t tap)
{
    int64_t x = (int64_t)at * p->stride[i] + (int64_t)tap * p->dilation[i] - p->pads[i];
    return x >= 0 && x < (int64_t)(i == 0 ? p->height : p->width);
}

/* How many taps along axis i see something at output position `at`. */
static uint32_t taps_at(const struct covey_train_product *p, unsigned i, uint32_t at)
{
    uint32_t count = 0;
    for (uint32_t tap = 0; tap < p->kernel[i]; tap++) {
        count += sees(p, i, at, tap);
    }
    return count;
}

/* At how many output positions tap `tap` along axis i sees something. */
static uint32_t positions_of(const struct covey_train_product *p, unsigned i, uint32_t tap)
{
    uint32_t count = 0, size = i == 0 ? p->out_height : p->out_width;
    for (uint32_t at = 0; at < size; at++) {
        count += sees(p, i, at, tap);
    }
    return count;
}

/* Of the map that a row of A goes through: each number of W as often as its tap sees something,
 * each of dY as often as there are taps that see something from there. */
static double squares_of(const struct adjoint *j, const float *b)
{
    const struct covey_train_product *p = j->p;
    bool weights = is_weights(j);
    size_t size = weights ? j->pixels : (size_t)p->kernel[0] * p->kernel[1];
    uint32_t width = weights ? p->out_width : p->kernel[1];
    double all = 0;
    struct covey__norm_columns c = {.in = b, .squares = true, .stride = size, .out = j->columns};
    c.rows = (size_t)p->out_channels * (weights ? p->batch : p->in_channels);
    covey__vkernels()->norm_columns(&c, 0, size);
    for (uint32_t at = 0; at < size; at++) {
        uint32_t rows = weights ? taps_at(p, 0, at / width) : positions_of(p, 0, at / width);
        uint32_t columns = weights ? taps_at(p, 1, at % width) : positions_of(p, 1, at % width);
        all += (double)j->columns[at] * (double)rows * (double)columns;
    }
    return all;
}

covey_err covey_train_product_check_start(const struct covey_train_product *p, const float *a,
                                          const float *b, struct covey_code_check *check,
                                          const float *s)
{
    struct adjoint j = {
        .p = p, .vectors = covey_code_check_vectors(check), .prime = covey_code_check_prime(check)};
    covey_err err = open_adjoint(&j);
    if (err != COVEY_OK) {
        return err;
    }
    double squares = j.prime < COVEY_FIELD_PRIMES ? 0 : squares_of(&j, b);
    apply(&j, b, s);
    covey_code_check_linear(check, a, j.x, squares);
    free(j.x);
    return COVEY_OK;
}
