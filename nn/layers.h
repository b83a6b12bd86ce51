/* SPDX-License-Identifier: MIT
 *
 * layers.h - what convolution and dense nodes share with the layers that a mesh splits.
 */
#ifndef COVEY_NN_LAYERS_H
#define COVEY_NN_LAYERS_H

#include "covey/split.h"
#include "ops.h"

/* out [batch rows pixels] = act(product [rows x batch x pixels] + bias + residual [as out]); bias
 * and residual may be NULL. */
struct covey__finish {
    const struct covey_op_attrs *attrs;
    const float *product, *bias, *residual;
    size_t batch, rows, pixels;
    float *out;
};
void covey__finish(const struct covey__finish *f);

/* The layer of a convolution or dense node whose shapes are checked; of one group for grouped. */
void covey__layer_of(const struct covey__op_call *c, enum covey_op op, struct covey_layer *out);
/* W [m x k] times columns of one pixel each; and with windows, weights [m c kernel]. */
void covey__layer_dense(uint32_t m, uint32_t k, uint32_t batch, struct covey_layer *out);
void covey__layer_conv(const struct covey__op_call *c, const struct covey_shape *weights,
                       struct covey_layer *out);

/* data [rows x columns] += bias [rows]. */
void covey__bias_rows(float *data, const float *bias, size_t rows, size_t columns);

#endif /* COVEY_NN_LAYERS_H */
