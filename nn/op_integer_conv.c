/* SPDX-License-Identifier: MIT */
#include "layers.h"
#include "op_integer.h"
#include "op_quantize.h"
#include "ops_integer.h"

#include <string.h>

/* Where the inputs of the two forms are. */
struct places {
    unsigned x_zero, w, w_zero;
};
static const struct places integer_places = {2, 1, 3}, quantized_places = {2, 3, 5};

/* A convolution of one or two dimensions, as one of two: of one, the height is 1. */
struct conv {
    const struct covey__op_call *c;
    struct covey__bytes x, w;
    int32_t x_zero;
    const struct covey_tensor *w_zero;
    size_t groups, channels, rows; /* channels and rows (filters) of one group */
    size_t height, width, out_height, out_width;
    size_t kernel[2], stride[2], dilation[2];
    int64_t pads[2];
};

static covey_err check_shapes(const struct covey__op_call *c, const struct places *p,
                              struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *w = &c->in[p->w]->shape;
    const struct covey_op_attrs *a = c->attrs;
    if (x->rank < 3 || x->rank > 4 || w->rank != x->rank) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "only 1-D and 2-D convolutions");
    }
    if (a->groups == 0 || x->dims[1] % a->groups != 0 || w->dims[0] % a->groups != 0 ||
        w->dims[1] != x->dims[1] / a->groups) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "channels do not fit the filters");
    }
    for (unsigned i = 0; i + 2 < x->rank; i++) {
        if (a->kernel[i] != w->dims[2 + i]) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE,
                                  "kernel_shape differs from the filters");
        }
    }
    if (a->ceil_mode) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "ceil_mode of a convolution");
    }
    return COVEY_OK;
}

/* One number, or one for each filter. */
static covey_err check_filters(const struct covey__op_call *c, const struct places *p,
                               unsigned input, struct covey_nn_error *out_why)
{
    const struct covey_tensor *t = covey__optional(c, input);
    uint32_t filters = c->in[p->w]->shape.dims[0];
    if (t == NULL || covey__shape_elements(&t->shape) == 1 ||
        (t->shape.rank == 1 && t->shape.dims[0] == filters)) {
        return COVEY_OK;
    }
    return covey__nn_fail(out_why, COVEY_ERR_RANGE, "input %u does not fit the filters", input);
}

static covey_err infer(const struct covey__op_call *c, const struct places *p,
                       struct covey_shape *out, struct covey_nn_error *out_why)
{
    if (covey__optional(c, p->w) == NULL) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "the filters are missing");
    }
    const struct covey_tensor *x = c->in[0], *zero = covey__optional(c, p->w_zero);
    covey_err err = check_shapes(c, p, out_why);
    err = err == COVEY_OK ? covey__type_among(c->in[p->w], COVEY__TYPES_BYTE, out_why) : err;
    if (err == COVEY_OK && zero != NULL) {
        err = covey__type_among(zero, COVEY__TYPES_BYTE, out_why);
    }
    err = err == COVEY_OK ? check_filters(c, p, p->w_zero, out_why) : err;
    struct covey__scalar_rule rule = {p->x_zero, COVEY__TYPES_BYTE, true};
    err = err == COVEY_OK ? covey__check_scalar(c, rule, out_why) : err;
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_shape s = {x->shape.rank, {x->shape.dims[0], c->in[p->w]->shape.dims[0]}};
    for (unsigned i = 0; i + 2 < s.rank && err == COVEY_OK; i++) {
        err = covey__window_size(c->attrs, i, x->shape.dims[2 + i], &s.dims[2 + i], out_why);
    }
    if (err == COVEY_OK) {
        *out = s;
    }
    return err;
}

covey_err covey__infer_convinteger(const struct covey__op_call *c, struct covey_tensor *out,
                                   struct covey_nn_error *out_why)
{
    out->type = COVEY_TYPE_I32;
    return infer(c, &integer_places, &out->shape, out_why);
}

