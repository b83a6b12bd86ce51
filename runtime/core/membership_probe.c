/* SPDX-License-Identifier: MIT */
#include "membership.h"

_Static_assert((int)COVEY_CHALLENGE_BYTES == (int)COVEY_MAC_BYTES &&
                   (int)COVEY_CHALLENGE_BYTES == (int)COVEY_NONCE_BYTES,
               "a challenge is drawn, and proven, by a MAC");

static void push(struct covey__swim_out *out, struct covey__swim_send send)
{
    if (out->sends < sizeof(out->send) / sizeof(out->send[0])) {
        out->send[out->sends++] = send; /* else lost, as a datagram may be */
    }
}

/* What a ping carries is known to nobody before it comes: only who got it can answer it. */
static void draw(struct covey__membership *m, uint8_t out[static COVEY_CHALLENGE_BYTES])
{
    uint8_t number[8];
    covey_store64(number, m->numbers++);
    covey_mac(out, m->number_key, "covey probe 1", covey_bytes_of(number, sizeof(number)));
}

static uint32_t fresh_number(struct covey__membership *m)
{
    uint8_t drawn[COVEY_CHALLENGE_BYTES];
    draw(m, drawn);
    return covey_load32(drawn);
}

static uint64_t scaled(const struct covey__membership *m, uint64_t ms)
{
    return ms * (1U + m->health); /* Lifeguard: an unwell node gives others more time */
}

static struct covey__probe *probe_of(struct covey__membership *m, uint16_t index)
{
    for (unsigned i = 0; i < COVEY_PROBES_MAX; i++) {
        if (m->probe[i].active && m->probe[i].index == index) {
            return &m->probe[i];
        }
    }
    return NULL;
}

static void shuffle(struct covey__membership *m)
{
    m->order_count = 0;
    m->order_next = 0;
    for (uint16_t i = 1; i < m->used; i++) {
        if (covey__member_present(m, i)) {
            m->order[m->order_count++] = i;
        }
    }
    for (uint16_t i = m->order_count; i > 1; i--) {
        uint16_t j = (uint16_t)covey__random_below(&m->rng, i);
        uint16_t swap = m->order[i - 1];
        m->order[i - 1] = m->order[j];
        m->order[j] = swap;
    }
}

/* SWIM 4.3: round robin in random order bounds the time until each member is looked at. */
static uint16_t next_target(struct covey__membership *m)
{
    for (unsigned round = 0; round < 2; round++) {
        while (m->order_next < m->order_count) {
            uint16_t index = m->order[m->order_next++];
            if (covey__member_present(m, index) && probe_of(m, index) == NULL) {
                return index;
            }
        }
        shuffle(m);
    }
    return COVEY_NOBODY;
}

static void probe_try(struct covey__membership *m, struct covey__probe *p, uint64_t now_ms,
                      struct covey__swim_out *out)
{
    p->sent_ms[p->tries] = now_ms;
    push(out, (struct covey__swim_send){.to = p->index,
                                        .type = COVEY_GOSSIP_PING,
                                        .seq = p->seq + p->tries,
                                        .about = p->index});
    p->tries++;
    p->next_ms = now_ms + scaled(m, COVEY_PROBE_TIMEOUT_MS) / COVEY_PROBE_TRIES;
}

static bool probe_start(struct covey__membership *m, uint16_t index, uint64_t now_ms,
                        struct covey__swim_out *out)
{
    for (unsigned i = 0; i < COVEY_PROBES_MAX; i++) {
        struct covey__probe *p = &m->probe[i];
        if (!p->active) {
            memset(p, 0, sizeof(*p));
            p->active = true;
            p->index = index;
            p->seq = fresh_number(m);
            p->end_ms = now_ms + scaled(m, COVEY_PROBE_INTERVAL_MS);
            probe_try(m, p, now_ms, out);
            return true;
        }
    }
    return false;
}

