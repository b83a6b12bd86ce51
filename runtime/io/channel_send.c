/* SPDX-License-Identifier: MIT */
#include "channel_send.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "body_shared.h"
#include "covey/crypto.h"

static size_t chunk(uint8_t flags)
{
    return COVEY_RECORD_MAX - covey__frame_head(flags);
}

static void queue_push(struct covey__out_queue *q, struct covey__out_message *m)
{
    m->next = NULL;
    if (q->last == NULL) {
        q->first = m;
    } else {
        q->last->next = m;
    }
    q->last = m;
}

static struct covey__out_message *queue_pop(struct covey__out_queue *q)
{
    struct covey__out_message *m = q->first;
    if (m != NULL) {
        q->first = m->next;
        if (q->first == NULL) {
            q->last = NULL;
        }
        m->next = NULL;
    }
    return m;
}

static void message_free(struct covey__out_message *m)
{
    covey_body_unref(m->body);
    if ((m->flags & COVEY__FRAME_SHARED) != 0) {
        covey_wipe(m->plain, m->plain_len);
    }
    free(m);
}

static void queue_free(struct covey__out_queue *q)
{
    struct covey__out_message *m;
    while ((m = queue_pop(q)) != NULL) {
        message_free(m);
    }
}

/* Writes the control records of a message in clear, one behind the other. */
static void frame_control(struct covey__out_message *m, struct covey_bytes control)
{
    uint8_t *p = m->plain;
    size_t body_len = m->body == NULL ? 0 : m->body->len;
    size_t head = covey__frame_head(m->flags);
    do {
        size_t n = control.len > chunk(m->flags) ? chunk(m->flags) : control.len;
        bool more = control.len > n;
        p[0] = (uint8_t)(m->flags | (more ? COVEY__FRAME_MORE : 0));
        covey_store16(p + 1, m->stream);
        covey_store32(p + 3, (uint32_t)body_len);
        if (head > COVEY__FRAME_HEAD) {
            memcpy(p + COVEY__FRAME_HEAD, m->body->shared->key.bytes, head - COVEY__FRAME_HEAD);
        }
        if (n > 0) {
            memcpy(p + head, control.ptr, n);
        }
        p += head + n;
        control.ptr += n;
        control.len -= n;
    } while (control.len > 0);
}

static covey_err message_new(uint8_t flags, uint16_t stream, struct covey_bytes control,
                             struct covey_body *body, struct covey__out_message **out)
{
    size_t records = control.len == 0 ? 1 : (control.len + chunk(flags) - 1) / chunk(flags);
    size_t plain_len = control.len + records * covey__frame_head(flags);
    struct covey__out_message *m = malloc(sizeof(*m) + plain_len);
    if (m == NULL) {
        return COVEY_ERR_NOMEM;
    }
    *m = (struct covey__out_message){.stream = stream, .flags = flags, .plain_len = plain_len};
    if (body != NULL) {
        m->body = covey_body_ref(body);
    }
    frame_control(m, control);
    *out = m;
    return COVEY_OK;
}

covey_err covey__sender_push(struct covey__sender *s, struct covey_bytes control,
                             struct covey_body *body)
{
    if (control.len > COVEY_CONTROL_MAX || (body != NULL && body->len > COVEY_BODY_MAX)) {
        return COVEY_ERR_LIMIT;
    }
    struct covey__out_message *m = NULL;
    uint8_t flags = body == NULL ? 0 : COVEY__FRAME_BODY;
    flags |= body != NULL && body->len > 0 && body->shared != NULL ? COVEY__FRAME_SHARED : 0;
    uint16_t stream = body == NULL || body->len == 0 ? 0 : s->next_stream++;
    covey_err err = message_new(flags, stream, control, body, &m);
    if (err == COVEY_OK) {
        bool at_once = body == NULL || body->len == 0;
        queue_push(at_once ? &s->control : &s->waiting[body->patient], m);
    }
    return err;
}

covey_err covey__sender_push_mark(struct covey__sender *s, enum covey__frame_flag mark)
{
    struct covey__out_message *m = s->control.last;
    if (m != NULL && m->flags == mark) {
        return COVEY_OK; /* it says all that another would: who pings without end costs no memory */
    }
    covey_err err = message_new((uint8_t)mark, 0, covey_bytes_of("", 0), NULL, &m);
    if (err == COVEY_OK) {
        queue_push(&s->control, m);
    }
    return err;
}

bool covey__sender_empty(const struct covey__sender *s)
{
    return s->control.first == NULL && s->partial == NULL && s->waiting[0].first == NULL &&
           s->waiting[1].first == NULL && s->active[0].first == NULL && s->active[1].first == NULL;
}

void covey__sender_done(struct covey__sender *s)
{
    free(s->room);
    s->room = NULL;
    queue_free(&s->control);
    for (unsigned patient = 0; patient < 2; patient++) {
        queue_free(&s->waiting[patient]);
        queue_free(&s->active[patient]);
    }
    if (s->partial != NULL) {
        message_free(s->partial);
        s->partial = NULL;
    }
}

