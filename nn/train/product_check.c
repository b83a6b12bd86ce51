/* SPDX-License-Identifier: MIT */
#include "covey/field.h"
#include "covey/large.h"
#include "kernels/vkernels.h"
#include "train/product.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN_FLOATS = 16 };

/* What one row of A becomes is linear in it; x is that map's adjoint applied to s, for some vectors
 * s. Of a forward product it is the input gradient at dY = s, of an input gradient the forward
 * product at X = s, each of as many images as there are vectors. Of a weight gradient,
 *   x [batch][pixel] = sum over filters and taps of s [filter][tap] dY [batch][filter][pixel - tap]
 * is an input gradient too, with s as the filters. */
struct adjoint {
    const struct covey_train_product *p;
    struct covey_train_product turned;
    unsigned vectors, prime;
    uint32_t rows;
    size_t in, out, pixels; /* of one vector x, of one vector s, of an output */
    float *x, *filters, *images, *columns;
    void *scratch;
};

static size_t round_up(size_t floats)
{
    return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static bool is_weights(const struct adjoint *j)
{
    return j->p->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT;
}

/* Floats of x and of what it is made with; j->x is where they begin, or NULL. */
static size_t lay_out(struct adjoint *j)
{
    struct covey_code code = {.bound = 1};
    covey_train_product_shape(j->p, &code);
    j->in = code.a.outer * code.a.inner;
    j->out = code.c.outer * code.c.inner;
    j->turned = *j->p;
    j->turned.kind = j->p->kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT
                         ? COVEY_TRAIN_PRODUCT_FORWARD
                         : COVEY_TRAIN_PRODUCT_INPUT_GRADIENT;
    if (is_weights(j)) {
        j->turned.in_channels = j->vectors;
    } else {
        j->turned.batch = j->vectors;
    }
    j->rows = j->turned.batch;
    size_t taps = (size_t)j->p->kernel[0] * j->p->kernel[1];
    j->pixels = (size_t)j->p->out_height * j->p->out_width;
    size_t columns = round_up(j->pixels > taps ? j->pixels : taps);
    size_t vectors = round_up(j->vectors * j->in), filters = round_up(j->vectors * j->out);
    if (j->x != NULL) {
        j->filters = j->x + vectors;
        j->images = j->filters + filters;
        j->columns = j->images + vectors;
        j->scratch = j->columns + columns;
    }
    return 2 * vectors + filters + columns +
           covey_train_product_scratch(&j->turned, j->rows, j->prime, 1) / sizeof(float) + 1;
}

static covey_err open_adjoint(struct adjoint *j)
{
    j->x = NULL;
    j->x = covey_large_new(lay_out(j) * sizeof(float));
    if (j->x == NULL) {
        return COVEY_ERR_NOMEM;
    }
    (void)lay_out(j);
    return COVEY_OK;
}

static void run(const struct adjoint *j, const float *a, const float *b, float *c)
{
    covey_train_product_compute(&(struct covey_train_product_run){.product = &j->turned,
                                                                  .rows = j->rows,
                                                                  .prime = j->prime,
                                                                  .a = a,
                                                                  .b = b,
                                                                  .c = c,
                                                                  .scratch = j->scratch});
}

/* x [vectors][in] from s [vectors][out]. */
static void apply(const struct adjoint *j, const float *b, const float *s)
{
    size_t filters = j->p->out_channels, taps = j->out / filters;
    size_t batch = j->p->batch, plane = j->in / batch;
    if (!is_weights(j)) {
        run(j, s, b, j->x);
        return;
    }
    for (size_t i = 0; i < filters * j->vectors; i++) {
        const float *from = s + i % j->vectors * j->out + i / j->vectors * taps;
        memcpy(j->filters + i * taps, from, taps * sizeof(float));
    }
    run(j, b, j->filters, j->images);
    for (size_t i = 0; i < batch * j->vectors; i++) {
        float *to = j->x + i % j->vectors * j->in + i / j->vectors * plane;
        memcpy(to, j->images + i * plane, plane * sizeof(float));
    }
}

/* Whether a tap sees the input at output position `at` along axis i. */
static bool sees(const struct covey_train_product *p, unsigned i, uint32_t at, uint32_t tap)
{
    int64_t x = (int64_t)at * p->stride[i] + (int64_t)tap * p->dilation[i] - p->pads[i];
    return x >= 0 && x < (int64_t)(i == 0 ? p->height : p->width);
}

/* How many taps along axis i see something at output position `at`. */
static uint32_t taps_at(const struct covey_train_product *p, unsigned i, uint32_t at)
{
    uint32_t count = 0;
    for (uint32_t tap = 0; tap < p->kernel[i]; tap++) {
        count += sees(p, i, at, tap);
    }
    return count;
}

/* At how many output positions tap `tap` along axis i sees something. */
static uint32_t positions_of(const struct covey_train_product *p, unsigned i, uint32_t tap)
{
    uint32_t count = 0, size = i == 0 ? p->out_height : p->out_width;
    for (uint32_t at = 0; at < size; at++) {
        count += sees(p, i, at, tap);
    }
    return count;
}

/* Of the map that a row of A goes through: each number of W as often as its tap sees something,
 * each of dY as often as there are taps that see something from there. */
static double squares_of(const struct adjoint *j, const float *b)
{
    const struct covey_train_product *p = j->p;
    bool weights = is_weights(j);
    size_t size = weights ? j->pixels : (size_t)p->kernel[0] * p->kernel[1];
    uint32_t width = weights ? p->out_width : p->kernel[1];
    double all = 0;
    struct covey__norm_columns c = {.in = b, .squares = true, .stride = size, .out = j->columns};
    c.rows = (size_t)p->out_channels * (weights ? p->batch : p->in_channels);
    covey__vkernels()->norm_columns(&c, 0, size);
    for (uint32_t at = 0; at < size; at++) {
        uint32_t rows = weights ? taps_at(p, 0, at / width) : positions_of(p, 0, at / width);
        uint32_t columns = weights ? taps_at(p, 1, at % width) : positions_of(p, 1, at % width);
        all += (double)j->columns[at] * (double)rows * (double)columns;
    }
    return all;
}

covey_err covey_train_product_check_start(const struct covey_train_product *p, const float *a,
                                          const float *b, struct covey_code_check *check,
                                          const float *s)
{
    struct adjoint j = {
        .p = p, .vectors = covey_code_check_vectors(check), .prime = covey_code_check_prime(check)};
    covey_err err = open_adjoint(&j);
    if (err != COVEY_OK) {
        return err;
    }
    double squares = j.prime < COVEY_FIELD_PRIMES ? 0 : squares_of(&j, b);
    apply(&j, b, s);
    covey_code_check_linear(check, a, j.x, squares);
    free(j.x);
    return COVEY_OK;
}

/* sum of row `row` of v [outer][rows][inner] times f [outer inner], modulo the prime. */
static float project(const float *v, const float *f, struct covey_code_shape shape,
                     const uint32_t rows_row_prime[3])
{
    float most = (float)covey_field_most(rows_row_prime[2]), sum = 0;
    float prime = (float)covey_field_prime(rows_row_prime[2]);
    for (size_t o = 0; o < shape.outer; o++) {
        float part;
        covey_field_multiply(&(struct covey_field_product){
            .m = 1,
            .n = 1,
            .k = shape.inner,
            .a = v + (o * rows_row_prime[0] + rows_row_prime[1]) * shape.inner,
            .b = f + o * shape.inner,
            .prime = rows_row_prime[2],
            .c = &part});
        sum += part; /* below 2^24, exact */
        sum -= sum > most ? prime : 0;
        sum += sum < -most ? prime : 0;
    }
    return sum;
}

covey_err covey_train_product_check_task(const struct covey_train_product_run *r, const float *s,
                                         bool *out_right)
{
    struct adjoint j = {.p = r->product, .vectors = 1, .prime = r->prime};
    struct covey_code code = {.bound = 1};
    COVEY_ASSERT(r->prime < COVEY_FIELD_PRIMES);
    covey_train_product_shape(r->product, &code);
    size_t floats = r->rows * code.c.outer * code.c.inner;
    if (!covey_field_holds(r->c, floats, r->prime)) {
        *out_right = false;
        return COVEY_OK;
    }
    covey_err err = open_adjoint(&j);
    if (err != COVEY_OK) {
        return err;
    }
    apply(&j, r->b, s);
    bool right = true;
    for (uint32_t i = 0; i < r->rows && right; i++) {
        const uint32_t at[3] = {r->rows, i, r->prime};
        right = project(r->c, s, code.c, at) == project(r->a, j.x, code.a, at);
    }
    free(j.x);
    *out_right = right;
    return COVEY_OK;
}
