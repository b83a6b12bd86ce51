/* SPDX-License-Identifier: MIT
 *
 * mix.h - several weighted sums of the same arrays in one pass over them.
 */
#ifndef COVEY_NN_MIX_H
#define COVEY_NN_MIX_H

#include <stddef.h>
#include <stdint.h>

/* [outer] pieces of so many floats, stride apart. Where a term is shorter, it is zero. */
struct covey__mix_term {
    const float *at;
    size_t stride, floats;
};
struct covey__mix_out {
    float *at;
    size_t stride, floats;
    const float *factor; /* [terms] */
};
/* out_i = sum_t factor_it term_t; modulo the prime if there is one. No output overlaps a term. */
struct covey__mix {
    size_t outer;
    uint32_t terms, outs;
    const struct covey__mix_term *term;
    const struct covey__mix_out *out;
    uint32_t prime; /* 0: real numbers */
};
void covey__mix_run(const struct covey__mix *m);

#endif /* COVEY_NN_MIX_H */
