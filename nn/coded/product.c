/* SPDX-License-Identifier: MIT */
#include "covey/split.h"

#include "covey/exact.h"
#include "covey/large.h"
#include "../gemm.h"
#include "../kernels/conv.h"
#include "../model_private.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Blocks of the kernels for few columns have 6, 5 or 3 rows: what is left of a step is computed row
 * by row, which takes half as long again. */
enum { ALIGNMENT = 64, LOOK_FLOATS = 1 << 18, LOOK_ROWS = 30 };

struct covey_product {
    struct covey_layer layer;
    size_t rows; /* of all slots */
    struct covey__conv_plan plan;
    const float *weights; /* borrowed, or packed */
    float *packed;
    struct covey_exact *exact; /* of an exact layer: all of it */
};

static struct covey__conv_shape shape_of(const struct covey_layer *l, size_t rows)
{
    struct covey__conv_shape s = {.batch = l->batch,
                                  .in_channels = l->channels,
                                  .out_channels = (uint32_t)rows,
                                  .groups = 1,
                                  .height = l->height,
                                  .width = l->width,
                                  .out_height = l->out_height,
                                  .out_width = l->out_width};
    for (unsigned i = 0; i < 2; i++) {
        s.kernel[i] = l->kernel[i];
        s.stride[i] = l->stride[i];
        s.dilation[i] = l->dilation[i];
        s.pads[i] = l->pads[i];
        s.pads_end[i] = l->pads[i + 2];
    }
    return s;
}

/* Convolutions give [batch rows pixels]; answers are [rows batch pixels]. */
static bool reorders(const struct covey_product *p)
{
    return p->layer.kind == COVEY_LAYER_CONV && p->layer.batch > 1;
}

