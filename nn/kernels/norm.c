/* SPDX-License-Identifier: MIT */
#include "norm.h"

#include "vkernels.h"

/* Floats that a part reads, about; columns in a part: four cache lines. */
enum { PART = 16384, COLUMNS = 64 };

struct norm_job {
    const struct covey__norm_shape *shape;
    const struct covey__norm_columns *columns; /* pixels 1 */
    const float *in;
    float *sums, *variance;
    const struct covey__norm_back_call *back;
    size_t step; /* channels in a part */
};

static size_t parts_of(struct norm_job *j)
{
    const struct covey__norm_shape *s = j->shape;
    size_t floats = s->batch * s->pixels;
    j->step = s->pixels == 1 ? COLUMNS : floats > 0 && floats < PART ? PART / floats : 1;
    return (s->channels + j->step - 1) / j->step;
}

static size_t last_of(const struct norm_job *j, size_t part)
{
    size_t last = (part + 1) * j->step;
    return last < j->shape->channels ? last : j->shape->channels;
}

static void columns_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct norm_job *j = ctx;
    covey__vkernels()->norm_columns(j->columns, part * j->step, last_of(j, part));
}

static void columns_run(const struct covey__norm_shape *s, const struct covey__norm_columns *c,
                        struct covey_threads *threads)
{
    struct norm_job job = {.shape = s, .columns = c};
    covey_threads_run(threads, parts_of(&job), columns_part, &job);
}

/* Planes are added in double precision: there may be very many. */
static double channel_sum(const struct covey__norm_shape *s, const float *in, size_t channel)
{
    double sum = 0.0;
    for (size_t n = 0; n < s->batch; n++) {
        sum += covey__vkernels()->sum(in + (n * s->channels + channel) * s->pixels, s->pixels);
    }
    return sum;
}

static void sums_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct norm_job *j = ctx;
    for (size_t c = part * j->step; c < last_of(j, part); c++) {
        j->sums[c] = (float)channel_sum(j->shape, j->in, c);
    }
}

void covey__norm_sums(const struct covey__norm_shape *s, const float *in, float *out,
                      struct covey_threads *threads)
{
    if (s->pixels == 1) {
        struct covey__norm_columns c = {
            .in = in, .rows = s->batch, .stride = s->channels, .out = out};
        columns_run(s, &c, threads);
        return;
    }
    struct norm_job job = {.shape = s, .in = in, .sums = out};
    covey_threads_run(threads, parts_of(&job), sums_part, &job);
}

static void statistics_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct norm_job *j = ctx;
    const struct covey__norm_shape *s = j->shape;
    double count = (double)s->batch * (double)s->pixels;
    for (size_t c = part * j->step; c < last_of(j, part); c++) {
        float mean = (float)(channel_sum(s, j->in, c) / count);
        double sum = 0.0;
        for (size_t n = 0; n < s->batch; n++) {
            const float *plane = j->in + (n * s->channels + c) * s->pixels;
            sum += covey__vkernels()->squares(plane, mean, s->pixels);
        }
        j->sums[c] = mean;
        j->variance[c] = (float)(sum / count);
    }
}

void covey__norm_statistics(const struct covey__norm_statistics_call *call)
{
    const struct covey__norm_shape *s = call->shape;
    if (s->pixels != 1) {
        struct norm_job job = {
            .shape = s, .in = call->in, .sums = call->mean, .variance = call->variance};
        covey_threads_run(call->threads, parts_of(&job), statistics_part, &job);
        return;
    }
    struct covey__norm_columns c = {
        .in = call->in, .rows = s->batch, .stride = s->channels, .out = call->mean};
    columns_run(s, &c, call->threads);
    for (size_t i = 0; i < s->channels; i++) {
        call->mean[i] /= (float)s->batch;
    }
    c.mean = call->mean;
    c.squares = true;
    c.out = call->variance;
    columns_run(s, &c, call->threads);
    for (size_t i = 0; i < s->channels; i++) {
        call->variance[i] /= (float)s->batch;
    }
}

/* dx = a dy + b (x - mean) + c, from the sums. */
static struct covey__norm_mix mix_of(const struct covey__norm_back_call *call, size_t c)
{
    double count = (double)call->shape->batch * (double)call->shape->pixels;
    double a = (double)call->scale[c] * call->inverse[c];
    double b = -a * call->inverse[c] * call->dscale[c] / count;
    return (struct covey__norm_mix){(float)a, (float)b, (float)(-a * call->dshift[c] / count),
                                    call->mean[c]};
}

static void back_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct norm_job *j = ctx;
    const struct covey__norm_back_call *b = j->back;
    const struct covey__norm_shape *s = j->shape;
    const struct covey__vkernels *v = covey__vkernels();
    for (size_t c = part * j->step; c < last_of(j, part); c++) {
        double product = 0.0;
        for (size_t n = 0; n < s->batch; n++) {
            size_t at = (n * s->channels + c) * s->pixels;
            product += v->dot(b->dy + at, b->x + at, b->mean[c], s->pixels);
        }
        b->dshift[c] = (float)channel_sum(s, b->dy, c);
        b->dscale[c] = (float)(product * b->inverse[c]);
        struct covey__norm_mix mix = mix_of(b, c);
        for (size_t n = 0; n < s->batch; n++) {
            size_t at = (n * s->channels + c) * s->pixels;
            v->norm_back(&mix, b->x + at, b->dy + at, b->dx + at, s->pixels);
        }
    }
}

static void back_columns(const struct covey__norm_back_call *call)
{
    const struct covey__norm_shape *s = call->shape;
    covey__norm_sums(s, call->dy, call->dshift, call->threads);
    struct covey__norm_columns c = {.in = call->x,
                                    .factor = call->dy,
                                    .mean = call->mean,
                                    .rows = s->batch,
                                    .stride = s->channels,
                                    .out = call->dscale};
    columns_run(s, &c, call->threads);
    for (size_t i = 0; i < s->channels; i++) {
        call->dscale[i] *= call->inverse[i];
        struct covey__norm_mix mix = mix_of(call, i);
        for (size_t at = i; at < s->batch * s->channels; at += s->channels) {
            call->dx[at] = mix.a * call->dy[at] + mix.b * (call->x[at] - mix.mean) + mix.c;
        }
    }
}

void covey__norm_back(const struct covey__norm_back_call *call)
{
    if (call->shape->pixels == 1) {
        back_columns(call);
        return;
    }
    struct norm_job job = {.shape = call->shape, .back = call};
    covey_threads_run(call->threads, parts_of(&job), back_part, &job);
}
