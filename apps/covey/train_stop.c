/* SPDX-License-Identifier: MIT */
#include "train_stop.h"

#include <stddef.h>

/* A signal handler reaches nothing else. BLAS has threads of its own, so that blocking signals
 * here and waiting for them would not keep them from ending the process. */
static volatile sig_atomic_t came;

static const int signals[] = {SIGINT, SIGTERM};

static void on_signal(int number)
{
    came = number;
}

void covey__train_stop_catch(struct covey__train_stop *stop, int flags)
{
    struct sigaction action = {.sa_flags = flags | (int)SA_RESETHAND};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    came = 0;
    for (size_t i = 0; i < 2; i++) {
        sigaction(signals[i], &action, &stop->before[i]);
    }
}

void covey__train_stop_leave(const struct covey__train_stop *stop)
{
    for (size_t i = 0; i < 2; i++) {
        sigaction(signals[i], &stop->before[i], NULL);
    }
}

int covey__train_stop_signal(void)
{
    return came;
}
