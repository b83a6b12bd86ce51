/* SPDX-License-Identifier: MIT
 *
 * gradient_scene.h - a network in a store, a worker for its gradients, and what the whole batch's
 * step gives: for the tests of gradients in parts.
 */
#ifndef COVEY_TESTS_GRADIENT_SCENE_H
#define COVEY_TESTS_GRADIENT_SCENE_H

#include "covey/trainer.h"
#include "gradient_work.h"

struct gradient_scene {
    struct covey_services services; /* store and compute only */
    struct covey_loop *loop;
    struct covey_enlist_spec spec;
    struct covey_gradient_work *work;
    struct covey_graph *graph;
    struct covey_trainer *whole; /* of the batch */
    uint32_t batch, parts;
    size_t parameters, statistics, values;
    float *input;
    uint32_t *labels;
    struct covey_train_result step; /* of the whole batch, with its gradient in the trainer */
    float *shared;                  /* parameters, then statistics, in front of that step */
};

enum { GRADIENT_CLASSES = 5 };

/* What to share out: samples of a batch, parts, and tasks that may stay without an answer. Without
 * spare ones, in groups, and cyclic. */
struct gradient_case {
    uint32_t batch_parts[2];
    uint32_t spare;
};
enum { GRADIENT_CASES = 8 };
extern const struct gradient_case gradient_cases[GRADIENT_CASES];

/* Input [n 1 28 28]. */
struct covey_graph *gradient_lenet(void);
/* Input [n 8], one layer of so many units, behind it batch normalisation or Relu. Without
 * normalisation parts give what the whole batch gives. */
struct covey_graph *gradient_perceptron(uint32_t units, bool normalised, uint64_t seed);

/* state: of scratch.h. take_g: input [n ...], to 5 classes. */
void gradient_scene_open(struct gradient_scene *s, void **state, struct covey_graph *take_g,
                         const uint32_t batch_parts[2]);
void gradient_scene_close(struct gradient_scene *s);

/* The bodies of a round and of a task, as train_spec.h has them. */
struct covey_body *gradient_scene_shared(const struct gradient_scene *s);
struct covey_body *gradient_scene_task(const struct gradient_scene *s,
                                       const struct covey_task_spec *task);

/* |a - b| / |b|. */
double gradient_difference(const float *a, const float *b, size_t count);

#endif /* COVEY_TESTS_GRADIENT_SCENE_H */
