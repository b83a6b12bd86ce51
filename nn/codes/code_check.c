/* SPDX-License-Identifier: MIT */
#include "covey/code_check.h"

#include "../coded/project.h"
#include "../kernels/vkernels.h"
#include "code_private.h"
#include "covey/bytes.h"
#include "covey/field.h"
#include "field_math.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums are taken in float over a block, in double over the blocks. */
enum { VECTORS = COVEY__CHECK_VECTORS, BLOCK = 1024 };
/* Rounding of honest answers, in units of 2^-24 of |e| |B| |s|, stays below a third of it
 * (docs/coding.md); and that of answers that were rounded on their way, in units of theirs. */
#define TOLERANCE 32.0
#define ROUNDED_TOLERANCE 4.0
/* Below it float32 has no number of full precision: what is lost of squares and of products there
 * is nobody's lie either. */
#define LEAST 0x1p-126
/* Beyond it float32 may overflow, which is nobody's lie. */
#define UNCHECKABLE 1e35

struct covey_code_check {
    struct covey_code code;
    unsigned vectors;
    size_t in, out;  /* of a row of A, of C */
    float *s, *x;    /* [vectors][out], [vectors][in] */
    double *z;       /* [rows][vectors], A x */
    double *norm;    /* [rows], of rows of A */
    double matrix;   /* |B| |s| / sqrt(out) */
    float *part;     /* [rows][vectors] */
    double *got;     /* [rows][vectors], of an answer */
    double *squares; /* [rows], likewise */
    double *scratch; /* field only */
};

/* Rows [outer][rows][inner] times vectors [vectors][outer inner]. */
struct projection {
    struct covey_code_shape shape;
    size_t rows;
    const float *matrix, *vectors;
    double *out;     /* [rows][VECTORS] */
    double *squares; /* [rows], of the matrix's rows; NULL: not wanted */
};

covey_err covey_code_check_new(const struct covey_code *code, struct covey_code_check **out)
{
    covey_err err = covey_code_check(code);
    if (err == COVEY_OK && covey__code_is_private(code)) {
        err = COVEY_ERR_UNSUPPORTED;
    }
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_code_check *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return COVEY_ERR_NOMEM;
    }
    bool exact = covey__code_modulus(code) != 0;
    c->code = *code;
    c->vectors = exact ? 1 : VECTORS;
    c->in = code->a.outer * code->a.inner;
    c->out = code->c.outer * code->c.inner;
    size_t rows = code->rows, deepest = c->in > c->out ? c->in : c->out;
    size_t products = exact ? covey_field_scratch(rows > c->in ? rows : c->in, 1, deepest) : 1;
    c->s = calloc(c->vectors * c->out, sizeof(float));
    c->x = calloc(c->vectors * c->in, sizeof(float));
    c->z = calloc(c->vectors * rows, sizeof(double));
    c->norm = calloc(rows, sizeof(double));
    c->part = calloc(c->vectors * rows, sizeof(float));
    c->got = calloc(c->vectors * rows, sizeof(double));
    c->squares = calloc(rows, sizeof(double));
    c->scratch = calloc(products, sizeof(double));
    if (c->s == NULL || c->x == NULL || c->z == NULL || c->norm == NULL || c->part == NULL ||
        c->got == NULL || c->squares == NULL || c->scratch == NULL) {
        covey_code_check_free(c);
        return COVEY_ERR_NOMEM;
    }
    *out = c;
    return COVEY_OK;
}

void covey_code_check_free(struct covey_code_check *c)
{
    if (c == NULL) {
        return;
    }
    free(c->s);
    free(c->x);
    free(c->z);
    free(c->norm);
    free(c->part);
    free(c->got);
    free(c->squares);
    free(c->scratch);
    free(c);
}

unsigned covey_code_check_vectors(const struct covey_code_check *c)
{
    return c->vectors;
}

unsigned covey_code_check_prime(const struct covey_code_check *c)
{
    return c->code.kind == COVEY_CODE_FIELD ? c->code.prime : COVEY_FIELD_PRIMES;
}

static bool is_exact(const struct covey_code_check *c)
{
    return covey__code_modulus(&c->code) != 0;
}

const float *covey_code_check_start(struct covey_code_check *c, uint64_t secret, uint64_t seed)
{
    c->code.seed = seed;
    for (size_t i = 0; i < c->vectors * c->out; i++) {
        c->s[i] = covey__project_draw(&secret);
        if (is_exact(c)) { /* magnitudes of [0.5, 1.5) to any number of the field but zero */
            float most = (float)covey_field_most(c->code.prime);
            float size = rintf((fabsf(c->s[i]) - 0.5f) * (most - 1)) + 1;
            c->s[i] = c->s[i] < 0 ? -size : size;
        }
    }
    return c->s;
}

