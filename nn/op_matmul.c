/* SPDX-License-Identifier: MIT */
#include "gemm.h"
#include "ops_layer.h"

/* Both operands as matrices, with their leading dimensions (numpy's matmul): a vector on the left
 * is a row, on the right a column, and its dimension of 1 leaves the result. */
struct product {
    size_t m, k, n, count;          /* count: matrices of the result */
    struct covey_shape lead;        /* of the result */
    size_t step[2][COVEY_RANK_MAX]; /* matrices from one to the next; 0: the same again */
};

static struct covey_shape leading(const struct covey_shape *s)
{
    struct covey_shape lead = *s;
    lead.rank = s->rank > 2 ? (uint8_t)(s->rank - 2) : 0;
    return lead;
}

static void find_steps(const struct covey_shape *lead, unsigned rank, size_t *out)
{
    size_t next = 1;
    for (unsigned i = lead->rank; i-- > 0;) {
        out[rank - lead->rank + i] = lead->dims[i] == 1 ? 0 : next;
        next *= lead->dims[i];
    }
}

static covey_err product_init(const struct covey__op_call *c, struct product *out,
                              struct covey_nn_error *out_why)
{
    const struct covey_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    if (a->rank == 0 || b->rank == 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "a scalar is no matrix");
    }
    struct product p = {.m = a->rank > 1 ? a->dims[a->rank - 2] : 1,
                        .k = a->dims[a->rank - 1],
                        .n = b->rank > 1 ? b->dims[b->rank - 1] : 1};
    if (p.k != b->dims[b->rank > 1 ? b->rank - 2 : 0]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "inner dimensions differ");
    }
    struct covey_shape lead_a = leading(a), lead_b = leading(b);
    const struct covey_shape *both[2] = {&lead_a, &lead_b};
    covey_err err = covey__broadcast(both, 2, &p.lead, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    p.count = covey__shape_elements(&p.lead);
    find_steps(&lead_a, p.lead.rank, p.step[0]);
    find_steps(&lead_b, p.lead.rank, p.step[1]);
    *out = p;
    return COVEY_OK;
}

covey_err covey__infer_matmul(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    struct product p;
    size_t count = 0;
    /* The leading dimensions are multiplied before the result is checked. */
    covey_err err = covey_shape_count(&c->in[0]->shape, &count);
    err = err == COVEY_OK ? covey_shape_count(&c->in[1]->shape, &count) : err;
    err = err == COVEY_OK ? product_init(c, &p, out_why) : err;
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_shape s = p.lead;
    if (s.rank + 2 > COVEY_RANK_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "rank above %d", COVEY_RANK_MAX);
    }
    if (c->in[0]->shape.rank > 1) {
        s.dims[s.rank++] = (uint32_t)p.m;
    }
    if (c->in[1]->shape.rank > 1) {
        s.dims[s.rank++] = (uint32_t)p.n;
    }
    out->shape = s;
    return COVEY_OK;
}

static size_t matrix_at(const struct product *p, unsigned operand, size_t index)
{
    size_t at = 0;
    for (unsigned i = p->lead.rank; i-- > 0;) {
        at += index % p->lead.dims[i] * p->step[operand][i];
        index /= p->lead.dims[i];
    }
    return at;
}

/* One left matrix after the other against the same right one: one tall product. */
static bool is_tall(const struct product *p)
{
    size_t next = 1;
    for (unsigned i = p->lead.rank; i-- > 0;) {
        if (p->lead.dims[i] != 1 && (p->step[1][i] != 0 || p->step[0][i] != next)) {
            return false;
        }
        next *= p->lead.dims[i];
    }
    return true;
}

struct job {
    const struct covey__op_call *c;
    const struct product *p;
};

static struct covey__gemm gemm_of(const struct job *j, size_t index)
{
    const struct product *p = j->p;
    return (struct covey__gemm){.m = p->m,
                                .n = p->n,
                                .k = p->k,
                                .a = covey__in(j->c, 0) + matrix_at(p, 0, index) * p->m * p->k,
                                .lda = p->k,
                                .b = covey__in(j->c, 1) + matrix_at(p, 1, index) * p->k * p->n,
                                .ldb = p->n,
                                .c = covey__out(j->c) + index * p->m * p->n,
                                .ldc = p->n};
}

static void run_matrix(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    struct covey__gemm g = gemm_of(ctx, part);
    covey__gemm(&g);
}

static void run_floats(const struct job *j)
{
    if (is_tall(j->p)) {
        struct covey__gemm g = gemm_of(j, 0);
        g.m *= j->p->count;
        covey__gemm_threads(&g, j->c->threads);
        return;
    }
    struct job ctx = *j;
    covey_threads_run(j->c->threads, j->p->count, run_matrix, &ctx);
}

void covey__dot_init(struct covey__dot *d, const struct covey_tensor *a,
                     const struct covey_tensor *b)
{
    *d = (struct covey__dot){.a = a, .b = b, .step_a = 1, .step_b = 1};
}

double covey__dot_real(const struct covey__dot *d)
{
    double sum = 0.0;
    for (size_t i = 0; i < d->count; i++) {
        sum += covey_tensor_element(d->a, d->first_a + i * d->step_a) *
               covey_tensor_element(d->b, d->first_b + i * d->step_b);
    }
    return sum;
}

int64_t covey__dot_int(const struct covey__dot *d)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < d->count; i++) {
        sum += (uint64_t)covey__load_int(d->a, d->first_a + i * d->step_a) *
               (uint64_t)covey__load_int(d->b, d->first_b + i * d->step_b);
    }
    return (int64_t)sum;
}

static void run_row(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *j = ctx;
    const struct product *p = j->p;
    struct covey__dot d;
    covey__dot_init(&d, j->c->in[0], j->c->in[1]);
    size_t index = part / p->m, row = part % p->m;
    d.count = p->k;
    d.first_a = (matrix_at(p, 0, index) * p->m + row) * p->k;
    d.step_b = p->n;
    for (size_t col = 0; col < p->n; col++) {
        d.first_b = matrix_at(p, 1, index) * p->k * p->n + col;
        if (covey_type_is_float(d.a->type)) {
            covey__store_real(j->c->out[0], part * p->n + col, covey__dot_real(&d));
        } else {
            covey__store_int(j->c->out[0], part * p->n + col, covey__dot_int(&d));
        }
    }
}

void covey__op_matmul(const struct covey__op_call *c)
{
    struct product p;
    struct job j = {c, &p};
    if (product_init(c, &p, NULL) != COVEY_OK || p.count * p.m * p.n == 0) {
        return; /* it was checked */
    }
    if (c->in[0]->type == COVEY_TYPE_F32 && p.k > 0) {
        run_floats(&j);
    } else {
        covey_threads_run(c->threads, p.count * p.m, run_row, &j);
    }
}
