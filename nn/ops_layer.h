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
covey_err covey__infer_convtranspose(const struct covey__op_call *c, struct covey_tensor *out,
                                     struct covey_nn_error *out_why);
covey_err covey__infer_dense(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why);
covey_err covey__infer_dropout(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why);
covey_err covey__infer_gemm(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why);
covey_err covey__infer_matmul(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why);
void covey__op_batchnorm(const struct covey__op_call *c);
void covey__op_conv(const struct covey__op_call *c);
void covey__op_convtranspose(const struct covey__op_call *c);
void covey__op_dense(const struct covey__op_call *c);
void covey__op_dropout(const struct covey__op_call *c);
void covey__op_gemm(const struct covey__op_call *c);
void covey__op_matmul(const struct covey__op_call *c);
size_t covey__scratch_batchnorm(const struct covey__op_call *c);
size_t covey__scratch_conv(const struct covey__op_call *c);
size_t covey__scratch_convtranspose(const struct covey__op_call *c);
size_t covey__state_conv(const struct covey__op_call *c);
void covey__prepare_conv(const struct covey__op_call *c, void *state);
covey_err covey__share_conv(const struct covey__op_call *c);
const char *covey__kernel_conv(const struct covey__op_call *c);
const char *covey__kernel_dense(const struct covey__op_call *c);

/* What CONV and CONVTRANSPOSE share: ranks, the input's channels, kernel_shape and the bias. */
covey_err covey__conv_fits_filters(const struct covey__op_call *c, uint32_t in_channels,
                                   uint32_t out_channels, struct covey_nn_error *out_why);

/* The product of one row and one column of any type: elements first + i step. */
struct covey__dot {
    const struct covey_tensor *a, *b;
    size_t count, first_a, step_a, first_b, step_b;
};
/* Steps of 1, from the first element. */
void covey__dot_init(struct covey__dot *d, const struct covey_tensor *a,
                     const struct covey_tensor *b);
double covey__dot_real(const struct covey__dot *d);
int64_t covey__dot_int(const struct covey__dot *d); /* wraps */

#endif
