/* SPDX-License-Identifier: MIT
 *
 * ops_window.h - operators over windows, channels and rows.
 */
#ifndef COVEY_NN_OPS_WINDOW_H
#define COVEY_NN_OPS_WINDOW_H

#include "ops.h"

covey_err covey__infer_globalavgpool(const struct covey__op_call *c, struct covey_tensor *out,
                                     struct covey_nn_error *out_why);
covey_err covey__infer_lrn(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why);
covey_err covey__infer_pool(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
covey_err covey__infer_reduce(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
covey_err covey__infer_softmax(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why);
void covey__op_avgpool(const struct covey__op_call *c);
void covey__op_globalavgpool(const struct covey__op_call *c);
void covey__op_logsoftmax(const struct covey__op_call *c);
void covey__op_lrn(const struct covey__op_call *c);
void covey__op_maxpool(const struct covey__op_call *c);
void covey__op_reducemean(const struct covey__op_call *c);
void covey__op_softmax(const struct covey__op_call *c);

#endif
