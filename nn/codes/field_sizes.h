/* SPDX-License-Identifier: MIT
 *
 * field_sizes.h - what a product's numbers are at most, as far as its scales depend on it.
 */
#ifndef COVEY_NN_FIELD_SIZES_H
#define COVEY_NN_FIELD_SIZES_H

#include "covey/err.h"

#include <stddef.h>

/* Of each number of the result, sums of k products of two vectors: the largest numbers and the
 * longest of those vectors, of A and of B. NaN stays. */
struct covey__field_sizes {
    double largest_a, largest_b, longest_a, longest_b;
    size_t k;
};
/* As covey_field_scales(). */
covey_err covey__field_scales(const struct covey__field_sizes *s, unsigned index, double *out_a,
                              double *out_b) COVEY_CHECK;

#endif /* COVEY_NN_FIELD_SIZES_H */
