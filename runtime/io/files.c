/* SPDX-License-Identifier: MIT */
#include "covey/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static covey_err write_all(int fd, struct covey_bytes content)
{
    while (content.len > 0) {
        ssize_t n = write(fd, content.ptr, content.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return COVEY_ERR_IO;
        }
        content.ptr += n;
        content.len -= (size_t)n;
    }
    return COVEY_OK;
}

/* The rename is on the disk only once the folder is. */
static covey_err sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    if (slash == NULL) {
        memcpy(folder, ".", 2);
    } else if (len == 0) {
        memcpy(folder, "/", 2);
    } else {
        memcpy(folder, path, len);
        folder[len] = '\0';
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return COVEY_ERR_IO;
    }
    int rc = fsync(fd);
    close(fd);
    return rc == 0 ? COVEY_OK : COVEY_ERR_IO;
}

static covey_err fill_temporary(int fd, struct covey_bytes content, unsigned mode)
{
    /* The umask may have taken bits away from the mode given to mkostemp. */
    if (fchmod(fd, (mode_t)mode) != 0) {
        return COVEY_ERR_IO;
    }
    covey_err err = write_all(fd, content);
    if (err == COVEY_OK && fsync(fd) != 0) {
        err = COVEY_ERR_IO;
    }
    return err;
}

bool covey_file_is_stream(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static covey_err write_stream(const char *path, struct covey_bytes content)
{
    int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    covey_err err = fd >= 0 ? write_all(fd, content) : COVEY_ERR_IO;
    int saved = errno;
    if (fd >= 0 && close(fd) != 0 && err == COVEY_OK) {
        return COVEY_ERR_IO;
    }
    errno = saved;
    return err;
}

covey_err covey_file_write(const char *path, struct covey_bytes content, unsigned mode)
{
    char temporary[PATH_MAX];
    if (covey_file_is_stream(path)) {
        return write_stream(path, content);
    }
    int n = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return COVEY_ERR_LIMIT;
    }
    int fd = mkstemp(temporary); /* 0600 until the content is there */
    if (fd < 0) {
        return errno == ENOENT ? COVEY_ERR_NOT_FOUND : COVEY_ERR_IO;
    }
    covey_err err = fill_temporary(fd, content, mode);
    if (close(fd) != 0 && err == COVEY_OK) {
        err = COVEY_ERR_IO;
    }
    if (err == COVEY_OK && rename(temporary, path) != 0) {
        err = COVEY_ERR_IO;
    }
    if (err != COVEY_OK) {
        int saved = errno;
        unlink(temporary);
        errno = saved;
        return err;
    }
    return sync_folder(path);
}

static covey_err read_all(int fd, size_t size, uint8_t *into)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, into + have, size - have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return COVEY_ERR_IO; /* also a file that shrank meanwhile */
        }
        have += (size_t)n;
    }
    return COVEY_OK;
}

covey_err covey_file_read(const char *path, size_t max, uint8_t **out, size_t *out_len)
{
    covey_err err = COVEY_ERR_IO;
    uint8_t *content = NULL;
    /* Without O_NONBLOCK a FIFO in place of the file would stop the thread for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? COVEY_ERR_NOT_FOUND : COVEY_ERR_IO;
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0) {
        goto out;
    }
    if ((uintmax_t)st.st_size > max) {
        err = COVEY_ERR_LIMIT;
        goto out;
    }
    size_t size = (size_t)st.st_size;
    content = malloc(size == 0 ? 1 : size);
    if (content == NULL) {
        err = COVEY_ERR_NOMEM;
        goto out;
    }
    err = read_all(fd, size, content);
    if (err == COVEY_OK) {
        *out = content;
        *out_len = size;
        content = NULL;
    }
out:
    free(content);
    close(fd);
    return err;
}

bool covey_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
