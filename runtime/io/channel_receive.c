/* SPDX-License-Identifier: MIT */
#include "channel_receive.h"

#include <stdlib.h>

#include "body_shared.h"
#include "covey/crypto.h"

void covey__in_message_free(struct covey__in_message *m)
{
    if (m != NULL) {
        covey_body_unref(m->body);
        free(m->control);
        free(m);
    }
}

static void finish(struct covey__receiver *r, struct covey__in_message *m)
{
    m->next = NULL;
    if (r->last == NULL) {
        r->first = m;
    } else {
        r->last->next = m;
    }
    r->last = m;
}

struct covey__in_message *covey__receiver_take(struct covey__receiver *r)
{
    struct covey__in_message *m = r->first;
    if (m != NULL) {
        r->first = m->next;
        if (r->first == NULL) {
            r->last = NULL;
        }
        m->next = NULL;
    }
    return m;
}

static struct covey__in_stream *find_stream(struct covey__receiver *r, uint16_t stream)
{
    for (size_t i = 0; i < COVEY__FRAME_STREAMS_MAX; i++) {
        if (r->streams[i].open && r->streams[i].stream == stream) {
            return &r->streams[i];
        }
    }
    return NULL;
}

static struct covey__in_stream *free_stream(struct covey__receiver *r)
{
    for (size_t i = 0; i < COVEY__FRAME_STREAMS_MAX; i++) {
        if (!r->streams[i].open) {
            return &r->streams[i];
        }
    }
    return NULL;
}

/* The control of the partial message is whole: deliver it, or open its stream and wait. */
static covey_err finish_control(struct covey__receiver *r)
{
    struct covey__in_message *m = r->partial;
    bool has_body = (r->partial_flags & COVEY__FRAME_BODY) != 0;
    bool too_long = r->body_most != 0 && r->partial_body_len > r->body_most;
    r->left_out = r->left_out || too_long;
    if (has_body && !too_long) {
        covey_err err = covey_body_new(0, &m->body);
        if (err == COVEY_OK) {
            err = covey__body_expect(m->body, r->partial_body_len);
        }
        if (err != COVEY_OK) {
            return err;
        }
    }
    if (!has_body || r->partial_body_len == 0) {
        r->partial = NULL;
        finish(r, m);
        return COVEY_OK;
    }
    struct covey__in_stream *s = free_stream(r);
    if (s == NULL || find_stream(r, r->partial_stream) != NULL ||
        r->open_bytes + r->partial_body_len > COVEY__FRAME_OPEN_MAX) {
        return COVEY_ERR_MALFORMED;
    }
    *s = (struct covey__in_stream){.open = true,
                                   .stream = r->partial_stream,
                                   .body_len = r->partial_body_len,
                                   .shared = (r->partial_flags & COVEY__FRAME_SHARED) != 0,
                                   .key = r->partial_key,
                                   .grown_ms = r->now_ms,
                                   .message = m};
    r->open_bytes += r->partial_body_len;
    r->partial = NULL;
    return COVEY_OK;
}

static covey_err begin_control(struct covey__receiver *r, uint8_t flags, uint16_t stream,
                               uint32_t body_len)
{
    bool shared = (flags & COVEY__FRAME_SHARED) != 0;
    if (body_len > COVEY_BODY_MAX || (body_len > 0 && (flags & COVEY__FRAME_BODY) == 0) ||
        (shared && body_len == 0)) {
        return COVEY_ERR_MALFORMED;
    }
    if (shared) {
        memcpy(r->partial_key.bytes, r->plain + COVEY__FRAME_HEAD, sizeof(r->partial_key.bytes));
    }
    r->partial = calloc(1, sizeof(*r->partial));
    if (r->partial == NULL) {
        return COVEY_ERR_NOMEM;
    }
    r->partial_flags = flags;
    r->partial_stream = stream;
    r->partial_body_len = body_len;
    return COVEY_OK;
}

