/* SPDX-License-Identifier: MIT
 *
 * product_scene.h - a layer's three products in training, and what they are by plain loops.
 */
#ifndef COVEY_TESTS_NN_PRODUCT_SCENE_H
#define COVEY_TESTS_NN_PRODUCT_SCENE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "covey/train_product.h"

/* {batch, in, out, size, kernel, stride, pad, dilation}: a square convolution, nothing of it cut
 * off. kernel 0: dense. */
struct layer_case {
    uint32_t batch, in, out, size, kernel, stride, pad, dilation;
};
/* Convolutions of all kinds of kernels, and dense layers; ends with batch 0. */
extern const struct layer_case product_cases[];

struct covey_train_product product_of(const struct layer_case *l,
                                      enum covey_train_product_kind kind);

struct product_scene {
    struct covey_train_product product;
    float *a, *b;
    double *c; /* exact; of integers below 2^53 to the last bit */
    float *got;
};
/* most 0: numbers of [-1, 1); else integers of at most most. */
void product_scene_open(struct product_scene *s, const struct covey_train_product *p, float most,
                        uint64_t seed);
void product_scene_close(struct product_scene *s);
/* Computes rows of A, coded or not, times b into out, with scratch of its own. */
void product_scene_compute(const struct covey_train_product *p, uint32_t rows, unsigned prime,
                           const float *a, const float *b, float *out);
/* Of got, in the Frobenius norm. */
double product_scene_error(const struct product_scene *s);

/* All tasks of a coded product with their answers; b: of a private code, each task's own. */
struct product_round {
    struct covey_code code;
    float **encoded, **answer, **b;
};
/* masks: the seed of those of a private code. */
void product_round_open(struct product_round *r, const struct product_scene *s,
                        const struct covey_code *code, uint64_t masks);
void product_round_close(struct product_round *r);
/* Feeds answers in a random order until it is ready; returns by how much rounding grew. */
double product_round_decode(const struct product_round *r, uint64_t *seed, float *c);

#endif /* COVEY_TESTS_NN_PRODUCT_SCENE_H */
