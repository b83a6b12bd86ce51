/* SPDX-License-Identifier: MIT
 *
 * sim_custody.c - custody of training sessions under everything that happens to devices, disks and
 * networks. Usage: sim_custody --seed N --count M [--chatty 1]
 *
 * What must hold: never two devices with a lease for one session; whoever leads began with the
 * newest checkpoint that a majority keeps; an epoch has one owner; an owner's death is over within
 * 10 s; once all is well again there is one owner, three keep everything, and training goes on; an
 * end is known to all. A session that was stopped by hand goes on only where somebody asked for it
 * by hand, by the same rules, and does go on once all is well.
 */
#include <stdio.h>
#include <stdlib.h>

#include "custody_world.h"

enum {
    SETTLE_MS = 6000,
    CUT_MS = 10000, /* until everybody has noticed a cut */
    CHAOS_MS = 60000,
    HEAL_MS = 60000,
    RESUME_MS = 10000, /* from an owner's death to the next one's lease: what was promised */
    FORGET_MS = 140000,
    RESUME_TRIES = 2 * WORLD_DEVICES_MAX,
    ORPHAN_MS = 20000, /* with HEAL_MS: one who never came to be in a set has forgotten it */
};

/* Two that a third still connects, or everyone in two halves. */
static void cut(struct world *w, unsigned device)
{
    uint8_t side[WORLD_DEVICES_MAX] = {0};
    unsigned other = (device + 1 + (unsigned)world_random(w, w->devices - 1)) % w->devices;
    unsigned owner = world_owner(w, (unsigned)world_random(w, WORLD_SESSIONS));
    switch (world_random(w, 4)) {
    case 0:
        world_block(w, device, other, true);
        break;
    case 1:
        if (owner != UINT32_MAX && owner != other) {
            world_block(w, owner, other, true);
        }
        break;
    default:
        for (unsigned i = 0; i < w->devices; i++) {
            side[i] = (uint8_t)world_random(w, 2);
        }
        world_cut(w, side);
        break;
    }
}

static void reconnect(struct world *w)
{
    static const uint8_t side[WORLD_DEVICES_MAX];
    world_cut(w, side);
    for (unsigned a = 0; a < w->devices; a++) {
        for (unsigned b = 0; b < a; b++) {
            world_block(w, a, b, false);
        }
    }
}

/* One that hears the owner no more, while the one who hears both falls again and again. */
static void undermine(struct world *w)
{
    unsigned session = (unsigned)world_random(w, WORLD_SESSIONS), owner = world_owner(w, session);
    unsigned first = (unsigned)world_random(w, w->devices);
    unsigned second = (first + 1) % w->devices;
    if (owner == UINT32_MAX || first == owner || second == owner) {
        return;
    }
    world_block(w, owner, first, true);
    world_run(w, 2500 + world_random(w, 1500));
    for (unsigned i = 0; i < 6; i++) {
        world_kill(w, second);
        world_start(w, second);
        world_run(w, 300 + world_random(w, 1200));
    }
    world_block(w, owner, first, false);
}

static void strike(struct world *w)
{
    unsigned device = (unsigned)world_random(w, w->devices);
    struct world_device *d = &w->device[device];
    switch (world_random(w, 16)) {
    case 13:
        world_stop(w, (unsigned)world_random(w, WORLD_SESSIONS));
        break;
    case 14:
    case 15:
        world_resume(w, device, (unsigned)world_random(w, WORLD_SESSIONS));
        break;
    case 12:
        undermine(w);
        break;
    case 0:
        world_kill(w, device);
        break;
    case 1: /* its daemon falls and is started at once */
    case 2:
        world_kill(w, device);
        world_start(w, device);
        break;
    case 3:
    case 4:
        world_start(w, device);
        d->frozen = false;
        break;
    case 5:
    case 6:
    case 7:
        cut(w, device);
        break;
    case 8:
        reconnect(w);
        break;
    case 9:
        d->frozen = d->machine != NULL && !d->frozen;
        break;
    case 10:
        d->slow_disk = !d->slow_disk;
        break;
    default:
        if (device > 0) {
            world_break_link(w, device, (unsigned)world_random(w, device));
        }
        break;
    }
}

