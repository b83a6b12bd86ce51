/* SPDX-License-Identifier: MIT
 *
 * channel_stream.c - one TCP connection: handshake, then records in. What goes out is in
 * channel_write.c.
 */
#include <netinet/tcp.h>
#include <stdlib.h>

#include "channels_internal.h"

enum {
    USER_TIMEOUT_MS = 10 * 1000,
    KEEP_IDLE_S = 5,
    KEEP_INTERVAL_S = 2,
    KEEP_COUNT = 3,
    /* Little waits in the kernel in front of a control message. */
    NOT_SENT_MAX = COVEY__BATCH_BODY,
    /* Retransmissions in a row; about 0.6 s. One alone is lost now and then where packets are. */
    STALLED_RETRANSMITS = 2,
};

static void process(struct covey__stream *s);

void covey__stream_maybe_free(struct covey__stream *s)
{
    if (s->handles > 0 || s->sealing || s->opening || s->delayed > 0) {
        return;
    }
    covey__peer_closed(s);
    covey__stream_unready(s);
    while (s->held_first != NULL) {
        struct covey__in_message *m = s->held_first;
        s->held_first = m->next;
        covey__in_message_free(m);
    }
    covey__sender_done(&s->sender);
    covey_sealer_done(&s->sealer);
    covey__receiver_done(&s->receiver);
    if (s->handshake != NULL) {
        covey_handshake_done(s->handshake);
        free(s->handshake);
    }
    covey__channels_stream_gone(s);
    free(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct covey__stream *s = handle->data;
    s->handles--;
    covey__stream_maybe_free(s);
}

void covey__stream_close(struct covey__stream *s, covey_err why)
{
    if (s->state == COVEY__STREAM_CLOSING) {
        return;
    }
    s->state = COVEY__STREAM_CLOSING;
    s->why = why;
    covey__unfinished_forget(s);
    uv_close((uv_handle_t *)&s->tcp, on_closed);
    uv_close((uv_handle_t *)&s->timer, on_closed);
}

bool covey__stream_is_stalled(const struct covey__stream *s)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    uv_os_fd_t fd = -1;
    return s->state == COVEY__STREAM_OPEN && uv_fileno((const uv_handle_t *)&s->tcp, &fd) == 0 &&
           getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           info.tcpi_retransmits >= STALLED_RETRANSMITS;
}

bool covey__stream_grows(struct covey__stream *s, uint64_t now_ms)
{
    /* While a worker opens what came the receiver is its own. */
    bool grows =
        s->state == COVEY__STREAM_OPEN && now_ms >= s->growing_ms + COVEY__GROWING_MS &&
        (s->opening || (s->receiver.open_bytes > 0 && s->receiver.grown_ms > s->growing_ms));
    s->growing_ms = grows ? now_ms : s->growing_ms;
    return grows;
}

void covey__stream_reset(struct covey__stream *s, covey_err why)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    uv_os_fd_t fd = -1;
    if (s->state != COVEY__STREAM_CLOSING && uv_fileno((const uv_handle_t *)&s->tcp, &fd) == 0) {
        int ignored = setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        (void)ignored; /* then its end comes behind what is lost */
    }
    covey__stream_close(s, why);
}

static void on_late(uv_timer_t *timer)
{
    struct covey__stream *s = timer->data;
    if (s->state == COVEY__STREAM_HANDSHAKE) {
        covey__channels_log(s->owner, s, "handshake", COVEY_ERR_TIMEOUT);
    }
    covey__stream_close(s, COVEY_ERR_TIMEOUT);
}

covey_err covey__stream_new(struct covey_channels *c, bool dialled, struct covey__stream **out)
{
    struct covey__stream *s = calloc(1, sizeof(*s));
    struct covey_handshake *h = calloc(1, sizeof(*h));
    uv_loop_t *uv = covey__loop_uv(c->loop);
    if (s == NULL || h == NULL || uv_timer_init(uv, &s->timer) != 0) {
        free(s);
        free(h);
        return COVEY_ERR_NOMEM;
    }
    int rc = uv_tcp_init(uv, &s->tcp);
    COVEY_ASSERT(rc == 0); /* without flags it allocates nothing and opens nothing */
    s->owner = c;
    s->handshake = h;
    s->dialled = dialled;
    s->handles = 2;
    s->timer.data = s;
    s->tcp.data = s;
    s->state = dialled ? COVEY__STREAM_CONNECTING : COVEY__STREAM_WAITING;
    s->half_open = true;
    s->next = c->streams;
    c->streams = s;
    rc = uv_timer_start(&s->timer, on_late, COVEY__HANDSHAKE_MS, 0);
    COVEY_ASSERT(rc == 0);
    *out = s;
    return COVEY_OK;
}

void covey__stream_finish(struct covey__stream *s)
{
    if (!s->finishing) {
        s->finishing = true;
        int rc = uv_timer_start(&s->timer, on_late, COVEY__DRAIN_MS, 0);
        COVEY_ASSERT(rc == 0);
    }
    covey__stream_pump(s);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct covey__stream *s = handle->data;
    *buf = uv_buf_init((char *)s->in + s->in_len, (unsigned)(sizeof(s->in) - s->in_len));
}

