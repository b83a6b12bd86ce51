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
    COVEY_CUSTODY_APPOINT = 80, /* owner -> custodian: set, job; it fetches what the job names */
    COVEY_CUSTODY_ACCEPT = 81,  /* custodian -> owner: it holds all of it (set's number) */
    COVEY_CUSTODY_LEASE = 82,   /* owner -> custodians: I still own it; sequence */
    COVEY_CUSTODY_GRANT = 83,   /* custodian -> owner: nobody else until then; sequence */
    COVEY_CUSTODY_KEEP = 84,    /* owner -> custodians: checkpoint; its blob is fetched and kept */
    COVEY_CUSTODY_KEPT = 85,    /* custodian -> owner: it is on my disk */
    COVEY_CUSTODY_CANVASS =
        86,                   /* custodian -> custodians: let me own it in this epoch; checkpoint */
    COVEY_CUSTODY_VOTE = 87,  /* custodian -> candidate: agreed, and the newest checkpoint it has */
    COVEY_CUSTODY_CLOSE = 88, /* owner -> custodians: ended; forget it */
    COVEY_CUSTODY_ABSENT = 89, /* custodian -> owner: I know no such session, or a newer epoch */
};

/* The training's state after `step` steps, as one blob; made in `epoch`. */
struct covey_checkpoint_ref {
    uint32_t epoch;
    uint64_t step;
    struct covey_digest digest;
    uint64_t len; /* bytes */
};

/* Who keeps a session; a newer number takes the place of the older one once a majority of the
 * older set has it. */
struct covey_custodians {
    uint32_t number;
    uint8_t count;
    struct covey_node_id id[COVEY_CUSTODIANS_MAX]; /* the owner among them; ascending */
};

struct covey_custody_message {
    enum covey_custody_type type;
    struct covey_session_id session;
    uint32_t epoch;              /* of the sender's owner; CANVASS, VOTE: the one asked for */
    uint64_t sequence;           /* LEASE, GRANT: of the owner's asking */
    struct covey_custodians set; /* APPOINT; ACCEPT: its number only */
    struct covey_digest job;     /* APPOINT: a blob that names model and data */
    struct covey_checkpoint_ref
        checkpoint; /* APPOINT (digest zero: none), KEEP, KEPT, CANVASS, VOTE */
    bool agreed;    /* VOTE */
};

/* Keys: 0 type, 1 session, 2 epoch, 3 sequence, 4 set number, 5 set ids (a byte string of whole
 * ids), 6 job, 7 checkpoint epoch, 8 step, 9 digest, 10 length, 11 agreed. A type has all of its
 * keys. */
covey_err covey_custody_decode(struct covey_bytes in,
                               struct covey_custody_message *out) COVEY_CHECK;
covey_err covey_custody_encode(const struct covey_custody_message *message, struct covey_buf out,
                               size_t *out_len) COVEY_CHECK;

#endif /* COVEY_MESSAGE_CUSTODY_H */
