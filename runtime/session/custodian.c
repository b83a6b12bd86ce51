/* SPDX-License-Identifier: MIT */
#include "custodian_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool covey__custodian_none(const struct covey_checkpoint_ref *ref)
{
    static const struct covey_digest zero;
    return covey_digest_equal(&ref->digest, &zero);
}

void covey__custodian_log(struct covey_custodian *c, const struct covey__custodian_entry *e,
                          const char *format, ...)
{
    char text[200], line[320];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(line, sizeof(line), "training %s (%02x%02x%02x%02x): %s",
             e->row.name[0] != 0 ? e->row.name : "of another device", e->row.id.bytes[0],
             e->row.id.bytes[1], e->row.id.bytes[2], e->row.id.bytes[3], text);
    c->config.services->log(c->config.services->user, line);
}

static void feed(struct covey_custodian *c, const struct covey_event *event)
{
    c->config.services->feed(c->config.services->user, event);
}

/* ---- entries ---- */

struct covey__custodian_entry *covey__custodian_find(struct covey_custodian *c,
                                                     const struct covey_session_id *id)
{
    for (unsigned i = 0; i < COVEY__JOURNAL_SESSIONS; i++) {
        if (c->entry[i].used && covey_session_id_equal(&c->entry[i].row.id, id)) {
            return &c->entry[i];
        }
    }
    return NULL;
}

static void clear(struct covey_custodian *c, struct covey__custodian_entry *e)
{
    covey__gather_unpin(c->config.services, &e->pins);
    *e = (struct covey__custodian_entry){.used = false};
}

struct covey__custodian_entry *covey__custodian_entry(struct covey_custodian *c,
                                                      const struct covey_session_id *id)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, id), *vacant = NULL;
    if (e != NULL) {
        return e;
    }
    for (unsigned i = 0; i < COVEY__JOURNAL_SESSIONS; i++) {
        e = &c->entry[i];
        if (!e->used) {
            vacant = e;
            break;
        }
        if (e->row.state == COVEY_JOURNAL_OVER &&
            (vacant == NULL || e->touched < vacant->touched)) {
            vacant = e;
        }
    }
    if (vacant == NULL) {
        return NULL;
    }
    clear(c, vacant);
    vacant->used = true;
    vacant->row.id = *id;
    vacant->row.state = COVEY_JOURNAL_KEPT;
    return vacant;
}

void covey__custodian_note(struct covey_custodian *c, struct covey__custodian_entry *e)
{
    struct covey__chore chore = {.kind = COVEY__CHORE_NOTE, .row = e->row};
    chore.fence.session = e->row.id;
    e->touched = ++c->touched;
    covey__custodian_chore(c, &chore);
}

void covey__custodian_written(struct covey_custodian *c, const struct covey_fence *fence,
                              const struct covey_checkpoint_ref *ref)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &fence->session);
    if (e == NULL) {
        return;
    }
    bool newer =
        ref->epoch != e->newest.epoch ? ref->epoch > e->newest.epoch : ref->step > e->newest.step;
    if (covey__custodian_none(&e->newest) || newer) {
        e->newest = *ref;
        e->step = ref->step;
    }
}

/* ---- as another device's custodian ---- */

static void held(struct covey_custodian *c, const struct covey_fence *fence, covey_err err)
{
    struct covey_event event = {.type = COVEY_EVENT_CUSTODY_HELD, .fence = *fence, .err = err};
    feed(c, &event);
}

static void stored(struct covey_custodian *c, const struct covey_gather_ask *ask, covey_err err)
{
    struct covey_event event = {.type = COVEY_EVENT_CUSTODY_STORED,
                                .fence = ask->fence,
                                .checkpoint = ask->checkpoint,
                                .err = err};
    feed(c, &event);
}

static void follow(struct covey_custodian *c, struct covey__custodian_entry *e,
                   const struct covey_action *a)
{
    bool same = e->row.state == COVEY_JOURNAL_KEPT && e->row.epoch == a->fence.epoch &&
                covey_node_id_equal(&e->row.owner, &a->peer) &&
                covey_digest_equal(&e->row.job, &a->digest);
    e->row.state = COVEY_JOURNAL_KEPT;
    e->row.epoch = a->fence.epoch;
    e->row.owner = a->peer;
    e->row.job = a->digest;
    e->live = true;
    e->owns = e->runs = false;
    e->retry_ms = 0;
    if (!same) {
        covey__custodian_note(c, e);
    }
}

