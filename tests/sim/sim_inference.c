/* SPDX-License-Identifier: MIT
 *
 * sim_inference.c - inference over whole simulated clusters while devices die in the middle of it.
 * Usage: sim_inference --seed N --nodes M [--rows 1]
 *
 * What must hold: every request of a living owner ends, and ends right; while redundancy suffices
 * none waits for a failure to be detected; redundancy is restored on the devices left, and again
 * when a device comes back; workers drop the work of an owner that died.
 *
 * With --rows 1 all layers are split by rows. Then devices lie as well: every answer is right all
 * the same, whoever lies gets no more work, and nobody else is named. The network then also varies
 * its delays so much that answers come in any order, and loses datagrams.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cluster.h"
#include "fake_session.h"
#include "scenario.h"

enum {
    OWNER = 0,
    OTHER_OWNER = 1,
    ROUNDS = 6,
    STEADY_MS = 400,
    FOUND_MS = 30000, /* members found, or a loss noticed, and a plan made for it */
    PLANNED_MS = 60000,
    /* Detection takes a second at least, dialling again half of one: no request may come near. */
    SLACK_US = 20000,
};

struct world {
    struct cluster *c;
    struct fake *fake;
    unsigned nodes;
    bool rows;
    uint64_t steady_us; /* the slowest request of the quiet phase */
    unsigned victim;    /* UINT_MAX: everyone must be in the plan */
    unsigned other;     /* a second one; UINT_MAX: none */
};

static void open_session(struct world *w, unsigned owner, unsigned parity)
{
    if (w->rows) {
        fake_open_rows(w->fake, owner, parity);
    } else {
        fake_open(w->fake, owner, parity);
    }
}

static bool in_plan(const struct world *w, unsigned owner, unsigned node)
{
    const struct covey_plan *plan = fake_plan(w->fake, owner);
    for (unsigned d = 0; plan != NULL && d < plan->devices; d++) {
        if (covey_node_id_equal(&plan->device[d], cluster_id(w->c, node))) {
            return true;
        }
    }
    return false;
}

static void fail(const struct world *w, const char *what)
{
    fprintf(stderr, "FAILED at %llu ms: %s\n", (unsigned long long)cluster_now_ms(w->c), what);
    for (unsigned i = 0; i < w->nodes; i++) {
        struct covey_member_info info;
        bool known = covey_node_find(cluster_node(w->c, OWNER), cluster_id(w->c, i), &info);
        fprintf(stderr, "  node %u: state %d, channel %d, planned with %d\n", i,
                known ? (int)info.state : -1, known && info.channel, in_plan(w, OWNER, i));
    }
    exit(1);
}
/* The plan in use is for exactly those that are there. */
static bool planned_for(const struct world *w, unsigned owner)
{
    for (unsigned i = 0; i < w->nodes; i++) {
        if (in_plan(w, owner, i) != (i != w->victim && i != w->other)) {
            return false;
        }
    }
    return true;
}

static bool owner_planned(struct cluster *c, void *user)
{
    (void)c;
    return planned_for(user, OWNER);
}

static bool other_planned(struct cluster *c, void *user)
{
    (void)c;
    return planned_for(user, OTHER_OWNER);
}

static void wait_for(struct world *w, bool (*check)(struct cluster *c, void *user), uint64_t max_ms,
                     const char *what)
{
    uint64_t from = cluster_now_ms(w->c);
    if (!cluster_run_until(w->c, check, w, max_ms)) {
        fail(w, what);
    }
    printf("  %-52s %6llu ms\n", what, (unsigned long long)(cluster_now_ms(w->c) - from));
    cluster_run(w->c, 1);
}

static void check_answers(const struct world *w, unsigned owner)
{
    const struct fake_counts *counts = fake_counts(w->fake, owner);
    if (counts->wrong != 0) {
        fail(w, "an answer is wrong");
    }
    if (counts->refused != 0) {
        fail(w, "a request was refused although a plan had been active");
    }
    if (counts->ended == 0) {
        fail(w, "no request ended");
    }
}

/* None took much longer than in quiet times, those that have not ended yet included. */
static void check_waiting(const struct world *w, unsigned owner)
{
    uint64_t slowest = fake_counts(w->fake, owner)->slowest_us;
    uint64_t oldest = fake_oldest_us(w->fake, owner);
    slowest = oldest > slowest ? oldest : slowest;
    if (slowest > 2 * w->steady_us + SLACK_US) {
        fprintf(stderr, "%llu us, in quiet times %llu us\n", (unsigned long long)slowest,
                (unsigned long long)w->steady_us);
        fail(w, "a request waited");
    }
}

static void report(const struct world *w, unsigned owner, const char *what)
{
    const struct fake_counts *n = fake_counts(w->fake, owner);
    printf("  %-52s %5u ended, mean %llu us, slowest %llu us, dead %u, late %u, here %u\n", what,
           n->ended, (unsigned long long)(n->ended == 0 ? 0 : n->total_us / n->ended),
           (unsigned long long)n->slowest_us, n->recovered_dead, n->recovered_late,
           n->computed_here);
}

