/* SPDX-License-Identifier: MIT
 *
 * sim_tiles.c - tile runs over whole simulated clusters while devices die, freeze and are cut off
 * in the middle of them. Usage: sim_tiles --seed N --nodes M --rounds R
 *
 * What must hold: every request ends, once, with the right rows, within a bound that no detection
 * by the members would meet; and when nothing is under way nothing is kept.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cluster.h"
#include "fake_session.h"
#include "scenario.h"

enum {
    OWNER = 0,
    FOUND_MS = 30000,
    STEADY_MS = 500,
    /* An attempt more than the quiet one's time and the wait that shows that it is needed. */
    SLACK_US = 150000,
};

struct world {
    struct cluster *c;
    struct fake *fake;
    unsigned nodes;
    uint64_t steady_us;
    unsigned hit, slowest_ms;
};

static void fail(const struct world *w, const char *what)
{
    fprintf(stderr, "FAILED at %llu ms: %s\n", (unsigned long long)cluster_now_ms(w->c), what);
    exit(1);
}

static bool planned(struct cluster *c, void *user)
{
    const struct world *w = user;
    const struct covey_plan *plan = fake_plan(w->fake, OWNER);
    unsigned running = 0;
    for (unsigned i = 0; i < w->nodes; i++) {
        running += cluster_running(c, i);
    }
    return plan != NULL && plan->runs == 1 && plan->devices == running;
}

static void check(struct world *w)
{
    const struct fake_counts *n = fake_counts(w->fake, OWNER);
    uint64_t slowest = fake_oldest_us(w->fake, OWNER);
    slowest = n->slowest_us > slowest ? n->slowest_us : slowest;
    if (n->wrong != 0) {
        fail(w, "an answer is wrong");
    }
    if (n->refused != 0 || n->ended == 0) {
        fail(w, "requests do not end");
    }
    if (slowest > 3 * w->steady_us + SLACK_US) {
        fprintf(stderr, "%llu us, in quiet times %llu us\n", (unsigned long long)slowest,
                (unsigned long long)w->steady_us);
        fail(w, "a request waited");
    }
}

/* One or two devices are lost at any moment, come back, and take part again. */
static void lose(struct world *w, unsigned round)
{
    enum scenario_fault fault = (enum scenario_fault)(cluster_random(w->c) % SCENARIO_FAULTS);
    unsigned victim = 1 + (unsigned)(cluster_random(w->c) % (w->nodes - 1));
    unsigned second = 1 + (unsigned)(cluster_random(w->c) % (w->nodes - 1));
    bool two = round % 3 == 2 && second != victim;
    fake_count_anew(w->fake, OWNER);
    cluster_run(w->c, 1 + cluster_random(w->c) % 20);
    scenario_strike(w->c, fault, victim);
    if (two) {
        cluster_run(w->c, cluster_random(w->c) % 4);
        cluster_kill(w->c, second);
    }
    cluster_run(w->c, 300 + cluster_random(w->c) % 1500);
    check(w);
    const struct fake_counts *n = fake_counts(w->fake, OWNER);
    printf("  node %u %s%s: %u ended, mean %llu us, slowest %llu us, %u lost, %u here\n", victim,
           scenario_fault_name(fault), two ? ", another killed" : "", n->ended,
           (unsigned long long)(n->total_us / n->ended), (unsigned long long)n->slowest_us,
           n->recovered_dead, n->computed_here);
    scenario_mend(w->c, fault, victim);
    if (two) {
        cluster_restart(w->c, second);
    }
    if (!cluster_run_until(w->c, planned, w, FOUND_MS)) {
        fail(w, "the devices take no part again");
    }
    cluster_run(w->c, 3500);
    check(w);
}

static void finish(struct world *w)
{
    fake_run(w->fake, OWNER, false);
    cluster_run(w->c, 500);
    if (fake_under_way(w->fake, OWNER) != 0) {
        fail(w, "a request did not end");
    }
    fake_close(w->fake, OWNER);
    cluster_run(w->c, 1000);
    for (unsigned i = 0; i < w->nodes; i++) {
        if (fake_assignments(w->fake, i, OWNER) != 0) {
            fail(w, "a closed session is still assigned");
        }
    }
}

int main(int argc, char **argv)
{
    struct world w = {.fake = fake_new()};
    struct cluster_config config = {.seed = scenario_option(argc, argv, "--seed", 1),
                                    .nodes = (unsigned)scenario_option(argc, argv, "--nodes", 6)};
    unsigned rounds = (unsigned)scenario_option(argc, argv, "--rounds", 30);
    if (w.fake == NULL || config.nodes < 3 || config.nodes > COVEY_PLAN_DEVICES_MAX) {
        fprintf(stderr, "usage: sim_tiles --seed N --nodes M --rounds R\n");
        return 2;
    }
    printf("seed %llu, %u nodes\n", (unsigned long long)config.seed, config.nodes);
    fake_plug(w.fake, &config);
    w.nodes = config.nodes;
    w.c = cluster_new(&config);
    fake_cluster(w.fake, w.c);
    cluster_run(w.c, 3000);
    fake_open_tiles(w.fake, OWNER);
    if (!cluster_run_until(w.c, planned, &w, FOUND_MS)) {
        fail(&w, "there is no plan");
    }
    fake_run(w.fake, OWNER, true);
    cluster_run(w.c, STEADY_MS);
    w.steady_us = fake_counts(w.fake, OWNER)->slowest_us;
    check(&w);
    printf("  steady: slowest %llu us\n", (unsigned long long)w.steady_us);
    for (unsigned round = 0; round < rounds; round++) {
        lose(&w, round);
    }
    finish(&w);
    cluster_free(w.c);
    fake_free(w.fake);
    return 0;
}
