/* SPDX-License-Identifier: MIT
 *
 * training_checkpoint.h - where a training session stands, as blobs of the content store from which
 * any device goes on bit for bit: pieces of the trainer's state, and a paper that names them. The
 * paper's digest is the checkpoint's name.
 *
 *   "COVEYTCP"  8 bytes
 *   record_len  4 bytes, little-endian
 *   record      CBOR in deterministic form; schema: docs/messages.cddl
 *   state       8 bytes, little-endian: its bytes
 *   digests     32 bytes of each piece; all pieces but the last are COVEY_CHECKPOINT_PIECE long
 *
 * The record alone is what a session tells of its past (SESSION_GET). A model of any size is cut in
 * the same way: what is small is one piece. Of a piece whose bytes have not changed since the last
 * checkpoint neither disk nor network see anything.
 */
#ifndef COVEY_SESSION_TRAINING_CHECKPOINT_H
#define COVEY_SESSION_TRAINING_CHECKPOINT_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/training_history.h"

enum {
    COVEY_TRAINING_POINTS = 512, /* of the curve of losses */
    COVEY_CHECKPOINT_PIECE = 4 * 1024 * 1024,
    COVEY_CHECKPOINT_PIECES_MAX = 4096, /* 16 GiB: of two billion parameters with momentum */
};

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

struct covey_checkpoint_pieces {
    uint64_t bytes;         /* of the state */
    size_t count;           /* covey__checkpoint_count() of them */
    const uint8_t *digests; /* [count][32]; borrowed */
};
/* 1 to COVEY_CHECKPOINT_PIECES_MAX. RANGE: nothing; LIMIT: too large. */
covey_err covey__checkpoint_count(uint64_t bytes, size_t *out) COVEY_CHECK;
size_t covey__checkpoint_piece_bytes(const struct covey_checkpoint_pieces *pieces, size_t index);
struct covey_digest covey__checkpoint_piece(const struct covey_checkpoint_pieces *pieces,
                                            size_t index);

/* The paper: heap, freed by the caller. */
covey_err covey__training_checkpoint_encode(const struct covey_training_record *r,
                                            const struct covey_checkpoint_pieces *pieces,
                                            uint8_t **out, size_t *out_len) COVEY_CHECK;
/* Its parts, borrowed; the record as it is. MALFORMED, RANGE, LIMIT. */
covey_err covey__training_checkpoint_decode(struct covey_bytes paper,
                                            struct covey_bytes *out_record,
                                            struct covey_checkpoint_pieces *out) COVEY_CHECK;

#endif /* COVEY_SESSION_TRAINING_CHECKPOINT_H */
