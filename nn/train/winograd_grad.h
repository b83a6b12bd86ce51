/* SPDX-License-Identifier: MIT
 *
 * winograd_grad.h - the weight gradient of 3 x 3 convolutions in Winograd's domain.
 *
 * F(4x4, 3x3) turned round (Lavin and Gray 2015): with tiles d of the input (6 x 6) and dy of the
 * output's gradient (4 x 4),
 *   dW = G' [ sum over tiles of (A dy A') o (B' d B) ] G.
 * The transforms are products too: of their Kronecker squares with the tiles side by side.
 */
#ifndef COVEY_NN_WINOGRAD_GRAD_H
#define COVEY_NN_WINOGRAD_GRAD_H

#include "train/conv_grad.h"

bool covey__winograd_grad_fits(const struct covey__conv_shape *s);
uint64_t covey__winograd_grad_scratch(const struct covey__conv_shape *s); /* floats */
void covey__winograd_grad_run(const struct covey__conv_shape *s,
                              const struct covey__conv_grad_call *call);

#endif /* COVEY_NN_WINOGRAD_GRAD_H */
