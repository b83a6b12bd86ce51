/* SPDX-License-Identifier: MIT
 *
 * sparse.h - floats without their zeros: a bit for each float, lowest first, in whole words of 32,
 * then those that are not +0, in order. What a ReLU leaves is half zeros.
 */
#ifndef COVEY_NN_SPARSE_H
#define COVEY_NN_SPARSE_H

#include <stddef.h>

/* Floats and words that count floats take at most, and those that were written to out. */
size_t covey__sparse_most(size_t count);
size_t covey__sparse_put(const float *in, size_t count, float *out);
/* Of at most size floats and words, from anybody. Returns how many were read; 0: they are not what
 * covey__sparse_put() writes of count floats, count > 0. */
size_t covey__sparse_take(const float *in, size_t size, float *out, size_t count);

#endif /* COVEY_NN_SPARSE_H */
