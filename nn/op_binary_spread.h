/* SPDX-License-Identifier: MIT
 *
 * op_binary_spread.h - walks up to three inputs that are broadcast together, row by row.
 *
 * For any element type; what is done with a row is the caller's.
 */
#ifndef COVEY_NN_OP_BINARY_SPREAD_H
#define COVEY_NN_OP_BINARY_SPREAD_H

#include "ops.h"

enum { COVEY__SPREAD_INPUTS = 3, COVEY__ROW_MAX = 512 };

/* Elements [out, out + count) of the result: where their inputs begin, and whether each of them is
 * one element that repeats (step 0) or as many as the result has (step 1). */
struct covey__row {
    const struct covey__op_call *c;
    const void *ctx;
    size_t at[COVEY__SPREAD_INPUTS], step[COVEY__SPREAD_INPUTS];
    size_t out, count; /* count in [1, COVEY__ROW_MAX] */
};

typedef void (*covey__row_fn)(const struct covey__row *row);

/* Calls fn for all rows of output 0, on all threads; inputs: how many of the call's are read. */
void covey__spread_run(const struct covey__op_call *c, unsigned inputs, covey__row_fn fn,
                       const void *ctx);

#endif /* COVEY_NN_OP_BINARY_SPREAD_H */
