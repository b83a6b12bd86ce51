/* SPDX-License-Identifier: MIT
 *
 * ops_integer.h - integers of quantised networks.
 */
#ifndef COVEY_NN_OPS_INTEGER_H
#define COVEY_NN_OPS_INTEGER_H

#include "ops.h"

covey_err covey__infer_convinteger(const struct covey__op_call *c, struct covey_tensor *out,
                                   struct covey_nn_error *out_why);
covey_err covey__infer_matmulinteger(const struct covey__op_call *c, struct covey_tensor *out,
                                     struct covey_nn_error *out_why);
covey_err covey__infer_qlinearadd(const struct covey__op_call *c, struct covey_tensor *out,
                                  struct covey_nn_error *out_why);
covey_err covey__infer_qlinearconv(const struct covey__op_call *c, struct covey_tensor *out,
                                   struct covey_nn_error *out_why);
covey_err covey__infer_qlinearmatmul(const struct covey__op_call *c, struct covey_tensor *out,
                                     struct covey_nn_error *out_why);
void covey__op_convinteger(const struct covey__op_call *c);
void covey__op_matmulinteger(const struct covey__op_call *c);
void covey__op_qlinearadd(const struct covey__op_call *c);
void covey__op_qlinearconv(const struct covey__op_call *c);
void covey__op_qlinearmatmul(const struct covey__op_call *c);
size_t covey__scratch_convinteger(const struct covey__op_call *c);
size_t covey__scratch_matmulinteger(const struct covey__op_call *c);
size_t covey__scratch_qlinearconv(const struct covey__op_call *c);
size_t covey__scratch_qlinearmatmul(const struct covey__op_call *c);
extern const struct covey__op_exact covey__exact_convinteger, covey__exact_matmulinteger,
    covey__exact_qlinearconv, covey__exact_qlinearmatmul;

#endif