covey_err covey__infer_qlinearconv(const struct covey__op_call *c, struct covey_tensor *out,
                                   struct covey_nn_error *out_why)
{
    const struct covey_tensor *bias = covey__optional(c, 8), *scale = covey__optional(c, 4);
    const struct covey__scalar_rule rules[] = {{1, COVEY__TYPES_FLOAT, false},
                                               {6, COVEY__TYPES_FLOAT, false},
                                               {7, COVEY__TYPES_BYTE, false}};
    covey_err err = infer(c, &quantized_places, &out->shape, out_why);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && err == COVEY_OK; i++) {
        err = covey__check_scalar(c, rules[i], out_why);
    }
    if (err == COVEY_OK && scale == NULL) {
        err = covey__nn_fail(out_why, COVEY_ERR_RANGE, "the filters' scale is missing");
    }
    err = err == COVEY_OK ? check_filters(c, &quantized_places, 4, out_why) : err;
    err = err == COVEY_OK ? covey__type_among(scale, COVEY__TYPES_FLOAT, out_why) : err;
    if (err == COVEY_OK && bias != NULL) {
        bool fits = bias->shape.rank == 1 && bias->shape.dims[0] == out->shape.dims[1];
        err = fits ? covey__type_among(bias, COVEY__TYPE_BIT(I32), out_why)
                   : covey__nn_fail(out_why, COVEY_ERR_RANGE, "bias does not fit the filters");
    }
    if (err == COVEY_OK) {
        out->type = c->in[7]->type;
    }
    return err;
}

/* Filters [rows x channels kernel] of group job % groups. */
static void load_filters(const void *ctx, const struct covey__block *b, float *out)
{
    const struct conv *v = ctx;
    size_t depth = v->channels * v->kernel[0] * v->kernel[1];
    for (size_t i = 0; i < b->rows; i++) {
        size_t filter = b->job % v->groups * v->rows + b->row + i;
        covey__bytes_load(&v->w, filter * depth + b->col, 1, covey__zero_at(v->w_zero, filter),
                          out + i * b->cols, b->cols);
    }
}

static void clear(float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = 0.0f;
    }
}

/* count pixels of an input row, stride apart, from column x on: what lies outside is the zero
 * point. */
static void load_run(const struct conv *v, size_t row_start, int64_t x, float *out, size_t count)
{
    int64_t stride = (int64_t)v->stride[1], width = (int64_t)v->width, n = (int64_t)count;
    int64_t first = x < 0 ? (-x + stride - 1) / stride : 0;
    int64_t last = x < width ? (width - x + stride - 1) / stride : 0;
    first = first < n ? first : n;
    last = last < first ? first : last < n ? last : n;
    clear(out, (size_t)first);
    if (last > first) {
        covey__bytes_load(&v->x, row_start + (size_t)(x + first * stride), v->stride[1], v->x_zero,
                          out + first, (size_t)(last - first));
    }
    clear(out + last, (size_t)(n - last));
}

/* Columns [b->col, + b->cols) of one tap: channel c of the input, row ky and column kx of the
 * kernel. */
static void load_tap(const struct conv *v, const struct covey__block *b, size_t tap, float *out)
{
    size_t kx = tap % v->kernel[1], ky = tap / v->kernel[1] % v->kernel[0];
    size_t channel = b->job * v->channels + tap / (v->kernel[0] * v->kernel[1]);
    for (size_t done = 0; done < b->cols;) {
        size_t oy = (b->col + done) / v->out_width, ox = (b->col + done) % v->out_width;
        size_t run = v->out_width - ox;
        run = run < b->cols - done ? run : b->cols - done;
        int64_t y = (int64_t)(oy * v->stride[0] + ky * v->dilation[0]) - v->pads[0];
        int64_t x = (int64_t)(ox * v->stride[1] + kx * v->dilation[1]) - v->pads[1];
        if (y < 0 || y >= (int64_t)v->height) {
            clear(out + done, run);
        } else {
            load_run(v, (channel * v->height + (size_t)y) * v->width, x, out + done, run);
        }
        done += run;
    }
}

