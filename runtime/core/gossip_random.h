/* SPDX-License-Identifier: MIT
 *
 * gossip_random.h - the small seeded generator behind jitter and the choice of helpers. Never for
 * secrets: those come from the identity.
 */
#ifndef COVEY_CORE_GOSSIP_RANDOM_H
#define COVEY_CORE_GOSSIP_RANDOM_H

#include <stdint.h>

/* SplitMix64. */
static inline uint64_t covey__random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0..bound-1; 0 for a bound of 0. The bias is far below what jitter needs. */
static inline uint64_t covey__random_below(uint64_t *state, uint64_t bound)
{
    return bound == 0 ? 0 : covey__random_next(state) % bound;
}

#endif /* COVEY_CORE_GOSSIP_RANDOM_H */
