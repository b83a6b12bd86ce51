/* SPDX-License-Identifier: MIT
 *
 * message_work.h - control messages on channels: placement, assignment, execution.
 *
 * Deterministic CBOR map, integer keys, key 0 is the type. Schema: docs/messages.cddl. Unknown keys
 * are skipped, unknown types are UNSUPPORTED.
 */
#ifndef COVEY_MESSAGE_WORK_H
#define COVEY_MESSAGE_WORK_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/limits.h"

enum {
    COVEY_WORK_SLOT_BYTES = 36, /* a packed struct covey_work_slot */
    COVEY_WORK_HAD_BYTES = 8,   /* a packed struct covey_work_had */
    COVEY_WORK_HOLDERS_MAX = 3, /* that are named of one slot: the owner has it in any case */
    COVEY_WORK_HAD_MAX = 4096,  /* slots of which any are: such an ASSIGN fits into a message */
    COVEY_WORK_HOLDERS_BYTES_MAX = 1 + COVEY_PLAN_DEVICES_MAX * sizeof(struct covey_node_id) +
                                   COVEY_WORK_HAD_MAX * COVEY_WORK_HAD_BYTES,
    /* Slots of an assignment: no device holds two slots of one group, a group has a unit. */
    COVEY_WORK_SLOTS_MAX = COVEY_LAYERS_MAX * COVEY_LAYER_UNITS_MAX,
};

enum covey_work_type {
    COVEY_WORK_NONE,
    COVEY_WORK_PLACE = 32,     /* owner -> coordinator: costs, devices_max, parity */
    COVEY_WORK_PLACEMENT = 33, /* coordinator -> owner: the plan */
    COVEY_WORK_ASSIGN = 34,    /* owner -> holder: layers, slots, digests */
    COVEY_WORK_READY = 37,     /* holder -> owner: the assignment can be executed */
    COVEY_WORK_EXECUTE = 38,   /* owner -> holder: one layer of one request; body is the input */
    COVEY_WORK_ANSWER = 39,    /* holder -> owner: body is the product of all its slots */
    COVEY_WORK_CANCEL = 40,    /* owner -> holder: not needed any more */
    COVEY_WORK_RETIRE = 41, /* owner -> holder: versions up to this one, or the session, are over */
    COVEY_WORK_START =
        42,                /* owner -> holder: a tile run of a request, its layout; the body is the
                              rows this holder's first tile needs, none if it needs none. Where the
                              run feeds a layer, who gets its result, and this holder's work there */
    COVEY_WORK_PIECE = 43, /* holder -> holder, owner: rows of a segment's input */
    COVEY_WORK_STALLED = 44, /* holder -> owner: these devices' pieces are overdue; naming oneself:
                                I cannot go on */
    COVEY_WORK_DROP = 45,    /* owner -> holder: forget this request's tiles */
    COVEY_WORK_WANT = 46,    /* any -> any: give me these blobs */
    COVEY_WORK_GIVE = 47,    /* the body is the blob */
    COVEY_WORK_LACK = 48,    /* I have none of these */
    COVEY_WORK_PROBE = 49,   /* any -> any: answered by PROBED once the body is here */
    COVEY_WORK_PROBED = 50,
    COVEY_WORK_ASK = 51,    /* owner -> holder: STALLED at once, whatever is computed */
    COVEY_WORK_RELAY = 52,  /* owner -> holder: one layer of one request; the body is a piece of the
                               input, for all that are fed, who give it one another */
    COVEY_WORK_REFUSE = 53, /* holder -> owner, instead of READY: it does not take the assignment */
};

enum {
    COVEY_WORK_WANT_MAX = 256,               /* digests of one WANT or LACK */
    COVEY_WORK_LAYOUT_MAX = 4096,            /* bytes */
    COVEY_WORK_OWNER = 255,                  /* as a source: not a device of the plan */
    COVEY_WORK_NO_RUN = COVEY_TILE_RUNS_MAX, /* PIECE, STALLED: of a relayed input, segment 0 */
};

/* Work is fenced by (session, epoch); version counts the plans of a session. */
struct covey_fence {
    struct covey_session_id session;
    uint32_t epoch;
    uint32_t version;
};

/* Older nodes say nothing instead. */
struct covey_work_refuse {
    struct covey_fence fence;
    uint64_t room_bytes; /* for units of this session, those that it has included; UINT64_MAX: it
                            refuses for another reason */
};

struct covey_work_execute {
    struct covey_fence fence;
    uint64_t request; /* unique within the owner's boot */
    uint16_t layer;
    uint32_t work; /* unique within (owner, holder): answers name it */
};

enum covey_work_status {
    COVEY_WORK_STATUS_DONE,
    COVEY_WORK_STATUS_CANCELLED, /* dropped before it started */
    COVEY_WORK_STATUS_REFUSED,   /* unknown fence, wrong size, or not ready */
};

struct covey_work_answer {
    struct covey_fence fence;
    uint64_t request;
    uint16_t layer;
    uint32_t work;
    enum covey_work_status status;
    uint32_t spent_us; /* of the holder's processor on this answer */
};

/* The plan and the costs are opaque here: struct covey_plan and covey_plan_request are encoded by
 * runtime/core/plan_codec.c into `payload`. */
