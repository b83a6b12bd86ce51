/* SPDX-License-Identifier: MIT */
#include "node_state.h"

/* Bytes of a message but for its statements, at most: map, type, seq, ids, challenge or proof, and
 * list heads. */
static size_t bare_size(const struct covey_gossip_message *m)
{
    size_t size = 80 + m->cert.len + m->digests * 34;
    for (size_t i = 0; i < m->statements; i++) {
        size += covey_statement_size(m->statement[i].body.len);
    }
    return size;
}

static void action_gossip(struct covey_node *node, const struct covey_addr *to, uint8_t *at,
                          size_t len)
{
    struct covey_action *action = covey__update_add(node->out, COVEY_ACTION_GOSSIP);
    if (action != NULL) {
        action->addr = *to;
        action->bytes = covey_bytes_of(at, len);
        node->out->arena_len += len;
    }
}

static struct covey_buf arena_rest(const struct covey_node *node)
{
    struct covey_update *out = node->out;
    return (struct covey_buf){out->arena + out->arena_len, sizeof(out->arena) - out->arena_len};
}

/* A datagram may be lost, so one that does not fit into the update is left out. */
void covey__node_send_gossip(struct covey_node *node, uint16_t to, struct covey_gossip_message *m)
{
    struct covey__membership *members = &node->members;
    struct covey__member_cold *cold = &members->cold[to];
    struct covey__news accusation;
    if (to == COVEY_SELF || !cold->session_ready || cold->gossip_addr.port == 0) {
        return;
    }
    bool dead = covey__member_is(members, to, COVEY_MEMBER_DEAD);
    if (dead || covey__member_is(members, to, COVEY_MEMBER_SUSPECT)) {
        /* Lifeguard 4.3: who is suspected hears it first, and can refute. */
        enum covey_statement_kind kind = dead ? COVEY_STATEMENT_DEAD : COVEY_STATEMENT_SUSPECT;
        if (covey__node_sign_accusation(node, to, kind, &accusation) == COVEY_OK &&
            m->statements < COVEY_GOSSIP_STATEMENTS_MAX) {
            m->statement[m->statements++] = covey__news_view(&accusation);
        }
    }
    size_t bare = bare_size(m), len = 0;
    if (bare < COVEY_GOSSIP_MAX && cold->boot_known) {
        covey__queue_pick(&node->queue, covey__queue_limit(members->alive), COVEY_GOSSIP_MAX - bare,
                          m);
    }
    uint8_t payload[COVEY_GOSSIP_MAX];
    struct covey_buf rest = arena_rest(node);
    covey_err err = covey_gossip_encode(m, (struct covey_buf){payload, sizeof(payload)}, &len);
    if (err == COVEY_OK) {
        err = covey_datagram_seal(&cold->session, node->identity, covey_bytes_of(payload, len),
                                  rest, &len);
    }
    if (err == COVEY_OK) {
        action_gossip(node, &cold->gossip_addr, rest.ptr, len);
    }
}

void covey__node_send_channel(struct covey_node *node, uint16_t to,
                              const struct covey_gossip_message *m)
{
    struct covey_buf rest = arena_rest(node);
    size_t len = 0;
    if (covey_gossip_encode(m, rest, &len) != COVEY_OK) {
        node->out->more = true;
        return; /* the next push-pull tells it */
    }
    struct covey_action *action = covey__update_add(node->out, COVEY_ACTION_SEND);
    if (action != NULL) {
        action->peer = node->members.hot[to].id;
        action->has_peer = true;
        action->bytes = covey_bytes_of(rest.ptr, len);
        node->out->arena_len += len;
    }
}

static void reply(struct covey_node *node, uint16_t to, bool channel,
                  struct covey_gossip_message *m)
{
    if (channel) {
        covey__node_send_channel(node, to, m);
    } else {
        covey__node_send_gossip(node, to, m);
    }
}

/* True at most once in COVEY_REPLY_MS for each member. */
static bool may_nudge(struct covey_node *node, uint16_t index)
{
    struct covey__member_cold *cold = &node->members.cold[index];
    if (node->now_ms < cold->nudge_ms) {
        return false;
    }
    cold->nudge_ms = node->now_ms + COVEY_REPLY_MS;
    return true;
}

