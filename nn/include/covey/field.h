/* SPDX-License-Identifier: MIT
 *
 * field.h - exact products modulo a prime, through double-precision BLAS (coded-computing.md
 * section 3).
 *
 * Numbers of a field of p elements are integers of either sign, at most (p - 1) / 2, held as
 * floats, which is exact since p < 2^24. Real numbers become integers by a scale; their product is
 * exact as long as no number of the result exceeds the field: covey_field_fits() knows beforehand.
 * Two primes together reach 2^46 (COVEY_FIELD_BOTH).
 */
#ifndef COVEY_FIELD_H
#define COVEY_FIELD_H

#include "covey/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 16777213 and 16777199, the largest below 2^24. */
enum { COVEY_FIELD_PRIMES = 2, COVEY_FIELD_BOTH = COVEY_FIELD_PRIMES };
uint32_t covey_field_prime(unsigned index);
/* Largest magnitude that a result may have: of one prime, or of both together. */
double covey_field_most(unsigned index);

/* out[i] = in[i] scale, rounded to an integer. RANGE: one is no number or larger than most (at most
 * covey_field_most(1)). out may be in. */
covey_err covey_field_from_floats(const float *in, size_t count, double scale, float most,
                                  float *out) COVEY_CHECK;
/* out[i] = in[i] / scale: of a product, scale is that of both factors multiplied. */
/* Whether all are numbers of the field of a prime: to be asked of what came from outside. */
bool covey_field_holds(const float *in, size_t count, unsigned index);
void covey_field_to_floats(const float *in, size_t count, double scale, float *out);
/* The integer that is first[i] modulo the first prime and second[i] modulo the second, by scale. */
void covey_field_join(const float *first, const float *second, size_t count, double scale,
                      float *out);

/* C [m x n] = A [m x k] B [k x n]. */
struct covey_field_product {
    size_t m, n, k;
    const float *a, *b; /* trans_a: A is stored [k x m]; trans_b: B [n x k] */
    bool trans_a, trans_b;
    unsigned prime;
    float *c;
    double *scratch; /* covey_field_scratch() doubles */
};
size_t covey_field_scratch(size_t m, size_t n, size_t k);
/* Exact whatever the integers, if they are of the field. */
void covey_field_multiply(const struct covey_field_product *p);

/* Whether A B of integers stays within most: by the norms of A's rows and B's columns (Cauchy and
 * Schwarz), and by the largest numbers. Never true in vain. */
bool covey_field_fits(const struct covey_field_product *p, double most);
/* The two scales with which A and B, as they are, just stay within the field, with numbers of the
 * same number of bits. RANGE: not finite, or the numbers would have less than 2 bits. */
covey_err covey_field_scales(const struct covey_field_product *p, unsigned index, double *out_a,
                             double *out_b) COVEY_CHECK;

#endif /* COVEY_FIELD_H */
