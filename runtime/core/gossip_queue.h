/* SPDX-License-Identifier: MIT
 *
 * gossip_queue.h - signed statements that are still to be spread, and how often each has been.
 */
#ifndef COVEY_CORE_GOSSIP_QUEUE_H
#define COVEY_CORE_GOSSIP_QUEUE_H

#include "covey/message_gossip.h"

enum {
    /* News at once: all members' records after two large groups met; what overflows is told by
     * push-pull. */
    COVEY_NEWS_MAX = 128,
};

/* One signed statement, kept. */
struct covey__news {
    bool used;
    uint8_t kind; /* enum covey_statement_kind */
    uint8_t sends;
    struct covey_node_id subject, signer;
    uint64_t incarnation;
    size_t len;
    uint8_t body[COVEY_STATEMENT_MAX];
    uint8_t signature[COVEY_STATEMENT_SIGNATURE];
};

struct covey__gossip_queue {
    struct covey__news news[COVEY_NEWS_MAX];
};

struct covey_statement covey__news_view(const struct covey__news *news);
/* Takes a copy; replaces what it makes pointless. */
void covey__queue_add(struct covey__gossip_queue *q, const struct covey__news *news);
/* Fills the message up to `budget` bytes of statements, those sent least first, and counts them as
 * sent; after `limit` sends one is gone. Its views are valid until the next add. */
void covey__queue_pick(struct covey__gossip_queue *q, unsigned limit, size_t budget,
                       struct covey_gossip_message *message);
bool covey__queue_empty(const struct covey__gossip_queue *q);
/* protocol.md, constants: max(8, 4 x ceil(log10(N + 1))). */
unsigned covey__queue_limit(unsigned members);

#endif /* COVEY_CORE_GOSSIP_QUEUE_H */
