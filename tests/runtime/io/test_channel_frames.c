/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "channel_receive.h"
#include "covey/crypto.h"
#include "gate.h"

/* A sealer and a receiver under the same key: a member that seals what it likes. */
struct fixture {
    struct covey_sealer sealer;
    struct covey__receiver receiver;
    uint8_t wire[COVEY_RECORD_MAX + COVEY_RECORD_OVERHEAD];
};

static int setup(void **state)
{
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    covey__receiver_done(&f->receiver);
    free(f);
    return 0;
}

static covey_err feed(struct fixture *f, enum covey_record_kind kind, uint16_t stream,
                      struct covey_bytes plain)
{
    size_t len = 0;
    size_t used = 0;
    struct covey_buf room = {f->wire, sizeof(f->wire)};
    assert_int_equal(covey_record_seal(&f->sealer, kind, stream, plain, room, &len), COVEY_OK);
    return covey__receiver_feed(&f->receiver, covey_bytes_of(f->wire, len), &used);
}

static covey_err control(struct fixture *f, uint8_t flags, uint16_t stream, uint32_t body_len,
                         size_t len)
{
    static uint8_t plain[COVEY_RECORD_MAX];
    plain[0] = flags;
    covey_store16(plain + 1, stream);
    covey_store32(plain + 3, body_len);
    return feed(f, COVEY_RECORD_CONTROL, stream, covey_bytes_of(plain, COVEY__FRAME_HEAD + len));
}

static covey_err body(struct fixture *f, uint16_t stream, size_t len)
{
    static const uint8_t plain[COVEY_RECORD_MAX];
    return feed(f, COVEY_RECORD_BODY, stream, covey_bytes_of(plain, len));
}

enum { BODY = COVEY__FRAME_BODY, MORE = COVEY__FRAME_MORE };

/* Frames against the rules are refused: each line of its own, from a fresh state. */
static void test_frames_refuses_first(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(body(f, 1, 5), COVEY_ERR_MALFORMED); /* no such stream */
    assert_int_equal(feed(f, COVEY_RECORD_CONTROL, 0, covey_bytes_of("abcdef", 6)),
                     COVEY_ERR_MALFORMED);
    assert_int_equal(feed(f, COVEY_RECORD_CONTROL, 1, covey_bytes_of("\0\0\0\0\0\0\0", 7)),
                     COVEY_ERR_MALFORMED); /* stream inside differs */
    assert_int_equal(control(f, 0, 0, 5, 1), COVEY_ERR_MALFORMED);
    assert_int_equal(control(f, BODY, 1, COVEY_BODY_MAX + 1, 1), COVEY_ERR_MALFORMED);
    assert_int_equal(control(f, BODY, 1, UINT32_MAX, 1), COVEY_ERR_MALFORMED);
    assert_int_equal(control(f, 0x40, 0, 0, 1), COVEY_ERR_MALFORMED);
    assert_int_equal(control(f, COVEY__FRAME_PING, 0, 0, 1), COVEY_ERR_MALFORMED);
    assert_int_equal(control(f, COVEY__FRAME_PING | MORE, 0, 0, 0), COVEY_ERR_MALFORMED);
    assert_null(covey__receiver_take(&f->receiver));
}

/* A body may not be longer than declared, nor its stream opened twice, nor used when it is over. */
static void test_frames_refuses_body(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(control(f, BODY, 7, 100, 3), COVEY_OK);
    assert_int_equal(body(f, 7, 0), COVEY_ERR_MALFORMED);
    assert_int_equal(body(f, 7, 60), COVEY_OK);
    assert_int_equal(body(f, 7, 41), COVEY_ERR_MALFORMED);
    assert_int_equal(body(f, 7, 40), COVEY_OK);
    assert_int_equal(body(f, 7, 1), COVEY_ERR_MALFORMED);
    struct covey__in_message *m = covey__receiver_take(&f->receiver);
    assert_non_null(m);
    assert_int_equal(m->control_len, 3);
    assert_int_equal(m->body->len, 100);
    covey__in_message_free(m);
}

static void test_frames_refuses_same_stream(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(control(f, BODY, 7, 100, 3), COVEY_OK);
    assert_int_equal(control(f, BODY, 7, 100, 3), COVEY_ERR_MALFORMED);
}

