/* SPDX-License-Identifier: MIT
 *
 * journal.h - what this device remembers of training sessions, in a database (SQLite) at
 * STATE/journal.db: sessions and their owners, the steps that each owner made as far as it is known
 * here, checkpoints, and what the custody machine must not forget.
 *
 * Blocking: called from the storage thread, or before and after the pools run. What a call wrote is
 * on the disk when it returns (WAL, synchronous=FULL).
 */
#ifndef COVEY_SESSION_JOURNAL_H
#define COVEY_SESSION_JOURNAL_H

#include "covey/bytes.h"
#include "covey/message_custody.h"

struct covey_journal;

enum {
    COVEY__JOURNAL_SESSIONS = 32,   /* the last ones; older ones that are over are forgotten */
    COVEY__JOURNAL_CHECKPOINTS = 8, /* of one session */
    COVEY__JOURNAL_STATE_MAX = 512, /* bytes of what custody persists of one session */
};

enum covey_journal_state {
    COVEY_JOURNAL_KEPT = 1,  /* another device owns it */
    COVEY_JOURNAL_OWNED = 2, /* this device does, or did when it was last seen running */
    COVEY_JOURNAL_OVER = 3,
    COVEY_JOURNAL_STOPPED = 4, /* nobody owns it until it goes on by hand */
};

struct covey_journal_session {
    struct covey_session_id id;
    char name[COVEY_NAME_MAX + 1]; /* empty: its job is not here yet */
    struct covey_digest job;
    enum covey_journal_state state;
    uint32_t epoch;
    struct covey_node_id owner; /* zero: not known */
};

/* One that this device knew of. */
struct covey_journal_checkpoint {
    struct covey_checkpoint_ref ref;
    bool kept; /* by a majority, as far as it is known here */
};

/* Makes the file if need be. A damaged one is set aside as journal.db.damaged, which out_why says
 * (empty: all is well): what was in it is forgotten. UNSUPPORTED: of a later version, left as it
 * is. */
covey_err covey__journal_open(const char *state_dir, struct covey_journal **out,
                              char out_why[static 256]) COVEY_CHECK;
void covey__journal_close(struct covey_journal *j); /* NULL is a no-op */

/* Writes or replaces; the oldest that are over go when there are more than
 * COVEY__JOURNAL_SESSIONS. LIMIT: none of them is over. */
covey_err covey__journal_session(struct covey_journal *j,
                                 const struct covey_journal_session *session) COVEY_CHECK;
/* Of the owner of this epoch it is known that it reached this step. */
covey_err covey__journal_step(struct covey_journal *j, const struct covey_session_id *id,
                              uint32_t epoch, uint64_t step) COVEY_CHECK;
/* A checkpoint whose blob is on the disk. Of those before it the oldest are forgotten. */
covey_err covey__journal_checkpoint(struct covey_journal *j, const struct covey_session_id *id,
                                    const struct covey_journal_checkpoint *checkpoint) COVEY_CHECK;
/* out_last: no other checkpoint has these bytes, so that they may go. */
covey_err covey__journal_checkpoint_drop(struct covey_journal *j, const struct covey_session_id *id,
                                         const struct covey_checkpoint_ref *ref,
                                         bool *out_last) COVEY_CHECK;
/* What CUSTODY_PERSIST gave, as it is; empty: forgotten. */
covey_err covey__journal_persist(struct covey_journal *j, const struct covey_session_id *id,
                                 struct covey_bytes state) COVEY_CHECK;

/* At most max, the newest first; how many. */
covey_err covey__journal_sessions(struct covey_journal *j, struct covey_journal_session *out,
                                  size_t max, size_t *out_count) COVEY_CHECK;
covey_err covey__journal_checkpoints(struct covey_journal *j, const struct covey_session_id *id,
                                     struct covey_journal_checkpoint *out, size_t max,
                                     size_t *out_count) COVEY_CHECK;
/* The last step known; 0: none. */
covey_err covey__journal_last_step(struct covey_journal *j, const struct covey_session_id *id,
                                   uint64_t *out) COVEY_CHECK;
/* Each state that was persisted; `each` must not call back. */
typedef void (*covey_journal_state_fn)(void *user, const struct covey_session_id *id,
                                       struct covey_bytes state);
covey_err covey__journal_states(struct covey_journal *j, covey_journal_state_fn each,
                                void *user) COVEY_CHECK;

#endif /* COVEY_SESSION_JOURNAL_H */
