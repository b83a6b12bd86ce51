/* SPDX-License-Identifier: MIT */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECK = 16, TITLE_MAX = 40 };

const struct covey__file covey__file_device_key = {"device.key", "covey device key 1\n"};
const struct covey__file covey__file_device_cert = {"device.cert", "covey device certificate 1\n"};
const struct covey__file covey__file_authority_key = {"authority.key", "covey authority key 1\n"};
const struct covey__file covey__file_authority_pub = {"authority.pub",
                                                      "covey authority public key 1\n"};
const struct covey__file covey__file_mesh_key = {"mesh.key", "covey mesh key 1\n"};
const struct covey__file covey__file_mesh_name = {"mesh.name", "covey mesh name 1\n"};
const struct covey__file covey__file_serial = {"serial", "covey serial 1\n"};
const struct covey__file covey__file_boot = {"boot", "covey boot counter 1\n"};

covey_err covey__key_why(struct covey_identity_error *why, covey_err err, const char *format, ...)
{
    if (why == NULL) {
        return err;
    }
    va_list args;
    va_start(args, format);
    int written = vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    if (written < 0) {
        why->text[0] = '\0';
    }
    for (char *c = why->text; *c != '\0'; c++) { /* paths may hold anything */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    return err;
}

/* errno with what was being done. */
static covey_err system_error(const struct covey__folder *f, const char *name, const char *verb)
{
    int code = errno;
    char text[96];
    if (strerror_r(code, text, sizeof(text)) != 0) {
        text[0] = '\0';
    }
    covey_err err = code == ENOENT ? COVEY_ERR_NOT_FOUND : COVEY_ERR_IO;
    return covey__key_why(f->why, err, "cannot %s %s%s%s: %s", verb, f->path,
                          name[0] != '\0' ? "/" : "", name, text);
}

static covey_err set_path(struct covey__folder *f, const char *path,
                          struct covey_identity_error *why)
{
    size_t len = strlen(path);
    f->fd = -1;
    f->why = why;
    f->path[0] = '\0';
    /* Room for a sibling's name and the longest file name. */
    if (len == 0 || len + 32 > sizeof(f->path)) {
        return covey__key_why(why, COVEY_ERR_RANGE, "the folder's name is empty or too long");
    }
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    memcpy(f->path, path, len);
    f->path[len] = '\0';
    return COVEY_OK;
}

/* name "" means the folder itself. */
static covey_err check_owner(const struct covey__folder *f, const char *name, const struct stat *st)
{
    const char *slash = name[0] != '\0' ? "/" : "";
    const char *mode = name[0] != '\0' ? "600" : "700";
    if (st->st_uid != geteuid()) {
        return covey__key_why(f->why, COVEY_ERR_PERMISSIONS,
                              "%s%s%s belongs to user %lu, not %lu; chown it, then chmod %s %s%s%s",
                              f->path, slash, name, (unsigned long)st->st_uid,
                              (unsigned long)geteuid(), mode, f->path, slash, name);
    }
    if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return covey__key_why(f->why, COVEY_ERR_PERMISSIONS,
                              "%s%s%s is open to other users (mode %03o); run: chmod %s %s%s%s",
                              f->path, slash, name, (unsigned)(st->st_mode & 0777), mode, f->path,
                              slash, name);
    }
    return COVEY_OK;
}

covey_err covey__folder_open(struct covey__folder *f, const char *path,
                             struct covey_identity_error *why)
{
    struct stat st;
    covey_err err = set_path(f, path, why);
    if (err != COVEY_OK) {
        return err;
    }
    f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->fd < 0 || fstat(f->fd, &st) != 0) {
        err = system_error(f, "", "open");
    } else {
        err = check_owner(f, "", &st);
    }
    if (err == COVEY_OK && flock(f->fd, LOCK_EX) != 0) {
        err = system_error(f, "", "lock");
    }
    if (err != COVEY_OK) {
        covey__folder_close(f);
    }
    return err;
}

