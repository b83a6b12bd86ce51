/* SPDX-License-Identifier: MIT */
#include "cluster_state.h"

#include "runtime/core/gossip_random.h"

/* Stands in for libsodium's wherever a simulation is linked: keys, and with them the members' ids,
 * would be others in each run, and whoever is elected follows from them.
 */
__attribute__((visibility("default"))) void randombytes_buf(void *buf, size_t size);

static uint64_t chance;

void sim_chance(uint64_t seed)
{
    chance = seed;
}

void randombytes_buf(void *buf, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)buf)[i] = (uint8_t)covey__random_next(&chance);
    }
}
