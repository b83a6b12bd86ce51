/* SPDX-License-Identifier: MIT
 *
 * sim_membership.c - what membership and election must hold, over whole simulated clusters.
 * Usage: sim_membership --seed N --nodes M
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster.h"

enum { FOUND_MS = 5000, DEAD_MS = 20000, QUIET_MS = 8000, HEAL_MS = 30000 };

struct expectation {
    unsigned subject;
    enum covey_member_state state;
};

static void fail(const struct cluster *c, const char *what)
{
    fprintf(stderr, "FAILED at %llu ms: %s\n", (unsigned long long)cluster_now_ms(c), what);
    for (unsigned i = 0; i < cluster_size(c); i++) {
        const struct covey_node *node = cluster_node(c, i);
        struct covey_node_id id;
        uint64_t term = 0;
        if (node == NULL) {
            fprintf(stderr, "  %u: killed\n", i);
            continue;
        }
        unsigned leader = covey_node_coordinator(node, &id, &term) ? cluster_index(c, &id) : 99;
        fprintf(stderr, "  %u: coordinator %u term %llu |", i, leader, (unsigned long long)term);
        for (unsigned j = 0; j < cluster_size(c); j++) {
            struct covey_member_info info;
            bool found = covey_node_find(node, cluster_id(c, j), &info);
            fprintf(stderr, " %c%c", found ? "ASDL"[info.state] : '-',
                    found && info.channel ? '+' : '.');
        }
        fprintf(stderr, "\n");
    }
    exit(1);
}

static void expect(struct cluster *c, bool (*check)(struct cluster *c, void *user), void *user,
                   uint64_t max_ms, const char *what)
{
    uint64_t begin = cluster_now_ms(c);
    if (!cluster_run_until(c, check, user, max_ms)) {
        fail(c, what);
    }
    printf("  %-60s %6llu ms\n", what, (unsigned long long)(cluster_now_ms(c) - begin));
}

static bool sees(const struct cluster *c, unsigned at, unsigned subject,
                 enum covey_member_state state)
{
    struct covey_member_info info;
    return covey_node_find(cluster_node(c, at), cluster_id(c, subject), &info) &&
           info.state == state;
}

static bool all_alive(struct cluster *c, void *user)
{
    (void)user;
    for (unsigned i = 0; i < cluster_size(c); i++) {
        for (unsigned j = 0; j < cluster_size(c); j++) {
            if (cluster_node(c, i) != NULL && cluster_node(c, j) != NULL &&
                !sees(c, i, j, COVEY_MEMBER_ALIVE)) {
                return false;
            }
        }
    }
    return true;
}

static bool all_channels(struct cluster *c, void *user)
{
    (void)user;
    for (unsigned i = 0; i < cluster_size(c); i++) {
        for (unsigned j = 0; j < cluster_size(c); j++) {
            struct covey_member_info info;
            if (i != j && (!covey_node_find(cluster_node(c, i), cluster_id(c, j), &info) ||
                           !info.channel || info.rtt_us == 0)) {
                return false;
            }
        }
    }
    return true;
}

static bool all_believe(struct cluster *c, void *user)
{
    const struct expectation *e = user;
    for (unsigned i = 0; i < cluster_size(c); i++) {
        if (i != e->subject && cluster_node(c, i) != NULL && !sees(c, i, e->subject, e->state)) {
            return false;
        }
    }
    return true;
}

/* The one that all of a side agree on and that is itself of it; UINT_MAX: none. */
static unsigned leader_of(const struct cluster *c, const uint8_t *side, uint8_t which)
{
    unsigned leader = UINT_MAX;
    for (unsigned i = 0; i < cluster_size(c); i++) {
        struct covey_node_id id;
        uint64_t term;
        if (cluster_node(c, i) == NULL || side[i] != which) {
            continue;
        }
        if (!covey_node_coordinator(cluster_node(c, i), &id, &term)) {
            return UINT_MAX;
        }
        unsigned seen = cluster_index(c, &id);
        if ((leader != UINT_MAX && leader != seen) || side[seen] != which ||
            cluster_node(c, seen) == NULL) {
            return UINT_MAX;
        }
        leader = seen;
    }
    return leader;
}

