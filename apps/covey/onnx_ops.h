/* SPDX-License-Identifier: MIT
 *
 * onnx_ops.h - one reader for each kind of ONNX operator.
 *
 * Private to the importer. A reader turns the node at hand into graph nodes or constants.
 */
#ifndef COVEY_ONNX_OPS_H
#define COVEY_ONNX_OPS_H

#include "onnx_build.h"

typedef void (*covey_onnx_reader)(struct covey_onnx_build *b);

/* One operator of ONNX. */
struct covey_onnx_row {
    const char *name, *domain;
    covey_onnx_reader read;
    enum covey_op op;
    int64_t since;
};
/* NULL: not known. */
const struct covey_onnx_row *covey__onnx_row(const char *domain, const char *name);

/* onnx_legacy.c: what was different before opset 7. True: the node is read, or refused. */
bool covey__onnx_legacy(struct covey_onnx_build *b, const struct covey_onnx_row *row);

/* onnx_window.c */
void covey__onnx_conv(struct covey_onnx_build *b);
void covey__onnx_conv_integer(struct covey_onnx_build *b);
void covey__onnx_qlinear_conv(struct covey_onnx_build *b);
void covey__onnx_conv_transpose(struct covey_onnx_build *b);
void covey__onnx_pool(struct covey_onnx_build *b);
/* onnx_dense.c */
void covey__onnx_gemm(struct covey_onnx_build *b);
void covey__onnx_matmul(struct covey_onnx_build *b);
void covey__onnx_add(struct covey_onnx_build *b);
/* onnx_plain.c: element-wise */
void covey__onnx_plain(struct covey_onnx_build *b);
void covey__onnx_pass(struct covey_onnx_build *b);
void covey__onnx_shaped(struct covey_onnx_build *b);
void covey__onnx_cast(struct covey_onnx_build *b);
void covey__onnx_clip(struct covey_onnx_build *b);
void covey__onnx_dropout(struct covey_onnx_build *b);
void covey__onnx_mode(struct covey_onnx_build *b);
void covey__onnx_quantize(struct covey_onnx_build *b);
void covey__onnx_dequantize(struct covey_onnx_build *b);
/* onnx_norm.c: normalisation and reduction */
void covey__onnx_batchnorm(struct covey_onnx_build *b);
void covey__onnx_norm(struct covey_onnx_build *b);
void covey__onnx_layernorm(struct covey_onnx_build *b);
void covey__onnx_groupnorm(struct covey_onnx_build *b);
void covey__onnx_mvn(struct covey_onnx_build *b);
void covey__onnx_softmax(struct covey_onnx_build *b);
void covey__onnx_reduce(struct covey_onnx_build *b);
void covey__onnx_arg(struct covey_onnx_build *b);
void covey__onnx_cumsum(struct covey_onnx_build *b);
void covey__onnx_topk(struct covey_onnx_build *b);
/* onnx_shape.c: the same elements in another shape, parts, repeats */
void covey__onnx_reshape_node(struct covey_onnx_build *b);
void covey__onnx_flatten(struct covey_onnx_build *b);
void covey__onnx_squeeze(struct covey_onnx_build *b);
void covey__onnx_unsqueeze(struct covey_onnx_build *b);
void covey__onnx_transpose(struct covey_onnx_build *b);
void covey__onnx_expand(struct covey_onnx_build *b);
void covey__onnx_tile(struct covey_onnx_build *b);
void covey__onnx_pad(struct covey_onnx_build *b);
/* onnx_parts.c */
void covey__onnx_concat(struct covey_onnx_build *b);
void covey__onnx_split(struct covey_onnx_build *b);
void covey__onnx_slice(struct covey_onnx_build *b);
void covey__onnx_gather(struct covey_onnx_build *b);
void covey__onnx_gather_nd(struct covey_onnx_build *b);
void covey__onnx_scatter(struct covey_onnx_build *b);
void covey__onnx_blocks(struct covey_onnx_build *b);
void covey__onnx_one_hot(struct covey_onnx_build *b);
void covey__onnx_trilu(struct covey_onnx_build *b);
/* onnx_resize.c */
void covey__onnx_resize(struct covey_onnx_build *b);
void covey__onnx_upsample(struct covey_onnx_build *b);
/* onnx_constant.c: known at import */
void covey__onnx_constant_node(struct covey_onnx_build *b);
void covey__onnx_fill(struct covey_onnx_build *b);
void covey__onnx_shape_node(struct covey_onnx_build *b);
void covey__onnx_size(struct covey_onnx_build *b);
void covey__onnx_range(struct covey_onnx_build *b);
void covey__onnx_eye(struct covey_onnx_build *b);

#endif /* COVEY_ONNX_OPS_H */
