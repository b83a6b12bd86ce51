/* SPDX-License-Identifier: MIT */
#include "covey/exact.h"

#include "covey/large.h"
#include "../gemm.h"
#include "../im2col.h"
#include "../op_integer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Floats add DEPTH products of a weight of at most PLAIN_MAX and an input without rounding:
 * 256 x 255 x 255 < 2^24. A parity's weight is larger: it is taken apart, w = high RADIX + low. */
enum { DEPTH = 256, PLAIN_MAX = 255, RADIX = 256, STRIP = 256, ALIGNMENT = 64 };

struct covey_exact {
    struct covey_layer layer;
    size_t slots, rows;                   /* rows: of what is multiplied, at most two a row of W */
    uint16_t high[COVEY_LAYER_SLOTS_MAX]; /* block of the slot's high parts; 0: it has none */
    float *weights;                       /* [slots + those with high parts][unit_rows x k] */
};

covey_err covey_exact_convert(const struct covey_tensor *bytes, int32_t zero, float *out)
{
    if (bytes->type != COVEY_TYPE_I8 && bytes->type != COVEY_TYPE_U8) {
        return COVEY_ERR_RANGE;
    }
    struct covey__bytes in = covey__bytes_of(bytes);
    covey__bytes_load(&in, 0, 1, zero, out, covey__shape_elements(&bytes->shape));
    return COVEY_OK;
}

/* Every number is an integer of at most most, NaN is none. */
static bool are_integers(const float *v, size_t count, float most)
{
    for (size_t i = 0; i < count; i++) {
        if (!(fabsf(v[i]) <= most) || v[i] != (float)(int32_t)v[i]) {
            return false;
        }
    }
    return true;
}

/* low in [-128, 127] */
static void take_apart(const float *w, size_t count, float *low, float *high)
{
    for (size_t i = 0; i < count; i++) {
        int32_t v = (int32_t)w[i];
        int32_t l = (int32_t)((uint32_t)v & (RADIX - 1));
        l = l >= RADIX / 2 ? l - RADIX : l;
        low[i] = (float)l;
        high[i] = (float)((v - l) / RADIX);
    }
}

static covey_err fill(struct covey_exact *e, const float *weights)
{
    size_t unit = covey_layer_unit_floats(&e->layer);
    size_t blocks = e->slots;
    for (size_t i = 0; i < e->slots; i++) {
        const float *w = weights + i * unit;
        if (!are_integers(w, unit, COVEY_EXACT_WEIGHT_MAX)) {
            return COVEY_ERR_RANGE;
        }
        if (!are_integers(w, unit, PLAIN_MAX)) {
            e->high[i] = (uint16_t)blocks++;
        }
    }
    e->rows = blocks * e->layer.unit_rows;
    e->weights = covey_large_new(blocks * unit * sizeof(float));
    if (e->weights == NULL) {
        return COVEY_ERR_NOMEM;
    }
    memcpy(e->weights, weights, e->slots * unit * sizeof(float));
    for (size_t i = 0; i < e->slots; i++) {
        if (e->high[i] != 0) {
            take_apart(weights + i * unit, unit, e->weights + i * unit,
                       e->weights + e->high[i] * unit);
        }
    }
    return COVEY_OK;
}

covey_err covey_exact_new(const struct covey_layer *layer, const float *weights, size_t slots,
                          struct covey_exact **out)
{
    covey_err err = covey_layer_check(layer);
    if (err == COVEY_OK && (slots == 0 || slots > COVEY_LAYER_SLOTS_MAX)) {
        err = COVEY_ERR_RANGE;
    }
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_exact *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        return COVEY_ERR_NOMEM;
    }
    e->layer = *layer;
    e->slots = slots;
    err = fill(e, weights);
    if (err != COVEY_OK) {
        covey_exact_free(e);
        return err;
    }
    *out = e;
    return COVEY_OK;
}

void covey_exact_free(struct covey_exact *e)
{
    if (e != NULL) {
        free(e->weights);
        free(e);
    }
}

size_t covey_exact_bytes(const struct covey_exact *e)
{
    return e->rows * e->layer.k * sizeof(float);
}

static size_t strip_of(const struct covey_exact *e)
{
    size_t n = covey_layer_columns(&e->layer);
    return n < STRIP ? n : STRIP;
}

/* A strip of columns: its unrolled input, the product of a block of depth, the sums. */
struct strip {
    float *input, *product;
    uint32_t *sums;
};

size_t covey_exact_scratch(const struct covey_exact *e)
{
    return (e->layer.k + 2 * e->rows) * strip_of(e) * sizeof(float);
}

