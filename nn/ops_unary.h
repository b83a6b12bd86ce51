/* SPDX-License-Identifier: MIT
 *
 * ops_unary.h - element-wise operators of one input.
 */
#ifndef COVEY_NN_OPS_UNARY_H
#define COVEY_NN_OPS_UNARY_H

#include "ops.h"

covey_err covey__infer_same(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
void covey__op_clip(const struct covey__op_call *c);
void covey__op_leakyrelu(const struct covey__op_call *c);
void covey__op_relu(const struct covey__op_call *c);
void covey__op_sigmoid(const struct covey__op_call *c);
void covey__op_tanh(const struct covey__op_call *c);

#endif
