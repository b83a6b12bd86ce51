/* SPDX-License-Identifier: MIT
 *
 * socket.h - the control socket: a Unix socket, mode 0660, peer credentials checked.
 *
 * Frames in both directions: length u32 little-endian || header length u32 || header (CBOR) || body
 * bytes (raw, may be none). A client is let in when its uid is 0, the daemon's own, or its group
 * (or a supplementary one) is `covey`.
 */
#ifndef COVEY_SOCKET_H
#define COVEY_SOCKET_H

#include "covey/body.h"
#include "covey/loop.h"

struct covey_socket;
struct covey_socket_client; /* valid until on_closed */

struct covey_socket_config {
    const char *path; /* at most 107 bytes; a stale socket is replaced, a live one is EXISTS */
    void *user;
    void (*on_frame)(void *user, struct covey_socket_client *client, struct covey_bytes header,
                     struct covey_body *take_body); /* body NULL if none */
    void (*on_closed)(void *user, struct covey_socket_client *client);
};

covey_err covey_socket_open(struct covey_loop *loop, const struct covey_socket_config *config,
                            struct covey_socket **out, char out_why[static 256]) COVEY_CHECK;
/* Unlinks; no callback follows, on_closed neither. */
void covey_socket_close(struct covey_socket *s);
/* Queues one frame; header copied, body referenced. CLOSED, LIMIT, BUSY when the client does not
 * read. */
covey_err covey_socket_reply(struct covey_socket_client *client, struct covey_bytes header,
                             struct covey_body *body) COVEY_CHECK;

enum { COVEY_SOCKET_PATH_MAX = 107 };
/* Where the node with this state directory listens, for the node and for those who look for it:
 * STATE/control.sock; for the packaged node (/var/lib/covey) /run/covey/control.sock when there is
 * that folder, since nobody else may enter the directory that holds the keys. LIMIT: too long. */
covey_err covey_socket_path(const char *state_dir,
                            char out[static COVEY_SOCKET_PATH_MAX + 1]) COVEY_CHECK;

/* The blocking side, for `covey`: plain file descriptors, no loop. */
covey_err covey_client_connect(const char *path, int *out_fd) COVEY_CHECK;
void covey_client_close(int fd);
covey_err covey_client_send(int fd, struct covey_bytes header, struct covey_bytes body) COVEY_CHECK;
/* Waits up to timeout_ms (-1: for ever) for one frame; header and body are heap, freed by the
 * caller with free(). */
covey_err covey_client_receive(int fd, int timeout_ms, uint8_t **out_header, size_t *out_header_len,
                               uint8_t **out_body, size_t *out_body_len) COVEY_CHECK;

#endif /* COVEY_SOCKET_H */