static const uint8_t one_side[CLUSTER_NODES_MAX];

static bool one_leader(struct cluster *c, void *user)
{
    (void)user;
    return leader_of(c, one_side, 0) != UINT_MAX;
}

static bool two_leaders(struct cluster *c, void *user)
{
    const uint8_t *side = user;
    return leader_of(c, side, 0) != UINT_MAX && leader_of(c, side, 1) != UINT_MAX;
}

static uint64_t term_at(const struct cluster *c, unsigned at)
{
    struct covey_node_id id;
    uint64_t term = 0;
    return covey_node_coordinator(cluster_node(c, at), &id, &term) ? term : 0;
}

/* Nothing may flap while nothing happens. */
static void stays(struct cluster *c, uint64_t ms)
{
    unsigned leader = leader_of(c, one_side, 0);
    uint64_t term = term_at(c, leader), end_ms = cluster_now_ms(c) + ms;
    while (cluster_now_ms(c) < end_ms) {
        cluster_run(c, 100);
        if (leader_of(c, one_side, 0) != leader || term_at(c, leader) != term) {
            fail(c, "the coordinator changed while nothing happened");
        }
    }
}

static void check_kill_and_restart(struct cluster *c, unsigned victim, bool silent)
{
    struct expectation dead = {victim, COVEY_MEMBER_DEAD};
    if (silent) {
        cluster_power_off(c, victim);
    } else {
        cluster_kill(c, victim);
    }
    expect(c, all_believe, &dead, silent ? DEAD_MS : 5000,
           silent ? "a node without power is known dead" : "a killed node is known dead");
    cluster_restart(c, victim);
    expect(c, all_alive, NULL, FOUND_MS, "restarted, it is alive again");
    expect(c, one_leader, NULL, QUIET_MS, "one coordinator");
}

static void check_coordinator_killed(struct cluster *c)
{
    unsigned leader = leader_of(c, one_side, 0);
    uint64_t term = term_at(c, leader);
    cluster_kill(c, leader);
    expect(c, one_leader, NULL, 4000, "another coordinates after the coordinator was killed");
    unsigned next = leader_of(c, one_side, 0);
    if (next == leader || term_at(c, next) <= term) {
        fail(c, "the new coordinator's term is not higher");
    }
    cluster_restart(c, leader);
    expect(c, all_alive, NULL, FOUND_MS, "the former coordinator is back");
    expect(c, one_leader, NULL, QUIET_MS, "and yields");
}

static bool anyone_suspects(struct cluster *c, void *user)
{
    const unsigned *subject = user;
    for (unsigned i = 0; i < cluster_size(c); i++) {
        if (i != *subject && sees(c, i, *subject, COVEY_MEMBER_SUSPECT)) {
            return true;
        }
    }
    return false;
}

/* Paused until suspected, and then for as long again as told. */
static void check_pause(struct cluster *c, unsigned victim, uint64_t longer_ms)
{
    struct covey_member_info before, after;
    covey_node_find(cluster_node(c, victim), cluster_id(c, victim), &before);
    cluster_freeze(c, victim);
    expect(c, anyone_suspects, &victim, 10000, "a paused node is suspected");
    cluster_run(c, longer_ms);
    cluster_thaw(c, victim);
    cluster_run(c, 1000);
    expect(c, all_alive, NULL, HEAL_MS, "and refutes what was said of it");
    covey_node_find(cluster_node(c, victim), cluster_id(c, victim), &after);
    if (after.incarnation <= before.incarnation) {
        fail(c, "it did not refute with a higher incarnation");
    }
    expect(c, one_leader, NULL, QUIET_MS, "one coordinator after the pause");
}

static void check_partition(struct cluster *c)
{
    uint8_t side[CLUSTER_NODES_MAX] = {0};
    for (unsigned i = 0; i < cluster_size(c); i++) {
        side[i] = i % 2;
    }
    cluster_partition(c, side);
    cluster_run(c, 15000);
    expect(c, two_leaders, side, QUIET_MS, "each side of a cut has its coordinator");
    cluster_heal(c);
    expect(c, all_alive, NULL, HEAL_MS, "healed, all see all alive");
    expect(c, one_leader, NULL, QUIET_MS, "and one coordinates");
}

