/* SPDX-License-Identifier: MIT
 *
 * job.h - the owner's half of inference as a pure machine: sessions, their plans, requests, layers.
 *
 * Decides who is asked, what suffices, what is cancelled, what is computed here after all, and when
 * a new plan takes over. Knows no mathematics and no bytes of bodies. Wants sent what it puts into
 * the update; node.c feeds it whole messages and news of members and channels.
 *
 * A session: PLACING (asks the coordinator), after 200 ms without an answer PLANNING (session makes
 * the plan) -> PREPARING (session makes digests) -> ASSIGNING (holders fetch units) -> ACTIVE. A
 * newer plan goes through the same states beside the active one. With no second device the plan has
 * no layers and is active at once.
 */
#ifndef COVEY_CORE_JOB_H
#define COVEY_CORE_JOB_H

#include "covey/node.h"
#include "covey/tiles.h"
#include "incoming.h"

/* What the job machine may see of the members: filled by node.c before each step. */
struct covey_job_view {
    uint64_t now_ms;
    struct covey_node_id self;
    bool has_coordinator;
    struct covey_node_id coordinator;
    uint64_t term;
    uint8_t devices; /* alive (not suspect), trusted, the owner among them, sorted by id */
    struct covey_plan_device device[COVEY_PLAN_DEVICES_MAX];
    uint32_t device_generation; /* changes whenever the list above does */
};

/* Whether a peer can be asked now. */
enum covey_peer_state {
    COVEY_PEER_GONE /* dead, left or unknown */,
    COVEY_PEER_NO_CHANNEL,
    COVEY_PEER_UP
};

struct covey_job;

size_t covey__job_size(void);
size_t covey__job_session_bytes(void);
void covey__job_init(struct covey_job *job, const struct covey_node_id *self, uint64_t seed);

/* Owner's events of node.h: SESSION_OPEN .. REQUEST_END. */
covey_err covey__job_event(struct covey_job *job, const struct covey_job_view *view,
                           const struct covey_event *event, struct covey_update *out) COVEY_CHECK;
/* Whether this PIECE is one of a result that this owner waits for (segment == the run's segments).
 */
bool covey__job_owns(const struct covey_job *job, const struct covey_work_tile *tile);
/* PLACEMENT, READY, REFUSE, ANSWER, STALLED, PIECE. A body it does not keep is RELEASEd. */
covey_err covey__job_message(struct covey_job *job, const struct covey_job_view *view,
                             const struct covey_incoming *in, struct covey_update *out) COVEY_CHECK;
/* peer's channel came up or went, or the member died, left, came back. Tell it of every change: a
 * peer it was never told of counts as NO_CHANNEL. */
covey_err covey__job_peer(struct covey_job *job, const struct covey_job_view *view,
                          const struct covey_node_id *peer, enum covey_peer_state state,
                          struct covey_update *out) COVEY_CHECK;
/* Whether it once answered wrong numbers: it gets no more work from here. */
bool covey__job_lied(const struct covey_job *job, const struct covey_node_id *peer);
/* It did, to a training session of this owner. */
void covey__job_distrust(struct covey_job *job, const struct covey_node_id *peer);
/* Whether all devices that the session's plan names are there, have what it gives them and answer,
 * none is left out, and no other plan is due: another loss would cost nothing. */
bool covey__job_is_redundant(struct covey_job *job, const struct covey_job_view *view,
                             const struct covey_fence *fence);
/* Fills out's devices as the session, where it is known, would be planned with now: without those
 * that are left out, and with the bounds of those that refused. */
void covey__job_devices(struct covey_job *job, const struct covey_job_view *view,
                        const struct covey_fence *fence, struct covey_plan_request *out);
/* Whether requests of this owner are in flight. */
bool covey__job_has_requests(const struct covey_job *job);
covey_err covey__job_tick(struct covey_job *job, const struct covey_job_view *view,
                          struct covey_update *out) COVEY_CHECK;
uint64_t covey__job_deadline_ms(const struct covey_job *job);
/* What was asked has left this device: deadlines count from here. */
void covey__job_sent(struct covey_job *job, uint64_t now_ms);

/* node.c's way to put a message into an update; encodes into its arena. */
covey_err covey__update_send(struct covey_update *out, const struct covey_node_id *peer,
                             const struct covey_work_message *message,
                             covey_handle body) COVEY_CHECK;
/* The same with a part of the body, which is not empty. */
covey_err covey__update_send_part(struct covey_update *out, const struct covey_node_id *peer,
                                  const struct covey_work_message *message, covey_handle body,
                                  struct covey_relay_piece part) COVEY_CHECK;
covey_err covey__update_send_train(struct covey_update *out, const struct covey_node_id *peer,
                                   const struct covey_train_message *message,
                                   covey_handle body) COVEY_CHECK;
/* RELEASEs it, if there is one, and forgets it. False: the update is full, nothing happened. */
bool covey__update_release(struct covey_update *out, covey_handle *inout_body);
/* A copy in the arena, for an action. False: the update is full. */
bool covey__update_bytes(struct covey_update *out, struct covey_bytes bytes,
                         struct covey_bytes *out_copy);
/* Next action, zeroed, with its type set; NULL when full (then `more` is set). */
struct covey_action *covey__update_add(struct covey_update *out, enum covey_action_type type);

#endif /* COVEY_CORE_JOB_H */
