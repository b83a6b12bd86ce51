/* SPDX-License-Identifier: MIT
 *
 * listed_tasks.h - of tests that play the pools: what was submitted waits in a list.
 */
#ifndef COVEY_TESTS_SESSION_LISTED_TASKS_H
#define COVEY_TESTS_SESSION_LISTED_TASKS_H

#include "pool.h"

/* All of them, and what they submit, as one thread would. */
static inline void listed_tasks_run(struct covey_task_list *list)
{
    struct covey_scratch scratch = {0};
    for (struct covey_task *task = covey__task_list_pop(list); task != NULL;
         task = covey__task_list_pop(list)) {
        task->work(task, &scratch);
        task->done(task);
    }
}

#endif /* COVEY_TESTS_SESSION_LISTED_TASKS_H */
