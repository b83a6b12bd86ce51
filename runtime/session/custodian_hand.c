/* SPDX-License-Identifier: MIT
 *
 * custodian_hand.c - what people ask for: to stop a session, to go on with it, to forget it.
 *
 * To go on is to stand for its owner: the machine asks the others who keep it, and the session that
 * goes on is the same one. Only where they cannot be asked may what is here go on without them, as
 * a session of its own, so that whoever comes back cannot take one for the other.
 */
#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "custodian_state.h"

enum { HEX_MIN = 8, WHY_MAX = 256 };

static struct covey_fence fence_of(const struct covey__custodian_entry *e)
{
    return (struct covey_fence){.session = e->row.id, .epoch = e->row.epoch};
}

static void feed(struct covey_custodian *c, const struct covey__custodian_entry *e,
                 enum covey_event_type type, covey_err err)
{
    struct covey_event event = {.type = type, .fence = fence_of(e), .err = err};
    c->config.services->feed(c->config.services->user, &event);
}

/* ---- which session, and who else is there ---- */

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

static bool is_up(const struct covey_custodian *c, const struct covey_node_id *id)
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

/* Of those who keep it; this device may be one of them. */
static size_t up_count(const struct covey_custodian *c, const struct covey__custodian_entry *e,
                       bool *out_member)
{
    size_t up = 0;
    *out_member = false;
    for (size_t i = 0; i < e->set.count; i++) {
        bool self = covey_node_id_equal(&e->set.id[i], &c->config.self);
        *out_member = *out_member || self;
        up += self || is_up(c, &e->set.id[i]);
    }
    return up;
}

bool covey__custodian_majority(const struct covey_custodian *c,
                               const struct covey__custodian_entry *e)
{
    bool member = false;
    size_t up = up_count(c, e, &member);
    return e->set.count == 0 ? is_up(c, &e->row.owner) : up > e->set.count / 2U;
}

/* ---- going on ---- */

void covey__custodian_resumed(struct covey_custodian *c, struct covey__custodian_entry *e,
                              covey_err err, const char *why)
{
    struct covey_custodian_resumed told = e->resumed;
    if (e->resumed_ms == 0) {
        return;
    }
    e->resumed_ms = 0;
    told.err = err;
    told.why = why;
    told.name = e->row.name;
    c->config.resumed(c->config.user, &told);
}

/* It must be said what would do. */
static void say_too_few(const struct covey_custodian *c, const struct covey__custodian_entry *e,
                        char out_why[static WHY_MAX])
{
    bool member = false;
    size_t up = up_count(c, e, &member);
    snprintf(
        out_why, WHY_MAX,
        "of the %u devices that keep %s %zu can be reached, and it takes %u of them: bring them "
        "back, or let --fork begin a session of its own from step %llu",
        e->set.count, e->row.name, up, e->set.count / 2U + 1, (unsigned long long)e->newest.step);
}

static covey_err may_stand(const struct covey_custodian *c, const struct covey__custodian_entry *e,
                           char out_why[static WHY_MAX])
{
    bool member = false, none = covey__custodian_none(&e->newest);
    size_t up = up_count(c, e, &member);
    if (e->row.state == COVEY_JOURNAL_OVER) {
        snprintf(out_why, WHY_MAX, "%s has ended%s", e->row.name,
                 none ? ", and no checkpoint of it is here"
                      : ": --fork begins a session of its own from its last checkpoint here");
        return COVEY_ERR_STATE;
    }
    if (e->row.state == COVEY_JOURNAL_KEPT && is_up(c, &e->row.owner)) {
        snprintf(out_why, WHY_MAX,
                 "%s is not over: the devices that keep it and are up go on with it by themselves",
                 e->row.name);
        return COVEY_ERR_DENIED;
    }
    if (e->live && member && up <= e->set.count / 2U) {
        say_too_few(c, e, out_why);
        return COVEY_ERR_STATE;
    }
    if (!e->live || !member) {
        snprintf(out_why, WHY_MAX,
                 "this device is none of the %u that keep %s: --resume it at one of them%s",
                 e->set.count, e->row.name,
                 none ? ""
                      : ", or, when they are gone, let --fork begin a session of its own here");
        return COVEY_ERR_STATE;
    }
    return COVEY_OK;
}

