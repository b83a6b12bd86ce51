/* SPDX-License-Identifier: MIT */
#include "read_decode.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

enum { ROOM_MIN = 1 << 16, CHUNK_MAX = 1 << 24 };

/* Reads until the end, growing; a file that goes on behind max is refused. */
static covey_err read_stream(gzFile gz, size_t max, struct covey_buf *out)
{
    size_t room = ROOM_MIN;
    size_t used = 0;
    uint8_t *bytes = malloc(room);
    covey_err err = bytes ? COVEY_OK : COVEY_ERR_NOMEM;
    while (!err) {
        size_t want = room - used < CHUNK_MAX ? room - used : CHUNK_MAX;
        int got = gzread(gz, bytes + used, (unsigned)want);
        if (got < 0) {
            err = COVEY_ERR_MALFORMED;
            break;
        }
        if (got == 0) {
            break;
        }
        used += (size_t)got;
        if (used > max) {
            err = COVEY_ERR_LIMIT;
        } else if (used == room) {
            uint8_t *more = realloc(bytes, 2 * room);
            err = more ? COVEY_OK : COVEY_ERR_NOMEM;
            bytes = more ? more : bytes;
            room *= more ? 2 : 1;
        }
    }
    /* A stream that is cut off ends like a whole one; only the state tells. */
    int state = Z_OK;
    (void)gzerror(gz, &state);
    if (!err && state != Z_OK) {
        err = COVEY_ERR_SHORT;
    }
    if (err) {
        free(bytes);
        return err;
    }
    *out = (struct covey_buf){bytes, used};
    return COVEY_OK;
}

covey_err covey__gzip_read(const char *path, size_t max, struct covey_buf *out,
                           struct covey_nn_error *why)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return covey__why(errno == ENOENT ? COVEY_ERR_NOT_FOUND : COVEY_ERR_IO, why,
                          "%.120s: it cannot be opened", path);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return covey__why(COVEY_ERR_IO, why, "%.120s: it is not a regular file", path);
    }
    gzFile gz = gzdopen(fd, "rb");
    if (!gz) {
        close(fd);
        return covey__why(COVEY_ERR_NOMEM, why, "%.120s: out of memory", path);
    }
    covey_err err = read_stream(gz, max, out);
    /* Nothing was written, and what was read has been judged. */
    (void)gzclose(gz);
    return err ? covey__why(err, why, "%.120s: %s", path, covey_strerror(err)) : COVEY_OK;
}