struct covey_work_place {
    struct covey_session_id session;
    uint32_t version;
    struct covey_bytes payload;
};

/* One slot of an assignment, in the order of layers, then slots. */
struct covey_work_slot {
    uint16_t layer;
    uint16_t slot;
    struct covey_digest digest;
    uint32_t holders; /* of the assignment's; not packed with it */
};

/* Devices that got units of an assignment under an older plan, packed: their number (1 byte), their
 * node ids, then of each slot that some of them may have, in the order of slots: layer u16, slot
 * u16, a bit for each device u32, little-endian. Empty: nobody is known. */
struct covey_work_holders {
    uint8_t devices;            /* 1 to COVEY_PLAN_DEVICES_MAX */
    struct covey_bytes ids;     /* 16 bytes each */
    struct covey_bytes entries; /* 8 bytes each, 1 to COVEY_WORK_HAD_MAX */
};
struct covey_work_had {
    uint16_t layer, slot;
    uint32_t devices; /* 1 to COVEY_WORK_HOLDERS_MAX of them */
};
/* MALFORMED: anything else than the above. Views borrow from in, which is not empty. */
covey_err covey_work_holders_read(struct covey_bytes in,
                                  struct covey_work_holders *out) COVEY_CHECK;
struct covey_node_id covey_work_holders_id(const struct covey_work_holders *holders, size_t index);
size_t covey_work_holders_count(const struct covey_work_holders *holders);
struct covey_work_had covey_work_holders_get(const struct covey_work_holders *holders,
                                             size_t index);
void covey_work_had_put(uint8_t out[static COVEY_WORK_HAD_BYTES], const struct covey_work_had *had);

/* layers: CBOR of the layer descriptions (runtime/session), slots as `count` packed entries of
 * 36 bytes: layer u16, slot u16, digest[32], little-endian. Both borrowed. */
struct covey_work_assign {
    struct covey_fence fence;
    struct covey_bytes layers;
    struct covey_bytes slots;
    struct covey_bytes holders; /* who else may have units of these slots: covey_work_holders */
    struct covey_bytes plan;    /* with tile runs: the plan as plan_codec.c writes it; else empty */
    struct covey_digest model;  /* manifest the cells of the tile runs are of; else zeros */
    uint16_t batch;             /* inputs of one request: the first dimension of activations */
};

/* One attempt at one tile run of one request, or at relaying a layer's input. */
struct covey_work_tile {
    struct covey_fence fence;
    uint64_t request;
    uint8_t attempt, run;
    uint8_t segment;           /* PIECE: whose input this is, `segments` for the run's result;
                                  STALLED: which waits */
    uint8_t source;            /* PIECE: device index in the plan */
    uint16_t stall_ms;         /* START: tell STALLED after waiting so long for one segment */
    uint32_t fed;              /* START: bit d: device d gets the run's result, for `layer`;
                                  RELAY: it gets and gives pieces of the layer's input */
    uint32_t bytes;            /* RELAY: of all pieces (covey_relay_piece()) */
    uint16_t layer;            /* START, RELAY: of a device that is fed: computed with it, */
    uint32_t work;             /* and answered like an EXECUTE of this number */
    struct covey_bytes layout; /* START: rows by segment and device (runtime/core/tiles.c) */
    struct covey_bytes
        missing; /* STALLED: 4 bytes, bit d: device d, least bit first; naming oneself:
                    it cannot go on, because of the others named, if they are few */
};

struct covey_work_blobs {
    struct covey_bytes digests; /* 32 bytes each, 1 to COVEY_WORK_WANT_MAX */
    bool at_once;               /* WANT: LACK what is not here, even where it may come soon */
};

struct covey_work_message {
    enum covey_work_type type;
    union {
        struct covey_work_place place; /* PLACE, PLACEMENT */
        struct covey_work_assign assign;
        struct covey_fence fence; /* READY; RETIRE: version UINT32_MAX ends the session */
        struct covey_work_refuse refuse;
        struct covey_work_execute execute;
        struct covey_work_answer answer;
        struct covey_work_execute cancel;
        /* START, RELAY, PIECE, STALLED, ASK; DROP: fence and request only */
        struct covey_work_tile tile;
        struct covey_work_blobs blobs; /* WANT, LACK */
        struct covey_digest give;      /* GIVE */
        uint32_t probe;                /* PROBE, PROBED: a number */
    };
};

/* Keys: 0 type, 1 session, 2 epoch, 3 version, 4 request, 5 layer, 6 work, 7 status, 8 payload or
 * layers, 9 slots, 10 missing, 12 plan, 13 model, 14 attempt, 15 run, 16 segment,
 * 17 source, 18 layout, 19 spent, 20 digests, 21 digest, 22 stall, 23 batch, 24 fed, 25 holders,
 * 26 at once, 27 bytes, 28 room. A type has all of its keys. Views in the result borrow from in. */
covey_err covey_work_decode(struct covey_bytes in, struct covey_work_message *out) COVEY_CHECK;
covey_err covey_work_encode(const struct covey_work_message *message, struct covey_buf out,
                            size_t *out_len) COVEY_CHECK;

#endif /* COVEY_MESSAGE_WORK_H */
