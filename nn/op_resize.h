/* SPDX-License-Identifier: MIT
 *
 * op_resize.h - what the ways of resizing share: where each output element comes from.
 */
#ifndef COVEY_NN_OP_RESIZE_H
#define COVEY_NN_OP_RESIZE_H

#include "ops.h"

/* One axis. same: nothing happens along it. width: the output's before it was rounded. */
struct covey__resize_axis {
    const struct covey_op_attrs *attrs;
    bool same;
    uint32_t in, out;
    double scale, width, roi_start, roi_end;
};

struct covey__resize_axis covey__resize_axis(const struct covey_op_attrs *a, unsigned axis,
                                             uint32_t in, uint32_t out);
/* Coordinate in the input of output element x; false: outside of what is cropped. */
bool covey__resize_origin(const struct covey__resize_axis *r, uint32_t x, double *out_at);
/* The nearest element; false as above. */
bool covey__resize_nearest(const struct covey__resize_axis *r, uint32_t x, uint32_t *out_at);
/* Elements that one is made of, and their weights [taps] from index *out_first on, which may lie
 * outside: the edge goes on there. false as above. */
uint64_t covey__resize_taps(const struct covey__resize_axis *r);
bool covey__resize_weights(const struct covey__resize_axis *r, uint32_t x, double *weights,
                           int64_t *out_first);

static inline uint32_t covey__resize_clamp(int64_t at, uint32_t in)
{
    return at < 0 ? 0 : at >= (int64_t)in ? in - 1 : (uint32_t)at;
}

/* Bytes of scratch, and the kernels. */
size_t covey__nearest_scratch(const struct covey__op_call *c);
void covey__nearest(const struct covey__op_call *c);
bool covey__bilinear_does(const struct covey__op_call *c);
size_t covey__bilinear_scratch(const struct covey__op_call *c);
void covey__bilinear(const struct covey__op_call *c);
size_t covey__filter_scratch(const struct covey__op_call *c);
void covey__filter(const struct covey__op_call *c);

#endif /* COVEY_NN_OP_RESIZE_H */
