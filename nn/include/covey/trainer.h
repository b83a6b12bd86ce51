/* SPDX-License-Identifier: MIT
 *
 * trainer.h - training a graph on this device: forward, loss, backward, update.
 *
 * The graph is one as built or imported, not optimised. Its parameters are the constants that
 * layers and normalisations take; they live in one vector, their gradients in another.
 * Deterministic: the same graph, options, seed and batches give the same numbers, whatever the
 * number of threads.
 */
#ifndef COVEY_TRAINER_H
#define COVEY_TRAINER_H

#include "covey/bytes.h"
#include "covey/graph.h"
#include "covey/train_product.h"

enum covey_optimizer { COVEY_OPTIMIZER_SGD, COVEY_OPTIMIZER_ADAM };
enum covey_schedule { COVEY_SCHEDULE_CONSTANT, COVEY_SCHEDULE_STEP, COVEY_SCHEDULE_COSINE };

struct covey_train_options {
    uint32_t batch;
    unsigned threads; /* 0: 1 */
    uint64_t seed;    /* of dropout */
    enum covey_optimizer optimizer;
    float lr;
    float momentum;       /* SGD: of the velocity; Adam: beta 1 */
    bool nesterov;        /* SGD */
    float beta2, epsilon; /* Adam */
    float weight_decay;   /* SGD: of the gradient (L2); Adam: decoupled. Not for rank 1. */
    float label_smoothing;
    enum covey_schedule schedule;
    uint64_t total_steps; /* COSINE: where the rate reaches 0 */
    uint64_t step_every;  /* STEP: the rate is multiplied by step_factor every so many steps */
    float step_factor;
    uint64_t warmup_steps; /* linear from 0 */
};
/* SGD, lr 0.01, momentum 0.9, beta2 0.999, epsilon 1e-8, step_factor 0.1, constant; batch 50. */
void covey_train_options_init(struct covey_train_options *o);

struct covey_trainer;

/* g has one float input and one output [n classes], its logits (a Softmax or LogSoftmax at the end
 * is left out of training). Checks g for the batch. g must outlive the trainer; its constants are
 * copied and written back by covey_trainer_store(). UNSUPPORTED names an operator without a
 * gradient. */
covey_err covey_trainer_new(struct covey_graph *g, const struct covey_train_options *options,
                            struct covey_trainer **out, struct covey_nn_error *out_why) COVEY_CHECK;
void covey_trainer_free(struct covey_trainer *t);
/* What covey_trainer_memory() of such a trainer would say; none of it is taken. Errors as above. */
covey_err covey_trainer_needs(struct covey_graph *g, const struct covey_train_options *options,
                              size_t *out_bytes, struct covey_nn_error *out_why) COVEY_CHECK;

size_t covey_trainer_input_floats(const struct covey_trainer *t); /* of one sample */
uint32_t covey_trainer_classes(const struct covey_trainer *t);
size_t covey_trainer_memory(const struct covey_trainer *t); /* bytes */
uint64_t covey_trainer_steps(const struct covey_trainer *t);

struct covey_train_result {
    float loss;       /* mean over the batch, smoothing included */
    uint32_t correct; /* highest logit at the label */
    float lr;
};
/* The label of a sample that does not count: neither in loss and hits nor in the gradient. The mean
 * is over the whole batch all the same, and running statistics see it. */
#define COVEY_LABEL_NONE UINT32_MAX
/* One step on options.batch samples: input [batch x input], labels below classes or LABEL_NONE
 * (asserted).
 * RANGE: the loss is not a number any more; nothing was updated. */
covey_err covey_trainer_step(struct covey_trainer *t, const float *input, const uint32_t *labels,
                             struct covey_train_result *out) COVEY_CHECK;
/* Loss and hits without training, with running statistics and without dropout: count <= batch
 * samples (input has room for the whole batch). */
void covey_trainer_evaluate(struct covey_trainer *t, const float *input, const uint32_t *labels,
                            uint32_t count, struct covey_train_result *out);