static bool stream_is_active(const struct covey__sender *s, uint16_t stream)
{
    for (unsigned patient = 0; patient < 2; patient++) {
        const struct covey__out_message *m = s->active[patient].first;
        while (m != NULL && m->stream != stream) {
            m = m->next;
        }
        if (m != NULL) {
            return true;
        }
    }
    return false;
}

/* Whether patient bodies that fill a batch are open, and another one, so that none waits for a
 * large one. Were they all open, the first would be whole when nearly all are: through a slow link
 * that takes long, and what is not whole when the channel ends is lost. */
static bool has_patient_enough(const struct covey__sender *s)
{
    size_t bytes = 0, count = 0;
    for (const struct covey__out_message *m = s->active[1].first; m != NULL; m = m->next) {
        bytes += m->body->len - m->body_off;
        count++;
    }
    return count > 1 && bytes >= COVEY__BATCH_BODY;
}

/* Whether the receiver's bounds let one more body be opened; half of the room is not for patient
 * ones, unless one of them is as large. */
static bool may_activate(const struct covey__sender *s, bool patient)
{
    const struct covey__out_message *m = s->waiting[patient].first;
    size_t streams = COVEY__FRAME_STREAMS_MAX, bytes = COVEY__FRAME_OPEN_MAX;
    if (patient && s->active_count > 0) {
        streams /= 2;
        bytes /= 2;
    }
    return m != NULL && s->active_count < streams && s->active_bytes + m->body->len <= bytes &&
           !stream_is_active(s, m->stream) && !(patient && has_patient_enough(s));
}

/* The next body's control, if one may be opened now. */
static struct covey__out_message *activate(struct covey__sender *s)
{
    bool patient = !may_activate(s, false);
    if (patient && !may_activate(s, true)) {
        return NULL;
    }
    struct covey__out_message *m = queue_pop(&s->waiting[patient]);
    s->active_count++;
    s->active_bytes += m->body->len;
    return m;
}

static void take(struct covey__batch *b, enum covey_record_kind kind, uint16_t stream,
                 struct covey_bytes plain)
{
    b->pieces[b->piece_count++] =
        (struct covey__piece){.kind = kind, .stream = stream, .plain = plain};
}

/* One control record of the message at hand; the records of one message follow one another. */
static void take_control(struct covey__sender *s, struct covey__batch *b)
{
    struct covey__out_message *m = s->partial;
    size_t left = m->plain_len - m->plain_off;
    size_t n = left > COVEY_RECORD_MAX ? COVEY_RECORD_MAX : left;
    take(b, COVEY_RECORD_CONTROL, m->stream, covey_bytes_of(m->plain + m->plain_off, n));
    m->plain_off += n;
    b->control_len += n;
    b->message_bytes += n - covey__frame_head(m->flags);
    if (m->plain_off < m->plain_len) {
        return;
    }
    s->partial = NULL;
    if (m->body != NULL && m->body->len > 0) {
        queue_push(&s->active[m->body->patient], m);
    } else {
        m->next = b->finished;
        b->finished = m;
    }
}

static void fill_control(struct covey__sender *s, struct covey__batch *b)
{
    /* A quarter of the pieces is left to bodies: small messages without end must not starve them.
     */
    while (b->piece_count < COVEY__BATCH_PIECES * 3 / 4 && b->control_len < COVEY__BATCH_CONTROL) {
        if (s->partial == NULL) {
            s->partial = queue_pop(&s->control);
        }
        if (s->partial == NULL) {
            s->partial = activate(s);
        }
        if (s->partial == NULL) {
            return;
        }
        take_control(s, b);
    }
}

/* Whose turn it is: a batch with both would leave only when the patient ones are sealed as well. */
static bool is_patient_turn(struct covey__sender *s)
{
    bool others = s->active[0].first != NULL, any = s->active[1].first != NULL && !s->hold;
    bool turn = any && (!others || s->first >= COVEY__BATCHES_FIRST);
    s->first = any && !turn ? s->first + 1 : 0;
    return turn;
}

static void finish(struct covey__sender *s, struct covey__batch *b, struct covey__out_message *m)
{
    s->active_count--;
    s->active_bytes -= m->body->len;
    m->next = b->finished;
    b->finished = m;
}

/* Its maker has given it up: its record says so, unless another message's records are under way. */
static bool take_given_up(struct covey__sender *s, struct covey__batch *b,
                          struct covey__out_message *m)
{
    if (s->partial != NULL) {
        return false;
    }
    m->plain[0] = COVEY__FRAME_GIVEN_UP;
    covey_store16(m->plain + 1, m->stream);
    covey_store32(m->plain + 3, 0);
    take(b, COVEY_RECORD_CONTROL, m->stream, covey_bytes_of(m->plain, COVEY__FRAME_HEAD));
    b->control_len += COVEY__FRAME_HEAD;
    b->message_bytes += m->body->len - m->body_off;
    m->body_off = m->body->len;
    return true;
}

