/* SPDX-License-Identifier: MIT
 *
 * node.h - a whole node as one pure machine: events in, actions out.
 *
 * The only place that routes between the machines (discovery, membership, election, job, worker).
 * Reads no clock, does no I/O; jitter comes from the seed, secrets from the identity. The real loop
 * and the simulator drive the very same code.
 */
#ifndef COVEY_NODE_H
#define COVEY_NODE_H

#include "covey/identity.h"
#include "covey/message_catalogue.h"
#include "covey/update.h"

struct covey_node;

struct covey_node_config {
    const struct covey_identity *identity; /* borrowed for life */
    uint16_t gossip_port, channel_port;
    struct covey_addr addrs[4]; /* own addresses for the record (ports ignored); may be none: then
                                   peers use the source address they see */
    uint8_t addr_count;
    struct covey_rates rates;
    uint64_t memory_bytes;
    uint64_t store_bytes; /* 0: as much as memory */
    uint64_t seed;
};

enum covey_event_type {
    COVEY_EVENT_TICK,
    COVEY_EVENT_HELLO,           /* addr, bytes */
    COVEY_EVENT_GOSSIP,          /* addr, bytes */
    COVEY_EVENT_CHANNEL_UP,      /* peer, bytes: verified certificate's wire form, addr */
    COVEY_EVENT_CHANNEL_DOWN,    /* peer */
    COVEY_EVENT_CHANNEL_STALLED, /* peer: again and again while its channel stands still */
    COVEY_EVENT_DIAL_FAILED,     /* addr */
    COVEY_EVENT_MESSAGE,         /* peer, bytes, body */
    COVEY_EVENT_JOIN,            /* addr: dial it now and until someone is known there */
    COVEY_EVENT_LEAVE,           /* tell everyone, then ACTION_LEFT */
    /* worker */
    COVEY_EVENT_ASSIGN_CHECKED, /* peer, fence, bytes: the blobs it lacks (covey/wants.h), empty:
                                   none, it is ready; err: it is refused; LIMIT: for want of
                                   room, room_bytes: what the session can have here. Comes again
                                   after FETCHED */
    COVEY_EVENT_STORED,         /* digest; err: AUTH when the bytes are others */
    COVEY_EVENT_LACKED,         /* peer, bytes: digests of a SERVE that are not here; its index */
    COVEY_EVENT_COMPUTED,       /* peer, work, body: the answer, 0: refused; spent_us */
    COVEY_EVENT_TILE_COMPUTED,  /* peer, work, pieces by destination (COVEY_TILE_OWNER: the owner),
                                   0: nothing goes there; err: could not, because of the devices of
                                   the plan whose bits are in index, or by itself; spent_us */
    /* owner */
    COVEY_EVENT_SESSION_OPEN,  /* fence (version ignored), costs; parity and devices_max in costs */
    COVEY_EVENT_SESSION_CLOSE, /* fence */
    COVEY_EVENT_PLANNED,       /* fence, work: as PLAN had them; plan; err: there is none */
    COVEY_EVENT_PREPARED,      /* fence: digests are there; err: could not; LIMIT: for want of
                                  room for the owner's own units, room_bytes: what they can have */
    COVEY_EVENT_REQUEST_BEGIN, /* fence (version ignored), request */
    COVEY_EVENT_LAYER,         /* request, layer, body: the input, or, of a layer by rows, pieces:
                                  each device's (not given: session keeps them until LAYER_DONE) */
    COVEY_EVENT_COMPUTED_LOCAL, /* request, layer, slots, body */
    COVEY_EVENT_LIED,           /* request, layer, peer: its answer was wrong. The layer is over; it
                                   is asked of the others with EVENT_LAYER again */
    COVEY_EVENT_TILES,       /* request, run: reached; session keeps the input until TILES_DONE */
    COVEY_EVENT_TILES_CUT,   /* request, run, attempt, pieces by device; err: could not */
    COVEY_EVENT_REQUEST_END, /* request */
    /* owner of a training session (rounds of tasks: runtime/core/taskpool.h) */
    COVEY_EVENT_TRAIN_OPEN,  /* fence, bytes: spec of ENLIST, work: enum covey_train_workers, index:
                                workers at most, 0: all */
    COVEY_EVENT_TRAIN_CLOSE, /* fence */
    COVEY_EVENT_ROUND_BEGIN, /* fence, request: the round, bytes: its spec, body (taken): shared */
    COVEY_EVENT_ROUND_TASK,  /* fence, request: the round, index: the task, bytes: its spec, body
                                (taken). In this order they are handed out. work: 0, or of all
                                tasks that ask the same: no device gets two of them while there
                                are others */
    COVEY_EVENT_ROUND_LIED,  /* fence, request: the round, peer: its answer was wrong. Its tasks of
                                this round are handed out again, and it gets no more */
    COVEY_EVENT_ROUND_END,   /* fence, request: the round: enough answers */
    /* worker of a training session */
    COVEY_EVENT_ENLIST_CHECKED, /* peer, fence; err: it will not work for it */
    COVEY_EVENT_TASK_DONE,      /* peer, work, body: the answer, 0: refused; spent_us */
    /* custody (runtime/core/custody.h) */
    COVEY_EVENT_CUSTODY_OPEN, /* fence: this device owns it; digest: the job; checkpoint (may be
                                 none) */
    COVEY_EVENT_CUSTODY_CHECKPOINT, /* fence, checkpoint: on this disk now; to be kept elsewhere */
    COVEY_EVENT_CUSTODY_CLOSE,  /* fence: the session has ended, also one that was stopped, at any
                                   who keeps it. err CANCELLED, where another owns it or it was
                                   stopped: it is given up here by hand, and nobody is told */
    COVEY_EVENT_CUSTODY_STOP,   /* fence: its owner has stopped by hand, after its last checkpoint
                                   was told: all keep it, nobody goes on before RESUME */
    COVEY_EVENT_CUSTODY_RESUME, /* fence: this device stands for its owner now, by hand -> LEAD or
                                   REFUSED, soon. NOT_FOUND; EXISTS: it is its owner; DENIED: it is
                                   in no set, nobody would vote for it */
    COVEY_EVENT_CUSTODY_HELD,   /* fence; err: what APPOINTED named is here, or cannot be had */
    COVEY_EVENT_CUSTODY_STORED, /* fence, checkpoint; err: of CUSTODY_KEEP: on this disk, or not */
    COVEY_EVENT_CUSTODY_STATE,  /* bytes: what CUSTODY_PERSIST gave before the last start */
    COVEY_EVENT_PERSISTED,      /* index: of CUSTODY_PERSIST: it is on this disk */
    /* this device */
    COVEY_EVENT_PUBLISH, /* bytes: a covey_catalogue_model; added or removed here. DENIED, LIMIT */
    COVEY_EVENT_CATALOGUE, /* bytes: what covey_node_model_wire() gave before the start */
    COVEY_EVENT_GROWING,   /* peer: more of a body, which is not whole yet, came from it; told once
                              a second at most */
    COVEY_EVENT_FETCH,     /* peer, fence (of nobody's session), bytes: blobs that this device wants
                              for itself (covey/wants.h) -> ACTION_FETCHED. index 1: each source is
                              asked once, 0: again where all were asked in vain */
    COVEY_EVENT_MEASURED,  /* rates, memory_bytes: this device's, told to all in its record */
};

