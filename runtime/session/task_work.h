/* SPDX-License-Identifier: MIT
 *
 * task_work.h - a worker's half of coded training: computes the products and gradients of tasks on
 * the compute threads. Calls are on the loop.
 */
#ifndef COVEY_SESSION_TASK_WORK_H
#define COVEY_SESSION_TASK_WORK_H

#include "services.h"
#include "train_spec.h"

struct covey_task_work;

covey_err covey__task_work_new(struct covey_services *services,
                               struct covey_task_work **out) COVEY_CHECK;
/* After the pools have stopped. */
void covey__task_work_free(struct covey_task_work *w);

/* Actions ENLISTED, TASK, ROUND_OVER, DISMISSED. FETCHED of what it asked for: true. */
void covey__task_work_action(struct covey_task_work *w, const struct covey_action *action);
bool covey__task_work_fetched(struct covey_task_work *w, const struct covey_action *action);

#endif /* COVEY_SESSION_TASK_WORK_H */
