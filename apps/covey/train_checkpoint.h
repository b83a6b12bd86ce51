/* SPDX-License-Identifier: MIT
 *
 * train_checkpoint.h - where training stands, as a file from which it goes on bit for bit.
 *
 *   "COVEYCKP"  8 bytes
 *   header_len  4 bytes, little-endian
 *   header      CBOR in deterministic form: options, digests, progress
 *   state       the trainer's own, of the length the header says
 *   digest      BLAKE2b-256 of all before it
 */
#ifndef COVEY_CLI_TRAIN_CHECKPOINT_H
#define COVEY_CLI_TRAIN_CHECKPOINT_H

#include "covey/ids.h"
#include "train_options.h"

/* step of the epoch's steps are done; all of them: its test is still to come. The sums are those
 * of the epoch that is under way. */
struct covey__train_progress {
    uint32_t epoch, step;
    double loss_sum, seconds;
    uint32_t correct;
    struct covey_training_epoch *history; /* [epoch] */
};

struct covey__train_checkpoint {
    struct covey__train_options options;
    struct covey_digest data, model;
    struct covey__train_progress progress;
    struct covey_bytes state;
};

/* Heap, the caller's. */
covey_err covey__train_checkpoint_encode(const struct covey__train_checkpoint *c, uint8_t **out,
                                         size_t *out_len) COVEY_CHECK;
/* Texts and state are borrowed from file. The history is the caller's, with free(), room for
 * epochs of them. Bounds are those of the format: whether options fit is the caller's question.
 * MALFORMED: not a checkpoint, or damaged; UNSUPPORTED: of another version. */
covey_err covey__train_checkpoint_decode(struct covey_bytes file,
                                         struct covey__train_checkpoint *out) COVEY_CHECK;

#endif /* COVEY_CLI_TRAIN_CHECKPOINT_H */