/* TRAIN_OPEN's work. */
enum covey_train_workers {
    COVEY_TRAIN_ANY_TRUST = 1, /* devices of trust none too */
    COVEY_TRAIN_SELF = 2,      /* this device computes tasks as well */
    COVEY_TRAIN_ONE_EACH = 4,  /* no other device gets a second task of a round, not even when one
                                  is handed out again: two masked tasks say more than one */
};

struct covey_event {
    enum covey_event_type type;
    uint64_t now_ms; /* monotonic */
    uint64_t wall_s;
    struct covey_addr addr;
    struct covey_node_id peer;
    struct covey_bytes bytes;
    covey_handle body;
    size_t body_len;
    struct covey_digest digest;
    struct covey_fence fence;
    uint64_t request;
    uint16_t layer;
    uint32_t work;
    uint32_t index;
    uint64_t slots[COVEY_LAYER_SLOTS_MAX / 64];
    covey_err err;
    struct covey_checkpoint_ref checkpoint;
    uint8_t run, attempt;
    uint32_t spent_us;
    const covey_handle *pieces; /* [COVEY_PLAN_DEVICES_MAX + 1], copied by the node */
    struct covey_rates rates;
    uint64_t room_bytes;                    /* ASSIGN_CHECKED, PREPARED */
    uint64_t memory_bytes;                  /* MEASURED: for slices; 0: as before */
    uint64_t store_bytes;                   /* MEASURED: for others' slices; 0: as before */
    const struct covey_plan_request *costs; /* SESSION_OPEN: devices are filled by the node */
    const struct covey_plan *plan;          /* PLANNED, of OK: copied by the node */
};

