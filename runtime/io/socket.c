/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* struct ucred */
#include "covey/socket.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "body_shared.h"
#include "covey/pace.h"
#include "loop_internal.h"

enum {
    PREFIX = 8,
    BACKLOG = 16,
    CLIENTS_MAX = 64,
    GROUPS_MAX = 256,
    READ_SIZE = 64 * 1024,
    /* A client that reads nothing may hold back this much. */
    QUEUE_MAX = 2 * COVEY_FRAME_MAX,
    PATH_BYTES_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
};

static const char GROUP_NAME[] = "covey";

struct covey_socket {
    struct covey_socket_config config;
    char path[PATH_BYTES_MAX + 1];
    uv_loop_t *uv;
    uv_pipe_t listener;
    struct covey_socket_client *clients;
    size_t client_count;
    bool closing, bound, listener_closed;
};

/* A frame is read in three parts: prefix, header, body; memory grows as bytes arrive. */
struct covey_socket_client {
    struct covey_socket *owner;
    struct covey_socket_client *next;
    uv_pipe_t pipe;
    bool closing;
    size_t queued;
    uint8_t prefix[PREFIX];
    size_t prefix_len;
    size_t header_want, body_want;
    struct covey_body *header, *body;
    uint8_t in[READ_SIZE];
};

struct frame_write {
    uv_write_t uv;
    struct covey_socket_client *client;
    struct covey_body *body;
    size_t bytes;
    uint8_t head[]; /* prefix and header */
};

static void maybe_free(struct covey_socket *s)
{
    if (s->closing && s->listener_closed && s->clients == NULL) {
        free(s);
    }
}

static void drop_frame(struct covey_socket_client *c)
{
    covey_body_unref(c->header);
    covey_body_unref(c->body);
    c->header = NULL;
    c->body = NULL;
    c->prefix_len = 0;
}

static void on_client_closed(uv_handle_t *handle)
{
    struct covey_socket_client *c = handle->data;
    struct covey_socket *s = c->owner;
    for (struct covey_socket_client **at = &s->clients; *at != NULL; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            s->client_count--;
            break;
        }
    }
    if (!s->closing) {
        s->config.on_closed(s->config.user, c);
    }
    drop_frame(c);
    free(c);
    maybe_free(s);
}

static void close_client(struct covey_socket_client *c)
{
    if (!c->closing) {
        c->closing = true;
        uv_close((uv_handle_t *)&c->pipe, on_client_closed);
    }
}

/* Believes the lengths only within their limits. */
static covey_err begin_frame(struct covey_socket_client *c)
{
    uint32_t len = covey_load32(c->prefix);
    uint32_t header_len = covey_load32(c->prefix + 4);
    if (len < 4 || len > COVEY_FRAME_MAX || header_len > len - 4 ||
        header_len > COVEY_CONTROL_MAX || len - 4 - header_len > COVEY_BODY_MAX) {
        return COVEY_ERR_LIMIT;
    }
    c->header_want = header_len;
    c->body_want = len - 4 - header_len;
    covey_err err = covey_body_new(0, &c->header);
    if (err == COVEY_OK && c->body_want > 0) {
        err = covey_body_new(0, &c->body);
    }
    if (err == COVEY_OK && c->body_want > 0) {
        err = covey__body_expect(c->body, c->body_want);
    }
    return err;
}

static covey_err take_part(struct covey_body *part, size_t want, struct covey_bytes *in)
{
    size_t missing = want - part->len;
    size_t n = in->len < missing ? in->len : missing;
    covey_err err = covey_body_append(part, covey_bytes_of(in->ptr, n));
    if (err == COVEY_OK) {
        in->ptr += n;
        in->len -= n;
    }
    return err;
}

static void finish_frame(struct covey_socket_client *c)
{
    struct covey_body *header = c->header;
    struct covey_body *body = c->body;
    c->header = NULL;
    c->body = NULL;
    c->prefix_len = 0;
    struct covey_socket *s = c->owner;
    s->config.on_frame(s->config.user, c, covey_bytes_of(header->data, header->len), body);
    covey_body_unref(header);
}

