/* SPDX-License-Identifier: MIT */
#include "covey/channels.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "channels_internal.h"
#include "covey/coap.h"

enum { STOCK_PORT = 5685, BACKLOG = 64, PORT_TRIES = 8 };

/* A flood of strangers, or of one member's channels, must not become a flood of lines. */
static bool may_log(struct covey_channels *c, const struct covey__stream *s)
{
    uint64_t now_ms = covey_loop_now_ms(c->loop), second = now_ms / 1000;
    if (s->cert_len > 0) {
        return covey_seldom_some(&c->member_lines[s->cert.node.bytes[0]], now_ms,
                                 COVEY__MEMBER_LINES);
    }
    if (second != c->log_second) {
        c->log_second = second;
        c->log_lines = 0;
    }
    return c->log_lines++ < COVEY__LOG_LINES_PER_S;
}

void covey__channels_log(struct covey_channels *c, const struct covey__stream *s, const char *what,
                         covey_err err)
{
    if (c->config.on_log == NULL || c->closing || !may_log(c, s)) {
        return;
    }
    char line[320], addr[80];
    covey_addr_format(&s->remote, addr);
    snprintf(line, sizeof(line), "%s %s%s%s: %s: %s", s->dialled ? "to" : "from", addr,
             s->cert_len > 0 ? " " : "", s->cert_len > 0 ? s->cert.name : "", what,
             covey_strerror(err));
    c->config.on_log(c->config.user, line);
}

uint64_t covey__channels_wall_s(struct covey_channels *c)
{
    return c->config.wall_s != NULL ? c->config.wall_s(c->config.user) : covey_wall_s();
}

static void maybe_free(struct covey_channels *c)
{
    if (!c->closing || c->handles > 0 || c->streams != NULL) {
        return;
    }
    while (c->peers != NULL) {
        struct covey__peer *p = c->peers;
        c->peers = p->next;
        free(p);
    }
    free(c);
}