/* No more than 64 open streams, and no more declared than the bound, whatever arrives. */
static void test_frames_bounds_streams(void **state)
{
    struct fixture *f = *state;
    for (uint16_t i = 0; i < COVEY__FRAME_STREAMS_MAX; i++) {
        assert_int_equal(control(f, BODY, i, 10, 1), COVEY_OK);
    }
    assert_int_equal(control(f, BODY, 100, 10, 1), COVEY_ERR_MALFORMED);
}

/* Of what is only declared there is room for a beginning. */
static void test_frames_bounds_declared(void **state)
{
    enum { EXPECTED = 2 << 20 };
    struct fixture *f = *state;
    for (uint16_t i = 0; i < COVEY__FRAME_OPEN_MAX / COVEY_BODY_MAX; i++) {
        assert_int_equal(control(f, BODY, i, COVEY_BODY_MAX, 1), COVEY_OK);
        assert_true(f->receiver.streams[i].message->body->capacity <= EXPECTED);
    }
    assert_int_equal(control(f, BODY, 100, 1, 1), COVEY_ERR_MALFORMED);
}

/* A control message grows to its limit and not beyond; its records must agree and go on. */
static void test_frames_bounds_control(void **state)
{
    enum { CHUNK = COVEY_RECORD_MAX - COVEY__FRAME_HEAD };
    struct fixture *f = *state;
    assert_int_equal(control(f, MORE, 0, 0, 5), COVEY_OK);
    assert_int_equal(control(f, BODY | MORE, 0, 0, 5), COVEY_ERR_MALFORMED);
    assert_int_equal(control(f, MORE, 0, 0, 0), COVEY_ERR_MALFORMED);
    size_t have = 5;
    while (have + CHUNK <= COVEY_CONTROL_MAX) {
        assert_int_equal(control(f, MORE, 0, 0, CHUNK), COVEY_OK);
        have += CHUNK;
    }
    assert_int_equal(control(f, MORE, 0, 0, CHUNK), COVEY_ERR_MALFORMED);
    assert_int_equal(control(f, 0, 0, 0, COVEY_CONTROL_MAX - have), COVEY_OK);
    struct covey__in_message *m = covey__receiver_take(&f->receiver);
    assert_non_null(m);
    assert_int_equal(m->control_len, COVEY_CONTROL_MAX);
    covey__in_message_free(m);
}

/* What the sender makes, batch by batch, the receiver takes, cut at any place. */
static void test_frames_sender_to_receiver(void **state)
{
    struct fixture *f = *state;
    struct covey__sender s = {0};
    static uint8_t stream[4 * 1024 * 1024];
    size_t len = 0;
    uint8_t text[300] = {0};
    for (unsigned i = 0; i < 100; i++) {
        struct covey_body *b = NULL;
        assert_int_equal(covey_body_new(i * 331, &b), COVEY_OK);
        memset(b->data, (int)i, b->len);
        if (i % 5 == 1) {
            assert_int_equal(covey_body_share(b), COVEY_OK);
        }
        text[0] = (uint8_t)i;
        assert_int_equal(covey__sender_push(&s, covey_bytes_of(text, i + 1), i % 3 == 0 ? NULL : b),
                         COVEY_OK);
        covey_body_unref(b);
    }
    for (;;) {
        struct covey__batch *batch = NULL;
        assert_int_equal(covey__sender_next(&s, &batch), COVEY_OK);
        if (batch == NULL) {
            break;
        }
        covey__batch_seal(batch, &f->sealer);
        assert_int_equal(batch->err, COVEY_OK);
        assert_true(batch->out_len <= batch->out_capacity);
        assert_true(len + batch->out_len <= sizeof(stream));
        memcpy(stream + len, batch->out, batch->out_len);
        len += batch->out_len;
        covey__sender_written(&s, batch);
    }
    assert_true(covey__sender_empty(&s));
    size_t begin = 0;
    for (size_t end = 0; end < len; end += 7777) {
        size_t to = end + 7777 < len ? end + 7777 : len;
        size_t used = 0;
        assert_int_equal(
            covey__receiver_feed(&f->receiver, covey_bytes_of(stream + begin, to - begin), &used),
            COVEY_OK);
        begin += used;
    }
    assert_int_equal(begin, len);
    bool seen[100] = {false};
    struct covey__in_message *m;
    while ((m = covey__receiver_take(&f->receiver)) != NULL) {
        unsigned i = m->control[0];
        assert_true(i < 100 && !seen[i]);
        seen[i] = true;
        assert_int_equal(m->control_len, i + 1);
        assert_int_equal(m->body == NULL, i % 3 == 0);
        assert_int_equal(m->body == NULL ? i * 331 : m->body->len, i * 331);
        for (size_t j = 0; m->body != NULL && j < m->body->len; j++) {
            assert_int_equal(m->body->data[j], i);
        }
        covey__in_message_free(m);
    }
    for (unsigned i = 0; i < 100; i++) {
        assert_true(seen[i]);
    }
    covey__sender_done(&s);
}

