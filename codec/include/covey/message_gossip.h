/* SPDX-License-Identifier: MIT
 *
 * message_gossip.h - gossip messages and the signed statements that ride on them.
 *
 * Deterministic CBOR map, integer keys, key 0 is the type (1..15; work messages begin at 32). The
 * same messages travel in sealed datagrams and, right after a channel came up, on channels.
 * Statements keep the exact bytes that were signed; signatures are not checked here.
 */
#ifndef COVEY_MESSAGE_GOSSIP_H
#define COVEY_MESSAGE_GOSSIP_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/limits.h"

enum covey_gossip_type {
    COVEY_GOSSIP_NONE,
    COVEY_GOSSIP_PING = 1,     /* seq, node: who is meant; challenge and origin, or neither */
    COVEY_GOSSIP_ACK = 2,      /* seq; proof, where the ping had a challenge */
    COVEY_GOSSIP_PING_REQ = 3, /* seq, node: who to ping for me; maybe a challenge */
    COVEY_GOSSIP_NEWS = 4,     /* statements only */
    COVEY_GOSSIP_RESYNC = 5,   /* your datagram was not for this boot of mine */
    COVEY_GOSSIP_CERT_ASK = 6, /* digests */
    COVEY_GOSSIP_CERT = 7,     /* cert: wire form of one certificate */
};

enum covey_statement_kind {
    COVEY_STATEMENT_NONE,
    COVEY_STATEMENT_RECORD = 1,
    COVEY_STATEMENT_SUSPECT = 2,
    COVEY_STATEMENT_DEAD = 3,
    COVEY_STATEMENT_LEAVE = 4,
    COVEY_STATEMENT_CLAIM = 5,
};

enum {
    /* Bytes of a statement's body: a record with four addresses has 199. */
    COVEY_STATEMENT_MAX = 224,
    COVEY_STATEMENT_SIGNATURE = 64,
    /* Statements in one message: on a channel all members at once fit into four messages. */
    COVEY_GOSSIP_STATEMENTS_MAX = 64,
    COVEY_GOSSIP_DIGESTS_MAX = 16,
    COVEY_RECORD_ADDRS_MAX = 4,
    COVEY_CHALLENGE_BYTES = 16, /* and as many of a proof */
};

struct covey_statement {
    enum covey_statement_kind kind;
    struct covey_bytes body;      /* at most COVEY_STATEMENT_MAX */
    struct covey_bytes signature; /* exactly COVEY_STATEMENT_SIGNATURE */
};

struct covey_gossip_message {
    enum covey_gossip_type type;
    uint32_t seq;
    struct covey_node_id node;
    struct covey_node_id origin;  /* whose challenge a ping carries */
    struct covey_bytes challenge; /* COVEY_CHALLENGE_BYTES, or none; older nodes send none */
    struct covey_bytes proof;     /* covey_gossip_proof() of one; the same */
    struct covey_bytes cert;      /* at most COVEY_CERT_MAX */
    size_t digests;
    struct covey_digest digest[COVEY_GOSSIP_DIGESTS_MAX];
    size_t statements;
    struct covey_statement statement[COVEY_GOSSIP_STATEMENTS_MAX];
};

/* A member's own record, signed by it. */
struct covey_record_body {
    struct covey_node_id node;
    uint64_t incarnation; /* high half: boot counter */
    struct covey_digest cert;
    uint16_t gossip_port, channel_port;
    struct covey_rates rates;
    uint64_t memory_bytes;
    uint64_t store_bytes; /* of its disk, for slices of others' models; 0: not told */
    uint8_t addrs;
    uint8_t addr[COVEY_RECORD_ADDRS_MAX][16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* SUSPECT, DEAD: signed by the accuser. LEAVE: accuser is the subject. */
struct covey_accusation {
    struct covey_node_id accuser, subject;
    uint64_t incarnation; /* of the subject */
    bool channel_lost;    /* the accuser had a channel to it, and lost it */
};

/* CLAIM: a beat of the coordinator, signed by it. */
struct covey_claim {
    struct covey_node_id coordinator;
    uint64_t term;
    uint64_t beat; /* grows while the term lasts */
};

/* Views in the result borrow from in. Unknown types: UNSUPPORTED. Unknown kinds of statements are
 * left out. */
covey_err covey_gossip_decode(struct covey_bytes in, struct covey_gossip_message *out) COVEY_CHECK;
covey_err covey_gossip_encode(const struct covey_gossip_message *message, struct covey_buf out,
                              size_t *out_len) COVEY_CHECK;
/* Bytes that one more statement with a body of this length adds, at most. */
size_t covey_statement_size(size_t body_len);

covey_err covey_record_decode(struct covey_bytes in, struct covey_record_body *out) COVEY_CHECK;
covey_err covey_record_encode(const struct covey_record_body *record, struct covey_buf out,
                              size_t *out_len) COVEY_CHECK;
covey_err covey_accusation_decode(struct covey_bytes in, struct covey_accusation *out) COVEY_CHECK;
covey_err covey_accusation_encode(const struct covey_accusation *accusation, struct covey_buf out,
                                  size_t *out_len) COVEY_CHECK;
covey_err covey_claim_decode(struct covey_bytes in, struct covey_claim *out) COVEY_CHECK;
covey_err covey_claim_encode(const struct covey_claim *claim, struct covey_buf out,
                             size_t *out_len) COVEY_CHECK;

#endif /* COVEY_MESSAGE_GOSSIP_H */
