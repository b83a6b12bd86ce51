/* SPDX-License-Identifier: MIT
 *
 * custody.h - who may own a training session, as a pure machine: leases, votes, checkpoints and
 * the set of custodians (protocol.md, "Coordinator, sessions, custody").
 *
 * At any time at most one device acts as a session's owner:
 * - The owner acts under a lease of COVEY__LEASE_MS that a majority of the set granted; it counts
 *   from when it asked, a custodian's promise from when it heard, so the promise ends later. When
 *   the lease ends the owner stops (CUSTODY_LEASE 0), whatever else it knows.
 * - A custodian whose promise has ended and who cannot reach the owner canvasses for the next epoch
 *   after a delay of its own. It persists one vote an epoch (its own too) before the vote leaves,
 *   and never votes inside a promise; only for a fully trusted member of the set whose deed is not
 *   older than its own. Before that it asks, binding nobody, whether others would vote for it.
 * - All that custodians must agree about (who they are, the job, the newest checkpoint) is one deed
 *   that the owner writes as a whole. It counts once a majority has it on disk with all it names;
 * so whoever wins has the newest that counts, and writes it again as the first of its own epoch.
 * - A session that was stopped by hand says so in its deed: nobody canvasses for it before it is
 *   told to by hand, and then by the same votes. Its owner gets no lease before a majority knows
 *   that it goes on.
 * - The set changes one step at a time, and while it does both sets decide. A device holds all of
 * it before it is in a set. After a restart a custodian does not know how long its last promise
 * still held: it behaves as if it had made it at its start.
 */
#ifndef COVEY_CORE_CUSTODY_H
#define COVEY_CORE_CUSTODY_H

#include "covey/node.h"
#include "job.h"

enum {
    COVEY__LEASE_MS = 3000,
    COVEY__LEASE_ASK_MS = 750,      /* between renewals */
    COVEY__CANVASS_MS = 500,        /* jitter of a candidate, and between its tries at least */
    COVEY__RESUME_MS = 10000,       /* who was told to go on by hand tries for so long */
    COVEY__CUSTODIANS = 3,          /* wanted: a majority survives one loss */
    COVEY__CUSTODY_STATE_MAX = 512, /* bytes of what is persisted of one session */
};

struct covey_custody;

/* What it may see of the members. */
struct covey_custody_view {
    uint64_t now_ms;
    struct covey_node_id self;
    uint16_t count; /* present, fully trusted, with a channel; oneself not among them; best first */
    struct covey_node_id device[COVEY_MEMBERS_MAX];
};

/* CUSTODY_LEASE of an owner that nobody else keeps anything for. */
#define COVEY__LEASE_FOREVER UINT64_MAX

size_t covey__custody_size(void);
void covey__custody_init(struct covey_custody *c, const struct covey_node_id *self, uint64_t seed);
/* CUSTODY_OPEN .. CUSTODY_STATE, PERSISTED. */
covey_err covey__custody_event(struct covey_custody *c, const struct covey_custody_view *view,
                               const struct covey_event *event,
                               struct covey_update *out) COVEY_CHECK;
/* From a device whose certificate has full trust. */
covey_err covey__custody_message(struct covey_custody *c, const struct covey_custody_view *view,
                                 const struct covey_node_id *peer,
                                 const struct covey_custody_message *message,
                                 struct covey_update *out) COVEY_CHECK;
covey_err covey__custody_peer(struct covey_custody *c, const struct covey_custody_view *view,
                              const struct covey_node_id *peer, enum covey_peer_state state,
                              struct covey_update *out) COVEY_CHECK;
covey_err covey__custody_tick(struct covey_custody *c, const struct covey_custody_view *view,
                              struct covey_update *out) COVEY_CHECK;
uint64_t covey__custody_deadline_ms(const struct covey_custody *c);
/* It knows no session: what it may see of the members does not matter. */
bool covey__custody_idle(const struct covey_custody *c);

#endif /* COVEY_CORE_CUSTODY_H */
