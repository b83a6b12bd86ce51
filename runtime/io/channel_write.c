/* SPDX-License-Identifier: MIT
 *
 * channel_write.c - what a connection sends: batches, sealed, written at once or later.
 */
#include <stdlib.h>

#include "channels_internal.h"
#include "covey/pace.h"

struct out_write {
    uv_write_t uv;
    struct covey__stream *stream;
    struct covey__batch *batch; /* NULL for bytes of the handshake */
    uint8_t bytes[];
};

/* The same where the link is played slow: it has not left yet. */
struct late_write {
    struct covey__waiting waiting;
    struct covey__stream *stream;
    struct covey__batch *batch;
    size_t len;
    uint8_t bytes[];
};

static void on_written(uv_write_t *uv, int status)
{
    struct out_write *w = uv->data;
    struct covey__stream *s = w->stream;
    if (w->batch != NULL) {
        s->unwritten -= w->batch->out_len;
        s->queued -= w->batch->message_bytes;
        covey__sender_written(&s->sender, w->batch);
    }
    free(w);
    if (s->state == COVEY__STREAM_CLOSING) {
        return;
    }
    if (status < 0) {
        covey__stream_close(s, COVEY_ERR_CLOSED);
        return;
    }
    if (s->state == COVEY__STREAM_OPEN) {
        covey__stream_pump(s);
    }
}

/* What the kernel takes at once needs no request, no callback and no change of what is polled for.
 */
static size_t write_now(struct covey__stream *s, struct covey_bytes bytes)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes.ptr, (unsigned)bytes.len);
    int n = s->unwritten == 0 ? uv_try_write((uv_stream_t *)&s->tcp, &buf, 1) : UV_EAGAIN;
    return n > 0 ? (size_t)n : 0; /* an error comes again with the request */
}

/* Takes the batch, of which the first `done` bytes are out. bytes: copied; used for the handshake,
 * when batch is NULL. */
static void write_later(struct covey__stream *s, struct covey__batch *take_batch, size_t done,
                        struct covey_bytes bytes)
{
    struct out_write *w = malloc(sizeof(*w) + bytes.len);
    if (w == NULL) {
        covey__batch_free(take_batch);
        covey__stream_close(s, COVEY_ERR_NOMEM);
        return;
    }
    w->uv.data = w;
    w->stream = s;
    w->batch = take_batch;
    uv_buf_t buf;
    if (take_batch != NULL) {
        buf = uv_buf_init((char *)take_batch->out + done, (unsigned)(take_batch->out_len - done));
        s->unwritten += take_batch->out_len;
    } else {
        memcpy(w->bytes, bytes.ptr, bytes.len);
        buf = uv_buf_init((char *)w->bytes, (unsigned)bytes.len);
    }
    if (uv_write(&w->uv, (uv_stream_t *)&s->tcp, &buf, 1, on_written) != 0) {
        covey__batch_free(take_batch);
        free(w);
        covey__stream_close(s, COVEY_ERR_IO);
    }
}

static void put_out(struct covey__stream *s, struct covey__batch *take_batch,
                    struct covey_bytes bytes)
{
    if (take_batch == NULL) {
        write_later(s, NULL, 0, bytes);
        return;
    }
    size_t done = write_now(s, covey_bytes_of(take_batch->out, take_batch->out_len));
    if (done < take_batch->out_len) {
        write_later(s, take_batch, done, covey_bytes_of(NULL, 0));
        return;
    }
    s->queued -= take_batch->message_bytes;
    covey__sender_written(&s->sender, take_batch);
}

static void on_leave(struct covey__waiting *waiting, bool dropped)
{
    struct late_write *w = (struct late_write *)waiting;
    struct covey__stream *s = w->stream;
    s->delayed--;
    if (dropped || s->state == COVEY__STREAM_CLOSING) {
        covey__batch_free(w->batch);
        if (s->state == COVEY__STREAM_CLOSING) {
            covey__stream_maybe_free(s);
        }
    } else {
        put_out(s, w->batch, covey_bytes_of(w->bytes, w->len));
        covey__stream_pump(s);
    }
    free(w);
}

void covey__stream_write(struct covey__stream *s, struct covey__batch *take_batch,
                         struct covey_bytes bytes)
{
    struct covey__shape *shape = covey__loop_shape(s->owner->loop);
    if (take_batch == NULL) {
        covey_pace_effect();
    }
    if (shape->delay_ns == 0) {
        put_out(s, take_batch, bytes);
        return;
    }
    struct late_write *w = malloc(sizeof(*w) + bytes.len);
    if (w == NULL) {
        covey__batch_free(take_batch);
        covey__stream_close(s, COVEY_ERR_NOMEM);
        return;
    }
    *w = (struct late_write){.waiting = {.owner = s, .leave = on_leave},
                             .stream = s,
                             .batch = take_batch,
                             .len = bytes.len};
    if (bytes.len > 0) {
        memcpy(w->bytes, bytes.ptr, bytes.len);
    }
    s->delayed++;
    covey__shape_wait(shape, &w->waiting);
}

static void write_batch(struct covey__stream *s, struct covey__batch *take_batch)
{
    if (take_batch->err != COVEY_OK) {
        covey_err err = take_batch->err;
        covey__batch_free(take_batch);
        covey__stream_close(s, err);
        return;
    }
    size_t patient_len = take_batch->patient ? take_batch->body_len : 0;
    uint64_t cpu_ns = take_batch->cpu_ns, begin_ns = covey_thread_cpu_ns();
    covey__stream_write(s, take_batch, covey_bytes_of(NULL, 0));
    if (patient_len > 0) {
        covey__patience_took(s->owner, patient_len, cpu_ns + covey_thread_cpu_ns() - begin_ns);
    }
}

