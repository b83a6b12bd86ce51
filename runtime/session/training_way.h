/* SPDX-License-Identifier: MIT
 *
 * training_way.h - how a training session makes its steps: here, as coded products over the mesh,
 * or as coded gradients over it.
 */
#ifndef COVEY_SESSION_TRAINING_WAY_H
#define COVEY_SESSION_TRAINING_WAY_H

#include "training_state.h"

/* ---- on the loop ---- */

/* Once the thread has opened everything: chooses, says why, and lets the thread go on. */
void covey__training_choose(struct covey_training *t);
/* Whoever is in a round comes back. */
void covey__training_way_stop(struct covey_training *t);
/* The thread is joined: keeps the report. */
void covey__training_way_close(struct covey_training *t);
/* TRAIN_WORKER, ROUND_*; false: there are no rounds. */
bool covey__training_way_action(struct covey_training *t, const struct covey_action *action);
void covey__training_way_report(const struct covey_training *t, struct covey_rounds_report *out);

/* ---- on its thread ---- */

/* Once it is chosen. */
covey_err covey__training_way_begin(struct covey_training *t) COVEY_CHECK;
/* One step on what is in the batches. */
covey_err covey__training_way_step(struct covey_training *t,
                                   struct covey_train_result *out) COVEY_CHECK;

/* It took so long, with all that a device which is played waits for: where each way is tried, the
 * faster one is taken. */
void covey__training_way_took(struct covey_training *t, uint64_t ns);

#endif /* COVEY_SESSION_TRAINING_WAY_H */
