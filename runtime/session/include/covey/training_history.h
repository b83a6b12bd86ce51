/* SPDX-License-Identifier: MIT
 *
 * training_history.h - what every checkpoint has: a record in front of the trainer's state, and in
 * it the epochs that are over.
 *
 *   magic       8 bytes
 *   record_len  4 bytes, little-endian
 *   record      a CBOR map in deterministic form, every key once
 *   the rest
 */
#ifndef COVEY_TRAINING_HISTORY_H
#define COVEY_TRAINING_HISTORY_H

#include "covey/cbor.h"

enum {
    COVEY_TRAINING_EPOCHS_MAX = 10000, /* each leaves a line in the report */
    COVEY_TRAINING_RECORD_MAGIC_BYTES = 8,
    COVEY_TRAINING_RECORD_START = COVEY_TRAINING_RECORD_MAGIC_BYTES + 4,
    COVEY_TRAINING_RECORD_MAX =
        1 << 20, /* bytes: 10,000 epochs take 400 kB, the texts of a file 45 kB */
};

/* One epoch that is over. */
struct covey_training_epoch {
    double loss;           /* mean over its steps */
    uint32_t correct;      /* of the samples trained on */
    uint32_t test_correct; /* after it */
    double seconds, test_seconds;
};

void covey_training_history_put(struct covey_cbor_writer *w, uint32_t epochs,
                                const struct covey_training_epoch *history);
/* Exactly so many, COVEY_TRAINING_EPOCHS_MAX at most: MALFORMED. */
void covey_training_history_get(struct covey_cbor_reader *r, uint32_t epochs,
                                struct covey_training_epoch *out);
/* A time or a sum: finite, or MALFORMED. */
double covey_training_real_get(struct covey_cbor_reader *r);
/* UNSUPPORTED if it is not this one. */
void covey_training_version_get(struct covey_cbor_reader *r, unsigned version);

/* Calls get() for each key of the map. LIMIT, MALFORMED: it has more or fewer than `keys`. */
covey_err covey_training_keys_get(struct covey_bytes record, size_t keys,
                                  void (*get)(struct covey_cbor_reader *r, uint64_t key,
                                              void *user),
                                  void *user) COVEY_CHECK;

/* Writes COVEY_TRAINING_RECORD_START bytes. */
void covey_training_start_put(uint8_t *out, const uint8_t magic[COVEY_TRAINING_RECORD_MAGIC_BYTES],
                              size_t record_len);
/* The parts of what begins so, borrowed: MALFORMED. */
covey_err covey_training_start_get(struct covey_bytes in,
                                   const uint8_t magic[COVEY_TRAINING_RECORD_MAGIC_BYTES],
                                   struct covey_bytes *out_record,
                                   struct covey_bytes *out_rest) COVEY_CHECK;

#endif /* COVEY_TRAINING_HISTORY_H */
