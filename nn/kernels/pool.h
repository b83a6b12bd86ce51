/* SPDX-License-Identifier: MIT
 *
 * pool.h - maxima and means of windows in 2-D planes, and what training needs of them.
 *
 * in is [planes, height, width], out is [planes, out_height, out_width]; padding has no elements:
 * a window's maximum is of the elements inside (none: -infinity), its mean too unless
 * count_include_pad. Planes are shared among threads (NULL: this one), so results do not depend
 * on them.
 */
#ifndef COVEY_NN_POOL_H
#define COVEY_NN_POOL_H

#include "covey/threads.h"

#include <stdbool.h>
#include <stdint.h>

/* Output size is the caller's (floor or ceil mode): the last windows may reach beyond the padding.
 * Kernels, strides and dilations are at least 1; a plane has fewer than 2^31 elements. */
struct covey__pool_shape {
    size_t planes;
    uint32_t height, width, out_height, out_width;
    uint32_t kernel[2], stride[2], dilation[2], pads[2], pads_end[2];
    bool count_include_pad; /* a mean is over what lies in the plane and its padding */
};

enum covey__pool_kind { COVEY__POOL_MAX, COVEY__POOL_AVERAGE };

void covey__pool_run(enum covey__pool_kind kind, const struct covey__pool_shape *s, const float *in,
                     float *out, struct covey_threads *threads);

struct covey__pool_index_call {
    const struct covey__pool_shape *shape;
    const float *in;
    float *out;
    uint32_t *index; /* of the first maximum, within its plane; UINT32_MAX: window without any */
    struct covey_threads *threads;
};
void covey__pool_max_index(const struct covey__pool_index_call *call);

/* dx [planes, height, width] = sum of dy where the maximum was; overwritten. */
void covey__pool_max_back(const struct covey__pool_shape *s, const float *dy, const uint32_t *index,
                          float *dx, struct covey_threads *threads);
/* dx = sum over windows of dy / (elements of the window); overwritten. */
void covey__pool_average_back(const struct covey__pool_shape *s, const float *dy, float *dx,
                              struct covey_threads *threads);

/* in [planes, pixels], out [planes] */
void covey__pool_global(enum covey__pool_kind kind, const float *in, float *out,
                        const size_t planes_pixels[2], struct covey_threads *threads);

#endif /* COVEY_NN_POOL_H */
