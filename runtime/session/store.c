/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "covey/crypto.h"
#include "covey/files.h"
#include "covey/loop.h"
#include "covey/limits.h"
#include "covey/pace.h"
#include "store_index.h"
#include "store_models.h"

enum { PATH_LEN = COVEY__STORE_PATH_LEN };

void covey__digest_hex(const struct covey_digest *digest, char out[static COVEY_DIGEST_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof(digest->bytes); i++) {
        out[2 * i] = digits[digest->bytes[i] >> 4];
        out[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    out[COVEY_DIGEST_HEX - 1] = 0;
}

bool covey__digest_of_hex(const char *text, struct covey_digest *out)
{
    if (strlen(text) != COVEY_DIGEST_HEX - 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof(out->bytes); i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1) {
            return false;
        }
        out->bytes[i] = (uint8_t)byte;
    }
    return true;
}

/* SPACE: the disk is full, or its owner may have no more of it. */
static covey_err write_error(void)
{
    return errno == ENOSPC || errno == EDQUOT ? COVEY_ERR_SPACE : COVEY_ERR_IO;
}

static covey_err make_dir(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? COVEY_OK : write_error();
}

covey_err covey__store_open(struct covey_store *store, const char *state_dir)
{
    store->index = NULL;
    int n = snprintf(store->dir, sizeof(store->dir), "%s", state_dir);
    if (n < 0 || (size_t)n >= sizeof(store->dir)) {
        return COVEY_ERR_LIMIT;
    }
    char path[PATH_LEN];
    snprintf(path, sizeof(path), "%s/store", store->dir);
    covey_err err = make_dir(path);
    if (err != COVEY_OK) {
        return err;
    }
    snprintf(path, sizeof(path), "%s/models", store->dir);
    return make_dir(path);
}

static void blob_path(const struct covey_store *store, const struct covey_digest *digest,
                      char path[static PATH_LEN])
{
    char hex[COVEY_DIGEST_HEX];
    covey__digest_hex(digest, hex);
    snprintf(path, PATH_LEN, "%s/store/%.2s/%s", store->dir, hex, hex);
}

bool covey__store_has(const struct covey_store *store, const struct covey_digest *digest)
{
    char path[PATH_LEN];
    blob_path(store, digest, path);
    return access(path, R_OK) == 0;
}

static covey_err write_all(int fd, struct covey_bytes blob)
{
    size_t pos = 0;
    while (pos < blob.len) {
        ssize_t n = write(fd, blob.ptr + pos, blob.len - pos);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return write_error();
        }
        pos += (size_t)n;
    }
    return COVEY_OK;
}

/* Renamed into place when whole. */
static covey_err write_blob(const struct covey_store *store, const struct covey_digest *digest,
                            struct covey_bytes blob)
{
    char path[PATH_LEN], folder[PATH_LEN], temp[PATH_LEN + 16];
    blob_path(store, digest, path);
    char hex[COVEY_DIGEST_HEX];
    covey__digest_hex(digest, hex);
    snprintf(folder, sizeof(folder), "%s/store/%.2s", store->dir, hex);
    covey_err err = make_dir(folder);
    if (err != COVEY_OK) {
        return err;
    }
    snprintf(temp, sizeof(temp), "%s.XXXXXX", path);
    int fd = mkstemp(temp);
    if (fd < 0) {
        return write_error();
    }
    err = write_all(fd, blob);
    if (close(fd) != 0 || (err == COVEY_OK && rename(temp, path) != 0)) {
        err = COVEY_ERR_IO;
    }
    if (err != COVEY_OK) {
        unlink(temp);
    }
    return err;
}

/* Its bytes are its own. */
static covey_err put(const struct covey_store *store, const struct covey_digest *digest,
                     struct covey_bytes blob)
{
    covey_err err = COVEY_OK;
    if (store->index != NULL) {
        err = covey__index_room(store->index, digest, blob.len);
    }
    if (err == COVEY_OK) {
        err = write_blob(store, digest, blob);
    }
    if (err == COVEY_OK && store->index != NULL) {
        err = covey__index_put(store->index, digest, blob.len, covey_wall_ms());
    }
    covey_pace_step();
    return err;
}

covey_err covey__store_put(const struct covey_store *store, const struct covey_digest *digest,
                           struct covey_bytes blob)
{
    struct covey_digest found;
    covey_hash(&found, blob);
    if (!covey_digest_equal(&found, digest)) {
        return COVEY_ERR_AUTH;
    }
    return covey__store_has(store, digest) ? COVEY_OK : put(store, digest, blob);
}

