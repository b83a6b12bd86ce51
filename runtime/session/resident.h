/* SPDX-License-Identifier: MIT
 *
 * resident.h - the memory this process has, so that it stays within its bound.
 */
#ifndef COVEY_SESSION_RESIDENT_H
#define COVEY_SESSION_RESIDENT_H

#include <stdbool.h>
#include <stdint.h>

/* As the system counts it; 0: unknown. */
uint64_t covey__resident_bytes(void);

/* The memory a node offers: what was asked for, else half of the machine's (0: unknown); at most
 * half of what can be addressed. */
uint64_t covey__resident_bound(uint64_t asked, uint64_t machine, uint64_t addresses);

struct covey_services;

/* Once all tables are there: of services->memory.limit_bytes, the bound, what is left for weights
 * beside the program itself, as it is and as it will be; at least a quarter. Of the store, what
 * slices can have beside what comes with them. That is what both are from here on, and what the
 * mesh is told: neither is 0. */
void covey__resident_offer(struct covey_services *services);

/* Zeroed by its maker. */
struct covey_resident {
    uint64_t trimmed_bytes; /* what there was after the last time */
    unsigned ticks, put_off;
    /* Set by its maker: what was given to it, which it must keep to whatever that costs; 0: nothing
     * was. */
    uint64_t bound_bytes;
};
/* Ten times a second: when much has come, what of it is free goes back to the system. That takes
 * milliseconds, and requests pay for the pages that they need again: beside them (busy) it waits
 * for half a minute, unless memory is bounded: then it is looked each time, and nothing is left
 * free in the last sixteenth. */
void covey__resident_tick(struct covey_resident *r, bool busy);

#endif /* COVEY_SESSION_RESIDENT_H */
