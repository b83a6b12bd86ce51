/* SPDX-License-Identifier: MIT
 *
 * grad.h - gradients of operators: one row each.
 *
 * With L the loss and d a partial derivative of it, a row turns dY into dX for each input that
 * asks.
 */
#ifndef COVEY_NN_GRAD_H
#define COVEY_NN_GRAD_H

#include "covey/train_product.h"
#include "ops.h"

/* What a node's steps of training work on. */
struct covey__grad_call {
    const struct covey__op_call *op;  /* as in inference: inputs, outputs, attrs, threads */
    const float *dy;                  /* [output 0] */
    float *dx[COVEY_NODE_INPUTS_MAX]; /* overwritten; NULL: not wanted */
    void *scratch;  /* as many bytes as the scratch function asks for, 64-byte aligned */
    void *saved;    /* what the forward step keeps for the backward step */
    uint64_t seed;  /* of this node in this step */
    uint64_t first; /* elements of output 0 that the parts of the batch before this one have */
};

struct covey__grad {
    enum covey_op op;
    uint32_t inputs;     /* bit i: there is a gradient for input i; ~0: for all */
    uint32_t parameters; /* bit i: a constant there is trained */
    uint32_t statistics; /* bit i: a constant there follows the batches */
    bool needs_x;        /* the backward step reads inputs that are no constants */
    bool needs_y;        /* the backward step reads output 0 */
    bool in_place;       /* dx[0] may be dy */
    bool (*fits)(const struct covey__op_call *c); /* NULL: every shape */
    void (*backward)(const struct covey__grad_call *c);
    size_t (*scratch)(const struct covey__op_call *c); /* bytes; NULL: none */
    /* In place of the operator's own forward; may change statistics. NULL: the operator's. */
    void (*forward)(const struct covey__grad_call *c);
    size_t (*saved)(const struct covey__op_call *c); /* bytes; NULL: none */
    /* What forward and gradients are products of inputs 0 and 1, but for the kind. False: of such a
     * form they are none. NULL: never. */
    bool (*product)(const struct covey__op_call *c, struct covey_train_product *out);
};

/* Row tables, one for each file; each ends with COVEY_OP_NONE. */
extern const struct covey__grad covey__grads_conv[], covey__grads_dense[], covey__grads_norm[],
    covey__grads_pool[], covey__grads_elementwise[], covey__grads_move[];

/* NULL: it has no gradient. */
const struct covey__grad *covey__grad_find(enum covey_op op);

#endif /* COVEY_NN_GRAD_H */
