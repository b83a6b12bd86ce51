/* SPDX-License-Identifier: MIT */
#include "content.h"

#include <stdlib.h>

#include "covey/message_work.h"
#include "covey/seldom.h"
#include "model_share.h"

enum {
    READ_BLOBS = 64,      /* at a time */
    READ_BYTES = 1 << 20, /* the same; at least one blob */
    LOOK_MS = 10,         /* at channels that were full */
    SERVE_SHARE = 256,    /* of the memory that a device has may wait in one channel */
    SERVE_ALL_SHARE = 16, /* and in all of them together, with what is being read */
    STILL_MS = 3000,      /* then who takes nothing holds nothing back from others, ... */
    STILL_SHARE = 16,     /* unless so much of the memory waits for such */
};

struct wanted {
    struct covey_digest digest;
    uint32_t index; /* of SERVE */
};

/* What one peer wants and has not been given yet. */
struct serve {
    struct covey_task task;
    struct covey_content *content;
    bool used, reading;
    struct covey_node_id peer;
    struct wanted *queue; /* a ring */
    size_t first, count;
    uint64_t given;    /* bytes of what was read last; 0: all of it is out */
    uint64_t waiting;  /* in its channel, when it was looked at last */
    uint64_t taken_ms; /* when there were fewer than before */
    /* of the task: the first `chosen` of the queue */
    size_t chosen;
    struct wanted wanted[READ_BLOBS];
    struct covey_body *body[READ_BLOBS]; /* NULL: not here */
};

struct covey_content {
    struct covey_services *services;
    struct covey_timer *timer;
    size_t last; /* of serve: who was read for last */
    struct covey_seldom not_stored, wrong_bytes;
    struct serve serve[COVEY__SERVE_PEERS];
};

/* One blob that came. */
struct store_task {
    struct covey_task task;
    struct covey_content *content;
    struct covey_digest digest;
    struct covey_body *body;
    covey_err err;
};

static void feed(struct covey_content *c, const struct covey_event *event)
{
    c->services->feed(c->services->user, event);
}

/* ---- STORE ---- */

static void store_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct store_task *t = (struct store_task *)task;
    t->err = covey__store_put(&t->content->services->store, &t->digest,
                              covey_bytes_of(t->body->data, t->body->len));
}

/* One that is full refuses hundreds, among others for which there is room. */
static void log_refused(struct covey_content *c, covey_err err)
{
    bool wrong = err == COVEY_ERR_AUTH;
    const char *line =
        wrong ? "a blob of weights was refused: wrong bytes" : "a blob could not be stored";
    line = err == COVEY_ERR_LIMIT ? "the store has no room for a blob (coveyd --store)" : line;
    uint64_t now_ms = covey_loop_now_ms(c->services->loop);
    if (covey_seldom_due(wrong ? &c->wrong_bytes : &c->not_stored, now_ms)) {
        c->services->log(c->services->user, line);
    }
}

static void tell_stored(struct covey_content *c, const struct covey_digest *digest, covey_err err)
{
    if (err != COVEY_OK) {
        log_refused(c, err);
    }
    struct covey_event event = {.type = COVEY_EVENT_STORED, .digest = *digest, .err = err};
    feed(c, &event);
}

static void store_done(struct covey_task *task)
{
    struct store_task *t = (struct store_task *)task;
    tell_stored(t->content, &t->digest, t->err);
    covey_body_unref(t->body);
    free(t);
}

void covey__content_store(struct covey_content *c, const struct covey_action *action)
{
    struct covey_body *body = covey__handles_take(&c->services->handles, action->body);
    struct store_task *t = body != NULL ? calloc(1, sizeof(*t)) : NULL;
    if (t == NULL) {
        covey_body_unref(body);
        tell_stored(c, &action->digest, COVEY_ERR_NOMEM);
        return;
    }
    t->task = (struct covey_task){.work = store_work, .done = store_done};
    t->content = c;
    t->digest = action->digest;
    t->body = body;
    covey__pool_submit(c->services->storage, &t->task);
}

/* ---- SERVE ---- */

