/* SPDX-License-Identifier: MIT */
#include "onnx_export.h"

#include <stdio.h>
#include <stdlib.h>

#include "onnx_write.h"
#include "read_why.h"

enum { OPSET = 17, IR_VERSION = 8 };

static void put_window(struct covey_onnx_writer *w, const struct covey_graph_node *node,
                       unsigned spatial)
{
    const struct covey_op_attrs *a = &node->attrs;
    int64_t v[2 * COVEY_SPATIAL_MAX] = {0};
    for (unsigned i = 0; i < spatial; i++) {
        v[i] = a->kernel[i];
    }
    covey__write_ints(w, "kernel_shape", v, spatial);
    for (unsigned i = 0; i < spatial; i++) {
        v[i] = a->stride[i];
    }
    covey__write_ints(w, "strides", v, spatial);
    for (unsigned i = 0; i < spatial; i++) {
        v[i] = a->pads[i];
        v[spatial + i] = a->pads_end[i];
    }
    covey__write_ints(w, "pads", v, 2 * (size_t)spatial);
}

static void put_conv(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    unsigned spatial = covey__write_rank(w, node->input[0]) - 2u;
    int64_t dilation[COVEY_SPATIAL_MAX] = {0};
    for (unsigned i = 0; i < spatial; i++) {
        dilation[i] = node->attrs.dilation[i];
    }
    put_window(w, node, spatial);
    covey__write_ints(w, "dilations", dilation, spatial);
    covey__write_int(w, "group", node->attrs.groups);
}

static void put_maxpool(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    put_window(w, node, covey__write_rank(w, node->input[0]) - 2u);
    covey__write_int(w, "ceil_mode", node->attrs.ceil_mode);
}

static void put_avgpool(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    put_maxpool(w, node);
    covey__write_int(w, "count_include_pad", node->attrs.count_include_pad);
}

static void put_dense(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    (void)node;
    covey__write_int(w, "transB", 1);
}

static void put_epsilon(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    covey__write_float(w, "epsilon", node->attrs.epsilon);
}

static void put_alpha(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    covey__write_float(w, "alpha", node->attrs.alpha);
}

static void put_alpha_beta(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    put_alpha(w, node);
    covey__write_float(w, "beta", node->attrs.beta);
}

static void put_lrn(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    put_alpha_beta(w, node);
    covey__write_float(w, "bias", node->attrs.bias);
    covey__write_int(w, "size", node->attrs.size);
}

static void put_axis(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    covey__write_int(w, "axis", node->attrs.axis);
}

static void put_perm(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    covey__write_ints(w, "perm", node->attrs.shape, node->attrs.shape_rank);
}

static void put_axes(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    int64_t axes[COVEY_RANK_MAX] = {0};
    size_t count = 0;
    for (unsigned i = 0; i < COVEY_RANK_MAX; i++) {
        if ((node->attrs.axes >> i & 1) != 0) {
            axes[count++] = i;
        }
    }
    covey__write_ints(w, "axes", axes, count);
    covey__write_int(w, "keepdims", node->attrs.keepdims);
}

static void put_clip(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    covey__write_input_float(w, node->attrs.low);
    covey__write_input_float(w, node->attrs.high);
}

static void put_dropout(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    covey__write_input_float(w, node->attrs.alpha);
}

/* 0 stands for the input's dimension: a batch of 1 written out would fix it. */
static void put_reshape(struct covey_onnx_writer *w, const struct covey_graph_node *node)
{
    int64_t shape[COVEY_RANK_MAX];
    memcpy(shape, node->attrs.shape, sizeof(shape));
    if (node->attrs.shape_rank > 0 && shape[0] == 1) {
        shape[0] = 0;
    }
    covey__write_input_ints(w, shape, node->attrs.shape_rank);
}

static const struct {
    enum covey_op op;
    const char *name; /* where it is not covey_op_name() */
    void (*put)(struct covey_onnx_writer *w, const struct covey_graph_node *node);
} forms[] = {
    {COVEY_OP_CONV, NULL, put_conv},
    {COVEY_OP_DENSE, "Gemm", put_dense},
    {COVEY_OP_MATMUL, NULL, NULL},
    {COVEY_OP_BATCHNORM, NULL, put_epsilon},
    {COVEY_OP_DROPOUT, NULL, put_dropout},
    {COVEY_OP_RELU, NULL, NULL},
    {COVEY_OP_LEAKYRELU, NULL, put_alpha},
    {COVEY_OP_SIGMOID, NULL, NULL},
    {COVEY_OP_TANH, NULL, NULL},
    {COVEY_OP_CLIP, NULL, put_clip},
    {COVEY_OP_IDENTITY, NULL, NULL},
    {COVEY_OP_ELU, NULL, put_alpha},
    {COVEY_OP_HARDSIGMOID, NULL, put_alpha_beta},
    {COVEY_OP_HARDSWISH, NULL, NULL},
    {COVEY_OP_SOFTPLUS, NULL, NULL},
    {COVEY_OP_ADD, NULL, NULL},
    {COVEY_OP_SUB, NULL, NULL},
    {COVEY_OP_MUL, NULL, NULL},
    {COVEY_OP_DIV, NULL, NULL},
    {COVEY_OP_MAXPOOL, NULL, put_maxpool},
    {COVEY_OP_AVGPOOL, NULL, put_avgpool},
    {COVEY_OP_GLOBALAVGPOOL, NULL, NULL},
    {COVEY_OP_GLOBALMAXPOOL, NULL, NULL},
    {COVEY_OP_LRN, NULL, put_lrn},
    {COVEY_OP_SOFTMAX, NULL, put_axis},
    {COVEY_OP_LOGSOFTMAX, NULL, put_axis},
    {COVEY_OP_REDUCEMEAN, NULL, put_axes},
    {COVEY_OP_CONCAT, NULL, put_axis},
    {COVEY_OP_RESHAPE, NULL, put_reshape},
    {COVEY_OP_FLATTEN, NULL, put_axis},
    {COVEY_OP_TRANSPOSE, NULL, put_perm},
};

static covey_err put_node(struct covey_onnx_writer *w, const struct covey_graph_node *node,
                          struct covey_nn_error *out_why)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        bool whole = node->attrs.act == COVEY_ACT_NONE && node->outputs == 1 &&
                     !(node->op == COVEY_OP_CONV && node->inputs > 3);
        if (forms[i].op == node->op && whole) {
            covey__write_node(w, node,
                              forms[i].name != NULL ? forms[i].name : covey_op_name(node->op));
            if (forms[i].put != NULL) {
                forms[i].put(w, node);
            }
            return COVEY_OK;
        }
    }
    return covey__why(COVEY_ERR_UNSUPPORTED, out_why, "node '%.40s' (%.24s) cannot be written",
                      node->name, covey_op_name(node->op));
}

covey_err covey_onnx_encode(const struct covey_graph *g, const char *name, uint8_t **out,
                            size_t *out_len, struct covey_nn_error *out_why)
{
    struct covey_onnx_writer *w = NULL;
    covey_err err = covey__write_new(g, name, &w);
    for (size_t i = 0; i < g->node_count && err == COVEY_OK; i++) {
        err = put_node(w, &g->nodes[i], out_why);
        if (err != COVEY_OK) {
            goto out;
        }
    }
    if (err == COVEY_OK) {
        err = covey__write_done(w, OPSET, IR_VERSION, out, out_len);
    }
    if (err != COVEY_OK) {
        err = covey__why(err, out_why, "the model cannot be written: %s", covey_strerror(err));
    }
out:
    covey__write_free(w);
    return err;
}
