/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "custodian_state.h"

enum { HEX_MIN = 8 };

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
    e->runs = false;
    e->lease_ms = 0;
    e->from = a->checkpoint;
    covey__custodian_note(c, e);
    covey__custodian_log(c, e, "goes on here in epoch %u after step %llu", a->fence.epoch,
                         (unsigned long long)a->checkpoint.step);
    prepare(c, e);
}

/* The trainings are told of the lease that came meanwhile. */
static void run(struct covey_custodian *c, struct covey__custodian_entry *e)
{
    const struct covey_custodian_config *config = &c->config;
    struct covey_fence fence = fence_of(e);
    covey_err err = config->lead(config->user, &fence, &e->row.job,
                                 covey__custodian_none(&e->from) ? NULL : &e->from);
    if (err != COVEY_OK) {
        covey__custodian_log(c, e, "cannot go on here yet: %s", covey_strerror(err));
        e->retry_ms = covey_loop_now_ms(config->services->loop) + COVEY__CUSTODIAN_RETRY_MS;
        return;
    }
    e->runs = true;
    if (e->lease_ms != 0) {
        config->lease(config->user, &fence, e->lease_ms);
    }
}

static void led(struct covey_custodian *c, struct covey__custodian_entry *e,
                const struct covey_gathered *g)
{
    if (e == NULL || !e->owns || e->runs || g->ask->fence.epoch != e->row.epoch) {
        return; /* another device goes on with it */
    }
    if (g->err == COVEY_OK) {
        run(c, e);
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
    }
}

/* ---- by hand ---- */

static void resumed(struct covey_custodian *c, struct covey__custodian_entry *e, covey_err err,
                    const char *why)
{
    struct covey_custodian_resumed told = e->resumed;
    e->resumed = (struct covey_custodian_resumed){.client = 0};
    told.err = err;
    told.why = why;
    told.name = e->row.name;
    c->config.resumed(c->config.user, &told);
}

void covey__custodian_found(struct covey_custodian *c, const struct covey_fence *fence,
                            covey_err err, const struct covey_checkpoint_ref *ref)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &fence->session);
    if (e == NULL) {
        return;
    }
    if (err != COVEY_OK && err != COVEY_ERR_NOT_FOUND) {
        resumed(c, e, err, "the journal of training sessions could not be read");
        return;
    }
    struct covey_gather_ask ask = {
        .kind = COVEY__GATHER_RESUME, .fence = fence_of(e), .job = e->row.job};
    if (err == COVEY_OK) {
        ask.checkpoint = *ref;
    }
    err = covey__gather_start(c->gatherer, &ask);
    if (err != COVEY_OK) {
        resumed(c, e, err, NULL);
    }
}

static void give_up(struct covey_custodian *c, struct covey__custodian_entry *e)
{
    struct covey_event event = {
        .type = COVEY_EVENT_CUSTODY_CLOSE, .fence = fence_of(e), .err = COVEY_ERR_CANCELLED};
    struct covey__chore chore = {.kind = COVEY__CHORE_ERASE, .fence = event.fence};
    covey__custodian_chore(c, &chore);
    covey__gather_unpin(c->config.services, &e->pins);
    e->row.state = COVEY_JOURNAL_OVER;
    e->newest = (struct covey_checkpoint_ref){.epoch = 0};
    covey__custodian_note(c, e);
    if (e->live) {
        c->config.services->feed(c->config.services->user, &event);
    }
}

/* What it was is forgotten here; what goes on is a session of its own, so that whoever comes back
 * cannot take one for the other. */
static void go_on(struct covey_custodian *c, struct covey__custodian_entry *e,
                  const struct covey_gathered *g)
{
    struct covey_fence fence = {.epoch = 1};
    struct covey_checkpoint_ref from = g->ask->checkpoint;
    const bool none = covey__custodian_none(&from);
    covey_random(fence.session.bytes, sizeof(fence.session.bytes));
    from.epoch = none ? 0 : 1;
    covey_err err = c->config.lead(c->config.user, &fence, &e->row.job, none ? NULL : &from);
    if (err == COVEY_OK && e->row.state != COVEY_JOURNAL_OVER) {
        give_up(c, e);
    }
    resumed(c, e, err,
            err == COVEY_ERR_EXISTS ? "a training session of this name runs here" : NULL);
}

