/* SPDX-License-Identifier: MIT
 *
 * layouts_private.h - shared layouts as models see them. A constant is claimed for an algorithm
 * first, then filled, then used.
 */
#ifndef COVEY_NN_LAYOUTS_PRIVATE_H
#define COVEY_NN_LAYOUTS_PRIVATE_H

#include "covey/layouts.h"
#include "kernels/conv.h"
#include "ops.h"

/* A weights' use: its constant's data and the convolution. */
struct covey__layout_use {
    const void *data;
    struct covey__conv_shape shape;
};

/* The convolution of a checked node. */
void covey__conv_call_shape(const struct covey__op_call *c, struct covey__conv_shape *out);

/* How it will run; laid_out: with constant weights that are laid out. */
void covey__conv_call_plan(const struct covey__op_call *c, bool laid_out,
                           struct covey__conv_plan *out);

/* The algorithm claimed for a use. False: none yet. */
bool covey__layouts_algorithm(struct covey_layouts *l, const struct covey__layout_use *use,
                              enum covey__conv_algorithm *out);
/* Lays the constant out as claimed for this use, unless it is. */
covey_err covey__layouts_fill(struct covey_layouts *l, const struct covey__layout_use *use);
/* What fill made. */
const float *covey__layouts_packed(struct covey_layouts *l, const struct covey__layout_use *use);

#endif /* COVEY_NN_LAYOUTS_PRIVATE_H */
