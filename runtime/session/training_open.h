/* SPDX-License-Identifier: MIT
 *
 * training_open.h - what a training session is made of, from the store. On its thread.
 */
#ifndef COVEY_SESSION_TRAINING_OPEN_H
#define COVEY_SESSION_TRAINING_OPEN_H

#include "training_state.h"

/* Job, model, samples, trainer, and the checkpoint it goes on from. Safe for shut() whatever the
 * result. BUSY: the node's account has no room for it. */
covey_err covey__training_open(struct covey_training *t, char out_why[static 200]) COVEY_CHECK;
void covey__training_shut(struct covey_training *t);

#endif /* COVEY_SESSION_TRAINING_OPEN_H */