static void answer_certs(struct covey_node *node, uint16_t from, bool channel,
                         const struct covey_gossip_message *asked)
{
    const struct covey__membership *members = &node->members;
    for (size_t i = 0; i < asked->digests; i++) {
        for (uint16_t j = 0; j < members->used; j++) {
            const struct covey__member_cold *cold = &members->cold[j];
            if (members->hot[j].used && covey_digest_equal(&cold->digest, &asked->digest[i])) {
                struct covey_gossip_message m = {.type = COVEY_GOSSIP_CERT};
                m.cert = covey_bytes_of(cold->cert_wire, cold->cert_len);
                if (cold->record_len > 0) {
                    m.statement[m.statements++] = covey__node_record_of(node, j);
                }
                reply(node, from, channel, &m);
                break;
            }
        }
    }
}

static void resync(struct covey_node *node, uint16_t from)
{
    struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS};
    covey__membership_again(&node->members, from, node->now_ms);
    if (may_nudge(node, from)) { /* current there now, so that my boot is learned too */
        m.statement[m.statements++] = covey__node_record_of(node, COVEY_SELF);
        covey__node_send_gossip(node, from, &m);
    }
}

static void answer_ping(struct covey_node *node, uint16_t from,
                        const struct covey_gossip_message *ping)
{
    struct covey_gossip_message ack = {.type = COVEY_GOSSIP_ACK, .seq = ping->seq};
    uint8_t proof[COVEY_MAC_BYTES];
    if (covey__membership_prove(&node->members, ping, proof)) {
        ack.proof = covey_bytes_of(proof, sizeof(proof));
    }
    if (node->election.has && node->claim.used) { /* who asks may have missed beats */
        ack.statement[ack.statements++] = covey__news_view(&node->claim);
    }
    covey__node_send_gossip(node, from, &ack);
}

static void handle(struct covey_node *node, uint16_t from, bool channel,
                   const struct covey_gossip_message *m)
{
    struct covey__membership *members = &node->members;
    switch (m->type) {
    case COVEY_GOSSIP_PING:
        if (!channel && covey_node_id_equal(&m->node, &members->hot[COVEY_SELF].id)) {
            answer_ping(node, from, m);
        }
        break;
    case COVEY_GOSSIP_ACK:
        if (!channel) {
            covey__membership_answered(members, from, node->now_ms);
        }
        if (!channel && m->seq == 0) {
            covey__node_reached(node, from);
        }
        covey__membership_ack(members, from, m, node->now_ms, &node->swim);
        break;
    case COVEY_GOSSIP_PING_REQ:
        covey__membership_ping_req(members, from, m, node->now_ms, &node->swim);
        break;
    case COVEY_GOSSIP_RESYNC:
        resync(node, from);
        break;
    case COVEY_GOSSIP_CERT_ASK:
        answer_certs(node, from, channel, m);
        break;
    case COVEY_GOSSIP_NONE:
    case COVEY_GOSSIP_NEWS:
    case COVEY_GOSSIP_CERT:
        break;
    }
}

/* A word from one who is thought gone: it must hear so, or it can never refute. */
static void nudge(struct covey_node *node, uint16_t from)
{
    const struct covey__membership *members = &node->members;
    bool doubted = covey__member_is(members, from, COVEY_MEMBER_DEAD) ||
                   covey__member_is(members, from, COVEY_MEMBER_SUSPECT);
    if (doubted && may_nudge(node, from)) {
        struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS};
        covey__node_send_gossip(node, from, &m);
    }
    if (!members->hot[from].known) {
        covey__node_ask(node, &members->cold[from].digest); /* brings the record too */
    }
}

void covey__node_gossip_message(struct covey_node *node, uint16_t from, bool channel,
                                struct covey_bytes bytes)
{
    struct covey_gossip_message m;
    if (covey_gossip_decode(bytes, &m) != COVEY_OK) {
        node->dropped++;
        return;
    }
    memset(&node->asks, 0, sizeof(node->asks));
    node->asks.type = COVEY_GOSSIP_CERT_ASK;
    if (m.type == COVEY_GOSSIP_CERT) {
        covey__node_certificate(node, from, m.cert);
    }
    for (size_t i = 0; i < m.statements; i++) {
        covey__node_statement(node, from, &m.statement[i]);
    }
    nudge(node, from);
    handle(node, from, channel, &m);
    if (node->asks.digests > 0) {
        struct covey_gossip_message asks = node->asks;
        reply(node, from, channel, &asks);
    }
    covey__node_swim_done(node);
}

