/* SPDX-License-Identifier: MIT
 *
 * channels_internal.h - what channels.c and the channel_*.c that know a socket share.
 *
 * A stream is one TCP connection; a peer is a member with at least one open stream.
 * channel_stream.c and channel_write.c move bytes, channel_peer.c decides which stream carries
 * what, channels.c listens and dials.
 */
#ifndef COVEY_CHANNELS_INTERNAL_H
#define COVEY_CHANNELS_INTERNAL_H

#include "addr_internal.h"
#include "channel_receive.h"
#include "covey/channels.h"
#include "covey/seldom.h"
#include "gate.h"
#include "loop_internal.h"

enum {
    COVEY__HANDSHAKE_MS = 3000,
    COVEY__DRAIN_MS = 30 * 1000,
    COVEY__HALF_OPEN_MAX = 100,
    /* One source alone must not fill the half-open table. */
    COVEY__HALF_OPEN_PER_SOURCE = 32,
    COVEY__GATE_PER_S = 20,
    COVEY__GATE_BURST = 5,
    COVEY__GATE_RETRY_MS = 50,
    /* Channels of one member that cost its address nothing. */
    COVEY__MEMBER_PER_S = 1,
    COVEY__MEMBER_BURST = 5,
    COVEY__LOG_LINES_PER_S = 10,
    COVEY__MEMBER_LINES = 32, /* of one member at once, then one in ten minutes */
    COVEY__RECEIVE_BUFFER = 128 * 1024,
    /* Sealed bytes that wait for the kernel before the next batch is made. */
    COVEY__UNWRITTEN_MAX = 2 * COVEY__BATCH_BODY,
    /* Messages kept back while an older stream drains, before reading pauses. */
    COVEY__HELD_MAX = 1024 * 1024,
    /* Without a record's worth more of a body its channel ends. At 100 kbit/s the last of 64 bodies
     * waits a minute and a half for its turn, a patient one beside others six minutes. */
    COVEY__WAIT_MS = 20 * 60 * 1000,
    COVEY__WAIT_LOOK_MS = 10 * 1000,
    COVEY__GROWING_MS = 1000, /* between two times that it is told of one stream */
};

enum covey__stream_state {
    COVEY__STREAM_WAITING,    /* accepted, the gate has not let it in yet */
    COVEY__STREAM_CONNECTING, /* dialled */
    COVEY__STREAM_HANDSHAKE,
    COVEY__STREAM_UNCONFIRMED, /* dialled, sent message 3, waits for the acceptor's first record */
    COVEY__STREAM_OPEN,
    COVEY__STREAM_CLOSING,
};

/* Each direction's sealer belongs to the loop, or to a worker while sealing (opening) is set. */
struct covey__stream {
    struct covey_channels *owner;
    struct covey__stream *next;
    struct covey__peer *peer; /* from OPEN on */
    enum covey__stream_state state;
    bool dialled, has_expected, half_open;
    bool sealing, opening;
    bool ready;     /* among the owner's: something is to be sent in this turn of the loop */
    bool finishing; /* no new messages: shut down once drained */
    bool shut, eof; /* our end is shut; the peer's is */
    bool hold;      /* messages are kept back until the older stream has ended */
    bool reported;  /* its loss was already told */
    bool silent;    /* its end is told to nobody */
    bool reading;
    bool granted; /* the next batch may be of patient bodies */
    uint64_t patient_turn;
    struct covey_addr remote;
    struct covey_node_id expected;
    covey_err why;
    unsigned handles; /* not yet closed */
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_shutdown_t shutdown;
    struct covey_handshake *handshake;
    struct covey_cert cert; /* from UNCONFIRMED on */
    uint8_t cert_wire[COVEY_CERT_MAX];
    size_t cert_len;
    struct covey__sender sender;
    struct covey_sealer sealer;
    struct covey__batch *batch;       /* with the sealing worker */
    struct covey__batch *ready_batch; /* sealed, written with those of other streams */
    struct covey__stream *ready_next;
    size_t queued, unwritten;
    size_t delayed; /* writes that wait where the link is played slow */
    struct covey__receiver receiver;
    covey_err receive_err;
    size_t received_used;
    uint64_t growing_ms; /* when it was told last that bodies grow */
    struct covey__in_message *held_first, *held_last;
    size_t held_bytes;
    size_t unfinished; /* what the channels' sum has of it */
    size_t in_len;
    uint8_t in[COVEY__RECEIVE_BUFFER];
};

struct covey__peer {
    struct covey__peer *next;
    struct covey_node_id id;
    bool up;
    struct covey__stream *primary; /* carries what is sent; among the peer's streams */
    unsigned streams;              /* that are its own */
};

