/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "kernels/update.h"
#include "train/trainer_private.h"

/* Linear warm-up, then the schedule (cosine: Loshchilov and Hutter 2017, without restarts). */
float covey__trainer_rate(const struct covey_trainer *t)
{
    const struct covey_train_options *o = &t->options;
    double at = (double)t->steps, lr = (double)o->lr;
    if (t->steps < o->warmup_steps) {
        return (float)(lr * (at + 1.0) / (double)o->warmup_steps);
    }
    switch (o->schedule) {
    case COVEY_SCHEDULE_CONSTANT:
        break;
    case COVEY_SCHEDULE_STEP:
        lr *= pow((double)o->step_factor, (double)(t->steps / o->step_every));
        break;
    case COVEY_SCHEDULE_COSINE: {
        double whole =
            (double)(o->total_steps > o->warmup_steps ? o->total_steps - o->warmup_steps : 1);
        double part = (at - (double)o->warmup_steps) / whole;
        lr *= part < 1.0 ? 0.5 * (1.0 + cos(acos(-1.0) * part)) : 0.0;
        break;
    }
    }
    return (float)lr;
}

/* One value's part of the vectors: those of rank 1 (biases, scales) do not decay. */
static void update_part(const struct covey_trainer *t, size_t v, const float *gradient, float lr)
{
    const struct covey_train_options *o = &t->options;
    size_t at = t->plan.place[v].at, count = covey__shape_elements(&t->tensors[v].shape);
    float decay = t->tensors[v].shape.rank > 1 ? o->weight_decay : 0.0f;
    if (o->optimizer == COVEY_OPTIMIZER_SGD) {
        struct covey__update_sgd u = {.rate = lr,
                                      .momentum = o->momentum,
                                      .decay = decay,
                                      .nesterov = o->nesterov,
                                      .gradient = gradient + at,
                                      .weights = covey__trainer_vector(t, COVEY__VALUES) + at,
                                      .velocity =
                                          covey__trainer_vector(t, COVEY__FIRST_MOMENT) + at,
                                      .count = count,
                                      .threads = t->threads};
        covey__update_sgd(&u);
        return;
    }
    struct covey__update_adam u = {.rate = lr,
                                   .beta = {o->momentum, o->beta2},
                                   .epsilon = o->epsilon,
                                   .decay = decay,
                                   .decoupled = true,
                                   .step = t->steps + 1,
                                   .gradient = gradient + at,
                                   .weights = covey__trainer_vector(t, COVEY__VALUES) + at,
                                   .first = covey__trainer_vector(t, COVEY__FIRST_MOMENT) + at,
                                   .second = covey__trainer_vector(t, COVEY__SECOND_MOMENT) + at,
                                   .count = count,
                                   .threads = t->threads};
    covey__update_adam(&u);
}

void covey__trainer_update(struct covey_trainer *t, const float *gradient, float lr)
{
    for (size_t v = 0; v < t->g->value_count; v++) {
        if (t->plan.place[v].parameter) {
            update_part(t, v, gradient, lr);
        }
    }
    t->steps++;
}

void covey_trainer_apply(struct covey_trainer *t, const float *gradient,
                         struct covey_train_result *inout)
{
    inout->lr = covey__trainer_rate(t);
    covey__trainer_update(t, gradient, inout->lr);
}
