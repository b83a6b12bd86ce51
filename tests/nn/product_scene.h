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
/* Computes rows of A, coded or not, into out, with scratch of its own. */
void product_scene_compute(const struct product_scene *s, uint32_t rows, unsigned prime,
                           const float *a, float *out);
/* Of got, in the Frobenius norm. */
double product_scene_error(const struct product_scene *s);

#endif /* COVEY_TESTS_NN_PRODUCT_SCENE_H */
