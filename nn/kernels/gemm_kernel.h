/* SPDX-License-Identifier: MIT
 *
 * gemm_kernel.h - the inner loops of the convolutions, one table of them per instruction set.
 */
#ifndef COVEY_NN_GEMM_KERNEL_H
#define COVEY_NN_GEMM_KERNEL_H

#include "cpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COVEY__STRIP_VECS = 3,    /* vectors in one strip of columns */
    COVEY__STRIP_COLS = 48,   /* COVEY__STRIP_VECS of the widest vectors */
    COVEY__MR_MAX = 8,        /* rows in one panel of A */
    COVEY__LANES_MAX = 16,    /* floats in one vector */
    COVEY__DEPTH_MAX = 224,   /* k in one block: a strip of B stays in the first cache */
    COVEY__TILE_EDGE_MAX = 6, /* input tile of F(4x4, 3x3) */
};

/* C [m x cols] = clamp((first ? bias + init : C) + A B). */
struct covey__strip {
    const float *a;     /* panels [m / mr up][a_stride], each [k][mr] */
    size_t a_stride;    /* floats from one panel to the next */
    const float *ahead; /* fetched meanwhile, ahead_step floats for each k; NULL: a's own next */
    size_t ahead_step;
    const float *b; /* [k][ldb], the first cols of each row */
    size_t ldb;
    const size_t *offsets; /* [k]: rows of b lie there instead of ldb apart; NULL: they do not */
    size_t k, m, cols;     /* cols <= COVEY__STRIP_VECS lanes, or extra columns more, exactly */
    bool first;
    const float *bias; /* [m] or NULL */
    const float *init; /* [m][ldc] or NULL; may be c */
    float *c;
    size_t ldc;
    float low, high;
};

/* One run of floats of an unrolled row: they lie side by side in the input too. */
struct covey__run {
    size_t src;
    uint32_t dst, count; /* count <= lanes */
};

/* Rows [k] of the unrolled input at fixed columns: channel by channel, each tap of the kernel. */
struct covey__unroll {
    const float *in;
    size_t plane; /* floats from one channel to the next */
    const struct covey__run *run;
    size_t runs;
};

/* Rows of one channel, each taken apart into pixels that are stride apart:
 * out[row][phase][i] = in[first[0] + row step][first[1] + phase + i stride], 0 outside. */
struct covey__split {
    const float *in; /* [size[0]][size[1]] */
    size_t size[2];
    int64_t first[2];
    size_t rows, step;
    size_t stride, phases, count;
    float *out;
    size_t row_pitch, pitch; /* floats from one row, one phase to the next */
};

/* out[i] = clamp(bias + sum of taps + residual[i]): one channel of a depthwise convolution, its
 * input prepared so that every tap is a plain offset. */
struct covey__depthwise {
    const float *in;
    const float *weights;
    const size_t *offsets; /* [taps] */
    size_t taps;
    size_t in_pitch;   /* floats from one output row's input to the next one's */
    size_t three_step; /* 3 x 3, rows undilated: input rows from one output row on; else 0 */
    size_t rows, cols;
    float bias;
    const float *residual; /* NULL or as out */
    float *out;
    float low, high;
};

/* Tiles of a Winograd convolution, edge = outputs + 2: count tiles, vectors of tiles. */
struct covey__wino_in {
    const float *tiles; /* [edge][edge][pitch]: raw pixels */
    float *out;         /* [edge edge][out_stride]: transformed */
    size_t pitch, out_stride, count;
};

struct covey__wino_out {
    const float *in; /* [edge edge][in_stride] */
    float *out;      /* [outputs][outputs][pitch] */
    size_t in_stride, pitch, count;
    float bias;
};

/* Each row: out[i] = clamp(phase[i % phases][i / phases] + residual[i]), i < count. */
struct covey__merge {
    const float *in; /* [rows][phases][pitch] */
    size_t rows, phases, pitch, count;
    const float *residual; /* or NULL */
    float *out;
    size_t out_pitch; /* of the residual too */
    float low, high;
};

/* Filters transformed on the way, one lane for each: one or two groups of them and some channels,
 * all tiles. */
struct covey__live {
    const float *filters; /* [groups][channels][9][lanes]; what follows is fetched meanwhile */
    const float *in;      /* [positions][channels][count], transformed */
    size_t groups, channels, count;
    float *buffer; /* [COVEY__TILE_EDGE_MAX][groups][channels][lanes] */
    float *out;    /* [groups][out_step] of [positions][count][lanes] */
    size_t out_step;
    bool first; /* what was in out before does not count */
};

/* Tiles [first, end), which are neighbours, transformed back and side by side. */
struct covey__live_out {
    const float *in;   /* [positions][count][lanes] */
    const float *bias; /* [lanes] or NULL */
    size_t count, lanes, first, end;
    float *out; /* [outputs][pitch][all lanes] */
    size_t pitch;
};

/* out[lane][row][i] = clamp(in[row][i][lane] + residual[lane][row][i]), i < count */
struct covey__live_store {
    const float *in; /* [rows][pitch][all lanes] */
    size_t rows, lanes, pitch, count;
    const float *residual; /* as out, or NULL */
    float *out;
    size_t plane, out_pitch; /* floats from one lane, one row to the next */
    float low, high;
};

/* Rows x columns of outputs of a tile. */
enum covey__live_tile { COVEY__LIVE_2X2, COVEY__LIVE_2X4, COVEY__LIVE_4X4, COVEY__LIVE_TILES };

struct covey__kernels {
    size_t mr, lanes;
    size_t extra; /* columns that a whole strip takes along: 49, of 7 x 7 pixels, are one strip */
    void (*strip)(const struct covey__strip *s);
    /* Rows of out, step floats apart, from the channels [0, count) of u->in. */
    void (*unroll)(const struct covey__unroll *u, size_t count, size_t step, float *out);
    void (*split)(const struct covey__split *s);
    void (*depthwise)(const struct covey__depthwise *d);
    void (*wino_in[2])(const struct covey__wino_in *w); /* F(2, 3), F(4, 3) */
    void (*wino_out[2])(const struct covey__wino_out *w);
    void (*merge)(const struct covey__merge *m);
    /* The columns of out are close together, count from one row to the next. */
    void (*live_in[COVEY__LIVE_TILES])(const struct covey__wino_in *w);
    void (*live[COVEY__LIVE_TILES])(const struct covey__live *w);
    void (*live_out[COVEY__LIVE_TILES])(const struct covey__live_out *w);
    void (*live_store)(const struct covey__live_store *s);
};

/* NULL: not built for this processor family. */
const struct covey__kernels *covey__kernels_of(enum covey__isa isa);

extern const struct covey__kernels covey__kernels_portable;
#if defined(__x86_64__)
extern const struct covey__kernels covey__kernels_avx2, covey__kernels_avx512;
#endif

#endif /* COVEY_NN_GEMM_KERNEL_H */
