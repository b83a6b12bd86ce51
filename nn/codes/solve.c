/* SPDX-License-Identifier: MIT */
#include "code_private.h"

#include "field_math.h"

#include <math.h>

/* A column of which so little is left beside the others depends on them. */
#define DEPENDENT 1e-13

size_t covey__solve_room(uint32_t answers, uint32_t unknown)
{
    return ((size_t)answers + unknown) * unknown; /* answers >= unknown: either way */
}

/* G / noise = Q R: Q [unknown x answers] by columns, R [unknown x unknown]. */
struct factors {
    double *q, *r;
    uint32_t answers, unknown;
};

static double dot(const double *a, const double *b, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Column u less what is in those before it; twice, so that nothing is left of them. */
static bool orthogonalise(const struct factors *f, uint32_t u)
{
    double *column = f->q + (size_t)u * f->answers;
    double before = sqrt(dot(column, column, f->answers));
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t v = 0; v < u; v++) {
            const double *other = f->q + (size_t)v * f->answers;
            double times = dot(column, other, f->answers);
            f->r[(size_t)v * f->unknown + u] += times;
            for (uint32_t i = 0; i < f->answers; i++) {
                column[i] -= times * other[i];
            }
        }
    }
    double left = sqrt(dot(column, column, f->answers));
    if (!(left > DEPENDENT * before)) {
        return false;
    }
    f->r[(size_t)u * f->unknown + u] = left;
    for (uint32_t i = 0; i < f->answers; i++) {
        column[i] /= left;
    }
    return true;
}

/* W = inv(R) Q' / noise, from the last row on. */
static void substitute(const struct factors *f, const double *noise, double *weights)
{
    for (uint32_t u = f->unknown; u-- > 0;) {
        double *row = weights + (size_t)u * f->answers;
        for (uint32_t i = 0; i < f->answers; i++) {
            row[i] = f->q[(size_t)u * f->answers + i];
        }
        for (uint32_t v = u + 1; v < f->unknown; v++) {
            const double *other = weights + (size_t)v * f->answers;
            double times = f->r[(size_t)u * f->unknown + v];
            for (uint32_t i = 0; i < f->answers; i++) {
                row[i] -= times * other[i];
            }
        }
        for (uint32_t i = 0; i < f->answers; i++) {
            row[i] /= f->r[(size_t)u * f->unknown + u];
        }
    }
    for (size_t i = 0; i < (size_t)f->unknown * f->answers; i++) {
        weights[i] /= noise[i % f->answers];
    }
}

bool covey__solve_real(const struct covey__solve *s)
{
    struct factors f = {.q = s->room,
                        .r = s->room + (size_t)s->answers * s->unknown,
                        .answers = s->answers,
                        .unknown = s->unknown};
    for (uint32_t i = 0; i < s->unknown * s->unknown; i++) {
        f.r[i] = 0;
    }
    for (uint32_t u = 0; u < s->unknown; u++) {
        for (uint32_t i = 0; i < s->answers; i++) {
            double g = (double)s->matrix[(size_t)i * s->unknown + u];
            f.q[(size_t)u * s->answers + i] = g / s->noise[i];
        }
    }
    for (uint32_t u = 0; u < s->unknown; u++) {
        if (!orthogonalise(&f, u)) {
            return false;
        }
    }
    substitute(&f, s->noise, s->weights);
    return true;
}

/* Integers below 2^53, held as the doubles that the room is made of. */
struct rows {
    double *at; /* [size x 2 size]: of the matrix, then of the identity */
    uint32_t size, prime;
};

static uint32_t get(const struct rows *r, uint32_t i, uint32_t j)
{
    return (uint32_t)r->at[(size_t)i * 2 * r->size + j];
}

static void put(const struct rows *r, uint32_t i, uint32_t j, uint32_t value)
{
    r->at[(size_t)i * 2 * r->size + j] = (double)value;
}

/* Makes column c that of the identity. */
static bool eliminate(const struct rows *r, uint32_t c)
{
    uint32_t pivot = c, width = 2 * r->size;
    while (pivot < r->size && get(r, pivot, c) == 0) {
        pivot++;
    }
    if (pivot == r->size) {
        return false;
    }
    uint32_t scale = covey__field_inverse(r->prime, get(r, pivot, c));
    for (uint32_t j = 0; j < width; j++) {
        uint32_t kept = get(r, c, j);
        put(r, c, j, covey__field_multiply(r->prime, get(r, pivot, j), scale));
        if (pivot != c) {
            put(r, pivot, j, kept);
        }
    }
    for (uint32_t i = 0; i < r->size; i++) {
        uint32_t times = i == c ? 0 : get(r, i, c);
        for (uint32_t j = 0; j < width && times != 0; j++) {
            uint32_t part = covey__field_multiply(r->prime, times, get(r, c, j));
            put(r, i, j, covey__field_subtract(r->prime, get(r, i, j), part));
        }
    }
    return true;
}

bool covey__solve_field(const struct covey__solve *s, uint32_t prime)
{
    struct rows r = {.at = s->room, .size = s->unknown, .prime = prime};
    for (uint32_t i = 0; i < s->unknown; i++) {
        for (uint32_t j = 0; j < s->unknown; j++) {
            float g = s->matrix[(size_t)i * s->unknown + j];
            put(&r, i, j, covey__field_from_float(prime, g));
            put(&r, i, s->unknown + j, i == j);
        }
    }
    for (uint32_t c = 0; c < s->unknown; c++) {
        if (!eliminate(&r, c)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < s->unknown; i++) {
        for (uint32_t j = 0; j < s->answers; j++) {
            double *out = &s->weights[(size_t)i * s->answers + j];
            *out = j < s->unknown ? (double)covey__field_to_float(prime, get(&r, i, s->unknown + j))
                                  : 0;
        }
    }
    return true;
}
