/* SPDX-License-Identifier: MIT
 *
 * training_trial.h - whether steps are faster over the mesh or here, found by making some of each:
 * what was predicted from the devices' rates may be wrong. Pure: times are the caller's.
 */
#ifndef COVEY_SESSION_TRAINING_TRIAL_H
#define COVEY_SESSION_TRAINING_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed to begin with. Index 0: here, 1: over the mesh. */
struct covey__trial {
    bool settled, mesh; /* mesh: of the steps that are made now */
    uint32_t done;      /* steps of this phase */
    uint32_t tried;     /* ways that have a time: a bit each */
    double ns[2];       /* of a step, lately */
    double sum_ns;      /* of this phase's steps, but the first */
};

/* Whether the next step goes over the mesh. */
bool covey__trial_next(const struct covey__trial *t);
/* A step took so long. True: it was settled anew which way is faster. */
bool covey__trial_took(struct covey__trial *t, uint64_t ns);
/* Devices came or went: the other way is tried again. */
void covey__trial_again(struct covey__trial *t);

#endif /* COVEY_SESSION_TRAINING_TRIAL_H */
