/* SPDX-License-Identifier: MIT
 *
 * checkpoint_parts.h - the blobs of a checkpoint in the store: the pieces that its paper names
 * (training_checkpoint.h), then the paper. Blocking: not on the loop.
 */
#ifndef COVEY_SESSION_CHECKPOINT_PARTS_H
#define COVEY_SESSION_CHECKPOINT_PARTS_H

#include "store.h"

struct covey_checkpoint_parts {
    struct covey_digest *digest; /* heap; a piece of the same bytes as another is there twice */
    size_t count;                /* the paper is the last; 0: none */
};

/* As the paper in the store says. NOT_FOUND; MALFORMED, RANGE, LIMIT: it is no paper. */
covey_err covey__checkpoint_parts(const struct covey_store *store, const struct covey_digest *paper,
                                  struct covey_checkpoint_parts *out) COVEY_CHECK;
void covey__checkpoint_parts_done(struct covey_checkpoint_parts *parts);

/* All, or on failure none. */
covey_err covey__checkpoint_pin(const struct covey_store *store,
                                const struct covey_checkpoint_parts *parts) COVEY_CHECK;
void covey__checkpoint_unpin(const struct covey_store *store,
                             const struct covey_checkpoint_parts *parts);
/* Unpinned; what nobody else pins goes. */
void covey__checkpoint_drop(const struct covey_store *store,
                            const struct covey_checkpoint_parts *parts);
/* All of it is in the store, byte for byte. */
bool covey__checkpoint_whole(const struct covey_store *store,
                             const struct covey_checkpoint_parts *parts);

#endif /* COVEY_SESSION_CHECKPOINT_PARTS_H */