covey_err covey__folder_make(struct covey__folder *f, const char *path,
                             struct covey_identity_error *why)
{
    static const char suffix[] = ".new-XXXXXX";
    covey_err err = set_path(f, path, why);
    if (err != COVEY_OK) {
        return err;
    }
    memcpy(f->path + strlen(f->path), suffix, sizeof(suffix));
    if (mkdtemp(f->path) == NULL) {
        f->path[strlen(f->path) - (sizeof(suffix) - 1)] = '\0'; /* as it was called */
        err = system_error(f, "", "make");
        return err == COVEY_ERR_NOT_FOUND ? COVEY_ERR_IO : err;
    }
    f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->fd < 0) {
        err = system_error(f, "", "open");
        int ignored = rmdir(f->path); /* the first failure is the one to tell */
        (void)ignored;
    }
    return err;
}

static covey_err sync_parent(const struct covey__folder *f)
{
    char parent[COVEY__PATH_MAX];
    memcpy(parent, f->path, sizeof(parent));
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        memcpy(parent, ".", 2);
    } else {
        slash[slash == parent ? 1 : 0] = '\0';
    }
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    covey_err err = COVEY_OK;
    if (fd < 0 || fsync(fd) != 0) {
        err = system_error(f, "", "flush the folder above");
    }
    if (fd >= 0) {
        close(fd);
    }
    return err;
}

covey_err covey__folder_publish(struct covey__folder *f, const char *path)
{
    struct covey__folder target;
    covey_err err = set_path(&target, path, f->why);
    if (err != COVEY_OK) {
        return err;
    }
    if (fsync(f->fd) != 0) {
        return system_error(f, "", "flush");
    }
    if (rename(f->path, target.path) != 0) { /* an empty folder gives way */
        if (errno == ENOTEMPTY || errno == EEXIST) {
            return covey__key_why(f->why, COVEY_ERR_EXISTS, "%s is not empty", target.path);
        }
        return system_error(&target, "", "make");
    }
    memcpy(f->path, target.path, sizeof(f->path));
    return sync_parent(f);
}

void covey__folder_remove(struct covey__folder *f, const struct covey__file *const *files,
                          size_t count)
{
    if (f->fd < 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        unlinkat(f->fd, files[i]->name, 0); /* not there: nothing to do */
    }
    int ignored = rmdir(f->path);
    (void)ignored;
}

void covey__folder_close(struct covey__folder *f)
{
    if (f->fd >= 0) {
        close(f->fd);
    }
    f->fd = -1;
}

bool covey__folder_holds(const char *path, const char *name)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool holds = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    close(fd);
    return holds;
}

static covey_err read_all(struct covey__folder *f, const char *name, uint8_t *out, size_t cap,
                          size_t *out_len)
{
    struct stat st;
    size_t len = 0;
    /* Non-blocking, or a pipe in place of a file would stop us here. */
    int fd = openat(f->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        covey_err opened = system_error(f, name, "open");
        if (fd >= 0) {
            close(fd);
        }
        return opened;
    }
    covey_err err = check_owner(f, name, &st);
    if (err == COVEY_OK && !S_ISREG(st.st_mode)) {
        err = covey__key_why(f->why, COVEY_ERR_MALFORMED, "%s/%s is not a file", f->path, name);
    }
    while (err == COVEY_OK && len < cap) {
        ssize_t got = read(fd, out + len, cap - len);
        if (got == 0) {
            break;
        }
        if (got > 0) {
            len += (size_t)got;
        } else if (errno != EINTR) {
            err = system_error(f, name, "read");
        }
    }
    close(fd);
    if (err == COVEY_OK) {
        *out_len = len;
    }
    return err;
}

static void check_of(uint8_t out[static CHECK], const uint8_t *ptr, size_t len)
{
    struct covey_digest digest;
    covey_hash(&digest, covey_bytes_of(ptr, len));
    memcpy(out, digest.bytes, CHECK);
}

