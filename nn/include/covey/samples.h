/* SPDX-License-Identifier: MIT
 *
 * samples.h - labelled samples in memory, and batches of them for steps of training.
 *
 * A batch depends on the seed, the epoch and its number alone, so that whoever holds the samples
 * can make it, anywhere, again.
 */
#ifndef COVEY_SAMPLES_H
#define COVEY_SAMPLES_H

#include "covey/augment.h"
#include "covey/err.h"

/* [count channels height width]; exactly one of bytes and floats is there; each label is below
 * classes. Whose memory it is, is the maker's business. */
struct covey_samples {
    size_t count;
    uint32_t channels, height, width, classes;
    const uint16_t *labels;
    const uint8_t *bytes;
    const float *floats;
};
size_t covey_samples_values(const struct covey_samples *s); /* of one */
/* Writes sample index as floats as they are stored; its label. */
uint32_t covey_samples_get(const struct covey_samples *s, size_t index, float *out);

/* input and labels hold the batch; do not touch the other fields. */
struct covey_batches {
    float *input; /* [batch, values] */
    uint32_t *labels;
    const struct covey_samples *set;
    struct covey_augment augment;
    uint64_t seed;
    uint32_t batch, steps; /* steps of an epoch: an incomplete batch at its end is left out */
    uint32_t epoch;
    uint32_t *order;
    float *sample;
};

/* The set is borrowed. Safe for done() whatever the result. */
covey_err covey_batches_init(struct covey_batches *b, const struct covey_samples *borrow_set,
                             uint32_t batch, uint64_t seed) COVEY_CHECK;
void covey_batches_done(struct covey_batches *b);
/* Bytes that they take. */
uint64_t covey_batches_bytes(const struct covey_samples *set, uint32_t batch);
/* Draws the order of the epoch. */
void covey_batches_epoch(struct covey_batches *b, uint32_t epoch);
/* Batch step of the epoch, changed as augment says. */
void covey_batches_step(struct covey_batches *b, uint32_t step);
/* The samples of another set from first on, as they are; how many, at most a batch. */
uint32_t covey_batches_plain(struct covey_batches *b, const struct covey_samples *set,
                             size_t first);

#endif /* COVEY_SAMPLES_H */