/* Of this node's own models also a parity that the store had no room for. */
static struct covey_body *find_blob(struct covey_services *services,
                                    const struct covey_digest *digest)
{
    struct covey_body *body = NULL;
    covey_err err = covey__store_body(&services->store, digest, &body);
    if (err != COVEY_OK && services->models != NULL) {
        err = covey__model_table_parity(services->models, digest, &body);
    }
    return err == COVEY_OK ? body : NULL;
}

static void serve_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct serve *s = (struct serve *)task;
    size_t bytes = 0;
    size_t read = 0;
    while (read < s->chosen && bytes < READ_BYTES) {
        struct covey_body *body = find_blob(s->content->services, &s->wanted[read].digest);
        bytes += body != NULL ? body->len : 0;
        s->body[read++] = body;
    }
    s->chosen = read;
}

static void give(struct serve *s, const struct covey_digest *digest, struct covey_body *body)
{
    uint8_t bytes[64];
    size_t len = 0;
    struct covey_work_message m = {.type = COVEY_WORK_GIVE, .give = *digest};
    covey_err err = covey_work_encode(&m, (struct covey_buf){bytes, sizeof(bytes)}, &len);
    if (err == COVEY_OK) {
        err = covey_channels_send(s->content->services->channels, &s->peer,
                                  covey_bytes_of(bytes, len), body);
    }
    if (err != COVEY_OK) {
        s->count = 0; /* its channel is gone: it asks again, or another */
    }
}

static void serve_on(struct serve *s);

/* Those with this index of the ones that were read. */
static void tell_lacked(struct serve *s, uint32_t index)
{
    uint8_t not_here[READ_BLOBS * sizeof(struct covey_digest)];
    size_t len = 0;
    for (size_t i = 0; i < s->chosen; i++) {
        if (s->body[i] == NULL && s->wanted[i].index == index) {
            memcpy(not_here + len, s->wanted[i].digest.bytes, sizeof(struct covey_digest));
            len += sizeof(struct covey_digest);
        }
    }
    struct covey_event event = {.type = COVEY_EVENT_LACKED,
                                .peer = s->peer,
                                .bytes = covey_bytes_of(not_here, len),
                                .index = index};
    if (len > 0) {
        feed(s->content, &event);
    }
}

static uint64_t queued(const struct serve *s)
{
    return covey_channels_queued(s->content->services->channels, &s->peer);
}

static void serve_done(struct covey_task *task)
{
    struct serve *s = (struct serve *)task;
    s->reading = false;
    s->first = (s->first + s->chosen) % COVEY__SERVE_QUEUE;
    s->count -= s->chosen;
    s->given = 0;
    s->waiting = queued(s) > 0 ? s->waiting : 0;
    for (size_t i = 0; i < s->chosen; i++) {
        if (s->body[i] != NULL) {
            s->body[i]->patient = true;
            s->given += s->body[i]->len;
            give(s, &s->wanted[i].digest, s->body[i]);
            covey_body_unref(s->body[i]);
        }
    }
    tell_lacked(s, 0);
    tell_lacked(s, 1);
    serve_on(s);
}

/* In memory for this peer, or soon: what was read is until the last of it is out, also when the
 * peer wants nothing more. */
static uint64_t under_way(struct serve *s)
{
    if (!s->used && s->given == 0) {
        return 0;
    }
    uint64_t waiting = queued(s);
    s->given = waiting > 0 ? s->given : 0;
    return (waiting > s->given ? waiting : s->given) + (s->reading ? READ_BYTES : 0);
}

/* Its link may be slow, or the peer reads nothing. */
static bool stands_still(struct serve *s)
{
    uint64_t now_ms = covey_loop_now_ms(s->content->services->loop), waiting = queued(s);
    s->taken_ms = s->waiting == 0 || waiting < s->waiting ? now_ms : s->taken_ms;
    s->waiting = waiting;
    return now_ms >= s->taken_ms + STILL_MS;
}

