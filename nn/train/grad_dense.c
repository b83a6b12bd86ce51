/* SPDX-License-Identifier: MIT */
#include "gemm.h"
#include "kernels/norm.h"
#include "train/grad.h"

/* Y = X W' + B with X [n k], W [m k]: dX = dY W, dW = dY' X, dB = column sums of dY */
static void dense_back(const struct covey__grad_call *c)
{
    const struct covey_shape *x = &c->op->in[0]->shape, *w = &c->op->in[1]->shape;
    size_t n = x->dims[0], k = x->dims[1], m = w->dims[0];
    if (c->dx[0] != NULL) {
        struct covey__gemm g = {.m = n, .n = k, .k = m, .a = c->dy, .lda = m};
        g.b = covey__in(c->op, 1);
        g.ldb = g.ldc = k;
        g.c = c->dx[0];
        covey__gemm_threads(&g, c->op->threads);
    }
    if (c->dx[1] != NULL) {
        struct covey__gemm g = {.m = m, .n = k, .k = n, .a = c->dy, .lda = m, .trans_a = true};
        g.b = covey__in(c->op, 0);
        g.ldb = g.ldc = k;
        g.c = c->dx[1];
        covey__gemm_threads(&g, c->op->threads);
    }
    if (c->op->inputs > 2 && c->dx[2] != NULL) {
        struct covey__norm_shape s = {n, m, 1};
        covey__norm_sums(&s, c->dy, c->dx[2], c->op->threads);
    }
}

static bool dense_product(const struct covey__op_call *c, struct covey_train_product *out)
{
    *out = (struct covey_train_product){.dense = true,
                                        .batch = c->in[0]->shape.dims[0],
                                        .in_channels = c->in[0]->shape.dims[1],
                                        .out_channels = c->in[1]->shape.dims[0],
                                        .height = 1,
                                        .width = 1,
                                        .out_height = 1,
                                        .out_width = 1,
                                        .kernel = {1, 1},
                                        .stride = {1, 1},
                                        .dilation = {1, 1}};
    return true;
}

/* Y = A B of matrices: dA = dY B', dB = A' dY */
static void matmul_back(const struct covey__grad_call *c)
{
    const struct covey_shape *a = &c->op->in[0]->shape, *b = &c->op->in[1]->shape;
    size_t m = a->dims[0], k = a->dims[1], n = b->dims[1];
    if (c->dx[0] != NULL) {
        struct covey__gemm g = {.m = m, .n = k, .k = n, .a = c->dy, .lda = n, .trans_b = true};
        g.b = covey__in(c->op, 1);
        g.ldb = n;
        g.c = c->dx[0];
        g.ldc = k;
        covey__gemm_threads(&g, c->op->threads);
    }
    if (c->dx[1] != NULL) {
        struct covey__gemm g = {.m = k, .n = n, .k = m, .a = covey__in(c->op, 0), .lda = k};
        g.trans_a = true;
        g.b = c->dy;
        g.ldb = g.ldc = n;
        g.c = c->dx[1];
        covey__gemm_threads(&g, c->op->threads);
    }
}

const struct covey__grad covey__grads_dense[] = {
    {.op = COVEY_OP_DENSE,
     .inputs = 7,
     .parameters = 6,
     .needs_x = true,
     .backward = dense_back,
     .product = dense_product},
    {.op = COVEY_OP_MATMUL, .inputs = 3, .parameters = 2, .needs_x = true, .backward = matmul_back},
    {.op = COVEY_OP_NONE},
};
