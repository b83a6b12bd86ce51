/* SPDX-License-Identifier: MIT
 *
 * store.h - blobs on disk, named by their BLAKE2b-256: STATE/store/ab/abcdef...; and the manifests
 * of models, STATE/models/ID.
 *
 * Blocking: called from the storage and compute threads, never from the loop. Every blob is
 * verified when it is put and when it is first got, so a blob torn by a crash is seen and dropped;
 * blobs are therefore renamed into place without fsync. Manifests are written with it.
 *
 * With a quota, what is not of this node's own models takes at most so many bytes: the least
 * recently used goes, by the files' times, which follow use by the hour.
 */
#ifndef COVEY_SESSION_STORE_H
#define COVEY_SESSION_STORE_H

#include "covey/body.h"
#include "covey/ids.h"

struct covey_index;

struct covey_store {
    char dir[512];
    struct covey_index *index; /* NULL: no quota */
};

/* Makes the folders. */
covey_err covey__store_open(struct covey_store *store, const char *state_dir) COVEY_CHECK;
/* From now on at most quota bytes besides this node's own models; 0: a quarter of what the disk has
 * free. Looks through the folder, and removes what a crash left half-written. */
covey_err covey__store_limit(struct covey_store *store, uint64_t quota) COVEY_CHECK;
/* What is there already beyond the quota goes, once all is pinned that is to stay: the quota may
 * have been larger, and what did not count before a restart may count now. */
void covey__store_trim(const struct covey_store *store);
/* UINT64_MAX: none. */
uint64_t covey__store_quota(const struct covey_store *store);
void covey__store_close(struct covey_store *store);
bool covey__store_has(const struct covey_store *store, const struct covey_digest *digest);
/* Bytes of a blob that is there, else 0; of a store with a quota. */
uint64_t covey__store_len(const struct covey_store *store, const struct covey_digest *digest);
/* AUTH when the bytes do not have this digest; LIMIT when they do not fit the quota; SPACE
 * when the disk is full. */
covey_err covey__store_put(const struct covey_store *store, const struct covey_digest *digest,
                           struct covey_bytes blob) COVEY_CHECK;
/* The same for a blob of a model of this node: it stays, and does not count. */
covey_err covey__store_add(const struct covey_store *store, const struct covey_digest *digest,
                           struct covey_bytes blob) COVEY_CHECK;
/* The same before it is there. New: nobody had said so yet. */
covey_err covey__store_keep(const struct covey_store *store, const struct covey_digest *digest,
                            bool *out_new) COVEY_CHECK;
/* Those of them that no manifest names are not kept any more: they count, and may go. */
covey_err covey__store_release(const struct covey_store *store, const struct covey_digest *digests,
                               size_t count) COVEY_CHECK;
/* A blob made here: named, put, and pinned once. */
covey_err covey__store_make(const struct covey_store *store, struct covey_bytes blob,
                            struct covey_digest *out) COVEY_CHECK;
/* It is here, and its bytes are its own: looked at once, since a crash may have torn them. */
bool covey__store_whole(const struct covey_store *store, const struct covey_digest *digest);
/* A blob that is there is on the disk when this returns, whatever happens to the device. */
covey_err covey__store_sync(const struct covey_store *store,
                            const struct covey_digest *digest) COVEY_CHECK;
/* Whoever may have wanted it. */
void covey__store_remove(const struct covey_store *store, const struct covey_digest *digest);
/* Not dropped until unpinned as often; may be pinned before it is there. */
covey_err covey__store_pin(const struct covey_store *store,
                           const struct covey_digest *digest) COVEY_CHECK;
void covey__store_unpin(const struct covey_store *store, const struct covey_digest *digest);
/* Removed, unless it is pinned or of a model of this node. */
void covey__store_drop(const struct covey_store *store, const struct covey_digest *digest);
/* Exactly len bytes into data. NOT_FOUND; MALFORMED (and the file removed) when they are not those.
 */
covey_err covey__store_get(const struct covey_store *store, const struct covey_digest *digest,
                           void *data, size_t len) COVEY_CHECK;
/* The blob or the manifest of this digest, whatever its length (up to COVEY_BODY_MAX). */
covey_err covey__store_body(const struct covey_store *store, const struct covey_digest *digest,
                            struct covey_body **out) COVEY_CHECK;
/* Its blobs stay from now on. */
covey_err covey__store_put_manifest(const struct covey_store *store, const struct covey_digest *id,
                                    struct covey_bytes manifest) COVEY_CHECK;
/* Heap, freed by the caller. */
covey_err covey__store_get_manifest(const struct covey_store *store, const struct covey_digest *id,
                                    uint8_t **out, size_t *out_len) COVEY_CHECK;
/* And its blobs are released: they count against the quota, unless another model has them. */
covey_err covey__store_remove_manifest(const struct covey_store *store,
                                       const struct covey_digest *id) COVEY_CHECK;
/* Ids of the manifests there are, at most max. */
size_t covey__store_manifests(const struct covey_store *store, struct covey_digest *out,
                              size_t max);

enum { COVEY_DIGEST_HEX = 65 };
void covey__digest_hex(const struct covey_digest *digest, char out[static COVEY_DIGEST_HEX]);

#endif /* COVEY_SESSION_STORE_H */
