/* SPDX-License-Identifier: MIT
 *
 * train_stop.h - Ctrl-C and SIGTERM while `covey train` runs: the first only says that training is
 * to stop, the second ends the process at once.
 */
#ifndef COVEY_TRAIN_STOP_H
#define COVEY_TRAIN_STOP_H

#include <signal.h>

struct covey__train_stop {
    struct sigaction before[2];
};

/* `flags`: what sigaction() has them be beside SA_RESETHAND. */
void covey__train_stop_catch(struct covey__train_stop *stop, int flags);
void covey__train_stop_leave(const struct covey__train_stop *stop);
/* The signal that came since they were caught; 0: none. */
int covey__train_stop_signal(void);

#endif /* COVEY_TRAIN_STOP_H */