/* The columns of one outer piece of all rows; sums of at most BLOCK in float. */
static void project_piece(const struct projection *p, size_t outer, float *part)
{
    const struct covey__vkernels *v = covey__vkernels();
    size_t inner = p->shape.inner;
    const float *matrix = p->matrix + outer * p->rows * inner;
    for (size_t first = 0; first < inner; first += BLOCK) {
        size_t count = inner - first < BLOCK ? inner - first : BLOCK;
        covey__skinny_multiply((struct covey__skinny){.rows = p->rows,
                                                      .columns = VECTORS,
                                                      .k = count,
                                                      .matrix = matrix + first,
                                                      .matrix_stride = inner,
                                                      .vectors = p->vectors + outer * inner + first,
                                                      .vector_stride = p->shape.outer * inner,
                                                      .out = part,
                                                      .row_stride = VECTORS,
                                                      .column_stride = 1});
        for (size_t i = 0; i < p->rows * VECTORS; i++) {
            p->out[i] += (double)part[i];
        }
        for (size_t i = 0; i < p->rows && p->squares != NULL; i++) {
            p->squares[i] += (double)v->squares(matrix + i * inner + first, 0, count);
        }
    }
}

/* Rows that lie across: [outer][rows]. part [VECTORS][rows] here. */
static void project_across(const struct projection *p, float *part)
{
    const struct covey__vkernels *v = covey__vkernels();
    for (size_t first = 0; first < p->shape.outer; first += BLOCK) {
        size_t last = p->shape.outer - first < BLOCK ? p->shape.outer : first + BLOCK;
        memset(part, 0, VECTORS * p->rows * sizeof(float));
        for (size_t o = first; o < last; o++) {
            const float *line = p->matrix + o * p->rows;
            for (size_t j = 0; j < VECTORS; j++) {
                v->update_axpy(p->vectors[j * p->shape.outer + o], line, part + j * p->rows,
                               p->rows);
            }
            for (size_t i = 0; i < p->rows && p->squares != NULL; i++) {
                p->squares[i] += (double)line[i] * (double)line[i];
            }
        }
        for (size_t i = 0; i < p->rows * VECTORS; i++) {
            p->out[i] += (double)part[i % VECTORS * p->rows + i / VECTORS];
        }
    }
}

static void project(const struct projection *p, float *part)
{
    memset(p->out, 0, p->rows * VECTORS * sizeof(double));
    if (p->squares != NULL) {
        memset(p->squares, 0, p->rows * sizeof(double));
    }
    if (p->shape.inner == 1) {
        project_across(p, part);
        return;
    }
    for (size_t outer = 0; outer < p->shape.outer; outer++) {
        project_piece(p, outer, part);
    }
}

static double squares_of(const float *v, size_t count)
{
    const struct covey__vkernels *kernels = covey__vkernels();
    double sum = 0;
    for (size_t i = 0; i < count; i += BLOCK) {
        sum += (double)kernels->squares(v + i, 0, count - i < BLOCK ? count - i : BLOCK);
    }
    return sum;
}

/* Rows [outer][rows][inner] times s or x, modulo the prime. */
static void project_exactly(const struct covey_code_check *c, const struct projection *p)
{
    bool across = p->shape.inner == 1;
    size_t steps = across ? 1 : p->shape.outer, k = across ? p->shape.outer : p->shape.inner;
    uint32_t prime = covey__code_modulus(&c->code);
    memset(p->out, 0, p->rows * sizeof(double));
    for (size_t step = 0; step < steps; step++) {
        covey_field_multiply(&(struct covey_field_product){.m = p->rows,
                                                           .n = 1,
                                                           .k = k,
                                                           .a = p->matrix + step * p->rows * k,
                                                           .b = p->vectors + step * k,
                                                           .trans_a = across,
                                                           .prime = c->code.prime,
                                                           .c = c->part,
                                                           .scratch = c->scratch});
        for (size_t i = 0; i < p->rows; i++) {
            p->out[i] = fmod(p->out[i] + (double)c->part[i] + (double)prime, (double)prime);
        }
    }
}

void covey_code_check_linear(struct covey_code_check *c, const float *a, const float *x,
                             double squares)
{
    if (is_exact(c)) {
        memmove(c->x, x, c->in * sizeof(float));
        project_exactly(c, &(struct projection){.shape = c->code.a,
                                                .rows = c->code.rows,
                                                .matrix = a,
                                                .vectors = c->x,
                                                .out = c->z});
        return;
    }
    double secret = squares_of(c->s, VECTORS * c->out) / (double)(VECTORS * c->out);
    memmove(c->x, x, VECTORS * c->in * sizeof(float));
    c->matrix = sqrt((squares + LEAST * (double)c->in * (double)c->out) * secret);
    struct projection p = {.shape = c->code.a,
                           .rows = c->code.rows,
                           .matrix = a,
                           .vectors = c->x,
                           .out = c->z,
                           .squares = c->norm};
    project(&p, c->part);
    for (size_t i = 0; i < c->code.rows; i++) {
        c->norm[i] = sqrt(c->norm[i] + LEAST * (double)c->in);
    }
}

