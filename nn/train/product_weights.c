/* SPDX-License-Identifier: MIT */
#include "gemm.h"
#include "train/product.h"

enum {
    ALIGN_FLOATS = 16,
    COLUMNS = 1024, /* about as many of images, and */
    BLOCK = 144,    /* rows of channels' taps are unrolled together: the second cache holds both */
};

/* dW [out x (channels taps)] = sum over pieces of the batch of dY [out x columns] U', a block of
 * channels after the other. */
struct job {
    const struct covey_train_product_run *run;
    struct covey__unrolled u;
    size_t channels, blocks; /* channels: of a block, the last may have fewer */
    float *outputs;          /* dY of a piece */
    float *unrolled;         /* [threads] */
    size_t first, images;    /* of the piece */
    const float *dy;
};

static uint64_t round_up(uint64_t floats)
{
    return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static void job_init(struct job *j, const struct covey__conv_shape *s)
{
    size_t taps = (size_t)s->kernel[0] * s->kernel[1];
    size_t most = BLOCK / taps > 0 ? BLOCK / taps : 1;
    *j = (struct job){.blocks = (s->in_channels + most - 1) / most};
    j->channels = (s->in_channels + j->blocks - 1) / j->blocks;
    covey__unrolled_init(&j->u, s, COLUMNS);
}

/* A block of a piece, unrolled. */
static uint64_t block_floats(const struct job *j)
{
    size_t taps = j->u.k / j->u.layer.channels;
    return round_up((uint64_t)j->channels * taps * j->u.images * j->u.pixels);
}

static uint64_t output_floats(const struct job *j)
{
    return j->u.images > 1 ? round_up((uint64_t)j->u.m * j->u.images * j->u.pixels) : 0;
}

uint64_t covey__product_weights_scratch(const struct covey__conv_shape *s, unsigned threads)
{
    struct job j;
    job_init(&j, s);
    return output_floats(&j) + threads * block_floats(&j);
}

static void multiply_block(void *ctx, size_t part, unsigned thread)
{
    const struct job *j = ctx;
    size_t taps = j->u.k / j->u.layer.channels, first = part * j->channels;
    size_t rest = j->u.layer.channels - first;
    struct covey__unrolled_part block = {.x = j->run->a,
                                         .image = j->first,
                                         .images = j->images,
                                         .channel = first,
                                         .channels = rest < j->channels ? rest : j->channels};
    float *unrolled = j->unrolled + thread * block_floats(j);
    covey__unrolled_fill(&j->u, &block, unrolled);
    struct covey__gemm g = {.m = j->u.m, .n = block.channels * taps, .trans_b = true};
    g.k = g.lda = g.ldb = j->images * j->u.pixels;
    g.a = j->dy;
    g.b = unrolled;
    g.c = j->run->c + first * taps;
    g.ldc = j->u.k;
    g.accumulate = j->first > 0;
    covey__gemm(&g);
}

void covey__product_weights_run(const struct covey_train_product_run *r,
                                const struct covey__conv_shape *s)
{
    struct job j;
    job_init(&j, s);
    j.run = r;
    j.outputs = r->scratch;
    j.unrolled = j.outputs + output_floats(&j);
    for (; j.first < j.u.batch; j.first += j.images) {
        const float *dy = r->b + j.first * j.u.m * j.u.pixels;
        size_t left = j.u.batch - j.first;
        j.images = left < j.u.images ? left : j.u.images;
        j.dy = covey__unrolled_gather(&j.u, dy, j.images, j.outputs);
        covey_threads_run(r->threads, j.blocks, multiply_block, &j);
    }
}
