/* SPDX-License-Identifier: MIT
 *
 * node_state.h - the inside of a node, shared by node.c and its helpers. They alone route between
 * the machines.
 */
#ifndef COVEY_CORE_NODE_STATE_H
#define COVEY_CORE_NODE_STATE_H

#include "covey/node.h"
#include "catalogue.h"
#include "custody.h"
#include "discovery.h"
#include "election.h"
#include "fetch.h"
#include "gossip_queue.h"
#include "job.h"
#include "membership.h"
#include "plan_codec.h"
#include "puller.h"
#include "taskpool.h"
#include "worker.h"

enum {
    COVEY_WIRE_VERSION = 1,
    COVEY_GOSSIP_MS = 200,
    COVEY_GOSSIP_FANOUT = 3,
    COVEY_PUSH_PULL_MS = 30000,
    COVEY_EXPIRY_MS = 10000,
    COVEY_REPLY_MS = 200,  /* between replies to one member that change nothing */
    COVEY_LEAVE_MS = 100,  /* between the tellings of one's own leave */
    COVEY_LEAVE_TIMES = 3, /* then LEFT */
    COVEY_LEAVE_MEMBERS = 32,
    COVEY_ASKED_MAX = 32, /* certificates asked for lately */
    COVEY_ASK_MS = 300,
    /* Of what a device offers, weights that are on their way to it. */
    COVEY__NODE_FETCH_SHARE = 16,
    /* Plans for other owners that are being made, or wait for that: as many as an owner has
     * sessions, all of which it plans anew when a device is lost. */
    COVEY__NODE_PLACES = COVEY_SESSIONS_MAX,
};

/* A plan for another owner that session makes. */
struct covey__node_place {
    uint32_t work; /* 0: none */
    struct covey_node_id owner;
    struct covey_session_id session;
    uint32_t version;
};

struct covey_node {
    const struct covey_identity *identity;
    struct covey_node_config config;
    uint64_t now_ms, wall_s;
    uint64_t rng;
    struct covey_update *out; /* of the running step */
    bool of_requests;         /* the step's event: only job and worker have to do with it */
    uint64_t chores_ms;       /* no other machine has anything to do before */
    struct covey__membership members;
    struct covey__election election;
    struct covey__discovery discovery;
    struct covey__gossip_queue queue;
    struct covey__swim_out swim;
    struct covey__news claim; /* the newest of the coordinator, as it came */
    uint64_t gossip_ms, push_pull_ms, expiry_ms;
    uint64_t leave_ms; /* UINT64_MAX: not leaving */
    unsigned leave_told;
    struct {
        struct covey_digest digest;
        uint64_t again_ms;
    } asked[COVEY_ASKED_MAX];
    struct covey_gossip_message asks; /* to the sender of the message being handled */
    uint64_t dropped;                 /* bad bytes from peers */
    struct covey_job *job;
    struct covey_worker *worker;
    struct covey_fetch *fetch;
    struct covey_catalogue *catalogue;
    struct covey_custody *custody;
    struct covey_custody_view custody_view;
    bool custody_stale;
    struct covey_taskpool *pool;
    struct covey_puller *puller;
    struct covey_job_view view;
    bool view_stale;
    uint64_t view_ms;    /* then a device is looked at anew whose record changes very often */
    uint32_t place_work; /* the last number given */
    struct covey__node_place place[COVEY__NODE_PLACES];
    struct covey_plan_request place_request; /* scratch: too large for the stack of a small board */
    struct covey_plan_held place_held;
    struct covey_plan place_plan;
    uint8_t place_payload[COVEY__PLAN_MAX];
};

/* node_gossip.c: messages in and out. */
void covey__node_send_gossip(struct covey_node *node, uint16_t to, struct covey_gossip_message *m);
void covey__node_send_channel(struct covey_node *node, uint16_t to,
                              const struct covey_gossip_message *m);
void covey__node_datagram(struct covey_node *node, const struct covey_event *event);
void covey__node_gossip_message(struct covey_node *node, uint16_t from, bool channel,
                                struct covey_bytes bytes);
void covey__node_gossip_round(struct covey_node *node);
void covey__node_ping(struct covey_node *node, uint16_t to); /* of no probe */
void covey__node_ask_claim(struct covey_node *node);

