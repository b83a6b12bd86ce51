/* SPDX-License-Identifier: MIT
 *
 * fetch.h - bringing blobs here by their digests, from several devices at once, as a pure machine;
 * and answering others who want them.
 *
 * A job is what one assignment lacks. Blobs that its plan's devices all need have a primary among
 * them, chosen by digest: the primary asks the owner, the others ask the primary, so that each byte
 * leaves the owner about once; then the owner, then the rest. Of blobs that only this device lacks
 * the primary is one that should have it. A source that lacks a blob, is silent, gone or lies is
 * passed over. A device keeps back what it is asked for while it is about
 * to get it itself, but for what the other one takes it to have: that it lacks at once.
 *
 * Actions come from tick alone, but for what answers a message at once. Session verifies and keeps
 * what comes, and reads what is given: no byte of a blob is seen here.
 */
#ifndef COVEY_CORE_FETCH_H
#define COVEY_CORE_FETCH_H

#include "covey/node.h"
#include "covey/wants.h"
#include "incoming.h"
#include "job.h"

struct covey_fetch;

size_t covey__fetch_size(void);
void covey__fetch_init(struct covey_fetch *fetch, const struct covey_node_id *self);
/* At most so much is under way at a time, but for a blob that is larger; first: any number. */
void covey__fetch_limit(struct covey_fetch *fetch, uint64_t bytes);

/* What the assignment (peer, fence) lacks, by ASSIGN_CHECKED; one before it of the same assignment
 * is forgotten. FETCHED follows in any case. Tell then of every source whether it can be asked. */
void covey__fetch_add(struct covey_fetch *fetch, const struct covey_event *event);
/* The assignments of the owner up to this version are over. */
void covey__fetch_retired(struct covey_fetch *fetch, const struct covey_node_id *owner,
                          const struct covey_fence *fence);
/* WANT from a peer with full trust; GIVE and LACK. A body it does not keep is RELEASEd. */
covey_err covey__fetch_message(struct covey_fetch *fetch, const struct covey_incoming *in,
                               uint64_t now_ms, struct covey_update *out) COVEY_CHECK;
/* STORED, LACKED. */
void covey__fetch_event(struct covey_fetch *fetch, const struct covey_event *event,
                        struct covey_update *out);
void covey__fetch_peer(struct covey_fetch *fetch, const struct covey_node_id *peer,
                       enum covey_peer_state state);
/* More of a body came from the peer, which may be a blob's. */
void covey__fetch_growing(struct covey_fetch *fetch, const struct covey_node_id *peer,
                          uint64_t now_ms);
void covey__fetch_tick(struct covey_fetch *fetch, uint64_t now_ms, struct covey_update *out);
uint64_t covey__fetch_deadline_ms(const struct covey_fetch *fetch);
struct covey_fetched covey__fetch_fetched(const struct covey_fetch *fetch);

#endif /* COVEY_CORE_FETCH_H */
