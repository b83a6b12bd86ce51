/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "gemm.h"
#include "kernels/skinny.h"
#include "train/conv_grad.h"
#include "train/winograd_grad.h"

enum {
    ALIGN_FLOATS = 16,
    CHUNK_FLOATS = 384 * 1024, /* both copies of some images: what a second-level cache holds */
    TAPS_CHANNELS = 8,         /* with fewer channels a product for each tap is too thin */
};

struct size {
    size_t filters, channels, taps, pixels; /* of one group */
    size_t pitch, plane;                    /* of the padded copies: a row, an image */
};

/* A padded image. */
static uint64_t plane_of(const struct covey__conv_shape *s)
{
    uint64_t wide = (uint64_t)s->width + s->pads[1] + s->pads_end[1];
    return wide * ((uint64_t)s->height + s->pads[0] + s->pads_end[0]);
}

static struct size size_of(const struct covey__conv_shape *s)
{
    struct size z = {.filters = s->out_channels / s->groups,
                     .channels = s->in_channels / s->groups,
                     .taps = (size_t)s->kernel[0] * s->kernel[1],
                     .pixels = (size_t)s->out_height * s->out_width};
    z.pitch = (size_t)s->width + s->pads[1] + s->pads_end[1];
    z.plane = (size_t)plane_of(s);
    return z;
}

static bool is_depthwise(const struct size *z)
{
    return z->filters == 1 && z->channels == 1;
}

static bool by_taps(const struct covey__conv_shape *s)
{
    return s->stride[0] == 1 && s->stride[1] == 1;
}

