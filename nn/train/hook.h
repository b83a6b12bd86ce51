/* SPDX-License-Identifier: MIT
 *
 * hook.h - the products of a trainer's nodes, offered to whoever computes them elsewhere.
 */
#ifndef COVEY_NN_TRAIN_HOOK_H
#define COVEY_NN_TRAIN_HOOK_H

#include "covey/trainer.h"
#include "train/grad.h"

/* Forward of a node, its bias added here: done is false where it is to be computed here. */
covey_err covey__hook_forward(const struct covey_trainer_hook *hook, uint32_t node,
                              const struct covey__op_call *c, const struct covey__grad *row,
                              bool *out_done) COVEY_CHECK;
/* The gradients that are asked for in c->dx: those done are asked for no more. */
covey_err covey__hook_backward(const struct covey_trainer_hook *hook, uint32_t node,
                               const struct covey__grad *row,
                               struct covey__grad_call *inout) COVEY_CHECK;

#endif /* COVEY_NN_TRAIN_HOOK_H */
