/* SPDX-License-Identifier: MIT
 *
 * custody_world.h - some custody machines with clocks of their own, disks, links that lose what was
 * under way, and a session that trains (counts) while it holds a lease; everything from one seed.
 *
 * Each time a machine does something the world looks whether what must never happen has happened,
 * and ends the process with a line if so.
 */
#ifndef COVEY_SIM_CUSTODY_WORLD_H
#define COVEY_SIM_CUSTODY_WORLD_H

#include "runtime/core/custody_state.h"

enum {
    WORLD_DEVICES_MAX = 7,
    WORLD_SESSIONS = 2,
    WORLD_BLOBS_MAX = 8192,
    WORLD_EPOCHS_MAX = 512,
    WORLD_ITEMS_MAX = 4096,
    WORLD_STEP_US = 100 * 1000, /* of training */
    WORLD_FAST_US = 2 * 1000,   /* of one that makes checkpoints much faster than they travel */
    WORLD_STEPS = 4,            /* between checkpoints */
};

enum world_item_kind {
    WORLD_MESSAGE,
    WORLD_WRITTEN, /* a state is on disk */
    WORLD_FETCHED, /* what APPOINTED or KEEP named has come */
    WORLD_STEP,
    WORLD_SAVED, /* the owner's checkpoint is on its disk */
    WORLD_STOP,  /* and was its last one, since somebody stopped the session */
    WORLD_LINK,  /* one end sees its channel come or go */
};

struct world_item {
    bool used;
    enum world_item_kind kind;
    uint64_t at_us, order;
    unsigned device, life, from, session;
    unsigned link;  /* MESSAGE: number of its channel; LINK: of the one that came, 0: it went */
    uint32_t index; /* WRITTEN */
    bool held;      /* FETCHED: HELD, else STORED */
    struct covey_fence fence;
    struct covey_checkpoint_ref checkpoint;
    uint8_t bytes[COVEY__CUSTODY_STATE_MAX];
    size_t len;
};

/* What a device's session half knows of one session. */
struct world_part {
    bool owner, stepping;
    bool stopping; /* it trains no more, the machine is not told yet */
    bool asked;    /* by hand, to go on with one that was stopped */
    uint32_t epoch;
    uint64_t until_ms; /* of its own clock */
    uint64_t step;
    uint64_t saving;           /* the last checkpoint's step, while it is not settled */
    unsigned saved[2], marked; /* blobs: the newest ones, and what a majority keeps */
    bool job;                  /* on its disk */
    uint8_t state[COVEY__CUSTODY_STATE_MAX];
    size_t state_len;
};

struct world_device {
    struct covey_node_id id;
    struct covey_custody *machine; /* NULL: off */
    struct covey_custody_view view;
    unsigned life;
    bool frozen, slow_disk;
    uint64_t offset_ms, ppm; /* its clock */
    uint64_t disk_us;        /* writes end in the order they began */
    bool blob[WORLD_BLOBS_MAX];
    struct world_part part[WORLD_SESSIONS];
};

struct world {
    uint64_t seed, rng, now_us, order;
    uint64_t step_us; /* of training */
    unsigned devices;
    struct world_device device[WORLD_DEVICES_MAX];
    uint8_t side[WORLD_DEVICES_MAX];
    bool blocked[WORLD_DEVICES_MAX][WORLD_DEVICES_MAX];  /* both ways, both set */
    unsigned link[WORLD_DEVICES_MAX][WORLD_DEVICES_MAX]; /* [lesser][greater]; 0: none */
    unsigned links;
    uint64_t link_us[WORLD_DEVICES_MAX][WORLD_DEVICES_MAX]; /* then it may come or go */
    uint64_t last_us[WORLD_DEVICES_MAX][WORLD_DEVICES_MAX]; /* [from][to] */
    struct world_item item[WORLD_ITEMS_MAX];
    unsigned blobs;
    /* by session and epoch; what must hold of them is in world_led(), world_kept() */
    unsigned leader[WORLD_SESSIONS][WORLD_EPOCHS_MAX]; /* device + 1 */
    uint64_t began[WORLD_SESSIONS][WORLD_EPOCHS_MAX], kept[WORLD_SESSIONS][WORLD_EPOCHS_MAX];
    uint64_t newest_kept[WORLD_SESSIONS];
    unsigned held[WORLD_SESSIONS], keepers[WORLD_SESSIONS]; /* as the owner was told last */
    bool rests[WORLD_SESSIONS]; /* a majority knows that it was stopped */
    unsigned leads, resumes;
    bool chatty;
    covey_err err; /* of the last event */
    struct covey_update update;
};

struct world *world_new(uint64_t seed, unsigned devices, bool chatty);
void world_free(struct world *w);
void world_run(struct world *w, uint64_t ms);
uint64_t world_random(struct world *w, uint64_t bound);

void world_open(struct world *w, unsigned device, unsigned session);
void world_close(struct world *w, unsigned device, unsigned session);
/* By hand: what Ctrl-C and --resume do. */
void world_stop(struct world *w, unsigned session);
void world_resume(struct world *w, unsigned device, unsigned session);
/* At a device that keeps it while it rests: it is forgotten by all. */
void world_end_stopped(struct world *w, unsigned device, unsigned session);
void world_start(struct world *w, unsigned device);
void world_kill(struct world *w, unsigned device);
void world_cut(struct world *w, const uint8_t *side);
void world_block(struct world *w, unsigned a, unsigned b, bool blocked);
bool world_connected(const struct world *w, unsigned a, unsigned b);
void world_break_link(struct world *w, unsigned a, unsigned b);
/* Everything on and connected. */
void world_heal(struct world *w);
/* Device that may act as the session's owner now; UINT32_MAX: none. */
unsigned world_owner(const struct world *w, unsigned session);
_Noreturn void world_fail(const struct world *w, const char *what);

/* custody_fake.c: the session half. */
struct world_item *world_push(struct world *w, enum world_item_kind kind, unsigned device,
                              uint64_t delay_us);
uint64_t world_clock_ms(const struct world *w, unsigned device);
void world_event(struct world *w, unsigned device, struct covey_event *event);
struct covey_session_id world_session(unsigned session);
void world_action(struct world *w, unsigned device, const struct covey_action *action);
void world_item(struct world *w, const struct world_item *item);

#endif /* COVEY_SIM_CUSTODY_WORLD_H */
