/* SPDX-License-Identifier: MIT */
#include "covey/samples.h"

#include <stdlib.h>

/* Draws for the order and for the changes come from two sequences. */
enum { SEED_ORDER = 1, SEED_CHANGES = 2 };

size_t covey_samples_values(const struct covey_samples *s)
{
    return (size_t)s->channels * s->height * s->width;
}

uint32_t covey_samples_get(const struct covey_samples *s, size_t index, float *out)
{
    size_t values = covey_samples_values(s);
    COVEY_ASSERT(index < s->count);
    if (s->floats != NULL) {
        memcpy(out, s->floats + index * values, values * sizeof(*out));
        return s->labels[index];
    }
    const uint8_t *bytes = s->bytes + index * values;
    for (size_t i = 0; i < values; i++) {
        out[i] = (float)bytes[i];
    }
    return s->labels[index];
}

covey_err covey_batches_init(struct covey_batches *b, const struct covey_samples *borrow_set,
                             uint32_t batch, uint64_t seed)
{
    struct covey_batches fresh = {.set = borrow_set, .batch = batch, .seed = seed};
    size_t values = covey_samples_values(borrow_set), floats = 0;
    *b = fresh;
    if (batch == 0 || borrow_set->count > UINT32_MAX) {
        return COVEY_ERR_RANGE;
    }
    b->steps = (uint32_t)(borrow_set->count / batch);
    covey_err err = covey_size_mul(values, batch, &floats);
    if (err != COVEY_OK) {
        return err;
    }
    b->input = calloc(floats, sizeof(*b->input));
    b->labels = calloc(batch, sizeof(*b->labels));
    b->order = calloc(borrow_set->count, sizeof(*b->order));
    b->sample = calloc(values, sizeof(*b->sample));
    bool there = b->input != NULL && b->labels != NULL && b->order != NULL && b->sample != NULL;
    return there ? COVEY_OK : COVEY_ERR_NOMEM;
}

uint64_t covey_batches_bytes(const struct covey_samples *set, uint32_t batch)
{
    uint64_t sample = covey_samples_values(set) * (uint64_t)sizeof(float);
    return (batch + UINT64_C(1)) * sample + (batch + (uint64_t)set->count) * sizeof(uint32_t);
}

void covey_batches_done(struct covey_batches *b)
{
    struct covey_batches empty = {.set = NULL};
    free(b->input);
    free(b->labels);
    free(b->order);
    free(b->sample);
    *b = empty;
}

void covey_batches_epoch(struct covey_batches *b, uint32_t epoch)
{
    b->epoch = epoch;
    covey_augment_order(covey_augment_draw(b->seed, SEED_ORDER, 0), epoch, b->order, b->set->count);
}

void covey_batches_step(struct covey_batches *b, uint32_t step)
{
    const struct covey_augment *a = &b->augment;
    const uint32_t size[3] = {b->set->channels, b->set->height, b->set->width};
    uint64_t seed = covey_augment_draw(b->seed, SEED_CHANGES, 0);
    size_t values = covey_samples_values(b->set);
    bool changed = a->flip || a->shift != 0 || a->crop != 0 || a->warp > 0;
    for (uint32_t i = 0; i < b->batch; i++) {
        uint32_t index = b->order[(size_t)step * b->batch + i];
        float *to = b->input + i * values;
        b->labels[i] = covey_samples_get(b->set, index, changed ? b->sample : to);
        if (changed) {
            uint64_t draw = covey_augment_draw(seed, b->epoch, index);
            covey_augment_apply(a, size, draw, b->sample, to);
        }
    }
}

uint32_t covey_batches_plain(struct covey_batches *b, const struct covey_samples *set, size_t first)
{
    size_t values = covey_samples_values(set);
    uint32_t count = 0;
    for (; count < b->batch && first + count < set->count; count++) {
        b->labels[count] = covey_samples_get(set, first + count, b->input + count * values);
    }
    return count;
}