/* Where all that may be under way is, or waits for peers that take nothing. */
static bool is_all_given(struct covey_content *c)
{
    uint64_t limit = c->services->memory.limit_bytes, moving = 0, still = 0;
    for (size_t i = 0; i < COVEY__SERVE_PEERS; i++) {
        uint64_t bytes = under_way(&c->serve[i]);
        if (bytes > 0) {
            *(stands_still(&c->serve[i]) ? &still : &moving) += bytes;
        }
    }
    uint64_t borne = limit / STILL_SHARE;
    return moving + (still > borne ? still - borne : 0) > limit / SERVE_ALL_SHARE;
}

static bool is_full(struct serve *s)
{
    const struct covey_services *services = s->content->services;
    uint64_t most = services->memory.limit_bytes / SERVE_SHARE;
    most = most < COVEY__SERVE_BYTES ? most : COVEY__SERVE_BYTES;
    return queued(s) > most || is_all_given(s->content);
}

static void serve_on(struct serve *s)
{
    if (s->reading) {
        return;
    }
    if (s->count == 0) {
        s->used = false;
        return;
    }
    if (is_full(s)) {
        struct covey_services *services = s->content->services;
        covey_timer_set(s->content->timer, covey_loop_now_ms(services->loop) + LOOK_MS);
        return;
    }
    s->reading = true;
    s->content->last = (size_t)(s - s->content->serve);
    s->chosen = s->count < READ_BLOBS ? s->count : READ_BLOBS;
    for (size_t i = 0; i < s->chosen; i++) {
        s->wanted[i] = s->queue[(s->first + i) % COVEY__SERVE_QUEUE];
    }
    s->task.work = serve_work;
    s->task.done = serve_done;
    covey__pool_submit(s->content->services->storage, &s->task);
}

static void on_timer(void *user)
{
    struct covey_content *c = user;
    size_t first = c->last + 1;
    for (size_t i = 0; i < COVEY__SERVE_PEERS; i++) {
        struct serve *s = &c->serve[(first + i) % COVEY__SERVE_PEERS];
        if (s->used) {
            serve_on(s);
        }
    }
}

static struct serve *serve_of(struct covey_content *c, const struct covey_node_id *peer)
{
    struct serve *vacant = NULL;
    for (size_t i = 0; i < COVEY__SERVE_PEERS; i++) {
        struct serve *s = &c->serve[i];
        bool known = under_way(s) > 0 || s->used;
        if (known && covey_node_id_equal(&s->peer, peer)) {
            s->used = true;
            return s;
        }
        vacant = known ? vacant : s;
    }
    if (vacant != NULL && vacant->queue == NULL) {
        vacant->queue = malloc(COVEY__SERVE_QUEUE * sizeof(*vacant->queue));
    }
    if (vacant == NULL || vacant->queue == NULL) {
        return NULL;
    }
    vacant->used = true;
    vacant->content = c;
    vacant->peer = *peer;
    vacant->first = vacant->count = 0;
    return vacant;
}

void covey__content_serve(struct covey_content *c, const struct covey_action *action)
{
    struct serve *s = serve_of(c, &action->peer);
    if (s == NULL) {
        return; /* who asked waits a while and asks another */
    }
    for (size_t at = 0;
         at + sizeof(struct covey_digest) <= action->bytes.len && s->count < COVEY__SERVE_QUEUE;
         at += sizeof(struct covey_digest)) {
        struct wanted *to = &s->queue[(s->first + s->count++) % COVEY__SERVE_QUEUE];
        memcpy(to->digest.bytes, action->bytes.ptr + at, sizeof(to->digest.bytes));
        to->index = action->index;
    }
    serve_on(s);
}

/* ---- life ---- */

covey_err covey__content_new(struct covey_services *services, struct covey_content **out)
{
    struct covey_content *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return COVEY_ERR_NOMEM;
    }
    c->services = services;
    covey_err err = covey_timer_new(services->loop, on_timer, c, &c->timer);
    if (err != COVEY_OK) {
        free(c);
        return err;
    }
    *out = c;
    return COVEY_OK;
}

void covey__content_free(struct covey_content *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < COVEY__SERVE_PEERS; i++) {
        free(c->serve[i].queue);
    }
    covey_timer_free(c->timer);
    free(c);
}
