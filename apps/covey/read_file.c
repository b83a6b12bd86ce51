/* SPDX-License-Identifier: MIT */
#include "read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "read_why.h"

enum { ALIGNMENT = 64 };

static covey_err fail_errno(struct covey_nn_error *why, const char *path, int number)
{
    char text[128];
    if (strerror_r(number, text, sizeof text) != 0) {
        text[0] = '\0';
    }
    return covey__why(number == ENOENT ? COVEY_ERR_NOT_FOUND : COVEY_ERR_IO, why, "%.120s: %s",
                      path, text);
}

static covey_err read_all(int fd, const char *path, size_t len, uint8_t *out,
                          struct covey_nn_error *why)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = read(fd, out + got, len - got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_errno(why, path, errno);
        }
        if (n == 0) {
            return covey__why(COVEY_ERR_IO, why, "%.120s: it became shorter while it was read",
                              path);
        }
        got += (size_t)n;
    }
    return COVEY_OK;
}

covey_err covey__file_read(const char *path, size_t max, struct covey_buf *out,
                           struct covey_nn_error *out_why)
{
    struct stat st;
    uint8_t *bytes = NULL;
    /* Not blocking: opening a pipe must not wait for its other end. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return fail_errno(out_why, path, errno);
    }
    covey_err err = COVEY_OK;
    if (fstat(fd, &st) != 0) {
        err = fail_errno(out_why, path, errno);
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        err = covey__why(COVEY_ERR_IO, out_why, "%.120s: it is not a regular file", path);
        goto out;
    }
    if ((uint64_t)st.st_size > max) {
        err = covey__why(COVEY_ERR_LIMIT, out_why, "%.120s: more than %zu bytes", path, max);
        goto out;
    }
    size_t len = (size_t)st.st_size;
    bytes = aligned_alloc(ALIGNMENT, (len / ALIGNMENT + 1) * ALIGNMENT);
    if (!bytes) {
        err = covey__why(COVEY_ERR_NOMEM, out_why, "%.120s: out of memory", path);
        goto out;
    }
    err = read_all(fd, path, len, bytes, out_why);
    if (!err) {
        *out = (struct covey_buf){bytes, len};
        bytes = NULL;
    }
out:
    free(bytes);
    close(fd);
    return err;
}

bool covey__is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool covey__is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool covey__find_file(const char *dir, const char *name, char out[static COVEY_READ_PATH])
{
    static const char *const endings[] = {"", ".gz"};
    for (size_t i = 0; i < 2; i++) {
        int wrote = snprintf(out, COVEY_READ_PATH, "%s/%s%s", dir, name, endings[i]);
        if (wrote > 0 && wrote < COVEY_READ_PATH && covey__is_file(out)) {
            return true;
        }
    }
    return false;
}

static bool is_stream(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static void drop(const struct covey_file_writer *w)
{
    if (w->temporary[0] != '\0') {
        unlink(w->temporary);
    }
}

covey_err covey__file_create(const char *path, struct covey_file_writer *out,
                             struct covey_nn_error *out_why)
{
    int wrote = snprintf(out->temporary, sizeof out->temporary, "%s.XXXXXX", path);
    if (wrote < 0 || (size_t)wrote >= sizeof out->temporary) {
        return covey__why(COVEY_ERR_LIMIT, out_why, "%.120s: the path is too long", path);
    }
    bool stream = is_stream(path);
    int fd = stream ? open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC) : mkstemp(out->temporary);
    if (fd < 0) {
        covey_err ignored = fail_errno(out_why, path, errno);
        (void)ignored;
        return COVEY_ERR_IO; /* a folder that is not there is no input that is not there */
    }
    if (stream) {
        out->temporary[0] = '\0';
    }
    out->error = 0;
    out->file = fdopen(fd, "wb");
    if (!out->file) {
        close(fd);
        drop(out);
        return covey__why(COVEY_ERR_NOMEM, out_why, "%.120s: out of memory", path);
    }
    return COVEY_OK;
}

void covey__file_write(struct covey_file_writer *w, const void *data, size_t len)
{
    errno = 0;
    if (w->error == 0 && fwrite(data, 1, len, w->file) != len) {
        w->error = errno != 0 ? errno : EIO;
    }
}

covey_err covey__file_commit(struct covey_file_writer *w, const char *path,
                             struct covey_nn_error *out_why)
{
    int number = w->error;
    bool temporary = w->temporary[0] != '\0';
    errno = 0;
    if (number == 0 && fflush(w->file) != 0) {
        number = errno ? errno : EIO;
    }
    if (number == 0 && temporary &&
        (fsync(fileno(w->file)) != 0 || fchmod(fileno(w->file), 0644) != 0)) {
        number = errno ? errno : EIO;
    }
    if (fclose(w->file) != 0 && number == 0) {
        number = errno;
    }
    if (number == 0 && temporary && rename(w->temporary, path) != 0) {
        number = errno;
    }
    if (number != 0) {
        drop(w);
        return fail_errno(out_why, path, number);
    }
    return COVEY_OK;
}
