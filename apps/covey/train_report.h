/* SPDX-License-Identifier: MIT
 *
 * train_report.h - what a training says: lines while it runs, a bar on a terminal, and its report.
 */
#ifndef COVEY_CLI_TRAIN_REPORT_H
#define COVEY_CLI_TRAIN_REPORT_H

#include "train_session.h"

/* Zeroed to begin with. */
struct covey__train_ticker {
    uint64_t last_ns;
    uint32_t epoch; /* over the mesh: epochs told of */
    bool said_way;
};

/* What is trained on what; the first line, there before the first step. */
void covey__train_say_start(const struct covey__train *t);
/* After a step: the bar, or a line from time to time. */
void covey__train_say_step(const struct covey__train *t, struct covey__train_ticker *ticker);
/* The epoch that just ended. */
void covey__train_say_epoch(const struct covey__train *t);
void covey__train_clear_bar(void);

/* On standard output, and as a file if the options say so. */
enum covey_exit covey__train_report(const struct covey__train *t);

/* Shares of 1; -1: there was no test. */
double covey__train_accuracy(const struct covey__train *t, const struct covey_training_epoch *e);
double covey__train_test_accuracy(const struct covey__train *t,
                                  const struct covey_training_epoch *e);

#endif /* COVEY_CLI_TRAIN_REPORT_H */
