/* SPDX-License-Identifier: MIT */
#include "gemm.h"
#include "ops.h"

covey_err covey__shape_dense(const struct covey__op_call *c, struct covey_shape *out,
                             struct covey_nn_error *out_why)
{
    const struct covey_shape *x = c->shape[0], *w = c->shape[1];
    const struct covey_shape *b = c->inputs > 2 ? c->shape[2] : NULL;
    if (x->rank != 2 || w->rank != 2 || x->dims[1] != w->dims[1]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "input does not fit the weights");
    }
    if (b != NULL && (b->rank != 1 || b->dims[0] != w->dims[0])) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "bias does not fit the weights");
    }
    *out = (struct covey_shape){2, {x->dims[0], w->dims[0]}};
    return COVEY_OK;
}

/* Y = X W' + B */
void covey__op_dense(const struct covey__op_call *c)
{
    size_t n = c->shape[0]->dims[0], k = c->shape[0]->dims[1], m = c->shape[1]->dims[0];
    struct covey__gemm g = {.m = n,
                            .n = m,
                            .k = k,
                            .a = c->data[0],
                            .lda = k,
                            .b = c->data[1],
                            .ldb = k,
                            .trans_b = true,
                            .c = c->out,
                            .ldc = m};
    covey__gemm(&g);
    if (c->inputs > 2 && c->data[2] != NULL) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < m; j++) {
                c->out[i * m + j] += c->data[2][j];
            }
        }
    }
    covey__act_apply(c->attrs, c->out, n * m);
}

covey_err covey__shape_matmul(const struct covey__op_call *c, struct covey_shape *out,
                              struct covey_nn_error *out_why)
{
    const struct covey_shape *a = c->shape[0], *b = c->shape[1];
    if (a->rank != 2 || b->rank != 2) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "only products of matrices");
    }
    if (a->dims[1] != b->dims[0]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "inner dimensions differ");
    }
    *out = (struct covey_shape){2, {a->dims[0], b->dims[1]}};
    return COVEY_OK;
}

void covey__op_matmul(const struct covey__op_call *c)
{
    size_t m = c->shape[0]->dims[0], k = c->shape[0]->dims[1], n = c->shape[1]->dims[1];
    struct covey__gemm g = {.m = m,
                            .n = n,
                            .k = k,
                            .a = c->data[0],
                            .lda = k,
                            .b = c->data[1],
                            .ldb = n,
                            .c = c->out,
                            .ldc = n};
    covey__gemm(&g);
}
