/* SPDX-License-Identifier: MIT
 *
 * check_exact.h - check.h for layers of integers, without rounding: s' Y r = c X r modulo primes.
 *
 * Modulo 2^32, as the sums are kept, a wrong top bit would vanish in every second multiple. Modulo
 * primes nothing but zero does; but sums that wrapped are other numbers there, so that answers of
 * weights and inputs by which they may are not judged.
 */
#ifndef COVEY_NN_CHECK_EXACT_H
#define COVEY_NN_CHECK_EXACT_H

#include "covey/check.h"

/* The floats of check.h are uint32 here. */
size_t covey__check_exact_numbers(const struct covey_layer *l);
void covey__check_exact_add(const struct covey_layer *l, const float *s, const float *unit,
                            uint32_t *c);
void covey__check_exact_join(const struct covey_layer *l, const uint32_t *more, uint32_t *c);
size_t covey__check_exact_scratch(const struct covey_layer *l); /* bytes */
/* seed: of the columns r. Sets wrong in each answer. */
void covey__check_exact(const struct covey_layer *l, const float *input, uint64_t seed,
                        struct covey_check_answer *answers, size_t count, void *scratch);

#endif /* COVEY_NN_CHECK_EXACT_H */
