/* SPDX-License-Identifier: MIT
 *
 * gradient_work.h - a worker's model for gradients of parts of batches: brought once for a session,
 * then fed with parameters round by round.
 */
#ifndef COVEY_SESSION_GRADIENT_WORK_H
#define COVEY_SESSION_GRADIENT_WORK_H

#include "covey/body.h"
#include "pool.h"
#include "services.h"
#include "train_spec.h"

struct covey_gradient_work;

/* On a pool's thread (reads the store): all blobs of spec->model must be there. */
covey_err covey__gradient_work_new(const struct covey_services *services,
                                   const struct covey_enlist_spec *spec,
                                   struct covey_gradient_work **out) COVEY_CHECK;
void covey__gradient_work_free(struct covey_gradient_work *w); /* NULL is a no-op */
/* On a compute thread, one at a time: the answer to a task. RANGE: sizes do not fit the model.
 * stop: set by another thread when the answer is worth nothing any more: CLOSED, soon. */
covey_err covey__gradient_work_compute(struct covey_gradient_work *w,
                                       const struct covey_round_spec *round,
                                       const struct covey_task_spec *task,
                                       const struct covey_body *shared,
                                       const struct covey_body *body, const _Atomic bool *stop,
                                       struct covey_body **out) COVEY_CHECK;

#endif /* COVEY_SESSION_GRADIENT_WORK_H */