void covey_code_check_product(struct covey_code_check *c, const float *a, const float *b)
{
    if (!is_exact(c)) {
        covey__skinny_multiply((struct covey__skinny){.rows = c->in,
                                                      .columns = VECTORS,
                                                      .k = c->out,
                                                      .matrix = b,
                                                      .matrix_stride = c->out,
                                                      .vectors = c->s,
                                                      .vector_stride = c->out,
                                                      .out = c->x,
                                                      .row_stride = 1,
                                                      .column_stride = c->in});
        covey_code_check_linear(c, a, c->x, squares_of(b, c->in * c->out));
        return;
    }
    covey_field_multiply(&(struct covey_field_product){.m = c->in,
                                                       .n = 1,
                                                       .k = c->out,
                                                       .a = b,
                                                       .b = c->s,
                                                       .prime = c->code.prime,
                                                       .c = c->x,
                                                       .scratch = c->scratch});
    covey_code_check_linear(c, a, c->x, 0);
}

/* Row i of sum_j g_j z_j, and what |e| of that row is at most. */
struct expected {
    double at[VECTORS], norm;
};

static struct expected expected_of(const struct covey_code_check *c, const float *g, uint32_t i)
{
    struct expected e = {{0}, 0};
    for (uint32_t j = 0; j < c->code.n; j++) {
        uint32_t first;
        if (g[j] == 0 || i >= covey_code_block(&c->code, j, &first)) {
            continue;
        }
        for (unsigned v = 0; v < VECTORS; v++) {
            e.at[v] += (double)g[j] * c->z[(size_t)(first + i) * VECTORS + v];
        }
        e.norm += fabs((double)g[j]) * c->norm[first + i];
    }
    return e;
}

/* |C s - E (B s)| against the rounding of C = E B: that of one number is in proportion to |e| |b|,
 * those of a row add up as random numbers do, and B s and A x round no more. */
static bool is_row_right(const struct covey_code_check *c, const struct expected *e, uint32_t i,
                         float rounding)
{
    double size = e->norm * c->matrix, tolerance = TOLERANCE * 0x1p-24 * size;
    tolerance += LEAST * (double)c->in * (double)c->out;
    if (!(size < UNCHECKABLE)) {
        return true;
    }
    if (rounding > 0) {
        double least = 0x1p-14 * sqrt((double)c->out);
        tolerance += ROUNDED_TOLERANCE * (double)rounding * (sqrt(c->squares[i]) + least);
    }
    bool right = isfinite(tolerance);
    for (unsigned v = 0; v < VECTORS; v++) {
        right = right && fabs(c->got[(size_t)i * VECTORS + v] - e->at[v]) <= tolerance;
    }
    return right;
}

static bool is_exactly_right(const struct covey_code_check *c, const float *g, uint32_t i)
{
    uint32_t p = covey__code_modulus(&c->code), sum = 0;
    for (uint32_t j = 0; j < c->code.n; j++) {
        uint32_t first, rows = covey_code_block(&c->code, j, &first);
        uint32_t z = i < rows ? (uint32_t)c->z[first + i] : 0;
        sum = (sum + covey__field_multiply(p, covey__field_from_float(p, g[j]), z)) % p;
    }
    return (double)sum == c->got[i];
}

bool covey_code_check_answer(struct covey_code_check *c, uint32_t t, const float *answer,
                             float rounding)
{
    float g[COVEY_CODE_BLOCKS_MAX];
    uint32_t rows = covey_code_task_rows(&c->code, t);
    struct projection p = {.shape = c->code.c,
                           .rows = rows,
                           .matrix = answer,
                           .vectors = c->s,
                           .out = c->got,
                           .squares = rounding > 0 ? c->squares : NULL};
    bool right = true;
    covey_code_coefficients(&c->code, t, g);
    if (is_exact(c)) {
        right = covey_field_holds(answer, covey_code_answer_floats(&c->code, t), c->code.prime);
        if (right) {
            project_exactly(c, &p);
        }
    } else {
        project(&p, c->part);
    }
    for (uint32_t i = 0; i < rows && right; i++) {
        struct expected e = {{0}, 0};
        if (!is_exact(c)) {
            e = expected_of(c, g, i);
        }
        right = is_exact(c) ? is_exactly_right(c, g, i) : is_row_right(c, &e, i, rounding);
    }
    return right;
}