static void push(struct covey__sender *s, size_t len, bool patient)
{
    struct covey_body *b = NULL;
    assert_int_equal(covey_body_new(len, &b), COVEY_OK);
    memset(b->data, 0, len);
    b->patient = patient;
    assert_int_equal(covey__sender_push(s, covey_bytes_of("x", 1), b), COVEY_OK);
    covey_body_unref(b);
}

/* Takes the next batch: how many bytes of bodies it has, and of which stream the last piece is. */
static size_t take_batch(struct covey__sender *s, uint16_t *out_stream)
{
    struct covey__batch *b = NULL;
    assert_int_equal(covey__sender_next(s, &b), COVEY_OK);
    size_t len = b != NULL ? b->body_len : 0;
    *out_stream = len > 0 ? b->pieces[b->piece_count - 1].stream : 0;
    covey__batch_free(b);
    return len;
}

/* A patient body lets others go first, also in its middle, and mixes with none; but others without
 * end do not keep it back for ever. */
static void test_frames_patient_bodies(void **state)
{
    enum { SMALL = 1000, LARGE = 100 * COVEY__BATCH_BODY, BATCH = 2 * COVEY__BATCH_BODY };
    (void)state;
    struct covey__sender s = {0};
    uint16_t stream = 0;
    push(&s, LARGE, true);
    assert_int_equal(take_batch(&s, &stream), COVEY__BATCH_BODY);
    push(&s, SMALL, false);
    assert_int_equal(take_batch(&s, &stream), SMALL);
    assert_int_equal(stream, 1);
    assert_int_equal(take_batch(&s, &stream), COVEY__BATCH_BODY);
    assert_int_equal(stream, 0);
    push(&s, LARGE, false);
    for (unsigned i = 0; i < COVEY__BATCHES_FIRST; i++) {
        assert_int_equal(take_batch(&s, &stream), BATCH);
        assert_int_equal(stream, 2);
    }
    assert_int_equal(take_batch(&s, &stream), COVEY__BATCH_BODY);
    assert_int_equal(stream, 0);
    assert_int_equal(take_batch(&s, &stream), BATCH);
    assert_int_equal(stream, 2);
    assert_false(covey__sender_empty(&s));
    covey__sender_done(&s);
}

/* Of many patient bodies few are on their way at a time, so that what came is whole; small ones
 * fill batches as ever. */
static void test_frames_patient_bodies_one_by_one(void **state)
{
    enum { COUNT = 20, LARGE = COVEY__BATCH_BODY, SMALL = COVEY__BATCH_BODY / COUNT };
    (void)state;
    struct covey__sender s = {0};
    uint16_t stream = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        push(&s, LARGE, true);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(take_batch(&s, &stream), COVEY__BATCH_BODY);
        assert_true(s.active_count <= 2);
    }
    assert_true(covey__sender_empty(&s));
    for (unsigned i = 0; i < COUNT; i++) {
        push(&s, SMALL, true);
    }
    assert_int_equal(take_batch(&s, &stream), COUNT * SMALL);
    covey__sender_done(&s);
}

/* While patient bodies are held, others go and no batch is made of nothing; then they go on. */
static void test_frames_held_bodies(void **state)
{
    enum { SMALL = 1000 };
    (void)state;
    struct covey__sender s = {.hold = true};
    uint16_t stream = 0;
    push(&s, COVEY__BATCH_BODY, true);
    assert_int_equal(take_batch(&s, &stream), 0);
    push(&s, SMALL, false);
    assert_int_equal(take_batch(&s, &stream), SMALL);
    struct covey__batch *b = NULL;
    assert_int_equal(covey__sender_next(&s, &b), COVEY_OK);
    assert_null(b);
    assert_false(covey__sender_empty(&s));
    s.hold = false;
    assert_int_equal(take_batch(&s, &stream), COVEY__BATCH_BODY);
    assert_true(covey__sender_empty(&s));
    covey__sender_done(&s);
}

