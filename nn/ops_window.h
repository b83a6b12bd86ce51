/* SPDX-License-Identifier: MIT
 *
 * ops_window.h - operators over windows, channels and rows.
 */
#ifndef COVEY_NN_OPS_WINDOW_H
#define COVEY_NN_OPS_WINDOW_H

#include "ops.h"

covey_err covey__infer_argmax(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_cumsum(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_globallppool(const struct covey__op_call *c, struct covey_tensor *out,
                                    struct covey_nn_error *out_why);
covey_err covey__infer_globalpool(const struct covey__op_call *c, struct covey_tensor *out,
                                  struct covey_nn_error *out_why);
covey_err covey__infer_groupnorm(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why);
covey_err covey__infer_instancenorm(const struct covey__op_call *c, struct covey_tensor *out,
                                    struct covey_nn_error *out_why);
covey_err covey__infer_layernorm(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why);
covey_err covey__infer_lpnorm(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_lppool(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_lrn(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why);
covey_err covey__infer_mvn(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why);
covey_err covey__infer_pool(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
covey_err covey__infer_reduce(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_softmax(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why);
covey_err covey__infer_topk(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
void covey__op_argmax(const struct covey__op_call *c);
void covey__op_argmin(const struct covey__op_call *c);
void covey__op_avgpool(const struct covey__op_call *c);
void covey__op_cumsum(const struct covey__op_call *c);
void covey__op_globalavgpool(const struct covey__op_call *c);
void covey__op_globallppool(const struct covey__op_call *c);
void covey__op_globalmaxpool(const struct covey__op_call *c);
void covey__op_groupnorm(const struct covey__op_call *c);
void covey__op_hardmax(const struct covey__op_call *c);
void covey__op_instancenorm(const struct covey__op_call *c);
void covey__op_layernorm(const struct covey__op_call *c);
void covey__op_logsoftmax(const struct covey__op_call *c);
void covey__op_lpnorm(const struct covey__op_call *c);
void covey__op_lppool(const struct covey__op_call *c);
void covey__op_lrn(const struct covey__op_call *c);
void covey__op_maxpool(const struct covey__op_call *c);
void covey__op_mvn(const struct covey__op_call *c);
void covey__op_reducel1(const struct covey__op_call *c);
void covey__op_reducel2(const struct covey__op_call *c);
void covey__op_reducelogsum(const struct covey__op_call *c);
void covey__op_reducelogsumexp(const struct covey__op_call *c);
void covey__op_reducemax(const struct covey__op_call *c);
void covey__op_reducemean(const struct covey__op_call *c);
void covey__op_reducemin(const struct covey__op_call *c);
void covey__op_reduceprod(const struct covey__op_call *c);
void covey__op_reducesum(const struct covey__op_call *c);
void covey__op_reducesumsquare(const struct covey__op_call *c);
void covey__op_softmax(const struct covey__op_call *c);
void covey__op_topk(const struct covey__op_call *c);
size_t covey__scratch_topk(const struct covey__op_call *c);

#endif
