/* SPDX-License-Identifier: MIT
 *
 * custodian_keeper.c - for the trainings of this device.
 */
#include "custodian_state.h"

static void keeper_opened(void *user, const struct covey_fence *fence,
                          const struct covey_digest *job, const struct covey_checkpoint_ref *newest)
{
    struct covey_custodian *c = user;
    struct covey__custodian_entry *e = covey__custodian_entry(c, &fence->session);
    if (e == NULL) {
        return; /* without a lease it waits, and says so */
    }
    if (e->owns && e->row.epoch == fence->epoch) {
        return; /* it was led here: the machine knows */
    }
    e->row.state = COVEY_JOURNAL_OWNED;
    e->row.epoch = fence->epoch;
    e->row.owner = c->config.self;
    e->row.job = *job;
    e->owns = e->runs = true;
    covey__custodian_note(c, e);
    struct covey_gather_ask ask = {
        .kind = COVEY__GATHER_PIN, .fence = *fence, .job = *job, .here = true};
    covey_err ignored = covey__gather_start(c->gatherer, &ask); /* it is here in any case */
    (void)ignored;
    struct covey_event event = {.type = COVEY_EVENT_CUSTODY_OPEN, .fence = *fence, .digest = *job};
    if (newest != NULL) {
        struct covey__chore chore = {.kind = COVEY__CHORE_WRITE, .fence = *fence, .ref = *newest};
        covey__custodian_chore(c, &chore);
        event.checkpoint = *newest;
    }
    c->config.services->feed(c->config.services->user, &event);
}

static void keeper_checkpoint(void *user, const struct covey_fence *fence,
                              const struct covey_checkpoint_ref *ref)
{
    struct covey__chore chore = {.kind = COVEY__CHORE_WRITE,
                                 .fence = *fence,
                                 .ref = *ref,
                                 .event = COVEY_EVENT_CUSTODY_CHECKPOINT};
    struct covey__custodian_entry *e = covey__custodian_find(user, &fence->session);
    if (e != NULL) {
        e->made_step = ref->step;
    }
    covey__custodian_chore(user, &chore);
}

static void keeper_closed(void *user, const struct covey_fence *fence)
{
    struct covey_custodian *c = user;
    struct covey__custodian_entry *e = covey__custodian_find(c, &fence->session);
    struct covey_event event = {.type = COVEY_EVENT_CUSTODY_CLOSE, .fence = *fence};
    if (e == NULL || !e->owns || e->row.epoch != fence->epoch) {
        return;
    }
    e->owns = e->runs = false;
    e->lease_ms = 0;
    e->row.state = COVEY_JOURNAL_OVER;
    covey__gather_unpin(c->config.services, &e->pins);
    covey__custodian_note(c, e);
    if (e->made_step > e->kept_step) {
        c->config.kept(c->config.user, fence, e->made_step); /* by this device, for going on */
    }
    c->config.services->feed(c->config.services->user, &event);
}

/* The machine is told behind the last checkpoint, which is being written. */
static void keeper_stopped(void *user, const struct covey_fence *fence)
{
    struct covey_custodian *c = user;
    struct covey__custodian_entry *e = covey__custodian_find(c, &fence->session);
    if (e == NULL || !e->owns || e->row.epoch != fence->epoch) {
        return;
    }
    e->runs = false;
    e->stopping = true;
    e->row.state = COVEY_JOURNAL_STOPPED;
    e->touched = ++c->touched;
    if (e->made_step > e->kept_step) {
        c->config.kept(c->config.user, fence, e->made_step); /* by this device, for going on */
    }
    struct covey__chore chore = {.kind = COVEY__CHORE_NOTE,
                                 .fence = *fence,
                                 .row = e->row,
                                 .event = COVEY_EVENT_CUSTODY_STOP};
    covey__custodian_chore(c, &chore);
}

void covey__custodian_keeper_init(struct covey_custodian *c)
{
    c->keeper = (struct covey_training_keeper){.user = c,
                                               .checkpoint = keeper_checkpoint,
                                               .opened = keeper_opened,
                                               .closed = keeper_closed,
                                               .stopped = keeper_stopped};
}

const struct covey_training_keeper *covey__custodian_keeper(struct covey_custodian *c)
{
    return &c->keeper;
}
