/* SPDX-License-Identifier: MIT */
#include "store_models.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "covey/crypto.h"
#include "covey/files.h"
#include "covey/manifest.h"
#include "store_index.h"

enum { MANIFEST_MAX = 16 * 1024 * 1024, MODELS = 4096 };

void covey__manifest_path(const struct covey_store *store, const struct covey_digest *id,
                          char path[static COVEY__STORE_PATH_LEN])
{
    char hex[COVEY_DIGEST_HEX];
    covey__digest_hex(id, hex);
    snprintf(path, COVEY__STORE_PATH_LEN, "%s/models/%s", store->dir, hex);
}

static covey_err keep_model(void *index, struct covey_bytes manifest)
{
    struct covey_manifest *mf = NULL;
    struct covey_nn_error why;
    if (index == NULL || covey_manifest_decode(manifest, &mf, &why) != COVEY_OK) {
        return COVEY_OK; /* no model that this version knows */
    }
    covey_err err = COVEY_OK;
    for (size_t i = 0; i < covey_manifest_blobs(mf) && err == COVEY_OK; i++) {
        bool ignored = false;
        err = covey__index_keep(index, &covey_manifest_blob(mf, i)->digest, &ignored);
    }
    covey_manifest_free(mf);
    return err;
}

covey_err covey__store_put_manifest(const struct covey_store *store, const struct covey_digest *id,
                                    struct covey_bytes manifest)
{
    char path[COVEY__STORE_PATH_LEN];
    covey__manifest_path(store, id, path);
    covey_err err = keep_model(store->index, manifest);
    return err == COVEY_OK ? covey_file_write(path, manifest, 0600) : err;
}

covey_err covey__store_get_manifest(const struct covey_store *store, const struct covey_digest *id,
                                    uint8_t **out, size_t *out_len)
{
    char path[COVEY__STORE_PATH_LEN];
    covey__manifest_path(store, id, path);
    uint8_t *data = NULL;
    size_t len = 0;
    covey_err err = covey_file_read(path, MANIFEST_MAX, &data, &len);
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_digest found;
    covey_hash(&found, covey_bytes_of(data, len));
    if (!covey_digest_equal(&found, id)) {
        free(data);
        return COVEY_ERR_MALFORMED;
    }
    *out = data;
    *out_len = len;
    return COVEY_OK;
}

size_t covey__store_manifests(const struct covey_store *store, struct covey_digest *out, size_t max)
{
    char path[COVEY__STORE_PATH_LEN];
    snprintf(path, sizeof(path), "%s/models", store->dir);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return 0;
    }
    size_t count = 0;
    struct dirent *entry;
    while (count < max && (entry = readdir(dir)) != NULL) {
        if (covey__digest_of_hex(entry->d_name, &out[count])) {
            count++;
        }
    }
    closedir(dir);
    return count;
}

/* Of each manifest in turn; one that cannot be read whole is left out. */
static covey_err for_models(const struct covey_store *store, void *user,
                            covey_err (*fn)(void *user, struct covey_bytes manifest))
{
    struct covey_digest *ids = calloc(MODELS, sizeof(*ids));
    if (ids == NULL) {
        return COVEY_ERR_NOMEM;
    }
    covey_err err = COVEY_OK;
    size_t count = covey__store_manifests(store, ids, MODELS);
    for (size_t i = 0; i < count && err == COVEY_OK; i++) {
        uint8_t *bytes = NULL;
        size_t len = 0;
        if (covey__store_get_manifest(store, &ids[i], &bytes, &len) == COVEY_OK) {
            err = fn(user, covey_bytes_of(bytes, len));
            free(bytes);
        }
    }
    free(ids);
    return err;
}

covey_err covey__store_keep_models(const struct covey_store *store)
{
    return for_models(store, store->index, keep_model);
}

/* ---- what no model has any more ---- */

struct release {
    const struct covey_digest *digest; /* ascending */
    bool *named;                       /* by a manifest */
    size_t count;
};

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct covey_digest));
}

/* Ascending, each once: how many there are then. */
static size_t sort_once(struct covey_digest *digest, size_t count)
{
    size_t kept = 0;
    qsort(digest, count, sizeof(*digest), by_bytes);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || by_bytes(&digest[i], &digest[kept - 1]) != 0) {
            digest[kept++] = digest[i];
        }
    }
    return kept;
}

static covey_err look_for(void *user, struct covey_bytes manifest)
{
    struct release *r = user;
    struct covey_manifest *mf = NULL;
    struct covey_nn_error why;
    covey_err err = covey_manifest_decode(manifest, &mf, &why);
    if (err != COVEY_OK) {
        return err == COVEY_ERR_NOMEM ? err : COVEY_OK; /* its blobs were never kept either */
    }
    for (size_t i = 0; i < covey_manifest_blobs(mf); i++) {
        const struct covey_digest *found = bsearch(&covey_manifest_blob(mf, i)->digest, r->digest,
                                                   r->count, sizeof(*found), by_bytes);
        if (found != NULL) {
            r->named[found - r->digest] = true;
        }
    }
    covey_manifest_free(mf);
    return COVEY_OK;
}

covey_err covey__store_release(const struct covey_store *store, const struct covey_digest *digests,
                               size_t count)
{
    if (store->index == NULL || count == 0) {
        return COVEY_OK;
    }
    struct covey_digest *sorted = calloc(count, sizeof(*sorted));
    bool *named = calloc(count, sizeof(*named));
    covey_err err = COVEY_ERR_NOMEM;
    if (sorted != NULL && named != NULL) {
        memcpy(sorted, digests, count * sizeof(*sorted));
        struct release r = {sorted, named, sort_once(sorted, count)};
        err = for_models(store, &r, look_for);
        for (size_t i = 0; i < r.count && err == COVEY_OK; i++) {
            if (!named[i]) {
                covey__index_release(store->index, &sorted[i]);
            }
        }
    }
    if (err == COVEY_OK) {
        struct covey_digest none = {{0}};
        covey_err over = covey__index_room(store->index, &none, 0);
        (void)over; /* what is pinned goes later */
    }
    free(sorted);
    free(named);
    return err;
}

static covey_err release_blobs(const struct covey_store *store, struct covey_bytes manifest)
{
    struct covey_manifest *mf = NULL;
    struct covey_nn_error why;
    covey_err err = covey_manifest_decode(manifest, &mf, &why);
    if (err != COVEY_OK) {
        return err == COVEY_ERR_NOMEM ? err : COVEY_OK;
    }
    size_t count = covey_manifest_blobs(mf);
    struct covey_digest *digests = calloc(count + 1, sizeof(*digests));
    for (size_t i = 0; digests != NULL && i < count; i++) {
        digests[i] = covey_manifest_blob(mf, i)->digest;
    }
    err = digests != NULL ? covey__store_release(store, digests, count) : COVEY_ERR_NOMEM;
    free(digests);
    covey_manifest_free(mf);
    return err;
}

covey_err covey__store_remove_manifest(const struct covey_store *store,
                                       const struct covey_digest *id)
{
    char path[COVEY__STORE_PATH_LEN];
    uint8_t *bytes = NULL;
    size_t len = 0;
    covey__manifest_path(store, id, path);
    covey_err read = covey__store_get_manifest(store, id, &bytes, &len);
    covey_err err = unlink(path) == 0 || errno == ENOENT ? COVEY_OK : COVEY_ERR_IO;
    if (err == COVEY_OK && read == COVEY_OK) {
        covey_err kept = release_blobs(store, covey_bytes_of(bytes, len));
        (void)kept; /* out of memory: they stay until the next start */
    }
    free(bytes);
    return err;
}
