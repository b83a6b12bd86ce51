/* SPDX-License-Identifier: MIT
 *
 * code_check.h - whether an answer of a coded product is the product it should be
 * (coded-computing.md section 4; Freivalds 1977).
 *
 * s is random and secret, x = B s and z = A x are made once a round. The answer to task t is right
 * when its rows times s are sum_j g_tj z_j, row by row: within rounding, with two vectors s; or
 * exactly, in the field. That costs reading the answer once, and E_t is not needed.
 */
#ifndef COVEY_CODE_CHECK_H
#define COVEY_CODE_CHECK_H

#include "covey/code.h"

struct covey_code_check;

/* UNSUPPORTED: of a private kind, which covey_private_check() checks task by task. */
covey_err covey_code_check_new(const struct covey_code *code,
                               struct covey_code_check **out) COVEY_CHECK;
void covey_code_check_free(struct covey_code_check *check); /* NULL is a no-op */
/* Vectors of the check, each of c.outer c.inner floats. */
unsigned covey_code_check_vectors(const struct covey_code_check *check);

/* Of a code of the field, its prime; else COVEY_FIELD_PRIMES. */
unsigned covey_code_check_prime(const struct covey_code_check *check);

/* A round begins: draws s. Nobody else may know the seed before the answers are in. The code's own
 * seed (LT) too may change. Returned until the next round: s [vectors][c.outer c.inner]. */
const float *covey_code_check_start(struct covey_code_check *check, uint64_t secret, uint64_t seed);
/* A is multiplied with B [a.outer a.inner x c.outer c.inner]. */
void covey_code_check_product(struct covey_code_check *check, const float *a, const float *b);
/* Anything else that is linear, as a convolution of rows that are images: x [vectors][a.outer
 * a.inner] is its adjoint applied to s, squares the sum of the squares of the matrix that it is
 * (of the field: not used). */
void covey_code_check_linear(struct covey_code_check *check, const float *a, const float *x,
                             double squares);
/* True: right, as far as can be told. rounding: of the answer's numbers on their way: 0, or 2^-11
 * where they were float16 (0 in the field). */
bool covey_code_check_answer(struct covey_code_check *check, uint32_t t, const float *answer,
                             float rounding);

#endif /* COVEY_CODE_CHECK_H */