void covey__custodian_led(struct covey_custodian *c, const struct covey_gathered *g)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &g->ask->fence.session);
    if (g->ask->kind == COVEY__GATHER_LEAD) {
        led(c, e, g);
    } else if (e != NULL && g->err != COVEY_OK) {
        resumed(c, e, g->err, g->why);
    } else if (e != NULL) {
        go_on(c, e, g);
    }
}

static bool is_named(const struct covey__custodian_entry *e, const char *which)
{
    char hex[2 * sizeof(e->row.id.bytes) + 1];
    size_t len = strlen(which);
    for (size_t i = 0; i < sizeof(e->row.id.bytes); i++) {
        snprintf(hex + 2 * i, 3, "%02x", e->row.id.bytes[i]);
    }
    return strcmp(e->row.name, which) == 0 ||
           (len >= HEX_MIN && len < sizeof(hex) && strncmp(hex, which, len) == 0);
}

/* The latest of this name. */
static struct covey__custodian_entry *pick(struct covey_custodian *c, const char *which)
{
    struct covey__custodian_entry *best = NULL;
    for (unsigned i = 0; i < COVEY__JOURNAL_SESSIONS; i++) {
        struct covey__custodian_entry *e = &c->entry[i];
        if (e->used && is_named(e, which) && (best == NULL || e->touched > best->touched)) {
            best = e;
        }
    }
    return best;
}

static bool is_up(struct covey_custodian *c, const struct covey_node_id *id)
{
    struct covey_node_id here[COVEY_MEMBERS_MAX];
    size_t count = c->config.sources(c->config.user, here, COVEY_MEMBERS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (covey_node_id_equal(&here[i], id)) {
            return true;
        }
    }
    return false;
}

/* Others who keep it may go on by themselves, if they are a majority: then nobody does by hand. */
static covey_err may_resume(struct covey_custodian *c, const struct covey__custodian_entry *e,
                            char out_why[static 256])
{
    if (e->runs || e->owns) {
        snprintf(out_why, 256, "%s is owned by this device already", e->row.name);
        return COVEY_ERR_EXISTS;
    }
    if (e->resumed.tag != 0 || e->resumed.client != 0) {
        snprintf(out_why, 256, "%s is being resumed already", e->row.name);
        return COVEY_ERR_BUSY;
    }
    size_t up = 0;
    for (size_t i = 0; i < e->set.count; i++) {
        up += covey_node_id_equal(&e->set.id[i], &c->config.self) || is_up(c, &e->set.id[i]);
    }
    if (e->row.state == COVEY_JOURNAL_OVER) {
        return COVEY_OK;
    }
    if (is_up(c, &e->row.owner) || up > e->set.count / 2u) {
        snprintf(out_why, 256,
                 "%s is not over: the devices that keep it and are up go on with it by themselves",
                 e->row.name);
        return COVEY_ERR_DENIED;
    }
    return COVEY_OK;
}

covey_err covey__custodian_resume(struct covey_custodian *c, const char *which,
                                  struct covey_custodian_resumed ask, char out_why[static 256])
{
    struct covey__custodian_entry *e = pick(c, which);
    out_why[0] = 0;
    if (e == NULL) {
        snprintf(out_why, 256, "this device knows no training session %.80s", which);
        return COVEY_ERR_NOT_FOUND;
    }
    covey_err err = may_resume(c, e, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    e->resumed = ask;
    struct covey__chore chore = {.kind = COVEY__CHORE_FIND, .fence = fence_of(e)};
    covey__custodian_chore(c, &chore);
    return COVEY_OK;
}
