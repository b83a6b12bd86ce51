/* SPDX-License-Identifier: MIT */
#include "codes/mix_kernel.h"
#include "covey/field.h"
#include "covey/large.h"
#include "train/product.h"

#include <string.h>

enum {
    ALIGN_BYTES = 64,
    COLUMNS = 1024, /* of some images unrolled: enough for a product to pay for reading W */
};

struct job {
    const struct covey_train_product_run *run;
    struct covey__unrolled u;
    float *unrolled, *outputs, *sums;
    double *lines, *scratch; /* lines: a plane of the input */
};

static uint64_t align(uint64_t bytes)
{
    return (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

static uint8_t *take(uint8_t *base, uint64_t bytes, uint64_t *inout_at)
{
    uint8_t *at = base != NULL ? base + *inout_at : NULL;
    *inout_at += align(bytes);
    return at;
}

/* Returns the bytes of scratch; base may be NULL. */
static uint64_t open_job(struct job *j, const struct covey_train_product *p, uint32_t rows,
                         uint8_t *base)
{
    struct covey__conv_shape s;
    *j = (struct job){.run = NULL};
    covey__train_product_conv(p, rows, &s);
    covey__unrolled_init(&j->u, &s, COLUMNS);
    uint64_t at = 0;
    size_t m = j->u.m, k = j->u.k, columns = j->u.images * j->u.pixels;
    bool weights = p->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT;
    bool input = p->kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT;
    size_t products = weights ? covey_field_scratch(m, k, columns)
                      : input ? covey_field_scratch(k, columns, m)
                              : covey_field_scratch(m, columns, k);
    j->unrolled = (float *)(void *)take(base, (uint64_t)k * columns * sizeof(float), &at);
    j->outputs = (float *)(void *)take(base, (uint64_t)m * columns * sizeof(float), &at);
    j->sums = (float *)(void *)take(base, weights ? (uint64_t)m * k * sizeof(float) : 0, &at);
    j->lines = (double *)(void *)take(base, input ? j->u.plane * sizeof(double) : 0, &at);
    j->scratch = (double *)(void *)take(base, products * sizeof(double), &at);
    return at;
}

static void unroll(const struct job *j, size_t first, size_t count)
{
    const struct covey__unrolled_part part = {j->run->a, first, count, 0, j->u.layer.channels};
    covey__unrolled_fill(&j->u, &part, j->unrolled);
}

/* Y = W U */
static void forward(const struct job *j, size_t first, size_t count)
{
    unroll(j, first, count);
    covey_field_multiply(&(struct covey_field_product){.m = j->u.m,
                                                       .n = count * j->u.pixels,
                                                       .k = j->u.k,
                                                       .a = j->run->b,
                                                       .b = j->unrolled,
                                                       .prime = j->run->prime,
                                                       .c = j->outputs,
                                                       .scratch = j->scratch});
    covey__unrolled_scatter(&j->u, j->outputs, count, j->run->c + first * j->u.m * j->u.pixels);
}

/* What tap `tap` of the unrolled image [pixels] brings to its plane. */
static void add_tap(const struct job *j, size_t tap, const float *unrolled)
{
    const struct covey_layer *l = &j->u.layer;
    int64_t y = (int64_t)(tap / l->kernel[1] * l->dilation[0]) - l->pads[0];
    for (size_t i = 0; i < l->out_height; i++, y += l->stride[0], unrolled += l->out_width) {
        int64_t x = (int64_t)(tap % l->kernel[1] * l->dilation[1]) - l->pads[1];
        if (y < 0 || y >= (int64_t)l->height) {
            continue;
        }
        double *line = j->lines + (size_t)y * l->width;
        for (size_t o = 0; o < l->out_width; o++, x += l->stride[1]) {
            if (x >= 0 && x < (int64_t)l->width) {
                line[x] += (double)unrolled[o];
            }
        }
    }
}

/* dU = W' dY, rolled up again: at most 2^24 taps of numbers below 2^23 are exact. */
static void input_gradient(const struct job *j, size_t first, size_t count)
{
    const struct covey__mix_kernel *kernel = covey__mix_kernel();
    double prime = (double)covey_field_prime(j->run->prime);
    size_t columns = count * j->u.pixels, taps = j->u.k / j->u.layer.channels;
    covey_field_multiply(&(struct covey_field_product){
        .m = j->u.k,
        .n = columns,
        .k = j->u.m,
        .a = j->run->b,
        .trans_a = true,
        .b = covey__unrolled_gather(&j->u, j->run->a + first * j->u.m * j->u.pixels, count,
                                    j->outputs),
        .prime = j->run->prime,
        .c = j->unrolled,
        .scratch = j->scratch});
    for (size_t i = 0; i < count * j->u.layer.channels; i++) {
        size_t image = i / j->u.layer.channels, channel = i % j->u.layer.channels;
        memset(j->lines, 0, j->u.plane * sizeof(double));
        for (size_t tap = 0; tap < taps; tap++) {
            add_tap(j, tap, j->unrolled + (channel * taps + tap) * columns + image * j->u.pixels);
        }
        float *out = j->run->c + (first * j->u.layer.channels + i) * j->u.plane;
        kernel->reduce(prime, j->lines, j->u.plane);
        kernel->store(prime, j->lines, out, j->u.plane);
    }
}

/* a + b modulo p: below 2^24, exact. */
static void add_modulo(float prime, const float *in, float *inout, size_t count)
{
    float most = (prime - 1) / 2;
    for (size_t i = 0; i < count; i++) {
        float sum = inout[i] + in[i];
        sum -= sum > most ? prime : 0;
        inout[i] = sum + (sum < -most ? prime : 0);
    }
}

/* dW += dY U' */
static void weight_gradient(const struct job *j, size_t first, size_t count)
{
    unroll(j, first, count);
    covey_field_multiply(&(struct covey_field_product){
        .m = j->u.m,
        .n = j->u.k,
        .k = count * j->u.pixels,
        .a = covey__unrolled_gather(&j->u, j->run->b + first * j->u.m * j->u.pixels, count,
                                    j->outputs),
        .b = j->unrolled,
        .trans_b = true,
        .prime = j->run->prime,
        .c = first == 0 ? j->run->c : j->sums,
        .scratch = j->scratch});
    if (first > 0) {
        add_modulo((float)covey_field_prime(j->run->prime), j->sums, j->run->c, j->u.m * j->u.k);
    }
}

/* Y = X W', dX = dY W, dW = dY' X */
static void dense_of(const struct covey_train_product *p, uint32_t rows,
                     struct covey_field_product *out)
{
    size_t in = p->in_channels, made = p->out_channels;
    *out = (struct covey_field_product){.m = rows, .n = made, .k = in, .trans_b = true};
    if (p->kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT) {
        *out = (struct covey_field_product){.m = rows, .n = in, .k = made};
    } else if (p->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT) {
        *out = (struct covey_field_product){.m = made, .n = rows, .k = p->batch, .trans_a = true};
    }
}

size_t covey__train_product_field_scratch(const struct covey_train_product *p, uint32_t rows)
{
    struct job j;
    struct covey_field_product dense;
    if (!p->dense) {
        return covey_size_of(open_job(&j, p, rows, NULL));
    }
    dense_of(p, rows, &dense);
    return covey_field_scratch(dense.m, dense.n, dense.k) * sizeof(double);
}

void covey__train_product_field(const struct covey_train_product_run *r)
{
    bool weights = r->product->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT;
    struct job j;
    if (r->product->dense) {
        struct covey_field_product dense;
        dense_of(r->product, r->rows, &dense);
        dense.a = weights ? r->b : r->a;
        dense.b = weights ? r->a : r->b;
        dense.c = r->c;
        dense.prime = r->prime;
        dense.scratch = r->scratch;
        covey_field_multiply(&dense);
        return;
    }
    (void)open_job(&j, r->product, r->rows, r->scratch);
    j.run = r;
    for (size_t first = 0; first < j.u.batch; first += j.u.images) {
        size_t count = j.u.batch - first < j.u.images ? j.u.batch - first : j.u.images;
        if (weights) {
            weight_gradient(&j, first, count);
        } else if (r->product->kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT) {
            input_gradient(&j, first, count);
        } else {
            forward(&j, first, count);
        }
    }
}
