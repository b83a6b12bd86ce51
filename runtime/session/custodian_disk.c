/* SPDX-License-Identifier: MIT */
#include "custodian_disk.h"

#include <stdlib.h>

#include "checkpoint_parts.h"

enum { SYNC_PARTS = 4 }; /* at a time: 16 MiB */

typedef struct covey_journal_checkpoint rows[COVEY__JOURNAL_CHECKPOINTS];

static covey_err list(const struct covey_custodian_disk *disk, rows row, size_t *out_count)
{
    return covey__journal_checkpoints(disk->journal, &disk->id, row, COVEY__JOURNAL_CHECKPOINTS,
                                      out_count);
}

/* Of one whose paper cannot be read no more than the paper is known. */
static covey_err parts_of(const struct covey_custodian_disk *disk,
                          const struct covey_checkpoint_ref *ref,
                          struct covey_checkpoint_parts *out)
{
    covey_err err = covey__checkpoint_parts(disk->store, &ref->digest, out);
    if (err == COVEY_OK || err == COVEY_ERR_NOMEM) {
        return err;
    }
    out->digest = calloc(1, sizeof(*out->digest));
    if (out->digest == NULL) {
        return COVEY_ERR_NOMEM;
    }
    out->digest[0] = ref->digest;
    out->count = 1;
    return COVEY_OK;
}

/* The row first: the journal never names what is not there. */
static covey_err drop(const struct covey_custodian_disk *disk,
                      const struct covey_checkpoint_ref *ref)
{
    struct covey_checkpoint_parts parts;
    bool last = false;
    covey_err err = parts_of(disk, ref, &parts);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey__journal_checkpoint_drop(disk->journal, &disk->id, ref, &last);
    if (err == COVEY_OK && last) {
        covey__checkpoint_drop(disk->store, &parts);
        covey__store_remove(disk->store, &ref->digest);
    } else if (err == COVEY_OK) {
        covey__checkpoint_unpin(disk->store, &parts);
    }
    covey__checkpoint_parts_done(&parts);
    return err;
}

covey_err covey__custodian_pin(const struct covey_custodian_disk *disk)
{
    rows row;
    size_t count = 0;
    covey_err err = list(disk, row, &count);
    for (size_t i = 0; i < count && err == COVEY_OK; i++) {
        struct covey_checkpoint_parts parts;
        err = parts_of(disk, &row[i].ref, &parts);
        if (err == COVEY_OK) {
            err = covey__checkpoint_pin(disk->store, &parts);
            covey__checkpoint_parts_done(&parts);
        }
    }
    return err;
}

struct named {
    const struct covey_session_id *id;
    struct covey_digest digest;
};

static void name(void *user, const struct covey_session_id *id, struct covey_bytes state)
{
    struct named *named = user;
    struct covey_custody_message m;
    if (covey_session_id_equal(id, named->id) && covey_custody_decode(state, &m) == COVEY_OK) {
        named->digest = m.deed.checkpoint.digest;
    }
}

/* The newest ones stay, the newest of those that a majority keeps, and what custody's state on this
 * disk names: from there this device would go on after a restart. */
static covey_err tidy(const struct covey_custodian_disk *disk)
{
    rows row;
    size_t count = 0;
    bool kept = false;
    struct named named = {.id = &disk->id};
    covey_err err = list(disk, row, &count);
    if (err == COVEY_OK && count > COVEY__CUSTODIAN_CHECKPOINTS) {
        err = covey__journal_states(disk->journal, name, &named);
    }
    for (size_t i = 0; i < count && err == COVEY_OK; i++) {
        bool stays = i < COVEY__CUSTODIAN_CHECKPOINTS || (row[i].kept && !kept) ||
                     covey_digest_equal(&row[i].ref.digest, &named.digest);
        kept = kept || row[i].kept;
        if (!stays) {
            err = drop(disk, &row[i].ref);
        }
    }
    return err;
}

