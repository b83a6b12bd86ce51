/* SPDX-License-Identifier: MIT
 *
 * project.h - a layer's unrolled input X [k x n] times random columns r [n], without unrolling it.
 *
 * The number of r for image i and output pixel (y, x) is down[i][y] across[x], so that rows and
 * columns of the input can be shrunk one after the other.
 */
#ifndef COVEY_NN_PROJECT_H
#define COVEY_NN_PROJECT_H

#include "../kernels/skinny.h"
#include "covey/split.h"

/* What hides from one secret vector by chance, with a probability near the tolerance, hides from
 * two with its square. */
enum { COVEY__CHECK_VECTORS = 2 };
/* Mean square of the numbers of r. */
#define COVEY__PROJECT_SQUARE (13.0 / 12.0 * (13.0 / 12.0))

struct covey__project {
    float *across;  /* [VECTORS][out_width] */
    float *down;    /* [VECTORS][batch out_height] */
    float *column;  /* r [VECTORS][n] */
    float *taps;    /* across and down as the kernel's taps meet the input; see project.c */
    float *shrunk;  /* [VECTORS][kernel width][channels height] */
    float *product; /* X r [VECTORS][k] */
};

/* Places everything in base and returns the floats that takes; base NULL: that only. */
uint64_t covey__project_init(const struct covey_layer *l, float *base, struct covey__project *out);
/* Of either sign, magnitudes in [0.5, 1.5): no single wrong number hides, and no pattern cancels
 * but by chance. */
float covey__project_draw(uint64_t *state);
void covey__project_run(const struct covey_layer *l, uint64_t seed, const float *input,
                        const struct covey__project *p);

/* As many columns as there are. */
void covey__skinny_multiply(struct covey__skinny s);

#endif /* COVEY_NN_PROJECT_H */
