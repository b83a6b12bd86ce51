/* SPDX-License-Identifier: MIT
 *
 * channel_patience.c - patient bodies beside others: while others are about, a part of this
 * device's time is for them, a batch of one stream and then of another.
 */
#include "channels_internal.h"
#include "covey/pace.h"

enum {
    BUSY_MS = 500,        /* after a body that is not patient */
    SHARE = 8,            /* one part of so many */
    LOOK_MS = 5,          /* at streams that could not take a batch when it was their turn */
    USUAL_NS = 10 * 1024, /* of the processor for a KiB, before any was measured */
};

bool covey_channels_busy(const struct covey_channels *channels)
{
    return channels->urgent_ms != 0 &&
           covey_loop_now_ms(channels->loop) < channels->urgent_ms + BUSY_MS;
}

void covey__patience_sent(struct covey_channels *c, const struct covey_body *body)
{
    if (body != NULL && body->len > 0 && !body->patient) {
        c->urgent_ms = covey_loop_now_ms(c->loop);
    }
}

static bool has_patient(const struct covey__stream *s)
{
    return s->state == COVEY__STREAM_OPEN &&
           (s->sender.waiting[1].first != NULL || s->sender.active[1].first != NULL);
}

bool covey__patience_hold(struct covey__stream *s)
{
    struct covey_channels *c = s->owner;
    bool hold = covey_channels_busy(c) && !s->granted;
    s->granted = false;
    if (hold && has_patient(s) && !c->patience_set) {
        c->patience_set = true;
        covey_timer_set(c->patience, c->patient_ms);
    }
    return hold;
}

/* It will take about as long as those before; the others' part of the time follows. */
void covey__patience_take(struct covey_channels *c, const struct covey__batch *b)
{
    if (b->patient) {
        uint64_t cpu_ns = b->body_len / 1024 * (c->patient_ns != 0 ? c->patient_ns : USUAL_NS);
        uint64_t ms = cpu_ns * 100 / covey_pace_percent() * SHARE / 1000000;
        c->patient_ms = covey_loop_now_ms(c->loop) + (ms > 0 ? ms : 1);
    }
}

void covey__patience_took(struct covey_channels *c, size_t body_len, uint64_t cpu_ns)
{
    uint64_t each_ns = cpu_ns * 1024 / (body_len + 1);
    c->patient_ns = c->patient_ns != 0 ? (3 * c->patient_ns + each_ns) / 4 : each_ns;
}

static struct covey__stream *next_in_turn(const struct covey_channels *c)
{
    struct covey__stream *next = NULL;
    for (struct covey__stream *s = c->streams; s != NULL; s = s->next) {
        bool can = has_patient(s) && !s->sealing && s->unwritten < COVEY__UNWRITTEN_MAX;
        if (can && (next == NULL || s->patient_turn < next->patient_turn)) {
            next = s;
        }
    }
    return next;
}

void covey__patience_over(void *user)
{
    struct covey_channels *c = user;
    bool left = false;
    c->patience_set = false;
    struct covey__stream *s = next_in_turn(c);
    if (s != NULL) {
        s->patient_turn = ++c->patient_turns;
        s->granted = true;
        covey__stream_pump(s);
        s->granted = false;
    }
    bool busy = covey_channels_busy(c);
    for (s = c->streams; s != NULL; s = s->next) {
        if (!busy) {
            covey__stream_pump(s);
        }
        left = left || has_patient(s);
    }
    if (busy && left) {
        uint64_t soon = covey_loop_now_ms(c->loop) + LOOK_MS;
        c->patience_set = true;
        covey_timer_set(c->patience, c->patient_ms > soon ? c->patient_ms : soon);
    }
}