static bool has(const rows row, size_t count, const struct covey_checkpoint_ref *ref)
{
    for (size_t i = 0; i < count; i++) {
        if (row[i].ref.epoch == ref->epoch && row[i].ref.step == ref->step) {
            return true;
        }
    }
    return false;
}

covey_err covey__custodian_sync(const struct covey_custodian_disk *disk,
                                const struct covey_checkpoint_ref *ref, size_t *inout_synced,
                                bool *out_all)
{
    rows row;
    size_t count = 0, synced = *inout_synced;
    struct covey_checkpoint_parts parts;
    covey_err err = list(disk, row, &count);
    if (err != COVEY_OK || has(row, count, ref)) {
        *out_all = err == COVEY_OK;
        return err;
    }
    err = covey__checkpoint_parts(disk->store, &ref->digest, &parts);
    if (err != COVEY_OK) {
        return err;
    }
    for (unsigned i = 0; i < SYNC_PARTS && synced + 1 < parts.count && err == COVEY_OK; i++) {
        err = covey__store_sync(disk->store, &parts.digest[synced++]);
    }
    *inout_synced = synced;
    *out_all = synced + 1 >= parts.count;
    covey__checkpoint_parts_done(&parts);
    return err;
}

/* The pins come before the row, and go with it. */
static covey_err add(const struct covey_custodian_disk *disk,
                     const struct covey_journal_checkpoint *new)
{
    struct covey_checkpoint_parts parts;
    covey_err err = covey__checkpoint_parts(disk->store, &new->ref.digest, &parts);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey__checkpoint_pin(disk->store, &parts);
    if (err == COVEY_OK) {
        err = covey__journal_checkpoint(disk->journal, &disk->id, new);
        if (err != COVEY_OK) {
            covey__checkpoint_unpin(disk->store, &parts);
        }
    }
    covey__checkpoint_parts_done(&parts);
    return err;
}

covey_err covey__custodian_write(const struct covey_custodian_disk *disk,
                                 const struct covey_checkpoint_ref *ref)
{
    rows row;
    size_t count = 0;
    struct covey_journal_checkpoint new = {.ref = *ref};
    covey_err err = list(disk, row, &count);
    if (err != COVEY_OK || has(row, count, ref)) {
        return err;
    }
    err = covey__store_sync(disk->store, &ref->digest);
    if (err == COVEY_OK) {
        err = add(disk, &new);
    }
    return err == COVEY_OK ? tidy(disk) : err;
}

covey_err covey__custodian_mark(const struct covey_custodian_disk *disk,
                                const struct covey_checkpoint_ref *ref)
{
    rows row;
    size_t count = 0;
    struct covey_journal_checkpoint kept = {.ref = *ref, .kept = true};
    covey_err err = list(disk, row, &count);
    if (err != COVEY_OK || !has(row, count, ref)) {
        return err;
    }
    err = covey__journal_checkpoint(disk->journal, &disk->id, &kept);
    return err == COVEY_OK ? tidy(disk) : err;
}

covey_err covey__custodian_newest(const struct covey_custodian_disk *disk,
                                  struct covey_checkpoint_ref *out)
{
    rows row;
    size_t count = 0;
    covey_err err = list(disk, row, &count);
    for (size_t i = 0; i < count && err == COVEY_OK; i++) {
        struct covey_checkpoint_parts parts = {NULL, 0};
        bool here = covey__checkpoint_parts(disk->store, &row[i].ref.digest, &parts) == COVEY_OK &&
                    covey__checkpoint_whole(disk->store, &parts);
        covey__checkpoint_parts_done(&parts);
        if (here) {
            *out = row[i].ref;
            return COVEY_OK;
        }
    }
    return err == COVEY_OK ? COVEY_ERR_NOT_FOUND : err;
}

covey_err covey__custodian_erase(const struct covey_custodian_disk *disk)
{
    rows row;
    size_t count = 0;
    covey_err err = list(disk, row, &count);
    for (size_t i = 0; i < count && err == COVEY_OK; i++) {
        err = drop(disk, &row[i].ref);
    }
    return err;
}