static void load_input(const void *ctx, const struct covey__block *b, float *out)
{
    for (size_t i = 0; i < b->rows; i++) {
        load_tap(ctx, b, b->row + i, out + i * b->cols);
    }
}

static struct conv conv_of(const struct covey__op_call *c, const struct places *p)
{
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    const struct covey_op_attrs *a = c->attrs;
    struct conv v = {.c = c,
                     .x = covey__bytes_of(c->in[0]),
                     .w = covey__bytes_of(c->in[p->w]),
                     .w_zero = covey__optional(c, p->w_zero),
                     .groups = a->groups,
                     .channels = x->dims[1] / a->groups,
                     .rows = y->dims[1] / a->groups,
                     .kernel = {1, 1},
                     .stride = {1, 1},
                     .dilation = {1, 1}};
    unsigned spatial = x->rank - 2u, skip = 2 - spatial;
    for (unsigned i = 0; i < spatial; i++) {
        v.kernel[skip + i] = a->kernel[i];
        v.stride[skip + i] = a->stride[i];
        v.dilation[skip + i] = a->dilation[i];
        v.pads[skip + i] = a->pads[i];
    }
    v.height = spatial == 2 ? x->dims[2] : 1;
    v.width = x->dims[x->rank - 1];
    v.out_height = spatial == 2 ? y->dims[2] : 1;
    v.out_width = y->dims[y->rank - 1];
    return v;
}

static struct covey__exact exact_of(const struct conv *v)
{
    return (struct covey__exact){.jobs = v->c->in[0]->shape.dims[0] * v->groups,
                                 .m = v->rows,
                                 .n = v->out_height * v->out_width,
                                 .k = v->channels * v->kernel[0] * v->kernel[1],
                                 .ctx = v,
                                 .load_a = load_filters,
                                 .load_b = load_input,
                                 .threads = v->c->threads,
                                 .scratch = v->c->scratch};
}

static void run(const struct covey__op_call *c, const struct places *p,
                void (*store)(const void *, const struct covey__block *, const int32_t *))
{
    struct conv v = conv_of(c, p);
    v.x_zero = covey__zero_at(covey__optional(c, p->x_zero), 0);
    struct covey__exact e = exact_of(&v);
    e.store = store;
    covey__exact_run(&e);
}

static size_t scratch(const struct covey__op_call *c, const struct places *p)
{
    struct conv v = conv_of(c, p);
    struct covey__exact e = exact_of(&v);
    return covey__exact_scratch(&e, c->thread_count);
}

size_t covey__scratch_convinteger(const struct covey__op_call *c)
{
    return scratch(c, &integer_places);
}

size_t covey__scratch_qlinearconv(const struct covey__op_call *c)
{
    return scratch(c, &quantized_places);
}

/* Where a row of a block goes in the output [n, groups rows, pixels]; jobs count groups within
 * images, so job and row are one index. */
static size_t out_row(const struct conv *v, const struct covey__block *b, size_t i)
{
    return (b->job * v->rows + b->row + i) * v->out_height * v->out_width + b->col;
}

static void store_sums(const void *ctx, const struct covey__block *b, const int32_t *sums)
{
    const struct conv *v = ctx;
    int32_t *y = v->c->out[0]->data;
    for (size_t i = 0; i < b->rows; i++) {
        memcpy(y + out_row(v, b, i), sums + i * b->cols, b->cols * sizeof(*y));
    }
}

