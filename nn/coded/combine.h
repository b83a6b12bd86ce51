/* SPDX-License-Identifier: MIT
 *
 * combine.h - weighted sums of several arrays, as parities and recovered units are.
 */
#ifndef COVEY_NN_COMBINE_H
#define COVEY_NN_COMBINE_H

#include "covey/split.h"

enum { COVEY__COMBINE_TERMS_MAX = COVEY_GROUP_UNITS_MAX + COVEY_PARITY_MAX };

/* sum_i factor_i term_i, in the order given. */
struct covey__combine {
    unsigned terms;
    float factor[COVEY__COMBINE_TERMS_MAX];
    const float *term[COVEY__COMBINE_TERMS_MAX];
};
/* out [floats] may be one of the terms. */
void covey__combine(const struct covey__combine *c, size_t floats, float *out);

#endif /* COVEY_NN_COMBINE_H */