/* What a crash tore is written anew: the same bytes may well be made again after it. */
covey_err covey__store_make(const struct covey_store *store, struct covey_bytes blob,
                            struct covey_digest *out)
{
    struct covey_digest digest;
    covey_hash(&digest, blob);
    covey_err err = covey__store_pin(store, &digest);
    if (err != COVEY_OK) {
        return err;
    }
    if (!covey__store_whole(store, &digest)) {
        err = put(store, &digest, blob);
    }
    if (err != COVEY_OK) {
        covey__store_unpin(store, &digest);
        return err;
    }
    *out = digest;
    return COVEY_OK;
}

static covey_err sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? COVEY_ERR_NOT_FOUND : COVEY_ERR_IO;
    }
    int rc = fsync(fd);
    close(fd);
    return rc == 0 ? COVEY_OK : COVEY_ERR_IO;
}

/* The rename is on the disk once its folder is, and a new folder once the one above it is. */
covey_err covey__store_sync(const struct covey_store *store, const struct covey_digest *digest)
{
    char path[PATH_LEN];
    blob_path(store, digest, path);
    covey_err err = sync_path(path, O_RDONLY);
    for (int above = 0; above < 2 && err == COVEY_OK; above++) {
        *strrchr(path, '/') = 0;
        err = sync_path(path, O_RDONLY | O_DIRECTORY);
    }
    covey_pace_step();
    return err;
}

covey_err covey__store_add(const struct covey_store *store, const struct covey_digest *digest,
                           struct covey_bytes blob)
{
    bool ignored = false;
    covey_err err = covey__store_keep(store, digest, &ignored);
    return err == COVEY_OK ? covey__store_put(store, digest, blob) : err;
}

covey_err covey__store_keep(const struct covey_store *store, const struct covey_digest *digest,
                            bool *out_new)
{
    *out_new = false;
    return store->index != NULL ? covey__index_keep(store->index, digest, out_new) : COVEY_OK;
}

covey_err covey__store_pin(const struct covey_store *store, const struct covey_digest *digest)
{
    return store->index != NULL ? covey__index_pin(store->index, digest) : COVEY_OK;
}

void covey__store_unpin(const struct covey_store *store, const struct covey_digest *digest)
{
    if (store->index != NULL) {
        covey__index_unpin(store->index, digest);
    }
}

/* What was read: the digest must be its own, which is looked at once. */
static covey_err verify(const struct covey_store *store, const struct covey_digest *digest,
                        struct covey_bytes blob)
{
    struct covey_digest found;
    if (store->index != NULL && covey__index_verified(store->index, digest, false)) {
        return COVEY_OK;
    }
    covey_hash(&found, blob);
    if (!covey_digest_equal(&found, digest)) {
        return COVEY_ERR_MALFORMED;
    }
    if (store->index != NULL) {
        covey__index_verified(store->index, digest, true);
    }
    return COVEY_OK;
}

static void used(const struct covey_store *store, const struct covey_digest *digest,
                 const char *path)
{
    if (store->index != NULL && covey__index_used(store->index, digest, covey_wall_ms())) {
        (void)utimensat(AT_FDCWD, path, NULL, 0); /* only the order after a restart */
    }
}

/* It is not what its name says. */
static void discard(const struct covey_store *store, const struct covey_digest *digest,
                    const char *path)
{
    unlink(path);
    if (store->index != NULL) {
        covey__index_gone(store->index, digest);
    }
}

void covey__store_remove(const struct covey_store *store, const struct covey_digest *digest)
{
    char path[PATH_LEN];
    blob_path(store, digest, path);
    discard(store, digest, path);
}

void covey__store_drop(const struct covey_store *store, const struct covey_digest *digest)
{
    char path[PATH_LEN];
    if (store->index != NULL) {
        covey__index_drop(store->index, digest);
        return;
    }
    blob_path(store, digest, path);
    unlink(path);
}

static covey_err read_all(int fd, uint8_t *data, size_t len)
{
    size_t pos = 0;
    while (pos < len) {
        ssize_t n = read(fd, data + pos, len - pos);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return COVEY_ERR_IO;
        }
        if (n == 0) {
            return COVEY_ERR_MALFORMED;
        }
        pos += (size_t)n;
    }
    return COVEY_OK;
}

covey_err covey__store_get(const struct covey_store *store, const struct covey_digest *digest,
                           void *data, size_t len)
{
    char path[PATH_LEN];
    blob_path(store, digest, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? COVEY_ERR_NOT_FOUND : COVEY_ERR_IO;
    }
    struct stat st;
    covey_err err = COVEY_ERR_IO;
    if (fstat(fd, &st) == 0) {
        err = (size_t)st.st_size == len ? read_all(fd, data, len) : COVEY_ERR_MALFORMED;
    }
    close(fd);
    if (err == COVEY_OK) {
        err = verify(store, digest, covey_bytes_of(data, len));
    }
    if (err == COVEY_ERR_MALFORMED) {
        discard(store, digest, path);
    } else if (err == COVEY_OK) {
        used(store, digest, path);
    }
    covey_pace_step();
    return err;
}