static void appointed(struct covey_custodian *c, const struct covey_action *a)
{
    struct covey__custodian_entry *e = covey__custodian_entry(c, &a->fence.session);
    struct covey_gather_ask ask = {.kind = COVEY__GATHER_HOLD,
                                   .fence = a->fence,
                                   .job = a->digest,
                                   .checkpoint = a->checkpoint,
                                   .peer = a->peer};
    covey_err err = e == NULL ? COVEY_ERR_LIMIT : COVEY_OK;
    if (err == COVEY_OK) {
        follow(c, e, a);
        err = covey__gather_start(c->gatherer, &ask);
    }
    if (err != COVEY_OK) {
        held(c, &a->fence, err);
    }
}

static void keep(struct covey_custodian *c, const struct covey_action *a)
{
    struct covey_gather_ask ask = {.kind = COVEY__GATHER_CHECKPOINT,
                                   .fence = a->fence,
                                   .checkpoint = a->checkpoint,
                                   .peer = a->peer};
    covey_err err = covey__gather_start(c->gatherer, &ask);
    if (err != COVEY_OK) {
        stored(c, &ask, err);
    }
}

static void write_checkpoint(struct covey_custodian *c, const struct covey_gather_ask *ask,
                             enum covey_event_type event, struct covey_gather_pins pins)
{
    struct covey__chore chore = {.kind = COVEY__CHORE_WRITE,
                                 .fence = ask->fence,
                                 .ref = ask->checkpoint,
                                 .event = event,
                                 .pins = pins};
    covey__custodian_chore(c, &chore);
}

static void hold_pins(struct covey_custodian *c, struct covey__custodian_entry *e,
                      const struct covey_gathered *g)
{
    struct covey_gather_pins pins = g->pins;
    if (e == NULL || e->row.state == COVEY_JOURNAL_OVER) {
        covey__gather_unpin(c->config.services, &pins);
        return;
    }
    covey__gather_unpin(c->config.services, &e->pins);
    e->pins = pins;
}

static void learn_name(struct covey_custodian *c, struct covey__custodian_entry *e,
                       const struct covey_gathered *g)
{
    if (e != NULL && g->job != NULL && e->row.name[0] == 0) {
        memcpy(e->row.name, g->job->name, sizeof(e->row.name));
        covey__custodian_note(c, e);
    }
}

static void hold_done(struct covey_custodian *c, struct covey__custodian_entry *e,
                      const struct covey_gathered *g)
{
    hold_pins(c, e, g);
    if (e == NULL) {
        return;
    }
    if (g->err != COVEY_OK) {
        covey__custodian_log(c, e, "cannot be kept here: %s", g->why);
        held(c, &g->ask->fence, g->err);
    } else if (covey__custodian_none(&g->ask->checkpoint)) {
        covey__custodian_log(c, e, "this device keeps all of it");
        held(c, &g->ask->fence, COVEY_OK);
    } else {
        covey__custodian_log(c, e, "this device keeps all of it, up to step %llu",
                             (unsigned long long)g->ask->checkpoint.step);
        write_checkpoint(c, g->ask, COVEY_EVENT_CUSTODY_HELD, (struct covey_gather_pins){NULL, 0});
    }
}

static void checkpoint_done(struct covey_custodian *c, const struct covey_gathered *g)
{
    if (g->err != COVEY_OK) {
        stored(c, g->ask, g->err);
    } else { /* what is in the journal has pins of its own */
        write_checkpoint(c, g->ask, COVEY_EVENT_CUSTODY_STORED, g->pins);
    }
}

static void gathered(void *user, const struct covey_gathered *g)
{
    struct covey_custodian *c = user;
    struct covey__custodian_entry *e = covey__custodian_find(c, &g->ask->fence.session);
    learn_name(c, e, g);
    switch ((enum covey__gather_kind)g->ask->kind) {
    case COVEY__GATHER_HOLD:
        hold_done(c, e, g);
        break;
    case COVEY__GATHER_CHECKPOINT:
        checkpoint_done(c, g);
        break;
    case COVEY__GATHER_PIN:
        hold_pins(c, e, g);
        break;
    case COVEY__GATHER_LEAD:
        if (g->err == COVEY_OK) {
            hold_pins(c, e, g);
        }
        covey__custodian_led(c, g);
        break;
    case COVEY__GATHER_FORK:
        if (g->err == COVEY_OK) {
            hold_pins(c, e, g);
        }
        covey__custodian_forked(c, g);
        break;
    }
}

/* ---- what the machine says ---- */

static void persist(struct covey_custodian *c, const struct covey_action *a)
{
    struct covey__chore chore = {
        .kind = COVEY__CHORE_PERSIST, .fence = a->fence, .index = a->index, .bytes = a->bytes};
    covey__custodian_chore(c, &chore);
}