/* The owner of a quiet session dies: somebody else goes on in time. */
static void owner_dies(struct world *w)
{
    unsigned owner = world_owner(w, 0);
    uint64_t from_us = w->now_us;
    if (owner == UINT32_MAX || w->held[0] < COVEY__CUSTODIANS) {
        world_fail(w, "no set of three came about in quiet times");
    }
    uint64_t kept = w->newest_kept[0];
    world_kill(w, owner);
    while (world_owner(w, 0) == UINT32_MAX || world_owner(w, 0) == owner) {
        if (w->now_us - from_us > RESUME_MS * UINT64_C(1000)) {
            world_fail(w, "nobody took over in time");
        }
        world_run(w, 10);
    }
    if (w->chatty) {
        printf("taken over after %llu ms\n", (unsigned long long)((w->now_us - from_us) / 1000));
    }
    world_run(w, 3000);
    if (w->newest_kept[0] <= kept) {
        world_fail(w, "training does not go on after the owner's death");
    }
    world_start(w, owner);
}

/* Who was replaced has forgotten the session. */
static void only_three(struct world *w, unsigned session)
{
    unsigned disks = 0;
    for (unsigned i = 0; i < w->devices; i++) {
        disks += w->device[i].part[session].state_len != 0;
    }
    if (disks != COVEY__CUSTODIANS) {
        world_fail(w, "all is well and others than three keep a session");
    }
}

/* Whoever is asked and is in the set goes on with it. */
static void resume_all(struct world *w)
{
    bool all = false;
    for (unsigned tries = 0; tries < RESUME_TRIES && !all; tries++) {
        all = true;
        for (unsigned s = 0; s < WORLD_SESSIONS; s++) {
            if (world_owner(w, s) == UINT32_MAX) {
                all = false;
                world_resume(w, tries % w->devices, s);
            }
        }
        world_run(w, 6000);
    }
}

static void all_well(struct world *w)
{
    uint64_t before[WORLD_SESSIONS] = {0};
    world_heal(w);
    world_run(w, HEAL_MS);
    resume_all(w);
    world_run(w, HEAL_MS);
    for (unsigned s = 0; s < WORLD_SESSIONS; s++) {
        before[s] = w->newest_kept[s];
        if (world_owner(w, s) == UINT32_MAX) {
            world_fail(w, "all is well and nobody owns a session");
        }
        if (w->keepers[s] != COVEY__CUSTODIANS || w->held[s] != COVEY__CUSTODIANS) {
            world_fail(w, "all is well and fewer than three keep a session");
        }
    }
    world_run(w, 3000);
    for (unsigned s = 0; s < WORLD_SESSIONS; s++) {
        if (w->newest_kept[s] <= before[s]) {
            world_fail(w, "all is well and training does not go on");
        }
    }
    world_run(w, ORPHAN_MS);
    for (unsigned s = 0; s < WORLD_SESSIONS; s++) {
        only_three(w, s);
    }
}

/* Stopped while all is well it rests, whatever else happens, and goes on at another device. */
static void stops(struct world *w)
{
    unsigned owner = world_owner(w, 1), steps = 0;
    if (owner == UINT32_MAX) {
        world_fail(w, "all is well and nobody owns a session");
    }
    world_stop(w, 1);
    world_run(w, 5000);
    if (!w->rests[1]) {
        world_fail(w, "all is well and a stop does not count");
    }
    world_kill(w, owner);
    world_run(w, 20000);
    world_start(w, owner);
    world_run(w, 20000);
    for (steps = 0; world_owner(w, 1) == UINT32_MAX && steps < 2 * w->devices; steps++) {
        world_resume(w, (owner + 1 + steps) % w->devices, 1);
        world_run(w, 6000);
    }
    if (world_owner(w, 1) == UINT32_MAX) {
        world_fail(w, "nobody goes on with a session that was stopped");
    }
}

