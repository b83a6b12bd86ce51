/* SPDX-License-Identifier: MIT */
#include "layers.h"
#include "op_integer.h"
#include "op_quantize.h"
#include "ops_integer.h"

#include <string.h>

/* Where the inputs of the two forms are. */
struct places {
    unsigned b, a_zero, b_zero, a_scale, b_scale; /* scale 0: none */
};
static const struct places integer_places = {1, 2, 3, 0, 0}, quantized_places = {3, 2, 5, 1, 4};

/* A [.. m k] B [.. k n], the leading dimensions broadcast. A vector A is a row, B a column. */
struct matmul {
    const struct covey__op_call *c;
    const struct places *places;
    struct covey__bytes a, b;
    size_t m, n, k;
    struct covey_shape lead, a_lead, b_lead;
};

static struct covey_shape lead_of(const struct covey_shape *s)
{
    struct covey_shape lead = *s;
    lead.rank = s->rank > 2 ? (uint8_t)(s->rank - 2) : 0;
    return lead;
}

/* The matrix of an operand that output matrix job is made of. */
static size_t matrix_of(const struct matmul *p, const struct covey_shape *lead, size_t job)
{
    size_t at = 0, step = 1;
    for (unsigned i = 0; i < lead->rank; i++) {
        uint32_t dim = lead->dims[lead->rank - 1u - i], all = p->lead.dims[p->lead.rank - 1u - i];
        at += dim == 1 ? 0 : job % all * step;
        job /= all;
        step *= dim;
    }
    return at;
}

static covey_err find_sizes(const struct covey__op_call *c, const struct places *places,
                            struct matmul *out, struct covey_nn_error *out_why)
{
    const struct covey_shape *a = &c->in[0]->shape, *b = &c->in[places->b]->shape;
    if (a->rank == 0 || b->rank == 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "a product of scalars");
    }
    struct matmul p = {.c = c, .places = places, .a_lead = lead_of(a), .b_lead = lead_of(b)};
    p.m = a->rank > 1 ? a->dims[a->rank - 2] : 1;
    p.k = a->dims[a->rank - 1];
    p.n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    if (p.k != b->dims[b->rank > 1 ? b->rank - 2 : 0]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "inner dimensions differ");
    }
    const struct covey_shape *leads[2] = {&p.a_lead, &p.b_lead};
    covey_err err = covey__broadcast(leads, 2, &p.lead, out_why);
    if (err == COVEY_OK) {
        p.a = covey__bytes_of(c->in[0]);
        p.b = covey__bytes_of(c->in[places->b]);
        *out = p;
    }
    return err;
}

/* A parameter of an operand: one number, one for each row of A or column of B, or that for each
 * matrix: the operand's shape with a 1 at `flat`. */
static bool parameter_fits(const struct covey_shape *s, const struct covey_shape *of, unsigned flat)
{
    if (covey__shape_elements(s) == 1) {
        return true;
    }
    if (of->rank < 2) {
        return false;
    }
    unsigned kept = flat == of->rank - 1u ? of->rank - 2u : of->rank - 1u;
    if (s->rank == 1) {
        return s->dims[0] == of->dims[kept];
    }
    struct covey_shape expected = *of;
    expected.dims[flat] = 1;
    return covey_shape_equal(s, &expected);
}

static covey_err check_parameter(const struct covey__op_call *c, unsigned input, unsigned types,
                                 const struct places *places, struct covey_nn_error *out_why)
{
    const struct covey_tensor *t = covey__optional(c, input);
    bool of_a = input == places->a_zero || input == places->a_scale;
    const struct covey_shape *of = &c->in[of_a ? 0 : places->b]->shape;
    if (t == NULL) {
        return types == COVEY__TYPES_BYTE
                   ? COVEY_OK
                   : covey__nn_fail(out_why, COVEY_ERR_RANGE, "input %u is missing", input);
    }
    unsigned flat = of_a ? of->rank - 1u : of->rank - 2u;
    if (!parameter_fits(&t->shape, of, flat)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "input %u does not fit its matrix", input);
    }
    return covey__type_among(t, types, out_why);
}

static covey_err infer(const struct covey__op_call *c, const struct places *places,
                       struct covey_shape *out, struct covey_nn_error *out_why)
{
    struct matmul p;
    if (covey__optional(c, places->b) == NULL) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "the second matrix is missing");
    }
    covey_err err = covey__type_among(c->in[places->b], COVEY__TYPES_BYTE, out_why);
    err = err == COVEY_OK ? find_sizes(c, places, &p, out_why) : err;
    const unsigned zeros[2] = {places->a_zero, places->b_zero};
    const unsigned scales[2] = {places->a_scale, places->b_scale};
    for (unsigned i = 0; i < 2 && err == COVEY_OK; i++) {
        err = check_parameter(c, zeros[i], COVEY__TYPES_BYTE, places, out_why);
        if (err == COVEY_OK && scales[i] != 0) {
            err = check_parameter(c, scales[i], COVEY__TYPES_FLOAT, places, out_why);
        }
    }
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_shape s = p.lead;
    if (c->in[0]->shape.rank > 1) {
        s.dims[s.rank++] = (uint32_t)p.m;
    }
    if (c->in[places->b]->shape.rank > 1) {
        s.dims[s.rank++] = (uint32_t)p.n;
    }
    *out = s;
    return COVEY_OK;
}

