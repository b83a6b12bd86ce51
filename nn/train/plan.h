/* SPDX-License-Identifier: MIT
 *
 * plan.h - what a step of training does, decided once: which values are kept where, which gradients
 * are made, in which memory.
 */
#ifndef COVEY_NN_TRAIN_PLAN_H
#define COVEY_NN_TRAIN_PLAN_H

#include "train/grad.h"

/* A gradient that a backward step makes. */
struct covey__train_want {
    uint8_t input;
    bool parameter; /* at: floats into the gradient vector; else bytes into the arena */
    bool add;       /* there is a contribution already: made beside it, then added */
    bool again;     /* and that contribution is of this very node */
    size_t at, count;
};

struct covey__train_back {
    uint32_t node;
    size_t dy;             /* bytes into the arena */
    uint32_t first, count; /* of wants */
    size_t rest;           /* behind it, only the first so many of the gradient are still changed */
};

/* Where a constant lives in the parameter vector or among the running statistics. */
struct covey__train_place {
    bool parameter, statistic;
    size_t at; /* floats */
};

struct covey__train_plan {
    uint16_t logits;                  /* the value that the loss takes */
    size_t last;                      /* nodes [0, last) are run */
    size_t *value;                    /* of each value that is no constant: bytes into the arena */
    size_t *saved;                    /* of each node: bytes into the arena */
    struct covey__train_place *place; /* of each value */
    size_t parameters, statistics;    /* floats */
    struct covey__train_back *backs;  /* in the order they run */
    size_t back_count;
    struct covey__train_want *wants;
    size_t dlogits;                /* bytes into the arena */
    size_t scratch, scratch_bytes; /* bytes into the arena */
    size_t spare;                  /* where gradients are made that are added */
    uint64_t arena_bytes; /* more than a pointer reaches: nothing of the plan is to be used */
};

/* For a checked graph. UNSUPPORTED names what has no gradient. */
covey_err covey__train_plan_init(struct covey__train_plan *out, const struct covey_graph *g,
                                 unsigned threads, struct covey_nn_error *out_why);
void covey__train_plan_done(struct covey__train_plan *p);

#endif /* COVEY_NN_TRAIN_PLAN_H */
