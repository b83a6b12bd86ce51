/* SPDX-License-Identifier: MIT
 *
 * probe_tally.h - what rounds of measuring say together, and when the next one is due.
 *
 * Whatever else a device and its neighbours do makes what is measured worse, never better: so the
 * best round counts. Equal devices tell the same once each has had a round that nothing disturbed.
 * Only of memory, which all of a device's work shares, it is the median: nobody has it alone.
 */
#ifndef COVEY_SESSION_PROBE_TALLY_H
#define COVEY_SESSION_PROBE_TALLY_H

#include "covey/ids.h"

enum { COVEY__PROBE_TALLY_ROUNDS_MAX = 12 };

struct covey_probe_tally {
    struct covey_rates rates; /* the best so far; 0: not measured */
    unsigned rounds;          /* begun */
    unsigned same;            /* of these the last so many told nothing new */
    unsigned whole;           /* of these went to their end; no more are counted than are needed */
    uint64_t stream[COVEY__PROBE_TALLY_ROUNDS_MAX + 1]; /* of rounds that measured it, in order */
    unsigned streams;
};

void covey__probe_tally_begin(struct covey_probe_tally *t);
/* The round that was begun last ended before it could tell anything: it counts among those that
 * there may be at most, but not among those that told nothing new. */
void covey__probe_tally_cut_short(struct covey_probe_tally *t);
/* What was measured in the round, rounded as rates are told; 0: not measured. True: the
 * rates are others now. */
bool covey__probe_tally_add(struct covey_probe_tally *t, const struct covey_rates *round);
/* Some rounds told nothing new, or there were very many: no more are needed. Never before a few
 * went to their end: of one alone nobody knows what it was beside, and where requests follow one
 * another most are cut short. */
bool covey__probe_tally_settled(const struct covey_probe_tally *t);
/* From one round to the next, longer after each. Devices of a mesh start together, and rounds at
 * the same moments would measure one another: so none waits as long as another. random: any. */
uint64_t covey__probe_tally_wait_ms(const struct covey_probe_tally *t, uint64_t random);

/* Of a large body that took large_ns, there and its answer back, what the link took: beyond
 * small_ns, the quickest message's. Where that is not most of it the messages may have been held
 * up, and the link would seem faster than it is, for good: then it counts only if they took no
 * longer in a round before. 0: not known. */
uint64_t covey__probe_tally_moved_ns(const struct covey_probe_tally *t, uint64_t large_ns,
                                     uint64_t small_ns);

/* Of what so many messages cost, the lower quartile: a few cost less than any in a request does,
 * since nothing had to be woken for them, and many cost more where others are at work. Sorts. */
uint64_t covey__probe_tally_quartile(uint64_t *inout_ns, unsigned count);

#endif /* COVEY_SESSION_PROBE_TALLY_H */
