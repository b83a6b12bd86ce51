/* SPDX-License-Identifier: MIT */
#include "cluster_state.h"

#include <limits.h>
#include <stdlib.h>

#include "runtime/core/gossip_random.h"

uint64_t cluster_now_us(const struct cluster *c)
{
    return c->now_us;
}

uint64_t cluster_now_ms(const struct cluster *c)
{
    return c->now_us / 1000;
}

uint64_t cluster_random(struct cluster *c)
{
    return covey__random_next(&c->rng);
}

void cluster_inject(struct cluster *c, unsigned node, const struct covey_event *event)
{
    cluster_inject_after(c, node, 0, event);
}

void cluster_inject_after(struct cluster *c, unsigned node, uint64_t delay_us,
                          const struct covey_event *event)
{
    sim_push(c, sim_item(c, ITEM_EVENT, node, event), c->now_us + delay_us);
}

void cluster_call_after(struct cluster *c, unsigned node, uint64_t delay_us,
                        void (*fn)(void *user, unsigned node, uint64_t arg), void *user,
                        uint64_t arg)
{
    struct item *item = sim_item(c, ITEM_CALL, node, NULL);
    item->fn = fn;
    item->user = user;
    item->arg = arg;
    sim_push(c, item, c->now_us + delay_us);
}

unsigned cluster_size(const struct cluster *c)
{
    return c->config.nodes;
}

const struct covey_node *cluster_node(const struct cluster *c, unsigned node)
{
    return c->nodes[node].node;
}

const struct covey_identity *cluster_identity(const struct cluster *c, unsigned node)
{
    return c->nodes[node].identity;
}

const struct covey_node_id *cluster_id(const struct cluster *c, unsigned node)
{
    return &c->nodes[node].identity->cert.node;
}

unsigned cluster_index(const struct cluster *c, const struct covey_node_id *id)
{
    for (unsigned i = 0; i < c->config.nodes; i++) {
        if (covey_node_id_equal(cluster_id(c, i), id)) {
            return i;
        }
    }
    return UINT_MAX;
}

struct covey_addr cluster_gossip_addr(const struct cluster *c, unsigned node)
{
    (void)c;
    return sim_addr(node, CLUSTER_PORT_GOSSIP);
}

struct covey_addr cluster_channel_addr(const struct cluster *c, unsigned node)
{
    (void)c;
    return sim_addr(node, CLUSTER_PORT_CHANNEL);
}

bool cluster_running(const struct cluster *c, unsigned node)
{
    return c->nodes[node].node != NULL && !c->nodes[node].frozen;
}

static void stop(struct cluster *c, unsigned node, bool tell)
{
    struct sim_node *n = &c->nodes[node];
    if (n->node == NULL) {
        return;
    }
    if (c->config.on_stop != NULL) {
        c->config.on_stop(c->config.user, node);
    }
    covey_node_done(n->node);
    n->node = NULL;
    n->frozen = false;
    for (size_t i = 0; i < n->waiting_count; i++) {
        sim_item_free(c, n->waiting[i]);
    }
    n->waiting_count = 0;
    for (unsigned peer = 0; peer < c->config.nodes; peer++) {
        if (peer != node && tell && sim_connected(c, peer, node)) {
            sim_channel_break(c, peer, node, true, false);
        }
    }
}

void cluster_kill(struct cluster *c, unsigned node)
{
    stop(c, node, true);
}

void cluster_power_off(struct cluster *c, unsigned node)
{
    stop(c, node, false);
}

void cluster_restart(struct cluster *c, unsigned node)
{
    struct covey_identity *identity = c->nodes[node].identity;
    stop(c, node, true);
    for (unsigned peer = 0; peer < c->config.nodes; peer++) {
        if (peer != node) { /* after a power cut the reset comes only now */
            sim_channel_break(c, peer, node, true, false);
        }
    }
    identity->boot_counter++;
    for (unsigned i = 0; i < sizeof(identity->boot_nonce); i += 8) {
        covey_store64(identity->boot_nonce + i, covey__random_next(&c->rng));
    }
    sim_start(c, node);
}

void cluster_freeze(struct cluster *c, unsigned node)
{
    c->nodes[node].frozen = c->nodes[node].node != NULL;
}

void cluster_thaw(struct cluster *c, unsigned node)
{
    struct sim_node *n = &c->nodes[node];
    n->frozen = false;
    for (size_t i = 0; i < n->waiting_count; i++) {
        sim_push(c, n->waiting[i], c->now_us);
    }
    n->waiting_count = 0;
}

covey_handle cluster_body_new(struct cluster *c, const void *data, size_t len)
{
    size_t at = 0;
    while (at < c->body_count && c->bodies[at].refs > 0) {
        at++;
    }
    if (at == c->body_count) {
        if (c->body_count == c->body_cap) {
            c->body_cap = c->body_cap == 0 ? 64 : c->body_cap * 2;
            c->bodies = sim_alloc(c->bodies, c->body_cap, sizeof(*c->bodies));
        }
        c->body_count++;
    }
    struct sim_body *body = &c->bodies[at];
    *body = (struct sim_body){sim_alloc(NULL, len > 0 ? len : 1, 1), len, 1};
    if (len > 0) {
        memcpy(body->data, data, len);
    }
    return (covey_handle)(at + 1);
}

static struct sim_body *body_of(const struct cluster *c, covey_handle body)
{
    /* A handle that was given back already is the tested machine's error. */
    COVEY_ASSERT(body > 0 && body <= c->body_count && c->bodies[body - 1].refs > 0);
    return &c->bodies[body - 1];
}

void cluster_body_ref(struct cluster *c, covey_handle body)
{
    body_of(c, body)->refs++;
}

void cluster_body_unref(struct cluster *c, covey_handle body)
{
    if (body != 0 && --body_of(c, body)->refs == 0) {
        free(c->bodies[body - 1].data);
        c->bodies[body - 1].data = NULL;
    }
}

const uint8_t *cluster_body_data(const struct cluster *c, covey_handle body, size_t *out_len)
{
    *out_len = body_of(c, body)->len;
    return body_of(c, body)->data;
}

size_t cluster_bodies(const struct cluster *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->body_count; i++) {
        count += c->bodies[i].refs > 0;
    }
    return count;
}