/* Whether all of the file is there and as it was written. */
static bool file_whole(const struct covey__file *file, const uint8_t *all, size_t len)
{
    uint8_t check[CHECK];
    size_t title = strlen(file->title);
    if (len > COVEY__FILE_MAX || len < title + CHECK || memcmp(all, file->title, title) != 0) {
        return false;
    }
    check_of(check, all, len - CHECK);
    return covey_equal_ct(check, all + len - CHECK, CHECK);
}

covey_err covey__key_file_read(struct covey__folder *f, const struct covey__file *file, size_t min,
                               struct covey_buf out, size_t *out_len)
{
    uint8_t all[COVEY__FILE_MAX + 1];
    size_t title = strlen(file->title), overhead = title + CHECK, len = 0;
    covey_err err = read_all(f, file->name, all, sizeof(all), &len);
    if (err != COVEY_OK) {
        goto out;
    }
    if (!file_whole(file, all, len) || len - overhead < min || len - overhead > out.len) {
        err = covey__key_why(f->why, COVEY_ERR_MALFORMED, "%s/%s is damaged or not a %.*s file",
                             f->path, file->name, (int)title - 3, file->title);
        goto out;
    }
    memcpy(out.ptr, all + title, len - overhead);
    *out_len = len - overhead;
out:
    covey_wipe(all, sizeof(all));
    return err;
}

static bool write_all(int fd, const uint8_t *ptr, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, ptr, len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return false;
        }
        ptr += put;
        len -= (size_t)put;
    }
    return true;
}

static covey_err write_beside(struct covey__folder *f, const char *beside, const char *name,
                              struct covey_bytes all)
{
    unlinkat(f->fd, beside, 0); /* left by a crash */
    int fd = openat(f->fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return system_error(f, name, "write");
    }
    covey_err err = COVEY_OK;
    if (fchmod(fd, 0600) != 0 || !write_all(fd, all.ptr, all.len) || fsync(fd) != 0) {
        err = system_error(f, name, "write");
    }
    if (close(fd) != 0 && err == COVEY_OK) {
        err = system_error(f, name, "write");
    }
    if (err == COVEY_OK && renameat(f->fd, beside, f->fd, name) != 0) {
        err = system_error(f, name, "rename to");
    }
    if (err != COVEY_OK) {
        unlinkat(f->fd, beside, 0);
    } else if (fsync(f->fd) != 0) {
        err = system_error(f, name, "flush");
    }
    return err;
}

covey_err covey__key_file_write(struct covey__folder *f, const struct covey__file *file,
                                struct covey_bytes payload)
{
    uint8_t all[COVEY__FILE_MAX];
    char beside[96]; /* with the name of a device in it */
    size_t title = strlen(file->title);
    COVEY_ASSERT(title + payload.len + CHECK <= sizeof(all));
    int len = snprintf(beside, sizeof(beside), ".%s.new", file->name);
    COVEY_ASSERT(len > 0 && (size_t)len < sizeof(beside));
    memcpy(all, file->title, title);
    memcpy(all + title, payload.ptr, payload.len);
    check_of(all + title + payload.len, all, title + payload.len);
    covey_err err =
        write_beside(f, beside, file->name, covey_bytes_of(all, title + payload.len + CHECK));
    covey_wipe(all, sizeof(all));
    return err;
}

covey_err covey__file_read_u64(struct covey__folder *f, const struct covey__file *file,
                               uint64_t *out)
{
    uint8_t bytes[8];
    size_t len;
    covey_err err = covey__key_file_read(f, file, sizeof(bytes),
                                         (struct covey_buf){bytes, sizeof(bytes)}, &len);
    if (err == COVEY_OK) {
        *out = covey_load64(bytes);
    }
    return err;
}

covey_err covey__file_write_u64(struct covey__folder *f, const struct covey__file *file,
                                uint64_t value)
{
    uint8_t bytes[8];
    covey_store64(bytes, value);
    return covey__key_file_write(f, file, covey_bytes_of(bytes, sizeof(bytes)));
}
