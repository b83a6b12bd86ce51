/* SPDX-License-Identifier: MIT */
#include "covey/check.h"

#include "../kernels/skinny.h"
#include "../kernels/vkernels.h"

#include <math.h>
#include <string.h>

/* Sums are taken in float over a block, in double over the blocks. */
enum { BLOCK = 2048, COLUMNS = 1024 };
/* What hides from one secret vector by chance, with a probability near the tolerance, hides from
 * two with its square. */
enum { VECTORS = 2 };
/* Rounding of honest answers, in units of 2^-24 of |s| |W| |X| and of |s| |Y|, stays below a third
 * of it (docs/coding.md); and that of answers which were rounded on their way, in units of theirs.
 */
#define TOLERANCE_EXPECTED 4.0
#define TOLERANCE_GOT 128.0
#define ROUNDED_TOLERANCE 4.0
/* Beyond it float32 may overflow, which is nobody's lie. */
#define UNCHECKABLE 1e35

/* What is made for one input: two vectors r, whose number for image i and output pixel (y, x) is
 * down[i][y] across[x], and X r. Being of that form, X r needs no unrolling: rows of the input are
 * shrunk to one number for each kernel column first, then columns to one for each row. */
struct room {
    float *across;   /* [VECTORS][out_width] */
    float *down;     /* [VECTORS][batch out_height] */
    float *column;   /* r [VECTORS][batch out_height out_width] */
    float *by_width; /* [VECTORS][kernel width][width]: across, as the kernel's columns meet it */
    float *by_row;   /* [kernel height][height]: down of one image, as its rows meet it */
    float *shrunk;   /* [VECTORS][kernel width][channels height] */
    float *product;  /* X r [VECTORS][k] */
    float *answer;   /* Y r [rows of all slots][VECTORS] */
};

static bool is_conv(const struct covey_layer *l)
{
    return l->kind == COVEY_LAYER_CONV;
}

/* base NULL: only the floats in all. */
static size_t carve(const struct covey_layer *l, float *base, struct room *out)
{
    const size_t sizes[] = {
        (size_t)VECTORS * l->out_width,
        (size_t)VECTORS * l->batch * l->out_height,
        VECTORS * covey_layer_columns(l),
        is_conv(l) ? (size_t)VECTORS * l->kernel[1] * l->width : 0,
        is_conv(l) ? (size_t)l->kernel[0] * l->height : 0,
        is_conv(l) ? (size_t)VECTORS * l->kernel[1] * l->channels * l->height : 0,
        (size_t)VECTORS * l->k,
        (size_t)VECTORS * COVEY_LAYER_SLOTS_MAX * l->unit_rows,
    };
    float **const places[] = {&out->across, &out->down,   &out->column,  &out->by_width,
                              &out->by_row, &out->shrunk, &out->product, &out->answer};
    size_t total = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        *places[i] = base != NULL ? base + total : NULL;
        total += sizes[i];
    }
    return total;
}

size_t covey_check_scratch(const struct covey_layer *layer, size_t count)
{
    struct room room;
    (void)count;
    return carve(layer, NULL, &room) * sizeof(float);
}

size_t covey_check_floats(const struct covey_layer *layer)
{
    return (size_t)VECTORS * layer->k;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Of either sign, magnitudes in [0.5, 1.5): no single wrong number hides, and no pattern cancels
 * but by chance. */
static float draw(uint64_t *state)
{
    uint64_t bits = mix(state);
    float size = 0.5f + (float)(bits >> 40) * 0x1p-24f;
    return (bits & 1) != 0 ? size : -size;
}

static void fill(uint64_t *state, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = draw(state);
    }
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
    return v == 0 ? s : draw(&state);
}

void covey_check_add(const struct covey_layer *layer, const float *s, const float *unit, float *c)
{
    const struct covey__vkernels *kernels = covey__vkernels();
    for (size_t first = 0; first < layer->k; first += BLOCK) {
        size_t count = layer->k - first < BLOCK ? layer->k - first : BLOCK;
        for (size_t i = 0; i < VECTORS * (size_t)layer->unit_rows; i++) {
            size_t row = i / VECTORS, v = i % VECTORS;
            kernels->update_axpy(secret_of(s[row], v), unit + row * layer->k + first,
                                 c + v * layer->k + first, count);
        }
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

/* The secret vectors make r secret too. */
static uint64_t seed_of(const struct covey_layer *l, const struct covey_check_answer *answers,
                        size_t count)
{
    uint64_t state = count;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < answers[i].slots * l->unit_rows; j++) {
            state ^= bits_of(answers[i].s[j]);
            state = mix(&state);
        }
    }
    return state;
}

