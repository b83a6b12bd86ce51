/* SPDX-License-Identifier: MIT
 *
 * channels.h - authenticated TCP channels to peers (protocol.md, Channels).
 *
 * Handshakes run on the loop; records of bodies are sealed and opened on worker threads, each
 * direction of a channel by one thread at a time. At most one channel to a peer is reported up: of
 * two mutual dials the one dialled by the lesser id is closed once the greater's carried a message.
 */
#ifndef COVEY_CHANNELS_H
#define COVEY_CHANNELS_H

#include "covey/body.h"
#include "covey/ids.h"
#include "covey/identity.h"
#include "covey/loop.h"

struct covey_channels;

struct covey_channels_config {
    const struct covey_identity *identity;
    const char *interface; /* NULL: all addresses; "lo": 127.0.0.1 and ::1 only */
    uint16_t port;         /* 0: stock port 5685 if free, else any */
    /* Bytes that bodies which are not whole yet may hold in all channels together; 0: any. Beyond
     * it channels end: of those that hold more than an equal share, the one of which a body has
     * waited longest for more. A body that alone is longer is not kept: its message comes without.
     */
    uint64_t unfinished_bytes;
    void *user;
    /* Both may be NULL: the system clock; every verified member. A peer that is not admitted
     * (revoked, marked) never comes up. */
    uint64_t (*wall_s)(void *user);
    bool (*admit)(void *user, const struct covey_cert *peer);
    /* A channel to peer is up; cert is its verified certificate's wire form. from: remote address.
     */
    void (*on_up)(void *user, const struct covey_cert *peer, struct covey_bytes cert_wire,
                  const struct covey_addr *from);
    /* No channel to peer is left. why is a reason for the log. */
    void (*on_down)(void *user, const struct covey_node_id *peer, covey_err why);
    /* A dial ended without a channel. */
    void (*on_dial_failed)(void *user, const struct covey_addr *to, covey_err why);
    /* One whole message: control bytes borrowed; body NULL or with one reference passed over. */
    void (*on_message)(void *user, const struct covey_node_id *peer, struct covey_bytes control,
                       struct covey_body *take_body);
    /* What was queued since the last wait has gone out, as far as the system takes it; the loop's
     * time is that of now. May be NULL. */
    void (*on_sent)(void *user);
    /* From covey_channels_look(). May be NULL. */
    void (*on_stalled)(void *user, const struct covey_node_id *peer);
    void (*on_growing)(void *user, const struct covey_node_id *peer);
    /* One line for the log: failed handshakes, flipped bits. */
    void (*on_log)(void *user, const char *line);
};

/* For each on_up there is one on_down, unless the channels are closed first; covey_channels_close()
 * is followed by no callback. Callbacks come from the loop, on_down and on_dial_failed never from
 * within a call of this header. A peer that restarts goes down and up again. */
covey_err covey_channels_open(struct covey_loop *loop, const struct covey_channels_config *config,
                              struct covey_channels **out, char out_why[static 256]) COVEY_CHECK;
void covey_channels_close(struct covey_channels *channels);
uint16_t covey_channels_port(const struct covey_channels *channels);

/* Dials; expected may be NULL (--join: any member). A second dial to the same address or to a peer
 * with a channel is a no-op. 3 s bound on the handshake, cap of 100 half-open, bucket per source
 * address (20/s, burst 5 per second of handshakes accepted). */
void covey_channels_dial(struct covey_channels *channels, const struct covey_addr *to,
                         const struct covey_node_id *expected);
/* Queues one message. control copied; body referenced. CLOSED without a channel, BUSY when more
 * than COVEY_CHANNEL_QUEUE_MAX bytes wait. Bodies travel in pieces of 16 KiB, interleaved with
 * later control messages; a message is delivered at the peer when its body is whole, and messages
 * without body never wait behind a body. */
covey_err covey_channels_send(struct covey_channels *channels, const struct covey_node_id *peer,
                              struct covey_bytes control, struct covey_body *body) COVEY_CHECK;
/* Whether a body that is not patient was sent within the last half second: then patient ones get a
 * eighth of this device's time. */
bool covey_channels_busy(const struct covey_channels *channels);
/* On the loop: more of some bodies is ready (covey_body_make_ready()). */
void covey_channels_wake(struct covey_channels *channels);
/* Bytes queued and not yet handed to the kernel; 0 without a channel. */
size_t covey_channels_queued(const struct covey_channels *channels,
                             const struct covey_node_id *peer);
/* Tells of each peer whose channel stands still: two retransmissions in a row were not
 * acknowledged. TCP then waits twice as long each time, also when the way has long been free again.
 * And, once a second, of each from whom more of a body came that is not whole yet. Ends channels of
 * which a body got no more for twenty minutes. */
void covey_channels_look(struct covey_channels *channels);
/* What stands still is not drained first. */
void covey_channels_drop(struct covey_channels *channels, const struct covey_node_id *peer);

enum {
    /* A peer that stands still may hold back this much before it is passed over. */
    COVEY_CHANNEL_QUEUE_MAX = 256 * 1024 * 1024,
};

#endif /* COVEY_CHANNELS_H */
