/* SPDX-License-Identifier: MIT */
#include "op_quantize.h"
#include "op_binary.h"
#include "op_cast_chunk.h"
#include "op_integer.h"
#include "ops_binary.h"

#include <math.h>

struct covey__range covey__range_of(enum covey_type type)
{
    switch (type) {
    case COVEY_TYPE_I8:
        return (struct covey__range){INT8_MIN, INT8_MAX};
    case COVEY_TYPE_U16:
        return (struct covey__range){0, UINT16_MAX};
    case COVEY_TYPE_I16:
        return (struct covey__range){INT16_MIN, INT16_MAX};
    case COVEY_TYPE_I32:
        return (struct covey__range){INT32_MIN, INT32_MAX};
    case COVEY_TYPE_U8:
    case COVEY_TYPE_F32:
    case COVEY_TYPE_F64:
    case COVEY_TYPE_F16:
    case COVEY_TYPE_U32:
    case COVEY_TYPE_U64:
    case COVEY_TYPE_I64:
    case COVEY_TYPE_BOOL:
    case COVEY_TYPE_COUNT:
        break;
    }
    return (struct covey__range){0, UINT8_MAX};
}

/* Bytes may be part of anything: only what is restricted, and a copy, is known not to change. */
void covey__requantize_row(const struct covey__requantize *r, const int32_t *sums,
                           uint8_t *restrict out, size_t count)
{
    const struct covey__requantize by = *r;
    for (size_t i = 0; i < count; i++) {
        float sum = (float)(int32_t)((uint32_t)sums[i] + by.add);
        out[i] = (uint8_t)covey__requantize(sum * by.factor, by.zero, by.low, by.high);
    }
}

/* X as [outer, axis, inner] with scales [axis], or in blocks [outer, axis / size, inner]; of one
 * scale: [1, 1, all]. */
struct layout {
    size_t outer, axis, inner, block; /* block 0: not in blocks */
};

static bool blocks_fit(const struct covey_shape *x, const struct covey_shape *scale, unsigned axis,
                       uint32_t size)
{
    if (scale->rank != x->rank) {
        return false;
    }
    for (unsigned i = 0; i < x->rank; i++) {
        uint64_t dim = x->dims[i];
        dim = i == axis ? (dim + size - 1) / size : dim;
        if (scale->dims[i] != dim) {
            return false;
        }
    }
    return true;
}

static covey_err find_layout(const struct covey__op_call *c, struct layout *out,
                             struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *scale = &c->in[1]->shape;
    unsigned axis = 0;
    if (scale->rank <= 1 && covey__shape_elements(scale) == 1) {
        *out = (struct layout){1, 1, covey__shape_elements(x), 0};
        return COVEY_OK;
    }
    covey_err err = covey__axis(c->attrs->axis, x->rank, &axis, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    uint32_t size = c->attrs->size;
    bool fits = size > 0 ? blocks_fit(x, scale, axis, size)
                         : scale->rank == 1 && scale->dims[0] == x->dims[axis];
    if (!fits) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "the scales do not fit the input");
    }
    *out = (struct layout){covey__shape_range(x, 0, axis), x->dims[axis],
                           covey__shape_range(x, axis + 1u, x->rank), size};
    return COVEY_OK;
}

static covey_err check_zero(const struct covey__op_call *c, enum covey_type *type,
                            struct covey_nn_error *out_why)
{
    if (c->inputs < 3 || c->in[2] == NULL) {
        return COVEY_OK;
    }
    const struct covey_shape *zero = &c->in[2]->shape, *scale = &c->in[1]->shape;
    bool both_one = zero->rank <= 1 && scale->rank <= 1 && covey__shape_elements(zero) == 1 &&
                    covey__shape_elements(scale) == 1;
    if (!both_one && !covey_shape_equal(zero, scale)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "zero points differ in shape from scales");
    }
    *type = c->in[2]->type;
    return COVEY_OK;
}

covey_err covey__infer_quantize(const struct covey__op_call *c, struct covey_tensor *out,
                                struct covey_nn_error *out_why)
{
    struct layout layout;
    enum covey_type type = c->attrs->to;
    covey_err err = covey__type_among(c->in[1], COVEY__TYPES_FLOAT | COVEY__TYPE_BIT(I32), out_why);
    err = err == COVEY_OK ? find_layout(c, &layout, out_why) : err;
    err = err == COVEY_OK ? check_zero(c, &type, out_why) : err;
    if (err == COVEY_OK && covey_type_size(type) == 0) {
        err = covey__nn_fail(out_why, COVEY_ERR_RANGE, "no such type");
    }
    if (err != COVEY_OK) {
        return err;
    }
    out->type = type;
    out->shape = c->in[0]->shape;
    return covey__type_among(out, COVEY__TYPES_QUANTIZED, out_why);
}

