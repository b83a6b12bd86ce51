/* SPDX-License-Identifier: MIT
 *
 * private.h - products whose factors no T of the workers together learn anything of
 * (coded-computing.md section 3; Lagrange coding: Yu et al. 2019).
 *
 * u is the polynomial that goes through A's blocks at n points and through T random masks at T
 * more, v likewise through B at those n points and T masks: what task t is given is u(x_t) and
 * v(x_t). Each view of T workers is uniformly random, whatever A and B are, as long as masks are
 * uniform, secret and never used twice. Answers are a polynomial of degree 2 (n + T - 1), so that
 * 2 (n + T - 1) + 1 of them decode. COVEY_CODE_PRIVATE_INPUTS masks A alone: n + T decode, and
 * workers see B. All of it modulo a prime, see field.h: C is exact.
 */
#ifndef COVEY_PRIVATE_H
#define COVEY_PRIVATE_H

#include "covey/code.h"
#include "covey/field.h"

/* Floats of the T masks of A; those of B are T times as many as B has. */
size_t covey_private_mask_floats(const struct covey_code *code);
/* Uniform numbers of the field from uniform bytes, three for each. Returns how many of count were
 * made before the bytes were used up: about one in 2^24 is drawn again. */
size_t covey_private_mask(const uint8_t *bytes, size_t len, unsigned prime, float *out,
                          size_t count);

struct covey_private_factor {
    const float *at;    /* A or B */
    const float *masks; /* uniform, secret, used once */
    size_t floats;      /* of B */
};
/* What tasks first, first + 1, .. get: of A, covey_code_task_floats(); of B, as many floats as B
 * has (COVEY_CODE_PRIVATE; the other kind sends B itself). The factor is read once for every eight.
 */
void covey_private_encode(const struct covey_code *code, uint32_t first, uint32_t count,
                          const struct covey_private_factor *a, float *const *out);
void covey_private_encode_b(const struct covey_code *code, uint32_t first, uint32_t count,
                            const struct covey_private_factor *b, float *const *out);

/* Whether C = A B for one task's factors, by a secret vector s [n] of the field (Freivalds): wrong
 * rows pass with a chance of 1 / p. spare: p->k + p->m floats. c is the answer, checked to be of
 * the field; scratch is not used. */
bool covey_private_check(const struct covey_field_product *p, const float *s, float *spare);

#endif /* COVEY_PRIVATE_H */