static void stop_reading(struct covey__stream *s)
{
    uv_read_stop((uv_stream_t *)&s->tcp);
    s->reading = false;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct covey__stream *s = stream->data;
    if (n == UV_EOF && s->state == COVEY__STREAM_OPEN) {
        stop_reading(s);
        covey__peer_eof(s);
    } else if (n < 0) {
        covey__stream_close(s, COVEY_ERR_CLOSED);
    } else {
        s->in_len += (size_t)n;
        process(s);
    }
}

static void resume_reading(struct covey__stream *s)
{
    bool may = s->state != COVEY__STREAM_CLOSING && !s->opening && !s->eof &&
               s->held_bytes <= COVEY__HELD_MAX;
    if (may && !s->reading) {
        s->reading = true;
        if (uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read) != 0) {
            covey__stream_close(s, COVEY_ERR_IO);
        }
    }
}

static void consume(struct covey__stream *s, size_t used)
{
    s->in_len -= used;
    memmove(s->in, s->in + used, s->in_len);
}

/* Takes the message. */
static void deliver(struct covey__stream *s, struct covey__in_message *m)
{
    const struct covey_channels_config *config = &s->owner->config;
    struct covey_body *body = m->body;
    m->body = NULL;
    config->on_message(config->user, &s->cert.node, covey_bytes_of(m->control, m->control_len),
                       body);
    covey__in_message_free(m);
}

static void hold_back(struct covey__stream *s, struct covey__in_message *m)
{
    if (s->held_first == NULL) {
        s->held_first = m;
    } else {
        s->held_last->next = m;
    }
    s->held_last = m;
    /* Empty ones take memory too. */
    s->held_bytes += sizeof(*m) + m->control_len + (m->body == NULL ? 0 : m->body->len);
    if (s->held_bytes > COVEY__HELD_MAX && s->reading) {
        stop_reading(s);
    }
}

void covey__stream_release(struct covey__stream *s)
{
    s->hold = false;
    while (s->held_first != NULL && s->state == COVEY__STREAM_OPEN) {
        struct covey__in_message *m = s->held_first;
        s->held_first = m->next;
        m->next = NULL;
        deliver(s, m);
    }
    if (s->state == COVEY__STREAM_OPEN) {
        s->held_bytes = 0;
        resume_reading(s);
        if (!s->opening) { /* else it is counted soon */
            covey__unfinished_count(s);
        }
    }
}

/* A host of many members lets each of them in; a member that comes again and again has no more than
 * its address has. */
static void refund(struct covey__stream *s)
{
    uint64_t now_ms = covey_loop_now_ms(s->owner->loop);
    struct covey_addr member = {.port = 0};
    memcpy(member.ip, s->cert.node.bytes, sizeof(member.ip));
    if (covey__gate_pass(&s->owner->members, &member, now_ms)) {
        covey__gate_refund(&s->owner->gate, &s->remote, now_ms);
    }
}

static void establish(struct covey__stream *s)
{
    s->state = COVEY__STREAM_OPEN;
    s->half_open = false;
    uv_timer_stop(&s->timer);
    if (!s->dialled) {
        refund(s);
        covey__stream_mark(s, COVEY__FRAME_PONG);
    }
    if (s->state == COVEY__STREAM_OPEN) {
        covey__peer_established(s);
    }
}

static void dispatch(struct covey__stream *s, struct covey__in_message *m)
{
    if (s->state == COVEY__STREAM_UNCONFIRMED) {
        if (m->marks == COVEY__FRAME_PONG) {
            establish(s);
        } else {
            covey__stream_close(s, COVEY_ERR_MALFORMED);
        }
        covey__in_message_free(m);
        return;
    }
    covey__peer_record(s);
    if (m->marks != 0) {
        if (m->marks == COVEY__FRAME_PING) {
            covey__stream_mark(s, COVEY__FRAME_PONG);
        }
        covey__in_message_free(m);
    } else if (s->hold || s->held_first != NULL) {
        hold_back(s, m);
    } else {
        deliver(s, m);
    }
}

/* The messages that feeding made whole, then what the feeding ended with. */
static void received(struct covey__stream *s, covey_err err, size_t used)
{
    struct covey__in_message *m;
    while (s->state != COVEY__STREAM_CLOSING && (m = covey__receiver_take(&s->receiver)) != NULL) {
        dispatch(s, m);
    }
    if (s->state == COVEY__STREAM_CLOSING) {
        return;
    }
    if (err != COVEY_OK) {
        covey__channels_log(s->owner, s, "channel ended by a bad record", err);
        covey__stream_close(s, err);
        return;
    }
    covey__unfinished_count(s);
    if (s->state != COVEY__STREAM_CLOSING) {
        consume(s, used);
        resume_reading(s);
    }
}

static void open_work(void *user)
{
    struct covey__stream *s = user;
    s->receive_err =
        covey__receiver_feed(&s->receiver, covey_bytes_of(s->in, s->in_len), &s->received_used);
}

