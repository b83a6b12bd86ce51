/* SPDX-License-Identifier: MIT
 *
 * ops_binary.h - element-wise operators of several inputs.
 */
#ifndef COVEY_NN_OPS_BINARY_H
#define COVEY_NN_OPS_BINARY_H

#include "ops.h"

covey_err covey__infer_broadcast(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why);
void covey__op_add(const struct covey__op_call *c);
void covey__op_div(const struct covey__op_call *c);
void covey__op_mul(const struct covey__op_call *c);
void covey__op_sub(const struct covey__op_call *c);

#endif
