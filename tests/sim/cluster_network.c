/* SPDX-License-Identifier: MIT */
#include "cluster_state.h"

#include <limits.h>

#include "runtime/core/gossip_random.h"

enum { CHANNEL_CUT_US = 10 * 1000 * 1000 };

struct covey_addr sim_addr(unsigned node, uint16_t port)
{
    struct covey_addr addr = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = port};
    addr.ip[15] = (uint8_t)(node + 1);
    return addr;
}

/* Index of the node at that address; UINT_MAX: none. */
static unsigned at_addr(const struct cluster *c, const struct covey_addr *addr)
{
    unsigned node = addr->ip[15] - 1U;
    struct covey_addr same = sim_addr(node & 0xff, addr->port);
    return node < c->config.nodes && covey_addr_equal(&same, addr) ? node : UINT_MAX;
}

uint64_t sim_delay(struct cluster *c)
{
    return c->config.delay_min_us +
           covey__random_below(&c->rng,
                               c->config.delay_max_us - c->config.delay_min_us + UINT64_C(1));
}

bool sim_connected(const struct cluster *c, unsigned a, unsigned b)
{
    return c->side[a] == c->side[b];
}

static void datagram(struct cluster *c, unsigned from, unsigned to, enum covey_event_type type,
                     struct covey_bytes bytes)
{
    if (to == UINT_MAX || to == from || !sim_connected(c, from, to) || c->nodes[to].node == NULL ||
        (type == COVEY_EVENT_GOSSIP && c->severed[from][to]) ||
        covey__random_below(&c->rng, 1000) < c->config.loss_permille) {
        return;
    }
    struct covey_event event = {
        .type = type, .addr = sim_addr(from, CLUSTER_PORT_GOSSIP), .bytes = bytes};
    sim_push(c, sim_item(c, ITEM_EVENT, to, &event), c->now_us + sim_delay(c));
}

static struct sim_channel *channel_of(struct cluster *c, unsigned a, unsigned b)
{
    return a < b ? &c->channel[a][b] : &c->channel[b][a];
}

/* Dial: one way to the acceptor, and up at both ends a round trip later, or a refusal. */
static void dial(struct cluster *c, unsigned from, const struct covey_action *action)
{
    unsigned to = at_addr(c, &action->addr);
    struct covey_event failed = {
        .type = COVEY_EVENT_DIAL_FAILED, .addr = action->addr, .err = COVEY_ERR_IO};
    if (to == from || to == UINT_MAX || action->addr.port != CLUSTER_PORT_CHANNEL ||
        (action->has_peer && cluster_index(c, &action->peer) != to)) {
        sim_push(c, sim_item(c, ITEM_EVENT, from, &failed), c->now_us + 2 * sim_delay(c));
        return;
    }
    struct item *item = sim_item(c, ITEM_ACCEPT, to, NULL);
    item->life = 0;
    item->peer = from;
    item->arg = c->nodes[from].life;
    sim_push(c, item, c->now_us + 3 * sim_delay(c));
}

/* To one end, after all that it was told before of its channel to that peer. */
static void tell(struct cluster *c, unsigned at, unsigned peer, const struct covey_event *event,
                 uint64_t delay_us)
{
    struct sim_channel *channel = channel_of(c, at, peer);
    uint64_t *last = &channel->last_us[at > peer];
    *last = c->now_us + delay_us > *last ? c->now_us + delay_us : *last;
    struct item *item = sim_item(c, ITEM_EVENT, at, event);
    if (event->type != COVEY_EVENT_CHANNEL_DOWN) {
        item->peer = peer;
        item->channel = channel->number;
    }
    sim_push(c, item, *last);
}

static void channel_down(struct cluster *c, unsigned at, unsigned peer)
{
    struct covey_event down = {
        .type = COVEY_EVENT_CHANNEL_DOWN, .peer = *cluster_id(c, peer), .err = COVEY_ERR_CLOSED};
    channel_of(c, at, peer)->owed[at > peer] = false;
    if (c->nodes[at].node != NULL) {
        tell(c, at, peer, &down, sim_delay(c));
    }
}

static void channel_up(struct cluster *c, unsigned at, unsigned peer)
{
    const struct covey_identity *identity = c->nodes[peer].identity;
    struct covey_event up = {.type = COVEY_EVENT_CHANNEL_UP,
                             .peer = identity->cert.node,
                             .bytes = covey_bytes_of(identity->cert_wire, identity->cert_len),
                             .addr = sim_addr(peer, CLUSTER_PORT_CHANNEL)};
    struct sim_channel *channel = channel_of(c, at, peer);
    if (channel->owed[at > peer]) {
        channel_down(c, at, peer);
    }
    channel->up[at > peer] = true;
    tell(c, at, peer, &up, 0);
}

void sim_channel_item(struct cluster *c, struct item *item)
{
    unsigned to = item->node, from = item->peer;
    struct sim_channel *channel = channel_of(c, to, from);
    if (item->kind == ITEM_ACCEPT) {
        bool both = c->nodes[to].node != NULL && c->nodes[from].node != NULL &&
                    c->nodes[from].life == item->arg && sim_connected(c, from, to) &&
                    !c->nodes[to].frozen && !c->nodes[from].frozen;
        if (both && !channel->up[0] && !channel->up[1]) {
            channel->number = ++c->channels;
            channel_up(c, to, from);
            channel_up(c, from, to);
        } else if (both || c->nodes[from].node == NULL) {
            return; /* a second channel is never told */
        } else {
            struct covey_event failed = {.type = COVEY_EVENT_DIAL_FAILED,
                                         .addr = sim_addr(to, CLUSTER_PORT_CHANNEL),
                                         .err = COVEY_ERR_TIMEOUT};
            sim_push(c, sim_item(c, ITEM_EVENT, from, &failed), c->now_us);
        }
    }
}