struct covey_channels {
    struct covey_channels_config config;
    struct covey_loop *loop;
    uv_tcp_t listeners[2];
    unsigned listener_count;
    uv_timer_t gate_timer;
    unsigned handles;
    uint16_t port;
    bool closing;
    struct covey__stream *ready, *ready_last;
    struct covey__before_wait before_wait;
    struct covey__gate gate;
    struct covey__gate members; /* by the first bytes of their ids, as if those were addresses */
    struct covey__stream *streams;
    struct covey__peer *peers;
    /* channel_patience.c */
    struct covey_timer *patience;
    bool patience_set;
    uint64_t urgent_ms;  /* when a body that is not patient was sent last */
    uint64_t patient_ms; /* no patient ones before, while there are others */
    uint64_t patient_ns; /* of the processor that a KiB of them takes; 0: not known */
    uint64_t patient_turns;
    /* channel_unfinished.c */
    uint64_t unfinished; /* the sum of the streams' */
    uint64_t wait_look_ms;
    struct covey_seldom wait_line, share_line, long_line;
    uint64_t log_second; /* of strangers */
    unsigned log_lines;
    struct covey_seldom member_lines[256]; /* by the first byte of a member's id */
};

/* channels.c */
void covey__channels_log(struct covey_channels *c, const struct covey__stream *s, const char *what,
                         covey_err err);
uint64_t covey__channels_wall_s(struct covey_channels *c);
void covey__channels_start_waiting(struct covey_channels *c);
void covey__channels_stream_gone(struct covey__stream *s); /* frees the channels after the last */

/* channel_stream.c */
covey_err covey__stream_new(struct covey_channels *c, bool dialled,
                            struct covey__stream **out) COVEY_CHECK;
void covey__stream_start(struct covey__stream *s); /* the handshake of a connected stream */
void covey__stream_connect(struct covey__stream *s);
void covey__stream_close(struct covey__stream *s, covey_err why);
void covey__stream_release(struct covey__stream *s); /* delivers what was held */
bool covey__stream_is_stalled(const struct covey__stream *s);
/* Whether bodies that are not whole grew since it was told last; it is now. */
bool covey__stream_grows(struct covey__stream *s, uint64_t now_ms);
/* Closed, the peer hears of it at once: what was on its way is lost. */
void covey__stream_reset(struct covey__stream *s, covey_err why);

void covey__stream_finish(struct covey__stream *s); /* drain, then shut down */
/* Frees the stream once its handles are closed, nothing waits and no worker holds a part of it. */
void covey__stream_maybe_free(struct covey__stream *s);
/* Something was put in: it is sealed and written at the end of the loop's turn. */
void covey__stream_ready(struct covey__stream *s);
void covey__stream_unready(struct covey__stream *s);

/* channel_write.c */
/* Takes the batch. bytes: copied; used for the handshake, when batch is NULL. */
void covey__stream_write(struct covey__stream *s, struct covey__batch *take_batch,
                         struct covey_bytes bytes);
void covey__stream_pump(struct covey__stream *s);
/* What was sent in a turn of the loop goes out at its end, together. user: the channels. */
void covey__channels_flush(void *user);
void covey__stream_mark(struct covey__stream *s, enum covey__frame_flag mark);

/* channel_patience.c */
void covey__patience_sent(struct covey_channels *c, const struct covey_body *body);
/* Whether the stream's next batch is to be without patient bodies: their time comes later. */
bool covey__patience_hold(struct covey__stream *s);
/* A batch is made; sealing and writing it took so much of the processor. */
void covey__patience_take(struct covey_channels *c, const struct covey__batch *b);
void covey__patience_took(struct covey_channels *c, size_t body_len, uint64_t cpu_ns);
void covey__patience_over(void *user); /* the timer's */

/* channel_unfinished.c: on the loop, while no worker opens what the stream received. */
/* Counts what the stream holds; it may be closed for it, or another. */
void covey__unfinished_count(struct covey__stream *s);
void covey__unfinished_forget(struct covey__stream *s); /* it is being closed */
/* Closes streams of which a body waited for too long. */
void covey__unfinished_look(struct covey_channels *c, uint64_t now_ms);

/* channel_peer.c */
struct covey__peer *covey__peer_find(struct covey_channels *c, const struct covey_node_id *id);
/* Whether the verified peer may come up on this stream. */
covey_err covey__peer_admit(struct covey__stream *s) COVEY_CHECK;
void covey__peer_established(struct covey__stream *s);
void covey__peer_record(struct covey__stream *s); /* something authentic arrived */
void covey__peer_eof(struct covey__stream *s);
void covey__peer_closed(struct covey__stream *s);

#endif /* COVEY_CHANNELS_INTERNAL_H */
