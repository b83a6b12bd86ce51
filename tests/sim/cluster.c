/* SPDX-License-Identifier: MIT */
#include "cluster_state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/core/gossip_random.h"

enum { START_WITHIN_US = 50 * 1000, STEPS_STUCK = 100000, ALIGN = 64 };

static void die(const char *what)
{
    fprintf(stderr, "simulation: %s\n", what);
    exit(1);
}

static void arm(struct cluster *c, unsigned node)
{
    const struct covey_node *machine = c->nodes[node].node;
    uint64_t deadline_ms = machine == NULL ? UINT64_MAX : covey_node_deadline_ms(machine);
    if (deadline_ms != UINT64_MAX) {
        uint64_t at_us = deadline_ms * 1000;
        struct item *item = sim_item(c, ITEM_TIMER, node, NULL);
        item->arg = deadline_ms;
        sim_push(c, item, at_us > c->now_us ? at_us : c->now_us);
    }
}

static void step(struct cluster *c, unsigned node, struct covey_event *event)
{
    struct sim_node *n = &c->nodes[node];
    uint64_t before_ms = covey_node_deadline_ms(n->node);
    bool again = true;
    event->now_ms = c->now_us / 1000;
    event->wall_s = CLUSTER_WALL_S + c->now_us / 1000000;
    for (struct covey_event tick = *event; again && n->node != NULL; tick.type = COVEY_EVENT_TICK) {
        covey_err err = covey_node_step(n->node, &tick, &c->update);
        if (err != COVEY_OK && c->config.on_error == NULL) {
            fprintf(stderr, "simulation: node %u, event %d: %s\n", node, (int)event->type,
                    covey_strerror(err));
            exit(1);
        } else if (err != COVEY_OK) {
            c->config.on_error(c->config.user, node, event, err);
        }
        for (size_t i = 0; i < c->update.count && n->node != NULL; i++) {
            sim_action(c, node, &c->update.actions[i]);
        }
        again = c->update.more;
    }
    if (n->node != NULL &&
        (covey_node_deadline_ms(n->node) != before_ms || event->type == COVEY_EVENT_TICK)) {
        arm(c, node);
    }
}

void sim_start(struct cluster *c, unsigned node)
{
    struct sim_node *n = &c->nodes[node];
    struct covey_node_config config = {.identity = n->identity,
                                       .gossip_port = CLUSTER_PORT_GOSSIP,
                                       .channel_port = CLUSTER_PORT_CHANNEL,
                                       .addrs = {sim_addr(node, 0)},
                                       .addr_count = 1,
                                       .rates.mflops = 1000,
                                       .rates.message_us = 10,
                                       .memory_bytes = UINT64_C(1) << 30,
                                       .seed = covey__random_next(&c->rng)};
    config.rates.mflops = c->config.mflops != NULL ? c->config.mflops(node) : config.rates.mflops;
    if (n->memory == NULL) {
        size_t size = (covey_node_size(&config) + ALIGN - 1) / ALIGN * ALIGN;
        n->memory = aligned_alloc(ALIGN, size);
    }
    if (n->memory == NULL ||
        covey_node_init(n->memory, &config, c->now_us / 1000, &n->node) != COVEY_OK) {
        die("a node cannot be made");
    }
    n->life += n->started;
    n->started = true;
    n->frozen = false;
    if (c->config.on_start != NULL) {
        c->config.on_start(c->config.user, node);
    }
    arm(c, node);
}

static void start_call(void *user, unsigned node, uint64_t arg)
{
    (void)arg;
    sim_start(user, node);
}

