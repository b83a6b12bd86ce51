/* SPDX-License-Identifier: MIT
 *
 * training_state.h - one training session, shared by training.c (the loop's side) and
 * training_thread.c (its own thread).
 */
#ifndef COVEY_SESSION_TRAINING_STATE_H
#define COVEY_SESSION_TRAINING_STATE_H

#include <pthread.h>

#include "checkpoint_parts.h"
#include "covey/samples.h"
#include "training.h"
#include "training_checkpoint.h"
#include "training_trial.h"

enum covey__training_ask {
    COVEY__TRAINING_GO,
    COVEY__TRAINING_STOP, /* with a checkpoint */
    COVEY__TRAINING_DROP, /* at once, with none: another device owns it */
};

/* How its steps are made; chosen on the loop once the thread has opened everything. */
struct covey__training_way {
    bool chosen;
    struct covey_rounds *rounds; /* NULL: all of it here */
    bool data;                   /* gradients of parts; else products */
    uint32_t parts;              /* data */
    uint32_t team;               /* workers that there should be */
    uint32_t able;               /* of whom: more, where no more than some are wanted */
    uint64_t await_ns;           /* so long they are waited for, before the first step */
    bool tries;                  /* each way is tried, and the faster one taken */
    covey_err err;               /* it cannot be; progress.why says why */
};

struct covey_training {
    struct covey_trainings *all;
    struct covey_training *link;
    struct covey_services *services;
    struct covey_fence fence;
    struct covey_digest job_digest;
    struct covey_training_job job;
    /* Where it began; made before the thread is. */
    bool resumed, needs_lease;
    struct covey_checkpoint_ref newest;
    pthread_t thread;
    /* Of the loop alone. */
    uint64_t round_bytes; /* of the node's account, as long as there are rounds */
    bool joined;
    bool leaving;   /* this process ends: the session does not */
    bool announced; /* to the keeper */
    bool warned;    /* that its checkpoints are not kept */
    uint64_t ended_ms;
    struct covey_rounds_report report; /* of rounds that are over */

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    /* Under the mutex. */
    bool posted;
    enum covey__training_ask ask;
    bool opened, ended, has_made, has_result;
    bool scarce, roomed;           /* it waits for others to make room for it; they did */
    struct covey__training_way way;
    uint64_t lease_ms;
    /* Fixed once opened: a step's products, and what a model's parameters and statistics take. */
    struct covey_train_product *products;
    size_t product_count, values_floats, statistics_floats; /* values: these and parameters */
    double products_flops;
    struct covey_training_progress progress;
    struct covey_training_record record;
    struct covey_checkpoint_ref made; /* since the loop last looked */
    uint64_t settled_step;            /* of the last one that the keeper is done with */
    struct covey_digest result;
    covey_err err;
    covey_err ended_err; /* why it is not known any more after a restart */

    /* Of the thread alone. */
    uint64_t counted_bytes; /* of the node's account: all but what rounds take */
    struct covey_manifest *manifest;
    struct covey_graph *graph; /* the manifest's */
    struct covey_samples data, test;
    struct covey_batches batches;
    struct covey_trainer *trainer;
    struct covey_checkpoint_parts kept[2]; /* newest first; pinned */
    struct covey_checkpoint_parts model;   /* the trained one; pinned */
    uint64_t saved_step, saved_bytes;      /* of the last one made */
    uint64_t save_ns;                      /* what making it took */
    bool travelling;                       /* not kept yet, when it was last looked at */
    uint64_t travel;                       /* steps made while one travels, lately at most */
    uint64_t unkept_ns; /* since then steps wait for a checkpoint to be kept; 0: they do not */
    bool unkeepable;    /* none came to be kept for long: steps wait no more */
    uint64_t posted_ns, saved_ns, speed_ns;
    uint64_t speed_steps;
    uint64_t step_ns; /* what one takes, lately at most */
    struct covey__trial trial;
    uint32_t trial_workers;   /* when it was settled */
    float *values, *gradient; /* of rounds of gradients: parameters, then statistics */
};

/* training_thread.c */
void *covey__training_thread(void *user);

/* Any thread, under the mutex: the loop will look at it. */
void covey__training_post(struct covey_training *t);
/* A line about it in progress.why. Under the mutex. */
void covey__training_why(struct covey_training *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* COVEY_SESSION_TRAINING_STATE_H */
