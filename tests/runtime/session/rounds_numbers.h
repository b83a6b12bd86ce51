/* SPDX-License-Identifier: MIT
 *
 * rounds_numbers.h - the factors of a product, some numbers of no meaning, and what it must be.
 */
#ifndef COVEY_TEST_ROUNDS_NUMBERS_H
#define COVEY_TEST_ROUNDS_NUMBERS_H

#include "covey/train_product.h"

struct numbers {
    float *a, *b, *c, *want;
};

void numbers_make(struct numbers *n, const struct covey_train_product *p);
void numbers_drop(struct numbers *n);
/* Of c, relative, in the Frobenius norm. */
double numbers_error(const struct numbers *n, const struct covey_train_product *p);

#endif /* COVEY_TEST_ROUNDS_NUMBERS_H */
