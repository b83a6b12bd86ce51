/* SPDX-License-Identifier: MIT
 *
 * message_custody.h - messages on channels by which custodians keep a training session alive
 * (protocol.md, "Custody of a training session").
 *
 * Deterministic CBOR map, integer keys, key 0 is the type. Schema: docs/messages.cddl.
 */
#ifndef COVEY_MESSAGE_CUSTODY_H
#define COVEY_MESSAGE_CUSTODY_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/limits.h"

enum covey_custody_type {
    COVEY_CUSTODY_NONE,
    COVEY_CUSTODY_APPOINT = 80, /* owner -> custodian: the newest deed; fetch what it names, then
                                   write it to disk */
    COVEY_CUSTODY_ACCEPT = 81,  /* custodian -> owner: that is done; or not agreed: it will not */
    COVEY_CUSTODY_LEASE = 82,   /* owner -> custodians: I still own it; sequence */
    COVEY_CUSTODY_GRANT = 83,   /* custodian -> owner: nobody else for a while; sequence */
    COVEY_CUSTODY_CANVASS = 86, /* custodian -> custodians: let me own it in this epoch. Not
                                   binding: would you? */
    COVEY_CUSTODY_VOTE = 87,    /* custodian -> candidate: agreed, or the epoch it is in */
    COVEY_CUSTODY_CLOSE = 88,   /* owner -> custodians: ended, or without you; forget it */
    COVEY_CUSTODY_ABSENT = 89,  /* any -> any: epoch 0: I know no such session; else: a newer
                                   epoch */
    COVEY_CUSTODY_STATE = 90,   /* is never sent: what a device writes to its disk */
    /* On the wire and on disk only: an APPOINT, a STATE whose deed says stopped. Whoever does not
     * know of that must not take it for a deed by which anybody goes on. */
    COVEY_CUSTODY_APPOINT_STOPPED = 91,
    COVEY_CUSTODY_STATE_STOPPED = 92,
};

/* The training's state after `step` steps: a blob that names others; made in `epoch`. */
struct covey_checkpoint_ref {
    uint32_t epoch;
    uint64_t step;
    struct covey_digest digest; /* zeros: there is no checkpoint */
    uint64_t len;               /* bytes, of all of them */
};

/* Who keeps a session; each change of them has a greater number. */
struct covey_custodians {
    uint32_t number;
    uint8_t count;
    struct covey_node_id id[COVEY_CUSTODIANS_MAX]; /* the owner among them; ascending */
};

/* All that custodians have to agree about, written by the owner as a whole. (epoch, version) orders
 * the deeds of a session. */
struct covey_custody_deed {
    uint32_t epoch;               /* of the owner that wrote it */
    uint64_t version;             /* 1, 2, ... within the epoch */
    struct covey_custodians set;  /* count at least 1 */
    struct covey_custodians next; /* what takes its place: both decide meanwhile. count 0: no
                                     change is under way. Its number is the set's and one more */
    struct covey_digest job;      /* a blob that names model and data */
    struct covey_checkpoint_ref checkpoint;
    bool stopped; /* by hand: nobody goes on with it until somebody is told to */
};

struct covey_custody_message {
    enum covey_custody_type type;
    struct covey_session_id session;
    uint32_t epoch;                 /* of the sender; CANVASS, VOTE: the one asked for */
    uint64_t sequence;              /* LEASE, GRANT: of the owner's asking */
    struct covey_custody_deed deed; /* APPOINT (its epoch: the message's), STATE; ACCEPT: version
                                       and checkpoint; CANVASS: epoch and version */
    struct covey_node_id voted;     /* STATE: in `epoch`; zeros: for nobody */
    bool agreed;                    /* ACCEPT, VOTE */
    bool binding;                   /* CANVASS, VOTE */
};

/* Keys: 0 type, 1 session, 2 epoch, 3 sequence, 4 set number, 5 set ids (a byte string of whole
 * ids), 6 job, 7 checkpoint epoch, 8 step, 9 digest, 10 length, 11 agreed, 12 ids of the next set
 * (maybe empty), 13 deed epoch, 14 version, 15 binding, 16 voted. A type has all of its keys. */
covey_err covey_custody_decode(struct covey_bytes in,
                               struct covey_custody_message *out) COVEY_CHECK;
covey_err covey_custody_encode(const struct covey_custody_message *message, struct covey_buf out,
                               size_t *out_len) COVEY_CHECK;

#endif /* COVEY_MESSAGE_CUSTODY_H */