static void ask_helpers(struct covey__membership *m, struct covey__probe *p,
                        struct covey__swim_out *out)
{
    uint16_t helper[COVEY_PROBE_HELPERS];
    unsigned helpers = 0, seen = 0;
    p->indirect = true;
    p->next_ms = UINT64_MAX;
    draw(m, p->challenge);
    for (uint16_t i = 1; i < m->used; i++) { /* a sample of those alive, each as likely */
        if (i == p->index || !covey__member_is(m, i, COVEY_MEMBER_ALIVE)) {
            continue;
        }
        seen++;
        if (helpers < COVEY_PROBE_HELPERS) {
            helper[helpers++] = i;
        } else {
            uint64_t at = covey__random_below(&m->rng, seen);
            if (at < COVEY_PROBE_HELPERS) {
                helper[at] = i;
            }
        }
    }
    for (unsigned i = 0; i < helpers; i++) {
        push(out, (struct covey__swim_send){
                      .to = helper[i],
                      .type = COVEY_GOSSIP_PING_REQ,
                      .seq = p->seq + COVEY_PROBE_TRIES,
                      .about = p->index,
                      .challenge = covey_bytes_of(p->challenge, sizeof(p->challenge))});
    }
}

static void probe_step(struct covey__membership *m, struct covey__probe *p, uint64_t now_ms,
                       struct covey__swim_out *out)
{
    if (!covey__member_present(m, p->index)) {
        p->active = false;
    } else if (now_ms >= p->end_ms) {
        p->active = false;
        /* With nobody to compare with, silence says as much about oneself. */
        if (m->alive > 2 && !m->hot[p->index].channel_lost) {
            covey__membership_unwell(m);
        }
        covey__member_accuse(m, p->index, now_ms, out);
    } else if (now_ms >= p->next_ms) {
        if (p->tries < COVEY_PROBE_TRIES) {
            probe_try(m, p, now_ms, out);
        } else if (!p->indirect) {
            ask_helpers(m, p, out);
        }
    }
}

void covey__membership_again(struct covey__membership *m, uint16_t index, uint64_t now_ms)
{
    struct covey__probe *p = probe_of(m, index);
    if (p != NULL && p->tries < COVEY_PROBE_TRIES) {
        p->next_ms = now_ms;
    }
}

static void measured(struct covey__member *hot, uint64_t ms)
{
    /* The clock has whole milliseconds: below one, half of one is the best guess. */
    uint32_t us = ms == 0 ? 500 : ms > 60000 ? 60000000 : (uint32_t)ms * 1000;
    hot->rtt_us = hot->rtt_us == 0 ? us : (hot->rtt_us * 7 + us) / 8;
}

/* Decision 19: a helper is not believed, but whoever shows what the probed one alone could make. */
static bool is_proven(const struct covey__membership *m, const struct covey__probe *p,
                      struct covey_bytes proof)
{
    uint8_t expected[COVEY_MAC_BYTES];
    const struct covey__member_cold *cold = &m->cold[p->index];
    if (!p->indirect || !cold->session_ready || proof.len != sizeof(expected)) {
        return false;
    }
    covey_gossip_proof(expected, &cold->session, false, p->challenge);
    return covey_equal_ct(proof.ptr, expected, sizeof(expected));
}

bool covey__membership_prove(const struct covey__membership *m,
                             const struct covey_gossip_message *ping,
                             uint8_t out[static COVEY_MAC_BYTES])
{
    if (ping->challenge.len != COVEY_CHALLENGE_BYTES) {
        return false;
    }
    uint16_t origin = covey__member_find(m, &ping->origin);
    if (origin == COVEY_NOBODY || !m->cold[origin].session_ready) {
        return false;
    }
    covey_gossip_proof(out, &m->cold[origin].session, true, ping->challenge.ptr);
    return true;
}

void covey__membership_ack(struct covey__membership *m, uint16_t from,
                           const struct covey_gossip_message *ack, uint64_t now_ms,
                           struct covey__swim_out *out)
{
    for (unsigned i = 0; i < COVEY_PROBES_MAX; i++) {
        struct covey__probe *p = &m->probe[i];
        uint32_t at = ack->seq - p->seq;
        bool direct = at < p->tries && p->index == from;
        if (p->active && (direct || (at == COVEY_PROBE_TRIES && is_proven(m, p, ack->proof)))) {
            if (direct) {
                measured(&m->hot[from], now_ms - p->sent_ms[at]);
            }
            p->active = false;
            m->health = (uint8_t)(m->health > 0 ? m->health - 1 : 0);
            return;
        }
    }
    for (unsigned i = 0; i < COVEY_RELAYS_MAX; i++) {
        struct covey__relay *relay = &m->relay[i];
        if (relay->active && relay->target == from && relay->seq == ack->seq) {
            relay->active = false;
            push(out, (struct covey__swim_send){.to = relay->origin,
                                                .type = COVEY_GOSSIP_ACK,
                                                .seq = relay->origin_seq,
                                                .about = from,
                                                .proof = ack->proof});
            return;
        }
    }
}

