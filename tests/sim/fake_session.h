/* SPDX-License-Identifier: MIT
 *
 * fake_session.h - the session half of simulated nodes: small integer layers with real sums, so
 * that each answer, rebuilt or not, is checked by value.
 *
 * A unit's answer is two sums of products modulo 2^32; a parity's weights are the sum of its
 * group's. Owners run requests without end; workers store units, compute and answer after a while.
 */
#ifndef COVEY_SIM_FAKE_SESSION_H
#define COVEY_SIM_FAKE_SESSION_H

#include "cluster.h"

enum { FAKE_LAYERS = 4, FAKE_STREAMS = 2 };

struct fake;

/* What an owner's requests met since fake_count_anew(). */
struct fake_counts {
    unsigned begun, ended, wrong;
    unsigned refused; /* could not begin although a plan had been active */
    unsigned recovered_dead, recovered_late, computed_here;
    unsigned lies; /* wrong answers that were told of */
    uint64_t slowest_us;
    uint64_t total_us; /* of all that ended */
};

struct fake *fake_new(void);
void fake_free(struct fake *fake);
/* Sets the callbacks of a cluster's configuration, and its user pointer. */
void fake_plug(struct fake *fake, struct cluster_config *config);
void fake_cluster(struct fake *fake, struct cluster *c);

void fake_open(struct fake *fake, unsigned owner, unsigned parity);
/* One whose layers are all split by rows. */
void fake_open_rows(struct fake *fake, unsigned owner, unsigned parity);
/* From now on the worker's answers to layers by rows are wrong by one bit. */
void fake_lie(struct fake *fake, unsigned worker, bool on);
/* A killed node comes back with an empty disk. */
void fake_wipe(struct fake *fake, unsigned node);
/* Units that it gave to others. */
unsigned fake_given(const struct fake *fake, unsigned node);
/* One whose model is a tile run of rows, each made of three. */
void fake_open_tiles(struct fake *fake, unsigned owner);
void fake_close(struct fake *fake, unsigned owner);
/* From now on FAKE_STREAMS requests are always under way (false: no new ones begin). */
void fake_run(struct fake *fake, unsigned owner, bool on);
const struct fake_counts *fake_counts(const struct fake *fake, unsigned owner);
void fake_count_anew(struct fake *fake, unsigned owner);
unsigned fake_under_way(const struct fake *fake, unsigned owner);
/* How long the oldest request under way takes already; 0: none. */
uint64_t fake_oldest_us(const struct fake *fake, unsigned owner);
/* The plan that requests begin with; NULL: none yet. */
const struct covey_plan *fake_plan(const struct fake *fake, unsigned owner);
/* Assignments of that owner that a worker keeps. */
unsigned fake_assignments(const struct fake *fake, unsigned worker, unsigned owner);

#endif /* COVEY_SIM_FAKE_SESSION_H */