/* Sends body through a channel of its own to f, piece by piece; the wire's bytes are kept. */
static covey_err send_whole(struct fixture *f, struct covey_body *b, uint8_t *wire, size_t *len)
{
    struct covey__sender s = {0};
    struct covey__batch *batch = NULL;
    size_t used = 0;
    assert_int_equal(covey__sender_push(&s, covey_bytes_of("c", 1), b), COVEY_OK);
    assert_int_equal(covey__sender_next(&s, &batch), COVEY_OK);
    covey__batch_seal(batch, &f->sealer);
    assert_int_equal(batch->err, COVEY_OK);
    memcpy(wire, batch->out, batch->out_len);
    *len = batch->out_len;
    covey__batch_free(batch);
    assert_true(covey__sender_empty(&s));
    covey__sender_done(&s);
    return covey__receiver_feed(&f->receiver, covey_bytes_of(wire, *len), &used);
}

/* A body sealed once goes through two channels with the same ciphertext, is whole behind each, and
 * not in clear on the wire; a bit of it that is changed on the way ends the channel. */
static void test_frames_shared_body(void **state)
{
    enum { LEN = 40000, WIRE = LEN + 4096 };
    struct fixture *f = *state;
    struct fixture *other = calloc(1, sizeof(*other));
    uint8_t *first = malloc(WIRE), *second = malloc(WIRE);
    size_t first_len = 0, second_len = 0;
    struct covey_body *b = NULL;
    assert_true(other != NULL && first != NULL && second != NULL);
    covey_random(other->sealer.cipher.key, sizeof(other->sealer.cipher.key));
    other->receiver.sealer = other->sealer;
    assert_int_equal(covey_body_new(LEN, &b), COVEY_OK);
    memset(b->data, 'x', LEN);
    assert_int_equal(covey_body_share(b), COVEY_OK);
    assert_int_equal(send_whole(f, b, first, &first_len), COVEY_OK);
    assert_int_equal(send_whole(other, b, second, &second_len), COVEY_OK);
    assert_int_equal(first_len, second_len);
    assert_memory_equal(first + first_len - 1000, second + second_len - 1000, 900);
    assert_null(memmem(first, first_len, "xxxxxxxx", 8));
    struct fixture *both[2] = {f, other};
    for (int i = 0; i < 2; i++) {
        struct covey__in_message *m = covey__receiver_take(&both[i]->receiver);
        assert_non_null(m);
        assert_int_equal(m->body->len, LEN);
        assert_memory_equal(m->body->data, b->data, LEN);
        covey__in_message_free(m);
    }
    size_t used = 0;
    struct covey_sealer before = f->sealer; /* what the next message will be sealed with */
    assert_int_equal(send_whole(f, b, first, &first_len), COVEY_OK);
    covey__in_message_free(covey__receiver_take(&f->receiver));
    f->receiver.sealer = before;
    first[first_len - 500] ^= 1;
    assert_int_equal(covey__receiver_feed(&f->receiver, covey_bytes_of(first, first_len), &used),
                     COVEY_ERR_AUTH);
    covey__receiver_done(&other->receiver);
    covey_body_unref(b);
    free(first);
    free(second);
    free(other);
}

/* A stream's pieces are all of the kind that its control record said. */
static void test_frames_refuses_mixed_kinds(void **state)
{
    struct fixture *f = *state;
    uint8_t room[COVEY_RECORD_MAX + COVEY_RECORD_OVERHEAD];
    size_t len = 0, used = 0;
    assert_int_equal(control(f, BODY, 7, 100, 3), COVEY_OK);
    assert_int_equal(covey_record_wrap(&f->sealer, 7, covey_bytes_of("abc", 3),
                                       (struct covey_buf){room, sizeof(room)}, &len),
                     COVEY_OK);
    assert_int_equal(covey__receiver_feed(&f->receiver, covey_bytes_of(room, len), &used),
                     COVEY_ERR_MALFORMED);
    assert_int_equal(control(f, COVEY__FRAME_SHARED, 9, 0, 40), COVEY_ERR_MALFORMED);
    assert_int_equal(control(f, BODY | COVEY__FRAME_SHARED, 9, 10, 3), COVEY_ERR_MALFORMED);
    assert_int_equal(control(f, BODY | COVEY__FRAME_SHARED, 9, 100, 32), COVEY_OK);
    assert_int_equal(body(f, 9, 100), COVEY_ERR_MALFORMED);
}