covey_err covey__infer_matmulinteger(const struct covey__op_call *c, struct covey_tensor *out,
                                     struct covey_nn_error *out_why)
{
    out->type = COVEY_TYPE_I32;
    return infer(c, &integer_places, &out->shape, out_why);
}

covey_err covey__infer_qlinearmatmul(const struct covey__op_call *c, struct covey_tensor *out,
                                     struct covey_nn_error *out_why)
{
    const struct covey__scalar_rule rules[2] = {{6, COVEY__TYPES_FLOAT, false},
                                                {7, COVEY__TYPES_BYTE, false}};
    covey_err err = infer(c, &quantized_places, &out->shape, out_why);
    for (size_t i = 0; i < 2 && err == COVEY_OK; i++) {
        err = covey__check_scalar(c, rules[i], out_why);
    }
    if (err == COVEY_OK) {
        out->type = c->in[7]->type;
    }
    return err;
}

/* Index of a parameter for row or column `at` of matrix `matrix`, of `length` rows or columns. */
static size_t parameter_index(const struct covey_tensor *t, size_t matrix, size_t at, size_t length)
{
    return t != NULL && t->shape.rank > 1 ? matrix * length + at : at;
}

static void load_a(const void *ctx, const struct covey__block *b, float *out)
{
    const struct matmul *p = ctx;
    const struct covey_tensor *zero = covey__optional(p->c, p->places->a_zero);
    size_t matrix = matrix_of(p, &p->a_lead, b->job);
    for (size_t i = 0; i < b->rows; i++) {
        size_t row = b->row + i;
        int32_t less = covey__zero_at(zero, parameter_index(zero, matrix, row, p->m));
        covey__bytes_load(&p->a, (matrix * p->m + row) * p->k + b->col, 1, less, out + i * b->cols,
                          b->cols);
    }
}

/* Zero points that differ between columns are taken off afterwards: the bytes are loaded without
 * them, then each column is corrected. */
static void load_b(const void *ctx, const struct covey__block *b, float *out)
{
    const struct matmul *p = ctx;
    const struct covey_tensor *zero = covey__optional(p->c, p->places->b_zero);
    size_t matrix = matrix_of(p, &p->b_lead, b->job);
    bool one = zero == NULL || covey__shape_elements(&zero->shape) == 1;
    int32_t less = one ? covey__zero_at(zero, 0) : 0;
    for (size_t i = 0; i < b->rows; i++) {
        covey__bytes_load(&p->b, (matrix * p->k + b->row + i) * p->n + b->col, 1, less,
                          out + i * b->cols, b->cols);
    }
    for (size_t j = 0; j < b->cols && !one; j++) {
        size_t index = parameter_index(zero, matrix, b->col + j, p->n);
        float shift = (float)covey__zero_at(zero, index);
        for (size_t i = 0; i < b->rows; i++) {
            out[i * b->cols + j] -= shift;
        }
    }
}

static void store_sums(const void *ctx, const struct covey__block *b, const int32_t *sums)
{
    const struct matmul *p = ctx;
    int32_t *y = p->c->out[0]->data;
    for (size_t i = 0; i < b->rows; i++) {
        memcpy(y + (b->job * p->m + b->row + i) * p->n + b->col, sums + i * b->cols,
               b->cols * sizeof(*y));
    }
}

/* y = saturate(round(sum (a_scale b_scale / y_scale)) + y_zero) */
static void store_bytes(const void *ctx, const struct covey__block *b, const int32_t *sums)
{
    const struct matmul *p = ctx;
    const struct covey_tensor *a_scale = p->c->in[1], *b_scale = p->c->in[4];
    struct covey__range range = covey__range_of(p->c->out[0]->type);
    struct covey__requantize by = {.zero = (float)covey__zero_at(p->c->in[7], 0),
                                   .low = (float)range.low,
                                   .high = (float)range.high};
    float y_scale = covey__scale_at(p->c->in[6], 0);
    size_t a_matrix = matrix_of(p, &p->a_lead, b->job), b_matrix = matrix_of(p, &p->b_lead, b->job);
    bool one = covey__shape_elements(&b_scale->shape) == 1;
    for (size_t i = 0; i < b->rows; i++) {
        size_t row = b->row + i;
        uint8_t *y = (uint8_t *)p->c->out[0]->data + (b->job * p->m + row) * p->n + b->col;
        float scale = covey__scale_at(a_scale, parameter_index(a_scale, a_matrix, row, p->m));
        const int32_t *sum = sums + i * b->cols;
        if (one) {
            by.factor = scale * covey__scale_at(b_scale, 0) / y_scale;
            covey__requantize_row(&by, sum, y, b->cols);
            continue;
        }
        for (size_t j = 0; j < b->cols; j++) {
            size_t index = parameter_index(b_scale, b_matrix, b->col + j, p->n);
            float factor = scale * covey__scale_at(b_scale, index) / y_scale;
            y[j] = (uint8_t)covey__requantize((float)sum[j] * factor, by.zero, by.low, by.high);
        }
    }
}

