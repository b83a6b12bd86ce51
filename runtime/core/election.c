/* SPDX-License-Identifier: MIT */
#include "election.h"

#include "gossip_random.h"
#include "membership.h"

static void silence_from(struct covey__election *e, uint64_t base_ms)
{
    e->base_ms = base_ms;
    e->asked = false;
    e->jitter_ms = covey__random_below(&e->rng, COVEY_CLAIM_JITTER_MS);
}

void covey__election_init(struct covey__election *e, const struct covey_node_id *self,
                          bool may_claim, uint64_t seed, uint64_t now_ms)
{
    memset(e, 0, sizeof(*e));
    e->self = *self;
    e->may_claim = may_claim;
    e->rng = seed;
    e->last_ms = now_ms;
    silence_from(e, now_ms);
}

bool covey__election_leads(const struct covey__election *e)
{
    return e->has && covey_node_id_equal(&e->coordinator, &e->self);
}

static int compare(const struct covey_claim *claim, const struct covey__election *e)
{
    if (claim->term != e->term) {
        return claim->term < e->term ? -1 : 1;
    }
    return covey_node_id_compare(&claim->coordinator, &e->coordinator);
}

enum covey__claim_verdict covey__election_judge(const struct covey__election *e,
                                                const struct covey_claim *claim, uint64_t now_ms)
{
    if (claim->term == 0 || claim->term > COVEY_TERM_MAX ||
        (e->top_term > 0 && claim->term > e->top_term + COVEY_TERM_JUMP_MAX)) {
        return COVEY_CLAIM_IGNORED; /* protocol.md: wild jumps of the term are refused */
    }
    if (covey_node_id_equal(&claim->coordinator, &e->self)) {
        return COVEY_CLAIM_IGNORED; /* an echo */
    }
    int order = compare(claim, e);
    if (order == 0) {
        return claim->beat <= e->beat ? COVEY_CLAIM_IGNORED
               : e->has               ? COVEY_CLAIM_REFRESHES
                                      : COVEY_CLAIM_TAKES_OVER;
    }
    /* protocol.md: on healing, the lower (term, id) yields. */
    if (order > 0) {
        return COVEY_CLAIM_TAKES_OVER;
    }
    if (!e->has && now_ms > e->base_ms + 2 * COVEY_SILENCE_MS) {
        return COVEY_CLAIM_TAKES_OVER; /* nobody here claims: a lower one is better than none */
    }
    return COVEY_CLAIM_YIELDS;
}

void covey__election_claim(struct covey__election *e, const struct covey_claim *claim,
                           uint64_t now_ms, struct covey__election_out *out)
{
    out->changed = out->changed || !e->has || compare(claim, e) != 0;
    e->has = true;
    e->coordinator = claim->coordinator;
    e->term = claim->term;
    e->beat = claim->beat;
    e->top_term = claim->term > e->top_term ? claim->term : e->top_term;
    silence_from(e, now_ms);
}

void covey__election_lost(struct covey__election *e, const struct covey_node_id *id,
                          uint64_t now_ms, struct covey__election_out *out)
{
    if (!e->has || !covey_node_id_equal(&e->coordinator, id)) {
        return;
    }
    e->has = false;
    out->changed = true;
    /* No more silence is needed to know that it is gone. */
    silence_from(e, now_ms > COVEY_SILENCE_MS ? now_ms - COVEY_SILENCE_MS : 0);
}

void covey__election_resign(struct covey__election *e, struct covey__election_out *out)
{
    e->may_claim = false;
    out->changed = out->changed || covey__election_leads(e);
    e->has = e->has && !covey__election_leads(e);
}

static uint64_t claim_at(const struct covey__election *e)
{
    unsigned rank = e->rank < COVEY_CLAIM_RANK_MAX ? e->rank : COVEY_CLAIM_RANK_MAX;
    return e->base_ms + COVEY_SILENCE_MS + (uint64_t)rank * COVEY_CLAIM_STEP_MS + e->jitter_ms;
}

static void beat(struct covey__election *e, uint64_t now_ms, struct covey__election_out *out)
{
    e->beat++;
    e->beat_ms = now_ms + COVEY_BEAT_MS;
    out->beat = true;
}

static void silence_over(struct covey__election *e, uint64_t now_ms,
                         struct covey__election_out *out)
{
    if (e->may_claim) {
        e->has = true;
        e->coordinator = e->self;
        /* Who claims the last term must not be the last that could claim one. */
        e->top_term = e->top_term < COVEY_TERM_MAX ? e->top_term + 1 : 1;
        e->term = e->top_term;
        e->beat = 0;
        out->changed = true;
        beat(e, now_ms, out);
    } else if (e->has) {
        e->has = false;
        out->changed = true;
    }
}

void covey__election_tick(struct covey__election *e, uint64_t now_ms,
                          struct covey__election_out *out)
{
    bool gap = now_ms > e->last_ms + COVEY_CLOCK_GAP_MS;
    e->last_ms = now_ms;
    if (gap) {
        /* protocol.md: a long scheduling gap makes a coordinator step down. Others wait anew. */
        out->changed = out->changed || covey__election_leads(e);
        e->has = e->has && !covey__election_leads(e);
        silence_from(e, now_ms);
    }
    if (covey__election_leads(e)) {
        if (now_ms >= e->beat_ms) {
            beat(e, now_ms, out);
        }
    } else if (now_ms >= claim_at(e)) {
        silence_over(e, now_ms, out);
    } else if (e->has && !e->asked && now_ms >= e->base_ms + COVEY_DOUBT_MS) {
        e->asked = true; /* a few lost datagrams must not change the coordinator */
        out->ask = true;
    }
}

uint64_t covey__election_deadline_ms(const struct covey__election *e)
{
    if (covey__election_leads(e)) {
        return e->beat_ms;
    }
    if (e->has && !e->asked) {
        return e->base_ms + COVEY_DOUBT_MS;
    }
    return e->may_claim || e->has ? claim_at(e) : UINT64_MAX;
}
