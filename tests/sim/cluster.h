/* SPDX-License-Identifier: MIT
 *
 * cluster.h - whole clusters of real covey_node machines in one process, under a fake clock and a
 * seeded fake network: datagrams with loss and delay, multicast, channels, kills, freezes, cuts.
 *
 * Does no real I/O and sleeps never. The session half (bodies, mathematics) is plugged in through
 * on_action; membership tests need none.
 */
#ifndef COVEY_SIM_CLUSTER_H
#define COVEY_SIM_CLUSTER_H

#include "covey/node.h"

struct cluster;

enum { CLUSTER_NODES_MAX = 64 };

struct cluster_config {
    uint64_t seed;
    unsigned nodes;
    unsigned untrusted;     /* how many of the last nodes have trust none */
    unsigned loss_permille; /* of datagrams, multicast too */
    uint32_t delay_min_us;  /* one way, datagrams and channel messages; both 0: 200..1500 us */
    uint32_t delay_max_us;
    bool no_multicast;                 /* filtered: only EVENT_JOIN finds anyone */
    uint32_t (*mflops)(unsigned node); /* NULL: 1000 each */
    void *user;
    /* Every action that is not network (MEMBER, COORDINATOR, LEFT, RELEASE aside), in order. What
     * an action "takes" is the callee's reference. Events may be injected from here: they are
     * stepped after the running step's actions. NULL: ignored, bodies released. */
    void (*on_action)(void *user, unsigned node, const struct covey_action *action);
    /* MEMBER, COORDINATOR, LEFT; NULL: ignored. */
    void (*on_news)(void *user, unsigned node, const struct covey_action *action);
    /* The node's machine was just made (start, restart) or is gone (kill). May be NULL. */
    void (*on_start)(void *user, unsigned node);
    void (*on_stop)(void *user, unsigned node);
    /* covey_node_step() failed; NULL: the process ends with a line. */
    void (*on_error)(void *user, unsigned node, const struct covey_event *event, covey_err err);
    /* Sees each channel message as it leaves; false drops it silently. May be NULL. */
    bool (*on_send)(void *user, unsigned from, unsigned to, const struct covey_action *action);
};

/* All nodes are made and started within the first 50 ms. Exits with a line when out of memory. */
struct cluster *cluster_new(const struct cluster_config *config);
void cluster_free(struct cluster *c);

/* Time moves only here. */
void cluster_run(struct cluster *c, uint64_t ms);
/* Until check() holds (looked at each time anything happened): true, or max_ms passed: false. */
bool cluster_run_until(struct cluster *c, bool (*check)(struct cluster *c, void *user), void *user,
                       uint64_t max_ms);
uint64_t cluster_now_ms(const struct cluster *c);
uint64_t cluster_now_us(const struct cluster *c);
uint64_t cluster_random(struct cluster *c); /* the seeded generator, for tests too */

/* now_ms and wall_s are filled in; bytes and a plan are copied, costs are borrowed until it was
 * stepped. */
void cluster_inject(struct cluster *c, unsigned node, const struct covey_event *event);
void cluster_inject_after(struct cluster *c, unsigned node, uint64_t delay_us,
                          const struct covey_event *event);
/* fn(user, node, arg) then; not called when the node was killed or restarted meanwhile; waits while
 * it is frozen. */
void cluster_call_after(struct cluster *c, unsigned node, uint64_t delay_us,
                        void (*fn)(void *user, unsigned node, uint64_t arg), void *user,
                        uint64_t arg);

/* Looking in. node is NULL while killed. */
unsigned cluster_size(const struct cluster *c);
const struct covey_node *cluster_node(const struct cluster *c, unsigned node);
const struct covey_identity *cluster_identity(const struct cluster *c, unsigned node);
const struct covey_node_id *cluster_id(const struct cluster *c, unsigned node);
unsigned cluster_index(const struct cluster *c,
                       const struct covey_node_id *id); /* UINT_MAX: none */
struct covey_addr cluster_gossip_addr(const struct cluster *c, unsigned node);
struct covey_addr cluster_channel_addr(const struct cluster *c, unsigned node);
bool cluster_running(const struct cluster *c, unsigned node); /* neither killed nor frozen */

/* What happens to nodes and links. */
void cluster_kill(struct cluster *c, unsigned node);      /* SIGKILL: peers see CHANNEL_DOWN soon */
void cluster_power_off(struct cluster *c, unsigned node); /* silently: no reset tells anyone */
void cluster_restart(struct cluster *c, unsigned node);   /* with a higher boot counter */
void cluster_freeze(struct cluster *c, unsigned node);    /* SIGSTOP: what arrives waits */
void cluster_thaw(struct cluster *c, unsigned node);
/* Nothing passes between nodes of different sides; channels stay open silently, and what was sent
 * on them comes through after healing unless 10 s passed: then they go down. side[i] for each node.
 */
void cluster_partition(struct cluster *c, const uint8_t *side);
void cluster_heal(struct cluster *c);
/* No gossip datagram passes between the two any more, or again; channels and all others are as
 * before. */
void cluster_sever(struct cluster *c, unsigned a, unsigned b, bool severed);

/* Bodies: one table for the whole cluster, reference counted. A SEND's reference is added and given
 * back by the cluster; an event hands the receiving node one reference of its own. */
covey_handle cluster_body_new(struct cluster *c, const void *data, size_t len); /* one reference */
void cluster_body_ref(struct cluster *c, covey_handle body);
void cluster_body_unref(struct cluster *c, covey_handle body); /* 0 is a no-op */
const uint8_t *cluster_body_data(const struct cluster *c, covey_handle body, size_t *out_len);
size_t cluster_bodies(const struct cluster *c); /* alive */

#endif /* COVEY_SIM_CLUSTER_H */
