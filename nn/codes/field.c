/* SPDX-License-Identifier: MIT */
#include "covey/field.h"

#include "../gemm.h"
#include "covey/bytes.h"
#include "field_math.h"
#include "field_sizes.h"
#include "mix_kernel.h"

#include <math.h>
#include <string.h>

/* A tile of C and what it is made of stay in the second cache. */
enum { TILE_ROWS = 256, TILE_COLUMNS = 512, DEPTH = 256 };
/* Integers below it are exact in double precision, whatever the order they are added in. */
#define EXACT 0x1p53
/* Numbers of less than two bits are no numbers. */
#define LEAST 2.0

static const uint32_t primes[COVEY_FIELD_PRIMES] = {16777213, 16777199};

uint32_t covey_field_prime(unsigned index)
{
    COVEY_ASSERT(index < COVEY_FIELD_PRIMES);
    return primes[index];
}

double covey_field_most(unsigned index)
{
    COVEY_ASSERT(index <= COVEY_FIELD_BOTH);
    return index == COVEY_FIELD_BOTH
               ? (double)primes[0] * ((double)primes[1] - 1) / 2 - (double)primes[0]
               : (double)((primes[index] - 1) / 2);
}

covey_err covey_field_from_floats(const float *in, size_t count, double scale, float most,
                                  float *out)
{
    bool in_range = true;
    COVEY_ASSERT((double)most <= covey_field_most(1));
    for (size_t i = 0; i < count; i++) {
        in_range = in_range && fabs(rint((double)in[i] * scale)) <= (double)most; /* NaN is not */
    }
    if (!in_range) {
        return COVEY_ERR_RANGE;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)rint((double)in[i] * scale);
    }
    return COVEY_OK;
}

void covey_field_to_floats(const float *in, size_t count, double scale, float *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)((double)in[i] / scale);
    }
}

bool covey_field_holds(const float *in, size_t count, unsigned index)
{
    float most = (float)covey_field_most(index);
    return covey__mix_kernel()->count_strange(most, in, count) == 0;
}

/* An integer of the prime; what is none counts as zero. */
static uint32_t residue(float v, unsigned index)
{
    bool in_range = fabsf(v) <= (float)((primes[index] - 1) / 2);
    return covey__field_from_float(primes[index], in_range ? v : 0);
}

