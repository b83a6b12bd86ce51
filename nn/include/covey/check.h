/* SPDX-License-Identifier: MIT
 *
 * check.h - whether a holder's answer is the product it should be, by a secret vector
 * (coded-computing.md sections 1 and 4; Freivalds 1977).
 *
 * For a holder with rows R of W: s [R] is random and known to the owner only, c = s' W_R [k] is
 * made once. An answer Y [R x n] is right when s' Y equals c X within rounding. Costs R + k
 * multiplications a column, against R x k of the product. Both sides are multiplied by random
 * columns too, so that X is shrunk once for all holders and never unrolled.
 *
 * Of an exact layer (exact.h) answers are int32, c is of integers, and nothing is rounded: both
 * sides are equal modulo two primes. Sums that could pass 2^31 are not judged.
 */
#ifndef COVEY_CHECK_H
#define COVEY_CHECK_H

#include "covey/split.h"

/* c += s [unit_rows]' unit [unit_rows x k], for s and for a second vector that is made of it: what
 * one misses by chance the other does not. c has covey_check_floats(), zeros at first; all slots of
 * the holder in order. */
size_t covey_check_floats(const struct covey_layer *layer);
void covey_check_add(const struct covey_layer *layer, const float *s, const float *unit, float *c);

/* c += more: that of more slots. */
void covey_check_join(const struct covey_layer *layer, const float *more, float *c);

struct covey_check_answer {
    const float *s; /* [slots x unit_rows]; of either sign, best with magnitudes in [0.5, 1.5) */
    const float *c; /* [covey_check_floats()] */
    const float *answer; /* [slots x unit_rows x n]; NULL: none came, nothing is checked */
    size_t slots;
    float rounding; /* of the answer's numbers on their way: 0, or 2^-11 where they were float16 */
    bool wrong;     /* set by the check */
};
/* Checks the answers of several holders to one input. scratch: covey_check_scratch() bytes. False:
 * one is wrong. */
size_t covey_check_scratch(const struct covey_layer *layer, size_t count);
bool covey_check_answers(const struct covey_layer *layer, const float *input,
                         struct covey_check_answer *answers, size_t count, void *scratch);

#endif /* COVEY_CHECK_H */
