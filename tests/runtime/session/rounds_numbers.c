/* SPDX-License-Identifier: MIT */
#include "rounds_numbers.h"

#include <math.h>
#include <stdlib.h>

#include "covey/field.h"

void numbers_make(struct numbers *n, const struct covey_train_product *p)
{
    size_t a = covey_train_product_a_floats(p), b = covey_train_product_b_floats(p);
    size_t c = covey_train_product_c_floats(p);
    n->a = calloc(a, sizeof(float));
    n->b = calloc(b, sizeof(float));
    n->c = calloc(c, sizeof(float));
    n->want = calloc(c, sizeof(float));
    for (size_t i = 0; i < a; i++) {
        n->a[i] = sinf((float)i * 1.7f);
    }
    for (size_t i = 0; i < b; i++) {
        n->b[i] = cosf((float)i * 2.3f);
    }
    void *scratch = aligned_alloc(
        64,
        (covey_train_product_scratch(p, covey_train_product_rows(p), COVEY_FIELD_PRIMES, 1) + 127) /
            64 * 64);
    covey_train_product_compute(
        &(struct covey_train_product_run){.product = p,
                                          .rows = covey_train_product_rows(p),
                                          .prime = COVEY_FIELD_PRIMES,
                                          .a = n->a,
                                          .b = n->b,
                                          .c = n->want,
                                          .scratch = scratch});
    free(scratch);
}

void numbers_drop(struct numbers *n)
{
    free(n->a);
    free(n->b);
    free(n->c);
    free(n->want);
}

double numbers_error(const struct numbers *n, const struct covey_train_product *p)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < covey_train_product_c_floats(p); i++) {
        double d = (double)n->c[i] - (double)n->want[i];
        off += d * d;
        all += (double)n->want[i] * (double)n->want[i];
    }
    return sqrt(off / all);
}