static void lease(struct covey_custodian *c, const struct covey_action *a)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &a->fence.session);
    if (e == NULL || !e->owns || e->row.epoch != a->fence.epoch) {
        return;
    }
    if ((a->request != 0) != (e->lease_ms != 0)) {
        covey__custodian_log(c, e,
                             a->request != 0 ? "owned here under a lease, epoch %u"
                                             : "no lease any more, epoch %u",
                             a->fence.epoch);
    }
    e->lease_ms = a->request;
    if (e->runs) {
        c->config.lease(c->config.user, &a->fence, a->request);
    }
}

/* Of a session that another device owns, or nobody does. */
static void kept_news(struct covey_custodian *c, struct covey__custodian_entry *e,
                      const struct covey_action *a)
{
    bool changed = (e->row.state == COVEY_JOURNAL_STOPPED) != a->stopped;
    if (changed) {
        covey__custodian_log(
            c, e, a->stopped ? "stopped, kept here until it goes on by hand" : "goes on");
        e->row.state = a->stopped ? COVEY_JOURNAL_STOPPED : COVEY_JOURNAL_KEPT;
    }
    if (a->has_peer &&
        (e->row.epoch != a->fence.epoch || !covey_node_id_equal(&e->row.owner, &a->peer))) {
        e->row.epoch = a->fence.epoch;
        e->row.owner = a->peer;
        changed = true;
    }
    if (changed) {
        covey__custodian_note(c, e);
    }
}

static void news(struct covey_custodian *c, const struct covey_action *a)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &a->fence.session);
    if (e == NULL || e->row.state == COVEY_JOURNAL_OVER) {
        return;
    }
    e->set = a->set;
    e->live = true;
    if (!e->owns) {
        kept_news(c, e, a);
        return;
    }
    uint8_t wanted =
        a->set.count > COVEY__CUSTODIAN_WANTED ? a->set.count : (uint8_t)COVEY__CUSTODIAN_WANTED;
    e->held = (uint8_t)a->index;
    struct covey_fence fence = {.session = e->row.id, .epoch = e->row.epoch};
    c->config.news(c->config.user, &fence, e->held, wanted);
    if (!covey__custodian_none(&a->checkpoint) && a->checkpoint.step != e->kept_step) {
        struct covey__chore chore = {
            .kind = COVEY__CHORE_MARK, .fence = fence, .ref = a->checkpoint};
        e->kept_step = a->checkpoint.step;
        covey__custodian_chore(c, &chore);
        c->config.kept(c->config.user, &fence, a->checkpoint.step);
    }
    if (a->settled) {
        c->config.settled(c->config.user, &fence, a->checkpoint.step);
    }
}

/* err LIMIT: only its place was needed, and what is here may still be gone on with by hand. */
static void ended(struct covey_custodian *c, struct covey__custodian_entry *e,
                  const struct covey_action *a)
{
    bool room = a->err == COVEY_ERR_LIMIT;
    if (room) {
        covey__custodian_log(c, e, "kept here no more: others need its place");
    } else if (e->row.state != COVEY_JOURNAL_OVER) {
        struct covey__chore chore = {.kind = COVEY__CHORE_ERASE, .fence = a->fence};
        covey__custodian_chore(c, &chore);
        e->newest = (struct covey_checkpoint_ref){.epoch = 0};
        covey__custodian_log(c, e, "over, kept here no more");
    }
    e->row.state = COVEY_JOURNAL_OVER;
    covey__gather_unpin(c->config.services, &e->pins);
    covey__custodian_note(c, e);
    covey__custodian_resumed(c, e, COVEY_ERR_STATE, "those who keep it say that it has ended");
}

/* err STATE: only not owned here any more. */
static void over(struct covey_custodian *c, const struct covey_action *a)
{
    struct covey__custodian_entry *e = covey__custodian_find(c, &a->fence.session);
    if (e == NULL) {
        return;
    }
    bool owned = e->owns && a->fence.epoch == e->row.epoch;
    e->live = a->err == COVEY_ERR_STATE;
    if (owned) {
        struct covey_fence fence = {.session = e->row.id, .epoch = e->row.epoch};
        e->owns = e->runs = e->stopping = false;
        e->lease_ms = 0;
        e->retry_ms = 0;
        c->config.lost(c->config.user, &fence);
    }
    if (a->err == COVEY_ERR_STATE) {
        if (e->row.state == COVEY_JOURNAL_OWNED || owned) {
            covey__custodian_log(c, e, "not owned here any more, epoch %u", a->fence.epoch);
            e->row.state = COVEY_JOURNAL_KEPT;
            e->row.owner = a->has_peer ? a->peer : (struct covey_node_id){{0}};
            covey__custodian_note(c, e);
        }
        return;
    }
    if (a->err == COVEY_ERR_TIMEOUT) {
        covey__custodian_log(c, e, "its owner is gone, and too few keep it to go on by themselves");
        return;
    }
    ended(c, e, a);
}

