/* SPDX-License-Identifier: MIT
 *
 * update.h - what a node wants done: the output of covey_node_step().
 *
 * Bodies are handles: numbers that the driver maps to memory. A handle that came in with an event
 * is the node's until an action marked "takes" names it or RELEASE gives it back.
 */
#ifndef COVEY_UPDATE_H
#define COVEY_UPDATE_H

#include "covey/ids.h"
#include "covey/message_custody.h"
#include "covey/message_train.h"
#include "covey/tiles.h"

typedef uint32_t covey_handle; /* 0: none */

enum covey_action_type {
    COVEY_ACTION_NONE, /* nothing to do */
    /* network */
    COVEY_ACTION_MULTICAST, /* bytes: a hello to the groups */
    COVEY_ACTION_HELLO,     /* addr, bytes */
    COVEY_ACTION_GOSSIP,    /* addr, bytes */
    COVEY_ACTION_DIAL,      /* addr, peer if known */
    COVEY_ACTION_DROP,      /* peer: close its channel */
    COVEY_ACTION_SEND,      /* peer, bytes, body (not taken: the driver adds a reference) */
    COVEY_ACTION_RELEASE,   /* body */
    /* news */
    COVEY_ACTION_MEMBER,      /* peer changed state: look at covey_node_member() */
    COVEY_ACTION_COORDINATOR, /* the coordinator or term changed */
    COVEY_ACTION_CATALOGUE,   /* models were added or removed: look at covey_node_model() */
    COVEY_ACTION_LEFT,        /* after EVENT_LEAVE: the leave has been told, stop now */
    /* worker: session does it and comes back with an event */
    COVEY_ACTION_ASSIGNED, /* peer, fence, bytes: an ASSIGN to check; with tile runs or layers by
                              rows plan and device -> EVENT_ASSIGN_CHECKED */
    COVEY_ACTION_STORE,    /* peer (who gave it), digest, body (takes): verify and keep
                              -> EVENT_STORED */
    COVEY_ACTION_FETCHED,  /* peer (the owner), fence, err: what ASSIGN_CHECKED named has come, or
                              cannot be had -> EVENT_ASSIGN_CHECKED again */
    COVEY_ACTION_SERVE,    /* peer, bytes: digests; send it those blobs as GIVE, a few at a time
                              -> EVENT_LACKED, with this index, for what is not there */
    COVEY_ACTION_COMPUTE,  /* peer, fence, layer, work, body (takes) -> EVENT_COMPUTED */
    COVEY_ACTION_RETIRED,  /* peer, fence: forget assignments up to this version */
    COVEY_ACTION_TILE,     /* peer (the owner), fence, request, work, tile (takes all its pieces)
                              -> EVENT_TILE_COMPUTED */
    COVEY_ACTION_TILES_DROPPED, /* peer (the owner), fence, request: forget what its tiles kept */
    COVEY_ACTION_PROBED,        /* peer, work: the number of the PROBE that it answered */
    /* owner and coordinator: a pure function that may take seconds */
    COVEY_ACTION_PLAN, /* fence, costs: covey_plan_make() of them -> EVENT_PLANNED, once. work 0: of
                          the owner's session; nobody waits for it once that is closed. Else for
                          another owner, peer, who waits until then: request (now_ms) */
    /* owner */
    COVEY_ACTION_PREPARE,       /* fence, plan: make parities and digests -> EVENT_PREPARED */
    COVEY_ACTION_ASSIGN,        /* peer, fence, device, bytes: the plan, encoded, with tile runs or
                                   layers by rows, holders: send it its ASSIGN */
    COVEY_ACTION_REFUSED,       /* peer, room_bytes: it does not take its part of a session, and
                                   gets no more of it than that for now */
    COVEY_ACTION_ACTIVE,        /* fence: requests begun from now on use this version */
    COVEY_ACTION_FORGET,        /* fence: no request uses this version any more */
    COVEY_ACTION_COMPUTE_LOCAL, /* request, layer, fence, slots -> EVENT_COMPUTED_LOCAL */
    COVEY_ACTION_LAYER_DONE,    /* request, layer, done (takes all its handles) */
    COVEY_ACTION_TILES_CUT,  /* request, fence, run, attempt, layout, twin: cut the run's input into
                                the pieces of segment 0 -> EVENT_TILES_CUT */
    COVEY_ACTION_TILES_DONE, /* request, run, layout, twin, done (takes its answers: the pieces of
                                the result by device; with a twin every row is there twice and
                                must be the same) */
    /* owner of a training session */
    COVEY_ACTION_TRAIN_WORKER, /* peer, fence, err: OK: it pulls; else why it does no more, or
                                  never did, though it was to. index: workers there are now */
    COVEY_ACTION_ROUND_HUNGRY, /* fence, request: the round, index: so many tasks could be sent and
                                  there is none: a rateless code makes more */
    COVEY_ACTION_ROUND_RESULT, /* peer, fence, request: the round, index: the task, body (takes; 0:
                                  refused), spent_us */
    /* worker of a training session */
    COVEY_ACTION_ENLISTED,   /* peer, fence, bytes: the spec -> EVENT_ENLIST_CHECKED */
    COVEY_ACTION_TASK,       /* peer, fence, request: the round, index: the task, work, bytes: its
                                round's spec, task_spec, shared (not taken), body (takes)
                                -> EVENT_TASK_DONE. One at a time for all owners together */
    COVEY_ACTION_ROUND_OVER, /* peer, fence, request: what is computed for it is worth nothing; its
                                TASK_DONE still comes, soon */
    COVEY_ACTION_DISMISSED,  /* peer, fence: forget what ENLISTED brought */
    /* custody */
    COVEY_ACTION_CUSTODY_APPOINTED, /* peer (the owner), fence, digest: the job; fetch all that it
                                       names -> EVENT_CUSTODY_HELD; KEEP follows */
    COVEY_ACTION_CUSTODY_KEEP,      /* peer (who has it), fence, checkpoint: fetch it and write it
                                       to disk -> EVENT_CUSTODY_STORED */
    COVEY_ACTION_CUSTODY_PERSIST,   /* index, bytes: to disk, whole, in the order they come, before
                                       what waits for it leaves -> EVENT_PERSISTED. fence names the
                                       session; bytes empty: it is forgotten */
    COVEY_ACTION_CUSTODY_LEASE,     /* fence, request: until then (now_ms) this device may act as
                                       the owner; 0: it may not (any more, or not yet); UINT64_MAX:
                                       nobody else keeps it */
    COVEY_ACTION_CUSTODY_LEAD,      /* fence (a new epoch), digest: the job, checkpoint: go on from
                                       there as its owner; LEASE follows */
    COVEY_ACTION_CUSTODY_NEWS,      /* fence, set: in force; has_peer and peer: its owner. At the
                                       owner index: how many of them hold everything, checkpoint:
                                       the newest that a majority keeps, settled: the next one may
                                       be made; at a custodian index 0, checkpoint: its own
                                       newest. stopped: by hand, nobody goes on by itself */
    COVEY_ACTION_CUSTODY_OVER, /* fence; err OK: the session has ended, or this device keeps it no
                                  more: forget it. STATE: this device is not its owner any more
                                  (peer, if has_peer, is), and keeps it as a custodian. TIMEOUT:
                                  it held all for an owner that is heard of no more and had too
                                  few to be replaced; it may go on by hand. LIMIT: it was stopped,
                                  and its place here is needed for another session */
    COVEY_ACTION_CUSTODY_REFUSED, /* fence: of RESUME. err EXISTS: peer owns it now; TIMEOUT: no
                                     majority of those who keep it would have this device */
};

