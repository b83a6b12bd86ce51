/* SPDX-License-Identifier: MIT
 *
 * rounds.h - the owner's coded products and gradients over the mesh: encodes, hands tasks to the
 * pool machine of runtime/core, checks and decodes what comes back.
 *
 * All mathematics happens on the session's own thread (covey__rounds_products(), _gradient()),
 * which blocks until a round is complete; the loop only passes bodies on. Buffers are made once and
 * kept.
 */
#ifndef COVEY_SESSION_ROUNDS_H
#define COVEY_SESSION_ROUNDS_H

#include "covey/trainer.h"
#include "services.h"
#include "training_job.h"

struct covey_rounds;

enum { COVEY_ROUNDS_WHY_MAX = 200 };

struct covey_rounds_config {
    struct covey_services *services;
    struct covey_fence fence;
    struct covey_strategy strategy;
    enum covey_training_mode mode; /* PRODUCTS or DATA */
    struct covey_bytes enlist;     /* spec of ENLIST */
    uint64_t seed;                 /* LT's sums */
};

/* Counters since the start; times are of the calling thread's processor. */
struct covey_rounds_report {
    uint64_t rounds, tasks, answers, late; /* late: came after their round was complete */
    uint64_t reissued, refused, rough;     /* rough: rounds that waited for one more answer */
    uint64_t spread, here;                 /* products: in rounds; left to this device */
    uint64_t encode_ns, decode_ns, check_ns;
    uint64_t wall_ns;  /* in rounds */
    uint32_t workers;  /* that pull now */
    uint32_t lost;     /* workers that went */
    uint32_t declined; /* that were to work, and never did */
    uint8_t liars;
    struct covey_node_id liar[8];
};

/* On the loop. Feeds TRAIN_OPEN. */
covey_err covey__rounds_new(const struct covey_rounds_config *config,
                            struct covey_rounds **out) COVEY_CHECK;
/* On the loop, once no thread is inside any more. Feeds TRAIN_CLOSE. */
void covey__rounds_free(struct covey_rounds *r);
/* On the loop: whoever is inside comes back with CLOSED, now and ever after. */
void covey__rounds_stop(struct covey_rounds *r);
/* On the loop: TRAIN_WORKER, ROUND_HUNGRY, ROUND_RESULT of its fence. */
void covey__rounds_action(struct covey_rounds *r, const struct covey_action *action);
void covey__rounds_report(const struct covey_rounds *r, struct covey_rounds_report *out);
/* For people: how many products were spread, by which code, and why the others were not. */
void covey__rounds_why(const struct covey_rounds *r, char out[static COVEY_ROUNDS_WHY_MAX]);

/* ---- on the session's thread ---- */

/* A trainer's hook (user: the rounds): computes calls over the mesh, beside one another; leaves
 * alone, not done, those for which the cost model says that they are faster here. With no worker
 * nothing is done. CLOSED: stopped. */
covey_err covey__rounds_products(void *user, struct covey_product_call *calls, unsigned count);
/* One step's gradient over the mesh: parts of the batch, coded with s spare. input [batch values],
 * labels [batch]. gradient [parameters] is of the mean loss over the batch. UNSUPPORTED: there are
 * no workers. */
struct covey_gradient_round {
    uint64_t step;
    const float *values; /* parameters, then statistics */
    size_t parameters, statistics;
    const float *input;
    const uint32_t *labels;
    uint32_t batch, parts;
    size_t input_floats; /* of one sample */
    float *gradient;     /* [parameters + statistics] */
    struct covey_train_result result;
};
covey_err covey__rounds_gradient(struct covey_rounds *r,
                                 struct covey_gradient_round *inout) COVEY_CHECK;
/* What it takes at most, with values and gradient, by the sizes that io says: bytes. */
uint64_t covey__rounds_gradient_bytes(const struct covey_strategy *strategy,
                                      const struct covey_gradient_round *io);
/* The same where there are none: bit for bit what they would give. UNSUPPORTED: what a cyclic code
 * gives depends on who answers. */
covey_err covey__rounds_gradient_here(struct covey_rounds *r,
                                      struct covey_gradient_round *inout) COVEY_CHECK;

#endif /* COVEY_SESSION_ROUNDS_H */
