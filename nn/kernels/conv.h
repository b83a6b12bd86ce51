/* SPDX-License-Identifier: MIT
 *
 * conv.h - 2-D float32 convolutions: an algorithm and a weight layout chosen once per shape.
 *
 * Y [n m oh ow] = act(W * X + bias + residual). Row-major NCHW throughout, groups included.
 */
#ifndef COVEY_NN_CONV_H
#define COVEY_NN_CONV_H

#include "act.h"
#include "cpu.h"
#include "covey/threads.h"

/* Checked before: groups divides both channels, all sizes are at least 1 and fit, and
 * out = (in + pads + pads_end - (kernel - 1) dilation - 1) / stride + 1. */
struct covey__conv_shape {
    uint32_t batch, in_channels, out_channels, groups;
    uint32_t height, width, out_height, out_width;
    uint32_t kernel[2], stride[2], dilation[2], pads[2], pads_end[2];
};

enum covey__conv_algorithm {
    COVEY__CONV_IM2COL,        /* any shape: unrolled by strips, OpenBLAS; weights as they are */
    COVEY__CONV_PACKED,        /* own packed product, unrolled while packing; also 1 x 1 */
    COVEY__CONV_WINOGRAD2,     /* 3 x 3, stride 1: F(2x2, 3x3) */
    COVEY__CONV_WINOGRAD4,     /* 3 x 3, stride 1: F(4x4, 3x3) */
    COVEY__CONV_WINOGRAD_LIVE, /* 3 x 3, stride 1: the same or F(2x4, 3x3), weights as large as
                                  they are and transformed on the way */
    COVEY__CONV_DEPTHWISE,     /* groups == in_channels == out_channels: direct */
};

struct covey__conv_plan {
    struct covey__conv_shape shape;
    enum covey__conv_algorithm algorithm;
    /* A shape can ask for more than a pointer reaches: who allocates looks. */
    uint64_t packed_floats;  /* weights laid out for the algorithm; 0: used as they are */
    uint64_t scratch_floats; /* of one run with the given threads */
    unsigned threads;
    enum covey__isa isa; /* of the inner loops; covey__cpu_isa() unless a test says otherwise */
};

/* Chooses what is fastest on this processor. small: only what uses the weights as they are. */
void covey__conv_plan_init(struct covey__conv_plan *out, const struct covey__conv_shape *shape,
                           bool small, unsigned threads);
/* The same with the algorithm given; it must fit the shape (covey__conv_fits). */
bool covey__conv_fits(const struct covey__conv_shape *shape, enum covey__conv_algorithm algorithm);
void covey__conv_plan_with(struct covey__conv_plan *out, const struct covey__conv_shape *shape,
                           enum covey__conv_algorithm algorithm, unsigned threads);

/* Estimated cycles, for comparing algorithms that fit the shape. */
double covey__conv_cycles(const struct covey__conv_shape *shape,
                          enum covey__conv_algorithm algorithm);

/* How long a run takes: as many operations of a large packed product, and bytes of weights read
 * from memory besides. */
struct covey__conv_work {
    uint64_t flops, bytes;
};
void covey__conv_work(const struct covey__conv_plan *plan, bool residual,
                      struct covey__conv_work *out);

/* The same plan for another instruction set, which this processor must have. */
void covey__conv_plan_isa(struct covey__conv_plan *plan, enum covey__isa isa);

/* weights [m c/groups kh kw] to packed [packed_floats], 64-byte aligned. */
void covey__conv_pack(const struct covey__conv_plan *plan, const float *weights, float *packed);

struct covey__conv_call {
    const struct covey__conv_plan *plan;
    const float *weights;  /* as packed; as they are where packed_floats is 0 */
    const float *bias;     /* [m] or NULL */
    const float *residual; /* [n m oh ow], added before the activation, or NULL; may be out */
    struct covey__act act;
    const float *in;
    float *scratch; /* [scratch_floats], 64-byte aligned */
    float *out;
    struct covey_threads *threads; /* NULL: this one; else at most plan->threads of them */
};
/* The result does not depend on the number of threads. */
void covey__conv_run(const struct covey__conv_call *call);

#endif /* COVEY_NN_CONV_H */
