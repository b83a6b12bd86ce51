/* SPDX-License-Identifier: MIT
 *
 * discovery.h - when to say hello, whom to answer and whom to dial, as a pure machine.
 *
 * A hello changes nothing but who is dialled: trust comes from the channel's handshake.
 */
#ifndef COVEY_CORE_DISCOVERY_H
#define COVEY_CORE_DISCOVERY_H

#include <stdbool.h>

#include "covey/ids.h"

enum {
    COVEY_HELLO_FIRST_MS = 150,
    COVEY_HELLO_ALONE_MS = 500, /* between hellos while nobody is known */
    COVEY_HELLO_MIN_MS = 1000,
    COVEY_HELLO_LONGEST_MS = 32000,
    COVEY_HELLO_ANSWER_MS = 1000, /* between two answers to one source */
    COVEY_DIAL_GREATER_MS = 400,  /* the greater id waits for the lesser's dial */
    COVEY_DIAL_TRIES = 10,
    COVEY_JOIN_MS = 1000,
    COVEY_REPLIES_MAX = 32,
    COVEY_SOURCES_MAX = 64,
    COVEY_DIALS_MAX = 64,
    COVEY_JOINS_MAX = 8,
    COVEY_STRANGERS_MAX = 8, /* nodes of other versions that are listed */
};

struct covey__discovery {
    struct covey_node_id self;
    uint64_t rng;
    uint64_t hello_ms, interval_ms, sequence;
    struct {
        bool active;
        struct covey_addr addr;
        uint64_t due_ms;
    } reply[COVEY_REPLIES_MAX], join[COVEY_JOINS_MAX];
    struct {
        uint8_t ip[16];
        uint16_t port; /* many nodes may share one host */
        uint64_t next_ms;
    } source[COVEY_SOURCES_MAX];
    struct covey__dial {
        bool active;
        struct covey_node_id id;
        struct covey_addr addr;
        uint64_t due_ms;
        unsigned tries;
    } dial[COVEY_DIALS_MAX];
    struct {
        bool used;
        struct covey_node_id id;
        struct covey_addr addr;
    } stranger[COVEY_STRANGERS_MAX];
};

struct covey__discovery_out {
    bool multicast;
    unsigned replies, dials;
    struct covey_addr reply[COVEY_REPLIES_MAX];
    struct {
        bool join;
        struct covey_node_id id;
        struct covey_addr addr;
    } dial[COVEY_DIALS_MAX + COVEY_JOINS_MAX];
};

void covey__discovery_init(struct covey__discovery *d, const struct covey_node_id *self,
                           uint64_t seed, uint64_t now_ms);
/* Answers it within the jitter window for `members`; limited per source. */
void covey__discovery_answer(struct covey__discovery *d, const struct covey_addr *to,
                             unsigned members, uint64_t now_ms);
/* Somebody unknown is at addr (its channel port). */
void covey__discovery_found(struct covey__discovery *d, const struct covey_node_id *id,
                            const struct covey_addr *addr, uint64_t now_ms);
void covey__discovery_known(struct covey__discovery *d, const struct covey_node_id *id);
void covey__discovery_stranger(struct covey__discovery *d, const struct covey_node_id *id,
                               const struct covey_addr *addr);
/* False when the table is full. */
bool covey__discovery_join(struct covey__discovery *d, const struct covey_addr *addr,
                           uint64_t now_ms);
/* Somebody was lost: it may be looking for us. */
void covey__discovery_hasten(struct covey__discovery *d, uint64_t now_ms);
void covey__discovery_tick(struct covey__discovery *d, bool alone, uint64_t now_ms,
                           struct covey__discovery_out *out);
uint64_t covey__discovery_deadline_ms(const struct covey__discovery *d);

#endif /* COVEY_CORE_DISCOVERY_H */