/* Ends it and tells those that are to be told now; the others when something next passes. */
void sim_channel_break(struct cluster *c, unsigned a, unsigned b, bool tell_a, bool tell_b)
{
    struct sim_channel *channel = channel_of(c, a, b);
    channel->number = 0;
    for (unsigned i = 0; i < 2; i++) {
        unsigned at = i == 0 ? a : b, peer = i == 0 ? b : a;
        channel->owed[at > peer] = channel->owed[at > peer] || channel->up[at > peer];
        channel->up[at > peer] = false;
        if (channel->owed[at > peer] && (i == 0 ? tell_a : tell_b)) {
            channel_down(c, at, peer);
        }
    }
}

static void send_message(struct cluster *c, unsigned from, const struct covey_action *action)
{
    unsigned to = cluster_index(c, &action->peer);
    bool self = to == from; /* the daemon turns these round */
    if (to == UINT_MAX || (!self && !channel_of(c, from, to)->up[from > to]) ||
        (c->config.on_send != NULL && !c->config.on_send(c->config.user, from, to, action))) {
        return;
    }
    struct covey_event event = {.type = COVEY_EVENT_MESSAGE,
                                .peer = *cluster_id(c, from),
                                .bytes = action->bytes,
                                .body = action->body};
    if (action->body != 0) {
        cluster_body_ref(c, action->body);
        cluster_body_data(c, action->body, &event.body_len);
    }
    if (self) {
        sim_push(c, sim_item(c, ITEM_EVENT, to, &event), c->now_us);
        return;
    }
    tell(c, to, from, &event, sim_delay(c));
}

/* False when it must not be delivered (now): its channel is gone, or a cut lies between. */
bool sim_message_valid(struct cluster *c, struct item *item)
{
    if (item->channel == 0) {
        return true;
    }
    return channel_of(c, item->node, item->peer)->number == item->channel;
}

void sim_action(struct cluster *c, unsigned from, const struct covey_action *action)
{
    switch ((int)action->type) {
    case COVEY_ACTION_MULTICAST:
        for (unsigned to = 0; to < c->config.nodes && !c->config.no_multicast; to++) {
            datagram(c, from, to, COVEY_EVENT_HELLO, action->bytes);
        }
        break;
    case COVEY_ACTION_HELLO:
        datagram(c, from, at_addr(c, &action->addr), COVEY_EVENT_HELLO, action->bytes);
        break;
    case COVEY_ACTION_GOSSIP:
        datagram(c, from, at_addr(c, &action->addr), COVEY_EVENT_GOSSIP, action->bytes);
        break;
    case COVEY_ACTION_DIAL:
        dial(c, from, action);
        break;
    case COVEY_ACTION_DROP:
        if (cluster_index(c, &action->peer) != UINT_MAX) {
            unsigned to = cluster_index(c, &action->peer);
            sim_channel_break(c, from, to, true, sim_connected(c, from, to));
        }
        break;
    case COVEY_ACTION_SEND:
        send_message(c, from, action);
        break;
    case COVEY_ACTION_RELEASE:
        cluster_body_unref(c, action->body);
        break;
    case COVEY_ACTION_MEMBER:
    case COVEY_ACTION_COORDINATOR:
    case COVEY_ACTION_LEFT:
        if (c->config.on_news != NULL) {
            c->config.on_news(c->config.user, from, action);
        }
        break;
    default: /* what a session would do */
        if (c->config.on_action != NULL) {
            c->config.on_action(c->config.user, from, action);
        } else if (action->type == COVEY_ACTION_STORE || action->type == COVEY_ACTION_COMPUTE ||
                   action->type == COVEY_ACTION_ROUND_RESULT || action->type == COVEY_ACTION_TASK) {
            cluster_body_unref(c, action->body);
        }
        break;
    }
}

void cluster_partition(struct cluster *c, const uint8_t *side)
{
    memcpy(c->side, side, c->config.nodes);
    c->cut_us = c->now_us;
}

void cluster_sever(struct cluster *c, unsigned a, unsigned b, bool severed)
{
    c->severed[a][b] = severed;
    c->severed[b][a] = severed;
}

void cluster_heal(struct cluster *c)
{
    bool late = c->now_us - c->cut_us > CHANNEL_CUT_US;
    for (unsigned a = 0; a < c->config.nodes; a++) {
        for (unsigned b = a + 1; b < c->config.nodes; b++) {
            bool broken = channel_of(c, a, b)->number == 0;
            if (c->side[a] != c->side[b] && (late || broken)) {
                sim_channel_break(c, a, b, true, true);
            }
        }
    }
    memset(c->side, 0, sizeof(c->side));
    for (size_t i = 0; i < c->held_count; i++) {
        sim_push(c, c->held[i], c->now_us + sim_delay(c));
    }
    c->held_count = 0;
}
