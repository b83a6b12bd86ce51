/* SPDX-License-Identifier: MIT
 *
 * store.h - blobs on disk, named by their BLAKE2b-256: STATE/store/ab/abcdef...; and the manifests
 * of models, STATE/models/ID.
 *
 * Blocking: called from the storage and compute threads, never from the loop. Every blob is
 * verified when it is put and when it is got, so a blob torn by a crash is seen and dropped; blobs
 * are therefore renamed into place without fsync. Manifests are written with it.
 */
#ifndef COVEY_SESSION_STORE_H
#define COVEY_SESSION_STORE_H

#include "covey/body.h"
#include "covey/ids.h"

struct covey_store {
    char dir[512];
};

/* Makes the folders. */
covey_err covey__store_open(struct covey_store *store, const char *state_dir) COVEY_CHECK;
bool covey__store_has(const struct covey_store *store, const struct covey_digest *digest);
/* AUTH when the bytes do not have this digest. */
covey_err covey__store_put(const struct covey_store *store, const struct covey_digest *digest,
                           struct covey_bytes blob) COVEY_CHECK;
/* Exactly len bytes into data. NOT_FOUND; MALFORMED (and the file removed) when they are not those.
 */
covey_err covey__store_get(const struct covey_store *store, const struct covey_digest *digest,
                           void *data, size_t len) COVEY_CHECK;
/* The blob or the manifest of this digest, whatever its length (up to COVEY_BODY_MAX). */
covey_err covey__store_body(const struct covey_store *store, const struct covey_digest *digest,
                            struct covey_body **out) COVEY_CHECK;
covey_err covey__store_put_manifest(const struct covey_store *store, const struct covey_digest *id,
                                    struct covey_bytes manifest) COVEY_CHECK;
/* Heap, freed by the caller. */
covey_err covey__store_get_manifest(const struct covey_store *store, const struct covey_digest *id,
                                    uint8_t **out, size_t *out_len) COVEY_CHECK;
/* Ids of the manifests there are, at most max. */
size_t covey__store_manifests(const struct covey_store *store, struct covey_digest *out,
                              size_t max);

enum { COVEY_DIGEST_HEX = 65 };
void covey__digest_hex(const struct covey_digest *digest, char out[static COVEY_DIGEST_HEX]);

#endif /* COVEY_SESSION_STORE_H */
