/* SPDX-License-Identifier: MIT
 *
 * custodian_gather.h - all that a training session needs, brought to this device and pinned in its
 * store: the job, the model's manifest and weights, the data sets, a checkpoint and its pieces.
 * Asked for round by round, since what is missing is known only once the papers that name it are
 * here. Calls are on the loop.
 */
#ifndef COVEY_SESSION_CUSTODIAN_GATHER_H
#define COVEY_SESSION_CUSTODIAN_GATHER_H

#include "covey/message_custody.h"
#include "services.h"
#include "training_job.h"

struct covey_gatherer;

struct covey_gather_ask {
    int kind; /* the caller's */
    struct covey_fence fence;
    struct covey_digest job;                /* zero: only the checkpoint */
    struct covey_checkpoint_ref checkpoint; /* digest zero: none */
    struct covey_node_id peer;              /* who has it all; zero: not known */
    bool here;                              /* nobody is asked: only what is here is pinned */
};

/* What is pinned; unpinned with covey__gather_unpin(). */
struct covey_gather_pins {
    struct covey_digest *digest; /* heap */
    size_t count;
};

struct covey_gathered {
    const struct covey_gather_ask *ask;
    covey_err err; /* NOT_FOUND: nobody who is here has it; LIMIT: the store has no room */
    const char *why;
    const struct covey_training_job *job; /* NULL: it is not here */
    struct covey_gather_pins pins;        /* taken by whoever is told */
};

struct covey_gather_config {
    struct covey_services *services;
    /* Devices with full trust whose channels are up, at most max. */
    size_t (*sources)(void *user, struct covey_node_id *out, size_t max);
    void (*done)(void *user, const struct covey_gathered *gathered);
    void *user;
};

covey_err covey__gather_new(const struct covey_gather_config *config,
                            struct covey_gatherer **out) COVEY_CHECK;
/* No more is looked for or told. */
void covey__gather_stop(struct covey_gatherer *g);
/* After the pools have stopped. */
void covey__gather_free(struct covey_gatherer *g);
/* done follows, never at once. Of the same kind and session, one under way is done in the new one's
 * way, and told once. BUSY: too many at a time. */
covey_err covey__gather_start(struct covey_gatherer *g,
                              const struct covey_gather_ask *ask) COVEY_CHECK;
/* FETCHED; false: it was not asked for here. */
bool covey__gather_fetched(struct covey_gatherer *g, const struct covey_action *action);
void covey__gather_unpin(struct covey_services *services, struct covey_gather_pins *pins);

#endif /* COVEY_SESSION_CUSTODIAN_GATHER_H */
