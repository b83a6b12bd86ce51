/* SPDX-License-Identifier: MIT
 *
 * op_cast_chunk.h - runs of elements of any type, read as and written from doubles or integers.
 *
 * The generic kernels compute on these; the switch over types is outside the loops.
 */
#ifndef COVEY_NN_OP_CAST_CHUNK_H
#define COVEY_NN_OP_CAST_CHUNK_H

#include "ops.h"

/* Elements [first, first + count) of t; booleans are 0 and 1. */
void covey__chunk_reals(const struct covey_tensor *t, size_t first, size_t count, double *out);
/* uint64 as its bits; floating point towards zero and saturating. */
void covey__chunk_ints(const struct covey_tensor *t, size_t first, size_t count, int64_t *out);
/* To integers towards zero and saturating, NaN to 0. */
void covey__chunk_put_reals(struct covey_tensor *t, size_t first, size_t count, const double *in);
/* Wraps around, as C and numpy do. */
void covey__chunk_put_ints(struct covey_tensor *t, size_t first, size_t count, const int64_t *in);

#endif /* COVEY_NN_OP_CAST_CHUNK_H */