/* A source has its burst, then its rate; others are not touched; a table that is full recycles. */
static void test_gate_limits_sources(void **state)
{
    (void)state;
    static struct covey__gate g;
    covey__gate_init(&g, 20, 5);
    struct covey_addr a = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}};
    struct covey_addr b = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}};
    unsigned passed = 0;
    for (int i = 0; i < 100; i++) {
        passed += covey__gate_pass(&g, &a, 1000);
    }
    assert_int_equal(passed, 5);
    assert_true(covey__gate_pass(&g, &b, 1000));
    assert_false(covey__gate_pass(&g, &a, 1049));
    assert_true(covey__gate_pass(&g, &a, 1100));
    covey__gate_refund(&g, &a, 1101);
    assert_true(covey__gate_pass(&g, &a, 1101));
    for (uint32_t i = 0; i < 10000; i++) {
        struct covey_addr c = {.ip = {[10] = 0xff, 0xff, 11, 0}};
        c.ip[14] = (uint8_t)(i >> 8);
        c.ip[15] = (uint8_t)i;
        assert_true(covey__gate_pass(&g, &c, 1200));
    }
    /* Addresses of one /64 are one source. */
    passed = 0;
    for (uint8_t i = 0; i < 100; i++) {
        struct covey_addr six = {.ip = {0x20, 1, [15] = i}};
        passed += covey__gate_pass(&g, &six, 2000);
    }
    assert_int_equal(passed, 5);
}

static struct covey_body *push_growing(struct covey__sender *s, size_t len)
{
    struct covey_body *b = NULL;
    assert_int_equal(covey_body_new(len, &b), COVEY_OK);
    memset(b->data, 5, len);
    covey_body_make_ready(b, 0);
    assert_int_equal(covey__sender_push(s, covey_bytes_of("grows", 5), b), COVEY_OK);
    return b;
}

/* A body that is being made goes out as far as it is ready, in whole records, and keeps up neither
 * the end of the queue nor other bodies. */
static void test_frames_growing_body(void **state)
{
    enum { LEN = 3 * COVEY_RECORD_MAX + 100 };
    (void)state;
    struct covey__sender s = {0};
    uint16_t stream = 9;
    struct covey_body *b = push_growing(&s, LEN);
    assert_int_equal(take_batch(&s, &stream), 0);
    assert_false(covey__sender_empty(&s));
    covey_body_make_ready(b, COVEY_RECORD_MAX - 1);
    assert_int_equal(take_batch(&s, &stream), 0);
    covey_body_make_ready(b, 2 * COVEY_RECORD_MAX + 7);
    assert_int_equal(take_batch(&s, &stream), 2 * COVEY_RECORD_MAX);
    push(&s, 77, false);
    assert_int_equal(take_batch(&s, &stream), 77);
    assert_int_equal(stream, 1);
    push(&s, 78, true);
    assert_int_equal(take_batch(&s, &stream), 78);
    assert_int_equal(stream, 2);
    covey_body_make_ready(b, COVEY_BODY_WHOLE);
    assert_int_equal(take_batch(&s, &stream), LEN - 2 * COVEY_RECORD_MAX);
    assert_true(covey__sender_empty(&s));
    covey_body_unref(b);
    covey__sender_done(&s);
}

/* Sends all that is ready. */
static void pass_on(struct fixture *f, struct covey__sender *s)
{
    struct covey__batch *batch = NULL;
    size_t used = 0;
    while (covey__sender_next(s, &batch) == COVEY_OK && batch != NULL) {
        covey__batch_seal(batch, &f->sealer);
        assert_int_equal(batch->err, COVEY_OK);
        assert_int_equal(
            covey__receiver_feed(&f->receiver, covey_bytes_of(batch->out, batch->out_len), &used),
            COVEY_OK);
        assert_int_equal(used, batch->out_len);
        covey__sender_written(s, batch);
    }
}

/* The message of a body that was given up arrives without it, and nothing is left of it at either
 * end; what comes after it is delivered. */
static void test_frames_given_up(void **state)
{
    struct fixture *f = *state;
    struct covey__sender s = {0};
    struct covey__in_message *m;
    struct covey_body *b = push_growing(&s, 3 * COVEY_RECORD_MAX);
    covey_body_make_ready(b, COVEY_RECORD_MAX);
    pass_on(f, &s);
    assert_int_equal(f->receiver.open_bytes, 3 * COVEY_RECORD_MAX);
    covey_body_make_ready(b, COVEY_BODY_GIVEN_UP);
    pass_on(f, &s);
    assert_true(covey__sender_empty(&s));
    assert_int_equal(f->receiver.open_bytes, 0);
    m = covey__receiver_take(&f->receiver);
    assert_non_null(m);
    assert_int_equal(m->control_len, 5);
    assert_null(m->body);
    covey__in_message_free(m);
    push(&s, 500, false);
    pass_on(f, &s);
    m = covey__receiver_take(&f->receiver);
    assert_non_null(m);
    assert_int_equal(m->body->len, 500);
    covey__in_message_free(m);
    covey_body_unref(b);
    covey__sender_done(&s);
}