static void seal_work(void *user)
{
    struct covey__stream *s = user;
    uint64_t begin_ns = covey_thread_cpu_ns();
    covey__batch_seal(s->batch, &s->sealer);
    s->batch->cpu_ns = covey_thread_cpu_ns() - begin_ns;
}

static void seal_done(void *user)
{
    struct covey__stream *s = user;
    struct covey__batch *b = s->batch;
    s->batch = NULL;
    s->sealing = false;
    if (s->state == COVEY__STREAM_CLOSING) {
        covey__batch_free(b);
        covey__stream_maybe_free(s);
        return;
    }
    covey_pace_effect();
    write_batch(s, b);
    covey__stream_pump(s);
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
    (void)status;
    struct covey__stream *s = shutdown->data;
    if (s->state != COVEY__STREAM_CLOSING && s->eof) {
        covey__stream_close(s, COVEY_OK);
    }
}

/* Everything of a stream that is left for another has gone out. */
static void shut_if_drained(struct covey__stream *s)
{
    if (!s->finishing || s->unwritten > 0 || s->delayed > 0) {
        return;
    }
    if (s->shut) {
        if (s->eof) {
            covey__stream_close(s, COVEY_OK);
        }
        return;
    }
    s->shut = true;
    s->shutdown.data = s;
    if (uv_shutdown(&s->shutdown, (uv_stream_t *)&s->tcp, on_shut) != 0) {
        covey__stream_close(s, COVEY_ERR_CLOSED);
    }
}

/* What is to be written next, sealed. NULL: nothing now; a large one is sealed by a worker, and
 * comes later. */
static struct covey__batch *next_sealed(struct covey__stream *s)
{
    if (s->state != COVEY__STREAM_OPEN || s->sealing || s->unwritten >= COVEY__UNWRITTEN_MAX) {
        return NULL;
    }
    struct covey__batch *b = NULL;
    s->sender.hold = covey__patience_hold(s);
    covey_err err = covey__sender_next(&s->sender, &b);
    if (err != COVEY_OK) {
        covey__stream_close(s, err);
        return NULL;
    }
    if (b == NULL) {
        if (covey__sender_empty(&s->sender)) {
            shut_if_drained(s);
        }
        return NULL;
    }
    covey__patience_take(s->owner, b);
    if (b->body_len + b->control_len > COVEY__INLINE_MAX) {
        s->batch = b;
        s->sealing = true;
        if (covey_loop_work(s->owner->loop, seal_work, seal_done, s) == COVEY_OK) {
            return NULL;
        }
        s->sealing = false;
        s->batch = NULL;
    }
    covey__batch_seal(b, &s->sealer);
    return b;
}

void covey__stream_pump(struct covey__stream *s)
{
    struct covey__batch *b = NULL;
    while ((b = next_sealed(s)) != NULL) {
        covey_pace_effect();
        write_batch(s, b);
    }
}

void covey_channels_wake(struct covey_channels *c)
{
    for (struct covey__stream *s = c->streams; s != NULL; s = s->next) {
        covey__stream_pump(s);
    }
}

void covey__stream_ready(struct covey__stream *s)
{
    struct covey_channels *c = s->owner;
    if (s->ready) {
        return;
    }
    s->ready = true;
    s->ready_next = NULL;
    if (c->ready == NULL) {
        c->ready = s;
    } else {
        c->ready_last->ready_next = s;
    }
    c->ready_last = s;
}

void covey__stream_unready(struct covey__stream *s)
{
    struct covey_channels *c = s->owner;
    struct covey__stream *before = NULL;
    for (struct covey__stream *t = c->ready; s->ready && t != NULL; t = t->ready_next) {
        if (t == s) {
            *(before == NULL ? &c->ready : &before->ready_next) = s->ready_next;
            c->ready_last = c->ready_last == s ? before : c->ready_last;
            s->ready = false;
        }
        before = t;
    }
}

/* Only streams that have something are looked at: all of them are spread over the memory. */
void covey__channels_flush(void *user)
{
    struct covey_channels *c = user;
    struct covey__stream *first = c->ready, *next = NULL;
    unsigned count = 0;
    if (first == NULL) {
        return;
    }
    c->ready = c->ready_last = NULL;
    for (struct covey__stream *s = first; s != NULL; s = s->ready_next) {
        s->ready_batch = next_sealed(s);
        count += s->ready_batch != NULL;
    }
    covey_pace_writes(count);
    for (struct covey__stream *s = first; s != NULL; s = s->ready_next) {
        if (s->ready_batch != NULL) {
            write_batch(s, s->ready_batch);
            s->ready_batch = NULL;
        }
    }
    covey_pace_written(count);
    if (count > 0) {
        /* It may have slept: else what is due in a while would be waited for from before. */
        uv_update_time(covey__loop_uv(c->loop));
        if (c->config.on_sent != NULL) {
            c->config.on_sent(c->config.user);
        }
    }
    for (struct covey__stream *s = first; s != NULL; s = next) {
        next = s->ready_next;
        s->ready = false;
        covey__stream_pump(s);
    }
}

void covey__stream_mark(struct covey__stream *s, enum covey__frame_flag mark)
{
    if (s->finishing) {
        return;
    }
    covey_err err = covey__sender_push_mark(&s->sender, mark);
    if (err != COVEY_OK) {
        covey__stream_close(s, err);
        return;
    }
    covey__stream_pump(s);
}