static void fill_columns(const struct covey_layer *l, uint64_t seed, const struct room *r)
{
    size_t rows = (size_t)l->batch * l->out_height, n = covey_layer_columns(l);
    fill(&seed, r->across, (size_t)VECTORS * l->out_width);
    fill(&seed, r->down, VECTORS * rows);
    for (size_t v = 0; v < VECTORS; v++) {
        const float *down = r->down + v * rows, *across = r->across + v * l->out_width;
        for (size_t i = 0; i < n; i++) {
            r->column[v * n + i] = down[i / l->out_width] * across[i % l->out_width];
        }
    }
}

/* out [kernel][size]: what each input place is multiplied with at each tap, along one axis. */
static void spread(const struct covey_layer *l, unsigned axis, const float *secret, float *out)
{
    size_t size = axis == 0 ? l->height : l->width;
    size_t outputs = axis == 0 ? l->out_height : l->out_width;
    memset(out, 0, l->kernel[axis] * size * sizeof(float));
    for (size_t tap = 0; tap < l->kernel[axis]; tap++) {
        for (size_t o = 0; o < outputs; o++) {
            size_t at = o * l->stride[axis] + tap * l->dilation[axis];
            if (at >= l->pads[axis] && at - l->pads[axis] < size) {
                out[tap * size + at - l->pads[axis]] = secret[o];
            }
        }
    }
}

/* As many columns as there are. */
static void multiply(struct covey__skinny s)
{
    size_t columns = s.columns;
    for (size_t first = 0; first < columns; first += COVEY__SKINNY_COLUMNS_MAX) {
        size_t left = columns - first;
        s.columns = left < COVEY__SKINNY_COLUMNS_MAX ? left : COVEY__SKINNY_COLUMNS_MAX;
        covey__skinny_rows(&s, 0, s.rows);
        s.vectors += COVEY__SKINNY_COLUMNS_MAX * s.vector_stride;
        s.out += COVEY__SKINNY_COLUMNS_MAX * s.column_stride;
    }
}

/* Adds one image's part of X r for vector v: shrunk columns to one number for each tap. */
static void shrink_columns(const struct covey_layer *l, size_t image, size_t v,
                           const struct room *r)
{
    size_t lines = (size_t)l->channels * l->height;
    spread(l, 0, r->down + (v * l->batch + image) * l->out_height, r->by_row);
    for (size_t kx = 0; kx < l->kernel[1]; kx++) {
        multiply((struct covey__skinny){.rows = l->channels,
                                        .columns = l->kernel[0],
                                        .k = l->height,
                                        .matrix = r->shrunk + (v * l->kernel[1] + kx) * lines,
                                        .matrix_stride = l->height,
                                        .vectors = r->by_row,
                                        .vector_stride = l->height,
                                        .out = r->product + v * l->k + kx,
                                        .row_stride = (size_t)l->kernel[0] * l->kernel[1],
                                        .column_stride = l->kernel[1],
                                        .accumulate = image > 0});
    }
}

static void conv_project(const struct covey_layer *l, const float *input, const struct room *r)
{
    size_t lines = (size_t)l->channels * l->height, taps = (size_t)l->kernel[1] * l->width;
    for (size_t v = 0; v < VECTORS; v++) {
        spread(l, 1, r->across + v * l->out_width, r->by_width + v * taps);
    }
    for (size_t image = 0; image < l->batch; image++) {
        multiply((struct covey__skinny){.rows = lines,
                                        .columns = (size_t)VECTORS * l->kernel[1],
                                        .k = l->width,
                                        .matrix = input + image * lines * l->width,
                                        .matrix_stride = l->width,
                                        .vectors = r->by_width,
                                        .vector_stride = l->width,
                                        .out = r->shrunk,
                                        .row_stride = 1,
                                        .column_stride = lines});
        for (size_t v = 0; v < VECTORS; v++) {
            shrink_columns(l, image, v, r);
        }
    }
}

