/* SPDX-License-Identifier: MIT
 *
 * cluster_state.h - the inside of the simulated cluster.
 */
#ifndef COVEY_SIM_CLUSTER_STATE_H
#define COVEY_SIM_CLUSTER_STATE_H

#include "cluster.h"

enum { CLUSTER_PORT_GOSSIP = 5684, CLUSTER_PORT_CHANNEL = 5685 };
#define CLUSTER_WALL_S UINT64_C(1767225600)

enum item_kind { ITEM_EVENT, ITEM_TIMER, ITEM_CALL, ITEM_CHANNEL_END, ITEM_ACCEPT };

/* Something that will happen to a node. Owned by the queue; heap. */
struct item {
    uint64_t at_us, order;
    enum item_kind kind;
    unsigned node;
    unsigned life; /* of the node it is meant for: 0 for any */
    struct covey_event event;
    uint8_t *bytes;
    covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1];
    struct covey_plan *plan;
    unsigned peer;    /* channel items and messages: the other end */
    uint64_t channel; /* number of the channel it belongs to; 0: none */
    void (*fn)(void *user, unsigned node, uint64_t arg);
    void *user;
    uint64_t arg;
};

struct sim_node {
    struct covey_identity *identity;
    void *memory;
    struct covey_node *node; /* NULL: killed */
    unsigned life;
    bool frozen, started;
    struct item **waiting; /* arrived while frozen */
    size_t waiting_count, waiting_cap;
};

/* Both ends think a channel is up, or one was told of its end before the other. */
struct sim_channel {
    uint64_t number;     /* 0: none */
    bool up[2];          /* as told to the lesser and the greater index */
    bool owed[2];        /* its end could not be told yet */
    uint64_t last_us[2]; /* order is kept in each direction */
};

struct sim_body {
    uint8_t *data;
    size_t len;
    unsigned refs;
};

struct cluster {
    struct cluster_config config;
    uint64_t rng, now_us, order, channels;
    uint8_t side[CLUSTER_NODES_MAX];
    bool severed[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
    uint64_t cut_us; /* when the partition began */
    uint8_t authority_public[COVEY_SIGN_PUBLIC_BYTES], authority_secret[COVEY_SIGN_SECRET_BYTES];
    uint8_t mesh_key[COVEY_KEY_BYTES];
    struct sim_node nodes[CLUSTER_NODES_MAX];
    struct sim_channel channel[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX]; /* [lesser][greater] */
    struct item **heap;
    size_t heap_count, heap_cap;
    struct item **held; /* on channels across a cut */
    size_t held_count, held_cap;
    struct sim_body *bodies;
    size_t body_count, body_cap;
    struct covey_update update;
    unsigned idle_steps; /* at the same microsecond: a machine that asks for the past never ends */
};

/* cluster_queue.c */
void *sim_alloc(void *old, size_t count, size_t size);
void sim_append(struct item ***list, size_t *count, size_t *cap, struct item *item);
struct item *sim_item(const struct cluster *c, enum item_kind kind, unsigned node,
                      const struct covey_event *event);
void sim_item_free(struct cluster *c, struct item *item);
void sim_push(struct cluster *c, struct item *item, uint64_t at_us);
struct item *sim_pop(struct cluster *c);

/* chance.c: from here on all that is drawn follows from the seed. */
void sim_chance(uint64_t seed);

/* cluster.c */
void sim_start(struct cluster *c, unsigned node);

/* cluster_network.c */
uint64_t sim_delay(struct cluster *c);
bool sim_connected(const struct cluster *c, unsigned a, unsigned b);
void sim_action(struct cluster *c, unsigned from, const struct covey_action *action);
void sim_channel_break(struct cluster *c, unsigned a, unsigned b, bool tell_a, bool tell_b);
void sim_channel_item(struct cluster *c, struct item *item);
bool sim_message_valid(struct cluster *c, struct item *item);
struct covey_addr sim_addr(unsigned node, uint16_t port);

#endif /* COVEY_SIM_CLUSTER_STATE_H */
