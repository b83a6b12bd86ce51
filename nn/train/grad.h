/* SPDX-License-Identifier: MIT
 *
 * grad.h - gradients of operators: one row each.
 *
 * With L the loss and d a partial derivative of it, a row turns dY into dX for each input that
 * asks.
 */
#ifndef COVEY_NN_GRAD_H
#define COVEY_NN_GRAD_H

#include "ops.h"

/* What a node's backward step works on. */
struct covey__grad_call {
    const struct covey__op_call *op;  /* as in the forward step: inputs, outputs, attrs, threads */
    const float *dy;                  /* [output 0] */
    float *dx[COVEY_NODE_INPUTS_MAX]; /* NULL: not wanted */
    bool add[COVEY_NODE_INPUTS_MAX];  /* dx += instead of dx = */
    void *scratch; /* as many bytes as the scratch function asks for, 64-byte aligned */
    void *saved;   /* what training's forward step kept, as many bytes as saved asks for */
    uint64_t seed; /* of this node in this step */
};

struct covey__grad {
    enum covey_op op;
    uint32_t inputs;     /* bit i: there is a gradient for input i */
    uint32_t parameters; /* bit i: a constant there is trained */
    uint32_t statistics; /* bit i: a constant there follows the batches */
    bool needs_x;        /* reads input 0 (its values must be kept) */
    bool needs_y;        /* reads output 0 */
    void (*backward)(const struct covey__grad_call *c);
    size_t (*scratch)(const struct covey__op_call *c); /* bytes; NULL: none */
    /* NULL: the operator's own forward. Writes saved; may change statistics. */
    void (*forward)(const struct covey__grad_call *c);
    size_t (*saved)(const struct covey__op_call *c);
};

/* NULL: it has no gradient. */
const struct covey__grad *covey__grad_find(enum covey_op op);

#endif /* COVEY_NN_GRAD_H */
