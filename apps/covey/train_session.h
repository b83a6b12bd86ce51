/* SPDX-License-Identifier: MIT
 *
 * train_session.h - all that one training on this device works with.
 */
#ifndef COVEY_CLI_TRAIN_SESSION_H
#define COVEY_CLI_TRAIN_SESSION_H

#include "covey/samples.h"
#include "read_dataset.h"
#include "train_checkpoint.h"
#include "train_model.h"
#include "train_options.h"

struct covey__train_mesh;

/* A zeroed one with cli and options is ready for open(); close() is safe in any state. */
struct covey__train {
    struct covey__cli *cli;
    struct covey__train_options options;
    struct covey__train_model model;
    struct covey_dataset data, test;  /* test.count 0: there is none */
    struct covey_samples train, held; /* views of them */
    struct covey_trainer *trainer;
    struct covey_batches batches;
    struct covey__train_progress progress;
    struct covey_digest data_digest, model_digest;
    uint64_t steps_here; /* by this process, with their time */
    double seconds_here;
    uint64_t steps; /* in all */
    size_t parameters, trainer_bytes, out_bytes;
    const struct covey__train_mesh *mesh; /* it was trained there; NULL: here */
    struct covey_buf resumed;             /* the checkpoint's file: options borrow from it */
    struct covey_bytes state;             /* of the trainer, within resumed */
};

/* Reads what the options name and stands ready in front of the next step. Failures are said. */
enum covey_exit covey__train_open(struct covey__train *t);
void covey__train_close(struct covey__train *t);

/* All epochs, or until a signal asks to stop: then 128 and the signal's number. */
enum covey_exit covey__train_loop(struct covey__train *t);
enum covey_exit covey__train_checkpoint_write(struct covey__train *t);
/* Writes the model. */
enum covey_exit covey__train_finish(struct covey__train *t);

/* train_mesh.c: all of `covey train` without --local. */
enum covey_exit covey__train_mesh(struct covey__train *t);

/* Says why with the exit code that goes with err. */
enum covey_exit covey__train_fail(const struct covey__train *t, covey_err err,
                                  const struct covey_nn_error *why);

#endif /* COVEY_CLI_TRAIN_SESSION_H */
