/* SPDX-License-Identifier: MIT
 *
 * training_progress.h - what TRAIN_PROGRESS's body holds: how far a training session is. One array
 * of fixed length, since both ends are installed together. Schema: docs/messages.cddl.
 */
#ifndef COVEY_SESSION_TRAINING_PROGRESS_H
#define COVEY_SESSION_TRAINING_PROGRESS_H

#include "training.h"

enum { COVEY_TRAINING_PROGRESS_MAX = 1024 }; /* bytes */

covey_err covey__training_progress_encode(const struct covey_training_progress *p,
                                          struct covey_buf out, size_t *out_len) COVEY_CHECK;
/* RANGE, MALFORMED. */
covey_err covey__training_progress_decode(struct covey_bytes in,
                                          struct covey_training_progress *out) COVEY_CHECK;

const char *covey__training_state_name(enum covey_training_state state); /* constant */

#endif /* COVEY_SESSION_TRAINING_PROGRESS_H */