/* X r, where the columns of X are the images. */
static void dense_project(const struct covey_layer *l, const float *input, const struct room *r)
{
    const struct covey__vkernels *kernels = covey__vkernels();
    memset(r->product, 0, (size_t)VECTORS * l->k * sizeof(float));
    for (size_t image = 0; image < l->batch; image++) {
        const float *x = input + image * l->k;
        for (size_t v = 0; v < VECTORS; v++) {
            kernels->update_axpy(r->column[v * l->batch + image], x, r->product + v * l->k, l->k);
        }
    }
}

/* Outputs along an axis that one input place is multiplied into, at most. */
static size_t meets(const struct covey_layer *l, unsigned axis)
{
    size_t kernel = l->kernel[axis], stride = l->stride[axis];
    return l->dilation[axis] == 1 ? (kernel + stride - 1) / stride : kernel;
}

/* s' Y r. Over many columns floats would round more than the product did. */
static void left_side(const struct covey_layer *l, const struct covey_check_answer *a,
                      const struct room *r, double out[VECTORS])
{
    size_t rows = a->slots * l->unit_rows, n = covey_layer_columns(l);
    memset(out, 0, VECTORS * sizeof(*out));
    for (size_t first = 0; first < n; first += COLUMNS) {
        multiply((struct covey__skinny){.rows = rows,
                                        .columns = VECTORS,
                                        .k = n - first < COLUMNS ? n - first : COLUMNS,
                                        .matrix = a->answer + first,
                                        .matrix_stride = n,
                                        .vectors = r->column + first,
                                        .vector_stride = n,
                                        .out = r->answer,
                                        .row_stride = VECTORS,
                                        .column_stride = 1});
        for (size_t i = 0; i < VECTORS * rows; i++) {
            out[i % VECTORS] +=
                (double)secret_of(a->s[i / VECTORS], i % VECTORS) * (double)r->answer[i];
        }
    }
}

/* |s' Y r - c X r| against the rounding of Y = W X: that of one number is in proportion to |w| |x|,
 * and those of all of them add up as random numbers do. |W' s| stands for |s| |W|. */
static bool wrong(const struct covey_layer *l, const struct covey_check_answer *a,
                  const struct room *r, double input_squares)
{
    size_t rows = a->slots * l->unit_rows, n = covey_layer_columns(l);
    double overlap = (double)(meets(l, 0) * meets(l, 1));
    double columns = squares(r->column, VECTORS * n) / (double)(VECTORS * n);
    double weight = squares(a->s, rows) / (double)rows * columns;
    double expected =
        sqrt(squares(a->c, VECTORS * l->k) / VECTORS * input_squares * overlap * columns);
    double got = sqrt(squares(a->answer, rows * n) * weight);
    double tolerance = 0x1p-24 * (TOLERANCE_EXPECTED * expected + TOLERANCE_GOT * got);
    if (!(expected < UNCHECKABLE)) {
        return false;
    }
    if (a->rounding > 0) {
        double least = 0x1p-14 * sqrt((double)rows * (double)n * weight);
        tolerance += ROUNDED_TOLERANCE * (double)a->rounding * (got + least);
    }
    double left[VECTORS];
    left_side(l, a, r, left);
    bool right = isfinite(tolerance);
    for (size_t v = 0; v < VECTORS; v++) {
        double off = left[v] - dot(a->c + v * l->k, r->product + v * l->k, l->k);
        right = right && fabs(off) <= tolerance;
    }
    return !right;
}

bool covey_check_answers(const struct covey_layer *layer, const float *input,
                         struct covey_check_answer *answers, size_t count, void *scratch)
{
    struct room room;
    bool right = true;
    carve(layer, scratch, &room);
    fill_columns(layer, seed_of(layer, answers, count), &room);
    if (is_conv(layer)) {
        conv_project(layer, input, &room);
    } else {
        dense_project(layer, input, &room);
    }
    double input_squares = squares(input, covey_layer_input_floats(layer));
    for (size_t i = 0; i < count; i++) {
        answers[i].wrong =
            answers[i].answer != NULL && wrong(layer, &answers[i], &room, input_squares);
        right = right && !answers[i].wrong;
    }
    return right;
}