/* x = a + p (b - a) / p mod q, of either sign (Garner 1959). */
void covey_field_join(const float *first, const float *second, size_t count, double scale,
                      float *out)
{
    uint32_t p = primes[0], q = primes[1], inverse = covey__field_inverse(q, p % q);
    for (size_t i = 0; i < count; i++) {
        uint32_t a = residue(first[i], 0), b = residue(second[i], 1);
        uint32_t times = covey__field_subtract(q, b, a % q);
        times = covey__field_multiply(q, times, inverse);
        double x = (double)a + (double)p * (double)covey__field_to_float(q, times);
        out[i] = (float)(x / scale);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct room {
    double *a, *b, *c;
};

static size_t carve(size_t m, size_t n, size_t k, double *base, struct room *out)
{
    size_t rows = least(m, TILE_ROWS), columns = least(n, TILE_COLUMNS), depth = least(k, DEPTH);
    *out = (struct room){.a = base,
                         .b = base != NULL ? base + rows * depth : NULL,
                         .c = base != NULL ? base + (rows + columns) * depth : NULL};
    return (rows + columns) * depth + rows * columns;
}

size_t covey_field_scratch(size_t m, size_t n, size_t k)
{
    struct room room;
    return carve(m, n, k, NULL, &room);
}

/* [rows x columns] from (row, column) of a matrix, as doubles. */
struct window {
    const float *matrix;
    size_t ld, row, column, rows, columns;
    bool turned;
};

static void load(const struct window *w, double *out)
{
    for (size_t i = 0; i < w->rows; i++) {
        size_t row = w->row + i;
        const float *in =
            w->matrix + (w->turned ? w->column * w->ld + row : row * w->ld + w->column);
        size_t step = w->turned ? w->ld : 1;
        for (size_t j = 0; j < w->columns; j++) {
            *out++ = (double)in[j * step];
        }
    }
}

/* NaN counts as the largest. */
static double largest(const float *v, size_t count)
{
    return (double)covey__mix_kernel()->largest(v, count);
}

struct tile {
    size_t row, column, rows, columns;
};

/* Adds products as long as they are exact, then takes the remainder. */
static void multiply_tile(const struct covey_field_product *p, const struct room *r,
                          const struct tile *t, double term)
{
    const struct covey__mix_kernel *kernel = covey__mix_kernel();
    double prime = (double)primes[p->prime], bound = 0;
    size_t depth = DEPTH, most = term > 0 ? (size_t)fmin((EXACT - prime) / term, 1e9) : DEPTH;
    depth = most > 0 ? least(depth, most) : 1;
    for (size_t k = 0; k < p->k; k += depth) {
        struct window a = {p->a,    p->trans_a ? p->m : p->k, t->row,    k,
                           t->rows, least(depth, p->k - k),   p->trans_a};
        struct window b = {p->b,      p->trans_b ? p->k : p->n, k, t->column, a.columns, t->columns,
                           p->trans_b};
        load(&a, r->a);
        load(&b, r->b);
        if (bound + (double)a.columns * term > EXACT - prime) {
            kernel->reduce(prime, r->c, t->rows * t->columns);
            bound = prime;
        }
        bound += (double)a.columns * term;
        covey__gemm_double(&(struct covey__gemm_double){.m = t->rows,
                                                        .n = t->columns,
                                                        .k = a.columns,
                                                        .a = r->a,
                                                        .b = r->b,
                                                        .c = r->c,
                                                        .accumulate = k > 0});
    }
    for (size_t i = 0; i < t->rows; i++) {
        double *row = r->c + i * t->columns;
        kernel->reduce(prime, row, t->columns);
        kernel->store(prime, row, p->c + (t->row + i) * p->n + t->column, t->columns);
    }
}

/* A matrix times a vector: reads the matrix once, as it is. */
static void multiply_vector(const struct covey_field_product *p)
{
    const struct covey__mix_kernel *kernel = covey__mix_kernel();
    double prime = (double)primes[p->prime];
    for (size_t i = 0; i < p->m; i++) {
        double sum = kernel->dot_exact(prime, p->a + i * p->k, p->b, p->k);
        kernel->store(prime, &sum, p->c + i, 1);
    }
}

/* The same of a matrix that is stored turned: sums of its lines, some rows at a time. */
static void multiply_lines(const struct covey_field_product *p)
{
    enum { WIDTH = COVEY__MIX_WIDTH, TERMS = 64 };
    const struct covey__mix_kernel *kernel = covey__mix_kernel();
    double prime = (double)primes[p->prime], sum[TILE_ROWS];
    for (size_t row = 0; row < p->m; row += TILE_ROWS) {
        size_t rows = least(TILE_ROWS, p->m - row);
        memset(sum, 0, rows * sizeof(double));
        for (size_t k = 0; k < p->k; k += WIDTH) {
            float factor[WIDTH];
            const float *line[WIDTH];
            for (size_t i = 0; i < WIDTH; i++) {
                factor[i] = k + i < p->k ? p->b[k + i] : 0;
                line[i] = p->a + (k + i < p->k ? k + i : k) * p->m + row;
            }
            kernel->add_exact(factor, line, sum, rows);
            if (k % TERMS == TERMS - WIDTH) {
                kernel->reduce(prime, sum, rows);
            }
        }
        kernel->store(prime, sum, p->c + row, rows);
    }
}

void covey_field_multiply(const struct covey_field_product *p)
{
    struct room room;
    COVEY_ASSERT(p->prime < COVEY_FIELD_PRIMES);
    if (p->n == 1) {
        if (p->trans_a) {
            multiply_lines(p);
        } else {
            multiply_vector(p);
        }
        return;
    }
    double term = largest(p->a, p->m * p->k) * largest(p->b, p->k * p->n);
    carve(p->m, p->n, p->k, p->scratch, &room);
    for (size_t row = 0; row < p->m; row += TILE_ROWS) {
        for (size_t column = 0; column < p->n; column += TILE_COLUMNS) {
            struct tile t = {row, column, least(TILE_ROWS, p->m - row),
                             least(TILE_COLUMNS, p->n - column)};
            multiply_tile(p, &room, &t, term);
        }
    }
}

/* The longest of count vectors of k numbers; across: they are columns of a [k x count]. NaN stays.
 */
static double longest(const float *v, size_t count, size_t k, bool across)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t j = 0; j < k; j++) {
            double x = (double)(across ? v[j * count + i] : v[i * k + j]);
            sum += x * x;
        }
        most = most >= sum || isnan(most) ? most : sum;
    }
    return sqrt(most);
}

static struct covey__field_sizes sizes_of(const struct covey_field_product *p)
{
    return (struct covey__field_sizes){largest(p->a, p->m * p->k), largest(p->b, p->k * p->n),
                                       longest(p->a, p->m, p->k, p->trans_a),
                                       longest(p->b, p->n, p->k, !p->trans_b), p->k};
}

bool covey_field_fits(const struct covey_field_product *p, double most)
{
    struct covey__field_sizes s = sizes_of(p);
    return s.longest_a * s.longest_b * (1 + 0x1p-40) <= most ||
           (double)p->k * s.largest_a * s.largest_b <= most;
}

/* Numbers up to q, so that (q u + h)(q v + h) = most: u and v are the longest vectors by the
 * largest numbers, h what rounding may add to a vector. */
covey_err covey__field_scales(const struct covey__field_sizes *s, unsigned index, double *out_a,
                              double *out_b)
{
    double x = s->largest_a > 0 ? s->largest_a : 1, y = s->largest_b > 0 ? s->largest_b : 1;
    double u = fmax(s->longest_a / x, 1), v = fmax(s->longest_b / y, 1);
    double h = sqrt((double)s->k) / 2;
    double most = covey_field_most(index) * (1 - 0x1p-20);
    double linear = h * (u + v), rest = most - h * h;
    if (!(rest > 0) || !isfinite(s->longest_a * s->longest_b)) {
        return COVEY_ERR_RANGE;
    }
    double q = (sqrt(linear * linear + 4 * u * v * rest) - linear) / (2 * u * v);
    q = fmin(floor(q), covey_field_most(1) - 1);
    if (!(q >= LEAST)) {
        return COVEY_ERR_RANGE;
    }
    *out_a = q / x;
    *out_b = q / y;
    return COVEY_OK;
}

covey_err covey_field_scales(const struct covey_field_product *p, unsigned index, double *out_a,
                             double *out_b)
{
    struct covey__field_sizes s = sizes_of(p);
    return covey__field_scales(&s, index, out_a, out_b);
}
