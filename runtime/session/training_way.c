/* SPDX-License-Identifier: MIT */
#include "training_way.h"

/* ---- on the loop ---- */

void covey__training_choose(struct covey_training *t)
{
    struct covey__training_way way = {.chosen = true};
    pthread_mutex_lock(&t->mutex);
    covey__training_why(t, "all of it on this device");
    t->way = way;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->mutex);
}

void covey__training_way_stop(struct covey_training *t)
{
    (void)t;
}

void covey__training_way_close(struct covey_training *t)
{
    t->report.workers = 0;
}

bool covey__training_way_action(struct covey_training *t, const struct covey_action *action)
{
    (void)action;
    return t->way.rounds != NULL;
}

void covey__training_way_report(const struct covey_training *t, struct covey_rounds_report *out)
{
    *out = t->report;
}

/* ---- on its thread ---- */

covey_err covey__training_way_step(struct covey_training *t, struct covey_train_result *out)
{
    return covey_trainer_step(t->trainer, t->batches.input, t->batches.labels, out);
}
