/* SPDX-License-Identifier: MIT
 *
 * custodian.h - what this device keeps of training sessions, its own and others': the custody
 * machine's state and checkpoints on disk, jobs, models and data in the store, and the journal
 * (SQLite) of sessions, owners, steps and checkpoints. Calls are on the loop; disk work happens on
 * the storage thread.
 */
#ifndef COVEY_SESSION_CUSTODIAN_H
#define COVEY_SESSION_CUSTODIAN_H

#include "services.h"
#include "training.h"

struct covey_custodian;

struct covey_custodian_config {
    struct covey_services *services;
    const char *state_dir; /* STATE/journal.db, STATE/custody/ */
    void *user;
    /* This device owns the session from now on: of a session whose owner is gone. */
    void (*lead)(void *user, const struct covey_fence *fence, const struct covey_digest *job,
                 const struct covey_checkpoint_ref *newest);
    void (*lease)(void *user, const struct covey_fence *fence, uint64_t until_ms);
    void (*news)(void *user, const struct covey_fence *fence, uint8_t held, uint8_t wanted);
    void (*kept)(void *user, const struct covey_fence *fence, uint64_t step);
};

/* Feeds CUSTODY_STATE of what was persisted. */
covey_err covey__custodian_new(const struct covey_custodian_config *config,
                               struct covey_custodian **out, char out_why[static 256]) COVEY_CHECK;
/* After the pools have stopped. */
void covey__custodian_free(struct covey_custodian *c);
/* For the trainings of this device. */
const struct covey_training_keeper *covey__custodian_keeper(struct covey_custodian *c);
/* CUSTODY_*; FETCHED of what it asked for: true. */
void covey__custodian_action(struct covey_custodian *c, const struct covey_action *action);
bool covey__custodian_fetched(struct covey_custodian *c, const struct covey_action *action);

#endif /* COVEY_SESSION_CUSTODIAN_H */
