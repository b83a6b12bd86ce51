/* SPDX-License-Identifier: MIT */
#include "split_condition.h"

#include <math.h>
#include <string.h>

#define SINGULAR 1e9

struct matrix {
    double at[SPLIT_ROWS][SPLIT_ROWS];
};

static void swap_rows(double a[SPLIT_ROWS], double b[SPLIT_ROWS])
{
    for (unsigned j = 0; j < SPLIT_ROWS; j++) {
        double kept = a[j];
        a[j] = b[j];
        b[j] = kept;
    }
}

/* Clears column c outside row c of a, the same done to b. */
static bool eliminate(unsigned size, unsigned c, struct matrix *a, struct matrix *b)
{
    unsigned pivot = c;
    for (unsigned i = c + 1; i < size; i++) {
        pivot = fabs(a->at[i][c]) > fabs(a->at[pivot][c]) ? i : pivot;
    }
    if (fabs(a->at[pivot][c]) < 1e-9) {
        return false;
    }
    if (pivot != c) {
        swap_rows(a->at[pivot], a->at[c]);
        swap_rows(b->at[pivot], b->at[c]);
    }
    double scale = 1 / a->at[c][c];
    for (unsigned j = 0; j < SPLIT_ROWS; j++) {
        a->at[c][j] *= scale;
        b->at[c][j] *= scale;
    }
    for (unsigned i = 0; i < size; i++) {
        double times = i == c ? 0 : a->at[i][c];
        for (unsigned j = 0; j < SPLIT_ROWS; j++) {
            a->at[i][j] -= times * a->at[c][j];
            b->at[i][j] -= times * b->at[c][j];
        }
    }
    return true;
}

/* Gauss-Jordan; also the square of the norm of what is inverted. */
static bool invert(const struct split_table *t, const struct split_part *p, struct matrix *out,
                   double *out_squares)
{
    struct matrix a = {0};
    memset(out, 0, sizeof(*out));
    *out_squares = 0;
    for (unsigned i = 0; i < p->size; i++) {
        out->at[i][i] = 1;
        for (unsigned j = 0; j < p->size; j++) {
            a.at[i][j] = t->at[p->row[i]][p->column[j]];
            *out_squares += a.at[i][j] * a.at[i][j];
        }
    }
    for (unsigned c = 0; c < p->size; c++) {
        if (!eliminate(p->size, c, &a, out)) {
            return false;
        }
    }
    return true;
}

double split_condition(const struct split_table *t, const struct split_part *part)
{
    struct matrix inverse;
    double squares, inverse_squares = 0;
    if (!invert(t, part, &inverse, &squares)) {
        return SINGULAR;
    }
    for (unsigned i = 0; i < part->size; i++) {
        for (unsigned j = 0; j < part->size; j++) {
            inverse_squares += inverse.at[i][j] * inverse.at[i][j];
        }
    }
    return sqrt(squares * inverse_squares);
}

static bool lost(const struct split_part *p, unsigned column)
{
    for (unsigned i = 0; i < p->size; i++) {
        if (p->column[i] == column) {
            return true;
        }
    }
    return false;
}

/* Recovered unit i is sum_t inv(A)_it (P_t - sum over the others of g_tj Y_j). */
double split_growth(const struct split_table *t, const struct split_part *part, unsigned count)
{
    struct matrix inverse;
    double squares, worst = 0;
    if (!invert(t, part, &inverse, &squares)) {
        return SINGULAR;
    }
    for (unsigned i = 0; i < part->size; i++) {
        double sum = 0;
        for (unsigned j = 0; j < count; j++) {
            double factor = 0;
            for (unsigned r = 0; r < part->size; r++) {
                double one = inverse.at[i][r] * t->at[part->row[r]][j];
                factor += one;
                sum += one * one; /* the parity's own rounding */
            }
            sum += lost(part, j) ? 0 : factor * factor;
        }
        worst = sum > worst ? sum : worst;
    }
    return sqrt(worst);
}
