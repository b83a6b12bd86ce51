/* SPDX-License-Identifier: MIT */
#include "gemm.h"
#include "kernels/skinny.h"
#include "ops_layer.h"

covey_err covey__infer_dense(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const struct covey_shape *b = c->inputs > 2 && c->in[2] != NULL ? &c->in[2]->shape : NULL;
    if (x->rank != 2 || w->rank != 2 || x->dims[1] != w->dims[1]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "input does not fit the weights");
    }
    if (b != NULL && (b->rank != 1 || b->dims[0] != w->dims[0])) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "bias does not fit the weights");
    }
    out->shape = (struct covey_shape){2, {x->dims[0], w->dims[0]}};
    return COVEY_OK;
}

/* Y = X W' + B */
void covey__op_dense(const struct covey__op_call *c)
{
    size_t n = c->in[0]->shape.dims[0], k = c->in[0]->shape.dims[1], m = c->in[1]->shape.dims[0];
    const float *bias = covey__in(c, 2);
    struct covey__gemm g = {.m = n,
                            .n = m,
                            .k = k,
                            .a = covey__in(c, 0),
                            .lda = k,
                            .b = covey__in(c, 1),
                            .ldb = k,
                            .trans_b = true,
                            .c = covey__out(c),
                            .ldc = m};
    covey__gemm_threads(&g, c->threads);
    for (size_t i = 0; i < n && bias != NULL; i++) {
        float *row = covey__out(c) + i * m;
        for (size_t j = 0; j < m; j++) {
            row[j] += bias[j];
        }
    }
    covey__act_apply(c->attrs, covey__out(c), n * m);
}

const char *covey__kernel_dense(const struct covey__op_call *c)
{
    uint32_t n = c->in[0]->shape.dims[0];
    return n == 1 ? "gemv" : n <= COVEY__SKINNY_COLUMNS_MAX ? "skinny" : "gemm";
}
