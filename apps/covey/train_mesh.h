/* SPDX-License-Identifier: MIT
 *
 * train_mesh.h - training that a node does with its mesh: it is given model, samples and job, is
 * watched, and gives the trained model back.
 */
#ifndef COVEY_CLI_TRAIN_MESH_H
#define COVEY_CLI_TRAIN_MESH_H

#include "control.h"
#include "train_session.h"
#include "training_checkpoint.h"
#include "training_progress.h"

/* What `covey train` knows of a session at a node. Zeroed, then open(). */
struct covey__train_mesh {
    struct covey__control control;
    char name[COVEY_NAME_MAX + 1];
    struct covey_training_job job;
    struct covey_training_progress progress; /* the last that was heard */
    struct covey_training_record record;     /* once it has ended */
    struct covey_digest result;              /* the trained model's manifest */
    uint64_t blobs, blobs_sent, bytes_sent;
};

/* train_give.c: the job with model and samples. */
enum covey_exit covey__train_give(struct covey__train *t, struct covey__train_mesh *m);

/* train_watch.c: until it has ended, Ctrl-C asking it to. The record is fetched. */
enum covey_exit covey__train_watch(const struct covey__train *t, struct covey__train_mesh *m);

/* train_fetch.c: a graph of the node's, as ONNX; heap, the caller's. On failure c->why says why. */
covey_err covey__train_fetch(struct covey__control *c, const struct covey_digest *manifest,
                             uint8_t **out, size_t *out_len) COVEY_CHECK;
/* What a session says of its past. Freed with covey__training_record_done(). */
covey_err covey__train_fetch_record(struct covey__control *c, const char *name,
                                    struct covey_training_record *out) COVEY_CHECK;

#endif /* COVEY_CLI_TRAIN_MESH_H */
