/* SPDX-License-Identifier: MIT
 *
 * train_strategy.h - the options of 'covey train' that say how a mesh shares the work.
 */
#ifndef COVEY_CLI_TRAIN_STRATEGY_H
#define COVEY_CLI_TRAIN_STRATEGY_H

#include "train_options.h"
#include "training_job.h"

/* USAGE: said what does not go together. */
enum covey_exit covey__train_strategy(const struct covey__train_options *o,
                                      const struct covey__cli *cli,
                                      struct covey_training_job *out_job);

#endif /* COVEY_CLI_TRAIN_STRATEGY_H */
