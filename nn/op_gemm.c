/* SPDX-License-Identifier: MIT */
#include "gemm.h"
#include "ops_layer.h"

struct sizes {
    size_t m, n, k;
    bool trans_a, trans_b;
};

static struct sizes sizes_of(const struct covey__op_call *c)
{
    const struct covey_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    struct sizes s = {.trans_a = (c->attrs->mode & COVEY_GEMM_TRANS_A) != 0,
                      .trans_b = (c->attrs->mode & COVEY_GEMM_TRANS_B) != 0};
    s.m = a->dims[s.trans_a ? 1 : 0];
    s.k = a->dims[s.trans_a ? 0 : 1];
    s.n = b->dims[s.trans_b ? 0 : 1];
    return s;
}

covey_err covey__infer_gemm(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    const struct covey_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    if (a->rank != 2 || b->rank != 2 || c->attrs->mode > 3) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "two matrices are multiplied");
    }
    struct sizes s = sizes_of(c);
    if (s.k != b->dims[s.trans_b ? 1 : 0]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "inner dimensions differ");
    }
    struct covey_shape y = {2, {(uint32_t)s.m, (uint32_t)s.n}}, all;
    if (c->inputs > 2 && c->in[2] != NULL) {
        const struct covey_shape *both[2] = {&y, &c->in[2]->shape};
        if (covey__broadcast(both, 2, &all, NULL) != COVEY_OK || !covey_shape_equal(&all, &y)) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "C does not fit the product");
        }
    }
    out->shape = y;
    return COVEY_OK;
}

/* Index in C of element (row, col) of the result. */
static size_t addend_at(const struct covey_shape *c, size_t row, size_t col)
{
    size_t columns = c->rank > 0 ? c->dims[c->rank - 1] : 1;
    size_t rows = c->rank > 1 ? c->dims[0] : 1;
    return (rows > 1 ? row * columns : 0) + (columns > 1 ? col : 0);
}

/* alpha A B + beta C */
static void run_floats(const struct covey__op_call *c, const struct sizes *s)
{
    struct covey__gemm g = {.m = s->m,
                            .n = s->n,
                            .k = s->k,
                            .a = covey__in(c, 0),
                            .lda = s->trans_a ? s->m : s->k,
                            .trans_a = s->trans_a,
                            .b = covey__in(c, 1),
                            .ldb = s->trans_b ? s->k : s->n,
                            .trans_b = s->trans_b,
                            .c = covey__out(c),
                            .ldc = s->n};
    covey__gemm_threads(&g, c->threads);
    const float *add = covey__in(c, 2);
    for (size_t row = 0; row < s->m; row++) {
        float *y = covey__out(c) + row * s->n;
        for (size_t col = 0; col < s->n && c->attrs->alpha != 1.0f; col++) {
            y[col] *= c->attrs->alpha;
        }
        for (size_t col = 0; col < s->n && add != NULL; col++) {
            y[col] += c->attrs->beta * add[addend_at(&c->in[2]->shape, row, col)];
        }
    }
}

static void run_row(const struct covey__op_call *c, const struct sizes *s, size_t row)
{
    const struct covey_tensor *add = c->inputs > 2 ? c->in[2] : NULL;
    double alpha = (double)c->attrs->alpha, beta = (double)c->attrs->beta;
    struct covey__dot d;
    covey__dot_init(&d, c->in[0], c->in[1]);
    d.count = s->k;
    d.first_a = s->trans_a ? row : row * s->k;
    d.step_a = s->trans_a ? s->m : 1;
    d.step_b = s->trans_b ? 1 : s->n;
    bool whole = !covey_type_is_float(d.a->type) && alpha == 1.0 && beta == 1.0;
    for (size_t col = 0; col < s->n; col++) {
        size_t at = row * s->n + col;
        size_t add_at = add != NULL ? addend_at(&add->shape, row, col) : 0;
        d.first_b = s->trans_b ? col * s->k : col;
        if (whole) {
            uint64_t extra = add != NULL ? (uint64_t)covey__load_int(add, add_at) : 0;
            covey__store_int(c->out[0], at, (int64_t)((uint64_t)covey__dot_int(&d) + extra));
        } else {
            double extra = add != NULL ? covey_tensor_element(add, add_at) : 0.0;
            covey__store_real(c->out[0], at, alpha * covey__dot_real(&d) + beta * extra);
        }
    }
}

void covey__op_gemm(const struct covey__op_call *c)
{
    struct sizes s = sizes_of(c);
    if (c->in[0]->type == COVEY_TYPE_F32) {
        run_floats(c, &s);
        return;
    }
    for (size_t row = 0; row < s.m; row++) {
        run_row(c, &s, row);
    }
}
