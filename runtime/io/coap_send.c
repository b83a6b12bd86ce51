/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* struct in6_pktinfo */
#include "coap_send.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "covey/crypto.h"
#include "covey/pace.h"

enum { STOCK_PORT = 5684, SEND_BUFFER = 1024 * 1024 };

static bool bind_port(int fd, bool v6, uint16_t port)
{
    struct covey_addr any = {.port = port};
    if (!v6) {
        any.ip[10] = 0xff;
        any.ip[11] = 0xff;
    }
    struct sockaddr_storage sa;
    socklen_t len = covey__addr_to_socket(&any, v6, &sa);
    return bind(fd, (const struct sockaddr *)&sa, len) == 0;
}

static int open_socket(bool v6)
{
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int off = 0;
    if (fd >= 0 && v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

covey_err covey__coap_out_open(struct covey__coap_out *o, struct covey__shape *shape, uint16_t port)
{
    bool v6 = true;
    int fd = open_socket(true);
    if (fd < 0) {
        v6 = false;
        fd = open_socket(false);
    }
    if (fd < 0) {
        return COVEY_ERR_IO;
    }
    bool bound =
        port != 0 ? bind_port(fd, v6, port) : bind_port(fd, v6, STOCK_PORT) || bind_port(fd, v6, 0);
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    struct covey_addr self;
    if (!bound || getsockname(fd, (struct sockaddr *)&sa, &len) != 0 ||
        covey__addr_from_socket((const struct sockaddr *)&sa, &self) != COVEY_OK) {
        close(fd);
        return COVEY_ERR_IO;
    }
    int room = SEND_BUFFER;
    int ignored = setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    (void)ignored; /* a smaller buffer only drops more of a burst */
    *o = (struct covey__coap_out){.shape = shape, .fd = fd, .v6 = v6, .port = self.port};
    covey_random(&o->message_id, sizeof(o->message_id));
    return COVEY_OK;
}

void covey__coap_out_share(struct covey__coap_out *o, bool share)
{
    int on = share ? 1 : 0;
    int ignored = setsockopt(o->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)ignored; /* seen at the bind that follows */
}

void covey__coap_out_close(struct covey__coap_out *o)
{
    if (o->fd >= 0) {
        close(o->fd);
        o->fd = -1;
    }
}

/* RFC 7252, 3: version 1, NON, no token, POST; Uri-Path "covey", Uri-Path letter, No-Response for
 * every class (RFC 7967). */
static void write_head(uint8_t out[static COVEY__COAP_HEAD], char letter, uint16_t id)
{
    static const uint8_t head[COVEY__COAP_HEAD] = {0x50, 0x02, 0,    0, 0xb5, 'c',  'o',  'v',
                                                   'e',  'y',  0x01, 0, 0xd1, 0xea, 0x1a, 0xff};
    memcpy(out, head, sizeof(head));
    out[2] = (uint8_t)(id >> 8);
    out[3] = (uint8_t)id;
    out[11] = (uint8_t)letter;
}

enum {
    CONTROL_V4 = CMSG_SPACE(sizeof(struct in_pktinfo)),
    CONTROL_V6 = CMSG_SPACE(sizeof(struct in6_pktinfo))
};

/* Names the interface per packet, since the loopback has no multicast route and routes are not
 * ours; and the interface's own address as the source, since that is where the answer will go. */
static size_t choose_interface(uint8_t control[static CONTROL_V6], bool v4,
                               const struct covey__interface *interface)
{
    size_t len = v4 ? CONTROL_V4 : CONTROL_V6;
    memset(control, 0, len);
    struct msghdr msg = {.msg_control = control, .msg_controllen = len};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (v4) {
        struct in_pktinfo info = {.ipi_ifindex = (int)interface->index,
                                  .ipi_spec_dst = interface->v4};
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = interface->index};
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    }
    return len;
}

/* One packet and where it goes; waits where the link is played slow. */
struct datagram {
    struct covey__waiting waiting;
    const struct covey__coap_out *out;
    struct sockaddr_storage to;
    socklen_t to_len;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_V6];
    size_t control_len, len;
    uint8_t packet[COVEY__COAP_HEAD + COVEY__COAP_PAYLOAD_MAX];
};

static void put_out(struct datagram *d)
{
    struct iovec part = {d->packet, d->len};
    struct msghdr msg = {.msg_name = &d->to,
                         .msg_namelen = d->to_len,
                         .msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = d->control_len > 0 ? d->control : NULL,
                         .msg_controllen = d->control_len};
    covey_pace_effect();
    ssize_t n;
    do {
        n = sendmsg(d->out->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
}

static void on_leave(struct covey__waiting *waiting, bool dropped)
{
    struct datagram *d = (struct datagram *)waiting;
    if (!dropped) {
        put_out(d);
    }
    free(d);
}

void covey__coap_out_post(struct covey__coap_out *o, enum covey_coap_kind kind,
                          const struct covey_addr *to, const struct covey__interface *interface,
                          struct covey_bytes payload)
{
    bool v4 = covey__addr_is_v4(to);
    if (payload.len == 0 || payload.len > COVEY__COAP_PAYLOAD_MAX || (!v4 && !o->v6) ||
        covey__shape_loses(o->shape)) {
        return;
    }
    struct datagram d = {.waiting = {.owner = o, .leave = on_leave}, .out = o};
    write_head(d.packet, kind == COVEY_COAP_HELLO ? 'h' : 'g', o->message_id++);
    memcpy(d.packet + COVEY__COAP_HEAD, payload.ptr, payload.len);
    d.len = COVEY__COAP_HEAD + payload.len;
    d.to_len = covey__addr_to_socket(to, o->v6, &d.to);
    if (interface != NULL) {
        d.control_len = choose_interface(d.control, v4, interface);
    }
    if (o->shape->delay_ns == 0) {
        put_out(&d);
        return;
    }
    struct datagram *later = malloc(sizeof(*later));
    if (later != NULL) { /* else it is lost, as datagrams may be */
        *later = d;
        covey__shape_wait(o->shape, &later->waiting);
    }
}