covey_err covey__infer_dequantize(const struct covey__op_call *c, struct covey_tensor *out,
                                  struct covey_nn_error *out_why)
{
    struct layout layout;
    enum covey_type zero = c->in[0]->type;
    covey_err err = covey__type_among(c->in[1], COVEY__TYPES_FLOAT, out_why);
    err = err == COVEY_OK ? find_layout(c, &layout, out_why) : err;
    err = err == COVEY_OK ? check_zero(c, &zero, out_why) : err;
    if (err == COVEY_OK && zero != c->in[0]->type) {
        err = covey__nn_fail(out_why, COVEY_ERR_RANGE, "zero points differ in type from the input");
    }
    if (err != COVEY_OK) {
        return err;
    }
    out->type = c->in[1]->type;
    out->shape = c->in[0]->shape;
    return COVEY_OK;
}

/* Part of a tensor as another shape. */
static struct covey_tensor view(const struct covey_tensor *t, size_t first, const size_t dims[3])
{
    struct covey_tensor v = {.type = t->type, .shape = {.rank = 3}};
    v.data = (uint8_t *)t->data + first * covey_type_size(t->type);
    for (unsigned i = 0; i < 3; i++) {
        v.shape.dims[i] = (uint32_t)dims[i];
    }
    return v;
}

/* One broadcast: X [x0 x1 x2] with scales [s0 s1 s2]. */
struct piece {
    const struct covey__op_call *c;
    covey__row_fn fn;
    size_t x_first, scale_first;
    size_t x[3], scale[3];
};

static void run_piece(const struct piece *p)
{
    struct covey__op_call call = *p->c;
    bool has_zero = call.inputs > 2 && call.in[2] != NULL;
    struct covey_tensor in = view(call.in[0], p->x_first, p->x);
    struct covey_tensor out = view(call.out[0], p->x_first, p->x);
    struct covey_tensor scale = view(call.in[1], p->scale_first, p->scale), zero = scale;
    call.in[0] = &in;
    call.in[1] = &scale;
    call.out[0] = &out;
    call.inputs = has_zero ? 3 : 2;
    if (has_zero) {
        zero = view(call.in[2], p->scale_first, p->scale);
        call.in[2] = &zero;
    }
    covey__spread_run(&call, call.inputs, p->fn, NULL);
}

/* Block b of slice o: whole blocks at once where they are equal, else the last one by itself. */
static void run_blocks(const struct covey__op_call *c, const struct layout *l, covey__row_fn fn)
{
    size_t whole = l->axis / l->block, rest = l->axis % l->block;
    size_t blocks = whole + (rest > 0 ? 1 : 0);
    for (size_t o = 0; o < l->outer; o++) {
        struct piece p = {.c = c,
                          .fn = fn,
                          .x_first = o * l->axis * l->inner,
                          .scale_first = o * blocks * l->inner,
                          .x = {whole, l->block, l->inner},
                          .scale = {whole, 1, l->inner}};
        run_piece(&p);
        p.x_first += whole * l->block * l->inner;
        p.scale_first += whole * l->inner;
        p.x[0] = p.scale[0] = rest > 0 ? 1 : 0;
        p.x[1] = rest;
        run_piece(&p);
    }
}

static void run_layout(const struct covey__op_call *c, covey__row_fn fn)
{
    struct layout l;
    covey_err err = find_layout(c, &l, NULL);
    COVEY_ASSERT(err == COVEY_OK);
    if (covey__shape_elements(&c->in[0]->shape) == 0) {
        return;
    }
    if (l.block != 0) {
        run_blocks(c, &l, fn);
        return;
    }
    run_piece(&(struct piece){
        .c = c, .fn = fn, .x = {l.outer, l.axis, l.inner}, .scale = {1, l.axis, 1}});
}

static double clamp(double v, struct covey__range r)
{
    v = v > r.low ? v : r.low; /* NaN: low */
    return v < r.high ? v : r.high;
}

/* y = saturate(round(x / scale) + zero), ties to even. */
static void quantize_row(const struct covey__row *row)
{
    const struct covey_op_attrs *a = row->c->attrs;
    double x[COVEY__ROW_MAX], scale[COVEY__ROW_MAX], zero[COVEY__ROW_MAX] = {0};
    struct covey__range r = covey__range_of(row->c->out[0]->type);
    r.low = r.low > ceil((double)a->low) ? r.low : ceil((double)a->low);
    r.high = r.high < floor((double)a->high) ? r.high : floor((double)a->high);
    covey__row_reals(row, 0, x);
    covey__row_reals(row, 1, scale);
    if (row->c->inputs > 2) {
        covey__row_reals(row, 2, zero);
    }
    for (size_t i = 0; i < row->count; i++) {
        x[i] = clamp(rint((double)((float)x[i] / (float)scale[i])) + zero[i], r);
    }
    covey__chunk_put_reals(row->c->out[0], row->out, row->count, x);
}

