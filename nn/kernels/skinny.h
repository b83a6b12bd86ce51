/* SPDX-License-Identifier: MIT
 *
 * skinny.h - a large matrix times a few columns, at the speed of reading the matrix once.
 *
 * Y [rows x columns] = W [rows x k] * X, where W is row-major and X is held by columns [columns x
 * k]. OpenBLAS copies W into its own layout first, which costs several times the product.
 */
#ifndef COVEY_NN_SKINNY_H
#define COVEY_NN_SKINNY_H

#include <stdbool.h>
#include <stddef.h>

/* Up to here it beats OpenBLAS. A part is what one thread takes: a fixed number of rows, so that
 * results do not depend on the number of threads. */
enum { COVEY__SKINNY_COLUMNS_MAX = 16, COVEY__SKINNY_PART_ROWS = 96 };

struct covey__skinny {
    size_t rows, columns, k; /* columns in [1, COVEY__SKINNY_COLUMNS_MAX] */
    const float *matrix;
    size_t matrix_stride; /* between rows, at least k */
    const float *vectors;
    size_t vector_stride; /* between columns, at least k */
    float *out;           /* y[row, column] at row * row_stride + column * column_stride */
    size_t row_stride, column_stride;
    bool accumulate; /* Y += W X */
};

/* Rows [first, last). Each result is the same whatever the range. */
void covey__skinny_rows(const struct covey__skinny *s, size_t first, size_t last);

#endif /* COVEY_NN_SKINNY_H */