/* y = saturate(round((sum + bias) (x_scale w_scale / y_scale)) + y_zero) */
static void store_bytes(const void *ctx, const struct covey__block *b, const int32_t *sums)
{
    const struct conv *v = ctx;
    const struct covey_tensor *bias = covey__optional(v->c, 8);
    float x_scale = covey__scale_at(v->c->in[1], 0), y_scale = covey__scale_at(v->c->in[6], 0);
    struct covey__range range = covey__range_of(v->c->out[0]->type);
    struct covey__requantize by = {.zero = (float)covey__zero_at(v->c->in[7], 0),
                                   .low = (float)range.low,
                                   .high = (float)range.high};
    for (size_t i = 0; i < b->rows; i++) {
        size_t filter = b->job % v->groups * v->rows + b->row + i;
        uint8_t *y = (uint8_t *)v->c->out[0]->data + out_row(v, b, i);
        by.add = bias != NULL ? (uint32_t)((const int32_t *)bias->data)[filter] : 0;
        by.factor = x_scale * covey__scale_at(v->c->in[4], filter) / y_scale;
        covey__requantize_row(&by, sums + i * b->cols, y, b->cols);
    }
}

void covey__op_convinteger(const struct covey__op_call *c)
{
    run(c, &integer_places, store_sums);
}

void covey__op_qlinearconv(const struct covey__op_call *c)
{
    run(c, &quantized_places, store_bytes);
}

/* ---- as a layer that a mesh splits: one group, two dimensions ---- */

static void layer_of(const struct covey__op_call *c, const struct places *p,
                     struct covey_layer *out)
{
    covey__layer_conv(c, &c->in[p->w]->shape, out);
    out->exact = 1;
}

static void filters_of(const struct covey__op_call *c, const struct places *p,
                       const struct covey__block *rows, float *out)
{
    struct conv v = conv_of(c, p);
    struct covey__block block = *rows;
    block.cols = v.channels * v.kernel[0] * v.kernel[1];
    load_filters(&v, &block, out);
}

/* The product has [rows, images, pixels]. */
static void finish(const struct covey__op_call *c, const struct places *p, const int32_t *product,
                   void (*store)(const void *, const struct covey__block *, const int32_t *))
{
    struct conv v = conv_of(c, p);
    size_t pixels = v.out_height * v.out_width, images = c->in[0]->shape.dims[0];
    for (size_t i = 0; i < v.rows * images; i++) {
        struct covey__block block = {i % images, i / images, 1, 0, pixels};
        store(&v, &block, product + i * pixels);
    }
}

static void layer_convinteger(const struct covey__op_call *c, struct covey_layer *out)
{
    layer_of(c, &integer_places, out);
}

static void layer_qlinearconv(const struct covey__op_call *c, struct covey_layer *out)
{
    layer_of(c, &quantized_places, out);
}

static void rows_convinteger(const struct covey__op_call *c, size_t first, size_t rows, float *out)
{
    filters_of(c, &integer_places, &(struct covey__block){.row = first, .rows = rows}, out);
}

static void rows_qlinearconv(const struct covey__op_call *c, size_t first, size_t rows, float *out)
{
    filters_of(c, &quantized_places, &(struct covey__block){.row = first, .rows = rows}, out);
}

static void finish_convinteger(const struct covey__op_call *c, const int32_t *product)
{
    finish(c, &integer_places, product, store_sums);
}

static void finish_qlinearconv(const struct covey__op_call *c, const int32_t *product)
{
    finish(c, &quantized_places, product, store_bytes);
}

const struct covey__op_exact covey__exact_convinteger = {.weights = 1,
                                                         .weights_zero = 3,
                                                         .input_zero = 2,
                                                         .rank = 4,
                                                         .outputs = 0,
                                                         .layer = layer_convinteger,
                                                         .rows = rows_convinteger,
                                                         .finish = finish_convinteger};
const struct covey__op_exact covey__exact_qlinearconv = {.weights = 3,
                                                         .weights_zero = 5,
                                                         .input_zero = 2,
                                                         .rank = 4,
                                                         .outputs = 0,
                                                         .layer = layer_qlinearconv,
                                                         .rows = rows_qlinearconv,
                                                         .finish = finish_qlinearconv};
