/* SPDX-License-Identifier: MIT
 *
 * election.h - one coordinator per connected group once quiet, as a pure machine.
 *
 * Nothing about safety rests on it. Claims come in verified, from present members of full trust;
 * node.c signs and sends the beats that a step asks for.
 */
#ifndef COVEY_CORE_ELECTION_H
#define COVEY_CORE_ELECTION_H

#include <stdbool.h>

#include "covey/ids.h"
#include "covey/message_gossip.h"

enum {
    COVEY_BEAT_MS = 300,
    COVEY_BEAT_MEMBERS = 32, /* told directly; the others learn through gossip */
    COVEY_SILENCE_MS = 1000, /* without a beat, before the first in rank claims */
    COVEY_DOUBT_MS = 650,    /* two beats may be lost; then it is asked for a word */
    COVEY_CLAIM_STEP_MS = 100,
    COVEY_CLAIM_RANK_MAX = 4, /* the last claim after 1.5 s with their jitter */
    COVEY_CLAIM_JITTER_MS = 90,
    COVEY_TERM_JUMP_MAX = 1 << 16, /* a term more than this above the last is refused */
};
#define COVEY_TERM_MAX (UINT64_C(1) << 48)

struct covey__election {
    struct covey_node_id self;
    bool may_claim; /* full trust, and not leaving */
    bool has;       /* coordinator, term, beat: of the present one, else of the last known */
    struct covey_node_id coordinator;
    uint64_t term, beat;
    uint64_t top_term; /* highest seen */
    unsigned rank;     /* how many present members would claim before this one */
    uint64_t base_ms;  /* the silence counts from here */
    uint64_t jitter_ms, beat_ms, last_ms;
    uint64_t rng;
    bool asked; /* since base_ms */
};

/* beat: sign and spread (self, term, beat). changed: who coordinates is another now. ask: ping the
 * coordinator and some others, whose answers carry the newest claim. */
struct covey__election_out {
    bool beat, changed, ask;
};

enum covey__claim_verdict {
    COVEY_CLAIM_IGNORED,
    COVEY_CLAIM_REFRESHES,
    COVEY_CLAIM_TAKES_OVER,
    COVEY_CLAIM_YIELDS, /* it is lower than what is known here: tell its sender */
};

void covey__election_init(struct covey__election *e, const struct covey_node_id *self,
                          bool may_claim, uint64_t seed, uint64_t now_ms);
/* What a claim would do, before its signature is checked. */
enum covey__claim_verdict covey__election_judge(const struct covey__election *e,
                                                const struct covey_claim *claim, uint64_t now_ms);
/* A verified claim that REFRESHES or TAKES_OVER. */
void covey__election_claim(struct covey__election *e, const struct covey_claim *claim,
                           uint64_t now_ms, struct covey__election_out *out);
/* A member is dead or left: when it was the coordinator, the claims start. */
void covey__election_lost(struct covey__election *e, const struct covey_node_id *id,
                          uint64_t now_ms, struct covey__election_out *out);
void covey__election_resign(struct covey__election *e, struct covey__election_out *out);
void covey__election_tick(struct covey__election *e, uint64_t now_ms,
                          struct covey__election_out *out);
uint64_t covey__election_deadline_ms(const struct covey__election *e);
bool covey__election_leads(const struct covey__election *e);

#endif /* COVEY_CORE_ELECTION_H */
