/* SPDX-License-Identifier: MIT
 *
 * training_save.h - a checkpoint of a session, made by its thread: piece by piece into the store,
 * so that no more of the state is in memory twice than a piece.
 */
#ifndef COVEY_SESSION_TRAINING_SAVE_H
#define COVEY_SESSION_TRAINING_SAVE_H

#include "training_state.h"

/* In the store, pinned, in place of the last but one. LIMIT: too large, or the store has no room;
 * CLOSED: the session was taken from this device meanwhile. */
covey_err covey__training_save(struct covey_training *t,
                               struct covey_checkpoint_ref *out) COVEY_CHECK;
/* The state of t->trainer, as the pieces say; the caller holds them to be all of it. RANGE: of
 * another model. */
covey_err covey__training_restore(struct covey_training *t,
                                  const struct covey_checkpoint_pieces *pieces) COVEY_CHECK;

#endif /* COVEY_SESSION_TRAINING_SAVE_H */
