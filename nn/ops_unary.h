/* SPDX-License-Identifier: MIT
 *
 * ops_unary.h - element-wise operators of one input.
 */
#ifndef COVEY_NN_OPS_UNARY_H
#define COVEY_NN_OPS_UNARY_H

#include "ops.h"

covey_err covey__infer_same(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
/* The same shape, of booleans. */
covey_err covey__infer_bool(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
covey_err covey__infer_cast(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
void covey__op_abs(const struct covey__op_call *c);
void covey__op_acos(const struct covey__op_call *c);
void covey__op_acosh(const struct covey__op_call *c);
void covey__op_asin(const struct covey__op_call *c);
void covey__op_asinh(const struct covey__op_call *c);
void covey__op_atan(const struct covey__op_call *c);
void covey__op_atanh(const struct covey__op_call *c);
void covey__op_bitnot(const struct covey__op_call *c);
void covey__op_cast(const struct covey__op_call *c);
void covey__op_ceil(const struct covey__op_call *c);
void covey__op_celu(const struct covey__op_call *c);
void covey__op_clip(const struct covey__op_call *c);
void covey__op_cos(const struct covey__op_call *c);
void covey__op_cosh(const struct covey__op_call *c);
void covey__op_elu(const struct covey__op_call *c);
void covey__op_erf(const struct covey__op_call *c);
void covey__op_exp(const struct covey__op_call *c);
void covey__op_floor(const struct covey__op_call *c);
void covey__op_gelu(const struct covey__op_call *c);
void covey__op_hardsigmoid(const struct covey__op_call *c);
void covey__op_hardswish(const struct covey__op_call *c);
void covey__op_identity(const struct covey__op_call *c);
void covey__op_isinf(const struct covey__op_call *c);
void covey__op_isnan(const struct covey__op_call *c);
void covey__op_leakyrelu(const struct covey__op_call *c);
void covey__op_log(const struct covey__op_call *c);
void covey__op_mish(const struct covey__op_call *c);
void covey__op_neg(const struct covey__op_call *c);
void covey__op_not(const struct covey__op_call *c);
void covey__op_reciprocal(const struct covey__op_call *c);
void covey__op_relu(const struct covey__op_call *c);
void covey__op_round(const struct covey__op_call *c);
void covey__op_selu(const struct covey__op_call *c);
void covey__op_shrink(const struct covey__op_call *c);
void covey__op_sigmoid(const struct covey__op_call *c);
void covey__op_sign(const struct covey__op_call *c);
void covey__op_silu(const struct covey__op_call *c);
void covey__op_sin(const struct covey__op_call *c);
void covey__op_sinh(const struct covey__op_call *c);
void covey__op_softplus(const struct covey__op_call *c);
void covey__op_softsign(const struct covey__op_call *c);
void covey__op_sqrt(const struct covey__op_call *c);
void covey__op_tan(const struct covey__op_call *c);
void covey__op_tanh(const struct covey__op_call *c);
void covey__op_thresholdedrelu(const struct covey__op_call *c);

#endif
