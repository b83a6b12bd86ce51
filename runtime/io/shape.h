/* SPDX-License-Identifier: MIT
 *
 * shape.h - a long or lossy link that the kernel does not play: what leaves waits in a line first.
 *
 * The delay is the same for all, so the line is a queue and keeps its order.
 */
#ifndef COVEY_SHAPE_H
#define COVEY_SHAPE_H

#include <uv.h>

#include "covey/bytes.h"

/* Embedded in what waits. */
struct covey__waiting {
    struct covey__waiting *next;
    uint64_t at_ns;
    void *owner;
    /* dropped: it is not to be sent, only freed. */
    void (*leave)(struct covey__waiting *w, bool dropped);
};

struct covey__shape {
    uint64_t delay_ns; /* 0: nothing waits */
    uint64_t loss;     /* of 2^32 datagrams */
    int timer;         /* milliseconds of the loop's own timers are too coarse */
    uv_poll_t poll;
    struct covey__waiting *first, *last;
};

covey_err covey__shape_open(struct covey__shape *s, uv_loop_t *uv, uint32_t delay_ms,
                            double loss_percent) COVEY_CHECK;
/* In front of the loop's end: drops all, closes the handle. */
void covey__shape_close(struct covey__shape *s);

/* Where delay_ns is not 0. */
void covey__shape_wait(struct covey__shape *s, struct covey__waiting *w);
/* Drops what an owner has waiting. */
void covey__shape_forget(struct covey__shape *s, const void *owner);
/* Whether this datagram is lost. */
bool covey__shape_loses(const struct covey__shape *s);

#endif /* COVEY_SHAPE_H */
