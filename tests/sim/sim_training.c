/* SPDX-License-Identifier: MIT
 *
 * sim_training.c - rounds of tasks over whole simulated clusters, while workers die, hang, come
 * back, refuse and lie. Usage: sim_training --seed N --nodes M
 *
 * What must hold: every round of a living owner completes, be its tasks coded (any n of m), all
 * wanted, or made on demand; no answer is of a round that is over, of a wrong task, or wrong
 * unseen; a device computes one task at a time; who lied gets no more; when all is closed no worker
 * keeps anything, and without deaths no body is left.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fake_training.h"

enum {
    FAULTS_QUIET = 12, /* of each kind of world */
    FAULTS_DEADLY = 20,
    FAULT_EVERY_MS = 300,
    ROUNDS_AFTER = 30,
    FOUND_MS = 30000,
    ROUND_MS = 60000, /* a loss is noticed after some seconds */
};

struct world {
    struct cluster *c;
    struct training *t;
    unsigned nodes;
    uint64_t wanted; /* rounds that must have ended */
};

static void fail(const struct world *w, const char *what)
{
    fprintf(stderr, "FAILED at %llu ms: %s\n", (unsigned long long)cluster_now_ms(w->c), what);
    training_print(w->t);
    exit(1);
}

static bool all_pull(struct cluster *c, void *user)
{
    const struct world *w = user;
    (void)c;
    return training_counts(w->t)->workers >= w->nodes - 1;
}

static bool enough_rounds(struct cluster *c, void *user)
{
    const struct world *w = user;
    (void)c;
    return training_counts(w->t)->rounds >= w->wanted;
}

static void more_rounds(struct world *w, unsigned count, const char *what)
{
    uint64_t from = cluster_now_ms(w->c);
    w->wanted = training_counts(w->t)->rounds + count;
    if (!cluster_run_until(w->c, enough_rounds, w, ROUND_MS)) {
        fail(w, what);
    }
    printf("  %-40s %6llu ms\n", what, (unsigned long long)(cluster_now_ms(w->c) - from));
}

static unsigned some_worker(struct world *w)
{
    return 1 + (unsigned)(cluster_random(w->c) % (w->nodes - 1));
}

/* Lost for a while, with no machine's memory: channels, a standstill, a cut. */
static void quiet_fault(struct world *w)
{
    unsigned node = some_worker(w);
    uint8_t side[CLUSTER_NODES_MAX] = {0};
    switch (cluster_random(w->c) % 3) {
    case 0:
        training_break(w->t, node);
        break;
    case 1:
        cluster_freeze(w->c, node);
        cluster_run(w->c, 100 + cluster_random(w->c) % 3000);
        cluster_thaw(w->c, node);
        break;
    default:
        side[node] = 1;
        cluster_partition(w->c, side);
        cluster_run(w->c, 100 + cluster_random(w->c) % 12000);
        cluster_heal(w->c);
        break;
    }
}

/* Half of them stay. */
static void deadly_fault(struct world *w)
{
    unsigned node = some_worker(w), dead = 0;
    for (unsigned i = 1; i < w->nodes; i++) {
        if (cluster_node(w->c, i) == NULL) {
            dead++;
            node = i;
        }
    }
    node = 2 * (dead + 1) > w->nodes - 1 ? node : some_worker(w);
    if (cluster_node(w->c, node) == NULL) {
        cluster_restart(w->c, node);
        return;
    }
    switch (cluster_random(w->c) % 4) {
    case 0:
        cluster_kill(w->c, node);
        break;
    case 1:
        cluster_power_off(w->c, node);
        break;
    case 2:
        cluster_restart(w->c, node);
        break;
    default:
        quiet_fault(w);
        break;
    }
}

static void lose_some(struct world *w, unsigned count, void (*fault)(struct world *w))
{
    for (unsigned i = 0; i < count; i++) {
        fault(w);
        cluster_run(w->c, cluster_random(w->c) % FAULT_EVERY_MS);
        more_rounds(w, 1, "a round after a loss");
    }
    for (unsigned node = 1; node < w->nodes; node++) {
        if (cluster_node(w->c, node) == NULL) {
            cluster_restart(w->c, node);
        }
    }
}

static void close_all(struct world *w, bool no_body)
{
    training_close(w->t);
    cluster_run(w->c, 20000);
    for (unsigned i = 0; i < w->nodes; i++) {
        if (training_enlisted(w->t, i) != 0) {
            fail(w, "a worker keeps a session that was closed");
        }
    }
    if (no_body && cluster_bodies(w->c) != 0) {
        fail(w, "a body was kept");
    }
}

static void world_run(uint64_t seed, unsigned nodes, bool deadly)
{
    struct world w = {.nodes = nodes, .t = training_new(seed)};
    struct cluster_config config = {.seed = seed, .nodes = nodes, .untrusted = 1};
    training_plug(w.t, &config);
    w.c = cluster_new(&config);
    training_cluster(w.t, w.c);
    cluster_run(w.c, 3000);
    training_open(w.t, 1);
    if (!cluster_run_until(w.c, all_pull, &w, FOUND_MS)) {
        fail(&w, "not all devices work");
    }
    training_run(w.t, true);
    more_rounds(&w, ROUNDS_AFTER, "in quiet times");
    lose_some(&w, deadly ? FAULTS_DEADLY : FAULTS_QUIET, deadly ? deadly_fault : quiet_fault);
    more_rounds(&w, ROUNDS_AFTER, "after all losses");
    if (deadly) { /* answers of the epoch before come into the next one, with the same rounds */
        training_close(w.t);
        cluster_run(w.c, 1);
    } else {
        close_all(&w, true);
    }
    training_open(w.t, 2); /* as after its owner lost it and got it back */
    training_lie(w.t, nodes - 2);
    training_run(w.t, true);
    more_rounds(&w, 2 * ROUNDS_AFTER, "with a liar");
    if (training_counts(w.t)->lies == 0) {
        fail(&w, "nobody lied");
    }
    close_all(&w, !deadly);
    training_print(w.t);
    cluster_free(w.c);
    training_free(w.t);
}

static uint64_t argument(int argc, char **argv, const char *name, uint64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return strtoull(argv[i + 1], NULL, 10);
        }
    }
    return otherwise;
}

int main(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, "--seed", 1);
    unsigned nodes = (unsigned)argument(argc, argv, "--nodes", 7);
    if (nodes < 4 || nodes > CLUSTER_NODES_MAX) {
        fprintf(stderr, "usage: sim_training --seed N --nodes M (4 to %d)\n", CLUSTER_NODES_MAX);
        return 2;
    }
    printf("seed %llu, %u nodes\n", (unsigned long long)seed, nodes);
    world_run(seed, nodes, false);
    world_run(seed + 1000, nodes, true);
    return 0;
}