static struct covey__exact exact_of(const struct matmul *p)
{
    return (struct covey__exact){.jobs = covey__shape_elements(&p->lead),
                                 .m = p->m,
                                 .n = p->n,
                                 .k = p->k,
                                 .ctx = p,
                                 .load_a = load_a,
                                 .load_b = load_b,
                                 .threads = p->c->threads,
                                 .scratch = p->c->scratch};
}

static struct matmul sizes_of(const struct covey__op_call *c, const struct places *places)
{
    struct matmul p;
    covey_err err = find_sizes(c, places, &p, NULL);
    COVEY_ASSERT(err == COVEY_OK); /* inference found the same */
    return p;
}

static void run(const struct covey__op_call *c, const struct places *places,
                void (*store)(const void *, const struct covey__block *, const int32_t *))
{
    struct matmul p = sizes_of(c, places);
    struct covey__exact e = exact_of(&p);
    e.store = store;
    covey__exact_run(&e);
}

static size_t scratch(const struct covey__op_call *c, const struct places *places)
{
    struct matmul p = sizes_of(c, places);
    struct covey__exact e = exact_of(&p);
    return covey__exact_scratch(&e, c->thread_count);
}

size_t covey__scratch_matmulinteger(const struct covey__op_call *c)
{
    return scratch(c, &integer_places);
}

size_t covey__scratch_qlinearmatmul(const struct covey__op_call *c)
{
    return scratch(c, &quantized_places);
}

void covey__op_matmulinteger(const struct covey__op_call *c)
{
    run(c, &integer_places, store_sums);
}

void covey__op_qlinearmatmul(const struct covey__op_call *c)
{
    run(c, &quantized_places, store_bytes);
}

/* ---- as a layer that a mesh splits: W is B turned, columns are the rows of A ---- */

static void layer_of(const struct covey__op_call *c, const struct places *places,
                     struct covey_layer *out)
{
    struct matmul p = sizes_of(c, places);
    size_t rows = p.m * covey__shape_elements(&p.lead);
    covey__layer_dense((uint32_t)p.n, (uint32_t)p.k, (uint32_t)rows, out);
    out->exact = 1;
}

static void columns_of(const struct covey__op_call *c, const struct places *places,
                       const struct covey__block *cols, float *out)
{
    struct matmul p = sizes_of(c, places);
    const struct covey_tensor *zero = covey__optional(c, places->b_zero);
    for (size_t j = 0; j < cols->cols; j++) {
        int32_t less = covey__zero_at(zero, cols->col + j);
        covey__bytes_load(&p.b, cols->col + j, p.n, less, out + j * p.k, p.k);
    }
}

/* The product has [columns of B, rows of A]: a column at a time. */
static void finish(const struct covey__op_call *c, const struct places *places,
                   const int32_t *product,
                   void (*store)(const void *, const struct covey__block *, const int32_t *))
{
    struct matmul p = sizes_of(c, places);
    size_t jobs = covey__shape_elements(&p.lead);
    for (size_t i = 0; i < p.n * jobs; i++) {
        struct covey__block block = {i % jobs, 0, p.m, i / jobs, 1};
        store(&p, &block, product + i * p.m);
    }
}

static void layer_matmulinteger(const struct covey__op_call *c, struct covey_layer *out)
{
    layer_of(c, &integer_places, out);
}

static void layer_qlinearmatmul(const struct covey__op_call *c, struct covey_layer *out)
{
    layer_of(c, &quantized_places, out);
}

static void rows_matmulinteger(const struct covey__op_call *c, size_t first, size_t rows,
                               float *out)
{
    columns_of(c, &integer_places, &(struct covey__block){.col = first, .cols = rows}, out);
}

static void rows_qlinearmatmul(const struct covey__op_call *c, size_t first, size_t rows,
                               float *out)
{
    columns_of(c, &quantized_places, &(struct covey__block){.col = first, .cols = rows}, out);
}

static void finish_matmulinteger(const struct covey__op_call *c, const int32_t *product)
{
    finish(c, &integer_places, product, store_sums);
}

static void finish_qlinearmatmul(const struct covey__op_call *c, const int32_t *product)
{
    finish(c, &quantized_places, product, store_bytes);
}

const struct covey__op_exact covey__exact_matmulinteger = {.weights = 1,
                                                           .weights_zero = 3,
                                                           .input_zero = 2,
                                                           .rank = 2,
                                                           .outputs = 1,
                                                           .layer = layer_matmulinteger,
                                                           .rows = rows_matmulinteger,
                                                           .finish = finish_matmulinteger};
const struct covey__op_exact covey__exact_qlinearmatmul = {.weights = 3,
                                                           .weights_zero = 5,
                                                           .input_zero = 2,
                                                           .rank = 2,
                                                           .outputs = 1,
                                                           .layer = layer_qlinearmatmul,
                                                           .rows = rows_qlinearmatmul,
                                                           .finish = finish_qlinearmatmul};