/* A piece of the body: a whole record, or its last. false: not that much of it is made yet. */
static bool take_piece(struct covey__sender *s, struct covey__batch *b,
                       struct covey__out_message *m)
{
    const struct covey_body_shared *shared = m->body->shared;
    size_t ready = atomic_load_explicit(&m->body->ready, memory_order_acquire);
    size_t left = m->body->len - m->body_off;
    size_t n = left > COVEY_RECORD_MAX ? COVEY_RECORD_MAX : left;
    if (ready == COVEY_BODY_GIVEN_UP) {
        return take_given_up(s, b, m);
    }
    if (ready < m->body_off + n) {
        return false;
    }
    take(b, shared != NULL ? COVEY_RECORD_SHARED : COVEY_RECORD_BODY, m->stream,
         covey_bytes_of((shared != NULL ? shared->sealed : m->body->data) + m->body_off, n));
    m->body_off += n;
    b->body_len += n;
    b->message_bytes += n;
    return true;
}

static size_t batch_body(const struct covey__out_queue *active)
{
    const struct covey__out_message *m = active->first;
    bool large = m != NULL && !m->body->patient && m->body->len - m->body_off >= COVEY__BODY_LARGE;
    return large ? 2 * COVEY__BATCH_BODY : COVEY__BATCH_BODY;
}

/* Piece by piece of one body after the other, until none has more. */
static void fill_from(struct covey__sender *s, struct covey__batch *b,
                      struct covey__out_queue *active)
{
    const struct covey__out_message *idle = NULL; /* since it, none had a piece */
    const size_t most = batch_body(active);
    while (b->piece_count < COVEY__BATCH_PIECES && b->body_len < most && active->first != NULL &&
           active->first != idle) {
        struct covey__out_message *m = queue_pop(active);
        if (!take_piece(s, b, m)) {
            idle = idle == NULL ? m : idle;
            queue_push(active, m);
            continue;
        }
        idle = NULL;
        if (m->body_off < m->body->len) {
            queue_push(active, m);
        } else {
            finish(s, b, m);
        }
    }
}

static void fill_body(struct covey__sender *s, struct covey__batch *b)
{
    b->patient = is_patient_turn(s);
    fill_from(s, b, &s->active[b->patient]);
    if (b->body_len == 0 && (b->patient || !s->hold)) { /* those that are made hold up no others */
        b->patient = !b->patient;
        fill_from(s, b, &s->active[b->patient]);
    }
    b->patient = b->patient && b->body_len > 0;
}

covey_err covey__sender_next(struct covey__sender *s, struct covey__batch **out)
{
    if (covey__sender_empty(s)) {
        *out = NULL;
        return COVEY_OK;
    }
    struct covey__batch *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return COVEY_ERR_NOMEM;
    }
    fill_control(s, b);
    fill_body(s, b);
    if (b->piece_count == 0) { /* all that is left has to wait or is being made */
        covey__batch_free(b);
        *out = NULL;
        return COVEY_OK;
    }
    b->out_capacity = b->control_len + b->body_len + b->piece_count * COVEY_RECORD_OVERHEAD;
    if (s->room != NULL && s->room_bytes >= b->out_capacity) {
        b->out = s->room;
        b->out_capacity = s->room_bytes;
        s->room = NULL;
    } else {
        b->out = malloc(b->out_capacity);
    }
    if (b->out == NULL) {
        covey__batch_free(b);
        return COVEY_ERR_NOMEM;
    }
    *out = b;
    return COVEY_OK;
}

void covey__batch_seal(struct covey__batch *b, struct covey_sealer *sealer)
{
    for (size_t i = 0; i < b->piece_count; i++) {
        const struct covey__piece *p = &b->pieces[i];
        struct covey_buf room = {b->out + b->out_len, b->out_capacity - b->out_len};
        size_t n = 0;
        b->err = p->kind == COVEY_RECORD_SHARED
                     ? covey_record_wrap(sealer, p->stream, p->plain, room, &n)
                     : covey_record_seal(sealer, p->kind, p->stream, p->plain, room, &n);
        if (b->err != COVEY_OK) {
            return;
        }
        b->out_len += n;
    }
}

void covey__sender_written(struct covey__sender *s, struct covey__batch *take_batch)
{
    if (covey__sender_empty(s)) {
        free(s->room);
        s->room = NULL;
    } else if (s->room == NULL || s->room_bytes < take_batch->out_capacity) {
        free(s->room);
        s->room = take_batch->out;
        s->room_bytes = take_batch->out_capacity;
        take_batch->out = NULL;
    }
    covey__batch_free(take_batch);
}

void covey__batch_free(struct covey__batch *b)
{
    if (b == NULL) {
        return;
    }
    while (b->finished != NULL) {
        struct covey__out_message *m = b->finished;
        b->finished = m->next;
        message_free(m);
    }
    free(b->out);
    free(b);
}
