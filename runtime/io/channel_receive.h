/* SPDX-License-Identifier: MIT
 *
 * channel_receive.h - the receiving half of a channel: sealed bytes in, whole messages out.
 *
 * Knows no socket; runs on the loop or on a worker thread, one of them at a time. Whatever does not
 * fit the rules of channel_send.h ends the channel.
 */
#ifndef COVEY_CHANNEL_RECEIVE_H
#define COVEY_CHANNEL_RECEIVE_H

#include "channel_send.h"

struct covey__in_message {
    struct covey__in_message *next;
    uint8_t marks; /* COVEY__FRAME_PING or _PONG: no message */
    struct covey_body *body;
    size_t control_len;
    uint8_t *control;
};

struct covey__in_stream {
    bool open;
    uint16_t stream;
    uint32_t body_len, len; /* announced; what has arrived */
    bool shared;
    struct covey_shared_key key;       /* if shared */
    uint64_t grown_ms;                 /* when it was opened, or grew by a record's worth last */
    struct covey__in_message *message; /* its body NULL: it is left out */
};

struct covey__receiver {
    struct covey_sealer sealer;
    struct covey__in_stream streams[COVEY__FRAME_STREAMS_MAX];
    size_t open_bytes;  /* declared, of the bodies that are not whole */
    size_t held_bytes;  /* of them, what has arrived and is kept */
    uint64_t now_ms;    /* set by the loop before it feeds */
    uint64_t grown_ms;  /* when any body grew by a record's worth last */
    uint64_t body_most; /* set by the loop too: a body that is longer is left out; 0: none */
    bool left_out;      /* one was, since the loop looked last */
    struct covey__in_message *partial; /* control not yet whole */
    uint8_t partial_flags;
    uint16_t partial_stream;
    uint32_t partial_body_len;
    struct covey_shared_key partial_key;
    struct covey__in_message *first, *last; /* whole ones, for the loop to take */
    uint8_t plain[COVEY_RECORD_MAX];
};

/* Opens every whole record at the front of in; what is left in *out_used.. is the start of the
 * next. Messages made whole before an error stay in the list. */
covey_err covey__receiver_feed(struct covey__receiver *r, struct covey_bytes in,
                               size_t *out_used) COVEY_CHECK;
struct covey__in_message *covey__receiver_take(struct covey__receiver *r);
/* Since when the body that has waited longest has: now_ms if none is open. */
uint64_t covey__receiver_waits_since_ms(const struct covey__receiver *r, uint64_t now_ms);
void covey__in_message_free(struct covey__in_message *m);
void covey__receiver_done(struct covey__receiver *r);

#endif /* COVEY_CHANNEL_RECEIVE_H */