/* ---- products computed elsewhere ---- */

/* One product of a step; those of one call do not depend on one another. done: it was computed. */
struct covey_product_call {
    struct covey_train_product product;
    uint32_t node; /* of the graph: the same in every step */
    const float *a, *b;
    float *c;
    bool done;
};
/* Called on the thread of covey_trainer_step(), for convolutions of one group in two dimensions
 * and dense layers. What it does not mark as done is computed here. An error ends the step: nothing
 * was updated, and it is what covey_trainer_step() returns. */
struct covey_trainer_hook {
    covey_err (*products)(void *user, struct covey_product_call *calls, unsigned count);
    /* Called as backward goes: of the gradient only the first rest floats are still changed. Falls
     * to 0; loss and hits are known. NULL: nobody waits for it. */
    void (*made)(void *user, size_t rest, const struct covey_train_result *result);
    void *user;
};
void covey_trainer_set_hook(struct covey_trainer *t, const struct covey_trainer_hook *hook);
/* All products of a step, in the order they come, with a, b, c NULL: how many. calls may be NULL.
 */
size_t covey_trainer_products(const struct covey_trainer *t, struct covey_product_call *calls,
                              size_t max);

/* ---- a step in parts, as data parallelism has it ---- */

/* Forward and backward on options.batch samples: the gradient of the mean of their losses is in
 * covey_trainer_gradient(); nothing is updated but running statistics. step and part choose what
 * dropout draws: parts of the same size draw what the whole batch would. The mean of the parts'
 * gradients is that of the whole batch, but where batch-normalisation takes each part's own mean
 * and variance. RANGE: the loss is not a number any more. */
covey_err covey_trainer_part(struct covey_trainer *t, const float *input, const uint32_t *labels,
                             uint64_t step, uint32_t part,
                             struct covey_train_result *out) COVEY_CHECK;
/* Updates with a gradient [parameters] made elsewhere, as a step would have. lr is filled in. */
void covey_trainer_apply(struct covey_trainer *t, const float *gradient,
                         struct covey_train_result *inout);
/* Running statistics: floats; as they are. */
size_t covey_trainer_statistics(const struct covey_trainer *t);
float *covey_trainer_statistics_values(struct covey_trainer *t);

/* The parameter vector and the last gradient, same order; lengths in floats. */
size_t covey_trainer_parameters(const struct covey_trainer *t);
float *covey_trainer_values(struct covey_trainer *t);
const float *covey_trainer_gradient(const struct covey_trainer *t);
/* Where each tensor of the parameter vector (or of the running statistics) ends, ascending; how
 * many there are. out may be NULL. */
size_t covey_trainer_ends(const struct covey_trainer *t, bool statistics, size_t *out, size_t max);

/* Writes parameters and running statistics back into g, as constants that g owns. */
covey_err covey_trainer_store(struct covey_trainer *t) COVEY_CHECK;

/* All that going on needs: parameters, running statistics, optimizer, steps, in one piece of
 * memory. What it is made for (sizes, optimizer) is checked on load: RANGE, nothing changed. */
size_t covey_trainer_state_bytes(const struct covey_trainer *t);
void covey_trainer_save(const struct covey_trainer *t, uint8_t *out);
covey_err covey_trainer_load(struct covey_trainer *t, struct covey_bytes in) COVEY_CHECK;
enum { COVEY_TRAINER_STATE_HEAD = 32 }; /* bytes in front: the steps, and what it is made for */
/* The same a part at a time, for a state that is not to be in memory twice: out.len bytes of it
 * from `at` on, within the state. */
void covey_trainer_save_part(const struct covey_trainer *t, size_t at, struct covey_buf out);
/* The first part has the head; it is all of the state once each part of it was loaded. RANGE: of
 * another trainer, or outside; nothing changed. */
covey_err covey_trainer_load_part(struct covey_trainer *t, size_t at,
                                  struct covey_bytes in) COVEY_CHECK;

#endif /* COVEY_TRAINER_H */