static covey_err body_of(const struct covey_store *store, const char *path,
                         const struct covey_digest *digest, struct covey_body **out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct covey_body *body = NULL;
    struct stat st;
    if (fd < 0) {
        return errno == ENOENT ? COVEY_ERR_NOT_FOUND : COVEY_ERR_IO;
    }
    covey_err err = fstat(fd, &st) == 0 && st.st_size > 0 ? COVEY_OK : COVEY_ERR_IO;
    if (err == COVEY_OK) {
        err = covey_body_new((size_t)st.st_size, &body);
    }
    if (err == COVEY_OK) {
        err = read_all(fd, body->data, body->len);
    }
    close(fd);
    if (err == COVEY_OK) {
        err = verify(store, digest, covey_bytes_of(body->data, body->len));
    }
    if (err == COVEY_ERR_MALFORMED) {
        discard(store, digest, path);
    }
    if (err != COVEY_OK) {
        covey_body_unref(body);
        return err;
    }
    used(store, digest, path);
    covey_pace_step();
    *out = body;
    return COVEY_OK;
}

covey_err covey__store_body(const struct covey_store *store, const struct covey_digest *digest,
                            struct covey_body **out)
{
    char path[PATH_LEN];
    blob_path(store, digest, path);
    covey_err err = body_of(store, path, digest, out);
    if (err == COVEY_ERR_NOT_FOUND) {
        covey__manifest_path(store, digest, path);
        err = body_of(store, path, digest, out);
    }
    return err;
}

bool covey__store_whole(const struct covey_store *store, const struct covey_digest *digest)
{
    struct covey_body *body = NULL;
    if (store->index != NULL && covey__store_has(store, digest) &&
        covey__index_verified(store->index, digest, false)) {
        return true;
    }
    covey_err err = covey__store_body(store, digest, &body);
    covey_body_unref(body);
    return err == COVEY_OK;
}

/* ---- quota ---- */

static void drop_file(void *user, const struct covey_digest *digest)
{
    char path[PATH_LEN];
    blob_path(user, digest, path);
    unlink(path);
}

/* One file of the store: a blob, or what a crash left of one. */
static covey_err look_at(struct covey_store *store, const char *folder, const char *name)
{
    char path[PATH_LEN + 300];
    struct stat st;
    struct covey_digest digest;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return COVEY_OK;
    }
    if (!covey__digest_of_hex(name, &digest)) {
        unlink(path);
        return COVEY_OK;
    }
    uint64_t used_ms = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
    return covey__index_found(store->index, &digest, (uint64_t)st.st_size, used_ms);
}

static covey_err look_through(struct covey_store *store, unsigned byte)
{
    char folder[PATH_LEN];
    snprintf(folder, sizeof(folder), "%s/store/%02x", store->dir, byte);
    DIR *dir = opendir(folder);
    struct dirent *entry;
    covey_err err = COVEY_OK;
    while (dir != NULL && err == COVEY_OK && (entry = readdir(dir)) != NULL) {
        err = look_at(store, folder, entry->d_name);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return err;
}

static uint64_t quarter_of_free(const struct covey_store *store)
{
    struct statvfs fs;
    bool ok = statvfs(store->dir, &fs) == 0;
    return ok ? (uint64_t)fs.f_bavail * fs.f_frsize / 4 : 1u << 30;
}

covey_err covey__store_limit(struct covey_store *store, uint64_t quota)
{
    uint64_t bytes = quota != 0 ? quota : quarter_of_free(store);
    covey_err err = covey__index_new(bytes, drop_file, store, &store->index);
    if (err == COVEY_OK) {
        err = covey__store_keep_models(store);
    }
    for (unsigned byte = 0; byte < 256 && err == COVEY_OK; byte++) {
        err = look_through(store, byte);
    }
    return err;
}

void covey__store_trim(const struct covey_store *store)
{
    struct covey_digest none = {{0}};
    covey_err over = store->index != NULL ? covey__index_room(store->index, &none, 0) : COVEY_OK;
    (void)over; /* what is pinned stays all the same */
}

uint64_t covey__store_len(const struct covey_store *store, const struct covey_digest *digest)
{
    return store->index != NULL ? covey__index_len(store->index, digest) : 0;
}

uint64_t covey__store_quota(const struct covey_store *store)
{
    return store->index != NULL ? covey__index_quota(store->index) : UINT64_MAX;
}

void covey__store_close(struct covey_store *store)
{
    covey__index_free(store->index);
    store->index = NULL;
}
