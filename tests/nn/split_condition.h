/* SPDX-License-Identifier: MIT
 *
 * split_condition.h - condition numbers of the square parts of a table of parity coefficients.
 *
 * Losing the units J of a group and decoding with the parities T solves the square part G[T][J]:
 * its condition number bounds how much the answers' rounding grows.
 */
#ifndef COVEY_TESTS_SPLIT_CONDITION_H
#define COVEY_TESTS_SPLIT_CONDITION_H

#include <stdbool.h>
#include <stddef.h>

#include "choice.h"

enum { SPLIT_ROWS = 4, SPLIT_COLUMNS = 16 };

struct split_table {
    double at[SPLIT_ROWS][SPLIT_COLUMNS];
};

/* The square part of `size` parities and as many units, ascending. */
struct split_part {
    unsigned size;
    unsigned row[SPLIT_ROWS], column[SPLIT_ROWS];
};

/* |A| |inv(A)| in the Frobenius norm, at least that of the 2-norm; 1e9 when singular. */
double split_condition(const struct split_table *t, const struct split_part *part);
/* How many times larger than one answer's the rounding of the worst recovered unit is, by the root
 * of the sum of squares, when answers of `count` units round alike and parities in proportion to
 * their row's norm. */
double split_growth(const struct split_table *t, const struct split_part *part, unsigned count);

#endif /* COVEY_TESTS_SPLIT_CONDITION_H */
