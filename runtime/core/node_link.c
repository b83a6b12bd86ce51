/* SPDX-License-Identifier: MIT */
#include "node_state.h"

enum {
    DIAL_STEP_MS = 200,
    DIAL_LONGEST_MS = 5000,
    STALLED_MS = 300, /* after it was last seen to stand still */
};

/* Where to send datagrams to, unless a current one told. */
void covey__node_addresses(struct covey_node *node, uint16_t index)
{
    struct covey__member_cold *cold = &node->members.cold[index];
    if (cold->addr_seen || cold->record_len == 0) {
        return;
    }
    if (cold->channel_addr.port != 0) {
        cold->gossip_addr = cold->channel_addr;
    } else if (cold->record.addrs > 0) {
        memset(&cold->gossip_addr, 0, sizeof(cold->gossip_addr));
        memcpy(cold->gossip_addr.ip, cold->record.addr[0], sizeof(cold->gossip_addr.ip));
    } else if (cold->gossip_addr.port == 0) {
        return; /* nowhere yet: its hello or its channel will tell */
    }
    cold->gossip_addr.port = cold->record.gossip_port;
}

static void say_hello(struct covey_node *node, const struct covey_addr *to)
{
    struct covey_update *out = node->out;
    struct covey_buf rest = {out->arena + out->arena_len, sizeof(out->arena) - out->arena_len};
    struct covey_hello hello = {.version_min = COVEY_WIRE_VERSION,
                                .version_max = COVEY_WIRE_VERSION,
                                .node = node->members.hot[COVEY_SELF].id,
                                .cert = node->identity->cert_digest,
                                .gossip_port = node->config.gossip_port,
                                .channel_port = node->config.channel_port,
                                .boot_counter = node->identity->boot_counter,
                                .sequence = ++node->discovery.sequence,
                                .reply = to != NULL};
    size_t len = 0;
    if (covey_hello_seal(&hello, node->identity, rest, &len) != COVEY_OK) {
        return; /* no room in this update: the next hello comes soon */
    }
    struct covey_action *action =
        covey__update_add(out, to == NULL ? COVEY_ACTION_MULTICAST : COVEY_ACTION_HELLO);
    if (action != NULL) {
        if (to != NULL) {
            action->addr = *to;
        }
        action->bytes = covey_bytes_of(rest.ptr, len);
        out->arena_len += len;
    }
}

static void dial(struct covey_node *node, const struct covey_addr *to,
                 const struct covey_node_id *peer)
{
    struct covey_action *action = covey__update_add(node->out, COVEY_ACTION_DIAL);
    if (action != NULL) {
        action->addr = *to;
        if (peer != NULL) {
            action->peer = *peer;
            action->has_peer = true;
        }
    }
}

/* Never with more than was asked. */
static void answer(struct covey_node *node, const struct covey_hello *hello,
                   const struct covey_event *event)
{
    if (!hello->reply && event->bytes.len >= COVEY_HELLO_BYTES) {
        covey__discovery_answer(&node->discovery, &event->addr, node->members.alive, node->now_ms);
    }
}

/* A hello of a member, its signature checked. */
static void hello_of_member(struct covey_node *node, uint16_t index,
                            const struct covey_hello *hello, const struct covey_event *event)
{
    const struct covey_addr *from = &event->addr;
    struct covey__membership *members = &node->members;
    const struct covey__member *hot = &members->hot[index];
    struct covey__member_cold *cold = &members->cold[index];
    struct covey_addr channel = *from;
    channel.port = hello->channel_port;
    bool booted = hello->boot_counter > hot->incarnation >> 32;
    bool settled = covey__member_is(members, index, COVEY_MEMBER_ALIVE) && hot->channel && !booted;
    if (!settled) {
        answer(node, hello, event);
    }
    if (booted || !covey__member_present(members, index)) {
        covey__discovery_found(&node->discovery, &hello->node, &channel, node->now_ms);
    }
    if (!cold->addr_seen || booted) { /* it came from there, which is more than a record says */
        cold->gossip_addr = *from;
        cold->gossip_addr.port = hello->gossip_port;
    }
}

