/* SPDX-License-Identifier: MIT
 *
 * memory_plan.h - where each value of a graph lives in one run's arena.
 *
 * Values share bytes when they never live at the same time; a reshape shares its input's.
 */
#ifndef COVEY_NN_MEMORY_PLAN_H
#define COVEY_NN_MEMORY_PLAN_H

#include "graph_private.h"

/* offset[v]: bytes from the arena's start, of values that are no constants and are used. */
struct covey__plan {
    size_t *offset;
    size_t bytes;
};

/* For a checked graph. LIMIT when the arena would pass 4 GiB. */
covey_err covey__plan_init(struct covey__plan *p, const struct covey_graph *g);
void covey__plan_done(struct covey__plan *p);

#endif /* COVEY_NN_MEMORY_PLAN_H */