struct cluster *cluster_new(const struct cluster_config *config)
{
    struct cluster *c = sim_alloc(NULL, 1, sizeof(*c));
    memset(c, 0, sizeof(*c));
    c->config = *config;
    c->rng = config->seed;
    c->now_us = 1000 * 1000;
    if (config->delay_min_us == 0 && config->delay_max_us == 0) {
        c->config.delay_min_us = 200;
        c->config.delay_max_us = 1500;
    }
    if (covey_crypto_init() != COVEY_OK || config->nodes > CLUSTER_NODES_MAX) {
        die("cannot start");
    }
    sim_chance(config->seed);
    covey_authority_keypair(c->authority_public, c->authority_secret);
    covey_random(c->mesh_key, sizeof(c->mesh_key));
    for (unsigned i = 0; i < config->nodes; i++) {
        char name[16];
        snprintf(name, sizeof(name), "node-%u", i);
        bool full = i + config->untrusted < config->nodes;
        if (covey_identity_new(name, COVEY_TIER_EDGE, full ? COVEY_TRUST_FULL : COVEY_TRUST_NONE,
                               c->authority_secret, c->mesh_key, CLUSTER_WALL_S,
                               &c->nodes[i].identity) != COVEY_OK) {
            die("an identity cannot be made");
        }
        c->nodes[i].life = 1;
        struct item *item = sim_item(c, ITEM_CALL, i, NULL);
        item->fn = start_call;
        item->user = c;
        sim_push(c, item, c->now_us + covey__random_below(&c->rng, START_WITHIN_US));
    }
    return c;
}

void cluster_free(struct cluster *c)
{
    while (c->heap_count > 0) {
        sim_item_free(c, sim_pop(c));
    }
    for (size_t i = 0; i < c->held_count; i++) {
        sim_item_free(c, c->held[i]);
    }
    for (unsigned i = 0; i < c->config.nodes; i++) {
        struct sim_node *n = &c->nodes[i];
        for (size_t j = 0; j < n->waiting_count; j++) {
            sim_item_free(c, n->waiting[j]);
        }
        if (n->node != NULL) {
            covey_node_done(n->node);
        }
        free(n->waiting);
        free(n->memory);
        covey_identity_free(n->identity);
    }
    for (size_t i = 0; i < c->body_count; i++) {
        free(c->bodies[i].data);
    }
    free(c->bodies);
    free(c->heap);
    free(c->held);
    free(c);
}

static void deliver(struct cluster *c, struct item *item)
{
    struct covey_event event = item->event;
    if (item->kind == ITEM_CALL) {
        item->fn(item->user, item->node, item->arg);
    } else if (item->kind == ITEM_EVENT) {
        item->event.body = 0; /* the event's reference is the node's now */
        step(c, item->node, &event);
    } else if (covey_node_deadline_ms(c->nodes[item->node].node) <= c->now_us / 1000) {
        struct covey_event tick = {.type = COVEY_EVENT_TICK};
        step(c, item->node, &tick);
    }
}

/* False: kept for later. */
static bool handle(struct cluster *c, struct item *item)
{
    struct sim_node *n = &c->nodes[item->node];
    if (item->kind == ITEM_ACCEPT) {
        sim_channel_item(c, item);
        return true;
    }
    if (!n->started && item->kind != ITEM_CALL) {
        sim_push(c, item, c->now_us + START_WITHIN_US);
        return false;
    }
    if (item->life != n->life || (n->node == NULL && n->started) || !sim_message_valid(c, item)) {
        return true; /* meant for another life of it, or its channel broke */
    }
    if (item->channel != 0 && !sim_connected(c, item->node, item->peer)) {
        sim_append(&c->held, &c->held_count, &c->held_cap, item);
        return false;
    }
    if (n->frozen) {
        sim_append(&n->waiting, &n->waiting_count, &n->waiting_cap, item);
        return false;
    }
    deliver(c, item);
    return true;
}

static bool advance(struct cluster *c, uint64_t end_us)
{
    if (c->heap_count == 0 || c->heap[0]->at_us > end_us) {
        c->now_us = end_us;
        return false;
    }
    struct item *item = sim_pop(c);
    c->idle_steps = item->at_us > c->now_us ? 0 : c->idle_steps + 1;
    if (c->idle_steps > STEPS_STUCK) {
        die("time stands still: a deadline stays in the past");
    }
    c->now_us = item->at_us > c->now_us ? item->at_us : c->now_us;
    if (handle(c, item)) {
        sim_item_free(c, item);
    }
    return true;
}

void cluster_run(struct cluster *c, uint64_t ms)
{
    uint64_t end_us = c->now_us + ms * 1000;
    while (advance(c, end_us)) {
    }
}

bool cluster_run_until(struct cluster *c, bool (*check)(struct cluster *c, void *user), void *user,
                       uint64_t max_ms)
{
    uint64_t end_us = c->now_us + max_ms * 1000;
    do {
        if (check(c, user)) {
            return true;
        }
    } while (advance(c, end_us));
    return check(c, user);
}
