/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "covey/crypto.h"
#include "covey/files.h"
#include "covey/limits.h"

enum { PATH_LEN = 700, MANIFEST_MAX = 16 * 1024 * 1024 };

void covey__digest_hex(const struct covey_digest *digest, char out[static COVEY_DIGEST_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof(digest->bytes); i++) {
        out[2 * i] = digits[digest->bytes[i] >> 4];
        out[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    out[COVEY_DIGEST_HEX - 1] = 0;
}

static bool hex_digest(const char *text, struct covey_digest *out)
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

static covey_err make_dir(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? COVEY_OK : COVEY_ERR_IO;
}

covey_err covey__store_open(struct covey_store *store, const char *state_dir)
{
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
            return COVEY_ERR_IO;
        }
        pos += (size_t)n;
    }
    return COVEY_OK;
}

covey_err covey__store_put(const struct covey_store *store, const struct covey_digest *digest,
                           struct covey_bytes blob)
{
    struct covey_digest found;
    covey_hash(&found, blob);
    if (!covey_digest_equal(&found, digest)) {
        return COVEY_ERR_AUTH;
    }
    char path[PATH_LEN], folder[PATH_LEN], temp[PATH_LEN + 16];
    blob_path(store, digest, path);
    if (access(path, R_OK) == 0) {
        return COVEY_OK;
    }
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
        return COVEY_ERR_IO;
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
        struct covey_digest found;
        covey_hash(&found, covey_bytes_of(data, len));
        err = covey_digest_equal(&found, digest) ? COVEY_OK : COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_ERR_MALFORMED) {
        unlink(path);
    }
    return err;
}

static covey_err body_of(const char *path, const struct covey_digest *digest,
                         struct covey_body **out)
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
        struct covey_digest found;
        covey_hash(&found, covey_bytes_of(body->data, body->len));
        err = covey_digest_equal(&found, digest) ? COVEY_OK : COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_ERR_MALFORMED) {
        unlink(path);
    }
    if (err != COVEY_OK) {
        covey_body_unref(body);
        return err;
    }
    *out = body;
    return COVEY_OK;
}

static void manifest_path(const struct covey_store *store, const struct covey_digest *id,
                          char path[static PATH_LEN])
{
    char hex[COVEY_DIGEST_HEX];
    covey__digest_hex(id, hex);
    snprintf(path, PATH_LEN, "%s/models/%s", store->dir, hex);
}

covey_err covey__store_body(const struct covey_store *store, const struct covey_digest *digest,
                            struct covey_body **out)
{
    char path[PATH_LEN];
    blob_path(store, digest, path);
    covey_err err = body_of(path, digest, out);
    if (err == COVEY_ERR_NOT_FOUND) {
        manifest_path(store, digest, path);
        err = body_of(path, digest, out);
    }
    return err;
}

covey_err covey__store_put_manifest(const struct covey_store *store, const struct covey_digest *id,
                                    struct covey_bytes manifest)
{
    char path[PATH_LEN];
    manifest_path(store, id, path);
    return covey_file_write(path, manifest, 0600);
}

covey_err covey__store_get_manifest(const struct covey_store *store, const struct covey_digest *id,
                                    uint8_t **out, size_t *out_len)
{
    char path[PATH_LEN];
    manifest_path(store, id, path);
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
    char path[PATH_LEN];
    snprintf(path, sizeof(path), "%s/models", store->dir);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return 0;
    }
    size_t count = 0;
    struct dirent *entry;
    while (count < max && (entry = readdir(dir)) != NULL) {
        if (hex_digest(entry->d_name, &out[count])) {
            count++;
        }
    }
    closedir(dir);
    return count;
}
