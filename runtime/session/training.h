/* SPDX-License-Identifier: MIT
 *
 * training.h - training sessions of which this device is the owner. Each has a thread of its own
 * that runs the steps; what it says reaches the loop by messages. Calls are on the loop.
 */
#ifndef COVEY_SESSION_TRAINING_H
#define COVEY_SESSION_TRAINING_H

#include "rounds.h"
#include "services.h"
#include "training_job.h"

struct covey_trainings;

enum covey_training_state {
    COVEY_TRAINING_OPENING, /* reads its model and data */
    COVEY_TRAINING_RUNNING,
    COVEY_TRAINING_PAUSED, /* no lease: waits for its custodians */
    COVEY_TRAINING_DONE,
    COVEY_TRAINING_FAILED,
    COVEY_TRAINING_STOPPED, /* asked to, or another device owns it now */
};

/* What is seen of it: progress lines, `covey session show`. */
struct covey_training_progress {
    enum covey_training_state state;
    uint32_t epoch, step, epochs, steps; /* step of steps of this epoch */
    uint64_t total_steps;                /* done in all, by all owners */
    double loss;                         /* mean of this epoch so far */
    double accuracy;                     /* of this epoch's training samples so far, 0..1 */
    double test_accuracy;                /* of the last epoch that was over; negative: none */
    double steps_s;                      /* lately */
    uint64_t checkpoint_step;            /* newest that a majority keeps (or this device, alone) */
    uint8_t custodians, custodians_wanted; /* that hold everything */
    struct covey_rounds_report rounds;
    bool moved;    /* STOPPED because another device owns it now */
    bool unkept;   /* its checkpoints cannot be kept (why says so): lost with its owner */
    char why[200]; /* FAILED, PAUSED, mode that was chosen */
};

/* Options for the owner's side of custody; NULL: no custodian is ever asked (and the session shows
 * `not recoverable`). Implemented by custodian.c. */
struct covey_training_keeper {
    void *user;
    /* A checkpoint is on this disk (a blob of the store). */
    void (*checkpoint)(void *user, const struct covey_fence *fence,
                       const struct covey_checkpoint_ref *ref);
    void (*opened)(void *user, const struct covey_fence *fence, const struct covey_digest *job,
                   const struct covey_checkpoint_ref *newest); /* newest NULL: none yet */
    /* Done, or never begun: nobody needs to keep it any more. */
    void (*closed)(void *user, const struct covey_fence *fence);
    /* Ended by hand or by a failure, after its last checkpoint: kept until it goes on by hand. */
    void (*stopped)(void *user, const struct covey_fence *fence);
};

struct covey_training_config {
    struct covey_services *services;
    const struct covey_training_keeper *keeper; /* or NULL; borrowed for life */
    /* A session lacks memory to open: false, nobody can do with less. NULL: nobody is asked. */
    bool (*make_room)(void *user);
    /* Something of this session changed; name as in its job. At most some times a second. */
    void (*changed)(void *user, const char *name);
    void *user;
};

covey_err covey__trainings_new(const struct covey_training_config *config,
                               struct covey_trainings **out) COVEY_CHECK;
/* Stops all threads: each ends its step (a round at once) and writes a checkpoint. Before the
 * pools stop. */
void covey__trainings_free(struct covey_trainings *t);

/* Borrowed for the call. The job's blob, its model and its data are in the store. */
struct covey_training_start {
    struct covey_fence fence;   /* epoch 1: a new session; else one that was owned before */
    struct covey_digest digest; /* of the job */
    const struct covey_training_job *job;
    const struct covey_checkpoint_ref *newest; /* NULL: from the beginning */
};
/* It is found by its name from now on. EXISTS: it runs here, or it is new and one of this name
 * does; BUSY. Without a lease it waits (PAUSED) if a keeper is there. */
covey_err covey__trainings_start(struct covey_trainings *t,
                                 const struct covey_training_start *start) COVEY_CHECK;
/* Until then (of the loop's clock) it may act as the owner; 0: not. The thread makes no step that
 * it could not end in time and puts nothing out after it. */
void covey__trainings_lease(struct covey_trainings *t, const struct covey_fence *fence,
                            uint64_t until_ms);
/* How many custodians hold everything. */
void covey__trainings_custodians(struct covey_trainings *t, const struct covey_fence *fence,
                                 uint8_t held, uint8_t wanted);
/* A checkpoint is kept by a majority. */
void covey__trainings_kept(struct covey_trainings *t, const struct covey_fence *fence,
                           uint64_t step);
/* Nobody needs the checkpoint of this step any more for the next one to be made. */
void covey__trainings_settled(struct covey_trainings *all, const struct covey_fence *fence,
                              uint64_t step);
/* Writes a checkpoint and ends; of one that has ended: forgets it. NOT_FOUND. */
covey_err covey__trainings_stop(struct covey_trainings *t, const char *name) COVEY_CHECK;
/* Another device owns it now: it ends at once, and writes nothing. */
void covey__trainings_drop(struct covey_trainings *t, const struct covey_fence *fence);
/* This process will end: each writes a checkpoint and ends, but the keeper is not told that the
 * session has ended. */
void covey__trainings_leave(struct covey_trainings *t);
/* TRAIN_WORKER, ROUND_*; false: of no session of these (a product's bench). */
bool covey__trainings_action(struct covey_trainings *t, const struct covey_action *action);

size_t covey__trainings_count(const struct covey_trainings *t);
const struct covey_training_job *covey__trainings_get(const struct covey_trainings *t, size_t index,
                                                      struct covey_training_progress *out);
/* The newest session of this name. */
bool covey__trainings_find(const struct covey_trainings *t, const char *name, size_t *out_index);
/* Its past (training_checkpoint.h): heap, the caller's. NOT_FOUND; STATE: not opened yet. */
covey_err covey__trainings_record(const struct covey_trainings *t, const char *name,
                                  struct covey_buf *out) COVEY_CHECK;
/* It was trained to its end here, and that was not forgotten. */
bool covey__trainings_done(const struct covey_trainings *t, const struct covey_session_id *session);
/* The trained model: manifest id, in this device's store. STATE: not done yet. */
covey_err covey__trainings_result(const struct covey_trainings *t, const char *name,
                                  struct covey_digest *out_manifest) COVEY_CHECK;

#endif /* COVEY_SESSION_TRAINING_H */