size_t covey_node_size(const struct covey_node_config *config);
/* Of it, what one open session uses. */
size_t covey_node_session_bytes(void);
/* memory: covey_node_size() bytes, 64-byte aligned, the caller's until the node is no more used. */
covey_err covey_node_init(void *memory, const struct covey_node_config *config, uint64_t now_ms,
                          struct covey_node **out) COVEY_CHECK;
void covey_node_done(struct covey_node *node); /* wipes */

/* Fills *out (cleared first). An error is a programmer's or a limit's (LIMIT: too many sessions,
 * requests); bad bytes from peers are dropped and counted, not errors. */
covey_err covey_node_step(struct covey_node *node, const struct covey_event *event,
                          struct covey_update *out) COVEY_CHECK;
uint64_t covey_node_deadline_ms(const struct covey_node *node);
/* What the last steps sent has left this device. A busy driver says so, so that whoever is asked is
 * not taken for late: deadlines count from here. May be left out. node may be NULL. */
void covey_node_sent(struct covey_node *node, uint64_t now_ms);

/* Looking in, for `covey peers` and tests. */
enum covey_member_state {
    COVEY_MEMBER_ALIVE,
    COVEY_MEMBER_SUSPECT,
    COVEY_MEMBER_DEAD,
    COVEY_MEMBER_LEFT,
};
struct covey_member_info {
    struct covey_node_id id;
    char name[COVEY_NAME_MAX + 1];
    enum covey_tier tier;
    enum covey_trust trust;
    enum covey_member_state state;
    struct covey_addr gossip_addr;
    uint16_t channel_port;
    uint32_t rtt_us; /* smoothed; 0: unknown, or oneself */
    struct covey_rates rates;
    uint64_t memory_bytes;
    uint64_t store_bytes; /* 0: not told */
    uint64_t incarnation;
    bool channel; /* a channel to it is up */
    bool passes;  /* and was not just seen to stand still */
    bool self;
    bool incompatible;
    bool lied; /* to this owner: it gets no more work from here */
};
size_t covey_node_members(const struct covey_node *node);
void covey_node_member(const struct covey_node *node, size_t index, struct covey_member_info *out);
bool covey_node_find(const struct covey_node *node, const struct covey_node_id *id,
                     struct covey_member_info *out);
/* The catalogue: models that were added anywhere; removed ones too. */
size_t covey_node_models(const struct covey_node *node);
void covey_node_model(const struct covey_node *node, size_t index,
                      struct covey_catalogue_model *out);
covey_err covey_node_model_wire(const struct covey_node *node, size_t index, struct covey_buf out,
                                size_t *out_len) COVEY_CHECK;
/* False while there is none. */
bool covey_node_coordinator(const struct covey_node *node, struct covey_node_id *out_id,
                            uint64_t *out_term);
/* Whether this session of the node could lose another device for nothing: all that its plan names
 * are there and have what it gives them, and no other plan is due. */
bool covey_node_is_redundant(const struct covey_node *node, const struct covey_fence *session);
/* Bytes of blobs that were fetched and kept since the start: from whom this device had the work
 * that needs them, or whose model it is, and from others. */
struct covey_fetched {
    uint64_t owner_bytes, others_bytes;
};
struct covey_fetched covey_node_fetched(const struct covey_node *node);
/* The devices to plan with here and now, by this node's own view and what the session, if it is
 * open, knows of its holders (`covey plan`). */
void covey_node_plan_devices(const struct covey_node *node, const struct covey_fence *session,
                             struct covey_plan_request *inout);

#endif /* COVEY_NODE_H */