static covey_err feed(struct covey_socket_client *c, struct covey_bytes in)
{
    while (!c->closing && (in.len > 0 || c->header != NULL)) {
        covey_err err = COVEY_OK;
        if (c->header == NULL) {
            size_t missing = PREFIX - c->prefix_len;
            size_t n = in.len < missing ? in.len : missing;
            memcpy(c->prefix + c->prefix_len, in.ptr, n);
            c->prefix_len += n;
            in.ptr += n;
            in.len -= n;
            if (c->prefix_len < PREFIX) {
                return COVEY_OK;
            }
            err = begin_frame(c);
        }
        if (err == COVEY_OK) {
            err = take_part(c->header, c->header_want, &in);
        }
        if (err == COVEY_OK && c->body != NULL) {
            err = take_part(c->body, c->body_want, &in);
        }
        if (err != COVEY_OK) {
            return err;
        }
        if (c->header->len < c->header_want || (c->body != NULL && c->body->len < c->body_want)) {
            return COVEY_OK; /* all bytes are taken */
        }
        finish_frame(c);
    }
    return COVEY_OK;
}

/* What is left of a body is read into its place: copying it would take as long again. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct covey_socket_client *c = handle->data;
    struct covey_body *body = c->body;
    *buf = uv_buf_init((char *)c->in, sizeof(c->in));
    if (body == NULL || c->header->len < c->header_want || body->len >= body->capacity) {
        return;
    }
    size_t missing = c->body_want - body->len, room = body->capacity - body->len;
    if (missing > 0) {
        *buf = uv_buf_init((char *)body->data + body->len,
                           (unsigned)(missing < room ? missing : room));
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct covey_socket_client *c = stream->data;
    if (n > 0 && buf->base != (char *)c->in) {
        c->body->len += (size_t)n;
        n = 0;
    }
    if (n < 0 || feed(c, covey_bytes_of(buf->base, (size_t)n)) != COVEY_OK) {
        close_client(c);
    }
}

/* Whether the group is among the peer's supplementary ones. */
static bool peer_has_group(int fd, gid_t group)
{
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof(groups);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0) {
        return false;
    }
    for (size_t i = 0; i < len / sizeof(groups[0]); i++) {
        if (groups[i] == group) {
            return true;
        }
    }
    return false;
}

static bool peer_is_allowed(const uv_pipe_t *pipe)
{
    uv_os_fd_t fd = -1;
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (uv_fileno((const uv_handle_t *)pipe, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        return false;
    }
    if (peer.uid == 0 || peer.uid == geteuid()) {
        return true;
    }
    const struct group *g = getgrnam(GROUP_NAME);
    return g != NULL && (peer.gid == g->gr_gid || peer_has_group(fd, g->gr_gid));
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct covey_socket *s = listener->data;
    struct covey_socket_client *c = status < 0 || s->closing ? NULL : calloc(1, sizeof(*c));
    if (c == NULL) {
        return;
    }
    int rc = uv_pipe_init(s->uv, &c->pipe, 0);
    COVEY_ASSERT(rc == 0);
    c->pipe.data = c;
    c->owner = s;
    c->next = s->clients;
    s->clients = c;
    s->client_count++;
    if (uv_accept(listener, (uv_stream_t *)&c->pipe) != 0 || s->client_count > CLIENTS_MAX ||
        !peer_is_allowed(&c->pipe) ||
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0) {
        close_client(c);
    }
}

/* Who may write to the folder may put another socket in the place of ours. */
static covey_err check_folder(const char *path, char out_why[static 256])
{
    char copy[PATH_BYTES_MAX + 1];
    struct stat st;
    snprintf(copy, sizeof(copy), "%s", path);
    const char *folder = dirname(copy);
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
        snprintf(out_why, 256, "no folder %.100s for the control socket", folder);
        return COVEY_ERR_IO;
    }
    if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0) {
        snprintf(out_why, 256, "anyone may write to %.100s", folder);
        return COVEY_ERR_PERMISSIONS;
    }
    return COVEY_OK;
}

/* Removes a socket that nobody listens on; anything else in its place stays. */
static covey_err clear_stale(const char *path, char out_why[static 256])
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        return COVEY_OK;
    }
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(out_why, 256, "%.107s is there and is no socket", path);
        return COVEY_ERR_EXISTS;
    }
    int fd = -1;
    covey_err err = covey_client_connect(path, &fd);
    if (err == COVEY_OK) {
        covey_client_close(fd);
    }
    if (err != COVEY_ERR_NOT_FOUND) {
        snprintf(out_why, 256, "another daemon listens on %.107s", path);
        return COVEY_ERR_EXISTS;
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        snprintf(out_why, 256, "the stale %.107s cannot be removed", path);
        return COVEY_ERR_IO;
    }
    return COVEY_OK;
}

