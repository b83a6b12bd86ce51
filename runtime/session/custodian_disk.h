/* SPDX-License-Identifier: MIT
 *
 * custodian_disk.h - checkpoints of one session on this disk: blobs of the store and a row of the
 * journal, in this order, so that whatever the journal names can be read. Blocking: storage thread.
 * A row has a pin of each of its blobs.
 */
#ifndef COVEY_SESSION_CUSTODIAN_DISK_H
#define COVEY_SESSION_CUSTODIAN_DISK_H

#include "journal.h"
#include "store.h"

enum { COVEY__CUSTODIAN_CHECKPOINTS = 2 }; /* that stay: should the newest be torn */

struct covey_custodian_disk {
    const struct covey_store *store;
    struct covey_journal *journal;
    struct covey_session_id id;
};

/* Its blobs are in the store: some more of them are on the disk when this returns, *inout_synced
 * (from 0 on) so far, and true in *out_all once all are but its paper. A large one is written in
 * steps, so that what else the thread has to do need not wait for it. */
covey_err covey__custodian_sync(const struct covey_custodian_disk *disk,
                                const struct covey_checkpoint_ref *ref, size_t *inout_synced,
                                bool *out_all) COVEY_CHECK;
/* All were synced. When this returns paper and row are on the disk too; older checkpoints have
 * gone, but for one that a majority keeps while no newer one does. */
covey_err covey__custodian_write(const struct covey_custodian_disk *disk,
                                 const struct covey_checkpoint_ref *ref) COVEY_CHECK;
/* At the start: pins what the rows name. */
covey_err covey__custodian_pin(const struct covey_custodian_disk *disk) COVEY_CHECK;
/* A majority has it. */
covey_err covey__custodian_mark(const struct covey_custodian_disk *disk,
                                const struct covey_checkpoint_ref *ref) COVEY_CHECK;
/* The newest whose bytes are all there. NOT_FOUND. */
covey_err covey__custodian_newest(const struct covey_custodian_disk *disk,
                                  struct covey_checkpoint_ref *out) COVEY_CHECK;
/* All of them go: the session is kept no more. */
covey_err covey__custodian_erase(const struct covey_custodian_disk *disk) COVEY_CHECK;

#endif /* COVEY_SESSION_CUSTODIAN_DISK_H */