/* Neither owner; the coordinator when asked for and it is not the owner. */
static unsigned pick_victim(struct world *w, bool coordinator)
{
    struct covey_node_id id;
    uint64_t term;
    if (coordinator && covey_node_coordinator(cluster_node(w->c, OWNER), &id, &term)) {
        unsigned leader = cluster_index(w->c, &id);
        if (leader != OWNER) {
            return leader;
        }
    }
    return 2 + (unsigned)(cluster_random(w->c) % (w->nodes - 2));
}

/* One device is lost at any moment of a request, and comes back. */
static void lose_one(struct world *w, enum scenario_fault fault, bool coordinator)
{
    unsigned victim = pick_victim(w, coordinator);
    char line[64];
    snprintf(line, sizeof(line), "node %u%s is %s", victim, coordinator ? " (coordinator)" : "",
             scenario_fault_name(fault));
    fake_count_anew(w->fake, OWNER);
    cluster_run(w->c, 1 + cluster_random(w->c) % 20);
    scenario_strike(w->c, fault, victim);
    w->victim = victim;
    cluster_run(w->c, 500);
    check_answers(w, OWNER);
    check_waiting(w, OWNER);
    report(w, OWNER, line);
    if (fake_counts(w->fake, OWNER)->recovered_dead + fake_counts(w->fake, OWNER)->recovered_late ==
        0) {
        fail(w, "nothing was recovered");
    }
    wait_for(w, owner_planned, FOUND_MS, "redundancy is restored without it");
    check_answers(w, OWNER);
    check_waiting(w, OWNER);
    scenario_mend(w->c, fault, victim);
    w->victim = UINT32_MAX;
    wait_for(w, owner_planned, PLANNED_MS, "it takes part again");
    cluster_run(w->c, STEADY_MS);
    check_answers(w, OWNER);
    check_waiting(w, OWNER);
}

/* Two at once are more than one parity mends: requests go on all the same, and answer right. */
static void lose_two(struct world *w)
{
    w->victim = 2;
    w->other = 3 + (unsigned)(cluster_random(w->c) % (w->nodes - 3));
    fake_count_anew(w->fake, OWNER);
    cluster_run(w->c, 1 + cluster_random(w->c) % 20);
    cluster_kill(w->c, w->victim);
    cluster_freeze(w->c, w->other);
    cluster_run(w->c, 500);
    check_answers(w, OWNER);
    report(w, OWNER, "two nodes are lost at once");
    wait_for(w, owner_planned, FOUND_MS, "redundancy is restored without them");
    cluster_restart(w->c, w->victim);
    cluster_thaw(w->c, w->other);
    w->victim = w->other = UINT32_MAX;
    wait_for(w, owner_planned, PLANNED_MS, "they take part again");
    check_answers(w, OWNER);
}

static bool work_dropped(struct cluster *c, void *user)
{
    const struct world *w = user;
    unsigned count = 0;
    for (unsigned i = 0; i < cluster_size(c); i++) {
        count += i != OTHER_OWNER ? fake_assignments(w->fake, i, OTHER_OWNER) : 0;
    }
    return count == 0;
}

/* An owner dies in the middle: the others drop its work and go on with theirs. */
static void lose_owner(struct world *w)
{
    open_session(w, OTHER_OWNER, 1);
    wait_for(w, other_planned, PLANNED_MS, "a second owner has its plan");
    fake_run(w->fake, OTHER_OWNER, true);
    cluster_run(w->c, STEADY_MS + cluster_random(w->c) % 20);
    check_answers(w, OTHER_OWNER);
    if (work_dropped(w->c, w) || fake_under_way(w->fake, OTHER_OWNER) == 0) {
        fail(w, "the second owner has no work under way");
    }
    cluster_kill(w->c, OTHER_OWNER);
    fake_count_anew(w->fake, OWNER);
    wait_for(w, work_dropped, 1000, "workers drop a dead owner's work");
    w->victim = OTHER_OWNER;
    wait_for(w, owner_planned, FOUND_MS, "redundancy is restored without the owner");
    check_answers(w, OWNER);
    cluster_restart(w->c, OTHER_OWNER);
    w->victim = UINT32_MAX;
    wait_for(w, owner_planned, PLANNED_MS, "the owner takes part again");
}

/* One lies, and later another one. Each is told of once its answer was used, is planned with no
 * more, and nothing that it said is in any answer. */
static void lie(struct world *w)
{
    unsigned first = 2 + (unsigned)(cluster_random(w->c) % (w->nodes - 2));
    unsigned second = 2 + (first - 1) % (w->nodes - 2);
    for (unsigned i = 0; i < 2; i++) {
        unsigned liar = i == 0 ? first : second;
        fake_count_anew(w->fake, OWNER);
        fake_lie(w->fake, liar, true);
        *(i == 0 ? &w->victim : &w->other) = liar;
        wait_for(w, owner_planned, FOUND_MS, "whoever lies is planned with no more");
        cluster_run(w->c, STEADY_MS);
        check_answers(w, OWNER);
        if (fake_counts(w->fake, OWNER)->lies == 0) {
            fail(w, "nobody was told of");
        }
        unsigned told = fake_counts(w->fake, OWNER)->lies;
        cluster_run(w->c, STEADY_MS);
        check_answers(w, OWNER);
        if (fake_counts(w->fake, OWNER)->lies > told + FAKE_STREAMS) {
            fail(w, "a liar is asked still");
        }
    }
}

