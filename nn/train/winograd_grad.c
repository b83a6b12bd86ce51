/* SPDX-License-Identifier: MIT */
#include "train/winograd_grad.h"

#include <string.h>

#include "gemm.h"

enum {
    TILE = 6, /* of the input; also of the transformed tiles */
    STEP = 4, /* of the output */
    KERNEL = 3,
    POINTS = TILE * TILE,
    CHANNELS_MIN = 16,      /* with fewer the transforms cost more than they save */
    CHUNK_FLOATS = 2 << 20, /* tiles of both sides, as they are and transformed */
    ALIGN_FLOATS = 16,
};

static const float matrix_bt[TILE][TILE] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0},
                                            {0, 4, -4, -1, 1, 0}, {0, -2, -1, 2, 1, 0},
                                            {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
static const float matrix_a[TILE][STEP] = {{1, 0, 0, 0}, {1, 1, 1, 1},   {1, -1, 1, -1},
                                           {1, 2, 4, 8}, {1, -2, 4, -8}, {0, 0, 0, 1}};
static const float matrix_gt[KERNEL][TILE] = {
    {1.0f / 4, -1.0f / 6, -1.0f / 6, 1.0f / 24, 1.0f / 24, 0},
    {0, -1.0f / 6, 1.0f / 6, 1.0f / 12, -1.0f / 12, 0},
    {0, -1.0f / 6, -1.0f / 6, 1.0f / 6, 1.0f / 6, 1}};

/* out [rows^2 x cols^2]: entry (i rows + j, k cols + l) is m_ik m_jl. */
static void square(const float *m, size_t rows, size_t cols, float *out)
{
    for (size_t i = 0; i < rows * rows; i++) {
        for (size_t k = 0; k < cols * cols; k++) {
            out[i * cols * cols + k] =
                m[i / rows * cols + k / cols] * m[i % rows * cols + k % cols];
        }
    }
}

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static uint64_t round_up(uint64_t floats)
{
    return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* Tiles of one image. */
static size_t tiles_of(const struct covey__conv_shape *s)
{
    return ceil_div(s->out_height, STEP) * ceil_div(s->out_width, STEP);
}

static size_t chunk_of(const struct covey__conv_shape *s)
{
    uint64_t floats = ((uint64_t)s->in_channels * 2 * POINTS +
                       (uint64_t)s->out_channels * (POINTS + STEP * STEP)) *
                      tiles_of(s);
    size_t images = (size_t)(CHUNK_FLOATS / floats);
    images = images > s->batch ? s->batch : images;
    return images == 0 ? 1 : images;
}

bool covey__winograd_grad_fits(const struct covey__conv_shape *s)
{
    return s->groups == 1 && s->kernel[0] == KERNEL && s->kernel[1] == KERNEL &&
           s->stride[0] == 1 && s->stride[1] == 1 && s->dilation[0] == 1 && s->dilation[1] == 1 &&
           s->in_channels >= CHANNELS_MIN && s->out_channels >= CHANNELS_MIN &&
           s->out_height >= STEP && s->out_width >= STEP;
}

/* Where the parts of the scratch room begin. */
struct room {
    float *tiles, *x, *dy, *sums, *taps, *square;
};

static uint64_t layout(const struct covey__conv_shape *s, float *scratch, struct room *out)
{
    uint64_t tiles = (uint64_t)chunk_of(s) * tiles_of(s), m = s->out_channels, c = s->in_channels;
    uint64_t widest = c * POINTS > m * STEP * STEP ? c * POINTS : m * STEP * STEP;
    const uint64_t sizes[6] = {widest * tiles, c * POINTS * tiles,      m * POINTS * tiles,
                               POINTS * m * c, KERNEL * KERNEL * m * c, POINTS * POINTS};
    uint64_t at[7] = {0};
    for (unsigned i = 0; i < 6; i++) {
        at[i + 1] = at[i] + round_up(sizes[i]);
    }
    if (out != NULL) {
        *out = (struct room){scratch + at[0], scratch + at[1], scratch + at[2],
                             scratch + at[3], scratch + at[4], scratch + at[5]};
    }
    return at[6];
}

uint64_t covey__winograd_grad_scratch(const struct covey__conv_shape *s)
{
    return layout(s, NULL, NULL);
}

/* Planes from which tiles are cut. */
struct source {
    const float *data; /* [images][channels][height][width] of the chunk */
    size_t channels, images, height, width;
    size_t side;       /* of a tile */
    int64_t top, left; /* padding in front */
    size_t rows, cols; /* tiles of an image */
};

struct cut_job {
    const struct source *s;
    float *out;
};

/* Tiles [first, last) of a row of tiles whose element at x lies in the input's row. */
static void columns_inside(const struct source *s, int64_t x, size_t *out_first, size_t *out_last)
{
    size_t first = 0, last = s->cols;
    while (first < last && x + (int64_t)first * STEP < 0) {
        first++;
    }
    while (last > first && x + (int64_t)(last - 1) * STEP >= (int64_t)s->width) {
        last--;
    }
    *out_first = first;
    *out_last = last;
}

/* out [side^2][channels][images tiles]: one channel of it, zero outside. */
static void cut_channel(void *ctx, size_t channel, unsigned thread)
{
    const struct cut_job *job = ctx;
    const struct source *s = job->s;
    size_t run = s->images * s->rows * s->cols;
    (void)thread;
    for (size_t point = 0; point < s->side * s->side; point++) {
        float *out = job->out + (point * s->channels + channel) * run;
        int64_t top = (int64_t)(point / s->side) - s->top;
        int64_t x = (int64_t)(point % s->side) - s->left;
        size_t first, last;
        columns_inside(s, x, &first, &last);
        memset(out, 0, run * sizeof(float));
        for (size_t image = 0; image < s->images; image++) {
            const float *plane = s->data + (image * s->channels + channel) * s->height * s->width;
            int64_t y = top;
            for (size_t r = 0; r < s->rows; r++, y += STEP, out += s->cols) {
                if (y >= 0 && y < (int64_t)s->height) {
                    for (size_t t = first; t < last; t++) {
                        out[t] = plane[y * (int64_t)s->width + x + (int64_t)t * STEP];
                    }
                }
            }
        }
    }
}

/* out [POINTS x channels run] = the square of the matrix times the tiles. */
static void transform(const struct source *s, const float *matrix, const struct room *room,
                      const struct covey__conv_grad_call *call, float *out)
{
    size_t n = s->channels * s->images * s->rows * s->cols;
    struct cut_job job = {s, room->tiles};
    covey_threads_run(call->threads, s->channels, cut_channel, &job);
    square(matrix, TILE, s->side, room->square);
    struct covey__gemm p = {.m = POINTS, .n = n, .k = s->side * s->side, .a = room->square};
    p.lda = s->side * s->side;
    p.b = room->tiles;
    p.ldb = p.ldc = n;
    p.c = out;
    covey__gemm_threads(&p, call->threads);
}

/* For each point, sums [m x c] += dy [m x run] x' [run x c]. */
static void add_points(const struct covey__conv_shape *s, const struct room *room, size_t run,
                       const struct covey__conv_grad_call *call, bool first)
{
    size_t m = s->out_channels, c = s->in_channels;
    for (size_t point = 0; point < POINTS; point++) {
        struct covey__gemm p = {.m = m, .n = c, .k = run, .trans_b = true, .accumulate = !first};
        p.a = room->dy + point * m * run;
        p.lda = p.ldb = run;
        p.b = room->x + point * c * run;
        p.c = room->sums + point * m * c;
        p.ldc = c;
        covey__gemm_threads(&p, call->threads);
    }
}

void covey__winograd_grad_run(const struct covey__conv_shape *s,
                              const struct covey__conv_grad_call *call)
{
    struct room room;
    size_t chunk = chunk_of(s), m = s->out_channels, c = s->in_channels, matrix = m * c;
    layout(s, call->scratch, &room);
    struct source x = {.channels = c, .height = s->height, .width = s->width, .side = TILE};
    x.top = s->pads[0];
    x.left = s->pads[1];
    x.rows = ceil_div(s->out_height, STEP);
    x.cols = ceil_div(s->out_width, STEP);
    struct source dy = {.channels = m, .height = s->out_height, .width = s->out_width};
    dy.side = STEP;
    dy.rows = x.rows;
    dy.cols = x.cols;
    for (size_t first = 0; first < s->batch; first += chunk) {
        x.images = dy.images = s->batch - first < chunk ? s->batch - first : chunk;
        x.data = call->x + first * c * s->height * s->width;
        dy.data = call->dy + first * m * s->out_height * s->out_width;
        transform(&x, &matrix_bt[0][0], &room, call, room.x);
        transform(&dy, &matrix_a[0][0], &room, call, room.dy);
        add_points(s, &room, x.images * tiles_of(s), call, first == 0);
    }
    square(&matrix_gt[0][0], KERNEL, TILE, room.square);
    struct covey__gemm p = {.m = KERNEL * KERNEL, .n = matrix, .k = POINTS, .a = room.square};
    p.lda = POINTS;
    p.b = room.sums;
    p.ldb = p.ldc = matrix;
    p.c = room.taps;
    covey__gemm_threads(&p, call->threads);
    for (size_t i = 0; i < matrix; i++) {
        for (size_t tap = 0; tap < KERNEL * KERNEL; tap++) {
            call->dweights[i * KERNEL * KERNEL + tap] = room.taps[tap * matrix + i];
        }
    }
}
