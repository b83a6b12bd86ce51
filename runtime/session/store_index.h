/* SPDX-License-Identifier: MIT
 *
 * store_index.h - what is in a store, in memory: how large, when last used, what must stay.
 *
 * Blobs of the models added at this node (named by a manifest in STATE/models, or being added)
 * always stay and do not count, until they are released. What is held for others counts against the
 * quota; the least recently used of it that nobody pins goes first. Any thread.
 */
#ifndef COVEY_SESSION_STORE_INDEX_H
#define COVEY_SESSION_STORE_INDEX_H

#include "covey/ids.h"
#include "covey/err.h"

struct covey_index;

/* Removes a file; called with the index locked. */
typedef void (*covey_index_drop_fn)(void *user, const struct covey_digest *digest);

covey_err covey__index_new(uint64_t quota, covey_index_drop_fn drop, void *user,
                           struct covey_index **out) COVEY_CHECK;
void covey__index_free(struct covey_index *x);

/* A file that is there; used_ms: when last used. */
covey_err covey__index_found(struct covey_index *x, const struct covey_digest *digest, uint64_t len,
                             uint64_t used_ms) COVEY_CHECK;
/* Stays until it is released, which takes one call; new: it was not kept before. */
covey_err covey__index_keep(struct covey_index *x, const struct covey_digest *digest,
                            bool *out_new) COVEY_CHECK;
/* Counts again, and may go. */
void covey__index_release(struct covey_index *x, const struct covey_digest *digest);
/* Stays until unpinned as often; need not be there yet. */
covey_err covey__index_pin(struct covey_index *x, const struct covey_digest *digest) COVEY_CHECK;
void covey__index_unpin(struct covey_index *x, const struct covey_digest *digest);
/* Drops what must go so that len bytes more fit; LIMIT: they cannot. Nothing to do for what is
 * kept. */
covey_err covey__index_room(struct covey_index *x, const struct covey_digest *digest,
                            uint64_t len) COVEY_CHECK;
/* Written, verified. */
covey_err covey__index_put(struct covey_index *x, const struct covey_digest *digest, uint64_t len,
                           uint64_t now_ms) COVEY_CHECK;
/* Drops it, if nothing says that it stays. */
void covey__index_drop(struct covey_index *x, const struct covey_digest *digest);
void covey__index_gone(struct covey_index *x, const struct covey_digest *digest);
/* 0: it is not here. */
uint64_t covey__index_len(struct covey_index *x, const struct covey_digest *digest);
/* Read at now_ms. True: its file's time should follow (it is an hour behind). */
bool covey__index_used(struct covey_index *x, const struct covey_digest *digest, uint64_t now_ms);
/* Whether its bytes were seen to be its digest's since the start; set says that they were now. */
bool covey__index_verified(struct covey_index *x, const struct covey_digest *digest, bool set);
uint64_t covey__index_quota(const struct covey_index *x);
/* Bytes held for others. */
uint64_t covey__index_bytes(struct covey_index *x);

#endif /* COVEY_SESSION_STORE_INDEX_H */
