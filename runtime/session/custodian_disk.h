/* SPDX-License-Identifier: MIT
 *
 * custodian_disk.h - checkpoints of one session on this disk: a blob of the store and a row of the
 * journal, in this order, so that whatever the journal names can be read. Blocking: storage thread.
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

/* Its blob is in the store. When this returns both are on the disk; older ones have gone, but for
 * one that a majority keeps while no newer one does. */
covey_err covey__custodian_write(const struct covey_custodian_disk *disk,
                                 const struct covey_checkpoint_ref *ref) COVEY_CHECK;
/* A majority has it. */
covey_err covey__custodian_mark(const struct covey_custodian_disk *disk,
                                const struct covey_checkpoint_ref *ref) COVEY_CHECK;
/* The newest whose bytes are all there. NOT_FOUND. */
covey_err covey__custodian_newest(const struct covey_custodian_disk *disk,
                                  struct covey_checkpoint_ref *out) COVEY_CHECK;
/* All of them go: the session is kept no more. */
covey_err covey__custodian_erase(const struct covey_custodian_disk *disk) COVEY_CHECK;

#endif /* COVEY_SESSION_CUSTODIAN_DISK_H */
