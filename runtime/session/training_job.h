/* SPDX-License-Identifier: MIT
 *
 * training_job.h - what a training session does, as a blob: from the person's command to the owner,
 * and from it to the session's custodians.
 */
#ifndef COVEY_SESSION_TRAINING_JOB_H
#define COVEY_SESSION_TRAINING_JOB_H

#include "covey/augment.h"
#include "covey/code.h"
#include "covey/ids.h"
#include "covey/limits.h"
#include "covey/trainer.h"

enum covey_training_mode {
    COVEY_TRAINING_AUTO, /* whichever the cost model says: local, products, data */
    COVEY_TRAINING_PRODUCTS,
    COVEY_TRAINING_DATA,
};

/* How rounds are coded. */
struct covey_strategy {
    enum covey_code_kind kind; /* PRIVATE, PRIVATE_INPUTS: masks is T */
    uint32_t blocks, tasks;    /* n, m; 0: by the number of workers (n = half of m, m = workers).
                                  DATA: blocks is the parts of a batch; 0: as many as pay */
    uint32_t masks;
    uint32_t spare;  /* DATA: s, answers that may be missing */
    bool all;        /* every product that can be is spread, whatever the cost model says */
    bool check_all;  /* Freivalds on every device's answers, not only of those of trust none */
    bool any_trust;  /* devices of trust none may work (they see what docs/training.md says) */
    bool own_work;   /* the owner computes tasks too */
    uint8_t devices; /* workers at most; 0: all */
};

struct covey_training_job {
    char name[COVEY_NAME_MAX + 1];       /* of the session, for people */
    char model_name[COVEY_NAME_MAX + 1]; /* of the model that comes out */
    struct covey_digest model;           /* manifest of the graph as it is trained, not optimised */
    struct covey_digest data, test;      /* of data sets (data_blob.h); test zero: none */
    struct covey_train_options train;
    uint32_t epochs;
    uint32_t every; /* steps between checkpoints */
    struct covey_augment augment;
    enum covey_training_mode mode;
    struct covey_strategy strategy;
};

/* Deterministic CBOR; schema: docs/messages.cddl. */
covey_err covey__training_job_encode(const struct covey_training_job *job, struct covey_buf out,
                                     size_t *out_len) COVEY_CHECK;
/* From outside: everything is bounded; RANGE, MALFORMED. */
covey_err covey__training_job_decode(struct covey_bytes in,
                                     struct covey_training_job *out) COVEY_CHECK;

enum { COVEY_TRAINING_JOB_MAX = 1024 }; /* bytes */

#endif /* COVEY_SESSION_TRAINING_JOB_H */
