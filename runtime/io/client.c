/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/stat.h>
#include <stdio.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "covey/socket.h"

enum { PREFIX = 8 }; /* length u32, header length u32 */

covey_err covey_client_connect(const char *path, int *out_fd)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(addr.sun_path)) {
        return COVEY_ERR_LIMIT;
    }
    memcpy(addr.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return COVEY_ERR_IO;
    }
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
        covey_err err = errno == ENOENT || errno == ECONNREFUSED ? COVEY_ERR_NOT_FOUND
                        : errno == EACCES || errno == EPERM      ? COVEY_ERR_DENIED
                                                                 : COVEY_ERR_IO;
        close(fd);
        return err;
    }
    *out_fd = fd;
    return COVEY_OK;
}

void covey_client_close(int fd)
{
    close(fd);
}

static covey_err send_all(int fd, struct covey_bytes in)
{
    while (in.len > 0) {
        ssize_t n = send(fd, in.ptr, in.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return errno == EPIPE || errno == ECONNRESET ? COVEY_ERR_CLOSED : COVEY_ERR_IO;
        }
        in.ptr += n;
        in.len -= (size_t)n;
    }
    return COVEY_OK;
}

covey_err covey_client_send(int fd, struct covey_bytes header, struct covey_bytes body)
{
    if (header.len > COVEY_CONTROL_MAX || body.len > COVEY_BODY_MAX) {
        return COVEY_ERR_LIMIT;
    }
    uint8_t prefix[PREFIX];
    covey_store32(prefix, (uint32_t)(4 + header.len + body.len));
    covey_store32(prefix + 4, (uint32_t)header.len);
    covey_err err = send_all(fd, covey_bytes_of(prefix, sizeof(prefix)));
    if (err == COVEY_OK) {
        err = send_all(fd, header);
    }
    if (err == COVEY_OK) {
        err = send_all(fd, body);
    }
    return err;
}

/* deadline on covey_clock_ns()'s clock; UINT64_MAX: never. */
static covey_err wait_readable(int fd, uint64_t deadline_ns)
{
    for (;;) {
        int timeout = -1;
        if (deadline_ns != UINT64_MAX) {
            uint64_t now = covey_clock_ns();
            timeout = now >= deadline_ns ? 0 : (int)((deadline_ns - now + 999999) / 1000000);
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int rc = poll(&p, 1, timeout);
        if (rc > 0) {
            return COVEY_OK;
        }
        if (rc == 0) {
            return COVEY_ERR_TIMEOUT;
        }
        if (errno != EINTR) {
            return COVEY_ERR_IO;
        }
    }
}

static covey_err receive_all(int fd, uint64_t deadline_ns, struct covey_buf into)
{
    while (into.len > 0) {
        covey_err err = wait_readable(fd, deadline_ns);
        if (err != COVEY_OK) {
            return err;
        }
        ssize_t n = recv(fd, into.ptr, into.len, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == ECONNRESET ? COVEY_ERR_CLOSED : COVEY_ERR_IO;
        }
        if (n == 0) {
            return COVEY_ERR_CLOSED;
        }
        into.ptr += n;
        into.len -= (size_t)n;
    }
    return COVEY_OK;
}

static covey_err receive_part(int fd, uint64_t deadline_ns, size_t len, uint8_t **out)
{
    uint8_t *part = malloc(len == 0 ? 1 : len);
    if (part == NULL) {
        return COVEY_ERR_NOMEM;
    }
    covey_err err = receive_all(fd, deadline_ns, (struct covey_buf){part, len});
    if (err != COVEY_OK) {
        free(part);
        return err;
    }
    *out = part;
    return COVEY_OK;
}

covey_err covey_client_receive(int fd, int timeout_ms, uint8_t **out_header, size_t *out_header_len,
                               uint8_t **out_body, size_t *out_body_len)
{
    uint64_t deadline =
        timeout_ms < 0 ? UINT64_MAX : covey_clock_ns() + (uint64_t)timeout_ms * 1000000;
    uint8_t prefix[PREFIX];
    covey_err err = receive_all(fd, deadline, (struct covey_buf){prefix, sizeof(prefix)});
    if (err != COVEY_OK) {
        return err;
    }
    uint32_t len = covey_load32(prefix);
    uint32_t header_len = covey_load32(prefix + 4);
    if (len < 4 || len > COVEY_FRAME_MAX || header_len > len - 4) {
        return COVEY_ERR_MALFORMED;
    }
    uint8_t *header = NULL;
    uint8_t *body = NULL;
    err = receive_part(fd, deadline, header_len, &header);
    if (err == COVEY_OK) {
        err = receive_part(fd, deadline, len - 4 - header_len, &body);
    }
    if (err != COVEY_OK) {
        free(header);
        return err;
    }
    *out_header = header;
    *out_header_len = header_len;
    *out_body = body;
    *out_body_len = len - 4 - header_len;
    return COVEY_OK;
}

covey_err covey_socket_path(const char *state_dir, char out[static COVEY_SOCKET_PATH_MAX + 1])
{
    static const char packaged_state[] = "/var/lib/covey", packaged_run[] = "/run/covey";
    struct stat st;
    bool packaged = strcmp(state_dir, packaged_state) == 0 && stat(packaged_run, &st) == 0 &&
                    S_ISDIR(st.st_mode);
    int n = snprintf(out, COVEY_SOCKET_PATH_MAX + 1, "%s/control.sock",
                     packaged ? packaged_run : state_dir);
    return n < 0 || n > COVEY_SOCKET_PATH_MAX ? COVEY_ERR_LIMIT : COVEY_OK;
}
