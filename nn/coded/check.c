/* SPDX-License-Identifier: MIT */
#include "covey/check.h"
#include "covey/large.h"

#include "../kernels/vkernels.h"
#include "check_exact.h"
#include "project.h"

#include <math.h>
#include <string.h>

/* Sums are taken in float over a block, in double over the blocks. */
enum { VECTORS = COVEY__CHECK_VECTORS, BLOCK = 2048, COLUMNS = 1024, SEED_ROWS = 64 };
/* Rounding of honest answers, in units of 2^-24 of |s| |W| |X| and of |s| |Y|, stays below a third
 * of it (docs/coding.md); and that of answers which were rounded on their way, in units of theirs.
 */
#define TOLERANCE_EXPECTED 4.0
#define TOLERANCE_GOT 128.0
#define ROUNDED_TOLERANCE 4.0
/* Beyond it float32 may overflow, which is nobody's lie. */
#define UNCHECKABLE 1e35

struct room {
    struct covey__project input;
    float *answer; /* Y r [rows of all slots][VECTORS], of some columns */
};

/* base NULL: only the floats in all. */
static uint64_t carve(const struct covey_layer *l, float *base, struct room *out)
{
    uint64_t floats = covey__project_init(l, base, &out->input);
    out->answer = base != NULL ? base + floats : NULL;
    return floats + (uint64_t)VECTORS * COVEY_LAYER_SLOTS_MAX * l->unit_rows;
}

size_t covey_check_scratch(const struct covey_layer *layer, size_t count)
{
    struct room room;
    (void)count;
    if (layer->exact != 0) {
        return covey__check_exact_scratch(layer);
    }
    return covey_size_of(carve(layer, NULL, &room) * sizeof(float));
}

size_t covey_check_floats(const struct covey_layer *layer)
{
    return layer->exact != 0 ? covey__check_exact_numbers(layer) : (size_t)VECTORS * layer->k;
}

static uint32_t bits_of(float s)
{
    uint32_t bits;
    memcpy(&bits, &s, sizeof(bits));
    return bits;
}

/* What vector v has in the place where the first one has s. */
static float secret_of(float s, size_t v)
{
    uint64_t state = ((uint64_t)v << 32) + bits_of(s);
    return v == 0 ? s : covey__project_draw(&state);
}

void covey_check_add(const struct covey_layer *layer, const float *s, const float *unit, float *c)
{
    const struct covey__vkernels *kernels = covey__vkernels();
    if (layer->exact != 0) {
        covey__check_exact_add(layer, s, unit, (uint32_t *)(void *)c);
        return;
    }
    for (size_t first = 0; first < layer->k; first += BLOCK) {
        size_t count = layer->k - first < BLOCK ? layer->k - first : BLOCK;
        for (size_t i = 0; i < VECTORS * (size_t)layer->unit_rows; i++) {
            size_t row = i / VECTORS, v = i % VECTORS;
            kernels->update_axpy(secret_of(s[row], v), unit + row * layer->k + first,
                                 c + v * layer->k + first, count);
        }
    }
}

void covey_check_join(const struct covey_layer *layer, const float *more, float *c)
{
    if (layer->exact != 0) {
        covey__check_exact_join(layer, (const uint32_t *)(const void *)more, (uint32_t *)(void *)c);
        return;
    }
    for (size_t i = 0; i < covey_check_floats(layer); i++) {
        c[i] += more[i];
    }
}

static double dot(const float *a, const float *b, size_t count)
{
    const struct covey__vkernels *v = covey__vkernels();
    double sum = 0;
    for (size_t i = 0; i < count; i += BLOCK) {
        sum += (double)v->dot(a + i, b + i, 0.0f, count - i < BLOCK ? count - i : BLOCK);
    }
    return sum;
}

static double squares(const float *a, size_t count)
{
    const struct covey__vkernels *v = covey__vkernels();
    double sum = 0;
    for (size_t i = 0; i < count; i += BLOCK) {
        sum += (double)v->squares(a + i, 0.0f, count - i < BLOCK ? count - i : BLOCK);
    }
    return sum;
}

/* The secret vectors make r secret too; some of their rows are enough. */
static uint64_t seed_of(const struct covey_layer *l, const struct covey_check_answer *answers,
                        size_t count)
{
    uint64_t state = count;
    for (size_t i = 0; i < count; i++) {
        size_t rows = answers[i].slots * l->unit_rows;
        for (size_t j = 0; j < rows && j < SEED_ROWS; j++) {
            state = (state ^ bits_of(answers[i].s[j])) * 0xff51afd7ed558ccdu; /* of MurmurHash3 */
            state ^= state >> 33;
        }
    }
    return state;
}