/* The usual case: float32 to bytes with one scale. */
static void quantize_bytes(const struct covey__row *row)
{
    const struct covey__op_call *c = row->c;
    const float *x = (const float *)c->in[0]->data + row->at[0];
    float scale = ((const float *)c->in[1]->data)[row->at[1]];
    float zero = c->inputs > 2 ? (float)covey__load_int(c->in[2], row->at[2]) : 0.0f;
    struct covey__range r = covey__range_of(c->out[0]->type);
    float low = (float)r.low, high = (float)r.high;
    uint8_t *y = (uint8_t *)c->out[0]->data + row->out;
    size_t count = row->count; /* bytes might alias the row */
    for (size_t i = 0; i < count; i++) {
        y[i] = (uint8_t)covey__requantize(x[i] / scale, zero, low, high);
    }
}

static bool bytes(enum covey_type type)
{
    return type == COVEY_TYPE_U8 || type == COVEY_TYPE_I8;
}

static void quantize_any(const struct covey__row *row)
{
    const struct covey__op_call *c = row->c;
    bool usual = c->in[0]->type == COVEY_TYPE_F32 && c->in[1]->type == COVEY_TYPE_F32 &&
                 row->step[1] == 0 && bytes(c->out[0]->type) && c->attrs->low < -1e9f &&
                 c->attrs->high > 1e9f;
    if (usual) {
        quantize_bytes(row);
    } else {
        quantize_row(row);
    }
}

void covey__op_quantize(const struct covey__op_call *c)
{
    run_layout(c, quantize_any);
}

/* x = (y - zero) scale */
static void dequantize_row(const struct covey__row *row)
{
    double x[COVEY__ROW_MAX], scale[COVEY__ROW_MAX], zero[COVEY__ROW_MAX] = {0};
    covey__row_reals(row, 0, x);
    covey__row_reals(row, 1, scale);
    if (row->c->inputs > 2) {
        covey__row_reals(row, 2, zero);
    }
    for (size_t i = 0; i < row->count; i++) {
        x[i] = (double)((float)(x[i] - zero[i]) * (float)scale[i]);
    }
    covey__chunk_put_reals(row->c->out[0], row->out, row->count, x);
}

/* The usual case: bytes with one scale to float32. */
static void dequantize_bytes(const struct covey__row *row)
{
    const struct covey__op_call *c = row->c;
    struct covey__bytes in = covey__bytes_of(c->in[0]);
    float scale = ((const float *)c->in[1]->data)[row->at[1]];
    int32_t zero = c->inputs > 2 ? (int32_t)covey__load_int(c->in[2], row->at[2]) : 0;
    float *y = covey__out(c) + row->out;
    covey__bytes_load(&in, row->at[0], row->step[0], zero, y, row->count);
    for (size_t i = 0; i < row->count; i++) {
        y[i] *= scale;
    }
}

static void dequantize_any(const struct covey__row *row)
{
    const struct covey__op_call *c = row->c;
    if (bytes(c->in[0]->type) && c->in[1]->type == COVEY_TYPE_F32 && row->step[1] == 0) {
        dequantize_bytes(row);
    } else {
        dequantize_row(row);
    }
}

void covey__op_dequantize(const struct covey__op_call *c)
{
    run_layout(c, dequantize_any);
}

covey_err covey__infer_dynamicquantize(const struct covey__op_call *c, struct covey_tensor *out,
                                       struct covey_nn_error *out_why)
{
    (void)out_why;
    out[0].type = COVEY_TYPE_U8;
    out[0].shape = c->in[0]->shape;
    if (c->outputs > 1) {
        out[1] = (struct covey_tensor){.type = COVEY_TYPE_F32};
    }
    if (c->outputs > 2) {
        out[2] = (struct covey_tensor){.type = COVEY_TYPE_U8};
    }
    return COVEY_OK;
}

/* scale = (max(0, x) - min(0, x)) / 255, zero = saturate(round(-min / scale)); of nothing but zeros
 * the scale is 1. */
void covey__op_dynamicquantize(const struct covey__op_call *c)
{
    size_t count = covey__shape_elements(&c->in[0]->shape);
    const float *x = covey__in(c, 0);
    float low = 0.0f, high = 0.0f;
    for (size_t i = 0; i < count; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    float scale = high > low ? (high - low) / 255.0f : 1.0f;
    int32_t zero = covey__requantize(-low / scale, 0.0f, 0.0f, 255.0f);
    uint8_t *y = c->out[0]->data;
    for (size_t i = 0; i < count; i++) {
        y[i] = (uint8_t)covey__requantize(x[i] / scale, (float)zero, 0.0f, 255.0f);
    }
    if (c->outputs > 1 && c->out[1] != NULL) {
        *(float *)c->out[1]->data = scale;
    }
    if (c->outputs > 2 && c->out[2] != NULL) {
        *(uint8_t *)c->out[2]->data = (uint8_t)zero;
    }
}
