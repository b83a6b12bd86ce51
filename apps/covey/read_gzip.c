/* SPDX-License-Identifier: MIT */
#include "read_decode.h"

#include <stdlib.h>

#include <zlib.h>

#include "read_file.h"

enum {
    ROOM_MIN = 1 << 16,
    CHUNK_MAX = 1 << 30, /* zlib counts in 32 bits */
    GZIP_WINDOW = 16 + MAX_WBITS,
};

struct gunzip {
    z_stream z;
    struct covey_bytes in;
    size_t at; /* of in, what zlib has been given */
    size_t max;
    struct covey_buf out; /* len: room */
    size_t used;
};

/* Twice the room, but never more than one byte beyond max: that byte tells that there is more. */
static covey_err grow(struct gunzip *g)
{
    size_t room = g->out.len == 0 ? ROOM_MIN : 2 * g->out.len;
    room = room > g->max ? g->max + 1 : room;
    if (g->used > g->max) {
        return COVEY_ERR_LIMIT;
    }
    uint8_t *more = realloc(g->out.ptr, room);
    if (!more) {
        return COVEY_ERR_NOMEM;
    }
    g->out = (struct covey_buf){more, room};
    return COVEY_OK;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Uncompresses one member. */
static covey_err member(struct gunzip *g)
{
    for (;;) {
        covey_err err = g->used == g->out.len ? grow(g) : COVEY_OK;
        if (err) {
            return err;
        }
        size_t given = least(g->in.len - g->at, CHUNK_MAX);
        size_t room = least(g->out.len - g->used, CHUNK_MAX);
        g->z.next_in = (z_const Bytef *)(uintptr_t)(g->in.ptr + g->at); /* only read */
        g->z.avail_in = (unsigned)given;
        g->z.next_out = g->out.ptr + g->used;
        g->z.avail_out = (unsigned)room;
        int state = inflate(&g->z, Z_NO_FLUSH);
        g->at += given - g->z.avail_in;
        g->used += room - g->z.avail_out;
        if (state == Z_STREAM_END) {
            return g->used > g->max ? COVEY_ERR_LIMIT : COVEY_OK;
        }
        if (state == Z_BUF_ERROR && g->z.avail_out > 0) {
            return COVEY_ERR_SHORT;
        }
        if (state != Z_OK && state != Z_BUF_ERROR) {
            return state == Z_MEM_ERROR ? COVEY_ERR_NOMEM : COVEY_ERR_MALFORMED;
        }
    }
}

/* Tapes and block devices pad with zeros; gzip ignores them too. */
static bool only_zeros(struct covey_bytes in, size_t at)
{
    while (at < in.len && in.ptr[at] == 0) {
        at++;
    }
    return at == in.len;
}

covey_err covey__gunzip(struct covey_bytes in, size_t max, struct covey_buf *out,
                        struct covey_nn_error *why)
{
    struct gunzip g = {.in = in, .max = max};
    if (inflateInit2(&g.z, GZIP_WINDOW) != Z_OK) {
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    covey_err err = member(&g);
    while (!err && !only_zeros(in, g.at)) {
        err = inflateReset(&g.z) == Z_OK ? member(&g) : COVEY_ERR_MALFORMED;
    }
    (void)inflateEnd(&g.z);
    if (err) {
        free(g.out.ptr);
        return err == COVEY_ERR_LIMIT
                   ? covey__why(err, why, "it has more than %zu bytes uncompressed", max)
                   : covey__why(err, why, "gzip: %s", covey_strerror(err));
    }
    *out = (struct covey_buf){g.out.ptr, g.used};
    return COVEY_OK;
}

covey_err covey__gzip_read(const char *path, size_t max, struct covey_buf *out,
                           struct covey_nn_error *why)
{
    struct covey_buf file = {0};
    struct covey_buf plain = {0};
    struct covey_nn_error inner = {""};
    covey_err err = covey__file_read(path, max, &file, why);
    if (err) {
        return err;
    }
    if (file.len < 2 || file.ptr[0] != 0x1f || file.ptr[1] != 0x8b) {
        *out = file;
        return COVEY_OK;
    }
    err = covey__gunzip(covey_bytes_of(file.ptr, file.len), max, &plain, &inner);
    free(file.ptr);
    if (err) {
        return covey__why_file(err, why, path, &inner);
    }
    *out = plain;
    return COVEY_OK;
}