/* Outputs along an axis that one input place is multiplied into, at most. */
static size_t meets(const struct covey_layer *l, unsigned axis)
{
    size_t kernel = l->kernel[axis], stride = l->stride[axis];
    return l->dilation[axis] == 1 ? (kernel + stride - 1) / stride : kernel;
}

struct left {
    double sum[VECTORS]; /* s' Y r */
    double squares;      /* |Y|^2 */
};

struct columns {
    size_t first, count, n;
};

static void add_columns(const struct covey_check_answer *a, const struct room *r, size_t rows,
                        const struct columns *c, struct left *left)
{
    covey__skinny_multiply((struct covey__skinny){.rows = rows,
                                                  .columns = VECTORS,
                                                  .k = c->count,
                                                  .matrix = a->answer + c->first,
                                                  .matrix_stride = c->n,
                                                  .vectors = r->input.column + c->first,
                                                  .vector_stride = c->n,
                                                  .out = r->answer,
                                                  .row_stride = VECTORS,
                                                  .column_stride = 1});
    for (size_t i = 0; i < rows; i++) {
        left->squares += squares(a->answer + i * c->n + c->first, c->count);
        for (size_t v = 0; v < VECTORS; v++) {
            left->sum[v] += (double)secret_of(a->s[i], v) * (double)r->answer[i * VECTORS + v];
        }
    }
}

static void add_only_column(const struct covey_check_answer *a, const struct room *r, size_t rows,
                            struct left *left)
{
    left->squares = squares(a->answer, rows);
    for (size_t v = 0; v < VECTORS; v++) {
        for (size_t i = 0; i < rows; i++) {
            r->answer[i] = secret_of(a->s[i], v);
        }
        left->sum[v] = dot(a->answer, r->answer, rows) * (double)r->input.column[v];
    }
}

/* A block of columns at a time: floats summed over many would round more than the product did, and
 * both sums find the block in the cache. */
static struct left left_side(const struct covey_layer *l, const struct covey_check_answer *a,
                             const struct room *r)
{
    size_t rows = a->slots * l->unit_rows, n = covey_layer_columns(l);
    struct left left = {0};
    if (n == 1) {
        add_only_column(a, r, rows, &left);
        return left;
    }
    for (size_t first = 0; first < n; first += COLUMNS) {
        struct columns c = {first, n - first < COLUMNS ? n - first : COLUMNS, n};
        add_columns(a, r, rows, &c, &left);
    }
    return left;
}

/* |s' Y r - c X r| against the rounding of Y = W X: that of one number is in proportion to |w| |x|,
 * and those of all of them add up as random numbers do. |W' s| stands for |s| |W|. */
static bool wrong(const struct covey_layer *l, const struct covey_check_answer *a,
                  const struct room *r, double input_squares)
{
    size_t rows = a->slots * l->unit_rows, n = covey_layer_columns(l);
    double overlap = (double)(meets(l, 0) * meets(l, 1));
    double weight = squares(a->s, rows) / (double)rows * COVEY__PROJECT_SQUARE;
    double expected = sqrt(squares(a->c, VECTORS * l->k) / VECTORS * input_squares * overlap *
                           COVEY__PROJECT_SQUARE);
    if (!(expected < UNCHECKABLE)) {
        return false;
    }
    struct left left = left_side(l, a, r);
    double got = sqrt(left.squares * weight);
    double tolerance = 0x1p-24 * (TOLERANCE_EXPECTED * expected + TOLERANCE_GOT * got);
    if (a->rounding > 0) {
        double least = 0x1p-14 * sqrt((double)rows * (double)n * weight);
        tolerance += ROUNDED_TOLERANCE * (double)a->rounding * (got + least);
    }
    bool right = isfinite(tolerance);
    for (size_t v = 0; v < VECTORS; v++) {
        double off = left.sum[v] - dot(a->c + v * l->k, r->input.product + v * l->k, l->k);
        right = right && fabs(off) <= tolerance;
    }
    return !right;
}

bool covey_check_answers(const struct covey_layer *layer, const float *input,
                         struct covey_check_answer *answers, size_t count, void *scratch)
{
    struct room room;
    bool right = true;
    uint64_t seed = seed_of(layer, answers, count);
    double input_squares = 0;
    if (layer->exact != 0) {
        covey__check_exact(layer, input, seed, answers, count, scratch);
    } else {
        carve(layer, scratch, &room);
        covey__project_run(layer, seed, input, &room.input);
        input_squares = squares(input, covey_layer_input_floats(layer));
    }
    for (size_t i = 0; i < count; i++) {
        if (layer->exact == 0) {
            answers[i].wrong =
                answers[i].answer != NULL && wrong(layer, &answers[i], &room, input_squares);
        }
        right = right && !answers[i].wrong;
    }
    return right;
}
