/* SPDX-License-Identifier: MIT
 *
 * job_world_relay.h - an owner whose layers' holders give one another the input.
 */
#ifndef COVEY_TEST_JOB_WORLD_RELAY_H
#define COVEY_TEST_JOB_WORLD_RELAY_H

#include "job_world.h"

/* Of a world of five devices, with the owner: masks of holders, and the first request. */
enum { REQUEST = 7, HOLDERS = 0x1e, DEVICES_ALL = 5 };

/* How many of the first layers are relayed, and how fast all links are. */
struct links {
    unsigned relayed, parity;
    uint32_t mbytes;
};

/* Who was asked with the whole input. */
unsigned asked_mask(const struct world *w);
void say_stalled(struct world *w, unsigned device, uint32_t missing);
/* Its request has begun. */
struct world *slow_world(unsigned devices, const struct links *links);
struct world *world_with(unsigned devices, unsigned relayed);
struct world *relay_world(unsigned devices);
/* In its first layer: nobody has answered. */
struct world *begun(void);
/* The request after one that all have answered: who is in its relay. */
uint32_t next_relay(struct world *w, uint64_t request);

#endif /* COVEY_TEST_JOB_WORLD_RELAY_H */
