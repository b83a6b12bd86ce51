/* SPDX-License-Identifier: MIT
 *
 * training_checkpoint.h - where a training session stands, as a blob from which any device goes on
 * bit for bit.
 *
 *   "COVEYTCP"  8 bytes
 *   record_len  4 bytes, little-endian
 *   record      CBOR in deterministic form; schema: docs/messages.cddl
 *   state       the trainer's own, to the end
 *
 * The record alone is what a session tells of its past (SESSION_GET). A blob's digest is its name,
 * so there is none in it.
 */
#ifndef COVEY_SESSION_TRAINING_CHECKPOINT_H
#define COVEY_SESSION_TRAINING_CHECKPOINT_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/training_history.h"

enum { COVEY_TRAINING_POINTS = 512 }; /* of the curve of losses */

/* step of the epoch's steps are done; all of them: its test is still to come. The sums are those of
 * the epoch that is under way. Zeroed to begin with, then covey__training_record_init(). */
struct covey_training_record {
    uint32_t epoch, step;
    uint32_t correct;
    double loss_sum, seconds;
    struct covey_training_epoch *history; /* [epoch], with room for what init was told */
    /* Losses, each the mean of `stride` steps; those that are no whole point yet are in the sum.
     * When the curve is full, two points become one. */
    uint32_t stride, points, since;
    double since_sum;
    float curve[COVEY_TRAINING_POINTS];
};

covey_err covey__training_record_init(struct covey_training_record *r, uint32_t epochs) COVEY_CHECK;
void covey__training_record_done(struct covey_training_record *r);
/* After a step: into the sums and the curve. */
void covey__training_record_step(struct covey_training_record *r, float loss, uint32_t correct,
                                 double seconds);
/* The sums go into the history; test_correct and test_seconds are the caller's. */
void covey__training_record_epoch(struct covey_training_record *r, uint32_t test_correct,
                                  double test_seconds);

covey_err covey__training_record_encode(const struct covey_training_record *r, struct covey_buf out,
                                        size_t *out_len) COVEY_CHECK;
/* r is initialised with room for its epochs: RANGE if there are more. Freed with done() whatever
 * the result. */
covey_err covey__training_record_decode(struct covey_bytes in, uint32_t epochs,
                                        struct covey_training_record *out) COVEY_CHECK;

/* Where the state goes in a blob of that record: *out_len bytes in all with it. */
covey_err covey__training_checkpoint_size(const struct covey_training_record *r, size_t state,
                                          size_t *out_at, size_t *out_len) COVEY_CHECK;
/* Writes all in front of the state. */
covey_err covey__training_checkpoint_begin(const struct covey_training_record *r, uint8_t *blob,
                                           size_t at) COVEY_CHECK;
/* The parts of a blob, borrowed: MALFORMED. */
covey_err covey__training_checkpoint_open(struct covey_bytes blob, struct covey_bytes *out_record,
                                          struct covey_bytes *out_state) COVEY_CHECK;

#endif /* COVEY_SESSION_TRAINING_CHECKPOINT_H */
