/* SPDX-License-Identifier: MIT
 *
 * augment.h - the order of samples and their random changes while training.
 *
 * Drawn from counters: what a sample becomes depends on the seed, the round and its number alone,
 * not on what was drawn before, so that training can be resumed anywhere.
 */
#ifndef COVEY_AUGMENT_H
#define COVEY_AUGMENT_H

#include "covey/bytes.h"

/* Pixels by which a picture may be moved: no larger picture is trained on. */
enum { COVEY_AUGMENT_MOVE_MAX = 4096 };

/* Zeroed: nothing is changed. Both moves may be asked for: crop first. */
struct covey_augment {
    bool flip;      /* left and right change places, every second time */
    uint32_t shift; /* moved by up to so many pixels along each side; zeros come in */
    uint32_t crop;  /* the same, but the picture is mirrored at its edges: a window of it */
    float warp;     /* turned, sheared, stretched and moved: each by up to this share, at most 1 */
};

/* A well-mixed number for a place in a sequence. */
uint64_t covey_augment_draw(uint64_t seed, uint64_t round, uint64_t index);

/* in and out are [channels height width], size in this order, none 0; they do not overlap. */
void covey_augment_apply(const struct covey_augment *a, const uint32_t size[static 3],
                         uint64_t draw, const float *in, float *out);

/* Writes a permutation of 0..count - 1. */
void covey_augment_order(uint64_t seed, uint64_t round, uint32_t *out, size_t count);

#endif /* COVEY_AUGMENT_H */