void covey__node_hello(struct covey_node *node, const struct covey_event *event)
{
    struct covey_hello hello;
    if (covey_hello_open(event->bytes, node->identity, &hello) != COVEY_OK) {
        node->dropped++;
        return;
    }
    uint16_t index = covey__member_find(&node->members, &hello.node);
    if (index == COVEY_SELF) {
        return;
    }
    if (hello.version_min > COVEY_WIRE_VERSION || hello.version_max < COVEY_WIRE_VERSION) {
        covey__discovery_stranger(&node->discovery, &hello.node, &event->addr);
        return;
    }
    if (index == COVEY_NOBODY) {
        struct covey_addr channel = event->addr;
        channel.port = hello.channel_port;
        answer(node, &hello, event);
        /* Its certificate comes with the handshake; until then it is a place to dial. */
        covey__discovery_found(&node->discovery, &hello.node, &channel, node->now_ms);
        return;
    }
    if (!covey__node_may_cost(node, COVEY_SELF, 1)) {
        return;
    }
    if (!covey_hello_verify(event->bytes, node->identity,
                            node->members.cold[index].cert.sign_public)) {
        node->dropped++;
        return;
    }
    hello_of_member(node, index, &hello, event);
}

void covey__node_push(struct covey_node *node, uint16_t to)
{
    struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS};
    for (uint16_t i = 0; i < node->members.used; i++) {
        /* Its own too: after a restore it may have forgotten how far its incarnations went. */
        if (i == COVEY_SELF || covey__member_present(&node->members, i) ||
            (i == to && node->members.cold[i].record_len > 0)) {
            m.statement[m.statements++] = covey__node_record_of(node, i);
        }
        if (m.statements == COVEY_GOSSIP_STATEMENTS_MAX) {
            covey__node_send_channel(node, to, &m);
            m.statements = 0;
        }
    }
    /* The claim last: whoever made it is known by then. */
    if (node->election.has && node->claim.used) {
        m.statement[m.statements++] = covey__news_view(&node->claim);
    }
    if (m.statements > 0) {
        covey__node_send_channel(node, to, &m);
    }
}

/* The other side thinks as little of this node's death as this one of its own: tell it, so that it
 * refutes. */
static void accuse_over_channel(struct covey_node *node, uint16_t index)
{
    struct covey__news news;
    bool dead = covey__member_is(&node->members, index, COVEY_MEMBER_DEAD);
    if (!dead && !covey__member_is(&node->members, index, COVEY_MEMBER_SUSPECT)) {
        return;
    }
    if (covey__node_sign_accusation(node, index,
                                    dead ? COVEY_STATEMENT_DEAD : COVEY_STATEMENT_SUSPECT,
                                    &news) == COVEY_OK) {
        struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS};
        m.statement[m.statements++] = covey__news_view(&news);
        covey__node_send_channel(node, index, &m);
    }
}

void covey__node_channel_up(struct covey_node *node, const struct covey_event *event)
{
    struct covey_cert cert;
    uint16_t index = COVEY_NOBODY;
    covey_err err =
        covey_cert_verify(event->bytes, node->identity->authority_public, node->wall_s, &cert);
    if (err == COVEY_OK) {
        err = covey__member_add(&node->members, node->identity, &cert, event->bytes, &index);
    }
    if (err != COVEY_OK || !covey_node_id_equal(&cert.node, &event->peer)) {
        node->dropped++;
        struct covey_action *action = covey__update_add(node->out, COVEY_ACTION_DROP);
        if (action != NULL) {
            action->peer = event->peer;
            action->has_peer = true;
        }
        return;
    }
    struct covey__member_cold *cold = &node->members.cold[index];
    cold->channel_addr = event->addr;
    cold->dials = 0;
    covey__membership_channel(&node->members, index, true);
    covey__discovery_known(&node->discovery, &cert.node);
    covey__node_addresses(node, index);
    covey__node_push(node, index);
    accuse_over_channel(node, index);
    covey__node_job_peer(node, index);
}

/* Its channel is gone, whoever closed it. */
static void channel_gone(struct covey_node *node, uint16_t index)
{
    covey__membership_channel(&node->members, index, false);
    node->members.cold[index].dial_ms = node->now_ms + COVEY_DIAL_GREATER_MS;
    covey_err err = covey__worker_peer_down(node->worker, &node->members.hot[index].id, node->out);
    node->dropped += err != COVEY_OK; /* no room for news of it: its work is refused later */
    covey__node_train_down(node, index);
    covey__node_job_peer(node, index);
}

void covey__node_channel_down(struct covey_node *node, const struct covey_node_id *peer)
{
    uint16_t index = covey__member_find(&node->members, peer);
    if (index != COVEY_NOBODY && index != COVEY_SELF && node->members.hot[index].channel) {
        channel_gone(node, index);
    }
}