/* Only what is open can be given up, and not in the middle of another message's control. */
static void test_frames_refuses_given_up(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(control(f, COVEY__FRAME_BODY, 4, 100, 3), COVEY_OK);
    assert_int_equal(control(f, COVEY__FRAME_GIVEN_UP, 4, 0, 0), COVEY_OK);
    assert_int_equal(control(f, COVEY__FRAME_GIVEN_UP, 4, 0, 0), COVEY_ERR_MALFORMED);
}

static void test_frames_refuses_given_up_inside(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(control(f, COVEY__FRAME_BODY, 4, 100, 3), COVEY_OK);
    assert_int_equal(control(f, COVEY__FRAME_MORE, 5, 0, 3), COVEY_OK);
    assert_int_equal(control(f, COVEY__FRAME_GIVEN_UP, 4, 0, 0), COVEY_ERR_MALFORMED);
}

static void expect_without_body(struct fixture *f)
{
    struct covey__in_message *m = covey__receiver_take(&f->receiver);
    assert_int_equal(m->control_len, 5);
    assert_null(m->body);
    covey__in_message_free(m);
    assert_int_equal(f->receiver.open_bytes, 0);
    assert_int_equal(f->receiver.held_bytes, 0);
}

/* A body that is longer than any that is kept takes no memory, and its message arrives without it;
 * one that may be kept comes beside it. */
static void test_frames_long_body(void **state)
{
    enum { MOST = 100 };
    struct fixture *f = *state;
    f->receiver.body_most = MOST;
    assert_int_equal(control(f, BODY, 8, MOST, 3), COVEY_OK);
    assert_int_equal(control(f, BODY, 7, MOST + 1, 5), COVEY_OK);
    assert_true(f->receiver.left_out);
    assert_int_equal(body(f, 7, 60), COVEY_OK);
    assert_int_equal(f->receiver.held_bytes, 0);
    assert_int_equal(body(f, 8, MOST), COVEY_OK);
    struct covey__in_message *m = covey__receiver_take(&f->receiver);
    assert_int_equal(m->body->len, MOST);
    covey__in_message_free(m);
    assert_int_equal(body(f, 7, 41), COVEY_OK);
    expect_without_body(f);
    assert_int_equal(control(f, BODY, 7, MOST + 1, 5), COVEY_OK);
    assert_int_equal(body(f, 7, 60), COVEY_OK);
    assert_int_equal(control(f, COVEY__FRAME_GIVEN_UP, 7, 0, 0), COVEY_OK);
    expect_without_body(f);
}

/* The same of one that was sealed for many. */
static void test_frames_long_shared_body(void **state)
{
    struct fixture *f = *state;
    struct covey__sender s = {0};
    struct covey_body *b = NULL;
    f->receiver.body_most = 2 * COVEY_RECORD_MAX;
    assert_int_equal(covey_body_new(3 * COVEY_RECORD_MAX, &b), COVEY_OK);
    memset(b->data, 5, b->len);
    assert_int_equal(covey_body_share(b), COVEY_OK);
    assert_int_equal(covey__sender_push(&s, covey_bytes_of("many!", 5), b), COVEY_OK);
    pass_on(f, &s);
    expect_without_body(f);
    covey_body_unref(b);
    covey__sender_done(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_frames_refuses_first),
        TEST(test_frames_refuses_body),
        TEST(test_frames_refuses_same_stream),
        TEST(test_frames_bounds_streams),
        TEST(test_frames_bounds_declared),
        TEST(test_frames_bounds_control),
        TEST(test_frames_sender_to_receiver),
        TEST(test_frames_shared_body),
        TEST(test_frames_refuses_mixed_kinds),
        cmocka_unit_test(test_frames_patient_bodies),
        cmocka_unit_test(test_frames_patient_bodies_one_by_one),
        cmocka_unit_test(test_frames_held_bodies),
        cmocka_unit_test(test_frames_growing_body),
        TEST(test_frames_given_up),
        TEST(test_frames_refuses_given_up),
        TEST(test_frames_refuses_given_up_inside),
        TEST(test_frames_long_body),
        TEST(test_frames_long_shared_body),
        cmocka_unit_test(test_gate_limits_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