/* Floats of the kernel, and behind them those of answers that are still to be reordered. */
static uint64_t kernel_floats(const struct covey_product *p)
{
    return (p->plan.scratch_floats + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Of a convolution; the shape is another device's and can ask for more than a pointer reaches. */
static uint64_t scratch_bytes(const struct covey_product *p)
{
    uint64_t answers = reorders(p) ? (uint64_t)p->rows * covey_layer_columns(&p->layer) : 0;
    return (kernel_floats(p) + answers) * sizeof(float) + ALIGNMENT;
}

static covey_err lay_out(struct covey_product *p, size_t slots)
{
    if (p->layer.exact != 0) {
        return covey_exact_new(&p->layer, p->weights, slots, &p->exact);
    }
    if (p->layer.kind != COVEY_LAYER_CONV) {
        return COVEY_OK;
    }
    struct covey__conv_shape shape = shape_of(&p->layer, p->rows);
    covey__conv_plan_init(&p->plan, &shape, false, 1);
    if (scratch_bytes(p) > COVEY__MEMORY_MAX) {
        return COVEY_ERR_LIMIT;
    }
    if (p->plan.packed_floats == 0) {
        return COVEY_OK;
    }
    p->packed = covey_large_new(p->plan.packed_floats * sizeof(float));
    if (p->packed == NULL) {
        return COVEY_ERR_NOMEM;
    }
    covey__conv_pack(&p->plan, p->weights, p->packed);
    p->weights = p->packed;
    return COVEY_OK;
}

covey_err covey_product_new(const struct covey_layer *layer, const float *weights, size_t slots,
                            struct covey_product **out)
{
    covey_err err = covey_layer_check(layer);
    if (err == COVEY_OK && (slots == 0 || slots > COVEY_LAYER_SLOTS_MAX)) {
        err = COVEY_ERR_RANGE;
    }
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_product *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return COVEY_ERR_NOMEM;
    }
    p->layer = *layer;
    p->rows = slots * layer->unit_rows;
    p->weights = weights;
    err = lay_out(p, slots);
    if (err != COVEY_OK) {
        covey_product_free(p);
        return err;
    }
    *out = p;
    return COVEY_OK;
}

void covey_product_free(struct covey_product *p)
{
    if (p != NULL) {
        covey_exact_free(p->exact);
        free(p->packed);
        free(p);
    }
}

bool covey_product_reads(const struct covey_product *p)
{
    return p->packed == NULL && p->exact == NULL;
}

size_t covey_product_bytes(const struct covey_product *p)
{
    if (p->exact != NULL) {
        return covey_exact_bytes(p->exact);
    }
    return p->packed != NULL ? (size_t)p->plan.packed_floats * sizeof(float) : 0;
}

size_t covey_product_scratch(const struct covey_product *p)
{
    if (p->exact != NULL) {
        return covey_exact_scratch(p->exact);
    }
    if (p->layer.kind != COVEY_LAYER_CONV) {
        return 0;
    }
    return (size_t)scratch_bytes(p);
}

static void reorder(const struct covey_product *p, const float *in, float *out)
{
    size_t pixels = (size_t)p->layer.out_height * p->layer.out_width, batch = p->layer.batch;
    for (size_t image = 0; image < batch; image++) {
        for (size_t row = 0; row < p->rows; row++) {
            memcpy(out + (row * batch + image) * pixels, in + (image * p->rows + row) * pixels,
                   pixels * sizeof(float));
        }
    }
}

static void run_conv(const struct covey_product *p, const float *input, void *scratch, float *out)
{
    float *room = scratch;
    uintptr_t off = (uintptr_t)scratch % ALIGNMENT;
    room += off == 0 ? 0 : (ALIGNMENT - off) / sizeof(float);
    float *images = reorders(p) ? room + kernel_floats(p) : out;
    covey__conv_run(&(struct covey__conv_call){.plan = &p->plan,
                                               .weights = p->weights,
                                               .act = {.kind = COVEY_ACT_NONE},
                                               .in = input,
                                               .scratch = room,
                                               .out = images});
    if (reorders(p)) {
        reorder(p, images, out);
    }
}

/* Y [rows x batch] = W X', as the model's dense layers compute it. */
static void run_dense(const struct covey_product *p, size_t first, size_t rows, const float *input,
                      float *out)
{
    covey__gemm(&(struct covey__gemm){.m = rows,
                                      .n = p->layer.batch,
                                      .k = p->layer.k,
                                      .a = p->weights + first * p->layer.k,
                                      .lda = p->layer.k,
                                      .b = input,
                                      .ldb = p->layer.k,
                                      .trans_b = true,
                                      .c = out + first * p->layer.batch,
                                      .ldc = p->layer.batch});
}

static bool is_wanted(const struct covey_wanted *w)
{
    return w == NULL || atomic_load_explicit(w->current, memory_order_relaxed) == w->mine;
}

/* A step of rows at a time. */
static covey_err run_rows(const struct covey_product *p, size_t step, const float *input,
                          const struct covey_wanted *wanted, float *out)
{
    for (size_t first = 0; first < p->rows; first += step) {
        if (!is_wanted(wanted)) {
            return COVEY_ERR_CANCELLED;
        }
        run_dense(p, first, p->rows - first < step ? p->rows - first : step, input, out);
    }
    return COVEY_OK;
}

covey_err covey_product_run(const struct covey_product *p, const float *input, void *scratch,
                            float *out)
{
    if (p->exact != NULL) {
        return covey_exact_run(p->exact, input, scratch, (int32_t *)(void *)out);
    }
    if (p->layer.kind == COVEY_LAYER_CONV) {
        run_conv(p, input, scratch, out);
        return COVEY_OK;
    }
    return run_rows(p, p->rows, input, NULL, out);
}

covey_err covey_product_run_wanted(const struct covey_product *p, const float *input, void *scratch,
                                   float *out, const struct covey_wanted *wanted)
{
    if (!is_wanted(wanted)) {
        return COVEY_ERR_CANCELLED;
    }
    if (p->exact != NULL || p->layer.kind == COVEY_LAYER_CONV) {
        return covey_product_run(p, input, scratch, out);
    }
    size_t step = (LOOK_FLOATS / p->layer.k / LOOK_ROWS + 1) * LOOK_ROWS;
    return run_rows(p, step, input, wanted, out);
}