/* node_news.c: signed statements in and out. */
covey_err covey__node_sign_record(struct covey_node *node) COVEY_CHECK;
covey_err covey__node_sign_accusation(const struct covey_node *node, uint16_t subject,
                                      enum covey_statement_kind kind,
                                      struct covey__news *out) COVEY_CHECK;
struct covey_statement covey__node_record_of(const struct covey_node *node, uint16_t index);
void covey__node_statement(struct covey_node *node, uint16_t from,
                           const struct covey_statement *statement);
void covey__node_ask(struct covey_node *node, const struct covey_digest *digest);
void covey__node_certificate(struct covey_node *node, uint16_t from, struct covey_bytes wire);
/* Whether signatures may be checked for what this member sent; COVEY_SELF: for what anybody may
 * have sent. Else what it sent is to be left: who floods shall not keep a device busy. */
bool covey__node_may_cost(struct covey_node *node, uint16_t from, unsigned signatures);
/* What the machines want after a step of theirs. */
void covey__node_swim_done(struct covey_node *node);
void covey__node_election_done(struct covey_node *node, const struct covey__election_out *done);

/* node_link.c: hellos, dials, channels. */
void covey__node_hello(struct covey_node *node, const struct covey_event *event);
void covey__node_channel_up(struct covey_node *node, const struct covey_event *event);
void covey__node_channel_down(struct covey_node *node, const struct covey_node_id *peer);
void covey__node_drop(struct covey_node *node, uint16_t index);
/* Asks whether it can be reached; where it can, and the channel stands still even so, makes a new
 * one. */
void covey__node_channel_stalled(struct covey_node *node, const struct covey_node_id *peer);
bool covey__node_stands_still(const struct covey_node *node, uint16_t index);
/* It answered a ping of no probe. */
void covey__node_reached(struct covey_node *node, uint16_t from);
void covey__node_push(struct covey_node *node, uint16_t to); /* all that is known of members */
void covey__node_discover(struct covey_node *node);
void covey__node_dial_members(struct covey_node *node);
void covey__node_addresses(struct covey_node *node, uint16_t index);

/* node_place.c: plans for other owners, where this node is the coordinator. */
covey_err covey__node_place(struct covey_node *node, uint16_t from,
                            const struct covey_work_place *asked) COVEY_CHECK;
covey_err covey__node_placed(struct covey_node *node, const struct covey_event *event) COVEY_CHECK;

/* node_work.c: job, worker, fetch. */
/* What a plan may give it. Slices are on its disk too, but for those of its own models: they are
 * there already. */
uint64_t covey__node_slices_bytes(const struct covey_node *node, uint16_t index, bool owner);
void covey__node_fetch_tick(struct covey_node *node);
void covey__node_view(struct covey_node *node);
void covey__node_job_peer(struct covey_node *node, uint16_t index);
covey_err covey__node_message(struct covey_node *node, const struct covey_event *event) COVEY_CHECK;
covey_err covey__node_work_event(struct covey_node *node,
                                 const struct covey_event *event) COVEY_CHECK;

/* node_custody.c: custody of training sessions. */
covey_err covey__node_custody_event(struct covey_node *node,
                                    const struct covey_event *event) COVEY_CHECK;
covey_err covey__node_custody_message(struct covey_node *node, uint16_t from,
                                      const struct covey_custody_message *message) COVEY_CHECK;
void covey__node_custody_peer(struct covey_node *node, const struct covey_node_id *id,
                              enum covey_peer_state state);
covey_err covey__node_custody_tick(struct covey_node *node) COVEY_CHECK;

/* node_train.c: the task pool and the puller. */
size_t covey__node_train_size(void);
void covey__node_train_init(struct covey_node *node, void *memory);
void covey__node_train_peer(struct covey_node *node, uint16_t index, enum covey_peer_state state);
void covey__node_train_down(struct covey_node *node, uint16_t index); /* its channel is gone */
covey_err covey__node_train_message(struct covey_node *node, uint16_t from,
                                    const struct covey_train_message *message,
                                    covey_handle body) COVEY_CHECK;
covey_err covey__node_train_event(struct covey_node *node,
                                  const struct covey_event *event) COVEY_CHECK;
covey_err covey__node_train_tick(struct covey_node *node) COVEY_CHECK;

#endif /* COVEY_CORE_NODE_STATE_H */