/* Between bind and listen nobody can connect, so the mode is right before the first client. */
static covey_err listen_on(struct covey_socket *s, char out_why[static 256])
{
    int rc = uv_pipe_bind(&s->listener, s->path);
    s->bound = rc == 0;
    const struct group *g = getgrnam(GROUP_NAME);
    if (rc == 0 && g != NULL) {
        int ignored = chown(s->path, (uid_t)-1, g->gr_gid);
        (void)ignored; /* not in the group ourselves: root and our own user remain */
    }
    if (rc == 0 && chmod(s->path, 0660) != 0) {
        rc = -errno;
    }
    if (rc == 0) {
        rc = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
    }
    if (rc != 0) {
        snprintf(out_why, 256, "%.107s: %s", s->path, uv_strerror(rc));
        return COVEY_ERR_IO;
    }
    return COVEY_OK;
}

covey_err covey_socket_open(struct covey_loop *loop, const struct covey_socket_config *config,
                            struct covey_socket **out, char out_why[static 256])
{
    size_t len = strlen(config->path);
    if (len == 0 || len > PATH_BYTES_MAX) {
        snprintf(out_why, 256, "the control socket's path must have 1 to 107 bytes");
        return COVEY_ERR_LIMIT;
    }
    covey_err err = check_folder(config->path, out_why);
    if (err == COVEY_OK) {
        err = clear_stale(config->path, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_socket *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        snprintf(out_why, 256, "out of memory");
        return COVEY_ERR_NOMEM;
    }
    s->config = *config;
    memcpy(s->path, config->path, len + 1);
    s->config.path = s->path;
    s->uv = covey__loop_uv(loop);
    int rc = uv_pipe_init(s->uv, &s->listener, 0);
    COVEY_ASSERT(rc == 0);
    s->listener.data = s;
    err = listen_on(s, out_why);
    if (err != COVEY_OK) {
        covey_socket_close(s);
        return err;
    }
    *out = s;
    return COVEY_OK;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct covey_socket *s = handle->data;
    s->listener_closed = true;
    maybe_free(s);
}

void covey_socket_close(struct covey_socket *s)
{
    if (s == NULL || s->closing) {
        return;
    }
    s->closing = true;
    if (s->bound) {
        unlink(s->path);
    }
    uv_close((uv_handle_t *)&s->listener, on_listener_closed);
    for (struct covey_socket_client *c = s->clients; c != NULL; c = c->next) {
        close_client(c);
    }
}

static void on_written(uv_write_t *uv, int status)
{
    struct frame_write *w = uv->data;
    struct covey_socket_client *c = w->client;
    c->queued -= w->bytes;
    covey_body_unref(w->body);
    free(w);
    if (status < 0) {
        close_client(c);
    }
}

covey_err covey_socket_reply(struct covey_socket_client *client, struct covey_bytes header,
                             struct covey_body *body)
{
    size_t body_len = body == NULL ? 0 : body->len;
    if (client->closing) {
        return COVEY_ERR_CLOSED;
    }
    if (header.len > COVEY_CONTROL_MAX || body_len > COVEY_BODY_MAX) {
        return COVEY_ERR_LIMIT;
    }
    size_t bytes = PREFIX + header.len + body_len;
    if (client->queued + bytes > QUEUE_MAX) {
        return COVEY_ERR_BUSY;
    }
    struct frame_write *w = malloc(sizeof(*w) + PREFIX + header.len);
    if (w == NULL) {
        return COVEY_ERR_NOMEM;
    }
    covey_store32(w->head, (uint32_t)(bytes - 4));
    covey_store32(w->head + 4, (uint32_t)header.len);
    if (header.len > 0) {
        memcpy(w->head + PREFIX, header.ptr, header.len);
    }
    w->uv.data = w;
    w->client = client;
    w->bytes = bytes;
    w->body = body == NULL ? NULL : covey_body_ref(body);
    uv_buf_t parts[2] = {uv_buf_init((char *)w->head, (unsigned)(PREFIX + header.len))};
    if (body_len > 0) {
        parts[1] = uv_buf_init((char *)body->data, (unsigned)body_len);
    }
    covey_pace_effect();
    if (uv_write(&w->uv, (uv_stream_t *)&client->pipe, parts, body_len > 0 ? 2 : 1, on_written) !=
        0) {
        covey_body_unref(w->body);
        free(w);
        return COVEY_ERR_CLOSED;
    }
    client->queued += bytes;
    return COVEY_OK;
}
