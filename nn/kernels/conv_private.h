/* SPDX-License-Identifier: MIT
 *
 * conv_private.h - what the convolution algorithms share: the input prepared so that every tap of
 * the kernel is a plain offset.
 */
#ifndef COVEY_NN_CONV_PRIVATE_H
#define COVEY_NN_CONV_PRIVATE_H

#include "conv.h"
#include "gemm_kernel.h"

/* Input rows as the kernel's taps see them: zero padding written out, and a row with a stride
 * taken apart into its phases, so that neighbouring outputs read neighbouring floats. */
struct covey__prep {
    bool copies;      /* false: the input serves as it is */
    size_t row_step;  /* input rows from one prepared row to the next */
    size_t rows;      /* prepared rows of one channel */
    size_t phases;    /* of one row */
    size_t pitch;     /* floats of one phase */
    size_t plane;     /* floats of one channel */
    size_t row_pitch; /* floats from one output row's pixels to the next one's */
    bool linear;      /* one tap, and output pixel i is float i of the plane */
};

void covey__prep_init(struct covey__prep *out, const struct covey__conv_shape *s);
/* Floats of the prepared planes, in whole vectors; 0: the input serves as it is. */
uint64_t covey__prep_floats(const struct covey__prep *p, uint64_t planes);
/* Offset of tap ky * kw + kx within a plane. */
size_t covey__prep_tap(const struct covey__prep *p, const struct covey__conv_shape *s, size_t tap);
/* One channel's plane, from in [height width]. */
void covey__prep_plane(const struct covey__prep *p, const struct covey__conv_shape *s,
                       const struct covey__kernels *kernels, const float *in, float *out);
/* planes channels of call->in from float offset on, shared out over the threads. */
void covey__prep_planes(const struct covey__conv_call *call, const struct covey__prep *p,
                        size_t first, size_t planes, float *out);

static inline size_t covey__min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t covey__ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static inline size_t covey__round_up(size_t a, size_t to)
{
    return covey__ceil_div(a, to) * to;
}

/* Floats that a plan asks for, in whole vectors. */
static inline uint64_t covey__whole_vectors(uint64_t floats)
{
    return (floats + COVEY__LANES_MAX - 1) / COVEY__LANES_MAX * COVEY__LANES_MAX;
}

static inline size_t covey__taps(const struct covey__conv_shape *s)
{
    return (size_t)s->kernel[0] * s->kernel[1];
}

static inline size_t covey__pixels(const struct covey__conv_shape *s)
{
    return (size_t)s->out_height * s->out_width;
}

/* Strips for so many columns. */
static inline size_t covey__strips(const struct covey__kernels *kernels, size_t cols)
{
    size_t whole = COVEY__STRIP_VECS * kernels->lanes;
    return kernels->extra > 0 && cols == whole + kernels->extra ? 1 : covey__ceil_div(cols, whole);
}

/* More weights than this are read from memory each time: little by little then, panel by panel. */
enum { COVEY__WARM_FLOATS = 1 << 18, COVEY__STREAM_STRIPS = 6 };

/* s->ahead for strip of strips: its share of the next panel's floats, of the same k. */
static inline void covey__strip_ahead(struct covey__strip *s, size_t mr, size_t strip,
                                      size_t strips)
{
    s->ahead = s->a + s->a_stride + s->k * mr * strip / strips;
    s->ahead_step = covey__ceil_div(mr, strips);
}

/* The bounds that a fused activation clamps to; infinite where it does not. */
void covey__act_bounds(const struct covey__act *act, float *out_low, float *out_high);

void covey__packed_plan(struct covey__conv_plan *plan);
void covey__packed_pack(const struct covey__conv_plan *plan, const float *weights, float *packed);
void covey__packed_run(const struct covey__conv_call *call);

/* conv_rows.c: the same, an output row at a time, the prepared input read where it lies: for few
 * rows of A, where unrolling would take longer than multiplying. */
bool covey__rows_fit(const struct covey__conv_plan *plan);
void covey__rows_run(const struct covey__conv_call *call);

void covey__depthwise_plan(struct covey__conv_plan *plan);
void covey__depthwise_run(const struct covey__conv_call *call);

void covey__conv_im2col_plan(struct covey__conv_plan *plan);
void covey__conv_im2col_run(const struct covey__conv_call *call);

#endif /* COVEY_NN_CONV_PRIVATE_H */