/* Memory grows with what arrives: at most 32 records make the largest control message. */
static covey_err append_control(struct covey__in_message *m, struct covey_bytes more)
{
    if (more.len > COVEY_CONTROL_MAX - m->control_len) {
        return COVEY_ERR_MALFORMED;
    }
    uint8_t *grown = realloc(m->control, m->control_len + more.len + 1);
    if (grown == NULL) {
        return COVEY_ERR_NOMEM;
    }
    memcpy(grown + m->control_len, more.ptr, more.len);
    m->control = grown;
    m->control_len += more.len;
    return COVEY_OK;
}

static covey_err feed_mark(struct covey__receiver *r, uint8_t flags, size_t len)
{
    if (len != COVEY__FRAME_HEAD || (flags != COVEY__FRAME_PING && flags != COVEY__FRAME_PONG) ||
        r->partial != NULL) {
        return COVEY_ERR_MALFORMED;
    }
    struct covey__in_message *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return COVEY_ERR_NOMEM;
    }
    m->marks = flags;
    finish(r, m);
    return COVEY_OK;
}

/* Its message is as whole as it will be. */
static void close_stream(struct covey__receiver *r, struct covey__in_stream *s)
{
    finish(r, s->message);
    r->open_bytes -= s->body_len;
    r->held_bytes -= s->message->body != NULL ? s->len : 0;
    covey_wipe(s, sizeof(*s));
}

/* The message comes without its body. */
static covey_err feed_given_up(struct covey__receiver *r, uint16_t stream, size_t len)
{
    struct covey__in_stream *s = find_stream(r, stream);
    if (len != COVEY__FRAME_HEAD || covey_load32(r->plain + 3) != 0 || r->partial != NULL ||
        s == NULL) {
        return COVEY_ERR_MALFORMED;
    }
    struct covey__in_message *m = s->message;
    close_stream(r, s);
    covey_body_unref(m->body);
    m->body = NULL;
    return COVEY_OK;
}

static covey_err feed_control(struct covey__receiver *r, const struct covey_record *record)
{
    enum { KNOWN = COVEY__FRAME_MORE | COVEY__FRAME_BODY | COVEY__FRAME_SHARED };
    if (record->len < COVEY__FRAME_HEAD) {
        return COVEY_ERR_MALFORMED;
    }
    uint8_t flags = r->plain[0];
    uint16_t stream = covey_load16(r->plain + 1);
    uint32_t body_len = covey_load32(r->plain + 3);
    if (stream != record->stream) {
        return COVEY_ERR_MALFORMED;
    }
    if (flags == COVEY__FRAME_GIVEN_UP) {
        return feed_given_up(r, stream, record->len);
    }
    if ((flags & ~KNOWN) != 0) {
        return feed_mark(r, flags, record->len);
    }
    size_t head = covey__frame_head(flags);
    if (record->len < head) {
        return COVEY_ERR_MALFORMED;
    }
    bool more = (flags & COVEY__FRAME_MORE) != 0;
    flags = (uint8_t)(flags & ~COVEY__FRAME_MORE);
    covey_err err = COVEY_OK;
    if (r->partial == NULL) {
        err = begin_control(r, flags, stream, body_len);
    } else if (flags != r->partial_flags || stream != r->partial_stream ||
               body_len != r->partial_body_len) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_OK && more && record->len == head) {
        err = COVEY_ERR_MALFORMED; /* a chain of nothing */
    }
    if (err == COVEY_OK) {
        err = append_control(r->partial, covey_bytes_of(r->plain + head, record->len - head));
    }
    if (err == COVEY_OK && !more) {
        err = finish_control(r);
    }
    return err;
}

/* Where the bytes of the record at the front go: body pieces that fit straight behind what their
 * stream has. Nothing of it is believed before it is opened. */
