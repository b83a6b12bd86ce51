/* SPDX-License-Identifier: MIT
 *
 * job_world_late.h - an owner of a run whose rows are late.
 */
#ifndef COVEY_TEST_JOB_WORLD_LATE_H
#define COVEY_TEST_JOB_WORLD_LATE_H

#include "job_world.h"

/* What the run usually takes, and when it is late. */
enum { USUAL_MS = 8000, LATE_MS = USUAL_MS + USUAL_MS / 4 };

/* The run of request 7 has begun for the seventh time, and took the usual time before. */
struct world *usual(struct world *w);
/* It has four segments. */
struct world *usual_world(unsigned devices);
/* It waits for them until the run is done or begun again, and says so when it is asked. */
void complain(struct world *w, unsigned device, uint32_t missing);
/* The run of four devices was begun again, once, without these, and all rows come. */
void end_without(struct world *w, uint32_t devices);

#endif /* COVEY_TEST_JOB_WORLD_LATE_H */
