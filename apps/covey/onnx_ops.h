/* SPDX-License-Identifier: MIT
 *
 * onnx_ops.h - one reader for each ONNX operator, by name.
 *
 * Private to the importer. A reader turns the node at hand into graph nodes or constants.
 */
#ifndef COVEY_ONNX_OPS_H
#define COVEY_ONNX_OPS_H

#include "onnx_build.h"

/* onnx_window.c: Conv, pooling. onnx_dense.c: Gemm, MatMul. onnx_math.c: element-wise,
 * normalisation. onnx_shape.c: operators on shapes. onnx_fold.c: constants and integers. */
typedef covey_err (*covey_onnx_reader)(struct covey_onnx_build *b);
covey_err covey__onnx_conv(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_pool(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_global_pool(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_gemm(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_matmul(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_batchnorm(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_lrn(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_unary(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_leaky(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_clip(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_softmax(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_binary(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_sum(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_concat(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_reshape(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_flatten(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_transpose(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_squeeze(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_unsqueeze(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_pad(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_reduce_mean(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_identity(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_cast(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_constant_node(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_fill(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_shape_node(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_gather(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_slice(struct covey_onnx_build *b) COVEY_CHECK;
covey_err covey__onnx_fold_binary(struct covey_onnx_build *b, const struct covey_onnx_value *x,
                                  const struct covey_onnx_value *y) COVEY_CHECK;
covey_err covey__onnx_fold_concat(struct covey_onnx_build *b) COVEY_CHECK;

/* Adds constant y to the layer that makes x, as its bias. False: it does not fit, add a node. */
bool covey__onnx_fuse_bias(struct covey_onnx_build *b, const struct covey_onnx_value *x,
                           const struct covey_onnx_value *y);

#endif /* COVEY_ONNX_OPS_H */