void covey__node_drop(struct covey_node *node, uint16_t index)
{
    if (!node->members.hot[index].channel) {
        return;
    }
    struct covey_action *action = covey__update_add(node->out, COVEY_ACTION_DROP);
    if (action != NULL) {
        action->peer = node->members.hot[index].id;
        action->has_peer = true;
    }
    channel_gone(node, index);
}

/* It may be that the peer is gone, that the way is slow, or that it is free again and TCP does not
 * know yet. On a slow way a ping waits behind what TCP has sent, and its answer comes behind what
 * acknowledges that: only who was reached and still stands still is dialled anew. */
void covey__node_channel_stalled(struct covey_node *node, const struct covey_node_id *peer)
{
    uint16_t index = covey__member_find(&node->members, peer);
    if (index == COVEY_NOBODY || index == COVEY_SELF || !node->members.hot[index].channel) {
        return;
    }
    struct covey__member_cold *cold = &node->members.cold[index];
    if (!covey__node_stands_still(node, index)) {
        cold->stalled_reached = false;
    }
    if (cold->stalled_reached) {
        cold->stalled_ms = 0;
        covey__node_drop(node, index);
        cold->dial_ms = node->now_ms;
    } else {
        cold->stalled_ms = node->now_ms;
        covey__node_ping(node, index);
    }
}

bool covey__node_stands_still(const struct covey_node *node, uint16_t index)
{
    uint64_t stalled_ms = node->members.cold[index].stalled_ms;
    return stalled_ms != 0 && node->now_ms <= stalled_ms + STALLED_MS;
}

void covey__node_reached(struct covey_node *node, uint16_t from)
{
    struct covey__member_cold *cold = &node->members.cold[from];
    cold->stalled_reached = covey__node_stands_still(node, from);
}

/* Whether a channel to somebody there is up. */
static bool joined(const struct covey_node *node, const struct covey_addr *addr)
{
    for (uint16_t i = 1; i < node->members.used; i++) {
        const struct covey__member_cold *cold = &node->members.cold[i];
        if (node->members.hot[i].used && node->members.hot[i].channel &&
            memcmp(cold->channel_addr.ip, addr->ip, sizeof(addr->ip)) == 0 &&
            (cold->channel_addr.port == addr->port || cold->record.channel_port == addr->port)) {
            return true;
        }
    }
    return false;
}

void covey__node_discover(struct covey_node *node)
{
    struct covey__discovery_out out;
    if (node->leave_ms != UINT64_MAX) {
        return;
    }
    covey__discovery_tick(&node->discovery, node->members.alive < 2, node->now_ms, &out);
    if (out.multicast) {
        say_hello(node, NULL);
    }
    for (unsigned i = 0; i < out.replies; i++) {
        say_hello(node, &out.reply[i]);
    }
    for (unsigned i = 0; i < out.dials; i++) {
        if (!out.dial[i].join) {
            dial(node, &out.dial[i].addr, &out.dial[i].id);
        } else if (!joined(node, &out.dial[i].addr)) {
            dial(node, &out.dial[i].addr, NULL);
        }
    }
}

void covey__node_dial_members(struct covey_node *node)
{
    struct covey__membership *members = &node->members;
    for (uint16_t i = 1; i < members->used && node->leave_ms == UINT64_MAX; i++) {
        struct covey__member_cold *cold = &members->cold[i];
        if (!covey__member_is(members, i, COVEY_MEMBER_ALIVE) || members->hot[i].channel ||
            cold->dial_ms > node->now_ms || cold->gossip_addr.port == 0) {
            continue;
        }
        struct covey_addr to = cold->gossip_addr;
        to.port = cold->record.channel_port;
        if (!cold->addr_seen && cold->dials % 2 == 1 && cold->record.addrs > 0) {
            /* Not all of its addresses can be reached from here: try each. */
            to.scope = 0;
            memcpy(to.ip, cold->record.addr[cold->dials / 2 % cold->record.addrs], sizeof(to.ip));
        }
        cold->dials++;
        uint64_t wait = DIAL_STEP_MS + (uint64_t)DIAL_STEP_MS * cold->dials;
        wait = wait < DIAL_LONGEST_MS ? wait : DIAL_LONGEST_MS;
        cold->dial_ms = node->now_ms + wait + covey__random_below(&node->rng, DIAL_STEP_MS);
        dial(node, &to, &members->hot[i].id);
    }
}
