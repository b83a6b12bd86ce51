/* SPDX-License-Identifier: MIT
 *
 * membership.h - SWIM with Lifeguard's basics as a pure machine: who is alive.
 *
 * Works on members by index into its table; knows no bytes and no signatures: node.c hands it
 * statements that were verified, and encodes, seals and signs what it wants sent.
 */
#ifndef COVEY_CORE_MEMBERSHIP_H
#define COVEY_CORE_MEMBERSHIP_H

#include "covey/datagram.h"
#include "covey/message_gossip.h"
#include "covey/node.h"
#include "gossip_random.h"

enum {
    COVEY_PROBE_INTERVAL_MS = 500,
    COVEY_PROBE_TIMEOUT_MS = 200,
    COVEY_PROBE_TRIES = 3,
    COVEY_PROBE_HELPERS = 3,
    COVEY_PROBES_MAX = 4, /* at once: the regular one, and members whose channel went down */
    COVEY_RELAYS_MAX = 64,
    COVEY_RELAYS_ORIGIN_MAX = 16, /* of one member: others need some too */
    COVEY_ACCUSERS_MAX = 4,       /* k + 1: more change nothing */
    COVEY_HEALTH_MAX = 7,
    COVEY_DEAD_PING_MS = 2000,
    COVEY_HEARD_MS = 2000,     /* so long who is suspected and answered is not held for dead */
    COVEY_CLOCK_GAP_MS = 2000, /* between two steps: this process stood still, not the others */
    COVEY_SELF = 0,            /* own index */
    COVEY_NOBODY = UINT16_MAX,
};

/* The hot entry. KNOWN: certificate there, no record yet; it counts for nothing. */
struct covey__member {
    struct covey_node_id id;
    uint64_t incarnation;
    uint64_t since_ms;    /* in this state */
    uint64_t deadline_ms; /* of the suspicion */
    uint64_t answered_ms; /* a ping, maybe late */
    uint32_t rtt_us;
    bool used;
    bool known;        /* a record was seen: state is meaningful */
    bool channel;      /* one is up */
    bool channel_lost; /* one was up, and went */
    bool urgent;       /* probe it at once */
    uint8_t state;     /* enum covey_member_state */
    uint8_t accusers;
    uint8_t accusers_lost; /* of them, those that lost their channel to it */
};
_Static_assert(sizeof(struct covey__member) <= 64, "a hot entry is one cache line");

/* What is needed only when something is sent to or learned of a member. */
struct covey__member_cold {
    struct covey_cert cert;
    struct covey_digest digest;
    uint8_t cert_wire[COVEY_CERT_MAX];
    size_t cert_len;
    struct covey_record_body record;
    uint8_t record_wire[COVEY_STATEMENT_MAX];
    size_t record_len;
    uint8_t record_signature[COVEY_STATEMENT_SIGNATURE];
    struct covey_gossip_session session;
    bool session_ready;
    bool boot_known; /* a current datagram came: its boot nonce is learned */
    bool told;       /* session was, of this state */
    uint8_t told_state;
    bool addr_seen; /* gossip_addr is where a current datagram came from */
    struct covey_addr gossip_addr;
    struct covey_addr channel_addr; /* ip and scope as seen; port from the record */
    struct covey_node_id accuser[COVEY_ACCUSERS_MAX];
    uint64_t resync_ms;  /* next reply to a datagram that is not current */
    uint64_t nudge_ms;   /* next unasked word to it about its state */
    uint64_t paid_ms;    /* until then its share of checked signatures is used up, less the burst */
    uint64_t refuted_ms; /* until then suspicions of it that were refuted tell against it */
    uint64_t placed_ms;  /* until then its share of plans is used up, less the burst */
    uint64_t changed_ms; /* the same of changes of it that plans are made anew for */
    uint64_t dial_ms;    /* next dial while it has no channel */
    uint32_t dials;
    uint64_t stalled_ms;  /* its channel was seen to stand still then; 0: was not */
    bool stalled_reached; /* since it does, a ping was answered */
};

struct covey__probe {
    bool active, indirect;
    uint16_t index;
    uint8_t tries;
    uint32_t seq; /* tries use seq.., the helpers seq + COVEY_PROBE_TRIES */
    uint8_t challenge[COVEY_CHALLENGE_BYTES]; /* indirect: what the helpers bring to it */
    uint64_t sent_ms[COVEY_PROBE_TRIES];
    uint64_t next_ms, end_ms;
};

struct covey__relay {
    bool active;
    uint16_t origin, target;
    uint32_t origin_seq, seq;
    uint64_t end_ms;
};