void covey__custodian_action(struct covey_custodian *c, const struct covey_action *action)
{
    switch ((int)action->type) {
    case COVEY_ACTION_CUSTODY_APPOINTED:
        appointed(c, action);
        break;
    case COVEY_ACTION_CUSTODY_KEEP:
        keep(c, action);
        break;
    case COVEY_ACTION_CUSTODY_PERSIST:
        persist(c, action);
        break;
    case COVEY_ACTION_CUSTODY_LEASE:
        lease(c, action);
        break;
    case COVEY_ACTION_CUSTODY_LEAD:
        covey__custodian_lead(c, action);
        break;
    case COVEY_ACTION_CUSTODY_NEWS:
        news(c, action);
        break;
    case COVEY_ACTION_CUSTODY_OVER:
        over(c, action);
        break;
    case COVEY_ACTION_CUSTODY_REFUSED:
        covey__custodian_refused(c, action);
        break;
    default:
        COVEY_ASSERT(!"no action of custody");
    }
}

bool covey__custodian_fetched(struct covey_custodian *c, const struct covey_action *action)
{
    return covey__gather_fetched(c->gatherer, action);
}

/* ---- life ---- */

static void restored(void *user, const struct covey_session_id *id, struct covey_bytes state)
{
    struct covey_custodian *c = user;
    struct covey_event event = {.type = COVEY_EVENT_CUSTODY_STATE, .bytes = state};
    event.fence.session = *id;
    feed(c, &event);
}

static void restore_session(struct covey_custodian *c, const struct covey_journal_session *row)
{
    struct covey_journal_checkpoint newest;
    size_t count = 0;
    struct covey__custodian_entry *e = covey__custodian_entry(c, &row->id);
    if (e == NULL) {
        return;
    }
    e->row = *row;
    e->touched = ++c->touched;
    if (covey__journal_checkpoints(c->journal, &row->id, &newest, 1, &count) == COVEY_OK &&
        count == 1) {
        e->newest = newest.ref;
    }
    covey_err err = covey__journal_last_step(c->journal, &row->id, &e->step);
    struct covey__chore chore = {.kind = COVEY__CHORE_PIN};
    chore.fence.session = row->id;
    covey__custodian_chore(c, &chore);
    struct covey_gather_ask ask = {
        .kind = COVEY__GATHER_PIN, .job = row->job, .here = true, .fence = chore.fence};
    if (err == COVEY_OK && row->state != COVEY_JOURNAL_OVER) {
        err = covey__gather_start(c->gatherer, &ask);
    }
    (void)err; /* it is looked for again when it is needed */
}

static covey_err restore(struct covey_custodian *c)
{
    struct covey_journal_session *row = calloc(COVEY__JOURNAL_SESSIONS, sizeof(*row));
    size_t count = 0;
    covey_err err = row == NULL ? COVEY_ERR_NOMEM : COVEY_OK;
    if (err == COVEY_OK) {
        err = covey__journal_sessions(c->journal, row, COVEY__JOURNAL_SESSIONS, &count);
    }
    for (size_t i = count; i-- > 0 && err == COVEY_OK;) {
        restore_session(c, &row[i]);
    }
    free(row);
    return err;
}

static size_t sources(void *user, struct covey_node_id *out, size_t max)
{
    const struct covey_custodian *c = user;
    return c->config.sources(c->config.user, out, max);
}

covey_err covey__custodian_new(const struct covey_custodian_config *config,
                               struct covey_custodian **out, char out_why[static 256])
{
    out_why[0] = 0;
    struct covey_custodian *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return COVEY_ERR_NOMEM;
    }
    c->config = *config;
    covey__custodian_keeper_init(c);
    const struct covey_gather_config gather = {
        .services = config->services, .sources = sources, .done = gathered, .user = c};
    covey_err err = covey__gather_new(&gather, &c->gatherer);
    if (err == COVEY_OK) {
        err = covey__journal_open(config->state_dir, &c->journal, out_why);
    }
    if (err == COVEY_OK) {
        err = restore(c);
    }
    if (err != COVEY_OK) {
        covey__custodian_free(c);
        return err;
    }
    *out = c;
    return covey__journal_states(c->journal, restored, c);
}

void covey__custodian_stop(struct covey_custodian *c)
{
    if (c != NULL) {
        c->stopping = true;
        covey__gather_stop(c->gatherer);
    }
}

void covey__custodian_free(struct covey_custodian *c)
{
    if (c == NULL) {
        return;
    }
    covey__gather_free(c->gatherer);
    for (unsigned i = 0; i < COVEY__JOURNAL_SESSIONS; i++) {
        clear(c, &c->entry[i]);
    }
    covey__journal_close(c->journal);
    free(c);
}
