/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "custodian_state.h"

static struct covey_fence fence_of(const struct covey__custodian_entry *e)
{
    return (struct covey_fence){.session = e->row.id, .epoch = e->row.epoch};
}

/* ---- by the machine ---- */

/* All of it is here, or is brought here from those who have it; tried until it can be had. */
static void prepare(struct covey_custodian *c, struct covey__custodian_entry *e)
{
    struct covey_gather_ask ask = {
        .kind = COVEY__GATHER_LEAD, .fence = fence_of(e), .job = e->row.job, .checkpoint = e->from};
    e->retry_ms = 0;
    if (covey__gather_start(c->gatherer, &ask) != COVEY_OK) {
        e->retry_ms = covey_loop_now_ms(c->config.services->loop) + COVEY__CUSTODIAN_RETRY_MS;
    }
}

/* What was done when the device was ended; the others who keep it hear of it as they would have. */
static void end(struct covey_custodian *c, struct covey__custodian_entry *e)
{
    struct covey_fence fence = fence_of(e);
    covey__custodian_log(c, e, "was done here already");
    c->keeper.closed(c->keeper.user, &fence);
    covey__custodian_resumed(c, e, COVEY_ERR_STATE, "it is done: its model is at this device");
}

void covey__custodian_lead(struct covey_custodian *c, const struct covey_action *a)
{
    struct covey__custodian_entry *e = covey__custodian_entry(c, &a->fence.session);
    if (e == NULL) {
        return; /* its lease ends unused, and it waits */
    }
    e->row.state = COVEY_JOURNAL_OWNED;
    e->row.epoch = a->fence.epoch;
    e->row.owner = c->config.self;
    e->row.job = a->digest;
    e->owns = true;
    e->runs = e->stopping = false;
    e->lease_ms = 0;
    e->from = a->checkpoint;
    if (c->config.done(c->config.user, &a->fence.session)) {
        end(c, e);
        return;
    }
    covey__custodian_note(c, e);
    covey__custodian_log(c, e, "goes on here in epoch %u after step %llu", a->fence.epoch,
                         (unsigned long long)a->checkpoint.step);
    prepare(c, e);
}

/* The trainings are told of the lease that came meanwhile. */
static void run(struct covey_custodian *c, struct covey__custodian_entry *e,
                const struct covey_training_job *job)
{
    const struct covey_custodian_config *config = &c->config;
    struct covey_fence fence = fence_of(e);
    const struct covey_training_start start = {
        .fence = fence,
        .digest = e->row.job,
        .job = job,
        .newest = covey__custodian_none(&e->from) ? NULL : &e->from};
    covey_err err = config->lead(config->user, &start);
    if (err != COVEY_OK) {
        covey__custodian_log(c, e, "cannot go on here yet: %s", covey_strerror(err));
        e->retry_ms = covey_loop_now_ms(config->services->loop) + COVEY__CUSTODIAN_RETRY_MS;
        return;
    }
    e->runs = true;
    if (e->lease_ms != 0) {
        config->lease(config->user, &fence, e->lease_ms);
    }
    covey__custodian_resumed(c, e, COVEY_OK, NULL);
}

void covey__custodian_led(struct covey_custodian *c, const struct covey_gathered *g)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &g->ask->fence.session);
    if (e == NULL || !e->owns || e->runs || g->ask->fence.epoch != e->row.epoch) {
        return; /* another device goes on with it */
    }
    if (g->err == COVEY_OK) {
        run(c, e, g->job);
        return;
    }
    covey__custodian_log(c, e, "cannot go on here yet: %s", g->why);
    e->retry_ms = covey_loop_now_ms(c->config.services->loop) + COVEY__CUSTODIAN_RETRY_MS;
}

void covey__custodian_tick(struct covey_custodian *c)
{
    uint64_t now = covey_loop_now_ms(c->config.services->loop);
    for (unsigned i = 0; i < COVEY__JOURNAL_SESSIONS; i++) {
        struct covey__custodian_entry *e = &c->entry[i];
        if (e->used && e->retry_ms != 0 && e->retry_ms <= now) {
            prepare(c, e);
        }
        if (e->used) {
            covey__custodian_hand_tick(c, e);
        }
    }
}
