/* SPDX-License-Identifier: MIT */
#include "gemm.h"
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
    covey__gemm(&g);
    if (covey__in(c, 2) != NULL) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < m; j++) {
                covey__out(c)[i * m + j] += covey__in(c, 2)[j];
            }
        }
    }
    covey__act_apply(c->attrs, covey__out(c), n * m);
}

covey_err covey__infer_matmul(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    const struct covey_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    if (a->rank != 2 || b->rank != 2) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "only products of matrices");
    }
    if (a->dims[1] != b->dims[0]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "inner dimensions differ");
    }
    out->shape = (struct covey_shape){2, {a->dims[0], b->dims[1]}};
    return COVEY_OK;
}

void covey__op_matmul(const struct covey__op_call *c)
{
    size_t m = c->in[0]->shape.dims[0], k = c->in[0]->shape.dims[1], n = c->in[1]->shape.dims[1];
    struct covey__gemm g = {.m = m,
                            .n = n,
                            .k = k,
                            .a = covey__in(c, 0),
                            .lda = k,
                            .b = covey__in(c, 1),
                            .ldb = n,
                            .c = covey__out(c),
                            .ldc = n};
    covey__gemm(&g);
}
