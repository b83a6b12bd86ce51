/* SPDX-License-Identifier: MIT
 *
 * train_plot.h - a picture of the losses beside a report, by gnuplot where it is installed.
 */
#ifndef COVEY_CLI_TRAIN_PLOT_H
#define COVEY_CLI_TRAIN_PLOT_H

#include "train_session.h"

enum { COVEY__TRAIN_PLOT_MAX = COVEY__TRAIN_TEXT_MAX + 8 };

/* The report's path with another ending: where the picture goes. */
void covey__train_plot_path(const char *report, char out[static COVEY__TRAIN_PLOT_MAX]);
/* Whether it was drawn. */
bool covey__train_plot(const struct covey__train *t, const char *path);

#endif /* COVEY_CLI_TRAIN_PLOT_H */
