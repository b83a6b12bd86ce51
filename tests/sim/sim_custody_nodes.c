/* SPDX-License-Identifier: MIT
 *
 * sim_custody_nodes.c - custody in whole nodes that find one another, die and are cut off.
 * Usage: sim_custody_nodes --seed N --nodes M
 *
 * What must hold: three come to keep a session; another device has a lease within 10 s of the
 * owner's death or of its being cut off, and only after the owner's own is over.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cluster.h"
#include "scenario.h"

enum { KEPT_MS = 30000, RESUME_MS = 10000, DISK_US = 5000 };

struct world {
    struct cluster *c;
    unsigned owner, held; /* owner: with a lease; UINT32_MAX: none */
    uint64_t until_ms[CLUSTER_NODES_MAX];
};

static void fail(const struct world *w, const char *what)
{
    fprintf(stderr, "FAILED at %llu ms: %s\n", (unsigned long long)cluster_now_ms(w->c), what);
    exit(1);
}

static void lease(struct world *w, unsigned node, const struct covey_action *action)
{
    w->until_ms[node] = action->request;
    for (unsigned i = 0; i < cluster_size(w->c) && action->request != 0; i++) {
        if (i != node && w->until_ms[i] > cluster_now_ms(w->c)) {
            fail(w, "two nodes hold a lease");
        }
    }
    w->owner = action->request != 0 ? node : w->owner == node ? UINT32_MAX : w->owner;
}

static void on_action(void *user, unsigned node, const struct covey_action *action)
{
    struct world *w = user;
    struct covey_event event = {
        .fence = action->fence, .checkpoint = action->checkpoint, .index = action->index};
    switch ((int)action->type) {
    case COVEY_ACTION_CUSTODY_PERSIST:
        event.type = COVEY_EVENT_PERSISTED;
        cluster_inject_after(w->c, node, DISK_US, &event);
        break;
    case COVEY_ACTION_CUSTODY_APPOINTED:
        event.type = COVEY_EVENT_CUSTODY_HELD;
        cluster_inject_after(w->c, node, DISK_US, &event);
        break;
    case COVEY_ACTION_CUSTODY_KEEP:
        event.type = COVEY_EVENT_CUSTODY_STORED;
        cluster_inject_after(w->c, node, DISK_US, &event);
        break;
    case COVEY_ACTION_CUSTODY_LEAD:
        w->held = 0;
        break;
    case COVEY_ACTION_CUSTODY_LEASE:
        lease(w, node, action);
        break;
    case COVEY_ACTION_CUSTODY_NEWS:
        w->held = node == w->owner ? action->index : w->held;
        break;
    default:
        break;
    }
}

static void on_stop(void *user, unsigned node)
{
    struct world *w = user;
    w->until_ms[node] = 0;
    w->owner = w->owner == node ? UINT32_MAX : w->owner;
}

static bool kept(struct cluster *c, void *user)
{
    const struct world *w = user;
    (void)c;
    return w->owner != UINT32_MAX && w->held == 3;
}

static bool owned(struct cluster *c, void *user)
{
    const struct world *w = user;
    return w->owner != UINT32_MAX && w->until_ms[w->owner] > cluster_now_ms(c) &&
           w->until_ms[w->owner] != UINT64_MAX;
}

static void wait_for(struct world *w, bool (*check)(struct cluster *c, void *user), uint64_t max_ms,
                     const char *what)
{
    uint64_t from = cluster_now_ms(w->c);
    if (!cluster_run_until(w->c, check, w, max_ms)) {
        fail(w, what);
    }
    printf("  %-52s %6llu ms\n", what, (unsigned long long)(cluster_now_ms(w->c) - from));
}

int main(int argc, char **argv)
{
    struct world w = {.owner = UINT32_MAX};
    struct cluster_config config = {.seed = scenario_option(argc, argv, "--seed", 1),
                                    .nodes = (unsigned)scenario_option(argc, argv, "--nodes", 5),
                                    .user = &w,
                                    .on_action = on_action,
                                    .on_stop = on_stop};
    struct covey_event open = {.type = COVEY_EVENT_CUSTODY_OPEN, .fence = {{{1}}, 1, 0}};
    uint8_t side[CLUSTER_NODES_MAX] = {0};
    w.c = cluster_new(&config);
    cluster_run(w.c, 5000);
    cluster_inject(w.c, 0, &open);
    wait_for(&w, kept, KEPT_MS, "three keep the session");
    cluster_power_off(w.c, 0);
    wait_for(&w, owned, RESUME_MS, "another owns it after a power cut");
    wait_for(&w, kept, KEPT_MS, "three keep it again");
    unsigned cut = w.owner;
    side[cut] = 1;
    cluster_partition(w.c, side);
    w.owner = UINT32_MAX;
    wait_for(&w, owned, RESUME_MS, "another owns it after a cut");
    if (w.owner == cut) {
        fail(&w, "who is cut off goes on");
    }
    cluster_heal(w.c);
    cluster_run(w.c, RESUME_MS);
    wait_for(&w, kept, KEPT_MS, "three keep it after healing");
    cluster_free(w.c);
    return 0;
}
