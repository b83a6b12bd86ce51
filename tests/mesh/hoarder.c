/* SPDX-License-Identifier: MIT
 *
 * hoarder STATE PORT BYTES: a member that opens a channel to the node of this machine that listens
 * there, begins messages with bodies of so many bytes until they are as many as one may, and sends
 * of each body all but the end. Prints how many bytes the node took, and whether it hung up.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel_send.h"
#include "covey/crypto.h"
#include "covey/loop.h"

enum { PATIENCE_S = 60 };

static int dial(uint16_t port)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0) {
        perror("connect");
        exit(2);
    }
    return fd;
}

static bool send_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool shake_hands(int fd, const struct covey_identity *identity, struct covey_sealer *out)
{
    static struct covey_handshake h;
    struct covey_sealer unread;
    uint8_t in[4096], reply[COVEY_HANDSHAKE_MAX + 2];
    size_t in_len = 0;
    covey_handshake_init(&h, true, identity, NULL);
    for (;;) {
        size_t len = 0, used = 0;
        covey_err err = covey_handshake_step(&h, covey_bytes_of(in, in_len), covey_wall_s(),
                                             (struct covey_buf){reply, sizeof(reply)}, &len, &used);
        if (err != COVEY_OK || !send_all(fd, reply, len)) {
            return false;
        }
        memmove(in, in + used, in_len -= used);
        if (h.state == COVEY_HANDSHAKE_DONE) {
            return covey_handshake_finish(&h, out, &unread) == COVEY_OK;
        }
        ssize_t n = recv(fd, in + in_len, sizeof(in) - in_len, 0);
        if (n <= 0) {
            return false;
        }
        in_len += (size_t)n;
    }
}

static bool send_record(int fd, struct covey_sealer *sealer, enum covey_record_kind kind,
                        uint16_t stream, struct covey_bytes plain)
{
    uint8_t out[COVEY_RECORD_MAX + COVEY_RECORD_OVERHEAD];
    size_t len = 0;
    return covey_record_seal(sealer, kind, stream, plain, (struct covey_buf){out, sizeof(out)},
                             &len) == COVEY_OK &&
           send_all(fd, out, len);
}

static bool begin(int fd, struct covey_sealer *sealer, uint16_t stream, uint32_t body_len)
{
    uint8_t plain[COVEY__FRAME_HEAD] = {COVEY__FRAME_BODY};
    covey_store16(plain + 1, stream);
    covey_store32(plain + 3, body_len);
    return send_record(fd, sealer, COVEY_RECORD_CONTROL, stream,
                       covey_bytes_of(plain, sizeof(plain)));
}

int main(int argc, char **argv)
{
    static const uint8_t piece[COVEY_RECORD_MAX];
    struct covey_identity *identity = NULL;
    struct covey_identity_error why;
    struct covey_sealer sealer;
    uint32_t body_len = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
    if (body_len < sizeof(piece) || body_len > COVEY_BODY_MAX || covey_crypto_init() != COVEY_OK ||
        covey_identity_load(argv[1], true, covey_wall_s(), &identity, &why) != COVEY_OK) {
        fprintf(stderr, "usage: hoarder STATE PORT BYTES\n");
        return 2;
    }
    int fd = dial((uint16_t)strtoul(argv[2], NULL, 10));
    if (!shake_hands(fd, identity, &sealer)) {
        fprintf(stderr, "not let in\n");
        return 2;
    }
    size_t sent = 0;
    bool on = true;
    for (uint16_t stream = 0; on && stream < COVEY__FRAME_OPEN_MAX / body_len; stream++) {
        on = begin(fd, &sealer, stream, body_len);
        for (size_t at = 0; on && at < body_len - sizeof(piece); at += sizeof(piece)) {
            on = send_record(fd, &sealer, COVEY_RECORD_BODY, stream,
                             covey_bytes_of(piece, sizeof(piece)));
            sent += on ? sizeof(piece) : 0;
        }
    }
    printf("%zu %s\n", sent, on ? "all" : "hung-up");
    covey_sealer_done(&sealer);
    covey_identity_free(identity);
    close(fd);
    return 0;
}
