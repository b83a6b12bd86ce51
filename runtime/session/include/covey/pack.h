/* SPDX-License-Identifier: MIT
 *
 * pack.h - from a graph to a manifest and its blobs, named by hash: what `covey model add` sends.
 */
#ifndef COVEY_PACK_H
#define COVEY_PACK_H

#include "covey/crypto.h"
#include "covey/manifest.h"

/* Optimises and checks g (in place), then encodes. put is told every blob with its digest, in
 * order; blobs that occur twice are told twice. manifest is heap, freed by the caller; id is its
 * digest. */
typedef covey_err (*covey_pack_fn)(void *user, const struct covey_digest *digest,
                                   struct covey_bytes blob);
covey_err covey_pack(struct covey_graph *g, const char *name, covey_pack_fn put, void *user,
                     uint8_t **out_manifest, size_t *out_len, struct covey_digest *out_id,
                     struct covey_nn_error *out_why) COVEY_CHECK;

/* The same of g as it is, not optimised: what the manifest holds can be trained, and decodes to the
 * very same nodes and constants. */
covey_err covey_pack_plain(struct covey_graph *g, const char *name, covey_pack_fn put, void *user,
                           uint8_t **out_manifest, size_t *out_len, struct covey_digest *out_id,
                           struct covey_nn_error *out_why) COVEY_CHECK;

#endif /* COVEY_PACK_H */
