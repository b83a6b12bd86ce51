/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "custodian_state.h"

struct chore_task {
    struct covey_task task;
    struct covey_custodian *c;
    struct covey__chore chore;
    uint8_t bytes[COVEY__JOURNAL_STATE_MAX];
    covey_err err;
};

/* ---- on the storage thread ---- */

static covey_err pin_all(const struct covey_custodian_disk *disk)
{
    struct covey_journal_checkpoint row[COVEY__JOURNAL_CHECKPOINTS];
    size_t count = 0;
    covey_err err = covey__journal_checkpoints(disk->journal, &disk->id, row,
                                               COVEY__JOURNAL_CHECKPOINTS, &count);
    for (size_t i = 0; i < count && err == COVEY_OK; i++) {
        err = covey__store_pin(disk->store, &row[i].ref.digest);
    }
    return err;
}

static covey_err run(struct chore_task *t)
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
        return covey__custodian_write(&disk, &chore->ref);
    case COVEY__CHORE_MARK:
        return covey__custodian_mark(&disk, &chore->ref);
    case COVEY__CHORE_ERASE:
        return covey__custodian_erase(&disk);
    case COVEY__CHORE_PIN:
        return pin_all(&disk);
    case COVEY__CHORE_FIND:
        return covey__custodian_newest(&disk, &chore->ref);
    }
    return COVEY_ERR_STATE;
}

static void chore_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct chore_task *t = (struct chore_task *)task;
    t->err = run(t);
}

/* ---- on the loop ---- */

static void tell_failure(const struct chore_task *t)
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

static void chore_done(struct covey_task *task)
{
    struct chore_task *t = (struct chore_task *)task;
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
    if (chore->kind == COVEY__CHORE_PERSIST || (chore->kind == COVEY__CHORE_WRITE && told)) {
        answer(t->c, chore, t->err);
    } else if (own && t->err != COVEY_OK) {
        const struct covey_custodian_config *config = &t->c->config;
        config->settled(config->user, &chore->fence, chore->ref.step);
    } else if (finding) {
        covey__custodian_found(t->c, &chore->fence, t->err, &chore->ref);
    }
    free(t);
}

void covey__custodian_chore(struct covey_custodian *c, const struct covey__chore *chore)
{
    if (c->stopping) {
        return;
    }
    bool fits = chore->bytes.len <= COVEY__JOURNAL_STATE_MAX;
    struct chore_task *t = fits ? calloc(1, sizeof(*t)) : NULL;
    if (t == NULL) {
        struct covey__chore failed = *chore;
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
    t->task = (struct covey_task){.work = chore_work, .done = chore_done};
    covey__pool_submit(c->config.services->storage, &t->task);
}
