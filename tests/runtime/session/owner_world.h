/* SPDX-License-Identifier: MIT
 *
 * owner_world.h - what the tests of an owner live in. The owner is the real one. Its loop's clock
 * and timer, its pools and the job machine are played here: work waits until the test lets it run,
 * and takes as long as it says.
 */
#ifndef COVEY_TESTS_SESSION_OWNER_WORLD_H
#define COVEY_TESTS_SESSION_OWNER_WORLD_H

#include "owner_state.h"
#include "scratch.h"

enum {
    OPENED_MS = 100000,
    WAIT_MS = 1500,   /* owner.c's WAIT_FOR_PLAN_MS */
    WAIT_MIN_MS = 50, /* and its WAIT_FOR_PLAN_MIN_MS */
    ASKED_MAX = 64,
    LOOK_US = 20,
};

struct asked {
    bool done;
    covey_err err;
    char why[160];
    unsigned devices;
    uint32_t version;      /* of the plan; 0: alone */
    uint32_t traced_us[2]; /* the first layers of its trace */
    uint64_t end_ms;
};

extern struct world {
    char dir[SCRATCH_PATH];
    struct covey_services services;
    struct covey_owner *owner;
    struct covey_digest model;
    uint64_t now_ms;
    uint64_t read_us; /* each look at the clock takes a moment */
    uint64_t timer_ms;
    covey_loop_fn timer_fn;
    void *timer_user;
    struct covey_task_list compute, background;
    struct covey_fence session; /* of the last SESSION_OPEN */
    unsigned opened, closed, prepared, begun, ended;
    covey_err prepared_err; /* of the last PREPARED, with its room */
    uint64_t room_bytes;
    uint32_t begun_version; /* of the last REQUEST_BEGIN */
    struct asked asked[ASKED_MAX];
    uint32_t requests;
    uint32_t mflops; /* of this device; 0: not measured yet */
    bool coded_all;
    uint8_t devices;
} owner_world;

/* Time goes on; the timer rings when it is due, the tick each second, as in the daemon. */
void owner_pass(uint64_t ms);
uint32_t owner_ask(uint32_t timeout_ms);
bool owner_is_running(void);
/* The request that computes takes so long. */
void owner_compute_for(uint64_t ms);
void owner_assert_alone(uint32_t request);
/* The job machine has a plan, and it is ready: over two devices that have no layer of it yet, or,
 * where nobody else is there, for this one alone. */
void owner_plan_ready(uint32_t version, bool peers);
void owner_plan_gone(uint32_t version);
void owner_begin(void **state);
void owner_end(void);
/* A session that is open since OPENED_MS, and a first request. */
uint32_t owner_open_session(void);
bool owner_run_next(struct covey_task_list *list);

#endif /* COVEY_TESTS_SESSION_OWNER_WORLD_H */