/* Every group has N of its N + r answers (or its missing units in `local`). */
struct covey_layer_done {
    /* by device index of the plan: its answer (all its slots of this layer in slot order), or 0 */
    covey_handle answer[COVEY_PLAN_DEVICES_MAX];
    covey_handle local; /* product of the units in local_slots, in slot order, or 0 */
    uint64_t local_slots[COVEY_LAYER_SLOTS_MAX / 64];
    uint16_t recovered_dead; /* units rebuilt (or computed here) because their device was gone */
    uint16_t recovered_late; /* the same, because it had not answered yet */
    uint32_t fed; /* of these the input came from other devices: what is wrong may be theirs */
};

/* One strip of one segment, at its holder. */
struct covey_tile_task {
    /* run: COVEY_WORK_NO_RUN: what is here, in the devices' order, is the layer's input, relayed.
     * segment: of a run that feeds a layer `segments` is that layer: its input is the run's result,
     * whose pieces are all here, this holder's own too, and what it makes is its answer, of which
     * there is one piece, the owner's. */
    uint8_t run, attempt, segment;
    uint8_t device; /* who this holder is in the plan */
    uint16_t layer;
    uint32_t fed; /* who else gets the owner's piece of the last segment's output */
    const struct covey_tile_layout *layout;
    const struct covey_plan *plan;
    /* By source; 0: nothing comes from there. Of the holder itself nothing comes: session kept what
     * it made of the segment before, of this attempt. */
    covey_handle piece[COVEY_PLAN_DEVICES_MAX + 1];
};

struct covey_action {
    enum covey_action_type type;
    struct covey_node_id peer;
    bool has_peer;
    struct covey_addr addr;
    struct covey_bytes bytes;   /* in the update's arena or in the event: until the next step */
    struct covey_bytes holders; /* ASSIGN: as in the message, in the same place */
    covey_handle body;
    uint32_t part_from, part_len; /* SEND: of the body these bytes only; part_len 0: all of it */
    struct covey_digest digest;
    covey_err err;
    struct covey_fence fence;
    uint64_t request;
    uint16_t layer;
    uint32_t work;
    uint32_t index;
    uint8_t device; /* index in the plan */
    uint64_t slots[COVEY_LAYER_SLOTS_MAX / 64];
    const struct covey_plan *plan;       /* in the node: until FORGET of its fence */
    const struct covey_layer_done *done; /* in the update */
    uint8_t run, attempt;
    const struct covey_tile_layout *layout; /* in the node: until the next step */
    const struct covey_tile_layout *twin;   /* who makes the same rows; NULL: nobody */
    const struct covey_tile_task *tile;     /* in the node: until the next step */
    struct covey_bytes task_spec;           /* as bytes */
    covey_handle shared;
    uint32_t spent_us;
    uint64_t room_bytes;                    /* REFUSED */
    const struct covey_plan_request *costs; /* PLAN: in the node, until the next step */
    struct covey_checkpoint_ref checkpoint;
    struct covey_custodians set;
    bool settled, stopped; /* CUSTODY_NEWS */
};

enum {
    COVEY_UPDATE_ACTIONS_MAX = 256,
    COVEY_UPDATE_DONE_MAX = 8,
    COVEY_UPDATE_ARENA = 256 * 1024,
};

/* The caller's; large: allocate it once. */
struct covey_update {
    size_t count;
    struct covey_action actions[COVEY_UPDATE_ACTIONS_MAX];
    size_t done_count;
    struct covey_layer_done done[COVEY_UPDATE_DONE_MAX];
    size_t arena_len;
    uint8_t arena[COVEY_UPDATE_ARENA];
    bool more; /* step again with EVENT_TICK at the same now_ms */
};

#endif /* COVEY_UPDATE_H */
