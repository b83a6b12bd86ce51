/* SPDX-License-Identifier: MIT
 *
 * trainer_private.h - what the trainer's files share.
 */
#ifndef COVEY_NN_TRAINER_PRIVATE_H
#define COVEY_NN_TRAINER_PRIVATE_H

#include "covey/trainer.h"
#include "train/plan.h"

struct covey_trainer {
    struct covey_graph *g;
    struct covey_train_options options;
    struct covey__train_plan plan;
    struct covey_threads *threads;
    uint8_t *arena;
    /* [parameters] each: values, gradient, velocity or first moment, second moment; then the
     * running statistics. */
    float *vectors;
    struct covey_tensor *tensors; /* of each value */
    struct covey__op_call *calls; /* of each node */
    void **states;                /* of each node: weights laid out for its kernel, or NULL */
    uint64_t state_bytes;         /* of all of them */
    uint32_t classes;
    uint64_t steps;
    /* What dropout draws from: this step, and this part of its batch. */
    uint64_t draw_step;
    uint32_t draw_part;
    struct covey_trainer_hook hook; /* products NULL: none */
    float *kept;                    /* running statistics of before this step */
};

enum covey__trainer_vectors {
    COVEY__VALUES,
    COVEY__GRADIENT,
    COVEY__FIRST_MOMENT,
    COVEY__SECOND_MOMENT,
    COVEY__VECTORS
};

static inline float *covey__trainer_vector(const struct covey_trainer *t, unsigned which)
{
    return t->vectors + which * t->plan.parameters;
}

static inline float *covey__trainer_running(const struct covey_trainer *t)
{
    return covey__trainer_vector(t, COVEY__VECTORS);
}

static inline uint64_t covey__trainer_floats(const struct covey_trainer *t)
{
    return (uint64_t)COVEY__VECTORS * t->plan.parameters + t->plan.statistics;
}

/* The rate of the next step. */
float covey__trainer_rate(const struct covey_trainer *t);
/* One step of the optimizer. */
void covey__trainer_update(struct covey_trainer *t, const float *gradient, float lr);

#endif /* COVEY_NN_TRAINER_PRIVATE_H */
