/* SPDX-License-Identifier: MIT
 *
 * resident.h - the memory this process has, so that it stays within its bound.
 */
#ifndef COVEY_SESSION_RESIDENT_H
#define COVEY_SESSION_RESIDENT_H

#include <stdint.h>

/* As the system counts it; 0: unknown. */
uint64_t covey__resident_bytes(void);

/* What is left of a bound for weights once the program itself has its part, of now and of later:
 * at least a quarter. */
uint64_t covey__resident_left(uint64_t bound);

/* Zeroed by its maker. */
struct covey_resident {
    uint64_t trimmed_bytes; /* what there was after the last time */
    unsigned ticks;
};
/* Ten times a second: when much has come, what of it is free goes back to the system. */
void covey__resident_tick(struct covey_resident *r);

#endif /* COVEY_SESSION_RESIDENT_H */