static covey_err place(struct covey__receiver *r, struct covey_bytes in,
                       struct covey__in_stream **out_stream, struct covey_buf *out)
{
    struct covey_record record;
    covey_err err = covey_record_peek(in, &record);
    *out_stream = NULL;
    *out = (struct covey_buf){r->plain, sizeof(r->plain)};
    if (err != COVEY_OK || record.kind == COVEY_RECORD_CONTROL) {
        return err;
    }
    struct covey__in_stream *s = find_stream(r, record.stream);
    if (s == NULL || record.len == 0 || s->shared != (record.kind == COVEY_RECORD_SHARED) ||
        record.len > s->body_len - s->len) {
        return COVEY_OK;
    }
    struct covey_body *body = s->message->body;
    *out_stream = s;
    if (body != NULL) {
        err = covey__body_reserve(body, body->len + record.len);
        *out = (struct covey_buf){body->data + body->len, record.len};
    }
    return err;
}

static void grow(struct covey__receiver *r, struct covey__in_stream *s, size_t len)
{
    struct covey_body *body = s->message->body;
    if (s->shared) {
        covey_shared_xor(&s->key, body->len, body->data + body->len, len, body->data + body->len);
    }
    body->len += len;
    r->held_bytes += len;
}

/* A piece has been opened into its place. */
static covey_err feed_body(struct covey__receiver *r, struct covey__in_stream *s, size_t len)
{
    if (s->shared && s->len % COVEY_SHARED_ALIGN != 0) {
        return COVEY_ERR_MALFORMED;
    }
    if (s->message->body != NULL) {
        grow(r, s, len);
    }
    /* Senders put a whole record's worth into each piece but the last: less is no progress. */
    bool grown = (s->len + len) / COVEY_RECORD_MAX > s->len / COVEY_RECORD_MAX;
    s->grown_ms = grown ? r->now_ms : s->grown_ms;
    r->grown_ms = grown ? r->now_ms : r->grown_ms;
    s->len += (uint32_t)len;
    if (s->len == s->body_len) {
        close_stream(r, s);
    }
    return COVEY_OK;
}

static covey_err feed_record(struct covey__receiver *r, const struct covey_record *record,
                             struct covey__in_stream *stream)
{
    if (stream != NULL) {
        return feed_body(r, stream, record->len);
    }
    return record->kind == COVEY_RECORD_CONTROL ? feed_control(r, record) : COVEY_ERR_MALFORMED;
}

covey_err covey__receiver_feed(struct covey__receiver *r, struct covey_bytes in, size_t *out_used)
{
    size_t used = 0;
    for (;;) {
        struct covey_bytes left = covey_bytes_of(in.ptr + used, in.len - used);
        struct covey_record record;
        struct covey__in_stream *stream;
        struct covey_buf room;
        covey_err err = place(r, left, &stream, &room);
        if (err == COVEY_ERR_SHORT) {
            *out_used = used;
            return COVEY_OK;
        }
        if (err == COVEY_OK) {
            err = covey_record_open(&r->sealer, left, room, &record);
        }
        if (err == COVEY_OK) {
            used += record.used;
            err = feed_record(r, &record, stream);
        }
        if (err != COVEY_OK) {
            return err;
        }
    }
}

uint64_t covey__receiver_waits_since_ms(const struct covey__receiver *r, uint64_t now_ms)
{
    uint64_t since_ms = now_ms;
    for (size_t i = 0; r->open_bytes > 0 && i < COVEY__FRAME_STREAMS_MAX; i++) {
        const struct covey__in_stream *s = &r->streams[i];
        since_ms = s->open && s->grown_ms < since_ms ? s->grown_ms : since_ms;
    }
    return since_ms;
}

void covey__receiver_done(struct covey__receiver *r)
{
    covey_sealer_done(&r->sealer);
    covey_wipe(r->plain, sizeof(r->plain));
    covey_wipe(&r->partial_key, sizeof(r->partial_key));
    covey__in_message_free(r->partial);
    r->partial = NULL;
    for (size_t i = 0; i < COVEY__FRAME_STREAMS_MAX; i++) {
        if (r->streams[i].open) {
            covey__in_message_free(r->streams[i].message);
            covey_wipe(&r->streams[i], sizeof(r->streams[i]));
        }
    }
    struct covey__in_message *m;
    while ((m = covey__receiver_take(r)) != NULL) {
        covey__in_message_free(m);
    }
}
