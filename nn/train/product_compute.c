/* SPDX-License-Identifier: MIT */
#include "covey/field.h"
#include "covey/large.h"
#include "gemm.h"
#include "train/conv_grad.h"
#include "train/product.h"

enum { ALIGN_FLOATS = 16 };
/* Cycles to lay out a filter's nine weights as they are, and transformed. */
#define PACK_CYCLES 20.0
#define TRANSFORM_CYCLES 60.0

static uint64_t round_up(uint64_t floats)
{
    return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* Only what is accurate: decoding magnifies rounding, and that of larger tiles (F(4x4, 3x3)) is
 * three to five times a product's own. Weights are laid out for every task, which is not for
 * nothing where the rows are few. */
static void plan_conv(const struct covey__conv_shape *s, unsigned threads,
                      struct covey__conv_plan *out)
{
    enum covey__conv_algorithm algorithm = COVEY__CONV_PACKED;
    double filters = (double)s->in_channels * s->out_channels;
    double taps = (double)s->kernel[0] * s->kernel[1];
    if (covey__conv_fits(s, COVEY__CONV_WINOGRAD2)) {
        double packed =
            covey__conv_cycles(s, COVEY__CONV_PACKED) + PACK_CYCLES * filters * taps / 9.0;
        double tiles = covey__conv_cycles(s, COVEY__CONV_WINOGRAD2) + TRANSFORM_CYCLES * filters;
        algorithm = tiles < packed ? COVEY__CONV_WINOGRAD2 : COVEY__CONV_PACKED;
    }
    covey__conv_plan_with(out, s, algorithm, threads);
}

static void plan_back(const struct covey__conv_shape *s, unsigned threads,
                      struct covey__conv_input_grad *out)
{
    bool exists = covey__conv_input_grad_init(out, s, threads);
    COVEY_ASSERT(exists); /* of every product that was checked */
    struct covey__conv_shape turned = out->plan.shape;
    plan_conv(&turned, threads, &out->plan);
}

static uint64_t conv_scratch(const struct covey_train_product *p, uint32_t rows, unsigned threads)
{
    struct covey__conv_shape s;
    covey__train_product_conv(p, rows, &s);
    if (p->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT) {
        return covey__product_weights_scratch(&s, threads);
    }
    if (p->kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT) {
        struct covey__conv_input_grad grad;
        plan_back(&s, threads, &grad);
        return covey__conv_input_grad_scratch(&grad);
    }
    struct covey__conv_plan plan;
    plan_conv(&s, threads, &plan);
    return round_up(plan.packed_floats) + plan.scratch_floats;
}

size_t covey_train_product_scratch(const struct covey_train_product *p, uint32_t rows,
                                   unsigned prime, unsigned threads)
{
    uint64_t most = 0;
    if (prime < COVEY_FIELD_PRIMES) {
        return covey__train_product_field_scratch(p, rows);
    }
    for (uint32_t r = 1; r <= rows && !p->dense; r++) {
        uint64_t floats = conv_scratch(p, r, threads == 0 ? 1 : threads);
        most = floats > most ? floats : most;
    }
    return covey_size_of(most * sizeof(float));
}

/* Y = X W', dX = dY W, dW = dY' X with X [batch in], W [out in], Y [batch out]. */
static void multiply_dense(const struct covey_train_product_run *r)
{
    const struct covey_train_product *p = r->product;
    size_t rows = r->rows, in = p->in_channels, out = p->out_channels;
    struct covey__gemm g = {.a = r->a, .b = r->b, .c = r->c};
    switch (p->kind) {
    case COVEY_TRAIN_PRODUCT_FORWARD:
        g.m = rows;
        g.n = g.ldc = out;
        g.k = g.lda = g.ldb = in;
        g.trans_b = true;
        break;
    case COVEY_TRAIN_PRODUCT_INPUT_GRADIENT:
        g.m = rows;
        g.n = g.ldb = g.ldc = in;
        g.k = g.lda = out;
        break;
    case COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT:
    case COVEY_TRAIN_PRODUCT_KINDS:
        g.m = g.lda = out;
        g.n = g.ldb = g.ldc = rows;
        g.k = p->batch;
        g.a = r->b;
        g.b = r->a;
        g.trans_a = true;
        break;
    }
    covey__gemm_threads(&g, r->threads);
}

static void convolve(const struct covey_train_product_run *r, const struct covey__conv_shape *s)
{
    struct covey__conv_plan plan;
    float *packed = r->scratch;
    plan_conv(s, covey_threads_count(r->threads), &plan);
    if (plan.packed_floats > 0) {
        covey__conv_pack(&plan, r->b, packed);
    }
    covey__conv_run(&(struct covey__conv_call){.plan = &plan,
                                               .weights = plan.packed_floats > 0 ? packed : r->b,
                                               .in = r->a,
                                               .scratch = packed + round_up(plan.packed_floats),
                                               .out = r->c,
                                               .threads = r->threads});
}

static void convolve_back(const struct covey_train_product_run *r,
                          const struct covey__conv_shape *s)
{
    struct covey__conv_input_grad grad;
    plan_back(s, covey_threads_count(r->threads), &grad);
    covey__conv_input_grad_run(
        &grad,
        &(struct covey__conv_grad_call){
            .dy = r->a, .weights = r->b, .dx = r->c, .scratch = r->scratch, .threads = r->threads});
}

static void multiply_conv(const struct covey_train_product_run *r)
{
    struct covey__conv_shape s;
    covey__train_product_conv(r->product, r->rows, &s);
    switch (r->product->kind) {
    case COVEY_TRAIN_PRODUCT_FORWARD:
        convolve(r, &s);
        return;
    case COVEY_TRAIN_PRODUCT_INPUT_GRADIENT:
        convolve_back(r, &s);
        return;
    case COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT:
    case COVEY_TRAIN_PRODUCT_KINDS:
        covey__product_weights_run(r, &s);
        return;
    }
}

void covey_train_product_compute(const struct covey_train_product_run *r)
{
    COVEY_ASSERT(r->rows > 0 && r->rows <= covey_train_product_rows(r->product));
    if (r->prime < COVEY_FIELD_PRIMES) {
        covey__train_product_field(r);
    } else if (r->product->dense) {
        multiply_dense(r);
    } else {
        multiply_conv(r);
    }
}
