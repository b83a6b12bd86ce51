/* SPDX-License-Identifier: MIT
 *
 * train_options.h - what 'covey train' is asked for: from the command line, and in checkpoints.
 */
#ifndef COVEY_CLI_TRAIN_OPTIONS_H
#define COVEY_CLI_TRAIN_OPTIONS_H

#include "cli.h"
#include "covey/augment.h"
#include "covey/cbor.h"
#include "covey/graph.h"
#include "covey/trainer.h"
#include "covey/training_history.h"
#include "read_dataset.h"

enum {
    COVEY__TRAIN_BATCH_MAX = 65536, /* beyond it no gradient gets better */
    COVEY__TRAIN_TEXT_MAX = 4095,   /* bytes of a path */
    COVEY__TRAIN_ROWS = 44,
};

#define COVEY__TRAIN_WARMUP_AUTO UINT32_MAX /* not given */

/* Texts are borrowed from the arguments or the checkpoint; NULL: not given. */
struct covey__train_options {
    const char *model, *data, *test, *out, *checkpoint, *resume, *report;
    const char *optimizer, *schedule, *augment, *normalise;
    const char *strategy, *mode, *check, *coded, *name; /* over the mesh */
    uint32_t epochs, batch, warmup, seed, threads, every, depth, units, step_epochs;
    uint32_t blocks, tasks, masks, input_masks, spare, parts, devices; /* over the mesh */
    double lr, momentum, weight_decay, label_smoothing, step_factor, width;
    bool nesterov, local;
    bool any_trust, own_work, detach, fork; /* over the mesh */
    bool given[COVEY__TRAIN_ROWS];          /* on the command line */
};

/* Defaults, then the command line. False: said what is wrong. */
bool covey__train_options_parse(struct covey__train_options *o, struct covey__cli *cli, int *argc,
                                char **argv);
/* Fills in what depends on others; the ranges and words of all. USAGE: said. */
enum covey_exit covey__train_options_check(struct covey__train_options *o,
                                           const struct covey__cli *cli);
/* The first option given that is for training over the mesh alone; NULL: none. */
const char *covey__train_options_mesh(const struct covey__train_options *o);
/* What a checkpoint says takes the place of what was not given. USAGE: something was given that
 * changes the numbers, and differs; said. */
enum covey_exit covey__train_options_resume(struct covey__train_options *o,
                                            const struct covey__train_options *before,
                                            const struct covey__cli *cli);

/* As a map in a checkpoint; texts are borrowed from what is read. A map from outside may hold
 * values out of range: covey__train_options_check() follows. */
void covey__train_options_put(struct covey_cbor_writer *w, const struct covey__train_options *o);
void covey__train_options_get(struct covey_cbor_reader *r, struct covey__train_options *out);

/* What is left to the data, known now: epochs, changes. */
void covey__train_options_settle(struct covey__train_options *o, const struct covey_dataset *d);
/* Checked and settled options as the parts of training want them. */
void covey__train_options_trainer(const struct covey__train_options *o, uint32_t epoch_steps,
                                  struct covey_train_options *out);
bool covey__train_options_augment(const char *text, struct covey_augment *out);
bool covey__train_options_is_file(const struct covey__train_options *o); /* the model */

#endif /* COVEY_CLI_TRAIN_OPTIONS_H */
