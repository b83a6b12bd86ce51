/* SPDX-License-Identifier: MIT
 *
 * train_spec.h - what the specs and bodies of the task pool's messages hold (covey/message_train.h
 * has the messages). Fixed width, little-endian; every size is checked against the body's.
 */
#ifndef COVEY_SESSION_TRAIN_SPEC_H
#define COVEY_SESSION_TRAIN_SPEC_H

#include "covey/gradient_code.h"
#include "covey/ids.h"
#include "covey/limits.h"
#include "covey/train_product.h"

enum covey_train_mode {
    COVEY_TRAIN_PRODUCTS = 1, /* a round is one product; nothing is needed beforehand */
    COVEY_TRAIN_DATA = 2,     /* a round is one step's gradient; the model is needed */
};

/* ENLIST */
struct covey_enlist_spec {
    enum covey_train_mode mode;
    /* DATA: */
    struct covey_digest model; /* manifest of the graph that is trained */
    uint32_t part;             /* samples of one part of a batch */
    float label_smoothing;
    uint64_t seed; /* of dropout */
};
enum { COVEY_ENLIST_SPEC_BYTES = 49 };

/* ROUND. A product: the body is B of every task; with `own_b` there is none, and each task brings
 * its own behind its E. A gradient: the body is the parameters, then the running statistics. */
struct covey_round_spec {
    enum covey_train_mode mode;
    struct covey_train_product product;
    uint8_t prime; /* < COVEY_FIELD_PRIMES: integers of that field */
    bool own_b;
    uint64_t step; /* gradient */
};
enum { COVEY_ROUND_SPEC_BYTES = 91 };

/* TASK. A product: rows of E, the body is E. A gradient: parts with their coefficients; the body is
 * the samples [count][part][values] as floats, then the labels [count][part] as u32. The answer is
 * sum_i coefficient_i gradient_i [parameters], the same of running statistics, then [count] of loss
 * (float) and hits (u32). */
struct covey_task_spec {
    uint32_t rows; /* product */
    uint8_t count; /* gradient: 1 to COVEY_GRADIENT_SPARE_MAX + 1 */
    uint32_t part[COVEY_GRADIENT_SPARE_MAX + 1];
    float coefficient[COVEY_GRADIENT_SPARE_MAX + 1];
};
enum { COVEY_TASK_SPEC_BYTES = 45 };

void covey__enlist_spec_encode(const struct covey_enlist_spec *s,
                               uint8_t out[static COVEY_ENLIST_SPEC_BYTES]);
covey_err covey__enlist_spec_decode(struct covey_bytes in,
                                    struct covey_enlist_spec *out) COVEY_CHECK;
void covey__round_spec_encode(const struct covey_round_spec *s,
                              uint8_t out[static COVEY_ROUND_SPEC_BYTES]);
covey_err covey__round_spec_decode(struct covey_bytes in, struct covey_round_spec *out) COVEY_CHECK;
void covey__task_spec_encode(const struct covey_task_spec *s,
                             uint8_t out[static COVEY_TASK_SPEC_BYTES]);
covey_err covey__task_spec_decode(struct covey_bytes in, struct covey_task_spec *out) COVEY_CHECK;

#endif /* COVEY_SESSION_TRAIN_SPEC_H */