/* A device that keeps it, other than that one. */
static unsigned keeper_of(const struct world *w, unsigned session, unsigned not )
{
    unsigned found = not ;
    for (unsigned i = 0; i < w->devices; i++) {
        found = i != not &&w->device[i].part[session].state_len != 0 ? i : found;
    }
    return found;
}

/* One is away while a session ends; it learns so when it is back. */
static void ends(struct world *w)
{
    unsigned away = (world_owner(w, 0) + 1) % w->devices, last = world_owner(w, 1);
    if (w->seed % 2 == 0 && last != UINT32_MAX) {
        world_stop(w, 1);
        world_run(w, 5000);
        world_end_stopped(w, keeper_of(w, 1, away), 1);
    }
    world_kill(w, away);
    for (unsigned s = 0; s < WORLD_SESSIONS; s++) {
        unsigned owner = world_owner(w, s);
        if (s == 1 && w->seed % 2 == 0) {
            continue;
        }
        for (unsigned waited = 0; owner == UINT32_MAX && waited < 100; waited++) {
            world_run(w, 100);
            owner = world_owner(w, s);
        }
        if (owner == UINT32_MAX) {
            world_fail(w, "nobody owns a session after one was killed");
        }
        world_close(w, owner, s);
    }
    world_run(w, 5000);
    world_start(w, away);
    world_run(w, FORGET_MS);
    for (unsigned i = 0; i < w->devices; i++) {
        for (unsigned s = 0; s < WORLD_SESSIONS; s++) {
            if (w->device[i].part[s].state_len != 0) {
                world_fail(w, "a session that has ended is still on a disk");
            }
        }
        if (!covey__custody_idle(w->device[i].machine)) {
            world_fail(w, "a session that has ended is still known");
        }
    }
}

/* Sessions begin; a fast owner of one is alone until it has made many checkpoints. */
static void begin(struct world *w)
{
    static const uint8_t alone[WORLD_DEVICES_MAX] = {1};
    bool fast = w->step_us == WORLD_FAST_US;
    world_run(w, 500);
    if (fast) {
        world_cut(w, alone);
        world_run(w, CUT_MS);
    }
    world_open(w, 0, 0);
    world_open(w, 1, 1);
    world_run(w, SETTLE_MS);
    if (fast) {
        reconnect(w);
        world_run(w, SETTLE_MS);
    }
}

static unsigned run(uint64_t seed, bool chatty, unsigned *inout_resumes)
{
    struct world *w = world_new(seed, 3 + (unsigned)(seed % 4), chatty);
    begin(w);
    owner_dies(w);
    uint64_t end_us = w->now_us + CHAOS_MS * UINT64_C(1000);
    while (w->now_us < end_us) {
        world_run(w, 50 + world_random(w, world_random(w, 2) == 0 ? 400 : 5000));
        strike(w);
    }
    all_well(w);
    stops(w);
    ends(w);
    unsigned leads = w->leads;
    *inout_resumes += w->resumes;
    world_free(w);
    return leads;
}

static unsigned long option(int argc, char **argv, const char *name, unsigned long otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], name) == 0) {
            return strtoul(argv[i + 1], NULL, 10);
        }
    }
    return otherwise;
}

int main(int argc, char **argv)
{
    unsigned long seed = option(argc, argv, "--seed", 1), count = option(argc, argv, "--count", 1);
    unsigned leads = 0, resumes = 0;
    for (unsigned long i = 0; i < count; i++) {
        leads += run(seed + i, option(argc, argv, "--chatty", 0) != 0, &resumes);
    }
    printf("%lu seeds from %lu: %u changes of owner, %u of them by hand after a stop, never two at "
           "once\n",
           count, seed, leads, resumes);
    return 0;
}