/* Two that have no word of each other's know through others that the other is there, and it shows
 * them; where nothing else is lost nobody is suspected. */
static void check_severed(struct cluster *c, unsigned a, unsigned b)
{
    uint64_t end_ms = cluster_now_ms(c) + 20000;
    cluster_sever(c, a, b, true);
    while (cluster_now_ms(c) < end_ms) {
        cluster_run(c, 50);
        if (!all_alive(c, NULL)) {
            fail(c, "one was suspected that answered others");
        }
    }
    cluster_sever(c, a, b, false);
}

static void check_leave(struct cluster *c, unsigned victim)
{
    struct expectation left = {victim, COVEY_MEMBER_LEFT};
    struct covey_event leave = {.type = COVEY_EVENT_LEAVE};
    cluster_inject(c, victim, &leave);
    expect(c, all_believe, &left, 2000, "one that leaves is known to have left");
    cluster_run(c, 500);
    cluster_kill(c, victim);
    cluster_run(c, 5000);
    if (!all_believe(c, &left)) {
        fail(c, "one that left did not stay so");
    }
    expect(c, one_leader, NULL, QUIET_MS, "one coordinator after the leave");
}

static void run_all(const struct cluster_config *config)
{
    struct cluster *c = cluster_new(config);
    unsigned nodes = config->nodes;
    printf("seed %llu, %u nodes, %u permille lost\n", (unsigned long long)config->seed, nodes,
           config->loss_permille);
    cluster_run(c, 50); /* all were started */
    expect(c, all_alive, NULL, FOUND_MS, "all see all alive");
    expect(c, one_leader, NULL, QUIET_MS, "one coordinator");
    /* Each is probed once a round, and a round takes half a second for each member. */
    expect(c, all_channels, NULL, 5000 + nodes * UINT64_C(1000),
           "all have channels and know the way there and back");
    stays(c, 10000);
    unsigned leader = leader_of(c, one_side, 0);
    if (nodes - leader <= config->untrusted) {
        fail(c, "a node of trust none coordinates");
    }
    check_kill_and_restart(c, (unsigned)(cluster_random(c) % nodes), false);
    check_kill_and_restart(c, (unsigned)(cluster_random(c) % nodes), true);
    check_coordinator_killed(c);
    check_pause(c, (unsigned)(cluster_random(c) % nodes), 400);
    check_pause(c, leader_of(c, one_side, 0), 12000);
    check_partition(c);
    stays(c, 5000);
    if (config->loss_permille == 0) {
        unsigned one = (unsigned)(cluster_random(c) % nodes);
        check_severed(c, one, (one + 1) % nodes);
    }
    check_leave(c, (unsigned)(cluster_random(c) % nodes));
    cluster_free(c);
}

/* Where multicast is filtered, one address is enough to find everyone. */
static void run_join(const struct cluster_config *base)
{
    struct cluster_config config = *base;
    config.no_multicast = true;
    struct cluster *c = cluster_new(&config);
    struct covey_event join = {.type = COVEY_EVENT_JOIN, .addr = cluster_channel_addr(c, 0)};
    for (unsigned i = 1; i < config.nodes; i++) {
        cluster_inject(c, i, &join);
    }
    cluster_run(c, 50);
    expect(c, all_alive, NULL, FOUND_MS, "all see all by one address, without multicast");
    expect(c, one_leader, NULL, QUIET_MS, "one coordinator, without multicast");
    cluster_free(c);
}

int main(int argc, char **argv)
{
    struct cluster_config config = {.seed = 1, .nodes = 6};
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned long long value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) {
            config.seed = value;
        } else if (strcmp(argv[i], "--nodes") == 0) {
            config.nodes = (unsigned)value;
        }
    }
    if (config.nodes < 4 || config.nodes > CLUSTER_NODES_MAX) {
        fprintf(stderr, "usage: sim_membership --seed N --nodes 4..%d\n", CLUSTER_NODES_MAX);
        return 2;
    }
    config.untrusted = config.seed % 2;
    config.loss_permille = (unsigned)(config.seed % 3) * 20;
    run_all(&config);
    run_join(&config);
    return 0;
}
