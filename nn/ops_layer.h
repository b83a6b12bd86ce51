/* SPDX-License-Identifier: MIT
 *
 * ops_layer.h - layers: products, convolution, normalisation by channel.
 */
#ifndef COVEY_NN_OPS_LAYER_H
#define COVEY_NN_OPS_LAYER_H

#include "ops.h"

covey_err covey__infer_batchnorm(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why);
covey_err covey__infer_conv(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
covey_err covey__infer_dense(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why);
covey_err covey__infer_matmul(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
void covey__op_batchnorm(const struct covey__op_call *c);
void covey__op_conv(const struct covey__op_call *c);
void covey__op_dense(const struct covey__op_call *c);
void covey__op_matmul(const struct covey__op_call *c);
size_t covey__scratch_conv(const struct covey__op_call *c);

#endif