void covey__membership_ping_req(struct covey__membership *m, uint16_t from,
                                const struct covey_gossip_message *asked, uint64_t now_ms,
                                struct covey__swim_out *out)
{
    uint16_t target = covey__member_find(m, &asked->node);
    if (target == COVEY_NOBODY || target == COVEY_SELF || !m->hot[target].known) {
        return;
    }
    struct covey__relay *vacant = NULL;
    unsigned of_origin = 0;
    for (unsigned i = 0; i < COVEY_RELAYS_MAX; i++) {
        struct covey__relay *relay = &m->relay[i];
        bool used = relay->active && relay->end_ms > now_ms;
        of_origin += used && relay->origin == from;
        vacant = used ? vacant : relay;
    }
    if (vacant != NULL && of_origin < COVEY_RELAYS_ORIGIN_MAX) {
        *vacant = (struct covey__relay){.active = true,
                                        .origin = from,
                                        .target = target,
                                        .origin_seq = asked->seq,
                                        .seq = fresh_number(m),
                                        .end_ms = now_ms + 2 * COVEY_PROBE_INTERVAL_MS};
        push(out, (struct covey__swim_send){.to = target,
                                            .type = COVEY_GOSSIP_PING,
                                            .seq = vacant->seq,
                                            .about = target,
                                            .origin = from,
                                            .challenge = asked->challenge});
    }
}

/* One who was declared dead may be back, or on the other side of a cut that healed: it answers by
 * refuting. */
static void ping_dead(struct covey__membership *m, struct covey__swim_out *out)
{
    uint16_t chosen = COVEY_NOBODY;
    unsigned seen = 0;
    for (uint16_t i = 1; i < m->used; i++) {
        if (covey__member_is(m, i, COVEY_MEMBER_DEAD) &&
            covey__random_below(&m->rng, ++seen) == 0) {
            chosen = i;
        }
    }
    if (chosen != COVEY_NOBODY) {
        push(out,
             (struct covey__swim_send){.to = chosen, .type = COVEY_GOSSIP_PING, .about = chosen});
    }
}

static void start_probes(struct covey__membership *m, uint64_t now_ms, struct covey__swim_out *out)
{
    for (uint16_t i = 1; i < m->used; i++) {
        struct covey__member *hot = &m->hot[i];
        if (hot->urgent && (!covey__member_present(m, i) || probe_of(m, i) != NULL ||
                            probe_start(m, i, now_ms, out))) {
            hot->urgent = false;
        }
    }
    if (now_ms >= m->probe_ms) {
        uint16_t target = next_target(m);
        if (target != COVEY_NOBODY) {
            probe_start(m, target, now_ms, out);
        }
        m->probe_ms = now_ms + scaled(m, COVEY_PROBE_INTERVAL_MS);
    }
    if (now_ms >= m->dead_ping_ms) {
        ping_dead(m, out);
        m->dead_ping_ms = now_ms + COVEY_DEAD_PING_MS;
    }
}

void covey__membership_tick(struct covey__membership *m, uint64_t now_ms,
                            struct covey__swim_out *out)
{
    covey__membership_gap(m, now_ms);
    for (unsigned i = 0; i < COVEY_PROBES_MAX; i++) {
        if (m->probe[i].active) {
            probe_step(m, &m->probe[i], now_ms, out);
        }
    }
    covey__membership_bury(m, now_ms, out);
    start_probes(m, now_ms, out);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t covey__membership_deadline_ms(const struct covey__membership *m)
{
    uint64_t at = sooner(m->probe_ms, m->dead_ping_ms);
    for (unsigned i = 0; i < COVEY_PROBES_MAX; i++) {
        const struct covey__probe *p = &m->probe[i];
        if (p->active) {
            at = sooner(at, sooner(p->next_ms, p->end_ms));
        }
    }
    for (uint16_t i = 1; i < m->used; i++) {
        if (covey__member_is(m, i, COVEY_MEMBER_SUSPECT)) {
            at = sooner(at, m->hot[i].deadline_ms);
        }
        /* An urgent probe without a free place waits for the end of another. */
    }
    return at;
}
