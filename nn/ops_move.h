/* SPDX-License-Identifier: MIT
 *
 * ops_move.h - operators that move elements.
 */
#ifndef COVEY_NN_OPS_MOVE_H
#define COVEY_NN_OPS_MOVE_H

#include "ops.h"

covey_err covey__infer_concat(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_flatten(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why);
covey_err covey__infer_pad(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why);
covey_err covey__infer_reshape(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why);
covey_err covey__infer_transpose(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why);
void covey__op_concat(const struct covey__op_call *c);
void covey__op_copy(const struct covey__op_call *c);
void covey__op_pad(const struct covey__op_call *c);
void covey__op_transpose(const struct covey__op_call *c);

#endif