/* protocol.md, Gossip: a datagram without my current boot nonce changes no state; at most one
 * rate-limited sealed reply tells it. */
static void not_current(struct covey_node *node, uint16_t from, const struct covey_addr *addr)
{
    struct covey__member_cold *cold = &node->members.cold[from];
    struct covey_gossip_message m = {.type = COVEY_GOSSIP_RESYNC};
    uint8_t payload[16];
    struct covey_buf rest = arena_rest(node);
    size_t len = 0;
    if (node->now_ms < cold->resync_ms ||
        covey_gossip_encode(&m, (struct covey_buf){payload, sizeof(payload)}, &len) != COVEY_OK) {
        return;
    }
    cold->resync_ms = node->now_ms + COVEY_REPLY_MS;
    if (covey_datagram_reply(&cold->session, node->identity, covey_bytes_of(payload, len), rest,
                             &len) == COVEY_OK) {
        action_gossip(node, addr, rest.ptr, len);
    }
}

void covey__node_datagram(struct covey_node *node, const struct covey_event *event)
{
    struct covey_node_id sender;
    struct covey_datagram datagram = {0};
    uint8_t plain[COVEY_GOSSIP_MAX];
    uint16_t from = COVEY_NOBODY;
    if (covey_datagram_sender(event->bytes, &sender) == COVEY_OK) {
        from = covey__member_find(&node->members, &sender);
    }
    struct covey__member_cold *cold = &node->members.cold[from == COVEY_NOBODY ? COVEY_SELF : from];
    if (from == COVEY_NOBODY || from == COVEY_SELF || !cold->session_ready ||
        covey_datagram_open(&cold->session, node->identity, event->bytes,
                            (struct covey_buf){plain, sizeof(plain)}, &datagram) != COVEY_OK) {
        node->dropped++;
        return;
    }
    if (!datagram.current) {
        not_current(node, from, &event->addr);
        return;
    }
    cold->boot_known = true;
    cold->addr_seen = true;
    cold->gossip_addr = event->addr;
    covey__node_gossip_message(node, from, false, covey_bytes_of(plain, datagram.len));
}

/* Up to `fanout` of those present, each as likely. */
static unsigned sample(struct covey_node *node, unsigned fanout, uint16_t *out)
{
    unsigned count = 0, seen = 0;
    for (uint16_t i = 1; i < node->members.used; i++) {
        if (!covey__member_present(&node->members, i)) {
            continue;
        }
        seen++;
        if (count < fanout) {
            out[count++] = i;
        } else {
            uint64_t at = covey__random_below(&node->rng, seen);
            if (at < fanout) {
                out[at] = i;
            }
        }
    }
    return count;
}

void covey__node_ping(struct covey_node *node, uint16_t to)
{
    struct covey_gossip_message m = {.type = COVEY_GOSSIP_PING}; /* seq 0: of no probe */
    m.node = node->members.hot[to].id;
    covey__node_send_gossip(node, to, &m);
}

void covey__node_ask_claim(struct covey_node *node)
{
    uint16_t to[COVEY_GOSSIP_FANOUT];
    uint16_t leader = covey__member_find(&node->members, &node->election.coordinator);
    if (leader != COVEY_NOBODY && leader != COVEY_SELF) {
        covey__node_ping(node, leader);
    }
    for (unsigned i = 0, count = sample(node, COVEY_GOSSIP_FANOUT, to); i < count; i++) {
        if (to[i] != leader) {
            covey__node_ping(node, to[i]);
        }
    }
}

void covey__node_gossip_round(struct covey_node *node)
{
    uint16_t to[COVEY_GOSSIP_FANOUT];
    if (node->now_ms >= node->gossip_ms) {
        node->gossip_ms = node->now_ms + COVEY_GOSSIP_MS;
        unsigned count = sample(node, COVEY_GOSSIP_FANOUT, to);
        for (unsigned i = 0; i < count && !covey__queue_empty(&node->queue); i++) {
            struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS};
            covey__node_send_gossip(node, to[i], &m);
        }
    }
    if (node->now_ms >= node->push_pull_ms) {
        unsigned stretch = node->members.alive / 32 + 1U; /* stretched above 32 nodes */
        node->push_pull_ms = node->now_ms + (uint64_t)COVEY_PUSH_PULL_MS * stretch;
        if (sample(node, 1, to) == 1 && node->members.hot[to[0]].channel) {
            covey__node_push(node, to[0]);
        }
    }
}