/* What others can go on with is not to be trained twice. */
static covey_err may_fork(const struct covey_custodian *c, const struct covey__custodian_entry *e,
                          char out_why[static WHY_MAX])
{
    bool kept = e->row.state == COVEY_JOURNAL_KEPT || e->row.state == COVEY_JOURNAL_OWNED;
    if (kept && (is_up(c, &e->row.owner) || covey__custodian_majority(c, e))) {
        snprintf(out_why, WHY_MAX,
                 "%s is not over: the devices that keep it and are up go on with it by themselves",
                 e->row.name);
        return COVEY_ERR_DENIED;
    }
    if (e->row.state == COVEY_JOURNAL_STOPPED && covey__custodian_majority(c, e)) {
        snprintf(out_why, WHY_MAX,
                 "most of the devices that keep %s are up: --resume it at one of them, without "
                 "--fork",
                 e->row.name);
        return COVEY_ERR_DENIED;
    }
    return COVEY_OK;
}

covey_err covey__custodian_resume(struct covey_custodian *c, const char *which,
                                  struct covey_custodian_resumed ask, char out_why[static 256])
{
    struct covey__custodian_entry *e = pick(c, which);
    covey_err err = COVEY_OK;
    out_why[0] = 0;
    if (e == NULL) {
        snprintf(out_why, WHY_MAX, "this device knows no training session %.80s", which);
        return COVEY_ERR_NOT_FOUND;
    }
    if (e->stopping || e->resumed_ms != 0) {
        snprintf(out_why, WHY_MAX, "%s is being %s", e->row.name,
                 e->stopping ? "stopped: a moment" : "resumed already");
        return COVEY_ERR_BUSY;
    }
    if (e->runs || (e->owns && ask.fork)) {
        snprintf(out_why, WHY_MAX, "%s is owned by this device already", e->row.name);
        return COVEY_ERR_EXISTS;
    }
    if (!e->owns) {
        err = ask.fork ? may_fork(c, e, out_why) : may_stand(c, e, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    e->resumed = ask;
    e->resumed_ms = covey_loop_now_ms(c->config.services->loop) + COVEY__CUSTODIAN_RESUME_MS;
    if (ask.fork) {
        struct covey__chore chore = {.kind = COVEY__CHORE_FIND, .fence = fence_of(e)};
        covey__custodian_chore(c, &chore);
    } else if (!e->owns) { /* else what it needs is being brought here */
        feed(c, e, COVEY_EVENT_CUSTODY_RESUME, COVEY_OK);
    }
    return COVEY_OK;
}

void covey__custodian_refused(struct covey_custodian *c, const struct covey_action *action)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &action->fence.session);
    char why[WHY_MAX];
    if (e == NULL || e->resumed_ms == 0) {
        return;
    }
    if (action->err == COVEY_ERR_EXISTS) {
        snprintf(why, sizeof(why), "another device was faster, and goes on with %s", e->row.name);
        covey__custodian_resumed(c, e, COVEY_ERR_DENIED, why);
        return;
    }
    if (covey__custodian_majority(c, e)) {
        snprintf(why, sizeof(why),
                 "most of those who keep %s would not have this device go on with it: a newer "
                 "checkpoint is with them, --resume it there",
                 e->row.name);
    } else {
        say_too_few(c, e, why);
    }
    covey__custodian_resumed(c, e, COVEY_ERR_STATE, why);
}

void covey__custodian_hand_tick(struct covey_custodian *c, struct covey__custodian_entry *e)
{
    if (e->resumed_ms == 0 || covey_loop_now_ms(c->config.services->loop) < e->resumed_ms) {
        return;
    }
    covey__custodian_resumed(c, e, COVEY_ERR_TIMEOUT,
                             e->owns ? "it goes on here once its model and samples could be brought"
                                     : "no answer came from those who keep it");
}

/* ---- a session of its own ---- */

void covey__custodian_found(struct covey_custodian *c, const struct covey_fence *fence,
                            covey_err err, const struct covey_checkpoint_ref *ref)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &fence->session);
    if (e == NULL) {
        return;
    }
    if (err != COVEY_OK && err != COVEY_ERR_NOT_FOUND) {
        covey__custodian_resumed(c, e, err, "the journal of training sessions could not be read");
        return;
    }
    struct covey_gather_ask ask = {
        .kind = COVEY__GATHER_FORK, .fence = fence_of(e), .job = e->row.job};
    if (err == COVEY_OK) {
        ask.checkpoint = *ref;
    }
    err = covey__gather_start(c->gatherer, &ask);
    if (err != COVEY_OK) {
        covey__custodian_resumed(c, e, err, NULL);
    }
}