static uint64_t round_up(uint64_t floats)
{
    return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static size_t chunk_of(const struct covey__conv_shape *s, const struct size *z)
{
    uint64_t image = ((uint64_t)z->filters + z->channels) * plane_of(s);
    size_t images = (size_t)(CHUNK_FLOATS / (image + 1));
    images = images > s->batch ? s->batch : images;
    return images == 0 ? 1 : images;
}

/* Floats behind a channel's images, which the last taps read and dY's zeros silence. */
static uint64_t tail_of(const struct covey__conv_shape *s, const struct size *z)
{
    return (uint64_t)(s->kernel[0] - 1) * s->dilation[0] * z->pitch +
           (s->kernel[1] - 1) * s->dilation[1];
}

uint64_t covey__conv_weight_grad_scratch(const struct covey__conv_shape *s)
{
    struct size z = size_of(s);
    if (is_depthwise(&z)) {
        return 0;
    }
    if (covey__winograd_grad_fits(s)) {
        return covey__winograd_grad_scratch(s);
    }
    if (by_taps(s)) {
        uint64_t run = chunk_of(s, &z) * plane_of(s);
        return round_up(z.filters * run) + round_up(z.channels * (run + tail_of(s, &z))) +
               round_up((uint64_t)z.filters * z.channels * z.taps);
    }
    return round_up((uint64_t)z.channels * z.taps * z.pixels);
}

/* The sum over one row of the output; the row of the input starts at x, which may be outside. */
static float row_product(const float *dy, const float *row, const struct covey__conv_shape *s,
                         int64_t x)
{
    float sum = 0.0f;
    if (s->stride[1] == 1) {
        size_t first = x < 0 ? (size_t)-x : 0, last = s->out_width;
        last = x + (int64_t)last > (int64_t)s->width ? (size_t)((int64_t)s->width - x) : last;
        for (size_t i = first; i < last; i++) {
            sum += dy[i] * row[x + (int64_t)i];
        }
        return sum;
    }
    for (size_t i = 0; i < s->out_width; i++, x += s->stride[1]) {
        sum += x >= 0 && x < (int64_t)s->width ? dy[i] * row[x] : 0.0f;
    }
    return sum;
}

static float tap_product(const struct covey__conv_shape *s, const float *dy, const float *plane,
                         size_t tap)
{
    int64_t y = (int64_t)(tap / s->kernel[1] * s->dilation[0]) - s->pads[0];
    int64_t x = (int64_t)(tap % s->kernel[1] * s->dilation[1]) - s->pads[1];
    float sum = 0.0f;
    for (size_t i = 0; i < s->out_height; i++, y += s->stride[0]) {
        if (y >= 0 && y < (int64_t)s->height && x < (int64_t)s->width) {
            sum += row_product(dy + i * s->out_width, plane + y * (int64_t)s->width, s, x);
        }
    }
    return sum;
}

struct job {
    const struct covey__conv_shape *s;
    const struct covey__conv_grad_call *call;
    struct size z;
};

/* dw[c i j] = sum over images and pixels of dy x: one channel. */
static void depthwise_channel(void *ctx, size_t channel, unsigned thread)
{
    const struct job *j = ctx;
    size_t pixels = (size_t)j->s->height * j->s->width;
    (void)thread;
    for (size_t tap = 0; tap < j->z.taps; tap++) {
        float sum = 0.0f;
        for (size_t image = 0; image < j->s->batch; image++) {
            size_t plane = image * j->s->in_channels + channel;
            sum += tap_product(j->s, j->call->dy + plane * j->z.pixels, j->call->x + plane * pixels,
                               tap);
        }
        j->call->dweights[channel * j->z.taps + tap] = sum;
    }
}

/* Rows of width floats into a zeroed place of pitch floats a row. */
static void place(const float *in, size_t rows, size_t width, size_t pitch, float *out)
{
    for (size_t i = 0; i < rows; i++) {
        memcpy(out + i * pitch, in + i * width, width * sizeof(float));
    }
}

/* Images [first, first + count) of group g: dY [filters][count planes] with zeros where no output
 * is, X [channels][count planes and a tail] with its padding. */
static void copy_chunk(const struct job *j, size_t g, const size_t images[2], float *dy, float *x)
{
    const struct covey__conv_shape *s = j->s;
    const struct size *z = &j->z;
    size_t run = images[1] * z->plane, with_tail = run + (size_t)tail_of(s, z);
    size_t pixels = (size_t)s->height * s->width;
    memset(dy, 0, z->filters * run * sizeof(float));
    memset(x, 0, z->channels * with_tail * sizeof(float));
    for (size_t i = 0; i < images[1]; i++) {
        size_t image = images[0] + i;
        for (size_t m = 0; m < z->filters; m++) {
            size_t plane = image * s->out_channels + g * z->filters + m;
            place(j->call->dy + plane * z->pixels, s->out_height, s->out_width, z->pitch,
                  dy + m * run + i * z->plane);
        }
        for (size_t c = 0; c < z->channels; c++) {
            size_t plane = image * s->in_channels + g * z->channels + c;
            place(j->call->x + plane * pixels, s->height, s->width, z->pitch,
                  x + c * with_tail + i * z->plane + s->pads[0] * z->pitch + s->pads[1]);
        }
    }
}

/* Both copies of a chunk. */
struct chunk {
    const float *dy, *x;
    size_t run, pitch; /* floats of a filter's and of a channel's images */
    bool first;
};

/* For each tap, sums_tap [filters x channels] += dY [filters x run] X' [run x channels], X moved by
 * the tap's offset. */
static void add_taps(const struct job *j, const struct chunk *k, float *sums)
{
    const struct covey__conv_shape *s = j->s;
    const struct size *z = &j->z;
    for (size_t tap = 0; tap < z->taps; tap++) {
        size_t offset =
            tap / s->kernel[1] * s->dilation[0] * z->pitch + tap % s->kernel[1] * s->dilation[1];
        struct covey__gemm p = {.m = z->filters, .n = z->channels, .k = k->run, .trans_b = true};
        p.a = k->dy;
        p.lda = k->run;
        p.b = k->x + offset;
        p.ldb = k->pitch;
        p.c = sums + tap * z->filters * z->channels;
        p.ldc = z->channels;
        p.accumulate = !k->first;
        covey__gemm_threads(&p, j->call->threads);
    }
}

/* With few channels, for each of them and each row of the filter: the row's taps are columns that
 * begin a few floats after one another in the same memory. */
static void add_rows(const struct job *j, const struct chunk *k, float *dweights)
{
    const struct covey__conv_shape *s = j->s;
    const struct size *z = &j->z;
    for (size_t c = 0; c < z->channels; c++) {
        for (size_t y = 0; y < s->kernel[0]; y++) {
            struct covey__skinny p = {.rows = z->filters, .columns = s->kernel[1], .k = k->run};
            p.matrix = k->dy;
            p.matrix_stride = k->run;
            p.vectors = k->x + c * k->pitch + y * s->dilation[0] * z->pitch;
            p.vector_stride = s->dilation[1]; /* they overlap, and are only read */
            p.out = dweights + c * z->taps + y * s->kernel[1];
            p.row_stride = z->channels * z->taps;
            p.column_stride = 1;
            p.accumulate = !k->first;
            covey__skinny_rows(&p, 0, z->filters);
        }
    }
}

static void taps_group(const struct job *j, size_t g)
{
    const struct covey__conv_shape *s = j->s;
    const struct size *z = &j->z;
    bool rows = z->channels < TAPS_CHANNELS && s->kernel[1] <= COVEY__SKINNY_COLUMNS_MAX;
    size_t chunk = chunk_of(s, z), longest = chunk * z->plane, matrix = z->filters * z->channels;
    float *dy = j->call->scratch, *x = dy + round_up(z->filters * longest);
    float *sums = x + round_up(z->channels * (longest + tail_of(s, z)));
    float *out = j->call->dweights + g * matrix * z->taps;
    for (size_t first = 0; first < s->batch; first += chunk) {
        size_t count = s->batch - first < chunk ? s->batch - first : chunk;
        size_t run = count * z->plane;
        struct chunk k = {dy, x, run, run + (size_t)tail_of(s, z), first == 0};
        copy_chunk(j, g, (const size_t[2]){first, count}, dy, x);
        if (rows) {
            add_rows(j, &k, out);
        } else {
            add_taps(j, &k, sums);
        }
    }
    for (size_t i = 0; i < matrix && !rows; i++) {
        for (size_t tap = 0; tap < z->taps; tap++) {
            out[i * z->taps + tap] = sums[tap * matrix + i];
        }
    }
}

/* One output row of what a tap sees; the input's row starts at x, which may be outside. */
static void unroll_row(const struct covey__conv_shape *s, const float *row, int64_t x, float *out)
{
    int64_t step = s->stride[1], width = s->width, count = s->out_width;
    int64_t first = x < 0 ? (-x + step - 1) / step : 0;
    int64_t last = x < width ? (width - x + step - 1) / step : 0;
    first = first > count ? count : first;
    last = last > count ? count : last < first ? first : last;
    memset(out, 0, (size_t)first * sizeof(float));
    memset(out + last, 0, (size_t)(count - last) * sizeof(float));
    if (step == 1) {
        memcpy(out + first, row + x + first, (size_t)(last - first) * sizeof(float));
        return;
    }
    for (int64_t i = first; i < last; i++) {
        out[i] = row[x + i * step];
    }
}

/* Row (c, tap) of the unrolled image: what the tap sees at each output pixel. */
static void unroll(const struct covey__conv_shape *s, const struct size *z, const float *in,
                   float *out)
{
    for (size_t row = 0; row < z->channels * z->taps; row++) {
        size_t tap = row % z->taps;
        const float *plane = in + row / z->taps * s->height * s->width;
        int64_t y = (int64_t)(tap / s->kernel[1] * s->dilation[0]) - s->pads[0];
        int64_t x = (int64_t)(tap % s->kernel[1] * s->dilation[1]) - s->pads[1];
        for (size_t i = 0; i < s->out_height; i++, y += s->stride[0], out += s->out_width) {
            if (y >= 0 && y < (int64_t)s->height) {
                unroll_row(s, plane + y * (int64_t)s->width, x, out);
            } else {
                memset(out, 0, s->out_width * sizeof(float));
            }
        }
    }
}

/* dW [filters x (channels taps)] += dY [filters x pixels] unrolled' of each image. */
static void unrolled_group(const struct job *j, size_t g)
{
    const struct covey__conv_shape *s = j->s;
    const struct size *z = &j->z;
    size_t k = z->channels * z->taps, pixels = (size_t)s->height * s->width;
    for (size_t image = 0; image < s->batch; image++) {
        unroll(s, z, j->call->x + (image * s->in_channels + g * z->channels) * pixels,
               j->call->scratch);
        struct covey__gemm p = {.m = z->filters, .n = k, .k = z->pixels};
        p.a = j->call->dy + (image * s->out_channels + g * z->filters) * z->pixels;
        p.lda = p.ldb = z->pixels;
        p.b = j->call->scratch;
        p.trans_b = true;
        p.c = j->call->dweights + g * z->filters * k;
        p.ldc = k;
        p.accumulate = image > 0;
        covey__gemm_threads(&p, j->call->threads);
    }
}

void covey__conv_weight_grad_run(const struct covey__conv_shape *s,
                                 const struct covey__conv_grad_call *call)
{
    struct job j = {s, call, size_of(s)};
    if (is_depthwise(&j.z)) {
        covey_threads_run(call->threads, s->in_channels, depthwise_channel, &j);
        return;
    }
    if (covey__winograd_grad_fits(s)) {
        covey__winograd_grad_run(s, call);
        return;
    }
    for (size_t g = 0; g < s->groups; g++) {
        if (by_taps(s)) {
            taps_group(&j, g);
        } else {
            unrolled_group(&j, g);
        }
    }
}