static void open_done(void *user)
{
    struct covey__stream *s = user;
    s->opening = false;
    if (s->state == COVEY__STREAM_CLOSING) {
        covey__stream_maybe_free(s);
        return;
    }
    received(s, s->receive_err, s->received_used);
}

static void process_records(struct covey__stream *s)
{
    if (s->in_len < COVEY_RECORD_HEADER) {
        return;
    }
    /* Opened here: what is small, and a length that cannot be, which ends the channel at once. */
    size_t first = (size_t)covey_load16(s->in) + COVEY_RECORD_HEADER;
    s->receiver.now_ms = covey_loop_now_ms(s->owner->loop);
    s->receiver.body_most = s->owner->config.unfinished_bytes;
    bool possible = first <= COVEY_RECORD_MAX + COVEY_RECORD_OVERHEAD;
    if (possible && s->in_len < first) {
        return;
    }
    if (possible && s->in_len > COVEY__INLINE_MAX) {
        s->opening = true;
        if (covey_loop_work(s->owner->loop, open_work, open_done, s) == COVEY_OK) {
            stop_reading(s);
            return;
        }
        s->opening = false;
    }
    size_t used = 0;
    covey_err err = covey__receiver_feed(&s->receiver, covey_bytes_of(s->in, s->in_len), &used);
    received(s, err, used);
}

/* The handshake is done: keep who it is, take both ciphers. */
static covey_err adopt(struct covey__stream *s)
{
    s->cert = s->handshake->peer;
    s->cert_len = s->handshake->peer_len;
    memcpy(s->cert_wire, s->handshake->peer_wire, s->cert_len);
    covey_err err = covey_handshake_finish(s->handshake, &s->sealer, &s->receiver.sealer);
    if (err == COVEY_OK) {
        err = covey__peer_admit(s);
    }
    covey_handshake_done(s->handshake);
    free(s->handshake);
    s->handshake = NULL;
    return err;
}

static void handshake_failed(struct covey__stream *s, covey_err err)
{
    if (err == COVEY_ERR_EXISTS) {
        s->silent = true; /* another dial to the same peer is ahead */
    } else {
        covey__channels_log(s->owner, s, "handshake", err);
    }
    covey__stream_close(s, err);
}

static void process_handshake(struct covey__stream *s)
{
    uint8_t out[COVEY_HANDSHAKE_MAX + 2];
    size_t len = 0;
    size_t used = 0;
    covey_err err = covey_handshake_step(s->handshake, covey_bytes_of(s->in, s->in_len),
                                         covey__channels_wall_s(s->owner),
                                         (struct covey_buf){out, sizeof(out)}, &len, &used);
    if (err != COVEY_OK) {
        handshake_failed(s, err);
        return;
    }
    consume(s, used);
    bool done = s->handshake->state == COVEY_HANDSHAKE_DONE;
    if (done) {
        err = adopt(s);
    }
    if (err != COVEY_OK) {
        handshake_failed(s, err);
        return;
    }
    if (len > 0) {
        covey__stream_write(s, NULL, covey_bytes_of(out, len));
    }
    if (!done || s->state == COVEY__STREAM_CLOSING) {
        return;
    }
    if (s->dialled) {
        s->state = COVEY__STREAM_UNCONFIRMED;
    } else {
        establish(s);
        covey__channels_start_waiting(s->owner);
    }
    process(s);
}

static void process(struct covey__stream *s)
{
    switch (s->state) {
    case COVEY__STREAM_HANDSHAKE:
        process_handshake(s);
        break;
    case COVEY__STREAM_UNCONFIRMED:
    case COVEY__STREAM_OPEN:
        process_records(s);
        break;
    case COVEY__STREAM_WAITING:
    case COVEY__STREAM_CONNECTING:
    case COVEY__STREAM_CLOSING:
        break;
    }
}

static void set_option(int fd, int level, int name, int value)
{
    int ignored = setsockopt(fd, level, name, &value, sizeof(value));
    (void)ignored; /* each only makes a loss known sooner or a message quicker */
}

void covey__stream_start(struct covey__stream *s)
{
    uv_os_fd_t fd = -1;
    if (uv_fileno((const uv_handle_t *)&s->tcp, &fd) == 0) {
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
        set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT_MAX);
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
    }
    s->state = COVEY__STREAM_HANDSHAKE;
    covey_handshake_init(s->handshake, s->dialled, s->owner->config.identity,
                         s->has_expected ? &s->expected : NULL);
    resume_reading(s);
    process(s);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct covey__stream *s = connect->data;
    if (s->state == COVEY__STREAM_CLOSING) {
        return;
    }
    if (status < 0) {
        covey__stream_close(s, status == UV_ETIMEDOUT ? COVEY_ERR_TIMEOUT : COVEY_ERR_CLOSED);
        return;
    }
    covey__stream_start(s);
}

void covey__stream_connect(struct covey__stream *s)
{
    struct sockaddr_storage to;
    covey__addr_to_socket(&s->remote, false, &to);
    s->connect.data = s;
    if (uv_tcp_connect(&s->connect, &s->tcp, (const struct sockaddr *)&to, on_connected) != 0) {
        covey__stream_close(s, COVEY_ERR_IO);
    }
}
