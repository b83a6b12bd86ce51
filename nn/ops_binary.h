/* SPDX-License-Identifier: MIT
 *
 * ops_binary.h - element-wise operators of several inputs.
 */
#ifndef COVEY_NN_OPS_BINARY_H
#define COVEY_NN_OPS_BINARY_H

#include "ops.h"

covey_err covey__infer_broadcast(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why);
covey_err covey__infer_compare(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why);
covey_err covey__infer_dequantize(const struct covey__op_call *c, struct covey_tensor *out,
                                  struct covey_nn_error *out_why);
covey_err covey__infer_dynamicquantize(const struct covey__op_call *c, struct covey_tensor *out,
                                       struct covey_nn_error *out_why);
covey_err covey__infer_mod(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why);
covey_err covey__infer_pow(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why);
covey_err covey__infer_prelu(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why);
covey_err covey__infer_quantize(const struct covey__op_call *c, struct covey_tensor *out,
                                struct covey_nn_error *out_why);
covey_err covey__infer_where(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why);
void covey__op_add(const struct covey__op_call *c);
void covey__op_and(const struct covey__op_call *c);
void covey__op_bitand(const struct covey__op_call *c);
void covey__op_bitor(const struct covey__op_call *c);
void covey__op_bitshift(const struct covey__op_call *c);
void covey__op_bitxor(const struct covey__op_call *c);
void covey__op_dequantize(const struct covey__op_call *c);
void covey__op_div(const struct covey__op_call *c);
void covey__op_dynamicquantize(const struct covey__op_call *c);
void covey__op_equal(const struct covey__op_call *c);
void covey__op_greater(const struct covey__op_call *c);
void covey__op_greaterequal(const struct covey__op_call *c);
void covey__op_less(const struct covey__op_call *c);
void covey__op_lessequal(const struct covey__op_call *c);
void covey__op_max(const struct covey__op_call *c);
void covey__op_mean(const struct covey__op_call *c);
void covey__op_min(const struct covey__op_call *c);
void covey__op_mod(const struct covey__op_call *c);
void covey__op_mul(const struct covey__op_call *c);
void covey__op_or(const struct covey__op_call *c);
void covey__op_pow(const struct covey__op_call *c);
void covey__op_prelu(const struct covey__op_call *c);
void covey__op_quantize(const struct covey__op_call *c);
void covey__op_sub(const struct covey__op_call *c);
void covey__op_sum(const struct covey__op_call *c);
void covey__op_where(const struct covey__op_call *c);
void covey__op_xor(const struct covey__op_call *c);

#endif