/* Columns [first, first + cols) of X as [k x cols]. */
static void load(const struct covey_exact *e, const float *input, size_t first, size_t cols,
                 float *out)
{
    const struct covey_layer *l = &e->layer;
    if (l->kind == COVEY_LAYER_CONV) {
        covey__im2col(l, (size_t)l->channels * l->height * l->width, input, first, cols, out);
        return;
    }
    for (size_t k = 0; k < l->k; k++) {
        for (size_t j = 0; j < cols; j++) {
            out[k * cols + j] = input[(first + j) * l->k + k];
        }
    }
}

/* Sums are exact modulo 2^32, whatever the order. */
static void multiply(const struct covey_exact *e, size_t cols, const struct strip *s)
{
    size_t k = e->layer.k;
    memset(s->sums, 0, e->rows * cols * sizeof(*s->sums));
    for (size_t first = 0; first < k; first += DEPTH) {
        covey__gemm(&(struct covey__gemm){.m = e->rows,
                                          .n = cols,
                                          .k = k - first < DEPTH ? k - first : DEPTH,
                                          .a = e->weights + first,
                                          .lda = k,
                                          .b = s->input + first * cols,
                                          .ldb = cols,
                                          .c = s->product,
                                          .ldc = cols});
        for (size_t i = 0; i < e->rows * cols; i++) {
            s->sums[i] += (uint32_t)(int32_t)s->product[i];
        }
    }
}

/* Rows of a slot into columns [first, first + cols) of the answer. */
static void store(const struct covey_exact *e, size_t slot, size_t first_cols[2],
                  const uint32_t *sums, int32_t *out)
{
    size_t first = first_cols[0], cols = first_cols[1], n = covey_layer_columns(&e->layer);
    for (size_t i = 0; i < e->layer.unit_rows; i++) {
        size_t row = slot * e->layer.unit_rows + i;
        const uint32_t *low = sums + row * cols;
        const uint32_t *high = sums + (e->high[slot] * e->layer.unit_rows + i) * cols;
        for (size_t j = 0; j < cols; j++) {
            uint32_t sum = low[j] + (e->high[slot] != 0 ? high[j] * RADIX : 0);
            memcpy(&out[row * n + first + j], &sum, sizeof(sum));
        }
    }
}

covey_err covey_exact_run(const struct covey_exact *e, const float *input, void *scratch,
                          int32_t *out)
{
    size_t n = covey_layer_columns(&e->layer), strip = strip_of(e);
    struct strip s = {.input = scratch};
    s.product = s.input + e->layer.k * strip;
    s.sums = (uint32_t *)(void *)(s.product + e->rows * strip);
    if (!are_integers(input, covey_layer_input_floats(&e->layer), COVEY_EXACT_INPUT_MAX)) {
        return COVEY_ERR_RANGE;
    }
    for (size_t first = 0; first < n; first += strip) {
        size_t cols = n - first < strip ? n - first : strip;
        load(e, input, first, cols, s.input);
        multiply(e, cols, &s);
        for (size_t slot = 0; slot < e->slots; slot++) {
            store(e, slot, (size_t[2]){first, cols}, s.sums, out);
        }
    }
    return COVEY_OK;
}

static void subtract(unsigned count, const int32_t *const *answers, size_t integers, int32_t *out)
{
    memcpy(out, answers[count], integers * sizeof(*out));
    for (unsigned j = 0; j < count; j++) {
        for (size_t i = 0; answers[j] != NULL && i < integers; i++) {
            out[i] = (int32_t)((uint32_t)out[i] - (uint32_t)answers[j][i]);
        }
    }
}

covey_err covey_exact_rebuild(unsigned count, const int32_t *const *answers, int32_t *const *out,
                              size_t integers)
{
    unsigned lost = 0, unit = 0;
    if (count == 0 || count > COVEY_GROUP_UNITS_MAX) {
        return COVEY_ERR_RANGE;
    }
    for (unsigned j = 0; j < count; j++) {
        unit = answers[j] == NULL ? j : unit;
        lost += answers[j] == NULL;
    }
    if (lost > 1 || (lost == 1 && answers[count] == NULL)) {
        return COVEY_ERR_STATE;
    }
    if (lost == 1) {
        subtract(count, answers, integers, out[unit]);
    }
    for (unsigned j = 0; j < count; j++) {
        if (answers[j] != NULL && answers[j] != out[j]) {
            memcpy(out[j], answers[j], integers * sizeof(**out));
        }
    }
    return COVEY_OK;
}
