/* SPDX-License-Identifier: MIT
 *
 * code_private.h - what encoding, decoding and checking share.
 */
#ifndef COVEY_NN_CODE_PRIVATE_H
#define COVEY_NN_CODE_PRIVATE_H

#include "covey/code.h"

bool covey__code_is_private(const struct covey_code *code);
/* Of the blocks and masks [n + masks] in task t. */
void covey__private_coefficients(const struct covey_code *code, uint32_t t, float *out);
/* weights [n x needed]: of the answers to so many tasks in each block; points [needed] is spare. */
void covey__private_solve(const struct covey_code *code, const uint32_t *tasks, uint32_t *points,
                          double *weights);
/* The modulus of a code of the field, else 0. */
uint32_t covey__code_modulus(const struct covey_code *code);
/* Of parity t of n blocks; parities in all decide which table it is of. */
float covey__code_parity(uint32_t n, uint32_t parities, uint32_t t, uint32_t j);
/* Row of task t of an LT code. */
void covey__code_draw(uint32_t n, uint64_t seed, uint32_t t, float *out);

/* Rows that span a space, as integers modulo a prime: whether one more brings something new. */
struct covey__span {
    uint32_t n, rank;
    uint32_t *basis; /* [n x n]: row i is zero before i, 1 at i, or all zero */
    uint32_t *spare; /* [n] */
};
/* row: integers. keep: adds it. True: it is in none of the others' span. */
bool covey__span_add(struct covey__span *s, const float *row, bool keep);

/* Unknown blocks from answers: weights W [unknown x answers] with W G = I. */
struct covey__solve {
    uint32_t answers, unknown; /* answers >= unknown */
    const float *matrix;       /* G [answers x unknown], of unknown blocks only */
    const double *noise;       /* [answers], standard deviations; least squares weighs with them */
    double *room;              /* covey__solve_room() */
    double *weights;           /* out, [unknown x answers] */
};
size_t covey__solve_room(uint32_t answers, uint32_t unknown); /* doubles */
/* False: the answers do not determine the blocks. */
bool covey__solve_real(const struct covey__solve *s);
/* With the first `unknown` answers only, exact; weights are integers of either sign. */
bool covey__solve_field(const struct covey__solve *s, uint32_t prime);

#endif /* COVEY_NN_CODE_PRIVATE_H */
