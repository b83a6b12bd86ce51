/* SPDX-License-Identifier: MIT
 *
 * custodian.h - what this device keeps of training sessions, its own and others': the custody
 * machine's state and checkpoints on disk, jobs, models and data in the store, and the journal
 * (SQLite) of sessions, owners, steps and checkpoints. Calls are on the loop; disk work happens on
 * the storage thread.
 */
#ifndef COVEY_SESSION_CUSTODIAN_H
#define COVEY_SESSION_CUSTODIAN_H

#include "journal.h"
#include "services.h"
#include "training.h"

struct covey_custodian;

/* What came of --resume. */
struct covey_custodian_resumed {
    uint64_t client; /* as it was asked */
    uint32_t tag;
    bool fork; /* asked for: as a session of its own */
    covey_err err;
    const char *why;
    const char *name; /* of the session; empty: not known */
};

struct covey_custodian_config {
    struct covey_services *services;
    const char *state_dir; /* STATE/journal.db */
    struct covey_node_id self;
    void *user;
    /* Devices with full trust whose channels are up, at most max. */
    size_t (*sources)(void *user, struct covey_node_id *out, size_t max);
    /* This device owns the session from now on: of a session whose owner is gone, or that was
     * resumed by hand. All of it is on this disk. */
    covey_err (*lead)(void *user, const struct covey_training_start *start);
    /* This device trained it to its end, and was ended itself before it could say so: it is over,
     * and does not go on here. */
    bool (*done)(void *user, const struct covey_session_id *session);
    /* The loop's clock; 0: no longer, or not yet. */
    void (*lease)(void *user, const struct covey_fence *fence, uint64_t until_ms);
    /* Another device owns it, or nobody does. */
    void (*lost)(void *user, const struct covey_fence *fence);
    void (*news)(void *user, const struct covey_fence *fence, uint8_t held, uint8_t wanted);
    void (*kept)(void *user, const struct covey_fence *fence, uint64_t step);
    /* The checkpoint of this step is where it is to be, or nowhere: the next one may be made. */
    void (*settled)(void *user, const struct covey_fence *fence, uint64_t step);
    void (*resumed)(void *user, const struct covey_custodian_resumed *resumed);
};

/* Feeds CUSTODY_STATE of what was persisted, once *out is set. out_why: on failure, or what is to
 * be said all the same. */
covey_err covey__custodian_new(const struct covey_custodian_config *config,
                               struct covey_custodian **out, char out_why[static 256]) COVEY_CHECK;
/* What was begun is done still, nothing more is begun: once the trainings are gone, before the
 * pools stop. NULL is a no-op. */
void covey__custodian_stop(struct covey_custodian *c);
/* After the pools have stopped. */
void covey__custodian_free(struct covey_custodian *c);
/* For the trainings of this device; valid for as long as the custodian. */
const struct covey_training_keeper *covey__custodian_keeper(struct covey_custodian *c);
/* CUSTODY_*; FETCHED of what it asked for: true. */
void covey__custodian_action(struct covey_custodian *c, const struct covey_action *action);
bool covey__custodian_fetched(struct covey_custodian *c, const struct covey_action *action);
/* Retries what could not be had; some times a second. */
void covey__custodian_tick(struct covey_custodian *c);

/* A session that was stopped, or whose owner is gone, goes on here: name, or the first 8 or more
 * digits of its id. It is the same session, in a later epoch, by the votes of a majority of those
 * who keep it; to fork, without them, begins a session of its own from the newest checkpoint here.
 * resumed follows, never at once. NOT_FOUND; EXISTS: it runs here; BUSY; DENIED: others go on with
 * it, or could; STATE: it has ended, or too few of those who keep it are up; out_why. */
covey_err covey__custodian_resume(struct covey_custodian *c, const char *which,
                                  struct covey_custodian_resumed ask,
                                  char out_why[static 256]) COVEY_CHECK;

/* One that was stopped is kept no more, here and by all others; of one that has ended the last
 * checkpoint goes, which is here for a fork. NOT_FOUND: nothing of this name, or nothing is left of
 * it; BUSY: it is being stopped, or does not run yet; DENIED: another device owns it; out_why,
 * empty where the name is not known. */
covey_err covey__custodian_forget(struct covey_custodian *c, const char *which,
                                  char out_why[static 256]) COVEY_CHECK;

/* Looking in: the newest first. */
struct covey_custodian_session {
    struct covey_journal_session row;
    uint64_t step;                      /* the last one known */
    struct covey_checkpoint_ref newest; /* on this disk; digest zero: none */
    uint64_t kept_step;                 /* a majority has it; at the owner */
    struct covey_custodians set;        /* who keeps it, as far as it is known here */
    uint8_t held;                       /* of them that hold everything; at the owner */
    uint64_t lease_ms;                  /* at the owner */
    bool owns;                          /* this device, now */
    /* Three devices or more keep it, and at the owner: a majority holds all. Of one that was
     * stopped: a majority of those who keep it is up. */
    bool recoverable;
};
size_t covey__custodian_count(const struct covey_custodian *c);
void covey__custodian_get(const struct covey_custodian *c, size_t index,
                          struct covey_custodian_session *out);

#endif /* COVEY_SESSION_CUSTODIAN_H */
