/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include "vkernels.h"

#include <string.h>

/* Floats read or written by one part, about. */
enum { PART = 16384 };

struct pool_job {
    const struct covey__pool_shape *shape;
    bool average;
    const float *in; /* or dy */
    float *out;      /* or dx */
    uint32_t *out_index;
    const uint32_t *index;
    size_t planes; /* in a part */
};

static size_t parts_of(struct pool_job *j)
{
    const struct covey__pool_shape *s = j->shape;
    size_t floats = (size_t)s->height * s->width;
    j->planes = floats < PART ? PART / floats : 1;
    return (s->planes + j->planes - 1) / j->planes;
}

static size_t last_plane(const struct pool_job *j, size_t part)
{
    size_t last = (part + 1) * j->planes;
    return last < j->shape->planes ? last : j->shape->planes;
}

static void pool_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct pool_job *j = ctx;
    const struct covey__pool_shape *s = j->shape;
    size_t in_size = (size_t)s->height * s->width, out_size = (size_t)s->out_height * s->out_width;
    for (size_t p = part * j->planes; p < last_plane(j, part); p++) {
        covey__vkernels()->pool_plane(s, j->average, j->in + p * in_size, j->out + p * out_size);
    }
}

void covey__pool_run(enum covey__pool_kind kind, const struct covey__pool_shape *s, const float *in,
                     float *out, struct covey_threads *threads)
{
    struct pool_job job = {
        .shape = s, .average = kind == COVEY__POOL_AVERAGE, .in = in, .out = out};
    covey_threads_run(threads, parts_of(&job), pool_part, &job);
}

static void index_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct pool_job *j = ctx;
    const struct covey__pool_shape *s = j->shape;
    size_t in_size = (size_t)s->height * s->width, out_size = (size_t)s->out_height * s->out_width;
    for (size_t p = part * j->planes; p < last_plane(j, part); p++) {
        covey__vkernels()->pool_index_plane(s, j->in + p * in_size, j->out + p * out_size,
                                            j->out_index + p * out_size);
    }
}

void covey__pool_max_index(const struct covey__pool_index_call *call)
{
    struct pool_job job = {
        .shape = call->shape, .in = call->in, .out = call->out, .out_index = call->index};
    covey_threads_run(call->threads, parts_of(&job), index_part, &job);
}

static void max_back_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct pool_job *j = ctx;
    const struct covey__pool_shape *s = j->shape;
    size_t in_size = (size_t)s->height * s->width, out_size = (size_t)s->out_height * s->out_width;
    for (size_t p = part * j->planes; p < last_plane(j, part); p++) {
        const float *dy = j->in + p * out_size;
        const uint32_t *index = j->index + p * out_size;
        float *dx = j->out + p * in_size;
        memset(dx, 0, in_size * sizeof(*dx));
        for (size_t i = 0; i < out_size; i++) {
            if (index[i] < in_size) {
                dx[index[i]] += dy[i];
            }
        }
    }
}

void covey__pool_max_back(const struct covey__pool_shape *s, const float *dy, const uint32_t *index,
                          float *dx, struct covey_threads *threads)
{
    struct pool_job job = {.shape = s, .in = dy, .index = index, .out = dx};
    covey_threads_run(threads, parts_of(&job), max_back_part, &job);
}

/* The taps of the window at out along one axis that lie inside: input [begin, begin + count *
 * dilation); counted: how many the mean was over. */
struct span {
    size_t begin, count, counted;
};

static struct span span_of(const struct covey__pool_shape *s, unsigned axis, size_t out)
{
    int64_t size = axis == 0 ? s->height : s->width, step = s->dilation[axis];
    int64_t start = (int64_t)(out * s->stride[axis]) - s->pads[axis];
    struct span span = {0};
    for (int64_t i = 0; i < s->kernel[axis]; i++) {
        int64_t at = start + i * step;
        bool inside = at >= 0 && at < size;
        if (inside && span.count == 0) {
            span.begin = (size_t)at;
        }
        span.count += inside;
        span.counted += inside || (s->count_include_pad && at < size + s->pads_end[axis]);
    }
    return span;
}

