/* SPDX-License-Identifier: MIT
 *
 * channel_send.h - the sending half of a channel: whole messages in, batches of sealed records out.
 *
 * Knows no socket. Frames: each control record is flags u8 || stream u16 || body length u32 ||
 * control bytes; body records carry the next piece of their stream. With SHARED the key of the
 * body, 32 bytes, follows the body length, and its pieces are sealed by it. Control messages
 * without a body come first; bodies take turns, a piece each. Patient bodies go in batches of their
 * own, when no other body is there, or once others had so many batches.
 */
#ifndef COVEY_CHANNEL_SEND_H
#define COVEY_CHANNEL_SEND_H

#include "covey/body.h"
#include "covey/channel.h"

enum covey__frame_flag {
    COVEY__FRAME_MORE = 1, /* the next control record goes on with this message */
    COVEY__FRAME_BODY = 2,
    COVEY__FRAME_PING = 4, /* no message: answered by a PONG */
    COVEY__FRAME_PONG = 8, /* no message: the acceptor's first record, and the answer to a PING */
    COVEY__FRAME_SHARED = 16, /* with BODY: sealed once for many */
    COVEY__FRAME_GIVEN_UP =
        32, /* no message: that of this stream is to be delivered without body */
};

enum {
    COVEY__FRAME_HEAD = 7,
    COVEY__FRAME_STREAMS_MAX = 64,
    /* Sum of the declared lengths of open bodies: what a member can make us hold at most. */
    COVEY__FRAME_OPEN_MAX = 256 * 1024 * 1024,
    /* What one batch takes: a control message waits behind no more than two of these. */
    COVEY__BATCH_CONTROL = 64 * 1024,
    COVEY__BATCH_BODY = 128 * 1024,
    /* A body with this much left is worth batches of twice as much: fewer hand-overs for each. */
    COVEY__BODY_LARGE = 1024 * 1024,
    COVEY__BATCH_PIECES = 64,
    COVEY__BATCHES_FIRST = 8, /* in front of one of patient bodies */
    /* Sealed and opened on the loop when no larger (docs/decisions/0006). */
    COVEY__INLINE_MAX = 64 * 1024 + 4 * 1024,
};

/* Bytes in front of a record's control bytes. */
static inline size_t covey__frame_head(uint8_t flags)
{
    return COVEY__FRAME_HEAD +
           ((flags & COVEY__FRAME_SHARED) != 0 ? sizeof(struct covey_shared_key) : 0);
}

struct covey__out_message {
    struct covey__out_message *next;
    struct covey_body *body;
    size_t body_off;
    uint16_t stream;
    uint8_t flags;
    size_t plain_len, plain_off; /* framed control records: COVEY_RECORD_MAX each but the last */
    uint8_t plain[];
};

struct covey__out_queue {
    struct covey__out_message *first, *last;
};

/* Invariant: a message is in exactly one queue, or partial, or finished in a batch. */
struct covey__sender {
    struct covey__out_queue control;
    struct covey__out_queue waiting[2], active[2]; /* the second are patient */
    bool hold;                                     /* patient ones wait */
    unsigned first;                     /* batches of others since the last one of patient bodies */
    struct covey__out_message *partial; /* its control is half sent */
    size_t active_count, active_bytes;
    uint16_t next_stream;
    uint8_t *room; /* of a batch that was written, for the next; or NULL */
    size_t room_bytes;
};

struct covey__piece {
    enum covey_record_kind kind;
    uint16_t stream;
    struct covey_bytes plain; /* of kind SHARED: sealed already */
};

struct covey__batch {
    struct covey__piece pieces[COVEY__BATCH_PIECES];
    size_t piece_count;
    bool patient;                        /* its bodies are */
    uint64_t cpu_ns;                     /* that sealing it took */
    size_t control_len, body_len;        /* plaintext bytes */
    size_t message_bytes;                /* of them, bytes that the queue's bound counts */
    struct covey__out_message *finished; /* freed with the batch */
    uint8_t *out;
    size_t out_len, out_capacity;
    covey_err err;
};

covey_err covey__sender_push(struct covey__sender *s, struct covey_bytes control,
                             struct covey_body *body) COVEY_CHECK;
covey_err covey__sender_push_mark(struct covey__sender *s, enum covey__frame_flag mark) COVEY_CHECK;
bool covey__sender_empty(const struct covey__sender *s);
/* What may go next, NULL in *out when nothing waits. */
covey_err covey__sender_next(struct covey__sender *s, struct covey__batch **out) COVEY_CHECK;
void covey__sender_done(struct covey__sender *s);

/* Any thread; sets out, out_len and err. */
void covey__batch_seal(struct covey__batch *b, struct covey_sealer *sealer);
void covey__batch_free(struct covey__batch *b);
/* The same for one that was written: what it was sealed into serves the next one. */
void covey__sender_written(struct covey__sender *s, struct covey__batch *take_batch);

#endif /* COVEY_CHANNEL_SEND_H */
