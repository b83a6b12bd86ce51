/* SPDX-License-Identifier: MIT
 *
 * gradient_check.h - whether an answer of gradients is right: beside another one of the same parts,
 * or beside what this device computes of them. Every number is looked at.
 */
#ifndef COVEY_SESSION_GRADIENT_CHECK_H
#define COVEY_SESSION_GRADIENT_CHECK_H

#include "gradient_work.h"

struct covey_gradient_check;

/* On the session's thread (reads the store, where the model is). It takes the memory of a worker's
 * model; BUSY: the account has no room for that. */
covey_err covey__gradient_check_new(struct covey_services *services,
                                    const struct covey_enlist_spec *spec,
                                    struct covey_gradient_check **out) COVEY_CHECK;
void covey__gradient_check_free(struct covey_gradient_check *c); /* NULL is a no-op */

/* As a worker would (covey__gradient_work_compute()). */
covey_err covey__gradient_check_compute(struct covey_gradient_check *c,
                                        const struct covey__gradient_task *task,
                                        struct covey_body **out) COVEY_CHECK;
/* Bytes of an answer of so many parts. */
size_t covey__gradient_check_bytes(const struct covey_gradient_check *c, uint32_t parts);
/* Both are as long as that. Whether every number is finite and no part has more hits than samples.
 */
bool covey__gradient_check_sound(const struct covey_gradient_check *c,
                                 const struct covey_body *answer, uint32_t parts);
/* Both sound. Whether they differ by no more than other kernels' rounding does, as long as it
 * decides nothing: of each tensor's gradient and of each running statistic |a - b| <= 1e-3 of the
 * smaller one's norm, and 1e-5 of that of all tensors together; losses by 1e-3. */
bool covey__gradient_check_same(const struct covey_gradient_check *c, const struct covey_body *a,
                                const struct covey_body *b, uint32_t parts);
/* Whether a sound answer is right, beside what this device computed of the same task. Rounding may
 * decide whether a neuron is on, or which of a pool's inputs is the largest, and then changes
 * gradients by hundredths. So where an answer is not the same, the task is computed again with
 * parameters and samples that are changed by as much as rounding does, up to 20 times, or 8 where
 * nothing new comes of it: what can be made up of the changes that this makes is rounding, the rest
 * is not. Where each try changes something else, there is too much undecided for that: then what is
 * no larger than twice the largest change is taken for rounding. */
covey_err covey__gradient_check_judge(struct covey_gradient_check *c,
                                      const struct covey__gradient_task *task,
                                      const struct covey_body *truth,
                                      const struct covey_body *answer, bool *out_right) COVEY_CHECK;

#endif /* COVEY_SESSION_GRADIENT_CHECK_H */
