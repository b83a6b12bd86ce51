/* SPDX-License-Identifier: MIT
 *
 * papers.h - checkpoints of any bytes in a store, as a training makes them.
 */
#ifndef COVEY_TEST_PAPERS_H
#define COVEY_TEST_PAPERS_H

#include "covey/message_custody.h"
#include "store.h"

/* Its pieces, then its paper. Epoch and step are the caller's, the rest is filled in. */
covey_err paper_put(const struct covey_store *store, struct covey_bytes state,
                    struct covey_checkpoint_ref *inout);
/* What was put, in one piece of memory: heap, the caller's. NOT_FOUND, MALFORMED. */
covey_err paper_get(const struct covey_store *store, const struct covey_checkpoint_ref *ref,
                    uint8_t **out, size_t *out_len);
/* The name of a piece; zeros: the paper is not there. */
struct covey_digest paper_piece(const struct covey_store *store,
                                const struct covey_checkpoint_ref *ref, size_t index);

#endif /* COVEY_TEST_PAPERS_H */