static unsigned given_by_others(const struct world *w)
{
    unsigned given = 0;
    for (unsigned i = 0; i < w->nodes; i++) {
        given += i != OWNER ? fake_given(w->fake, i) : 0;
    }
    return given;
}

/* Everybody needs all weights: most of them come from one another, not from the owner. */
static void check_weights(const struct world *w)
{
    unsigned given = given_by_others(w);
    if (w->rows && given <= fake_given(w->fake, OWNER)) {
        fprintf(stderr, "%u units from the owner, %u from others\n", fake_given(w->fake, OWNER),
                given);
        fail(w, "the owner gives the weights alone");
    }
}

/* One is lost for so long that others get its units, and comes back with nothing: what it is given
 * again comes from these too. */
static void lose_disk(struct world *w)
{
    unsigned before = given_by_others(w);
    w->victim = pick_victim(w, false);
    cluster_kill(w->c, w->victim);
    wait_for(w, owner_planned, FOUND_MS, "redundancy is restored without it");
    fake_wipe(w->fake, w->victim);
    cluster_restart(w->c, w->victim);
    w->victim = UINT32_MAX;
    wait_for(w, owner_planned, PLANNED_MS, "with an empty disk it takes part again");
    cluster_run(w->c, STEADY_MS);
    check_answers(w, OWNER);
    printf("  %u units from others\n", given_by_others(w) - before);
    if (w->nodes > 5 && given_by_others(w) == before) { /* of five the owner may get them */
        fail(w, "the owner gives all units that move");
    }
}

static void finish(struct world *w)
{
    fake_run(w->fake, OWNER, false);
    cluster_run(w->c, 200);
    if (fake_under_way(w->fake, OWNER) != 0) {
        fail(w, "a request did not end");
    }
    fake_close(w->fake, OWNER);
    cluster_run(w->c, 1000);
    for (unsigned i = 1; i < w->nodes; i++) {
        if (fake_assignments(w->fake, i, OWNER) != 0) {
            fail(w, "a closed session is still assigned");
        }
    }
}

/* Without deaths every body is given back: what a killed node held goes with its memory. */
static void no_losses(struct world *w, unsigned parity)
{
    open_session(w, OWNER, parity);
    wait_for(w, owner_planned, PLANNED_MS, "all devices are planned with");
    fake_run(w->fake, OWNER, true);
    cluster_run(w->c, STEADY_MS);
    check_answers(w, OWNER);
    report(w, OWNER, parity == 0 ? "steady, no parity" : "steady");
    finish(w);
    if (cluster_bodies(w->c) != 0) {
        fail(w, "a body was kept");
    }
}

static void steady(struct world *w)
{
    no_losses(w, 0);
    check_weights(w);
    no_losses(w, 1);
    open_session(w, OWNER, 1);
    wait_for(w, owner_planned, PLANNED_MS, "all devices are planned with again");
    fake_count_anew(w->fake, OWNER);
    fake_run(w->fake, OWNER, true);
    cluster_run(w->c, STEADY_MS);
    check_answers(w, OWNER);
    w->steady_us = fake_counts(w->fake, OWNER)->slowest_us;
}

int main(int argc, char **argv)
{
    struct world w = {.victim = UINT32_MAX, .other = UINT32_MAX, .fake = fake_new()};
    struct cluster_config config = {.seed = scenario_option(argc, argv, "--seed", 1),
                                    .nodes = (unsigned)scenario_option(argc, argv, "--nodes", 6)};
    if (w.fake == NULL || config.nodes < 5 || config.nodes > COVEY_PLAN_DEVICES_MAX) {
        fprintf(stderr, "usage: sim_inference --seed N --nodes M (5 to %d) [--rows 1]\n",
                COVEY_PLAN_DEVICES_MAX);
        return 2;
    }
    printf("seed %llu, %u nodes\n", (unsigned long long)config.seed, config.nodes);
    fake_plug(w.fake, &config);
    w.nodes = config.nodes;
    w.rows = scenario_option(argc, argv, "--rows", 0) != 0;
    if (w.rows) {
        config.delay_min_us = 100;
        config.delay_max_us = 6000;
        config.loss_permille = 50;
    }
    w.c = cluster_new(&config);
    fake_cluster(w.fake, w.c);
    cluster_run(w.c, 3000);
    steady(&w);
    for (unsigned round = 0; round < ROUNDS; round++) {
        enum scenario_fault fault = (enum scenario_fault)((round + config.seed) % SCENARIO_FAULTS);
        lose_one(&w, fault, round % 2 == 1);
    }
    lose_disk(&w);
    lose_two(&w);
    lose_owner(&w);
    if (w.rows) {
        lie(&w);
    }
    finish(&w);
    cluster_free(w.c);
    fake_free(w.fake);
    return 0;
}
