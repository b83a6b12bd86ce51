/* SPDX-License-Identifier: MIT
 *
 * ops_move.h - operators that move elements.
 */
#ifndef COVEY_NN_OPS_MOVE_H
#define COVEY_NN_OPS_MOVE_H

#include "ops.h"

covey_err covey__infer_concat(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_reshape(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why);
covey_err covey__infer_flatten(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why);
covey_err covey__infer_transpose(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why);
covey_err covey__infer_pad(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why);
covey_err covey__infer_split(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why);
covey_err covey__infer_slice(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why);
covey_err covey__infer_gather(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_gather_elements(const struct covey__op_call *c, struct covey_tensor *out,
                                       struct covey_nn_error *out_why);
covey_err covey__infer_gather_nd(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why);
covey_err covey__infer_scatter_elements(const struct covey__op_call *c, struct covey_tensor *out,
                                        struct covey_nn_error *out_why);
covey_err covey__infer_scatter_nd(const struct covey__op_call *c, struct covey_tensor *out,
                                  struct covey_nn_error *out_why);
covey_err covey__infer_expand(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_tile(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
covey_err covey__infer_depth_to_space(const struct covey__op_call *c, struct covey_tensor *out,
                                      struct covey_nn_error *out_why);
covey_err covey__infer_space_to_depth(const struct covey__op_call *c, struct covey_tensor *out,
                                      struct covey_nn_error *out_why);
covey_err covey__infer_resize(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_onehot(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_trilu(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why);
covey_err covey__infer_fill(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
covey_err covey__infer_reverse(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why);

void covey__op_concat(const struct covey__op_call *c);
void covey__op_copy(const struct covey__op_call *c);
void covey__op_transpose(const struct covey__op_call *c);
void covey__op_pad(const struct covey__op_call *c);
void covey__op_split(const struct covey__op_call *c);
void covey__op_slice(const struct covey__op_call *c);
void covey__op_gather(const struct covey__op_call *c);
void covey__op_gather_elements(const struct covey__op_call *c);
void covey__op_gather_nd(const struct covey__op_call *c);
void covey__op_scatter_elements(const struct covey__op_call *c);
void covey__op_scatter_nd(const struct covey__op_call *c);
void covey__op_expand(const struct covey__op_call *c);
void covey__op_tile(const struct covey__op_call *c);
void covey__op_depth_to_space(const struct covey__op_call *c);
void covey__op_space_to_depth(const struct covey__op_call *c);
void covey__op_resize(const struct covey__op_call *c);
void covey__op_onehot(const struct covey__op_call *c);
void covey__op_trilu(const struct covey__op_call *c);
void covey__op_fill(const struct covey__op_call *c);
void covey__op_reverse(const struct covey__op_call *c);
size_t covey__scratch_resize(const struct covey__op_call *c);

#endif