static void spread(const struct covey__pool_shape *s, float value, const struct span span[2],
                   float *dx)
{
    for (size_t i = 0; i < span[0].count; i++) {
        float *row = dx + (span[0].begin + i * s->dilation[0]) * s->width + span[1].begin;
        for (size_t j = 0; j < span[1].count; j++) {
            row[j * s->dilation[1]] += value;
        }
    }
}

/* Windows side by side: each input belongs to one. */
static bool side_by_side(const struct covey__pool_shape *s)
{
    bool yes = true;
    for (unsigned i = 0; i < 2; i++) {
        size_t out = i == 0 ? s->out_height : s->out_width;
        yes = yes && s->kernel[i] == s->stride[i] && s->pads[i] == 0 &&
              (s->dilation[i] == 1 || s->kernel[i] == 1) &&
              out * s->kernel[i] <= (i == 0 ? s->height : s->width);
    }
    return yes;
}

/* One output row to the first of its input rows, then to the others. */
static void spread_row(const struct covey__pool_shape *s, const float *dy, float *dx)
{
    uint32_t kernel = s->kernel[1];
    float divisor = (float)(s->kernel[0] * kernel);
    for (size_t x = 0; kernel == 2 && x < s->out_width; x++) {
        dx[2 * x] = dx[2 * x + 1] = dy[x] / divisor;
    }
    for (size_t x = 0; kernel != 2 && x < (size_t)s->out_width * kernel; x++) {
        dx[x] = dy[x / kernel] / divisor;
    }
    for (size_t i = 1; i < s->kernel[0]; i++) {
        memcpy(dx + i * s->width, dx, (size_t)s->out_width * kernel * sizeof(*dx));
    }
}

static void average_back_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct pool_job *j = ctx;
    const struct covey__pool_shape *s = j->shape;
    size_t in_size = (size_t)s->height * s->width, first = part * j->planes;
    size_t last = last_plane(j, part);
    memset(j->out + first * in_size, 0, (last - first) * in_size * sizeof(*j->out));
    for (size_t row = first * s->out_height; row < last * s->out_height && side_by_side(s); row++) {
        size_t y = row % s->out_height, plane = row / s->out_height;
        spread_row(s, j->in + row * s->out_width,
                   j->out + plane * in_size + y * s->kernel[0] * s->width);
    }
    for (size_t at = 0; at < (size_t)s->out_height * s->out_width && !side_by_side(s); at++) {
        struct span span[2] = {span_of(s, 0, at / s->out_width), span_of(s, 1, at % s->out_width)};
        size_t counted = span[0].counted * span[1].counted;
        for (size_t p = first; p < last && counted > 0; p++) {
            float dy = j->in[p * s->out_height * s->out_width + at];
            spread(s, dy / (float)counted, span, j->out + p * in_size);
        }
    }
}

void covey__pool_average_back(const struct covey__pool_shape *s, const float *dy, float *dx,
                              struct covey_threads *threads)
{
    struct pool_job job = {.shape = s, .in = dy, .out = dx};
    covey_threads_run(threads, parts_of(&job), average_back_part, &job);
}

struct global_job {
    bool average;
    const float *in;
    float *out;
    size_t planes, pixels, step;
};

static void global_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct global_job *j = ctx;
    const struct covey__vkernels *v = covey__vkernels();
    for (size_t p = part * j->step; p < j->planes && p < (part + 1) * j->step; p++) {
        const float *in = j->in + p * j->pixels;
        j->out[p] = j->average ? v->sum(in, j->pixels) / (float)j->pixels : v->max(in, j->pixels);
    }
}

void covey__pool_global(enum covey__pool_kind kind, const float *in, float *out,
                        const size_t planes_pixels[2], struct covey_threads *threads)
{
    struct global_job job = {.average = kind == COVEY__POOL_AVERAGE,
                             .in = in,
                             .out = out,
                             .planes = planes_pixels[0],
                             .pixels = planes_pixels[1]};
    job.step = job.pixels > 0 && job.pixels < PART ? PART / job.pixels : 1;
    covey_threads_run(threads, (job.planes + job.step - 1) / job.step, global_part, &job);
}