/* Here only: who comes back may go on with what it was. */
static void give_up(struct covey_custodian *c, struct covey__custodian_entry *e)
{
    struct covey__chore chore = {.kind = COVEY__CHORE_ERASE, .fence = fence_of(e)};
    covey__custodian_chore(c, &chore);
    covey__gather_unpin(c->config.services, &e->pins);
    e->row.state = COVEY_JOURNAL_OVER;
    e->newest = (struct covey_checkpoint_ref){.epoch = 0};
    covey__custodian_note(c, e);
    if (e->live) {
        feed(c, e, COVEY_EVENT_CUSTODY_CLOSE, COVEY_ERR_CANCELLED);
    }
}

static void fork_it(struct covey_custodian *c, struct covey__custodian_entry *e,
                    const struct covey_gathered *g)
{
    struct covey_fence fence = {.epoch = 1};
    struct covey_checkpoint_ref from = g->ask->checkpoint;
    const bool none = covey__custodian_none(&from);
    covey_random(fence.session.bytes, sizeof(fence.session.bytes));
    from.epoch = none ? 0 : 1;
    const struct covey_training_start start = {
        .fence = fence, .digest = e->row.job, .job = g->job, .newest = none ? NULL : &from};
    covey_err err = c->config.lead(c->config.user, &start);
    covey__custodian_resumed(
        c, e, err, err == COVEY_ERR_EXISTS ? "a training session of this name runs here" : NULL);
    if (err == COVEY_OK && e->row.state != COVEY_JOURNAL_OVER) {
        give_up(c, e);
    }
}

void covey__custodian_forked(struct covey_custodian *c, const struct covey_gathered *g)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &g->ask->fence.session);
    if (e != NULL && g->err != COVEY_OK) {
        covey__custodian_resumed(c, e, g->err, g->why);
    } else if (e != NULL && !e->owns) {
        fork_it(c, e, g);
    }
}

/* ---- stopping and forgetting ---- */

void covey__custodian_stopped(struct covey_custodian *c, const struct covey_fence *fence)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &fence->session);
    if (e == NULL || !e->stopping || e->row.epoch != fence->epoch) {
        return; /* another device owns it by now */
    }
    e->owns = e->stopping = false;
    e->lease_ms = 0;
    feed(c, e, COVEY_EVENT_CUSTODY_STOP, COVEY_OK);
}

/* What has ended has only its last checkpoint still, for a fork. */
static covey_err forget_ended(struct covey_custodian *c, struct covey__custodian_entry *e,
                              char out_why[static WHY_MAX])
{
    struct covey__chore chore = {.kind = COVEY__CHORE_ERASE, .fence = fence_of(e)};
    if (covey__custodian_none(&e->newest)) {
        snprintf(out_why, WHY_MAX, "%s has ended, and nothing is left of it here", e->row.name);
        return COVEY_ERR_NOT_FOUND;
    }
    covey__custodian_chore(c, &chore);
    e->newest = (struct covey_checkpoint_ref){.epoch = 0};
    return COVEY_OK;
}

/* What is listed here is not to be denied: it must be said why it stays. */
static covey_err may_forget(const struct covey__custodian_entry *e, char out_why[static WHY_MAX])
{
    if (e->row.state == COVEY_JOURNAL_KEPT) {
        snprintf(out_why, WHY_MAX,
                 "another device owns %s: 'covey session show' says which, stop it there",
                 e->row.name);
        return COVEY_ERR_DENIED;
    }
    if (e->row.state != COVEY_JOURNAL_STOPPED || e->stopping) {
        snprintf(out_why, WHY_MAX, "%s %s", e->row.name,
                 e->stopping ? "is being stopped: a moment"
                             : "does not run yet: stop it once it does");
        return COVEY_ERR_BUSY;
    }
    return COVEY_OK;
}

covey_err covey__custodian_forget(struct covey_custodian *c, const char *which,
                                  char out_why[static 256])
{
    struct covey__custodian_entry *e = pick(c, which);
    out_why[0] = 0;
    if (e == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    if (e->row.state == COVEY_JOURNAL_OVER) {
        return forget_ended(c, e, out_why);
    }
    covey_err err = may_forget(e, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    if (e->live) {
        feed(c, e, COVEY_EVENT_CUSTODY_CLOSE, COVEY_OK);
    } else {
        give_up(c, e);
    }
    return COVEY_OK;
}