struct covey__membership {
    struct covey__member hot[COVEY_MEMBERS_MAX];
    struct covey__member_cold cold[COVEY_MEMBERS_MAX];
    uint16_t used;                       /* entries 0..used-1 may be in use */
    uint16_t alive;                      /* alive and suspect, oneself among them: N */
    uint8_t health;                      /* Lifeguard's local health: 0 is well */
    uint8_t number_key[COVEY_KEY_BYTES]; /* of the numbers and challenges that pings carry: */
    uint64_t numbers;                    /* so many were drawn, and nobody knows the next */
    uint64_t rng;
    uint64_t last_ms, probe_ms, dead_ping_ms;
    uint16_t order[COVEY_MEMBERS_MAX]; /* round robin, shuffled each round */
    uint16_t order_count, order_next;
    struct covey__probe probe[COVEY_PROBES_MAX];
    struct covey__relay relay[COVEY_RELAYS_MAX];
};

struct covey__swim_send {
    uint16_t to;
    enum covey_gossip_type type; /* PING, PING_REQ, ACK */
    uint32_t seq;
    uint16_t about;
    uint16_t origin;                     /* whose challenge it is, where it has one */
    struct covey_bytes challenge, proof; /* or none; borrowed until the step's end */
};

/* What a step wants: messages, members whose state changed, members to accuse (sign and spread). */
struct covey__swim_out {
    size_t sends, changes;
    struct covey__swim_send send[64];
    struct {
        uint16_t index;
        bool accuse;
    } change[COVEY_MEMBERS_MAX];
};

void covey__membership_init(struct covey__membership *m, const struct covey_identity *identity,
                            uint64_t seed, uint64_t now_ms);
void covey__membership_done(struct covey__membership *m); /* wipes the sessions */

uint16_t covey__member_find(const struct covey__membership *m, const struct covey_node_id *id);
/* Adds the holder of a verified certificate, or renews it. When full, the member that has been gone
 * longest makes room; LIMIT when none is gone. */
covey_err covey__member_add(struct covey__membership *m, const struct covey_identity *identity,
                            const struct covey_cert *cert, struct covey_bytes wire,
                            uint16_t *out_index) COVEY_CHECK;
bool covey__member_is(const struct covey__membership *m, uint16_t index,
                      enum covey_member_state state);
/* Alive or suspect, and not oneself. */
bool covey__member_present(const struct covey__membership *m, uint16_t index);

/* Verified statements. Each gives whether it changed anything (and so is to be spread). */
bool covey__membership_record(struct covey__membership *m, uint16_t index, uint64_t incarnation,
                              uint64_t now_ms, struct covey__swim_out *out);
bool covey__membership_news_wanted(const struct covey__membership *m, uint16_t index,
                                   const struct covey_accusation *a);
bool covey__membership_accused(struct covey__membership *m, uint16_t index,
                               const struct covey_accusation *a, uint64_t now_ms,
                               struct covey__swim_out *out);
bool covey__membership_left(struct covey__membership *m, uint16_t index, uint64_t incarnation,
                            uint64_t now_ms, struct covey__swim_out *out);
void covey__membership_channel(struct covey__membership *m, uint16_t index, bool up);
/* Its certificate ended, say: gone without a word. */
void covey__membership_expel(struct covey__membership *m, uint16_t index, uint64_t now_ms,
                             struct covey__swim_out *out);
void covey__membership_unwell(struct covey__membership *m); /* had to refute, or stood still */

/* What came of a member: an ACK, a PING_REQ. */
void covey__membership_ack(struct covey__membership *m, uint16_t from,
                           const struct covey_gossip_message *ack, uint64_t now_ms,
                           struct covey__swim_out *out);
void covey__membership_ping_req(struct covey__membership *m, uint16_t from,
                                const struct covey_gossip_message *asked, uint64_t now_ms,
                                struct covey__swim_out *out);
/* The proof for a ping that came from a helper; false where it asks for none, or for whom there is
 * no key. */
bool covey__membership_prove(const struct covey__membership *m,
                             const struct covey_gossip_message *ping,
                             uint8_t out[static COVEY_MAC_BYTES]);
/* It answered a ping itself, in time or not: it is there, though its link may be slow. */
void covey__membership_answered(struct covey__membership *m, uint16_t from, uint64_t now_ms);
/* A member was found to need a new nonce exchange: a running probe of it is sent again. */
void covey__membership_again(struct covey__membership *m, uint16_t index, uint64_t now_ms);
void covey__membership_tick(struct covey__membership *m, uint64_t now_ms,
                            struct covey__swim_out *out);
uint64_t covey__membership_deadline_ms(const struct covey__membership *m);

/* protocol.md, constants: the time a suspicion lasts. */
uint64_t covey__suspicion_ms(unsigned members, unsigned accusers, unsigned accusers_lost);

/* Inside the machine (membership.c for membership_probe.c). */
void covey__membership_gap(struct covey__membership *m, uint64_t now_ms);
void covey__membership_bury(struct covey__membership *m, uint64_t now_ms,
                            struct covey__swim_out *out);
void covey__member_accuse(struct covey__membership *m, uint16_t index, uint64_t now_ms,
                          struct covey__swim_out *out);

#endif /* COVEY_CORE_MEMBERSHIP_H */