void covey__channels_stream_gone(struct covey__stream *s)
{
    struct covey_channels *c = s->owner;
    for (struct covey__stream **at = &c->streams; *at != NULL; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    maybe_free(c);
}

/* from NULL: all half-open streams; dialled ones are counted apart. */
static size_t count_half_open(const struct covey_channels *c, bool dialled,
                              const struct covey_addr *from)
{
    size_t count = 0;
    for (const struct covey__stream *s = c->streams; s != NULL; s = s->next) {
        if (s->half_open && s->dialled == dialled &&
            (from == NULL || memcmp(s->remote.ip, from->ip, sizeof(from->ip)) == 0)) {
            count++;
        }
    }
    return count;
}

static void on_gate_timer(uv_timer_t *timer)
{
    covey__channels_start_waiting(timer->data);
}

/* Lets in, oldest first, whom the gate has a token for, and looks again later if some are left. */
void covey__channels_start_waiting(struct covey_channels *c)
{
    if (c->closing) {
        return;
    }
    struct covey__stream *waiting[COVEY__HALF_OPEN_MAX];
    size_t count = 0;
    for (struct covey__stream *s = c->streams; s != NULL; s = s->next) {
        if (s->state == COVEY__STREAM_WAITING && count < COVEY__HALF_OPEN_MAX) {
            waiting[count++] = s;
        }
    }
    bool left = false;
    for (size_t i = count; i-- > 0;) {
        if (covey__gate_pass(&c->gate, &waiting[i]->remote, covey_loop_now_ms(c->loop))) {
            covey__stream_start(waiting[i]);
        } else {
            left = true;
        }
    }
    if (left) {
        int rc = uv_timer_start(&c->gate_timer, on_gate_timer, COVEY__GATE_RETRY_MS, 0);
        COVEY_ASSERT(rc == 0);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct covey_channels *c = listener->data;
    struct covey__stream *s = NULL;
    if (status < 0 || c->closing || covey__stream_new(c, false, &s) != COVEY_OK) {
        return;
    }
    struct sockaddr_storage from;
    int len = sizeof(from);
    if (uv_accept(listener, (uv_stream_t *)&s->tcp) != 0 ||
        uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&from, &len) != 0 ||
        covey__addr_from_socket((const struct sockaddr *)&from, &s->remote) != COVEY_OK) {
        covey__stream_close(s, COVEY_ERR_IO);
        return;
    }
    if (count_half_open(c, false, NULL) > COVEY__HALF_OPEN_MAX ||
        count_half_open(c, false, &s->remote) > COVEY__HALF_OPEN_PER_SOURCE) {
        s->half_open = false;
        covey__stream_close(s, COVEY_ERR_BUSY);
        return;
    }
    covey__channels_start_waiting(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct covey_channels *c = handle->data;
    c->handles--;
    maybe_free(c);
}

/* A socket that listens there, or -1. What was found to be free may be taken a moment later: only a
 * socket that already listens is certain to keep its port. */
static int listening_socket(const struct covey_addr *at)
{
    struct sockaddr_storage sa;
    socklen_t len = covey__addr_to_socket(at, false, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1, off = 0;
    bool listens = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                   (sa.ss_family != AF_INET6 ||
                    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
                   bind(fd, (const struct sockaddr *)&sa, len) == 0 && listen(fd, BACKLOG) == 0;
    if (fd >= 0 && !listens) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool has_v6(void)
{
    struct covey_addr any = {.port = 0};
    int fd = listening_socket(&any);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

/* Takes connections at the socket, which is the listener's from now on. */
static bool take_listener(struct covey_channels *c, int take_fd)
{
    uv_tcp_t *l = &c->listeners[c->listener_count++];
    int rc = uv_tcp_init(covey__loop_uv(c->loop), l);
    COVEY_ASSERT(rc == 0);
    l->data = c;
    c->handles++;
    if (uv_tcp_open(l, take_fd) != 0) {
        close(take_fd);
        return false;
    }
    return uv_listen((uv_stream_t *)l, BACKLOG, on_connection) == 0;
}

static uint16_t bound_port(const uv_tcp_t *l)
{
    struct sockaddr_storage sa;
    int len = sizeof(sa);
    struct covey_addr at;
    if (uv_tcp_getsockname(l, (struct sockaddr *)&sa, &len) != 0 ||
        covey__addr_from_socket((const struct sockaddr *)&sa, &at) != COVEY_OK) {
        return 0;
    }
    return at.port;
}

/* at.port 0: the stock port, else any; also any can be taken between its bind and its listen. */
static int listen_somewhere(struct covey_addr at)
{
    if (at.port != 0) {
        return listening_socket(&at);
    }
    at.port = STOCK_PORT;
    int fd = listening_socket(&at);
    at.port = 0;
    for (int i = 0; fd < 0 && i < PORT_TRIES; i++) {
        fd = listening_socket(&at);
    }
    return fd;
}

static bool listen_all(struct covey_channels *c, bool loopback, uint16_t port)
{
    struct covey_addr v4 = {.ip = {[10] = 0xff, 0xff}, .port = port};
    struct covey_addr v6 = {.port = port};
    if (loopback) {
        v4.ip[12] = 127;
        v4.ip[15] = 1;
        v6.ip[15] = 1;
    }
    int fd = listen_somewhere(loopback || !has_v6() ? v4 : v6); /* :: takes IPv4 too */
    if (fd < 0 || !take_listener(c, fd)) {
        return false;
    }
    c->port = bound_port(&c->listeners[0]);
    if (!loopback || c->port == 0) {
        return c->port != 0;
    }
    v6.port = c->port;
    fd = listening_socket(&v6); /* without it IPv4 is enough */
    return fd < 0 || take_listener(c, fd);
}

covey_err covey_channels_open(struct covey_loop *loop, const struct covey_channels_config *config,
                              struct covey_channels **out, char out_why[static 256])
{
    struct covey_channels *c = calloc(1, sizeof(*c));
    if (c == NULL || uv_timer_init(covey__loop_uv(loop), &c->gate_timer) != 0) {
        free(c);
        snprintf(out_why, 256, "out of memory");
        return COVEY_ERR_NOMEM;
    }
    c->config = *config;
    c->config.interface = NULL; /* used here only */
    c->loop = loop;
    c->gate_timer.data = c;
    c->handles = 1;
    if (covey_timer_new(loop, covey__patience_over, c, &c->patience) != COVEY_OK) {
        snprintf(out_why, 256, "out of memory");
        covey_channels_close(c);
        return COVEY_ERR_NOMEM;
    }
    covey__gate_init(&c->gate, COVEY__GATE_PER_S, COVEY__GATE_BURST);
    covey__gate_init(&c->members, COVEY__MEMBER_PER_S, COVEY__MEMBER_BURST);
    bool loopback = config->interface != NULL && strcmp(config->interface, "lo") == 0;
    if (!listen_all(c, loopback, config->port)) {
        snprintf(out_why, 256, "TCP port %u%s cannot be listened on", (unsigned)config->port,
                 config->port == 0 ? " (any)" : "");
        covey_channels_close(c);
        return COVEY_ERR_IO;
    }
    c->before_wait = (struct covey__before_wait){.fn = covey__channels_flush, .user = c};
    covey__loop_before_wait(loop, &c->before_wait);
    *out = c;
    return COVEY_OK;
}

void covey_channels_close(struct covey_channels *channels)
{
    if (channels == NULL || channels->closing) {
        return;
    }
    covey__channels_flush(channels);
    covey__loop_forget(channels->loop, &channels->before_wait);
    channels->closing = true;
    for (unsigned i = 0; i < channels->listener_count; i++) {
        uv_close((uv_handle_t *)&channels->listeners[i], on_handle_closed);
    }
    uv_close((uv_handle_t *)&channels->gate_timer, on_handle_closed);
    covey_timer_free(channels->patience);
    channels->patience = NULL;
    for (struct covey__stream *s = channels->streams; s != NULL; s = s->next) {
        covey__stream_close(s, COVEY_ERR_CANCELLED);
    }
}

uint16_t covey_channels_port(const struct covey_channels *channels)
{
    return channels->port;
}

/* The stream that takes new messages to a peer. */
static struct covey__stream *sendable(const struct covey_channels *c,
                                      const struct covey_node_id *peer)
{
    const struct covey__peer *p = covey__peer_find((struct covey_channels *)(uintptr_t)c, peer);
    if (p == NULL || !p->up || p->primary == NULL || p->primary->finishing ||
        p->primary->state != COVEY__STREAM_OPEN) {
        return NULL;
    }
    return p->primary;
}

static bool dial_is_needless(const struct covey_channels *c, const struct covey_addr *to,
                             const struct covey_node_id *expected)
{
    if (expected != NULL && sendable(c, expected) != NULL) {
        return true;
    }
    for (const struct covey__stream *s = c->streams; s != NULL; s = s->next) {
        if (s->dialled && s->state != COVEY__STREAM_CLOSING && covey_addr_equal(&s->remote, to)) {
            return true;
        }
    }
    return false;
}

void covey_channels_dial(struct covey_channels *channels, const struct covey_addr *to,
                         const struct covey_node_id *expected)
{
    struct covey__stream *s = NULL;
    if (channels->closing || dial_is_needless(channels, to, expected) ||
        count_half_open(channels, true, NULL) >= COVEY__HALF_OPEN_MAX ||
        covey__stream_new(channels, true, &s) != COVEY_OK) {
        return;
    }
    s->remote = *to;
    if (expected != NULL) {
        s->has_expected = true;
        s->expected = *expected;
    }
    covey__stream_connect(s);
}

covey_err covey_channels_send(struct covey_channels *channels, const struct covey_node_id *peer,
                              struct covey_bytes control, struct covey_body *body)
{
    struct covey__stream *s = sendable(channels, peer);
    if (s == NULL || channels->closing) {
        return COVEY_ERR_CLOSED;
    }
    size_t bytes = control.len + (body == NULL ? 0 : body->len);
    if (s->queued + bytes > COVEY_CHANNEL_QUEUE_MAX) {
        return COVEY_ERR_BUSY;
    }
    covey_err err = covey__sender_push(&s->sender, control, body);
    if (err != COVEY_OK) {
        return err;
    }
    covey__patience_sent(channels, body);
    s->queued += bytes;
    covey__stream_ready(s);
    return COVEY_OK;
}

size_t covey_channels_queued(const struct covey_channels *channels,
                             const struct covey_node_id *peer)
{
    const struct covey__stream *s = sendable(channels, peer);
    return s == NULL ? 0 : s->queued;
}

void covey_channels_look(struct covey_channels *channels)
{
    const struct covey_channels_config *config = &channels->config;
    uint64_t now_ms = covey_loop_now_ms(channels->loop);
    if (now_ms >= channels->wait_look_ms) {
        channels->wait_look_ms = now_ms + COVEY__WAIT_LOOK_MS;
        covey__unfinished_look(channels, now_ms);
    }
    for (const struct covey__peer *p = channels->peers; p != NULL; p = p->next) {
        if (!p->up || p->primary == NULL) {
            continue;
        }
        if (covey__stream_is_stalled(p->primary) && config->on_stalled != NULL) {
            config->on_stalled(config->user, &p->id);
        }
        if (covey__stream_grows(p->primary, now_ms) && config->on_growing != NULL) {
            config->on_growing(config->user, &p->id);
        }
    }
}

void covey_channels_drop(struct covey_channels *channels, const struct covey_node_id *peer)
{
    for (struct covey__stream *s = channels->streams; s != NULL; s = s->next) {
        if (s->cert_len == 0 || !covey_node_id_equal(&s->cert.node, peer)) {
            continue;
        }
        if (covey__stream_is_stalled(s)) {
            covey__stream_reset(s, COVEY_ERR_CANCELLED);
        } else {
            covey__stream_close(s, COVEY_ERR_CANCELLED);
        }
    }
}
