/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "custodian_state.h"

struct covey__chore_task {
    struct covey_task task;
    struct covey_custodian *c;
    struct covey__chore_task *next; /* of checkpoints */
    struct covey__chore chore;
    uint8_t bytes[COVEY__JOURNAL_STATE_MAX];
    size_t synced; /* WRITE: blobs */
    bool more;     /* it is not done yet */
    covey_err err;
};

/* ---- on the storage thread ---- */

static covey_err write_some(struct covey__chore_task *t, const struct covey_custodian_disk *disk)
{
    bool all = false;
    covey_err err = covey__custodian_sync(disk, &t->chore.ref, &t->synced, &all);
    t->more = err == COVEY_OK && !all;
    return err == COVEY_OK && all ? covey__custodian_write(disk, &t->chore.ref) : err;
}

static covey_err run(struct covey__chore_task *t)
{
    struct covey__chore *chore = &t->chore;
    struct covey_journal *journal = t->c->journal;
    const struct covey_session_id *id = &chore->fence.session;
    const struct covey_custodian_disk disk = {&t->c->config.services->store, journal, *id};
    switch (chore->kind) {
    case COVEY__CHORE_PERSIST:
        return covey__journal_persist(journal, id, chore->bytes);
    case COVEY__CHORE_NOTE:
        return covey__journal_session(journal, &chore->row);
    case COVEY__CHORE_STEP:
        return covey__journal_step(journal, id, chore->fence.epoch, chore->step);
    case COVEY__CHORE_WRITE:
        return write_some(t, &disk);
    case COVEY__CHORE_MARK:
        return covey__custodian_mark(&disk, &chore->ref);
    case COVEY__CHORE_ERASE:
        return covey__custodian_erase(&disk);
    case COVEY__CHORE_PIN:
        return covey__custodian_pin(&disk);
    case COVEY__CHORE_FIND:
        return covey__custodian_newest(&disk, &chore->ref);
    }
    return COVEY_ERR_STATE;
}

static void chore_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct covey__chore_task *t = (struct covey__chore_task *)task;
    t->more = false;
    t->err = run(t);
}

/* ---- on the loop ---- */

static void tell_failure(const struct covey__chore_task *t)
{
    char line[200];
    snprintf(line, sizeof(line), "the journal of training sessions could not be written: %s",
             covey_strerror(t->err));
    t->c->config.services->log(t->c->config.services->user, line);
}

static void answer(struct covey_custodian *c, const struct covey__chore *chore, covey_err err)
{
    struct covey_event event = {.type = chore->kind == COVEY__CHORE_PERSIST ? COVEY_EVENT_PERSISTED
                                                                            : chore->event,
                                .fence = chore->fence,
                                .index = chore->index,
                                .checkpoint = chore->ref,
                                .err = err};
    c->config.services->feed(c->config.services->user, &event);
}

static void end(struct covey__chore_task *t)
{
    struct covey__chore *chore = &t->chore;
    bool finding = chore->kind == COVEY__CHORE_FIND;
    if (t->err != COVEY_OK && !finding) {
        tell_failure(t);
    }
    if (chore->kind == COVEY__CHORE_WRITE && t->err == COVEY_OK) {
        covey__custodian_written(t->c, &chore->fence, &chore->ref);
    }
    /* A checkpoint of its own that is not on the disk, or comes after the end, is none. */
    bool own = chore->event == COVEY_EVENT_CUSTODY_CHECKPOINT;
    const struct covey__custodian_entry *e = covey__custodian_find(t->c, &chore->fence.session);
    bool owns = e != NULL && e->owns && e->row.epoch == chore->fence.epoch;
    bool told = chore->event != COVEY_EVENT_TICK && (!own || (t->err == COVEY_OK && owns));
    if (chore->kind == COVEY__CHORE_NOTE && chore->event == COVEY_EVENT_CUSTODY_STOP) {
        covey__custodian_stopped(t->c, &chore->fence);
    } else if (chore->kind == COVEY__CHORE_PERSIST || (chore->kind == COVEY__CHORE_WRITE && told)) {
        answer(t->c, chore, t->err);
    } else if (own && t->err != COVEY_OK) {
        const struct covey_custodian_config *config = &t->c->config;
        config->settled(config->user, &chore->fence, chore->ref.step);
    } else if (finding) {
        covey__custodian_found(t->c, &chore->fence, t->err, &chore->ref);
    }
    covey__gather_unpin(t->c->config.services, &chore->pins);
    free(t);
}

/* PIN is asked for at the start alone, when nothing is before it. */
static bool has_turn(const struct covey__chore *chore)
{
    switch (chore->kind) {
    case COVEY__CHORE_WRITE:
    case COVEY__CHORE_MARK:
    case COVEY__CHORE_ERASE:
    case COVEY__CHORE_FIND:
        return true;
    case COVEY__CHORE_PERSIST:
    case COVEY__CHORE_NOTE:
    case COVEY__CHORE_STEP:
    case COVEY__CHORE_PIN:
        return false;
    }
    return false;
}

static void chore_done(struct covey_task *task);

static void submit(struct covey__chore_task *t)
{
    t->task = (struct covey_task){.work = chore_work, .done = chore_done};
    covey__pool_submit(t->c->config.services->storage, &t->task);
}

/* The pool takes nothing more: what was begun, and what waits behind it, is done here. */
static void finish(struct covey__chore_task *t)
{
    struct covey_scratch none = {NULL, 0, NULL};
    while (t->more) {
        chore_work(&t->task, &none);
    }
}

static void next_turn(struct covey_custodian *c)
{
    c->first = c->first->next;
    if (c->first == NULL) {
        c->last = NULL;
    } else if (!c->stopping) {
        submit(c->first);
    }
}

static void chore_done(struct covey_task *task)
{
    struct covey__chore_task *t = (struct covey__chore_task *)task;
    struct covey_custodian *c = t->c;
    if (t->more && !c->stopping) {
        submit(t);
        return;
    }
    finish(t);
    if (!has_turn(&t->chore)) {
        end(t);
        return;
    }
    next_turn(c);
    end(t);
    while (c->stopping && c->first != NULL) {
        t = c->first;
        t->more = true;
        finish(t);
        next_turn(c);
        end(t);
    }
}

static void begin(struct covey__chore_task *t)
{
    struct covey_custodian *c = t->c;
    if (has_turn(&t->chore) && c->first != NULL) {
        c->last->next = t;
        c->last = t;
        return;
    }
    if (has_turn(&t->chore)) {
        c->first = c->last = t;
    }
    submit(t);
}

void covey__custodian_chore(struct covey_custodian *c, const struct covey__chore *chore)
{
    struct covey_gather_pins pins = chore->pins;
    if (c->stopping) {
        covey__gather_unpin(c->config.services, &pins);
        return;
    }
    bool fits = chore->bytes.len <= COVEY__JOURNAL_STATE_MAX;
    struct covey__chore_task *t = fits ? calloc(1, sizeof(*t)) : NULL;
    if (t == NULL) {
        struct covey__chore failed = *chore;
        covey__gather_unpin(c->config.services, &pins);
        if (chore->kind == COVEY__CHORE_PERSIST || chore->kind == COVEY__CHORE_WRITE) {
            answer(c, &failed, fits ? COVEY_ERR_NOMEM : COVEY_ERR_LIMIT);
        }
        return;
    }
    t->c = c;
    t->chore = *chore;
    if (chore->bytes.len > 0) {
        memcpy(t->bytes, chore->bytes.ptr, chore->bytes.len);
    }
    t->chore.bytes = covey_bytes_of(t->bytes, chore->bytes.len);
    begin(t);
}
