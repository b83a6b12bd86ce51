/* SPDX-License-Identifier: MIT
 *
 * train_batches.h - samples of a data set, put together for a step.
 *
 * A batch depends on the seed, the epoch and its number alone.
 */
#ifndef COVEY_CLI_TRAIN_BATCHES_H
#define COVEY_CLI_TRAIN_BATCHES_H

#include "covey/augment.h"
#include "read_dataset.h"

/* input and labels hold the batch; do not touch the other fields. */
struct covey__train_batches {
    float *input; /* [batch, values] */
    uint32_t *labels;
    const struct covey_dataset *set;
    struct covey_augment augment;
    uint64_t seed;
    uint32_t batch, steps; /* steps of an epoch: an incomplete batch at its end is left out */
    uint32_t epoch;
    uint32_t *order;
    float *sample;
};

/* The set is borrowed. Safe for done() whatever the result. */
covey_err covey__train_batches_init(struct covey__train_batches *b,
                                    const struct covey_dataset *borrow_set, uint32_t batch,
                                    uint64_t seed) COVEY_CHECK;
void covey__train_batches_done(struct covey__train_batches *b);
/* Draws the order of the epoch. */
void covey__train_batches_epoch(struct covey__train_batches *b, uint32_t epoch);
/* Batch step of the epoch, changed as asked for. */
void covey__train_batches_step(struct covey__train_batches *b, uint32_t step);
/* The samples of another set from first on, as they are; how many, at most a batch. */
uint32_t covey__train_batches_plain(struct covey__train_batches *b, const struct covey_dataset *set,
                                    size_t first);

#endif /* COVEY_CLI_TRAIN_BATCHES_H */
