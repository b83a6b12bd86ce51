/* SPDX-License-Identifier: MIT
 *
 * daemon_train.c - actions of training over the mesh: to its sessions here, and to what works for
 * others'.
 */
#include "daemon_state.h"

/* What the owner of a session is told of its rounds. */
static void act_round(struct covey_daemon *d, const struct covey_action *a)
{
    if (!covey__trainings_action(d->trainings, a) &&
        !covey__product_benches_action(d->benches, a) && a->type == COVEY_ACTION_ROUND_RESULT) {
        covey_body_unref(covey__handles_take(&d->services.handles, a->body)); /* it has ended */
    }
}

bool covey__daemon_train(struct covey_daemon *d, const struct covey_action *a)
{
    switch ((int)a->type) {
    case COVEY_ACTION_ENLISTED:
    case COVEY_ACTION_TASK:
    case COVEY_ACTION_ROUND_OVER:
    case COVEY_ACTION_DISMISSED:
        covey__task_work_action(d->work, a);
        return true;
    case COVEY_ACTION_TRAIN_WORKER:
    case COVEY_ACTION_ROUND_HUNGRY:
    case COVEY_ACTION_ROUND_RESULT:
        act_round(d, a);
        return true;
    case COVEY_ACTION_CUSTODY_APPOINTED:
    case COVEY_ACTION_CUSTODY_KEEP:
    case COVEY_ACTION_CUSTODY_PERSIST:
    case COVEY_ACTION_CUSTODY_LEASE:
    case COVEY_ACTION_CUSTODY_LEAD:
    case COVEY_ACTION_CUSTODY_NEWS:
    case COVEY_ACTION_CUSTODY_OVER:
    case COVEY_ACTION_CUSTODY_REFUSED:
        covey__custodian_action(d->custodian, a);
        return true;
    default:
        return false;
    }
}
